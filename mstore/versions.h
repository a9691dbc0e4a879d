/* mstore/versions.h - the versions of one mutable key: a register that is linearizable over
 * storages which can only put, list, get and delete.
 *
 * Each version is an object of its own, whose name carries counter, writer, size and mark
 * (mstore/names.h), so that two writers never touch the same object. Voters are the key's targets,
 * and a witness (names without data) when those are even in number. Whoever writes lists a
 * majority, takes a counter above all it saw, and puts at all voters. Whoever reads lists a
 * majority, takes the highest version, and makes sure that it is complete before answering. After
 * Attiya, Bar-Noy and Dolev, "Sharing memory robustly in message-passing systems" (J. ACM 1995),
 * with many writers, on storages as of Basescu et al., "Robust data sharing with key-value stores"
 * (DSN 2012). docs/mstore.md says why it works.
 *
 * Complete: a majority of the voters holds it, and enough of its data to read it lies among them.
 * It is acknowledged when some of that may get lost (ms_versions_durable). Below one that is so,
 * another may go from a voter that holds the higher one itself: so the highest version of a voter
 * never gets lower.
 *
 * A `struct ms_versions` is what one operation has seen of one key. One thread at a time; what it
 * leaves running holds references of its own. */
#ifndef MSTORE_VERSIONS_H
#define MSTORE_VERSIONS_H

#include "mstore/names.h"
#include "mstore/roster.h"
#include "mstore/value.h"

/* No put is begun later than this after the listing that it rests on: with the time that a call's
 * effect may be delayed it stays below the 15 minutes that an operation may live. */
#define MS_VERSIONS_LIFE_NS (UINT64_C(5) * 60 * 1000000000)
/* How long a deletion is kept, by the clocks of the members that hold it. */
#define MS_VERSIONS_GRACE_NS (UINT64_C(7) * 86400 * 1000000000)
/* Versions of one key on one member; more are taken for damage. */
#define MS_VERSIONS_MAX 65536u

struct ms_version {
    struct ms_write_id id;
    uint64_t size;
    enum ms_own_mark mark;
    unsigned k, m; /* how its data is cut: copies 1+0; a deletion has none, 0+0 */
};

struct ms_held { /* an object of a voter's */
    struct ms_version version;
    unsigned index; /* of the shard */
    int64_t mtime_ns;
};

struct ms_voter {
    struct ms_member *member; /* borrowed from the roster; NULL: not to be had */
    unsigned index;           /* of the layout's member */
    unsigned shard;           /* what it gets of a new version */
    bool in[2];               /* of which quorum */
    bool witness;
    bool asked, answered;
    struct ms_held *held;
    size_t count, room;
    struct ms_error why; /* of the last call that failed; code 0: it did not */
};

/* A set of voters, more than half of whom decide. There is a second one while a layout is proposed
 * under which the key has other voters: then everything needs both (Gilbert, Lynch and Shvartsman,
 * "RAMBO", Distributed Computing 23, 2010). */
struct ms_quorum {
    unsigned count, targets, majority;
};

struct ms_versions {
    const struct ms_site *site; /* borrowed */
    uint64_t listed_ns;         /* when the listing began */
    bool times;                 /* mtime_ns is known */
    unsigned quorums;
    struct ms_quorum quorum[2];
    unsigned count, targets; /* of all voters; targets come first */
    struct ms_voter voter[];
};

/* The voters of a key, none asked. MS_ERR_CONFIG: it has none. */
int ms_versions_new(const struct ms_site *site, struct ms_versions **out,
                    struct ms_error *err) MS_MUST_CHECK;
void ms_versions_free(struct ms_versions *v);

/* ---- what was seen; pure ------------------------------------------------------------------- */

bool ms_version_equal(const struct ms_version *a, const struct ms_version *b);
/* The end of a deletion: an object with its ID, mark d, and no SIZE. Where one is seen, the
 * deletion of that ID is over: both count for nothing but the next counter (mstore/mutable_heal.c).
 */
bool ms_version_is_end(const struct ms_version *version);
struct ms_version ms_version_end_of(const struct ms_version *deletion);
/* The highest end of a deletion that was seen. */
bool ms_versions_end(const struct ms_versions *v, struct ms_version *out);
/* The highest counter of all that was seen. */
uint64_t ms_versions_counter(const struct ms_versions *v);
/* The highest version that counts, below an id (NULL: of all). False: none. */
bool ms_versions_newest(const struct ms_versions *v, const struct ms_write_id *below,
                        struct ms_version *out);
/* The object of that version on that voter; NULL: it holds none. */
const struct ms_held *ms_versions_held(const struct ms_versions *v, unsigned voter,
                                       const struct ms_version *version);
/* It holds it or one above it, for which it may have gone. */
bool ms_versions_reaches(const struct ms_versions *v, unsigned voter,
                         const struct ms_version *version);
/* It is certain that it is complete: on a majority, at least K different shards. */
bool ms_versions_complete(const struct ms_versions *v, const struct ms_version *version);
/* It is certain that it was not when the listing began: more voters with neither it nor a higher
 * one have answered than a complete version leaves. Neither may be certain. */
bool ms_versions_incomplete(const struct ms_versions *v, const struct ms_version *version);
/* It is complete, and as many shards lie on targets as an acknowledged one has. Copies: one. ec
 * K+M: K + ceil(M/2), so that stores go on without floor(M/2) members, and what they acknowledged
 * survives the loss of ceil(M/2). A deletion: none. */
bool ms_versions_durable(const struct ms_versions *v, const struct ms_version *version);
unsigned ms_versions_needed(const struct ms_version *version);
/* So many voters of each quorum have answered, or all of it. */
bool ms_versions_heard(const struct ms_versions *v, unsigned wanted);
bool ms_versions_heard_most(const struct ms_versions *v); /* a majority of each */
/* The greatest majority. */
unsigned ms_versions_majority(const struct ms_versions *v);
/* Which shard each voter that lacks the version is to get (copies: 0): its own, unless another
 * voter of its quorum holds that; then one that none holds. */
void ms_versions_deal(const struct ms_versions *v, const struct ms_version *version,
                      unsigned shards[]);
/* Adds an object to a list that grows. */
int ms_held_add(struct ms_held **list, size_t *count, size_t *room, const struct ms_held *held,
                struct ms_error *err) MS_MUST_CHECK;
/* Notes that a voter holds it. */
int ms_versions_add(struct ms_versions *v, unsigned voter, const struct ms_held *held,
                    struct ms_error *err) MS_MUST_CHECK;
/* "1 of 3 members answered (2 are needed): nas: …; usb: …". Returns code. */
int ms_versions_refuse(const struct ms_versions *v, int code, const char *what,
                       struct ms_error *err);

/* ---- calls on members ---------------------------------------------------------------------- */

/* Lists at voters not asked yet, the fastest targets first, until `wanted` have answered in all; a
 * late one is hedged by the next. A voter that lists nothing must show its mark: an empty storage
 * is no answer. One code and sentence when fewer than a majority answer. */
int ms_versions_list(struct ms_versions *v, unsigned wanted, struct ms_error *err) MS_MUST_CHECK;
/* So many as are likely to show whether the newest is complete. */
unsigned ms_versions_wanted(const struct ms_versions *v);
bool ms_versions_unasked(const struct ms_versions *v); /* somebody is left to be asked */
/* Asks all that were not asked yet, until `version` is complete (NULL: no) or all have ended. */
int ms_versions_look(struct ms_versions *v, const struct ms_version *version,
                     struct ms_error *err) MS_MUST_CHECK;

/* Frames by shard index: objects of one version as they lie on targets; borrowed. */
struct ms_frames {
    unsigned count; /* k + m; a deletion: 0 */
    struct ms_buf **frame;
};
/* The listing is too old for a put to rest on it. */
bool ms_versions_stale(const struct ms_versions *v);
enum ms_put {
    MS_PUT_NEW,      /* a new version: at all voters, until it is durable; then others get as long
                        as is normal (1 s, or four times what counts as late) */
    MS_PUT_SPREAD,   /* the same for one that is there, at those who answered and lack it */
    MS_PUT_COMPLETE, /* likewise, until it is complete */
};
/* Otherwise than 0 the sentence says how many hold it and why not more, and it may become complete
 * later or not. MS_ERR_TIMEOUT: the listing is too old, nothing was put. */
int ms_versions_put(struct ms_versions *v, const struct ms_version *version,
                    const struct ms_frames *frames, enum ms_put how,
                    struct ms_error *err) MS_MUST_CHECK;
/* Notes at the holders of a version that other voters have missed it: those that failed (`all`: all
 * that are not known to have it). No call where there is none; else a second at most. Failures only
 * mean that less is known: mstore/versions_note.c. */
void ms_versions_note(const struct ms_versions *v, const struct ms_version *version, bool all);
/* Of a durable version: whether a voter that holds it holds something lower. */
bool ms_versions_has_debris(const struct ms_versions *v, const struct ms_version *version);
/* Begins to delete what is below a durable version wherever that one is known to lie. Waits for
 * nothing unless `wait`; failures are left to the next one that passes. */
void ms_versions_sweep(struct ms_versions *v, const struct ms_version *version, bool wait);

/* ---- data ---------------------------------------------------------------------------------- */

/* A range (clipped) of a version, from voters known to hold it. MS_ERR_NOT_FOUND: at least one that
 * held it does so no more: list again. */
int ms_versions_load(struct ms_versions *v, const struct ms_version *version, int64_t offset,
                     uint64_t size, struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;
/* The same in a stream. What vanishes while it is read is NOT_FOUND. */
int ms_versions_reader(const struct ms_versions *v, const struct ms_version *version,
                       struct ms_value_reader **out, struct ms_error *err) MS_MUST_CHECK;
/* A new version in a stream, on targets; its length is known. *needed: so many of them must have it
 * at the commit, for it to be durable together with the witness, if there is one. Not in a joint
 * layout. */
int ms_versions_writer(const struct ms_versions *v, const struct ms_version *version,
                       unsigned *needed, struct ms_value_writer **out,
                       struct ms_error *err) MS_MUST_CHECK;
/* The name of a version at the witness, if there is one: true when it is there. */
bool ms_versions_witness(const struct ms_versions *v, const struct ms_version *version);
/* Frames for a value; unref each and free the array with ms_frames_free. */
int ms_frames_make(const struct ms_version *version, bool zstd, struct ms_view value,
                   struct ms_frames *out, struct ms_error *err) MS_MUST_CHECK;
void ms_frames_free(struct ms_frames *frames);

#endif
