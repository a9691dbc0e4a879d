/* tests/sim/whole.h - a whole MStore as the system under test, made from the text of its file: from
 * opening by layouts on members to all of upkeep. Member n of the text is the world's member n. */
#ifndef TESTS_SIM_WHOLE_H
#define TESTS_SIM_WHOLE_H

#include "tests/sim/system.h"

struct ms_store_ops;

int sim_whole_create(struct sim_world *w, unsigned client, const char *conf, struct ms_error *err);
/* ops: whose verbs; NULL: those of an MStore. */
int sim_whole_open(struct sim_world *w, unsigned client, const char *conf,
                   const struct ms_store_ops *ops, struct ms_store **out, struct ms_error *err);
/* Once. What it told of mirrors that differ is kept in the world (`split`). */
int sim_whole_heal_once(struct sim_world *w, struct ms_store *s, bool deep, struct ms_error *err);
/* Once; when the faults are over four times, so far apart that each looks at all that one before
 * had to leave alone, and the last time deep: of copies that are equally long no other tells
 * whether they differ. */
int sim_whole_heal(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err);
/* Likewise, by a client whose clock is right: what is young to it (an intent, a deletion) it would
 * leave alone (docs/mstore.md, The end of tombstones and of the trash). */
int sim_whole_heal_rightly(struct sim_world *w, unsigned client, struct ms_store *s,
                           struct ms_error *err);
/* Of values with a copy on every member: all members have the same (byte for byte where the
 * values are plain), and nothing is noted, begun, on its way or marked. Tombstones and trash may be
 * there for their time. Where the last heal told of mirrors that differ, a plain value may be that
 * is not on most of those that have it; and notes and marks stay then. */
int sim_whole_check(struct sim_world *w, struct ms_error *err);
int sim_whole_settle(struct sim_world *w, struct ms_store *s, struct ms_error *err);

#endif
