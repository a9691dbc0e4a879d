/* base/json.c: commas, nesting, escapes, and bytes that are not UTF-8. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* What write() writes, as a string. */
static char *text_of(void (*write)(struct ms_json *j))
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    struct ms_json j;
    ms_json_init(&j, file);
    write(&j);
    fclose(file);
    return text;
}

static void assert_written(void (*write)(struct ms_json *j), const char *expected)
{
    char *text = text_of(write);
    assert_string_equal(text, expected);
    free(text);
}

static void nested(struct ms_json *j)
{
    ms_json_object(j);
    ms_json_key(j, "empty");
    ms_json_array(j);
    ms_json_end(j, ']');
    ms_json_key(j, "list");
    ms_json_array(j);
    ms_json_u64(j, UINT64_MAX);
    ms_json_i64(j, INT64_MIN);
    ms_json_object(j);
    ms_json_key(j, "a");
    ms_json_bool(j, true);
    ms_json_key(j, "b");
    ms_json_null(j);
    ms_json_end(j, '}');
    ms_json_double(j, 0.1);
    ms_json_double(j, 1.0 / 3);
    ms_json_double(j, 1.0 / 0.0);
    ms_json_end(j, ']');
    ms_json_key(j, "last");
    ms_json_bool(j, false);
    ms_json_end(j, '}');
}

static void nesting(void **state)
{
    (void)state;
    assert_written(nested, "{\"empty\":[],\"list\":[18446744073709551615,-9223372036854775808,"
                           "{\"a\":true,\"b\":null},0.1,0.333333333,null],\"last\":false}");
}

static void lines_of(struct ms_json *j)
{
    j->lines = true;
    ms_json_u64(j, 1);
    ms_json_object(j);
    ms_json_key(j, "k");
    ms_json_text(j, "v");
    ms_json_end(j, '}');
    ms_json_array(j);
    ms_json_end(j, ']');
}

static void json_lines(void **state)
{
    (void)state;
    assert_written(lines_of, "1\n{\"k\":\"v\"}\n[]\n");
}

static void strings_of(struct ms_json *j)
{
    static const char *const texts[] = {"\"\\\n\t\r\x01\x7f",
                                        "caf\xc3\xa9 \xf0\x9f\x98\x80",
                                        "\xff",
                                        "\xc3",
                                        "\xc0\xaf",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xe2\x82"};
    ms_json_array(j);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ms_json_text(j, texts[i]);
    ms_json_string(j, ms_view("a\0b", 3));
    ms_json_string(j, ms_view(NULL, 0));
    ms_json_end(j, ']');
}

static void strings(void **state)
{
    (void)state;
    assert_written(
        strings_of,
        "[\"\\\"\\\\\\u000a\\u0009\\u000d\\u0001\\u007f\",\"caf\xc3\xa9 \xf0\x9f\x98\x80\","
        "\"\\udcff\",\"\\udcc3\",\"\\udcc0\\udcaf\",\"\\udced\\udca0\\udc80\","
        "\"\\udcf4\\udc90\\udc80\\udc80\",\"\\udce2\\udc82\",\"a\\u0000b\",\"\"]");
}

static void pairs_of(struct ms_json *j)
{
    ms_json_object(j);
    ms_json_put_text(j, "a", "b");
    ms_json_put_text(j, "none", NULL);
    ms_json_put_u64(j, "most", UINT64_MAX);
    ms_json_put_size(j, "size", 0);
    ms_json_put_size(j, "unknown", UINT64_MAX);
    ms_json_put_bool(j, "yes", true);
    ms_json_end(j, '}');
}

static void keys_with_values(void **state)
{
    (void)state;
    assert_written(pairs_of, "{\"a\":\"b\",\"none\":null,\"most\":18446744073709551615,\"size\":0,"
                             "\"unknown\":null,\"yes\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(strings),
        cmocka_unit_test(keys_with_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
