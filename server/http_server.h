/* server/http_server.h - inside of the HTTP server: its sockets, its connections, its threads.
 *
 * `mutex` guards the lists of connections and listeners' descriptors; the rest is atomic or set
 * before the threads begin.
 */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include "server/http_conn.h"

#include "base/pool.h"
#include "base/sync.h"

#define HTTP_LISTENERS_MAX 32
#define HTTP_THREADS_MAX   912
#define HTTP_PEER_BUCKETS  1024

struct http_listener {
    int fd;
    bool secure, local; /* local: a UNIX socket */
    bool lent;          /* others listen on it, too */
    char *address;
    char *unlink; /* the path of a UNIX socket that we made */
};

/* Kept until the server's end: a thread may still be reading those before. */
struct http_limits_kept {
    struct http_limits limits;
    struct http_limits_kept *before;
};

struct http_server {
    struct http_options options;
    _Atomic(struct http_limits_kept *) limits; /* in force, instead of those of options */
    struct http_listener listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    int epoll, wake; /* wake: an eventfd that ends the threads */
    int reserve;     /* given up for a moment when there are no descriptors left */

    struct ms_mutex mutex;
    struct http_tls *tls;
    struct http_conn *first;
    struct http_conn *by_peer[HTTP_PEER_BUCKETS];
    unsigned connections;

    atomic_uint requests; /* at once */
    atomic_bool stopping; /* no new ones */

    struct ms_group *group;
    unsigned base_threads;
    atomic_uint waiting;                        /* threads in epoll_wait */
    _Atomic uint64_t working[HTTP_THREADS_MAX]; /* since when; 0: it waits; 1: there is none */
    struct http_thread {
        struct http_server *server;
        unsigned index;
    } threads[HTTP_THREADS_MAX];
};

/* http_conns.c. The new connection takes fd (also on failure, when it is closed). NULL: refused. */
struct http_conn *http_conns_accept(struct http_server *s, const struct http_listener *l, int fd);
void http_conns_remove(struct http_server *s, struct http_conn *c);
/* Ends those that have kept us waiting too long; idle ones, too, when `idle`; all when `all`. */
void http_conns_expire(struct http_server *s, bool idle, bool all);
unsigned http_conns_count(struct http_server *s);

/* http_threads.c */
int http_threads_start(struct http_server *s, struct ms_error *err) MS_MUST_CHECK;
/* More of them when all are held up. Called some hundred times a second while there is work. */
void http_threads_tend(struct http_server *s);
void http_threads_stop(struct http_server *s);
bool http_threads_busy(const struct http_server *s);

/* http_listen.c */
void http_listeners_stop(struct http_server *s);
void http_listeners_close(struct http_server *s); /* when no thread runs any more */

#endif
