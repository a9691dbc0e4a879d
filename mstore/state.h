/* mstore/state.h - what a user's processes know of a store and keep on the local machine: the
 * members' breakers, so that a dead member does not cost each process a time-out; the highest
 * layout epoch ever seen, so that an old layout is refused by the next process too; and since when
 * marks of absence are known, so that not each process waits until others know them.
 *
 * The folder is $MSTORE_STATE_DIR, else $XDG_STATE_HOME/mstore, else $HOME/.local/state/mstore. It
 * must be the user's own. When there is none ("" asks for that, without a word) everything works
 * within the process, and one warning says what is lost. One file a store, UUID.state, INI text
 * (docs/formats.md) without URLs, names or sentences.
 *
 * Processes that save at once. A save holds flock(2) on the folder, reads what others have written
 * since, merges, and replaces the file: written beside it, synced, renamed. So nothing is lost
 * between reading and renaming; the kernel frees the lock of a process that dies. Merging: of a
 * member, what changed last wins, unless it claims to be of the future (a clock was wrong); the
 * higher epoch wins. What this process did not change is the file's. Marks (mstore/away.h) count
 * for one boot of the machine and one layout: those of the boot that wrote last, and of its newest
 * layout, are kept, at most MS_AWAY_KEPT, each as long as it surely stands.
 *
 * A file that is damaged is ignored with one warning, and replaced at the next save, but its epoch
 * is kept: it is there twice with a check of its own, and either will do. A newer program's file is
 * never replaced.
 *
 * Any thread. The lock within the process is not held during input and output.
 */
#ifndef MSTORE_STATE_H
#define MSTORE_STATE_H

#include "mstore/away.h"
#include "mstore/health.h"
#include "mstore/uuid.h"

#define MS_STATE_MEMBERS 512 /* of one store, also such as have long gone; the oldest make room */

struct ms_state;

/* The folder as above, which need not be there. False: there is none; "": nothing is to be kept. */
bool ms_state_usual_folder(char *buf, size_t size);
/* folder NULL: as above. Fails for want of memory, or when the folder that was given cannot be
 * used. */
int ms_state_open(const struct ms_uuid *store, const char *folder, struct ms_state **out,
                  struct ms_error *err) MS_MUST_CHECK;
/* Saves nothing. */
void ms_state_free(struct ms_state *s);
/* Where it is kept; NULL: in memory only. */
const char *ms_state_path(const struct ms_state *s);

/* What is known of the member, by this process or another. False: nothing. */
bool ms_state_get(const struct ms_state *s, const struct ms_uuid *member,
                  struct ms_health_saved *out);
/* saved->changed_wall_ns 0 (a breaker that never changed) is not kept. */
void ms_state_put(struct ms_state *s, const struct ms_uuid *member,
                  const struct ms_health_saved *saved);
uint64_t ms_state_epoch(const struct ms_state *s); /* 0: none seen */
#define MS_STATE_ENDED UINT64_MAX /* in place of an epoch: the store is being destroyed */
/* True: it is higher than any before, and worth saving at once. */
bool ms_state_raise_epoch(struct ms_state *s, uint64_t epoch);

/* One boot of one machine, whose boot clock tells the times of marks. */
struct ms_boot {
    struct ms_uuid id;
    int64_t began_wall_ns; /* the wall clock's time less the boot clock's: differs where a process
                              has another boot clock (a time namespace, a copied machine) */
};
struct ms_state_marks {
    struct ms_boot boot;
    uint64_t epoch; /* of the layout */
    size_t count;
    struct ms_away_known list[MS_AWAY_KEPT]; /* none is closing */
    bool changed;                            /* by this process, not yet saved; not in the file */
};
/* marks->boot, epoch: whose. Fills in the others; none when others are kept. */
void ms_state_marks(const struct ms_state *s, struct ms_state_marks *marks);
/* Adds what has just been known. What is not news is not worth saving. */
void ms_state_put_marks(struct ms_state *s, const struct ms_state_marks *marks);

/* Writes what has changed, if anything has, and learns what others wrote. wall_ns: now. On failure
 * it stays to be saved. MS_ERR_BUSY: another process held the lock for a second. */
int ms_state_save(struct ms_state *s, int64_t wall_ns, struct ms_error *err) MS_MUST_CHECK;
/* Nothing is known of the store any more: removes the file. */
int ms_state_forget(struct ms_state *s, struct ms_error *err) MS_MUST_CHECK;
/* Only learns what others wrote. */
int ms_state_reload(struct ms_state *s, struct ms_error *err) MS_MUST_CHECK;

#endif
