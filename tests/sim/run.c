/* One run: see run.h. The world lives inside the simulation, the history outlives it. */
#include "tests/sim/run.h"

#include "tests/sim/check_copies.h"
#include "tests/sim/check_values.h"
#include "tests/sim/clients.h"

#include "base/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define REST       (2 * SIM_MINUTE)
#define STEPS_MAX  20000000
#define SETTLES    4 /* one run in so many */
#define LAST_OPS   24
#define WALL_START INT64_C(1800000000000000000) /* some day in 2027 */

/* ---- inside the simulation ---- */

static int create(struct sim_run *run, struct ms_error *err)
{
    unsigned client = 0;
    struct sim_world *w = run->world;
    w->calm = true;
    int code = sim_client_new(w, false, &client, err);
    if (!code)
        code = run->scenario->system->create(w, client, err);
    w->calm = false;
    return code;
}

/* A client that comes to heal, and goes. */
static int heal(struct sim_world *w, void *ctx, struct ms_error *err)
{
    const struct sim_run *run = ctx;
    unsigned client = 0;
    int code = sim_client_new(w, false, &client, err);
    struct ms_store *s = NULL;
    if (!code)
        code = run->scenario->system->open(w, client, &s, err);
    if (!code)
        code = run->scenario->system->heal(w, client, s, err);
    ms_sim_note("heal by client %u: %s", client, ms_code_name(code));
    ms_store_free(s);
    return code;
}

static int meanwhile(void *arg)
{
    const struct sim_run *run = arg;
    return run->scenario->system->meanwhile(run->world, NULL);
}

/* At each beat, until the faults stop. When all rests again, copies are counted. */
static int heal_in_rhythm(void *arg)
{
    struct sim_run *run = arg;
    struct sim_world *w = run->world;
    uint64_t beat = run->scenario->rhythm_ns;
    while (ms_clock_now(w->clock) + beat < w->faults.until_ns) {
        int code = ms_sleep(w->clock, beat - ms_clock_now(w->clock) % beat, NULL);
        if (code)
            return code;
        (void)!heal(w, run, NULL);
        code = ms_sleep(w->clock, REST, NULL);
        if (code)
            return code;
        sim_check_copies(run);
    }
    return 0;
}

static int disaster(struct sim_run *run, struct ms_error *err)
{
    struct ms_group *group;
    int code = ms_group_new(&group, err);
    if (code)
        return code;
    code = sim_clients_start(run, group, err);
    if (!code)
        code = sim_disturb(run->world, group, err);
    for (int i = 0; i < 2 && !code && run->scenario->system->meanwhile; i++)
        code = ms_group_fork(group, meanwhile, NULL, run, err);
    if (!code && run->scenario->rhythm_ns)
        code = ms_group_fork(group, heal_in_rhythm, NULL, run, err);
    ms_group_join_all(group, NULL);
    ms_group_release(group);
    return code;
}

/* As a client of its own. */
static int settle(struct sim_run *run, struct ms_error *err)
{
    unsigned client = 0;
    struct ms_store *s = NULL;
    int code = sim_client_new(run->world, false, &client, err);
    if (!code)
        code = run->scenario->system->open(run->world, client, &s, err);
    if (!code)
        code = run->scenario->system->settle(run->world, s, err);
    ms_store_free(s);
    return code;
}

/* Weeks take as long as all that was before: not in each run, where there are many. */
static bool may_settle(const struct sim_run *run, uint64_t seed)
{
    return run->scenario->system->settle && !run->world->broken[0] && !run->lost &&
           (run->scenario->large || seed % SETTLES == 0);
}

static void aftermath(struct sim_run *run, uint64_t seed)
{
    const struct sim_system *system = run->scenario->system;
    struct ms_error err = {0};
    sim_world_calm(run->world);
    if (system->heal && heal(run->world, run, &err))
        sim_broken(run->world, "when the faults had stopped the store could not be healed: %s",
                   err.text);
    run->calm_seq = sim_history_now(&run->history);
    sim_clients_read_all(run);
    if (system->check && system->check(run->world, &err))
        sim_broken(run->world, "when the faults had stopped and all was healed: %s", err.text);
    if (!may_settle(run, seed))
        return;
    if (settle(run, &err))
        sim_broken(run->world, "weeks after the faults had stopped: %s", err.text);
    sim_clients_read_all(run);
}

struct inside {
    struct sim_run run;
    struct sim_world world;
    uint64_t seed;
    struct ms_error err;
};

static int inside_main(void *arg)
{
    struct inside *in = arg;
    struct sim_run *run = &in->run;
    const struct sim_system *system = run->scenario->system;
    int code =
        sim_world_init(run->world, in->seed, system->members, &run->scenario->faults, &in->err);
    if (code)
        return code;
    run->world->spares = system->spares;
    run->world->harms = system->harms;
    run->world->key_count = run->scenario->keys;
    run->world->lease_ns = run->scenario->lease_ns ? run->scenario->lease_ns : SIM_LEASE_NS;
    if (system->heal) {
        run->world->heal = heal;
        run->world->heal_ctx = run;
    }
    code = create(run, &in->err);
    if (!code)
        code = disaster(run, &in->err);
    if (!code)
        aftermath(run, in->seed);
    sim_world_fini(run->world);
    return code;
}

/* ---- outside ---- */

static void keep_history(struct sim_result *out, const struct sim_history *h, unsigned key,
                         uint64_t at)
{
    size_t size;
    FILE *text = open_memstream(&out->history, &size);
    if (!text)
        return;
    sim_history_print(text, h, key, at, LAST_OPS);
    fclose(text);
}

static bool is_frail(const struct sim_run *run, const struct sim_space *space)
{
    const struct sim_faults *f = &run->scenario->faults;
    return space->one_value_per_key && (f->disturbances || f->before || f->after || f->delayed);
}

static void check_key(const struct sim_run *run, unsigned key, struct sim_result *out)
{
    uint64_t at = 0;
    const struct sim_space *space = sim_space_of(run->scenario, key);
    struct sim_history h = run->history;
    h.frail = is_frail(run, space);
    enum sim_verdict verdict = sim_check_values(&h, key, out->why, sizeof out->why, &at);
    struct sim_model model = {.max_steps = SIM_LINEAR_STEPS,
                              .blind_changes = space->blind_changes,
                              .lists_from = space->lists_apart ? run->calm_seq : 0};
    if (verdict == SIM_HOLDS && space->linearizable)
        verdict = sim_check_linear(&h, key, &model, out->why, sizeof out->why, &at);
    out->undecided += verdict == SIM_UNDECIDED;
    if (verdict != SIM_BROKEN)
        return;
    out->broken = true;
    keep_history(out, &run->history, key, at);
}

static void count(struct sim_result *out, const struct ms_sim_result *sim, const struct inside *in)
{
    out->trace_hash = sim->trace_hash;
    out->steps = sim->steps;
    out->end_ns = sim->end_ns;
    out->ops = in->run.history.count;
    out->calls = in->world.calls;
    out->faults = in->world.faults_struck;
    out->delayed = in->world.delayed_effects;
    out->disturbances = in->world.disturbances_done;
    out->deaths = in->world.deaths;
}

void sim_run(const struct sim_scenario *scenario, uint64_t seed,
             void (*trace)(void *ctx, const char *line), void *trace_ctx, struct sim_result *out)
{
    struct inside *in = calloc(1, sizeof *in);
    *out = (struct sim_result){0};
    if (!in) {
        out->broken = true;
        snprintf(out->why, sizeof out->why, "no memory for a simulation");
        return;
    }
    in->seed = seed;
    in->run =
        (struct sim_run){.scenario = scenario, .world = &in->world, .ops_left = scenario->ops};
    sim_keys_init(&in->run);
    struct ms_sim_options options = {.seed = seed,
                                     .start_wall_ns = WALL_START,
                                     .max_steps = STEPS_MAX,
                                     .trace = trace,
                                     .trace_ctx = trace_ctx};
    struct ms_sim_result sim = {0};
    int code = ms_sim_run(&options, inside_main, in, &sim, &in->err);
    count(out, &sim, in);
    if (in->world.broken[0] || code) {
        out->broken = true;
        snprintf(out->why, sizeof out->why, "%s",
                 in->world.broken[0] ? in->world.broken : in->err.text);
        keep_history(out, &in->run.history, SIM_ANY_KEY, SIM_NEVER);
    }
    unsigned judged = scenario->system->act ? 0 : scenario->keys;
    for (unsigned key = 0; !out->broken && key < judged; key++)
        check_key(&in->run, key, out);
    sim_history_fini(&in->run.history);
    free(in);
}
