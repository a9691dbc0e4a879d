/* server/browser.h - what a foreign page can make somebody's browser send: requests of its own,
 * with the login that the browser remembers, and, when the page's name is made to lead here,
 * requests whose answers it may read. */
#ifndef SERVER_BROWSER_H
#define SERVER_BROWSER_H

#include "server/exchange.h"
#include "server/serve_conf.h"

/* A foreign name can be made to lead here, an address cannot be made to be foreign; and over TLS
 * the browser has compared the name with the certificate. Who sends no Host is no browser. False:
 * counted as refused, not answered. */
bool server_host_is_ours(const struct exchange *x, const struct server_conf *conf);
#define SERVER_HOST_REFUSED                                                                        \
    "this host name is none of the server's: use its address, or name it in host-names of "        \
    "[server]"

/* Before a request of the REST protocol: its one header that browsers do not send by themselves,
 * Accept, is one that pages may set for other sites. What a browser adds (Origin, Sec-Fetch-Site)
 * tells it from a program; where no login is asked for, the Host has to be ours, too, but over a
 * UNIX socket, which no browser reaches. True: it has been answered. */
bool server_refuses_browser(struct exchange *x, const struct server_conf *conf, bool anyone);

#endif
