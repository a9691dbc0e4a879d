/* mstore/follow.h - which version follows another one directly: agreed on among the key's voters
 * (mstore/paxos.h), one agreement for each version.
 *
 * Who stores with a condition has seen that version V is the newest, and complete. What he makes is
 * to come right behind V, and only once: its ID is V's, with the next `next`. Any version that is
 * made without a condition meanwhile has a higher ID, and so came later. The value is what the
 * agreement decides on; whoever learns of it puts the version, so a dead winner holds nobody up.
 * docs/mstore.md, "Conditional stores", says why that is right.
 *
 * A key without any version has ID 0, again when a deletion was forgotten (mstore/mutable_heal.c):
 * before that the blocks about ID 0 go, and the deletion gets a follower that is none, `over`. */
#ifndef MSTORE_FOLLOW_H
#define MSTORE_FOLLOW_H

#include "mstore/versions.h"

/* A value in an agreement is kept whole by every voter for a while. */
#define MS_FOLLOW_VALUE_MAX (8u << 20)

struct ms_follower {
    uint64_t writer; /* who proposed it; nobody else draws that number */
    bool over;       /* nothing follows: the version is a deletion that is forgotten */
    struct ms_version version;
    struct ms_buf *value; /* NULL with over */
};
void ms_follower_end(struct ms_follower *f);

/* What follows the version: `mine`, or what another proposed first. seen: of the key's voters; it
 * says who they are. MS_ERR_NOT_FOUND with mine NULL: nothing had been decided. *passed: the
 * listing shows something higher by now, and `mine` was never proposed. Other failures: it may be
 * decided later, or not. */
int ms_follow_decide(const struct ms_versions *seen, const struct ms_write_id *version,
                     const struct ms_follower *mine, struct ms_follower *out, bool *passed,
                     struct ms_error *err) MS_MUST_CHECK;
/* Puts what was decided, unless the layout was changed meanwhile (BUSY): then it is for those to do
 * who are under the new one. */
int ms_follow_put(struct ms_versions *seen, const struct ms_follower *follower,
                  struct ms_error *err) MS_MUST_CHECK;
/* Makes sure that the end of a deletion is on a majority, and that nothing follows the deletion: or
 * puts what does, *over false. */
int ms_follow_close(struct ms_versions *seen, const struct ms_version *end, bool *over,
                    struct ms_error *err) MS_MUST_CHECK;

/* ---- pure ---- */

/* The bytes of a value of an agreement (docs/formats.md). */
int ms_follower_format(const struct ms_follower *f, struct ms_buf **out,
                       struct ms_error *err) MS_MUST_CHECK;
int ms_follower_parse(struct ms_view bytes, const struct ms_write_id *version,
                      struct ms_follower *out, struct ms_error *err) MS_MUST_CHECK;

#endif
