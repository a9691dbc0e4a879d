/* tests/sim/mixed.h - a whole MStore as the system under test, with a namespace of each kind: four
 * members of different weights, two of them in one zone, and a witness.
 *
 * Beside the clients others come to heal all of it, and die, too. */
#ifndef TESTS_SIM_MIXED_H
#define TESTS_SIM_MIXED_H

#include "tests/sim/system.h"

#define SIM_MIXED_MEMBERS 5
/* Its namespaces, in order: immutable shards, mutable copies, immutable copies, mirrors. */
#define SIM_MIXED_SPACES 4

int sim_mixed_create(struct sim_world *w, unsigned client, struct ms_error *err);
int sim_mixed_open(struct sim_world *w, unsigned client, struct ms_store **out,
                   struct ms_error *err);
int sim_mixed_meanwhile(struct sim_world *w, struct ms_error *err);

#endif
