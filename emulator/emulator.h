/* emulator/emulator.h - inside the emulator: what its files share.
 *
 * The way of a call:  ms_emulator_begin  numbers it and decides its fate (faults, latency)
 *                     the inner backend  does the work
 *                     ms_emulator_end    waits until latency and line allow the call to end
 *
 * Threads: every call may come from many at once. What `mutex` guards stands in `locked`; it is
 * held for a few instructions, never across a wait or the inner backend.
 */
#ifndef EMULATOR_EMULATOR_H
#define EMULATOR_EMULATOR_H

#include <mstore/emulator.h>

#include "base/sync.h"

#include <stdatomic.h>

/* One direction of the wire. */
struct ms_line {
    uint64_t bps;     /* 0: unlimited; set once */
    uint64_t free_at; /* promised to somebody until then; under the emulator's mutex */
};

/* A planned fault and how many calls of its verb it has seen. */
struct ms_planned {
    struct ms_fault fault;
    uint64_t seen;
};

/* A call that hangs, so that closing can end it. */
struct ms_hanging {
    struct ms_cancel *token;
    struct ms_hanging *next;
};

struct ms_emulator {
    struct ms_backend base;
    struct ms_backend_ops ops; /* the table, without the slots that `inner` leaves to fallbacks */
    struct ms_backend *inner;  /* owned */
    struct ms_emulation settings;
    uint64_t seed;
    atomic_bool gone;
    struct ms_line up, down;
    struct ms_mutex mutex;
    struct ms_cond hung_out; /* a hanging call has ended */
    struct {
        uint64_t calls[MS_VERB_COUNT + 1]; /* the last: all */
        struct ms_planned *faults;
        size_t fault_count;
        struct ms_hanging *hanging;
        bool closed; /* nothing hangs any more */
    } locked;
};

enum ms_fate { MS_FATE_FINE, MS_FATE_FAIL, MS_FATE_HANG };

/* One call under way. All chance in it comes from its number, so that the same order of calls
 * meets the same fate, whatever the threads do between. */
struct ms_emulated_call {
    struct ms_emulator *emulator;
    enum ms_verb verb;
    uint64_t number; /* among all calls, from 1 */
    uint64_t begin_ns;
    uint64_t latency_ns;
    enum ms_fate fate;
    bool after; /* fate strikes after the effect */
    int code;   /* of a failure */
    bool torn, flip;
    struct ms_random random; /* where a value is torn, which bit flips */
};

static inline struct ms_emulator *ms_emulator_of(struct ms_backend *b)
{
    return (struct ms_emulator *)b;
}

/* ---- call.c: fate and time ---- */

/* Starts a call; fails when the storage is gone or a fault strikes before the effect (the wait that
 * belongs to it is over then). */
int ms_emulator_begin(struct ms_emulator *em, enum ms_verb verb, struct ms_emulated_call *call,
                      struct ms_error *err) MS_MUST_CHECK;
/* Ends a call whose effect gave `code` and moved that many bytes: waits, and lets the fault strike
 * that comes after the effect. Returns code, or why the caller hears of a failure instead. */
int ms_emulator_end(struct ms_emulated_call *call, int code, uint64_t up_bytes, uint64_t down_bytes,
                    struct ms_error *err) MS_MUST_CHECK;
/* The same in steps, for a value whose effect (the commit) comes long after the beginning. */
int ms_emulator_plan(struct ms_emulator *em, enum ms_verb verb, struct ms_emulated_call *call,
                     struct ms_error *err) MS_MUST_CHECK;
int ms_emulator_before(struct ms_emulated_call *call, struct ms_error *err) MS_MUST_CHECK;
int ms_emulator_after(struct ms_emulated_call *call, struct ms_error *err) MS_MUST_CHECK;
/* Waits for latency_ns and the line's time for the bytes, both counted from begin_ns. */
int ms_emulator_wait(struct ms_emulator *em, enum ms_verb verb, uint64_t begin_ns,
                     uint64_t latency_ns, uint64_t up_bytes, uint64_t down_bytes,
                     struct ms_error *err) MS_MUST_CHECK;
/* MS_ERR_CONNECTION while ms_emulator_set_gone says so: for what is not a numbered call. */
int ms_emulator_check_gone(struct ms_emulator *em, struct ms_error *err) MS_MUST_CHECK;
/* Ends all hanging calls, waits until they are out, and lets none hang until the next opening. */
void ms_emulator_end_hangs(struct ms_emulator *em);
void ms_emulator_allow_hangs(struct ms_emulator *em);

/* ---- chance.c ---- */

/* Counts the call and fills in latency, fate and the rest from its number. */
void ms_emulator_decide(struct ms_emulator *em, struct ms_emulated_call *call);
uint64_t ms_emulator_latency(const struct ms_emulation *e, struct ms_random *random);
/* Flips one bit of these bytes (at least one byte), by chance. */
void ms_emulator_flip(struct ms_emulated_call *call, uint8_t *bytes, size_t size);

/* ---- line.c ---- */

/* Time that so many bytes take, rounded up. */
uint64_t ms_line_time(uint64_t bps, uint64_t bytes);
/* Sends the bytes in turns with everybody else's, beginning no earlier than at earliest_ns. *end_ns
 * receives when the last turn is over (earliest_ns when there is nothing to wait for). */
int ms_line_send(struct ms_emulator *em, struct ms_line *line, uint64_t earliest_ns, uint64_t bytes,
                 uint64_t *end_ns, struct ms_error *err) MS_MUST_CHECK;

/* ---- stream.c, write.c: slots that give handles ---- */

int ms_emulator_list(struct ms_backend *b, struct ms_view name,
                     const struct ms_list_request *request, struct ms_lister **out,
                     struct ms_error *err);
int ms_emulator_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                     struct ms_error *err);
int ms_emulator_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_writer **out,
                      struct ms_error *err);
int ms_emulator_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err);

/* ---- verbs.c: slots that begin and end in one call ---- */

extern const struct ms_backend_ops ms_emulator_ops;
/* The prefix that a torn store of this value leaves. NULL: out of memory. */
struct ms_buf *ms_emulator_torn_prefix(struct ms_emulated_call *call, struct ms_buf *value);
int ms_emulator_torn_error(struct ms_emulated_call *call, struct ms_view name,
                           struct ms_error *err);

/* ---- options.c ---- */

/* Takes the emulate.* options out of url into e; *any becomes true when there is one. On success
 * e->faults is malloc'ed. */
int ms_emulation_from_url(struct ms_url *url, struct ms_emulation *e, bool *any,
                          struct ms_error *err) MS_MUST_CHECK;
int ms_emulation_from_environment(struct ms_emulation *e, bool *any,
                                  struct ms_error *err) MS_MUST_CHECK;

#endif
