/* mstore/versions_list.c - listing a key's folder at voters.
 *
 * A listing must not miss the highest version while a new one comes and the one before goes. A
 * sorted listing of what is there cannot: a newer name sorts behind. One that collects a folder in
 * several reads in any order could, so a long one counts only when a second one is equal. */
#include "mstore/versions_parts.h"

#include "base/cleanup.h"
#include "base/sync.h"
#include "mstore/hedge.h"

#include <stdio.h>
#include <stdlib.h>

#define SHORT_LISTING 64 /* entries that every storage reads in one piece */
#define LONG_TRIES    8

struct lister {
    const struct ms_errand *errand;
    struct ms_errand_leg *leg;
    struct ms_name folder;
    struct ms_own_parsed *parsed;
};

/* Names that are not versions of this key are somebody else's; scrub reports them. */
static int take_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct lister *l = ctx;
    size_t size = l->folder.size + 1 + entry->name.size;
    struct ms_name name;
    if (entry->info.directory || size > sizeof name.text)
        return 0;
    memcpy(name.text, l->folder.text, l->folder.size);
    name.text[l->folder.size] = '/';
    memcpy(name.text + l->folder.size + 1, entry->name.data, entry->name.size);
    name.size = size;
    if (!ms_own_parse(ms_name_view(&name), l->parsed))
        return 0;
    const struct ms_own_name *own = &l->parsed->name;
    if (l->leg->count == MS_VERSIONS_MAX)
        return ms_error_set(err, MS_ERR_CORRUPT, "member %s: more than %u versions of one key",
                            ms_member_name(l->leg->member), MS_VERSIONS_MAX);
    struct ms_held held = {.version = {own->id, own->size, own->mark, own->k, own->m},
                           .index = own->index,
                           .mtime_ns = entry->info.mtime_ns};
    return ms_errand_add(l->leg, &held, err);
}

static int list_once(struct lister *l, struct ms_error *err)
{
    struct ms_list_request request = {.names_only = !l->errand->times};
    l->leg->count = 0;
    return ms_member_list(l->leg->member, ms_name_view(&l->folder), &request, take_entry, l, err);
}

static bool same_names(const struct ms_held *a, size_t count, const struct ms_errand_leg *leg)
{
    bool same = count == leg->count;
    for (size_t i = 0; i < count && same; i++)
        same = ms_version_equal(&a[i].version, &leg->held[i].version) &&
               a[i].index == leg->held[i].index;
    return same;
}

static int list_long(struct lister *l, struct ms_error *err)
{
    for (unsigned try = 0; try < LONG_TRIES; try++) {
        size_t count = l->leg->count;
        MS_AUTO_FREE struct ms_held *before = MS_TAKE(l->leg->held);
        l->leg->room = 0;
        int code = list_once(l, err);
        if (code || same_names(before, count, l->leg))
            return code;
    }
    return ms_error_set(err, MS_ERR_BUSY,
                        "member %s: a key's versions change faster than they can be listed",
                        ms_member_name(l->leg->member));
}

int ms_errand_list(struct ms_errand *e, unsigned leg, struct ms_error *err)
{
    struct lister l = {.errand = e, .leg = &e->leg[leg]};
    MS_AUTO_FREE struct ms_own_parsed *parsed = malloc(sizeof *parsed);
    if (!parsed)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    l.parsed = parsed;
    int code = ms_own_folder(&e->own, MS_OWN_OF_KEY, 0, &l.folder, err);
    if (!code)
        code = list_once(&l, err);
    if (!code && l.leg->count > SHORT_LISTING)
        code = list_long(&l, err);
    if (!code && l.leg->count == 0)
        code = ms_member_is_there(l.leg->member, err);
    return code;
}

static int list_leg(void *shared, unsigned leg, struct ms_error *err)
{
    return ms_errand_list(shared, leg, err);
}

/* ---- whom to ask ---- */

struct round {
    struct ms_versions *v;
    struct ms_errand *errand;
    struct ms_fan *fan;
    unsigned answered;
    uint64_t late_ns; /* when the last one started is late */
};

/* The target expected to be fastest among those not asked, then the witness; v->count: none. */
static unsigned next_voter(const struct ms_versions *v)
{
    unsigned best = v->count;
    uint64_t best_ns = 0;
    for (unsigned i = 0; i < v->count; i++) {
        if (v->voter[i].asked || (v->voter[i].witness && best < v->count))
            continue;
        uint64_t expected = ms_health_expected_ns(ms_member_health(v->voter[i].member), 0);
        if (best == v->count || expected < best_ns) {
            best = i;
            best_ns = expected;
        }
    }
    return best;
}

static bool ask_next(struct round *r)
{
    struct ms_versions *v = r->v;
    unsigned next = next_voter(v);
    if (next == v->count)
        return false;
    v->voter[next].asked = true;
    r->late_ns = ms_clock_now(v->site->roster->clock) +
                 ms_health_late_ns(ms_member_health(v->voter[next].member), 0);
    ms_fan_start(r->fan, next);
    return true;
}

static void take_answer(struct round *r, unsigned leg)
{
    struct ms_voter *one = &r->v->voter[leg];
    struct ms_errand_leg *from = &r->errand->leg[leg];
    ms_errand_note(r->v, leg, r->fan);
    if (one->why.code)
        return;
    one->answered = true;
    one->held = MS_TAKE(from->held);
    one->count = from->count;
    one->room = from->room;
    r->answered++;
}

static int round_begin(struct ms_versions *v, struct round *r, struct ms_error *err)
{
    *r = (struct round){.v = v};
    for (unsigned i = 0; i < v->count; i++)
        r->answered += v->voter[i].answered;
    if (!v->listed_ns)
        v->listed_ns = ms_clock_now(v->site->roster->clock);
    return ms_errand_new(v, list_leg, &r->errand, &r->fan, err);
}

/* Whoever was left behind may be asked again. */
static void round_end(struct round *r)
{
    for (unsigned i = 0; i < r->v->count; i++)
        r->v->voter[i].asked = r->v->voter[i].answered || r->v->voter[i].why.code;
    ms_fan_cancel(r->fan);
    ms_fan_release(r->fan);
}

static int list_round(struct ms_versions *v, unsigned wanted, struct ms_error *err)
{
    struct round r;
    struct ms_clock *clock = v->site->roster->clock;
    int code = round_begin(v, &r, err);
    if (code)
        return code;
    unsigned ask = v->quorums == 2 ? v->count : wanted; /* two majorities: all at once */
    while (r.answered + ms_fan_running(r.fan) < ask && ask_next(&r))
        if (v->site->roster->hedge)
            ms_hedge_first(v->site->roster->hedge);
    bool may_hedge = true;
    while (!ms_versions_heard(v, wanted) && ms_fan_running(r.fan)) {
        unsigned leg;
        if (ms_fan_next(r.fan, clock, may_hedge ? r.late_ns : UINT64_MAX, &leg)) {
            take_answer(&r, leg);
            if (v->voter[leg].why.code)
                ask_next(&r);
        } else {
            ms_site_count(v->site, MS_EVENT_QUORUM_WAIT);
            may_hedge = next_voter(v) < v->count && ms_errand_hedge(v) && ask_next(&r);
        }
    }
    round_end(&r);
    if (ms_versions_heard_most(v))
        return 0;
    if (ms_check_cancelled(err))
        return MS_ERR_CANCELLED;
    char what[96];
    snprintf(what, sizeof what, "%u of %u members answered and %u are needed", r.answered, v->count,
             wanted);
    return ms_versions_refuse(v, MS_ERR_CONNECTION, what, err);
}

int ms_versions_list(struct ms_versions *v, unsigned wanted, struct ms_error *err)
{
    int code = list_round(v, wanted, err);
    return code && ms_versions_wake(v) ? list_round(v, wanted, err) : code;
}

bool ms_versions_unasked(const struct ms_versions *v)
{
    return next_voter(v) < v->count;
}

int ms_versions_look(struct ms_versions *v, const struct ms_version *version, struct ms_error *err)
{
    struct round r;
    unsigned leg;
    int code = round_begin(v, &r, err);
    if (code)
        return code;
    while (ask_next(&r))
        ;
    while (!(version && ms_versions_complete(v, version)) &&
           ms_fan_next(r.fan, v->site->roster->clock, UINT64_MAX, &leg))
        take_answer(&r, leg);
    round_end(&r);
    return ms_check_cancelled(err);
}
