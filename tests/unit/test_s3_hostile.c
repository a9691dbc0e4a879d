/* The S3 driver against a server that means harm, or has lost its wits: listings that go round in
 * circles, keys that are none, more than was asked for, values replaced in the middle of a move. */
#include "support/s3_script.h"

/* ---- circles ---- */

static void check_circle(const char *const *marks, size_t count, size_t found_at)
{
    struct ms_s3_circle c = {0};
    struct ms_error err = {0};
    bool again = false;
    size_t i = 0;
    for (; i < count && !again; i++)
        check_ok(ms_s3_circle_step(&c, ms_str(marks[i]), &again, &err), err);
    assert_int_equal(again ? i : 0, found_at);
    ms_s3_circle_fini(&c);
}

static void circles_are_found(void **state)
{
    (void)state;
    static const char *const at_once[] = {"a", "a"};
    static const char *const later[] = {"a", "b", "c", "d", "b", "c", "d", "b", "c"};
    static const char *const never[] = {"a", "ab", "abc", "", "b", "c", "d", "e", "f", "g"};
    check_circle(at_once, 2, 2);
    check_circle(later, 9, 7); /* "d" of the fourth page is the mark */
    check_circle(never, 10, 0);
}

#define KEY(name) PAGE("true", "<Contents><Key>p/" name "</Key></Contents>" TOKEN)
#define DELETED   XML("200 OK", "<DeleteResult></DeleteResult>")

/* Says that it deletes, and shows two pages in turns. */
static void a_destroy_in_a_circle_ends(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, KEY("a"), EMPTY("204 No"), KEY("b"), EMPTY("204 No"), KEY("a"), EMPTY("204 No"),
          KEY("b"));
    assert_int_equal(ms_backend_close(t.b, &t.err), 0);
    check_code(ms_backend_destroy(t.b, &t.err), MS_ERR_ACCESS, t.err);
    check_text(t.err, "values come again");
    end(&t);
}

#define UPLOADS(key, id)                                                                           \
    XML("200 OK", "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"                    \
                  "<NextKeyMarker>" key "</NextKeyMarker><NextUploadIdMarker>" id                  \
                  "</NextUploadIdMarker></ListMultipartUploadsResult>")

static void uploads_in_a_circle_end(void **state)
{
    (void)state;
    static const char *const circles[][3] = {
        {UPLOADS("p/a", "A"), UPLOADS("p/a", "A"), NULL},
        {UPLOADS("p/a", "A"), UPLOADS("p/a", "B"), UPLOADS("p/a", "A")},
        {UPLOADS("p/a", "A"), UPLOADS("p/b", "A"), UPLOADS("p/a", "A")},
    };
    for (size_t i = 0; i < 3; i++) {
        struct bed t;
        uint64_t removed = 7;
        if (circles[i][2])
            BEGIN(&t, circles[i][0], circles[i][1], circles[i][2], circles[i][1]);
        else
            BEGIN(&t, circles[i][0], circles[i][1]);
        check_code(ms_backend_sweep(t.b, 0, &removed, &t.err), MS_ERR_PROTOCOL, t.err);
        check_text(t.err, "uploads goes round in a circle");
        end(&t);
    }
}

/* A page may name a key alone; one that goes on without naming anything has no next. */
static void uploads_go_on_where_they_are_told(void **state)
{
    (void)state;
    struct bed t;
    uint64_t removed = 7;
#define GOES_ON "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
    BEGIN(&t,
          XML("200 OK", GOES_ON "<NextKeyMarker>p/k</NextKeyMarker></ListMultipartUploadsResult>"),
          XML("200 OK", GOES_ON "<NextKeyMarker/></ListMultipartUploadsResult>"));
    check_code(ms_backend_sweep(t.b, 0, &removed, &t.err), MS_ERR_PROTOCOL, t.err);
    check_text(t.err, "but not where");
    assert_non_null(strstr(t.server.seen[2], "key-marker=p%2Fk"));
    assert_null(strstr(t.server.seen[2], "upload-id-marker"));
    end(&t);
}

/* ---- keys ---- */

static void common_prefixes_end_in_the_delimiter(void **state)
{
    (void)state;
    static const char *const pages[] = {
        PAGE("false", "<CommonPrefixes><Prefix>p/ab</Prefix></CommonPrefixes>"),
        PAGE("false", "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>"),
    };
    for (size_t i = 0; i < 2; i++) {
        struct bed t;
        char got[100];
        BEGIN(&t, pages[i]);
        check_code(list_all(&t, got, sizeof got), MS_ERR_PROTOCOL, t.err);
        check_text(t.err, "a common prefix that is none");
        end(&t);
    }
}

#define URL_PAGE(text) PAGE("false", "<EncodingType>url</EncodingType>" text)

static void names_come_once_and_without_nul(void **state)
{
    (void)state;
    struct bed t;
    char got[100];
    BEGIN(&t, URL_PAGE("<Contents><Key>p/a</Key></Contents><Contents><Key>p/a</Key></Contents>"
                       "<Contents><Key>p/a%00b</Key></Contents>"
                       "<CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>"
                       "<CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>"
                       "<CommonPrefixes><Prefix>p/d/d/</Prefix></CommonPrefixes>"
                       "<CommonPrefixes><Prefix>p//</Prefix></CommonPrefixes>"
                       "<CommonPrefixes><Prefix>p/x%00/</Prefix></CommonPrefixes>"));
    check_ok(list_all(&t, got, sizeof got), t.err);
    assert_string_equal(got, "a d/ ");
    end(&t);
}

/* What stands before a NUL is another value's key. */
static void destroy_does_not_cut_keys(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, URL_PAGE("<Contents><Key>p/a%00b</Key></Contents>"));
    assert_int_equal(ms_backend_close(t.b, &t.err), 0);
    check_code(ms_backend_destroy(t.b, &t.err), MS_ERR_NAME, t.err);
    check_text(t.err, "has a NUL in its key");
    end(&t);
}

/* One key twice in a listing, and a server that names it once when it refuses it. */
static void keys_that_come_twice_share_their_fate(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, XML("200 OK", "<DeleteResult><Error><Key>p/a</Key><Code>AccessDenied</Code></Error>"
                            "</DeleteResult>"));
    struct ms_s3_doomed keys[] = {
        {.key = ms_str("p/a")}, {.key = ms_str("p/a")}, {.key = ms_str("p/b")}};
    check_ok(ms_s3_delete_keys(ms_s3_self(t.b), keys, 3, &t.err), t.err);
    assert_int_equal(keys[0].result.code, MS_ERR_ACCESS);
    assert_int_equal(keys[1].result.code, MS_ERR_ACCESS);
    assert_int_equal(keys[2].result.code, 0);
    end(&t);
}

/* ---- sizes ---- */

static int load(struct bed *t)
{
    struct ms_buf *value = NULL;
    int code = ms_backend_load(t->b, ms_str("v"), 0, MS_SIZE_TO_END, &value, NULL, &t->err);
    ms_buf_unref(value);
    return code;
}

/* Parts of 4 bytes, values of 100 at most: what was asked for and what was announced count. */
static void no_more_is_loaded_than_was_asked_for(void **state)
{
    (void)state;
#define RANGE(range, length, text)                                                                 \
    "HTTP/1.1 206 OK\r\nContent-Range: bytes " range "\r\n" CLOSE length "\r\n" text
    static const struct {
        const char *answer;
        int code;
        const char *word;
    } cases[] = {
        {RANGE("0-3/4", "Content-Length: 4\r\n", "abcd"), 0, ""},
        {RANGE("0-9/10", "Content-Length: 10\r\n", "0123456789"), MS_ERR_PROTOCOL, "longer"},
        {RANGE("0-9/10", "", "0123456789"), MS_ERR_PROTOCOL, "longer"},
        {RANGE("0-3/101", "Content-Length: 4\r\n", "abcd"), MS_ERR_TOO_LARGE, "read it in parts"},
        {RANGE("0-3/9999999999999999", "Content-Length: 4\r\n", "abcd"), MS_ERR_TOO_LARGE,
         "the 9999999999999999 bytes of v"},
        /* these servers ignore the range */
        {"HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 10\r\n\r\n0123456789", 0, ""},
        {"HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 101\r\n\r\n0123456789", MS_ERR_PROTOCOL,
         "longer"},
        {"HTTP/1.1 200 OK\r\n" CLOSE "\r\n0123456789", MS_ERR_PROTOCOL, "longer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed t;
        BEGIN(&t, cases[i].answer);
        assert_int_equal(ms_s3_self(t.b)->load_max_bytes, UINT64_C(16) << 30);
        ms_s3_self(t.b)->load_max_bytes = 100;
        ms_s3_self(t.b)->part_bytes = 4;
        check_code(load(&t), cases[i].code, t.err);
        check_text(t.err, cases[i].word);
        end(&t);
    }
}

/* ---- moves ---- */

#define SEEN(tag) "HTTP/1.1 200 OK\r\n" CLOSE "ETag: \"" tag "\"\r\nContent-Length: 5\r\n\r\n"
#define COPIED    XML("200 OK", "<CopyObjectResult></CopyObjectResult>")
#define CHANGED   FAULT("412 Precondition Failed", "PreconditionFailed")

/* The version that was seen is copied, and no other deleted; others' newer one stays. */
static void moves_delete_what_they_copied(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, SEEN("one"), CHANGED, SEEN("two"), COPIED, EMPTY("204 No"));
    check_ok(ms_backend_move(t.b, ms_str("v"), ms_str("w"), NULL, &t.err), t.err);
    assert_non_null(strstr(t.server.seen[2], "x-amz-copy-source-if-match: \"one\""));
    assert_non_null(strstr(t.server.seen[4], "x-amz-copy-source-if-match: \"two\""));
    assert_non_null(strstr(t.server.seen[5], "DELETE /bucket/p/v"));
    assert_non_null(strstr(t.server.seen[5], "if-match: \"two\""));
    end(&t);
    BEGIN(&t, SEEN("one"), COPIED, CHANGED);
    check_ok(ms_backend_move(t.b, ms_str("v"), ms_str("w"), NULL, &t.err), t.err);
    end(&t);
    BEGIN(&t, SEEN("1"), CHANGED, SEEN("2"), CHANGED, SEEN("3"), CHANGED, SEEN("4"), CHANGED,
          SEEN("5"), CHANGED);
    check_code(ms_backend_move(t.b, ms_str("v"), ms_str("w"), NULL, &t.err), MS_ERR_CONFLICT,
               t.err);
    end(&t);
}

/* ---- what a killed probe left ---- */

static void sweeps_probes(void **state)
{
    (void)state;
    struct bed t;
    uint64_t removed = 7;
#define ID       "0123456789abcdef0123456789abcdef"
#define AT(date) "<LastModified>" date "</LastModified>"
#define OLD      AT("1999-01-01T00:00:00.000Z")
    BEGIN(&t,
          XML("200 OK", "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
                        "</ListMultipartUploadsResult>"),
          PAGE("true", "<Contents><Key>p/probe-" ID ".tmp</Key>" OLD "</Contents>"
                       "<Contents><Key>p/probe-" ID "0.tmp</Key>" OLD "</Contents>"
                       "<Contents><Key>p/probe-x" ID ".tmp</Key>" OLD "</Contents>"
                       "<Contents><Key>p/probe-g123456789abcdef0123456789abcdef.tmp</Key>" OLD
                       "</Contents><Contents><Key>p/probe-" ID ".txt</Key>" OLD "</Contents>"
                       "<Contents><Key>p/probe-" ID ".tmp</Key></Contents>" TOKEN),
          EMPTY("204 No"),
          PAGE("false", "<Contents><Key>p/probe-f" ID ".tmp</Key>" OLD "</Contents>"
                        "<Contents><Key>p/probe-" ID
                        ".tmp</Key>" AT("9999-01-01T00:00:00.000Z") "</Contents>"));
    check_ok(ms_backend_sweep(t.b, 0, &removed, &t.err), t.err);
    assert_int_equal(removed, 1);
    assert_non_null(strstr(t.server.seen[2], "prefix=p%2Fprobe-"));
    assert_non_null(strstr(t.server.seen[3], "DELETE /bucket/p/probe-" ID ".tmp"));
    end(&t);
}

/* ---- places and logins ---- */

static void a_missing_bucket_is_made_elsewhere(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, FAULT("404 No", "NoSuchBucket"), FAULT("404 No", "NoSuchBucket"), LISTED);
    assert_int_equal(ms_backend_close(t.b, &t.err), 0);
    check_code(ms_backend_open(t.b, &t.err), MS_ERR_NO_STORE, t.err);
    check_text(t.err, "aws s3 mb s3://bucket");
    assert_true(t.b->no_place);
    check_code(ms_backend_create(t.b, &t.err), MS_ERR_NO_STORE, t.err);
    check_text(t.err, "aws s3 mb s3://bucket");
    check_ok(ms_backend_open(t.b, &t.err), t.err);
    assert_false(t.b->no_place);
    end(&t);
}

static void no_login_begins_a_line(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "s3:ID%0d%0aX-Evil:%20yes:topsecret@http://127.0.0.1:1/bucket/p",
        "s3:ID:top%0asecret@http://127.0.0.1:1/bucket/p",
        "http://me%0aX-Evil:topsecret@127.0.0.1:1/p",
        "http://me:top%0dsecret@127.0.0.1:1/p",
        "http://me%3ayou:topsecret@127.0.0.1:1/p",
        "sftp://me:top%0asecret@127.0.0.1:1/p",
    };
    struct ms_clock *clock = ms_clock_virtual_new(0);
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct ms_backend *b = NULL;
        struct ms_error err = {0};
        int code = ms_backend_make(urls[i], &env, &b, &err);
        if (code != MS_ERR_AUTH && code != MS_ERR_URL)
            fail_msg("%s: %s: %s", urls[i], ms_code_name(code), err.text);
        assert_null(b);
        assert_null(strstr(err.text, "secret"));
        assert_null(strpbrk(err.text, "\r\n"));
    }
    ms_clock_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(circles_are_found),
        cmocka_unit_test(a_destroy_in_a_circle_ends),
        cmocka_unit_test(uploads_in_a_circle_end),
        cmocka_unit_test(uploads_go_on_where_they_are_told),
        cmocka_unit_test(common_prefixes_end_in_the_delimiter),
        cmocka_unit_test(names_come_once_and_without_nul),
        cmocka_unit_test(destroy_does_not_cut_keys),
        cmocka_unit_test(keys_that_come_twice_share_their_fate),
        cmocka_unit_test(no_more_is_loaded_than_was_asked_for),
        cmocka_unit_test(moves_delete_what_they_copied),
        cmocka_unit_test(sweeps_probes),
        cmocka_unit_test(a_missing_bucket_is_made_elsewhere),
        cmocka_unit_test(no_login_begins_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
