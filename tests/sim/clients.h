/* tests/sim/clients.h - clients that do what the seed says, and note what they were told.
 *
 * A client is a task with a Store of its own. It works on few keys, so that clients get into each
 * other's way; it checks each answer by itself (bytes, order of a listing) and leaves the rest to
 * the history. When it dies (world.h) its operation stays without an answer and a new client takes
 * over its work.
 */
#ifndef TESTS_SIM_CLIENTS_H
#define TESTS_SIM_CLIENTS_H

#include "tests/sim/system.h"

#define SIM_KEY_SIZE 24
/* The n-th key, without the namespace; sorted as numbers are. */
void sim_key_name(unsigned key, char name[SIM_KEY_SIZE]);

struct sim_moved {   /* see moves.h */
    unsigned at, to; /* places; equal: nobody is moving it */
    unsigned been;   /* a bit for each place that it was at */
    unsigned changes;
    bool stored, left; /* left: a change ended without an answer */
};

struct sim_run {
    const struct sim_scenario *scenario;
    struct sim_world *world;
    struct sim_history history;
    uint64_t calm_seq; /* its place when the faults had stopped and all was healed; 0: not yet */
    char keys[SIM_KEYS_MAX][SIM_KEY_SIZE]; /* without the namespace, sorted */
    bool lost; /* a value, where that is not promised otherwise: scrub will tell of it */
    uint32_t last_id;
    unsigned ops_left;
    struct { /* of each key, of a value that somebody has stored; id 0: none */
        struct ms_tag tag;
        uint32_t id;
    } tags[SIM_KEYS_MAX];
    struct sim_moved moved[SIM_KEYS_MAX / 2];
};

void sim_keys_init(struct sim_run *run);
/* Forks the scenario's clients, which share ops_left. */
int sim_clients_start(struct sim_run *run, struct ms_group *group,
                      struct ms_error *err) MS_MUST_CHECK;
/* After all is well: a new client reads every key in every way; nothing may fail. */
void sim_clients_read_all(struct sim_run *run);

#endif
