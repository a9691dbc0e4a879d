/* Handlers, server and client for tests of the HTTP core: see http_toy.h. */
#include "support/http_toy.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "base/sync.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct toy_counts toy;

/* ---- handlers ---- */

static uint64_t number(struct exchange *x, const char *name)
{
    uint64_t n = 0;
    const char *text = exchange_query(x, name);
    return text && ms_parse_u64(text, name, UINT64_MAX, &n, NULL) == 0 ? n : 0;
}

struct pieces {
    uint64_t left, fails_at;
};

static int read_pieces(void *ctx, uint8_t *into, size_t size, size_t *got, struct ms_error *err)
{
    struct pieces *p = ctx;
    if (p->left == p->fails_at)
        return ms_error_set(err, MS_ERR_IO, "broken");
    uint64_t some = p->left - (p->fails_at == UINT64_MAX ? 0 : p->fails_at);
    *got = some < size ? (size_t)some : size;
    if (*got > 1)
        *got -= *got % 7; /* odd sizes */
    *got = *got ? *got : (size_t)some;
    memset(into, 'x', *got);
    p->left -= *got;
    return 0;
}

static void reply_pieces(struct exchange *x, uint64_t n, uint64_t length, uint64_t fails_at)
{
    struct pieces *p = malloc(sizeof *p);
    ms_assert(p);
    *p = (struct pieces){n, fails_at};
    exchange_reply_stream(x, 200, "text/plain", length, read_pieces, p, free);
}

static void reply_bytes(struct exchange *x, uint64_t n)
{
    MS_AUTO_FREE char *bytes = malloc(n + 1);
    ms_assert(bytes);
    memset(bytes, 'x', n);
    exchange_reply(x, 200, "application/octet-stream", bytes, n);
}

static void reply_file(struct exchange *x, uint64_t n)
{
    FILE *file = tmpfile();
    ms_assert(file);
    for (uint64_t i = 0; i < n + 3; i++)
        fputc(i < 3 ? 'y' : 'x', file);
    ms_assert(fflush(file) == 0);
    exchange_reply_file(x, 200, "application/octet-stream", dup(fileno(file)), 3, n);
    fclose(file);
}

static void hold(void)
{
    atomic_fetch_add(&toy.held, 1);
    while (!atomic_load(&toy.release))
        toy_pause();
    atomic_fetch_sub(&toy.held, 1);
}

static void toy_begin(struct exchange *x)
{
    atomic_fetch_add(&toy.begun, 1);
    if (strcmp(exchange_path(x), "/early") == 0)
        exchange_reply_text(x, 403, "early");
}

static void toy_body(struct exchange *x, struct ms_view bytes)
{
    (void)x;
    atomic_fetch_add(&toy.body_bytes, bytes.size);
}

static void toy_end(struct exchange *x)
{
    const char *path = exchange_path(x);
    char text[64];
    uint64_t n = number(x, "n");
    if (strcmp(path, "/bytes") == 0) {
        reply_bytes(x, n);
    } else if (strcmp(path, "/file") == 0) {
        reply_file(x, n);
    } else if (strcmp(path, "/stream") == 0) {
        reply_pieces(x, n, n, UINT64_MAX);
    } else if (strcmp(path, "/chunks") == 0) {
        reply_pieces(x, n, EXCHANGE_CHUNKED, UINT64_MAX);
    } else if (strcmp(path, "/broken") == 0) {
        reply_pieces(x, n, n, n / 2);
    } else if (strcmp(path, "/count") == 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)exchange_received(x));
        exchange_reply_text(x, 200, text);
    } else if (strcmp(path, "/hold") == 0) {
        hold();
        exchange_reply_text(x, 200, "held");
    } else if (strcmp(path, "/late") == 0) {
        if (ms_sleep(ms_clock_real(), number(x, "ms") * 1000000, NULL))
            exchange_reply_text(x, 503, "cancelled");
        exchange_reply_text(x, 200, "late");
    } else if (strcmp(path, "/quiet") != 0) {
        exchange_reply_text(x, 404, "no such path");
    }
}

static void toy_done(struct exchange *x, bool complete)
{
    (void)x;
    atomic_fetch_add(&toy.done, 1);
    if (!complete)
        atomic_fetch_add(&toy.incomplete, 1);
}

static const struct exchange_route toy_all = {toy_begin, toy_body, toy_end, toy_done};
static const struct exchange_route toy_bodyless = {toy_begin, NULL, toy_end, toy_done};

const struct exchange_route *toy_route(void *ctx, struct exchange *x)
{
    (void)ctx;
    return strcmp(exchange_path(x), "/bytes") == 0 ? &toy_bodyless : &toy_all;
}

void toy_finished(void *ctx, struct exchange *x)
{
    (void)ctx, (void)x;
    atomic_fetch_add(&toy.finished, 1);
}

/* ---- server ---- */

static int run(void *arg)
{
    struct toy_server *t = arg;
    struct ms_cancel *before = ms_cancel_swap(t->stop);
    struct ms_error err = {0};
    int code = http_server_run(t->http, &err);
    if (code)
        fprintf(stderr, "%s\n", err.text);
    ms_cancel_swap(before);
    return code;
}

static void start(struct toy_server *t, const struct http_options *options, const char *address,
                  struct http_tls *tls)
{
    struct ms_error err = {0};
    signal(SIGPIPE, SIG_IGN);
    memset(&toy, 0, sizeof toy);
    *t = (struct toy_server){0};
    ms_assert(http_server_new(options, &t->http, &err) == 0);
    int code = http_server_listen(t->http, address ? address : "127.0.0.1:0", tls, &err);
    if (code)
        fprintf(stderr, "%s\n", err.text);
    ms_assert(code == 0);
    const char *bound = http_server_address(t->http, 0);
    snprintf(t->port, sizeof t->port, "%s", strrchr(bound, ':') + 1);
    ms_assert(ms_cancel_new(&t->stop, &err) == 0);
    ms_assert(ms_group_new(&t->group, &err) == 0);
    ms_assert(ms_group_fork(t->group, run, NULL, t, &err) == 0);
}

void toy_start(struct toy_server *t, const struct http_limits *limits, const char *address,
               struct http_tls *tls)
{
    struct http_options options = {.route = toy_route, .finished = toy_finished};
    if (limits)
        options.limits = *limits;
    start(t, &options, address, tls);
}

void toy_start_router(struct toy_server *t, exchange_router *route, void *ctx)
{
    const struct http_options options = {.route = route, .ctx = ctx};
    start(t, &options, NULL, NULL);
}

void toy_stop(struct toy_server *t)
{
    struct ms_join join;
    atomic_store(&toy.release, true);
    ms_cancel_fire(t->stop);
    ms_group_join_all(t->group, &join);
    ms_assert(join.failed == 0);
    ms_group_release(t->group);
    http_server_free(t->http);
    ms_cancel_free(t->stop);
    ms_assert(toy.begun == toy.done && toy.held == 0);
}

/* ---- client ---- */

void toy_pause(void)
{
    poll(NULL, 0, 10);
}

static void time_out(int fd)
{
    struct timeval five = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &five, sizeof five);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &five, sizeof five);
}

int toy_connect(const struct toy_server *t)
{
    const char *address = http_server_address(t->http, 0);
    struct sockaddr_storage to = {0};
    socklen_t size = sizeof(struct sockaddr_in);
    if (strncmp(address, "unix:", 5) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)&to;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof un->sun_path, "%s", address + 5);
        size = sizeof *un;
    } else if (address[0] == '[') {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                     .sin6_port = htons((uint16_t)atoi(t->port)),
                                     .sin6_addr = in6addr_loopback};
        size = sizeof *in6;
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&to;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)atoi(t->port));
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ms_assert(fd >= 0);
    time_out(fd);
    ms_assert(connect(fd, (struct sockaddr *)&to, size) == 0);
    return fd;
}

static void send_bytes(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the other side has had enough */
        text += n;
        size -= (size_t)n;
    }
}

void toy_send(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

static char *received; /* one client at a time */
static size_t received_capacity;

static bool receive_some(int fd, size_t *size)
{
    if (received_capacity < *size + 65536) {
        received_capacity = 2 * *size + 131072;
        received = realloc(received, received_capacity);
        ms_assert(received);
    }
    ssize_t n = recv(fd, received + *size, 65536 - 1, 0);
    *size += n > 0 ? (size_t)n : 0;
    received[*size] = '\0';
    return n > 0;
}

const char *toy_receive(int fd)
{
    size_t size = 0;
    while (receive_some(fd, &size))
        ;
    return received;
}

const char *toy_answer(int fd)
{
    size_t size = 0;
    for (;;) {
        const char *blank = received && size ? strstr(received, "\r\n\r\n") : NULL;
        const char *length = blank ? strstr(received, "Content-Length: ") : NULL;
        size_t body = length ? (size_t)atoll(length + strlen("Content-Length: ")) : 0;
        if (blank && size >= (size_t)(blank + 4 - received) + body)
            return received;
        if (!receive_some(fd, &size))
            return received;
    }
}

const char *toy_ask(const struct toy_server *t, const char *text, size_t size)
{
    int fd = toy_connect(t);
    send_bytes(fd, text, size);
    shutdown(fd, SHUT_WR);
    const char *answer = toy_receive(fd);
    close(fd);
    return answer;
}

bool toy_closed(int fd)
{
    char c[4096];
    ssize_t n;
    while ((n = recv(fd, c, sizeof c, 0)) > 0)
        ;
    return n == 0 || errno == ECONNRESET;
}
