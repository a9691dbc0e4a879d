/* Counting: the registry of entities and the additions.
 *
 * All entities of a process lie in one region of memory at a fixed address, from the first entity
 * to the end of the process: at first private, then the mapped file (stats_file.c), after fork the
 * child's own copy of the identities with all counts at zero. So a pointer to an entity stays good
 * whatever happens to the file. Entities of simulations live in memory of their own.
 *
 * Threads: counting from any thread, with relaxed atomics; the registry is under one lock. */
#include "base/entity.h"

#include "base/assert.h"
#include "base/sim.h"
#include "base/stats_file.h"
#include "base/stats_ticks.h"
#include "base/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct ms_entity {
    struct ms_stats_slot slot;
};

/* Of a simulation. */
struct private
{
    struct ms_entity entity; /* first */
    struct ms_clock *simulation;
    unsigned refs;
    struct private *next;
};

/* What a child needs to know of the parent's entities after fork. */
struct identity {
    uint32_t kind;
    char store[sizeof((struct ms_stats_slot *)0)->store];
    char name[sizeof((struct ms_stats_slot *)0)->name];
};

static struct ms_mutex mutex = MS_MUTEX_STATIC;
static struct {
    struct ms_stats_region *region; /* NULL: none yet, or no memory */
    uint32_t used;
    struct identity *identities; /* [MS_STATS_SLOTS] */
    bool publish;                /* the next new entity makes a file */
    struct private *privates;
} registry;
static struct ms_entity nameless; /* whatever has no place of its own */
static atomic_flag sampling = ATOMIC_FLAG_INIT;

/* ---- fork ------------------------------------------------------------------------------------
 *
 * The child may not add to the parent's file: the region is replaced by private memory at the same
 * address. It gets a file of its own with its next new entity; not at once, because most children
 * go on to exec. */

static void before_fork(void)
{
    ms_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
    ms_mutex_unlock(&mutex);
}

static void init_header(struct ms_stats_header *h);

static void write_identity(struct ms_stats_slot *slot, const struct identity *id)
{
    slot->kind = id->kind;
    memcpy(slot->store, id->store, sizeof slot->store);
    memcpy(slot->name, id->name, sizeof slot->name);
    __atomic_store_n(&slot->used, 1, __ATOMIC_RELEASE);
}

static void after_fork_in_child(void)
{
    struct ms_stats_region *region = registry.region;
    ms_stats_file_forget();
    atomic_flag_clear(&sampling);
    if (region &&
        mmap(region, sizeof *region, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == (void *)region) {
        init_header(&region->header);
        for (uint32_t i = 0; i < registry.used; i++)
            write_identity(&region->slots[i], &registry.identities[i]);
        region->header.slots_used = registry.used;
        registry.publish = true;
    }
    ms_mutex_unlock(&mutex);
}

/* ---- the registry --------------------------------------------------------------------------- */

static void copy_text(char *out, size_t size, const char *text)
{
    memset(out, 0, size);
    memcpy(out, text, strnlen(text, size - 1));
}

static void init_header(struct ms_stats_header *h)
{
    memcpy(h->magic, MS_STATS_MAGIC, sizeof h->magic);
    h->version = MS_STATS_VERSION;
    h->slot_bytes = sizeof(struct ms_stats_slot);
    h->slot_capacity = MS_STATS_SLOTS;
    h->slots_used = 0;
    h->verbs = MS_VERB_COUNT;
    h->sample_capacity = MS_STATS_SAMPLES;
    h->pid = getpid();
    h->started_wall_ns = ms_clock_wall(ms_clock_real());
    h->start_ticks = ms_stats_start_ticks(h->pid);
    copy_text(h->program, sizeof h->program, program_invocation_short_name);
    h->sample_interval_ns = MS_STATS_INTERVAL_NS;
}

static bool make_region_locked(void)
{
    if (registry.region)
        return true;
    struct identity *identities = calloc(MS_STATS_SLOTS, sizeof *identities);
    struct ms_stats_region *region = mmap(NULL, sizeof *region, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!identities || region == MAP_FAILED ||
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        free(identities);
        if (region != MAP_FAILED)
            munmap(region, sizeof *region);
        return false;
    }
    init_header(&region->header);
    ms_stats_sample_add(region, region->header.started_wall_ns);
    ms_ticks_sample_after(MS_STATS_INTERVAL_NS);
    __atomic_store_n(&registry.region, region, __ATOMIC_RELEASE); /* read without the mutex */
    registry.identities = identities;
    registry.publish = true;
    return true;
}

static struct ms_entity *new_shared_locked(const struct identity *id)
{
    if (!make_region_locked() || registry.used == MS_STATS_SLOTS)
        return &nameless;
    if (registry.publish) {
        registry.publish = false;
        ms_stats_file_publish(registry.region);
    }
    uint32_t index = registry.used;
    struct ms_stats_slot *slot = &registry.region->slots[index];
    if (!ms_stats_file_reserve(registry.region, index))
        return &nameless;
    registry.identities[index] = *id;
    write_identity(slot, id);
    registry.used = index + 1;
    __atomic_store_n(&registry.region->header.slots_used, index + 1, __ATOMIC_RELEASE);
    return (struct ms_entity *)slot;
}

static struct ms_entity *get_shared_locked(const struct identity *id)
{
    for (uint32_t i = 0; i < registry.used; i++)
        if (memcmp(&registry.identities[i], id, sizeof *id) == 0)
            return (struct ms_entity *)&registry.region->slots[i];
    return new_shared_locked(id);
}

static struct ms_entity *get_private_locked(const struct identity *id)
{
    struct ms_clock *simulation = ms_sim_clock();
    for (struct private *p = registry.privates; p; p = p->next) {
        const struct ms_stats_slot *slot = &p->entity.slot;
        if (p->simulation == simulation && slot->kind == id->kind &&
            memcmp(slot->store, id->store, sizeof id->store) == 0 &&
            memcmp(slot->name, id->name, sizeof id->name) == 0) {
            p->refs++;
            return &p->entity;
        }
    }
    struct private *p = calloc(1, sizeof *p);
    if (!p)
        return &nameless;
    p->simulation = simulation;
    p->refs = 1;
    write_identity(&p->entity.slot, id);
    p->next = registry.privates;
    registry.privates = p;
    return &p->entity;
}

struct ms_entity *ms_entity_get(enum ms_stats_kind kind, const char *store, const char *name)
{
    struct identity id = {.kind = (uint32_t)kind};
    copy_text(id.store, sizeof id.store, store);
    copy_text(id.name, sizeof id.name, name);
    MS_HOLD(&mutex);
    return ms_sim_active() ? get_private_locked(&id) : get_shared_locked(&id);
}

void ms_entity_put(struct ms_entity *e)
{
    if (!e)
        return;
    MS_HOLD(&mutex);
    for (struct private **at = &registry.privates; *at; at = &(*at)->next) {
        struct private *p = *at;
        if (&p->entity != e)
            continue;
        if (--p->refs == 0) {
            *at = p->next;
            free(p);
        }
        return;
    }
}

/* ---- for ms_stats_take ---------------------------------------------------------------------- */

static bool nameless_counted(void)
{
    struct ms_entity_stats *s = calloc(1, sizeof *s);
    if (!s)
        return false;
    ms_stats_from_slot(s, &nameless.slot);
    bool counted = s->moved_in_bytes || s->moved_out_bytes || s->cache_hits || s->cache_misses;
    for (int v = 0; v < MS_VERB_COUNT; v++)
        counted |= s->verbs[v].calls != 0;
    for (int i = 0; i < MS_EVENT_COUNT; i++)
        counted |= s->events[i] != 0;
    free(s);
    return counted;
}

static int take_locked(struct ms_stats_snapshot **out, struct ms_error *err)
{
    size_t privates = 0;
    for (const struct private *p = registry.privates; p; p = p->next)
        privates++;
    bool extra = nameless_counted();
    struct ms_stats_snapshot *s = NULL;
    int code =
        ms_stats_snapshot_new(registry.used + privates + extra, MS_STATS_SAMPLES + 1, &s, err);
    if (code)
        return code;
    size_t n = 0;
    for (uint32_t i = 0; i < registry.used; i++)
        ms_stats_from_slot(&s->entities[n++], &registry.region->slots[i]);
    for (const struct private *p = registry.privates; p; p = p->next)
        ms_stats_from_slot(&s->entities[n++], &p->entity.slot);
    if (extra)
        ms_stats_from_slot(&s->entities[n++], &nameless.slot);
    s->pid = getpid();
    s->taken_wall_ns = ms_clock_wall(ms_clock_real());
    s->started_wall_ns = s->taken_wall_ns;
    copy_text(s->program, sizeof s->program, program_invocation_short_name);
    if (registry.region) {
        s->started_wall_ns = registry.region->header.started_wall_ns;
        s->sample_count = ms_stats_ring_read(registry.region, s->samples);
    }
    ms_stats_snapshot_close(s);
    *out = s;
    return 0;
}

int ms_stats_take(struct ms_stats_snapshot **out, struct ms_error *err)
{
    MS_HOLD(&mutex);
    return take_locked(out, err);
}

/* ---- counting ------------------------------------------------------------------------------- */

static inline void add(uint64_t *counter, uint64_t value)
{
    __atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

/* Whoever finds a sample due takes it; the others go on. */
__attribute__((cold, noinline)) static void take_sample(void)
{
    if (atomic_flag_test_and_set(&sampling))
        return;
    struct ms_stats_region *region = __atomic_load_n(&registry.region, __ATOMIC_ACQUIRE);
    if (region) {
        ms_stats_sample_add(region, ms_clock_wall(ms_clock_real()));
        ms_ticks_sample_after(region->header.sample_interval_ns);
    } else {
        ms_ticks_sample_after(MS_STATS_INTERVAL_NS);
    }
    atomic_flag_clear(&sampling);
}

__attribute__((noinline)) static uint64_t elapsed_slowly(struct ms_clock *clock, uint64_t begin)
{
    struct ms_clock *real = ms_clock_real();
    uint64_t now = ms_clock_now(clock ? clock : real);
    if ((!clock || clock == real) && now >= atomic_load(&ms_ticks.next_sample_ns))
        take_sample();
    now &= ~UINT64_C(1);
    return now > begin ? now - begin : 0;
}

uint64_t ms_entity_begin(struct ms_clock *clock)
{
    if (__builtin_expect(clock == atomic_load_explicit(&ms_ticks.clock, memory_order_acquire),
                         true))
        return ms_ticks_now();
    return ms_ticks_begin_slowly(clock);
}

__attribute__((cold, noinline)) static void count_error(struct ms_entity *e,
                                                        struct ms_stats_verb *v, int code)
{
    add(&v->errors, 1);
    add(&e->slot.errors[code < 0 && code > -MS_ERROR_SLOTS ? -code : 0], 1);
}

__attribute__((cold, noinline)) static void raise_max(uint64_t *max, uint64_t ns)
{
    uint64_t seen = __atomic_load_n(max, __ATOMIC_RELAXED);
    while (seen < ns &&
           !__atomic_compare_exchange_n(max, &seen, ns, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static inline void record(struct ms_entity *e, enum ms_verb verb, uint64_t ns, int code,
                          uint64_t volume_bytes)
{
    struct ms_stats_verb *v = &e->slot.verbs[verb];
    add(&v->histogram[ms_stats_bucket_of(ns)], 1);
    add(&v->time_ns, ns);
    if (volume_bytes)
        add(&v->volume_bytes, volume_bytes);
    if (__builtin_expect(ns > __atomic_load_n(&v->max_ns, __ATOMIC_RELAXED), false))
        raise_max(&v->max_ns, ns);
    if (__builtin_expect(code != 0, false))
        count_error(e, v, code);
}

/* By a clock, or with a sample due, or in error: apart, so that the usual way saves no registers.
 */
__attribute__((noinline)) static void count_slowly(struct ms_entity *e, struct ms_clock *clock,
                                                   enum ms_verb verb, uint64_t begin, int code,
                                                   uint64_t volume_bytes)
{
    ms_assert((unsigned)verb < MS_VERB_COUNT);
    uint64_t ns;
    if (begin & 1) {
        uint64_t now = ms_ticks_now();
        ns = now > begin ? ms_ticks_to_ns(now - begin) : 0;
        if (now >= atomic_load_explicit(&ms_ticks.next_sample, memory_order_relaxed))
            take_sample();
    } else {
        ns = elapsed_slowly(clock, begin);
    }
    record(e, verb, ns, code, volume_bytes);
}

void ms_entity_count(struct ms_entity *e, struct ms_clock *clock, enum ms_verb verb, uint64_t begin,
                     int code, uint64_t volume_bytes)
{
    uint64_t now = ms_ticks_now();
    if (__builtin_expect(
            (begin & 1) == 0 || code != 0 || (unsigned)verb >= MS_VERB_COUNT || now < begin ||
                now >= atomic_load_explicit(&ms_ticks.next_sample, memory_order_relaxed),
            false)) {
        count_slowly(e, clock, verb, begin, code, volume_bytes);
        return;
    }
    record(e, verb, ms_ticks_to_ns(now - begin), 0, volume_bytes);
}

void ms_entity_count_moved(struct ms_entity *e, uint64_t in_bytes, uint64_t out_bytes)
{
    if (in_bytes)
        add(&e->slot.moved_in_bytes, in_bytes);
    if (out_bytes)
        add(&e->slot.moved_out_bytes, out_bytes);
}

void ms_entity_count_retry(struct ms_entity *e, enum ms_verb verb)
{
    ms_assert((unsigned)verb < MS_VERB_COUNT);
    add(&e->slot.verbs[verb].retries, 1);
}

void ms_entity_count_emulated(struct ms_entity *e, enum ms_verb verb, uint64_t delay_ns)
{
    ms_assert((unsigned)verb < MS_VERB_COUNT);
    add(&e->slot.verbs[verb].emulated_ns, delay_ns);
}

void ms_entity_count_cache(struct ms_entity *e, enum ms_cache_event event)
{
    uint64_t *counters[] = {&e->slot.cache_hits, &e->slot.cache_misses, &e->slot.cache_errors,
                            &e->slot.cache_evictions};
    ms_assert((unsigned)event < sizeof counters / sizeof *counters);
    add(counters[event], 1);
}

void ms_entity_count_event(struct ms_entity *e, enum ms_event event)
{
    ms_assert((unsigned)event < MS_EVENT_COUNT);
    if (e)
        add(&e->slot.events[event], 1);
}
