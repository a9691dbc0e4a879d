/* URLs: what they fall into, what is refused and how, and that no secret is ever shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/secret.h"

#include <mstore/backend.h>

#include <stdio.h>
#include <stdlib.h>

static struct ms_url *parsed(const char *text)
{
    struct ms_url *url = NULL;
    struct ms_error err = {0};
    if (ms_url_parse(text, &url, &err))
        fail_msg("%s: %s", text, err.text);
    return url;
}

static void same(const char *got, const char *wanted)
{
    if (!wanted)
        assert_null(got);
    else if (!got || strcmp(got, wanted) != 0)
        fail_msg("\"%s\" instead of \"%s\"", got ? got : "(nothing)", wanted);
}

struct shape {
    const char *text, *scheme;
    bool authority;
    const char *user, *password, *host;
    int port;
    const char *path, *safe;
};

static void fall_into_parts(void **state)
{
    static const struct shape shapes[] = {
        {"file:///srv/store", "file", true, NULL, NULL, NULL, -1, "/srv/store",
         "file:///srv/store"},
        {"FILE:///x", "file", true, NULL, NULL, NULL, -1, "/x", "file:///x"},
        {"file:/abs", "file", false, NULL, NULL, NULL, -1, "/abs", "file:/abs"},
        {"memory:", "memory", false, NULL, NULL, NULL, -1, "", "memory:"},
        {"memory:NAME", "memory", false, NULL, NULL, NULL, -1, "NAME", "memory:NAME"},
        {"sftp://host", "sftp", true, NULL, NULL, "host", -1, "", "sftp://host"},
        {"sftp://u@host:22/rel", "sftp", true, "u", NULL, "host", 22, "/rel",
         "sftp://u@host:22/rel"},
        {"sftp://host//abs", "sftp", true, NULL, NULL, "host", -1, "//abs", "sftp://host//abs"},
        {"http://u:p@h:80/a/b", "http", true, "u", "p", "h", 80, "/a/b", "http://u@h:80/a/b"},
        {"http://u:@h/", "http", true, "u", "", "h", -1, "/", "http://u@h/"},
        {"http://:p@h/", "http", true, "", "p", "h", -1, "/", "http://@h/"},
        {"http://u:p:q@h/", "http", true, "u", "p:q", "h", -1, "/", "http://u@h/"},
        {"http://u:p@q@h/", "http", true, "u", "p@q", "h", -1, "/", "http://u@h/"},
        {"http://u:p%40%2f%3a@h/", "http", true, "u", "p@/:", "h", -1, "/", "http://u@h/"},
        {"http://[::1]:8080/x", "http", true, NULL, NULL, "::1", 8080, "/x", "http://[::1]:8080/x"},
        {"http://[fe80::1]/", "http", true, NULL, NULL, "fe80::1", -1, "/", "http://[fe80::1]/"},
        {"file:///a%20b/%25", "file", true, NULL, NULL, NULL, -1, "/a b/%", "file:///a b/%"},
        {"rest:////abs", "rest", true, NULL, NULL, NULL, -1, "//abs", "rest:////abs"},
        {"x-1.2+y:z", "x-1.2+y", false, NULL, NULL, NULL, -1, "z", "x-1.2+y:z"},
        {"s3:key:secret@http://h/bucket", "s3", false, NULL, NULL, NULL, -1,
         "key:secret@http://h/bucket", "s3:\xe2\x80\xa6@http://h/bucket"},
        {"s3:k:a/b+c%2F@d@https://h:9000/b/x@y?", "s3", false, NULL, NULL, NULL, -1,
         "k:a/b+c/@d@https://h:9000/b/x@y", "s3:\xe2\x80\xa6@https://h:9000/b/x@y"},
        {"s3:work@https://h/bucket", "s3", false, NULL, NULL, NULL, -1, "work@https://h/bucket",
         "s3:work@https://h/bucket"},
        {"s3:https://h:9000/bucket", "s3", false, NULL, NULL, NULL, -1, "https://h:9000/bucket",
         "s3:https://h:9000/bucket"},
        {"s3:/bucket/a@b", "s3", false, NULL, NULL, NULL, -1, "/bucket/a@b", "s3:/bucket/a@b"},
        {"sftp://me@h/a:b@c", "sftp", true, "me", NULL, "h", -1, "/a:b@c", "sftp://me@h/a:b@c"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *s = &shapes[i];
        struct ms_url *url = parsed(s->text);
        same(url->scheme, s->scheme);
        assert_int_equal(url->authority, s->authority);
        same(url->user, s->user);
        same(url->password, s->password);
        same(url->host, s->host);
        assert_int_equal(url->port, s->port);
        same(url->path, s->path);
        same(url->safe, s->safe);
        assert_int_equal(url->option_count, 0);
        ms_url_free(url);
    }
    ms_url_free(NULL);
}

static void carry_options(void **state)
{
    (void)state;
    struct ms_url *url = parsed("file:///x?sync=none&emulate.latency=50ms&token=a%26b%3Dc&flag&e=");
    assert_int_equal(url->option_count, 5);
    same(ms_url_take(url, "nosuch"), NULL);
    same(ms_url_take(url, "token"), "a&b=c");
    same(ms_url_take(url, "token"), NULL); /* once */
    same(ms_url_take(url, "flag"), "");
    same(ms_url_take(url, "e"), "");
    same(ms_url_take(url, "sync"), "none");
    struct ms_error err = {0};
    assert_int_equal(ms_url_check_taken(url, &err), MS_ERR_URL);
    assert_non_null(strstr(err.text, "emulate.latency"));
    same(ms_url_take(url, "emulate.latency"), "50ms");
    assert_int_equal(ms_url_check_taken(url, &err), 0);
    same(url->safe, "file:///x?sync=none&emulate.latency=50ms&token=\xe2\x80\xa6&flag=\xe2\x80\xa6"
                    "&e=\xe2\x80\xa6");
    ms_url_free(url);
    url = parsed("memory:?&&a=1&");
    assert_int_equal(url->option_count, 1);
    ms_url_free(url);
}

static void refused(const char *text, const char *because)
{
    struct ms_url *url = NULL;
    struct ms_error err = {0};
    int code = ms_url_parse(text, &url, &err);
    if (code != MS_ERR_URL || url || !strstr(err.text, because))
        fail_msg("%s: %s \"%s\", not \"%s\"", text, ms_code_name(code), err.text, because);
}

static void are_refused_with_a_reason(void **state)
{
    (void)state;
    refused("", "expected for example file:///srv/store");
    refused("/srv/store", "\"/srv/store\" is no URL: expected for example file:///srv/store");
    refused("srv/store", "\"srv/store\" is no URL: expected for example file:///srv/store");
    refused("nas", "is no URL: expected for example");
    refused("://x", "is no URL");
    refused("1x:y", "is no URL");
    refused("a b:y", "is no URL");
    refused("\xc3\xa9:y", "is no URL");
    refused("file:///a%", "%");
    refused("file:///a%2", "two hex digits");
    refused("file:///a%zz", "two hex digits");
    refused("file:///a%00b", "NUL");
    refused("file:///a?x=%00", "NUL");
    refused("http://u%00@h/", "NUL");
    refused("http://h:/", "port");
    refused("http://h:0/", "port");
    refused("http://h:65536/", "port");
    refused("http://h:123456789/", "port");
    refused("http://h:2x/", "port");
    refused("http://h:-1/", "port");
    refused("http://[::1/", "[");
    refused("http://[::1]x/", "port");
    refused("memory:?a=1&a=2", "twice");
    refused("memory:?a/b=1", "name of an option");
    refused("sftp://h:22/a@b", "%40");
    refused("s3:k:s?t@/b", "%3F");
    char *text = malloc(9001);
    assert_non_null(text);
    memset(text, 'x', 9000);
    memcpy(text, "file:///", 8);
    text[9000] = 0;
    refused(text, "longer than 8192");
    for (size_t i = 9; i < 900; i++)
        text[i] = i % 2 ? 'a' : '&';
    text[8] = '?';
    text[900] = 0;
    struct ms_url *url = NULL;
    assert_int_equal(ms_url_parse(text, &url, NULL), MS_ERR_URL);
    free(text);
}

static void never_show_secrets(void **state)
{
    static const char *const secretive[] = {
        "http://user:HUNTER2@host/path",
        "http://user:HUNTER2@host:99999/path",
        "http://user:HUNTER2@host/%",
        "http://user:HUNTER2@host/?x=%zz",
        "http://user:HUNTER2%@host/",
        "http://user:HUNTER2@[::1",
        "s3:key:HUNTER2@bucket/path",
        "s3:key:SEC/HUNTER2@http://host/bucket/path?nosuch=1",
        "HUNTER2@host",
        "user:HUNTER2@host/path",
        "srv/store?password=HUNTER2",
        "http://user:9/HUNTER2@host/path",
        "http://user:p@9/HUNTER2@host/path",
        "http://user:9?HUNTER2@host/path",
        "http://user:x?a=b&HUNTER2@host/path",
        "http://u%3AHUNTER2:x@host/%",
        "s3:key:a@/HUNTER2@https://host/bucket/path",
        "s3:key:a@/b/HUNTER2@/bucket/path",
        "s3:key:a@https://HUNTER2@/bucket/path",
        "s3:key:HUNTER2/a+b%2Fc%40d@e@https://host/b?nosuch=1",
        "s3:key:HUNTER2%zz@https://host/b",
        "s3:key:a?HUNTER2@https://host/b",
        "s3:key:a?b=c&HUNTER2@https://host/b",
        "s3:key%3AHUNTER2@/bucket?nosuch=1",
        "s3:key%3AHUNTER2%40/bucket?nosuch=1",
        "s3:key:HUNTER2%40/bucket?nosuch=1",
        "s3:https://key:HUNTER2@host/b?nosuch=1",
        "s3:https://key:9/HUNTER2@host/b?nosuch=1",
        "b2:key:HUNTER2@/bad bucket/path",
        "s3:bucket?key=HUNTER2",
        "s3:bucket?key=HUNTER2&key=HUNTER2",
        "s3:bucket?syncer=HUNTER2",
        "s3:bucket?emulate=HUNTER2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof secretive / sizeof *secretive; i++) {
        struct ms_url *url = NULL;
        struct ms_error err = {0};
        struct ms_backend *b = NULL;
        if (ms_url_parse(secretive[i], &url, &err) == 0) {
            same(strstr(url->safe, "HUNTER2"), NULL);
            assert_true(ms_url_check_taken(url, &err) == 0 || err.text[0]);
        }
        if (strstr(err.text, "HUNTER2"))
            fail_msg("%s: %s", secretive[i], err.text);
        ms_url_free(url);
        err = (struct ms_error){0};
        int code = ms_backend_make(secretive[i], NULL, &b, &err);
        if (code == 0) /* a good one */
            same(strstr(b->url, "HUNTER2"), NULL);
        else
            assert_int_equal(code, MS_ERR_URL);
        if (strstr(err.text, "HUNTER2"))
            fail_msg("%s: %s", secretive[i], err.text);
        ms_backend_free(b);
    }
}

static void masked(const char *text, const char *wanted)
{
    char copy[200];
    snprintf(copy, sizeof copy, "%s", text);
    assert_int_equal(ms_secret_mask(copy), strcmp(text, wanted) != 0);
    assert_string_equal(copy, wanted);
}

static void can_be_masked(void **state)
{
    (void)state;
    masked("sftp://me:pass@host:22/x", "sftp://me:xxxx@host:22/x");
    masked("sftp://me:p@ss@host/x", "sftp://me:xxxx@host/x");
    masked("sftp://me:12/3@host/x", "sftp://me:xxxx@host/x"); /* refused, but shown no less */
    masked("sftp://me:1?3@host/x", "sftp://me:xxx@host/x");
    masked("s3:key:s/c+@t@https://h:9000/b/p@q", "s3:key:xxxxxx@https://h:9000/b/p@q");
    masked("b2:key:secret@/b", "b2:key:xxxxxx@/b");
    masked("s3:https://key:secret@h/b", "s3:https://key:xxxxxx@h/b");
    masked("s3:/b?secret_key=abc&region=x&token=d", "s3:/b?secret_key=xxx&region=x&token=x");
    masked("http://:p@h/", "http://:x@h/");
    static const char *const open[] = {
        "",
        "nas",
        ":",
        "@",
        "file:///a:b@c",
        "sftp://me@host/a:b@c",
        "sftp://host:22/x",
        "http://u:@h/",
        "s3:work@https://h:9000/bucket/me@x",
        "s3:/bucket/x:y@z",
        "s3:https://h:9000/bucket?region=x",
        "memory:?token=",
    };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        masked(open[i], open[i]);
}

static void long_ones_are_cut_for_messages(void **state)
{
    (void)state;
    char text[600] = "file:///";
    for (size_t i = 8; i < 500; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    struct ms_url *url = parsed(text);
    assert_int_equal(strlen(url->path), 493);
    assert_true(strlen(url->safe) < sizeof url->safe);
    same(url->safe + strlen(url->safe) - 3, "\xe2\x80\xa6");
    ms_url_free(url);
}

/* Whatever bytes come: an error with a sentence, or parts that fit together. */
static void anything_else_is_an_error(void **state)
{
    (void)state;
    static const char bits[] = "ab:/?&=%@[]0129.+-\x01\xff 2f";
    struct ms_random random;
    uint64_t seed = 20240517;
    ms_random_seed(&random, seed);
    unsigned good = 0;
    for (int i = 0; i < 20000; i++) {
        char text[40] = "a:";
        size_t size = ms_random_below(&random, sizeof text - 1);
        for (size_t at = i % 2 ? 0 : 2; at < size; at++)
            text[at] = bits[ms_random_below(&random, sizeof bits - 1)];
        struct ms_url *url = NULL;
        struct ms_error err = {0};
        int code = ms_url_parse(text, &url, &err);
        if (code == 0) {
            good++;
            assert_non_null(url->path);
            assert_true(url->scheme[0] && strlen(url->safe) < sizeof url->safe);
            assert_true(url->port == -1 || (url->port >= 1 && url->port <= 65535));
            ms_url_free(url);
        } else if (code != MS_ERR_URL || !err.text[0]) {
            fail_msg("seed %llu, text %d \"%s\": %s", (unsigned long long)seed, i, text,
                     ms_code_name(code));
        }
    }
    assert_in_range(good, 1000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fall_into_parts),
        cmocka_unit_test(carry_options),
        cmocka_unit_test(are_refused_with_a_reason),
        cmocka_unit_test(never_show_secrets),
        cmocka_unit_test(can_be_masked),
        cmocka_unit_test(long_ones_are_cut_for_messages),
        cmocka_unit_test(anything_else_is_an_error),
    };
    return cmocka_run_group_tests_name("URLs", tests, NULL, NULL);
}
