/* Codes, classes and sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/base.h>

#include <errno.h>

static void every_code_has_a_name_and_a_sentence(void **state)
{
    (void)state;
#define CHECK(name, number, class_, text)                                                          \
    assert_int_equal(MS_ERR_##name, -(number));                                                    \
    assert_string_equal(ms_code_name(MS_ERR_##name), #name);                                       \
    assert_string_equal(ms_code_text(MS_ERR_##name), text);                                        \
    assert_int_equal(ms_code_class(MS_ERR_##name), MS_CLASS_##class_);
    MS_ERRORS(CHECK)
#undef CHECK
    assert_string_equal(ms_code_name(0), "OK");
    assert_string_equal(ms_code_text(0), "success");
}

static void numbers_are_part_of_the_abi(void **state)
{
    (void)state;
    assert_int_equal(MS_ERR_INVALID, -1);
    assert_int_equal(MS_ERR_NOT_FOUND, -5);
    assert_int_equal(MS_ERR_CANCELLED, -27);
    assert_int_equal(MS_ERR_INTERNAL, -30);
}

static void an_unknown_code_is_an_internal_error(void **state)
{
    (void)state;
    static const int unknown[] = {1, -31, -1000000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_string_equal(ms_code_name(unknown[i]), "INTERNAL");
        assert_string_equal(ms_code_text(unknown[i]), "internal error");
        assert_int_equal(ms_code_class(unknown[i]), MS_CLASS_PERMANENT);
    }
}

static void setting_formats_and_returns_the_code(void **state)
{
    (void)state;
    struct ms_error err = {0};
    assert_int_equal(ms_error_set(&err, MS_ERR_NAME, "%s is %d long", "x", 7), MS_ERR_NAME);
    assert_int_equal(err.code, MS_ERR_NAME);
    assert_string_equal(err.text, "x is 7 long");
    assert_int_equal(ms_error_set(NULL, MS_ERR_QUOTA, "nobody reads this"), MS_ERR_QUOTA);
}

static void prefixes_stack_and_keep_the_code(void **state)
{
    (void)state;
    struct ms_error err = {0};
    int code = ms_error_set(&err, MS_ERR_CONNECTION, "connection reset");
    code = ms_error_prefix(&err, code, "put %s", "data/01");
    code = ms_error_prefix(&err, code, "member %s", "nas");
    assert_int_equal(code, MS_ERR_CONNECTION);
    assert_int_equal(err.code, MS_ERR_CONNECTION);
    assert_string_equal(err.text, "member nas: put data/01: connection reset");
    assert_int_equal(ms_error_prefix(NULL, MS_ERR_IO, "x"), MS_ERR_IO);
}

static void a_prefix_before_nothing_tells_the_code(void **state)
{
    (void)state;
    struct ms_error err = {0};
    assert_int_equal(ms_error_prefix(&err, MS_ERR_NO_SPACE, "put"), MS_ERR_NO_SPACE);
    assert_string_equal(err.text, "put: no space left on storage");
}

static void long_sentences_are_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct ms_error err = {0};
    ms_error_set(&err, MS_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    ms_error_prefix(&err, MS_ERR_IO, "first");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "first: aaa", 10);
    ms_error_prefix(&err, MS_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    ms_error_errno(&err, ENOENT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void errno_values_become_codes(void **state)
{
    (void)state;
    static const struct {
        int errnum, code;
    } pairs[] = {
        {ENOENT, MS_ERR_NOT_FOUND},
        {ENOTDIR, MS_ERR_NOT_FOUND},
        {EEXIST, MS_ERR_EXISTS},
        {ENOTEMPTY, MS_ERR_EXISTS},
        {ENOMEM, MS_ERR_NO_MEMORY},
        {ENOSPC, MS_ERR_NO_SPACE},
        {EDQUOT, MS_ERR_NO_SPACE},
        {EACCES, MS_ERR_ACCESS},
        {EPERM, MS_ERR_ACCESS},
        {EROFS, MS_ERR_ACCESS},
        {EINVAL, MS_ERR_INVALID},
        {ENAMETOOLONG, MS_ERR_NAME},
        {EFBIG, MS_ERR_TOO_LARGE},
        {EOPNOTSUPP, MS_ERR_UNSUPPORTED},
        {ETIMEDOUT, MS_ERR_TIMEOUT},
        {EBUSY, MS_ERR_BUSY},
        {EMFILE, MS_ERR_BUSY},
        {ECONNRESET, MS_ERR_CONNECTION},
        {EPIPE, MS_ERR_CONNECTION},
        {ECANCELED, MS_ERR_CANCELLED},
        {EIO, MS_ERR_IO},
        {ENXIO, MS_ERR_IO},
        {12345, MS_ERR_IO},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct ms_error err = {0};
        assert_int_equal(ms_error_errno(&err, pairs[i].errnum, "x"), pairs[i].code);
        assert_int_equal(err.code, pairs[i].code);
    }
    struct ms_error err = {0};
    ms_error_errno(&err, ENOENT, "cannot open %s", "/x");
    assert_string_equal(err.text, "cannot open /x: No such file or directory");
    assert_int_equal(ms_error_errno(NULL, EIO, "nobody reads this"), MS_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_and_a_sentence),
        cmocka_unit_test(numbers_are_part_of_the_abi),
        cmocka_unit_test(an_unknown_code_is_an_internal_error),
        cmocka_unit_test(setting_formats_and_returns_the_code),
        cmocka_unit_test(prefixes_stack_and_keep_the_code),
        cmocka_unit_test(a_prefix_before_nothing_tells_the_code),
        cmocka_unit_test(long_sentences_are_cut),
        cmocka_unit_test(errno_values_become_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
