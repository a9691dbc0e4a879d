/* The REST driver against the peer, over TCP and over a pipe: which requests each call makes, and
 * what the answers mean. */
#include "peers/rest_rig.h"

#include "base/hash.h"
#include "base/pool.h"
#include "base/sync.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define FOR_BOTH(rig, arguments, options)                                                          \
    for (int stdio_ = 0; stdio_ < 2 && (rig_open(&(rig), stdio_, arguments, options), true);       \
         rig_stop(&(rig)), stdio_++)

/* The requests since the last look, which is forgotten then. */
static void asked(struct rig *rig, const char *wanted)
{
    char *log = rig_log(rig);
    assert_string_equal(log, wanted);
    free(log);
    assert_int_equal(unlink(rig_path(rig, "log")), 0);
}

static void load(struct rig *rig, const char *name, int64_t offset, uint64_t size,
                 const char *wanted)
{
    struct ms_buf *got = NULL;
    check_ok(ms_backend_load(rig->b, ms_str(name), offset, size, &got, NULL, &rig->err), rig->err);
    assert_int_equal(ms_buf_size(got), strlen(wanted));
    assert_memory_equal(ms_buf_view(got).data, wanted, strlen(wanted));
    ms_buf_unref(got);
}

/* But for a move, as a real BorgStore moves directories as well. */
static void calls_are_one_request(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "", "")
    {
        struct ms_part parts[] = {{ms_str("data/ab"), 1, 2}, {ms_str("data/ab"), 0, 1}};
        struct ms_lister *l = NULL;
        struct ms_info info;
        char hex[MS_HASH_HEX_MAX];
        asked(&rig, "POST /?cmd=create\nHEAD /\n");
        check_ok(rig_put(&rig, "data/ab", "0123456789"), rig.err);
        check_ok(ms_backend_info(rig.b, ms_str("data/ab"), &info, &rig.err), rig.err);
        assert_true(info.atime_ns > 0);
        rig_holds(&rig, "data/ab", "0123456789");
        asked(&rig, "POST /data/ab\nHEAD /data/ab\nGET /data/ab\n");
        check_ok(ms_backend_hash(rig.b, ms_str("data/ab"), "sha256", hex, sizeof hex, &rig.err),
                 rig.err);
        check_ok(ms_backend_compose(rig.b, parts, 2, ms_str("data/c"), NULL, &rig.err), rig.err);
        rig_holds(&rig, "data/c", "120");
        asked(&rig, "POST /data/ab?cmd=hash&algorithm=sha256\n"
                    "POST /?cmd=defrag&target=data/c\nGET /data/c\n");
        check_ok(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err), rig.err);
        ms_lister_close(l);
        check_ok(ms_backend_list(rig.b, ms_str("data"), NULL, &l, &rig.err), rig.err);
        ms_lister_close(l);
        asked(&rig, "GET //\nGET /data/\n");
        check_ok(ms_backend_mkdir(rig.b, ms_str("d"), &rig.err), rig.err);
        check_ok(ms_backend_rmdir(rig.b, ms_str("d"), &rig.err), rig.err);
        check_ok(ms_backend_move(rig.b, ms_str("data/c"), ms_str("e"), NULL, &rig.err), rig.err);
        check_ok(ms_backend_delete(rig.b, ms_str("e"), &rig.err), rig.err);
        asked(&rig, "POST /d?cmd=mkdir\nDELETE /d?cmd=rmdir\n"
                    "HEAD /data/c\nPOST /?cmd=move&current=data/c&new=e\nDELETE /e\n");
    }
}

static void ranges_are_asked_for_as_cheaply_as_they_can_be(void **state)
{
    (void)state;
    struct rig rig;
    char large[3001];
    memset(large, 'x', 3000);
    large[3000] = 0;
    FOR_BOTH(rig, "", "")
    {
        check_ok(rig_put(&rig, "v", "0123456789"), rig.err);
        check_ok(rig_put(&rig, "large", large), rig.err);
        unlink(rig_path(&rig, "log"));
        load(&rig, "v", 3, 4, "3456");
        load(&rig, "v", 8, MS_SIZE_TO_END, "89");
        load(&rig, "v", -4, MS_SIZE_TO_END, "6789");
        load(&rig, "v", -4, 2, "67"); /* two bytes too many are cheaper than a round trip */
        load(&rig, "v", 20, 5, "");
        load(&rig, "v", -1000, 3, "012");
        asked(&rig, "GET /v bytes=3-6\nGET /v bytes=8-\nGET /v bytes=-4\nGET /v bytes=-4\n"
                    "GET /v bytes=20-24\nGET /v bytes=-1000\n");
        load(&rig, "large", -2000, 10, "xxxxxxxxxx");
        asked(&rig, "HEAD /large\nGET /large bytes=1000-1009\n");
        load(&rig, "v", 2, UINT64_C(1) << 40, "23456789"); /* never announced to the server */
        asked(&rig, "HEAD /v\nGET /v bytes=2-9\n");
    }
}

static void odd_names_travel_escaped(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "", "")
    {
        check_ok(rig_put(&rig, "a b/50%/x?y#Z", "odd"), rig.err);
        check_ok(
            ms_backend_move(rig.b, ms_str("a b/50%/x?y#Z"), ms_str("q&a/+=\xff"), NULL, &rig.err),
            rig.err);
        rig_holds(&rig, "q&a/+=\xff", "odd");
        asked(&rig, "POST /?cmd=create\nHEAD /\nPOST /a%20b/50%25/x%3fy%23%5a\n"
                    "HEAD /a%20b/50%25/x%3fy%23%5a\n"
                    "POST /?cmd=move&current=a%2520b/50%2525/x%253fy%2523%255a"
                    "&new=q%26a/%2B%3D%25ff\n"
                    "GET /q&a/+=%ff\n");
    }
}

static void statuses_have_their_codes(void **state)
{
    static const struct {
        int status, code;
    } cases[] = {
        {400, MS_ERR_INVALID},   {401, MS_ERR_AUTH},        {403, MS_ERR_PERMISSION},
        {404, MS_ERR_NOT_FOUND}, {405, MS_ERR_UNSUPPORTED}, {406, MS_ERR_PROTOCOL},
        {409, MS_ERR_EXISTS},    {410, MS_ERR_NO_STORE},    {412, MS_ERR_INTERNAL},
        {413, MS_ERR_TOO_LARGE}, {416, MS_ERR_RANGE},       {418, MS_ERR_PROTOCOL},
        {422, MS_ERR_CORRUPT},   {429, MS_ERR_BUSY},        {301, MS_ERR_PROTOCOL},
        {500, MS_ERR_IO},        {501, MS_ERR_UNSUPPORTED}, {503, MS_ERR_BUSY},
        {507, MS_ERR_QUOTA},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char fault[64];
        struct rig rig;
        snprintf(fault, sizeof fault, "--fault 'status=%d@POST /v'", cases[i].status);
        FOR_BOTH(rig, fault, "retries=1")
        {
            check_code(rig_put(&rig, "v", "x"), cases[i].code, rig.err);
            assert_int_equal(rig.err.code, cases[i].code);
            if (cases[i].status != 301 && cases[i].status != 418 && cases[i].status != 406)
                check_text(rig.err, "v");
            assert_int_equal(rig_count(&rig, "POST /v"), cases[i].code == MS_ERR_BUSY ||
                                                                 cases[i].status == 412 ||
                                                                 cases[i].status == 422
                                                             ? 2
                                                             : 1);
        }
    }
}

static void quota_is_told_and_kept(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t total = 0, left = 0;
    FOR_BOTH(rig, "--quota 100", "")
    {
        check_ok(rig_put(&rig, "v", "0123456789"), rig.err);
        check_ok(ms_backend_usage(rig.b, &total, &left, &rig.err), rig.err);
        assert_int_equal(total, 100);
        assert_int_equal(left, 90);
        char large[102] = "";
        memset(large, 'x', 101);
        check_code(rig_put(&rig, "w", large), MS_ERR_QUOTA, rig.err);
        check_text(rig.err, "Quota exceeded: 111 > 100");
        assert_false(rig_exists(&rig, "w"));
    }
    FOR_BOTH(rig, "", "")
    {
        check_ok(ms_backend_usage(rig.b, &total, &left, &rig.err), rig.err);
        assert_true(total == UINT64_MAX && left == UINT64_MAX);
    }
}

static void who_we_are_is_told_in_every_way(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, false, "--username user --password 'p:HUNTER2'", "");
    check_code(ms_backend_create(rig.b, &rig.err), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "user or password are wrong or missing");
    check_ok(rig_make(&rig, "user:wrong-HUNTER3@", ""), rig.err);
    check_code(ms_backend_create(rig.b, &rig.err), MS_ERR_AUTH, rig.err);
    assert_null(strstr(rig.err.text, "HUNTER3"));
    assert_null(strstr(rig.b->url, "HUNTER3"));
    check_ok(rig_make(&rig, "user:p%3AHUNTER2@", ""), rig.err);
    check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
    setenv("BORGSTORE_REST_USERNAME", "user", 1);
    setenv("BORGSTORE_REST_PASSWORD", "p:HUNTER2", 1);
    check_ok(rig_make(&rig, "", ""), rig.err);
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_ok(rig_make(&rig, "user@", ""), rig.err); /* half here, half there */
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    unsetenv("BORGSTORE_REST_USERNAME");
    unsetenv("BORGSTORE_REST_PASSWORD");
    rig_stop(&rig);
}

/* ---- streams ---- */

#define LARGE ((size_t)20 << 20)

static uint8_t *pattern(size_t size, uint64_t seed)
{
    uint8_t *bytes = malloc(size);
    struct ms_random random;
    assert_non_null(bytes);
    ms_random_seed(&random, seed);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)ms_random_u64(&random);
    return bytes;
}

static void write_large(struct rig *rig, const uint8_t *bytes, size_t size)
{
    struct ms_writer *w = NULL;
    size_t block = 3000001;
    check_ok(ms_backend_write(rig->b, ms_str("large"), 0, NULL, &w, &rig->err), rig->err);
    for (size_t at = 0; at < size; at += block)
        check_ok(ms_writer_append(w, ms_view(bytes + at, block < size - at ? block : size - at),
                                  &rig->err),
                 rig->err);
    check_ok(ms_writer_commit(w, NULL, &rig->err), rig->err);
}

/* Long ago, so that reading it changes the time of its last access once and then no more. */
static void age_large(struct rig *rig)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, rig_path(rig, "store/large"), times, 0), 0);
}

static struct ms_reader *read_large(struct rig *rig)
{
    struct ms_reader *r = NULL;
    check_ok(ms_backend_read(rig->b, ms_str("large"), &r, &rig->err), rig->err);
    return r;
}

/* In pieces of 1 MiB, and then in one, but for five bytes. */
static void reads_all(struct rig *rig, struct ms_reader *r, const uint8_t *bytes)
{
    uint8_t *back = malloc(LARGE);
    size_t got = 1, at = 0;
    assert_non_null(back);
    assert_int_equal(ms_reader_info(r)->size_bytes, LARGE);
    for (; got; at += got)
        check_ok(ms_reader_read(r, at, back + at, 1 << 20, &got, &rig->err), rig->err);
    assert_int_equal(at, LARGE);
    assert_memory_equal(back, bytes, LARGE);
    memset(back, 0, LARGE);
    check_ok(ms_reader_read(r, 5, back, LARGE - 5, &got, &rig->err), rig->err);
    assert_int_equal(got, LARGE - 5);
    assert_memory_equal(back, bytes + 5, LARGE - 5);
    free(back);
}

static void large_values_stream_in_blocks(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t *bytes = pattern(LARGE, 5);
    FOR_BOTH(rig, "", "")
    {
        write_large(&rig, bytes, LARGE); /* through a temporary file */
        assert_int_equal(rig_count(&rig, "POST /large"), 1);
        age_large(&rig);
        unlink(rig_path(&rig, "log"));
        struct ms_reader *r = read_large(&rig);
        asked(&rig, "GET /large bytes=0-8388607\nHEAD /large\n"
                    "GET /large bytes=0-8388607\nHEAD /large\n");
        reads_all(&rig, r, bytes);
        asked(&rig, "GET /large bytes=8388608-16777215\nHEAD /large\n"
                    "GET /large bytes=16777216-20971519\nHEAD /large\n"
                    "GET /large bytes=5-8388612\nHEAD /large\n"
                    "GET /large bytes=8388613-16777220\nHEAD /large\n"); /* the last is kept */
        ms_reader_close(r);
    }
    free(bytes);
}

/* Nothing tells one version from the next: all of it comes in one request, and is one version. */
static void without_times_a_large_value_comes_in_one_request(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t *bytes = pattern(LARGE, 6), *other = pattern(LARGE, 7);
    FOR_BOTH(rig, "--no-atime", "")
    {
        write_large(&rig, bytes, LARGE);
        unlink(rig_path(&rig, "log"));
        struct ms_reader *r = read_large(&rig);
        asked(&rig, "GET /large bytes=0-8388607\nHEAD /large\nGET /large\n");
        write_large(&rig, other, LARGE);
        reads_all(&rig, r, bytes);
        ms_reader_close(r);
        setenv("TMPDIR", rig_path(&rig, "none"), 1);
        check_code(ms_backend_read(rig.b, ms_str("large"), &r, &rig.err), MS_ERR_IO, rig.err);
        check_text(rig.err, "TMPDIR names another folder");
        unsetenv("TMPDIR");
    }
    free(bytes);
    free(other);
}

/* A time that each reading changes is none to go by. */
static void times_that_change_by_reading_pin_nothing(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t *bytes = pattern(LARGE, 8);
    rig_open(&rig, false, "--backend memory:shared", "");
    write_large(&rig, bytes, LARGE);
    unlink(rig_path(&rig, "log"));
    struct ms_reader *r = read_large(&rig);
    asked(&rig, "GET /large bytes=0-8388607\nHEAD /large\nGET /large bytes=0-8388607\n"
                "HEAD /large\nGET /large bytes=0-8388607\nHEAD /large\nGET /large\n");
    reads_all(&rig, r, bytes);
    ms_reader_close(r);
    rig_stop(&rig);
    free(bytes);
}

static void a_value_that_is_replaced_is_a_conflict(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t *bytes = pattern(LARGE, 9), *other = pattern(LARGE, 10), *back = malloc(LARGE);
    assert_non_null(back);
    FOR_BOTH(rig, "", "")
    {
        size_t got = 0;
        for (size_t less = 0; less < 2; less++) { /* of the same size, and of another */
            write_large(&rig, bytes, LARGE);
            age_large(&rig);
            struct ms_reader *r = read_large(&rig);
            write_large(&rig, other, LARGE - less);
            check_code(ms_reader_read(r, 8 << 20, back, 100, &got, &rig.err), MS_ERR_CONFLICT,
                       rig.err);
            check_text(rig.err, "large was replaced while it was read");
            check_code(ms_reader_read(r, 0, back, LARGE, &got, &rig.err), MS_ERR_CONFLICT, rig.err);
            check_ok(ms_reader_read(r, 3, back, 100, &got, &rig.err), rig.err);
            assert_memory_equal(back, bytes + 3, 100); /* the block that was kept */
            check_ok(ms_backend_delete(rig.b, ms_str("large"), &rig.err), rig.err);
            check_code(ms_reader_read(r, 9 << 20, back, 9 << 20, &got, &rig.err), MS_ERR_CONFLICT,
                       rig.err);
            ms_reader_close(r);
        }
    }
    free(bytes);
    free(other);
    free(back);
}

/* ---- cancellation ---- */

struct interruption {
    struct rig *rig;
    struct ms_cancel *cancel, *holder;
    int code, held;
    atomic_bool waits;
};

static int interrupt(void *arg, size_t index)
{
    struct interruption *i = arg;
    if (index == 0) {
        while (!rig_count(i->rig, "GET /v"))
            sched_yield();
        ms_cancel_fire(i->cancel);
        return 0;
    }
    struct ms_buf *got = NULL;
    struct ms_cancel *before = ms_cancel_swap(i->cancel);
    i->code = ms_backend_load(i->rig->b, ms_str("v"), 0, 10, &got, NULL, NULL);
    ms_cancel_swap(before);
    return 0;
}

static void a_request_under_way_is_cancelled(void **state)
{
    (void)state;
    struct rig rig;
    FOR_BOTH(rig, "--fault 'stall:1@GET /v'", "timeout=60s")
    {
        struct interruption i = {.rig = &rig};
        check_ok(rig_put(&rig, "v", "x"), rig.err);
        check_ok(ms_cancel_new(&i.cancel, &rig.err), rig.err);
        check_ok(ms_parallel(2, 2, interrupt, &i, &rig.err), rig.err);
        assert_int_equal(i.code, MS_ERR_CANCELLED);
        ms_cancel_free(i.cancel);
        rig_holds(&rig, "v", "x"); /* and the next one works */
    }
}

/* The first one holds the only child, or the server's attention; the second waits for that. */
static int interrupt_the_waiting(void *arg, size_t index)
{
    struct interruption *i = arg;
    struct ms_buf *got = NULL;
    if (index == 0) { /* stalls until it is cancelled at last */
        struct ms_cancel *before = ms_cancel_swap(i->holder);
        i->held = ms_backend_load(i->rig->b, ms_str("v"), 0, 10, &got, NULL, NULL);
        ms_cancel_swap(before);
        return 0;
    }
    while (!rig_count(i->rig, "GET /v"))
        sched_yield();
    if (index == 1) {
        struct ms_cancel *before = ms_cancel_swap(i->cancel);
        atomic_store(&i->waits, true);
        i->code = ms_backend_load(i->rig->b, ms_str("w"), 0, 10, &got, NULL, NULL);
        ms_cancel_swap(before);
        ms_cancel_fire(i->holder);
        return 0;
    }
    for (int turns = 0; turns < 1000 || !atomic_load(&i->waits); turns++)
        sched_yield();
    ms_cancel_fire(i->cancel);
    return 0;
}

static void a_request_that_waits_for_another_is_cancelled(void **state)
{
    (void)state;
    struct rig rig;
    /* over TCP they wait for each other since the server got into its own way */
    FOR_BOTH(rig,
             stdio_ ? "--fault 'stall:1@GET /v'"
                    : "--fault 'stall:1@GET /v' --fault 'status=412:1@POST /v'",
             "timeout=60s")
    {
        struct interruption i = {.rig = &rig};
        check_ok(rig_put(&rig, "v", "x"), rig.err);
        check_ok(rig_put(&rig, "w", "x"), rig.err);
        check_ok(ms_cancel_new(&i.cancel, &rig.err), rig.err);
        check_ok(ms_cancel_new(&i.holder, &rig.err), rig.err);
        check_ok(ms_parallel(3, 3, interrupt_the_waiting, &i, &rig.err), rig.err);
        assert_int_equal(i.code, MS_ERR_CANCELLED);
        assert_int_equal(i.held, MS_ERR_CANCELLED);
        assert_int_equal(rig_count(&rig, "GET /w"), 0);
        ms_cancel_free(i.cancel);
        ms_cancel_free(i.holder);
        rig_holds(&rig, "w", "x");
    }
}

static int stop_threads(void **state)
{
    (void)state;
    ms_pool_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_one_request),
        cmocka_unit_test(ranges_are_asked_for_as_cheaply_as_they_can_be),
        cmocka_unit_test(odd_names_travel_escaped),
        cmocka_unit_test(statuses_have_their_codes),
        cmocka_unit_test(quota_is_told_and_kept),
        cmocka_unit_test(who_we_are_is_told_in_every_way),
        cmocka_unit_test(large_values_stream_in_blocks),
        cmocka_unit_test(without_times_a_large_value_comes_in_one_request),
        cmocka_unit_test(times_that_change_by_reading_pin_nothing),
        cmocka_unit_test(a_value_that_is_replaced_is_a_conflict),
        cmocka_unit_test(a_request_under_way_is_cancelled),
        cmocka_unit_test(a_request_that_waits_for_another_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, stop_threads);
}
