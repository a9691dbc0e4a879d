/* A driver that fills in what it must and nothing else: the generic fallbacks serve the rest.
 *
 * Its values lie in a backend in memory. It shows how little a driver needs (docs/backends.md). */
#include "backend_suite.h"

#include <stdlib.h>

struct minimal {
    struct ms_backend base;
    struct ms_backend *inner;
};

static struct ms_backend *inner_of(struct ms_backend *b)
{
    return ((struct minimal *)b)->inner;
}

static int minimal_create(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_create(inner_of(b), err);
}

static int minimal_destroy(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_destroy(inner_of(b), err);
}

static int minimal_open(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_open(inner_of(b), err);
}

static int minimal_close(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_close(inner_of(b), err);
}

static void minimal_free(struct ms_backend *b)
{
    ms_backend_free(inner_of(b));
    free(b);
}

static void minimal_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    ms_backend_capabilities(inner_of(b), out);
    out->flags &= ~(unsigned)(MS_CAP_HASH | MS_CAP_COPY | MS_CAP_COMPOSE | MS_CAP_BATCH);
}

static int minimal_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_backend_mkdir(inner_of(b), name, err);
}

static int minimal_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_backend_rmdir(inner_of(b), name, err);
}

static int minimal_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                        struct ms_error *err)
{
    return ms_backend_info(inner_of(b), name, out, err);
}

static int minimal_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                        struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    return ms_backend_load(inner_of(b), name, offset, size, out, info, err);
}

static int minimal_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                         const struct ms_precondition *pre, struct ms_tag *tag,
                         struct ms_error *err)
{
    return ms_backend_store(inner_of(b), name, value, pre, tag, err);
}

static int minimal_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_backend_delete(inner_of(b), name, err);
}

static int minimal_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                        const struct ms_precondition *pre, struct ms_error *err)
{
    return ms_backend_move(inner_of(b), from, to, pre, err);
}

struct minimal_lister {
    struct ms_lister base;
    struct ms_lister *inner;
};

static int lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    return ms_lister_next(((struct minimal_lister *)l)->inner, out, err);
}

static void lister_close(struct ms_lister *l)
{
    ms_lister_close(((struct minimal_lister *)l)->inner);
    free(l);
}

static int minimal_list(struct ms_backend *b, struct ms_view name,
                        const struct ms_list_request *request, struct ms_lister **out,
                        struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct minimal_lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    l->base.ops = &ops;
    int code = ms_backend_list(inner_of(b), name, request, &l->inner, err);
    if (code)
        free(l);
    else
        *out = &l->base;
    return code;
}

static const struct ms_backend_ops minimal_ops = {
    .create = minimal_create,
    .destroy = minimal_destroy,
    .open = minimal_open,
    .close = minimal_close,
    .free = minimal_free,
    .capabilities = minimal_capabilities,
    .mkdir = minimal_mkdir,
    .rmdir = minimal_rmdir,
    .info = minimal_info,
    .load = minimal_load,
    .store = minimal_store,
    .remove = minimal_delete,
    .move = minimal_move,
    .list = minimal_list,
};

static int minimal_make(struct ms_url *url, const struct ms_backend_env *env,
                        struct ms_backend **out, struct ms_error *err)
{
    (void)url;
    struct minimal *m = calloc(1, sizeof *m);
    if (!m)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a backend");
    int code = ms_backend_make("memory:", env, &m->inner, err);
    if (code) {
        free(m);
        return code;
    }
    m->inner->inner = true; /* counted here */
    m->base.ops = &minimal_ops;
    *out = &m->base;
    return 0;
}

const struct ms_backend_type minimal_type = {
    .scheme = "minimal", .usage = "minimal:", .make = minimal_make};
