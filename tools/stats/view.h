/* tools/stats/view.h - a snapshot as people look at it: by store, with the figures that follow from
 * the counters. */
#ifndef TOOLS_STATS_VIEW_H
#define TOOLS_STATS_VIEW_H

#include "base/prometheus.h"
#include "base/put_text.h"

#include <mstore/stats.h>

#include <stdio.h>

/* What belongs to one store. */
struct group {
    const char *store;
    struct ms_entity_stats *total; /* of its namespaces; without any, of its backends */
    struct ms_entity_stats *backend,
        *cache;                             /* sums; backend: of a store's members, if it has any */
    const struct ms_entity_stats **members; /* namespaces, backends, caches, members */
    size_t member_count;
};

struct view {
    const struct ms_stats_snapshot *snapshot;
    struct group *groups;
    size_t count;
};

int view_new(const struct ms_stats_snapshot *snapshot, struct view **out,
             struct ms_error *err) MS_MUST_CHECK;
void view_free(struct view *view);

bool verb_used(const struct ms_verb_stats *verb);
double seconds(uint64_t ns);
double verb_throughput(const struct ms_verb_stats *verb); /* bytes per second of call time */
uint64_t verb_quantile(const struct ms_verb_stats *verb, double q); /* never above the maximum */
/* What happened in a store of many members, between two texts; nothing when nothing did. */
void put_events(FILE *file, const char *before, const struct ms_entity_stats *entity,
                const char *after);
bool events_any(const struct ms_entity_stats *entity);
double cache_ratio(const struct ms_entity_stats *entity); /* 0..1; -1: the cache was not asked */

/* Seconds that a snapshot covers. */
double view_seconds(const struct ms_stats_snapshot *snapshot);

/* The outputs. Errors stay in the FILE. */
void table_write(FILE *file, const struct view *view);
void json_write(FILE *file, const struct view *view);
void html_write(FILE *file, const struct view *view);

#endif
