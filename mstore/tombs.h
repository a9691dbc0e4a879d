/* mstore/tombs.h - tombstones of immutable keys: objects that say an item was deleted, on a
 * majority of its voters (its targets, and one witness when those are even in number). Whoever
 * reads enough voters to meet every majority sees the newest. Those of a key's live item have the
 * mark d, those of its soft-deleted item s; their counters are one sequence, so that a soft delete
 * or undelete that was broken off can be told from one after which its item was deleted. l beside
 * d, t beside s: the deletion has been taken back, by a later store or move to there. Any thread.
 */
#ifndef MSTORE_TOMBS_H
#define MSTORE_TOMBS_H

#include "mstore/names.h"
#include "mstore/roster.h"

struct ms_tomb {
    bool there; /* the item was deleted, and nobody has taken that back */
    struct ms_write_id id;
    uint64_t last; /* the highest counter of the key's tombstones, live and soft-deleted item's */
};
static inline enum ms_own_mark ms_tombs_mark(const struct ms_site *site)
{
    return site->deleted ? MS_OWN_SOFT_DELETED : MS_OWN_DELETED;
}
/* It is, or takes back, one of the soft-deleted item. */
static inline bool ms_tombs_is_soft(enum ms_own_mark mark)
{
    return mark == MS_OWN_SOFT_DELETED || mark == MS_OWN_TAKEN_BACK;
}
static inline bool ms_tombs_takes_back(enum ms_own_mark mark)
{
    return mark == MS_OWN_LIVE || mark == MS_OWN_TAKEN_BACK;
}
/* The newest tombstone of the site's item, also one that was taken back. With too few voters: the
 * error of one of them. */
int ms_tombs_look(const struct ms_site *site, struct ms_tomb *out,
                  struct ms_error *err) MS_MUST_CHECK;
/* Puts one on a majority. */
int ms_tombs_put(const struct ms_site *site, struct ms_write_id id,
                 struct ms_error *err) MS_MUST_CHECK;
/* Before an item is stored, or moved to, while members have missed something: a copy there may be a
 * leftover, and another may be taken by a deletion that comes late, so that copies alone would not
 * show that the key was stored again. Also where fewer copies were moved there than a store leaves:
 * they would be taken for leftovers when their members miss something. Takes back its tombstone,
 * where there is one with a counter below `before` (MS_TOMBS_ANY: with any), on a majority. */
#define MS_TOMBS_ANY UINT64_MAX
int ms_tombs_supersede(const struct ms_site *site, uint64_t before,
                       struct ms_error *err) MS_MUST_CHECK;
/* Whoever began to take one back may have come to less than a majority: then it depends on who is
 * asked whether the item is there. Asks all voters; what one of them has comes on a majority. */
int ms_tombs_settle(const struct ms_site *site, struct ms_error *err) MS_MUST_CHECK;
/* After an object of the key was put later than its write was acknowledged: takes it back when
 * there is a tombstone, for the deletion may have looked for objects before. It counted for nobody.
 */
void ms_tombs_late(const struct ms_site *site, struct ms_member *member, struct ms_view name);
struct ms_own_name ms_tombs_name(const struct ms_site *site, struct ms_write_id id);

#endif
