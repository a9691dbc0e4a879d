/* Retries: what is tried again, how long is waited, when the budget ends, and what is counted. */
#include "backends/retry.h"

#include "support/check.h"

struct scene {
    struct ms_backend *b;
    struct ms_clock *clock;
    struct ms_retry_policy policy;
    struct ms_error err;
};

static void begin(struct scene *s)
{
    *s = (struct scene){.clock = ms_clock_virtual_new(1000)};
    struct ms_backend_env env = {.clock = s->clock};
    check_ok(ms_backend_make("memory:", &env, &s->b, &s->err), s->err);
    ms_retry_policy_init(&s->policy, 7);
}

static void end(struct scene *s)
{
    ms_retry_policy_fini(&s->policy);
    ms_backend_free(s->b);
    ms_clock_free(s->clock);
}

static bool again(struct scene *s, struct ms_retry *r, int code, uint64_t wanted_ns)
{
    return ms_retry_again(r, &s->policy, s->b, MS_VERB_LOAD, wanted_ns, &code, &s->err);
}

static void only_transient_failures_are_repeated(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    static const int lasting[] = {MS_ERR_NOT_FOUND, MS_ERR_AUTH, MS_ERR_UNTRUSTED, MS_ERR_CANCELLED,
                                  MS_ERR_PROTOCOL};
    for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++) {
        struct ms_retry r = {0};
        assert_false(again(&s, &r, lasting[i], 0));
    }
    static const int passing[] = {MS_ERR_CONNECTION, MS_ERR_BUSY, MS_ERR_TIMEOUT};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        struct ms_retry r = {0};
        assert_true(again(&s, &r, passing[i], 0));
    }
    assert_int_equal(ms_clock_now(s.clock) > 1000, 1);
    end(&s);
}

static void who_never_answered_is_asked_once(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    for (int i = 0; i < 2; i++) {
        struct ms_retry r = {0};
        assert_true(again(&s, &r, MS_ERR_CONNECTION, 0)); /* this may be a server that starts */
        uint64_t before = ms_clock_now(s.clock);
        assert_false(again(&s, &r, MS_ERR_TIMEOUT, 0));
        assert_int_equal(ms_clock_now(s.clock), before);
    }
    ms_retry_succeeded(&s.policy);
    struct ms_retry r = {0};
    assert_true(again(&s, &r, MS_ERR_TIMEOUT, 0));
    end(&s);
    begin(&s);
    r = (struct ms_retry){0};
    assert_false(again(&s, &r, MS_ERR_NOT_FOUND, 0)); /* an answer */
    r = (struct ms_retry){0};
    assert_true(again(&s, &r, MS_ERR_TIMEOUT, 0));
    end(&s);
}

static void attempts_end_and_waits_grow_within_their_limits(void **state)
{
    (void)state;
    static const uint64_t longest[] = {200000000, 400000000, 800000000, 1600000000};
    uint64_t seen[4] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct scene s;
        begin(&s);
        ms_random_seed(&s.policy.random, seed);
        struct ms_retry r = {0};
        for (int i = 0; i < 4; i++) {
            uint64_t before = ms_clock_now(s.clock);
            assert_true(again(&s, &r, MS_ERR_CONNECTION, 0));
            uint64_t waited = ms_clock_now(s.clock) - before;
            assert_true(waited < longest[i]);
            if (waited > seen[i])
                seen[i] = waited;
        }
        assert_false(again(&s, &r, MS_ERR_CONNECTION, 0));
        assert_int_equal(r.done, 5);
        end(&s);
    }
    for (int i = 0; i < 4; i++) /* the jitter goes over the whole width */
        assert_true(seen[i] > longest[i] * 9 / 10);
}

static void no_wait_is_longer_than_the_limit(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    s.policy.attempts = 90;
    s.policy.limit_ns = 300000000;
    struct ms_retry r = {0};
    for (int i = 0; i < 80; i++) {
        uint64_t before = ms_clock_now(s.clock);
        assert_true(again(&s, &r, MS_ERR_BUSY, 0));
        assert_true(ms_clock_now(s.clock) - before < 300000000);
    }
    end(&s);
}

static void waits_at_least_what_the_storage_asked_for(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    struct ms_retry r = {0};
    assert_true(again(&s, &r, MS_ERR_BUSY, UINT64_C(30000000000)));
    assert_int_equal(ms_clock_now(s.clock), UINT64_C(30000001000));
    end(&s);
}

static void the_budget_ends_and_successes_refill_it(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    for (int i = 0; i < 100; i++) {
        struct ms_retry r = {0};
        assert_true(again(&s, &r, MS_ERR_CONNECTION, 0));
    }
    struct ms_retry r = {0};
    uint64_t before = ms_clock_now(s.clock);
    assert_false(again(&s, &r, MS_ERR_CONNECTION, 0));
    assert_int_equal(ms_clock_now(s.clock), before); /* at once */
    for (int i = 0; i < 5; i++)
        ms_retry_succeeded(&s.policy);
    r = (struct ms_retry){0};
    assert_true(again(&s, &r, MS_ERR_CONNECTION, 0));
    r = (struct ms_retry){0};
    assert_false(again(&s, &r, MS_ERR_CONNECTION, 0));
    for (int i = 0; i < 10000; i++) /* no more than there was at first */
        ms_retry_succeeded(&s.policy);
    for (int i = 0; i < 100; i++) {
        r = (struct ms_retry){0};
        assert_true(again(&s, &r, MS_ERR_CONNECTION, 0));
    }
    r = (struct ms_retry){0};
    assert_false(again(&s, &r, MS_ERR_CONNECTION, 0));
    end(&s);
}

static void a_cancelled_wait_says_so(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    struct ms_cancel *cancel = NULL;
    check_ok(ms_cancel_new(&cancel, &s.err), s.err);
    ms_cancel_fire(cancel);
    struct ms_cancel *before = ms_cancel_swap(cancel);
    struct ms_retry r = {0};
    int code = ms_error_set(&s.err, MS_ERR_CONNECTION, "the line broke");
    assert_false(ms_retry_again(&r, &s.policy, s.b, MS_VERB_LOAD, 0, &code, &s.err));
    ms_cancel_swap(before);
    ms_cancel_free(cancel);
    assert_int_equal(code, MS_ERR_CANCELLED);
    assert_int_equal(s.err.code, MS_ERR_CANCELLED);
    assert_string_equal(s.err.text, "cancelled");
    end(&s);
}

/* The memory driver's entity is shared by all tests here: only differences count. */
static uint64_t counted(enum ms_verb verb)
{
    struct ms_stats_snapshot *all = NULL;
    uint64_t sum = 0;
    assert_int_equal(ms_stats_take(&all, NULL), 0);
    for (size_t i = 0; i < all->count; i++)
        sum += all->entities[i].verbs[verb].retries;
    ms_stats_free(all);
    return sum;
}

static void counts_what_is_repeated_and_keeps_the_error(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    uint64_t loads = counted(MS_VERB_LOAD), stores = counted(MS_VERB_STORE);
    struct ms_retry r = {0};
    int code = ms_error_set(&s.err, MS_ERR_CONNECTION, "the line broke");
    while (ms_retry_again(&r, &s.policy, s.b, MS_VERB_LOAD, 0, &code, &s.err))
        continue;
    assert_int_equal(code, MS_ERR_CONNECTION);
    assert_string_equal(s.err.text, "the line broke");
    assert_int_equal(counted(MS_VERB_LOAD) - loads, 4);
    assert_int_equal(counted(MS_VERB_STORE) - stores, 0);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_transient_failures_are_repeated),
        cmocka_unit_test(who_never_answered_is_asked_once),
        cmocka_unit_test(attempts_end_and_waits_grow_within_their_limits),
        cmocka_unit_test(no_wait_is_longer_than_the_limit),
        cmocka_unit_test(waits_at_least_what_the_storage_asked_for),
        cmocka_unit_test(the_budget_ends_and_successes_refill_it),
        cmocka_unit_test(a_cancelled_wait_says_so),
        cmocka_unit_test(counts_what_is_repeated_and_keeps_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
