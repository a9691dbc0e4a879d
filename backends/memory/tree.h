/* backends/memory/tree.h - directories in memory: a treap of nodes by name for each.
 *
 * A node is a value (value != NULL) or a directory (whose entries hang below `entries`). Sorted
 * bytewise; find, insert, remove and "first after" take a logarithm of the entries. Priorities come
 * from the name, so that the shape depends on nothing but the names. No locks: the store's mutex.
 */
#ifndef BACKENDS_MEMORY_TREE_H
#define BACKENDS_MEMORY_TREE_H

#include <mstore/backend.h>

struct ms_memory_node {
    struct ms_memory_node *left, *right; /* smaller and larger names */
    uint64_t priority;                   /* not below that of left and right */
    struct ms_buf *value;                /* NULL: a directory */
    struct ms_memory_node *entries;      /* of a directory */
    uint64_t version;                    /* of a value: never used twice in a store */
    int64_t mtime_ns, atime_ns;
    size_t name_size;
    uint8_t name[];
};

struct ms_memory_node *ms_memory_node_new(struct ms_view name); /* an empty directory */
static inline struct ms_view ms_memory_node_name(const struct ms_memory_node *n)
{
    return ms_view(n->name, n->name_size);
}
struct ms_memory_node *ms_memory_find(struct ms_memory_node *root, struct ms_view name);
/* The entry with the smallest name > name; NULL: none. */
struct ms_memory_node *ms_memory_after(struct ms_memory_node *root, struct ms_view name);
void ms_memory_insert(struct ms_memory_node **root, struct ms_memory_node *node); /* new name */
/* Takes the entry of that name, which must be there, out of the tree. */
struct ms_memory_node *ms_memory_remove(struct ms_memory_node **root, struct ms_view name);
/* Frees a tree with all directories in it, in constant stack. */
void ms_memory_free(struct ms_memory_node *root);

#endif
