/* tests/support/mirrors.h - plain keys of a fleet (namespace data, one level of nesting) as one
 * client sees them, in virtual time: text in, text out. */
#ifndef SUPPORT_MIRRORS_H
#define SUPPORT_MIRRORS_H

#include "mstore/plain_hint.h"
#include "tests/support/fleet.h"

/* Runs it as the first task of a simulation. */
void mirrors_simulated(int (*fn)(void *arg));
int mirrors_put(struct fleet *f, const char *key, const char *value, struct ms_error *err);
/* Soft delete, undelete. */
int mirrors_move(struct fleet *f, const char *key, enum ms_move how, struct ms_error *err);
/* "": it does not exist. */
void mirrors_assert(struct fleet *f, const char *key, bool deleted, const char *value);
/* What a member by itself has under the name; NULL: nothing. */
void mirrors_assert_at(struct fleet *f, unsigned member, const char *name, const char *value);
struct mirrors_noted {
    unsigned keeper, about; /* a note of one, and who missed what it says */
    uint64_t counter;       /* one change for each */
    enum ms_plain_op op;    /* of the live item */
    bool late;
};
void mirrors_note(struct fleet *f, const char *key, const struct mirrors_noted *note);
/* Whether nothing is left that is not as it should be; the second one demands it. */
bool mirrors_try_heal(struct fleet *f);
void mirrors_heal(struct fleet *f);
void mirrors_pause(uint64_t seconds);

#endif
