/* The figures as JSON, under BorgStore's names where it has one: load_calls, load_time (seconds),
 * load_volume, load_throughput, backend_load_calls, cache_hit_ratio, … */
#include "tools/stats/view.h"

#include "base/json.h"

static void number(struct ms_json *j, const char *verb, const char *what, uint64_t value)
{
    char key[64];
    snprintf(key, sizeof key, "%s_%s", verb, what);
    ms_json_key(j, key);
    ms_json_u64(j, value);
}

static void real(struct ms_json *j, const char *verb, const char *what, double value)
{
    char key[64];
    snprintf(key, sizeof key, "%s_%s", verb, what);
    ms_json_key(j, key);
    ms_json_double(j, value);
}

static void write_verb(struct ms_json *j, const char *name, const struct ms_verb_stats *v)
{
    number(j, name, "calls", v->calls);
    real(j, name, "time", seconds(v->time_ns));
    number(j, name, "volume", v->volume_bytes);
    real(j, name, "throughput", verb_throughput(v));
    number(j, name, "errors", v->errors);
    number(j, name, "retries", v->retries);
    real(j, name, "emulated_time", seconds(v->emulated_ns));
    real(j, name, "p50", seconds(verb_quantile(v, 0.5)));
    real(j, name, "p90", seconds(verb_quantile(v, 0.9)));
    real(j, name, "p99", seconds(verb_quantile(v, 0.99)));
    real(j, name, "max", seconds(v->max_ns));
}

/* [[smallest ns, calls], …] of the buckets that have any. */
static void write_histograms(struct ms_json *j, const struct ms_entity_stats *e)
{
    ms_json_key(j, "histograms");
    ms_json_object(j);
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        if (!e->verbs[v].calls)
            continue;
        ms_json_key(j, ms_verb_name(v));
        ms_json_array(j);
        for (unsigned b = 0; b < MS_HISTOGRAM_BUCKETS; b++) {
            if (!e->verbs[v].histogram[b])
                continue;
            ms_json_array(j);
            ms_json_u64(j, ms_stats_bucket_floor(b));
            ms_json_u64(j, e->verbs[v].histogram[b]);
            ms_json_end(j, ']');
        }
        ms_json_end(j, ']');
    }
    ms_json_end(j, '}');
}

static void write_cache(struct ms_json *j, const struct ms_entity_stats *e)
{
    number(j, "cache", "hits", e->cache_hits);
    number(j, "cache", "misses", e->cache_misses);
    ms_json_key(j, "cache_hit_ratio");
    if (cache_ratio(e) >= 0)
        ms_json_double(j, cache_ratio(e));
    else
        ms_json_null(j);
    number(j, "cache", "errors", e->cache_errors);
    number(j, "cache", "evictions", e->cache_evictions);
}

static void write_events(struct ms_json *j, const struct ms_entity_stats *e)
{
    ms_json_key(j, "events");
    ms_json_object(j);
    for (int i = 0; i < MS_EVENT_COUNT; i++) {
        ms_json_key(j, ms_event_name(i));
        ms_json_u64(j, e->events[i]);
    }
    ms_json_end(j, '}');
}

/* all: verbs without calls too, for programs that look for a name. */
static void write_entity(struct ms_json *j, const struct ms_entity_stats *e, bool all)
{
    for (int v = 0; v < MS_VERB_COUNT; v++)
        if (all || verb_used(&e->verbs[v]))
            write_verb(j, ms_verb_name(v), &e->verbs[v]);
    ms_json_key(j, "errors");
    ms_json_object(j);
    for (int i = 0; i < MS_ERROR_SLOTS; i++) {
        if (!e->errors[i])
            continue;
        ms_json_key(j, i ? ms_code_name(-i) : "other");
        ms_json_u64(j, e->errors[i]);
    }
    ms_json_end(j, '}');
    number(j, "moved", "in", e->moved_in_bytes);
    number(j, "moved", "out", e->moved_out_bytes);
    write_cache(j, e);
    if (all || events_any(e))
        write_events(j, e);
    write_histograms(j, e);
}

/* BorgStore's names for what happened below a store. */
static void write_below(struct ms_json *j, const char *prefix, const struct ms_entity_stats *e)
{
    static const enum ms_verb verbs[] = {MS_VERB_LOAD, MS_VERB_STORE, MS_VERB_DELETE};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%s", prefix, ms_verb_name((int)verbs[i]));
        number(j, name, "calls", e->verbs[verbs[i]].calls);
        if (verbs[i] != MS_VERB_DELETE)
            number(j, name, "volume", e->verbs[verbs[i]].volume_bytes);
    }
}

static void write_group(struct ms_json *j, const struct group *g)
{
    ms_json_object(j);
    ms_json_key(j, "store");
    ms_json_text(j, g->store);
    write_entity(j, g->total, true);
    write_below(j, "backend", g->backend);
    write_below(j, "cache", g->cache);
    ms_json_key(j, "entities");
    ms_json_array(j);
    for (size_t i = 0; i < g->member_count; i++) {
        ms_json_object(j);
        ms_json_key(j, "kind");
        ms_json_text(j, ms_stats_kind_name(g->members[i]->kind));
        ms_json_key(j, "name");
        ms_json_text(j, g->members[i]->name);
        write_entity(j, g->members[i], false);
        ms_json_end(j, '}');
    }
    ms_json_end(j, ']');
    ms_json_end(j, '}');
}

static void write_samples(struct ms_json *j, const struct ms_stats_snapshot *s)
{
    ms_json_key(j, "samples");
    ms_json_array(j);
    for (size_t i = 0; i < s->sample_count; i++) {
        const struct ms_stats_sample *sample = &s->samples[i];
        ms_json_object(j);
        ms_json_key(j, "at_ns");
        ms_json_i64(j, sample->wall_ns);
        ms_json_key(j, "calls");
        ms_json_u64(j, sample->calls);
        ms_json_key(j, "errors");
        ms_json_u64(j, sample->errors);
        number(j, "load", "volume", sample->load_bytes);
        number(j, "store", "volume", sample->store_bytes);
        ms_json_end(j, '}');
    }
    ms_json_end(j, ']');
}

void json_write(FILE *file, const struct view *view)
{
    const struct ms_stats_snapshot *s = view->snapshot;
    struct ms_json j;
    ms_json_init(&j, file);
    j.lines = true;
    ms_json_object(&j);
    ms_json_key(&j, "pid");
    ms_json_i64(&j, s->pid);
    ms_json_key(&j, "program");
    ms_json_text(&j, s->program);
    ms_json_key(&j, "from_ns");
    ms_json_i64(&j, s->started_wall_ns);
    ms_json_key(&j, "to_ns");
    ms_json_i64(&j, s->taken_wall_ns);
    ms_json_key(&j, "stores");
    ms_json_array(&j);
    for (size_t i = 0; i < view->count; i++)
        write_group(&j, &view->groups[i]);
    ms_json_end(&j, ']');
    write_samples(&j, s);
    ms_json_end(&j, '}');
}
