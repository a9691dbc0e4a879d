/* Ranges: load(offset, size) and a reader against the definition; and the texts of numbers. Input:
 * size of the value (1 byte), offset (8), size (8), then text. */
#include "fuzz.h"

#include "base/text.h"

#include <mstore/store.h>

#include <stdio.h>
#include <stdlib.h>

#define KEY "data/range"

static struct ms_store *store;

static void open_store(void)
{
    static const struct ms_namespace ns = {.name = "", .levels = {1}, .level_count = 1};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = &ns;
    o.namespace_count = 1;
    o.ignore_environment = true;
    ms_assert(ms_store_new("memory:", &o, &store, NULL) == 0);
    ms_assert(ms_store_create(store, NULL) == 0 && ms_store_open(store, NULL) == 0);
}

static uint64_t take_u64(struct ms_view *input)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | fuzz_byte(input);
    return value;
}

/* By definition: the bytes i of the value with start <= i < start + size, where a negative offset
 * counts from the end and never from before the start. */
static size_t naive(size_t total, int64_t offset, uint64_t size, size_t *from)
{
    *from = 0;
    size_t count = 0;
    for (size_t i = 0; i < total; i++) {
        bool behind = offset >= 0 ? i >= (uint64_t)offset : (int64_t)(i - total) >= offset;
        if (!behind || count >= size)
            continue;
        if (count++ == 0)
            *from = i;
    }
    return count;
}

static void check_range(const uint8_t *bytes, size_t total, int64_t offset, uint64_t size)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    struct ms_buf *got = NULL;
    size_t from, count = naive(total, offset, size, &from);
    o.offset = offset;
    o.size = size;
    ms_assert(ms_store_load(store, ms_str(KEY), &o, &got, NULL) == 0);
    ms_assert(ms_equal(ms_buf_view(got), ms_view(bytes + from, count)));
    ms_buf_unref(got);
    struct ms_store_reader *reader = NULL;
    uint8_t into[256];
    size_t n = 0, room = size < sizeof(into) ? (size_t)size : sizeof(into);
    ms_assert(ms_store_read(store, ms_str(KEY), false, &reader, NULL) == 0);
    if (offset >= 0) {
        ms_assert(ms_store_reader_read(reader, (uint64_t)offset, into, room, &n, NULL) == 0);
        ms_assert(ms_equal(ms_view(into, n), ms_view(bytes + from, count)));
    }
    ms_store_reader_close(reader);
}

static void check_texts(const char *text)
{
    char digits[32];
    uint64_t value, again;
    int64_t number, number_again;
    double rate;
    if (ms_parse_u64(text, "number", UINT64_MAX, &value, NULL) == 0) {
        snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
        ms_assert(ms_parse_u64(digits, "number", UINT64_MAX, &again, NULL) == 0 && again == value);
        ms_assert(ms_parse_size(digits, "size", &again, NULL) == 0 && again == value);
        ms_assert(value == 0 || ms_parse_u64(digits, "number", value - 1, &again, NULL) < 0);
    }
    if (ms_parse_i64(text, "number", &number, NULL) == 0) {
        snprintf(digits, sizeof(digits), "%lld", (long long)number);
        ms_assert(ms_parse_i64(digits, "number", &number_again, NULL) == 0 &&
                  number_again == number);
    }
    if (ms_parse_size(text, "size", &value, NULL) == 0) {
        snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
        ms_assert(ms_parse_size(digits, "size", &again, NULL) == 0 && again == value);
    }
    if (ms_parse_duration(text, "time", &value, NULL) == 0) {
        snprintf(digits, sizeof(digits), "%lluns", (unsigned long long)value);
        ms_assert(ms_parse_duration(digits, "time", &again, NULL) == 0 && again == value);
    }
    if (ms_parse_bandwidth(text, "bandwidth", &value, NULL) == 0) {
        snprintf(digits, sizeof(digits), "%llubit", (unsigned long long)value);
        ms_assert(ms_parse_bandwidth(digits, "bandwidth", &again, NULL) == 0 && again == value);
    }
    if (ms_parse_rate(text, "rate", &rate, NULL) == 0)
        ms_assert(rate >= 0 && rate <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    uint8_t bytes[256];
    struct ms_buf_borrowed place;
    if (!store)
        open_store();
    size_t total = fuzz_byte(&input);
    for (size_t i = 0; i < total; i++)
        bytes[i] = (uint8_t)(i * 7);
    ms_assert(ms_store_store(store, ms_str(KEY), ms_buf_borrow(&place, ms_view(bytes, total)), NULL,
                             NULL, NULL) == 0);
    int64_t offset = (int64_t)take_u64(&input);
    uint64_t wanted = take_u64(&input);
    check_range(bytes, total, offset, wanted);
    check_range(bytes, total, offset % 300, wanted % 300);
    char *text = fuzz_text(input);
    check_texts(text);
    free(text);
    return 0;
}
