/* tests/sim/operations.h - one operation of one client, its answer checked and noted. */
#ifndef TESTS_SIM_OPERATIONS_H
#define TESTS_SIM_OPERATIONS_H

#include "tests/sim/clients.h"

struct sim_actor {
    struct sim_run *run;
    unsigned client;
    struct ms_store *store;
    bool must_succeed; /* a failure breaks a promise */
};

/* deleted: the soft-deleted value (load, info, list, delete). A listing is of the key's namespace,
 * of SIM_ANY_KEY: of the root. */
void sim_operate(const struct sim_actor *a, enum sim_verb verb, unsigned key, bool deleted);

/* For operations that are not among these: noted as begun and ended (returns the index of the
 * first), and the key with its namespace in `text`. */
size_t sim_op_begin(const struct sim_actor *a, const struct sim_op *op);
void sim_op_end(const struct sim_actor *a, size_t index, int code, const struct ms_error *err);
struct ms_view sim_op_key(const struct sim_actor *a, unsigned key, char *text, size_t size);
#define SIM_KEY(a, key) sim_op_key(a, key, (char[64]){0}, 64)

#endif
