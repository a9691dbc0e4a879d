/* Changes of plain keys that were done by a mirror or two and not acknowledged, and of which one
 * member alone has notes: heal brings them to an end. */
#include "mstore/plain_hint.h"

#include "base/sim.h"
#include "mstore/upkeep.h"
#include "tests/support/check.h"
#include "tests/support/mirrors.h"

#define KEY     "00key"
#define LIVE    "data/00/" KEY
#define DELETED LIVE ".del"

static void make(struct fleet *f)
{
    static struct fleet_options options;
    options = (struct fleet_options){.members = 3,
                                     .clock = ms_sim_clock(),
                                     .kind = "plain",
                                     .policy = "redundancy = all\n",
                                     .latency_ns = 1000000,
                                     .seed = 5};
    fleet_make(f, &options);
}

/* Each in turn, but the first one, misses a change of another key: none of them is believed before
 * heal has been there. */
static void mark_others(struct fleet *f)
{
    struct ms_error err = {0};
    for (unsigned i = 1; i < 3; i++) {
        fleet_gone(f, i, true);
        check_ok(mirrors_put(f, "01missed", "value", &err), err);
        fleet_gone(f, i, false);
        mirrors_pause(60);
    }
}

/* Done by the first member alone. */
static void put_at_first(struct fleet *f, const char *value)
{
    struct ms_error err = {0};
    fleet_gone(f, 1, true);
    fleet_gone(f, 2, true);
    assert_int_not_equal(mirrors_put(f, KEY, value, &err), 0);
    fleet_gone(f, 1, false);
    fleet_gone(f, 2, false);
    mirrors_pause(60);
}

static void assert_at(struct fleet *f, unsigned member, const char *live, const char *deleted)
{
    mirrors_assert_at(f, member, LIVE, live);
    mirrors_assert_at(f, member, DELETED, deleted);
}

/* Until all are believed again. */
static void heal_more(struct fleet *f)
{
    for (unsigned round = 0; round < 2; round++) {
        mirrors_pause(UINT64_C(21) * 60);
        mirrors_heal(f);
    }
    assert_int_equal(fleet_all(f, "hint"), 0);
    assert_int_equal(fleet_all(f, "away"), 0);
}

/* All have soft-deleted one value; the first member has done so with another, as it alone knows,
 * and has taken that back. Who did not take part in that has missed nothing that counts. */
static int take_back(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    make(&f);
    check_ok(mirrors_put(&f, KEY, "hidden", &err), err);
    check_ok(mirrors_move(&f, KEY, MS_MOVE_SOFT_DELETE, &err), err);
    mark_others(&f);
    put_at_first(&f, "other");
    unsigned before = fleet_all(&f, "hint");
    assert_int_not_equal(mirrors_move(&f, KEY, MS_MOVE_SOFT_DELETE, &err), 0);
    assert_int_equal(fleet_all(&f, "hint") - before, 2); /* the first one's, about the others */
    assert_int_not_equal(mirrors_move(&f, KEY, MS_MOVE_UNDELETE, &err), 0);
    assert_non_null(strstr(err.text, "2 have missed changes of it"));
    check_ok(mirrors_put(&f, KEY, "newest", &err), err);
    assert_at(&f, 0, "newest", NULL);
    assert_at(&f, 1, "newest", "hidden");

    fleet_gone(&f, 2, true); /* it could tell that the change was acknowledged */
    assert_false(mirrors_try_heal(&f));
    assert_at(&f, 0, "newest", NULL);
    assert_at(&f, 1, "newest", "hidden");
    fleet_gone(&f, 2, false);
    mirrors_pause(60);
    mirrors_heal(&f);
    for (unsigned i = 0; i < 3; i++)
        assert_at(&f, i, "newest", "hidden");
    heal_more(&f);
    fleet_free(&f);
    return 0;
}

static void copies_count_of_who_missed_only_what_was_not_acknowledged(void **state)
{
    (void)state;
    mirrors_simulated(take_back);
}

/* A soft deletion that the first member alone did and noted; then a store that all did, whose copy
 * the first member loses. */
static int lose_copy(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    make(&f);
    mark_others(&f);
    put_at_first(&f, "other");
    assert_int_not_equal(mirrors_move(&f, KEY, MS_MOVE_SOFT_DELETE, &err), 0);
    check_ok(mirrors_put(&f, KEY, "newest", &err), err);
    check_ok(ms_backend_delete(f.storage[0], ms_str(LIVE), &err), err);
    mirrors_heal(&f);
    for (unsigned i = 0; i < 3; i++)
        mirrors_assert_at(&f, i, LIVE, "newest");
    fleet_free(&f);
    return 0;
}

static void a_deletion_that_was_not_acknowledged_removes_nothing_that_was_stored(void **state)
{
    (void)state;
    mirrors_simulated(lose_copy);
}

/* The first member knows of a soft deletion that the third one missed, the second one of what undid
 * it: neither was acknowledged, and nobody met both. The store between was, by the first and the
 * third. Later changes missed nobody, but for a soft deletion that the first member alone did. */
static int do_twice(void *arg)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    static const struct mirrors_noted notes[] = {{0, 2, 2, MS_PLAIN_SOFT_DELETE, false},
                                                 {0, 1, 2, MS_PLAIN_STORE, false},
                                                 {2, 1, 2, MS_PLAIN_STORE, false},
                                                 {1, 0, 3, MS_PLAIN_UNDELETE, false},
                                                 {1, 2, 3, MS_PLAIN_UNDELETE, false}};
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    make(&f);
    mark_others(&f);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        mirrors_note(&f, KEY, &notes[i]);
    check_ok(mirrors_put(&f, KEY, "newest", &err), err);
    check_ok(ms_backend_move(f.storage[0], ms_str(LIVE), ms_str(DELETED), &always, &err), err);
    mirrors_heal(&f);
    heal_more(&f);
    for (unsigned i = 0; i < 3; i++)
        assert_at(&f, i, "newest", NULL);
    fleet_free(&f);
    return 0;
}

static void who_missed_what_two_broken_off_changes_did_is_not_behind_for_ever(void **state)
{
    (void)state;
    mirrors_simulated(do_twice);
}

static void find_advice(void *ctx, const struct ms_upkeep_finding *found)
{
    unsigned *advised = ctx;
    assert_false(found->fixed);
    *advised += found->find == MS_FIND_UNJUDGED &&
                strstr(found->sentence, "store it again, or delete it") != NULL;
}

static unsigned count_advice(struct fleet *f)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    unsigned advised = 0;
    o.found = find_advice;
    o.ctx = &advised;
    check_ok(ms_upkeep_run(NULL, f->roster, MS_UPKEEP_HEAL, &o, &report, &err), err);
    ms_upkeep_report_free(report);
    return advised;
}

/* A note that came late has made a majority of those of a soft deletion that was not acknowledged:
 * nothing tells any more whether the store beside it was the later change. Then the only copy of
 * who missed neither is lost. */
static int leave_alone(void *arg)
{
    static const struct mirrors_noted notes[] = {{0, 2, 1, MS_PLAIN_SOFT_DELETE, false},
                                                 {1, 2, 1, MS_PLAIN_SOFT_DELETE, false},
                                                 {0, 1, 1, MS_PLAIN_STORE, false},
                                                 {2, 1, 1, MS_PLAIN_STORE, false}};
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    make(&f);
    mark_others(&f);
    mirrors_heal(&f); /* of the other key nothing is left to say */
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        mirrors_note(&f, KEY, &notes[i]);
    check_ok(mirrors_put(&f, KEY, "newest", &err), err);
    check_ok(ms_backend_delete(f.storage[0], ms_str(LIVE), &err), err);
    assert_int_not_equal(count_advice(&f), 0);
    assert_at(&f, 1, "newest", NULL);
    assert_at(&f, 2, "newest", NULL);
    check_ok(mirrors_put(&f, KEY, "stored again", &err), err);
    mirrors_heal(&f);
    heal_more(&f);
    for (unsigned i = 0; i < 3; i++)
        assert_at(&f, i, "stored again", NULL);
    fleet_free(&f);
    return 0;
}

static void what_nobody_can_judge_is_left_and_told_with_what_to_do(void **state)
{
    (void)state;
    mirrors_simulated(leave_alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_count_of_who_missed_only_what_was_not_acknowledged),
        cmocka_unit_test(a_deletion_that_was_not_acknowledged_removes_nothing_that_was_stored),
        cmocka_unit_test(who_missed_what_two_broken_off_changes_did_is_not_behind_for_ever),
        cmocka_unit_test(what_nobody_can_judge_is_left_and_told_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
