/* Allocation k = 0, 1, 2 … fails, for each operation of a Store (with quota, permissions and cache
 * in front), until the operation meets no failure: NO_MEMORY, no leak (the run under
 * AddressSanitizer looks), every item as before or after, the Store still usable.
 *
 * The state of a Store is one letter for each of a few items: A, B, N: that content, '-': none,
 * '?': anything else. */
#include "support/check.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

#include "base/pool.h"

#include <mstore/store.h>

#define K_MAX  2000
#define ITEMS  8
#define BEFORE "AB-D---L"

static struct scratch scratch;

static const struct {
    const char *key;
    bool deleted;
} items[ITEMS] = {
    {"data/0000a", false}, {"data/1111b", false}, {"data/2222n", false}, {"data/3333d", true},
    {"data/3333d", false}, {"data/0000a", true},  {"flat/n", false},     {"mix/level", false},
};

/* What has to be there before: at an old level, too. */
static const struct ms_namespace old_levels[] = {
    {.name = "data", .levels = {2}, .level_count = 1},
    {.name = "flat"},
    {.name = "mix"},
};
static const struct ms_namespace namespaces[] = {
    {.name = "data", .levels = {2}, .level_count = 1, .cache = MS_CACHE_WRITETHROUGH},
    {.name = "flat", .cache = MS_CACHE_MIRROR},
    {.name = "mix", .levels = {0, 2}, .level_count = 2},
};

/* ---- contents: 1000 times the letter ---- */

static struct ms_view bytes_of(char letter)
{
    static uint8_t bytes[128][1000];
    memset(bytes[(int)letter], letter, 1000);
    return ms_view(bytes[(int)letter], 1000);
}

static char letter_of(struct ms_buf *value)
{
    struct ms_view v = ms_buf_view(value);
    bool same = v.size == 1000;
    for (size_t i = 1; same && i < v.size; i++)
        same = v.data[i] == v.data[0];
    return same ? (char)v.data[0] : '?';
}

static int put(struct ms_store *s, const char *key, char letter, enum ms_precondition_kind kind,
               struct ms_error *err)
{
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition.kind = kind;
    return ms_store_store(s, ms_str(key), ms_buf_borrow(&place, bytes_of(letter)), &o, NULL, err);
}

static int wrong(struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_CORRUPT, "%s gave something wrong", what);
}

/* ---- operations ---- */

static int store_new(struct ms_store *s, struct ms_error *err)
{
    return put(s, "data/2222n", 'N', MS_ALWAYS, err);
}

static int store_flat(struct ms_store *s, struct ms_error *err)
{
    return put(s, "flat/n", 'N', MS_ALWAYS, err);
}

static int replace(struct ms_store *s, struct ms_error *err)
{
    return put(s, "data/0000a", 'N', MS_ALWAYS, err);
}

static int store_if_absent(struct ms_store *s, struct ms_error *err)
{
    return put(s, "data/2222n", 'N', MS_IF_ABSENT, err);
}

static int stream_in(struct ms_store *s, struct ms_error *err)
{
    struct ms_store_writer *w;
    struct ms_view bytes = bytes_of('N');
    int rc = ms_store_write(s, ms_str("data/2222n"), 0, NULL, &w, err);
    if (rc < 0)
        return rc;
    rc = ms_store_writer_append(w, ms_view(bytes.data, 300), err);
    if (rc == 0)
        rc = ms_store_writer_append(w, ms_view(bytes.data + 300, 700), err);
    if (rc == 0)
        return ms_store_writer_commit(w, NULL, err);
    ms_store_writer_abort(w);
    return rc;
}

static int load(struct ms_store *s, struct ms_error *err)
{
    struct ms_buf *value;
    int rc = ms_store_load(s, ms_str("data/0000a"), NULL, &value, err);
    if (rc < 0)
        return rc;
    bool right = letter_of(value) == 'A';
    ms_buf_unref(value);
    return right ? 0 : wrong(err, "load");
}

static int stream_out(struct ms_store *s, struct ms_error *err)
{
    struct ms_store_reader *r;
    uint8_t bytes[1000];
    size_t got;
    int rc = ms_store_read(s, ms_str("data/0000a"), false, &r, err);
    if (rc < 0)
        return rc;
    rc = ms_store_reader_read(r, 0, bytes, sizeof bytes, &got, err);
    ms_store_reader_close(r);
    if (rc < 0)
        return rc;
    return got == 1000 && memcmp(bytes, bytes_of('A').data, 1000) == 0 ? 0 : wrong(err, "reader");
}

static int info(struct ms_store *s, struct ms_error *err)
{
    struct ms_item_info found;
    int rc = ms_store_info(s, ms_str("mix/level"), false, &found, err);
    if (rc < 0)
        return rc;
    return found.exists && found.size_bytes == 1000 ? 0 : wrong(err, "info");
}

static int delete_live(struct ms_store *s, struct ms_error *err)
{
    return ms_store_delete(s, ms_str("data/1111b"), false, err);
}

static int delete_deleted(struct ms_store *s, struct ms_error *err)
{
    return ms_store_delete(s, ms_str("data/3333d"), true, err);
}

static int soft_delete(struct ms_store *s, struct ms_error *err)
{
    return ms_store_move(s, MS_MOVE_SOFT_DELETE, ms_str("data/0000a"), ms_str(""), false, err);
}

static int undelete(struct ms_store *s, struct ms_error *err)
{
    return ms_store_move(s, MS_MOVE_UNDELETE, ms_str("data/3333d"), ms_str(""), false, err);
}

static int change_level(struct ms_store *s, struct ms_error *err)
{
    return ms_store_move(s, MS_MOVE_CHANGE_LEVEL, ms_str("mix/level"), ms_str(""), false, err);
}

static int rename_it(struct ms_store *s, struct ms_error *err)
{
    return ms_store_move(s, MS_MOVE_RENAME, ms_str("data/0000a"), ms_str("data/2222n"), false, err);
}

static int hash(struct ms_store *s, struct ms_error *err)
{
    char hex[129];
    return ms_store_hash(s, ms_str("data/0000a"), "sha256", false, hex, sizeof hex, err);
}

static int defrag(struct ms_store *s, struct ms_error *err)
{
    struct ms_defrag_part parts[] = {{ms_str("0000a"), 0, 400}, {ms_str("0000a"), 400, 600}};
    char key[160];
    return ms_store_defrag(s, "data", parts, 2, ms_str("2222n"), "sha256", key, sizeof key, err);
}

static int list_of(struct ms_store *s, const char *ns, enum ms_list_deleted deleted, size_t wanted,
                   struct ms_error *err)
{
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    const struct ms_item *item = NULL;
    struct ms_store_lister *l;
    size_t count = 0;
    o.deleted = deleted;
    int rc = ms_store_list(s, ns, &o, &l, err);
    if (rc < 0)
        return rc;
    while ((rc = ms_store_lister_next(l, &item, err)) == 0 && item)
        count++;
    ms_store_lister_close(l);
    return rc < 0 || count == wanted ? rc : wrong(err, "list");
}

static int list(struct ms_store *s, struct ms_error *err)
{
    return list_of(s, "data", MS_LIST_LIVE, 2, err);
}

static int list_all(struct ms_store *s, struct ms_error *err)
{
    return list_of(s, "", MS_LIST_BOTH, 4, err);
}

/* Runs a many-call over keys; the values of loads are given back, sentences freed. */
static int many(int (*call)(struct ms_store *, struct ms_many *, size_t, unsigned,
                            struct ms_error *),
                struct ms_store *s, const char *const *keys, size_t count, struct ms_buf *value,
                struct ms_error *err)
{
    struct ms_many elements[4] = {0};
    for (size_t i = 0; i < count; i++) {
        elements[i].key = ms_str(keys[i]);
        elements[i].size = MS_SIZE_TO_END;
        elements[i].value = value;
    }
    int rc = call(s, elements, count, 2, err);
    for (size_t i = 0; i < count; i++) {
        free(elements[i].error);
        if (!value)
            ms_buf_unref(elements[i].value);
    }
    return rc;
}

static int load_many(struct ms_store *s, struct ms_error *err)
{
    static const char *const keys[] = {"data/0000a", "data/1111b", "mix/level"};
    return many(ms_store_load_many, s, keys, 3, NULL, err);
}

static int info_many(struct ms_store *s, struct ms_error *err)
{
    static const char *const keys[] = {"data/0000a", "data/1111b", "mix/level"};
    return many(ms_store_info_many, s, keys, 3, NULL, err);
}

static int delete_many(struct ms_store *s, struct ms_error *err)
{
    static const char *const keys[] = {"data/0000a", "data/1111b"};
    return many(ms_store_delete_many, s, keys, 2, NULL, err);
}

static int store_many(struct ms_store *s, struct ms_error *err)
{
    static const char *const keys[] = {"data/2222n", "flat/n", "data/0000a"};
    struct ms_buf_borrowed place;
    return many(ms_store_store_many, s, keys, 3, ms_buf_borrow(&place, bytes_of('N')), err);
}

static int about_the_whole(struct ms_store *s, struct ms_error *err)
{
    struct ms_quota quota;
    struct ms_capabilities capabilities;
    uint64_t total, left, removed;
    ms_store_capabilities(s, &capabilities);
    int rc = ms_store_quota(s, &quota, err);
    if (rc == 0)
        rc = ms_store_usage(s, &total, &left, err);
    if (rc == 0)
        rc = ms_store_sweep(s, UINT64_C(1000000000000), &removed, err);
    if (rc == 0)
        rc = ms_store_cache_invalidate(s, MS_INVALIDATE_ALL, ms_str(""), err);
    return rc < 0 ? rc : ms_store_set_namespaces(s, namespaces, 3, err);
}

static int reopen(struct ms_store *s, struct ms_error *err)
{
    struct ms_error ignored;
    int rc = ms_store_close(s, err);
    if (rc == 0)
        rc = ms_store_open(s, err);
    if (rc < 0 && ms_store_open(s, &ignored) < 0) /* the caller wants it open */
        return wrong(err, "opening again");
    return rc;
}

static const struct operation {
    const char *name, *after;
    bool each; /* on failure each item is as before or as after; else all of them are */
    int (*run)(struct ms_store *s, struct ms_error *err);
} operations[] = {
    {"store", "ABND---L", false, store_new},
    {"store flat", "AB-D--NL", false, store_flat},
    {"replace", "NB-D---L", false, replace},
    {"store if absent", "ABND---L", false, store_if_absent},
    {"stream in", "ABND---L", false, stream_in},
    {"load", BEFORE, false, load},
    {"stream out", BEFORE, false, stream_out},
    {"info", BEFORE, false, info},
    {"delete", "A--D---L", false, delete_live},
    {"delete a deleted one", "AB-----L", false, delete_deleted},
    {"soft delete", "-B-D-A-L", false, soft_delete},
    {"undelete", "AB--D--L", false, undelete},
    {"change level", BEFORE, false, change_level},
    {"rename", "-BAD---L", false, rename_it},
    {"hash", BEFORE, false, hash},
    {"defrag", "ABAD---L", false, defrag},
    {"list", BEFORE, false, list},
    {"list all", BEFORE, false, list_all},
    {"load many", BEFORE, false, load_many},
    {"info many", BEFORE, false, info_many},
    {"delete many", "---D---L", true, delete_many},
    {"store many", "NBND--NL", true, store_many},
    {"quota, usage, sweep, cache, namespaces", BEFORE, false, about_the_whole},
    {"close and open", BEFORE, false, reopen},
};
#define OPERATIONS (sizeof operations / sizeof *operations)

/* ---- one round ---- */

struct setting {
    char url[128], cache_url[128];
    bool filters;
};

static struct ms_store *new_store(const struct setting *setting)
{
    struct ms_error err = {0};
    struct ms_store *s;
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = namespaces;
    o.namespace_count = 3;
    o.ignore_environment = true;
    o.seed = 1;
    o.cache_url = setting->cache_url;
    struct ms_namespace uncached[3];
    if (setting->filters) {
        o.permissions = "\"\":lrwWD";
        o.quota_bytes = 1000000;
    } else {
        for (int i = 0; i < 3; i++) {
            uncached[i] = namespaces[i];
            uncached[i].cache = MS_CACHE_OFF;
        }
        o.namespaces = uncached;
    }
    check_ok(ms_store_new(setting->url, &o, &s, &err), err);
    return s;
}

static void prepare(struct ms_store *s)
{
    struct ms_error err = {0};
    check_ok(ms_store_set_namespaces(s, old_levels, 3, &err), err);
    check_ok(put(s, "data/0000a", 'A', MS_ALWAYS, &err), err);
    check_ok(put(s, "data/1111b", 'B', MS_ALWAYS, &err), err);
    check_ok(put(s, "data/3333d", 'D', MS_ALWAYS, &err), err);
    check_ok(ms_store_move(s, MS_MOVE_SOFT_DELETE, ms_str("data/3333d"), ms_str(""), false, &err),
             err);
    check_ok(put(s, "mix/level", 'L', MS_ALWAYS, &err), err);
    check_ok(ms_store_set_namespaces(s, namespaces, 3, &err), err);
}

static void state_of(struct ms_store *s, char state[ITEMS + 1])
{
    struct ms_error err = {0};
    for (int i = 0; i < ITEMS; i++) {
        struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
        struct ms_buf *value;
        o.deleted = items[i].deleted;
        int rc = ms_store_load(s, ms_str(items[i].key), &o, &value, &err);
        if (rc != MS_ERR_NOT_FOUND)
            check_ok(rc, err);
        state[i] = rc == 0 ? letter_of(value) : '-';
        if (rc == 0)
            ms_buf_unref(value);
    }
    state[ITEMS] = '\0';
}

/* What the quota counts is what lies there, also after a failure. */
static void check_quota(struct ms_store *s, const struct operation *o, long k, const char *state)
{
    struct ms_quota quota;
    struct ms_error err = {0};
    int64_t bytes = 0;
    for (int i = 0; i < ITEMS; i++)
        bytes += state[i] == '-' ? 0 : 1000;
    check_ok(ms_store_quota(s, &quota, &err), err);
    if (quota.usage_bytes != bytes)
        fail_msg("%s, allocation %ld: the quota counts %lld bytes instead of %lld", o->name, k,
                 (long long)quota.usage_bytes, (long long)bytes);
}

static bool allowed(const struct operation *o, int code, const char *state)
{
    if (strcmp(state, o->after) == 0)
        return true;
    if (code == 0)
        return false;
    for (int i = 0; o->each && i < ITEMS; i++)
        if (state[i] != BEFORE[i] && state[i] != o->after[i])
            return false;
    return o->each || strcmp(state, BEFORE) == 0;
}

/* Returns false when nothing was left to fail. */
static bool fail_one(const struct setting *setting, const struct operation *o, long k)
{
    struct ms_error err = {0};
    char state[ITEMS + 1];
    scratch_empty(scratch.path);
    struct ms_store *s = new_store(setting);
    check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    prepare(s);
    wrapalloc_arm(k);
    int code = o->run(s, &err);
    bool failed = wrapalloc_disarm();
    if (code != 0 && (code != MS_ERR_NO_MEMORY || err.code != code || !err.text[0] || !failed))
        fail_msg("%s: %s, allocation %ld: %s: %s", setting->url, o->name, k, ms_code_name(code),
                 err.text);
    state_of(s, state);
    if (!allowed(o, code, state))
        fail_msg("%s: %s, allocation %ld, gave %s and left %s", setting->url, o->name, k,
                 ms_code_name(code), state);
    if (setting->filters)
        check_quota(s, o, k, state);
    if (strcmp(state, BEFORE) == 0) /* still usable */
        check_ok(o->run(s, &err), err);
    ms_store_free(s);
    return failed;
}

static void fail_all(const struct setting *setting)
{
    unsigned failures = 0;
    for (size_t i = 0; i < OPERATIONS; i++) {
        long k = 0;
        while (fail_one(setting, &operations[i], k)) {
            failures++;
            if (++k == K_MAX)
                fail_msg("%s allocates without end", operations[i].name);
        }
    }
    print_message("%u failed allocations\n", failures);
    assert_true(failures >= OPERATIONS * 2); /* the interposition works */
    ms_pool_shutdown();
}

static void test_memory(void **state)
{
    (void)state;
    fail_all(&(struct setting){.url = "memory:"});
}

static void test_memory_with_filters(void **state)
{
    (void)state;
    fail_all(&(struct setting){.url = "memory:", .cache_url = "memory:", .filters = true});
}

static void test_posix(void **state)
{
    (void)state;
    struct setting setting = {0};
    snprintf(setting.url, sizeof setting.url, "file://%s/store?sync=none", scratch.path);
    fail_all(&setting);
}

static void test_posix_with_filters(void **state)
{
    (void)state;
    struct setting setting = {.filters = true};
    snprintf(setting.url, sizeof setting.url, "file://%s/store?sync=none", scratch.path);
    snprintf(setting.cache_url, sizeof setting.cache_url, "file://%s/cache?sync=none",
             scratch.path);
    fail_all(&setting);
}

/* Making and opening a Store with everything in front. */
static void test_making(void **state)
{
    (void)state;
    char url[128], cache_url[128];
    snprintf(url, sizeof url, "file://%s/store?sync=none&emulate.seed=1", scratch.path);
    snprintf(cache_url, sizeof cache_url, "file://%s/cache?sync=none", scratch.path);
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = namespaces;
    o.namespace_count = 3;
    o.cache_url = cache_url;
    o.quota_bytes = 1000;
    o.permissions = "\"\":lrwWD";
    bool failed = true;
    for (long k = 0; failed; k++) {
        struct ms_error err = {0};
        struct ms_store *s = NULL;
        scratch_empty(scratch.path);
        wrapalloc_arm(k);
        int code = ms_store_new(url, &o, &s, &err);
        if (code == 0)
            code = ms_store_create(s, &err);
        if (code == 0)
            code = ms_store_open(s, &err);
        failed = wrapalloc_disarm();
        if (code != 0 && (code != MS_ERR_NO_MEMORY || !failed))
            fail_msg("allocation %ld: %s: %s", k, ms_code_name(code), err.text);
        ms_store_free(s);
        assert_true(k < K_MAX);
    }
}

static void quiet(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory), cmocka_unit_test(test_memory_with_filters),
        cmocka_unit_test(test_posix),  cmocka_unit_test(test_posix_with_filters),
        cmocka_unit_test(test_making),
    };
    if (!scratch_make(&scratch))
        return 1;
    ms_log_to(quiet, NULL, MS_LOG_ERROR); /* a cache that fails says so */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove(&scratch);
    return failed;
}
