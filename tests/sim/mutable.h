/* tests/sim/mutable.h - the mutable keys of an MStore (mstore/mutable.h) as a system under test:
 * three voters, each value on all of them, keys in the namespace "config". */
#ifndef TESTS_SIM_MUTABLE_H
#define TESTS_SIM_MUTABLE_H

#include "tests/sim/system.h"

int sim_mutable_create(struct sim_world *w, unsigned client, struct ms_error *err);
int sim_mutable_open(struct sim_world *w, unsigned client, struct ms_store **out,
                     struct ms_error *err);
int sim_mutable_heal(struct sim_world *w, unsigned client, struct ms_store *s,
                     struct ms_error *err);

#endif
