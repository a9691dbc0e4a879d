/* mstore/mutable_heal.c: members that return, what is left of the dead, the end of a deletion. */
#include "mstore/versions.h"
#include "tests/support/check.h"
#include "tests/support/keys.h"

#include <stdio.h>

#define DAY  (86400 * SECOND)
#define HOUR (3600 * SECOND)

static void wait_ns(uint64_t ns)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), ns, NULL), 0);
}

static bool heal(struct client *client, const char *key)
{
    struct ms_site site = client_site(client, key);
    struct ms_error err = {0};
    bool whole = false;
    check_ok(ms_mutable_heal(&site, &whole, &err), err);
    return whole;
}

/* ---- members that return ---- */

static void returned(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    check_ok(keys_put(s, "config/gone", "old"), s->err);
    keys_rest();
    s->client.wires.down = 4;
    check_ok(keys_put(s, "config/x", "new"), s->err);
    check_ok(keys_delete(s, "config/gone"), s->err);
    check_ok(keys_put(s, "config/y", "first"), s->err);
    assert_false(heal(&s->client, "config/x")); /* c is still away */
    wait_ns(30 * DAY);
    s->client.wires.down = 0;
    keys_rest();
    assert_true(heal(&s->client, "config/x"));
    assert_true(heal(&s->client, "config/gone"));
    assert_true(heal(&s->client, "config/y"));
    keys_rest();
    keys_assert_objects(s, 3); /* gone: a deletion, on c only for a moment yet */
    s->client.wires.down = 1;
    keys_assert(s, "config/x", "new");
    keys_assert(s, "config/y", "first");
    keys_assert_absent(s, "config/gone");
    s->client.wires.down = 0;
    keys_rest();
    client_reset_counts(&s->client);
    assert_true(heal(&s->client, "config/x")); /* nothing to do: it looks */
    assert_int_equal(s->client.wires.lists, 3);
    assert_int_equal(s->client.wires.stores + s->client.wires.removes, 0);
}

static void a_member_that_returns_is_brought_up_to_date(void **state)
{
    (void)state;
    keys_play(THREE, returned);
    keys_play(PAIR, returned);
}

/* ---- the end of a deletion ---- */

/* The deletion's end is put, and when nobody is left who has not seen it, both go. */
static void assert_forgotten(struct keys *s)
{
    assert_true(heal(&s->client, "config/x"));
    keys_assert_objects(s, 2);
    assert_true(heal(&s->client, "config/x")); /* too early */
    keys_assert_objects(s, 2);
    keys_assert_absent(s, "config/x");
    wait_ns(HOUR);
    assert_true(heal(&s->client, "config/x"));
    keys_assert_objects(s, 0);
}

static void ended(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    check_ok(keys_delete(s, "config/x"), s->err);
    wait_ns(6 * DAY);
    assert_true(heal(&s->client, "config/x"));
    keys_assert_objects(s, 1);
    wait_ns(2 * DAY);
    s->client.wires.down = 4;
    assert_false(heal(&s->client, "config/x"));
    s->client.wires.down = 0;
    keys_rest();
    keys_assert_objects(s, 1);
    assert_forgotten(s);
    keys_assert_absent(s, "config/x");
    check_ok(keys_put(s, "config/x", "again"), s->err);
    keys_rest();
    keys_assert_objects(s, 1);
    keys_assert(s, "config/x", "again");
}

static void a_deletion_ends_after_the_grace_period_of_every_member(void **state)
{
    (void)state;
    keys_play(THREE, ended);
    keys_play(PAIR, ended);
}

static void late(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    s->client.wires.down = 4;
    check_ok(keys_delete(s, "config/x"), s->err);
    wait_ns(20 * DAY);
    s->client.wires.down = 0;
    assert_true(heal(&s->client, "config/x")); /* c has it only now */
    keys_assert_objects(s, 1);
    wait_ns(6 * DAY);
    assert_true(heal(&s->client, "config/x"));
    keys_assert_objects(s, 1);
    wait_ns(2 * DAY);
    assert_forgotten(s);
}

static void a_member_that_was_away_has_a_grace_period_of_its_own(void **state)
{
    (void)state;
    keys_play(THREE, late);
}

/* A healer dies at call number `cut` while it ends a deletion. Then another one does it; or the key
 * is stored while one member is away, and must be there while another is. */
static unsigned cut;
static enum wire_end how;
static bool was_cut, stored_then;

static void store_and_load(struct keys *s, const char *value, unsigned away, unsigned then)
{
    s->client.wires.down = away;
    check_ok(keys_put(s, "config/x", value), s->err);
    keys_rest();
    s->client.wires.down = then;
    keys_rest();
    keys_assert(s, "config/x", value);
    s->client.wires.down = 0;
    keys_rest();
    assert_true(heal(&s->client, "config/x"));
    keys_rest();
    assert_true(heal(&s->client, "config/x"));
    keys_assert(s, "config/x", value);
    keys_assert_objects(s, 1);
}

static void healer_dies(struct keys *s)
{
    struct client healer;
    char value[16];
    bool whole = false;
    check_ok(keys_put(s, "config/x", "old"), s->err);
    check_ok(keys_delete(s, "config/x"), s->err);
    wait_ns(8 * DAY);
    client_make(&healer, &s->cluster, 9);
    healer.wires.cut_at = cut;
    healer.wires.cut_how = how;
    struct ms_site site = client_site(&healer, "config/x");
    (void)!ms_mutable_heal(&site, &whole, NULL);
    if (!atomic_load(&healer.wires.cut)) {
        wait_ns(HOUR);
        (void)!ms_mutable_heal(&site, &whole, NULL);
    }
    was_cut = atomic_load(&healer.wires.cut);
    keys_assert_absent(s, "config/x");
    if (!stored_then) {
        wait_ns(HOUR); /* late effects */
        assert_true(heal(&s->client, "config/x"));
        wait_ns(HOUR);
        assert_true(heal(&s->client, "config/x"));
        keys_assert_objects(s, 0);
        client_free(&healer);
        return;
    }
    snprintf(value, sizeof value, "%u", cut);
    store_and_load(s, value, 1u << cut % 3, 1u << (cut + 1) % 3);
    wait_ns(HOUR); /* late effects */
    keys_assert(s, "config/x", value);
    assert_true(heal(&s->client, "config/x"));
    keys_assert_objects(s, 1);
    client_free(&healer);
}

static void a_healer_that_dies_leaves_a_key_that_works(void **state)
{
    (void)state;
    for (unsigned h = 0; h < 6; h++) {
        how = (enum wire_end)(h / 2);
        stored_then = h % 2;
        cut = 0;
        do {
            cut++;
            keys_play(THREE, healer_dies);
        } while (was_cut);
        /* by 3: list, three calls for the time and its three folders, blocks (and the mark, as
         * there are none), the end; list twice, the time likewise, blocks, delete both, the folder
         */
        assert_int_equal(cut - 1, 3 * (1 + 6 + 2 + 1) + 3 * (2 + 6 + 2 + 2 + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_returns_is_brought_up_to_date),
        cmocka_unit_test(a_deletion_ends_after_the_grace_period_of_every_member),
        cmocka_unit_test(a_member_that_was_away_has_a_grace_period_of_its_own),
        cmocka_unit_test(a_healer_that_dies_leaves_a_key_that_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
