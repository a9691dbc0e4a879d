/* S3 URLs, options, credentials and the table of providers; no server is needed. */
#include "support/check.h"
#include "support/files.h"

#include "backends/s3/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void is(const char *got, const char *wanted)
{
    if (!got || !wanted)
        assert_true(got == wanted);
    else
        assert_string_equal(got, wanted);
}

static void splits_a_url(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct {
            const char *profile, *id, *secret, *scheme, *host, *bucket, *path;
        } want;
    } cases[] = {
        {"/bucket/a/path/", {0, 0, 0, 0, 0, "bucket", "a/path"}},
        {"/bucket", {0, 0, 0, 0, 0, "bucket", ""}},
        {"work@/bucket/p", {"work", 0, 0, 0, 0, "bucket", "p"}},
        {"ID:sec/ret+=@https://host:9000/bucket/p@q",
         {0, "ID", "sec/ret+=", "https", "host:9000", "bucket", "p@q"}},
        {"ID:se@cret@/bucket/p", {0, "ID", "se@cret", 0, 0, "bucket", "p"}},
        {"I%3AD:se%2Fc%40ret@/bucket/p%20q", {0, "I:D", "se/c@ret", 0, 0, "bucket", "p q"}},
        {"http://h/bucket/x", {0, 0, 0, "http", "h", "bucket", "x"}},
        {"ID:secret@http://[::1]:9000/bucket/x",
         {0, "ID", "secret", "http", "[::1]:9000", "bucket", "x"}},
        {"https://[2001:db8::7]/bucket", {0, 0, 0, "https", "[2001:db8::7]", "bucket", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_s3_place p;
        struct ms_error err = {0};
        assert_int_equal(ms_s3_place_parse(cases[i].text, &p, &err), 0);
        is(p.profile, cases[i].want.profile);
        is(p.id, cases[i].want.id);
        is(p.secret, cases[i].want.secret);
        is(p.scheme, cases[i].want.scheme);
        is(p.host, cases[i].want.host);
        is(p.bucket, cases[i].want.bucket);
        is(p.path, cases[i].want.path);
        ms_s3_place_fini(&p);
    }
}

static void refuses_bad_urls(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "s3:",
        "s3:bucket/path",
        "s3:ID:topsecret@bucket/path",
        "s3:ID:a@/topsecret@https://h/bucket",
        "s3:ID:a@/topsecret@/bucket/p",
        "s3:ID%3Atopsecret@/bucket/p",
        "s3:ID:@/bucket/p",
        "s3::topsecret@/bucket/p",
        "s3://bucket/path",
        "s3:ID:topsecret@/bucket/p%2",
        "s3:ID:topsecret%zz@/bucket/p",
        "s3:ID:topsecret@https:///bucket/p",
        "s3:ID:topsecret@https://-oProxyCommand=x/bucket/p",
        "s3:ID:topsecret@https://[::1/bucket/p",
        "s3:ID:topsecret@https://[]/bucket/p",
        "s3:ID:topsecret@https://[::1]x/bucket/p",
        "s3:ID:topsecret@https://[::1]:0/bucket/p",
        "s3:ID:topsecret@https://[10.0.0.1]/bucket/p",
        "s3:ID:topsecret@https://[fe80::1%25eth0]/bucket/p",
        "s3:ID:topsecret@https://::1/bucket/p",
        "s3:ID:topsecret@https://[::1]/bucket/p?style=virtual",
        "s3:ID:topsecret@https://h:0/bucket/p",
        "s3:ID:topsecret@https://h/buck et/p",
        "s3:ID:topsecret@ftp://h/bucket/p",
        "s3:ID:topsecret@https://h/bucket/p?region=a/b",
        "s3:ID:topsecret@https://h/bucket/p?style=odd",
        "s3:ID:topsecret@https://h/bucket/p?part_size=1k",
        "s3:ID:topsecret@https://h/bucket/p?parallel=0",
        "s3:ID:topsecret@https://h/bucket/p?provider=nobody",
        "s3:ID:topsecret@https://h/bucket/p?if_absent=maybe",
        "s3:ID:topsecret@https://h/bucket/p?insecure=2",
        "s3:ID:topsecret@https://h/bucket/p?unknown=1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_backend *b = NULL;
        struct ms_error err = {0};
        if (ms_backend_make(bad[i], NULL, &b, &err) != MS_ERR_URL)
            fail_msg("%s: %s %s", bad[i], ms_code_name(err.code), err.text);
        assert_null(b);
        assert_true(err.text[0]);
        if (strstr(err.text, "topsecret"))
            fail_msg("the secret of %s is in: %s", bad[i], err.text);
    }
}

static char folder[] = "/tmp/mstore-s3-XXXXXX";

static int with_files(void **state)
{
    (void)state;
    static char credentials[64], config[64];
    strcpy(folder, "/tmp/mstore-s3-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(credentials, sizeof credentials, "%s/credentials", folder);
    snprintf(config, sizeof config, "%s/config", folder);
    write_file(credentials,
               "[default]\naws_access_key_id = DID\naws_secret_access_key = DSECRET\n"
               "[work]\naws_access_key_id=WID\naws_secret_access_key=WSECRET\n"
               "aws_session_token=WTOKEN\n[half]\naws_access_key_id=X\n",
               0600);
    write_file(config,
               "[default]\nregion = eu-west-1\n"
               "[profile work]\nregion=eu-north-1\nendpoint_url = http://10.0.0.1:9000\n"
               "s3 =\n  addressing_style = path\n"
               "[profile inside]\naws_access_key_id=CID\naws_secret_access_key=CSECRET\n",
               0600);
    static const char *const cleared[] = {
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
        "AWS_REGION",        "AWS_DEFAULT_REGION",    "AWS_ENDPOINT_URL",  "AWS_ENDPOINT_URL_S3",
        "AWS_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++)
        unsetenv(cleared[i]);
    setenv("AWS_SHARED_CREDENTIALS_FILE", credentials, 1);
    setenv("AWS_CONFIG_FILE", config, 1);
    return 0;
}

static int without_files(void **state)
{
    (void)state;
    unlink(getenv("AWS_SHARED_CREDENTIALS_FILE"));
    unlink(getenv("AWS_CONFIG_FILE"));
    return rmdir(folder);
}

static void finds(const char *profile, const char *id, const char *secret, const char *token,
                  const char *region, const char *endpoint)
{
    struct ms_s3_credentials c;
    struct ms_error err = {0};
    if (ms_s3_credentials_find(profile, &c, &err))
        fail_msg("%s", err.text);
    is(c.id, id);
    is(c.secret, secret);
    is(c.token, token);
    is(c.region, region);
    is(c.endpoint, endpoint);
    ms_s3_credentials_fini(&c);
}

static void finds_credentials(void **state)
{
    (void)state;
    finds(NULL, "DID", "DSECRET", NULL, "eu-west-1", NULL);
    finds("work", "WID", "WSECRET", "WTOKEN", "eu-north-1", "http://10.0.0.1:9000");
    finds("inside", "CID", "CSECRET", NULL, NULL, NULL);
    setenv("AWS_PROFILE", "work", 1);
    finds(NULL, "WID", "WSECRET", "WTOKEN", "eu-north-1", "http://10.0.0.1:9000");
    setenv("AWS_ACCESS_KEY_ID", "EID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "ESECRET", 1);
    setenv("AWS_REGION", "us-west-2", 1);
    finds(NULL, "EID", "ESECRET", NULL, "us-west-2", "http://10.0.0.1:9000");
    finds("inside", "CID", "CSECRET", NULL, "us-west-2", NULL); /* a named profile wins */
}

static void says_what_is_missing(void **state)
{
    (void)state;
    struct ms_s3_credentials c;
    struct ms_error err = {0};
    assert_int_equal(ms_s3_credentials_find("nobody", &c, &err), MS_ERR_AUTH);
    assert_non_null(strstr(err.text, "nobody"));
    assert_int_equal(ms_s3_credentials_find("half", &c, &err), MS_ERR_AUTH);
    assert_non_null(strstr(err.text, "aws_secret_access_key"));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    assert_int_equal(ms_s3_credentials_find(NULL, &c, &err), MS_ERR_AUTH);
    assert_non_null(strstr(err.text, "AWS_ACCESS_KEY_ID"));
    char path[64];
    snprintf(path, sizeof path, "%s/credentials", folder);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    snprintf(path, sizeof path, "%s/config", folder);
    setenv("AWS_CONFIG_FILE", path, 1);
}

static struct ms_s3 *make(const char *url)
{
    struct ms_backend *b = NULL;
    struct ms_error err = {0};
    if (ms_backend_make(url, NULL, &b, &err))
        fail_msg("%s", err.text);
    return ms_s3_self(b);
}

static void settles_endpoint_and_region(void **state)
{
    (void)state;
    struct ms_s3 *s = make("s3:/bucket/p");
    is(s->host, "s3.eu-west-1.amazonaws.com");
    is(s->region, "eu-west-1");
    assert_true(s->virtual_host);
    ms_backend_free(&s->base);
    s = make("s3:/with.dots/p");
    assert_false(s->virtual_host); /* no certificate covers it */
    ms_backend_free(&s->base);
    s = make("s3:work@/bucket/p?style=virtual");
    is(s->host, "10.0.0.1:9000");
    is(s->scheme, "http");
    assert_true(s->virtual_host);
    ms_backend_free(&s->base);
    s = make("b2:K:S@/bucket/p?region=eu-central-003");
    is(s->host, "s3.eu-central-003.backblazeb2.com");
    is(s->quirks->provider, "b2");
    ms_backend_free(&s->base);
    s = make("s3:K:S@https://h:443/bucket/p");
    is(s->host, "h"); /* as the Host header will say it */
    is(s->region, "us-east-1");
    assert_null(strstr(s->base.url, ":S@"));
    ms_backend_free(&s->base);
}

/* Each row of the table: what a user of that provider gets. */
static void knows_providers(void **state)
{
    (void)state;
    static const struct {
        const char *host, *provider;
        enum ms_s3_answer if_absent;
        bool virtual_host;
        unsigned delete_many;
        bool checksum, complete_if_absent, replaces;
    } cases[] = {
        {"s3.eu-west-1.amazonaws.com", "aws", MS_S3_YES, true, 1000, true, true, true},
        {"s3.us-west-002.backblazeb2.com", "b2", MS_S3_NO, false, 1000, false, false, true},
        {"id.r2.cloudflarestorage.com", "r2", MS_S3_PROBE, false, 1000, false, false, true},
        {"storage.googleapis.com", "gcs", MS_S3_NO, false, 0, false, false, true},
        {"s3.eu-central-1.wasabisys.com", "wasabi", MS_S3_PROBE, false, 1000, false, false, true},
        {"ams3.digitaloceanspaces.com", "digitalocean", MS_S3_PROBE, false, 1000, false, false,
         true},
        {NULL, "ceph", MS_S3_PROBE, false, 1000, true, false, true},
        {NULL, "minio", MS_S3_PROBE, false, 1000, true, false, true},
        {NULL, "swift", MS_S3_NO, false, 100, false, false, false},
        {"localhost:9000", "other", MS_S3_PROBE, false, 1000, false, false, true},
    };
    size_t rows = 0;
    while (ms_s3_quirks_at(rows))
        rows++;
    assert_int_equal(rows, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < rows; i++) {
        const struct ms_s3_quirks *q = cases[i].host ? ms_s3_quirks_find(NULL, cases[i].host)
                                                     : ms_s3_quirks_find(cases[i].provider, "h");
        assert_non_null(q);
        is(q->provider, cases[i].provider);
        assert_int_equal(q->if_absent, cases[i].if_absent);
        assert_int_equal(q->virtual_host, cases[i].virtual_host);
        assert_int_equal(q->delete_many, cases[i].delete_many);
        assert_int_equal(q->checksum, cases[i].checksum);
        assert_int_equal(q->complete_if_absent, cases[i].complete_if_absent);
        assert_int_equal(q->replaces, cases[i].replaces);
    }
    is(ms_s3_quirks_find(NULL, "evil-amazonaws.com.example")->provider, "other");
    assert_null(ms_s3_quirks_find("nobody", "h"));
}

static void knows_utf8(void **state)
{
    (void)state;
    assert_int_equal(ms_s3_utf8(ms_str("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), 10);
    assert_int_equal(ms_s3_utf8(ms_str("a\xff")), 1);
    assert_int_equal(ms_s3_utf8(ms_str("ab\xc0\x80")), 2);
    assert_int_equal(ms_s3_utf8(ms_str("\xed\xa0\x80")), 0); /* a surrogate */
    assert_int_equal(ms_s3_utf8(ms_str("\xe2\x82")), 0);     /* cut off */
}

static void parts_grow_late_and_hold_much(void **state)
{
    (void)state;
    static const uint64_t first = 8 << 20, tib = UINT64_C(1) << 40;
    uint64_t blind = 0, hinted = 0;
    for (size_t i = 0; i < 10000; i++) {
        uint64_t size = ms_s3_part_size(first, 10000, 0, i);
        if (blind < (UINT64_C(10) << 30))
            assert_true(size == first); /* 10 GiB from as little memory as 1 GiB */
        assert_true(size <= 9 * first);
        blind += size;
        hinted += ms_s3_part_size(first, 10000, 5 * tib, i);
    }
    assert_true(blind >= (UINT64_C(350) << 30));
    assert_true(hinted >= 5 * tib);
}

/* Swift takes no more: 10 GiB fit whether their size is known or not, and more that is known. */
static void a_thousand_parts_hold_ten_gib(void **state)
{
    (void)state;
    static const char *const urls[] = {"s3:k:s@http://h/b/p?provider=swift",
                                       "s3:k:s@http://h/b/p?provider=other"};
    static const uint64_t gib = UINT64_C(1) << 30;
    for (size_t u = 0; u < 2; u++) {
        struct ms_backend *b = NULL;
        struct ms_error err = {0};
        check_ok(ms_backend_make(urls[u], NULL, &b, &err), err);
        const struct ms_s3 *s = ms_s3_self(b);
        uint64_t blind = 0, hinted = 0;
        assert_int_equal(s->quirks->parts_max, u ? 10000 : 1000);
        for (size_t i = 0; i < s->quirks->parts_max; i++) {
            blind += ms_s3_part_size(s->part_bytes, s->quirks->parts_max, 0, i);
            hinted += ms_s3_part_size(s->part_bytes, s->quirks->parts_max, 500 * gib, i);
        }
        assert_true(blind >= 10 * gib && hinted >= 500 * gib);
        assert_true((s->parallel + 1) * s->part_bytes <= 40 << 20); /* memory */
        struct ms_s3_upload upload = {0};
        check_ok(ms_s3_upload_room(&upload, s->quirks->parts_max, s->quirks->parts_max, &err), err);
        check_code(ms_s3_upload_room(&upload, s->quirks->parts_max + 1, s->quirks->parts_max, &err),
                   MS_ERR_TOO_LARGE, err);
        check_text(err, u ? "at most 10000 parts" : "at most 1000 parts");
        ms_s3_upload_fini(&upload);
        ms_backend_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_parts_hold_ten_gib),
        cmocka_unit_test(splits_a_url),
        cmocka_unit_test_setup_teardown(refuses_bad_urls, with_files, without_files),
        cmocka_unit_test_setup_teardown(finds_credentials, with_files, without_files),
        cmocka_unit_test_setup_teardown(says_what_is_missing, with_files, without_files),
        cmocka_unit_test_setup_teardown(settles_endpoint_and_region, with_files, without_files),
        cmocka_unit_test(knows_providers),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(parts_grow_late_and_hold_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
