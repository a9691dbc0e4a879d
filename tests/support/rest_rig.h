/* tests/support/rest_rig.h - the REST protocol over one store, in this process, without users: a
 * server on a port of 127.0.0.1 and requests to it by raw bytes. */
#ifndef SUPPORT_REST_RIG_H
#define SUPPORT_REST_RIG_H

#include "support/http_toy.h"

#include "server/served.h"

struct rest_rig {
    struct toy_server http;
    struct server_site *site;
    struct server_served *served;
};

/* store: a URL or a .conf. permissions, quota: as in a configuration; NULL: none. */
void rest_rig_start(struct rest_rig *r, const char *store, const char *permissions,
                    const char *quota);
void rest_rig_stop(struct rest_rig *r);
/* Its address as a URL of ours. */
void rest_rig_url(const struct rest_rig *r, char *url, size_t size);

/* One answer, its memory reused by the next. */
struct rest_answer {
    int status;
    const char *head, *body; /* NUL-terminated; head with its status line */
    size_t size;             /* of the body */
};
/* what: "GET /N/"; headers: lines that end in CRLF, or ""; body NULL: none. */
struct rest_answer rest_ask(const struct rest_rig *r, const char *what, const char *headers,
                            const char *body);

#endif
