/* base/fan.c - see base/fan.h. A list of the legs that have ended, in their order, under a mutex
 * that is held for a few instructions. The caller's thread alone reads a leg that it took from it.
 * References: the caller's, and one for each leg under way. */
#include "base/fan.h"

#include "base/assert.h"
#include "base/pool_threads.h"

#include <stdlib.h>

struct leg {
    struct ms_fan *fan;
    bool started;
    int code;
    struct ms_error err;
};

struct ms_fan {
    ms_fan_fn fn;
    void (*release)(void *shared);
    void *shared;
    struct ms_group *group;
    unsigned count, started, taken; /* the caller's */
    struct ms_mutex mutex;
    struct ms_cond changed;
    unsigned refs, ended; /* guarded by mutex, and: */
    unsigned *order;      /* legs as they ended */
    struct leg legs[];
};

static void fan_free(struct ms_fan *f)
{
    ms_cond_fini(&f->changed);
    ms_mutex_fini(&f->mutex);
    ms_group_release(f->group);
    free(f->order);
    free(f);
}

int ms_fan_new(unsigned legs, ms_fan_fn fn, void (*release)(void *shared), void *shared,
               struct ms_fan **out, struct ms_error *err)
{
    struct ms_fan *f = calloc(1, sizeof *f + legs * sizeof *f->legs);
    unsigned *order = calloc(legs + 1, sizeof *order);
    if (!f || !order) {
        free(f);
        free(order);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for calls on several storages");
    }
    int code = ms_group_new(&f->group, err);
    if (code) {
        free(f);
        free(order);
        return code;
    }
    ms_mutex_init(&f->mutex);
    ms_cond_init(&f->changed);
    f->fn = fn;
    f->release = release;
    f->shared = shared;
    f->count = legs;
    f->order = order;
    f->refs = 1;
    for (unsigned i = 0; i < legs; i++)
        f->legs[i].fan = f;
    *out = f;
    return 0;
}

static bool unref(struct ms_fan *f)
{
    MS_HOLD(&f->mutex);
    return --f->refs == 0;
}

static void give_back(struct ms_fan *f)
{
    if (!unref(f))
        return;
    if (f->release)
        f->release(f->shared);
    fan_free(f);
}

static void ended(struct leg *leg)
{
    struct ms_fan *f = leg->fan;
    ms_mutex_lock(&f->mutex);
    f->order[f->ended++] = (unsigned)(leg - f->legs);
    ms_cond_broadcast_unlock(&f->changed, &f->mutex); /* the leg's reference keeps the fan */
    give_back(f);
}

static int run_leg(void *arg)
{
    struct leg *leg = arg;
    struct ms_fan *f = leg->fan;
    leg->code = f->fn(f->shared, (unsigned)(leg - f->legs), &leg->err);
    return leg->code;
}

static void leg_done(void *arg)
{
    ended(arg);
}

void ms_fan_start(struct ms_fan *f, unsigned index)
{
    ms_assert(index < f->count && !f->legs[index].started);
    struct leg *leg = &f->legs[index];
    leg->started = true;
    leg->code = ms_error_set(&leg->err, MS_ERR_CANCELLED, "cancelled"); /* unless it runs */
    leg->err.code = leg->code;
    f->started++;
    {
        MS_HOLD(&f->mutex);
        f->refs++;
    }
    int code = ms_group_fork(f->group, run_leg, leg_done, leg, &leg->err);
    if (code) {
        leg->code = code;
        ended(leg);
    }
}

unsigned ms_fan_running(const struct ms_fan *f)
{
    return f->started - f->taken;
}

static bool any_ended(struct ms_fan *f)
{
    MS_HOLD(&f->mutex);
    return f->ended > f->taken;
}

bool ms_fan_next(struct ms_fan *f, struct ms_clock *clock, uint64_t deadline_ns, unsigned *leg)
{
    if (!ms_fan_running(f))
        return false;
    /* where no thread may come the legs run here, deadline or not */
    for (struct ms_task *t; !any_ended(f) && (t = ms_pool_take_if_short(f->group));)
        ms_task_run(t);
    MS_HOLD(&f->mutex);
    while (f->ended == f->taken)
        if (!ms_cond_wait_until(&f->changed, &f->mutex, clock, deadline_ns) &&
            f->ended == f->taken && ms_clock_now(clock) >= deadline_ns)
            return false;
    *leg = f->order[f->taken++];
    return true;
}

int ms_fan_code(const struct ms_fan *f, unsigned leg)
{
    return f->legs[leg].code;
}

const struct ms_error *ms_fan_error(const struct ms_fan *f, unsigned leg)
{
    return &f->legs[leg].err;
}

void ms_fan_cancel(struct ms_fan *f)
{
    ms_group_cancel(f->group);
}

void ms_fan_release(struct ms_fan *f)
{
    if (f)
        give_back(f);
}
