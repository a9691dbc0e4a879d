/* mstore/lease_parts.h - inside of a lease: what one poll brings, and what is kept. */
#ifndef MSTORE_LEASE_PARTS_H
#define MSTORE_LEASE_PARTS_H

#include "base/pool.h"
#include "base/sync.h"
#include "mstore/away.h"
#include "mstore/lease.h"

/* What one member says. */
struct ms_news {
    uint64_t epoch; /* the newest layout's; 0: none */
    bool final;
    struct ms_away *marks;
    size_t count;
};

/* A mark that was seen. */
struct ms_mark_seen {
    struct ms_away_known known;
    unsigned keepers; /* in the newest poll */
    bool stands;      /* since known.since_ns */
};

struct ms_lease {
    uint64_t term_ns;
    struct ms_mutex mutex; /* of all that follows */
    struct ms_cond changed;
    struct ms_random random;
    bool polling;
    bool known[2];        /* by part: there is an answer, that was asked for at: */
    uint64_t began_ns[2]; /* by ms_lease_now */
    uint64_t lost_until_ns;
    uint64_t epoch;
    bool final;
    struct ms_mark_seen *seen;
    size_t count;
    struct ms_away_known past[MS_AWAY_KEPT]; /* what processes before this one saw */
    size_t past_count;
    struct ms_group *background; /* NULL: none yet */
    bool stopped;
};

/* For who waits: a term by anybody's clock. */
static inline uint64_t ms_lease_wait_ns(const struct ms_lease *l)
{
    return l->term_ns + l->term_ns / 10 + 1;
}
/* Under the mutex. Who closes a mark gives it a second name. */
bool ms_lease_is_closing(const struct ms_lease *l, const struct ms_away *mark);
/* Asks all members for the parts, until enough have answered and, if `patient`, those that answer
 * in the usual time. Takes over what they say. MS_ERR_…: too few answered. */
int ms_lease_ask(struct ms_roster *r, unsigned parts, bool patient,
                 struct ms_error *err) MS_MUST_CHECK;

#endif
