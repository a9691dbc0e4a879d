/* tests/sim/check_linear.h - is a history linearizable?
 *
 * Wing and Gong's search with Lowe's memo of configurations that lead nowhere ("Testing for
 * linearizability", 2017), key by key (linearizability is local: Herlihy and Wing, 1990). A key is
 * a pair of registers, the live and the soft-deleted value. An operation without answer may take
 * its place anywhere after its beginning, or nowhere. So may, in a history that is `frail`, a move
 * of what was not surely stored (sim_move_is_whole).
 */
#ifndef TESTS_SIM_CHECK_LINEAR_H
#define TESTS_SIM_CHECK_LINEAR_H

#include "tests/sim/history.h"

enum sim_verdict { SIM_HOLDS, SIM_BROKEN, SIM_UNDECIDED };

#define SIM_LINEAR_STEPS 500000 /* configurations; undecided beyond */
#define SIM_LINEAR_OPS   512    /* operations of one key; undecided beyond */

struct sim_model {
    uint64_t max_steps; /* undecided beyond */
    /* Delete, soft delete and undelete may say "done" where nothing was left to do: of several at
     * once more than one. A Store over several storages without consensus can do no better, for
     * who removes a value is a test-and-set. */
    bool blind_changes;
    /* Listings that began before this place are left out: they show of what was begun what they
     * see, and do not bring it to its end, as loads do. 0: all count. */
    uint64_t lists_from;
};

/* The history of one key. BROKEN: `why` gets a sentence, *at the last place of the history that
 * matters. */
enum sim_verdict sim_check_linear(const struct sim_history *h, unsigned key,
                                  const struct sim_model *model, char *why, size_t why_size,
                                  uint64_t *at);

#endif
