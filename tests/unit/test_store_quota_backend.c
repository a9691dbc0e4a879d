/* store/quota_backend.c and store/flat_store.c: a quota for names that are nested already. What is
 * counted, what is refused by each way in, what stays true when the storage or memory fails. That
 * it keeps all promises of a backend is in tests/conformance. */
#include "store/flat_store.h"
#include "store/quota_backend.h"

#include "support/check.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

#include "base/hash.h"
#include "base/text.h"
#include "store/filter.h"

#include <mstore/emulator.h>

#include <stdio.h>
#include <unistd.h>

static struct ms_error err;

/* A quota, over an emulator without faults, over a store in memory that `behind` shares. */
struct rig {
    struct ms_backend *b, *emulator, *behind;
    char url[64];
};

static int make_limited(struct rig *r, uint64_t limit)
{
    struct ms_backend *memory;
    struct ms_emulation plain;
    ms_emulation_init(&plain);
    int code = ms_backend_make(r->url, NULL, &memory, &err);
    if (code)
        return code;
    code = ms_emulator_new(memory, &plain, &r->emulator, &err);
    if (code) {
        ms_backend_free(memory);
        return code;
    }
    return ms_quota_backend_new(r->emulator, limit, &r->b, &err);
}

static void start(struct rig *r, uint64_t limit)
{
    static unsigned number;
    snprintf(r->url, sizeof r->url, "memory:quota-%u", ++number);
    check_ok(ms_backend_make(r->url, NULL, &r->behind, &err), err);
    check_ok(ms_backend_create(r->behind, &err), err);
    check_ok(ms_backend_open(r->behind, &err), err);
    check_ok(make_limited(r, limit), err);
}

static void stop(struct rig *r)
{
    ms_backend_free(r->b);
    ms_backend_free(r->behind);
}

static int put(struct ms_backend *b, const char *name, size_t size)
{
    struct ms_buf_borrowed place;
    uint8_t bytes[256] = {'v'};
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, ms_view(bytes, size)), NULL,
                            NULL, &err);
}

static int64_t used(struct rig *r)
{
    struct ms_quota q;
    check_ok(ms_quota_backend_get(r->b, &q, &err), err);
    return q.usage_bytes;
}

/* Of the values there, without the count: what the count must be. */
static int64_t lies_there(struct rig *r)
{
    static const char *const names[] = {"a", "b", "d/e", "d/f/g"};
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ms_info info;
        check_ok(ms_backend_info(r->behind, ms_str(names[i]), &info, &err), err);
        sum += info.exists ? (int64_t)info.size_bytes : 0;
    }
    return sum;
}

/* ---- what is counted ---- */

static void what_is_there_is_counted_however_deep(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 100);
    check_ok(put(r.behind, "a", 3), err);
    check_ok(put(r.behind, "d/e", 4), err);
    check_ok(put(r.behind, "d/f/g", 5), err);
    check_ok(ms_backend_mkdir(r.behind, ms_str("empty"), &err), err);
    check_ok(ms_backend_open(r.b, &err), err);
    assert_int_equal(used(&r), 12);
    check_ok(ms_backend_close(r.b, &err), err);
    check_ok(put(r.behind, "b", 50), err); /* past the quota: the next session believes the count */
    check_ok(ms_backend_open(r.b, &err), err);
    assert_int_equal(used(&r), 12);
    check_ok(ms_backend_close(r.b, &err), err);
    check_ok(put(r.behind, "quota.hid", 7), err); /* no number: all is counted again */
    check_ok(ms_backend_open(r.b, &err), err);
    assert_int_equal(used(&r), 62);
    stop(&r);
}

static void directories_may_be_nested_too_deeply(void **state)
{
    char name[200] = "x";
    struct rig r;
    (void)state;
    start(&r, 100);
    for (unsigned depth = 1; depth < 64; depth++)
        strcat(name, "/x");
    check_ok(put(r.behind, name, 1), err);
    check_ok(ms_backend_open(r.b, &err), err); /* 63 directories and the root */
    assert_int_equal(used(&r), 1);
    check_ok(ms_backend_close(r.b, &err), err);
    check_ok(ms_backend_delete(r.behind, ms_str("quota.hid"), &err), err);
    check_ok(ms_backend_delete(r.behind, ms_str(name), &err), err);
    strcat(name, "/x");
    check_ok(put(r.behind, name, 1), err);
    check_code(ms_backend_open(r.b, &err), MS_ERR_TOO_LARGE, err);
    check_text(err, "counting for the quota: ");
    check_text(err, "directories are nested too deeply");
    stop(&r);
}

static void every_way_in_keeps_below_it(void **state)
{
    struct rig r;
    struct ms_writer *w;
    uint8_t bytes[64] = {0};
    struct ms_part part = {ms_str("a"), 0, 41};
    const struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    (void)state;
    start(&r, 100);
    check_ok(ms_backend_open(r.b, &err), err);
    check_ok(put(r.b, "a", 60), err);
    check_code(put(r.b, "b", 41), MS_ERR_QUOTA, err);
    check_ok(ms_backend_write(r.b, ms_str("b"), 0, NULL, &w, &err), err);
    check_ok(ms_writer_append(w, ms_view(bytes, 30), &err), err);
    check_code(ms_writer_append(w, ms_view(bytes, 11), &err), MS_ERR_QUOTA, err);
    ms_writer_abort(w);
    check_code(ms_backend_compose(r.b, &part, 1, ms_str("d/e"), NULL, &err), MS_ERR_QUOTA, err);
    check_code(ms_backend_compose(r.b, &part, 1, ms_str("d/e"), &absent, &err), MS_ERR_QUOTA, err);
    check_code(ms_backend_copy(r.b, ms_str("a"), ms_str("b"), NULL, &err), MS_ERR_QUOTA, err);
    check_code(ms_backend_copy(r.b, ms_str("x"), ms_str("b"), NULL, &err), MS_ERR_NOT_FOUND, err);
    assert_int_equal(used(&r), 60);
    part.size = 40;
    check_code(ms_backend_compose(r.b, &part, 1, ms_str("a"), &absent, &err), MS_ERR_EXISTS, err);
    check_ok(ms_backend_compose(r.b, &part, 1, ms_str("d/e"), NULL, &err), err);
    assert_int_equal(used(&r), 100);
    check_ok(ms_backend_move(r.b, ms_str("a"), ms_str("d/e"), NULL, &err), err);
    assert_int_equal(used(&r), 60); /* what was there has gone */
    check_ok(ms_backend_write(r.b, ms_str("b"), 40, NULL, &w, &err), err);
    check_ok(ms_writer_append(w, ms_view(bytes, 40), &err), err);
    check_ok(ms_writer_commit(w, NULL, &err), err);
    assert_int_equal(used(&r), 100);
    check_ok(ms_backend_delete(r.b, ms_str("d/e"), &err), err);
    assert_int_equal(used(&r), 40);
    check_code(ms_backend_delete(r.b, ms_str("d/e"), &err), MS_ERR_NOT_FOUND, err);
    assert_int_equal(used(&r), 40);
    check_ok(ms_backend_copy(r.b, ms_str("b"), ms_str("a"), NULL, &err), err);
    assert_int_equal(used(&r), 80);
    assert_int_equal(lies_there(&r), 80);
    stop(&r);
}

/* ---- what changes no size ---- */

/* By handles of its own: those of the storage behind look for it in what they are given. */
static void values_are_listed_and_read(void **state)
{
    struct rig r;
    struct ms_lister *l = NULL;
    struct ms_reader *reader = NULL;
    const struct ms_entry *e;
    uint8_t bytes[8];
    size_t got = 0;
    (void)state;
    start(&r, 100);
    check_ok(ms_backend_open(r.b, &err), err);
    check_ok(put(r.b, "d/a", 3), err);
    check_ok(put(r.b, "d/b", 4), err);
    check_ok(ms_backend_list(r.b, ms_str("d"), NULL, &l, &err), err);
    check_ok(ms_lister_next(l, &e, &err), err);
    assert_true(e && ms_equal(e->name, ms_str("a")) && e->info.size_bytes == 3);
    check_ok(ms_lister_next(l, &e, &err), err);
    assert_true(e && ms_equal(e->name, ms_str("b")) && e->info.size_bytes == 4);
    check_ok(ms_lister_next(l, &e, &err), err);
    assert_null(e);
    ms_lister_close(l);
    check_ok(ms_backend_read(r.b, ms_str("d/b"), &reader, &err), err);
    assert_int_equal(ms_reader_info(reader)->size_bytes, 4);
    check_ok(ms_reader_read(reader, 0, bytes, sizeof bytes, &got, &err), err);
    assert_int_equal(got, 4);
    assert_int_equal(bytes[0], 'v');
    ms_reader_close(reader);
    check_code(ms_backend_list(r.b, ms_str("x"), NULL, &l, &err), MS_ERR_NOT_FOUND, err);
    check_code(ms_backend_read(r.b, ms_str("x"), &reader, &err), MS_ERR_NOT_FOUND, err);
    stop(&r);
}

static void the_rest_goes_straight_through(void **state)
{
    struct scratch scratch;
    struct ms_backend *file, *b;
    struct ms_info info;
    struct ms_capabilities can;
    uint64_t total = 0, left = 0, removed = 7;
    char url[128], bytes[3] = "", hex[MS_HASH_HEX_MAX];
    int fd = -1;
    (void)state;
    assert_true(scratch_make(&scratch));
    snprintf(url, sizeof url, "file://%s/store?sync=none", scratch.path);
    check_ok(ms_backend_make(url, NULL, &file, &err), err);
    check_ok(ms_quota_backend_new(file, 1000, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    ms_backend_capabilities(b, &can);
    assert_int_equal(can.flags & (MS_CAP_COPY | MS_CAP_BATCH | MS_CAP_DELETE_MANY), 0);
    check_ok(put(b, "d/a", 3), err);
    check_ok(ms_backend_open_file(b, ms_str("d/a"), &fd, &info, &err), err);
    assert_int_equal(read(fd, bytes, sizeof bytes), 3);
    assert_int_equal(bytes[0], 'v');
    assert_int_equal(info.size_bytes, 3);
    close(fd);
    check_ok(ms_backend_hash(b, ms_str("d/a"), "sha256", hex, sizeof hex, &err), err);
    assert_int_equal(strlen(hex), 64);
    check_ok(ms_backend_usage(b, &total, &left, &err), err);
    assert_true(total >= left && total > 0 && total != UINT64_MAX);
    check_ok(ms_backend_sweep(b, 0, &removed, &err), err);
    assert_int_equal(removed, 0);
    check_ok(ms_backend_delete(b, ms_str("d/a"), &err), err);
    check_ok(ms_backend_rmdir(b, ms_str("d"), &err), err);
    check_code(ms_backend_rmdir(b, ms_str("d"), &err), MS_ERR_NOT_FOUND, err);
    check_ok(ms_backend_close(b, &err), err);
    check_ok(ms_backend_destroy(b, &err), err);
    ms_backend_free(b);
    snprintf(url, sizeof url, "%s/store", scratch.path);
    assert_int_equal(access(url, F_OK), -1);
    scratch_remove(&scratch);
}

/* ---- a storage that fails ---- */

static void fail_nth(struct rig *r, int verb, uint64_t nth, bool after)
{
    const struct ms_fault fault = {
        .verb = verb, .kind = MS_FAULT_NTH, .nth = nth, .after = after, .code = MS_ERR_CONNECTION};
    check_ok(ms_emulator_set_faults(r->emulator, &fault, 1, &err), err);
}

static void a_storage_that_cannot_be_counted_is_not_opened(void **state)
{
    struct rig r;
    (void)state;
    start(&r, 100);
    check_ok(put(r.behind, "d/e", 4), err);
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the root, then d */
        fail_nth(&r, MS_VERB_LIST, nth, false);
        check_code(ms_backend_open(r.b, &err), MS_ERR_CONNECTION, err);
        check_text(err, "counting for the quota: ");
    }
    fail_nth(&r, MS_VERB_LOAD, 1, false);
    check_code(ms_backend_open(r.b, &err), MS_ERR_CONNECTION, err);
    check_text(err, "reading the quota's count: ");
    check_ok(ms_emulator_set_faults(r.emulator, NULL, 0, &err), err);
    check_ok(ms_backend_open(r.b, &err), err);
    assert_int_equal(used(&r), 4);
    stop(&r);
}

static int change(struct ms_backend *b, unsigned how)
{
    struct ms_part part = {ms_str("a"), 0, 7};
    struct ms_writer *w;
    int code;
    switch (how) {
    case 0:
        return put(b, "b", 20);
    case 1:
        return put(b, "a", 5);
    case 2:
        return ms_backend_delete(b, ms_str("a"), &err);
    case 3:
        return ms_backend_move(b, ms_str("a"), ms_str("d/e"), NULL, &err);
    case 4:
        return ms_backend_compose(b, &part, 1, ms_str("d/f/g"), NULL, &err);
    default:
        code = ms_backend_write(b, ms_str("b"), 0, NULL, &w, &err);
        if (code)
            return code;
        code = ms_writer_append(w, ms_str("0123456789"), &err);
        if (!code)
            return ms_writer_commit(w, NULL, &err);
        ms_writer_abort(w);
        return code;
    }
}
#define CHANGES 6

/* Whether it was done or not: what is counted is what lies there. */
static void a_change_that_fails_is_counted_as_what_it_did(void **state)
{
    (void)state;
    for (unsigned how = 0; how < CHANGES; how++)
        for (unsigned after = 0; after < 2; after++) {
            struct rig r;
            bool failed = false;
            start(&r, 200);
            check_ok(ms_backend_open(r.b, &err), err);
            check_ok(put(r.b, "a", 10), err);
            check_ok(put(r.b, "d/e", 30), err);
            for (int verb = 0; verb < MS_VERB_COUNT; verb++) {
                fail_nth(&r, verb, 1, after);
                int code = change(r.b, how);
                failed = failed || code == MS_ERR_CONNECTION;
                check_ok(ms_emulator_set_faults(r.emulator, NULL, 0, &err), err);
                assert_int_equal(used(&r), lies_there(&r));
                check_ok(put(r.b, "a", 10), err);
                check_ok(put(r.b, "d/e", 30), err);
            }
            assert_true(failed);
            stop(&r);
        }
}

/* ---- memory that runs out ---- */

static int session(struct rig *r)
{
    int code = make_limited(r, 200);
    if (code)
        return code;
    code = ms_backend_open(r->b, &err);
    for (unsigned how = 0; how < CHANGES && !code; how++) {
        code = put(r->b, "a", 10);
        if (!code)
            code = change(r->b, how);
    }
    return code;
}

static void allocation_k_fails(void **state)
{
    struct rig r;
    bool failed = true;
    (void)state;
    start(&r, 200);
    ms_backend_free(r.b);
    for (long k = 0; failed; k++) {
        r.b = NULL;
        check_ok(put(r.behind, "d/e", 4), err);
        (void)!ms_backend_delete(r.behind, ms_str("quota.hid"), NULL);
        wrapalloc_arm(k);
        int code = session(&r);
        failed = wrapalloc_disarm();
        if (code)
            check_code(code, MS_ERR_NO_MEMORY, err);
        else
            assert_int_equal(used(&r), lies_there(&r));
        ms_backend_free(r.b);
        assert_true(failed || k > 20);
        assert_true(k < 2000);
    }
    ms_backend_free(r.behind);
}

/* ---- what a flat Store does not know ---- */

static void a_flat_store_has_one_namespace_and_one_order(void **state)
{
    struct ms_backend *memory;
    struct ms_store *s = NULL;
    struct ms_store_lister *l = NULL;
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_quota q;
    char key[8];
    (void)state;
    check_ok(ms_backend_make("memory:", NULL, &memory, &err), err);
    check_ok(ms_flat_store_new(memory, &s, &err), err);
    check_ok(s->ops->create(s, &err), err);
    check_ok(s->ops->open(s, &err), err);
    check_ok(put(memory, "d/e", 4), err);
    check_code(s->ops->set_namespaces(s, NULL, 0, &err), MS_ERR_UNSUPPORTED, err);
    check_code(
        s->ops->move(s, MS_MOVE_SOFT_DELETE, ms_str("d/e"), ms_str("d/e"), false, &always, &err),
        MS_ERR_UNSUPPORTED, err);
    check_text(err, "only renaming is known here");
    o.prefix = ms_str("d");
    check_code(s->ops->list(s, "", &o, &l, &err), MS_ERR_UNSUPPORTED, err);
    check_text(err, "only all is listed here");
    const struct ms_defrag_part part = {ms_str("d/e"), 0, 2};
    check_code(s->ops->defrag(s, "", &part, 1, ms_str(""), "sha256", key, sizeof key, &err),
               MS_ERR_INVALID, err);
    check_code(s->ops->defrag(s, "", &part, 1, ms_str("too-long"), "sha256", key, sizeof key, &err),
               MS_ERR_INVALID, err);
    check_ok(s->ops->defrag(s, "", &part, 1, ms_str("target"), "sha256", key, sizeof key, &err),
             err);
    assert_string_equal(key, "target");
    check_ok(s->ops->quota(s, &q, &err), err);
    assert_true(q.limit_bytes == -1 && q.usage_bytes == -1);
    s->ops->free(s);
}

static void a_flat_store_reads_and_writes(void **state)
{
    struct ms_backend *memory;
    struct ms_store *s = NULL;
    struct ms_store_reader *r = NULL;
    struct ms_buf *value = NULL;
    const struct ms_item_ref there = {.key = ms_str("d/e")}, none = {.key = ms_str("d/x")};
    char hex[MS_HASH_HEX_MAX];
    uint8_t bytes[4];
    size_t got = 0;
    (void)state;
    check_ok(ms_backend_make("memory:", NULL, &memory, &err), err);
    check_ok(ms_flat_store_new(memory, &s, &err), err);
    check_ok(s->ops->create(s, &err), err);
    check_ok(s->ops->open(s, &err), err);
    check_ok(put(memory, "d/e", 4), err);
    check_ok(s->ops->load(s, there, -3, MS_SIZE_TO_END, &value, &err), err);
    assert_int_equal(ms_buf_size(value), 3);
    ms_buf_unref(value);
    check_ok(s->ops->read(s, there, &r, &err), err);
    assert_int_equal(r->info.size_bytes, 4);
    check_ok(r->ops->read(r, 0, bytes, 4, &got, &err), err);
    assert_int_equal(got, 4);
    assert_int_equal(bytes[0], 'v');
    r->ops->close(r);
    check_code(s->ops->read(s, none, &r, &err), MS_ERR_NOT_FOUND, err);
    check_code(s->ops->hash(s, none, "sha256", hex, sizeof hex, &err), MS_ERR_NOT_FOUND, err);
    check_ok(s->ops->hash(s, there, "sha256", hex, sizeof hex, &err), err);
    check_ok(s->ops->cache_invalidate(s, MS_INVALIDATE_ALL, ms_str(""), &err), err);
    check_ok(s->ops->close(s, &err), err);
    check_ok(s->ops->destroy(s, &err), err);
    s->ops->free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_counted_however_deep),
        cmocka_unit_test(directories_may_be_nested_too_deeply),
        cmocka_unit_test(every_way_in_keeps_below_it),
        cmocka_unit_test(values_are_listed_and_read),
        cmocka_unit_test(the_rest_goes_straight_through),
        cmocka_unit_test(a_storage_that_cannot_be_counted_is_not_opened),
        cmocka_unit_test(a_change_that_fails_is_counted_as_what_it_did),
        cmocka_unit_test(allocation_k_fails),
        cmocka_unit_test(a_flat_store_has_one_namespace_and_one_order),
        cmocka_unit_test(a_flat_store_reads_and_writes),
    };
    return cmocka_run_group_tests_name("quota of a backend", tests, NULL, NULL);
}
