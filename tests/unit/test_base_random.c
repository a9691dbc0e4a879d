/* Random numbers: the published sequence, bounds, evenness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/base.h>

/* The first outputs of the authors' reference code for the state {1, 2, 3, 4}. */
static void the_generator_is_xoshiro256starstar(void **state)
{
    (void)state;
    static const uint64_t expected[] = {UINT64_C(11520),
                                        UINT64_C(0),
                                        UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360),
                                        UINT64_C(607988272756665600),
                                        UINT64_C(16172922978634559625),
                                        UINT64_C(8476171486693032832),
                                        UINT64_C(10595114339597558777),
                                        UINT64_C(2904607092377533576)};
    struct ms_random random = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(ms_random_u64(&random) == expected[i]);
}

/* splitmix64 of 0 is published too. */
static void the_seed_is_spread_by_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {UINT64_C(0xe220a8397b1dcdaf), UINT64_C(0x6e789e6aa1b965f4),
                                        UINT64_C(0x06c45d188009454f), UINT64_C(0xf88bb8a8724c81ec)};
    struct ms_random random;
    ms_random_seed(&random, 0);
    assert_memory_equal(random.state, expected, sizeof expected);
}

static void seeds_repeat_and_differ(void **state)
{
    (void)state;
    struct ms_random a, b, c;
    ms_random_seed(&a, 42);
    ms_random_seed(&b, 42);
    ms_random_seed(&c, 43);
    bool different = false;
    for (int i = 0; i < 100; i++) {
        uint64_t value = ms_random_u64(&a);
        assert_true(value == ms_random_u64(&b));
        different |= value != ms_random_u64(&c);
    }
    assert_true(different);
}

static void numbers_below_a_bound_are_even(void **state)
{
    (void)state;
    struct ms_random random;
    ms_random_seed(&random, 1);
    unsigned counts[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t value = ms_random_below(&random, 6);
        assert_true(value < 6);
        counts[value]++;
    }
    for (int i = 0; i < 6; i++)
        assert_in_range(counts[i], 9600, 10400); /* more than four standard deviations */
    assert_true(ms_random_below(&random, 1) == 0);
    assert_true(ms_random_below(&random, 0) == 0);
}

/* Two thirds of the range: a plain remainder would give the lower half twice as often. */
static void large_bounds_are_even_too(void **state)
{
    (void)state;
    struct ms_random random;
    ms_random_seed(&random, 2);
    uint64_t bound = UINT64_MAX / 3 * 2;
    unsigned lower = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t value = ms_random_below(&random, bound);
        assert_true(value < bound);
        lower += value < bound / 2;
    }
    assert_in_range(lower, 4750, 5250);
    for (int i = 0; i < 100; i++)
        assert_true(ms_random_below(&random, UINT64_MAX) < UINT64_MAX);
}

static void units_lie_between_zero_and_one(void **state)
{
    (void)state;
    struct ms_random random;
    ms_random_seed(&random, 3);
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double value = ms_random_unit(&random);
        assert_true(value >= 0 && value < 1);
        sum += value;
    }
    assert_true(sum > 4850 && sum < 5150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generator_is_xoshiro256starstar),
        cmocka_unit_test(the_seed_is_spread_by_splitmix64),
        cmocka_unit_test(seeds_repeat_and_differ),
        cmocka_unit_test(numbers_below_a_bound_are_even),
        cmocka_unit_test(large_bounds_are_even_too),
        cmocka_unit_test(units_lie_between_zero_and_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
