/* tests/sim/history.h - what the clients did and what they were told, in one order.
 *
 * Each operation has a beginning and an end on one scale of numbers (one task runs at a time, so
 * everything that happens has its place on it) and in virtual time. An operation without an answer,
 * or answered by an error that does not say what is there, never ends: it may have happened at any
 * time after its beginning, or not at all. A key holds a live value and, beside it, a soft-deleted
 * one; `deleted` says which of the two an operation is about.
 */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include <mstore/base.h>

#include <limits.h>
#include <stdio.h>

enum sim_verb {
    SIM_STORE,
    SIM_LOAD,
    SIM_INFO,
    SIM_LIST, /* what one listing said about one key */
    SIM_DELETE,
    SIM_SOFT_DELETE,
    SIM_UNDELETE,
    SIM_STORE_IF, /* what is there must be the value `expect` */
    SIM_RENAME,   /* to the key `expect` */
    SIM_VERB_COUNT
};

enum sim_answer {
    SIM_NO_ANSWER, /* or an error after which it may have happened */
    SIM_DONE,      /* a reading: it is there */
    SIM_NOT_FOUND,
    SIM_EXISTS, /* undelete: a live value is in the way; store-if: something else is there */
};

#define SIM_NEVER UINT64_MAX

struct sim_op {
    unsigned client, key;
    enum sim_verb verb;
    bool deleted;
    enum sim_answer answer;
    uint32_t id;        /* stored, or seen; seen but not known which: 0 */
    uint32_t expect;    /* store-if: the value that must be there; 0: none may. Rename: the key */
    uint64_t size;      /* of the value stored, or as a reading told; UINT64_MAX: it did not */
    uint64_t begin_seq; /* places in the order of events */
    uint64_t end_seq;   /* SIM_NEVER without answer */
    uint64_t begin_ns, end_ns;
    int code; /* what the client was told; MS_ERR_INTERNAL when it died before */
};

struct sim_history {
    struct sim_op *ops;
    size_t count, room;
    uint64_t seq;
    bool full;  /* out of memory: what is here is not all */
    bool frail; /* of immutable keys: one copy may be gone, or not be seen, as a disk rots or a
                   member is silent */
};

void sim_history_fini(struct sim_history *h);
/* An operation begins (client, key, verb, deleted and, for a store, id and size are taken from op).
 * Returns its index. */
size_t sim_history_begin(struct sim_history *h, const struct sim_op *op, uint64_t now_ns);
/* It was answered. */
void sim_history_end(struct sim_history *h, size_t index, enum sim_answer answer, int code,
                     uint64_t now_ns);
/* One that began at begin_seq and ends now: what a listing said about one key. */
void sim_history_add(struct sim_history *h, const struct sim_op *op, uint64_t now_ns);
uint64_t sim_history_now(struct sim_history *h); /* the next place, from 1 */

/* It stores a value, or may have. */
static inline bool sim_op_stores(const struct sim_op *op)
{
    return op->verb == SIM_STORE || (op->verb == SIM_STORE_IF && op->answer != SIM_EXISTS);
}
static inline bool sim_op_reads(const struct sim_op *op)
{
    return op->verb == SIM_LOAD || op->verb == SIM_INFO || op->verb == SIM_LIST;
}
bool sim_op_moves(const struct sim_op *op); /* soft delete, undelete */
/* What this soft delete or undelete moved had surely been stored, and deleted by nobody before it
 * began. What nobody was told of as stored, or was stored beside a deletion, may be on one copy
 * (docs/mstore.md, Leases, "Where it is weaker"); moving it vouches for no more. */
bool sim_move_is_whole(const struct sim_history *h, const struct sim_op *move);
/* "client 2 store key 1 value 17 (40 bytes): OK [1.250..1.375 ms]" */
void sim_op_print(char *text, size_t size, const struct sim_op *op);
#define SIM_ANY_KEY UINT_MAX
/* The last `most` operations on a key that had begun before end_seq. */
void sim_history_print(FILE *out, const struct sim_history *h, unsigned key, uint64_t end_seq,
                       size_t most);

#endif
