/* server/background_parts.h - inside of background work. */
#ifndef SERVER_BACKGROUND_PARTS_H
#define SERVER_BACKGROUND_PARTS_H

#include "server/background.h"

#include "base/pool.h"
#include "base/sync.h"

struct server_background {
    char name[128];
    struct ms_store *store;
    struct server_background_options options; /* the task's */
    char *state_folder;                       /* options.state_folder, kept */
    struct ms_clock *clock;
    struct ms_group *group;

    struct ms_mutex mutex;
    struct ms_cond changed;
    bool ending, wake, stopped; /* guarded by mutex, as all below */
    struct server_background_options wanted;
    bool asked; /* for a run of: */
    enum server_work asked_work;
    char asked_by[SERVER_WHO], running_by[SERVER_WHO];
    struct ms_cancel *run_cancel; /* of the run under way; NULL: none */
    struct ms_mstore_status *status;
    char sentence[508];
    struct server_look look;

    /* of the task alone */
    uint64_t heal_after_ns, heal_pause_ns; /* the monotonic clock's */
    uint64_t scrub_after_ns, scrub_pause_ns;
    bool heal_found;          /* a scrub found something to heal */
    char uuid[37];            /* of the MStore, after the first look */
    int64_t scrubbed_wall_ns; /* the last scrub's end; 0: never */

    struct server_background *next_keeper; /* background_keeper.c's */
    bool keeps;
};

/* Who asks: users' names have none of these characters alone. */
#define SERVER_BY_HINTS    "(hints)"
#define SERVER_BY_SCRUB    "(scrub)"
#define SERVER_BY_SCHEDULE "(schedule)"

/* When it is time to scrub by itself; 0: never. */
int64_t server_background_next_scrub(const struct server_background *b);
/* The store has answered for the first time: what is known of it from earlier. */
void server_background_first_look(struct server_background *b,
                                  const struct ms_mstore_status *status);

/* Of several in this process over one MStore (by its UUID: a file may be there twice, or read again
 * at SIGHUP) one does by itself what is due; when it ends, another. Called by the task. */
bool server_background_keeps(struct server_background *b);
void server_background_keeps_no_more(struct server_background *b);

/* When the last scrub of this store ended, as the state folder has it; 0: not known. */
int64_t server_scrubbed_read(const struct server_background *b, const char *uuid);
/* A failure is logged. */
void server_scrubbed_write(const struct server_background *b, const char *uuid, int64_t wall_ns);

/* One run, begun and noted. Called by the task without the lock. */
void server_background_run(struct server_background *b, enum server_work work, const char *who,
                           bool deep);

#endif
