/* mstore/lease_ask.c - one poll of a lease: all members at once, a leg each. Where too few answer,
 * those whose breaker kept the call are asked in earnest, by a second leg. */
#include "mstore/lease_parts.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/fan.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

struct poll { /* shared with the calls */
    struct ms_roster *roster;
    unsigned parts;
    struct ms_news *news; /* by leg */
    unsigned legs;
};

static void poll_free(void *shared)
{
    struct poll *p = shared;
    for (unsigned i = 0; p->news && i < p->legs; i++)
        free(p->news[i].marks);
    free(p->news);
    ms_roster_unref(p->roster);
    free(p);
}

/* ---- one member ---- */

struct reading {
    const struct ms_uuid *store;
    struct ms_news *into;
    size_t entries;
};

static int read_layout(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct reading *r = ctx;
    struct ms_own_parsed parsed;
    struct ms_own_name folder = {.kind = MS_OWN_LAYOUT, .store = *r->store};
    struct ms_name name;
    int code = ms_own_folder(&folder, MS_OWN_OF_KIND, 0, &name, err);
    r->entries++;
    if (code || name.size + 1 + entry->name.size > sizeof name.text)
        return code;
    name.text[name.size] = '/';
    memcpy(name.text + name.size + 1, entry->name.data, entry->name.size);
    name.size += 1 + entry->name.size;
    if (!ms_own_parse(ms_name_view(&name), &parsed) || parsed.name.epoch < r->into->epoch)
        return 0;
    r->into->final = parsed.name.final || (r->into->final && parsed.name.epoch == r->into->epoch);
    r->into->epoch = parsed.name.epoch;
    return 0;
}

static int read_mark(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct reading *r = ctx;
    struct ms_away mark;
    r->entries++;
    if (!ms_away_parse(entry->name, &mark) || r->into->count == MS_AWAY_MAX)
        return 0;
    struct ms_away *more = reallocarray(r->into->marks, r->into->count + 1, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    r->into->marks = more;
    more[r->into->count++] = mark;
    return 0;
}

static int ask_layout(struct ms_member *m, struct reading *r, struct ms_error *err)
{
    struct ms_own_name folder = {.kind = MS_OWN_LAYOUT, .store = *r->store};
    struct ms_list_request request = {.names_only = true};
    struct ms_name name;
    int code = ms_own_folder(&folder, MS_OWN_OF_KIND, 0, &name, err);
    return code ? code : ms_member_list(m, ms_name_view(&name), &request, read_layout, r, err);
}

static int ask_marks(struct ms_member *m, struct reading *r, struct ms_error *err)
{
    struct ms_list_request request = {.names_only = true};
    struct ms_name name;
    ms_away_folder(r->store, &name);
    return ms_member_list(m, ms_name_view(&name), &request, read_mark, r, err);
}

/* Where nothing is listed at all the storage may have lost its mount. When a store is opened (no
 * layout is asked for) the member has just shown its mark. */
static int ask_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct poll *p = shared;
    struct ms_member *m = p->roster->members[leg % p->roster->layout->member_count];
    struct reading r = {.store = &p->roster->layout->uuid, .into = &p->news[leg]};
    if (!m)
        return ms_error_set(err, MS_ERR_CONFIG, "nobody said where the member is");
    int code = leg < p->roster->layout->member_count ? 0 : ms_member_insist(m, err);
    if (!code && p->parts & MS_NEWS_LAYOUT)
        code = ask_layout(m, &r, err);
    if (!code && p->parts & MS_NEWS_AWAY)
        code = ask_marks(m, &r, err);
    if (!code && p->parts & MS_NEWS_LAYOUT && r.entries == 0)
        code = ms_member_is_there(m, err);
    return code;
}

/* ---- what follows from it ---- */

static struct ms_away_known known_before(const struct ms_lease *l, const struct ms_away *mark)
{
    for (size_t i = 0; i < l->past_count; i++)
        if (ms_away_equal(&l->past[i].mark, mark))
            return l->past[i];
    return (struct ms_away_known){.mark = *mark};
}

static struct ms_mark_seen *seen_of(struct ms_lease *l, const struct ms_away *mark)
{
    for (size_t i = 0; i < l->count; i++)
        if (ms_away_equal(&l->seen[i].known.mark, mark))
            return &l->seen[i];
    struct ms_mark_seen *more = reallocarray(l->seen, l->count + 1, sizeof *more);
    if (!more)
        return NULL;
    l->seen = more;
    more[l->count] = (struct ms_mark_seen){.known = known_before(l, mark)};
    return &more[l->count++];
}

/* Of two members one may be the only one that has the marks. */
static bool is_blind(const struct ms_roster *r, const bool good[])
{
    size_t members = r->layout->member_count;
    bool blind = false;
    for (size_t i = 0; i < members && ms_away_majority(r->layout) == 1; i++)
        blind |= r->layout->members[i].state != MS_GONE && !good[i] && !good[members + i];
    return blind;
}

/* Who removes a mark lets it be seen closing for longer than a term before: as long as polls follow
 * each other faster (`close`), one that was on a majority stands until it is seen closing. After a
 * longer time it must be on a majority again, and has stood meanwhile if that time was short enough
 * (MS_AWAY_STANDS_NS); whether this process or one before it saw it last is the same. */
static void judge(struct ms_mark_seen *s, bool everywhere, bool close, uint64_t now)
{
    struct ms_away_known *k = &s->known;
    bool recent = k->seen_ns && k->seen_ns <= now && k->since_ns <= now &&
                  now - k->seen_ns <= MS_AWAY_STANDS_NS;
    bool goes_on = close && s->stands;
    if (!goes_on && everywhere && !recent)
        k->since_ns = now;
    s->stands = goes_on || everywhere;
}

/* The poll that began then met every majority: none knew those as closing that it does not. */
static void note_seen(struct ms_lease *l, uint64_t began_ns)
{
    for (size_t i = 0; i < l->count; i++) {
        struct ms_mark_seen *s = &l->seen[i];
        if (s->stands && s->keepers && !ms_lease_is_closing(l, &s->known.mark))
            s->known.seen_ns = began_ns;
    }
}

static int take_marks(struct ms_roster *r, const struct poll *p, const bool good[],
                      uint64_t began_ns, struct ms_error *err)
{
    struct ms_lease *l = r->lease;
    uint64_t now = ms_lease_now(r);
    bool close = l->known[1] && began_ns - l->began_ns[1] <= ms_lease_wait_ns(l);
    bool blind = is_blind(r, good);
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++)
        l->seen[i].keepers = 0;
    for (unsigned leg = 0; leg < p->legs; leg++)
        for (size_t i = 0; good[leg] && i < p->news[leg].count; i++) {
            struct ms_mark_seen *s = seen_of(l, &p->news[leg].marks[i]);
            if (!s)
                return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
            s->keepers++;
        }
    for (size_t i = 0; i < l->count; i++) {
        struct ms_mark_seen *s = &l->seen[i];
        judge(s, s->keepers >= ms_away_majority(r->layout), close, now);
        if (s->keepers || blind)
            l->seen[kept++] = *s;
    }
    l->count = kept;
    note_seen(l, began_ns);
    return 0;
}

static void tell_members(struct ms_roster *r, const uint64_t absences[])
{
    const struct ms_lease *l = r->lease;
    for (size_t m = 0; m < r->layout->member_count; m++) {
        bool marked = false;
        for (size_t i = 0; i < l->count; i++)
            marked |= ms_uuid_equal(&l->seen[i].known.mark.member, &r->layout->members[m].uuid);
        if (r->members[m])
            ms_member_set_marked(r->members[m], marked, absences[m]);
    }
}

static int take_over(struct ms_roster *r, const struct poll *p, const bool good[],
                     uint64_t began_ns, const uint64_t absences[], struct ms_error *err)
{
    struct ms_lease *l = r->lease;
    MS_HOLD(&l->mutex);
    for (unsigned leg = 0; leg < p->legs; leg++) {
        const struct ms_news *n = &p->news[leg];
        if (!good[leg] || n->epoch < l->epoch)
            continue;
        l->final = n->final || (l->final && n->epoch == l->epoch);
        l->epoch = n->epoch;
    }
    int code = p->parts & MS_NEWS_AWAY ? take_marks(r, p, good, began_ns, err) : 0;
    if (code)
        return code;
    if (p->parts & MS_NEWS_AWAY)
        tell_members(r, absences);
    for (unsigned part = 0; part < 2; part++)
        if (p->parts & 1u << part) {
            l->known[part] = true;
            l->began_ns[part] = began_ns;
        }
    l->lost_until_ns = 0;
    return 0;
}

/* ---- asking ---- */

static uint64_t patience(struct ms_roster *r)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        struct ms_member *m = r->members[i];
        uint64_t late = m ? 4 * ms_health_late_ns(ms_member_health(m), 0) : 0;
        longest = late > longest ? late : longest;
    }
    return ms_clock_now(r->clock) + (longest < SECOND ? longest : SECOND);
}

static void start_round(struct ms_roster *r, struct ms_fan *fan, const bool good[], unsigned round)
{
    unsigned members = (unsigned)r->layout->member_count;
    for (unsigned i = 0; i < members; i++)
        if (r->layout->members[i].state != MS_GONE && !good[i])
            ms_fan_start(fan, round * members + i);
}

/* While a layout is proposed, those who know only the one in force may have told a majority of its
 * members alone: so many that every one of those is met. */
static unsigned quorum_of(const struct ms_roster *r)
{
    unsigned own = 0, all = 0;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        bool counts = r->layout->members[i].state != MS_GONE;
        all += counts;
        own += counts && i < r->own_count;
    }
    return all - (own / 2 + 1) + 1;
}

/* Fills good[], by leg. False: too few; *blame says who. */
static bool collect(struct ms_roster *r, struct ms_fan *fan, bool patient, bool good[],
                    struct ms_error *blame)
{
    unsigned answered = 0, quorum = quorum_of(r), leg;
    for (unsigned round = 0; round < 2 && answered < quorum; round++) {
        uint64_t deadline = UINT64_MAX;
        start_round(r, fan, good, round);
        while ((answered < quorum || patient) && ms_fan_next(fan, r->clock, deadline, &leg)) {
            good[leg] = ms_fan_code(fan, leg) == 0;
            answered += good[leg];
            if (!good[leg])
                *blame = *ms_fan_error(fan, leg);
            if (answered >= quorum && deadline == UINT64_MAX)
                deadline = patience(r);
        }
    }
    return answered >= quorum;
}

static int poll_new(struct ms_roster *r, unsigned parts, struct poll **out, struct ms_fan **fan,
                    struct ms_error *err)
{
    struct poll *p = calloc(1, sizeof *p);
    unsigned legs = 2 * (unsigned)r->layout->member_count;
    if (p)
        p->news = calloc(legs + 1, sizeof *p->news);
    if (!p || !p->news) {
        free(p);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for asking members for news");
    }
    p->roster = ms_roster_ref(r);
    p->parts = parts;
    p->legs = legs;
    int code = ms_fan_new(legs, ask_leg, poll_free, p, fan, err);
    if (code)
        poll_free(p);
    else
        *out = p;
    return code;
}

int ms_lease_ask(struct ms_roster *r, unsigned parts, bool patient, struct ms_error *err)
{
    struct poll *p = NULL;
    struct ms_fan *fan = NULL;
    struct ms_error blame = {.code = MS_ERR_CONNECTION};
    size_t members = r->layout->member_count;
    MS_AUTO_FREE bool *good = calloc(2 * members + 1, sizeof *good);
    MS_AUTO_FREE uint64_t *absences = calloc(members + 1, sizeof *absences);
    if (!good || !absences)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for asking members for news");
    int code = poll_new(r, parts, &p, &fan, err);
    if (code)
        return code;
    for (size_t i = 0; i < members; i++)
        absences[i] = r->members[i] ? ms_member_absences(r->members[i]) : 0;
    uint64_t began = ms_lease_now(r);
    bool pair = ms_away_majority(r->layout) == 1; /* what the other half knows, nobody else does */
    if (collect(r, fan, patient || pair, good, &blame))
        code = take_over(r, p, good, began, absences, err);
    else if (!(code = ms_check_cancelled(err)))
        code = ms_error_set(err, blame.code,
                            "too few members say what others have changed: %u must answer (%s)",
                            quorum_of(r), blame.text);
    ms_fan_cancel(fan);
    ms_fan_release(fan);
    return code;
}
