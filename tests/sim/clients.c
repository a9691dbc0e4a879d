/* Clients: see clients.h. Tasks of one simulation; what they share is `struct sim_run`. */
#include "tests/sim/clients.h"

#include "tests/sim/operations.h"

#include "base/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN_ATTEMPTS 20
/* Heal comes to the keys about so long after its beginning. */
#define RHYTHM_LEAD   (600 * SIM_MS)
#define RHYTHM_SPREAD (400 * SIM_MS)

void sim_key_name(unsigned key, char name[SIM_KEY_SIZE])
{
    snprintf(name, SIM_KEY_SIZE, "%02x%06x", key & 0xff, 0x5eed00 + (key & 0xff));
}

void sim_keys_init(struct sim_run *run)
{
    for (unsigned i = 0; i < run->scenario->keys; i++)
        sim_key_name(i, run->keys[i]);
}

/* ---- choosing ---- */

static enum sim_verb draw_verb(struct sim_run *run, unsigned verbs)
{
    static const unsigned weights[SIM_VERB_COUNT] = {
        [SIM_STORE] = 30,  [SIM_LOAD] = 30,       [SIM_INFO] = 10,    [SIM_LIST] = 6,
        [SIM_DELETE] = 12, [SIM_SOFT_DELETE] = 6, [SIM_UNDELETE] = 6, [SIM_STORE_IF] = 40};
    unsigned sum = 0;
    for (unsigned v = 0; v < SIM_VERB_COUNT; v++)
        sum += verbs & 1u << v ? weights[v] : 0;
    uint64_t at = sim_below(run->world, sum);
    for (unsigned v = 0; v < SIM_VERB_COUNT; v++) {
        unsigned weight = verbs & 1u << v ? weights[v] : 0;
        if (at < weight)
            return v;
        at -= weight;
    }
    return SIM_LOAD;
}

static bool changes(enum sim_verb verb)
{
    return verb == SIM_STORE || verb == SIM_DELETE || verb == SIM_SOFT_DELETE ||
           verb == SIM_UNDELETE || verb == SIM_STORE_IF;
}

static void do_one(struct sim_run *run, unsigned slot, unsigned client, struct ms_store *s)
{
    const struct sim_scenario *sc = run->scenario;
    struct sim_actor actor = {.run = run, .client = client, .store = s};
    if (sc->system->act) {
        sc->system->act(&actor, slot);
        return;
    }
    unsigned part = (unsigned)sim_below(run->world, sc->system->spaces);
    unsigned keys = sim_keys_per_space(sc);
    const struct sim_space *space = &sc->system->space[part];
    enum sim_verb verb = draw_verb(run, space->verbs);
    unsigned key = (unsigned)sim_below(run->world, keys);
    bool deleted = space->verbs & 1u << SIM_UNDELETE && sim_below(run->world, 5) == 0;
    /* Of those who take turns with clients' slots only one changes a key. */
    if (space->one_writer_per_key && changes(verb))
        key = key / sc->clients * sc->clients + slot;
    if (key >= keys)
        key = slot % keys, verb = SIM_LOAD;
    bool root = verb == SIM_LIST && sc->system->spaces && sim_below(run->world, 2);
    bool alone = space->one_writer_per_key && changes(verb);
    /* docs/mstore.md, Plain namespaces, Limits: "Heal beside a writer of the same key". */
    if (alone && run->world->healing)
        verb = SIM_LOAD, alone = false;
    run->world->writing += alone;
    sim_operate(&actor, verb, root ? SIM_ANY_KEY : part * keys + key, deleted);
    run->world->writing -= alone;
}

/* ---- a life ---- */

struct task {
    struct sim_run *run;
    unsigned slot;
};

/* Clients' work is spread over the time in which there are faults, and a little beyond. */
static int think(struct sim_run *run)
{
    const struct sim_scenario *sc = run->scenario;
    uint64_t now = ms_clock_now(run->world->clock);
    if (sc->rhythm_ns)
        return sim_below(run->world, 2)
                   ? 0
                   : ms_sleep(run->world->clock,
                              sc->rhythm_ns - now % sc->rhythm_ns + RHYTHM_LEAD +
                                  sim_below(run->world, RHYTHM_SPREAD),
                              NULL);
    uint64_t mean = sc->faults.until_ns * sc->clients / sc->ops;
    uint64_t pause = sim_below(run->world, 4) ? 0 : sim_below(run->world, 8 * mean + 1);
    return pause ? ms_sleep(run->world->clock, pause, NULL) : 0;
}

static int try_open(struct sim_run *run, unsigned client, struct ms_store **out,
                    struct ms_error *err)
{
    int code = MS_ERR_INTERNAL;
    for (int i = 0; i < OPEN_ATTEMPTS; i++) {
        code = run->scenario->system->open(run->world, client, out, err);
        if (code == 0 || sim_client_dead(run->world, client) ||
            ms_sleep(run->world->clock, SIM_SECOND, NULL))
            break;
    }
    return code;
}

static void leave(struct ms_store *s)
{
    /* A client that dies does not close; what closing says then interests nobody. */
    int code = ms_store_close(s, NULL);
    (void)code;
    ms_store_free(s);
}

/* Until it dies or the work is done. False: no use in sending another. */
static bool live(const struct task *task)
{
    struct sim_run *run = task->run;
    unsigned client = 0;
    struct ms_error err = {0};
    if (sim_client_new(run->world, true, &client, &err))
        return false;
    struct ms_cancel *before = ms_cancel_swap(run->world->clients[client].token);
    struct ms_store *s = NULL;
    int code = try_open(run, client, &s, &err);
    if (code && run->scenario->available && !sim_client_dead(run->world, client))
        sim_broken(run->world, "client %u cannot open the store: %s", client, err.text);
    while (!code && run->ops_left && !sim_client_dead(run->world, client)) {
        run->ops_left--;
        do_one(run, task->slot, client, s);
        code = think(run);
    }
    if (s)
        leave(s);
    ms_cancel_swap(before);
    return run->ops_left > 0;
}

static int client_task(void *arg)
{
    struct task *task = arg;
    while (live(task))
        ;
    return 0;
}

int sim_clients_start(struct sim_run *run, struct ms_group *group, struct ms_error *err)
{
    int code = 0;
    for (unsigned i = 0; !code && i < run->scenario->clients; i++) {
        struct task *task = malloc(sizeof *task);
        if (!task)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a client");
        *task = (struct task){run, i};
        code = ms_group_fork(group, client_task, free, task, err);
        if (code)
            free(task);
    }
    return code;
}

/* ---- at the end ---- */

static void read_both(const struct sim_actor *a, enum sim_verb way, unsigned key, bool hides)
{
    sim_operate(a, way, key, false);
    if (hides)
        sim_operate(a, way, key, true);
}

/* A namespace is listed where it comes to its first key. */
static void read_key(const struct sim_actor *a, enum sim_verb way, unsigned key)
{
    const struct sim_scenario *sc = a->run->scenario;
    unsigned verbs = sim_space_of(sc, key)->verbs;
    bool first = key % sim_keys_per_space(sc) == 0;
    if (verbs & 1u << way && (way != SIM_LIST || first))
        read_both(a, way, key, verbs & 1u << SIM_UNDELETE);
}

void sim_clients_read_all(struct sim_run *run)
{
    static const enum sim_verb ways[] = {SIM_LOAD, SIM_INFO, SIM_LIST};
    struct sim_actor actor = {.run = run, .must_succeed = true};
    struct ms_error err = {0};
    int code = sim_client_new(run->world, false, &actor.client, &err);
    if (!code)
        code = run->scenario->system->open(run->world, actor.client, &actor.store, &err);
    if (code) {
        sim_broken(run->world, "when the faults had stopped the store could not be opened: %s",
                   err.text);
        return;
    }
    if (run->scenario->system->look)
        run->scenario->system->look(&actor);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
        for (unsigned key = 0; key < run->scenario->keys; key++)
            read_key(&actor, ways[way], key);
    if (run->scenario->system->spaces)
        read_both(&actor, SIM_LIST, SIM_ANY_KEY, true);
    leave(actor.store);
}
