/* Sending answers: the head with the first piece of the body, then piece after piece, or the kernel
 * copies a file. */
#include "server/http_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_BEFORE ((size_t)10) /* "10000\r\n" */
#define CHUNK_BEHIND ((size_t)8)  /* "\r\n", and "0\r\n\r\n" */
#define SMALL_FILE   (UINT64_C(32) << 10)

void http_sending_fini(struct http_sending *out)
{
    free(out->head);
    free(out->buffer);
    *out = (struct http_sending){0};
}

static bool has_no_body(const struct exchange *x)
{
    return x->body.source == EXCHANGE_NOTHING || x->body.length == 0 || exchange_is_head(x) ||
           x->status == 204 || x->status == 304;
}

void http_reply_begin(struct http_conn *c)
{
    struct exchange *x = c->x;
    const struct http_head *h = &x->head;
    bool close = x->close_after || http_server_stopping(c->server);
    if (c->io.socket)
        close = close || h->close || (h->minor == 0 && !h->keep_alive);
    http_sending_fini(&c->out);
    c->out.head = exchange_head_text(x, close, &c->out.head_size, &c->out.chunked);
    c->out.left = x->body.length;
    c->out.ended = has_no_body(x);
    c->out.chunked = c->out.chunked && !c->out.ended;
    http_conn_enter(c, HTTP_REPLY);
}

/* ---- pieces ---- */

static bool next_of_file(struct http_conn *c, uint8_t *into, size_t size, size_t *got)
{
    struct exchange_body *b = &c->x->body;
    ssize_t n = pread(b->fd, into, size, (off_t)b->offset);
    if (n <= 0)
        return false; /* it has become shorter */
    b->offset += (uint64_t)n;
    *got = (size_t)n;
    return true;
}

static bool fill(struct http_conn *c, uint8_t *into, size_t size, size_t *got)
{
    struct exchange_body *b = &c->x->body;
    if (c->out.left != EXCHANGE_CHUNKED && size > c->out.left)
        size = (size_t)c->out.left;
    *got = 0;
    if (b->source == EXCHANGE_FILE)
        return next_of_file(c, into, size, got);
    if (b->read(b->ctx, into, size, got, NULL) || *got > size)
        return false;
    return *got > 0 || c->out.left == EXCHANGE_CHUNKED; /* else it is shorter than it said */
}

/* Puts a chunk's size before it and what belongs behind it. */
static void frame_chunk(struct http_sending *out, size_t payload)
{
    uint8_t *data = out->buffer + CHUNK_BEFORE, *end = data + payload;
    char size[CHUNK_BEFORE + 1];
    if (payload) {
        int n = snprintf(size, sizeof size, "%zx\r\n", payload);
        data -= n;
        memcpy(data, size, (size_t)n);
        memcpy(end, "\r\n", 2);
        end += 2;
    } else {
        memcpy(end, "0\r\n\r\n", 5);
        end += 5;
        out->ended = true;
    }
    out->piece = data;
    out->piece_size = (size_t)(end - data);
}

static bool next_piece(struct http_conn *c)
{
    struct http_sending *out = &c->out;
    struct exchange_body *b = &c->x->body;
    size_t got;
    out->piece_at = 0;
    if (b->source == EXCHANGE_BYTES) {
        struct ms_view bytes = ms_buf_view(b->buf);
        out->piece = bytes.data;
        out->piece_size = out->piece_payload = bytes.size;
        out->ended = true;
        return true;
    }
    if (!out->buffer)
        out->buffer = malloc(CHUNK_BEFORE + HTTP_BUFFER + CHUNK_BEHIND);
    if (!out->buffer || !fill(c, out->buffer + CHUNK_BEFORE, HTTP_BUFFER, &got))
        return false;
    out->piece_payload = got;
    if (out->chunked) {
        frame_chunk(out, got);
        return true;
    }
    out->piece = out->buffer + CHUNK_BEFORE;
    out->piece_size = got;
    if (out->left != EXCHANGE_CHUNKED)
        out->left -= got;
    out->ended = out->left == 0 || got == 0;
    return true;
}

/* ---- the machine ---- */

static enum http_next finish(struct http_conn *c)
{
    struct exchange *x = c->x;
    bool close = x->close_after;
    bool clean = x->received_all && c->in.start == c->in.end;
    http_exchange_end(c, true);
    if (!close) {
        http_conn_enter(c, HTTP_HEAD);
        if (c->in.start == c->in.end) {
            free(c->in.data);
            c->in = (struct http_input){0};
            if (c->io.socket && !c->io.ssl)
                return HTTP_WANT_READ; /* epoll says when there is more */
        }
        return HTTP_GO_ON;
    }
    http_io_finish(&c->io);
    if (clean || !c->io.socket)
        return HTTP_CLOSE;
    http_conn_enter(c, HTTP_LINGER);
    return HTTP_GO_ON;
}

static enum http_next after_write(struct http_conn *c, ssize_t n)
{
    if (n == HTTP_IO_WANTS_WRITE)
        return HTTP_WANT_WRITE;
    if (n == HTTP_IO_WANTS_READ)
        return HTTP_WANT_READ;
    if (n < 0)
        return HTTP_CLOSE;
    c->moved += (uint64_t)n;
    return HTTP_GO_ON;
}

/* n bytes have gone: of the head first. */
static void advance(struct http_conn *c, size_t n)
{
    struct http_sending *out = &c->out;
    size_t head = out->head_size - out->head_at;
    if (head > n)
        head = n;
    out->head_at += head;
    out->piece_at += n - head;
    if (n > head && out->piece_at == out->piece_size)
        c->x->sent += out->piece_payload;
}

static enum http_next send_pieces(struct http_conn *c, bool more)
{
    struct http_sending *out = &c->out;
    struct iovec pieces[2] = {{NULL, 0}, {NULL, 0}};
    if (out->head_at < out->head_size)
        pieces[0] = (struct iovec){out->head + out->head_at, out->head_size - out->head_at};
    if (out->piece_at < out->piece_size)
        pieces[1] = (struct iovec){(void *)(uintptr_t)(out->piece + out->piece_at),
                                   out->piece_size - out->piece_at};
    ssize_t n = http_io_write(&c->io, pieces, pieces[1].iov_len ? 2 : 1, more);
    if (n > 0)
        advance(c, (size_t)n);
    return after_write(c, n);
}

static enum http_next send_file(struct http_conn *c)
{
    struct exchange_body *b = &c->x->body;
    ssize_t n = http_io_sendfile(&c->io, b->fd, b->offset, c->out.left);
    if (n > 0) {
        b->offset += (uint64_t)n;
        c->out.left -= (uint64_t)n;
        c->x->sent += (uint64_t)n;
        c->out.ended = c->out.left == 0;
    }
    return after_write(c, n);
}

enum http_next http_reply_step(struct http_conn *c)
{
    struct http_sending *out = &c->out;
    if (!out->head)
        return HTTP_CLOSE; /* no memory */
    bool head_sent = out->head_at == out->head_size;
    bool by_kernel = !out->ended && c->x->body.source == EXCHANGE_FILE &&
                     c->x->body.length > SMALL_FILE && http_io_can_sendfile(&c->io);
    if (by_kernel)
        return head_sent ? send_file(c) : send_pieces(c, true);
    if (out->piece_at == out->piece_size && !out->ended && !next_piece(c))
        return HTTP_CLOSE;
    if (head_sent && out->piece_at == out->piece_size)
        return out->ended ? finish(c) : HTTP_GO_ON;
    return send_pieces(c, false);
}
