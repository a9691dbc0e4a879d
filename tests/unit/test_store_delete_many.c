/* Many hard deletes of a Store whose storage makes one call of them: an S3 server of ours, which
 * counts. */
#include "support/check.h"
#include "support/s3_fake.h"

#include <mstore/store.h>

#include <stdio.h>
#include <stdlib.h>

#define COUNT 120

static struct s3_fake server;
static char keys[COUNT][32];
static struct ms_many items[COUNT];
static struct ms_error err;

/* With these levels; not yet open. */
static struct ms_store *make(unsigned first, unsigned second, const char *permissions,
                             uint64_t quota_bytes)
{
    char url[256];
    struct ms_store *s = NULL;
    struct ms_namespace ns = {
        .name = "data", .levels = {first, second}, .level_count = first == second ? 1 : 2};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = &ns;
    o.namespace_count = 1;
    o.permissions = permissions;
    o.quota_bytes = quota_bytes;
    snprintf(url, sizeof url,
             "s3:ID:secret@http://127.0.0.1:%d/bucket/p?if_absent=no&provider=ceph", server.port);
    check_ok(ms_store_new(url, &o, &s, &err), err);
    return s;
}

static void fill(struct ms_store *s, int from, int to)
{
    check_ok(ms_store_open(s, &err), err);
    for (int i = from; i < to; i++) {
        struct ms_buf_borrowed place;
        snprintf(keys[i], sizeof keys[i], "data/%02x%04d", i * 7 % 256, i);
        check_ok(ms_store_store(s, ms_str(keys[i]), ms_buf_borrow(&place, ms_str("value")), NULL,
                                NULL, &err),
                 err);
    }
    ms_store_free(s);
}

static void prepare(void)
{
    for (int i = 0; i < COUNT; i++)
        items[i] = (struct ms_many){.key = ms_str(keys[i]), .code = 99};
}

static void free_results(void)
{
    for (int i = 0; i < COUNT; i++)
        free(items[i].error);
}

/* A bucket with half of the items at either level, and a Store that looks at both. */
static struct ms_store *begin(const char *permissions, uint64_t quota_bytes)
{
    s3_fake_reset(&server);
    struct ms_store *s = make(1, 1, NULL, 0);
    check_ok(ms_store_create(s, &err), err);
    fill(s, 0, COUNT / 2);
    fill(make(0, 0, NULL, 0), COUNT / 2, COUNT);
    s = make(1, 0, permissions, quota_bytes);
    check_ok(ms_store_open(s, &err), err);
    prepare();
    atomic_store(&server.state->requests, 0);
    return s;
}

static bool exists(struct ms_store *s, int i)
{
    struct ms_item_info info = {0};
    check_ok(ms_store_info(s, ms_str(keys[i]), false, &info, &err), err);
    return info.exists;
}

static void one_call_for_each_level(void **state)
{
    (void)state;
    struct ms_store *s = begin(NULL, 0);
    check_ok(ms_store_delete(s, ms_str(keys[3]), false, &err), err);
    atomic_store(&server.state->requests, 0);
    atomic_store(&server.state->heads, 0);
    check_code(ms_store_delete_many(s, items, COUNT, 8, &err), MS_ERR_NOT_FOUND, err);
    check_text(err, keys[3]);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(items[i].code, i == 3 ? MS_ERR_NOT_FOUND : 0);
    assert_non_null(strstr(items[3].error, keys[3]));
    assert_int_equal(atomic_load(&server.state->delete_many), 2);
    /* one for each at the first level, for half of them at the second; the missing one comes to
     * four, since it is looked for twice */
    unsigned heads = COUNT + COUNT / 2 + 1 + 2;
    assert_int_equal(atomic_load(&server.state->heads), heads);
    assert_int_equal(atomic_load(&server.state->requests), heads + 2);
    for (int i = 0; i < COUNT; i++)
        assert_false(exists(s, i));
    free_results();
    ms_store_free(s);
}

static void tells_each_failure(void **state)
{
    (void)state;
    struct ms_store *s = begin(NULL, 0);
    items[0].key = ms_str("nowhere/x");
    items[1].deleted = true; /* it is not */
    atomic_store(&server.state->refuse_delete_many, 403);
    snprintf(server.state->said, sizeof server.state->said, "AccessDenied");
    check_code(ms_store_delete_many(s, items, COUNT, 8, &err), MS_ERR_CONFIG, err);
    assert_int_equal(items[1].code, MS_ERR_NOT_FOUND);
    for (int i = 2; i < COUNT; i++) {
        assert_int_equal(items[i].code, MS_ERR_ACCESS);
        assert_non_null(strstr(items[i].error, "denies access"));
    }
    assert_true(exists(s, 2));
    free_results();
    ms_store_free(s);
}

static void deletes_what_was_soft_deleted(void **state)
{
    (void)state;
    struct ms_store *s = begin(NULL, 0);
    for (int i = 0; i < COUNT; i++) {
        items[i].deleted = i % 3 == 0;
        if (items[i].deleted)
            check_ok(
                ms_store_move(s, MS_MOVE_SOFT_DELETE, ms_str(keys[i]), ms_str(""), false, &err),
                err);
    }
    check_ok(ms_store_delete_many(s, items, COUNT, 8, &err), err);
    for (int i = 0; i < COUNT; i++) {
        struct ms_item_info info = {0};
        check_ok(ms_store_info(s, ms_str(keys[i]), true, &info, &err), err);
        assert_false(info.exists);
    }
    ms_store_free(s);
}

static void permissions_are_asked_before(void **state)
{
    (void)state;
    char map[64];
    struct ms_store *s = begin("data:lrwD", 0);
    ms_store_free(s);
    snprintf(map, sizeof map, "data:lrwD %s:lr", keys[5]);
    s = begin(map, 0);
    check_code(ms_store_delete_many(s, items, COUNT, 8, &err), MS_ERR_PERMISSION, err);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(items[i].code, i == 5 ? MS_ERR_PERMISSION : 0);
    assert_true(exists(s, 5));
    assert_false(exists(s, 6));
    assert_int_equal(atomic_load(&server.state->deletes), 0);
    free_results();
    ms_store_free(s);
}

/* The quota's book has each value's size from the delete of one: it stays with those. */
static void a_quota_is_kept(void **state)
{
    (void)state;
    struct ms_quota quota;
    struct ms_store *s = begin(NULL, 1000000);
    check_ok(ms_store_quota(s, &quota, &err), err);
    assert_int_equal(quota.usage_bytes, COUNT * 5);
    check_ok(ms_store_delete_many(s, items, COUNT, 8, &err), err);
    check_ok(ms_store_quota(s, &quota, &err), err);
    assert_int_equal(quota.usage_bytes, 0);
    ms_store_free(s);
}

static void cancelled_before(void **state)
{
    (void)state;
    struct ms_store *s = begin(NULL, 0);
    struct ms_cancel *token = NULL;
    check_ok(ms_cancel_new(&token, &err), err);
    ms_cancel_fire(token);
    struct ms_cancel *outer = ms_cancel_swap(token);
    check_code(ms_store_delete_many(s, items, COUNT, 8, &err), MS_ERR_CANCELLED, err);
    ms_cancel_swap(outer);
    ms_cancel_free(token);
    assert_int_equal(items[7].code, MS_ERR_CANCELLED);
    assert_non_null(items[7].error);
    assert_int_equal(atomic_load(&server.state->requests), 0);
    free_results();
    ms_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_for_each_level),
        cmocka_unit_test(tells_each_failure),
        cmocka_unit_test(deletes_what_was_soft_deleted),
        cmocka_unit_test(permissions_are_asked_before),
        cmocka_unit_test(a_quota_is_kept),
        cmocka_unit_test(cancelled_before),
    };
    if (!s3_fake_start(&server, false))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    s3_fake_stop(&server);
    return failed;
}
