/* The bytes of an intent: as in tests/data, cut or changed anywhere, with the longest key. */
#include "mstore/intent.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tests/support/check.h"

#include <stdio.h>

static struct ms_buf *golden(void)
{
    char text[512];
    FILE *file = fopen(TEST_DATA "/mstore/intent", "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    struct ms_buf *out = ms_buf_copy(ms_view(text, size));
    assert_non_null(out);
    return out;
}

static void intent_bytes(void **state)
{
    (void)state;
    struct ms_error err = {0};
    static struct ms_intent intent, read;
    struct ms_write_id id = {5, 6};
    MS_AUTO_BUF struct ms_buf *file = golden(), *made = NULL;
    check_ok(ms_intent_init(&intent, MS_OWN_RENAME, id, true, ms_str("data/new"), &err), err);
    check_ok(ms_intent_make(&intent, &made, &err), err);
    assert_true(ms_equal(ms_buf_view(made), ms_buf_view(file)));
    check_ok(ms_intent_parse(ms_buf_view(file), &read, &err), err);
    assert_true(read.deleted);
    assert_true(ms_equal(ms_view(read.new_key, read.new_size), ms_str("data/new")));
    for (size_t i = 0; i < ms_buf_size(file); i++) { /* cut anywhere, changed anywhere */
        struct ms_view cut = {ms_buf_view(file).data, i};
        check_code(ms_intent_parse(cut, &read, &err), MS_ERR_FORMAT, err);
        ms_buf_data(made)[i] ^= 0x20;
        int code = ms_intent_parse(ms_buf_view(made), &read, &err);
        assert_true(code == MS_ERR_FORMAT || /* no digit becomes another one */
                    !ms_equal(ms_view(read.new_key, read.new_size), ms_str("data/new")));
        ms_buf_data(made)[i] ^= 0x20;
    }
    for (int digit = '0'; digit <= '9'; digit++) {
        ms_buf_data(made)[strlen("[intent]\nformat = ")] = (uint8_t)digit;
        check_code(ms_intent_parse(ms_buf_view(made), &read, &err),
                   digit == '0'   ? MS_ERR_FORMAT
                   : digit == '1' ? 0
                                  : MS_ERR_UNSUPPORTED,
                   err);
    }
    char long_key[MS_INTENT_KEY_MAX + 1];
    memset(long_key, 'x', sizeof long_key);
    struct ms_view key_max = ms_view(long_key, MS_INTENT_KEY_MAX);
    check_ok(ms_intent_init(&intent, MS_OWN_RENAME, id, false, key_max, &err), err);
    ms_buf_unref(made);
    made = NULL;
    check_ok(ms_intent_make(&intent, &made, &err), err);
    check_ok(ms_intent_parse(ms_buf_view(made), &read, &err), err);
    assert_int_equal(read.new_size, MS_INTENT_KEY_MAX);
    check_code(
        ms_intent_init(&intent, MS_OWN_RENAME, id, false, ms_view(long_key, sizeof long_key), &err),
        MS_ERR_NAME, err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intent_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
