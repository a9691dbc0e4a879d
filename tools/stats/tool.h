/* tools/stats/tool.h - the parts of mstore-stats: what was asked, where it comes from, the live
 * view.
 */
#ifndef TOOLS_STATS_TOOL_H
#define TOOLS_STATS_TOOL_H

#include "tools/stats/view.h"

enum exit_code { EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_NOT_FOUND };

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_PROMETHEUS };

struct request {
    enum format format;
    bool live, diff;
    uint64_t interval_ns;
    uint64_t for_ns;       /* 0: until Ctrl-C or the process's end */
    const char *html_path; /* NULL: none */
    const char *save_path;
    const char *names[2]; /* FILE or PID */
    int name_count;
};

/* Exit code for an error that was said. */
int exit_code_of(int code);
/* One sentence on standard error; returns the exit code. */
int complain(int code, const struct ms_error *err);

/* The path of what the user named: PID's file, or a file. Returns buf. */
const char *source_path(const char *name, char *buf, size_t size);
int source_read(const char *name, struct ms_stats_snapshot **out,
                struct ms_error *err) MS_MUST_CHECK;
/* The only process that has a file. 0: *pid is set; 1: there were none or several, which was said,
 * the exit code is in *exit. */
int source_only(bool may_list, int64_t *pid, int *exit);

/* Samples a running process until it is time; then the report, if one was asked for. Returns the
 * exit code. */
int live_run(const struct request *request, const char *name);

/* Writes what was asked for. Returns the exit code. */
int output(const struct request *request, const struct ms_stats_snapshot *snapshot);
int write_html_file(const char *path, const struct ms_stats_snapshot *snapshot);

#endif
