/* mstore/lease.c, away*.c: what news cost, who waits for how long, how trust is given back. */
#include "mstore/lease.h"

#include "base/pool.h"
#include "base/sim.h"
#include "mstore/away.h"
#include "mstore/immutable.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <string.h>

#define SECOND UINT64_C(1000000000)
#define POLICY "redundancy = copies 3\n"

static int in_sim(int (*run)(void *arg))
{
    struct ms_sim_options options = {.seed = 3};
    struct ms_error err = {0};
    int code = ms_sim_run(&options, run, NULL, NULL, &err);
    check_ok(code, err);
    return code;
}

static void pass(struct fleet *f, uint64_t ns)
{
    struct ms_error err = {0};
    check_ok(ms_sleep(f->clock, ns, &err), err);
}

static struct fleet_options usual(void)
{
    return (struct fleet_options){
        .members = 3, .policy = POLICY, .clock = ms_sim_clock(), .latency_ns = 10000000};
}

/* ---- what it costs -------------------------------------------------------------------------- */

static int costs(void *arg)
{
    struct fleet f;
    struct ms_error err = {0};
    struct fleet_options options = usual();
    (void)arg;
    fleet_make(&f, &options);
    assert_in_range(fleet_calls(&f, MS_VERB_LIST), 2, 3); /* opening: one for each member */
    struct ms_buf *value = fleet_value(100, 1);
    fleet_put(&f, "0123", value);
    pass(&f, SECOND); /* the last of them has ended */
    uint64_t before = fleet_calls(&f, MS_VERB_COUNT);
    for (unsigned i = 0; i < 10; i++)
        fleet_assert_loads(&f, "0123", value);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, 10); /* nothing but the loads */
    pass(&f, 5 * SECOND);
    uint64_t begin = ms_clock_now(f.clock);
    before = fleet_calls(&f, MS_VERB_COUNT);
    fleet_assert_loads(&f, "0123", value); /* the half is over: renewed meanwhile */
    assert_in_range(ms_clock_now(f.clock) - begin, 1, 15000000);
    pass(&f, SECOND);
    uint64_t spent = fleet_calls(&f, MS_VERB_COUNT) - before;
    assert_in_range(spent, 2, 1 + 3 * 3); /* a load; layout, marks, "is it there" of each */
    assert_true(ms_lease_holds(f.roster, MS_NEWS_ALL));
    pass(&f, 11 * SECOND); /* nobody came: run out */
    assert_false(ms_lease_holds(f.roster, MS_NEWS_AWAY));
    check_ok(ms_lease_trust(f.roster, MS_NEWS_AWAY, &err), err);
    assert_true(ms_lease_holds(f.roster, MS_NEWS_AWAY));
    ms_buf_unref(value);
    pass(&f, 60 * SECOND);
    fleet_free(&f);
    return 0;
}

static void news_cost_little(void **state)
{
    (void)state;
    in_sim(costs);
}

/* ---- who waits ------------------------------------------------------------------------------ */

static uint64_t disbelieve(struct fleet *f, unsigned member)
{
    bool missed[FLEET_MAX] = {0};
    struct ms_error err = {0};
    uint64_t begin = ms_clock_now(f->clock);
    missed[member] = true;
    check_ok(ms_lease_disbelieve(f->roster, missed, NULL, NULL, &err), err);
    return ms_clock_now(f->clock) - begin;
}

static int waits(void *arg)
{
    struct fleet f, other;
    struct ms_error err = {0};
    struct fleet_options options = usual();
    (void)arg;
    fleet_make(&f, &options);
    fleet_gone(&f, 2, true);
    assert_in_range(disbelieve(&f, 2) / 1000000, 11000, 11500);
    assert_in_range(disbelieve(&f, 2), 0, 50000000); /* known to all by now */
    assert_int_equal(fleet_all(&f, "away"), 2);
    fleet_gone(&f, 2, false);
    fleet_join(&other, &f, &options);
    assert_true(ms_member_returning(other.roster->members[2]));
    assert_false(ms_member_returning(other.roster->members[1]));
    assert_in_range(disbelieve(&other, 2) / 1000000, 10900, 11500); /* it cannot know since when */
    assert_int_equal(fleet_all(&f, "away"), 2);                     /* but needs no other mark */
    fleet_gone(&f, 1, true);
    fleet_gone(&f, 2, true);
    bool missed[3] = {false, false, true};
    pass(&f, 20 * SECOND);
    assert_int_not_equal(ms_lease_disbelieve(f.roster, missed, NULL, NULL, &err), 0);
    check_text(err, "too few members say what others have changed: 2 must answer");
    check_ok(ms_lease_trust(f.roster, MS_NEWS_AWAY, &err), err); /* goes on without, for reading */
    pass(&f, 120 * SECOND);
    fleet_free(&other);
    fleet_free(&f);
    return 0;
}

static void a_change_that_is_missed_waits_once(void **state)
{
    (void)state;
    in_sim(waits);
}

/* Nobody asked for longer than a lease. */
static int idles(void *arg)
{
    struct fleet f;
    struct fleet_options options = usual();
    (void)arg;
    fleet_make(&f, &options);
    fleet_gone(&f, 2, true);
    assert_in_range(disbelieve(&f, 2) / 1000000, 11000, 11500);
    pass(&f, 4 * 60 * SECOND);
    assert_in_range(disbelieve(&f, 2), 0, 100000000); /* it cannot have been removed meanwhile */
    pass(&f, MS_AWAY_STANDS_NS + SECOND);
    assert_in_range(disbelieve(&f, 2) / 1000000, 11000, 11500);
    assert_int_equal(fleet_all(&f, "away"), 2);
    pass(&f, 20 * SECOND);
    fleet_wipe(&f, 0, "away"); /* and must be on a majority */
    assert_in_range(disbelieve(&f, 2) / 1000000, 11000, 11500);
    assert_int_equal(fleet_all(&f, "away"), 3);
    pass(&f, 120 * SECOND);
    fleet_free(&f);
    return 0;
}

static void an_idle_client_goes_on_with_what_it_knew(void **state)
{
    (void)state;
    in_sim(idles);
}

/* ---- trust given back ----------------------------------------------------------------------- */

static size_t ripe(struct fleet *f, struct ms_away marks[MS_AWAY_MAX])
{
    struct ms_error err = {0};
    size_t count = 0;
    check_ok(ms_away_ripe(f->roster, 2, MS_AWAY_GRACE_NS, marks, &count, &err), err);
    return count;
}

static int settles(void *arg)
{
    static struct ms_away marks[MS_AWAY_MAX];
    struct fleet f;
    struct ms_error err = {0};
    struct fleet_options options = usual();
    (void)arg;
    fleet_make(&f, &options);
    disbelieve(&f, 2);
    assert_int_equal(ripe(&f, marks), 0); /* nobody has closed it */
    check_ok(ms_away_close(f.roster, 2, &err), err);
    pass(&f, MS_AWAY_GRACE_NS);
    assert_int_equal(ripe(&f, marks), 0); /* too early */
    assert_true(ms_member_returning(f.roster->members[2]));
    assert_in_range(disbelieve(&f, 2) / 1000000, 11000, 11500); /* needs a mark of its own */
    pass(&f, 2 * SECOND);
    assert_int_equal(ripe(&f, marks), 1);
    check_ok(ms_away_settle(f.roster, marks, 1, &err), err);
    assert_true(ms_member_returning(f.roster->members[2])); /* that one is still there */
    check_ok(ms_away_close(f.roster, 2, &err), err);
    pass(&f, MS_AWAY_GRACE_NS + 12 * SECOND);
    assert_int_equal(ripe(&f, marks), 1);
    check_ok(ms_away_settle(f.roster, marks, 1, &err), err);
    assert_false(ms_member_returning(f.roster->members[2]));
    pass(&f, SECOND);
    assert_int_equal(fleet_all(&f, "away"), 0);
    fleet_free(&f);
    return 0;
}

static void closed_marks_go_when_nothing_can_be_under_way(void **state)
{
    (void)state;
    in_sim(settles);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void names_are_read_as_written(void **state)
{
    (void)state;
    struct ms_uuid store = {{1, 2, 3}};
    struct ms_away mark = {.member = {{0xab, 0xcd}}, .id = {0x12, 0xfedcba9876543210}}, read;
    struct ms_name name;
    ms_away_name(&store, &mark, &name);
    static const char whole[] = "mstore-01020300000000000000000000000000/away/"
                                "abcd0000000000000000000000000000.0000000000000012-"
                                "fedcba9876543210.o";
    assert_int_equal(name.size, sizeof whole - 1);
    assert_memory_equal(name.text, whole, name.size);
    char last[] = "abcd0000000000000000000000000000.0000000000000012-fedcba9876543210.o";
    assert_true(ms_away_parse(ms_str(last), &read));
    assert_true(ms_away_equal(&mark, &read));
    for (size_t i = 0; i < sizeof last - 1; i++) {
        char before = last[i];
        last[i] = '!';
        assert_false(ms_away_parse(ms_str(last), &read));
        last[i] = before;
        assert_false(ms_away_parse(ms_view((const uint8_t *)last, i), &read));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_cost_little),
        cmocka_unit_test(a_change_that_is_missed_waits_once),
        cmocka_unit_test(an_idle_client_goes_on_with_what_it_knew),
        cmocka_unit_test(closed_marks_go_when_nothing_can_be_under_way),
        cmocka_unit_test(names_are_read_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
