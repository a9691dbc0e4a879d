/* The emulator's options by URL and environment, and that its seed decides everything. */
#include "support/check.h"
#include "support/emulated.h"

#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"
#include "emulator/emulator.h"

#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

/* Makes a backend from a URL on a virtual clock. */
static int make(const char *text, bool environment, struct ms_clock *clock, struct ms_backend **out,
                struct ms_error *err)
{
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    struct ms_url *url;
    int rc = ms_url_parse(text, &url, err);
    if (rc < 0)
        return rc;
    rc = ms_emulator_make_url(url, &env, environment, out, err);
    ms_url_free(url);
    return rc;
}

static bool emulated(struct ms_backend *b)
{
    return ms_emulator_set_gone(b, false, NULL) == 0;
}

/* How long a store of `size` bytes takes over that URL. */
static uint64_t time_of_store(const char *text, bool environment, size_t size)
{
    struct ms_error err = {0};
    struct ms_clock *clock = ms_clock_virtual_new(0);
    struct ms_backend *b;
    check_ok(make(text, environment, clock, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    uint64_t begin = ms_clock_now(clock);
    check_ok(emulated_put(b, "v", size, 1, &err), err);
    uint64_t took = ms_clock_now(clock) - begin;
    ms_backend_free(b);
    ms_clock_free(clock);
    return took;
}

static void test_url(void **state)
{
    (void)state;
    assert_int_equal(time_of_store("memory:?emulate.latency=50ms", true, 100), 50 * MS);
    assert_int_equal(time_of_store("memory:?emulate.bandwidth=8mbit", true, 1000000), 1000 * MS);
    assert_int_equal(
        time_of_store("memory:?emulate.bandwidth=8mbit&emulate.up=4mbit", true, 1000000),
        2000 * MS);
    assert_int_equal(time_of_store("memory:?emulate.down=4mbit", true, 1000000), 0);
    assert_int_equal(
        time_of_store("memory:?emulate.latency=50ms&emulate.bandwidth=1MB/s", true, 500000),
        550 * MS);
}

static void test_url_settings(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_url *url;
    struct ms_emulation e;
    bool any = false;
    ms_emulation_init(&e);
    check_ok(
        ms_url_parse("memory:?emulate.jitter=5ms&emulate.distribution=normal&emulate.seed=9&"
                     "emulate.error=load:1%25:IO,any:0.5&emulate.fail=store:3:after&"
                     "emulate.hang=move:2&emulate.torn=0.25&emulate.flip=0.5&emulate.gone=10-20",
                     &url, &err),
        err);
    check_ok(ms_emulation_from_url(url, &e, &any, &err), err);
    check_ok(ms_url_check_taken(url, &err), err);
    ms_url_free(url);
    assert_true(any);
    assert_int_equal(e.jitter_ns, 5 * MS);
    assert_int_equal(e.distribution, MS_NORMAL);
    assert_int_equal(e.seed, 9);
    assert_true(e.torn_rate == 0.25 && e.flip_rate == 0.5);
    assert_int_equal(e.gone_from, 10);
    assert_int_equal(e.gone_until, 20);
    assert_int_equal(e.fault_count, 4);
    const struct ms_fault *f = e.faults;
    assert_true(f[0].verb == MS_VERB_LOAD && f[0].kind == MS_FAULT_RATE && f[0].rate == 0.01);
    assert_int_equal(f[0].code, MS_ERR_IO);
    assert_true(f[1].verb == MS_VERB_COUNT && f[1].rate == 0.5 && f[1].code == 0);
    assert_true(f[2].verb == MS_VERB_STORE && f[2].kind == MS_FAULT_NTH && f[2].nth == 3);
    assert_true(f[2].after && !f[0].after);
    assert_true(f[3].verb == MS_VERB_MOVE && f[3].kind == MS_FAULT_HANG && f[3].nth == 2);
    free((void *)(uintptr_t)e.faults);
}

static void test_bad_values_name_the_option(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "emulate.latency=fast",
        "emulate.latency=-1ms",
        "emulate.latency=",
        "emulate.jitter=5 apples",
        "emulate.distribution=pareto",
        "emulate.bandwidth=20",
        "emulate.up=much",
        "emulate.down=mbit",
        "emulate.seed=x",
        "emulate.error=load",
        "emulate.error=load:2",
        "emulate.error=load:1%25,",
        "emulate.error=fetch:0.1",
        "emulate.error=load:0.1:NOPE",
        "emulate.error=load:0.1:IO:x",
        "emulate.error=a:b:c:d:e",
        "emulate.fail=store",
        "emulate.fail=store:0",
        "emulate.fail=store:x",
        "emulate.fail=store:1:during",
        "emulate.fail=store:1:after:NOPE",
        "emulate.torn=2",
        "emulate.flip=-1",
        "emulate.hang=load:0",
        "emulate.hang=load:1:2",
        "emulate.gone=5",
        "emulate.gone=0-3",
        "emulate.gone=9-3",
        "emulate.gone=a-b",
    };
    struct ms_clock *clock = ms_clock_virtual_new(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_error err = {0};
        struct ms_backend *b = NULL;
        char url[128], key[64];
        snprintf(url, sizeof url, "memory:?%s", bad[i]);
        snprintf(key, sizeof key, "%.*s", (int)strcspn(bad[i], "="), bad[i]);
        check_code(make(url, true, clock, &b, &err), MS_ERR_URL, err);
        check_text(err, key);
        assert_int_equal(err.code, MS_ERR_URL);
        assert_null(b);
    }
    ms_clock_free(clock);
}

static void test_plain_without_options(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *b = NULL;
    struct ms_clock *clock = ms_clock_virtual_new(0);
    check_ok(make("memory:", true, clock, &b, &err), err);
    assert_false(emulated(b));
    ms_backend_free(b);
    b = NULL;
    check_code(make("memory:?emulate.speed=1", true, clock, &b, &err), MS_ERR_URL, err);
    check_text(err, "emulate.speed");
    check_code(make("nowhere:?emulate.latency=1ms", true, clock, &b, &err), MS_ERR_URL, err);
    assert_null(b);
    ms_clock_free(clock);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("MSTORE_LATENCY", "50000", 1); /* microseconds */
    assert_int_equal(time_of_store("memory:", true, 1000000), 50 * MS);
    assert_int_equal(time_of_store("memory:", false, 1000000), 0);
    setenv("MSTORE_BANDWIDTH", "8e6", 1); /* bits per second */
    assert_int_equal(time_of_store("memory:", true, 1000000), 1050 * MS);
    /* the URL knows better */
    assert_int_equal(time_of_store("memory:?emulate.latency=1ms", true, 1000000), 1001 * MS);
    setenv("MSTORE_LATENCY", "0.5", 1);
    unsetenv("MSTORE_BANDWIDTH");
    assert_int_equal(time_of_store("memory:", true, 1), 500);
    static const char *const bad[] = {"fast", "-1", "1x", "nan", "inf", "1e30"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_error err = {0};
        struct ms_backend *b = NULL;
        setenv("MSTORE_LATENCY", bad[i], 1);
        check_code(make("memory:", true, ms_clock_real(), &b, &err), MS_ERR_CONFIG, err);
        check_text(err, "MSTORE_LATENCY");
    }
    struct ms_error err = {0};
    struct ms_backend *b = NULL;
    setenv("MSTORE_LATENCY", "0", 1);
    setenv("MSTORE_BANDWIDTH", "", 1);
    check_ok(make("memory:", true, ms_clock_real(), &b, &err), err);
    assert_false(emulated(b));
    ms_backend_free(b);
    unsetenv("MSTORE_LATENCY");
    unsetenv("MSTORE_BANDWIDTH");
}

/* ---- the seed ---- */

struct play {
    uint64_t emulator_seed;
    struct ms_backend *b;
    unsigned failed;
};

static int play_one(void *arg, size_t i)
{
    struct play *play = arg;
    for (unsigned round = 0; round < 20; round++) {
        char name[32];
        struct ms_error err = {0};
        snprintf(name, sizeof name, "d/%zu", (i + round) % 5);
        int rc = round % 3 ? emulated_get(play->b, name, NULL, &err)
                           : emulated_put(play->b, name, 100 + round, (uint8_t)i, &err);
        play->failed += rc < 0;
        ms_sim_note("task %zu round %u: %d %s", i, round, rc, err.text);
    }
    return 0;
}

static int play_all(void *arg)
{
    struct play *play = arg;
    struct ms_error err = {0};
    char url[160];
    snprintf(
        url, sizeof url,
        "memory:?emulate.latency=5ms&emulate.jitter=4ms&emulate.bandwidth=1mbit&emulate.seed=%llu"
        "&emulate.error=any:0.1&emulate.torn=0.1",
        (unsigned long long)play->emulator_seed);
    int rc = make(url, false, ms_sim_clock(), &play->b, &err);
    if (rc < 0)
        return rc;
    rc = ms_backend_create(play->b, &err);
    if (rc == 0)
        rc = ms_backend_open(play->b, &err);
    if (rc == 0)
        rc = ms_parallel(8, 8, play_one, play, &err);
    ms_backend_free(play->b);
    return rc;
}

static uint64_t trace(uint64_t sim_seed, uint64_t emulator_seed, struct ms_sim_result *result)
{
    struct play play = {.emulator_seed = emulator_seed};
    struct ms_sim_options options = {.seed = sim_seed};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, play_all, &play, result, &err), err);
    assert_in_range(play.failed, 1, 159); /* something happens */
    return result->trace_hash;
}

static void test_the_seed_decides(void **state)
{
    (void)state;
    struct ms_sim_result a, b;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        assert_int_equal(trace(seed, 7, &a), trace(seed, 7, &b));
        assert_int_equal(a.end_ns, b.end_ns);
        assert_int_equal(a.steps, b.steps);
    }
    assert_int_not_equal(trace(1, 7, &a), trace(1, 8, &b)); /* other faults and delays */
    assert_int_not_equal(trace(1, 7, &a), trace(2, 7, &b)); /* another order of tasks */
}

/* ---- statistics keep the delay apart ---- */

static void test_delay_is_reported(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_clock *clock = ms_clock_virtual_new(0);
    struct ms_backend *b;
    struct ms_stats_snapshot *before, *after, *now;
    check_ok(make("memory:?emulate.latency=50ms", false, clock, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    check_ok(ms_stats_take(&before, &err), err);
    for (int i = 0; i < 4; i++)
        check_ok(emulated_put(b, "v", 10, 1, &err), err);
    check_ok(ms_stats_take(&after, &err), err);
    check_ok(ms_stats_diff(before, after, &now, &err), err);
    uint64_t calls = 0, emulated_ns = 0, time_ns = 0, volume = 0;
    for (size_t i = 0; i < now->count; i++) {
        calls += now->entities[i].verbs[MS_VERB_STORE].calls;
        emulated_ns += now->entities[i].verbs[MS_VERB_STORE].emulated_ns;
        time_ns += now->entities[i].verbs[MS_VERB_STORE].time_ns;
        volume += now->entities[i].verbs[MS_VERB_STORE].volume_bytes;
    }
    assert_int_equal(calls, 4); /* not once more for the backend behind */
    assert_int_equal(volume, 40);
    assert_int_equal(emulated_ns, 200 * MS);
    assert_int_equal(time_ns, 200 * MS);
    ms_stats_free(before);
    ms_stats_free(after);
    ms_stats_free(now);
    ms_backend_free(b);
    ms_clock_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_url_settings),
        cmocka_unit_test(test_bad_values_name_the_option),
        cmocka_unit_test(test_plain_without_options),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_the_seed_decides),
        cmocka_unit_test(test_delay_is_reported),
    };
    unsetenv("MSTORE_LATENCY");
    unsetenv("MSTORE_BANDWIDTH");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
