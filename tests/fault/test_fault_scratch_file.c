/* base/scratch_file.c: files without a name: bytes at any place, and what happens where the folder
 * or the file system is not as one would wish. */
#include "base/scratch_file.h"

#include "support/check.h"
#include "support/scratch.h"
#include "support/wrapio.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct scratch scratch;
static struct ms_error err;

static int setup(void **state)
{
    (void)state;
    if (!scratch_make(&scratch))
        return -1;
    return setenv("TMPDIR", scratch.path, 1);
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

static unsigned names_in(const char *folder)
{
    unsigned count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void check_bytes(int file)
{
    uint8_t bytes[8] = {0};
    check_ok(ms_scratch_file_write(file, 5, ms_str("world"), &err), err);
    check_ok(ms_scratch_file_write(file, 0, ms_str("hello"), &err), err);
    check_ok(ms_scratch_file_write(file, 3, ms_view(NULL, 0), &err), err);
    check_ok(ms_scratch_file_read(file, 3, bytes, 4, &err), err);
    assert_memory_equal(bytes, "lowo", 4);
    check_code(ms_scratch_file_read(file, 5, bytes, 6, &err), MS_ERR_IO, err);
    check_text(err, "has got shorter");
}

static void bytes_lie_where_they_were_put_and_leave_no_name(void **state)
{
    int file = -1;
    (void)state;
    check_ok(ms_scratch_file_open(&file, &err), err);
    check_bytes(file);
    assert_int_equal(names_in(scratch.path), 0);
    close(file);
}

/* A file system that makes no file without a name: one with a name, which goes at once. */
static void a_file_system_without_nameless_files(void **state)
{
    static const int refusals[] = {EOPNOTSUPP, EISDIR, EINVAL};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        int file = -1;
        wrapio_arm(0, refusals[i]);
        check_ok(ms_scratch_file_open(&file, &err), err);
        assert_string_equal(wrapio_disarm(), "open");
        assert_int_equal(names_in(scratch.path), 0);
        check_bytes(file);
        close(file);
    }
}

static void a_folder_that_is_full_or_not_there(void **state)
{
    int file = -1;
    (void)state;
    wrapio_arm(0, ENOSPC);
    check_code(ms_scratch_file_open(&file, &err), MS_ERR_NO_SPACE, err);
    assert_non_null(wrapio_disarm());
    check_text(err, "no temporary file in ");
    check_text(err, "TMPDIR names another folder");
    setenv("TMPDIR", "/nowhere/at/all", 1);
    check_code(ms_scratch_file_open(&file, &err), MS_ERR_IO, err); /* NOT_FOUND is for items */
    assert_int_equal(err.code, MS_ERR_IO);
    check_text(err, "/nowhere/at/all");
    assert_int_equal(ms_scratch_file_open(&file, NULL), MS_ERR_IO);
    setenv("TMPDIR", "relative", 1); /* not believed */
    check_ok(ms_scratch_file_open(&file, &err), err);
    close(file);
    setenv("TMPDIR", scratch.path, 1);
}

static void short_and_failing_writes(void **state)
{
    int file = -1;
    uint8_t bytes[5];
    (void)state;
    check_ok(ms_scratch_file_open(&file, &err), err);
    wrapio_arm(0, WRAPIO_SHORT);
    check_ok(ms_scratch_file_write(file, 0, ms_str("hello"), &err), err);
    assert_non_null(wrapio_disarm());
    wrapio_arm(0, EINTR);
    check_ok(ms_scratch_file_write(file, 0, ms_str("h"), &err), err);
    assert_non_null(wrapio_disarm());
    wrapio_arm(0, EINTR);
    check_ok(ms_scratch_file_read(file, 0, bytes, 5, &err), err);
    assert_non_null(wrapio_disarm());
    assert_memory_equal(bytes, "hello", 5);
    wrapio_arm(0, ENOSPC);
    check_code(ms_scratch_file_write(file, 0, ms_str("x"), &err), MS_ERR_NO_SPACE, err);
    assert_non_null(wrapio_disarm());
    check_text(err, "write a temporary file");
    wrapio_arm(0, EIO);
    check_code(ms_scratch_file_read(file, 0, bytes, 5, &err), MS_ERR_IO, err);
    assert_non_null(wrapio_disarm());
    check_text(err, "read a temporary file");
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_lie_where_they_were_put_and_leave_no_name),
        cmocka_unit_test(a_file_system_without_nameless_files),
        cmocka_unit_test(a_folder_that_is_full_or_not_there),
        cmocka_unit_test(short_and_failing_writes),
    };
    return cmocka_run_group_tests_name("scratch files", tests, setup, teardown);
}
