/* The scenarios: see system.h. Small runs, so that many seeds fit into little time. */
#include "tests/sim/system.h"

#define SMALL .clients = 5, .ops = 120, .keys = 3, .value_max = 600
#define TIME  .latency_ns = 5 * SIM_MS, .until_ns = 4 * SIM_SECOND

/* A storage keeps its word, so the plain Store must keep its own. */
#define SINGLE(NAME, WHAT, ...)                                                                    \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &sim_single, SMALL, .faults = {TIME, __VA_ARGS__},   \
    }
/* A storage breaks its word under a Store that has only one: must be noticed. */
#define BROKEN(NAME, WHAT, ...)                                                                    \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &sim_single, SMALL, .faults = {TIME, __VA_ARGS__},   \
        .broken = true,                                                                            \
    }
#define MUTANT(NAME, WHAT)                                                                         \
    {                                                                                              \
        .name = "mutant-" #NAME, .what = WHAT, .system = &sim_mutant_##NAME, SMALL,                \
        .faults = {TIME}, .broken = true,                                                          \
    }

static const struct sim_scenario scenarios[] = {
    {
        .name = "single-calm",
        .what = "nothing goes wrong, and nothing may fail",
        .system = &sim_single,
        SMALL,
        .faults = {TIME, .wrong_clocks = true},
        .available = true,
    },
    SINGLE("single-errors", "requests and answers are lost", .before = 40, .after = 40),
    SINGLE("single-delayed", "requests take effect up to 15 minutes later", .before = 10,
           .after = 10, .delayed = 60, .delay_max_ns = 15 * SIM_MINUTE),
    SINGLE("single-deaths", "clients die at any call, their clocks are wrong", .before = 10,
           .dies = 20, .delayed = 20, .delay_max_ns = 2 * SIM_SECOND, .wrong_clocks = true),
    SINGLE("single-away", "the member vanishes, is slow, is full", .after = 10, .tolerates = 1,
           .disturbances = SIM_HARMLESS),
    SINGLE("single-all", "all of this at once", .before = 15, .after = 15, .delayed = 20,
           .dies = 10, .delay_max_ns = 15 * SIM_MINUTE, .wrong_clocks = true, .tolerates = 1,
           .disturbances = SIM_HARMLESS),

    BROKEN("broken-torn", "stores leave a prefix behind", .torn = 60),
    BROKEN("broken-old", "the disk returns as it once was", .tolerates = 1,
           .disturbances = SIM_OLD),
    BROKEN("broken-empty", "an empty disk returns", .tolerates = 1, .disturbances = SIM_EMPTY),
    BROKEN("broken-lose", "values at rest get lost", .tolerates = 1, .disturbances = SIM_LOSE),
    BROKEN("broken-flip", "bits of values at rest flip", .tolerates = 1, .disturbances = SIM_FLIP),
    {
        .name = "broken-away",
        .what = "the only member vanishes where nothing may fail",
        .system = &sim_single,
        SMALL,
        .faults = {TIME, .tolerates = 1, .disturbances = SIM_VANISH},
        .available = true,
        .broken = true,
    },
    {
        .name = "broken-swap",
        .what = "two halves that know nothing of each other swap disks",
        .system = &sim_mutant_split,
        .clients = 1,
        .ops = 40,
        .keys = 3,
        .value_max = 600,
        .faults = {TIME, .tolerates = 2, .disturbances = SIM_SWAP},
        .broken = true,
    },

    MUTANT(stale, "a cache returns the value before last"),
    MUTANT(undead, "a deleted value comes back"),
    MUTANT(blind, "a listing drops a key"),
    MUTANT(mixed, "a load returns another key's bytes"),
    MUTANT(forgetful, "one store in 50 is acknowledged but dropped"),
    MUTANT(shifted, "a range begins a byte too early"),
    MUTANT(hasty, "undelete looks, then acts"),
    MUTANT(split, "every other client works on a store of its own"),
};

const struct sim_scenario *sim_scenario_at(size_t index)
{
    return index < sizeof scenarios / sizeof *scenarios ? &scenarios[index] : NULL;
}

const struct sim_scenario *sim_scenario_named(const char *name)
{
    for (size_t i = 0; sim_scenario_at(i); i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}
