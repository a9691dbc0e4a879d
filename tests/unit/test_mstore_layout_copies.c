/* mstore/layout_copies.c: heal brings the layout in force to members that missed it, and takes away
 * what nobody needs any more; who comes with what he knew long ago decides nothing anew. Virtual
 * time. */
#include "mstore/layout_copies.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"
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

/* Scrub's word about a member; what it finds is not clean. */
static uint64_t found(struct changing_client *c, unsigned member, enum ms_upkeep_find find)
{
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    check_ok(ms_mstore_scrub(c->store, NULL, &r, &err), err);
    uint64_t count = r->members[member].found[find];
    assert_int_equal(ms_upkeep_report_clean(r), count == 0);
    assert_int_equal(r->layouts, count);
    ms_upkeep_report_free(r);
    return count;
}

static uint64_t wanting(struct changing_client *c, unsigned member)
{
    return found(c, member, MS_FIND_WANTING);
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

/* ---- mending ---- */

static void layout_name(struct changing_client *c, uint64_t epoch, struct ms_name *out)
{
    const struct ms_own_name own = {
        .kind = MS_OWN_LAYOUT, .store = ms_self_of(c->store)->uuid, .epoch = epoch, .final = true};
    struct ms_error err = {0};
    check_ok(ms_own_format(&own, 0, out, &err), err);
}

static struct ms_buf *read_layout(struct changing_client *c, unsigned member, uint64_t epoch)
{
    struct ms_buf *text = NULL;
    struct ms_name name;
    struct ms_error err = {0};
    layout_name(c, epoch, &name);
    check_ok(ms_member_load(member_of(c, member), ms_name_view(&name), 0, MS_SIZE_TO_END, &text,
                            NULL, &err),
             err);
    return text;
}

static void put_layout(struct changing_client *c, unsigned member, uint64_t epoch,
                       struct ms_view text)
{
    MS_AUTO_BUF struct ms_buf *value = ms_buf_copy(text);
    struct ms_name name;
    struct ms_error err = {0};
    layout_name(c, epoch, &name);
    check_ok(ms_member_store(member_of(c, member), ms_name_view(&name), value, NULL, NULL, &err),
             err);
}

static bool status_damaged(struct changing_client *c, unsigned member)
{
    struct ms_mstore_status *s = NULL;
    struct ms_error err = {0};
    check_ok(ms_mstore_status(c->store, &s, &err), err);
    bool damaged = s->members[member].damaged;
    assert_int_equal(s->members[member].code, 0);
    assert_string_equal(s->members[member].trouble, "");
    ms_mstore_status_free(s);
    return damaged;
}

static void damage_and_heal(struct changing_client *c, struct ms_view broken)
{
    MS_AUTO_BUF struct ms_buf *right = read_layout(c, 0, 2);
    put_layout(c, 1, 2, broken);
    assert_true(status_damaged(c, 1));
    assert_int_equal(found(c, 1, MS_FIND_DAMAGED), 1);
    MS_AUTO_BUF struct ms_buf *still = read_layout(c, 1, 2); /* scrub changes nothing */
    assert_true(ms_equal(ms_buf_view(still), broken));
    heal(c, true);
    MS_AUTO_BUF struct ms_buf *now = read_layout(c, 1, 2);
    assert_true(ms_equal(ms_buf_view(now), ms_buf_view(right)));
    assert_int_equal(found(c, 1, MS_FIND_DAMAGED), 0);
    assert_false(status_damaged(c, 1));
}

static int run_damaged(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    check_ok(changing_add(c, "m3", &err), err);
    MS_AUTO_BUF struct ms_buf *right = read_layout(c, 1, 2), *older = read_layout(c, 1, 1);
    MS_AUTO_BUF struct ms_buf *flipped = ms_buf_copy(ms_buf_view(right));
    ms_buf_data(flipped)[ms_buf_size(flipped) / 2] ^= 1;
    damage_and_heal(c, ms_buf_view(flipped));
    damage_and_heal(c, ms_str(""));
    damage_and_heal(c, ms_buf_view(older)); /* sealed, but not what its name says */
    return changing_end_all(w, 1);
}

static void a_damaged_layout_is_found_and_put_right(void **state)
{
    (void)state;
    changing_run_seeds(run_damaged, 5);
}

/* One above what is in force is nobody's to replace: it is told, and stays. */
static int run_unknown(void *arg)
{
    struct changing *w = arg;
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    put_layout(c, 1, 7, ms_str("what is this"));
    assert_int_equal(found(c, 1, MS_FIND_DAMAGED), 1);
    heal(c, false);
    MS_AUTO_BUF struct ms_buf *still = read_layout(c, 1, 7);
    assert_true(ms_equal(ms_buf_view(still), ms_str("what is this")));
    return changing_end_all(w, 1);
}

static void an_unknown_layout_stays(void **state)
{
    (void)state;
    changing_run_seeds(run_unknown, 3);
}

/* A member of which all layouts were taken away: it answers, and there is no trouble to be told. */
static int run_none(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    struct ms_name name;
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    layout_name(c, 1, &name);
    check_ok(ms_member_delete(member_of(c, 1), ms_name_view(&name), &err), err);
    assert_false(status_damaged(c, 1));
    assert_int_equal(wanting(c, 1), 1);
    heal(c, true);
    has_layout(c, 1, 1);
    return changing_end_all(w, 1);
}

static void a_member_without_layouts_gets_one(void **state)
{
    (void)state;
    changing_run_seeds(run_none, 3);
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
    wait_minutes(21);          /* the change may have put layout 4 there once more */
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
        cmocka_unit_test(a_damaged_layout_is_found_and_put_right),
        cmocka_unit_test(an_unknown_layout_stays),
        cmocka_unit_test(a_member_without_layouts_gets_one),
        cmocka_unit_test(what_nobody_needs_goes),
        cmocka_unit_test(who_comes_late_decides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
