/* From a request to whoever answers it, and what is written down of it afterwards: router.h. */
#include "server/router.h"

#include "server/audit.h"
#include "server/browser.h"
#include "server/counts.h"
#include "server/pages.h"
#include "server/peer.h"
#include "server/rest.h"
#include "server/served.h"

#include <stdlib.h>

struct server_caller *server_caller(const struct exchange *x)
{
    return exchange_guard(x);
}

static void release_caller(void *guard)
{
    struct server_caller *caller = guard;
    server_site_unref(caller->site);
    free(caller);
}

static struct server_caller *begin(const struct server_router *r, struct exchange *x)
{
    struct server_caller *caller = calloc(1, sizeof *caller);
    if (!caller) {
        exchange_reply_text(x, 500, "out of memory");
        return NULL;
    }
    caller->site = server_sites_now(r->sites);
    exchange_set_guard(x, caller, release_caller);
    server_count_begin();
    return caller;
}

static const struct exchange_route *route_to_store(const struct server_router *r,
                                                   struct server_caller *caller, struct exchange *x)
{
    const char *rest;
    struct server_served *served = server_site_find(caller->site, exchange_path(x), &rest);
    bool anyone = !server_site_users(caller->site) || (served && served->anyone);
    caller->served = served;
    if (server_refuses_browser(x, server_site_conf(caller->site), anyone))
        return NULL;
    if (server_auth_check(r->auth, caller->site, served, x, &caller->user))
        return NULL;
    if (served)
        return server_rest_route(x, served, rest);
    exchange_reply_text(x, 404, "no store is served at this path");
    return NULL;
}

const struct exchange_route *server_route(void *ctx, struct exchange *x)
{
    const struct server_router *r = ctx;
    struct server_caller *caller = begin(r, x);
    if (!caller)
        return NULL;
    if (server_rest_accepts(x))
        return route_to_store(r, caller, x);
    if (server_pages_have(exchange_path(x)))
        return server_pages_route(r, x);
    exchange_reply_text(x, 406, "Not Acceptable");
    return NULL;
}

/* ---- afterwards ---- */

static void audit(const struct server_router *r, struct exchange *x,
                  const struct server_caller *caller)
{
    char peer[SERVER_PEER_SIZE];
    struct server_audit_line line = {
        .wall_ns = exchange_began_wall(x),
        .peer = caller ? server_peer(caller->site, x, peer) : exchange_peer(x),
        .user = caller ? caller->user.name : NULL,
        .store = caller && caller->served ? caller->served->name : NULL,
        .method = exchange_method(x),
        .cmd = exchange_query(x, "cmd"),
        .name = exchange_path(x),
        .status = exchange_status(x),
        .in_bytes = exchange_received(x),
        .out_bytes = exchange_sent(x),
        .duration_ns = exchange_duration(x),
    };
    if (line.cmd && strcmp(line.cmd, "move") == 0) {
        line.name = exchange_query(x, "current");
        line.to = exchange_query(x, "new");
    }
    server_audit_write(r->audit, &line);
}

void server_finished(void *ctx, struct exchange *x)
{
    const struct server_caller *caller = server_caller(x);
    if (!caller)
        server_count_begin(); /* it was refused before */
    server_count_end(exchange_method(x), exchange_status(x) ? exchange_status(x) : 499,
                     exchange_received(x), exchange_sent(x), exchange_duration(x));
    audit(ctx, x, caller);
}
