/* tests/peers/rest_peer.h - a server of BorgStore's REST protocol v1 for tests, over one of our own
 * backends: what its files share. It is strict about names, as BorgStore is, and fails on demand.
 */
#ifndef PEERS_REST_PEER_H
#define PEERS_REST_PEER_H

#include <mstore/mstore.h>

struct settings {
    char backend[4200]; /* a URL of ours */
    const char *stores; /* a folder: the first part of a path names a store in it; NULL: one */
    const char *user, *password;
    int64_t quota; /* -1: none */
    unsigned long long body_max;
    const char *state, *log;
    bool stdio, no_atime;
    int port;
};
extern struct settings settings;

struct request {
    char *method, *path, *query; /* inside `head` */
    char *head;                  /* the lines of headers */
    uint8_t *body;
    size_t body_size;
    bool body_mapped; /* in a nameless file, not in memory */
};
/* The value of a header without blanks around it, malloc'ed; NULL: absent. */
char *request_header(const struct request *r, const char *name);

struct reply {
    int status;
    char reason[256];
    char headers[256]; /* more lines, each ended by CRLF */
    const char *type;  /* of the body, NULL: none */
    struct ms_buf *body;
};

/* rest_verbs.c: does what is asked. */
void serve(const struct request *r, struct reply *out);

/* rest_fault.c */
enum fault_kind {
    FAULT_NONE,
    FAULT_DROP,    /* closes without doing anything */
    FAULT_LOST,    /* does it, closes without an answer */
    FAULT_CUT,     /* does it, sends half of the answer, closes */
    FAULT_STALL,   /* does not answer */
    FAULT_GARBAGE, /* answers with bytes that are no HTTP */
    FAULT_HTML,    /* answers as a web server */
    FAULT_PLAIN,   /* answers as another server: without BorgStore's headers */
    FAULT_EXTRA,   /* says more than it announced */
    FAULT_ENDLESS, /* announces 2^60 bytes */
    FAULT_STATUS,  /* answers with the status, without doing it */
};
struct fault {
    enum fault_kind kind;
    int status;
};
/* "KIND[:COUNT][@PART]": for the first COUNT requests (default: all) whose "METHOD target" holds
 * PART. KIND is one above in lower case, or "status=503". */
bool fault_add(const char *text);
struct fault fault_take(const struct request *r);

#endif
