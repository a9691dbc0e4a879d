/* The deterministic executor: what the seed decides, what virtual time does, what it finds.
 *
 * Nothing is asserted inside a task: cmocka jumps out of its stack. Tasks record, tests look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static int simulate(uint64_t seed, int (*fn)(void *), void *arg, struct ms_sim_result *result)
{
    struct ms_sim_options options = {.seed = seed, .max_steps = 10 * 1000 * 1000};
    struct ms_error err = {0};
    int code = ms_sim_run(&options, fn, arg, result, &err);
    if (code)
        print_message("seed %llu: %s\n", (unsigned long long)seed, err.text);
    return code;
}

/* ---- one counter, several tasks ---- */

#define TASKS 3
#define TURNS 3

struct counter {
    struct ms_mutex mutex;
    bool locked;
    int value;
};

static int add_without_lock(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < TURNS; i++) {
        int seen = c->value;
        ms_yield();
        c->value = seen + 1;
    }
    return 0;
}

static int add_with_lock(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < TURNS; i++) {
        MS_HOLD(&c->mutex);
        int seen = c->value;
        ms_yield();
        c->value = seen + 1;
        ms_sim_note("value %d", c->value);
    }
    return 0;
}

static int count_together(void *arg)
{
    struct counter *c = arg;
    ms_mutex_init(&c->mutex);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (int i = 0; !code && i < TASKS; i++)
        code = ms_group_fork(g, c->locked ? add_with_lock : add_without_lock, NULL, c, NULL);
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    ms_mutex_fini(&c->mutex);
    return 0;
}

static void a_lost_update_is_found(void **state)
{
    (void)state;
    unsigned lost = 0, exact = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct counter c = {.locked = false};
        assert_int_equal(simulate(seed, count_together, &c, NULL), 0);
        if (c.value < TASKS * TURNS)
            lost++;
        else
            exact++;
    }
    assert_true(lost > 0);
    assert_true(lost + exact == 200);
}

static void a_mutex_prevents_it_in_all_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct counter c = {.locked = true};
        assert_int_equal(simulate(seed, count_together, &c, NULL), 0);
        assert_int_equal(c.value, TASKS * TURNS);
    }
}

/* ---- the same seed ---- */

static struct ms_sim_result trace_of(uint64_t seed)
{
    struct counter c = {.locked = true};
    struct ms_sim_result result = {0};
    assert_int_equal(simulate(seed, count_together, &c, &result), 0);
    return result;
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ms_sim_result first = trace_of(seed), second = trace_of(seed);
        assert_memory_equal(&first, &second, sizeof first);
        assert_true(first.steps > TASKS * TURNS);
    }
}

static void different_seeds_give_different_interleavings(void **state)
{
    (void)state;
    unsigned different = 0;
    for (uint64_t seed = 1; seed <= 100; seed++)
        different += trace_of(seed).trace_hash != trace_of(seed + 1).trace_hash;
    assert_true(different >= 95);
}

/* In a process of its own, where addresses differ. */
static uint64_t trace_in_a_new_process(uint64_t seed)
{
    char command[64];
    snprintf(command, sizeof command, "exec /proc/%d/exe --trace %llu", (int)getpid(),
             (unsigned long long)seed);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c) */
    assert_non_null(pipe);
    char line[64] = "";
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    return strtoull(line, NULL, 16);
}

static void the_same_seed_gives_the_same_trace_in_another_process(void **state)
{
    (void)state;
    for (uint64_t seed = 7; seed < 10; seed++)
        assert_true(trace_in_a_new_process(seed) == trace_of(seed).trace_hash);
}

struct lines {
    char text[4096];
    size_t size, count;
};

static void keep_line(void *ctx, const char *line)
{
    struct lines *lines = ctx;
    lines->count++;
    lines->size +=
        (size_t)snprintf(lines->text + lines->size, sizeof lines->text - lines->size, "%s\n", line);
    assert_true(lines->size < sizeof lines->text);
}

static int note_and_sleep(void *unused)
{
    (void)unused;
    ms_sim_note("begins with %d", 7);
    int code = ms_sleep(ms_sim_clock(), 5 * MS, NULL);
    ms_sim_note("ends");
    return code;
}

static void the_trace_shows_notes_and_times(void **state)
{
    (void)state;
    struct lines lines = {0};
    struct ms_sim_options options = {
        .seed = 1, .start_ns = 1000, .trace = keep_line, .trace_ctx = &lines};
    struct ms_sim_result result;
    assert_int_equal(ms_sim_run(&options, note_and_sleep, NULL, &result, NULL), 0);
    assert_string_equal(lines.text, "1000 task 0: begins with 7\n5001000 task 0: ends\n");
    assert_true(result.end_ns == 1000 + 5 * MS);
    ms_sim_note("outside: nothing happens");
    assert_int_equal(lines.count, 2);
}

/* ---- time ---- */

struct order {
    unsigned slept[8];
    size_t count;
    int64_t wall;
};

struct sleeper {
    struct order *order;
    unsigned ms;
};

static int sleep_and_enter(void *arg)
{
    struct sleeper *s = arg;
    int code = ms_sleep(ms_sim_clock(), s->ms * MS, NULL);
    s->order->slept[s->order->count++] = s->ms;
    return code;
}

static int sleep_in_parallel(void *arg)
{
    struct order *order = arg;
    static const unsigned times[] = {50, 10, 40, 30, 20, 3600000};
    struct sleeper sleepers[6];
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (size_t i = 0; !code && i < 6; i++) {
        sleepers[i] = (struct sleeper){order, times[i]};
        code = ms_group_fork(g, sleep_and_enter, NULL, &sleepers[i], NULL);
    }
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    order->wall = ms_clock_wall(ms_sim_clock());
    return 0;
}

static void sleepers_wake_in_the_order_of_virtual_time(void **state)
{
    (void)state;
    static const unsigned sorted[] = {10, 20, 30, 40, 50, 3600000};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct order order = {0};
        struct ms_sim_options options = {
            .seed = seed, .start_ns = 5, .start_wall_ns = INT64_C(1000000000000000000)};
        struct ms_sim_result result;
        assert_int_equal(ms_sim_run(&options, sleep_in_parallel, &order, &result, NULL), 0);
        assert_int_equal(order.count, 6);
        assert_memory_equal(order.slept, sorted, sizeof sorted);
        assert_true(result.end_ns == 5 + 3600000 * MS);
        assert_true(order.wall == INT64_C(1000000000000000000) + 3600000 * (int64_t)MS);
    }
}

struct timeout {
    struct ms_mutex mutex;
    struct ms_cond cond;
    bool first, second;
    uint64_t first_ns, second_ns;
};

static int signal_at_10_ms(void *arg)
{
    struct timeout *t = arg;
    int code = ms_sleep(ms_sim_clock(), 10 * MS, NULL);
    MS_HOLD(&t->mutex);
    ms_cond_signal(&t->cond);
    return code;
}

static int wait_twice(void *arg)
{
    struct timeout *t = arg;
    ms_mutex_init(&t->mutex);
    ms_cond_init(&t->cond);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    if (!code)
        code = ms_group_fork(g, signal_at_10_ms, NULL, t, NULL);
    if (code)
        return code;
    {
        MS_HOLD(&t->mutex);
        t->first = ms_cond_wait_until(&t->cond, &t->mutex, ms_sim_clock(), 25 * MS);
        t->first_ns = ms_clock_now(ms_sim_clock());
        t->second = ms_cond_wait_until(&t->cond, &t->mutex, ms_sim_clock(), 25 * MS);
        t->second_ns = ms_clock_now(ms_sim_clock());
    }
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    ms_cond_fini(&t->cond);
    ms_mutex_fini(&t->mutex);
    return 0;
}

static void a_condition_is_signalled_or_times_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct timeout t = {0};
        assert_int_equal(simulate(seed, wait_twice, &t, NULL), 0);
        assert_true(t.first && t.first_ns == 10 * MS);
        assert_true(!t.second && t.second_ns == 25 * MS);
    }
}

static int wait_in_the_past(void *arg)
{
    struct timeout *t = arg;
    ms_mutex_init(&t->mutex);
    ms_cond_init(&t->cond);
    {
        MS_HOLD(&t->mutex);
        t->first = ms_cond_wait_until(&t->cond, &t->mutex, ms_sim_clock(), 0);
    }
    ms_cond_fini(&t->cond);
    ms_mutex_fini(&t->mutex);
    return ms_sleep_until(ms_sim_clock(), 0, NULL);
}

static void a_deadline_in_the_past_takes_no_time(void **state)
{
    (void)state;
    struct timeout t = {.first = true};
    struct ms_sim_result result;
    assert_int_equal(simulate(1, wait_in_the_past, &t, &result), 0);
    assert_false(t.first);
    assert_true(result.end_ns == 0);
}

/* ---- many deadlines, some of which never come because somebody signals before ---- */

#define WAITERS 60

struct waiter {
    struct ms_mutex mutex;
    struct ms_cond cond;
    bool signalled, in_time, right;
    uint64_t deadline_ns, signal_ns;
};

static int wait_for_signal(void *arg)
{
    struct waiter *w = arg;
    MS_HOLD(&w->mutex);
    bool signalled = true;
    while (!w->signalled && signalled)
        signalled = ms_cond_wait_until(&w->cond, &w->mutex, ms_sim_clock(), w->deadline_ns);
    uint64_t now = ms_clock_now(ms_sim_clock());
    w->in_time = w->signalled;
    w->right = now == (w->signal_ns < w->deadline_ns ? w->signal_ns : w->deadline_ns);
    return 0;
}

static int signal_in_time(void *arg)
{
    struct waiter *w = arg;
    int code = ms_sleep_until(ms_sim_clock(), w->signal_ns, NULL);
    MS_HOLD(&w->mutex);
    w->signalled = true;
    ms_cond_signal(&w->cond);
    return code;
}

static int wait_and_signal(void *arg)
{
    struct waiter *waiters = arg;
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (size_t i = 0; i < WAITERS && !code; i++) {
        ms_mutex_init(&waiters[i].mutex);
        ms_cond_init(&waiters[i].cond);
        code = ms_group_fork(g, wait_for_signal, NULL, &waiters[i], NULL);
        if (!code)
            code = ms_group_fork(g, signal_in_time, NULL, &waiters[i], NULL);
    }
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    return 0;
}

static void deadlines_come_in_order_whatever_is_taken_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ms_random random;
        ms_random_seed(&random, seed);
        struct waiter waiters[WAITERS] = {0};
        for (size_t i = 0; i < WAITERS; i++) {
            waiters[i].deadline_ns = 1 + ms_random_below(&random, 1000) * 2; /* odd */
            waiters[i].signal_ns = ms_random_below(&random, 1000) * 2;       /* even: no ties */
        }
        assert_int_equal(simulate(seed, wait_and_signal, waiters, NULL), 0);
        for (size_t i = 0; i < WAITERS; i++) {
            assert_true(waiters[i].right);
            assert_int_equal(waiters[i].in_time, waiters[i].signal_ns < waiters[i].deadline_ns);
        }
    }
}

/* ---- what goes wrong ---- */

struct pair {
    struct ms_mutex a, b;
};

static int lock_a_then_b(void *arg)
{
    struct pair *p = arg;
    MS_HOLD(&p->a);
    MS_HOLD(&p->b);
    return 0;
}

static int lock_b_then_a(void *arg)
{
    struct pair *p = arg;
    MS_HOLD(&p->b);
    MS_HOLD(&p->a);
    return 0;
}

static int lock_both_ways(void *arg)
{
    struct pair *p = arg;
    ms_mutex_init(&p->a);
    ms_mutex_init(&p->b);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    if (!code)
        code = ms_group_fork(g, lock_a_then_b, NULL, p, NULL);
    if (!code)
        code = ms_group_fork(g, lock_b_then_a, NULL, p, NULL);
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    return 0;
}

static void find_deadlock(void)
{
    unsigned found = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct pair p;
        struct ms_sim_options options = {.seed = seed};
        struct ms_error err = {0};
        int code = ms_sim_run(&options, lock_both_ways, &p, NULL, &err);
        if (!code)
            continue;
        found++;
        assert_int_equal(code, MS_ERR_INTERNAL);
        assert_non_null(strstr(err.text, "deadlock at 0 ns: task 0 waits for a condition"));
        assert_non_null(strstr(err.text, "task 1 waits for a mutex that task 2 holds"));
        assert_non_null(strstr(err.text, "task 2 waits for a mutex that task 1 holds"));
    }
    assert_true(found > 0 && found < 50);
}

static void a_deadlock_is_found_and_explained(void **state)
{
    (void)state;
    find_deadlock();
}

static int wait_for_ever(void *arg)
{
    struct timeout *t = arg;
    MS_HOLD(&t->mutex);
    ms_cond_wait(&t->cond, &t->mutex);
    return 0;
}

static int many_wait_for_ever(void *arg)
{
    struct timeout *t = arg;
    ms_mutex_init(&t->mutex);
    ms_cond_init(&t->cond);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (int i = 0; !code && i < 100; i++)
        code = ms_group_fork(g, wait_for_ever, NULL, t, NULL);
    if (!code)
        ms_group_join_all(g, NULL);
    return code;
}

static void a_large_deadlock_is_cut_short(void **state)
{
    (void)state;
    struct timeout t = {0};
    struct ms_sim_options options = {.seed = 3};
    struct ms_error err = {0};
    assert_int_equal(ms_sim_run(&options, many_wait_for_ever, &t, NULL, &err), MS_ERR_INTERNAL);
    assert_non_null(strstr(err.text, "task 0 waits for a condition, task 1 waits"));
    assert_string_equal(strrchr(err.text, ' '), " more");
}

static int yield_for_ever(void *unused)
{
    (void)unused;
    while (ms_sim_active())
        ms_yield();
    return 0;
}

static void too_many_steps_end_it(void **state)
{
    (void)state;
    struct ms_sim_options options = {.seed = 9, .max_steps = 1000};
    struct ms_error err = {0};
    struct ms_sim_result result;
    int code = ms_sim_run(&options, yield_for_ever, NULL, &result, &err);
    assert_int_equal(code, MS_ERR_TIMEOUT);
    assert_string_equal(err.text, "simulation of seed 9: more than 1000 steps");
    assert_true(result.steps == 1001);
}

static int be_corrupt(void *unused)
{
    (void)unused;
    return MS_ERR_CORRUPT;
}

static void the_result_of_main_is_returned(void **state)
{
    (void)state;
    struct ms_sim_options options = {.seed = 1};
    assert_int_equal(ms_sim_run(&options, be_corrupt, NULL, NULL, NULL), MS_ERR_CORRUPT);
}

/* ---- many tasks, many simulations ---- */

static int touch_stack_and_sleep(void *arg)
{
    volatile char deep[64 * 1024];
    for (size_t i = 0; i < sizeof deep; i += 512)
        deep[i] = (char)i;
    int code = ms_sleep(ms_sim_clock(), 1 * MS, NULL);
    for (size_t i = 0; i < sizeof deep; i += 512)
        if (deep[i] != (char)i)
            return MS_ERR_CORRUPT;
    ++*(unsigned *)arg;
    return code;
}

static int fork_a_thousand(void *arg)
{
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (int i = 0; !code && i < 1000; i++)
        code = ms_group_fork(g, touch_stack_and_sleep, NULL, arg, NULL);
    if (code)
        return code;
    struct ms_join join;
    ms_group_join_all(g, &join);
    ms_group_release(g);
    return join.failed ? MS_ERR_CORRUPT : 0;
}

static void a_thousand_tasks_sleep_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        unsigned ended = 0;
        struct ms_sim_result result;
        assert_int_equal(simulate(seed, fork_a_thousand, &ended, &result), 0);
        assert_int_equal(ended, 1000);
        assert_true(result.end_ns == 1 * MS);
    }
}

static void *simulate_on_a_thread(void *arg)
{
    struct ms_sim_result *result = arg;
    struct counter c = {.locked = true};
    struct ms_sim_options options = {.seed = 5};
    if (ms_sim_run(&options, count_together, &c, result, NULL))
        result->steps = 0;
    return NULL;
}

static void simulations_on_several_threads_do_not_meet(void **state)
{
    (void)state;
    struct ms_sim_result expected = trace_of(5), results[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, simulate_on_a_thread, &results[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_memory_equal(&results[i], &expected, sizeof expected);
    }
}

static void the_portable_switch_gives_the_same_trace(void **state)
{
    (void)state;
    struct ms_sim_result expected = trace_of(11);
    ms_stack_force_portable(true);
    struct ms_sim_result portable = trace_of(11);
    find_deadlock();
    ms_stack_force_portable(false);
    assert_memory_equal(&portable, &expected, sizeof expected);
}

/* ---- what belongs to threads, inside ---- */

static struct ms_mutex shared = MS_MUTEX_STATIC;
static int shared_value; /* guarded by shared */

static int add_to_shared(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        {
            MS_HOLD(&shared);
            shared_value++;
        }
        ms_yield();
    }
    return 0;
}

static int share(void *unused)
{
    (void)unused;
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (int i = 0; !code && i < 10; i++)
        code = ms_group_fork(g, add_to_shared, NULL, NULL, NULL);
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    return 0;
}

static void a_static_mutex_guards_short_sections(void **state)
{
    (void)state;
    shared_value = 0;
    assert_int_equal(simulate(1, share, NULL, NULL), 0);
    assert_int_equal(shared_value, 1000);
}

static int sleep_on_another_clock(void *arg)
{
    return ms_sleep(arg, 70 * MS, NULL);
}

static int keep_errno(void *arg)
{
    int mine = *(int *)arg;
    for (int i = 0; i < 10; i++) {
        errno = mine;
        ms_yield();
        if (errno != mine)
            return MS_ERR_CORRUPT;
    }
    return 0;
}

static int keep_different_errnos(void *unused)
{
    (void)unused;
    static int values[] = {EIO, ENOENT, 0};
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (size_t i = 0; !code && i < 3; i++)
        code = ms_group_fork(g, keep_errno, NULL, &values[i], NULL);
    if (code)
        return code;
    struct ms_join join;
    ms_group_join_all(g, &join);
    ms_group_release(g);
    return join.failed ? MS_ERR_CORRUPT : 0;
}

static void each_task_has_its_errno(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        assert_int_equal(simulate(seed, keep_different_errnos, NULL, NULL), 0);
}

static void a_virtual_clock_inside_is_its_own(void **state)
{
    (void)state;
    struct ms_clock *clock = ms_clock_virtual_new(0);
    assert_non_null(clock);
    struct ms_sim_result result;
    assert_int_equal(simulate(1, sleep_on_another_clock, clock, &result), 0);
    assert_true(ms_clock_now(clock) == 70 * MS);
    assert_true(result.end_ns == 0);
    ms_clock_free(clock);
}

struct wrong_clock {
    uint64_t now_ns, slept_until_ns;
    int64_t wrong_by_ns;
};

static int sleep_on_a_wrong_clock(void *arg)
{
    struct wrong_clock *seen = arg;
    struct ms_clock clock;
    ms_clock_init_wrong(&clock, ms_sim_clock(), -7200 * (int64_t)MS);
    int code = ms_sleep(&clock, 70 * MS, NULL);
    seen->now_ns = ms_clock_now(&clock);
    seen->slept_until_ns = ms_clock_now(ms_sim_clock());
    seen->wrong_by_ns = ms_clock_wall(&clock) - ms_clock_wall(ms_sim_clock());
    return code;
}

static void a_wrong_wall_clock_sleeps_the_right_time(void **state)
{
    (void)state;
    struct wrong_clock seen = {0};
    assert_int_equal(simulate(1, sleep_on_a_wrong_clock, &seen, NULL), 0);
    assert_true(seen.now_ns == 70 * MS && seen.slept_until_ns == 70 * MS);
    assert_true(seen.wrong_by_ns == -7200 * (int64_t)MS);
}

static int look_around(void *arg)
{
    bool *inside = arg;
    *inside = ms_sim_active() && ms_sim_clock() != NULL && ms_cancel_current() == NULL;
    ms_clock_free(ms_sim_clock()); /* not ours to free: nothing happens */
    return 0;
}

static void inside_and_outside_are_told_apart(void **state)
{
    (void)state;
    assert_false(ms_sim_active());
    assert_null(ms_sim_clock());
    bool inside = false;
    assert_int_equal(simulate(1, look_around, &inside, NULL), 0);
    assert_true(inside);
    assert_false(ms_sim_active());
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--trace") == 0) {
        struct counter c = {.locked = true};
        struct ms_sim_options options = {.seed = strtoull(argv[2], NULL, 10)};
        struct ms_sim_result result;
        if (ms_sim_run(&options, count_together, &c, &result, NULL))
            return 1;
        printf("%llx\n", (unsigned long long)result.trace_hash);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_update_is_found),
        cmocka_unit_test(a_mutex_prevents_it_in_all_seeds),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(different_seeds_give_different_interleavings),
        cmocka_unit_test(the_same_seed_gives_the_same_trace_in_another_process),
        cmocka_unit_test(the_trace_shows_notes_and_times),
        cmocka_unit_test(sleepers_wake_in_the_order_of_virtual_time),
        cmocka_unit_test(a_condition_is_signalled_or_times_out),
        cmocka_unit_test(a_deadline_in_the_past_takes_no_time),
        cmocka_unit_test(deadlines_come_in_order_whatever_is_taken_out),
        cmocka_unit_test(a_deadlock_is_found_and_explained),
        cmocka_unit_test(a_large_deadlock_is_cut_short),
        cmocka_unit_test(too_many_steps_end_it),
        cmocka_unit_test(the_result_of_main_is_returned),
        cmocka_unit_test(a_thousand_tasks_sleep_at_once),
        cmocka_unit_test(simulations_on_several_threads_do_not_meet),
        cmocka_unit_test(the_portable_switch_gives_the_same_trace),
        cmocka_unit_test(a_static_mutex_guards_short_sections),
        cmocka_unit_test(each_task_has_its_errno),
        cmocka_unit_test(a_virtual_clock_inside_is_its_own),
        cmocka_unit_test(a_wrong_wall_clock_sleeps_the_right_time),
        cmocka_unit_test(inside_and_outside_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
