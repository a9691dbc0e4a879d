/* What a store in memory holds: directories and values by name. See memory.h for the lock. */
#include "backends/memory/memory.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

int ms_memory_no_memory(struct ms_memory *m, struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for %s", m->base.url, MS_SHOW(name));
}

int ms_memory_not_found(struct ms_memory *m, struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s: %s not found", m->base.url, MS_SHOW(name));
}

/* Cuts the first segment off *name. */
static struct ms_view next_segment(struct ms_view *name)
{
    const uint8_t *slash = memchr(name->data, '/', name->size);
    size_t size = slash ? (size_t)(slash - name->data) : name->size;
    struct ms_view segment = ms_view(name->data, size);
    size_t skip = slash ? size + 1 : size;
    *name = ms_view(name->data + skip, name->size - skip);
    return segment;
}

struct ms_memory_node **ms_memory_directory_locked(struct ms_memory_store *s, struct ms_view name)
{
    struct ms_memory_node **entries = &s->locked.root;
    while (name.size) {
        struct ms_memory_node *node = ms_memory_find(*entries, next_segment(&name));
        if (!node || node->value)
            return NULL;
        entries = &node->entries;
    }
    return s->locked.exists ? entries : NULL;
}

struct ms_memory_node *ms_memory_lookup_locked(struct ms_memory_store *s, struct ms_view name)
{
    struct ms_memory_node **entries = ms_memory_directory_locked(s, ms_name_parent(name));
    return entries ? ms_memory_find(*entries, ms_name_last(name)) : NULL;
}

int ms_memory_make_directory_locked(struct ms_memory *m, struct ms_view name,
                                    struct ms_memory_node ***out, struct ms_error *err)
{
    if (!m->store->locked.exists)
        return ms_error_set(err, MS_ERR_NO_STORE, "%s was destroyed meanwhile", m->base.url);
    struct ms_memory_node **entries = &m->store->locked.root;
    struct ms_view rest = name;
    while (rest.size) {
        struct ms_view segment = next_segment(&rest);
        struct ms_memory_node *node = ms_memory_find(*entries, segment);
        if (node && node->value)
            return ms_error_set(err, MS_ERR_EXISTS,
                                "%s: a value stands where %s needs the directory %s", m->base.url,
                                MS_SHOW(name), MS_SHOW(segment));
        if (!node) {
            node = ms_memory_node_new(segment);
            if (!node)
                return ms_memory_no_memory(m, name, err);
            node->mtime_ns = ms_clock_wall(m->base.clock);
            ms_memory_insert(entries, node);
        }
        entries = &node->entries;
    }
    *out = entries;
    return 0;
}

struct ms_memory_node *ms_memory_value_locked(struct ms_memory_store *s, struct ms_view name)
{
    struct ms_memory_node *node = ms_memory_lookup_locked(s, name);
    return node && node->value ? node : NULL;
}

static void tag_of(const struct ms_memory_node *node, struct ms_tag *out)
{
    *out = (struct ms_tag){{0}};
    snprintf(out->text, sizeof out->text, "v%llu", (unsigned long long)node->version);
}

void ms_memory_info_locked(const struct ms_memory_node *node, struct ms_info *out)
{
    *out = (struct ms_info){.exists = true,
                            .directory = !node->value,
                            .mtime_ns = node->mtime_ns,
                            .atime_ns = node->atime_ns};
    if (node->value) {
        out->size_bytes = ms_buf_size(node->value);
        tag_of(node, &out->tag);
    }
}

int ms_memory_judge_locked(struct ms_memory *m, struct ms_view name,
                           const struct ms_memory_node *node, const struct ms_precondition *pre,
                           struct ms_error *err)
{
    if (pre->kind == MS_IF_ABSENT && node)
        return ms_error_set(err, MS_ERR_EXISTS, "%s: %s already exists", m->base.url,
                            MS_SHOW(name));
    if (node && !node->value)
        return ms_error_set(err, MS_ERR_EXISTS, "%s: %s is a directory", m->base.url,
                            MS_SHOW(name));
    if (pre->kind != MS_IF_TAG)
        return 0;
    struct ms_tag now = {{0}};
    if (node)
        tag_of(node, &now);
    if (strcmp(now.text, pre->tag.text) != 0)
        return ms_error_set(err, MS_ERR_CONFLICT, "%s: %s was %s by somebody else", m->base.url,
                            MS_SHOW(name), node ? "changed" : "removed");
    return 0;
}

static int check_room(struct ms_memory *m, struct ms_view name, uint64_t old_size, uint64_t size,
                      struct ms_error *err)
{
    uint64_t used = m->store->locked.used_bytes - old_size;
    if (used <= m->capacity_bytes && size <= m->capacity_bytes - used)
        return 0;
    return ms_error_set(err, MS_ERR_NO_SPACE, "%s: no space for %s (%llu bytes)", m->base.url,
                        MS_SHOW(name), (unsigned long long)size);
}

int ms_memory_put_locked(struct ms_memory *m, struct ms_view name, struct ms_buf *value,
                         const struct ms_precondition *pre, struct ms_tag *tag,
                         struct ms_error *err)
{
    struct ms_memory_store *s = m->store;
    struct ms_memory_node *node = ms_memory_lookup_locked(s, name);
    int code = ms_memory_judge_locked(m, name, node, pre, err);
    if (code)
        return code;
    uint64_t old_size = node ? ms_buf_size(node->value) : 0;
    code = check_room(m, name, old_size, ms_buf_size(value), err);
    if (code)
        return code;
    if (!node) {
        struct ms_memory_node **entries = NULL;
        code = ms_memory_make_directory_locked(m, ms_name_parent(name), &entries, err);
        if (code)
            return code;
        node = ms_memory_node_new(ms_name_last(name));
        if (!node)
            return ms_memory_no_memory(m, name, err);
        ms_memory_insert(entries, node);
    }
    ms_buf_unref(node->value);
    node->value = value;
    node->version = ++s->locked.last_version;
    node->mtime_ns = node->atime_ns = ms_clock_wall(m->base.clock);
    s->locked.used_bytes += ms_buf_size(value) - old_size;
    tag_of(node, tag);
    return 0;
}

int ms_memory_put(struct ms_memory *m, struct ms_view name, struct ms_buf *value,
                  const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *kept = ms_buf_ref(value); /* before the lock: it may copy */
    if (!kept)
        return ms_memory_no_memory(m, name, err);
    MS_HOLD(&m->store->mutex);
    int code = ms_memory_put_locked(m, name, kept, pre, tag, err);
    if (code == 0)
        kept = NULL;
    return code;
}

int ms_memory_get(struct ms_memory *m, struct ms_view name, struct ms_buf **out,
                  struct ms_info *info, struct ms_error *err)
{
    MS_HOLD(&m->store->mutex);
    struct ms_memory_node *node = ms_memory_value_locked(m->store, name);
    if (!node)
        return ms_memory_not_found(m, name, err);
    struct ms_buf *value = ms_buf_ref(node->value);
    if (!value)
        return ms_memory_no_memory(m, name, err);
    if (info)
        ms_memory_info_locked(node, info);
    node->atime_ns = ms_clock_wall(m->base.clock);
    *out = value;
    return 0;
}
