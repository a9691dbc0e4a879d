/* mstore/change*.c, adopt.c: members are added, drained and gone while clients use the store; a
 * change that was broken off anywhere is finished by the next; two at once both come. Virtual time.
 */
#include "support/changing.h"

#include "base/pool.h"
#include "base/sim.h"
#include "mstore/change.h"
#include "mstore/versions.h"
#include "support/check.h"

#include <mstore/emulator.h>

#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

/* ---- one change ---- */

static int run_add_and_drain(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    changing_put_all(c, 1);
    changing_put(c, "data0001", 1);
    check_ok(ms_store_delete(c->store, ms_str("config/key3"), false, &err), err);
    check_ok(changing_add(c, "m3", &err), err);
    changing_in_force(c, 2, false);
    check_ok(changing_set_state(c, "m0", MS_DRAINING, &err), err);
    changing_in_force(c, 3, false);
    changing_expect(c, "data0001", 1); /* not moved yet, read from where it is */
    changing_expect_none(c, "config/key3");
    changing_put(c, "config/key3", 1);
    changing_expect_all(c, 1);
    check_ok(changing_set_state(c, "m0", MS_GONE, &err), err);
    changing_gone(c, 0, true);
    changing_gone(c, 1, true); /* one of three voters, after m0 */
    changing_expect_all(c, 1);
    changing_gone(c, 1, false);
    check_ok(ms_sleep(ms_sim_clock(), 60000 * MS, &err), err);
    changing_client(w, 1); /* who knows only the first members */
    changing_in_force(&w->client[1], 4, false);
    changing_expect_all(&w->client[1], 1);
    changing_put_all(&w->client[1], 2);
    changing_expect_all(c, 2);
    changing_end(&w->client[1]);
    changing_end(c);
    return 0;
}

static void members_come_and_go(void **state)
{
    (void)state;
    changing_run_seeds(run_add_and_drain, 10);
}

static int run_erasure(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG_EC);
    struct changing_client *c = &w->client[0];
    changing_put_all(c, 1);
    check_ok(changing_add(c, "m3", &err), err);
    check_ok(changing_add(c, "m4", &err), err);
    changing_expect_all(c, 1);
    changing_put_all(c, 2);
    check_ok(changing_set_state(c, "m1", MS_DRAINING, &err), err);
    check_ok(changing_set_state(c, "m1", MS_GONE, &err), err);
    changing_gone(c, 1, true);
    changing_expect_all(c, 2);
    changing_put_all(c, 3);
    changing_expect_all(c, 3);
    changing_end(c);
    return 0;
}

static void shards_follow(void **state)
{
    (void)state;
    changing_run_seeds(run_erasure, 10);
}

/* ---- waits are told of ---- */

static int run_waits(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, "[namespace]\nkind = immutable\nredundancy = all\nverify = none\n");
    struct changing_client *c = &w->client[0];
    check_ok(changing_add(c, "m3", &err), err);
    assert_int_equal(c->waits.ended, 2);
    assert_string_equal(c->waits.what[0],
                        "waiting until all clients have heard that layout 2 is proposed");
    assert_string_equal(c->waits.what[1],
                        "waiting until all clients have heard that layout 2 is in force");
    assert_true(c->waits.told > 20 && !c->waits.grew && !c->waits.left_ns);
    assert_true(c->waits.longest_ns >= 11000 * MS && c->waits.longest_ns < 13000 * MS);
    c->waits = (struct waits){0};
    check_ok(changing_add(c, "m3", &err), err); /* who made it may have been broken off */
    assert_int_equal(c->waits.ended, 1);
    assert_string_equal(c->waits.what[0],
                        "waiting until all clients have heard that layout 2 is in force");
    changing_put(c, "data0001", 1);
    c->waits = (struct waits){0};
    changing_gone(c, 0, true);
    check_ok(ms_store_delete(c->store, ms_str("data0001"), false, &err), err);
    changing_gone(c, 0, false);
    assert_int_equal(c->waits.ended, 1);
    assert_string_equal(c->waits.what[0], "waiting until no client believes member m0");
    assert_true(c->waits.told > 20 && !c->waits.grew);
    changing_end(c);
    return 0;
}

static void waits_are_told_of(void **state)
{
    (void)state;
    changing_run_seeds(run_waits, 1);
}

/* ---- what is refused ---- */

static int run_refusals(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    check_code(changing_set_state(c, "nobody", MS_DRAINING, &err), MS_ERR_INVALID, err);
    check_text(err, "the store has no member nobody");
    check_code(changing_set_state(c, "m0", MS_DRAINING, &err), MS_ERR_CONFIG,
               err); /* two for three copies */
    check_code(changing_add(c, "m9", &err), MS_ERR_CONFIG, err);
    check_text(err, "conf has no url of member m9");
    changing_in_force(c, 1, false);
    changing_gone(c, 0, true);
    changing_gone(c, 1, true);
    check_code(changing_add(c, "m3", &err), MS_ERR_CONNECTION, err);
    changing_gone(c, 0, false);
    changing_gone(c, 1, false);
    check_ok(ms_sleep(ms_sim_clock(), 60000 * MS, &err), err);
    check_ok(changing_add(c, "m3", &err), err);
    check_ok(changing_add(c, "m3", &err), err); /* it is there */
    changing_in_force(c, 2, false);
    check_ok(changing_set_state(c, "m0", MS_DRAINING, &err), err);
    check_ok(changing_set_state(c, "m0", MS_GONE, &err), err);
    check_ok(changing_set_state(c, "m0", MS_DRAINING, &err), err); /* more than that */
    changing_in_force(c, 4, false);
    check_code(changing_add(c, "m0", &err), MS_ERR_CONFIG, err);
    check_text(err, "there is a member m0 already (it is gone)");
    changing_end(c);
    return 0;
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    changing_run(run_refusals, 1);
}

/* ---- broken off, and two at once ---- */

struct change_task {
    struct changing_client *client;
    const char *name;
    int code;
};

static int run_change_task(void *arg)
{
    struct change_task *c = arg;
    struct ms_error err = {0};
    c->code = changing_add(c->client, c->name, &err);
    return 0;
}

/* The client dies: none of its calls gets through any more. */
static void kill_client(struct changing_client *c)
{
    for (unsigned i = 0; i < CHANGING_MEMBERS; i++)
        if (c->emulator[i])
            changing_gone(c, i, true);
}

static unsigned broken_off;

static int run_broken_off(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join join;
    changing_begin(w, 3, CONFIG3);
    changing_put_all(&w->client[0], 1);
    changing_client(w, 1);
    struct change_task first = {.client = &w->client[0], .name = "m3"};
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, run_change_task, NULL, &first, &err), err);
    uint64_t until = w->seed % 3 ? 20 + w->seed * 13 % 700 : 11000 + w->seed * 37 % 500;
    check_ok(ms_sleep(ms_sim_clock(), until * MS, &err), err);
    kill_client(&w->client[0]);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    broken_off += first.code != 0; /* else it was only waiting */
    check_ok(changing_add(&w->client[1], "m4", &err), err);
    changing_expect_all(&w->client[1], 1);
    changing_put_all(&w->client[1], 2);
    changing_client(w, 2);
    changing_expect_all(&w->client[2], 2);
    struct ms_roster *r = ms_self_roster(ms_self_of(w->client[2].store));
    assert_non_null(ms_layout_member(r->layout, "m4"));
    assert_null(r->next);
    /* decided before it was broken off, or not at all */
    assert_int_equal(r->layout->epoch, ms_layout_member(r->layout, "m3") ? 3 : 2);
    ms_roster_unref(r);
    return changing_end_all(w, 3);
}

static void who_comes_next_finishes_it(void **state)
{
    (void)state;
    changing_run_seeds(run_broken_off, 60);
    assert_true(broken_off > 40);
}

static int run_two_at_once(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join join;
    changing_begin(w, 3, CONFIG3);
    changing_put_all(&w->client[0], 1);
    changing_client(w, 1);
    struct change_task both[2] = {{.client = &w->client[0], .name = "m3"},
                                  {.client = &w->client[1], .name = "m4"}};
    check_ok(ms_group_new(&group, &err), err);
    for (unsigned i = 0; i < 2; i++)
        check_ok(ms_group_fork(group, run_change_task, NULL, &both[i], &err), err);
    ms_group_join_all(group, &join);
    ms_group_release(group);
    assert_int_equal(both[0].code, 0);
    assert_int_equal(both[1].code, 0);
    changing_client(w, 2);
    changing_in_force(&w->client[2], 3, false);
    changing_expect_all(&w->client[2], 1);
    struct ms_roster *r = ms_self_roster(ms_self_of(w->client[2].store));
    assert_non_null(ms_layout_member(r->layout, "m3"));
    assert_non_null(ms_layout_member(r->layout, "m4"));
    ms_roster_unref(r);
    return changing_end_all(w, 3);
}

static void two_at_once_both_come(void **state)
{
    (void)state;
    changing_run_seeds(run_two_at_once, 30);
}

/* ---- clients meanwhile ---- */

static int run_old_client(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    changing_begin(w, 3, CONFIG3);
    changing_client(w, 1);
    changing_put_all(&w->client[1], 1);
    struct changing_client *c = &w->client[0];
    check_ok(changing_add(c, "m3", &err), err);
    check_ok(changing_add(c, "m4", &err), err);
    check_ok(changing_set_state(c, "m0", MS_DRAINING, &err), err);
    check_ok(changing_set_state(c, "m0", MS_GONE, &err), err);
    changing_put_all(c, 2);
    changing_expect_all(&w->client[1], 2); /* it was idle */
    changing_in_force(&w->client[1], 5, false);
    changing_put_all(&w->client[1], 3);
    changing_expect_all(c, 3);
    return changing_end_all(w, 2);
}

static void who_was_idle_learns_of_it(void **state)
{
    (void)state;
    changing_run_seeds(run_old_client, 10);
}

/* A member that was a voter holds what was deleted when it was one no more, and is one again. */
static int run_deletion(void *arg)
{
    struct changing *w = arg;
    struct ms_error err = {0};
    char key[32];
    changing_begin(w, 3, CONFIG3);
    struct changing_client *c = &w->client[0];
    changing_put_all(c, 1);
    check_ok(changing_add(c, "m3", &err), err);
    for (unsigned i = 0; i < CHANGING_KEYS; i++) {
        changing_name_key(key, i);
        check_ok(ms_store_delete(c->store, ms_str(key), false, &err), err);
    }
    check_ok(ms_sleep(ms_sim_clock(), UINT64_C(30) * 86400 * 1000 * MS, &err), err);
    struct ms_roster *r = ms_self_roster(ms_self_of(c->store));
    for (unsigned i = 0; i < 4 * CHANGING_KEYS; i++) {
        struct ms_site site;
        bool whole;
        changing_name_key(key, i % CHANGING_KEYS);
        check_ok(ms_site_of(r, ms_str(key), false, &site, &err), err);
        check_ok(ms_mutable_heal(&site, &whole, &err), err);
    }
    ms_roster_unref(r);
    check_ok(changing_set_state(c, "m3", MS_DRAINING, &err), err);
    for (unsigned i = 0; i < CHANGING_KEYS; i++) {
        changing_name_key(key, i);
        changing_expect_none(c, key);
    }
    changing_end(c);
    return 0;
}

static void a_deletion_outlasts_what_former_voters_hold(void **state)
{
    (void)state;
    changing_run(run_deletion, 1);
}

struct working {
    struct changing_client *client;
    bool over; /* fibers of one thread: no lock */
    unsigned done, failed;
};

/* One writer for each key: what it wrote last is what it must read, on every key. */
static int work(void *arg)
{
    struct working *w = arg;
    struct ms_random random;
    unsigned generation[CHANGING_KEYS] = {0};
    bool maybe[CHANGING_KEYS] = {false};
    ms_random_seed(&random, w->client->world->seed + 17);
    while (!w->over) {
        struct ms_error err = {0};
        unsigned i = (unsigned)ms_random_below(&random, CHANGING_KEYS);
        char key[32], text[64];
        struct ms_buf_borrowed b;
        struct ms_buf *got = NULL;
        changing_name_key(key, i);
        snprintf(text, sizeof text, "%s %u", key, generation[i] + 1);
        int code = ms_store_store(w->client->store, ms_str(key), ms_buf_borrow(&b, ms_str(text)),
                                  NULL, NULL, &err);
        generation[i]++;
        maybe[i] = code != 0;
        w->failed += code != 0;
        i = (unsigned)ms_random_below(&random, CHANGING_KEYS);
        changing_name_key(key, i);
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
    struct changing *w = arg;
    struct ms_error err = {0};
    struct ms_group *group = NULL;
    struct ms_join join;
    changing_begin(w, 3, CONFIG3);
    changing_client(w, 1);
    struct working task = {.client = &w->client[1]};
    struct changing_client *c = &w->client[0];
    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, work, NULL, &task, &err), err);
    check_ok(changing_add(c, "m3", &err), err);
    check_ok(changing_set_state(c, "m0", MS_DRAINING, &err), err);
    changing_gone(c, 0, true);
    if (w->client[1].emulator[0])
        changing_gone(&w->client[1], 0, true);
    check_ok(changing_add(c, "m4", &err), err);
    check_ok(changing_set_state(c, "m0", MS_GONE, &err), err);
    check_ok(changing_set_state(c, "m1", MS_DRAINING, &err), err);
    check_ok(changing_set_state(c, "m1", MS_GONE, &err), err);
    task.over = true;
    ms_group_join_all(group, &join);
    ms_group_release(group);
    worked += task.done;
    failures += task.failed;
    return changing_end_all(w, 2);
}

static void who_works_on_misses_nothing(void **state)
{
    (void)state;
    const char *only = getenv("MSTORE_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (only ? 1 : 40); seed++)
        changing_run(run_busy, seed);
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
