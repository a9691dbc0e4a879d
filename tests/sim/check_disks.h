/* tests/sim/check_disks.h - the disks of an MStore when all that is kept for a while only has had
 * its time (settle.h): each value is on the members that the layout wants it on, exactly once each,
 * in one write; beside these there are the members' own marks and one layout. */
#ifndef TESTS_SIM_CHECK_DISKS_H
#define TESTS_SIM_CHECK_DISKS_H

#include "tests/sim/world.h"

#include "mstore/roster.h"

/* Member n of the roster's layout is the world's member n. Fails with the sentence that says what
 * is wrong. */
int sim_check_disks(struct sim_world *w, struct ms_roster *roster,
                    struct ms_error *err) MS_MUST_CHECK;

#endif
