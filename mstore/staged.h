/* mstore/staged.h - putting an object of an immutable key for nobody's sake: a repair, heal.
 *
 * A put may take effect long after its client is dead. Of a store, whoever is told that it is done
 * knows what may still come (ms_value_missed); of a repair nobody knows. And an object whose name
 * follows from the key alone does not show when it was sent: one that comes behind a deletion would
 * bring the value back. So such an object comes in two steps:
 *
 *     1  it is put under a name that nobody reads and nobody else draws ("staged")
 *     2  tombstones are looked for; where there is none it is renamed
 *
 * A deletion takes away what is staged, after its tombstone is on a majority and before the
 * objects; then a rename that comes late finds nothing. Why that is enough: docs/mstore.md,
 * Deletion. Any thread. */
#ifndef MSTORE_STAGED_H
#define MSTORE_STAGED_H

#include "mstore/member.h"
#include "mstore/value.h"

/* Whoever put what has been staged for so long does not live any more. */
#define MS_STAGED_AGE_NS ((int64_t)3600 * 1000000000)

/* Draws a name's ID. */
struct ms_write_id ms_staged_draw(const struct ms_site *site);
/* What the object of the write is called while it is staged. */
int ms_staged_name(const struct ms_site *site, const struct ms_value_shape *shape, unsigned shard,
                   struct ms_write_id id, struct ms_name *out, struct ms_error *err) MS_MUST_CHECK;
/* Step 2's rename. absent: nothing is there, as far as is known, and what has come since is not to
 * be replaced. MS_ERR_EXISTS: that has come, which is as good. MS_ERR_NOT_FOUND: a deletion was
 * there before. */
int ms_staged_settle(const struct ms_site *site, const struct ms_value_shape *shape,
                     struct ms_member *m, unsigned shard, struct ms_write_id id, bool absent,
                     struct ms_error *err) MS_MUST_CHECK;
/* It is not to be used. What stays all the same goes with the next heal. */
void ms_staged_drop(const struct ms_site *site, const struct ms_value_shape *shape,
                    struct ms_member *m, unsigned shard, struct ms_write_id id);

#endif
