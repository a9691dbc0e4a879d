/* tests/sim/run.h - one run: a scenario and a seed, from an empty world to a verdict. */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include "tests/sim/system.h"

struct sim_result {
    bool broken;
    char why[1024]; /* the broken promise, a sentence */
    char *history;  /* the last operations that have to do with it, lines; NULL: none; free it */
    uint64_t trace_hash; /* equal for equal seeds and code */
    uint64_t steps, end_ns, ops, calls, faults, delayed, disturbances, deaths, undecided;
};

/* trace: NULL, or gets each line of what happens. */
void sim_run(const struct sim_scenario *scenario, uint64_t seed,
             void (*trace)(void *ctx, const char *line), void *trace_ctx, struct sim_result *out);

#endif
