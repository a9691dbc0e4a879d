/* mstore/health.h - what is known of one member's health: whether to call it (a circuit breaker),
 * how long a call will take, after how long it is late.
 *
 * Breaker (Nygard, "Release It!", 2007). It guards against waiting, not against errors: an error
 * that comes at once costs nothing and is answered by asking another member.
 *
 *     closed      calls go through. CONNECTION and TIMEOUT open it at once, so that a dead member
 *                 costs one time-out; so do AUTH (repeated bad logins may lock an account),
 *                 UNTRUSTED and NO_STORE, which are about all keys alike, and IO, BUSY or PROTOCOL
 *                 when it took very long. BUSY, PROTOCOL, and calls that were cancelled when
 *                 already late open it when several follow each other.
 *     open        nobody calls, for a pause: as long as the call that opened it, at least 2 s;
 *                 doubled each time a probe fails; at most 5 minutes; then shortened by chance, by
 *                 a quarter at most, so that many clients do not knock at once.
 *     half open   the pause is over, one caller is let through as the probe, all others are still
 *                 refused. Success closes it. A probe that never ends is forgotten after a minute,
 *                 and another caller is let through.
 *
 * A call that began before the breaker opened does not count again when it fails; when it succeeds
 * the member is alive after all, and the next caller is the probe. A full disk (NO_SPACE, QUOTA)
 * answers, and can be read: it closes nothing, but ms_health_full advises writers.
 *
 * Speed: decaying means of latency and throughput, and a decaying histogram of how many times
 * longer than these said calls really took. Estimates come from calls that were asked for a known
 * number of bytes; MS_HEALTH_UNMEASURED keeps a call out of them.
 *
 * No I/O, no clock: time is handed in. Any thread.
 */
#ifndef MSTORE_HEALTH_H
#define MSTORE_HEALTH_H

#include <mstore/base.h>

struct ms_health;

struct ms_health_options {    /* zeros: defaults */
    uint64_t pause_ns;        /* 2 s: shortest first pause */
    uint64_t pause_max_ns;    /* 5 min */
    uint64_t probe_limit_ns;  /* 1 min: a probe that has not ended by then is forgotten */
    uint64_t slow_error_ns;   /* 5 s: an error of the member's that took so long opens */
    unsigned soft_failures;   /* 5: so many BUSY, PROTOCOL, late cancellations in a row open */
    uint64_t full_ns;         /* 1 min: how long a full member is passed over by writers */
    uint64_t late_floor_ns;   /* 2 ms: no call counts as late before */
    uint64_t late_unknown_ns; /* 500 ms: while too few calls are known */
};

int ms_health_new(uint64_t seed, struct ms_health **out, struct ms_error *err) MS_MUST_CHECK;
/* options NULL: defaults. */
int ms_health_new_with(const struct ms_health_options *options, uint64_t seed,
                       struct ms_health **out, struct ms_error *err) MS_MUST_CHECK;
void ms_health_free(struct ms_health *h);

/* 0: call it, then note. Else MS_ERR_CONNECTION with "MEMBER has not answered for 12 s: next try in
 * 18 s (LAST ERROR)". *probe: this call is the one that decides. */
int ms_health_admit(struct ms_health *h, const char *member, uint64_t now_ns, bool *probe,
                    struct ms_error *err) MS_MUST_CHECK;

/* For a caller that cannot do without the member (its majority needs it; `status`): a pause does
 * not keep it out. 0: call it, or, with *probe, see first whether it lives, and note that.
 * MS_ERR_BUSY: somebody else is just looking, ask again soon. MS_ERR_CONNECTION as above: that was
 * tried in vain a moment ago. After a try in vain the next one waits as long as it took, then twice
 * as long, at most 30 s: a dead member costs few time-outs even where everybody needs it. */
int ms_health_demand(struct ms_health *h, const char *member, uint64_t now_ns, bool *probe,
                     struct ms_error *err) MS_MUST_CHECK;

/* Ends a pause: somebody who waits for the answer wants to know now (`scrub`, `heal`). */
void ms_health_try_now(struct ms_health *h, uint64_t now_ns);

#define MS_HEALTH_UNMEASURED UINT64_MAX
enum ms_health_change { MS_HEALTH_SAME, MS_HEALTH_OPENED, MS_HEALTH_CLOSED_AGAIN };
/* After each admitted call: what came of it and how long it took. Returns what that did to the
 * breaker. bytes: moved by it, of one that
 * failed or was cancelled those it was to move (0 of a cancelled one: not known, then nothing
 * follows from it); MS_HEALTH_UNMEASURED for calls whose duration says nothing about a load's
 * (stores, which wait for a disk; listings): these still count for the breaker. What is wrong with
 * the key and not with the member (NOT_FOUND, EXISTS, RANGE, …) is health; CANCELLED is neither.
 * sentence may be NULL. */
enum ms_health_change ms_health_note(struct ms_health *h, bool probe, int code,
                                     const char *sentence, uint64_t now_ns, uint64_t spent_ns,
                                     uint64_t bytes);

/* How long a call that moves so many bytes is expected to take; for choosing the fastest member.
 * Unknown members get a guess (1 ms and 125 MB/s). Each question that is not followed by a call
 * makes the answer a little smaller (half after 128), so that a member that was slow once is tried
 * again: a member r times slower than the best is called once in 128 (r - 1) times, which costs
 * less than 1 % of the time whatever r is. */
uint64_t ms_health_expected_ns(const struct ms_health *h, uint64_t bytes);
/* How long a writer waits for this member's answer once enough others have given theirs: 4 times
 * what is late, and a second at least, so that a moment's trouble leaves no work for heal. Not so
 * while its breaker is not closed: a probe is no reason to wait longer than until it is late. */
uint64_t ms_health_grace_ns(const struct ms_health *h, uint64_t bytes);
/* After how long a call of so many bytes is late, and a hedge due: twice the 95th percentile of
 * recent calls. At the percentile itself every twentieth call would want a hedge, and a budget of
 * 2 % would be spent when a slow one comes. */
uint64_t ms_health_late_ns(const struct ms_health *h, uint64_t bytes);
/* The breaker is not closed. */
bool ms_health_away(const struct ms_health *h);
/* A store had no space within the last minute: write to others first. */
bool ms_health_full(const struct ms_health *h, uint64_t now_ns);

enum ms_health_state { MS_HEALTH_CLOSED, MS_HEALTH_OPEN, MS_HEALTH_HALF_OPEN };

struct ms_health_view {
    enum ms_health_state state;
    uint64_t changes;  /* of the state and of the next try; grows: when to save */
    uint64_t open_ns;  /* not closed: since so long */
    uint64_t next_ns;  /* not closed: next try in so long, 0: now */
    unsigned failures; /* times it opened without closing in between */
    uint64_t calls, errors, refused, opened;
    uint64_t expected_ns; /* of a call without bytes; 0: unknown */
    uint64_t p95_ns;      /* of that too; 0: unknown */
    uint64_t throughput;  /* bytes per second; 0: unknown */
    bool full;
    int last_code; /* 0: no error yet */
    int64_t last_wall_ns;
    char last_error[256];
};
/* now_ns and wall_ns: the two clocks at this moment. */
void ms_health_view(const struct ms_health *h, uint64_t now_ns, int64_t wall_ns,
                    struct ms_health_view *out);

/* What outlives the process (mstore/state.h), by wall clock. No sentence: it could hold an address.
 */
struct ms_health_saved {
    enum ms_health_state state;
    int64_t changed_wall_ns; /* when this came to be; pauses are counted from here */
    int64_t since_wall_ns;   /* not closed: when it opened first */
    int64_t next_wall_ns;    /* not closed: next try */
    unsigned failures;
    int last_code;
    int64_t last_wall_ns;
};
static inline bool ms_health_saved_equal(const struct ms_health_saved *a,
                                         const struct ms_health_saved *b)
{
    return a->state == b->state && a->changed_wall_ns == b->changed_wall_ns &&
           a->since_wall_ns == b->since_wall_ns && a->next_wall_ns == b->next_wall_ns &&
           a->failures == b->failures && a->last_code == b->last_code &&
           a->last_wall_ns == b->last_wall_ns;
}
void ms_health_save(const struct ms_health *h, uint64_t now_ns, int64_t wall_ns,
                    struct ms_health_saved *out);
/* Takes over what another process saved, unless this one knows something newer. True: it did. A
 * clock that was set back or forth never makes a pause longer than the longest. */
bool ms_health_restore(struct ms_health *h, const struct ms_health_saved *saved, uint64_t now_ns,
                       int64_t wall_ns);

#endif
