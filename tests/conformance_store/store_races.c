/* Many threads on one handle. */
#include "store_suite.h"

#include "base/pool.h"

#include <stdatomic.h>
#include <string.h>

#define WRITERS 8
#define ROUNDS  10

static atomic_int winners, failures;

static int race_absent(void *arg, size_t index)
{
    char value[16];
    snprintf(value, sizeof value, "writer %zu", index);
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition.kind = MS_IF_ABSENT;
    struct ms_error e;
    int code =
        ms_store_store(fx.store, ms_str(arg), ms_buf_borrow(&place, ms_str(value)), &o, NULL, &e);
    if (code == 0)
        winners++;
    else if (code != MS_ERR_EXISTS)
        failures++;
    return 0;
}

static void one_wins(void **state)
{
    (void)state;
    if (!can_if_absent())
        return;
    for (int round = 0; round < ROUNDS; round++) {
        char name[32];
        snprintf(name, sizeof name, "data/%02x%02xrace", round, round * 3);
        winners = failures = 0;
        OK(ms_parallel(WRITERS, WRITERS, race_absent, name, &err));
        if (winners != 1 || failures)
            fail_msg("[%s] %d winners, %d failures", fx.kind->label, winners, failures);
    }
}

#define VALUE_SIZE 20000

/* Even indexes replace the value, odd ones read it: every byte of what they see is the same. */
static int replace_or_read(void *arg, size_t index)
{
    struct ms_error e;
    struct ms_view name = ms_str(arg);
    if (index % 2 == 0) {
        struct ms_buf *value = ms_buf_new(VALUE_SIZE);
        if (!value)
            return MS_ERR_NO_MEMORY;
        memset(ms_buf_data(value), 'a' + (int)(index % 26), VALUE_SIZE);
        int code = ms_store_store(fx.store, name, value, NULL, NULL, &e);
        ms_buf_unref(value);
        failures += code != 0;
        return 0;
    }
    struct ms_buf *value;
    if (ms_store_load(fx.store, name, NULL, &value, &e)) {
        failures++;
        return 0;
    }
    struct ms_view bytes = ms_buf_view(value);
    bool whole = bytes.size == VALUE_SIZE;
    for (size_t i = 1; whole && i < bytes.size; i++)
        whole = bytes.data[i] == bytes.data[0];
    failures += !whole;
    ms_buf_unref(value);
    return 0;
}

static void whole_or_not_at_all(void **state)
{
    (void)state;
    if (is_immutable())
        return;
    char name[] = "data/0123race";
    failures = 0;
    OK(ms_store_store(fx.store, ms_str(name),
                      ms_buf_borrow(&(struct ms_buf_borrowed){0}, ms_str("")), NULL, NULL, &err));
    replace_or_read(name, 0);
    OK(ms_parallel(100, WRITERS, replace_or_read, name, &err));
    assert_int_equal(failures, 0);
}

/* Soft delete and undelete against each other: the item is never lost. */
static int hide_or_show(void *arg, size_t index)
{
    struct ms_error e;
    int code = ms_store_move(fx.store, index % 2 ? MS_MOVE_SOFT_DELETE : MS_MOVE_UNDELETE,
                             ms_str(arg), ms_view(NULL, 0), false, &e);
    if (code != 0 && code != MS_ERR_NOT_FOUND && code != MS_ERR_EXISTS) {
        print_error("%s\n", e.text);
        failures++;
    }
    return 0;
}

static void never_lost(void **state)
{
    (void)state;
    if (fx.kind->policy && !is_mutable()) /* nothing is promised to several writers of one key */
        return;
    char name[] = "data/0123race";
    failures = 0;
    OK(put("0123race", "here"));
    OK(ms_parallel(60, WRITERS, hide_or_show, name, &err));
    assert_int_equal(failures, 0);
    const char *now = listed(MS_LIST_BOTH);
    assert_true(strcmp(now, "0123race") == 0 || strcmp(now, "0123race~") == 0);
}

const struct CMUnitTest race_tests[] = {
    TEST(one_wins),
    TEST(whole_or_not_at_all),
    TEST(never_lost),
};
const size_t race_test_count = sizeof race_tests / sizeof *race_tests;
