/* server/pages.h - what people and their tools look at: /healthz, /metrics, /stats.json and /ui,
 * the dashboard. docs/server.md has the table of paths, rights and answers.
 *
 * Every answer carries the headers that keep a page to itself (a content security policy that
 * allows nothing but this server's own files, no framing, no sniffing). A Host header that names
 * another site is refused, so that a foreign page cannot reach in by a name that changes its
 * address (DNS rebinding). What changes something is POST and needs two things that a foreign page
 * cannot have: a token in a header, which is a MAC of the user's name under a key of this process,
 * and an Origin that is this host.
 */
#ifndef SERVER_PAGES_H
#define SERVER_PAGES_H

#include "server/router.h"

/* Whether a path is a page's and not a store's. */
bool server_pages_have(const char *path);
/* For such a path. The caller is there already (server/router.h). */
const struct exchange_route *server_pages_route(const struct server_router *router,
                                                struct exchange *x);

#endif
