/* store/cache_copies.c - the copies of a cache: reading, putting, dropping, evicting them.
 *
 * Talks to the second Store only, under the rules in store/cache.h. Any thread, but for opening and
 * closing.
 */
#include "store/cache.h"

#include "base/cleanup.h"
#include "base/entity.h"
#include "base/log.h"
#include "base/text.h"

#include <stdlib.h>

#define AGED_AT_ONCE 64 /* copies that one call drops only because of their age */

struct ms_cache_policy *ms_cache_policy_of(struct ms_cache *c, struct ms_item_ref item)
{
    struct ms_cache_policy *best = NULL;
    if (item.internal)
        return NULL;
    for (size_t i = 0; i < c->policy_count; i++) {
        struct ms_cache_policy *p = &c->policies[i];
        bool matches = p->name_size == 0 ||
                       (item.key.size > p->name_size && item.key.data[p->name_size] == '/' &&
                        memcmp(item.key.data, p->name, p->name_size) == 0);
        if (matches && (!best || p->name_size > best->name_size))
            best = p;
    }
    return best && best->mode != MS_CACHE_OFF ? best : NULL;
}

static int64_t now(struct ms_cache *c)
{
    return ms_clock_wall(c->filter.store.clock);
}

void ms_cache_failed(struct ms_cache *c, struct ms_cache_policy *p, const char *what,
                     struct ms_view key, const struct ms_error *err)
{
    if (err->code == MS_ERR_CANCELLED)
        return;
    if (p)
        ms_entity_count_cache(p->entity, MS_CACHE_ERROR);
    bool told = atomic_exchange(&c->told, true);
    ms_log(told ? MS_LOG_DEBUG : MS_LOG_WARN, "cache %s: %s %s: %s", c->copies->url, what,
           MS_SHOW(key), err->text);
}

int ms_cache_drop(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                  struct ms_error *err)
{
    struct ms_error own = {0};
    ms_cache_index_remove(&c->index, item.key, item.deleted);
    int code = c->copies->ops->remove(c->copies, item, &own);
    if (code == 0 || code == MS_ERR_NOT_FOUND)
        return 0;
    if (code != MS_ERR_CANCELLED)
        atomic_store(&c->distrusted, true);
    ms_cache_failed(c, p, "dropping", item.key, &own);
    return ms_error_set(err, code, "%s", own.text);
}

/* The same to the end, whatever the caller's token says. */
static void drop_surely(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item)
{
    struct ms_cancel *token = ms_cancel_swap(NULL);
    (void)ms_cache_drop(c, p, item, NULL); /* a failure has its consequence there */
    ms_cancel_swap(token);
}

static void evict(struct ms_cache *c, struct ms_cache_policy *p, bool thoroughly)
{
    int64_t at = now(c);
    for (size_t n = 0;; n++) {
        bool size_only = !thoroughly && n >= AGED_AT_ONCE;
        MS_AUTO_FREE struct ms_cache_copy *copy =
            ms_cache_index_victim(&c->index, &p->list, size_only, at);
        if (!copy)
            return;
        struct ms_item_ref item = {.key = copy->node.key, .deleted = copy->node.deleted};
        struct ms_error err = {0};
        int code = c->copies->ops->remove(c->copies, item, &err);
        ms_entity_count_cache(p->entity, MS_CACHE_EVICTION);
        if (code && code != MS_ERR_NOT_FOUND)
            ms_cache_failed(c, p, "evicting", item.key, &err);
    }
}

/* ---- a session ---- */

/* Fills the index from what is there, oldest first. */
static void learn_copies(struct ms_cache *c)
{
    bool limited = false;
    for (size_t i = 0; i < c->policy_count; i++)
        limited |=
            c->policies[i].mode != MS_CACHE_OFF && ms_cache_list_limited(&c->policies[i].list);
    if (!limited)
        return;
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    all.deleted = MS_LIST_BOTH;
    struct ms_store_lister *lister;
    struct ms_error err = {0};
    const struct ms_item *item = NULL;
    int code = c->copies->ops->list(c->copies, "", &all, &lister, &err);
    if (code == 0) {
        int64_t at = now(c);
        while ((code = lister->ops->next(lister, &item, &err)) == 0 && item) {
            struct ms_cache_policy *p =
                ms_cache_policy_of(c, (struct ms_item_ref){.key = item->key});
            int64_t used = item->info.atime_ns > item->info.mtime_ns ? item->info.atime_ns
                                                                     : item->info.mtime_ns;
            if (p)
                ms_cache_index_put(&c->index, &p->list, item->key, item->deleted,
                                   item->info.size_bytes, used < at ? used : at);
        }
        lister->ops->close(lister);
    }
    if (code)
        ms_cache_failed(c, NULL, "listing", ms_str("its copies"), &err);
    for (size_t i = 0; i < c->policy_count; i++) {
        struct ms_cache_policy *p = &c->policies[i];
        ms_cache_index_sort(&c->index, &p->list);
        if (p->mode != MS_CACHE_OFF)
            evict(c, p, true);
    }
}

void ms_cache_open_copies(struct ms_cache *c)
{
    struct ms_store *copies = c->copies;
    struct ms_error err = {0};
    atomic_store(&c->told, false);
    atomic_store(&c->distrusted, false);
    int code = copies->ops->open(copies, &err);
    if (code == MS_ERR_NO_STORE) { /* a cache given to a Store that had none */
        code = copies->ops->create(copies, &err);
        if (code == 0)
            code = copies->ops->open(copies, &err);
    }
    if (code) {
        ms_cache_failed(c, NULL, "not used in this session, opening", ms_str("it"), &err);
        for (size_t i = 0; i < c->policy_count; i++)
            if (c->policies[i].mode != MS_CACHE_OFF)
                ms_entity_count_cache(c->policies[i].entity, MS_CACHE_ERROR);
        return;
    }
    atomic_store(&c->open, true);
    learn_copies(c);
}

void ms_cache_close_copies(struct ms_cache *c)
{
    struct ms_error err = {0};
    if (!atomic_load(&c->open))
        return;
    if (atomic_load(&c->distrusted) && ms_cache_purge(c, "", &err))
        ms_log(MS_LOG_ERROR, "cache %s: may hold outdated copies, remove it: %s", c->copies->url,
               err.text);
    else
        for (size_t i = 0; i < c->policy_count; i++)
            if (c->policies[i].mode != MS_CACHE_OFF)
                evict(c, &c->policies[i], true);
    ms_cache_index_clear(&c->index);
    atomic_store(&c->open, false);
    if (c->copies->ops->close(c->copies, &err))
        ms_cache_failed(c, NULL, "closing", ms_str("it"), &err);
}

int ms_cache_purge(struct ms_cache *c, const char *ns, struct ms_error *err)
{
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    all.deleted = MS_LIST_BOTH;
    all.names_only = true;
    struct ms_store_lister *lister;
    ms_guard_new_epoch(&c->guard);
    int code = c->copies->ops->list(c->copies, ns, &all, &lister, err);
    if (code)
        return code;
    const struct ms_item *item;
    while ((code = lister->ops->next(lister, &item, err)) == 0 && item) {
        size_t size;
        MS_AUTO_FREE char *key = ms_filter_join(ns, item->key, &size);
        if (!key) {
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
            break;
        }
        struct ms_item_ref ref = {.key = ms_view(key, size), .deleted = item->deleted};
        code = ms_cache_drop(c, ms_cache_policy_of(c, ref), ref, err);
        if (code)
            break;
    }
    lister->ops->close(lister);
    return code;
}

/* ---- reading ---- */

/* Whether to look for the copy at all. */
static bool worth_asking(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item)
{
    if (!ms_cache_usable(c) || p->mode != MS_CACHE_WRITETHROUGH)
        return false;
    bool readable = ms_guard_readable(&c->guard, item.key, item.deleted);
    if (readable && ms_cache_index_expired(&c->index, item.key, item.deleted, now(c))) {
        (void)ms_cache_drop(c, p, item, NULL); /* a failure has its consequence there */
        ms_entity_count_cache(p->entity, MS_CACHE_EVICTION);
        readable = false;
    }
    if (!readable)
        ms_entity_count_cache(p->entity, MS_CACHE_MISS);
    return readable;
}

/* What asking came to: counts it, and keeps the order of use. size: of the whole value. */
static bool asked(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item, int code,
                  const struct ms_error *err, const uint64_t *size)
{
    if (code == 0) {
        ms_entity_count_cache(p->entity, MS_CACHE_HIT);
        int64_t at = now(c);
        if (!ms_cache_index_touch(&c->index, item.key, item.deleted, at) && size)
            ms_cache_index_put(&c->index, &p->list, item.key, item.deleted, *size, at);
        evict(c, p, false);
        return true;
    }
    ms_entity_count_cache(p->entity, MS_CACHE_MISS);
    ms_cache_index_remove(&c->index, item.key, item.deleted);
    if (code != MS_ERR_NOT_FOUND)
        ms_cache_failed(c, p, "reading", item.key, err);
    return false;
}

bool ms_cache_hit(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                  int64_t offset, uint64_t size, struct ms_buf **out)
{
    struct ms_error err = {0};
    if (!worth_asking(c, p, item))
        return false;
    int code = c->copies->ops->load(c->copies, item, offset, size, out, &err);
    uint64_t whole = code == 0 ? ms_buf_size(*out) : 0;
    return asked(c, p, item, code, &err, offset == 0 && size == MS_SIZE_TO_END ? &whole : NULL);
}

bool ms_cache_hit_reader(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                         struct ms_store_reader **out)
{
    struct ms_error err = {0};
    if (!worth_asking(c, p, item))
        return false;
    int code = c->copies->ops->read(c->copies, item, out, &err);
    return asked(c, p, item, code, &err, code == 0 ? &(*out)->info.size_bytes : NULL);
}

/* ---- writing ---- */

void ms_cache_put(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                  struct ms_buf *value)
{
    const struct ms_precondition always = {0};
    struct ms_error err = {0};
    struct ms_tag tag;
    if (c->copies->ops->store(c->copies, item, value, &always, &tag, &err)) {
        ms_cache_failed(c, p, "keeping", item.key, &err);
        return;
    }
    ms_cache_index_put(&c->index, &p->list, item.key, item.deleted, ms_buf_size(value), now(c));
    evict(c, p, false);
}

/* Puts unless something overlapped, and takes it back when something did meanwhile. */
static void put_guarded(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                        struct ms_guard_ticket *ticket, struct ms_buf *value)
{
    if (item.deleted || ms_buf_size(value) > p->value_max || !ms_cache_usable(c) ||
        ms_guard_overlapped(&c->guard, ticket))
        return;
    ms_cache_put(c, p, item, value);
    if (ms_guard_overlapped(&c->guard, ticket))
        drop_surely(c, p, item);
}

void ms_cache_fill_end(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                       struct ms_guard_ticket *ticket, struct ms_buf *value)
{
    if (ticket->item && value)
        put_guarded(c, p, item, ticket, value);
    ms_guard_leave(&c->guard, ticket);
}

int ms_cache_change_begin(struct ms_cache *c, struct ms_item_ref item,
                          struct ms_cache_change *change, struct ms_error *err)
{
    *change = (struct ms_cache_change){.item = item, .policy = ms_cache_policy_of(c, item)};
    if (!change->policy || !atomic_load(&c->open))
        return 0;
    int code = ms_guard_write(&c->guard, item.key, item.deleted, &change->ticket, err);
    if (code)
        return code;
    if (ms_cache_drop(c, change->policy, item, err) == MS_ERR_CANCELLED) {
        ms_guard_leave(&c->guard, &change->ticket);
        return MS_ERR_CANCELLED;
    }
    return 0;
}

void ms_cache_change_end(struct ms_cache *c, struct ms_cache_change *change, struct ms_buf *value)
{
    if (change->ticket.item && value)
        put_guarded(c, change->policy, change->item, &change->ticket, value);
    ms_guard_leave(&c->guard, &change->ticket);
}
