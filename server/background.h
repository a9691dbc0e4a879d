/* server/background.h - what the server does for a store by itself: looks at its members, heals
 * what they lack when they are back, scrubs on a schedule.
 *
 * One task a store, and one upkeep run of a store at a time, asked for by the task's own rules or
 * by somebody. An MStore alone has upkeep; of another Store the task only looks whether it answers.
 * A failed run is noted, and tried again later and later; nothing ends the task but
 * server_background_free. A run that is stopped goes on where it was when the next of its kind
 * begins. When the last scrub ended is kept in the user's state folder, so that the schedule
 * outlives the process.
 *
 * Threads: any, but new and free. No call of a store is made while the lock is held.
 */
#ifndef SERVER_BACKGROUND_H
#define SERVER_BACKGROUND_H

#include <mstore/multi.h>

struct server_background;

struct server_background_options {
    struct ms_clock *clock;    /* NULL: real */
    uint64_t look_every_ns;    /* members are asked so often; 0: 15 s */
    uint64_t scrub_every_ns;   /* from the end of one to the next; 0: never by itself */
    bool scrub_deep;           /* the scheduled one */
    bool heal;                 /* by itself: members that are behind and back, scrubs' findings */
    uint64_t bytes_per_second; /* of all runs; 0: no limit */
    unsigned jobs;             /* keys at once; 0: 4 */
    const char *state_folder;  /* NULL: the user's; "": nothing is kept */
};

enum server_work { SERVER_WORK_SCRUB, SERVER_WORK_HEAL, SERVER_WORK_COUNT };
const char *server_work_name(enum server_work work); /* "scrub" */
/* SERVER_WORK_COUNT: none of that name. */
enum server_work server_work_of(const char *name);

/* store stays the caller's, open until server_background_free. name is for messages. */
int server_background_new(const char *name, struct ms_store *store,
                          const struct server_background_options *options,
                          struct server_background **out, struct ms_error *err) MS_MUST_CHECK;
/* Other options than before, from the next decision on; clock and state_folder stay. */
void server_background_set(struct server_background *b,
                           const struct server_background_options *options);
/* Stops what runs and waits for that. NULL is safe. */
void server_background_free(struct server_background *b);

/* Asks for a run, begun at once. MS_ERR_BUSY: one is running or asked for; MS_ERR_UNSUPPORTED: no
 * MStore. `who` asked, for server_runs.asked_by. */
int server_background_start(struct server_background *b, enum server_work work, const char *who,
                            struct ms_error *err) MS_MUST_CHECK;
/* Stops a run under way. MS_ERR_NOT_FOUND: none is. The next scheduled one is put off. */
int server_background_stop(struct server_background *b, struct ms_error *err) MS_MUST_CHECK;
/* Looks at the members soon, not only when it is time. */
void server_background_wake(struct server_background *b);
/* Somebody watches: the same, when the last look is some seconds old. */
void server_background_watch(struct server_background *b);

/* ---- what it knows ---- */

#define SERVER_WHO 72
struct server_runs { /* of one kind of work */
    uint64_t begun, done, failed, stopped;
    uint64_t keys, repaired, bytes_read, bytes_written; /* of all ended runs */
    /* the last one that ended: */
    int64_t ended_wall_ns; /* 0: none */
    int code;              /* of it, and why */
    char sentence[508];
    uint64_t last_keys, last_wanting, last_repaired, last_left;
    char asked_by[SERVER_WHO]; /* "(schedule)", "(hints)", "(scrub)", a user's name */
};
struct server_look { /* borrowed; valid during the callback */
    bool upkeep;     /* it is an MStore */
    bool asked;      /* whether the store has been asked once */
    int code;        /* it could not be asked: why (store as a whole) */
    const char *sentence;
    const struct ms_mstore_status *status; /* NULL: none, or not yet */
    int64_t looked_wall_ns;
    bool running;
    enum server_work work; /* that runs */
    const char *asked_by;
    int64_t since_wall_ns;
    char step[64];
    uint64_t keys, bytes, elapsed_ns;
    double fraction; /* negative: nobody knows */
    struct server_runs runs[SERVER_WORK_COUNT];
    int64_t next_scrub_wall_ns; /* 0: none is planned */
};
/* fn must not block: it runs under the lock. */
void server_background_view(struct server_background *b,
                            void (*fn)(void *ctx, const struct server_look *look), void *ctx);

#endif
