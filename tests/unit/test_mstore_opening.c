/* mstore/founding.c, inquiry.c, layout_differ.c: opening a store of which a member is slow, or with
 * a file that says other policies, and going again. Virtual time. */
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

/* ---- what a file says of policies ---- */

struct said {
    unsigned count;
    char text[4][800];
};

static void note(void *ctx, const char *sentence)
{
    struct said *said = ctx;
    assert_true(said->count < 4);
    snprintf(said->text[said->count++], sizeof said->text[0], "%s", sentence);
}

static void compare(const char *mine, const char *theirs, struct said *said)
{
    struct ms_mconf *file = NULL, *in_force = NULL;
    struct ms_error err = {0};
    *said = (struct said){.count = 0};
    check_ok(ms_mconf_parse(ms_str(mine), "conf", &file, &err), err);
    check_ok(ms_mconf_parse(ms_str(theirs), "conf", &in_force, &err), err);
    ms_layout_differences(file->shared, in_force->shared, note, said);
    ms_mconf_free(file);
    ms_mconf_free(in_force);
}

#define HEAD                                                                                       \
    "[mstore]\n[member a]\nurl = memory:a\n[member b]\nurl = memory:b\n[member c]\nurl = "         \
    "memory:c\n"
#define STORE "[namespace]\nkind = immutable\nredundancy = none\nlevels = 2\n"

static void policies_that_differ_are_told(void **state)
{
    (void)state;
    struct said said;
    compare(HEAD STORE, HEAD STORE "[namespace config]\nkind = mutable\nredundancy = all\n", &said);
    assert_int_equal(said.count, 0);
    compare(HEAD, HEAD STORE, &said);
    assert_int_equal(said.count, 0);
    compare(HEAD "[namespace]\nkind = immutable\nredundancy = all\nlevels = 1,2\n", HEAD STORE,
            &said);
    assert_int_equal(said.count, 2);
    assert_string_equal(said.text[0],
                        "[namespace] has redundancy = none in the store and redundancy = all in "
                        "this file: the store's holds, for changing policies is not there yet");
    assert_string_equal(said.text[1],
                        "[namespace] has levels = 2 in the store and levels = 1,2 in this file: "
                        "the store's holds, for changing policies is not there yet");
    compare(HEAD STORE "[namespace new]\nkind = immutable\nredundancy = ec 2+1\n", HEAD STORE,
            &said);
    assert_int_equal(said.count, 1);
    assert_string_equal(said.text[0],
                        "the store has no [namespace new]: such keys are kept as [namespace] says "
                        "in the store (kind = immutable, redundancy = none), for adding one is not "
                        "there yet");
    compare(HEAD "[namespace new]\nkind = plain\nredundancy = all\n",
            HEAD "[namespace old]\nkind = plain\nredundancy = all\n", &said);
    assert_int_equal(said.count, 1);
    assert_string_equal(said.text[0],
                        "the store has no [namespace new], and nothing is stored under that name: "
                        "adding one is not there yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_does_not_wait_for_a_slow_member),
        cmocka_unit_test(who_only_reads_deletes_no_count),
        cmocka_unit_test(policies_that_differ_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
