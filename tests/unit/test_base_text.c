/* base/text.c: units, sentences, safe showing, hex, order. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void assert_size(const char *text, uint64_t expected)
{
    uint64_t value = 1;
    assert_int_equal(ms_parse_size(text, "size", &value, NULL), 0);
    assert_true(value == expected);
}

static void sizes(void **state)
{
    (void)state;
    assert_size("0", 0);
    assert_size("4096", 4096);
    assert_size("10k", 10240);
    assert_size("1.5MiB", 1572864);
    assert_size("2GB", 2000000000);
    assert_size("1T", 1099511627776);
    assert_size("0.1k", 102);
    assert_size("18446744073709551615", UINT64_MAX);
    static const char *const bad[] = {"",
                                      "k",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "1.",
                                      ".5",
                                      "1.5",
                                      "1e3",
                                      "0x1",
                                      "1kk",
                                      "16777216T",
                                      "nan",
                                      "1,5k",
                                      "1.5.5k",
                                      "+1",
                                      "99999999999999999999",
                                      "1Q"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value = 77;
        struct ms_error err = {0};
        assert_int_equal(ms_parse_size(bad[i], "--size", &value, &err), MS_ERR_INVALID);
        assert_int_equal(value, 77);
        assert_non_null(strstr(err.text, "--size"));
        assert_non_null(strstr(err.text, "1.5MiB"));
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"0", 0},
                {"50ms", 50000000},
                {"1.5s", 1500000000},
                {"20us", 20000},
                {"3m", 180000000000},
                {"2h", 7200000000000},
                {"7d", 604800000000000},
                {"5ns", 5},
                {"0s", 0}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t ns = 1;
        assert_int_equal(ms_parse_duration(good[i].text, "time", &ns, NULL), 0);
        assert_true(ns == good[i].ns);
    }
    static const char *const bad[] = {"", "5", "1.5ns", "5 s", "-1s", "1000000d", "5M", "ms"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t ns;
        assert_int_equal(ms_parse_duration(bad[i], "time", &ns, NULL), MS_ERR_INVALID);
    }
}

static void bandwidths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bps;
    } good[] = {{"20mbit", 20000000}, {"1gbit", 1000000000}, {"500kbit", 500000},
                {"8000bit", 8000},    {"2.5MB/s", 20000000}, {"10MiB/s", 83886080}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bps = 1;
        assert_int_equal(ms_parse_bandwidth(good[i].text, "bandwidth", &bps, NULL), 0);
        assert_true(bps == good[i].bps);
    }
    uint64_t bps;
    assert_int_equal(ms_parse_bandwidth("20", "bandwidth", &bps, NULL), MS_ERR_INVALID);
    assert_int_equal(ms_parse_bandwidth("20MB", "bandwidth", &bps, NULL), MS_ERR_INVALID);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t u = 5;
    assert_int_equal(ms_parse_u64("64", "jobs", 64, &u, NULL), 0);
    assert_int_equal(u, 64);
    struct ms_error err = {0};
    assert_int_equal(ms_parse_u64("65", "jobs", 64, &u, &err), MS_ERR_INVALID);
    assert_string_equal(err.text, "jobs \"65\" is not a whole number from 0 to 64");
    assert_int_equal(ms_parse_u64("1.0", "jobs", 64, &u, NULL), MS_ERR_INVALID);
    int64_t i;
    assert_int_equal(ms_parse_i64("-9223372036854775808", "offset", &i, NULL), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(ms_parse_i64("9223372036854775807", "offset", &i, NULL), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(ms_parse_i64("9223372036854775808", "offset", &i, NULL), MS_ERR_INVALID);
    assert_int_equal(ms_parse_i64("-9223372036854775809", "offset", &i, NULL), MS_ERR_INVALID);
    assert_int_equal(ms_parse_i64("--1", "offset", &i, NULL), MS_ERR_INVALID);
    assert_int_equal(ms_parse_i64("-", "offset", &i, NULL), MS_ERR_INVALID);
    double rate;
    assert_int_equal(ms_parse_rate("1%", "rate", &rate, NULL), 0);
    assert_true(rate == 0.01);
    assert_int_equal(ms_parse_rate("0.25", "rate", &rate, NULL), 0);
    assert_true(rate == 0.25);
    assert_int_equal(ms_parse_rate("100%", "rate", &rate, NULL), 0);
    assert_int_equal(ms_parse_rate("1.01", "rate", &rate, NULL), MS_ERR_INVALID);
    assert_int_equal(ms_parse_rate("-0.1", "rate", &rate, NULL), MS_ERR_INVALID);
}

static void formats(void **state)
{
    (void)state;
    char buf[64];
    assert_string_equal(ms_format_size(buf, sizeof buf, 0), "0 B");
    assert_string_equal(ms_format_size(buf, sizeof buf, 1023), "1023 B");
    assert_string_equal(ms_format_size(buf, sizeof buf, 1572864), "1.5 MiB");
    assert_string_equal(ms_format_size(buf, sizeof buf, 1048575), "1.0 MiB");
    assert_string_equal(ms_format_size(buf, sizeof buf, UINT64_MAX), "16.0 EiB");
    assert_string_equal(ms_format_duration(buf, sizeof buf, 999), "999 ns");
    assert_string_equal(ms_format_duration(buf, sizeof buf, 1234567), "1.2 ms");
    assert_string_equal(ms_format_duration(buf, sizeof buf, 999999), "1.0 ms");
    assert_string_equal(ms_format_duration(buf, sizeof buf, 200000000000), "3m 20s");
    assert_string_equal(ms_format_duration(buf, sizeof buf, 59980000000), "1m 0s");
    assert_string_equal(ms_format_duration(buf, sizeof buf, 7500000000000), "2h 5m");
    assert_string_equal(ms_format_duration(buf, sizeof buf, UINT64_MAX), "213503d 23h");
}

static void showing(void **state)
{
    (void)state;
    assert_string_equal(MS_SHOW(ms_str("data/01")), "data/01");
    assert_string_equal(MS_SHOW(ms_view("a\0\\\xff", 4)), "a\\x00\\x5c\\xff");
    assert_string_equal(MS_SHOW(ms_view(NULL, 0)), "");
    char buf[8];
    assert_string_equal(ms_show(buf, sizeof buf, ms_str("1234567")), "1234567");
    assert_string_equal(ms_show(buf, sizeof buf, ms_str("12345678")), "1234…");
    assert_string_equal(ms_show(buf, sizeof buf, ms_str("123\xff")), "123\\xff");
    assert_string_equal(ms_show(buf, sizeof buf,
                                ms_str("123\xff"
                                       "5")),
                        "123…");
    char tiny[2];
    assert_string_equal(ms_show(tiny, sizeof tiny, ms_str("ab")), "");
    for (size_t size = 1; size < 40; size++) { /* never beyond the end, always terminated */
        char room[48];
        memset(room, '#', sizeof room);
        ms_show(room, size,
                ms_str("\x01\x02"
                       "abc\xfe\xfd"
                       "defgh"));
        assert_true(strnlen(room, sizeof room) < size);
        assert_int_equal(room[size], '#');
    }
}

static void hex(void **state)
{
    (void)state;
    uint8_t bytes[3] = {0x00, 0xa5, 0xff};
    char text[7];
    ms_hex_encode(text, bytes, 3);
    assert_string_equal(text, "00a5ff");
    uint8_t back[3] = {9, 9, 9};
    assert_int_equal(ms_hex_decode(back, 3, "00A5fF"), 0);
    assert_memory_equal(back, bytes, 3);
    uint8_t kept[3] = {9, 9, 9};
    assert_int_equal(ms_hex_decode(kept, 3, "00a5f"), MS_ERR_FORMAT);
    assert_int_equal(ms_hex_decode(kept, 3, "00a5fg"), MS_ERR_FORMAT);
    assert_int_equal(kept[0], 9);
}

static void hex_numbers_have_one_spelling(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(ms_hex_number("00", 2, &n));
    assert_int_equal(n, 0);
    assert_true(ms_hex_number("1fz", 2, &n)); /* not one digit more is read */
    assert_int_equal(n, 0x1f);
    assert_true(ms_hex_number("fedcba9876543210", 16, &n));
    assert_true(n == UINT64_C(0xfedcba9876543210));
    n = 7;
    static const char *const bad[] = {"0A", "g0", "0", " 1", "+1", "0x", "1\xff", "/0", "0:", "`0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ms_hex_number(bad[i], 2, &n));
    assert_int_equal(n, 7);
}

static void hex_digits_one_by_one(void **state)
{
    (void)state;
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *in_lower = memchr(lower, c, 16), *in_upper = memchr(upper, c, 16);
        int low = in_lower ? (int)(in_lower - lower) : -1;
        assert_int_equal(ms_hex_digit_lower((uint8_t)c), low);
        assert_int_equal(ms_hex_digit((uint8_t)c), in_upper ? (int)(in_upper - upper) : low);
    }
}

static void order(void **state)
{
    (void)state;
    assert_true(ms_compare(ms_str("a"), ms_str("b")) < 0);
    assert_true(ms_compare(ms_str("a"), ms_str("aa")) < 0);
    assert_true(ms_compare(ms_str("\xff"), ms_str("a")) > 0);
    assert_int_equal(ms_compare(ms_view(NULL, 0), ms_str("")), 0);
    assert_true(ms_starts_with(ms_str("data/1"), ms_str("data/")));
    assert_false(ms_starts_with(ms_str("dat"), ms_str("data")));
    assert_true(ms_ends_with(ms_str("x.tmp"), ms_str(".tmp")));
    assert_false(ms_ends_with(ms_str("tmp"), ms_str(".tmp")));
    assert_true(ms_ends_with(ms_str("x"), ms_view(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(bandwidths),
        cmocka_unit_test(numbers),
        cmocka_unit_test(formats),
        cmocka_unit_test(showing),
        cmocka_unit_test(hex),
        cmocka_unit_test(hex_numbers_have_one_spelling),
        cmocka_unit_test(hex_digits_one_by_one),
        cmocka_unit_test(order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
