/* What heal makes of soft deletes and undeletes of immutable keys that dead clients left, as they
 * stand in intents, and of leftovers of both items. Virtual time. */
#include "mstore/immutable_parts.h"
#include "mstore/intent.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/text.h"
#include "tests/support/check.h"
#include "tests/support/soft.h"

#include <stdio.h>

struct broken_off {
    const struct soft_policy *policy;
    int turned;
    unsigned damaged; /* the intent, on so many members */
};

static int finish_one(void *arg)
{
    const struct broken_off *b = arg;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = b->policy->members,
                                           .policy = b->policy->text,
                                           .clock = ms_sim_clock()});
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, 100 * 24 * 60 * MINUTE, &err), err);
    soft_die_after(&f, b->turned);
    for (unsigned i = 0; i < b->damaged; i++)
        fleet_flip(&f, i, "intent", 77);
    check_ok(ms_sleep(f.clock, 10 * MINUTE, &err), err);
    soft_heal(&f); /* its client may be at work yet */
    unsigned intents = fleet_all(&f, "intent");
    assert_true(intents >= 2);
    assert_false(soft_load(&f, false, &err) && soft_load(&f, true, &err));
    check_ok(ms_sleep(f.clock, 15 * MINUTE, &err), err);
    soft_heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 0);
    assert_int_equal(fleet_all(&f, "trash") + fleet_all(&f, "hint"), 0);
    assert_int_equal(fleet_all(&f, "val"), b->policy->members);
    /* whole as one of the two: as the live one when a store would leave as much as was left */
    struct ms_site site = soft_site(&f, false);
    bool back = b->policy->members - (unsigned)b->turned >= ms_immutable_needs(&site);
    soft_check_there(&f, back, !back);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void heal_finishes_or_takes_back(void **state)
{
    (void)state;
    SOFT_EACH(p)
    for (int turned = 0; turned <= (int)p->members; turned++)
        for (unsigned damaged = 0; damaged <= p->members; damaged++) {
            struct broken_off b = {.policy = p, .turned = turned, .damaged = damaged};
            soft_simulate(finish_one, &b, 3);
        }
}

static void spoil_soft(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    (void)ctx;
    if (!memmem(name.data, name.size, ".s.", 3))
        return;
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &bytes, NULL, &err), err);
    MS_AUTO_BUF struct ms_buf *bad = ms_buf_copy(ms_buf_view(bytes));
    ms_buf_data(bad)[ms_buf_size(bad) / 2] ^= 1;
    check_ok(ms_backend_store(storage, name, bad, NULL, NULL, &err), err);
}

/* A soft delete died after one rename; the live item was deleted then, and the one soft-deleted
 * copy is spoiled, or is not. */
static int spoil_one(void *arg)
{
    const bool *spoiled = arg;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()});
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, 24 * 60 * MINUTE, &err), err);
    soft_die_after(&f, 1);
    check_ok(soft_purge(&f, false, &err), err);
    for (unsigned i = 0; i < 3 && *spoiled; i++)
        fleet_each(&f, i, "val", spoil_soft, NULL);
    assert_int_equal(fleet_all(&f, "val"), 1);
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    soft_heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 0);
    assert_int_equal(fleet_all(&f, "val"), *spoiled ? 0 : 3);
    assert_int_equal(fleet_all(&f, "trash"), *spoiled ? 1 : 0);
    soft_check_there(&f, false, !*spoiled);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void what_is_spoiled_on_its_way_goes(void **state)
{
    bool spoiled[] = {false, true};
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        soft_simulate(spoil_one, &spoiled[i], 3);
}

/* As on a member that was away when its shard was soft-deleted, and got another from heal. */
static void leave_behind(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct ms_error err = {0};
    char text[512];
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    (void)ctx;
    snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
    char *mark = strstr(text, ".s.");
    if (!mark)
        return;
    mark[1] = 'l';
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &bytes, NULL, &err), err);
    check_ok(ms_backend_store(storage, ms_str(text), bytes, NULL, NULL, &err), err);
}

static int sweep_one(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    int turned = 3;
    (void)arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = ec 2+1\n", .clock = ms_sim_clock()});
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    for (unsigned i = 0; i < 3; i++)
        fleet_each(&f, i, "val", soft_turn, &turned);
    fleet_each(&f, 0, "val", leave_behind, NULL);
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, 2 * 60 * MINUTE, &err), err);
    soft_heal(&f);
    assert_int_equal(fleet_all(&f, "val"), 6); /* of two writes, one of them soft-deleted */
    assert_int_equal(fleet_all(&f, "trash"), 1);
    soft_check_there(&f, true, true);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void remove_live(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct ms_error err = {0};
    char text[512];
    (void)ctx;
    snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
    if (strstr(text, ".l."))
        check_ok(ms_backend_delete(storage, name, &err), err);
}

/* Stored while it was soft-deleted: of the new shards one is live, one soft-deleted, one was not
 * put. */
static int mix_one(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    int turned = 1;
    (void)arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = ec 2+1\n", .clock = ms_sim_clock()});
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    soft_put(&f, true);
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_each(&f, 0, "val", soft_turn, &turned);
    fleet_each(&f, 1, "val", remove_live, NULL);
    assert_int_equal(fleet_all(&f, "val"), 5);
    for (unsigned i = 0; i < 2; i++) {
        check_ok(ms_sleep(f.clock, 2 * 60 * MINUTE, &err), err);
        soft_heal(&f);
    }
    assert_int_equal(fleet_all(&f, "val"), 3);
    assert_int_equal(fleet_all(&f, "trash"), 2);
    soft_check_there(&f, false, true);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void what_a_store_at_the_same_time_left_goes(void **state)
{
    (void)state;
    soft_simulate(mix_one, NULL, 3);
}

static void what_a_whole_soft_delete_left_goes(void **state)
{
    (void)state;
    soft_simulate(sweep_one, NULL, 3);
}

struct left_two {
    struct soft_policy policy;
    bool marked; /* it is known that the second has missed something, too */
};

/* Away while this is done. */
static void without(struct fleet *f, unsigned member,
                    int (*fn)(struct fleet *f, struct ms_error *err))
{
    struct ms_error err = {0};
    fleet_gone(f, member, true);
    int code = fn(f, &err);
    assert_true(code == 0 || code == MS_ERR_CONNECTION);
    fleet_gone(f, member, false);
    ms_member_forgive(f->roster->members[member]);
    check_ok(ms_sleep(f->clock, MINUTE, &err), err);
}

static int purge_soft(struct fleet *f, struct ms_error *err)
{
    return soft_purge(f, true, err);
}

static int delete_another(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, "another");
    return ms_immutable_delete(&site, f->ids, err);
}

/* One member misses the soft delete, another the deletion of what was soft-deleted, which therefore
 * is not acknowledged: each has a shard of its own item, and both together would make the value. */
static int leave_two(void *arg)
{
    const struct left_two *l = arg;
    struct fleet f;
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *value = ms_buf_copy(ms_str("something else"));
    fleet_make(&f, &(struct fleet_options){.members = l->policy.members,
                                           .policy = l->policy.text,
                                           .clock = ms_sim_clock()});
    struct ms_site site = soft_site(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    soft_put(&f, false);
    if (l->marked)
        fleet_put(&f, "another", value);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    without(&f, site.order.member[0], soft_delete);
    soft_heal(&f);
    soft_check_there(&f, false, true);
    if (l->marked)
        without(&f, site.order.member[1], delete_another);
    without(&f, site.order.member[1], purge_soft);
    soft_heal(&f); /* who deleted it may be at work yet */
    assert_true(fleet_all(&f, "val") >= 2);
    for (unsigned i = 0; i < 2; i++) {
        check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
        soft_heal(&f);
    }
    assert_int_equal(fleet_all(&f, "val"), 0);
    soft_check_there(&f, false, false);
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    soft_heal(&f);
    assert_int_equal(fleet_all(&f, "away") + fleet_all(&f, "hint"), 0); /* both believed again */
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void leftovers_of_both_items_go(void **state)
{
    (void)state;
    for (unsigned marked = 0; marked < 2; marked++) {
        soft_simulate(leave_two,
                      &(struct left_two){{4, "redundancy = ec 2+1\nverify = none\n"}, marked}, 3);
        soft_simulate(leave_two,
                      &(struct left_two){{6, "redundancy = ec 4+2\nverify = none\n"}, marked}, 3);
    }
}

/* One member kept its soft-deleted copy when the value was undeleted, and got a live one; then a
 * soft delete came to another member only. So two have a live copy, and two a soft-deleted one: as
 * much as if the value had been stored again since. Both stay, and whoever soft-deletes it once
 * more is done. */
static int stay_at_both(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    int turned = 1;
    (void)arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()});
    struct ms_site site = soft_site(&f, false);
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    check_ok(soft_delete(&f, &err), err);
    without(&f, site.order.member[0], soft_undelete);
    fleet_each(&f, site.order.member[0], "val", leave_behind, NULL);
    assert_int_equal(fleet_all(&f, "val"), 4);
    soft_check_there(&f, true, false);
    soft_begin(&f, 3);
    fleet_each(&f, site.order.member[1], "val", soft_turn, &turned);
    for (unsigned i = 0; i < 2; i++) {
        check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
        soft_heal(&f);
    }
    assert_int_equal(fleet_all(&f, "intent"), 0);
    assert_int_equal(fleet_all(&f, "val"), 6);
    soft_check_there(&f, true, true);
    check_ok(soft_delete(&f, &err), err);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    assert_int_equal(fleet_all(&f, "val"), 3);
    soft_check_there(&f, false, true);
    fleet_free(&f);
    return 0;
}

static void a_leftover_counts_with_what_was_turned(void **state)
{
    (void)state;
    soft_simulate(stay_at_both, NULL, 3);
}

/* On one voter of three: it was never begun, or is done. It keeps heal from nothing. */
static int drop_one(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    struct ms_intent intent;
    (void)arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()});
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, 100 * 24 * 60 * MINUTE, &err), err);
    struct ms_site site = soft_site(&f, false);
    struct ms_write_id id = {1, 77};
    check_ok(ms_intent_init(&intent, MS_OWN_SOFT_DELETE, id, false, ms_str(""), &err), err);
    check_ok(ms_intent_put(&site, &intent, &err), err);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_wipe(&f, 0, "intent");
    fleet_wipe(&f, 1, "intent");
    fleet_wipe(&f, 2, "val");
    soft_heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 1);
    assert_int_equal(fleet_all(&f, "val"), 3);
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    soft_heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 0);
    soft_check_there(&f, true, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void an_intent_of_few_only_goes(void **state)
{
    (void)state;
    soft_simulate(drop_one, NULL, 3);
}

/* Each time heal comes somebody has begun to rename what was soft-deleted, so that the key is left
 * alone. What the soft delete left at a member that was away must not become a value by that. */
static int leave_alone(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    struct ms_intent intent;
    (void)arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()});
    struct ms_site site = soft_site(&f, true);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    soft_put(&f, false);
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    without(&f, site.order.member[0], soft_delete);
    for (uint64_t i = 0; i < 2; i++) {
        struct ms_write_id id = {7 + i, 77};
        check_ok(ms_intent_init(&intent, MS_OWN_RENAME, id, true, ms_str("another"), &err), err);
        check_ok(ms_intent_put(&site, &intent, &err), err);
        soft_heal(&f);
        check_ok(ms_intent_drop(&site, &intent, &err), err);
        check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
        assert_true(fleet_all(&f, "hint") > 0);
        assert_true(ms_member_returning(f.roster->members[site.order.member[0]]));
    }
    for (unsigned i = 0; i < 2; i++) {
        soft_heal(&f);
        soft_check_there(&f, false, true);
        assert_int_equal(fleet_all(&f, "val"), 3);
        check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    }
    assert_int_equal(fleet_all(&f, "away") + fleet_all(&f, "hint"), 0); /* believed again */
    fleet_free(&f);
    return 0;
}

static void what_is_left_of_a_key_that_is_being_moved_stays_doubted(void **state)
{
    (void)state;
    soft_simulate(leave_alone, NULL, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heal_finishes_or_takes_back),
        cmocka_unit_test(what_is_spoiled_on_its_way_goes),
        cmocka_unit_test(what_a_whole_soft_delete_left_goes),
        cmocka_unit_test(what_a_store_at_the_same_time_left_goes),
        cmocka_unit_test(leftovers_of_both_items_go),
        cmocka_unit_test(a_leftover_counts_with_what_was_turned),
        cmocka_unit_test(an_intent_of_few_only_goes),
        cmocka_unit_test(what_is_left_of_a_key_that_is_being_moved_stays_doubted),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    return failed;
}
