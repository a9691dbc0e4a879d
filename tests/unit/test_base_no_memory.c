/* Allocation k fails, k = 0, 1, 2 … until the call succeeds: each failure is NO_MEMORY, leaks
 * nothing (AddressSanitizer's run looks), runs no task, and leaves what it was called on usable.
 *
 * The linker sends the library's allocations here (see CMakeLists.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define NEVER UINT64_MAX
static __thread uint64_t allocations_left = NEVER;

static bool fails(void)
{
    if (allocations_left == NEVER)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : __real_mmap64(at, size, protection, flags, fd, offset);
}

/* Calls it with room for 0, 1, 2 … allocations until it succeeds; returns how often it failed. */
static unsigned failures_of(int (*call)(void *arg, struct ms_error *err), void *arg)
{
    for (unsigned k = 0;; k++) {
        struct ms_error err = {0};
        allocations_left = k;
        int code = call(arg, &err);
        allocations_left = NEVER;
        if (code == 0)
            return k;
        assert_int_equal(code, MS_ERR_NO_MEMORY);
        assert_int_equal(err.code, MS_ERR_NO_MEMORY);
        assert_non_null(strstr(err.text, "no memory for a"));
        assert_true(k < 100);
    }
}

static int new_token(void *arg, struct ms_error *err)
{
    struct ms_cancel *c = arg, *before = c;
    int code = ms_cancel_new_under(arg, &c, err);
    if (code)
        return c == before ? code : MS_ERR_INTERNAL; /* out is untouched */
    ms_cancel_free(c);
    return 0;
}

static void tokens(void **state)
{
    (void)state;
    struct ms_cancel *parent;
    assert_int_equal(ms_cancel_new(&parent, NULL), 0);
    assert_int_equal(failures_of(new_token, parent), 1);
    ms_cancel_fire(parent);
    ms_cancel_free(parent);
}

static int new_group(void *arg, struct ms_error *err)
{
    struct ms_group *g = arg;
    int code = ms_group_new(&g, err);
    if (code)
        return g == arg ? code : MS_ERR_INTERNAL;
    ms_group_release(g);
    return 0;
}

static void groups(void **state)
{
    (void)state;
    assert_int_equal(failures_of(new_group, NULL), 2);
}

struct work {
    struct ms_group *group;
    atomic_int ran, done;
};

static int note_run(void *arg)
{
    struct work *w = arg;
    atomic_fetch_add(&w->ran, 1);
    return 0;
}

static void note_done(void *arg)
{
    struct work *w = arg;
    atomic_fetch_add(&w->done, 1);
}

static int fork_one(void *arg, struct ms_error *err)
{
    struct work *w = arg;
    return ms_group_fork(w->group, note_run, note_done, w, err);
}

static void forks_on_threads(void **state)
{
    (void)state;
    struct work w = {0};
    assert_int_equal(ms_group_new(&w.group, NULL), 0);
    assert_int_equal(failures_of(fork_one, &w), 1);
    struct ms_join join;
    ms_group_join_all(w.group, &join);
    assert_int_equal(join.succeeded, 1);
    assert_int_equal(join.failed, 0);
    assert_int_equal(w.ran, 1);
    assert_int_equal(w.done, 1);
    ms_group_release(w.group);
    ms_pool_shutdown();
}

/* Forks with room for fewer and fewer allocations; what failed has not run. */
static int fork_in_simulation(void *arg)
{
    struct work *w = arg;
    int code = ms_group_new(&w->group, NULL);
    int forked = 0, failed = 0;
    for (uint64_t k = 0; k < 40 && !code; k++) {
        allocations_left = k % 5; /* the task, room for more, their deadlines, it, its stack */
        int result = fork_one(w, NULL);
        allocations_left = NEVER;
        if (result == 0)
            forked++;
        else if (result == MS_ERR_NO_MEMORY)
            failed++;
        else
            code = result;
    }
    struct ms_join join = {0};
    if (!code)
        ms_group_join_all(w->group, &join);
    ms_group_release(w->group);
    bool right = join.succeeded == (size_t)forked && join.failed == 0 && w->ran == forked &&
                 w->done == forked && forked > 0 && failed > 0;
    return code ? code : right ? 0 : MS_ERR_INTERNAL;
}

static void forks_in_a_simulation(void **state)
{
    (void)state;
    struct work w = {0};
    struct ms_sim_options options = {.seed = 1};
    assert_int_equal(ms_sim_run(&options, fork_in_simulation, &w, NULL, NULL), 0);
}

static int do_nothing(void *arg)
{
    return arg ? 0 : 0;
}

static int simulate(void *arg, struct ms_error *err)
{
    struct ms_sim_options options = {.seed = 1};
    int code = ms_sim_run(&options, do_nothing, arg, NULL, err);
    return ms_sim_active() ? MS_ERR_INTERNAL : code;
}

static void simulations(void **state)
{
    (void)state;
    assert_in_range(failures_of(simulate, NULL), 4, 10); /* a stack may be there from before */
}

static int count_index(void *arg, size_t index)
{
    (void)index;
    return note_run(arg);
}

static int loop_in_parallel(void *arg, struct ms_error *err)
{
    return ms_parallel(10, 4, count_index, arg, err);
}

static void parallel_loops_do_with_fewer_tasks(void **state)
{
    (void)state;
    struct work w = {0};
    assert_int_equal(failures_of(loop_in_parallel, &w), 2); /* the group; helpers are a luxury */
    assert_int_equal(w.ran, 10);
    ms_pool_shutdown();
}

static void release_nothing(void *ctx, void *data)
{
    (void)ctx;
    (void)data;
}

static void buffers_and_clocks(void **state)
{
    (void)state;
    struct ms_buf *buf = ms_buf_copy(ms_str("text"));
    assert_non_null(buf);
    struct ms_buf_borrowed place;
    struct ms_buf *borrowed = ms_buf_borrow(&place, ms_str("text"));
    char mine[4];
    allocations_left = 0;
    bool all_fail = !ms_buf_new(1) && !ms_buf_copy(ms_str("x")) && !ms_buf_slice(buf, 1, 2) &&
                    !ms_buf_wrap(mine, 4, release_nothing, NULL) && !ms_buf_ref(borrowed) &&
                    !ms_buf_slice(borrowed, 1, 2) && !ms_clock_virtual_new(0);
    allocations_left = 1; /* the copy of what is borrowed, then not the slice */
    all_fail = all_fail && !ms_buf_slice(borrowed, 1, 2);
    allocations_left = NEVER;
    assert_true(all_fail);
    assert_memory_equal(ms_buf_view(buf).data, "text", 4);
    ms_buf_unref(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(groups),
        cmocka_unit_test(forks_on_threads),
        cmocka_unit_test(forks_in_a_simulation),
        cmocka_unit_test(simulations),
        cmocka_unit_test(parallel_loops_do_with_fewer_tasks),
        cmocka_unit_test(buffers_and_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
