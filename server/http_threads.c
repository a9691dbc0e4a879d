/* The threads that wait for events, and as many more as are held up by slow storages.
 *
 * A thread that has worked on one event for longer than HELD_UP_NS counts as held up. There are
 * always `base_threads` that are not, up to the limit; those beyond end when nothing comes. */
#include "server/http_server.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_UP_NS (UINT64_C(8) * 1000000)
#define IDLE_MS    3000
#define NO_THREAD  1

/* As soon as the kernel has armed the connection, another thread may get its event and close it,
 * while this one has not returned yet. That is how one-shot events are meant; ThreadSanitizer takes
 * the call for a use of the descriptor all the while. */
#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#define WITHOUT_LOOKING_BEGIN() AnnotateIgnoreReadsBegin(__FILE__, __LINE__)
#define WITHOUT_LOOKING_END()   AnnotateIgnoreReadsEnd(__FILE__, __LINE__)
#else
#define WITHOUT_LOOKING_BEGIN() ((void)0)
#define WITHOUT_LOOKING_END()   ((void)0)
#endif

static void arm(struct http_server *s, struct http_conn *c, enum http_next want, int operation)
{
    struct epoll_event event = {.events = EPOLLONESHOT | EPOLLRDHUP, .data.ptr = c};
    event.events |= want == HTTP_WANT_WRITE ? EPOLLOUT : EPOLLIN;
    if (want == HTTP_WANT_WRITE)
        event.events &= ~(unsigned)EPOLLRDHUP; /* who has sent all may still read */
    int fd = c->io.in;
    http_conn_arm(c, want); /* from here on it may be another thread's */
    WITHOUT_LOOKING_BEGIN();
    bool armed = epoll_ctl(s->epoll, operation, fd, &event) == 0;
    WITHOUT_LOOKING_END();
    if (!armed)
        http_conns_remove(s, c);
}

/* No descriptor left: take the connection by means of the reserve, and end it. */
static void turn_away(struct http_server *s, const struct http_listener *l)
{
    MS_HOLD(&s->mutex);
    close(s->reserve);
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    s->reserve = eventfd(0, EFD_CLOEXEC);
}

static void take_connections(struct http_server *s, const struct http_listener *l)
{
    for (int i = 0; i < 16; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                turn_away(s, l);
            return;
        }
        struct http_conn *c = http_conns_accept(s, l, fd);
        if (c)
            arm(s, c, HTTP_WANT_READ, EPOLL_CTL_ADD);
    }
}

static void serve(struct http_server *s, struct http_conn *c)
{
    http_conn_wake(c);
    enum http_next next = http_conn_step(c);
    if (next == HTTP_CLOSE)
        http_conns_remove(s, c);
    else
        arm(s, c, next, EPOLL_CTL_MOD);
}

/* A listener is told from a connection by where it lies. */
static bool is_listener(const struct http_server *s, const void *p)
{
    const char *at = p, *from = (const char *)s->listeners;
    return at >= from && at < from + sizeof s->listeners;
}

static void handle(struct http_server *s, void *what)
{
    if (is_listener(s, what))
        take_connections(s, what);
    else
        serve(s, what);
}

/* False: the thread is to end. */
static bool wait_and_work(struct http_server *s, _Atomic uint64_t *working, bool spare)
{
    struct epoll_event event;
    atomic_store_explicit(working, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->waiting, 1, memory_order_relaxed);
    int n = epoll_wait(s->epoll, &event, 1, spare ? IDLE_MS : -1);
    atomic_fetch_sub_explicit(&s->waiting, 1, memory_order_relaxed);
    if (n == 0)
        return false;
    if (n < 0)
        return errno == EINTR;
    if (event.data.ptr == &s->wake)
        return false;
    atomic_store_explicit(working, ms_clock_now(s->options.clock), memory_order_relaxed);
    handle(s, event.data.ptr);
    return true;
}

static int run_thread(void *arg)
{
    const struct http_thread *t = arg;
    _Atomic uint64_t *working = &t->server->working[t->index];
    while (wait_and_work(t->server, working, t->index >= t->server->base_threads))
        ;
    atomic_store_explicit(working, NO_THREAD, memory_order_release);
    return 0;
}

/* False: no more go. */
static bool add_thread(struct http_server *s, struct ms_error *err)
{
    for (unsigned i = 0; i < HTTP_THREADS_MAX; i++) {
        if (atomic_load_explicit(&s->working[i], memory_order_acquire) != NO_THREAD)
            continue;
        atomic_store_explicit(&s->working[i], 0, memory_order_relaxed);
        if (ms_group_fork(s->group, run_thread, NULL, &s->threads[i], err) == 0)
            return true;
        atomic_store_explicit(&s->working[i], NO_THREAD, memory_order_relaxed);
        return false;
    }
    ms_error_set(err, MS_ERR_BUSY, "there are %d threads already", HTTP_THREADS_MAX);
    return false;
}

int http_threads_start(struct http_server *s, struct ms_error *err)
{
    struct ms_cancel *before = ms_cancel_swap(NULL); /* what is under way ends by itself */
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    s->base_threads = cores < 2 ? 2 : cores > 16 ? 16 : (unsigned)cores;
    for (unsigned i = 0; i < HTTP_THREADS_MAX; i++) {
        s->working[i] = NO_THREAD;
        s->threads[i] = (struct http_thread){s, i};
    }
    int code = ms_group_new(&s->group, err);
    for (unsigned i = 0; !code && i < s->base_threads; i++)
        code = add_thread(s, err) ? 0 : MS_ERR_NO_MEMORY;
    ms_cancel_swap(before);
    return code;
}

void http_threads_tend(struct http_server *s)
{
    uint64_t now = ms_clock_now(s->options.clock);
    unsigned threads = 0, held_up = 0;
    for (unsigned i = 0; i < HTTP_THREADS_MAX; i++) {
        uint64_t since = atomic_load_explicit(&s->working[i], memory_order_relaxed);
        threads += since != NO_THREAD;
        held_up += since > NO_THREAD && now > since && now - since > HELD_UP_NS;
    }
    if (!http_threads_busy(s))
        return;
    unsigned most = http_server_limits(s)->requests + s->base_threads;
    unsigned wanted = held_up + (held_up > s->base_threads ? held_up : s->base_threads);
    if (wanted > most)
        wanted = most; /* at most HTTP_THREADS_MAX by the limit of requests */
    struct ms_cancel *before = ms_cancel_swap(NULL);
    while (threads < wanted && add_thread(s, NULL))
        threads++;
    ms_cancel_swap(before);
}

bool http_threads_busy(const struct http_server *s)
{
    return atomic_load_explicit(&s->waiting, memory_order_relaxed) == 0;
}

void http_threads_stop(struct http_server *s)
{
    struct ms_join join;
    if (!s->group)
        return;
    uint64_t one = 1;
    ssize_t written = write(s->wake, &one, sizeof one); /* stays readable: it wakes all */
    (void)written;
    ms_group_join_all(s->group, &join);
    ms_group_release(s->group);
    s->group = NULL;
}
