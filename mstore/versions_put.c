/* mstore/versions_put.c - putting a version at voters, and deleting what lies below it. */
#include "mstore/versions_parts.h"

#include "base/cleanup.h"
#include "base/sync.h"

#include <stdio.h>
#include <stdlib.h>

static int put_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    struct ms_errand_leg *one = &e->leg[leg];
    struct ms_name name;
    int code = ms_errand_name(e, one->held, &name, err);
    if (!code)
        code = ms_member_store(one->member, ms_name_view(&name), one->value, NULL, NULL, err);
    return code;
}

/* What voter i keeps of a version: a witness and a deletion are names alone. */
static int load_leg(struct ms_errand *e, const struct ms_versions *v, unsigned i,
                    const struct ms_version *version, const struct ms_frames *frames,
                    unsigned shard, struct ms_error *err)
{
    struct ms_held held = {.version = *version};
    bool data = !v->voter[i].witness && frames->count > 0;
    if (data)
        held.index = shard;
    else
        held.version.k = held.version.m = 0;
    int code = ms_errand_add(&e->leg[i], &held, err);
    if (code)
        return code;
    e->leg[i].value = data ? ms_buf_ref(frames->frame[held.index]) : ms_buf_new(0);
    return e->leg[i].value ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a version");
}

/* Who is not known to lack a version that is there may have it: to put it again would make it look
 * younger than it is. */
static bool gets_it(const struct ms_versions *v, unsigned i, const struct ms_version *version,
                    enum ms_put how)
{
    return v->voter[i].member && (how == MS_PUT_NEW || v->voter[i].answered) &&
           !ms_versions_held(v, i, version);
}

/* Starts the legs of all voters that are to get it. */
static int put_begin(struct ms_versions *v, const struct ms_version *version,
                     const struct ms_frames *frames, enum ms_put how, struct ms_errand **e,
                     struct ms_fan **fan, struct ms_error *err)
{
    MS_AUTO_FREE unsigned *shards = calloc(v->count, sizeof *shards);
    if (!shards)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a version");
    int code = ms_errand_new(v, put_leg, e, fan, err);
    if (code)
        return code;
    ms_versions_deal(v, version, shards);
    for (unsigned i = 0; i < v->count && !code; i++)
        if (gets_it(v, i, version, how))
            code = load_leg(*e, v, i, version, frames, shards[i], err);
    if (code) {
        ms_fan_release(*fan);
        return code;
    }
    for (unsigned i = 0; i < v->count; i++) {
        if (!(*e)->leg[i].count)
            continue;
        v->voter[i].why.code = 0;
        ms_fan_start(*fan, i);
    }
    return 0;
}

static void take_put(struct ms_versions *v, struct ms_errand *e, struct ms_fan *fan, unsigned leg)
{
    ms_errand_note(v, leg, fan);
    /* without memory to note it, it counts as not put */
    if (!v->voter[leg].why.code)
        (void)!ms_versions_add(v, leg, e->leg[leg].held, &v->voter[leg].why);
}

/* How long those that have not answered may take before it is plainly not normal. */
static uint64_t patience_ns(const struct ms_versions *v, const struct ms_frames *frames,
                            const bool ended[])
{
    uint64_t longest = 0, bytes = frames->count ? ms_buf_size(frames->frame[0]) : 0;
    for (unsigned i = 0; i < v->count; i++) {
        if (!v->voter[i].member || ended[i])
            continue;
        uint64_t grace = ms_health_grace_ns(ms_member_health(v->voter[i].member), bytes);
        longest = grace > longest ? grace : longest;
    }
    return longest;
}

static unsigned holders(const struct ms_versions *v, const struct ms_version *version)
{
    unsigned count = 0;
    for (unsigned i = 0; i < v->count; i++)
        count += ms_versions_held(v, i, version) != NULL;
    return count;
}

static int refuse_put(const struct ms_versions *v, const struct ms_version *version, bool store,
                      struct ms_error *err)
{
    char what[128];
    unsigned needed = store ? ms_versions_needed(version) : version->k;
    if (needed > ms_versions_majority(v))
        snprintf(what, sizeof what, "%u of %u members have it and %u with data are needed",
                 holders(v, version), v->count, needed);
    else
        snprintf(what, sizeof what, "%u of %u members have it and %u are needed",
                 holders(v, version), v->count, ms_versions_majority(v));
    return ms_versions_refuse(v, MS_ERR_CONNECTION, what, err);
}

bool ms_versions_stale(const struct ms_versions *v)
{
    return ms_clock_now(v->site->roster->clock) - v->listed_ns > MS_VERSIONS_LIFE_NS;
}

static bool enough(const struct ms_versions *v, const struct ms_version *version, bool store)
{
    return store ? ms_versions_durable(v, version) : ms_versions_complete(v, version);
}

static int put_round(struct ms_versions *v, const struct ms_version *version,
                     const struct ms_frames *frames, enum ms_put how, struct ms_error *err)
{
    struct ms_clock *clock = v->site->roster->clock;
    struct ms_errand *e;
    struct ms_fan *fan;
    unsigned leg;
    bool store = how != MS_PUT_COMPLETE, ended[MS_MEMBERS_MAX] = {0};
    if (ms_versions_stale(v))
        return ms_error_set(err, MS_ERR_TIMEOUT, "the members' listings took too long");
    int code = put_begin(v, version, frames, how, &e, &fan, err);
    if (code)
        return code;
    while (!enough(v, version, store) && ms_fan_next(fan, clock, UINT64_MAX, &leg)) {
        take_put(v, e, fan, leg);
        ended[leg] = true;
    }
    bool good = enough(v, version, store);
    uint64_t since = ms_clock_now(clock);
    while (store && good && ms_fan_next(fan, clock, since + patience_ns(v, frames, ended), &leg)) {
        take_put(v, e, fan, leg);
        ended[leg] = true;
    }
    ms_fan_release(fan);
    return good ? 0 : refuse_put(v, version, store, err);
}

static int put_until(struct ms_versions *v, const struct ms_version *version,
                     const struct ms_frames *frames, enum ms_put how, struct ms_error *err)
{
    int code = put_round(v, version, frames, how, err);
    if (!code || !ms_versions_wake(v))
        return code;
    if (how != MS_PUT_NEW)
        code = ms_versions_look(v, version, err); /* what those have that are awake now */
    return code && ms_check_cancelled(NULL) ? code : put_round(v, version, frames, how, err);
}

int ms_versions_put(struct ms_versions *v, const struct ms_version *version,
                    const struct ms_frames *frames, enum ms_put how, struct ms_error *err)
{
    int code = put_until(v, version, frames, how, err);
    if (!code) /* one that is being completed was not put at those who have not been asked */
        ms_versions_note(v, version, how == MS_PUT_NEW);
    return code;
}

/* ---- what lies below ---- */

static bool below(const struct ms_held *held, const struct ms_version *version)
{
    return ms_write_id_compare(&held->version.id, &version->id) < 0;
}

bool ms_versions_has_debris(const struct ms_versions *v, const struct ms_version *version)
{
    if (!ms_versions_durable(v, version))
        return false;
    for (unsigned i = 0; i < v->count; i++)
        for (size_t h = 0; h < v->voter[i].count; h++)
            if (below(&v->voter[i].held[h], version) && ms_versions_held(v, i, version))
                return true;
    return false;
}

/* The first of a leg's objects is the version that stays; with it alone, the voter has not been
 * listed yet. */
static int sweep_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    struct ms_errand_leg *one = &e->leg[leg];
    struct ms_version stays = one->held[0].version;
    int worst = one->count == 1 ? ms_errand_list(e, leg, err) : 0;
    for (size_t i = 0; i < one->count; i++) {
        struct ms_name name;
        if (!below(&one->held[i], &stays))
            continue;
        int code = ms_errand_name(e, &one->held[i], &name, err);
        if (!code)
            code = ms_member_delete(one->member, ms_name_view(&name), err);
        worst = code && code != MS_ERR_NOT_FOUND ? code : worst;
    }
    return worst;
}

/* What voter i, which holds the version, may lose. */
static int sweep_names(const struct ms_versions *v, unsigned i, const struct ms_version *version,
                       struct ms_errand_leg *leg, struct ms_error *err)
{
    int code = ms_errand_add(leg, ms_versions_held(v, i, version), err);
    for (size_t h = 0; h < v->voter[i].count && !code; h++)
        if (below(&v->voter[i].held[h], version))
            code = ms_errand_add(leg, &v->voter[i].held[h], err);
    return code;
}

void ms_versions_sweep(struct ms_versions *v, const struct ms_version *version, bool wait)
{
    struct ms_errand *e;
    struct ms_fan *fan;
    unsigned leg;
    if (!ms_versions_durable(v, version) || ms_errand_new(v, sweep_leg, &e, &fan, NULL))
        return;
    bool failed = false;
    for (unsigned i = 0; i < v->count && !failed; i++)
        if (ms_versions_held(v, i, version))
            failed = sweep_names(v, i, version, &e->leg[i], NULL);
    for (unsigned i = 0; i < v->count && !failed; i++)
        if (e->leg[i].count > (v->voter[i].answered ? 1 : 0))
            ms_fan_start(fan, i);
    while (wait && ms_fan_next(fan, v->site->roster->clock, UINT64_MAX, &leg))
        ms_errand_note(v, leg, fan);
    ms_fan_release(fan);
}
