/* tests/sim/majority.h - a register over a majority of members: the smallest Store that survives
 * one.
 *
 * It is here to try the harness with several members, healing and a check of the disks, and to
 * have protocol bugs that must be found; nobody uses it. Each version of a key is an object
 * KEY/COUNTER-WRITER-KIND-SIZE that is never overwritten (Basescu et al., "Robust data sharing with
 * key-value stores", DSN 2012). A store lists at a majority, puts a higher version, is acknowledged
 * by a majority; a load lists at a majority, takes the highest version, makes sure that a majority
 * has it. A deletion is a version with a mark. Two deletes at once may both say "done": telling
 * which of them removed the value would take consensus.
 */
#ifndef TESTS_SIM_MAJORITY_H
#define TESTS_SIM_MAJORITY_H

#include "tests/sim/system.h"

/* Bugs, each of which breaks a promise. */
enum sim_flaw {
    SIM_FLAW_QUORUM = 1 << 0, /* one acknowledgement is enough */
    SIM_FLAW_WRITE_BACK =
        1 << 1,                  /* a load does not make sure that a majority has what it returns */
    SIM_FLAW_TOMBSTONE = 1 << 2, /* a delete removes the versions, and leaves no mark */
    SIM_FLAW_COUNTER = 1 << 3,   /* a store counts from what one member lists */
    SIM_FLAW_CHECKSUM = 1 << 4,  /* bytes are not verified */
    SIM_FLAW_READ_ONE = 1 << 5,  /* a load asks a single member */
    SIM_FLAW_HEAL = 1 << 6,      /* heal leaves out the last member */
    SIM_FLAW_DEBRIS = 1 << 7,    /* heal leaves older versions behind */
    SIM_FLAW_GRACE = 1 << 8,   /* heal drops marks of deletion while late requests are under way */
    SIM_FLAW_LISTING = 1 << 9, /* a listing is content with the members that answer */
};

int sim_majority_create(struct sim_world *w, unsigned client, struct ms_error *err);
int sim_majority_open(struct sim_world *w, unsigned client, unsigned flaws, struct ms_store **out,
                      struct ms_error *err);
int sim_majority_heal(struct sim_world *w, unsigned client, struct ms_store *s,
                      struct ms_error *err);
/* Each key that has a version has it at all members, and nothing else is there. */
int sim_majority_check(struct sim_world *w, struct ms_error *err);

#endif
