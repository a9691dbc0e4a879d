/* tests/support/cluster.h - an MStore's members on memory storages, and clients that reach them
 * over wires which count, delay, lose and cut.
 *
 * Made and freed inside a simulation, or outside of one. */
#ifndef SUPPORT_CLUSTER_H
#define SUPPORT_CLUSTER_H

#include "base/sync.h"
#include "mstore/hedge.h"
#include "mstore/roster.h"

#include <stdatomic.h>

#define CLUSTER_MAX 9

struct cluster {
    const char *layout; /* text; members in order */
    struct ms_clock *clock;
    unsigned members;
    struct ms_backend *storage[CLUSTER_MAX]; /* open: to look behind the curtain */
};

enum wire_end { WIRE_BEFORE, WIRE_AFTER, WIRE_LATE };

/* How one client reaches its members; set before use, or by the test's own thread. */
struct wires {
    struct ms_clock *clock;
    atomic_uint down;   /* bit i: member i is out of reach */
    atomic_uint leaves; /* bit i: likewise, from its next load on */
    atomic_uint full;   /* bit i: stores to member i fail with NO_SPACE */
    atomic_uint empty;  /* bit i: nothing is found on member i */
    atomic_uint slow;   /* bit i: calls on member i take a minute */
    atomic_uint calls;  /* all, from 1 */
    atomic_uint lists, loads, stores, removes, others;
    unsigned cut_at;            /* the client dies at this call; 0: never */
    enum wire_end cut_how;      /* its effect does not happen, happens, happens in 14 minutes */
    atomic_bool cut;            /* it is dead: no call does anything */
    uint64_t lag_ns;            /* longest time on the wire, each way */
    atomic_uint_least64_t dice; /* of the lags */
};

struct client {
    struct ms_roster *roster;
    struct wires wires;
};

/* The layout's storages, created and marked. `name`: of the test. */
void cluster_make(struct cluster *c, const char *layout, struct ms_clock *clock);
void cluster_free(struct cluster *c);
/* Versions on a member, and notes about others. */
unsigned cluster_objects(const struct cluster *c, unsigned member);
unsigned cluster_notes(const struct cluster *c, unsigned member);
/* Turns each of them into something else of the same length. */
void cluster_damage(const struct cluster *c, unsigned member);

/* The client may be left behind with calls under way only when nothing of it is on the stack. */
void client_make(struct client *cl, const struct cluster *c, uint64_t seed);
void client_free(struct client *cl);
void client_reset_counts(struct client *cl);
struct ms_site client_site(struct client *cl, const char *key);

#define CLUSTER_HEAD                                                                               \
    "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = 1\n"               \
    "phase = final\n"
#define CLUSTER_A "[member a]\nuuid = 11111111-1111-4111-8111-111111111111\n"
#define CLUSTER_B "[member b]\nuuid = 22222222-2222-4222-8222-222222222222\n"
#define CLUSTER_C "[member c]\nuuid = 33333333-3333-4333-8333-333333333333\n"
#define CLUSTER_D "[member d]\nuuid = 44444444-4444-4444-8444-444444444444\n"
#define CLUSTER_E "[member e]\nuuid = 55555555-5555-4555-8555-555555555555\n"
#define CLUSTER_F "[member f]\nuuid = 66666666-6666-4666-8666-666666666666\n"
#define CLUSTER_W "[member w]\nuuid = 77777777-7777-4777-8777-777777777777\nstate = witness\n"

#endif
