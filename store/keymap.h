/* store/keymap.h - a hash map from items (key, deleted or not) to nodes embedded in their owners.
 *
 * One thread at a time: the owner holds its own lock. Grows by itself; never shrinks.
 */
#ifndef STORE_KEYMAP_H
#define STORE_KEYMAP_H

#include <mstore/base.h>

struct ms_keymap_node {
    struct ms_keymap_node *next;
    uint64_t hash;
    struct ms_view key; /* lives as long as the node */
    bool deleted;
};
struct ms_keymap {
    struct ms_keymap_node **buckets; /* bucket_count of them, a power of two; NULL: none yet */
    size_t bucket_count, count;
};

uint64_t ms_keymap_hash(struct ms_view key, bool deleted);
/* NULL: not there. */
struct ms_keymap_node *ms_keymap_find(const struct ms_keymap *map, struct ms_view key,
                                      bool deleted);
/* key and deleted are set and not in the map. MS_ERR_NO_MEMORY only without any bucket yet. */
int ms_keymap_add(struct ms_keymap *map, struct ms_keymap_node *node,
                  struct ms_error *err) MS_MUST_CHECK;
void ms_keymap_remove(struct ms_keymap *map, struct ms_keymap_node *node); /* which is in it */
/* Some node; NULL: empty. */
struct ms_keymap_node *ms_keymap_any(const struct ms_keymap *map);
void ms_keymap_fini(struct ms_keymap *map); /* the nodes are the owner's */

#endif
