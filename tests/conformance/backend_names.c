/* Promises about names: what is refused everywhere, and that all other bytes are free. */
#include "backend_suite.h"

#include <stdio.h>
#include <stdlib.h>

static void refused(struct fixture *f, struct ms_view name)
{
    struct ms_buf_borrowed place;
    struct ms_buf *value = NULL;
    struct ms_info info;
    struct ms_writer *w = NULL;
    struct ms_reader *r = NULL;
    char hex[129];
    struct ms_view good = ms_str("good");
    struct ms_part part = {name, 0, 1};
    FAILS(MS_ERR_NAME,
          ms_backend_store(f->b, name, ms_buf_borrow(&place, ms_str("x")), NULL, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_load(f->b, name, 0, 1, &value, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_delete(f->b, name, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_move(f->b, good, name, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_move(f->b, name, good, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_copy(f->b, good, name, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_copy(f->b, name, good, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_compose(f->b, &part, 1, good, NULL, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_hash(f->b, name, "sha256", hex, 129, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_mkdir(f->b, name, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_rmdir(f->b, name, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_write(f->b, name, 0, NULL, &w, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_read(f->b, name, &r, &f->err));
    if (name.size == 0)
        return;
    struct ms_lister *l = NULL;
    FAILS(MS_ERR_NAME, ms_backend_info(f->b, name, &info, &f->err));
    FAILS(MS_ERR_NAME, ms_backend_list(f->b, name, NULL, &l, &f->err));
}

static void refuses_bad_names(void **state)
{
    static const char *const bad[] = {
        "",     "/",    "/a",    "a/",   "a//b",    ".",           "..",  "a/./b",   "a/../b",
        "../a", "a/..", "x.tmp", ".tmp", "a/b.tmp", "a/tmp12.tmp", "./a", "a/b/c//", "a/b/.",
    };
    struct fixture *f = fixture(state);
    OK(put(f, "good", "untouched"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(f, ms_str(bad[i]));
    refused(f, ms_view("a\0b", 3));
    refused(f, ms_view("\0", 1));
    holds_text(f, "good", "untouched");
    lists(f, "", "good");
}

static void shows_bad_names_readably(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_buf *value = NULL;
    int code = ms_backend_load(f->b, ms_view("a\0\n\xff..", 6), 0, 1, &value, NULL, &f->err);
    assert_int_equal(code, MS_ERR_NAME);
    assert_non_null(strstr(f->err.text, "a\\x00\\x0a\\xff.."));
}

static void names_have_limits(void **state)
{
    struct fixture *f = fixture(state);
    unsigned max = f->can.name_max_bytes;
    char *name = calloc(1, MS_NAME_MAX + 2);
    assert_non_null(name);
    memset(name, 'n', max);
    OK(put(f, name, "longest segment"));
    holds_text(f, name, "longest segment");
    lists(f, "", name);
    if (max < MS_NAME_MAX) {
        name[max] = 'n';
        refused(f, ms_str(name));
    }
    for (size_t i = 0; i <= MS_NAME_MAX; i++)
        name[i] = i % 100 == 99 ? '/' : 'x';
    refused(f, ms_str(name)); /* one byte too many */
    free(name);
}

static void keeps_odd_names(void **state)
{
    static const char *const odd[] = {
        "...",         "..a",      ".hidden",   "a..b",        "a b",      " ",
        "Upper",       "a\\b",     "new\nline", "tab\there",   "\x01\x7f", "*?[]",
        "caf\xc3\xa9", "\xff\xfe", "%2e%2e",    "semi;colon&", "x.tmp.y",  "~",
        "-rf",         "$(id)",    "a.del",     "quote\"'",    "tmp",      "hid",
    };
    struct fixture *f = fixture(state);
    char name[64];
    size_t count = sizeof odd / sizeof *odd, unicode_only = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "odd/%s", odd[i]);
        int code = put(f, name, odd[i]);
        if (code == MS_ERR_NAME && (uint8_t)odd[i][0] == 0xff)
            unicode_only = 1; /* a storage whose names are Unicode says so */
        else
            OK(code);
    }
    f->err = (struct ms_error){0};
    count -= unicode_only;
    size_t listed = 0;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    OK(ms_backend_list(f->b, ms_str("odd"), NULL, &l, &f->err));
    for (;; listed++) {
        OK(ms_lister_next(l, &e, &f->err));
        if (!e)
            break;
        snprintf(name, sizeof name, "odd/%.*s", (int)e->name.size, (const char *)e->name.data);
        holds_value(f, name, e->name); /* each holds its own name */
    }
    ms_lister_close(l);
    assert_int_equal(listed, count);
}

static void names_that_begin_alike_are_different(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "ab", "1"));
    OK(put(f, "a/b", "2"));
    OK(put(f, "a.b", "3"));
    OK(put(f, "a0", "4"));
    OK(put(f, "abc", "5"));
    holds_text(f, "ab", "1");
    holds_text(f, "a/b", "2");
    lists(f, "", "a/|a.b|a0|ab|abc");
    lists(f, "a", "b");
    OK(ms_backend_delete(f->b, ms_str("ab"), &f->err));
    holds_text(f, "abc", "5");
}

static void internal_names_are_kept_but_not_listed(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "quota.hid", "123"));
    OK(put(f, "ns/x.hid", "456"));
    OK(put(f, "ns/y", "789"));
    holds_text(f, "quota.hid", "123");
    holds_text(f, "ns/x.hid", "456");
    lists(f, "", "ns/");
    lists(f, "ns", "y");
}

static void deep_names_work(void **state)
{
    struct fixture *f = fixture(state);
    char name[201] = "";
    for (size_t i = 0; i < 200; i++)
        name[i] = i % 4 == 3 ? '/' : 'd';
    name[199] = 'v';
    if (strcmp(f->candidate->url, "$BORGSTORE_SERVER") == 0) {
        FAILS(MS_ERR_NAME, put(f, name, "deep"));
        name[100] = 0; /* BorgStore's limit for all of a name */
        name[99] = 'v';
    }
    OK(put(f, name, "deep"));
    holds_text(f, name, "deep");
    OK(ms_backend_delete(f->b, ms_str(name), &f->err));
    is_missing(f, name);
}

const struct promise promises_names[] = {
    {"refuses bad names", refuses_bad_names},
    {"shows bad names readably", shows_bad_names_readably},
    {"names have limits", names_have_limits},
    {"keeps odd names", keeps_odd_names},
    {"names that begin alike are different", names_that_begin_alike_are_different},
    {"internal names are kept but not listed", internal_names_are_kept_but_not_listed},
    {"deep names work", deep_names_work},
    {0},
};
