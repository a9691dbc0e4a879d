/* What a mirror of a plain namespace has missed: nobody believes it any more, heal makes up for it,
 * and while all answer it costs no call. */
#include "mstore/names.h"
#include "mstore/plain.h"
#include "mstore/plain_hint.h"
#include "mstore/plain_list.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"
#include "tests/support/check.h"
#include "tests/support/mirrors.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned members; /* of the store under test */

static const struct fleet_options *options(void)
{
    static struct fleet_options o;
    o = (struct fleet_options){.members = members,
                               .clock = ms_sim_clock(),
                               .kind = "plain",
                               .policy = "redundancy = all\n",
                               .latency_ns = 1000000,
                               .seed = 5};
    return &o;
}

/* ---- verbs ---- */

#define ITEM(KEY) ((struct ms_item_ref){.key = ms_str("data/" KEY)})

static int erase(struct fleet *f, const char *key, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    char whole[64];
    snprintf(whole, sizeof whole, "data/%s", key);
    return ms_plain_remove(&site, (struct ms_item_ref){.key = ms_str(whole)}, err);
}

static int rename_key(struct fleet *f, const char *key, const char *to, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key), there = fleet_site(f, to);
    char whole[64], new_key[64];
    snprintf(whole, sizeof whole, "data/%s", key);
    snprintf(new_key, sizeof new_key, "data/%s", to);
    return ms_plain_move(&site, MS_MOVE_RENAME, (struct ms_item_ref){.key = ms_str(whole)}, &there,
                         ms_str(new_key), err);
}

/* Keys that are live, one after the other. */
static int list(struct fleet *f, char *out, size_t size, struct ms_error *err)
{
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    struct ms_store_lister *l = NULL;
    const struct ms_item *item = NULL;
    out[0] = '\0';
    int code = ms_plain_list(f->roster, "data", &o, &l, err);
    while (!code && !(code = ms_store_lister_next(l, &item, err)) && item)
        snprintf(out + strlen(out), size - strlen(out), "%.*s ", (int)item->key.size,
                 (const char *)item->key.data);
    ms_store_lister_close(l);
    return code;
}

static void assert_list(struct fleet *f, const char *keys)
{
    struct ms_error err = {0};
    char text[256];
    check_ok(list(f, text, sizeof text, &err), err);
    assert_string_equal(text, keys);
}

/* ---- tests ---- */

static void fill(struct fleet *f)
{
    struct ms_error err = {0};
    check_ok(mirrors_put(f, "00replaced", "old", &err), err);
    check_ok(mirrors_put(f, "01deleted", "gone", &err), err);
    check_ok(mirrors_put(f, "02hidden", "hidden", &err), err);
    check_ok(mirrors_put(f, "03renamed", "moved", &err), err);
    check_ok(mirrors_put(f, "04kept", "kept", &err), err);
}

static void change(struct fleet *f)
{
    struct ms_error err = {0};
    check_ok(mirrors_put(f, "00replaced", "new value", &err), err);
    check_ok(erase(f, "01deleted", &err), err);
    check_ok(mirrors_move(f, "02hidden", MS_MOVE_SOFT_DELETE, &err), err);
    check_ok(rename_key(f, "03renamed", "05new", &err), err);
    check_ok(mirrors_put(f, "06stored", "stored", &err), err);
}

static void assert_changed(struct fleet *f)
{
    mirrors_assert(f, "00replaced", false, "new value");
    mirrors_assert(f, "01deleted", false, "");
    mirrors_assert(f, "02hidden", false, "");
    mirrors_assert(f, "02hidden", true, "hidden");
    mirrors_assert(f, "03renamed", false, "");
    mirrors_assert(f, "04kept", false, "kept");
    mirrors_assert(f, "05new", false, "moved");
    mirrors_assert(f, "06stored", false, "stored");
    assert_list(f, "00replaced 04kept 05new 06stored ");
}

/* Of the Store that the member is by itself. */
static void assert_mirror(struct fleet *f, unsigned member)
{
    static const char *const names[][2] = {
        {"data/00/00replaced", "new value"}, {"data/02/02hidden.del", "hidden"},
        {"data/04/04kept", "kept"},          {"data/05/05new", "moved"},
        {"data/06/06stored", "stored"},      {"data/01/01deleted", NULL},
        {"data/02/02hidden", NULL},          {"data/03/03renamed", NULL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        mirrors_assert_at(f, member, names[i][0], names[i][1]);
}

static int miss_and_heal(void *arg)
{
    struct fleet f, other;
    (void)arg;
    fleet_make(&f, options());
    fleet_join(&other, &f, options());
    fill(&f);
    mirrors_assert(&other, "00replaced", false, "old"); /* its lease begins */
    fleet_gone(&f, 1, true);
    change(&f);
    fleet_gone(&f, 1, false);
    assert_changed(&other); /* it has never noticed that the member was away */
    mirrors_pause(60);
    assert_changed(&f);
    mirrors_heal(&f);
    for (unsigned i = 0; i < members; i++)
        assert_mirror(&f, i);
    assert_changed(&other);
    for (unsigned round = 0; round < 2; round++) {
        mirrors_pause(21 * 60);
        mirrors_heal(&f);
    }
    assert_int_equal(fleet_all(&f, "hint"), 0);
    assert_int_equal(fleet_all(&f, "away"), 0);
    mirrors_pause(60);
    assert_changed(&other);
    fleet_gone(&other, 0, true); /* the others are believed again */
    assert_changed(&other);
    fleet_free(&other);
    fleet_free(&f);
    return 0;
}

static void what_one_of_two_missed_is_not_shown(void **state)
{
    (void)state;
    members = 2;
    mirrors_simulated(miss_and_heal);
}

static void what_one_of_three_missed_is_not_shown(void **state)
{
    (void)state;
    members = 3;
    mirrors_simulated(miss_and_heal);
}

/* The half that knows what the other one missed has gone. */
static int only_the_outdated(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    char text[256];
    (void)arg;
    members = 2;
    fleet_make(&f, options());
    fill(&f);
    fleet_gone(&f, 1, true);
    change(&f);
    fleet_gone(&f, 1, false);
    mirrors_pause(60);
    assert_changed(&f);
    fleet_gone(&f, 0, true);
    struct ms_site site = fleet_site(&f, "00replaced");
    struct ms_buf *bytes = NULL;
    assert_int_equal(ms_plain_load(&site, ITEM("00replaced"), 0, MS_SIZE_TO_END, &bytes, &err),
                     MS_ERR_CONNECTION);
    assert_non_null(strstr(err.text, "may have missed changes"));
    assert_int_not_equal(list(&f, text, sizeof text, &err), 0);
    fleet_free(&f);
    return 0;
}

static void an_outdated_half_is_not_believed(void **state)
{
    (void)state;
    mirrors_simulated(only_the_outdated);
}

static int count_calls(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    members = 3;
    fleet_make(&f, options());
    check_ok(mirrors_put(&f, "00a", "one", &err), err); /* members are open, folders are there */
    check_ok(mirrors_put(&f, "00b", "one", &err), err);
    uint64_t before = fleet_calls(&f, MS_VERB_COUNT);
    check_ok(mirrors_put(&f, "00b", "two", &err), err);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, 3);
    mirrors_assert(&f, "00b", false, "two");
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, 4);
    check_ok(mirrors_move(&f, "00b", MS_MOVE_SOFT_DELETE, &err), err);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, 7);
    check_ok(erase(&f, "00a", &err), err);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, 10);
    assert_int_equal(fleet_all(&f, "hint"), 0);
    fleet_free(&f);
    return 0;
}

static void nothing_is_asked_while_all_answer(void **state)
{
    (void)state;
    mirrors_simulated(count_calls);
}

static int take_away(void *ctx, const char *name)
{
    return ms_backend_delete(ctx, ms_str(name), NULL);
}

/* A mount that is lost while the store is in use. */
static int lose_mount(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    char text[256];
    (void)arg;
    members = 2;
    fleet_make(&f, options());
    check_ok(mirrors_put(&f, "00a", "one", &err), err);
    for (unsigned i = 0; i < 2; i++) {
        struct ms_own_name own = {.kind = MS_OWN_MEMBER, .store = f.roster->layout->uuid};
        struct ms_name mark;
        char name[128];
        check_ok(ms_own_format(&own, 0, &mark, &err), err);
        snprintf(name, sizeof name, "%.*s", (int)mark.size, mark.text);
        assert_int_equal(take_away(f.storage[i], "data/00/00a"), 0);
        assert_int_equal(take_away(f.storage[i], name), 0);
        int code = list(&f, text, sizeof text, &err);
        if (i == 0) {
            check_ok(code, err);
            assert_string_equal(text, "00a ");
        } else {
            assert_int_equal(code, MS_ERR_NO_STORE);
        }
    }
    fleet_free(&f);
    return 0;
}

static void an_empty_mount_is_no_empty_store(void **state)
{
    (void)state;
    mirrors_simulated(lose_mount);
}

/* ---- judging ---- */

struct line {
    unsigned member;
    uint64_t counter;
    enum ms_plain_op op;
    bool late;
    unsigned held; /* 0: on all */
    unsigned replaced;
};

static unsigned judged_without(const struct ms_site *site, unsigned silent,
                               const struct line lines[], size_t count, bool *nobody)
{
    struct ms_plain_note notes[8];
    struct ms_plain_standing s;
    unsigned behind = 0;
    for (size_t i = 0; i < count; i++)
        notes[i] = (struct ms_plain_note){
            (uint16_t)lines[i].member,
            {lines[i].counter,
             lines[i].counter << 8 | ms_plain_note_byte(lines[i].op, false, lines[i].late)},
            lines[i].held ? lines[i].held : members - silent,
            lines[i].replaced};
    ms_plain_judge(notes, count, silent, site, false, &s);
    for (unsigned i = 0; i < members; i++)
        behind |= (unsigned)s.behind[i] << i;
    *nobody = s.nobody;
    return behind;
}

static unsigned judged(const struct ms_site *site, const struct line lines[], size_t count)
{
    bool nobody;
    unsigned behind = judged_without(site, 0, lines, count, &nobody);
    assert_false(nobody);
    return behind;
}

static int judge(void *arg)
{
    struct fleet f;
    (void)arg;
    members = 3;
    fleet_make(&f, options());
    struct ms_site site = fleet_site(&f, "00a");
    assert_int_equal(judged(&site, NULL, 0), 0);
    assert_int_equal(judged(&site, (struct line[]){{1, 1, MS_PLAIN_STORE, false}}, 1), 2);
    /* It has done a later change: the one that missed that is behind now. */
    const struct line turn[] = {{1, 1, MS_PLAIN_STORE, false}, {2, 2, MS_PLAIN_DELETE, false}};
    assert_int_equal(judged(&site, turn, 2), 4);
    /* But not if the request it missed may have come since: 0 is better. */
    const struct line late[] = {{1, 1, MS_PLAIN_STORE, true}, {2, 2, MS_PLAIN_DELETE, false}};
    assert_int_equal(judged(&site, late, 2), 6);
    /* There is nobody better. */
    const struct line all[] = {
        {1, 1, MS_PLAIN_STORE, true}, {0, 2, MS_PLAIN_STORE, true}, {2, 3, MS_PLAIN_STORE, true}};
    assert_int_equal(judged(&site, all, 3), 4);
    fleet_free(&f);
    return 0;
}

/* A client died when it had told one member. Who stored next did not meet those notes: the member
 * was away. */
static int heal_unacknowledged(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    members = 3;
    fleet_make(&f, options());
    check_ok(mirrors_put(&f, "00a", "old", &err), err);
    for (unsigned i = 0; i < 2; i++)
        mirrors_note(&f, "00a", &(struct mirrors_noted){2, i, 3, MS_PLAIN_STORE, false});
    fleet_gone(&f, 2, true);
    check_ok(mirrors_put(&f, "00a", "new value", &err), err);
    fleet_gone(&f, 2, false);
    mirrors_heal(&f);
    for (unsigned i = 0; i < members; i++) {
        MS_AUTO_BUF struct ms_buf *bytes = NULL;
        check_ok(ms_backend_load(f.storage[i], ms_str("data/00/00a"), 0, MS_SIZE_TO_END, &bytes,
                                 NULL, &err),
                 err);
        assert_true(ms_equal(ms_buf_view(bytes), ms_str("new value")));
    }
    fleet_free(&f);
    return 0;
}

static void what_was_not_acknowledged_is_not_spread(void **state)
{
    (void)state;
    mirrors_simulated(heal_unacknowledged);
}

/* The second member's stores, counted from now, fail but for the first one: that of a value. */
static void keep_no_notes(struct fleet *f, bool none)
{
    static const struct ms_fault faults[] = {
        {.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 2, .code = MS_ERR_NO_SPACE},
        {.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 3, .code = MS_ERR_NO_SPACE}};
    struct ms_error err = {0};
    check_ok(ms_emulator_set_faults(f->emulator[1], faults, none ? 2 : 0, &err), err);
}

/* The third member misses three stores. The second one counts for nobody: it is noted on one
 * member. */
static int replace_notes(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    members = 3;
    fleet_make(&f, options());
    check_ok(mirrors_put(&f, "00a", "old", &err), err);
    fleet_gone(&f, 2, true);
    check_ok(mirrors_put(&f, "00a", "one", &err), err);
    assert_int_equal(fleet_all(&f, "hint"), 2);
    keep_no_notes(&f, true);
    assert_int_equal(mirrors_put(&f, "00a", "two", &err), MS_ERR_NO_SPACE);
    assert_int_equal(fleet_objects(&f, 0, "hint"), 2);
    assert_int_equal(fleet_objects(&f, 1, "hint"), 1);
    keep_no_notes(&f, false);
    check_ok(mirrors_put(&f, "00a", "three", &err), err);
    assert_int_equal(fleet_all(&f, "hint"), 2);
    fleet_free(&f);
    return 0;
}

static void older_notes_stay_until_a_majority_has_the_newer_ones(void **state)
{
    (void)state;
    mirrors_simulated(replace_notes);
}

/* A change that was noted on one member alone is the older one, whatever its counter. */
static int judge_unacknowledged(void *arg)
{
    struct fleet f;
    bool nobody;
    (void)arg;
    members = 3;
    fleet_make(&f, options());
    struct ms_site site = fleet_site(&f, "00a");
    const struct line lines[] = {{0, 3, MS_PLAIN_DELETE, false, 1},
                                 {1, 3, MS_PLAIN_DELETE, false, 1},
                                 {2, 1, MS_PLAIN_STORE, true, 2}};
    assert_int_equal(judged(&site, lines, 3), 4);
    assert_int_equal(judged(&site, lines, 2), 3); /* nothing says that it was not */
    /* Of two members that answered each has one: either may be on the third one, too. */
    const struct line two[] = {{0, 3, MS_PLAIN_DELETE, false, 1},
                               {1, 3, MS_PLAIN_DELETE, false, 1},
                               {2, 1, MS_PLAIN_STORE, true, 1}};
    (void)judged_without(&site, 1, two, 3, &nobody);
    assert_true(nobody);
    /* Somebody has done both. */
    const struct line better[] = {{0, 3, MS_PLAIN_DELETE, false, 1},
                                  {2, 1, MS_PLAIN_STORE, true, 1}};
    assert_int_equal(judged_without(&site, 1, better, 2, &nobody), 5);
    assert_false(nobody);
    /* Seen on one member, and on another one what may have replaced it there. */
    const struct line torn[] = {{2, 1, MS_PLAIN_STORE, true, 2},
                                {0, 2, MS_PLAIN_STORE, true, 2},
                                {1, 3, MS_PLAIN_STORE, true, 1, 1},
                                {1, 4, MS_PLAIN_STORE, true, 1}};
    assert_int_equal(judged_without(&site, 0, torn, 4, &nobody), 3);
    assert_false(nobody);
    fleet_free(&f);
    return 0;
}

static void what_was_not_acknowledged_is_older(void **state)
{
    (void)state;
    mirrors_simulated(judge_unacknowledged);
}

static void notes_are_judged_in_their_order(void **state)
{
    (void)state;
    mirrors_simulated(judge);
}

/* Bytes on members never change: tests/data/mstore/plain-note. */
static void the_name_of_a_note_is_that_of_the_formats(void **state)
{
    (void)state;
    struct ms_own_name own = {.kind = MS_OWN_HINT,
                              .space = ms_str("files"),
                              .key = ms_str("00a"),
                              .level = 1,
                              .id = {.counter = 2}};
    struct ms_error err = {0};
    struct ms_name name;
    char golden[512] = "";
    check_ok(ms_uuid_parse("5d8e0102-0304-4506-8708-090a0b0c0d0e", "uuid", &own.store, &err), err);
    check_ok(ms_uuid_parse("22222222-2222-4222-8222-222222222222", "uuid", &own.member, &err), err);
    own.id.writer =
        UINT64_C(0x123456789abcde00) | ms_plain_note_byte(MS_PLAIN_SOFT_DELETE, false, true);
    check_ok(ms_own_format(&own, 0, &name, &err), err);
    FILE *file = fopen(TEST_DATA "/mstore/plain-note", "r");
    assert_non_null(file);
    assert_non_null(fgets(golden, sizeof golden, file));
    fclose(file);
    golden[strcspn(golden, "\n")] = '\0';
    assert_int_equal(strlen(golden), name.size);
    assert_memory_equal(golden, name.text, name.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_of_two_missed_is_not_shown),
        cmocka_unit_test(what_one_of_three_missed_is_not_shown),
        cmocka_unit_test(an_outdated_half_is_not_believed),
        cmocka_unit_test(nothing_is_asked_while_all_answer),
        cmocka_unit_test(an_empty_mount_is_no_empty_store),
        cmocka_unit_test(notes_are_judged_in_their_order),
        cmocka_unit_test(what_was_not_acknowledged_is_not_spread),
        cmocka_unit_test(what_was_not_acknowledged_is_older),
        cmocka_unit_test(older_notes_stay_until_a_majority_has_the_newer_ones),
        cmocka_unit_test(the_name_of_a_note_is_that_of_the_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
