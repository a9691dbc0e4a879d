/* server/http_conn.h - one connection: a machine that reads requests, has them answered, and sends
 * the answers, until it would have to wait for the client.
 *
 *   handshake -> head -> body -> reply -> head …
 *                  \________\______/ \-> linger -> closed
 *
 * One thread at a time; `waits` is what others may look at while nobody works on it.
 */
#ifndef SERVER_HTTP_CONN_H
#define SERVER_HTTP_CONN_H

#include "server/exchange_core.h"
#include "server/http.h"

#include <netinet/in.h>
#include <stdatomic.h>

enum http_state { HTTP_HANDSHAKE, HTTP_HEAD, HTTP_BODY, HTTP_REPLY, HTTP_LINGER };

enum http_next { HTTP_GO_ON, HTTP_WANT_READ, HTTP_WANT_WRITE, HTTP_CLOSE };

/* Bytes that came and have not been used. */
struct http_input {
    uint8_t *data;
    size_t start, end, capacity;
};

/* An answer on its way: its head, then pieces of its body. */
struct http_sending {
    char *head;
    size_t head_at, head_size;
    bool chunked, ended; /* ended: no further piece */
    uint64_t left;       /* of a known length, not yet in a piece */
    const uint8_t *piece;
    size_t piece_at, piece_size, piece_payload;
    uint8_t *buffer;
};

/* How long the client may keep us waiting: set before epoll gets the connection. */
struct http_waits {
    _Atomic uint64_t deadline_ns; /* UINT64_MAX: for ever; 0: somebody works on it */
    atomic_bool idle;             /* between requests */
    atomic_bool to_write;
    atomic_bool expired;
};

struct http_conn {
    struct http_server *server;
    struct http_io io;
    struct exchange_peer peer;
    enum http_state state;
    struct http_input in;
    size_t scanned; /* of a head */
    struct exchange *x;
    bool counted; /* among the requests at once */
    bool discard; /* what is left of the body is nobody's */
    struct http_chunks chunks;
    uint64_t body_left;
    bool says_continue; /* 100 Continue is to be sent */
    struct http_sending out;

    uint64_t armed_ns, waited_ns, moved; /* since the state began */
    struct http_waits waits;

    bool registered; /* in the server's lists, guarded by its mutex */
    struct in6_addr address;
    struct http_conn *next, *previous, *next_same;
};

enum http_next http_conn_step(struct http_conn *c);
/* To be called before and after waiting; `want` is what the step said. */
void http_conn_arm(struct http_conn *c, enum http_next want);
void http_conn_wake(struct http_conn *c);
/* Ends an exchange under way and frees all but the struct itself. */
void http_conn_fini(struct http_conn *c);

void http_conn_enter(struct http_conn *c, enum http_state state);
/* The answer to c->x is there, or the core gives one: server/http_send.c sends it. */
void http_reply_begin(struct http_conn *c);
enum http_next http_reply_step(struct http_conn *c);
void http_exchange_end(struct http_conn *c, bool complete);
void http_sending_fini(struct http_sending *out);

/* What the machine asks of the server (server/http.c). */
const struct http_options *http_server_options(const struct http_server *s);
bool http_server_stopping(const struct http_server *s);
bool http_server_take_request(struct http_server *s); /* false: too many at once */
void http_server_give_request(struct http_server *s);

#define HTTP_BUFFER ((size_t)64 << 10)

#endif
