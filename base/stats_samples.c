/* The ring of samples: totals over time. One writer at a time; it counts the sequence up before and
 * after, so that readers, also of other processes, know when they met a change. When the ring is
 * full every second sample goes and the interval doubles: a process's whole life stays in view. */
#include "base/stats_file.h"

/* The ring is shared memory: each word is read and written as one. */
static uint64_t get(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void put(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

#define SAMPLE_WORDS (sizeof(struct ms_stats_sample) / sizeof(uint64_t))

static void copy(struct ms_stats_sample *to, const struct ms_stats_sample *from)
{
    const uint64_t *f = (const uint64_t *)from;
    uint64_t *t = (uint64_t *)to;
    for (size_t i = 0; i < SAMPLE_WORDS; i++)
        put(&t[i], get(&f[i]));
}

static void add_slot(struct ms_stats_sample *sum, const struct ms_stats_slot *slot)
{
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        const struct ms_stats_verb *verb = &slot->verbs[v];
        if (__atomic_load_n(&verb->max_ns, __ATOMIC_RELAXED) == 0 &&
            __atomic_load_n(&verb->histogram[0], __ATOMIC_RELAXED) == 0)
            continue; /* never called: its pages stay untouched */
        for (int i = 0; i < MS_HISTOGRAM_BUCKETS; i++)
            sum->calls += __atomic_load_n(&verb->histogram[i], __ATOMIC_RELAXED);
        sum->errors += __atomic_load_n(&verb->errors, __ATOMIC_RELAXED);
    }
    sum->load_bytes += __atomic_load_n(&slot->verbs[MS_VERB_LOAD].volume_bytes, __ATOMIC_RELAXED);
    sum->store_bytes += __atomic_load_n(&slot->verbs[MS_VERB_STORE].volume_bytes, __ATOMIC_RELAXED);
}

static void totals(const struct ms_stats_region *region, struct ms_stats_sample *out)
{
    uint32_t used = __atomic_load_n(&region->header.slots_used, __ATOMIC_ACQUIRE);
    struct ms_stats_sample namespaces = {0}, backends = {0};
    bool any_namespace = false;
    for (uint32_t i = 0; i < used; i++) {
        const struct ms_stats_slot *slot = &region->slots[i];
        if (slot->kind == MS_STATS_NAMESPACE) {
            any_namespace = true;
            add_slot(&namespaces, slot);
        } else if (slot->kind == MS_STATS_BACKEND) {
            add_slot(&backends, slot);
        }
    }
    *out = any_namespace ? namespaces : backends;
}

void ms_stats_totals(const struct ms_entity_stats *entities, size_t count,
                     struct ms_stats_sample *out)
{
    enum ms_stats_kind kind = MS_STATS_BACKEND;
    for (size_t i = 0; i < count; i++)
        if (entities[i].kind == MS_STATS_NAMESPACE)
            kind = MS_STATS_NAMESPACE;
    *out = (struct ms_stats_sample){0};
    for (size_t i = 0; i < count; i++) {
        const struct ms_entity_stats *e = &entities[i];
        if (e->kind != kind)
            continue;
        for (int v = 0; v < MS_VERB_COUNT; v++) {
            out->calls += e->verbs[v].calls;
            out->errors += e->verbs[v].errors;
        }
        out->load_bytes += e->verbs[MS_VERB_LOAD].volume_bytes;
        out->store_bytes += e->verbs[MS_VERB_STORE].volume_bytes;
    }
}

void ms_stats_sample_add(struct ms_stats_region *region, int64_t wall_ns)
{
    struct ms_stats_header *h = &region->header;
    struct ms_stats_sample now;
    totals(region, &now);
    now.wall_ns = wall_ns;
    put(&h->sample_sequence, h->sample_sequence + 1);
    uint64_t count = h->sample_count;
    if (count >= MS_STATS_SAMPLES) {
        count = MS_STATS_SAMPLES / 2;
        for (uint64_t i = 1; i < count; i++)
            copy(&region->samples[i], &region->samples[2 * i]);
        put(&h->sample_interval_ns, 2 * h->sample_interval_ns);
    }
    copy(&region->samples[count], &now);
    put(&h->sample_count, count + 1);
    put(&h->sample_sequence, h->sample_sequence + 1);
}

size_t ms_stats_ring_read(const struct ms_stats_region *region, struct ms_stats_sample *out)
{
    const struct ms_stats_header *h = &region->header;
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t before = get(&h->sample_sequence);
        uint64_t count = get(&h->sample_count);
        if (before % 2 || count > MS_STATS_SAMPLES)
            continue;
        for (uint64_t i = 0; i < count; i++)
            copy(&out[i], &region->samples[i]);
        if (get(&h->sample_sequence) == before)
            return (size_t)count;
    }
    return 0;
}
