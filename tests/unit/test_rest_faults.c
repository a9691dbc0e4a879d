/* The REST driver when the line or the server fails, over TCP and over a pipe: what is repeated,
 * what is resolved, what is said. */
#include "peers/rest_rig.h"

#define FOR_BOTH(rig, arguments, options)                                                          \
    for (int stdio_ = 0; stdio_ < 2 && (rig_open(&(rig), stdio_, arguments, options), true);       \
         rig_stop(&(rig)), stdio_++)

static uint64_t retries(const struct rig *rig, enum ms_verb verb)
{
    struct ms_stats_snapshot *all = NULL;
    uint64_t count = 0;
    assert_int_equal(ms_stats_take(&all, NULL), 0);
    for (size_t i = 0; i < all->count; i++)
        if (all->entities[i].kind == MS_STATS_BACKEND &&
            strcmp(all->entities[i].store, rig->b->url) == 0)
            count += all->entities[i].verbs[verb].retries;
    ms_stats_free(all);
    return count;
}

static void a_busy_server_is_asked_again_when_it_wants(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "--fault 'status=503:2@POST /v'", "")
    {
        uint64_t before = ms_clock_now(rig.clock);
        check_ok(rig_put(&rig, "v", "x"), rig.err);
        assert_int_equal(rig_count(&rig, "POST /v"), 3);
        assert_int_equal(retries(&rig, MS_VERB_STORE), 2);
        uint64_t waited = ms_clock_now(rig.clock) - before;
        assert_true(waited >= UINT64_C(14000000000)); /* Retry-After: 7, twice */
        rig_holds(&rig, "v", "x");
    }
}

static void it_gives_up_after_three_more(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "--fault 'drop@POST /v'", "")
    {
        check_code(rig_put(&rig, "v", "x"), MS_ERR_CONNECTION, rig.err);
        assert_int_equal(rig_count(&rig, "POST /v"), 4);
        assert_false(rig_exists(&rig, "v"));
    }
}

/* Whatever breaks off once, and wherever, is done in the end. */
static void every_verb_survives_a_break(void **state)
{
    static const char *const kinds[] = {"drop", "lost", "cut"};
    static const char *const parts[] = {"POST /new",  "GET /v",     "HEAD /v",     "DELETE /v",
                                        "cmd=move",   "cmd=mkdir",  "cmd=rmdir",   "cmd=hash",
                                        "cmd=defrag", "cmd=create", "cmd=destroy", "cmd=quota"};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts * 3; i++) {
        char fault[64], hex[129];
        struct rig rig;
        uint64_t n = 0;
        struct ms_lister *l = NULL;
        struct ms_part part = {ms_str("new"), 0, 2};
        snprintf(fault, sizeof fault, "--fault '%s:1@%s'", kinds[i % 3], parts[i / 3]);
        FOR_BOTH(rig, fault, "")
        {
            check_ok(rig_put(&rig, "v", "value"), rig.err);
            check_ok(rig_put(&rig, "new", "new value"), rig.err);
            rig_holds(&rig, "v", "value");
            assert_true(rig_exists(&rig, "v"));
            check_ok(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err), rig.err);
            ms_lister_close(l);
            check_ok(ms_backend_move(rig.b, ms_str("new"), ms_str("d/moved"), NULL, &rig.err),
                     rig.err);
            assert_false(rig_exists(&rig, "new"));
            rig_holds(&rig, "d/moved", "new value");
            check_ok(ms_backend_mkdir(rig.b, ms_str("e"), &rig.err), rig.err);
            check_ok(ms_backend_rmdir(rig.b, ms_str("e"), &rig.err), rig.err);
            check_ok(ms_backend_hash(rig.b, ms_str("v"), "md5", hex, sizeof hex, &rig.err),
                     rig.err);
            assert_string_equal(hex, "2063c1608d6e0baf80249c42e2be5804");
            part.name = ms_str("d/moved");
            check_ok(ms_backend_compose(rig.b, &part, 1, ms_str("c"), NULL, &rig.err), rig.err);
            rig_holds(&rig, "c", "ne");
            check_ok(ms_backend_usage(rig.b, &n, &n, &rig.err), rig.err);
            check_ok(ms_backend_delete(rig.b, ms_str("v"), &rig.err), rig.err);
            assert_false(rig_exists(&rig, "v"));
            check_ok(ms_backend_close(rig.b, &rig.err), rig.err);
            check_ok(ms_backend_destroy(rig.b, &rig.err), rig.err);
            check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_NO_STORE, rig.err);
        }
    }
}

static void what_never_was_there_stays_not_found(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "--fault 'lost:1@cmd=move' --fault 'status=503:1@DELETE /v'", "")
    {
        /* the answer was lost, but neither is there */
        check_code(ms_backend_move(rig.b, ms_str("v"), ms_str("w"), NULL, &rig.err),
                   MS_ERR_NOT_FOUND, rig.err);
        /* the first attempt surely did not happen */
        check_code(ms_backend_delete(rig.b, ms_str("v"), &rig.err), MS_ERR_NOT_FOUND, rig.err);
    }
}

/* Composing a value out of itself twice is not the same as once. */
static void what_may_not_happen_twice_does_not(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_part parts[] = {{ms_str("v"), 0, 1}, {ms_str("v"), 0, 2}};
    FOR_BOTH(rig, "--fault 'lost:1@cmd=defrag'", "")
    {
        check_ok(rig_put(&rig, "v", "abc"), rig.err);
        check_code(ms_backend_compose(rig.b, parts, 2, ms_str("v"), NULL, &rig.err),
                   MS_ERR_CONNECTION, rig.err);
        assert_int_equal(rig_count(&rig, "POST /?cmd=defrag"), 1);
        rig_holds(&rig, "v", "aab");
    }
}

/* BorgStore's server gets into its own way when requests come at once. */
static void a_race_in_the_server_is_waited_out(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "--fault 'status=412:2@POST /v' --fault 'status=422:1@POST /w'", "")
    {
        check_ok(rig_put(&rig, "v", "x"), rig.err);
        check_ok(rig_put(&rig, "w", "y"), rig.err);
        rig_holds(&rig, "v", "x");
        rig_holds(&rig, "w", "y");
        assert_int_equal(rig_count(&rig, "POST /v"), 3);
        assert_int_equal(rig_count(&rig, "POST /w"), 2);
    }
}

static void a_silent_server_times_out(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_info info;
    FOR_BOTH(rig, "--fault 'stall@HEAD /v'", "timeout=1s&retries=0")
    {
        check_code(ms_backend_info(rig.b, ms_str("v"), &info, &rig.err), MS_ERR_TIMEOUT, rig.err);
        check_text(rig.err, "does not answer in time");
        assert_true(rig_exists(&rig, ""));
    }
}

/* Opening something that is no BorgStore server. */
static void another_server_is_told_apart(void **state)
{
    static const char *const faults[] = {"garbage",    "html",       "plain",
                                         "status=404", "status=406", "status=302"};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (int stdio = 0; stdio < 2; stdio++) {
            struct rig rig;
            char fault[64];
            snprintf(fault, sizeof fault, "--fault '%s'", faults[i]);
            rig_start(&rig, stdio, fault, "");
            check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_PROTOCOL, rig.err);
            check_text(rig.err, "speaks something else");
            assert_int_equal(rig_count(&rig, "HEAD /"), 1); /* asking again would not help */
            rig_stop(&rig);
        }
}

static void answers_that_are_none_are_refused(void **state)
{
    static const char *const faults[] = {"plain", "html"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        char fault[128];
        struct ms_lister *l = NULL;
        char hex[129];
        uint64_t n;
        snprintf(fault, sizeof fault,
                 "--fault '%s@GET //' --fault '%s@cmd=hash' --fault "
                 "'%s@cmd=quota'",
                 faults[i], faults[i], faults[i]);
        FOR_BOTH(rig, fault, "")
        {
            check_ok(rig_put(&rig, "v", "x"), rig.err);
            check_code(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err), MS_ERR_PROTOCOL,
                       rig.err);
            check_code(ms_backend_hash(rig.b, ms_str("v"), "md5", hex, sizeof hex, &rig.err),
                       MS_ERR_PROTOCOL, rig.err);
            if (i == 1)
                check_code(ms_backend_usage(rig.b, &n, &n, &rig.err), MS_ERR_PROTOCOL, rig.err);
        }
    }
}

static void lengths_from_outside_are_not_believed(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_buf *got = NULL;
    FOR_BOTH(rig, "--fault 'endless:1@GET /v'", "retries=0")
    {
        check_ok(rig_put(&rig, "v", "0123456789"), rig.err);
        check_code(ms_backend_load(rig.b, ms_str("v"), 2, 4, &got, NULL, &rig.err), MS_ERR_PROTOCOL,
                   rig.err);
        rig_holds(&rig, "v", "0123456789");
    }
}

/* On a pipe what follows an answer would be taken for the next one. */
static void bytes_behind_an_answer_end_the_child(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_buf *got = NULL;
    rig_open(&rig, true, "--fault 'extra:1@GET /v'", "retries=0");
    check_ok(rig_put(&rig, "v", "0123456789"), rig.err);
    check_code(ms_backend_load(rig.b, ms_str("v"), 0, 10, &got, NULL, &rig.err), MS_ERR_PROTOCOL,
               rig.err);
    check_text(rig.err, "bytes behind its answer");
    rig_holds(&rig, "v", "0123456789");
    rig_stop(&rig);
}

/* ---- children that are no servers ---- */

static void fails_as(const char *server, int code, const char *words)
{
    struct rig rig;
    rig_start(&rig, true, "", "retries=0");
    setenv("MSTORE_REST_SERVER", server, 1);
    check_ok(rig_make(&rig, "", "retries=0"), rig.err);
    check_code(ms_backend_open(rig.b, &rig.err), code, rig.err);
    check_text(rig.err, words);
    rig_stop(&rig);
}

static void a_child_that_ends_says_why(void **state)
{
    (void)state;
    fails_as("/nonexistent/server", MS_ERR_CONFIG, "name another program in MSTORE_REST_SERVER");
    fails_as("sh -c 'echo first >&2; echo the disk is on fire >&2; exit 3'", MS_ERR_CONNECTION,
             "ended with exit code 3: the disk is on fire");
    fails_as("sh -c 'kill -9 $$'", MS_ERR_CONNECTION, "ended by signal 9");
    fails_as("sh -c 'exit 127'", MS_ERR_PROTOCOL, "there is no borgstore-server-rest");
    fails_as("sh -c 'echo \"u@h: Permission denied (publickey).\" >&2; exit 255'", MS_ERR_AUTH,
             "Permission denied (publickey).");
    fails_as("sh -c 'echo Host key verification failed. >&2; exit 255'", MS_ERR_UNTRUSTED,
             "does not trust the host key");
    fails_as("sh -c 'echo ssh: connect to host h port 22: Connection refused >&2; exit 255'",
             MS_ERR_CONNECTION, "no connection to sh: ssh: connect to host h");
    fails_as("sh -c 'echo Welcome to this host; cat'", MS_ERR_PROTOCOL, "Welcome to this host");
}

/* More than a pipe holds must not stop it. */
static void a_talkative_child_is_listened_to(void **state)
{
    (void)state;
    struct rig rig;
    char server[512];
    rig_start(&rig, true, "", "");
    snprintf(server, sizeof server,
             "sh -c 'i=0; while [ $i -lt 3000 ]; do echo a line of the log that is rather long, so "
             "that they fill a pipe >&2; i=$((i+1)); done; exec \"$0\" \"$@\"' '%s'",
             REST_PEER);
    setenv("MSTORE_REST_SERVER", server, 1);
    check_ok(rig_make(&rig, "", ""), rig.err);
    check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_ok(rig_put(&rig, "v", "x"), rig.err);
    rig_holds(&rig, "v", "x");
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_server_is_asked_again_when_it_wants),
        cmocka_unit_test(it_gives_up_after_three_more),
        cmocka_unit_test(every_verb_survives_a_break),
        cmocka_unit_test(what_never_was_there_stays_not_found),
        cmocka_unit_test(what_may_not_happen_twice_does_not),
        cmocka_unit_test(a_race_in_the_server_is_waited_out),
        cmocka_unit_test(a_silent_server_times_out),
        cmocka_unit_test(another_server_is_told_apart),
        cmocka_unit_test(answers_that_are_none_are_refused),
        cmocka_unit_test(lengths_from_outside_are_not_believed),
        cmocka_unit_test(bytes_behind_an_answer_end_the_child),
        cmocka_unit_test(a_child_that_ends_says_why),
        cmocka_unit_test(a_talkative_child_is_listened_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
