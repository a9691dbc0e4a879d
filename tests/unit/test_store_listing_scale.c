/* Listings that outgrow every window: long names, thousands of items that wait for one, many
 * directories over a slow storage. Against a sorted model, and by the number of calls. */
#include "support/check.h"

#include "base/sim.h"
#include "base/text.h"

#include <mstore/mstore.h>

#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

struct entry {
    size_t size;
    bool deleted;
    uint8_t key[600];
};
struct model {
    struct entry *entries;
    size_t count, room;
};
struct under_test {
    struct ms_store *store;
    struct ms_backend *emulator; /* owned by the Store: it counts the calls */
};

static struct ms_error err;

static int set_levels(struct ms_store *s, const unsigned *levels, size_t count, enum ms_names names)
{
    struct ms_namespace ns = {.name = "data", .level_count = count, .names = names};
    memcpy(ns.levels, levels, count * sizeof *levels);
    return ms_store_set_namespaces(s, &ns, 1, &err);
}

static int make(struct under_test *t, struct ms_clock *clock, uint64_t latency_ns, unsigned jobs,
                enum ms_names names)
{
    struct ms_backend_env env = {.clock = clock ? clock : ms_clock_real(), .seed = 1};
    struct ms_emulation e;
    ms_emulation_init(&e);
    e.latency_ns = latency_ns;
    struct ms_namespace ns = {.name = "data", .names = names};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = &ns;
    o.namespace_count = 1;
    o.jobs = jobs;
    o.clock = clock;
    o.ignore_environment = true;
    struct ms_backend *inner;
    int code = ms_backend_make("memory:", &env, &inner, &err);
    if (!code)
        code = ms_emulator_new(inner, &e, &t->emulator, &err);
    if (!code)
        code = ms_store_new_over(t->emulator, &o, &t->store, &err);
    if (!code)
        code = ms_store_create(t->store, &err);
    return code ? code : ms_store_open(t->store, &err);
}

static int put(struct ms_store *s, struct ms_view key, bool deleted)
{
    uint8_t whole[700] = "data/";
    memcpy(whole + 5, key.data, key.size);
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.deleted = deleted;
    return ms_store_store(s, ms_view(whole, key.size + 5), ms_buf_borrow(&place, ms_str("v")), &o,
                          NULL, &err);
}

static struct ms_view key_of(const struct entry *e)
{
    return ms_view(e->key, e->size);
}

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = ms_compare(key_of(x), key_of(y));
    return order ? order : (int)x->deleted - (int)y->deleted;
}

static void add(struct model *m, struct under_test *t, struct ms_view key, bool deleted)
{
    check_ok(put(t->store, key, deleted), err);
    if (m->count == m->room) {
        m->room = 2 * m->room + 64;
        m->entries = realloc(m->entries, m->room * sizeof *m->entries);
        assert_non_null(m->entries);
    }
    struct entry *e = &m->entries[m->count++];
    e->size = key.size;
    e->deleted = deleted;
    memcpy(e->key, key.data, key.size);
}

/* Sorted, each once. */
static void settle(struct model *m)
{
    qsort(m->entries, m->count, sizeof *m->entries, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++)
        if (kept == 0 || by_key(&m->entries[kept - 1], &m->entries[i]) != 0)
            memmove(&m->entries[kept++], &m->entries[i], sizeof *m->entries);
    m->count = kept;
}

static bool asked_for(const struct entry *e, const struct ms_list_options *o)
{
    return (e->deleted ? o->deleted != MS_LIST_LIVE : o->deleted != MS_LIST_DELETED) &&
           ms_starts_with(key_of(e), o->prefix) && ms_compare(key_of(e), o->start_after) > 0;
}

static void compare(const struct model *m, struct ms_store *s, const struct ms_list_options *o,
                    uint64_t seed)
{
    struct ms_store_lister *l;
    const struct ms_item *item;
    check_ok(ms_store_list(s, "data", o, &l, &err), err);
    for (size_t i = 0; i < m->count; i++) {
        const struct entry *e = &m->entries[i];
        if (!asked_for(e, o))
            continue;
        check_ok(ms_store_lister_next(l, &item, &err), err);
        if (!item || !ms_equal(item->key, key_of(e)) || item->deleted != e->deleted)
            fail_msg("seed %llu, mode %d, prefix %s, after %s: %s%s instead of %s%s",
                     (unsigned long long)seed, (int)o->deleted, MS_SHOW(o->prefix),
                     MS_SHOW(o->start_after), item ? MS_SHOW(item->key) : "the end",
                     item && item->deleted ? " deleted" : "", MS_SHOW(key_of(e)),
                     e->deleted ? " deleted" : "");
    }
    check_ok(ms_store_lister_next(l, &item, &err), err);
    assert_null(item);
    assert_int_equal(ms_store_lister_skipped(l), 0);
    ms_store_lister_close(l);
}

static void done(struct model *m, struct under_test *t)
{
    ms_store_free(t->store);
    free(m->entries);
}

/* ---- any bytes, many of them ---- */

/* Paths of few words, so that long beginnings are shared; any bytes; escaped up to 1800 long. */
static size_t random_path(struct ms_random *r, uint8_t *key)
{
    static const char *const words[] = {
        "/",  "a",        "A WORD IN CAPITALS THAT ESCAPES TO LENGTH",
        "-",  "\xff\xfe", "an.other-word_of.a/middling+length",
        "zz", "\x01",     "0123456789abcdef0123456789abcdef"};
    size_t size = 0, count = 1 + ms_random_below(r, 14);
    for (size_t i = 0; i < count; i++) {
        const char *word = words[ms_random_below(r, sizeof words / sizeof *words)];
        memcpy(key + size, word, strlen(word));
        size += strlen(word);
    }
    if (ms_random_below(r, 4) == 0)
        key[size++] = 0;
    return size;
}

static void random_bytes(const unsigned *levels, size_t count, uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct ms_random r;
        struct under_test t;
        struct model m = {0};
        uint8_t key[600], from[600], prefix[600];
        ms_random_seed(&r, seed);
        check_ok(make(&t, NULL, 0, 4, MS_NAMES_BYTES), err);
        for (size_t i = 0; i < 80; i++) {
            const unsigned *level = &levels[ms_random_below(&r, count)];
            check_ok(set_levels(t.store, level, 1, MS_NAMES_BYTES), err);
            add(&m, &t, ms_view(key, random_path(&r, key)), ms_random_below(&r, 3) == 0);
        }
        check_ok(set_levels(t.store, levels, count, MS_NAMES_BYTES), err);
        settle(&m);
        for (int round = 0; round < 12; round++) {
            struct ms_list_options o = MS_LIST_OPTIONS_INIT;
            o.deleted = (enum ms_list_deleted)(round % 3);
            if (round & 1)
                o.start_after = ms_view(from, random_path(&r, from));
            if (round & 2)
                o.prefix = ms_view(prefix, 1 + ms_random_below(&r, random_path(&r, prefix)));
            compare(&m, t.store, &o, seed);
        }
        done(&m, &t);
    }
}

static void long_names(void **state)
{
    (void)state;
    random_bytes((unsigned[]){0}, 1, 25);
    random_bytes((unsigned[]){2}, 1, 25);
    random_bytes((unsigned[]){3, 0, 1}, 3, 25);
}

/* A name too long for one segment has a directory of its own; the first of them come at once. */
static void long_names_stream(void **state)
{
    (void)state;
    struct under_test t;
    check_ok(make(&t, NULL, 0, 8, MS_NAMES_BYTES), err);
    for (int i = 0; i < 3000; i++) {
        char key[128] = {0};
        snprintf(key, sizeof key, "%06d", i);
        memset(key + 6, '/', 80); /* escaped three times as long */
        check_ok(put(t.store, ms_str(key), false), err);
    }
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.limit = 10;
    for (int mode = MS_LIST_LIVE; mode <= MS_LIST_BOTH; mode += 2) {
        o.deleted = (enum ms_list_deleted)mode;
        struct ms_store_lister *l;
        const struct ms_item *item;
        uint64_t before = ms_emulator_calls(t.emulator, MS_VERB_LIST);
        check_ok(ms_store_list(t.store, "data", &o, &l, &err), err);
        for (int i = 0; i < 10; i++) {
            check_ok(ms_store_lister_next(l, &item, &err), err);
            assert_non_null(item);
        }
        ms_store_lister_close(l);
        assert_in_range(ms_emulator_calls(t.emulator, MS_VERB_LIST) - before, 11, 40);
    }
    ms_store_free(t.store);
}

/* ---- many that wait for one ---- */

/* "img.del" is key "img", before all of "img-…"; 9000 of them are more than any window holds. The
 * storage is asked for it once, not for each. */
static void many_wait_for_one(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct under_test t;
        struct model m = {0};
        check_ok(make(&t, NULL, 0, 1, MS_NAMES_BORGSTORE), err);
        for (int i = 0; i < 9000; i++) {
            char key[32];
            snprintf(key, sizeof key, "img-%05d%s", i, i % 100 == 7 ? "-x" : "");
            add(&m, &t, ms_str(key), i % 3 != 0);
        }
        if (with) {
            add(&m, &t, ms_str("img"), true);
            add(&m, &t, ms_str("img-05000"), true);
        }
        add(&m, &t, ms_str("jpg"), true);
        settle(&m);
        uint64_t before = ms_emulator_calls(t.emulator, MS_VERB_INFO);
        for (int mode = MS_LIST_LIVE; mode <= MS_LIST_BOTH; mode++) {
            struct ms_list_options o = MS_LIST_OPTIONS_INIT;
            o.deleted = (enum ms_list_deleted)mode;
            compare(&m, t.store, &o, 0);
        }
        assert_in_range(ms_emulator_calls(t.emulator, MS_VERB_INFO) - before, 2, 6);
        done(&m, &t);
    }
}

/* One nesting directory with more items than its window and, between and behind them in the order
 * of names, directories of the next level. */
static void large_nesting_directory(void **state)
{
    (void)state;
    struct under_test t;
    struct model m = {0};
    check_ok(make(&t, NULL, 0, 4, MS_NAMES_BORGSTORE), err);
    for (unsigned level = 1; level <= 2; level++) {
        check_ok(set_levels(t.store, &level, 1, MS_NAMES_BORGSTORE), err);
        for (unsigned i = 0; i < (level == 1 ? 9000 : 600); i++) {
            char key[32];
            snprintf(key, sizeof key, "ab%02x%06u", i * 7 % 256, level == 1 ? i : 500000 + i);
            add(&m, &t, ms_str(key), i % 5 == 0);
        }
    }
    check_ok(set_levels(t.store, (unsigned[]){1, 2}, 2, MS_NAMES_BORGSTORE), err);
    settle(&m);
    for (int mode = MS_LIST_LIVE; mode <= MS_LIST_BOTH; mode++) {
        struct ms_list_options o = MS_LIST_OPTIONS_INIT;
        o.deleted = (enum ms_list_deleted)mode;
        compare(&m, t.store, &o, 0);
        o.start_after = ms_str("ab7f");
        compare(&m, t.store, &o, 0);
        o.prefix = ms_str("abc");
        compare(&m, t.store, &o, 0);
    }
    done(&m, &t);
}

/* Directories that can hold nothing but the group given last are not gone into. */
static void groups_are_left_out(void **state)
{
    (void)state;
    struct under_test t;
    check_ok(make(&t, NULL, 0, 1, MS_NAMES_BORGSTORE), err);
    check_ok(set_levels(t.store, (unsigned[]){3}, 1, MS_NAMES_BORGSTORE), err);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "%c-%04x", 'a' + i % 4, i);
        check_ok(put(t.store, ms_str(key), false), err);
    }
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.delimiter = '-';
    struct ms_store_lister *l;
    const struct ms_item *item;
    uint64_t before = ms_emulator_calls(t.emulator, MS_VERB_LIST);
    check_ok(ms_store_list(t.store, "data", &o, &l, &err), err);
    for (char c = 'a'; c <= 'd'; c++) {
        check_ok(ms_store_lister_next(l, &item, &err), err);
        assert_non_null(item);
        assert_true(item->group && item->key.size == 2 && item->key.data[0] == (uint8_t)c);
    }
    check_ok(ms_store_lister_next(l, &item, &err), err);
    assert_null(item);
    ms_store_lister_close(l);
    assert_in_range(ms_emulator_calls(t.emulator, MS_VERB_LIST) - before, 13, 20);
    ms_store_free(t.store);
}

/* ---- a slow storage, on the virtual clock ---- */

struct slow {
    unsigned jobs;
    uint64_t limit, items, lists, took_ns;
};

static int list_slowly(void *arg)
{
    struct slow *slow = arg;
    struct under_test t;
    struct ms_clock *clock = ms_sim_clock();
    int code = make(&t, clock, 50 * MS, slow->jobs, MS_NAMES_BORGSTORE);
    if (!code)
        code = set_levels(t.store, (unsigned[]){1}, 1, MS_NAMES_BORGSTORE);
    for (unsigned i = 0; !code && i < 256; i++) {
        char key[16];
        snprintf(key, sizeof key, "%02xff", i);
        code = put(t.store, ms_str(key), false);
    }
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.limit = slow->limit;
    struct ms_store_lister *l;
    const struct ms_item *item = NULL;
    uint64_t begin = ms_clock_now(clock);
    uint64_t lists = ms_emulator_calls(t.emulator, MS_VERB_LIST);
    if (!code)
        code = ms_store_list(t.store, "data", &o, &l, &err);
    while (!code && !(code = ms_store_lister_next(l, &item, &err)) && item)
        slow->items++;
    slow->took_ns = ms_clock_now(clock) - begin;
    slow->lists = ms_emulator_calls(t.emulator, MS_VERB_LIST) - lists;
    ms_store_lister_close(l);
    ms_store_free(t.store);
    return code;
}

static void play(struct slow *slow)
{
    struct ms_sim_options options = {.seed = 3};
    struct ms_sim_result result;
    check_ok(ms_sim_run(&options, list_slowly, slow, &result, &err), err);
}

/* 256 directories of a round trip each: one after the other they take 257 round trips, with 16 at a
 * time 21 (the namespace; 1, 2, 4, 8; then 16 at a time). Few items need few of them. */
static void directories_in_parallel(void **state)
{
    (void)state;
    struct slow serial = {.jobs = 1}, parallel = {.jobs = 16}, few = {.jobs = 16, .limit = 2};
    play(&serial);
    play(&parallel);
    play(&few);
    assert_int_equal(serial.items, 256);
    assert_int_equal(parallel.items, 256);
    assert_int_equal(serial.lists, 257);
    assert_int_equal(parallel.lists, 257);
    assert_int_equal(serial.took_ns, 257 * 50 * MS);
    assert_int_equal(parallel.took_ns, 21 * 50 * MS);
    assert_int_equal(few.items, 2);
    assert_in_range(few.lists, 3, 5);
}

/* A directory that fails is told, and the same listing goes on when it is there again. */
static void goes_on_after_a_failure(void **state)
{
    (void)state;
    struct under_test t;
    check_ok(make(&t, NULL, 400 * 1000, 8, MS_NAMES_BORGSTORE), err);
    check_ok(set_levels(t.store, (unsigned[]){1}, 1, MS_NAMES_BORGSTORE), err);
    for (unsigned i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%02xff", i);
        check_ok(put(t.store, ms_str(key), false), err);
    }
    struct ms_store_lister *l;
    const struct ms_item *item;
    check_ok(ms_store_list(t.store, "data", NULL, &l, &err), err);
    unsigned items = 0, failures = 0;
    for (;;) {
        check_ok(ms_emulator_set_gone(t.emulator, items == 7 && failures == 0, &err), err);
        int code = ms_store_lister_next(l, &item, &err);
        if (code) {
            assert_int_equal(code, MS_ERR_CONNECTION);
            failures++;
            continue;
        }
        if (!item)
            break;
        char key[16];
        snprintf(key, sizeof key, "%02xff", items++);
        assert_true(ms_equal(item->key, ms_str(key)));
    }
    assert_int_equal(items, 40);
    assert_int_equal(failures, 1);
    ms_store_lister_close(l);
    ms_store_free(t.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_names),
        cmocka_unit_test(long_names_stream),
        cmocka_unit_test(many_wait_for_one),
        cmocka_unit_test(large_nesting_directory),
        cmocka_unit_test(groups_are_left_out),
        cmocka_unit_test(directories_in_parallel),
        cmocka_unit_test(goes_on_after_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
