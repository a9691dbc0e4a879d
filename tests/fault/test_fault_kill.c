/* kill -9 at random moments: a child stores (single, batch, writer), replaces, moves, soft-deletes
 * and deletes, and tells each acknowledgement through a pipe; it is killed at a random moment. Then
 * every acknowledged value is there and whole, the step under way is done or not done, a listing
 * shows no temporary, and a sweep removes what is left of them.
 *
 * What the child does follows from the seed and the step's number alone, so that the parent can
 * replay it. The seed is shown on failure. */
#include "support/check.h"
#include "support/scratch.h"

#include "base/pool.h"
#include "base/sync.h"
#include "base/text.h"

#include <mstore/backend.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define ROUNDS     120
#define NAMES      24 /* live; as many ".del" behind them */
#define STEPS_MAX  100000
#define VALUE_MAX  60000
#define BATCH_SIZE 5

static struct scratch scratch;

/* ---- what a step does ---- */

enum action { STORE, STREAM, BATCH, DELETE, SOFT_DELETE, RENAME, ACTIONS };

/* The version of the value under each name; 0: none. */
struct model {
    uint32_t version[2 * NAMES];
};

struct step {
    enum action action;
    uint32_t version;          /* of what is stored */
    unsigned name[BATCH_SIZE]; /* stored, deleted or moved from */
    unsigned target;           /* moved to */
};

static struct step step_of(uint64_t seed, uint32_t number)
{
    struct ms_random random;
    struct step s = {.version = number + 1};
    ms_random_seed(&random, seed ^ ((uint64_t)number * UINT64_C(0xd1342543de82ef95)));
    s.action = (enum action)ms_random_below(&random, ACTIONS);
    s.name[0] = (unsigned)ms_random_below(&random, NAMES);
    for (unsigned i = 1; i < BATCH_SIZE; i++) /* all different */
        s.name[i] = (s.name[0] + i * 3) % NAMES;
    s.target = s.action == SOFT_DELETE ? s.name[0] + NAMES : (s.name[0] + 7) % NAMES;
    return s;
}

/* Names of the model that the step touches get their new versions; a step on a missing value has
 * no effect. */
static void advance(struct model *m, const struct step *s)
{
    unsigned count = s->action == BATCH ? BATCH_SIZE : 1;
    switch (s->action) {
    case STORE:
    case STREAM:
    case BATCH:
        for (unsigned i = 0; i < count; i++)
            m->version[s->name[i]] = s->version;
        break;
    case DELETE:
        m->version[s->name[0]] = 0;
        break;
    case SOFT_DELETE:
    case RENAME:
        if (m->version[s->name[0]])
            m->version[s->target] = m->version[s->name[0]];
        m->version[s->name[0]] = 0;
        break;
    case ACTIONS:
        break;
    }
}

static const char *name_of(unsigned index, char name[32])
{
    snprintf(name, 32, "%c/%02u/%02u%s", index % 2 ? 'a' : 'b', index % NAMES % 5, index % NAMES,
             index >= NAMES ? ".del" : "");
    return name;
}

/* ---- values: their own witnesses ---- */

static size_t fill_value(uint8_t *bytes, uint32_t version)
{
    struct ms_random random;
    ms_random_seed(&random, version);
    size_t size = 8 + (size_t)ms_random_below(&random, version % 3 ? 3000 : VALUE_MAX - 8);
    uint32_t head[2] = {version, (uint32_t)size};
    memcpy(bytes, head, sizeof head);
    for (size_t i = 8; i < size; i++)
        bytes[i] = (uint8_t)(version + i * 31);
    return size;
}

/* Its version; UINT32_MAX when it is not whole. */
static uint32_t version_of(struct ms_view value)
{
    static uint8_t wanted[VALUE_MAX];
    uint32_t version;
    if (value.size < 8)
        return UINT32_MAX;
    memcpy(&version, value.data, sizeof version);
    size_t size = fill_value(wanted, version);
    return ms_equal(value, ms_view(wanted, size)) ? version : UINT32_MAX;
}

/* ---- the child ---- */

static int run_batch(struct ms_backend *b, const struct step *s, struct ms_view value)
{
    struct ms_batch *batch;
    char name[32];
    int rc = ms_backend_batch(b, &batch, NULL);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; rc == 0 && i < BATCH_SIZE; i++) {
        struct ms_buf_borrowed place;
        rc = ms_batch_store(batch, ms_str(name_of(s->name[i], name)), ms_buf_borrow(&place, value),
                            NULL, NULL);
    }
    if (rc == 0)
        return ms_batch_commit(batch, NULL);
    ms_batch_abort(batch);
    return rc;
}

static int run_stream(struct ms_backend *b, const char *name, struct ms_view value)
{
    struct ms_writer *w;
    int rc = ms_backend_write(b, ms_str(name), 0, NULL, &w, NULL);
    if (rc < 0)
        return rc;
    for (size_t at = 0; rc == 0 && at < value.size; at += 4096) {
        size_t size = value.size - at < 4096 ? value.size - at : 4096;
        rc = ms_writer_append(w, ms_view(value.data + at, size), NULL);
    }
    if (rc == 0)
        return ms_writer_commit(w, NULL, NULL);
    ms_writer_abort(w);
    return rc;
}

static int run_step(struct ms_backend *b, const struct step *s)
{
    static uint8_t bytes[VALUE_MAX];
    char name[32], target[32];
    struct ms_view value = ms_view(bytes, fill_value(bytes, s->version));
    struct ms_buf_borrowed place;
    int rc = 0;
    name_of(s->name[0], name);
    name_of(s->target, target);
    switch (s->action) {
    case STORE:
        rc = ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, value), NULL, NULL, NULL);
        break;
    case STREAM:
        rc = run_stream(b, name, value);
        break;
    case BATCH:
        rc = run_batch(b, s, value);
        break;
    case DELETE:
        rc = ms_backend_delete(b, ms_str(name), NULL);
        break;
    case SOFT_DELETE:
    case RENAME:
        rc = ms_backend_move(b, ms_str(name), ms_str(target), NULL, NULL);
        break;
    case ACTIONS:
        break;
    }
    return rc == MS_ERR_NOT_FOUND ? 0 : rc;
}

static struct ms_backend *open_it(bool create)
{
    struct ms_error err = {0};
    struct ms_backend *b;
    char url[128];
    snprintf(url, sizeof url, "file://%s/store", scratch.path);
    int rc = ms_backend_make(url, NULL, &b, &err);
    if (rc == 0 && create)
        rc = ms_backend_create(b, &err);
    if (rc == 0)
        rc = ms_backend_open(b, &err);
    if (rc < 0) {
        fprintf(stderr, "%s\n", err.text);
        return NULL;
    }
    return b;
}

/* Never returns; exits only when something fails that should not. */
static void child(uint64_t seed, int pipe)
{
    struct ms_backend *b = open_it(false);
    for (uint32_t number = 0; b && number < STEPS_MAX; number++) {
        struct step s = step_of(seed, number);
        if (run_step(b, &s) < 0)
            break;
        if (write(pipe, &number, sizeof number) != (ssize_t)sizeof number)
            break;
    }
    _exit(1);
}

/* ---- the parent ---- */

/* Starts the child, kills it, and tells how many steps were acknowledged. */
static uint32_t run_and_kill(uint64_t seed, uint64_t life_ns)
{
    int ends[2], status;
    uint32_t acknowledged = 0, number;
    struct ms_error err = {0};
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(seed, ends[1]);
    }
    close(ends[1]);
    check_ok(ms_sleep(ms_clock_real(), life_ns, &err), err);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number)
        assert_int_equal(number, acknowledged++);
    close(ends[0]);
    if (!WIFSIGNALED(status))
        fail_msg("seed %llu: the child failed by itself", (unsigned long long)seed);
    return acknowledged;
}

static struct model look(struct ms_backend *b)
{
    struct model m = {0};
    struct ms_error err = {0};
    for (unsigned i = 0; i < 2 * NAMES; i++) {
        char name[32];
        struct ms_buf *value;
        int rc =
            ms_backend_load(b, ms_str(name_of(i, name)), 0, MS_SIZE_TO_END, &value, NULL, &err);
        if (rc == MS_ERR_NOT_FOUND)
            continue;
        check_ok(rc, err);
        m.version[i] = version_of(ms_buf_view(value));
        ms_buf_unref(value);
    }
    return m;
}

static void check_state(uint64_t seed, uint32_t acknowledged, const struct model *found)
{
    struct model done = {0};
    for (uint32_t n = 0; n < acknowledged; n++) {
        struct step s = step_of(seed, n);
        advance(&done, &s);
    }
    struct step under_way = step_of(seed, acknowledged);
    struct model more = done;
    advance(&more, &under_way);
    bool each = under_way.action == BATCH;
    bool as_done = true, as_more = true;
    for (unsigned i = 0; i < 2 * NAMES; i++) {
        uint32_t v = found->version[i];
        if (v == UINT32_MAX)
            fail_msg("seed %llu: after %u steps name %u is not whole", (unsigned long long)seed,
                     acknowledged, i);
        if (v != done.version[i] && v != more.version[i])
            fail_msg("seed %llu: after %u steps name %u has version %u instead of %u or %u",
                     (unsigned long long)seed, acknowledged, i, v, done.version[i],
                     more.version[i]);
        as_done &= v == done.version[i];
        as_more &= v == more.version[i];
    }
    if (!each && !as_done && !as_more)
        fail_msg("seed %llu: step %u is done by halves", (unsigned long long)seed, acknowledged);
}

/* Every entry of every folder is a name of ours. */
static void check_listing(struct ms_backend *b, struct ms_view folder)
{
    struct ms_error err = {0};
    struct ms_lister *l;
    const struct ms_entry *entry;
    check_ok(ms_backend_list(b, folder, NULL, &l, &err), err);
    for (;;) {
        check_ok(ms_lister_next(l, &entry, &err), err);
        if (!entry)
            break;
        if (ms_ends_with(entry->name, ms_str(".tmp")))
            fail_msg("a listing shows %s", MS_SHOW(entry->name));
        char path[64];
        snprintf(path, sizeof path, "%.*s%s%.*s", (int)folder.size, (const char *)folder.data,
                 folder.size ? "/" : "", (int)entry->name.size, (const char *)entry->name.data);
        if (entry->info.directory)
            check_listing(b, ms_str(path));
    }
    ms_lister_close(l);
}

static unsigned temporaries;
static int count_temporary(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    temporaries += ms_ends_with(ms_str(path), ms_str(".tmp"));
    return 0;
}

static void test_killed_at_random_moments(void **state)
{
    (void)state;
    struct ms_random random;
    struct ms_error err = {0};
    uint64_t all = 0, swept = 0, interrupted = 0;
    ms_random_seed(&random, 20260102);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        uint64_t removed = 0;
        scratch_empty(scratch.path);
        struct ms_backend *b = open_it(true);
        assert_non_null(b);
        uint32_t acknowledged =
            run_and_kill(seed, 3000000 + ms_random_below(&random, 60000000)); /* 3..63 ms */
        struct model found = look(b);
        check_state(seed, acknowledged, &found);
        check_listing(b, ms_str(""));
        temporaries = 0;
        nftw(scratch.path, count_temporary, 16, FTW_PHYS);
        interrupted += temporaries > 0;
        check_ok(ms_backend_sweep(b, 0, &removed, &err), err);
        assert_int_equal(removed, temporaries);
        struct model again = look(b); /* the sweep took nothing else */
        assert_memory_equal(&again, &found, sizeof found);
        all += acknowledged;
        swept += removed;
        ms_backend_free(b);
    }
    print_message("%llu steps acknowledged, %llu of %d kills left temporaries (%llu)\n",
                  (unsigned long long)all, (unsigned long long)interrupted, ROUNDS,
                  (unsigned long long)swept);
    assert_true(all > ROUNDS);    /* something was done */
    assert_true(interrupted > 0); /* and interrupted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_at_random_moments)};
    if (!scratch_make(&scratch))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    scratch_remove(&scratch);
    return failed;
}
