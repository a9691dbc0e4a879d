/* Marks of absence in the local state of a store: of one boot and one layout, joined as far as no
 * time lies between what two processes saw, checked as they are read. */
#include "mstore/state.h"

#include "support/check.h"
#include "support/local_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct ms_state_marks marks_of(unsigned boot, int64_t began, uint64_t epoch)
{
    return (struct ms_state_marks){.boot = {{{(uint8_t)boot}}, began}, .epoch = epoch};
}

/* The one mark of member i, since and last seen so many seconds after the boot. */
static void put_mark(struct ms_state *s, struct ms_state_marks whose, unsigned i, uint64_t since,
                     uint64_t seen)
{
    whose.count = 1;
    whose.list[0] =
        (struct ms_away_known){.mark = {.member = local_member(i), .id = {.counter = 8}},
                               .since_ns = since * (uint64_t)LOCAL_SEC,
                               .seen_ns = seen * (uint64_t)LOCAL_SEC};
    ms_state_put_marks(s, &whose);
}

/* Since when member i's is known, and last seen; 0: it is not. */
static void expect_mark(const struct ms_state *s, struct ms_state_marks whose, unsigned i,
                        uint64_t since, uint64_t seen)
{
    struct ms_uuid m = local_member(i);
    const struct ms_away_known *k = NULL;
    ms_state_marks(s, &whose);
    for (size_t n = 0; n < whose.count; n++)
        if (ms_uuid_equal(&whose.list[n].mark.member, &m))
            k = &whose.list[n];
    assert_int_equal(k ? k->since_ns / (uint64_t)LOCAL_SEC : 0, since);
    assert_int_equal(k ? k->seen_ns / (uint64_t)LOCAL_SEC : 0, seen);
}

static void marks_are_of_one_boot_and_layout(void **state)
{
    struct ms_state *s = local_open(*state);
    struct ms_state_marks mine = marks_of(1, LOCAL_WALL, 5);
    struct ms_error err = {0};
    put_mark(s, mine, 1, 100, 130);
    local_save(s, LOCAL_WALL);
    struct ms_state *again = local_open(*state);
    expect_mark(again, mine, 1, 100, 130);
    expect_mark(again, marks_of(1, LOCAL_WALL + LOCAL_SEC / 20, 5), 1, 100,
                130); /* clocks were read in turn */
    expect_mark(again, marks_of(1, LOCAL_WALL + LOCAL_SEC / 5, 5), 1, 0,
                0); /* another boot clock */
    expect_mark(again, marks_of(1, LOCAL_WALL - LOCAL_SEC / 5, 5), 1, 0, 0);
    expect_mark(again, marks_of(2, LOCAL_WALL, 5), 1, 0, 0);
    expect_mark(again, marks_of(1, LOCAL_WALL, 6), 1, 0, 0);
    put_mark(s, marks_of(1, LOCAL_WALL, 4), 1, 90, 140); /* under an older layout: not taken */
    expect_mark(s, mine, 1, 100, 130);
    put_mark(again, marks_of(2, LOCAL_WALL, 5), 1, 7, 8);
    local_save(again, LOCAL_WALL);
    check_ok(ms_state_reload(s, &err), err);
    expect_mark(s, mine, 1, 0, 0);
    expect_mark(s, marks_of(2, LOCAL_WALL, 5), 1, 7, 8);
    check_ok(ms_state_forget(s, &err), err);
    expect_mark(s, marks_of(2, LOCAL_WALL, 5), 1, 0, 0);
    ms_state_free(s);
    ms_state_free(again);
}

/* docs/formats.md shows such bytes. */
static void golden_with_marks(void **state)
{
    struct ms_state *s = local_open(*state);
    ms_state_raise_epoch(s, 7);
    put_mark(s, marks_of(1, LOCAL_WALL, 7), 1, 100, 130);
    local_save(s, LOCAL_WALL);
    assert_string_equal(
        local_text(s), "[state]\n"
                       "format = 2\n"
                       "store = 5d8e0102-0304-4506-8708-090a0b0c0d0e\n"
                       "epoch = 7 030b12f225c22700\n"
                       "\n"
                       "[marks]\n"
                       "boot = 01000000-0000-0000-0000-000000000000\n"
                       "began = 1700000000000000000\n"
                       "epoch = 7\n"
                       "\n"
                       "[mark 11111111111141118111000000000001.0000000000000008-0000000000000000]\n"
                       "since = 100000000000\n"
                       "seen = 130000000000\n"
                       "\n"
                       "[end]\n"
                       "members = 0\n"
                       "epoch = 7 030b12f225c22700\n"
                       "marks = 1\n");
    ms_state_free(s);
}

/* Two processes at once: the longer age counts where no time lies between what they saw. */
static void marks_are_joined(void **state)
{
    struct ms_state *a = local_open(*state), *b = local_open(*state);
    struct ms_state_marks mine = marks_of(1, LOCAL_WALL, 5);
    put_mark(a, mine, 1, 1000, 1030);
    put_mark(a, mine, 2, 1000, 1030);
    put_mark(b, mine, 1, 1300, 1310); /* within five minutes */
    put_mark(b, mine, 2, 1331, 1331);
    local_save(a, LOCAL_WALL);
    local_save(b, LOCAL_WALL);
    expect_mark(b, mine, 1, 1000, 1310);
    expect_mark(b, mine, 2, 1331, 1331);
    put_mark(a, mine, 3, 900, 910); /* may be gone by now */
    local_save(a, LOCAL_WALL);
    expect_mark(a, mine, 1, 1000, 1310);
    expect_mark(a, mine, 3, 0, 0);
    char before[4096];
    snprintf(before, sizeof before, "%s", local_text(a));
    assert_int_equal(unlink(ms_state_path(a)), 0);
    put_mark(a, mine, 1, 1000, 1311); /* that it still stands is no news so soon */
    local_save(a, LOCAL_WALL);
    assert_int_equal(access(ms_state_path(a), F_OK), -1);
    for (unsigned i = 10; i < 110; i++)
        put_mark(a, mine, i, 1200 + i, 1200 + i);
    local_save(a, LOCAL_WALL);
    expect_mark(a, mine, 109, 1309, 1309);
    expect_mark(a, mine, 11, 0, 0); /* the oldest make room */
    mine.count = 0;
    ms_state_marks(a, &mine);
    assert_int_equal(mine.count, MS_AWAY_KEPT);
    assert_non_null(strstr(before, "format = 2\n"));
    ms_state_free(a);
    ms_state_free(b);
}

static void marks_are_checked(void **state)
{
    struct ms_state *s = local_open(*state);
    ms_state_raise_epoch(s, 77);
    put_mark(s, marks_of(1, LOCAL_WALL, 5), 1, 100, 130);
    put_mark(s, marks_of(1, LOCAL_WALL, 5), 2, 100, 130);
    local_save(s, LOCAL_WALL);
    char text[4096];
    snprintf(text, sizeof text, "%s", local_text(s));
    static const char *const bad[][2] = {
        {"format = 2", "format = 1"},
        {"[marks]", "[marks x]"},
        {"boot = 01", "boot = 0"},
        {"began = 1", "began = -1"},
        {"epoch = 5", "epoch = x"},
        {"epoch = 5\n", ""},
        {"[mark 1", "[mark x"},
        {"[mark 1", "[mark "},
        {"[mark 1", "[mark 11"},
        {"0001.0", "0002.0"},
        {"since = 1", "since = 9999999999"},
        {"since = 100000000000", "since = 0"},
        {"seen = 130000000000", "seen = 0"},
        {"seen = 130000000000\n", ""},
        {"marks = 2", "marks = 1"},
        {"marks = 2\n", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        local_refuse(bad[i][0], bad[i][1], text, MS_ERR_CONFIG);
    local_refuse("epoch = 5", "epoch = 6", text, 0);
    ms_state_free(s);
}

static int make_folder(void **state)
{
    struct scratch *folder = malloc(sizeof *folder);
    *state = folder;
    return folder && scratch_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(marks_are_of_one_boot_and_layout),
        TEST(golden_with_marks),
        TEST(marks_are_joined),
        TEST(marks_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
