/* Directories in memory: see tree.h. Under the store's mutex. */
#include "backends/memory/tree.h"

#include "base/assert.h"
#include "base/text.h"

#include <stdlib.h>

/* FNV-1a, then the finish of splitmix64, so that near names get far priorities. */
static uint64_t priority_of(struct ms_view name)
{
    uint64_t x = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < name.size; i++)
        x = (x ^ name.data[i]) * UINT64_C(0x100000001b3);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct ms_memory_node *ms_memory_node_new(struct ms_view name)
{
    struct ms_memory_node *node = malloc(sizeof *node + name.size);
    if (!node)
        return NULL;
    *node = (struct ms_memory_node){.priority = priority_of(name), .name_size = name.size};
    if (name.size)
        memcpy(node->name, name.data, name.size);
    return node;
}

struct ms_memory_node *ms_memory_find(struct ms_memory_node *root, struct ms_view name)
{
    while (root) {
        int order = ms_compare(name, ms_memory_node_name(root));
        if (order == 0)
            return root;
        root = order < 0 ? root->left : root->right;
    }
    return NULL;
}

struct ms_memory_node *ms_memory_after(struct ms_memory_node *root, struct ms_view name)
{
    struct ms_memory_node *best = NULL;
    while (root) {
        if (ms_compare(ms_memory_node_name(root), name) > 0) {
            best = root;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return best;
}

void ms_memory_insert(struct ms_memory_node **root, struct ms_memory_node *node)
{
    struct ms_view name = ms_memory_node_name(node);
    struct ms_memory_node **at = root;
    while (*at && (*at)->priority >= node->priority) {
        int order = ms_compare(name, ms_memory_node_name(*at));
        ms_assert(order != 0);
        at = order < 0 ? &(*at)->left : &(*at)->right;
    }
    /* The node takes this place; what was below is parted along its name. */
    struct ms_memory_node *rest = *at, **smaller = &node->left, **larger = &node->right;
    *at = node;
    while (rest) {
        int order = ms_compare(ms_memory_node_name(rest), name);
        ms_assert(order != 0);
        if (order < 0) {
            *smaller = rest;
            smaller = &rest->right;
            rest = rest->right;
        } else {
            *larger = rest;
            larger = &rest->left;
            rest = rest->left;
        }
    }
    *smaller = *larger = NULL;
}

struct ms_memory_node *ms_memory_remove(struct ms_memory_node **root, struct ms_view name)
{
    struct ms_memory_node **at = root;
    for (;;) {
        ms_assert(*at);
        int order = ms_compare(name, ms_memory_node_name(*at));
        if (order == 0)
            break;
        at = order < 0 ? &(*at)->left : &(*at)->right;
    }
    struct ms_memory_node *node = *at, *left = node->left, *right = node->right;
    while (left && right) {
        if (left->priority >= right->priority) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    }
    *at = left ? left : right;
    node->left = node->right = NULL;
    return node;
}

/* Unrolls the tree into a list along `right`; a directory's entries are put in front of it. */
void ms_memory_free(struct ms_memory_node *root)
{
    while (root) {
        struct ms_memory_node *below = root->left ? root->left : root->entries;
        if (below == NULL) {
            struct ms_memory_node *next = root->right;
            ms_buf_unref(root->value);
            free(root);
            root = next;
            continue;
        }
        if (root->left)
            root->left = NULL;
        else
            root->entries = NULL;
        struct ms_memory_node *last = below;
        while (last->right)
            last = last->right;
        last->right = root;
        root = below;
    }
}
