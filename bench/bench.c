/* bench/bench.c - mstore against plain loops, paired in one run: `mstore-bench [FOLDER] [ROUNDS]`.
 *
 * FOLDER lies on the storage to measure (default: the working folder); a folder of its own is made
 * in it and removed. Prints a Markdown table; exit code 1 when a wanted ratio was missed. */
#include "bench/pairs.h"
#include "bench/plain.h"

#include <mstore/mstore.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL         4096
#define SMALL_COUNT   1000
#define DURABLE_COUNT 300
#define LARGE         (256u << 20)
#define BLOCK         (1u << 20)
#define LIST_COUNT    50000
#define FAR_COUNT     64

static char folder[4096];
static unsigned rounds = 7;
static char *block;
static int root = -1;
static struct ms_error err;

static void ok(int code, const char *what)
{
    if (code) {
        fprintf(stderr, "mstore-bench: %s: %s\n", what, err.text);
        exit(1);
    }
}

static struct ms_store *open_store(const char *name, const char *options, unsigned levels)
{
    struct ms_namespace ns = {.name = "data", .levels = {levels}, .level_count = 1};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = &ns;
    o.namespace_count = 1;
    char url[4352];
    snprintf(url, sizeof url, "file://%s/%s?%s", folder, name, options);
    struct ms_store *store;
    ok(ms_store_new(url, &o, &store, &err), "new");
    int code = ms_store_create(store, &err);
    ok(code == MS_ERR_STORE_EXISTS ? 0 : code, "create");
    ok(ms_store_open(store, &err), "open");
    return store;
}

static char *keys[LIST_COUNT], *names[LIST_COUNT];

/* Keys "data/HEX" and their nested names: new ones for each seed, as a backup stores new values. */
static void make_names(size_t count, uint64_t seed)
{
    struct ms_random random;
    ms_random_seed(&random, seed);
    for (size_t i = 0; i < count; i++) {
        char hex[65];
        for (int k = 0; k < 4; k++)
            snprintf(hex + 16 * k, 17, "%016llx", (unsigned long long)ms_random_u64(&random));
        /* 16 folders, so that none of them is the measurement */
        hex[0] = hex[1] = '0';
        hex[2] = '0';
        if (!keys[i]) {
            keys[i] = malloc(80);
            names[i] = malloc(96);
        }
        snprintf(keys[i], 80, "data/%s", hex);
        snprintf(names[i], 96, "data/%.2s/%.2s/%s", hex, hex + 2, hex);
    }
}

static void store_each(struct ms_store *store, size_t count)
{
    struct ms_buf_borrowed place;
    struct ms_buf *value = ms_buf_borrow(&place, ms_view(block, SMALL));
    for (size_t i = 0; i < count; i++)
        ok(ms_store_store(store, ms_str(keys[i]), value, NULL, NULL, &err), "store");
}

static void load_each(struct ms_store *store, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ms_buf *value;
        ok(ms_store_load(store, ms_str(keys[i]), NULL, &value, &err), "load");
        ms_buf_unref(value);
    }
}

static int small_store(const char *what, const char *options, size_t count, int sync_all)
{
    struct pairs p = {.what = what, .wanted = 0.9};
    struct ms_store *store = open_store("ours", options, 2);
    for (unsigned round = 0; round <= rounds; round++) {
        make_names(count, round + 1);
        double a = seconds_now();
        plain_store(root, names, count, block, SMALL, sync_all);
        double b = seconds_now();
        store_each(store, count);
        if (round > 0) /* the first makes folders */
            pairs_add(&p, b - a, seconds_now() - b);
    }
    ms_store_free(store);
    return pairs_print(&p);
}

static int small_load(void)
{
    make_names(SMALL_COUNT, 1);
    struct pairs p = {.what = "4 KiB loads, one at a time", .wanted = 0.9};
    struct ms_store *store = open_store("ours", "sync=none", 2);
    for (unsigned round = 0; round <= rounds; round++) {
        double a = seconds_now();
        for (int k = 0; k < 10; k++)
            plain_load(root, names, SMALL_COUNT, SMALL);
        double b = seconds_now();
        for (int k = 0; k < 10; k++)
            load_each(store, SMALL_COUNT);
        if (round > 0)
            pairs_add(&p, b - a, seconds_now() - b);
    }
    ms_store_free(store);
    return pairs_print(&p);
}

static void store_large(struct ms_store *store)
{
    struct ms_store_writer *w;
    ok(ms_store_write(store, ms_str("data/large"), LARGE, NULL, &w, &err), "write");
    for (uint64_t at = 0; at < LARGE; at += BLOCK)
        ok(ms_store_writer_append(w, ms_view(block, BLOCK), &err), "append");
    ok(ms_store_writer_commit(w, NULL, &err), "commit");
}

static void load_large(struct ms_store *store)
{
    static uint8_t into[BLOCK];
    struct ms_store_reader *r;
    ok(ms_store_read(store, ms_str("data/large"), false, &r, &err), "read");
    size_t got;
    uint64_t at = 0;
    do {
        ok(ms_store_reader_read(r, at, into, BLOCK, &got, &err), "read");
        at += got;
    } while (got == BLOCK);
    ms_store_reader_close(r);
}

static int large(void)
{
    struct pairs s = {.what = "256 MiB store, sync=full", .wanted = 0.9};
    struct pairs l = {.what = "256 MiB load", .wanted = 0.9};
    struct ms_store *store = open_store("ours-large", "sync=full", 0);
    for (unsigned round = 0; round < rounds; round++) {
        double a = seconds_now();
        plain_store_large(root, "data/large", block, BLOCK, LARGE, 1);
        double b = seconds_now();
        store_large(store);
        double c = seconds_now();
        pairs_add(&s, b - a, c - b);
        plain_load_large(root, "data/large", BLOCK);
        double d = seconds_now();
        load_large(store);
        pairs_add(&l, d - c, seconds_now() - d);
    }
    ms_store_free(store);
    return pairs_print(&s) & pairs_print(&l);
}

static int batch(const char *what, const char *options, double wanted, uint64_t salt)
{
    struct pairs p = {.what = what, .wanted = wanted};
    struct ms_store *store = open_store("ours-batch", options, 2);
    struct ms_buf_borrowed place;
    struct ms_buf *value = ms_buf_borrow(&place, ms_view(block, SMALL));
    static struct ms_many items[SMALL_COUNT];
    for (size_t i = 0; i < SMALL_COUNT; i++)
        items[i] = (struct ms_many){.key = ms_str(keys[i]), .value = value};
    for (unsigned round = 0; round <= rounds; round++) {
        make_names(SMALL_COUNT, 1000 * salt + round);
        double a = seconds_now();
        plain_store(root, names, SMALL_COUNT, block, SMALL, 1);
        double b = seconds_now();
        ok(ms_store_store_many(store, items, SMALL_COUNT, 0, &err), "store many");
        if (round > 0)
            pairs_add(&p, b - a, seconds_now() - b);
    }
    ms_store_free(store);
    return pairs_print(&p);
}

/* Here "plain" is one load: the ratio shows how much longer 64 take than one. */
static int far_loads(void)
{
    struct pairs p = {.what = "64 loads in flight at 50 ms, against one (inverse: ≤ 1.5×)",
                      .wanted = 1 / 1.5};
    struct ms_store *store = open_store("ours", "sync=none&emulate.latency=50ms", 2);
    make_names(FAR_COUNT, 1);
    static struct ms_many items[FAR_COUNT];
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < FAR_COUNT; i++)
            items[i] = (struct ms_many){.key = ms_str(keys[i]), .size = MS_SIZE_TO_END};
        double a = seconds_now();
        load_each(store, 1);
        double b = seconds_now();
        ok(ms_store_load_many(store, items, FAR_COUNT, FAR_COUNT, &err), "load many");
        pairs_add(&p, b - a, seconds_now() - b);
        for (size_t i = 0; i < FAR_COUNT; i++)
            ms_buf_unref(items[i].value);
    }
    ms_store_free(store);
    return pairs_print(&p);
}

static size_t list_ours(struct ms_store *store, bool names_only)
{
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.names_only = names_only;
    struct ms_store_lister *lister;
    ok(ms_store_list(store, "data", &options, &lister, &err), "list");
    const struct ms_item *item;
    size_t count = 0;
    for (;;) {
        ok(ms_store_lister_next(lister, &item, &err), "list");
        if (!item)
            break;
        count++;
    }
    ms_store_lister_close(lister);
    return count;
}

static int listing(bool names_only)
{
    struct pairs p = {.what = names_only ? "listing of 50 000 names, flat, sorted"
                                         : "the same with sizes"};
    struct ms_store *store = open_store("ours-list", "sync=none", 0);
    int dir = openat(root, "../ours-list", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        plain_die("ours-list");
    for (unsigned round = 0; round < rounds; round++) {
        double a = seconds_now();
        size_t theirs = plain_list(dir, "data", !names_only);
        double b = seconds_now();
        size_t ours = list_ours(store, names_only);
        pairs_add(&p, b - a, seconds_now() - b);
        if (ours != theirs || ours != LIST_COUNT) {
            fprintf(stderr, "mstore-bench: %zu listed, %zu there\n", ours, theirs);
            exit(1);
        }
    }
    close(dir);
    ms_store_free(store);
    return pairs_print(&p);
}

static void fill_listing(void)
{
    struct ms_store *store = open_store("ours-list", "sync=none", 0);
    store_each(store, LIST_COUNT);
    ms_store_free(store);
}

static void prepare(const char *where)
{
    char path[4096];
    if (!realpath(where, path))
        plain_die(where);
    snprintf(folder, sizeof folder, "%.4000s/mstore-bench.XXXXXX", path);
    if (!mkdtemp(folder))
        plain_die(folder);
    char plain[4200];
    snprintf(plain, sizeof plain, "%s/plain", folder);
    int base = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0 || mkdirat(base, "plain", 0777) < 0)
        plain_die(plain);
    close(base);
    root = open(plain, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    block = malloc(BLOCK);
    if (root < 0 || !block)
        plain_die("preparing");
    struct ms_random random;
    ms_random_seed(&random, 7);
    for (size_t i = 0; i < BLOCK; i += 8) {
        uint64_t value = ms_random_u64(&random);
        memcpy(block + i, &value, 8);
    }
    make_names(LIST_COUNT, 1);
    plain_make_folders(root, names, SMALL_COUNT);
}

static void clean_up(void)
{
    char command[4352];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command))
        fprintf(stderr, "mstore-bench: could not remove %s\n", folder);
}

int main(int argc, char **argv)
{
    if (argc > 3 || (argc > 1 && argv[1][0] == '-')) {
        fprintf(stderr, "usage: mstore-bench [FOLDER] [ROUNDS]\n");
        return 2;
    }
    if (argc > 2)
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
    if (rounds < 1 || rounds > ROUNDS_MAX)
        rounds = 7;
    prepare(argc > 1 ? argv[1] : ".");
    atexit(clean_up);
    pairs_header();
    int reached = small_store("4 KiB stores, sync=full", "sync=full", DURABLE_COUNT, 1);
    reached &= small_store("4 KiB stores, sync=none", "sync=none", SMALL_COUNT, 0);
    reached &= small_load();
    reached &= large();
    reached &= batch("1000 × 4 KiB as one durable batch", "sync=full", 5, 1);
    reached &= batch("the same with batch-sync=syncfs", "sync=full&batch-sync=syncfs", 0, 2);
    reached &= far_loads();
    make_names(LIST_COUNT, 1);
    fill_listing();
    reached &= listing(true);
    reached &= listing(false);
    return reached ? 0 : 1;
}
