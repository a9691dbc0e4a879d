/* A full disk: a real file system of 1 MiB (and one of few inodes), mounted in a namespace of our
 * own. Running out of space is NO_SPACE, leaves old values and nothing half, and is over once
 * something was removed. As a member of a store of many it is passed over.
 *
 * The program runs itself again inside `unshare -rm`; where that is forbidden it says so and is
 * skipped (see tests/skips.txt). */
#include "support/check.h"
#include "support/scratch.h"

#include "base/pool.h"
#include "base/text.h"

#include <mstore/backend.h>
#include <mstore/multi.h>

#include <errno.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define SKIPPED     77
#define VALUE_BYTES 100000

static char root[150], beside[150]; /* where it is mounted; a folder with room */
static unsigned temporaries;

/* ---- the file system ---- */

static struct ms_backend *mounted(const char *limits)
{
    struct ms_error err = {0};
    struct ms_backend *b;
    char url[160];
    if (mount("tmpfs", root, "tmpfs", 0, limits) < 0)
        fail_msg("mount %s: %s", limits, strerror(errno));
    snprintf(url, sizeof url, "file://%s", root);
    check_ok(ms_backend_make(url, NULL, &b, &err), err);
    check_ok(ms_backend_open(b, &err), err);
    return b;
}

static void unmounted(struct ms_backend *b)
{
    ms_backend_free(b);
    if (umount(root) < 0)
        fail_msg("umount: %s", strerror(errno)); /* also when a descriptor is left */
}

static int count_temporary(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    temporaries += ms_ends_with(ms_str(path), ms_str(".tmp"));
    return 0;
}

static void check_no_temporaries(void)
{
    temporaries = 0;
    nftw(root, count_temporary, 16, FTW_PHYS);
    assert_int_equal(temporaries, 0);
}

/* ---- values ---- */

static struct ms_view value_of(uint8_t fill)
{
    static uint8_t bytes[VALUE_BYTES];
    memset(bytes, fill, sizeof bytes);
    return ms_view(bytes, sizeof bytes);
}

static int put(struct ms_backend *b, const char *name, uint8_t fill, struct ms_error *err)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, value_of(fill)), NULL, NULL,
                            err);
}

/* The byte the value is filled with; 0: there is none. Anything half fails. */
static uint8_t fill_of(struct ms_backend *b, const char *name)
{
    struct ms_error err = {0};
    struct ms_buf *value;
    int rc = ms_backend_load(b, ms_str(name), 0, MS_SIZE_TO_END, &value, NULL, &err);
    if (rc == MS_ERR_NOT_FOUND)
        return 0;
    check_ok(rc, err);
    assert_int_equal(ms_buf_size(value), VALUE_BYTES);
    uint8_t fill = ms_buf_view(value).data[0];
    assert_memory_equal(ms_buf_view(value).data, value_of(fill).data, VALUE_BYTES);
    ms_buf_unref(value);
    return fill;
}

/* Stores until nothing more fits; how many did. */
static unsigned fill_up(struct ms_backend *b, struct ms_error *err)
{
    for (unsigned count = 0; count < 100; count++) {
        char name[32];
        snprintf(name, sizeof name, "d/%u", count);
        int rc = put(b, name, (uint8_t)(count + 1), err);
        if (rc == 0)
            continue;
        check_code(rc, MS_ERR_NO_SPACE, *err);
        check_text(*err, name);
        assert_int_equal(fill_of(b, name), 0);
        check_no_temporaries();
        for (unsigned i = 0; i < count; i++) {
            snprintf(name, sizeof name, "d/%u", i);
            assert_int_equal(fill_of(b, name), i + 1);
        }
        return count;
    }
    fail_msg("the file system never fills up");
    return 0;
}

/* ---- the tests ---- */

static void test_store(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *b = mounted("size=1m");
    unsigned count = fill_up(b, &err);
    assert_in_range(count, 5, 10);
    check_text(err, "space");
    check_code(put(b, "d/0", 99, &err), MS_ERR_NO_SPACE, err); /* replace: the old one stays */
    assert_int_equal(fill_of(b, "d/0"), 1);
    check_no_temporaries();
    check_ok(ms_backend_delete(b, ms_str("d/1"), &err), err);
    check_ok(put(b, "d/0", 99, &err), err);
    assert_int_equal(fill_of(b, "d/0"), 99);
    unmounted(b);
}

static void test_writer(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *b = mounted("size=1m");
    fill_up(b, &err);
    struct ms_writer *w;
    check_ok(ms_backend_write(b, ms_str("d/0"), 0, NULL, &w, &err), err);
    int rc = 0;
    for (int i = 0; rc == 0 && i < 10; i++)
        rc = ms_writer_append(w, value_of(7), &err);
    check_code(rc, MS_ERR_NO_SPACE, err);
    ms_writer_abort(w);
    assert_int_equal(fill_of(b, "d/0"), 1);
    check_no_temporaries();
    unmounted(b);
}

static uint64_t free_bytes(void)
{
    struct statvfs fs;
    assert_int_equal(statvfs(root, &fs), 0);
    return (uint64_t)fs.f_bavail * fs.f_bsize;
}

static uint64_t size_of(struct ms_backend *b, const char *name)
{
    struct ms_error err = {0};
    struct ms_info info;
    check_ok(ms_backend_info(b, ms_str(name), &info, &err), err);
    return info.size_bytes;
}

/* Who says how much will come is told at once that it has no room, and keeps no more of it than he
 * uses. */
static void test_reserve(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_writer *w;
    struct ms_backend *b = mounted("size=1m");
    check_ok(put(b, "d/0", 1, &err), err);
    check_code(ms_backend_write(b, ms_str("d/1"), 1000000, NULL, &w, &err), MS_ERR_NO_SPACE, err);
    check_no_temporaries();
    uint64_t before = free_bytes();
    check_ok(ms_backend_write(b, ms_str("d/1"), 600000, NULL, &w, &err), err);
    assert_true(free_bytes() <= before - 600000);
    check_ok(ms_writer_append(w, value_of(2), &err), err);
    check_ok(ms_writer_commit(w, NULL, &err), err);
    assert_true(free_bytes() >= before - VALUE_BYTES - 16384);
    assert_int_equal(fill_of(b, "d/1"), 2);
    check_ok(ms_backend_write(b, ms_str("d/2"), 300000, NULL, &w, &err), err);
    for (int i = 0; i < 4; i++) /* more than was said */
        check_ok(ms_writer_append(w, value_of(3), &err), err);
    check_ok(ms_writer_commit(w, NULL, &err), err);
    assert_int_equal(size_of(b, "d/2"), 4 * VALUE_BYTES);
    unmounted(b);
}

static void test_batch(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *b = mounted("size=1m");
    struct ms_batch *batch;
    check_ok(put(b, "d/0", 1, &err), err);
    check_ok(ms_backend_batch(b, &batch, &err), err);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 20; i++) {
        char name[32];
        struct ms_buf_borrowed place;
        snprintf(name, sizeof name, "d/%u", i);
        rc = ms_batch_store(batch, ms_str(name), ms_buf_borrow(&place, value_of(9)), NULL, &err);
    }
    check_code(rc, MS_ERR_NO_SPACE, err);
    ms_batch_abort(batch);
    assert_int_equal(fill_of(b, "d/0"), 1);
    assert_int_equal(fill_of(b, "d/1"), 0);
    check_no_temporaries();
    unmounted(b);
}

static void test_no_inodes(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *b = mounted("size=10m,nr_inodes=12");
    unsigned count = fill_up(b, &err);
    assert_in_range(count, 5, 10);
    check_code(ms_backend_mkdir(b, ms_str("e/f"), &err), MS_ERR_NO_SPACE, err);
    check_code(put(b, "e/f/g", 1, &err), MS_ERR_NO_SPACE, err);
    check_ok(ms_backend_delete(b, ms_str("d/0"), &err), err);
    check_ok(put(b, "d/0", 5, &err), err);
    unmounted(b);
}

/* The command line says so too: a sentence about space and the exit code of an error. */
static void test_command_line(void **state)
{
    (void)state;
    const char *tool = getenv("MSTORE_TOOL");
    if (!tool || access(tool, X_OK) < 0) {
        print_message("no command line was built\n");
        return;
    }
    struct ms_error err = {0};
    struct ms_backend *b = mounted("size=1m");
    char command[512], line[512] = "";
    fill_up(b, &err);
    snprintf(command, sizeof command,
             "head -c 2000000 /dev/zero | '%s' put 'file://%s' d/big - 2>&1", tool, root);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof line, out));
    int status = pclose(out);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    if (!strstr(line, "space"))
        fail_msg("the command line says \"%s\"", line);
    check_no_temporaries();
    unmounted(b);
}

/* ---- as one of several members ---- */

#define KEYS 6

static unsigned stores;

/* The small file system is one of four members. */
static void write_conf(const char *path, const char *policy)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064u\n[member small]\nurl = file://%s/store\n", ++stores, root);
    for (int i = 0; i < 3; i++)
        fprintf(f, "[member m%d]\nurl = file://%s/m%u-%d?sync=none\n", i, beside, stores, i);
    fprintf(f, "[namespace data]\nkind = immutable\n%s", policy);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
}

static struct ms_store *store_of_many(const char *policy)
{
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    struct ms_error err = {0};
    struct ms_store *store = NULL;
    char path[200];
    snprintf(path, sizeof path, "%s/home.conf", beside);
    write_conf(path, policy);
    o.ignore_environment = true;
    o.state_folder = "";
    check_ok(ms_mstore_new(path, &o, &store, &err), err);
    check_ok(ms_store_create(store, &err), err);
    check_ok(ms_store_open(store, &err), err);
    return store;
}

static int stream_to(struct ms_store *store, const char *key, unsigned pieces, bool known,
                     struct ms_error *err)
{
    struct ms_store_writer *w = NULL;
    uint64_t size = known ? pieces * (uint64_t)VALUE_BYTES : 0;
    int code = ms_store_write(store, ms_str(key), size, NULL, &w, err);
    if (code)
        return code;
    for (unsigned i = 0; i < pieces && !code; i++)
        code = ms_store_writer_append(w, value_of((uint8_t)i), err);
    if (!code)
        return ms_store_writer_commit(w, NULL, err);
    ms_store_writer_abort(w);
    return code;
}

static void check_value(struct ms_store *store, const char *key, unsigned pieces)
{
    struct ms_error err = {0};
    struct ms_buf *value;
    check_ok(ms_store_load(store, ms_str(key), NULL, &value, &err), err);
    assert_int_equal(ms_buf_size(value), pieces * (size_t)VALUE_BYTES);
    for (unsigned i = 0; i < pieces; i++)
        assert_memory_equal(ms_buf_view(value).data + (size_t)i * VALUE_BYTES,
                            value_of((uint8_t)i).data, VALUE_BYTES);
    ms_buf_unref(value);
}

/* Each by a new store, which does not know yet who is full. */
static void check_streams(const char *policy, const char *limits, unsigned pieces, bool known)
{
    struct ms_error err = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        struct ms_backend *b = mounted(limits);
        struct ms_store *store = store_of_many(policy);
        char key[32];
        snprintf(key, sizeof key, "data/%u", i);
        for (char name[] = "d/0"; name[2] < '5'; name[2]++)
            check_ok(put(b, name, 1, &err), err);
        check_ok(stream_to(store, key, pieces, known, &err), err);
        check_value(store, key, pieces);
        ms_store_free(store);
        ms_pool_shutdown();
        unmounted(b);
    }
}

/* Nobody notices: neither where half of a value has room, nor where a long one would be full when
 * what came first is not held any more, but its length was told. */
static void test_member(void **state)
{
    (void)state;
    static const char *const policies[] = {"redundancy = copies 2\n", "redundancy = ec 2+1\n"};
    for (unsigned i = 0; i < 2; i++) {
        check_streams(policies[i], "size=1m", 12, true);
        check_streams(policies[i], "size=1m", 12, false);
        check_streams(policies[i], "size=9500k", 200, true);
    }
}

static void run_tool(const char *tool, const char *arguments)
{
    char command[700];
    snprintf(command, sizeof command, "MSTORE_STATE_DIR= '%s' %s", tool, arguments);
    int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("%s: %d", command, status);
}

/* The command line begins again where it has a file: here nobody can say how much will come. */
static void test_put_again(void **state)
{
    (void)state;
    const char *tool = getenv("MSTORE_TOOL");
    if (!tool || access(tool, X_OK) < 0) {
        print_message("no command line was built\n");
        return;
    }
    struct ms_backend *b = mounted("size=12m");
    char text[500];
    snprintf(text, sizeof text, "head -c 16000000 /dev/urandom > '%s/value'", beside);
    assert_int_equal(system(text), 0);
    ms_store_free(store_of_many("redundancy = copies 2\ncompress = zstd\n"));
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(text, sizeof text, "put '%s/home.conf' data/%u '%s/value'", beside, i, beside);
        run_tool(tool, text);
        snprintf(text, sizeof text, "get '%s/home.conf' data/%u - | cmp - '%s/value'", beside, i,
                 beside);
        run_tool(tool, text);
    }
    unmounted(b);
}

/* ---- in and out of the namespace ---- */

static int run(char *const command[])
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static int outside(char *self)
{
    char *probe[] = {(char[]){"unshare"}, (char[]){"-rm"}, (char[]){"true"}, NULL};
    char *inside[] = {(char[]){"unshare"}, (char[]){"-rm"}, self, (char[]){"inside"}, NULL};
    int rc = run(probe);
    if (rc != 0) {
        fprintf(stderr, "skipped: no small file system can be mounted, since `unshare -rm` is %s\n",
                rc == 127 ? "missing" : "forbidden");
        return SKIPPED;
    }
    return run(inside);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store),     cmocka_unit_test(test_writer),
        cmocka_unit_test(test_reserve),   cmocka_unit_test(test_member),
        cmocka_unit_test(test_put_again), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_no_inodes), cmocka_unit_test(test_command_line),
    };
    if (argc < 2)
        return outside(argv[0]);
    struct scratch scratch;
    if (!scratch_make(&scratch))
        return 1;
    snprintf(root, sizeof root, "%s/small", scratch.path);
    snprintf(beside, sizeof beside, "%s/large", scratch.path);
    if (mkdir(root, 0700) < 0 || mkdir(beside, 0700) < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ms_pool_shutdown();
    scratch_remove(&scratch);
    return failed;
}
