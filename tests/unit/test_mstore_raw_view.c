/* mstore/raw_view.c: an MStore by the names that a client of BorgStore nests, at the levels of its
 * own and of others'. */
#include "support/check.h"
#include "support/files.h"
#include "support/scratch.h"

#include "base/pool.h"
#include "mstore/raw_view.h"

#include <mstore/multi.h>

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct scratch scratch;
static struct ms_store *store;
static struct ms_backend *b;
static struct ms_error err;

/* Three members in memory. */
static int begin_with(const char *namespaces)
{
    static const char members[] = "[mstore]\nkey = " KEY "\n"
                                  "[member a]\nurl = memory:raw-a\n"
                                  "[member b]\nurl = memory:raw-b\n"
                                  "[member c]\nurl = memory:raw-c\n";
    char path[100], conf[1000];
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    snprintf(conf, sizeof conf, "%s%s", members, namespaces);
    assert_true(scratch_make(&scratch));
    snprintf(path, sizeof path, "%s/home.conf", scratch.path);
    write_file(path, conf, 0600);
    o.state_folder = "";
    check_ok(ms_mstore_new(path, &o, &store, &err), err);
    check_ok(ms_raw_view_new(store, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    return 0;
}

/* Namespaces as Borg's; data is nested twice. */
static int begin(void **state)
{
    (void)state;
    return begin_with("[namespace]\nkind = mutable\nredundancy = copies 3\n"
                      "[namespace data]\nkind = immutable\nredundancy = copies 2\nlevels = 2\n"
                      "[namespace packs]\nkind = plain\nredundancy = copies 2\nlevels = 1\n");
}

static int begin_with_one(void **state)
{
    (void)state;
    return begin_with("[namespace data]\nkind = immutable\nredundancy = copies 2\nlevels = 2\n");
}

static int end(void **state)
{
    (void)state;
    ms_backend_free(b);
    scratch_remove(&scratch);
    return 0;
}

/* ---- short forms ---- */

static int put(const char *name, const char *value)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, ms_str(value)), NULL, NULL,
                            &err);
}

static void holds(const char *name, const char *value)
{
    struct ms_buf *got = NULL;
    check_ok(ms_backend_load(b, ms_str(name), 0, MS_SIZE_TO_END, &got, NULL, &err), err);
    assert_int_equal(ms_buf_size(got), strlen(value));
    assert_memory_equal(ms_buf_view(got).data, value, strlen(value));
    ms_buf_unref(got);
}

static void is_missing(const char *name)
{
    struct ms_info info;
    check_ok(ms_backend_info(b, ms_str(name), &info, &err), err);
    assert_false(info.exists);
}

static void lists(const char *name, const char *wanted)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char got[1000] = "";
    size_t at = 0;
    check_ok(ms_backend_list(b, ms_str(name), NULL, &l, &err), err);
    for (;;) {
        check_ok(ms_lister_next(l, &e, &err), err);
        if (!e)
            break;
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%.*s%s", at ? " " : "",
                               (int)e->name.size, (const char *)e->name.data,
                               e->info.directory ? "/" : "");
    }
    ms_lister_close(l);
    assert_string_equal(got, wanted);
}

static int move(const char *from, const char *to)
{
    return ms_backend_move(b, ms_str(from), ms_str(to), NULL, &err);
}

/* The store itself has the item under its own key. */
static void has_key(const char *key, bool deleted, bool wanted)
{
    struct ms_item_info info;
    check_ok(ms_store_info(store, ms_str(key), deleted, &info, &err), err);
    assert_int_equal(info.exists, wanted);
}

/* ---- tests ---- */

static void test_nesting_is_folded(void **state)
{
    (void)state;
    check_ok(put("data/01/23/0123abcd", "v"), err);
    has_key("data/0123abcd", false, true);
    holds("data/0123abcd", "v");
    holds("data/01/0123abcd", "v");
    holds("data/01/23/ab/0123abcd", "v");
    is_missing("data/01/99/0123abcd");
    is_missing("data/99/0123abcd");
    is_missing("01/23/0123abcd");
    check_ok(put("packs/abc", "w"), err); /* less than its level */
    has_key("packs/abc", false, true);
    holds("packs/ab/abc", "w");
    holds("packs/ab/c/abc", "w");
    check_code(put("data/01/99/0123abcd", "x"), MS_ERR_NAME, err);
}

static void test_lists_by_its_own_levels(void **state)
{
    (void)state;
    check_ok(put("data/0123abcd", "1"), err);
    check_ok(put("data/01/0145abcd", "2"), err);
    check_ok(put("data/ff/00/ff00", "3"), err);
    check_ok(put("data/f", "short"), err);
    check_ok(put("packs/abcd", "4"), err);
    check_ok(put("config", "5"), err);
    check_ok(put("locks/one", "6"), err);
    lists("", "config data/ locks/ packs/");
    lists("data", "01/ f/ ff/");
    lists("data/01", "23/ 45/");
    lists("data/01/23", "0123abcd");
    lists("data/01/45", "0145abcd");
    lists("data/f", "f");
    lists("packs", "ab/");
    lists("packs/ab", "abcd");
    lists("locks", "one");
    lists("data/77", "");
    struct ms_lister *l;
    check_code(ms_backend_list(b, ms_str("mine"), NULL, &l, &err), MS_ERR_NOT_FOUND, err);
}

static void test_sizes_in_listings(void **state)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    (void)state;
    check_ok(put("data/0123", "four"), err); /* nested, its last directory is 23 */
    check_ok(put("data/01", "sixsix"), err); /* a value among directories */
    check_ok(ms_backend_list(b, ms_str("data/01"), NULL, &l, &err), err);
    check_ok(ms_lister_next(l, &e, &err), err);
    assert_non_null(e);
    assert_int_equal(e->info.size_bytes, 6);
    check_ok(ms_lister_next(l, &e, &err), err);
    assert_true(e && e->info.directory);
    ms_lister_close(l);
    check_ok(ms_backend_list(b, ms_str("data/01/23"), NULL, &l, &err), err);
    check_ok(ms_lister_next(l, &e, &err), err);
    assert_true(e && e->info.size_bytes == 4);
    ms_lister_close(l);
}

static void test_moves(void **state)
{
    static const char *const spaces[] = {"data/01/23", "packs/01", "locks"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char live[60], deleted[60], key[60], other[60];
        const char *ns = spaces[i];
        snprintf(live, sizeof live, "%s/0123ab", ns);
        snprintf(deleted, sizeof deleted, "%s/0123ab.del", ns);
        snprintf(other, sizeof other, "%s/0123cd", ns);
        snprintf(key, sizeof key, "%.*s/0123ab", (int)strcspn(ns, "/"), ns);
        check_ok(put(live, "v"), err);
        check_ok(move(live, deleted), err);
        has_key(key, false, false);
        has_key(key, true, true);
        is_missing(live);
        holds(deleted, "v");
        lists(ns, "0123ab.del");
        check_ok(move(deleted, live), err);
        holds(live, "v");
        is_missing(deleted);
        check_ok(move(live, other), err);
        holds(other, "v");
        check_code(move(live, other), MS_ERR_NOT_FOUND, err);
        check_ok(move(other, live), err);
    }
    check_ok(move("data/0123ab", "data/01/23/0123ab"), err); /* another level of the same key */
    holds("data/0123ab", "v");
    check_code(move("data/9999", "data/99/9999"), MS_ERR_NOT_FOUND, err);
    check_code(move("data/0123ab", "data/0123cd.del"), MS_ERR_UNSUPPORTED, err);
    holds("data/0123ab", "v");
}

static void test_deleted_sort_by_their_names(void **state)
{
    (void)state;
    check_ok(put("locks/abc", "1"), err);
    check_ok(put("locks/abc-1", "2"), err);
    check_ok(put("locks/abc1", "3"), err);
    check_ok(put("locks-x/abc", "4"), err);
    check_ok(move("locks/abc", "locks/abc.del"), err);
    lists("locks", "abc-1 abc.del abc1");
    lists("", "locks/ locks-x/");
}

static void test_directories(void **state)
{
    struct ms_info info;
    (void)state;
    lists("data", "");                                              /* configured: always there */
    check_ok(ms_backend_mkdir(b, ms_str("data/ff/ff"), &err), err); /* as clients do at first */
    lists("data", "");
    check_ok(ms_backend_mkdir(b, ms_str("mine/sub"), &err), err);
    lists("mine", "sub/");
    check_ok(ms_backend_info(b, ms_str("mine/sub"), &info, &err), err);
    assert_true(info.exists && info.directory);
    check_code(ms_backend_rmdir(b, ms_str("mine"), &err), MS_ERR_EXISTS, err);
    check_ok(ms_backend_rmdir(b, ms_str("mine/sub"), &err), err);
    check_ok(ms_backend_rmdir(b, ms_str("mine"), &err), err);
    check_code(ms_backend_rmdir(b, ms_str("mine"), &err), MS_ERR_NOT_FOUND, err);
    check_ok(put("cache/x", "v"), err);
    check_code(ms_backend_rmdir(b, ms_str("cache"), &err), MS_ERR_EXISTS, err);
    check_code(put("cache", "over a directory"), MS_ERR_EXISTS, err);
    check_code(put("cache/x/y", "below a value"), MS_ERR_EXISTS, err);
}

/* Deleted ones are items of their own where the kind has it so. */
static void test_live_beside_deleted(void **state)
{
    (void)state;
    check_ok(put("packs/01/0123", "old"), err);
    check_ok(move("packs/01/0123", "packs/01/0123.del"), err);
    check_ok(put("packs/01/0123", "new"), err);
    holds("packs/01/0123", "new");
    holds("packs/01/0123.del", "old");
    lists("packs/01", "0123 0123.del");
    check_code(move("packs/01/0123.del", "packs/01/0123"), MS_ERR_EXISTS, err);
    check_ok(ms_backend_delete(b, ms_str("packs/01/0123.del"), &err), err);
    holds("packs/01/0123", "new");
    check_code(ms_backend_delete(b, ms_str("packs/01/0123.del"), &err), MS_ERR_NOT_FOUND, err);
}

static void test_streams(void **state)
{
    struct ms_writer *w = NULL;
    (void)state;
    check_ok(ms_backend_write(b, ms_str("data/ab/cd/abcdef"), 0, NULL, &w, &err), err);
    check_ok(ms_writer_append(w, ms_str("one "), &err), err);
    is_missing("data/ab/cd/abcdef");
    check_ok(ms_writer_append(w, ms_str("two"), &err), err);
    check_ok(ms_writer_commit(w, NULL, &err), err);
    holds("data/abcdef", "one two");
    check_ok(ms_backend_write(b, ms_str("data/ab/ab/abab"), 0, NULL, &w, &err), err);
    check_ok(ms_writer_append(w, ms_str("never"), &err), err);
    ms_writer_abort(w);
    is_missing("data/abab");
    char hex[129];
    check_ok(ms_backend_hash(b, ms_str("data/ab/cd/abcdef"), "md5", hex, sizeof hex, &err), err);
    assert_string_equal(hex, "aae2c33a105ad3f28f39402d67a24b20");
}

/* Nothing takes the root: its names are no keys, but may be directories. */
static void test_without_a_namespace_for_the_rest(void **state)
{
    struct ms_buf *got = NULL;
    (void)state;
    check_ok(put("data/ab/cd/abcdef", "v"), err);
    holds("data/abcdef", "v");
    lists("", "data/");
    check_code(put("other/x", "v"), MS_ERR_NAME, err);
    assert_non_null(strstr(err.text, "no namespace is configured for \"other/x\""));
    check_code(put("x", "v"), MS_ERR_NAME, err);
    check_code(ms_backend_load(b, ms_str("other/x"), 0, 1, &got, NULL, &err), MS_ERR_NOT_FOUND,
               err);
    is_missing("other/x");
}

static int shut(void **state)
{
    (void)state;
    ms_pool_shutdown();
    return 0;
}

#define OVER_MSTORE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_MSTORE(test_nesting_is_folded),
        OVER_MSTORE(test_lists_by_its_own_levels),
        OVER_MSTORE(test_sizes_in_listings),
        OVER_MSTORE(test_moves),
        OVER_MSTORE(test_deleted_sort_by_their_names),
        OVER_MSTORE(test_directories),
        OVER_MSTORE(test_live_beside_deleted),
        OVER_MSTORE(test_streams),
        cmocka_unit_test_setup_teardown(test_without_a_namespace_for_the_rest, begin_with_one, end),
    };
    return cmocka_run_group_tests(tests, NULL, shut);
}
