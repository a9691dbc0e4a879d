/* mstore/paxos*.c: the bytes of blocks, and agreements between proposers that race, die and meet
 * members that come and go; a seed decides everything. Never two decisions, and what is decided was
 * proposed. */
#include "mstore/paxos.h"

#include "base/pool.h"
#include "base/sim.h"
#include "support/check.h"
#include "support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define MS        UINT64_C(1000000)
#define PROPOSERS 4
#define SEEDS     400

static const struct ms_seal_key seal = {{9, 8, 7}};

/* ---- bytes ---- */

static const struct ms_uuid uuid = {
    {0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}};

static struct ms_name name_of(uint64_t number)
{
    const struct ms_own_name own = {.kind = MS_OWN_BLOCK,
                                    .store = uuid,
                                    .space = ms_str("mstore-layout"),
                                    .key = ms_str("0000000000000002"),
                                    .number = number};
    struct ms_name name;
    struct ms_error err = {0};
    check_ok(ms_own_format(&own, 143, &name, &err), err);
    return name;
}

static struct ms_buf *made(const struct ms_paxos_block *block)
{
    struct ms_name name = name_of(block->number);
    struct ms_buf *out = NULL;
    struct ms_error err = {0};
    check_ok(ms_paxos_block_make(block, ms_name_view(&name), &seal, &out, &err), err);
    return out;
}

static struct ms_view golden(void)
{
    static char text[4096];
    FILE *file = fopen(TEST_DATA "/mstore/block", "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    return ms_view(text, size);
}

static void golden_file_is_written_and_read(void **state)
{
    (void)state;
    struct ms_paxos_block block = {.number = 0x8af3, .counter = 5, .value = ms_str("VALUE\n")}, got;
    struct ms_name name = name_of(block.number);
    struct ms_error err = {0};
    struct ms_buf *mine = made(&block);
    bool torn;
    assert_int_equal(ms_buf_size(mine), golden().size);
    assert_memory_equal(ms_buf_view(mine).data, golden().data, golden().size);
    check_ok(
        ms_paxos_block_open(golden(), ms_name_view(&name), block.number, &seal, &got, &torn, &err),
        err);
    assert_false(torn);
    assert_int_equal(got.counter, 5);
    assert_int_equal(got.number, 0x8af3);
    assert_int_equal(got.value.size, 6);
    assert_memory_equal(got.value.data, "VALUE\n", 6);
    ms_buf_unref(mine);
}

static void cut_short_does_not_count_and_all_else_is_refused(void **state)
{
    (void)state;
    struct ms_name name = name_of(0x8af3), other = name_of(0x8af5);
    struct ms_paxos_block got;
    struct ms_error err = {0};
    struct ms_view whole = golden();
    bool torn;
    for (size_t size = 0; size < whole.size; size++) {
        check_ok(ms_paxos_block_open(ms_view(whole.data, size), ms_name_view(&name), 0x8af3, &seal,
                                     &got, &torn, &err),
                 err);
        assert_true(torn);
    }
    for (size_t at = 0; at < whole.size; at++) {
        struct ms_buf *bad = ms_buf_copy(whole);
        ms_buf_data(bad)[at] ^= 1;
        int code = ms_paxos_block_open(ms_buf_view(bad), ms_name_view(&name), 0x8af3, &seal, &got,
                                       &torn, &err);
        /* a size that is damaged upwards looks like a block cut short */
        assert_true(code == MS_ERR_UNTRUSTED || (code == 0 && torn));
        ms_buf_unref(bad);
    }
    check_code(ms_paxos_block_open(whole, ms_name_view(&other), 0x8af5, &seal, &got, &torn, &err),
               MS_ERR_UNTRUSTED, err);
    struct ms_seal_key wrong = {{1}};
    check_code(ms_paxos_block_open(whole, ms_name_view(&name), 0x8af3, &wrong, &got, &torn, &err),
               MS_ERR_UNTRUSTED, err);
}

/* ---- one agreement ---- */

struct proposer {
    struct world *world;
    struct fleet fleet; /* a client of its own */
    unsigned number;
    uint64_t start_ns, dies_ns;
    int code;
    struct ms_buf *decided;
};
struct world {
    struct fleet fleet;
    uint64_t seed;
    unsigned members;
    struct proposer proposer[PROPOSERS];
    unsigned decided, failed;
};

static struct ms_paxos register_of(struct fleet *f)
{
    return (struct ms_paxos){.store = f->roster->layout->uuid,
                             .space = ms_str("mstore-layout"),
                             .key = ms_str("0000000000000002"),
                             .seal = &seal,
                             .members = f->roster->members,
                             .count = f->count,
                             .clock = f->clock,
                             .ids = f->ids};
}

static struct ms_buf *proposal(unsigned number)
{
    char text[32];
    snprintf(text, sizeof text, "proposal %u", number);
    return ms_buf_copy(ms_str(text));
}

static int propose(void *arg)
{
    struct proposer *p = arg;
    struct ms_error err = {0};
    struct ms_paxos x = register_of(&p->fleet);
    struct ms_buf *value = proposal(p->number);
    check_ok(ms_sleep(p->fleet.clock, p->start_ns, &err), err);
    for (unsigned tries = 0; !p->decided && tries < 4; tries++) {
        p->code = ms_paxos_decide(&x, value, &p->decided, &err);
        check_ok(ms_sleep(p->fleet.clock, 2500 * MS, &err), err); /* breakers close */
    }
    ms_buf_unref(value);
    return 0;
}

/* From then on none of its calls gets through; some that are under way have their effect. */
static int die(void *arg)
{
    struct proposer *p = arg;
    struct ms_error err = {0};
    check_ok(ms_sleep(p->fleet.clock, p->dies_ns, &err), err);
    for (unsigned i = 0; i < p->world->members; i++)
        fleet_gone(&p->fleet, i, true);
    return 0;
}

/* A minority of the members, one after the other. */
static int disturb(void *arg)
{
    struct world *w = arg;
    struct ms_random random;
    struct ms_error err = {0};
    ms_random_seed(&random, w->seed + 5);
    for (unsigned round = 0; round < 6; round++) {
        unsigned member = (unsigned)ms_random_below(&random, w->members);
        for (unsigned i = 0; i < PROPOSERS; i++)
            if (!w->proposer[i].dies_ns)
                fleet_gone(&w->proposer[i].fleet, member, true);
        check_ok(ms_sleep(w->fleet.clock, ms_random_below(&random, 300) * MS, &err), err);
        for (unsigned i = 0; i < PROPOSERS; i++)
            if (!w->proposer[i].dies_ns)
                fleet_gone(&w->proposer[i].fleet, member, false);
    }
    return 0;
}

static void plan(struct world *w)
{
    struct ms_random random;
    struct ms_fault fails = {
        .verb = MS_VERB_STORE, .kind = MS_FAULT_RATE, .rate = 0.08, .code = MS_ERR_IO};
    struct ms_error err = {0};
    ms_random_seed(&random, w->seed);
    for (unsigned i = 0; i < PROPOSERS; i++) {
        struct proposer *p = &w->proposer[i];
        struct fleet_options options = {.members = w->members,
                                        .policy = "redundancy = all\n",
                                        .latency_ns = 20 * MS,
                                        .jitter_ns = 19 * MS,
                                        .seed = w->seed * 100 + i};
        *p = (struct proposer){.world = w, .number = i};
        p->start_ns = ms_random_below(&random, 200) * MS;
        p->dies_ns = ms_random_below(&random, 3) ? 0 : (1 + ms_random_below(&random, 400)) * MS;
        fleet_join(&p->fleet, &w->fleet, &options);
        fails.after = ms_random_below(&random, 2);
        for (unsigned m = 0; m < w->members; m++)
            check_ok(ms_emulator_set_faults(p->fleet.emulator[m], &fails, 1, &err), err);
    }
}

static void race(struct world *w)
{
    struct ms_group *group = NULL;
    struct ms_error err = {0};
    struct ms_join join;
    check_ok(ms_group_new(&group, &err), err);
    for (unsigned i = 0; i < PROPOSERS; i++) {
        check_ok(ms_group_fork(group, propose, NULL, &w->proposer[i], &err), err);
        if (w->proposer[i].dies_ns)
            check_ok(ms_group_fork(group, die, NULL, &w->proposer[i], &err), err);
    }
    check_ok(ms_group_fork(group, disturb, NULL, w, &err), err);
    ms_group_join_all(group, &join);
    ms_group_release(group);
}

static bool was_proposed(struct ms_buf *decided)
{
    bool found = false;
    for (unsigned i = 0; i < PROPOSERS && !found; i++) {
        struct ms_buf *one = proposal(i);
        found = ms_buf_size(one) == ms_buf_size(decided) &&
                memcmp(ms_buf_view(one).data, ms_buf_view(decided).data, ms_buf_size(one)) == 0;
        ms_buf_unref(one);
    }
    return found;
}

static void compare(struct world *w, struct ms_buf *decided)
{
    if (!was_proposed(decided))
        fail_msg("seed %llu: nobody proposed what was decided", (unsigned long long)w->seed);
    for (unsigned i = 0; i < PROPOSERS; i++) {
        struct ms_buf *one = w->proposer[i].decided;
        w->decided += one != NULL;
        w->failed += w->proposer[i].code != 0;
        if (one &&
            (ms_buf_size(one) != ms_buf_size(decided) ||
             memcmp(ms_buf_view(one).data, ms_buf_view(decided).data, ms_buf_size(one)) != 0))
            fail_msg("seed %llu: two decisions: %.*s and %.*s", (unsigned long long)w->seed,
                     (int)ms_buf_size(one), (const char *)ms_buf_view(one).data,
                     (int)ms_buf_size(decided), (const char *)ms_buf_view(decided).data);
    }
}

static int run_world(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    struct ms_buf *last = NULL, *value = proposal(0);
    w->members = w->seed % 3 + 2;
    struct fleet_options options = {.members = w->members,
                                    .policy = "redundancy = all\n",
                                    .clock = ms_sim_clock(),
                                    .seed = w->seed};
    fleet_make(&w->fleet, &options);
    plan(w);
    race(w);
    check_ok(ms_sleep(w->fleet.clock, 1000 * MS, &err), err);
    struct ms_paxos x = register_of(&w->fleet); /* somebody who comes later */
    check_ok(ms_paxos_decide(&x, value, &last, &err), err);
    compare(w, last);
    for (unsigned i = 0; i < PROPOSERS; i++) {
        ms_buf_unref(w->proposer[i].decided);
        fleet_free(&w->proposer[i].fleet);
    }
    ms_buf_unref(last);
    ms_buf_unref(value);
    fleet_free(&w->fleet);
    return 0;
}

static void there_is_one_decision(void **state)
{
    (void)state;
    unsigned decided = 0, failed = 0;
    const char *only = getenv("MSTORE_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 0;
    for (uint64_t seed = first; seed < first + (only ? 1 : SEEDS); seed++) {
        struct world *w = calloc(1, sizeof *w);
        struct ms_sim_options options = {.seed = seed};
        struct ms_error err = {0};
        assert_non_null(w);
        w->seed = seed;
        if (ms_sim_run(&options, run_world, w, NULL, &err))
            fail_msg("seed %llu: %s (MSTORE_SIM_SEED=%llu repeats it)", (unsigned long long)seed,
                     err.text, (unsigned long long)seed);
        decided += w->decided;
        failed += w->failed;
        free(w);
    }
    print_message("%u proposers learned the decision, %u did not\n", decided, failed);
    if (!only) { /* it did what it is for */
        assert_true(decided > SEEDS);
        assert_true(failed > SEEDS / 4);
    }
}

/* ---- what it costs, what it says ---- */

static void alone_it_takes_two_rounds(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = proposal(1), *other = proposal(2), *decided = NULL;
    fleet_make(&f, &(struct fleet_options){.members = 1, .policy = "redundancy = none\n"});
    struct ms_paxos x = register_of(&f);
    uint64_t before = fleet_calls(&f, MS_VERB_STORE);
    check_ok(ms_paxos_decide(&x, value, &decided, &err), err);
    assert_int_equal(fleet_calls(&f, MS_VERB_STORE) - before, 2);
    ms_buf_unref(decided);
    check_ok(ms_paxos_decide(&x, other, &decided, &err), err);
    assert_memory_equal(ms_buf_view(decided).data, "proposal 1", 10);
    ms_buf_unref(decided);
    check_ok(ms_paxos_learn(&x, &decided, &err), err);
    assert_memory_equal(ms_buf_view(decided).data, "proposal 1", 10);
    ms_buf_unref(decided);
    x.key = ms_str("0000000000000003"); /* another register */
    check_code(ms_paxos_learn(&x, &decided, &err), MS_ERR_NOT_FOUND, err);
    ms_buf_unref(value);
    ms_buf_unref(other);
    fleet_free(&f);
}

static void a_majority_must_take_part(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = proposal(1), *decided = NULL;
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = all\n"});
    struct ms_paxos x = register_of(&f);
    fleet_gone(&f, 0, true);
    fleet_gone(&f, 1, true);
    check_code(ms_paxos_decide(&x, value, &decided, &err), MS_ERR_CONNECTION, err);
    check_text(err, "1 of 3 members took part in an agreement and 2 are needed: member m");
    assert_null(decided);
    fleet_gone(&f, 0, false);
    fleet_gone(&f, 1, false);
    for (unsigned i = 0; i < 2; i++)
        ms_member_forgive(f.roster->members[i]);
    check_ok(ms_paxos_decide(&x, value, &decided, &err), err);
    ms_buf_unref(decided);
    ms_buf_unref(value);
    fleet_free(&f);
}

static void a_damaged_block_is_no_answer(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = proposal(1), *decided = NULL;
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = all\n"});
    struct ms_paxos x = register_of(&f);
    check_ok(ms_paxos_decide(&x, value, &decided, &err), err);
    ms_buf_unref(decided);
    decided = NULL;
    fleet_flip(&f, 0, "block", 0);
    check_ok(ms_paxos_learn(&x, &decided, &err), err); /* two others are left */
    ms_buf_unref(decided);
    decided = NULL;
    fleet_flip(&f, 1, "block", 0);
    check_code(ms_paxos_learn(&x, &decided, &err), MS_ERR_UNTRUSTED, err);
    check_text(err, "a block of an agreement is damaged");
    assert_null(decided);
    ms_buf_unref(value);
    fleet_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_file_is_written_and_read),
        cmocka_unit_test(cut_short_does_not_count_and_all_else_is_refused),
        cmocka_unit_test(alone_it_takes_two_rounds),
        cmocka_unit_test(a_majority_must_take_part),
        cmocka_unit_test(a_damaged_block_is_no_answer),
        cmocka_unit_test(there_is_one_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
