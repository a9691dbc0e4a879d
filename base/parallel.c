/* A loop in parallel: see pool.h. The caller and jobs-1 tasks draw indices from one counter, until
 * it runs out, something fails, or somebody cancels. `mutex` guards the failure. */
#include "base/pool.h"

#include "base/sync.h"

#include <stdatomic.h>

struct loop {
    int (*fn)(void *arg, size_t index);
    void *arg;
    size_t count;
    atomic_size_t next;
    struct ms_mutex mutex;
    size_t failed_index; /* guarded by mutex */
    int failed_code;
    bool cancelled; /* the failure is that the token fired, not fn's */
};

static int run_index(const struct loop *loop, size_t index, bool *cancelled)
{
    int code = ms_check_cancelled(NULL);
    *cancelled = code != 0;
    return code ? code : loop->fn(loop->arg, index);
}

static int run_loop(void *arg)
{
    struct loop *loop = arg;
    for (;;) {
        size_t index = atomic_fetch_add(&loop->next, 1);
        if (index >= loop->count)
            return 0;
        bool cancelled;
        int code = run_index(loop, index, &cancelled);
        if (!code)
            continue;
        MS_HOLD(&loop->mutex);
        if (!loop->failed_code || index < loop->failed_index) {
            loop->failed_code = code;
            loop->failed_index = index;
            loop->cancelled = cancelled;
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
    if (!code && loop.cancelled)
        return ms_error_set(err, loop.failed_code, "cancelled");
    return code ? code : loop.failed_code;
}
