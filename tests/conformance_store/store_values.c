/* One value: store, load in parts, info, delete, hash, conditions, names, states. */
#include "store_suite.h"

#include <string.h>

static void store_and_load(void **state)
{
    (void)state;
    check_gone("0123abcd", false);
    OK(put("0123abcd", "hello, store"));
    check_value("0123abcd", "hello, store", false);
    if (!is_immutable()) {
        OK(put("0123abcd", "replaced"));
        check_value("0123abcd", "replaced", false);
    }
    OK(put("ab", "short key"));
    check_value("ab", "short key", false);
    OK(put("empty", ""));
    check_value("empty", "", false);
}

static void parts(void **state)
{
    (void)state;
    OK(put("0123abcd", "0123456789"));
    static const struct {
        int64_t offset;
        uint64_t size;
        const char *expected;
    } cases[] = {
        {0, MS_SIZE_TO_END, "0123456789"},
        {3, MS_SIZE_TO_END, "3456789"},
        {3, 4, "3456"},
        {8, 100, "89"},
        {10, 5, ""},
        {11, MS_SIZE_TO_END, ""},
        {-3, MS_SIZE_TO_END, "789"},
        {-3, 2, "78"},
        {-100, 4, "0123"},
        {INT64_MIN, 2, "01"},
        {INT64_MAX, 7, ""},
        {0, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
        o.offset = cases[i].offset;
        o.size = cases[i].size;
        struct ms_buf *buf = NULL;
        OK(ms_store_load(fx.store, key("0123abcd"), &o, &buf, &err));
        if (ms_buf_size(buf) != strlen(cases[i].expected) ||
            memcmp(ms_buf_view(buf).data, cases[i].expected, ms_buf_size(buf)) != 0)
            fail_msg("[%s] offset %lld size %llu gave %.*s", fx.kind->label,
                     (long long)cases[i].offset, (unsigned long long)cases[i].size,
                     (int)ms_buf_size(buf), (const char *)ms_buf_view(buf).data);
        ms_buf_unref(buf);
    }
}

static void info(void **state)
{
    (void)state;
    OK(put("0123abcd", "12345"));
    struct ms_item_info one, two;
    OK(ms_store_info(fx.store, key("0123abcd"), false, &one, &err));
    assert_true(one.exists);
    assert_int_equal(one.size_bytes, 5);
    if (is_immutable())
        return;
    assert_true(one.mtime_ns > 0);
    OK(put("0123abcd", "123456"));
    OK(ms_store_info(fx.store, key("0123abcd"), false, &two, &err));
    assert_int_equal(two.size_bytes, 6);
    if (one.tag.text[0])
        assert_string_not_equal(one.tag.text, two.tag.text);
    OK(ms_store_info(fx.store, key("nothing"), false, &one, &err));
    assert_false(one.exists);
}

static void delete_item(void **state)
{
    (void)state;
    CODE(ms_store_delete(fx.store, key("0123abcd"), false, &err), MS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "0123abcd"));
    OK(put("0123abcd", "x"));
    OK(ms_store_delete(fx.store, key("0123abcd"), false, &err));
    check_gone("0123abcd", false);
    CODE(ms_store_delete(fx.store, key("0123abcd"), false, &err), MS_ERR_NOT_FOUND);
}

static void hash(void **state)
{
    (void)state;
    char hex[129];
    OK(put("0123abcd", "hello"));
    OK(ms_store_hash(fx.store, key("0123abcd"), "sha256", false, hex, sizeof hex, &err));
    assert_string_equal(hex, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    OK(ms_store_hash(fx.store, key("0123abcd"), "md5", false, hex, sizeof hex, &err));
    assert_string_equal(hex, "5d41402abc4b2a76b9719d911017c592");
    CODE(ms_store_hash(fx.store, key("nothing"), "sha256", false, hex, sizeof hex, &err),
         MS_ERR_NOT_FOUND);
    CODE(ms_store_hash(fx.store, key("0123abcd"), "sha257", false, hex, sizeof hex, &err),
         MS_ERR_INVALID);
    assert_non_null(strstr(err.text, "sha257"));
}

static void only_if_absent(void **state)
{
    (void)state;
    if (!can_if_absent()) {
        CODE(put_if_absent("0123abcd", "first"), MS_ERR_UNSUPPORTED);
        check_gone("0123abcd", false);
        return;
    }
    OK(put_if_absent("0123abcd", "first"));
    CODE(put_if_absent("0123abcd", "second"), MS_ERR_EXISTS);
    check_value("0123abcd", "first", false);
    OK(ms_store_delete(fx.store, key("0123abcd"), false, &err));
    OK(put_if_absent("0123abcd", "third"));
    check_value("0123abcd", "third", false);
}

static void only_if_tag(void **state)
{
    (void)state;
    struct ms_capabilities can;
    ms_store_capabilities(fx.store, &can);
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    struct ms_tag tag;
    OK(ms_store_store(fx.store, key("tagged"), ms_buf_borrow(&place, ms_str("1")), NULL, &tag,
                      &err));
    o.precondition.kind = MS_IF_TAG;
    o.precondition.tag = tag;
    int code =
        ms_store_store(fx.store, key("tagged"), ms_buf_borrow(&place, ms_str("2")), &o, NULL, &err);
    if (!(can.flags & MS_CAP_IF_TAG)) {
        assert_int_equal(code, MS_ERR_UNSUPPORTED);
        check_value("tagged", "1", false);
        return;
    }
    OK(code);
    CODE(
        ms_store_store(fx.store, key("tagged"), ms_buf_borrow(&place, ms_str("3")), &o, NULL, &err),
        MS_ERR_CONFLICT);
    CODE(
        ms_store_store(fx.store, key("absent"), ms_buf_borrow(&place, ms_str("3")), &o, NULL, &err),
        MS_ERR_CONFLICT);
    check_value("tagged", "2", false);
}

static void names_borgstore(void)
{
    char longest[102] = "";
    memset(longest, '0', sizeof longest - 1);
    const char *const bad[] = {
        "UPPER", "blank key", "a..b",     "a\\b",        "a.tmp", "a.hid",
        "a.del", ".",         "tab\tkey", "caf\xc3\xa9", longest,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CODE(put(bad[i], "x"), MS_ERR_NAME);
        struct ms_buf *buf;
        CODE(ms_store_load(fx.store, key(bad[i]), NULL, &buf, &err), MS_ERR_NAME);
    }
    CODE(put("", "x"), MS_ERR_NAME);
    assert_string_equal(listed(MS_LIST_BOTH), "");
}

static void names_bytes(void)
{
    char longest[1024 + 6] = "data/";
    memset(longest + 5, 0xff, 1024);
    static const char *const good[] = {"UPPER", "blank key",   "..", "a\\b", "a.tmp",
                                       "a.del", "caf\xc3\xa9", ".",  "/",    "a/b//c",
                                       "-",     "+",           "~"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OK(put(good[i], good[i]));
        check_value(good[i], good[i], false);
    }
    struct ms_buf_borrowed place;
    struct ms_view key1024 = ms_view(longest, 5 + 1024), nul = ms_view("data/a\0b", 8);
    OK(ms_store_store(fx.store, key1024, ms_buf_borrow(&place, ms_str("long")), NULL, NULL, &err));
    OK(ms_store_store(fx.store, nul, ms_buf_borrow(&place, ms_str("nul")), NULL, NULL, &err));
    struct ms_buf *buf;
    OK(ms_store_load(fx.store, key1024, NULL, &buf, &err));
    assert_int_equal(ms_buf_size(buf), 4);
    ms_buf_unref(buf);
    OK(ms_store_load(fx.store, nul, NULL, &buf, &err));
    assert_int_equal(ms_buf_size(buf), 3);
    ms_buf_unref(buf);
    CODE(ms_store_store(fx.store, ms_view(longest, sizeof longest), ms_buf_borrow(&place, nul),
                        NULL, NULL, &err),
         MS_ERR_NAME);
    CODE(put("", "x"), MS_ERR_NAME);
}

static void names(void **state)
{
    (void)state;
    if (fx.kind->names == MS_NAMES_BYTES)
        names_bytes();
    else
        names_borgstore();
    /* no namespace of that name is configured */
    struct ms_buf_borrowed place;
    CODE(ms_store_store(fx.store, ms_str("other/key"), ms_buf_borrow(&place, ms_str("x")), NULL,
                        NULL, &err),
         MS_ERR_CONFIG);
}

static void states(void **state)
{
    (void)state;
    struct ms_buf *buf;
    CODE(ms_store_open(fx.store, &err), MS_ERR_MUST_NOT_BE_OPEN);
    CODE(ms_store_create(fx.store, &err), MS_ERR_MUST_NOT_BE_OPEN);
    CODE(ms_store_destroy(fx.store, &err), MS_ERR_MUST_NOT_BE_OPEN);
    OK(put("0123abcd", "x"));
    OK(ms_store_close(fx.store, &err));
    CODE(ms_store_close(fx.store, &err), MS_ERR_MUST_BE_OPEN);
    CODE(put("0123abcd", "x"), MS_ERR_MUST_BE_OPEN);
    CODE(ms_store_load(fx.store, key("0123abcd"), NULL, &buf, &err), MS_ERR_MUST_BE_OPEN);
    CODE(ms_store_create(fx.store, &err), MS_ERR_STORE_EXISTS);
    OK(ms_store_open(fx.store, &err));
    check_value("0123abcd", "x", false);
    OK(ms_store_close(fx.store, &err));
    OK(ms_store_destroy(fx.store, &err));
    CODE(ms_store_open(fx.store, &err), MS_ERR_NO_STORE);
    OK(ms_store_create(fx.store, &err));
    OK(ms_store_open(fx.store, &err));
    check_gone("0123abcd", false);
}

static void cancelled(void **state)
{
    (void)state;
    struct ms_cancel *token;
    OK(ms_cancel_new(&token, &err));
    OK(put("0123abcd", "old"));
    struct ms_cancel *before = ms_cancel_swap(token);
    ms_cancel_fire(token);
    CODE(put("0123abcd", "new"), MS_ERR_CANCELLED);
    struct ms_buf *buf;
    CODE(ms_store_load(fx.store, key("0123abcd"), NULL, &buf, &err), MS_ERR_CANCELLED);
    ms_cancel_swap(before);
    ms_cancel_free(token);
    check_value("0123abcd", "old", false);
}

static void level_changes_while_open(void **state)
{
    (void)state;
    if (fx.kind->policy) /* its levels are in its layout */
        return;
    OK(put("0123abcd", "where it was"));
    struct ms_namespace ns = fixture_namespace();
    /* one more level at the end: found at the old ones, moved to the new one */
    ns.levels[ns.level_count++] = 3;
    OK(ms_store_set_namespaces(fx.store, &ns, 1, &err));
    check_value("0123abcd", "where it was", false);
    OK(ms_store_move(fx.store, MS_MOVE_CHANGE_LEVEL, key("0123abcd"), ms_view(NULL, 0), false,
                     &err));
    check_value("0123abcd", "where it was", false);
    ns.levels[0] = 3;
    ns.level_count = 1;
    OK(ms_store_set_namespaces(fx.store, &ns, 1, &err));
    check_value("0123abcd", "where it was", false);
    assert_string_equal(listed(MS_LIST_LIVE), "0123abcd");
}

const struct CMUnitTest value_tests[] = {
    TEST(store_and_load),
    TEST(parts),
    TEST(info),
    TEST(delete_item),
    TEST(hash),
    TEST(only_if_absent),
    TEST(only_if_tag),
    TEST(names),
    TEST(states),
    TEST(cancelled),
    TEST(level_changes_while_open),
};
const size_t value_test_count = sizeof value_tests / sizeof *value_tests;
