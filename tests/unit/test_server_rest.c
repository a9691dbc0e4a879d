/* server/rest*.c: BorgStore's REST protocol row by row, by raw bytes, over a store in memory and
 * over a local folder. */
#include "support/check.h"
#include "support/rest_rig.h"
#include "support/scratch.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/pool.h"
#include "server/rest_parts.h"

#define NONE ""

static struct rest_rig rig;
static struct scratch scratch;
static char folder[100];

static int start_memory(void **state)
{
    (void)state;
    rest_rig_start(&rig, "memory:rest", NULL, NULL);
    assert_int_equal(rest_ask(&rig, "POST /?cmd=create", NONE, NULL).status, 200);
    return 0;
}

static int start_folder(void **state)
{
    char url[128];
    (void)state;
    assert_true(scratch_make(&scratch));
    snprintf(folder, sizeof folder, "%s/store", scratch.path);
    snprintf(url, sizeof url, "file://%s?sync=none", folder);
    rest_rig_start(&rig, url, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rest_rig_stop(&rig);
    return 0;
}

static int stop_folder(void **state)
{
    stop(state);
    scratch_remove(&scratch);
    return 0;
}

/* ---- asserting ---- */

static void answers(const char *what, const char *headers, const char *body, int status,
                    const char *wanted)
{
    struct rest_answer a = rest_ask(&rig, what, headers, body);
    if (a.status != status || (wanted && strcmp(a.body, wanted) != 0))
        fail_msg("%s: %d \"%s\" instead of %d \"%s\"", what, a.status, a.body, status,
                 wanted ? wanted : "…");
}

static void put(const char *name, const char *value)
{
    char what[200];
    snprintf(what, sizeof what, "POST /%s", name);
    answers(what, NONE, value, 200, "");
}

static void has_header(const char *what, const char *line)
{
    struct rest_answer a = rest_ask(&rig, what, NONE, NULL);
    if (!strstr(a.head, line))
        fail_msg("%s: no \"%s\" in \"%s\"", what, line, a.head);
}

/* The sentence stands in the status line and in the body, whole. */
static void refuses(const char *what, const char *headers, const char *body, int status,
                    const char *part)
{
    struct rest_answer a = rest_ask(&rig, what, headers, body);
    if (a.status != status || !strstr(a.body, part))
        fail_msg("%s: %d \"%s\" instead of %d with \"%s\"", what, a.status, a.body, status, part);
    const char *end = strchr(a.head, '\r');
    const char *said = strstr(a.head, part);
    assert_true(said && end && said < end);
}

/* ---- rows ---- */

static void test_values(void **state)
{
    (void)state;
    put("data/a", "hello");
    answers("GET /data/a", NONE, NULL, 200, "hello");
    answers("GET ///data/a", NONE, NULL, 200, "hello");
    put("data/a", "");
    answers("GET /data/a", NONE, NULL, 200, "");
    answers("DELETE /data/a", NONE, NULL, 200, "");
    refuses("GET /data/a", NONE, NULL, 404, "data/a");
    refuses("DELETE /data/a", NONE, NULL, 404, "data/a");
    refuses("GET /data", NONE, NULL, 404, "data");
}

static void test_headers_of_success(void **state)
{
    (void)state;
    static const char no_cache[] =
        "Cache-Control: no-store, no-cache, must-revalidate, max-age=0\r\n";
    put("h", "12345");
    static const char *const asked[] = {"GET /h",  "GET //",           "HEAD /h",
                                        "HEAD /",  "POST /h?cmd=hash", "POST /?cmd=quota",
                                        "POST /h", "POST /d?cmd=mkdir"};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        has_header(asked[i], no_cache);
    has_header("GET /h", "Content-Type: application/octet-stream\r\n");
    has_header("GET //", "Content-Type: application/json\r\n");
}

static void test_head(void **state)
{
    (void)state;
    put("data/x", "12345");
    struct rest_answer a = rest_ask(&rig, "HEAD /data/x", NONE, NULL);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.head, "Content-Length: 5\r\n"));
    assert_non_null(strstr(a.head, "X-BorgStore-Is-Directory: false\r\n"));
    assert_non_null(strstr(a.head, "X-BorgStore-Atime: "));
    assert_int_equal(a.size, 0);
    has_header("HEAD /data", "X-BorgStore-Is-Directory: true\r\n");
    has_header("HEAD /data", "Content-Length: 0\r\n");
    has_header("HEAD /", "X-BorgStore-Is-Directory: true\r\n");
    assert_int_equal(rest_ask(&rig, "HEAD /nothing", NONE, NULL).status, 404);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        int status;
        const char *wanted;
    } rows[] = {
        {"bytes=0-3", 206, "0123"},
        {"bytes=2-4", 206, "234"},
        {"bytes=7-", 206, "789"},
        {"bytes=-3", 206, "789"},
        {"bytes=-99", 206, "0123456789"},
        {"bytes=8-99", 206, "89"},
        {"bytes=10-", 206, ""},
        {"bytes=99-100", 206, ""},
        {"bytes=0-0", 206, "0"},
        {"bytes=-0", 206, ""},
        {"bytes=4-2", 200, "0123456789"},
        {"bytes=x-2", 200, "0123456789"},
        {"lines=1-2", 200, "0123456789"},
        {"bytes=1-2,4-5", 200, "0123456789"},
        {"bytes=", 200, "0123456789"},
        {"bytes=--1", 200, "0123456789"},
        {"bytes=0-9223372036854775807", 206, "0123456789"},
        {"bytes=99999999999999999999-", 200, "0123456789"},
    };
    put("r", "0123456789");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char header[100];
        snprintf(header, sizeof header, "Range: %s\r\n", rows[i].range);
        answers("GET /r", header, NULL, rows[i].status, rows[i].wanted);
    }
    assert_null(
        strstr(rest_ask(&rig, "GET /r", "Range: bytes=0-1\r\n", NULL).head, "Content-Range"));
    refuses("GET /no", "Range: bytes=0-1\r\n", NULL, 404, "no");
}

static void test_hash_of_an_upload(void **state)
{
    (void)state;
    char hex[MS_SHA256_HEX], header[200];
    struct ms_error err = {0};
    check_ok(ms_sha256_hex(ms_str("value"), hex, &err), err);
    snprintf(header, sizeof header, "X-Content-hash-sha256: %s\r\n", hex);
    answers("POST /hashed", header, "value", 200, "");
    answers("GET /hashed", NONE, NULL, 200, "value");
    refuses("POST /hashed", header, "another", 422,
            "Content hash verification failed, please retry");
    refuses("POST /fresh", header, "another", 422, "please retry");
    refuses("POST /fresh", "X-Content-hash-sha256: 00\r\n", "value", 422, "please retry");
    answers("GET /hashed", NONE, NULL, 200, "value");
    assert_int_equal(rest_ask(&rig, "GET /fresh", NONE, NULL).status, 404);
}

static void test_directories(void **state)
{
    (void)state;
    answers("GET //", NONE, NULL, 200, "[]");
    answers("POST /data/00?cmd=mkdir", NONE, NULL, 200, "");
    answers("POST /data/00?cmd=mkdir", NONE, NULL, 200, "");
    put("data/b", "xy");
    put("data/a.del", "x");
    struct rest_answer a = rest_ask(&rig, "GET /data/", NONE, NULL);
    assert_int_equal(a.status, 200);
    const char *dir = strstr(a.body, "\"00\""), *deleted = strstr(a.body, "\"a.del\""),
               *value = strstr(a.body, "\"b\"");
    assert_true(dir && deleted && value && dir < deleted && deleted < value);
    assert_non_null(strstr(a.body, "\"directory\""));
    assert_non_null(strstr(a.body, "\"atime\""));
    assert_non_null(strstr(rest_ask(&rig, "GET /", NONE, NULL).body, "\"data\""));
    refuses("DELETE /data?cmd=rmdir", NONE, NULL, 409, "data");
    answers("DELETE /data/00?cmd=rmdir", NONE, NULL, 200, "");
    refuses("DELETE /data/00?cmd=rmdir", NONE, NULL, 404, "data/00");
    refuses("GET /missing/", NONE, NULL, 404, "missing");
    refuses("POST /data/b?cmd=mkdir", NONE, NULL, 409, "data/b");
    refuses("POST /data", NONE, "over a directory", 409, "data");
}

static void test_move(void **state)
{
    (void)state;
    put("data/01/0123", "v");
    answers("POST /?cmd=move&current=data%2F01/0123&new=data/01/0123.del", NONE, NULL, 200, "");
    answers("GET /data/01/0123.del", NONE, NULL, 200, "v");
    assert_int_equal(rest_ask(&rig, "GET /data/01/0123", NONE, NULL).status, 404);
    put("other", "w");
    answers("POST /?cmd=move&current=data/01/0123.del&new=other", NONE, NULL, 200, "");
    answers("GET /other", NONE, NULL, 200, "v");
    refuses("POST /?cmd=move&current=nothing&new=x", NONE, NULL, 404, "nothing");
    refuses("POST /?cmd=move&current=other&new=", NONE, NULL, 400, "new=");
    refuses("POST /?cmd=move&new=other", NONE, NULL, 400, "current=");
    refuses("POST /?cmd=move&current=other&new=..%2Fx", NONE, NULL, 400, "..");
    refuses("POST /?cmd=move&current=other&new=%2Fx", NONE, NULL, 400, "/");
}

static void test_hash(void **state)
{
    (void)state;
    char hex[MS_SHA256_HEX];
    struct ms_error err = {0};
    check_ok(ms_sha256_hex(ms_str("value"), hex, &err), err);
    put("v", "value");
    answers("POST /v?cmd=hash", NONE, NULL, 200, hex);
    answers("POST /v?cmd=hash&algorithm=sha256", NONE, NULL, 200, hex);
    answers("POST /v?cmd=hash&algorithm=", NONE, NULL, 200, hex);
    answers("POST /v?cmd=hash&algorithm=md5", NONE, NULL, 200, "2063c1608d6e0baf80249c42e2be5804");
    refuses("POST /v?cmd=hash&algorithm=rot13", NONE, NULL, 400, "rot13");
    refuses("POST /no?cmd=hash", NONE, NULL, 404, "no");
    refuses("POST /?cmd=hash", NONE, NULL, 400, "name");
}

static void test_defrag(void **state)
{
    (void)state;
    char hex[MS_SHA256_HEX], wanted[200];
    struct ms_error err = {0};
    put("data/a", "hello world");
    put("data/b", "0123456789");
    answers("POST /?cmd=defrag&target=data/c", NONE, "[[\"data/a\",0,5],[\"data/b\",2,3]]", 200,
            "data/c");
    answers("GET /data/c", NONE, NULL, 200, "hello234");
    check_ok(ms_sha256_hex(ms_str("worl89"), hex, &err), err);
    snprintf(wanted, sizeof wanted, "data/%.2s/%.2s/%s", hex, hex + 2, hex);
    answers("POST /?cmd=defrag&algorithm=sha256&namespace=data&levels=2", NONE,
            " [ [\"data/a\", 6, 4], [\"data/b\", 8, 2] ] ", 200, wanted);
    snprintf(wanted, sizeof wanted, "GET /data/%.2s/%.2s/%s", hex, hex + 2, hex);
    answers(wanted, NONE, NULL, 200, "worl89");
    refuses("POST /?cmd=defrag&target=data/d", NONE, "[[\"data/a\",0,50]]", 416,
            "Read range error from ");
    refuses("POST /?cmd=defrag&algorithm=sha256", NONE, "[[\"data/a\",9,50]]", 416,
            "requested 50 bytes at offset 9, got 2");
    refuses("POST /?cmd=defrag&target=data/d", NONE, "[[\"data/z\",0,1]]", 404, "data/z");
    refuses("POST /?cmd=defrag", NONE, "[[\"data/a\",0,1]]", 400, "target= or algorithm=");
    refuses("POST /?cmd=defrag&target=d&levels=9", NONE, "{}", 400, "[[name, offset, size], ...]");
    assert_int_equal(rest_ask(&rig, "GET /data/d", NONE, NULL).status, 404);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET /../etc/passwd",  "GET /data/../../x", "POST /data/Upper", "POST /a/./b",
        "POST /x.tmp",         "GET /quota.hid",    "POST /data//x",    "POST /a\\b",
        "DELETE /data/",       "POST /data/x/",     "POST /..",         "POST /.",
        "POST /a/..?cmd=mkdir"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        answers(bad[i], NONE, NULL, 400, NULL);
    put("data/%2e%2e", "no escape: it is as it is sent");
    answers("GET /data/%2e%2e", NONE, NULL, 200, "no escape: it is as it is sent");
    assert_non_null(strstr(rest_ask(&rig, "GET /data/", NONE, NULL).body, "\"%2e%2e\""));
}

static void test_methods(void **state)
{
    (void)state;
    refuses("PUT /x", NONE, NULL, 501, "method");
    refuses("POST /x?cmd=frobnicate", NONE, NULL, 400, "cmd");
    refuses("DELETE /?cmd=create", NONE, NULL, 400, "cmd");
    refuses("POST /x?cmd=create", NONE, NULL, 400, "/");
    refuses("POST /", NONE, "value", 400, "name");
    refuses("DELETE /", NONE, NULL, 400, "name");
    answers("POST /?cmd=quota", NONE, NULL, 200, "{\"limit\": -1, \"usage\": -1}");
    put("x?cmd=", "blank is absent");
    answers("GET /x?cmd=create", NONE, NULL, 200, "blank is absent");
}

static void test_life(void **state)
{
    (void)state;
    refuses("GET //", NONE, NULL, 410, "[STORAGE_BASE]");
    assert_int_equal(rest_ask(&rig, "HEAD /x", NONE, NULL).status, 410);
    refuses("POST /x", NONE, "v", 410, "");
    refuses("DELETE /?cmd=destroy", NONE, NULL, 410, "");
    answers("POST /?cmd=create", NONE, NULL, 200, "");
    answers("POST /?cmd=create", NONE, NULL, 200, ""); /* nothing is in it */
    put("x", "v");
    refuses("POST /?cmd=create", NONE, NULL, 409, "");
    answers("GET /x", NONE, NULL, 200, "v");
    answers("DELETE /?cmd=destroy", NONE, NULL, 200, "");
    refuses("GET /x", NONE, NULL, 410, "");
    answers("POST /?cmd=create", NONE, NULL, 200, "");
    assert_int_equal(rest_ask(&rig, "GET /x", NONE, NULL).status, 404);
}

/* Nobody learns where the store lies. */
static void test_no_paths_in_messages(void **state)
{
    (void)state;
    static const char *const asked[] = {
        "GET //",          "GET /x",  "DELETE /x", "HEAD /x",
        "POST /?cmd=move", "GET /d/", "DELETE /",  "DELETE /d?cmd=rmdir"};
    for (int made = 0; made < 2; made++) {
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            struct rest_answer a = rest_ask(&rig, asked[i], NONE, NULL);
            assert_null(strstr(a.head, scratch.path));
            assert_null(strstr(a.body, scratch.path));
        }
        answers("POST /?cmd=create", NONE, NULL, 200, "");
    }
}

static size_t files_in(const char *path)
{
    size_t count = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d))
        count++;
    closedir(d);
    return count - 2;
}

static void test_client_that_goes_leaves_nothing(void **state)
{
    (void)state;
    static char piece[70000];
    memset(piece, 'x', sizeof piece - 1);
    answers("POST /?cmd=create", NONE, NULL, 200, "");
    for (int i = 0; i < 3; i++) {
        int fd = toy_connect(&rig.http);
        toy_send(fd, "POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
                     "Accept: application/vnd.x.borgstore.rest.v1\r\n\r\n");
        toy_send(fd, piece);
        if (i) /* otherwise at once, with what may still be on its way */
            toy_wait_until(files_in(folder) == 1);
        close(fd);
        toy_wait_until(files_in(folder) == 0);
    }
    assert_int_equal(rest_ask(&rig, "GET /half", NONE, NULL).status, 404);
    put("half", "whole");
    answers("GET /half", NONE, NULL, 200, "whole");
}

/* ---- what has no connection ---- */

static void scrubs(const char *text, const char *base, const char *wanted)
{
    char out[200];
    rest_scrub(text, base, out, sizeof out);
    assert_string_equal(out, wanted);
}

static void test_scrub(void **state)
{
    (void)state;
    scrubs("file:///srv/my store: there is no a/b", "file:///srv/my store",
           "[STORAGE_BASE]: there is no a/b");
    scrubs("cannot open /srv/x, or \"/srv/y\"", NULL,
           "cannot open [STORAGE_BASE], or \"[STORAGE_BASE]\"");
    scrubs("member a: sftp://me@host/x: gone", NULL, "member a: [STORAGE_BASE]: gone");
    scrubs("memory:name is closed. s3:key/bucket!", NULL,
           "[STORAGE_BASE] is closed. [STORAGE_BASE]!");
    scrubs("data/01/x: 3 / 4 is and/or", NULL, "data/01/x: 3 / 4 is and/or");
}

static void test_parts(void **state)
{
    (void)state;
    struct rest_parts p;
    struct ms_error err = {0};
    check_ok(rest_parts_parse(ms_str("[]"), &p, &err), err);
    assert_int_equal(p.count, 0);
    rest_parts_fini(&p);
    check_ok(rest_parts_parse(ms_str("[[\"a/b\",1,2],[\"c\",0,9223372036854775807]]"), &p, &err),
             err);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.parts[0].name.data, "a/b");
    assert_int_equal(p.parts[1].size, INT64_MAX);
    rest_parts_fini(&p);
    static const char *const bad[] = {"",
                                      "{}",
                                      "[",
                                      "[[]]",
                                      "[[\"a\"]]",
                                      "[1]",
                                      "[[\"a\",1]]",
                                      "[[\"a\",1,2,3]]",
                                      "[[\"a\",-1,2]]",
                                      "[[\"a\",1.5,2]]",
                                      "[] []",
                                      "[[1,2,3]]",
                                      "[[\"a\",\"1\",2]]",
                                      "[[\"a\\u0000b\",1,2]]",
                                      "[[\"a\",9223372036854775808,1]]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_code(rest_parts_parse(ms_str(bad[i]), &p, &err), MS_ERR_FORMAT, err);
    check_code(rest_parts_parse(ms_str("[[\"../a\",1,2]]"), &p, &err), MS_ERR_NAME, err);
    check_code(rest_parts_parse(ms_str("[[\"\",1,2]]"), &p, &err), MS_ERR_NAME, err);
}

static int end(void **state)
{
    (void)state;
    ms_pool_shutdown();
    return 0;
}

#define OVER_MEMORY(test) cmocka_unit_test_setup_teardown(test, start_memory, stop)
#define OVER_FOLDER(test) cmocka_unit_test_setup_teardown(test, start_folder, stop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_MEMORY(test_values),
        OVER_MEMORY(test_headers_of_success),
        OVER_MEMORY(test_head),
        OVER_MEMORY(test_ranges),
        OVER_MEMORY(test_hash_of_an_upload),
        OVER_MEMORY(test_directories),
        OVER_MEMORY(test_move),
        OVER_MEMORY(test_hash),
        OVER_MEMORY(test_defrag),
        OVER_MEMORY(test_names),
        OVER_MEMORY(test_methods),
        OVER_FOLDER(test_life),
        OVER_FOLDER(test_no_paths_in_messages),
        OVER_FOLDER(test_client_that_goes_leaves_nothing),
        cmocka_unit_test(test_scrub),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
