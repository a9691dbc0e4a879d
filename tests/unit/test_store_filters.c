/* The filters as ms_store_new stacks them over real storage: permissions, cache, quota together. */
#include <mstore/emulator.h>
#include <mstore/store.h>

#include "base/pool.h"
#include "support/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[64], url[128], cache_url[128];
};

static struct ms_namespace namespaces[] = {
    {.name = "", .levels = {0}, .level_count = 1},
    {.name = "data", .levels = {2}, .level_count = 1, .cache = MS_CACHE_WRITETHROUGH},
};

static struct ms_store_options options_of(const struct place *p)
{
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = namespaces;
    o.namespace_count = 2;
    o.cache_url = p->cache_url;
    o.ignore_environment = true;
    return o;
}

static struct ms_store *opened(const struct place *p, const struct ms_store_options *o, bool create)
{
    struct ms_store *s = NULL;
    struct ms_error err = {0};
    check_ok(ms_store_new(p->url, o, &s, &err), err);
    if (create)
        check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    return s;
}

static void done(struct ms_store *s)
{
    struct ms_error err = {0};
    check_ok(ms_store_close(s, &err), err);
    ms_store_free(s);
}

static int put(struct ms_store *s, const char *key, const char *text, struct ms_error *err)
{
    struct ms_buf_borrowed place;
    return ms_store_store(s, ms_str(key), ms_buf_borrow(&place, ms_str(text)), NULL, NULL, err);
}

static void expect(struct ms_store *s, const char *key, const char *text)
{
    struct ms_buf *value = NULL;
    struct ms_error err = {0};
    check_ok(ms_store_load(s, ms_str(key), NULL, &value, &err), err);
    assert_int_equal(ms_buf_size(value), strlen(text));
    assert_memory_equal(ms_buf_view(value).data, text, strlen(text));
    ms_buf_unref(value);
}

/* A file below the folder has that content; NULL: it is not there. */
static void expect_file(const struct place *p, const char *name, const char *text)
{
    char path[256], got[64] = "";
    snprintf(path, sizeof(path), "%s/%s", p->folder, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0 && !text)
        return;
    ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0 || !text || strcmp(got, text) != 0)
        fail_msg("%s holds \"%s\", not \"%s\"", path, n < 0 ? "nothing" : got,
                 text ? text : "nothing");
}

static void everything_together(void **state)
{
    struct place *p = *state;
    struct ms_store_options o = options_of(p);
    struct ms_error err = {0};
    o.quota_bytes = 20;
    o.permissions = "\"\":lrw data:lrw locks:lrwWD";
    struct ms_store *s = opened(p, &o, true);
    check_ok(put(s, "data/0123456789", "value", &err), err);
    expect_file(p, "store/data/01/23/0123456789", "value");
    expect_file(p, "cache/data/01/23/0123456789", "value");
    check_code(put(s, "data/0123456789", "other", &err), MS_ERR_PERMISSION, err);
    assert_string_equal(err.text, "overwriting data/0123456789 needs W; \"data\" allows only lrw");
    expect(s, "data/0123456789", "value");
    check_code(ms_store_delete(s, ms_str("data/0123456789"), false, &err), MS_ERR_PERMISSION, err);
    check_code(put(s, "data/ffff", "0123456789abcdef", &err), MS_ERR_QUOTA, err);
    check_text(err, "5 of 20 are used");
    expect_file(p, "cache/data/ff/ff/ffff", NULL);
    check_ok(put(s, "locks/x", "0123456789", &err), err);
    check_ok(put(s, "locks/x", "012", &err), err);
    check_ok(ms_store_move(s, MS_MOVE_SOFT_DELETE, ms_str("locks/x"), ms_str(""), false, &err),
             err);
    struct ms_quota quota;
    check_ok(ms_store_quota(s, &quota, &err), err);
    assert_int_equal(quota.limit_bytes, 20);
    assert_int_equal(quota.usage_bytes, 8);
    done(s);
    expect_file(p, "store/quota.hid", "8");
}

static void the_next_session_goes_on(void **state)
{
    struct place *p = *state;
    struct ms_store_options o = options_of(p);
    struct ms_error err = {0};
    struct ms_quota quota;
    struct ms_store *s = opened(p, &o, true);
    check_ok(put(s, "data/0123", "value", &err), err);
    check_ok(ms_store_quota(s, &quota, &err), err);
    assert_int_equal(quota.limit_bytes, -1);
    assert_int_equal(quota.usage_bytes, -1);
    done(s);
    expect_file(p, "store/quota.hid", NULL);
    o.quota_bytes = 100;
    s = opened(p, &o, false); /* a quota from now on: counted */
    expect_file(p, "store/quota.hid", "5");
    check_ok(put(s, "data/0123", "a longer value", &err), err);
    done(s);
    expect_file(p, "store/quota.hid", "14");
    o.quota_bytes = 0;
    s = opened(p, &o, false);
    expect(s, "data/0123", "a longer value");
    expect_file(p, "store/quota.hid", "14");
    check_ok(put(s, "data/0123", "another value", &err), err); /* no longer true: removed */
    expect_file(p, "store/quota.hid", NULL);
    done(s);
}

static void a_store_gets_a_cache_later(void **state)
{
    struct place *p = *state;
    struct ms_store_options o = options_of(p);
    struct ms_error err = {0};
    namespaces[1].cache = MS_CACHE_OFF;
    struct ms_store *s = opened(p, &o, true);
    check_ok(put(s, "data/0123", "value", &err), err);
    done(s);
    namespaces[1].cache = MS_CACHE_WRITETHROUGH;
    s = opened(p, &o, false);
    expect(s, "data/0123", "value");
    expect_file(p, "cache/data/01/23/0123", "value");
    check_ok(ms_store_cache_invalidate(s, MS_INVALIDATE_NAMESPACE, ms_str("data"), &err), err);
    expect_file(p, "cache/data/01/23/0123", NULL);
    done(s);
}

/* The second backend of a store whose calls are counted. */
static void a_hit_costs_the_primary_nothing(void **state)
{
    struct place *p = *state;
    struct ms_store_options o = options_of(p);
    struct ms_error err = {0};
    struct ms_backend *inner, *primary;
    struct ms_emulation plain;
    struct ms_store *s;
    ms_emulation_init(&plain);
    check_ok(ms_backend_make("memory:", NULL, &inner, &err), err);
    check_ok(ms_emulator_new(inner, &plain, &primary, &err), err);
    check_ok(ms_store_new_over(primary, &o, &s, &err), err);
    check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    check_ok(put(s, "data/0123", "value", &err), err);
    uint64_t before = ms_emulator_calls(primary, MS_VERB_COUNT);
    expect(s, "data/0123", "value");
    struct ms_load_options part = MS_LOAD_OPTIONS_INIT;
    part.offset = -2;
    struct ms_buf *value = NULL;
    check_ok(ms_store_load(s, ms_str("data/0123"), &part, &value, &err), err);
    assert_memory_equal(ms_buf_view(value).data, "ue", 2);
    ms_buf_unref(value);
    assert_int_equal(ms_emulator_calls(primary, MS_VERB_COUNT), before);
    check_ok(ms_emulator_set_gone(primary, true, &err),
             err); /* a copy serves without the primary */
    expect(s, "data/0123", "value");
    check_ok(ms_emulator_set_gone(primary, false, &err), err);
    done(s);
}

/* Real threads, few keys, all verbs at once: for the thread sanitizer, and the books at the end. */
static int hammer(void *arg, size_t i)
{
    struct ms_store *s = arg;
    char key[32];
    struct ms_buf *value = NULL;
    snprintf(key, sizeof(key), "data/%04zu", i % 5);
    switch (i % 7) {
    case 0:
        (void)!ms_store_delete(s, ms_str(key), false, NULL); /* may be gone already */
        break;
    case 1:
        (void)!ms_store_move(s, MS_MOVE_RENAME, ms_str(key), ms_str("data/0000"), false, NULL);
        break;
    case 2:
    case 3:
    case 4:
        (void)!ms_store_load(s, ms_str(key), NULL, &value, NULL);
        ms_buf_unref(value);
        break;
    default:
        return put(s, key, key + i % 8, NULL);
    }
    return 0;
}

static void threads_at_once(void **state)
{
    struct place *p = *state;
    struct ms_store_options o = options_of(p);
    struct ms_error err = {0};
    struct ms_store_lister *l;
    const struct ms_item *item;
    struct ms_quota quota;
    uint64_t total = 0;
    o.quota_bytes = 1000;
    namespaces[1].cache_size_bytes = 12; /* evicting all the time */
    struct ms_store *s = opened(p, &o, true);
    check_ok(ms_parallel(700, 8, hammer, s, &err), err);
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    check_ok(ms_store_list(s, "", &all, &l, &err), err);
    while (ms_store_lister_next(l, &item, &err) == 0 && item)
        total += item->info.size_bytes;
    ms_store_lister_close(l);
    check_ok(ms_store_quota(s, &quota, &err), err);
    assert_int_equal(quota.usage_bytes, total);
    done(s);
    namespaces[1].cache_size_bytes = 0;
}

/* ---- folders ---- */

static int make_place(void **state)
{
    static struct place p;
    strcpy(p.folder, "/tmp/mstore-filters-XXXXXX");
    if (!mkdtemp(p.folder))
        return -1;
    snprintf(p.url, sizeof(p.url), "file://%s/store?sync=none", p.folder);
    snprintf(p.cache_url, sizeof(p.cache_url), "file://%s/cache?sync=none", p.folder);
    *state = &p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int remove_place(void **state)
{
    struct place *p = *state;
    return nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define in_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(everything_together),
        in_place(the_next_session_goes_on),
        in_place(a_store_gets_a_cache_later),
        in_place(a_hit_costs_the_primary_nothing),
        in_place(threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
