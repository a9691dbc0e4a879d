/* store/quota.c: what counts, what is refused, what is kept on storage; alone and in races. */
#include "store/filter.h"

#include "base/pool.h"
#include "base/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "unit/fake_store.h"

struct quota_test {
    struct fake fake;
    struct ms_store *store;
    struct ms_clock *clock;
};

static struct ms_item_ref live(const char *key)
{
    return (struct ms_item_ref){.key = ms_str(key)};
}

static struct ms_item_ref gone(const char *key)
{
    return (struct ms_item_ref){.key = ms_str(key), .deleted = true};
}

static const struct ms_item_ref *count_item(void)
{
    static struct ms_item_ref item;
    item = (struct ms_item_ref){.key = ms_str("quota.hid"), .internal = true};
    return &item;
}

static void start(struct quota_test *t, uint64_t limit)
{
    t->clock = ms_clock_virtual_new(1000);
    assert_non_null(t->clock);
    fake_init(&t->fake, "fake:", t->clock, 1);
    t->fake.exists = true;
    assert_int_equal(ms_quota_wrap(&t->fake.store, limit, &t->store, NULL), 0);
}

static void finish(struct quota_test *t)
{
    t->store->ops->free(t->store);
    assert_true(t->fake.freed);
    fake_fini(&t->fake);
    ms_clock_free(t->clock);
}

static void open_it(struct quota_test *t)
{
    struct ms_error err = {0};
    if (t->store->ops->open(t->store, &err))
        fail_msg("%s", err.text);
}

static int64_t used(struct ms_store *s)
{
    struct ms_quota q;
    assert_int_equal(s->ops->quota(s, &q, NULL), 0);
    return q.usage_bytes;
}

static int put_pre(struct ms_store *s, struct ms_item_ref item, size_t size,
                   enum ms_precondition_kind kind, struct ms_error *err)
{
    struct ms_precondition pre = {.kind = kind};
    struct ms_buf *value = ms_buf_new(size);
    struct ms_tag tag;
    memset(ms_buf_data(value), 'x', size);
    int code = s->ops->store(s, item, value, &pre, &tag, err);
    ms_buf_unref(value);
    return code;
}

static int put(struct ms_store *s, const char *key, size_t size, struct ms_error *err)
{
    return put_pre(s, live(key), size, MS_ALWAYS, err);
}

static int move(struct ms_store *s, enum ms_move how, const char *key, const char *new_key)
{
    const struct ms_precondition always = {0};
    return s->ops->move(s, how, ms_str(key), ms_str(new_key), false, &always, NULL);
}

/* The books agree with the storage. */
static void check(struct quota_test *t, int64_t expected)
{
    assert_int_equal(used(t->store), expected);
    assert_int_equal(fake_total(&t->fake), expected);
}

/* ---- what counts ---- */

static void every_verb_is_counted(void **state)
{
    (void)state;
    struct quota_test t;
    start(&t, 1000);
    open_it(&t);
    assert_int_equal(put(t.store, "a", 100, NULL), 0);
    check(&t, 100);
    assert_int_equal(put(t.store, "a", 40, NULL), 0); /* the replaced value goes */
    check(&t, 40);
    assert_int_equal(put(t.store, "b", 30, NULL), 0);
    assert_int_equal(move(t.store, MS_MOVE_SOFT_DELETE, "a", ""), 0); /* deleted items count */
    check(&t, 70);
    assert_int_equal(put(t.store, "a", 5, NULL), 0);
    assert_int_equal(move(t.store, MS_MOVE_SOFT_DELETE, "a", ""), 0); /* over the older one */
    check(&t, 35);
    assert_int_equal(move(t.store, MS_MOVE_UNDELETE, "a", ""), 0);
    check(&t, 35);
    assert_int_equal(move(t.store, MS_MOVE_RENAME, "a", "b"), 0); /* over b */
    check(&t, 5);
    assert_int_equal(move(t.store, MS_MOVE_RENAME, "b", "b"), 0);
    assert_int_equal(move(t.store, MS_MOVE_CHANGE_LEVEL, "b", ""), 0);
    check(&t, 5);
    assert_int_equal(move(t.store, MS_MOVE_RENAME, "nothing", "b"), MS_ERR_NOT_FOUND);
    assert_int_equal(t.store->ops->remove(t.store, live("nothing"), NULL), MS_ERR_NOT_FOUND);
    check(&t, 5);
    assert_int_equal(t.store->ops->remove(t.store, live("b"), NULL), 0);
    check(&t, 0);
    assert_int_equal(put_pre(t.store, gone("d"), 9, MS_IF_ABSENT, NULL), 0);
    assert_int_equal(put_pre(t.store, gone("d"), 9, MS_IF_ABSENT, NULL), MS_ERR_EXISTS);
    check(&t, 9);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

static void only_what_is_absent_costs_no_question(void **state)
{
    (void)state;
    struct quota_test t;
    start(&t, 1000);
    open_it(&t);
    unsigned before = t.fake.calls[MS_VERB_INFO];
    assert_int_equal(put_pre(t.store, live("a"), 10, MS_IF_ABSENT, NULL), 0);
    assert_int_equal(t.fake.calls[MS_VERB_INFO], before);
    assert_int_equal(put(t.store, "a", 10, NULL), 0);
    assert_int_equal(t.fake.calls[MS_VERB_INFO], before + 1);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

static void the_limit_is_told_with_numbers(void **state)
{
    (void)state;
    struct quota_test t;
    struct ms_error err = {0};
    start(&t, 100);
    open_it(&t);
    assert_int_equal(put(t.store, "a", 60, NULL), 0);
    unsigned stores = t.fake.calls[MS_VERB_STORE];
    assert_int_equal(put(t.store, "b", 41, &err), MS_ERR_QUOTA);
    assert_string_equal(err.text,
                        "quota exceeded: 41 bytes more would not fit, 60 of 100 are used");
    assert_int_equal(t.fake.calls[MS_VERB_STORE], stores); /* refused before anything is written */
    check(&t, 60);
    assert_int_equal(put(t.store, "b", 40, NULL), 0);
    assert_int_equal(put(t.store, "a", 61, NULL), MS_ERR_QUOTA);
    assert_int_equal(put(t.store, "a", 60, NULL), 0); /* as large as before */
    assert_int_equal(put(t.store, "c", 0, NULL), 0);
    check(&t, 100);
    struct ms_quota q;
    assert_int_equal(t.store->ops->quota(t.store, &q, NULL), 0);
    assert_int_equal(q.limit_bytes, 100);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
    struct ms_store *s = NULL;
    assert_int_equal(ms_quota_wrap(&t.fake.store, (uint64_t)INT64_MAX + 1, &s, NULL),
                     MS_ERR_CONFIG);
    assert_null(s);
}

static void a_store_above_its_limit_may_shrink(void **state)
{
    (void)state;
    struct quota_test t;
    start(&t, 10);
    fake_set(&t.fake, live("a"), "much more than ten bytes");
    open_it(&t);
    check(&t, 24);
    assert_int_equal(put(t.store, "a", 20, NULL), 0);
    assert_int_equal(put(t.store, "b", 1, NULL), MS_ERR_QUOTA);
    assert_int_equal(t.store->ops->remove(t.store, live("a"), NULL), 0);
    assert_int_equal(put(t.store, "b", 1, NULL), 0);
    check(&t, 1);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

/* ---- failures ---- */

static void failures_leave_the_books_right(void **state)
{
    (void)state;
    static const int codes[] = {MS_ERR_NO_SPACE, MS_ERR_CONNECTION, MS_ERR_IO, MS_ERR_CANCELLED};
    static const int verbs[] = {MS_VERB_STORE, MS_VERB_DELETE, MS_VERB_MOVE};
    for (size_t i = 0; i < 4 * 3 * 2; i++) {
        struct quota_test t;
        bool after = i % 2;
        int verb = verbs[i / 2 % 3];
        if (after && codes[i / 6] == MS_ERR_NO_SPACE)
            continue; /* says that nothing was written */
        start(&t, 1000);
        fake_set(&t.fake, live("a"), "aaaaaaaaaa");
        fake_set(&t.fake, live("b"), "bbbbb");
        open_it(&t);
        t.fake.fail_code = codes[i / 6];
        t.fake.fail_verb = verb;
        t.fake.fail_after = after;
        int code = verb == MS_VERB_STORE    ? put(t.store, "a", 70, NULL)
                   : verb == MS_VERB_DELETE ? t.store->ops->remove(t.store, live("a"), NULL)
                                            : move(t.store, MS_MOVE_RENAME, "a", "b");
        assert_int_equal(code, codes[i / 6]);
        t.fake.fail_code = 0;
        check(&t, (int64_t)fake_total(&t.fake));
        assert_int_equal(t.store->ops->close(t.store, NULL), 0);
        finish(&t);
    }
}

static void what_cannot_be_known_is_counted_anew(void **state)
{
    (void)state;
    struct quota_test t;
    start(&t, 1000);
    open_it(&t);
    t.fake.fail_code = MS_ERR_CONNECTION; /* all calls, also the question afterwards */
    t.fake.fail_after = true;
    assert_int_equal(put_pre(t.store, live("a"), 50, MS_IF_ABSENT, NULL), MS_ERR_CONNECTION);
    t.fake.fail_code = 0;
    assert_int_equal(used(t.store), 50); /* at worst */
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), NULL));
    open_it(&t);
    check(&t, 50);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

/* ---- the stored count ---- */

static void the_count_is_kept_as_borgstore_does(void **state)
{
    (void)state;
    struct quota_test t;
    start(&t, 1000);
    fake_set(&t.fake, live("data/a"), "12345");
    fake_set(&t.fake, gone("data/b"), "123");
    open_it(&t); /* none: counted */
    check(&t, 8);
    assert_int_equal(t.fake.calls[MS_VERB_LIST], 1);
    assert_true(fake_has(&t.fake, *count_item(), "8"));
    assert_int_equal(put(t.store, "c", 4, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "8")); /* not with every change */
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "12"));
    open_it(&t); /* there: taken */
    assert_int_equal(t.fake.calls[MS_VERB_LIST], 1);
    check(&t, 12);
    unsigned stores = t.fake.calls[MS_VERB_STORE];
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    assert_int_equal(t.fake.calls[MS_VERB_STORE], stores); /* nothing changed */

    static const char *const invalid[] = {"", "x", "-5", "1 2", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++) {
        fake_set(&t.fake, *count_item(), invalid[i]);
        open_it(&t);
        check(&t, 12);
        assert_int_equal(t.store->ops->close(t.store, NULL), 0);
        assert_true(fake_has(&t.fake, *count_item(), "12"));
    }
    fake_set(&t.fake, *count_item(), " 12\n");
    unsigned lists = t.fake.calls[MS_VERB_LIST];
    open_it(&t);
    assert_int_equal(t.fake.calls[MS_VERB_LIST], lists);
    check(&t, 12);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

static void the_count_is_saved_after_10_MB_or_5_minutes(void **state)
{
    (void)state;
    struct quota_test t;
    start(&t, 100000000);
    open_it(&t);
    assert_int_equal(put(t.store, "a", 9999999, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "0"));
    assert_int_equal(put(t.store, "b", 1, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "10000000"));
    assert_int_equal(put(t.store, "b", 2, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "10000000"));
    assert_int_equal(ms_sleep(t.clock, 300ull * 1000000000, NULL), 0);
    assert_int_equal(put(t.store, "b", 3, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "10000002"));
    assert_int_equal(t.store->ops->remove(t.store, live("a"), NULL), 0); /* as much less */
    assert_true(fake_has(&t.fake, *count_item(), "10000002"));
    assert_int_equal(t.store->ops->remove(t.store, live("b"), NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "0"));
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

static void several_processes_add_up(void **state)
{
    (void)state;
    struct quota_test t;
    struct ms_store *other;
    start(&t, 1000);
    open_it(&t);
    assert_int_equal(ms_quota_wrap(&t.fake.store, 1000, &other, NULL), 0);
    assert_int_equal(other->ops->open(other, NULL), 0);
    assert_int_equal(put(t.store, "a", 100, NULL), 0);
    assert_int_equal(put(other, "b", 20, NULL), 0);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    assert_int_equal(other->ops->close(other, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), "120"));
    assert_int_equal(used(other), 120);
    other->ops->free(other);
    finish(&t);
}

static void a_count_that_cannot_be_written_fails_only_close(void **state)
{
    (void)state;
    struct quota_test t;
    struct ms_error err = {0};
    start(&t, 1000);
    open_it(&t);
    assert_int_equal(put(t.store, "a", 10, NULL), 0);
    t.fake.fail_code = MS_ERR_NO_SPACE;
    t.fake.fail_verb = MS_VERB_STORE;
    assert_int_equal(t.store->ops->close(t.store, &err), MS_ERR_NO_SPACE);
    assert_string_equal(err.text, "writing the quota's count: the fake fails");
    assert_false(t.fake.is_open); /* closed all the same */
    t.fake.fail_code = MS_ERR_CONNECTION;
    t.fake.fail_verb = MS_VERB_LOAD;
    assert_int_equal(t.store->ops->open(t.store, &err), MS_ERR_CONNECTION);
    assert_string_equal(err.text, "reading the quota's count: the fake fails");
    assert_false(t.fake.is_open);
    finish(&t);
}

static void without_a_limit_nothing_is_tracked(void **state)
{
    (void)state;
    struct quota_test t;
    struct ms_quota q;
    struct ms_item_info info;
    start(&t, 0);
    fake_set(&t.fake, *count_item(), "77");
    open_it(&t);
    assert_int_equal(t.store->ops->info(t.store, live("a"), &info, NULL), 0);
    assert_int_equal(t.fake.calls[MS_VERB_DELETE], 0); /* who only reads leaves it */
    assert_int_equal(put(t.store, "a", 10, NULL), 0);
    assert_true(fake_has(&t.fake, *count_item(), NULL)); /* it would go stale */
    assert_int_equal(put(t.store, "b", 10, NULL), 0);
    assert_int_equal(t.fake.calls[MS_VERB_DELETE], 1); /* once in a session */
    assert_int_equal(t.fake.calls[MS_VERB_INFO], 1);
    assert_int_equal(t.store->ops->quota(t.store, &q, NULL), 0);
    assert_int_equal(q.limit_bytes, -1);
    assert_int_equal(q.usage_bytes, -1);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    t.fake.fail_code = MS_ERR_ACCESS; /* a storage that deletes nothing is written to as well */
    t.fake.fail_verb = MS_VERB_DELETE;
    open_it(&t);
    assert_int_equal(put(t.store, "a", 10, NULL), 0);
    assert_int_equal(t.fake.calls[MS_VERB_DELETE], 2);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

/* Each way to change an item, the first in its session. */
static void every_change_makes_the_count_go(void **state)
{
    (void)state;
    const struct ms_precondition always = {0};
    const struct ms_defrag_part part = {ms_str("a"), 0, 1};
    for (int how = 0; how < 5; how++) {
        struct quota_test t;
        struct ms_store_writer *w = NULL;
        char key[MS_NAME_MAX + 1];
        start(&t, 0);
        open_it(&t);
        fake_set(&t.fake, live("a"), "x");
        fake_set(&t.fake, live("n/a"), "x");
        fake_set(&t.fake, *count_item(), "77");
        struct ms_store *s = t.store;
        int code = how == 0   ? put(s, "b", 1, NULL)
                   : how == 1 ? s->ops->remove(s, live("a"), NULL)
                   : how == 2 ? move(s, MS_MOVE_RENAME, "a", "b")
                   : how == 3
                       ? s->ops->defrag(s, "n", &part, 1, ms_str("b"), NULL, key, sizeof key, NULL)
                       : s->ops->write(s, live("b"), 1, &always, &w, NULL);
        assert_int_equal(code, 0);
        assert_true(fake_has(&t.fake, *count_item(), NULL));
        if (w)
            w->ops->abort(w);
        assert_int_equal(s->ops->close(s, NULL), 0);
        finish(&t);
    }
}

/* ---- streaming, many, defrag ---- */

static struct ms_store_writer *writer(struct ms_store *s, const char *key, uint64_t hint)
{
    const struct ms_precondition always = {0};
    struct ms_store_writer *w = NULL;
    assert_int_equal(s->ops->write(s, live(key), hint, &always, &w, NULL), 0);
    return w;
}

static void writers_reserve_what_they_append(void **state)
{
    (void)state;
    struct quota_test t;
    struct ms_tag tag;
    char bytes[60] = {0};
    start(&t, 100);
    open_it(&t);
    assert_int_equal(put(t.store, "old", 10, NULL), 0);
    struct ms_store_writer *w = writer(t.store, "a", 0);
    assert_int_equal(w->ops->append(w, ms_view(bytes, 60), NULL), 0);
    assert_int_equal(put(t.store, "b", 31, NULL), MS_ERR_QUOTA); /* 10 + 60 are taken */
    assert_int_equal(w->ops->append(w, ms_view(bytes, 31), NULL), MS_ERR_QUOTA);
    assert_int_equal(w->ops->append(w, ms_view(bytes, 30), NULL), 0);
    w->ops->abort(w);
    check(&t, 10);
    w = writer(t.store, "old", 0); /* what it replaces is its to use */
    assert_int_equal(w->ops->append(w, ms_view(bytes, 60), NULL), 0);
    assert_int_equal(put(t.store, "b", 40, NULL), 0);
    assert_int_equal(w->ops->commit(w, &tag, NULL), 0);
    check(&t, 100);
    const struct ms_precondition always = {0};
    struct ms_store_writer *none = NULL; /* told at once when the size is known */
    assert_int_equal(t.store->ops->write(t.store, live("c"), 1, &always, &none, NULL),
                     MS_ERR_QUOTA);
    assert_null(none);
    w = writer(t.store, "b", 40);
    assert_int_equal(w->ops->append(w, ms_view(bytes, 3), NULL), 0);
    assert_int_equal(w->ops->commit(w, &tag, NULL), 0); /* less than announced */
    check(&t, 63);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

static void many_are_judged_one_by_one(void **state)
{
    (void)state;
    struct quota_test t;
    struct ms_error err = {0};
    struct ms_many items[4] = {0};
    static const char *const keys[] = {"a", "b", "c", "a"};
    static const size_t sizes[] = {40, 70, 20, 30};
    start(&t, 100);
    open_it(&t);
    for (size_t i = 0; i < 4; i++) {
        items[i].key = ms_str(keys[i]);
        items[i].value = ms_buf_new(sizes[i]);
        memset(ms_buf_data(items[i].value), 'x', sizes[i]);
    }
    assert_int_equal(t.store->ops->store_many(t.store, items, 4, 1, &err), MS_ERR_QUOTA);
    assert_string_equal(err.text,
                        "quota exceeded: 70 bytes more would not fit, 40 of 100 are used");
    assert_int_equal(items[0].code, 0);
    assert_int_equal(items[1].code, MS_ERR_QUOTA);
    assert_int_equal(items[2].code, 0);
    assert_int_equal(items[3].code, 0); /* the same key again */
    check(&t, 50);
    for (size_t i = 0; i < 4; i++) {
        free(items[i].error);
        ms_buf_unref(items[i].value);
    }
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

static void defrag_is_counted(void **state)
{
    (void)state;
    struct quota_test t;
    char key[200];
    start(&t, 100);
    fake_set(&t.fake, live("d/a"), "0123456789");
    open_it(&t);
    struct ms_defrag_part parts[] = {{ms_str("a"), 2, 3}, {ms_str("a"), 0, 5}};
    struct ms_store *s = t.store;
    assert_int_equal(s->ops->defrag(s, "d", parts, 2, ms_str("b"), NULL, key, sizeof(key), NULL),
                     0);
    check(&t, 18);
    assert_int_equal(s->ops->defrag(s, "d", parts, 1, ms_str("b"), NULL, key, sizeof(key), NULL),
                     0);
    check(&t, 13);
    for (int i = 0; i < 2; i++) { /* the second time it replaces itself */
        assert_int_equal(
            s->ops->defrag(s, "d", parts, 2, ms_view(NULL, 0), "md5", key, sizeof(key), NULL), 0);
        assert_string_equal(key, "aee2f02526304277f64d97ba2ee19049");
        check(&t, 21);
    }
    parts[1].size = 50;
    parts[0].size = 50;
    assert_int_equal(s->ops->defrag(s, "d", parts, 2, ms_str("c"), NULL, key, sizeof(key), NULL),
                     MS_ERR_QUOTA);
    parts[0].size = 3;
    parts[1].size = 11;
    assert_int_equal(
        s->ops->defrag(s, "d", parts, 2, ms_view(NULL, 0), "md5", key, sizeof(key), NULL),
        MS_ERR_RANGE);
    check(&t, 21);
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    finish(&t);
}

/* ---- races ---- */

struct race {
    struct quota_test t;
    uint64_t seed;
    int task;
};
#define RACE_LIMIT 200
#define RACE_TASKS 6

static void one_step(struct quota_test *t, struct ms_random *random)
{
    static const char *const keys[] = {"a", "b", "c"};
    const char *key = keys[ms_random_below(random, 3)], *other = keys[ms_random_below(random, 3)];
    size_t size = (size_t)ms_random_below(random, 90);
    struct ms_store *s = t->store;
    struct ms_store_writer *w;
    const struct ms_precondition always = {0};
    struct ms_tag tag;
    char bytes[90] = {0};
    int code = 0;
    switch (ms_random_below(random, 8)) {
    case 0:
        code = s->ops->remove(s, live(key), NULL);
        break;
    case 1:
        code = s->ops->remove(s, gone(key), NULL);
        break;
    case 2:
        code = move(s, MS_MOVE_RENAME, key, other);
        break;
    case 3:
        code = move(s, MS_MOVE_SOFT_DELETE, key, "");
        break;
    case 4:
        code = put_pre(s, live(key), size, MS_IF_ABSENT, NULL);
        break;
    case 5:
        code = s->ops->write(s, live(key), 0, &always, &w, NULL);
        if (!code && w->ops->append(w, ms_view(bytes, size), NULL))
            w->ops->abort(w);
        else if (!code)
            code = w->ops->commit(w, &tag, NULL);
        break;
    default:
        code = put(s, key, size, NULL);
    }
    if (code && code != MS_ERR_QUOTA && code != MS_ERR_NOT_FOUND && code != MS_ERR_EXISTS)
        fail_msg("unexpected %s", ms_code_name(code));
    if (fake_total(&t->fake) > RACE_LIMIT)
        fail_msg("%llu bytes", (unsigned long long)fake_total(&t->fake));
}

static int race_task(void *arg)
{
    struct race *race = arg;
    struct ms_random random;
    ms_random_seed(&random, race->seed * 100 + (uint64_t)race->task++);
    for (int i = 0; i < 8; i++)
        one_step(&race->t, &random);
    return 0;
}

static int race_main(void *arg)
{
    struct race *race = arg;
    struct ms_group *group;
    struct ms_join join;
    fake_init(&race->t.fake, "fake:", ms_sim_clock(), race->seed);
    race->t.fake.exists = true;
    assert_int_equal(ms_quota_wrap(&race->t.fake.store, RACE_LIMIT, &race->t.store, NULL), 0);
    open_it(&race->t);
    assert_int_equal(ms_group_new(&group, NULL), 0);
    for (int i = 0; i < RACE_TASKS; i++)
        assert_int_equal(ms_group_fork(group, race_task, NULL, race, NULL), 0);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    int64_t have = used(race->t.store), real = (int64_t)fake_total(&race->t.fake);
    int wrong = have != real;
    assert_int_equal(race->t.store->ops->close(race->t.store, NULL), 0);
    bool doubtful = fake_has(&race->t.fake, *count_item(), NULL);
    race->t.store->ops->free(race->t.store);
    fake_fini(&race->t.fake);
    /* it may not know, but then it says so, and never believes in more room than there is */
    return wrong && !(doubtful && have > real) ? MS_ERR_INTERNAL : 0;
}

static void races_keep_the_books_and_the_limit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct race race = {.seed = seed};
        struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
        struct ms_sim_result result;
        struct ms_error err = {0};
        int code = ms_sim_run(&options, race_main, &race, &result, &err);
        if (code)
            fail_msg("seed %llu: %s %s", (unsigned long long)seed, ms_code_name(code), err.text);
    }
}

static int first_change(void *arg)
{
    struct race *race = arg;
    char key[16];
    snprintf(key, sizeof key, "k%d", __atomic_fetch_add(&race->task, 1, __ATOMIC_RELAXED));
    assert_int_equal(put(race->t.store, key, 1, NULL), 0);
    assert_true(fake_has(&race->t.fake, *count_item(), NULL)); /* also for who came second */
    return 0;
}

static int first_changes(void *arg)
{
    struct race *race = arg;
    struct ms_group *group;
    struct ms_join join;
    fake_init(&race->t.fake, "fake:", ms_sim_clock(), race->seed);
    race->t.fake.exists = true;
    fake_set(&race->t.fake, *count_item(), "77");
    assert_int_equal(ms_quota_wrap(&race->t.fake.store, 0, &race->t.store, NULL), 0);
    open_it(&race->t);
    assert_int_equal(ms_group_new(&group, NULL), 0);
    for (int i = 0; i < RACE_TASKS; i++)
        assert_int_equal(ms_group_fork(group, first_change, NULL, race, NULL), 0);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    assert_int_equal(race->t.fake.calls[MS_VERB_DELETE], 1);
    assert_int_equal(race->t.store->ops->close(race->t.store, NULL), 0);
    race->t.store->ops->free(race->t.store);
    fake_fini(&race->t.fake);
    return 0;
}

static void the_count_goes_before_the_first_of_several_changes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct race race = {.seed = seed};
        struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
        struct ms_sim_result result;
        struct ms_error err = {0};
        if (ms_sim_run(&options, first_changes, &race, &result, &err))
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_is_counted),
        cmocka_unit_test(only_what_is_absent_costs_no_question),
        cmocka_unit_test(the_limit_is_told_with_numbers),
        cmocka_unit_test(a_store_above_its_limit_may_shrink),
        cmocka_unit_test(failures_leave_the_books_right),
        cmocka_unit_test(what_cannot_be_known_is_counted_anew),
        cmocka_unit_test(the_count_is_kept_as_borgstore_does),
        cmocka_unit_test(the_count_is_saved_after_10_MB_or_5_minutes),
        cmocka_unit_test(several_processes_add_up),
        cmocka_unit_test(a_count_that_cannot_be_written_fails_only_close),
        cmocka_unit_test(without_a_limit_nothing_is_tracked),
        cmocka_unit_test(every_change_makes_the_count_go),
        cmocka_unit_test(writers_reserve_what_they_append),
        cmocka_unit_test(many_are_judged_one_by_one),
        cmocka_unit_test(defrag_is_counted),
        cmocka_unit_test(races_keep_the_books_and_the_limit),
        cmocka_unit_test(the_count_goes_before_the_first_of_several_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
