/* Clocks: the system's goes on, a virtual one moves only when somebody sleeps on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/sync.h"

#include <pthread.h>

#define SECOND_NS UINT64_C(1000000000)

static void the_real_clock_never_goes_back(void **state)
{
    (void)state;
    struct ms_clock *clock = ms_clock_real();
    assert_ptr_equal(clock, ms_clock_real());
    uint64_t before = ms_clock_now(clock);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = ms_clock_now(clock);
        assert_true(now >= before);
        before = now;
    }
    assert_true(ms_clock_wall(clock) > INT64_C(1577836800) * (int64_t)SECOND_NS); /* after 2020 */
    ms_clock_free(clock); /* nobody's to free: nothing happens */
    assert_true(ms_clock_now(clock) >= before);
}

static void a_virtual_clock_stands_still(void **state)
{
    (void)state;
    struct ms_clock *clock = ms_clock_virtual_new(17);
    assert_non_null(clock);
    int64_t wall = ms_clock_wall(clock);
    assert_true(ms_clock_now(clock) == 17);
    assert_true(ms_clock_now(clock) == 17);
    assert_true(ms_clock_wall(clock) == wall);
    ms_clock_free(clock);
    ms_clock_free(NULL);
}

static void sleeping_moves_a_virtual_clock_at_once(void **state)
{
    (void)state;
    struct ms_clock *clock = ms_clock_virtual_new(0);
    assert_non_null(clock);
    int64_t wall = ms_clock_wall(clock);
    assert_int_equal(ms_sleep(clock, 3600 * SECOND_NS, NULL), 0);
    assert_true(ms_clock_now(clock) == 3600 * SECOND_NS);
    assert_true(ms_clock_wall(clock) == wall + 3600 * (int64_t)SECOND_NS);
    assert_int_equal(ms_sleep_until(clock, 5, NULL), 0); /* never back */
    assert_true(ms_clock_now(clock) == 3600 * SECOND_NS);
    ms_clock_advance(clock, 1);
    assert_true(ms_clock_now(clock) == 3600 * SECOND_NS);
    ms_clock_free(clock);
}

static void sleeping_takes_its_time_on_the_real_clock(void **state)
{
    (void)state;
    uint64_t before = ms_clock_now(ms_clock_real());
    assert_int_equal(ms_sleep(ms_clock_real(), 2000000, NULL), 0);
    assert_true(ms_clock_now(ms_clock_real()) >= before + 2000000);
    assert_int_equal(ms_sleep_until(ms_clock_real(), before, NULL), 0);
}

static void *sleep_often(void *arg)
{
    for (int i = 0; i < 1000; i++)
        if (ms_sleep(arg, SECOND_NS, NULL))
            return arg;
    return NULL;
}

static void many_threads_sleep_on_one_virtual_clock(void **state)
{
    (void)state;
    struct ms_clock *clock = ms_clock_virtual_new(0);
    assert_non_null(clock);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sleep_often, clock), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    /* each waited its thousand seconds, together or one after the other */
    assert_true(ms_clock_now(clock) >= 1000 * SECOND_NS);
    assert_true(ms_clock_now(clock) <= 4000 * SECOND_NS);
    ms_clock_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_clock_never_goes_back),
        cmocka_unit_test(a_virtual_clock_stands_still),
        cmocka_unit_test(sleeping_moves_a_virtual_clock_at_once),
        cmocka_unit_test(sleeping_takes_its_time_on_the_real_clock),
        cmocka_unit_test(many_threads_sleep_on_one_virtual_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
