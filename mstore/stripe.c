/* The arithmetic of rows and cells: see stripe.h. No state, any thread. */
#include "mstore/stripe.h"

#include "base/assert.h"

static void check(struct ms_stripe s)
{
    ms_assert(s.k >= 1 && s.k <= 255 && s.length <= MS_STRIPE_VALUE_MAX);
    ms_assert(s.block_size >= MS_STRIPE_CELL && s.block_size <= MS_STRIPE_BLOCK_MAX &&
              s.block_size % MS_STRIPE_CELL == 0);
}

/* Bytes of the value in a full row. */
static uint64_t row_bytes(struct ms_stripe s)
{
    return (uint64_t)s.k * s.block_size;
}

uint64_t ms_stripe_rows(struct ms_stripe s)
{
    check(s);
    return (s.length + row_bytes(s) - 1) / row_bytes(s);
}

/* Bytes of the value in the row. */
static uint64_t held(struct ms_stripe s, uint64_t row)
{
    uint64_t left = s.length - row * row_bytes(s);
    return left < row_bytes(s) ? left : row_bytes(s);
}

/* The size of each cell but the last filled one. */
static uint32_t cell_of(struct ms_stripe s, uint64_t row)
{
    uint64_t share = (held(s, row) + s.k - 1) / s.k;
    return (uint32_t)((share + MS_STRIPE_CELL - 1) / MS_STRIPE_CELL * MS_STRIPE_CELL);
}

uint32_t ms_stripe_row_width(struct ms_stripe s, uint64_t row)
{
    return ms_stripe_cell_size(s, row, 0);
}

uint32_t ms_stripe_cell_size(struct ms_stripe s, uint64_t row, unsigned shard)
{
    ms_assert(row < ms_stripe_rows(s) && shard < s.k);
    uint64_t bytes = held(s, row), before = (uint64_t)shard * cell_of(s, row);
    if (before >= bytes)
        return 0;
    uint64_t left = bytes - before;
    return left < cell_of(s, row) ? (uint32_t)left : cell_of(s, row);
}

uint64_t ms_stripe_shard_length(struct ms_stripe s, unsigned shard)
{
    uint64_t rows = ms_stripe_rows(s);
    if (rows == 0)
        return 0;
    return (rows - 1) * s.block_size + ms_stripe_cell_size(s, rows - 1, shard < s.k ? shard : 0);
}

struct ms_stripe_piece ms_stripe_piece_at(struct ms_stripe s, uint64_t value_offset)
{
    check(s);
    ms_assert(value_offset < s.length);
    uint64_t row = value_offset / row_bytes(s), inside = value_offset % row_bytes(s);
    uint32_t cell = cell_of(s, row);
    unsigned shard = (unsigned)(inside / cell);
    uint64_t at = inside % cell;
    return (struct ms_stripe_piece){shard, row, row * s.block_size + at, value_offset,
                                    ms_stripe_cell_size(s, row, shard) - at};
}

uint64_t ms_stripe_value_offset(struct ms_stripe s, unsigned shard, uint64_t shard_offset)
{
    ms_assert(shard < s.k && shard_offset < ms_stripe_shard_length(s, shard));
    uint64_t row = shard_offset / s.block_size;
    return row * row_bytes(s) + (uint64_t)shard * cell_of(s, row) + shard_offset % s.block_size;
}

/* How many bytes of the shard belong to the first `value_offset` bytes of the value. */
static uint64_t shard_bytes_before(struct ms_stripe s, unsigned shard, uint64_t value_offset)
{
    if (value_offset >= s.length)
        return ms_stripe_shard_length(s, shard);
    uint64_t row = value_offset / row_bytes(s), inside = value_offset % row_bytes(s);
    uint64_t before = (uint64_t)shard * cell_of(s, row);
    uint64_t size = ms_stripe_cell_size(s, row, shard);
    uint64_t part = inside < before ? 0 : inside - before;
    return row * s.block_size + (part < size ? part : size);
}

static void check_range(struct ms_stripe s, struct ms_stripe_range value)
{
    check(s);
    ms_assert(value.offset <= s.length && value.size <= s.length - value.offset);
}

struct ms_stripe_range ms_stripe_shard_range(struct ms_stripe s, struct ms_stripe_range value,
                                             unsigned shard)
{
    check_range(s, value);
    uint64_t begin = shard_bytes_before(s, shard, value.offset);
    uint64_t end = shard_bytes_before(s, shard, value.offset + value.size);
    return (struct ms_stripe_range){begin, end - begin};
}

struct ms_stripe_range ms_stripe_rows_range(struct ms_stripe s, struct ms_stripe_range value,
                                            unsigned shard)
{
    check_range(s, value);
    if (value.size == 0)
        return (struct ms_stripe_range){0, 0};
    uint64_t begin = value.offset / row_bytes(s) * s.block_size;
    uint64_t end = ((value.offset + value.size - 1) / row_bytes(s) + 1) * s.block_size;
    uint64_t length = ms_stripe_shard_length(s, shard);
    end = end < length ? end : length;
    return begin < end ? (struct ms_stripe_range){begin, end - begin}
                       : (struct ms_stripe_range){0, 0};
}
