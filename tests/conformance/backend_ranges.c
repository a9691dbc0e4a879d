/* Promises about parts of values: clipping, offsets from the end. */
#include "backend_suite.h"

#include <stdlib.h>

static void part(struct fixture *f, int64_t offset, uint64_t size, const char *wanted)
{
    struct ms_buf *value = NULL;
    struct ms_info info = {0};
    OK(ms_backend_load(f->b, ms_str("v"), offset, size, &value, &info, &f->err));
    struct ms_view got = ms_buf_view(value);
    if (got.size != strlen(wanted) || (got.size && memcmp(got.data, wanted, got.size) != 0))
        fail_msg("load(%lld, %llu) gave \"%.*s\", not \"%s\"", (long long)offset,
                 (unsigned long long)size, (int)got.size, (const char *)got.data, wanted);
    assert_int_equal(info.size_bytes, 10);
    ms_buf_unref(value);
}

static void loads_parts(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "v", "0123456789"));
    part(f, 0, MS_SIZE_TO_END, "0123456789");
    part(f, 0, 10, "0123456789");
    part(f, 0, 0, "");
    part(f, 0, 1, "0");
    part(f, 3, 4, "3456");
    part(f, 9, 1, "9");
    part(f, 4, MS_SIZE_TO_END, "456789");
}

static void clips_at_the_end(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "v", "0123456789"));
    part(f, 0, 11, "0123456789");
    part(f, 8, 100, "89");
    part(f, 10, 1, "");
    part(f, 11, 1, "");
    part(f, 10, MS_SIZE_TO_END, "");
    part(f, INT64_MAX, MS_SIZE_TO_END, "");
    part(f, 5, INT64_MAX, "56789");
}

static void counts_from_the_end(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "v", "0123456789"));
    part(f, -1, MS_SIZE_TO_END, "9");
    part(f, -4, 2, "67");
    part(f, -10, 3, "012");
    part(f, -11, 3, "012"); /* clipped at the beginning */
    part(f, -1000, MS_SIZE_TO_END, "0123456789");
    part(f, INT64_MIN, 2, "01");
    part(f, -3, 0, "");
    part(f, -3, 100, "789");
}

static void parts_of_nothing_are_nothing(void **state)
{
    static const int64_t offsets[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    struct fixture *f = fixture(state);
    OK(put(f, "empty", ""));
    for (size_t i = 0; i < 5; i++) {
        struct ms_buf *value = NULL;
        OK(ms_backend_load(f->b, ms_str("empty"), offsets[i], MS_SIZE_TO_END, &value, NULL,
                           &f->err));
        assert_int_equal(ms_buf_size(value), 0);
        ms_buf_unref(value);
    }
}

static void parts_of_large_values_are_right(void **state)
{
    struct fixture *f = fixture(state);
    size_t size = (2 << 20) + 777;
    uint8_t *bytes = pattern(size, 7);
    OK(put_bytes(f, "large", ms_view(bytes, size), NULL, NULL));
    struct ms_random random;
    ms_random_seed(&random, 8);
    for (int i = 0; i < 20; i++) {
        uint64_t offset = ms_random_below(&random, size), count = ms_random_below(&random, size);
        size_t wanted = count < size - offset ? count : size - offset;
        struct ms_buf *value = NULL;
        int64_t from = i % 2 ? (int64_t)offset : (int64_t)offset - (int64_t)size;
        OK(ms_backend_load(f->b, ms_str("large"), from, count, &value, NULL, &f->err));
        assert_int_equal(ms_buf_size(value), wanted);
        assert_memory_equal(ms_buf_view(value).data, bytes + offset, wanted);
        ms_buf_unref(value);
    }
    free(bytes);
}

const struct promise promises_ranges[] = {
    {"loads parts", loads_parts},
    {"clips at the end", clips_at_the_end},
    {"counts from the end", counts_from_the_end},
    {"parts of nothing are nothing", parts_of_nothing_are_nothing},
    {"parts of large values are right", parts_of_large_values_are_right},
    {0},
};
