/* tests/network/place.h - where a test of the network works: a server, and the way to it through a
 * proxy.
 *
 * The server's URL is in the environment ("sftp://user@127.0.0.1:2222//data?…"). The same URL with
 * the proxy's port leads through the proxy. */
#ifndef NETWORK_PLACE_H
#define NETWORK_PLACE_H

#include <mstore/mstore.h>

#include "proxy/client.h"

struct place {
    const char *name;     /* "sftp" */
    const char *variable; /* "MS_TEST_SFTP_URL" */
    unsigned cuts;        /* of each piece, 1 to 4: fewer where the server takes its time */
    const char *root;     /* variable with the server's folder on this machine, NULL: no such */
    bool one;             /* the server has one store, at its URL, and makes it itself */
};
extern const struct place places[];

const struct place *place_find(const char *name); /* NULL: no such */

/* Starts a proxy to the place's server. False: says why. */
bool place_proxy(const struct place *p, struct proxy_client *proxy);
/* The URL of `path` below the server's; port 0: directly, else on that port. `size` bytes at url.
 * False: too long, or the server's URL names no 127.0.0.1:PORT. */
bool place_url(const struct place *p, const char *path, int port, char *url, size_t size);
/* Counts files of this machine below root/path whose names end in ".tmp", and shows them. */
int place_debris(const struct place *p, const char *path);

#endif
