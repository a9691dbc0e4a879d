/* Allocation k = 0, 1, 2 … fails, for each operation of the S3 driver, until the operation meets no
 * failure: NO_MEMORY, no leak (the run under AddressSanitizer looks), the data as before or after,
 * the handle still usable. The server is one of ours, in another process, which has its memory. */
#include "fault/operations.h"
#include "support/check.h"
#include "support/s3_fake.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

#include "base/pool.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define K_MAX       400
#define LARGE_BYTES ((6u << 20) + 12345)

static struct s3_fake server;
static struct scratch scratch;
static uint8_t large[LARGE_BYTES], large_back[LARGE_BYTES];

static int make(const char *options, struct ms_backend **out, struct ms_error *err)
{
    char url[256];
    snprintf(url, sizeof url, "s3:ID:topsecret@http://127.0.0.1:%d/bucket/p?part_size=5MiB%s",
             server.port, options);
    return ms_backend_make(url, NULL, out, err);
}

/* A fresh storage in the state before. */
static struct ms_backend *fresh(int (*prepare)(struct ms_backend *, struct ms_error *))
{
    struct ms_error err = {0};
    struct ms_backend *b = NULL;
    s3_fake_reset(&server);
    check_ok(make("&if_absent=yes&provider=aws&style=path", &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    check_ok(prepare(b, &err), err);
    return b;
}

static void check_failure(const char *what, long k, int code, bool failed,
                          const struct ms_error *err)
{
    if (code != 0 && (code != MS_ERR_NO_MEMORY || err->code != code || !err->text[0]))
        fail_msg("%s, allocation %ld: %s: %s", what, k, ms_code_name(code), err->text);
    if (code != 0 && !failed)
        fail_msg("%s fails without cause: %s", what, err->text);
    if (strstr(err->text, "topsecret"))
        fail_msg("%s tells the secret", what);
}

/* A move is a copy and a delete: between them the value is at both places. */
static bool allowed(const struct operation *o, int code, const char *state)
{
    return operations_allowed(o, code, state) ||
           (code && strcmp(o->name, "move") == 0 && strcmp(state, "AB--A-") == 0);
}

/* Returns false when nothing was left to fail. */
static bool fail_one(const struct operation *o, long k)
{
    struct ms_error err = {0};
    char state[STATE_NAMES + 1];
    struct ms_backend *b = fresh(operations_prepare);
    wrapalloc_arm(k);
    int code = o->run(b, &err);
    bool failed = wrapalloc_disarm();
    check_failure(o->name, k, code, failed, &err);
    check_ok(operations_state(b, state, &err), err);
    if (!allowed(o, code, state))
        fail_msg("%s, allocation %ld, gave %s and left %s", o->name, k, ms_code_name(code), state);
    if (strcmp(state, STATE_BEFORE) == 0) /* still usable */
        check_ok(o->run(b, &err), err);
    ms_backend_free(b);
    return failed;
}

static void each_operation(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t i = 0; i < operation_count; i++) {
        if (strcmp(operations[i].name, "move if absent") == 0 ||
            strcmp(operations[i].name, "mkdir and rmdir") == 0)
            continue; /* S3 has none; and no parents of its own accord: see below */
        long k = 0;
        while (fail_one(&operations[i], k)) {
            failures++;
            if (++k == K_MAX)
                fail_msg("%s allocates without end", operations[i].name);
        }
    }
    assert_true(failures >= 300); /* the interposition works */
}

/* ---- what only S3 does ---- */

static int nothing(struct ms_backend *b, struct ms_error *err)
{
    (void)b, (void)err;
    return 0;
}

static int stream_large(struct ms_backend *b, struct ms_error *err)
{
    struct ms_writer *w = NULL;
    int code = ms_backend_write(b, ms_str("large"), 0, NULL, &w, err);
    if (code)
        return code;
    code = ms_writer_append(w, ms_view(large, LARGE_BYTES), err);
    if (!code)
        return ms_writer_commit(w, NULL, err);
    ms_writer_abort(w);
    return code;
}

static int put_large(struct ms_backend *b, struct ms_error *err)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str("large"), ms_buf_borrow(&place, ms_view(large, LARGE_BYTES)),
                            NULL, NULL, err);
}

static int load_large(struct ms_backend *b, struct ms_error *err)
{
    struct ms_buf *value = NULL;
    int code = ms_backend_load(b, ms_str("large"), 0, MS_SIZE_TO_END, &value, NULL, err);
    if (code)
        return code;
    bool right = ms_equal(ms_buf_view(value), ms_view(large, LARGE_BYTES));
    ms_buf_unref(value);
    return right ? 0 : ms_error_set(err, MS_ERR_CORRUPT, "the load gave something wrong");
}

static int read_large(struct ms_backend *b, struct ms_error *err)
{
    struct ms_reader *r = NULL;
    size_t got = 0;
    int code = ms_backend_read(b, ms_str("large"), &r, err);
    if (code)
        return code;
    code = ms_reader_read(r, 0, large_back, LARGE_BYTES, &got, err);
    ms_reader_close(r);
    if (code)
        return code;
    return got == LARGE_BYTES && memcmp(large, large_back, got) == 0
               ? 0
               : ms_error_set(err, MS_ERR_CORRUPT, "the reader gave something wrong");
}

static int load_ranges(struct ms_backend *b, struct ms_error *err)
{
    static const struct {
        int64_t offset;
        uint64_t size, got;
    } ranges[] = {{5, 100, 100}, {-7, MS_SIZE_TO_END, 7}, {-9, 3, 3}, {3, 0, 0}, {99999, 5, 0}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct ms_buf *value = NULL;
        int code =
            ms_backend_load(b, ms_str("d/a"), ranges[i].offset, ranges[i].size, &value, NULL, err);
        if (code)
            return code;
        uint64_t got = ms_buf_size(value);
        ms_buf_unref(value);
        if (got != ranges[i].got)
            return ms_error_set(err, MS_ERR_CORRUPT, "range %zu gave %llu bytes", i,
                                (unsigned long long)got);
    }
    return 0;
}

static int directories(struct ms_backend *b, struct ms_error *err)
{
    int code = ms_backend_mkdir(b, ms_str("x/y"), err);
    return code ? code : ms_backend_rmdir(b, ms_str("x/y"), err);
}

/* Two pages, and directories that come late: "a-…" lies before "a/" at the server. */
static int put_crowd(struct ms_backend *b, struct ms_error *err)
{
    char name[32];
    int code = 0;
    struct ms_buf_borrowed place;
    for (int i = 0; i < 40 && !code; i++) {
        snprintf(name, sizeof name, i % 2 ? "c/n-%02d" : "c/n%02d/x", i);
        code =
            ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, ms_str("v")), NULL, NULL, err);
    }
    return code;
}

static int list_crowd(struct ms_backend *b, struct ms_error *err)
{
    const struct ms_list_request request = {.limit = 3};
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char last[32] = "";
    int count = 0, code = ms_backend_list(b, ms_str("c"), &request, &l, err);
    if (code)
        return code;
    while ((code = ms_lister_next(l, &e, err)) == 0 && e) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)e->name.size, (const char *)e->name.data);
        if (strcmp(name, last) <= 0)
            code = MS_ERR_CORRUPT;
        memcpy(last, name, sizeof last);
        count++;
    }
    ms_lister_close(l);
    if (!code && count != 40)
        code = ms_error_set(err, MS_ERR_CORRUPT, "%d entries", count);
    return code;
}

/* Three uploads that nobody finished, of which the server lists two on a page. */
static int leave_uploads(struct ms_backend *b, struct ms_error *err)
{
    s3_fake_reset(&server);
    atomic_store(&server.state->stale_uploads, 3);
    return put_crowd(b, err);
}

static int sweep_uploads(struct ms_backend *b, struct ms_error *err)
{
    uint64_t removed = 0;
    int code = ms_backend_sweep(b, UINT64_C(1000000000), &removed, err);
    if (!code && removed != 3)
        code = ms_error_set(err, MS_ERR_CORRUPT, "%d uploads removed", (int)removed);
    return code;
}

static int destroy(struct ms_backend *b, struct ms_error *err)
{
    int code = ms_backend_close(b, err);
    if (!code)
        code = ms_backend_destroy(b, err);
    if (!code || err->code == MS_ERR_NO_STORE)
        code = ms_backend_create(b, err);
    struct ms_error ignored = {0};
    int opened = ms_backend_open(b, code ? &ignored : err);
    return code ? code : opened;
}

static const struct special {
    const char *name;
    int (*prepare)(struct ms_backend *b, struct ms_error *err);
    int (*run)(struct ms_backend *b, struct ms_error *err);
    enum {
        AGAIN,
        ONCE,
        READS
    } kind; /* behind a failure: it can be repeated; it cannot, since the
               failure may come behind the effect; it changes nothing */
} specials[] = {
    {"a large stream in", nothing, stream_large, AGAIN},
    {"directories", nothing, directories, AGAIN},
    {"sweeping uploads", leave_uploads, sweep_uploads, ONCE},
    {"destroying", put_crowd, destroy, ONCE},
    {"a large load", put_large, load_large, READS},
    {"a large reader", put_large, read_large, READS},
    {"ranges", operations_prepare, load_ranges, READS},
    {"a listing in pages", put_crowd, list_crowd, READS},
};

static bool fail_special(struct ms_backend *b, const struct special *s, long k)
{
    struct ms_error err = {0};
    wrapalloc_arm(k);
    int code = s->run(b, &err);
    bool failed = wrapalloc_disarm();
    check_failure(s->name, k, code, failed, &err);
    if (code && s->kind == AGAIN && k % 4 == 0 && s->run(b, &err))
        fail_msg("%s after a failure of allocation %ld: %s", s->name, k, err.text);
    return failed;
}

static void fail_each(const struct special *s)
{
    struct ms_backend *b = fresh(s->prepare);
    long k = 0;
    for (; fail_special(b, s, k); k++) {
        if (k == K_MAX)
            fail_msg("%s allocates without end", s->name);
        if (s->kind != READS) {
            ms_backend_free(b);
            b = fresh(s->prepare);
        }
    }
    ms_backend_free(b);
    assert_true(k >= 10);
}

static void each_special(void **state)
{
    (void)state;
    for (size_t i = 0; i < LARGE_BYTES; i++)
        large[i] = (uint8_t)(i * 31 + i / 4096);
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        fail_each(&specials[i]);
}

/* ---- making ---- */

static void write_profile(char *path, size_t size)
{
    snprintf(path, size, "%s/credentials", scratch.path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
            "[tester]\naws_access_key_id = ID\naws_secret_access_key = topsecret\n"
            "aws_session_token = session\nregion = here\n"
            "endpoint_url = http://127.0.0.1:%d\n",
            server.port);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

/* The URL, a profile that says the rest, the probe of If-None-Match. */
static void making(void **state)
{
    (void)state;
    char path[128];
    write_profile(path, sizeof path);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    bool failed = true;
    for (long k = 0; failed; k++) {
        struct ms_error err = {0};
        struct ms_backend *b = NULL;
        s3_fake_reset(&server);
        wrapalloc_arm(k);
        int code = ms_backend_make("s3:tester@/bucket/p?style=path", NULL, &b, &err);
        if (code == 0)
            code = ms_backend_create(b, &err);
        if (code == 0)
            code = ms_backend_open(b, &err);
        failed = wrapalloc_disarm();
        check_failure("making", k, code, failed, &err);
        ms_backend_free(b);
        assert_true(k < K_MAX);
    }
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation),
        cmocka_unit_test(each_special),
        cmocka_unit_test(making),
    };
    if (!s3_fake_start(&server, false) || !scratch_make(&scratch))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    scratch_remove(&scratch);
    s3_fake_stop(&server);
    return failed;
}
