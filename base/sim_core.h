/* base/sim_core.h - inside of the deterministic executor: what the rest of base/ asks of it, and
 * what its own files share. */
#ifndef BASE_SIM_CORE_H
#define BASE_SIM_CORE_H

#include "base/clock.h"
#include "base/fiber.h"
#include "base/sim.h"
#include "base/sync.h"

/* ---- for base/sync.c, base/cancel.c and base/pool.c ---- */

void ms_sim_mutex_lock(struct ms_mutex *m);
void ms_sim_mutex_unlock(struct ms_mutex *m);
/* m NULL: none is held. deadline UINT64_MAX: never. False: timed out. */
bool ms_sim_cond_wait(struct ms_cond *c, struct ms_mutex *m, uint64_t deadline_ns);
void ms_sim_cond_wake(struct ms_cond *c, bool all);
void ms_sim_yield(void);
/* Makes a task that runs fn(arg). */
int ms_sim_spawn(void (*fn)(void *arg), void *arg, struct ms_error *err) MS_MUST_CHECK;
/* Where the running task keeps its cancellation token. */
struct ms_cancel **ms_sim_cancel_slot(void);
/* The running task takes or gives back a mutex of the threads' kind: it must not leave the
 * processor while it holds one, for the next task that wants it would stop the whole thread. */
void ms_sim_thread_mutex(int change);

/* ---- for sim.c and sim_sync.c ---- */

/* A task. It runs, or lies in `runnable`, or waits in the ring of a mutex or condition. */
struct ms_fiber {
    struct ms_stack stack;
    unsigned id;
    void (*fn)(void *arg);
    void *arg;
    struct ms_cancel *cancel;
    struct ms_fiber **ring; /* its first one's place; NULL: does not wait */
    struct ms_fiber *ring_next, *ring_previous;
    const struct ms_mutex *wanted; /* while waiting: NULL for a condition */
    unsigned mutexes;              /* held */
    size_t timer;                  /* place in `timers`, MS_NO_TIMER: none */
    bool timed_out;
    struct ms_fiber *next, *previous; /* all tasks */
};
#define MS_NO_TIMER SIZE_MAX

struct ms_timer {
    uint64_t deadline_ns;
    struct ms_fiber *fiber;
};

struct ms_sim {
    struct ms_clock clock;
    struct ms_random random;
    struct ms_sim_options options;
    struct ms_stack own; /* of ms_sim_run's caller */
    struct ms_stack *switched_from;
    struct ms_fiber *current;
    struct ms_fiber *ended; /* its stack was left a moment ago and can now be freed */
    struct ms_fiber *first, *last;
    size_t alive;
    struct ms_fiber **runnable; /* both have room for every task alive */
    struct ms_timer *timers;    /* a heap, the earliest first */
    size_t runnable_count, timer_count, room;
    unsigned next_id;
    int thread_mutexes; /* held by the running task */
    uint64_t steps, hash;
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
    int broken; /* a code: deadlock, too many steps */
};

/* The simulation of this thread; there must be one. */
struct ms_sim *ms_sim_here(void);
void ms_sim_make_runnable(struct ms_sim *s, struct ms_fiber *f);
/* Leaves the running task for the next one; it comes back when it is drawn again. It has put itself
 * where it will be found. `leaving`: for ever. */
void ms_sim_schedule(struct ms_sim *s, bool leaving);
/* Takes f out of what it waits in. */
void ms_sim_wake(struct ms_sim *s, struct ms_fiber *f);

void ms_sim_timer_add(struct ms_sim *s, struct ms_fiber *f, uint64_t deadline_ns);
void ms_sim_timer_remove(struct ms_sim *s, struct ms_fiber *f);

#endif
