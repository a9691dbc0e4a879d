/* mstore/plan.h - what a layout is worth before a single member is touched: what it stores for a
 * byte, what it bears, how likely a loss is, how many requests and what money its calls take.
 *
 * Durability. Members fail independently of each other, each with the same chance in a year
 * (yearly_failure), at a constant rate; each is replaced and filled again by itself within a mean
 * time (repair). A value whose n members tolerate t losses is lost when t + 1 of them are failed at
 * once. That is a birth-death Markov chain, whose mean time to absorption is computed exactly
 * (Gibson and Patterson, "Designing disk arrays for high data reliability", 1993):
 *
 *      n L       (n-1) L             (n-t) L        L: failures per year of one member
 *   0 -----> 1 ---------> 2 ... t -----------> lost M: repairs per year, one each
 *     <-----   <---------
 *       M         2 M
 *
 * What the model leaves out: failures with a common cause (one house, one provider, one mistake),
 * which dominate from about nine nines on, latent damage that nobody scrubs, members that come
 * back.
 *
 * Pure functions, any thread. */
#ifndef MSTORE_PLAN_H
#define MSTORE_PLAN_H

#include "mstore/layout.h"

struct ms_plan_options {
    double yearly_failure;          /* of a member: above 0, below 1 */
    uint64_t repair_ns;             /* until a failed one is replaced and filled; at least 1 s */
    uint64_t value_bytes;           /* of a typical value; at least 1 */
    double price_write, price_read; /* of 1000 requests; writes: puts and listings */
};
#define MS_PLAN_OPTIONS_INIT                                                                       \
    {                                                                                              \
        .yearly_failure = 0.02, .repair_ns = UINT64_C(12) * 3600 * 1000000000,                     \
        .value_bytes = 1u << 20                                                                    \
    }

/* Requests to members for one call, when all are well. */
struct ms_plan_requests {
    unsigned puts, lists, gets, deletes;
    double price; /* of a million calls; deletions cost nothing */
};

struct ms_plan_space {
    const struct ms_layout_space *space; /* borrowed */
    unsigned members;                    /* that have something of a value, or vote on it */
    unsigned tolerates;                  /* so many of them may be lost */
    double overhead;                     /* bytes stored for a byte of the value */
    double loss_years;                   /* mean time until a value is lost */
    double loss_per_year, nines;         /* the chance of that within a year; -log10 of it */
    double any_per_year, any_nines;      /* that any of very many values is lost */
    struct ms_plan_requests put, get;    /* put: over a value that is there */
};

/* Mean years until more than t of n members are failed at once; failures and repairs per year of
 * one member. t < n. */
double ms_plan_loss_years(unsigned n, unsigned t, double failures, double repairs);

/* Of one namespace. MS_ERR_INVALID: options out of their limits. */
int ms_plan_space(const struct ms_layout *layout, const struct ms_layout_space *space,
                  const struct ms_plan_options *options, struct ms_plan_space *out,
                  struct ms_error *err) MS_MUST_CHECK;

#endif
