/* mstore/upkeep_old.c, trash.c, age.c: when tombstones and trash go, by whose clock; what a
 * returning member still had of a deleted key goes into the trash, unless the key is there again.
 */
#include "mstore/age.h"
#include "mstore/immutable.h"
#include "mstore/immutable_parts.h"
#include "mstore/tombs.h"
#include "mstore/trash.h"
#include "mstore/upkeep.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdlib.h>

#define MINUTE (UINT64_C(60) * 1000000000)
#define DAY    (UINT64_C(24) * 60 * MINUTE)

static const char key[] = "0123abcd";

struct scene { /* one policy, in virtual time */
    struct fleet f;
    struct fleet_options options;
    void (*play)(struct scene *s);
};

static void pass(struct scene *s, uint64_t ns)
{
    assert_int_equal(ms_sleep(s->f.clock, ns, NULL), 0);
}

static void put(struct scene *s)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(&s->f, key);
    MS_AUTO_BUF struct ms_buf *value = ms_buf_copy(ms_str("hello"));
    check_ok(ms_immutable_store(&site, s->f.ids, value, NULL, &err), err);
}

/* Stores the key, and finds what lies of it; fini `out`. */
static struct ms_site put_and_find(struct scene *s, struct ms_value_finding *out)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(&s->f, key);
    put(s);
    pass(s, MINUTE);
    *out = (struct ms_value_finding){0};
    check_ok(ms_value_find(&site, 0, true, out, &err), err);
    return site;
}

/* All but `left` of its objects. */
static void wipe_but(struct scene *s, unsigned left)
{
    struct ms_site site = fleet_site(&s->f, key);
    for (unsigned i = 0; i < s->f.count - left; i++)
        fleet_wipe(&s->f, site.order.member[i], "val");
}

static void forget(struct scene *s)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(&s->f, key);
    check_ok(ms_immutable_delete(&site, s->f.ids, &err), err);
}

static int load(struct scene *s, struct ms_error *err)
{
    struct ms_site site = fleet_site(&s->f, key);
    MS_AUTO_BUF struct ms_buf *got = NULL;
    return ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, err);
}

/* By a client whose wall clock is wrong by so much. */
static void heal_by(struct scene *s, int64_t wrong_ns)
{
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    struct ms_clock wrong, *right = s->f.roster->clock;
    ms_clock_init_wrong(&wrong, s->f.clock, wrong_ns);
    pass(s, MINUTE); /* what calls have left running has ended */
    s->f.roster->clock = &wrong;
    check_ok(ms_upkeep_run(NULL, s->f.roster, MS_UPKEEP_HEAL, NULL, &report, &err), err);
    assert_true(ms_upkeep_report_clean(report));
    ms_upkeep_report_free(report);
    s->f.roster->clock = right;
}

static void heal(struct scene *s)
{
    heal_by(s, 0);
}

static int run_scene(void *arg)
{
    struct scene *s = arg;
    s->options.clock = ms_sim_clock();
    fleet_make(&s->f, &s->options);
    pass(s, 100 * DAY);
    s->play(s);
    pass(s, MINUTE);
    fleet_free(&s->f);
    return 0;
}

static void play(const char *policy, unsigned members, void (*fn)(struct scene *s))
{
    struct scene s = {.options = {.members = members, .policy = policy}, .play = fn};
    struct ms_sim_options options = {.seed = 11};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, run_scene, &s, NULL, &err), err);
}

static const char *const policies[] = {"redundancy = copies 3\n", "redundancy = copies 2\n",
                                       "redundancy = ec 2+1\n",
                                       "redundancy = ec 2+1\nverify = none\n"};

static void play_all(void (*fn)(struct scene *s))
{
    for (size_t p = 0; p < sizeof policies / sizeof *policies; p++)
        play(policies[p], 3, fn);
}

/* ---- tombstones ---- */

static void grace_passes(struct scene *s)
{
    put(s);
    forget(s);
    pass(s, MINUTE);
    unsigned tombs = fleet_all(&s->f, "tomb");
    assert_true(tombs >= 2);
    pass(s, 6 * DAY);
    heal(s);
    assert_int_equal(fleet_all(&s->f, "tomb"), tombs);
    heal_by(s, (int64_t)(30 * DAY)); /* its clock alone does not count */
    assert_int_equal(fleet_all(&s->f, "tomb"), tombs);
    pass(s, 2 * DAY);
    heal_by(s, -(int64_t)(2 * DAY)); /* nor that of the members */
    assert_int_equal(fleet_all(&s->f, "tomb"), tombs);
    heal(s);
    assert_int_equal(fleet_all(&s->f, "tomb") + fleet_all(&s->f, "hint"), 0);
    put(s); /* and all over again */
    forget(s);
    pass(s, MINUTE);
    assert_int_equal(fleet_all(&s->f, "val"), 0);
    assert_int_equal(fleet_all(&s->f, "tomb"), tombs);
}

static void tombstones_go_after_the_grace_period(void **state)
{
    (void)state;
    play_all(grace_passes);
}

static void stays_for_absent(struct scene *s)
{
    struct ms_error err = {0};
    put(s);
    pass(s, MINUTE);
    struct ms_site site = fleet_site(&s->f, key);
    unsigned away = site.order.member[0];
    fleet_gone(&s->f, away, true);
    forget(s);
    pass(s, 30 * DAY);
    struct ms_upkeep_report *report = NULL; /* the error names who is away */
    (void)!ms_upkeep_run(NULL, s->f.roster, MS_UPKEEP_HEAL, NULL, &report, &err);
    ms_upkeep_report_free(report);
    unsigned tombs = fleet_all(&s->f, "tomb");
    assert_true(tombs >= 2);
    fleet_gone(&s->f, away, false);
    pass(s, 10 * MINUTE);
    check_code(load(s, &err), MS_ERR_NOT_FOUND, err);
    heal(s);
    /* it has the tombstone now, as if of today; what it had of the value is in its trash */
    assert_int_equal(fleet_all(&s->f, "val") + fleet_all(&s->f, "hint"), 0);
    assert_int_equal(fleet_objects(&s->f, away, "trash"), 1);
    assert_int_equal(fleet_objects(&s->f, away, "tomb"), 1);
    assert_int_equal(fleet_all(&s->f, "tomb"), 3);
    heal_by(s, (int64_t)(30 * DAY));
    heal_by(s, -(int64_t)(30 * DAY));
    assert_int_equal(fleet_all(&s->f, "tomb"), 3);
    assert_int_equal(fleet_objects(&s->f, away, "trash"), 1);
    pass(s, 8 * DAY);
    heal(s);
    assert_int_equal(fleet_all(&s->f, "tomb") + fleet_all(&s->f, "trash"), 0);
    check_code(load(s, &err), MS_ERR_NOT_FOUND, err);
}

static void they_wait_for_who_was_away(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, stays_for_absent);
    play("redundancy = ec 2+1\n", 3, stays_for_absent);
}

static void stored_again(struct scene *s)
{
    struct ms_error err = {0};
    put(s);
    forget(s);
    put(s);
    pass(s, 8 * DAY);
    unsigned objects = fleet_all(&s->f, "val");
    assert_true(objects >= 2);
    heal(s);
    assert_int_equal(fleet_all(&s->f, "tomb"), 0);
    assert_int_equal(fleet_all(&s->f, "val"), objects);
    check_ok(load(s, &err), err);
}

static void a_tombstone_of_a_living_key_goes(void **state)
{
    (void)state;
    play_all(stored_again);
}

/* ---- trash ---- */

static void moved_back(struct scene *s)
{
    struct ms_error err = {0};
    struct ms_value_finding f;
    struct ms_site site = put_and_find(s, &f);
    unsigned objects = fleet_all(&s->f, "val");
    bool buried = true;
    const struct ms_value_place *first = &f.writes[0].places[0];
    /* stored again between the look and the move: as good as any other */
    check_ok(ms_trash_bury(&site, &f.writes[0].shape, first->member, first->shard, &buried, &err),
             err);
    assert_false(buried);
    assert_int_equal(fleet_all(&s->f, "val"), objects);
    assert_int_equal(fleet_all(&s->f, "trash"), 0);
    check_ok(load(s, &err), err);
    ms_value_finding_fini(&f);
}

static void what_is_there_again_is_moved_back(void **state)
{
    (void)state;
    play_all(moved_back);
}

static void nobody_can_tell(struct scene *s)
{
    struct ms_error err = {0};
    struct ms_value_finding f;
    struct ms_site site = put_and_find(s, &f);
    unsigned one = site.order.member[0], shard = 0;
    bool buried = true;
    for (unsigned i = 1; i < 3; i++)
        fleet_gone(&s->f, site.order.member[i], true);
    for (size_t i = 0; i < f.writes[0].count; i++)
        shard = f.writes[0].places[i].member == one ? f.writes[0].places[i].shard : shard;
    check_ok(ms_trash_bury(&site, &f.writes[0].shape, one, shard, &buried, &err), err);
    assert_false(buried);
    assert_int_equal(fleet_objects(&s->f, one, "val"), 1);
    ms_value_finding_fini(&f);
}

static void nothing_is_buried_while_most_are_away(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, nobody_can_tell);
    play("redundancy = ec 2+1\n", 3, nobody_can_tell);
}

/* A clock that was behind when it set something aside: the member's decides. */
static void aside_by_wrong_clock(struct scene *s)
{
    struct ms_error err = {0};
    struct ms_value_finding f;
    struct ms_name where;
    struct ms_clock wrong, *right = s->f.roster->clock;
    struct ms_site site = put_and_find(s, &f);
    const struct ms_value_place *first = &f.writes[0].places[0];
    ms_clock_init_wrong(&wrong, s->f.clock, -(int64_t)(60 * DAY));
    s->f.roster->clock = &wrong;
    check_ok(ms_trash_put(&site, &f.writes[0].shape, first->member, first->shard, &where, &err),
             err);
    s->f.roster->clock = right;
    heal(s);
    assert_int_equal(fleet_all(&s->f, "trash"), 1);
    pass(s, 8 * DAY);
    heal(s);
    assert_int_equal(fleet_all(&s->f, "trash"), 0);
    check_ok(load(s, &err), err);
    ms_value_finding_fini(&f);
}

static void trash_ages_by_two_clocks(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, aside_by_wrong_clock);
}

/* ---- a deletion that was broken off ---- */

/* Its client has put tombstones, and removed all but `left` objects. */
static void die_deleting(struct scene *s, unsigned left)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(&s->f, key);
    check_ok(ms_tombs_put(&site, (struct ms_write_id){1, 77}, &err), err);
    pass(s, 1000000); /* on all by now */
    wipe_but(s, left);
}

static void heal_deep(struct scene *s, uint64_t found[MS_FINDS])
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    o.deep = true;
    check_ok(ms_upkeep_run(NULL, s->f.roster, MS_UPKEEP_HEAL, &o, &report, &err), err);
    for (unsigned i = 0; i < MS_FINDS; i++)
        found[i] = report->found[i];
    ms_upkeep_report_free(report);
}

/* As little as a deletion may leave, and of that so much does not verify that the rest is no value.
 */
static unsigned spoil(struct scene *s)
{
    struct ms_site site = fleet_site(&s->f, key);
    unsigned left = ms_immutable_needs(&site) - 1;
    fleet_flip(&s->f, site.order.member[s->f.count - 1], "val", 12345);
    return left;
}

static void rots_meanwhile(struct scene *s)
{
    struct ms_error err = {0};
    uint64_t found[MS_FINDS];
    put(s);
    pass(s, MINUTE);
    unsigned left = spoil(s);
    pass(s, MINUTE);
    die_deleting(s, left);
    pass(s, 5 * MINUTE);
    heal_deep(s, found); /* its client may be at work yet */
    assert_int_equal(found[MS_FIND_UNJUDGED], 1);
    assert_int_equal(fleet_all(&s->f, "val"), left);
    pass(s, 60 * MINUTE);
    for (unsigned i = 0; i < 2; i++) { /* what was damaged, then what makes no value without it */
        heal_deep(s, found);
        assert_int_equal(found[MS_FIND_LOST] + found[MS_FIND_UNJUDGED], 0);
    }
    assert_int_equal(fleet_all(&s->f, "val"), 0);
    assert_int_equal(fleet_all(&s->f, "trash"), left);
    check_code(load(s, &err), MS_ERR_NOT_FOUND, err);
}

static void what_rots_amid_its_deletion_is_deleted(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, rots_meanwhile);
    play("redundancy = ec 4+2\n", 6, rots_meanwhile);
}

/* By the members' clocks it was given to them after the tombstone. */
static void lost_again(struct scene *s)
{
    struct ms_error err = {0};
    uint64_t found[MS_FINDS];
    put(s);
    pass(s, MINUTE);
    die_deleting(s, 0);
    pass(s, MINUTE);
    put(s);
    pass(s, MINUTE);
    unsigned left = spoil(s);
    wipe_but(s, left);
    pass(s, 60 * MINUTE);
    for (unsigned i = 0; i < 2; i++) {
        heal_deep(s, found);
        assert_int_equal(found[MS_FIND_LOST], 1);
    }
    assert_int_equal(fleet_all(&s->f, "val"), left);
    assert_int_not_equal(load(s, &err), MS_ERR_NOT_FOUND);
}

static void what_was_stored_again_is_lost(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, lost_again);
    play("redundancy = ec 4+2\n", 6, lost_again);
}

/* As much as a store leaves is no remainder of a deletion. */
static void lost_whole(struct scene *s)
{
    uint64_t found[MS_FINDS];
    put(s);
    pass(s, MINUTE);
    for (unsigned i = 0; i < 3; i++)
        fleet_flip(&s->f, i, "val", 12345);
    pass(s, MINUTE);
    die_deleting(s, 2);
    pass(s, 60 * MINUTE);
    heal_deep(s, found);
    assert_int_equal(found[MS_FIND_LOST], 1);
    assert_int_equal(fleet_all(&s->f, "val"), 2);
}

static void as_much_as_a_store_leaves_is_lost(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, lost_whole);
}

static bool say(void *ctx, const struct ms_site *site, const struct ms_value_shape *staged)
{
    struct scene *s = ctx;
    (void)site;
    assert_int_equal(staged->kind, MS_OWN_STAGED);
    assert_int_equal(fleet_all(&s->f, "val"), 3); /* under that name */
    return false;
}

static void looked_at(struct scene *s)
{
    struct ms_error err = {0};
    struct ms_value_finding f;
    struct ms_site site = put_and_find(s, &f);
    bool buried = true;
    const struct ms_value_place *first = &f.writes[0].places[0];
    check_ok(ms_trash_bury_if(&site, &f.writes[0].shape, first->member, first->shard, say, s,
                              &buried, &err),
             err);
    assert_false(buried);
    assert_int_equal(fleet_all(&s->f, "trash"), 0);
    ms_value_finding_fini(&f);
    check_ok(load(s, &err), err);
}

static void what_has_been_replaced_is_moved_back(void **state)
{
    (void)state;
    play("redundancy = copies 3\n", 3, looked_at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tombstones_go_after_the_grace_period),
        cmocka_unit_test(they_wait_for_who_was_away),
        cmocka_unit_test(a_tombstone_of_a_living_key_goes),
        cmocka_unit_test(what_is_there_again_is_moved_back),
        cmocka_unit_test(nothing_is_buried_while_most_are_away),
        cmocka_unit_test(trash_ages_by_two_clocks),
        cmocka_unit_test(what_rots_amid_its_deletion_is_deleted),
        cmocka_unit_test(what_was_stored_again_is_lost),
        cmocka_unit_test(as_much_as_a_store_leaves_is_lost),
        cmocka_unit_test(what_has_been_replaced_is_moved_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
