/* tests/support/soft.h - one immutable key of a fleet, the value "hello", soft-deleted and brought
 * back; and a client that dies amid that. */
#ifndef SUPPORT_SOFT_H
#define SUPPORT_SOFT_H

#include "tests/support/fleet.h"

#define MINUTE (UINT64_C(60) * 1000000000)

struct soft_policy {
    unsigned members;
    const char *text;
};
#define SOFT_POLICIES 6
extern const struct soft_policy soft_policies[SOFT_POLICIES];
#define SOFT_EACH(p)                                                                               \
    for (const struct soft_policy *p = soft_policies; p < soft_policies + SOFT_POLICIES; p++)

/* Of the live or the soft-deleted item. */
struct ms_site soft_site(struct fleet *f, bool deleted);
void soft_put(struct fleet *f, bool deleted);
int soft_load(struct fleet *f, bool deleted, struct ms_error *err);
void soft_check_there(struct fleet *f, bool live, bool deleted);
int soft_delete(struct fleet *f, struct ms_error *err);
int soft_undelete(struct fleet *f, struct ms_error *err);
int soft_purge(struct fleet *f, bool deleted, struct ms_error *err);

/* All of a soft delete before its first rename. */
void soft_begin(struct fleet *f, uint64_t counter);
/* For fleet_each: makes a live object of `val` soft-deleted, while *ctx, an int, is left. */
void soft_turn(void *ctx, struct ms_backend *storage, struct ms_view name);
/* As a client leaves it that dies after `turned` renames. */
void soft_die_after(struct fleet *f, int turned);
/* Runs it as the first task of a simulation. */
void soft_simulate(int (*fn)(void *arg), void *arg, uint64_t seed);
void soft_heal(struct fleet *f);

#endif
