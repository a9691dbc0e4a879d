/* server/rest_store.c - the storage behind a served store, as the REST protocol uses it: the
 * backend that a URL names, or the raw view of an MStore, with the quota. Opened when it is first
 * wanted; one thread opens, the others wait; no lock is held meanwhile. */
#include "server/rest_parts.h"

#include "base/log.h"
#include "base/text.h"
#include "mstore/raw_view.h"
#include "server/face.h"
#include "store/quota_backend.h"

#include <stdlib.h>

struct rest_busy {
    struct rest_busy *next;
    size_t size;
    char name[];
};

static struct ms_mutex making = MS_MUTEX_STATIC;

/* ---- life ---- */

static void shut(struct rest_store *s)
{
    ms_backend_free(s->backend);
    s->backend = NULL;
    s->open = false;
}

static void rest_store_free(void *more)
{
    struct rest_store *s = more;
    shut(s);
    ms_mutex_fini(&s->mutex);
    ms_cond_fini(&s->changed);
    free(s);
}

/* The one that belongs to the served; NULL: no memory. */
static struct rest_store *of(struct server_served *served)
{
    MS_HOLD(&making);
    struct rest_store *s = server_face_more(served);
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    ms_mutex_init(&s->mutex);
    ms_cond_init(&s->changed);
    server_face_set_more(served, s, rest_store_free);
    return s;
}

static int no_memory(const struct server_served *served, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the store %s", served->name);
}

/* ---- opening ---- */

static int make_plain(struct server_served *served, struct ms_backend **out, struct ms_error *err)
{
    struct ms_store *store;
    if (!server_face_is_mstore(served))
        return server_served_backend(served, out, err);
    int code = server_face_store(served, &store, err);
    return code ? code : ms_raw_view_over(store, out, err);
}

/* Closed. */
static int make(struct server_served *served, struct ms_backend **out, struct ms_error *err)
{
    struct ms_backend *plain;
    int code = make_plain(served, &plain, err);
    if (code || !served->quota_bytes) {
        if (!code)
            *out = plain;
        return code;
    }
    return ms_quota_backend_new(plain, served->quota_bytes, out, err);
}

static int make_open(struct server_served *served, struct ms_backend **out, struct ms_error *err)
{
    struct ms_backend *b;
    int code = make(served, &b, err);
    if (code)
        return code;
    code = ms_backend_open(b, err);
    if (code) {
        ms_backend_free(b);
        return code;
    }
    if (!served->quota_bytes) /* what was counted for one will not be true any more */
        (void)!ms_backend_delete(b, ms_str("quota.hid"), NULL);
    *out = b;
    return 0;
}

/* True: the caller is to open. */
static bool is_mine_to_open(struct rest_store *s)
{
    MS_HOLD(&s->mutex);
    while (s->opening)
        ms_cond_wait(&s->changed, &s->mutex);
    if (s->open)
        return false;
    s->opening = true;
    return true;
}

static int open_it(struct server_served *served, struct rest_store *s, struct ms_error *err)
{
    struct ms_capabilities can = {0};
    struct ms_backend *b = NULL;
    int code = make_open(served, &b, err);
    if (!code)
        ms_backend_capabilities(b, &can);
    MS_HOLD(&s->mutex);
    s->opening = false;
    s->open = !code;
    s->backend = b;
    s->flags = can.flags;
    s->has_quota = served->quota_bytes > 0;
    ms_cond_broadcast(&s->changed);
    return code;
}

int rest_store_enter(struct server_served *served, struct rest_store **out, struct ms_error *err)
{
    struct rest_store *s = of(served);
    if (!s)
        return no_memory(served, err);
    server_face_hold(served);
    int code = is_mine_to_open(s) ? open_it(served, s, err) : 0;
    if (code)
        server_face_drop(served);
    else
        *out = s;
    return code;
}

void rest_store_leave(struct server_served *served)
{
    server_face_drop(served);
}

/* ---- creating and destroying: alone ---- */

struct act {
    struct server_served *served;
    struct rest_store *store;
    bool destroy;
};

static int run_act(void *ctx, struct ms_store *closed, struct ms_error *err)
{
    struct act *a = ctx;
    struct ms_backend *b;
    shut(a->store);
    if (server_face_is_mstore(a->served))
        return a->destroy ? ms_store_destroy(closed, err) : ms_store_create(closed, err);
    int code = server_served_backend(a->served, &b, err);
    if (code)
        return code;
    code = a->destroy ? ms_backend_destroy(b, err) : ms_backend_create(b, err);
    ms_backend_free(b);
    return code;
}

static int act_alone(struct server_served *served, bool destroy, struct ms_error *err)
{
    struct act act = {served, of(served), destroy};
    return act.store ? server_face_alone(served, run_act, &act, err) : no_memory(served, err);
}

/* STORE_EXISTS when there is something in it. */
static int check_empty(struct ms_backend *b, struct ms_error *err)
{
    static const struct ms_list_request request = {.limit = 1, .names_only = true};
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    int code = ms_backend_list(b, ms_str(""), &request, &l, err);
    if (!code)
        code = ms_lister_next(l, &e, err);
    ms_lister_close(l);
    return code || !e
               ? code
               : ms_error_set(err, MS_ERR_STORE_EXISTS, "the store is there, with something in it");
}

/* One that is there and empty is taken as it is. */
int rest_store_create(struct server_served *served, struct ms_error *err)
{
    struct rest_store *s;
    int code = rest_store_enter(served, &s, err);
    if (code)
        return code == MS_ERR_NO_STORE ? act_alone(served, false, err) : code;
    code = check_empty(s->backend, err);
    rest_store_leave(served);
    return code;
}

int rest_store_destroy(struct server_served *served, struct ms_error *err)
{
    return act_alone(served, true, err);
}

/* ---- names that are being made ---- */

int rest_store_claim(struct rest_store *s, struct ms_view name, struct rest_busy **out,
                     struct ms_error *err)
{
    struct rest_busy *own = malloc(sizeof *own + name.size);
    if (!own)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    own->size = name.size;
    memcpy(own->name, name.data, name.size);
    MS_HOLD(&s->mutex);
    for (struct rest_busy *b = s->busy; b; b = b->next)
        if (ms_equal(ms_view(b->name, b->size), name)) {
            free(own);
            return ms_error_set(err, MS_ERR_EXISTS, "%s is being stored by another request",
                                MS_SHOW(name));
        }
    own->next = s->busy;
    s->busy = own;
    *out = own;
    return 0;
}

void rest_store_unclaim(struct rest_store *s, struct rest_busy *claim)
{
    if (!claim)
        return;
    MS_HOLD(&s->mutex);
    for (struct rest_busy **at = &s->busy; *at; at = &(*at)->next)
        if (*at == claim) {
            *at = claim->next;
            break;
        }
    free(claim);
}
