/* mstore/voters.c - see mstore/voters.h. */
#include "mstore/voters.h"

#include "base/fan.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

struct ms_voters_home {
    struct ms_value_home of;
};

static void round_free(void *shared)
{
    struct ms_voters *v = shared;
    if (v->home) {
        ms_value_home_fini(&v->home->of);
        free(v->home);
    }
    v->free(v);
}

unsigned ms_voters_count(const struct ms_site *site)
{
    return site->order.targets + (site->order.targets % 2 == 0 && site->order.witnesses);
}

unsigned ms_voters_member(const struct ms_site *site, unsigned i)
{
    return site->order.member[i < site->order.targets ? i : site->order.data];
}

static int voter_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_voters *v = shared;
    const struct ms_site *site = &v->home->of.site;
    struct ms_member *m = NULL;
    unsigned count = ms_voters_count(site);
    int code = ms_value_member(site, ms_voters_member(site, leg % count), &m, err);
    if (!code && leg >= count)
        code = ms_member_insist(m, err);
    return code ? code : v->call(v, site, leg % count, m, err);
}

static int round_start(const struct ms_site *site, struct ms_voters *v, struct ms_fan **out,
                       struct ms_error *err)
{
    v->home = calloc(1, sizeof *v->home);
    int code = v->home ? ms_value_home_init(&v->home->of, site, NULL, err)
                       : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for asking members");
    if (!code)
        code = ms_fan_new(2 * ms_voters_count(site), voter_leg, round_free, v, out, err);
    if (code)
        round_free(v);
    return code;
}

int ms_voters_ask(const struct ms_site *site, struct ms_voters *v, unsigned need,
                  uint64_t patience_ns, const char *what, struct ms_error *err)
{
    struct ms_fan *fan = NULL;
    struct ms_error blame = {0};
    char shown[MS_VALUE_SHOWN];
    unsigned good = 0, leg, count = ms_voters_count(site);
    bool reads = v->reads;
    int code = round_start(site, v, &fan, err);
    if (code)
        return code;
    bool done[MS_MEMBERS_MAX] = {0};
    uint64_t deadline = UINT64_MAX;
    for (unsigned round = 0; round < 2 && good < need && !ms_check_cancelled(NULL); round++) {
        for (unsigned i = 0; i < count; i++)
            if (!done[i])
                ms_fan_start(fan, round * count + i);
        while ((patience_ns || good < need) &&
               ms_fan_next(fan, site->roster->clock, deadline, &leg)) {
            if (ms_fan_code(fan, leg)) {
                if (round == 0)
                    ms_value_blame(&blame, ms_fan_error(fan, leg));
                continue;
            }
            unsigned voter = leg < count ? leg : leg - count;
            done[voter] = true;
            if (v->good)
                v->good(v, voter);
            if (++good == need)
                deadline = ms_clock_now(site->roster->clock) + patience_ns;
        }
    }
    if (good < need)
        code = ms_error_set(err, blame.code ? blame.code : MS_ERR_CANCELLED,
                            "%s: %s needs %u of %u members, %u did it: %s",
                            ms_value_shown(site, shown), what, need, count, good, blame.text);
    if (reads)
        ms_fan_cancel(fan);
    ms_fan_release(fan);
    return code;
}
