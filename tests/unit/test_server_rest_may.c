/* server/rest_may.c and the quota: every request with every letter, and what a store of so many
 * bytes takes, by raw bytes. */
#include "support/check.h"
#include "support/rest_rig.h"

#include "base/assert.h"
#include "base/pool.h"

#include <mstore/backend.h>

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define NONE ""

static int ask(const struct rest_rig *r, const char *what, const char *body)
{
    return rest_ask(r, what, NONE, body).status;
}

/* ---- every request, every letter ---- */

/* The letters of which one suffices on the store, and of which one is needed as well; NULL: none
 * is. Each finds everything there. */
static const struct {
    const char *what, *body, *letters, *also;
    int status; /* of success; 0: 200 */
} rows[] = {
    {"HEAD /", NULL, "lr", NULL, 0},
    {"HEAD /data/old", NULL, "lr", NULL, 0},
    {"GET /data/old", NULL, "r", NULL, 0},
    {"GET //", NULL, "l", NULL, 0},
    {"GET /data/", NULL, "l", NULL, 0},
    {"POST /data/old?cmd=hash", NULL, "r", NULL, 0},
    {"POST /data/new", "v", "wW", NULL, 0},
    {"POST /data/old", "v", "W", NULL, 0},
    {"POST /data/dir?cmd=mkdir", NULL, "w", NULL, 0},
    {"DELETE /data/dir?cmd=rmdir", NULL, "wD", NULL, 0},
    {"POST /?cmd=quota", NULL, NULL, NULL, 0},
    {"POST /?cmd=create", NULL, "wW", NULL, 409},
    {"DELETE /data/old", NULL, "D", NULL, 0},
    {"POST /?cmd=move&current=data/old&new=data/new", NULL, "D", "wW", 0},
    {"POST /?cmd=move&current=data/old&new=data/other", NULL, "D", "W", 0},
    {"POST /?cmd=move&current=data/old&new=data/old.del", NULL, "D", "wW", 0},
    {"POST /?cmd=defrag&target=data/new", "[[\"data/old\",0,5]]", "r", "W", 0},
    {"POST /?cmd=defrag&algorithm=sha256&namespace=data", "[[\"data/old\",0,5]]", "r", "W", 0},
    {"DELETE /?cmd=destroy", NULL, "D", NULL, 0},
};

/* Everything is there, whatever the letters allow to be made. */
static void fill(struct ms_backend *b)
{
    static const char *const names[] = {"data/old", "data/other"};
    struct ms_error err = {0};
    struct ms_buf_borrowed place;
    for (size_t i = 0; i < 2; i++)
        check_ok(ms_backend_store(b, ms_str(names[i]), ms_buf_borrow(&place, ms_str("value")), NULL,
                                  NULL, &err),
                 err);
    (void)!ms_backend_delete(b, ms_str("data/new"), NULL);
    (void)!ms_backend_delete(b, ms_str("data/old.del"), NULL);
    check_ok(ms_backend_mkdir(b, ms_str("data/dir"), &err), err);
}

static struct ms_backend *open_behind(const char *url)
{
    struct ms_backend *b;
    struct ms_error err = {0};
    check_ok(ms_backend_make(url, NULL, &b, &err), err);
    int code = ms_backend_create(b, &err);
    if (code != MS_ERR_STORE_EXISTS)
        check_ok(code, err);
    check_ok(ms_backend_open(b, &err), err);
    return b;
}

static bool has_one(const char *letters, const char *of)
{
    return !of || strpbrk(letters, of);
}

/* Every request with these letters. */
static void try_letters(const char *letters)
{
    char map[40];
    struct rest_rig r;
    snprintf(map, sizeof map, "{\"\": \"%s\"}", letters);
    rest_rig_start(&r, "memory:letters", map, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ms_backend *b = open_behind("memory:letters");
        fill(b);
        ms_backend_free(b);
        bool may = has_one(letters, rows[i].letters) && has_one(letters, rows[i].also);
        int status = ask(&r, rows[i].what, rows[i].body);
        int wanted = !may ? 403 : rows[i].status ? rows[i].status : 200;
        if (status != wanted)
            fail_msg("\"%s\": %s: %d instead of %d", letters, rows[i].what, status, wanted);
    }
    rest_rig_stop(&r);
}

static void test_all_letters(void **state)
{
    (void)state;
    struct ms_backend *kept = open_behind("memory:letters");
    for (unsigned set = 0; set < 32; set++) {
        char letters[6];
        size_t count = 0;
        for (unsigned i = 0; i < 5; i++)
            if (set >> i & 1)
                letters[count++] = "lrwWD"[i];
        letters[count] = '\0';
        try_letters(letters);
    }
    ms_backend_free(kept);
}

/* Moves and defrags need letters at several names. */
static void test_two_names(void **state)
{
    (void)state;
    struct ms_backend *b = open_behind("memory:two");
    static const struct {
        const char *map, *what, *body;
        int status;
    } cases[] = {
        {"a:D b:w", "move&current=a/x&new=b/y", NULL, 200},
        {"a:D b:W", "move&current=a/x&new=b/y", NULL, 200},
        {"a:lrwW b:lrwWD", "move&current=a/x&new=b/y", NULL, 403},
        {"a:lrwWD b:lrD", "move&current=a/x&new=b/y", NULL, 403},
        {"a:D b:w", "move&current=a/x&new=b/old", NULL, 403},
        {"a:D b:W", "move&current=a/x&new=b/old", NULL, 200},
        {"a:Dw", "move&current=a/x&new=a/x.del", NULL, 200},
        {"a:lrwW", "move&current=a/x&new=a/x.del", NULL, 403},
        {"a:r b:W", "defrag&target=b/old", "[[\"a/x\",0,1]]", 200},
        {"a:r b:w", "defrag&target=b/y", "[[\"a/x\",0,1]]", 403},
        {"a:lwWD b:W", "defrag&target=b/old", "[[\"a/x\",0,1]]", 403},
        {"a:r", "defrag&algorithm=sha256&namespace=b", "[[\"a/x\",0,1]]", 403},
        {"a:r b:W", "defrag&algorithm=sha256&namespace=b", "[[\"a/x\",0,1]]", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const char *const names[] = {"a/x", "b/old"};
        struct ms_buf_borrowed place;
        struct ms_error err = {0};
        struct rest_rig r;
        char what[200];
        for (size_t k = 0; k < 2; k++)
            check_ok(ms_backend_store(b, ms_str(names[k]), ms_buf_borrow(&place, ms_str("value")),
                                      NULL, NULL, &err),
                     err);
        (void)!ms_backend_delete(b, ms_str("b/y"), NULL);
        (void)!ms_backend_delete(b, ms_str("a/x.del"), NULL);
        rest_rig_start(&r, "memory:two", cases[i].map, NULL);
        snprintf(what, sizeof what, "POST /?cmd=%s", cases[i].what);
        int status = ask(&r, what, cases[i].body);
        if (status != cases[i].status)
            fail_msg("%s: %s: %d instead of %d", cases[i].map, what, status, cases[i].status);
        rest_rig_stop(&r);
    }
    ms_backend_free(b);
}

static void test_nearest_decides(void **state)
{
    (void)state;
    struct ms_backend *b = open_behind("memory:near");
    struct rest_rig r;
    rest_rig_start(&r, "memory:near", "borgbackup-no-delete", NULL);
    assert_int_equal(ask(&r, "POST /data/01/x", "v"), 200);
    assert_int_equal(ask(&r, "GET /data/01/x", NULL), 200);
    assert_int_equal(ask(&r, "POST /data/01/x", "w"), 403);
    assert_int_equal(ask(&r, "DELETE /data/01/x", NULL), 403);
    assert_int_equal(ask(&r, "POST /keys/a", "v"), 403);
    assert_int_equal(ask(&r, "POST /config/a", "v"), 200);
    assert_int_equal(ask(&r, "POST /config/a", "w"), 200);
    assert_int_equal(ask(&r, "POST /locks/a", "v"), 200);
    assert_int_equal(ask(&r, "DELETE /locks/a", NULL), 200);
    assert_int_equal(ask(&r, "DELETE /?cmd=destroy", NULL), 403);
    rest_rig_stop(&r);
    ms_backend_free(b);
}

/* ---- only new, among many ---- */

struct race {
    struct rest_rig rig;
    atomic_uint won, refused;
};

static int run_racer(void *arg, size_t i)
{
    struct race *race = arg;
    char body[20];
    snprintf(body, sizeof body, "%zu", i);
    int status = ask(&race->rig, "POST /data/raced", body);
    atomic_fetch_add(status == 200 ? &race->won : &race->refused, 1);
    return status == 200 || status == 403 || status == 409 ? 0 : MS_ERR_INTERNAL;
}

static void test_only_one_makes_it(void **state)
{
    (void)state;
    struct ms_backend *b = open_behind("memory:race");
    struct ms_error err = {0};
    struct race race = {0};
    rest_rig_start(&race.rig, "memory:race", "data:w", NULL);
    check_ok(ms_parallel(8, 8, run_racer, &race, &err), err);
    assert_int_equal(race.won, 1);
    assert_int_equal(race.refused, 7);
    rest_rig_stop(&race.rig);
    ms_backend_free(b);
}

/* ---- quota ---- */

static void has_usage(const struct rest_rig *r, const char *wanted)
{
    assert_string_equal(rest_ask(r, "POST /?cmd=quota", NONE, NULL).body, wanted);
}

static void test_quota(void **state)
{
    (void)state;
    struct ms_backend *b = open_behind("memory:quota");
    struct rest_rig r;
    fill(b);
    rest_rig_start(&r, "memory:quota", NULL, "20");
    has_usage(&r, "{\"limit\": 20, \"usage\": 10}"); /* counted: old and other */
    assert_int_equal(ask(&r, "POST /data/new", "0123456789"), 200);
    has_usage(&r, "{\"limit\": 20, \"usage\": 20}");
    const char *listed = rest_ask(&r, "GET /data/", NONE, NULL).body;
    assert_non_null(strstr(listed, "\"new\""));
    assert_non_null(strstr(listed, "\"other\""));
    struct rest_answer a = rest_ask(&r, "POST /data/more", NONE, "x");
    assert_int_equal(a.status, 507);
    assert_int_equal(ask(&r, "POST /data/new", "0123456789!"), 507);
    assert_int_equal(ask(&r, "POST /data/new", "9876543210"), 200); /* replaces as much */
    assert_string_equal(rest_ask(&r, "GET /data/new", NONE, NULL).body, "9876543210");
    assert_int_equal(ask(&r, "POST /?cmd=move&current=data/new&new=data/new.del", NULL), 200);
    has_usage(&r, "{\"limit\": 20, \"usage\": 20}");
    assert_int_equal(ask(&r, "POST /?cmd=move&current=data/new.del&new=data/old", NULL), 200);
    has_usage(&r, "{\"limit\": 20, \"usage\": 15}");
    assert_int_equal(ask(&r, "POST /?cmd=defrag&target=data/d", "[[\"data/old\",0,6]]"), 507);
    assert_int_equal(ask(&r, "POST /?cmd=defrag&target=data/d", "[[\"data/old\",0,5]]"), 200);
    assert_int_equal(ask(&r, "DELETE /data/old", NULL), 200);
    has_usage(&r, "{\"limit\": 20, \"usage\": 10}");
    assert_null(strstr(rest_ask(&r, "GET /", NONE, NULL).body, "quota.hid"));
    rest_rig_stop(&r);
    struct ms_buf *count = NULL;
    struct ms_error err = {0};
    check_ok(ms_backend_load(b, ms_str("quota.hid"), 0, MS_SIZE_TO_END, &count, NULL, &err), err);
    assert_int_equal(ms_buf_size(count), 2);
    assert_memory_equal(ms_buf_view(count).data, "10", 2);
    ms_buf_unref(count);
    ms_backend_free(b);
}

/* What is too large is refused before it is sent, and what turns out so leaves nothing. */
static void test_quota_of_streams(void **state)
{
    (void)state;
    static char large[200001], chunked[140000];
    struct ms_backend *b = open_behind("memory:stream");
    struct rest_rig r;
    memset(large, 'x', sizeof large - 1);
    rest_rig_start(&r, "memory:stream", NULL, "100000");
    int fd = toy_connect(&r.http);
    toy_send(fd, "POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
                 "Accept: application/vnd.x.borgstore.rest.v1\r\n\r\n");
    toy_send(fd, large);
    assert_non_null(strstr(toy_answer(fd), "HTTP/1.1 507 "));
    close(fd);
    fd = toy_connect(&r.http);
    toy_send(fd, "POST /big HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                 "Accept: application/vnd.x.borgstore.rest.v1\r\n\r\n");
    snprintf(chunked, sizeof chunked, "1ffff\r\n%.131071s\r\n", large);
    toy_send(fd, chunked);
    toy_send(fd, "0\r\n\r\n");
    assert_non_null(strstr(toy_answer(fd), "HTTP/1.1 507 "));
    close(fd);
    has_usage(&r, "{\"limit\": 100000, \"usage\": 0}");
    assert_string_equal(rest_ask(&r, "GET //", NONE, NULL).body, "[]");
    rest_rig_stop(&r);
    ms_backend_free(b);
}

static int end(void **state)
{
    (void)state;
    ms_pool_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_letters),     cmocka_unit_test(test_two_names),
        cmocka_unit_test(test_nearest_decides), cmocka_unit_test(test_only_one_makes_it),
        cmocka_unit_test(test_quota),           cmocka_unit_test(test_quota_of_streams),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
