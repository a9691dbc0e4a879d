/* mstore/hedge.h - how many extra requests may be sent: a token budget for hedged requests.
 *
 * A hedge is the same request once more, to another member, when the first is late (Dean and
 * Barroso, "The Tail at Scale", 2013). It cures a slow member, and kills an overloaded one: so each
 * first request earns a fraction of a token (2 %), a hedge costs a whole one, and no more than a
 * few (10) are saved up. In any window of n first requests at most 2 % of n, and 10, are extra.
 *
 * Any thread. */
#ifndef MSTORE_HEDGE_H
#define MSTORE_HEDGE_H

#include <mstore/base.h>

struct ms_hedge;

struct ms_hedge_options {    /* zeros: defaults */
    unsigned earn_per_mille; /* 20; at most 1000 */
    unsigned burst;          /* 10; at most 1000000 */
};

/* options NULL: defaults. Begins with a full burst, so that a short program has some too. */
int ms_hedge_new(const struct ms_hedge_options *options, struct ms_hedge **out,
                 struct ms_error *err) MS_MUST_CHECK;
void ms_hedge_free(struct ms_hedge *h);

/* A first request goes out. */
void ms_hedge_first(struct ms_hedge *h);
/* True: an extra one may go out, and is paid for. */
bool ms_hedge_take(struct ms_hedge *h);
/* It was not sent after all. */
void ms_hedge_give_back(struct ms_hedge *h);

struct ms_hedge_view {
    uint64_t firsts, hedges, refused;
    unsigned tokens; /* whole ones */
};
void ms_hedge_view(const struct ms_hedge *h, struct ms_hedge_view *out);

#endif
