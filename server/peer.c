/* server/peer.c - see server/peer.h. */
#include "server/peer.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool is_proxied(const struct server_site *site, const struct exchange *x)
{
    return server_site_conf(site)->behind_proxy && (exchange_local(x) || exchange_loopback(x)) &&
           exchange_header_count(x, "X-Forwarded-For");
}

static bool is_address(const char *text)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

const char *server_peer(const struct server_site *site, const struct exchange *x,
                        char text[SERVER_PEER_SIZE])
{
    if (!is_proxied(site, x))
        return exchange_peer(x);
    size_t count = exchange_header_count(x, "X-Forwarded-For");
    const char *list = exchange_header_at(x, "X-Forwarded-For", count - 1);
    const char *comma = strrchr(list, ',');
    const char *last = comma ? comma + 1 : list;
    snprintf(text, SERVER_PEER_SIZE, "%s", last + strspn(last, " \t"));
    return is_address(text) ? text : exchange_peer(x);
}
