/* The emulator's accuracy: latency and bandwidth to the nanosecond, on the virtual clock. */
#include "support/check.h"
#include "support/emulated.h"

#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <math.h>
#include <stdio.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)
#define MB 1000000u

/* What a simulation works on; results are looked at after it. */
struct scene {
    struct ms_emulation e;
    int (*play)(struct scene *scene, struct ms_error *err);
    struct emulated m;
    size_t size[64];       /* of the transfers of a race */
    bool up[64];           /* stores instead of loading */
    uint64_t ended_ns[64]; /* after the race began */
    uint64_t race_began_ns, took_ns;
    size_t racers;
    struct ms_error err;
};

static int run_scene(void *arg)
{
    struct scene *scene = arg;
    int rc = emulated_open(&scene->m, &scene->e, ms_sim_clock(), &scene->err);
    if (rc < 0)
        return rc;
    rc = scene->play(scene, &scene->err);
    emulated_close(&scene->m);
    return rc;
}

static void play(struct scene *scene, int (*fn)(struct scene *, struct ms_error *))
{
    struct ms_sim_options options = {.seed = 7, .start_ns = 5 * S};
    struct ms_error err = {0};
    scene->play = fn;
    int rc = ms_sim_run(&options, run_scene, scene, NULL, &err);
    if (rc < 0)
        fail_msg("simulation: %s: %s %s", ms_code_name(rc), err.text, scene->err.text);
}

static struct scene scene_new(uint64_t latency_ns, uint64_t up_bps, uint64_t down_bps)
{
    struct scene scene = {0};
    ms_emulation_init(&scene.e);
    scene.e.latency_ns = latency_ns;
    scene.e.up_bps = up_bps;
    scene.e.down_bps = down_bps;
    return scene;
}

static int race_one(void *arg, size_t i)
{
    struct scene *scene = arg;
    char name[32];
    struct ms_error err = {0};
    snprintf(name, sizeof name, "v%zu", i);
    int rc = scene->up[i] ? emulated_put(scene->m.outer, "new", scene->size[i], 1, &err)
                          : emulated_get(scene->m.outer, name, NULL, &err);
    scene->ended_ns[i] = ms_clock_now(ms_sim_clock()) - scene->race_began_ns;
    return rc;
}

/* All transfers at once. The values lie there before, put past the emulator. */
static int race(struct scene *scene, struct ms_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < scene->racers; i++) {
        char name[32];
        snprintf(name, sizeof name, "v%zu", i);
        rc = emulated_put(scene->m.inner, name, scene->size[i], 1, err);
    }
    scene->race_began_ns = ms_clock_now(ms_sim_clock());
    if (rc == 0)
        rc = ms_parallel(scene->racers, (unsigned)scene->racers, race_one, scene, err);
    scene->took_ns = ms_clock_now(ms_sim_clock()) - scene->race_began_ns;
    return rc;
}

static void test_latency_overlaps(void **state)
{
    (void)state;
    struct scene scene = scene_new(50 * MS, 0, 0);
    scene.racers = 64;
    for (size_t i = 0; i < 64; i++)
        scene.size[i] = 1000;
    play(&scene, race);
    assert_int_equal(scene.took_ns, 50 * MS);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(scene.ended_ns[i], 50 * MS);
}

static void test_a_lone_transfer_takes_latency_and_volume(void **state)
{
    (void)state;
    struct scene scene = scene_new(50 * MS, 0, 8000000);
    scene.racers = 1;
    scene.size[0] = MB;
    play(&scene, race);
    assert_int_equal(scene.took_ns, 1 * S + 50 * MS);
}

static void test_odd_sizes_round_up(void **state)
{
    (void)state;
    struct scene scene = scene_new(0, 0, 3000); /* 8/3 ms a byte */
    scene.racers = 1;
    scene.size[0] = 1;
    play(&scene, race);
    assert_int_equal(scene.took_ns, 2666667);
}

static void test_two_transfers_share_the_line(void **state)
{
    (void)state;
    struct scene scene = scene_new(0, 0, 8000000);
    scene.racers = 2;
    scene.size[0] = scene.size[1] = MB;
    play(&scene, race);
    assert_int_equal(scene.took_ns, 2 * S);
    /* side by side, not one after the other: the first ends one turn before the second */
    assert_true(scene.ended_ns[0] >= 2 * S - 10 * MS && scene.ended_ns[1] >= 2 * S - 10 * MS);
}

static void test_a_small_one_passes_a_large_one(void **state)
{
    (void)state;
    struct scene scene = scene_new(0, 0, 8000000);
    scene.racers = 2;
    scene.size[0] = 4 * MB; /* alone: 4 s */
    scene.size[1] = 5000;   /* alone: 5 ms */
    play(&scene, race);
    assert_int_equal(scene.took_ns, 4 * S + 5 * MS);
    assert_true(scene.ended_ns[1] <= 15 * MS);
}

static void test_up_and_down_are_independent(void **state)
{
    (void)state;
    struct scene scene = scene_new(0, 8000000, 4000000);
    scene.racers = 2;
    scene.size[0] = scene.size[1] = MB;
    scene.up[0] = true;
    play(&scene, race);
    assert_int_equal(scene.ended_ns[0], 1 * S);
    assert_int_equal(scene.ended_ns[1], 2 * S);
}

/* ---- streams ---- */

static int play_streams(struct scene *scene, struct ms_error *err)
{
    static uint8_t block[MB / 2];
    struct ms_backend *b = scene->m.outer;
    struct ms_writer *w;
    struct ms_reader *r;
    size_t got;
    uint64_t begin = ms_clock_now(ms_sim_clock());
    int rc = ms_backend_write(b, ms_str("v"), MB, NULL, &w, err);
    scene->ended_ns[0] = ms_clock_now(ms_sim_clock()) - begin;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = ms_writer_append(w, ms_view(block, sizeof block), err);
    if (rc == 0)
        rc = ms_writer_commit(w, NULL, err);
    scene->ended_ns[1] = ms_clock_now(ms_sim_clock()) - begin;
    begin = ms_clock_now(ms_sim_clock());
    if (rc == 0)
        rc = ms_backend_read(b, ms_str("v"), &r, err);
    if (rc < 0)
        return rc;
    scene->ended_ns[2] = ms_clock_now(ms_sim_clock()) - begin;
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = ms_reader_read(r, (uint64_t)i * sizeof block, block, sizeof block, &got, err);
    ms_reader_close(r);
    scene->ended_ns[3] = ms_clock_now(ms_sim_clock()) - begin;
    return rc;
}

static void test_streams_pay_latency_once_and_bandwidth_per_block(void **state)
{
    (void)state;
    struct scene scene = scene_new(50 * MS, 8000000, 4000000);
    play(&scene, play_streams);
    assert_int_equal(scene.ended_ns[0], 50 * MS);
    assert_int_equal(scene.ended_ns[1], 1 * S + 50 * MS);
    assert_int_equal(scene.ended_ns[2], 50 * MS);
    assert_int_equal(scene.ended_ns[3], 2 * S + 50 * MS);
}

static int play_listing(struct scene *scene, struct ms_error *err)
{
    const struct ms_entry *entry = NULL;
    struct ms_lister *l;
    int rc = 0;
    for (int i = 0; rc == 0 && i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/%03d", i);
        rc = emulated_put(scene->m.inner, name, 10, 1, err);
    }
    uint64_t begin = ms_clock_now(ms_sim_clock());
    if (rc == 0)
        rc = ms_backend_list(scene->m.outer, ms_str("d"), NULL, &l, err);
    if (rc < 0)
        return rc;
    do {
        rc = ms_lister_next(l, &entry, err);
        scene->racers += rc == 0 && entry;
    } while (rc == 0 && entry);
    ms_lister_close(l);
    scene->took_ns = ms_clock_now(ms_sim_clock()) - begin;
    return rc;
}

static void test_a_listing_pays_latency_once(void **state)
{
    (void)state;
    struct scene scene = scene_new(50 * MS, 1000, 1000);
    play(&scene, play_listing);
    assert_int_equal(scene.racers, 100);
    assert_int_equal(scene.took_ns, 50 * MS);
}

static int play_batch(struct scene *scene, struct ms_error *err)
{
    struct ms_batch *batch;
    struct ms_buf_borrowed place;
    uint64_t begin = ms_clock_now(ms_sim_clock());
    int rc = ms_backend_batch(scene->m.outer, &batch, err);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "b%d", i);
        rc =
            ms_batch_store(batch, ms_str(name), ms_buf_borrow(&place, ms_view(name, 2)), NULL, err);
    }
    if (rc < 0) {
        ms_batch_abort(batch);
        return rc;
    }
    rc = ms_batch_commit(batch, err);
    scene->took_ns = ms_clock_now(ms_sim_clock()) - begin;
    return rc;
}

static void test_a_batch_pays_for_every_store(void **state)
{
    (void)state;
    struct scene scene = scene_new(50 * MS, 0, 0);
    play(&scene, play_batch);
    /* the commit of a storage that has batches is one call more */
    assert_true(scene.took_ns == 150 * MS || scene.took_ns == 200 * MS);
}

/* ---- the inner backend's own time counts ---- */

static void test_time_of_the_storage_counts(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_clock *clock = ms_clock_virtual_new(0);
    struct ms_backend_env env = {.clock = clock};
    struct ms_backend *memory, *inner, *outer;
    struct ms_emulation e;
    ms_emulation_init(&e);
    check_ok(ms_backend_make("memory:", &env, &memory, &err), err);
    e.latency_ns = 30 * MS;
    check_ok(ms_emulator_new(memory, &e, &inner, &err), err);
    e.latency_ns = 50 * MS;
    check_ok(ms_emulator_new(inner, &e, &outer, &err), err);
    check_ok(ms_backend_create(outer, &err), err);
    check_ok(ms_backend_open(outer, &err), err);
    uint64_t begin = ms_clock_now(clock);
    check_ok(emulated_put(outer, "v", 10, 1, &err), err);
    assert_int_equal(ms_clock_now(clock) - begin, 50 * MS);
    ms_backend_free(outer);
    ms_clock_free(clock);
}

/* ---- distributions ---- */

#define SAMPLES 10000

struct moments {
    double mean_ms, deviation_ms;
};

/* Measures calls, not the generator. */
static struct moments measure(enum ms_distribution distribution, uint64_t seed)
{
    struct ms_error err = {0};
    struct ms_clock *clock = ms_clock_virtual_new(0);
    struct ms_emulation e;
    struct emulated m;
    ms_emulation_init(&e);
    e.latency_ns = 50 * MS;
    e.jitter_ns = 5 * MS;
    e.distribution = distribution;
    e.seed = seed;
    check_ok(emulated_open(&m, &e, clock, &err), err);
    double sum = 0, squares = 0;
    for (int i = 0; i < SAMPLES; i++) {
        struct ms_info info;
        uint64_t begin = ms_clock_now(clock);
        check_ok(ms_backend_info(m.outer, ms_str("v"), &info, &err), err);
        double took_ms = (double)(ms_clock_now(clock) - begin) / 1e6;
        sum += took_ms;
        squares += took_ms * took_ms;
    }
    emulated_close(&m);
    ms_clock_free(clock);
    double mean = sum / SAMPLES;
    return (struct moments){mean, sqrt(squares / SAMPLES - mean * mean)};
}

static void check_moments(enum ms_distribution distribution, double mean_ms, double deviation_ms)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct moments m = measure(distribution, seed);
        /* four standard errors of the mean; 5 % of the deviation */
        if (fabs(m.mean_ms - mean_ms) > 4 * deviation_ms / sqrt(SAMPLES) ||
            fabs(m.deviation_ms - deviation_ms) > 0.05 * deviation_ms)
            fail_msg("seed %llu: mean %.3f ms, deviation %.3f ms instead of %.3f and %.3f",
                     (unsigned long long)seed, m.mean_ms, m.deviation_ms, mean_ms, deviation_ms);
    }
}

static void test_distributions(void **state)
{
    (void)state;
    check_moments(MS_UNIFORM, 50, 5 / sqrt(3));
    check_moments(MS_NORMAL, 50, 5);
    check_moments(MS_EXPONENTIAL, 55, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latency_overlaps),
        cmocka_unit_test(test_a_lone_transfer_takes_latency_and_volume),
        cmocka_unit_test(test_odd_sizes_round_up),
        cmocka_unit_test(test_two_transfers_share_the_line),
        cmocka_unit_test(test_a_small_one_passes_a_large_one),
        cmocka_unit_test(test_up_and_down_are_independent),
        cmocka_unit_test(test_streams_pay_latency_once_and_bandwidth_per_block),
        cmocka_unit_test(test_a_listing_pays_latency_once),
        cmocka_unit_test(test_a_batch_pays_for_every_store),
        cmocka_unit_test(test_time_of_the_storage_counts),
        cmocka_unit_test(test_distributions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
