/* One line to whoever listens. The sink is set before other threads start, or guarded by its mutex.
 */
#include "base/log.h"

#include "base/sync.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static struct ms_mutex mutex = MS_MUTEX_STATIC;
static void (*sink)(void *, enum ms_log_level, const char *);
static void *sink_ctx;
static atomic_int level_wanted = MS_LOG_WARN;

void ms_log_to(void (*to)(void *, enum ms_log_level, const char *), void *ctx,
               enum ms_log_level level)
{
    MS_HOLD(&mutex);
    sink = to;
    sink_ctx = ctx;
    level_wanted = (int)level;
}

bool ms_log_wants(enum ms_log_level level)
{
    return (int)level <= level_wanted;
}

void ms_log(enum ms_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (!ms_log_wants(level))
        return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    MS_HOLD(&mutex);
    if (sink)
        sink(sink_ctx, level, line);
    else
        fprintf(stderr, "mstore: %s: %s\n", names[level], line);
}
