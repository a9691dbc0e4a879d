/* http_toy.h - handlers for the HTTP core alone, a server that runs them, and a client that speaks
 * raw bytes.
 *
 *   GET /bytes?n=N   N bytes 'x'               GET /file?n=N    the same, from a file
 *   GET /stream?n=N  in pieces                 GET /chunks?n=N  without a length
 *   GET /broken?n=N  a stream that ends early  POST /count      how many bytes came
 *   any /early       403 before the body       GET /hold        waits for toy_release
 *   GET /quiet       never answers             GET /late?ms=N   blocks so long
 */
#ifndef TESTS_SUPPORT_HTTP_TOY_H
#define TESTS_SUPPORT_HTTP_TOY_H

#include "server/http.h"

#include <stdatomic.h>

struct toy_counts {
    atomic_uint begun, done, incomplete, finished, held;
    atomic_bool release;
    _Atomic uint64_t body_bytes;
};
extern struct toy_counts toy;

const struct exchange_route *toy_route(void *ctx, struct exchange *x);
void toy_finished(void *ctx, struct exchange *x);

/* A server on 127.0.0.1 in a thread of its own. */
struct toy_server {
    struct http_server *http;
    struct ms_cancel *stop;
    struct ms_group *group;
    char port[8];
};
void toy_start(struct toy_server *t, const struct http_limits *limits, const char *address,
               struct http_tls *tls);
/* The same with another's handlers. */
void toy_start_router(struct toy_server *t, exchange_router *route, void *ctx);
void toy_stop(struct toy_server *t); /* and checks that nothing is left over */

int toy_connect(const struct toy_server *t);
void toy_send(int fd, const char *text);
/* All that comes until the other side closes or 5 s pass; "" when reset. The buffer is reused. */
const char *toy_receive(int fd);
/* One answer, by its Content-Length. */
const char *toy_answer(int fd);
/* Connects, sends, reads to the end, closes. */
const char *toy_ask(const struct toy_server *t, const char *text, size_t size);
#define toy_ask_text(t, text) toy_ask((t), (text), sizeof(text) - 1)
/* Whether the other side has closed (within 5 s). */
bool toy_closed(int fd);
/* Polls until the condition holds, at most 10 s. */
#define toy_wait_until(condition)                                                                  \
    do {                                                                                           \
        for (int tries_ = 0; tries_ < 1000 && !(condition); tries_++)                              \
            toy_pause();                                                                           \
        ms_assert(condition);                                                                      \
    } while (0)
void toy_pause(void); /* 10 ms */

#endif
