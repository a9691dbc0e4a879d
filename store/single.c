/* The Store over one backend: keys become nested names, several levels are tried in turn.
 *
 * No state of its own but the configuration, an immutable snapshot that each call takes a reference
 * of; so no lock is held while the backend works. An item whose level changes while a call looks
 * for it may be missed at its old place and not yet seen at its new one: with several levels a call
 * that found nothing looks once more. */
#include "store/single.h"

#include "base/entity.h"
#include "base/text.h"

#include <stdlib.h>

static int single_create(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_create(ms_single_self(s)->backend, err);
}

static int single_destroy(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_destroy(ms_single_self(s)->backend, err);
}

static int single_open(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_open(ms_single_self(s)->backend, err);
}

static int single_close(struct ms_store *s, struct ms_error *err)
{
    return ms_backend_close(ms_single_self(s)->backend, err);
}

static void single_free(struct ms_store *s)
{
    struct ms_single *self = ms_single_self(s);
    ms_backend_free(self->backend);
    ms_ns_current_fini(&self->namespaces);
    free(self);
}

/* Where somebody in front counts the calls, these are not counted twice. */
static const char *counted_as(const struct ms_backend *backend)
{
    return backend->inner ? NULL : backend->url;
}

static int single_set_namespaces(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                                 struct ms_error *err)
{
    struct ms_single *self = ms_single_self(s);
    MS_AUTO_NAMESPACES struct ms_namespaces *older = ms_ns_current_get(&self->namespaces);
    struct ms_namespaces *newer;
    int code = ms_namespaces_new(ns, count, counted_as(self->backend), older, &newer, err);
    if (!code)
        ms_ns_current_replace(&self->namespaces, newer);
    return code;
}

/* ---- calls that go from level to level until one has the item ---- */

struct attempt {
    struct ms_single *self;
    struct ms_place place;
    int (*call)(struct attempt *a, struct ms_view name, struct ms_error *err);
    /* arguments and results of the calls */
    int64_t offset;
    uint64_t size;
    struct ms_buf **value;
    const char *algorithm;
    char *hex;
    size_t hex_size;
    struct ms_item_info *info;
};

static int try_levels(struct attempt *a, struct ms_error *err)
{
    size_t levels = ms_place_levels(&a->place);
    for (int round = 0; round < (levels > 1 ? 2 : 1); round++)
        for (size_t i = 0; i < levels; i++) {
            struct ms_name name;
            ms_place_name(&a->place, i, &name);
            int code = a->call(a, ms_name_view(&name), err);
            if (code != MS_ERR_NOT_FOUND)
                return code;
        }
    return ms_not_found(&a->place, err);
}

static int call_load(struct attempt *a, struct ms_view name, struct ms_error *err)
{
    return ms_backend_load(a->self->backend, name, a->offset, a->size, a->value, NULL, err);
}

static int single_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_error *err)
{
    struct attempt a = {
        .self = ms_single_self(s), .call = call_load, .offset = offset, .size = size, .value = out};
    int code = ms_place_init(a.self, item, &a.place, err);
    if (code)
        return code;
    code = try_levels(&a, err);
    return ms_place_fini(a.self, &a.place, MS_VERB_LOAD, code, code ? 0 : ms_buf_size(*out));
}

static int call_info(struct attempt *a, struct ms_view name, struct ms_error *err)
{
    struct ms_info info;
    int code = ms_backend_info(a->self->backend, name, &info, err);
    if (!code)
        *a->info = ms_item_info_of(&info);
    return code ? code : a->info->exists ? 0 : MS_ERR_NOT_FOUND;
}

static int single_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                       struct ms_error *err)
{
    struct attempt a = {.self = ms_single_self(s), .call = call_info};
    struct ms_item_info info = {0};
    a.info = &info;
    int code = ms_place_init(a.self, item, &a.place, err);
    if (code)
        return code;
    code = try_levels(&a, err);
    if (code == MS_ERR_NOT_FOUND) {
        info = (struct ms_item_info){0};
        code = 0;
    }
    if (!code)
        *out = info;
    return ms_place_fini(a.self, &a.place, MS_VERB_INFO, code, 0);
}

static int call_delete(struct attempt *a, struct ms_view name, struct ms_error *err)
{
    return ms_backend_delete(a->self->backend, name, err);
}

static int single_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct attempt a = {.self = ms_single_self(s), .call = call_delete};
    int code = ms_place_init(a.self, item, &a.place, err);
    if (code)
        return code;
    code = try_levels(&a, err);
    return ms_place_fini(a.self, &a.place, MS_VERB_DELETE, code, 0);
}

static int call_hash(struct attempt *a, struct ms_view name, struct ms_error *err)
{
    return ms_backend_hash(a->self->backend, name, a->algorithm, a->hex, a->hex_size, err);
}

static int single_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm,
                       char *hex, size_t hex_size, struct ms_error *err)
{
    struct attempt a = {.self = ms_single_self(s),
                        .call = call_hash,
                        .algorithm = algorithm,
                        .hex = hex,
                        .hex_size = hex_size};
    int code = ms_place_init(a.self, item, &a.place, err);
    if (code)
        return code;
    code = try_levels(&a, err);
    return ms_place_fini(a.self, &a.place, MS_VERB_HASH, code, 0);
}

/* ---- storing ---- */

static int single_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                        const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_single *self = ms_single_self(s);
    struct ms_place place;
    int code = ms_place_init(self, item, &place, err);
    if (code)
        return code;
    size_t index;
    bool exists;
    code = ms_place_find(self, &place, false, &index, &exists, err);
    if (!code && exists && pre->kind == MS_IF_ABSENT)
        code = ms_error_set(err, MS_ERR_EXISTS, "%s exists already", MS_SHOW(item.key));
    if (!code) {
        struct ms_name name;
        ms_place_name(&place, index, &name);
        code = ms_backend_store(self->backend, ms_name_view(&name), value, pre, tag, err);
    }
    return ms_place_fini(self, &place, MS_VERB_STORE, code, code ? 0 : ms_buf_size(value));
}

/* ---- the rest ---- */

static int single_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    (void)s;
    (void)err;
    *out = (struct ms_quota){-1, -1};
    return 0;
}

static int single_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                        struct ms_error *err)
{
    return ms_backend_usage(ms_single_self(s)->backend, total_bytes, free_bytes, err);
}

static void single_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    ms_backend_capabilities(ms_single_self(s)->backend, out);
}

static int single_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed,
                        struct ms_error *err)
{
    return ms_backend_sweep(ms_single_self(s)->backend, age_ns, removed, err);
}

static int single_cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                                   struct ms_error *err)
{
    (void)s;
    (void)what;
    (void)name;
    (void)err;
    return 0; /* no cache, nothing stale */
}

static const struct ms_store_ops single_ops = {
    .create = single_create,
    .destroy = single_destroy,
    .open = single_open,
    .close = single_close,
    .free = single_free,
    .set_namespaces = single_set_namespaces,
    .load = single_load,
    .store = single_store,
    .info = single_info,
    .remove = single_delete,
    .move = ms_single_move,
    .hash = single_hash,
    .defrag = ms_single_defrag,
    .write = ms_single_write,
    .read = ms_single_read,
    .list = ms_single_list,
    .store_many = ms_single_store_many,
    .remove_many = ms_single_delete_many,
    .quota = single_quota,
    .usage = single_usage,
    .capabilities = single_capabilities,
    .sweep = single_sweep,
    .cache_invalidate = single_cache_invalidate,
};

int ms_single_new(struct ms_backend *backend, const struct ms_store_options *options,
                  struct ms_store **out, struct ms_error *err)
{
    struct ms_namespaces *namespaces;
    int code = ms_namespaces_new(options->namespaces, options->namespace_count, counted_as(backend),
                                 NULL, &namespaces, err);
    if (code)
        return code;
    struct ms_single *self = calloc(1, sizeof *self);
    if (!self) {
        ms_namespaces_unref(namespaces);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store");
    }
    struct ms_capabilities can;
    ms_backend_capabilities(backend, &can);
    self->base.ops = &single_ops;
    memcpy(self->base.url, backend->url, sizeof self->base.url);
    self->base.jobs = options->jobs ? options->jobs : can.best_parallelism;
    self->base.clock = backend->clock;
    self->backend = backend;
    ms_ns_current_init(&self->namespaces, namespaces);
    *out = &self->base;
    return 0;
}
