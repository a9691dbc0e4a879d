/* Notes about a mirror of a plain key that are replaced by those of a later change: while somebody
 * reads them, and where a member cannot take the newer one. */
#include "base/pool.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/mirrors.h"

#define KEY "00key"

static struct fleet_options options_for(unsigned members)
{
    return (struct fleet_options){.members = members,
                                  .clock = ms_sim_clock(),
                                  .kind = "plain",
                                  .policy = "redundancy = all\n",
                                  .latency_ns = 1000000,
                                  .seed = 5};
}

/* ---- while somebody reads them ---- */

/* The member misses it. */
static void put_without(struct fleet *f, unsigned member, const char *key, const char *value)
{
    struct ms_error err = {0};
    fleet_gone(f, member, true);
    check_ok(mirrors_put(f, key, value, &err), err);
    fleet_gone(f, member, false);
}

static int put_meanwhile(void *arg)
{
    struct ms_error err = {0};
    if (ms_sleep(ms_sim_clock(), 500000000, &err))
        return MS_ERR_CANCELLED;
    put_without(arg, 1, KEY, "three");
    return 0;
}

/* The third mirror missed one change of the key, then the first one, then the second one two. Who
 * reads all notes asks the third member, which is slow, when the last change has replaced the notes
 * of the one before; he has asked the first one when it had not. */
static int load_meanwhile(void *arg)
{
    struct fleet_options o = options_for(3);
    struct fleet f, slow;
    struct ms_group *group = NULL;
    struct ms_error err = {0};
    (void)arg;
    fleet_make(&f, &o);
    o.last_ns = 3000000000;
    fleet_join(&slow, &f, &o);
    check_ok(mirrors_put(&f, KEY, "zero", &err), err);
    put_without(&f, 2, KEY, "half");
    mirrors_pause(60);
    put_without(&f, 0, KEY, "one");
    mirrors_pause(60);
    put_without(&f, 1, KEY, "two");
    mirrors_pause(60);
    mirrors_assert(&slow, KEY, false, "two"); /* its members are open */

    check_ok(ms_group_new(&group, &err), err);
    check_ok(ms_group_fork(group, put_meanwhile, NULL, &f, &err), err);
    struct ms_site site = fleet_site(&slow, KEY);
    struct ms_plain_standing standing;
    check_ok(ms_plain_behind(&site, false, false, &standing, &err), err);
    assert_true(standing.behind[1]); /* it has "one" */
    assert_false(standing.behind[2]);
    ms_group_join_all(group, NULL);
    ms_group_release(group);
    mirrors_assert(&slow, KEY, false, "three");
    fleet_free(&slow);
    fleet_free(&f);
    return 0;
}

static void who_looks_while_notes_are_replaced_believes_no_old_value(void **state)
{
    (void)state;
    mirrors_simulated(load_meanwhile);
}

/* ---- where the newer one cannot be put ---- */

/* The second member's stores fail from now on, but for the first `good` ones: a value is stored,
 * then a note, if need be once more. */
static void fail_stores(struct fleet *f, unsigned good, unsigned count)
{
    struct ms_fault faults[2];
    struct ms_error err = {0};
    for (unsigned i = 0; i < count; i++)
        faults[i] = (struct ms_fault){.verb = MS_VERB_STORE,
                                      .kind = MS_FAULT_NTH,
                                      .nth = good + i + 1,
                                      .code = MS_ERR_NO_SPACE};
    check_ok(ms_emulator_set_faults(f->emulator[1], faults, count, &err), err);
}

static int replace(void *arg)
{
    const struct fleet_options o = options_for(5);
    struct fleet f;
    struct ms_error err = {0};
    (void)arg;
    fleet_make(&f, &o);
    check_ok(mirrors_put(&f, KEY, "zero", &err), err);
    fleet_gone(&f, 4, true);
    check_ok(mirrors_put(&f, KEY, "one", &err), err);
    mirrors_pause(60);
    assert_int_equal(fleet_all(&f, "hint"), 4);
    fail_stores(&f, 1, 2);
    check_ok(mirrors_put(&f, KEY, "two", &err), err);
    mirrors_pause(60);
    assert_int_equal(fleet_objects(&f, 1, "hint"), 1); /* the older one */
    assert_int_equal(fleet_all(&f, "hint"), 4);
    fail_stores(&f, 1, 1); /* then it is put before the older one is removed */
    check_ok(mirrors_put(&f, KEY, "three", &err), err);
    mirrors_pause(60);
    assert_int_equal(fleet_objects(&f, 1, "hint"), 1);
    assert_int_equal(fleet_all(&f, "hint"), 4);
    fleet_free(&f);
    return 0;
}

static void a_member_without_the_newer_note_keeps_the_older_one(void **state)
{
    (void)state;
    mirrors_simulated(replace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_looks_while_notes_are_replaced_believes_no_old_value),
        cmocka_unit_test(a_member_without_the_newer_note_keeps_the_older_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
