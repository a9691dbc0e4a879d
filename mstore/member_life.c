/* mstore/member_life.c - a member's storage begins and ends: what may be taken, and what may be
 * erased.
 *
 * Taken is what is empty, so that all that is in it later is the store's; or what has the store's
 * own folder, "mstore-UUID", with nothing in it, from a create that was broken off: what a member
 * had that has lost its mark may be old. Where the member keeps values
 * others may be there, and they stay when the member ends. Another store's folder is never
 * accepted. */
#include "mstore/member_parts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/layout.h"
#include "mstore/mark.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what lies at the root ---- */

struct root {
    bool own; /* the store's folder */
    char *other;
    struct ms_uuid other_store; /* zero: none */
};

static void root_fini(struct root *r)
{
    free(r->other);
}
#define AUTO_ROOT __attribute__((cleanup(root_fini)))

static int own_folder(const struct ms_member *m, struct ms_name *out, struct ms_error *err)
{
    int code = ms_member_mark_name(m, out, err);
    while (!code && out->text[--out->size] != '/')
        ;
    return code;
}

/* Whether a store keeps its own objects in a folder of that name. */
static bool is_a_stores(struct ms_view name, struct ms_uuid *out)
{
    static const char begin[] = "mstore-";
    size_t at = sizeof begin - 1;
    return name.size == at + 2 * sizeof out->bytes && memcmp(name.data, begin, at) == 0 &&
           ms_hex_decode(out->bytes, sizeof out->bytes, (const char *)name.data + at) == 0 &&
           ms_own_reserved(name, out);
}

/* Whether the layout has plain namespaces there. */
static bool is_plain(const struct ms_layout *l, struct ms_view name)
{
    for (size_t i = 0; l && i < l->space_count; i++) {
        const struct ms_layout_space *s = &l->spaces[i];
        size_t part = strcspn(s->name, "/");
        if (s->kind == MS_KIND_PLAIN && (!part || ms_equal(ms_view(s->name, part), name)))
            return true;
    }
    return false;
}

static int note_entry(const struct ms_member *m, const struct ms_layout *l, struct ms_view name,
                      struct root *r, struct ms_error *err)
{
    struct ms_uuid store;
    if (is_a_stores(name, &store)) {
        if (ms_uuid_equal(&store, &m->as.store))
            r->own = true;
        else
            r->other_store = store;
    } else if (!r->other && !m->keeps_values && !is_plain(l, name)) {
        r->other = strdup(MS_SHOW(name));
        if (!r->other)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to look at %s", m->backend->url);
    }
    return 0;
}

/* layout: whose plain namespaces may be there; NULL: none. */
static int look_at_root(struct ms_member *m, const struct ms_layout *layout, struct root *out,
                        struct ms_error *err)
{
    static const struct ms_list_request request = {.names_only = true};
    struct ms_lister *lister = NULL;
    const struct ms_entry *entry = NULL;
    int code = ms_backend_list(m->backend, ms_str(""), &request, &lister, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    while (!(code = ms_lister_next(lister, &entry, err)) && entry)
        if ((code = note_entry(m, layout, entry->name, out, err)))
            break;
    ms_lister_close(lister);
    return code;
}

static int refuse_other_store(const struct ms_member *m, const struct root *r, int code,
                              struct ms_error *err)
{
    return ms_error_set(err, code, "%s holds another store (UUID %s)", m->backend->url,
                        MS_UUID_SHOW(&r->other_store));
}

/* ---- the frame ---- */

/* One step of a member's life. ready: the storage has proven to be its own then. */
static int step(struct ms_member *m, bool ready,
                int (*fn)(struct ms_member *m, void *ctx, struct ms_error *err), void *ctx,
                struct ms_error *err)
{
    int code;
    struct ms_error why = {0};
    if (!ms_member_take_opening(m, true, &code, err))
        return code;
    code = fn(m, ctx, &why);
    ms_member_end_opening(m, code, &why);
    MS_HOLD(&m->mutex);
    if (!ready && m->stage == MS_MEMBER_READY)
        m->stage = MS_MEMBER_CLOSED;
    return code ? ms_error_set(err, code, "member %s: %s", m->name, why.text) : 0;
}

/* The same sentence under another code. */
static int as(int code, struct ms_error *err)
{
    if (err)
        err->code = code;
    return code;
}

static int close_backend(struct ms_member *m, struct ms_error *err)
{
    int code = m->backend_open ? ms_backend_close(m->backend, err) : 0;
    m->backend_open = false;
    return code;
}

/* ---- making ---- */

/* A driver sees more than a listing shows (temporary files, say), and refuses to create then. */
static int check_nothing(struct ms_member *m, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = close_backend(m, err);
    if (code)
        return code;
    if (ms_backend_create(m->backend, &why) == MS_ERR_STORE_EXISTS)
        return ms_error_set(err, why.code, "%s", why.text);
    return ms_member_open_backend(m, err);
}

/* What another has put there meanwhile is found by ms_member_prove. */
static int check_own(struct ms_member *m, struct ms_error *err)
{
    static const struct ms_list_request request = {.names_only = true};
    struct ms_lister *lister = NULL;
    const struct ms_entry *entry = NULL;
    struct ms_name folder, mark;
    int code = ms_member_mark_name(m, &mark, err);
    if (!code)
        code = own_folder(m, &folder, err);
    if (!code)
        code = ms_backend_list(m->backend, ms_name_view(&folder), &request, &lister, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    struct ms_view is_mark = ms_view(mark.text + folder.size + 1, mark.size - folder.size - 1);
    while (!(code = ms_lister_next(lister, &entry, err)) && entry)
        if (!ms_equal(entry->name, is_mark)) {
            code =
                ms_error_set(err, MS_ERR_STORE_EXISTS,
                             "%s has lost its mark but still holds %s/%s, which may be old: "
                             "empty it first",
                             m->backend->url, MS_SHOW(ms_name_view(&folder)), MS_SHOW(entry->name));
            break;
        }
    ms_lister_close(lister);
    return code;
}

static int check_root(struct ms_member *m, struct ms_error *err)
{
    AUTO_ROOT struct root r = {0};
    int code = look_at_root(m, NULL, &r, err);
    if (code)
        return code;
    if (!ms_uuid_is_zero(&r.other_store))
        return refuse_other_store(m, &r, MS_ERR_STORE_EXISTS, err);
    if (r.other)
        return ms_error_set(err, MS_ERR_STORE_EXISTS,
                            "%s is not empty: it holds %s, which is not this store's",
                            m->backend->url, r.other);
    if (r.own)
        return check_own(m, err);
    return m->keeps_values || m->looked ? 0 : check_nothing(m, err);
}

/* *ours: the mark is there. */
static int look(struct ms_member *m, bool *ours, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = ms_member_open_backend(m, &why);
    *ours = false;
    if (code == MS_ERR_NO_STORE && !m->backend->no_place) {
        m->absent = true;
        return 0;
    }
    if (!code) {
        code = ms_member_check_mark(m, &why);
        *ours = !code;
        if (code == MS_ERR_NO_STORE)
            return check_root(m, err);
    }
    return ms_error_set(err, code == MS_ERR_UNTRUSTED ? MS_ERR_STORE_EXISTS : code, "%s", why.text);
}

static int look_only(struct ms_member *m, void *ctx, struct ms_error *err)
{
    return look(m, ctx, err);
}

int ms_member_look(struct ms_member *m, struct ms_error *err)
{
    bool ours;
    int code = step(m, false, look_only, &ours, err);
    m->looked = !code;
    return code;
}

static int create_storage(struct ms_member *m, struct ms_error *err)
{
    int code = ms_member_open_backend(m, err);
    if (code != MS_ERR_NO_STORE)
        return code;
    code = ms_backend_create(m->backend, err);
    return code ? code : ms_member_open_backend(m, err);
}

static int put_mark(struct ms_member *m, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *mark = NULL;
    struct ms_name name;
    int code = ms_member_mark_name(m, &name, err);
    if (!code)
        code = ms_mark_make(&m->as.store, &m->as.uuid, &m->key, &mark, err);
    if (!code)
        code = ms_backend_store(m->backend, ms_name_view(&name), mark, NULL, NULL, err);
    m->fresh = m->fresh || !code;
    return code;
}

static int create_and_mark(struct ms_member *m, void *ctx, struct ms_error *err)
{
    bool ours;
    (void)ctx;
    int code = look(m, &ours, err);
    if (code || ours)
        return code;
    code = create_storage(m, err);
    if (code == MS_ERR_STORE_EXISTS) { /* made by another meanwhile */
        code = look(m, &ours, err);
        if (code || ours)
            return code;
        code = ms_member_open_backend(m, err);
    }
    return code ? code : put_mark(m, err);
}

int ms_member_create(struct ms_member *m, struct ms_error *err)
{
    int code = step(m, true, create_and_mark, NULL, err);
    if (!code)
        ms_health_try_now(m->health, ms_clock_now(m->clock)); /* whatever it was before */
    return code;
}

static int prove(struct ms_member *m, void *ctx, struct ms_error *err)
{
    (void)ctx;
    int code = ms_member_check_mark(m, err);
    return code == MS_ERR_UNTRUSTED ? as(MS_ERR_STORE_EXISTS, err) : code;
}

int ms_member_prove(struct ms_member *m, struct ms_error *err)
{
    return step(m, true, prove, NULL, err);
}

static int withdraw(struct ms_member *m, void *ctx, struct ms_error *err)
{
    struct ms_name name;
    (void)ctx;
    int code = ms_member_mark_name(m, &name, err);
    if (!code)
        code = ms_backend_delete(m->backend, ms_name_view(&name), err);
    if (!code)
        code = own_folder(m, &name, err);
    return code ? code : ms_backend_rmdir(m->backend, ms_name_view(&name), err);
}

void ms_member_withdraw(struct ms_member *m)
{
    if (m->fresh) /* in vain: the next create says whose it is */
        (void)!step(m, false, withdraw, NULL, NULL);
    m->fresh = false;
}

static int unmake(struct ms_member *m, void *ctx, struct ms_error *err)
{
    AUTO_ROOT struct root r = {0};
    (void)ctx;
    int code = ms_member_open_backend(m, err);
    if (!code)
        code = look_at_root(m, NULL, &r, err);
    if (code || r.own || r.other || !ms_uuid_is_zero(&r.other_store))
        return code;
    code = close_backend(m, err);
    return code ? code : ms_backend_destroy(m->backend, err);
}

void ms_member_unmake(struct ms_member *m)
{
    if (m->absent && !m->keeps_values) /* in vain: an empty one may be taken */
        (void)!step(m, false, unmake, NULL, NULL);
    m->absent = false;
}

int ms_member_owner(struct ms_member *m, struct ms_uuid *out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *found = NULL;
    struct ms_name name;
    int code = ms_member_mark_name(m, &name, err);
    if (!code)
        code = ms_backend_load(m->backend, ms_name_view(&name), 0, 4096, &found, NULL, err);
    if (code || ms_mark_named(ms_buf_view(found), &m->as.store, &m->key, out))
        return code;
    return ms_error_set(err, MS_ERR_UNTRUSTED, "%s: the mark is damaged", m->backend->url);
}

void ms_member_forgive(struct ms_member *m)
{
    int64_t wall = ms_clock_wall(m->clock);
    struct ms_health_saved well = {.state = MS_HEALTH_CLOSED, .changed_wall_ns = wall};
    ms_health_restore(m->health, &well, ms_clock_now(m->clock), wall);
}

/* ---- ending ---- */

struct ending {
    const struct ms_layout *layout;
    bool again;
};

/* marked: the storage has proven to be this member's. */
static int check_ours(struct ms_member *m, const struct ms_layout *layout, bool marked,
                      struct ms_error *err)
{
    AUTO_ROOT struct root r = {0};
    int code = look_at_root(m, marked ? layout : NULL, &r, err);
    if (code)
        return code;
    if (!ms_uuid_is_zero(&r.other_store))
        return refuse_other_store(m, &r, MS_ERR_EXISTS, err);
    if (!r.other)
        return 0;
    return ms_error_set(err, MS_ERR_EXISTS,
                        "%s also holds %s, which is not this store's: move it away first",
                        m->backend->url, r.other);
}

static int may_end(struct ms_member *m, void *ctx, struct ms_error *err)
{
    const struct ending *e = ctx;
    int code = ms_member_open_backend(m, err);
    if (!code)
        code = ms_member_check_mark(m, err);
    if (code == MS_ERR_NO_STORE) /* the member's storage, not the store */
        return as(MS_ERR_CONNECTION, err);
    return code ? code : check_ours(m, e->layout, true, err);
}

int ms_member_may_end(struct ms_member *m, const struct ms_layout *layout, struct ms_error *err)
{
    struct ending e = {layout, false};
    return step(m, true, may_end, &e, err);
}

#define AT_ONCE 64

/* At most AT_ONCE names of a folder, each to be freed. */
static int list_some(struct ms_backend *b, struct ms_view folder, char *names[AT_ONCE],
                     bool folders[AT_ONCE], size_t *count, struct ms_error *err)
{
    static const struct ms_list_request request = {.limit = AT_ONCE, .names_only = true};
    struct ms_lister *lister = NULL;
    const struct ms_entry *entry = NULL;
    int code = ms_backend_list(b, folder, &request, &lister, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    while (!code && *count < AT_ONCE && !(code = ms_lister_next(lister, &entry, err)) && entry) {
        folders[*count] = entry->info.directory;
        if (asprintf(&names[*count], "%.*s/%.*s", (int)folder.size, (const char *)folder.data,
                     (int)entry->name.size, (const char *)entry->name.data) < 0)
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the names on %s", b->url);
        else
            ++*count;
    }
    ms_lister_close(lister);
    return code;
}

static int remove_tree(struct ms_backend *b, struct ms_view folder, struct ms_error *err)
{
    size_t count = AT_ONCE;
    int code = 0;
    while (!code && count == AT_ONCE) {
        char *names[AT_ONCE];
        bool folders[AT_ONCE];
        count = 0;
        code = list_some(b, folder, names, folders, &count, err);
        for (size_t i = 0; i < count; i++) {
            if (!code)
                code = folders[i] ? remove_tree(b, ms_str(names[i]), err)
                                  : ms_backend_delete(b, ms_str(names[i]), err);
            code = code == MS_ERR_NOT_FOUND ? 0 : code;
            free(names[i]);
        }
    }
    if (!code)
        code = ms_backend_rmdir(b, folder, err);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

static int erase(struct ms_member *m, struct ms_error *err)
{
    struct ms_name name;
    int code = own_folder(m, &name, err);
    if (!code && m->keeps_values)
        return remove_tree(m->backend, ms_name_view(&name), err);
    if (!code)
        code = close_backend(m, err);
    return code ? code : ms_backend_destroy(m->backend, err);
}

/* What a destroy that was broken off has left: nothing, or a part, from which the mark may have
 * gone first. A plain root's keys can then no more be told from what somebody else has put there.
 */
static int check_rest(struct ms_member *m, const struct ms_layout *layout, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = ms_member_check_mark(m, &why);
    if (code && code != MS_ERR_NO_STORE)
        return ms_error_set(err, code, "%s", why.text);
    AUTO_ROOT struct root r = {0};
    if (code)
        code = look_at_root(m, NULL, &r, err);
    return code ? code
                : check_ours(m, layout, r.own || !r.other || !is_plain(layout, ms_str("")), err);
}

static int end(struct ms_member *m, void *ctx, struct ms_error *err)
{
    const struct ending *e = ctx;
    struct ms_error why = {0};
    int code = ms_member_open_backend(m, &why);
    if (code == MS_ERR_NO_STORE && e->again) { /* a store of many says so that is half ended, too */
        code = ms_backend_destroy(m->backend, &why);
        if (code == MS_ERR_NO_STORE)
            return 0;
    } else if (!code) {
        code = e->again ? check_rest(m, e->layout, &why) : ms_member_check_mark(m, &why);
        if (!code)
            code = erase(m, &why);
    }
    return code ? ms_error_set(err, code, "%s", why.text) : 0;
}

int ms_member_destroy(struct ms_member *m, const struct ms_layout *layout, bool again,
                      struct ms_error *err)
{
    struct ending e = {layout, again};
    return step(m, false, end, &e, err);
}

/* ---- what is left with one that is gone ---- */

/* Anything but folders, besides the store's own. */
static int check_no_files(struct ms_member *m, struct ms_view folder, struct ms_view own,
                          struct ms_error *err)
{
    static const struct ms_list_request request = {.names_only = true};
    struct ms_lister *lister = NULL;
    const struct ms_entry *entry = NULL;
    int code = ms_backend_list(m->backend, folder, &request, &lister, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    while (!code && !(code = ms_lister_next(lister, &entry, err)) && entry) {
        MS_AUTO_FREE char *name = NULL;
        if (!folder.size && ms_equal(entry->name, own))
            continue;
        if (asprintf(&name, "%.*s%s%.*s", (int)folder.size, (const char *)folder.data,
                     folder.size ? "/" : "", (int)entry->name.size,
                     (const char *)entry->name.data) < 0)
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to look at %s", m->backend->url);
        else if (entry->info.directory)
            code = check_no_files(m, ms_str(name), own, err);
        else
            code = ms_error_set(err, MS_ERR_EXISTS, "%s also holds %s", m->backend->url,
                                MS_SHOW(ms_str(name)));
    }
    ms_lister_close(lister);
    return code;
}

static int end_left(struct ms_member *m, void *ctx, struct ms_error *err)
{
    struct ms_name name;
    (void)ctx;
    int code = ms_member_open_backend(m, err);
    if (!code)
        code = ms_member_check_mark(m, err);
    if (!code)
        code = own_folder(m, &name, err);
    if (!code && !m->keeps_values)
        code = check_no_files(m, ms_str(""), ms_name_view(&name), err);
    return code ? code : erase(m, err);
}

int ms_member_destroy_left(struct ms_member *m, struct ms_error *err)
{
    return step(m, false, end_left, NULL, err);
}
