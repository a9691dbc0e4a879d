/* server/auth.h - who makes a request, and whether as often.
 *
 * A password costs tens of milliseconds and megabytes to check, which strangers must not be able to
 * spend: failures are limited before that work is done, for each address and each user (a token
 * bucket each; 429 with Retry-After), only so many checks run at once and so many wait (503), and a
 * password that was right is remembered for a short while, as a MAC under a key of this process.
 * Any thread; the tables are of fixed size.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "server/users.h"

struct exchange;
struct server_auth;
struct server_site;
struct server_served;

struct server_auth_user {
    char name[SERVER_USER_MAX + 1]; /* "": nobody in particular */
    bool manages;                   /* may start upkeep, undelete and the like on the pages */
};

/* Zero means what is in parentheses. */
struct server_auth_options {
    unsigned failures_per_address; /* at once (20) */
    unsigned failures_per_user;    /* at once (50) */
    uint64_t address_interval_ns;  /* until one more is allowed (6 s) */
    uint64_t user_interval_ns;     /* until one more is allowed (6 s) */
    unsigned checks_at_once;       /* of passwords (2) */
    unsigned checks_waiting;       /* (64) */
    uint64_t remember_ns;          /* a right password (2 min) */
};

enum server_verdict {
    SERVER_WELCOME,
    SERVER_UNAUTHORIZED, /* 401 */
    SERVER_TOO_MANY,     /* 429: wait so long */
    SERVER_BUSY,         /* 503: too many checks are waiting */
};

int server_auth_new(struct ms_clock *clock, const struct server_auth_options *options,
                    struct server_auth **out, struct ms_error *err) MS_MUST_CHECK;
void server_auth_free(struct server_auth *auth);
/* Other limits from now on; what is remembered and counted stays. */
void server_auth_set(struct server_auth *auth, const struct server_auth_options *options);

/* authorization: the header's value, NULL when there is none. peer: as exchange_peer says, with or
 * without a port. Blocks while a password is checked. */
enum server_verdict server_auth_decide(struct server_auth *auth, const struct server_users *users,
                                       const char *peer, const char *authorization,
                                       struct server_auth_user *user, unsigned *retry_after_s);

/* The same for a request to a store (served NULL: to the server's own pages, which any user may
 * see). 0: go on, as `user` says. Otherwise it has been answered: 401, 403, 429 or 503. */
int server_auth_check(struct server_auth *auth, const struct server_site *site,
                      const struct server_served *served, struct exchange *x,
                      struct server_auth_user *user) MS_MUST_CHECK;

#endif
