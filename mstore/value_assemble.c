/* mstore/value_assemble.c - a range of a value out of fetched shards. Data shards that are there
 * are copied from; rows that touch one that is not are computed from any k shards, row by row. */
#include "mstore/value_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "mstore/erasure.h"

struct work {
    const struct ms_value_shape *shape;
    struct ms_stripe stripe;
    struct ms_stripe_range range; /* of the value */
    const struct ms_fetched *const *parts;
    uint8_t *to; /* where the range begins */
    struct ms_erasure *erasure;
    uint8_t *cells; /* k+m blocks: of one row, filled up with zeros */
};

/* Where byte `offset` of the shard lies in what was fetched of it. */
static const uint8_t *fetched_at(const struct ms_fetched *part, uint64_t offset, uint64_t size)
{
    ms_assert(part->payload && offset >= part->range.offset &&
              offset + size <= part->range.offset + part->range.size);
    return ms_buf_view(part->payload).data + (offset - part->range.offset);
}

/* What the shard has of the row, filled up with zeros, where reconstruction may read it. */
static uint8_t *cell_of(const struct work *w, uint64_t row, unsigned shard, size_t width)
{
    const struct ms_fetched *part = w->parts[shard];
    ms_assert(w->cells);
    uint8_t *cell = w->cells + (size_t)shard * w->stripe.block_size;
    size_t size = shard < w->stripe.k ? ms_stripe_cell_size(w->stripe, row, shard) : width;
    if (size)
        memcpy(cell, fetched_at(part, row * w->stripe.block_size, size), size);
    memset(cell + size, 0, width - size);
    return cell;
}

/* All data shards of the row, computed where they are not there. */
static int restore_row(const struct work *w, uint64_t row, struct ms_error *err)
{
    uint8_t *shards[255];
    bool present[255];
    size_t width = ms_stripe_row_width(w->stripe, row);
    unsigned chosen = 0;
    for (unsigned i = 0; i < ms_value_shards(w->shape); i++) {
        present[i] = w->parts[i] && chosen < w->stripe.k;
        chosen += present[i];
        shards[i] = present[i]        ? cell_of(w, row, i, width)
                    : i < w->stripe.k ? w->cells + (size_t)i * w->stripe.block_size
                                      : NULL;
    }
    return ms_erasure_reconstruct(w->erasure, shards, present, width, err);
}

static bool all_data(const struct work *w, uint64_t from, uint64_t to)
{
    while (from < to) {
        struct ms_stripe_piece piece = ms_stripe_piece_at(w->stripe, from);
        if (!w->parts[piece.shard])
            return false;
        from += piece.size;
    }
    return true;
}

/* The part of the range that is in one row. */
static int fill_row(const struct work *w, uint64_t row, uint64_t from, uint64_t to,
                    struct ms_error *err)
{
    bool restored = !all_data(w, from, to);
    ms_assert(w->cells || !restored);
    int code = restored ? restore_row(w, row, err) : 0;
    while (!code && from < to) {
        struct ms_stripe_piece piece = ms_stripe_piece_at(w->stripe, from);
        uint64_t size = piece.size < to - from ? piece.size : to - from;
        const uint8_t *bytes;
        if (restored && !w->parts[piece.shard])
            bytes = w->cells + (size_t)piece.shard * w->stripe.block_size +
                    (piece.shard_offset - row * w->stripe.block_size);
        else
            bytes = fetched_at(w->parts[piece.shard], piece.shard_offset, size);
        memcpy(w->to + (from - w->range.offset), bytes, size);
        from += size;
    }
    return code;
}

static int fill_range(const struct work *w, struct ms_error *err)
{
    uint64_t row_size = (uint64_t)w->stripe.k * w->stripe.block_size;
    uint64_t from = w->range.offset, end = from + w->range.size;
    int code = 0;
    while (from < end && !code) {
        uint64_t row = from / row_size;
        uint64_t to = (row + 1) * row_size < end ? (row + 1) * row_size : end;
        code = fill_row(w, row, from, to, err);
        from = to;
    }
    return code;
}

static int prepare(struct work *w, struct ms_error *err)
{
    if (all_data(w, w->range.offset, w->range.offset + w->range.size))
        return 0;
    w->cells = malloc((size_t)ms_value_shards(w->shape) * w->stripe.block_size);
    if (!w->cells)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for computing missing shards");
    return ms_erasure_new(w->shape->k, w->shape->m, &w->erasure, err);
}

int ms_value_assemble(const struct ms_value_shape *shape, uint32_t block_size, uint64_t length,
                      struct ms_stripe_range range, const struct ms_fetched *const parts[],
                      struct ms_buf **out, struct ms_error *err)
{
    struct work w = {
        .shape = shape, .stripe = {shape->k, block_size, length}, .range = range, .parts = parts};
    MS_AUTO_BUF struct ms_buf *value = ms_buf_new(range.size);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %llu bytes of a value",
                            (unsigned long long)range.size);
    w.to = ms_buf_data(value);
    int code = prepare(&w, err);
    if (!code)
        code = fill_range(&w, err);
    ms_erasure_free(w.erasure);
    free(w.cells);
    if (!code)
        *out = MS_TAKE(value);
    return code;
}
