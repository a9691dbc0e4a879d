/* mstore/mutable_cond.c, mstore/follow.c, mstore/blocks.c: stores with a condition; what they cost
 * alone, what they leave when somebody dies, beside others, and after a key was forgotten. */
#include "base/pool.h"
#include "base/text.h"
#include "mstore/age.h"
#include "mstore/blocks.h"
#include "mstore/follow.h"
#include "tests/support/check.h"
#include "tests/support/keys.h"

#include <stdio.h>

#define HOUR (3600 * SECOND)
#define DAY  (24 * HOUR)

static void wait_ns(uint64_t ns)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), ns, NULL), 0);
}

static int put_as(struct client *client, struct ms_mutable *verbs, const char *value,
                  const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_site site = client_site(client, "config/x");
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    struct ms_buf *buf = ms_buf_copy(ms_str(value));
    assert_non_null(buf);
    options.precondition = *pre;
    int code = ms_mutable_store(verbs, &site, buf, &options, tag, err);
    ms_buf_unref(buf);
    return code;
}

static const struct ms_precondition absent = {.kind = MS_IF_ABSENT};

static int put_if_absent(struct keys *s, const char *value)
{
    return put_as(&s->client, s->verbs, value, &absent, NULL, &s->err);
}

static bool heal(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    bool whole = false;
    check_ok(ms_mutable_heal(&site, &whole, &s->err), s->err);
    return whole;
}

/* ---- alone ---- */

static void conditions(struct keys *s)
{
    struct ms_precondition same = {.kind = MS_IF_TAG};
    struct ms_tag first, second;
    check_ok(put_as(&s->client, s->verbs, "1", &absent, &first, &s->err), s->err);
    check_code(put_if_absent(s, "2"), MS_ERR_EXISTS, s->err);
    assert_string_equal(s->err.text, "\"config/x\" already exists");
    same.tag = first;
    check_ok(put_as(&s->client, s->verbs, "3", &same, &second, &s->err), s->err);
    assert_string_not_equal(first.text, second.text);
    check_code(put_as(&s->client, s->verbs, "4", &same, NULL, &s->err), MS_ERR_CONFLICT, s->err);
    assert_string_equal(s->err.text, "\"config/x\" has been changed: load it again");
    keys_assert(s, "config/x", "3");
    same.tag = second;
    check_ok(keys_put(s, "config/x", "5"), s->err);
    check_code(put_as(&s->client, s->verbs, "6", &same, NULL, &s->err), MS_ERR_CONFLICT, s->err);
    check_ok(keys_delete(s, "config/x"), s->err);
    check_code(put_as(&s->client, s->verbs, "7", &same, NULL, &s->err), MS_ERR_CONFLICT, s->err);
    assert_string_equal(s->err.text, "\"config/x\" is gone: load it again");
    check_ok(put_if_absent(s, "8"), s->err);
    keys_assert(s, "config/x", "8");
}

static void large(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    struct ms_buf *most = ms_buf_new(MS_FOLLOW_VALUE_MAX),
                  *more = ms_buf_new(MS_FOLLOW_VALUE_MAX + 1);
    assert_true(most && more);
    memset(ms_buf_data(most), 'm', MS_FOLLOW_VALUE_MAX);
    options.precondition = absent;
    check_code(ms_mutable_store(s->verbs, &site, more, &options, NULL, &s->err), MS_ERR_UNSUPPORTED,
               s->err);
    check_text(s->err, "more than 8 MiB");
    check_ok(ms_mutable_store(s->verbs, &site, most, &options, NULL, &s->err), s->err);
    ms_buf_unref(most);
    ms_buf_unref(more);
}

static void a_condition_holds_or_does_not(void **state)
{
    (void)state;
    keys_play(THREE, conditions);
    keys_play(PAIR, conditions);
    keys_play(CODED, conditions);
    keys_play(THREE, large);
}

static void counted(struct keys *s)
{
    check_ok(put_if_absent(s, "1"), s->err); /* now it knows the layout */
    check_ok(keys_delete(s, "config/x"), s->err);
    wait_ns(SECOND);
    client_reset_counts(&s->client);
    check_ok(put_if_absent(s, "2"), s->err);
    /* what is there; two rounds of an agreement; the version */
    assert_int_equal(s->client.wires.stores, 3 + 3 + 3);
    assert_in_range(s->client.wires.lists, 2 + 3 + 3, 2 + 3 + 3 + 3);
    assert_int_equal(s->client.wires.loads, 0);
    wait_ns(SECOND);
    client_reset_counts(&s->client);
    check_code(put_if_absent(s, "3"), MS_ERR_EXISTS, s->err);
    assert_int_equal(s->client.wires.lists, 2); /* as a load would */
    assert_int_equal(s->client.wires.stores + s->client.wires.loads + s->client.wires.removes, 0);
    client_reset_counts(&s->client);
    check_ok(keys_put(s, "config/x", "4"), s->err); /* others pay nothing */
    assert_int_equal(s->client.wires.stores, 3);
}

static void it_costs_two_rounds_more(void **state)
{
    (void)state;
    keys_play(THREE, counted);
}

/* ---- the dead ---- */

static unsigned cut;
static enum wire_end how;
static bool was_cut;

/* One dies at call number `cut` of his store; another stores. What is there then stays. */
static void winner_dies(struct keys *s)
{
    struct client dead;
    struct ms_mutable *verbs = NULL;
    struct ms_error err;
    char text[64] = "";
    client_make(&dead, &s->cluster, 9);
    check_ok(ms_mutable_new(9, &verbs, &s->err), s->err);
    dead.wires.cut_at = cut;
    dead.wires.cut_how = how;
    int first = put_as(&dead, verbs, "dead", &absent, NULL, &err);
    was_cut = atomic_load(&dead.wires.cut);
    int second = put_if_absent(s, "alive");
    assert_true(second == 0 || second == MS_ERR_EXISTS);
    assert_true(first != 0 || second == MS_ERR_EXISTS);
    keys_assert(s, "config/x", second ? "dead" : "alive");
    wait_ns(HOUR); /* late effects */
    keys_assert(s, "config/x", second ? "dead" : "alive");
    assert_true(heal(s));
    check_ok(keys_get(s, "config/x", false, text), s->err);
    assert_string_equal(text, second ? "dead" : "alive");
    check_code(put_if_absent(s, "third"), MS_ERR_EXISTS, s->err);
    ms_mutable_free(verbs);
    client_free(&dead);
}

static void who_dies_holds_nobody_up(void **state)
{
    (void)state;
    static const char *const layouts[] = {THREE, PAIR, CODED};
    for (unsigned i = 0; i < 9; i++) {
        how = (enum wire_end)(i % 3);
        cut = 0;
        do {
            cut++;
            keys_play(layouts[i / 3], winner_dies);
        } while (was_cut);
        assert_true(cut > 15);
    }
}

/* He dies while he puts what was agreed on: a shard of it that nobody can read is not taken for a
 * version that came meanwhile, whoever of the two has the higher number (they draw them). */
static void a_dead_winners_shards_are_no_version(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        how = (enum wire_end)(i % 3);
        for (cut = 30; cut < 40; cut++)
            keys_play(CODED, winner_dies);
    }
}

/* ---- several at once ---- */

enum verb { IF_ABSENT, IF_TAG, PUT, DELETE };
struct rival {
    struct keys *s;
    enum verb verb;
    const char *value;
    struct ms_tag tag;
    struct client client;
    struct ms_mutable *verbs;
    struct ms_error err;
    int code;
};
static struct rival rivals[3];

static int act(void *arg, size_t i)
{
    struct rival *r = (struct rival *)arg + i;
    struct ms_precondition pre = {.kind = r->verb == IF_ABSENT ? MS_IF_ABSENT
                                          : r->verb == IF_TAG  ? MS_IF_TAG
                                                               : MS_ALWAYS,
                                  .tag = r->tag};
    struct ms_site site = client_site(&r->client, "config/x");
    r->code = r->verb == DELETE ? ms_mutable_delete(r->verbs, &site, false, &r->err)
                                : put_as(&r->client, r->verbs, r->value, &pre, NULL, &r->err);
    return 0;
}

static void compete(struct keys *s, unsigned count, unsigned seed)
{
    for (unsigned i = 0; i < count; i++) {
        client_make(&rivals[i].client, &s->cluster, 20 + i);
        rivals[i].client.wires.lag_ns = 20 * SECOND / 1000;
        atomic_store(&rivals[i].client.wires.dice, 1 + 977 * seed + i);
        check_ok(ms_mutable_new(100 * seed + i, &rivals[i].verbs, &s->err), s->err);
    }
    check_ok(ms_parallel(count, count, act, rivals, &s->err), s->err);
    for (unsigned i = 0; i < count; i++) {
        ms_mutable_free(rivals[i].verbs);
        client_free(&rivals[i].client);
    }
}

#define ROUNDS 40

static void one_of_three(struct keys *s)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned winners = 0, winner = 0;
        for (unsigned i = 0; i < 3; i++)
            rivals[i] = (struct rival){.verb = IF_ABSENT,
                                       .value = i == 0   ? "a"
                                                : i == 1 ? "b"
                                                         : "c"};
        compete(s, 3, round);
        for (unsigned i = 0; i < 3; i++) {
            assert_true(rivals[i].code == 0 || rivals[i].code == MS_ERR_EXISTS);
            winners += rivals[i].code == 0;
            winner = rivals[i].code == 0 ? i : winner;
        }
        assert_int_equal(winners, 1);
        keys_assert(s, "config/x", rivals[winner].value);
        check_ok(keys_delete(s, "config/x"), s->err);
    }
}

/* A store without a condition comes last, whatever the other was told. */
static void beside_a_put(struct keys *s)
{
    unsigned both = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        rivals[0] = (struct rival){.verb = IF_ABSENT, .value = "if"};
        rivals[1] = (struct rival){.verb = PUT, .value = "put"};
        compete(s, 2, round);
        assert_true(rivals[0].code == 0 || rivals[0].code == MS_ERR_EXISTS);
        check_ok(rivals[1].code, rivals[1].err);
        both += rivals[0].code == 0;
        keys_assert(s, "config/x", "put");
        check_ok(keys_delete(s, "config/x"), s->err);
    }
    assert_true(both > 0);
}

/* So does a delete: what it found is what was there, or what followed. */
static void beside_a_delete(struct keys *s)
{
    unsigned both = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct ms_tag tag;
        check_ok(put_as(&s->client, s->verbs, "old", &absent, &tag, &s->err), s->err);
        rivals[0] = (struct rival){.verb = IF_TAG, .value = "new", .tag = tag};
        rivals[1] = (struct rival){.verb = DELETE};
        compete(s, 2, round);
        assert_true(rivals[0].code == 0 || rivals[0].code == MS_ERR_CONFLICT);
        check_ok(rivals[1].code, rivals[1].err);
        both += rivals[0].code == 0;
        keys_assert_absent(s, "config/x");
    }
    assert_true(both > 0);
}

static void one_of_several_wins(void **state)
{
    (void)state;
    keys_play(THREE, one_of_three);
    keys_play(PAIR, one_of_three);
    keys_play(THREE, beside_a_put);
    keys_play(THREE, beside_a_delete);
}

/* ---- what is left ---- */

static size_t count_blocks(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_blocks blocks = {0};
    check_ok(ms_blocks_list(&site, &blocks, &s->err), s->err);
    size_t count = blocks.count;
    ms_blocks_end(&blocks);
    return count;
}

static void forgotten(struct keys *s)
{
    for (unsigned life = 0; life < 2; life++) {
        check_ok(put_if_absent(s, life ? "second" : "first"), s->err);
        check_ok(keys_delete(s, "config/x"), s->err);
        wait_ns(8 * DAY);
        assert_int_equal(count_blocks(s), 2 * s->cluster.members);
        assert_true(heal(s)); /* its blocks go, its end comes */
        assert_int_equal(count_blocks(s), 0);
        keys_assert_objects(s, 2);
        wait_ns(HOUR);
        assert_true(heal(s));
        keys_assert_objects(s, 0);
    }
    check_ok(put_if_absent(s, "third"), s->err);
    keys_assert(s, "config/x", "third");
}

/* While the deletion is being forgotten. */
static void ending(struct keys *s)
{
    check_ok(put_if_absent(s, "first"), s->err);
    check_ok(keys_delete(s, "config/x"), s->err);
    wait_ns(8 * DAY);
    assert_true(heal(s));
    check_ok(put_if_absent(s, "again"), s->err);
    keys_assert(s, "config/x", "again");
    for (unsigned i = 0; i < 3; i++) {
        check_code(put_if_absent(s, "no"), MS_ERR_EXISTS, s->err);
        wait_ns(HOUR);
        assert_true(heal(s));
        keys_assert(s, "config/x", "again");
    }
    check_ok(keys_delete(s, "config/x"), s->err);
    check_ok(put_if_absent(s, "more"), s->err);
    keys_assert(s, "config/x", "more");
}

static unsigned tidy(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_blocks blocks = {0};
    struct ms_ages ages = {0};
    ms_mutex_init(&ages.mutex);
    check_ok(ms_blocks_list(&site, &blocks, &s->err), s->err);
    unsigned dropped = ms_blocks_tidy(&site, &blocks, &ages);
    ms_blocks_end(&blocks);
    ms_mutex_fini(&ages.mutex);
    return dropped;
}

static void tidied(struct keys *s)
{
    struct ms_precondition same = {.kind = MS_IF_TAG};
    check_ok(put_as(&s->client, s->verbs, "1", &absent, &same.tag, &s->err), s->err);
    check_ok(put_as(&s->client, s->verbs, "2", &same, &same.tag, &s->err), s->err);
    wait_ns(SECOND);
    assert_int_equal(count_blocks(s), 3 * 4);
    wait_ns(6 * DAY);
    assert_int_equal(tidy(s), 0); /* young */
    wait_ns(2 * DAY);
    assert_int_equal(tidy(s), 3 * 4);
    assert_int_equal(count_blocks(s), 0);
    /* The newest is always young, but long ago something was agreed on about a higher one. */
    check_ok(put_as(&s->client, s->verbs, "3", &same, &same.tag, &s->err), s->err);
    wait_ns(2 * HOUR);
    check_ok(put_as(&s->client, s->verbs, "4", &same, &same.tag, &s->err), s->err);
    wait_ns(8 * DAY);
    check_ok(keys_put(s, "config/x", "5"), s->err);
    wait_ns(SECOND);
    assert_int_equal(tidy(s), 3 * 2);
    assert_int_equal(count_blocks(s), 3 * 2);
}

static void what_nobody_needs_goes(void **state)
{
    (void)state;
    keys_play(THREE, forgotten);
    keys_play(PAIR, forgotten);
    keys_play(THREE, ending);
    keys_play(THREE, tidied);
}

/* ---- bytes ---- */

static void followers_are_written_and_read(void **state)
{
    (void)state;
    struct ms_write_id id = {.counter = 5, .writer = 0x8af3, .next = 2};
    struct ms_follower f = {.writer = 0x8af3,
                            .version = {.size = 5, .mark = MS_OWN_SOFT_DELETED, .k = 4, .m = 2}};
    struct ms_follower over = {.writer = 7, .over = true}, got = {0};
    struct ms_buf *bytes = NULL;
    struct ms_error err = {0};
    f.value = ms_buf_copy(ms_str("VALUE"));
    check_ok(ms_follower_format(&f, &bytes, &err), err);
    assert_true(
        ms_equal(ms_buf_view(bytes), ms_str("0000000000008af3.0000000000000005.s.0402\nVALUE")));
    check_ok(ms_follower_parse(ms_buf_view(bytes), &id, &got, &err), err);
    assert_true(got.writer == 0x8af3 && !got.over && got.version.size == 5 &&
                got.version.mark == MS_OWN_SOFT_DELETED && got.version.k == 4 &&
                got.version.m == 2 && got.version.id.counter == 5 &&
                got.version.id.writer == 0x8af3 && got.version.id.next == 3);
    assert_true(ms_equal(ms_buf_view(got.value), ms_str("VALUE")));
    ms_follower_end(&got);
    for (size_t i = 0; i < ms_buf_size(bytes); i++)
        check_code(ms_follower_parse(ms_view(ms_buf_data(bytes), i), &id, &got, &err),
                   MS_ERR_CORRUPT, err);
    ms_buf_unref(bytes);
    check_ok(ms_follower_format(&over, &bytes, &err), err);
    assert_true(ms_equal(ms_buf_view(bytes), ms_str("0000000000000007.----------------.d.0000\n")));
    check_ok(ms_follower_parse(ms_buf_view(bytes), &id, &got, &err), err);
    assert_true(got.over && !got.value);
    check_code(
        ms_follower_parse(ms_str("0000000000000007.----------------.l.0000\n"), &id, &got, &err),
        MS_ERR_CORRUPT, err);
    check_code(
        ms_follower_parse(ms_str("000000000000000G.0000000000000000.l.0100\n"), &id, &got, &err),
        MS_ERR_CORRUPT, err);
    ms_buf_unref(bytes);
    ms_buf_unref(f.value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_holds_or_does_not),
        cmocka_unit_test(it_costs_two_rounds_more),
        cmocka_unit_test(who_dies_holds_nobody_up),
        cmocka_unit_test(a_dead_winners_shards_are_no_version),
        cmocka_unit_test(one_of_several_wins),
        cmocka_unit_test(what_nobody_needs_goes),
        cmocka_unit_test(followers_are_written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
