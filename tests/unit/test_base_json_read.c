/* Reading JSON: what it gives, what it refuses, and that it reads what the writer wrote. */
#include "support/check.h"

#include "base/json.h"
#include "base/json_read.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* The tokens as text: "{", "[", "}" for both ends, K:key S:string N:number T F 0. */
static int walk(struct ms_view text, char *got, size_t room, struct ms_error *err)
{
    static const char kinds[] = {'.', '{', '[', '}', 'K', 'S', 'N', 'T', 'F', '0'};
    struct ms_json_reader r;
    struct ms_json_token t = {.kind = MS_JSON_NULL};
    size_t at = 0;
    int code = 0;
    ms_json_read_init(&r, text);
    while (!code && t.kind != MS_JSON_DONE) {
        code = ms_json_next(&r, &t, err);
        if (!code && t.kind != MS_JSON_DONE)
            at += (size_t)snprintf(got + at, room - at, "%c%.*s ", kinds[t.kind], (int)t.text.size,
                                   t.text.size ? (const char *)t.text.data : "");
    }
    ms_json_read_fini(&r);
    return code;
}

static void gives_tokens(void **state)
{
    static const char *const cases[][2] = {
        {"1", "N1 "},
        {" \t\r\n[ ] ", "[ } "},
        {"{}", "{ } "},
        {"[1, -2.5e+3,0]", "[ N1 N-2.5e+3 N0 } "},
        {"{\"a\":[true,false,null],\"b\":{}}", "{ Ka [ T F 0 } Kb { } } "},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "S\"\\/\b\f\n\r\t "},
        {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "SA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 "},
        {"\"\xc3\xa9\xf0\x9f\x98\x80\"", "S\xc3\xa9\xf0\x9f\x98\x80 "},
        {"\"\\udcff\\udc80\"", "S\xff\x80 "}, /* bytes that are no UTF-8 */
        {"\"\"", "S "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[256] = "";
        struct ms_error err = {0};
        check_ok(walk(ms_str(cases[i][0]), got, sizeof got, &err), err);
        assert_string_equal(got, cases[i][1]);
    }
}

static void refuses_what_is_no_json(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "[",
        "]",
        "}",
        "{",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{,}",
        "1 2",
        "[] []",
        "01",
        "-",
        "-a",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "TRUE",
        "'a'",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\ude00\"",
        "\"a\nb\"",
        "\"\x01\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "[1}",
        "{\"a\":1]",
        "//x",
        "[1]x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[256] = "";
        struct ms_error err = {0};
        int code = walk(ms_str(cases[i]), got, sizeof got, &err);
        if (code != MS_ERR_FORMAT)
            fail_msg("%s: %s", cases[i], ms_code_name(code));
        check_text(err, "no JSON at byte");
    }
}

static void nests_only_so_deep(void **state)
{
    (void)state;
    char text[2 * MS_JSON_DEPTH + 3] = "", got[1024] = "";
    struct ms_error err = {0};
    memset(text, '[', MS_JSON_DEPTH);
    memset(text + MS_JSON_DEPTH, ']', MS_JSON_DEPTH);
    check_ok(walk(ms_str(text), got, sizeof got, &err), err);
    memset(text, '[', MS_JSON_DEPTH + 1);
    check_code(walk(ms_str(text), got, sizeof got, &err), MS_ERR_FORMAT, err);
    check_text(err, "nested too deep");
}

static void skips_values(void **state)
{
    (void)state;
    struct ms_json_reader r;
    struct ms_json_token t;
    ms_json_read_init(&r, ms_str("[{\"a\":[1,{\"b\":2}]},3]"));
    assert_int_equal(ms_json_next(&r, &t, NULL), 0);
    assert_int_equal(ms_json_next(&r, &t, NULL), 0);
    assert_int_equal(t.kind, MS_JSON_OBJECT);
    assert_int_equal(ms_json_skip(&r, &t, NULL), 0);
    assert_int_equal(ms_json_next(&r, &t, NULL), 0);
    assert_int_equal(t.kind, MS_JSON_NUMBER);
    assert_int_equal(ms_json_skip(&r, &t, NULL), 0); /* nothing follows a number */
    assert_int_equal(ms_json_next(&r, &t, NULL), 0);
    assert_int_equal(t.kind, MS_JSON_CLOSE);
    ms_json_read_fini(&r);
}

static struct ms_json_token number(const char *text)
{
    return (struct ms_json_token){MS_JSON_NUMBER, ms_str(text)};
}

static void numbers_keep_their_limits(void **state)
{
    static const char *const bad[] = {"18446744073709551616", "-1", "1.0", "1e3", ""};
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    struct ms_json_token t = number("18446744073709551615");
    assert_int_equal(ms_json_token_u64(&t, &u, NULL), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(ms_json_token_i64(&t, &i, NULL), MS_ERR_FORMAT);
    t = number("-9223372036854775807");
    assert_int_equal(ms_json_token_i64(&t, &i, NULL), 0);
    assert_true(i == -INT64_MAX);
    for (size_t k = 0; k < 5; k++) {
        t = number(bad[k]);
        assert_int_equal(ms_json_token_u64(&t, &u, NULL), MS_ERR_FORMAT);
    }
    t = (struct ms_json_token){MS_JSON_STRING, ms_str("1")};
    assert_int_equal(ms_json_token_u64(&t, &u, NULL), MS_ERR_FORMAT);
    assert_true(u == UINT64_MAX);
}

static void reads_what_was_written(void **state)
{
    (void)state;
    uint8_t bytes[256];
    char *text = NULL;
    size_t size = 0;
    for (size_t i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(255 - i); /* the high ones are no UTF-8 in this order */
    FILE *file = open_memstream(&text, &size);
    struct ms_json json;
    ms_json_init(&json, file);
    ms_json_string(&json, ms_view(bytes, 256));
    fclose(file);
    struct ms_json_reader r;
    struct ms_json_token t;
    struct ms_error err = {0};
    ms_json_read_init(&r, ms_view(text, size));
    check_ok(ms_json_next(&r, &t, &err), err);
    assert_int_equal(t.text.size, 256);
    assert_memory_equal(t.text.data, bytes, 256);
    ms_json_read_fini(&r);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_tokens),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(nests_only_so_deep),
        cmocka_unit_test(skips_values),
        cmocka_unit_test(numbers_keep_their_limits),
        cmocka_unit_test(reads_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
