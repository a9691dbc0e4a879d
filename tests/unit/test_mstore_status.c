/* mstore/status.c, mstore/notes.c: how much others have noted about a member, and what it costs to
 * know. Virtual time. */
#include "mstore/notes.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "support/changing.h"
#include "support/check.h"

#include <mstore/emulator.h>
#include <mstore/multi.h>
#include <stdio.h>

#define FOUNDERS 3

static uint64_t calls(const struct changing_client *c)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < FOUNDERS; i++)
        sum += ms_emulator_calls(c->emulator[i], MS_VERB_COUNT);
    return sum;
}

static struct ms_mstore_status *status_of(struct changing_client *c)
{
    struct ms_mstore_status *s = NULL;
    struct ms_error err = {0};
    check_ok(ms_mstore_status(c->store, &s, &err), err);
    assert_int_equal(s->member_count, FOUNDERS);
    return s;
}

/* The number of calls that counting made. */
static uint64_t expect_notes(struct changing_client *c, const uint64_t notes[FOUNDERS], bool more)
{
    struct ms_mstore_status *s = status_of(c);
    struct ms_error err = {0};
    uint64_t before = calls(c);
    for (unsigned i = 0; i < FOUNDERS; i++) {
        assert_int_equal(s->members[i].behind, notes[i] > 0);
        assert_int_equal(s->members[i].notes, 0);
    }
    for (unsigned twice = 0; twice < 2; twice++) {
        check_ok(ms_mstore_count_notes(s, &err), err);
        for (unsigned i = 0; i < FOUNDERS; i++) {
            assert_int_equal(s->members[i].notes, notes[i]);
            assert_int_equal(s->members[i].more_notes, more && notes[i]);
        }
    }
    ms_mstore_status_free(s);
    return (calls(c) - before) / 2;
}

static int run_counted(void *arg)
{
    struct changing *w = arg;
    changing_begin(w, FOUNDERS, CONFIG3);
    struct changing_client *c = &w->client[0];
    changing_put_all(c, 1);
    assert_int_equal(expect_notes(c, (const uint64_t[]){0, 0, 0}, false), 0);
    changing_gone(c, 2, true);
    changing_put_all(c, 2);
    /* On each of the others: the folder of the member, of the namespace, of each key. */
    assert_int_equal(expect_notes(c, (const uint64_t[]){0, 0, CHANGING_KEYS}, false),
                     2 * (2 + CHANGING_KEYS));
    changing_gone(c, 2, false);
    struct ms_mstore_status *s = status_of(c); /* its breaker closes */
    assert_int_equal(s->members[2].code, 0);
    ms_mstore_status_free(s);
    expect_notes(c, (const uint64_t[]){0, 0, CHANGING_KEYS}, false);
    return changing_end_all(w, 1);
}

static void notes_are_counted(void **state)
{
    (void)state;
    changing_run_seeds(run_counted, 5);
}

/* Notes about member 1 of so many keys, on member 0. */
static void note(struct changing_client *c, unsigned keys)
{
    struct ms_self *self = ms_self_of(c->store);
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_new(0);
    struct ms_error err = {0};
    for (unsigned i = 0; i < keys; i++) {
        char key[32];
        struct ms_name name;
        snprintf(key, sizeof key, "key%u", i);
        const struct ms_own_name own = {.kind = MS_OWN_HINT,
                                        .store = self->uuid,
                                        .space = ms_str("config"),
                                        .key = ms_str(key),
                                        .id = {.counter = 1, .writer = 7},
                                        .member = *ms_member_uuid(self->members[1])};
        check_ok(ms_own_format(&own, 0, &name, &err), err);
        check_ok(ms_member_store(self->members[0], ms_name_view(&name), empty, NULL, NULL, &err),
                 err);
    }
}

/* Counting ends at the limit, and is not a listing after the other: each takes 10 ms or more. */
static int run_bounded(void *arg)
{
    struct changing *w = arg;
    changing_begin(w, FOUNDERS, CONFIG3);
    struct changing_client *c = &w->client[0];
    note(c, MS_MSTORE_NOTES_MOST);
    expect_notes(c, (const uint64_t[]){0, MS_MSTORE_NOTES_MOST, 0}, false);
    note(c, 3 * MS_MSTORE_NOTES_MOST);
    uint64_t begin = ms_clock_now(ms_sim_clock());
    uint64_t made = expect_notes(c, (const uint64_t[]){0, MS_MSTORE_NOTES_MOST, 0}, true);
    assert_in_range(made, MS_MSTORE_NOTES_MOST, MS_MSTORE_NOTES_MOST + 100);
    assert_true(ms_clock_now(ms_sim_clock()) - begin < 2 * made * UINT64_C(10000000) / 4);
    return changing_end_all(w, 1);
}

static void counting_ends_somewhere(void **state)
{
    (void)state;
    changing_run_seeds(run_bounded, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_counted),
        cmocka_unit_test(counting_ends_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
