/* Allocation k fails, for each k, in a store, a load, a range, a deletion, a stream of an immutable
 * key: an error or success, never wrong bytes, nothing leaked, and the next call works. */
#include "mstore/immutable.h"

#include "base/pool.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"
#include "tests/support/wrapalloc.h"

#include <stdlib.h>

#define SIZE 200000

static struct ms_buf *value;

static int do_store(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    return ms_immutable_store(site, f->ids, value, NULL, err);
}

static int do_load(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    struct ms_buf *got = NULL;
    (void)f;
    int code = ms_immutable_load(site, 0, MS_SIZE_TO_END, &got, err);
    if (!code) {
        assert_int_equal(ms_buf_size(got), SIZE);
        assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data, SIZE);
    }
    ms_buf_unref(got);
    return code;
}

static int do_range(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    struct ms_buf *got = NULL;
    (void)f;
    int code = ms_immutable_load(site, 70000, 100, &got, err);
    if (!code) {
        assert_int_equal(ms_buf_size(got), 100);
        assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data + 70000, 100);
    }
    ms_buf_unref(got);
    return code;
}

static int do_info(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    struct ms_item_info info;
    (void)f;
    int code = ms_immutable_info(site, &info, err);
    if (!code && info.exists)
        assert_int_equal(info.size_bytes, SIZE);
    return code;
}

static int do_write(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    struct ms_store_writer *w = NULL;
    int code = ms_immutable_write(site, f->ids, 0, NULL, &w, err);
    if (code)
        return code;
    code = w->ops->append(w, ms_buf_view(value), err);
    if (!code)
        return w->ops->commit(w, NULL, err);
    w->ops->abort(w);
    return code;
}

static int do_read(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    struct ms_store_reader *r = NULL;
    static uint8_t bytes[SIZE];
    size_t got = 0;
    (void)f;
    int code = ms_immutable_read(site, &r, err);
    if (code)
        return code;
    code = r->ops->read(r, 0, bytes, sizeof bytes, &got, err);
    if (!code) {
        assert_int_equal(got, SIZE);
        assert_memory_equal(bytes, ms_buf_view(value).data, SIZE);
    }
    r->ops->close(r);
    return code;
}

static int do_delete(struct fleet *f, struct ms_site *site, struct ms_error *err)
{
    return ms_immutable_delete(site, f->ids, err);
}

typedef int (*operation)(struct fleet *f, struct ms_site *site, struct ms_error *err);

static void try_all(const char *policy, operation op)
{
    struct ms_error err = {0};
    for (long k = 0;; k++) {
        struct fleet f;
        fleet_make(&f,
                   &(struct fleet_options){.members = 4, .policy = policy, .lease_ns = 5000000});
        struct ms_site site = fleet_site(&f, "0123");
        check_ok(do_store(&f, &site, &err), err);
        wrapalloc_arm(k);
        int code = op(&f, &site, &err);
        ms_pool_shutdown(); /* stragglers and repairs have ended, and it is disarmed for them too */
        bool failed = wrapalloc_disarm();
        if (code && !failed)
            fail_msg("allocation %ld: %s", k, err.text);
        check_ok(do_store(&f, &site, &err), err);
        check_ok(do_load(&f, &site, &err), err);
        ms_pool_shutdown();
        fleet_free(&f);
        if (!failed)
            break;
        assert_true(k < 5000);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const operation operations[] = {do_store, do_load, do_range, do_info,
                                           do_write, do_read, do_delete};
    value = ms_buf_new(SIZE);
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i++)
        ms_buf_data(value)[i] = (uint8_t)(i * 7 + (i >> 8));
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        try_all("redundancy = copies 2\n", operations[i]);
        try_all("redundancy = ec 2+1\n", operations[i]);
    }
    ms_buf_unref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
