/* tests/sim/moves.h - values that are stored once and then only moved: renamed, soft-deleted,
 * brought back; judged by where they can be found.
 *
 * A value has four places: two keys, each live and soft-deleted. One client at a time moves it. It
 * may be seen at both ends of a move for a moment, but never at neither: whoever looks where it
 * comes from, then where it goes to, while that move goes on (or nothing happens), finds it. A move
 * that ends without an answer is the last one of its value. After faults and heal each value that
 * was stored is at exactly one place: where it is known to be, else at one end of its last move (of
 * a soft delete or undelete now and then at both: docs/mstore.md, Intents). */
#ifndef TESTS_SIM_MOVES_H
#define TESTS_SIM_MOVES_H

#include "tests/sim/system.h"

#define SIM_MOVES_MEMBERS 3

enum sim_moves_kind { SIM_MOVES_COPIES, SIM_MOVES_CODED, SIM_MOVES_PLAIN };
int sim_moves_create(struct sim_world *w, unsigned client, enum sim_moves_kind kind,
                     struct ms_error *err);
int sim_moves_open(struct sim_world *w, unsigned client, enum sim_moves_kind kind,
                   struct ms_store **out, struct ms_error *err);
void sim_moves_act(const struct sim_actor *a, unsigned slot);
void sim_moves_look(const struct sim_actor *a);

#endif
