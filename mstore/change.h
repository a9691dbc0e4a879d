/* mstore/change.h - changing the layout of a store while clients use it.
 *
 *     final E ──▶ proposed E+1 ──▶ one lease ──▶ votes moved ──▶ final E+1 ──▶ one lease
 *
 *     proposed   decided by the members of E (Disk Paxos, mstore/paxos.h), then on a majority of
 * the old and of the new members. Whoever knows it (mstore/roster.h: joint) needs two majorities
 * for everything that is voted on, and reads values also from new members; values still go where E
 * wants them, for others may know E alone. a lease    later nobody knows E alone (mstore/lease.h).
 *     moved      each mutable key's newest version, and each tombstone, is on a majority of its new
 *                voters, by the same steps as any reader takes.
 *     final      on a majority of the old and of the new members: whoever knows that needs the new
 *                majorities alone, and puts values where the new layout wants them.
 *
 * After Gilbert, Lynch and Shvartsman, "RAMBO: a robust, reconfigurable atomic memory service for
 * dynamic networks" (Distributed Computing 23, 2010). A change that was interrupted is taken up by
 * whoever changes something next; every step can be done twice, and by several at once. Values are
 * moved by rebalance (mstore/upkeep.h), afterwards. */
#ifndef MSTORE_CHANGE_H
#define MSTORE_CHANGE_H

#include "mstore/self.h"

struct ms_change {
    /* A member to be added; NULL: none. A zero uuid is that of the
     * name. Its URL is in the client's file. */
    const struct ms_layout_member *add;
    const char *member; /* whose state is to be `state`; NULL: nobody's */
    enum ms_member_state state;
    bool dry_run; /* only check whether it is possible */
};

/* Until the layout in force has the change (NULL: none), nothing is proposed, and all clients have
 * heard of it; which is waited for also when it had it already, since whoever made it may have been
 * broken off. MS_ERR_CONFIG: it cannot be. MS_ERR_INVALID: no such member. MS_ERR_CONFLICT: another
 * has changed the same otherwise. Any other failure: run it again. */
int ms_change_run(struct ms_self *self, const struct ms_change *change,
                  struct ms_error *err) MS_MUST_CHECK;

/* Whether the storage at that url may be the added member's: what ms_change_run refuses before
 * anything is changed. Changes nothing. */
int ms_change_look(struct ms_self *self, const struct ms_change *change, const char *url,
                   struct ms_error *err) MS_MUST_CHECK;

/* What of the values would move with that change, about: change_plan.c. */
struct ms_change_plan {
    uint64_t keys, moving, objects, bytes;
};
int ms_change_plan(struct ms_self *self, const struct ms_change *change, struct ms_change_plan *out,
                   struct ms_error *err) MS_MUST_CHECK;

/* ---- parts ---- */

/* The layout after `now`: proposed, with the change. *same: `now` has it already. */
int ms_change_make(const struct ms_layout *now, const struct ms_change *change,
                   struct ms_layout **out, bool *same, struct ms_error *err) MS_MUST_CHECK;
/* Brings what is voted on to the voters of the proposed layout: change_settle.c. */
int ms_change_settle(struct ms_roster *joint, struct ms_error *err) MS_MUST_CHECK;

#endif
