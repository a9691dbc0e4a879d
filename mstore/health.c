/* mstore/health.c - see mstore/health.h. One lock, held for arithmetic only. Times are monotonic
 * and compared by their difference: callers read the clock before they come here, so two of them
 * may be out of order, and what is restored may lie before the clock's zero. */
#include "mstore/health.h"
#include "mstore/speed.h"

#include "base/sync.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define GRACE_MIN_NS UINT64_C(1000000000)
#define S(seconds)   ((uint64_t)(seconds)*1000000000u)
#define MS(millis)   ((uint64_t)(millis)*1000000u)
#define PASSED_HALF  128 /* questions after which the expected time is halved */
#define FAILURES_MAX 64
#define DEMAND_MIN   MS(50) /* between tries in vain for those who cannot do without */
#define DEMAND_MAX   S(30)
#define AT_ONCE      MS(200) /* a failure that took less has cost nobody anything */

struct ms_health {
    struct ms_health *self; /* for those who have a const one, and lock it */
    struct ms_mutex mutex;
    struct ms_health_options options;
    struct ms_random random;

    enum ms_health_state state;
    bool ever_changed;
    uint64_t changed_ns; /* when it came to this state */
    uint64_t since_ns;   /* not closed: when the first call that failed began */
    uint64_t next_ns;  /* open: when the next try is due; half open: when the probe is forgotten */
    uint64_t pause_ns; /* open: before chance shortened it */
    unsigned failures, soft;
    uint64_t demand_ns, demand_pause_ns; /* not before, even for those who cannot do without */

    uint64_t changes, calls, errors, refused, opened;
    uint64_t under_way; /* admitted, not noted */
    uint64_t passed;    /* questions since the last measured call */
    bool full;
    uint64_t full_until_ns;
    int last_code;
    uint64_t last_ns;
    char last_error[256];
    struct ms_speed speed;
};

/* What a result says about the member. */
enum verdict {
    HEALTHY, /* it did what it was asked, or what it was asked was wrong */
    ANSWERS, /* it failed, but at once */
    SOFT,    /* several of these in a row are too many */
    SICK,
    NOTHING, /* it was we who gave up */
};

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

int ms_health_new_with(const struct ms_health_options *options, uint64_t seed,
                       struct ms_health **out, struct ms_error *err)
{
    static const struct ms_health_options defaults;
    const struct ms_health_options *o = options ? options : &defaults;
    struct ms_health *h = calloc(1, sizeof *h);
    if (!h)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a member's health");
    h->self = h;
    h->options = (struct ms_health_options){
        .pause_ns = or_default(o->pause_ns, S(2)),
        .pause_max_ns = or_default(o->pause_max_ns, S(300)),
        .probe_limit_ns = or_default(o->probe_limit_ns, S(60)),
        .slow_error_ns = or_default(o->slow_error_ns, S(5)),
        .soft_failures = o->soft_failures ? o->soft_failures : 5,
        .full_ns = or_default(o->full_ns, S(60)),
        .late_floor_ns = or_default(o->late_floor_ns, MS(2)),
        .late_unknown_ns = or_default(o->late_unknown_ns, MS(500)),
    };
    ms_mutex_init(&h->mutex);
    ms_random_seed(&h->random, seed);
    *out = h;
    return 0;
}

int ms_health_new(uint64_t seed, struct ms_health **out, struct ms_error *err)
{
    return ms_health_new_with(NULL, seed, out, err);
}

void ms_health_free(struct ms_health *h)
{
    if (!h)
        return;
    ms_mutex_fini(&h->mutex);
    free(h);
}

/* From `from` to `to`; 0 when it is the other way round. */
static uint64_t between(uint64_t from, uint64_t to)
{
    uint64_t time = to - from;
    return time <= INT64_MAX ? time : 0;
}

/* ---- the breaker ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void change(struct ms_health *h, enum ms_health_state state, uint64_t now_ns)
{
    h->state = state;
    h->changed_ns = now_ns;
    h->ever_changed = true;
    h->changes++;
}

/* The pause after so many failures in a row. */
static uint64_t backed_off(const struct ms_health *h, unsigned failures)
{
    uint64_t pause = h->options.pause_ns;
    while (failures-- > 1 && pause < h->options.pause_max_ns)
        pause = pause > UINT64_MAX / 2 ? UINT64_MAX : 2 * pause;
    return pause;
}

static void pause_demands(struct ms_health *h, uint64_t now_ns, uint64_t spent_ns)
{
    uint64_t pause = spent_ns < AT_ONCE ? 0 : spent_ns;
    if (h->failures > 1)
        pause = larger(larger(pause, 2 * h->demand_pause_ns), DEMAND_MIN);
    h->demand_pause_ns = pause < DEMAND_MAX ? pause : DEMAND_MAX;
    h->demand_ns = now_ns + h->demand_pause_ns;
}

static void trip(struct ms_health *h, uint64_t now_ns, uint64_t spent_ns)
{
    if (h->state == MS_HEALTH_CLOSED) {
        h->since_ns = now_ns - spent_ns;
        h->failures = 0;
        h->opened++;
        h->pause_ns = 0;
    }
    if (h->failures < FAILURES_MAX)
        h->failures++;
    pause_demands(h, now_ns, spent_ns);
    uint64_t pause = h->pause_ns > UINT64_MAX / 2 ? UINT64_MAX : 2 * h->pause_ns;
    pause = larger(larger(pause, spent_ns), h->options.pause_ns);
    pause = pause < h->options.pause_max_ns ? pause : h->options.pause_max_ns;
    h->pause_ns = pause;
    h->soft = 0;
    change(h, MS_HEALTH_OPEN, now_ns);
    h->next_ns = now_ns + pause - ms_random_below(&h->random, pause / 4 + 1);
}

static void close_it(struct ms_health *h, uint64_t now_ns)
{
    h->failures = h->soft = 0;
    h->pause_ns = 0;
    change(h, MS_HEALTH_CLOSED, now_ns);
}

static int refuse(struct ms_health *h, const char *member, uint64_t now_ns, struct ms_error *err)
{
    h->refused++;
    char since[32], next[32];
    ms_format_duration(since, sizeof since, between(h->since_ns, now_ns));
    ms_format_duration(next, sizeof next, between(now_ns, h->next_ns));
    const char *what = h->last_code == MS_ERR_CONNECTION || h->last_code == MS_ERR_TIMEOUT
                           ? "has not answered"
                           : "has been failing";
    if (h->state == MS_HEALTH_HALF_OPEN)
        return ms_error_set(err, MS_ERR_CONNECTION, "%s %s for %s: a try is under way (%s)", member,
                            what, since, h->last_error);
    return ms_error_set(err, MS_ERR_CONNECTION, "%s %s for %s: next try in %s (%s)", member, what,
                        since, next, h->last_error);
}

int ms_health_admit(struct ms_health *h, const char *member, uint64_t now_ns, bool *probe,
                    struct ms_error *err)
{
    MS_HOLD(&h->mutex);
    *probe = false;
    if (h->state != MS_HEALTH_CLOSED) {
        if (between(now_ns, h->next_ns) > 0)
            return refuse(h, member, now_ns, err);
        change(h, MS_HEALTH_HALF_OPEN, now_ns);
        h->next_ns = now_ns + h->options.probe_limit_ns;
        *probe = true;
    }
    h->under_way++;
    return 0;
}

int ms_health_demand(struct ms_health *h, const char *member, uint64_t now_ns, bool *probe,
                     struct ms_error *err)
{
    MS_HOLD(&h->mutex);
    *probe = h->state != MS_HEALTH_CLOSED;
    if (!*probe)
        return 0;
    bool pausing = between(now_ns, h->next_ns) > 0;
    if (h->state == MS_HEALTH_HALF_OPEN && pausing)
        return ms_error_set(err, MS_ERR_BUSY, "%s: a try is under way", member);
    if (pausing && between(now_ns, h->demand_ns) > 0)
        return refuse(h, member, now_ns, err);
    change(h, MS_HEALTH_HALF_OPEN, now_ns);
    h->next_ns = now_ns + h->options.probe_limit_ns;
    h->under_way++;
    return 0;
}

void ms_health_try_now(struct ms_health *h, uint64_t now_ns)
{
    MS_HOLD(&h->mutex);
    if (h->state == MS_HEALTH_OPEN && between(now_ns, h->next_ns) > 0)
        h->next_ns = now_ns;
}

/* ---- what came of a call ---- */

/* 0: too few calls are known. */
static uint64_t known_late(const struct ms_health *h, uint64_t bytes)
{
    uint64_t p95 = ms_speed_p95_ns(&h->speed, bytes); /* these are below 2^63 */
    return p95 ? larger(2 * p95, h->options.late_floor_ns) : 0;
}

static uint64_t late(const struct ms_health *h, uint64_t bytes)
{
    uint64_t known = known_late(h, bytes), expected = ms_speed_expected_ns(&h->speed, bytes);
    return known ? known : larger(2 * expected, h->options.late_unknown_ns);
}

/* A probe gets less when too little is known. */
static uint64_t late_now(const struct ms_health *h, uint64_t bytes)
{
    uint64_t known = known_late(h, bytes), expected = ms_speed_expected_ns(&h->speed, bytes);
    if (h->state == MS_HEALTH_CLOSED)
        return late(h, bytes);
    return known ? known : larger(2 * expected, h->options.late_floor_ns);
}

/* An error that took so long costs as much as a time-out. */
static bool took_long(const struct ms_health *h, uint64_t spent_ns, uint64_t bytes)
{
    return spent_ns >= h->options.slow_error_ns &&
           (bytes == MS_HEALTH_UNMEASURED || spent_ns >= late(h, bytes));
}

static enum verdict judge(const struct ms_health *h, int code, uint64_t spent_ns, uint64_t bytes)
{
    switch (code) {
    case MS_ERR_CONNECTION:
    case MS_ERR_TIMEOUT:
    case MS_ERR_AUTH:
    case MS_ERR_UNTRUSTED:
    case MS_ERR_NO_STORE:
        return SICK;
    case MS_ERR_BUSY:
    case MS_ERR_PROTOCOL:
        return took_long(h, spent_ns, bytes) ? SICK : SOFT;
    case MS_ERR_IO:
        return took_long(h, spent_ns, bytes) ? SICK : ANSWERS;
    case MS_ERR_NO_SPACE:
    case MS_ERR_QUOTA:
    case MS_ERR_ACCESS:
    case MS_ERR_CORRUPT:
        return ANSWERS;
    case MS_ERR_CANCELLED:
        return bytes && bytes != MS_HEALTH_UNMEASURED && spent_ns >= late(h, bytes) ? SOFT
                                                                                    : NOTHING;
    case MS_ERR_NO_MEMORY:
    case MS_ERR_INTERNAL:
        return NOTHING;
    default:
        return HEALTHY;
    }
}

static void note_error(struct ms_health *h, int code, const char *sentence, uint64_t now_ns)
{
    h->errors++;
    h->last_code = code;
    h->last_ns = now_ns;
    snprintf(h->last_error, sizeof h->last_error, "%s",
             sentence && *sentence ? sentence : ms_code_text(code));
    if (code == MS_ERR_NO_SPACE || code == MS_ERR_QUOTA) {
        h->full = true;
        h->full_until_ns = now_ns + h->options.full_ns;
    }
}

static void note_speed(struct ms_health *h, enum verdict verdict, int code, uint64_t spent_ns,
                       uint64_t bytes)
{
    if (bytes == MS_HEALTH_UNMEASURED)
        return;
    if (verdict == HEALTHY)
        ms_speed_note(&h->speed, spent_ns, code ? 0 : bytes);
    else if (code == MS_ERR_CANCELLED && bytes)
        ms_speed_note_least(&h->speed, spent_ns, bytes);
    h->passed = 0;
}

static void note_failure(struct ms_health *h, bool probe, enum verdict verdict, uint64_t now_ns,
                         uint64_t spent_ns)
{
    if (h->state == MS_HEALTH_CLOSED) {
        if (h->ever_changed && between(now_ns - spent_ns, h->changed_ns) > 0)
            return; /* it began before the probe that closed it */
        if (verdict == SICK || ++h->soft >= h->options.soft_failures)
            trip(h, now_ns, spent_ns);
    } else if (probe && h->state == MS_HEALTH_HALF_OPEN) {
        trip(h, now_ns, spent_ns);
    }
}

static void note_life(struct ms_health *h, bool probe, uint64_t now_ns)
{
    if (h->state == MS_HEALTH_CLOSED) {
        h->soft = 0;
    } else if (probe) {
        close_it(h, now_ns);
    } else if (h->state == MS_HEALTH_OPEN && between(now_ns, h->next_ns) > 0) {
        h->next_ns = now_ns;
        h->changes++;
    }
}

enum ms_health_change ms_health_note(struct ms_health *h, bool probe, int code,
                                     const char *sentence, uint64_t now_ns, uint64_t spent_ns,
                                     uint64_t bytes)
{
    MS_HOLD(&h->mutex);
    bool was_closed = h->state == MS_HEALTH_CLOSED;
    enum verdict verdict = judge(h, code, spent_ns, bytes);
    h->calls++;
    h->under_way -= h->under_way > 0;
    if (verdict == SOFT && code == MS_ERR_CANCELLED)
        note_error(h, MS_ERR_TIMEOUT, "given up when it was late", now_ns);
    else if (verdict != HEALTHY && verdict != NOTHING)
        note_error(h, code, sentence, now_ns);
    note_speed(h, verdict, code, spent_ns, bytes);
    switch (verdict) {
    case SICK:
    case SOFT:
        note_failure(h, probe, verdict, now_ns, spent_ns);
        break;
    case HEALTHY:
    case ANSWERS:
        note_life(h, probe, now_ns);
        break;
    case NOTHING:
        if (probe && h->state == MS_HEALTH_HALF_OPEN) { /* the next caller tries */
            change(h, MS_HEALTH_OPEN, now_ns);
            h->next_ns = now_ns;
        }
        break;
    }
    bool is_closed = h->state == MS_HEALTH_CLOSED;
    return was_closed == is_closed ? MS_HEALTH_SAME
           : was_closed            ? MS_HEALTH_OPENED
                                   : MS_HEALTH_CLOSED_AGAIN;
}

/* ---- speed ---- */

uint64_t ms_health_expected_ns(const struct ms_health *h, uint64_t bytes)
{
    struct ms_health *m = h->self;
    MS_HOLD(&m->mutex);
    uint64_t ns = ms_speed_expected_ns(&m->speed, bytes);
    if (m->under_way) /* it is being tried */
        return ns;
    uint64_t less = (uint64_t)((double)ns / (1 + (double)m->passed / PASSED_HALF));
    m->passed++;
    return less;
}

uint64_t ms_health_late_ns(const struct ms_health *h, uint64_t bytes)
{
    MS_HOLD(&h->self->mutex);
    return late_now(h, bytes);
}

bool ms_health_away(const struct ms_health *h)
{
    MS_HOLD(&h->self->mutex);
    return h->state != MS_HEALTH_CLOSED;
}

uint64_t ms_health_grace_ns(const struct ms_health *h, uint64_t bytes)
{
    MS_HOLD(&h->self->mutex);
    uint64_t late_ns = late_now(h, bytes);
    return h->state == MS_HEALTH_CLOSED ? larger(4 * late_ns, GRACE_MIN_NS) : late_ns;
}

bool ms_health_full(const struct ms_health *h, uint64_t now_ns)
{
    MS_HOLD(&h->self->mutex);
    return h->full && between(now_ns, h->full_until_ns) > 0;
}

/* ---- the whole ---- */

/* A moment of the monotonic clock by the wall clock. */
static int64_t wall_of(uint64_t t, uint64_t now_ns, int64_t wall_ns)
{
    return (int64_t)((uint64_t)wall_ns + (t - now_ns));
}

void ms_health_view(const struct ms_health *h, uint64_t now_ns, int64_t wall_ns,
                    struct ms_health_view *out)
{
    MS_HOLD(&h->self->mutex);
    bool closed = h->state == MS_HEALTH_CLOSED;
    bool known = h->speed.latency_ns > 0;
    *out = (struct ms_health_view){
        .state = h->state,
        .changes = h->changes,
        .open_ns = closed ? 0 : between(h->since_ns, now_ns),
        .next_ns = closed ? 0 : between(now_ns, h->next_ns),
        .failures = h->failures,
        .calls = h->calls,
        .errors = h->errors,
        .refused = h->refused,
        .opened = h->opened,
        .expected_ns = known ? ms_speed_expected_ns(&h->speed, 0) : 0,
        .p95_ns = ms_speed_p95_ns(&h->speed, 0),
        .throughput = ms_speed_throughput(&h->speed),
        .full = h->full && between(now_ns, h->full_until_ns) > 0,
        .last_code = h->last_code,
        .last_wall_ns = h->last_code ? wall_of(h->last_ns, now_ns, wall_ns) : 0,
    };
    memcpy(out->last_error, h->last_error, sizeof out->last_error);
}

void ms_health_save(const struct ms_health *h, uint64_t now_ns, int64_t wall_ns,
                    struct ms_health_saved *out)
{
    MS_HOLD(&h->self->mutex);
    bool closed = h->state == MS_HEALTH_CLOSED;
    *out = (struct ms_health_saved){
        .state = h->state,
        .changed_wall_ns = h->ever_changed ? wall_of(h->changed_ns, now_ns, wall_ns) : 0,
        .since_wall_ns = closed ? 0 : wall_of(h->since_ns, now_ns, wall_ns),
        .next_wall_ns = closed ? 0 : wall_of(h->next_ns, now_ns, wall_ns),
        .failures = h->failures,
        .last_code = h->last_code,
        .last_wall_ns = h->last_code ? wall_of(h->last_ns, now_ns, wall_ns) : 0,
    };
}

/* to - from, 0 when negative or too far apart to tell. */
static uint64_t wall_between(int64_t from, int64_t to)
{
    int64_t time;
    return __builtin_sub_overflow(to, from, &time) || time < 0 ? 0 : (uint64_t)time;
}

/* How much of the pause is left. Never more than the longest pause counted from when it began; and
 * when that lies in the future, a clock was set: the next caller tries. */
static uint64_t pause_left(const struct ms_health *h, const struct ms_health_saved *s,
                           int64_t wall_ns)
{
    if (s->changed_wall_ns > wall_ns)
        return 0;
    uint64_t age = wall_between(s->changed_wall_ns, wall_ns), most = h->options.pause_max_ns;
    uint64_t left = wall_between(wall_ns, s->next_wall_ns);
    most = age < most ? most - age : 0;
    return left < most ? left : most;
}

static void restore_error(struct ms_health *h, const struct ms_health_saved *s, uint64_t now_ns,
                          int64_t wall_ns)
{
    if (!s->last_code)
        return;
    h->last_code = s->last_code;
    h->last_ns = now_ns - wall_between(s->last_wall_ns, wall_ns);
    snprintf(h->last_error, sizeof h->last_error, "%s", ms_code_text(s->last_code));
}

bool ms_health_restore(struct ms_health *h, const struct ms_health_saved *saved, uint64_t now_ns,
                       int64_t wall_ns)
{
    MS_HOLD(&h->mutex);
    uint64_t age = wall_between(saved->changed_wall_ns, wall_ns);
    bool newer = saved->changed_wall_ns <= wall_ns && age < between(h->changed_ns, now_ns);
    if (saved->changed_wall_ns == 0 || (h->ever_changed && !newer))
        return false;
    h->state = saved->state == MS_HEALTH_CLOSED ? MS_HEALTH_CLOSED : MS_HEALTH_OPEN;
    h->ever_changed = true;
    h->changed_ns = now_ns - age;
    h->failures = saved->failures < FAILURES_MAX ? saved->failures : FAILURES_MAX;
    h->pause_ns = backed_off(h, h->failures);
    if (saved->state == MS_HEALTH_OPEN) /* or as long as the time-outs are */
        h->pause_ns =
            larger(h->pause_ns, wall_between(saved->changed_wall_ns, saved->next_wall_ns));
    h->soft = 0;
    if (h->state == MS_HEALTH_OPEN) {
        h->since_ns = now_ns - wall_between(saved->since_wall_ns, wall_ns);
        h->next_ns = now_ns + pause_left(h, saved, wall_ns);
        restore_error(h, saved, now_ns, wall_ns);
    }
    return true;
}
