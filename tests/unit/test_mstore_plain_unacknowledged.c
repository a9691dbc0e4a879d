/* Changes of plain keys that were done by a mirror or two and not acknowledged, and of which one
 * member alone has notes: heal brings them to an end. */
#include "mstore/plain_hint.h"

#include "base/sim.h"
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
    for (unsigned round = 0; round < 2; round++) {
        mirrors_pause(UINT64_C(21) * 60);
        mirrors_heal(&f);
    }
    assert_int_equal(fleet_all(&f, "hint"), 0);
    assert_int_equal(fleet_all(&f, "away"), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_count_of_who_missed_only_what_was_not_acknowledged),
        cmocka_unit_test(a_deletion_that_was_not_acknowledged_removes_nothing_that_was_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
