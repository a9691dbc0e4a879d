/* tests/sim/keys.h - the keys of an MStore as systems under test, without the rest of it: mutable
 * ones (mstore/mutable.h) in the namespace "config", immutable ones (mstore/immutable.h) in "data".
 * Three members, each value on all of them. */
#ifndef TESTS_SIM_KEYS_H
#define TESTS_SIM_KEYS_H

#include "tests/sim/system.h"

int sim_keys_create(struct sim_world *w, unsigned client, struct ms_error *err);
int sim_mutable_open(struct sim_world *w, unsigned client, struct ms_store **out,
                     struct ms_error *err);
int sim_mutable_heal(struct sim_world *w, unsigned client, struct ms_store *s,
                     struct ms_error *err);
/* Stores with a condition that look, then store; that do not put what another has won with. */
int sim_look_first_open(struct sim_world *w, unsigned client, struct ms_store **out,
                        struct ms_error *err);
int sim_left_winner_open(struct sim_world *w, unsigned client, struct ms_store **out,
                         struct ms_error *err);
int sim_immutable_open(struct sim_world *w, unsigned client, struct ms_store **out,
                       struct ms_error *err);
/* Immutable keys with a flaw in their leases. */
int sim_no_wait_open(struct sim_world *w, unsigned client, struct ms_store **out,
                     struct ms_error *err);
int sim_not_checked_open(struct sim_world *w, unsigned client, struct ms_store **out,
                         struct ms_error *err);
int sim_one_mark_open(struct sim_world *w, unsigned client, struct ms_store **out,
                      struct ms_error *err);
int sim_assumed_age_open(struct sim_world *w, unsigned client, struct ms_store **out,
                         struct ms_error *err);
/* ... in how repairs put their copies. */
int sim_unstaged_open(struct sim_world *w, unsigned client, struct ms_store **out,
                      struct ms_error *err);
/* All that upkeep does, of a whole store. */
int sim_immutable_heal(struct sim_world *w, unsigned client, struct ms_store *s,
                       struct ms_error *err);
int sim_keys_settle(struct sim_world *w, struct ms_store *s, struct ms_error *err);

#endif
