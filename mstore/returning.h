/* mstore/returning.h - who has been away, as the notes on members say.
 *
 * A client that begins now cannot know that a member was away while another client deleted keys.
 * Notes of that (hints) are on at least two of the members that were there. */
#ifndef MSTORE_RETURNING_H
#define MSTORE_RETURNING_H

#include "mstore/roster.h"

/* Looks for notes at all members that answer within a second (or 4 times what their health calls
 * late), one call each, and tells the members they are about (ms_member_set_returning). To be
 * called when a store is opened, and now and then. *answered (may be NULL): how many did. */
int ms_returning_learn(struct ms_roster *roster, unsigned *answered,
                       struct ms_error *err) MS_MUST_CHECK;

#endif
