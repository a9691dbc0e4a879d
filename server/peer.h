/* server/peer.h - who is at the other end, seen through a proxy of ours.
 *
 * With `behind-proxy = yes` a request from this machine (a UNIX socket, loopback) came through a
 * proxy, and the last address of its last X-Forwarded-For is the client's: that one the proxy has
 * added itself; what stands before it anybody may have written. */
#ifndef SERVER_PEER_H
#define SERVER_PEER_H

#include "server/exchange.h"
#include "server/served.h"

#define SERVER_PEER_SIZE 64

/* Writes to text, or returns what the exchange says. */
const char *server_peer(const struct server_site *site, const struct exchange *x,
                        char text[SERVER_PEER_SIZE]);
#endif
