/* store/cache_index.c - the index of cached copies (see its header). */
#include "store/cache_index.h"

#include "base/assert.h"

#include <stdlib.h>

void ms_cache_index_init(struct ms_cache_index *x)
{
    *x = (struct ms_cache_index){0};
    ms_mutex_init(&x->mutex);
}

static void unlink_locked(struct ms_cache_copy *c)
{
    struct ms_cache_list *list = c->list;
    *(c->older ? &c->older->newer : &list->oldest) = c->newer;
    *(c->newer ? &c->newer->older : &list->newest) = c->older;
    list->total -= c->size;
    c->older = c->newer = NULL;
}

static void link_newest_locked(struct ms_cache_copy *c)
{
    struct ms_cache_list *list = c->list;
    c->older = list->newest;
    c->newer = NULL;
    *(list->newest ? &list->newest->newer : &list->oldest) = c;
    list->newest = c;
    list->total += c->size;
}

static struct ms_cache_copy *find_locked(struct ms_cache_index *x, struct ms_view key, bool deleted)
{
    return (struct ms_cache_copy *)ms_keymap_find(&x->copies, key, deleted);
}

static void take_locked(struct ms_cache_index *x, struct ms_cache_copy *c)
{
    unlink_locked(c);
    ms_keymap_remove(&x->copies, &c->node);
}

static bool too_old(const struct ms_cache_copy *c, int64_t now_ns)
{
    uint64_t max = c->list->max_age_ns;
    return max && now_ns > c->used_ns && (uint64_t)(now_ns - c->used_ns) > max;
}

void ms_cache_index_put(struct ms_cache_index *x, struct ms_cache_list *list, struct ms_view key,
                        bool deleted, uint64_t size, int64_t used_ns)
{
    if (!ms_cache_list_limited(list))
        return;
    MS_HOLD(&x->mutex);
    struct ms_cache_copy *c = find_locked(x, key, deleted);
    if (c) {
        unlink_locked(c);
    } else {
        c = malloc(sizeof(*c) + key.size);
        if (!c)
            return;
        *c = (struct ms_cache_copy){.node = {.key = ms_view(c->key, key.size), .deleted = deleted}};
        if (key.size)
            memcpy(c->key, key.data, key.size);
        if (ms_keymap_add(&x->copies, &c->node, NULL)) {
            free(c);
            return;
        }
    }
    c->list = list;
    c->size = size;
    c->used_ns = used_ns;
    link_newest_locked(c);
}

bool ms_cache_index_touch(struct ms_cache_index *x, struct ms_view key, bool deleted,
                          int64_t now_ns)
{
    MS_HOLD(&x->mutex);
    struct ms_cache_copy *c = find_locked(x, key, deleted);
    if (!c || too_old(c, now_ns))
        return false;
    unlink_locked(c);
    c->used_ns = now_ns;
    link_newest_locked(c);
    return true;
}

bool ms_cache_index_expired(struct ms_cache_index *x, struct ms_view key, bool deleted,
                            int64_t now_ns)
{
    MS_HOLD(&x->mutex);
    struct ms_cache_copy *c = find_locked(x, key, deleted);
    return c && too_old(c, now_ns);
}

void ms_cache_index_remove(struct ms_cache_index *x, struct ms_view key, bool deleted)
{
    MS_HOLD(&x->mutex);
    struct ms_cache_copy *c = find_locked(x, key, deleted);
    if (!c)
        return;
    take_locked(x, c);
    free(c);
}

void ms_cache_index_clear(struct ms_cache_index *x)
{
    MS_HOLD(&x->mutex);
    for (size_t i = 0; i < x->copies.bucket_count; i++) {
        while (x->copies.buckets[i]) {
            struct ms_cache_copy *c = (struct ms_cache_copy *)x->copies.buckets[i];
            take_locked(x, c);
            free(c);
        }
    }
}

void ms_cache_index_fini(struct ms_cache_index *x)
{
    ms_cache_index_clear(x);
    ms_keymap_fini(&x->copies);
    ms_mutex_fini(&x->mutex);
}

struct ms_cache_copy *ms_cache_index_victim(struct ms_cache_index *x, struct ms_cache_list *list,
                                            bool size_only, int64_t now_ns)
{
    MS_HOLD(&x->mutex);
    struct ms_cache_copy *c = list->oldest;
    bool full = list->size_limit && list->total > list->size_limit;
    if (!c || !(full || (!size_only && too_old(c, now_ns))))
        return NULL;
    take_locked(x, c);
    return c;
}

/* ---- order at open: a merge sort of the list by time of use ---- */

static struct ms_cache_copy *merge(struct ms_cache_copy *a, struct ms_cache_copy *b)
{
    struct ms_cache_copy *first = NULL, **at = &first;
    while (a && b) {
        struct ms_cache_copy **least = a->used_ns <= b->used_ns ? &a : &b;
        *at = *least;
        at = &(*least)->newer;
        *least = (*least)->newer;
    }
    *at = a ? a : b;
    return first;
}

static struct ms_cache_copy *sorted(struct ms_cache_copy *list)
{
    struct ms_cache_copy *runs[64] = {0}; /* runs[i] has 2^i copies */
    while (list) {
        struct ms_cache_copy *run = list;
        list = list->newer;
        run->newer = NULL;
        size_t i = 0;
        for (; runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    struct ms_cache_copy *all = NULL;
    for (size_t i = 0; i < 64; i++)
        all = merge(runs[i], all);
    return all;
}

void ms_cache_index_sort(struct ms_cache_index *x, struct ms_cache_list *list)
{
    MS_HOLD(&x->mutex);
    list->oldest = sorted(list->oldest);
    struct ms_cache_copy *older = NULL;
    for (struct ms_cache_copy *c = list->oldest; c; c = c->newer) {
        c->older = older;
        older = c;
    }
    list->newest = older;
}
