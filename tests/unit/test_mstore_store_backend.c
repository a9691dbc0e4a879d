/* A Store with the face of a backend: order and kinds of names, which are all that is not the
 * Store's own; the rest is the conformance suite's, with a store within a store. */
#include "support/check.h"

#include "mstore/store_backend.h"

#include <stdio.h>

static struct ms_error err;

static struct ms_backend *make(ms_store_fits fits)
{
    struct ms_namespace ns = {.name = "", .names = MS_NAMES_BYTES};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    struct ms_store *s = NULL;
    struct ms_backend *b = NULL;
    o.namespaces = &ns;
    o.namespace_count = 1;
    o.ignore_environment = true;
    check_ok(ms_store_new("memory:", &o, &s, &err), err);
    check_ok(ms_store_backend_new(s, fits, &b, &err), err);
    return b;
}

static int begin(void **state)
{
    struct ms_backend *b = make(NULL);
    check_code(ms_backend_open(b, &err), MS_ERR_NO_STORE, err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    *state = b;
    return 0;
}

static int end(void **state)
{
    ms_backend_free(*state);
    return 0;
}

static void put(struct ms_backend *b, const char *name)
{
    struct ms_buf *value = ms_buf_copy(ms_str(name));
    check_ok(ms_backend_store(b, ms_str(name), value, NULL, NULL, &err), err);
    ms_buf_unref(value);
}

/* "a/ a-b c": names in their order, with a slash behind directories. */
static const char *listing(struct ms_backend *b, const char *folder, const char *after)
{
    static char text[1024];
    struct ms_list_request request = {.start_after = ms_str(after)};
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    size_t at = 0;
    text[0] = '\0';
    check_ok(ms_backend_list(b, ms_str(folder), &request, &l, &err), err);
    for (;;) {
        check_ok(ms_lister_next(l, &e, &err), err);
        if (!e)
            break;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s%s", at ? " " : "",
                               (int)e->name.size, (const char *)e->name.data,
                               e->info.directory ? "/" : "");
        if (!e->info.directory)
            assert_true(e->info.size_bytes > 0);
    }
    ms_lister_close(l);
    return text;
}

static void names_sort_as_backends_list_them(void **state)
{
    struct ms_backend *b = *state;
    static const char *const names[] = {"b",     "a/x",   "a-b", "a!",   "a.del",           "a/y/z",
                                        "a/y/1", "a/y-2", "c/d", "a/y0", "mstore-1/member", "ab"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put(b, names[i]);
    assert_string_equal(listing(b, "", ""), "a/ a! a-b a.del ab b c/ mstore-1/");
    assert_string_equal(listing(b, "a", ""), "x y/ y-2 y0");
    assert_string_equal(listing(b, "a/y", ""), "1 z");
    assert_string_equal(listing(b, "", "a"), "a! a-b a.del ab b c/ mstore-1/");
    assert_string_equal(listing(b, "", "a-"), "a-b a.del ab b c/ mstore-1/");
    assert_string_equal(listing(b, "a", "y"), "y-2 y0");
    assert_string_equal(listing(b, "a", "z"), "");
    assert_string_equal(listing(b, "mstore-1", ""), "member");
    struct ms_lister *l = NULL;
    check_code(ms_backend_list(b, ms_str("nobody"), NULL, &l, &err), MS_ERR_NOT_FOUND, err);
}

static void directories_are_what_names_share(void **state)
{
    struct ms_backend *b = *state;
    struct ms_info info;
    put(b, "d/e/f");
    check_ok(ms_backend_info(b, ms_str("d/e"), &info, &err), err);
    assert_true(info.exists && info.directory);
    check_ok(ms_backend_info(b, ms_str("d/e/f"), &info, &err), err);
    assert_true(info.exists && !info.directory);
    assert_int_equal(info.size_bytes, 5);
    check_ok(ms_backend_info(b, ms_str("d/e/g"), &info, &err), err);
    assert_false(info.exists);
    check_ok(ms_backend_mkdir(b, ms_str("new"), &err), err);
    check_code(ms_backend_rmdir(b, ms_str("d"), &err), MS_ERR_EXISTS, err);
    check_code(ms_backend_rmdir(b, ms_str("new"), &err), MS_ERR_NOT_FOUND, err);
    check_ok(ms_backend_delete(b, ms_str("d/e/f"), &err), err);
    check_ok(ms_backend_info(b, ms_str("d"), &info, &err), err);
    assert_false(info.exists);
}

static void a_load_tells_of_what_it_gives(void **state)
{
    struct ms_backend *b = *state;
    struct ms_info info = {0};
    struct ms_buf *value = NULL;
    put(b, "v/value");
    check_ok(ms_backend_load(b, ms_str("v/value"), -3, 2, &value, &info, &err), err);
    assert_int_equal(ms_buf_size(value), 2);
    assert_memory_equal(ms_buf_view(value).data, "lu", 2);
    assert_int_equal(info.size_bytes, 7);
    ms_buf_unref(value);
    check_ok(ms_backend_load(b, ms_str("v/value"), 5, MS_SIZE_TO_END, &value, NULL, &err), err);
    assert_memory_equal(ms_buf_view(value).data, "ue", 2);
    ms_buf_unref(value);
    check_ok(ms_backend_move(b, ms_str("v/value"), ms_str("w/x"), NULL, &err), err);
    check_code(ms_backend_load(b, ms_str("v/value"), 0, 1, &value, &info, &err), MS_ERR_NOT_FOUND,
               err);
    assert_string_equal(listing(b, "w", ""), "x");
}

static void what_it_refuses(void **state)
{
    struct ms_backend *b = *state;
    struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    struct ms_buf *value = ms_buf_copy(ms_str("x"));
    assert_true(ms_backend_store(b, ms_str("odd\x01name"), value, NULL, NULL, &err) != 0);
    check_code(ms_backend_store(b, ms_str("x"), value, &absent, NULL, &err), MS_ERR_UNSUPPORTED,
               err);
    ms_buf_unref(value);
}

static int no(struct ms_store *store, struct ms_error *e)
{
    return ms_error_set(e, MS_ERR_CONFIG, "%s does not fit", ms_store_url(store));
}

static void a_store_that_does_not_fit(void **state)
{
    struct ms_backend *b = make(no);
    (void)state;
    check_code(ms_backend_create(b, &err), MS_ERR_CONFIG, err);
    check_text(err, "does not fit");
    check_code(ms_backend_open(b, &err), MS_ERR_NO_STORE, err); /* it was not made */
    ms_backend_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_sort_as_backends_list_them, begin, end),
        cmocka_unit_test_setup_teardown(directories_are_what_names_share, begin, end),
        cmocka_unit_test_setup_teardown(a_load_tells_of_what_it_gives, begin, end),
        cmocka_unit_test_setup_teardown(what_it_refuses, begin, end),
        cmocka_unit_test(a_store_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
