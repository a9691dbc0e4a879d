/* mstore/tree.h - the objects of one namespace on one member, in the order of their keys.
 *
 * One kind of object (mstore/names.h) at one nesting level: there the names of a folder sort as the
 * keys do, so that going into each folder as it comes up gives the keys in order. Each folder is
 * listed once. Where listings take long the folders that come next are opened ahead of their time,
 * in parallel, twice as many each time, up to what the storage likes.
 *
 * In memory: the folders on the way down, at most 32 more below each of them, a page or two of
 * entries each (mstore/pages.h). What is not a name of ours is passed over, counted, and one of
 * them remembered. A storage that lists names in no order, or too many that are not ours, is an
 * error.
 *
 * One thread at a time; holds a reference of the member. */
#ifndef MSTORE_TREE_H
#define MSTORE_TREE_H

#include "mstore/member.h"
#include "mstore/names.h"

struct ms_tree_options {
    struct ms_own_name where;           /* kind, store, space, level; of hints also the member */
    struct ms_view start_after, prefix; /* of keys */
    bool whole_key;                     /* the prefix is one: no other folder is listed */
    bool names_only;                    /* sizes and times are not wanted */
    /* [MS_OWN_LEVELS_MAX + 1]: all levels that are configured, each a tree of its own: what is
     * theirs is no stranger here, and a stranger is counted by one of them. */
    const bool *levels;
};

struct ms_tree_item {
    struct ms_view key;
    struct ms_own_name name; /* its views: key; the namespace is the caller's */
    uint64_t stored_bytes;   /* of the object; 0 with names_only */
    int64_t mtime_ns;
};

struct ms_tree;

/* Copies what it needs. Nothing is listed yet. */
int ms_tree_new(struct ms_member *member, const struct ms_tree_options *options,
                struct ms_tree **out, struct ms_error *err) MS_MUST_CHECK;
/* The next object, in the order of keys, and of one key in that of names; borrowed until the next
 * call. *out NULL: the end. After an error nothing but that error comes. */
int ms_tree_next(struct ms_tree *t, const struct ms_tree_item **out,
                 struct ms_error *err) MS_MUST_CHECK;
/* Names passed over so far. */
uint64_t ms_tree_strangers(const struct ms_tree *t);
/* One of them, as a message may show it, which stays the same; "": none. */
const char *ms_tree_stranger(const struct ms_tree *t);
void ms_tree_free(struct ms_tree *t);

#endif
