/* Life of a world, its clients and its chance: see world.h. */
#include "tests/sim/world.h"

#include "base/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY_NS          (24 * 60 * SIM_MINUTE)
#define HANDLES_WAIT_NS (60 * SIM_MINUTE)

uint64_t sim_below(struct sim_world *w, uint64_t bound)
{
    return bound ? ms_random_below(&w->random, bound) : 0;
}

bool sim_chance(struct sim_world *w, unsigned per_mille)
{
    if (w->calm || per_mille == 0 || ms_clock_now(w->clock) >= w->faults.until_ns)
        return false;
    return ms_random_below(&w->random, 1000) < per_mille;
}

void sim_broken(struct sim_world *w, const char *fmt, ...)
{
    if (w->broken[0])
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->broken, sizeof w->broken, fmt, args);
    va_end(args);
    ms_sim_note("broken: %s", w->broken);
}

int sim_world_init(struct sim_world *w, uint64_t seed, unsigned members,
                   const struct sim_faults *faults, struct ms_error *err)
{
    *w = (struct sim_world){.clock = ms_sim_clock(), .faults = *faults};
    ms_random_seed(&w->random, seed ^ UINT64_C(0x5eed));
    int code = ms_group_new(&w->later, err);
    for (unsigned i = 0; !code && i < members; i++) {
        ms_mutex_init(&w->members[i].mutex);
        w->member_count++;
        code = sim_disk_new(w, &w->members[i].disk, err);
    }
    if (code)
        sim_world_fini(w);
    return code;
}

/* What a system leaves running behind closed Stores may take its time, but must end. */
static void wait_for_handles(struct sim_world *w)
{
    uint64_t until = ms_clock_now(w->clock) + HANDLES_WAIT_NS;
    while (w->handles && ms_clock_now(w->clock) < until)
        if (ms_sleep(w->clock, SIM_SECOND, NULL))
            break;
    if (w->handles)
        sim_broken(w, "%u handles of members were never freed", w->handles);
}

void sim_world_fini(struct sim_world *w)
{
    wait_for_handles(w);
    if (w->later) {
        ms_group_join_all(w->later, NULL);
        ms_group_release(w->later);
    }
    for (unsigned i = 0; i < w->member_count; i++)
        ms_mutex_fini(&w->members[i].mutex);
    for (size_t i = 0; i < w->disk_count; i++)
        ms_backend_free(w->disks[i]);
    free(w->disks);
    for (unsigned i = 0; i < w->client_count; i++)
        ms_cancel_free(w->clients[i].token);
    w->later = NULL;
    w->disks = NULL;
    w->disk_count = w->member_count = w->client_count = 0;
}

void sim_world_calm(struct sim_world *w)
{
    ms_sim_note("faults stop");
    w->calm = true;
    while (w->later_count)
        ms_group_join_all(w->later, NULL);
    ms_sim_note("all delayed effects have happened");
}

int sim_client_new(struct sim_world *w, bool mortal, unsigned *out, struct ms_error *err)
{
    if (w->client_count == SIM_CLIENTS_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "a world has at most %d clients",
                            SIM_CLIENTS_MAX);
    struct sim_client *c = &w->clients[w->client_count];
    *c = (struct sim_client){.dies_at = UINT64_MAX};
    int code = ms_cancel_new(&c->token, err);
    if (code)
        return code;
    int64_t wrong =
        w->faults.wrong_clocks ? (int64_t)sim_below(w, 4 * DAY_NS) - 2 * (int64_t)DAY_NS : 0;
    ms_clock_init_wrong(&c->clock, w->clock, wrong);
    if (mortal && w->faults.dies && !w->calm)
        c->dies_at = 1 + sim_below(w, 2000 / w->faults.dies);
    *out = w->client_count++;
    ms_sim_note("client %u enters, its clock wrong by %lld s", *out,
                (long long)(wrong / (int64_t)SIM_SECOND));
    return 0;
}
