/* tests/support/changing.h - a whole MStore on emulated memory storages, and clients of it, while
 * members come and go; inside a simulation. */
#ifndef SUPPORT_CHANGING_H
#define SUPPORT_CHANGING_H

#include "mstore/inquiry.h"

#define CHANGING_MEMBERS 6
#define CHANGING_KEYS    12

struct changing_client {
    struct changing *world;
    struct ms_store *store;
    struct ms_backend *emulator[CHANGING_MEMBERS]; /* NULL: not made yet */
    unsigned number;
    struct waits { /* that were told of */
        unsigned told, ended;
        uint64_t left_ns, longest_ns; /* left: as last told */
        char what[2][80];             /* of the first two that ended */
        bool grew;                    /* what is left became more during a wait */
    } waits;
};
struct changing {
    unsigned number, founders; /* members of the first layout */
    uint64_t seed;
    uint64_t latency_ns[CHANGING_MEMBERS]; /* of clients made from now on; 0: the usual */
    const char *policy;
    const char *state_folder; /* of clients made from now on; NULL: none */
    struct ms_uuid boot;      /* of their machine */
    struct changing_client client[3];
};

/* Three copies; the first namespace has two. */
#define CONFIG3                                                                                    \
    "[namespace]\nkind = immutable\nredundancy = copies 2\nverify = none\n"                        \
    "[namespace config]\nkind = mutable\nredundancy = copies 3\n"
#define CONFIG_EC "[namespace config]\nkind = mutable\nredundancy = ec 2+1\n"

/* Founders m0, m1 …; client 0 creates the store and opens it. */
void changing_begin(struct changing *w, unsigned founders, const char *policy);
/* Another one, of the same file. */
void changing_client(struct changing *w, unsigned number);
void changing_end(struct changing_client *c);
int changing_end_all(struct changing *w, unsigned count);
/* That client does not reach the member. */
void changing_gone(struct changing_client *c, unsigned member, bool is);
/* A member's storage itself, open; the caller's. */
struct ms_backend *changing_storage(const struct changing *w, unsigned member);
/* The value says which generation of the key's it is. */
void changing_put(struct changing_client *c, const char *key, unsigned generation);
void changing_expect(struct changing_client *c, const char *key, unsigned generation);
void changing_expect_none(struct changing_client *c, const char *key);
void changing_name_key(char key[32], unsigned i); /* in "config" */
void changing_put_all(struct changing_client *c, unsigned generation);
void changing_expect_all(struct changing_client *c, unsigned generation);
void changing_in_force(struct changing_client *c, uint64_t epoch, bool proposed);
int changing_add(struct changing_client *c, const char *name, struct ms_error *err);
int changing_set_state(struct changing_client *c, const char *name, enum ms_member_state state,
                       struct ms_error *err);
/* As the first task of a simulation, with a struct changing; a seed, or the first so many. */
void changing_run(int (*fn)(void *world), uint64_t seed);
void changing_run_seeds(int (*fn)(void *world), uint64_t seeds);

#endif
