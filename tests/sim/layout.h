/* tests/sim/layout.h - a whole MStore as the system under test, while members are added, drained,
 * replaced and gone: mutable keys in the namespace "config", three copies each. */
#ifndef TESTS_SIM_LAYOUT_H
#define TESTS_SIM_LAYOUT_H

#include "tests/sim/system.h"

#define SIM_LAYOUT_MEMBERS 7 /* three of them from the beginning */

enum sim_layout_flaw {
    SIM_FLAW_NO_WAIT = 1 << 0,   /* who changes does not wait until all know what is proposed */
    SIM_FLAW_NEW_ALONE = 1 << 1, /* a client that hears what is proposed takes it for final */
    SIM_FLAW_NO_NEWS = 1 << 2,   /* a client keeps to the layout it began with */
};
int sim_layout_create(struct sim_world *w, unsigned client, struct ms_error *err);
int sim_layout_open(struct sim_world *w, unsigned client, unsigned flaws, struct ms_store **out,
                    struct ms_error *err);
int sim_layout_heal(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err);
/* Changes until the faults stop: a task beside the clients. */
int sim_layout_change(struct sim_world *w, unsigned flaws, struct ms_error *err);

#endif
