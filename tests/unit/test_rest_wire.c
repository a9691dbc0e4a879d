/* The bytes of the REST protocol that need no connection: names, ranges, heads, listings. */
#include "support/check.h"

#include "backends/rest/wire.h"
#include "base/text.h"

#include <stdlib.h>

/* ---- names ---- */

static void names_travel(void **state)
{
    static const char *const cases[][2] = {
        {"data/01/23/0123cdef", "data/01/23/0123cdef"},
        {"locks/x.del", "locks/x.del"},
        {"-._~!$&'()*+,;=:@", "-._~!$&'()*+,;=:@"},
        {"a b", "a%20b"},
        {"50%", "50%25"},
        {"Upper", "%55pper"},
        {"a?b#c", "a%3fb%23c"},
        {"\xc3\xa9\n\x7f", "%c3%a9%0a%7f"},
        {"a\\b\"<>^`{|}[]", "a%5cb%22%3c%3e%5e%60%7b%7c%7d%5b%5d"},
        {"...", ".%2e."},
        {"a..b", "a.%2eb"},
        {"....", ".%2e.%2e"},
        {"quota.hid", "quota%2ehid"},
        {"a.hid/b.tmp/c", "a%2ehid/b%2etmp/c"},
        {"a.hide", "a.hide"},
        {".hid", "%2ehid"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wire[128];
        uint8_t plain[128];
        size_t size = 0;
        assert_int_equal(ms_rest_wire_name(wire, sizeof wire, ms_str(cases[i][0])),
                         strlen(cases[i][1]));
        assert_string_equal(wire, cases[i][1]);
        assert_true(ms_rest_plain_name(ms_str(wire), plain, &size));
        assert_int_equal(size, strlen(cases[i][0]));
        assert_memory_equal(plain, cases[i][0], size);
    }
    char small[4];
    assert_int_equal(ms_rest_wire_name(small, sizeof small, ms_str("a b")), 5);
    assert_string_equal(small, "a%2");
}

/* Every name has one form: what is no form is no name. */
static void other_spellings_are_no_names(void **state)
{
    static const char *const cases[] = {"A",  "a b", "%41%",  "%4",    "%zz",      "%61", "a%2eb",
                                        "..", "%C3", "x.hid", "x\x01", "\xc3\xa9", "%2",  "a?b"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t plain[32];
        size_t size = 99;
        if (ms_rest_plain_name(ms_str(cases[i]), plain, &size))
            fail_msg("%s became a name", cases[i]);
        assert_int_equal(size, 99);
    }
}

/* ---- ranges ---- */

static void ranges_are_written(void **state)
{
    static const struct {
        struct ms_rest_range range;
        const char *text;
    } cases[] = {
        {{0, MS_SIZE_TO_END}, ""},
        {{0, 1}, "bytes=0-0"},
        {{3, 4}, "bytes=3-6"},
        {{3, MS_SIZE_TO_END}, "bytes=3-"},
        {{5, INT64_MAX}, "bytes=5-"},
        {{INT64_MAX, 2}, "bytes=9223372036854775807-"},
        {{-4, MS_SIZE_TO_END}, "bytes=-4"},
        {{INT64_MIN, MS_SIZE_TO_END}, "bytes=-9223372036854775808"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[MS_REST_RANGE_SIZE];
        struct ms_rest_range back = {0};
        ms_rest_range_format(text, cases[i].range);
        assert_string_equal(text, cases[i].text);
        if (!text[0])
            continue;
        assert_int_equal(ms_rest_range_parse(ms_str(text), &back, NULL), 0);
        assert_true(back.offset == cases[i].range.offset);
    }
}

static void ranges_are_read(void **state)
{
    static const char *const bad[] = {"",
                                      "bytes",
                                      "bytes=",
                                      "bytes=-",
                                      "bytes=a-b",
                                      "bytes=1-2-",
                                      "bytes=2-1",
                                      "bytes=1",
                                      "bytes=--1",
                                      "bytes=1-2,4-5",
                                      "chars=1-2",
                                      "bytes= 1-2",
                                      "bytes=9223372036854775808-",
                                      "bytes=-9223372036854775809",
                                      "bytes=18446744073709551616-"};
    struct ms_rest_range r;
    struct ms_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_code(ms_rest_range_parse(ms_str(bad[i]), &r, &err), MS_ERR_FORMAT, err);
        check_text(err, "is no range of bytes");
    }
    check_ok(ms_rest_range_parse(ms_str("bytes=5-5"), &r, &err), err);
    assert_true(r.offset == 5 && r.size == 1);
    check_ok(ms_rest_range_parse(ms_str("bytes=0-18446744073709551615"), &r, &err), err);
    assert_true(r.offset == 0 && r.size == MS_SIZE_TO_END);
    check_ok(ms_rest_range_parse(ms_str("bytes=-0"), &r, &err), err);
    assert_true(r.offset == 0 && r.size == 0);
}

/* ---- heads ---- */

static void heads_are_read(void **state)
{
    static const char head[] =
        "HTTP/1.1 206 Partial Content\r\nServer: x\r\ncontent-LENGTH: 12 \r\n"
        "X: a:b\r\n\r\n";
    struct ms_rest_head h = {0};
    struct ms_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof head - 1; i++)
        assert_int_equal(ms_rest_head_size(ms_view(head, i)), 0);
    assert_int_equal(ms_rest_head_size(ms_view(head, sizeof head - 1)), sizeof head - 1);
    check_ok(ms_rest_head_parse(ms_str(head), &h, &err), err);
    assert_int_equal(h.status, 206);
    assert_int_equal(h.length, 12);
    check_ok(ms_rest_head_parse(ms_str("HTTP/1.0 200\r\n\r\n"), &h, &err), err);
    assert_int_equal(h.length, 0);
}

static void heads_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nmore",
        "HTTP/1.1 200 OK",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_rest_head h = {.status = 7};
        struct ms_error err = {0};
        int code = ms_rest_head_parse(ms_str(bad[i]), &h, &err);
        if (code != MS_ERR_PROTOCOL)
            fail_msg("%s: %s", bad[i], ms_code_name(code));
        assert_int_equal(h.status, 7);
        assert_true(err.text[0]);
    }
    struct ms_rest_head h;
    assert_int_equal(ms_rest_head_parse(ms_view("HTTP/1.1 200 \0\r\n\r\n", 18), &h, NULL),
                     MS_ERR_PROTOCOL);
}

static void seconds_become_nanoseconds(void **state)
{
    (void)state;
    assert_true(ms_rest_seconds(ms_str("1753000000.123456")) == INT64_C(1753000000123456000));
    assert_true(ms_rest_seconds(ms_str("1.0000000019")) == 1000000001);
    assert_true(ms_rest_seconds(ms_str("7")) == INT64_C(7000000000));
    assert_true(ms_rest_seconds(ms_str("0")) == 0);
    assert_true(ms_rest_seconds(ms_str("")) == 0);
    assert_true(ms_rest_seconds(ms_str("-1")) == 0);
    assert_true(ms_rest_seconds(ms_str("1e9")) == 0);
    assert_true(ms_rest_seconds(ms_str("99999999999")) == 0);
}

/* ---- listings ---- */

static void listings_are_read(void **state)
{
    /* as BorgStore's server writes it, with names that a server may hold and we do not show */
    static const char json[] =
        "[\n  {\n    \"name\": \"b\",\n    \"size\": 5,\n    \"directory\": false,\n    \"atime\": "
        "1753000000.5\n  },\n"
        "  {\"directory\": true, \"size\": 4096, \"atime\": 0, \"name\": \"a\", \"new\": [1, "
        "{}]},\n"
        "  {\"name\": \"a%20b\", \"size\": 1}, {\"name\": \"b\", \"size\": 6},\n"
        "  {\"name\": \"x.tmp\", \"size\": 1}, {\"name\": \"quota%2ehid\", \"size\": 1},\n"
        "  {\"name\": \"Foreign\", \"size\": 1}, {\"name\": \"..\", \"size\": 1},\n"
        "  {\"name\": \"a/b\", \"size\": 1}, {\"name\": \"\", \"size\": 1}\n]\n";
    struct ms_rest_listing l = {0};
    struct ms_error err = {0};
    (void)state;
    ms_log_to(NULL, NULL, MS_LOG_ERROR);
    check_ok(ms_rest_listing_parse(ms_str(json), &l, &err), err);
    assert_int_equal(l.count, 3);
    assert_true(ms_equal(l.entries[0].name, ms_str("a")));
    assert_true(l.entries[0].directory && l.entries[0].size_bytes == 0);
    assert_true(ms_equal(l.entries[1].name, ms_str("a b")));
    assert_true(ms_equal(l.entries[2].name, ms_str("b")));
    assert_true(!l.entries[2].directory);
    assert_true(l.entries[2].atime_ns == INT64_C(1753000000500000000) ||
                l.entries[2].size_bytes == 6);
    ms_rest_listing_fini(&l);
    check_ok(ms_rest_listing_parse(ms_str("[]"), &l, &err), err);
    assert_int_equal(l.count, 0);
    ms_rest_listing_fini(&l);
}

static void listings_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "[\"a\"]",
        "[{}]",
        "[{\"size\": 1}]",
        "[{\"name\": 1}]",
        "[{\"name\": \"a\", \"name\": \"b\"}]",
        "[{\"name\": \"a\", \"size\": -1}]",
        "[{\"name\": \"a\", \"size\": \"1\"}]",
        "[{\"name\": \"a\", \"size\": 1.5}]",
        "[{\"name\": \"a\", \"directory\": 1}]",
        "[{\"name\": \"a\", \"size\": 1}",
        "[{\"name\": \"a\", \"size\": 1}] x",
        "[{\"name\": \"a\", \"more\": [}]",
        "<html>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_rest_listing l = {.count = 7};
        struct ms_error err = {0};
        int code = ms_rest_listing_parse(ms_str(bad[i]), &l, &err);
        if (code != MS_ERR_PROTOCOL)
            fail_msg("%s: %s", bad[i], ms_code_name(code));
        check_text(err, "a listing that is none");
        assert_int_equal(l.count, 7);
    }
}

/* ---- failures ---- */

static void what_a_server_says_is_found(void **state)
{
    static const char page[] = "<!DOCTYPE HTML>\n<p>Error code: 400</p>\n"
                               "<p>Message: a &amp;lt; b &gt; c & d.e.</p>\n<p>More: x.</p>";
    static const struct {
        const char *head, *type, *body, *said;
    } cases[] = {
        {"HTTP/1.1 404 archives/x\r\nA: b\r\n\r\n", "text/html", page, "archives/x"},
        {"HTTP/2 400 \r\n\r\n", "text/html;charset=utf-8", page, "a &lt; b > c & d.e"},
        {"HTTP/2 400\r\n\r\n", "text/plain", "one\ntwo", "one"},
        {"HTTP/2 400\r\n\r\n", "text/plain", "one", "one"},
        {"HTTP/2 400 \r\n\r\n", "application/json", "{}", ""},
        {"HTTP/2 400 \r\n\r\n", "text/html", "<p>Message: cut", ""},
        {"HTTP/2 400 \r\n\r\n", "text/html", "", ""},
        {"", "", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char to[64];
        struct ms_view said = ms_rest_said(ms_str(cases[i].head), ms_str(cases[i].type),
                                           ms_str(cases[i].body), to, sizeof to);
        if (!ms_equal(said, ms_str(cases[i].said)))
            fail_msg("%zu: %.*s", i, (int)said.size, (const char *)said.data);
    }
    char small[3];
    struct ms_view said = ms_rest_said(ms_str(""), ms_str("text/html"), ms_str(page), small, 3);
    assert_true(ms_equal(said, ms_str("a &")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_travel),
        cmocka_unit_test(other_spellings_are_no_names),
        cmocka_unit_test(ranges_are_written),
        cmocka_unit_test(ranges_are_read),
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(heads_that_are_none_are_refused),
        cmocka_unit_test(what_a_server_says_is_found),
        cmocka_unit_test(seconds_become_nanoseconds),
        cmocka_unit_test(listings_are_read),
        cmocka_unit_test(listings_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
