/* base/entity.c and the process's shared file: what is counted, where it lies, who may have it,
 * what fork and exit do to it. Each scene that needs a process of its own forks one before anything
 * is counted. */
#include "base/entity.h"

#include "base/sim.h"
#include "base/stats_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/mstore-entity-XXXXXX";

static const struct ms_entity_stats *find(const struct ms_stats_snapshot *s, const char *store,
                                          const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->entities[i].store, store) == 0 && strcmp(s->entities[i].name, name) == 0)
            return &s->entities[i];
    return NULL;
}

static char *own_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%d.stats", folder, (int)getpid());
    return path;
}

/* Runs fn in a process of its own, where nothing was counted before; 0 is what it must return. */
static void in_child(int (*fn)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exit(fn());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    char path[128]; /* and nothing is left of it */
    snprintf(path, sizeof path, "%s/%d.stats", folder, (int)pid);
    assert_int_equal(access(path, F_OK), -1);
}

/* In a child: says what did not hold, and which line. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int counts(void)
{
    struct ms_clock *clock = ms_clock_virtual_new(1000000);
    struct ms_entity *e = ms_entity_get(MS_STATS_NAMESPACE, "memory:", "data");
    CHECK(e == ms_entity_get(MS_STATS_NAMESPACE, "memory:", "data"));
    CHECK(e != ms_entity_get(MS_STATS_NAMESPACE, "memory:", "meta"));
    CHECK(e != ms_entity_get(MS_STATS_CACHE, "memory:", "data"));
    uint64_t begin = ms_entity_begin(clock);
    ms_entity_count(e, clock, MS_VERB_LOAD, begin, 0, 4096);
    ms_entity_count(e, clock, MS_VERB_LOAD, begin, MS_ERR_NOT_FOUND, 0);
    ms_entity_count(e, clock, MS_VERB_STORE, begin, -1000, 0);
    ms_entity_count(e, NULL, MS_VERB_STORE, ms_entity_begin(NULL), 0, 1);
    ms_entity_count_moved(e, 4100, 7);
    ms_entity_count_retry(e, MS_VERB_LOAD);
    ms_entity_count_emulated(e, MS_VERB_LOAD, 50);
    ms_entity_count_cache(e, MS_CACHE_HIT);
    ms_entity_count_cache(e, MS_CACHE_EVICTION);
    ms_entity_put(e);
    struct ms_stats_snapshot *own, *read;
    struct ms_error err = {0};
    CHECK(ms_stats_take(&own, &err) == 0);
    CHECK(ms_stats_read(own_path(), &read, &err) == 0);
    for (int i = 0; i < 2; i++) { /* the process itself and a reader of its file see the same */
        const struct ms_stats_snapshot *s = i ? read : own;
        const struct ms_entity_stats *d = find(s, "memory:", "data");
        CHECK(d && s->count == 3 && s->pid == getpid());
        CHECK(d->verbs[MS_VERB_LOAD].calls == 2 && d->verbs[MS_VERB_LOAD].errors == 1);
        CHECK(d->verbs[MS_VERB_LOAD].volume_bytes == 4096);
        CHECK(d->verbs[MS_VERB_LOAD].retries == 1 && d->verbs[MS_VERB_LOAD].emulated_ns == 50);
        CHECK(d->verbs[MS_VERB_STORE].calls == 2 && d->verbs[MS_VERB_STORE].errors == 1);
        CHECK(d->errors[-MS_ERR_NOT_FOUND] == 1 && d->errors[0] == 1);
        CHECK(d->moved_in_bytes == 4100 && d->moved_out_bytes == 7);
        CHECK(d->cache_hits == 1 && d->cache_evictions == 1 && d->cache_misses == 0);
        CHECK(s->sample_count >= 2);
        const struct ms_stats_sample *last = &s->samples[s->sample_count - 1];
        CHECK(last->calls == 4 && last->errors == 2);
        CHECK(last->load_bytes == 4096 && last->store_bytes == 1);
    }
    struct stat st;
    CHECK(stat(own_path(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600 && st.st_blocks * 512 < 512 * 1024);
    ms_stats_free(own);
    ms_stats_free(read);
    ms_clock_free(clock);
    return 0;
}

/* Latencies by the virtual clock land in their buckets, exactly. */
static int latencies(void)
{
    struct ms_entity *e = ms_entity_get(MS_STATS_BACKEND, "memory:", "");
    uint64_t expected = 0;
    for (unsigned i = 0; i < 41; i++) {
        struct ms_clock *clock = ms_clock_virtual_new(1ull << i);
        ms_entity_count(e, clock, MS_VERB_LOAD, 0, 0, 0);
        expected += (1ull << i) & ~1ull;
        ms_clock_free(clock);
    }
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    const struct ms_verb_stats *v = &find(s, "memory:", "")->verbs[MS_VERB_LOAD];
    CHECK(v->calls == 41 && v->time_ns == expected && v->max_ns == 1ull << 40);
    for (unsigned i = 1; i < 40; i++) {
        unsigned bucket = i < 3 ? 1u << i : 8 * (i - 2);
        CHECK(ms_stats_bucket_floor(bucket) == 1ull << i);
        CHECK(v->histogram[bucket] == 1);
    }
    CHECK(v->histogram[MS_HISTOGRAM_BUCKETS - 1] == 1);
    ms_stats_free(s);
    return 0;
}

/* The real clock's calls take about the time they take, by the clock and by the CPU's counter. */
static int real_times(void)
{
    struct ms_clock *real = ms_clock_real();
    struct ms_entity *e = ms_entity_get(MS_STATS_BACKEND, "real:", "");
    uint64_t start = ms_clock_now(real), before = start;
    while (before - start < 60000000) {
        uint64_t begin = ms_entity_begin(real);
        uint64_t now;
        while ((now = ms_clock_now(real)) - before < 1000000)
            ;
        ms_entity_count(e, real, MS_VERB_HASH, begin, 0, 0);
        before = now;
    }
    uint64_t whole = ms_clock_now(real) - start;
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    const struct ms_verb_stats *v = &find(s, "real:", "")->verbs[MS_VERB_HASH];
    CHECK(v->calls > 0 && v->time_ns <= whole + whole / 100);
    CHECK(v->time_ns >= whole / 2); /* but for what happens between the calls */
    ms_stats_free(s);
    return 0;
}

static int no_more_slots(void)
{
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "n%d", i);
        struct ms_entity *e = ms_entity_get(MS_STATS_NAMESPACE, "memory:", name);
        ms_entity_count(e, NULL, MS_VERB_INFO, ms_entity_begin(NULL), 0, 0);
    }
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    CHECK(s->count == 257);
    uint64_t calls = 0;
    for (size_t i = 0; i < s->count; i++)
        calls += s->entities[i].verbs[MS_VERB_INFO].calls;
    CHECK(calls == 300);
    CHECK(find(s, "", "")->verbs[MS_VERB_INFO].calls == 44);
    ms_stats_free(s);
    CHECK(ms_stats_read(own_path(), &s, NULL) == 0);
    CHECK(s->count == 256);
    ms_stats_free(s);
    return 0;
}

static int long_names(void)
{
    char text[300];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct ms_entity *e = ms_entity_get(MS_STATS_NAMESPACE, text, text);
    CHECK(e == ms_entity_get(MS_STATS_NAMESPACE, text, text));
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_read(own_path(), &s, NULL) == 0);
    CHECK(strlen(s->entities[0].store) == 127 && strlen(s->entities[0].name) == 63);
    ms_stats_free(s);
    return 0;
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *count_many(void *arg)
{
    for (int i = 0; i < 10000; i++)
        ms_entity_count(arg, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), i % 10 ? 0 : MS_ERR_IO, 3);
    return NULL;
}

static int threads(void)
{
    struct ms_entity *e = ms_entity_get(MS_STATS_BACKEND, "threads:", "");
    pthread_t ids[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&ids[i], NULL, count_many, e) == 0);
    struct ms_stats_snapshot *s;
    for (int i = 0; i < 20; i++) { /* reading meanwhile disturbs nobody */
        CHECK(ms_stats_read(own_path(), &s, NULL) == 0);
        ms_stats_free(s);
        CHECK(ms_stats_take(&s, NULL) == 0);
        ms_stats_free(s);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(ids[i], NULL);
    CHECK(ms_stats_take(&s, NULL) == 0);
    const struct ms_entity_stats *d = find(s, "threads:", "");
    CHECK(d->verbs[MS_VERB_LOAD].calls == 40000 && d->errors[-MS_ERR_IO] == 4000);
    CHECK(d->verbs[MS_VERB_LOAD].volume_bytes == 120000);
    ms_stats_free(s);
    return 0;
}

/* ---- fork ----------------------------------------------------------------------------------- */

static int child_of_counting_process(struct ms_entity *e)
{
    CHECK(access(own_path(), F_OK) == -1); /* it may be going to exec: no file yet */
    ms_entity_count(e, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 10);
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    CHECK(s->count == 1 && s->pid == getpid());
    CHECK(find(s, "fork:", "a")->verbs[MS_VERB_LOAD].calls == 1); /* its own, not the parent's */
    ms_stats_free(s);
    ms_entity_get(MS_STATS_NAMESPACE, "fork:", "b");
    CHECK(ms_stats_read(own_path(), &s, NULL) == 0);
    CHECK(s->count == 2 && s->pid == getpid());
    CHECK(find(s, "fork:", "a")->verbs[MS_VERB_LOAD].calls == 1);
    ms_stats_free(s);
    ms_entity_count(e, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 10);
    CHECK(ms_stats_read(own_path(), &s, NULL) == 0);
    CHECK(find(s, "fork:", "a")->verbs[MS_VERB_LOAD].calls == 2);
    ms_stats_free(s);
    return 0;
}

static int forks(void)
{
    struct ms_entity *e = ms_entity_get(MS_STATS_NAMESPACE, "fork:", "a");
    for (int i = 0; i < 5; i++)
        ms_entity_count(e, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 1);
    pid_t pid = fork();
    if (pid == 0)
        exit(child_of_counting_process(e));
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_read(own_path(), &s, NULL) == 0); /* the child's exit left it there */
    CHECK(s->pid == getpid() && find(s, "fork:", "a")->verbs[MS_VERB_LOAD].calls == 5);
    ms_stats_free(s);
    return 0;
}

/* ---- folders -------------------------------------------------------------------------------- */

static int logged;

static void note_log(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx;
    if (level == MS_LOG_INFO && strstr(line, "statistics"))
        logged++;
}

/* Counts in private memory, with `lines` lines in the log. */
static int works_without_file(const char *setting, int lines)
{
    setenv("MSTORE_STATS_DIR", setting, 1);
    ms_log_to(note_log, NULL, MS_LOG_INFO);
    for (int i = 0; i < 3; i++) {
        struct ms_entity *e = ms_entity_get(MS_STATS_NAMESPACE, "private:", i ? "x" : "y");
        ms_entity_count(e, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 1);
    }
    CHECK(logged == lines);
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    CHECK(find(s, "private:", "x")->verbs[MS_VERB_LOAD].calls == 2);
    ms_stats_free(s);
    return 0;
}

static int disabled(void)
{
    return works_without_file("", 0);
}

static int relative(void)
{
    return works_without_file("here", 1);
}

static int symlink_folder(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/link", folder);
    CHECK(symlink(folder, path) == 0);
    int code = works_without_file(path, 1);
    unlink(path);
    return code;
}

static int open_folder(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/open", folder);
    CHECK(mkdir(path, 0700) == 0 && chmod(path, 0777) == 0);
    int code = works_without_file(path, 1);
    rmdir(path);
    return code;
}

static int strangers_folder(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/strange", folder);
    CHECK(mkdir(path, 0700) == 0);
    if (chown(path, 12345, 12345) != 0) { /* not root: "/" belongs to root */
        rmdir(path);
        return works_without_file("/", 1);
    }
    int code = works_without_file(path, 1);
    rmdir(path);
    return code;
}

static int missing_parent(void)
{
    return works_without_file("/nonexistent/folder", 1);
}

static int file_removed_meanwhile(void)
{
    struct ms_entity *a = ms_entity_get(MS_STATS_NAMESPACE, "gone:", "a");
    CHECK(unlink(own_path()) == 0);
    struct ms_entity *b = ms_entity_get(MS_STATS_NAMESPACE, "gone:", "b");
    ms_entity_count(a, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 1);
    ms_entity_count(b, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 1);
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    CHECK(find(s, "gone:", "a")->verbs[MS_VERB_LOAD].calls == 1);
    CHECK(find(s, "gone:", "b")->verbs[MS_VERB_LOAD].calls == 1);
    ms_stats_free(s);
    return 0;
}

static bool make_file(const char *name, int64_t pid, uint64_t start_ticks)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct ms_stats_header h = {.pid = pid, .start_ticks = start_ticks};
    memcpy(h.magic, MS_STATS_MAGIC, sizeof h.magic);
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(&h, sizeof h, 1, file) == 1;
    return file && fclose(file) == 0 && good;
}

static bool is_there(const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* A new process removes what dead ones left, and nothing else. */
static int stale_files(void)
{
    char alive[32], reused[32];
    snprintf(alive, sizeof alive, "%d.stats", (int)getppid());
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    waitpid(dead, NULL, 0);
    char name[32], temporary[32];
    snprintf(name, sizeof name, "%d.stats", (int)dead);
    snprintf(temporary, sizeof temporary, "%d.tmp", (int)dead);
    snprintf(reused, sizeof reused, "%d.stats", 1);
    CHECK(make_file(alive, getppid(), ms_stats_start_ticks(getppid())));
    CHECK(make_file(name, dead, 17) && make_file(temporary, dead, 17));
    CHECK(make_file(reused, 1, ms_stats_start_ticks(1) + 1)); /* init, but not that init */
    CHECK(make_file("notes.txt", 1, 1) && make_file("1x.stats", 1, 1));
    ms_entity_get(MS_STATS_BACKEND, "memory:", "");
    CHECK(is_there(alive) && is_there("notes.txt") && is_there("1x.stats"));
    CHECK(!is_there(name) && !is_there(temporary) && !is_there(reused));
    int64_t pids[4];
    size_t count;
    CHECK(ms_stats_running(pids, 4, &count, NULL) == 0);
    CHECK(count == 2); /* the parent's and our own */
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, alive);
    unlink(path);
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/1x.stats", folder);
    unlink(path);
    return 0;
}

/* ---- simulation ----------------------------------------------------------------------------- */

static int simulated(void *arg)
{
    (void)arg;
    struct ms_clock *clock = ms_sim_clock();
    struct ms_entity *e = ms_entity_get(MS_STATS_BACKEND, "sim:", "");
    CHECK(e == ms_entity_get(MS_STATS_BACKEND, "sim:", ""));
    ms_entity_count(e, clock, MS_VERB_LOAD, ms_entity_begin(clock), 0, 9);
    struct ms_stats_snapshot *s;
    CHECK(ms_stats_take(&s, NULL) == 0);
    CHECK(find(s, "sim:", "")->verbs[MS_VERB_LOAD].volume_bytes == 9);
    ms_stats_free(s);
    ms_entity_put(e);
    ms_entity_put(e);
    CHECK(ms_stats_take(&s, NULL) == 0);
    CHECK(!find(s, "sim:", ""));
    ms_stats_free(s);
    return 0;
}

static int simulations(void)
{
    struct ms_error err = {0};
    struct ms_sim_result result;
    struct ms_sim_options options = {.seed = 1};
    CHECK(ms_sim_run(&options, simulated, NULL, &result, &err) == 0);
    CHECK(access(own_path(), F_OK) == -1);
    return 0;
}

#define SCENE(name)                                                                                \
    static void name##_scene(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        in_child(name);                                                                            \
    }
SCENE(counts)
SCENE(latencies)
SCENE(real_times)
SCENE(no_more_slots)
SCENE(long_names)
SCENE(threads)
SCENE(forks)
SCENE(disabled)
SCENE(relative)
SCENE(symlink_folder)
SCENE(open_folder)
SCENE(strangers_folder)
SCENE(missing_parent)
SCENE(file_removed_meanwhile)
SCENE(stale_files)
SCENE(simulations)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_scene),         cmocka_unit_test(latencies_scene),
        cmocka_unit_test(real_times_scene),     cmocka_unit_test(no_more_slots_scene),
        cmocka_unit_test(long_names_scene),     cmocka_unit_test(threads_scene),
        cmocka_unit_test(forks_scene),          cmocka_unit_test(disabled_scene),
        cmocka_unit_test(relative_scene),       cmocka_unit_test(symlink_folder_scene),
        cmocka_unit_test(open_folder_scene),    cmocka_unit_test(strangers_folder_scene),
        cmocka_unit_test(missing_parent_scene), cmocka_unit_test(file_removed_meanwhile_scene),
        cmocka_unit_test(stale_files_scene),    cmocka_unit_test(simulations_scene),
    };
    if (!mkdtemp(folder) || setenv("MSTORE_STATS_DIR", folder, 1) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) == 0 ? failed : 1;
}
