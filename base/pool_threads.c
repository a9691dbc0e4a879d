/* The queue of tasks and the threads that serve it: one pool a process, made on demand.
 *
 * `pool.mutex` guards everything here. A task leaves the queue, first come first, when a thread
 * takes it, or when the joiner of its group does. Invariant: either every queued task has a thread
 * on its way to it (idle or starting), or there can be no more threads and joiners help; so whoever
 * waits for a task waits for one that runs or will run, however deep forks nest. */
#include "base/pool_threads.h"

#include "base/assert.h"

#include <signal.h>

static struct {
    struct ms_mutex mutex;
    struct ms_cond work, gone; /* always the threads' kind, whoever comes first */
    struct ms_task *first, *last;
    size_t queued, idle, starting, threads;
    size_t threads_max;
    uint64_t idle_ns;
    bool ending, ready;
    pthread_t ended; /* the last thread that left while all were to end: to be joined */
    bool has_ended;
} pool = {.mutex = MS_MUTEX_STATIC, .threads_max = MS_POOL_THREADS_MAX, .idle_ns = MS_POOL_IDLE_NS};

/* ---- fork(2): the child has none of the threads, and the queue is the parent's business ---- */

static void init_conditions(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pool.work = pool.gone = (struct ms_cond){0};
    pthread_cond_init(&pool.work.thread, &attr);
    pthread_cond_init(&pool.gone.thread, &attr);
    pthread_condattr_destroy(&attr);
}

static void before_fork(void)
{
    pthread_mutex_lock(&pool.mutex.thread);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&pool.mutex.thread);
}

static void after_fork_in_child(void)
{
    init_conditions();
    pool.first = pool.last = NULL;
    pool.queued = pool.idle = pool.starting = pool.threads = 0;
    pool.ending = pool.has_ended = false;
    pthread_mutex_unlock(&pool.mutex.thread);
}

static void ready_locked(void)
{
    if (pool.ready)
        return;
    init_conditions(); /* not statically: they are to use the monotonic clock */
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    pool.ready = true;
}

/* ---- the queue ---- */

static void append_locked(struct ms_task *t)
{
    t->next = NULL;
    t->previous = pool.last;
    if (pool.last)
        pool.last->next = t;
    else
        pool.first = t;
    pool.last = t;
    pool.queued++;
    t->group->queued++;
}

static void remove_locked(struct ms_task *t)
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
    t->group->queued--;
}

static struct ms_task *take_locked(const struct ms_group *g)
{
    if (g->queued == 0)
        return NULL;
    struct ms_task *t = pool.last;
    while (t->group != g)
        t = t->previous;
    remove_locked(t);
    return t;
}

struct ms_task *ms_pool_take(struct ms_group *g)
{
    MS_HOLD(&pool.mutex);
    return take_locked(g);
}

static bool short_locked(void)
{
    return pool.queued > pool.idle + pool.starting;
}

struct ms_task *ms_pool_take_if_short(struct ms_group *g)
{
    MS_HOLD(&pool.mutex);
    return short_locked() ? take_locked(g) : NULL;
}

/* ---- threads ---- */

/* A thread that has idled long enough goes by itself. When all are to end, each joins the one that
 * left before it and shutdown joins the last: then they are really gone, with what the libraries
 * keep for each thread, as leak checkers want it. */
struct leaving {
    pthread_t before;
    bool joins;
};

static void leave_locked(struct leaving *l)
{
    pool.threads--;
    ms_cond_broadcast(&pool.gone);
    if (!pool.ending) {
        pthread_detach(pthread_self());
        return;
    }
    *l = (struct leaving){pool.ended, pool.has_ended};
    pool.ended = pthread_self();
    pool.has_ended = true;
}

/* The next task; NULL: the thread has idled long enough, or all are to end. */
static struct ms_task *wait_for_task(bool first_time, struct leaving *l)
{
    MS_HOLD(&pool.mutex);
    if (first_time)
        pool.starting--;
    uint64_t deadline = ms_clock_now(ms_clock_real()) + pool.idle_ns;
    pool.idle++;
    while (!pool.first && !pool.ending)
        if (!ms_cond_wait_until(&pool.work, &pool.mutex, ms_clock_real(), deadline))
            break;
    pool.idle--;
    struct ms_task *t = pool.first;
    if (t) {
        remove_locked(t);
        return t;
    }
    leave_locked(l);
    return NULL;
}

static void *work(void *unused)
{
    (void)unused;
    bool first_time = true;
    struct leaving l = {0};
    for (struct ms_task *t; (t = wait_for_task(first_time, &l)); first_time = false)
        ms_task_run(t);
    if (l.joins)
        pthread_join(l.before, NULL);
    return NULL;
}

/* Signals are for the program's own threads, except those that tell of a fault in this one. */
static sigset_t signals_to_block(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                 SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    return set;
}

static bool start_thread(void)
{
    sigset_t blocked = signals_to_block(), before;
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, work, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* One more thread when a task has none on its way; a failure is fine: the joiner helps. */
static void start_thread_if_short(void)
{
    {
        MS_HOLD(&pool.mutex);
        if (!short_locked() || pool.threads >= pool.threads_max)
            return;
        pool.threads++;
        pool.starting++;
    }
    if (start_thread())
        return;
    MS_HOLD(&pool.mutex);
    pool.threads--;
    pool.starting--;
    ms_cond_broadcast(&pool.gone);
}

void ms_pool_submit(struct ms_task *t)
{
    {
        MS_HOLD(&pool.mutex);
        ready_locked();
        append_locked(t);
        ms_cond_signal(&pool.work);
    }
    start_thread_if_short();
}

void ms_pool_shutdown(void)
{
    struct leaving last = {0};
    {
        MS_HOLD(&pool.mutex);
        ready_locked();
        pool.ending = true;
        ms_cond_broadcast(&pool.work);
        while (pool.threads > 0)
            ms_cond_wait(&pool.gone, &pool.mutex);
        pool.ending = false;
        last = (struct leaving){pool.ended, pool.has_ended};
        pool.has_ended = false;
    }
    if (last.joins)
        pthread_join(last.before, NULL);
}

unsigned ms_pool_threads(void)
{
    MS_HOLD(&pool.mutex);
    return (unsigned)pool.threads;
}

void ms_pool_tune(size_t threads_max, uint64_t idle_ns)
{
    MS_HOLD(&pool.mutex);
    pool.threads_max = threads_max;
    pool.idle_ns = idle_ns;
}
