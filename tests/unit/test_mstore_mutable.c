/* mstore/mutable.c, versions*.c: what each verb does, what it costs, what it says when too many
 * members are away. */
#include "mstore/mutable.h"
#include "mstore/versions.h"
#include "tests/support/check.h"
#include "tests/support/keys.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- healthy ---- */

static void verbs(struct keys *s)
{
    char text[64];
    keys_assert_absent(s, "config/x");
    check_code(keys_delete(s, "config/x"), MS_ERR_NOT_FOUND, s->err);
    check_text(s->err, "\"config/x\" not found");
    check_ok(keys_put(s, "config/x", "one"), s->err);
    keys_assert(s, "config/x", "one");
    check_ok(keys_put(s, "config/x", ""), s->err);
    keys_assert(s, "config/x", "");
    check_ok(keys_put(s, "config/x", "three"), s->err);
    keys_assert(s, "config/x", "three");
    check_ok(keys_move(s, MS_MOVE_SOFT_DELETE, "config/x", NULL), s->err);
    keys_assert_absent(s, "config/x");
    check_ok(keys_get(s, "config/x", true, text), s->err);
    assert_string_equal(text, "three");
    check_code(keys_move(s, MS_MOVE_SOFT_DELETE, "config/x", NULL), MS_ERR_NOT_FOUND, s->err);
    check_ok(keys_move(s, MS_MOVE_UNDELETE, "config/x", NULL), s->err);
    keys_assert(s, "config/x", "three");
    check_code(keys_move(s, MS_MOVE_UNDELETE, "config/x", NULL), MS_ERR_EXISTS, s->err);
    check_ok(keys_move(s, MS_MOVE_RENAME, "config/x", "config/y"), s->err);
    keys_assert_absent(s, "config/x");
    keys_assert(s, "config/y", "three");
    check_ok(keys_move(s, MS_MOVE_RENAME, "config/y", "config/y"), s->err);
    check_ok(keys_move(s, MS_MOVE_CHANGE_LEVEL, "config/y", NULL), s->err);
    check_ok(keys_delete(s, "config/y"), s->err);
    keys_assert_absent(s, "config/y");
    check_code(keys_move(s, MS_MOVE_RENAME, "config/y", "config/x"), MS_ERR_NOT_FOUND, s->err);
    keys_rest();
    keys_assert_objects(s, 2); /* a deletion each */
}

static void each_verb_does_what_it_says(void **state)
{
    (void)state;
    keys_play(THREE, verbs);
    keys_play(PAIR, verbs);
    keys_play(CODED, verbs);
}

static void facts(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    struct ms_load_options range = MS_LOAD_OPTIONS_INIT;
    struct ms_item_info info;
    struct ms_tag tag;
    struct ms_buf *value = ms_buf_copy(ms_str("0123456789")), *part = NULL;
    check_ok(ms_mutable_info(s->verbs, &site, false, &info, &s->err), s->err);
    assert_false(info.exists);
    check_ok(ms_mutable_store(s->verbs, &site, value, NULL, &tag, &s->err), s->err);
    check_ok(ms_mutable_info(s->verbs, &site, false, &info, &s->err), s->err);
    assert_true(info.exists && info.mtime_ns > 0);
    assert_int_equal(info.size_bytes, 10);
    assert_string_equal(info.tag.text, tag.text);
    check_ok(ms_mutable_info(s->verbs, &site, true, &info, &s->err), s->err);
    assert_false(info.exists);
    range.offset = -4;
    range.size = 2;
    check_ok(ms_mutable_load(s->verbs, &site, &range, &part, &s->err), s->err);
    assert_int_equal(ms_buf_size(part), 2);
    assert_memory_equal(ms_buf_view(part).data, "67", 2);
    ms_buf_unref(part);
    options.precondition.kind = MS_IF_ABSENT;
    check_code(ms_mutable_store(s->verbs, &site, value, &options, NULL, &s->err), MS_ERR_EXISTS,
               s->err);
    assert_string_equal(s->err.text, "\"config/x\" already exists");
    ms_buf_unref(value);
}

static void sizes_times_tags_and_ranges_come_from_the_newest(void **state)
{
    (void)state;
    keys_play(THREE, facts);
}

static void streams(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_store_reader *r = NULL;
    struct ms_tag tag;
    uint8_t back[1500];
    size_t got;
    struct ms_buf *value = ms_buf_new(200000);
    assert_non_null(value);
    for (size_t i = 0; i < 200000; i++)
        ms_buf_data(value)[i] = (uint8_t)(i % 1000 * 7);
    check_ok(ms_mutable_store(s->verbs, &site, value, NULL, &tag, &s->err), s->err);
    check_ok(ms_mutable_read(&site, false, &r, &s->err), s->err);
    assert_int_equal(r->info.size_bytes, 200000);
    assert_string_equal(r->info.tag.text, tag.text);
    check_ok(r->ops->read(r, 198700, back, sizeof back, &got, &s->err), s->err);
    assert_int_equal(got, 1300);
    assert_memory_equal(back, ms_buf_view(value).data + 198700, 1300);
    check_ok(r->ops->read(r, 300000, back, sizeof back, &got, &s->err), s->err);
    assert_int_equal(got, 0);
    r->ops->close(r);
    check_code(ms_mutable_read(&site, true, &r, &s->err), MS_ERR_NOT_FOUND, s->err);
    ms_buf_unref(value);
}

static void streams_write_at_the_commit_and_read_what_was_newest(void **state)
{
    (void)state;
    keys_play(THREE, streams);
    keys_play(CODED, streams);
}

static void assert_calls(struct keys *s, unsigned lists, unsigned loads, unsigned stores,
                         unsigned removes, unsigned infos)
{
    keys_rest();
    assert_int_equal(s->client.wires.lists, lists);
    assert_int_equal(s->client.wires.loads, loads);
    assert_int_equal(s->client.wires.stores, stores);
    assert_int_equal(s->client.wires.removes, removes);
    assert_int_equal(s->client.wires.others, infos);
    client_reset_counts(&s->client);
}

static void costs(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_item_info info;
    check_ok(keys_put(s, "config/x", "one"), s->err);
    assert_calls(s, 3, 0, 3, 0, 2); /* nothing was listed: is the storage the right one? */
    check_ok(keys_put(s, "config/x", "two"), s->err);
    assert_calls(s, 3, 0, 3, 3, 0); /* the version before goes, one listing with it */
    keys_assert(s, "config/x", "two");
    assert_calls(s, 2, 1, 0, 0, 0);
    check_ok(ms_mutable_info(s->verbs, &site, false, &info, &s->err), s->err);
    assert_calls(s, 2, 0, 0, 0, 0);
    check_ok(keys_delete(s, "config/x"), s->err);
    assert_calls(s, 3, 0, 3, 3, 0);
    keys_assert_absent(s, "config/x");
    assert_calls(s, 2, 0, 0, 0, 0);
    keys_assert_objects(s, 1);
}

static void a_healthy_call_asks_a_majority(void **state)
{
    (void)state;
    keys_play(THREE, costs);
}

/* A voter that could not take the new version keeps the old one: a reader that lists it, and the
 * others before the store, still sees what was complete when it began. */
static void kept(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    keys_rest();
    s->client.wires.full = 1;
    check_ok(keys_put(s, "config/x", "new"), s->err);
    keys_rest();
    keys_assert_objects(s, 1);
    s->client.wires.full = 0;
    check_ok(keys_put(s, "config/x", "newer"), s->err);
    keys_rest();
    keys_assert_objects(s, 1);
    keys_assert(s, "config/x", "newer");
}

static void a_version_goes_only_where_a_higher_one_is(void **state)
{
    (void)state;
    keys_play(THREE, kept);
}

/* Whoever of the two that are asked takes its time: the third is asked, too. */
static void slow(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "value"), s->err);
    keys_rest();
    client_reset_counts(&s->client);
    for (unsigned i = 0; i < 3; i++) {
        s->client.wires.slow = 1u << i;
        uint64_t before = ms_clock_now(ms_sim_clock());
        keys_assert(s, "config/x", "value");
        assert_true(ms_clock_now(ms_sim_clock()) - before < 10 * SECOND);
        keys_rest();
    }
    assert_true(s->client.wires.lists > 3 * 2);
    struct ms_hedge_view view;
    ms_hedge_view(s->client.roster->hedge, &view);
    assert_true(view.hedges > 0);
}

static void a_slow_listing_is_hedged(void **state)
{
    (void)state;
    keys_play(THREE, slow);
}

/* ---- members away ---- */

static void minority(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    check_ok(keys_put(s, "config/gone", "old"), s->err);
    for (unsigned away = 0; away < s->cluster.members; away++) {
        char value[16];
        snprintf(value, sizeof value, "v%u", away);
        s->client.wires.down = 1u << away;
        check_ok(keys_put(s, "config/x", value), s->err);
        keys_assert(s, "config/x", value);
        s->client.wires.down = 0;
        keys_rest();
        s->client.wires.down = 1u << (away + 1) % s->cluster.members;
        keys_assert(s, "config/x", value); /* the one who was away is in this majority */
        keys_rest();
        s->client.wires.down = 0;
        keys_rest();
    }
    s->client.wires.down = 1;
    check_ok(keys_delete(s, "config/gone"), s->err);
    keys_rest();
    s->client.wires.down = 2;
    keys_assert_absent(s, "config/gone"); /* although member a still has it */
    s->client.wires.down = 0;
    keys_rest();
    check_ok(keys_put(s, "config/x", "last"), s->err);
    keys_rest();
    keys_assert(s, "config/x", "last");
}

static void with_a_minority_away_everything_works(void **state)
{
    (void)state;
    keys_play(THREE, minority);
    keys_play(CODED, minority);
}

/* Another client stores it at member a alone; the others have no room. */
static void put_at_a(struct keys *s, const char *key, const char *value)
{
    struct client other;
    client_make(&other, &s->cluster, 2);
    struct ms_site site = client_site(&other, key);
    struct ms_buf *buf = ms_buf_copy(ms_str(value));
    other.wires.full = ~1u;
    check_code(ms_mutable_store(s->verbs, &site, buf, NULL, NULL, &s->err), MS_ERR_NO_SPACE,
               s->err);
    ms_buf_unref(buf);
    keys_rest();
    client_free(&other);
}

/* Of a version under way a saw its copy, b none, and c, which is back, is not asked: its breaker is
 * open. Then a goes, too. */
static void gone_since(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    put_at_a(s, "config/x", "new");
    s->client.wires.down = 4;
    check_ok(keys_put(s, "config/y", "other"), s->err);
    s->client.wires.down = 0;
    s->client.wires.leaves = 1;
    keys_assert(s, "config/x", "old");
    assert_int_equal(s->client.wires.down, 1);
}

static void who_has_a_version_under_way_may_go_while_it_is_read(void **state)
{
    (void)state;
    keys_play(THREE, gone_since);
}

static void gone_from_a_stream(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    check_ok(keys_put(s, "config/x", "value"), s->err);
    keys_rest();
    for (unsigned i = 0; i < s->cluster.members; i++) {
        struct ms_store_reader *r = NULL;
        uint8_t back[8];
        size_t got;
        s->client.wires.leaves = 1u << i;
        check_ok(ms_mutable_read(&site, false, &r, &s->err), s->err);
        check_ok(r->ops->read(r, 0, back, sizeof back, &got, &s->err), s->err);
        assert_int_equal(got, 5);
        assert_memory_equal(back, "value", 5);
        r->ops->close(r);
        s->client.wires.leaves = s->client.wires.down = 0;
        keys_rest();
    }
}

static void who_has_a_shard_may_go_while_a_stream_is_opened(void **state)
{
    (void)state;
    keys_play(CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C
              "[namespace config]\nkind = mutable\nredundancy = ec 2+1\n",
              gone_from_a_stream);
}

static void damaged(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "value"), s->err);
    cluster_damage(&s->cluster, 1);
    s->client.wires.down = 1;
    s->client.wires.slow = 4; /* so b is asked for the data */
    keys_assert(s, "config/x", "value");
    keys_rest();
    s->client.wires.down = s->client.wires.slow = 0;
    keys_rest();
    cluster_damage(&s->cluster, 0);
    s->client.wires.down = 4;
    keys_assert(s, "config/x", "value"); /* b has been put right */
}

static void damage_is_answered_from_others_and_put_right(void **state)
{
    (void)state;
    keys_play(THREE, damaged);
}

static void lost(struct keys *s)
{
    char text[64];
    check_ok(keys_put(s, "config/x", "value"), s->err);
    for (unsigned i = 0; i < 3; i++)
        cluster_damage(&s->cluster, i);
    check_code(keys_get(s, "config/x", false, text), MS_ERR_CORRUPT, s->err); /* not NOT_FOUND */
    check_text(s->err, "\"config/x\": ");
    check_ok(keys_put(s, "config/x", "again"), s->err);
    keys_assert(s, "config/x", "again");
}

/* Two of three disks are taken away while they are in use, and leave empty places. */
static void emptied(struct keys *s)
{
    char text[64];
    check_ok(keys_put(s, "config/x", "value"), s->err);
    keys_rest();
    s->client.wires.empty = 3;
    check_code(keys_get(s, "config/x", false, text), MS_ERR_NO_STORE, s->err);
    check_text(s->err, "1 of 3 members answered and 2 are needed");
    check_text(s->err, "wire:0 has lost its mark");
    check_code(keys_put(s, "config/x", "new"), MS_ERR_NO_STORE, s->err);
    s->client.wires.empty = 1;
    keys_assert(s, "config/x", "value");
}

static void an_empty_storage_has_no_vote(void **state)
{
    (void)state;
    keys_play(THREE, emptied);
}

static void a_value_whose_copies_are_all_damaged_is_an_error(void **state)
{
    (void)state;
    keys_play(THREE, lost);
}

static void witnessed(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    s->client.wires.down = 1; /* a; b and the witness go on */
    check_ok(keys_put(s, "config/x", "new"), s->err);
    keys_assert(s, "config/x", "new");
    s->client.wires.down = 0;
    keys_rest();
    s->client.wires.down = 2; /* b, the only one with the data */
    char text[64];
    check_code(keys_get(s, "config/x", false, text), MS_ERR_CONNECTION, s->err); /* never "old" */
    check_text(s->err, "\"config/x\": no member that answered has its data, and others do not "
                       "answer (bring them back, then run mstore heal): b has not answered");
    s->client.wires.down = 4;
    keys_rest();
    keys_assert(s, "config/x", "new"); /* copies it to a */
    s->client.wires.down = 2;
    keys_rest();
    keys_assert(s, "config/x", "new");
    assert_int_equal(cluster_objects(&s->cluster, 2), 1);
}

static void a_witness_tells_old_from_new(void **state)
{
    (void)state;
    keys_play(PAIR, witnessed);
}

static void majority(struct keys *s)
{
    char text[64];
    check_ok(keys_put(s, "config/x", "old"), s->err);
    s->client.wires.down = 6;
    check_code(keys_put(s, "config/x", "new"), MS_ERR_CONNECTION, s->err);
    check_text(s->err, "\"config/x\": nothing was changed: 1 of 3 members answered and 2 are "
                       "needed: member ");
    check_text(s->err, "member b: ");
    check_text(s->err, "member c: ");
    check_code(keys_get(s, "config/x", false, text), MS_ERR_CONNECTION, s->err);
    check_text(s->err, "\"config/x\": 1 of 3 members answered and 2 are needed");
    check_code(keys_delete(s, "config/x"), MS_ERR_CONNECTION, s->err);
    s->client.wires.down = 0;
    keys_rest();
    keys_assert(s, "config/x", "old");
    s->client.wires.full = 6;
    check_code(keys_put(s, "config/x", "new"), MS_ERR_NO_SPACE, s->err);
    check_text(s->err, "\"config/x\": it may have been stored or not (load it to see): 1 of 3 "
                       "members have it and 2 are needed");
    check_text(s->err, "no space on 1");
    s->client.wires.full = 0;
    keys_rest();
    check_ok(keys_get(s, "config/x", false, text), s->err); /* old or new, and then it stays so */
    s->client.wires.down = 1;
    keys_assert(s, "config/x", text);
}

static void with_a_majority_away_one_sentence_says_so(void **state)
{
    (void)state;
    keys_play(THREE, majority);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verb_does_what_it_says),
        cmocka_unit_test(sizes_times_tags_and_ranges_come_from_the_newest),
        cmocka_unit_test(streams_write_at_the_commit_and_read_what_was_newest),
        cmocka_unit_test(a_healthy_call_asks_a_majority),
        cmocka_unit_test(a_version_goes_only_where_a_higher_one_is),
        cmocka_unit_test(a_slow_listing_is_hedged),
        cmocka_unit_test(with_a_minority_away_everything_works),
        cmocka_unit_test(who_has_a_version_under_way_may_go_while_it_is_read),
        cmocka_unit_test(who_has_a_shard_may_go_while_a_stream_is_opened),
        cmocka_unit_test(damage_is_answered_from_others_and_put_right),
        cmocka_unit_test(an_empty_storage_has_no_vote),
        cmocka_unit_test(a_value_whose_copies_are_all_damaged_is_an_error),
        cmocka_unit_test(a_witness_tells_old_from_new),
        cmocka_unit_test(with_a_majority_away_one_sentence_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
