/* Copies of plain keys on members that are no targets of them: what took a target's place, and what
 * lies where the key belonged under an earlier layout. None is read after a later store. */
#include "mstore/plain.h"
#include "mstore/plain_hint.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"
#include "tests/support/check.h"
#include "tests/support/mirrors.h"

#define COPIES_2 "redundancy = copies 2\n"
#define COPIES_3 "redundancy = copies 3\n"
#define KEY      "00key"
#define NAME     "data/00/" KEY
#define ITEM     ((struct ms_item_ref){.key = ms_str("data/" KEY)})

static struct fleet_options options;

static void make_of(struct fleet *f, unsigned members, const char *policy)
{
    options = (struct fleet_options){.members = members,
                                     .clock = ms_sim_clock(),
                                     .kind = "plain",
                                     .policy = policy,
                                     .latency_ns = 20000000,
                                     .jitter_ns = 19000000,
                                     .seed = 5};
    fleet_make(f, &options);
}

/* Four members; of three copies the targets are at(0), at(1), at(2), and at(3) takes one's place.
 */
static void make(struct fleet *f, const char *policy)
{
    make_of(f, 4, policy);
}

static unsigned at(struct fleet *f, unsigned rank)
{
    return fleet_site(f, KEY).order.member[rank];
}

static void put(struct fleet *f, const char *value)
{
    struct ms_error err = {0};
    check_ok(mirrors_put(f, KEY, value, &err), err);
}

static void put_stream(struct fleet *f, const char *value)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_site site = fleet_site(f, KEY);
    struct ms_store_writer *w = NULL;
    struct ms_error err = {0};
    check_ok(ms_plain_write(&site, ITEM, strlen(value), &always, &w, &err), err);
    check_ok(ms_store_writer_append(w, ms_str(value), &err), err);
    check_ok(ms_store_writer_commit(w, NULL, &err), err);
}

static int load(struct fleet *f, struct ms_buf **out)
{
    struct ms_site site = fleet_site(f, KEY);
    return ms_plain_load(&site, ITEM, 0, MS_SIZE_TO_END, out, NULL);
}

/* By a load and by a stream. */
static void assert_unreadable(struct fleet *f)
{
    struct ms_site site = fleet_site(f, KEY);
    struct ms_store_reader *r = NULL;
    struct ms_buf *bytes = NULL;
    int code = load(f, &bytes);
    assert_true(code && code != MS_ERR_NOT_FOUND);
    code = ms_plain_read(&site, ITEM, &r, NULL);
    assert_true(code && code != MS_ERR_NOT_FOUND);
}

static void assert_stream(struct fleet *f, const char *value)
{
    struct ms_site site = fleet_site(f, KEY);
    struct ms_store_reader *r = NULL;
    struct ms_error err = {0};
    uint8_t bytes[64];
    size_t got = 0;
    check_ok(ms_plain_read(&site, ITEM, &r, &err), err);
    check_ok(ms_store_reader_read(r, 0, bytes, sizeof bytes, &got, &err), err);
    assert_true(ms_equal(ms_view(bytes, got), ms_str(value)));
    ms_store_reader_close(r);
}

/* Behind everybody's back. */
static void lay(struct fleet *f, unsigned member, const char *name, const char *value)
{
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bytes = ms_buf_copy(ms_str(value));
    check_ok(ms_backend_store(f->storage[member], ms_str(name), bytes, NULL, NULL, &err), err);
}

/* A value while a target is away, and one when it is there again. */
static void store_twice(struct fleet *f, void (*second)(struct fleet *f, const char *value))
{
    fleet_gone(f, at(f, 0), true);
    put(f, "first");
    mirrors_assert_at(f, at(f, 3), NAME, "first");
    fleet_gone(f, at(f, 0), false);
    mirrors_pause(60);
    second(f, "other");
}

static int replace(void (*second)(struct fleet *f, const char *value))
{
    struct fleet f;
    make(&f, COPIES_3);
    store_twice(&f, second);
    mirrors_assert_at(&f, at(&f, 3), NAME, NULL);
    mirrors_assert(&f, KEY, false, "other");
    fleet_gone(&f, at(&f, 1), true);
    fleet_gone(&f, at(&f, 2), true);
    assert_unreadable(&f);
    fleet_free(&f);
    return 0;
}

static int replace_whole(void *arg)
{
    (void)arg;
    return replace(put);
}

static int replace_by_stream(void *arg)
{
    (void)arg;
    return replace(put_stream);
}

static void a_later_store_removes_what_took_a_target_s_place(void **state)
{
    (void)state;
    mirrors_simulated(replace_whole);
    mirrors_simulated(replace_by_stream);
}

/* Nobody else's not having it speaks for targets that are away, or behind as far as is known. */
static int ask_others(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_2);
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "first");
    fleet_gone(&f, at(&f, 0), false);
    mirrors_pause(60);
    put(&f, "other");
    mirrors_assert_at(&f, at(&f, 0), NAME, "other");
    fleet_gone(&f, at(&f, 1), true);
    assert_unreadable(&f);
    fleet_free(&f);
    return 0;
}

static void a_value_is_not_missing_since_no_other_member_has_it(void **state)
{
    (void)state;
    mirrors_simulated(ask_others);
}

/* Both targets miss a store: which of them has missed the one before, too, only they could tell. */
static int store_elsewhere(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    make_of(&f, 6, COPIES_2); /* most of them can note what both miss */
    put(&f, "first");
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "other");
    fleet_gone(&f, at(&f, 1), true);
    assert_int_equal(mirrors_put(&f, KEY, "third", &err), MS_ERR_CONNECTION);
    fleet_gone(&f, at(&f, 1), false);
    mirrors_pause(60);
    mirrors_assert(&f, KEY, false, "other");
    fleet_free(&f);
    return 0;
}

static void a_store_that_no_target_has_does_not_count(void **state)
{
    (void)state;
    mirrors_simulated(store_elsewhere);
}

/* Who has the old copy is away then. */
static int miss_removal(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_3);
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "first");
    fleet_gone(&f, at(&f, 0), false);
    fleet_gone(&f, at(&f, 3), true);
    mirrors_pause(60);
    put(&f, "other");
    fleet_gone(&f, at(&f, 3), false);
    mirrors_pause(60);
    mirrors_assert_at(&f, at(&f, 3), NAME, "first");
    mirrors_assert(&f, KEY, false, "other");
    fleet_gone(&f, at(&f, 1), true);
    fleet_gone(&f, at(&f, 2), true);
    assert_unreadable(&f);
    fleet_gone(&f, at(&f, 1), false);
    fleet_gone(&f, at(&f, 2), false);
    mirrors_pause(600);
    mirrors_heal(&f);
    mirrors_assert_at(&f, at(&f, 3), NAME, NULL);
    for (unsigned i = 0; i < 3; i++)
        mirrors_assert_at(&f, at(&f, i), NAME, "other");
    fleet_free(&f);
    return 0;
}

static void an_old_copy_that_could_not_be_removed_is_not_believed(void **state)
{
    (void)state;
    mirrors_simulated(miss_removal);
}

/* It counts as long as nothing was stored since. */
static int lose_both_others(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_3);
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "first");
    fleet_gone(&f, at(&f, 0), false);
    mirrors_pause(60);
    fleet_gone(&f, at(&f, 1), true);
    fleet_gone(&f, at(&f, 2), true);
    mirrors_assert(&f, KEY, false, "first");
    assert_stream(&f, "first");
    fleet_free(&f);
    return 0;
}

static void what_took_a_target_s_place_is_read_without_the_targets(void **state)
{
    (void)state;
    mirrors_simulated(lose_both_others);
}

/* Notes go when there is no such copy any more. */
static int bring_home(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_3);
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "first");
    fleet_gone(&f, at(&f, 0), false);
    mirrors_pause(60);
    mirrors_heal(&f);
    mirrors_assert_at(&f, at(&f, 0), NAME, "first");
    mirrors_assert_at(&f, at(&f, 3), NAME, NULL);
    mirrors_pause(21 * 60);
    mirrors_heal(&f);
    assert_int_equal(fleet_all(&f, "hint"), 0);
    assert_int_equal(fleet_all(&f, "away"), 0);
    mirrors_assert(&f, KEY, false, "first");
    fleet_free(&f);
    return 0;
}

static void heal_brings_home_what_took_a_target_s_place(void **state)
{
    (void)state;
    mirrors_simulated(bring_home);
}

/* Heals until the marks of members that answer again have gone, though not all notes. */
static void heal_marks(struct fleet *f, unsigned member)
{
    (void)mirrors_try_heal(f);
    mirrors_pause(21 * 60);
    fleet_gone(f, member, false);
    mirrors_pause(60);
    mirrors_heal(f);
    assert_int_not_equal(fleet_all(f, "hint"), 0);
    assert_int_equal(fleet_all(f, "away"), 0);
}

/* By a client that has never seen a member away; then heal makes up for it. */
static void remove_without(struct fleet *f, unsigned member)
{
    struct ms_plain_standing standing;
    struct fleet other;
    struct ms_error err = {0};
    fleet_join(&other, f, &options);
    fleet_gone(&other, member, true);
    struct ms_site site = fleet_site(&other, KEY);
    check_ok(ms_plain_remove(&site, ITEM, &err), err);
    fleet_free(&other);
    site = fleet_site(f, KEY);
    check_ok(ms_plain_behind(&site, false, true, &standing, &err), err);
    assert_true(standing.removed);
    mirrors_pause(60);
    mirrors_heal(f);
    for (unsigned i = 0; i < options.members; i++)
        mirrors_assert_at(f, i, NAME, NULL);
}

/* A note about one target has outlived its mark when the other one misses a deletion. */
static int miss_in_turn(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_2);
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "first");
    put(&f, "other");
    heal_marks(&f, at(&f, 0));
    remove_without(&f, at(&f, 1));
    fleet_free(&f);
    return 0;
}

/* One about who took a target's place, and was away when that was to go. */
static int miss_going(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_2);
    fleet_gone(&f, at(&f, 0), true);
    put(&f, "first");
    fleet_gone(&f, at(&f, 0), false);
    mirrors_pause(60);
    fleet_gone(&f, at(&f, 2), true);
    put(&f, "other");
    heal_marks(&f, at(&f, 2));
    remove_without(&f, at(&f, 0));
    fleet_free(&f);
    return 0;
}

static void a_note_counts_on_from_one_without_a_mark(void **state)
{
    (void)state;
    mirrors_simulated(miss_in_turn);
    mirrors_simulated(miss_going);
}

/* A target does not have the item yet, and an old copy of it lies elsewhere: whoever answers first,
 * the targets count. */
static int race(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_3);
    lay(&f, at(&f, 2), NAME, "other");
    lay(&f, at(&f, 3), NAME, "first");
    for (unsigned i = 0; i < 20; i++)
        mirrors_assert(&f, KEY, false, "other");
    fleet_free(&f);
    return 0;
}

static void targets_come_first_whoever_answers_first(void **state)
{
    (void)state;
    mirrors_simulated(race);
}

/* Where the key belonged under an earlier layout. */
static int move_on(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_3);
    lay(&f, at(&f, 3), NAME, "first");
    mirrors_assert(&f, KEY, false, "first"); /* no target has it: nothing was stored since */
    assert_stream(&f, "first");
    put(&f, "other");
    mirrors_assert(&f, KEY, false, "other");
    for (unsigned i = 0; i < 3; i++)
        fleet_gone(&f, at(&f, i), true);
    assert_unreadable(&f);
    fleet_free(&f);
    return 0;
}

static void a_copy_from_an_earlier_layout_does_not_speak_for_targets_that_are_away(void **state)
{
    (void)state;
    mirrors_simulated(move_on);
}

/* A client was broken off: a member has only an old soft-deleted value, as long as the live one
 * that the others have. */
static int tell_apart(void *arg)
{
    struct fleet f;
    (void)arg;
    make(&f, COPIES_3);
    lay(&f, at(&f, 0), NAME, "other");
    lay(&f, at(&f, 1), NAME, "other");
    lay(&f, at(&f, 2), NAME ".del", "first");
    mirrors_heal(&f);
    for (unsigned i = 0; i < 3; i++) {
        mirrors_assert_at(&f, at(&f, i), NAME, "other");
        mirrors_assert_at(&f, at(&f, i), NAME ".del", "first");
    }
    fleet_free(&f);
    return 0;
}

static void what_was_soft_deleted_is_not_brought_back_in_place_of_another_value(void **state)
{
    (void)state;
    mirrors_simulated(tell_apart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_store_removes_what_took_a_target_s_place),
        cmocka_unit_test(a_value_is_not_missing_since_no_other_member_has_it),
        cmocka_unit_test(a_store_that_no_target_has_does_not_count),
        cmocka_unit_test(an_old_copy_that_could_not_be_removed_is_not_believed),
        cmocka_unit_test(what_took_a_target_s_place_is_read_without_the_targets),
        cmocka_unit_test(heal_brings_home_what_took_a_target_s_place),
        cmocka_unit_test(a_note_counts_on_from_one_without_a_mark),
        cmocka_unit_test(targets_come_first_whoever_answers_first),
        cmocka_unit_test(a_copy_from_an_earlier_layout_does_not_speak_for_targets_that_are_away),
        cmocka_unit_test(what_was_soft_deleted_is_not_brought_back_in_place_of_another_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
