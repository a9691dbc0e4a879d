/* mstore/upkeep_mutable.c: mutable keys under scrub, heal and rebalance, object by object. */
#include "mstore/upkeep.h"
#include "tests/support/check.h"
#include "tests/support/keys.h"

#include <stdio.h>

static struct ms_upkeep_report *run(struct client *client, enum ms_upkeep_task task, bool deep)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    o.deep = deep;
    check_ok(ms_upkeep_run(NULL, client->roster, task, &o, &report, &err), err);
    return report;
}

static void assert_run(struct client *client, enum ms_upkeep_task task, bool deep, uint64_t wanting,
                       uint64_t failed)
{
    struct ms_upkeep_report *r = run(client, task, deep);
    assert_int_equal(r->wanting, wanting);
    assert_int_equal(r->failed, failed);
    ms_upkeep_report_free(r);
}

/* ---- a member that was away ---- */

static void returned(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    check_ok(keys_put(s, "config/y", "same"), s->err);
    keys_rest();
    assert_run(&s->client, MS_UPKEEP_SCRUB, true, 0, 0);
    s->client.wires.down = 4;
    check_ok(keys_put(s, "config/x", "new"), s->err);
    keys_rest();
    struct ms_upkeep_report *r = run(&s->client, MS_UPKEEP_SCRUB, false);
    assert_true(r->members[2].code != 0); /* c does not answer: nothing is said of it */
    assert_false(ms_upkeep_report_clean(r));
    ms_upkeep_report_free(r);
    s->client.wires.down = 0;
    keys_rest();

    r = run(&s->client, MS_UPKEEP_SCRUB, false);
    assert_int_equal(r->keys, 2);
    assert_int_equal(r->members[2].found[MS_FIND_WANTING], 1);
    assert_int_equal(r->members[2].found[MS_FIND_DEBRIS], 1); /* the old version */
    assert_int_equal(r->failed, 1);
    ms_upkeep_report_free(r);
    assert_run(&s->client, MS_UPKEEP_HEAL, false, 1, 0);
    assert_run(&s->client, MS_UPKEEP_SCRUB, true, 0, 0);
    keys_assert_objects(s, 2);
    s->client.wires.down = 1;
    keys_assert(s, "config/x", "new");
    s->client.wires.down = 0;
}

static void members_that_return_are_brought_up_to_date(void **state)
{
    (void)state;
    keys_play(THREE, returned);
}

/* ---- damage ---- */

static void damaged(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "one"), s->err);
    check_ok(keys_put(s, "config/y", "two"), s->err);
    keys_rest();
    cluster_damage(&s->cluster, 1);
    assert_run(&s->client, MS_UPKEEP_SCRUB, false, 0, 0); /* names and sizes are right */
    struct ms_upkeep_report *r = run(&s->client, MS_UPKEEP_SCRUB, true);
    assert_int_equal(r->members[1].found[MS_FIND_DAMAGED], 2);
    assert_int_equal(r->failed, 2);
    ms_upkeep_report_free(r);
    assert_run(&s->client, MS_UPKEEP_HEAL, true, 2, 0);
    assert_run(&s->client, MS_UPKEEP_SCRUB, true, 0, 0);
    s->client.wires.down = 1; /* now the mended one is needed */
    keys_assert(s, "config/x", "one");
    keys_assert(s, "config/y", "two");
    s->client.wires.down = 0;
}

static void damage_is_mended(void **state)
{
    (void)state;
    keys_play(THREE, damaged);
    keys_play(CODED, damaged);
}

/* ---- a voter that is new, and one that is none any more ---- */

#define FOUR CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C CLUSTER_D
#define OLD  FOUR "[namespace config]\nkind = mutable\nredundancy = all\n"
#define NEW  FOUR "[namespace config]\nkind = mutable\nredundancy = copies 3\n"

static unsigned all_objects(const struct keys *s)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < s->cluster.members; i++)
        sum += cluster_objects(&s->cluster, i);
    return sum;
}

/* On four members; under the new layout three of them are enough. */
static void fewer(struct keys *s)
{
    struct client later;
    for (unsigned i = 0; i < 8; i++) {
        char key[32];
        snprintf(key, sizeof key, "config/key%u", i);
        check_ok(keys_put(s, key, "value"), s->err);
    }
    check_ok(keys_delete(s, "config/key7"), s->err);
    keys_rest();
    assert_int_equal(all_objects(s), 32);
    s->cluster.layout = NEW;
    client_make(&later, &s->cluster, 2);
    struct ms_upkeep_report *r = run(&later, MS_UPKEEP_HEAL, false);
    assert_int_equal(r->found[MS_FIND_SURPLUS], 8);
    assert_int_equal(r->failed, 0);
    ms_upkeep_report_free(r);
    assert_int_equal(all_objects(s), 32);
    r = run(&later, MS_UPKEEP_REBALANCE, false);
    assert_int_equal(r->moved, 8);
    assert_int_equal(r->failed, 0);
    ms_upkeep_report_free(r);
    assert_int_equal(all_objects(s), 24);
    assert_run(&later, MS_UPKEEP_SCRUB, true, 0, 0);
    keys_rest();
    client_free(&later);
}

/* The other way round: a fourth voter gets all that the three have. */
static void more(struct keys *s)
{
    struct client later;
    for (unsigned i = 0; i < 8; i++) {
        char key[32];
        snprintf(key, sizeof key, "config/key%u", i);
        check_ok(keys_put(s, key, "value"), s->err);
    }
    keys_rest();
    s->cluster.layout = OLD;
    client_make(&later, &s->cluster, 2);
    struct ms_upkeep_report *r = run(&later, MS_UPKEEP_REBALANCE, false);
    assert_int_equal(r->repaired + r->moved, 8);
    assert_int_equal(r->failed, 0);
    ms_upkeep_report_free(r);
    assert_int_equal(all_objects(s), 32);
    assert_run(&later, MS_UPKEEP_SCRUB, true, 0, 0);
    keys_rest();
    client_free(&later);
}

#define FIVE(state)                                                                                \
    CLUSTER_HEAD CLUSTER_A state CLUSTER_B CLUSTER_C CLUSTER_D CLUSTER_E                           \
        "[namespace config]\nkind = mutable\nredundancy = ec 2+2\n"

/* One of five is emptied: its shards go to others, so that every other may be lost. */
static void drained(struct keys *s)
{
    struct client later;
    char key[32];
    for (unsigned i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "config/key%u", i);
        check_ok(keys_put(s, key, "value"), s->err);
    }
    keys_rest();
    s->cluster.layout = FIVE("state = draining\n");
    client_make(&later, &s->cluster, 2);
    struct ms_upkeep_report *r = run(&later, MS_UPKEEP_REBALANCE, false);
    assert_int_equal(r->failed, 0);
    assert_true(r->moved > 0);
    ms_upkeep_report_free(r);
    assert_int_equal(cluster_objects(&s->cluster, 0), 0);
    assert_int_equal(all_objects(s), 4 * 12);
    assert_run(&later, MS_UPKEEP_SCRUB, true, 0, 0);
    for (unsigned down = 1; down < 5; down++) {
        later.wires.down = 1u << down;
        for (unsigned i = 0; i < 12; i++) {
            struct ms_buf *got = NULL;
            snprintf(key, sizeof key, "config/key%u", i);
            struct ms_site site = client_site(&later, key);
            check_ok(ms_mutable_load(s->verbs, &site, NULL, &got, &s->err), s->err);
            assert_int_equal(ms_buf_size(got), 5);
            ms_buf_unref(got);
        }
        later.wires.down = 0;
        keys_rest();
    }
    client_free(&later);
}

static void versions_follow_the_layout(void **state)
{
    (void)state;
    keys_play(OLD, fewer);
    keys_play(NEW, more);
    keys_play(FIVE(""), drained);
}

/* ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_return_are_brought_up_to_date),
        cmocka_unit_test(damage_is_mended),
        cmocka_unit_test(versions_follow_the_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
