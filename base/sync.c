/* The one way to wait: see sync.h. Each call goes to POSIX threads or to the simulation, as was
 * decided when its object was made; which of them may be used where is asserted here. */
#include "base/sync.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/sim_core.h"

#include <errno.h>
#include <time.h>

void ms_mutex_init(struct ms_mutex *m)
{
    *m = (struct ms_mutex){.simulated = ms_sim_active()};
    if (!m->simulated)
        pthread_mutex_init(&m->thread, NULL);
}

void ms_mutex_fini(struct ms_mutex *m)
{
    if (m->simulated)
        ms_assert(!m->owner && !m->first_waiter);
    else
        pthread_mutex_destroy(&m->thread);
}

void ms_mutex_lock(struct ms_mutex *m)
{
    if (m->simulated) {
        ms_sim_mutex_lock(m);
        return;
    }
    ms_sim_thread_mutex(+1);
    pthread_mutex_lock(&m->thread);
}

void ms_mutex_unlock(struct ms_mutex *m)
{
    if (m->simulated) {
        ms_sim_mutex_unlock(m);
        return;
    }
    pthread_mutex_unlock(&m->thread);
    ms_sim_thread_mutex(-1);
}

void ms_cond_init(struct ms_cond *c)
{
    *c = (struct ms_cond){.simulated = ms_sim_active()};
    if (c->simulated)
        return;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->thread, &attr);
    pthread_condattr_destroy(&attr);
}

void ms_cond_fini(struct ms_cond *c)
{
    if (c->simulated)
        ms_assert(!c->first_waiter);
    else
        pthread_cond_destroy(&c->thread);
}

void ms_cond_wait(struct ms_cond *c, struct ms_mutex *m)
{
    ms_cond_wait_until(c, m, NULL, UINT64_MAX);
}

bool ms_cond_wait_until(struct ms_cond *c, struct ms_mutex *m, struct ms_clock *clock,
                        uint64_t deadline_ns)
{
    bool forever = deadline_ns == UINT64_MAX;
    ms_assert(c->simulated == m->simulated);
    ms_assert(c->simulated || !ms_sim_active()); /* else the whole simulation would stand still */
    if (!forever && clock->kind == MS_CLOCK_VIRTUAL) {
        ms_clock_advance(clock, deadline_ns);
        return false;
    }
    ms_assert(forever || (clock->kind == MS_CLOCK_SIMULATED) == c->simulated);
    if (c->simulated)
        return ms_sim_cond_wait(c, m, deadline_ns);
    if (forever) {
        pthread_cond_wait(&c->thread, &m->thread);
        return true;
    }
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
    return pthread_cond_timedwait(&c->thread, &m->thread, &until) != ETIMEDOUT;
}

void ms_cond_signal(struct ms_cond *c)
{
    if (c->simulated)
        ms_sim_cond_wake(c, false);
    else
        pthread_cond_signal(&c->thread);
}

void ms_cond_broadcast(struct ms_cond *c)
{
    if (c->simulated)
        ms_sim_cond_wake(c, true);
    else
        pthread_cond_broadcast(&c->thread);
}

void ms_cond_broadcast_unlock(struct ms_cond *c, struct ms_mutex *m)
{
    ms_assert(c->simulated == m->simulated);
    if (c->simulated) {
        ms_cond_broadcast(c);
        ms_mutex_unlock(m);
    } else {
        ms_mutex_unlock(m);
        ms_cond_broadcast(c);
    }
}

void ms_yield(void)
{
    if (ms_sim_active())
        ms_sim_yield();
}

int ms_sleep(struct ms_clock *clock, uint64_t duration_ns, struct ms_error *err)
{
    uint64_t deadline;
    if (!__builtin_add_overflow(ms_clock_now(clock), duration_ns, &deadline))
        return ms_sleep_until(clock, deadline, err);
    return ms_sleep_until(clock, UINT64_MAX, err);
}
