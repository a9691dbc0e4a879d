/* The local state of a store: what is put comes back in another process, two processes at once lose
 * nothing, damaged files cost a warning but never the epoch, and folders of other people are
 * refused. */
#include "mstore/state.h"
#include "mstore/state_text.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"
#include "support/check.h"
#include "support/files.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

#define SEC  INT64_C(1000000000)
#define WALL (INT64_C(1700000000) * SEC)

static const struct ms_uuid store = {
    {0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}};

static struct ms_uuid member(unsigned i)
{
    struct ms_uuid u = {{0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11, 0x81, 0x11}};
    u.bytes[14] = (uint8_t)(i >> 8);
    u.bytes[15] = (uint8_t)i;
    return u;
}

static struct ms_health_saved open_since(int64_t wall)
{
    return (struct ms_health_saved){.state = MS_HEALTH_OPEN,
                                    .changed_wall_ns = wall,
                                    .since_wall_ns = wall - 3 * SEC,
                                    .next_wall_ns = wall + 20 * SEC,
                                    .failures = 4,
                                    .last_code = MS_ERR_TIMEOUT,
                                    .last_wall_ns = wall - 1};
}

static struct ms_state *state_in(const struct scratch *folder)
{
    struct ms_state *s = NULL;
    struct ms_error err = {0};
    check_ok(ms_state_open(&store, folder->path, &s, &err), err);
    return s;
}

static void save(struct ms_state *s, int64_t wall)
{
    struct ms_error err = {0};
    check_ok(ms_state_save(s, wall, &err), err);
}

static void put(struct ms_state *s, unsigned i, int64_t wall)
{
    struct ms_uuid m = member(i);
    struct ms_health_saved saved = open_since(wall);
    ms_state_put(s, &m, &saved);
}

/* When the member's record changed, in seconds after WALL; -1: there is none. */
static int64_t changed_of(const struct ms_state *s, unsigned i)
{
    struct ms_uuid m = member(i);
    struct ms_health_saved saved;
    return ms_state_get(s, &m, &saved) ? (saved.changed_wall_ns - WALL) / SEC : -1;
}

static char *read_text(const struct ms_state *s)
{
    static char text[1 << 18];
    FILE *file = fopen(ms_state_path(s), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_true(strlen(text) < sizeof text - 1);
    fclose(file);
    return text;
}

/* ---- warnings ---- */

static struct {
    struct ms_mutex mutex;
    unsigned warnings;
    char last[512];
} heard = {.mutex = MS_MUTEX_STATIC};

static void listen(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx;
    if (level > MS_LOG_WARN)
        return;
    MS_HOLD(&heard.mutex);
    heard.warnings++;
    snprintf(heard.last, sizeof heard.last, "%s", line);
}

static unsigned warnings(void)
{
    MS_HOLD(&heard.mutex);
    unsigned count = heard.warnings;
    heard.warnings = 0;
    return count;
}

static int make_folder(void **state)
{
    struct scratch *folder = malloc(sizeof *folder);
    *state = folder;
    ms_log_to(listen, NULL, MS_LOG_WARN);
    warnings();
    return folder && scratch_make(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    scratch_remove(*state);
    free(*state);
    ms_log_to(NULL, NULL, MS_LOG_WARN);
    return 0;
}

/* ---- keeping ---- */

static void comes_back(void **state)
{
    struct ms_state *s = state_in(*state);
    struct ms_uuid a = member(1), b = member(2);
    struct ms_health_saved open = open_since(WALL), got;
    struct ms_health_saved closed = {.changed_wall_ns = WALL + 5};
    assert_false(ms_state_get(s, &a, &got));
    assert_int_equal(ms_state_epoch(s), 0);
    save(s, WALL); /* nothing to save: no file */
    assert_int_equal(access(ms_state_path(s), F_OK), -1);

    ms_state_put(s, &a, &open);
    ms_state_put(s, &b, &closed);
    assert_true(ms_state_raise_epoch(s, 7));
    assert_false(ms_state_raise_epoch(s, 7));
    assert_false(ms_state_raise_epoch(s, 6));
    save(s, WALL);
    struct stat st;
    assert_int_equal(stat(ms_state_path(s), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    struct ms_state *again = state_in(*state);
    assert_true(ms_state_get(again, &a, &got));
    assert_true(ms_health_saved_equal(&got, &open));
    assert_true(ms_state_get(again, &b, &got));
    assert_true(ms_health_saved_equal(&got, &closed));
    assert_int_equal(ms_state_epoch(again), 7);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
    ms_state_free(again);
    ms_state_free(NULL);
}

static void an_end_is_forgotten(void **state)
{
    struct ms_error err = {0};
    struct ms_state *s = state_in(*state), *other;
    put(s, 1, WALL);
    assert_true(ms_state_raise_epoch(s, MS_STATE_ENDED));
    save(s, WALL);
    other = state_in(*state); /* another process reads that */
    assert_true(ms_state_epoch(other) == MS_STATE_ENDED);
    check_ok(ms_state_forget(s, &err), err);
    check_ok(ms_state_forget(s, &err), err);
    assert_int_equal(access(ms_state_path(s), F_OK), -1);
    assert_int_equal(ms_state_epoch(s), 0);
    assert_int_equal(changed_of(s, 1), -1);
    put(other, 2, WALL + SEC); /* and does not bring it back */
    save(other, WALL + SEC);
    ms_state_free(s);
    s = state_in(*state);
    assert_int_equal(ms_state_epoch(s), 0);
    assert_int_equal(changed_of(s, 2), 1);
    ms_state_free(s);
    ms_state_free(other);
}

/* docs/formats.md shows these bytes; the check was computed by another program. */
static void golden(void **state)
{
    struct ms_state *s = state_in(*state);
    ms_state_raise_epoch(s, 7);
    put(s, 1, WALL);
    save(s, WALL);
    assert_string_equal(read_text(s), "[state]\n"
                                      "format = 1\n"
                                      "store = 5d8e0102-0304-4506-8708-090a0b0c0d0e\n"
                                      "epoch = 7 030b12f225c22700\n"
                                      "\n"
                                      "[member 11111111-1111-4111-8111-000000000001]\n"
                                      "state = open\n"
                                      "changed = 1700000000000000000\n"
                                      "since = 1699999997000000000\n"
                                      "next = 1700000020000000000\n"
                                      "failures = 4\n"
                                      "error = TIMEOUT\n"
                                      "error-at = 1699999999999999999\n"
                                      "\n"
                                      "[end]\n"
                                      "members = 1\n"
                                      "epoch = 7 030b12f225c22700\n");
    ms_state_free(s);
}

static void saves_only_changes(void **state)
{
    struct ms_state *s = state_in(*state);
    put(s, 1, WALL);
    save(s, WALL);
    assert_int_equal(unlink(ms_state_path(s)), 0);
    put(s, 1, WALL);                                                       /* the same */
    ms_state_put(s, &(struct ms_uuid){{9}}, &(struct ms_health_saved){0}); /* never changed */
    save(s, WALL);
    assert_int_equal(access(ms_state_path(s), F_OK), -1);
    put(s, 1, WALL + SEC);
    save(s, WALL);
    assert_int_equal(access(ms_state_path(s), F_OK), 0);
    ms_state_free(s);
}

/* Whatever a caller hands in, the file can be read again. */
static void bounded(void **state)
{
    struct ms_state *s = state_in(*state);
    struct ms_uuid m = member(1);
    struct ms_health_saved odd = {.state = MS_HEALTH_HALF_OPEN,
                                  .changed_wall_ns = 1,
                                  .since_wall_ns = -5,
                                  .next_wall_ns = INT64_MAX,
                                  .failures = UINT32_MAX,
                                  .last_code = -1000,
                                  .last_wall_ns = INT64_MIN};
    ms_state_put(s, &m, &odd);
    ms_state_raise_epoch(s, UINT64_MAX);
    save(s, WALL);
    struct ms_state *again = state_in(*state);
    struct ms_health_saved got;
    assert_true(ms_state_get(again, &m, &got));
    assert_int_equal(got.state, MS_HEALTH_HALF_OPEN);
    assert_int_equal(got.since_wall_ns, 0);
    assert_int_equal(got.next_wall_ns, INT64_MAX);
    assert_int_equal(got.failures, MS_STATE_FAILURES_MAX);
    assert_int_equal(got.last_code, MS_ERR_INTERNAL);
    assert_true(ms_state_epoch(again) == UINT64_MAX);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
    ms_state_free(again);
}

static void oldest_make_room(void **state)
{
    struct ms_state *s = state_in(*state);
    for (unsigned i = 0; i <= MS_STATE_MEMBERS; i++)
        put(s, i, WALL + (i == 300 ? 1 : 2 + (int64_t)i) * SEC);
    save(s, WALL + 1000 * SEC);
    struct ms_state *again = state_in(*state);
    assert_int_equal(changed_of(again, 300), -1);
    assert_int_equal(changed_of(again, 0), 2);
    assert_int_equal(changed_of(again, MS_STATE_MEMBERS), MS_STATE_MEMBERS + 2);
    put(again, 1000, WALL + 2000 * SEC); /* the file is full too */
    save(again, WALL + 2000 * SEC);
    assert_int_equal(changed_of(again, 0), -1);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
    ms_state_free(again);
}

/* ---- several processes ---- */

static void merges(void **state)
{
    struct ms_state *a = state_in(*state), *b = state_in(*state);
    put(a, 1, WALL + 10 * SEC);
    put(a, 2, WALL + 10 * SEC);
    ms_state_raise_epoch(a, 5);
    put(b, 2, WALL + 20 * SEC);
    put(b, 3, WALL + 20 * SEC);
    ms_state_raise_epoch(b, 9);
    save(b, WALL + 100 * SEC);
    save(a, WALL + 100 * SEC); /* older news of 2, and a lower epoch */
    struct ms_state *c = state_in(*state);
    struct ms_state *all[] = {a, c};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(changed_of(all[i], 1), 10);
        assert_int_equal(changed_of(all[i], 2), 20);
        assert_int_equal(changed_of(all[i], 3), 20);
        assert_int_equal(ms_state_epoch(all[i]), 9);
    }
    assert_int_equal(changed_of(b, 1), -1);
    struct ms_error err = {0};
    check_ok(ms_state_reload(b, &err), err);
    assert_int_equal(changed_of(b, 1), 10);
    put(b, 1, WALL + 30 * SEC);
    check_ok(ms_state_reload(b, &err), err); /* does not undo what is not saved yet */
    assert_int_equal(changed_of(b, 1), 30);
    ms_state_free(a);
    ms_state_free(b);
    ms_state_free(c);
}

/* A process whose clock was a day ahead does not have the last word. */
static void clocks_ahead(void **state)
{
    struct ms_state *wrong = state_in(*state), *right = state_in(*state);
    put(wrong, 1, WALL + 86400 * SEC);
    save(wrong, WALL + 86400 * SEC);
    struct ms_state *witness = state_in(*state); /* has read it, and saves something else later */
    put(right, 1, WALL + 10 * SEC);
    save(right, WALL + 10 * SEC);
    assert_int_equal(changed_of(right, 1), 10);
    put(witness, 2, WALL + 11 * SEC);
    save(witness, WALL + 11 * SEC);
    assert_int_equal(changed_of(witness, 1), 10);
    struct ms_state *next = state_in(*state);
    assert_int_equal(changed_of(next, 1), 10);
    ms_state_free(witness);
    ms_state_free(wrong);
    ms_state_free(right);
    ms_state_free(next);
}

/* Members first, first + 2, …, saved one by one; epochs likewise. The exit code tells. */
static int child(const struct scratch *folder, unsigned first)
{
    struct ms_state *s = NULL;
    if (ms_state_open(&store, folder->path, &s, NULL) != 0)
        return 1;
    for (unsigned i = first; i < 60; i += 2) {
        put(s, i, WALL + (int64_t)i * SEC);
        ms_state_raise_epoch(s, 100 + i);
        if (ms_state_save(s, WALL + 1000 * SEC, NULL) != 0)
            return 2;
    }
    ms_state_free(s);
    return 0;
}

static void two_processes(void **state)
{
    pid_t pids[2];
    for (unsigned i = 0; i < 2; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(child(*state, i));
    }
    for (unsigned i = 0; i < 2; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    struct ms_state *s = state_in(*state);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(changed_of(s, i), i);
    assert_int_equal(ms_state_epoch(s), 159);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
}

static void lock_is_held(void **state)
{
    const struct scratch *folder = *state;
    struct ms_state *s = state_in(folder);
    put(s, 1, WALL);
    int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    struct ms_error err = {0};
    check_code(ms_state_save(s, WALL, &err), MS_ERR_BUSY, err);
    check_text(err, "another process holds the lock of the state folder /");
    close(fd);
    save(s, WALL); /* it stayed to be saved */
    struct ms_state *again = state_in(folder);
    assert_int_equal(changed_of(again, 1), 0);
    ms_state_free(s);
    ms_state_free(again);
}

/* ---- threads ---- */

struct races {
    struct ms_state *s;
    unsigned task;
};

static int race(void *arg)
{
    const struct races *r = arg;
    for (unsigned i = 0; i < 20; i++) {
        put(r->s, r->task, WALL + (int64_t)i * SEC);
        ms_state_raise_epoch(r->s, 4 * (uint64_t)i + r->task);
        changed_of(r->s, (r->task + 1) % 4);
        if (ms_state_save(r->s, WALL + 100 * SEC, NULL) != 0 ||
            changed_of(r->s, r->task) != (int64_t)i) /* another's save may not undo it */
            return MS_ERR_IO;
    }
    ms_state_raise_epoch(r->s, 80 + (uint64_t)r->task); /* nothing else to save */
    return ms_state_save(r->s, WALL + 100 * SEC, NULL);
}

static void threads(void **state)
{
    struct ms_state *s = state_in(*state);
    struct ms_group *g = NULL;
    struct ms_error err = {0};
    check_ok(ms_group_new(&g, &err), err);
    struct races tasks[4];
    for (unsigned i = 0; i < 4; i++) {
        tasks[i] = (struct races){s, i};
        check_ok(ms_group_fork(g, race, NULL, &tasks[i], &err), err);
    }
    struct ms_join join;
    ms_group_join_all(g, &join);
    ms_group_release(g);
    assert_int_equal(join.succeeded, 4);
    struct ms_state *again = state_in(*state);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(changed_of(again, i), 19);
    assert_int_equal(ms_state_epoch(again), 83);
    ms_state_free(s);
    ms_state_free(again);
}

static int threads_in_simulation(void *arg)
{
    threads(&arg);
    scratch_empty(((struct scratch *)arg)->path);
    return 0;
}

static void any_order(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ms_sim_options options = {.seed = seed};
        struct ms_sim_result result;
        struct ms_error err = {0};
        check_ok(ms_sim_run(&options, threads_in_simulation, *state, &result, &err), err);
    }
}

/* ---- damage ---- */

static const char *const damages[] = {
    "", /* not even a beginning */
    "garbage",
    "[state]\nformat = 0\n",
    "[state]\nformat = 1\n",
    "[end]\nmembers = 0\n",
    "[member 11111111-1111-4111-8111-000000000001]\n",
};

/* One warning, nothing of the members, and it is replaced. */
static void damaged_files(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct ms_state *s = state_in(*state);
        write_file(ms_state_path(s), damages[i], 0600);
        ms_state_free(s);
        warnings();
        s = state_in(*state);
        assert_int_equal(warnings(), 1);
        assert_non_null(
            strstr(heard.last, "a damaged state file is ignored and will be replaced: "));
        assert_int_equal(changed_of(s, 1), -1);
        assert_int_equal(ms_state_epoch(s), 0);
        put(s, 1, WALL);
        save(s, WALL);
        assert_int_equal(warnings(), 0); /* once for this handle */
        struct ms_state *again = state_in(*state);
        assert_int_equal(changed_of(again, 1), 0);
        assert_int_equal(warnings(), 0);
        ms_state_free(s);
        ms_state_free(again);
    }
}

/* Every byte changed, every length cut: the epoch is never lost, members are or are not. */
static void epoch_survives(void **state)
{
    struct ms_state *s = state_in(*state);
    ms_state_raise_epoch(s, 77);
    put(s, 1, WALL);
    put(s, 2, WALL);
    save(s, WALL);
    MS_AUTO_FREE char *text = strdup(read_text(s));
    size_t size = strlen(text), damaged = 0;
    struct ms_state_content *c = malloc(sizeof *c);
    assert_true(text && c);
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            int code = ms_state_parse(ms_view(text, size), "FILE", &store, c, NULL);
            assert_true(code == 0 || code == MS_ERR_CONFIG || code == MS_ERR_UNSUPPORTED);
            assert_int_equal(c->count, code ? 0 : 2);
            assert_int_equal(c->epoch, 77);
            damaged += code != 0;
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    assert_true(damaged > size * 6); /* but digits of times, mostly */
    size_t first = (size_t)(strstr(text, "epoch = ") - text) + 27;
    for (size_t i = 0; i < size; i++) {
        int code = ms_state_parse(ms_view(text, i), "FILE", &store, c, NULL);
        assert_int_equal(code, i + 1 < size ? MS_ERR_CONFIG : 0);
        assert_int_equal(c->epoch, i >= first ? 77 : 0);
    }
    free(c);
    ms_state_free(s);
}

static void refuse_text(const char *from, const char *to, const char *text, int wanted)
{
    char changed[4096];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    struct ms_state_content *c = malloc(sizeof *c);
    struct ms_error err = {0};
    assert_non_null(c);
    int code = ms_state_parse(ms_str(changed), "FILE", &store, c, &err);
    if (code != wanted)
        fail_msg("%s for %s: %s", to, from, ms_code_name(code));
    if (code)
        assert_int_equal(strncmp(err.text, "FILE", 4), 0);
    assert_int_equal(c->epoch, 77);
    free(c);
}

static void bounds_are_checked(void **state)
{
    struct ms_state *s = state_in(*state);
    ms_state_raise_epoch(s, 77);
    put(s, 1, WALL);
    put(s, 2, WALL);
    save(s, WALL);
    char text[4096];
    snprintf(text, sizeof text, "%s", read_text(s));
    static const char *const bad[][2] = {
        {"state = open", "state = ajar"},
        {"state = open", "state = "},
        {"changed = 17", "changed = 0\nx = 17"},
        {"changed = 1700000000000000000", "changed = 0"},
        {"changed = 1700000000000000000", "changed = -1"},
        {"since = 1", "since = 9999999999"},
        {"next = 1", "next = x"},
        {"failures = 4", "failures = 1000001"},
        {"failures = 4", "failures = 4\nfailures = 4"},
        {"failures = 4\n", ""},
        {"error = TIMEOUT", "error = SOMETHING"},
        {"members = 2", "members = 1"},
        {"members = 2", "members = 513"},
        {"members = 2\n", ""},
        {"000000000002]", "000000000001]"},
        {"000000000002]", "00000000000Z]"},
        {"store = 5d", "store = 5e"},
        {"format = 1\n", ""},
        {"[end]", "[end x]"},
        {"[end]", "[state]"},
        {"[end]", "[end]\n[end]"},
        {"epoch = 77 ", "epoch = 78 "},
        {"epoch = 77 ", "epoch = 077 "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse_text(bad[i][0], bad[i][1], text, MS_ERR_CONFIG);
    refuse_text("format = 1", "format = 2", text, MS_ERR_CONFIG); /* that has marks */
    refuse_text("format = 1", "format = 3", text, MS_ERR_UNSUPPORTED);
    refuse_text("failures = 4", "failures = 1000000", text, 0);
    ms_state_free(s);
}

/* Its epoch counts, nothing else does, and it stays as it is. */
static void newer_programs(void **state)
{
    struct ms_state *s = state_in(*state);
    ms_state_raise_epoch(s, 77);
    put(s, 1, WALL);
    save(s, WALL);
    char text[4096];
    snprintf(text, sizeof text, "%s", read_text(s));
    *strstr(text, "1\n") = '3';
    write_file(ms_state_path(s), text, 0600);
    struct ms_state *old = state_in(*state);
    assert_int_equal(warnings(), 1);
    assert_non_null(strstr(heard.last, " was written by a newer mstore"));
    assert_int_equal(changed_of(old, 1), -1);
    assert_int_equal(ms_state_epoch(old), 77);
    put(old, 2, WALL);
    save(old, WALL);
    assert_string_equal(read_text(s), text);
    assert_int_equal(changed_of(old, 2), 0);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
    ms_state_free(old);
}

/* ---- marks of absence ---- */

static struct ms_state_marks marks_of(unsigned boot, int64_t began, uint64_t epoch)
{
    return (struct ms_state_marks){.boot = {{{(uint8_t)boot}}, began}, .epoch = epoch};
}

/* The one mark of member i, since and last seen so many seconds after the boot. */
static void put_mark(struct ms_state *s, struct ms_state_marks whose, unsigned i, uint64_t since,
                     uint64_t seen)
{
    whose.count = 1;
    whose.list[0] = (struct ms_away_known){.mark = {.member = member(i), .id = {.counter = 8}},
                                           .since_ns = since * (uint64_t)SEC,
                                           .seen_ns = seen * (uint64_t)SEC};
    ms_state_put_marks(s, &whose);
}

/* Since when member i's is known, and last seen; 0: it is not. */
static void expect_mark(const struct ms_state *s, struct ms_state_marks whose, unsigned i,
                        uint64_t since, uint64_t seen)
{
    struct ms_uuid m = member(i);
    const struct ms_away_known *k = NULL;
    ms_state_marks(s, &whose);
    for (size_t n = 0; n < whose.count; n++)
        if (ms_uuid_equal(&whose.list[n].mark.member, &m))
            k = &whose.list[n];
    assert_int_equal(k ? k->since_ns / (uint64_t)SEC : 0, since);
    assert_int_equal(k ? k->seen_ns / (uint64_t)SEC : 0, seen);
}

static void marks_are_of_one_boot_and_layout(void **state)
{
    struct ms_state *s = state_in(*state);
    struct ms_state_marks mine = marks_of(1, WALL, 5);
    struct ms_error err = {0};
    put_mark(s, mine, 1, 100, 130);
    save(s, WALL);
    struct ms_state *again = state_in(*state);
    expect_mark(again, mine, 1, 100, 130);
    expect_mark(again, marks_of(1, WALL + SEC / 20, 5), 1, 100, 130); /* clocks were read in turn */
    expect_mark(again, marks_of(1, WALL + SEC / 5, 5), 1, 0, 0);      /* another boot clock */
    expect_mark(again, marks_of(1, WALL - SEC / 5, 5), 1, 0, 0);
    expect_mark(again, marks_of(2, WALL, 5), 1, 0, 0);
    expect_mark(again, marks_of(1, WALL, 6), 1, 0, 0);
    put_mark(s, marks_of(1, WALL, 4), 1, 90, 140); /* under an older layout: not taken */
    expect_mark(s, mine, 1, 100, 130);
    put_mark(again, marks_of(2, WALL, 5), 1, 7, 8);
    save(again, WALL);
    check_ok(ms_state_reload(s, &err), err);
    expect_mark(s, mine, 1, 0, 0);
    expect_mark(s, marks_of(2, WALL, 5), 1, 7, 8);
    check_ok(ms_state_forget(s, &err), err);
    expect_mark(s, marks_of(2, WALL, 5), 1, 0, 0);
    ms_state_free(s);
    ms_state_free(again);
}

/* docs/formats.md shows such bytes. */
static void golden_with_marks(void **state)
{
    struct ms_state *s = state_in(*state);
    ms_state_raise_epoch(s, 7);
    put_mark(s, marks_of(1, WALL, 7), 1, 100, 130);
    save(s, WALL);
    assert_string_equal(
        read_text(s), "[state]\n"
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
    struct ms_state *a = state_in(*state), *b = state_in(*state);
    struct ms_state_marks mine = marks_of(1, WALL, 5);
    put_mark(a, mine, 1, 1000, 1030);
    put_mark(a, mine, 2, 1000, 1030);
    put_mark(b, mine, 1, 1300, 1310); /* within five minutes */
    put_mark(b, mine, 2, 1331, 1331);
    save(a, WALL);
    save(b, WALL);
    expect_mark(b, mine, 1, 1000, 1310);
    expect_mark(b, mine, 2, 1331, 1331);
    put_mark(a, mine, 3, 900, 910); /* may be gone by now */
    save(a, WALL);
    expect_mark(a, mine, 1, 1000, 1310);
    expect_mark(a, mine, 3, 0, 0);
    char before[4096];
    snprintf(before, sizeof before, "%s", read_text(a));
    assert_int_equal(unlink(ms_state_path(a)), 0);
    put_mark(a, mine, 1, 1000, 1311); /* that it still stands is no news so soon */
    save(a, WALL);
    assert_int_equal(access(ms_state_path(a), F_OK), -1);
    for (unsigned i = 10; i < 110; i++)
        put_mark(a, mine, i, 1200 + i, 1200 + i);
    save(a, WALL);
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
    struct ms_state *s = state_in(*state);
    ms_state_raise_epoch(s, 77);
    put_mark(s, marks_of(1, WALL, 5), 1, 100, 130);
    put_mark(s, marks_of(1, WALL, 5), 2, 100, 130);
    save(s, WALL);
    char text[4096];
    snprintf(text, sizeof text, "%s", read_text(s));
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
        refuse_text(bad[i][0], bad[i][1], text, MS_ERR_CONFIG);
    refuse_text("epoch = 5", "epoch = 6", text, 0);
    ms_state_free(s);
}

/* ---- folders ---- */

static void other_folders(void **state)
{
    const struct scratch *folder = *state;
    struct ms_state *s = NULL;
    struct ms_error err = {0};
    check_code(ms_state_open(&store, "here", &s, &err), MS_ERR_INVALID, err);
    check_text(err, "the state folder \"here\" must be an absolute path");
    assert_int_equal(chmod(folder->path, 0770), 0);
    check_code(ms_state_open(&store, folder->path, &s, &err), MS_ERR_ACCESS, err);
    check_text(err, "others may write to the state folder /");
    assert_int_equal(chmod(folder->path, 0700), 0);
    char path[5000];
    snprintf(path, sizeof path, "%s/file", folder->path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_true(ms_state_open(&store, path, &s, &err) != 0);
    check_text(err, "open the state folder /");
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    check_code(ms_state_open(&store, path, &s, &err), MS_ERR_NAME, err);
    assert_null(s);
}

/* Which folder, from the environment. */
static void check_usual(const char *own, const char *xdg, const char *home, const char *wanted)
{
    static const char *const names[] = {"MSTORE_STATE_DIR", "XDG_STATE_HOME", "HOME"};
    const char *values[] = {own, xdg, home};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]), 0);
    struct ms_state *s = NULL;
    struct ms_error err = {0};
    check_ok(ms_state_open(&store, NULL, &s, &err), err);
    const char *path = ms_state_path(s);
    if (wanted) {
        assert_non_null(path);
        assert_int_equal(strncmp(path, wanted, strlen(wanted)), 0);
        assert_string_equal(path + strlen(wanted), "/5d8e0102-0304-4506-8708-090a0b0c0d0e.state");
        struct stat st;
        assert_int_equal(stat(wanted, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
    } else {
        assert_null(path);
    }
    put(s, 1, WALL); /* works either way */
    save(s, WALL);
    check_ok(ms_state_reload(s, &err), err);
    assert_int_equal(changed_of(s, 1), 0);
    ms_state_free(s);
}

static void usual_folders(void **state)
{
    const struct scratch *folder = *state;
    char home[100], xdg[100], own[100], wanted[160];
    snprintf(home, sizeof home, "%s/home", folder->path);
    snprintf(xdg, sizeof xdg, "%s/xdg", folder->path);
    snprintf(own, sizeof own, "%s/a/b", folder->path);
    snprintf(wanted, sizeof wanted, "%s/.local/state/mstore", home);
    check_usual(NULL, NULL, home, wanted);
    check_usual(NULL, "relative", home, wanted);
    snprintf(wanted, sizeof wanted, "%s/mstore", xdg);
    check_usual(NULL, xdg, home, wanted);
    check_usual(own, xdg, home, own);
    assert_int_equal(warnings(), 0);
    check_usual("", xdg, home, NULL); /* wished so */
    assert_int_equal(warnings(), 0);
    check_usual(NULL, NULL, NULL, NULL);
    assert_int_equal(warnings(), 1);
    assert_non_null(strstr(heard.last, "there is none: set MSTORE_STATE_DIR or HOME"));
    check_usual("relative", NULL, NULL, NULL); /* once per process */
    assert_int_equal(warnings(), 0);
}

static void nowhere_to_write(void **state)
{
    const struct scratch *folder = *state;
    struct ms_state *s = state_in(folder);
    char path[200];
    snprintf(path, sizeof path, "%s.tmp", ms_state_path(s));
    assert_int_equal(mkdir(path, 0700), 0); /* where the new file is to be */
    put(s, 1, WALL);
    struct ms_error err = {0};
    assert_true(ms_state_save(s, WALL, &err) != 0);
    check_text(err, "the state folder /");
    assert_int_equal(rmdir(path), 0);
    save(s, WALL);
    assert_int_equal(access(ms_state_path(s), F_OK), 0);
    ms_state_free(s);
}

/* ---- memory ---- */

static int use(const struct scratch *folder, struct ms_error *err)
{
    struct ms_state *s = NULL;
    int code = ms_state_open(&store, folder->path, &s, err);
    assert_true((code == 0) == (s != NULL));
    if (code)
        return code;
    put(s, 5, WALL);
    ms_state_raise_epoch(s, 9);
    code = ms_state_save(s, WALL, err);
    if (!code)
        code = ms_state_reload(s, err);
    ms_state_free(s);
    return code;
}

static void without_memory(void **state)
{
    struct ms_state *s = state_in(*state);
    put(s, 1, WALL);
    save(s, WALL);
    for (long k = 0;; k++) {
        struct ms_error err = {0};
        unsigned descriptors = scratch_descriptors();
        wrapalloc_arm(k);
        int code = use(*state, &err);
        bool failed = wrapalloc_disarm();
        assert_int_equal(scratch_descriptors(), descriptors);
        if (!failed) {
            check_ok(code, err);
            assert_true(k > 5);
            break;
        }
        check_code(code, MS_ERR_NO_MEMORY, err);
        assert_true(k < 1000);
    }
    struct ms_health *h = NULL;
    wrapalloc_arm(0);
    int code = ms_health_new(1, &h, NULL);
    assert_true(wrapalloc_disarm());
    assert_int_equal(code, MS_ERR_NO_MEMORY);
    assert_null(h);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(comes_back),
        TEST(an_end_is_forgotten),
        TEST(golden),
        TEST(saves_only_changes),
        TEST(bounded),
        TEST(oldest_make_room),
        TEST(merges),
        TEST(clocks_ahead),
        TEST(two_processes),
        TEST(lock_is_held),
        TEST(threads),
        TEST(any_order),
        TEST(damaged_files),
        TEST(epoch_survives),
        TEST(bounds_are_checked),
        TEST(newer_programs),
        TEST(marks_are_of_one_boot_and_layout),
        TEST(golden_with_marks),
        TEST(marks_are_joined),
        TEST(marks_are_checked),
        TEST(other_folders),
        TEST(usual_folders),
        TEST(nowhere_to_write),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
