/* server/served.h - which stores are served, at which paths, to whom.
 *
 * A site is all of that at one moment: immutable, with counted references. A request takes the
 * current site when it begins and gives it back when it is done; a reload makes another site and
 * puts it in its place, while requests under way finish on theirs. A store that both sites serve
 * alike is one `struct server_served` with a reference from each, so it is opened once.
 */
#ifndef SERVER_SERVED_H
#define SERVER_SERVED_H

#include "server/serve_conf.h"
#include "server/users.h"

#include <mstore/backend.h>
#include <mstore/store.h>

struct ms_permission_map;
struct server_auth_user;

struct server_served {
    const char *name;        /* of [serve NAME] */
    const char *path;        /* "" or "/borg/one" */
    const char *target;      /* what it serves: a URL, a [store NAME], a .conf of an MStore */
    const char *shown;       /* the same without secrets */
    const char *permissions; /* a map's text or shortcut; NULL: all is allowed */
    const struct ms_permission_map *map; /* the same, parsed; NULL: all */
    uint64_t quota_bytes;                /* 0: none */
    const char *one_store;    /* the same text: the same store, used alike; may hold a secret. NULL:
                                 one of its own */
    bool anyone;              /* no user is asked for */
    const char *const *users; /* who may use it; count 0: every user there is */
    size_t user_count;
    void *face; /* of struct server_faces */
};

/* What a store needs to be used, made when a site first serves it and ended with its last
 * reference. */
struct server_faces {
    int (*begin)(struct server_served *s, struct ms_error *err); /* sets s->face */
    void (*end)(struct server_served *s);
};

struct server_site;

/* Takes conf, also on failure. Checks everything that can be checked without a request: users,
 * managers, permissions, paths, targets. What `old` (NULL: none) serves in the same way is taken
 * from it. */
int server_site_new(struct server_conf *conf, const struct server_site *old,
                    const struct server_faces *faces, struct server_site **out,
                    struct ms_error *err) MS_MUST_CHECK;
struct server_site *server_site_ref(struct server_site *site);
void server_site_unref(struct server_site *site);

/* The store with the longest path that `path` (of a request, as sent) begins with, in whole
 * components; NULL: none. *rest is what follows, within path: "" or "/…". */
struct server_served *server_site_find(const struct server_site *site, const char *path,
                                       const char **rest);
struct server_served *server_site_at(const struct server_site *site, size_t index); /* NULL: end */
const struct server_users *server_site_users(const struct server_site *site);       /* NULL: none */
const struct server_conf *server_site_conf(const struct server_site *site);
bool server_site_manages(const struct server_site *site, const char *user);
/* Whether that user may use the store. */
bool server_served_admits(const struct server_served *s, const char *user);
/* For whoever needs it for longer than the site. */
void server_served_ref(struct server_served *s);
void server_served_unref(struct server_served *s);

/* What a store serves, closed: as a Store with its own settings, without `permissions` and
 * `quota`; as the backend below it, MS_ERR_UNSUPPORTED when it is an MStore. */
int server_served_store(const struct server_served *s, struct ms_store **out,
                        struct ms_error *err) MS_MUST_CHECK;
int server_served_backend(const struct server_served *s, struct ms_backend **out,
                          struct ms_error *err) MS_MUST_CHECK;

/* ---- the current site ---- */

struct server_sites;
/* Takes the site. */
int server_sites_new(struct server_site *first, struct server_sites **out,
                     struct ms_error *err) MS_MUST_CHECK;
void server_sites_free(struct server_sites *sites);
struct server_site *server_sites_now(struct server_sites *sites); /* a reference for the caller */
/* Puts `next` (taken) in the place of the current one. */
void server_sites_swap(struct server_sites *sites, struct server_site *next);

#endif
