/* mstore/stats.h - what happened, how often, how long: counters of this or another process.
 *
 * Every call through a Store or a backend is counted in an *entity*: one for each backend, one for
 * each namespace of a Store, one for each member of a store of many members; a Store's own figures
 * are the sum of its namespaces. A process keeps
 * its entities in a shared file ($MSTORE_STATS_DIR, else $XDG_RUNTIME_DIR/mstore, else
 * /tmp/mstore-UID; name PID.stats; MSTORE_STATS_DIR="" for none) that the program mstore-stats
 * reads while the process runs. Byte layout: docs/formats.md. Counters only grow; reading them is
 * never exact to the call.
 */
#ifndef MSTORE_STATS_H
#define MSTORE_STATS_H

#include <mstore/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Order is part of the file format: append only. */
#define MS_VERBS(X)                                                                                \
    X(INFO, "info")                                                                                \
    X(LOAD, "load")                                                                                \
    X(STORE, "store")                                                                              \
    X(DELETE, "delete")                                                                            \
    X(MOVE, "move")                                                                                \
    X(LIST, "list")                                                                                \
    X(HASH, "hash")                                                                                \
    X(DEFRAG, "defrag")                                                                            \
    X(MKDIR, "mkdir")                                                                              \
    X(RMDIR, "rmdir")                                                                              \
    X(COPY, "copy")                                                                                \
    X(OTHER, "other")

enum ms_verb {
#define MS_X(name, text) MS_VERB_##name,
    MS_VERBS(MS_X)
#undef MS_X
        MS_VERB_COUNT
};

MS_API const char *ms_verb_name(int verb);

enum ms_stats_kind { MS_STATS_BACKEND, MS_STATS_NAMESPACE, MS_STATS_CACHE, MS_STATS_MEMBER };
#define MS_STATS_KIND_LAST MS_STATS_MEMBER

/* What happens in a store of many members beside calls. The first ones are counted where a value's
 * namespace is, the others (from REFUSED on) where the member is. Order is part of the file format:
 * append only. */
#define MS_EVENTS(X)                                                                               \
    X(HEDGE, "hedges")             /* requests sent once more, because the first was late */       \
    X(REPAIR, "repairs")           /* objects put back that were missing or damaged */             \
    X(DEGRADED, "degraded")        /* calls made while a member that the key needs was away */     \
    X(QUORUM_WAIT, "quorum_waits") /* waits beyond what is usual for members that are needed */    \
    X(REFUSED, "refused")          /* calls not made, because the breaker was open */              \
    X(BREAKER_OPENED, "breaker_opened")                                                            \
    X(BREAKER_CLOSED, "breaker_closed")

enum ms_event {
#define MS_X(name, text) MS_EVENT_##name,
    MS_EVENTS(MS_X)
#undef MS_X
        MS_EVENT_COUNT
};

MS_API const char *ms_event_name(int event);

/* Latency histogram: 8 steps per power of two (value error at most 12.5 %), from 0 to 2^40 ns. */
#define MS_HISTOGRAM_BUCKETS 304
#define MS_ERROR_SLOTS       32 /* index: -code; 0 counts codes beyond the table */

struct ms_verb_stats {
    uint64_t calls;
    uint64_t errors; /* calls that returned an error; by code below, per entity */
    uint64_t retries;
    uint64_t volume_bytes; /* payload handed over */
    uint64_t time_ns;      /* emulated delay included */
    uint64_t emulated_ns;  /* of that: delay added by the emulator */
    uint64_t max_ns;
    uint64_t histogram[MS_HISTOGRAM_BUCKETS];
};

struct ms_entity_stats {
    enum ms_stats_kind kind;
    char store[128]; /* URL without secrets */
    char name[64];   /* namespace, member; "" for a backend */
    uint64_t errors[MS_ERROR_SLOTS];
    uint64_t moved_in_bytes;  /* really read from the storage */
    uint64_t moved_out_bytes; /* really written to the storage */
    uint64_t cache_hits, cache_misses, cache_errors, cache_evictions;
    uint64_t events[MS_EVENT_COUNT];
    struct ms_verb_stats verbs[MS_VERB_COUNT];
};

/* Totals of a process at an earlier moment, of its namespaces or, when it has none, its backends.
 * Taken about once a second while calls end; over a long life older ones are thinned out. */
struct ms_stats_sample {
    int64_t wall_ns;
    uint64_t calls, errors;
    uint64_t load_bytes, store_bytes; /* payload */
};

/* All entities of one process at one moment. */
struct ms_stats_snapshot {
    int64_t pid;
    int64_t started_wall_ns;
    int64_t taken_wall_ns;
    char program[64];
    size_t count;
    struct ms_entity_stats *entities;
    size_t sample_count;
    struct ms_stats_sample *samples; /* oldest first, the last one is of this moment */
};

MS_API int ms_stats_take(struct ms_stats_snapshot **out,
                         struct ms_error *err) MS_MUST_CHECK; /* own */
/* path: a shared file or one written by ms_stats_save. */
MS_API int ms_stats_read(const char *path, struct ms_stats_snapshot **out,
                         struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_stats_save(const struct ms_stats_snapshot *snapshot, const char *path,
                         struct ms_error *err) MS_MUST_CHECK;
/* later - earlier, per entity that later has (histograms too; max stays later's). INVALID unless
 * both are of one process, in that order. Samples are those in between. */
MS_API int ms_stats_diff(const struct ms_stats_snapshot *earlier,
                         const struct ms_stats_snapshot *later, struct ms_stats_snapshot **out,
                         struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_stats_free(struct ms_stats_snapshot *snapshot);
/* Adds the figures of one entity to another. */
MS_API void ms_stats_add(struct ms_entity_stats *sum, const struct ms_entity_stats *more);
/* Upper edge, in ns, of the bucket that holds quantile q (0 < q <= 1); 0 without calls. */
MS_API uint64_t ms_stats_quantile(const struct ms_verb_stats *verb, double q);
MS_API uint64_t ms_stats_bucket_floor(unsigned bucket); /* smallest ns of a bucket */
/* The folder of the shared files of this user's processes, for tools. Returns buf. */
MS_API const char *ms_stats_folder(char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
