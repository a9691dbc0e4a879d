/* server/rest.h - BorgStore's REST protocol v1: the requests to a served store.
 *
 * Names in paths are the storage's own: nested already, with ".del" behind what is soft-deleted.
 * docs/server.md has the table of requests. What comes here has passed authentication. */
#ifndef SERVER_REST_H
#define SERVER_REST_H

#include "server/exchange.h"

struct server_served;

/* The one Accept header that the protocol knows is there. */
bool server_rest_accepts(const struct exchange *x);
/* Who answers: `rest` is what follows the store's path in exchange_path ("" or "/…", within it).
 * Sets the exchange's state. NULL: it has been answered. The caller keeps `served` (and what it
 * belongs to) until the exchange's guard is released. */
const struct exchange_route *server_rest_route(struct exchange *x, struct server_served *served,
                                               const char *rest);

#endif
