/* mstore/multi.h - the MStore: one Store out of many, from a configuration file (docs/mstore.md).
 *
 * What these functions make is a struct ms_store like any other: create, open, load, store, list
 * and the rest are those of mstore/store.h. */
#ifndef MSTORE_MULTI_H
#define MSTORE_MULTI_H

#include <mstore/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero it, set struct_size (or MS_MSTORE_OPTIONS_INIT), fill in what is wanted. Copied. */
struct ms_mstore_options {
    size_t struct_size;
    unsigned jobs;          /* calls in flight of one many-at-once call; 0: what the members like */
    struct ms_clock *clock; /* NULL: real */
    uint64_t seed;          /* for generators; 0: from the system */
    bool ignore_environment;  /* no MSTORE_LATENCY, MSTORE_BANDWIDTH */
    const char *state_folder; /* what outlives the process; NULL: the user's ($MSTORE_STATE_DIR,
                                 $XDG_STATE_HOME/mstore, ~/.local/state/mstore); "": nothing */
};
#define MS_MSTORE_OPTIONS_INIT                                                                     \
    {                                                                                              \
        .struct_size = sizeof(struct ms_mstore_options)                                            \
    }

/* A closed MStore for a configuration file ("home.conf"). Reads the file, touches no member.
 * options NULL: defaults. */
MS_API int ms_mstore_new(const char *path, const struct ms_mstore_options *options,
                         struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;
/* The same, opened. */
MS_API int ms_mstore_open(const char *path, const struct ms_mstore_options *options,
                          struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;
/* Whether it is an MStore (not one behind a filter). */
MS_API bool ms_store_is_mstore(const struct ms_store *s);

/* ---- what is known of it ---- */

struct ms_mstore_member {
    const char *name, *zone,
        *url;          /* url: for messages, no secrets; NULL: none is configured here */
    const char *state; /* "active", "draining", "readonly", "witness", "gone" */
    uint32_t weight;
    int code;                         /* 0: it answers; else why not, and */
    const char *trouble;              /* one sentence; "" when there is none */
    uint64_t latency_ns;              /* expected, of a small call; 0 unknown */
    uint64_t calls, errors;           /* by this process */
    uint64_t total_bytes, free_bytes; /* UINT64_MAX: unknown */
};
struct ms_mstore_space {
    const char *name, *kind, *redundancy; /* "data", "immutable", "ec 4+2" */
    unsigned targets;                     /* members that a value goes to */
    unsigned tolerates;                   /* members that may be lost */
};
struct ms_mstore_status {
    char uuid[37];
    uint64_t epoch;
    const char *placement; /* "rendezvous", "buckets" */
    const struct ms_mstore_member *members;
    size_t member_count;
    const struct ms_mstore_space *spaces;
    size_t space_count;
};
/* Asks every member of an open MStore. MS_ERR_INVALID for another kind of Store. */
MS_API int ms_mstore_status(struct ms_store *s, struct ms_mstore_status **out,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_mstore_status_free(struct ms_mstore_status *status);

#ifdef __cplusplus
}
#endif
#endif
