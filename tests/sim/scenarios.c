/* The scenarios: see system.h. Small runs, so that many seeds fit into little time. */
#include "tests/sim/system.h"

#define SMALL .clients = 5, .ops = 120, .keys = 3, .value_max = 600
#define TIME  .latency_ns = 5 * SIM_MS, .until_ns = 6 * SIM_SECOND

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

#define MAJORITY(NAME, WHAT, SYSTEM, AVAILABLE, ...)                                               \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, SMALL, .faults = {TIME, __VA_ARGS__},       \
        .available = AVAILABLE,                                                                    \
    }
#define LARGE(NAME, WHAT, SYSTEM, ...)                                                             \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, SMALL, .faults = {TIME, __VA_ARGS__},       \
        .large = true,                                                                             \
    }
#define FLAWED(NAME, WHAT, ...)                                                                    \
    {                                                                                              \
        .name = "flawed-" #NAME, .what = WHAT, .system = &sim_flawed_##NAME, SMALL,                \
        .faults = {TIME, __VA_ARGS__}, .broken = true,                                             \
    }
#define FLAWED_MIRRORS(NAME, WHAT)                                                                 \
    {                                                                                              \
        .name = "flawed-" #NAME, .what = WHAT, .system = &sim_flawed_##NAME, .clients = 3,         \
        .ops = 120, .keys = 6, .value_max = 600,                                                   \
        .faults = {TIME, .tolerates = 1, .disturbances = SIM_VANISH}, .broken = true,              \
    }
#define ONE_SIDED(NAME, WHAT, SYSTEM)                                                              \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, .clients = 3, .ops = 120, .keys = 6,        \
        .value_max = 600, .faults = {TIME, ROUGH},                                                 \
    }
#define MIRRORS(NAME, WHAT, SYSTEM, AVAILABLE, ...)                                                \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, .clients = 3, .ops = 120, .keys = 6,        \
        .value_max = 600, .faults = {TIME, __VA_ARGS__}, .available = AVAILABLE,                   \
    }
#define MOVES(NAME, WHAT, SYSTEM, AVAILABLE, ...)                                                  \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, .clients = 3, .ops = 60, .keys = 18,        \
        .value_max = 600, .faults = {TIME, __VA_ARGS__}, .available = AVAILABLE, .large = true,    \
    }
#define UNINTENDED(NAME, WHAT)                                                                     \
    {                                                                                              \
        .name = "flawed-" #NAME, .what = WHAT, .system = &sim_flawed_##NAME, .clients = 3,         \
        .ops = 60, .keys = 18, .value_max = 600, .faults = {TIME, .dies = 20}, .broken = true,     \
    }
#define BURIAL(NAME, WHAT, SYSTEM, ...)                                                            \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, .clients = 4, .ops = 160, .keys = 6,        \
        .value_max = 600, .rhythm_ns = 25 * SIM_MINUTE, .large = true,                             \
        .faults = {.latency_ns = 5 * SIM_MS,                                                       \
                   .until_ns = 300 * SIM_MINUTE,                                                   \
                   .tolerates = 1,                                                                 \
                   .disturbances = SIM_VANISH},                                                    \
        __VA_ARGS__                                                                                \
    }
/* Leases so long that who goes on without a wait is found by those who still believe. */
#define WAITS(NAME, WHAT, SYSTEM, AWAY, ...)                                                       \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &SYSTEM, .lease_ns = 3 * SIM_SECOND,                 \
        .faults = {TIME, .tolerates = 1, .disturbances = AWAY, .dies = 3}, __VA_ARGS__             \
    }
#define MIXED(NAME, WHAT, AVAILABLE, ...)                                                          \
    {                                                                                              \
        .name = NAME, .what = WHAT, .system = &sim_mixed, .clients = 3, .ops = 180, .keys = 12,    \
        .value_max = 600, .faults = {__VA_ARGS__}, .available = AVAILABLE, .large = true,          \
    }
#define HARM (SIM_OLD | SIM_EMPTY | SIM_LOSE | SIM_FLIP)
#define ROUGH                                                                                      \
    .before = 15, .after = 15, .delayed = 15, .dies = 3, .delay_max_ns = 15 * SIM_MINUTE,          \
    .wrong_clocks = true
/* Copies get lost at one of three, and many clients die while they put them back. */
#define REPAIRS                                                                                    \
    .delayed = 1, .dies = 15, .delay_max_ns = 4 * SIM_MINUTE, .tolerates = 1,                      \
    .disturbances = SIM_LOSE

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

    ONE_SIDED("single-immutable", "keys determine values", sim_single_immutable),
    ONE_SIDED("single-plain", "each key has one writer", sim_single_plain),
    MAJORITY("majority-calm", "three members, nothing goes wrong", sim_majority3, true,
             .wrong_clocks = true),
    MAJORITY("majority-lost", "requests and answers are lost, or late", sim_majority3, false,
             ROUGH),
    MAJORITY("majority-away", "one of three vanishes, is slow, is full", sim_majority3, true,
             .tolerates = 1, .disturbances = SIM_HARMLESS, .dies = 3),
    MAJORITY("majority-harm", "one of three loses or spoils data, and is healed", sim_majority3,
             true, .tolerates = 1, .disturbances = SIM_HARMLESS | HARM),
    MAJORITY("majority-all", "two of five are away, calls are lost or late", sim_majority5, false,
             ROUGH, .tolerates = 2, .disturbances = SIM_HARMLESS),

    MAJORITY("mutable-calm", "three members, nothing goes wrong", sim_mutable, true,
             .wrong_clocks = true),
    MAJORITY("mutable-lost", "requests and answers are lost, or late", sim_mutable, false, ROUGH),
    MAJORITY("mutable-away", "one of three vanishes, is slow, is full", sim_mutable, false,
             .tolerates = 1, .disturbances = SIM_HARMLESS, .dies = 3),
    MAJORITY("mutable-harm", "one of three loses data, and is healed", sim_mutable, true,
             .tolerates = 1, .disturbances = SIM_LOSE),
    MAJORITY("mutable-all", "one of three is away, calls are lost or late", sim_mutable, false,
             ROUGH, .tolerates = 1, .disturbances = SIM_HARMLESS),
    MAJORITY("cond-calm", "stores with conditions among others, nothing goes wrong",
             sim_conditional, true, .wrong_clocks = true),
    MAJORITY("cond-lost", "likewise, requests and answers are lost, or late", sim_conditional,
             false, ROUGH),
    MAJORITY("cond-deaths", "likewise, clients die at any call", sim_conditional, false, .dies = 30,
             .wrong_clocks = true),
    MAJORITY("cond-all", "likewise, one of three is away, calls are lost or late", sim_conditional,
             false, ROUGH, .tolerates = 1, .disturbances = SIM_HARMLESS),
    MAJORITY("immutable-calm", "three members, nothing goes wrong", sim_immutable, true,
             .wrong_clocks = true),
    MAJORITY("immutable-lost", "requests and answers are lost, or late", sim_immutable, false,
             ROUGH),
    MAJORITY("immutable-away", "one of three vanishes, is slow, is full", sim_immutable, false,
             .tolerates = 1, .disturbances = SIM_HARMLESS, .dies = 3),
    MAJORITY("immutable-harm", "one of three loses or spoils data", sim_immutable, false,
             .tolerates = 1, .disturbances = SIM_LOSE | SIM_FLIP, .dies = 3),
    MAJORITY("mutable-available", "one of three vanishes or is full, and nothing may fail",
             sim_mutable, true, .tolerates = 1, .disturbances = SIM_VANISH | SIM_FULL),
    MAJORITY("soft-calm", "immutable keys are hidden and brought back, nothing goes wrong",
             sim_immutable_soft, true, .wrong_clocks = true),
    MAJORITY("soft-deaths", "immutable keys are hidden and brought back, clients die at any call",
             sim_immutable_soft, false, .dies = 20, .wrong_clocks = true),
    MAJORITY("soft-harm", "likewise, one of three loses or spoils data, and is healed",
             sim_immutable_soft, false, .tolerates = 1, .disturbances = SIM_LOSE | SIM_FLIP,
             .dies = 3),
    MAJORITY("soft-lost", "likewise, requests and answers are lost, or late", sim_immutable_soft,
             false, ROUGH),
    MAJORITY("soft-repaired",
             "likewise, one of three loses copies, clients die while they put them back",
             sim_immutable_values, false, REPAIRS),
    MAJORITY("soft-away", "likewise, one of three vanishes, is slow, is full", sim_immutable_soft,
             false, .tolerates = 1, .disturbances = SIM_HARMLESS, .dies = 3),

    MIRRORS("plain-calm", "three mirrors, each key has one writer, nothing goes wrong", sim_plain,
            true, .wrong_clocks = true),
    MIRRORS("plain-away", "one of three mirrors vanishes, is slow, is full", sim_plain, false,
            .tolerates = 1, .disturbances = SIM_HARMLESS),
    MIRRORS("plain-deaths", "likewise, and clients die at any call", sim_plain, false, .dies = 10,
            .wrong_clocks = true, .tolerates = 1, .disturbances = SIM_HARMLESS),
    MIRRORS("plain-copies-calm", "two copies on four members, nothing goes wrong", sim_plain_copies,
            true, .wrong_clocks = true),
    MIRRORS("plain-copies", "likewise, one of them vanishes, is slow, is full", sim_plain_copies,
            false, .tolerates = 1, .disturbances = SIM_HARMLESS),
    MIRRORS("plain-copies-deaths", "likewise, and clients die at any call", sim_plain_copies, false,
            .dies = 10, .wrong_clocks = true, .tolerates = 1, .disturbances = SIM_HARMLESS),

    WAITS("immutable-waits", "one of three is away, and leases are long", sim_immutable,
          SIM_HARMLESS, SMALL),
    WAITS("soft-waits", "likewise, and keys are hidden and brought back", sim_immutable_soft,
          SIM_HARMLESS, SMALL),
    WAITS("plain-waits", "likewise of plain keys, each with one writer", sim_plain, SIM_HARMLESS,
          .clients = 3, .ops = 120, .keys = 6, .value_max = 600),

    BURIAL("immutable-buried", "what deletions left is buried while it is stored again",
           sim_buried, ),
    MIRRORS("again-calm", "immutable keys in shards get another value when they are deleted",
            sim_again, false, .wrong_clocks = true),
    MOVES("moves-calm", "values are renamed, hidden, brought back, nothing goes wrong",
          sim_moves_copies, true, .wrong_clocks = true),
    MOVES("moves-deaths", "likewise, clients die at any call", sim_moves_copies, false, .dies = 20,
          .wrong_clocks = true),
    MOVES("moves-away", "likewise, one of three vanishes, is slow, is full", sim_moves_copies,
          false, .tolerates = 1, .disturbances = SIM_HARMLESS, .dies = 5),
    MOVES("moves-lost", "likewise, requests and answers are lost, or late", sim_moves_copies, false,
          ROUGH),
    MOVES("moves-coded", "likewise of shards, clients die at any call", sim_moves_coded, false,
          .dies = 20, .wrong_clocks = true),
    MOVES("moves-plain", "likewise of mirrors, clients die at any call", sim_moves_plain, false,
          .dies = 20, .wrong_clocks = true),
    MOVES("moves-plain-away", "likewise, one of three vanishes, is slow, is full", sim_moves_plain,
          false, .tolerates = 1, .disturbances = SIM_HARMLESS, .dies = 5),

    MIXED("mixed-calm", "namespaces of each kind in one store, nothing goes wrong", true, TIME,
          .wrong_clocks = true),
    MIXED("mixed-away", "likewise, one of five members vanishes, is slow, is full", false, TIME,
          .tolerates = 1, .disturbances = SIM_HARMLESS),
    MIXED("mixed-deaths", "likewise, and clients die at any call", false, TIME, .dies = 5,
          .wrong_clocks = true, .tolerates = 1, .disturbances = SIM_HARMLESS),
    MIXED("mixed-long", "likewise, for five hours, so that members are believed again", false,
          .latency_ns = 5 * SIM_MS, .until_ns = 300 * SIM_MINUTE, .dies = 3, .tolerates = 1,
          .disturbances = SIM_HARMLESS),

    LARGE("layout-some", "members come and go, few calls are lost or late", sim_layout, .before = 2,
          .after = 3, .delayed = 5, .dies = 2, .delay_max_ns = 15 * SIM_MINUTE),
    LARGE("layout-away", "members come and go, and one of them is away", sim_layout, .after = 2,
          .tolerates = 1, .disturbances = SIM_VANISH | SIM_SLOW, .dies = 2),
    LARGE("layout-all", "members come and go, one is away, many calls are lost or late", sim_layout,
          ROUGH, .tolerates = 1, .disturbances = SIM_HARMLESS),

    LARGE("cond-layout", "stores with conditions while members come and go, calls are lost or late",
          sim_layout_conditional, .before = 4, .after = 6, .delayed = 8, .dies = 3,
          .delay_max_ns = 15 * SIM_MINUTE),
    LARGE("cond-layout-away", "likewise, and one of them is away", sim_layout_conditional,
          .after = 2, .tolerates = 1, .disturbances = SIM_VANISH | SIM_SLOW, .dies = 2),

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

    {
        .name = "broken-amnesia",
        .what = "one of three forgets while calls are lost: more than a majority can bear",
        .system = &sim_majority3,
        SMALL,
        .faults = {TIME, .before = 60, .after = 20, .tolerates = 1, .disturbances = SIM_EMPTY},
        .broken = true,
    },

    {
        .name = "broken-two-faults",
        .what = "one of three forgets what another never got: two faults where one is borne",
        .system = &sim_mutable,
        SMALL,
        .faults = {TIME, .before = 60, .after = 20, .dies = 3, .tolerates = 1,
                   .disturbances = SIM_OLD | SIM_LOSE},
        .broken = true,
    },

    {
        .name = "broken-plain-late",
        .what = "plain values, overwritten in place: several late requests for one key, each at "
                "another mirror, undo what came after them",
        .system = &sim_plain,
        .clients = 3,
        .ops = 120,
        .keys = 6,
        .value_max = 600,
        .faults = {TIME, .before = 15, .after = 15, .delayed = 15, .delay_max_ns = 15 * SIM_MINUTE},
        .broken = true,
    },

    {
        .name = "broken-again",
        .what = "immutable keys get another value when they are deleted, while members are away",
        .system = &sim_again,
        .clients = 3,
        .ops = 120,
        .keys = 6,
        .value_max = 600,
        .faults = {TIME, .tolerates = 1, .disturbances = SIM_HARMLESS, .wrong_clocks = true},
        .broken = true,
    },

    FLAWED(quorum, "one acknowledgement is enough", ROUGH),
    FLAWED(write_back, "a load does not make sure of a majority", ROUGH),
    FLAWED(tombstone, "a delete leaves no mark", .tolerates = 1, .disturbances = SIM_VANISH),
    FLAWED(counter, "a store counts from what one member lists", ROUGH),
    FLAWED(checksum, "bytes are not verified", .tolerates = 1, .disturbances = SIM_FLIP),
    FLAWED(read_one, "a load asks a single member", ROUGH),
    FLAWED(heal, "heal leaves out a member", .tolerates = 1, .disturbances = HARM),
    FLAWED(debris, "heal leaves older versions behind", .before = 10),
    FLAWED(grace, "heal drops marks while late requests are under way", .delayed = 40,
           .delay_max_ns = 2 * SIM_SECOND, .tolerates = 1, .disturbances = SIM_LOSE),
    FLAWED(listing, "a listing is content with whoever answers", .before = 150),
    FLAWED(wait, "a deletion that missed a member counts at once", .tolerates = 1,
           .disturbances = SIM_VANISH),
    FLAWED(lease, "what was heard once is believed for ever", .tolerates = 1,
           .disturbances = SIM_VANISH),
    FLAWED(marks, "only one member is told who missed a deletion", .tolerates = 1,
           .disturbances = SIM_VANISH),
    WAITS("flawed-age", "an age of a mark is believed without having waited", sim_flawed_age,
          SIM_VANISH, SMALL, .broken = true),
    FLAWED(look, "a store with a condition looks, then stores", .wrong_clocks = true),
    FLAWED(winner, "who loses leaves the winner's value to the winner", .dies = 3),
    FLAWED_MIRRORS(note, "what a mirror has missed is not noted"),
    FLAWED_MIRRORS(unmarked, "who has missed something is noted, but known to nobody"),
    FLAWED(unstaged, "a repair puts its copy where it is read at once", REPAIRS),
    UNINTENDED(intent, "a move of an immutable key leaves no intent"),
    UNINTENDED(intent_plain, "a move of a plain key leaves no intent"),
    BURIAL("flawed-bury", "what is buried is not looked at again", sim_flawed_bury, .broken = true),
    BURIAL("flawed-kept", "tombstones never go", sim_flawed_kept, .broken = true),
    BURIAL("flawed-lost", "one of two copies is not kept", sim_flawed_lost, .broken = true),
    FLAWED(unready, "a layout is final before all know that it is proposed", .before = 4),
    FLAWED(alone, "who hears of a proposed layout does not ask the old majority", ROUGH),
    FLAWED(news, "a client keeps to the layout that it began with", ROUGH),

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
