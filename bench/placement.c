/* mstore-placement [KEYS] - what ms_placement_order costs, per key and per key and member, for some
 * numbers of members; docs/performance.md has figures. */
#include "mstore/placement.h"

#include <mstore/base.h>
#include <stdio.h>
#include <stdlib.h>

/* Nanoseconds for one key of 64 hex digits, the best of five rounds. */
static double measure(const struct ms_placement *p, unsigned wanted, unsigned keys)
{
    static struct ms_order order;
    char key[80] = "data/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff6100000000";
    double best = 0;
    for (int round = 0; round < 5; round++) {
        uint64_t begin = ms_clock_now(ms_clock_real());
        for (unsigned k = 0; k < keys; k++) {
            snprintf(key + 61, 9, "%08x", k);
            if (ms_placement_order(p, ms_view(key, 69), wanted, &order, NULL) != 0)
                exit(1);
        }
        double ns = (double)(ms_clock_now(ms_clock_real()) - begin) / keys;
        if (round == 0 || ns < best)
            best = ns;
    }
    return best;
}

static void one_row(unsigned members, unsigned zones, unsigned keys)
{
    static struct ms_placement_member m[MS_MEMBERS_MAX];
    struct ms_uuid store = {{1}};
    struct ms_random random;
    struct ms_placement *p = NULL;
    struct ms_error err = {0};
    ms_random_seed(&random, members);
    for (unsigned i = 0; i < members; i++) {
        ms_uuid_new(&random, &m[i].uuid);
        m[i].weight = 1 + (unsigned)ms_random_below(&random, 100);
        m[i].zone = i % zones;
    }
    if (ms_placement_new(MS_PLACE_RENDEZVOUS, &store, m, members, &p, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double ns = measure(p, 3, keys / members + 1);
    printf("| %u | %u | %.0f | %.0f |\n", members, zones, ns, ns / members);
    ms_placement_free(p);
}

int main(int argc, char **argv)
{
    unsigned long keys = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    if (keys < 1 || keys > 1000000000) {
        fprintf(stderr, "KEYS: 1 to 1000000000\n");
        return 2;
    }
    printf("| members | zones | ns per key | per key and member |\n|---|---|---|---|\n");
    static const unsigned rows[][2] = {{3, 3},  {6, 6},    {6, 3},   {20, 20},
                                       {20, 5}, {100, 10}, {500, 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        one_row(rows[i][0], rows[i][1], (unsigned)keys);
    return 0;
}
