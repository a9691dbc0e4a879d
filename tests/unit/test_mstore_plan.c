/* What a layout is worth, against figures worked out by hand, a Monte Carlo of the same members,
 * and the requests that a real store makes. */
#include "support/check.h"
#include "support/scratch.h"

#include "mstore/conf.h"
#include "mstore/plan.h"

#include <math.h>
#include <mstore/multi.h>
#include <mstore/stats.h>

static struct ms_error err;

static struct ms_mconf *conf_of(const char *text)
{
    struct ms_mconf *c = NULL;
    check_ok(ms_mconf_parse(ms_str(text), "test.conf", &c, &err), err);
    return c;
}

#define MEMBERS4                                                                                   \
    "[mstore]\n[member a]\nurl = file:///a\n[member b]\nurl = file:///b\n[member c]\nurl = "       \
    "file:///c\n[member d]\nurl = file:///d\n"

static struct ms_plan_space plan(const char *text, const struct ms_plan_options *options)
{
    static const struct ms_plan_options defaults = MS_PLAN_OPTIONS_INIT;
    struct ms_mconf *c = conf_of(text);
    struct ms_plan_space p;
    const struct ms_layout *l = c->shared;
    check_ok(ms_plan_space(l, &l->spaces[0], options ? options : &defaults, &p, &err), err);
    p.space = NULL;
    ms_mconf_free(c);
    return p;
}

static void near(double value, double wanted, double share)
{
    if (fabs(value - wanted) > share * fabs(wanted))
        fail_msg("%.9g is not %.9g", value, wanted);
}

/* ---- by hand ---- */

static void years_by_hand(void **state)
{
    (void)state;
    double l = 0.1, m = 50;
    near(ms_plan_loss_years(1, 0, l, m), 1 / l, 1e-12);
    near(ms_plan_loss_years(6, 0, l, m), 1 / (6 * l), 1e-12);
    near(ms_plan_loss_years(2, 1, l, m), (3 * l + m) / (2 * l * l), 1e-12);  /* as for a mirror */
    near(ms_plan_loss_years(5, 1, l, m), (9 * l + m) / (20 * l * l), 1e-12); /* as for RAID 5 */
    near(ms_plan_loss_years(3, 2, l, m), (11 * l * l + 7 * l * m + 2 * m * m) / (6 * l * l * l),
         1e-12);                                          /* three copies, repaired side by side */
    near(ms_plan_loss_years(2, 1, l, 0), 1.5 / l, 1e-12); /* nobody repairs */
}

static void a_mirror(void **state)
{
    (void)state;
    struct ms_plan_space p =
        plan(MEMBERS4 "[namespace]\nkind = plain\nredundancy = copies 2\n", NULL);
    double l = -log(0.98), m = 365.25 * 2; /* 12 hours */
    assert_int_equal(p.members, 2);
    assert_int_equal(p.tolerates, 1);
    near(p.overhead, 2, 1e-12);
    near(p.loss_years, (3 * l + m) / (2 * l * l), 1e-9);
    near(p.loss_per_year, 2 * l * l / (3 * l + m), 1e-5);
    near(p.nines, 5.9518, 1e-4);
    /* of very many values some lie on each pair of the four */
    near(p.any_per_year, 12 * l * l / (7 * l + m), 1e-5);
    assert_int_equal(p.put.puts, 2);
    assert_int_equal(p.get.gets, 1);
    assert_int_equal(p.get.lists, 0);
}

static void shards(void **state)
{
    (void)state;
    struct ms_plan_options o = MS_PLAN_OPTIONS_INIT;
    o.value_bytes = 64u << 20;
    o.price_write = 0.005;
    o.price_read = 0.0004;
    struct ms_plan_space p =
        plan(MEMBERS4 "[namespace]\nkind = immutable\nredundancy = ec 2+2\n", &o);
    assert_int_equal(p.members, 4);
    assert_int_equal(p.tolerates, 2);
    assert_true(p.overhead > 2 && p.overhead < 2.01); /* headers and checksums */
    assert_int_equal(p.put.puts, 4);
    assert_int_equal(p.get.lists, 2);
    assert_int_equal(p.get.gets, 2);
    assert_int_equal(p.put.lists, 2); /* whether there is another value */
    near(p.put.price, 1e6 * (4 + 2) * 0.005 / 1000, 1e-12);
    near(p.get.price, 1e6 * (2 * 0.005 + 2 * 0.0004) / 1000, 1e-12);
    near(p.loss_years, ms_plan_loss_years(4, 2, -log(0.98), 730.5), 1e-9);
    near(p.any_per_year, p.loss_per_year, 1e-12); /* all members have all values */
    o.value_bytes = 100; /* a small one is in one shard, and its parities are as long */
    p = plan(MEMBERS4 "[namespace]\nkind = immutable\nredundancy = ec 2+2\n", &o);
    assert_true(p.overhead > 3);
}

static void votes(void **state)
{
    (void)state;
    struct ms_plan_space p = plan(MEMBERS4 "[namespace]\nkind = mutable\nredundancy = all\n", NULL);
    assert_int_equal(p.members, 4);
    assert_int_equal(p.tolerates, 1);
    p = plan(MEMBERS4 "[member w]\nurl = file:///w\nstate = witness\n[namespace]\nkind = "
                      "mutable\nredundancy = all\n",
             NULL);
    assert_int_equal(p.members, 5);
    assert_int_equal(p.tolerates, 2);
    assert_true(p.overhead > 4 && p.overhead < 4.01); /* a witness has names alone */
    assert_int_equal(p.put.puts, 5);
    assert_int_equal(p.get.lists, 3);
}

static void refused(void **state)
{
    (void)state;
    struct ms_mconf *c = conf_of(MEMBERS4 "[namespace]\nkind = plain\nredundancy = all\n");
    const struct ms_layout *l = c->shared;
    struct ms_plan_options good = MS_PLAN_OPTIONS_INIT, o;
    struct ms_plan_space p;
    const double rates[] = {0, 1, -1, NAN};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        o = good;
        o.yearly_failure = rates[i];
        check_code(ms_plan_space(l, &l->spaces[0], &o, &p, &err), MS_ERR_INVALID, err);
        check_text(err, "between 0 and 1");
    }
    o = good;
    o.repair_ns = 0;
    check_code(ms_plan_space(l, &l->spaces[0], &o, &p, &err), MS_ERR_INVALID, err);
    o = good;
    o.value_bytes = 0;
    check_code(ms_plan_space(l, &l->spaces[0], &o, &p, &err), MS_ERR_INVALID, err);
    o = good;
    o.price_read = NAN;
    check_code(ms_plan_space(l, &l->spaces[0], &o, &p, &err), MS_ERR_INVALID, err);
    ms_mconf_free(c);
}

/* ---- by chance ---- */

static double exponential(struct ms_random *random, double rate)
{
    return -log(((double)(ms_random_u64(random) >> 11) + 0.5) / 9007199254740992.0) / rate;
}

/* Members that live and are repaired one by one, each with its own next moment. */
static double one_life(struct ms_random *random, unsigned n, unsigned t, double l, double m)
{
    double next[8];
    bool failed[8] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++)
        next[i] = exponential(random, l);
    for (;;) {
        unsigned first = 0;
        for (unsigned i = 1; i < n; i++)
            if (next[i] < next[first])
                first = i;
        failed[first] = !failed[first];
        count = failed[first] ? count + 1 : count - 1;
        if (count > t)
            return next[first];
        next[first] += exponential(random, failed[first] ? m : l);
    }
}

static void by_chance(void **state)
{
    (void)state;
    static const struct {
        unsigned n, t;
    } cases[] = {{1, 0}, {2, 1}, {3, 1}, {3, 2}, {6, 2}};
    const uint64_t seed = 20260101;
    struct ms_random random;
    ms_random_seed(&random, seed);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int lives = 20000;
        double sum = 0;
        for (int k = 0; k < lives; k++)
            sum += one_life(&random, cases[i].n, cases[i].t, 0.5, 4);
        /* the mean of so many is off by 0.7 %, seldom by three times that */
        near(sum / lives, ms_plan_loss_years(cases[i].n, cases[i].t, 0.5, 4), 0.025);
    }
}

/* ---- what a store really asks ---- */

static struct scratch scratch;

static void count_calls(const char *store, struct ms_plan_requests *out)
{
    struct ms_stats_snapshot *s = NULL;
    *out = (struct ms_plan_requests){0};
    check_ok(ms_stats_take(&s, &err), err);
    for (size_t i = 0; i < s->count; i++) {
        const struct ms_entity_stats *e = &s->entities[i];
        if (e->kind != MS_STATS_MEMBER || strcmp(e->store, store) != 0)
            continue;
        out->puts += (unsigned)e->verbs[MS_VERB_STORE].calls;
        out->gets += (unsigned)e->verbs[MS_VERB_LOAD].calls;
        out->lists += (unsigned)e->verbs[MS_VERB_LIST].calls;
        out->deletes += (unsigned)e->verbs[MS_VERB_DELETE].calls;
    }
    ms_stats_free(s);
}

/* Late ones are hedged, so that there may be some more; on a busy machine often. The first change
 * of a session deletes at each member what an earlier one may have counted for a quota. */
static void as_planned(const struct ms_plan_requests *before, const struct ms_plan_requests *after,
                       const struct ms_plan_requests *planned, unsigned calls)
{
    assert_in_range(after->puts - before->puts, planned->puts * calls, planned->puts * calls);
    assert_in_range(after->gets - before->gets, planned->gets * calls, planned->gets * calls + 12);
    assert_in_range(after->lists - before->lists, planned->lists * calls,
                    planned->lists * calls + 12);
    assert_in_range(after->deletes - before->deletes, planned->deletes * calls,
                    planned->deletes * calls + 4);
}

static void one_policy(const char *policy, unsigned number)
{
    char path[200], text[2000];
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    struct ms_plan_requests counts[4];
    struct ms_store *s = NULL;
    const unsigned calls = 10;
    uint8_t bytes[1000] = {1};
    struct ms_buf *value = ms_buf_copy(ms_view(bytes, sizeof bytes)), *loaded = NULL;
    snprintf(path, sizeof path, "%s/%u.conf", scratch.path, number);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", 7);
    for (unsigned i = 0; i < 4; i++)
        fprintf(f, "[member %c]\nurl = file://%s/%u%c?sync=none\n", 'a' + i, scratch.path, number,
                'a' + i);
    fprintf(f, "[namespace]\n%s", policy);
    fchmod(fileno(f), 0600);
    fclose(f);
    o.ignore_environment = true;
    o.seed = 7;
    o.state_folder = "";
    bool immutable = strstr(policy, "immutable");
    for (unsigned pass = 0; pass < 2; pass++) { /* the second puts over what is there, if it may */
        check_ok(ms_mstore_new(path, &o, &s, &err), err);
        if (pass == 0)
            check_ok(ms_store_create(s, &err), err);
        check_ok(ms_store_open(s, &err), err);
        count_calls(path, &counts[0]);
        for (unsigned i = 0; i < calls; i++) {
            snprintf(text, sizeof text, "k%07u", immutable ? pass * calls + i : i);
            check_ok(ms_store_store(s, ms_str(text), value, NULL, NULL, &err), err);
        }
        ms_store_free(s); /* what runs on in the background is done then */
        count_calls(path, &counts[1]);
    }
    check_ok(ms_mstore_new(path, &o, &s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    count_calls(path, &counts[2]);
    for (unsigned i = 0; i < calls; i++) {
        snprintf(text, sizeof text, "k%07u", i);
        check_ok(ms_store_load(s, ms_str(text), NULL, &loaded, &err), err);
        ms_buf_unref(loaded);
    }
    ms_store_free(s);
    count_calls(path, &counts[3]);
    ms_buf_unref(value);
    snprintf(text, sizeof text, MEMBERS4 "[namespace]\n%s", policy);
    struct ms_plan_space p = plan(text, NULL);
    as_planned(&counts[0], &counts[1], &p.put, calls);
    as_planned(&counts[2], &counts[3], &p.get, calls);
}

static void requests_of_a_store(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "kind = plain\nredundancy = all\n",          "kind = plain\nredundancy = copies 2\n",
        "kind = immutable\nredundancy = copies 3\n", "kind = immutable\nredundancy = ec 2+2\n",
        "kind = mutable\nredundancy = copies 3\n",   "kind = mutable\nredundancy = ec 2+2\n",
    };
    for (unsigned i = 0; i < sizeof policies / sizeof *policies; i++)
        one_policy(policies[i], i);
}

static int begin(void **state)
{
    (void)state;
    setenv("MSTORE_STATS_DIR", "", 1);
    return scratch_make(&scratch) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(years_by_hand),
        cmocka_unit_test(a_mirror),
        cmocka_unit_test(shards),
        cmocka_unit_test(votes),
        cmocka_unit_test(refused),
        cmocka_unit_test(by_chance),
        cmocka_unit_test(requests_of_a_store),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
