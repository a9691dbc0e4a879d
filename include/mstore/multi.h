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

/* A call waits until other clients have heard of what it is about to do (docs/mstore.md, Leases).
 */
struct ms_mstore_wait {
    const char *what;            /* "waiting until no client believes member nas" */
    uint64_t waited_ns, left_ns; /* left 0: this wait is over, or was given up */
};

/* Zero it, set struct_size (or MS_MSTORE_OPTIONS_INIT), fill in what is wanted. Copied. */
struct ms_mstore_options {
    size_t struct_size;
    unsigned jobs;          /* calls in flight of one many-at-once call; 0: what the members like */
    struct ms_clock *clock; /* NULL: real */
    uint64_t seed;          /* for generators; 0: from the system */
    bool ignore_environment;  /* no MSTORE_LATENCY, MSTORE_BANDWIDTH */
    const char *state_folder; /* what outlives the process; NULL: the user's ($MSTORE_STATE_DIR,
                                 $XDG_STATE_HOME/mstore, ~/.local/state/mstore); "": nothing */
    /* May be NULL. Told several times a second during such a wait, by any thread, several waits at
     * once; must not call the store. */
    void (*waiting)(void *ctx, const struct ms_mstore_wait *wait);
    void *waiting_ctx; /* until ms_store_free */
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
    int code;               /* 0: it answers; else why not, and */
    const char *trouble;    /* one sentence; "" when there is none */
    uint64_t latency_ns;    /* expected, of a small call; 0 unknown */
    uint64_t calls, errors; /* by this process */
    uint64_t refused;       /* calls not made, because the breaker was open */
    uint64_t opened;        /* times the breaker opened */
    const char *breaker;    /* "closed", "open", "half open" */
    bool behind;            /* others have noted that it lacks something: run heal */
    /* Others do not believe it by itself: it was away while something changed. A run of heal from
     * believed_from_ns on (wall clock) ends that; 0: the time is known after a first run while it
     * is there. */
    bool marked;
    int64_t believed_from_ns;
    uint64_t layout;                  /* the newest one in force that lies on it; 0: none */
    uint64_t total_bytes, free_bytes; /* UINT64_MAX: unknown */
    bool damaged;                     /* that layout cannot be read: run heal */
    bool joining;                     /* it is new in the layout that is proposed */
    /* How many notes one of the others has about it, the highest of all; more: at least so many.
     * By ms_mstore_count_notes; 0 before, and for who is not behind. */
    uint64_t notes;
    bool more_notes;
};
struct ms_mstore_space {
    const char *name, *kind, *redundancy; /* "data", "immutable", "ec 4+2" */
    unsigned targets;                     /* members that a value goes to */
    unsigned tolerates;                   /* members that may be lost */
    unsigned tolerates_now; /* less those that do not answer, or lack what others have noted */
};
struct ms_mstore_status {
    char uuid[37];
    uint64_t epoch;
    uint64_t proposed;     /* the epoch of a layout that is to follow; 0: none */
    const char *placement; /* "rendezvous", "buckets" */
    const struct ms_mstore_member *members;
    size_t member_count;
    const struct ms_mstore_space *spaces;
    size_t space_count;
};
/* Asks every member of an open MStore, all at once, also those that did not answer a moment ago: a
 * dead one costs one time-out. MS_ERR_INVALID for another kind of Store. */
MS_API int ms_mstore_status(struct ms_store *s, struct ms_mstore_status **out,
                            struct ms_error *err) MS_MUST_CHECK;
/* Counts the notes about each member that is behind, while the store is open. Each key's notes cost
 * a listing, several under way at once, so it ends at MS_MSTORE_NOTES_MOST on each member; no call
 * is made where nobody is behind. A member that fails is passed over, and the count says more. */
#define MS_MSTORE_NOTES_MOST 1000
MS_API int ms_mstore_count_notes(struct ms_mstore_status *status,
                                 struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_mstore_status_free(struct ms_mstore_status *status);

/* ---- upkeep: scrub, heal, rebalance ---- */

enum ms_upkeep_find {                   /* what can be found out */
                      MS_FIND_WANTING,  /* a copy, shard or version is not where it should be */
                      MS_FIND_DAMAGED,  /* it is there and does not verify, or has a wrong size */
                      MS_FIND_SURPLUS,  /* it is where it need not be, or an older one */
                      MS_FIND_DEBRIS,   /* of a write never acknowledged, of a deletion, of a dead
                                           client */
                      MS_FIND_CONFLICT, /* different values under a key: somebody has to decide */
                      MS_FIND_STRANGER, /* a name that is none of ours */
                      MS_FIND_LOST,     /* a value of which too little is left to be read */
                      MS_FIND_UNJUDGED, /* members that are away could change the picture, or this
                                           build has no erasure code to compare shards with */
                      MS_FIND_FAILED,   /* it could not be looked at or put right */
                      MS_FINDS,
};
MS_API const char *ms_upkeep_find_name(enum ms_upkeep_find find); /* "wanting" */

struct ms_upkeep_finding { /* borrowed */
    enum ms_upkeep_find find;
    const char *space, *key, *member; /* "": none; key: for messages, may be cut */
    const char *sentence;
    bool fixed; /* by this run */
};
struct ms_upkeep_progress { /* so far */
    const char *step;
    uint64_t keys, bytes; /* looked at; read and written */
    double fraction;      /* of the namespace, about; negative: nobody knows */
    uint64_t elapsed_ns;
    uint64_t notes; /* worked off; how many there are nobody knows */
};
struct ms_upkeep_member { /* of one member */
    const char *name;
    uint64_t found[MS_FINDS];  /* objects */
    uint64_t written, removed; /* objects */
    uint64_t notes;            /* left about it by others (hints) */
    int code;                  /* it could not be asked (all the time); else 0, and */
    const char *trouble;       /* why; "" */
};
struct ms_upkeep_report {
    uint64_t keys, wanting; /* seen; of them not as they should be when they were looked at */
    uint64_t repaired, moved, conflicts, lost; /* keys; of the wanting ones */
    uint64_t failed; /* keys that are still not as they should be, conflicts and lost ones too, and
                        moves that clients broke off (20 minutes ago or more); when resumed, also
                        those that the earlier run has left */
    uint64_t bytes_read, bytes_written;
    uint64_t found[MS_FINDS]; /* objects, of all members */
    bool resumed;             /* it went on where an earlier run was interrupted */
    struct ms_upkeep_member *members;
    size_t member_count;
    uint64_t layouts; /* members on which the layout is still missing or damaged */
    uint64_t unseen; /* of the wanting ones: nothing was found, and a member that did not answer may
                        lack them or a part of them */
};

/* Zero it, set struct_size (or MS_UPKEEP_OPTIONS_INIT), fill in what is wanted. */
struct ms_upkeep_options {
    size_t struct_size;
    const char *space;         /* only this namespace ("" is the root's); NULL: all */
    bool deep;                 /* read and verify everything, not only listings */
    bool dry_run;              /* heal, rebalance: only say what would be done */
    uint32_t sample_ppm;       /* scrub: so many keys in a million; 0: all */
    uint64_t bytes_per_second; /* read and written; 0: no limit */
    unsigned jobs;             /* keys at once; 0: 16 */
    bool from_start;           /* do not go on where an earlier run was interrupted */
    /* May be NULL; called by any thread, one at a time. */
    void (*progress)(void *ctx, const struct ms_upkeep_progress *progress);
    void (*found)(void *ctx, const struct ms_upkeep_finding *finding);
    void *ctx;
    bool notes_only; /* heal: only keys that members have noted others to lack (hints), not all */
};
#define MS_UPKEEP_OPTIONS_INIT                                                                     \
    {                                                                                              \
        .struct_size = sizeof(struct ms_upkeep_options)                                            \
    }

/* Of an open MStore. scrub changes nothing; heal puts right; rebalance also moves what is not where
 * the layout wants it. 0 when all was looked at that could be, whatever was found: the report says
 * what, and which members did not answer; it is there also on failure. Cancelled by the current
 * token; the next run of the same kind goes on where this one was. Safe beside everything else, and
 * beside each other. */
MS_API int ms_mstore_scrub(struct ms_store *s, const struct ms_upkeep_options *options,
                           struct ms_upkeep_report **out, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_mstore_heal(struct ms_store *s, const struct ms_upkeep_options *options,
                          struct ms_upkeep_report **out, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_mstore_rebalance(struct ms_store *s, const struct ms_upkeep_options *options,
                               struct ms_upkeep_report **out, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_upkeep_report_free(struct ms_upkeep_report *report); /* NULL is safe */
/* Nothing was found, or all of it was put right. */
MS_API bool ms_upkeep_report_clean(const struct ms_upkeep_report *report);

/* ---- members come and go ---- */

/* Zero it, set struct_size (or MS_MEMBERSHIP_OPTIONS_INIT), fill in what is wanted. */
struct ms_membership_options {
    size_t struct_size;
    const char *url;  /* add, replace: the new member's storage, made when it is not there */
    uint32_t weight;  /* of the new member; 0: 1, or that of the replaced one */
    const char *zone; /* NULL: its own name, or that of the replaced one */
    bool witness;     /* add: votes only, no data */
    bool dry_run;     /* only say what would move, or why nothing would: no file is changed */
    const struct ms_upkeep_options *upkeep; /* drain, replace: of the moving; NULL: defaults */
    const char *name; /* replace: the new member's; NULL: NAME-2, or the next number */
};
#define MS_MEMBERSHIP_OPTIONS_INIT                                                                 \
    {                                                                                              \
        .struct_size = sizeof(struct ms_membership_options)                                        \
    }
struct ms_membership {
    uint64_t epoch;    /* of the layout in force now */
    uint64_t proposed; /* of one that is to follow it, not done yet; 0: none */
    char added[65];    /* the new member's name; "" */
    bool gone;         /* drain, replace: nothing is left on the member, it may be switched off */
    uint64_t keys, moving;           /* dry run: all, and those of which something moves */
    uint64_t objects, bytes;         /* dry run: what moves, about */
    struct ms_upkeep_report *report; /* drain, replace: of the moving; NULL: none took place */
    bool listed; /* the file has a section of the member, which may be taken out once it is gone */
    unsigned bare; /* drain: namespaces (but those of redundancy none) of which no member may be
                      lost now; dry run: then */
};

/* Of an open MStore that was made from a file. Clients may go on using the store; those whose file
 * lacks a new member work without it. Run again, each goes on where it was interrupted. The result
 * is there also on failure (zero it).
 *
 * add: a [member NAME] is appended to the file, and the layout gets it; ms_mstore_rebalance moves
 * data there. drain: the member gets nothing new, what it has moves to others, then it is gone for
 * good; while other members are away, or keys cannot be moved, it stays draining (result->gone). Of
 * one that is gone already all keys are looked at: an earlier run may have been interrupted.
 * replace: a new member, named like NAME with a number behind unless it is said otherwise, takes
 * the place of this one, which is drained; that may be dead: then what it made superfluous
 * elsewhere goes in a second look at all keys, once it is gone. The new one may have the url of one
 * that it replaces or that is gone, when what is there now is empty: the other one's section of the
 * file becomes a comment. STORE_EXISTS: what is there has a member's mark, or something else. */
MS_API int ms_mstore_add(struct ms_store *s, const char *name,
                         const struct ms_membership_options *options, struct ms_membership *result,
                         struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_mstore_drain(struct ms_store *s, const char *name,
                           const struct ms_membership_options *options,
                           struct ms_membership *result, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_mstore_replace(struct ms_store *s, const char *name,
                             const struct ms_membership_options *options,
                             struct ms_membership *result, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_membership_fini(struct ms_membership *result);

#ifdef __cplusplus
}
#endif
#endif
