/* The S3 driver before a server of ours that keeps what it is given: addresses, uploads in parts
 * that fail, copies, uploads that others left. */
#include "support/check.h"
#include "support/s3_fake.h"

#include "backends/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>

#define LARGE_BYTES  (21u << 20) /* more than four parts: the store goes in parts */
#define STREAM_BYTES (11u << 20)

static struct s3_fake server;
static uint8_t large[LARGE_BYTES];

struct bed {
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_error err;
};

static void begin(struct bed *t, const struct s3_fake *f, const char *host, const char *options)
{
    char url[256];
    *t = (struct bed){.clock = ms_clock_virtual_new(UINT64_C(1600000000000000000))};
    struct ms_backend_env env = {.clock = t->clock, .seed = 1};
    snprintf(url, sizeof url, "s3:ID:secret@http://%s:%d/bucket/p?part_size=5MiB&%s", host, f->port,
             options);
    check_ok(ms_backend_make(url, &env, &t->b, &t->err), t->err);
    check_ok(ms_backend_create(t->b, &t->err), t->err);
    check_ok(ms_backend_open(t->b, &t->err), t->err);
}

static void end(struct bed *t)
{
    ms_backend_free(t->b);
    ms_clock_free(t->clock);
}

static int put(struct bed *t, const char *name, size_t size)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(t->b, ms_str(name), ms_buf_borrow(&place, ms_view(large, size)), NULL,
                            NULL, &t->err);
}

static void holds(struct bed *t, const char *name, size_t size)
{
    struct ms_buf *value = NULL;
    check_ok(ms_backend_load(t->b, ms_str(name), 0, MS_SIZE_TO_END, &value, NULL, &t->err), t->err);
    assert_int_equal(ms_buf_size(value), size);
    assert_memory_equal(ms_buf_view(value).data, large, size);
    ms_buf_unref(value);
}

static bool exists(struct bed *t, const char *name)
{
    struct ms_info info = {0};
    check_ok(ms_backend_info(t->b, ms_str(name), &info, &t->err), t->err);
    return info.exists;
}

static uint64_t sweep(struct bed *t)
{
    uint64_t removed = 99;
    check_ok(ms_backend_sweep(t->b, 0, &removed, &t->err), t->err);
    return removed;
}

/* ---- addresses ---- */

static struct s3_fake six;
static bool has_ipv6;

/* The name in the Host header is the one that is signed: a real server checks that. */
static void speaks_to_ipv6(void **state)
{
    (void)state;
    struct bed t;
    char host[32];
    if (!has_ipv6) { /* the parts that need no network are in test_s3_url */
        print_message("there is no ::1 on this machine\n");
        return;
    }
    begin(&t, &six, "[::1]", "if_absent=no&provider=aws");
    snprintf(host, sizeof host, "[::1]:%d", six.port);
    assert_int_equal(put(&t, "d/v", 1000), 0);
    assert_string_equal(six.state->host, host);
    assert_non_null(strstr(six.state->authorization, "SignedHeaders=content-type;host;"));
    holds(&t, "d/v", 1000);
    check_ok(ms_backend_delete(t.b, ms_str("d/v"), &t.err), t.err);
    end(&t);
}

/* ---- parts ---- */

static int stream(struct bed *t, const char *name)
{
    struct ms_writer *w = NULL;
    int code = ms_backend_write(t->b, ms_str(name), 0, NULL, &w, &t->err);
    for (size_t at = 0; at < STREAM_BYTES && !code; at += 1u << 20)
        code = ms_writer_append(w, ms_view(large + at, 1u << 20), &t->err);
    if (!code)
        return ms_writer_commit(w, NULL, &t->err);
    ms_writer_abort(w);
    return code;
}

/* What was there stays, and nothing is left at the server. */
static void a_part_that_fails_ends_the_upload(void **state)
{
    (void)state;
    struct bed t;
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=no&provider=ceph");
    assert_int_equal(put(&t, "v", 77), 0);
    atomic_store(&server.state->fail_parts, 403);
    check_code(stream(&t, "v"), MS_ERR_ACCESS, t.err);
    atomic_store(&server.state->fail_parts, 503);
    check_code(stream(&t, "v"), MS_ERR_BUSY, t.err);
    atomic_store(&server.state->fail_parts, 0);
    holds(&t, "v", 77);
    assert_int_equal(sweep(&t), 0);
    assert_int_equal(stream(&t, "v"), 0);
    holds(&t, "v", STREAM_BYTES);
    end(&t);
}

static void an_upload_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct bed t;
    struct ms_writer *w = NULL;
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=no&provider=ceph");
    check_ok(ms_backend_write(t.b, ms_str("v"), LARGE_BYTES, NULL, &w, &t.err), t.err);
    check_ok(ms_writer_append(w, ms_view(large, LARGE_BYTES), &t.err), t.err);
    ms_writer_abort(w);
    assert_false(exists(&t, "v"));
    assert_int_equal(sweep(&t), 0);
    end(&t);
}

/* Three uploads of others' dead processes, on two pages; values stay. */
static void sweeps_stale_uploads(void **state)
{
    (void)state;
    struct bed t;
    s3_fake_reset(&server);
    atomic_store(&server.state->stale_uploads, 3);
    begin(&t, &server, "127.0.0.1", "if_absent=no&provider=ceph");
    assert_int_equal(put(&t, "v", 77), 0);
    uint64_t removed = 99;
    check_ok(ms_backend_sweep(t.b, UINT64_C(1) << 63, &removed, &t.err), t.err); /* not so old */
    assert_int_equal(removed, 0);
    assert_int_equal(sweep(&t), 3);
    assert_int_equal(sweep(&t), 0);
    holds(&t, "v", 77);
    end(&t);
}

/* ---- answers that are lost ---- */

/* The work was done before: the second attempt finds it, and knows it for its own. */
static void knows_its_own_work(void **state)
{
    (void)state;
    struct bed t;
    const struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    struct ms_buf_borrowed place;
    struct ms_tag tag = {{0}};
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=yes&provider=aws&style=path");
    atomic_store(&server.state->lose_answers, 1);
    struct ms_buf *value = ms_buf_borrow(&place, ms_view(large, 500));
    check_ok(ms_backend_store(t.b, ms_str("v"), value, &absent, &tag, &t.err), t.err);
    assert_true(tag.text[0]);
    holds(&t, "v", 500);
    atomic_store(&server.state->lose_answers, 1);
    check_ok(stream(&t, "large"), t.err);
    holds(&t, "large", STREAM_BYTES);
    assert_int_equal(atomic_load(&server.state->lose_answers), 0);
    end(&t);
}

static void a_large_store_goes_in_parts(void **state)
{
    (void)state;
    struct bed t;
    const struct ms_precondition absent = {.kind = MS_IF_ABSENT}, tag = {MS_IF_TAG, {"t"}};
    struct ms_writer *w = NULL;
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=yes&provider=ceph");
    check_ok(put(&t, "v", LARGE_BYTES), t.err);
    holds(&t, "v", LARGE_BYTES);
    atomic_store(&server.state->fail_parts, 403);
    check_code(put(&t, "v", LARGE_BYTES), MS_ERR_ACCESS, t.err);
    /* this provider takes no condition at the end of an upload: refused, not ignored */
    check_ok(ms_backend_write(t.b, ms_str("w"), 0, &absent, &w, &t.err), t.err);
    check_code(ms_writer_append(w, ms_view(large, LARGE_BYTES), &t.err), MS_ERR_UNSUPPORTED, t.err);
    ms_writer_abort(w);
    check_code(ms_backend_write(t.b, ms_str("w"), 0, &tag, &w, &t.err), MS_ERR_UNSUPPORTED, t.err);
    end(&t);
}

/* Stored in one piece, it carries a digest, which a load in several ranges checks as well. */
static void damage_within_a_large_value_is_found(void **state)
{
    (void)state;
    struct bed t;
    struct ms_buf *value = NULL;
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=yes&provider=ceph");
    check_ok(put(&t, "v", 12u << 20), t.err);
    holds(&t, "v", 12u << 20);
    atomic_store(&server.state->damage, 1);
    check_code(ms_backend_load(t.b, ms_str("v"), 0, MS_SIZE_TO_END, &value, NULL, &t.err),
               MS_ERR_CORRUPT, t.err);
    assert_non_null(strstr(t.err.text, "v is damaged"));
    end(&t);
}

/* ---- listings ---- */

/* "a-0000" lies before "a/" at the server and behind "a" here: of thousands that wait for that
 * directory, none is kept for ever; it is asked for. */
static void asks_for_a_directory_that_many_wait_for(void **state)
{
    (void)state;
    enum { COUNT = 5100 };
    struct bed t;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char name[16];
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=no&provider=ceph");
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "a-%04d", i);
        check_ok(put(&t, name, 1), t.err);
    }
    for (int with = 0; with < 2; with++) {
        if (with)
            check_ok(put(&t, "a/x", 1), t.err);
        check_ok(ms_backend_list(t.b, ms_str(""), NULL, &l, &t.err), t.err);
        for (int i = with ? -1 : 0; i < COUNT; i++) {
            check_ok(ms_lister_next(l, &e, &t.err), t.err);
            assert_non_null(e);
            snprintf(name, sizeof name, i < 0 ? "a" : "a-%04d", i);
            assert_int_equal(e->name.size, strlen(name));
            assert_memory_equal(e->name.data, name, e->name.size);
            assert_int_equal(e->info.directory, i < 0);
        }
        check_ok(ms_lister_next(l, &e, &t.err), t.err);
        assert_null(e);
        ms_lister_close(l);
    }
    end(&t);
}

/* ---- a reader ---- */

/* Larger than what comes with the first request, in one piece and in parallel ones. */
static void a_reader_stays_with_its_version(void **state)
{
    (void)state;
    static uint8_t back[STREAM_BYTES];
    static const size_t sizes[] = {1u << 20, STREAM_BYTES};
    struct bed t;
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=no&provider=ceph");
    for (size_t i = 0; i < 2; i++) {
        struct ms_reader *r = NULL;
        size_t got = 0;
        check_ok(put(&t, "v", sizes[i]), t.err);
        check_ok(ms_backend_read(t.b, ms_str("v"), &r, &t.err), t.err);
        check_ok(ms_reader_read(r, 0, back, sizes[i], &got, &t.err), t.err);
        assert_int_equal(got, sizes[i]);
        assert_memory_equal(back, large, got);
        check_ok(put(&t, "v", sizes[i]), t.err); /* the same bytes, and another version */
        check_code(ms_reader_read(r, 0, back, sizes[i], &got, &t.err), MS_ERR_CONFLICT, t.err);
        check_text(t.err, "v was replaced while it was read");
        check_ok(ms_backend_delete(t.b, ms_str("v"), &t.err), t.err);
        check_code(ms_reader_read(r, 0, back, sizes[i], &got, &t.err), MS_ERR_CONFLICT, t.err);
        ms_reader_close(r);
    }
    end(&t);
}

/* ---- copies ---- */

static void copies_large_values_in_parts(void **state)
{
    (void)state;
    struct bed t;
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=no&provider=ceph");
    ms_s3_self(t.b)->copy_max_bytes = 1u << 20; /* 5 GiB of a real server */
    ms_s3_self(t.b)->copy_part_bytes = 1u << 20;
    assert_int_equal(put(&t, "d/large & odd", (3u << 20) + 5), 0);
    check_ok(ms_backend_copy(t.b, ms_str("d/large & odd"), ms_str("e/copy"), NULL, &t.err), t.err);
    holds(&t, "e/copy", (3u << 20) + 5);
    check_ok(ms_backend_move(t.b, ms_str("e/copy"), ms_str("e/moved"), NULL, &t.err), t.err);
    holds(&t, "e/moved", (3u << 20) + 5);
    assert_false(exists(&t, "e/copy"));
    atomic_store(&server.state->fail_parts, 403);
    check_code(ms_backend_move(t.b, ms_str("e/moved"), ms_str("f"), NULL, &t.err), MS_ERR_ACCESS,
               t.err);
    check_text(t.err, "copying to f failed");
    atomic_store(&server.state->fail_parts, 0);
    holds(&t, "e/moved", (3u << 20) + 5);
    assert_false(exists(&t, "f"));
    assert_int_equal(sweep(&t), 0); /* the upload was aborted */
    end(&t);
}

static void copies_small_values_in_one(void **state)
{
    (void)state;
    struct bed t;
    const struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    s3_fake_reset(&server);
    begin(&t, &server, "127.0.0.1", "if_absent=yes&provider=ceph");
    assert_int_equal(put(&t, "a", 300), 0);
    check_ok(ms_backend_copy(t.b, ms_str("a"), ms_str("b"), NULL, &t.err), t.err);
    check_ok(ms_backend_copy(t.b, ms_str("a"), ms_str("a"), NULL, &t.err), t.err);
    check_ok(ms_backend_copy(t.b, ms_str("a"), ms_str("c"), &absent, &t.err), t.err);
    check_code(ms_backend_copy(t.b, ms_str("a"), ms_str("b"), &absent, &t.err), MS_ERR_EXISTS,
               t.err);
    check_code(ms_backend_copy(t.b, ms_str("x"), ms_str("y"), NULL, &t.err), MS_ERR_NOT_FOUND,
               t.err);
    check_code(ms_backend_move(t.b, ms_str("a"), ms_str("z"), &absent, &t.err), MS_ERR_UNSUPPORTED,
               t.err);
    holds(&t, "b", 300);
    holds(&t, "c", 300);
    check_code(ms_backend_copy(t.b, ms_str("a"), ms_str("no\xff"), NULL, &t.err), MS_ERR_NAME,
               t.err);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_to_ipv6),
        cmocka_unit_test(a_part_that_fails_ends_the_upload),
        cmocka_unit_test(an_upload_given_up_leaves_nothing),
        cmocka_unit_test(sweeps_stale_uploads),
        cmocka_unit_test(knows_its_own_work),
        cmocka_unit_test(a_large_store_goes_in_parts),
        cmocka_unit_test(damage_within_a_large_value_is_found),
        cmocka_unit_test(asks_for_a_directory_that_many_wait_for),
        cmocka_unit_test(a_reader_stays_with_its_version),
        cmocka_unit_test(copies_large_values_in_parts),
        cmocka_unit_test(copies_small_values_in_one),
    };
    if (!s3_fake_start(&server, false))
        return 1;
    has_ipv6 = s3_fake_start(&six, true);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        large[i] = (uint8_t)(i * 31 + i / 4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    s3_fake_stop(&server);
    if (has_ipv6)
        s3_fake_stop(&six);
    return failed;
}
