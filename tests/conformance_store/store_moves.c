/* Moves in their four forms, soft-deleted items, defrag. */
#include "store_suite.h"

#include <string.h>

static const struct ms_view nothing;

static int soft_delete(const char *name)
{
    return ms_store_move(fx.store, MS_MOVE_SOFT_DELETE, key(name), nothing, false, &err);
}

static int undelete(const char *name)
{
    return ms_store_move(fx.store, MS_MOVE_UNDELETE, key(name), nothing, false, &err);
}

static void soft_deleted(void **state)
{
    (void)state;
    CODE(soft_delete("0123abcd"), MS_ERR_NOT_FOUND);
    OK(put("0123abcd", "value"));
    OK(put("0124", "other"));
    OK(soft_delete("0123abcd"));
    check_gone("0123abcd", false);
    check_value("0123abcd", "value", true);
    assert_string_equal(listed(MS_LIST_LIVE), "0124");
    assert_string_equal(listed(MS_LIST_DELETED), "0123abcd~");
    assert_string_equal(listed(MS_LIST_BOTH), "0123abcd~ 0124");
    CODE(soft_delete("0123abcd"), MS_ERR_NOT_FOUND);
    OK(undelete("0123abcd"));
    check_value("0123abcd", "value", false);
    check_gone("0123abcd", true);
    CODE(undelete("0123abcd"), MS_ERR_NOT_FOUND);
}

static void undelete_spares_the_living(void **state)
{
    (void)state;
    if (is_mutable())
        return;
    const char *old = is_immutable() ? "new" : "old"; /* one value for ever */
    OK(put("0123abcd", old));
    OK(soft_delete("0123abcd"));
    OK(put("0123abcd", "new"));
    assert_string_equal(listed(MS_LIST_BOTH), "0123abcd 0123abcd~");
    CODE(undelete("0123abcd"), MS_ERR_EXISTS);
    check_value("0123abcd", "new", false);
    check_value("0123abcd", old, true);
    OK(ms_store_delete(fx.store, key("0123abcd"), true, &err));
    check_gone("0123abcd", true);
    check_value("0123abcd", "new", false);
}

static void soft_deleted_twice(void **state)
{
    (void)state;
    OK(put("0123abcd", is_immutable() ? "second" : "first"));
    OK(soft_delete("0123abcd"));
    OK(put("0123abcd", "second"));
    OK(soft_delete("0123abcd"));
    check_value("0123abcd", "second", true);
    assert_string_equal(listed(MS_LIST_BOTH), "0123abcd~");
}

static void renamed(void **state)
{
    (void)state;
    CODE(ms_store_move(fx.store, MS_MOVE_RENAME, key("0123abcd"), key("abcd0123"), false, &err),
         MS_ERR_NOT_FOUND);
    OK(put("0123abcd", "value"));
    if (!is_immutable())
        OK(put("abcd0123", "in the way"));
    OK(ms_store_move(fx.store, MS_MOVE_RENAME, key("0123abcd"), key("abcd0123"), false, &err));
    check_gone("0123abcd", false);
    check_value("abcd0123", "value", false);
    OK(soft_delete("abcd0123"));
    OK(ms_store_move(fx.store, MS_MOVE_RENAME, key("abcd0123"), key("ffff0000"), true, &err));
    check_value("ffff0000", "value", true);
    check_gone("abcd0123", true);
    CODE(ms_store_move(fx.store, MS_MOVE_RENAME, key("ffff0000"), nothing, true, &err),
         MS_ERR_INVALID);
}

static void change_of_level(void **state)
{
    (void)state;
    OK(put("0123abcd", "value"));
    OK(ms_store_move(fx.store, MS_MOVE_CHANGE_LEVEL, key("0123abcd"), nothing, false, &err));
    check_value("0123abcd", "value", false);
    OK(soft_delete("0123abcd"));
    OK(ms_store_move(fx.store, MS_MOVE_CHANGE_LEVEL, key("0123abcd"), nothing, true, &err));
    check_value("0123abcd", "value", true);
    CODE(ms_store_move(fx.store, MS_MOVE_CHANGE_LEVEL, key("nothing"), nothing, false, &err),
         MS_ERR_NOT_FOUND);
}

static void defrag(void **state)
{
    (void)state;
    OK(put("0123abcd", "hello world"));
    OK(put("abcd0123", "goodbye"));
    struct ms_defrag_part parts[] = {{ms_str("0123abcd"), 0, 5}, {ms_str("abcd0123"), 4, 3}};
    char name[160];
    OK(ms_store_defrag(fx.store, "data", parts, 2, ms_str("5555aaaa"), NULL, name, sizeof name,
                       &err));
    assert_string_equal(name, "5555aaaa");
    check_value("5555aaaa", "hellobye", false);
    OK(ms_store_defrag(fx.store, "data", parts, 1, nothing, "sha256", name, sizeof name, &err));
    assert_string_equal(name, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    check_value(name, "hello", false);
    /* a source that is too short: nothing appears */
    parts[1].size = 4;
    CODE(ms_store_defrag(fx.store, "data", parts, 2, ms_str("6666aaaa"), NULL, name, sizeof name,
                         &err),
         MS_ERR_RANGE);
    assert_non_null(strstr(err.text, "Read range error"));
    check_gone("6666aaaa", false);
    CODE(ms_store_defrag(fx.store, "data", parts, 2, nothing, "sha256", name, sizeof name, &err),
         MS_ERR_RANGE);
    parts[1].key = ms_str("nothing");
    CODE(ms_store_defrag(fx.store, "data", parts, 2, ms_str("6666aaaa"), NULL, name, sizeof name,
                         &err),
         MS_ERR_NOT_FOUND);
    CODE(ms_store_defrag(fx.store, "data", parts, 1, nothing, NULL, name, sizeof name, &err),
         MS_ERR_INVALID);
}

static void soft_deleted_at_once(void **state)
{
    (void)state;
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.deleted = true;
    OK(ms_store_store(fx.store, key("0123abcd"), ms_buf_borrow(&place, ms_str("gone")), &o, NULL,
                      &err));
    check_gone("0123abcd", false);
    check_value("0123abcd", "gone", true);
}

const struct CMUnitTest move_tests[] = {
    TEST(soft_deleted),         TEST(undelete_spares_the_living),
    TEST(soft_deleted_twice),   TEST(renamed),
    TEST(change_of_level),      TEST(defrag),
    TEST(soft_deleted_at_once),
};
const size_t move_test_count = sizeof move_tests / sizeof *move_tests;
