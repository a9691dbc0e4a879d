/* Who is too slow, and who only has a slow line: the rule by itself, and the HTTP client before a
 * server that drags on, or that takes a large body slowly. */
#include "support/check.h"

#include "backends/http/http.h"
#include "backends/pace.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

/* ---- the rule: a window of 10 s takes 1000 bytes ---- */

/* Bytes that move within each second; when it is given up, 0: never. */
static unsigned given_up_after(const unsigned *bytes, unsigned seconds)
{
    struct ms_pace p = {0};
    int64_t moved = 0;
    for (unsigned i = 0; i <= seconds; i++) {
        if (ms_pace_too_slow(&p, i * SECOND, moved, 10 * SECOND))
            return i;
        moved += i < seconds ? bytes[i] : 0;
    }
    return 0;
}

static void the_rule(void **state)
{
    (void)state;
    unsigned bytes[3600] = {0};
    assert_int_equal(given_up_after(bytes, 9), 0);
    assert_int_equal(given_up_after(bytes, 3600), 10); /* silence */
    for (unsigned i = 0; i < 3600; i++)
        bytes[i] = 1; /* a byte a second */
    assert_int_equal(given_up_after(bytes, 3600), 10);
    for (unsigned i = 0; i < 3600; i++)
        bytes[i] = 99;
    assert_int_equal(given_up_after(bytes, 3600), 10);
    for (unsigned i = 0; i < 3600; i++)
        bytes[i] = 100; /* slow, but steady */
    assert_int_equal(given_up_after(bytes, 3600), 0);
    for (unsigned i = 0; i < 3600; i++)
        bytes[i] = i % 9 == 8 ? 1000 : 0; /* in bursts */
    assert_int_equal(given_up_after(bytes, 3600), 0);
    for (unsigned i = 0; i < 3600; i++)
        bytes[i] = i < 100 ? 100000 : 0; /* fast, then nothing */
    assert_int_equal(given_up_after(bytes, 3600), 110);
}

/* ---- a server: sends `burst` bytes of its answer every 50 ms, takes `sip` bytes at a time ---- */

struct rig {
    int listener, port;
    pthread_t thread;
    size_t answer, burst, body, sip;
    struct ms_http *http;
    struct ms_error err;
};

static void *serve(void *arg)
{
    struct rig *rig = arg;
    char head[8192], *bytes = calloc(1, rig->answer + rig->sip + 1);
    int fd = accept(rig->listener, NULL, NULL);
    for (size_t got = 0; bytes && got < rig->body + 20;) { /* 20: less than any head */
        ssize_t n = read(fd, bytes, rig->sip);
        if (n <= 0)
            break;
        got += (size_t)n;
        (void)poll(NULL, 0, rig->body ? 50 : 0);
    }
    int size =
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", rig->answer);
    bool heard = bytes && send(fd, head, (size_t)size, MSG_NOSIGNAL) == size;
    for (size_t at = 0; heard && at < rig->answer; at += rig->burst) {
        size_t n = rig->answer - at < rig->burst ? rig->answer - at : rig->burst;
        heard = send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
        (void)poll(NULL, 0, 50);
    }
    while (bytes && read(fd, bytes, rig->sip) > 0) {
    }
    close(fd);
    free(bytes);
    return NULL;
}

static int exchange(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int small = 16384;
    char url[64];
    struct ms_http_answer a = {0};
    uint8_t *body = calloc(1, rig->body + 1);
    rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_non_null(body);
    (void)setsockopt(rig->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(rig->listener, 4), 0);
    assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&address, &length), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&rig->thread, NULL, serve, rig), 0);
    check_ok(ms_http_new(&(struct ms_http_options){.host = "the server", .stall_timeout_s = 1},
                         &rig->http, &rig->err),
             rig->err);
    struct ms_http_request r = {.method = rig->body ? "PUT" : "GET",
                                .url = url,
                                .body = ms_view(body, rig->body),
                                .has_body = rig->body > 0};
    int code = ms_http_do(rig->http, &r, &a, &rig->err);
    if (!code)
        assert_int_equal(a.body_size, rig->answer);
    ms_http_answer_fini(&a);
    ms_http_free(rig->http);
    pthread_join(rig->thread, NULL);
    close(rig->listener);
    free(body);
    return code;
}

static void a_server_that_drags_on_is_given_up(void **state)
{
    (void)state;
    struct rig rig = {.answer = 1000, .burst = 1, .sip = 4096}; /* 20 bytes a second: 50 s */
    uint64_t begun = ms_clock_now(ms_clock_real());
    check_code(exchange(&rig), MS_ERR_TIMEOUT, rig.err);
    check_text(rig.err, "the server does not answer in time");
    assert_true(ms_clock_now(ms_clock_real()) - begun < 20 * SECOND);
}

static void a_steady_download_is_waited_for(void **state)
{
    (void)state;
    struct rig rig = {.answer = 2000, .burst = 40, .sip = 4096}; /* 800 bytes a second */
    check_ok(exchange(&rig), rig.err);
}

/* The kernel takes all of it at once, and the server needs three times the time-out. */
static void a_steady_upload_is_waited_for(void **state)
{
    (void)state;
    struct rig rig = {.answer = 2, .burst = 2, .body = 600000, .sip = 10000};
    check_ok(exchange(&rig), rig.err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule),
        cmocka_unit_test(a_server_that_drags_on_is_given_up),
        cmocka_unit_test(a_steady_download_is_waited_for),
        cmocka_unit_test(a_steady_upload_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
