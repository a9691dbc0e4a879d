/* The server as a whole: made, run until it is told to stop, freed. See http.h. */
#include "server/http_server.h"

#include "server/counts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS        (UINT64_C(1000000))
#define TICK_NS   (10 * MS) /* while all threads work */
#define QUIET_NS  (50 * MS)
#define EXPIRE_NS (100 * MS)

/* What is 0 becomes the usual. */
static void default_limits(struct http_limits *l)
{
    const uint64_t second = 1000 * MS;
#define OR(field, value) l->field = l->field ? l->field : (value)
    OR(connections, 4096);
    OR(connections_per_address, 512);
    OR(requests, 256);
    OR(header_bytes, (size_t)16 << 10);
    OR(body_bytes, UINT64_C(1) << 40);
    OR(header_ns, 10 * second);
    OR(idle_ns, 75 * second);
    OR(stall_ns, 30 * second);
    OR(least_bytes, 1024);
    OR(stop_ns, 30 * second);
#undef OR
    if (l->requests > 900)
        l->requests = 900;
}

static int watch(struct http_server *s, int fd, uint32_t events, void *what, struct ms_error *err)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return ms_error_errno(err, errno, "cannot watch a socket");
    return 0;
}

int http_server_new(const struct http_options *options, struct http_server **out,
                    struct ms_error *err)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the server");
    s->options = *options;
    if (!s->options.clock)
        s->options.clock = ms_clock_real();
    ms_mutex_init(&s->mutex);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->reserve = eventfd(0, EFD_CLOEXEC);
    int code = http_server_set_limits(s, &options->limits, err);
    if (!code && (s->epoll < 0 || s->wake < 0 || s->reserve < 0))
        code = ms_error_errno(err, errno, "cannot make the server");
    if (!code)
        code = watch(s, s->wake, EPOLLIN, &s->wake, err);
    if (code)
        http_server_free(s);
    else
        *out = s;
    return code;
}

static void free_limits(struct http_server *s)
{
    struct http_limits_kept *kept = atomic_load(&s->limits);
    while (kept) {
        struct http_limits_kept *before = kept->before;
        free(kept);
        kept = before;
    }
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    http_threads_stop(s);
    while (s->first)
        http_conns_remove(s, s->first);
    if (!http_server_stopping(s)) /* it never ran */
        http_listeners_stop(s);
    http_listeners_close(s);
    http_tls_unref(s->tls);
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->wake >= 0)
        close(s->wake);
    if (s->reserve >= 0)
        close(s->reserve);
    free_limits(s);
    ms_mutex_fini(&s->mutex);
    free(s);
}

void http_server_renew_tls(struct http_server *s, struct http_tls *tls)
{
    struct http_tls *before;
    {
        MS_HOLD(&s->mutex);
        before = s->tls;
        s->tls = http_tls_ref(tls);
    }
    http_tls_unref(before);
}

int http_server_set_limits(struct http_server *s, const struct http_limits *limits,
                           struct ms_error *err)
{
    struct http_limits_kept *kept = malloc(sizeof *kept);
    if (!kept)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the server's limits");
    kept->limits = *limits;
    kept->before = atomic_load(&s->limits);
    default_limits(&kept->limits);
    atomic_store_explicit(&s->limits, kept, memory_order_release);
    return 0;
}

const struct http_limits *http_server_limits(const struct http_server *s)
{
    return &atomic_load_explicit(&s->limits, memory_order_acquire)->limits;
}

const struct http_options *http_server_options(const struct http_server *s)
{
    return &s->options;
}

bool http_server_stopping(const struct http_server *s)
{
    return atomic_load_explicit(&s->stopping, memory_order_relaxed);
}

bool http_server_take_request(struct http_server *s)
{
    if (atomic_fetch_add(&s->requests, 1) < http_server_limits(s)->requests)
        return true;
    atomic_fetch_sub(&s->requests, 1);
    return false;
}

void http_server_give_request(struct http_server *s)
{
    atomic_fetch_sub(&s->requests, 1);
}

/* ---- running ---- */

/* The current token is looked at by ms_sleep. False: it has fired. */
static bool tick(struct http_server *s, uint64_t *expire_at)
{
    uint64_t pause = http_threads_busy(s) ? TICK_NS : QUIET_NS;
    int code = ms_sleep(s->options.clock, pause, NULL);
    http_threads_tend(s);
    uint64_t now = ms_clock_now(s->options.clock);
    if (now >= *expire_at) {
        http_conns_expire(s, http_server_stopping(s), false);
        *expire_at = now + EXPIRE_NS;
    }
    return code == 0;
}

/* Refuses new ones, lets the others finish, up to the limit; then ends them, too. */
static void stop_gracefully(struct http_server *s)
{
    struct ms_cancel *before = ms_cancel_swap(NULL);
    uint64_t expire_at = 0, end = ms_clock_now(s->options.clock) + http_server_limits(s)->stop_ns;
    http_listeners_stop(s);
    while (http_conns_count(s) > 0 && ms_clock_now(s->options.clock) < end)
        tick(s, &expire_at);
    if (http_conns_count(s) > 0) {
        ms_group_cancel(s->group);
        http_conns_expire(s, false, true);
    }
    http_threads_stop(s);
    ms_cancel_swap(before);
}

int http_server_run(struct http_server *s, struct ms_error *err)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct http_listener *l = &s->listeners[i];
        int code = watch(s, l->fd, EPOLLIN | EPOLLEXCLUSIVE, l, err);
        if (code)
            return code;
    }
    int code = http_threads_start(s, err);
    uint64_t expire_at = 0;
    while (!code && tick(s, &expire_at))
        ;
    atomic_store(&s->stopping, true);
    if (code) {
        http_listeners_stop(s);
        http_threads_stop(s);
        return code;
    }
    stop_gracefully(s);
    return 0;
}

/* ---- two descriptors ---- */

static void wait_for(const struct http_conn *c, enum http_next want)
{
    struct pollfd p = {.fd = want == HTTP_WANT_WRITE ? c->io.out : c->io.in,
                       .events = want == HTTP_WANT_WRITE ? POLLOUT : POLLIN};
    poll(&p, 1, 200); /* then the token is looked at */
}

void http_server_serve(struct http_server *s, int in, int out)
{
    struct http_conn *c = calloc(1, sizeof *c);
    if (!c)
        return;
    c->server = s;
    c->io = (struct http_io){.in = in, .out = out};
    c->peer.local = true;
    snprintf(c->peer.text, sizeof c->peer.text, "stdio");
    http_conn_enter(c, HTTP_HEAD);
    struct ms_cancel *token = ms_cancel_swap(NULL);
    enum http_next next;
    while ((next = http_conn_step(c)) != HTTP_CLOSE) {
        if (token && ms_cancel_fired(token) && !c->x)
            break;
        wait_for(c, next);
    }
    ms_cancel_swap(token);
    http_conn_fini(c);
    free(c);
}
