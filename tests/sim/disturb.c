/* Members disturbed as a whole, one at a time for each task, until the faults stop: see world.h.
 *
 * There are as many tasks as members may be disturbed at once; a member that came back harmed keeps
 * its task busy until it is healed, or for good where nobody heals during the run. */
#include "tests/sim/world.h"

#include "base/sim.h"

#define HEAL_ATTEMPTS  5
#define REST_LATENCIES 100 /* after a disturbance */

static const char *name_of(enum sim_disturbance d)
{
    static const char *const names[SIM_DISTURBANCES] = {
        "vanishes",        "is slow",           "is full",
        "will return old", "will return empty", "will swap its disk with another",
        "loses values",    "has bits flipped",
    };
    return names[__builtin_ctz(d)];
}

/* Sleeps, but not beyond the end of the faults. */
static int wait_within(struct sim_world *w, uint64_t ns)
{
    uint64_t until = ms_clock_now(w->clock) + ns;
    return ms_sleep_until(w->clock, until < w->faults.until_ns ? until : w->faults.until_ns, NULL);
}

/* One that is not disturbed, by chance; member_count: there is none. */
static unsigned draw_member(struct sim_world *w)
{
    unsigned start = (unsigned)sim_below(w, w->member_count);
    for (unsigned i = 0; i < w->member_count; i++) {
        unsigned at = (start + i) % w->member_count;
        if (!w->members[at].disturbed)
            return at;
    }
    return w->member_count;
}

static void begin(struct sim_world *w, unsigned member)
{
    w->members[member].disturbed = true;
    w->disturbed++;
    if (w->disturbed > w->faults.tolerates)
        sim_broken(w, "the simulation itself disturbs more members than it may");
}

static void end(struct sim_world *w, struct sim_member *m)
{
    m->disturbed = false;
    w->disturbed--;
    if (m->swapped_with)
        end(w, m->swapped_with);
    m->swapped_with = NULL;
}

static void set_gone(struct sim_member *m, bool gone)
{
    MS_HOLD(&m->mutex);
    m->gone = gone;
    m->generation++;
}

static void set_disk(struct sim_member *m, struct ms_backend *disk)
{
    MS_HOLD(&m->mutex);
    m->disk = disk;
    m->generation++;
}

/* ---- the kinds ---- */

/* A part of the time in which there are faults. */
static int wait_a_part(struct sim_world *w)
{
    return wait_within(w, sim_below(w, w->faults.until_ns / 4));
}

static int for_a_while(struct sim_world *w, bool *what)
{
    *what = true;
    int code = wait_a_part(w);
    *what = false;
    return code;
}

static int vanish(struct sim_world *w, struct sim_member *m)
{
    set_gone(m, true);
    int code = wait_a_part(w);
    set_gone(m, false);
    return code;
}

static int snapshot(struct sim_world *w, struct sim_member *m, struct ms_backend **out)
{
    MS_HOLD(&m->mutex);
    return sim_disk_copy(w, m->disk, out, NULL);
}

static int return_old(struct sim_world *w, struct sim_member *m)
{
    struct ms_backend *old = NULL;
    int code = snapshot(w, m, &old);
    if (!code)
        code = wait_a_part(w);
    if (!code)
        code = vanish(w, m);
    if (!code)
        set_disk(m, old);
    return code;
}

static int return_empty(struct sim_world *w, struct sim_member *m)
{
    struct ms_backend *empty = NULL;
    int code = sim_disk_new(w, &empty, NULL);
    if (!code)
        code = vanish(w, m);
    if (!code)
        set_disk(m, empty);
    return code;
}

static int swap_disks(struct sim_world *w, struct sim_member *m)
{
    unsigned other = w->disturbed < w->faults.tolerates ? draw_member(w) : w->member_count;
    if (other == w->member_count)
        return vanish(w, m);
    struct sim_member *o = &w->members[other];
    begin(w, other);
    set_gone(o, true);
    int code = vanish(w, m);
    struct ms_backend *disk = m->disk;
    set_disk(m, o->disk);
    set_disk(o, disk);
    set_gone(o, false);
    m->swapped_with = o;
    ms_sim_note("swapped with member %u", other);
    return code;
}

static int harm(struct sim_world *w, struct sim_member *m, enum sim_disturbance how)
{
    MS_HOLD(&m->mutex);
    return sim_disk_harm(w, m->disk, how, 3, NULL);
}

static int strike(struct sim_world *w, struct sim_member *m, enum sim_disturbance how)
{
    switch (how) {
    case SIM_VANISH:
        return vanish(w, m);
    case SIM_SLOW:
        return for_a_while(w, &m->slow);
    case SIM_FULL:
        return for_a_while(w, &m->full);
    case SIM_OLD:
        return return_old(w, m);
    case SIM_EMPTY:
        return return_empty(w, m);
    case SIM_SWAP:
        return swap_disks(w, m);
    case SIM_LOSE:
    case SIM_FLIP:
        return harm(w, m, how);
    }
    return MS_ERR_INTERNAL;
}

/* ---- one after the other ---- */

static enum sim_disturbance draw_disturbance(struct sim_world *w)
{
    for (;;) {
        enum sim_disturbance d = 1u << sim_below(w, SIM_DISTURBANCES);
        if (w->faults.disturbances & d)
            return d;
    }
}

/* Asks the system to heal; that may need several attempts while calls fail. */
static bool healed(struct sim_world *w)
{
    for (int i = 0; w->heal && i < HEAL_ATTEMPTS; i++) {
        if (w->heal(w, w->heal_ctx, NULL) == 0)
            return true;
        if (wait_within(w, SIM_SECOND))
            return false;
    }
    return false;
}

/* False: the budget is used up for good. */
static bool disturb_one(struct sim_world *w)
{
    unsigned member = draw_member(w);
    if (member == w->member_count || w->disturbed >= w->faults.tolerates)
        return true;
    enum sim_disturbance how = draw_disturbance(w);
    begin(w, member);
    ms_sim_note("member %u %s", member, name_of(how));
    w->disturbances_done++;
    int code = strike(w, &w->members[member], how);
    ms_sim_note("member %u is back", member);
    if (code || (!(how & SIM_HARMLESS) && !healed(w)))
        return false;
    /* An operation that saw it away must not see another one away too. */
    if (wait_within(w, REST_LATENCIES * w->faults.latency_ns))
        return false;
    end(w, &w->members[member]);
    return true;
}

static int disturb_task(void *arg)
{
    struct sim_world *w = arg;
    bool more = true;
    while (more && ms_clock_now(w->clock) < w->faults.until_ns) {
        if (wait_a_part(w))
            break;
        if (ms_clock_now(w->clock) < w->faults.until_ns)
            more = disturb_one(w);
    }
    return 0;
}

int sim_disturb(struct sim_world *w, struct ms_group *group, struct ms_error *err)
{
    int code = 0;
    for (unsigned i = 0; !code && w->faults.disturbances && i < w->faults.tolerates; i++)
        code = ms_group_fork(group, disturb_task, NULL, w, err);
    return code;
}
