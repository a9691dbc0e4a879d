/* mstore/hedge.c - see mstore/hedge.h. Counts in thousandths of a token. */
#include "mstore/hedge.h"

#include "base/sync.h"

#include <stdlib.h>

#define TOKEN     1000u
#define BURST_MAX 1000000u

struct ms_hedge {
    struct ms_hedge *self; /* for those who have a const one, and lock it */
    struct ms_mutex mutex;
    uint64_t earn, most, saved;
    uint64_t firsts, hedges, refused;
};

int ms_hedge_new(const struct ms_hedge_options *options, struct ms_hedge **out,
                 struct ms_error *err)
{
    unsigned earn = options && options->earn_per_mille ? options->earn_per_mille : 20;
    unsigned burst = options && options->burst ? options->burst : 10;
    if (earn > TOKEN || burst > BURST_MAX)
        return ms_error_set(err, MS_ERR_INVALID,
                            "%u per mille and a burst of %u are no budget for hedged requests: at "
                            "most %u and %u",
                            earn, burst, TOKEN, BURST_MAX);
    struct ms_hedge *h = calloc(1, sizeof *h);
    if (!h)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the budget of hedged requests");
    ms_mutex_init(&h->mutex);
    h->self = h;
    h->earn = earn;
    h->most = h->saved = (uint64_t)burst * TOKEN;
    *out = h;
    return 0;
}

void ms_hedge_free(struct ms_hedge *h)
{
    if (!h)
        return;
    ms_mutex_fini(&h->mutex);
    free(h);
}

static void save(struct ms_hedge *h, uint64_t more)
{
    h->saved = more < h->most - h->saved ? h->saved + more : h->most;
}

void ms_hedge_first(struct ms_hedge *h)
{
    MS_HOLD(&h->mutex);
    h->firsts++;
    save(h, h->earn);
}

bool ms_hedge_take(struct ms_hedge *h)
{
    MS_HOLD(&h->mutex);
    if (h->saved < TOKEN) {
        h->refused++;
        return false;
    }
    h->saved -= TOKEN;
    h->hedges++;
    return true;
}

void ms_hedge_give_back(struct ms_hedge *h)
{
    MS_HOLD(&h->mutex);
    h->hedges -= h->hedges > 0;
    save(h, TOKEN);
}

void ms_hedge_view(const struct ms_hedge *h, struct ms_hedge_view *out)
{
    MS_HOLD(&h->self->mutex);
    *out = (struct ms_hedge_view){h->firsts, h->hedges, h->refused, (unsigned)(h->saved / TOKEN)};
}
