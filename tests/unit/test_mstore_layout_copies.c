/* mstore/layout_copies.c: heal brings the layout in force to members that missed it, and takes away
 * what nobody needs any more; who comes with what he knew long ago decides nothing anew. Virtual
 * time. */
#include "mstore/layout_copies.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "mstore/change.h"
#include "mstore/paxos.h"
#include "support/changing.h"
#include "support/check.h"

#include <mstore/multi.h>

#include <stdio.h>
#include <stdlib.h>

#define MINUTE (UINT64_C(60) * 1000000000)

static void wait_minutes(uint64_t minutes)
{
    struct ms_error err = {0};
    check_ok(ms_sleep(ms_sim_clock(), minutes * MINUTE, &err), err);
}

static struct ms_member *member_of(struct changing_client *c, unsigned member)
{
    return ms_self_of(c->store)->members[member];
}

static void heal(struct changing_client *c, bool clean)
{
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    check_ok(ms_mstore_heal(c->store, NULL, &r, &err), err);
    assert_int_equal(ms_upkeep_report_clean(r), clean);
    ms_upkeep_report_free(r);
}

/* Scrub's word about a member. */
static uint64_t wanting(struct changing_client *c, unsigned member)
{
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    check_ok(ms_mstore_scrub(c->store, NULL, &r, &err), err);
    uint64_t found = r->members[member].found[MS_FIND_WANTING];
    ms_upkeep_report_free(r);
    return found;
}

static void has_layout(struct changing_client *c, unsigned member, uint64_t epoch)
{
    uint64_t final = 0, proposed = 0;
    struct ms_error err = {0};
    check_ok(ms_inquiry_latest(member_of(c, member), &ms_self_of(c->store)->uuid, &final, &proposed,
                               &err),
             err);
    assert_int_equal(final, epoch);
}

static int count_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    unsigned *count = ctx;
    (void)err;
    *count += !entry->info.directory;
    return 0;
}

static unsigned count_in(struct changing_client *c, unsigned member, const struct ms_own_name *own,
                         enum ms_own_depth depth)
{
    static const struct ms_list_request names = {.names_only = true};
    struct ms_name folder;
    struct ms_error err = {0};
    unsigned count = 0;
    check_ok(ms_own_folder(own, depth, 0, &folder, &err), err);
    check_ok(ms_member_list(member_of(c, member), ms_name_view(&folder), &names, count_entry,
                            &count, &err),
             err);
    return count;
}

static unsigned layouts_on(struct changing_client *c, unsigned member)
{
    const struct ms_own_name own = {.kind = MS_OWN_LAYOUT, .store = ms_self_of(c->store)->uuid};
    return count_in(c, member, &own, MS_OWN_OF_KIND);
}

static unsigned blocks_on(struct changing_client *c, unsigned member, uint64_t epoch)
{
    const struct ms_layout_register reg = ms_layout_register_of(epoch);
    const struct ms_own_name own = {.kind = MS_OWN_BLOCK,
                                    .store = ms_self_of(c->store)->uuid,
                                    .space = ms_str(MS_LAYOUT_REGISTER),
                                    .key = ms_str(reg.key)};
    return count_in(c, member, &own, MS_OWN_OF_KEY);
}

/* ---- bringing ---- */

static int run_missed(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    changing_put_all(c, 1);
    changing_gone(c, 2, true);
    check_ok(changing_add(c, "m3", &err), err);
    check_ok(changing_add(c, "m4", &err), err);
    heal(c, false); /* it does not answer */
    changing_gone(c, 2, false);
    wait_minutes(10);
    has_layout(c, 2, 1);
    assert_int_equal(wanting(c, 2), 1);
    has_layout(c, 2, 1); /* scrub changes nothing */
    heal(c, true);
    has_layout(c, 2, 3);
    assert_int_equal(wanting(c, 2), 0);
    changing_client(w, 1);
    for (unsigned i = 0; i < 2; i++) /* what it has is believed like any other's */
        changing_gone(&w->client[1], i, true);
    changing_in_force(&w->client[1], 3, false);
    return changing_end_all(w, 2);
}

static void who_missed_it_gets_the_layout(void **state)
{
    (void)state;
    changing_run_seeds(run_missed, 5);
}

/* ---- taking away ---- */

static void change_often(struct changing_client *c)
{
    struct ms_error err = {0};
    check_ok(changing_add(c, "m3", &err), err);
    check_ok(changing_add(c, "m4", &err), err);
    check_ok(changing_set_state(c, "m4", MS_DRAINING, &err), err);
}

static int run_old(void *arg)
{
    struct changing *w = arg;
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    changing_put_all(c, 1);
    change_often(c);
    heal(c, true); /* so soon nothing goes */
    for (unsigned m = 0; m < 3; m++) {
        assert_true(layouts_on(c, m) >= 5);
        assert_true(blocks_on(c, m, 2) >= 2 && blocks_on(c, m, 3) >= 2);
    }
    wait_minutes(21);
    heal(c, true);
    for (unsigned m = 0; m < 5; m++) {
        assert_int_equal(layouts_on(c, m), 2); /* proposed and final */
        assert_int_equal(blocks_on(c, m, 2) + blocks_on(c, m, 3), 0);
        has_layout(c, m, 4);
    }
    assert_true(blocks_on(c, 0, 4) >= 2); /* the decision on the newest stays */
    changing_client(w, 1);
    changing_in_force(&w->client[1], 4, false);
    changing_expect_all(&w->client[1], 1);
    return changing_end_all(w, 2);
}

static void what_nobody_needs_goes(void **state)
{
    (void)state;
    changing_run_seeds(run_old, 5);
}

/* ---- who comes late ---- */

/* What layout 2 is, once more, by a client that only knows layout 1. */
static int decide_anew(struct changing_client *c, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(c->store);
    const struct ms_layout_register reg = ms_layout_register_of(2);
    MS_AUTO_BUF struct ms_buf *mine = ms_buf_copy(ms_str("another layout 2")), *decided = NULL;
    struct ms_paxos x = {.store = self->uuid,
                         .space = ms_str(MS_LAYOUT_REGISTER),
                         .key = ms_str(reg.key),
                         .seal = &self->conf->key,
                         .members = self->members,
                         .count = 3,
                         .clock = self->base.clock,
                         .ids = self->ids,
                         .undecided = ms_layout_undecided};
    return ms_paxos_decide(&x, mine, &decided, err);
}

static int run_late(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG3);
    changing_client(w, 1); /* knows layout 1, and hears nothing for long */
    change_often(&w->client[0]);
    wait_minutes(21);
    heal(&w->client[0], true);
    assert_int_equal(blocks_on(&w->client[0], 0, 2), 0);
    check_code(decide_anew(&w->client[1], &err), MS_ERR_EXISTS, err);
    check_text(err, "has layout 4 in force already");
    /* A change finds out by itself: m3 is there, that was layout 2. */
    check_ok(changing_add(&w->client[1], "m3", &err), err);
    changing_in_force(&w->client[1], 4, false);
    heal(&w->client[0], true); /* what the late one put goes, too */
    assert_int_equal(blocks_on(&w->client[0], 0, 2), 0);
    return changing_end_all(w, 2);
}

static void who_comes_late_decides_nothing(void **state)
{
    (void)state;
    changing_run_seeds(run_late, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_missed_it_gets_the_layout),
        cmocka_unit_test(what_nobody_needs_goes),
        cmocka_unit_test(who_comes_late_decides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
