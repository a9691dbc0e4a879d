/* The posix driver on disk: BorgStore's layout byte for byte, modes, temporaries, what is no value.
 */
#include "support/files.h"

#include "base/pool.h"

#include <mstore/mstore.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char folder[64];
static struct ms_error err;
static atomic_int syncs;
static const char *vanishing; /* the next rename's value and its folder go at once */

/* In libc's place: counts. */
int fsync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fsync, fd);
}

/* In libc's place: somebody deletes what was just published, and its folder. */
int renameat(int from, const char *old, int to, const char *new)
{
    int result = (int)syscall(SYS_renameat2, from, old, to, new, 0);
    if (result == 0 && vanishing) {
        assert_int_equal(unlinkat(to, new, 0), 0);
        assert_int_equal(rmdir(vanishing), 0);
        vanishing = NULL;
    }
    return result;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/mstore-posix.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *path(const char *name)
{
    static char ring[4][256];
    static unsigned at;
    char *text = ring[at++ % 4];
    snprintf(text, sizeof ring[0], "%s/%s", folder, name);
    return text;
}

static const char *url(const char *options)
{
    static char text[256];
    snprintf(text, sizeof text, "file://%s/store?%s", folder, options);
    return text;
}

static struct ms_backend *open_backend(const char *options)
{
    struct ms_backend *b;
    assert_int_equal(ms_backend_make(url(options), NULL, &b, &err), 0);
    int code = ms_backend_create(b, &err);
    assert_true(code == 0 || code == MS_ERR_STORE_EXISTS);
    assert_int_equal(ms_backend_open(b, &err), 0);
    return b;
}

static int put(struct ms_backend *b, const char *name, const char *value)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, ms_str(value)), NULL, NULL,
                            &err);
}

static void check_file(const char *name, const char *text)
{
    char got[256] = "";
    FILE *f = fopen(path(name), "r");
    if (!f)
        fail_msg("%s is not there", path(name));
    size_t size = fread(got, 1, sizeof got - 1, f);
    got[size] = 0;
    fclose(f);
    assert_string_equal(got, text);
}

static unsigned entries(const char *name)
{
    DIR *dir = opendir(path(name));
    assert_non_null(dir);
    unsigned count = 0;
    for (const struct dirent *e; (e = readdir(dir));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return count;
}

/* What BorgStore 0.6 makes of the same calls with {"data/": {"levels": [2]}, "config/": {"levels":
 * [0]}}. */
static void as_borgstore(void **state)
{
    (void)state;
    struct ms_namespace ns[] = {{.name = "data", .levels = {2}, .level_count = 1},
                                {.name = "config", .level_count = 0}};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = ns;
    o.namespace_count = 2;
    struct ms_store *s;
    struct ms_buf_borrowed place;
    assert_int_equal(ms_store_new(url("sync=none"), &o, &s, &err), 0);
    assert_int_equal(ms_store_create(s, &err), 0);
    assert_int_equal(entries("store"), 0); /* create leaves nothing inside */
    assert_int_equal(ms_store_open(s, &err), 0);
    static const char *const keys[] = {"data/0123456789abcdef", "data/abc", "data/a",
                                       "config/main"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(ms_store_store(s, ms_str(keys[i]), ms_buf_borrow(&place, ms_str(keys[i])),
                                        NULL, NULL, &err),
                         0);
    check_file("store/data/01/23/0123456789abcdef", "data/0123456789abcdef");
    check_file("store/data/ab/c/abc", "data/abc");
    check_file("store/data/a/a", "data/a"); /* pathlib drops the empty part */
    check_file("store/config/main", "config/main");
    assert_int_equal(
        ms_store_move(s, MS_MOVE_SOFT_DELETE, ms_str(keys[0]), ms_view(NULL, 0), false, &err), 0);
    check_file("store/data/01/23/0123456789abcdef.del", "data/0123456789abcdef");
    assert_int_equal(entries("store/data/01/23"), 1);
    /* and what BorgStore would have put there is found */
    assert_int_equal(mkdir(path("store/data/ff"), 0755), 0);
    assert_int_equal(mkdir(path("store/data/ff/ee"), 0755), 0);
    write_file(path("store/data/ff/ee/ffee01"), "theirs", 0644);
    write_file(path("store/data/ff/ee/ffee02.del"), "deleted", 0644);
    write_file(path("store/data/ff/ee/tmpabcdefgh.tmp"), "half", 0644);
    struct ms_buf *buf;
    assert_int_equal(ms_store_load(s, ms_str("data/ffee01"), NULL, &buf, &err), 0);
    assert_memory_equal(ms_buf_view(buf).data, "theirs", 6);
    ms_buf_unref(buf);
    assert_int_equal(
        ms_store_move(s, MS_MOVE_UNDELETE, ms_str("data/ffee02"), ms_view(NULL, 0), false, &err),
        0);
    check_file("store/data/ff/ee/ffee02", "deleted");
    ms_store_free(s);
}

static void modes(void **state)
{
    (void)state;
    mode_t before = umask(027);
    struct ms_backend *b = open_backend("sync=none");
    assert_int_equal(put(b, "data/01/x", "v"), 0);
    struct stat st;
    assert_int_equal(stat(path("store/data/01/x"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(path("store/data/01"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    umask(before);
    ms_backend_free(b);
}

/* Links at every place of a path: none is followed, nothing outside is touched or seen. */
static void no_way_out(const char *options)
{
    struct ms_backend *b = open_backend(options);
    assert_int_equal(mkdir(path("outside"), 0755), 0);
    write_file(path("outside/secret"), "secret", 0644);
    assert_int_equal(put(b, "data/01/x", "v"), 0);
    assert_int_equal(symlink("../outside", path("store/link")), 0);
    assert_int_equal(symlink("../../outside", path("store/data/link")), 0);
    assert_int_equal(symlink("../../outside/secret", path("store/data/file")), 0);
    assert_int_equal(symlink("/", path("store/data/rootlink")), 0);
    static const char *const names[] = {"link/secret", "data/link/secret",
                                        "data/file",   "data/rootlink/etc/passwd",
                                        "link/new",    "data/link/a/b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ms_buf *buf;
        struct ms_info info = {0};
        assert_int_not_equal(ms_backend_load(b, ms_str(names[i]), 0, 10, &buf, NULL, &err), 0);
        if (ms_backend_info(b, ms_str(names[i]), &info, &err) == 0)
            assert_false(info.exists);
        if (strcmp(names[i], "data/file") != 0) {
            assert_int_not_equal(put(b, names[i], "evil"), 0);
            assert_int_not_equal(ms_backend_delete(b, ms_str(names[i]), &err), 0);
            assert_int_not_equal(
                ms_backend_move(b, ms_str("data/01/x"), ms_str(names[i]), NULL, &err), 0);
            assert_int_not_equal(ms_backend_mkdir(b, ms_str(names[i]), &err), 0);
        }
    }
    struct ms_lister *l;
    assert_int_not_equal(ms_backend_list(b, ms_str("link"), NULL, &l, &err), 0);
    assert_int_equal(ms_backend_list(b, ms_str("data"), NULL, &l, &err), 0);
    const struct ms_entry *e;
    assert_int_equal(ms_lister_next(l, &e, &err), 0);
    assert_memory_equal(e->name.data, "01", 2);
    assert_int_equal(ms_lister_next(l, &e, &err), 0);
    assert_null(e);
    ms_lister_close(l);
    /* a store over the link itself replaces the link */
    assert_int_equal(put(b, "data/file", "mine"), 0);
    check_file("outside/secret", "secret");
    assert_int_equal(entries("outside"), 1);
    /* destroy removes links, not what they lead to */
    assert_int_equal(ms_backend_close(b, &err), 0);
    assert_int_equal(ms_backend_destroy(b, &err), 0);
    assert_int_equal(access(path("store"), F_OK), -1);
    check_file("outside/secret", "secret");
    ms_backend_free(b);
}

static void no_way_out_openat2(void **state)
{
    (void)state;
    no_way_out("sync=none");
}

static void no_way_out_walking(void **state)
{
    (void)state;
    no_way_out("sync=none&walk=1");
}

/* A FIFO must not hang a load; directories, sockets and the like are no values. */
static void no_values(void **state)
{
    (void)state;
    struct ms_backend *b = open_backend("sync=none");
    struct ms_buf *buf;
    struct ms_info info;
    assert_int_equal(put(b, "data/x", "v"), 0);
    assert_int_equal(mkfifo(path("store/data/fifo"), 0600), 0);
    assert_int_equal(ms_backend_load(b, ms_str("data/fifo"), 0, 10, &buf, NULL, &err),
                     MS_ERR_NOT_FOUND);
    assert_int_equal(ms_backend_info(b, ms_str("data/fifo"), &info, &err), 0);
    assert_false(info.exists);
    assert_int_equal(ms_backend_load(b, ms_str("data"), 0, 10, &buf, NULL, &err), MS_ERR_NOT_FOUND);
    assert_int_equal(put(b, "data", "v"), MS_ERR_EXISTS);
    assert_int_equal(put(b, "data/x/y", "v"), MS_ERR_EXISTS);
    ms_backend_free(b);
}

static void sweep(void **state)
{
    (void)state;
    struct ms_backend *b = open_backend("sync=none");
    assert_int_equal(put(b, "data/01/x", "v"), 0);
    write_file(path("store/data/01/tmp01234567.tmp"), "old", 0644);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path("store/data/01/tmp01234567.tmp"), old, 0), 0);
    write_file(path("store/data/01/tmp12345678.tmp"), "under way", 0644);
    uint64_t removed;
    assert_int_equal(ms_backend_sweep(b, UINT64_C(3600000000000), &removed, &err), 0);
    assert_int_equal(removed, 1);
    assert_int_equal(entries("store/data/01"), 2);
    ms_backend_free(b);
}

static void precious_folders(void **state)
{
    (void)state;
    struct ms_backend *b;
    assert_int_equal(ms_backend_make("file:///", NULL, &b, &err), 0);
    assert_int_equal(ms_backend_destroy(b, &err), MS_ERR_INVALID);
    assert_int_equal(ms_backend_create(b, &err), MS_ERR_STORE_EXISTS);
    ms_backend_free(b);
    assert_int_equal(setenv("HOME", folder, 1), 0);
    char home[128];
    snprintf(home, sizeof home, "file://%s", folder);
    write_file(path("mine"), "precious", 0644);
    assert_int_equal(ms_backend_make(home, NULL, &b, &err), 0);
    assert_int_equal(ms_backend_destroy(b, &err), MS_ERR_INVALID);
    check_file("mine", "precious");
    ms_backend_free(b);
}

static void urls(void **state)
{
    (void)state;
    static const char *const bad[] = {"file://host/path",     "file:relative",
                                      "file:///x?sync=maybe", "file:///x?unknown=1",
                                      "file://user:pw@/x",    "file:///a%00b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_backend *b;
        assert_int_equal(ms_backend_make(bad[i], NULL, &b, &err), MS_ERR_URL);
        assert_true(strlen(err.text) > 10);
        assert_null(strstr(err.text, "pw"));
    }
}

/* Folders that vanish while values are stored into them are made again. */
static void vanishing_folder(void **state)
{
    (void)state;
    struct ms_backend *b = open_backend("sync=full");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(put(b, "a/b/c", "v"), 0);
        assert_int_equal(ms_backend_delete(b, ms_str("a/b/c"), &err), 0);
        assert_int_equal(ms_backend_rmdir(b, ms_str("a/b"), &err), 0);
    }
    ms_backend_free(b);
}

/* ---- folders that vanish under a delete ---- */

struct removers {
    struct ms_backend *b;
    atomic_int round;
};

/* Removes each round's folders as soon as they are empty. */
static int remove_folders(void *arg)
{
    struct removers *r = arg;
    for (int round; (round = atomic_load(&r->round)) >= 0;) {
        char name[32];
        snprintf(name, sizeof name, "%d/d", round);
        (void)!ms_backend_rmdir(r->b, ms_str(name), NULL);
        (void)!ms_backend_rmdir(r->b, ms_view(name, strlen(name) - 2), NULL);
    }
    return 0;
}

/* What was deleted is deleted, also when its folders go before they are synced. */
static void deletes_survive_vanishing_folders(void **state)
{
    (void)state;
    struct ms_group *g;
    struct removers r = {.b = open_backend("sync=none")};
    struct ms_backend *b = open_backend("sync=full");
    assert_int_equal(ms_group_new(&g, &err), 0);
    assert_int_equal(ms_group_fork(g, remove_folders, NULL, &r, &err), 0);
    int failed = 0;
    for (int round = 1; round < 400 && !failed; round++) {
        char name[32];
        snprintf(name, sizeof name, "%d/d/v", round);
        failed = put(r.b, name, "x");
        atomic_store(&r.round, round);
        if (!failed)
            failed = ms_backend_delete(b, ms_str(name), &err);
    }
    atomic_store(&r.round, -1);
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    ms_backend_free(b);
    ms_backend_free(r.b);
    ms_pool_shutdown();
    assert_string_equal(ms_code_name(failed), "OK");
}

/* So is a batch, also when a folder goes between its renames and its syncs. */
static void batch_survives_a_vanishing_folder(void **state)
{
    (void)state;
    struct ms_backend *b = open_backend("sync=full");
    struct ms_batch *batch;
    struct ms_buf_borrowed place;
    assert_int_equal(ms_backend_batch(b, &batch, &err), 0);
    assert_int_equal(
        ms_batch_store(batch, ms_str("d/v"), ms_buf_borrow(&place, ms_str("x")), NULL, &err), 0);
    vanishing = path("store/d");
    int code = ms_batch_commit(batch, &err);
    assert_null(vanishing);
    assert_string_equal(ms_code_name(code), "OK");
    ms_backend_free(b);
    ms_pool_shutdown();
}

static int syncs_of_put(struct ms_backend *b, const char *name)
{
    atomic_store(&syncs, 0);
    assert_int_equal(put(b, name, "x"), 0);
    return atomic_load(&syncs);
}

/* Another process made the folder again, under a name that this handle knew as durable. */
static void remade_folder_is_synced(void **state)
{
    (void)state;
    struct ms_backend *b = open_backend("sync=full");
    assert_int_equal(put(b, "d/1", "x"), 0);
    assert_int_equal(syncs_of_put(b, "d/2"), 2); /* the value, the folder */
    assert_int_equal(rename(path("store/d"), path("store/was")), 0);
    assert_int_equal(mkdir(path("store/d"), 0777), 0);
    assert_int_equal(syncs_of_put(b, "d/3"), 3); /* and what leads to it */
    assert_int_equal(syncs_of_put(b, "d/4"), 2);
    ms_backend_free(b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(as_borgstore),
        T(modes),
        T(no_way_out_openat2),
        T(no_way_out_walking),
        T(no_values),
        T(sweep),
        T(precious_folders),
        T(urls),
        T(vanishing_folder),
        T(deletes_survive_vanishing_folders),
        T(batch_survives_a_vanishing_folder),
        T(remade_folder_is_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
