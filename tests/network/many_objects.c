/* tests/network/many_objects.c - many small values into a store, and all that were acknowledged
 * back.
 *
 *   many_objects load STORE.conf COUNT ACKED    values follow from their numbers; ACKED gets the
 *                                               numbers of those that were acknowledged
 *   many_objects compare STORE.conf ACKED       each of them, byte for byte
 *
 * The key is the SHA-256 of the value. On the public API alone. */
#include <mstore/mstore.h>

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH    256
#define SIZE_MIN 512
#define SIZE_ADD 3584

static void fail(const char *what, const struct ms_error *err)
{
    fprintf(stderr, "many_objects: %s: %s\n", what, err ? err->text : "");
    exit(1);
}

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct object {
    uint8_t bytes[SIZE_MIN + SIZE_ADD];
    size_t size;
    char key[5 + 64 + 1];
};

static void make(uint64_t number, struct object *o)
{
    uint8_t digest[32];
    o->size = SIZE_MIN + mix(number) % SIZE_ADD;
    for (size_t i = 0; i < o->size; i++)
        o->bytes[i] = (uint8_t)(mix(number * 8191 + i / 8) >> (i % 8 * 8));
    if (!EVP_Digest(o->bytes, o->size, digest, NULL, EVP_sha256(), NULL))
        fail("SHA-256", NULL);
    memcpy(o->key, "data/", 5);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(o->key + 5 + 2 * i, 3, "%02x", digest[i]);
}

static struct ms_store *open_store(const char *conf)
{
    struct ms_error err = {0};
    struct ms_store *store;
    if (ms_mstore_open(conf, NULL, &store, &err))
        fail(conf, &err);
    return store;
}

static void close_store(struct ms_store *store)
{
    struct ms_error err = {0};
    if (ms_store_close(store, &err))
        fail("close", &err);
    ms_store_free(store);
}

/* One batch; returns how many of it were acknowledged, and writes their numbers down at once. */
static size_t load_batch(struct ms_store *store, uint64_t first, size_t count, FILE *acked)
{
    static struct object objects[BATCH];
    static struct ms_many items[BATCH];
    struct ms_error err = {0};
    size_t good = 0;
    memset(items, 0, sizeof items);
    for (size_t i = 0; i < count; i++) {
        make(first + i, &objects[i]);
        items[i].key = ms_str(objects[i].key);
        items[i].value =
            ms_buf_copy((struct ms_view){.data = objects[i].bytes, .size = objects[i].size});
    }
    if (ms_store_store_many(store, items, count, 0, &err))
        fprintf(stderr, "many_objects: %s\n", err.text);
    for (size_t i = 0; i < count; i++) {
        if (items[i].code == 0) {
            fprintf(acked, "%" PRIu64 "\n", first + i);
            good++;
        }
        ms_buf_unref(items[i].value);
        free(items[i].error);
    }
    fflush(acked);
    return good;
}

static int load(const char *conf, uint64_t count, const char *path)
{
    struct ms_store *store = open_store(conf);
    FILE *acked = fopen(path, "w");
    uint64_t good = 0;
    if (!acked)
        fail(path, NULL);
    for (uint64_t first = 0; first < count; first += BATCH)
        good += load_batch(store, first, count - first < BATCH ? (size_t)(count - first) : BATCH,
                           acked);
    if (fclose(acked))
        fail(path, NULL);
    close_store(store);
    printf("%" PRIu64 " of %" PRIu64 " acknowledged\n", good, count);
    return 0;
}

static uint64_t compare_batch(struct ms_store *store, const uint64_t *numbers, size_t count)
{
    static struct object objects[BATCH];
    static struct ms_many items[BATCH];
    struct ms_error err = {0};
    uint64_t bad = 0;
    memset(items, 0, sizeof items);
    for (size_t i = 0; i < count; i++) {
        make(numbers[i], &objects[i]);
        items[i].key = ms_str(objects[i].key);
        items[i].size = MS_SIZE_TO_END;
    }
    if (ms_store_load_many(store, items, count, 0, &err))
        fprintf(stderr, "many_objects: %s\n", err.text);
    for (size_t i = 0; i < count; i++) {
        struct ms_view got = {0};
        if (items[i].code == 0)
            got = ms_buf_view(items[i].value);
        if (items[i].code || got.size != objects[i].size ||
            memcmp(got.data, objects[i].bytes, got.size) != 0) {
            fprintf(stderr, "many_objects: %s: %s\n", objects[i].key,
                    items[i].error  ? items[i].error
                    : items[i].code ? "failed"
                                    : "other bytes");
            bad++;
        }
        ms_buf_unref(items[i].value);
        free(items[i].error);
    }
    return bad;
}

static int compare(const char *conf, const char *path)
{
    struct ms_store *store = open_store(conf);
    FILE *acked = fopen(path, "r");
    uint64_t numbers[BATCH], all = 0, bad = 0;
    size_t count = 0;
    if (!acked)
        fail(path, NULL);
    while (fscanf(acked, "%" SCNu64, &numbers[count]) == 1) {
        all++;
        if (++count < BATCH)
            continue;
        bad += compare_batch(store, numbers, count);
        count = 0;
    }
    if (count)
        bad += compare_batch(store, numbers, count);
    fclose(acked);
    close_store(store);
    printf("%" PRIu64 " of %" PRIu64 " as stored\n", all - bad, all);
    return bad || !all;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "load"))
        return load(argv[2], strtoull(argv[3], NULL, 10), argv[4]);
    if (argc == 4 && !strcmp(argv[1], "compare"))
        return compare(argv[2], argv[3]);
    fprintf(stderr, "usage: many_objects load CONF COUNT ACKED | compare CONF ACKED\n");
    return 2;
}
