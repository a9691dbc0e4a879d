/* mstore/change*.c, adopt.c: members are added, drained and gone while clients use the store; a
 * change that was broken off anywhere is finished by the next; two at once both come. Virtual time.
 */
#include "mstore/change.h"

#include "base/pool.h"
#include "base/sim.h"
#include "mstore/inquiry.h"
#include "mstore/versions.h"
#include "support/check.h"

#include <mstore/emulator.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MS      UINT64_C(1000000)
#define MEMBERS 6
#define KEYS    12

static atomic_uint worlds; /* storages of one name are shared by the process */

struct client {
    struct world *world;
    struct ms_store *store;
    struct ms_backend *emulator[MEMBERS]; /* NULL: not made yet */
    unsigned number;
    struct waits { /* that were told of */
        unsigned told, ended;
        uint64_t left_ns, longest_ns; /* left: as last told */
        char what[2][80];             /* of the first two that ended */
        bool grew;                    /* what is left became more during a wait */
    } waits;
};
struct world {
    unsigned number, founders; /* members of the first layout */
    uint64_t seed;
    const char *policy;
    struct client client[3];
};

static void url_of(const struct world *w, unsigned member, char url[64])
{
    snprintf(url, 64, "memory:change-%u-%u", w->number, member);
}

static int make_storage(struct client *c, unsigned member, struct ms_backend **out,
                        struct ms_error *err)
{
    char url[64];
    struct ms_backend_env env = {.clock = ms_sim_clock(), .seed = member + 1};
    struct ms_backend *inner = NULL;
    struct ms_emulation emulation;
    ms_emulation_init(&emulation);
    emulation.latency_ns = 10 * MS;
    emulation.jitter_ns = 9 * MS;
    emulation.seed = c->world->seed * 10 + member + 1;
    url_of(c->world, member, url);
    int code = ms_backend_make(url, &env, &inner, err);
    if (!code)
        code = ms_emulator_new(inner, &emulation, &c->emulator[member], err);
    if (!code)
        *out = c->emulator[member];
    return code;
}

static int find_member(void *ctx, const char *name, struct ms_backend **out, struct ms_error *err)
{
    struct client *c = ctx;
    unsigned member = (unsigned)(name[1] - '0');
    return member < MEMBERS ? make_storage(c, member, out, err)
                            : ms_error_set(err, MS_ERR_NOT_FOUND, "unknown");
}

static void tell_wait(void *ctx, const struct ms_mstore_wait *wait)
{
    struct waits *w = ctx;
    w->told++;
    w->grew |= w->left_ns && wait->left_ns > w->left_ns;
    w->left_ns = wait->left_ns;
    if (wait->waited_ns > w->longest_ns)
        w->longest_ns = wait->waited_ns;
    if (!wait->left_ns && w->ended++ < 2)
        snprintf(w->what[w->ended - 1], sizeof w->what[0], "%s", wait->what);
}

static struct ms_mconf *conf_of(const struct world *w)
{
    char text[4096], url[64];
    struct ms_mconf *conf = NULL;
    struct ms_error err = {0};
    int used = snprintf(text, sizeof text, "[mstore]\nkey = %064d\n", 4711);
    for (unsigned i = 0; i < w->founders; i++) {
        url_of(w, i, url);
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "[member m%u]\nurl = %s\n", i, url);
    }
    snprintf(text + used, sizeof text - (size_t)used, "%s", w->policy);
    check_ok(ms_mconf_parse(ms_str(text), "conf", &conf, &err), err);
    return conf;
}

static void make_client(struct world *w, unsigned number)
{
    struct client *c = &w->client[number];
    struct ms_backend *backends[MEMBERS];
    struct ms_error err = {0};
    *c = (struct client){.world = w, .number = number};
    for (unsigned i = 0; i < w->founders; i++)
        check_ok(make_storage(c, i, &backends[i], &err), err);
    struct ms_self_options o = {.clock = ms_sim_clock(),
                                .seed = w->seed * 7 + number,
                                .deterministic = true,
                                .name = "conf",
                                .state_folder = "",
                                .waiting = tell_wait,
                                .waiting_ctx = &c->waits,
                                .find_member = find_member,
                                .find_ctx = c};
    check_ok(ms_self_new(conf_of(w), backends, &o, &c->store, &err), err);
    if (number == 0)
        check_ok(ms_store_create(c->store, &err), err);
    check_ok(ms_store_open(c->store, &err), err);
}

static void end_client(struct client *c)
{
    struct ms_error err = {0};
    check_ok(ms_store_close(c->store, &err), err);
    ms_store_free(c->store);
    c->store = NULL;
}

static int end_clients(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        end_client(&w->client[i]);
    return 0;
}

static void begin(struct world *w, unsigned founders, const char *policy)
{
    w->number = atomic_fetch_add(&worlds, 1);
    w->founders = founders;
    w->policy = policy;
    make_client(w, 0);
}

/* ---- what is asked and said ---- */

static void gone(struct client *c, unsigned member, bool is)
{
    struct ms_error err = {0};
    check_ok(ms_emulator_set_gone(c->emulator[member], is, &err), err);
}

static void put(struct client *c, const char *key, unsigned generation)
{
    struct ms_error err = {0};
    char text[64];
    struct ms_buf_borrowed b;
    snprintf(text, sizeof text, "%s %u", key, generation);
    check_ok(
        ms_store_store(c->store, ms_str(key), ms_buf_borrow(&b, ms_str(text)), NULL, NULL, &err),
        err);
}

static void expect(struct client *c, const char *key, unsigned generation)
{
    struct ms_error err = {0};
    char text[64];
    struct ms_buf *got = NULL;
    snprintf(text, sizeof text, "%s %u", key, generation);
    check_ok(ms_store_load(c->store, ms_str(key), NULL, &got, &err), err);
    assert_int_equal(ms_buf_size(got), strlen(text));
    assert_memory_equal(ms_buf_view(got).data, text, strlen(text));
    ms_buf_unref(got);
}

static void expect_none(struct client *c, const char *key)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    check_code(ms_store_load(c->store, ms_str(key), NULL, &got, &err), MS_ERR_NOT_FOUND, err);
}

static void name_key(char key[32], unsigned i)
{
    snprintf(key, 32, "config/key%u", i);
}

static void put_all(struct client *c, unsigned generation)
{
    char key[32];
    for (unsigned i = 0; i < KEYS; i++) {
        name_key(key, i);
        put(c, key, generation);
    }
}

static void expect_all(struct client *c, unsigned generation)
{
    char key[32];
    for (unsigned i = 0; i < KEYS; i++) {
        name_key(key, i);
        expect(c, key, generation);
    }
}

static void is_in_force(struct client *c, uint64_t epoch, bool proposed)
{
    struct ms_roster *r = ms_self_roster(ms_self_of(c->store));
    assert_int_equal(r->layout->epoch, epoch);
    assert_int_equal(r->next != NULL, proposed);
    ms_roster_unref(r);
}

static struct ms_layout_member member_named(const char *name)
{
    struct ms_layout_member m = {.weight = 1, .state = MS_ACTIVE};
    snprintf(m.name, sizeof m.name, "%s", name);
    snprintf(m.zone, sizeof m.zone, "%s", name);
    return m;
}

static int add(struct client *c, const char *name, struct ms_error *err)
{
    struct ms_layout_member m = member_named(name);
    return ms_change_run(ms_self_of(c->store), &(struct ms_change){.add = &m}, err);
}

static int set_state(struct client *c, const char *name, enum ms_member_state state,
                     struct ms_error *err)
{
    return ms_change_run(ms_self_of(c->store), &(struct ms_change){.member = name, .state = state},
                         err);
}

static void run(int (*fn)(void *world), uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    struct ms_sim_options options = {.seed = seed};
    struct ms_error err = {0};
    assert_non_null(w);
    w->seed = seed;
    if (ms_sim_run(&options, fn, w, NULL, &err))
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    free(w);
}

static void run_seeds(int (*fn)(void *world), uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++)
        run(fn, seed);
}

#define CONFIG3                                                                                    \
    "[namespace]\nkind = immutable\nredundancy = copies 2\nverify = none\n"                        \
    "[namespace config]\nkind = mutable\nredundancy = copies 3\n"
#define CONFIG_EC "[namespace config]\nkind = mutable\nredundancy = ec 2+1\n"

/* ---- one change ---- */

static int run_add_and_drain(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    begin(w, 3, CONFIG3);
    struct client *c = &w->client[0];
    put_all(c, 1);
    put(c, "data0001", 1);
    check_ok(ms_store_delete(c->store, ms_str("config/key3"), false, &err), err);
    check_ok(add(c, "m3", &err), err);
    is_in_force(c, 2, false);
    check_ok(set_state(c, "m0", MS_DRAINING, &err), err);
    is_in_force(c, 3, false);
    expect(c, "data0001", 1); /* not moved yet, read from where it is */
    expect_none(c, "config/key3");
    put(c, "config/key3", 1);
    expect_all(c, 1);
    check_ok(set_state(c, "m0", MS_GONE, &err), err);
    gone(c, 0, true);
    gone(c, 1, true); /* one of three voters, after m0 */
    expect_all(c, 1);
    gone(c, 1, false);
    check_ok(ms_sleep(ms_sim_clock(), 60000 * MS, &err), err);
    make_client(w, 1); /* who knows only the first members */
    is_in_force(&w->client[1], 4, false);
    expect_all(&w->client[1], 1);
    put_all(&w->client[1], 2);
    expect_all(c, 2);
    end_client(&w->client[1]);
    end_client(c);
    return 0;
}

static void members_come_and_go(void **state)
{
    (void)state;
    run_seeds(run_add_and_drain, 10);
}

static int run_erasure(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    begin(w, 3, CONFIG_EC);
    struct client *c = &w->client[0];
    put_all(c, 1);
    check_ok(add(c, "m3", &err), err);
    check_ok(add(c, "m4", &err), err);
    expect_all(c, 1);
    put_all(c, 2);
    check_ok(set_state(c, "m1", MS_DRAINING, &err), err);
    check_ok(set_state(c, "m1", MS_GONE, &err), err);
    gone(c, 1, true);
    expect_all(c, 2);
    put_all(c, 3);
    expect_all(c, 3);
    end_client(c);
    return 0;
}

static void shards_follow(void **state)
{
    (void)state;
    run_seeds(run_erasure, 10);
}

/* ---- waits are told of ---- */

static int run_waits(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    begin(w, 3, "[namespace]\nkind = immutable\nredundancy = all\nverify = none\n");
    struct client *c = &w->client[0];
    check_ok(add(c, "m3", &err), err);
    assert_int_equal(c->waits.ended, 2);
    assert_string_equal(c->waits.what[0],
                        "waiting until all clients have heard that layout 2 is proposed");
    assert_string_equal(c->waits.what[1],
                        "waiting until all clients have heard that layout 2 is in force");
    assert_true(c->waits.told > 20 && !c->waits.grew && !c->waits.left_ns);
    assert_true(c->waits.longest_ns >= 11000 * MS && c->waits.longest_ns < 13000 * MS);
    put(c, "data0001", 1);
    c->waits = (struct waits){0};
    gone(c, 0, true);
    check_ok(ms_store_delete(c->store, ms_str("data0001"), false, &err), err);
    gone(c, 0, false);
    assert_int_equal(c->waits.ended, 1);
    assert_string_equal(c->waits.what[0], "waiting until no client believes member m0");
    assert_true(c->waits.told > 20 && !c->waits.grew);
    end_client(c);
    return 0;
}

static void waits_are_told_of(void **state)
{
    (void)state;
    run_seeds(run_waits, 1);
}

/* ---- what is refused ---- */

static int run_refusals(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    begin(w, 3, CONFIG3);
    struct client *c = &w->client[0];
    check_code(set_state(c, "nobody", MS_DRAINING, &err), MS_ERR_CONFIG, err);
    check_text(err, "the store has no member nobody");
    check_code(set_state(c, "m0", MS_DRAINING, &err), MS_ERR_CONFIG,
               err); /* two for three copies */
    check_code(add(c, "m9", &err), MS_ERR_CONFIG, err);
    check_text(err, "conf has no url of member m9");
    is_in_force(c, 1, false);
    gone(c, 0, true);
    gone(c, 1, true);
    check_code(add(c, "m3", &err), MS_ERR_CONNECTION, err);
    gone(c, 0, false);
    gone(c, 1, false);
    check_ok(ms_sleep(ms_sim_clock(), 60000 * MS, &err), err);
    check_ok(add(c, "m3", &err), err);
    check_ok(add(c, "m3", &err), err); /* it is there */
    is_in_force(c, 2, false);
    check_ok(set_state(c, "m0", MS_DRAINING, &err), err);
    check_ok(set_state(c, "m0", MS_GONE, &err), err);
    check_ok(set_state(c, "m0", MS_DRAINING, &err), err); /* more than that */
    is_in_force(c, 4, false);
    check_code(add(c, "m0", &err), MS_ERR_CONFIG, err);
    check_text(err, "there is a member m0 already (it is gone)");
    end_client(c);
    return 0;
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    run(run_refusals, 1);
}

/* ---- broken off, and two at once ---- */

struct changing {
    struct client *client;
    const char *name;
    int code;
};

static int change_task(void *arg)
{
    struct changing *c = arg;
    struct ms_error err = {0};
    c->code = add(c->client, c->name, &err);
    return 0;
}

/* The client dies: none of its calls gets through any more. */
static void kill_client(struct client *c)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (c->emulator[i])
            gone(c, i, true);
}

static unsigned broken_off;

static int run_broken_off(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join join;
    begin(w, 3, CONFIG3);
    put_all(&w->client[0], 1);
    make_client(w, 1);
    struct changing first = {.client = &w->client[0], .name = "m3"};
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, change_task, NULL, &first, &err), err);
    uint64_t until = w->seed % 3 ? 20 + w->seed * 13 % 700 : 11000 + w->seed * 37 % 500;
    check_ok(ms_sleep(ms_sim_clock(), until * MS, &err), err);
    kill_client(&w->client[0]);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    broken_off += first.code != 0; /* else it was only waiting */
    check_ok(add(&w->client[1], "m4", &err), err);
    expect_all(&w->client[1], 1);
    put_all(&w->client[1], 2);
    make_client(w, 2);
    expect_all(&w->client[2], 2);
    struct ms_roster *r = ms_self_roster(ms_self_of(w->client[2].store));
    assert_non_null(ms_layout_member(r->layout, "m4"));
    assert_null(r->next);
    /* decided before it was broken off, or not at all */
    assert_int_equal(r->layout->epoch, ms_layout_member(r->layout, "m3") ? 3 : 2);
    ms_roster_unref(r);
    return end_clients(w, 3);
}

static void who_comes_next_finishes_it(void **state)
{
    (void)state;
    run_seeds(run_broken_off, 60);
    assert_true(broken_off > 40);
}

static int run_two_at_once(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join join;
    begin(w, 3, CONFIG3);
    put_all(&w->client[0], 1);
    make_client(w, 1);
    struct changing both[2] = {{.client = &w->client[0], .name = "m3"},
                               {.client = &w->client[1], .name = "m4"}};
    check_ok(ms_group_new(&group, &err), err);
    for (unsigned i = 0; i < 2; i++)
        check_ok(ms_group_fork(group, change_task, NULL, &both[i], &err), err);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    assert_int_equal(both[0].code, 0);
    assert_int_equal(both[1].code, 0);
    make_client(w, 2);
    is_in_force(&w->client[2], 3, false);
    expect_all(&w->client[2], 1);
    struct ms_roster *r = ms_self_roster(ms_self_of(w->client[2].store));
    assert_non_null(ms_layout_member(r->layout, "m3"));
    assert_non_null(ms_layout_member(r->layout, "m4"));
    ms_roster_unref(r);
    return end_clients(w, 3);
}

static void two_at_once_both_come(void **state)
{
    (void)state;
    run_seeds(run_two_at_once, 30);
}

/* ---- clients meanwhile ---- */

static int run_old_client(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    begin(w, 3, CONFIG3);
    make_client(w, 1);
    put_all(&w->client[1], 1);
    struct client *c = &w->client[0];
    check_ok(add(c, "m3", &err), err);
    check_ok(add(c, "m4", &err), err);
    check_ok(set_state(c, "m0", MS_DRAINING, &err), err);
    check_ok(set_state(c, "m0", MS_GONE, &err), err);
    put_all(c, 2);
    expect_all(&w->client[1], 2); /* it was idle */
    is_in_force(&w->client[1], 5, false);
    put_all(&w->client[1], 3);
    expect_all(c, 3);
    return end_clients(w, 2);
}

static void who_was_idle_learns_of_it(void **state)
{
    (void)state;
    run_seeds(run_old_client, 10);
}

/* A member that was a voter holds what was deleted when it was one no more, and is one again. */
static int run_deletion(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    char key[32];
    begin(w, 3, CONFIG3);
    struct client *c = &w->client[0];
    put_all(c, 1);
    check_ok(add(c, "m3", &err), err);
    for (unsigned i = 0; i < KEYS; i++) {
        name_key(key, i);
        check_ok(ms_store_delete(c->store, ms_str(key), false, &err), err);
    }
    check_ok(ms_sleep(ms_sim_clock(), UINT64_C(30) * 86400 * 1000 * MS, &err), err);
    struct ms_roster *r = ms_self_roster(ms_self_of(c->store));
    for (unsigned i = 0; i < 4 * KEYS; i++) {
        struct ms_site site;
        bool whole;
        name_key(key, i % KEYS);
        check_ok(ms_site_of(r, ms_str(key), false, &site, &err), err);
        check_ok(ms_mutable_heal(&site, &whole, &err), err);
    }
    ms_roster_unref(r);
    check_ok(set_state(c, "m3", MS_DRAINING, &err), err);
    for (unsigned i = 0; i < KEYS; i++) {
        name_key(key, i);
        expect_none(c, key);
    }
    end_client(c);
    return 0;
}

static void a_deletion_outlasts_what_former_voters_hold(void **state)
{
    (void)state;
    run(run_deletion, 1);
}

struct working {
    struct client *client;
    bool over; /* fibers of one thread: no lock */
    unsigned done, failed;
};

/* One writer for each key: what it wrote last is what it must read, on every key. */
static int work(void *arg)
{
    struct working *w = arg;
    struct ms_random random;
    unsigned generation[KEYS] = {0};
    bool maybe[KEYS] = {false};
    ms_random_seed(&random, w->client->world->seed + 17);
    while (!w->over) {
        struct ms_error err = {0};
        unsigned i = (unsigned)ms_random_below(&random, KEYS);
        char key[32], text[64];
        struct ms_buf_borrowed b;
        struct ms_buf *got = NULL;
        name_key(key, i);
        snprintf(text, sizeof text, "%s %u", key, generation[i] + 1);
        int code = ms_store_store(w->client->store, ms_str(key), ms_buf_borrow(&b, ms_str(text)),
                                  NULL, NULL, &err);
        generation[i]++;
        maybe[i] = code != 0;
        w->failed += code != 0;
        i = (unsigned)ms_random_below(&random, KEYS);
        name_key(key, i);
        code = ms_store_load(w->client->store, ms_str(key), NULL, &got, &err);
        snprintf(text, sizeof text, "%s %u", key, generation[i]);
        bool same = !code && ms_buf_size(got) == strlen(text) &&
                    memcmp(ms_buf_view(got).data, text, strlen(text)) == 0;
        if ((!code && !same && !maybe[i]) ||
            (code == MS_ERR_NOT_FOUND && generation[i] && !maybe[i]))
            fail_msg("seed %llu: %s is not \"%s\": %s", (unsigned long long)w->client->world->seed,
                     key, text, code ? err.text : (const char *)ms_buf_view(got).data);
        w->failed += code && code != MS_ERR_NOT_FOUND;
        w->done++;
        ms_buf_unref(got);
        check_ok(ms_sleep(ms_sim_clock(), ms_random_below(&random, 700) * MS, &err), err);
    }
    return 0;
}

static unsigned worked, failures;

static int run_busy(void *arg)
{
    struct world *w = arg;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join join;
    begin(w, 3, CONFIG3);
    make_client(w, 1);
    struct working task = {.client = &w->client[1]};
    struct client *c = &w->client[0];
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, work, NULL, &task, &err), err);
    check_ok(add(c, "m3", &err), err);
    check_ok(set_state(c, "m0", MS_DRAINING, &err), err);
    gone(c, 0, true);
    if (w->client[1].emulator[0])
        gone(&w->client[1], 0, true);
    check_ok(add(c, "m4", &err), err);
    check_ok(set_state(c, "m0", MS_GONE, &err), err);
    check_ok(set_state(c, "m1", MS_DRAINING, &err), err);
    check_ok(set_state(c, "m1", MS_GONE, &err), err);
    task.over = true;
    ms_group_join_all(group, &join);
    ms_group_release(group);
    worked += task.done;
    failures += task.failed;
    return end_clients(w, 2);
}

static void who_works_on_misses_nothing(void **state)
{
    (void)state;
    const char *only = getenv("MSTORE_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (only ? 1 : 40); seed++)
        run(run_busy, seed);
    assert_true(only || (worked > 40 * 50 && failures < worked / 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_and_go),
        cmocka_unit_test(shards_follow),
        cmocka_unit_test(waits_are_told_of),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(who_comes_next_finishes_it),
        cmocka_unit_test(two_at_once_both_come),
        cmocka_unit_test(who_was_idle_learns_of_it),
        cmocka_unit_test(who_works_on_misses_nothing),
        cmocka_unit_test(a_deletion_outlasts_what_former_voters_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
