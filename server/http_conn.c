/* Reading requests: see http_conn.h. */
#include "server/http_conn.h"

#include "server/counts.h"

#include <stdlib.h>
#include <sys/socket.h>

/* A body nobody wants is read when so little of it is left; otherwise the connection ends. */
#define DISCARD_MOST (UINT64_C(256) << 10)
#define LINGER_NS    (UINT64_C(5) * 1000000000)

static struct ms_clock *clock_of(const struct http_conn *c)
{
    return http_server_options(c->server)->clock;
}

static const struct http_limits *limits_of(const struct http_conn *c)
{
    return http_server_limits(c->server);
}

void http_conn_enter(struct http_conn *c, enum http_state state)
{
    c->state = state;
    c->waited_ns = c->moved = 0;
}

/* ---- bytes ---- */

static size_t pending(const struct http_conn *c)
{
    return c->in.end - c->in.start;
}

static bool make_room(struct http_conn *c, size_t capacity)
{
    struct http_input *in = &c->in;
    if (in->start && in->start == in->end)
        in->start = in->end = 0;
    if (in->end < in->capacity && in->capacity >= capacity)
        return true;
    if (in->start) {
        memmove(in->data, in->data + in->start, pending(c));
        in->end -= in->start;
        in->start = 0;
    }
    if (in->capacity >= capacity)
        return in->end < in->capacity;
    uint8_t *data = realloc(in->data, capacity);
    if (!data)
        return false;
    in->data = data;
    in->capacity = capacity;
    return true;
}

static void drop_buffer(struct http_conn *c)
{
    free(c->in.data);
    c->in = (struct http_input){0};
}

/* GO_ON: some bytes have come. */
static enum http_next read_more(struct http_conn *c, size_t capacity)
{
    if (!make_room(c, capacity))
        return HTTP_CLOSE;
    ssize_t n = http_io_read(&c->io, c->in.data + c->in.end, c->in.capacity - c->in.end);
    if (n == HTTP_IO_WANTS_READ)
        return HTTP_WANT_READ;
    if (n == HTTP_IO_WANTS_WRITE)
        return HTTP_WANT_WRITE;
    if (n <= 0)
        return HTTP_CLOSE;
    c->in.end += (size_t)n;
    c->moved += (uint64_t)n;
    return HTTP_GO_ON;
}

/* ---- answers of the core itself ---- */

/* After it the connection ends: who breaks the rules may mean anything by what follows. */
static enum http_next refuse(struct http_conn *c, int status, const char *why)
{
    if (!c->x)
        c->x = exchange_new(&c->peer, clock_of(c));
    if (!c->x)
        return HTTP_CLOSE;
    exchange_close_after(c->x);
    exchange_set_reason(c->x, why);
    exchange_reply_text(c->x, status, why);
    http_reply_begin(c);
    return HTTP_GO_ON;
}

static enum http_next refuse_counted(struct http_conn *c, int status, const char *why,
                                     enum server_refusal refusal)
{
    server_count_refused(refusal);
    return refuse(c, status, why);
}

static enum http_next out_of_time(struct http_conn *c)
{
    return refuse(c, 408, "the request came too slowly");
}

static bool has_expired(struct http_conn *c)
{
    return atomic_load_explicit(&c->waits.expired, memory_order_acquire);
}

/* ---- the body ---- */

static enum http_next body_is_there(struct http_conn *c)
{
    struct exchange *x = c->x;
    x->received_all = true;
    if (!x->status && x->route && x->route->end)
        x->route->end(x);
    if (!x->status)
        exchange_reply_text(x, 500, "nobody answered this request");
    http_reply_begin(c);
    return HTTP_GO_ON;
}

static bool has_body(const struct exchange *x)
{
    return x->head.chunked || x->head.length > 0;
}

/* There is an answer although the body has not come: a short rest is read, so that the connection
 * can go on. */
static enum http_next answered_early(struct http_conn *c)
{
    struct exchange *x = c->x;
    if (!x->head.chunked && c->body_left <= DISCARD_MOST && !x->head.expects_continue) {
        c->discard = true;
        return HTTP_GO_ON;
    }
    exchange_close_after(x);
    http_reply_begin(c);
    return HTTP_GO_ON;
}

static enum http_next give(struct http_conn *c, struct ms_view bytes)
{
    struct exchange *x = c->x;
    if (bytes.size == 0 || c->discard)
        return HTTP_GO_ON;
    x->received += bytes.size;
    if (x->received > limits_of(c)->body_bytes)
        return refuse_counted(c, 413, "the body is too large", SERVER_REFUSED_BODY_SIZE);
    x->route->body(x, bytes);
    return HTTP_GO_ON;
}

/* Uses what has come. */
static enum http_next use_body(struct http_conn *c)
{
    struct ms_view bytes = ms_view(c->in.data + c->in.start, pending(c));
    size_t used = bytes.size;
    bool over;
    if (c->x->head.chunked) {
        if (!http_chunks_next(&c->chunks, bytes.data, bytes.size, &used, &bytes))
            return refuse(c, 400, "the body's chunks are malformed");
        over = c->chunks.state == CHUNK_DONE;
    } else {
        if (used > c->body_left)
            used = (size_t)c->body_left;
        bytes.size = used;
        c->body_left -= used;
        over = c->body_left == 0;
    }
    c->in.start += used;
    enum http_next next = give(c, bytes);
    if (next != HTTP_GO_ON || c->state != HTTP_BODY)
        return next;
    if (over)
        return body_is_there(c);
    return c->x->status && !c->discard ? answered_early(c) : HTTP_GO_ON;
}

static enum http_next say_continue(struct http_conn *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec piece = {(void *)(uintptr_t)text, sizeof text - 1};
    ssize_t n = http_io_write(&c->io, &piece, 1, false);
    if (n == HTTP_IO_WANTS_WRITE)
        return HTTP_WANT_WRITE;
    c->says_continue = false;
    /* so few bytes go at once or not at all */
    return n == (ssize_t)sizeof text - 1 ? HTTP_GO_ON : HTTP_CLOSE;
}

static enum http_next step_body(struct http_conn *c)
{
    if (c->says_continue && !pending(c)) {
        enum http_next next = say_continue(c);
        if (next != HTTP_GO_ON)
            return next;
    }
    if (!pending(c)) {
        enum http_next next = read_more(c, HTTP_BUFFER);
        if (next == HTTP_CLOSE && has_expired(c) && !c->x->status)
            return out_of_time(c);
        if (next != HTTP_GO_ON)
            return next;
    }
    return use_body(c);
}

/* ---- the head ---- */

static enum http_next begin_body(struct http_conn *c)
{
    struct exchange *x = c->x;
    c->body_left = x->head.length;
    c->chunks = (struct http_chunks){0};
    c->discard = false;
    c->says_continue = x->head.expects_continue;
    http_conn_enter(c, HTTP_BODY);
    if (x->status)
        return answered_early(c);
    if (!x->route->body) {
        exchange_reply_text(x, 413, "this request takes no body");
        return answered_early(c);
    }
    return HTTP_GO_ON;
}

static void choose_route(struct http_conn *c)
{
    const struct http_options *o = http_server_options(c->server);
    struct exchange *x = c->x;
    if (!http_server_take_request(c->server)) {
        server_count_refused(SERVER_REFUSED_IN_FLIGHT);
        exchange_header_add(x, "Retry-After", "1");
        exchange_reply_text(x, 503, "too many requests at once");
        return;
    }
    c->counted = true;
    x->route = o->route(o->ctx, x);
    if (x->route) {
        x->routed = true;
        if (x->route->begin)
            x->route->begin(x);
    } else if (!x->status) {
        exchange_reply_text(x, 500, "nobody answered this request");
    }
}

static enum http_next begin_request(struct http_conn *c, size_t size)
{
    struct exchange *x = c->x = exchange_new(&c->peer, clock_of(c));
    if (!x)
        return HTTP_CLOSE;
    x->text = malloc(size + 1);
    if (!x->text)
        return HTTP_CLOSE;
    memcpy(x->text, c->in.data + c->in.start, size);
    x->text[size] = '\0';
    c->in.start += size;
    c->scanned = 0;
    const char *why = "";
    int status = http_head_parse(x->text, size, !c->peer.local, &x->head, &why);
    if (status)
        return refuse(c, status, why);
    if (x->head.length > limits_of(c)->body_bytes)
        return refuse_counted(c, 413, "the body is too large", SERVER_REFUSED_BODY_SIZE);
    choose_route(c);
    return has_body(x) ? begin_body(c) : body_is_there(c);
}

static enum http_next head_too_large(struct http_conn *c)
{
    bool line = !memchr(c->in.data + c->in.start, '\n', pending(c));
    return refuse_counted(c, line ? 414 : 431,
                          line ? "the request line is too long" : "the headers are too large",
                          SERVER_REFUSED_HEADER_SIZE);
}

static enum http_next step_head(struct http_conn *c)
{
    size_t most = limits_of(c)->header_bytes;
    if (pending(c)) {
        size_t size = pending(c) < most ? pending(c) : most;
        switch (http_head_find(c->in.data + c->in.start, size, &c->scanned)) {
        case HTTP_FOUND_END:
            return begin_request(c, c->scanned);
        case HTTP_FOUND_BAD:
            return refuse(c, 400, "the request's lines are malformed");
        case HTTP_FOUND_NOT_YET:
            break;
        }
        if (pending(c) >= most)
            return head_too_large(c);
    }
    enum http_next next = read_more(c, most);
    if (next == HTTP_CLOSE && has_expired(c) && pending(c))
        return out_of_time(c);
    if (next != HTTP_GO_ON && !pending(c))
        drop_buffer(c);
    return next;
}

/* ---- the rest ---- */

static enum http_next step_handshake(struct http_conn *c)
{
    ssize_t n = http_io_handshake(&c->io);
    if (n == HTTP_IO_WANTS_READ)
        return HTTP_WANT_READ;
    if (n == HTTP_IO_WANTS_WRITE)
        return HTTP_WANT_WRITE;
    if (n != 1)
        return HTTP_CLOSE;
    http_conn_enter(c, HTTP_HEAD);
    return HTTP_GO_ON;
}

/* So that the answer is not lost with what the client had still been sending. */
static enum http_next step_linger(struct http_conn *c)
{
    c->in.start = c->in.end;
    return read_more(c, HTTP_BUFFER);
}

enum http_next http_conn_step(struct http_conn *c)
{
    static enum http_next (*const steps[])(struct http_conn *) = {
        [HTTP_HANDSHAKE] = step_handshake, [HTTP_HEAD] = step_head,     [HTTP_BODY] = step_body,
        [HTTP_REPLY] = http_reply_step,    [HTTP_LINGER] = step_linger,
    };
    enum http_next next;
    do
        next = steps[c->state](c);
    while (next == HTTP_GO_ON);
    return next;
}

/* How long the client may take from now on, without what it has taken in this state. */
static uint64_t patience(const struct http_conn *c)
{
    const struct http_limits *l = limits_of(c);
    uint64_t budget = l->header_ns;
    switch (c->state) {
    case HTTP_HANDSHAKE:
        break;
    case HTTP_HEAD:
        if (!c->in.data)
            budget = l->idle_ns;
        break;
    case HTTP_BODY:
    case HTTP_REPLY:
        budget = l->stall_ns;
        if (!__builtin_add_overflow(budget, c->moved / l->least_bytes * 1000000000, &budget))
            break;
        budget = UINT64_MAX;
        break;
    case HTTP_LINGER:
        budget = 6 * LINGER_NS;
        break;
    }
    budget = budget > c->waited_ns ? budget - c->waited_ns : 0;
    uint64_t most = c->state == HTTP_LINGER ? LINGER_NS : l->stall_ns;
    bool moves = c->state == HTTP_LINGER || c->state == HTTP_BODY || c->state == HTTP_REPLY;
    return moves && budget > most ? most : budget;
}

void http_conn_arm(struct http_conn *c, enum http_next want)
{
    bool idle = c->state == HTTP_HEAD && !c->in.data;
    c->armed_ns = ms_clock_now(clock_of(c));
    atomic_store_explicit(&c->waits.to_write, want == HTTP_WANT_WRITE, memory_order_relaxed);
    atomic_store_explicit(&c->waits.idle, idle, memory_order_relaxed);
    atomic_store_explicit(&c->waits.deadline_ns, c->armed_ns + patience(c), memory_order_release);
}

void http_conn_wake(struct http_conn *c)
{
    /* takes over what the thread before has written, whatever epoll does about that */
    atomic_exchange_explicit(&c->waits.deadline_ns, 0, memory_order_acq_rel);
    uint64_t now = ms_clock_now(clock_of(c));
    if (c->state == HTTP_HEAD && !c->in.data)
        return; /* idle: the time of the head begins now */
    c->waited_ns += now > c->armed_ns ? now - c->armed_ns : 0;
}

void http_exchange_end(struct http_conn *c, bool complete)
{
    const struct http_options *o = http_server_options(c->server);
    struct exchange *x = c->x;
    bool begun = c->out.head_at > 0;
    http_sending_fini(&c->out);
    if (!x)
        return;
    exchange_drop_body(x); /* it may need what `done` gives back */
    if (x->routed && x->route->done)
        x->route->done(x, complete);
    if (!begun)
        x->status = 0; /* nobody has heard of it */
    if (o->finished)
        o->finished(o->ctx, x);
    if (c->counted)
        http_server_give_request(c->server);
    c->counted = false;
    exchange_free(x);
    c->x = NULL;
}

void http_conn_fini(struct http_conn *c)
{
    if (c->x)
        http_exchange_end(c, false);
    http_sending_fini(&c->out);
    drop_buffer(c);
    http_io_close(&c->io);
}
