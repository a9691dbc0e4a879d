/* Requests and answers over the pipes of a child, and the pool of children: see stdio.h.
 *
 * A request's bytes are written while the answer's are read, so that a server that answers early,
 * or says much on its standard error, never waits for us while we wait for it. What is left over
 * after an answer would be taken for the next one: such a child is ended.
 *
 * The pool's mutex guards the list of idle children and their number, and is not held while one
 * works. */
#include "backends/rest/stdio.h"

#include "backends/pace.h"
#include "backends/rest/wire.h"
#include "base/cleanup.h"
#include "base/sync.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define CHILDREN_MAX 64
#define SLICE_MS     100 /* so often the cancellation is looked at */
#define POLITE_MS    3000
#define DROP_BYTES   ((size_t)8 << 20)
#define SECOND       UINT64_C(1000000000)

/* What ssh takes before the server does (the window of a channel), and how slow a line may be that
 * it waits for. */
#define SSH_HOLDS_MAX         ((size_t)2 << 20)
#define SLOW_LINE_BYTES_PER_S 8192

struct ms_rest_pool {
    struct ms_rest_pool_options options;
    char *peer;
    struct ms_mutex mutex;
    struct ms_cond returned;
    struct {
        struct ms_rest_child idle[CHILDREN_MAX];
        unsigned idle_count, count; /* count: idle or at work */
    } locked;
};

/* One request under way. */
struct exchange {
    struct ms_rest_pool *pool;
    struct ms_rest_child *child;
    const struct ms_http_request *request;
    struct ms_http_answer *answer;
    struct ms_view unsent[2]; /* head and body */
    char *head;               /* of the answer; MS_REST_HEAD_MAX + 1 */
    size_t head_size;
    bool headed;
    struct ms_rest_head parsed;
    uint8_t *to; /* the answer's body */
    uint64_t got, wanted, sent, received;
    size_t dropped; /* bytes of a mapped body or of a mapped `into` that were given back */
    struct ms_pace pace;
};

/* ---- pool ---- */

int ms_rest_pool_new(const struct ms_rest_pool_options *options, struct ms_rest_pool **out,
                     struct ms_error *err)
{
    struct ms_rest_pool *pool = calloc(1, sizeof *pool);
    char *peer = strdup(options->peer);
    if (!pool || !peer) {
        free(pool);
        free(peer);
        ms_rest_command_free(options->command);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a pool of connections");
    }
    pool->options = *options;
    pool->peer = peer;
    if (pool->options.children > CHILDREN_MAX)
        pool->options.children = CHILDREN_MAX;
    ms_mutex_init(&pool->mutex);
    ms_cond_init(&pool->returned);
    *out = pool;
    return 0;
}

void ms_rest_pool_close(struct ms_rest_pool *pool)
{
    for (;;) {
        struct ms_rest_child c;
        {
            MS_HOLD(&pool->mutex);
            if (!pool->locked.idle_count)
                return;
            c = pool->locked.idle[--pool->locked.idle_count];
            pool->locked.count--;
        }
        ms_rest_child_end(&c, pool->peer, POLITE_MS, NULL);
    }
}

void ms_rest_pool_free(struct ms_rest_pool *pool)
{
    if (!pool)
        return;
    ms_rest_pool_close(pool);
    ms_rest_command_free(pool->options.command);
    ms_cond_fini(&pool->returned);
    ms_mutex_fini(&pool->mutex);
    free(pool->peer);
    free(pool);
}

/* An idle child, or the right to start one (pid 0). CANCELLED while it waits for one. */
static int take(struct ms_rest_pool *pool, struct ms_rest_child *out, struct ms_error *err)
{
    struct ms_clock *clock = ms_clock_real(); /* children live in real time, as poll does */
    MS_HOLD(&pool->mutex);
    for (;;) {
        if (pool->locked.idle_count) {
            *out = pool->locked.idle[--pool->locked.idle_count];
            return 0;
        }
        if (pool->locked.count < pool->options.children) {
            pool->locked.count++;
            *out = (struct ms_rest_child){.pid = 0};
            return 0;
        }
        ms_cond_wait_until(&pool->returned, &pool->mutex, clock,
                           ms_clock_now(clock) + SLICE_MS * UINT64_C(1000000));
        int code = ms_check_cancelled(err);
        if (code) {
            ms_cond_signal(&pool->returned); /* it may have been for somebody else */
            return code;
        }
    }
}

static void give(struct ms_rest_pool *pool, const struct ms_rest_child *child)
{
    MS_HOLD(&pool->mutex);
    if (child)
        pool->locked.idle[pool->locked.idle_count++] = *child;
    else
        pool->locked.count--;
    ms_cond_signal(&pool->returned);
}

/* ---- the request's head ---- */

static int no_memory(const struct ms_rest_pool *pool, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a request to %s", pool->peer);
}

static char *request_head(const struct ms_http_request *r, size_t *size)
{
    size_t room = strlen(r->method) + strlen(r->url) + 128;
    for (size_t i = 0; i < MS_HTTP_HEADERS_MAX && r->headers[i]; i++)
        room += strlen(r->headers[i]) + 2;
    char *head = malloc(room);
    if (!head)
        return NULL;
    size_t at = (size_t)snprintf(head, room, "%s %s HTTP/1.1\r\n", r->method, r->url);
    for (size_t i = 0; i < MS_HTTP_HEADERS_MAX && r->headers[i]; i++)
        at += (size_t)snprintf(head + at, room - at, "%s\r\n", r->headers[i]);
    if (r->has_body)
        at += (size_t)snprintf(head + at, room - at, "Content-Length: %zu\r\n", r->body.size);
    at += (size_t)snprintf(head + at, room - at, "Connection: keep-alive\r\n\r\n");
    *size = at;
    return head;
}

/* ---- the answer ---- */

static int something_else(const struct exchange *x, const char *detail, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL,
                        "%s speaks something else: no BorgStore REST server there (%s)",
                        x->pool->peer, detail);
}

/* Where the body goes, when the head has come. */
static int prepare_body(struct exchange *x, struct ms_error *err)
{
    const struct ms_http_request *r = x->request;
    bool none =
        strcmp(r->method, "HEAD") == 0 || x->parsed.status == 204 || x->parsed.status == 304;
    bool good = x->parsed.status >= 200 && x->parsed.status < 300;
    x->wanted = none ? 0 : x->parsed.length;
    uint64_t limit = r->body_max_bytes ? r->body_max_bytes : 1u << 20;
    if (r->into && good)
        limit = r->into_size;
    if (x->wanted > limit || x->wanted > SIZE_MAX / 2)
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s sent an answer that is longer than it may be",
                            x->pool->peer);
    x->answer->body_size = (size_t)x->wanted;
    if (r->into && good) {
        x->to = r->into;
        return 0;
    }
    if (x->wanted == 0)
        return 0;
    x->answer->body = ms_buf_new((size_t)x->wanted);
    if (!x->answer->body)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an answer of %s", x->pool->peer);
    x->to = ms_buf_data(x->answer->body);
    return 0;
}

/* Looks at what has come of the head. What lies behind it is the body's. */
static int look_at_head(struct exchange *x, struct ms_error *err)
{
    struct ms_view all = ms_view(x->head, x->head_size);
    struct ms_error detail = {0};
    size_t begin = x->head_size < 5 ? x->head_size : 5;
    if (memcmp(x->head, "HTTP/", begin) != 0)
        return something_else(x, MS_SHOW(all), err);
    size_t size = ms_rest_head_size(all);
    if (size == 0)
        return x->head_size < MS_REST_HEAD_MAX ? 0 : something_else(x, "an endless head", err);
    if (ms_rest_head_parse(ms_view(x->head, size), &x->parsed, &detail))
        return something_else(x, detail.text, err);
    if (x->parsed.status < 200) { /* an interim answer */
        memmove(x->head, x->head + size, x->head_size - size);
        x->head_size -= size;
        return x->head_size ? look_at_head(x, err) : 0;
    }
    x->headed = true;
    int code = prepare_body(x, err);
    if (code)
        return code;
    size_t more = x->head_size - size;
    if (more > x->wanted)
        return something_else(x, "bytes behind its answer", err);
    if (more)
        memcpy(x->to, x->head + size, more);
    x->got = more;
    x->head[size] = 0;
    return 0;
}

static bool complete(const struct exchange *x)
{
    return x->headed && x->got == x->wanted;
}

/* What has come into a mapped file need not stay in memory. */
static void drop_received(struct exchange *x)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), until = (size_t)x->got / page * page;
    if (!x->request->into_mapped || x->to != x->request->into || until < x->dropped + DROP_BYTES)
        return;
    (void)madvise(x->to + x->dropped, until - x->dropped, MADV_DONTNEED);
    x->dropped = until;
}

/* Reads what there is. *ended: the child's output is at its end. */
static int receive(struct exchange *x, bool *ended, struct ms_error *err)
{
    uint8_t *to = x->headed ? x->to + x->got : (uint8_t *)x->head + x->head_size;
    uint64_t room = x->headed ? x->wanted - x->got : MS_REST_HEAD_MAX - x->head_size;
    ssize_t got = read(x->child->out, to, room < 1u << 20 ? (size_t)room : 1u << 20);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR
                   ? 0
                   : ms_error_errno(err, errno, "reading from %s", x->pool->peer);
    *ended = got == 0;
    x->received += (uint64_t)got;
    if (x->headed)
        x->got += (uint64_t)got;
    else
        x->head_size += (size_t)got;
    if (x->headed)
        drop_received(x);
    return x->headed || got == 0 ? 0 : look_at_head(x, err);
}

/* What was sent of a mapped file need not stay in memory. */
static void drop_sent(struct exchange *x)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t until = (x->request->body.size - x->unsent[1].size) / page * page;
    if (!x->request->body_mapped || until < x->dropped + DROP_BYTES)
        return;
    const uint8_t *from = x->request->body.data + x->dropped;
    (void)madvise((void *)(uintptr_t)from, until - x->dropped, MADV_DONTNEED);
    x->dropped = until;
}

/* Writes what fits. */
static int transmit(struct exchange *x, bool *ended)
{
    for (int i = 0; i < 2; i++) {
        struct ms_view *part = &x->unsent[i];
        if (part->size == 0)
            continue;
        size_t size = part->size < 1u << 20 ? part->size : 1u << 20;
        ssize_t put = send(x->child->in, part->data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (put < 0) { /* it has gone; its last words may still be read */
            *ended = true;
            return 0;
        }
        x->sent += (uint64_t)put;
        *part = ms_view(part->data + put, part->size - (size_t)put);
        if (i == 1)
            drop_sent(x);
        return 0;
    }
    return 0;
}

/* Waits until something can be done; false: nothing could within the slice. */
static bool wait_for(struct exchange *x, struct pollfd fds[3])
{
    bool unsent = x->unsent[0].size || x->unsent[1].size;
    fds[0] = (struct pollfd){.fd = x->child->out, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = x->child->log, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = unsent ? x->child->in : -1, .events = POLLOUT};
    if (x->child->in < 0)
        fds[2].fd = -1;
    return poll(fds, 3, SLICE_MS) > 0;
}

/* When all is sent, ssh may still hold some of it, of which nobody here sees how it goes on. */
static uint64_t window_ns(const struct exchange *x, unsigned patience)
{
    bool unsent = x->unsent[0].size || x->unsent[1].size;
    size_t held = unsent || x->received                   ? 0
                  : x->request->body.size < SSH_HOLDS_MAX ? x->request->body.size
                                                          : SSH_HOLDS_MAX;
    uint64_t seconds = (uint64_t)x->pool->options.stall_timeout_s * patience;
    return (seconds + held / SLOW_LINE_BYTES_PER_S) * SECOND;
}

static bool too_slow(struct exchange *x, unsigned patience)
{
    int64_t moved = (int64_t)(x->sent + x->received) - ms_pace_held(x->child->in);
    return ms_pace_too_slow(&x->pace, ms_clock_now(ms_clock_real()), moved, window_ns(x, patience));
}

static int converse(struct exchange *x, unsigned patience, struct ms_error *err)
{
    bool ended = false;
    while (!complete(x) && !ended) {
        struct pollfd fds[3];
        int code = ms_check_cancelled(err);
        if (code)
            return code;
        bool deaf = false;
        if (wait_for(x, fds)) {
            if (fds[1].revents)
                ms_rest_child_listen(x->child);
            if (fds[2].revents)
                code = transmit(x, &deaf);
            if (!code && fds[0].revents)
                code = receive(x, &ended, err);
        }
        if (deaf) { /* what it still says comes, its input is closed */
            x->unsent[0] = x->unsent[1] = ms_view("", 0);
            close(ms_take_fd(&x->child->in));
        }
        if (code)
            return code;
        if (!complete(x) && too_slow(x, patience))
            return ms_error_set(err, MS_ERR_TIMEOUT, "%s does not answer in time", x->pool->peer);
    }
    return complete(x) ? 0 : MS_ERR_CONNECTION; /* the child's end says more */
}

/* Whether the child is fit for another request: all was sent, it has not ended, and nothing is left
 * over, which would be taken for the next answer. */
static int look_behind(struct exchange *x, bool *fit, struct ms_error *err)
{
    char byte;
    ssize_t more = read(x->child->out, &byte, 1);
    *fit = more < 0 && x->child->in >= 0 && !x->unsent[0].size && !x->unsent[1].size;
    return more > 0 ? something_else(x, "bytes behind its answer", err) : 0;
}

static int exchange(struct exchange *x, unsigned patience, struct ms_error *err)
{
    const struct ms_http_request *r = x->request;
    size_t size = 0;
    MS_AUTO_FREE char *head = request_head(r, &size);
    x->head = malloc(MS_REST_HEAD_MAX + 1);
    if (!head || !x->head)
        return no_memory(x->pool, err);
    x->unsent[0] = ms_view(head, size);
    x->unsent[1] = r->has_body ? r->body : ms_view("", 0);
    int code = converse(x, patience, err);
    x->unsent[0].data = NULL; /* head goes; only sizes are looked at */
    return code;
}

/* A child that is no longer of use; its end may say why the exchange failed. */
static int end_child(struct exchange *x, int code, struct ms_error *err)
{
    struct ms_error why = {0};
    int end =
        ms_rest_child_end(x->child, x->pool->peer, code == MS_ERR_CONNECTION ? 1000 : 0, &why);
    if (code == MS_ERR_CONNECTION)
        return ms_error_set(err, end, "%s", why.text);
    return code;
}

static int do_with_child(struct ms_rest_pool *pool, struct ms_rest_child *child,
                         const struct ms_http_request *request, unsigned patience,
                         struct ms_http_answer *out, struct ms_error *err)
{
    struct ms_http_answer answer = {0};
    struct exchange x = {.pool = pool, .child = child, .request = request, .answer = &answer};
    ms_rest_child_listen(child);
    int code = exchange(&x, patience, err);
    ms_backend_count_moved(pool->options.backend, x.received, x.sent);
    out->sent = answer.sent = x.sent > 0;
    bool fit = false;
    if (!code)
        code = look_behind(&x, &fit, err);
    if (code || !fit) {
        code = end_child(&x, code, err);
        give(pool, NULL);
    } else {
        child->answered = true;
        give(pool, child);
    }
    if (code) {
        free(x.head);
        ms_http_answer_fini(&answer);
        return code;
    }
    answer.status = x.parsed.status;
    answer.head = x.head;
    *out = answer;
    return 0;
}

int ms_rest_pool_do(struct ms_rest_pool *pool, const struct ms_http_request *request,
                    unsigned patience, struct ms_http_answer *out, struct ms_error *err)
{
    out->sent = false;
    struct ms_rest_child child;
    int code = ms_check_cancelled(err);
    if (!code)
        code = take(pool, &child, err);
    if (code)
        return code;
    if (child.pid == 0) {
        code = ms_rest_child_start(pool->options.command, pool->options.variable, pool->peer,
                                   &child, err);
        if (code) {
            give(pool, NULL);
            return code;
        }
    }
    return do_with_child(pool, &child, request, patience, out, err);
}
