/* Immutable keys under interleavings: several clients store, load and delete while members come and
 * go, one at a time; a seed decides everything. What a load returns is the value or an error, never
 * what was deleted, never "not found" for what is there; in the end all that counts can be read. */
#include "mstore/immutable.h"

#include "base/pool.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define MS      UINT64_C(1000000)
#define CLIENTS 3
#define KEYS    2 /* of each client */
#define STEPS   14

enum belief { ABSENT, PRESENT, MAYBE };

struct world {
    struct fleet fleet;
    uint64_t seed;
    unsigned members;
    bool over; /* fibers of one thread: no lock */
    unsigned acknowledged, loaded, failed;
};
struct actor {
    struct world *world;
    struct fleet fleet; /* a client of its own */
    unsigned number;
    struct ms_random random;
    enum belief belief[KEYS];
};

static const struct {
    const char *policy;
    unsigned members;
} shapes[] = {{"redundancy = copies 2\n", 4},
              {"redundancy = copies 3\n", 4},
              {"redundancy = ec 2+1\n", 4},
              {"redundancy = ec 2+1\nverify = none\ncompress = zstd\n", 5},
              {"redundancy = ec 3+2\n", 6}};
#define SHAPES (sizeof shapes / sizeof *shapes)

static void name_key(char key[32], unsigned client, unsigned number)
{
    snprintf(key, 32, "%02xkey%u", client * 37 + number, client);
}

static struct ms_buf *value_of(unsigned client, unsigned number)
{
    size_t size = (size_t)1 + client * 70001 + number * 40000;
    struct ms_buf *buf = ms_buf_new(size);
    assert_non_null(buf);
    for (size_t i = 0; i < size; i++)
        ms_buf_data(buf)[i] = (uint8_t)(i * (client + 3) + number + (i >> 9));
    return buf;
}

static void store(struct actor *a, struct ms_site *site, unsigned number)
{
    struct ms_error err = {0};
    struct ms_buf *value = value_of(a->number, number);
    int code = ms_immutable_store(site, a->fleet.ids, value, NULL, &err);
    a->belief[number] = code ? MAYBE : PRESENT;
    a->world->acknowledged += !code;
    a->world->failed += code != 0;
    ms_buf_unref(value);
}

static void load(struct actor *a, struct ms_site *site, unsigned number, bool must)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL, *value = value_of(a->number, number);
    int code = ms_immutable_load(site, 0, MS_SIZE_TO_END, &got, &err);
    if (!code) {
        if (a->belief[number] == ABSENT)
            fail_msg("seed %llu: %s is back", (unsigned long long)a->world->seed, site->key.data);
        assert_int_equal(ms_buf_size(got), ms_buf_size(value));
        assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data, ms_buf_size(value));
        a->world->loaded++;
    } else if (a->belief[number] == PRESENT && (must || code == MS_ERR_NOT_FOUND)) {
        fail_msg("seed %llu: %s is lost: %s", (unsigned long long)a->world->seed, site->key.data,
                 err.text);
    } else if (must && a->belief[number] == ABSENT && code != MS_ERR_NOT_FOUND) {
        fail_msg("seed %llu: %s: %s", (unsigned long long)a->world->seed, site->key.data, err.text);
    }
    ms_buf_unref(got);
    ms_buf_unref(value);
}

static void forget(struct actor *a, struct ms_site *site, unsigned number)
{
    struct ms_error err = {0};
    int code = ms_immutable_delete(site, a->fleet.ids, &err);
    if (code == MS_ERR_NOT_FOUND && a->belief[number] == PRESENT)
        fail_msg("seed %llu: nothing to delete: %s", (unsigned long long)a->world->seed, err.text);
    if (code == 0 && a->belief[number] == ABSENT)
        fail_msg("seed %llu: deleted twice: %s", (unsigned long long)a->world->seed,
                 site->key.data);
    /* one that was not acknowledged may turn up yet where a store ended in an error */
    if (!code)
        a->belief[number] = ABSENT;
    else if (code != MS_ERR_NOT_FOUND)
        a->belief[number] = MAYBE;
}

static int act(void *arg)
{
    struct actor *a = arg;
    char key[32];
    struct ms_error err = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)ms_random_below(&a->random, KEYS);
        name_key(key, a->number, number);
        struct ms_site site = fleet_site(&a->fleet, key);
        uint64_t what = ms_random_below(&a->random, 10);
        if (what < 4)
            store(a, &site, number);
        else if (what < 8)
            load(a, &site, number, false);
        else
            forget(a, &site, number);
        check_ok(ms_sleep(a->fleet.clock, ms_random_below(&a->random, 900) * MS, &err), err);
    }
    return 0;
}

static void all_gone(struct actor *actors, unsigned member, bool gone)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        fleet_gone(&actors[i].fleet, member, gone);
}

static int disturb(void *arg)
{
    struct actor *actors = arg;
    struct world *w = actors[0].world;
    struct ms_random random;
    struct ms_error err = {0};
    ms_random_seed(&random, w->seed + 99);
    while (!w->over) {
        unsigned member = (unsigned)ms_random_below(&random, w->members);
        all_gone(actors, member, true);
        check_ok(ms_sleep(w->fleet.clock, ms_random_below(&random, 4000) * MS, &err), err);
        all_gone(actors, member, false);
        check_ok(ms_sleep(w->fleet.clock, ms_random_below(&random, 9000) * MS, &err), err);
    }
    return 0;
}

static void fork_all(struct actor *actors)
{
    struct ms_group *clients = NULL, *chaos = NULL;
    struct ms_error err = {0};
    struct ms_join join;
    check_ok(ms_group_new(&clients, &err), err);
    check_ok(ms_group_new(&chaos, &err), err);
    check_ok(ms_group_fork(chaos, disturb, NULL, actors, &err), err);
    for (unsigned i = 0; i < CLIENTS; i++)
        check_ok(ms_group_fork(clients, act, NULL, &actors[i], &err), err);
    ms_group_join_all(clients, &join);
    actors[0].world->over = true;
    ms_group_join_all(chaos, &join);
    ms_group_release(clients);
    ms_group_release(chaos);
}

static int run_world(void *arg)
{
    struct world *w = arg;
    struct actor *actors = calloc(CLIENTS, sizeof *actors);
    struct ms_error err = {0};
    char key[32];
    struct fleet_options options = {.members = shapes[w->seed % SHAPES].members,
                                    .policy = shapes[w->seed % SHAPES].policy,
                                    .clock = ms_sim_clock(),
                                    .latency_ns = 20 * MS,
                                    .jitter_ns = 15 * MS,
                                    .seed = w->seed};
    assert_non_null(actors);
    w->members = options.members;
    fleet_make(&w->fleet, &options);
    for (unsigned i = 0; i < CLIENTS; i++) {
        options.seed = w->seed * 10 + i;
        actors[i] = (struct actor){.world = w, .number = i};
        ms_random_seed(&actors[i].random, options.seed);
        fleet_join(&actors[i].fleet, &w->fleet, &options);
    }
    fork_all(actors);
    check_ok(ms_sleep(w->fleet.clock, 600000 * MS, &err), err); /* breakers close */
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned number = 0; number < KEYS; number++) {
            name_key(key, i, number);
            struct ms_site site = fleet_site(&actors[i].fleet, key);
            load(&actors[i], &site, number, false); /* probes */
            check_ok(ms_sleep(w->fleet.clock, 1000 * MS, &err), err);
            load(&actors[i], &site, number, true);
        }
    check_ok(ms_sleep(w->fleet.clock, 60000 * MS, &err), err); /* repairs end */
    for (unsigned i = 0; i < CLIENTS; i++)
        fleet_free(&actors[i].fleet);
    fleet_free(&w->fleet);
    free(actors);
    return 0;
}

static uint64_t first_seed(void)
{
    const char *seed = getenv("MSTORE_SIM_SEED");
    return seed ? strtoull(seed, NULL, 10) : 0;
}

static void nothing_is_lost_and_nothing_comes_back(void **state)
{
    (void)state;
    unsigned acknowledged = 0, loaded = 0, failed = 0;
    unsigned seeds = getenv("MSTORE_SIM_SEED") ? 1 : 200;
    for (uint64_t seed = first_seed(); seed < first_seed() + seeds; seed++) {
        struct world w = {.seed = seed};
        struct ms_error err = {0};
        struct ms_sim_options options = {.seed = seed};
        if (ms_sim_run(&options, run_world, &w, NULL, &err))
            fail_msg("seed %llu: %s (MSTORE_SIM_SEED=%llu repeats it)", (unsigned long long)seed,
                     err.text, (unsigned long long)seed);
        acknowledged += w.acknowledged;
        loaded += w.loaded;
        failed += w.failed;
    }
    if (seeds > 1) { /* it did what it is for */
        assert_true(acknowledged > 1000);
        assert_true(loaded > 1000);
    }
    print_message("%u stores acknowledged, %u not, %u loads\n", acknowledged, failed, loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_and_nothing_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
