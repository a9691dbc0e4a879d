/* mstore/paxos.h - one value that all agree on, kept by members that can only put, list and get:
 * Disk Paxos (Gafni and Lamport, Distributed Computing 16, 2003).
 *
 * A proposer draws a number for each attempt, and so is a new processor each time: it puts a block
 * of phase 1 (its ballot) and one of phase 2 (its ballot and a value), each under a name of its
 * own, and reads all blocks beside it after each. Others are found by listing (Chockler and Malkhi,
 * "Active Disk Paxos with infinitely many processes", 2002). No block is ever overwritten, nor
 * deleted while anybody could still take part (or `undecided` tells who does that they were), so
 * one that arrives late takes nothing back. docs/mstore.md says why there is one decision only.
 *
 *     phase 1   puts its block at all members; at a majority: done, then listed and read. A higher
 *               ballot there: beaten. The value of the highest block of phase 2 becomes its own.
 *     phase 2   the same with its block of phase 2. Not beaten: decided.
 *
 * Members may be down as long as most answer; proposers may die anywhere. Waits through base/ only:
 * runs in a simulation. What it leaves running holds references of its own. Any thread. */
#ifndef MSTORE_PAXOS_H
#define MSTORE_PAXOS_H

#include "mstore/ids.h"
#include "mstore/member.h"
#include "mstore/names.h"

#define MS_PAXOS_VALUE_MAX ((8u << 20) + 64)

struct ms_paxos { /* a register; all borrowed */
    struct ms_uuid store;
    struct ms_view space, key; /* which; of the name of its blocks */
    unsigned level;
    const struct ms_write_id *about; /* which version; NULL: the key as such */
    const struct ms_seal_key *seal;
    struct ms_member *const *members; /* all who have a vote; NULL: not to be had */
    unsigned count;
    /* A bit for each set that a member belongs to, of two, each with a majority of its own, both of
     * which are needed; NULL: there is one set. */
    const uint8_t *sets;
    /* Asked before each block of phase 2; otherwise than 0 nothing more is put. NULL: one may. */
    int (*may)(void *ctx, struct ms_error *err);
    /* Asked before each attempt but the first, as long as our value has never been proposed:
     * otherwise than 0 the decision interests nobody any more. NULL: it does. */
    int (*again)(void *ctx, struct ms_error *err);
    void *ctx; /* of both */
    /* Asked after a member's blocks were read, also when nobody waits for it any more: otherwise
     * than 0 its answer counts for nothing, since blocks may have been taken away. NULL: they never
     * are while somebody may take part. */
    int (*undecided)(struct ms_member *m, const struct ms_uuid *store, struct ms_view key,
                     struct ms_error *err);
    struct ms_clock *clock;
    struct ms_ids *ids;
};

/* Proposes a value; *decided is the one that counts, perhaps another's. MS_ERR_BUSY: others kept
 * coming between. Any failure: it may be decided later, or not. */
int ms_paxos_decide(const struct ms_paxos *r, struct ms_buf *value, struct ms_buf **decided,
                    struct ms_error *err) MS_MUST_CHECK;
/* What was decided, or is now since somebody had got as far as phase 2. MS_ERR_NOT_FOUND: nothing
 * had been decided when this began. */
int ms_paxos_learn(const struct ms_paxos *r, struct ms_buf **decided,
                   struct ms_error *err) MS_MUST_CHECK;

/* ---- blocks (docs/formats.md); pure -------------------------------------------------------- */

struct ms_paxos_block {
    uint64_t number;      /* in its name: the proposer's, even; of phase 2: plus 1 */
    uint64_t counter;     /* of its ballot: counter, then proposer */
    struct ms_view value; /* of phase 2; borrowed */
};
static inline bool ms_paxos_is_phase2(uint64_t number)
{
    return number & 1;
}
/* name: of the object it is for. */
int ms_paxos_block_make(const struct ms_paxos_block *block, struct ms_view name,
                        const struct ms_seal_key *seal, struct ms_buf **out,
                        struct ms_error *err) MS_MUST_CHECK;
/* *torn: it is cut short, so whoever wrote it was never told that it is there: it does not count.
 * MS_ERR_UNTRUSTED: it is nothing that was written here with this key under this name. */
int ms_paxos_block_open(struct ms_view bytes, struct ms_view name, uint64_t number,
                        const struct ms_seal_key *seal, struct ms_paxos_block *out, bool *torn,
                        struct ms_error *err) MS_MUST_CHECK;

#endif
