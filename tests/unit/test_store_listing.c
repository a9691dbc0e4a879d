/* Listings against a naive model: random key sets, levels, soft deletes, pages, prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/mstore.h>

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS_MAX 300

struct model {
    char key[16];
    bool live, deleted;
};

static struct model model[KEYS_MAX];
static size_t model_count;
static struct ms_random rnd;
static struct ms_error err;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct model *)a)->key, ((const struct model *)b)->key);
}

static struct model *find(const char *key)
{
    for (size_t i = 0; i < model_count; i++)
        if (strcmp(model[i].key, key) == 0)
            return &model[i];
    return NULL;
}

/* Short keys over few letters around '.', so that everything collides with everything. */
static void random_key(char *key)
{
    static const char letters[] = "ab-.0+z_";
    do {
        size_t size =
            3 + ms_random_below(&rnd, 6); /* a shorter one may be a nesting directory's name */
        for (size_t i = 0; i < size; i++)
            key[i] = letters[ms_random_below(&rnd, sizeof letters - 1)];
        key[size] = 0;
    } while (strstr(key, "..") || strcmp(key, ".") == 0 ||
             ms_ends_with(ms_str(key), ms_str(".del")));
}

static struct ms_store *new_store(const unsigned *levels, size_t count, enum ms_names names)
{
    struct ms_namespace ns[2] = {{.name = "data", .level_count = count, .names = names},
                                 {.name = ""}};
    memcpy(ns[0].levels, levels, count * sizeof *levels);
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = ns;
    o.namespace_count = 2;
    o.ignore_environment = true;
    struct ms_store *s;
    assert_int_equal(ms_store_new("memory:", &o, &s, &err), 0);
    assert_int_equal(ms_store_create(s, &err), 0);
    assert_int_equal(ms_store_open(s, &err), 0);
    return s;
}

static void put(struct ms_store *s, const char *key, bool deleted)
{
    char whole[32];
    snprintf(whole, sizeof whole, "data/%s", key);
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.deleted = deleted;
    int code = ms_store_store(s, ms_str(whole), ms_buf_borrow(&place, ms_str(key)), &o, NULL, &err);
    if (code)
        fail_msg("storing %s: %s", whole, err.text);
    struct model *m = find(key);
    if (!m) {
        m = &model[model_count++];
        *m = (struct model){0};
        strcpy(m->key, key);
    }
    *(deleted ? &m->deleted : &m->live) = true;
}

static void set_levels(struct ms_store *s, unsigned level, const unsigned *levels, size_t count,
                       enum ms_names names)
{
    struct ms_namespace ns[2] = {{.name = "data", .names = names}, {.name = ""}};
    if (count) {
        ns[0].level_count = count;
        memcpy(ns[0].levels, levels, count * sizeof *levels);
    } else {
        ns[0].level_count = 1;
        ns[0].levels[0] = level;
    }
    assert_int_equal(ms_store_set_namespaces(s, ns, 2, &err), 0);
}

/* What the model says comes next, from position *at; false: the end. */
static bool expect(const struct ms_list_options *o, size_t *at, bool *twin, const char **key,
                   bool *deleted)
{
    for (; *at < model_count; ++*at, *twin = false) {
        const struct model *m = &model[*at];
        if (!ms_starts_with(ms_str(m->key), o->prefix) ||
            ms_compare(ms_str(m->key), o->start_after) <= 0)
            continue;
        bool live = m->live && o->deleted != MS_LIST_DELETED && !*twin;
        bool dead = m->deleted && o->deleted != MS_LIST_LIVE;
        *key = m->key;
        *deleted = !live;
        if (live) {
            *twin = true;
            return true;
        }
        if (dead) {
            ++*at;
            *twin = false;
            return true;
        }
    }
    return false;
}

static void compare(struct ms_store *s, const char *ns, struct ms_list_options *o, uint64_t seed)
{
    struct ms_store_lister *l;
    assert_int_equal(ms_store_list(s, ns, o, &l, &err), 0);
    size_t at = 0;
    bool twin = false;
    size_t strip = strlen(ns) ? 0 : 5;
    for (;;) {
        const struct ms_item *item;
        const char *key = NULL;
        bool deleted = false;
        if (ms_store_lister_next(l, &item, &err))
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
        bool more = expect(o, &at, &twin, &key, &deleted);
        if (!item && !more)
            break;
        if (!item || !more || item->key.size != strlen(key) + strip ||
            memcmp(item->key.data + strip, key, strlen(key)) != 0 || item->deleted != deleted)
            fail_msg("seed %llu, listing \"%s\" prefix \"%.*s\" after \"%.*s\" mode %d: got %s%s, "
                     "expected %s%s",
                     (unsigned long long)seed, ns, (int)o->prefix.size,
                     (const char *)o->prefix.data, (int)o->start_after.size,
                     (const char *)o->start_after.data, (int)o->deleted,
                     item ? MS_SHOW(item->key) : "the end", item && item->deleted ? " deleted" : "",
                     more ? key : "the end", deleted ? " deleted" : "");
        if (item && !item->deleted)
            assert_int_equal(item->info.size_bytes, strlen(key));
    }
    assert_int_equal(ms_store_lister_skipped(l), 0);
    ms_store_lister_close(l);
}

static void compare_all(struct ms_store *s, uint64_t seed)
{
    for (int mode = MS_LIST_LIVE; mode <= MS_LIST_BOTH; mode++)
        for (int round = 0; round < 6; round++) {
            char from[16] = "", prefix[16] = "";
            struct ms_list_options o = MS_LIST_OPTIONS_INIT;
            o.deleted = (enum ms_list_deleted)mode;
            o.names_only = false;
            if (round & 1)
                random_key(from);
            if (round & 2) {
                random_key(prefix);
                prefix[1 + ms_random_below(&rnd, 2)] = 0;
            }
            o.start_after = ms_str(from);
            o.prefix = ms_str(prefix);
            compare(s, "data", &o, seed);
        }
}

static void random_listings(const unsigned *levels, size_t count, enum ms_names names,
                            uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        ms_random_seed(&rnd, seed);
        model_count = 0;
        struct ms_store *s = new_store(levels, count, names);
        size_t keys = 1 + ms_random_below(&rnd, 120);
        for (size_t i = 0; i < keys; i++) {
            char key[16];
            random_key(key);
            if (names == MS_NAMES_BORGSTORE || ms_random_below(&rnd, 2))
                set_levels(s, levels[ms_random_below(&rnd, count)], NULL, 0, names);
            put(s, key, ms_random_below(&rnd, 3) == 0);
        }
        set_levels(s, 0, levels, count, names);
        qsort(model, model_count, sizeof *model, by_key);
        compare_all(s, seed);
        struct ms_list_options whole = MS_LIST_OPTIONS_INIT;
        compare(s, "", &whole, seed);
        ms_store_free(s);
    }
}

static void flat(void **state)
{
    (void)state;
    random_listings((unsigned[]){0}, 1, MS_NAMES_BORGSTORE, 300);
}

static void nested(void **state)
{
    (void)state;
    random_listings((unsigned[]){2}, 1, MS_NAMES_BORGSTORE, 300);
}

static void mixed_levels(void **state)
{
    (void)state;
    random_listings((unsigned[]){0, 1, 2}, 3, MS_NAMES_BORGSTORE, 600);
    random_listings((unsigned[]){3, 1}, 2, MS_NAMES_BORGSTORE, 300);
}

static void any_bytes(void **state)
{
    (void)state;
    random_listings((unsigned[]){0}, 1, MS_NAMES_BYTES, 200);
    random_listings((unsigned[]){0, 2}, 2, MS_NAMES_BYTES, 300);
}

/* Pages of any size give the same as one listing. */
static void pages(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        ms_random_seed(&rnd, seed);
        model_count = 0;
        struct ms_store *s = new_store((unsigned[]){0, 1}, 2, MS_NAMES_BORGSTORE);
        for (size_t i = 0; i < 60; i++) {
            char key[16];
            random_key(key);
            put(s, key, ms_random_below(&rnd, 2) == 0);
        }
        qsort(model, model_count, sizeof *model, by_key);
        struct ms_list_options o = MS_LIST_OPTIONS_INIT;
        o.deleted = MS_LIST_BOTH;
        size_t at = 0;
        bool twin = false;
        char from[32] = "";
        for (;;) {
            struct ms_list_options page = o;
            page.limit = 1 + ms_random_below(&rnd, 7);
            page.start_after = ms_str(from);
            struct ms_store_lister *l;
            assert_int_equal(ms_store_list(s, "data", &page, &l, &err), 0);
            const struct ms_item *item;
            size_t got = 0;
            while (ms_store_lister_next(l, &item, &err) == 0 && item) {
                const char *key;
                bool deleted;
                assert_true(expect(&o, &at, &twin, &key, &deleted));
                assert_int_equal(item->key.size, strlen(key));
                assert_memory_equal(item->key.data, key, item->key.size);
                assert_int_equal(item->deleted, deleted);
                snprintf(from, sizeof from, "%s", key);
                got++;
            }
            ms_store_lister_close(l);
            if (!got)
                break;
        }
        const char *key;
        bool deleted;
        assert_false(expect(&o, &at, &twin, &key, &deleted));
        ms_store_free(s);
    }
}

static void delimiter(void **state)
{
    (void)state;
    model_count = 0;
    struct ms_store *s = new_store((unsigned[]){2}, 1, MS_NAMES_BORGSTORE);
    const char *keys[] = {"2024-01-a", "2024-01-b", "2024-02-a", "2025", "2025-01-x", "x"};
    for (size_t i = 0; i < 6; i++)
        put(s, keys[i], false);
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.delimiter = '-';
    const char *expected[] = {"2024-", "2025", "2025-", "x"};
    struct ms_store_lister *l;
    assert_int_equal(ms_store_list(s, "data", &o, &l, &err), 0);
    const struct ms_item *item;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
        assert_non_null(item);
        assert_int_equal(item->key.size, strlen(expected[i]));
        assert_memory_equal(item->key.data, expected[i], item->key.size);
        assert_int_equal(item->group, expected[i][strlen(expected[i]) - 1] == '-');
    }
    assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
    assert_null(item);
    ms_store_lister_close(l);
    ms_store_free(s);
}

/* Names that no key leads to are passed over and counted. */
static void strangers(void **state)
{
    (void)state;
    struct ms_backend *b;
    struct ms_namespace ns[] = {{.name = "data", .levels = {1}, .level_count = 1}};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = ns;
    o.namespace_count = 1;
    struct ms_store *s;
    assert_int_equal(ms_backend_make("memory:strangers", NULL, &b, &err), 0);
    assert_int_equal(ms_store_new("memory:strangers", &o, &s, &err), 0);
    assert_int_equal(ms_store_create(s, &err), 0);
    assert_int_equal(ms_backend_open(b, &err), 0);
    assert_int_equal(ms_store_open(s, &err), 0);
    const char *names[] = {"data/01/01ff", "data/01/02ff", "data/01/UPPER", "data/BAD", "data/ok"};
    struct ms_buf_borrowed place;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(ms_backend_store(b, ms_str(names[i]), ms_buf_borrow(&place, ms_str("v")),
                                          NULL, NULL, &err),
                         0);
    struct ms_store_lister *l;
    assert_int_equal(ms_store_list(s, "data", NULL, &l, &err), 0);
    const struct ms_item *item;
    assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
    assert_memory_equal(item->key.data, "01ff", 4);
    assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
    assert_memory_equal(item->key.data, "ok", 2);
    assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
    assert_null(item);
    assert_int_equal(ms_store_lister_skipped(l), 3);
    ms_store_lister_close(l);
    ms_store_free(s);
    ms_backend_free(b);
}

/* What a listing could not find again is not stored: a short namespace that nothing configures,
 * inside a nested one. Configured, it is found. */
static void short_namespaces(void **state)
{
    (void)state;
    struct ms_namespace ns[] = {{.name = "", .levels = {2}, .level_count = 1}, {.name = "y"}};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = ns;
    o.namespace_count = 2;
    struct ms_store *s;
    struct ms_buf_borrowed place;
    assert_int_equal(ms_store_new("memory:", &o, &s, &err), 0);
    assert_int_equal(ms_store_create(s, &err), 0);
    assert_int_equal(ms_store_open(s, &err), 0);
    assert_int_equal(
        ms_store_store(s, ms_str("x/aabb"), ms_buf_borrow(&place, ms_str("v")), NULL, NULL, &err),
        MS_ERR_NAME);
    assert_non_null(strstr(err.text, "configure it"));
    static const char *const keys[] = {"long/aabb", "y/aabb", "zzaabb"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ms_store_store(s, ms_str(keys[i]), ms_buf_borrow(&place, ms_str("v")),
                                        NULL, NULL, &err),
                         0);
    struct ms_store_lister *l;
    const struct ms_item *item;
    assert_int_equal(ms_store_list(s, "", NULL, &l, &err), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
        assert_non_null(item);
        assert_int_equal(item->key.size, strlen(keys[i]));
        assert_memory_equal(item->key.data, keys[i], item->key.size);
    }
    assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
    assert_null(item);
    ms_store_lister_close(l);
    ms_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat),         cmocka_unit_test(nested),
        cmocka_unit_test(mixed_levels), cmocka_unit_test(any_bytes),
        cmocka_unit_test(pages),        cmocka_unit_test(delimiter),
        cmocka_unit_test(strangers),    cmocka_unit_test(short_namespaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
