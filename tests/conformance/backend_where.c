/* Promises about what a storage may do by itself: hash, compose, copy, usage, sweep. */
#include "backend_suite.h"

#include "base/hash.h"

#include <stdlib.h>

static void hashes(void **state)
{
    struct fixture *f = fixture(state);
    char hex[129] = "";
    OK(put(f, "abc", "abc"));
    OK(put(f, "empty", ""));
    OK(ms_backend_hash(f->b, ms_str("abc"), "sha256", hex, sizeof hex, &f->err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    OK(ms_backend_hash(f->b, ms_str("empty"), "sha256", hex, sizeof hex, &f->err));
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    OK(ms_backend_hash(f->b, ms_str("abc"), "md5", hex, sizeof hex, &f->err));
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    size_t size = (3 << 20) + 17;
    uint8_t *bytes = pattern(size, 3);
    char wanted[MS_SHA256_HEX];
    OK(ms_sha256_hex(ms_view(bytes, size), wanted, &f->err));
    OK(put_bytes(f, "large", ms_view(bytes, size), NULL, NULL));
    OK(ms_backend_hash(f->b, ms_str("large"), "sha256", hex, sizeof hex, &f->err));
    assert_string_equal(hex, wanted);
    free(bytes);
}

static void names_unknown_algorithms(void **state)
{
    struct fixture *f = fixture(state);
    char hex[129] = "untouched";
    OK(put(f, "abc", "abc"));
    int code = ms_backend_hash(f->b, ms_str("abc"), "nosuch", hex, sizeof hex, &f->err);
    assert_int_equal(code, MS_ERR_INVALID);
    assert_non_null(strstr(f->err.text, "nosuch"));
    assert_string_equal(hex, "untouched");
}

static void composes(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "a", "0123456789"));
    OK(put(f, "d/b", "abcdef"));
    struct ms_part parts[] = {
        {ms_str("d/b"), 2, 2},
        {ms_str("a"), 0, 3},
        {ms_str("d/b"), 0, 0},
        {ms_str("a"), 9, 1},
        {ms_str("d/b"), 4, MS_SIZE_TO_END},
        {ms_str("a"), 10, 0},
    };
    OK(ms_backend_compose(f->b, parts, 6, ms_str("new/c"), NULL, &f->err));
    holds_text(f, "new/c", "cd0129ef");
    OK(ms_backend_compose(f->b, parts, 1, ms_str("a"), NULL, &f->err)); /* replaces */
    holds_text(f, "a", "cd");
    OK(ms_backend_compose(f->b, NULL, 0, ms_str("none"), NULL, &f->err));
    holds_text(f, "none", "");
    struct ms_part itself[] = {{ms_str("a"), 1, 1}, {ms_str("a"), 0, 2}};
    OK(ms_backend_compose(f->b, itself, 2, ms_str("a"), NULL, &f->err));
    holds_text(f, "a", "dcd");
}

static void composes_large_parts(void **state)
{
    struct fixture *f = fixture(state);
    size_t size = (3 << 20) + 5;
    uint8_t *bytes = pattern(2 * size, 4);
    OK(put_bytes(f, "a", ms_view(bytes, size), NULL, NULL));
    OK(put_bytes(f, "b", ms_view(bytes + size, size), NULL, NULL));
    struct ms_part parts[] = {{ms_str("a"), 0, MS_SIZE_TO_END}, {ms_str("b"), 0, size}};
    OK(ms_backend_compose(f->b, parts, 2, ms_str("c"), NULL, &f->err));
    holds_value(f, "c", ms_view(bytes, 2 * size));
    free(bytes);
}

static void a_short_part_is_a_range_error(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "ns/a", "0123456789"));
    struct ms_part parts[] = {{ms_str("ns/a"), 0, 3}, {ms_str("ns/a"), 8, 5}};
    int code = ms_backend_compose(f->b, parts, 2, ms_str("c"), NULL, &f->err);
    assert_int_equal(code, MS_ERR_RANGE);
    assert_non_null(
        strstr(f->err.text, "Read range error from ns/a (requested 5 bytes at offset 8, got 2)"));
    parts[1] = (struct ms_part){ms_str("ns/a"), 11, 1};
    code = ms_backend_compose(f->b, parts, 2, ms_str("c"), NULL, &f->err);
    assert_int_equal(code, MS_ERR_RANGE);
    assert_non_null(strstr(f->err.text, "(requested 1 bytes at offset 11, got 0)"));
    parts[1].name = ms_str("missing");
    FAILS(MS_ERR_NOT_FOUND, ms_backend_compose(f->b, parts, 2, ms_str("c"), NULL, &f->err));
    is_missing(f, "c");
    lists(f, "", "ns/");
}

static void copies(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_info a, b;
    OK(put(f, "a", "one"));
    OK(put(f, "b", "two"));
    OK(ms_backend_copy(f->b, ms_str("a"), ms_str("d/e/c"), NULL, &f->err));
    holds_text(f, "d/e/c", "one");
    OK(ms_backend_copy(f->b, ms_str("b"), ms_str("a"), NULL, &f->err));
    holds_text(f, "a", "two");
    holds_text(f, "d/e/c", "one"); /* a copy, not the same value */
    OK(ms_backend_delete(f->b, ms_str("b"), &f->err));
    holds_text(f, "a", "two");
    OK(ms_backend_copy(f->b, ms_str("a"), ms_str("a"), NULL, &f->err));
    holds_text(f, "a", "two");
    OK(ms_backend_info(f->b, ms_str("a"), &a, &f->err));
    OK(ms_backend_info(f->b, ms_str("d/e/c"), &b, &f->err));
    assert_int_equal(a.size_bytes, 3);
    assert_int_equal(b.size_bytes, 3);
}

static void composes_and_copies_only_if_absent(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "a", "one"));
    OK(put(f, "b", "two"));
    struct ms_part part = {ms_str("a"), 0, 1};
    if (!CAN(f, MS_CAP_IF_ABSENT)) {
        FAILS(MS_ERR_UNSUPPORTED,
              ms_backend_copy(f->b, ms_str("a"), ms_str("c"), &if_absent, &f->err));
        return;
    }
    FAILS(MS_ERR_EXISTS, ms_backend_copy(f->b, ms_str("a"), ms_str("b"), &if_absent, &f->err));
    FAILS(MS_ERR_EXISTS, ms_backend_compose(f->b, &part, 1, ms_str("b"), &if_absent, &f->err));
    holds_text(f, "b", "two");
    OK(ms_backend_copy(f->b, ms_str("a"), ms_str("c"), &if_absent, &f->err));
    OK(ms_backend_compose(f->b, &part, 1, ms_str("d"), &if_absent, &f->err));
    holds_text(f, "c", "one");
    holds_text(f, "d", "o");
}

static void tells_its_usage(void **state)
{
    struct fixture *f = fixture(state);
    uint64_t total = 1, left = 1;
    OK(ms_backend_usage(f->b, &total, &left, &f->err));
    if (total == UINT64_MAX)
        assert_true(left == UINT64_MAX);
    else
        assert_true(left <= total && total > 0);
}

static void sweeps_nothing_that_counts(void **state)
{
    struct fixture *f = fixture(state);
    uint64_t removed = 99;
    OK(put(f, "a", "x"));
    OK(put(f, "d/b", "x"));
    OK(put(f, "quota.hid", "1"));
    OK(ms_backend_sweep(f->b, 0, &removed, &f->err));
    assert_int_equal(removed, 0);
    OK(ms_backend_sweep(f->b, UINT64_MAX, NULL, &f->err));
    holds_text(f, "a", "x");
    holds_text(f, "d/b", "x");
    holds_text(f, "quota.hid", "1");
}

const struct promise promises_where[] = {
    {"hashes", hashes},
    {"names unknown algorithms", names_unknown_algorithms},
    {"composes", composes},
    {"composes large parts", composes_large_parts},
    {"a short part is a range error", a_short_part_is_a_range_error},
    {"copies", copies},
    {"composes and copies only if absent", composes_and_copies_only_if_absent},
    {"tells its usage", tells_its_usage},
    {"sweeps nothing that counts", sweeps_nothing_that_counts},
    {0},
};
