/* A build without ISA-L and zstd: linked with mstore/erasure.c and mstore/frame_block.c as they
 * come out then. One clear sentence that names the package, and copies work as ever. */
#include "support/check.h"
#include "support/scratch.h"

#include "base/cleanup.h"
#include "mstore/erasure.h"
#include "mstore/frame.h"

#include <mstore/multi.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void no_erasure_code(void **state)
{
    struct ms_error err = {0};
    struct ms_erasure *e = NULL;
    (void)state;
    check_code(ms_erasure_new(4, 2, &e, &err), MS_ERR_UNSUPPORTED, err);
    check_text(err, "built without ISA-L");
    check_text(err, "install the package libisal-dev");
    assert_null(e);
    ms_erasure_free(e);
}

static void no_compression(void **state)
{
    struct ms_error err = {0};
    struct ms_frame_header h = {.block_size = 65536, .k = 1, .value_length = 5};
    struct ms_buf *out = NULL;
    (void)state;
    h.zstd = true;
    check_code(ms_frame_encode(&h, 0, ms_str("value"), 5, &out, &err), MS_ERR_UNSUPPORTED, err);
    check_text(err, "built without zstd");
    check_text(err, "install the package libzstd-dev");
    assert_null(out);

    MS_AUTO_BUF struct ms_buf *frame = NULL, *value = NULL;
    h.zstd = false;
    check_ok(ms_frame_encode(&h, 0, ms_str("value"), 5, &frame, &err), err);
    check_ok(ms_frame_decode(ms_buf_view(frame), &h, NULL, &value, &err), err);
    assert_int_equal(ms_buf_size(value), 5);
    assert_memory_equal(ms_buf_view(value).data, "value", 5);
}

/* The configuration of a store of three folders that are not there yet. */
static struct ms_store *store_of(const struct scratch *scratch, const char *policy)
{
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    struct ms_error err = {0};
    struct ms_store *store = NULL;
    char path[200];
    snprintf(path, sizeof path, "%s/home.conf", scratch->path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", 7);
    for (int i = 0; i < 3; i++)
        fprintf(f, "[member m%d]\nurl = file://%s/m%d?sync=none\n", i, scratch->path, i);
    fprintf(f, "[namespace data]\nkind = immutable\n%s", policy);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
    o.ignore_environment = true;
    o.state_folder = "";
    check_ok(ms_mstore_new(path, &o, &store, &err), err);
    return store;
}

static void create_refuses_what_nobody_could_write(void **state)
{
    static const struct {
        const char *policy, *why;
    } stores[] = {
        {"redundancy = ec 2+1\n", "[namespace data]: this mstore was built without ISA-L"},
        {"redundancy = copies 2\ncompress = zstd\n",
         "[namespace data]: this mstore was built without zstd"},
        {"redundancy = copies 2\n", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        struct scratch scratch;
        struct ms_error err = {0};
        char member[200];
        assert_true(scratch_make(&scratch));
        struct ms_store *store = store_of(&scratch, stores[i].policy);
        int code = ms_store_create(store, &err);
        check_code(code, stores[i].why ? MS_ERR_UNSUPPORTED : 0, err);
        if (stores[i].why)
            check_text(err, stores[i].why);
        snprintf(member, sizeof member, "%s/m0", scratch.path);
        assert_int_equal(access(member, F_OK), stores[i].why ? -1 : 0); /* nothing was made */
        ms_store_free(store);
        scratch_remove(&scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_erasure_code),
        cmocka_unit_test(no_compression),
        cmocka_unit_test(create_refuses_what_nobody_could_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
