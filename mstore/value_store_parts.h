/* mstore/value_store_parts.h - who must acknowledge a write, whom to ask instead, how long to wait:
 * the same for values in memory and for streams. One leg of the fan for each member of the site's
 * order, in that order; the caller of these says how a leg is begun. One thread. */
#ifndef MSTORE_VALUE_STORE_PARTS_H
#define MSTORE_VALUE_STORE_PARTS_H

#include "mstore/value_parts.h"

/* The member is known to be full. leg: place in the site's order. */
bool ms_value_full(const struct ms_site *site, unsigned leg);
/* The next member that may take a failed one's object, of those not `taken` (by leg). Full ones
 * only when there is no other. False: there is none. */
bool ms_value_substitute(const struct ms_site *site, const bool taken[], unsigned *leg);

enum ms_leg_state { MS_LEG_IDLE, MS_LEG_RUNNING, MS_LEG_DONE, MS_LEG_FAILED };

struct ms_value_acks {
    const struct ms_site *site;
    const struct ms_value_shape *shape;
    const struct ms_value_rule *rule;
    struct ms_clock *clock;
    struct ms_fan *fan;
    void (*start)(void *acks, unsigned leg, unsigned shard);
    void *shared;   /* the caller's */
    uint64_t bytes; /* of one object, about */
    unsigned slots; /* objects of the write; with copies all are shard 0 */
    unsigned placed, marks;
    bool filled[MS_MEMBERS_MAX];      /* by slot */
    bool doubled[MS_MEMBERS_MAX];     /* by leg: somebody else was asked for it too */
    unsigned slot_of[MS_MEMBERS_MAX]; /* by leg; the slots count of a witness */
    enum ms_leg_state state[MS_MEMBERS_MAX];
    struct ms_fan *early;       /* notes about those that were known to be away; NULL: none */
    bool noted[MS_MEMBERS_MAX]; /* by leg: among these notes */
    struct ms_error blame;
};

void ms_value_acks_init(struct ms_value_acks *a, const struct ms_site *site,
                        const struct ms_value_shape *shape, const struct ms_value_rule *rule);
/* Begins a leg for each target and witness; for a target known to be full one elsewhere. */
void ms_value_acks_start(struct ms_value_acks *a);
/* A leg has ended; begins another one where it failed. */
void ms_value_acks_take(struct ms_value_acks *a, unsigned leg);
bool ms_value_acks_enough(const struct ms_value_acks *a);
/* Until all are there, or enough and no more time. */
void ms_value_acks_wait(struct ms_value_acks *a);
/* Notes what is missing; the result. */
int ms_value_acks_end(struct ms_value_acks *a, struct ms_value_result *result,
                      struct ms_error *err) MS_MUST_CHECK;

void ms_value_acks_fini(struct ms_value_acks *a);

#endif
