/* Background work of a served store: what it heals and scrubs by itself and when asked, that it
 * stops, tells, survives, and remembers. */
#include "support/check.h"
#include "support/scratch.h"

#include "base/sync.h"
#include "server/background.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KEYS   30
#define SECOND UINT64_C(1000000000)

static struct scratch scratch;
static struct ms_error err;
static const char *const members[] = {"one", "two", "three"};

static const char *in_scratch(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", scratch.path, name);
    return p;
}

/* ---- a store of three folders ---- */

static struct ms_store *open_home(bool create)
{
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    struct ms_store *s = NULL;
    const char *path = in_scratch("home.conf");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", 7);
    for (int i = 0; i < 3; i++)
        fprintf(f, "[member %s]\nurl = file://%s/%s?sync=none\n", members[i], scratch.path,
                members[i]);
    fputs("[namespace data]\nkind = immutable\nredundancy = copies 3\n", f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
    o.ignore_environment = true;
    o.seed = 7;
    o.state_folder = in_scratch("state");
    check_ok(ms_mstore_new(path, &o, &s, &err), err);
    if (create)
        check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    return s;
}

static void put(struct ms_store *s, int i)
{
    char key[64];
    struct ms_buf *value = ms_buf_copy(ms_view("a value that is the same in all", 31));
    snprintf(key, sizeof key, "data/%08d", i);
    check_ok(ms_store_store(s, ms_str(key), value, NULL, NULL, &err), err);
    ms_buf_unref(value);
}

static unsigned files;
static bool removing;

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    if (type != FTW_F || !strstr(path, "/val/"))
        return 0;
    files++;
    if (removing)
        assert_int_equal(unlink(path), 0);
    return 0;
}

static unsigned values_of(const char *member, bool remove)
{
    files = 0;
    removing = remove;
    assert_int_equal(nftw(in_scratch(member), visit, 16, FTW_PHYS), 0);
    return files;
}

static int setup(void **state)
{
    assert_true(scratch_make(&scratch));
    struct ms_store *s = open_home(true);
    for (int i = 0; i < KEYS; i++)
        put(s, i);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    ms_store_free(*state);
    scratch_remove(&scratch);
    return 0;
}

/* ---- looking at it ---- */

static void copy_look(void *ctx, const struct server_look *look)
{
    *(struct server_look *)ctx = *look;
}

static struct server_look look_at(struct server_background *b)
{
    struct server_look look;
    server_background_view(b, copy_look, &look);
    return look;
}

/* Until the run of that number has ended, 20 s at most. */
static struct server_runs wait_runs(struct server_background *b, enum server_work work,
                                    uint64_t ended)
{
    for (int i = 0; i < 4000; i++) {
        struct server_runs r = look_at(b).runs[work];
        if (r.done + r.failed + r.stopped >= ended)
            return r;
        check_ok(ms_sleep(ms_clock_real(), SECOND / 200, &err), err);
    }
    fail_msg("the %s did not end", server_work_name(work));
    return (struct server_runs){0};
}

static struct server_background *begin(struct ms_store *s,
                                       const struct server_background_options *o)
{
    struct server_background *b = NULL;
    struct server_background_options options = *o;
    options.state_folder = in_scratch("state");
    check_ok(server_background_new("home", s, &options, &b, &err), err);
    return b;
}

/* ---- tests ---- */

static void a_wiped_member_is_healed_when_asked(void **state)
{
    struct server_background_options o = {0};
    struct server_background *b = begin(*state, &o);
    assert_int_equal(values_of("two", true), KEYS);
    check_ok(server_background_start(b, SERVER_WORK_SCRUB, "alice", &err), err);
    struct server_runs r = wait_runs(b, SERVER_WORK_SCRUB, 1);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.last_keys, KEYS);
    assert_int_equal(r.last_wanting, KEYS);
    assert_int_equal(values_of("two", false), 0); /* o.heal is off */
    check_ok(server_background_start(b, SERVER_WORK_HEAL, "alice", &err), err);
    r = wait_runs(b, SERVER_WORK_HEAL, 1);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.last_repaired, KEYS);
    assert_int_equal(r.last_left, 0);
    assert_string_equal(r.asked_by, "alice");
    assert_int_equal(values_of("two", false), KEYS);
    server_background_free(b);
}

static void what_a_scrub_finds_is_healed(void **state)
{
    struct server_background_options o = {.heal = true};
    struct server_background *b = begin(*state, &o);
    assert_int_equal(values_of("three", true), KEYS);
    check_ok(server_background_start(b, SERVER_WORK_SCRUB, "alice", &err), err);
    struct server_runs r = wait_runs(b, SERVER_WORK_HEAL, 1);
    assert_string_equal(r.asked_by, "(scrub)");
    assert_int_equal(r.last_repaired, KEYS);
    assert_int_equal(values_of("three", false), KEYS);
    server_background_free(b);
}

/* A folder that is open stays so under its new name: the store is opened anew. */
static void move_members(void **state, const char *from, const char *to)
{
    ms_store_free(*state);
    assert_int_equal(rename(in_scratch(from), in_scratch(to)), 0);
    *state = open_home(false);
}

static bool is_away(struct server_background *b, size_t member)
{
    bool away = false;
    for (int i = 0; i < 4000 && !away; i++) {
        server_background_wake(b);
        check_ok(ms_sleep(ms_clock_real(), SECOND / 200, &err), err);
        struct server_look look = look_at(b);
        away = look.status && look.status->members[member].code != 0;
    }
    return away;
}

static void a_member_that_returns_gets_what_was_noted(void **state)
{
    struct server_background_options o = {.heal = true, .look_every_ns = SECOND / 50};
    move_members(state, members[0], "away");
    for (int i = KEYS; i < KEYS + 5; i++)
        put(*state, i);
    struct server_background *b = begin(*state, &o);
    assert_true(is_away(b, 0));
    assert_int_equal(look_at(b).runs[SERVER_WORK_HEAL].begun, 0);
    assert_int_equal(rename(in_scratch("away"), in_scratch("one")), 0);
    struct server_runs r = wait_runs(b, SERVER_WORK_HEAL, 1);
    assert_string_equal(r.asked_by, "(hints)");
    assert_int_equal(r.code, 0);
    assert_int_equal(r.last_repaired, 5);
    assert_int_equal(r.last_keys, 0); /* it did not go over all */
    assert_int_equal(values_of("one", false), KEYS + 5);
    server_background_free(b);
}

static void a_scrub_comes_by_the_clock_and_is_remembered(void **state)
{
    struct server_background_options o = {.scrub_every_ns = SECOND / 5,
                                          .look_every_ns = SECOND / 50};
    struct server_background *b = begin(*state, &o);
    struct server_runs r = wait_runs(b, SERVER_WORK_SCRUB, 1);
    assert_string_equal(r.asked_by, "(schedule)");
    assert_int_equal(r.code, 0);
    assert_int_equal(r.last_keys, KEYS);
    server_background_free(b);

    o.scrub_every_ns = 3600 * SECOND;
    b = begin(*state, &o);
    int64_t next = 0;
    for (int i = 0; i < 4000 && !next; i++) {
        check_ok(ms_sleep(ms_clock_real(), SECOND / 200, &err), err);
        next = look_at(b).next_scrub_wall_ns;
    }
    int64_t due = r.ended_wall_ns + (int64_t)o.scrub_every_ns;
    assert_true(next >= due - (int64_t)SECOND && next <= due + 20 * (int64_t)SECOND);
    assert_int_equal(look_at(b).runs[SERVER_WORK_SCRUB].begun, 0);
    server_background_free(b);
}

/* The file twice, or read again: two of one process over the same store. */
static void one_of_two_looks_after_it(void **state)
{
    struct server_background_options o = {
        .heal = true, .scrub_every_ns = SECOND / 5, .look_every_ns = SECOND / 50};
    struct ms_store *again = open_home(false);
    struct server_background *first = begin(*state, &o);
    wait_runs(first, SERVER_WORK_SCRUB, 1);
    struct server_background *second = begin(again, &o);
    wait_runs(first, SERVER_WORK_SCRUB, 4);
    assert_true(look_at(second).asked);
    assert_int_equal(look_at(second).runs[SERVER_WORK_SCRUB].begun, 0);
    assert_int_equal(look_at(second).runs[SERVER_WORK_HEAL].begun, 0);

    /* what somebody asks of it, it does, and heals what that found */
    o.scrub_every_ns = 0;
    server_background_set(first, &o);
    server_background_set(second, &o);
    assert_int_equal(values_of("two", true), KEYS);
    check_ok(server_background_start(second, SERVER_WORK_SCRUB, "alice", &err), err);
    assert_string_equal(wait_runs(second, SERVER_WORK_HEAL, 1).asked_by, "(scrub)");

    /* and when the first has ended, all */
    server_background_free(first);
    o.scrub_every_ns = SECOND / 5;
    server_background_set(second, &o);
    assert_string_equal(wait_runs(second, SERVER_WORK_SCRUB, 2).asked_by, "(schedule)");
    server_background_free(second);
    ms_store_free(again);
}

static void a_run_stops_and_one_at_a_time(void **state)
{
    struct server_background_options o = {.bytes_per_second = 100};
    struct server_background *b = begin(*state, &o);
    assert_int_equal(values_of("two", true), KEYS);
    assert_int_equal(server_background_stop(b, &err), MS_ERR_NOT_FOUND);
    check_ok(server_background_start(b, SERVER_WORK_HEAL, "alice", &err), err);
    assert_int_equal(server_background_start(b, SERVER_WORK_SCRUB, "bob", &err), MS_ERR_BUSY);
    assert_string_equal(err.text,
                        "a heal of home is under way, one at a time: wait for it or stop it");
    while (!look_at(b).running)
        check_ok(ms_sleep(ms_clock_real(), SECOND / 200, &err), err);
    check_ok(server_background_stop(b, &err), err);
    struct server_runs r = wait_runs(b, SERVER_WORK_HEAL, 1);
    assert_int_equal(r.stopped, 1);
    assert_int_equal(r.failed, 0);
    assert_true(values_of("two", false) < KEYS);

    o.bytes_per_second = 0;
    server_background_set(b, &o);
    check_ok(server_background_start(b, SERVER_WORK_HEAL, "alice", &err), err);
    wait_runs(b, SERVER_WORK_HEAL, 2);
    assert_int_equal(values_of("two", false), KEYS);
    server_background_free(b);
}

/* The end of the server does not wait for a run that would take minutes. */
static void freeing_ends_a_run(void **state)
{
    struct server_background_options o = {.bytes_per_second = 50};
    struct server_background *b = begin(*state, &o);
    values_of("two", true);
    check_ok(server_background_start(b, SERVER_WORK_HEAL, "alice", &err), err);
    while (!look_at(b).running)
        check_ok(ms_sleep(ms_clock_real(), SECOND / 200, &err), err);
    uint64_t begun = ms_clock_now(ms_clock_real());
    server_background_free(b);
    assert_true(ms_clock_now(ms_clock_real()) - begun < 5 * SECOND);
}

/* A run that cannot look at everything says so, and the next one is as good as any. */
static void a_member_away_is_told_and_survived(void **state)
{
    struct server_background_options o = {.look_every_ns = SECOND / 50};
    move_members(state, "three", "away");
    struct server_background *b = begin(*state, &o);
    assert_true(is_away(b, 2));
    check_ok(server_background_start(b, SERVER_WORK_SCRUB, "alice", &err), err);
    struct server_runs r = wait_runs(b, SERVER_WORK_SCRUB, 1);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.sentence, "1 of 3 members did not answer all the time");
    assert_int_equal(rename(in_scratch("away"), in_scratch("three")), 0);
    check_ok(server_background_start(b, SERVER_WORK_SCRUB, "alice", &err), err);
    r = wait_runs(b, SERVER_WORK_SCRUB, 2);
    assert_string_equal(r.sentence, "");
    assert_int_equal(r.last_keys, KEYS);
    server_background_free(b);
}

static void one_storage_has_no_upkeep(void **state)
{
    struct ms_store *s = NULL;
    struct server_background *b = NULL;
    (void)state;
    check_ok(ms_store_new("memory:", NULL, &s, &err), err);
    check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    check_ok(server_background_new("plain", s, NULL, &b, &err), err);
    assert_int_equal(server_background_start(b, SERVER_WORK_HEAL, "alice", &err),
                     MS_ERR_UNSUPPORTED);
    assert_string_equal(err.text,
                        "plain is a store over one storage, which has nothing to scrub or heal");
    while (!look_at(b).asked)
        check_ok(ms_sleep(ms_clock_real(), SECOND / 200, &err), err);
    assert_int_equal(look_at(b).code, 0);
    assert_false(look_at(b).upkeep);
    server_background_free(b);
    ms_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wiped_member_is_healed_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_scrub_finds_is_healed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_member_that_returns_gets_what_was_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scrub_comes_by_the_clock_and_is_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_of_two_looks_after_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_run_stops_and_one_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(freeing_ends_a_run, setup, teardown),
        cmocka_unit_test_setup_teardown(a_member_away_is_told_and_survived, setup, teardown),
        cmocka_unit_test(one_storage_has_no_upkeep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
