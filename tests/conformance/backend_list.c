/* Promises about listings: one level, sorted bytewise, resumable, calm while things change. */
#include "backend_suite.h"

#include <stdio.h>
#include <stdlib.h>

static void lists_one_level_sorted(void **state)
{
    struct fixture *f = fixture(state);
    static const char *const names[] = {"b",  "a",     "B",      "\xc3\xa9", "z/y/x", "z/a",
                                        "10", "1",     "2",      "-",        "z.z",   "m/n",
                                        "~",  "z/y/w", "Z/only", "\x01"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        OK(put(f, names[i], "x"));
    lists(f, "", "\x01|-|1|10|2|B|Z/|a|b|m/|z/|z.z|~|\xc3\xa9");
    lists(f, "z", "a|y/");
    lists(f, "z/y", "w|x");
}

static void a_missing_directory_is_not_found(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_lister *l = NULL;
    OK(put(f, "ab", "x"));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_list(f->b, ms_str("a"), NULL, &l, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_list(f->b, ms_str("x/y"), NULL, &l, &f->err));
    assert_null(l);
}

static void entries_carry_infos(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_tag tag;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    struct ms_info info;
    OK(put_bytes(f, "v", ms_str("12345"), NULL, &tag));
    OK(put(f, "d/v", "12"));
    OK(ms_backend_info(f->b, ms_str("v"), &info, &f->err));
    OK(ms_backend_list(f->b, ms_str(""), NULL, &l, &f->err));
    OK(ms_lister_next(l, &e, &f->err));
    assert_true(e->info.exists && e->info.directory);
    assert_int_equal(e->info.size_bytes, 0);
    OK(ms_lister_next(l, &e, &f->err));
    assert_true(e->info.exists && !e->info.directory);
    assert_int_equal(e->info.size_bytes, 5);
    assert_int_equal(e->info.mtime_ns, info.mtime_ns);
    assert_string_equal(e->info.tag.text, tag.text);
    OK(ms_lister_next(l, &e, &f->err));
    assert_null(e);
    OK(ms_lister_next(l, &e, &f->err)); /* the end stays the end */
    assert_null(e);
    ms_lister_close(l);
    ms_lister_close(NULL);
}

/* Lists with a request and joins the names. */
static void listed(struct fixture *f, const char *after, uint64_t limit, bool names_only,
                   const char *wanted)
{
    struct ms_list_request request = {ms_str(after), limit, names_only};
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char got[1024] = "";
    size_t at = 0, count = 0;
    OK(ms_backend_list(f->b, ms_str("d"), &request, &l, &f->err));
    while (!limit || count < limit) {
        OK(ms_lister_next(l, &e, &f->err));
        if (!e)
            break;
        at += (size_t)snprintf(got + at, sizeof got - at, "%.*s%s ", (int)e->name.size,
                               (const char *)e->name.data, e->info.directory ? "/" : "");
        count++;
    }
    ms_lister_close(l);
    assert_string_equal(got, wanted);
}

static void starts_anywhere(void **state)
{
    struct fixture *f = fixture(state);
    static const char *const names[] = {"d/a", "d/b/x", "d/bb", "d/c", "d/c.c"};
    for (size_t i = 0; i < 5; i++)
        OK(put(f, names[i], "x"));
    for (int names_only = 0; names_only < 2; names_only++) {
        listed(f, "", 0, names_only, "a b/ bb c c.c ");
        listed(f, "a", 0, names_only, "b/ bb c c.c ");
        listed(f, "b", 0, names_only, "bb c c.c ");
        listed(f, "aa", 0, names_only, "b/ bb c c.c ");
        listed(f, "b\x01", 0, names_only, "bb c c.c ");
        listed(f, "c", 0, names_only, "c.c ");
        listed(f, "c.c", 0, names_only, "");
        listed(f, "\xff", 0, names_only, "");
        listed(f, "", 2, names_only, "a b/ ");
        listed(f, "b", 1, names_only, "bb ");
        listed(f, "bb", 100, names_only, "c c.c ");
    }
}

#define MANY 1000

static void name_of(size_t index, char name[16])
{
    snprintf(name, 16, "m/%06zu", index);
}

static void put_many(struct fixture *f)
{
    struct ms_batch *b = NULL;
    OK(ms_backend_batch(f->b, &b, &f->err));
    for (size_t i = 0; i < MANY; i++) {
        char name[16];
        struct ms_buf_borrowed place;
        name_of(i * 7919 % MANY, name); /* in no order */
        OK(ms_batch_store(b, ms_str(name), ms_buf_borrow(&place, ms_str("x")), NULL, &f->err));
    }
    OK(ms_batch_commit(b, &f->err));
}

static void lists_many(void **state)
{
    struct fixture *f = fixture(state);
    put_many(f);
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    OK(ms_backend_list(f->b, ms_str("m"), NULL, &l, &f->err));
    for (size_t i = 0; i < MANY; i++) {
        char name[16];
        name_of(i, name);
        OK(ms_lister_next(l, &e, &f->err));
        assert_non_null(e);
        assert_int_equal(e->name.size, 6);
        assert_memory_equal(e->name.data, name + 2, 6);
    }
    OK(ms_lister_next(l, &e, &f->err));
    assert_null(e);
    ms_lister_close(l);
}

/* What was there all the time is listed once, in order, whatever comes and goes around it. */
static void stays_calm_while_things_change(void **state)
{
    struct fixture *f = fixture(state);
    put_many(f);
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char name[24], last[16] = "";
    size_t even = 0;
    OK(ms_backend_list(f->b, ms_str("m"), NULL, &l, &f->err));
    for (size_t step = 0;; step++) {
        OK(ms_lister_next(l, &e, &f->err));
        if (!e)
            break;
        assert_true(e->name.size < sizeof last);
        char now[16] = "";
        memcpy(now, e->name.data, e->name.size);
        assert_true(strcmp(last, now) < 0);
        memcpy(last, now, sizeof last);
        even += e->name.size == 6 && (now[5] - '0') % 2 == 0;
        size_t victim = step * 10 + 1; /* odd ones go, before and behind the listing */
        if (victim < MANY) {
            name_of(victim, name);
            OK(ms_backend_delete(f->b, ms_str(name), &f->err));
            snprintf(name, sizeof name, "m/%06zux", victim);
            OK(put(f, name, "new"));
        }
    }
    ms_lister_close(l);
    assert_int_equal(even, MANY / 2);
}

static void survives_the_end_of_its_directory(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    OK(put(f, "d/a", "x"));
    OK(ms_backend_list(f->b, ms_str("d"), NULL, &l, &f->err));
    OK(ms_backend_delete(f->b, ms_str("d/a"), &f->err));
    if (CAN(f, MS_CAP_DIRECTORIES))
        OK(ms_backend_rmdir(f->b, ms_str("d"), &f->err));
    do /* what it had read before may still come */
        OK(ms_lister_next(l, &e, &f->err));
    while (e);
    ms_lister_close(l);
}

const struct promise promises_list[] = {
    {"lists one level, sorted", lists_one_level_sorted},
    {"a missing directory is not found", a_missing_directory_is_not_found},
    {"entries carry infos", entries_carry_infos},
    {"a listing starts anywhere", starts_anywhere},
    {"lists many", lists_many},
    {"a listing stays calm while things change", stays_calm_while_things_change},
    {"a listing survives the end of its directory", survives_the_end_of_its_directory},
    {0},
};
