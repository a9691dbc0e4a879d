/* store/untracked.c - a filter that counts nothing and limits nothing.
 *
 * What a session with a quota has counted would not be true any more after a change, and goes
 * before the first one: who only reads pays no call for it. Once in a session, also in vain;
 * whoever comes second waits, so that no change is there before that. Any thread. */
#include "store/untracked.h"
#include "store/quota_count.h"

#include "base/log.h"
#include "base/sync.h"

#include <stdlib.h>

struct untracked {
    struct ms_filter filter;
    struct ms_mutex mutex;
    struct ms_cond changed;
    enum { UNKNOWN, REMOVING, GONE } count; /* under the mutex */
};

static struct untracked *self(struct ms_store *s)
{
    return (struct untracked *)s;
}

/* ---- the count of an earlier quota ---- */

/* True: the caller is to remove it. */
static bool is_mine(struct untracked *u)
{
    MS_HOLD(&u->mutex);
    while (u->count == REMOVING)
        ms_cond_wait(&u->changed, &u->mutex);
    if (u->count == GONE)
        return false;
    u->count = REMOVING;
    return true;
}

static void set_count(struct untracked *u, int count)
{
    MS_HOLD(&u->mutex);
    u->count = count;
    ms_cond_broadcast(&u->changed);
}

static void forget(struct ms_store *s)
{
    struct untracked *u = self(s);
    struct ms_error own = {0};
    if (!is_mine(u))
        return;
    if (ms_quota_count_remove(u->filter.inner, &own))
        ms_log(MS_LOG_INFO, "%s: the count of an earlier quota stays: %s", s->url, own.text);
    set_count(u, GONE);
}

/* ---- life ---- */

static int untracked_open(struct ms_store *s, struct ms_error *err)
{
    set_count(self(s), UNKNOWN);
    return ms_filter_open(s, err);
}

static void untracked_free(struct ms_store *s)
{
    ms_cond_fini(&self(s)->changed);
    ms_mutex_fini(&self(s)->mutex);
    ms_filter_free(s);
}

static int untracked_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    (void)s;
    (void)err;
    *out = (struct ms_quota){-1, -1};
    return 0;
}

/* ---- changes ---- */

static int untracked_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                           const struct ms_precondition *pre, struct ms_tag *tag,
                           struct ms_error *err)
{
    if (!item.internal)
        forget(s);
    return ms_filter_store(s, item, value, pre, tag, err);
}

static int untracked_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    if (!item.internal)
        forget(s);
    return ms_filter_delete(s, item, err);
}

/* Also into another item: what that held before is gone. */
static int untracked_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                          struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                          struct ms_error *err)
{
    forget(s);
    return ms_filter_move(s, how, key, new_key, deleted, pre, err);
}

static int untracked_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                            size_t count, struct ms_view target, const char *algorithm, char *key,
                            size_t key_size, struct ms_error *err)
{
    forget(s);
    return ms_filter_defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
}

static int untracked_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                           const struct ms_precondition *pre, struct ms_store_writer **out,
                           struct ms_error *err)
{
    if (!item.internal)
        forget(s);
    return ms_filter_write(s, item, size_hint, pre, out, err);
}

static int untracked_store_many(struct ms_store *s, struct ms_many *items, size_t count,
                                unsigned jobs, struct ms_error *err)
{
    forget(s);
    return ms_filter_store_many(s, items, count, jobs, err);
}

static int untracked_remove_many(struct ms_store *s, struct ms_many *items, size_t count,
                                 struct ms_error *err)
{
    forget(s);
    return ms_filter_remove_many(s, items, count, err);
}

static const struct ms_store_ops untracked_ops = {
    .create = ms_filter_create,
    .destroy = ms_filter_destroy,
    .open = untracked_open,
    .close = ms_filter_close,
    .free = untracked_free,
    .set_namespaces = ms_filter_set_namespaces,
    .load = ms_filter_load,
    .store = untracked_store,
    .info = ms_filter_info,
    .remove = untracked_delete,
    .move = untracked_move,
    .hash = ms_filter_hash,
    .defrag = untracked_defrag,
    .write = untracked_write,
    .read = ms_filter_read,
    .list = ms_filter_list,
    .store_many = untracked_store_many,
    .remove_many = untracked_remove_many,
    .quota = untracked_quota,
    .usage = ms_filter_usage,
    .capabilities = ms_filter_capabilities,
    .sweep = ms_filter_sweep,
    .cache_invalidate = ms_filter_cache_invalidate,
};

int ms_untracked_wrap(struct ms_store *inner, struct ms_store **out, struct ms_error *err)
{
    struct untracked *u = calloc(1, sizeof *u);
    if (!u)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a Store without a quota");
    ms_filter_init(&u->filter, &untracked_ops, inner);
    ms_mutex_init(&u->mutex);
    ms_cond_init(&u->changed);
    *out = &u->filter.store;
    return 0;
}
