/* One member's health: when its breaker opens, who probes, how long the pauses are, what is
 * expected of its speed, what outlives the process. Time is a number. */
#include "mstore/health.h"

#include "base/pool.h"
#include "base/sim.h"
#include "support/check.h"

#include <stdatomic.h>

#define MSEC UINT64_C(1000000)
#define SEC  UINT64_C(1000000000)
#define WALL ((int64_t)(1700000000 * SEC))

static struct ms_health *health(uint64_t seed)
{
    struct ms_health *h = NULL;
    struct ms_error err = {0};
    check_ok(ms_health_new(seed, &h, &err), err);
    return h;
}

static bool admitted(struct ms_health *h, uint64_t now)
{
    bool probe = true;
    struct ms_error err = {0};
    int code = ms_health_admit(h, "nas", now, &probe, &err);
    if (code)
        check_code(code, MS_ERR_CONNECTION, err);
    assert_true(!code || !probe);
    return code == 0 && !probe;
}

static bool probes(struct ms_health *h, uint64_t now)
{
    bool probe = false;
    struct ms_error err = {0};
    return ms_health_admit(h, "nas", now, &probe, &err) == 0 && probe;
}

static struct ms_health_view view(const struct ms_health *h, uint64_t now)
{
    struct ms_health_view v;
    ms_health_view(h, now, WALL + (int64_t)now, &v);
    return v;
}

/* One call that begins when the breaker lets it, and fails after `spent`. */
static void call(struct ms_health *h, int code, uint64_t now, uint64_t spent)
{
    bool probe;
    struct ms_error err = {0};
    check_ok(ms_health_admit(h, "nas", now - spent, &probe, &err), err);
    ms_health_note(h, probe, code, "nas: it broke", now, spent, 0);
}

static void opens_at_once(void **state)
{
    (void)state;
    static const int at_once[] = {MS_ERR_CONNECTION, MS_ERR_TIMEOUT, MS_ERR_AUTH, MS_ERR_UNTRUSTED,
                                  MS_ERR_NO_STORE};
    for (size_t i = 0; i < sizeof at_once / sizeof *at_once; i++) {
        struct ms_health *h = health(i);
        call(h, at_once[i], 100 * SEC, SEC);
        assert_false(admitted(h, 100 * SEC + 1));
        struct ms_health_view v = view(h, 100 * SEC);
        assert_int_equal(v.state, MS_HEALTH_OPEN);
        assert_int_equal(v.open_ns, SEC);
        assert_in_range(v.next_ns, 3 * SEC / 2, 2 * SEC);
        assert_int_equal(v.failures, 1);
        assert_int_equal(v.errors, 1);
        assert_int_equal(v.refused, 1);
        assert_int_equal(v.last_code, at_once[i]);
        assert_string_equal(v.last_error, "nas: it broke");
        assert_true(v.last_wall_ns == WALL + 100 * (int64_t)SEC);
        ms_health_free(h);
    }
    ms_health_free(NULL);
}

static void says_so(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    bool probe;
    struct ms_error err = {0};
    call(h, MS_ERR_TIMEOUT, 100 * SEC, 20 * SEC);
    uint64_t next = view(h, 110 * SEC).next_ns;
    uint64_t now = 110 * SEC + next - 3 * SEC;
    check_code(ms_health_admit(h, "NAS", now, &probe, &err), MS_ERR_CONNECTION, err);
    assert_int_equal(ms_code_class(err.code), MS_CLASS_TRANSIENT);
    check_text(err, "NAS has not answered for ");
    check_text(err, ": next try in 3.0 s (nas: it broke)");
    assert_true(probes(h, now + 3 * SEC));
    check_code(ms_health_admit(h, "NAS", now + 3 * SEC, &probe, &err), MS_ERR_CONNECTION, err);
    check_text(err, ": a try is under way (nas: it broke)");
    ms_health_free(h);

    h = health(2);
    assert_true(admitted(h, SEC));
    ms_health_note(h, false, MS_ERR_AUTH, NULL, SEC, MSEC, 0);
    check_code(ms_health_admit(h, "NAS", SEC, &probe, &err), MS_ERR_CONNECTION, err);
    check_text(err, "NAS has been failing for 1.0 ms: next try in ");
    check_text(err, "(authentication failed)");
    ms_health_free(h);
}

/* Keys that are not there, full disks, errors that come at once: the member is alive. */
static void stays_closed(void **state)
{
    (void)state;
    static const int codes[] = {0,
                                MS_ERR_NOT_FOUND,
                                MS_ERR_EXISTS,
                                MS_ERR_CONFLICT,
                                MS_ERR_RANGE,
                                MS_ERR_NAME,
                                MS_ERR_INVALID,
                                MS_ERR_PERMISSION,
                                MS_ERR_UNSUPPORTED,
                                MS_ERR_TOO_LARGE,
                                MS_ERR_CANCELLED,
                                MS_ERR_NO_MEMORY,
                                MS_ERR_IO,
                                MS_ERR_NO_SPACE,
                                MS_ERR_QUOTA,
                                MS_ERR_ACCESS,
                                MS_ERR_CORRUPT};
    struct ms_health *h = health(1);
    for (size_t i = 0; i < 10 * sizeof codes / sizeof *codes; i++)
        call(h, codes[i / 10], (i + 1) * SEC, MSEC);
    struct ms_health_view v = view(h, 1000 * SEC);
    assert_int_equal(v.state, MS_HEALTH_CLOSED);
    assert_int_equal(v.calls, 10 * sizeof codes / sizeof *codes);
    assert_int_equal(v.errors, 50); /* from IO on */
    assert_int_equal(v.changes, 0);
    assert_int_equal(v.open_ns, 0);
    assert_int_equal(v.last_code, MS_ERR_CORRUPT);
    ms_health_free(h);
}

static void soft_ones_add_up(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    for (unsigned i = 1; i <= 20; i++) /* a good one in between */
        call(h, i % 5 ? MS_ERR_BUSY : 0, i * SEC, MSEC);
    assert_true(admitted(h, 20 * SEC));
    for (unsigned i = 0; i < 4; i++)
        call(h, MS_ERR_PROTOCOL, 21 * SEC, MSEC);
    assert_true(admitted(h, 21 * SEC));
    call(h, MS_ERR_BUSY, 21 * SEC, MSEC);
    assert_false(admitted(h, 21 * SEC));
    ms_health_free(h);
}

static void slow_errors_are_time_outs(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    call(h, MS_ERR_IO, 100 * SEC, 4 * SEC);
    assert_true(admitted(h, 100 * SEC));
    call(h, MS_ERR_IO, 200 * SEC, 6 * SEC);
    assert_false(admitted(h, 200 * SEC));
    ms_health_free(h);
}

/* A member that hangs while hedges always win: nobody waits for its time-out. */
static void late_cancellations(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    bool probe;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(ms_health_admit(h, "nas", SEC, &probe, NULL), 0);
        ms_health_note(h, probe, MS_ERR_CANCELLED, NULL, SEC, 600 * MSEC, 0); /* not known */
    }
    assert_int_equal(view(h, SEC).errors, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(ms_health_admit(h, "nas", SEC, &probe, NULL), 0);
        ms_health_note(h, probe, MS_ERR_CANCELLED, NULL, SEC, ms_health_late_ns(h, 1000), 1000);
    }
    assert_false(admitted(h, SEC));
    assert_string_equal(view(h, SEC).last_error, "given up when it was late");
    assert_true(ms_health_expected_ns(h, 1000) > 100 * MSEC); /* at least what it took */
    ms_health_free(h);
}

static void one_probe(void **state)
{
    (void)state;
    struct ms_health *h = health(3);
    call(h, MS_ERR_TIMEOUT, 100 * SEC, SEC);
    uint64_t due = 100 * SEC + view(h, 100 * SEC).next_ns;
    assert_false(probes(h, due - 1));
    assert_true(probes(h, due));
    for (unsigned i = 0; i < 10; i++)
        assert_false(probes(h, due + i));
    assert_int_equal(view(h, due).state, MS_HEALTH_HALF_OPEN);
    /* not from the probe: as if it was not there */
    ms_health_note(h, false, MS_ERR_TIMEOUT, "old", due + 1, 10 * SEC, 0);
    assert_int_equal(view(h, due).state, MS_HEALTH_HALF_OPEN);
    ms_health_note(h, true, MS_ERR_NOT_FOUND, NULL, due + MSEC, MSEC, 0);
    assert_int_equal(view(h, due).state, MS_HEALTH_CLOSED);
    assert_true(admitted(h, due + MSEC));
    assert_int_equal(view(h, due).failures, 0);
    ms_health_free(h);
}

static void lost_probes(void **state)
{
    (void)state;
    struct ms_health *h = health(3);
    call(h, MS_ERR_TIMEOUT, 100 * SEC, SEC);
    assert_true(probes(h, 110 * SEC)); /* whoever it was died */
    assert_false(probes(h, 170 * SEC - 1));
    assert_true(probes(h, 170 * SEC));
    /* this one is cancelled early: the next caller tries, and no failure counts */
    ms_health_note(h, true, MS_ERR_CANCELLED, NULL, 171 * SEC, SEC, 0);
    assert_int_equal(view(h, 171 * SEC).failures, 1);
    assert_true(probes(h, 171 * SEC));
    assert_false(probes(h, 171 * SEC));
    ms_health_free(h);
}

/* 2, 4, 8 … s, less a quarter at most, up to 5 minutes. */
static void pauses_grow(void **state)
{
    (void)state;
    struct ms_health *h = health(4), *other = health(5);
    uint64_t now = 100 * SEC, wanted = 2 * SEC;
    bool differ = false;
    for (unsigned i = 1; i <= 80; i++) {
        uint64_t before = now;
        call(h, MS_ERR_CONNECTION, now, 0);
        call(other, MS_ERR_CONNECTION, now, 0);
        struct ms_health_view v = view(h, now), w = view(other, now);
        assert_in_range(v.next_ns, wanted - wanted / 4 - 1, wanted);
        differ |= v.next_ns != w.next_ns;
        assert_int_equal(v.failures, i < 64 ? i : 64);
        assert_int_equal(v.opened, 1);
        now += v.next_ns > w.next_ns ? v.next_ns : w.next_ns;
        assert_int_equal(view(h, now).open_ns, now - 100 * SEC);
        assert_true(now > before);
        wanted = 2 * wanted < 300 * SEC ? 2 * wanted : 300 * SEC;
    }
    assert_true(differ);
    assert_true(probes(h, now));
    ms_health_note(h, true, 0, NULL, now, MSEC, 0);
    call(h, MS_ERR_CONNECTION, now + MSEC, 0); /* from the beginning */
    assert_in_range(view(h, now + MSEC).next_ns, 3 * SEC / 2, 2 * SEC);
    ms_health_free(h);
    ms_health_free(other);
}

/* The pause is at least what the failed call took: probes take half of one caller's time at most.
 */
static void long_time_outs(void **state)
{
    (void)state;
    struct ms_health *h = health(6);
    call(h, MS_ERR_TIMEOUT, 1000 * SEC, 30 * SEC);
    assert_in_range(view(h, 1000 * SEC).next_ns, 22 * SEC, 30 * SEC);
    call(h, MS_ERR_TIMEOUT, 1060 * SEC, 30 * SEC);
    assert_in_range(view(h, 1060 * SEC).next_ns, 44 * SEC, 60 * SEC);
    ms_health_free(h);
}

/* 100 calls under way when it dies: one opening, one failure, one pause. */
static void calls_under_way(void **state)
{
    (void)state;
    struct ms_health *h = health(7);
    for (unsigned i = 0; i < 100; i++)
        assert_true(admitted(h, 100 * SEC + i));
    for (unsigned i = 0; i < 100; i++)
        ms_health_note(h, false, MS_ERR_TIMEOUT, "t", 110 * SEC + i, 10 * SEC, 0);
    struct ms_health_view v = view(h, 110 * SEC);
    assert_int_equal(v.failures, 1);
    assert_int_equal(v.opened, 1);
    assert_int_equal(v.changes, 1);
    assert_int_equal(v.errors, 100);
    uint64_t due = 110 * SEC + v.next_ns;
    assert_true(probes(h, due));
    ms_health_note(h, true, 0, NULL, due + MSEC, MSEC, 0);
    /* one more of them, after the probe closed it; then one that is new */
    ms_health_note(h, false, MS_ERR_TIMEOUT, "t", due + SEC, due + SEC - 100 * SEC, 0);
    assert_true(admitted(h, due + SEC));
    ms_health_note(h, false, MS_ERR_TIMEOUT, "t", due + 2 * SEC, SEC, 0);
    assert_false(admitted(h, due + 2 * SEC));
    ms_health_free(h);
}

/* It answered a call that began before: the pause is over, but one probe only. */
static void signs_of_life(void **state)
{
    (void)state;
    struct ms_health *h = health(8);
    call(h, MS_ERR_TIMEOUT, 100 * SEC, 30 * SEC);
    ms_health_note(h, false, 0, NULL, 101 * SEC, 5 * SEC, 10);
    assert_int_equal(view(h, 101 * SEC).state, MS_HEALTH_OPEN);
    assert_true(probes(h, 101 * SEC));
    assert_false(probes(h, 101 * SEC));
    ms_health_free(h);
}

static void full_members(void **state)
{
    (void)state;
    struct ms_health *h = health(9);
    assert_false(ms_health_full(h, SEC));
    call(h, MS_ERR_NO_SPACE, SEC, MSEC);
    assert_true(admitted(h, SEC)); /* for reading */
    assert_true(ms_health_full(h, 60 * SEC));
    assert_true(view(h, 60 * SEC).full);
    assert_false(ms_health_full(h, 61 * SEC));
    ms_health_free(h);
}

static void somebody_waits(void **state)
{
    (void)state;
    struct ms_health *h = health(10);
    ms_health_try_now(h, 99 * SEC); /* nothing to end */
    assert_true(admitted(h, 99 * SEC));
    call(h, MS_ERR_TIMEOUT, 100 * SEC, 30 * SEC);
    assert_false(probes(h, 101 * SEC));
    ms_health_try_now(h, 101 * SEC);
    assert_true(probes(h, 101 * SEC));
    ms_health_try_now(h, 102 * SEC); /* one is under way */
    assert_false(probes(h, 102 * SEC));
    ms_health_free(h);
}

/* ---- speed ---- */

static void measure(struct ms_health *h, uint64_t spent, uint64_t bytes)
{
    bool probe;
    struct ms_error err = {0};
    check_ok(ms_health_admit(h, "nas", SEC, &probe, &err), err);
    ms_health_note(h, probe, 0, NULL, SEC, spent, bytes);
}

static void expects_what_it_saw(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    assert_int_equal(ms_health_expected_ns(h, 0), MSEC); /* a guess */
    assert_int_equal(view(h, SEC).expected_ns, 0);
    assert_int_equal(view(h, SEC).throughput, 0);
    for (unsigned i = 0; i < 50; i++) {
        measure(h, 20 * MSEC, 100);
        measure(h, 20 * MSEC + 500 * MSEC, 10000000); /* 20 MB/s */
    }
    assert_in_range(ms_health_expected_ns(h, 0), 19 * MSEC, 20 * MSEC);
    assert_in_range(view(h, SEC).throughput, 19900000, 20100000);
    measure(h, 20 * MSEC, 0);
    assert_in_range(ms_health_expected_ns(h, 100000000), 5000 * MSEC, 5050 * MSEC);
    /* a lookup of a key that is not there says nothing of the throughput */
    call(h, MS_ERR_NOT_FOUND, SEC, 20 * MSEC);
    bool probe;
    assert_int_equal(ms_health_admit(h, "nas", SEC, &probe, NULL), 0);
    ms_health_note(h, probe, MS_ERR_NOT_FOUND, NULL, SEC, 20 * MSEC, 100000000);
    assert_in_range(view(h, SEC).throughput, 19900000, 20100000);
    /* neither does what was not measured, or failed */
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(ms_health_admit(h, "nas", SEC, &probe, NULL), 0);
        ms_health_note(h, probe, i % 2 ? 0 : MS_ERR_IO, NULL, SEC, SEC,
                       i % 2 ? MS_HEALTH_UNMEASURED : 0);
    }
    assert_in_range(view(h, SEC).expected_ns, 19 * MSEC, 20 * MSEC);
    /* one slow call does not decide, a slower member does */
    measure(h, 2000 * MSEC, 0);
    assert_in_range(ms_health_expected_ns(h, 0), 20 * MSEC, 40 * MSEC);
    for (unsigned i = 0; i < 100; i++)
        measure(h, 200 * MSEC, 0);
    assert_in_range(ms_health_expected_ns(h, 0), 195 * MSEC, 200 * MSEC);
    ms_health_free(h);
}

/* A member r times slower is tried once in 128 (r - 1) times. */
static void tries_the_slower(void **state)
{
    (void)state;
    struct ms_health *fast = health(1), *slow = health(2);
    for (unsigned i = 0; i < 100; i++) {
        measure(fast, 10 * MSEC, 0);
        measure(slow, 40 * MSEC, 0);
    }
    unsigned tried = 0;
    for (unsigned i = 0; i < 3840; i++) {
        bool take = ms_health_expected_ns(slow, 0) < ms_health_expected_ns(fast, 0);
        measure(take ? slow : fast, take ? 40 * MSEC : 10 * MSEC, 0);
        tried += take;
    }
    assert_in_range(tried, 8, 10);
    /* while it is being tried, nobody else follows */
    bool probe;
    while (ms_health_expected_ns(slow, 0) >= 10 * MSEC)
        ;
    assert_int_equal(ms_health_admit(slow, "slow", SEC, &probe, NULL), 0);
    assert_true(ms_health_expected_ns(slow, 0) > 35 * MSEC);
    ms_health_free(fast);
    ms_health_free(slow);
}

static void lateness(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    assert_int_equal(ms_health_late_ns(h, 0), 500 * MSEC); /* unknown: patience */
    for (unsigned i = 0; i < 1000; i++)                    /* 10 ms, one in twenty-five 100 ms */
        measure(h, i % 25 ? 10 * MSEC : 100 * MSEC, 0);
    struct ms_health_view v = view(h, SEC);
    assert_in_range(v.p95_ns, v.expected_ns * 9 / 10, v.expected_ns * 3 / 2);
    assert_in_range(ms_health_late_ns(h, 0), 18 * MSEC, 60 * MSEC);
    for (unsigned i = 0; i < 4000; i++) /* now one in ten: it belongs to the ways of the member */
        measure(h, i % 10 ? 10 * MSEC : 100 * MSEC, 0);
    assert_true(view(h, SEC).p95_ns > 60 * MSEC);
    assert_true(ms_health_late_ns(h, 0) > 120 * MSEC);
    /* larger calls may take longer */
    for (unsigned i = 0; i < 1000; i++)
        measure(h, 1010 * MSEC, 10000000);
    assert_true(ms_health_late_ns(h, 10000000) > SEC);
    assert_true(ms_health_late_ns(h, UINT64_MAX - 1) >= ms_health_late_ns(h, 10000000));
    ms_health_free(h);

    h = health(2);
    for (unsigned i = 0; i < 100; i++)
        measure(h, 1000, 0);
    assert_int_equal(ms_health_late_ns(h, 0), 2 * MSEC); /* the floor */
    for (unsigned i = 0; i < 100; i++)
        measure(h, 0, 0); /* a clock that stands still */
    measure(h, UINT64_MAX, UINT64_MAX - 1);
    ms_health_free(h);
}

/* ---- beyond the process ---- */

static struct ms_health_saved saved(const struct ms_health *h, uint64_t now, int64_t wall)
{
    struct ms_health_saved s;
    ms_health_save(h, now, wall, &s);
    return s;
}

/* The next process has another monotonic clock. */
static void outlives_the_process(void **state)
{
    (void)state;
    struct ms_health *a = health(1), *b = health(2);
    struct ms_health_saved s = saved(a, 100 * SEC, WALL);
    assert_int_equal(s.changed_wall_ns, 0);
    assert_false(ms_health_restore(b, &s, 5, WALL));

    call(a, MS_ERR_TIMEOUT, 100 * SEC, 30 * SEC);
    s = saved(a, 101 * SEC, WALL);
    assert_int_equal(s.state, MS_HEALTH_OPEN);
    assert_int_equal(s.failures, 1);
    assert_int_equal(s.last_code, MS_ERR_TIMEOUT);
    uint64_t left = view(a, 101 * SEC).next_ns;
    assert_true(ms_health_restore(b, &s, 5, WALL + (int64_t)SEC));
    struct ms_health_view v = view(b, 5);
    assert_int_equal(v.state, MS_HEALTH_OPEN);
    assert_int_equal(v.next_ns, left - SEC);
    assert_int_equal(v.open_ns, 32 * SEC);
    assert_int_equal(v.changes, 0); /* nothing new to save */
    struct ms_error err = {0};
    bool probe;
    check_code(ms_health_admit(b, "NAS", 5, &probe, &err), MS_ERR_CONNECTION, err);
    check_text(err, "NAS has not answered for 32.0 s: next try in ");
    check_text(err, "(timed out)"); /* no sentence: it could hold an address */
    struct ms_health_saved t = saved(b, 5, WALL + (int64_t)SEC);
    assert_true(ms_health_saved_equal(&t, &s));

    assert_true(probes(b, 5 + left - SEC)); /* and it goes on from there */
    ms_health_note(b, true, MS_ERR_TIMEOUT, "t", left, 1, 0);
    v = view(b, left);
    assert_int_equal(v.failures, 2);
    assert_in_range(v.next_ns, 33 * SEC, 60 * SEC); /* twice the one before */
    ms_health_free(a);
    ms_health_free(b);
}

/* An hour of processes that make ten calls each, one call every 100 ms, to a member whose every
 * call is a time-out of 10 s that others do not wait for. */
static void dead_for_an_hour(void **state)
{
    (void)state;
    struct ms_health_saved kept = {0};
    unsigned time_outs = 0, calls = 0;
    int64_t wall = WALL;
    for (unsigned process = 0; process < 3600; process++) {
        struct ms_health *h = health(process);
        uint64_t now = 1000 * SEC * (process % 7); /* each has a clock of its own */
        ms_health_restore(h, &kept, now, wall);
        for (unsigned i = 0; i < 10; i++, calls++, now += SEC / 10, wall += (int64_t)SEC / 10) {
            bool probe;
            if (ms_health_admit(h, "nas", now, &probe, NULL) != 0)
                continue;
            time_outs++;
            ms_health_note(h, probe, MS_ERR_TIMEOUT, "t", now + 10 * SEC, 10 * SEC, 0);
            now += 10 * SEC;
            wall += 10 * (int64_t)SEC;
        }
        kept = saved(h, now, wall);
        ms_health_free(h);
    }
    assert_int_equal(calls, 36000);
    assert_in_range(time_outs, 12, 22); /* 10, 20, 40 … s, then every 225 to 300 s */
}

static void newer_news(void **state)
{
    (void)state;
    struct ms_health *a = health(1), *b = health(2);
    call(a, MS_ERR_TIMEOUT, 100 * SEC, 0);
    call(b, MS_ERR_TIMEOUT, 110 * SEC, 0);
    struct ms_health_saved old = saved(a, 120 * SEC, WALL), young = saved(b, 120 * SEC, WALL);
    assert_false(ms_health_restore(b, &old, 120 * SEC, WALL));
    assert_true(ms_health_restore(a, &young, 120 * SEC, WALL));
    assert_false(ms_health_restore(a, &young, 120 * SEC, WALL)); /* known */
    assert_true(probes(b, 120 * SEC));
    struct ms_health_saved trying = saved(b, 120 * SEC, WALL);
    assert_int_equal(trying.state, MS_HEALTH_HALF_OPEN);
    assert_true(ms_health_restore(a, &trying, 120 * SEC + 1, WALL + 1));
    assert_false(probes(a, 121 * SEC)); /* another process does */
    assert_true(probes(a, 180 * SEC));  /* it has taken too long */
    ms_health_note(b, true, 0, NULL, 181 * SEC, SEC, 0);
    struct ms_health_saved closed = saved(b, 181 * SEC, WALL + (int64_t)(61 * SEC));
    assert_int_equal(closed.state, MS_HEALTH_CLOSED);
    assert_int_equal(closed.next_wall_ns, 0);
    assert_true(ms_health_restore(a, &closed, 181 * SEC, WALL + (int64_t)(61 * SEC)));
    assert_true(admitted(a, 181 * SEC));
    ms_health_free(a);
    ms_health_free(b);
}

/* However the clock was set, a pause ends within the longest. */
static void clocks_that_jump(void **state)
{
    (void)state;
    static const struct {
        int64_t changed, next, now; /* seconds */
        uint64_t left;
    } cases[] = {
        {1000, 1010, 1004, 6},   /* as it should be */
        {1000, 1010, 2000, 0},   /* long ago, or set forth */
        {1000, 1010, 900, 0},    /* set back: from the future */
        {1000, 9000, 1000, 300}, /* nobody waits for 8000 s */
        {1000, 9000, 1100, 200}, /* … and that is counted from when it began */
        {1000, 9000, 1400, 0},   /* … in the next process too */
        {1000, 500, 1000, 0},    /* nonsense */
        {1, 9000000000, 1, 300},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_health *h = health(i);
        struct ms_health_saved s = {.state = MS_HEALTH_OPEN,
                                    .changed_wall_ns = cases[i].changed * (int64_t)SEC,
                                    .since_wall_ns = cases[i].changed * (int64_t)SEC,
                                    .next_wall_ns = cases[i].next * (int64_t)SEC,
                                    .failures = UINT32_MAX,
                                    .last_code = MS_ERR_TIMEOUT};
        assert_true(ms_health_restore(h, &s, 7, cases[i].now * (int64_t)SEC));
        assert_int_equal(view(h, 7).next_ns, cases[i].left * SEC);
        assert_int_equal(view(h, 7).failures, 64);
        assert_true(probes(h, 7 + cases[i].left * SEC));
        ms_health_free(h);
    }
    struct ms_health *h = health(1); /* what this process knows counts more than the future */
    call(h, MS_ERR_TIMEOUT, 100 * SEC, 0);
    struct ms_health_saved s = {.state = MS_HEALTH_CLOSED, .changed_wall_ns = INT64_MAX};
    assert_false(ms_health_restore(h, &s, 100 * SEC, WALL));
    ms_health_free(h);
}

/* ---- threads ---- */

struct crowd {
    struct ms_health *h;
    atomic_uint probes, admitted;
};

static int member_of_crowd(void *arg)
{
    struct crowd *c = arg;
    for (unsigned i = 0; i < 200; i++) {
        bool probe;
        struct ms_error err = {0};
        struct ms_health_view v;
        if (ms_health_admit(c->h, "nas", 1000 * SEC, &probe, &err) == 0)
            atomic_fetch_add(probe ? &c->probes : &c->admitted, 1);
        ms_health_expected_ns(c->h, i);
        ms_health_late_ns(c->h, i);
        ms_health_view(c->h, 1000 * SEC, WALL, &v);
        ms_health_save(c->h, 1000 * SEC, WALL, &(struct ms_health_saved){0});
    }
    return 0;
}

static void run_crowd(struct crowd *c)
{
    struct ms_group *g = NULL;
    struct ms_error err = {0};
    struct ms_join join;
    check_ok(ms_group_new(&g, &err), err);
    for (unsigned i = 0; i < 4; i++)
        check_ok(ms_group_fork(g, member_of_crowd, NULL, c, &err), err);
    ms_group_join_all(g, &join);
    ms_group_release(g);
    assert_int_equal(join.succeeded, 4);
}

/* The pause is over, and everybody comes at once. */
static void one_probe_of_a_crowd(void **state)
{
    (void)state;
    struct crowd c = {.h = health(1)};
    call(c.h, MS_ERR_TIMEOUT, 100 * SEC, SEC);
    run_crowd(&c);
    assert_int_equal(c.probes, 1);
    assert_int_equal(c.admitted, 0);
    assert_int_equal(view(c.h, 1000 * SEC).refused, 799);
    ms_health_note(c.h, true, 0, NULL, 1000 * SEC, MSEC, 0);
    run_crowd(&c);
    assert_int_equal(c.probes, 1);
    assert_int_equal(c.admitted, 800);
    ms_health_free(c.h);
    ms_pool_shutdown();
}

static int crowd_in_simulation(void *arg)
{
    (void)arg;
    one_probe_of_a_crowd(NULL);
    return 0;
}

static void one_probe_by_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct ms_sim_options options = {.seed = seed};
        struct ms_sim_result result;
        struct ms_error err = {0};
        check_ok(ms_sim_run(&options, crowd_in_simulation, NULL, &result, &err), err);
    }
}

/* A caller that cannot do without it, every 100 ms for an hour, and each look takes 5 s. */
static void demands_cost_few_looks(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    struct ms_error err = {0};
    bool probe = false;
    uint64_t now = 10 * SEC;
    unsigned looks = 0;
    check_ok(ms_health_demand(h, "nas", now, &probe, &err), err);
    assert_false(probe); /* it is well */
    ms_health_note(h, false, MS_ERR_TIMEOUT, "gone", now, 5 * SEC, 0);
    assert_false(admitted(h, now));
    check_code(ms_health_demand(h, "nas", now, &probe, &err), MS_ERR_CONNECTION, err);
    for (uint64_t end = now + 3600 * SEC; now < end; now += 100 * MSEC) {
        if (ms_health_demand(h, "nas", now, &probe, &err))
            continue;
        assert_true(probe);
        check_code(ms_health_demand(h, "nas", now, &probe, &err), MS_ERR_BUSY, err);
        now += 5 * SEC;
        ms_health_note(h, true, MS_ERR_TIMEOUT, "gone", now, 5 * SEC, 0);
        looks++;
    }
    assert_in_range(looks, 50, 110);
    now += 30 * SEC;
    check_ok(ms_health_demand(h, "nas", now, &probe, &err), err); /* the pause lasts for minutes */
    ms_health_note(h, probe, 0, NULL, now, MSEC, 0);
    assert_true(admitted(h, now));
    ms_health_free(h);
}

static void a_quick_failure_is_looked_at_at_once(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    struct ms_error err = {0};
    bool probe = false;
    ms_health_note(h, false, MS_ERR_CONNECTION, "refused", 10 * SEC, MSEC, 0);
    assert_false(admitted(h, 10 * SEC));
    check_ok(ms_health_demand(h, "nas", 10 * SEC, &probe, &err), err);
    assert_true(probe);
    ms_health_note(h, true, 0, NULL, 10 * SEC, MSEC, 0);
    assert_true(admitted(h, 10 * SEC));
    ms_health_free(h);
}

/* Writers wait a second and more for the rest, but for a probe only until it is late. */
static void grace_is_for_the_healthy(void **state)
{
    (void)state;
    struct ms_health *h = health(1);
    assert_true(ms_health_grace_ns(h, 0) ==
                2 * SEC); /* 4 times what is late while nothing is known */
    for (unsigned i = 0; i < 100; i++) {
        assert_true(admitted(h, SEC));
        ms_health_note(h, false, 0, NULL, SEC, 20 * MSEC, 0);
    }
    uint64_t late = ms_health_late_ns(h, 0);
    assert_in_range(late, 40 * MSEC, 50 * MSEC);
    assert_true(ms_health_grace_ns(h, 0) == SEC);
    call(h, MS_ERR_TIMEOUT, 100 * SEC, 3 * SEC);
    assert_true(ms_health_grace_ns(h, 0) == late);
    assert_true(probes(h, 104 * SEC)); /* open, and half open */
    assert_true(ms_health_grace_ns(h, 0) == late);
    ms_health_note(h, true, 0, NULL, 104 * SEC, 20 * MSEC, 0);
    assert_true(ms_health_grace_ns(h, 0) == SEC);
    ms_health_free(h);

    h = health(2); /* of which nothing is known */
    call(h, MS_ERR_TIMEOUT, 100 * SEC, 3 * SEC);
    assert_true(probes(h, 104 * SEC));
    assert_in_range(ms_health_grace_ns(h, 0), 1, 10 * MSEC);
    assert_in_range(ms_health_late_ns(h, 0), 1, 10 * MSEC);
    ms_health_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_at_once),
        cmocka_unit_test(says_so),
        cmocka_unit_test(stays_closed),
        cmocka_unit_test(soft_ones_add_up),
        cmocka_unit_test(slow_errors_are_time_outs),
        cmocka_unit_test(late_cancellations),
        cmocka_unit_test(one_probe),
        cmocka_unit_test(lost_probes),
        cmocka_unit_test(pauses_grow),
        cmocka_unit_test(long_time_outs),
        cmocka_unit_test(calls_under_way),
        cmocka_unit_test(signs_of_life),
        cmocka_unit_test(full_members),
        cmocka_unit_test(somebody_waits),
        cmocka_unit_test(expects_what_it_saw),
        cmocka_unit_test(tries_the_slower),
        cmocka_unit_test(lateness),
        cmocka_unit_test(grace_is_for_the_healthy),
        cmocka_unit_test(outlives_the_process),
        cmocka_unit_test(dead_for_an_hour),
        cmocka_unit_test(newer_news),
        cmocka_unit_test(clocks_that_jump),
        cmocka_unit_test(demands_cost_few_looks),
        cmocka_unit_test(a_quick_failure_is_looked_at_at_once),
        cmocka_unit_test(one_probe_of_a_crowd),
        cmocka_unit_test(one_probe_by_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
