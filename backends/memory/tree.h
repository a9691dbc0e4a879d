/* backends/memory/tree.h - names to nodes, sorted: a treap (Seidel and Aragon, 1996).
 *
 * Keys are whole names ("data/01/x"); bytewise order puts a directory's children in the order of
 * their last segments, with their descendants in between. One thread at a time. */
#ifndef BACKENDS_MEMORY_TREE_H
#define BACKENDS_MEMORY_TREE_H

#include <mstore/base.h>

struct ms_node {
    struct ms_node *left, *right;
    uint64_t priority;
    struct ms_buf *value; /* NULL: a directory */
    uint64_t version;
    int64_t mtime_ns, atime_ns;
    size_t name_size;
    uint8_t name[];
};

struct ms_tree {
    struct ms_node *root;
    struct ms_random random;
};

struct ms_node *ms_tree_find(const struct ms_tree *tree, struct ms_view name);
/* The first node with a name >= name, or > name when `beyond`. */
struct ms_node *ms_tree_seek(const struct ms_tree *tree, struct ms_view name, bool beyond);
/* A new node; the name must not be there. NULL: no memory. */
struct ms_node *ms_tree_add(struct ms_tree *tree, struct ms_view name);
void ms_tree_remove(struct ms_tree *tree, struct ms_node *node);
void ms_tree_clear(struct ms_tree *tree);
static inline struct ms_view ms_node_name(const struct ms_node *node)
{
    return ms_view(node->name, node->name_size);
}

#endif
