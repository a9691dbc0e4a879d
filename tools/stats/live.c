/* The live view: the same process again and again; between two looks the difference is shown. On a
 * terminal it redraws an alternate screen, which is left on every way out; elsewhere it prints one
 * block after the other. */
#include "tools/stats/tool.h"

#include "base/stats_file.h"
#include "base/sync.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CELL        32
#define SAMPLES_MAX 4096

struct live {
    const struct request *request;
    const char *name;
    bool screen; /* standard output is a terminal, and nothing else is asked for */
    struct ms_stats_snapshot *first, *last;
    struct ms_stats_sample *samples; /* of our own looks */
    size_t sample_count;
};

static void terminal_size(unsigned *rows, unsigned *columns)
{
    struct winsize size;
    *rows = 24;
    *columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
        *rows = size.ws_row;
        *columns = size.ws_col;
    }
}

/* ---- one picture ---------------------------------------------------------------------------- */

static void write_verb(FILE *file, const char *name, const struct ms_verb_stats *v, double time)
{
    char volume[CELL], p50[CELL], p99[CELL];
    uint64_t rate = time > 0 ? (uint64_t)((double)v->volume_bytes / time) : 0;
    fprintf(file, "    %-8s %10.1f %8" PRIu64 " %11s/s %10s %10s\n", name,
            time > 0 ? (double)v->calls / time : 0, v->errors,
            ms_format_size(volume, sizeof volume, rate),
            ms_format_duration(p50, sizeof p50, verb_quantile(v, 0.5)),
            ms_format_duration(p99, sizeof p99, verb_quantile(v, 0.99)));
}

static void write_entity(FILE *file, const struct ms_entity_stats *e, double time)
{
    fprintf(file, "  %s ", ms_stats_kind_name(e->kind));
    ms_put_text(file, e->name, false);
    if (cache_ratio(e) >= 0)
        fprintf(file, "  cache hits %.1f %%", 100 * cache_ratio(e));
    fputc('\n', file);
    for (int v = 0; v < MS_VERB_COUNT; v++)
        if (verb_used(&e->verbs[v]))
            write_verb(file, ms_verb_name(v), &e->verbs[v], time);
}

static void write_picture(FILE *file, const struct ms_stats_snapshot *now,
                          const struct view *difference)
{
    double time = view_seconds(difference->snapshot);
    char since[CELL];
    ms_put_text(file, now->program, false);
    fprintf(file, "  pid %" PRId64 "  running %s  calls %" PRIu64 "  errors %" PRIu64 "\n",
            now->pid, ms_format_duration(since, sizeof since, (uint64_t)(view_seconds(now) * 1e9)),
            now->samples[now->sample_count - 1].calls, now->samples[now->sample_count - 1].errors);
    fprintf(file, "    %-8s %10s %8s %13s %10s %10s\n", "", "calls/s", "errors", "volume", "p50",
            "p99");
    for (size_t i = 0; i < difference->count; i++) {
        const struct group *g = &difference->groups[i];
        fputs("store ", file);
        ms_put_text(file, *g->store ? g->store : "(others)", false);
        fputc('\n', file);
        for (size_t k = 0; k < g->member_count; k++)
            write_entity(file, g->members[k], time);
    }
}

/* Bytes of a line of text that fill at most so many columns: one per character. */
static size_t cut_line(const char *line, size_t size, unsigned columns)
{
    size_t bytes = 0;
    for (unsigned used = 0; bytes < size; bytes++)
        if (((unsigned char)line[bytes] & 0xc0) != 0x80 && used++ == columns)
            break;
    return bytes;
}

static void draw_on_screen(const char *text)
{
    unsigned rows, columns;
    terminal_size(&rows, &columns);
    fputs("\033[H", stdout);
    for (unsigned row = 0; *text && row + 1 < rows; row++) {
        size_t size = strcspn(text, "\n");
        fwrite(text, 1, cut_line(text, size, columns), stdout);
        fputs("\033[K\n", stdout);
        text += size + (text[size] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

static int show(const struct live *l, const struct ms_stats_snapshot *before,
                const struct ms_stats_snapshot *now, struct ms_error *err)
{
    struct ms_stats_snapshot *difference = NULL;
    struct view *view = NULL;
    char *text = NULL;
    size_t size;
    int code = ms_stats_diff(before, now, &difference, err);
    if (!code)
        code = view_new(difference, &view, err);
    FILE *memory = code ? NULL : open_memstream(&text, &size);
    if (!code && !memory)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the live view");
    if (!code) {
        write_picture(memory, now, view);
        fclose(memory);
        if (l->screen)
            draw_on_screen(text);
        else
            printf("%s\n", text);
        fflush(stdout);
    }
    free(text);
    view_free(view);
    ms_stats_free(difference);
    return code;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void keep_sample(struct live *l, const struct ms_stats_snapshot *s)
{
    if (l->sample_count == SAMPLES_MAX) { /* thin out, as the process's own ring does */
        for (size_t i = 1; i < SAMPLES_MAX / 2; i++)
            l->samples[i] = l->samples[2 * i];
        l->sample_count = SAMPLES_MAX / 2;
    }
    l->samples[l->sample_count++] = s->samples[s->sample_count - 1];
}

/* One look. 1: the process has ended. */
static int look(struct live *l, struct ms_error *err)
{
    struct ms_stats_snapshot *now;
    int code = source_read(l->name, &now, err);
    if (code == MS_ERR_NOT_FOUND && l->last)
        return 1;
    if (code)
        return code;
    if (ms_stats_start_ticks(now->pid) == 0) {
        bool ended = l->last != NULL;
        int64_t pid = now->pid;
        ms_stats_free(now);
        return ended ? 1
                     : ms_error_set(err, MS_ERR_NOT_FOUND,
                                    "process %" PRId64 " does not run: there is nothing to watch",
                                    pid);
    }
    keep_sample(l, now);
    if (!l->request->html_path)
        code = show(l, l->last ? l->last : now, now, err);
    if (l->last != l->first)
        ms_stats_free(l->last);
    if (!l->first)
        l->first = now;
    l->last = now;
    return code;
}

static int watch(struct live *l, struct ms_error *err)
{
    struct ms_clock *clock = ms_clock_real();
    uint64_t next = ms_clock_now(clock);
    uint64_t end = l->request->for_ns ? next + l->request->for_ns : UINT64_MAX;
    int code;
    while ((code = look(l, err)) == 0 && next < end) {
        next += l->request->interval_ns;
        if (next > end)
            next = end;
        if (ms_sleep_until(clock, next, NULL) != 0)
            return 0; /* Ctrl-C */
    }
    if (code == 1 && !l->screen)
        fprintf(stderr, "mstore-stats: process %s has ended\n", l->name);
    return code == 1 ? 0 : code;
}

static int report(struct live *l, struct ms_error *err)
{
    struct ms_stats_snapshot *difference = NULL;
    int code = ms_stats_diff(l->first, l->last, &difference, err);
    if (code)
        return code;
    free(difference->samples);
    difference->samples = l->samples;
    difference->sample_count = l->sample_count;
    l->samples = NULL;
    code = write_html_file(l->request->html_path, difference);
    ms_stats_free(difference);
    return code;
}

int live_run(const struct request *request, const char *name)
{
    struct ms_error err = {0};
    struct live l = {.request = request,
                     .name = name,
                     .screen = !request->html_path && isatty(STDOUT_FILENO),
                     .samples = calloc(SAMPLES_MAX, sizeof *l.samples)};
    int code = l.samples ? 0 : ms_error_set(&err, MS_ERR_NO_MEMORY, "no memory for samples");
    if (!code) {
        if (l.screen)
            fputs("\033[?1049h\033[?25l", stdout);
        code = watch(&l, &err);
        if (l.screen) {
            fputs("\033[?25h\033[?1049l", stdout);
            fflush(stdout);
        }
    }
    int exit = code ? complain(code, &err) : EXIT_OK;
    if (!code && request->html_path) {
        code = report(&l, &err);
        exit = code > 0 ? code : code < 0 ? complain(code, &err) : EXIT_OK;
    }
    if (l.last != l.first)
        ms_stats_free(l.last);
    ms_stats_free(l.first);
    free(l.samples);
    return exit;
}
