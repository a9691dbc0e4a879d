/* mstore/upkeep_notes.c over immutable keys: what is noted about a member that was away is made up
 * for, and what is heard of afterwards. */
#include "mstore/away.h"
#include "mstore/immutable.h"
#include "mstore/notes.h"
#include "mstore/value_parts.h"

#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/upkept.h"

static bool any_lack_is_noted(struct fleet *f)
{
    const struct ms_layout *l = f->roster->layout;
    bool found = false;
    for (unsigned keeper = 0; keeper < f->count; keeper++)
        for (unsigned about = 0; about < f->count && !found; about++)
            assert_int_equal(ms_notes_any(f->roster->members[keeper], &l->uuid,
                                          &l->members[about].uuid, &found, NULL),
                             0);
    return found;
}

/* Three copies 10 ms away, in virtual time. */
static void make_far(struct fleet *f)
{
    fleet_make(f, &(struct fleet_options){.members = 3,
                                          .policy = "redundancy = copies 3\n",
                                          .clock = ms_sim_clock(),
                                          .latency_ns = 10000000,
                                          .seed = 3,
                                          .lease_ns = 50000000});
}

/* Stored while a member was away: its notes are gone when it has all again, but for those that a
 * put may still come. */
static int replay(void *arg)
{
    struct fleet f;
    (void)arg;
    make_far(&f);
    fleet_gone(&f, 2, true);
    upkept_put(&f);
    assert_true(ms_roster_quiet(f.roster, UINT64_MAX));
    fleet_gone(&f, 2, false);
    assert_true(any_lack_is_noted(&f));
    assert_true(ms_member_returning(f.roster->members[2]));
    struct ms_upkeep_report *r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
    assert_true(ms_upkeep_report_clean(r));
    assert_int_equal(r->repaired, UPKEPT_KEYS);
    assert_int_equal(r->keys, UPKEPT_KEYS);
    assert_int_equal(r->members[2].written, UPKEPT_KEYS);
    assert_true(r->members[2].notes >= UPKEPT_KEYS);
    ms_upkeep_report_free(r);
    assert_false(any_lack_is_noted(&f));
    assert_in_range(fleet_all(&f, "hint"), 0, 2 * 5); /* before its breaker opened */
    /* a put may still reach it: believed when heal has run once more, a quarter of an hour later */
    assert_true(ms_member_returning(f.roster->members[2]));
    assert_in_range(fleet_all(&f, "away"), 2 + 2, 2 + 3); /* set to closing on a majority */
    upkept_assert_clean(&f, true);
    fleet_free(&f);
    return 0;
}

static void notes_are_replayed_and_removed(void **state)
{
    struct ms_sim_options options = {.seed = 1};
    struct ms_error err = {0};
    (void)state;
    check_ok(ms_sim_run(&options, replay, NULL, NULL, &err), err);
}

/* Puts may still come to two of three, which would be as much as a store leaves: heal has made up
 * for what they lacked, but the value may not be deleted before nothing comes any more. */
static int delete_after_heal(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    struct ms_upkeep_report *r = NULL;
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_buf *value = fleet_value(100, 1);
    char key[65];
    (void)arg;
    make_far(&f);
    for (unsigned away = 1; away < 3; away++) {
        if (away == 2)
            fleet_assert_loads(&f, key, value); /* the news is fresh: it is not asked before */
        fleet_gone(&f, away, true);
        fleet_put(&f, fleet_digest(value, key), value);
        assert_true(ms_roster_quiet(f.roster, UINT64_MAX));
        fleet_gone(&f, away, false);
        check_ok(ms_sleep(ms_sim_clock(), 60 * MS_SECOND, &err), err);
    }
    for (unsigned round = 0; round < 2; round++) {
        struct ms_site site = fleet_site(&f, key);
        check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, &o, &r, &err), err);
        assert_true(ms_upkeep_report_clean(r));
        ms_upkeep_report_free(r);
        fleet_put(&f, key, value); /* a deletion that is refused may have been done or not */
        int code = ms_immutable_delete(&site, f.ids, &err);
        assert_int_equal(code, round == 0 ? MS_ERR_BUSY : 0);
        check_ok(ms_sleep(ms_sim_clock(), 2 * MS_AWAY_GRACE_NS, &err), err);
    }
    ms_buf_unref(value);
    fleet_free(&f);
    return 0;
}

static void what_may_come_late_is_heard_of_after_heal(void **state)
{
    (void)state;
    struct ms_sim_options options = {.seed = 1};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, delete_after_heal, NULL, NULL, &err), err);
}

/* How long notes are worked off with so many keys at once, members 10 ms away. */
struct together {
    unsigned jobs;
    uint64_t took_ns;
};

static int work_off(void *arg)
{
    struct together *t = arg;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_upkeep_report *r = NULL;
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    o.jobs = t->jobs;
    o.notes_only = true;
    make_far(&f);
    fleet_gone(&f, 2, true);
    for (unsigned i = 0; i < UPKEPT_KEYS; i++) {
        char key[65];
        struct ms_buf *value = fleet_value(100, i + 1);
        fleet_put(&f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
    assert_true(ms_roster_quiet(f.roster, UINT64_MAX));
    fleet_gone(&f, 2, false);
    uint64_t begin = ms_clock_now(ms_sim_clock());
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, &o, &r, &err), err);
    t->took_ns = ms_clock_now(ms_sim_clock()) - begin;
    assert_int_equal(r->repaired, UPKEPT_KEYS);
    ms_upkeep_report_free(r);
    assert_in_range(fleet_all(&f, "hint"), 2, 2 * 5); /* before its breaker opened */
    assert_false(any_lack_is_noted(&f));
    assert_int_equal(fleet_objects(&f, 2, "val"), UPKEPT_KEYS);
    check_ok(ms_sleep(ms_sim_clock(), MS_AWAY_GRACE_NS, &err), err);
    check_ok(ms_upkeep_run(NULL, f.roster, MS_UPKEEP_HEAL, &o, &r, &err), err);
    assert_int_equal(r->members[2].notes, 0);
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "hint"), 0); /* nothing comes any more */
    fleet_free(&f);
    return 0;
}

static void notes_are_worked_off_several_at_once(void **state)
{
    (void)state;
    struct together one = {.jobs = 1}, many = {.jobs = 16};
    struct ms_sim_options options = {.seed = 1};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, work_off, &one, NULL, &err), err);
    check_ok(ms_sim_run(&options, work_off, &many, NULL, &err), err);
    print_message("one by one %.2f s, 16 at once %.2f s\n", (double)one.took_ns / 1e9,
                  (double)many.took_ns / 1e9);
    assert_true(many.took_ns * 4 < one.took_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_replayed_and_removed),
        cmocka_unit_test(notes_are_worked_off_several_at_once),
        cmocka_unit_test(what_may_come_late_is_heard_of_after_heal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
