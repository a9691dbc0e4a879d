/* mstore/upkeep_plain.h - one key of a plain namespace under upkeep: what its files share. */
#ifndef MSTORE_UPKEEP_PLAIN_H
#define MSTORE_UPKEEP_PLAIN_H

#include "mstore/plain_hint.h"
#include "mstore/upkeep_parts.h"

struct ms_upkeep_copy { /* of one item on one member */
    bool exists;
    uint64_t size;
    int64_t mtime_ns; /* by the member's clock */
    bool hashed, failed;
    char digest[65]; /* once hashed */
};
struct ms_upkeep_mirrored { /* a key, and what each member has of it */
    const struct ms_layout_space *space;
    struct ms_view path, key;
    struct ms_upkeep_copy *copies[2]; /* live, soft-deleted; by the layout's index */
    const bool *silent;
    bool noted;              /* notes say that members have missed changes of it */
    enum ms_upkeep_end *end; /* out, what became of it; may be NULL */
};
/* Only what ends the run is returned. */
int ms_upkeep_mirrored_key(struct ms_upkeep *u, const struct ms_upkeep_mirrored *item,
                           struct ms_error *err) MS_MUST_CHECK;

/* ---- inside: upkeep_mirror.c, upkeep_missed.c ---- */

struct ms_mirrored { /* the key under work; item 0: live, 1: soft-deleted; members by index */
    struct ms_upkeep *u;
    const struct ms_upkeep_mirrored *item;
    struct ms_upkeep_site at;
    struct ms_view whole;
    bool wanting, repaired, moved, failed, unjudged, conflict;
    struct ms_plain_standing standing[2]; /* who has missed changes of the item, */
    bool old[2][MS_MEMBERS_MAX]; /* and has one that does not count: `copies` is without it */
};
void ms_mirrored_tell(struct ms_mirrored *k, enum ms_upkeep_find find, size_t member, bool fixed,
                      const char *sentence);
/* A failure of one member, which is told; only what ends the run comes back. */
int ms_mirrored_failed(struct ms_mirrored *k, size_t member, int code, const struct ms_error *why,
                       struct ms_error *err);
int ms_mirrored_hash(struct ms_mirrored *k, size_t member, bool deleted, struct ms_error *err);

/* Who is behind, where that matters: copies of theirs are set aside, in `old`. */
int ms_mirrored_judge(struct ms_mirrored *k, struct ms_error *err);
/* It has missed changes of one of the key's items. */
bool ms_mirrored_is_behind(const struct ms_mirrored *k, size_t member);
/* right: a member whose copy counts. Old ones with the same bytes count again. */
int ms_mirrored_welcome(struct ms_mirrored *k, size_t right, bool deleted, struct ms_error *err);
/* Old copies that nothing has replaced are removed, where it is certain that the item is gone or
 * need not be there. */
int ms_mirrored_purge(struct ms_mirrored *k, bool found, bool deleted, struct ms_error *err);
/* The key as it is now, of which a note says that `member` has missed something. */
int ms_upkeep_noted_key(struct ms_upkeep *u, const struct ms_layout_space *space,
                        struct ms_view path, struct ms_view key, size_t member,
                        enum ms_upkeep_end *end, struct ms_error *err);

#endif
