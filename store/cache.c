/* store/cache.c - a filter that keeps copies of values in a second Store.
 *
 * Modes per namespace: `writethrough` reads the copy first and, on a miss, loads the whole value
 * and keeps it; `mirror` always reads the primary and refreshes the copy. Both keep what is stored.
 * Listing, info and hash ask the primary. The rules are in store/cache.h. Any thread.
 */
#include "store/cache.h"

#include "base/cleanup.h"
#include "base/entity.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdlib.h>

static struct ms_cache *self(struct ms_store *s)
{
    return (struct ms_cache *)s;
}

/* ---- life: both ---- */

static int cache_create(struct ms_store *s, struct ms_error *err)
{
    struct ms_store *copies = self(s)->copies;
    int code = copies->ops->create(copies, err); /* first: old copies must not serve a new store */
    if (code)
        return ms_error_prefix(err, code, "creating the cache");
    code = ms_filter_create(s, err);
    if (code)
        (void)copies->ops->destroy(copies, NULL); /* it is empty; the first failure is told */
    return code;
}

static int cache_destroy(struct ms_store *s, struct ms_error *err)
{
    struct ms_store *copies = self(s)->copies;
    int code = ms_filter_destroy(s, err);
    if (code)
        return code;
    struct ms_error own = {0};
    code = copies->ops->destroy(copies, &own);
    if (code == 0 || code == MS_ERR_NO_STORE)
        return 0;
    return ms_error_set(err, code, "the store is destroyed, its cache is not: %s", own.text);
}

static int cache_open(struct ms_store *s, struct ms_error *err)
{
    int code = ms_filter_open(s, err);
    if (!code)
        ms_cache_open_copies(self(s));
    return code;
}

static int cache_close(struct ms_store *s, struct ms_error *err)
{
    ms_cache_close_copies(self(s));
    return ms_filter_close(s, err);
}

static void free_policies(struct ms_cache *c)
{
    for (size_t i = 0; i < c->policy_count; i++) {
        if (c->policies[i].entity)
            ms_entity_put(c->policies[i].entity);
        free(c->policies[i].name);
    }
    free(c->policies);
}

static void cache_free(struct ms_store *s)
{
    struct ms_cache *c = self(s);
    c->copies->ops->free(c->copies);
    ms_cache_index_fini(&c->index);
    ms_cache_guard_fini(&c->guard);
    free_policies(c);
    ms_filter_free(s);
}

static int cache_set_namespaces(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                                struct ms_error *err)
{
    struct ms_cache *c = self(s);
    int code = ms_filter_set_namespaces(s, ns, count, err);
    struct ms_error own = {0};
    if (!code && c->copies->ops->set_namespaces(c->copies, ns, count, &own))
        ms_cache_failed(c, NULL, "changing the levels of", ms_str("it"), &own);
    return code;
}

/* ---- reading ---- */

/* The part of a whole value that load(offset, size) means. */
static struct ms_buf *clip(struct ms_buf *whole, int64_t offset, uint64_t size)
{
    uint64_t total = ms_buf_size(whole), from;
    if (offset < 0)
        from = -(uint64_t)offset > total ? 0 : total - -(uint64_t)offset;
    else
        from = (uint64_t)offset > total ? total : (uint64_t)offset;
    uint64_t rest = total - from;
    return ms_buf_slice(whole, (size_t)from, (size_t)(size < rest ? size : rest));
}

/* Whether the part asked for is worth the whole value: the primary says how large that is. */
static bool too_large(struct ms_store *s, struct ms_cache_policy *p, struct ms_item_ref item)
{
    struct ms_item_info info;
    int code = ms_filter_info(s, item, &info, NULL);
    return code != 0 || !info.exists || info.size_bytes > p->value_max;
}

static int cache_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    struct ms_cache *c = self(s);
    struct ms_cache_policy *p = item.deleted ? NULL : ms_cache_policy_of(c, item);
    struct ms_buf *part = NULL;
    if (!p)
        return ms_filter_load(s, item, offset, size, out, err);
    if (ms_cache_hit(c, p, item, offset, size, &part)) {
        *out = part;
        return 0;
    }
    bool whole_wanted = offset == 0 && size == MS_SIZE_TO_END;
    struct ms_guard_ticket ticket = {0};
    if (!ms_cache_usable(c) || !ms_guard_fill(&c->guard, item.key, item.deleted, &ticket) ||
        (!whole_wanted && too_large(s, p, item))) {
        ms_guard_leave(&c->guard, &ticket);
        return ms_filter_load(s, item, offset, size, out, err);
    }
    MS_AUTO_BUF struct ms_buf *whole = NULL;
    int code = ms_filter_load(s, item, 0, MS_SIZE_TO_END, &whole, err);
    ms_cache_fill_end(c, p, item, &ticket, whole);
    if (code)
        return code;
    part = whole_wanted ? MS_TAKE(whole) : clip(whole, offset, size);
    if (!part)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading %s", MS_SHOW(item.key));
    *out = part;
    return 0;
}

/* ---- writing ---- */

static int cache_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_cache *c = self(s);
    struct ms_cache_change change;
    int code = ms_cache_change_begin(c, item, &change, err);
    if (code)
        return code;
    code = ms_filter_store(s, item, value, pre, tag, err);
    ms_cache_change_end(c, &change, code ? NULL : value);
    return code;
}

static int cache_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_cache *c = self(s);
    struct ms_cache_change change;
    int code = ms_cache_change_begin(c, item, &change, err);
    if (code)
        return code;
    code = ms_filter_delete(s, item, err);
    ms_cache_change_end(c, &change, NULL);
    return code;
}

/* Copies of both names are dropped: moving one would, when the process dies in between, leave a
 * copy under a name that the primary gave to something else. */
static int cache_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                      struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                      struct ms_error *err)
{
    struct ms_cache *c = self(s);
    struct ms_item_ref from = {.key = key, .deleted = deleted || how == MS_MOVE_UNDELETE};
    struct ms_item_ref to = {.key = how == MS_MOVE_RENAME ? new_key : key};
    if (how == MS_MOVE_SOFT_DELETE)
        from.deleted = false;
    to.deleted = how == MS_MOVE_SOFT_DELETE || (how != MS_MOVE_UNDELETE && deleted);
    struct ms_cache_change source, target;
    int code = ms_cache_change_begin(c, from, &source, err);
    if (code)
        return code;
    code = ms_cache_change_begin(c, to, &target, err);
    if (!code) {
        code = ms_filter_move(s, how, key, new_key, deleted, pre, err);
        ms_cache_change_end(c, &target, NULL);
    }
    ms_cache_change_end(c, &source, NULL);
    return code;
}

static int cache_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                        size_t count, struct ms_view target, const char *algorithm, char *key,
                        size_t key_size, struct ms_error *err)
{
    struct ms_cache *c = self(s);
    struct ms_cache_change change = {0};
    MS_AUTO_FREE char *name = NULL;
    int code = 0;
    if (target.size) { /* else its name says its content: a copy of it is no older one */
        struct ms_item_ref item = {0};
        name = ms_filter_join(ns, target, &item.key.size);
        if (!name)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
        item.key.data = (const uint8_t *)name;
        code = ms_cache_change_begin(c, item, &change, err);
    }
    if (code)
        return code;
    code = ms_filter_defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
    ms_cache_change_end(c, &change, NULL);
    return code;
}

/* ---- many ---- */

struct many {
    struct ms_cache *cache;
    struct ms_many *items;
    struct ms_cache_change *changes;
};

static int begin_one(void *arg, size_t i)
{
    struct many *all = arg;
    struct ms_many *m = &all->items[i];
    struct ms_item_ref item = {.key = m->key, .deleted = m->deleted};
    struct ms_error err = {0};
    ms_many_result(m, ms_cache_change_begin(all->cache, item, &all->changes[i], &err), &err);
    return 0;
}

static int put_one(void *arg, size_t i)
{
    struct many *all = arg;
    ms_cache_change_end(all->cache, &all->changes[i],
                        all->items[i].code ? NULL : all->items[i].value);
    return 0;
}

static int cache_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                            struct ms_error *err)
{
    struct ms_cache *c = self(s);
    MS_AUTO_FREE struct ms_cache_change *changes = calloc(count ? count : 1, sizeof(*changes));
    if (!changes)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for storing %zu items", count);
    for (size_t i = 0; i < count; i++) {
        items[i].code = MS_ERR_CANCELLED; /* of those that are not reached */
        items[i].error = NULL;
    }
    struct many all = {c, items, changes};
    int code = ms_parallel(count, jobs ? jobs : 1, begin_one, &all, err);
    int stored = ms_filter_store_rest(s, items, count, jobs, code ? NULL : err);
    if (ms_parallel(count, jobs ? jobs : 1, put_one, &all, NULL)) /* cancelled: what is left */
        for (size_t i = 0; i < count; i++)
            ms_cache_change_end(c, &changes[i], NULL);
    return code ? code : stored;
}

static int cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                            struct ms_error *err)
{
    struct ms_cache *c = self(s);
    if (!atomic_load(&c->open))
        return ms_error_set(err, MS_ERR_IO, "cache %s: not used in this session", c->copies->url);
    if (what != MS_INVALIDATE_ITEM) {
        MS_AUTO_FREE char *ns = strndup(name.size ? (const char *)name.data : "", name.size);
        if (!ns)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
        return ms_cache_purge(c, what == MS_INVALIDATE_ALL ? "" : ns, err);
    }
    for (int deleted = 0; deleted <= 1; deleted++) {
        struct ms_item_ref item = {.key = name, .deleted = deleted};
        struct ms_cache_policy *p = ms_cache_policy_of(c, item);
        struct ms_guard_ticket ticket = {0};
        int code = p ? ms_guard_write(&c->guard, name, deleted, &ticket, err) : 0;
        if (p && !code)
            code = ms_cache_drop(c, p, item, err);
        ms_guard_leave(&c->guard, &ticket);
        if (code)
            return code;
    }
    return 0;
}

/* ---- making one ---- */

static const struct ms_store_ops cache_ops = {
    .create = cache_create,
    .destroy = cache_destroy,
    .open = cache_open,
    .close = cache_close,
    .free = cache_free,
    .set_namespaces = cache_set_namespaces,
    .load = cache_load,
    .store = cache_store,
    .info = ms_filter_info,
    .remove = cache_delete,
    .move = cache_move,
    .hash = ms_filter_hash,
    .defrag = cache_defrag,
    .write = ms_cache_write,
    .read = ms_cache_read,
    .list = ms_filter_list,
    .store_many = cache_store_many,
    .quota = ms_filter_quota,
    .usage = ms_filter_usage,
    .capabilities = ms_filter_capabilities,
    .sweep = ms_filter_sweep,
    .cache_invalidate = cache_invalidate,
};

static bool add_policy(struct ms_cache *c, const struct ms_namespace *ns)
{
    struct ms_cache_policy *p = &c->policies[c->policy_count];
    p->name = strdup(ns->name);
    if (!p->name)
        return false;
    c->policy_count++;
    p->name_size = strlen(p->name);
    p->mode = ns->cache;
    p->list = (struct ms_cache_list){.size_limit = ns->cache_size_bytes,
                                     .max_age_ns = ns->cache_max_age_ns};
    p->value_max = MS_CACHE_VALUE_MAX;
    if (ns->cache_size_bytes && ns->cache_size_bytes < p->value_max)
        p->value_max = ns->cache_size_bytes;
    if (p->mode != MS_CACHE_OFF)
        p->entity = ms_entity_get(MS_STATS_CACHE, c->filter.store.url, p->name);
    return true;
}

int ms_cache_wrap(struct ms_store *inner, struct ms_store *cache, const struct ms_namespace *ns,
                  size_t count, struct ms_store **out, struct ms_error *err)
{
    struct ms_cache *c = calloc(1, sizeof(*c));
    struct ms_cache_policy *policies = calloc(count ? count : 1, sizeof(*policies));
    if (!c || !policies) {
        free(c);
        free(policies);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the cache");
    }
    ms_filter_init(&c->filter, &cache_ops, inner);
    c->policies = policies;
    for (size_t i = 0; i < count; i++) {
        if (!add_policy(c, &ns[i])) {
            free_policies(c);
            free(c);
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the cache");
        }
    }
    c->copies = cache;
    ms_cache_index_init(&c->index);
    ms_cache_guard_init(&c->guard);
    *out = &c->filter.store;
    return 0;
}
