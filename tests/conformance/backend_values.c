/* Promises about single values: store, load, info, delete, move, preconditions, tags. */
#include "backend_suite.h"

#include <stdlib.h>

static void keeps_values_of_any_size(void **state)
{
    static const size_t sizes[] = {0,       1,         2,
                                   4095,    4096,      4097,
                                   65535,   65536 + 1, (1 << 20) - 1,
                                   1 << 20, 3 << 20,   (5 << 20) + 12345};
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *bytes = pattern(sizes[i], i);
        OK(put_bytes(f, "sized/value", ms_view(bytes, sizes[i]), NULL, NULL));
        holds_value(f, "sized/value", ms_view(bytes, sizes[i]));
        struct ms_info info;
        OK(ms_backend_info(f->b, ms_str("sized/value"), &info, &f->err));
        assert_true(info.exists && !info.directory);
        assert_int_equal(info.size_bytes, sizes[i]);
        free(bytes);
    }
    lists(f, "sized", "value");
}

static void keeps_its_own_copy(void **state)
{
    struct fixture *f = fixture(state);
    char bytes[] = "before";
    OK(put_bytes(f, "a", ms_view(bytes, 6), NULL, NULL));
    memcpy(bytes, "after!", 6);
    holds_text(f, "a", "before");
}

static void a_missing_value_is_not_found(void **state)
{
    struct fixture *f = fixture(state);
    char hex[129];
    struct ms_reader *r = NULL;
    OK(put(f, "there", "x"));
    static const char *const names[] = {"not there", "deep/not/there", "there/below"};
    for (size_t i = 0; i < 3; i++) {
        struct ms_view name = ms_str(names[i]);
        is_missing(f, names[i]);
        FAILS(MS_ERR_NOT_FOUND, ms_backend_delete(f->b, name, &f->err));
        FAILS(MS_ERR_NOT_FOUND, ms_backend_move(f->b, name, ms_str("to"), NULL, &f->err));
        FAILS(MS_ERR_NOT_FOUND, ms_backend_copy(f->b, name, ms_str("to"), NULL, &f->err));
        FAILS(MS_ERR_NOT_FOUND, ms_backend_hash(f->b, name, "sha256", hex, 129, &f->err));
        FAILS(MS_ERR_NOT_FOUND, ms_backend_read(f->b, name, &r, &f->err));
        assert_null(r);
    }
    lists(f, "", "there");
}

static void errors_name_the_value(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_buf *value = NULL;
    int code = ms_backend_load(f->b, ms_str("data/missing"), 0, 1, &value, NULL, &f->err);
    assert_int_equal(code, MS_ERR_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "data/missing"));
    OK(put(f, "data/there", "x"));
    code = put_bytes(f, "data/there", ms_str("y"), &if_absent, NULL);
    assert_int_equal(code, CAN(f, MS_CAP_IF_ABSENT) ? MS_ERR_EXISTS : MS_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->err.text, CAN(f, MS_CAP_IF_ABSENT) ? "data/there" : f->b->url));
    /* err may be NULL */
    assert_int_equal(ms_backend_load(f->b, ms_str("nix"), 0, 1, &value, NULL, NULL),
                     MS_ERR_NOT_FOUND);
}

static void replaces(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "ns/a", "a long first value"));
    OK(put(f, "ns/a", "short"));
    holds_text(f, "ns/a", "short");
    OK(put(f, "ns/a", ""));
    holds_text(f, "ns/a", "");
    lists(f, "ns", "a");
}

static void deletes_for_good(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "ns/a", "x"));
    OK(ms_backend_delete(f->b, ms_str("ns/a"), &f->err));
    is_missing(f, "ns/a");
    FAILS(MS_ERR_NOT_FOUND, ms_backend_delete(f->b, ms_str("ns/a"), &f->err));
    lists(f, "ns", "");
}

static void deletes_many(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_deletion items[] = {
        {.name = ms_str("ns/a")},
        {.name = ms_str("ns/missing")},
        {.name = ms_str("other/b")},
        {.name = ms_str("no//name")},
        {.name = ms_str("ns")},
        {.name = ms_str("ns/c<&>")},
        {.name = ms_str("ns/empty \xc3\xa4")},
    };
    static const int codes[] = {0, MS_ERR_NOT_FOUND, 0, MS_ERR_NAME, MS_ERR_NOT_FOUND, 0, 0};
    enum { COUNT = sizeof items / sizeof *items };
    OK(put(f, "ns/a", "one"));
    OK(put(f, "ns/stays", "two"));
    OK(put(f, "other/b", "three"));
    OK(put(f, "ns/c<&>", "four"));
    OK(put(f, "ns/empty \xc3\xa4", ""));
    OK(ms_backend_delete_many(f->b, items, COUNT, &f->err));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].result.code, codes[i]);
        assert_int_equal(items[i].result.text[0] == 0, codes[i] == 0);
    }
    assert_non_null(strstr(items[1].result.text, "ns/missing"));
    is_missing(f, "ns/a");
    is_missing(f, "other/b");
    lists(f, "ns", "stays");
    holds_text(f, "ns/stays", "two");
    OK(ms_backend_delete_many(f->b, items, 1, &f->err)); /* tried, and found nothing */
    assert_int_equal(items[0].result.code, MS_ERR_NOT_FOUND);
    OK(ms_backend_delete_many(f->b, items, 0, &f->err));
}

static void moves(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "a", "one"));
    OK(put(f, "d/b", "two"));
    OK(ms_backend_move(f->b, ms_str("a"), ms_str("new/dir/a"), NULL, &f->err));
    is_missing(f, "a");
    holds_text(f, "new/dir/a", "one");
    OK(ms_backend_move(f->b, ms_str("new/dir/a"), ms_str("d/b"), NULL, &f->err)); /* replaces */
    holds_text(f, "d/b", "one");
    is_missing(f, "new/dir/a");
    OK(ms_backend_move(f->b, ms_str("d/b"), ms_str("d/b"), NULL, &f->err)); /* onto itself */
    holds_text(f, "d/b", "one");
    FAILS(MS_ERR_NOT_FOUND, ms_backend_move(f->b, ms_str("a"), ms_str("a"), NULL, &f->err));
}

static void moves_only_if_absent(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_precondition tag = {.kind = MS_IF_TAG, .tag = {"x"}};
    OK(put(f, "a", "one"));
    OK(put(f, "b", "two"));
    FAILS(MS_ERR_INVALID, ms_backend_move(f->b, ms_str("a"), ms_str("b"), &tag, &f->err));
    if (!CAN(f, MS_CAP_MOVE_IF_ABSENT)) {
        FAILS(MS_ERR_UNSUPPORTED,
              ms_backend_move(f->b, ms_str("a"), ms_str("c"), &if_absent, &f->err));
        return;
    }
    FAILS(MS_ERR_EXISTS, ms_backend_move(f->b, ms_str("a"), ms_str("b"), &if_absent, &f->err));
    holds_text(f, "a", "one");
    holds_text(f, "b", "two");
    OK(ms_backend_move(f->b, ms_str("a"), ms_str("c/d"), &if_absent, &f->err));
    holds_text(f, "c/d", "one");
    is_missing(f, "a");
}

static void stores_only_if_absent(void **state)
{
    struct fixture *f = fixture(state);
    if (!CAN(f, MS_CAP_IF_ABSENT)) {
        FAILS(MS_ERR_UNSUPPORTED, put_bytes(f, "a", ms_str("x"), &if_absent, NULL));
        is_missing(f, "a");
        return;
    }
    OK(put_bytes(f, "d/a", ms_str("first"), &if_absent, NULL));
    FAILS(MS_ERR_EXISTS, put_bytes(f, "d/a", ms_str("second"), &if_absent, NULL));
    holds_text(f, "d/a", "first");
    OK(ms_backend_delete(f->b, ms_str("d/a"), &f->err));
    OK(put_bytes(f, "d/a", ms_str("third"), &if_absent, NULL));
    holds_text(f, "d/a", "third");
    lists(f, "d", "a");
}

static void stores_only_if_unchanged(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_precondition pre = {.kind = MS_IF_TAG};
    struct ms_tag tag = {{0}}, old;
    OK(put_bytes(f, "a", ms_str("one"), NULL, &tag));
    if (!CAN(f, MS_CAP_IF_TAG)) {
        pre.tag = tag;
        FAILS(MS_ERR_UNSUPPORTED, put_bytes(f, "a", ms_str("two"), &pre, NULL));
        holds_text(f, "a", "one");
        return;
    }
    FAILS(MS_ERR_INVALID, put_bytes(f, "a", ms_str("two"), &pre, NULL)); /* an empty tag */
    old = pre.tag = tag;
    OK(put_bytes(f, "a", ms_str("two"), &pre, &tag));
    FAILS(MS_ERR_CONFLICT, put_bytes(f, "a", ms_str("three"), &pre, NULL));
    holds_text(f, "a", "two");
    pre.tag = tag;
    FAILS(MS_ERR_CONFLICT, put_bytes(f, "absent", ms_str("x"), &pre, NULL));
    is_missing(f, "absent");
    OK(put_bytes(f, "a", ms_str("one"), &pre, &tag)); /* the same bytes, another value */
    assert_string_not_equal(tag.text, old.text);
}

static void gives_tags(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_tag first = {{0}}, second = {{0}};
    struct ms_info info, loaded;
    struct ms_buf *value = NULL;
    OK(put_bytes(f, "a", ms_str("one"), NULL, &first));
    OK(ms_backend_info(f->b, ms_str("a"), &info, &f->err));
    assert_string_equal(info.tag.text, first.text);
    OK(ms_backend_load(f->b, ms_str("a"), 1, 1, &value, &loaded, &f->err));
    ms_buf_unref(value);
    assert_true(loaded.exists && !loaded.directory);
    assert_string_equal(loaded.tag.text, first.text);
    assert_int_equal(loaded.size_bytes, 3); /* of the value, not of what was loaded */
    OK(put_bytes(f, "a", ms_str("two"), NULL, &second));
    OK(ms_backend_info(f->b, ms_str("a"), &info, &f->err));
    assert_string_equal(info.tag.text, second.text);
    if (second.text[0])
        assert_string_not_equal(first.text, second.text);
}

static void directories_are_no_values(void **state)
{
    struct fixture *f = fixture(state);
    char hex[129];
    struct ms_buf *value = NULL;
    struct ms_reader *r = NULL;
    struct ms_lister *l = NULL;
    OK(put(f, "dir/value", "x"));
    struct ms_view dir = ms_str("dir"), file = ms_str("dir/value");
    FAILS(MS_ERR_NOT_FOUND, ms_backend_load(f->b, dir, 0, 1, &value, NULL, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_read(f->b, dir, &r, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_delete(f->b, dir, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_hash(f->b, dir, "sha256", hex, 129, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_move(f->b, dir, ms_str("x"), NULL, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_copy(f->b, dir, ms_str("x"), NULL, &f->err));
    if (!CAN(f,
             MS_CAP_DIRECTORIES)) /* one that comes and goes with its values is in nobody's way */
        return;
    FAILS(MS_ERR_EXISTS, put(f, "dir", "over a directory"));
    if (CAN(f, MS_CAP_IF_ABSENT))
        FAILS(MS_ERR_EXISTS, put_bytes(f, "dir", ms_str("y"), &if_absent, NULL));
    FAILS(MS_ERR_EXISTS, put(f, "dir/value/below", "a value"));
    FAILS(MS_ERR_EXISTS, ms_backend_mkdir(f->b, file, &f->err));
    FAILS(MS_ERR_EXISTS, ms_backend_mkdir(f->b, ms_str("dir/value/below"), &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_rmdir(f->b, file, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_list(f->b, file, NULL, &l, &f->err));
    OK(put(f, "other", "y"));
    FAILS(MS_ERR_EXISTS, ms_backend_move(f->b, ms_str("other"), dir, NULL, &f->err));
    holds_text(f, "dir/value", "x");
    holds_text(f, "other", "y");
    lists(f, "", "dir/|other");
}

static void makes_and_removes_directories(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_info info;
    if (!CAN(f, MS_CAP_DIRECTORIES))
        return;
    OK(ms_backend_mkdir(f->b, ms_str("a/b/c"), &f->err));
    OK(ms_backend_mkdir(f->b, ms_str("a/b/c"), &f->err)); /* there already */
    OK(ms_backend_mkdir(f->b, ms_str("a"), &f->err));
    OK(ms_backend_info(f->b, ms_str("a/b"), &info, &f->err));
    assert_true(info.exists && info.directory);
    assert_int_equal(info.size_bytes, 0);
    lists(f, "a/b", "c/");
    FAILS(MS_ERR_EXISTS, ms_backend_rmdir(f->b, ms_str("a/b"), &f->err)); /* not empty */
    OK(ms_backend_rmdir(f->b, ms_str("a/b/c"), &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_rmdir(f->b, ms_str("a/b/c"), &f->err));
    lists(f, "a/b", "");
    OK(put(f, "a/b/c/d/value", "x")); /* made on demand */
    lists(f, "a/b/c", "d/");
    FAILS(MS_ERR_EXISTS, ms_backend_rmdir(f->b, ms_str("a/b/c/d"), &f->err));
}

static void knows_when(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_info before, after;
    OK(put(f, "a", "x"));
    OK(ms_backend_info(f->b, ms_str("a"), &before, &f->err));
    OK(put(f, "b", "x"));
    OK(ms_backend_info(f->b, ms_str("b"), &after, &f->err));
    assert_true(before.mtime_ns >= 0 && after.mtime_ns >= before.mtime_ns);
}

static void knows_its_root(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_info info = {0};
    OK(ms_backend_info(f->b, ms_str(""), &info, &f->err));
    assert_true(info.exists && info.directory);
    assert_int_equal(info.size_bytes, 0);
}

const struct promise promises_values[] = {
    {"keeps values of any size", keeps_values_of_any_size},
    {"keeps its own copy", keeps_its_own_copy},
    {"a missing value is not found", a_missing_value_is_not_found},
    {"errors name the value", errors_name_the_value},
    {"replaces", replaces},
    {"deletes for good", deletes_for_good},
    {"deletes many", deletes_many},
    {"moves", moves},
    {"moves only if absent", moves_only_if_absent},
    {"stores only if absent", stores_only_if_absent},
    {"stores only if unchanged", stores_only_if_unchanged},
    {"gives tags", gives_tags},
    {"directories are no values", directories_are_no_values},
    {"makes and removes directories", makes_and_removes_directories},
    {"knows when", knows_when},
    {"knows its root", knows_its_root},
    {0},
};
