/* server/counts.h - what the server counts of itself: requests, bytes, connections, refusals.
 *
 * One set for the process, as /metrics and /stats.json show it. Any thread; relaxed additions. The
 * gauges (connections, requests in flight) are kept by giving back what was taken.
 */
#ifndef SERVER_COUNTS_H
#define SERVER_COUNTS_H

#include <mstore/base.h>

#define SERVER_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(DELETE) X(OPTIONS) X(OTHER)

enum server_method {
#define SERVER_X(name) SERVER_METHOD_##name,
    SERVER_METHODS(SERVER_X)
#undef SERVER_X
        SERVER_METHOD_COUNT
};
const char *server_method_name(enum server_method method);
enum server_method server_method_of(const char *method); /* OTHER for an unknown one */

/* Why the server refused or ended something before a store was asked. */
#define SERVER_REFUSALS(X)                                                                         \
    X(CONNECTIONS, "connections")         /* all of them together */                               \
    X(ADDRESS, "connections_per_address") /* too many from one address */                          \
    X(IN_FLIGHT, "requests_in_flight")    /* too many at once */                                   \
    X(HEADER_SIZE, "header_size")         /* request line and headers */                           \
    X(BODY_SIZE, "body_size")                                                                      \
    X(IDLE, "idle")                 /* nothing came on an open connection */                       \
    X(SLOW, "slow")                 /* a request or answer that does not get on */                 \
    X(LOGIN_FAILED, "login_failed") /* wrong name, password or token */                            \
    X(LOGIN_LIMIT, "login_limit")   /* too many failures: not even checked */                      \
    X(HOST, "host")                 /* a Host header that is none of ours */                       \
    X(ORIGIN, "origin")             /* an action asked for by another site's page */               \
    X(STOPPING, "stopping")         /* the server ends */

enum server_refusal {
#define SERVER_X(name, text) SERVER_REFUSED_##name,
    SERVER_REFUSALS(SERVER_X)
#undef SERVER_X
        SERVER_REFUSAL_COUNT
};
const char *server_refusal_name(enum server_refusal refusal);

void server_count_connection(int change); /* +1 accepted, -1 ended */
void server_count_begin(void);            /* a request's headers are there */
/* Its answer has gone out, or nobody waits for it any more (then status 499). Bytes of the bodies.
 */
void server_count_end(const char *method, int status, uint64_t in_bytes, uint64_t out_bytes,
                      uint64_t time_ns);
void server_count_refused(enum server_refusal refusal);
void server_count_scrypt(uint64_t time_ns); /* one password was compared the expensive way */

/* ---- reading them ---- */

#define SERVER_STATUS_FIRST 100
#define SERVER_STATUS_LAST  599
/* Time of requests: bucket i has those below 2^(SERVER_LE_FIRST + i) ns and not in one before; the
 * last one has the rest. */
#define SERVER_LE_FIRST   14 /* 16 us */
#define SERVER_LE_BUCKETS 24

struct server_method_counts {
    uint64_t statuses[SERVER_STATUS_LAST - SERVER_STATUS_FIRST + 1];
    uint64_t in_bytes, out_bytes, time_ns;
    uint64_t histogram[SERVER_LE_BUCKETS];
};
struct server_counts {
    uint64_t accepted; /* connections, ever */
    uint64_t connections, in_flight;
    uint64_t scrypts, scrypt_ns;
    uint64_t refused[SERVER_REFUSAL_COUNT];
    struct server_method_counts methods[SERVER_METHOD_COUNT];
};
/* Large: give it memory of the heap. Not exact to the request. */
void server_counts_take(struct server_counts *out);
void server_counts_reset(void); /* for tests: all to zero */

#endif
