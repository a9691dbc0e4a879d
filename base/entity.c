/* Counting: see entity.h. Entities live in private memory until the process ends. */
#include "base/entity.h"

#include "base/sync.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ms_entity {
    struct ms_entity_stats stats;
    struct ms_entity *next;
    unsigned refs;
};

static struct ms_mutex mutex = MS_MUTEX_STATIC;
static struct ms_entity *entities;
static struct ms_entity nameless;

struct ms_entity *ms_entity_get(enum ms_stats_kind kind, const char *store, const char *name)
{
    MS_HOLD(&mutex);
    struct ms_entity *e;
    for (e = entities; e; e = e->next)
        if (e->stats.kind == kind && strcmp(e->stats.store, store) == 0 &&
            strcmp(e->stats.name, name) == 0)
            break;
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e)
            return &nameless;
        e->stats.kind = kind;
        strncpy(e->stats.store, store, sizeof e->stats.store - 1);
        strncpy(e->stats.name, name, sizeof e->stats.name - 1);
        e->next = entities;
        entities = e;
    }
    e->refs++;
    return e;
}

void ms_entity_put(struct ms_entity *e)
{
    if (!e)
        return;
    MS_HOLD(&mutex);
    e->refs--;
}

static void add(uint64_t *counter, uint64_t value)
{
    __atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

uint64_t ms_entity_begin(struct ms_clock *clock)
{
    return ms_clock_now(clock ? clock : ms_clock_real());
}

void ms_entity_count(struct ms_entity *e, struct ms_clock *clock, enum ms_verb verb, uint64_t begin,
                     int code, uint64_t volume_bytes)
{
    struct ms_verb_stats *v = &e->stats.verbs[verb];
    add(&v->calls, 1);
    add(&v->volume_bytes, volume_bytes);
    add(&v->time_ns, ms_clock_now(clock ? clock : ms_clock_real()) - begin);
    if (code) {
        add(&v->errors, 1);
        add(&e->stats.errors[-code < MS_ERROR_SLOTS ? -code : 0], 1);
    }
}

void ms_entity_count_moved(struct ms_entity *e, uint64_t in_bytes, uint64_t out_bytes)
{
    add(&e->stats.moved_in_bytes, in_bytes);
    add(&e->stats.moved_out_bytes, out_bytes);
}

void ms_entity_count_retry(struct ms_entity *e, enum ms_verb verb)
{
    add(&e->stats.verbs[verb].retries, 1);
}

void ms_entity_count_emulated(struct ms_entity *e, enum ms_verb verb, uint64_t delay_ns)
{
    add(&e->stats.verbs[verb].emulated_ns, delay_ns);
}

void ms_entity_count_cache(struct ms_entity *e, enum ms_cache_event event)
{
    uint64_t *counters[] = {&e->stats.cache_hits, &e->stats.cache_misses, &e->stats.cache_errors,
                            &e->stats.cache_evictions};
    add(counters[event], 1);
}
