/* network_sftp_spread - a large value is read over several connections, and stays one version.
 *
 * The server is on this machine, so that one can see which of its processes have the value open. */
#include "support/check.h"

#include "base/pool.h"

#include <mstore/backend.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE  ((size_t)40 << 20)
#define PIECE ((size_t)1 << 20)

static const char *root;
static char store_name[64];
static struct ms_backend *b;
static struct ms_error err;

static uint8_t byte_at(uint64_t offset, unsigned version)
{
    return (uint8_t)(offset * 131 + (offset >> 13) + version);
}

static void put(const char *name, unsigned version)
{
    struct ms_buf *value = ms_buf_new(SIZE);
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i++)
        ms_buf_data(value)[i] = byte_at(i, version);
    check_ok(ms_backend_store(b, ms_str(name), value, NULL, NULL, &err), err);
    ms_buf_unref(value);
}

static void check_piece(struct ms_reader *r, uint64_t offset, unsigned version)
{
    static uint8_t into[PIECE];
    size_t got = 0;
    check_ok(ms_reader_read(r, offset, into, PIECE, &got, &err), err);
    assert_int_equal(got, PIECE);
    for (size_t i = 0; i < got; i++)
        if (into[i] != byte_at(offset + i, version))
            fail_msg("byte %llu is wrong", (unsigned long long)offset + i);
}

static unsigned opened_by(const char *process, const struct stat *value)
{
    char path[600];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%s/fd", process);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        snprintf(path, sizeof path, "/proc/%s/fd/%s", process, e->d_name);
        if (e->d_name[0] != '.' && stat(path, &st) == 0 && st.st_dev == value->st_dev &&
            st.st_ino == value->st_ino)
            count = 1;
    }
    if (d)
        closedir(d);
    return count;
}

/* How many processes have that file open. */
static unsigned opened(const struct stat *value)
{
    unsigned count = 0;
    DIR *d = opendir("/proc");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
            count += opened_by(e->d_name, value);
    closedir(d);
    return count;
}

/* Names in the store's root folder that are temporaries. */
static unsigned temporaries(void)
{
    char path[600];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/%s", root, store_name);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += strstr(e->d_name, ".tmp") != NULL;
    closedir(d);
    return count;
}

/* They are removed without waiting for the answer: soon there is none. */
static void check_no_temporaries(void)
{
    for (unsigned i = 0; i < 1000 && temporaries(); i++)
        usleep(10000);
    assert_int_equal(temporaries(), 0);
}

static void value_stat(const char *name, struct stat *out)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s/%s", root, store_name, name);
    assert_int_equal(stat(path, out), 0);
}

static void reads_over_all_connections(void **state)
{
    struct ms_reader *r = NULL;
    struct stat st;
    unsigned most = 0;
    (void)state;
    put("large", 1);
    value_stat("large", &st);
    check_ok(ms_backend_read(b, ms_str("large"), &r, &err), err);
    /* connections are made beside: as often as it takes, which is not often */
    for (unsigned round = 0; round < 200 && most < 3; round++)
        for (uint64_t at = 0; at < SIZE && most < 3; at += PIECE) {
            check_piece(r, at, 1);
            most = opened(&st) > most ? opened(&st) : most;
        }
    assert_true(most >= 3);
    for (uint64_t at = 0; at < SIZE; at += PIECE)
        check_piece(r, at, 1);
    ms_reader_close(r);
    check_ok(ms_backend_delete(b, ms_str("large"), &err), err);
    check_no_temporaries();
}

static void stays_with_its_version(void **state)
{
    struct ms_reader *r = NULL;
    (void)state;
    put("large", 1);
    check_ok(ms_backend_read(b, ms_str("large"), &r, &err), err);
    put("large", 2); /* of the same size, within the same second */
    for (uint64_t at = 0; at < SIZE; at += PIECE)
        check_piece(r, at, 1);
    for (uint64_t at = 0; at < SIZE; at += 7 * PIECE) /* and anywhere */
        check_piece(r, SIZE - PIECE - at, 1);
    ms_reader_close(r);
    check_ok(ms_backend_read(b, ms_str("large"), &r, &err), err);
    check_ok(ms_backend_delete(b, ms_str("large"), &err), err);
    check_piece(r, 0, 2);
    ms_reader_close(r);
    check_no_temporaries();
}

static int open_store(void **state)
{
    char url[1200];
    (void)state;
    const char *base = getenv("MS_TEST_SFTP_URL"), *options = base ? strchr(base, '?') : NULL;
    snprintf(store_name, sizeof store_name, "spread-%d", (int)getpid());
    snprintf(url, sizeof url, "%.*s/%s?%s%sconnections=4&sync=none",
             (int)(options ? options - base : (long)strlen(base)), base, store_name,
             options ? options + 1 : "", options ? "&" : "");
    check_ok(ms_backend_make(url, NULL, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    return 0;
}

static int remove_store(void **state)
{
    (void)state;
    check_ok(ms_backend_close(b, &err), err);
    check_ok(ms_backend_destroy(b, &err), err);
    ms_backend_free(b);
    ms_pool_shutdown();
    return 0;
}

int main(void)
{
    root = getenv("MS_TEST_SFTP_ROOT");
    if (!getenv("MS_TEST_SFTP_URL") || !root) {
        fputs("MS_TEST_SFTP_URL is not set: no server to talk to\n", stderr);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_over_all_connections),
        cmocka_unit_test(stays_with_its_version),
    };
    return cmocka_run_group_tests_name("spread", tests, open_store, remove_store);
}
