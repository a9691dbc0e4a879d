/* Allocation k = 0, 1, 2 … of the SFTP driver fails, in the caller's thread or in the connection's,
 * for each operation of a backend, until the operation meets no failure: NO_MEMORY with a sentence
 * (or a stream whose connection was given up), no leak (the run under AddressSanitizer looks), the
 * data as before or after, the handle still usable. */
#include "fault/operations.h"
#include "peers/sftp_rig.h"
#include "support/wrapalloc.h"

#define K_MAX 400

static struct rig rig;

static void fresh(const char *options)
{
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    rig_up(&rig, &setup);
    rig_open(&rig, options);
}

/* The connections of one peer are counted; a failure may have cost one. */
static void reset(const char *options)
{
    if (sftp_peer_connections() > 50) {
        rig_down(&rig);
        fresh(options);
    }
    struct ms_info info;
    check_ok(ms_backend_info(rig.b, ms_str(""), &info, &rig.err), rig.err);
    scratch_empty(rig_path(&rig, "store"));
    check_ok(operations_prepare(rig.b, &rig.err), rig.err);
}

/* Returns false when nothing was left to fail. */
static bool fail_one(const struct operation *o, long k, const char *options)
{
    char state[STATE_NAMES + 1];
    struct ms_error err = {0};
    reset(options);
    wrapalloc_arm(k);
    int code = o->run(rig.b, &err);
    bool failed = wrapalloc_disarm();
    bool ended = code == MS_ERR_CONNECTION; /* a stream, when an answer could not be kept */
    if (code != 0 && ((code != MS_ERR_NO_MEMORY && !ended) || err.code != code || !err.text[0]))
        fail_msg("%s, allocation %ld: %s: %s", o->name, k, ms_code_name(code), err.text);
    if (code != 0 && !failed)
        fail_msg("%s fails without cause: %s", o->name, err.text);
    check_ok(operations_state(rig.b, state, &rig.err), rig.err);
    if (!operations_allowed(o, code, state))
        fail_msg("%s, allocation %ld, gave %s and left %s", o->name, k, ms_code_name(code), state);
    return failed;
}

static unsigned fail_all(const char *options)
{
    unsigned failures = 0;
    fresh(options);
    for (size_t i = 0; i < operation_count; i++)
        for (long k = 0; fail_one(&operations[i], k, options); k++) {
            failures++;
            if (k == K_MAX)
                fail_msg("%s allocates without end", operations[i].name);
        }
    rig_down(&rig);
    return failures;
}

static void with_extensions(void **state)
{
    (void)state;
    assert_true(fail_all("") > 100);
}

static void without_extensions(void **state)
{
    (void)state;
    assert_true(fail_all("extensions=off") > 100);
}

/* Making, creating, opening, destroying. */
static void from_the_url_on(void **state)
{
    (void)state;
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    bool failed = true;
    rig_up(&rig, &setup);
    for (long k = 0; failed; k++) {
        if (sftp_peer_connections() > 50) {
            rig_down(&rig);
            rig_up(&rig, &setup);
        }
        char url[400];
        struct ms_backend *b = NULL;
        struct ms_backend_env env = {.clock = rig.clock, .seed = 1};
        struct ms_error err = {0};
        snprintf(url, sizeof url, "sftp://u:p@127.0.0.1:%d/store?ssh_config=none&known_hosts=%s",
                 sftp_peer_port(), rig_path(&rig, "known_hosts"));
        wrapalloc_arm(k);
        int code = ms_backend_make(url, &env, &b, &err);
        if (!code)
            code = ms_backend_create(b, &err);
        if (!code)
            code = ms_backend_open(b, &err);
        if (!code)
            code = ms_backend_close(b, &err);
        if (!code)
            code = ms_backend_destroy(b, &err);
        failed = wrapalloc_disarm();
        if (code != 0 && (code != MS_ERR_NO_MEMORY || !failed || !err.text[0]))
            fail_msg("allocation %ld: %s: %s", k, ms_code_name(code), err.text);
        ms_backend_free(b);
        if (rig_has(&rig, "store")) {
            scratch_empty(rig_path(&rig, "store"));
            rmdir(rig_path(&rig, "store"));
        }
        assert_true(k < K_MAX);
    }
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_extensions),
        cmocka_unit_test(without_extensions),
        cmocka_unit_test(from_the_url_on),
    };
    return sftp_peer_program() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
