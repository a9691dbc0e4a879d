/* The world of the simulation does what it says: the same seed, delayed effects, dead clients,
 * harm to disks, the budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/run.h"

#include "base/cleanup.h"
#include "base/sim.h"

#include <stdlib.h>

/* ---- the same seed ---- */

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    const struct sim_scenario *sc;
    for (size_t i = 0; (sc = sim_scenario_at(i)); i++)
        for (uint64_t seed = 1; seed <= SIM_TWICE; seed++) {
            struct sim_result first, second;
            sim_run(sc, seed, NULL, NULL, &first);
            sim_run(sc, seed, NULL, NULL, &second);
            assert_true(first.trace_hash == second.trace_hash);
            assert_true(first.steps == second.steps && first.end_ns == second.end_ns);
            assert_string_equal(first.why, second.why);
            free(first.history);
            free(second.history);
        }
}

static uint64_t hash_in_a_new_process(const char *scenario, uint64_t seed)
{
    char command[512], line[512];
    snprintf(command, sizeof command, "exec '%s' --scenario %s --seed %llu", SIM_PROGRAM, scenario,
             (unsigned long long)seed);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c) */
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    const char *hash = strstr(line, "trace hash ");
    assert_non_null(hash);
    return strtoull(hash + strlen("trace hash "), NULL, 16);
}

static void the_same_seed_gives_the_same_run_in_another_process(void **state)
{
    (void)state;
    for (uint64_t seed = 5; seed < 8; seed++) {
        struct sim_result result;
        sim_run(sim_scenario_named("single-all"), seed, NULL, NULL, &result);
        assert_false(result.broken);
        assert_true(hash_in_a_new_process("single-all", seed) == result.trace_hash);
    }
}

static void different_seeds_give_different_runs(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_result result;
        sim_run(sim_scenario_named("single-all"), seed, NULL, NULL, &result);
        assert_true(result.trace_hash != last);
        last = result.trace_hash;
    }
}

struct seen_faults {
    uint64_t lost, delayed, deaths, disturbances;
};

static bool as_said(const struct sim_scenario *sc, const struct seen_faults *seen)
{
    const struct sim_faults *f = &sc->faults;
    return (seen->lost > 0) == (f->before + f->after + f->delayed > 0) &&
           (seen->delayed > 0) == (f->delayed > 0) && (seen->deaths > 0) == (f->dies > 0) &&
           (seen->disturbances > 0) == (f->disturbances > 0);
}

/* Every kind of fault does happen in the scenarios that speak of it: within ten seeds, most within
 * three. */
static void scenarios_are_as_bad_as_they_say(void **state)
{
    (void)state;
    const struct sim_scenario *sc;
    for (size_t i = 0; (sc = sim_scenario_at(i)); i++) {
        struct seen_faults seen = {0};
        for (uint64_t seed = 1; seed <= 3 || (seed <= 10 && !as_said(sc, &seen)); seed++) {
            struct sim_result result;
            sim_run(sc, seed, NULL, NULL, &result);
            seen.lost += result.faults;
            seen.delayed += result.delayed;
            seen.deaths += result.deaths;
            seen.disturbances += result.disturbances;
            free(result.history);
        }
        if (!as_said(sc, &seen))
            fail_msg("%s: not the faults that it speaks of", sc->name);
    }
}

/* ---- one world; nothing is asserted inside, cmocka would jump out of the simulation ---- */

struct story {
    int (*tell)(struct sim_world *w, struct story *story);
    struct sim_faults faults;
    unsigned members;
    uint64_t seed;
    int codes[8];
    uint64_t numbers[8];
};

static int tell(void *arg)
{
    struct story *story = arg;
    struct sim_world *w = calloc(1, sizeof *w);
    if (!w)
        return MS_ERR_NO_MEMORY;
    int code = sim_world_init(w, story->seed, story->members, &story->faults, NULL);
    if (!code) {
        code = story->tell(w, story);
        sim_world_fini(w);
        if (w->broken[0])
            code = MS_ERR_CORRUPT;
    }
    free(w);
    return code;
}

static void run_story(struct story *story, uint64_t seed)
{
    story->seed = seed;
    struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
    struct ms_error err = {0};
    int code = ms_sim_run(&options, tell, story, NULL, &err);
    if (code)
        fail_msg("%s: %s", ms_code_name(code), err.text);
}

static int opened(struct sim_world *w, unsigned client, unsigned member, struct ms_backend **out)
{
    int code = sim_member_handle(w, client, member, out, NULL);
    return code ? code : ms_backend_open(*out, NULL);
}

static int put(struct ms_backend *b, const char *name, const char *text)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, ms_str(text)), NULL, NULL, NULL);
}

/* First byte of what is at name on the disk, 0: nothing. */
static uint64_t on_disk(struct sim_world *w, unsigned member, const char *name)
{
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = ms_backend_load(w->members[member].disk, ms_str(name), 0, 1, &value, NULL, NULL);
    return code ? 0 : ms_buf_view(value).data[0];
}

static int tell_delayed(struct sim_world *w, struct story *story)
{
    unsigned client = 0;
    struct ms_backend *b = NULL;
    int code = sim_client_new(w, false, &client, NULL);
    if (!code)
        code = opened(w, client, 0, &b);
    if (code)
        return code;
    story->codes[0] = put(b, "a", "x");
    story->numbers[0] = on_disk(w, 0, "a");
    ms_backend_free(b); /* gone before its effect */
    sim_world_calm(w);
    story->numbers[1] = on_disk(w, 0, "a");
    story->numbers[2] = ms_clock_now(w->clock);
    story->numbers[3] = w->delayed_effects;
    return 0;
}

static void an_effect_may_come_after_its_client_left(void **state)
{
    (void)state;
    uint64_t latest = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct story story = {.tell = tell_delayed,
                              .members = 1,
                              .faults = {.delayed = 1000,
                                         .delay_max_ns = 15 * SIM_MINUTE,
                                         .until_ns = SIM_SECOND,
                                         .latency_ns = seed % 2 * SIM_MS}};
        run_story(&story, seed);
        assert_true(story.codes[0] == MS_ERR_CONNECTION || story.codes[0] == MS_ERR_TIMEOUT);
        assert_int_equal(story.numbers[0], 0);
        assert_int_equal(story.numbers[1], 'x');
        assert_int_equal(story.numbers[3], 1);
        latest = story.numbers[2] > latest ? story.numbers[2] : latest;
        assert_true(story.numbers[2] <= 15 * SIM_MINUTE + SIM_SECOND);
    }
    assert_true(latest > 0);
}

static int tell_death(struct sim_world *w, struct story *story)
{
    unsigned client = 0, other = 0;
    struct ms_backend *b = NULL, *c = NULL;
    int code = sim_client_new(w, true, &client, NULL);
    if (!code)
        code = sim_client_new(w, false, &other, NULL);
    if (!code)
        code = opened(w, client, 0, &b);
    if (!code)
        code = opened(w, other, 0, &c);
    if (code)
        return code;
    int calls = 0;
    while (!sim_client_dead(w, client) && calls++ < 100)
        story->codes[0] = put(b, "a", "x");
    story->codes[1] = put(b, "b", "x");
    story->codes[2] = put(c, "c", "x");
    story->numbers[0] = w->deaths;
    story->numbers[1] = on_disk(w, 0, "b");
    story->numbers[2] = on_disk(w, 0, "c");
    story->numbers[3] = ms_cancel_fired(w->clients[client].token);
    ms_backend_free(b);
    ms_backend_free(c);
    return 0;
}

static void nothing_more_comes_from_the_dead(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct story story = {.tell = tell_death,
                              .members = 1,
                              .faults = {.dies = 50, .until_ns = SIM_MINUTE, .latency_ns = SIM_MS}};
        run_story(&story, seed);
        assert_int_equal(story.codes[0], MS_ERR_CANCELLED);
        assert_int_equal(story.codes[1], MS_ERR_CANCELLED);
        assert_int_equal(story.codes[2], 0);
        assert_int_equal(story.numbers[0], 1);
        assert_int_equal(story.numbers[1], 0);
        assert_int_equal(story.numbers[2], 'x');
        assert_int_equal(story.numbers[3], 1);
    }
}

/* ---- disks ---- */

static int tell_disks(struct sim_world *w, struct story *story)
{
    struct ms_backend *disk = w->members[0].disk, *copy = NULL;
    static const char *const names[] = {"a", "b/c", "b/d/e", "f"};
    int code = 0;
    for (size_t i = 0; !code && i < 4; i++)
        code = put(disk, names[i], "x");
    if (!code)
        code = sim_disk_copy(w, disk, &copy, NULL);
    if (!code)
        code = sim_disk_harm(w, disk, SIM_FLIP, 1, NULL);
    for (size_t i = 0; i < 4; i++)
        story->numbers[0] += on_disk(w, 0, names[i]) == 'x';
    if (!code)
        code = sim_disk_harm(w, disk, SIM_LOSE, 1000000, NULL);
    for (size_t i = 0; i < 4; i++)
        story->numbers[1] += on_disk(w, 0, names[i]) != 0;
    w->members[0].disk = copy;
    for (size_t i = 0; i < 4; i++)
        story->numbers[2] += on_disk(w, 0, names[i]) == 'x';
    return code;
}

static void disks_are_copied_flipped_and_lost(void **state)
{
    (void)state;
    struct story story = {.tell = tell_disks, .members = 1};
    run_story(&story, 1);
    assert_int_equal(story.numbers[0], 0); /* every value flipped */
    assert_int_equal(story.numbers[1], 3); /* exactly one lost */
    assert_int_equal(story.numbers[2], 4); /* and the copy knows nothing of it */
}

/* ---- the budget ---- */

static int no_heal(struct sim_world *w, void *ctx, struct ms_error *err)
{
    (void)w, (void)err;
    ++*(uint64_t *)ctx;
    return 0;
}

static int watch(struct sim_world *w, struct story *story)
{
    while (ms_clock_now(w->clock) < w->faults.until_ns) {
        unsigned disturbed = 0;
        for (unsigned i = 0; i < w->member_count; i++)
            disturbed += w->members[i].disturbed || w->members[i].gone || w->members[i].full;
        story->numbers[disturbed <= 2 ? disturbed : 3]++;
        if (ms_sleep(w->clock, 10 * SIM_MS, NULL))
            break;
    }
    return 0;
}

static int tell_budget(struct sim_world *w, struct story *story)
{
    struct ms_group *group = NULL;
    w->heal = no_heal;
    w->heal_ctx = &story->numbers[4];
    int code = ms_group_new(&group, NULL);
    if (code)
        return code;
    code = sim_disturb(w, group, NULL);
    if (!code)
        code = watch(w, story);
    ms_group_join_all(group, NULL);
    ms_group_release(group);
    for (unsigned i = 0; i < w->member_count; i++)
        story->numbers[5] += w->members[i].disturbed || w->members[i].gone;
    story->numbers[6] = w->disturbances_done;
    return code;
}

static void no_more_are_disturbed_than_tolerated(void **state)
{
    (void)state;
    uint64_t one = 0, two = 0, healed = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct story story = {
            .tell = tell_budget,
            .members = 5,
            .faults = {.disturbances = 0xff, .tolerates = 2, .until_ns = 40 * SIM_SECOND}};
        run_story(&story, seed);
        one += story.numbers[1];
        two += story.numbers[2];
        healed += story.numbers[4];
        assert_int_equal(story.numbers[3], 0); /* never three */
        assert_int_equal(story.numbers[5], 0); /* all are back at the end */
        assert_true(story.numbers[6] > 0);
    }
    assert_true(one > 0 && two > 0 && healed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(the_same_seed_gives_the_same_run_in_another_process),
        cmocka_unit_test(different_seeds_give_different_runs),
        cmocka_unit_test(scenarios_are_as_bad_as_they_say),
        cmocka_unit_test(an_effect_may_come_after_its_client_left),
        cmocka_unit_test(nothing_more_comes_from_the_dead),
        cmocka_unit_test(disks_are_copied_flipped_and_lost),
        cmocka_unit_test(no_more_are_disturbed_than_tolerated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
