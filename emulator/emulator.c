/* emulator/emulator.c - the making of an emulator, and the controls that tests turn.
 *
 * An emulator owns its inner backend and shares its statistics entity: calls are counted in front,
 * with the delay kept apart, bytes really moved behind. Slots that the inner backend leaves empty
 * stay empty here, so that the generic fallback runs over the emulator and its loads and stores pay
 * for the wire.
 */
#include "emulator/emulator.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/entity.h"

#include <stdlib.h>

void ms_emulation_init(struct ms_emulation *e)
{
    *e = (struct ms_emulation){.struct_size = sizeof *e};
}

static int check_fault(const struct ms_fault *f, struct ms_error *err)
{
    if (f->verb < 0 || f->verb > MS_VERB_COUNT)
        return ms_error_set(err, MS_ERR_INVALID, "fault of an unknown verb %d", f->verb);
    if (f->kind == MS_FAULT_RATE && !(f->rate >= 0 && f->rate <= 1))
        return ms_error_set(err, MS_ERR_INVALID, "fault rate of %s is not between 0 and 1",
                            f->verb == MS_VERB_COUNT ? "any" : ms_verb_name(f->verb));
    if (f->kind != MS_FAULT_RATE && f->nth == 0)
        return ms_error_set(err, MS_ERR_INVALID, "calls are counted from 1, not from 0");
    if (f->code > 0)
        return ms_error_set(err, MS_ERR_INVALID, "fault code %d is no error", f->code);
    return 0;
}

static int check(const struct ms_emulation *e, struct ms_error *err)
{
    if (e->struct_size != sizeof *e)
        return ms_error_set(err, MS_ERR_INVALID,
                            "struct ms_emulation was not set up by ms_emulation_init");
    if (!(e->torn_rate >= 0 && e->torn_rate <= 1) || !(e->flip_rate >= 0 && e->flip_rate <= 1))
        return ms_error_set(err, MS_ERR_INVALID, "torn and flip rates are between 0 and 1");
    return 0;
}

/* Checks and copies; *out is NULL when there is none. */
static int plan_faults(const struct ms_fault *faults, size_t count, struct ms_planned **out,
                       struct ms_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int rc = check_fault(&faults[i], err);
        if (rc < 0)
            return rc;
    }
    struct ms_planned *planned = count ? calloc(count, sizeof *planned) : NULL;
    if (count && !planned)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %zu faults", count);
    for (size_t i = 0; i < count; i++)
        planned[i].fault = faults[i];
    *out = planned;
    return 0;
}

/* The emulator's table without the slots that inner leaves to the generic fallbacks. */
static struct ms_backend_ops ops_like(const struct ms_backend_ops *inner)
{
    struct ms_backend_ops ops = ms_emulator_ops;
    if (!inner->batch)
        ops.batch = NULL;
    if (!inner->hash)
        ops.hash = NULL;
    if (!inner->compose)
        ops.compose = NULL;
    if (!inner->copy)
        ops.copy = NULL;
    if (!inner->usage)
        ops.usage = NULL;
    if (!inner->sweep)
        ops.sweep = NULL;
    return ops;
}

int ms_emulator_new(struct ms_backend *inner, const struct ms_emulation *e, struct ms_backend **out,
                    struct ms_error *err)
{
    int rc = check(e, err);
    if (rc < 0)
        return rc;
    struct ms_planned *faults = NULL;
    rc = plan_faults(e->faults, e->fault_count, &faults, err);
    if (rc < 0)
        return rc;
    struct ms_emulator *em = calloc(1, sizeof *em);
    if (!em) {
        free(faults);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for an emulator", inner->url);
    }
    em->ops = ops_like(inner->ops);
    em->base = (struct ms_backend){.ops = &em->ops, .clock = inner->clock};
    memcpy(em->base.url, inner->url, sizeof em->base.url);
    if (inner->stats)
        em->base.stats = ms_entity_get(MS_STATS_BACKEND, inner->url, "");
    inner->inner = true;
    em->inner = inner;
    em->settings = *e;
    em->settings.faults = NULL;
    em->settings.fault_count = 0;
    em->seed = e->seed;
    em->up.bps = e->up_bps;
    em->down.bps = e->down_bps;
    em->locked.faults = faults;
    em->locked.fault_count = e->fault_count;
    atomic_init(&em->gone, false);
    ms_mutex_init(&em->mutex);
    ms_cond_init(&em->hung_out);
    *out = &em->base;
    return 0;
}

/* ---- from a URL ---- */

static uint64_t mix_seeds(uint64_t a, uint64_t b)
{
    struct ms_random random;
    ms_random_seed(&random, a);
    uint64_t first = ms_random_u64(&random);
    ms_random_seed(&random, first ^ b);
    return ms_random_u64(&random);
}

int ms_emulator_make_url(struct ms_url *url, const struct ms_backend_env *env, bool env_defaults,
                         struct ms_backend **out, struct ms_error *err)
{
    struct ms_emulation e;
    ms_emulation_init(&e);
    bool any = false;
    int rc = env_defaults ? ms_emulation_from_environment(&e, &any, err) : 0;
    if (rc == 0)
        rc = ms_emulation_from_url(url, &e, &any, err);
    if (rc < 0)
        return rc;
    /* Freed on every way out; the emulator copies. */
    MS_AUTO_FREE __attribute__((unused)) const struct ms_fault *faults = e.faults;
    e.seed = mix_seeds(env ? env->seed : 0, e.seed);
    struct ms_backend *inner = NULL;
    rc = ms_backend_make_url(url, env, &inner, err);
    if (rc < 0)
        return rc;
    if (!any) {
        *out = inner;
        return 0;
    }
    rc = ms_emulator_new(inner, &e, out, err);
    if (rc < 0)
        ms_backend_free(inner);
    return rc;
}

/* ---- controls ---- */

static int emulator_checked(struct ms_backend *b, struct ms_emulator **out, struct ms_error *err)
{
    if (b->ops->store != ms_emulator_ops.store)
        return ms_error_set(err, MS_ERR_INVALID, "%s is not an emulated backend", b->url);
    *out = ms_emulator_of(b);
    return 0;
}

int ms_emulator_set_gone(struct ms_backend *b, bool gone, struct ms_error *err)
{
    struct ms_emulator *em = NULL;
    int rc = emulator_checked(b, &em, err);
    if (rc == 0)
        atomic_store(&em->gone, gone);
    return rc;
}

int ms_emulator_set_faults(struct ms_backend *b, const struct ms_fault *faults, size_t count,
                           struct ms_error *err)
{
    struct ms_emulator *em = NULL;
    struct ms_planned *planned = NULL;
    int rc = emulator_checked(b, &em, err);
    if (rc == 0)
        rc = plan_faults(faults, count, &planned, err);
    if (rc < 0)
        return rc;
    MS_AUTO_FREE struct ms_planned *old = NULL;
    MS_HOLD(&em->mutex);
    old = em->locked.faults;
    em->locked.faults = planned;
    em->locked.fault_count = count;
    return 0;
}

uint64_t ms_emulator_calls(struct ms_backend *b, int verb)
{
    struct ms_emulator *em = NULL;
    if (emulator_checked(b, &em, NULL) < 0)
        return 0;
    ms_assert(verb >= 0 && verb <= MS_VERB_COUNT);
    MS_HOLD(&em->mutex);
    return em->locked.calls[verb];
}
