/* mstore/mutable*.c, versions*.c: allocation 0, 1, 2 … of a verb fails. What it says must be true
 * afterwards, and nothing may leak. */
#include "tests/support/check.h"
#include "tests/support/keys.h"
#include "tests/support/wrapalloc.h"

static long number;
static bool failed;

/* Runs fn with that allocation failing, until there is none of that number. */
static void at_every_allocation(const char *layout, void (*fn)(struct keys *))
{
    number = 0;
    do {
        keys_play(layout, fn);
        number++;
    } while (failed);
    assert_true(number > 20); /* it was in the middle of it, not before */
}

/* 0: it happened. NO_MEMORY: it may have. The key is `before` or `after`, and stays so. */
static void check_outcome(struct keys *s, int code, const char *before, const char *after)
{
    char text[64];
    if (code && code != MS_ERR_NO_MEMORY)
        fail_msg("allocation %ld: %s: %s", number, ms_code_name(code), s->err.text);
    keys_rest();
    int found = keys_get(s, "config/x", false, text);
    if (found == MS_ERR_NOT_FOUND)
        text[0] = 0;
    else
        check_ok(found, s->err);
    if (strcmp(text, after) != 0 && (code == 0 || strcmp(text, before) != 0))
        fail_msg("allocation %ld: the key is \"%s\" after %s", number, text, ms_code_name(code));
    s->client.wires.down = 1;
    if (text[0])
        keys_assert(s, "config/x", text);
    else
        keys_assert_absent(s, "config/x");
}

static void store(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    wrapalloc_arm(number);
    int code = keys_put(s, "config/x", "new");
    failed = wrapalloc_disarm();
    check_outcome(s, code, "old", "new");
}

static void erase(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    wrapalloc_arm(number);
    int code = keys_delete(s, "config/x");
    failed = wrapalloc_disarm();
    check_outcome(s, code, "old", "");
}

static void hide(struct keys *s)
{
    check_ok(keys_put(s, "config/x", "old"), s->err);
    wrapalloc_arm(number);
    int code = keys_move(s, MS_MOVE_SOFT_DELETE, "config/x", NULL);
    failed = wrapalloc_disarm();
    check_outcome(s, code, "old", "");
}

/* A load that must copy the newest version first, since only b and c have it. */
static void load(struct keys *s)
{
    char text[64];
    check_ok(keys_put(s, "config/x", "old"), s->err);
    s->client.wires.down = 1;
    check_ok(keys_put(s, "config/x", "new"), s->err);
    s->client.wires.down = 2;
    keys_rest();
    wrapalloc_arm(number);
    int code = keys_get(s, "config/x", false, text);
    failed = wrapalloc_disarm();
    if (!code)
        assert_string_equal(text, "new");
    if (code == MS_ERR_CONNECTION) { /* b is away, and another could not be asked */
        check_text(s->err, "no memory");
        code = MS_ERR_NO_MEMORY;
    }
    s->client.wires.down = 0;
    check_outcome(s, code, "new", "new");
}

static void heal(struct keys *s)
{
    struct ms_site site = client_site(&s->client, "config/x");
    bool whole;
    check_ok(keys_put(s, "config/x", "old"), s->err);
    check_ok(keys_delete(s, "config/x"), s->err);
    assert_int_equal(ms_sleep(ms_sim_clock(), 8 * 86400 * SECOND, NULL), 0);
    wrapalloc_arm(number);
    int code = ms_mutable_heal(&site, &whole, &s->err);
    failed = wrapalloc_disarm();
    check_outcome(s, code, "", "");
    s->client.wires.down = 0;
    keys_rest();
    check_ok(ms_mutable_heal(&site, &whole, &s->err), s->err);
    assert_int_equal(ms_sleep(ms_sim_clock(), 3600 * SECOND, NULL), 0); /* its end grows old */
    check_ok(ms_mutable_heal(&site, &whole, &s->err), s->err);
    assert_true(whole);
    keys_assert_objects(s, 0);
}

static void a_store_without_memory_tells_the_truth(void **state)
{
    (void)state;
    at_every_allocation(THREE, store);
    at_every_allocation(CODED, store);
}

static void a_delete_without_memory_tells_the_truth(void **state)
{
    (void)state;
    at_every_allocation(THREE, erase);
    at_every_allocation(THREE, hide);
}

static void a_load_without_memory_tells_the_truth(void **state)
{
    (void)state;
    at_every_allocation(THREE, load);
}

static void a_healer_without_memory_leaves_work_for_the_next(void **state)
{
    (void)state;
    at_every_allocation(THREE, heal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_without_memory_tells_the_truth),
        cmocka_unit_test(a_delete_without_memory_tells_the_truth),
        cmocka_unit_test(a_load_without_memory_tells_the_truth),
        cmocka_unit_test(a_healer_without_memory_leaves_work_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
