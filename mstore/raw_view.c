/* mstore/raw_view.c - see mstore/raw_view.h. Slots that stay empty are served by the generic
 * fallbacks over the others. */
#include "mstore/raw_view.h"

#include "backends/name.h"
#include "base/text.h"
#include "mstore/raw_parts.h"
#include "store/store_face.h"
#include "store/names.h"

#include <mstore/multi.h>

#include <stdlib.h>

static struct ms_store *store_of(struct ms_backend *b)
{
    return ms_raw_of(b)->store;
}

/* ---- life ---- */

static int not_ours(struct ms_backend *b, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: its owner creates and destroys it", b->url);
}

static int raw_create(struct ms_backend *b, struct ms_error *err)
{
    return ms_raw_of(b)->owned ? ms_store_create(store_of(b), err) : not_ours(b, err);
}

static int raw_destroy(struct ms_backend *b, struct ms_error *err)
{
    return ms_raw_of(b)->owned ? ms_store_destroy(store_of(b), err) : not_ours(b, err);
}

static int raw_open(struct ms_backend *b, struct ms_error *err)
{
    struct ms_raw *raw = ms_raw_of(b);
    int code = raw->owned ? ms_store_open(raw->store, err) : 0;
    if (code)
        return code;
    code = ms_backend_create(raw->directories, err);
    if (!code)
        code = ms_backend_open(raw->directories, err);
    atomic_store(&raw->remembered, 0);
    if (code && raw->owned)
        (void)!ms_store_close(raw->store, NULL);
    return code;
}

static int raw_close(struct ms_backend *b, struct ms_error *err)
{
    struct ms_raw *raw = ms_raw_of(b);
    int code = ms_backend_close(raw->directories, err);
    if (!code)
        code = ms_backend_destroy(raw->directories, err);
    int closed = raw->owned ? ms_store_close(raw->store, code ? NULL : err) : 0;
    return code ? code : closed;
}

static void raw_free(struct ms_backend *b)
{
    struct ms_raw *raw = ms_raw_of(b);
    ms_backend_free(raw->directories);
    if (raw->owned)
        ms_store_free(raw->store);
    free(raw);
}

static void raw_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    ms_store_capabilities(store_of(b), out);
    out->flags &= MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_LIST_AFTER_WRITE;
    out->name_max_bytes = RAW_SEGMENT_MAX;
}

/* ---- names ---- */

/* A name that no configured namespace takes can be no key either. err may be NULL. */
static int find_key(struct ms_backend *b, struct ms_view name, struct ms_raw_key *out,
                    struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = NULL;
    struct ms_error why = {0};
    int code = ms_self_current(ms_self_of(store_of(b)), &r, err);
    if (code)
        return code;
    ms_raw_key_of(r->names, name, out, &why);
    if (out->valid)
        return 0;
    code = why.code == MS_ERR_CONFIG ? MS_ERR_NAME : why.code;
    return ms_error_set(err, code, "%s: %s", b->url, why.text);
}

static int not_found(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s: there is no %s", b->url, MS_SHOW(name));
}

/* Of an item that should be there: what can be no key is not found. */
static int key_of(struct ms_backend *b, struct ms_view name, struct ms_raw_key *out,
                  struct ms_error *err)
{
    int code = find_key(b, name, out, err);
    return code == MS_ERR_NAME ? not_found(b, name, err) : code;
}

static bool is_internal(struct ms_view name)
{
    return ms_name_hidden(ms_name_last(name));
}

/* ---- what may be written where ---- */

static int in_the_way(struct ms_backend *b, struct ms_view name, const char *what,
                      struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_EXISTS, "%s: %s is a %s", b->url, MS_SHOW(name), what);
}

/* No value is above the name, as far as its directories are not remembered. */
static int check_above(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_raw *raw = ms_raw_of(b);
    for (struct ms_view at = ms_name_parent(name); at.size; at = ms_name_parent(at)) {
        struct ms_info info;
        if (ms_raw_remembers(raw, at))
            break;
        int code = b->ops->info(b, at, &info, err);
        if (code)
            return code;
        if (info.exists && !info.directory)
            return in_the_way(b, at, "value", err);
        if (info.exists)
            break;
    }
    return 0;
}

/* For writing: the key, once nothing that is no value is in the way. */
static int key_to_write(struct ms_backend *b, struct ms_view name, struct ms_raw_key *out,
                        struct ms_error *err)
{
    int code = check_above(b, name, err);
    if (!code)
        code = find_key(b, name, out, err);
    if (!code && ms_raw_remembers(ms_raw_of(b), name))
        code = in_the_way(b, name, "directory", err);
    if (!code)
        ms_raw_remember(ms_raw_of(b), ms_name_parent(name));
    return code;
}

static struct ms_store_value_options options_of(const struct ms_raw_key *key,
                                                const struct ms_precondition *pre)
{
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition = *pre;
    o.deleted = key->deleted;
    return o;
}

/* ---- directories ---- */

static int raw_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                    struct ms_error *err)
{
    struct ms_raw_key key;
    struct ms_item_info item = {0};
    if (is_internal(name))
        return ms_backend_info(ms_raw_of(b)->directories, name, out, err);
    int code = find_key(b, name, &key, err);
    if (!code)
        code = ms_store_info(store_of(b), ms_raw_key_view(&key), key.deleted, &item, err);
    if (code && code != MS_ERR_NAME)
        return code;
    *out = ms_face_info(&item);
    if (item.exists)
        return 0;
    code = ms_raw_is_directory(ms_raw_of(b), name, &out->directory, err);
    out->exists = out->directory;
    return code;
}

static int raw_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_info info;
    if (ms_raw_is_nesting(ms_raw_of(b), name)) /* clients make tens of thousands beforehand */
        return 0;
    int code = raw_info(b, name, &info, err);
    if (!code && info.exists && !info.directory)
        code = in_the_way(b, name, "value", err);
    if (!code)
        code = check_above(b, name, err);
    if (!code)
        ms_raw_remember(ms_raw_of(b), name);
    return code;
}

static int raw_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_raw *raw = ms_raw_of(b);
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    static const struct ms_list_request request = {.limit = 1, .names_only = true};
    int code = ms_raw_list(b, name, &request, &l, err);
    if (code)
        return code;
    code = l->ops->next(l, &e, err);
    bool empty = !e;
    l->ops->close(l);
    if (!code && !empty)
        code = ms_error_set(err, MS_ERR_EXISTS, "%s: %s is not empty", b->url, MS_SHOW(name));
    if (!code && ms_raw_remembers(raw, name) && !ms_backend_rmdir(raw->directories, name, NULL))
        atomic_fetch_sub_explicit(&raw->remembered, 1, memory_order_relaxed);
    return code;
}

/* ---- values ---- */

static int raw_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                    struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_raw_key key;
    if (is_internal(name))
        return ms_backend_load(ms_raw_of(b)->directories, name, offset, size, out, info, err);
    int code = key_of(b, name, &key, err);
    return code ? code
                : ms_face_load(store_of(b), ms_raw_key_view(&key), key.deleted, offset, size, out,
                               info, err);
}

static int raw_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                     const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_raw_key key;
    if (is_internal(name))
        return ms_backend_store(ms_raw_of(b)->directories, name, value, pre, tag, err);
    int code = key_to_write(b, name, &key, err);
    if (code)
        return code;
    struct ms_store_value_options o = options_of(&key, pre);
    return ms_store_store(store_of(b), ms_raw_key_view(&key), value, &o, tag, err);
}

static int raw_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_raw_key key;
    if (is_internal(name))
        return ms_backend_delete(ms_raw_of(b)->directories, name, err);
    int code = key_of(b, name, &key, err);
    if (!code)
        code = ms_store_delete(store_of(b), ms_raw_key_view(&key), key.deleted, err);
    if (!code)
        ms_raw_remember(ms_raw_of(b), ms_name_parent(name)); /* it may be empty now */
    return code;
}

/* Which of a Store's moves the two names are. */
static int kind_of_move(struct ms_backend *b, const struct ms_raw_key *from,
                        const struct ms_raw_key *to, enum ms_move *out, struct ms_error *err)
{
    bool same = ms_equal(ms_raw_key_view(from), ms_raw_key_view(to));
    *out = !same           ? MS_MOVE_RENAME
           : from->deleted ? to->deleted ? MS_MOVE_CHANGE_LEVEL : MS_MOVE_UNDELETE
           : to->deleted   ? MS_MOVE_SOFT_DELETE
                           : MS_MOVE_CHANGE_LEVEL;
    return same || from->deleted == to->deleted
               ? 0
               : ms_error_set(err, MS_ERR_UNSUPPORTED,
                              "%s: %s and its new name differ in more than .del", b->url,
                              MS_SHOW(ms_raw_key_view(from)));
}

static int raw_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                    const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_raw_key key, new_key;
    enum ms_move how;
    (void)pre; /* none is claimed for moves */
    int code = key_of(b, from, &key, err);
    if (!code)
        code = key_to_write(b, to, &new_key, err);
    if (!code)
        code = kind_of_move(b, &key, &new_key, &how, err);
    if (!code)
        code = ms_store_move(store_of(b), how, ms_raw_key_view(&key), ms_raw_key_view(&new_key),
                             key.deleted, err);
    if (!code)
        ms_raw_remember(ms_raw_of(b), ms_name_parent(from));
    return code;
}

static int raw_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err)
{
    struct ms_raw_key key;
    int code = key_of(b, name, &key, err);
    return code ? code
                : ms_store_hash(store_of(b), ms_raw_key_view(&key), algorithm, key.deleted, hex,
                                hex_size, err);
}

static int raw_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                     const struct ms_precondition *pre, struct ms_writer **out,
                     struct ms_error *err)
{
    struct ms_raw_key key;
    int code = key_to_write(b, name, &key, err);
    if (code)
        return code;
    struct ms_store_value_options o = options_of(&key, pre);
    return ms_face_write(b, store_of(b), ms_raw_key_view(&key), size_hint, &o, out, err);
}

static int raw_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                    struct ms_error *err)
{
    struct ms_raw_key key;
    int code = key_of(b, name, &key, err);
    return code ? code : ms_face_read(b, store_of(b), ms_raw_key_view(&key), key.deleted, out, err);
}

/* ---- the whole ---- */

static int raw_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                     struct ms_error *err)
{
    return ms_store_usage(store_of(b), total_bytes, free_bytes, err);
}

static int raw_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    return ms_store_sweep(store_of(b), age_ns, removed, err);
}

static const struct ms_backend_ops raw_ops = {
    .create = raw_create,
    .destroy = raw_destroy,
    .open = raw_open,
    .close = raw_close,
    .free = raw_free,
    .capabilities = raw_capabilities,
    .mkdir = raw_mkdir,
    .rmdir = raw_rmdir,
    .info = raw_info,
    .load = raw_load,
    .store = raw_store,
    .remove = raw_remove,
    .move = raw_move,
    .list = ms_raw_list,
    .write = raw_write,
    .read = raw_read,
    .hash = raw_hash,
    .usage = raw_usage,
    .sweep = raw_sweep,
};

int ms_raw_view_over(struct ms_store *store, struct ms_backend **out, struct ms_error *err)
{
    struct ms_raw *raw = ms_store_is_mstore(store) ? calloc(1, sizeof *raw) : NULL;
    const struct ms_backend_env env = {.clock = store->clock};
    int code = !raw ? ms_error_set(err, MS_ERR_INVALID, "%s: there is no raw view of it",
                                   ms_store_url(store))
                    : ms_backend_make("memory:", &env, &raw->directories, err);
    if (code) {
        free(raw);
        return code;
    }
    raw->base = (struct ms_backend){.ops = &raw_ops, .clock = store->clock};
    memcpy(raw->base.url, store->url, sizeof raw->base.url);
    raw->store = store;
    atomic_init(&raw->remembered, 0);
    *out = &raw->base;
    return 0;
}

int ms_raw_view_new(struct ms_store *store, struct ms_backend **out, struct ms_error *err)
{
    int code = ms_raw_view_over(store, out, err);
    if (code)
        ms_store_free(store);
    else
        ms_raw_of(*out)->owned = true;
    return code;
}
