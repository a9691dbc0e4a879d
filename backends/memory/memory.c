/* memory: values in this process, for tests and simulation. `memory:` is the handle's own,
 * `memory:NAME` is shared by all handles of that name and lives while any of them does.
 *
 * The storage's mutex guards its tree and counts; values are handed out by reference, so that
 * nothing is copied under it. Options: capacity=SIZE (NO_SPACE beyond), name_max=N. */
#include "backends/registry.h"

#include "backends/memory/tree.h"
#include "backends/name.h"
#include "base/assert.h"
#include "base/cleanup.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdio.h>

struct storage {
    struct ms_mutex mutex;
    struct ms_tree tree;
    bool created;
    uint64_t bytes, capacity;
    uint64_t version; /* the last one given */
    char *name;       /* "" when private */
    unsigned refs;    /* guarded by `names`, as is the list */
    struct storage *next;
};

struct memory {
    struct ms_backend base;
    struct storage *storage;
    unsigned name_max;
};

static struct ms_mutex names = MS_MUTEX_STATIC;
static struct storage *shared;

static struct memory *self(struct ms_backend *b)
{
    return (struct memory *)b;
}

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "memory storage: out of memory");
}

static int not_found(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
}

/* ---- life ---- */

static void clear(struct storage *s)
{
    ms_tree_clear(&s->tree);
    s->bytes = 0;
}

static int memory_create(struct ms_backend *b, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    if (s->created)
        return ms_error_set(err, MS_ERR_STORE_EXISTS, "%s exists already", b->url);
    s->created = true;
    return 0;
}

static int memory_destroy(struct ms_backend *b, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    if (!s->created)
        return ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s", b->url);
    clear(s);
    s->created = false;
    return 0;
}

static int memory_open(struct ms_backend *b, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    if (!s->created)
        return ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s; create it first",
                            b->url);
    return 0;
}

static int memory_close(struct ms_backend *b, struct ms_error *err)
{
    (void)b;
    (void)err;
    return 0;
}

static void drop(struct storage *s)
{
    {
        MS_HOLD(&names);
        if (--s->refs > 0)
            return;
        for (struct storage **place = &shared; *place; place = &(*place)->next)
            if (*place == s) {
                *place = s->next;
                break;
            }
    }
    clear(s);
    ms_mutex_fini(&s->mutex);
    free(s->name);
    free(s);
}

static void memory_free(struct ms_backend *b)
{
    drop(self(b)->storage);
    free(b);
}

static void memory_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    *out = (struct ms_capabilities){
        .flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_IF_TAG | MS_CAP_HASH |
                 MS_CAP_COPY | MS_CAP_COMPOSE | MS_CAP_LIST_AFTER_WRITE | MS_CAP_MOVE_IF_ABSENT |
                 MS_CAP_DIRECTORIES,
        .durability = MS_DURABLE_NONE,
        .name_max_bytes = self(b)->name_max,
        .best_parallelism = 4,
        .best_block_bytes = 1 << 20,
    };
}

/* ---- nodes ---- */

static void fill_info(const struct ms_node *node, struct ms_info *out)
{
    *out = (struct ms_info){.exists = true,
                            .directory = !node->value,
                            .size_bytes = node->value ? ms_buf_size(node->value) : 0,
                            .mtime_ns = node->mtime_ns,
                            .atime_ns = node->atime_ns};
    if (node->value)
        snprintf(out->tag.text, sizeof out->tag.text, "%llx", (unsigned long long)node->version);
}

/* Adds the directories above (and, when `self`, at) name. */
static int make_dirs_locked(struct ms_backend *b, struct ms_view name, bool self_too,
                            struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    for (size_t end = 1; end <= name.size; end++) {
        bool whole = end == name.size;
        if (!(whole ? self_too : name.data[end] == '/'))
            continue;
        struct ms_view dir = ms_view(name.data, end);
        struct ms_node *node = ms_tree_find(&s->tree, dir);
        if (node && node->value)
            return ms_error_set(err, MS_ERR_EXISTS, "%s is a value, not a directory", MS_SHOW(dir));
        if (!node && !(node = ms_tree_add(&s->tree, dir)))
            return no_memory(err);
        if (!node->mtime_ns)
            node->mtime_ns = ms_clock_wall(b->clock);
    }
    return 0;
}

/* The first node below the directory; "" is the root. */
static struct ms_node *first_below_locked(const struct storage *s, struct ms_view dir)
{
    if (dir.size == 0)
        return ms_tree_seek(&s->tree, dir, false);
    uint8_t from[MS_NAME_MAX + 1];
    memcpy(from, dir.data, dir.size);
    from[dir.size] = '/';
    struct ms_node *node = ms_tree_seek(&s->tree, ms_view(from, dir.size + 1), false);
    return node && ms_starts_with(ms_node_name(node), ms_view(from, dir.size + 1)) ? node : NULL;
}

static int memory_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    return make_dirs_locked(b, name, true, err);
}

static int memory_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    struct ms_node *node = ms_tree_find(&s->tree, name);
    if (!node || node->value)
        return not_found(name, err);
    if (first_below_locked(s, name))
        return ms_error_set(err, MS_ERR_EXISTS, "the directory %s is not empty", MS_SHOW(name));
    ms_tree_remove(&s->tree, node);
    return 0;
}

static int memory_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                       struct ms_error *err)
{
    (void)err;
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    const struct ms_node *node = ms_tree_find(&s->tree, name);
    if (node)
        fill_info(node, out);
    else
        *out = (struct ms_info){0};
    return 0;
}

/* A reference to the value, and its info. */
static int get(struct ms_backend *b, struct ms_view name, struct ms_buf **out, struct ms_info *info,
               struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    struct ms_node *node = ms_tree_find(&s->tree, name);
    if (!node || !node->value)
        return not_found(name, err);
    node->atime_ns = ms_clock_wall(b->clock);
    fill_info(node, info);
    *out = ms_buf_ref(node->value);
    return 0;
}

static int memory_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_info now;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = get(b, name, &value, &now, err);
    if (code)
        return code;
    uint64_t there = ms_buf_size(value), from;
    if (offset < 0)
        from = (uint64_t)-offset > there ? 0 : there - (uint64_t)-offset;
    else
        from = (uint64_t)offset > there ? there : (uint64_t)offset;
    if (size > there - from)
        size = there - from;
    struct ms_buf *part = size == there ? MS_TAKE(value) : ms_buf_slice(value, from, size);
    if (!part)
        return no_memory(err);
    ms_backend_count_moved(b, size, 0);
    if (info)
        *info = now;
    *out = part;
    return 0;
}

static int judge_locked(const struct ms_node *node, struct ms_view name,
                        const struct ms_precondition *pre, struct ms_error *err)
{
    if (pre->kind == MS_IF_ABSENT && node)
        return ms_error_set(err, MS_ERR_EXISTS, "%s exists already", MS_SHOW(name));
    if (pre->kind != MS_IF_TAG)
        return 0;
    struct ms_info info = {0};
    if (node)
        fill_info(node, &info);
    if (!node || strcmp(info.tag.text, pre->tag.text) != 0)
        return ms_error_set(err, MS_ERR_CONFLICT, "%s was changed by somebody else", MS_SHOW(name));
    return 0;
}

/* Puts value (a reference is taken over) under name; *old gets what to unref afterwards. */
static int put_locked(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_buf **old,
                      struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    struct ms_node *node = ms_tree_find(&s->tree, name);
    if (node && !node->value)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is a directory", MS_SHOW(name));
    int code = judge_locked(node, name, pre, err);
    uint64_t freed = node ? ms_buf_size(node->value) : 0;
    if (!code && s->capacity && s->bytes - freed + ms_buf_size(value) > s->capacity)
        code = ms_error_set(err, MS_ERR_NO_SPACE, "storing %s: no space left in %s", MS_SHOW(name),
                            b->url);
    if (!code)
        code = make_dirs_locked(b, name, false, err);
    if (code)
        return code;
    if (!node && !(node = ms_tree_add(&s->tree, name)))
        return no_memory(err);
    *old = node->value;
    node->value = value;
    node->version = ++s->version;
    node->mtime_ns = node->atime_ns = ms_clock_wall(b->clock);
    s->bytes += ms_buf_size(value) - freed;
    snprintf(tag->text, sizeof tag->text, "%llx", (unsigned long long)node->version);
    return 0;
}

static int memory_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                        const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_AUTO_BUF struct ms_buf *old = NULL;
    MS_AUTO_BUF struct ms_buf *kept = ms_buf_ref(value);
    if (!kept)
        return no_memory(err);
    uint64_t size = ms_buf_size(kept);
    int code;
    {
        MS_HOLD(&s->mutex);
        code = put_locked(b, name, kept, pre, tag, &old, err);
    }
    if (code)
        return code;
    (void)MS_TAKE(kept);
    ms_backend_count_moved(b, 0, size);
    return 0;
}

static int memory_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    struct ms_node *node = ms_tree_find(&s->tree, name);
    if (!node || !node->value)
        return not_found(name, err);
    s->bytes -= ms_buf_size(node->value);
    ms_tree_remove(&s->tree, node);
    return 0;
}

static int memory_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    struct ms_node *source = ms_tree_find(&s->tree, from);
    if (!source || !source->value)
        return not_found(from, err);
    struct ms_node *target = ms_tree_find(&s->tree, to);
    int code = judge_locked(target, to, pre, err);
    if (code || source == target)
        return code;
    if (target && !target->value)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is a directory", MS_SHOW(to));
    code = make_dirs_locked(b, to, false, err);
    if (code)
        return code;
    if (target) {
        s->bytes -= ms_buf_size(target->value);
        ms_buf_unref(target->value);
    } else if (!(target = ms_tree_add(&s->tree, to))) {
        return no_memory(err);
    }
    target->value = MS_TAKE(source->value);
    target->version = source->version;
    target->mtime_ns = source->mtime_ns;
    target->atime_ns = source->atime_ns;
    ms_tree_remove(&s->tree, source);
    return 0;
}

/* ---- listing: each step seeks anew, so that anything may change in between ---- */

struct memory_lister {
    struct ms_lister base;
    size_t dir_size; /* "data/" with the slash; 0: the root */
    size_t at_size;  /* the name to go on behind */
    bool started;
    struct ms_entry entry;
    uint8_t at[MS_NAME_MAX + 2], found[MS_NAME_MAX + 2];
};

/* The next direct child behind l->at; what lies deeper is jumped over ('0' follows '/'). */
static struct ms_node *step_locked(struct memory_lister *l, const struct storage *s)
{
    for (;;) {
        struct ms_node *node = ms_tree_seek(&s->tree, ms_view(l->at, l->at_size), l->started);
        l->started = true;
        if (!node || !ms_starts_with(ms_node_name(node), ms_view(l->at, l->dir_size)))
            return NULL;
        struct ms_view rest = ms_view(node->name + l->dir_size, node->name_size - l->dir_size);
        const uint8_t *slash = rest.size ? memchr(rest.data, '/', rest.size) : NULL;
        l->at_size = slash ? (size_t)(slash - node->name) + 1 : node->name_size;
        memcpy(l->at, node->name, l->at_size);
        if (!slash)
            return node;
        l->at[l->at_size - 1] = '/' + 1;
        l->started = false;
    }
}

static int memory_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    (void)err;
    struct memory_lister *l = (struct memory_lister *)base;
    struct storage *s = self(base->backend)->storage;
    MS_HOLD(&s->mutex);
    const struct ms_node *node;
    do {
        node = step_locked(l, s);
        if (!node) {
            *out = NULL;
            return 0;
        }
    } while (ms_name_hidden(ms_name_last(ms_node_name(node))));
    size_t size = node->name_size - l->dir_size;
    memcpy(l->found, node->name + l->dir_size, size);
    l->entry.name = ms_view(l->found, size);
    fill_info(node, &l->entry.info);
    *out = &l->entry;
    return 0;
}

static void memory_lister_close(struct ms_lister *l)
{
    free(l);
}

static int memory_list(struct ms_backend *b, struct ms_view name,
                       const struct ms_list_request *request, struct ms_lister **out,
                       struct ms_error *err)
{
    static const struct ms_lister_ops ops = {memory_next, memory_lister_close};
    struct storage *s = self(b)->storage;
    if (name.size) {
        MS_HOLD(&s->mutex);
        const struct ms_node *node = ms_tree_find(&s->tree, name);
        if (!node || node->value)
            return not_found(name, err);
    }
    struct memory_lister *l = malloc(sizeof *l);
    if (!l)
        return no_memory(err);
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->dir_size = name.size ? name.size + 1 : 0;
    if (name.size) {
        memcpy(l->at, name.data, name.size);
        l->at[name.size] = '/';
    }
    l->at_size = l->dir_size;
    l->started = false;
    size_t room = MS_NAME_MAX - l->dir_size; /* longer names are not there */
    size_t more = request->start_after.size < room ? request->start_after.size : room;
    if (more) {
        memcpy(l->at + l->at_size, request->start_after.data, more);
        l->at_size += more;
        l->started = true;
    }
    *out = &l->base;
    return 0;
}

/* ---- readers: the value itself is immutable ---- */

struct memory_reader {
    struct ms_reader base;
    struct ms_buf *value;
};

static int memory_reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                              struct ms_error *err)
{
    (void)err;
    memcpy(into, ms_buf_view(((struct memory_reader *)r)->value).data + offset, size);
    ms_backend_count_moved(r->backend, size, 0);
    return 0;
}

static void memory_reader_close(struct ms_reader *r)
{
    ms_buf_unref(((struct memory_reader *)r)->value);
    free(r);
}

static int memory_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                       struct ms_error *err)
{
    static const struct ms_reader_ops ops = {memory_reader_read, memory_reader_close};
    struct memory_reader *r = malloc(sizeof *r);
    if (!r)
        return no_memory(err);
    r->base = (struct ms_reader){.ops = &ops, .backend = b};
    int code = get(b, name, &r->value, &r->base.info, err);
    if (code)
        free(r);
    else
        *out = &r->base;
    return code;
}

static int memory_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                        struct ms_error *err)
{
    (void)err;
    struct storage *s = self(b)->storage;
    MS_HOLD(&s->mutex);
    *total_bytes = s->capacity ? s->capacity : UINT64_MAX;
    *free_bytes = s->capacity ? s->capacity - s->bytes : UINT64_MAX;
    return 0;
}

/* ---- making one ---- */

static struct storage *new_storage(const char *name, uint64_t capacity, uint64_t seed)
{
    struct storage *s = calloc(1, sizeof *s);
    if (!s || !(s->name = strdup(name))) {
        free(s);
        return NULL;
    }
    ms_mutex_init(&s->mutex);
    ms_random_seed(&s->tree.random, seed);
    s->capacity = capacity;
    s->refs = 1;
    return s;
}

static struct storage *find_storage(const char *name, uint64_t capacity, uint64_t seed)
{
    if (!*name)
        return new_storage(name, capacity, seed);
    MS_HOLD(&names);
    for (struct storage *s = shared; s; s = s->next)
        if (strcmp(s->name, name) == 0) {
            s->refs++;
            return s;
        }
    struct storage *s = new_storage(name, capacity, seed);
    if (s) {
        s->next = shared;
        shared = s;
    }
    return s;
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
    .delete = memory_delete,
    .move = memory_move,
    .list = memory_list,
    .read = memory_read,
    .usage = memory_usage,
};

static int memory_make(struct ms_url *url, const struct ms_backend_env *env,
                       struct ms_backend **out, struct ms_error *err)
{
    if (url->authority)
        return ms_error_set(err, MS_ERR_URL, "%s: write memory: or memory:NAME", url->safe);
    uint64_t capacity = 0, name_max = 255;
    const char *option = ms_url_take(url, "capacity");
    int code = option ? ms_parse_size(option, "capacity", &capacity, err) : 0;
    option = ms_url_take(url, "name_max");
    if (!code && option)
        code = ms_parse_u64(option, "name_max", MS_NAME_MAX, &name_max, err);
    if (code)
        return code;
    struct memory *m = calloc(1, sizeof *m);
    if (!m || !(m->storage = find_storage(url->path, capacity, env->seed))) {
        free(m);
        return no_memory(err);
    }
    m->base.ops = &memory_ops;
    m->name_max = (unsigned)name_max;
    *out = &m->base;
    return 0;
}

const struct ms_backend_type ms_backend_memory = {
    .scheme = "memory",
    .usage = "memory:[NAME][?capacity=SIZE]",
    .make = memory_make,
};
