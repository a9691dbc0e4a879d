/* The figures in Prometheus' text format (version 0.0.4): one family after the other, each with
 * HELP and TYPE; histograms cumulative over powers of two of nanoseconds, `le` in seconds. */
#include "base/prometheus.h"

#include "base/put_text.h"

#include <inttypes.h>
#include <stdlib.h>

#define LE_FIRST 10 /* 2^10 ns: 1 µs */
#define LE_LAST  36 /* 2^36 ns: 69 s */

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

const char *ms_stats_kind_name(enum ms_stats_kind kind)
{
    static const char *const names[] = {[MS_STATS_BACKEND] = "backend",
                                        [MS_STATS_NAMESPACE] = "namespace",
                                        [MS_STATS_CACHE] = "cache",
                                        [MS_STATS_MEMBER] = "member"};
    return names[kind];
}

/* A label's value: backslash, quote and newline escaped. The format is UTF-8; other bytes are shown
 * as \xNN, so their backslash is doubled too. */
void ms_prometheus_label(FILE *file, const char *name, const char *value)
{
    fprintf(file, "%s=\"", name);
    char *shown = NULL;
    size_t size;
    FILE *memory = open_memstream(&shown, &size);
    if (memory) {
        ms_put_text(memory, value, false);
        fclose(memory);
        for (const char *p = shown; p && *p; p++) {
            if (*p == '\\' || *p == '"')
                fputc('\\', file);
            fputc(*p, file);
        }
        free(shown);
    }
    fputc('"', file);
}

static void put_labels(FILE *file, const struct ms_entity_stats *e, const char *more,
                       const char *value)
{
    fputc('{', file);
    ms_prometheus_label(file, "kind", ms_stats_kind_name(e->kind));
    fputc(',', file);
    ms_prometheus_label(file, "store", e->store);
    fputc(',', file);
    ms_prometheus_label(file, "namespace", e->name);
    if (more) {
        fputc(',', file);
        ms_prometheus_label(file, more, value);
    }
}

void ms_prometheus_family(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- per verb ------------------------------------------------------------------------------- */

enum field { CALLS, ERRORS, RETRIES, VOLUME, EMULATED, MAX };

static void put_field(FILE *file, enum field field, const struct ms_verb_stats *v)
{
    switch (field) {
    case CALLS:
        fprintf(file, "%" PRIu64 "\n", v->calls);
        break;
    case ERRORS:
        fprintf(file, "%" PRIu64 "\n", v->errors);
        break;
    case RETRIES:
        fprintf(file, "%" PRIu64 "\n", v->retries);
        break;
    case VOLUME:
        fprintf(file, "%" PRIu64 "\n", v->volume_bytes);
        break;
    case EMULATED:
        fprintf(file, "%.9f\n", seconds(v->emulated_ns));
        break;
    case MAX:
        fprintf(file, "%.9f\n", seconds(v->max_ns));
        break;
    }
}

static void verb_family(FILE *file, const struct ms_stats_snapshot *s, const char *name,
                        const char *type, const char *help, enum field field)
{
    ms_prometheus_family(file, name, type, help);
    for (size_t i = 0; i < s->count; i++)
        for (int v = 0; v < MS_VERB_COUNT; v++) {
            const struct ms_verb_stats *verb = &s->entities[i].verbs[v];
            if (!(verb->calls || verb->retries || verb->errors))
                continue;
            fputs(name, file);
            put_labels(file, &s->entities[i], "verb", ms_verb_name(v));
            fputs("} ", file);
            put_field(file, field, verb);
        }
}

static void put_histogram(FILE *file, const struct ms_entity_stats *e, int verb)
{
    static const char name[] = "mstore_call_duration_seconds";
    const struct ms_verb_stats *v = &e->verbs[verb];
    uint64_t seen = 0;
    unsigned bucket = 0;
    for (unsigned power = LE_FIRST; power <= LE_LAST; power++) {
        while (bucket < MS_HISTOGRAM_BUCKETS && ms_stats_bucket_floor(bucket) < 1ull << power)
            seen += v->histogram[bucket++];
        fprintf(file, "%s_bucket", name);
        put_labels(file, e, "verb", ms_verb_name(verb));
        fprintf(file, ",le=\"%.12g\"} %" PRIu64 "\n", seconds(1ull << power), seen);
    }
    fprintf(file, "%s_bucket", name);
    put_labels(file, e, "verb", ms_verb_name(verb));
    fprintf(file, ",le=\"+Inf\"} %" PRIu64 "\n%s_sum", v->calls, name);
    put_labels(file, e, "verb", ms_verb_name(verb));
    fprintf(file, "} %.9f\n%s_count", seconds(v->time_ns), name);
    put_labels(file, e, "verb", ms_verb_name(verb));
    fprintf(file, "} %" PRIu64 "\n", v->calls);
}

/* ---- per entity ----------------------------------------------------------------------------- */

static void write_codes(FILE *file, const struct ms_stats_snapshot *s)
{
    ms_prometheus_family(file, "mstore_error_codes_total", "counter",
                         "Calls that ended in an error, by code.");
    for (size_t i = 0; i < s->count; i++)
        for (int c = 0; c < MS_ERROR_SLOTS; c++) {
            if (!s->entities[i].errors[c])
                continue;
            fputs("mstore_error_codes_total", file);
            put_labels(file, &s->entities[i], "code", c ? ms_code_name(-c) : "other");
            fprintf(file, "} %" PRIu64 "\n", s->entities[i].errors[c]);
        }
}

static void write_moved(FILE *file, const struct ms_stats_snapshot *s)
{
    static const char name[] = "mstore_moved_bytes_total";
    ms_prometheus_family(file, name, "counter",
                         "Bytes really read from (in) and written to (out) the storage.");
    for (size_t i = 0; i < s->count; i++) {
        if (s->entities[i].kind == MS_STATS_NAMESPACE || s->entities[i].kind == MS_STATS_MEMBER)
            continue;
        fputs(name, file);
        put_labels(file, &s->entities[i], "direction", "in");
        fprintf(file, "} %" PRIu64 "\n%s", s->entities[i].moved_in_bytes, name);
        put_labels(file, &s->entities[i], "direction", "out");
        fprintf(file, "} %" PRIu64 "\n", s->entities[i].moved_out_bytes);
    }
}

static void write_cache(FILE *file, const struct ms_stats_snapshot *s)
{
    static const char name[] = "mstore_cache_events_total";
    ms_prometheus_family(file, name, "counter", "What the cache did.");
    for (size_t i = 0; i < s->count; i++) {
        const struct ms_entity_stats *e = &s->entities[i];
        const struct {
            const char *event;
            uint64_t count;
        } events[] = {{"hit", e->cache_hits},
                      {"miss", e->cache_misses},
                      {"error", e->cache_errors},
                      {"eviction", e->cache_evictions}};
        if (!(e->cache_hits || e->cache_misses || e->cache_errors || e->cache_evictions))
            continue;
        for (size_t k = 0; k < sizeof events / sizeof *events; k++) {
            fputs(name, file);
            put_labels(file, e, "event", events[k].event);
            fprintf(file, "} %" PRIu64 "\n", events[k].count);
        }
    }
}

static void write_events(FILE *file, const struct ms_stats_snapshot *s)
{
    ms_prometheus_family(file, "mstore_events_total", "counter",
                         "What happened in a store of many members.");
    for (size_t i = 0; i < s->count; i++)
        for (int k = 0; k < MS_EVENT_COUNT; k++) {
            if (!s->entities[i].events[k])
                continue;
            fputs("mstore_events_total", file);
            put_labels(file, &s->entities[i], "event", ms_event_name(k));
            fprintf(file, "} %" PRIu64 "\n", s->entities[i].events[k]);
        }
}

void ms_prometheus_stats(FILE *file, const struct ms_stats_snapshot *s)
{
    ms_prometheus_family(file, "mstore_start_time_seconds", "gauge",
                         "Since when is counted, seconds since 1970.");
    fputs("mstore_start_time_seconds{", file);
    ms_prometheus_label(file, "program", s->program);
    fprintf(file, ",pid=\"%" PRId64 "\"} %.3f\n", s->pid, (double)s->started_wall_ns / 1e9);
    verb_family(file, s, "mstore_calls_total", "counter", "Calls that ended.", CALLS);
    verb_family(file, s, "mstore_errors_total", "counter", "Calls that ended in an error.", ERRORS);
    verb_family(file, s, "mstore_retries_total", "counter", "Attempts that were repeated.",
                RETRIES);
    verb_family(file, s, "mstore_volume_bytes_total", "counter", "Payload handed over.", VOLUME);
    verb_family(file, s, "mstore_emulated_delay_seconds_total", "counter",
                "Time that the emulator added.", EMULATED);
    verb_family(file, s, "mstore_call_duration_max_seconds", "gauge", "The longest call.", MAX);
    ms_prometheus_family(file, "mstore_call_duration_seconds", "histogram",
                         "Time of calls, emulated delay included.");
    for (size_t i = 0; i < s->count; i++)
        for (int v = 0; v < MS_VERB_COUNT; v++)
            if (s->entities[i].verbs[v].calls)
                put_histogram(file, &s->entities[i], v);
    write_codes(file, s);
    write_moved(file, s);
    write_cache(file, s);
    write_events(file, s);
}
