/* The REST driver and servers that answer oddly: as BorgStore's does where directories stand in the
 * way, as ones that know less of HTTP, as ones that lie, and programs that are no servers at all.
 */
#include "peers/rest_rig.h"

#include <stdlib.h>
#include <sys/stat.h>

#define BLOCK ((size_t)8 << 20) /* of a reader */

/* ---- BorgStore says 500 where something stands in the way: what it is, is looked up ---- */

#define FAILS_AT(target) " --fault 'status=500@" target "'"

static void what_stands_in_the_way_is_told(void **state)
{
    static const char faults[] =
        FAILS_AT("POST /dir?") FAILS_AT("POST /v?cmd=mkdir") FAILS_AT("POST /v/below")
            FAILS_AT("DELETE /dir?cmd=rmdir") FAILS_AT("DELETE /gone?cmd=rmdir")
                FAILS_AT("GET /dir?") FAILS_AT("HEAD /v/below") FAILS_AT("GET /v/below/");
    (void)state;
    for (int stdio = 0; stdio < 2; stdio++) {
        struct rig rig;
        struct ms_buf *got = NULL;
        struct ms_lister *l = NULL;
        rig_open(&rig, stdio, faults, "");
        check_ok(rig_put(&rig, "v", "value"), rig.err);
        check_ok(rig_put(&rig, "dir/value", "x"), rig.err);
        check_code(rig_put(&rig, "dir", "x"), MS_ERR_EXISTS, rig.err);
        check_text(rig.err, "dir is a directory");
        check_code(ms_backend_mkdir(rig.b, ms_str("v"), &rig.err), MS_ERR_EXISTS, rig.err);
        check_text(rig.err, "v is a value");
        check_code(rig_put(&rig, "v/below", "x"), MS_ERR_EXISTS, rig.err);
        check_text(rig.err, "would stand below a value");
        check_code(ms_backend_rmdir(rig.b, ms_str("dir"), &rig.err), MS_ERR_EXISTS, rig.err);
        check_text(rig.err, "dir is not empty");
        check_code(ms_backend_rmdir(rig.b, ms_str("gone"), &rig.err), MS_ERR_NOT_FOUND, rig.err);
        check_code(ms_backend_load(rig.b, ms_str("dir"), 0, 1, &got, NULL, &rig.err),
                   MS_ERR_NOT_FOUND, rig.err);
        assert_false(rig_exists(&rig, "v/below"));
        check_code(ms_backend_list(rig.b, ms_str("v/below"), NULL, &l, &rig.err), MS_ERR_NOT_FOUND,
                   rig.err);
        check_code(ms_backend_move(rig.b, ms_str("dir"), ms_str("x"), NULL, &rig.err),
                   MS_ERR_NOT_FOUND, rig.err);
        assert_int_equal(rig_count(&rig, "POST /?cmd=move"), 0);
        check_code(ms_backend_copy(rig.b, ms_str("v/below"), ms_str("x"), NULL, &rig.err),
                   MS_ERR_NOT_FOUND, rig.err);
        rig_stop(&rig);
    }
}

/* A server that fails at everything is not taken for an empty one. */
static void a_server_that_fails_stays_one(void **state)
{
    (void)state;
    for (int stdio = 0; stdio < 2; stdio++) {
        struct rig rig;
        struct ms_info info;
        struct ms_buf *got = NULL;
        rig_open(&rig, stdio, FAILS_AT("/w"), "");
        check_code(rig_put(&rig, "w", "x"), MS_ERR_IO, rig.err);
        check_text(rig.err, "w: ");
        check_text(rig.err, "the server failed (status 500");
        check_code(ms_backend_info(rig.b, ms_str("w"), &info, &rig.err), MS_ERR_IO, rig.err);
        check_code(ms_backend_load(rig.b, ms_str("w"), 3, 4, &got, NULL, &rig.err), MS_ERR_IO,
                   rig.err);
        check_code(ms_backend_rmdir(rig.b, ms_str("w"), &rig.err), MS_ERR_IO, rig.err);
        rig_stop(&rig);
    }
}

/* ... and at parts that lie outside of the value: those are clipped. */
static void parts_outside_are_clipped(void **state)
{
    (void)state;
    for (int stdio = 0; stdio < 2; stdio++) {
        struct rig rig;
        struct ms_buf *got = NULL;
        rig_open(&rig, stdio, " --fault 'status=500:2@GET /v?' --fault 'status=416:2@GET /w?'", "");
        check_ok(rig_put(&rig, "v", "0123456789"), rig.err);
        check_ok(rig_put(&rig, "w", "0123456789"), rig.err);
        for (int i = 0; i < 2; i++) {
            struct ms_view name = ms_str(i ? "w" : "v");
            check_ok(ms_backend_load(rig.b, name, 100, 5, &got, NULL, &rig.err), rig.err);
            assert_int_equal(ms_buf_size(got), 0);
            ms_buf_unref(got);
            check_ok(ms_backend_load(rig.b, name, -100, 3, &got, NULL, &rig.err), rig.err);
            assert_int_equal(ms_buf_size(got), 3);
            assert_memory_equal(ms_buf_view(got).data, "012", 3);
            ms_buf_unref(got);
        }
        rig_stop(&rig);
    }
}

static void an_algorithm_that_is_none_is_not_asked_for(void **state)
{
    (void)state;
    struct rig rig;
    char hex[129], algorithm[400];
    memset(algorithm, 'x', sizeof algorithm - 1);
    algorithm[sizeof algorithm - 1] = 0;
    rig_open(&rig, false, "", "");
    check_code(ms_backend_hash(rig.b, ms_str("v"), algorithm, hex, sizeof hex, &rig.err),
               MS_ERR_INVALID, rig.err);
    check_text(rig.err, "is unknown");
    rig_stop(&rig);
}

/* ---- a server that answers what the test writes into a file, after the method ---- */

static void will_answer(struct rig *rig, const char *method, const char *head, const void *body,
                        size_t size)
{
    const char *path = rig_path(rig, "next");
    FILE *file = fopen(path, "w"); /* another file: the one before may still be read */
    assert_non_null(file);
    fputs(head, file);
    assert_int_equal(fwrite(body, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(path, rig_path(rig, method)), 0);
}

#define DIRECTORY_HEAD                                                                             \
    "HTTP/1.1 200 OK\r\nX-BorgStore-Is-Directory: true\r\nContent-Length: 0\r\n\r\n"

static void rig_canned(struct rig *rig)
{
    char server[300];
    rig_start(rig, true, "", "");
    FILE *script = fopen(rig_path(rig, "server"), "w");
    assert_non_null(script);
    fprintf(script,
            "cr=$(printf '\\r')\nmethod=\nwhile read -r line; do\n"
            "[ -n \"$method\" ] || method=${line%%%% *}\n"
            "if [ \"$line\" = \"$cr\" ]; then cat \"%s/$method\"; method=; fi\ndone\n",
            rig->folder.path);
    assert_int_equal(fclose(script), 0);
    snprintf(server, sizeof server, "sh '%s'", rig_path(rig, "server"));
    setenv("MSTORE_REST_SERVER", server, 1);
    check_ok(rig_make(rig, "", "retries=0&timeout=20s"), rig->err);
    will_answer(rig, "HEAD", DIRECTORY_HEAD, "", 0);
    check_ok(ms_backend_open(rig->b, &rig->err), rig->err);
}

static int load_three(struct rig *rig, char text[4])
{
    struct ms_buf *got = NULL;
    int code = ms_backend_load(rig->b, ms_str("v"), 2, 3, &got, NULL, &rig->err);
    if (!code) {
        assert_int_equal(ms_buf_size(got), 3);
        memcpy(text, ms_buf_view(got).data, 3);
    }
    ms_buf_unref(got);
    return code;
}

static void answers_are_read_with_care(void **state)
{
    static const struct {
        const char *answer;
        int code;
        const char *words; /* of the value, or of the sentence */
    } cases[] = {
        {"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc", 0, "abc"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", 0, "234"}, /* no ranges */
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 P\r\nContent-Length: 3\r\n\r\nabc", 0, "abc"},
        {"HTTP/1.1 206 P\r\nContent-Length: 10\r\n\r\n0123456789", MS_ERR_PROTOCOL,
         "more bytes than were wanted"},
        {"HTTP/1.1 206 P\r\nContent-Length: 3\r\n\r\nabcdef", MS_ERR_PROTOCOL,
         "bytes behind its answer"},
        {"HTTP/1.1 2x0 OK\r\n\r\n", MS_ERR_PROTOCOL, "speaks something else"},
        {"HTTP/1.1 206 P\r\nContent-Length: -3\r\n\r\n", MS_ERR_PROTOCOL, "speaks something else"},
        {"HTTP/1.1 206 P\r\nContent-Length: 99999999999999999999\r\n\r\n", MS_ERR_PROTOCOL,
         "speaks something else"},
        {"Welcome\r\n\r\n", MS_ERR_PROTOCOL, "Welcome"},
        {"HTTP/1.1 400 name is too long (max: 100): v\r\nContent-Length: 0\r\n\r\n", MS_ERR_NAME,
         "accepts no such name: name is too long (max: 100)"},
        {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nabc",
         MS_ERR_PROTOCOL, "it sends HTML"},
    };
    (void)state;
    struct rig rig;
    rig_canned(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4] = "";
        will_answer(&rig, "GET", cases[i].answer, "", 0);
        check_code(load_three(&rig, text), cases[i].code, rig.err);
        if (cases[i].code)
            check_text(rig.err, cases[i].words);
        else
            assert_string_equal(text, cases[i].words);
    }
    rig_stop(&rig);
}

static void an_endless_head_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    char text[4], *much = malloc(100000);
    assert_non_null(much);
    memset(much, 'x', 100000);
    rig_canned(&rig);
    will_answer(&rig, "GET", "HTTP/1.1 200 OK\r\nX-Much: ", much, 100000);
    check_code(load_three(&rig, text), MS_ERR_PROTOCOL, rig.err);
    check_text(rig.err, "an endless head");
    rig_stop(&rig);
    free(much);
}

static void quotas_are_read_with_care(void **state)
{
    static const struct {
        const char *json;
        int code;
        uint64_t total, left;
    } cases[] = {
        {"{\"limit\": 5, \"other\": [1, {}], \"usage\": 1}", 0, 5, 4},
        {"{\"limit\": 5, \"usage\": 9}", 0, 5, 0},
        {"{\"limit\": null, \"usage\": 9}", 0, UINT64_MAX, UINT64_MAX},
        {"[1]", MS_ERR_PROTOCOL, 0, 0},
        {"{\"limit\": \"all\"}", MS_ERR_PROTOCOL, 0, 0},
        {"{\"limit\": 5} x", MS_ERR_PROTOCOL, 0, 0},
    };
    (void)state;
    struct rig rig;
    rig_canned(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[100];
        uint64_t total = UINT64_MAX, left = UINT64_MAX;
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                 strlen(cases[i].json));
        will_answer(&rig, "POST", head, cases[i].json, strlen(cases[i].json));
        check_code(ms_backend_usage(rig.b, &total, &left, &rig.err), cases[i].code, rig.err);
        if (cases[i].code)
            check_text(rig.err, "a quota that is none");
        else
            assert_true(total == cases[i].total && left == cases[i].left);
    }
    rig_stop(&rig);
}

/* Of a large value: what HEAD and GET say does not go together. */
static void large_values_that_do_not_hold_still(void **state)
{
    static const struct {
        const char *head;
        int code;
        const char *words;
    } cases[] = {
        {"Content-Length: 9000000\r\nX-BorgStore-Is-Directory: false\r\n", MS_ERR_CONFLICT,
         "was replaced while it was read"},
        {"Content-Length: 8388608\r\nX-BorgStore-Is-Directory: false\r\n", 0, ""},
        {"Content-Length: 8388607\r\nX-BorgStore-Is-Directory: false\r\n", MS_ERR_PROTOCOL,
         "longer than it may be"},
        {"Content-Length: 0\r\nX-BorgStore-Is-Directory: true\r\n", MS_ERR_CONFLICT,
         "was replaced while it was read"},
        {"Content-Length: 0\r\n", MS_ERR_PROTOCOL, "without BorgStore's headers"},
    };
    (void)state;
    struct rig rig;
    uint8_t *block = malloc(BLOCK);
    assert_non_null(block);
    memset(block, 'x', BLOCK);
    rig_canned(&rig);
    will_answer(&rig, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n", block, BLOCK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[200];
        struct ms_reader *r = NULL;
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%s\r\n", cases[i].head);
        will_answer(&rig, "HEAD", head, "", 0);
        check_code(ms_backend_read(rig.b, ms_str("v"), &r, &rig.err), cases[i].code, rig.err);
        if (cases[i].code)
            check_text(rig.err, cases[i].words);
        else
            ms_reader_close(r);
    }
    rig_stop(&rig);
    free(block);
}

/* ---- programs that are no servers ---- */

static void start_program(struct rig *rig, const char *program, const char *options)
{
    rig_start(rig, true, "", "");
    setenv("MSTORE_REST_SERVER", program, 1);
    check_ok(rig_make(rig, "", options), rig->err);
}

/* It closes its input while much is being sent: its last words are told. */
static void a_child_that_stops_listening_says_why(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, true, "", "retries=0");
    size_t size = 4 << 20;
    uint8_t *bytes = calloc(1, size);
    struct ms_buf_borrowed place;
    assert_non_null(bytes);
    setenv("MSTORE_REST_SERVER",
           "sh -c 'exec <&-; echo the disk is on fire >&2; exec sleep 0.2; exit 4'", 1);
    check_ok(rig_make(&rig, "", "retries=0&timeout=20s"), rig.err);
    check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_CONNECTION, rig.err);
    check_text(rig.err, "the disk is on fire");
    setenv("MSTORE_REST_SERVER",
           "sh -c 'read a; printf \"HTTP/1.1 200 OK\\r\\n"
           "X-BorgStore-Is-Directory: true\\r\\nContent-Length: 0\\r\\n\\r\\n\"; "
           "while read -r l && [ \"$l\" != \"$(printf \"\\r\")\" ]; do :; done; read b; exec <&-; "
           "echo no more >&2; exit 4'",
           1);
    check_ok(rig_make(&rig, "", "retries=0&timeout=20s"), rig.err);
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_code(ms_backend_store(rig.b, ms_str("v"), ms_buf_borrow(&place, ms_view(bytes, size)),
                                NULL, NULL, &rig.err),
               MS_ERR_CONNECTION, rig.err);
    check_text(rig.err, "ended with exit code 4: no more");
    rig_stop(&rig);
    free(bytes);
}

/* It neither answers nor ends: it is ended all the same, in time. */
static void a_child_that_does_not_want_to_end_is_ended(void **state)
{
    (void)state;
    struct rig rig;
    start_program(&rig, "sh -c 'trap \"\" TERM; exec tail -f /dev/null'", "retries=0&timeout=1s");
    check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_TIMEOUT, rig.err);
    check_text(rig.err, "does not answer in time");
    rig_stop(&rig);
}

#define HEARS "while read -r l && [ \"$l\" != \"$(printf \"\\r\")\" ]; do :; done; "
#define SAYS(size)                                                                                 \
    "printf \"HTTP/1.1 200 OK\\r\\nX-BorgStore-Is-Directory: true\\r\\n"                           \
    "Content-Length: " size "\\r\\n\\r\\n\"; "

/* It dribbles its answer, which would take half a minute. */
static void a_child_that_drags_on_is_ended(void **state)
{
    struct rig rig;
    struct ms_buf *got = NULL;
    (void)state;
    start_program(&rig,
                  "sh -c '" HEARS SAYS("0")
                      HEARS SAYS("300") "for i in $(seq 300); do printf x; sleep 0.1; done'",
                  "retries=0&timeout=1s");
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_code(ms_backend_load(rig.b, ms_str("v"), 0, MS_SIZE_TO_END, &got, NULL, &rig.err),
               MS_ERR_TIMEOUT, rig.err);
    check_text(rig.err, "does not answer in time");
    rig_stop(&rig);
}

/* It needs three times the time-out for its answer, and never stops. */
static void a_child_that_is_slow_is_waited_for(void **state)
{
    struct rig rig;
    struct ms_buf *got = NULL;
    (void)state;
    start_program(&rig,
                  "sh -c '" HEARS SAYS("0") HEARS SAYS(
                      "1500") "for i in $(seq 30); do printf %50s x; sleep 0.1; done; read a'",
                  "retries=0&timeout=1s");
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_ok(ms_backend_load(rig.b, ms_str("v"), 0, MS_SIZE_TO_END, &got, NULL, &rig.err), rig.err);
    assert_int_equal(ms_buf_size(got), 1500);
    ms_buf_unref(got);
    rig_stop(&rig);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_backend_env env = {.seed = 1};
    char *path = strdup(getenv("PATH"));
    assert_non_null(path);
    start_program(&rig, "/nonexistent/server", "");
    check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_CONFIG, rig.err);
    check_text(rig.err, "cannot start /nonexistent/server");
    check_text(rig.err, "name another program in MSTORE_REST_SERVER");
    for (int own = 0; own < 2; own++) { /* ssh, and what stands for it */
        if (own)
            setenv("BORGSTORE_RSH", "/nonexistent/rsh -x", 1);
        setenv("PATH", "/nonexistent", 1);
        ms_backend_free(rig.b);
        rig.b = NULL;
        check_ok(ms_backend_make("rest://host/path", &env, &rig.b, &rig.err), rig.err);
        check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_CONFIG, rig.err);
        check_text(rig.err, own ? "cannot start /nonexistent/rsh" : "cannot start ssh");
        check_text(rig.err, "name another program in BORGSTORE_RSH");
        setenv("PATH", path, 1);
    }
    unsetenv("BORGSTORE_RSH");
    rig_stop(&rig);
    free(path);
}

static void a_writer_without_a_folder_for_its_file_says_so(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_writer *w = NULL;
    size_t size = 17 << 20;
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    rig_open(&rig, false, "", "");
    setenv("TMPDIR", rig_path(&rig, "none"), 1);
    check_ok(ms_backend_write(rig.b, ms_str("v"), 0, NULL, &w, &rig.err), rig.err);
    check_code(ms_writer_append(w, ms_view(bytes, size), &rig.err), MS_ERR_IO, rig.err);
    check_text(rig.err, "TMPDIR names another folder");
    ms_writer_abort(w);
    setenv("TMPDIR", "relative/none", 1); /* is no folder to rely on: /tmp */
    check_ok(ms_backend_write(rig.b, ms_str("v"), 0, NULL, &w, &rig.err), rig.err);
    check_ok(ms_writer_append(w, ms_view(bytes, size), &rig.err), rig.err);
    check_ok(ms_writer_commit(w, NULL, &rig.err), rig.err);
    unsetenv("TMPDIR");
    rig_stop(&rig);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_in_the_way_is_told),
        cmocka_unit_test(a_server_that_fails_stays_one),
        cmocka_unit_test(parts_outside_are_clipped),
        cmocka_unit_test(an_algorithm_that_is_none_is_not_asked_for),
        cmocka_unit_test(answers_are_read_with_care),
        cmocka_unit_test(an_endless_head_is_refused),
        cmocka_unit_test(quotas_are_read_with_care),
        cmocka_unit_test(large_values_that_do_not_hold_still),
        cmocka_unit_test(a_child_that_stops_listening_says_why),
        cmocka_unit_test(a_child_that_does_not_want_to_end_is_ended),
        cmocka_unit_test(a_child_that_drags_on_is_ended),
        cmocka_unit_test(a_child_that_is_slow_is_waited_for),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(a_writer_without_a_folder_for_its_file_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
