/* Figures of entities: from and to their slots, summed, subtracted, quantiles. No state; any
 * thread. */
#include "base/stats_file.h"

#include <stdlib.h>

const char *ms_verb_name(int verb)
{
    static const char *const names[] = {
#define MS_X(name, text) text,
        MS_VERBS(MS_X)
#undef MS_X
    };
    return verb >= 0 && verb < MS_VERB_COUNT ? names[verb] : "unknown";
}

const char *ms_event_name(int event)
{
    static const char *const names[] = {
#define MS_X(name, text) text,
        MS_EVENTS(MS_X)
#undef MS_X
    };
    return event >= 0 && event < MS_EVENT_COUNT ? names[event] : "unknown";
}

/* ---- slots ---------------------------------------------------------------------------------- */

static uint64_t get(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

void ms_stats_from_slot(struct ms_entity_stats *out, const struct ms_stats_slot *slot)
{
    out->kind = (enum ms_stats_kind)slot->kind;
    memcpy(out->store, slot->store, sizeof out->store);
    memcpy(out->name, slot->name, sizeof out->name);
    for (int i = 0; i < MS_ERROR_SLOTS; i++)
        out->errors[i] = get(&slot->errors[i]);
    out->moved_in_bytes = get(&slot->moved_in_bytes);
    out->moved_out_bytes = get(&slot->moved_out_bytes);
    out->cache_hits = get(&slot->cache_hits);
    out->cache_misses = get(&slot->cache_misses);
    out->cache_errors = get(&slot->cache_errors);
    out->cache_evictions = get(&slot->cache_evictions);
    for (int i = 0; i < MS_EVENT_COUNT; i++)
        out->events[i] = get(&slot->events[i]);
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        const struct ms_stats_verb *from = &slot->verbs[v];
        struct ms_verb_stats *to = &out->verbs[v];
        to->calls = 0;
        for (int i = 0; i < MS_HISTOGRAM_BUCKETS; i++)
            to->calls += to->histogram[i] = get(&from->histogram[i]);
        to->errors = get(&from->errors);
        to->retries = get(&from->retries);
        to->volume_bytes = get(&from->volume_bytes);
        to->time_ns = get(&from->time_ns);
        to->emulated_ns = get(&from->emulated_ns);
        to->max_ns = get(&from->max_ns);
    }
}

void ms_stats_to_slot(struct ms_stats_slot *out, const struct ms_entity_stats *stats)
{
    memset(out, 0, sizeof *out);
    out->used = 1;
    out->kind = (uint32_t)stats->kind;
    memcpy(out->store, stats->store, sizeof out->store);
    memcpy(out->name, stats->name, sizeof out->name);
    memcpy(out->errors, stats->errors, sizeof out->errors);
    out->moved_in_bytes = stats->moved_in_bytes;
    out->moved_out_bytes = stats->moved_out_bytes;
    out->cache_hits = stats->cache_hits;
    out->cache_misses = stats->cache_misses;
    out->cache_errors = stats->cache_errors;
    out->cache_evictions = stats->cache_evictions;
    memcpy(out->events, stats->events, sizeof stats->events);
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        const struct ms_verb_stats *from = &stats->verbs[v];
        struct ms_stats_verb *to = &out->verbs[v];
        memcpy(to->histogram, from->histogram, sizeof to->histogram);
        to->errors = from->errors;
        to->retries = from->retries;
        to->volume_bytes = from->volume_bytes;
        to->time_ns = from->time_ns;
        to->emulated_ns = from->emulated_ns;
        to->max_ns = from->max_ns;
    }
}

/* ---- snapshots ------------------------------------------------------------------------------ */

int ms_stats_snapshot_new(size_t entities, size_t samples, struct ms_stats_snapshot **out,
                          struct ms_error *err)
{
    struct ms_stats_snapshot *s = calloc(1, sizeof *s);
    if (s) {
        s->count = entities;
        s->entities = calloc(entities ? entities : 1, sizeof *s->entities);
        s->samples = calloc(samples ? samples : 1, sizeof *s->samples);
    }
    if (!s || !s->entities || !s->samples) {
        ms_stats_free(s);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a snapshot of the statistics");
    }
    *out = s;
    return 0;
}

void ms_stats_snapshot_close(struct ms_stats_snapshot *s)
{
    struct ms_stats_sample *last = &s->samples[s->sample_count++];
    ms_stats_totals(s->entities, s->count, last);
    last->wall_ns = s->taken_wall_ns;
}

void ms_stats_free(struct ms_stats_snapshot *snapshot)
{
    if (!snapshot)
        return;
    free(snapshot->entities);
    free(snapshot->samples);
    free(snapshot);
}

/* ---- arithmetic ----------------------------------------------------------------------------- */

static void add_verb(struct ms_verb_stats *sum, const struct ms_verb_stats *more)
{
    sum->calls += more->calls;
    sum->errors += more->errors;
    sum->retries += more->retries;
    sum->volume_bytes += more->volume_bytes;
    sum->time_ns += more->time_ns;
    sum->emulated_ns += more->emulated_ns;
    if (sum->max_ns < more->max_ns)
        sum->max_ns = more->max_ns;
    for (int i = 0; i < MS_HISTOGRAM_BUCKETS; i++)
        sum->histogram[i] += more->histogram[i];
}

void ms_stats_add(struct ms_entity_stats *sum, const struct ms_entity_stats *more)
{
    for (int i = 0; i < MS_ERROR_SLOTS; i++)
        sum->errors[i] += more->errors[i];
    sum->moved_in_bytes += more->moved_in_bytes;
    sum->moved_out_bytes += more->moved_out_bytes;
    sum->cache_hits += more->cache_hits;
    sum->cache_misses += more->cache_misses;
    sum->cache_errors += more->cache_errors;
    sum->cache_evictions += more->cache_evictions;
    for (int i = 0; i < MS_EVENT_COUNT; i++)
        sum->events[i] += more->events[i];
    for (int v = 0; v < MS_VERB_COUNT; v++)
        add_verb(&sum->verbs[v], &more->verbs[v]);
}

/* Counters only grow; where a damaged file says otherwise there is no difference. */
static void subtract(uint64_t *from, uint64_t value)
{
    *from = *from > value ? *from - value : 0;
}

static void subtract_verb(struct ms_verb_stats *from, const struct ms_verb_stats *value)
{
    subtract(&from->errors, value->errors);
    subtract(&from->retries, value->retries);
    subtract(&from->volume_bytes, value->volume_bytes);
    subtract(&from->time_ns, value->time_ns);
    subtract(&from->emulated_ns, value->emulated_ns);
    from->calls = 0;
    for (int i = 0; i < MS_HISTOGRAM_BUCKETS; i++) {
        subtract(&from->histogram[i], value->histogram[i]);
        from->calls += from->histogram[i];
    }
}

static void subtract_entity(struct ms_entity_stats *from, const struct ms_entity_stats *value)
{
    for (int i = 0; i < MS_ERROR_SLOTS; i++)
        subtract(&from->errors[i], value->errors[i]);
    subtract(&from->moved_in_bytes, value->moved_in_bytes);
    subtract(&from->moved_out_bytes, value->moved_out_bytes);
    subtract(&from->cache_hits, value->cache_hits);
    subtract(&from->cache_misses, value->cache_misses);
    subtract(&from->cache_errors, value->cache_errors);
    subtract(&from->cache_evictions, value->cache_evictions);
    for (int i = 0; i < MS_EVENT_COUNT; i++)
        subtract(&from->events[i], value->events[i]);
    for (int v = 0; v < MS_VERB_COUNT; v++)
        subtract_verb(&from->verbs[v], &value->verbs[v]);
}

static const struct ms_entity_stats *find_entity(const struct ms_stats_snapshot *in,
                                                 const struct ms_entity_stats *like)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->entities[i].kind == like->kind && strcmp(in->entities[i].store, like->store) == 0 &&
            strcmp(in->entities[i].name, like->name) == 0)
            return &in->entities[i];
    return NULL;
}

int ms_stats_diff(const struct ms_stats_snapshot *earlier, const struct ms_stats_snapshot *later,
                  struct ms_stats_snapshot **out, struct ms_error *err)
{
    if (earlier->pid != later->pid || earlier->started_wall_ns != later->started_wall_ns)
        return ms_error_set(err, MS_ERR_INVALID,
                            "the statistics are of two processes (%lld and %lld): there is no "
                            "difference between them",
                            (long long)earlier->pid, (long long)later->pid);
    if (earlier->taken_wall_ns > later->taken_wall_ns)
        return ms_error_set(err, MS_ERR_INVALID,
                            "the earlier statistics are younger than the later ones");
    struct ms_stats_snapshot *s = NULL;
    int code = ms_stats_snapshot_new(later->count, later->sample_count, &s, err);
    if (code)
        return code;
    s->pid = later->pid;
    s->started_wall_ns = earlier->taken_wall_ns; /* what it covers */
    s->taken_wall_ns = later->taken_wall_ns;
    memcpy(s->program, later->program, sizeof s->program);
    for (size_t i = 0; i < later->count; i++) {
        s->entities[i] = later->entities[i];
        const struct ms_entity_stats *before = find_entity(earlier, &later->entities[i]);
        if (before)
            subtract_entity(&s->entities[i], before);
    }
    for (size_t i = 0; i < later->sample_count; i++)
        if (later->samples[i].wall_ns >= earlier->taken_wall_ns)
            s->samples[s->sample_count++] = later->samples[i];
    *out = s;
    return 0;
}

uint64_t ms_stats_bucket_floor(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    unsigned shift = bucket / 8 - 1;
    return shift < 60 ? (uint64_t)(bucket % 8 + 8) << shift : UINT64_MAX;
}

uint64_t ms_stats_quantile(const struct ms_verb_stats *verb, double q)
{
    uint64_t calls = 0;
    for (int i = 0; i < MS_HISTOGRAM_BUCKETS; i++)
        calls += verb->histogram[i];
    if (calls == 0)
        return 0;
    double wanted = q * (double)calls;
    uint64_t seen = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < MS_HISTOGRAM_BUCKETS; i++) {
        if (verb->histogram[i] == 0)
            continue;
        seen += verb->histogram[i];
        last = i;
        if ((double)seen >= wanted)
            break;
    }
    uint64_t edge = ms_stats_bucket_floor(last + 1);
    /* The last bucket has no upper edge but the longest call. */
    return last == MS_HISTOGRAM_BUCKETS - 1 && verb->max_ns > edge ? verb->max_ns : edge;
}
