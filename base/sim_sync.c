/* Mutexes and conditions of a simulation. Waiters form a ring, first come first; everything runs on
 * one thread, so that what lies between two switches is atomic. A freed mutex is not handed over:
 * whoever is drawn first gets it, which is what threads may do too. */
#include "base/sim_core.h"

#include "base/assert.h"

static void enter_ring(struct ms_fiber **first, struct ms_fiber *f)
{
    f->ring = first;
    if (!*first) {
        *first = f->ring_next = f->ring_previous = f;
        return;
    }
    f->ring_next = *first;
    f->ring_previous = (*first)->ring_previous;
    f->ring_previous->ring_next = f;
    f->ring_next->ring_previous = f;
}

static void leave_ring(struct ms_fiber *f)
{
    if (f->ring_next == f) {
        *f->ring = NULL;
    } else {
        f->ring_previous->ring_next = f->ring_next;
        f->ring_next->ring_previous = f->ring_previous;
        if (*f->ring == f)
            *f->ring = f->ring_next;
    }
    f->ring = NULL;
}

static void wait_in(struct ms_sim *s, struct ms_fiber **ring, const struct ms_mutex *wanted)
{
    s->current->wanted = wanted;
    enter_ring(ring, s->current);
    ms_sim_schedule(s, false);
}

void ms_sim_wake(struct ms_sim *s, struct ms_fiber *f)
{
    leave_ring(f);
    ms_sim_timer_remove(s, f);
    ms_sim_make_runnable(s, f);
}

/* No switch, so that giving back a mutex and beginning to wait is one step. */
static void give_back(struct ms_sim *s, struct ms_mutex *m)
{
    ms_assert(m->owner == s->current);
    m->owner = NULL;
    s->current->mutexes--;
    if (m->first_waiter)
        ms_sim_wake(s, m->first_waiter);
}

void ms_sim_mutex_lock(struct ms_mutex *m)
{
    struct ms_sim *s = ms_sim_here();
    ms_sim_yield();
    while (m->owner) {
        ms_assert(m->owner != s->current);
        wait_in(s, &m->first_waiter, m);
    }
    m->owner = s->current;
    s->current->mutexes++;
}

void ms_sim_mutex_unlock(struct ms_mutex *m)
{
    give_back(ms_sim_here(), m);
    ms_sim_yield();
}

bool ms_sim_cond_wait(struct ms_cond *c, struct ms_mutex *m, uint64_t deadline_ns)
{
    struct ms_sim *s = ms_sim_here();
    struct ms_fiber *self = s->current;
    self->timed_out = deadline_ns <= s->clock.now_ns;
    if (m)
        give_back(s, m);
    if (self->timed_out) {
        ms_sim_yield();
    } else {
        if (deadline_ns != UINT64_MAX)
            ms_sim_timer_add(s, self, deadline_ns);
        wait_in(s, &c->first_waiter, NULL);
    }
    bool timed_out = self->timed_out;
    if (m)
        ms_sim_mutex_lock(m);
    return !timed_out;
}

/* One of the first eight, by the seed: POSIX promises no order, and code must not rely on one. */
static struct ms_fiber *draw_waiter(struct ms_sim *s, struct ms_fiber *first)
{
    if (first->ring_next == first)
        return first;
    for (uint64_t steps = ms_random_below(&s->random, 8); steps > 0; steps--)
        first = first->ring_next;
    return first;
}

void ms_sim_cond_wake(struct ms_cond *c, bool all)
{
    struct ms_sim *s = ms_sim_here();
    if (c->first_waiter && !all)
        ms_sim_wake(s, draw_waiter(s, c->first_waiter));
    while (c->first_waiter && all)
        ms_sim_wake(s, c->first_waiter);
    ms_sim_yield();
}
