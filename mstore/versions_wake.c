/* mstore/versions_wake.c - asking voters in earnest that failed, or whose breaker kept a call: a
 * majority needs them, so slow is better than not at all. */
#include "mstore/versions_parts.h"

static int wake_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    return ms_member_insist(e->leg[leg].member, err);
}

/* It has answered; asking again changes nothing. */
static bool has_refused(const struct ms_voter *one)
{
    return one->why.code == MS_ERR_NO_SPACE || one->why.code == MS_ERR_QUOTA ||
           one->why.code == MS_ERR_ACCESS;
}

bool ms_versions_wake(struct ms_versions *v)
{
    struct ms_errand *e;
    struct ms_fan *fan;
    unsigned leg, awake = 0, well = 0;
    if (ms_check_cancelled(NULL) || ms_errand_new(v, wake_leg, &e, &fan, NULL))
        return false;
    for (unsigned i = 0; i < v->count; i++) {
        if (!v->voter[i].member || has_refused(&v->voter[i]))
            continue;
        if (v->voter[i].why.code)
            ms_fan_start(fan, i);
        else
            well++;
    }
    while (well + awake < ms_versions_wanted(v) &&
           ms_fan_next(fan, v->site->roster->clock, UINT64_MAX, &leg)) {
        if (ms_fan_code(fan, leg))
            continue;
        awake++;
        v->voter[leg].asked = v->voter[leg].answered;
        v->voter[leg].why.code = 0;
    }
    ms_fan_release(fan);
    return awake > 0;
}
