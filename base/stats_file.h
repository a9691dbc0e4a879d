/* base/stats_file.h - the shared statistics file: its layout, and who makes, finds and removes it.
 *
 * Drawn in docs/formats.md. A file is one region: header, ring of samples, slots; a process maps
 * all of it (sparse) and adds with relaxed atomics; other processes read it with pread. A saved
 * file is the same with only the slots in use. Native byte order: files stay on the machine.
 */
#ifndef BASE_STATS_FILE_H
#define BASE_STATS_FILE_H

#include <mstore/stats.h>

#define MS_STATS_MAGIC       "MSTATS1\n"
#define MS_STATS_VERSION     2u
#define MS_STATS_VERSION_MIN 1u /* had no kind member, no events */
#define MS_STATS_EVENTS      32u
#define MS_STATS_SLOTS       256u
#define MS_STATS_SAMPLES     512u
#define MS_STATS_INTERVAL_NS UINT64_C(1000000000)

/* Of one verb. The calls are the sum of the histogram: one addition less per call. */
struct ms_stats_verb {
    uint64_t time_ns, volume_bytes, max_ns, errors, retries, emulated_ns;
    uint64_t reserved[2];
    uint64_t histogram[MS_HISTOGRAM_BUCKETS];
};

struct ms_stats_slot {
    uint32_t used; /* set last; 0: skip it */
    uint32_t kind;
    uint64_t reserved;
    char store[128], name[64]; /* with their NUL */
    uint64_t errors[MS_ERROR_SLOTS];
    uint64_t moved_in_bytes, moved_out_bytes;
    uint64_t cache_hits, cache_misses, cache_errors, cache_evictions;
    struct ms_stats_verb verbs[MS_VERB_COUNT];
    uint64_t events[MS_STATS_EVENTS]; /* since version 2 */
    uint8_t padding[32768 - 512 - MS_VERB_COUNT * sizeof(struct ms_stats_verb) -
                    MS_STATS_EVENTS * sizeof(uint64_t)];
};

struct ms_stats_header {
    char magic[8];
    uint32_t version;
    uint32_t slot_bytes;
    uint32_t slot_capacity; /* what the file has room for */
    uint32_t slots_used;    /* grows */
    uint32_t verbs, sample_capacity;
    int64_t pid;
    int64_t started_wall_ns;
    int64_t taken_wall_ns; /* 0: a running process's */
    uint64_t start_ticks;  /* of the process, as /proc has it: tells a reused pid; 0 unknown */
    char program[64];
    uint64_t sample_sequence; /* odd while the ring changes */
    uint64_t sample_count;
    uint64_t sample_interval_ns;
    uint8_t padding[4096 - 152];
};

struct ms_stats_region {
    struct ms_stats_header header;
    struct ms_stats_sample samples[MS_STATS_SAMPLES];
    struct ms_stats_slot slots[MS_STATS_SLOTS];
};
_Static_assert(offsetof(struct ms_stats_region, samples) == 4096, "layout");
_Static_assert(offsetof(struct ms_stats_region, slots) == 24576, "layout");
_Static_assert(offsetof(struct ms_stats_slot, verbs) == 512, "layout");
_Static_assert(sizeof(struct ms_stats_verb) == 2496, "layout");
_Static_assert(offsetof(struct ms_stats_slot, events) == 30464, "layout");
_Static_assert(sizeof(struct ms_stats_slot) == 32768, "layout");
_Static_assert((unsigned)MS_EVENT_COUNT <= MS_STATS_EVENTS, "layout");

static inline uint64_t ms_stats_region_bytes(uint32_t slots)
{
    return offsetof(struct ms_stats_region, slots) + (uint64_t)slots * sizeof(struct ms_stats_slot);
}

/* ---- base/stats_file.c: the process's file. Callers hold the registry's lock (entity.c). -------
 */

/* Makes this process's file from the region's content and maps it in place of it. False, with one
 * line in the log: no file can be had, the region stays private memory. */
bool ms_stats_file_publish(struct ms_stats_region *region);
/* Reserves the storage under a slot, so that touching it can never end in SIGBUS; where there is
 * none, private memory takes its place. False: not even that. */
bool ms_stats_file_reserve(struct ms_stats_region *region, uint32_t slot);
/* After fork, in the child: forgets the parent's file. */
void ms_stats_file_forget(void);

/* ---- base/stats_find.c: the folder ---------------------------------------------------------- */

/* The folder, made when it is missing; -1 and a sentence when it is not safely ours. */
int ms_stats_folder_open(const char *path, bool make, struct ms_error *err);
/* PIDs of living processes that have a file, sorted; at most max of them are stored, *count says
 * how many there are. NOT_FOUND: there is no folder. */
int ms_stats_running(int64_t *pids, size_t max, size_t *count, struct ms_error *err) MS_MUST_CHECK;
/* Removes files that dead processes left. */
void ms_stats_remove_stale(int folder);
/* When a process started, in the kernel's ticks; 0: there is no such process, or no telling. */
uint64_t ms_stats_start_ticks(int64_t pid);

/* ---- base/stats_samples.c ------------------------------------------------------------------- */

/* Adds the totals of this moment to the ring; thins it out when it is full. One thread at a time.
 */
void ms_stats_sample_add(struct ms_stats_region *region, int64_t wall_ns);
/* Totals over slots. */
void ms_stats_totals(const struct ms_entity_stats *entities, size_t count,
                     struct ms_stats_sample *out);

/* ---- base/stats.c, base/stats_read.c -------------------------------------------------------- */

/* A slot's figures, read one by one with relaxed atomics. */
void ms_stats_from_slot(struct ms_entity_stats *out, const struct ms_stats_slot *slot);
void ms_stats_to_slot(struct ms_stats_slot *out, const struct ms_entity_stats *stats);
/* Samples of the ring while it may change, into out[MS_STATS_SAMPLES]; 0 when it changes too often.
 */
size_t ms_stats_ring_read(const struct ms_stats_region *region, struct ms_stats_sample *out);
int ms_stats_snapshot_new(size_t entities, size_t samples, struct ms_stats_snapshot **out,
                          struct ms_error *err) MS_MUST_CHECK;
/* Appends the totals of the moment it was taken. There is room. */
void ms_stats_snapshot_close(struct ms_stats_snapshot *s);

#endif
