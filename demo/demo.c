/* demo/demo.c - mstore's main job on real files of this machine, step by step, each step checked.
 * On the public API alone: what is done here, any program can do.
 *
 *   mstore-demo URL
 */
#include "demo/files.h"
#include "demo/steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MOST 400

static const struct ms_namespace namespaces[] = {
    {.name = "data", .levels = {2}, .level_count = 1},
    {.name = "config", .levels = {0}, .level_count = 1},
};

static struct ms_store *make_store(const char *url)
{
    struct ms_error err = {0};
    struct ms_store_options options = MS_STORE_OPTIONS_INIT;
    options.namespaces = namespaces;
    options.namespace_count = 2;
    struct ms_store *store = NULL;
    check_ok(ms_store_new(url, &options, &store, &err), &err, "making the store");
    return store;
}

/* The store of this run: removed at the end, also when a check fails. */
static struct ms_store *to_remove;

static void remove_store(void)
{
    struct ms_error err = {0};
    if (!to_remove)
        return;
    int code = ms_store_close(to_remove, &err);
    if (!code || code == MS_ERR_MUST_BE_OPEN)
        code = ms_store_destroy(to_remove, &err);
    if (code)
        fprintf(stderr, "mstore-demo: could not remove the store: %s\n", err.text);
}

static void create(struct ms_store *store)
{
    step("Create a store and open it");
    struct ms_error err = {0};
    check_ok(ms_store_create(store, &err), &err, "create");
    to_remove = store;
    atexit(remove_store);
    check_ok(ms_store_open(store, &err), &err, "open");
    check(ms_store_create(store, &err) == MS_ERR_MUST_NOT_BE_OPEN,
          "a second create is refused: \"%s\"", err.text);
}

/* Stores all files in one batch: one payment for durability, not one per file. */
static void keep_files(struct ms_store *store, const struct demo_file *files, size_t count)
{
    step("Put real files in, each under the SHA-256 of its content");
    struct ms_error err = {0};
    struct ms_many *items = calloc(count, sizeof *items);
    check(items != NULL, "memory for %zu items", count);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        items[i].key = ms_str(files[i].key);
        items[i].value = files[i].content;
        bytes += ms_buf_size(files[i].content);
    }
    uint64_t begin = ms_clock_now(ms_clock_real());
    check_ok(ms_store_store_many(store, items, count, 0, &err), &err, "storing");
    uint64_t took = ms_clock_now(ms_clock_real()) - begin;
    tell("%zu files, %s, durable after %s", count, size_text(bytes), time_text(took));
    tell("for example %s", files[0].path);
    tell("        as  %s", files[0].key);
    const char *key = files[0].key + strlen("data/");
    tell("   kept at  data/%.2s/%.2s/%.12s…  (two levels of nesting)", key, key + 2, key);
    free(items);
}

static void get_back(struct ms_store *store, const struct demo_file *files, size_t count)
{
    step("Get them back and compare every byte");
    struct ms_error err = {0};
    struct ms_many *items = calloc(count, sizeof *items);
    check(items != NULL, "memory for %zu items", count);
    for (size_t i = 0; i < count; i++) {
        items[i].key = ms_str(files[i].key);
        items[i].size = MS_SIZE_TO_END;
    }
    check_ok(ms_store_load_many(store, items, count, 0, &err), &err, "loading");
    size_t same = 0;
    for (size_t i = 0; i < count; i++) {
        struct ms_view now = ms_buf_view(items[i].value), was = ms_buf_view(files[i].content);
        same += now.size == was.size && memcmp(now.data, was.data, was.size) == 0;
        ms_buf_unref(items[i].value);
    }
    free(items);
    check(same == count, "%zu of %zu files came back byte for byte", same, count);
}

static size_t list(struct ms_store *store, enum ms_list_deleted deleted, bool *sorted)
{
    struct ms_error err = {0};
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.deleted = deleted;
    struct ms_store_lister *lister;
    check_ok(ms_store_list(store, "data", &options, &lister, &err), &err, "listing");
    const struct ms_item *item;
    char before[128] = "";
    size_t count = 0;
    *sorted = true;
    int code;
    while ((code = ms_store_lister_next(lister, &item, &err)) == 0 && item) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)item->key.size, (const char *)item->key.data);
        *sorted = *sorted && strcmp(before, key) < 0;
        memcpy(before, key, sizeof before);
        count++;
    }
    check_ok(code, &err, "listing");
    ms_store_lister_close(lister);
    return count;
}

static void list_all(struct ms_store *store, size_t count)
{
    step("List the namespace: one sorted stream, whatever the nesting");
    bool sorted;
    size_t listed = list(store, MS_LIST_LIVE, &sorted);
    check(listed == count && sorted, "%zu keys, sorted", listed);
}

static void parts(struct ms_store *store, const struct demo_file *file)
{
    step("Load a part: the first and the last 32 bytes");
    struct ms_error err = {0};
    struct ms_view whole = ms_buf_view(file->content);
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    options.size = 32;
    struct ms_buf *part;
    check_ok(ms_store_load(store, ms_str(file->key), &options, &part, &err), &err, "loading");
    check(ms_buf_size(part) == 32 && memcmp(ms_buf_view(part).data, whole.data, 32) == 0,
          "offset 0, size 32");
    ms_buf_unref(part);
    options.offset = -32;
    check_ok(ms_store_load(store, ms_str(file->key), &options, &part, &err), &err, "loading");
    check(ms_buf_size(part) == 32 &&
              memcmp(ms_buf_view(part).data, whole.data + whole.size - 32, 32) == 0,
          "offset -32, size 32");
    ms_buf_unref(part);
}

static void soft_delete(struct ms_store *store, const struct demo_file *file, size_t count)
{
    step("Soft-delete an item, see it gone, bring it back");
    struct ms_error err = {0};
    struct ms_view key = ms_str(file->key);
    check_ok(ms_store_move(store, MS_MOVE_SOFT_DELETE, key, ms_view(NULL, 0), false, &err), &err,
             "soft delete");
    struct ms_buf *value;
    check(ms_store_load(store, key, NULL, &value, &err) == MS_ERR_NOT_FOUND,
          "a load finds nothing: \"%.60s…\"", err.text);
    bool sorted;
    check(list(store, MS_LIST_LIVE, &sorted) == count - 1, "the listing has one key less");
    check(list(store, MS_LIST_DELETED, &sorted) == 1, "the listing of deleted items has it");
    check_ok(ms_store_move(store, MS_MOVE_UNDELETE, key, ms_view(NULL, 0), false, &err), &err,
             "undelete");
    check_ok(ms_store_load(store, key, NULL, &value, &err), &err, "load");
    check(ms_buf_size(value) == ms_buf_size(file->content), "after undelete it is there again");
    ms_buf_unref(value);
}

static void hash(struct ms_store *store, const struct demo_file *file)
{
    step("Have the storage hash an item");
    struct ms_error err = {0};
    char hex[129];
    check_ok(ms_store_hash(store, ms_str(file->key), "sha256", false, hex, sizeof hex, &err), &err,
             "hash");
    check(strcmp(hex, file->key + strlen("data/")) == 0, "sha256 is the key: %.16s…", hex);
}

static void absent(struct ms_store *store)
{
    step("Store only if absent");
    struct ms_error err = {0};
    struct ms_buf_borrowed place;
    struct ms_buf *value = ms_buf_borrow(&place, ms_str("first come, first served"));
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    options.precondition.kind = MS_IF_ABSENT;
    struct ms_view key = ms_str("config/lock");
    check_ok(ms_store_store(store, key, value, &options, NULL, &err), &err, "store");
    check(ms_store_store(store, key, value, &options, NULL, &err) == MS_ERR_EXISTS,
          "the second one is refused: \"%s\"", err.text);
}

static uint64_t time_loads(struct ms_store *store, const struct demo_file *files, size_t count,
                           unsigned jobs)
{
    struct ms_error err = {0};
    struct ms_many *items = calloc(count, sizeof *items);
    check_ok(items ? 0 : MS_ERR_NO_MEMORY, &err, "memory");
    for (size_t i = 0; i < count; i++) {
        items[i].key = ms_str(files[i].key);
        items[i].size = MS_SIZE_TO_END;
    }
    uint64_t begin = ms_clock_now(ms_clock_real());
    check_ok(ms_store_load_many(store, items, count, jobs, &err), &err, "loading");
    uint64_t took = ms_clock_now(ms_clock_real()) - begin;
    for (size_t i = 0; i < count; i++)
        ms_buf_unref(items[i].value);
    free(items);
    return took;
}

/* The same store through a slow line: an emulator option in the URL. */
static void slow_line(const char *url, const struct demo_file *files, size_t count)
{
    step("The same store far away (50 ms): one after the other, then 64 in flight");
    struct ms_error err = {0};
    char slow[4096];
    /* a latency that the caller has asked for stays */
    bool own = strstr(url, "emulate.latency") != NULL;
    snprintf(slow, sizeof slow, "%s%c%s", url, strchr(url, '?') ? '&' : '?',
             own ? "" : "emulate.latency=50ms");
    struct ms_store *store = make_store(slow);
    check_ok(ms_store_open(store, &err), &err, "open");
    size_t few = count < 8 ? count : 8, many = count < 64 ? count : 64;
    uint64_t serial = time_loads(store, files, few, 1);
    uint64_t parallel = time_loads(store, files, many, 64);
    tell("%zu loads, one at a time:   %8s", few, time_text(serial));
    tell("%zu loads, 64 in flight:   %8s", many, time_text(parallel));
    check(own || serial > few * 50000000u, "each waits for the line when alone");
    check(own || parallel < serial, "together they wait once");
    check_ok(ms_store_close(store, &err), &err, "close");
    ms_store_free(store);
}

static void print_verb(const struct ms_entity_stats *entity, enum ms_verb verb)
{
    const struct ms_verb_stats *v = &entity->verbs[verb];
    if (!v->calls)
        return;
    tell("%-10s %-8s %6" PRIu64 " %6" PRIu64 " %10s %9s %9s %9s",
         entity->kind == MS_STATS_BACKEND ? "(backend)" : entity->name, ms_verb_name((int)verb),
         v->calls, v->errors, size_text(v->volume_bytes), time_text(ms_stats_quantile(v, 0.5)),
         time_text(ms_stats_quantile(v, 0.99)), time_text(v->emulated_ns));
}

static void statistics(void)
{
    step("What was counted on the way");
    struct ms_error err = {0};
    struct ms_stats_snapshot *snapshot;
    check_ok(ms_stats_take(&snapshot, &err), &err, "statistics");
    tell("%-10s %-8s %6s %6s %10s %9s %9s %9s", "", "", "calls", "errors", "volume", "p50", "p99",
         "emulated");
    uint64_t loads = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        for (int verb = 0; verb < MS_VERB_COUNT; verb++)
            print_verb(&snapshot->entities[i], (enum ms_verb)verb);
        if (snapshot->entities[i].kind == MS_STATS_NAMESPACE)
            loads += snapshot->entities[i].verbs[MS_VERB_LOAD].calls;
    }
    check(loads > 0, "%" PRIu64 " loads counted", loads);
    ms_stats_free(snapshot);
}

static void destroy(struct ms_store *store)
{
    step("Destroy the store");
    struct ms_error err = {0};
    check_ok(ms_store_close(store, &err), &err, "close");
    check_ok(ms_store_destroy(store, &err), &err, "destroy");
    to_remove = NULL;
    check(ms_store_open(store, &err) == MS_ERR_NO_STORE, "it is gone: \"%s\"", err.text);
}

int main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr,
                "usage: mstore-demo URL\n"
                "Shows mstore's main job on a new store at URL, which is removed at the end,\n"
                "for example: mstore-demo file:///tmp/demo-store\n");
        return 2;
    }
    const char *url = argv[1];
    static struct demo_file files[FILES_MOST];
    size_t count = find_files(files, FILES_MOST);
    check(count >= 2, "found %zu files of this machine to keep", count);

    struct ms_store *store = make_store(url);
    printf("\nmstore %s demo on %s\n", ms_version(), ms_store_url(store));
    create(store);
    keep_files(store, files, count);
    get_back(store, files, count);
    list_all(store, count);
    parts(store, &files[0]);
    soft_delete(store, &files[1], count);
    hash(store, &files[0]);
    absent(store);
    slow_line(url, files, count);
    statistics();
    destroy(store);
    ms_store_free(store);
    free_files(files, count);
    printf("\n%u checks, all as promised.\n", checks_done());
    return 0;
}
