/* mstore-stats: what happened in a process that uses mstore, while it runs or from a saved file. */
#include "tools/stats/tool.h"

#include "base/text.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "Usage: mstore-stats [OPTION]... [FILE|PID]\n"
    "       mstore-stats [OPTION]... --diff EARLIER LATER\n"
    "\n"
    "Shows what a process did with its stores: calls, errors, bytes, times. Without FILE or PID:\n"
    "the only process that shares statistics, or a list of them.\n"
    "\n"
    "  --live            look again and again, like top; until Ctrl-C or the process ends\n"
    "  --interval TIME   time between two looks (1s)\n"
    "  --for TIME        end the live view after so long\n"
    "  --json            as JSON\n"
    "  --prometheus      in Prometheus' text format\n"
    "  --html FILE       write a report with plots; with --live: of the time watched\n"
    "  --save FILE       keep the figures of this moment in a file\n"
    "  --diff A B        what happened between two files (or a file and a PID)\n"
    "  --help, --version\n"
    "\n"
    "Examples:\n"
    "  mstore-stats                                 the only running process\n"
    "  mstore-stats 1234 --live --interval 500ms    watch process 1234\n"
    "  mstore-stats 1234 --save before              ... some time later:\n"
    "  mstore-stats --diff before 1234              what happened since\n"
    "  mstore-stats 1234 --html report.html --live --for 10s\n"
    "\n"
    "Exit codes: 0 done, 1 error, 2 wrong usage, 3 no such file or process.\n"
    "Processes share statistics in $MSTORE_STATS_DIR, $XDG_RUNTIME_DIR/mstore or "
    "/tmp/mstore-UID.\n";

int exit_code_of(int code)
{
    return code == 0 ? EXIT_OK : code == MS_ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_ERROR;
}

int complain(int code, const struct ms_error *err)
{
    fprintf(stderr, "mstore-stats: %s\n", err->text);
    return exit_code_of(code);
}

static int wrong_usage(const char *what)
{
    fprintf(stderr, "mstore-stats: %s; see mstore-stats --help\n", what);
    return EXIT_USAGE;
}

/* ---- outputs -------------------------------------------------------------------------------- */

/* Returns the exit code. */
static int all_written(FILE *file, const char *where)
{
    struct ms_error err = {0};
    errno = 0;
    if (fflush(file) == 0 && !ferror(file))
        return EXIT_OK;
    return complain(ms_error_errno(&err, errno ? errno : EIO, "write %s", where), &err);
}

/* Writes a view and closes nothing; returns the exit code. */
static int write_view(FILE *file, const char *where, const struct ms_stats_snapshot *s,
                      void (*write)(FILE *file, const struct view *view))
{
    struct view *view;
    struct ms_error err = {0};
    int code = view_new(s, &view, &err);
    if (code)
        return complain(code, &err);
    write(file, view);
    view_free(view);
    return all_written(file, where);
}

int write_html_file(const char *path, const struct ms_stats_snapshot *snapshot)
{
    struct ms_error err = {0};
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (!file) {
        ms_error_errno(&err, errno, "write %s", path);
        return complain(MS_ERR_IO, &err);
    }
    int exit = write_view(file, path, snapshot, html_write);
    if (file != stdout && fclose(file) != 0 && exit == EXIT_OK) {
        ms_error_errno(&err, errno, "write %s", path);
        exit = complain(MS_ERR_IO, &err);
    }
    return exit;
}

static void prometheus_write(FILE *file, const struct view *view)
{
    ms_prometheus_stats(file, view->snapshot);
}

int output(const struct request *request, const struct ms_stats_snapshot *snapshot)
{
    struct ms_error err = {0};
    if (request->save_path && ms_stats_save(snapshot, request->save_path, &err) != 0)
        return complain(MS_ERR_IO, &err);
    if (request->html_path)
        return write_html_file(request->html_path, snapshot);
    if (request->save_path && request->format == FORMAT_TABLE)
        return EXIT_OK; /* saving was the wish */
    static void (*const writers[])(FILE *,
                                   const struct view *) = {[FORMAT_TABLE] = table_write,
                                                           [FORMAT_JSON] = json_write,
                                                           [FORMAT_PROMETHEUS] = prometheus_write};
    return write_view(stdout, "standard output", snapshot, writers[request->format]);
}

/* ---- what was asked ------------------------------------------------------------------------- */

enum choice { HELP = 256, VERSION, LIVE, INTERVAL, FOR, JSON, PROMETHEUS, HTML, SAVE, DIFF };

static const struct option options[] = {
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {"live", no_argument, NULL, LIVE},
    {"interval", required_argument, NULL, INTERVAL},
    {"for", required_argument, NULL, FOR},
    {"json", no_argument, NULL, JSON},
    {"prometheus", no_argument, NULL, PROMETHEUS},
    {"html", required_argument, NULL, HTML},
    {"save", required_argument, NULL, SAVE},
    {"diff", no_argument, NULL, DIFF},
    {0},
};

static int parse_time(const char *text, const char *what, uint64_t *out)
{
    struct ms_error err = {0};
    uint64_t ns;
    if (ms_parse_duration(text, what, &ns, &err) == 0 && ns < 1000000)
        ms_error_set(&err, MS_ERR_INVALID, "%s must be at least 1ms", what);
    if (err.code)
        return wrong_usage(err.text);
    *out = ns;
    return EXIT_OK;
}

/* One option. Returns the exit code, or -1 for: all is said, end with 0. */
static int take_option(struct request *r, int option)
{
    switch (option) {
    case HELP:
        fputs(help, stdout);
        return -1;
    case VERSION:
        printf("mstore-stats %s\n", ms_version());
        return -1;
    case LIVE:
        r->live = true;
        return EXIT_OK;
    case INTERVAL:
        return parse_time(optarg, "--interval", &r->interval_ns);
    case FOR:
        return parse_time(optarg, "--for", &r->for_ns);
    case JSON:
        r->format = FORMAT_JSON;
        return EXIT_OK;
    case PROMETHEUS:
        r->format = FORMAT_PROMETHEUS;
        return EXIT_OK;
    case HTML:
        r->html_path = optarg;
        return EXIT_OK;
    case SAVE:
        r->save_path = optarg;
        return EXIT_OK;
    case DIFF:
        r->diff = true;
        return EXIT_OK;
    default: /* getopt said what is wrong */
        fputs("mstore-stats: see mstore-stats --help\n", stderr);
        return EXIT_USAGE;
    }
}

static int check_request(const struct request *r)
{
    if (r->diff && r->name_count != 2)
        return wrong_usage("--diff needs EARLIER and LATER");
    if (!r->diff && r->name_count > 1)
        return wrong_usage("only one FILE or PID is taken");
    if (r->live && (r->diff || r->save_path || r->format != FORMAT_TABLE))
        return wrong_usage("--live goes with --html only");
    if (r->live && r->html_path && !r->for_ns)
        return wrong_usage("--live with --html needs --for TIME");
    if (!r->live && r->for_ns)
        return wrong_usage("--for needs --live");
    return EXIT_OK;
}

static int parse(int argc, char **argv, struct request *r)
{
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int exit = take_option(r, option);
        if (exit != EXIT_OK)
            return exit;
    }
    for (; optind < argc; optind++) {
        if (r->name_count < 2)
            r->names[r->name_count] = argv[optind];
        r->name_count++;
    }
    return check_request(r);
}

/* ---- doing it ------------------------------------------------------------------------------- */

static int run_diff(const struct request *r)
{
    struct ms_error err = {0};
    struct ms_stats_snapshot *earlier = NULL, *later = NULL, *difference = NULL;
    int code = source_read(r->names[0], &earlier, &err);
    if (!code)
        code = source_read(r->names[1], &later, &err);
    if (!code)
        code = ms_stats_diff(earlier, later, &difference, &err);
    int exit = code ? complain(code, &err) : output(r, difference);
    ms_stats_free(earlier);
    ms_stats_free(later);
    ms_stats_free(difference);
    return exit;
}

static int run_live(const struct request *r, const char *name)
{
    struct ms_cancel *cancel;
    struct ms_error err = {0};
    int code = ms_cancel_new(&cancel, &err);
    if (!code)
        code = ms_cancel_on_signals(cancel, &err);
    if (code)
        return complain(code, &err);
    ms_cancel_swap(cancel);
    return live_run(r, name); /* the token lives as long as its signals: to the end */
}

static int run(const struct request *r)
{
    if (r->diff)
        return run_diff(r);
    char only[32];
    const char *name = r->names[0];
    if (!name) {
        int64_t pid;
        int exit;
        bool plain = !r->live && !r->html_path && !r->save_path && r->format == FORMAT_TABLE;
        if (source_only(plain, &pid, &exit) != 0)
            return exit;
        snprintf(only, sizeof only, "%" PRId64, pid);
        name = only;
    }
    if (r->live)
        return run_live(r, name);
    struct ms_stats_snapshot *s;
    struct ms_error err = {0};
    int code = source_read(name, &s, &err);
    if (code)
        return complain(code, &err);
    int exit = output(r, s);
    ms_stats_free(s);
    return exit;
}

int main(int argc, char **argv)
{
    struct request request = {.interval_ns = 1000000000};
    int exit = parse(argc, argv, &request);
    if (exit != EXIT_OK)
        return exit < 0 ? all_written(stdout, "standard output") : exit;
    return run(&request);
}
