/* tests/support/fleet.h - N members on emulated memory storages under one policy, and one client of
 * them. Usable inside a simulation: made by its first task. */
#ifndef SUPPORT_FLEET_H
#define SUPPORT_FLEET_H

#include "base/sync.h"
#include "mstore/ids.h"
#include "mstore/roster.h"

#include <mstore/emulator.h>

#define FLEET_MAX 20

struct fleet {
    unsigned count;
    struct ms_clock *clock;
    struct ms_roster *roster;
    struct ms_ids *ids;
    struct ms_backend *emulator[FLEET_MAX]; /* owned by the members */
    struct ms_backend *storage[FLEET_MAX];  /* open: to look behind the curtain */
};
struct fleet_options {
    unsigned members;
    const char *kind;       /* NULL: immutable */
    const char *policy;     /* lines of [namespace data], e.g. "redundancy = copies 3\n" */
    struct ms_clock *clock; /* NULL: the real one */
    uint64_t latency_ns, jitter_ns, seed;
    uint64_t last_ns;     /* latency of the last member; 0: as the others */
    const char *capacity; /* of each storage; NULL: no limit */
    uint64_t lease_ns;    /* 0: the usual */
};

void fleet_make(struct fleet *f, const struct fleet_options *options);
void fleet_free(struct fleet *f);
/* Another client of the same storages, over emulators of its own. */
void fleet_join(struct fleet *f, const struct fleet *other, const struct fleet_options *options);
/* The key of namespace data. */
struct ms_site fleet_site(struct fleet *f, const char *key);
void fleet_gone(struct fleet *f, unsigned member, bool gone);
/* The next `count` calls hang until they are cancelled. */
void fleet_hang(struct fleet *f, unsigned member, unsigned count);
/* Calls on a member since its emulator was made; MS_VERB_COUNT: all. */
uint64_t fleet_calls(struct fleet *f, int verb);
/* Bytes that do not compress well. */
struct ms_buf *fleet_value(size_t size, uint64_t seed);
const char *fleet_digest(struct ms_buf *value, char hex[65]); /* SHA-256 */
void fleet_put(struct fleet *f, const char *key, struct ms_buf *value);
void fleet_assert_loads(struct fleet *f, const char *key, struct ms_buf *value);
/* Each object of MStore's own on the member below the folder ("val", "hint"). */
typedef void (*fleet_visit)(void *ctx, struct ms_backend *storage, struct ms_view name);
void fleet_each(struct fleet *f, unsigned member, const char *folder, fleet_visit fn, void *ctx);
unsigned fleet_objects(struct fleet *f, unsigned member, const char *folder);
unsigned fleet_all(struct fleet *f, const char *folder); /* on all members */
void fleet_wipe(struct fleet *f, unsigned member, const char *folder);
/* Flips one bit of each object, at a place that `where` chooses. */
void fleet_flip(struct fleet *f, unsigned member, const char *folder, uint64_t where);

#endif
