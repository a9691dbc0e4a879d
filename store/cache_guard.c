/* store/cache_guard.c - the tickets of the cache (see its header). */
#include "store/cache_guard.h"

#include "base/assert.h"

#include <stdlib.h>

struct ms_guard_item {
    struct ms_keymap_node node;
    size_t tickets, writers;
    uint64_t generation; /* writers that began */
    bool overlapped;
    uint8_t key[];
};

void ms_cache_guard_init(struct ms_cache_guard *g)
{
    *g = (struct ms_cache_guard){0};
    ms_mutex_init(&g->mutex);
}

void ms_cache_guard_fini(struct ms_cache_guard *g)
{
    ms_assert(g->locked.busy.count == 0);
    ms_keymap_fini(&g->locked.busy);
    ms_mutex_fini(&g->mutex);
}

static struct ms_guard_item *find_locked(struct ms_cache_guard *g, struct ms_view key, bool deleted)
{
    return (struct ms_guard_item *)ms_keymap_find(&g->locked.busy, key, deleted);
}

static struct ms_guard_item *item_locked(struct ms_cache_guard *g, struct ms_view key, bool deleted)
{
    struct ms_guard_item *item = find_locked(g, key, deleted);
    if (item)
        return item;
    item = malloc(sizeof(*item) + key.size);
    if (!item)
        return NULL;
    *item =
        (struct ms_guard_item){.node = {.key = ms_view(item->key, key.size), .deleted = deleted}};
    if (key.size)
        memcpy(item->key, key.data, key.size);
    if (ms_keymap_add(&g->locked.busy, &item->node, NULL)) {
        free(item);
        return NULL;
    }
    return item;
}

static uint64_t *stripe(struct ms_cache_guard *g, struct ms_view key, bool deleted)
{
    return &g->locked.changes[ms_keymap_hash(key, deleted) % MS_GUARD_STRIPES];
}

int ms_guard_write(struct ms_cache_guard *g, struct ms_view key, bool deleted,
                   struct ms_guard_ticket *out, struct ms_error *err)
{
    MS_HOLD(&g->mutex);
    struct ms_guard_item *item = item_locked(g, key, deleted);
    if (!item)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the cache's bookkeeping");
    ++*stripe(g, key, deleted);
    item->overlapped |= item->tickets > 0;
    item->tickets++;
    item->writers++;
    item->generation++;
    *out = (struct ms_guard_ticket){item, item->generation, g->locked.epoch, true};
    return 0;
}

bool ms_guard_fill(struct ms_cache_guard *g, struct ms_view key, bool deleted,
                   struct ms_guard_ticket *out)
{
    MS_HOLD(&g->mutex);
    struct ms_guard_item *item = item_locked(g, key, deleted);
    if (!item || item->writers > 0 || item->overlapped)
        return false;
    item->tickets++;
    *out = (struct ms_guard_ticket){item, item->generation, g->locked.epoch, false};
    return true;
}

bool ms_guard_overlapped(struct ms_cache_guard *g, const struct ms_guard_ticket *t)
{
    MS_HOLD(&g->mutex);
    return t->item->overlapped || t->item->generation != t->generation ||
           g->locked.epoch != t->epoch;
}

void ms_guard_leave(struct ms_cache_guard *g, struct ms_guard_ticket *t)
{
    if (!t->item)
        return;
    MS_HOLD(&g->mutex);
    struct ms_guard_item *item = t->item;
    t->item = NULL;
    item->tickets--;
    if (t->writer)
        item->writers--;
    if (item->tickets == 0) {
        ms_keymap_remove(&g->locked.busy, &item->node);
        free(item);
    }
}

bool ms_guard_readable(struct ms_cache_guard *g, struct ms_view key, bool deleted)
{
    MS_HOLD(&g->mutex);
    struct ms_guard_item *item = find_locked(g, key, deleted);
    return !item || (item->writers == 0 && !item->overlapped);
}

uint64_t ms_guard_changes(struct ms_cache_guard *g, struct ms_view key, bool deleted)
{
    MS_HOLD(&g->mutex);
    return *stripe(g, key, deleted);
}

void ms_guard_new_epoch(struct ms_cache_guard *g)
{
    MS_HOLD(&g->mutex);
    g->locked.epoch++;
}
