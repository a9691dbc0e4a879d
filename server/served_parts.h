/* server/served_parts.h - between server/served.c, which has sites, and served_store.c, which makes
 * what one of them serves. */
#ifndef SERVER_SERVED_PARTS_H
#define SERVER_SERVED_PARTS_H

#include "server/served.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ms_config_target;

struct server_full {
    struct server_served served; /* first */
    _Atomic size_t refs;
    char *identity;  /* all that it was made of: those with the same serve alike */
    char *place;     /* where the store lies: a URL, or the path of a .conf; NULL: nowhere */
    char *one_store; /* place, how it is used, the quota */
    struct server_conf_serve own; /* copies that served points into */
    char *shown;
    struct ms_permission_map *map;
    struct ms_config_target *target;  /* NULL: an MStore */
    const struct server_faces *faces; /* NULL: not begun */
};

static inline struct server_full *server_full(const struct server_served *s)
{
    return (struct server_full *)(uintptr_t)s;
}

/* no_users: nobody can be asked for. */
int server_full_new(const struct server_conf *conf, const struct server_conf_serve *serve,
                    bool no_users, struct server_full **out, struct ms_error *err) MS_MUST_CHECK;
int server_full_begin(struct server_full *f, const struct server_faces *faces,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
