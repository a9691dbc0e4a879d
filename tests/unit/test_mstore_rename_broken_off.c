/* What heal makes of renames of immutable keys that dead clients left: a whole MStore, virtual
 * time.
 */
#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"
#include "mstore/intent.h"
#include "mstore/tombs.h"
#include "support/changing.h"
#include "support/check.h"

#include <mstore/emulator.h>
#include <mstore/multi.h>

#define MINUTE (UINT64_C(60) * 1000000000)
#define ALL    "[namespace data]\nkind = immutable\nredundancy = all\nverify = none\n"
#define OLD    "data/01one"
#define NEW    "data/01two"

static struct ms_error err;
static unsigned away, knows; /* members */
static unsigned cut_in_two;  /* renames */

static void wait_minutes(uint64_t minutes)
{
    check_ok(ms_sleep(ms_sim_clock(), minutes * MINUTE, &err), err);
}

static void put(struct changing_client *c, size_t size)
{
    MS_AUTO_BUF struct ms_buf *value = ms_buf_new(size);
    assert_non_null(value);
    check_ok(ms_store_store(c->store, ms_str(OLD), value, NULL, NULL, &err), err);
}

static void move(struct changing_client *c, const char *from, const char *to)
{
    check_ok(ms_store_move(c->store, MS_MOVE_RENAME, ms_str(from), ms_str(to), false, &err), err);
}

static bool is_there(struct changing_client *c, const char *key)
{
    struct ms_item_info info;
    check_ok(ms_store_info(c->store, ms_str(key), false, &info, &err), err);
    return info.exists;
}

/* Whether nothing that was broken off is left afterwards. */
static bool heal(struct changing_client *c)
{
    MS_AUTO_ROSTER struct ms_roster *roster = ms_self_roster(ms_self_of(c->store));
    struct ms_upkeep_report *r = NULL;
    struct ms_site from;
    bool there = false;
    check_ok(ms_mstore_heal(c->store, NULL, &r, &err), err);
    check_ok(ms_site_of(roster, ms_str(OLD), false, &from, &err), err);
    check_ok(ms_intent_look(&from, &there, &err), err);
    ms_upkeep_report_free(r);
    return !there;
}

static void put_name(struct ms_roster *roster, unsigned member, const struct ms_own_name *own,
                     struct ms_buf *bytes)
{
    struct ms_name name;
    check_ok(ms_own_format(own, 0, &name, &err), err);
    check_ok(ms_member_store(roster->members[member], ms_name_view(&name), bytes, NULL, NULL, &err),
             err);
}

static void make_intent(struct ms_intent *intent, uint64_t writer, const char *to)
{
    struct ms_write_id id = {1, writer};
    check_ok(ms_intent_init(intent, MS_OWN_RENAME, id, false, ms_str(to), &err), err);
}

/* A member has got the intent of a rename that was done, and missed that it went. */
static void keep_intent(struct ms_roster *roster, const struct ms_site *from, const char *to,
                        unsigned member)
{
    struct ms_intent intent;
    MS_AUTO_BUF struct ms_buf *text = NULL;
    make_intent(&intent, 76, to);
    check_ok(ms_intent_make(&intent, &text, &err), err);
    struct ms_own_name own = ms_intent_name(from, intent.op, intent.id);
    put_name(roster, member, &own, text);
}

/* As a client leaves it that died when it had begun to take back the deletion of the new key, which
 * one voter knows by now. */
static void die_taking_back(struct ms_roster *roster, const struct ms_site *from,
                            const struct ms_site *to)
{
    struct ms_intent intent;
    struct ms_tomb tomb = {0};
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_new(0);
    make_intent(&intent, 77, NEW);
    check_ok(ms_intent_put(from, &intent, &err), err);
    check_ok(ms_tombs_look(to, &tomb, &err), err);
    assert_true(tomb.there);
    struct ms_own_name own = ms_tombs_name(to, tomb.id);
    own.mark = MS_OWN_LIVE;
    put_name(roster, knows, &own, empty);
}

static void break_off(struct changing_client *c)
{
    MS_AUTO_ROSTER struct ms_roster *roster = ms_self_roster(ms_self_of(c->store));
    struct ms_site from, to;
    check_ok(ms_site_of(roster, ms_str(OLD), false, &from, &err), err);
    check_ok(ms_site_of(roster, ms_str(NEW), false, &to, &err), err);
    keep_intent(roster, &to, OLD, away);
    die_taking_back(roster, &from, &to);
}

/* The value was at the new key, and left it while a member was away, which has its copy yet. Then
 * the rename to there is broken off: whether that copy counts depends on whether he who knows is
 * asked. */
static void begin(struct changing *w, unsigned members)
{
    struct changing_client *c = &w->client[0];
    changing_begin(w, members, ALL);
    put(c, 5);
    move(c, OLD, NEW);
    wait_minutes(1);
    changing_gone(c, away, true);
    move(c, NEW, OLD);
    changing_gone(c, away, false);
    wait_minutes(1);
    break_off(c);
    wait_minutes(2);
    assert_false(heal(c)); /* its client may be at work yet */
    wait_minutes(30);
}

/* One of the two, for good. */
static void check_one(struct changing_client *c)
{
    bool old = is_there(c, OLD), new = is_there(c, NEW);
    assert_true(old != new);
    for (unsigned i = 0; i < 3; i++) {
        wait_minutes(21);
        assert_true(heal(c));
        assert_true(is_there(c, OLD) == old);
        assert_true(is_there(c, NEW) == new);
    }
}

static int finish(void *world)
{
    struct changing *w = world;
    begin(w, 3);
    assert_true(heal(&w->client[0]));
    check_one(&w->client[0]);
    return changing_end_all(w, 1);
}

static void is_at_one_end(void **state)
{
    (void)state;
    for (away = 0; away < 3; away++)
        for (knows = 0; knows < 3; knows++)
            if (knows != away)
                changing_run_seeds(finish, 10);
}

/* He who knows is silent: that must wait for him. */
static int finish_later(void *world)
{
    struct changing *w = world;
    struct changing_client *c = &w->client[0];
    begin(w, 5);
    changing_gone(c, knows, true);
    assert_false(heal(c));
    changing_gone(c, knows, false);
    wait_minutes(10);
    assert_true(heal(c));
    check_one(c);
    return changing_end_all(w, 1);
}

static void waits_for_who_may_know(void **state)
{
    (void)state;
    away = 0;
    for (knows = 1; knows < 5; knows++)
        changing_run(finish_later, 1);
}

/* The new key was deleted after that: the other one stays. */
static int delete_since(void *world)
{
    struct changing *w = world;
    struct changing_client *c = &w->client[0];
    begin(w, 3);
    int code = ms_store_delete(c->store, ms_str(NEW), false, &err);
    assert_true(!code || code == MS_ERR_NOT_FOUND);
    assert_true(heal(c));
    check_one(c);
    assert_true(code || is_there(c, OLD));
    return changing_end_all(w, 1);
}

static void what_was_deleted_since_stays_so(void **state)
{
    (void)state;
    for (away = 0; away < 3; away++)
        for (knows = 0; knows < 3; knows++)
            if (knows != away)
                changing_run_seeds(delete_since, 3);
}

/* ---- a rename that fails by itself ---- */

#define LOADS 32

/* All loads find nothing, but the first few of one member's, as if the value went away while it is
 * read. (The first member has nothing, and must show its mark.) */
static void lose_loads(struct changing_client *c, unsigned one, unsigned first)
{
    struct ms_fault faults[LOADS];
    for (unsigned i = 0; i < LOADS; i++)
        faults[i] = (struct ms_fault){
            .verb = MS_VERB_LOAD, .kind = MS_FAULT_NTH, .nth = i + 1, .code = MS_ERR_NOT_FOUND};
    for (unsigned i = 1; i < 3; i++) {
        unsigned left = i == one ? first : 0;
        check_ok(ms_emulator_set_faults(c->emulator[i], faults + left, LOADS - left, &err), err);
    }
}

static void lose_no_loads(struct changing_client *c)
{
    for (unsigned i = 1; i < 3; i++)
        check_ok(ms_emulator_set_faults(c->emulator[i], NULL, 0, &err), err);
}

/* A member has kept a copy under the new name, which counts again when one is stored there. Who is
 * told that the rename found nothing to move finds nothing moved. */
static int fail_in_the_middle(void *world)
{
    struct changing *w = world;
    struct changing_client *c = &w->client[0];
    changing_begin(w, 3, ALL);
    put(c, 3u << 20);
    move(c, OLD, NEW);
    wait_minutes(1);
    changing_gone(c, 0, true);
    move(c, NEW, OLD);
    changing_gone(c, 0, false);
    wait_minutes(1);
    lose_loads(c, away, knows);
    int code = ms_store_move(c->store, MS_MOVE_RENAME, ms_str(OLD), ms_str(NEW), false, &err);
    lose_no_loads(c);
    print_message("k %u code %d %s\n", knows, code, code ? err.text : "");
    cut_in_two += code == MS_ERR_BUSY;
    wait_minutes(30);
    assert_true(heal(c));
    check_one(c);
    if (!code || code == MS_ERR_NOT_FOUND)
        assert_true(is_there(c, code ? OLD : NEW));
    return changing_end_all(w, 1);
}

static void ends_at_one_of_both(void **state)
{
    (void)state;
    cut_in_two = 0;
    for (away = 1; away < 3; away++)
        for (knows = 1; knows <= 4; knows++)
            changing_run(fail_in_the_middle, 1);
    assert_true(cut_in_two > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_at_one_end),
        cmocka_unit_test(waits_for_who_may_know),
        cmocka_unit_test(what_was_deleted_since_stays_so),
        cmocka_unit_test(ends_at_one_of_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
