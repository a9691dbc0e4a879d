/* mstore/intent.h - what a client is about to do to a key in several steps: an object on a majority
 * of the key's voters before the first step, gone from a majority after the last. So the next heal
 * finds what a client that died has begun (mstore/intent_finish.h). One that is on less than a
 * majority says nothing: its client had not begun, or was done. (Plain keys on two members: one of
 * the two is enough, as for all changes of theirs.)
 *
 *     mstore-UUID/intent/KEYPATH/ID.OP
 *
 * OP is what is done to the key; ID is that of the tombstone that goes with it, if one does. The
 * bytes (docs/formats.md has them) say whether it is the soft-deleted item that is renamed, and the
 * new key of a rename with its namespace; of all else they say nothing.
 *
 * There is exactly one right text for an intent (docs/formats.md). Any thread. */
#ifndef MSTORE_INTENT_H
#define MSTORE_INTENT_H

#include "mstore/names.h"
#include "mstore/roster.h"

#define MS_INTENT_KEY_MAX  (MS_OWN_SPACE_MAX + 1 + MS_BYTES_KEY_MAX)
#define MS_INTENT_TEXT_MAX (2 * MS_INTENT_KEY_MAX + 64)

struct ms_intent {
    enum ms_own_op op; /* these two stand in the name */
    struct ms_write_id id;
    bool deleted;
    bool late[MS_MEMBERS_MAX]; /* by voter: it may get the intent yet */
    size_t new_size;           /* 0: not a rename */
    uint8_t new_key[MS_INTENT_KEY_MAX];
};

/* new_key may be empty. NAME: it is too long. */
int ms_intent_init(struct ms_intent *out, enum ms_own_op op, struct ms_write_id id, bool deleted,
                   struct ms_view new_key, struct ms_error *err) MS_MUST_CHECK;
int ms_intent_make(const struct ms_intent *intent, struct ms_buf **out,
                   struct ms_error *err) MS_MUST_CHECK;
/* Leaves op and id alone. FORMAT: it is damaged; UNSUPPORTED: of a newer version. */
int ms_intent_parse(struct ms_view text, struct ms_intent *out, struct ms_error *err) MS_MUST_CHECK;

/* So many voters must have one: most of them; of a plain key's two, one. */
unsigned ms_intent_needs(const struct ms_site *site);
struct ms_own_name ms_intent_name(const struct ms_site *site, enum ms_own_op op,
                                  struct ms_write_id id);
/* On as many of the key's voters as it needs; notes those that may get it late. Off so many that it
 * is on too few for good: those do not count that may get it late. */
int ms_intent_put(const struct ms_site *site, struct ms_intent *intent,
                  struct ms_error *err) MS_MUST_CHECK;
int ms_intent_drop(const struct ms_site *site, const struct ms_intent *intent,
                   struct ms_error *err) MS_MUST_CHECK;
/* Somebody is, or was when he died, about to change the key: on at least one of so many voters that
 * every majority is met. */
int ms_intent_look(const struct ms_site *site, bool *there, struct ms_error *err) MS_MUST_CHECK;

#endif
