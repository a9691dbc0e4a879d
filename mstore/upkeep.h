/* mstore/upkeep.h - scrub, heal and rebalance of a whole store: one run in named steps, from a
 * table to which each part of the room adds its own (mstore/upkeep.c).
 *
 *     upkeep.c         the run: steps, namespaces, the cursor, the report
 *     upkeep_pace.c    what a run spends: bytes per second, progress
 *     upkeep_keys.c    a namespace's keys from the inventory, several at once
 *     upkeep_notes.c   what others have noted about members; members that have all again
 *     upkeep_immutable.c  one immutable key: what is where, where it should be, what to do
 *     upkeep_copy.c    verifying objects; writing missing ones from good ones
 *     upkeep_mutable.c one mutable key
 *     upkeep_plain.c   the mirrors of a plain namespace
 *     upkeep_cursor.c  how far an interrupted run came, in the local state folder
 *
 * A step looks at u->task, u->options and what ms_upkeep_may_* say, counts what it finds, and goes
 * on when one key fails: its result is 0 unless the run as a whole must end (CANCELLED, NO_MEMORY,
 * a layout that has changed). Findings go to ms_upkeep_found, from any thread. */
#ifndef MSTORE_UPKEEP_H
#define MSTORE_UPKEEP_H

#include "base/sync.h"
#include "mstore/age.h"
#include "mstore/names.h"
#include "mstore/roster.h"

#include <mstore/multi.h>

struct ms_self;
struct ms_paths; /* mstore/list_parts.h */
enum ms_upkeep_task { MS_UPKEEP_SCRUB, MS_UPKEEP_HEAL, MS_UPKEEP_REBALANCE };

struct ms_upkeep_cursor { /* all before it is done */
    char step[16];        /* "": at the beginning */
    uint64_t left;        /* keys of these that are not as they should be */
    size_t space_size, key_size;
    uint8_t space[MS_LAYOUT_SPACE_MAX], key[MS_BYTES_KEY_MAX];
};
static inline struct ms_view ms_upkeep_cursor_space(const struct ms_upkeep_cursor *c)
{
    return ms_view(c->space, c->space_size);
}
static inline struct ms_view ms_upkeep_cursor_key(const struct ms_upkeep_cursor *c)
{
    return ms_view(c->key, c->key_size);
}
/* As a line of text, and back: format 2, with the epoch and a number that is equal for equal
 * options. False: damaged, or of another layout or run. */
#define MS_UPKEEP_CURSOR_TEXT 4096
void ms_upkeep_cursor_format(const struct ms_upkeep_cursor *c, uint64_t epoch, uint64_t options,
                             char text[MS_UPKEEP_CURSOR_TEXT]);
bool ms_upkeep_cursor_parse(struct ms_view text, uint64_t epoch, uint64_t options,
                            struct ms_upkeep_cursor *out) MS_MUST_CHECK;

struct ms_upkeep { /* one run */
    enum ms_upkeep_task task;
    struct ms_upkeep_options options; /* all set; borrowed strings */
    struct ms_self *self;             /* NULL: no epoch is looked at (tests) */
    struct ms_roster *roster;         /* reference; the same to the end */
    const char *step;                 /* the one at work */
    bool by_notes;                    /* keys are looked after that are met once more later */
    uint64_t begun_ns;
    uint64_t saved_ns;                /* of the run's own thread */
    uint64_t sample_key;              /* draws the sample */
    struct ms_upkeep_cursor from, at; /* where an earlier run was; where this one is */
    struct ms_ages ages;              /* members' clocks */
    struct ms_mutex telling;          /* options.found and progress, one at a time */
    struct ms_mutex mutex;            /* of what follows */
    struct ms_upkeep_report *report;
    uint64_t told_ns;
    uint64_t notes_done;
    double fraction; /* as in progress */
    bool whole;      /* all members answered so far: nothing was overlooked */
    bool unsettled;  /* of some key a member may have missed what is not made up for: marks stay */
    struct ms_away *ripe; /* marks that go when this run has made up for everything; owned */
    size_t ripe_count;
    uint64_t due_ns; /* when what was spent is paid for (upkeep_pace.c) */
};

/* A step of the whole store (paths: of all framed and configured namespaces that this run is about,
 * by bytes), or of each namespace by its path. `after`: the key to go on behind, of
 * a run that is resumed (only steps of a namespace; empty: from the beginning). */
struct ms_upkeep_step {
    const char *name; /* of at most 15 letters, stays the same: cursors have it */
    int (*run)(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err);
    int (*run_space)(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                     struct ms_view after, struct ms_error *err);
};
/* In order; ends with one without a name (mstore/upkeep.c). */
extern const struct ms_upkeep_step ms_upkeep_steps[];

/* May change anything at all: heal and rebalance, and not a dry run. */
static inline bool ms_upkeep_may_write(const struct ms_upkeep *u)
{
    return u->task != MS_UPKEEP_SCRUB && !u->options.dry_run;
}
/* May take away what is where it need not be. */
static inline bool ms_upkeep_may_move(const struct ms_upkeep *u)
{
    return u->task == MS_UPKEEP_REBALANCE && !u->options.dry_run;
}

/* Counts an object found on a member (index of the layout; MS_UPKEEP_NOBODY) and tells the caller.
 * path and key may be empty. */
#define MS_UPKEEP_NOBODY SIZE_MAX
void ms_upkeep_found(struct ms_upkeep *u, enum ms_upkeep_find find, size_t member,
                     struct ms_view path, struct ms_view key, bool fixed, const char *fmt, ...)
    MS_PRINTF(7, 8);
/* What became of a key. */
enum ms_upkeep_end {
    MS_KEY_WELL,     /* as it should be */
    MS_KEY_BUSY,     /* a client has begun something there: nobody looked whether it is */
    MS_KEY_REPAIRED, /* it was not, and is now */
    MS_KEY_MOVED,    /* likewise, only by moving it */
    MS_KEY_WANTING,  /* it is not: found by a scrub or a dry run */
    MS_KEY_FAILED,   /* it could not be put right */
    MS_KEY_UNSEEN,   /* nothing was found; who did not answer may lack a part of it */
    MS_KEY_CONFLICT,
    MS_KEY_LOST,
};
void ms_upkeep_key_ended(struct ms_upkeep *u, enum ms_upkeep_end end);
/* What a client broke off at a key is not finished. */
void ms_upkeep_key_left(struct ms_upkeep *u);
/* A member's layout was missing or damaged; fixed: it is there now. */
void ms_upkeep_layout_ended(struct ms_upkeep *u, bool fixed);
/* Objects written or removed on a member. */
void ms_upkeep_changed(struct ms_upkeep *u, size_t member, uint64_t written, uint64_t removed);
/* Bytes read and written: waits so that the limit is kept. CANCELLED. */
int ms_upkeep_spend(struct ms_upkeep *u, uint64_t read, uint64_t written,
                    struct ms_error *err) MS_MUST_CHECK;
/* The member could not be asked (all the time). */
void ms_upkeep_missed(struct ms_upkeep *u, size_t member, const struct ms_error *why);
/* Notes have been looked after; any thread. */
void ms_upkeep_noted_done(struct ms_upkeep *u, size_t count);
/* From the run's own thread, between keys: tells progress, saves the cursor now and then, and says
 * whether to go on: CANCELLED; CONFLICT: the layout has changed, run again. */
int ms_upkeep_tick(struct ms_upkeep *u, struct ms_view path, struct ms_view key,
                   struct ms_error *err) MS_MUST_CHECK;

/* The whole run. options NULL: defaults. *out is set also on failure, unless there is no memory for
 * it. self may be NULL: then nothing is kept in the state folder. */
int ms_upkeep_run(struct ms_self *self, struct ms_roster *roster, enum ms_upkeep_task task,
                  const struct ms_upkeep_options *options, struct ms_upkeep_report **out,
                  struct ms_error *err) MS_MUST_CHECK;

#endif
