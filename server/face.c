/* Opening on demand: one thread opens, the others wait for it; none while the lock is held. */
#include "server/face.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/sync.h"
#include "store/permission_map.h"

#include <stdlib.h>

#define SECOND       UINT64_C(1000000000)
#define RETRY_AFTER  (3 * SECOND)
#define ALONE_WITHIN (10 * SECOND) /* then it is in use */

static struct ms_mutex faces_mutex = MS_MUTEX_STATIC;
static struct server_face *faces; /* guarded by faces_mutex, like their next and refs */

struct server_face {
    struct server_face *next;
    size_t refs;            /* of served stores */
    char *name, *one_store; /* name: of the first of them, for messages */
    struct ms_store *store;
    struct ms_mutex mutex;
    struct ms_cond changed;
    bool open, opening; /* guarded by mutex, like the next */
    bool alone;         /* somebody ends it, or waits to */
    unsigned held;
    struct ms_error trouble; /* of the last try; code 0: none failed */
    uint64_t tried_ns;
    struct server_background_options options;
    struct server_background *background;
    struct ms_group *openers; /* tasks of server_faces_follow */
    void *more;
    void (*free_more)(void *more);
};

/* ---- life ---- */

static void free_face(struct server_face *f)
{
    ms_store_free(f->store);
    ms_wipe_free(f->one_store);
    free(f->name);
    free(f);
}

static int new_face(const struct server_served *s, struct server_face **out, struct ms_error *err)
{
    struct server_face *f = calloc(1, sizeof *f);
    if (f) {
        f->refs = 1;
        f->name = strdup(s->name);
        f->one_store = s->one_store ? strdup(s->one_store) : NULL;
    }
    int code = !f || !f->name || (s->one_store && !f->one_store)
                   ? ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the store %s", s->name)
                   : server_served_store(s, &f->store, err);
    if (!code)
        code = ms_group_new(&f->openers, err);
    if (code && f)
        free_face(f);
    if (code)
        return code;
    ms_mutex_init(&f->mutex);
    ms_cond_init(&f->changed);
    *out = f;
    return 0;
}

/* Making one touches no storage, so the lock may be held. */
static int begin(struct server_served *s, struct ms_error *err)
{
    struct server_face *f;
    MS_HOLD(&faces_mutex);
    for (f = faces; f; f = f->next)
        if (s->one_store && f->one_store && strcmp(f->one_store, s->one_store) == 0) {
            f->refs++;
            s->face = f;
            return 0;
        }
    int code = new_face(s, &f, err);
    if (code)
        return code;
    f->next = faces;
    s->face = faces = f;
    return 0;
}

/* True: it was the last, and nobody finds it any more. */
static bool give_up(struct server_face *f)
{
    MS_HOLD(&faces_mutex);
    if (--f->refs)
        return false;
    struct server_face **at = &faces;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    return true;
}

static void end(struct server_served *s)
{
    struct server_face *f = s->face;
    struct ms_join join;
    s->face = NULL;
    if (!f || !give_up(f))
        return;
    ms_group_cancel(f->openers);
    ms_group_join_all(f->openers, &join);
    ms_group_release(f->openers);
    server_background_free(f->background);
    if (f->free_more)
        f->free_more(f->more);
    ms_mutex_fini(&f->mutex);
    ms_cond_fini(&f->changed);
    free_face(f);
}

const struct server_faces server_faces_usual = {begin, end};

/* ---- opening ---- */

/* True: the caller is to open. Waits while another does. */
static bool is_mine_to_open(struct server_face *f)
{
    MS_HOLD(&f->mutex);
    while (f->opening || (f->alone && !f->held))
        ms_cond_wait(&f->changed, &f->mutex);
    uint64_t now = ms_clock_now(ms_clock_real());
    if (f->open || (f->trouble.code && now - f->tried_ns < RETRY_AFTER))
        return false;
    f->opening = true;
    f->tried_ns = now;
    return true;
}

static struct server_background_options options_now(struct server_face *f)
{
    MS_HOLD(&f->mutex);
    return f->options;
}

/* What is said of background work meanwhile counts as soon as it is there. */
static void open_it(struct server_face *f)
{
    struct server_background_options options = options_now(f);
    struct ms_error err = {0};
    struct server_background *background = NULL;
    int code = ms_store_open(f->store, &err);
    if (!code) {
        code = server_background_new(f->name, f->store, &options, &background, &err);
        if (code && ms_store_close(f->store, NULL))
            ms_log(MS_LOG_WARN, "%s: it does not close", f->name);
    }
    if (code)
        ms_log(code == MS_ERR_NO_STORE ? MS_LOG_INFO : MS_LOG_WARN, "%s: %s", f->name, err.text);
    MS_HOLD(&f->mutex);
    f->opening = false;
    f->open = code == 0;
    f->trouble = err;
    f->trouble.code = code;
    f->background = background;
    if (background)
        server_background_set(background, &f->options);
    ms_cond_broadcast(&f->changed);
}

int server_face_store(struct server_served *s, struct ms_store **out, struct ms_error *err)
{
    struct server_face *f = s->face;
    if (is_mine_to_open(f))
        open_it(f);
    MS_HOLD(&f->mutex);
    if (!f->open)
        return ms_error_set(err, f->trouble.code, "%s", f->trouble.text);
    *out = f->store;
    return 0;
}

/* ---- ending it for a while ---- */

void server_face_hold(struct server_served *s)
{
    struct server_face *f = s->face;
    MS_HOLD(&f->mutex);
    while (f->alone)
        ms_cond_wait(&f->changed, &f->mutex);
    f->held++;
}

void server_face_drop(struct server_served *s)
{
    struct server_face *f = s->face;
    MS_HOLD(&f->mutex);
    if (--f->held == 0)
        ms_cond_broadcast(&f->changed);
}

/* Waits until the caller is alone. The background work is its to end then; *open: the store is. */
static int begin_alone(struct server_face *f, bool *open, struct server_background **background,
                       struct ms_error *err)
{
    uint64_t deadline = ms_clock_now(ms_clock_real()) + ALONE_WITHIN;
    MS_HOLD(&f->mutex);
    while (f->alone || f->opening)
        ms_cond_wait(&f->changed, &f->mutex);
    f->alone = true;
    while (f->held) {
        if (ms_cond_wait_until(&f->changed, &f->mutex, ms_clock_real(), deadline))
            continue;
        f->alone = false;
        ms_cond_broadcast(&f->changed);
        return ms_error_set(err, MS_ERR_BUSY, "the store is in use; try again");
    }
    *open = f->open;
    f->open = false;
    *background = MS_TAKE(f->background);
    return 0;
}

static void end_alone(struct server_face *f)
{
    MS_HOLD(&f->mutex);
    f->alone = false;
    f->trouble = (struct ms_error){0};
    f->tried_ns = 0;
    ms_cond_broadcast(&f->changed);
}

int server_face_alone(struct server_served *s,
                      int (*act)(void *ctx, struct ms_store *closed, struct ms_error *err),
                      void *ctx, struct ms_error *err)
{
    struct server_face *f = s->face;
    struct server_background *background = NULL;
    bool open = false;
    int code = begin_alone(f, &open, &background, err);
    if (code)
        return code;
    server_background_free(background);
    if (open)
        code = ms_store_close(f->store, err);
    if (!code)
        code = act(ctx, f->store, err);
    end_alone(f);
    return code;
}

bool server_face_is_mstore(const struct server_served *s)
{
    return ms_store_is_mstore(((const struct server_face *)s->face)->store);
}

struct server_background *server_face_background(struct server_served *s)
{
    struct server_face *f = s->face;
    MS_HOLD(&f->mutex);
    return f->background;
}

/* ---- following a configuration ---- */

static int open_soon(void *arg)
{
    struct server_face *f = arg;
    if (is_mine_to_open(f))
        open_it(f);
    return 0;
}

void server_face_try(struct server_served *s)
{
    struct server_face *f = s->face;
    ms_mutex_lock(&f->mutex);
    bool soon = ms_clock_now(ms_clock_real()) - f->tried_ns >= RETRY_AFTER;
    bool wanted = !f->open && !f->opening && (soon || !f->tried_ns);
    ms_mutex_unlock(&f->mutex);
    if (wanted)
        (void)!ms_group_fork(f->openers, open_soon, NULL, f, NULL);
}

void server_faces_follow(struct server_site *site)
{
    const struct server_conf *conf = server_site_conf(site);
    struct server_background_options options = {
        .scrub_every_ns = conf->scrub_interval_ns,
        .bytes_per_second = conf->upkeep_bandwidth_bps / 8,
        .heal = !conf->no_heal,
    };
    struct server_served *s;
    for (size_t i = 0; (s = server_site_at(site, i)); i++) {
        struct server_face *f = s->face;
        ms_mutex_lock(&f->mutex);
        f->options = options;
        struct server_background *background = f->background;
        ms_mutex_unlock(&f->mutex);
        if (background)
            server_background_set(background, &options);
        else
            server_face_try(s);
    }
}

/* ---- rights, and what others keep ---- */

unsigned server_served_granted(const struct server_served *s, struct ms_view path)
{
    if (!s->map)
        return MS_MAY_ALL;
    const struct ms_permission_entry *e = ms_permission_map_find(s->map, path);
    return e ? e->granted : 0;
}

void *server_face_more(const struct server_served *s)
{
    struct server_face *f = s->face;
    MS_HOLD(&f->mutex);
    return f->more;
}

void server_face_set_more(struct server_served *s, void *more, void (*free_more)(void *more))
{
    struct server_face *f = s->face;
    MS_HOLD(&f->mutex);
    f->more = more;
    f->free_more = free_more;
}
