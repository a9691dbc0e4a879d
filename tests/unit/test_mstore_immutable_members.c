/* mstore/value_acks.c, value_load.c: what a member costs that hangs, is full, or is slow. */
#include "mstore/immutable.h"

#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>

#define MS UINT64_C(1000000)

struct timed {
    const char *policy;
    unsigned members, hang; /* the first `hang` members of the order */
    uint64_t latency_ns, store_ns, load_ns;
    int code;
};

/* In virtual time: how long do a store and a load take while members hang? */
static int timed_run(void *arg)
{
    struct timed *t = arg;
    struct fleet f;
    struct ms_buf *value = fleet_value(100000, 9), *got = NULL;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = t->members,
                                           .policy = t->policy,
                                           .clock = ms_sim_clock(),
                                           .latency_ns = t->latency_ns,
                                           .lease_ns = 100 * MS});
    struct ms_site site = fleet_site(&f, "0123");
    struct ms_cancel *cancel = NULL;
    check_ok(ms_cancel_new(&cancel, &err), err);
    struct ms_cancel *before = ms_cancel_swap(cancel);
    for (unsigned i = 0; i < t->hang; i++)
        fleet_hang(&f, site.order.member[i], 1);
    uint64_t begin = ms_clock_now(f.clock);
    t->code = ms_immutable_store(&site, f.ids, value, NULL, &err);
    t->store_ns = ms_clock_now(f.clock) - begin;
    for (unsigned i = 0; i < t->hang; i++)
        fleet_hang(&f, site.order.member[i], 1);
    begin = ms_clock_now(f.clock);
    if (!t->code)
        t->code = ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err);
    t->load_ns = ms_clock_now(f.clock) - begin;
    if (!t->code)
        assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data, 100000);
    ms_buf_unref(got);
    ms_buf_unref(value);
    ms_cancel_fire(cancel); /* lets go of what hangs */
    ms_cancel_swap(before);
    check_ok(ms_sleep(f.clock, UINT64_C(60000000000), &err), err);
    fleet_free(&f);
    ms_cancel_free(cancel);
    return 0;
}

static void timed(struct timed *t)
{
    struct ms_error err = {0};
    struct ms_sim_options options = {.seed = 5};
    check_ok(ms_sim_run(&options, timed_run, t, NULL, &err), err);
}

static void a_hanging_member_costs_a_second(void **state)
{
    (void)state;
    struct timed healthy = {"redundancy = copies 3\n", 5, 0, 10 * MS, 0, 0, 0};
    timed(&healthy);
    assert_int_equal(healthy.store_ns / MS, 10);
    assert_int_equal(healthy.load_ns / MS, 10);
    struct timed copies = {"redundancy = copies 3\n", 5, 1, 10 * MS, 0, 0, 0};
    timed(&copies); /* two of three are enough: 1 s (or 4 × late) for the third, 10 ms each for the
                       note, the mark and a look at it; then a lease is outlasted */
    assert_int_equal(copies.code, 0);
    assert_in_range(copies.store_ns / MS, 1100, 2400);
    assert_in_range(copies.load_ns / MS, 10, 600); /* asked somebody else when it was late */
    struct timed pair = {"redundancy = copies 2\n", 3, 1, 10 * MS, 0, 0, 0};
    timed(&pair); /* two needed: after that time a third member takes the copy */
    assert_int_equal(pair.code, 0);
    assert_in_range(pair.store_ns / MS, 1100, 2400);
    struct timed coded = {"redundancy = ec 4+2\n", 6, 1, 10 * MS, 0, 0, 0};
    timed(&coded);
    assert_int_equal(coded.code, 0);
    assert_in_range(coded.load_ns / MS, 20, 1100);
}

/* A member is known to be dead, and so are the notes about it; then its probe comes due. */
static int probed_run(void *arg)
{
    uint64_t *store_ns = arg;
    struct fleet f;
    struct ms_buf *value = fleet_value(1000, 9);
    struct ms_error err = {0};
    struct ms_cancel *cancel = NULL;
    bool probe;
    fleet_make(&f, &(struct fleet_options){.members = 3,
                                           .policy = "redundancy = copies 3\n",
                                           .clock = ms_sim_clock(),
                                           .latency_ns = 10 * MS,
                                           .lease_ns = 100 * MS});
    struct ms_site site = fleet_site(&f, "0123");
    struct ms_health *h = ms_member_health(f.roster->members[site.order.member[0]]);
    check_ok(ms_cancel_new(&cancel, &err), err);
    struct ms_cancel *before = ms_cancel_swap(cancel);
    check_ok(ms_health_admit(h, "m", ms_clock_now(f.clock), &probe, &err), err);
    ms_health_note(h, probe, MS_ERR_TIMEOUT, "dead", ms_clock_now(f.clock), 3000 * MS, 0);
    check_ok(ms_immutable_store(&site, f.ids, value, NULL, &err), err);
    check_ok(ms_sleep(f.clock, 4000 * MS, &err), err);
    fleet_hang(&f, site.order.member[0], 1);
    uint64_t calls = ms_emulator_calls(f.emulator[site.order.member[0]], MS_VERB_COUNT);
    uint64_t begin = ms_clock_now(f.clock);
    check_ok(ms_immutable_store(&site, f.ids, value, NULL, &err), err);
    *store_ns = ms_clock_now(f.clock) - begin;
    assert_true(ms_emulator_calls(f.emulator[site.order.member[0]], MS_VERB_COUNT) > calls);
    ms_cancel_fire(cancel);
    ms_cancel_swap(before);
    check_ok(ms_sleep(f.clock, UINT64_C(60000000000), &err), err);
    ms_buf_unref(value);
    fleet_free(&f);
    ms_cancel_free(cancel);
    return 0;
}

static void a_probe_is_not_waited_for(void **state)
{
    (void)state;
    uint64_t store_ns = 0;
    struct ms_error err = {0};
    struct ms_sim_options options = {.seed = 5};
    check_ok(ms_sim_run(&options, probed_run, &store_ns, NULL, &err), err);
    assert_in_range(store_ns / MS, 10, 200); /* by either of two calls at once */
}

static void a_full_member_is_replaced(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_buf *value = fleet_value(100000, 8), *large = fleet_value(600000, 9);
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 2\n", .capacity = "400kB"});
    struct ms_site site = fleet_site(&f, "0000");
    struct ms_error err = {0};
    check_code(ms_immutable_store(&site, f.ids, large, NULL, &err), MS_ERR_NO_SPACE, err);
    check_text(err, "data/0000 could not be stored: 0 of 2 needed members have it");
    char key[16];
    int code = 0;
    unsigned stored = 0;
    for (; !code; stored += !code) { /* until none of the three has room */
        snprintf(key, sizeof key, "%04x", stored + 1);
        site = fleet_site(&f, key);
        code = ms_immutable_store(&site, f.ids, value, NULL, &err);
    }
    check_code(code, MS_ERR_NO_SPACE, err);
    assert_in_range(stored, 4, 6); /* three times three copies fit in, two for each value */
    for (unsigned i = 0; i < stored; i++) {
        snprintf(key, sizeof key, "%04x", i + 1);
        fleet_assert_loads(&f, key, value);
    }
    ms_buf_unref(value);
    ms_buf_unref(large);
    fleet_free(&f);
}

static int hedged_run(void *arg)
{
    struct fleet f;
    struct ms_buf *value = fleet_value(1000, 9);
    struct fleet_options options = {.members = 2,
                                    .policy = "redundancy = copies 2\n",
                                    .clock = ms_sim_clock(),
                                    .latency_ns = 10 * MS};
    (void)arg;
    fleet_make(&f, &options);
    fleet_put(&f, "0123", value);
    for (int i = 0; i < 100; i++) /* health knows what is normal */
        fleet_assert_loads(&f, "0123", value);
    struct ms_hedge_view view;
    ms_hedge_view(f.roster->hedge, &view);
    assert_int_equal(view.hedges, 0);
    struct ms_error err = {0};
    struct ms_cancel *cancel = NULL, *before;
    check_ok(ms_cancel_new(&cancel, &err), err);
    before = ms_cancel_swap(cancel);
    fleet_hang(&f, 0, 1);
    uint64_t begin = ms_clock_now(f.clock);
    for (int i = 0; i < 20; i++)
        fleet_assert_loads(&f, "0123", value);
    uint64_t spent = (ms_clock_now(f.clock) - begin) / MS;
    assert_in_range(spent, 210, 270); /* one of them was late by twice what is normal */
    ms_hedge_view(f.roster->hedge, &view);
    assert_int_equal(view.hedges, 1);
    ms_cancel_fire(cancel);
    ms_cancel_swap(before);
    check_ok(ms_sleep(f.clock, 10 * MS, &err), err);
    ms_buf_unref(value);
    fleet_free(&f);
    ms_cancel_free(cancel);
    return 0;
}

static void a_slow_member_is_hedged(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_sim_options options = {.seed = 6};
    check_ok(ms_sim_run(&options, hedged_run, NULL, NULL, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hanging_member_costs_a_second),
        cmocka_unit_test(a_probe_is_not_waited_for),
        cmocka_unit_test(a_full_member_is_replaced),
        cmocka_unit_test(a_slow_member_is_hedged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
