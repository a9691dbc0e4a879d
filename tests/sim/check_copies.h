/* tests/sim/check_copies.h - is an acknowledged value on as many disks as it was acknowledged with?
 * Of immutable keys with a copy on each of two members, while nothing is under way. */
#ifndef TESTS_SIM_CHECK_COPIES_H
#define TESTS_SIM_CHECK_COPIES_H

#include "tests/sim/clients.h"

#define SIM_COPIES 2
/* Keys whose last change may have been a deletion are passed over. */
void sim_check_copies(struct sim_run *run);

#endif
