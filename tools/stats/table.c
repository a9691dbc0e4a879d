/* The figures as a table for a terminal. */
#include "tools/stats/view.h"

#include "base/text.h"

#include <inttypes.h>

#define CELL 32

static const char *size_cell(char *buf, uint64_t bytes)
{
    return bytes ? ms_format_size(buf, CELL, bytes) : "-";
}

static const char *time_cell(char *buf, uint64_t ns)
{
    return ns ? ms_format_duration(buf, CELL, ns) : "-";
}

static const char *rate_cell(char *buf, double bytes_per_second)
{
    if (!(bytes_per_second >= 1))
        return "-";
    char size[CELL];
    ms_format_size(size, sizeof size,
                   bytes_per_second < 1e18 ? (uint64_t)bytes_per_second : (uint64_t)1e18);
    snprintf(buf, CELL, "%.20s/s", size);
    return buf;
}

static void write_head(FILE *file)
{
    fprintf(file, "  %-7s %10s %8s %8s %11s %13s %9s %9s %9s %9s %9s %9s\n", "", "calls", "errors",
            "retries", "volume", "throughput", "p50", "p90", "p99", "max", "time", "emulated");
}

static void write_verb(FILE *file, const char *name, const struct ms_verb_stats *v)
{
    char cells[8][CELL];
    fprintf(file,
            "  %-7s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %11s %13s %9s %9s %9s %9s %9s %9s\n",
            name, v->calls, v->errors, v->retries, size_cell(cells[0], v->volume_bytes),
            rate_cell(cells[1], verb_throughput(v)), time_cell(cells[2], verb_quantile(v, 0.5)),
            time_cell(cells[3], verb_quantile(v, 0.9)), time_cell(cells[4], verb_quantile(v, 0.99)),
            time_cell(cells[5], v->max_ns), time_cell(cells[6], v->time_ns),
            time_cell(cells[7], v->emulated_ns));
}

static void write_rest(FILE *file, const struct ms_entity_stats *e)
{
    const char *before = "  errors: ";
    for (int i = 0; i < MS_ERROR_SLOTS; i++) {
        if (!e->errors[i])
            continue;
        fprintf(file, "%s%s %" PRIu64, before, i ? ms_code_name(-i) : "other", e->errors[i]);
        before = ", ";
    }
    if (before[0] == ',')
        fputc('\n', file);
    char in[CELL], out[CELL];
    if (e->moved_in_bytes || e->moved_out_bytes)
        fprintf(file, "  moved: %s read, %s written\n",
                ms_format_size(in, sizeof in, e->moved_in_bytes),
                ms_format_size(out, sizeof out, e->moved_out_bytes));
    if (cache_ratio(e) >= 0 || e->cache_errors || e->cache_evictions)
        fprintf(file,
                "  cache: %" PRIu64 " hits, %" PRIu64 " misses (%.1f %% hits), %" PRIu64
                " errors, %" PRIu64 " evictions\n",
                e->cache_hits, e->cache_misses, cache_ratio(e) >= 0 ? 100 * cache_ratio(e) : 0.0,
                e->cache_errors, e->cache_evictions);
}

static void write_entity(FILE *file, const struct ms_entity_stats *e)
{
    bool any = false;
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        if (!verb_used(&e->verbs[v]))
            continue;
        any = true;
        write_verb(file, ms_verb_name(v), &e->verbs[v]);
    }
    if (!any)
        fputs("  no calls\n", file);
    write_rest(file, e);
    put_events(file, "  events: ", e, "\n");
}

static void write_group(FILE *file, const struct group *g)
{
    size_t namespaces = 0;
    for (size_t i = 0; i < g->member_count; i++)
        namespaces += g->members[i]->kind == MS_STATS_NAMESPACE;
    fputs("\nstore ", file);
    ms_put_text(file, *g->store ? g->store : "(others)", false);
    fputc('\n', file);
    write_head(file);
    if (namespaces > 1) /* else its only namespace says the same */
        write_entity(file, g->total);
    for (size_t i = 0; i < g->member_count; i++) {
        bool quoted = g->members[i]->kind == MS_STATS_NAMESPACE; /* the root's name is empty */
        fprintf(file, " %s%s", ms_stats_kind_name(g->members[i]->kind), quoted ? " \"" : "");
        if (!quoted && *g->members[i]->name)
            fputc(' ', file);
        ms_put_text(file, g->members[i]->name, false);
        fputs(quoted ? "\"\n" : "\n", file);
        write_entity(file, g->members[i]);
    }
}

void table_write(FILE *file, const struct view *view)
{
    char covered[CELL];
    ms_put_text(file, view->snapshot->program, false);
    fprintf(file, " (pid %" PRId64 "), over %s\n", view->snapshot->pid,
            ms_format_duration(covered, sizeof covered,
                               (uint64_t)(view_seconds(view->snapshot) * 1e9)));
    for (size_t i = 0; i < view->count; i++)
        write_group(file, &view->groups[i]);
    if (view->count == 0)
        fputs("\nnothing was counted yet\n", file);
}
