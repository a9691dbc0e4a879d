/* mstore/list.h - the listing of a framed namespace: each key once, as a Store's listing gives it.
 *
 * Made of an inventory (mstore/inventory.h): of all that lies under a key it tells whether there is
 * an item, and how large it is.
 *
 *     mutable     the highest version counts: live, soft-deleted, or (a deletion) nothing
 *     immutable   objects marked live or soft-deleted; nothing where a tombstone lies and only
 *                 members that may have missed the deletion (ms_member_returning) still have
 *                 objects, fewer than an acknowledged store leaves; nothing of which too few
 *                 shards are left, members that are missing counted, to make the value
 *
 * Sizes are the values', from the names. Where a name has none: of copies that are not compressed
 * computed from the object's size; else from the frame's header, read in parallel ahead.
 *
 * Complete or an error: what is acknowledged lies on a majority of a key's targets (or voters) at
 * least, so half of them rounded down may be missing without a key being missed, or one shown that
 * was deleted. With one more member missing the listing ends in an error that names them. */
#ifndef MSTORE_LIST_H
#define MSTORE_LIST_H

#include "mstore/roster.h"
#include "store/store.h"

/* How many members may be missing from a listing of the namespace: floor(targets / 2). */
unsigned ms_list_tolerates(const struct ms_layout *layout, const struct ms_layout_space *space);

/* As the Store's slot `list`, for one namespace that is not plain. space_path: "data" or "data/";
 * may be longer than space->name. Holds a reference of the roster. */
int ms_list_framed(struct ms_roster *roster, const struct ms_layout_space *space,
                   struct ms_view space_path, const struct ms_list_options *options,
                   struct ms_store_lister **out, struct ms_error *err) MS_MUST_CHECK;

/* Of the root: the keys of all framed namespaces that anybody has, whole ("data/0123…"), and those
 * of `plain`, a listing of the plain ones in the root with the same prefix and start_after, but
 * neither limit nor delimiter (NULL: there are none). It is closed sooner or later, also when this
 * fails. Namespaces are listed when it is their turn. */
int ms_list_root(struct ms_roster *roster, const struct ms_list_options *options,
                 struct ms_store_lister *plain, struct ms_store_lister **out,
                 struct ms_error *err) MS_MUST_CHECK;

#endif
