/* The run of mstore/upkeep.h: its cursor, its pace, being cancelled, samples; and calls that fail
 * at every point of a heal, of which the next one leaves nothing; a member that is just back. */
#include "mstore/upkeep.h"

#include "base/pool.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS   60
#define SECOND UINT64_C(1000000000)

static void fill(struct fleet *f, const struct fleet_options *o, unsigned keys, size_t size)
{
    fleet_make(f, o);
    for (unsigned i = 0; i < keys; i++) {
        char key[65];
        struct ms_buf *value = fleet_value(size + i, i);
        fleet_put(f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
}

/* ---- the cursor as text ---- */

static void cursors_come_back(void **state)
{
    (void)state;
    struct ms_upkeep_cursor c = {
        .step = "immutable", .left = 0x1d0, .space_size = 4, .key_size = MS_BYTES_KEY_MAX};
    struct ms_upkeep_cursor got;
    char text[MS_UPKEEP_CURSOR_TEXT];
    memcpy(c.space, "data", 4);
    for (size_t i = 0; i < sizeof c.key; i++)
        c.key[i] = (uint8_t)(i * 7);
    ms_upkeep_cursor_format(&c, 12, 0x1234, text);
    assert_true(ms_upkeep_cursor_parse(ms_str(text), 12, 0x1234, &got));
    assert_string_equal(got.step, "immutable");
    assert_int_equal(got.left, 0x1d0);
    assert_int_equal(got.space_size, 4);
    assert_memory_equal(got.space, "data", 4);
    assert_int_equal(got.key_size, c.key_size);
    assert_memory_equal(got.key, c.key, c.key_size);
    assert_false(ms_upkeep_cursor_parse(ms_str(text), 13, 0x1234, &got)); /* another layout */
    assert_false(ms_upkeep_cursor_parse(ms_str(text), 12, 0x1235, &got)); /* another run */
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) { /* cut, or one bit changed: never believed */
        assert_false(ms_upkeep_cursor_parse(ms_view(text, i), 12, 0x1234, &got));
        text[i] ^= 1;
        assert_false(ms_upkeep_cursor_parse(ms_str(text), 12, 0x1234, &got));
        text[i] ^= 1;
    }
    c = (struct ms_upkeep_cursor){.step = "plain"};
    ms_upkeep_cursor_format(&c, 1, 0, text);
    assert_memory_equal(text, "mstore-upkeep 2 1 0000000000000000 0000000000000000 plain - - ", 62);
    assert_true(ms_upkeep_cursor_parse(ms_str(text), 1, 0, &got));
    assert_int_equal(got.space_size + got.key_size, 0);
}

/* ---- pace ---- */

static void told(void *ctx, const struct ms_upkeep_progress *p)
{
    uint64_t *last = ctx;
    assert_true(p->keys >= *last);
    assert_true(p->fraction < 1);
    *last = p->keys;
}

struct pace {
    uint64_t took_ns, bytes, last;
};

static int paced(void *arg)
{
    struct pace *p = arg;
    struct fleet f;
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    fill(&f,
         &(struct fleet_options){
             .members = 3, .policy = "redundancy = copies 2\n", .clock = ms_sim_clock()},
         KEYS, 10000);
    o.deep = true;
    o.bytes_per_second = 100000;
    o.progress = told;
    o.ctx = &p->last;
    uint64_t begin = ms_clock_now(ms_sim_clock());
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_SCRUB, &o, &r, &err), err);
    p->took_ns = ms_clock_now(ms_sim_clock()) - begin;
    p->bytes = r->bytes_read;
    assert_int_equal(r->keys, KEYS);
    ms_upkeep_report_free(r);
    assert_int_equal(ms_sleep(ms_sim_clock(), 60 * SECOND, NULL), 0);
    fleet_free(&f);
    return 0;
}

static void bandwidth_is_kept(void **state)
{
    (void)state;
    struct pace p = {0};
    struct ms_sim_options options = {.seed = 1, .start_ns = SECOND};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, paced, &p, NULL, &err), err);
    assert_true(p.bytes > 2 * KEYS * 10000);
    double seconds = (double)p.took_ns / 1e9, least = (double)p.bytes / 100000 - 1;
    assert_true(seconds >= least && seconds < least + 5);
    assert_true(p.last > 0);
}

/* ---- samples, one namespace, bad options ---- */

static void samples_are_drawn(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    fill(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = copies 2\n"}, 200, 10);
    o.sample_ppm = 250000;
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_SCRUB, &o, &r, &err), err);
    assert_true(r->keys > 10 && r->keys < 120);
    ms_upkeep_report_free(r);
    o.sample_ppm = 0;
    o.space = "data";
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_SCRUB, &o, &r, &err), err);
    assert_int_equal(r->keys, 200);
    ms_upkeep_report_free(r);
    o.space = "dat";
    check_code(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_SCRUB, &o, &r, &err), MS_ERR_INVALID, err);
    check_text(err, "there is no namespace \"dat\"");
    ms_upkeep_report_free(r);
    fleet_free(&f);
}

/* ---- interrupted ---- */

struct stopping {
    struct ms_cancel *token;
    unsigned left; /* findings until then */
};

static void stop(void *ctx, const struct ms_upkeep_finding *finding)
{
    struct stopping *s = ctx;
    (void)finding;
    if (s->left && --s->left == 0)
        ms_cancel_fire(s->token);
}

/* Cancelled after every number of findings: nothing half-written is there, and the next run ends
 * what is left. */
static void cancelled_runs_leave_nothing_behind(void **state)
{
    (void)state;
    for (unsigned left = 1; left < 12; left += 3) {
        struct fleet f;
        struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
        struct ms_upkeep_report *r = NULL;
        struct ms_error err = {0};
        struct stopping s = {.left = left};
        fill(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = ec 2+1\n"}, 20,
             9000);
        ms_pool_shutdown();
        fleet_wipe(&f, 1, "val");
        check_ok(ms_cancel_new(&s.token, &err), err);
        o.found = stop;
        o.ctx = &s;
        o.jobs = 1;
        struct ms_cancel *before = ms_cancel_swap(s.token);
        int code = ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, &o, &r, &err);
        ms_cancel_swap(before);
        check_code(code, MS_ERR_CANCELLED, err);
        assert_true(r->repaired < 20);
        ms_upkeep_report_free(r);
        ms_cancel_free(s.token);
        assert_true(fleet_objects(&f, 1, "val") < 20);
        check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, NULL, &r, &err), err);
        assert_true(ms_upkeep_report_clean(r));
        ms_upkeep_report_free(r);
        assert_int_equal(fleet_objects(&f, 1, "val"), 20);
        fleet_free(&f);
    }
}

/* ---- faults ---- */

/* Call number k of any member fails, before or after its effect. */
static bool one_fault(unsigned k, bool after, const char *policy)
{
    struct fleet f;
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    fill(&f, &(struct fleet_options){.members = 3, .policy = policy}, 3, 70000);
    ms_pool_shutdown();
    unsigned all = fleet_all(&f, "val"), on_one = fleet_objects(&f, 1, "val");
    fleet_wipe(&f, 1, "val");
    for (unsigned i = 0; i < 3; i++) {
        uint64_t so_far = ms_emulator_calls(f.emulator[i], MS_VERB_COUNT);
        struct ms_fault fault = {.verb = MS_VERB_COUNT,
                                 .kind = MS_FAULT_NTH,
                                 .nth = so_far + k,
                                 .after = after,
                                 .code = MS_ERR_IO};
        check_ok(ms_emulator_set_faults(f.emulator[i], &fault, 1, &err), err);
    }
    o.jobs = 1;
    o.deep = true;
    bool felt = ms_upkeep_run(NULL, f.roster, MS_UPKEEP_REBALANCE, &o, &r, &err) != 0 ||
                !ms_upkeep_report_clean(r);
    ms_upkeep_report_free(r);
    for (unsigned i = 0; i < 3; i++)
        check_ok(ms_emulator_set_faults(f.emulator[i], NULL, 0, &err), err);
    for (unsigned i = 0; i < 3; i++) {
        char key[65];
        struct ms_buf *value = fleet_value(70000 + i, i);
        fleet_assert_loads(&f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
    ms_pool_shutdown();
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, &o, &r, &err), err);
    if (!ms_upkeep_report_clean(r) || fleet_all(&f, "val") != all ||
        fleet_objects(&f, 1, "val") != on_one || fleet_all(&f, "hint"))
        fail_msg("call %u failed %s: %llu keys are left, %u objects of %u", k,
                 after ? "after" : "before", (unsigned long long)r->failed, fleet_all(&f, "val"),
                 all);
    ms_upkeep_report_free(r);
    fleet_free(&f);
    return felt;
}

static void every_call_may_fail(void **state)
{
    (void)state;
    unsigned felt = 0;
    for (unsigned k = 1; k <= 48; k++) {
        felt += one_fault(k, false, "redundancy = copies 2\n");
        felt += one_fault(k, true, "redundancy = ec 2+1\n");
    }
    assert_true(felt >= 10); /* the rest was borne, or came too late */
}

/* ---- two at once ---- */

struct twin {
    struct fleet *fleet;
    int code;
};

static int heal_it(void *arg)
{
    struct twin *t = arg;
    struct ms_upkeep_report *r = NULL;
    t->code = ms_upkeep_run(NULL, t->fleet->roster, MS_UPKEEP_REBALANCE, NULL, &r, NULL);
    ms_upkeep_report_free(r);
    return t->code;
}

static void two_at_once_do_no_harm(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join joined;
    fill(&f, &(struct fleet_options){.members = 4, .policy = "redundancy = ec 2+1\n"}, KEYS, 20000);
    for (unsigned i = 0; i < KEYS; i += 2) { /* stored twice: one of the two writes goes */
        char key[65];
        struct ms_buf *value = fleet_value(20000 + i, i);
        fleet_put(&f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
    ms_pool_shutdown();
    fleet_wipe(&f, 2, "val");
    struct twin twins[2] = {{&f, 0}, {&f, 0}};
    check_ok(ms_group_new(&group, &err), err);
    for (unsigned i = 0; i < 2; i++)
        check_ok(ms_group_fork(group, heal_it, NULL, &twins[i], &err), err);
    ms_group_join_all(group, &joined);
    ms_group_release(group);
    assert_int_equal(joined.failed, 0);
    ms_pool_shutdown();
    assert_int_equal(fleet_all(&f, "val"), 3 * KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[65];
        struct ms_buf *value = fleet_value(20000 + i, i);
        fleet_assert_loads(&f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
    fleet_free(&f);
}

/* ---- a member that is back ---- */

static int look_at_it(void *arg)
{
    return ms_member_open(arg, NULL);
}

/* It is far, and its breaker still open. Who looks whether it lives keeps all others from it
 * meanwhile; the run waits for that, instead of counting it as away. */
static int heal_when_it_is_back(void *arg)
{
    struct fleet f;
    struct ms_group *group = NULL;
    struct ms_join joined;
    struct ms_error err = {0};
    struct ms_upkeep_report *r = NULL;
    (void)arg;
    fill(&f,
         &(struct fleet_options){.members = 3,
                                 .policy = "redundancy = copies 3\n",
                                 .clock = ms_sim_clock(),
                                 .latency_ns = 1000000,
                                 .last_ns = 300000000,
                                 .lease_ns = 50000000},
         KEYS, 100);
    assert_true(ms_roster_quiet(f.roster, UINT64_MAX));
    fleet_wipe(&f, 2, "val");
    fleet_gone(&f, 2, true);
    struct ms_buf *value = fleet_value(10, KEYS);
    char key[65];
    fleet_put(&f, fleet_digest(value, key), value);
    ms_buf_unref(value);
    assert_true(ms_roster_quiet(f.roster, UINT64_MAX));
    assert_true(ms_health_away(ms_member_health(f.roster->members[2])));
    fleet_gone(&f, 2, false);
    ms_health_try_now(ms_member_health(f.roster->members[2]), ms_clock_now(f.clock));
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, look_at_it, NULL, f.roster->members[2], &err), err);
    check_ok(ms_sleep(f.clock, 1000000, &err), err);
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, NULL, &r, &err), err);
    ms_group_join_all(group, &joined);
    ms_group_release(group);
    assert_int_equal(joined.succeeded, 1);
    assert_string_equal(r->members[2].trouble, "");
    assert_true(ms_upkeep_report_clean(r));
    assert_int_equal(r->members[2].written, KEYS + 1);
    ms_upkeep_report_free(r);
    fleet_free(&f);
    return 0;
}

static void who_is_back_is_waited_for(void **state)
{
    struct ms_sim_options options = {.seed = 1};
    struct ms_error err = {0};
    (void)state;
    check_ok(ms_sim_run(&options, heal_when_it_is_back, NULL, NULL, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursors_come_back),
        cmocka_unit_test(bandwidth_is_kept),
        cmocka_unit_test(samples_are_drawn),
        cmocka_unit_test(cancelled_runs_leave_nothing_behind),
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(two_at_once_do_no_harm),
        cmocka_unit_test(who_is_back_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
