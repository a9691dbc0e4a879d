/* server/auth_check.c - the answer to those who may not (see server/auth.h). */
#include "server/auth.h"

#include "server/exchange.h"
#include "server/peer.h"
#include "server/served.h"

#include <stdio.h>

static int unauthorized(struct exchange *x)
{
    exchange_header_add(x, "WWW-Authenticate", "Basic realm=\"BorgStore REST Server\"");
    exchange_reply_text(x, 401, "Unauthorized");
    return MS_ERR_AUTH;
}

static int later(struct exchange *x, int status, unsigned retry_after_s, const char *text)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after_s);
    exchange_header_add(x, "Retry-After", seconds);
    exchange_reply_text(x, status, text);
    return MS_ERR_BUSY;
}

static int decide(struct server_auth *auth, const struct server_site *site, struct exchange *x,
                  struct server_auth_user *user)
{
    unsigned wait;
    char peer[SERVER_PEER_SIZE];
    const struct server_users *users = server_site_users(site);
    const char *header = exchange_header(x, "Authorization");
    if (exchange_header_count(x, "Authorization") > 1)
        return unauthorized(x);
    switch (server_auth_decide(auth, users, server_peer(site, x, peer), header, user, &wait)) {
    case SERVER_WELCOME:
        return 0;
    case SERVER_TOO_MANY:
        return later(x, 429, wait, "Too many failed logins, please wait");
    case SERVER_BUSY:
        return later(x, 503, wait, "Too many logins at once, please retry");
    case SERVER_UNAUTHORIZED:
        break;
    }
    return unauthorized(x);
}

int server_auth_check(struct server_auth *auth, const struct server_site *site,
                      const struct server_served *served, struct exchange *x,
                      struct server_auth_user *user)
{
    *user = (struct server_auth_user){0};
    if (!server_site_users(site) || (served && served->anyone))
        return 0;
    int code = decide(auth, site, x, user);
    if (code)
        return code;
    user->manages = server_site_manages(site, user->name);
    if (!served || server_served_admits(served, user->name))
        return 0;
    exchange_reply_text(x, 403, "This user may not use this store");
    return MS_ERR_PERMISSION;
}
