/* The budget of hedged requests, and what hedging does with it and a member's health: in virtual
 * time, with one call in a hundred 50 times slower, the slowest in a thousand are at least ten
 * times faster, for less than 3 % more requests. */
#include "mstore/health.h"
#include "mstore/hedge.h"

#include "base/pool.h"
#include "support/check.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MSEC UINT64_C(1000000)

static struct ms_hedge *budget(unsigned per_mille, unsigned burst)
{
    struct ms_hedge *h = NULL;
    struct ms_error err = {0};
    struct ms_hedge_options options = {per_mille, burst};
    check_ok(ms_hedge_new(&options, &h, &err), err);
    return h;
}

static void earns_and_spends(void **state)
{
    (void)state;
    struct ms_hedge *h = budget(0, 0); /* 2 %, 10 */
    struct ms_hedge_view v;
    for (unsigned i = 0; i < 10; i++)
        assert_true(ms_hedge_take(h));
    assert_false(ms_hedge_take(h));
    for (unsigned i = 0; i < 49; i++)
        ms_hedge_first(h);
    assert_false(ms_hedge_take(h));
    ms_hedge_first(h);
    assert_true(ms_hedge_take(h));
    assert_false(ms_hedge_take(h));
    ms_hedge_give_back(h);
    assert_true(ms_hedge_take(h));
    for (unsigned i = 0; i < 100000; i++) /* no more than the burst is saved */
        ms_hedge_first(h);
    ms_hedge_give_back(h);
    ms_hedge_view(h, &v);
    assert_int_equal(v.tokens, 10);
    assert_int_equal(v.firsts, 100050);
    assert_int_equal(v.hedges, 10 + 2 - 2);
    assert_int_equal(v.refused, 3);
    ms_hedge_free(h);
    ms_hedge_free(NULL);

    struct ms_error err = {0};
    struct ms_hedge_options bad = {1001, 1};
    h = NULL;
    check_code(ms_hedge_new(&bad, &h, &err), MS_ERR_INVALID, err);
    check_text(err, "1001 per mille and a burst of 1 are no budget for hedged requests");
    bad = (struct ms_hedge_options){1, 1000001};
    check_code(ms_hedge_new(&bad, &h, &err), MS_ERR_INVALID, err);
    assert_null(h);
    h = budget(1000, 1); /* as many as first ones */
    for (unsigned i = 0; i < 100; i++) {
        assert_true(ms_hedge_take(h));
        assert_false(ms_hedge_take(h));
        ms_hedge_first(h);
    }
    ms_hedge_free(h);
}

/* In any window of n first requests: 2 % of n, and the burst. */
static void never_more(void **state)
{
    (void)state;
    struct ms_hedge *h = budget(20, 10);
    struct ms_random random;
    ms_random_seed(&random, 1);
    static uint64_t taken[20001];
    for (unsigned i = 1; i <= 20000; i++) {
        ms_hedge_first(h);
        taken[i] = taken[i - 1];
        for (uint64_t wishes = ms_random_below(&random, i % 4000 < 1000 ? 1 : 5); wishes > 0;
             wishes--)
            taken[i] += ms_hedge_take(h);
    }
    for (unsigned from = 0; from < 20000; from += 7)
        for (unsigned to = from; to <= 20000; to += 101)
            assert_true((taken[to] - taken[from]) * 50 <= to - from + 500);
    assert_true(taken[20000] >= 340); /* a burst is lost in each quiet time */
    ms_hedge_free(h);
}

static atomic_uint got;

static int take_many(void *arg)
{
    for (unsigned i = 0; i < 1000; i++) {
        ms_hedge_first(arg);
        atomic_fetch_add(&got, ms_hedge_take(arg));
        if (i % 100 == 0 && ms_hedge_take(arg))
            ms_hedge_give_back(arg);
    }
    return 0;
}

static void threads(void **state)
{
    (void)state;
    struct ms_hedge *h = budget(20, 10);
    struct ms_group *g = NULL;
    struct ms_error err = {0};
    struct ms_join join;
    struct ms_hedge_view v;
    atomic_store(&got, 0);
    check_ok(ms_group_new(&g, &err), err);
    for (unsigned i = 0; i < 4; i++)
        check_ok(ms_group_fork(g, take_many, NULL, h, &err), err);
    ms_group_join_all(g, &join);
    ms_group_release(g);
    assert_int_equal(join.succeeded, 4);
    ms_hedge_view(h, &v);
    assert_int_equal(v.firsts, 4000);
    assert_int_equal(v.hedges, got);
    assert_true(got <= 90);
    assert_true(got + v.tokens >= 80);
    ms_hedge_free(h);
    ms_pool_shutdown();
}

/* ---- the tail ---- */

#define CALLS 100000u

enum shape { CONSTANT, UNIFORM, EXPONENTIAL };

struct tail {
    struct ms_random random;
    struct ms_hedge *hedge;
    struct ms_health *health[2];
    uint64_t typical[2]; /* ns */
    enum shape shape;
    uint64_t now, extra;
    uint64_t *took; /* CALLS */
};

static uint64_t draw(struct tail *t, unsigned member)
{
    double x = ms_random_unit(&t->random), typical = (double)t->typical[member];
    double ns = t->shape == CONSTANT  ? typical
                : t->shape == UNIFORM ? typical * (0.5 + x)
                                      : -typical * log(1 - x);
    return (uint64_t)(ms_random_below(&t->random, 100) == 0 ? 50 * ns : ns) + 1;
}

static void begin(struct tail *t, unsigned member)
{
    bool probe;
    struct ms_error err = {0};
    check_ok(ms_health_admit(t->health[member], "m", t->now, &probe, &err), err);
    assert_false(probe);
}

static void end(struct tail *t, unsigned member, int code, uint64_t spent)
{
    ms_health_note(t->health[member], false, code, NULL, t->now, spent, 4096);
}

/* One load by the fastest member, and once more by the other when it is late. */
static uint64_t load(struct tail *t, bool hedged)
{
    unsigned first =
        ms_health_expected_ns(t->health[1], 4096) < ms_health_expected_ns(t->health[0], 4096);
    uint64_t spent = draw(t, first), late = ms_health_late_ns(t->health[first], 4096);
    ms_hedge_first(t->hedge);
    begin(t, first);
    if (spent <= late || !hedged || !ms_hedge_take(t->hedge)) {
        t->now += spent;
        end(t, first, 0, spent);
        return spent;
    }
    t->extra++;
    t->now += late;
    begin(t, !first);
    uint64_t second = draw(t, !first);
    uint64_t more = second < spent - late ? second : spent - late;
    bool won = second < spent - late;
    t->now += more;
    end(t, !first, won ? 0 : MS_ERR_CANCELLED, more);
    end(t, first, won ? MS_ERR_CANCELLED : 0, late + more);
    return late + more;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The time that 99.9 % of loads take at most. */
static uint64_t p999(struct tail *t, bool hedged)
{
    struct ms_error err = {0};
    ms_random_seed(&t->random, 42);
    t->hedge = budget(0, 0);
    t->now = t->extra = 0;
    for (unsigned i = 0; i < 2; i++)
        check_ok(ms_health_new(i, &t->health[i], &err), err);
    for (unsigned i = 0; i < CALLS; i++)
        t->took[i] = load(t, hedged);
    qsort(t->took, CALLS, sizeof *t->took, by_size);
    for (unsigned i = 0; i < 2; i++) {
        struct ms_health_view v;
        ms_health_view(t->health[i], t->now, 0, &v);
        assert_int_equal(v.opened, 0);
        ms_health_free(t->health[i]);
    }
    ms_hedge_free(t->hedge);
    return t->took[CALLS - CALLS / 1000];
}

static void tails_are_cut(void **state)
{
    (void)state;
    static const struct {
        enum shape shape;
        uint64_t typical[2];
    } cases[] = {
        {CONSTANT, {20 * MSEC, 20 * MSEC}},    {UNIFORM, {20 * MSEC, 20 * MSEC}},
        {EXPONENTIAL, {20 * MSEC, 20 * MSEC}}, {CONSTANT, {20 * MSEC, 30 * MSEC}},
        {UNIFORM, {2 * MSEC, 3 * MSEC}},
    };
    struct tail t = {.took = calloc(CALLS, sizeof *t.took)};
    assert_non_null(t.took);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        t.shape = cases[i].shape;
        memcpy(t.typical, cases[i].typical, sizeof t.typical);
        uint64_t without = p999(&t, false);
        assert_int_equal(t.extra, 0);
        uint64_t with = p999(&t, true);
        print_message("case %zu: p99.9 %.1f ms, hedged %.1f ms: %.1f times better, %.2f %% more "
                      "requests\n",
                      i, (double)without / 1e6, (double)with / 1e6, (double)without / (double)with,
                      (double)t.extra * 100 / CALLS);
        assert_true(without >= 10 * with);
        assert_true(t.extra * 100 < CALLS * 3);
    }
    free(t.took);
}

/* All calls slow: the budget holds, whatever the member's health says. */
static void overload(void **state)
{
    (void)state;
    struct tail t = {.shape = EXPONENTIAL, .took = calloc(CALLS, sizeof *t.took)};
    assert_non_null(t.took);
    struct ms_error err = {0};
    t.hedge = budget(0, 0);
    ms_random_seed(&t.random, 7);
    for (unsigned i = 0; i < 2; i++)
        check_ok(ms_health_new(i, &t.health[i], &err), err);
    for (unsigned i = 0; i < 50000; i++) { /* from 1 ms to 5 s */
        t.typical[0] = t.typical[1] = MSEC + i * (MSEC / 10);
        load(&t, true);
    }
    assert_true(t.extra <= 1000 + 10);
    for (unsigned i = 0; i < 2; i++)
        ms_health_free(t.health[i]);
    ms_hedge_free(t.hedge);
    free(t.took);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earns_and_spends), cmocka_unit_test(never_more), cmocka_unit_test(threads),
        cmocka_unit_test(tails_are_cut),    cmocka_unit_test(overload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
