/* Is "only if absent" believed of a server that keeps it, and of no other? And what is remembered
 * of that. */
#include "support/check.h"
#include "support/s3_fake.h"
#include "support/scratch.h"

#include "backends/s3/s3.h"
#include "base/pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define WRITERS 5 /* four at once and a late one */

static struct s3_fake server;
static struct scratch cache;
static const struct ms_precondition absent = {.kind = MS_IF_ABSENT};

/* Opens a store there with an empty memory of verdicts, if so wanted; says whether the promise is
 * made, and what becomes of a store that needs it. */
static bool believed(const char *options, bool forget)
{
    char url[256];
    struct ms_error err;
    struct ms_capabilities caps = {0};
    struct ms_buf_borrowed place;
    struct ms_clock *clock = NULL; /* the real one: a verdict has an age */
    if (atomic_load(&server.state->refuse_conditional) == 500) /* is tried again, without waiting */
        clock = ms_clock_virtual_new(0);
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    struct ms_backend *b = NULL;
    uint64_t removed = 99;
    if (forget)
        scratch_empty(cache.path);
    snprintf(url, sizeof url, "s3:ID:secret@http://127.0.0.1:%d/bucket/p?%s", server.port, options);
    check_ok(ms_backend_make(url, &env, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    atomic_store(&server.state->conditional, 0);
    check_ok(ms_backend_open(b, &err), err);
    ms_backend_capabilities(b, &caps);
    bool yes = caps.flags & MS_CAP_IF_ABSENT;
    atomic_store(&server.state->do_refused, 0);
    int code =
        ms_backend_store(b, ms_str("a"), ms_buf_borrow(&place, ms_str("x")), &absent, NULL, &err);
    check_code(code, yes ? MS_OK : MS_ERR_UNSUPPORTED, err);
    check_ok(ms_backend_sweep(b, 0, &removed, &err), err);
    assert_int_equal(removed, 0); /* the trial left nothing */
    ms_backend_free(b);
    ms_clock_free(clock);
    return yes;
}

static unsigned tried(void)
{
    return atomic_load(&server.state->conditional);
}

static void a_server_that_keeps_it_is_believed(void **state)
{
    (void)state;
    s3_fake_reset(&server);
    assert_true(believed("provider=other", true));
    assert_int_equal(tried(), WRITERS + 1); /* one is the store */
}

/* Not one of the five may be done beside the first. */
static void a_server_that_ignores_it_is_not_believed(void **state)
{
    (void)state;
    for (unsigned from = 1; from <= WRITERS; from++)
        for (unsigned to = from > 1 ? from : 2; to <= WRITERS; to++) {
            s3_fake_reset(&server);
            atomic_store(&server.state->ignore_from, from);
            atomic_store(&server.state->ignore_to, to);
            assert_false(believed("provider=other", true));
            assert_int_equal(tried(), WRITERS);
        }
}

/* It says 412 to all but one, and what lies there in the end is another's. */
static void what_lies_there_is_looked_at(void **state)
{
    (void)state;
    s3_fake_reset(&server);
    atomic_store(&server.state->do_refused, 1);
    assert_false(believed("provider=other", true));
}

static void a_verdict_is_kept_for_a_month(void **state)
{
    (void)state;
    char path[600], name[300] = "";
    for (int refused = 0; refused <= 1; refused++) {
        s3_fake_reset(&server);
        atomic_store(&server.state->refuse_conditional, refused ? 501 : 0);
        assert_true(believed("provider=other", true) == !refused);
        s3_fake_reset(&server);
        assert_true(believed("provider=other", false) == !refused);
        assert_int_equal(tried(), !refused); /* the store alone */
        snprintf(path, sizeof path, "%s/mstore", cache.path);
        DIR *folder = opendir(path);
        assert_non_null(folder);
        for (struct dirent *e; (e = readdir(folder));)
            if (e->d_name[0] != '.')
                snprintf(name, sizeof name, "%.255s", e->d_name);
        closedir(folder);
        snprintf(path, sizeof path, "%s/mstore/%s", cache.path, name);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        struct timespec old[2] = {{.tv_sec = st.st_mtime - 31 * 24 * 3600}};
        old[1] = old[0];
        assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
        s3_fake_reset(&server);
        assert_true(believed("provider=other", false)); /* tried anew */
        assert_int_equal(tried(), WRITERS + 1);
    }
}

/* No answer that tells anything is no verdict. */
static void a_failure_is_not_remembered(void **state)
{
    (void)state;
    s3_fake_reset(&server);
    atomic_store(&server.state->refuse_conditional, 500);
    assert_false(believed("provider=other", true));
    s3_fake_reset(&server);
    assert_true(believed("provider=other", false));
}

static void what_the_user_says_is_not_tried(void **state)
{
    (void)state;
    s3_fake_reset(&server);
    assert_true(believed("provider=other&if_absent=yes", true));
    assert_int_equal(tried(), 1);
    s3_fake_reset(&server);
    assert_false(believed("provider=other&if_absent=no", true));
    assert_int_equal(tried(), 0);
    s3_fake_reset(&server);
    assert_true(believed("provider=b2&if_absent=probe", true));
    assert_int_equal(tried(), WRITERS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_keeps_it_is_believed),
        cmocka_unit_test(a_server_that_ignores_it_is_not_believed),
        cmocka_unit_test(what_lies_there_is_looked_at),
        cmocka_unit_test(a_verdict_is_kept_for_a_month),
        cmocka_unit_test(a_failure_is_not_remembered),
        cmocka_unit_test(what_the_user_says_is_not_tried),
    };
    if (!s3_fake_start(&server, false) || !scratch_make(&cache) ||
        setenv("XDG_CACHE_HOME", cache.path, 1))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    s3_fake_stop(&server);
    scratch_remove(&cache);
    return failed;
}
