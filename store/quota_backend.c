/* store/quota_backend.c - see store/quota_backend.h. What changes sizes goes through a Store with a
 * quota over the backend; everything else goes straight to it. */
#include "store/quota_backend.h"

#include "backends/fallback.h"
#include "base/assert.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "store/filter.h"
#include "store/flat_store.h"
#include "store/store_face.h"

#include <stdlib.h>

struct limited {
    struct ms_backend base;
    struct ms_store *store;   /* owned */
    struct ms_backend *inner; /* the store's */
};

static struct ms_store *store_of(struct ms_backend *b)
{
    return ((struct limited *)b)->store;
}

static struct ms_backend *inner_of(struct ms_backend *b)
{
    return ((struct limited *)b)->inner;
}

/* ---- life ---- */

static int limited_create(struct ms_backend *b, struct ms_error *err)
{
    return ms_store_create(store_of(b), err);
}

static int limited_destroy(struct ms_backend *b, struct ms_error *err)
{
    return ms_store_destroy(store_of(b), err);
}

static int limited_open(struct ms_backend *b, struct ms_error *err)
{
    return ms_store_open(store_of(b), err);
}

static int limited_close(struct ms_backend *b, struct ms_error *err)
{
    return ms_store_close(store_of(b), err);
}

static void limited_free(struct ms_backend *b)
{
    ms_store_free(store_of(b));
    free(b);
}

static void limited_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    ms_store_capabilities(store_of(b), out);
    out->flags &= ~(unsigned)(MS_CAP_COPY | MS_CAP_BATCH | MS_CAP_DELETE_MANY);
}

/* ---- what changes no size ---- */

static int limited_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_backend_mkdir(inner_of(b), name, err);
}

static int limited_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_backend_rmdir(inner_of(b), name, err);
}

static int limited_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                        struct ms_error *err)
{
    return ms_backend_info(inner_of(b), name, out, err);
}

static int limited_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                        struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    return ms_backend_load(inner_of(b), name, offset, size, out, info, err);
}

static int limited_open_file(struct ms_backend *b, struct ms_view name, int *fd,
                             struct ms_info *info, struct ms_error *err)
{
    return ms_backend_open_file(inner_of(b), name, fd, info, err);
}

static int limited_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                        size_t hex_size, struct ms_error *err)
{
    return ms_backend_hash(inner_of(b), name, algorithm, hex, hex_size, err);
}

static int limited_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                         struct ms_error *err)
{
    return ms_backend_usage(inner_of(b), total_bytes, free_bytes, err);
}

static int limited_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed,
                         struct ms_error *err)
{
    return ms_backend_sweep(inner_of(b), age_ns, removed, err);
}

/* ---- handles: of their own, for those of the backend behind find it by what is in them ---- */

struct limited_lister {
    struct ms_lister base;
    struct ms_lister *inner;
};

static int lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    return ms_lister_next(((struct limited_lister *)l)->inner, out, err);
}

static void lister_close(struct ms_lister *l)
{
    ms_lister_close(((struct limited_lister *)l)->inner);
    free(l);
}

static int limited_list(struct ms_backend *b, struct ms_view name,
                        const struct ms_list_request *request, struct ms_lister **out,
                        struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct limited_lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a listing", b->url);
    l->base.ops = &ops;
    int code = ms_backend_list(inner_of(b), name, request, &l->inner, err);
    if (code)
        free(l);
    else
        *out = &l->base;
    return code;
}

struct limited_reader {
    struct ms_reader base;
    struct ms_reader *inner;
};

static int reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    size_t got = 0;
    int code = ms_reader_read(((struct limited_reader *)r)->inner, offset, into, size, &got, err);
    ms_assert(code || got == size); /* the wrapper before has clipped it */
    return code;
}

static void reader_close(struct ms_reader *r)
{
    ms_reader_close(((struct limited_reader *)r)->inner);
    free(r);
}

static int limited_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                        struct ms_error *err)
{
    static const struct ms_reader_ops ops = {reader_read, reader_close};
    struct limited_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a reader", b->url);
    int code = ms_backend_read(inner_of(b), name, &r->inner, err);
    if (code) {
        free(r);
        return code;
    }
    r->base = (struct ms_reader){.ops = &ops, .backend = b, .info = *ms_reader_info(r->inner)};
    *out = &r->base;
    return 0;
}

/* ---- what does ---- */

static int limited_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                         const struct ms_precondition *pre, struct ms_tag *tag,
                         struct ms_error *err)
{
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition = *pre;
    return ms_store_store(store_of(b), name, value, &o, tag, err);
}

static int limited_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                         const struct ms_precondition *pre, struct ms_writer **out,
                         struct ms_error *err)
{
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition = *pre;
    return ms_face_write(b, store_of(b), name, size_hint, &o, out, err);
}

static int limited_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_store_delete(store_of(b), name, false, err);
}

static int limited_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                        const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_store *s = store_of(b);
    return s->ops->move(s, MS_MOVE_RENAME, from, to, false, pre, err);
}

/* The quota must know how much comes. */
static int sized(struct ms_backend *b, const struct ms_part *part, struct ms_defrag_part *out,
                 struct ms_error *err)
{
    struct ms_info info;
    *out = (struct ms_defrag_part){part->name, part->offset, part->size};
    if (part->size != MS_SIZE_TO_END)
        return 0;
    int code = ms_backend_info(inner_of(b), part->name, &info, err);
    if (code)
        return code;
    if (!info.exists || info.directory)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s: %s is not there", b->url,
                            MS_SHOW(part->name));
    out->size = info.size_bytes > part->offset ? info.size_bytes - part->offset : 0;
    return 0;
}

static int limited_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                           struct ms_view to, const struct ms_precondition *pre,
                           struct ms_error *err)
{
    char key[MS_NAME_MAX + 1];
    if (pre->kind != MS_ALWAYS) /* a Store's parts take no condition: through here */
        return ms_fallback_compose(b, parts, count, to, pre, err);
    MS_AUTO_FREE struct ms_defrag_part *list = calloc(count + 1, sizeof *list);
    if (!list)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %zu parts", count);
    int code = 0;
    for (size_t i = 0; i < count && !code; i++)
        code = sized(b, &parts[i], &list[i], err);
    return code ? code
                : ms_store_defrag(store_of(b), "", list, count, to, NULL, key, sizeof key, err);
}

static const struct ms_backend_ops limited_ops = {
    .create = limited_create,
    .destroy = limited_destroy,
    .open = limited_open,
    .close = limited_close,
    .free = limited_free,
    .capabilities = limited_capabilities,
    .mkdir = limited_mkdir,
    .rmdir = limited_rmdir,
    .info = limited_info,
    .load = limited_load,
    .store = limited_store,
    .remove = limited_remove,
    .move = limited_move,
    .list = limited_list,
    .write = limited_write,
    .read = limited_read,
    .open_file = limited_open_file,
    .hash = limited_hash,
    .compose = limited_compose,
    .usage = limited_usage,
    .sweep = limited_sweep,
};

/* Takes the backend, also on failure. */
static int wrap(struct ms_backend *inner, uint64_t quota_bytes, struct ms_store **out,
                struct ms_error *err)
{
    struct ms_store *flat;
    int code = ms_flat_store_new(inner, &flat, err);
    if (code) {
        ms_backend_free(inner);
        return code;
    }
    code = ms_quota_wrap(flat, quota_bytes, out, err);
    if (code)
        ms_store_free(flat);
    return code;
}

int ms_quota_backend_new(struct ms_backend *inner, uint64_t quota_bytes, struct ms_backend **out,
                         struct ms_error *err)
{
    struct limited *l = calloc(1, sizeof *l);
    if (!l) {
        ms_backend_free(inner);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a quota");
    }
    l->base = (struct ms_backend){.ops = &limited_ops, .clock = inner->clock};
    memcpy(l->base.url, inner->url, sizeof l->base.url);
    l->inner = inner;
    int code = wrap(inner, quota_bytes, &l->store, err);
    if (code)
        free(l);
    else
        *out = &l->base;
    return code;
}

int ms_quota_backend_get(struct ms_backend *b, struct ms_quota *out, struct ms_error *err)
{
    return ms_store_quota(store_of(b), out, err);
}
