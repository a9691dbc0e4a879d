/* base/pool_threads.h - inside of the pool: the queue of tasks and the threads that serve it. */
#ifndef BASE_POOL_THREADS_H
#define BASE_POOL_THREADS_H

#include "base/pool.h"
#include "base/sync.h"

#include <stdatomic.h>

struct ms_task {
    struct ms_group *group;
    int (*fn)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct ms_task *next, *previous; /* in the queue */
};

struct ms_group {
    struct ms_mutex mutex;
    struct ms_cond changed;
    struct ms_cancel *cancel;
    size_t succeeded, failed, running; /* guarded by mutex */
    size_t refs;                       /* guarded by mutex: the handle and each task */
    atomic_size_t queued; /* tasks no thread has taken; changed under the pool's mutex */
};

/* Puts t where a thread will find it. */
void ms_pool_submit(struct ms_task *t);
/* A task of g that no thread has taken, latest first; NULL: none. The caller runs it. */
struct ms_task *ms_pool_take(struct ms_group *g);
/* The same, but only when some queued task has no thread on its way to it. */
struct ms_task *ms_pool_take_if_short(struct ms_group *g);
/* Runs t to its end and frees it (base/pool.c). */
void ms_task_run(struct ms_task *t);

/* For tests: how many threads there may be, and how long one may idle. */
void ms_pool_tune(size_t threads_max, uint64_t idle_ns);
#define MS_POOL_THREADS_MAX 1024
#define MS_POOL_IDLE_NS     (10 * UINT64_C(1000000000))

#endif
