/* tests/sim/world.h - the world of a simulation: members' disks, the lines to them, and what goes
 * wrong with both.
 *
 * A member's disk is a memory backend that outlives all clients. A client reaches it through a
 * handle (a backend of its own, member.c, behind the emulator, which gives calls their time). On
 * the way a request may be lost, its answer may be lost, or it takes effect up to `delay_max_ns`
 * later, when its client has long given up or is dead. Members are disturbed as a whole
 * (disturb.c): they vanish, return with an old or an empty disk, swap disks, are full or slow, lose
 * values, have bits flipped; never more at once than `tolerates`. All of that ends at
 * `faults_until_ns`; from then on every call succeeds. Everything follows from one seed.
 *
 * Threads: lives and dies inside one simulation (base/sim.h), whose tasks share it.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <mstore/backend.h>

#include "base/clock.h"
#include "base/pool.h"
#include "base/sync.h"

#define SIM_MEMBERS_MAX 16
#define SIM_CLIENTS_MAX 256
#define SIM_MS          UINT64_C(1000000)
#define SIM_SECOND      (1000 * SIM_MS)
#define SIM_MINUTE      (60 * SIM_SECOND)

/* What may happen to a member as a whole. */
enum sim_disturbance {
    SIM_VANISH = 1 << 0, /* unreachable for a time */
    SIM_SLOW = 1 << 1,   /* every call takes fifty times as long */
    SIM_FULL = 1 << 2,   /* stores nothing more */
    SIM_OLD = 1 << 3,    /* returns as it once was */
    SIM_EMPTY = 1 << 4,  /* returns with an empty disk */
    SIM_SWAP = 1 << 5,   /* two members return with each other's disk */
    SIM_LOSE = 1 << 6,   /* some of its values are gone */
    SIM_FLIP = 1 << 7,   /* one bit of some of its values is wrong */
};
#define SIM_DISTURBANCES 8
/* After these a member is as good as before, after the others only when healed. */
#define SIM_HARMLESS (SIM_VANISH | SIM_SLOW | SIM_FULL)

/* What goes wrong in a run; chances are per mille of calls. */
struct sim_faults {
    unsigned before;  /* fails, nothing happened */
    unsigned after;   /* fails, but it happened */
    unsigned delayed; /* fails, and happens later: only what changes something */
    unsigned torn;    /* a store leaves a prefix of the value and fails: breaks a storage's word */
    unsigned dies;    /* per mille of a client's calls during which it dies */
    uint64_t latency_ns; /* of a call; the emulator adds an exponential jitter of the same mean */
    uint64_t delay_max_ns;
    unsigned disturbances; /* enum sim_disturbance, or-ed */
    unsigned tolerates;    /* members disturbed at once at most */
    uint64_t until_ns;     /* virtual time from which on all is well; 0: no faults at all */
    bool wrong_clocks;     /* clients' wall clocks, by up to two days */
};

struct sim_member {
    struct ms_backend *disk; /* in use now: one of the world's */
    struct ms_mutex mutex;   /* held while something happens on the disk */
    unsigned generation;     /* changes with each vanishing and each change of disk */
    bool gone, slow, full;
    bool disturbed;                  /* counts against `tolerates` */
    struct sim_member *swapped_with; /* disturbed together with this one; NULL: none */
};

struct sim_client {
    struct ms_clock clock; /* with its own wall time */
    struct ms_cancel *token;
    uint64_t calls, dies_at; /* the call during which it dies; UINT64_MAX: never */
    bool dead;
};

struct sim_world {
    struct ms_clock *clock;
    struct ms_random random;
    struct sim_faults faults;
    struct sim_member members[SIM_MEMBERS_MAX];
    unsigned member_count, disturbed;
    struct sim_client clients[SIM_CLIENTS_MAX];
    unsigned client_count;
    unsigned key_count;        /* of the scenario: for who heals key by key */
    uint64_t lease_ns;         /* of the scenario: the term of clients' leases */
    const char *spares;        /* names that end so are not harmed; NULL: none */
    const char *harms;         /* only names with this in them are; NULL: all */
    struct ms_backend **disks; /* all there ever were */
    size_t disk_count;
    struct ms_group *later; /* delayed effects under way */
    unsigned later_count;
    unsigned handles; /* that clients have not yet freed */
    bool calm;        /* faults have stopped */
    bool split;       /* the last heal told of mirrors that differ without a majority */
    /* Heals beside clients, and changes of keys that heal would be a second writer of, under way:
     * never both. */
    unsigned healing, writing;
    unsigned lies; /* of a mutant: see lies.h */
    uint64_t calls, faults_struck, delayed_effects, disturbances_done, deaths;
    char broken[1024]; /* the first broken promise, a sentence; "": none */
    /* Asked after a disturbance that did harm; NULL: nobody heals during the run. */
    int (*heal)(struct sim_world *w, void *ctx, struct ms_error *err);
    void *heal_ctx;
};

/* Inside a simulation. */
int sim_world_init(struct sim_world *w, uint64_t seed, unsigned members,
                   const struct sim_faults *faults, struct ms_error *err) MS_MUST_CHECK;
/* Waits until the systems under test have let go of all handles. */
void sim_world_fini(struct sim_world *w);

/* A client enters; it will die at a call that the seed chooses, or not. Returns its number. */
int sim_client_new(struct sim_world *w, bool mortal, unsigned *out,
                   struct ms_error *err) MS_MUST_CHECK;
/* What a client reaches a member by: a closed backend behind the emulator, whose create, open,
 * close and destroy work on the disk there. */
int sim_member_handle(struct sim_world *w, unsigned client, unsigned member,
                      struct ms_backend **out, struct ms_error *err) MS_MUST_CHECK;

/* From now on nothing goes wrong; waits for all delayed effects. */
void sim_world_calm(struct sim_world *w);
/* Whether the client may not go on. */
static inline bool sim_client_dead(const struct sim_world *w, unsigned client)
{
    return w->clients[client].dead;
}
/* Keeps the first sentence. */
void sim_broken(struct sim_world *w, const char *fmt, ...) MS_PRINTF(2, 3);
/* True so many times out of a thousand, as long as faults are on. */
bool sim_chance(struct sim_world *w, unsigned per_mille);
/* 0..bound (bound excluded, 0: 0). */
uint64_t sim_below(struct sim_world *w, uint64_t bound);

/* ---- disk.c: disks at rest; the member's mutex is held, or nobody uses the disk ---- */

/* Another empty disk of the world's; closed and freed with it. */
int sim_disk_new(struct sim_world *w, struct ms_backend **out, struct ms_error *err) MS_MUST_CHECK;
/* ... with the same in it. */
int sim_disk_copy(struct sim_world *w, struct ms_backend *from, struct ms_backend **out,
                  struct ms_error *err) MS_MUST_CHECK;
/* Calls fn for each value, in order of names, directory by directory. */
int sim_disk_walk(struct ms_backend *disk,
                  int (*fn)(void *ctx, struct ms_view name, struct ms_error *err), void *ctx,
                  struct ms_error *err) MS_MUST_CHECK;
/* Removes, or flips a bit of, about one value in `one_in`, at least one when there is any. */
int sim_disk_harm(struct sim_world *w, struct ms_backend *disk, enum sim_disturbance how,
                  unsigned one_in, struct ms_error *err) MS_MUST_CHECK;

/* ---- disturb.c ---- */

/* A task for each member that may be disturbed at once, until the faults stop. */
int sim_disturb(struct sim_world *w, struct ms_group *group, struct ms_error *err) MS_MUST_CHECK;

#endif
