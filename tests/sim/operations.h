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

/* deleted: the soft-deleted value (load, info, list, delete). A listing is of all keys. */
void sim_operate(const struct sim_actor *a, enum sim_verb verb, unsigned key, bool deleted);

#endif
