/* tests/support/mirrors.h - plain keys of a fleet (namespace data, one level of nesting) as one
 * client sees them, in virtual time: text in, text out. */
#ifndef SUPPORT_MIRRORS_H
#define SUPPORT_MIRRORS_H

#include "tests/support/fleet.h"

/* Runs it as the first task of a simulation. */
void mirrors_simulated(int (*fn)(void *arg));
int mirrors_put(struct fleet *f, const char *key, const char *value, struct ms_error *err);
/* "": it does not exist. */
void mirrors_assert(struct fleet *f, const char *key, bool deleted, const char *value);
/* What a member by itself has under the name; NULL: nothing. */
void mirrors_assert_at(struct fleet *f, unsigned member, const char *name, const char *value);
/* Leaves nothing that is not as it should be. */
void mirrors_heal(struct fleet *f);
void mirrors_pause(uint64_t seconds);

#endif
