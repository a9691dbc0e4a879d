/* mstore/value_writer.c, value_reader.c, immutable_stream.c: values in streams: bytes, members that
 * fail before, in the midst, at the end, hang, and how much is loaded for what is read. */
#include "mstore/immutable.h"

#include "base/hash.h"
#include "base/pool.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <mstore/store.h>

#include <stdio.h>
#include <stdlib.h>

#define MIB ((size_t)1 << 20)

/* Appends `value` in odd pieces; at `stop` the test does something. */
static int write_value(struct fleet *f, const char *key, struct ms_buf *value, size_t stop,
                       void (*act)(struct fleet *f), struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_store_writer *w = NULL;
    size_t size = ms_buf_size(value), at = 0, step = 1;
    int code = ms_immutable_write(&site, f->ids, 0, NULL, &w, err);
    if (code)
        return code;
    while (at < size && !code) {
        size_t part = size - at < step ? size - at : step;
        if (act && at <= stop && at + part > stop)
            act(f);
        code = w->ops->append(w, ms_view(ms_buf_view(value).data + at, part), err);
        at += part;
        step = step * 3 % 500009 + 1;
    }
    if (!code)
        return w->ops->commit(w, NULL, err);
    w->ops->abort(w);
    return code;
}

static void assert_reads(struct fleet *f, const char *key, struct ms_buf *value)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_store_reader *r = NULL;
    struct ms_error err = {0};
    size_t size = ms_buf_size(value), at = 0, got = 1;
    static uint8_t bytes[300000];
    check_ok(ms_immutable_read(&site, &r, &err), err);
    assert_int_equal(r->info.size_bytes, size);
    while (got) {
        check_ok(r->ops->read(r, at, bytes, sizeof bytes, &got, &err), err);
        assert_true(got == (size - at < sizeof bytes ? size - at : sizeof bytes));
        assert_memory_equal(bytes, ms_buf_view(value).data + at, got);
        at += got;
    }
    assert_int_equal(at, size);
    if (size) { /* and back to somewhere else */
        check_ok(r->ops->read(r, size / 3, bytes, 10, &got, &err), err);
        assert_memory_equal(bytes, ms_buf_view(value).data + size / 3, got);
    }
    r->ops->close(r);
}

static void assert_loads(struct fleet *f, const char *key, struct ms_buf *value)
{
    fleet_assert_loads(f, key, value);
    assert_reads(f, key, value);
}

static void streams_come_back(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "redundancy = copies 2\n", "redundancy = copies 2\ncompress = zstd\n",
        "redundancy = ec 4+2\n", "redundancy = ec 4+2\nverify = sha256\n",
        "redundancy = ec 2+1\ncompress = zstd\n"};
    static const size_t sizes[] = {0, 1, 65536, 262144, 1000003, 9 * MIB + 17};
    for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
        struct fleet f;
        struct ms_error err = {0};
        fleet_make(&f, &(struct fleet_options){.members = 6, .policy = policies[p]});
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char key[MS_SHA256_HEX], hex[MS_HASH_HEX_MAX];
            struct ms_buf *value = fleet_value(sizes[i], i);
            fleet_digest(value, key);
            check_ok(write_value(&f, key, value, 0, NULL, &err), err);
            assert_loads(&f, key, value);
            struct ms_site site = fleet_site(&f, key);
            struct ms_item_info info;
            check_ok(ms_immutable_info(&site, &info, &err), err);
            assert_true(info.exists && info.size_bytes == sizes[i]);
            check_ok(ms_immutable_hash(&site, "sha256", hex, sizeof hex, &err), err);
            assert_string_equal(hex, key);
            ms_buf_unref(value);
        }
        fleet_free(&f);
    }
}

static void take_one_away(struct fleet *f)
{
    struct ms_site site = fleet_site(f, "0123");
    fleet_gone(f, site.order.member[1], true);
}

static void take_three_away(struct fleet *f)
{
    struct ms_site site = fleet_site(f, "0123");
    for (unsigned i = 0; i < 3; i++)
        fleet_gone(f, site.order.member[i], true);
}

static void members_may_fail_before_and_amid(void **state)
{
    (void)state;
    static const char *const policies[] = {"redundancy = copies 3\n", "redundancy = ec 2+2\n"};
    static const size_t stops[] = {0, 2 * MIB, 10 * MIB};
    struct ms_buf *value = fleet_value(12 * MIB, 4);
    for (unsigned i = 0; i < 6; i++) {
        struct fleet f;
        struct ms_error err = {0};
        unsigned wanted = i / 3 ? 4 : 3;
        fleet_make(&f, &(struct fleet_options){.members = 5, .policy = policies[i / 3]});
        struct ms_site site = fleet_site(&f, "0123");
        check_ok(write_value(&f, "0123", value, stops[i % 3], take_one_away, &err), err);
        /* another member took its place; too late for that: one less is there */
        assert_int_equal(fleet_all(&f, "val"), i % 3 == 2 ? wanted - 1 : wanted);
        assert_int_equal(fleet_all(&f, "hint"), 2);
        assert_loads(&f, "0123", value);
        fleet_gone(&f, site.order.member[0], true);
        assert_loads(&f, "0123", value);
        ms_pool_shutdown();
        fleet_free(&f);
    }
    ms_buf_unref(value);
}

static void too_few_members_leave_nothing(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = fleet_value(5 * MIB, 4);
    fleet_make(&f, &(struct fleet_options){.members = 4, .policy = "redundancy = copies 3\n"});
    check_code(write_value(&f, "0123", value, 2 * MIB, take_three_away, &err), MS_ERR_CONNECTION,
               err);
    assert_int_equal(fleet_all(&f, "val"), 0);
    ms_buf_unref(value);
    fleet_free(&f);
}

/* Room for 100 kB is left at the key's first target. */
static void fill_one(struct fleet *f)
{
    struct ms_site site = fleet_site(f, "0123");
    struct ms_error err = {0};
    struct ms_buf *filler = ms_buf_new(19900000);
    assert_non_null(filler);
    memset(ms_buf_data(filler), 1, ms_buf_size(filler));
    check_ok(ms_backend_store(f->storage[site.order.member[0]], ms_str("filler"), filler, NULL,
                              NULL, &err),
             err);
    ms_buf_unref(filler);
}

/* These storages say that they are full when a value is complete. */
static void a_full_member_is_replaced(void **state)
{
    (void)state;
    static const char *const policies[] = {"redundancy = copies 2\n", "redundancy = ec 2+1\n"};
    static const size_t sizes[] = {200000, 600000, 4 * MIB, 9 * MIB};
    for (unsigned i = 0; i < 8; i++) {
        struct fleet f;
        struct ms_error err = {0};
        unsigned objects = i / 4 ? 3 : 2;
        bool kept = sizes[i % 4] < 9 * MIB; /* until the end */
        struct ms_buf *value = fleet_value(sizes[i % 4], i);
        fleet_make(&f, &(struct fleet_options){
                           .members = objects + 1, .policy = policies[i / 4], .capacity = "20MB"});
        int code = write_value(&f, "0123", value, 0, fill_one, &err);
        /* both copies are needed, and two of three shards */
        check_code(code, kept || i / 4 ? 0 : MS_ERR_NO_SPACE, err);
        if (code) /* now it is known to be full */
            check_ok(write_value(&f, "0123", value, 0, NULL, &err), err);
        assert_int_equal(fleet_all(&f, "val"), kept || code ? objects : objects - 1);
        fleet_assert_loads(&f, "0123", value);
        ms_buf_unref(value);
        ms_pool_shutdown();
        fleet_free(&f);
    }
}

static void a_wrong_digest_leaves_nothing(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = fleet_value(1000, 4);
    fleet_make(
        &f, &(struct fleet_options){.members = 2, .policy = "redundancy = all\nverify = sha256\n"});
    check_code(write_value(&f, "0123", value, 0, NULL, &err), MS_ERR_INVALID, err);
    check_text(err, "the key 0123 is not the value's SHA-256");
    assert_int_equal(fleet_all(&f, "val"), 0);
    ms_buf_unref(value);
    fleet_free(&f);
}

static void hang_one(struct fleet *f)
{
    struct ms_site site = fleet_site(f, "0123");
    fleet_hang(f, site.order.member[0], 4);
}

static int hanging_run(void *arg)
{
    (void)arg;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = fleet_value(3 * MIB, 4);
    struct ms_cancel *cancel = NULL;
    fleet_make(&f, &(struct fleet_options){.members = 4,
                                           .policy = "redundancy = copies 3\n",
                                           .clock = ms_sim_clock(),
                                           .latency_ns = 1000000});
    check_ok(ms_cancel_new(&cancel, &err), err);
    struct ms_cancel *before = ms_cancel_swap(cancel);
    uint64_t begin = ms_clock_now(f.clock);
    check_ok(write_value(&f, "0123", value, 0, hang_one, &err), err);
    /* Given up after a second (or 4 times what is late), in its last call: so all must know that
     * its object may come late, which takes a lease. */
    assert_in_range((ms_clock_now(f.clock) - begin) / 1000000, 900, 16000);
    assert_loads(&f, "0123", value);
    ms_cancel_fire(cancel);
    ms_cancel_swap(before);
    check_ok(ms_sleep(f.clock, UINT64_C(10000000000), &err), err);
    assert_int_equal(fleet_all(&f, "val"), 2);
    ms_buf_unref(value);
    fleet_free(&f);
    ms_cancel_free(cancel);
    return 0;
}

static void a_hanging_member_is_given_up(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct ms_error err = {0};
        struct ms_sim_options options = {.seed = seed};
        check_ok(ms_sim_run(&options, hanging_run, NULL, NULL, &err), err);
    }
}

static void a_reader_loads_each_part_once(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = fleet_value(16 * MIB, 4);
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = copies 2\n"});
    check_ok(write_value(&f, "0123", value, 0, NULL, &err), err);
    uint64_t before = fleet_calls(&f, MS_VERB_COUNT);
    struct ms_site site = fleet_site(&f, "0123");
    struct ms_store_reader *r = NULL;
    static uint8_t bytes[65536];
    size_t got = 1;
    check_ok(ms_immutable_read(&site, &r, &err), err);
    for (uint64_t at = 0; got; at += got)
        check_ok(r->ops->read(r, at, bytes, sizeof bytes, &got, &err), err);
    r->ops->close(r);
    /* header and trailer, four windows */
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, 2 + 4);
    ms_buf_unref(value);
    fleet_free(&f);
}

/* One member fails when the reader is opened, so it is not asked first; and from the other the
 * value has gone when it is read: that is no success without bytes. */
static void gone_while_it_is_read(void **state)
{
    (void)state;
    for (unsigned failing = 0; failing < 2; failing++) {
        struct fleet f;
        struct ms_error err = {0};
        struct ms_store_reader *r = NULL;
        struct ms_fault fault = {.verb = MS_VERB_LOAD, .kind = MS_FAULT_NTH, .nth = 1};
        uint8_t bytes[100];
        size_t got = 0;
        fleet_make(&f, &(struct fleet_options){.members = 2, .policy = "redundancy = copies 2\n"});
        struct ms_buf *value = fleet_value(sizeof bytes, 1);
        fleet_put(&f, "k", value);
        ms_buf_unref(value);
        ms_pool_shutdown();
        struct ms_site site = fleet_site(&f, "k");
        check_ok(ms_emulator_set_faults(f.emulator[failing], &fault, 1, &err), err);
        check_ok(ms_immutable_read(&site, &r, &err), err);
        for (unsigned i = 0; i < 2; i++)
            fleet_wipe(&f, i, "val");
        int code = r->ops->read(r, 0, bytes, sizeof bytes, &got, &err);
        assert_true(code == MS_ERR_NOT_FOUND || code == MS_ERR_CONNECTION);
        assert_true(err.text[0]);
        r->ops->close(r);
        ms_pool_shutdown();
        fleet_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_come_back),
        cmocka_unit_test(members_may_fail_before_and_amid),
        cmocka_unit_test(too_few_members_leave_nothing),
        cmocka_unit_test(a_full_member_is_replaced),
        cmocka_unit_test(a_wrong_digest_leaves_nothing),
        cmocka_unit_test(a_hanging_member_is_given_up),
        cmocka_unit_test(a_reader_loads_each_part_once),
        cmocka_unit_test(gone_while_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
