/* The checkers of the simulation: known good histories hold, known bad ones do not.
 *
 * A history is written as text, an operation a word: "store=1:0-3" is client 0 storing
 * value 1 under key 0 from time 0 to 3; "-?" leaves it without an answer. Readings: load=1,
 * load=none, dload (the soft-deleted value), info=1 and so on; others: delete, delete=none, soft,
 * undelete, undelete=exists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/check_linear.h"
#include "tests/sim/check_values.h"
#include "tests/sim/values.h"

#include <stdlib.h>
#include <time.h>

/* ---- histories from text ---- */

static enum sim_verb verb_of(const char *word, bool *deleted)
{
    static const char *const names[SIM_VERB_COUNT] = {"store",  "load", "info",    "list",
                                                      "delete", "soft", "undelete"};
    *deleted = word[0] == 'd' && strcmp(word, "delete") != 0;
    for (unsigned v = 0; v < SIM_VERB_COUNT; v++)
        if (strcmp(word + *deleted, names[v]) == 0)
            return v;
    fail_msg("what is \"%s\"?", word);
    return SIM_LOAD;
}

static uint64_t value_bytes(uint32_t id)
{
    return 100 + id;
}

static void set_result(struct sim_op *op, const char *result)
{
    op->answer = SIM_DONE;
    op->size = UINT64_MAX;
    if (strcmp(result, "none") == 0)
        op->answer = SIM_NOT_FOUND;
    else if (strcmp(result, "exists") == 0)
        op->answer = SIM_EXISTS;
    else if (*result) {
        uint32_t id = (uint32_t)strtoul(result, NULL, 10);
        op->size = value_bytes(id);
        op->id = op->verb == SIM_INFO || op->verb == SIM_LIST ? 0 : id;
    }
}

static void add_word(struct sim_history *h, char *word)
{
    char *rest = word;
    const char *verb = strsep(&rest, "=:"), *result = "";
    if (strspn(rest, "0123456789") != strcspn(rest, "-"))
        result = strsep(&rest, ":");
    struct sim_op op = {0};
    op.verb = verb_of(verb, &op.deleted);
    set_result(&op, result);
    op.begin_seq = 1 + strtoull(strsep(&rest, "-"), NULL, 10);
    op.end_seq = SIM_NEVER;
    if (strcmp(rest, "?") == 0)
        op.answer = SIM_NO_ANSWER;
    else
        op.end_seq = 1 + strtoull(rest, NULL, 10);
    assert_true(op.end_seq > op.begin_seq);
    uint64_t end = op.end_seq;
    sim_history_add(h, &op, 0);
    h->ops[h->count - 1].end_seq = end;
}

static bool frail; /* of all histories */

static struct sim_history history_of(const char *text)
{
    struct sim_history h = {.frail = frail};
    char *copy = strdup(text), *rest = copy, *word;
    assert_non_null(copy);
    while ((word = strsep(&rest, " ")))
        if (*word)
            add_word(&h, word);
    free(copy);
    return h;
}

static bool blind; /* the model's blind_changes */
static uint64_t lists_from;

static enum sim_verdict check_steps(const struct sim_history *h, unsigned key, uint64_t steps,
                                    char *why, size_t size, uint64_t *at)
{
    struct sim_model model = {.max_steps = steps, .blind_changes = blind, .lists_from = lists_from};
    return sim_check_linear(h, key, &model, why, size, at);
}

static enum sim_verdict linear(const char *text)
{
    struct sim_history h = history_of(text);
    char why[512] = "";
    uint64_t at = 0;
    enum sim_verdict verdict = check_steps(&h, 0, SIM_LINEAR_STEPS, why, sizeof why, &at);
    assert_int_equal(why[0] != 0, verdict == SIM_BROKEN);
    assert_int_equal(at != 0, verdict == SIM_BROKEN);
    sim_history_fini(&h);
    return verdict;
}

/* What the check of single readings says: "" when nothing. */
static const char *sentence(const char *text)
{
    static char why[512];
    why[0] = 0;
    struct sim_history h = history_of(text);
    uint64_t at = 0;
    enum sim_verdict verdict = sim_check_values(&h, 0, why, sizeof why, &at);
    assert_int_equal(verdict, why[0] ? SIM_BROKEN : SIM_HOLDS);
    sim_history_fini(&h);
    return why;
}

/* ---- linearizability ---- */

static const char *const good[] = {
    "",
    "load=none:0-1",
    "store=1:0-1 load=1:2-3 delete:4-5 load=none:6-7 delete=none:8-9",
    /* concurrent with a store either value may be read, and the new one before it ended */
    "store=1:0-1 store=2:2-9 load=1:3-4 load=2:5-6 load=2:10-11",
    /* concurrent stores in the order that the readings say */
    "store=1:0-9 store=2:1-8 load=2:10-11",
    "store=1:0-9 store=2:1-8 load=1:10-11",
    "store=1:0-9 store=2:1-8 load=2:2-3 load=1:4-5 load=1:10-11",
    /* without an answer: never, at once, or much later */
    "store=1:0-1 store=2:2-? load=1:3-4",
    "store=1:0-1 store=2:2-? load=2:3-4",
    "store=1:0-1 store=2:2-? load=1:3-4 store=3:5-6 load=3:7-8 load=2:9-10",
    "store=1:0-1 delete:2-? load=1:3-4 load=none:5-6",
    "store=1:0-? delete:2-3",
    /* info and listings know only the size */
    "store=1:0-1 info=1:2-3 list=1:2-4 delete:5-8 list=none:6-7 info=none:9-10",
    /* soft deletion */
    "store=1:0-1 soft:2-3 load=none:4-5 dload=1:4-6 undelete:7-8 load=1:9-10 dload=none:9-11",
    "store=1:0-1 soft:2-3 store=2:4-5 undelete=exists:6-7 dload=1:8-9 load=2:8-9",
    "undelete=none:0-1 soft=none:2-3 ddelete=none:4-5",
    "store=1:0-1 soft:2-3 ddelete:4-5 dlist=none:6-7 undelete=none:8-9",
    "store=1:0-1 soft:2-? undelete:3-4 load=1:5-6",
    /* two deletes at once: one of them finds nothing */
    "store=1:0-1 delete:2-5 delete=none:3-6",
};

static const char *const bad[] = {
    /* a value that nobody stored; one read before it was stored */
    "load=1:0-1",
    "load=1:0-1 store=1:2-3",
    /* stale read */
    "store=1:0-1 store=2:2-3 load=1:4-5",
    /* new value, then the old one again */
    "store=1:0-1 store=2:2-9 load=2:3-4 load=1:5-6",
    /* lost update: acknowledged, never there */
    "store=1:0-1 load=none:2-3",
    "store=1:0-1 delete:2-3 store=2:4-5 load=none:6-7",
    /* resurrection */
    "store=1:0-1 delete:2-3 load=1:4-5",
    "store=1:0-1 delete:2-3 load=none:4-5 load=1:6-7",
    "store=1:0-? load=1:1-2 delete:3-4 load=1:5-6",
    /* split brain: two readers see the stores in different orders */
    "store=1:0-9 store=2:1-8 load=1:2-3 load=2:4-5 load=1:6-7",
    "store=1:0-1 store=2:0-1 load=1:2-3 load=2:4-5",
    /* done though there was nothing; not found though there was something */
    "delete:0-1",
    "store=1:0-1 delete=none:2-3",
    "store=1:0-1 delete:2-3 delete:4-5",
    /* a store without answer happens once */
    "store=1:0-? load=1:1-2 store=2:3-4 load=2:5-6 load=1:7-8",
    /* wrong size; wrong listing */
    "store=1:0-1 info=2:2-3",
    "store=1:0-1 list=none:2-3",
    "store=1:0-1 delete:2-3 list=1:4-5",
    /* soft deletion */
    "store=1:0-1 soft:2-3 load=1:4-5",
    "store=1:0-1 soft:2-3 dload=none:4-5",
    "store=1:0-1 soft:2-3 undelete:4-5 dload=1:6-7",
    "store=1:0-1 soft:2-3 store=2:4-5 undelete:6-7",
    "store=1:0-1 undelete=exists:2-3",
    "store=1:0-1 soft:2-3 undelete=none:4-5",
    "store=1:0-1 dload=1:2-3",
};

static void good_histories_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (linear(good[i]) != SIM_HOLDS)
            fail_msg("found wrong: %s", good[i]);
}

static void bad_histories_do_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (linear(bad[i]) != SIM_BROKEN)
            fail_msg("found right: %s", bad[i]);
}

/* Who removed the value is not known without consensus; that it is gone is. */
static void blind_changes_may_be_done_twice(void **state)
{
    (void)state;
    static const char *const twice[] = {
        "store=1:0-1 delete:2-5 delete:3-6 load=none:7-8",
        "store=1:0-1 soft:2-5 soft:3-6 load=none:7-8 dload=1:7-8",
        "store=1:0-1 soft:2-3 undelete:4-7 undelete:5-8 load=1:9-10",
    };
    static const char *const never[] = {
        "store=1:0-1 delete:2-3 load=1:4-5",
        "store=1:0-1 delete=none:2-3",
        "store=1:0-1 store=2:2-3 undelete=none:4-5 load=1:6-7",
        "undelete:0-1",
    };
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        assert_int_equal(linear(twice[i]), SIM_BROKEN);
        blind = true;
        assert_int_equal(linear(twice[i]), SIM_HOLDS);
        blind = false;
    }
    blind = true;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_int_equal(linear(never[i]), SIM_BROKEN);
    blind = false;
}

/* Shown by a listing that does not bring it to its end, and never done; but not at the end. */
static void listings_may_be_left_out(void **state)
{
    (void)state;
    static const char early[] = "store=1:0-? list=1:1-2 load=none:3-4";
    static const char late[] = "store=1:0-? load=none:1-2 list=none:4-5 list=1:6-7 load=none:8-9";
    assert_int_equal(linear(early), SIM_BROKEN);
    lists_from = 3;
    assert_int_equal(linear(early), SIM_HOLDS);
    assert_int_equal(linear(late), SIM_BROKEN);
    lists_from = 0;
}

static void the_sentence_names_what_cannot_be(void **state)
{
    (void)state;
    struct sim_history h = history_of("store=1:0-1 store=2:2-3 load=1:4-5 load=2:6-7");
    char why[512];
    uint64_t at = 0;
    assert_int_equal(check_steps(&h, 0, 1000, why, sizeof why, &at), SIM_BROKEN);
    assert_non_null(strstr(why, "key 0 is not linearizable"));
    assert_non_null(strstr(why, "load key 0 value 1"));
    assert_int_equal(at, 6);
    assert_int_equal(check_steps(&h, 1, 1000, why, sizeof why, &at), SIM_HOLDS);
    sim_history_fini(&h);
}

/* ---- made by a true register, and then spoilt ---- */

#define MADE_OPS 120

/* Clients whose operations overlap, each taking effect at one moment between its ends. */
static struct sim_history make(uint64_t seed, unsigned clients, unsigned pending_percent)
{
    struct ms_random random;
    ms_random_seed(&random, seed);
    struct sim_history h = {0};
    uint32_t live = 0, ids = 0;
    uint64_t free_at[16] = {0}, time = 1;
    for (unsigned i = 0; i < MADE_OPS; i++) {
        unsigned c = (unsigned)ms_random_below(&random, clients);
        uint64_t effect = time += 10 + ms_random_below(&random, 10);
        uint64_t least = free_at[c] > effect - 10 ? free_at[c] : 0;
        struct sim_op op = {.client = c, .size = UINT64_MAX, .answer = SIM_DONE};
        op.begin_seq = effect - ms_random_below(&random, 40) - 1;
        if ((int64_t)op.begin_seq <= (int64_t)least || (int64_t)op.begin_seq <= 0)
            op.begin_seq = effect - 1;
        uint64_t end = effect + 1 + ms_random_below(&random, 60);
        uint64_t dice = ms_random_below(&random, 10);
        op.verb = dice < 4 ? SIM_STORE : dice < 8 ? SIM_LOAD : SIM_DELETE;
        if (op.verb == SIM_STORE)
            live = op.id = ++ids;
        else if (live == 0)
            op.answer = SIM_NOT_FOUND;
        else if (op.verb == SIM_LOAD)
            op.id = live;
        else
            live = 0;
        if (op.verb == SIM_STORE && ms_random_below(&random, 100) < pending_percent) {
            op.answer = SIM_NO_ANSWER;
            end = SIM_NEVER;
        }
        free_at[c] = end == SIM_NEVER ? effect : end;
        sim_history_add(&h, &op, 0);
        h.ops[h.count - 1].end_seq = end;
    }
    return h;
}

static enum sim_verdict check(const struct sim_history *h)
{
    char why[512];
    uint64_t at = 0;
    return check_steps(h, 0, SIM_LINEAR_STEPS, why, sizeof why, &at);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void histories_of_a_true_register_hold(void **state)
{
    (void)state;
    double begin = seconds();
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_history h = make(seed, 8, seed % 2 ? 0 : 20);
        if (check(&h) != SIM_HOLDS)
            fail_msg("seed %llu", (unsigned long long)seed);
        sim_history_fini(&h);
    }
    assert_true(seconds() - begin < 30);
}

/* A load that is given a value replaced long before. */
static void a_single_stale_read_among_many_is_found(void **state)
{
    (void)state;
    unsigned spoilt = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_history h = make(seed, 6, 0);
        struct sim_op *late = NULL;
        for (size_t i = MADE_OPS / 2; i < h.count; i++)
            if (h.ops[i].verb == SIM_LOAD && h.ops[i].answer == SIM_DONE)
                late = &h.ops[i];
        if (late && late->id > 20) {
            late->id = 1 + (uint32_t)(seed % 10);
            spoilt++;
            assert_int_equal(check(&h), SIM_BROKEN);
        }
        sim_history_fini(&h);
    }
    assert_true(spoilt > 80);
}

/* Many stores without answer and a contradiction: the search ends, decided or not. */
static void the_search_is_bounded(void **state)
{
    (void)state;
    struct sim_history h = {0};
    for (uint32_t id = 1; id <= 40; id++) {
        struct sim_op op = {.verb = SIM_STORE, .id = id, .size = id, .begin_seq = id};
        sim_history_add(&h, &op, 0);
        h.ops[h.count - 1].end_seq = SIM_NEVER;
    }
    for (uint32_t i = 0; i < 12; i++) {
        struct sim_op op = {.verb = SIM_LOAD, .answer = SIM_DONE, .begin_seq = 100 + 2 * i};
        op.id = i == 11 ? 99 : i + 1;
        op.size = UINT64_MAX;
        sim_history_add(&h, &op, 0);
        h.ops[h.count - 1].end_seq = 101 + 2 * i;
    }
    char why[512];
    uint64_t at = 0;
    double begin = seconds();
    assert_int_equal(check_steps(&h, 0, 100, why, sizeof why, &at), SIM_UNDECIDED);
    assert_int_equal(check_steps(&h, 0, SIM_LINEAR_STEPS, why, sizeof why, &at), SIM_BROKEN);
    assert_true(seconds() - begin < 10);
    sim_history_fini(&h);
}

/* ---- single readings ---- */

static void what_good_readings_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_string_equal(sentence(good[i]), "");
    /* without linearizability a reader may see the older value once more */
    assert_string_equal(sentence("store=1:0-1 store=2:2-9 load=2:3-4 load=1:5-6"), "");
}

static void what_bad_readings_say(void **state)
{
    (void)state;
    static const char *const said[][2] = {
        {"load=1:0-1", "a value that nobody had stored was read: client 0 load key 0 value 1"},
        {"load=1:0-1 store=1:2-3", "a value that nobody had stored was read"},
        {"store=1:0-1 store=2:2-3 load=1:4-5", "a replaced value was read"},
        {"store=1:0-1 delete:2-3 load=1:4-5", "a deleted value came back"},
        {"store=1:0-1 soft:2-3 load=1:4-5", "a deleted value came back"},
        {"store=1:0-1 load=none:2-3", "an acknowledged value is lost"},
        {"store=1:0-1 list=none:2-3", "an acknowledged value is lost: client 0 listing of key 0"},
        {"store=1:0-1 delete:2-3 store=2:4-5 load=none:6-7", "an acknowledged value is lost"},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (strncmp(sentence(said[i][0]), said[i][1], strlen(said[i][1])) != 0)
            fail_msg("%s: %s", said[i][0], sentence(said[i][0]));
}

/* Where one copy may not be seen a move of what was not surely stored vouches for nothing. */
static void moves_vouch_for_what_was_whole(void **state)
{
    (void)state;
    static const struct {
        const char *history;
        bool whole;
    } moves[] = {
        {"store=1:0-1 soft:2-3 undelete:4-5 load=none:6-7", true},
        {"store=1:0-? soft:2-3 undelete:4-5 load=none:6-7", false},
        {"delete:0-3 store=1:1-4 soft:5-6 undelete:7-8 load=none:9-10", false},
        {"store=1:0-1 soft:2-3 ddelete:4-7 undelete:5-6 load=none:8-9", false},
        {"store=1:0-1 soft:2-3 undelete:4-7 ddelete:5-6 load=none:8-9", true},
        {"store=1:0-3 soft:1-2 undelete:4-5 load=none:6-7", false},
    };
    for (unsigned i = 0; i < 2; i++) {
        frail = i;
        for (size_t j = 0; j < sizeof moves / sizeof *moves; j++) {
            bool fine = frail && !moves[j].whole;
            assert_int_equal(sentence(moves[j].history)[0] == '\0', fine);
            assert_int_equal(linear(moves[j].history), fine ? SIM_HOLDS : SIM_BROKEN);
        }
    }
    frail = false;
}

/* ---- values ---- */

static void every_byte_of_a_value_is_known(void **state)
{
    (void)state;
    for (uint32_t id = 1; id < 20; id++) {
        struct ms_buf *value = sim_value_make(3, id, 500);
        assert_non_null(value);
        struct ms_view all = ms_buf_view(value);
        assert_true(all.size >= SIM_VALUE_MIN && all.size <= 500);
        uint32_t seen = 0;
        char why[160];
        assert_true(sim_value_check(3, 500, all, 0, &seen, why, sizeof why));
        assert_int_equal(seen, id);
        for (size_t from = 0; from < all.size; from++) {
            struct ms_view part = ms_view(all.data + from, all.size - from);
            assert_true(sim_value_check(3, 500, part, from, &seen, why, sizeof why));
            assert_true(seen == id || part.size < 15);
        }
        for (size_t i = 0; i < all.size; i++) {
            ms_buf_data(value)[i] ^= 4;
            assert_false(sim_value_check(3, 500, all, 0, &seen, why, sizeof why));
            ms_buf_data(value)[i] ^= 4;
        }
        assert_false(sim_value_check(2, 500, all, 0, &seen, why, sizeof why));
        assert_false(
            sim_value_check(3, 500, ms_view(all.data, all.size - 1), 8, &seen, why, sizeof why));
        ms_buf_unref(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_histories_hold),
        cmocka_unit_test(bad_histories_do_not),
        cmocka_unit_test(blind_changes_may_be_done_twice),
        cmocka_unit_test(listings_may_be_left_out),
        cmocka_unit_test(the_sentence_names_what_cannot_be),
        cmocka_unit_test(histories_of_a_true_register_hold),
        cmocka_unit_test(a_single_stale_read_among_many_is_found),
        cmocka_unit_test(the_search_is_bounded),
        cmocka_unit_test(what_good_readings_say),
        cmocka_unit_test(what_bad_readings_say),
        cmocka_unit_test(moves_vouch_for_what_was_whole),
        cmocka_unit_test(every_byte_of_a_value_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
