/* mstore/value_code.c - a value as frames: rows of k blocks, each coded into m parities as soon as
 * it is full, all columns framed. Whole rows of the caller's bytes are not copied. What it holds is
 * a row, its parities, and a block for each frame. */
#include "mstore/value_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "mstore/erasure.h"

struct column { /* one shard */
    struct ms_value_coder *coder;
    unsigned shard;
    struct ms_frame_encoder *encoder;
};

struct ms_value_coder {
    struct ms_value_shape shape;
    struct ms_stripe stripe; /* its length grows as bytes come */
    uint64_t announced;
    ms_value_sink sink;
    void *ctx;
    struct ms_erasure *erasure; /* NULL: no parities */
    uint8_t *row;               /* k blocks */
    size_t held;                /* bytes in it */
    uint8_t *parity;            /* m blocks */
    struct column columns[];
};

static int column_sink(void *ctx, struct ms_view piece, struct ms_error *err)
{
    struct column *c = ctx;
    return c->coder->sink(c->coder->ctx, c->shard, piece, err);
}

static int open_columns(struct ms_value_coder *c, struct ms_error *err)
{
    struct ms_frame_header header = {.value_length = c->announced,
                                     .block_size = c->stripe.block_size,
                                     .k = c->shape.k,
                                     .m = c->shape.m,
                                     .zstd = c->shape.zstd};
    memcpy(header.write_id, c->shape.write_id, sizeof header.write_id);
    int code = 0;
    for (unsigned i = 0; i < ms_value_shards(&c->shape) && !code; i++) {
        struct column *column = &c->columns[i];
        *column = (struct column){.coder = c, .shard = i};
        header.shard = i;
        code = ms_frame_encoder_new(&header, 0, column_sink, column, &column->encoder, err);
    }
    return code;
}

int ms_value_coder_new(const struct ms_value_shape *shape, uint32_t block_size, uint64_t length,
                       ms_value_sink sink, void *ctx, struct ms_value_coder **out,
                       struct ms_error *err)
{
    ms_assert(shape->has_write_id && shape->k > 0);
    unsigned shards = ms_value_shards(shape);
    struct ms_value_coder *c = calloc(1, sizeof *c + shards * sizeof *c->columns);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    c->shape = *shape;
    c->stripe = (struct ms_stripe){shape->k, block_size, 0};
    c->announced = length;
    c->sink = sink;
    c->ctx = ctx;
    int code = 0;
    if (shape->m)
        code = ms_erasure_new(shape->k, shape->m, &c->erasure, err);
    if (!code && !ms_value_is_copy(shape)) {
        c->row = malloc((size_t)shape->k * block_size);
        c->parity = malloc((size_t)shape->m * block_size + 1);
        if (!c->row || !c->parity)
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a row of %u blocks", shards);
    }
    if (!code)
        code = open_columns(c, err);
    if (code) {
        ms_value_coder_free(c);
        return code;
    }
    *out = c;
    return 0;
}

void ms_value_coder_free(struct ms_value_coder *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < ms_value_shards(&c->shape); i++)
        ms_frame_encoder_free(c->columns[i].encoder);
    ms_erasure_free(c->erasure);
    free(c->row);
    free(c->parity);
    free(c);
}

/* A row whose cells are `width` apart from each other, zeros behind its end; `size` bytes count. */
static int code_row(struct ms_value_coder *c, const uint8_t *row, size_t width, size_t size,
                    struct ms_error *err)
{
    const uint8_t *data[255];
    uint8_t *parity[255];
    unsigned k = c->shape.k, m = c->shape.m;
    int code = 0;
    for (unsigned j = 0; j < k && !code; j++) {
        size_t from = j * width < size ? j * width : size;
        size_t part = size - from < width ? size - from : width;
        data[j] = row + j * width;
        code = ms_frame_encoder_append(c->columns[j].encoder, ms_view(row + from, part), err);
    }
    for (unsigned i = 0; i < m; i++)
        parity[i] = c->parity + (size_t)i * c->stripe.block_size;
    if (m && !code)
        ms_erasure_encode(c->erasure, data, parity, width);
    for (unsigned i = 0; i < m && !code; i++)
        code = ms_frame_encoder_append(c->columns[k + i].encoder, ms_view(parity[i], width), err);
    return code;
}

static int append_rows(struct ms_value_coder *c, struct ms_view bytes, struct ms_error *err)
{
    size_t block = c->stripe.block_size, whole = c->shape.k * block;
    while (bytes.size) {
        bool direct = c->held == 0 && bytes.size >= whole;
        size_t part = whole - c->held < bytes.size ? whole - c->held : bytes.size;
        if (!direct)
            memcpy(c->row + c->held, bytes.data, part);
        c->held += part;
        if (c->held == whole) {
            int code = code_row(c, direct ? bytes.data : c->row, block, whole, err);
            if (code)
                return code;
            c->held = 0;
        }
        bytes = ms_view(bytes.data + part, bytes.size - part);
    }
    return 0;
}

int ms_value_coder_append(struct ms_value_coder *c, struct ms_view bytes, struct ms_error *err)
{
    if (bytes.size > MS_STRIPE_VALUE_MAX - c->stripe.length)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "a value may have 2^56 bytes at most");
    c->stripe.length += bytes.size;
    if (c->announced != MS_FRAME_LENGTH_LATER && c->stripe.length > c->announced)
        return ms_error_set(err, MS_ERR_INVALID, "more bytes than the %llu that were announced",
                            (unsigned long long)c->announced);
    if (ms_value_is_copy(&c->shape))
        return ms_frame_encoder_append(c->columns[0].encoder, bytes, err);
    return append_rows(c, bytes, err);
}

int ms_value_coder_finish(struct ms_value_coder *c, struct ms_error *err)
{
    int code = 0;
    if (c->held) { /* the last row, dealt out evenly */
        size_t width = ms_stripe_row_width(c->stripe, ms_stripe_rows(c->stripe) - 1);
        memset(c->row + c->held, 0, c->shape.k * (size_t)c->stripe.block_size - c->held);
        code = code_row(c, c->row, width, c->held, err);
    }
    for (unsigned i = 0; i < ms_value_shards(&c->shape) && !code; i++)
        code = ms_frame_encoder_finish(c->columns[i].encoder, c->stripe.length, err);
    return code;
}

/* ---- all at once -------------------------------------------------------------------------- */

struct filling {
    struct ms_buf **frames;
    size_t *used;
};

static int fill(void *ctx, unsigned shard, struct ms_view piece, struct ms_error *err)
{
    struct filling *f = ctx;
    (void)err;
    ms_assert(piece.size <= ms_buf_size(f->frames[shard]) - f->used[shard]);
    memcpy(ms_buf_data(f->frames[shard]) + f->used[shard], piece.data, piece.size);
    f->used[shard] += piece.size;
    return 0;
}

static int make_room(const struct ms_value_shape *shape, uint32_t block_size, uint64_t length,
                     struct ms_buf *frames[], struct ms_error *err)
{
    struct ms_stripe stripe = {shape->k, block_size, length};
    struct ms_frame_header header = {.block_size = block_size, .k = shape->k, .m = shape->m};
    for (unsigned i = 0; i < ms_value_shards(shape); i++) {
        uint64_t payload = ms_stripe_shard_length(stripe, i);
        uint64_t index = (payload / block_size + 1) * MS_FRAME_INDEX_ENTRY;
        frames[i] = ms_buf_new(ms_frame_plain_size(&header, payload) + (shape->zstd ? index : 0));
        if (!frames[i])
            return ms_error_set(err, MS_ERR_NO_MEMORY,
                                "no memory for %u shards of a value of %llu bytes",
                                ms_value_shards(shape), (unsigned long long)length);
    }
    return 0;
}

int ms_value_encode(const struct ms_value_shape *shape, uint32_t block_size, struct ms_view value,
                    struct ms_buf *frames[], struct ms_error *err)
{
    unsigned shards = ms_value_shards(shape);
    size_t used[255] = {0};
    struct filling f = {frames, used};
    struct ms_value_coder *c = NULL;
    memset(frames, 0, shards * sizeof *frames);
    int code = make_room(shape, block_size, value.size, frames, err);
    if (!code)
        code = ms_value_coder_new(shape, block_size, value.size, fill, &f, &c, err);
    if (!code)
        code = ms_value_coder_append(c, value, err);
    if (!code)
        code = ms_value_coder_finish(c, err);
    ms_value_coder_free(c);
    for (unsigned i = 0; i < shards; i++)
        if (code) {
            ms_buf_unref(frames[i]);
            frames[i] = NULL;
        } else {
            ms_buf_truncate(frames[i], used[i]);
        }
    return code;
}
