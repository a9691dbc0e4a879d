/* mstore/trash.h - objects of immutable keys that are set aside instead of deleted: leftovers of a
 * deletion at a member that was away, values that contradict each other, shards that make no value.
 * The object gets another name on its member, with the time (docs/formats.md), and is deleted after
 * the grace period (mstore/age.h).
 *
 * The time is the later one of the client's clock and the member's, and both must say that it is
 * over: one clock that is wrong keeps trash too long at worst. */
#ifndef MSTORE_TRASH_H
#define MSTORE_TRASH_H

#include "mstore/value.h"

/* The object of the write on the member (index of the layout); *where: its new name. NOT_FOUND. */
int ms_trash_put(const struct ms_site *site, const struct ms_value_shape *shape, unsigned member,
                 unsigned shard, struct ms_name *where, struct ms_error *err) MS_MUST_CHECK;
/* A leftover: into the trash with it, then a look whether the item is there (again): if so, or if
 * nobody can tell, it is moved back and *buried is false. */
int ms_trash_bury(const struct ms_site *site, const struct ms_value_shape *shape, unsigned member,
                  unsigned shard, bool *buried, struct ms_error *err) MS_MUST_CHECK;
/* The same with another look, at the object itself under the name that it has meanwhile. */
typedef bool (*ms_trash_look)(void *ctx, const struct ms_site *site,
                              const struct ms_value_shape *staged);
int ms_trash_bury_if(const struct ms_site *site, const struct ms_value_shape *shape,
                     unsigned member, unsigned shard, ms_trash_look is_leftover, void *ctx,
                     bool *buried, struct ms_error *err) MS_MUST_CHECK;

#endif
