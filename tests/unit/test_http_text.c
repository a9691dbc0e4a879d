/* Percent-encoding, headers, Retry-After: the parts of the HTTP client that need no network; and
 * what it says of a server that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/http/http.h"

#include <stdlib.h>

static void encodes(void **state)
{
    (void)state;
    char text[64];
    assert_int_equal(ms_http_encode(text, sizeof text, ms_str("a/b c+\xc3\xa4~"), false), 19);
    assert_string_equal(text, "a%2Fb%20c%2B%C3%A4~");
    ms_http_encode(text, sizeof text, ms_str("a/b"), true);
    assert_string_equal(text, "a/b");
    char small[4] = "xyz";
    assert_int_equal(ms_http_encode(small, sizeof small, ms_str("a b c"), false), 9);
    assert_string_equal(small, "a%2");
}

static struct ms_http_answer answer(const char *head)
{
    return (struct ms_http_answer){.status = 503, .head = strdup(head)};
}

static void finds_headers(void **state)
{
    (void)state;
    struct ms_http_answer a =
        answer("HTTP/1.1 503 No\r\nETag:  \"x\" \r\nX-Retry-After: 9\r\nRETRY-after: 7\r\n\r\n");
    struct ms_view tag = ms_http_header(&a, "etag");
    assert_int_equal(tag.size, 3);
    assert_memory_equal(tag.data, "\"x\"", 3);
    assert_int_equal(ms_http_header(&a, "absent").size, 0);
    assert_true(ms_http_retry_after_ns(&a) == UINT64_C(7000000000));
    ms_http_answer_fini(&a);
}

static void bounds_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        uint64_t seconds;
    } cases[] = {
        {"HTTP/1.1 503\r\nRetry-After: 99999\r\n\r\n", 120},
        {"HTTP/1.1 503\r\nRetry-After: 99999999999999999999\r\n\r\n", 0},
        {"HTTP/1.1 503\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n", 0},
        {"HTTP/1.1 503\r\nRetry-After: -1\r\n\r\n", 0},
        {"HTTP/1.1 503\r\n\r\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_http_answer a = answer(cases[i].head);
        assert_true(ms_http_retry_after_ns(&a) == cases[i].seconds * 1000000000);
        ms_http_answer_fini(&a);
    }
}

static void says_that_nothing_answers(void **state)
{
    (void)state;
    struct ms_http_options options = {.host = "127.0.0.1:1"};
    struct ms_http *http = NULL;
    struct ms_error err = {0};
    struct ms_http_answer a = {.sent = true};
    struct ms_http_request request = {.method = "GET", .url = "http://127.0.0.1:1/secret?key=1"};
    assert_int_equal(ms_http_new(&options, &http, &err), 0);
    assert_int_equal(ms_http_do(http, &request, &a, &err), MS_ERR_CONNECTION);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_null(strstr(err.text, "secret"));
    assert_false(a.sent);
    ms_http_free(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes),
        cmocka_unit_test(finds_headers),
        cmocka_unit_test(bounds_retry_after),
        cmocka_unit_test(says_that_nothing_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
