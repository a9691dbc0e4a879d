/* The task pool: see pool.h.
 *
 * One pool a process. `pool.mutex` guards the queue and the thread counts; a task leaves the queue
 * when a thread takes it, or the joiner of its group does. A group has its own mutex for its
 * counts, and is freed by whoever gives back the last reference: its handle, or the last task. Lock
 * order: none, the two are never held together. In a simulation a task is a fiber and the queue is
 * not used. */
#include "base/pool.h"

#include "base/assert.h"
#include "base/sim_core.h"
#include "base/sync.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS_MAX 1024
#define IDLE_NS     (10 * UINT64_C(1000000000))

struct task {
    struct ms_group *group;
    int (*fn)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct task *next, *previous; /* in the queue */
};

struct ms_group {
    struct ms_mutex mutex;
    struct ms_cond changed;
    struct ms_cancel *cancel;
    size_t succeeded, failed, running;
    size_t refs;
};

static struct {
    struct ms_mutex mutex;
    struct ms_cond work, gone;
    struct task *first, *last;
    size_t queued, idle, threads;
    bool ending, ready;
} pool = {.mutex = MS_MUTEX_STATIC};

/* Conditions cannot be initialised statically with the monotonic clock. */
static void ready_locked(void)
{
    if (pool.ready)
        return;
    /* always the threads' kind, whoever comes first */
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work.thread, &attr);
    pthread_cond_init(&pool.gone.thread, &attr);
    pthread_condattr_destroy(&attr);
    pool.ready = true;
}

/* ---- groups ---- */

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

static void group_put(struct ms_group *g)
{
    {
        MS_HOLD(&g->mutex);
        if (--g->refs > 0)
            return;
    }
    ms_cond_fini(&g->changed);
    ms_mutex_fini(&g->mutex);
    ms_cancel_free(g->cancel);
    free(g);
}

static void run(struct task *t)
{
    struct ms_group *g = t->group;
    struct ms_cancel *before = ms_cancel_swap(g->cancel);
    int result = ms_cancel_fired(g->cancel) ? MS_ERR_CANCELLED : t->fn(t->arg);
    if (t->done)
        t->done(t->arg);
    ms_cancel_swap(before);
    free(t);
    {
        MS_HOLD(&g->mutex);
        g->running--;
        if (result)
            g->failed++;
        else
            g->succeeded++;
        ms_cond_broadcast(&g->changed);
    }
    group_put(g);
}

/* ---- threads ---- */

static void unlink_locked(struct task *t)
{
    if (t->previous)
        t->previous->next = t->next;
    else
        pool.first = t->next;
    if (t->next)
        t->next->previous = t->previous;
    else
        pool.last = t->previous;
    pool.queued--;
}

/* The next task; NULL: the thread has idled long enough. */
static struct task *wait_for_task(void)
{
    MS_HOLD(&pool.mutex);
    uint64_t deadline = ms_clock_now(ms_clock_real()) + IDLE_NS;
    pool.idle++;
    while (!pool.first && !pool.ending)
        if (!ms_cond_wait_until(&pool.work, &pool.mutex, ms_clock_real(), deadline))
            break;
    pool.idle--;
    struct task *t = pool.first;
    if (t) {
        unlink_locked(t);
        return t;
    }
    pool.threads--;
    ms_cond_broadcast(&pool.gone);
    return NULL;
}

static void *work(void *arg)
{
    (void)arg;
    for (struct task *t; (t = wait_for_task());)
        run(t);
    return NULL;
}

/* One more thread when fewer idle than tasks wait; a failure is fine: the joiner helps. */
static void maybe_start_thread(void)
{
    {
        MS_HOLD(&pool.mutex);
        if (pool.idle >= pool.queued || pool.threads >= THREADS_MAX)
            return;
        pool.threads++;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, work, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_detach(thread);
        return;
    }
    MS_HOLD(&pool.mutex);
    pool.threads--;
    ms_cond_broadcast(&pool.gone);
}

static void enqueue(struct task *t)
{
    {
        MS_HOLD(&pool.mutex);
        ready_locked();
        t->next = NULL;
        t->previous = pool.last;
        if (pool.last)
            pool.last->next = t;
        else
            pool.first = t;
        pool.last = t;
        pool.queued++;
        ms_cond_signal(&pool.work);
    }
    maybe_start_thread();
}

static void run_fiber(void *arg)
{
    run(arg);
}

int ms_group_fork(struct ms_group *g, int (*fn)(void *arg), void (*done)(void *arg), void *arg,
                  struct ms_error *err)
{
    struct task *t = malloc(sizeof *t);
    if (!t)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task");
    *t = (struct task){.group = g, .fn = fn, .done = done, .arg = arg};
    {
        MS_HOLD(&g->mutex);
        g->running++;
        g->refs++;
    }
    if (!ms_sim_active()) {
        enqueue(t);
        return 0;
    }
    int code = ms_sim_spawn(run_fiber, t, err);
    if (code) {
        MS_HOLD(&g->mutex);
        g->running--;
        g->refs--;
        free(t);
    }
    return code;
}

/* Takes a task of the group that no thread has taken yet, latest first, and runs it here. */
static bool help(const struct ms_group *g)
{
    if (ms_sim_active())
        return false;
    struct task *t;
    {
        MS_HOLD(&pool.mutex);
        for (t = pool.last; t && t->group != g; t = t->previous)
            ;
        if (t)
            unlink_locked(t);
    }
    if (t)
        run(t);
    return t != NULL;
}

static void report_locked(const struct ms_group *g, struct ms_join *out)
{
    if (out)
        *out = (struct ms_join){g->succeeded, g->failed, g->running};
}

void ms_group_join_all(struct ms_group *g, struct ms_join *out)
{
    while (help(g))
        ;
    MS_HOLD(&g->mutex);
    while (g->running > 0)
        ms_cond_wait(&g->changed, &g->mutex);
    report_locked(g, out);
}

/* Whether tasks may find no thread: then the joiner must help, deadline or not. */
static bool threads_short(void)
{
    if (ms_sim_active())
        return false;
    MS_HOLD(&pool.mutex);
    return pool.queued > 0 && pool.idle == 0 && (pool.threads >= THREADS_MAX || !pool.threads);
}

bool ms_group_join_first(struct ms_group *g, size_t wanted, struct ms_clock *clock,
                         uint64_t deadline_ns, struct ms_join *out)
{
    while (threads_short() && help(g))
        ;
    MS_HOLD(&g->mutex);
    while (g->succeeded < wanted && g->succeeded + g->running >= wanted)
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

void ms_group_release(struct ms_group *g)
{
    if (g)
        group_put(g);
}

/* ---- a loop in parallel ---- */

struct loop {
    int (*fn)(void *arg, size_t index);
    void *arg;
    size_t count;
    atomic_size_t next;
    struct ms_mutex mutex;
    size_t failed_index; /* guarded by mutex */
    int failed_code;
};

static int run_loop(void *arg)
{
    struct loop *loop = arg;
    for (;;) {
        size_t index = atomic_fetch_add(&loop->next, 1);
        if (index >= loop->count)
            return 0;
        int code = ms_check_cancelled(NULL);
        if (!code)
            code = loop->fn(loop->arg, index);
        if (!code)
            continue;
        MS_HOLD(&loop->mutex);
        if (!loop->failed_code || index < loop->failed_index) {
            loop->failed_code = code;
            loop->failed_index = index;
        }
        atomic_store(&loop->next, loop->count);
        return 0;
    }
}

static int run_loop_in_parallel(struct loop *loop, unsigned jobs, struct ms_error *err)
{
    struct ms_group *g = NULL;
    int code = ms_group_new(&g, err);
    if (code)
        return code;
    size_t helpers = loop->count < jobs ? loop->count : jobs;
    for (size_t i = 1; i < helpers; i++)
        if (ms_group_fork(g, run_loop, NULL, loop, NULL))
            break; /* fewer will do */
    run_loop(loop);
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    return 0;
}

int ms_parallel(size_t count, unsigned jobs, int (*fn)(void *arg, size_t index), void *arg,
                struct ms_error *err)
{
    struct loop loop = {.fn = fn, .arg = arg, .count = count};
    ms_mutex_init(&loop.mutex);
    int code = 0;
    if (jobs <= 1 || count <= 1)
        run_loop(&loop);
    else
        code = run_loop_in_parallel(&loop, jobs, err);
    ms_mutex_fini(&loop.mutex);
    return code ? code : loop.failed_code;
}

void ms_pool_shutdown(void)
{
    MS_HOLD(&pool.mutex);
    ready_locked();
    pool.ending = true;
    ms_cond_broadcast(&pool.work);
    while (pool.threads > 0)
        ms_cond_wait(&pool.gone, &pool.mutex);
    pool.ending = false;
}

unsigned ms_pool_threads(void)
{
    MS_HOLD(&pool.mutex);
    return (unsigned)pool.threads;
}
