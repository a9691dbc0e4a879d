/* Soft delete and undelete of immutable keys: no bytes are copied, one of the two items can be read
 * at every moment, an absent member brings neither back, and what a dead client began stands in an
 * intent. */
#include "mstore/immutable_parts.h"
#include "mstore/intent.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/text.h"
#include "mstore/tombs.h"
#include "mstore/upkeep.h"
#include "mstore/voters.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

static const char key[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

static struct ms_site site_of(struct fleet *f, bool deleted)
{
    struct ms_site site = fleet_site(f, key);
    site.deleted = deleted;
    return site;
}

static void put(struct fleet *f, bool deleted)
{
    struct ms_error err = {0};
    struct ms_site site = site_of(f, deleted);
    MS_AUTO_BUF struct ms_buf *value = ms_buf_copy(ms_str("hello"));
    check_ok(ms_immutable_store(&site, f->ids, value, NULL, &err), err);
}

static int load(struct fleet *f, bool deleted, struct ms_error *err)
{
    struct ms_site site = site_of(f, deleted);
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code = ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, err);
    if (!code)
        assert_true(ms_equal(ms_buf_view(got), ms_str("hello")));
    return code;
}

static void check_there(struct fleet *f, bool live, bool deleted)
{
    struct ms_error err = {0};
    for (unsigned soft = 0; soft < 2; soft++) {
        struct ms_site site = site_of(f, soft);
        struct ms_item_info info;
        bool wanted = soft ? deleted : live;
        check_code(load(f, soft, &err), wanted ? 0 : MS_ERR_NOT_FOUND, err);
        check_ok(ms_immutable_info(&site, &info, &err), err);
        assert_true(info.exists == wanted);
        assert_true(!wanted || info.size_bytes == 5);
    }
}

static int soft_delete(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = site_of(f, false);
    return ms_immutable_soft_delete(&site, f->ids, err);
}

static int undelete(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = site_of(f, false);
    return ms_immutable_undelete(&site, f->ids, err);
}

static int purge(struct fleet *f, bool deleted, struct ms_error *err)
{
    struct ms_site site = site_of(f, deleted);
    return ms_immutable_delete(&site, f->ids, err);
}

struct policy {
    unsigned members;
    const char *text;
};
static const struct policy policies[] = {
    {3, "redundancy = copies 3\n"}, {3, "redundancy = copies 3\nverify = sha256\n"},
    {3, "redundancy = ec 2+1\n"},   {3, "redundancy = ec 2+1\nverify = sha256\n"},
    {6, "redundancy = ec 4+2\n"},   {6, "redundancy = ec 4+2\nverify = sha256\n"},
};
#define EACH(p)                                                                                    \
    for (const struct policy *p = policies; p < policies + sizeof policies / sizeof *policies; p++)

static void make(struct fleet *f, const struct policy *p)
{
    fleet_make(
        f, &(struct fleet_options){.members = p->members, .policy = p->text, .lease_ns = 50000000});
}

static void there_and_back(void **state)
{
    (void)state;
    EACH(p)
    {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        check_code(soft_delete(&f, &err), MS_ERR_NOT_FOUND, err);
        check_code(undelete(&f, &err), MS_ERR_NOT_FOUND, err);
        assert_int_equal(fleet_all(&f, "tomb") + fleet_all(&f, "intent"), 0);
        put(&f, false);
        ms_pool_shutdown();
        unsigned objects = fleet_all(&f, "val");
        uint64_t loads = fleet_calls(&f, MS_VERB_LOAD), stores = fleet_calls(&f, MS_VERB_STORE);
        check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        /* no bytes went anywhere: an intent and a tombstone on each of the voters */
        struct ms_site site = site_of(&f, false);
        assert_int_equal(fleet_calls(&f, MS_VERB_LOAD) - loads, 0);
        assert_int_equal(fleet_calls(&f, MS_VERB_STORE) - stores, 2 * ms_voters_count(&site));
        assert_int_equal(fleet_all(&f, "val"), objects);
        assert_int_equal(fleet_all(&f, "intent") + fleet_all(&f, "hint"), 0);
        check_there(&f, false, true);
        check_code(soft_delete(&f, &err), MS_ERR_NOT_FOUND, err);
        stores = fleet_calls(&f, MS_VERB_STORE);
        check_ok(undelete(&f, &err), err);
        ms_pool_shutdown(); /* and the same back */
        assert_int_equal(fleet_calls(&f, MS_VERB_STORE) - stores, 2 * ms_voters_count(&site));
        check_there(&f, true, false);
        check_code(undelete(&f, &err), MS_ERR_NOT_FOUND, err);
        check_ok(soft_delete(&f, &err), err); /* and once more, above the first tombstones */
        check_there(&f, false, true);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), objects);
        fleet_free(&f);
    }
}

static void two_items_of_one_key(void **state)
{
    (void)state;
    EACH(p)
    {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        put(&f, true);
        check_there(&f, false, true);
        put(&f, false);
        check_there(&f, true, true);
        check_code(undelete(&f, &err), MS_ERR_EXISTS, err);
        check_ok(purge(&f, true, &err), err);
        check_there(&f, true, false);
        put(&f, true);
        check_ok(purge(&f, false, &err), err);
        check_there(&f, false, true);
        check_ok(purge(&f, true, &err), err);
        check_there(&f, false, false);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), 0);
        fleet_free(&f);
    }
}

/* ---- half of the way ---- */

static void turn(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct ms_error err = {0};
    char text[512];
    int *left = ctx;
    snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
    char *mark = strstr(text, ".l.");
    if (!mark || (*left)-- <= 0) /* none: it is listed again under its new name */
        return;
    mark[1] = 's';
    check_ok(ms_backend_move(storage, name, ms_str(text), NULL, &err), err);
}

static void begin_soft_delete(struct fleet *f, uint64_t counter)
{
    struct ms_error err = {0};
    struct ms_intent intent;
    struct ms_site site = site_of(f, false), soft = site_of(f, true);
    struct ms_write_id id = {counter, 77};
    check_ok(ms_intent_init(&intent, MS_OWN_SOFT_DELETE, id, false, ms_str(""), &err), err);
    check_ok(ms_intent_put(&site, &intent, &err), err);
    check_ok(ms_immutable_revive(&soft, &err), err);
    check_ok(ms_tombs_put(&site, id, &err), err);
    check_ok(ms_sleep(f->clock, 1000000, &err), err); /* on all by now */
}

/* As a client leaves it that dies after `turned` renames. */
static void die_after(struct fleet *f, int turned)
{
    struct ms_site site = site_of(f, false);
    begin_soft_delete(f, 1);
    for (unsigned i = 0; i < f->count; i++)
        fleet_each(f, site.order.member[i], "val", turn, &turned);
}

static void never_neither(void **state)
{
    (void)state;
    EACH(p)
    for (unsigned turned = 0; turned <= p->members; turned++) {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        put(&f, false);
        ms_pool_shutdown();
        die_after(&f, (int)turned);
        int live = load(&f, false, &err), soft = load(&f, true, &err);
        if (live && soft)
            fail_msg("%safter %u renames: %s", p->text, turned, err.text);
        if (turned == 0)
            check_there(&f, true, false);
        if (turned == p->members)
            check_there(&f, false, true);
        /* who comes next gets it the whole way */
        check_ok(live ? undelete(&f, &err) : soft_delete(&f, &err), err);
        check_there(&f, live != 0, live == 0);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), p->members);
        fleet_free(&f);
    }
}

/* ---- members that are away ---- */

static void wait_for_return(struct fleet *f, unsigned member)
{
    fleet_gone(f, member, false);
    ms_member_set_returning(f->roster->members[member]);
    ms_member_forgive(f->roster->members[member]); /* its breaker lets it in at once */
}

static void a_returning_member_shows_nothing_old(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct policy *p = &policies[i];
        struct fleet f;
        struct ms_error err = {0};
        make(&f, p);
        struct ms_site site = site_of(&f, false);
        unsigned away = site.order.member[0];
        put(&f, false);
        ms_pool_shutdown();
        fleet_gone(&f, away, true);
        check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        assert_true(fleet_all(&f, "hint") >= 2); /* who is to be told */
        wait_for_return(&f, away);
        check_there(&f, false, true);
        fleet_gone(&f, away, true);
        check_ok(purge(&f, true, &err), err);
        wait_for_return(&f, away);
        check_there(&f, false, false);
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
        make(&f, &policies[i]);
        struct ms_site site = site_of(&f, false);
        put(&f, false);
        ms_pool_shutdown();
        fleet_gone(&f, site.order.member[0], true);
        check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        wait_for_return(&f, site.order.member[0]);
        fleet_gone(&f, site.order.member[1], true);
        check_ok(load(&f, true, &err), err);
        assert_int_not_equal(load(&f, false, &err), 0);
        check_text(err, "whether it was deleted cannot be told while 1 members are silent");
        fleet_wipe(&f, site.order.member[1], "val"); /* it comes back, without it */
        fleet_gone(&f, site.order.member[1], false);
        ms_member_forgive(f.roster->members[site.order.member[1]]);
        check_there(&f, false, true);
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
        make(&f, &policies[i / 2]);
        struct ms_site site = site_of(&f, true);
        put(&f, true);
        check_ok(purge(&f, true, &err), err);
        ms_pool_shutdown();
        ms_member_set_returning(f.roster->members[site.order.member[0]]);
        put(&f, i % 2 == 0);
        if (i % 2)
            check_ok(soft_delete(&f, &err), err);
        ms_pool_shutdown();
        for (unsigned m = 1; m < 3; m++)
            fleet_wipe(&f, site.order.member[m], "val");
        check_there(&f, false, true);
        ms_pool_shutdown();
        fleet_free(&f);
    }
}

static void too_few_members(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct fleet f;
        struct ms_error err = {0};
        make(&f, &policies[i]);
        put(&f, false);
        fleet_gone(&f, 0, true);
        fleet_gone(&f, 1, true);
        assert_int_not_equal(soft_delete(&f, &err), 0);
        assert_true(err.text[0]);
        fleet_gone(&f, 0, false);
        fleet_gone(&f, 1, false);
        for (unsigned m = 0; m < 2; m++)
            ms_member_forgive(f.roster->members[m]);
        check_there(&f, true, false); /* nothing had been begun */
        fleet_free(&f);
    }
}

/* ---- what a dead client left ---- */

#define MINUTE (UINT64_C(60) * 1000000000)

static void simulate(int (*fn)(void *arg), void *arg, uint64_t seed)
{
    struct ms_sim_options options = {.seed = seed};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, fn, arg, NULL, &err), err);
}

static void heal(struct fleet *f)
{
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    check_ok(ms_upkeep_run(NULL, f->roster, MS_UPKEEP_HEAL, NULL, &report, &err), err);
    ms_upkeep_report_free(report);
}

struct broken_off {
    const struct policy *policy;
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
    put(&f, false);
    check_ok(ms_sleep(f.clock, 100 * 24 * 60 * MINUTE, &err), err);
    die_after(&f, b->turned);
    for (unsigned i = 0; i < b->damaged; i++)
        fleet_flip(&f, i, "intent", 77);
    check_ok(ms_sleep(f.clock, 10 * MINUTE, &err), err);
    heal(&f); /* its client may be at work yet */
    unsigned intents = fleet_all(&f, "intent");
    assert_true(intents >= 2);
    assert_false(load(&f, false, &err) && load(&f, true, &err));
    check_ok(ms_sleep(f.clock, 15 * MINUTE, &err), err);
    heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 0);
    assert_int_equal(fleet_all(&f, "trash") + fleet_all(&f, "hint"), 0);
    assert_int_equal(fleet_all(&f, "val"), b->policy->members);
    /* whole as one of the two: as the live one when a store would leave as much as was left */
    struct ms_site site = site_of(&f, false);
    bool back = b->policy->members - (unsigned)b->turned >= ms_immutable_needs(&site);
    check_there(&f, back, !back);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void heal_finishes_or_takes_back(void **state)
{
    (void)state;
    EACH(p)
    for (int turned = 0; turned <= (int)p->members; turned++)
        for (unsigned damaged = 0; damaged <= p->members; damaged++) {
            struct broken_off b = {.policy = p, .turned = turned, .damaged = damaged};
            simulate(finish_one, &b, 3);
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
    put(&f, false);
    check_ok(ms_sleep(f.clock, 24 * 60 * MINUTE, &err), err);
    die_after(&f, 1);
    check_ok(purge(&f, false, &err), err);
    for (unsigned i = 0; i < 3 && *spoiled; i++)
        fleet_each(&f, i, "val", spoil_soft, NULL);
    assert_int_equal(fleet_all(&f, "val"), 1);
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 0);
    assert_int_equal(fleet_all(&f, "val"), *spoiled ? 0 : 3);
    assert_int_equal(fleet_all(&f, "trash"), *spoiled ? 1 : 0);
    check_there(&f, false, !*spoiled);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void what_is_spoiled_on_its_way_goes(void **state)
{
    bool spoiled[] = {false, true};
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        simulate(spoil_one, &spoiled[i], 3);
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
    put(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    for (unsigned i = 0; i < 3; i++)
        fleet_each(&f, i, "val", turn, &turned);
    fleet_each(&f, 0, "val", leave_behind, NULL);
    put(&f, false);
    check_ok(ms_sleep(f.clock, 2 * 60 * MINUTE, &err), err);
    heal(&f);
    assert_int_equal(fleet_all(&f, "val"), 6); /* of two writes, one of them soft-deleted */
    assert_int_equal(fleet_all(&f, "trash"), 1);
    check_there(&f, true, true);
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
    put(&f, true);
    put(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_each(&f, 0, "val", turn, &turned);
    fleet_each(&f, 1, "val", remove_live, NULL);
    assert_int_equal(fleet_all(&f, "val"), 5);
    for (unsigned i = 0; i < 2; i++) {
        check_ok(ms_sleep(f.clock, 2 * 60 * MINUTE, &err), err);
        heal(&f);
    }
    assert_int_equal(fleet_all(&f, "val"), 3);
    assert_int_equal(fleet_all(&f, "trash"), 2);
    check_there(&f, false, true);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void what_a_store_at_the_same_time_left_goes(void **state)
{
    (void)state;
    simulate(mix_one, NULL, 3);
}

static void what_a_whole_soft_delete_left_goes(void **state)
{
    (void)state;
    simulate(sweep_one, NULL, 3);
}

struct left_two {
    struct policy policy;
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
    return purge(f, true, err);
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
    struct ms_site site = site_of(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    put(&f, false);
    if (l->marked)
        fleet_put(&f, "another", value);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    without(&f, site.order.member[0], soft_delete);
    heal(&f);
    check_there(&f, false, true);
    if (l->marked)
        without(&f, site.order.member[1], delete_another);
    without(&f, site.order.member[1], purge_soft);
    heal(&f); /* who deleted it may be at work yet */
    assert_true(fleet_all(&f, "val") >= 2);
    for (unsigned i = 0; i < 2; i++) {
        check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
        heal(&f);
    }
    assert_int_equal(fleet_all(&f, "val"), 0);
    check_there(&f, false, false);
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    heal(&f);
    assert_int_equal(fleet_all(&f, "away") + fleet_all(&f, "hint"), 0); /* both believed again */
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void leftovers_of_both_items_go(void **state)
{
    (void)state;
    for (unsigned marked = 0; marked < 2; marked++) {
        simulate(leave_two, &(struct left_two){{4, "redundancy = ec 2+1\nverify = none\n"}, marked},
                 3);
        simulate(leave_two, &(struct left_two){{6, "redundancy = ec 4+2\nverify = none\n"}, marked},
                 3);
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
    struct ms_site site = site_of(&f, false);
    put(&f, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    check_ok(soft_delete(&f, &err), err);
    without(&f, site.order.member[0], undelete);
    fleet_each(&f, site.order.member[0], "val", leave_behind, NULL);
    assert_int_equal(fleet_all(&f, "val"), 4);
    check_there(&f, true, false);
    begin_soft_delete(&f, 3);
    fleet_each(&f, site.order.member[1], "val", turn, &turned);
    for (unsigned i = 0; i < 2; i++) {
        check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
        heal(&f);
    }
    assert_int_equal(fleet_all(&f, "intent"), 0);
    assert_int_equal(fleet_all(&f, "val"), 6);
    check_there(&f, true, true);
    check_ok(soft_delete(&f, &err), err);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    assert_int_equal(fleet_all(&f, "val"), 3);
    check_there(&f, false, true);
    fleet_free(&f);
    return 0;
}

static void a_leftover_counts_with_what_was_turned(void **state)
{
    (void)state;
    simulate(stay_at_both, NULL, 3);
}

/* ---- two at once ---- */

static int purge_task(void *arg)
{
    return purge(arg, false, NULL);
}

static void count_soft(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    char text[512];
    unsigned *count = ctx;
    (void)storage;
    snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
    *count += strstr(text, ".s.") != NULL;
}

static int collide(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    unsigned soft = 0, *collisions = arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()});
    put(&f, false);
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, purge_task, NULL, &f, &err), err);
    int code = soft_delete(&f, &err);
    ms_group_join_all(group, NULL);
    ms_group_release(group);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    for (unsigned i = 0; i < 3; i++)
        fleet_each(&f, i, "val", count_soft, &soft);
    if (code == 0)
        assert_true(soft >= 2);
    *collisions += code == MS_ERR_BUSY && soft == 1;
    fleet_free(&f);
    return 0;
}

/* What a deletion in the same moment has left of it is not called soft-deleted. */
static void deleted_while_it_moves(void **state)
{
    unsigned collisions = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        simulate(collide, &collisions, seed);
    }
    assert_true(collisions > 0);
}

/* On one voter of three: it was never begun, or is done. */
static int drop_one(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    struct ms_intent intent;
    (void)arg;
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .clock = ms_sim_clock()});
    put(&f, false);
    check_ok(ms_sleep(f.clock, 100 * 24 * 60 * MINUTE, &err), err);
    struct ms_site site = site_of(&f, false);
    struct ms_write_id id = {1, 77};
    check_ok(ms_intent_init(&intent, MS_OWN_SOFT_DELETE, id, false, ms_str(""), &err), err);
    check_ok(ms_intent_put(&site, &intent, &err), err);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_wipe(&f, 0, "intent");
    fleet_wipe(&f, 1, "intent");
    check_ok(ms_sleep(f.clock, 30 * MINUTE, &err), err);
    heal(&f);
    assert_int_equal(fleet_all(&f, "intent"), 0);
    check_there(&f, true, false);
    check_ok(ms_sleep(f.clock, MINUTE, &err), err);
    fleet_free(&f);
    return 0;
}

static void an_intent_of_few_only_goes(void **state)
{
    (void)state;
    simulate(drop_one, NULL, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(two_items_of_one_key),
        cmocka_unit_test(never_neither),
        cmocka_unit_test(a_returning_member_shows_nothing_old),
        cmocka_unit_test(what_stayed_behind_is_not_alive),
        cmocka_unit_test(what_came_again_is_not_lost),
        cmocka_unit_test(too_few_members),
        cmocka_unit_test(heal_finishes_or_takes_back),
        cmocka_unit_test(what_is_spoiled_on_its_way_goes),
        cmocka_unit_test(what_a_whole_soft_delete_left_goes),
        cmocka_unit_test(what_a_store_at_the_same_time_left_goes),
        cmocka_unit_test(leftovers_of_both_items_go),
        cmocka_unit_test(a_leftover_counts_with_what_was_turned),
        cmocka_unit_test(deleted_while_it_moves),
        cmocka_unit_test(an_intent_of_few_only_goes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    return failed;
}
