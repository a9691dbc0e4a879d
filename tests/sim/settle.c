/* Weeks later: see settle.h. */
#include "tests/sim/settle.h"

#include "tests/sim/check_disks.h"

#include "base/sim.h"
#include "mstore/upkeep.h"

#include <stdio.h>

#define ROUNDS 3
#define DAY    (24 * 60 * SIM_MINUTE)
/* Longer than anything is kept, and than a clock is wrong: of what is kept for 7 days two clients
 * may have ideas that differ by 4; what is to rest for minutes looks young to one that is behind.
 */
#define LONG  (12 * DAY)
#define PAUSE (3 * DAY)

struct findings {
    const struct ms_layout *layout;
    uint64_t count;
    char first[512];
};

bool sim_is_split(const struct ms_layout *layout, const struct ms_upkeep_finding *f)
{
    const struct ms_layout_space *space = ms_layout_space(layout, ms_str(f->space));
    return f->find == MS_FIND_CONFLICT && space && space->kind == MS_KIND_PLAIN;
}

static void found(void *ctx, const struct ms_upkeep_finding *f)
{
    struct findings *all = ctx;
    ms_sim_note("later: %s %s on %s: %s%s", ms_upkeep_find_name(f->find), f->key, f->member,
                f->sentence, f->fixed ? "" : " (left)");
    if (!sim_is_split(all->layout, f) && all->count++ == 0)
        snprintf(all->first, sizeof all->first, "%s %s/%s on %s: %s", ms_upkeep_find_name(f->find),
                 f->space, f->key, f->member, f->sentence);
}

static int run(struct ms_self *self, struct ms_roster *roster, enum ms_upkeep_task task,
               struct findings *out, struct ms_error *err)
{
    struct ms_upkeep_options options = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    *out = (struct findings){.layout = roster->layout};
    options.found = found;
    options.ctx = out;
    options.deep = true;
    int code = ms_upkeep_run(self, roster, task, &options, &report, err);
    ms_upkeep_report_free(report);
    return code;
}

/* Heal twice: the ends of deletions go 20 minutes after they were put. */
static int once_more(struct sim_world *w, struct ms_self *self, struct ms_roster *roster,
                     struct ms_error *err)
{
    static const enum ms_upkeep_task tasks[] = {MS_UPKEEP_HEAL, MS_UPKEEP_HEAL,
                                                MS_UPKEEP_REBALANCE};
    struct findings ignored;
    int code = ms_sleep(w->clock, LONG, err);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks && !code; i++) {
        code = run(self, roster, tasks[i], &ignored, err);
        if (!code)
            code = ms_sleep(w->clock, PAUSE, err);
    }
    return code;
}

int sim_settle(struct sim_world *w, struct ms_self *self, struct ms_roster *roster,
               struct ms_error *err)
{
    struct findings left;
    int code = 0;
    for (unsigned round = 0; round < ROUNDS && !code; round++)
        code = once_more(w, self, roster, err);
    if (!code)
        code = run(self, roster, MS_UPKEEP_SCRUB, &left, err);
    if (!code && left.count)
        code = ms_error_set(err, MS_ERR_CONFLICT, "a scrub finds %s", left.first);
    return code ? code : sim_check_disks(w, roster, err);
}
