/* mstore/lease.c - see mstore/lease.h: when to ask, whom to make wait. One poll at a time; no call
 * while the mutex is held. */
#include "mstore/lease_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "mstore/notice.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define MARK_ROUNDS 20 /* marks that were taken back meanwhile, or leases that ran out */
#define ROUNDS      5  /* polls in vain, */
#define IN_VAIN     UINT64_C(2000000000) /* and so long, before a store goes on without */
#define LOST        6                    /* terms until it is tried again then */
#define PAUSE_MIN   UINT64_C(10000000)
#define PAUSE_MAX   UINT64_C(200000000)

int ms_lease_new(struct ms_lease **out, struct ms_error *err)
{
    struct ms_lease *l = calloc(1, sizeof *l);
    uint64_t seed = 0;
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a lease");
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)ms_clock_wall(ms_clock_real()) ^ (uintptr_t)l;
    ms_mutex_init(&l->mutex);
    ms_cond_init(&l->changed);
    ms_lease_configure(l, seed, 0);
    *out = l;
    return 0;
}

void ms_lease_free(struct ms_lease *l)
{
    if (!l)
        return;
    if (l->background)
        ms_group_release(l->background);
    ms_cond_fini(&l->changed);
    ms_mutex_fini(&l->mutex);
    free(l->seen);
    free(l);
}

void ms_lease_configure(struct ms_lease *l, uint64_t seed, uint64_t term_ns)
{
    l->term_ns = term_ns ? term_ns : MS_LEASE_NS;
    ms_random_seed(&l->random, seed);
}

uint64_t ms_lease_now(struct ms_roster *r)
{
    return ms_clock_boot(r->clock);
}

/* ---- believing ---- */

/* How old what is known of the parts is; UINT64_MAX: nothing is. */
static uint64_t age_of(const struct ms_lease *l, unsigned parts, uint64_t now)
{
    uint64_t oldest = 0;
    for (unsigned part = 0; part < 2; part++) {
        if (!(parts & 1u << part))
            continue;
        if (!l->known[part])
            return UINT64_MAX;
        uint64_t age = now - l->began_ns[part];
        oldest = age > oldest ? age : oldest;
    }
    return oldest;
}

bool ms_lease_holds(struct ms_roster *r, unsigned parts)
{
    MS_HOLD(&r->lease->mutex);
    return age_of(r->lease, parts, ms_lease_now(r)) <= r->lease->term_ns;
}

void ms_lease_layout(struct ms_roster *r, uint64_t *epoch, bool *final)
{
    MS_HOLD(&r->lease->mutex);
    *epoch = r->lease->epoch;
    *final = r->lease->final;
}

static void end_poll(struct ms_lease *l)
{
    MS_HOLD(&l->mutex);
    l->polling = false;
    ms_cond_broadcast(&l->changed);
}

/* The caller has set `polling`. */
static int ask(struct ms_roster *r, unsigned parts, bool patient, struct ms_error *err)
{
    int code = ms_lease_ask(r, parts, patient, err);
    end_poll(r->lease);
    return code;
}

/* Waits for somebody else's poll; then it is the caller's turn. */
static void take_turn(struct ms_lease *l)
{
    MS_HOLD(&l->mutex);
    while (l->polling)
        ms_cond_wait(&l->changed, &l->mutex);
    l->polling = true;
}

int ms_lease_poll(struct ms_roster *r, unsigned parts, struct ms_error *err)
{
    take_turn(r->lease);
    return ask(r, parts, false, err);
}

int ms_lease_poll_all(struct ms_roster *r, unsigned parts, struct ms_error *err)
{
    take_turn(r->lease);
    return ask(r, parts, true, err);
}

/* ---- in the background ---- */

static int renew(void *arg)
{
    return ms_lease_ask(arg, MS_NEWS_ALL, true, NULL);
}

/* Also when it was cancelled before it began. */
static void renewed(void *arg)
{
    struct ms_roster *r = arg;
    end_poll(r->lease);
    ms_roster_unref(r);
}

static void keep_group(struct ms_lease *l, struct ms_group *group)
{
    {
        MS_HOLD(&l->mutex);
        struct ms_group *last = l->background;
        l->background = group;
        group = last;
    }
    if (group)
        ms_group_release(group);
}

static void renew_soon(struct ms_roster *r)
{
    struct ms_group *group = NULL;
    ms_roster_ref(r);
    if (ms_group_new(&group, NULL) || ms_group_fork(group, renew, renewed, r, NULL))
        renewed(r);
    if (group)
        keep_group(r->lease, group);
}

void ms_lease_stop(struct ms_roster *r)
{
    struct ms_lease *l = r->lease;
    MS_HOLD(&l->mutex);
    l->stopped = true;
    if (l->background)
        ms_group_cancel(l->background);
}

/* ---- before an operation ---- */

enum standing { GOOD, OLD, NOTHING };

/* OLD: the caller has to begin a renewal; NOTHING: to ask. In both cases `polling` is set. */
static enum standing look(struct ms_roster *r, unsigned parts, bool strict)
{
    struct ms_lease *l = r->lease;
    MS_HOLD(&l->mutex);
    for (;;) {
        uint64_t now = ms_lease_now(r), age = age_of(l, parts, now);
        bool lost = !strict && l->lost_until_ns;
        if (age <= l->term_ns / 2 || (lost && now < l->lost_until_ns))
            return GOOD;
        if ((age <= l->term_ns || lost) && (l->polling || l->stopped))
            return GOOD;
        if (!l->polling) {
            l->polling = true;
            if (lost)
                l->lost_until_ns = now + LOST * l->term_ns;
            return age <= l->term_ns || lost ? OLD : NOTHING;
        }
        ms_cond_wait(&l->changed, &l->mutex);
    }
}

/* Nobody is there to be asked. */
static int give_up(struct ms_roster *r, bool strict, int code)
{
    struct ms_lease *l = r->lease;
    if (strict)
        return code;
    MS_HOLD(&l->mutex);
    l->lost_until_ns = ms_lease_now(r) + LOST * l->term_ns;
    return 0;
}

static int trust(struct ms_roster *r, unsigned parts, bool strict, struct ms_error *err)
{
    uint64_t pause = PAUSE_MIN, until = ms_lease_now(r) + IN_VAIN;
    for (unsigned round = 1;; round++) {
        enum standing s = look(r, parts, strict);
        if (s == OLD)
            renew_soon(r);
        if (s != NOTHING)
            return 0;
        int code = ask(r, MS_NEWS_ALL, false, err);
        if (!code || code == MS_ERR_CANCELLED || code == MS_ERR_NO_MEMORY)
            return code;
        if (round >= ROUNDS && ms_lease_now(r) >= until)
            return give_up(r, strict, code);
        if (ms_sleep(r->clock, pause, err))
            return MS_ERR_CANCELLED;
        pause = pause < PAUSE_MAX ? 2 * pause : PAUSE_MAX;
    }
}

int ms_lease_trust(struct ms_roster *r, unsigned parts, struct ms_error *err)
{
    return trust(r, parts, false, err);
}

int ms_lease_insist(struct ms_roster *r, unsigned parts, struct ms_error *err)
{
    return trust(r, parts, true, err);
}

void ms_lease_heard(struct ms_roster *r, uint64_t began_ns, uint64_t epoch, bool final)
{
    struct ms_lease *l = r->lease;
    MS_HOLD(&l->mutex);
    l->known[0] = true;
    l->began_ns[0] = began_ns;
    l->epoch = epoch;
    l->final = final;
}

/* ---- outdating what others know ---- */

/* In slices, so that what makes the wait needless is seen, marks stay known, and a machine that
 * slept has waited. */
static int wait_in_slices(struct ms_roster *r, uint64_t until_ns, const char *what,
                          bool (*done)(void *ctx), void *ctx, struct ms_error *err)
{
    uint64_t most = r->lease->term_ns / 64 + 1, began = ms_lease_now(r);
    for (;;) {
        uint64_t now = ms_lease_now(r), left = until_ns - now;
        if (now >= until_ns || (done && done(ctx)))
            return 0;
        ms_notice_waiting(r->notice, what, now - began, left);
        int code = ms_sleep(r->clock, left < most ? left : most, err);
        if (!code)
            code = trust(r, MS_NEWS_AWAY, true, err);
        if (code)
            return code;
    }
}

static int wait_until(struct ms_roster *r, uint64_t until_ns, const char *what,
                      bool (*done)(void *ctx), void *ctx, struct ms_error *err)
{
    uint64_t began = ms_lease_now(r);
    int code = wait_in_slices(r, until_ns, what, done, ctx, err);
    ms_notice_waiting(r->notice, what, ms_lease_now(r) - began, 0);
    return code;
}

int ms_lease_outlast(struct ms_roster *r, uint64_t since_ns, const char *what, struct ms_error *err)
{
    return wait_until(r, since_ns + ms_lease_wait_ns(r->lease), what, NULL, NULL, err);
}

bool ms_lease_is_closing(const struct ms_lease *l, const struct ms_away *mark)
{
    struct ms_away closing = *mark;
    closing.closing = true;
    for (size_t i = 0; i < l->count; i++)
        if (ms_away_equal(&l->seen[i].known.mark, &closing))
            return true;
    return mark->closing;
}

/* The mark of that member that has been there longest and may be relied on; 0: there is none. */
static uint64_t marked_since(struct ms_roster *r, size_t member)
{
    struct ms_lease *l = r->lease;
    uint64_t first = 0;
    MS_HOLD(&l->mutex);
    for (size_t i = 0; i < l->count; i++) {
        const struct ms_mark_seen *s = &l->seen[i];
        if (s->stands && (!first || s->known.since_ns < first) &&
            !ms_lease_is_closing(l, &s->known.mark) &&
            ms_uuid_equal(&s->known.mark.member, &r->layout->members[member].uuid))
            first = s->known.since_ns;
    }
    return first;
}

static struct ms_away new_mark(struct ms_roster *r, size_t member)
{
    struct ms_lease *l = r->lease;
    MS_HOLD(&l->mutex);
    uint64_t counter = ms_random_u64(&l->random), writer = ms_random_u64(&l->random);
    return (struct ms_away){.member = r->layout->members[member].uuid, .id = {counter, writer}};
}

/* Puts marks of those of whom there is none. */
static int put_marks(struct ms_roster *r, const bool missed[], struct ms_error *err)
{
    struct ms_away marks[MS_MEMBERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->layout->member_count && count < MS_MEMBERS_MAX; i++)
        if (missed[i] && !marked_since(r, i))
            marks[count++] = new_mark(r, i);
    return count ? ms_away_put(r, marks, count, err) : 0;
}

/* When everybody knows of them all; 0: somebody has no mark. */
static uint64_t known_from(struct ms_roster *r, const bool missed[])
{
    uint64_t last = 1;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        uint64_t since = missed[i] ? marked_since(r, i) : 1;
        if (!since)
            return 0;
        last = since > last ? since : last;
    }
    return last + ms_lease_wait_ns(r->lease);
}

static int ask_all(struct ms_roster *r, const bool missed[], uint64_t *from, struct ms_error *err)
{
    take_turn(r->lease);
    int code = ask(r, MS_NEWS_ALL, true, err);
    *from = code ? 0 : known_from(r, missed);
    return code;
}

/* "waiting until no client believes members a, b" */
static void name_wait(struct ms_roster *r, const bool missed[], char text[200])
{
    const char *before = " ";
    size_t count = 0;
    for (size_t i = 0; i < r->layout->member_count; i++)
        count += missed[i];
    size_t used = (size_t)snprintf(text, 200, "waiting until no client believes member%s",
                                   count == 1 ? "" : "s");
    for (size_t i = 0; i < r->layout->member_count && used < 199; i++)
        if (missed[i]) {
            used += (size_t)snprintf(text + used, 200 - used, "%s%s", before,
                                     r->layout->members[i].name);
            before = ", ";
        }
}

int ms_lease_disbelieve(struct ms_roster *r, const bool missed[], bool (*done)(void *ctx),
                        void *ctx, struct ms_error *err)
{
    char what[200];
    name_wait(r, missed, what);
    for (unsigned round = 0; round < MARK_ROUNDS; round++) {
        int code = trust(r, MS_NEWS_AWAY, true, err);
        if (code)
            return code;
        uint64_t from = known_from(r, missed);
        if (from && from <= ms_lease_now(r))
            return 0;
        if (!from) /* others' marks will do, and those who answer first may not have them */
            code = ask_all(r, missed, &from, err);
        if (!code && !from)
            code = put_marks(r, missed, err);
        if (!code && !from) /* they count from when they are seen on a majority */
            code = ask_all(r, missed, &from, err);
        if (!code && from)
            code = wait_until(r, from, what, done, ctx, err);
        if (code || (from && done && done(ctx)))
            return code;
    }
    return ms_error_set(err, MS_ERR_BUSY,
                        "that members missed a change could not be made known to all: others are "
                        "healing the store");
}

int ms_lease_pass_on(struct ms_roster *r, struct ms_error *err)
{
    int code = ms_lease_poll(r, MS_NEWS_AWAY, err);
    if (code)
        return code;
    ms_mutex_lock(&r->lease->mutex);
    size_t count = r->lease->count;
    MS_AUTO_FREE struct ms_away *marks = calloc(count + 1, sizeof *marks);
    for (size_t i = 0; i < count && marks; i++)
        marks[i] = r->lease->seen[i].known.mark;
    ms_mutex_unlock(&r->lease->mutex);
    if (!marks)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    return count ? ms_away_put(r, marks, count, err) : 0;
}

size_t ms_lease_known(struct ms_roster *r, struct ms_away_known out[MS_AWAY_KEPT])
{
    struct ms_lease *l = r->lease;
    size_t count = 0;
    MS_HOLD(&l->mutex);
    for (size_t i = 0; i < l->count && count < MS_AWAY_KEPT; i++)
        if (l->seen[i].stands && l->seen[i].known.seen_ns)
            out[count++] = l->seen[i].known;
    return count;
}

void ms_lease_recall(struct ms_roster *r, const struct ms_away_known past[], size_t count)
{
    struct ms_lease *l = r->lease;
    MS_HOLD(&l->mutex);
    ms_assert(count <= MS_AWAY_KEPT);
    if (count)
        memcpy(l->past, past, count * sizeof *past);
    l->past_count = count;
}

bool ms_lease_outdated(struct ms_roster *r)
{
    uint64_t epoch = 0, now = r->layout->epoch;
    bool final = false;
    ms_lease_layout(r, &epoch, &final);
    return epoch > now + 1 || (epoch == now + 1 && (final || !r->next));
}

int ms_lease_still(struct ms_roster *r, struct ms_error *err)
{
    if (ms_lease_holds(r, MS_NEWS_LAYOUT))
        return 0;
    int code = ms_lease_insist(r, MS_NEWS_LAYOUT, err);
    if (!code && ms_lease_outdated(r))
        code = ms_error_set(err, MS_ERR_BUSY,
                            "its layout was changed meanwhile: it may have been done or not (load "
                            "it to see), try again");
    return code;
}

uint64_t ms_lease_draw(struct ms_roster *r)
{
    MS_HOLD(&r->lease->mutex);
    return ms_random_u64(&r->lease->random);
}
