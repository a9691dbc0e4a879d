/* server/exchange_core.h - inside of an exchange: the request as it was parsed, the answer as it is
 * being made and sent. One thread at a time.
 */
#ifndef SERVER_EXCHANGE_CORE_H
#define SERVER_EXCHANGE_CORE_H

#include "server/exchange.h"
#include "server/http_parse.h"

struct exchange_peer {
    char text[64];
    bool secure, loopback, local;
};

enum exchange_source {
    EXCHANGE_NOTHING, /* no body, whatever length says */
    EXCHANGE_BYTES,
    EXCHANGE_FILE,
    EXCHANGE_STREAM,
};

/* The answer's body. Whoever puts one in gives away buf, fd and ctx. */
struct exchange_body {
    enum exchange_source source;
    uint64_t length; /* EXCHANGE_CHUNKED */
    struct ms_buf *buf;
    int fd; /* -1 */
    uint64_t offset;
    exchange_read *read;
    void *ctx;
    void (*free)(void *ctx);
};

struct exchange_kept { /* a decoded text */
    struct exchange_kept *next;
    char text[];
};

struct exchange {
    const struct exchange_peer *peer;
    struct ms_clock *clock;
    const struct exchange_route *route; /* NULL: none, or not yet */
    bool routed;                        /* done is owed */
    void *state, *guard;
    void (*release_guard)(void *guard);
    char *text; /* what head points into */
    struct exchange_kept *kept;
    uint64_t began_ns;
    int64_t began_wall_ns;

    uint64_t received; /* of the body */
    bool received_all;

    int status; /* 0: not answered */
    bool close_after, no_memory;
    char reason[256];
    const char *type; /* a copy in kept */
    char *fields;     /* "Name: value\r\n"… */
    size_t fields_size;
    struct exchange_body body;
    uint64_t sent; /* of the body */

    struct http_head head; /* last: large, and not zeroed */
};

/* text (malloc'ed, NULL: no head was understood) is taken. */
struct exchange *exchange_new(const struct exchange_peer *peer, struct ms_clock *clock);
/* Frees what the answer holds as well; calls neither done nor finished. */
void exchange_free(struct exchange *x);
void exchange_drop_body(struct exchange *x);
bool exchange_is_head(const struct exchange *x);

/* The answer's first bytes, malloc'ed; NULL: no memory. *chunked: the body goes in chunks. */
char *exchange_head_text(struct exchange *x, bool close, size_t *size, bool *chunked);

#endif
