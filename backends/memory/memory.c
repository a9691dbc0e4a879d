/* The driver of "memory:": values in this process's memory, for tests, simulations and caches.
 *
 * "memory:" is private to its handle; "memory:NAME" is one store for all handles of that name in
 * the process, and lives as long as any of them. Any thread; the locks are described in memory.h.
 * In a simulation a store is made and used inside it. */
#include "backends/memory/memory.h"

#include "backends/collect.h"
#include "backends/name.h"
#include "backends/range.h"
#include "backends/registry.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#define NAME_MAX_DEFAULT 255

/* ---- stores by name ---- */

static struct ms_mutex named_mutex = MS_MUTEX_STATIC;
static struct ms_memory_store *named;

static struct ms_memory_store *store_new(const char *name)
{
    struct ms_memory_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->handles = 1;
    s->name = strdup(name);
    if (!s->name) {
        free(s);
        return NULL;
    }
    ms_mutex_init(&s->mutex);
    return s;
}

static struct ms_memory_store *store_get(const char *name)
{
    if (!*name)
        return store_new(name);
    MS_HOLD(&named_mutex);
    for (struct ms_memory_store *s = named; s; s = s->next)
        if (strcmp(s->name, name) == 0) {
            s->handles++;
            return s;
        }
    struct ms_memory_store *s = store_new(name);
    if (s) {
        s->next = named;
        named = s;
    }
    return s;
}

static bool store_leave(struct ms_memory_store *s)
{
    MS_HOLD(&named_mutex);
    if (--s->handles)
        return false;
    for (struct ms_memory_store **at = &named; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    return true;
}

static void store_put(struct ms_memory_store *s)
{
    if (!store_leave(s))
        return;
    ms_memory_free(s->locked.root);
    ms_mutex_fini(&s->mutex);
    free(s->name);
    free(s);
}

/* ---- life ---- */

static int memory_create(struct ms_backend *b, struct ms_error *err)
{
    struct ms_memory_store *s = ms_memory_of(b)->store;
    MS_HOLD(&s->mutex);
    if (s->locked.root)
        return ms_error_set(err, MS_ERR_STORE_EXISTS, "%s already exists and is not empty", b->url);
    s->locked.exists = true;
    return 0;
}

static int no_store(struct ms_backend *b, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_STORE, "%s does not exist", b->url);
}

static int memory_destroy(struct ms_backend *b, struct ms_error *err)
{
    struct ms_memory_store *s = ms_memory_of(b)->store;
    struct ms_memory_node *root;
    {
        MS_HOLD(&s->mutex);
        if (!s->locked.exists)
            return no_store(b, err);
        root = s->locked.root;
        s->locked.exists = false;
        s->locked.root = NULL;
        s->locked.used_bytes = 0;
    }
    ms_memory_free(root);
    return 0;
}

static int memory_open(struct ms_backend *b, struct ms_error *err)
{
    struct ms_memory_store *s = ms_memory_of(b)->store;
    MS_HOLD(&s->mutex);
    return s->locked.exists ? 0 : no_store(b, err);
}

static int memory_close(struct ms_backend *b, struct ms_error *err)
{
    (void)b, (void)err;
    return 0;
}

static void memory_free(struct ms_backend *b)
{
    store_put(ms_memory_of(b)->store);
    free(b);
}

static void memory_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    *out = (struct ms_capabilities){
        .flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_IF_TAG | MS_CAP_HASH |
                 MS_CAP_COPY | MS_CAP_COMPOSE | MS_CAP_LIST_AFTER_WRITE | MS_CAP_MOVE_IF_ABSENT |
                 MS_CAP_DIRECTORIES,
        .durability = MS_DURABLE_NONE,
        .name_max_bytes = ms_memory_of(b)->name_max_bytes,
        .best_parallelism = 4,
        .best_block_bytes = 1u << 20,
    };
}

/* ---- directories ---- */

static int memory_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    struct ms_memory_node **entries = NULL;
    MS_HOLD(&m->store->mutex);
    return ms_memory_make_directory_locked(m, name, &entries, err);
}

static int memory_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    MS_HOLD(&m->store->mutex);
    struct ms_memory_node **entries = ms_memory_directory_locked(m->store, name);
    if (!entries)
        return ms_memory_not_found(m, name, err);
    if (*entries)
        return ms_error_set(err, MS_ERR_EXISTS, "%s: %s is not empty", b->url, MS_SHOW(name));
    struct ms_memory_node **parent = ms_memory_directory_locked(m->store, ms_name_parent(name));
    ms_memory_free(ms_memory_remove(parent, ms_name_last(name)));
    return 0;
}

/* ---- values ---- */

static int memory_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                       struct ms_error *err)
{
    (void)err;
    struct ms_memory_store *s = ms_memory_of(b)->store;
    MS_HOLD(&s->mutex);
    struct ms_memory_node *node = ms_memory_lookup_locked(s, name);
    if (node)
        ms_memory_info_locked(node, out);
    else
        *out = (struct ms_info){.exists = false};
    return 0;
}

static int memory_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = ms_memory_get(m, name, &value, info, err);
    if (code)
        return code;
    uint64_t start, count;
    ms_range_clip(ms_buf_size(value), offset, size, &start, &count);
    ms_backend_count_moved(b, count, 0);
    if (count == ms_buf_size(value)) {
        *out = MS_TAKE(value);
        return 0;
    }
    struct ms_buf *part = ms_buf_slice(value, (size_t)start, (size_t)count);
    if (!part)
        return ms_memory_no_memory(m, name, err);
    *out = part;
    return 0;
}

static int memory_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                        const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    int code = ms_memory_put(ms_memory_of(b), name, value, pre, tag, err);
    if (code == 0)
        ms_backend_count_moved(b, 0, ms_buf_size(value));
    return code;
}

/* Takes a value's node out; the caller frees it. */
static struct ms_memory_node *take_out_locked(struct ms_memory_store *s, struct ms_view name)
{
    struct ms_memory_node **parent = ms_memory_directory_locked(s, ms_name_parent(name));
    struct ms_memory_node *node = ms_memory_remove(parent, ms_name_last(name));
    s->locked.used_bytes -= ms_buf_size(node->value);
    return node;
}

static int memory_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    struct ms_memory_node *node = NULL;
    {
        MS_HOLD(&m->store->mutex);
        node = ms_memory_value_locked(m->store, name);
        if (!node)
            return ms_memory_not_found(m, name, err);
        take_out_locked(m->store, name);
    }
    ms_memory_free(node);
    return 0;
}

/* Everything that may fail for want of memory, before anything changes. */
static int prepare_target_locked(struct ms_memory *m, struct ms_view to,
                                 struct ms_memory_node ***entries, struct ms_memory_node **out,
                                 struct ms_error *err)
{
    int code = ms_memory_make_directory_locked(m, ms_name_parent(to), entries, err);
    if (code)
        return code;
    *out = ms_memory_node_new(ms_name_last(to));
    return *out ? 0 : ms_memory_no_memory(m, to, err);
}

static int memory_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    struct ms_memory_store *s = m->store;
    struct ms_memory_node *node = NULL, *target = NULL, **entries = NULL;
    MS_HOLD(&s->mutex);
    node = ms_memory_value_locked(s, from);
    if (!node)
        return ms_memory_not_found(m, from, err);
    const struct ms_memory_node *replaced = ms_memory_lookup_locked(s, to);
    int code = ms_memory_judge_locked(m, to, replaced, pre, err);
    if (code || node == replaced)
        return code;
    code = prepare_target_locked(m, to, &entries, &target, err);
    if (code)
        return code;
    if (replaced)
        ms_memory_free(take_out_locked(s, to));
    node = take_out_locked(s, from);
    target->value = MS_TAKE(node->value);
    target->version = node->version;
    target->mtime_ns = node->mtime_ns;
    target->atime_ns = node->atime_ns;
    s->locked.used_bytes += ms_buf_size(target->value);
    ms_memory_insert(entries, target);
    ms_memory_free(node);
    return 0;
}

/* ---- where the data is ---- */

static int memory_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                       size_t hex_size, struct ms_error *err)
{
    struct ms_hash *hash;
    int code = ms_hash_new(algorithm, &hash, err);
    if (code)
        return code;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    code = ms_memory_get(ms_memory_of(b), name, &value, NULL, err);
    if (code == 0)
        code = ms_hash_update(hash, ms_buf_view(value), err);
    if (code == 0)
        code = ms_hash_hex(hash, hex, hex_size, err);
    ms_hash_free(hash);
    return code;
}

static int take_part(struct ms_memory *m, const struct ms_part *part, struct ms_collect *into,
                     struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = ms_memory_get(m, part->name, &value, NULL, err);
    if (code)
        return code;
    uint64_t all = ms_buf_size(value);
    uint64_t there = part->offset < all ? all - part->offset : 0;
    uint64_t wanted = part->size == MS_SIZE_TO_END ? there : part->size;
    if (wanted > there)
        return ms_error_set(
            err, MS_ERR_RANGE,
            "Read range error from %s (requested %llu bytes at offset %llu, got %llu)",
            MS_SHOW(part->name), (unsigned long long)wanted, (unsigned long long)part->offset,
            (unsigned long long)there);
    if (wanted == 0)
        return 0;
    return ms_collect_add(into, ms_view(ms_buf_view(value).data + part->offset, (size_t)wanted),
                          err);
}

static int memory_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                          struct ms_view to, const struct ms_precondition *pre,
                          struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    struct ms_collect bytes = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++)
        code = take_part(m, &parts[i], &bytes, err);
    if (code == 0) {
        struct ms_tag tag;
        MS_AUTO_BUF struct ms_buf *value = ms_collect_take(&bytes);
        code =
            value ? ms_memory_put(m, to, value, pre, &tag, err) : ms_memory_no_memory(m, to, err);
    }
    ms_collect_fini(&bytes);
    return code;
}

static int memory_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_memory *m = ms_memory_of(b);
    struct ms_tag tag;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = ms_memory_get(m, from, &value, NULL, err);
    return code ? code : ms_memory_put(m, to, value, pre, &tag, err);
}

static int memory_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                        struct ms_error *err)
{
    (void)err;
    struct ms_memory *m = ms_memory_of(b);
    if (m->capacity_bytes == UINT64_MAX)
        return 0; /* unknown, as set by the caller */
    MS_HOLD(&m->store->mutex);
    uint64_t used = m->store->locked.used_bytes;
    *total_bytes = m->capacity_bytes;
    *free_bytes = used < m->capacity_bytes ? m->capacity_bytes - used : 0;
    return 0;
}

static const struct ms_backend_ops memory_ops = {
    .create = memory_create,
    .destroy = memory_destroy,
    .open = memory_open,
    .close = memory_close,
    .free = memory_free,
    .capabilities = memory_capabilities,
    .mkdir = memory_mkdir,
    .rmdir = memory_rmdir,
    .info = memory_info,
    .load = memory_load,
    .store = memory_store,
    .remove = memory_delete,
    .move = memory_move,
    .list = ms_memory_list,
    .write = ms_memory_write,
    .read = ms_memory_read,
    .batch = ms_memory_batch,
    .hash = memory_hash,
    .compose = memory_compose,
    .copy = memory_copy,
    .usage = memory_usage,
};

/* ---- from a URL ---- */

/* A wrong value is a wrong URL. */
static int as_url(int code, struct ms_error *err)
{
    if (code && err)
        err->code = MS_ERR_URL;
    return code ? MS_ERR_URL : 0;
}

static int memory_make(struct ms_url *url, const struct ms_backend_env *env,
                       struct ms_backend **out, struct ms_error *err)
{
    if (url->authority)
        return ms_error_set(err, MS_ERR_URL, "%s: expected memory: or memory:NAME", url->safe);
    uint64_t capacity = UINT64_MAX, name_max = NAME_MAX_DEFAULT;
    const char *value = ms_url_take(url, "capacity");
    int code = value ? ms_parse_size(value, "capacity", &capacity, err) : 0;
    value = ms_url_take(url, "name_max");
    if (code == 0 && value)
        code = ms_parse_u64(value, "name_max", MS_NAME_MAX, &name_max, err);
    if (code == 0 && name_max == 0)
        code = ms_error_set(err, MS_ERR_URL, "name_max: at least 1");
    if (code)
        return as_url(code, err);
    struct ms_memory *m = calloc(1, sizeof *m);
    struct ms_memory_store *s = m ? store_get(url->path) : NULL;
    if (!s) {
        free(m);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a store", url->safe);
    }
    m->base.ops = &memory_ops;
    m->base.clock = env->clock;
    m->store = s;
    m->capacity_bytes = capacity;
    m->name_max_bytes = (unsigned)name_max;
    *out = &m->base;
    return 0;
}

const struct ms_backend_type ms_backend_memory = {
    .scheme = "memory",
    .usage = "memory:[NAME][?capacity=SIZE]",
    .make = memory_make,
};
