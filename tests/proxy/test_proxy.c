/* The proxy of the network tests keeps what it promises: bytes, delays, cuts, stalls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The test is client and server at once: `near` is the client's socket, `far` the server's. */
struct fixture {
    struct proxy_client proxy;
    int listener;
    int near, far;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    proxy_stop(&f->proxy);
    close(f->listener);
    if (f->near >= 0)
        close(f->near);
    if (f->far >= 0)
        close(f->far);
    free(f);
    return 0;
}

static void start(struct fixture *f, const char *const *options)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    char target[32];
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&own, size), 0);
    assert_int_equal(listen(f->listener, 16), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&own, &size), 0);
    snprintf(target, sizeof target, "127.0.0.1:%d", ntohs(own.sin_port));
    assert_true(proxy_start(&f->proxy, target, options));
}

static int dial(struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)f->proxy.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void meet(struct fixture *f)
{
    f->near = dial(f);
    f->far = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(f->far >= 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->near = f->far = -1;
    *state = f;
    start(f, NULL);
    return 0;
}

static int setup_bare(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->near = f->far = f->listener = -1;
    *state = f;
    return 0;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Exactly these bytes come. */
static void hears(int fd, const char *text)
{
    char got[64] = "";
    size_t size = strlen(text);
    assert_int_equal(recv(fd, got, size, MSG_WAITALL), (ssize_t)size);
    assert_memory_equal(got, text, size);
}

static void is_reset(int fd)
{
    char byte;
    errno = 0;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void ends(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* Sends `size` bytes to `to` while reading them from `from`; both in this thread. */
static void carries(int to, int from, size_t size)
{
    uint8_t *bytes = malloc(size), *got = malloc(size);
    size_t sent = 0, received = 0;
    assert_true(bytes && got);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    while (received < size) {
        struct pollfd fds[2] = {{from, POLLIN, 0}, {sent < size ? to : -1, POLLOUT, 0}};
        assert_true(poll(fds, 2, -1) > 0);
        if (fds[1].revents) {
            ssize_t n = send(to, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            assert_true(n > 0);
            sent += (size_t)n;
        }
        if (fds[0].revents) {
            ssize_t n = recv(from, got + received, size - received, 0);
            assert_true(n > 0);
            received += (size_t)n;
        }
    }
    assert_memory_equal(bytes, got, size);
    free(bytes);
    free(got);
}

static void carries_both_ways(void **state)
{
    struct fixture *f = *state;
    meet(f);
    say(f->near, "hello");
    hears(f->far, "hello");
    say(f->far, "good morning");
    hears(f->near, "good morning");
    carries(f->near, f->far, (20 << 20) + 3);
    carries(f->far, f->near, (20 << 20) + 5);
}

static void ends_one_way_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct proxy_state seen;
    meet(f);
    say(f->near, "question");
    shutdown(f->near, SHUT_WR);
    hears(f->far, "question");
    ends(f->far);
    say(f->far, "answer");
    shutdown(f->far, SHUT_WR);
    hears(f->near, "answer");
    ends(f->near);
    do
        assert_true(proxy_ask(&f->proxy, &seen));
    while (seen.connections);
}

static void passes_on_a_reset(void **state)
{
    struct fixture *f = *state;
    struct linger now = {.l_onoff = 1};
    meet(f);
    say(f->near, "x");
    hears(f->far, "x");
    setsockopt(f->near, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(f->near);
    f->near = -1;
    is_reset(f->far);
}

static void delays_but_does_not_slow(void **state)
{
    struct fixture *f = *state;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "delay 50"));
    uint64_t begun = now_ms();
    say(f->near, "ping");
    hears(f->far, "ping");
    assert_true(now_ms() - begun >= 50);
    say(f->far, "pong");
    hears(f->near, "pong");
    assert_true(now_ms() - begun >= 100);

    /* a hundred pieces, each waiting for nothing, take far less than a hundred delays */
    begun = now_ms();
    for (int i = 0; i < 100; i++)
        say(f->near, "0123456789");
    for (int i = 0; i < 100; i++)
        hears(f->far, "0123456789");
    assert_true(now_ms() - begun >= 50 && now_ms() - begun < 100 * 50 / 2);
    carries(f->near, f->far, 20 << 20);
    assert_true(proxy_tell(&f->proxy, "delay 0"));
    carries(f->far, f->near, 1 << 20); /* order is kept */
}

static void the_end_is_delayed_too(void **state)
{
    struct fixture *f = *state;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "delay 40"));
    uint64_t begun = now_ms();
    say(f->near, "last");
    shutdown(f->near, SHUT_WR);
    hears(f->far, "last");
    ends(f->far);
    assert_true(now_ms() - begun >= 40);
}

static void cuts_after_so_many_bytes(void **state)
{
    struct fixture *f = *state;
    struct proxy_state seen;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "cut 5 up"));
    say(f->far, "does not count");
    hears(f->near, "does not count");
    say(f->near, "12345");
    hears(f->far, "12345");
    assert_true(proxy_ask(&f->proxy, &seen));
    assert_int_equal(seen.acted, 0); /* not yet: the operation may be over */
    say(f->near, "6");
    is_reset(f->far);
    is_reset(f->near);
    assert_true(proxy_ask(&f->proxy, &seen));
    assert_int_equal(seen.acted, 1);
    assert_int_equal(seen.up, 5);
    assert_int_equal(seen.connections, 0);

    /* once: the next connection lives */
    close(f->near), close(f->far);
    meet(f);
    say(f->near, "1234567");
    hears(f->far, "1234567");
}

static void what_came_before_a_cut_arrives(void **state)
{
    struct fixture *f = *state;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "delay 30"));
    assert_true(proxy_tell(&f->proxy, "cut 7 down"));
    say(f->far, "0123456789");
    hears(f->near, "0123456");
    is_reset(f->near);
    is_reset(f->far);
}

static void cuts_before_the_first_byte(void **state)
{
    struct fixture *f = *state;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "cut 0 up"));
    say(f->near, "x");
    is_reset(f->far);
    is_reset(f->near);
}

static void counts_both_ways_together(void **state)
{
    struct fixture *f = *state;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "cut 6 both"));
    say(f->near, "1234");
    hears(f->far, "1234");
    say(f->far, "5678");
    hears(f->near, "56");
    is_reset(f->near);
}

static void refuses_when_told(void **state)
{
    struct fixture *f = *state;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "cut 1 up refuse"));
    say(f->near, "12");
    hears(f->far, "1");
    is_reset(f->far);
    int other = dial(f);
    is_reset(other);
    close(other);
    assert_true(proxy_tell(&f->proxy, "accept"));
    close(f->near), close(f->far);
    meet(f);
    say(f->near, "again");
    hears(f->far, "again");
    assert_true(proxy_tell(&f->proxy, "drop"));
    is_reset(f->far);
    is_reset(f->near);
}

static void stalls_one_way(void **state)
{
    struct fixture *f = *state;
    struct pollfd fd;
    meet(f);
    assert_true(proxy_tell(&f->proxy, "stall 2 up"));
    say(f->near, "123");
    hears(f->far, "12");
    say(f->far, "still here"); /* the other way goes on */
    hears(f->near, "still here");
    fd = (struct pollfd){f->far, POLLIN, 0};
    assert_int_equal(poll(&fd, 1, 50), 0);
    assert_true(proxy_tell(&f->proxy, "clear"));
    hears(f->far, "3");
    assert_true(proxy_tell(&f->proxy, "stall 0 both"));
    say(f->near, "x");
    struct proxy_state seen;
    do
        assert_true(proxy_ask(&f->proxy, &seen));
    while (!seen.acted);
    close(f->near); /* a client that gives up is noticed */
    f->near = -1;
    is_reset(f->far);
}

static void options_count_on_each_connection(void **state)
{
    struct fixture *f = *state;
    static const char *const options[] = {"--cut-after-bytes", "3", "--direction", "down", NULL};
    start(f, options);
    for (int i = 0; i < 3; i++) {
        meet(f);
        say(f->near, "upwards is free");
        hears(f->far, "upwards is free");
        say(f->far, "1234");
        hears(f->near, "123");
        is_reset(f->near);
        close(f->near), close(f->far);
        f->near = f->far = -1;
    }
}

/* 60 000 bytes at 100 000 a second, each way. */
static void slows_to_a_rate(void **state)
{
    struct fixture *f = *state;
    static const char *const options[] = {"--rate", "100000", NULL};
    start(f, options);
    meet(f);
    for (int way = 0; way < 2; way++) {
        uint64_t begun = now_ms();
        carries(way ? f->far : f->near, way ? f->near : f->far, 60000);
        uint64_t took = now_ms() - begun;
        assert_true(took >= 590 && took < 20000);
    }
}

static void tells_where_pieces_began(void **state)
{
    struct fixture *f = *state;
    uint64_t begins[4];
    meet(f);
    assert_true(proxy_tell(&f->proxy, "cut 1000000 both"));
    assert_int_equal(proxy_trace(&f->proxy, "up", begins, 4), 0);
    for (int i = 0; i < 3; i++) {
        say(f->near, "12345");
        hears(f->far, "12345");
    }
    say(f->far, "x");
    hears(f->near, "x");
    assert_int_equal(proxy_trace(&f->proxy, "up", begins, 4), 3);
    assert_int_equal(begins[0], 0);
    assert_int_equal(begins[1], 5);
    assert_int_equal(begins[2], 10);
    assert_int_equal(proxy_trace(&f->proxy, "down", begins, 4), 1);
}

static void refuses_bad_commands(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",
                                      "cut",
                                      "cut x",
                                      "cut 1 sideways",
                                      "cut -1",
                                      "delay",
                                      "dela 1",
                                      "stall",
                                      "clear all",
                                      "cut 1 up x",
                                      "trace",
                                      "trace both",
                                      "delay 99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(proxy_tell(&f->proxy, "%s", bad[i]));
    char long_line[1000];
    memset(long_line, 'x', sizeof long_line);
    assert_false(proxy_tell(&f->proxy, "%.999s", long_line));
    assert_true(proxy_tell(&f->proxy, "delay 0"));
}

static void a_target_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    close(f->listener);
    f->listener = -1;
    f->near = dial(f);
    is_reset(f->near);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(120); /* a byte that never comes ends the test, not the whole run */
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(carries_both_ways),
        T(ends_one_way_at_a_time),
        T(passes_on_a_reset),
        T(delays_but_does_not_slow),
        T(the_end_is_delayed_too),
        T(cuts_after_so_many_bytes),
        T(what_came_before_a_cut_arrives),
        T(cuts_before_the_first_byte),
        T(counts_both_ways_together),
        T(refuses_when_told),
        T(stalls_one_way),
        cmocka_unit_test_setup_teardown(options_count_on_each_connection, setup_bare, teardown),
        cmocka_unit_test_setup_teardown(slows_to_a_rate, setup_bare, teardown),
        T(tells_where_pieces_began),
        T(refuses_bad_commands),
        T(a_target_that_is_not_there),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
