/* mstore/versions_note.c - notes about voters that have missed a version, kept by those that have
 * it: heal looks at these keys first, and status counts the members among those that may not be
 * relied on. Nobody is believed more or less for them: the versions themselves say what is newest.
 *
 * One note for each voter and version; who notes a version takes away what is noted about the same
 * voter and versions below it. So a key that is stored again and again while a member is away has
 * one note about it. */
#include "mstore/versions_parts.h"

#include "base/cleanup.h"

#define PATIENCE_NS UINT64_C(1000000000)

/* At a keeper, about the voter of another leg. The first of a keeper's objects is the version, the
 * others are below it. */
static int note_one(struct ms_errand *e, struct ms_errand_leg *keeper, unsigned about,
                    struct ms_error *err)
{
    struct ms_own_name own = e->own;
    struct ms_name name;
    int code = 0;
    own.kind = MS_OWN_HINT;
    own.member = e->roster->layout->members[e->leg[about].index].uuid;
    for (size_t i = 0; i < keeper->count && !code; i++) {
        own.id = keeper->held[i].version.id;
        code = ms_own_format(&own, 0, &name, err);
        if (!code && i == 0)
            code = ms_member_store(keeper->member, ms_name_view(&name), keeper->value, NULL, NULL,
                                   err);
        else if (!code)
            (void)!ms_member_delete(keeper->member, ms_name_view(&name), NULL);
    }
    return code;
}

/* A keeper has a value to put, who has missed the version has none. */
static int note_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    int code = 0;
    for (unsigned i = 0; i < e->legs && !code; i++)
        if (e->leg[i].count && !e->leg[i].value)
            code = note_one(e, &e->leg[leg], i, err);
    return code;
}

static bool has_id(const struct ms_errand_leg *leg, const struct ms_write_id *id)
{
    for (size_t i = 0; i < leg->count; i++)
        if (ms_write_id_compare(&leg->held[i].version.id, id) == 0)
            return true;
    return false;
}

/* The version, and those below it that anybody was seen to have. */
static int make_keeper(const struct ms_versions *v, const struct ms_version *version,
                       struct ms_errand_leg *leg, struct ms_error *err)
{
    int code = ms_errand_add(leg, &(struct ms_held){.version = *version}, err);
    for (unsigned i = 0; i < v->count; i++)
        for (size_t h = 0; h < v->voter[i].count && !code; h++) {
            const struct ms_held *held = &v->voter[i].held[h];
            if (ms_write_id_compare(&held->version.id, &version->id) < 0 &&
                !has_id(leg, &held->version.id))
                code = ms_errand_add(leg, held, err);
        }
    leg->value = code ? NULL : ms_buf_new(0);
    return leg->value || code ? code : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a note");
}

static bool lacks(const struct ms_versions *v, unsigned i, const struct ms_version *version,
                  bool all)
{
    return !ms_versions_reaches(v, i, version) && (all || v->voter[i].why.code);
}

static int prepare(const struct ms_versions *v, const struct ms_version *version, bool all,
                   struct ms_errand *e, struct ms_error *err)
{
    int code = 0;
    for (unsigned i = 0; i < v->count && !code; i++)
        if (lacks(v, i, version, all))
            code = ms_errand_add(&e->leg[i], &(struct ms_held){.version = *version}, err);
        else if (ms_versions_held(v, i, version))
            code = make_keeper(v, version, &e->leg[i], err);
    return code;
}

void ms_versions_note(const struct ms_versions *v, const struct ms_version *version, bool all)
{
    struct ms_clock *clock = v->site->roster->clock;
    struct ms_errand *e;
    struct ms_fan *fan;
    unsigned leg, missed = 0;
    for (unsigned i = 0; i < v->count; i++)
        missed += lacks(v, i, version, all);
    if (!missed || ms_errand_new(v, note_leg, &e, &fan, NULL))
        return;
    uint64_t deadline = ms_clock_now(clock) + PATIENCE_NS;
    if (!prepare(v, version, all, e, NULL))
        for (unsigned i = 0; i < v->count; i++)
            if (e->leg[i].value)
                ms_fan_start(fan, i);
    while (ms_fan_next(fan, clock, deadline, &leg))
        continue;
    ms_fan_release(fan); /* the rest goes on */
}
