/* Reading ahead: right bytes, in less time, within its memory, and honest about failures. */
#include "support/check.h"

#include "backends/readahead.h"
#include "base/sim.h"

#include <stdlib.h>

#define BLOCK   MS_READAHEAD_BYTES
#define TRIP_NS UINT64_C(20000000)
#define VALUE   (40 * (uint64_t)BLOCK + 12345)
#define PIECE   (BLOCK / 4)

/* A storage a round trip away that holds the bytes byte_at(). */
static struct {
    struct ms_readahead ahead;
    unsigned fetches, under_way, most;
    uint64_t fail_at; /* fetches of this byte fail, so often */
    unsigned failures;
} far;

/* The bytes of the value: a pattern again and again, of a length that fits no block. */
#define PERIOD 1000003u
static uint8_t pattern[PERIOD];

static size_t piece_at(uint64_t offset, size_t size)
{
    size_t left = PERIOD - (size_t)(offset % PERIOD);
    return left < size ? left : size;
}

static void fill(uint64_t offset, uint8_t *into, size_t size)
{
    for (size_t n; size; offset += n, into += n, size -= n) {
        n = piece_at(offset, size);
        memcpy(into, pattern + offset % PERIOD, n);
    }
}

static bool matches(uint64_t offset, const uint8_t *bytes, size_t size)
{
    for (size_t n; size; offset += n, bytes += n, size -= n) {
        n = piece_at(offset, size);
        if (memcmp(bytes, pattern + offset % PERIOD, n) != 0)
            return false;
    }
    return true;
}

static int fetch(void *arg, uint64_t offset, uint8_t *into, size_t size, struct ms_error *err)
{
    assert_ptr_equal(arg, &far);
    assert_true(size > 0 && offset + size <= VALUE);
    far.fetches++;
    far.most = ++far.under_way > far.most ? far.under_way : far.most;
    int code = ms_sleep(ms_sim_clock(), TRIP_NS, err);
    far.under_way--;
    if (code)
        return code;
    if (far.failures && far.fail_at >= offset && far.fail_at < offset + size) {
        far.failures--;
        return ms_error_set(err, MS_ERR_IO, "the line broke at %llu", (unsigned long long)offset);
    }
    fill(offset, into, size);
    return 0;
}

static void check_read(uint64_t offset, size_t size)
{
    struct ms_error err = {0};
    uint8_t *got = malloc(size ? size : 1);
    assert_non_null(got);
    check_ok(ms_readahead_read(&far.ahead, offset, got, size, &err), err);
    if (!matches(offset, got, size))
        fail_msg("wrong bytes at %llu", (unsigned long long)offset);
    free(got);
}

static int run(int (*body)(void *), struct ms_sim_result *result)
{
    struct ms_sim_options options = {.seed = 7};
    struct ms_error err = {0};
    memset(&far, 0, sizeof far);
    int code = ms_sim_run(&options, body, NULL, result, &err);
    if (code)
        print_error("%s\n", err.text);
    return code;
}

static int in_order(void *arg)
{
    (void)arg;
    ms_readahead_init(&far.ahead, fetch, &far, VALUE);
    for (uint64_t at = 0; at < VALUE; at += PIECE)
        check_read(at, VALUE - at < PIECE ? (size_t)(VALUE - at) : PIECE);
    ms_readahead_fini(&far.ahead);
    return 0;
}

static void reads_in_order_ahead(void **state)
{
    struct ms_sim_result result;
    (void)state;
    assert_int_equal(run(in_order, &result), 0);
    assert_int_equal(far.fetches, 41); /* each block once */
    assert_int_equal(far.most, MS_READAHEAD_BLOCKS);
    /* 41 round trips, six at once, but for the beginning */
    assert_true(result.end_ns <= 12 * TRIP_NS);
}

static int elsewhere(void *arg)
{
    (void)arg;
    ms_readahead_init(&far.ahead, fetch, &far, VALUE);
    check_read(0, PIECE);
    check_read(PIECE, PIECE);
    unsigned before = far.fetches;
    check_read(10 * BLOCK, 100); /* straight */
    check_read(VALUE - 7, 7);
    assert_int_equal(far.fetches, before + 2);
    check_read(2 * PIECE, 4 * BLOCK);             /* and on in order, from what is ahead */
    check_read(2 * PIECE + 4 * BLOCK, 9 * BLOCK); /* more than would be ahead: at once */
    check_read(2 * PIECE + 13 * BLOCK, 5);
    for (unsigned i = 0; i < 12; i++) /* another order */
        check_read(20 * BLOCK + i * PIECE, PIECE);
    ms_readahead_fini(&far.ahead);
    return 0;
}

static void reads_elsewhere(void **state)
{
    struct ms_sim_result result;
    (void)state;
    assert_int_equal(run(elsewhere, &result), 0);
    assert_int_equal(far.under_way, 0);
}

static int with_failures(void *arg)
{
    struct ms_error err = {0};
    uint8_t *got = malloc(PIECE);
    (void)arg;
    assert_non_null(got);
    ms_readahead_init(&far.ahead, fetch, &far, VALUE);
    far.fail_at = 9 * BLOCK + 5;
    far.failures = 2;
    uint64_t at = 0;
    for (; at < 9 * BLOCK; at += PIECE) /* not before its place */
        check_read(at, PIECE);
    for (unsigned i = 0; i < 2; i++) {
        err = (struct ms_error){0};
        assert_int_equal(ms_readahead_read(&far.ahead, at, got, PIECE, &err), MS_ERR_IO);
        assert_string_equal(err.text, "the line broke at 37748736");
    }
    for (; at < 12 * BLOCK; at += PIECE) /* the line is whole again */
        check_read(at, PIECE);
    ms_readahead_fini(&far.ahead); /* with blocks under way */
    assert_int_equal(far.under_way, 0);
    free(got);
    return 0;
}

static void reports_failures_in_their_place(void **state)
{
    struct ms_sim_result result;
    (void)state;
    assert_int_equal(run(with_failures, &result), 0);
}

static int one_of_many(void *arg, size_t index)
{
    (void)arg;
    for (unsigned i = 0; i < 6; i++)
        check_read(((index * 7 + i * 3) % 40) * BLOCK + index, 1000 + index);
    return 0;
}

static int by_many(void *arg)
{
    (void)arg;
    ms_readahead_init(&far.ahead, fetch, &far, VALUE);
    assert_int_equal(ms_parallel(8, 8, one_of_many, NULL, NULL), 0);
    ms_readahead_fini(&far.ahead);
    return 0;
}

static void serves_many_threads(void **state)
{
    struct ms_sim_result result;
    (void)state;
    assert_int_equal(run(by_many, &result), 0);
}

static int one_apart(void *arg, size_t index)
{
    (void)arg;
    check_read(index * 10 * BLOCK, 100);
    return 0;
}

static int beside(void *arg)
{
    (void)arg;
    ms_readahead_init(&far.ahead, fetch, &far, VALUE);
    assert_int_equal(ms_parallel(4, 4, one_apart, NULL, NULL), 0);
    assert_true(ms_clock_now(ms_sim_clock()) <= 2 * TRIP_NS); /* four, one after another: 4 */
    ms_readahead_fini(&far.ahead);
    return 0;
}

/* Somebody who waits for the line keeps nobody else from it. */
static void readers_do_not_wait_for_each_other(void **state)
{
    struct ms_sim_result result;
    (void)state;
    assert_int_equal(run(beside, &result), 0);
}

static int cancelled(void *arg)
{
    struct ms_group *g = arg;
    struct ms_error err = {0};
    uint8_t byte;
    ms_group_cancel(g);
    return ms_readahead_read(&far.ahead, 0, &byte, 1, &err) == MS_ERR_CANCELLED ? 0 : 1;
}

static int cancelling(void *arg)
{
    struct ms_group *g;
    struct ms_join join;
    (void)arg;
    ms_readahead_init(&far.ahead, fetch, &far, VALUE);
    assert_int_equal(ms_group_new(&g, NULL), 0);
    assert_int_equal(ms_group_fork(g, cancelled, NULL, g, NULL), 0);
    ms_group_join_all(g, &join);
    assert_int_equal(join.succeeded, 1);
    ms_group_release(g);
    check_read(0, 10); /* others still read */
    ms_readahead_fini(&far.ahead);
    return 0;
}

static void gives_way_to_cancellation(void **state)
{
    struct ms_sim_result result;
    (void)state;
    assert_int_equal(run(cancelling, &result), 0);
}

int main(void)
{
    for (size_t i = 0; i < PERIOD; i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_in_order_ahead),
        cmocka_unit_test(reads_elsewhere),
        cmocka_unit_test(reports_failures_in_their_place),
        cmocka_unit_test(serves_many_threads),
        cmocka_unit_test(readers_do_not_wait_for_each_other),
        cmocka_unit_test(gives_way_to_cancellation),
    };
    return cmocka_run_group_tests_name("readahead", tests, NULL, NULL);
}
