/* store/flat_store.c - see store/flat_store.h. */
#include "store/flat_store.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/single.h"

#include <stdlib.h>

#define DEPTH_MAX 64 /* of directories in a listing */

struct flat {
    struct ms_store base;
    struct ms_backend *backend; /* owned */
};

static struct ms_backend *backend_of(struct ms_store *s)
{
    return ((struct flat *)s)->backend;
}

/* ---- life ---- */

static int flat_create(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_create(backend_of(s), err);
}

static int flat_destroy(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_destroy(backend_of(s), err);
}

static int flat_open(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_open(backend_of(s), err);
}

static int flat_close(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_close(backend_of(s), err);
}

static void flat_free(struct ms_store *s)
{
    ms_backend_free(backend_of(s));
    free(s);
}

static int flat_set_namespaces(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                               struct ms_error *err)
{
    (void)ns, (void)count;
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: it has no namespaces here", s->url);
}

/* ---- values ---- */

static int flat_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_error *err)
{
    return ms_backend_load(backend_of(s), item.key, offset, size, out, NULL, err);
}

static int flat_put(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                    const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    return ms_backend_store(backend_of(s), item.key, value, pre, tag, err);
}

static int flat_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                     struct ms_error *err)
{
    struct ms_info info;
    int code = ms_backend_info(backend_of(s), item.key, &info, err);
    if (!code)
        *out = ms_item_info_of(&info);
    return code;
}

static int flat_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    return ms_backend_delete(backend_of(s), item.key, err);
}

static int flat_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                     struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                     struct ms_error *err)
{
    (void)deleted;
    return how == MS_MOVE_RENAME
               ? ms_backend_move(backend_of(s), key, new_key, pre, err)
               : ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: only renaming is known here", s->url);
}

static int flat_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                     size_t hex_size, struct ms_error *err)
{
    return ms_backend_hash(backend_of(s), item.key, algorithm, hex, hex_size, err);
}

/* ns is always "", the target always named. */
static int flat_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                       size_t count, struct ms_view target, const char *algorithm, char *key,
                       size_t key_size, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_part *list = calloc(count + 1, sizeof *list);
    (void)algorithm;
    if (!list)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %zu parts", count);
    if (ns[0] || !target.size || target.size >= key_size)
        return ms_error_set(err, MS_ERR_INVALID, "%s: parts need a target here", s->url);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct ms_part){parts[i].key, parts[i].offset, parts[i].size};
    int code = ms_backend_compose(backend_of(s), list, count, target, NULL, err);
    if (code)
        return code;
    memcpy(key, target.data, target.size);
    key[target.size] = '\0';
    return 0;
}

/* ---- streams ---- */

struct flat_writer {
    struct ms_store_writer base;
    struct ms_writer *inner;
};

static int writer_append(struct ms_store_writer *w, struct ms_view bytes, struct ms_error *err)
{
    return ms_writer_append(((struct flat_writer *)w)->inner, bytes, err);
}

static int writer_commit(struct ms_store_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    int code = ms_writer_commit(((struct flat_writer *)w)->inner, tag, err);
    free(w);
    return code;
}

static void writer_abort(struct ms_store_writer *w)
{
    ms_writer_abort(((struct flat_writer *)w)->inner);
    free(w);
}

static int flat_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_store_writer **out,
                      struct ms_error *err)
{
    static const struct ms_store_writer_ops ops = {writer_append, writer_commit, writer_abort};
    struct flat_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a writer", s->url);
    w->base.ops = &ops;
    int code = ms_backend_write(backend_of(s), item.key, size_hint, pre, &w->inner, err);
    if (code)
        free(w);
    else
        *out = &w->base;
    return code;
}

struct flat_reader {
    struct ms_store_reader base;
    struct ms_reader *inner;
};

static int reader_read(struct ms_store_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    return ms_reader_read(((struct flat_reader *)r)->inner, offset, into, size, got, err);
}

static void reader_close(struct ms_store_reader *r)
{
    ms_reader_close(((struct flat_reader *)r)->inner);
    free(r);
}

static int flat_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                     struct ms_error *err)
{
    static const struct ms_store_reader_ops ops = {reader_read, reader_close};
    struct flat_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a reader", s->url);
    r->base.ops = &ops;
    int code = ms_backend_read(backend_of(s), item.key, &r->inner, err);
    if (code) {
        free(r);
        return code;
    }
    r->base.info = ms_item_info_of(ms_reader_info(r->inner));
    *out = &r->base;
    return 0;
}

/* ---- listing: all values, whole names, each directory sorted ---- */

struct flat_lister {
    struct ms_store_lister base;
    struct ms_backend *backend;
    struct ms_lister *open[DEPTH_MAX];
    size_t at[DEPTH_MAX]; /* length of the name of that directory, with its '/' */
    unsigned depth;
    bool names_only;
    struct ms_item item;
    struct ms_name name;
};

/* Opens the directory that l->name is; one that has gone meanwhile is empty. */
static int descend(struct flat_lister *l, struct ms_error *err)
{
    const struct ms_list_request request = {.names_only = l->names_only};
    if (l->depth == DEPTH_MAX || l->name.size + 1 >= sizeof l->name.text)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "%s: directories are nested too deeply",
                            l->backend->url);
    int code =
        ms_backend_list(l->backend, ms_name_view(&l->name), &request, &l->open[l->depth], err);
    if (code)
        return code == MS_ERR_NOT_FOUND && l->depth ? 0 : code;
    if (l->name.size)
        l->name.text[l->name.size++] = '/';
    l->at[l->depth++] = l->name.size;
    return 0;
}

static int take_entry(struct flat_lister *l, const struct ms_entry *e, bool *found,
                      struct ms_error *err)
{
    l->name.size = l->at[l->depth - 1];
    if (e->name.size > sizeof l->name.text - l->name.size)
        return ms_error_set(err, MS_ERR_NAME, "%s: a name is too long", l->backend->url);
    memcpy(l->name.text + l->name.size, e->name.data, e->name.size);
    l->name.size += e->name.size;
    if (e->info.directory)
        return descend(l, err);
    l->item = (struct ms_item){.key = ms_name_view(&l->name), .info = ms_item_info_of(&e->info)};
    *found = true;
    return 0;
}

static int lister_next(struct ms_store_lister *base, const struct ms_item **out,
                       struct ms_error *err)
{
    struct flat_lister *l = (struct flat_lister *)base;
    bool found = false;
    *out = NULL;
    while (l->depth && !found) {
        const struct ms_entry *e;
        int code = ms_lister_next(l->open[l->depth - 1], &e, err);
        if (!code && e)
            code = take_entry(l, e, &found, err);
        else if (!code)
            ms_lister_close(l->open[--l->depth]);
        if (code)
            return code;
    }
    *out = found ? &l->item : NULL;
    return 0;
}

static void lister_close(struct ms_store_lister *base)
{
    struct flat_lister *l = (struct flat_lister *)base;
    while (l->depth)
        ms_lister_close(l->open[--l->depth]);
    free(l);
}

static int flat_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                     struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {lister_next, lister_close};
    (void)ns;
    if (options->prefix.size || options->start_after.size || options->delimiter >= 0)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: only all is listed here", s->url);
    struct flat_lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a listing", s->url);
    l->base.ops = &ops;
    l->backend = backend_of(s);
    l->names_only = options->names_only;
    int code = descend(l, err);
    if (code)
        free(l);
    else
        *out = &l->base;
    return code;
}

/* ---- the whole ---- */

static int flat_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    (void)s, (void)err;
    *out = (struct ms_quota){-1, -1};
    return 0;
}

static int flat_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                      struct ms_error *err)
{
    return ms_backend_usage(backend_of(s), total_bytes, free_bytes, err);
}

static void flat_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    ms_backend_capabilities(backend_of(s), out);
}

static int flat_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    return ms_backend_sweep(backend_of(s), age_ns, removed, err);
}

static int flat_cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                                 struct ms_error *err)
{
    (void)s, (void)what, (void)name, (void)err;
    return 0; /* no cache, nothing stale */
}

static const struct ms_store_ops flat_ops = {
    .create = flat_create,
    .destroy = flat_destroy,
    .open = flat_open,
    .close = flat_close,
    .free = flat_free,
    .set_namespaces = flat_set_namespaces,
    .load = flat_load,
    .store = flat_put,
    .info = flat_info,
    .remove = flat_remove,
    .move = flat_move,
    .hash = flat_hash,
    .defrag = flat_defrag,
    .write = flat_write,
    .read = flat_read,
    .list = flat_list,
    .quota = flat_quota,
    .usage = flat_usage,
    .capabilities = flat_capabilities,
    .sweep = flat_sweep,
    .cache_invalidate = flat_cache_invalidate,
};

int ms_flat_store_new(struct ms_backend *backend, struct ms_store **out, struct ms_error *err)
{
    struct flat *f = calloc(1, sizeof *f);
    if (!f)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store");
    f->base = (struct ms_store){.ops = &flat_ops, .clock = backend->clock, .jobs = 1};
    memcpy(f->base.url, backend->url, sizeof f->base.url);
    f->backend = backend;
    *out = &f->base;
    return 0;
}
