/* tests/sim/check_values.h - what must hold of every key, mutable or not.
 *
 * Each reading is judged by itself, so that this is cheap and holds also where linearizability is
 * not promised. It finds a value that nobody stored, a value that was surely replaced or deleted
 * before the reading began (stale, resurrected), and a missing value that was surely stored and by
 * nobody deleted (lost). "Surely" means acknowledged, between two acknowledgements.
 *
 * Where copies may be gone or not be seen (`frail`) an undelete is surely there only when it moved
 * what was (sim_move_is_whole). */
#ifndef TESTS_SIM_CHECK_VALUES_H
#define TESTS_SIM_CHECK_VALUES_H

#include "tests/sim/check_linear.h"

/* As sim_check_linear; never undecided, except when the history is not whole. */
enum sim_verdict sim_check_values(const struct sim_history *h, unsigned key, char *why,
                                  size_t why_size, uint64_t *at);

#endif
