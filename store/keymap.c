/* store/keymap.c - the hash map of items (see its header): chains, doubled at one node a bucket. */
#include "store/keymap.h"

#include "base/assert.h"
#include "base/text.h"

#include <stdlib.h>

#define FIRST_BUCKETS 64

uint64_t ms_keymap_hash(struct ms_view key, bool deleted)
{
    uint64_t h = 14695981039346656037u + deleted; /* FNV-1a */
    for (size_t i = 0; i < key.size; i++)
        h = (h ^ key.data[i]) * 1099511628211u;
    return h ^ h >> 32;
}

static struct ms_keymap_node **bucket(const struct ms_keymap *map, uint64_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

struct ms_keymap_node *ms_keymap_find(const struct ms_keymap *map, struct ms_view key, bool deleted)
{
    if (map->count == 0)
        return NULL;
    uint64_t hash = ms_keymap_hash(key, deleted);
    struct ms_keymap_node *n = *bucket(map, hash);
    while (n && !(n->hash == hash && n->deleted == deleted && ms_equal(n->key, key)))
        n = n->next;
    return n;
}

static bool grow(struct ms_keymap *map)
{
    size_t count = map->bucket_count ? map->bucket_count * 2 : FIRST_BUCKETS;
    struct ms_keymap bigger = {calloc(count, sizeof(*bigger.buckets)), count, map->count};
    if (!bigger.buckets)
        return false;
    for (size_t i = 0; i < map->bucket_count; i++) {
        for (struct ms_keymap_node *n = map->buckets[i], *next; n; n = next) {
            next = n->next;
            n->next = *bucket(&bigger, n->hash);
            *bucket(&bigger, n->hash) = n;
        }
    }
    free(map->buckets);
    *map = bigger;
    return true;
}

int ms_keymap_add(struct ms_keymap *map, struct ms_keymap_node *node, struct ms_error *err)
{
    if (map->count >= map->bucket_count && !grow(map) && map->bucket_count == 0)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a table of items");
    node->hash = ms_keymap_hash(node->key, node->deleted);
    struct ms_keymap_node **head = bucket(map, node->hash);
    node->next = *head;
    *head = node;
    map->count++;
    return 0;
}

void ms_keymap_remove(struct ms_keymap *map, struct ms_keymap_node *node)
{
    ms_assert(map->count > 0);
    struct ms_keymap_node **at = bucket(map, node->hash);
    while (*at != node) {
        ms_assert(*at);
        at = &(*at)->next;
    }
    *at = node->next;
    map->count--;
}

struct ms_keymap_node *ms_keymap_any(const struct ms_keymap *map)
{
    for (size_t i = 0; map->count && i < map->bucket_count; i++)
        if (map->buckets[i])
            return map->buckets[i];
    return NULL;
}

void ms_keymap_fini(struct ms_keymap *map)
{
    free(map->buckets);
    *map = (struct ms_keymap){0};
}
