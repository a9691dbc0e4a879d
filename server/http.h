/* server/http.h - the HTTP server: sockets, connections, limits, threads, a graceful end.
 *
 * One epoll instance and a few threads that wait on it. Whoever gets an event works on that
 * connection until it would have to wait for the client, then hands it back to epoll; so idle and
 * slow clients cost no thread. A route's calls may block: when all threads are held up, more are
 * made, up to the limit of requests at once. Deadlines are looked at some ten times a second.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "server/exchange.h"
#include "server/http_io.h"

struct http_server;

/* Zero means what is in parentheses. */
struct http_limits {
    unsigned connections;             /* in all (4096) */
    unsigned connections_per_address; /* an IPv6 address counts by its /64 (512) */
    unsigned requests;                /* at once; beyond: 503 with Retry-After (256, at most 900) */
    size_t header_bytes;              /* request line and headers (16 KiB) */
    uint64_t body_bytes;              /* of a request (1 TiB) */
    uint64_t header_ns;               /* from a request's first byte to its blank line (10 s); also
                                         for a TLS handshake */
    uint64_t idle_ns;                 /* between requests (75 s) */
    uint64_t stall_ns;                /* without any byte of a body, in or out (30 s) */
    uint64_t least_bytes;             /* of a body in a second, in or out, after stall_ns of waiting
                                         for the client (1024) */
    uint64_t stop_ns;                 /* for what is under way when the server stops (30 s) */
};

struct http_options {
    struct http_limits limits;
    struct ms_clock *clock; /* NULL: the real one */
    exchange_router *route;
    void (*finished)(void *ctx, struct exchange *x); /* after done; NULL: nobody asks */
    void *ctx;
};

int http_server_new(const struct http_options *options, struct http_server **out,
                    struct ms_error *err) MS_MUST_CHECK;
void http_server_free(struct http_server *s);

/* "127.0.0.1:5618", "[::1]:5618", "localhost:0", "unix:/run/mstore.sock". tls NULL: plain; a
 * reference is taken. Before http_server_run. */
int http_server_listen(struct http_server *s, const char *address, struct http_tls *tls,
                       struct ms_error *err) MS_MUST_CHECK;
/* A bound, listening socket; taken also on failure. */
int http_server_listen_fd(struct http_server *s, int fd, struct http_tls *tls,
                          struct ms_error *err) MS_MUST_CHECK;
/* The sockets of LISTEN_FDS and LISTEN_PID, from descriptor 3 on. TLS is for TCP alone. */
int http_server_listen_activated(struct http_server *s, struct http_tls *tls,
                                 struct ms_error *err) MS_MUST_CHECK;
/* "127.0.0.1:40123" as it was bound; NULL behind the last. */
const char *http_server_address(const struct http_server *s, size_t index);
/* Connections from now on use that certificate (NULL is not allowed); where there was none, there
 * still is none. Any thread. */
void http_server_renew_tls(struct http_server *s, struct http_tls *tls);

/* Other limits from now on; connections and requests that are there beyond them stay. Any thread,
 * one at a time. On failure all is as it was. */
int http_server_set_limits(struct http_server *s, const struct http_limits *limits,
                           struct ms_error *err) MS_MUST_CHECK;
/* Those in force, without zeros. */
const struct http_limits *http_server_limits(const struct http_server *s);

/* Until the current token fires; then what is under way goes on for at most stop_ns, and is
 * cancelled after that. */
int http_server_run(struct http_server *s, struct ms_error *err) MS_MUST_CHECK;
/* One client on two descriptors, which stay open, until the end of input or the current token
 * fires. "Connection: close" does not end it, no Host is asked for, nothing is timed. */
void http_server_serve(struct http_server *s, int in, int out);

#endif
