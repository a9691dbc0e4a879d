/* base/sim_core.h - what base/sync.c and base/pool.c ask of the deterministic executor. */
#ifndef BASE_SIM_CORE_H
#define BASE_SIM_CORE_H

#include "base/sim.h"
#include "base/sync.h"

void ms_sim_mutex_lock(struct ms_mutex *m);
void ms_sim_mutex_unlock(struct ms_mutex *m);
/* deadline UINT64_MAX: never. False: timed out. */
bool ms_sim_cond_wait(struct ms_cond *c, struct ms_mutex *m, uint64_t deadline_ns);
void ms_sim_cond_wake(struct ms_cond *c, bool all);
void ms_sim_yield(void);
/* Makes a task that runs fn(arg). */
int ms_sim_spawn(void (*fn)(void *arg), void *arg, struct ms_error *err) MS_MUST_CHECK;
/* Where the running task keeps its cancellation token. */
struct ms_cancel **ms_sim_cancel_slot(void);

#endif
