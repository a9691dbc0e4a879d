/* mstore/layout_copies.h - the layouts that lie on one member: bringing it the one in force, when
 * it was away while that came, and taking away what no client can need any more.
 *
 *     decision E    the agreement of E-1's members about what layout E is: blocks (mstore/paxos.h)
 *     layout E      EPOCH.p while it is proposed, EPOCH.f once it is in force
 *
 * A client reads of a member the highest final layout, and a proposed one above that. So one below
 * is never read again, but by who has listed the member before the higher one came: it stays for as
 * long as an operation may live. Blocks about E go from a member that has a final layout above E:
 * ms_layout_undecided makes it no part of any agreement about E. docs/mstore.md says why that is
 * enough. Any thread. */
#ifndef MSTORE_LAYOUT_COPIES_H
#define MSTORE_LAYOUT_COPIES_H

#include "mstore/age.h"
#include "mstore/roster.h"

/* Puts the layout in force, sealed, on a member that has none as new; none while another one is
 * proposed, which whoever goes on with that puts there. may_write false: only looks. */
int ms_layout_bring(struct ms_roster *r, unsigned member, bool may_write, bool *lacked,
                    struct ms_error *err) MS_MUST_CHECK;

/* Reads the newest layout in force that lies on a member, unless it has none as new as the one in
 * force (ms_layout_bring). One that is damaged is of no use to anybody; where it should be the one
 * in force its text is known and put there once more, which whoever does it may do twice. */
struct ms_layout_damage {
    uint64_t epoch; /* 0: none */
    bool mended;
};
int ms_layout_mend(struct ms_roster *r, unsigned member, bool may_write,
                   struct ms_layout_damage *out, struct ms_error *err) MS_MUST_CHECK;

/* Takes away older layouts and what decided on them, once the member has had its newest for so
 * long, by its own clock. age_ns 0: whatever it says. */
int ms_layout_tidy(struct ms_roster *r, unsigned member, struct ms_ages *ages, int64_t age_ns,
                   unsigned *removed, struct ms_error *err) MS_MUST_CHECK;

/* For struct ms_paxos, asked after the member's blocks were read. key: of the agreement. EXISTS:
 * the member has that layout, or a later one, in force. */
int ms_layout_undecided(struct ms_member *m, const struct ms_uuid *store, struct ms_view key,
                        struct ms_error *err) MS_MUST_CHECK;

/* The register of what layout `epoch` is. */
#define MS_LAYOUT_REGISTER "mstore-layout"
struct ms_layout_register {
    char key[17];
};
struct ms_layout_register ms_layout_register_of(uint64_t epoch);

#endif
