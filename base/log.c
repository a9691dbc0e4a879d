/* One line to whoever listens. The sink is called under a lock, so that lines do not mix and a
 * replaced sink is never called again; it must not call the library. Any thread. */
#include "base/log.h"

#include "base/sync.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static void to_stderr(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx;
    fprintf(stderr, "mstore: %s: %s\n", level_names[level], line);
}

static struct ms_mutex mutex = MS_MUTEX_STATIC;
static void (*current_sink)(void *, enum ms_log_level, const char *) = to_stderr;
static void *current_ctx;
static atomic_int current_level = MS_LOG_WARN;

void ms_log_to(void (*sink)(void *ctx, enum ms_log_level level, const char *line), void *ctx,
               enum ms_log_level level)
{
    MS_HOLD(&mutex);
    current_sink = sink ? sink : to_stderr;
    current_ctx = ctx;
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool ms_log_wants(enum ms_log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void ms_log(enum ms_log_level level, const char *fmt, ...)
{
    if (!ms_log_wants(level))
        return;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    /* One event is one line, whatever names it quotes. */
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    MS_HOLD(&mutex);
    current_sink(current_ctx, level, line);
}
