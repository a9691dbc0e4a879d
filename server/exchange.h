/* server/exchange.h - one request and its answer, whatever it comes over: TCP, TLS, a UNIX socket,
 * stdin and stdout.
 *
 * Who handles a request is a route: a table of four calls. They come one after the other, each from
 * any thread, and may block; meanwhile nothing else happens on that connection. What they answer
 * with exchange_reply* is sent when they have returned; it is sent once, the first answer counts.
 * Texts that an exchange returns live until `done` has returned.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include <mstore/base.h>

struct exchange;

struct exchange_route {
    /* The headers are there. May answer at once: then neither body nor end is called. NULL: nothing
     * to do. */
    void (*begin)(struct exchange *x);
    /* Bytes of the body as they come, at most 64 KiB. After an answer from here no more are given.
     * NULL: a request with a body is refused (413). */
    void (*body)(struct exchange *x, struct ms_view bytes);
    /* The whole body has been given (or there was none): answer. A route that does not answer here
     * is answered for with 500. */
    void (*end)(struct exchange *x);
    /* Always called, once, last. complete: the whole answer went out (to the kernel). Otherwise the
     * client vanished, was too slow, or broke the rules: abort what was begun. NULL: nothing. */
    void (*done)(struct exchange *x, bool complete);
};

/* Chooses by what the headers say. NULL: it has answered itself. */
typedef const struct exchange_route *exchange_router(void *ctx, struct exchange *x);

/* ---- the request ---- */

#define EXCHANGE_CHUNKED UINT64_MAX

const char *exchange_method(const struct exchange *x); /* GET HEAD POST PUT DELETE OPTIONS */
bool exchange_method_is(const struct exchange *x, const char *method);
/* As sent, not decoded, without the query; begins with '/', visible ASCII alone. */
const char *exchange_path(const struct exchange *x);
/* As sent, without the '?'; "" when there is none. */
const char *exchange_query_text(const struct exchange *x);
/* The decoded value ('+' is a blank) of the first parameter of that name; NULL when it is absent,
 * blank, or has a NUL or a broken %. */
const char *exchange_query(struct exchange *x, const char *name);
/* Whether every % of the query is sound, so that an absent value is not a broken one. */
bool exchange_query_is_sound(const struct exchange *x);
/* The value, without blanks around; NULL: absent. Of several the first. */
const char *exchange_header(const struct exchange *x, const char *name);
/* How often the header is there, and its index-th value. */
size_t exchange_header_count(const struct exchange *x, const char *name);
const char *exchange_header_at(const struct exchange *x, const char *name, size_t index);
const char *
exchange_peer(const struct exchange *x);          /* "192.0.2.1", "2001:db8::1", "unix", "stdio" */
bool exchange_secure(const struct exchange *x);   /* TLS */
bool exchange_loopback(const struct exchange *x); /* TCP from 127/8 or ::1 */
bool exchange_local(const struct exchange *x);    /* UNIX socket or stdin */
uint64_t exchange_length(const struct exchange *x);   /* of the body; EXCHANGE_CHUNKED: unknown */
uint64_t exchange_received(const struct exchange *x); /* bytes of the body given so far */

/* ---- what handlers keep with it ---- */

void exchange_set_state(struct exchange *x, void *state); /* the route's; its `done` frees it */
void *exchange_state(const struct exchange *x);
/* Whoever stands before the route (authentication, audit) has a place of its own. `release` (may be
 * NULL) runs after done and after the `finished` hook of the server. */
void exchange_set_guard(struct exchange *x, void *guard, void (*release)(void *guard));
void *exchange_guard(const struct exchange *x);

/* ---- the answer ----
 *
 * All of them copy texts. Content-Length, Date, Connection and Transfer-Encoding are written for
 * you. To HEAD no body is sent, whatever is answered. Without memory for it the answer is 500. */

/* Names and values are checked: one with a control character becomes 500. */
void exchange_header_add(struct exchange *x, const char *name, const char *value);
/* The words behind the status; else the standard ones. Other than printable ASCII becomes '?'. */
void exchange_set_reason(struct exchange *x, const char *reason);
/* type NULL: no Content-Type. */
void exchange_reply(struct exchange *x, int status, const char *type, const void *bytes,
                    size_t size);
void exchange_reply_text(struct exchange *x, int status, const char *text); /* text/plain */
/* Takes over the caller's reference, no copy. */
void exchange_reply_buf(struct exchange *x, int status, const char *type, struct ms_buf *bytes);
/* Takes over the descriptor of a regular file; sent by sendfile where that goes. */
void exchange_reply_file(struct exchange *x, int status, const char *type, int fd, uint64_t offset,
                         uint64_t size);
/* read: up to size bytes, *got 0 at the end; may block. On failure, or when a known length is not
 * reached, the connection breaks, so that the client can tell. length EXCHANGE_CHUNKED: unknown.
 * free (may be NULL) is always called once. */
typedef int exchange_read(void *ctx, uint8_t *into, size_t size, size_t *got, struct ms_error *err);
void exchange_reply_stream(struct exchange *x, int status, const char *type, uint64_t length,
                           exchange_read *read, void *ctx, void (*free)(void *ctx));
/* To HEAD: the headers that a GET of so many bytes would get. */
void exchange_reply_head(struct exchange *x, int status, const char *type, uint64_t length);
/* The protocol's status for an error, with its sentence in the status line and the body. */
void exchange_fail(struct exchange *x, const struct ms_error *err);
int exchange_status_of(int code); /* 404 for MS_ERR_NOT_FOUND … */
/* The connection ends after this answer. */
void exchange_close_after(struct exchange *x);

/* ---- for the `finished` hook (audit, metrics): how it went ---- */

bool exchange_answered(const struct exchange *x);
int exchange_status(const struct exchange *x);         /* 0: none was sent */
uint64_t exchange_sent(const struct exchange *x);      /* bytes of the answer's body */
uint64_t exchange_duration(const struct exchange *x);  /* ns since the headers were there */
int64_t exchange_began_wall(const struct exchange *x); /* ns since 1970 */

#endif
