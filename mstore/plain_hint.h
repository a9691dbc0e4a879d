/* mstore/plain_hint.h - what mirrors have missed: notes kept by the other members, so that a mirror
 * that was away is not believed about a key until heal has been there.
 *
 * Values of kind plain carry no version, so a mirror that missed a change looks like any other.
 * Whoever acknowledges a change that a mirror missed leaves a note of it first, on a majority of
 * the members (witnesses too; of two members, one), and marks the mirror (mstore/away.h), whose
 * marks everybody knows of by his lease. So without a call more it is known which mirrors may be
 * behind, and the notes tell of which keys.
 *
 *     mstore-UUID/hint/MIRROR/KEYPATH/COUNTER-WRITER    empty; one for each mirror that missed it
 *
 *     COUNTER  one above the highest that is noted of the key: the order of changes
 *     WRITER   14 hex digits drawn by chance, the same for all mirrors that missed the change; then
 *              the change (0 store, 1 delete, 2 soft delete, 3 undelete, 4 renamed to another key,
 *              5 another key renamed to this one); then 1 of a soft-deleted item, + 2 when the
 *              request may still take effect, much later
 *
 * A mirror is behind with an item of a key when it missed a change of it and is not known to have
 * done a later one. (What is moved by a mirror that is behind counts as missed.)
 *
 * Of two changes that a majority holds notes of the later one has the higher counter: whoever noted
 * it met the other. One that fewer hold a note of was not acknowledged: its client died, or could
 * not reach a majority, and who came after it need not have met it. So it counts as older than
 * those of a majority, whatever its counter. A note that says nothing more beside a newer one about
 * its mirror goes only once a majority has that, and from nobody who has not. So while somebody who
 * looks sees the older one here and the newer one there, its change may have been acknowledged,
 * however few have it: only what two looks in a row show alike was there at one time.
 *
 * For keys that one client at a time writes. Any thread. */
#ifndef MSTORE_PLAIN_HINT_H
#define MSTORE_PLAIN_HINT_H

#include "mstore/names.h"
#include "mstore/roster.h"

enum ms_plain_op {
    MS_PLAIN_STORE,
    MS_PLAIN_DELETE,
    MS_PLAIN_SOFT_DELETE,
    MS_PLAIN_UNDELETE,
    MS_PLAIN_RENAMED,   /* the old key, which has gone */
    MS_PLAIN_RENAMED_TO /* the new key */
};

struct ms_plain_note {
    uint16_t member; /* who missed it: index of the layout */
    struct ms_write_id id;
    unsigned held;     /* so many of those that answered have it */
    unsigned replaced; /* so many others have one in whose favour it may have been removed there */
};
/* The last byte of an ID's writer. */
uint8_t ms_plain_note_byte(enum ms_plain_op op, bool deleted, bool late);
bool ms_plain_note_late(const struct ms_write_id *id);
/* Its change has to do with the live (or soft-deleted) item. */
bool ms_plain_note_concerns(const struct ms_write_id *id, bool deleted);
/* The same with a change that concerns no item: for an object that says nothing. */
struct ms_write_id ms_plain_note_of_nothing(struct ms_write_id id);

struct ms_plain_standing { /* of an item, as the notes of its key say; by the layout's index */
    bool behind[MS_MEMBERS_MAX];
    bool spoiled[MS_MEMBERS_MAX];      /* was behind; a late request could have come since */
    bool acknowledged[MS_MEMBERS_MAX]; /* a target that has missed no change that may have been
                                          acknowledged: it may be behind with others */
    bool removed; /* the newest that is noted and may have been acknowledged has done so */
    bool unsure[MS_MEMBERS_MAX]; /* behind, or not, as those know that did not answer */
    bool nobody;                 /* no target is surely right: some are unsure, the others behind */
    bool missed;                 /* a target has missed something */
};
/* silent: so many members did not answer. Where the best that can be said of any target is that a
 * late request could have spoiled it, that is taken for right. */
void ms_plain_judge(const struct ms_plain_note notes[], size_t count, unsigned silent,
                    const struct ms_site *site, bool deleted, struct ms_plain_standing *out);

struct ms_plain_missed { /* a change, and who missed it: by the layout's index */
    enum ms_plain_op op;
    bool missed[MS_MEMBERS_MAX];
    bool late[MS_MEMBERS_MAX]; /* the request may still take effect */
};
/* Before a change of the site's item is acknowledged: when it returns 0, what the mirrors missed is
 * noted, and nobody believes them any more. */
int ms_plain_note(const struct ms_site *site, const struct ms_plain_missed *change,
                  struct ms_error *err) MS_MUST_CHECK;

/* The same from the notes on so many members that none is overlooked. everybody: notes about all
 * members are looked at, not only about those that have missed something as far as is known here,
 * on all members that answer. These are waited for also where otherwise somebody is unsure; an
 * error where nobody is right. */
int ms_plain_behind(const struct ms_site *site, bool deleted, bool everybody,
                    struct ms_plain_standing *out, struct ms_error *err) MS_MUST_CHECK;

#endif
