/* Where statistics come from: a file, a process, the only process there is. */
#include "tools/stats/tool.h"

#include "base/stats_file.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define PIDS_MAX 1024

static bool is_pid(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && digits <= 10 && name[digits] == '\0';
}

const char *source_path(const char *name, char *buf, size_t size)
{
    char folder[256];
    if (is_pid(name))
        snprintf(buf, size, "%s/%s.stats", ms_stats_folder(folder, sizeof folder), name);
    else
        snprintf(buf, size, "%s", name);
    return buf;
}

int source_read(const char *name, struct ms_stats_snapshot **out, struct ms_error *err)
{
    char path[4096];
    source_path(name, path, sizeof path);
    int code = ms_stats_read(path, out, err);
    if (code == MS_ERR_NOT_FOUND && is_pid(name))
        return ms_error_set(
            err, code, "process %s has no statistics: it does not run, or has not used a store",
            name);
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, code, "there is no file %s", MS_SHOW(ms_str(name)));
    return code;
}

static void list(const int64_t *pids, size_t count)
{
    printf("%10s  %-20s %12s %12s\n", "PID", "program", "since", "calls");
    for (size_t i = 0; i < count; i++) {
        char name[32], since[32];
        struct ms_stats_snapshot *s;
        snprintf(name, sizeof name, "%" PRId64, pids[i]);
        if (source_read(name, &s, NULL) != 0)
            continue; /* it ended meanwhile */
        ms_format_duration(since, sizeof since, (uint64_t)(view_seconds(s) * 1e9));
        printf("%10s  ", name);
        ms_put_text(stdout, s->program, false);
        for (size_t n = strlen(s->program); n < 20; n++)
            putchar(' ');
        printf(" %12s %12" PRIu64 "\n", since, s->samples[s->sample_count - 1].calls);
        ms_stats_free(s);
    }
}

int source_only(bool may_list, int64_t *pid, int *exit)
{
    static int64_t pids[PIDS_MAX];
    size_t count = 0;
    struct ms_error err = {0};
    int code = ms_stats_running(pids, PIDS_MAX, &count, &err);
    if (code && code != MS_ERR_NOT_FOUND) {
        *exit = complain(code, &err);
        return 1;
    }
    if (count == 1) {
        *pid = pids[0];
        return 0;
    }
    if (count == 0) {
        char folder[256];
        ms_error_set(&err, MS_ERR_NOT_FOUND,
                     "no running process shares statistics in \"%s\"; name a saved FILE",
                     ms_stats_folder(folder, sizeof folder));
        *exit = complain(MS_ERR_NOT_FOUND, &err);
    } else if (may_list) {
        list(pids, count < PIDS_MAX ? count : PIDS_MAX);
        *exit = EXIT_OK;
    } else {
        fprintf(stderr,
                "mstore-stats: %zu processes share statistics: name one by its PID (mstore-stats "
                "lists them)\n",
                count);
        *exit = EXIT_USAGE;
    }
    return 1;
}
