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
#include "support/local_state.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

static struct ms_health_saved open_since(int64_t wall)
{
    return (struct ms_health_saved){.state = MS_HEALTH_OPEN,
                                    .changed_wall_ns = wall,
                                    .since_wall_ns = wall - 3 * LOCAL_SEC,
                                    .next_wall_ns = wall + 20 * LOCAL_SEC,
                                    .failures = 4,
                                    .last_code = MS_ERR_TIMEOUT,
                                    .last_wall_ns = wall - 1};
}

static void put(struct ms_state *s, unsigned i, int64_t wall)
{
    struct ms_uuid m = local_member(i);
    struct ms_health_saved saved = open_since(wall);
    ms_state_put(s, &m, &saved);
}

/* When the member's record changed, in seconds after LOCAL_WALL; -1: there is none. */
static int64_t changed_of(const struct ms_state *s, unsigned i)
{
    struct ms_uuid m = local_member(i);
    struct ms_health_saved saved;
    return ms_state_get(s, &m, &saved) ? (saved.changed_wall_ns - LOCAL_WALL) / LOCAL_SEC : -1;
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
    struct ms_state *s = local_open(*state);
    struct ms_uuid a = local_member(1), b = local_member(2);
    struct ms_health_saved open = open_since(LOCAL_WALL), got;
    struct ms_health_saved closed = {.changed_wall_ns = LOCAL_WALL + 5};
    assert_false(ms_state_get(s, &a, &got));
    assert_int_equal(ms_state_epoch(s), 0);
    local_save(s, LOCAL_WALL); /* nothing to save: no file */
    assert_int_equal(access(ms_state_path(s), F_OK), -1);

    ms_state_put(s, &a, &open);
    ms_state_put(s, &b, &closed);
    assert_true(ms_state_raise_epoch(s, 7));
    assert_false(ms_state_raise_epoch(s, 7));
    assert_false(ms_state_raise_epoch(s, 6));
    local_save(s, LOCAL_WALL);
    struct stat st;
    assert_int_equal(stat(ms_state_path(s), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    struct ms_state *again = local_open(*state);
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
    struct ms_state *s = local_open(*state), *other;
    put(s, 1, LOCAL_WALL);
    assert_true(ms_state_raise_epoch(s, MS_STATE_ENDED));
    local_save(s, LOCAL_WALL);
    other = local_open(*state); /* another process reads that */
    assert_true(ms_state_epoch(other) == MS_STATE_ENDED);
    check_ok(ms_state_forget(s, &err), err);
    check_ok(ms_state_forget(s, &err), err);
    assert_int_equal(access(ms_state_path(s), F_OK), -1);
    assert_int_equal(ms_state_epoch(s), 0);
    assert_int_equal(changed_of(s, 1), -1);
    put(other, 2, LOCAL_WALL + LOCAL_SEC); /* and does not bring it back */
    local_save(other, LOCAL_WALL + LOCAL_SEC);
    ms_state_free(s);
    s = local_open(*state);
    assert_int_equal(ms_state_epoch(s), 0);
    assert_int_equal(changed_of(s, 2), 1);
    ms_state_free(s);
    ms_state_free(other);
}

/* docs/formats.md shows these bytes; the check was computed by another program. */
static void golden(void **state)
{
    struct ms_state *s = local_open(*state);
    ms_state_raise_epoch(s, 7);
    put(s, 1, LOCAL_WALL);
    local_save(s, LOCAL_WALL);
    assert_string_equal(local_text(s), "[state]\n"
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
    struct ms_state *s = local_open(*state);
    put(s, 1, LOCAL_WALL);
    local_save(s, LOCAL_WALL);
    assert_int_equal(unlink(ms_state_path(s)), 0);
    put(s, 1, LOCAL_WALL);                                                 /* the same */
    ms_state_put(s, &(struct ms_uuid){{9}}, &(struct ms_health_saved){0}); /* never changed */
    local_save(s, LOCAL_WALL);
    assert_int_equal(access(ms_state_path(s), F_OK), -1);
    put(s, 1, LOCAL_WALL + LOCAL_SEC);
    local_save(s, LOCAL_WALL);
    assert_int_equal(access(ms_state_path(s), F_OK), 0);
    ms_state_free(s);
}

/* Whatever a caller hands in, the file can be read again. */
static void bounded(void **state)
{
    struct ms_state *s = local_open(*state);
    struct ms_uuid m = local_member(1);
    struct ms_health_saved odd = {.state = MS_HEALTH_HALF_OPEN,
                                  .changed_wall_ns = 1,
                                  .since_wall_ns = -5,
                                  .next_wall_ns = INT64_MAX,
                                  .failures = UINT32_MAX,
                                  .last_code = -1000,
                                  .last_wall_ns = INT64_MIN};
    ms_state_put(s, &m, &odd);
    ms_state_raise_epoch(s, UINT64_MAX);
    local_save(s, LOCAL_WALL);
    struct ms_state *again = local_open(*state);
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
    struct ms_state *s = local_open(*state);
    for (unsigned i = 0; i <= MS_STATE_MEMBERS; i++)
        put(s, i, LOCAL_WALL + (i == 300 ? 1 : 2 + (int64_t)i) * LOCAL_SEC);
    local_save(s, LOCAL_WALL + 1000 * LOCAL_SEC);
    struct ms_state *again = local_open(*state);
    assert_int_equal(changed_of(again, 300), -1);
    assert_int_equal(changed_of(again, 0), 2);
    assert_int_equal(changed_of(again, MS_STATE_MEMBERS), MS_STATE_MEMBERS + 2);
    put(again, 1000, LOCAL_WALL + 2000 * LOCAL_SEC); /* the file is full too */
    local_save(again, LOCAL_WALL + 2000 * LOCAL_SEC);
    assert_int_equal(changed_of(again, 0), -1);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
    ms_state_free(again);
}

/* ---- several processes ---- */

static void merges(void **state)
{
    struct ms_state *a = local_open(*state), *b = local_open(*state);
    put(a, 1, LOCAL_WALL + 10 * LOCAL_SEC);
    put(a, 2, LOCAL_WALL + 10 * LOCAL_SEC);
    ms_state_raise_epoch(a, 5);
    put(b, 2, LOCAL_WALL + 20 * LOCAL_SEC);
    put(b, 3, LOCAL_WALL + 20 * LOCAL_SEC);
    ms_state_raise_epoch(b, 9);
    local_save(b, LOCAL_WALL + 100 * LOCAL_SEC);
    local_save(a, LOCAL_WALL + 100 * LOCAL_SEC); /* older news of 2, and a lower epoch */
    struct ms_state *c = local_open(*state);
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
    put(b, 1, LOCAL_WALL + 30 * LOCAL_SEC);
    check_ok(ms_state_reload(b, &err), err); /* does not undo what is not saved yet */
    assert_int_equal(changed_of(b, 1), 30);
    ms_state_free(a);
    ms_state_free(b);
    ms_state_free(c);
}

/* A process whose clock was a day ahead does not have the last word. */
static void clocks_ahead(void **state)
{
    struct ms_state *wrong = local_open(*state), *right = local_open(*state);
    put(wrong, 1, LOCAL_WALL + 86400 * LOCAL_SEC);
    local_save(wrong, LOCAL_WALL + 86400 * LOCAL_SEC);
    struct ms_state *witness = local_open(*state); /* has read it, and saves something else later */
    put(right, 1, LOCAL_WALL + 10 * LOCAL_SEC);
    local_save(right, LOCAL_WALL + 10 * LOCAL_SEC);
    assert_int_equal(changed_of(right, 1), 10);
    put(witness, 2, LOCAL_WALL + 11 * LOCAL_SEC);
    local_save(witness, LOCAL_WALL + 11 * LOCAL_SEC);
    assert_int_equal(changed_of(witness, 1), 10);
    struct ms_state *next = local_open(*state);
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
    if (ms_state_open(&local_store, folder->path, &s, NULL) != 0)
        return 1;
    for (unsigned i = first; i < 60; i += 2) {
        put(s, i, LOCAL_WALL + (int64_t)i * LOCAL_SEC);
        ms_state_raise_epoch(s, 100 + i);
        if (ms_state_save(s, LOCAL_WALL + 1000 * LOCAL_SEC, NULL) != 0)
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
    struct ms_state *s = local_open(*state);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(changed_of(s, i), i);
    assert_int_equal(ms_state_epoch(s), 159);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
}

static void lock_is_held(void **state)
{
    const struct scratch *folder = *state;
    struct ms_state *s = local_open(folder);
    put(s, 1, LOCAL_WALL);
    int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    struct ms_error err = {0};
    check_code(ms_state_save(s, LOCAL_WALL, &err), MS_ERR_BUSY, err);
    check_text(err, "another process holds the lock of the state folder /");
    close(fd);
    local_save(s, LOCAL_WALL); /* it stayed to be saved */
    struct ms_state *again = local_open(folder);
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
        put(r->s, r->task, LOCAL_WALL + (int64_t)i * LOCAL_SEC);
        ms_state_raise_epoch(r->s, 4 * (uint64_t)i + r->task);
        changed_of(r->s, (r->task + 1) % 4);
        if (ms_state_save(r->s, LOCAL_WALL + 100 * LOCAL_SEC, NULL) != 0 ||
            changed_of(r->s, r->task) != (int64_t)i) /* another's save may not undo it */
            return MS_ERR_IO;
    }
    ms_state_raise_epoch(r->s, 80 + (uint64_t)r->task); /* nothing else to save */
    return ms_state_save(r->s, LOCAL_WALL + 100 * LOCAL_SEC, NULL);
}

static void threads(void **state)
{
    struct ms_state *s = local_open(*state);
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
    struct ms_state *again = local_open(*state);
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
        struct ms_state *s = local_open(*state);
        write_file(ms_state_path(s), damages[i], 0600);
        ms_state_free(s);
        warnings();
        s = local_open(*state);
        assert_int_equal(warnings(), 1);
        assert_non_null(
            strstr(heard.last, "a damaged state file is ignored and will be replaced: "));
        assert_int_equal(changed_of(s, 1), -1);
        assert_int_equal(ms_state_epoch(s), 0);
        put(s, 1, LOCAL_WALL);
        local_save(s, LOCAL_WALL);
        assert_int_equal(warnings(), 0); /* once for this handle */
        struct ms_state *again = local_open(*state);
        assert_int_equal(changed_of(again, 1), 0);
        assert_int_equal(warnings(), 0);
        ms_state_free(s);
        ms_state_free(again);
    }
}

/* Every byte changed, every length cut: the epoch is never lost, members are or are not. */
static void epoch_survives(void **state)
{
    struct ms_state *s = local_open(*state);
    ms_state_raise_epoch(s, 77);
    put(s, 1, LOCAL_WALL);
    put(s, 2, LOCAL_WALL);
    local_save(s, LOCAL_WALL);
    MS_AUTO_FREE char *text = strdup(local_text(s));
    size_t size = strlen(text), damaged = 0;
    struct ms_state_content *c = malloc(sizeof *c);
    assert_true(text && c);
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            int code = ms_state_parse(ms_view(text, size), "FILE", &local_store, c, NULL);
            assert_true(code == 0 || code == MS_ERR_CONFIG || code == MS_ERR_UNSUPPORTED);
            assert_int_equal(c->count, code ? 0 : 2);
            assert_int_equal(c->epoch, 77);
            damaged += code != 0;
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    assert_true(damaged > size * 6); /* but digits of times, mostly */
    size_t first = (size_t)(strstr(text, "epoch = ") - text) + 27;
    for (size_t i = 0; i < size; i++) {
        int code = ms_state_parse(ms_view(text, i), "FILE", &local_store, c, NULL);
        assert_int_equal(code, i + 1 < size ? MS_ERR_CONFIG : 0);
        assert_int_equal(c->epoch, i >= first ? 77 : 0);
    }
    free(c);
    ms_state_free(s);
}

static void bounds_are_checked(void **state)
{
    struct ms_state *s = local_open(*state);
    ms_state_raise_epoch(s, 77);
    put(s, 1, LOCAL_WALL);
    put(s, 2, LOCAL_WALL);
    local_save(s, LOCAL_WALL);
    char text[4096];
    snprintf(text, sizeof text, "%s", local_text(s));
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
        local_refuse(bad[i][0], bad[i][1], text, MS_ERR_CONFIG);
    local_refuse("format = 1", "format = 2", text, MS_ERR_CONFIG); /* that has marks */
    local_refuse("format = 1", "format = 3", text, MS_ERR_UNSUPPORTED);
    local_refuse("failures = 4", "failures = 1000000", text, 0);
    ms_state_free(s);
}

/* Its epoch counts, nothing else does, and it stays as it is. */
static void newer_programs(void **state)
{
    struct ms_state *s = local_open(*state);
    ms_state_raise_epoch(s, 77);
    put(s, 1, LOCAL_WALL);
    local_save(s, LOCAL_WALL);
    char text[4096];
    snprintf(text, sizeof text, "%s", local_text(s));
    *strstr(text, "1\n") = '3';
    write_file(ms_state_path(s), text, 0600);
    struct ms_state *old = local_open(*state);
    assert_int_equal(warnings(), 1);
    assert_non_null(strstr(heard.last, " was written by a newer mstore"));
    assert_int_equal(changed_of(old, 1), -1);
    assert_int_equal(ms_state_epoch(old), 77);
    put(old, 2, LOCAL_WALL);
    local_save(old, LOCAL_WALL);
    assert_string_equal(local_text(s), text);
    assert_int_equal(changed_of(old, 2), 0);
    assert_int_equal(warnings(), 0);
    ms_state_free(s);
    ms_state_free(old);
}

/* ---- folders ---- */

static void other_folders(void **state)
{
    const struct scratch *folder = *state;
    struct ms_state *s = NULL;
    struct ms_error err = {0};
    check_code(ms_state_open(&local_store, "here", &s, &err), MS_ERR_INVALID, err);
    check_text(err, "the state folder \"here\" must be an absolute path");
    assert_int_equal(chmod(folder->path, 0770), 0);
    check_code(ms_state_open(&local_store, folder->path, &s, &err), MS_ERR_ACCESS, err);
    check_text(err, "others may write to the state folder /");
    assert_int_equal(chmod(folder->path, 0700), 0);
    char path[5000];
    snprintf(path, sizeof path, "%s/file", folder->path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_true(ms_state_open(&local_store, path, &s, &err) != 0);
    check_text(err, "open the state folder /");
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    check_code(ms_state_open(&local_store, path, &s, &err), MS_ERR_NAME, err);
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
    check_ok(ms_state_open(&local_store, NULL, &s, &err), err);
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
    put(s, 1, LOCAL_WALL); /* works either way */
    local_save(s, LOCAL_WALL);
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
    struct ms_state *s = local_open(folder);
    char path[200];
    snprintf(path, sizeof path, "%s.tmp", ms_state_path(s));
    assert_int_equal(mkdir(path, 0700), 0); /* where the new file is to be */
    put(s, 1, LOCAL_WALL);
    struct ms_error err = {0};
    assert_true(ms_state_save(s, LOCAL_WALL, &err) != 0);
    check_text(err, "the state folder /");
    assert_int_equal(rmdir(path), 0);
    local_save(s, LOCAL_WALL);
    assert_int_equal(access(ms_state_path(s), F_OK), 0);
    ms_state_free(s);
}

/* ---- memory ---- */

static int use(const struct scratch *folder, struct ms_error *err)
{
    struct ms_state *s = NULL;
    int code = ms_state_open(&local_store, folder->path, &s, err);
    assert_true((code == 0) == (s != NULL));
    if (code)
        return code;
    put(s, 5, LOCAL_WALL);
    ms_state_raise_epoch(s, 9);
    code = ms_state_save(s, LOCAL_WALL, err);
    if (!code)
        code = ms_state_reload(s, err);
    ms_state_free(s);
    return code;
}

static void without_memory(void **state)
{
    struct ms_state *s = local_open(*state);
    put(s, 1, LOCAL_WALL);
    local_save(s, LOCAL_WALL);
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
        TEST(other_folders),
        TEST(usual_folders),
        TEST(nowhere_to_write),
        TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
