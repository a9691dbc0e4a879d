/* Groups of tasks: see pool.h; the threads are in pool_threads.c.
 *
 * A group has its own mutex for its counts, and is freed by whoever gives back the last reference:
 * its handle, or the last task. It is never held together with the pool's. In a simulation a task
 * is a fiber and the threads are not used. */
#include "base/pool.h"

#include "base/pool_threads.h"
#include "base/sim_core.h"

#include <stdlib.h>

int ms_group_new(struct ms_group **out, struct ms_error *err)
{
    struct ms_group *g = calloc(1, sizeof *g);
    if (!g)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a group of tasks");
    int code = ms_cancel_new_under(ms_cancel_current(), &g->cancel, err);
    if (code) {
        free(g);
        return code;
    }
    ms_mutex_init(&g->mutex);
    ms_cond_init(&g->changed);
    g->refs = 1;
    *out = g;
    return 0;
}

static void group_free(struct ms_group *g)
{
    ms_cond_fini(&g->changed);
    ms_mutex_fini(&g->mutex);
    ms_cancel_free(g->cancel);
    free(g);
}

/* Counts the end of a task. True: that was the last reference. */
static bool task_ended(struct ms_group *g, bool success)
{
    MS_HOLD(&g->mutex);
    g->running--;
    if (success)
        g->succeeded++;
    else
        g->failed++;
    ms_cond_broadcast(&g->changed);
    return --g->refs == 0;
}

void ms_task_run(struct ms_task *t)
{
    struct ms_group *g = t->group;
    struct ms_cancel *before = ms_cancel_swap(g->cancel);
    int result = ms_cancel_fired(g->cancel) ? MS_ERR_CANCELLED : t->fn(t->arg);
    if (t->done)
        t->done(t->arg);
    ms_cancel_swap(before);
    free(t);
    if (task_ended(g, result == 0))
        group_free(g);
}

static void run_in_fiber(void *arg)
{
    ms_task_run(arg);
}

int ms_group_fork(struct ms_group *g, int (*fn)(void *arg), void (*done)(void *arg), void *arg,
                  struct ms_error *err)
{
    struct ms_task *t = malloc(sizeof *t);
    if (!t)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task");
    *t = (struct ms_task){.group = g, .fn = fn, .done = done, .arg = arg};
    {
        MS_HOLD(&g->mutex);
        g->running++;
        g->refs++;
    }
    if (!ms_sim_active()) {
        ms_pool_submit(t);
        return 0;
    }
    int code = ms_sim_spawn(run_in_fiber, t, err);
    if (code) {
        MS_HOLD(&g->mutex);
        g->running--;
        g->refs--;
        free(t);
    }
    return code;
}

static void report_locked(const struct ms_group *g, struct ms_join *out)
{
    if (out)
        *out = (struct ms_join){g->succeeded, g->failed, g->running};
}

void ms_group_join_all(struct ms_group *g, struct ms_join *out)
{
    for (struct ms_task *t; (t = ms_pool_take(g));)
        ms_task_run(t);
    MS_HOLD(&g->mutex);
    while (g->running > 0)
        ms_cond_wait(&g->changed, &g->mutex);
    report_locked(g, out);
}

static bool undecided_locked(const struct ms_group *g, size_t wanted)
{
    return g->succeeded < wanted && g->succeeded + g->running >= wanted;
}

static bool undecided(struct ms_group *g, size_t wanted)
{
    MS_HOLD(&g->mutex);
    return undecided_locked(g, wanted);
}

bool ms_group_join_first(struct ms_group *g, size_t wanted, struct ms_clock *clock,
                         uint64_t deadline_ns, struct ms_join *out)
{
    /* where no thread may come the tasks run here, deadline or not */
    for (struct ms_task *t; undecided(g, wanted) && (t = ms_pool_take_if_short(g));)
        ms_task_run(t);
    MS_HOLD(&g->mutex);
    while (undecided_locked(g, wanted))
        if (!ms_cond_wait_until(&g->changed, &g->mutex, clock, deadline_ns) &&
            ms_clock_now(clock) >= deadline_ns)
            break;
    report_locked(g, out);
    return g->succeeded >= wanted;
}

void ms_group_cancel(struct ms_group *g)
{
    ms_cancel_fire(g->cancel);
}

static bool handle_released(struct ms_group *g)
{
    MS_HOLD(&g->mutex);
    return --g->refs == 0;
}

void ms_group_release(struct ms_group *g)
{
    if (g && handle_released(g))
        group_free(g);
}
