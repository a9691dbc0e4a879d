/* store/cache.c: what is asked where in each mode, what goes and what stays, races, failures. */
#include "store/filter.h"

#include "base/pool.h"
#include "base/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "unit/fake_store.h"

static uint64_t fake_seed;

struct cache_test {
    struct fake primary, copies;
    struct ms_store *store;
    struct ms_clock *clock;
};

static struct ms_item_ref live(const char *key)
{
    return (struct ms_item_ref){.key = ms_str(key)};
}

static void start_on(struct cache_test *t, struct ms_clock *clock, const struct ms_namespace *ns,
                     size_t count)
{
    t->clock = clock;
    fake_init(&t->primary, "fake:primary", t->clock, fake_seed);
    fake_init(&t->copies, "fake:copies", t->clock, ~fake_seed);
    t->primary.exists = t->copies.exists = true;
    assert_int_equal(ms_cache_wrap(&t->primary.store, &t->copies.store, ns, count, &t->store, NULL),
                     0);
}

static const struct ms_namespace modes[] = {
    {.name = ""},
    {.name = "wt", .cache = MS_CACHE_WRITETHROUGH},
    {.name = "mirror", .cache = MS_CACHE_MIRROR},
    {.name = "wt/not"},
};

/* A session over the modes above. */
static void start(struct cache_test *t)
{
    start_on(t, ms_clock_virtual_new(1000), modes, sizeof(modes) / sizeof(*modes));
    assert_int_equal(t->store->ops->open(t->store, NULL), 0);
}

static void finish(struct cache_test *t)
{
    assert_int_equal(t->store->ops->close(t->store, NULL), 0);
    t->store->ops->free(t->store);
    assert_true(t->primary.freed && t->copies.freed);
    fake_fini(&t->primary);
    fake_fini(&t->copies);
    ms_clock_free(t->clock);
}

static int put(struct ms_store *s, struct ms_item_ref item, const char *text)
{
    const struct ms_precondition always = {0};
    struct ms_buf_borrowed place;
    struct ms_tag tag;
    return s->ops->store(s, item, ms_buf_borrow(&place, ms_str(text)), &always, &tag, NULL);
}

static int move(struct ms_store *s, enum ms_move how, const char *key, const char *new_key)
{
    const struct ms_precondition always = {0};
    return s->ops->move(s, how, ms_str(key), ms_str(new_key), false, &always, NULL);
}

static int erase(struct ms_store *s, const char *key)
{
    return s->ops->remove(s, live(key), NULL);
}

/* Loads and compares; text NULL: not found. */
static void expect_range(struct cache_test *t, struct ms_item_ref item, int64_t offset,
                         uint64_t size, const char *text)
{
    struct ms_buf *value = NULL;
    struct ms_error err = {0};
    int code = t->store->ops->load(t->store, item, offset, size, &value, &err);
    if (code != (text ? 0 : MS_ERR_NOT_FOUND))
        fail_msg("%s: %s", ms_code_name(code), err.text);
    if (text && !ms_equal(ms_buf_view(value), ms_str(text)))
        fail_msg("got %.*s, not %s", (int)ms_buf_size(value), ms_buf_view(value).data, text);
    ms_buf_unref(value);
}

static void expect(struct cache_test *t, const char *key, const char *text)
{
    expect_range(t, live(key), 0, MS_SIZE_TO_END, text);
}

/* Calls of a verb since the last time asked. */
static unsigned calls(struct fake *f, int verb)
{
    unsigned n = f->calls[verb];
    f->calls[verb] = 0;
    return n;
}

/* ---- modes ---- */

static void writethrough_asks_the_copy_first(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    fake_set(&t.primary, live("wt/a"), "0123456789");
    expect(&t, "wt/a", "0123456789");
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 1);
    assert_int_equal(calls(&t.primary, MS_VERB_INFO), 0); /* the whole was wanted: no question */
    assert_true(fake_has(&t.copies, live("wt/a"), "0123456789"));
    expect(&t, "wt/a", "0123456789");
    expect_range(&t, live("wt/a"), -3, 2, "78");
    expect_range(&t, live("wt/a"), 8, 100, "89");
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 0);
    expect(&t, "wt/nothing", NULL);
    assert_true(fake_has(&t.copies, live("wt/nothing"), NULL));
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 1);
    finish(&t);
}

static void a_part_that_is_missing_fetches_the_whole(void **state)
{
    (void)state;
    static const struct {
        int64_t offset;
        uint64_t size;
        const char *text;
    } cases[] = {{3, 4, "3456"},     {8, 100, "89"}, {10, 1, ""},
                 {99, 1, ""},        {-3, 2, "78"},  {-99, 2, "01"},
                 {0, 3, "012"},      {4, 0, ""},     {-2, MS_SIZE_TO_END, "89"},
                 {INT64_MIN, 1, "0"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cache_test t;
        start(&t);
        fake_set(&t.primary, live("wt/a"), "0123456789");
        expect_range(&t, live("wt/a"), cases[i].offset, cases[i].size, cases[i].text);
        assert_true(fake_has(&t.copies, live("wt/a"), "0123456789"));
        assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 1);
        assert_int_equal(calls(&t.primary, MS_VERB_INFO), 1);
        finish(&t);
    }
}

static void values_that_are_too_large_pass_by(void **state)
{
    (void)state;
    struct cache_test t;
    struct ms_namespace ns = {.name = "", .cache = MS_CACHE_WRITETHROUGH, .cache_size_bytes = 9};
    start_on(&t, ms_clock_virtual_new(1000), &ns, 1);
    assert_int_equal(t.store->ops->open(t.store, NULL), 0);
    fake_set(&t.primary, live("a"), "0123456789");
    expect_range(&t, live("a"), 2, 3, "234");
    expect(&t, "a", "0123456789");
    assert_int_equal(put(t.store, live("b"), "0123456789"), 0);
    assert_int_equal(fake_total(&t.copies), 0);
    assert_int_equal(calls(&t.copies, MS_VERB_STORE), 0);
    assert_int_equal(put(t.store, live("b"), "012345678"), 0);
    assert_true(fake_has(&t.copies, live("b"), "012345678"));
    finish(&t);
}

static void a_mirror_reads_the_primary_and_refreshes(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    fake_set(&t.primary, live("mirror/a"), "new value");
    fake_set(&t.copies, live("mirror/a"), "old");
    expect(&t, "mirror/a", "new value");
    assert_true(fake_has(&t.copies, live("mirror/a"), "new value"));
    expect_range(&t, live("mirror/a"), 4, 5, "value");
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 2);
    assert_int_equal(calls(&t.copies, MS_VERB_LOAD), 0);
    finish(&t);
}

static void other_namespaces_touch_no_cache(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    static const char *const keys[] = {"a", "wt", "wtx/a", "wt/not/a", "other/a"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        assert_int_equal(put(t.store, live(keys[i]), "x"), 0);
        expect(&t, keys[i], "x");
        assert_int_equal(move(t.store, MS_MOVE_SOFT_DELETE, keys[i], ""), 0);
    }
    for (int verb = 0; verb < MS_VERB_COUNT; verb++)
        assert_int_equal(t.copies.calls[verb], 0);
    finish(&t);
}

/* ---- changes ---- */

static void changes_reach_the_copy(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    assert_int_equal(put(t.store, live("wt/a"), "one"), 0);
    assert_true(fake_has(&t.copies, live("wt/a"), "one"));
    assert_int_equal(put(t.store, live("wt/a"), "two"), 0);
    assert_true(fake_has(&t.copies, live("wt/a"), "two"));
    assert_int_equal(move(t.store, MS_MOVE_RENAME, "wt/a", "wt/b"), 0);
    expect(&t, "wt/a", NULL);
    expect(&t, "wt/b", "two");
    assert_int_equal(move(t.store, MS_MOVE_SOFT_DELETE, "wt/b", ""), 0);
    expect(&t, "wt/b", NULL);
    assert_int_equal(move(t.store, MS_MOVE_UNDELETE, "wt/b", ""), 0);
    expect(&t, "wt/b", "two");
    assert_int_equal(move(t.store, MS_MOVE_CHANGE_LEVEL, "wt/b", ""), 0);
    expect(&t, "wt/b", "two");
    assert_int_equal(put(t.store, live("wt/c"), "three"), 0);
    assert_int_equal(move(t.store, MS_MOVE_RENAME, "wt/b", "wt/c"), 0);
    expect(&t, "wt/c", "two");
    assert_int_equal(erase(t.store, "wt/c"), 0);
    expect(&t, "wt/c", NULL);
    assert_int_equal(fake_total(&t.copies), 0);

    char key[100];
    assert_int_equal(put(t.store, live("wt/d"), "0123456789"), 0);
    assert_int_equal(put(t.store, live("wt/e"), "old"), 0);
    struct ms_defrag_part part = {ms_str("d"), 2, 3};
    assert_int_equal(
        t.store->ops->defrag(t.store, "wt", &part, 1, ms_str("e"), NULL, key, sizeof(key), NULL),
        0);
    expect(&t, "wt/e", "234");
    finish(&t);
}

static void preconditions_are_the_primarys_affair(void **state)
{
    (void)state;
    struct cache_test t;
    struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    struct ms_buf_borrowed place;
    struct ms_tag tag;
    start(&t);
    fake_set(&t.primary, live("wt/a"), "theirs");
    struct ms_buf *mine = ms_buf_borrow(&place, ms_str("mine"));
    struct ms_store *s = t.store;
    assert_int_equal(s->ops->store(s, live("wt/a"), mine, &absent, &tag, NULL), MS_ERR_EXISTS);
    expect(&t, "wt/a", "theirs");
    fake_set(&t.copies, live("wt/b"), "stale");
    assert_int_equal(s->ops->store(s, live("wt/b"), mine, &absent, &tag, NULL), 0);
    assert_true(fake_has(&t.copies, live("wt/b"), "mine"));
    finish(&t);
}

static void many_go_through_as_one(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    struct ms_buf *value = ms_buf_copy(ms_str("v"));
    struct ms_many items[] = {
        {.key = ms_str("wt/a"), .value = value},
        {.key = ms_str("wt/b"), .value = value, .precondition.kind = MS_IF_ABSENT},
        {.key = ms_str("other/c"), .value = value},
    };
    fake_set(&t.primary, live("wt/b"), "theirs");
    fake_set(&t.copies, live("wt/b"), "theirs");
    assert_int_equal(t.store->ops->store_many(t.store, items, 3, 2, NULL), MS_ERR_EXISTS);
    assert_int_equal(items[0].code, 0);
    assert_int_equal(items[1].code, MS_ERR_EXISTS);
    assert_int_equal(items[2].code, 0);
    assert_true(fake_has(&t.copies, live("wt/a"), "v"));
    assert_true(fake_has(&t.copies, live("wt/b"), NULL));
    assert_true(fake_has(&t.copies, live("other/c"), NULL));
    free(items[1].error);
    ms_buf_unref(value);
    finish(&t);
}

/* ---- streaming ---- */

static void read_all(struct ms_store_reader *r, const char *text)
{
    char got[64];
    size_t n;
    assert_int_equal(r->ops->read(r, 0, (uint8_t *)got, sizeof(got), &n, NULL), 0);
    assert_true(ms_equal(ms_view(got, n), ms_str(text)));
}

static void readers_use_the_copy_and_fill_none(void **state)
{
    (void)state;
    struct cache_test t;
    struct ms_store_reader *r;
    struct ms_store_writer *w;
    const struct ms_precondition always = {0};
    struct ms_tag tag;
    start(&t);
    fake_set(&t.primary, live("wt/a"), "value");
    assert_int_equal(t.store->ops->read(t.store, live("wt/a"), &r, NULL), 0);
    read_all(r, "value");
    r->ops->close(r);
    assert_int_equal(fake_total(&t.copies), 0);
    expect(&t, "wt/a", "value");
    calls(&t.primary, MS_VERB_LOAD);
    assert_int_equal(t.store->ops->read(t.store, live("wt/a"), &r, NULL), 0);
    assert_int_equal(r->info.size_bytes, 5);
    read_all(r, "value");
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 0);
    r->ops->close(r);
    assert_int_equal(t.store->ops->write(t.store, live("wt/a"), 0, &always, &w, NULL), 0);
    assert_int_equal(w->ops->append(w, ms_str("other"), NULL), 0);
    expect(&t, "wt/a", "value"); /* not before the commit */
    assert_int_equal(w->ops->commit(w, &tag, NULL), 0);
    assert_true(fake_has(&t.copies, live("wt/a"), NULL));
    expect(&t, "wt/a", "other");
    assert_int_equal(t.store->ops->write(t.store, live("wt/a"), 0, &always, &w, NULL), 0);
    w->ops->abort(w);
    expect(&t, "wt/a", "other");
    finish(&t);
}

static void a_reader_goes_on_with_the_primary(void **state)
{
    (void)state;
    struct cache_test t;
    struct ms_store_reader *r;
    char got[8];
    size_t n;
    start(&t);
    assert_int_equal(put(t.store, live("wt/a"), "value"), 0);
    assert_int_equal(t.store->ops->read(t.store, live("wt/a"), &r, NULL), 0);
    t.copies.fail_code = MS_ERR_IO;
    t.copies.fail_verb = MS_VERB_OTHER;
    read_all(r, "value");
    read_all(r, "value");
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 1); /* changed over once */
    r->ops->close(r);
    t.copies.fail_code = 0;
    assert_int_equal(t.store->ops->read(t.store, live("wt/a"), &r, NULL), 0);
    assert_int_equal(put(t.store, live("wt/a"), "other"), 0);
    t.copies.fail_code = MS_ERR_IO;
    assert_int_equal(r->ops->read(r, 0, (uint8_t *)got, sizeof(got), &n, NULL), MS_ERR_CONFLICT);
    r->ops->close(r);
    t.copies.fail_code = 0;
    finish(&t);
}

/* ---- limits ---- */

static void limited(struct cache_test *t, uint64_t size, uint64_t age_ns)
{
    struct ms_namespace ns = {.name = "",
                              .cache = MS_CACHE_WRITETHROUGH,
                              .cache_size_bytes = size,
                              .cache_max_age_ns = age_ns};
    start_on(t, ms_clock_virtual_new(1000), &ns, 1);
}

static void the_least_recently_used_go_first(void **state)
{
    (void)state;
    struct cache_test t;
    limited(&t, 30, 0);
    assert_int_equal(t.store->ops->open(t.store, NULL), 0);
    assert_int_equal(put(t.store, live("a"), "0123456789"), 0);
    assert_int_equal(put(t.store, live("b"), "0123456789"), 0);
    assert_int_equal(put(t.store, live("c"), "0123456789"), 0);
    expect_range(&t, live("a"), 0, 1, "0"); /* used again */
    assert_int_equal(put(t.store, live("d"), "0123456789"), 0);
    assert_int_equal(fake_total(&t.copies), 30); /* at once, not at close */
    assert_true(fake_has(&t.copies, live("b"), NULL));
    assert_int_equal(put(t.store, live("e"), "012345678901234"), 0);
    assert_int_equal(fake_total(&t.copies), 25);
    assert_true(fake_has(&t.copies, live("c"), NULL));
    assert_true(fake_has(&t.copies, live("a"), NULL));
    assert_int_equal(put(t.store, live("d"), "0"), 0); /* a smaller value makes room */
    assert_int_equal(erase(t.store, "e"), 0);
    assert_int_equal(put(t.store, live("f"), "01234567890123456789012345678"), 0);
    assert_int_equal(fake_total(&t.copies), 30);
    for (const char *key = "bc"; *key; key++)
        assert_false(fake_has(&t.primary, live((char[]){*key, 0}), NULL));
    finish(&t);
}

static void too_old_copies_go(void **state)
{
    (void)state;
    struct cache_test t;
    limited(&t, 0, 100);
    assert_int_equal(t.store->ops->open(t.store, NULL), 0);
    assert_int_equal(put(t.store, live("a"), "a"), 0);
    assert_int_equal(put(t.store, live("b"), "b"), 0);
    assert_int_equal(ms_sleep(t.clock, 60, NULL), 0);
    expect(&t, "a", "a");
    assert_int_equal(ms_sleep(t.clock, 60, NULL), 0);
    expect(&t, "a", "a"); /* used 60 ns ago */
    assert_true(fake_has(&t.copies, live("b"), NULL));
    assert_int_equal(calls(&t.primary, MS_VERB_LOAD), 0);
    assert_int_equal(ms_sleep(t.clock, 101, NULL), 0);
    fake_set(&t.primary, live("a"), "A");
    expect(&t, "a", "A"); /* not served any more */
    assert_int_equal(ms_sleep(t.clock, 101, NULL), 0);
    finish(&t); /* closing cleans up */
}

static void opening_learns_what_is_there(void **state)
{
    (void)state;
    struct cache_test t;
    limited(&t, 25, 1000);
    static const char *const keys[] = {"new", "newest", "old", "oldest"};
    static const int64_t ages[] = {10, 5, 20, 5000};
    assert_int_equal(ms_sleep(t.clock, 10000, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        fake_set(&t.copies, live(keys[i]), "0123456789");
        fake_find(&t.copies, live(keys[i]))->atime_ns = ms_clock_wall(t.clock) - ages[i];
    }
    assert_int_equal(t.store->ops->open(t.store, NULL), 0);
    assert_int_equal(fake_total(&t.copies), 20);
    assert_true(fake_has(&t.copies, live("oldest"), NULL));
    assert_true(fake_has(&t.copies, live("old"), NULL));
    assert_int_equal(put(t.store, live("x"), "012345"), 0);
    assert_true(fake_has(&t.copies, live("new"), NULL)); /* in the order of their last use */
    assert_false(fake_has(&t.copies, live("newest"), NULL));
    finish(&t);
}

static void without_limits_nothing_is_listed(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    assert_int_equal(t.copies.calls[MS_VERB_LIST], 0);
    finish(&t);
}

static void invalidating(void **state)
{
    (void)state;
    struct cache_test t;
    start(&t);
    struct ms_store *s = t.store;
    assert_int_equal(put(s, live("wt/a"), "a"), 0);
    assert_int_equal(put(s, live("wt/b"), "b"), 0);
    assert_int_equal(put(s, live("mirror/c"), "c"), 0);
    assert_int_equal(s->ops->cache_invalidate(s, MS_INVALIDATE_ITEM, ms_str("wt/a"), NULL), 0);
    assert_true(fake_has(&t.copies, live("wt/a"), NULL));
    assert_int_equal(fake_total(&t.copies), 2);
    assert_int_equal(s->ops->cache_invalidate(s, MS_INVALIDATE_ITEM, ms_str("wt/a"), NULL), 0);
    assert_int_equal(s->ops->cache_invalidate(s, MS_INVALIDATE_NAMESPACE, ms_str("wt"), NULL), 0);
    assert_true(fake_has(&t.copies, live("wt/b"), NULL));
    assert_int_equal(fake_total(&t.copies), 1);
    assert_int_equal(s->ops->cache_invalidate(s, MS_INVALIDATE_ALL, ms_str(""), NULL), 0);
    assert_int_equal(fake_total(&t.copies), 0);
    assert_int_equal(fake_total(&t.primary), 3);
    finish(&t);
}

/* ---- failures of the cache ---- */

static unsigned warnings;

static void count_warnings(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx, (void)line;
    warnings += level <= MS_LOG_WARN;
}

static void a_failing_cache_fails_nothing(void **state)
{
    (void)state;
    static const int verbs[] = {MS_VERB_LOAD, MS_VERB_STORE, MS_VERB_DELETE, MS_VERB_COUNT};
    for (size_t i = 0; i < 8; i++) {
        struct cache_test t;
        start(&t);
        assert_int_equal(put(t.store, live("wt/a"), "one"), 0);
        warnings = 0;
        ms_log_to(count_warnings, NULL, MS_LOG_WARN);
        t.copies.fail_code = MS_ERR_IO;
        t.copies.fail_verb = verbs[i / 2];
        t.copies.fail_after = i % 2;
        expect(&t, "wt/a", "one");
        assert_int_equal(put(t.store, live("wt/a"), "two"), 0);
        expect(&t, "wt/a", "two");
        assert_int_equal(move(t.store, MS_MOVE_RENAME, "wt/a", "wt/b"), 0);
        expect(&t, "wt/a", NULL);
        expect(&t, "wt/b", "two");
        assert_int_equal(erase(t.store, "wt/b"), 0);
        expect(&t, "wt/b", NULL);
        assert_int_equal(warnings, 1); /* told once */
        t.copies.fail_code = 0;
        expect(&t, "wt/a", NULL); /* also when it works again */
        expect(&t, "wt/b", NULL);
        assert_int_equal(t.store->ops->close(t.store, NULL), 0);
        assert_int_equal(t.store->ops->open(t.store, NULL), 0); /* and in the next session */
        expect(&t, "wt/a", NULL);
        expect(&t, "wt/b", NULL);
        ms_log_to(NULL, NULL, MS_LOG_WARN);
        finish(&t);
    }
}

static void a_cache_that_does_not_open_is_left_out(void **state)
{
    (void)state;
    struct cache_test t;
    struct ms_error err = {0};
    start_on(&t, ms_clock_virtual_new(1000), modes, 3);
    warnings = 0;
    ms_log_to(count_warnings, NULL, MS_LOG_WARN);
    t.copies.open_code = MS_ERR_ACCESS;
    assert_int_equal(t.store->ops->open(t.store, NULL), 0);
    assert_int_equal(warnings, 1);
    assert_int_equal(put(t.store, live("wt/a"), "a"), 0);
    expect(&t, "wt/a", "a");
    assert_int_equal(erase(t.store, "wt/a"), 0);
    for (int verb = 0; verb < MS_VERB_COUNT; verb++)
        assert_int_equal(t.copies.calls[verb], 0);
    assert_int_equal(t.store->ops->cache_invalidate(t.store, MS_INVALIDATE_ALL, ms_str(""), &err),
                     MS_ERR_IO);
    assert_string_equal(err.text, "cache fake:copies: not used in this session");
    assert_int_equal(t.store->ops->close(t.store, NULL), 0);
    t.copies.open_code = 0;
    t.copies.exists = false; /* a cache that is not there yet is made */
    assert_int_equal(t.store->ops->open(t.store, NULL), 0);
    assert_int_equal(t.copies.creates, 1);
    assert_int_equal(put(t.store, live("wt/a"), "a"), 0);
    assert_true(fake_has(&t.copies, live("wt/a"), "a"));
    ms_log_to(NULL, NULL, MS_LOG_WARN);
    finish(&t);
}

static void create_and_destroy_act_on_both(void **state)
{
    (void)state;
    struct cache_test t;
    struct ms_error err = {0};
    start_on(&t, ms_clock_virtual_new(1000), modes, 3);
    t.primary.exists = false;
    struct ms_store *s = t.store;
    assert_int_equal(s->ops->create(s, &err), MS_ERR_STORE_EXISTS); /* foreign copies inside */
    assert_string_equal(err.text, "creating the cache: there is one");
    assert_false(t.primary.exists);
    t.copies.exists = false;
    assert_int_equal(s->ops->create(s, NULL), 0);
    assert_true(t.primary.exists && t.copies.exists);
    assert_int_equal(s->ops->destroy(s, NULL), 0);
    assert_false(t.primary.exists || t.copies.exists);
    t.primary.exists = true;
    assert_int_equal(s->ops->create(s, NULL), MS_ERR_STORE_EXISTS);
    assert_false(t.copies.exists);                 /* nothing is left of it */
    assert_int_equal(s->ops->destroy(s, NULL), 0); /* without a cache */
    assert_int_equal(s->ops->destroy(s, NULL), MS_ERR_NO_STORE);
    t.primary.exists = true;
    assert_int_equal(s->ops->open(s, NULL), 0);
    finish(&t);
}

/* ---- races ---- */

struct race {
    struct cache_test t;
    uint64_t seed;
    int task;
    unsigned next_value;
};
#define RACE_TASKS 3

/* One task changes its own item and must read what it wrote, while others read, rename onto and
 * delete their own; each item is read by all. */
static void race_step(struct race *race, struct ms_random *random)
{
    static const char *const keys[] = {"wt/a", "wt/b"};
    const char *key = keys[ms_random_below(random, 2)];
    struct ms_store *s = race->t.store;
    struct ms_buf *value = NULL;
    char text[16];
    switch (ms_random_below(random, 8)) {
    case 0:
        (void)erase(s, key); /* may be gone already */
        break;
    case 1:
        (void)move(s, MS_MOVE_RENAME, key, keys[ms_random_below(random, 2)]);
        break;
    case 2:
        assert_int_equal(s->ops->cache_invalidate(s, MS_INVALIDATE_ALL, ms_str(""), NULL), 0);
        break;
    case 3:
    case 4:
        snprintf(text, sizeof(text), "%u", ++race->next_value);
        assert_int_equal(put(s, live(key), text), 0);
        break;
    default:
        (void)s->ops->load(s, live(key), (int64_t)ms_random_below(random, 2), MS_SIZE_TO_END,
                           &value, NULL);
        ms_buf_unref(value);
    }
}

static int race_task(void *arg)
{
    struct race *race = arg;
    struct ms_random random;
    ms_random_seed(&random, race->seed * 100 + (uint64_t)race->task++);
    for (int i = 0; i < 8; i++)
        race_step(race, &random);
    return 0;
}

/* Writes only go up; each reader must never see less than what was complete before it began. */
struct order {
    struct cache_test t;
    unsigned written; /* completed */
    unsigned next;
};

static unsigned loaded_number(struct cache_test *t)
{
    struct ms_buf *value = NULL;
    char text[16] = "";
    assert_int_equal(t->store->ops->load(t->store, live("wt/a"), 0, MS_SIZE_TO_END, &value, NULL),
                     0);
    memcpy(text, ms_buf_view(value).data, ms_buf_size(value));
    ms_buf_unref(value);
    return (unsigned)atoi(text);
}

/* Every other value comes by a writer, which leaves no copy: so readers often fill. */
static int writing_task(void *arg)
{
    struct order *order = arg;
    struct ms_store *s = order->t.store;
    const struct ms_precondition always = {0};
    struct ms_store_writer *w;
    struct ms_tag tag;
    char text[16];
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "%u", ++order->next);
        if (i % 2) {
            assert_int_equal(put(s, live("wt/a"), text), 0);
        } else {
            assert_int_equal(s->ops->write(s, live("wt/a"), 0, &always, &w, NULL), 0);
            assert_int_equal(w->ops->append(w, ms_str(text), NULL), 0);
            assert_int_equal(w->ops->commit(w, &tag, NULL), 0);
        }
        order->written = order->next;
        assert_int_equal(ms_sleep(order->t.clock, 3000, NULL), 0); /* for fills to begin */
    }
    return 0;
}

static int reading_task(void *arg)
{
    struct order *order = arg;
    for (int i = 0; i < 25; i++) {
        unsigned before = order->written, got = loaded_number(&order->t);
        if (got < before)
            return ms_error_set(NULL, MS_ERR_CORRUPT, "%u before %u", got, before);
    }
    return 0;
}

static int order_main(void *arg)
{
    struct order *order = arg;
    struct ms_group *group;
    struct ms_join join;
    start_on(&order->t, ms_sim_clock(), modes, 3);
    assert_int_equal(order->t.store->ops->open(order->t.store, NULL), 0);
    fake_set(&order->t.primary, live("wt/a"), "0");
    assert_int_equal(ms_group_new(&group, NULL), 0);
    assert_int_equal(ms_group_fork(group, writing_task, NULL, order, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ms_group_fork(group, reading_task, NULL, order, NULL), 0);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    order->t.clock = NULL;
    finish(&order->t);
    return join.failed ? MS_ERR_CORRUPT : 0;
}

static int race_main(void *arg)
{
    struct race *race = arg;
    struct ms_group *group;
    struct ms_join join;
    int wrong = 0;
    start_on(&race->t, ms_sim_clock(), modes, 3);
    assert_int_equal(race->t.store->ops->open(race->t.store, NULL), 0);
    assert_int_equal(ms_group_new(&group, NULL), 0);
    for (int i = 0; i < RACE_TASKS; i++)
        assert_int_equal(ms_group_fork(group, race_task, NULL, race, NULL), 0);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    for (size_t i = 0; i < FAKE_ITEMS; i++) { /* what is cached is what is there */
        struct fake_item *copy = &race->t.copies.items[i];
        struct fake_item *real = copy->value ? fake_find(&race->t.primary, live(copy->key)) : NULL;
        if (copy->value && !(real && ms_equal(ms_buf_view(real->value), ms_buf_view(copy->value))))
            wrong = MS_ERR_CORRUPT;
    }
    race->t.clock = NULL;
    finish(&race->t);
    return wrong;
}

static void run_seeds(int (*main_fn)(void *arg), void *arg, size_t size, uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
        struct ms_sim_result result;
        struct ms_error err = {0};
        memset(arg, 0, size);
        fake_seed = seed;
        if (main_fn == race_main)
            ((struct race *)arg)->seed = seed;
        int code = ms_sim_run(&options, main_fn, arg, &result, &err);
        if (code)
            fail_msg("seed %llu: %s %s", (unsigned long long)seed, ms_code_name(code), err.text);
    }
}

static void races_leave_no_older_value(void **state)
{
    (void)state;
    static struct race race;
    run_seeds(race_main, &race, sizeof(race), 400);
}

static void readers_see_what_was_written_before(void **state)
{
    (void)state;
    static struct order order;
    run_seeds(order_main, &order, sizeof(order), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writethrough_asks_the_copy_first),
        cmocka_unit_test(a_part_that_is_missing_fetches_the_whole),
        cmocka_unit_test(values_that_are_too_large_pass_by),
        cmocka_unit_test(a_mirror_reads_the_primary_and_refreshes),
        cmocka_unit_test(other_namespaces_touch_no_cache),
        cmocka_unit_test(changes_reach_the_copy),
        cmocka_unit_test(preconditions_are_the_primarys_affair),
        cmocka_unit_test(many_go_through_as_one),
        cmocka_unit_test(readers_use_the_copy_and_fill_none),
        cmocka_unit_test(a_reader_goes_on_with_the_primary),
        cmocka_unit_test(the_least_recently_used_go_first),
        cmocka_unit_test(too_old_copies_go),
        cmocka_unit_test(opening_learns_what_is_there),
        cmocka_unit_test(without_limits_nothing_is_listed),
        cmocka_unit_test(invalidating),
        cmocka_unit_test(a_failing_cache_fails_nothing),
        cmocka_unit_test(a_cache_that_does_not_open_is_left_out),
        cmocka_unit_test(create_and_destroy_act_on_both),
        cmocka_unit_test(races_leave_no_older_value),
        cmocka_unit_test(readers_see_what_was_written_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
