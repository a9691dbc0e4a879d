/* Deleting many values of an S3 bucket: what each name is told, how many requests it takes, and the
 * way round for servers that have no DeleteObjects or cannot be trusted with it. */
#include "support/check.h"
#include "support/s3_fake.h"

#include "backends/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>

static struct s3_fake server;

struct bed {
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_error err;
};

static void begin(struct bed *t, const char *provider)
{
    char url[256];
    *t = (struct bed){.clock = ms_clock_virtual_new(0)};
    struct ms_backend_env env = {.clock = t->clock, .seed = 1};
    s3_fake_reset(&server);
    snprintf(url, sizeof url, "s3:ID:secret@http://127.0.0.1:%d/bucket/p?if_absent=no&provider=%s",
             server.port, provider);
    check_ok(ms_backend_make(url, &env, &t->b, &t->err), t->err);
    check_ok(ms_backend_create(t->b, &t->err), t->err);
    check_ok(ms_backend_open(t->b, &t->err), t->err);
}

static void end(struct bed *t)
{
    ms_backend_free(t->b);
    ms_clock_free(t->clock);
}

static void put(struct bed *t, const char *name)
{
    struct ms_buf_borrowed place;
    check_ok(ms_backend_store(t->b, ms_str(name), ms_buf_borrow(&place, ms_str("value")), NULL,
                              NULL, &t->err),
             t->err);
}

static bool exists(struct bed *t, const char *name)
{
    struct ms_info info = {0};
    check_ok(ms_backend_info(t->b, ms_str(name), &info, &t->err), t->err);
    return info.exists;
}

static void count_from_here(void)
{
    atomic_store(&server.state->requests, 0);
    atomic_store(&server.state->heads, 0);
    atomic_store(&server.state->deletes, 0);
    atomic_store(&server.state->delete_many, 0);
}

/* 1001 values and a name that is missing: one DeleteObjects for the first thousand. */
static void takes_few_requests(void **state)
{
    (void)state;
    enum { COUNT = 1002 };
    static char names[COUNT][16];
    static struct ms_deletion items[COUNT];
    struct bed t;
    begin(&t, "ceph");
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "d/%04d", i);
        items[i].name = ms_str(names[i]);
        if (i != 7)
            put(&t, names[i]);
    }
    count_from_here();
    check_ok(ms_backend_delete_many(t.b, items, COUNT, &t.err), t.err);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(items[i].result.code, i == 7 ? MS_ERR_NOT_FOUND : 0);
    assert_string_equal(items[7].result.text, "d/0007 not found");
    assert_int_equal(atomic_load(&server.state->heads), COUNT);
    assert_int_equal(atomic_load(&server.state->delete_many), 2);
    assert_int_equal(atomic_load(&server.state->deletes), 0);
    assert_int_equal(atomic_load(&server.state->requests), COUNT + 2);
    assert_false(exists(&t, "d"));
    end(&t);
}

/* Swift takes its time for each key: a thousand of them would outlast the time an answer is waited
 * for, and be asked for again and again. */
static void deletes_a_hundred_at_a_time_on_swift(void **state)
{
    (void)state;
    enum { COUNT = 201 };
    static char names[COUNT][16];
    static struct ms_deletion items[COUNT];
    struct bed t;
    begin(&t, "swift");
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "d/%04d", i);
        items[i].name = ms_str(names[i]);
        put(&t, names[i]);
    }
    count_from_here();
    check_ok(ms_backend_delete_many(t.b, items, COUNT, &t.err), t.err);
    assert_int_equal(atomic_load(&server.state->delete_many), 2);
    assert_int_equal(atomic_load(&server.state->deletes) + 200, COUNT); /* one is no many */
    assert_false(exists(&t, "d"));
    end(&t);
}

/* Keys with everything that XML has an opinion on. */
static void deletes_odd_keys(void **state)
{
    (void)state;
    static const char *const names[] = {"d/a&b",       "d/<x>\"'",  "d/\xc3\xa4 +%41",
                                        "d/tab\there", "d/\x01end", "d/cr\rlf\n"};
    enum { COUNT = sizeof names / sizeof *names };
    struct ms_deletion items[COUNT];
    struct bed t;
    begin(&t, "ceph");
    put(&t, "d/stays");
    for (int i = 0; i < COUNT; i++) {
        put(&t, names[i]);
        items[i].name = ms_str(names[i]);
    }
    count_from_here();
    check_ok(ms_backend_delete_many(t.b, items, COUNT, &t.err), t.err);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].result.code, 0);
        assert_false(exists(&t, names[i]));
    }
    assert_int_equal(atomic_load(&server.state->delete_many), 1);
    assert_int_equal(atomic_load(&server.state->deletes), 3); /* control characters: one by one */
    assert_true(exists(&t, "d/stays"));
    end(&t);
}

static void tells_each_failure(void **state)
{
    (void)state;
    struct ms_deletion items[] = {{.name = ms_str("d/a")},
                                  {.name = ms_str("d/keep")},
                                  {.name = ms_str("d//bad")},
                                  {.name = ms_str("d/missing")},
                                  {.name = ms_str("d/b")}};
    struct bed t;
    begin(&t, "ceph");
    put(&t, "d/a");
    put(&t, "d/keep");
    put(&t, "d/b");
    atomic_store(&server.state->keep_what_was_asked, 1);
    check_ok(ms_backend_delete_many(t.b, items, 5, &t.err), t.err);
    check_code(items[0].result.code, 0, items[0].result);
    check_code(items[1].result.code, MS_ERR_ACCESS, items[1].result);
    check_text(items[1].result, ": d/keep: ");
    check_text(items[1].result, "AccessDenied");
    check_code(items[2].result.code, MS_ERR_NAME, items[2].result);
    check_code(items[3].result.code, MS_ERR_NOT_FOUND, items[3].result);
    check_code(items[4].result.code, 0, items[4].result);
    assert_false(exists(&t, "d/a"));
    assert_true(exists(&t, "d/keep"));
    end(&t);
}

/* Refused with this status and code; how often DeleteObjects is tried in two calls. */
static const struct refusal {
    unsigned status;
    const char *said;
    unsigned tries;
} refusals[] = {
    {501, "NotImplemented", 1},                             /* remembered */
    {405, "MethodNotAllowed", 1}, {400, "MalformedXML", 2}, /* may be for those keys only */
    {404, "NoSuchKey", 2},        {200, "", 1},             /* a page for people */
};

static void goes_one_by_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct ms_deletion items[] = {{.name = ms_str("d/a")}, {.name = ms_str("d/b")}};
        struct bed t;
        begin(&t, "other");
        atomic_store(&server.state->refuse_delete_many, refusals[i].status);
        snprintf(server.state->said, sizeof server.state->said, "%s", refusals[i].said);
        for (int round = 0; round < 2; round++) {
            put(&t, "d/a");
            put(&t, "d/b");
            check_ok(ms_backend_delete_many(t.b, items, 2, &t.err), t.err);
            check_code(items[0].result.code, 0, items[0].result);
            check_code(items[1].result.code, 0, items[1].result);
            assert_false(exists(&t, "d"));
        }
        assert_int_equal(atomic_load(&server.state->deletes), 4);
        assert_int_equal(atomic_load(&server.state->delete_many), refusals[i].tries);
        end(&t);
    }
}

static void asks_no_provider_without_it(void **state)
{
    (void)state;
    struct ms_deletion items[] = {{.name = ms_str("d/a")}, {.name = ms_str("d/b")}};
    struct ms_capabilities can;
    struct bed t;
    begin(&t, "gcs");
    ms_backend_capabilities(t.b, &can);
    assert_false(can.flags & MS_CAP_DELETE_MANY);
    put(&t, "d/a");
    put(&t, "d/b");
    check_ok(ms_backend_delete_many(t.b, items, 2, &t.err), t.err);
    assert_int_equal(atomic_load(&server.state->delete_many), 0);
    assert_int_equal(atomic_load(&server.state->deletes), 2);
    end(&t);
}

/* Access denied as a whole is no reason to try each. */
static void a_refusal_is_everybodys(void **state)
{
    (void)state;
    struct ms_deletion items[] = {
        {.name = ms_str("d/a")}, {.name = ms_str("d/missing")}, {.name = ms_str("d/b")}};
    struct bed t;
    begin(&t, "ceph");
    put(&t, "d/a");
    put(&t, "d/b");
    atomic_store(&server.state->refuse_delete_many, 403);
    snprintf(server.state->said, sizeof server.state->said, "AccessDenied");
    check_code(ms_backend_delete_many(t.b, items, 3, &t.err), MS_ERR_ACCESS, t.err);
    check_code(items[0].result.code, MS_ERR_ACCESS, items[0].result);
    check_text(items[0].result, "denies access");
    check_code(items[1].result.code, MS_ERR_NOT_FOUND, items[1].result);
    check_code(items[2].result.code, MS_ERR_ACCESS, items[2].result);
    assert_int_equal(atomic_load(&server.state->deletes), 0);
    end(&t);
}

/* A store of more than a page goes by pages, whatever the server can. */
static void destroys_by_pages(void **state)
{
    (void)state;
    for (unsigned refuse = 0; refuse <= 501; refuse += 501) {
        struct bed t;
        char name[16];
        begin(&t, "other");
        atomic_store(&server.state->refuse_delete_many, refuse);
        for (int i = 0; i < 30; i++) {
            snprintf(name, sizeof name, "d%d/%d", i % 3, i);
            put(&t, name);
        }
        check_ok(ms_backend_close(t.b, &t.err), t.err);
        check_ok(ms_backend_destroy(t.b, &t.err), t.err);
        assert_int_equal(atomic_load(&server.state->deletes), refuse ? 31 : 0);
        assert_int_equal(atomic_load(&server.state->delete_many), 1);
        check_code(ms_backend_open(t.b, &t.err), MS_ERR_NO_STORE, t.err);
        end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_few_requests),
        cmocka_unit_test(deletes_a_hundred_at_a_time_on_swift),
        cmocka_unit_test(deletes_odd_keys),
        cmocka_unit_test(tells_each_failure),
        cmocka_unit_test(goes_one_by_one),
        cmocka_unit_test(asks_no_provider_without_it),
        cmocka_unit_test(a_refusal_is_everybodys),
        cmocka_unit_test(destroys_by_pages),
    };
    if (!s3_fake_start(&server, false))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    s3_fake_stop(&server);
    return failed;
}
