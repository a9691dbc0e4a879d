/* mstore/plain_parts.h - one operation on the mirrors of a key, as the files of plain share it. */
#ifndef MSTORE_PLAIN_PARTS_H
#define MSTORE_PLAIN_PARTS_H

#include "base/fan.h"
#include "mstore/plain.h"
#include "mstore/plain_hint.h"

#define MS_PLAIN_HEX 129 /* of the longest digest */

struct ms_plain_answer { /* of one member */
    struct ms_buf *loaded;
    struct ms_item_info info;
    char hex[MS_PLAIN_HEX];
};

/* Shared by the legs of a fan, one for each member in `member`; freed by its release. */
struct ms_plain_call {
    int (*fn)(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
              struct ms_error *err);
    struct ms_roster *roster; /* reference */
    struct ms_buf *key, *new_key;
    bool deleted;
    int64_t offset;
    uint64_t size;
    struct ms_buf *value; /* reference */
    enum ms_move how;
    char algorithm[32];
    unsigned targets, count; /* for changing: the first are targets */
    unsigned believed;       /* for reading: the first so many have missed nothing, */
    unsigned homes;          /* and of these the first so many are targets */
    uint16_t *member;        /* indexes of the layout, in the order in which to ask */
    struct ms_plain_answer *answers;
};

/* For the members that the key may be on and that are to be had here. for_reading: those that have
 * missed something last (mstore/plain_hint.h), before them the fastest first. */
int ms_plain_call_new(const struct ms_site *site, struct ms_item_ref item, bool for_reading,
                      struct ms_plain_call **out, struct ms_error *err) MS_MUST_CHECK;
void ms_plain_call_free(void *call);
/* The fan that runs it, which owns it from now on (also on failure). */
int ms_plain_fan(struct ms_plain_call *c, struct ms_fan **out, struct ms_error *err) MS_MUST_CHECK;

/* How many of `targets` must have a change for it to count: most of them; of two, one. */
static inline unsigned ms_plain_quorum(unsigned targets)
{
    return targets <= 2 ? 1 : targets / 2 + 1;
}

/* How many members may be missing when it is said that a key does not exist: fewer than have it. Of
 * two, one: a key that was stored while only one of the two could be reached, and by whom nobody
 * is reached now, is then not missed (docs/mstore.md). */
static inline unsigned ms_plain_may_miss(unsigned targets)
{
    return targets <= 2 ? targets - (targets > 0) : targets / 2;
}

/* The member may have missed changes. */
bool ms_plain_is_doubted(const struct ms_plain_call *c, unsigned leg);
/* Whether a failed request may still take effect, much later. */
bool ms_plain_may_come_late(int code);

bool ms_plain_is_missed(const struct ms_plain_missed *change); /* by anybody */
/* Of a store that counts: what took a target's place in an earlier store, on members that were not
 * asked now, is old and goes. That there may be any is known from targets that have missed
 * something, in `change` or before. Who did not answer is added to `change`. */
int ms_plain_clear(const struct ms_site *site, struct ms_item_ref item, const bool asked[],
                   struct ms_plain_missed *change, struct ms_error *err) MS_MUST_CHECK;

/* verify = sha256: CORRUPT unless the key is the SHA-256 of the value that the mirror gave. */
int ms_plain_verify(struct ms_view key, struct ms_view value, struct ms_store *mirror,
                    struct ms_error *err) MS_MUST_CHECK;

/* UNSUPPORTED unless pre is ALWAYS. */
int ms_plain_no_condition(const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;

/* "a: REASON; b: REASON" of the legs that failed otherwise than with NOT_FOUND, and of `more` (may
 * be NULL), into a sentence that begins with `fmt`. The code of the first of them. */
int ms_plain_failed(struct ms_fan *fan, unsigned count, const struct ms_error *more,
                    struct ms_error *err, const char *fmt, ...) MS_PRINTF(5, 6);

#endif
