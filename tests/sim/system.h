/* tests/sim/system.h - what is simulated: a system under test, and the scenarios it is put into.
 *
 * A system says how a Store is made from the world's members. Everything else (clients, faults,
 * checks) is the harness's. A new system adds one struct to systems.c and its scenarios to
 * scenarios.c.
 */
#ifndef TESTS_SIM_SYSTEM_H
#define TESTS_SIM_SYSTEM_H

#include "tests/sim/history.h"
#include "tests/sim/world.h"

#include <mstore/store.h>

#define SIM_KEYS_MAX   32
#define SIM_SPACES_MAX 4
#define SIM_LEASE_NS   (200 * SIM_MS) /* so short that there are many while there are faults */

struct sim_actor; /* operations.h */

/* A namespace, and what is promised of each key in it. */
struct sim_space {
    const char *ns;     /* "": the root */
    bool linearizable;  /* promised for each key */
    bool blind_changes; /* see check_linear.h */
    bool lists_apart;   /* see check_linear.h: no listing but those at the end is part of that */
    bool no_streams;    /* values are stored and loaded whole */
    bool one_value_per_key;  /* the key determines the value */
    bool one_writer_per_key; /* no two clients change the same key */
    unsigned verbs;          /* 1 << SIM_STORE and so on: what clients do */
};

struct sim_system {
    const char *name;
    unsigned members;
    struct sim_space space[SIM_SPACES_MAX]; /* by name; each has as many of the scenario's keys */
    unsigned spaces;                        /* 0: one */
    const char *spares; /* names on disks that are never lost or flipped end so; NULL: none */
    const char *harms;  /* only names with this in them are; NULL: all */
    /* What clients do instead of their verbs (slot: who of those at once), and what a new one finds
     * at the end: keys are judged by them alone. NULL: by the history. */
    void (*act)(const struct sim_actor *a, unsigned slot);
    void (*look)(const struct sim_actor *a);
    /* Before any fault: lays out the members for this client. */
    int (*create)(struct sim_world *w, unsigned client, struct ms_error *err);
    /* A Store, open, of this client's own, with its clock. */
    int (*open)(struct sim_world *w, unsigned client, struct ms_store **out, struct ms_error *err);
    /* A task beside the clients, until the faults stop; NULL: none. */
    int (*meanwhile)(struct sim_world *w, struct ms_error *err);
    /* Repairs what can be repaired; NULL: there is no such thing. */
    int (*heal)(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err);
    /* After faults have stopped and all is healed: looks at the disks (sim_disk_walk), whether
     * every key has its full redundancy and nothing else is left. Fails with the sentence that
     * says what is wrong. NULL: nothing is promised about disks. */
    int (*check)(struct sim_world *w, struct ms_error *err);
    /* Weeks later: repairs, and looks at the disks again, on which nothing may be left but what is
     * kept for ever (settle.h). NULL: nothing is promised. */
    int (*settle)(struct sim_world *w, struct ms_store *s, struct ms_error *err);
};

struct sim_scenario {
    const char *name, *what;
    const struct sim_system *system;
    unsigned clients, ops, keys; /* at once; of all clients together */
    size_t value_max;
    struct sim_faults faults;
    uint64_t lease_ns;  /* the term of clients' leases; 0: SIM_LEASE_NS */
    uint64_t rhythm_ns; /* at each multiple of it heal runs, and clients work; 0: spread evenly */
    bool available;     /* within the tolerance nothing may fail */
    bool large;  /* takes ten times as long as others: where all are run, a tenth of the runs */
    bool broken; /* it must be found to break its promise: kept out of "all" */
};

static inline unsigned sim_keys_per_space(const struct sim_scenario *sc)
{
    return sc->system->spaces ? sc->keys / sc->system->spaces : sc->keys;
}
static inline const struct sim_space *sim_space_of(const struct sim_scenario *sc, unsigned key)
{
    return &sc->system->space[key / sim_keys_per_space(sc)];
}

/* By name; NULL: there is none. NULL after the last. */
const struct sim_scenario *sim_scenario_named(const char *name);
const struct sim_scenario *sim_scenario_at(size_t index);

/* The plain Store over one member; the same where keys determine values, and where each key has
 * one writer, judged without linearizability. */
extern const struct sim_system sim_single, sim_single_immutable, sim_single_plain;
/* A register over a majority of 3 or 5 members (majority.h), and some that have a flaw. */
extern const struct sim_system sim_majority3, sim_majority5, sim_flawed_quorum,
    sim_flawed_write_back, sim_flawed_tombstone, sim_flawed_counter, sim_flawed_checksum,
    sim_flawed_read_one, sim_flawed_heal, sim_flawed_debris, sim_flawed_grace, sim_flawed_listing;
/* Mutable and immutable keys of an MStore over three members (keys.h). */
extern const struct sim_system sim_mutable, sim_conditional, sim_immutable, sim_immutable_soft,
    sim_immutable_values;
/* Stores with a condition, with a flaw. */
extern const struct sim_system sim_flawed_look, sim_flawed_winner;
/* The same with a flaw in the leases of immutable keys. */
extern const struct sim_system sim_flawed_wait, sim_flawed_lease, sim_flawed_marks, sim_flawed_age,
    sim_flawed_unstaged;
/* Plain keys of a whole MStore (plain.h), and some that have a flaw. */
extern const struct sim_system sim_plain, sim_plain_copies, sim_flawed_note, sim_flawed_unmarked;
/* A whole MStore while its layout changes (layout.h), and some that have a flaw. */
extern const struct sim_system sim_layout, sim_layout_conditional, sim_flawed_unready,
    sim_flawed_alone, sim_flawed_news;
/* Values that are moved (moves.h), and without intents. */
extern const struct sim_system sim_moves_copies, sim_moves_coded, sim_moves_plain,
    sim_flawed_intent, sim_flawed_intent_plain;
/* Shards of immutable keys of a whole MStore that get another value when they have been deleted. */
extern const struct sim_system sim_again;
/* Namespaces of each kind in one MStore (mixed.h). */
extern const struct sim_system sim_mixed;
/* Immutable keys of a whole MStore, two copies and a witness; what buries without a look, what
 * keeps tombstones for ever, or no second copy. */
extern const struct sim_system sim_buried, sim_flawed_bury, sim_flawed_kept, sim_flawed_lost;
/* The plain Store behind a small lie, for proof that lies are found: mutants.c. */
extern const struct sim_system sim_mutant_stale, sim_mutant_undead, sim_mutant_blind,
    sim_mutant_mixed, sim_mutant_forgetful, sim_mutant_shifted, sim_mutant_hasty, sim_mutant_split;
/* For a system's `create` and `open`, with what making the Store came to (then it may be NULL). */
int sim_store_create(struct ms_store *s, int code, struct ms_error *err) MS_MUST_CHECK;
int sim_store_open(struct ms_store *s, int code, struct ms_store **out,
                   struct ms_error *err) MS_MUST_CHECK;
/* What mutants are made of: the plain Store over that member, opened or (create) laid out. */
int sim_single_open(struct sim_world *w, unsigned client, unsigned member, struct ms_store **out,
                    struct ms_error *err) MS_MUST_CHECK;
int sim_single_create(struct sim_world *w, unsigned client, unsigned member,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
