/* server/router.h - who answers a request: limits have been kept when it comes here; then the
 * Accept header of the REST protocol, the pages, authentication, the stores.
 *
 *   Accept: application/vnd.x.borgstore.rest.v1    server_rest_route (server/rest.h), after
 *                                                  server_auth_check of the store the path names
 *   /metrics /healthz /stats.json /ui*             server_pages_route (server/pages.h)
 *   anything else                                  406
 */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "server/exchange.h"

struct server_sites;
struct server_auth;
struct server_audit;

struct server_router {
    struct server_sites *sites;
    struct server_auth *auth;
    struct server_audit *audit;
};

/* An exchange_router; ctx: struct server_router. */
const struct exchange_route *server_route(void *ctx, struct exchange *x);
/* The `finished` hook: counts and audits. */
void server_finished(void *ctx, struct exchange *x);

#endif
