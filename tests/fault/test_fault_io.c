/* I/O call k = 0, 1, 2 … of the posix driver fails, for each operation and each errno: the right
 * code, nothing half-visible, no temporary left, no descriptor leaked, and after success the value
 * is there. */
#include "fault/operations.h"
#include "support/check.h"
#include "support/scratch.h"
#include "support/wrapio.h"

#include "base/pool.h"
#include "base/text.h"

#include <errno.h>

#define K_MAX 300

static struct scratch scratch;
static unsigned temporaries;

static int count_temporary(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    temporaries += ms_ends_with(ms_str(path), ms_str(".tmp"));
    return 0;
}

static unsigned temporaries_left(void)
{
    temporaries = 0;
    nftw(scratch.path, count_temporary, 16, FTW_PHYS);
    return temporaries;
}

static struct ms_backend *handle(const char *options, bool create)
{
    struct ms_error err = {0};
    struct ms_backend *b;
    char url[160];
    snprintf(url, sizeof url, "file://%s/store?%s", scratch.path, options);
    check_ok(ms_backend_make(url, NULL, &b, &err), err);
    if (create)
        check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    return b;
}

struct fault {
    int errnum;
    const char *name;
    int code; /* 0: it may be overcome, or fail with any code */
};
static const struct fault faults[] = {
    {ENOSPC, "ENOSPC", MS_ERR_NO_SPACE}, {EIO, "EIO", MS_ERR_IO},
    {EACCES, "EACCES", MS_ERR_ACCESS},   {EINTR, "EINTR", 0},
    {WRAPIO_SHORT, "short write", 0},
};

static void check_outcome(const char *options, const struct operation *o, const struct fault *f,
                          long k, const char *function, int code, const struct ms_error *err)
{
    bool expected = code == 0 || (function && (f->code == 0 || code == f->code));
    if (f->errnum == WRAPIO_SHORT)
        expected = code == 0;
    if (!expected || (code != 0 && (err->code != code || !err->text[0])))
        fail_msg("%s: %s, %s from call %ld (%s): %s: %s", options, o->name, f->name, k,
                 function ? function : "none", ms_code_name(code), err->text);
    if (temporaries_left() && strcmp(function ? function : "", "unlinkat") != 0)
        fail_msg("%s: %s, %s from call %ld (%s): a temporary is left", options, o->name, f->name, k,
                 function ? function : "none");
}

/* Returns false when nothing was left to fail. */
static bool fail_one(const char *options, const struct operation *o, const struct fault *f, long k)
{
    struct ms_error err = {0};
    char state[STATE_NAMES + 1];
    scratch_empty(scratch.path);
    struct ms_backend *b = handle(options, true);
    check_ok(operations_prepare(b, &err), err);
    unsigned descriptors = scratch_descriptors();
    wrapio_arm(k, f->errnum);
    int code = o->run(b, &err);
    const char *function = wrapio_disarm();
    assert_int_equal(scratch_descriptors(), descriptors);
    check_outcome(options, o, f, k, function, code, &err);
    struct ms_backend *eye = handle("sync=none", false);
    check_ok(operations_state(eye, state, &err), err);
    ms_backend_free(eye);
    if (!operations_allowed(o, code, state))
        fail_msg("%s: %s, %s from call %ld (%s), gave %s and left %s", options, o->name, f->name, k,
                 function ? function : "none", ms_code_name(code), state);
    if (strcmp(state, STATE_BEFORE) == 0) /* still usable */
        check_ok(o->run(b, &err), err);
    ms_backend_free(b);
    return function != NULL;
}

static void fail_all(const char *options)
{
    unsigned failures = 0;
    for (size_t i = 0; i < operation_count; i++)
        for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
            long k = 0;
            while (fail_one(options, &operations[i], &faults[f], k)) {
                failures++;
                if (++k == K_MAX)
                    fail_msg("%s: %s has no end of calls", options, operations[i].name);
            }
        }
    assert_true(failures >= 400); /* the interposition works */
    ms_pool_shutdown();
}

static void test_sync_full(void **state)
{
    (void)state;
    fail_all("sync=full");
}

static void test_sync_none_without_openat2(void **state)
{
    (void)state;
    fail_all("sync=none&walk=1");
}

static void test_batch_by_syncfs(void **state)
{
    (void)state;
    for (size_t i = 0; i < operation_count; i++)
        for (long k = 0; strcmp(operations[i].name, "batch") == 0; k++)
            if (!fail_one("batch-sync=syncfs", &operations[i], &faults[1], k))
                return;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_full),
        cmocka_unit_test(test_sync_none_without_openat2),
        cmocka_unit_test(test_batch_by_syncfs),
    };
    if (!scratch_make(&scratch))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove(&scratch);
    return failed;
}
