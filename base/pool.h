/* base/pool.h - the task pool: the only source of parallelism.
 *
 * A group is a set of tasks forked together. Joining waits for all of them, for the first K that
 * succeed, or until a deadline; tasks that still run then (stragglers) go on, and what they use
 * must outlive them: give it to the task and let `done` free it. Threads are made on demand and
 * kept; a joiner whose task found no thread runs it itself, so nested forks cannot deadlock. In a
 * simulation each task is a fiber. Tasks inherit the forking task's cancellation token, through the
 * group's own.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <mstore/base.h>

struct ms_group;

int ms_group_new(struct ms_group **out, struct ms_error *err) MS_MUST_CHECK;
/* Runs fn(arg) soon, somewhere; its result counts as success (0) or failure. done(arg), when not
 * NULL, runs after fn, also when the task was cancelled before it began (then fn is not called and
 * it counts as failed). On failure to fork nothing runs, done neither. */
int ms_group_fork(struct ms_group *g, int (*fn)(void *arg), void (*done)(void *arg), void *arg,
                  struct ms_error *err) MS_MUST_CHECK;

struct ms_join {
    size_t succeeded, failed, running;
};
/* Until all forked tasks have ended. */
void ms_group_join_all(struct ms_group *g, struct ms_join *out);
/* Until `wanted` tasks have succeeded, or so many can no more, or the clock passes deadline_ns
 * (UINT64_MAX: none). Returns true when `wanted` succeeded. */
bool ms_group_join_first(struct ms_group *g, size_t wanted, struct ms_clock *clock,
                         uint64_t deadline_ns, struct ms_join *out);
/* Fires the token of the group's tasks. */
void ms_group_cancel(struct ms_group *g);
/* Leaves the group to its stragglers, the last of which frees it. */
void ms_group_release(struct ms_group *g);

/* Calls fn(arg, i) for every i < count, at most `jobs` at once, the caller's thread among them;
 * stops handing out when the current token fires. Returns 0 or the result of the smallest i that
 * failed (a fn that wants every index tried returns 0 and keeps its own result). After a failure no
 * further index is handed out. */
int ms_parallel(size_t count, unsigned jobs, int (*fn)(void *arg, size_t index), void *arg,
                struct ms_error *err) MS_MUST_CHECK;

/* Ends idle threads and waits for them: for tests and leak checkers. */
void ms_pool_shutdown(void);
unsigned ms_pool_threads(void);

#endif
