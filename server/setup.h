/* server/setup.h - from what the command line says to what is served, at the start and at SIGHUP.
 *
 * At SIGHUP all is read again: the configuration, the users, the certificate; the audit log is
 * opened anew. Everything is checked before anything is changed. When something is wrong, all stays
 * as it was, and one line on the log says why. Addresses, whether there is TLS, and what only the
 * command line says are those of the start. */
#ifndef SERVER_SETUP_H
#define SERVER_SETUP_H

#include "server/audit.h"
#include "server/auth.h"
#include "server/serve.h"
#include "server/served.h"

/* The configuration file and the settings, checked. */
int server_setup_conf(const struct serve_options *o, struct server_conf **out,
                      struct ms_error *err) MS_MUST_CHECK;
struct server_auth_options server_setup_auth(const struct server_conf *conf);

/* What a reload changes; borrowed. */
struct server_reloading {
    const struct serve_options *options;
    const struct server_faces *faces;
    struct server_sites *sites;
    struct server_audit *audit;
    /* May be NULL. renew: the certificate and the limits that conf names count from now on, or
     * nothing has changed; the last thing that can fail. followed: the site is the current one. */
    int (*renew)(void *ctx, const struct server_conf *conf, struct ms_error *err);
    void (*followed)(void *ctx, struct server_site *site);
    void *ctx;
};
int server_reload(const struct server_reloading *r, struct ms_error *err) MS_MUST_CHECK;

/* Reloads at each SIGHUP, from a task of the pool, until server_hangup_end. One at a time. */
struct server_hangup;
int server_hangup_begin(const struct server_reloading *r, struct server_hangup **out,
                        struct ms_error *err) MS_MUST_CHECK;
void server_hangup_end(struct server_hangup *h); /* NULL is safe */

#endif
