/* Allocation k = 0, 1, 2 … fails, for each operation of a backend, until the operation meets no
 * failure: NO_MEMORY, no leak (the run under AddressSanitizer looks), the data as before or after,
 * the handle still usable. */
#include "fault/operations.h"
#include "support/check.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

#include "base/pool.h"

#include <mstore/emulator.h>

#define K_MAX 300

static struct scratch scratch;

/* A fresh storage in the state before. */
static struct ms_backend *fresh(const char *url)
{
    struct ms_error err = {0};
    struct ms_url *parsed;
    struct ms_backend *b;
    scratch_empty(scratch.path);
    check_ok(ms_url_parse(url, &parsed, &err), err);
    check_ok(ms_emulator_make_url(parsed, NULL, false, &b, &err), err);
    ms_url_free(parsed);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    check_ok(operations_prepare(b, &err), err);
    return b;
}

/* Returns false when nothing was left to fail. */
static bool fail_one(const char *url, const struct operation *o, long k)
{
    struct ms_error err = {0};
    char state[STATE_NAMES + 1];
    struct ms_backend *b = fresh(url);
    wrapalloc_arm(k);
    int code = o->run(b, &err);
    bool failed = wrapalloc_disarm();
    if (code != 0 && (code != MS_ERR_NO_MEMORY || err.code != code || !err.text[0]))
        fail_msg("%s: %s, allocation %ld: %s: %s", url, o->name, k, ms_code_name(code), err.text);
    if (code != 0 && !failed)
        fail_msg("%s: %s fails without cause: %s", url, o->name, err.text);
    check_ok(operations_state(b, state, &err), err);
    if (!operations_allowed(o, code, state))
        fail_msg("%s: %s, allocation %ld, gave %s and left %s", url, o->name, k, ms_code_name(code),
                 state);
    if (strcmp(state, STATE_BEFORE) == 0) /* still usable */
        check_ok(o->run(b, &err), err);
    ms_backend_free(b);
    return failed;
}

static void fail_all(const char *url)
{
    unsigned failures = 0;
    for (size_t i = 0; i < operation_count; i++) {
        long k = 0;
        while (fail_one(url, &operations[i], k)) {
            failures++;
            if (++k == K_MAX)
                fail_msg("%s: %s allocates without end", url, operations[i].name);
        }
    }
    assert_true(failures >= 20); /* the interposition works */
    ms_pool_shutdown();
}

static void test_posix(void **state)
{
    (void)state;
    char url[128];
    snprintf(url, sizeof url, "file://%s/store?sync=none", scratch.path);
    fail_all(url);
}

static void test_memory(void **state)
{
    (void)state;
    fail_all("memory:");
}

static void test_memory_behind_the_emulator(void **state)
{
    (void)state;
    fail_all("memory:?emulate.seed=1&emulate.flip=0");
}

/* Making and opening a backend, which also parses a URL and joins the statistics. */
static void test_making(void **state)
{
    (void)state;
    char url[160];
    snprintf(url, sizeof url, "file://%s/new?sync=none&emulate.fail=load:99,store:99",
             scratch.path);
    bool failed = true;
    for (long k = 0; failed; k++) {
        struct ms_error err = {0};
        struct ms_url *parsed = NULL;
        struct ms_backend *b = NULL;
        wrapalloc_arm(k);
        int code = ms_url_parse(url, &parsed, &err);
        if (code == 0)
            code = ms_emulator_make_url(parsed, NULL, true, &b, &err);
        if (code == 0)
            code = ms_backend_create(b, &err);
        if (code == 0)
            code = ms_backend_open(b, &err);
        failed = wrapalloc_disarm();
        if (code != 0 && code != MS_ERR_NO_MEMORY)
            fail_msg("allocation %ld: %s: %s", k, ms_code_name(code), err.text);
        if (code != 0)
            assert_true(failed);
        ms_url_free(parsed);
        ms_backend_free(b);
        scratch_empty(scratch.path);
        assert_true(k < K_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posix),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_behind_the_emulator),
        cmocka_unit_test(test_making),
    };
    if (!scratch_make(&scratch))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove(&scratch);
    return failed;
}
