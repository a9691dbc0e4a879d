/* Sorting any number of names in bounded memory, and a million items in one flat directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/mstore.h>

#include "backends/posix/sort.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY    60000u /* the sanitizers' own memory says nothing of ours */
#define BOUNDED 0
#else
#define MANY    1000000u
#define BOUNDED 1
#endif

static struct ms_error err;

static size_t peak_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    size_t kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %zu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

/* A permutation of 0..MANY-1, so that order and completeness are easy to see. */
static void name_of(size_t i, char name[24])
{
    snprintf(name, 24, "%016llx", (unsigned long long)(i * 7919u % MANY));
}

static void check_order(struct ms_sorter *s, size_t expected)
{
    struct ms_view name;
    uint8_t kind;
    for (size_t i = 0; i < expected; i++) {
        char want[24];
        snprintf(want, sizeof want, "%016llx", (unsigned long long)i);
        assert_int_equal(ms_sorter_next(s, &name, &kind, &err), 0);
        assert_int_equal(name.size, 16);
        assert_memory_equal(name.data, want, 16);
        assert_int_equal(kind, i % 5);
    }
}

static struct ms_sorter *fill(size_t memory, uint64_t limit)
{
    struct ms_sorter *s;
    assert_int_equal(ms_sorter_new(limit, memory, &s, &err), 0);
    for (size_t i = 0; i < MANY; i++) {
        char name[24];
        name_of(i, name);
        assert_int_equal(ms_sorter_add(s, ms_str(name), (uint8_t)(i * 7919u % MANY % 5), &err), 0);
    }
    assert_int_equal(ms_sorter_finish(s, &err), 0);
    return s;
}

static void spilled(void **state)
{
    (void)state;
    struct ms_sorter *s = fill(256 * 1024, 0);
    assert_true(ms_sorter_runs(s) > 3);
    check_order(s, MANY);
    struct ms_view name;
    uint8_t kind;
    assert_int_equal(ms_sorter_next(s, &name, &kind, &err), 0);
    assert_int_equal(name.size, 0);
    ms_sorter_free(s);
}

static void smallest_only(void **state)
{
    (void)state;
    struct ms_sorter *s = fill(256 * 1024, 100);
    assert_int_equal(ms_sorter_runs(s), 0); /* nothing needed the disk */
    check_order(s, 100);
    ms_sorter_free(s);
}

static void repetitions(void **state)
{
    (void)state;
    struct ms_sorter *s;
    assert_int_equal(ms_sorter_new(0, 64 * 1024, &s, &err), 0);
    for (int round = 0; round < 3000; round++)
        for (char c = 'a'; c <= 'e'; c++)
            assert_int_equal(ms_sorter_add(s, ms_view(&c, 1), 1, &err), 0);
    assert_int_equal(ms_sorter_finish(s, &err), 0);
    struct ms_view name;
    uint8_t kind;
    for (char c = 'a'; c <= 'e'; c++) {
        assert_int_equal(ms_sorter_next(s, &name, &kind, &err), 0);
        assert_memory_equal(name.data, &c, 1);
    }
    assert_int_equal(ms_sorter_next(s, &name, &kind, &err), 0);
    assert_int_equal(name.size, 0);
    ms_sorter_free(s);
}

static void no_temporary_folder(void **state)
{
    (void)state;
    char before[256];
    snprintf(before, sizeof before, "%s", getenv("TMPDIR") ? getenv("TMPDIR") : "");
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    struct ms_sorter *s;
    assert_int_equal(ms_sorter_new(0, 16 * 1024, &s, &err), 0);
    int code = 0;
    for (size_t i = 0; !code && i < 5000; i++) {
        char name[24];
        name_of(i, name);
        code = ms_sorter_add(s, ms_str(name), 1, &err);
    }
    assert_int_equal(code, MS_ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent"));
    ms_sorter_free(s);
    if (*before)
        assert_int_equal(setenv("TMPDIR", before, 1), 0);
    else
        assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void make_many(const char *store)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/data", store);
    assert_int_equal(mkdir(dir, 0755), 0);
    int at = open(dir, O_RDONLY | O_DIRECTORY);
    assert_true(at >= 0);
    char source[24];
    for (size_t i = 0; i < MANY; i++) {
        char name[24];
        name_of(i, name);
        /* hard links are cheaper than files; a file system allows so many of one */
        if (i % 30000 == 0) {
            int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
            assert_true(fd >= 0);
            assert_int_equal(write(fd, "v", 1), 1);
            close(fd);
            memcpy(source, name, sizeof source);
        } else {
            assert_int_equal(linkat(at, source, at, name, 0), 0);
        }
    }
    close(at);
}

static void a_million_items(void **state)
{
    (void)state;
    const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char store[64], url[128];
    snprintf(store, sizeof store, "%s/mstore-million.XXXXXX", shm);
    assert_non_null(mkdtemp(store));
    make_many(store);
    snprintf(url, sizeof url, "file://%s", store);
    struct ms_store *s;
    assert_int_equal(ms_store_new(url, NULL, &s, &err), 0);
    assert_int_equal(ms_store_open(s, &err), 0);
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    for (int round = 0; round < 2; round++) {
        o.names_only = round == 0;
        size_t before = peak_kib();
        struct ms_store_lister *l;
        assert_int_equal(ms_store_list(s, "data", &o, &l, &err), 0);
        const struct ms_item *item;
        for (size_t i = 0; i < MANY; i++) {
            char want[24];
            snprintf(want, sizeof want, "%016llx", (unsigned long long)i);
            assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
            assert_non_null(item);
            if (memcmp(item->key.data, want, 16) != 0)
                fail_msg("item %zu is %s", i, MS_SHOW(item->key));
        }
        assert_int_equal(ms_store_lister_next(l, &item, &err), 0);
        assert_null(item);
        ms_store_lister_close(l);
        size_t grown = peak_kib() - before;
        if (BOUNDED && grown > 40 * 1024)
            fail_msg("a listing of %u items took %zu KiB", MANY, grown);
    }
    /* resumed in the middle */
    char from[24];
    snprintf(from, sizeof from, "%016llx", (unsigned long long)(MANY - 10));
    o.start_after = ms_str(from);
    o.limit = 5;
    struct ms_store_lister *l;
    assert_int_equal(ms_store_list(s, "data", &o, &l, &err), 0);
    const struct ms_item *item;
    size_t count = 0;
    while (ms_store_lister_next(l, &item, &err) == 0 && item)
        count++;
    assert_int_equal(count, 5);
    ms_store_lister_close(l);
    assert_int_equal(ms_store_close(s, &err), 0);
    assert_int_equal(ms_store_destroy(s, &err), 0);
    ms_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_items),     cmocka_unit_test(spilled),
        cmocka_unit_test(smallest_only),       cmocka_unit_test(repetitions),
        cmocka_unit_test(no_temporary_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
