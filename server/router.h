/* server/router.h - who answers a request: limits have been kept when it comes here; then the
 * Accept header of the REST protocol, the pages, authentication, the stores.
 *
 *   Accept: application/vnd.x.borgstore.rest.v1    server_rest_route (server/rest.h), after
 *                                                  server_auth_check of the store the path names
 *   /metrics /healthz /stats.json /ui*             server_pages_route (server/pages.h)
 *   anything else                                  406
 *
 * What it has found out about a request (struct server_caller) is the exchange's guard: it holds
 * the site that the request began with, until the request has ended and was counted and audited.
 */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "server/auth.h"
#include "server/exchange.h"

struct server_sites;
struct server_site;
struct server_served;
struct server_audit;

struct server_router {
    struct server_sites *sites;
    struct server_auth *auth;
    struct server_audit *audit;
};

struct server_caller {
    struct server_site *site;
    const struct server_served *served; /* NULL: none, or none yet */
    struct server_auth_user user;
    bool holds; /* all stores of the site: a page does, until it is done */
};

/* An exchange_router; ctx: struct server_router. */
const struct exchange_route *server_route(void *ctx, struct exchange *x);
/* The `finished` hook: counts and audits. */
void server_finished(void *ctx, struct exchange *x);
/* NULL: the request did not come as far as the router. */
struct server_caller *server_caller(const struct exchange *x);

#endif
