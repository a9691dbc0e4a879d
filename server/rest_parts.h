/* server/rest_parts.h - what the files of the REST protocol (server/rest.h) share.
 *
 *     rest.c         which request is what; names; how it ends
 *     rest_store.c   the storage behind a served store, opened when it is wanted
 *     rest_may.c     who may do what
 *     rest_get.c     HEAD, GET
 *     rest_put.c     POST of a value
 *     rest_verbs.c   the rest
 *     rest_parts.c   the body of defrag
 *     rest_scrub.c   where a storage lies is nobody's business
 */
#ifndef SERVER_REST_PARTS_H
#define SERVER_REST_PARTS_H

#include "server/exchange.h"
#include "server/served.h"

#include "base/hash.h"
#include "base/sync.h"
#include "store/permission_map.h"

#include <mstore/backend.h>
#include <mstore/store.h>

/* ---- the storage: rest_store.c ---- */

struct rest_busy; /* a name that is being made */
struct rest_store {
    struct ms_mutex mutex;
    struct ms_cond changed;
    bool open, opening; /* guarded by mutex, like the next */
    struct rest_busy *busy;
    struct ms_backend *backend; /* NULL: closed; with the quota, when there is one */
    unsigned flags;             /* of its capabilities */
    bool has_quota;
};

/* Opens it if need be, and holds it. NO_STORE and others. */
int rest_store_enter(struct server_served *served, struct rest_store **out,
                     struct ms_error *err) MS_MUST_CHECK;
void rest_store_leave(struct server_served *served);
/* Not held by the caller. */
int rest_store_create(struct server_served *served, struct ms_error *err) MS_MUST_CHECK;
int rest_store_destroy(struct server_served *served, struct ms_error *err) MS_MUST_CHECK;
/* The caller alone makes this name until it says so: for storages that cannot store only what is
 * absent. MS_ERR_EXISTS: somebody else does. */
int rest_store_claim(struct rest_store *s, struct ms_view name, struct rest_busy **out,
                     struct ms_error *err) MS_MUST_CHECK;
void rest_store_unclaim(struct rest_store *s, struct rest_busy *claim); /* NULL is safe */

/* ---- one request ---- */

struct rest_call {
    struct server_served *served;
    struct rest_store *store; /* NULL: not entered */
    struct ms_backend *b;     /* the store's */
    char *name;               /* without slashes around it; "" the root */
    bool slash;               /* the path ends in one */
    /* of a value that comes in */
    struct ms_writer *writer;
    struct ms_buf *first; /* until there is a writer */
    struct ms_hash *hash; /* NULL: none was sent */
    bool only_new;        /* may not replace: what is there is a refusal */
    struct rest_busy *claim;
    /* of a body that is read whole */
    uint8_t *body;
    size_t body_size, body_room;
};

static inline struct rest_call *rest_call_of(const struct exchange *x)
{
    return exchange_state(x);
}
/* Answers. rest_end: with 200 and nothing, or with the error. */
void rest_fail(struct exchange *x, const struct ms_error *err);
void rest_end(struct exchange *x, int code, const struct ms_error *err);
void rest_reply_text(struct exchange *x, const char *text);
void rest_no_cache(struct exchange *x);
/* The store of the call, open. Or the answer is there. */
bool rest_enter(struct exchange *x);
/* MS_ERR_NAME: not a name that BorgStore takes. */
int rest_check_name(const char *name, struct ms_error *err) MS_MUST_CHECK;

extern const struct exchange_route rest_route_head, rest_route_get, rest_route_list,
    rest_route_store, rest_route_delete, rest_route_create, rest_route_destroy, rest_route_mkdir,
    rest_route_rmdir, rest_route_move, rest_route_hash, rest_route_quota, rest_route_defrag;
void rest_done(struct exchange *x, bool complete);

/* ---- rights: rest_may.c ---- */

/* MS_ERR_PERMISSION unless one of the letters `any` is granted at the name. */
int rest_may(const struct rest_call *c, const char *deed, const char *name, unsigned any,
             struct ms_error *err) MS_MUST_CHECK;
/* Storing at the name; *only_new: not over what is there. */
int rest_may_store(const struct rest_call *c, const char *deed, const char *name, bool *only_new,
                   struct ms_error *err) MS_MUST_CHECK;
/* Makes sure that nothing is at a name that may only be new, as far as can be said beforehand: *pre
 * is what to store with. The claim is in c until it ends. */
int rest_only_new(struct rest_call *c, const char *name, enum ms_capability by,
                  struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
/* What EXISTS means to whom may only make what is new. */
int rest_only_new_result(const struct rest_call *c, const char *name, int code,
                         struct ms_error *err) MS_MUST_CHECK;

/* ---- the body of defrag, from outside: rest_parts.c ---- */

#define REST_PARTS_MAX  65536
#define REST_PARTS_TEXT ((size_t)16 << 20)
struct rest_parts {
    struct ms_part *parts;
    size_t count;
    char *names;
};
/* [["name", offset, size], …]; nothing else. MS_ERR_FORMAT, MS_ERR_NAME, MS_ERR_TOO_LARGE. */
int rest_parts_parse(struct ms_view json, struct rest_parts *out,
                     struct ms_error *err) MS_MUST_CHECK;
void rest_parts_fini(struct rest_parts *p);

/* ---- rest_scrub.c ---- */

/* Writes text to `to` (NUL-terminated, cut to room) with "[STORAGE_BASE]" for `base` and for
 * whatever else looks like a URL or an absolute path. base may be NULL. */
void rest_scrub(const char *text, const char *base, char *to, size_t room);

#endif
