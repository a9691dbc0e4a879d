/* The task pool on threads: joins, stragglers, deadlines, cancellation, nesting beyond its cap; and
 * the same joins in the simulation, where every order is tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"
#include "base/pool_threads.h"
#include "base/sim.h"
#include "base/sync.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static int end_threads(void **state)
{
    (void)state;
    ms_pool_tune(MS_POOL_THREADS_MAX, MS_POOL_IDLE_NS);
    ms_pool_shutdown();
    return ms_pool_threads() == 0 ? 0 : -1;
}

static struct ms_group *new_group(void)
{
    struct ms_group *g = NULL;
    assert_int_equal(ms_group_new(&g, NULL), 0);
    return g;
}

static void fork_task(struct ms_group *g, int (*fn)(void *), void (*done)(void *), void *arg)
{
    struct ms_error err = {0};
    assert_int_equal(ms_group_fork(g, fn, done, arg, &err), 0);
}

/* A door that tasks wait at until the test opens it. */
struct door {
    struct ms_mutex mutex;
    struct ms_cond cond;
    bool open;
    int waiting;
};

static void door_init(struct door *d)
{
    *d = (struct door){0};
    ms_mutex_init(&d->mutex);
    ms_cond_init(&d->cond);
}

static void door_fini(struct door *d)
{
    ms_cond_fini(&d->cond);
    ms_mutex_fini(&d->mutex);
}

static int pass_door(void *arg)
{
    struct door *d = arg;
    MS_HOLD(&d->mutex);
    d->waiting++;
    ms_cond_broadcast(&d->cond);
    while (!d->open)
        ms_cond_wait(&d->cond, &d->mutex);
    return 0;
}

static void door_wait_for(struct door *d, int waiting)
{
    MS_HOLD(&d->mutex);
    while (d->waiting < waiting)
        ms_cond_wait(&d->cond, &d->mutex);
}

static void door_open(struct door *d)
{
    MS_HOLD(&d->mutex);
    d->open = true;
    ms_cond_broadcast(&d->cond);
}

static int count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void count_done(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1000);
}

static int be_not_found(void *arg)
{
    (void)arg;
    return MS_ERR_NOT_FOUND;
}

/* ---- joins ---- */

static void joining_all_counts_successes_and_failures(void **state)
{
    (void)state;
    atomic_int count = 0;
    struct ms_group *g = new_group();
    for (int i = 0; i < 100; i++)
        fork_task(g, i % 4 ? count_up : be_not_found, count_done, &count);
    struct ms_join join;
    ms_group_join_all(g, &join);
    assert_int_equal(join.succeeded, 75);
    assert_int_equal(join.failed, 25);
    assert_int_equal(join.running, 0);
    assert_int_equal(count, 75 + 100 * 1000);
    ms_group_release(g);
    ms_group_release(NULL);
}

static void a_group_without_tasks_is_joined_at_once(void **state)
{
    (void)state;
    struct ms_group *g = new_group();
    struct ms_join join = {9, 9, 9};
    ms_group_join_all(g, &join);
    assert_int_equal(join.succeeded + join.failed + join.running, 0);
    assert_true(ms_group_join_first(g, 0, ms_clock_real(), UINT64_MAX, NULL));
    assert_false(ms_group_join_first(g, 1, ms_clock_real(), UINT64_MAX, NULL));
    ms_group_release(g);
}

static void stragglers_outlive_the_group(void **state)
{
    (void)state;
    struct door door;
    door_init(&door);
    atomic_int count = 0;
    struct ms_group *g = new_group(), *other = new_group();
    fork_task(g, pass_door, NULL, &door);
    fork_task(g, pass_door, NULL, &door);
    for (int i = 0; i < 3; i++)
        fork_task(g, count_up, NULL, &count);
    struct ms_join join;
    assert_true(ms_group_join_first(g, 3, ms_clock_real(), UINT64_MAX, &join));
    assert_int_equal(join.succeeded, 3);
    assert_int_equal(join.running, 2);
    ms_group_release(g);
    fork_task(other, count_up, NULL, &count); /* the pool goes on meanwhile */
    ms_group_join_all(other, NULL);
    assert_int_equal(count, 4);
    ms_group_release(other);
    door_open(&door);
    ms_pool_shutdown(); /* the stragglers have ended */
    door_fini(&door);
}

static void a_join_gives_up_when_too_many_have_failed(void **state)
{
    (void)state;
    struct door door;
    door_init(&door);
    struct ms_group *g = new_group();
    fork_task(g, pass_door, NULL, &door);
    fork_task(g, be_not_found, NULL, NULL);
    fork_task(g, be_not_found, NULL, NULL);
    struct ms_join join;
    assert_false(ms_group_join_first(g, 2, ms_clock_real(), UINT64_MAX, &join));
    assert_int_equal(join.failed, 2);
    assert_int_equal(join.running, 1);
    door_open(&door);
    ms_group_join_all(g, &join);
    assert_int_equal(join.succeeded, 1);
    ms_group_release(g);
    door_fini(&door);
}

static void a_join_ends_at_its_deadline(void **state)
{
    (void)state;
    struct door door;
    door_init(&door);
    struct ms_group *g = new_group();
    fork_task(g, pass_door, NULL, &door);
    door_wait_for(&door, 1);
    uint64_t soon = ms_clock_now(ms_clock_real()) + 2 * MS;
    struct ms_join join;
    assert_false(ms_group_join_first(g, 1, ms_clock_real(), soon, &join));
    assert_int_equal(join.running, 1);
    assert_true(ms_clock_now(ms_clock_real()) >= soon);
    struct ms_clock *clock = ms_clock_virtual_new(0);
    assert_non_null(clock);
    assert_false(ms_group_join_first(g, 1, clock, 3600 * 1000 * MS, &join));
    assert_true(ms_clock_now(clock) == 3600 * 1000 * MS);
    ms_clock_free(clock);
    door_open(&door);
    assert_true(ms_group_join_first(g, 1, ms_clock_real(), UINT64_MAX, &join));
    ms_group_release(g);
    door_fini(&door);
}

/* ---- threads ---- */

static void tasks_run_at_the_same_time(void **state)
{
    (void)state;
    struct door door;
    door_init(&door);
    struct ms_group *g = new_group();
    for (int i = 0; i < 64; i++)
        fork_task(g, pass_door, NULL, &door);
    door_wait_for(&door, 64); /* without a thread each this would not return */
    assert_int_equal(ms_pool_threads(), 64);
    door_open(&door);
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    door_fini(&door);
}

static void threads_are_kept_and_used_again(void **state)
{
    (void)state;
    atomic_int count = 0;
    for (int i = 0; i < 200; i++) {
        struct ms_group *g = new_group();
        fork_task(g, count_up, NULL, &count);
        assert_true(ms_group_join_first(g, 1, ms_clock_real(), UINT64_MAX, NULL));
        ms_group_release(g);
    }
    assert_int_equal(count, 200);
    /* a thread may not be back yet when the next task comes */
    assert_in_range(ms_pool_threads(), 1, 100);
    ms_pool_shutdown();
    assert_int_equal(ms_pool_threads(), 0);
}

static void idle_threads_end(void **state)
{
    (void)state;
    ms_pool_tune(MS_POOL_THREADS_MAX, 1);
    atomic_int count = 0;
    struct ms_group *g = new_group();
    fork_task(g, count_up, NULL, &count);
    assert_true(ms_group_join_first(g, 1, ms_clock_real(), UINT64_MAX, NULL));
    while (ms_pool_threads() > 0)
        sched_yield();
    fork_task(g, count_up, NULL, &count); /* a new one comes */
    assert_true(ms_group_join_first(g, 2, ms_clock_real(), UINT64_MAX, NULL));
    ms_group_release(g);
}

/* A tree of forks: each node forks two and joins them, by `wanted` or all. */
struct node {
    int depth;
    bool all;
    atomic_int *leaves;
};

static int grow(void *arg)
{
    const struct node *node = arg;
    if (node->depth == 0)
        return count_up(node->leaves);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    if (code)
        return code;
    struct node child = {node->depth - 1, node->all, node->leaves};
    for (int i = 0; i < 2 && !code; i++)
        code = ms_group_fork(g, grow, NULL, &child, NULL);
    struct ms_join join;
    if (node->all || code)
        ms_group_join_all(g, &join);
    else
        ms_group_join_first(g, 2, ms_clock_real(), UINT64_MAX, &join);
    ms_group_release(g);
    return code ? code : join.failed ? MS_ERR_INTERNAL : 0;
}

static void nested_forks_beyond_the_cap_do_not_deadlock(void **state)
{
    (void)state;
    static const size_t caps[] = {0, 1, 3, 8};
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        for (int all = 0; all < 2; all++) {
            ms_pool_tune(caps[i], MS_POOL_IDLE_NS);
            atomic_int leaves = 0;
            struct node root = {8, all, &leaves};
            assert_int_equal(grow(&root), 0);
            assert_int_equal(leaves, 256);
            assert_in_range(ms_pool_threads(), 0, caps[i]);
            ms_pool_shutdown();
        }
}

static int chain(void *arg)
{
    struct node *node = arg;
    if (node->depth-- == 0)
        return count_up(node->leaves);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    if (code)
        return code;
    code = ms_group_fork(g, chain, NULL, node, NULL);
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    return code;
}

static void a_chain_of_forks_may_be_deep(void **state)
{
    (void)state;
    ms_pool_tune(16, MS_POOL_IDLE_NS);
    atomic_int leaves = 0;
    struct node node = {1500, true, &leaves};
    assert_int_equal(chain(&node), 0);
    assert_int_equal(leaves, 1);
}

static void a_child_process_has_a_pool_of_its_own(void **state)
{
    (void)state;
    atomic_int count = 0;
    struct ms_group *g = new_group();
    fork_task(g, count_up, NULL, &count);
    assert_true(ms_group_join_first(g, 1, ms_clock_real(), UINT64_MAX, NULL));
    ms_group_release(g);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool clean = ms_pool_threads() == 0;
        ms_pool_tune(0, 0); /* sanitizers want no new threads in a child: the joiner helps */
        g = new_group();
        fork_task(g, count_up, NULL, &count);
        bool ran = ms_group_join_first(g, 1, ms_clock_real(), UINT64_MAX, NULL);
        _exit(clean && ran && count == 2 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- cancellation ---- */

static int sleep_an_hour(void *arg)
{
    struct door *d = arg;
    {
        MS_HOLD(&d->mutex);
        d->waiting++;
        ms_cond_broadcast(&d->cond);
    }
    struct ms_error err = {0};
    int code = ms_sleep(ms_clock_real(), 3600 * 1000 * MS, &err);
    return code == MS_ERR_CANCELLED && strcmp(err.text, "cancelled") == 0 ? 0 : MS_ERR_INTERNAL;
}

static void a_cancelled_group_wakes_its_sleepers(void **state)
{
    (void)state;
    struct door door;
    door_init(&door);
    struct ms_group *g = new_group();
    fork_task(g, sleep_an_hour, NULL, &door);
    fork_task(g, sleep_an_hour, NULL, &door);
    door_wait_for(&door, 2);
    ms_group_cancel(g);
    struct ms_join join;
    ms_group_join_all(g, &join);
    assert_int_equal(join.succeeded, 2);
    assert_null(ms_cancel_current());
    ms_group_release(g);
    door_fini(&door);
}

static void a_task_cancelled_before_it_began_is_not_called(void **state)
{
    (void)state;
    atomic_int count = 0;
    struct ms_group *g = new_group();
    ms_group_cancel(g);
    fork_task(g, count_up, count_done, &count);
    struct ms_join join;
    ms_group_join_all(g, &join);
    assert_int_equal(count, 1000);
    assert_int_equal(join.failed, 1);
    ms_group_release(g);
}

static int fork_a_sleeper(void *arg)
{
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    if (code)
        return code;
    code = ms_group_fork(g, sleep_an_hour, NULL, arg, NULL);
    struct ms_join join;
    ms_group_join_all(g, &join);
    ms_group_release(g);
    return code || join.failed ? MS_ERR_INTERNAL : 0;
}

static void tasks_of_tasks_inherit_the_token(void **state)
{
    (void)state;
    struct door door;
    door_init(&door);
    struct ms_cancel *token;
    assert_int_equal(ms_cancel_new(&token, NULL), 0);
    assert_null(ms_cancel_swap(token));
    struct ms_group *g = new_group();
    assert_ptr_equal(ms_cancel_swap(NULL), token);
    fork_task(g, fork_a_sleeper, NULL, &door);
    door_wait_for(&door, 1);
    ms_cancel_fire(token);
    struct ms_join join;
    ms_group_join_all(g, &join);
    assert_int_equal(join.succeeded, 1);
    ms_group_release(g);
    ms_cancel_free(token);
    door_fini(&door);
}

/* ---- ms_parallel ---- */

struct seen {
    atomic_int calls[1000], at_once, most_at_once;
    size_t fail_at, cancel_at;
    struct ms_cancel *token;
};

static int see(void *arg, size_t index)
{
    struct seen *s = arg;
    int now = atomic_fetch_add(&s->at_once, 1) + 1, most = s->most_at_once;
    while (now > most && !atomic_compare_exchange_weak(&s->most_at_once, &most, now))
        ;
    atomic_fetch_add(&s->calls[index], 1);
    ms_yield();
    atomic_fetch_sub(&s->at_once, 1);
    if (s->token && index == s->cancel_at)
        ms_cancel_fire(s->token);
    return s->fail_at && index >= s->fail_at ? -(int)index : 0;
}

static void a_parallel_loop_calls_each_index_once(void **state)
{
    (void)state;
    static const unsigned jobs[] = {0, 1, 7, 2000};
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) {
        struct seen s = {0};
        size_t count = jobs[j] > 1000 ? 50 : 1000;
        assert_int_equal(ms_parallel(count, jobs[j], see, &s, NULL), 0);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(s.calls[i], i < count ? 1 : 0);
        assert_in_range(s.most_at_once, 1, jobs[j] ? jobs[j] : 1);
    }
    assert_int_equal(ms_parallel(0, 4, see, NULL, NULL), 0);
}

static void a_parallel_loop_stops_at_the_first_failure(void **state)
{
    (void)state;
    struct seen alone = {.fail_at = 10};
    assert_int_equal(ms_parallel(1000, 1, see, &alone, NULL), -10);
    assert_int_equal(alone.calls[10], 1);
    assert_int_equal(alone.calls[11], 0);
    struct seen together = {.fail_at = 10};
    assert_int_equal(ms_parallel(1000, 4, see, &together, NULL), -10); /* the smallest index */
}

static void a_parallel_loop_stops_when_cancelled(void **state)
{
    (void)state;
    for (unsigned jobs = 1; jobs <= 4; jobs += 3) {
        struct seen s = {.cancel_at = 5};
        assert_int_equal(ms_cancel_new(&s.token, NULL), 0);
        ms_cancel_swap(s.token);
        struct ms_error err = {0};
        int code = ms_parallel(1000, jobs, see, &s, &err);
        ms_cancel_swap(NULL);
        assert_int_equal(code, MS_ERR_CANCELLED);
        assert_int_equal(err.code, MS_ERR_CANCELLED);
        assert_string_equal(err.text, "cancelled");
        assert_int_equal(s.calls[5], 1);
        if (jobs == 1)
            assert_int_equal(s.calls[6], 0);
        ms_cancel_free(s.token);
    }
}

/* ---- the same in the simulation ---- */

struct race {
    struct ms_join first, last;
    bool won;
    uint64_t first_ns, deadline_ns;
    atomic_int done;
    int parallel;
    struct seen seen;
};

static int take_10_ms(void *arg)
{
    (void)arg;
    return ms_sleep(ms_sim_clock(), 10 * MS, NULL);
}

static int take_an_hour(void *arg)
{
    (void)arg;
    return ms_sleep(ms_sim_clock(), 3600 * 1000 * MS, NULL);
}

static int race(void *arg)
{
    struct race *r = arg;
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (int i = 0; i < 5 && !code; i++)
        code = ms_group_fork(g,
                             i < 2    ? take_10_ms
                             : i == 2 ? be_not_found
                                      : take_an_hour,
                             count_done, &r->done, NULL);
    if (code)
        return code;
    r->won = ms_group_join_first(g, 2, ms_sim_clock(), r->deadline_ns, &r->first);
    r->first_ns = ms_clock_now(ms_sim_clock());
    ms_group_cancel(g);
    ms_group_join_all(g, &r->last);
    ms_group_release(g);
    r->parallel = ms_parallel(100, 8, see, &r->seen, NULL);
    return 0;
}

static void joins_in_the_simulation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct race r = {.deadline_ns = UINT64_MAX, .seen = {.fail_at = 60}};
        struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
        assert_int_equal(ms_sim_run(&options, race, &r, NULL, NULL), 0);
        assert_true(r.won && r.first_ns == 10 * MS);
        assert_int_equal(r.first.succeeded, 2);
        assert_int_equal(r.first.running, 2);
        assert_int_equal(r.last.failed, 3); /* the two that slept were cancelled */
        assert_int_equal(r.done, 5000);
        assert_int_equal(r.parallel, -60);
        assert_in_range(r.seen.most_at_once, 2, 8);
    }
}

static void a_deadline_in_the_simulation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct race r = {.deadline_ns = 9 * MS};
        struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
        struct ms_sim_result result;
        assert_int_equal(ms_sim_run(&options, race, &r, &result, NULL), 0);
        assert_false(r.won);
        assert_true(r.first_ns == 9 * MS && result.end_ns == 9 * MS);
        assert_int_equal(r.first.succeeded, 0);
        assert_int_equal(r.first.running, 4);
        assert_int_equal(r.last.failed, 5);
    }
}

static int leave_a_straggler(void *arg)
{
    struct race *r = arg;
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    if (!code)
        code = ms_group_fork(g, take_an_hour, count_done, &r->done, NULL);
    if (!code)
        ms_group_release(g);
    return code;
}

static void a_simulation_ends_after_its_stragglers(void **state)
{
    (void)state;
    struct race r = {0};
    struct ms_sim_options options = {.seed = 1};
    struct ms_sim_result result;
    assert_int_equal(ms_sim_run(&options, leave_a_straggler, &r, &result, NULL), 0);
    assert_int_equal(r.done, 1000);
    assert_true(result.end_ns == 3600 * 1000 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_child_process_has_a_pool_of_its_own, end_threads),
        cmocka_unit_test_teardown(joining_all_counts_successes_and_failures, end_threads),
        cmocka_unit_test(a_group_without_tasks_is_joined_at_once),
        cmocka_unit_test_teardown(stragglers_outlive_the_group, end_threads),
        cmocka_unit_test_teardown(a_join_gives_up_when_too_many_have_failed, end_threads),
        cmocka_unit_test_teardown(a_join_ends_at_its_deadline, end_threads),
        cmocka_unit_test_teardown(tasks_run_at_the_same_time, end_threads),
        cmocka_unit_test_teardown(threads_are_kept_and_used_again, end_threads),
        cmocka_unit_test_teardown(idle_threads_end, end_threads),
        cmocka_unit_test_teardown(nested_forks_beyond_the_cap_do_not_deadlock, end_threads),
        cmocka_unit_test_teardown(a_chain_of_forks_may_be_deep, end_threads),
        cmocka_unit_test_teardown(a_cancelled_group_wakes_its_sleepers, end_threads),
        cmocka_unit_test_teardown(a_task_cancelled_before_it_began_is_not_called, end_threads),
        cmocka_unit_test_teardown(tasks_of_tasks_inherit_the_token, end_threads),
        cmocka_unit_test_teardown(a_parallel_loop_calls_each_index_once, end_threads),
        cmocka_unit_test_teardown(a_parallel_loop_stops_at_the_first_failure, end_threads),
        cmocka_unit_test_teardown(a_parallel_loop_stops_when_cancelled, end_threads),
        cmocka_unit_test(joins_in_the_simulation),
        cmocka_unit_test(a_deadline_in_the_simulation),
        cmocka_unit_test(a_simulation_ends_after_its_stragglers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
