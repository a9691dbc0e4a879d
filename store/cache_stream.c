/* store/cache_stream.c - streaming past a cache.
 *
 * A writer drops the copy and never puts one: its value may be larger than memory. A reader of a
 * copy reads the cache; when that fails, it goes on with the primary, unless the item was changed
 * since (then it must not mix two values and says CONFLICT). A reader belongs to one version: any
 * thread may read; the change-over is done once, under a lock that guards a pointer.
 */
#include "store/cache.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

/* ---- writing ---- */

struct cache_writer {
    struct ms_store_writer base;
    struct ms_store_writer *inner;
    struct ms_cache *cache;
    struct ms_item_ref item;
    uint8_t key[];
};

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct ms_store_writer *inner = ((struct cache_writer *)base)->inner;
    return inner->ops->append(inner, bytes, err);
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_FREE struct cache_writer *w = (struct cache_writer *)base;
    struct ms_cache_change change;
    int code = ms_cache_change_begin(w->cache, w->item, &change, err);
    if (code) {
        w->inner->ops->abort(w->inner);
        return code;
    }
    code = w->inner->ops->commit(w->inner, tag, err);
    ms_cache_change_end(w->cache, &change, NULL);
    return code;
}

static void writer_abort(struct ms_store_writer *base)
{
    MS_AUTO_FREE struct cache_writer *w = (struct cache_writer *)base;
    w->inner->ops->abort(w->inner);
}

static const struct ms_store_writer_ops writer_ops = {writer_append, writer_commit, writer_abort};

int ms_cache_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                   const struct ms_precondition *pre, struct ms_store_writer **out,
                   struct ms_error *err)
{
    struct ms_cache *c = (struct ms_cache *)s;
    if (!ms_cache_policy_of(c, item))
        return ms_filter_write(s, item, size_hint, pre, out, err);
    struct cache_writer *w = malloc(sizeof(*w) + item.key.size);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing %s", MS_SHOW(item.key));
    *w = (struct cache_writer){.base.ops = &writer_ops, .cache = c, .item = item};
    memcpy(w->key, item.key.data, item.key.size);
    w->item.key = ms_view(w->key, item.key.size);
    int code = ms_filter_write(s, item, size_hint, pre, &w->inner, err);
    if (code) {
        free(w);
        return code;
    }
    *out = &w->base;
    return 0;
}

/* ---- reading ---- */

struct cache_reader {
    struct ms_store_reader base;
    struct ms_cache *cache;
    struct ms_store_reader *copy;
    uint64_t changes; /* of the item, when the copy was opened */
    struct ms_mutex mutex;
    struct ms_store_reader *primary; /* under the mutex; NULL: not needed so far */
    struct ms_item_ref item;
    uint8_t key[];
};

static struct ms_store_reader *primary_now(struct cache_reader *r)
{
    MS_HOLD(&r->mutex);
    return r->primary;
}

/* Makes the primary's reader the one in use; several threads may come here at once. */
static int change_over(struct cache_reader *r, struct ms_store_reader **out, struct ms_error *err)
{
    struct ms_store_reader *found, *extra = NULL;
    int code = ms_filter_read(&r->cache->filter.store, r->item, &found, err);
    if (code)
        return code;
    if (found->info.size_bytes != r->base.info.size_bytes ||
        ms_guard_changes(&r->cache->guard, r->item.key, r->item.deleted) != r->changes) {
        found->ops->close(found);
        return ms_error_set(err, MS_ERR_CONFLICT, "%s was changed while it was read",
                            MS_SHOW(r->item.key));
    }
    {
        MS_HOLD(&r->mutex);
        if (r->primary)
            extra = found;
        else
            r->primary = found;
        *out = r->primary;
    }
    if (extra)
        extra->ops->close(extra);
    return 0;
}

static int reader_read(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    struct cache_reader *r = (struct cache_reader *)base;
    struct ms_store_reader *primary = primary_now(r);
    if (!primary) {
        struct ms_error own = {0};
        int code = r->copy->ops->read(r->copy, offset, into, size, got, &own);
        if (code == 0)
            return 0;
        if (code == MS_ERR_CANCELLED)
            return ms_error_set(err, code, "%s", own.text);
        ms_cache_failed(r->cache, ms_cache_policy_of(r->cache, r->item), "reading", r->item.key,
                        &own);
        code = change_over(r, &primary, err);
        if (code)
            return code;
    }
    return primary->ops->read(primary, offset, into, size, got, err);
}

static void reader_close(struct ms_store_reader *base)
{
    MS_AUTO_FREE struct cache_reader *r = (struct cache_reader *)base;
    r->copy->ops->close(r->copy);
    if (r->primary)
        r->primary->ops->close(r->primary);
    ms_mutex_fini(&r->mutex);
}

static const struct ms_store_reader_ops reader_ops = {reader_read, reader_close};

int ms_cache_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                  struct ms_error *err)
{
    struct ms_cache *c = (struct ms_cache *)s;
    struct ms_cache_policy *p = item.deleted ? NULL : ms_cache_policy_of(c, item);
    struct ms_store_reader *copy;
    uint64_t changes = ms_guard_changes(&c->guard, item.key, item.deleted);
    if (!p || !ms_cache_hit_reader(c, p, item, &copy))
        return ms_filter_read(s, item, out, err);
    struct cache_reader *r = malloc(sizeof(*r) + item.key.size);
    if (!r) {
        copy->ops->close(copy);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading %s", MS_SHOW(item.key));
    }
    *r = (struct cache_reader){.base = {.ops = &reader_ops, .info = copy->info},
                               .cache = c,
                               .copy = copy,
                               .changes = changes,
                               .item = item};
    memcpy(r->key, item.key.data, item.key.size);
    r->item.key = ms_view(r->key, item.key.size);
    ms_mutex_init(&r->mutex);
    *out = &r->base;
    return 0;
}
