/* Listings of several Stores as one: order, each key once, what may be missing, limits, groups,
 * storages that list in no order, memory that runs out, simulations in which members fail. */
#include "base/sim.h"
#include "base/sync.h"
#include "base/text.h"
#include "mstore/merge.h"
#include "support/check.h"
#include "support/wrapalloc.h"

#include <stdio.h>
#include <stdlib.h>

static struct ms_error err;

/* ---- a listing made of words ---- */

struct words {
    struct ms_store_lister base;
    const char *const *words; /* "a", "a.del" (deleted), "a/" (a group) */
    int fails_at;             /* -1: never */
    int code;
    int at;
    struct ms_clock *clock; /* NULL: no time passes */
    uint64_t takes_ns;
    uint64_t size_bytes;
    int *open;
    struct ms_item item;
};

static int words_next(struct ms_store_lister *base, const struct ms_item **out, struct ms_error *e)
{
    struct words *w = (struct words *)base;
    if (w->clock && ms_sleep(w->clock, w->takes_ns, e))
        return MS_ERR_CANCELLED;
    if (w->at == w->fails_at)
        return ms_error_set(e, w->code, "the line broke");
    struct ms_view key = w->words[w->at] ? ms_str(w->words[w->at]) : ms_view(NULL, 0);
    *out = NULL;
    if (!key.data)
        return 0;
    w->at++;
    w->base.skipped = (uint64_t)w->at;
    bool deleted = ms_ends_with(key, ms_str(".del"));
    w->item = (struct ms_item){.key = ms_view(key.data, key.size - (deleted ? 4 : 0)),
                               .deleted = deleted,
                               .group = key.data[key.size - 1] == '/',
                               .info = {.exists = true, .size_bytes = w->size_bytes}};
    *out = &w->item;
    return 0;
}

static void words_close(struct ms_store_lister *base)
{
    struct words *w = (struct words *)base;
    (*w->open)--;
    free(w);
}

static int open_count;

static struct words *words_of(const char *const *words)
{
    static const struct ms_store_lister_ops ops = {words_next, words_close};
    struct words *w = calloc(1, sizeof *w);
    assert_non_null(w);
    *w = (struct words){.base = {.ops = &ops}, .words = words, .fails_at = -1, .open = &open_count};
    open_count++;
    return w;
}

static struct ms_merge_source source_of(const char *name, struct words *w)
{
    return (struct ms_merge_source){.name = name, .lister = &w->base};
}

static struct ms_merge_options options_of(unsigned may_fail)
{
    return (struct ms_merge_options){
        .what = "data", .may_fail = may_fail, .clock = ms_clock_real()};
}

/* What comes, as "a a.del b/ "; the code that ended it. */
static int drain(struct ms_store_lister *l, char *text, size_t size)
{
    const struct ms_item *item;
    size_t used = 0;
    int code;
    *text = 0;
    while (!(code = ms_store_lister_next(l, &item, &err)) && item && used < size)
        used += (size_t)snprintf(text + used, size - used, "%.*s%s ", (int)item->key.size,
                                 item->key.data, item->deleted ? ".del" : "");
    return code;
}

static void check_merge(unsigned may_fail, uint64_t limit, const struct ms_merge_source *sources,
                        size_t count, int code, const char *wanted)
{
    struct ms_store_lister *l = NULL;
    struct ms_merge_options o = options_of(may_fail);
    char text[512];
    o.limit = limit;
    check_ok(ms_merge(&o, sources, count, &l, &err), err);
    check_code(drain(l, text, sizeof text), code, err);
    assert_string_equal(text, wanted);
    const struct ms_item *item;
    check_code(ms_store_lister_next(l, &item, &err), code, err); /* and stays so */
    assert_null(item);
    ms_store_lister_close(l);
    assert_int_equal(open_count, 0);
}

static const char *const abc[] = {"a", "b", "c", NULL}, *const bd[] = {"b", "d", NULL},
                         *const none[] = {NULL}, *const d[] = {"d", NULL};

static void merges_in_order_each_once(void **state)
{
    (void)state;
    const struct ms_merge_source sources[] = {source_of("x", words_of(bd)),
                                              source_of("y", words_of(abc)),
                                              source_of("z", words_of(none))};
    check_merge(0, 0, sources, 3, 0, "a b c d ");
    check_merge(0, 0, NULL, 0, 0, "");
}

static void deleted_and_live_are_two(void **state)
{
    (void)state;
    static const char *const x[] = {"a", "a.del", "b.del", NULL}, *const y[] = {"a.del", "b", NULL};
    const struct ms_merge_source sources[] = {source_of("x", words_of(x)),
                                              source_of("y", words_of(y))};
    check_merge(0, 0, sources, 2, 0, "a a.del b b.del ");
}

static void a_group_comes_once(void **state)
{
    (void)state;
    static const char *const x[] = {"a/", "b", NULL}, *const y[] = {"a", "a/", "c/", NULL};
    const struct ms_merge_source sources[] = {source_of("x", words_of(x)),
                                              source_of("y", words_of(y))};
    check_merge(0, 0, sources, 2, 0, "a a/ b c/ ");
}

static void limit_counts_what_is_given(void **state)
{
    (void)state;
    static const char *const x[] = {"a", "b", "b.del", NULL}, *const y[] = {"b", "b.del", "c",
                                                                            NULL};
    for (uint64_t limit = 1; limit <= 4; limit++) {
        static const char *const wanted[] = {"a ", "a b b.del ", "a b b.del ", "a b b.del c "};
        const struct ms_merge_source sources[] = {source_of("x", words_of(x)),
                                                  source_of("y", words_of(y))};
        check_merge(0, limit, sources, 2, 0, wanted[limit - 1]);
    }
}

static struct words *broken(const char *const *words, int at)
{
    struct words *w = words_of(words);
    w->fails_at = at;
    w->code = MS_ERR_CONNECTION;
    return w;
}

static void tolerates_so_many(void **state)
{
    (void)state;
    const struct ms_merge_source one[] = {source_of("x", broken(abc, 1)),
                                          source_of("y", words_of(abc))};
    check_merge(1, 0, one, 2, 0, "a b c ");
    const struct ms_merge_source strict[] = {source_of("x", broken(abc, 1)),
                                             source_of("y", words_of(abc))};
    check_merge(0, 0, strict, 2, MS_ERR_CONNECTION, "a ");
    check_text(err, "listing \"data\" could leave out keys: 1 of 2 members fail where 0 may: "
                    "x: the line broke");
    const struct ms_merge_source two[] = {source_of("x", broken(abc, 1)),
                                          source_of("y", words_of(abc)),
                                          source_of("z", broken(bd, 1))};
    check_merge(1, 0, two, 3, MS_ERR_CONNECTION, "a b ");
    check_text(err, "2 of 3 members fail where 1 may: x: the line broke; z: the line broke");
}

static void says_which_are_missing(void **state)
{
    (void)state;
    struct ms_store_lister *l = NULL;
    const struct ms_item *item;
    struct ms_merge_options o = options_of(1);
    struct ms_merge_source sources[] = {
        {.name = "x", .error = {MS_ERR_TIMEOUT, "x: it did not answer"}},
        source_of("y", words_of(abc)),
        source_of("z", words_of(bd))};
    ((struct words *)sources[2].lister)->size_bytes = 7;
    check_ok(ms_merge(&o, sources, 3, &l, &err), err);
    assert_string_equal(ms_merge_error(l, 0)->text, "x: it did not answer");
    assert_null(ms_merge_error(l, 1));
    check_ok(ms_store_lister_next(l, &item, &err), err);
    assert_null(ms_merge_info(l, 0));
    assert_non_null(ms_merge_info(l, 1)); /* of "a" */
    assert_null(ms_merge_info(l, 2));
    check_ok(ms_store_lister_next(l, &item, &err), err);
    assert_int_equal(item->info.size_bytes, 0); /* of "b": the first's that has it */
    assert_int_equal(ms_merge_info(l, 2)->size_bytes, 7);
    ms_store_lister_close(l);
    sources[1].lister = NULL;
    sources[2] = source_of("z", words_of(bd));
    check_code(ms_merge(&o, sources, 3, &l, &err), MS_ERR_TIMEOUT, err);
    check_text(err, "2 of 3 members fail where 1 may: x: it did not answer; y: it is not there");
    assert_int_equal(open_count, 0);
}

static void cancelled_is_no_members_fault(void **state)
{
    (void)state;
    struct words *w = broken(abc, 1);
    w->code = MS_ERR_CANCELLED;
    const struct ms_merge_source sources[] = {source_of("x", w), source_of("y", words_of(abc))};
    check_merge(1, 0, sources, 2, MS_ERR_CANCELLED, "a ");
}

static void order_is_not_believed(void **state)
{
    (void)state;
    static const char *const x[] = {"c", "a", "c", "b", "e", NULL};
    struct ms_store_lister *l = NULL;
    struct ms_merge_options o = options_of(0);
    const struct ms_merge_source sources[] = {source_of("x", words_of(x)),
                                              source_of("y", words_of(d))};
    char text[64];
    check_ok(ms_merge(&o, sources, 2, &l, &err), err);
    check_ok(drain(l, text, sizeof text), err);
    assert_string_equal(text, "c d e ");
    assert_int_equal(ms_store_lister_skipped(l), 3 + 5 + 1); /* words count what they give */
    ms_store_lister_close(l);
}

static int for_ever_next(struct ms_store_lister *base, const struct ms_item **out,
                         struct ms_error *e)
{
    struct words *w = (struct words *)base;
    (void)e;
    w->item = (struct ms_item){.key = ms_str(w->words[0])};
    *out = &w->item;
    return 0;
}

static void a_listing_that_goes_round_ends(void **state)
{
    (void)state;
    static const struct ms_store_lister_ops ops = {for_ever_next, words_close};
    for (unsigned may_fail = 0; may_fail < 2; may_fail++) {
        struct words *round = words_of(abc);
        round->base.ops = &ops;
        const struct ms_merge_source sources[] = {source_of("x", round),
                                                  source_of("y", words_of(d))};
        check_merge(may_fail, 0, sources, 2, may_fail ? 0 : MS_ERR_PROTOCOL,
                    may_fail ? "a d " : "a ");
    }
}

/* ---- real Stores ---- */

static struct ms_store *store_with(const char *url, const char *const keys[])
{
    struct ms_store *s = NULL;
    static const struct ms_namespace spaces[] = {{.name = "data", .levels = {1}, .level_count = 1}};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    struct ms_buf *value = ms_buf_copy(ms_str("value"));
    o.namespaces = spaces;
    o.namespace_count = 1;
    check_ok(ms_store_new(url, &o, &s, &err), err);
    check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    for (size_t i = 0; keys[i]; i++)
        check_ok(ms_store_store(s, ms_str(keys[i]), value, NULL, NULL, &err), err);
    ms_buf_unref(value);
    return s;
}

static void lists_stores(void **state)
{
    (void)state;
    static const char *const x[] = {"data/aa1", "data/ab-1", "data/b", NULL}, *const y[] = {
                                                                                  "data/aa2",
                                                                                  "data/ab-2",
                                                                                  "data/b", NULL};
    struct ms_store *a = store_with("memory:merge-a", x), *b = store_with("memory:merge-b", y);
    const struct ms_merge_source sources[] = {
        {.name = "a", .store = a}, {.name = "b", .store = b}, {.name = "gone"}};
    struct ms_merge_options o = options_of(1);
    struct ms_list_options list = MS_LIST_OPTIONS_INIT;
    struct ms_store_lister *l = NULL;
    char text[128];
    check_ok(ms_merge_list(&o, sources, 3, "data", &list, &l, &err), err);
    check_ok(drain(l, text, sizeof text), err);
    assert_string_equal(text, "aa1 aa2 ab-1 ab-2 b ");
    ms_store_lister_close(l);
    list.delimiter = '-';
    list.limit = 3;
    list.start_after = ms_str("aa1");
    check_ok(ms_merge_list(&o, sources, 3, "data", &list, &l, &err), err);
    check_ok(drain(l, text, sizeof text), err);
    assert_string_equal(text, "aa2 ab- b ");
    ms_store_lister_close(l);
    check_code(ms_merge_list(&o, sources, 3, "other", &list, &l, &err), MS_ERR_CONFIG, err);
    check_text(err, "listing \"other\"");
    ms_store_free(a);
    ms_store_free(b);
}

/* ---- memory ---- */

static void allocation_k_fails(void **state)
{
    (void)state;
    bool failed = true;
    for (long k = 0; failed; k++) {
        struct ms_store_lister *l = NULL;
        struct ms_merge_options o = options_of(2);
        o.limit = 3;
        const struct ms_merge_source sources[] = {source_of("x", words_of(abc)),
                                                  source_of("y", broken(bd, 1))};
        char text[64] = "";
        wrapalloc_arm(k);
        int code = ms_merge(&o, sources, 2, &l, &err);
        if (!code)
            code = drain(l, text, sizeof text);
        failed = wrapalloc_disarm();
        ms_store_lister_close(l);
        assert_int_equal(open_count, 0);
        if (code)
            check_code(code, MS_ERR_NO_MEMORY, err);
        else
            assert_string_equal(text, "a b c ");
        if (!failed)
            assert_true(k > 5);
        assert_true(k < 100);
    }
}

/* ---- simulations: 3 members, each with a part of the keys, every key on two; one may fail ---- */

#define KEYS 60

static char all_words[KEYS][8];

static int simulated(void *arg)
{
    struct ms_random *random = arg;
    static const char *lists[3][KEYS + 1];
    struct ms_merge_source sources[3];
    size_t lengths[3] = {0};
    bool lost[3] = {false};
    for (unsigned k = 0; k < KEYS; k++)
        for (unsigned i = 0, not_on = (unsigned)ms_random_below(random, 3); i < 3; i++)
            if (i != not_on)
                lists[i][lengths[i]++] = all_words[k];
    unsigned broken_ones = 0;
    for (unsigned i = 0; i < 3; i++) {
        lists[i][lengths[i]] = NULL;
        struct words *w = words_of(lists[i]);
        w->clock = ms_sim_clock();
        w->takes_ns = ms_random_below(random, 2000000);
        lost[i] = ms_random_below(random, 3) == 0;
        broken_ones += lost[i];
        w->fails_at = lost[i] ? (int)ms_random_below(random, lengths[i] + 1) : -1;
        w->code = MS_ERR_TIMEOUT;
        sources[i] = source_of("m", w);
    }
    struct ms_merge_options o = options_of(1);
    struct ms_store_lister *l = NULL;
    const struct ms_item *item = NULL;
    o.clock = ms_sim_clock();
    int code = ms_merge(&o, sources, 3, &l, &err);
    bool complete = true;
    for (unsigned k = 0; !code && k <= KEYS; k++) {
        code = ms_store_lister_next(l, &item, &err);
        if (!code && k < KEYS)
            complete = complete && item && ms_equal(item->key, ms_str(all_words[k]));
    }
    ms_store_lister_close(l);
    if (!complete || (code ? code != MS_ERR_TIMEOUT : item != NULL))
        return ms_error_set(&err, MS_ERR_INTERNAL, "a key is missing or too many");
    if ((code != 0) != (broken_ones > 1) || open_count)
        return ms_error_set(&err, MS_ERR_INTERNAL, "%u failed: %d", broken_ones, code);
    return 0;
}

static void complete_or_an_error_under_any_seed(void **state)
{
    (void)state;
    for (unsigned k = 0; k < KEYS; k++)
        snprintf(all_words[k], sizeof all_words[k], "k%03u", k);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct ms_random random;
        struct ms_sim_result result;
        const struct ms_sim_options o = {.seed = seed, .max_steps = 1000000};
        ms_random_seed(&random, seed);
        if (ms_sim_run(&o, simulated, &random, &result, &err))
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_in_order_each_once),
        cmocka_unit_test(deleted_and_live_are_two),
        cmocka_unit_test(a_group_comes_once),
        cmocka_unit_test(limit_counts_what_is_given),
        cmocka_unit_test(tolerates_so_many),
        cmocka_unit_test(says_which_are_missing),
        cmocka_unit_test(cancelled_is_no_members_fault),
        cmocka_unit_test(order_is_not_believed),
        cmocka_unit_test(a_listing_that_goes_round_ends),
        cmocka_unit_test(lists_stores),
        cmocka_unit_test(allocation_k_fails),
        cmocka_unit_test(complete_or_an_error_under_any_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
