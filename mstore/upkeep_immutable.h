/* mstore/upkeep_immutable.h - one immutable key under upkeep: what its files share. */
#ifndef MSTORE_UPKEEP_IMMUTABLE_H
#define MSTORE_UPKEEP_IMMUTABLE_H

#include "mstore/tombs.h"
#include "mstore/upkeep_parts.h"

struct ms_upkeep_key {
    struct ms_upkeep *u;
    const struct ms_upkeep_item *item;
    struct ms_upkeep_site at;
    enum ms_own_mark mark;   /* of the item at work: the site's, live first, then soft-deleted */
    struct ms_tomb tomb;     /* the newest seen, of that item; */
    struct ms_tomb tombs[2]; /* of both: live, soft-deleted */
    bool changing;           /* there is an intent: it is left alone until that is gone */
    bool complete;           /* every member that could have any has answered */
    char sha256[65];         /* "": the key does not say */
    struct ms_upkeep_write *writes;
    size_t count;
    struct ms_upkeep_put *puts;
    size_t put_count;
    /* what became of it */
    bool wanting, repaired, moved, misplaced, failed, unjudged, conflict, lost;
    bool resting; /* in place, but perhaps being deleted */
};

/* upkeep_plan.c: brings the objects of the write to where they belong, as far as the run may. */
int ms_upkeep_fix(struct ms_upkeep_key *k, struct ms_upkeep_write *w,
                  struct ms_error *err) MS_MUST_CHECK;

/* An object of it does not verify. */
void ms_upkeep_tell_damaged(struct ms_upkeep_key *k, const struct ms_value_shape *shape,
                            unsigned member, unsigned shard, bool fixed);

/* All that stays of it, and all that was written, is read and verified: then others may go. */
int ms_upkeep_kept_is_whole(struct ms_upkeep_key *k, struct ms_upkeep_write *w, bool *whole,
                            struct ms_error *err) MS_MUST_CHECK;

/* Some of the write's objects are under the other mark, less than a store leaves: it is on the way
 * from live to soft-deleted or back, and its intent tells the rest. */
bool ms_upkeep_is_turning(const struct ms_upkeep_key *k, const struct ms_upkeep_write *w);
/* upkeep_deleted.c: what is left of the item at members that missed its deletion. *buried: the item
 * was deleted, or nobody can tell; there is nothing more to do for it now. */
int ms_upkeep_bury(struct ms_upkeep_key *k, bool *buried, struct ms_error *err) MS_MUST_CHECK;
/* The newest deletion, also one that was taken back, may be under way: what is left of the value is
 * what it has not come to yet, and would be a leftover if it were put back elsewhere. Unless it is
 * older than any work, or the item was stored again. */
bool ms_upkeep_being_deleted(const struct ms_upkeep_key *k);
/* What is left of the item makes no value by itself. Was it deleted, and the deletion broken off
 * (its client died, or was told that it failed), that comes to its end: all of it goes into the
 * trash. *ended: so it was; else it is lost, or on its way. */
int ms_upkeep_end_deletion(struct ms_upkeep_key *k, bool *ended,
                           struct ms_error *err) MS_MUST_CHECK;
/* What a move that was broken off has brought to the item, or left of it, goes into the trash where
 * it is less than a store leaves, and nothing of it can be read. */
int ms_upkeep_clear_spoiled(struct ms_upkeep_key *k, struct ms_error *err) MS_MUST_CHECK;
/* upkeep_judge.c: of several writes of a key, or of copies that differ, which one is to stay. *out
 * NULL: none (the key has been dealt with). Those that are to go lie behind it in `going`. */
struct ms_upkeep_verdict {
    struct ms_upkeep_write *stays;
    struct ms_upkeep_write *going[16];
    size_t going_count;
};
int ms_upkeep_judge(struct ms_upkeep_key *k, struct ms_upkeep_verdict *out,
                    struct ms_error *err) MS_MUST_CHECK;

/* One write of the item is there, all of it just where it belongs; deep: as its objects' bytes say,
 * too. Then there is nothing to be done but what a client may be at. */
int ms_upkeep_in_place(struct ms_upkeep_key *k, bool *is, struct ms_error *err) MS_MUST_CHECK;

#endif
