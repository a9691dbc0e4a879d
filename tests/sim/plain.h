/* tests/sim/plain.h - plain keys of a whole MStore as the system under test: three mirrors, each
 * value on all of them, in the namespace "files". */
#ifndef TESTS_SIM_PLAIN_H
#define TESTS_SIM_PLAIN_H

#include "tests/sim/system.h"

#define SIM_PLAIN_MEMBERS 3

int sim_plain_create(struct sim_world *w, unsigned client, struct ms_error *err);
/* forgotten: what of MStore's own a flawed client takes away after each change ("/hint/"); NULL: it
 * has no flaw. */
int sim_plain_open(struct sim_world *w, unsigned client, const char *forgotten,
                   struct ms_store **out, struct ms_error *err);

#endif
