/* Cancellation tokens: a tree; firing one fires all below it and wakes who sleeps on them.
 *
 * `tree` guards the links and counts of all tokens (short, never held while waiting); each token's
 * own mutex and condition are for its sleepers, and may be a simulation's. A token lives until its
 * handle is freed and no child or firing needs it. */
#include "base/cancel.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/sim_core.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ms_cancel {
    atomic_bool fired;
    struct ms_mutex mutex;
    struct ms_cond cond;
    /* guarded by tree */
    unsigned refs; /* the handle, each child, a firing under way */
    struct ms_cancel *parent, *first_child, *next_sibling, *previous_sibling;
    struct ms_cancel *next_fired; /* owned by the firing that set `fired` */
};

static struct ms_mutex tree = MS_MUTEX_STATIC;
static __thread struct ms_cancel *thread_token;

int ms_cancel_new_under(struct ms_cancel *parent, struct ms_cancel **out, struct ms_error *err)
{
    /* a token of threads may be fired from anywhere, which a simulation could not hear */
    ms_assert(!parent || parent->mutex.simulated == ms_sim_active());
    struct ms_cancel *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a cancellation token");
    ms_mutex_init(&c->mutex);
    ms_cond_init(&c->cond);
    c->refs = 1;
    if (parent) {
        MS_HOLD(&tree);
        c->parent = parent;
        parent->refs++;
        c->next_sibling = parent->first_child;
        if (c->next_sibling)
            c->next_sibling->previous_sibling = c;
        parent->first_child = c;
        atomic_store(&c->fired, atomic_load(&parent->fired));
    }
    *out = c;
    return 0;
}

int ms_cancel_new(struct ms_cancel **out, struct ms_error *err)
{
    return ms_cancel_new_under(NULL, out, err);
}

/* Gives one reference back, and the parents' where the last one went. */
static void put(struct ms_cancel *c)
{
    while (c) {
        struct ms_cancel *parent = NULL;
        {
            MS_HOLD(&tree);
            if (--c->refs > 0)
                return;
            parent = c->parent;
            if (c->previous_sibling)
                c->previous_sibling->next_sibling = c->next_sibling;
            else if (parent)
                parent->first_child = c->next_sibling;
            if (c->next_sibling)
                c->next_sibling->previous_sibling = c->previous_sibling;
        }
        ms_cond_fini(&c->cond);
        ms_mutex_fini(&c->mutex);
        free(c);
        c = parent;
    }
}

struct ms_cancel *ms_cancel_ref(struct ms_cancel *cancel)
{
    MS_HOLD(&tree);
    cancel->refs++;
    return cancel;
}

void ms_cancel_free(struct ms_cancel *cancel)
{
    put(cancel);
}

/* Marks top and all below it, and collects them. What had fired before has nothing unfired below
 * it: children of a fired token are born fired. */
static struct ms_cancel *mark_locked(struct ms_cancel *top)
{
    struct ms_cancel *list = NULL, *c = top;
    for (;;) {
        bool first_time = !atomic_exchange(&c->fired, true);
        if (first_time) {
            c->refs++;
            c->next_fired = list;
            list = c;
        }
        if (first_time && c->first_child) {
            c = c->first_child;
            continue;
        }
        while (c != top && !c->next_sibling)
            c = c->parent;
        if (c == top)
            return list;
        c = c->next_sibling;
    }
}

void ms_cancel_fire(struct ms_cancel *cancel)
{
    struct ms_cancel *list;
    {
        MS_HOLD(&tree);
        list = mark_locked(cancel);
    }
    while (list) {
        struct ms_cancel *c = list;
        list = c->next_fired;
        {
            MS_HOLD(&c->mutex);
            ms_cond_broadcast(&c->cond);
        }
        put(c);
    }
}

bool ms_cancel_fired(const struct ms_cancel *cancel)
{
    return atomic_load_explicit(&cancel->fired, memory_order_acquire);
}

static struct ms_cancel **slot(void)
{
    return ms_sim_active() ? ms_sim_cancel_slot() : &thread_token;
}

struct ms_cancel *ms_cancel_current(void)
{
    return *slot();
}

struct ms_cancel *ms_cancel_swap(struct ms_cancel *cancel)
{
    struct ms_cancel **place = slot();
    struct ms_cancel *before = *place;
    *place = cancel;
    return before;
}

int ms_check_cancelled(struct ms_error *err)
{
    struct ms_cancel *c = *slot();
    if (c && ms_cancel_fired(c))
        return ms_error_set(err, MS_ERR_CANCELLED, "cancelled");
    return 0;
}

/* Holds the token's mutex, except in a simulation, where nothing happens between two switches. */
static int sleep_on(struct ms_cancel *c, struct ms_clock *clock, uint64_t deadline_ns,
                    struct ms_error *err)
{
    bool simulated = clock->kind == MS_CLOCK_SIMULATED;
    while (!ms_cancel_fired(c)) {
        if (ms_clock_now(clock) >= deadline_ns)
            return 0;
        if (simulated)
            ms_sim_cond_wait(&c->cond, NULL, deadline_ns);
        else
            ms_cond_wait_until(&c->cond, &c->mutex, clock, deadline_ns);
    }
    return ms_error_set(err, MS_ERR_CANCELLED, "cancelled");
}

static int sleep_locked(struct ms_cancel *c, struct ms_clock *clock, uint64_t deadline_ns,
                        struct ms_error *err)
{
    ms_yield();
    if (clock->kind == MS_CLOCK_SIMULATED)
        return sleep_on(c, clock, deadline_ns, err);
    MS_HOLD(&c->mutex);
    return sleep_on(c, clock, deadline_ns, err);
}

int ms_sleep_until(struct ms_clock *clock, uint64_t deadline_ns, struct ms_error *err)
{
    struct ms_cancel *token = *slot();
    if (token)
        return sleep_locked(token, clock, deadline_ns, err);
    struct ms_cancel nobody = {0};
    ms_mutex_init(&nobody.mutex);
    ms_cond_init(&nobody.cond);
    int code = sleep_locked(&nobody, clock, deadline_ns, err);
    ms_cond_fini(&nobody.cond);
    ms_mutex_fini(&nobody.mutex);
    return code;
}
