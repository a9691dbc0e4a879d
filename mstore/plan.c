/* mstore/plan.c - see mstore/plan.h. */
#include "mstore/plan.h"

#include "mstore/frame.h"
#include "mstore/stripe.h"

#include "base/assert.h"

#include <math.h>

#define YEAR_S (365.25 * 86400)

/* From i failed members it takes, on the average, T(i) = (1 + i M T(i-1)) / ((n-i) L) years until
 * i + 1 are failed: the first step either gets there or falls back by one. */
double ms_plan_loss_years(unsigned n, unsigned t, double failures, double repairs)
{
    double step = 0, years = 0;
    ms_assert(t < n && failures > 0);
    for (unsigned i = 0; i <= t; i++) {
        step = (1 + i * repairs * step) / ((n - i) * failures);
        years += step;
    }
    return years;
}

/* ---- what is stored ---- */

static uint64_t object_bytes(const struct ms_layout_space *s, struct ms_stripe stripe, unsigned i)
{
    struct ms_frame_header header = {.block_size = MS_FRAME_BLOCK_DEFAULT};
    if (s->kind == MS_KIND_PLAIN)
        return stripe.length;
    return ms_frame_plain_size(&header, ms_stripe_shard_length(stripe, i));
}

static double overhead(const struct ms_layout *l, const struct ms_layout_space *s,
                       uint64_t value_bytes)
{
    bool ec = s->redundancy == MS_REDUNDANCY_EC;
    struct ms_stripe stripe = {ec ? s->k : 1, MS_FRAME_BLOCK_DEFAULT, value_bytes};
    unsigned objects = ms_layout_targets(l, s);
    double stored = 0;
    for (unsigned i = 0; i < objects; i++)
        stored += (double)object_bytes(s, stripe, ec ? i : 0);
    return stored / (double)value_bytes;
}

/* ---- how long it lasts ---- */

/* Those who may hold values, and one witness where there is one to vote. */
static unsigned population(const struct ms_layout *l, bool votes)
{
    unsigned members = 0, witnesses = 0;
    for (size_t i = 0; i < l->member_count; i++) {
        members += l->members[i].state == MS_ACTIVE || l->members[i].state == MS_READONLY;
        witnesses += l->members[i].state == MS_WITNESS;
    }
    return members + (votes && witnesses > 0);
}

static bool has_witness(const struct ms_layout *l)
{
    return population(l, true) > population(l, false);
}

static void durability(struct ms_plan_space *p, const struct ms_layout *l,
                       const struct ms_plan_options *o)
{
    bool votes = p->members > ms_layout_targets(l, p->space);
    unsigned all = population(l, votes);
    double failures = -log1p(-o->yearly_failure), repairs = YEAR_S / ((double)o->repair_ns / 1e9);
    double any =
        ms_plan_loss_years(all > p->members ? all : p->members, p->tolerates, failures, repairs);
    p->loss_years = ms_plan_loss_years(p->members, p->tolerates, failures, repairs);
    p->loss_per_year = -expm1(-1 / p->loss_years);
    p->nines = -log10(p->loss_per_year);
    p->any_per_year = -expm1(-1 / any);
    p->any_nines = -log10(p->any_per_year);
}

/* ---- what it costs ---- */

static void price(struct ms_plan_requests *r, const struct ms_plan_options *o)
{
    r->price = 1000 * ((r->puts + r->lists) * o->price_write + r->gets * o->price_read);
}

/* Whether the key has another value already (mstore/immutable_rival.c). */
static unsigned glances(const struct ms_layout *l, const struct ms_layout_space *s,
                        unsigned targets)
{
    unsigned most = targets / 2 + 1, shards = s->k + s->m / 2;
    unsigned least = population(l, false) + 1 - (shards > most ? shards : most);
    return least < targets ? least : targets;
}

static void requests(struct ms_plan_space *p, const struct ms_layout *l,
                     const struct ms_plan_options *o)
{
    const struct ms_layout_space *s = p->space;
    unsigned targets = ms_layout_targets(l, s);
    unsigned k = s->redundancy == MS_REDUNDANCY_EC ? s->k : 1;
    unsigned majority = p->members / 2 + 1;
    p->put = (struct ms_plan_requests){.puts = targets};
    p->get = (struct ms_plan_requests){.gets = k};
    if (s->kind == MS_KIND_MUTABLE) { /* the version before is found, and goes, at each of them */
        p->put = (struct ms_plan_requests){
            .puts = p->members, .lists = p->members, .deletes = p->members};
        p->get.lists = k > majority ? k : majority;
    } else if (s->kind == MS_KIND_IMMUTABLE && k > 1 && !s->verify) {
        p->get.lists = k; /* names have an ID of their own */
        p->put.lists = glances(l, s, targets);
    }
    price(&p->put, o);
    price(&p->get, o);
}

/* ---- all of it ---- */

static int check(const struct ms_plan_options *o, struct ms_error *err)
{
    if (!(o->yearly_failure > 0 && o->yearly_failure < 1))
        return ms_error_set(err, MS_ERR_INVALID,
                            "a yearly rate of failures lies between 0 and 1, such as 2%%");
    if (o->repair_ns < UINT64_C(1000000000))
        return ms_error_set(err, MS_ERR_INVALID,
                            "the time to replace and fill a member is at least 1 s, such as 12h");
    if (o->value_bytes < 1 || o->value_bytes > MS_STRIPE_VALUE_MAX)
        return ms_error_set(err, MS_ERR_INVALID, "a value has 1 byte at least, and 64 PiB at most");
    if (!(o->price_write >= 0 && o->price_read >= 0))
        return ms_error_set(err, MS_ERR_INVALID, "a price is not below 0");
    return 0;
}

int ms_plan_space(const struct ms_layout *l, const struct ms_layout_space *s,
                  const struct ms_plan_options *o, struct ms_plan_space *out, struct ms_error *err)
{
    int code = check(o, err);
    unsigned targets = ms_layout_targets(l, s);
    if (!code && targets == 0)
        code = ms_error_set(err, MS_ERR_CONFIG, "[namespace %s] has no member to be stored on",
                            s->name);
    if (code)
        return code;
    *out = (struct ms_plan_space){.space = s, .members = targets};
    if (s->kind == MS_KIND_MUTABLE && targets % 2 == 0 && has_witness(l))
        out->members++;
    out->tolerates = ms_layout_tolerates(l, s);
    out->overhead = overhead(l, s, o->value_bytes);
    durability(out, l, o);
    requests(out, l, o);
    return 0;
}
