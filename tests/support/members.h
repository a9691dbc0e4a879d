/* tests/support/members.h - a roster of members in memory whose listings are counted and can be
 * told to fail, for what looks at all members at once. Objects are put straight into the storages.
 */
#ifndef SUPPORT_MEMBERS_H
#define SUPPORT_MEMBERS_H

#include "mstore/names.h"
#include "mstore/roster.h"

#include <stdatomic.h>

#define MEMBERS_MOST 8

struct member_script {
    const char *broken;      /* listings of folders with this in their path … */
    size_t after;            /* … after so many entries … */
    int code;                /* … fail so */
    const char *const *says; /* instead, those of `broken` give these names, for ever after the last
                                if `round`; "NAME/": a directory */
    bool round;
    bool only_whole;         /* only folders whose path ends so */
    atomic_uint lists, open; /* listings so far, and not closed */
};

struct members {
    unsigned count;
    struct ms_roster *roster;
    struct ms_backend *storage[MEMBERS_MOST]; /* the roster's: for direct calls */
    struct ms_backend *emulator[MEMBERS_MOST];
    struct member_script script[MEMBERS_MOST];
};

/* `namespaces`: the layout's text behind the last member's UUID ("state = witness\n[namespace …").
 * latency_ns: of each call. */
void members_make(struct members *m, unsigned count, const char *namespaces, uint64_t latency_ns,
                  struct ms_clock *clock);
/* The value of an object as a text; its namespace is "data" unless it has one. */
void members_put(struct members *m, unsigned member, struct ms_own_name name, const char *value);
void members_put_bytes(struct members *m, unsigned member, struct ms_own_name name,
                       struct ms_view value);
void members_put_name(struct members *m, unsigned member, const char *name);
/* Of a live version or copy. */
struct ms_own_name members_name(enum ms_own_kind kind, const char *key, unsigned level,
                                uint64_t counter);
void members_fini(struct members *m);

#endif
