/* What a real server cannot be made to do when wanted: errors in the middle, lost answers,
 * nonsense. A server of our own answers from a script; the clock is virtual, so that waiting takes
 * no time. */
#include "support/s3_script.h"

static int put(struct bed *t, const struct ms_precondition *pre)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(t->b, ms_str("v"), ms_buf_borrow(&place, ms_str("value")), pre, NULL,
                            &t->err);
}

static void tries_again(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, FAULT("503 Slow Down", "SlowDown"), CUT, FAULT("500 Oops", "InternalError"),
          EMPTY("200 OK"));
    assert_int_equal(put(&t, NULL), 0);
    end(&t);
}

static void waits_as_long_as_asked(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, "HTTP/1.1 503 Busy\r\nRetry-After: 77\r\n" CLOSE "\r\n", EMPTY("200 OK"));
    uint64_t before = ms_clock_now(t.clock);
    assert_int_equal(put(&t, NULL), 0);
    assert_true(ms_clock_now(t.clock) - before >= UINT64_C(77000000000));
    end(&t);
}

static void gives_up(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, FAULT("503 Slow Down", "SlowDown"), FAULT("503 Slow Down", "SlowDown"),
          FAULT("503 Slow Down", "SlowDown"), FAULT("503 Slow Down", "SlowDown"),
          FAULT("503 Slow Down", "SlowDown"));
    assert_int_equal(put(&t, NULL), MS_ERR_BUSY);
    assert_non_null(strstr(t.err.text, "SlowDown"));
    end(&t);
}

static void tells_errors_apart(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int code;
        const char *word;
    } cases[] = {
        {FAULT("403 No", "AccessDenied"), MS_ERR_ACCESS, "may not"},
        {FAULT("403 No", "SignatureDoesNotMatch"), MS_ERR_AUTH, "secret"},
        {FAULT("403 No", "InvalidAccessKeyId"), MS_ERR_AUTH, "access key"},
        {FAULT("400 No", "ExpiredToken"), MS_ERR_AUTH, "expired"},
        {FAULT("404 No", "NoSuchBucket"), MS_ERR_NO_STORE, "bucket"},
        {FAULT("400 No", "EntityTooLarge"), MS_ERR_TOO_LARGE, "large"},
        {FAULT("501 No", "NotImplemented"), MS_ERR_UNSUPPORTED, "cannot"},
        {FAULT("418 No", "Teapot"), MS_ERR_IO, "Teapot"},
        {EMPTY("301 Moved"), MS_ERR_PROTOCOL, "elsewhere"},
        {EMPTY("401 No"), MS_ERR_AUTH, "login"},
        {EMPTY("405 No"), MS_ERR_UNSUPPORTED, "cannot"},
        {EMPTY("409 No"), MS_ERR_CONFLICT, "somebody else"},
        {EMPTY("413 No"), MS_ERR_TOO_LARGE, "large"},
        {EMPTY("507 No"), MS_ERR_NO_SPACE, "space"},
        {"HTTP/1.1 403 No\r\nDate: Sun, 30 Aug 2015 12:36:00 GMT\r\n" CLOSE
         "\r\n<Error><Code>RequestTimeTooSkewed</Code></Error>",
         MS_ERR_AUTH, "clock"},
        {"SSH-2.0-OpenSSH_9.2\r\n", MS_ERR_PROTOCOL, "something else"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed t;
        BEGIN(&t, cases[i].answer);
        int code = put(&t, NULL);
        if (code != cases[i].code || !strstr(t.err.text, cases[i].word))
            fail_msg("%s: %s, %s", cases[i].answer, ms_code_name(code), t.err.text);
        end(&t);
    }
}

static void learns_the_region(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t,
          "HTTP/1.1 400 No\r\nx-amz-bucket-region: eu-south-9\r\n" CLOSE
          "\r\n<Error><Code>AuthorizationHeaderMalformed</Code></Error>",
          EMPTY("200 OK"));
    assert_int_equal(put(&t, NULL), 0);
    assert_non_null(strstr(t.server.seen[1], "/us-east-1/s3/"));
    assert_non_null(strstr(t.server.seen[2], "/eu-south-9/s3/"));
    end(&t);
}

static const struct ms_precondition absent = {.kind = MS_IF_ABSENT};

/* The first PUT was carried out, but its answer lost: the second finds something there. */
static void settles_a_conditional_store(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, CUT, FAULT("412 No", "PreconditionFailed"),
          "HTTP/1.1 200 OK\r\nx-amz-meta-mstore-id: 00000000000000000000000000000000\r\n" CLOSE
          "Content-Length: 5\r\n\r\n");
    assert_int_equal(put(&t, &absent), MS_ERR_EXISTS); /* somebody else's */
    assert_non_null(strcasestr(t.server.seen[1], "if-none-match: *"));
    assert_non_null(strstr(t.server.seen[3], "HEAD /bucket/p/v"));
    end(&t);
}

/* Another request is at the same name: that says nothing of what will be there. */
static void waits_for_others_at_the_same_name(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, FAULT("409 Conflict", "ConditionalRequestConflict"), EMPTY("200 OK"));
    assert_int_equal(put(&t, &absent), 0);
    end(&t);
}

static void a_plain_refusal_asks_nobody(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, FAULT("412 No", "PreconditionFailed"));
    assert_int_equal(put(&t, &absent), MS_ERR_EXISTS);
    end(&t);
}

static void a_retried_delete_has_succeeded(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, EMPTY("200 OK"), CUT, FAULT("404 No", "NoSuchKey"));
    assert_int_equal(ms_backend_delete(t.b, ms_str("v"), &t.err), 0);
    end(&t);
}

#define BEGUN                                                                                      \
    XML("200 OK", "<InitiateMultipartUploadResult><UploadId>U1</UploadId>"                         \
                  "</InitiateMultipartUploadResult>")
#define PART "HTTP/1.1 200 OK\r\nETag: \"e\"\r\n" CLOSE "Content-Length: 0\r\n\r\n"

static int upload(struct bed *t)
{
    struct ms_writer *w = NULL;
    static uint8_t block[1 << 20];
    int code = ms_backend_write(t->b, ms_str("v"), 0, NULL, &w, &t->err);
    for (int i = 0; i < 9 && !code; i++)
        code = ms_writer_append(w, ms_view(block, sizeof block), &t->err);
    if (code) {
        ms_writer_abort(w);
        return code;
    }
    return ms_writer_commit(w, NULL, &t->err);
}

static void an_error_in_a_200_is_an_error(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, BEGUN, PART, PART, FAULT("200 OK", "InternalError"),
          XML("200 OK", "<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag>"
                        "</CompleteMultipartUploadResult>"));
    assert_int_equal(upload(&t), 0); /* tried again */
    end(&t);
}

static void an_upload_that_fails_is_aborted(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, BEGUN, PART, PART, FAULT("400 No", "InvalidPart"), EMPTY("204 No Content"));
    assert_int_equal(upload(&t), MS_ERR_IO);
    assert_non_null(strstr(t.server.seen[5], "DELETE /bucket/p/v?uploadId=U1"));
    end(&t);
}

static void damage_is_seen(void **state)
{
    (void)state;
    struct bed t;
    struct ms_buf *value = NULL;
    BEGIN(&t,
          "HTTP/1.1 200 OK\r\nx-amz-meta-mstore-sha256: "
          "0000000000000000000000000000000000000000000000000000000000000000\r\n" CLOSE
          "Content-Length: 5\r\n\r\nvalue",
          XML("200 OK", "<html>"));
    assert_int_equal(ms_backend_load(t.b, ms_str("v"), 0, MS_SIZE_TO_END, &value, NULL, &t.err),
                     MS_ERR_CORRUPT);
    assert_null(value);
    struct ms_lister *l = NULL;
    assert_int_equal(ms_backend_list(t.b, ms_str("d"), NULL, &l, &t.err), MS_ERR_PROTOCOL);
    end(&t);
}

/* "a-b" comes before "a/" from the storage, and behind "a" to the caller. */
static void sorts_by_name(void **state)
{
    (void)state;
    struct bed t;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char got[100] = "";
    BEGIN(&t,
          XML("200 OK", "<ListBucketResult><IsTruncated>true</IsTruncated>"
                        "<NextContinuationToken>T</NextContinuationToken><EncodingType>url"
                        "</EncodingType><Contents><Key>p/a-b</Key><Size>1</Size></Contents>"
                        "<Contents><Key>p/a-c.tmp</Key></Contents></ListBucketResult>"),
          XML("200 OK", "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
                        "<Key>p/z%2By</Key></Contents><CommonPrefixes><Prefix>p/a/</Prefix>"
                        "</CommonPrefixes><EncodingType>url</EncodingType></ListBucketResult>"));
    assert_int_equal(ms_backend_list(t.b, ms_str(""), NULL, &l, &t.err), 0);
    for (;;) {
        assert_int_equal(ms_lister_next(l, &e, &t.err), 0);
        if (!e)
            break;
        size_t at = strlen(got);
        snprintf(got + at, sizeof got - at, "%.*s%s ", (int)e->name.size,
                 (const char *)e->name.data, e->info.directory ? "/" : "");
    }
    ms_lister_close(l);
    assert_non_null(strstr(t.server.seen[2], "continuation-token=T"));
    end(&t);
    assert_string_equal(got, "a/ a-b z+y ");
}

/* A whole value where a part was asked for, too little, another part, an older version's part. */
static void ranges_are_not_taken_on_trust(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int code;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 10\r\n\r\n0123456789", 0},
        {"HTTP/1.1 206 OK\r\nContent-Range: bytes 2-4/10\r\n" CLOSE "Content-Length: 3\r\n\r\n234",
         0},
        {"HTTP/1.1 206 OK\r\nContent-Range: bytes 2-5/10\r\n" CLOSE "Content-Length: 4\r\n\r\n2345",
         MS_ERR_PROTOCOL},
        {"HTTP/1.1 200 OK\r\nContent-Range: bytes 2-2/10\r\n" CLOSE "Content-Length: 1\r\n\r\n2",
         MS_ERR_PROTOCOL},
        {"HTTP/1.1 206 OK\r\nContent-Range: bytes 5-7/10\r\n" CLOSE "Content-Length: 3\r\n\r\n567",
         MS_ERR_PROTOCOL},
        {"HTTP/1.1 206 OK\r\n" CLOSE "Content-Length: 3\r\n\r\n234", MS_ERR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed t;
        struct ms_buf *value = NULL;
        BEGIN(&t, cases[i].answer);
        int code = ms_backend_load(t.b, ms_str("v"), 2, 3, &value, NULL, &t.err);
        if (code != cases[i].code)
            fail_msg("%s: %s, %s", cases[i].answer, ms_code_name(code), t.err.text);
        if (!code)
            assert_memory_equal(ms_buf_view(value).data, "234", 3);
        ms_buf_unref(value);
        end(&t);
    }
}

static void uploads_without_a_handle_end(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, XML("200 OK", "<InitiateMultipartUploadResult/>"));
    assert_int_equal(upload(&t), MS_ERR_PROTOCOL);
    assert_non_null(strstr(t.err.text, "without an id"));
    end(&t);
    BEGIN(&t, BEGUN, EMPTY("200 OK"), EMPTY("200 OK"), EMPTY("204 No Content"));
    assert_int_equal(upload(&t), MS_ERR_PROTOCOL);
    assert_non_null(strstr(t.err.text, "without an ETag"));
    assert_non_null(strstr(t.server.seen[4], "DELETE /bucket/p/v?uploadId=U1"));
    end(&t);
}

/* A page may hold prefixes only, or nothing, and still not be the last. */
static void pages_may_hold_little(void **state)
{
    (void)state;
    struct bed t;
    char got[100];
    BEGIN(&t,
          PAGE("true", "<CommonPrefixes><Prefix>p/a/</Prefix></CommonPrefixes>"
                       "<CommonPrefixes><Prefix>p/b/</Prefix></CommonPrefixes>" TOKEN),
          PAGE("true", "<NextContinuationToken>U</NextContinuationToken>"),
          PAGE("false", "<Contents><Key>p/c</Key><Size>1</Size></Contents>"));
    assert_int_equal(list_all(&t, got, sizeof got), 0);
    assert_string_equal(got, "a/ b/ c ");
    end(&t);
}

/* Also one that is not entered at its first page. */
static void a_listing_in_a_circle_ends(void **state)
{
    (void)state;
    struct bed t;
    char got[100];
#define OTHER "<NextContinuationToken>U</NextContinuationToken>"
    BEGIN(&t, PAGE("true", "<NextContinuationToken>first</NextContinuationToken>"),
          PAGE("true", TOKEN), PAGE("true", OTHER), PAGE("true", TOKEN));
    assert_int_equal(list_all(&t, got, sizeof got), MS_ERR_PROTOCOL);
    assert_non_null(strstr(t.err.text, "circle"));
    end(&t);
}

static void bad_pages_end_a_listing(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *word;
    } cases[] = {
        {PAGE("true", TOKEN), PAGE("true", TOKEN), "circle"},
        {PAGE("true", TOKEN), PAGE("true", ""), "goes on"},
        {PAGE("true", TOKEN), PAGE("false", "<Contents><Key>q/x</Key></Contents>"), "not asked"},
        {PAGE("true", TOKEN), "HTTP/1.1 200 OK\r\n" CLOSE "\r\n<ListBucketResult><IsTrunc", "XML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed t;
        char got[100];
        BEGIN(&t, cases[i].first, cases[i].second);
        assert_int_equal(list_all(&t, got, sizeof got), MS_ERR_PROTOCOL);
        if (!strstr(t.err.text, cases[i].word))
            fail_msg("\"%s\" does not say \"%s\"", t.err.text, cases[i].word);
        end(&t);
    }
}

/* A server that lists what it was not asked for is not believed: all that is deleted is ours. */
static void destroys_nothing_of_others(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, PAGE("false", "<Contents><Key>p/x</Key></Contents><Contents><Key>q/x</Key>"
                            "</Contents>"));
    assert_int_equal(ms_backend_close(t.b, &t.err), 0);
    assert_int_equal(ms_backend_destroy(t.b, &t.err), MS_ERR_PROTOCOL);
    assert_non_null(strstr(t.err.text, "not asked"));
    end(&t);
}

/* A copy that nobody confirms: the source stays. */
static void moves_only_what_was_copied(void **state)
{
    (void)state;
    static const char *const half[] = {
        "HTTP/1.1 200 OK\r\n" CLOSE "\r\n<Error><Code>InternalErr",
        EMPTY("200 OK"),
        XML("200 OK", "<html></html>"),
    };
    for (size_t i = 0; i < sizeof half / sizeof *half; i++) {
        struct bed t;
        BEGIN(&t, "HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 5\r\n\r\n", half[i]);
        assert_int_equal(ms_backend_move(t.b, ms_str("v"), ms_str("w"), NULL, &t.err),
                         MS_ERR_CONNECTION);
        assert_non_null(strstr(t.err.text, "does not say that w was copied"));
        end(&t);
    }
}

/* A 200 without a result: the value is looked for before it is called stored. */
static void an_upload_without_a_result_is_looked_for(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, BEGUN, PART, PART, XML("200 OK", "<html></html>"), EMPTY("404 Not Found"),
          EMPTY("204 No Content"));
    assert_int_equal(upload(&t), MS_ERR_CONNECTION);
    assert_non_null(strstr(t.server.seen[5], "HEAD /bucket/p/v"));
    assert_non_null(strstr(t.server.seen[6], "DELETE /bucket/p/v?uploadId=U1"));
    end(&t);
}

/* A failure inside a 200 may have come behind the work: who wrote what is there then? */
static void a_failure_in_a_200_may_have_worked(void **state)
{
    (void)state;
    struct bed t;
    BEGIN(&t, BEGUN, PART, PART, FAULT("200 OK", "InternalError"),
          FAULT("412 No", "PreconditionFailed"),
          "HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 5\r\n\r\n", EMPTY("204 No Content"));
    assert_int_equal(upload(&t), MS_ERR_CONFLICT);
    assert_non_null(strstr(t.server.seen[6], "HEAD /bucket/p/v"));
    end(&t);
}

/* An upload of which nobody says when it began may be another client's, and under way. */
static void sweeps_no_upload_of_unknown_age(void **state)
{
    (void)state;
    struct bed t;
    uint64_t removed = 7;
    BEGIN(&t,
          XML("200 OK",
              "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
              "<Upload><Key>p/a</Key><UploadId>A</UploadId><Initiated>today</Initiated></Upload>"
              "<Upload><Key>p/b</Key><UploadId>B</UploadId></Upload>"
              "<Upload><Key>p/c</Key><UploadId>C</UploadId>"
              "<Initiated>9999-01-01T00:00:00.000Z</Initiated></Upload>"
              "</ListMultipartUploadsResult>"),
          PAGE("false", ""));
    assert_int_equal(ms_backend_sweep(t.b, 0, &removed, &t.err), 0);
    assert_int_equal(removed, 0);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_again),
        cmocka_unit_test(waits_as_long_as_asked),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(tells_errors_apart),
        cmocka_unit_test(learns_the_region),
        cmocka_unit_test(settles_a_conditional_store),
        cmocka_unit_test(a_plain_refusal_asks_nobody),
        cmocka_unit_test(waits_for_others_at_the_same_name),
        cmocka_unit_test(a_retried_delete_has_succeeded),
        cmocka_unit_test(an_error_in_a_200_is_an_error),
        cmocka_unit_test(an_upload_that_fails_is_aborted),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(sorts_by_name),
        cmocka_unit_test(ranges_are_not_taken_on_trust),
        cmocka_unit_test(uploads_without_a_handle_end),
        cmocka_unit_test(pages_may_hold_little),
        cmocka_unit_test(bad_pages_end_a_listing),
        cmocka_unit_test(a_listing_in_a_circle_ends),
        cmocka_unit_test(destroys_nothing_of_others),
        cmocka_unit_test(sweeps_no_upload_of_unknown_age),
        cmocka_unit_test(moves_only_what_was_copied),
        cmocka_unit_test(an_upload_without_a_result_is_looked_for),
        cmocka_unit_test(a_failure_in_a_200_may_have_worked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
