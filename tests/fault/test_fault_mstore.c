/* Allocation k fails, k = 0, 1, 2 … until the call succeeds: layouts, their text, seals, placement,
 * a client's own file. Each failure is NO_MEMORY, leaks nothing (AddressSanitizer's run looks) and
 * leaves the result untouched. */
#include "mstore/conf.h"

#include "support/check.h"
#include "support/scratch.h"
#include "support/wrapalloc.h"

static const char text[] =
    "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = 1\n"
    "phase = proposed\n"
    "[member a]\nuuid = 11111111-1111-4111-8111-111111111111\n"
    "[member b]\nuuid = 22222222-2222-4222-8222-222222222222\n"
    "[namespace data]\nkind = immutable\nredundancy = copies 2\n"
    "[namespace]\nkind = mutable\nredundancy = all\n";
static const char conf[] =
    "[mstore]\n"
    "key = 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
    "[member a]\nurl = sftp://me:secret@a/x\n[member b]\nurl = memory:\n"
    "[namespace]\nkind = plain\nredundancy = all\n";
static const struct ms_seal_key key = {{1}};

/* How often it failed. */
static long failures_of(int (*call)(void *ctx, struct ms_error *err), void *ctx)
{
    for (long k = 0;; k++) {
        struct ms_error err = {0};
        wrapalloc_arm(k);
        int code = call(ctx, &err);
        bool failed = wrapalloc_disarm();
        if (!failed) {
            check_ok(code, err);
            return k;
        }
        check_code(code, MS_ERR_NO_MEMORY, err);
        check_text(err, "no memory");
        assert_true(k < 1000);
    }
}

static int parse_layout(void *ctx, struct ms_error *err)
{
    (void)ctx;
    struct ms_layout *l = NULL;
    int code = ms_layout_parse(ms_str(text), "FILE", &l, err);
    assert_true((code == 0) == (l != NULL));
    ms_layout_free(l);
    return code;
}

static int place(void *ctx, struct ms_error *err)
{
    struct ms_placement *p = NULL;
    int code = ms_layout_placement(ctx, &p, err);
    assert_true((code == 0) == (p != NULL));
    ms_placement_free(p);
    return code;
}

static int seal(void *ctx, struct ms_error *err)
{
    struct ms_buf *sealed = NULL;
    int code = ms_layout_seal(ctx, &key, &sealed, err);
    assert_true((code == 0) == (sealed != NULL));
    ms_buf_unref(sealed);
    return code;
}

static int open_sealed(void *ctx, struct ms_error *err)
{
    struct ms_layout *l = NULL;
    int code = ms_layout_open(ms_buf_view(ctx), "FILE", &key, NULL, 1, &l, err);
    assert_true((code == 0) == (l != NULL));
    ms_layout_free(l);
    return code;
}

static void layouts(void **state)
{
    (void)state;
    struct ms_layout *l = NULL;
    struct ms_buf *sealed = NULL;
    struct ms_error err = {0};
    assert_in_range(failures_of(parse_layout, NULL), 5, 20);
    check_ok(ms_layout_parse(ms_str(text), "FILE", &l, &err), err);
    assert_int_equal(failures_of(place, l), 2);
    assert_int_equal(failures_of(seal, l), 2);
    check_ok(ms_layout_seal(l, &key, &sealed, &err), err);
    assert_in_range(failures_of(open_sealed, sealed), 5, 20);
    ms_buf_unref(sealed);
    ms_layout_free(l);
}

static int load_conf(void *ctx, struct ms_error *err)
{
    struct ms_mconf *c = NULL;
    int code = ms_mconf_load(ctx, &c, err);
    assert_true((code == 0) == (c != NULL));
    ms_mconf_free(c);
    return code;
}

static void own_files(void **state)
{
    (void)state;
    struct scratch dir;
    char path[128];
    assert_true(scratch_make(&dir));
    snprintf(path, sizeof path, "%s/home.conf", dir.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(conf, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
    unsigned descriptors = scratch_descriptors();
    assert_in_range(failures_of(load_conf, path), 10, 100);
    assert_int_equal(scratch_descriptors(), descriptors);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts),
        cmocka_unit_test(own_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
