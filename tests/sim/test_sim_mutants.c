/* Proof of the proof: systems that lie, and storages that break their word, are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/run.h"

#include <stdlib.h>

#define SEEDS 1000

/* The first seed that finds it; 0: none does. `why` gets the sentence. */
static uint64_t found_by(const struct sim_scenario *sc, char *why, size_t size)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_result result;
        sim_run(sc, seed, NULL, NULL, &result);
        snprintf(why, size, "%s", result.why);
        bool told = result.history && strstr(result.history, "client ");
        free(result.history);
        if (!result.broken)
            continue;
        assert_true(told);
        return seed;
    }
    return 0;
}

static void each_lie_is_found(void **state)
{
    (void)state;
    const struct sim_scenario *sc;
    unsigned lies = 0;
    for (size_t i = 0; (sc = sim_scenario_at(i)); i++) {
        if (!sc->broken)
            continue;
        char why[1024] = "";
        uint64_t seed = found_by(sc, why, sizeof why);
        print_message("%s: seed %llu: %s\n", sc->name, (unsigned long long)seed, why);
        assert_true(seed > 0);
        lies++;
    }
    assert_true(lies >= 25);
}

/* What is said is what was done. */
static void lies_are_called_by_their_names(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"mutant-undead", "a deleted value came back"},
        {"mutant-mixed", "wrong bytes were loaded"},
        {"mutant-shifted", "wrong bytes were loaded"},
        {"mutant-forgetful", "an acknowledged value is lost"},
        {"mutant-hasty", "is not linearizable"},
        {"flawed-tombstone", "a deleted value came back"},
        {"flawed-read_one", "a replaced value was read"},
        {"flawed-heal", "and all was healed: members 0 and 2 differ"},
        {"flawed-debris", "is there beside"},
        {"flawed-intent", "at both ends of its move for ever"},
        {"flawed-bury", "a scrub finds stranger"},
        {"flawed-lost", "copies are left"},
        {"broken-empty", "an acknowledged value is lost"},
        {"broken-flip", "wrong bytes were loaded"},
        {"broken-away", "though enough members were well"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct sim_scenario *sc = sim_scenario_named(names[i][0]);
        assert_non_null(sc);
        bool named = false;
        for (uint64_t seed = 1; seed <= SEEDS && !named; seed++) {
            struct sim_result result;
            sim_run(sc, seed, NULL, NULL, &result);
            named = result.broken && strstr(result.why, names[i][1]);
            free(result.history);
        }
        if (!named)
            fail_msg("%s never says \"%s\"", names[i][0], names[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lie_is_found),
        cmocka_unit_test(lies_are_called_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
