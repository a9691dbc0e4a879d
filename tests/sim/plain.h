/* tests/sim/plain.h - plain keys of a whole MStore as the system under test, in the namespace
 * "files": three mirrors, each value on all of them, or two copies on four members. */
#ifndef TESTS_SIM_PLAIN_H
#define TESTS_SIM_PLAIN_H

#include "tests/sim/system.h"

enum sim_plain_kind { SIM_PLAIN_ALL, SIM_PLAIN_COPIES };
#define SIM_PLAIN_MEMBERS(KIND) ((KIND) == SIM_PLAIN_ALL ? 3 : 4)

int sim_plain_create(struct sim_world *w, unsigned client, enum sim_plain_kind kind,
                     struct ms_error *err);
/* forgotten: what of MStore's own a flawed client takes away after each change ("/hint/"); NULL: it
 * has no flaw. */
int sim_plain_open(struct sim_world *w, unsigned client, enum sim_plain_kind kind,
                   const char *forgotten, struct ms_store **out, struct ms_error *err);

#endif
