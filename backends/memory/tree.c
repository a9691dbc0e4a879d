/* The treap of the memory driver: see tree.h. Depth is logarithmic with overwhelming probability.
 */
#include "backends/memory/tree.h"

#include "base/text.h"

#include <stdlib.h>

struct ms_node *ms_tree_find(const struct ms_tree *tree, struct ms_view name)
{
    struct ms_node *node = tree->root;
    while (node) {
        int order = ms_compare(name, ms_node_name(node));
        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

struct ms_node *ms_tree_seek(const struct ms_tree *tree, struct ms_view name, bool beyond)
{
    struct ms_node *node = tree->root, *best = NULL;
    while (node) {
        int order = ms_compare(name, ms_node_name(node));
        if (order < 0 || (order == 0 && !beyond)) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

/* Splits into names < name and names > name. */
static void split(struct ms_node *node, struct ms_view name, struct ms_node **less,
                  struct ms_node **more)
{
    while (node) {
        if (ms_compare(ms_node_name(node), name) < 0) {
            *less = node;
            less = &node->right;
            node = node->right;
        } else {
            *more = node;
            more = &node->left;
            node = node->left;
        }
    }
    *less = *more = NULL;
}

static struct ms_node *merge(struct ms_node *less, struct ms_node *more)
{
    struct ms_node *root = NULL, **place = &root;
    while (less && more) {
        if (less->priority > more->priority) {
            *place = less;
            place = &less->right;
            less = less->right;
        } else {
            *place = more;
            place = &more->left;
            more = more->left;
        }
    }
    *place = less ? less : more;
    return root;
}

struct ms_node *ms_tree_add(struct ms_tree *tree, struct ms_view name)
{
    struct ms_node *node = malloc(sizeof *node + name.size);
    if (!node)
        return NULL;
    *node = (struct ms_node){.priority = ms_random_u64(&tree->random), .name_size = name.size};
    memcpy(node->name, name.data, name.size);
    struct ms_node **place = &tree->root;
    while (*place && (*place)->priority > node->priority)
        place = ms_compare(name, ms_node_name(*place)) < 0 ? &(*place)->left : &(*place)->right;
    split(*place, name, &node->left, &node->right);
    *place = node;
    return node;
}

void ms_tree_remove(struct ms_tree *tree, struct ms_node *node)
{
    struct ms_node **place = &tree->root;
    while (*place != node)
        place = ms_compare(ms_node_name(node), ms_node_name(*place)) < 0 ? &(*place)->left
                                                                         : &(*place)->right;
    *place = merge(node->left, node->right);
    ms_buf_unref(node->value);
    free(node);
}

void ms_tree_clear(struct ms_tree *tree)
{
    while (tree->root)
        ms_tree_remove(tree, tree->root);
}
