/* mstore/store_backend.c - see mstore/store_backend.h. Slots that stay empty are served by the
 * generic fallbacks over the others. */
#include "mstore/store_backend.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/store_face.h"
#include "store/store.h"

#include <stdlib.h>

#define APART '\x01' /* in keys, between the parts of a name */

struct nested {
    struct ms_backend base;
    struct ms_store *store; /* owned */
    ms_store_fits fits;
};

static struct ms_store *store_of(struct ms_backend *b)
{
    return ((struct nested *)b)->store;
}

/* ---- names ---- */

struct key {
    uint8_t bytes[MS_NAME_MAX + 1];
    size_t size;
};

static struct ms_view key_view(const struct key *k)
{
    return ms_view(k->bytes, k->size);
}

static int key_of(struct ms_backend *b, struct ms_view name, struct key *out, struct ms_error *err)
{
    if (name.size > MS_NAME_MAX || (name.size && memchr(name.data, APART, name.size)))
        return ms_error_set(err, MS_ERR_NAME, "%s: %s cannot be a name in a store within a store",
                            b->url, MS_SHOW(name));
    for (size_t i = 0; i < name.size; i++)
        out->bytes[i] = name.data[i] == '/' ? APART : name.data[i];
    out->size = name.size;
    return 0;
}

/* What the keys of everything in a directory begin with. */
static int prefix_of(struct ms_backend *b, struct ms_view name, struct key *out,
                     struct ms_error *err)
{
    int code = key_of(b, name, out, err);
    if (!code && out->size)
        out->bytes[out->size++] = APART;
    return code;
}

/* ---- life ---- */

static int check_fits(struct ms_backend *b, struct ms_error *err)
{
    struct nested *n = (struct nested *)b;
    return n->fits ? n->fits(n->store, err) : 0;
}

static int nested_destroy(struct ms_backend *b, struct ms_error *err)
{
    return ms_store_destroy(store_of(b), err);
}

static int nested_open(struct ms_backend *b, struct ms_error *err)
{
    int code = ms_store_open(store_of(b), err);
    if (code)
        return code;
    code = check_fits(b, err);
    if (code)
        (void)!ms_store_close(store_of(b), NULL);
    return code;
}

static int nested_close(struct ms_backend *b, struct ms_error *err)
{
    return ms_store_close(store_of(b), err);
}

static void nested_free(struct ms_backend *b)
{
    ms_store_free(store_of(b));
    free(b);
}

/* Conditions are left out: the inner store may have none, and what it has is not what they mean
 * here. */
static void nested_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    ms_store_capabilities(store_of(b), out);
    out->flags &= MS_CAP_ATOMIC_REPLACE | MS_CAP_LIST_AFTER_WRITE | MS_CAP_HASH;
    out->name_max_bytes = 255;
}

/* ---- directories ---- */

static int nested_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    (void)b, (void)name, (void)err;
    return 0;
}

static int nested_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_info info;
    int code = ms_backend_info(b, name, &info, err);
    if (code)
        return code;
    return info.exists && info.directory
               ? ms_error_set(err, MS_ERR_EXISTS, "%s: %s is not empty", b->url, MS_SHOW(name))
               : ms_error_set(err, MS_ERR_NOT_FOUND, "%s: there is no %s", b->url, MS_SHOW(name));
}

struct nested_lister {
    struct ms_lister base;
    struct ms_store_lister *inner;
    const struct ms_item *first; /* looked at when it was opened */
    struct ms_entry entry;
    size_t prefix_size;
    struct key last; /* the folder after which the listing began */
};

static bool take_item(struct nested_lister *l, const struct ms_item *item)
{
    size_t end = item->key.size - item->group;
    l->entry.name = ms_view(item->key.data + l->prefix_size, end - l->prefix_size);
    l->entry.info = (struct ms_info){.exists = true,
                                     .directory = item->group,
                                     .size_bytes = item->info.size_bytes,
                                     .mtime_ns = item->info.mtime_ns,
                                     .atime_ns = item->info.atime_ns,
                                     .tag = item->info.tag};
    return ms_compare(ms_view(item->key.data, end), key_view(&l->last)) > 0 || !l->last.size;
}

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    struct nested_lister *l = (struct nested_lister *)base;
    const struct ms_item *item;
    *out = NULL;
    do {
        item = MS_TAKE(l->first);
        int code = item ? 0 : ms_store_lister_next(l->inner, &item, err);
        if (code)
            return code;
    } while (item && !take_item(l, item));
    *out = item ? &l->entry : NULL;
    return 0;
}

static void lister_close(struct ms_lister *base)
{
    struct nested_lister *l = (struct nested_lister *)base;
    ms_store_lister_close(l->inner);
    free(l);
}

/* Keys below a prefix, each folder once. */
static int open_listing(struct ms_backend *b, const struct key *prefix, const struct key *after,
                        const struct ms_list_request *request, struct ms_store_lister **out,
                        struct ms_error *err)
{
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.prefix = key_view(prefix);
    o.start_after = key_view(after);
    o.delimiter = APART;
    o.names_only = request->names_only;
    return ms_store_list(store_of(b), "", &o, out, err);
}

/* After which key the listing begins; empty: at the first. */
static int begin_after(struct ms_backend *b, const struct key *prefix, struct ms_view start_after,
                       struct key *out, struct ms_error *err)
{
    struct key part;
    out->size = 0;
    if (!start_after.size)
        return 0;
    int code = key_of(b, start_after, &part, err);
    if (!code && prefix->size + part.size > MS_NAME_MAX)
        code = ms_error_set(err, MS_ERR_NAME, "%s: a name to begin after is too long", b->url);
    if (code)
        return code;
    memcpy(out->bytes, prefix->bytes, prefix->size);
    memcpy(out->bytes + prefix->size, part.bytes, part.size);
    out->size = prefix->size + part.size;
    return 0;
}

static int nested_list(struct ms_backend *b, struct ms_view name,
                       const struct ms_list_request *request, struct ms_lister **out,
                       struct ms_error *err)
{
    static const struct ms_lister_ops ops = {.next = lister_next, .close = lister_close};
    struct key prefix;
    struct nested_lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a listing", b->url);
    int code = prefix_of(b, name, &prefix, err);
    if (!code)
        code = begin_after(b, &prefix, request->start_after, &l->last, err);
    if (!code)
        code = open_listing(b, &prefix, &l->last, request, &l->inner, err);
    if (code) {
        free(l);
        return code;
    }
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->prefix_size = prefix.size;
    code = ms_store_lister_next(l->inner, &l->first, err);
    if (!code && !l->first && name.size && !request->start_after.size)
        code = ms_error_set(err, MS_ERR_NOT_FOUND, "%s: there is no %s", b->url, MS_SHOW(name));
    if (code) {
        lister_close(&l->base);
        return code;
    }
    *out = &l->base;
    return 0;
}

/* ---- making ---- */

/* Of a closed one. */
static bool is_empty(struct ms_backend *b)
{
    static const struct ms_list_request request = {.limit = 1, .names_only = true};
    struct ms_lister *l = NULL;
    if (ms_store_open(store_of(b), NULL))
        return false;
    bool empty = nested_list(b, ms_str(""), &request, &l, NULL) == 0;
    if (empty) {
        empty = !((struct nested_lister *)l)->first;
        lister_close(l);
    }
    return ms_store_close(store_of(b), NULL) == 0 && empty;
}

static int nested_create(struct ms_backend *b, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = check_fits(b, err);
    if (code)
        return code;
    code = ms_store_create(store_of(b), &why);
    if (!code || (code == MS_ERR_STORE_EXISTS && is_empty(b)))
        return 0;
    return ms_error_set(err, code, "%s", why.text);
}

/* ---- values ---- */

/* Whether anything lies below the name. */
static int is_directory(struct ms_backend *b, struct ms_view name, bool *out, struct ms_error *err)
{
    static const struct ms_list_request request = {.limit = 1, .names_only = true};
    struct ms_lister *l = NULL;
    int code = nested_list(b, name, &request, &l, err);
    *out = code == 0;
    if (!code)
        lister_close(l);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

static int nested_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                       struct ms_error *err)
{
    struct ms_item_info item;
    struct key key;
    int code = key_of(b, name, &key, err);
    if (!code)
        code = ms_store_info(store_of(b), key_view(&key), false, &item, err);
    if (code)
        return code;
    *out = ms_face_info(&item);
    if (item.exists)
        return 0;
    code = is_directory(b, name, &out->directory, err);
    out->exists = out->directory;
    return code;
}

static int nested_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct key key;
    int code = key_of(b, name, &key, err);
    return code ? code
                : ms_face_load(store_of(b), key_view(&key), false, offset, size, out, info, err);
}

static int no_condition(struct ms_backend *b, const struct ms_precondition *pre,
                        struct ms_error *err)
{
    return pre->kind == MS_ALWAYS
               ? 0
               : ms_error_set(err, MS_ERR_UNSUPPORTED,
                              "%s: a store within a store takes no conditions", b->url);
}

static int nested_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                        const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct key key;
    int code = no_condition(b, pre, err);
    if (!code)
        code = key_of(b, name, &key, err);
    return code ? code : ms_store_store(store_of(b), key_view(&key), value, NULL, tag, err);
}

static int nested_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct key key;
    int code = key_of(b, name, &key, err);
    return code ? code : ms_store_delete(store_of(b), key_view(&key), false, err);
}

static int nested_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct key key, new_key;
    int code = no_condition(b, pre, err);
    if (!code)
        code = key_of(b, from, &key, err);
    if (!code)
        code = key_of(b, to, &new_key, err);
    return code ? code
                : ms_store_move(store_of(b), MS_MOVE_RENAME, key_view(&key), key_view(&new_key),
                                false, err);
}

static int nested_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                       size_t hex_size, struct ms_error *err)
{
    struct key key;
    int code = key_of(b, name, &key, err);
    return code ? code
                : ms_store_hash(store_of(b), key_view(&key), algorithm, false, hex, hex_size, err);
}

/* ---- streams ---- */

static int nested_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                        const struct ms_precondition *pre, struct ms_writer **out,
                        struct ms_error *err)
{
    struct key key;
    int code = no_condition(b, pre, err);
    if (!code)
        code = key_of(b, name, &key, err);
    return code ? code : ms_face_write(b, store_of(b), key_view(&key), size_hint, NULL, out, err);
}

static int nested_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                       struct ms_error *err)
{
    struct key key;
    int code = key_of(b, name, &key, err);
    return code ? code : ms_face_read(b, store_of(b), key_view(&key), false, out, err);
}

/* ---- the whole ---- */

static int nested_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                        struct ms_error *err)
{
    return ms_store_usage(store_of(b), total_bytes, free_bytes, err);
}

static int nested_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed,
                        struct ms_error *err)
{
    return ms_store_sweep(store_of(b), age_ns, removed, err);
}

static const struct ms_backend_ops nested_ops = {
    .create = nested_create,
    .destroy = nested_destroy,
    .open = nested_open,
    .close = nested_close,
    .free = nested_free,
    .capabilities = nested_capabilities,
    .mkdir = nested_mkdir,
    .rmdir = nested_rmdir,
    .info = nested_info,
    .load = nested_load,
    .store = nested_store,
    .remove = nested_remove,
    .move = nested_move,
    .list = nested_list,
    .write = nested_write,
    .read = nested_read,
    .hash = nested_hash,
    .usage = nested_usage,
    .sweep = nested_sweep,
};

int ms_store_backend_new(struct ms_store *store, ms_store_fits fits, struct ms_backend **out,
                         struct ms_error *err)
{
    struct nested *n = calloc(1, sizeof *n);
    if (!n) {
        ms_store_free(store);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store within a store");
    }
    n->base = (struct ms_backend){.ops = &nested_ops, .clock = store->clock};
    memcpy(n->base.url, store->url, sizeof n->base.url);
    n->store = store;
    n->fits = fits;
    *out = &n->base;
    return 0;
}
