/* base/sync.h - the one way to wait: mutexes, conditions, sleeps, for threads and for the
 * simulation.
 *
 * Two executors stand behind these calls. Outside a simulation they are POSIX threads. Inside one
 * (base/sim.h) every task is a fiber of one thread, exactly one runs at a time, every call here is
 * a point where the seed may choose another task, and time is virtual. Which executor serves an
 * object is decided when it is initialised: what a simulation uses is made inside it. Statically
 * initialised mutexes (MS_MUTEX_STATIC) are always the threads' kind and guard only short sections
 * that wait for nothing.
 */
#ifndef BASE_SYNC_H
#define BASE_SYNC_H

#include <mstore/base.h>
#include <pthread.h>

struct ms_fiber;

struct ms_mutex {
    pthread_mutex_t thread;
    bool simulated;
    struct ms_fiber *owner; /* simulated: holder, NULL: free */
    struct ms_fiber *first_waiter;
};
#define MS_MUTEX_STATIC                                                                            \
    {                                                                                              \
        .thread = PTHREAD_MUTEX_INITIALIZER                                                        \
    }

struct ms_cond {
    pthread_cond_t thread;
    bool simulated;
    struct ms_fiber *first_waiter;
};

void ms_mutex_init(struct ms_mutex *m);
void ms_mutex_fini(struct ms_mutex *m);
void ms_mutex_lock(struct ms_mutex *m);
void ms_mutex_unlock(struct ms_mutex *m);

void ms_cond_init(struct ms_cond *c);
void ms_cond_fini(struct ms_cond *c);
void ms_cond_wait(struct ms_cond *c, struct ms_mutex *m);
/* Until signalled or the clock passes deadline_ns (UINT64_MAX: never). False: timed out. May wake
 * without reason, like any condition. On a virtual clock outside a simulation time jumps to the
 * deadline at once. */
bool ms_cond_wait_until(struct ms_cond *c, struct ms_mutex *m, struct ms_clock *clock,
                        uint64_t deadline_ns);
void ms_cond_signal(struct ms_cond *c);
void ms_cond_broadcast(struct ms_cond *c);
/* Broadcasts and gives back the mutex; a thread that wakes does not find it taken. Something other
 * than what the mutex guards keeps both alive meanwhile. */
void ms_cond_broadcast_unlock(struct ms_cond *c, struct ms_mutex *m);

/* Sleeps on the clock; MS_ERR_CANCELLED as soon as the current token fires. */
int ms_sleep(struct ms_clock *clock, uint64_t duration_ns, struct ms_error *err) MS_MUST_CHECK;
int ms_sleep_until(struct ms_clock *clock, uint64_t deadline_ns,
                   struct ms_error *err) MS_MUST_CHECK;
/* A point where a simulation may switch tasks; nothing with threads. */
void ms_yield(void);
/* MS_ERR_CANCELLED when the current token has fired, else 0. */
int ms_check_cancelled(struct ms_error *err) MS_MUST_CHECK;
/* The current token, NULL: none. */
struct ms_cancel *ms_cancel_current(void);
/* A token that fires with its parent (NULL: none) or by itself. */
int ms_cancel_new_under(struct ms_cancel *parent, struct ms_cancel **out,
                        struct ms_error *err) MS_MUST_CHECK;

static inline void ms_mutex_unlock_cleanup(struct ms_mutex **m)
{
    if (*m)
        ms_mutex_unlock(*m);
}
static inline struct ms_mutex *ms_mutex_locked(struct ms_mutex *m)
{
    ms_mutex_lock(m);
    return m;
}
/* Holds a mutex until the end of the block: `MS_HOLD(&cache->mutex);` */
#define MS_HOLD(m)                                                                                 \
    __attribute__((cleanup(ms_mutex_unlock_cleanup), unused)) struct ms_mutex *MS_HOLD_NAME(       \
        held_, __LINE__) = ms_mutex_locked(m)
#define MS_HOLD_NAME(a, b)  MS_HOLD_NAME2(a, b)
#define MS_HOLD_NAME2(a, b) a##b

#endif
