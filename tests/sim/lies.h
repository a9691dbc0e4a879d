/* tests/sim/lies.h - mutants of code that cannot be told to be wrong: what a client sends reaches
 * the members as if it were. */
#ifndef TESTS_SIM_LIES_H
#define TESTS_SIM_LIES_H

#include "tests/sim/world.h"

enum sim_lie {
    SIM_LIE_UNSTAGED = 1 << 0,  /* repairs put their copies where they are read, at once */
    SIM_LIE_NO_LOOK = 1 << 2,   /* what is put aside to be buried never comes back */
    SIM_LIE_NO_INTENT = 1 << 1, /* what takes several steps leaves no intent */
    SIM_LIE_KEPT = 1 << 3,      /* tombstones never go */
    SIM_LIE_LOST = 1 << 4,      /* the first member keeps no value that it is given */
};
/* A move's new name, which may become another. */
void sim_lie_moves(const struct sim_world *w, char *to);
/* A store (else: a move, a removal) of the name. True: nothing happens, and the client is told that
 * it did. Else `name` is what it is done with. */
bool sim_lie_tells(const struct sim_world *w, unsigned member, bool store, char *name);

#endif
