/* tests/sim/settle.h - an MStore weeks after the last fault: all that is kept for a while only
 * (tombstones, the trash, blocks of agreements, ends of deletions) must have gone by then.
 *
 * Three times heal and rebalance run so long after what was before that everything is old, by
 * clocks that are days wrong too: what lies elsewhere since the layout was changed comes home the
 * first time, then deletions end, then goes what was agreed on them. */
#ifndef TESTS_SIM_SETTLE_H
#define TESTS_SIM_SETTLE_H

#include "tests/sim/world.h"

#include "mstore/roster.h"

struct ms_self;
struct ms_upkeep_finding;

/* Of a dead writer's copies, where no value is on most mirrors: docs/mstore.md, Plain namespaces,
 * Limits, "Copies that differ". */
bool sim_is_split(const struct ms_layout *layout, const struct ms_upkeep_finding *f);

/* Then a deep scrub must find nothing, and the disks be as in check_disks.h. self: NULL without a
 * whole MStore. Fails with the sentence that says what is wrong. */
int sim_settle(struct sim_world *w, struct ms_self *self, struct ms_roster *roster,
               struct ms_error *err) MS_MUST_CHECK;

#endif
