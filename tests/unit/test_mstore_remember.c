/* mstore/remember.c: processes of one machine, one after the other, that have the local state
 * folder in common, wait together until all clients know that a member has missed something.
 * Virtual time.
 */
#include "support/changing.h"

#include "base/sim.h"
#include "mstore/lease.h"
#include "support/check.h"
#include "support/scratch.h"

#include <stdio.h>

#define SECOND UINT64_C(1000000000)
#define KEYS   "[namespace]\nkind = immutable\nredundancy = all\nverify = none\n"

static struct ms_uuid machine(uint8_t boot)
{
    return (struct ms_uuid){{boot}};
}

static void pass(uint64_t ns)
{
    struct ms_error err = {0};
    check_ok(ms_sleep(ms_sim_clock(), ns, &err), err);
}

/* How many seconds a deletion waits that m2 misses, by a process of its own. */
static unsigned remove_by(struct changing *w, unsigned number, const char *key)
{
    struct changing_client *c = &w->client[number];
    struct ms_error err = {0};
    if (number)
        changing_client(w, number);
    c->waits = (struct waits){0};
    changing_gone(c, 2, true);
    check_ok(ms_store_delete(c->store, ms_str(key), false, &err), err);
    changing_end(c);
    assert_int_equal(c->waits.ended, c->waits.told > 0);
    return (unsigned)((c->waits.longest_ns + SECOND / 2) / SECOND);
}

/* A store of three, whose storages outlive their clients, and a first process that has waited. */
static void begin(struct changing *w, const struct scratch *folder, struct ms_backend *storage[3])
{
    w->state_folder = folder->path;
    w->boot = machine(1);
    changing_begin(w, 3, KEYS);
    for (unsigned i = 0; i < 3; i++)
        storage[i] = changing_storage(w, i);
    for (const char *key = "abcd"; *key; key++)
        changing_put(&w->client[0], (char[]){*key, '\0'}, 1);
    assert_int_equal(remove_by(w, 0, "a"), 11);
}

static int with_folder(struct changing *w, void (*run)(struct changing *w))
{
    struct ms_backend *storage[3];
    struct scratch folder;
    assert_true(scratch_make(&folder));
    begin(w, &folder, storage);
    run(w);
    for (unsigned i = 0; i < 3; i++)
        ms_backend_free(storage[i]);
    scratch_remove(&folder);
    return 0;
}

/* ---- one wait ---- */

static void one_after_the_other(struct changing *w)
{
    assert_int_equal(remove_by(w, 1, "b"), 0);
    pass(4 * 60 * SECOND);
    assert_int_equal(remove_by(w, 1, "c"), 0);
    pass(4 * 60 * SECOND); /* the one before has looked, too */
    assert_int_equal(remove_by(w, 1, "d"), 0);
}

static int run_one_after_the_other(void *world)
{
    return with_folder(world, one_after_the_other);
}

static void the_next_process_need_not_wait(void **state)
{
    (void)state;
    changing_run_seeds(run_one_after_the_other, 5);
}

/* ---- who must wait ---- */

static void others(struct changing *w)
{
    const char *folder = w->state_folder;
    w->boot = machine(2);
    assert_int_equal(remove_by(w, 1, "b"), 11);
    w->boot = machine(0); /* it cannot be told */
    assert_int_equal(remove_by(w, 1, "c"), 11);
    w->boot = machine(1);
    w->state_folder = NULL;
    assert_int_equal(remove_by(w, 1, "d"), 11);
    w->state_folder = folder;
}

static int run_others(void *world)
{
    return with_folder(world, others);
}

static void another_boot_waits(void **state)
{
    (void)state;
    changing_run_seeds(run_others, 3);
}

static void too_late(struct changing *w)
{
    pass(MS_AWAY_STANDS_NS + SECOND);
    assert_int_equal(remove_by(w, 1, "b"), 11);
    assert_int_equal(remove_by(w, 1, "c"), 0);
}

static int run_too_late(void *world)
{
    return with_folder(world, too_late);
}

static void what_was_seen_long_ago_does_not_count(void **state)
{
    (void)state;
    changing_run_seeds(run_too_late, 3);
}

/* As heal does, by a client that reaches all members. */
static void close_mark(struct changing_client *c)
{
    struct ms_roster *r = ms_self_roster(ms_self_of(c->store));
    struct ms_error err = {0};
    check_ok(ms_away_close(r, 2, &err), err);
    ms_roster_unref(r);
}

static void closed(struct changing *w)
{
    changing_client(w, 2);
    close_mark(&w->client[2]);
    assert_int_equal(remove_by(w, 1, "b"), 11); /* for a mark of its own */
    assert_int_equal(remove_by(w, 1, "c"), 0);
    changing_end(&w->client[2]);
}

static int run_closed(void *world)
{
    return with_folder(world, closed);
}

static void settled(struct changing *w)
{
    static struct ms_away marks[MS_AWAY_MAX];
    struct ms_error err = {0};
    size_t count = 0;
    changing_client(w, 2);
    struct ms_roster *r = ms_self_roster(ms_self_of(w->client[2].store));
    check_ok(ms_lease_poll_all(r, MS_NEWS_AWAY, &err), err);
    assert_int_equal(ms_lease_known(r, (struct ms_away_known[MS_AWAY_KEPT]){0}), 1);
    close_mark(&w->client[2]);
    pass(12 * SECOND);
    check_ok(ms_away_ripe(r, 2, 0, marks, &count, &err),
             err); /* late requests are not waited for */
    assert_int_equal(count, 1);
    check_ok(ms_away_settle(r, marks, count, &err), err);
    assert_int_equal(ms_lease_known(r, (struct ms_away_known[MS_AWAY_KEPT]){0}), 0);
    ms_roster_unref(r);
    pass(SECOND);
    assert_int_equal(remove_by(w, 1, "b"), 11);
    changing_end(&w->client[2]);
}

static int run_settled(void *world)
{
    return with_folder(world, settled);
}

static void a_mark_that_goes_is_not_relied_upon(void **state)
{
    (void)state;
    changing_run_seeds(run_closed, 3);
    changing_run_seeds(run_settled, 3);
}

static void under_another_layout(struct changing *w)
{
    struct ms_error err = {0};
    changing_client(w, 2);
    check_ok(changing_add(&w->client[2], "m3", &err), err);
    assert_int_equal(remove_by(w, 1, "b"), 11);
    assert_int_equal(remove_by(w, 1, "c"), 0);
    changing_end(&w->client[2]);
}

static int run_under_another_layout(void *world)
{
    return with_folder(world, under_another_layout);
}

static void another_layout_waits(void **state)
{
    (void)state;
    changing_run_seeds(run_under_another_layout, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_process_need_not_wait),
        cmocka_unit_test(another_boot_waits),
        cmocka_unit_test(what_was_seen_long_ago_does_not_count),
        cmocka_unit_test(a_mark_that_goes_is_not_relied_upon),
        cmocka_unit_test(another_layout_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
