/* mstore/founding.c, inquiry.c: opening a store of which a member is slow, and going again. Virtual
 * time. */
#include "support/changing.h"

#include "base/sim.h"
#include "store/options.h"
#include "support/check.h"

#include <stdio.h>

#define MS UINT64_C(1000000)

#define SPACES                                                                                     \
    "[namespace]\nkind = immutable\nredundancy = ec 2+1\nverify = none\n"                          \
    "[namespace config]\nkind = mutable\nredundancy = copies 3\n"                                  \
    "[namespace files]\nkind = plain\nredundancy = all\n"

#define SLOW (20000 * MS) /* a call of the slow member */

/* ---- who only reads waits for nobody who is not needed ---- */

static int run_slow(void *arg)
{
    struct changing *w = arg;
    changing_begin(w, w->founders, SPACES);
    changing_put(&w->client[0], "data0001", 1);
    changing_put(&w->client[0], "config/key1", 1);
    changing_put(&w->client[0], "files/one", 1);
    w->latency_ns[2] = SLOW;
    uint64_t began = ms_clock_now(ms_sim_clock());
    changing_client(w, 1);
    changing_expect(&w->client[1], "data0001", 1);
    changing_expect(&w->client[1], "config/key1", 1);
    changing_expect(&w->client[1], "files/one", 1);
    changing_end(&w->client[1]);
    assert_true(ms_clock_now(ms_sim_clock()) - began < SLOW / 2);
    changing_end(&w->client[0]); /* which has kept the storages */
    return 0;
}

static int run_slow_of_three(void *arg)
{
    ((struct changing *)arg)->founders = 3;
    return run_slow(arg);
}

static int run_slow_of_four(void *arg)
{
    ((struct changing *)arg)->founders = 4;
    return run_slow(arg);
}

static void a_reader_does_not_wait_for_a_slow_member(void **state)
{
    (void)state;
    changing_run_seeds(run_slow_of_three, 20);
    changing_run_seeds(run_slow_of_four, 20);
}

/* ---- what an earlier quota has counted ---- */

static void put_count(const struct changing *w, unsigned member)
{
    struct ms_error err = {0};
    struct ms_buf_borrowed b;
    struct ms_backend *storage = changing_storage(w, member);
    check_ok(ms_backend_store(storage, ms_str("quota.hid"), ms_buf_borrow(&b, ms_str("7")), NULL,
                              NULL, &err),
             err);
    ms_backend_free(storage);
}

static bool has_count(const struct changing *w, unsigned member)
{
    struct ms_error err = {0};
    struct ms_info info = {0};
    struct ms_backend *storage = changing_storage(w, member);
    check_ok(ms_backend_info(storage, ms_str("quota.hid"), &info, &err), err);
    ms_backend_free(storage);
    return info.exists;
}

static int run_count(void *arg)
{
    struct changing *w = arg;
    changing_begin(w, 3, SPACES);
    changing_put(&w->client[0], "files/one", 1);
    for (unsigned i = 0; i < 3; i++)
        put_count(w, i);
    changing_client(w, 1);
    changing_expect(&w->client[1], "files/one", 1);
    changing_put(&w->client[1], "data0001", 1); /* its objects are no values of the member's */
    changing_expect(&w->client[1], "data0001", 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(has_count(w, i));
    changing_put(&w->client[1], "files/one", 2);
    for (unsigned i = 0; i < 3; i++)
        assert_false(has_count(w, i));
    return changing_end_all(w, 2);
}

static void who_only_reads_deletes_no_count(void **state)
{
    (void)state;
    changing_run_seeds(run_count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_does_not_wait_for_a_slow_member),
        cmocka_unit_test(who_only_reads_deletes_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
