/* mstore/away.h - marks on members that say another member must not be believed: it has missed
 * changes, or one may reach it late.
 *
 *     mstore-UUID/away/MEMBER.ID.STATE      MEMBER: 32 hex digits; ID as in mstore/names.h
 *
 *     STATE  o  open: whoever makes MEMBER miss something more may rely on this mark
 *            c  closing: MEMBER is still not to be believed, but soon. Who relies on a mark looks
 *               (by a lease) whether it is closing; so when a lease's time has passed since that
 *               was on a majority, everything that relies on the mark has been noted, and whoever
 *               closes it sees all of that
 *
 * A mark counts once it is on a majority of the members (all but those gone, witnesses too); of two
 * members, on one: half of a mirror goes on alone (docs/mstore.md, "Plain namespaces"). An ID is
 * used once. Any thread. */
#ifndef MSTORE_AWAY_H
#define MSTORE_AWAY_H

#include "mstore/names.h"
#include "mstore/roster.h"

#define MS_AWAY_MAX 1024 /* marks on one member that are looked at */

struct ms_away {
    struct ms_uuid member;
    struct ms_write_id id;
    bool closing;
};
bool ms_away_equal(const struct ms_away *a, const struct ms_away *b);
/* "MEMBER.ID" */
#define MS_AWAY_ID_TEXT 67 /* with the NUL */
const char *ms_away_format_id(const struct ms_away *mark, char text[MS_AWAY_ID_TEXT]);
/* "mstore-UUID/away" */
void ms_away_folder(const struct ms_uuid *store, struct ms_name *out);
void ms_away_name(const struct ms_uuid *store, const struct ms_away *mark, struct ms_name *out);
/* The part behind the folder; false: it is none. */
bool ms_away_parse(struct ms_view last, struct ms_away *out) MS_MUST_CHECK;

/* So many of the layout's members have answered when everybody's word is among theirs; and so many
 * must have been told something for all to hear of it. */
unsigned ms_away_quorum(const struct ms_layout *layout);
unsigned ms_away_majority(const struct ms_layout *layout);
/* Puts (or removes) marks on all members that answer; 0: on a majority. */
int ms_away_put(struct ms_roster *r, const struct ms_away marks[], size_t count,
                struct ms_error *err) MS_MUST_CHECK;
int ms_away_remove(struct ms_roster *r, const struct ms_away marks[], size_t count,
                   struct ms_error *err) MS_MUST_CHECK;

/* ---- giving trust back, for heal ----
 *
 * A run of heal begins by setting all marks of a member to closing, and finds out which have been
 * that for longer than anything may be under way that relies on them: they are ripe. It makes up
 * for all that members have missed, and takes away the ripe marks. So it takes two runs, a quarter
 * of an hour apart, until a member is believed again. */

int ms_away_close(struct ms_roster *r, unsigned member, struct ms_error *err) MS_MUST_CHECK;
/* Up to MS_AWAY_MAX marks of a member that have been closing for `grace_ns` and a lease, by the
 * clocks of the members that hold them. */
#define MS_AWAY_GRACE_NS (UINT64_C(15) * 60 * 1000000000) /* how late a request may take effect */
/* A mark that was on a majority, while a quorum did not know it as closing, is still there for so
 * long after that question, whatever others do meanwhile. A third of what closing takes, since that
 * is by others' clocks. */
#define MS_AWAY_STANDS_NS (MS_AWAY_GRACE_NS / 3)
struct ms_away_known { /* by ms_clock_boot; 0: never */
    struct ms_away mark;
    uint64_t since_ns; /* it was on a majority then, and ever since */
    uint64_t seen_ns;  /* such a question began */
};
#define MS_AWAY_KEPT 64 /* of these outlive a process (mstore/state.h) */
int ms_away_ripe(struct ms_roster *r, unsigned member, uint64_t grace_ns, struct ms_away out[],
                 size_t *count, struct ms_error *err) MS_MUST_CHECK;
int ms_away_settle(struct ms_roster *r, const struct ms_away ripe[], size_t count,
                   struct ms_error *err) MS_MUST_CHECK;

#endif
