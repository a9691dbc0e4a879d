/* Each limit of the HTTP core: what is refused and how, and that the rest goes on meanwhile. */
#include "support/check.h"
#include "support/http_toy.h"

#include "base/assert.h"
#include "base/pool.h"
#include "server/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define HOST "Host: toy\r\n"
#define MS   UINT64_C(1000000)

static struct toy_server t;
static struct server_counts before, now;

static void begin(struct http_limits limits)
{
    toy_start(&t, &limits, NULL, NULL);
    server_counts_take(&before);
}

static void end(void)
{
    toy_stop(&t);
    ms_pool_shutdown();
}

static uint64_t refused(enum server_refusal refusal)
{
    server_counts_take(&now);
    return now.refused[refusal] - before.refused[refusal];
}

static void assert_begins(const char *text, const char *beginning)
{
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        fail_msg("expected \"%s…\", got \"%.300s\"", beginning, text);
}

static void assert_serves(void)
{
    assert_begins(toy_ask_text(&t, "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 OK");
}

/* A request with a header that makes it `size` bytes. */
static void fill_head(char *request, size_t size)
{
    static const char start[] = "GET /bytes?n=1 HTTP/1.1\r\n" HOST "Connection: close\r\nA: ";
    memset(request, 'a', size);
    memcpy(request, start, sizeof start - 1);
    memcpy(request + size - 4, "\r\n\r\n", 4);
}

static void test_header_size(void **state)
{
    (void)state;
    begin((struct http_limits){.header_bytes = 2000});
    char request[5000];
    fill_head(request, 2000);
    assert_begins(toy_ask(&t, request, 2000), "HTTP/1.1 200 ");
    fill_head(request, 2001);
    assert_begins(toy_ask(&t, request, 2001), "HTTP/1.1 431 ");
    assert_int_equal(refused(SERVER_REFUSED_HEADER_SIZE), 1);
    memset(request, 'a', sizeof request);
    memcpy(request, "GET /", 5);
    assert_begins(toy_ask(&t, request, sizeof request), "HTTP/1.1 414 ");
    /* many short ones */
    size_t size = (size_t)snprintf(request, sizeof request, "GET /bytes HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 120; i++)
        size += (size_t)snprintf(request + size, sizeof request - size, "A: b\r\n");
    size += (size_t)snprintf(request + size, sizeof request - size, "\r\n");
    assert_begins(toy_ask(&t, request, size), "HTTP/1.1 431 ");
    end();
}

static void test_body_size(void **state)
{
    (void)state;
    begin((struct http_limits){.body_bytes = 10});
    assert_begins(toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n"
                                   "0123456789"),
                  "HTTP/1.1 200 ");
    assert_begins(toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n"),
                  "HTTP/1.1 413 ");
    assert_int_equal(toy.begun, 1); /* nobody was asked */
    assert_begins(toy_ask_text(&t, "POST /count HTTP/1.1\r\n" HOST
                                   "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n"),
                  "HTTP/1.1 413 ");
    assert_int_equal(toy.body_bytes, 10);
    assert_int_equal(refused(SERVER_REFUSED_BODY_SIZE), 2);
    end();
}

static void test_connections(void **state)
{
    (void)state;
    begin((struct http_limits){.connections = 3});
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = toy_connect(&t);
        toy_send(fds[i], "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n");
        assert_begins(toy_answer(fds[i]), "HTTP/1.1 200 ");
    }
    int fd = toy_connect(&t);
    assert_begins(toy_receive(fd), "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n");
    close(fd);
    assert_int_equal(refused(SERVER_REFUSED_CONNECTIONS), 1);
    close(fds[0]); /* makes room */
    toy_wait_until((server_counts_take(&now), now.connections - before.connections == 2));
    assert_serves();
    close(fds[1]);
    close(fds[2]);
    end();
}

static void test_connections_of_an_address(void **state)
{
    (void)state;
    begin((struct http_limits){.connections_per_address = 2});
    int fds[2];
    for (int i = 0; i < 2; i++) { /* two at once may be counted in any order */
        fds[i] = toy_connect(&t);
        toy_send(fds[i], "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n");
        assert_begins(toy_answer(fds[i]), "HTTP/1.1 200 ");
    }
    int fd = toy_connect(&t);
    assert_begins(toy_receive(fd), "HTTP/1.1 503 ");
    assert_int_equal(refused(SERVER_REFUSED_ADDRESS), 1);
    close(fd);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void test_idle(void **state)
{
    (void)state;
    begin((struct http_limits){.idle_ns = 200 * MS});
    int fd = toy_connect(&t);
    toy_send(fd, "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_begins(toy_answer(fd), "HTTP/1.1 200 ");
    assert_true(toy_closed(fd));
    assert_int_equal(refused(SERVER_REFUSED_IDLE), 1);
    close(fd);
    end();
}

/* A header that comes a byte at a time is late as a whole. */
static void test_slow_head(void **state)
{
    (void)state;
    begin((struct http_limits){.header_ns = 300 * MS});
    int fd = toy_connect(&t);
    toy_send(fd, "GET /bytes HTTP/1.1\r\nA: ");
    for (int i = 0; i < 500 && refused(SERVER_REFUSED_SLOW) == 0; i++) {
        toy_send(fd, "a");
        toy_pause();
    }
    assert_begins(toy_receive(fd), "HTTP/1.1 408 ");
    assert_int_equal(toy.begun, 0);
    close(fd);
    assert_serves();
    end();
}

static void test_slow_body(void **state)
{
    (void)state;
    begin((struct http_limits){.stall_ns = 200 * MS, .least_bytes = 100000});
    /* nothing comes */
    int fd = toy_connect(&t);
    toy_send(fd, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc");
    assert_begins(toy_receive(fd), "HTTP/1.1 408 ");
    close(fd);
    /* a little comes, again and again */
    fd = toy_connect(&t);
    toy_send(fd, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc");
    for (int i = 0; i < 500 && refused(SERVER_REFUSED_SLOW) < 2; i++) {
        toy_send(fd, "0123456789");
        toy_pause();
    }
    assert_begins(toy_receive(fd), "HTTP/1.1 408 ");
    close(fd);
    toy_wait_until(toy.done == 2);
    assert_serves();
    end();
}

/* Who asks for much and reads nothing. */
static void test_slow_reader(void **state)
{
    (void)state;
    static const char *const kinds[] = {"file", "stream", "bytes"};
    begin((struct http_limits){.stall_ns = 200 * MS});
    for (unsigned i = 0; i < 3; i++) {
        char request[128];
        snprintf(request, sizeof request, "GET /%s?n=30000000 HTTP/1.1\r\n" HOST "\r\n", kinds[i]);
        int fd = toy_connect(&t);
        toy_send(fd, request);
        toy_wait_until(toy.incomplete == i + 1);
        assert_int_equal(refused(SERVER_REFUSED_SLOW), i + 1);
        assert_serves();
        close(fd);
    }
    end();
}

/* A handler that takes its time is not the client's fault. */
static void test_slow_handler(void **state)
{
    (void)state;
    begin((struct http_limits){.stall_ns = 50 * MS, .header_ns = 50 * MS});
    assert_begins(toy_ask_text(&t, "GET /late?ms=400 HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 ");
    assert_int_equal(refused(SERVER_REFUSED_SLOW), 0);
    end();
}

static void test_requests_at_once(void **state)
{
    (void)state;
    begin((struct http_limits){.requests = 4});
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = toy_connect(&t);
        toy_send(fds[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    }
    toy_wait_until(toy.held == 4);
    const char *answer = toy_ask_text(&t, "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_begins(answer, "HTTP/1.1 503 ");
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    assert_int_equal(refused(SERVER_REFUSED_IN_FLIGHT), 1);
    atomic_store(&toy.release, true);
    for (int i = 0; i < 4; i++) {
        assert_begins(toy_answer(fds[i]), "HTTP/1.1 200 ");
        close(fds[i]);
    }
    assert_serves();
    end();
}

/* ---- the end ---- */

static void test_graceful_end(void **state)
{
    (void)state;
    begin((struct http_limits){.idle_ns = 0});
    int idle = toy_connect(&t), busy = toy_connect(&t), late = toy_connect(&t);
    toy_send(idle, "GET /bytes?n=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_begins(toy_answer(idle), "HTTP/1.1 200 ");
    toy_send(busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    toy_send(late, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nabc");
    toy_wait_until(toy.held == 1 && toy.body_bytes == 3);
    ms_cancel_fire(t.stop);
    assert_true(toy_closed(idle));
    toy_send(late, "def"); /* under way: it may be finished */
    const char *answer = toy_receive(late);
    assert_begins(answer, "HTTP/1.1 200 ");
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\n6"));
    atomic_store(&toy.release, true);
    assert_begins(toy_receive(busy), "HTTP/1.1 200 ");
    close(idle);
    close(busy);
    close(late);
    end();
    assert_int_equal(toy.incomplete, 0);
}

/* After its limit what is under way is cancelled. */
static void test_end_of_patience(void **state)
{
    (void)state;
    begin((struct http_limits){.stop_ns = 100 * MS});
    int fd = toy_connect(&t), body = toy_connect(&t);
    toy_send(fd, "GET /late?ms=60000 HTTP/1.1\r\n" HOST "\r\n");
    toy_send(body, "POST /count HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nabc");
    toy_wait_until(toy.begun == 2 && toy.body_bytes == 3);
    end();                            /* ends at once */
    assert_true(toy.incomplete >= 1); /* the handler's 503 may still have gone out */
    close(fd);
    close(body);
}

/* ---- bounded memory ---- */

static uint64_t resident_kib(void)
{
    char line[128];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lu", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static void test_large_bodies(void **state)
{
    (void)state;
    enum { MIB = 1 << 20, COUNT = SANITIZED ? 64 : 1024 };
    begin((struct http_limits){0});
    static char piece[MIB];
    char request[128];
    uint64_t most = resident_kib();
    int fd = toy_connect(&t);
    snprintf(request, sizeof request,
             "POST /count HTTP/1.1\r\n" HOST "Content-Length: %llu\r\n\r\n",
             (unsigned long long)COUNT * MIB);
    toy_send(fd, request);
    char total[32];
    snprintf(total, sizeof total, "\r\n\r\n%llu", (unsigned long long)COUNT * MIB);
    for (int i = 0; i < COUNT; i++)
        for (size_t sent = 0; sent < MIB;) {
            ssize_t n = send(fd, piece + sent, MIB - sent, MSG_NOSIGNAL);
            assert_true(n > 0);
            sent += (size_t)n;
        }
    assert_non_null(strstr(toy_answer(fd), total));
    snprintf(request, sizeof request,
             "GET /stream?n=%llu HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
             (unsigned long long)COUNT * MIB);
    toy_send(fd, request);
    uint64_t received = 0;
    ssize_t n;
    while ((n = recv(fd, piece, MIB, 0)) > 0)
        received += (uint64_t)n;
    assert_true(received > (uint64_t)COUNT * MIB && received < (uint64_t)COUNT * MIB + 1000);
    close(fd);
    if (!SANITIZED) /* they keep what was freed */
        assert_true(resident_kib() < most + 8192);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_bodies), /* first: others use memory */
        cmocka_unit_test(test_header_size),  cmocka_unit_test(test_body_size),
        cmocka_unit_test(test_connections),  cmocka_unit_test(test_connections_of_an_address),
        cmocka_unit_test(test_idle),         cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_slow_body),    cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_slow_handler), cmocka_unit_test(test_requests_at_once),
        cmocka_unit_test(test_graceful_end), cmocka_unit_test(test_end_of_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
