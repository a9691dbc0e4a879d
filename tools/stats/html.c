/* The report: one HTML file with everything in it. Whatever comes from a name is escaped. */
#include "tools/stats/view.h"

#include "base/text.h"
#include "tools/stats/plot.h"

#include <inttypes.h>

#define CELL 32

static const char style[] =
    ":root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;"
    "--card:#f6f8fa;--bar:#0969da;--load:#0969da;--store:#bc4c00;--mark:#8250df}"
    "@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;"
    "--line:#30363d;--card:#161b22;--bar:#4493f8;--load:#4493f8;--store:#f0883e;--mark:#ab7df8}}"
    "body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--back);color:var(--text);"
    "font:16px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem;"
    "overflow-wrap:anywhere}h3{font-size:1rem;margin:1.2rem 0 .3rem}"
    "p{margin:.3rem 0}.soft{color:var(--soft)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}"
    "th,td{padding:.2rem .45rem;text-align:right;border-bottom:1px solid var(--line)}"
    "th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}"
    "figure{margin:.6rem 0;padding:.6rem;background:var(--card);border:1px solid var(--line);"
    "border-radius:6px}figcaption{font-weight:600;font-size:.9rem}"
    "svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}"
    ".axis{stroke:var(--soft)}.grid{stroke:var(--line)}.bar{fill:var(--bar)}"
    ".mark{stroke:var(--mark);stroke-dasharray:4 3}"
    "path.load{fill:var(--load);fill-opacity:.35;stroke:var(--load)}"
    "path.store{fill:var(--store);fill-opacity:.35;stroke:var(--store)}"
    ".legend{font-size:.85rem;color:var(--soft)}"
    ".key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-left:.6em}"
    ".key.load{background:var(--load)}.key.store{background:var(--store)}"
    "@media(max-width:40rem){svg text{font-size:20px}}";

static void number_cell(FILE *file, uint64_t value)
{
    fprintf(file, "<td>%" PRIu64 "</td>", value);
}

static void time_cell(FILE *file, uint64_t ns)
{
    char text[CELL];
    fprintf(file, "<td>%s</td>", ns ? ms_format_duration(text, sizeof text, ns) : "–");
}

static void size_cell(FILE *file, uint64_t bytes, const char *unit)
{
    char text[CELL];
    if (bytes)
        fprintf(file, "<td>%s%s</td>", ms_format_size(text, sizeof text, bytes), unit);
    else
        fputs("<td>–</td>", file);
}

static void write_row(FILE *file, const char *name, const struct ms_verb_stats *v)
{
    fprintf(file, "<tr><td>%s</td>", name);
    number_cell(file, v->calls);
    number_cell(file, v->errors);
    number_cell(file, v->retries);
    size_cell(file, v->volume_bytes, "");
    double rate = verb_throughput(v);
    size_cell(file, rate < 1e18 ? (uint64_t)rate : 0, "/s");
    time_cell(file, verb_quantile(v, 0.5));
    time_cell(file, verb_quantile(v, 0.9));
    time_cell(file, verb_quantile(v, 0.99));
    time_cell(file, v->max_ns);
    time_cell(file, v->time_ns);
    time_cell(file, v->emulated_ns);
    fputs("</tr>\n", file);
}

static void write_notes(FILE *file, const struct ms_entity_stats *e)
{
    const char *before = "<p>Errors: ";
    for (int i = 0; i < MS_ERROR_SLOTS; i++) {
        if (!e->errors[i])
            continue;
        fprintf(file, "%s%s %" PRIu64, before, i ? ms_code_name(-i) : "other", e->errors[i]);
        before = ", ";
    }
    if (before[0] == ',')
        fputs("</p>\n", file);
    char in[CELL], out[CELL];
    if (e->moved_in_bytes || e->moved_out_bytes)
        fprintf(file, "<p>Really moved: %s read, %s written</p>\n",
                ms_format_size(in, sizeof in, e->moved_in_bytes),
                ms_format_size(out, sizeof out, e->moved_out_bytes));
    if (cache_ratio(e) >= 0)
        fprintf(file,
                "<p>Cache: %" PRIu64 " hits, %" PRIu64 " misses (%.1f %% hits), %" PRIu64
                " errors, %" PRIu64 " evictions</p>\n",
                e->cache_hits, e->cache_misses, 100 * cache_ratio(e), e->cache_errors,
                e->cache_evictions);
    put_events(file, "<p>Events: ", e, "</p>\n");
}

static void write_table(FILE *file, const struct ms_entity_stats *e)
{
    fputs("<div class=\"wide\"><table><thead><tr><th>verb</th><th>calls</th><th>errors</th>"
          "<th>retries</th><th>volume</th><th>throughput</th><th>p50</th><th>p90</th><th>p99</th>"
          "<th>max</th><th>time</th><th>emulated</th></tr></thead><tbody>\n",
          file);
    for (int v = 0; v < MS_VERB_COUNT; v++)
        if (verb_used(&e->verbs[v]))
            write_row(file, ms_verb_name(v), &e->verbs[v]);
    fputs("</tbody></table></div>\n", file);
}

static void write_latencies(FILE *file, const struct ms_entity_stats *e)
{
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        if (!e->verbs[v].calls)
            continue;
        fprintf(file, "<figure><figcaption>%s: calls by latency</figcaption>\n", ms_verb_name(v));
        plot_latency(file, &e->verbs[v]);
        fputs("</figure>\n", file);
    }
}

static bool has_calls(const struct ms_entity_stats *e)
{
    for (int v = 0; v < MS_VERB_COUNT; v++)
        if (verb_used(&e->verbs[v]))
            return true;
    return false;
}

static void write_group(FILE *file, const struct group *g)
{
    fputs("<section><h2>Store ", file);
    ms_put_text(file, *g->store ? g->store : "(others)", true);
    fputs("</h2>\n", file);
    write_table(file, g->total);
    write_notes(file, g->total);
    for (size_t i = 0; i < g->member_count; i++) {
        fprintf(file, "<h3>%s ", ms_stats_kind_name(g->members[i]->kind));
        ms_put_text(file, g->members[i]->name, true);
        fputs("</h3>\n", file);
        if (has_calls(g->members[i]))
            write_table(file, g->members[i]);
        write_notes(file, g->members[i]);
    }
    write_latencies(file, g->total);
    fputs("</section>\n", file);
}

void html_write(FILE *file, const struct view *view)
{
    const struct ms_stats_snapshot *s = view->snapshot;
    char covered[CELL];
    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>mstore: ",
        file);
    ms_put_text(file, s->program, true);
    fprintf(file, "</title>\n<style>%s</style></head><body>\n<h1>", style);
    ms_put_text(file, s->program, true);
    fprintf(file, "</h1>\n<p class=\"soft\">process %" PRId64 ", over %s</p>\n", s->pid,
            ms_format_duration(covered, sizeof covered, (uint64_t)(view_seconds(s) * 1e9)));
    fputs("<figure><figcaption>Throughput over time</figcaption>\n", file);
    plot_throughput(file, s);
    fputs("</figure>\n", file);
    for (size_t i = 0; i < view->count; i++)
        write_group(file, &view->groups[i]);
    if (view->count == 0)
        fputs("<p>Nothing was counted.</p>\n", file);
    fputs("</body></html>\n", file);
}
