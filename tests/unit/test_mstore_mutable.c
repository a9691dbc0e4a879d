/* mstore/mutable.c, versions*.c: what each verb does, what it costs, what it says when too many
 * members are away. */
#include "mstore/mutable.h"
#include "base/pool.h"
#include "base/sim.h"
#include "mstore/versions.h"
#include "tests/support/check.h"
#include "tests/support/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)
#define SPACE  "[namespace config]\nkind = mutable\nredundancy = all\n"
#define THREE  CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C SPACE
#define PAIR   CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_W SPACE

/* One client on a fresh cluster, in a simulation. */
struct scene {
    const char *layout;
    void (*play)(struct scene *s);
    struct cluster cluster;
    struct client client;
    struct ms_mutable *keys;
    struct ms_error err;
};

static int run_scene(void *arg)
{
    struct scene *s = arg;
    cluster_make(&s->cluster, s->layout, ms_sim_clock());
    client_make(&s->client, &s->cluster, 1);
    check_ok(ms_mutable_new(1, &s->keys, &s->err), s->err);
    s->play(s);
    assert_int_equal(ms_sleep(ms_sim_clock(), 3600 * SECOND, NULL), 0); /* stragglers end */
    ms_mutable_free(s->keys);
    client_free(&s->client);
    cluster_free(&s->cluster);
    return 0;
}

static void play(const char *layout, void (*fn)(struct scene *))
{
    struct scene s = {.layout = layout, .play = fn};
    struct ms_sim_options options = {
        .seed = 7, .start_ns = SECOND, .start_wall_ns = INT64_C(1800000000) * 1000000000};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, run_scene, &s, NULL, &err), err);
}

static int put(struct scene *s, const char *key, const char *value)
{
    struct ms_site site = client_site(&s->client, key);
    struct ms_buf *buf = ms_buf_copy(ms_str(value));
    assert_non_null(buf);
    int code = ms_mutable_store(s->keys, &site, buf, NULL, NULL, &s->err);
    ms_buf_unref(buf);
    return code;
}

static int get(struct scene *s, const char *key, bool deleted, char text[64])
{
    struct ms_site site = client_site(&s->client, key);
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    struct ms_buf *buf = NULL;
    options.deleted = deleted;
    int code = ms_mutable_load(s->keys, &site, &options, &buf, &s->err);
    if (!code)
        snprintf(text, 64, "%.*s", (int)ms_buf_size(buf), (const char *)ms_buf_view(buf).data);
    ms_buf_unref(buf);
    return code;
}

static void assert_value_at(struct scene *s, const char *key, const char *value, int line)
{
    char text[64] = "";
    int code = get(s, key, false, text);
    if (code || strcmp(text, value) != 0)
        fail_msg("line %d: %s is \"%s\" (%s), not \"%s\"", line, key, text,
                 code ? s->err.text : "no error", value);
}
#define assert_value(s, key, value) assert_value_at((s), (key), (value), __LINE__)

static void assert_absent(struct scene *s, const char *key)
{
    char text[64];
    check_code(get(s, key, false, text), MS_ERR_NOT_FOUND, s->err);
}

static int erase(struct scene *s, const char *key)
{
    struct ms_site site = client_site(&s->client, key);
    return ms_mutable_delete(s->keys, &site, false, &s->err);
}

static int move(struct scene *s, enum ms_move how, const char *key, const char *to)
{
    struct ms_site site = client_site(&s->client, key), target = site;
    if (to)
        target = client_site(&s->client, to);
    return ms_mutable_move(s->keys, how, &site, &target, false, &s->err);
}

/* Lets what runs in the background end, and breakers close. */
static void rest(void)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), 600 * SECOND, NULL), 0);
}

static void assert_objects(struct scene *s, unsigned each)
{
    for (unsigned i = 0; i < s->cluster.members; i++)
        assert_int_equal(cluster_objects(&s->cluster, i), each);
}

/* ---- healthy ---- */

static void verbs(struct scene *s)
{
    char text[64];
    assert_absent(s, "config/x");
    check_code(erase(s, "config/x"), MS_ERR_NOT_FOUND, s->err);
    check_text(s->err, "\"config/x\" not found");
    check_ok(put(s, "config/x", "one"), s->err);
    assert_value(s, "config/x", "one");
    check_ok(put(s, "config/x", ""), s->err);
    assert_value(s, "config/x", "");
    check_ok(put(s, "config/x", "three"), s->err);
    assert_value(s, "config/x", "three");
    check_ok(move(s, MS_MOVE_SOFT_DELETE, "config/x", NULL), s->err);
    assert_absent(s, "config/x");
    check_ok(get(s, "config/x", true, text), s->err);
    assert_string_equal(text, "three");
    check_code(move(s, MS_MOVE_SOFT_DELETE, "config/x", NULL), MS_ERR_NOT_FOUND, s->err);
    check_ok(move(s, MS_MOVE_UNDELETE, "config/x", NULL), s->err);
    assert_value(s, "config/x", "three");
    check_code(move(s, MS_MOVE_UNDELETE, "config/x", NULL), MS_ERR_EXISTS, s->err);
    check_ok(move(s, MS_MOVE_RENAME, "config/x", "config/y"), s->err);
    assert_absent(s, "config/x");
    assert_value(s, "config/y", "three");
    check_ok(move(s, MS_MOVE_RENAME, "config/y", "config/y"), s->err);
    check_ok(move(s, MS_MOVE_CHANGE_LEVEL, "config/y", NULL), s->err);
    check_ok(erase(s, "config/y"), s->err);
    assert_absent(s, "config/y");
    check_code(move(s, MS_MOVE_RENAME, "config/y", "config/x"), MS_ERR_NOT_FOUND, s->err);
    rest();
    assert_objects(s, 2); /* a deletion each */
}

static void each_verb_does_what_it_says(void **state)
{
    (void)state;
    play(THREE, verbs);
    play(PAIR, verbs);
}

static void facts(struct scene *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    struct ms_load_options range = MS_LOAD_OPTIONS_INIT;
    struct ms_item_info info;
    struct ms_tag tag;
    struct ms_buf *value = ms_buf_copy(ms_str("0123456789")), *part = NULL;
    check_ok(ms_mutable_info(s->keys, &site, false, &info, &s->err), s->err);
    assert_false(info.exists);
    check_ok(ms_mutable_store(s->keys, &site, value, NULL, &tag, &s->err), s->err);
    check_ok(ms_mutable_info(s->keys, &site, false, &info, &s->err), s->err);
    assert_true(info.exists && info.mtime_ns > 0);
    assert_int_equal(info.size_bytes, 10);
    assert_string_equal(info.tag.text, tag.text);
    check_ok(ms_mutable_info(s->keys, &site, true, &info, &s->err), s->err);
    assert_false(info.exists);
    range.offset = -4;
    range.size = 2;
    check_ok(ms_mutable_load(s->keys, &site, &range, &part, &s->err), s->err);
    assert_int_equal(ms_buf_size(part), 2);
    assert_memory_equal(ms_buf_view(part).data, "67", 2);
    ms_buf_unref(part);
    options.precondition.kind = MS_IF_ABSENT;
    check_code(ms_mutable_store(s->keys, &site, value, &options, NULL, &s->err), MS_ERR_UNSUPPORTED,
               s->err);
    check_text(s->err, "\"config/x\": a condition on a mutable key");
    ms_buf_unref(value);
}

static void sizes_times_tags_and_ranges_come_from_the_newest(void **state)
{
    (void)state;
    play(THREE, facts);
}

static void assert_calls(struct scene *s, unsigned lists, unsigned loads, unsigned stores,
                         unsigned removes)
{
    rest();
    assert_int_equal(s->client.wires.lists, lists);
    assert_int_equal(s->client.wires.loads, loads);
    assert_int_equal(s->client.wires.stores, stores);
    assert_int_equal(s->client.wires.removes, removes);
    assert_int_equal(s->client.wires.others, 0);
    client_reset_counts(&s->client);
}

static void costs(struct scene *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    struct ms_item_info info;
    check_ok(put(s, "config/x", "one"), s->err);
    assert_calls(s, 2, 0, 3, 0);
    check_ok(put(s, "config/x", "two"), s->err);
    assert_calls(s, 2, 0, 3, 3); /* the version before goes */
    assert_value(s, "config/x", "two");
    assert_calls(s, 2, 1, 0, 0);
    check_ok(ms_mutable_info(s->keys, &site, false, &info, &s->err), s->err);
    assert_calls(s, 2, 0, 0, 0);
    check_ok(erase(s, "config/x"), s->err);
    assert_calls(s, 2, 0, 3, 3);
    assert_absent(s, "config/x");
    assert_calls(s, 2, 0, 0, 0);
    assert_objects(s, 1);
}

static void a_healthy_call_asks_a_majority(void **state)
{
    (void)state;
    play(THREE, costs);
}

/* A voter that could not take the new version keeps the old one: a reader that lists it, and the
 * others before the store, still sees what was complete when it began. */
static void kept(struct scene *s)
{
    check_ok(put(s, "config/x", "old"), s->err);
    rest();
    s->client.wires.full = 1;
    check_ok(put(s, "config/x", "new"), s->err);
    rest();
    assert_objects(s, 1);
    s->client.wires.full = 0;
    check_ok(put(s, "config/x", "newer"), s->err);
    rest();
    assert_objects(s, 1);
    assert_value(s, "config/x", "newer");
}

static void a_version_goes_only_where_a_higher_one_is(void **state)
{
    (void)state;
    play(THREE, kept);
}

/* ---- members away ---- */

static void minority(struct scene *s)
{
    check_ok(put(s, "config/x", "old"), s->err);
    check_ok(put(s, "config/gone", "old"), s->err);
    for (unsigned away = 0; away < s->cluster.members; away++) {
        char value[16];
        snprintf(value, sizeof value, "v%u", away);
        s->client.wires.down = 1u << away;
        check_ok(put(s, "config/x", value), s->err);
        assert_value(s, "config/x", value);
        s->client.wires.down = 0;
        rest();
        s->client.wires.down = 1u << (away + 1) % s->cluster.members;
        assert_value(s, "config/x", value); /* the one who was away is in this majority */
        rest();
        s->client.wires.down = 0;
        rest();
    }
    s->client.wires.down = 1;
    check_ok(erase(s, "config/gone"), s->err);
    rest();
    s->client.wires.down = 2;
    assert_absent(s, "config/gone"); /* although member a still has it */
    s->client.wires.down = 0;
    rest();
    check_ok(put(s, "config/x", "last"), s->err);
    rest();
    assert_value(s, "config/x", "last");
}

static void with_a_minority_away_everything_works(void **state)
{
    (void)state;
    play(THREE, minority);
}

static void witnessed(struct scene *s)
{
    check_ok(put(s, "config/x", "old"), s->err);
    s->client.wires.down = 1; /* a; b and the witness go on */
    check_ok(put(s, "config/x", "new"), s->err);
    assert_value(s, "config/x", "new");
    s->client.wires.down = 0;
    rest();
    s->client.wires.down = 2; /* b, the only one with the data */
    char text[64];
    check_code(get(s, "config/x", false, text), MS_ERR_IO, s->err); /* never "old" */
    check_text(s->err, "\"config/x\": no member that answered has its data");
    s->client.wires.down = 4;
    rest();
    assert_value(s, "config/x", "new"); /* copies it to a */
    s->client.wires.down = 2;
    rest();
    assert_value(s, "config/x", "new");
    assert_int_equal(cluster_objects(&s->cluster, 2), 1);
}

static void a_witness_tells_old_from_new(void **state)
{
    (void)state;
    play(PAIR, witnessed);
}

static void majority(struct scene *s)
{
    char text[64];
    check_ok(put(s, "config/x", "old"), s->err);
    s->client.wires.down = 6;
    check_code(put(s, "config/x", "new"), MS_ERR_CONNECTION, s->err);
    check_text(s->err, "\"config/x\": nothing was changed: 1 of 3 members answered and 2 are "
                       "needed: member ");
    check_text(s->err, "member b: ");
    check_text(s->err, "member c: ");
    check_code(get(s, "config/x", false, text), MS_ERR_CONNECTION, s->err);
    check_text(s->err, "\"config/x\": 1 of 3 members answered and 2 are needed");
    check_code(erase(s, "config/x"), MS_ERR_CONNECTION, s->err);
    s->client.wires.down = 0;
    rest();
    assert_value(s, "config/x", "old");
    s->client.wires.full = 6;
    check_code(put(s, "config/x", "new"), MS_ERR_NO_SPACE, s->err);
    check_text(s->err, "\"config/x\": it may have been stored or not (load it to see): 1 of 3 "
                       "members have it and 2 are needed");
    check_text(s->err, "no space on 1");
    s->client.wires.full = 0;
    rest();
    check_ok(get(s, "config/x", false, text), s->err); /* old or new, and then it stays so */
    s->client.wires.down = 1;
    assert_value(s, "config/x", text);
}

static void with_a_majority_away_one_sentence_says_so(void **state)
{
    (void)state;
    play(THREE, majority);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verb_does_what_it_says),
        cmocka_unit_test(sizes_times_tags_and_ranges_come_from_the_newest),
        cmocka_unit_test(a_healthy_call_asks_a_majority),
        cmocka_unit_test(a_version_goes_only_where_a_higher_one_is),
        cmocka_unit_test(with_a_minority_away_everything_works),
        cmocka_unit_test(a_witness_tells_old_from_new),
        cmocka_unit_test(with_a_majority_away_one_sentence_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
