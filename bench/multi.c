/* bench/multi.c - an MStore against what it cannot do without, paired in one run:
 * `mstore-multi [FOLDER [ROUNDS [PART...]]]`; the part "scrub" looks at the memory that a scrub of
 * a million keys takes, and runs only when it is named.
 *
 * FOLDER lies on the storage to measure; a folder of its own is made in it and removed. Prints a
 * Markdown table, each row by the wall clock and by processor time; exit code 1 when a wanted ratio
 * was missed. */
#include "bench/multi_plain.h"
#include "bench/multi_rig.h"
#include "bench/pairs.h"
#include "bench/plain.h"

#include "base/sync.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB         ((size_t)1 << 20)
#define FAR_CALLS   25
#define HEAL_VALUES 48
#define HEAL_JOBS   8

static char folder[4000];
static unsigned rounds = 5;
static uint8_t *bytes; /* 64 MiB */
static struct ms_error err;

struct moment {
    double wall, cpu;
};

static struct moment now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (struct moment){seconds_now(), (double)t.tv_sec + (double)t.tv_nsec / 1e9};
}

/* A row by the wall clock and one by processor time; the wish is about the first. */
struct row {
    struct pairs wall, cpu;
    char cpu_name[120];
};

static void row_add(struct row *r, struct moment a, struct moment b, struct moment c)
{
    pairs_add(&r->wall, b.wall - a.wall, c.wall - b.wall);
    pairs_add(&r->cpu, b.cpu - a.cpu, c.cpu - b.cpu);
}

static int row_print(struct row *r)
{
    snprintf(r->cpu_name, sizeof r->cpu_name, "%s, processor time", r->wall.what);
    r->cpu.what = r->cpu_name;
    pairs_print(&r->cpu);
    return pairs_print(&r->wall);
}

static struct ms_view key_of(char *to, size_t room, unsigned number)
{
    snprintf(to, room, "%064u", number);
    return ms_str(to);
}

static void put(struct ms_store *s, unsigned number, size_t size)
{
    char key[80];
    struct ms_buf_borrowed place;
    rig_ok(ms_store_store(s, key_of(key, sizeof key, number),
                          ms_buf_borrow(&place, ms_view(bytes, size)), NULL, NULL, &err),
           "store", &err);
}

static void get(struct ms_store *s, unsigned number)
{
    char key[80];
    struct ms_buf *value = NULL;
    rig_ok(ms_store_load(s, key_of(key, sizeof key, number), NULL, &value, &err), "load", &err);
    ms_buf_unref(value);
}

static void forget(struct ms_store *s, unsigned number)
{
    char key[80];
    rig_ok(ms_store_delete(s, key_of(key, sizeof key, number), false, &err), "delete", &err);
}

/* ---- shards ---- */

static int shards(void)
{
    struct row r = {.wall = {.what = "64 MiB as 4+2 shards to members in memory", .wanted = 0.7}};
    struct ms_store *s = rig_open(
        folder,
        &(struct rig_options){.name = "ec",
                              .members = SHARDS,
                              .url = "memory:%s",
                              .policy = "kind = immutable\nredundancy = ec 4+2\nverify = none\n"});
    for (unsigned round = 0; round <= rounds; round++) {
        uint8_t *plain[SHARDS];
        struct moment a = now();
        plain_shards(bytes, 64 * MIB, plain);
        struct moment b = now();
        plain_shards_free(plain);
        struct moment c = now();
        put(s, round, 64 * MIB);
        struct moment d = now();
        c.wall -= b.wall; /* the freeing is nobody's */
        c.cpu -= b.cpu;
        a.wall += c.wall;
        a.cpu += c.cpu;
        b.wall += c.wall;
        b.cpu += c.cpu;
        if (round)
            row_add(&r, a, b, d);
        forget(s, round);
    }
    ms_store_free(s);
    return row_print(&r);
}

/* ---- mirror ---- */

static int mirror(const char *what, const char *name, const char *policy, size_t size,
                  unsigned count, double wanted)
{
    struct row r = {.wall = {.what = what, .wanted = wanted}};
    char url[4200], path[4300];
    int roots[3];
    snprintf(url, sizeof url, "file://%s/%%s?sync=full", folder);
    struct ms_store *s = rig_open(
        folder, &(struct rig_options){.name = name, .members = 3, .url = url, .policy = policy});
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s-plain-%u", folder, name, i);
        if (mkdir(path, 0700) || (roots[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            plain_die(path);
    }
    for (unsigned round = 0; round <= rounds; round++) {
        struct moment a = now();
        plain_mirror(roots, 3, round * count, count, bytes, size);
        struct moment b = now();
        for (unsigned i = 0; i < count; i++)
            put(s, round * count + i, size);
        if (round)
            row_add(&r, a, b, now());
    }
    for (unsigned i = 0; i < 3; i++)
        close(roots[i]);
    ms_store_free(s);
    return row_print(&r);
}

/* ---- a member that is dead ---- */

/* A store of its own: one that has lost a member once is never the same again before heal. */
static void far_round(struct pairs *p, void (*call)(struct ms_store *s, unsigned number),
                      unsigned round)
{
    static unsigned rigs;
    char name[32], victim[40];
    snprintf(name, sizeof name, "far%u", rigs++);
    snprintf(victim, sizeof victim, "%s-1", name);
    struct ms_store *s =
        rig_open(folder, &(struct rig_options){
                             .name = name,
                             .members = 3,
                             .url = "rig:%s?emulate.latency=20ms",
                             .policy = "kind = immutable\nredundancy = copies 3\nverify = none\n"});
    for (unsigned i = 0; i < FAR_CALLS; i++)
        put(s, i, 4096);
    for (unsigned i = 0; i < FAR_CALLS; i++)
        get(s, i);
    double a = seconds_now();
    for (unsigned i = 0; i < FAR_CALLS; i++)
        call(s, i);
    double b = seconds_now();
    rig_kill(victim);
    put(s, 1000 + round, 4096); /* asks all of them: the time-out is noticed, and told to others */
    rig_ok(ms_sleep(ms_clock_real(), UINT64_C(4000000000), &err), "sleep", &err);
    put(s, 2000 + round, 4096);
    double c = seconds_now();
    for (unsigned i = 0; i < FAR_CALLS; i++)
        call(s, FAR_CALLS + i);
    double d = seconds_now();
    pairs_add(p, b - a, d - c);
    rig_kill(NULL);
    ms_store_free(s);
}

static int far(const char *what, void (*call)(struct ms_store *s, unsigned number))
{
    struct pairs p = {.what = what, .wanted = 0.95};
    for (unsigned round = 0; round < rounds; round++)
        far_round(&p, call, round);
    return pairs_print(&p);
}

static void far_store(struct ms_store *s, unsigned number)
{
    put(s, 10000 + number, 4096);
}

static void far_load(struct ms_store *s, unsigned number)
{
    get(s, number % FAR_CALLS);
}

/* ---- heal ---- */

static void wipe(const char *member)
{
    char command[4400];
    snprintf(command, sizeof command, "find '%s/%s' -type f -size +100k -delete", folder, member);
    if (system(command))
        plain_die(command);
}

static void heal_all(struct ms_store *s)
{
    struct ms_upkeep_options options = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    options.jobs = HEAL_JOBS;
    options.from_start = true;
    rig_ok(ms_mstore_heal(s, &options, &report, &err), "heal", &err);
    if (report->repaired != HEAL_VALUES) {
        fprintf(stderr, "mstore-multi: %llu of %d values were healed\n",
                (unsigned long long)report->repaired, HEAL_VALUES);
        exit(1);
    }
    ms_upkeep_report_free(report);
}

static int heal(void)
{
    struct row r = {
        .wall = {.what = "heal: 48 copies of 4 MiB lost of one in three members", .wanted = 0.8}};
    char url[4200], path[4300];
    int from, to;
    snprintf(url, sizeof url, "file://%s/%%s?sync=full", folder);
    struct ms_store *s =
        rig_open(folder, &(struct rig_options){
                             .name = "heal",
                             .members = 3,
                             .url = url,
                             .policy = "kind = immutable\nredundancy = copies 3\nverify = none\n"});
    snprintf(path, sizeof path, "%s/source", folder);
    if (mkdir(path, 0700) || (from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        plain_die(path);
    for (unsigned i = 0; i < HEAL_VALUES; i++) {
        char name[80], *names = name;
        snprintf(name, sizeof name, "./%u", i);
        plain_store(from, &names, 1, bytes, 4 * MIB, 1);
        put(s, i, 4 * MIB);
    }
    for (unsigned round = 0; round <= rounds; round++) {
        wipe("heal-1");
        snprintf(path, sizeof path, "%s/target-%u", folder, round);
        if (mkdir(path, 0700) || (to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            plain_die(path);
        struct moment a = now();
        if (plain_copy(from, to, HEAL_JOBS) != HEAL_VALUES * 4 * MIB)
            plain_die("copying");
        struct moment b = now();
        heal_all(s);
        if (round)
            row_add(&r, a, b, now());
        close(to);
    }
    close(from);
    ms_store_free(s);
    return row_print(&r);
}

/* ---- the memory of a scrub ---- */

/* In KiB: "VmRSS", "VmHWM". */
static long memory(const char *what)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtol(line + strlen(what) + 1, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static int scrub(void)
{
    const unsigned keys = 1000000;
    struct ms_store *s =
        rig_open(folder, &(struct rig_options){
                             .name = "scrub",
                             .members = 2,
                             .url = "memory:%s",
                             .policy = "kind = immutable\nredundancy = copies 2\nverify = none\n"});
    for (unsigned i = 0; i < keys; i++)
        put(s, i, 16);
    FILE *f = fopen("/proc/self/clear_refs", "w"); /* the peak counts from here */
    if (!f || fputs("5", f) < 0 || fclose(f))
        plain_die("/proc/self/clear_refs");
    long before = memory("VmRSS");
    struct ms_upkeep_options options = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    struct moment a = now();
    rig_ok(ms_mstore_scrub(s, &options, &report, &err), "scrub", &err);
    struct moment b = now();
    printf("%u keys, each on two members: %llu seen, %llu wanting, %.1f s (%.1f s of processor), "
           "%ld KiB more than the %ld KiB before\n",
           keys, (unsigned long long)report->keys, (unsigned long long)report->wanting,
           b.wall - a.wall, b.cpu - a.cpu, memory("VmHWM") - before, before);
    bool clean = report->keys == keys && report->wanting == 0;
    ms_upkeep_report_free(report);
    ms_store_free(s);
    return clean;
}

/* ---- start ---- */

static void clean_up(void)
{
    char command[4352];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command))
        fprintf(stderr, "mstore-multi: could not remove %s\n", folder);
}

static void prepare(const char *where)
{
    char path[4096];
    struct ms_random random;
    if (!realpath(where, path))
        plain_die(where);
    snprintf(folder, sizeof folder, "%.3900s/mstore-multi.XXXXXX", path);
    bytes = malloc(64 * MIB);
    if (!mkdtemp(folder) || !bytes)
        plain_die(folder);
    ms_random_seed(&random, 7);
    for (size_t i = 0; i < 64 * MIB; i += 8) {
        uint64_t value = ms_random_u64(&random);
        memcpy(bytes + i, &value, 8);
    }
    atexit(clean_up);
    rig_register();
}

static const char *const plain = "kind = plain\nredundancy = all\n";
static const char *const framed = "kind = immutable\nredundancy = copies 3\nverify = none\n";

static int mirrors(void)
{
    int reached =
        mirror("mirror of three folders, 16 MiB", "mirror-large", plain, 16 * MIB, 4, 0.9);
    return reached &
           mirror("three framed copies in folders, 16 MiB", "copies-large", framed, 16 * MIB, 4, 0);
}

static int small(void)
{
    int reached = mirror("mirror of three folders, 4 KiB", "mirror-small", plain, 4096, 100, 0.9);
    return reached &
           mirror("three framed copies in folders, 4 KiB", "copies-small", framed, 4096, 100, 0);
}

static int deaths(void)
{
    int reached = far("stores at 20 ms, one of three dead, against healthy", far_store);
    return reached & far("loads at 20 ms, one of three dead, against healthy", far_load);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } parts[] = {{"shards", shards}, {"mirrors", mirrors}, {"small", small},
                 {"deaths", deaths}, {"heal", heal},       {"scrub", scrub}};
    if (argc > 1 && argv[1][0] == '-') {
        fprintf(stderr, "usage: mstore-multi [FOLDER [ROUNDS [PART...]]]\n"
                        "PART: shards mirrors small deaths heal (default: these) scrub\n");
        return 2;
    }
    prepare(argc > 1 ? argv[1] : ".");
    if (argc > 2)
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
    if (rounds < 1 || rounds > ROUNDS_MAX)
        rounds = 5;
    pairs_header();
    int reached = 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool wanted = argc <= 3 && parts[i].run != scrub;
        for (int k = 3; k < argc; k++)
            wanted |= strcmp(argv[k], parts[i].name) == 0;
        if (wanted)
            reached &= parts[i].run();
    }
    return reached ? 0 : 1;
}
