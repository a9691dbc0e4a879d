/* mstore/versions_note.c: what members have missed of mutable keys is noted, until heal has been
 * there. */
#include "mstore/notes.h"
#include "mstore/upkeep.h"
#include "tests/support/check.h"
#include "tests/support/keys.h"

#include <stdio.h>

static bool noted(struct keys *s, unsigned keeper, unsigned about)
{
    struct ms_roster *r = s->client.roster;
    bool any = false;
    check_ok(ms_notes_any(r->members[keeper], &r->layout->uuid, &r->layout->members[about].uuid,
                          &any, &s->err),
             s->err);
    return any;
}

static void heal(struct client *client, bool notes_only)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    o.notes_only = notes_only;
    check_ok(ms_upkeep_run(NULL, client->roster, MS_UPKEEP_HEAL, &o, &report, &err), err);
    ms_upkeep_report_free(report);
}

/* The third of three is away: the first two keep one version and one note about it. */
static void assert_noted_at(struct keys *s, int line)
{
    keys_rest();
    for (unsigned i = 0; i < 2; i++) {
        unsigned objects = cluster_objects(&s->cluster, i), notes = cluster_notes(&s->cluster, i);
        if (objects != 1 || notes != 1 || !noted(s, i, 2))
            fail_msg("line %d: %u versions, %u notes on member %u", line, objects, notes, i);
    }
}

#define assert_noted(s) assert_noted_at((s), __LINE__)

static void assert_no_notes(struct keys *s)
{
    for (unsigned i = 0; i < s->cluster.members; i++)
        assert_int_equal(cluster_notes(&s->cluster, i), 0);
}

static int put_if_absent(struct keys *s, const char *key)
{
    struct ms_site site = client_site(&s->client, key);
    struct ms_store_value_options o = {.precondition = {.kind = MS_IF_ABSENT}};
    struct ms_buf *value = ms_buf_copy(ms_str("first"));
    int code = ms_mutable_store(s->verbs, &site, value, &o, NULL, &s->err);
    ms_buf_unref(value);
    return code;
}

static int put_file(struct keys *s, const char *key)
{
    struct ms_site site = client_site(&s->client, key);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite("streamed", 1, 8, file), 8);
    assert_int_equal(fflush(file), 0);
    int code = ms_mutable_store_file(s->verbs, &site, fileno(file), 8, NULL, NULL, &s->err);
    fclose(file);
    return code;
}

static void missed(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    keys_rest();
    keys_assert_objects(s, 1);
    s->client.wires.down = 4;
    check_ok(keys_put(s, "config/x", "new"), s->err);
    assert_noted(s);
    check_ok(keys_put(s, "config/x", "newer"), s->err);
    assert_noted(s); /* one note, however often */
    check_ok(put_file(s, "config/x"), s->err);
    assert_noted(s);
    check_ok(keys_move(s, MS_MOVE_SOFT_DELETE, "config/x", NULL), s->err);
    assert_noted(s);
    check_ok(keys_move(s, MS_MOVE_UNDELETE, "config/x", NULL), s->err);
    check_ok(keys_delete(s, "config/x"), s->err);
    assert_noted(s);
    check_ok(put_if_absent(s, "config/x"), s->err);
    keys_rest();
    assert_true(noted(s, 0, 2) && noted(s, 1, 2));
    heal(&s->client, true); /* it is still away */
    assert_true(noted(s, 0, 2) && noted(s, 1, 2));
    s->client.wires.down = 0;
    keys_rest();
    heal(&s->client, true); /* what was noted is enough */
    keys_rest();
    assert_no_notes(s);
    s->client.wires.down = 1;
    keys_assert(s, "config/x", "first");
    s->client.wires.down = 0;
}

static void what_a_member_has_missed_is_noted_until_heal(void **state)
{
    (void)state;
    keys_play(THREE, missed);
}

/* Of two copies with a witness any of the three may miss one. */
static void missed_by_one(struct keys *s)
{
    for (unsigned away = 0; away < 3; away++) {
        s->client.wires.down = 1u << away;
        check_ok(keys_put(s, "config/x", "new"), s->err);
        keys_rest();
        for (unsigned i = 0; i < 3; i++)
            assert_true(i == away || noted(s, i, away));
        s->client.wires.down = 0;
        keys_rest();
        heal(&s->client, false);
        keys_rest();
        assert_no_notes(s);
    }
}

static void of_two_copies_and_a_witness_any_may_miss_one(void **state)
{
    (void)state;
    keys_play(PAIR, missed_by_one);
}

/* Who completes what a dead client has begun notes who does not answer. */
static void completed(struct keys *s)
{
    struct client writer;
    client_make(&writer, &s->cluster, 2);
    struct ms_site site = client_site(&writer, "config/x");
    struct ms_buf *value = ms_buf_copy(ms_str("half"));
    check_ok(keys_put(s, "config/x", "old"), s->err);
    keys_rest();
    writer.wires.full = 6; /* one takes it, which is too few */
    check_code(ms_mutable_store(s->verbs, &site, value, NULL, NULL, &s->err), MS_ERR_NO_SPACE,
               s->err);
    ms_buf_unref(value);
    assert_no_notes(s); /* not acknowledged: nothing was missed */
    s->client.wires.down = 4;
    keys_assert(s, "config/x", "half");
    assert_noted(s);
    s->client.wires.down = 0;
    keys_rest();
    heal(&s->client, false);
    keys_rest();
    assert_no_notes(s);
    client_free(&writer);
}

static void who_completes_a_version_notes_who_does_not_answer(void **state)
{
    (void)state;
    keys_play(THREE, completed);
}

/* ---- a member that is gone ---- */

#define WITHOUT_C CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C "state = gone\n" SPACE

static void gone(struct keys *s)
{
    struct client later;
    s->client.wires.down = 4;
    check_ok(keys_put(s, "config/x", "new"), s->err);
    assert_noted(s);
    s->cluster.layout = WITHOUT_C;
    client_make(&later, &s->cluster, 2);
    heal(&later, false);
    keys_rest();
    assert_no_notes(s);
    client_free(&later);
}

static void notes_about_a_member_that_is_gone_go(void **state)
{
    (void)state;
    keys_play(THREE, gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_member_has_missed_is_noted_until_heal),
        cmocka_unit_test(of_two_copies_and_a_witness_any_may_miss_one),
        cmocka_unit_test(who_completes_a_version_notes_who_does_not_answer),
        cmocka_unit_test(notes_about_a_member_that_is_gone_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
