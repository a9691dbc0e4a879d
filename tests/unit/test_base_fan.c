/* base/fan.c: legs that end in any order, stragglers, both executors. */
#include "base/fan.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"
#include "tests/support/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

struct plan { /* one run: how long each leg takes and what comes of it */
    uint64_t takes_ns[8];
    int codes[8];
    struct ms_clock *clock;
    atomic_uint ran, released;
};

static int take_time(void *shared, unsigned leg, struct ms_error *err)
{
    struct plan *p = shared;
    int code = ms_sleep(p->clock, p->takes_ns[leg], err);
    atomic_fetch_add(&p->ran, 1);
    if (!code && p->codes[leg])
        code = ms_error_set(err, p->codes[leg], "leg %u failed", leg);
    return code;
}

static void count_release(void *shared)
{
    atomic_fetch_add(&((struct plan *)shared)->released, 1);
}

static struct ms_fan *fan_of(struct plan *p, unsigned legs)
{
    struct ms_fan *f = NULL;
    struct ms_error err = {0};
    if (ms_fan_new(legs, take_time, count_release, p, &f, &err))
        fail_msg("%s", err.text);
    return f;
}

static int legs_come_back_as_they_end(void *arg)
{
    struct plan p = {.takes_ns = {3 * SECOND, 1 * SECOND, 2 * SECOND},
                     .codes = {0, MS_ERR_IO, 0},
                     .clock = ms_sim_clock()};
    struct ms_fan *f = fan_of(&p, 3);
    unsigned leg;
    (void)arg;
    assert_false(ms_fan_next(f, p.clock, UINT64_MAX, &leg)); /* nothing runs */
    for (unsigned i = 0; i < 3; i++)
        ms_fan_start(f, i);
    assert_int_equal(ms_fan_running(f), 3);
    assert_true(ms_fan_next(f, p.clock, UINT64_MAX, &leg));
    assert_int_equal(leg, 1);
    assert_int_equal(ms_fan_code(f, 1), MS_ERR_IO);
    assert_string_equal(ms_fan_error(f, 1)->text, "leg 1 failed");
    assert_true(ms_fan_next(f, p.clock, UINT64_MAX, &leg));
    assert_int_equal(leg, 2);
    assert_int_equal(ms_fan_code(f, 2), 0);
    assert_false(ms_fan_next(f, p.clock, 2 * SECOND + SECOND / 2, &leg)); /* leg 0 is late */
    assert_int_equal(ms_fan_running(f), 1);
    assert_true(ms_fan_next(f, p.clock, UINT64_MAX, &leg));
    assert_int_equal(leg, 0);
    assert_false(ms_fan_next(f, p.clock, UINT64_MAX, &leg));
    ms_fan_release(f);
    assert_int_equal(ms_sleep(p.clock, 1, NULL), 0); /* the last leg is on its way out */
    assert_int_equal(p.released, 1);
    return 0;
}

static int stragglers_outlive_the_caller(void *arg)
{
    struct plan *p = arg;
    p->clock = ms_sim_clock();
    p->takes_ns[0] = SECOND;
    p->takes_ns[1] = 100 * SECOND;
    struct ms_fan *f = fan_of(p, 3);
    unsigned leg, before = p->released;
    ms_fan_start(f, 0);
    ms_fan_start(f, 1); /* leg 2 never is */
    assert_true(ms_fan_next(f, p->clock, UINT64_MAX, &leg));
    ms_fan_release(f);
    assert_int_equal(p->released, before);
    return 0;
}

static int cancelled_legs_end_at_once(void *arg)
{
    struct plan p = {.takes_ns = {1000 * SECOND, 1000 * SECOND}, .clock = ms_sim_clock()};
    struct ms_fan *f = fan_of(&p, 2);
    unsigned leg;
    (void)arg;
    ms_fan_start(f, 0);
    assert_false(ms_fan_next(f, p.clock, SECOND, &leg));
    ms_fan_cancel(f);
    assert_true(ms_fan_next(f, p.clock, 2 * SECOND, &leg));
    assert_int_equal(ms_fan_code(f, 0), MS_ERR_CANCELLED);
    ms_fan_start(f, 1); /* too late: it does not even begin */
    assert_true(ms_fan_next(f, p.clock, 2 * SECOND, &leg));
    assert_int_equal(ms_fan_code(f, 1), MS_ERR_CANCELLED);
    assert_int_equal(p.ran, 1);
    ms_fan_release(f);
    return 0;
}

static void simulate(int (*fn)(void *arg), void *arg)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct ms_sim_options options = {.seed = seed};
        struct ms_sim_result result;
        struct ms_error err = {0};
        if (ms_sim_run(&options, fn, arg, &result, &err))
            fail_msg("seed %d: %s", (int)seed, err.text);
    }
}

static void in_the_order_in_which_they_end(void **state)
{
    (void)state;
    simulate(legs_come_back_as_they_end, NULL);
    simulate(cancelled_legs_end_at_once, NULL);
}

static void what_stragglers_use_is_released_by_the_last(void **state)
{
    (void)state;
    struct plan p = {.released = 0};
    simulate(stragglers_outlive_the_caller, &p);
    assert_int_equal(p.released, 50); /* once in each run */
    assert_int_equal(p.ran, 100);
}

static void with_threads(void **state)
{
    (void)state;
    struct plan p = {.takes_ns = {1000000, 1000, 1000, 1000, 1000, 1000, 1000, 3000000},
                     .codes = {0, MS_ERR_IO},
                     .clock = ms_clock_real()};
    for (int round = 0; round < 50; round++) {
        struct ms_fan *f = fan_of(&p, 8);
        unsigned leg, seen = 0;
        for (unsigned i = 0; i < 8; i++)
            ms_fan_start(f, i);
        while (ms_fan_next(f, p.clock, UINT64_MAX, &leg)) {
            assert_false(seen >> leg & 1);
            seen |= 1u << leg;
            assert_int_equal(ms_fan_code(f, leg), p.codes[leg]);
        }
        assert_int_equal(seen, 0xff);
        ms_fan_release(f);
    }
    ms_fan_release(NULL);
    ms_pool_shutdown(); /* waits for legs on their way out */
    assert_int_equal(p.released, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_order_in_which_they_end),
        cmocka_unit_test(what_stragglers_use_is_released_by_the_last),
        cmocka_unit_test(with_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
