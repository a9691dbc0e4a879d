/* store/cache_index.h - which copies the cache holds, least recently used first.
 *
 * Only for namespaces with a limit of size or age; the copies of others are not kept track of. It
 * may know of copies that another process has dropped, or not know of some: it decides when to
 * evict, never what a value is. The lock guards the index only and is never held across I/O.
 */
#ifndef STORE_CACHE_INDEX_H
#define STORE_CACHE_INDEX_H

#include "base/sync.h"
#include "store/keymap.h"

struct ms_cache_copy {
    struct ms_keymap_node node;
    struct ms_cache_copy *older, *newer;
    struct ms_cache_list *list;
    uint64_t size;
    int64_t used_ns; /* last access, wall clock */
    uint8_t key[];
};
struct ms_cache_list {               /* one namespace's */
    uint64_t size_limit, max_age_ns; /* 0: none */
    struct ms_cache_copy *oldest, *newest;
    uint64_t total;
};
struct ms_cache_index {
    struct ms_mutex mutex;
    struct ms_keymap copies; /* under the lock, as are all lists */
};

void ms_cache_index_init(struct ms_cache_index *x);
void ms_cache_index_fini(struct ms_cache_index *x);

static inline bool ms_cache_list_limited(const struct ms_cache_list *list)
{
    return list->size_limit || list->max_age_ns;
}
/* The copy is there with that size and was used at that time. Without memory it is forgotten. */
void ms_cache_index_put(struct ms_cache_index *x, struct ms_cache_list *list, struct ms_view key,
                        bool deleted, uint64_t size, int64_t used_ns);
/* True: it is known, was not too old, and counts as used now. */
bool ms_cache_index_touch(struct ms_cache_index *x, struct ms_view key, bool deleted,
                          int64_t now_ns);
bool ms_cache_index_expired(struct ms_cache_index *x, struct ms_view key, bool deleted,
                            int64_t now_ns);
void ms_cache_index_remove(struct ms_cache_index *x, struct ms_view key, bool deleted);
void ms_cache_index_clear(struct ms_cache_index *x);
/* Takes out the next copy that has to go (free it), not for its age when size_only; NULL: none. */
struct ms_cache_copy *ms_cache_index_victim(struct ms_cache_index *x, struct ms_cache_list *list,
                                            bool size_only, int64_t now_ns);
/* Puts a list in order of use, after puts with times of the past. */
void ms_cache_index_sort(struct ms_cache_index *x, struct ms_cache_list *list);

#endif
