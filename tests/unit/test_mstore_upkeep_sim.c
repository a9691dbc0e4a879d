/* Convergence: clients store and delete immutable keys while members come, go, lose and spoil data;
 * when that has stopped and heal has run, every key is on all its targets with the same bytes, or
 * nowhere, and neither notes nor anything else is left. A seed decides everything. The disks are
 * looked at directly. What a heal that leaves something out leaves behind is found. */
#include "mstore/frame.h"
#include "mstore/immutable.h"
#include "mstore/upkeep.h"

#include "base/pool.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define MS      UINT64_C(1000000)
#define SECOND  (1000 * MS)
#define CLIENTS 3
#define KEYS    4 /* of each client */
#define STEPS   12
#define MEMBERS 4
#define OBJECTS 512

enum flaw { NONE, FORGETS_A_MEMBER, TRUSTS_SIZES, ONLY_LOOKS, KINDS };

struct world {
    struct fleet fleet;
    const char *policy;
    uint64_t seed;
    enum flaw flaw;
    bool over;
    char why[400]; /* what is wrong in the end; "": nothing */
};
struct actor {
    struct world *world;
    struct fleet fleet;
    unsigned number;
    struct ms_random random;
};

static void name_key(char key[32], unsigned client, unsigned number)
{
    snprintf(key, 32, "%02xkey%u", client * 37 + number, client);
}

static void pause_for(uint64_t ns)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), ns, NULL), 0);
}

/* ---- clients -------------------------------------------------------------------------------- */

static int act(void *arg)
{
    struct actor *a = arg;
    for (unsigned i = 0; i < STEPS; i++) {
        char key[32];
        unsigned number = (unsigned)ms_random_below(&a->random, KEYS);
        name_key(key, a->number, number);
        struct ms_site site = fleet_site(&a->fleet, key);
        pause_for(ms_random_below(&a->random, 400) * MS);
        if (ms_random_below(&a->random, 3) == 0) {
            (void)!ms_immutable_delete(&site, a->fleet.ids, NULL);
            continue;
        }
        struct ms_buf *value = fleet_value(1000 + number * 30000, a->number * 10 + number);
        (void)!ms_immutable_store(&site, a->fleet.ids, value, NULL, NULL);
        ms_buf_unref(value);
    }
    return 0;
}

/* One member at a time is away, for every client. */
static int disturb(void *arg)
{
    struct actor *all = arg;
    struct world *w = all[0].world;
    struct ms_random random;
    ms_random_seed(&random, w->seed * 31 + 7);
    while (!w->over) {
        unsigned member = (unsigned)ms_random_below(&random, MEMBERS);
        for (unsigned c = 0; c < CLIENTS; c++)
            fleet_gone(&all[c].fleet, member, true);
        pause_for(ms_random_below(&random, 3000) * MS);
        for (unsigned c = 0; c < CLIENTS; c++)
            fleet_gone(&all[c].fleet, member, false);
        pause_for(ms_random_below(&random, 6000) * MS);
    }
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------- */

static int heal(struct world *w, unsigned rounds)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    int code = 0;
    o.deep = w->flaw != TRUSTS_SIZES;
    o.dry_run = w->flaw == ONLY_LOOKS;
    if (w->flaw == FORGETS_A_MEMBER)
        fleet_gone(&w->fleet, MEMBERS - 1, true);
    for (unsigned i = 0; i < rounds && !code; i++) {
        struct ms_upkeep_report *report = NULL;
        struct ms_error err = {0};
        code = ms_upkeep_run(NULL, w->fleet.roster, MS_UPKEEP_REBALANCE, &o, &report, &err);
        if (code)
            snprintf(w->why, sizeof w->why, "heal: %.300s", err.text);
        ms_upkeep_report_free(report);
    }
    return code;
}

struct seen { /* objects of one folder, of all members */
    struct world *world;
    unsigned member, count;
    struct one {
        unsigned member;
        char name[MS_NAME_MAX];
        struct ms_frame_header header;
        char digest[65]; /* of its payload */
    } * object;
};

static void see(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct seen *s = ctx;
    struct ms_buf *bytes = NULL, *payload = NULL;
    struct ms_error err = {0};
    assert_true(s->count < OBJECTS);
    struct one *o = &s->object[s->count++];
    o->member = s->member;
    snprintf(o->name, sizeof o->name, "%.*s", (int)name.size, (const char *)name.data);
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &bytes, NULL, &err), err);
    if (ms_frame_decode(ms_buf_view(bytes), NULL, &o->header, &payload, &err))
        snprintf(s->world->why, sizeof s->world->why, "%.300s", err.text);
    else
        fleet_digest(payload, o->digest);
    ms_buf_unref(payload);
    ms_buf_unref(bytes);
}

/* "…/k.25key1!…": whose object it is. */
static bool is_of(const struct one *o, const char *key)
{
    char part[40];
    snprintf(part, sizeof part, "k.%s!", key);
    return strstr(o->name, part) != NULL;
}

static bool is_target(const struct ms_site *site, unsigned member)
{
    for (unsigned i = 0; i < site->order.targets; i++)
        if (site->order.member[i] == member)
            return true;
    return false;
}

static bool fit(const struct one *a, const struct one *b)
{
    if (a->header.m == 0)
        return strcmp(a->digest, b->digest) == 0;
    return a->header.shard != b->header.shard &&
           memcmp(a->header.write_id, b->header.write_id, sizeof a->header.write_id) == 0;
}

/* Each on another target: equal copies, or all the shards of one write. */
static void check_key(struct world *w, const struct seen *s, const char *key)
{
    struct ms_site site = fleet_site(&w->fleet, key);
    unsigned count = 0, strays = 0, pairs = 0;
    for (unsigned i = 0; i < s->count; i++) {
        if (!is_of(&s->object[i], key))
            continue;
        count++;
        strays += !is_target(&site, s->object[i].member);
        for (unsigned j = 0; j < i; j++)
            pairs += is_of(&s->object[j], key) && !fit(&s->object[i], &s->object[j]);
    }
    if ((count && count != site.order.targets) || strays || pairs)
        snprintf(w->why, sizeof w->why,
                 "%s: %u objects for %u targets, %u at others, %u pairs that should not be", key,
                 count, site.order.targets, strays, pairs);
}

static void check_disks(struct world *w)
{
    struct seen *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->world = w;
    s->object = calloc(OBJECTS, sizeof *s->object);
    assert_non_null(s->object);
    for (s->member = 0; s->member < MEMBERS; s->member++)
        fleet_each(&w->fleet, s->member, "val", see, s);
    for (unsigned c = 0; c < CLIENTS && !w->why[0]; c++)
        for (unsigned n = 0; n < KEYS && !w->why[0]; n++) {
            char key[32];
            name_key(key, c, n);
            check_key(w, s, key);
        }
    if (!w->why[0] && fleet_all(&w->fleet, "hint"))
        snprintf(w->why, sizeof w->why, "%u notes are left", fleet_all(&w->fleet, "hint"));
    free(s->object);
    free(s);
}

/* Nobody is known to have missed anything. */
static void check_trust(struct world *w)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (ms_member_returning(w->fleet.roster->members[i]))
            snprintf(w->why, sizeof w->why, "member %u is still not believed", i);
    if (!w->why[0] && fleet_all(&w->fleet, "away"))
        snprintf(w->why, sizeof w->why, "marks of absence are left");
}

/* Every value that is there can be read. */
static void check_values(struct world *w)
{
    for (unsigned c = 0; c < CLIENTS && !w->why[0]; c++)
        for (unsigned n = 0; n < KEYS && !w->why[0]; n++) {
            char key[32];
            struct ms_buf *got = NULL, *value = fleet_value(1000 + n * 30000, c * 10 + n);
            struct ms_error err = {0};
            name_key(key, c, n);
            struct ms_site site = fleet_site(&w->fleet, key);
            int code = ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err);
            if (code && code != MS_ERR_NOT_FOUND)
                snprintf(w->why, sizeof w->why, "%.300s", err.text);
            if (!code &&
                (ms_buf_size(got) != ms_buf_size(value) ||
                 memcmp(ms_buf_view(got).data, ms_buf_view(value).data, ms_buf_size(value)) != 0))
                snprintf(w->why, sizeof w->why, "%s has wrong bytes", key);
            ms_buf_unref(got);
            ms_buf_unref(value);
        }
}

/* After the faults: one member loses some objects, or has bits flipped. */
static void harm(struct world *w)
{
    unsigned member = MEMBERS - 1;
    if (w->seed % 2)
        fleet_flip(&w->fleet, member, "val", w->seed);
    else
        fleet_wipe(&w->fleet, member, "val");
}

static int inside(void *arg)
{
    struct world *w = arg;
    struct fleet_options o = {.members = MEMBERS,
                              .policy = w->policy,
                              .clock = ms_sim_clock(),
                              .latency_ns = 5 * MS,
                              .jitter_ns = 20 * MS,
                              .seed = w->seed};
    struct actor *actors = calloc(CLIENTS, sizeof *actors);
    struct ms_group *group = NULL, *trouble = NULL;
    struct ms_join joined;
    struct ms_error err = {0};
    assert_non_null(actors);
    fleet_make(&w->fleet, &o);
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_new(&trouble, &err), err);
    for (unsigned c = 0; c < CLIENTS; c++) {
        actors[c].world = w;
        actors[c].number = c;
        ms_random_seed(&actors[c].random, w->seed * 100 + c);
        o.seed = w->seed + 1000 * (c + 1);
        fleet_join(&actors[c].fleet, &w->fleet, &o);
        check_ok(ms_group_fork(group, act, NULL, &actors[c], &err), err);
    }
    check_ok(ms_group_fork(trouble, disturb, NULL, actors, &err), err);
    ms_group_join_all(group, &joined);
    w->over = true;
    ms_group_join_all(trouble, &joined);
    ms_group_release(group);
    ms_group_release(trouble);
    pause_for(7200 * SECOND); /* stragglers have ended, nothing is young any more */
    int code = heal(w, 2);
    harm(w); /* of what is whole now, one member may be lost */
    pause_for(7200 * SECOND);
    if (!code && !heal(w, 2))
        check_disks(w);
    pause_for(1200 * SECOND); /* nothing can come late any more */
    if (!w->why[0] && !heal(w, 1))
        check_trust(w);
    if (!w->why[0])
        check_values(w);
    for (unsigned c = 0; c < CLIENTS; c++) {
        ms_roster_unref(actors[c].fleet.roster);
        ms_ids_free(actors[c].fleet.ids);
    }
    pause_for(3600 * SECOND);
    free(actors);
    fleet_free(&w->fleet);
    return 0;
}

static const char *const policies[] = {"redundancy = copies 3\n", "redundancy = copies 2\n",
                                       "redundancy = ec 2+1\n",
                                       "redundancy = ec 2+2\nverify = none\ncompress = zstd\n"};
#define POLICIES (sizeof policies / sizeof *policies)

/* What is wrong in the end. */
static void play(const char *policy, uint64_t seed, enum flaw flaw, char why[400])
{
    struct world w = {.policy = policy, .seed = seed, .flaw = flaw};
    struct ms_sim_options options = {
        .seed = seed, .start_ns = SECOND, .start_wall_ns = INT64_C(1800000000) * 1000000000};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, inside, &w, NULL, &err), err);
    memcpy(why, w.why, sizeof w.why);
}

#define SEEDS 8

static void every_key_is_whole_in_the_end(void **state)
{
    (void)state;
    const char *from = getenv("SIM_SEEDS");
    unsigned seeds = from ? (unsigned)strtoul(from, NULL, 10) : SEEDS;
    for (size_t p = 0; p < POLICIES; p++)
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            char why[400];
            play(policies[p], seed, NONE, why);
            if (why[0])
                fail_msg("seed %llu, %s: %s", (unsigned long long)seed, policies[p], why);
        }
}

static void what_is_left_out_is_found(void **state)
{
    (void)state;
    for (int flaw = FORGETS_A_MEMBER; flaw < KINDS; flaw++) {
        bool found = false;
        for (uint64_t seed = 1; seed <= 4 && !found; seed++) {
            char why[400];
            play(policies[0], seed, (enum flaw)flaw, why);
            found = why[0] != '\0';
        }
        if (!found)
            fail_msg("flaw %d was not found", flaw);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_whole_in_the_end),
        cmocka_unit_test(what_is_left_out_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
