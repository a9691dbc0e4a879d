/* Range: what the driver writes, a server reads as the same bytes of any value; what is read means
 * what the definition says. Input: offset (8 bytes), size (8), size of the value (1), then text. */
#include "fuzz.h"

#include "backends/range.h"
#include "backends/rest/wire.h"

static uint64_t take_u64(struct ms_view *input)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | fuzz_byte(input);
    return value;
}

static void check_written(struct ms_rest_range range, uint64_t total)
{
    char text[MS_REST_RANGE_SIZE];
    struct ms_rest_range back = {0, MS_SIZE_TO_END};
    uint64_t start, count, back_start, back_count;
    if (range.size == 0)
        range.size = 1;
    if (range.offset < 0)
        range.size = MS_SIZE_TO_END;
    ms_rest_range_format(text, range);
    ms_assert(strlen(text) < MS_REST_RANGE_SIZE - 1);
    ms_assert(!text[0] || ms_rest_range_parse(ms_str(text), &back, NULL) == 0);
    ms_range_clip(total, range.offset, range.size, &start, &count);
    ms_range_clip(total, back.offset, back.size, &back_start, &back_count);
    ms_assert(start == back_start && count == back_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    struct ms_rest_range range = {.offset = (int64_t)take_u64(&input)}, read = {0};
    range.size = take_u64(&input);
    uint64_t total = fuzz_byte(&input);
    check_written(range, total);
    check_written((struct ms_rest_range){range.offset % 300, range.size % 300}, total);
    if (ms_rest_range_parse(input, &read, NULL) == 0) {
        uint64_t start, count;
        ms_range_clip(total, read.offset, read.size, &start, &count);
        ms_assert(start <= total && count <= total - start);
        ms_assert(read.offset >= 0 || read.size == MS_SIZE_TO_END);
        if (read.size)
            check_written(read, total);
    }
    return 0;
}
