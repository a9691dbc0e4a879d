/* Soft delete and undelete of immutable keys: no bytes are copied, one of the two items can be read
 * at every moment, an absent member brings neither back. (What dead clients left:
 * test_mstore_soft_broken_off.c.) */
#include "mstore/immutable_parts.h"

#include "base/pool.h"
#include "base/sim.h"
#include "base/text.h"
#include "mstore/tombs.h"
#include "mstore/voters.h"
#include "tests/support/check.h"
#include "tests/support/soft.h"

#include <stdio.h>

static void make(struct fleet *f, const struct soft_policy *p)
{
    fleet_make(
        f, &(struct fleet_options){.members = p->members, .policy = p->text, .lease_ns = 50000000});
}

static void there_and_back(void **state)
{
    (void)state;
    SOFT_EACH(p)
    {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        check_code(soft_delete(&f, &err), MS_ERR_NOT_FOUND, err);
        check_code(soft_undelete(&f, &err), MS_ERR_NOT_FOUND, err);
        assert_int_equal(fleet_all(&f, "tomb") + fleet_all(&f, "intent"), 0);
        soft_put(&f, false);
        ms_pool_shutdown();
        unsigned objects = fleet_all(&f, "val");
        uint64_t loads = fleet_calls(&f, MS_VERB_LOAD), stores = fleet_calls(&f, MS_VERB_STORE);
        check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        /* no bytes went anywhere: an intent and a tombstone on each of the voters */
        struct ms_site site = soft_site(&f, false);
        assert_int_equal(fleet_calls(&f, MS_VERB_LOAD) - loads, 0);
        assert_int_equal(fleet_calls(&f, MS_VERB_STORE) - stores, 2 * ms_voters_count(&site));
        assert_int_equal(fleet_all(&f, "val"), objects);
        assert_int_equal(fleet_all(&f, "intent") + fleet_all(&f, "hint"), 0);
        soft_check_there(&f, false, true);
        check_code(soft_delete(&f, &err), MS_ERR_NOT_FOUND, err);
        stores = fleet_calls(&f, MS_VERB_STORE);
        check_ok(soft_undelete(&f, &err), err);
        ms_pool_shutdown(); /* and the same back */
        assert_int_equal(fleet_calls(&f, MS_VERB_STORE) - stores, 2 * ms_voters_count(&site));
        soft_check_there(&f, true, false);
        check_code(soft_undelete(&f, &err), MS_ERR_NOT_FOUND, err);
        check_ok(soft_delete(&f, &err), err); /* and once more, above the first tombstones */
        soft_check_there(&f, false, true);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), objects);
        fleet_free(&f);
    }
}

static void two_items_of_one_key(void **state)
{
    (void)state;
    SOFT_EACH(p)
    {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        soft_put(&f, true);
        soft_check_there(&f, false, true);
        soft_put(&f, false);
        soft_check_there(&f, true, true);
        check_code(soft_undelete(&f, &err), MS_ERR_EXISTS, err);
        check_ok(soft_purge(&f, true, &err), err);
        soft_check_there(&f, true, false);
        soft_put(&f, true);
        check_ok(soft_purge(&f, false, &err), err);
        soft_check_there(&f, false, true);
        check_ok(soft_purge(&f, true, &err), err);
        soft_check_there(&f, false, false);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), 0);
        fleet_free(&f);
    }
}

/* ---- another value ---- */

static void wait_for_return(struct fleet *f, unsigned member)
{
    fleet_gone(f, member, false);
    ms_member_set_returning(f->roster->members[member]);
    ms_member_forgive(f->roster->members[member]); /* its breaker lets it in at once */
}

static void put_text(struct fleet *f, const char *text)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(f, "k");
    struct ms_buf *value = ms_buf_copy(ms_str(text));
    check_ok(ms_immutable_store(&site, f->ids, value, NULL, &err), err);
    ms_buf_unref(value);
}

static void assert_text(struct fleet *f, bool deleted, const char *text)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    struct ms_site site = fleet_site(f, "k");
    site.deleted = deleted;
    check_ok(ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err), err);
    assert_true(ms_equal(ms_buf_view(got), ms_str(text)));
    ms_buf_unref(got);
}

static void assert_text_or_error(struct fleet *f, const char *text)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    struct ms_site site = fleet_site(f, "k");
    int code = ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err);
    assert_true(code ? code == MS_ERR_CONNECTION : ms_equal(ms_buf_view(got), ms_str(text)));
    if (!code)
        ms_buf_unref(got);
}

/* What is soft-deleted last is what is there, and what comes back: also behind heal, and where
 * members have missed it. */
static void another_value_replaces_it(void **state)
{
    static const struct soft_policy policies[] = {{3, "redundancy = copies 3\n"},
                                                  {3, "redundancy = ec 2+1\n"},
                                                  {4, "redundancy = ec 2+2\n"},
                                                  {6, "redundancy = ec 4+2\n"}};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        const struct soft_policy *p = &policies[i / 2];
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        struct ms_site site = fleet_site(&f, "k");
        unsigned away = site.order.member[0];
        put_text(&f, "the first value");
        check_ok(ms_immutable_soft_delete(&site, f.ids, &err), err);
        put_text(&f, "another");
        ms_pool_shutdown();
        if (i % 2)
            fleet_gone(&f, away, true);
        check_ok(ms_immutable_soft_delete(&site, f.ids, &err), err);
        assert_text(&f, true, "another");
        ms_pool_shutdown();
        if (i % 2)
            wait_for_return(&f, away);
        assert_text(&f, true, "another");
        soft_heal(&f);
        assert_text(&f, true, "another");
        check_ok(ms_immutable_undelete(&site, f.ids, &err), err);
        assert_text(&f, false, "another");
        site.deleted = true;
        struct ms_item_info info;
        check_ok(ms_immutable_info(&site, &info, &err), err);
        assert_false(info.exists);
        ms_pool_shutdown();
        if (i % 2 == 0)
            assert_int_equal(fleet_all(&f, "val"), p->members);
        fleet_free(&f);
    }
}

/* A member has kept a shard of the value that was soft-deleted while it was away. What was stored
 * since is what is there: or an error, where that member misses it, too, and another is away. */
static void kept_shards_make_nothing_whole(void **state)
{
    static const struct soft_policy policies[] = {
        {3, "redundancy = ec 2+1\n"}, {4, "redundancy = ec 2+2\n"}, {6, "redundancy = ec 4+2\n"}};
    (void)state;
    for (unsigned i = 0; i < 18; i++) {
        const struct soft_policy *p = &policies[i % 3];
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        struct ms_site site = fleet_site(&f, "k");
        unsigned kept = site.order.member[i / 6];
        put_text(&f, "the first value");
        ms_pool_shutdown();
        fleet_gone(&f, kept, true);
        check_ok(ms_immutable_soft_delete(&site, f.ids, &err), err);
        ms_pool_shutdown();
        if (i / 3 % 2)
            wait_for_return(&f, kept);
        put_text(&f, "another");
        ms_pool_shutdown();
        if (i / 3 % 2 == 0)
            wait_for_return(&f, kept);
        for (unsigned away = 0; away < p->members; away++) {
            fleet_gone(&f, away, true);
            if (i / 3 % 2 || away == kept)
                assert_text(&f, false, "another");
            else
                assert_text_or_error(&f, "another");
            fleet_gone(&f, away, false);
            ms_member_forgive(f.roster->members[away]);
        }
        assert_text(&f, false, "another");
        fleet_free(&f);
    }
}

/* ---- half of the way ---- */

static void never_neither(void **state)
{
    (void)state;
    SOFT_EACH(p)
    for (unsigned turned = 0; turned <= p->members; turned++) {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        soft_put(&f, false);
        ms_pool_shutdown();
        soft_die_after(&f, (int)turned);
        int live = soft_load(&f, false, &err), soft = soft_load(&f, true, &err);
        if (live && soft)
            fail_msg("%safter %u renames: %s", p->text, turned, err.text);
        if (turned == 0)
            soft_check_there(&f, true, false);
        if (turned == p->members)
            soft_check_there(&f, false, true);
        /* who comes next gets it the whole way */
        check_ok(live ? soft_undelete(&f, &err) : soft_delete(&f, &err), err);
        soft_check_there(&f, live != 0, live == 0);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), p->members);
        fleet_free(&f);
    }
}

/* ---- members that are away ---- */

static void a_returning_member_shows_nothing_old(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct soft_policy *p = &soft_policies[i];
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        struct ms_site site = soft_site(&f, false);
        unsigned away = site.order.member[0];
        soft_put(&f, false);
        ms_pool_shutdown();
        fleet_gone(&f, away, true);
        check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        assert_true(fleet_all(&f, "hint") >= 2); /* who is to be told */
        wait_for_return(&f, away);
        soft_check_there(&f, false, true);
        fleet_gone(&f, away, true);
        check_ok(soft_purge(&f, true, &err), err);
        wait_for_return(&f, away);
        soft_check_there(&f, false, false);
        fleet_free(&f);
    }
}

/* Of 2+1 shards one stayed live at a member that was away, one is soft-deleted, the third cannot be
 * had: together they make the soft-deleted value, and never the live one. */
static void what_stayed_behind_is_not_alive(void **state)
{
    (void)state;
    for (unsigned i = 2; i < 4; i++) {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, &soft_policies[i]);
        struct ms_site site = soft_site(&f, false);
        soft_put(&f, false);
        ms_pool_shutdown();
        fleet_gone(&f, site.order.member[0], true);
        check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        wait_for_return(&f, site.order.member[0]);
        fleet_gone(&f, site.order.member[1], true);
        check_ok(soft_load(&f, true, &err), err);
        assert_int_not_equal(soft_load(&f, false, &err), 0);
        check_text(err, "whether it was deleted cannot be told while 1 members are silent");
        fleet_wipe(&f, site.order.member[1], "val"); /* it comes back, without it */
        fleet_gone(&f, site.order.member[1], false);
        ms_member_forgive(f.roster->members[site.order.member[1]]);
        soft_check_there(&f, false, true);
        ms_pool_shutdown();
        fleet_free(&f);
    }
}

/* The soft-deleted item was purged and is there again, put or moved there while a member had missed
 * something; then the purge comes late to the other two. */
static void what_came_again_is_not_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, &soft_policies[i / 2]);
        struct ms_site site = soft_site(&f, true);
        soft_put(&f, true);
        check_ok(soft_purge(&f, true, &err), err);
        ms_pool_shutdown();
        ms_member_set_returning(f.roster->members[site.order.member[0]]);
        soft_put(&f, i % 2 == 0);
        if (i % 2)
            check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        for (unsigned m = 1; m < 3; m++)
            fleet_wipe(&f, site.order.member[m], "val");
        soft_check_there(&f, false, true);
        ms_pool_shutdown();
        fleet_free(&f);
    }
}

/* One copy is all there is, as of a store that nobody was told of as done. Whoever is told that it
 * is soft-deleted, or brought back, finds it there, also when its member has missed something since
 * (of another key), and the item had been moved away before. */
static void one_copy_that_moved_is_no_leftover(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct fleet f;
        struct ms_error err = {0};
        bool deleted = i % 2;
        make(&f, &soft_policies[i / 2]);
        struct ms_site site = soft_site(&f, false);
        soft_put(&f, false);
        ms_pool_shutdown();
        for (unsigned m = 1; m < 3; m++)
            fleet_wipe(&f, site.order.member[m], "val");
        check_ok(soft_delete(&f, &err), err);
        check_ok(soft_undelete(&f, &err), err);
        if (deleted)
            check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), 1);
        ms_member_set_returning(f.roster->members[site.order.member[0]]);
        soft_check_there(&f, !deleted, deleted);
        ms_pool_shutdown(); /* and who has loaded it puts back what is missing */
        assert_int_equal(fleet_all(&f, "val"), 3);
        fleet_free(&f);
    }
}

static void too_few_members(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, &soft_policies[i]);
        soft_put(&f, false);
        fleet_gone(&f, 0, true);
        fleet_gone(&f, 1, true);
        assert_int_not_equal(soft_delete(&f, &err), 0);
        assert_true(err.text[0]);
        fleet_gone(&f, 0, false);
        fleet_gone(&f, 1, false);
        for (unsigned m = 0; m < 2; m++)
            ms_member_forgive(f.roster->members[m]);
        soft_check_there(&f, true, false); /* nothing had been begun */
        fleet_free(&f);
    }
}

/* ---- two at once ---- */

struct collision {
    bool back; /* it is undeleted */
    bool cut;  /* who deletes it does not reach one of the members */
    uint64_t seed;
    unsigned count;
    struct fleet mover, purger;
};

static int purge_task(void *arg)
{
    struct collision *c = arg;
    struct ms_site site = soft_site(&c->purger, c->back);
    struct ms_tomb tomb;
    for (uint64_t i = 0; i < c->seed % 4; i++) /* it comes somewhat later */
        (void)!ms_tombs_look(&site, &tomb, NULL);
    return soft_purge(&c->purger, c->back, NULL);
}

struct counting {
    const char *mark;
    unsigned count;
};

static void count_marked(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    char text[512];
    struct counting *c = ctx;
    (void)storage;
    snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
    c->count += strstr(text, c->mark) != NULL;
}

static int collide(void *arg)
{
    struct collision *c = arg;
    struct fleet *f = &c->mover;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct counting moved = {.mark = c->back ? ".l." : ".s."};
    struct fleet_options options = {
        .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()};
    fleet_make(f, &options);
    fleet_join(&c->purger, f, &options);
    fleet_gone(&c->purger, 1, c->cut);
    soft_put(f, c->back);
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, purge_task, NULL, c, &err), err);
    int code = c->back ? soft_undelete(f, &err) : soft_delete(f, &err);
    ms_group_join_all(group, NULL);
    ms_group_release(group);
    check_ok(ms_sleep(f->clock, MINUTE, &err), err);
    for (unsigned i = 0; i < 3; i++)
        fleet_each(f, i, "val", count_marked, &moved);
    if (code == 0)
        assert_true(moved.count >= 2);
    c->count += code == MS_ERR_BUSY && moved.count == 1;
    fleet_free(&c->purger);
    fleet_free(f);
    return 0;
}

/* What a deletion in the same moment has left of it is not called soft-deleted, or brought back. */
static void deleted_while_it_moves(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct collision c = {.back = i & 1, .cut = i & 2};
        for (c.seed = 0; c.seed < 200; c.seed++)
            soft_simulate(collide, &c, c.seed);
        assert_true(c.count > 0);
    }
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(two_items_of_one_key),
        cmocka_unit_test(another_value_replaces_it),
        cmocka_unit_test(kept_shards_make_nothing_whole),
        cmocka_unit_test(never_neither),
        cmocka_unit_test(a_returning_member_shows_nothing_old),
        cmocka_unit_test(what_stayed_behind_is_not_alive),
        cmocka_unit_test(what_came_again_is_not_lost),
        cmocka_unit_test(one_copy_that_moved_is_no_leftover),
        cmocka_unit_test(too_few_members),
        cmocka_unit_test(deleted_while_it_moves),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    return failed;
}
