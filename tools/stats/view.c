/* Grouping entities by store, and the figures derived from counters. */
#include "tools/stats/view.h"

#include <inttypes.h>
#include <stdlib.h>

static struct group *find_group(struct view *view, const char *store)
{
    for (size_t i = 0; i < view->count; i++)
        if (strcmp(view->groups[i].store, store) == 0)
            return &view->groups[i];
    return NULL;
}

static bool add_kind(struct group *g, const struct ms_stats_snapshot *s, enum ms_stats_kind kind)
{
    struct ms_entity_stats *sums[] = {[MS_STATS_BACKEND] = g->backend,
                                      [MS_STATS_NAMESPACE] = g->total,
                                      [MS_STATS_CACHE] = g->cache,
                                      [MS_STATS_MEMBER] = g->backend};
    bool any = false;
    for (size_t i = 0; i < s->count; i++) {
        const struct ms_entity_stats *e = &s->entities[i];
        if (e->kind != kind || strcmp(e->store, g->store) != 0)
            continue;
        g->members[g->member_count++] = e;
        ms_stats_add(sums[kind], e);
        any = true;
    }
    return any;
}

static bool fill_group(struct group *g, const struct ms_stats_snapshot *s)
{
    g->total = calloc(1, sizeof *g->total);
    g->backend = calloc(1, sizeof *g->backend);
    g->cache = calloc(1, sizeof *g->cache);
    g->members = calloc(s->count, sizeof *g->members);
    if (!g->total || !g->backend || !g->cache || !g->members)
        return false;
    bool namespaces = add_kind(g, s, MS_STATS_NAMESPACE);
    add_kind(g, s, MS_STATS_BACKEND);
    add_kind(g, s, MS_STATS_CACHE);
    add_kind(g, s, MS_STATS_MEMBER);
    if (!namespaces)
        *g->total = *g->backend;
    for (int i = 0; namespaces && i < MS_EVENT_COUNT; i++)
        g->total->events[i] += g->backend->events[i]; /* each is counted in one place only */
    return true;
}

int view_new(const struct ms_stats_snapshot *snapshot, struct view **out, struct ms_error *err)
{
    struct view *v = calloc(1, sizeof *v);
    if (v)
        v->groups = calloc(snapshot->count ? snapshot->count : 1, sizeof *v->groups);
    bool good = v && v->groups;
    for (size_t i = 0; good && i < snapshot->count; i++) {
        const char *store = snapshot->entities[i].store;
        if (find_group(v, store))
            continue;
        struct group *g = &v->groups[v->count++];
        g->store = store;
        good = fill_group(g, snapshot);
    }
    if (!good) {
        view_free(v);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the report");
    }
    v->snapshot = snapshot;
    *out = v;
    return 0;
}

void view_free(struct view *view)
{
    if (!view)
        return;
    for (size_t i = 0; view->groups && i < view->count; i++) {
        free(view->groups[i].total);
        free(view->groups[i].backend);
        free(view->groups[i].cache);
        free(view->groups[i].members);
    }
    free(view->groups);
    free(view);
}

bool verb_used(const struct ms_verb_stats *verb)
{
    return verb->calls || verb->retries || verb->errors;
}

double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

double verb_throughput(const struct ms_verb_stats *verb)
{
    return verb->time_ns ? (double)verb->volume_bytes / seconds(verb->time_ns) : 0;
}

uint64_t verb_quantile(const struct ms_verb_stats *verb, double q)
{
    uint64_t edge = ms_stats_quantile(verb, q);
    return edge < verb->max_ns ? edge : verb->max_ns;
}

void put_events(FILE *file, const char *before, const struct ms_entity_stats *entity,
                const char *after)
{
    bool any = false;
    for (int i = 0; i < MS_EVENT_COUNT; i++) {
        if (!entity->events[i])
            continue;
        fprintf(file, "%s%s %" PRIu64, any ? ", " : before, ms_event_name(i), entity->events[i]);
        any = true;
    }
    if (any)
        fputs(after, file);
}

bool events_any(const struct ms_entity_stats *entity)
{
    for (int i = 0; i < MS_EVENT_COUNT; i++)
        if (entity->events[i])
            return true;
    return false;
}

double cache_ratio(const struct ms_entity_stats *entity)
{
    double hits = (double)entity->cache_hits, misses = (double)entity->cache_misses;
    return hits + misses > 0 ? hits / (hits + misses) : -1;
}

double view_seconds(const struct ms_stats_snapshot *snapshot)
{
    double from = (double)snapshot->started_wall_ns, to = (double)snapshot->taken_wall_ns;
    return to > from ? (to - from) / 1e9 : 0;
}
