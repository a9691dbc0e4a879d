/* A build without ISA-L and zstd: linked with mstore/erasure.c and mstore/frame_block.c as they
 * come out then. One clear sentence that names the package, and copies work as ever. */
#include "support/check.h"

#include "base/cleanup.h"
#include "mstore/erasure.h"
#include "mstore/frame.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_erasure_code),
        cmocka_unit_test(no_compression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
