/* base/entity.h - counting: where the calls of one backend or namespace are added up.
 *
 * Always on and cheap: relaxed atomic adds into the process's shared file (mstore/stats.h, byte
 * layout in docs/formats.md). Any thread.
 */
#ifndef BASE_ENTITY_H
#define BASE_ENTITY_H

#include <mstore/stats.h>

struct ms_entity;

/* The entity of that kind and name, made when there is none; one more reference. Never NULL:
 * without room or memory for one, a common nameless one takes the counts. Inside a simulation
 * entities are private to the process and end with the last reference. */
struct ms_entity *ms_entity_get(enum ms_stats_kind kind, const char *store, const char *name);
void ms_entity_put(struct ms_entity *e); /* the counts stay */

/* The moment a call begins, in the unit that ms_entity_count wants back (clock NULL: real). */
uint64_t ms_entity_begin(struct ms_clock *clock);
/* One call that began at `begin` and ended now. */
void ms_entity_count(struct ms_entity *e, struct ms_clock *clock, enum ms_verb verb, uint64_t begin,
                     int code, uint64_t volume_bytes);
void ms_entity_count_moved(struct ms_entity *e, uint64_t in_bytes, uint64_t out_bytes);
void ms_entity_count_retry(struct ms_entity *e, enum ms_verb verb);
void ms_entity_count_emulated(struct ms_entity *e, enum ms_verb verb, uint64_t delay_ns);
void ms_entity_count_event(struct ms_entity *e, enum ms_event event); /* e NULL: nowhere */
enum ms_cache_event { MS_CACHE_HIT, MS_CACHE_MISS, MS_CACHE_ERROR, MS_CACHE_EVICTION };
void ms_entity_count_cache(struct ms_entity *e, enum ms_cache_event event);

/* The bucket of a duration: 8 steps per power of two; what does not fit goes to the last bucket. */
static inline unsigned ms_stats_bucket_of(uint64_t ns)
{
    unsigned shift = 60 - (unsigned)__builtin_clzll(ns | 8);
    unsigned bucket = (shift << 3) + (unsigned)(ns >> shift);
    return bucket < MS_HISTOGRAM_BUCKETS ? bucket : MS_HISTOGRAM_BUCKETS - 1;
}

#endif
