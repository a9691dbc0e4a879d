/* The queue of tasks and the threads that serve it: one pool a process, made on demand.
 *
 * `pool.mutex` guards everything here. A task leaves the queue, first come first, when a thread
 * takes it, or when the joiner of its group does. A thread that finds none sits down and waits
 * until it is called; who sat down last is called first, since its stack is still in the caches and
 * the others get the time to idle and go. Invariant: either every queued task has a thread coming
 * (called or starting), or there can be no more threads and joiners help; so whoever waits for a
 * task waits for one that runs or will run, however deep forks nest. */
#include "base/pool_threads.h"

#include "base/assert.h"

#include <signal.h>

/* A seat outlives its thread: who calls does so without the mutex, and may come too late. */
struct seat {
    struct ms_cond wake;
    struct seat *below; /* in the stack of those that idle, or that are free */
    bool called;
};

static struct {
    struct ms_mutex mutex;
    struct ms_cond gone; /* always the threads' kind, like those of the seats */
    struct ms_task *first, *last;
    struct seat *idle, *free;
    size_t queued, coming, threads;
    size_t threads_max;
    uint64_t idle_ns;
    bool ending, ready;
    pthread_t ended; /* the last thread that left while all were to end: to be joined */
    bool has_ended;
    size_t seated; /* seats that were ever used */
} pool = {.mutex = MS_MUTEX_STATIC, .threads_max = MS_POOL_THREADS_MAX, .idle_ns = MS_POOL_IDLE_NS};

static struct seat seats[MS_POOL_THREADS_MAX];

/* ---- fork(2): the child has none of the threads, and the queue is the parent's business ---- */

static void init_condition(struct ms_cond *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    *c = (struct ms_cond){0};
    pthread_cond_init(&c->thread, &attr);
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
    init_condition(&pool.gone);
    pool.first = pool.last = NULL;
    pool.idle = pool.free = NULL;
    pool.queued = pool.coming = pool.threads = pool.seated = 0;
    pool.ending = pool.has_ended = false;
    pthread_mutex_unlock(&pool.mutex.thread);
}

static void ready_locked(void)
{
    if (pool.ready)
        return;
    init_condition(&pool.gone); /* not statically: it is to use the monotonic clock */
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
    atomic_fetch_add_explicit(&t->group->queued, 1, memory_order_relaxed);
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
    atomic_fetch_sub_explicit(&t->group->queued, 1, memory_order_relaxed);
}

/* Only joiners ask, who have forked the tasks themselves: none that they forked is overlooked. */
static bool has_queued(struct ms_group *g)
{
    return atomic_load_explicit(&g->queued, memory_order_relaxed) > 0;
}

static struct ms_task *take_locked(struct ms_group *g)
{
    if (!has_queued(g))
        return NULL;
    struct ms_task *t = pool.last;
    while (t->group != g)
        t = t->previous;
    remove_locked(t);
    return t;
}

struct ms_task *ms_pool_take(struct ms_group *g)
{
    if (!has_queued(g))
        return NULL;
    MS_HOLD(&pool.mutex);
    return take_locked(g);
}

static bool short_locked(void)
{
    return pool.queued > pool.coming;
}

struct ms_task *ms_pool_take_if_short(struct ms_group *g)
{
    if (!has_queued(g))
        return NULL;
    MS_HOLD(&pool.mutex);
    return short_locked() ? take_locked(g) : NULL;
}

/* ---- seats ---- */

static struct seat *pop(struct seat **stack)
{
    struct seat *s = *stack;
    if (s)
        *stack = s->below;
    return s;
}

static void push(struct seat **stack, struct seat *s)
{
    s->below = *stack;
    *stack = s;
}

static struct seat *new_seat_locked(void)
{
    struct seat *s = pop(&pool.free);
    if (s)
        return s;
    s = &seats[pool.seated++];
    init_condition(&s->wake);
    return s;
}

/* One that idles, when a task has none coming; NULL: none. To be woken. */
static struct seat *call_locked(void)
{
    struct seat *s = short_locked() ? pop(&pool.idle) : NULL;
    if (s) {
        s->called = true;
        pool.coming++;
    }
    return s;
}

/* Until it is called, or all are to end; false: it has idled long enough. */
static bool idle_locked(struct seat *s, uint64_t deadline_ns)
{
    bool in_time = true;
    s->called = false;
    push(&pool.idle, s);
    while (!s->called && in_time)
        in_time = ms_cond_wait_until(&s->wake, &pool.mutex, ms_clock_real(), deadline_ns);
    if (s->called) {
        pool.coming--;
        return true;
    }
    struct seat **at = &pool.idle;
    while (*at != s)
        at = &(*at)->below;
    *at = s->below;
    return false;
}

/* ---- threads ---- */

/* A thread that has idled long enough goes by itself. When all are to end, each joins the one that
 * left before it and shutdown joins the last: then they are really gone, with what the libraries
 * keep for each thread, as leak checkers want it. */
struct leaving {
    pthread_t before;
    bool joins;
};

static void leave_locked(struct seat *s, struct leaving *l)
{
    push(&pool.free, s);
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
static struct ms_task *wait_for_task(struct seat *s, bool first_time, struct leaving *l)
{
    MS_HOLD(&pool.mutex);
    if (first_time)
        pool.coming--;
    uint64_t deadline = pool.first ? 0 : ms_clock_now(ms_clock_real()) + pool.idle_ns;
    while (!pool.first && !pool.ending)
        if (!idle_locked(s, deadline))
            break;
    struct ms_task *t = pool.first;
    if (t) {
        remove_locked(t);
        return t;
    }
    leave_locked(s, l);
    return NULL;
}

static void *work(void *arg)
{
    struct seat *s = arg;
    bool first_time = true;
    struct leaving l = {0};
    for (struct ms_task *t; (t = wait_for_task(s, first_time, &l)); first_time = false)
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

static bool start_thread(struct seat *s)
{
    sigset_t blocked = signals_to_block(), before;
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, work, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* The seat of one more thread when a task has none coming; NULL: none is to be started. */
static struct seat *count_thread_locked(void)
{
    if (!short_locked() || pool.threads >= pool.threads_max)
        return NULL;
    pool.threads++;
    pool.coming++;
    return new_seat_locked();
}

/* It did not come to be. Others may have gone idle since, or the joiner helps. */
static struct seat *count_failure_locked(struct seat *s)
{
    push(&pool.free, s);
    pool.threads--;
    pool.coming--;
    ms_cond_broadcast(&pool.gone);
    return call_locked();
}

void ms_pool_submit(struct ms_task *t)
{
    struct seat *called, *started = NULL;
    {
        MS_HOLD(&pool.mutex);
        ready_locked();
        append_locked(t);
        called = call_locked();
        if (!called)
            started = count_thread_locked();
    }
    if (started && !start_thread(started)) {
        MS_HOLD(&pool.mutex);
        called = count_failure_locked(started);
    }
    if (called)
        ms_cond_signal(&called->wake); /* it finds the mutex free */
}

void ms_pool_shutdown(void)
{
    struct leaving last = {0};
    {
        MS_HOLD(&pool.mutex);
        ready_locked();
        pool.ending = true;
        for (struct seat *s; (s = pop(&pool.idle));) {
            s->called = true;
            pool.coming++;
            ms_cond_signal(&s->wake);
        }
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
    ms_assert(threads_max <= MS_POOL_THREADS_MAX);
    MS_HOLD(&pool.mutex);
    pool.threads_max = threads_max;
    pool.idle_ns = idle_ns;
}
