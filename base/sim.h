/* base/sim.h - the deterministic executor: one task at a time, chosen by seed, under virtual time.
 *
 * ms_sim_run runs main_fn as the first task (fiber) on the calling thread and returns when every
 * task has ended. Forks (base/pool.h) make further fibers; at every point of base/sync.h the
 * scheduler picks the next runnable one by the seed. When none is runnable, virtual time jumps to
 * the earliest deadline; when there is none either, it is a deadlock and reported with the tasks'
 * names. Several simulations may run in one process, each on a thread of its own.
 */
#ifndef BASE_SIM_H
#define BASE_SIM_H

#include <mstore/base.h>

struct ms_sim_options {
    uint64_t seed;
    uint64_t start_ns;                          /* monotonic start */
    int64_t start_wall_ns;                      /* wall clock start */
    uint64_t max_steps;                         /* MS_ERR_TIMEOUT beyond; 0: none */
    void (*trace)(void *ctx, const char *line); /* NULL: none; every switch and every note */
    void *trace_ctx;
};
struct ms_sim_result {
    uint64_t steps;      /* switches */
    uint64_t trace_hash; /* FNV-1a over the trace: equal for equal seeds and equal code */
    uint64_t end_ns;
};

/* Returns main_fn's result, or MS_ERR_INTERNAL for a deadlock, or MS_ERR_TIMEOUT. */
int ms_sim_run(const struct ms_sim_options *options, int (*main_fn)(void *arg), void *arg,
               struct ms_sim_result *result, struct ms_error *err) MS_MUST_CHECK;
/* Inside a simulation; NULL outside. */
struct ms_clock *ms_sim_clock(void);
/* Adds a line to the trace; nothing outside a simulation. */
void ms_sim_note(const char *fmt, ...) MS_PRINTF(1, 2);
bool ms_sim_active(void);

#endif
