/* The HTTP core by raw bytes: answers of all kinds, bodies both ways, connections that stay, what
 * is refused and how. */
#include "support/check.h"
#include "support/http_toy.h"

#include "base/assert.h"
#include "base/pool.h"

#include <stdio.h>
#include <unistd.h>

#define HOST "Host: toy\r\n"

static struct toy_server t;

static int start(void **state)
{
    (void)state;
    toy_start(&t, NULL, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    toy_stop(&t);
    ms_pool_shutdown();
    return 0;
}

static void assert_begins(const char *text, const char *beginning)
{
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        fail_msg("expected \"%s…\", got \"%.300s\"", beginning, text);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in \"%.300s\"", part, text);
}

static size_t body_size(const char *answer)
{
    const char *blank = strstr(answer, "\r\n\r\n");
    return blank ? strlen(blank + 4) : 0;
}

static void test_answers(void **state)
{
    (void)state;
    static const char *const kinds[] = {"bytes", "file", "stream"};
    static const unsigned sizes[] = {0, 1, 4096, 40000, 300000};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 5; i++) {
            char request[128], length[64];
            snprintf(request, sizeof request, "GET /%s?n=%u HTTP/1.1\r\n" HOST "\r\n", kinds[k],
                     sizes[i]);
            snprintf(length, sizeof length, "Content-Length: %u\r\n", sizes[i]);
            const char *answer = toy_ask(&t, request, strlen(request));
            assert_begins(answer, "HTTP/1.1 200 OK\r\nDate: ");
            assert_has(answer, length);
            assert_int_equal(body_size(answer), sizes[i]);
            assert_null(strchr(strstr(answer, "\r\n\r\n"), 'y'));
        }
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    const char *answer = toy_ask_text(&t, "HEAD /bytes?n=77 HTTP/1.1\r\n" HOST "\r\n");
    assert_begins(answer, "HTTP/1.1 200 OK\r\n");
    assert_has(answer, "Content-Length: 77\r\n");
    assert_int_equal(body_size(answer), 0);
}

static void test_chunks_out(void **state)
{
    (void)state;
    const char *answer = toy_ask_text(&t, "GET /chunks?n=5 HTTP/1.1\r\n" HOST "\r\n");
    assert_has(answer, "Transfer-Encoding: chunked\r\n");
    assert_has(answer, "\r\n\r\n5\r\nxxxxx\r\n0\r\n\r\n");
    answer = toy_ask_text(&t, "GET /chunks?n=5 HTTP/1.0\r\n\r\n");
    assert_has(answer, "Connection: close\r\n");
    assert_has(answer, "\r\n\r\nxxxxx");
    assert_null(strstr(answer, "chunked"));
}

static void test_broken_stream_breaks_the_connection(void **state)
{
    (void)state;
    const char *answer = toy_ask_text(&t, "GET /broken?n=1000 HTTP/1.1\r\n" HOST "\r\n");
    assert_has(answer, "Content-Length: 1000\r\n");
    assert_int_equal(body_size(answer), 500);
    toy_wait_until(toy.incomplete == 1);
}

static void test_bodies_in(void **state)
{
    (void)state;
    assert_has(toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde"),
               "\r\n\r\n5");
    assert_has(toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"),
               "\r\n\r\n13");
    assert_has(toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
               "\r\n\r\n0");
    assert_begins(toy_ask_text(&t, "GET /bytes HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"),
                  "HTTP/1.1 413 ");
}

/* Byte by byte, so that every place is once the end of what has come. */
static void test_in_single_bytes(void **state)
{
    (void)state;
    static const char text[] =
        "POST /count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "GET /bytes?n=2 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    int fd = toy_connect(&t);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        toy_send(fd, (char[]){text[i], 0});
        if (i % 16 == 0)
            toy_pause();
    }
    const char *answers = toy_receive(fd);
    assert_has(answers, "\r\n\r\n3HTTP/1.1 200 OK");
    assert_has(answers, "\r\n\r\nxx");
    close(fd);
}

static void test_connections_stay(void **state)
{
    (void)state;
    int fd = toy_connect(&t);
    for (int i = 0; i < 3; i++) {
        toy_send(fd, "GET /bytes?n=3 HTTP/1.1\r\n" HOST "\r\n");
        assert_has(toy_answer(fd), "\r\n\r\nxxx");
    }
    toy_send(fd, "GET /bytes?n=3 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_has(toy_answer(fd), "Connection: close\r\n");
    assert_true(toy_closed(fd));
    close(fd);
    /* many in one go */
    const char *answers = toy_ask_text(&t, "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n"
                                           "GET /bytes?n=2 HTTP/1.1\r\n" HOST "\r\n"
                                           "GET /nowhere HTTP/1.1\r\n" HOST "\r\n");
    assert_has(answers, "\r\n\r\nxHTTP/1.1 200");
    assert_has(answers, "\r\n\r\nxxHTTP/1.1 404");
    /* HTTP/1.0 says when */
    fd = toy_connect(&t);
    toy_send(fd, "GET /bytes?n=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_has(toy_answer(fd), "Connection: keep-alive\r\n");
    toy_send(fd, "GET /bytes?n=3 HTTP/1.0\r\n\r\n");
    assert_has(toy_answer(fd), "Connection: close\r\n");
    assert_true(toy_closed(fd));
    close(fd);
}

static void test_expectations(void **state)
{
    (void)state;
    int fd = toy_connect(&t);
    toy_send(fd,
             "POST /count HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_begins(toy_answer(fd), "HTTP/1.1 100 Continue\r\n\r\n");
    toy_send(fd, "abc");
    assert_has(toy_answer(fd), "\r\n\r\n3");
    /* an answer before the body: none is asked for */
    toy_send(fd,
             "POST /early HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_begins(toy_answer(fd), "HTTP/1.1 403 Forbidden\r\n");
    close(fd);
    assert_begins(
        toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: x\r\n\r\n"),
        "HTTP/1.1 417 ");
}

static void test_early_answer(void **state)
{
    (void)state;
    /* a short rest is read and the connection stays */
    const char *answers =
        toy_ask_text(&t, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                         "GET /bytes?n=2 HTTP/1.1\r\n" HOST "\r\n");
    assert_begins(answers, "HTTP/1.1 403 ");
    assert_has(answers, "\r\n\r\nxx");
    assert_int_equal(toy.body_bytes, 0);
    /* a long one is not, and what the client still sends does not take the answer with it */
    int fd = toy_connect(&t);
    toy_send(fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 100000000\r\n\r\n");
    static char some[65536];
    memset(some, 'z', sizeof some - 1);
    for (int i = 0; i < 20; i++)
        toy_send(fd, some);
    const char *answer = toy_answer(fd);
    assert_begins(answer, "HTTP/1.1 403 ");
    assert_has(answer, "Connection: close\r\n");
    assert_int_equal(toy.body_bytes, 0);
    close(fd);
}

static void test_quiet_handler(void **state)
{
    (void)state;
    assert_begins(toy_ask_text(&t, "GET /quiet HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 500 ");
}

static void test_client_vanishes(void **state)
{
    (void)state;
    int fd = toy_connect(&t);
    toy_send(fd, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc");
    toy_wait_until(toy.body_bytes == 3);
    close(fd);
    toy_wait_until(toy.incomplete == 1 && toy.finished == 1);
}

/* What is not said quite right may mean something else to a proxy before us. */
static void test_strictness(void **state)
{
    (void)state;
#define GET(rest)  "GET /bytes?n=1 HTTP/1.1\r\n" rest
#define POST(rest) "POST /count HTTP/1.1\r\n" HOST rest
    static const struct {
        const char *text;
        size_t size;
        const char *status;
    } cases[] = {
#define CASE(text, status) {text, sizeof(text) - 1, status}
        CASE(GET(HOST "\r\n") "", "200"),
        CASE(GET("\r\n"), "400"),
        CASE(GET(HOST HOST "\r\n"), "400"),
        CASE("GET /bytes?n=1 HTTP/1.1\n" HOST "\r\n", "400"),
        CASE(GET("Host: toy\n\r\n"), "400"),
        CASE(GET(HOST "\n"), "400"),
        CASE(GET("Host: toy\r\r\n\r\n"), "400"),
        CASE(GET("Host: t\0y\r\n\r\n"), "400"),
        CASE(GET("Host: t\x01y\r\n\r\n"), "400"),
        CASE(GET("Host : toy\r\n\r\n"), "400"),
        CASE(GET(HOST "A: b\r\n c\r\n\r\n"), "400"),
        CASE(GET(HOST "no colon\r\n\r\n"), "400"),
        CASE(GET(HOST ": nameless\r\n\r\n"), "400"),
        CASE("\r\nGET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET http://toy/bytes?n=1 HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET * HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET bytes HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET /b#x HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET /b\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET /b c HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET  /b HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE("GET /b HTTP/1.1 \r\n" HOST "\r\n", "400"),
        CASE("GET /b\r\n" HOST "\r\n", "400"),
        CASE("GET /b HTTP/2.0\r\n" HOST "\r\n", "505"),
        CASE("GET /b http/1.1\r\n" HOST "\r\n", "400"),
        CASE("BREW /b HTTP/1.1\r\n" HOST "\r\n", "501"),
        CASE("get /b HTTP/1.1\r\n" HOST "\r\n", "501"),
        CASE("G(T /b HTTP/1.1\r\n" HOST "\r\n", "400"),
        CASE(POST("Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"), "400"),
        CASE(POST("Content-Length: 1, 1\r\n\r\nx"), "400"),
        CASE(POST("Content-Length: +1\r\n\r\nx"), "400"),
        CASE(POST("Content-Length: -1\r\n\r\nx"), "400"),
        CASE(POST("Content-Length: 0x1\r\n\r\nx"), "400"),
        CASE(POST("Content-Length:\r\n\r\nx"), "400"),
        CASE(POST("Content-Length: 99999999999999999999\r\n\r\nx"), "400"),
        CASE(POST("Content-Length: 9000000000000000000\r\n\r\nx"), "413"),
        CASE(POST("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400"),
        CASE(POST("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "501"),
        CASE(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
             "400"),
        CASE("POST /count HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n"), "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n"), "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n"), "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n"), "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n"), "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx"), "400"),
        CASE(POST("Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"), "400"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *answer = toy_ask(&t, cases[i].text, cases[i].size);
        if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, cases[i].status, 3) != 0)
            fail_msg("%zu: \"%s\": expected %s, got \"%.200s\"", i, cases[i].text, cases[i].status,
                     answer);
        if (cases[i].status[0] != '2')
            assert_has(answer, "Connection: close\r\n");
        assert_null(strstr(strstr(answer, "Date: ") + 1, "Date: ")); /* one answer */
    }
}

/* Other connections go on while many handlers block. */
static void test_blocked_handlers(void **state)
{
    (void)state;
    enum { BLOCKED = 100 };
    int fds[BLOCKED];
    for (int i = 0; i < BLOCKED; i++) {
        fds[i] = toy_connect(&t);
        toy_send(fds[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    }
    toy_wait_until(toy.held == BLOCKED);
    assert_has(toy_ask_text(&t, "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\nx");
    atomic_store(&toy.release, true);
    for (int i = 0; i < BLOCKED; i++) {
        assert_has(toy_answer(fds[i]), "\r\n\r\nheld");
        close(fds[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),          TEST(test_head_has_no_body),
        TEST(test_chunks_out),       TEST(test_broken_stream_breaks_the_connection),
        TEST(test_bodies_in),        TEST(test_in_single_bytes),
        TEST(test_connections_stay), TEST(test_expectations),
        TEST(test_early_answer),     TEST(test_quiet_handler),
        TEST(test_client_vanishes),  TEST(test_strictness),
        TEST(test_blocked_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
