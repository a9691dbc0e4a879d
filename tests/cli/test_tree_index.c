/* The index of a tree and the paths below a folder, from C: what parses writes back the same bytes,
 * any damage is refused, and no way leads out of a folder, with openat2 or without. */
#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/beneath.h"
#include "tools/mstore/tree_index.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SEED UINT64_C(20261121)

static int copy_entry(void *ctx, const struct ms_tree_entry *e, struct ms_error *err)
{
    (void)err;
    assert_int_equal(e->path.data[e->path.size], 0);
    ms_tree_writer_add(ctx, e);
    return 0;
}

/* Three entries of all kinds, with odd bytes. */
static void write_sample(struct ms_tree_writer *w)
{
    struct ms_tree_entry d = {
        .kind = MS_TREE_DIRECTORY, .path = ms_str("a b"), .mode = 0755, .mtime_ns = INT64_MIN + 1};
    struct ms_tree_entry f = {.kind = MS_TREE_FILE,
                              .path = ms_str("a b/\xff\n%"),
                              .mode = 0604,
                              .mtime_ns = 1,
                              .size_bytes = INT64_MAX};
    struct ms_tree_entry l = {
        .kind = MS_TREE_LINK, .path = ms_str("a b-"), .target = ms_str("../ \x01"), .mtime_ns = -7};
    memset(f.sha256, 'a', sizeof f.sha256 - 1);
    assert_int_equal(ms_tree_writer_begin(w, NULL), 0);
    ms_tree_writer_add(w, &d);
    ms_tree_writer_add(w, &f);
    ms_tree_writer_add(w, &l);
    assert_int_equal(ms_tree_writer_end(w, NULL), 0);
}

static void round_trip(void **state)
{
    (void)state;
    struct ms_tree_writer first, second;
    write_sample(&first);
    assert_non_null(strstr(first.text, "\nl -7 ../%20%01 a%20b-\n"));
    assert_int_equal(ms_tree_writer_begin(&second, NULL), 0);
    struct ms_error err = {0};
    int code = ms_tree_index_parse(ms_view(first.text, first.size), copy_entry, &second, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(code, 0);
    assert_int_equal(ms_tree_writer_end(&second, NULL), 0);
    assert_int_equal(second.size, first.size);
    assert_memory_equal(second.text, first.text, first.size);
    ms_tree_writer_fini(&first);
    ms_tree_writer_fini(&second);
}

static void empty_tree(void **state)
{
    (void)state;
    struct ms_tree_writer w;
    assert_int_equal(ms_tree_writer_begin(&w, NULL), 0);
    assert_int_equal(ms_tree_writer_end(&w, NULL), 0);
    assert_int_equal(ms_tree_index_parse(ms_view(w.text, w.size), NULL, NULL, NULL), 0);
    ms_tree_writer_fini(&w);
}

/* Cut anywhere, or with any one byte changed, it is no index. */
static void any_damage_is_refused(void **state)
{
    (void)state;
    struct ms_tree_writer w;
    struct ms_random random;
    write_sample(&w);
    ms_random_seed(&random, SEED);
    MS_AUTO_FREE uint8_t *copy = malloc(w.size);
    assert_non_null(copy);
    for (size_t i = 0; i < w.size; i++) {
        struct ms_error err = {0};
        memcpy(copy, w.text, w.size);
        int code = ms_tree_index_parse(ms_view(copy, i), NULL, NULL, &err);
        assert_true(code == MS_ERR_FORMAT || code == MS_ERR_CORRUPT);
        copy[i] ^= (uint8_t)(1 + ms_random_below(&random, 255));
        code = ms_tree_index_parse(ms_view(copy, w.size), NULL, NULL, &err);
        if (code != MS_ERR_FORMAT && code != MS_ERR_CORRUPT)
            fail_msg("byte %zu (seed %llu): code %d", i, (unsigned long long)SEED, code);
        assert_string_not_equal(err.text, "");
    }
    ms_tree_writer_fini(&w);
}

static int stop_at_second(void *ctx, const struct ms_tree_entry *e, struct ms_error *err)
{
    (void)e;
    return ++*(int *)ctx == 2 ? ms_error_set(err, MS_ERR_NO_SPACE, "enough") : 0;
}

static void the_callback_stops_it(void **state)
{
    (void)state;
    struct ms_tree_writer w;
    struct ms_error err = {0};
    int calls = 0;
    write_sample(&w);
    assert_int_equal(ms_tree_index_parse(ms_view(w.text, w.size), stop_at_second, &calls, &err),
                     MS_ERR_NO_SPACE);
    assert_int_equal(calls, 2);
    assert_string_equal(err.text, "enough");
    ms_tree_writer_fini(&w);
}

static bool inside(const char *path, const char *target)
{
    return ms_tree_link_stays_inside(ms_str(path), ms_str(target));
}

static void links(void **state)
{
    (void)state;
    assert_true(inside("a", "b"));
    assert_true(inside("a", "b/./c/"));
    assert_true(inside("d/a", "../b"));
    assert_true(inside("d/a", ".."));
    assert_true(inside("d/e/a", "../../b"));
    assert_true(inside("d/a", ".//../b"));
    assert_true(inside("a", "..."));
    assert_false(inside("a", ""));
    assert_false(inside("a", "/"));
    assert_false(inside("a", "/b"));
    assert_false(inside("a", ".."));
    assert_false(inside("d/a", "../.."));
    assert_false(inside("d/a", "../../b"));
    assert_false(inside("d/a", "b/../../c"));
    /* b may be a link itself: where "b/.." is, nobody knows */
    assert_false(inside("d/e/a", "b/.."));
}

static void order(void **state)
{
    (void)state;
    static const char *const sorted[] = {"a", "a/b", "a/b/c", "a/c", "a b", "a-b", "a0", "b"};
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++)
        for (size_t j = 0; j < sizeof sorted / sizeof *sorted; j++) {
            int c = ms_tree_compare(ms_str(sorted[i]), ms_str(sorted[j]));
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
}

/* ---- below a folder ---------------------------------------------------------------------------
 */

struct folder {
    char path[64];
    int fd;
};

static void make_folder(struct folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/mstore-tree.XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->fd >= 0);
    assert_int_equal(mkdirat(f->fd, "d", 0700), 0);
    assert_int_equal(mkdirat(f->fd, "d/e", 0700), 0);
    assert_int_equal(symlinkat("/tmp", f->fd, "d/out"), 0);
    assert_int_equal(symlinkat("e", f->fd, "d/in"), 0);
}

static void remove_folder(struct folder *f)
{
    unlinkat(f->fd, "d/e/new", 0);
    assert_int_equal(unlinkat(f->fd, "d/out", 0), 0);
    assert_int_equal(unlinkat(f->fd, "d/in", 0), 0);
    assert_int_equal(unlinkat(f->fd, "d/e", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
    close(f->fd);
    assert_int_equal(rmdir(f->path), 0);
}

static void no_way_out(void **state)
{
    (void)state;
    static const char *const refused[] = {"..",      "../x", "d/../../x", "/tmp", "d/out",
                                          "d/out/x", "d/in", "d/in/x",    "d/..", "d/e/../../.."};
    struct folder f;
    make_folder(&f);
    for (int by_component = 0; by_component < 2; by_component++) {
        struct ms_beneath b = {.root = f.fd, .by_component = by_component};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            int fd = ms_beneath_open(&b, refused[i], O_RDONLY, 0);
            /* openat2 allows ".." that stays beneath; the index never has one */
            if (fd >= 0 && !by_component && strcmp(refused[i], "d/..") == 0)
                close(fd);
            else
                assert_true(fd < 0);
        }
        int fd = ms_beneath_open(&b, "d/e/new", O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
        fd = ms_beneath_open(&b, ".", O_RDONLY | O_DIRECTORY, 0);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(ms_beneath_open(&b, "d/none/x", O_RDONLY, 0), -ENOENT);
        struct ms_error err = {0};
        assert_int_equal(ms_beneath_mkdir(&b, "d/e", NULL), 0);
        assert_int_equal(ms_beneath_mkdir(&b, "d/out", &err), MS_ERR_ACCESS);
        assert_int_equal(ms_beneath_mkdir(&b, "d/out/x", &err), MS_ERR_ACCESS);
        assert_non_null(strstr(err.text, "in the way"));
        assert_int_equal(ms_beneath_mkdir(&b, "../x", &err), MS_ERR_ACCESS);
        assert_non_null(strstr(err.text, "leads out"));
    }
    remove_folder(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(empty_tree),
        cmocka_unit_test(any_damage_is_refused),
        cmocka_unit_test(the_callback_stops_it),
        cmocka_unit_test(links),
        cmocka_unit_test(order),
        cmocka_unit_test(no_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
