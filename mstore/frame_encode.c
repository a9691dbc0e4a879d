/* Writing a frame. The last block carries a mark, so one block is held back until it is certain
 * that another byte follows it; blocks of which that is certain go to the sink from the caller's
 * memory. */
#include "mstore/frame_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"

#include <stdlib.h>

struct ms_frame_encoder {
    struct ms_frame_header header; /* metadata: gone after begin but for its size */
    struct ms_frame_codec codec;
    ms_frame_sink sink;
    void *ctx;
    uint64_t payload;  /* appended so far */
    uint64_t position; /* given to the sink so far */
    uint64_t blocks;   /* sealed so far */
    uint8_t *held;     /* of the next block */
    uint32_t held_size;
    uint8_t *index; /* compressed frames: where each block ends */
    size_t index_room;
    bool over; /* failed or finished */
};

static int emit(struct ms_frame_encoder *e, struct ms_view piece, struct ms_error *err)
{
    if (piece.size == 0)
        return 0;
    e->position += piece.size;
    return e->sink(e->ctx, piece, err);
}

static int emit_header(struct ms_frame_encoder *e, struct ms_error *err)
{
    uint8_t bytes[MS_FRAME_HEADER_MAX];
    int code = ms_frame_header_pack(&e->header, e->codec.sum, bytes, err);
    return code ? code : emit(e, ms_view(bytes, ms_frame_header_size(&e->header)), err);
}

int ms_frame_encoder_new(const struct ms_frame_header *header, int zstd_level, ms_frame_sink sink,
                         void *ctx, struct ms_frame_encoder **out, struct ms_error *err)
{
    int code = ms_frame_header_check(header, err);
    if (code)
        return code;
    struct ms_frame_encoder *e = calloc(1, sizeof *e);
    if (!e || !(e->held = malloc(header->block_size))) {
        free(e);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of %u bytes",
                            header->block_size);
    }
    e->header = *header;
    e->sink = sink;
    e->ctx = ctx;
    code = ms_frame_codec_init(&e->codec, header, true, zstd_level, err);
    if (!code)
        code = emit_header(e, err);
    e->header.metadata.data = NULL;
    if (code) {
        ms_frame_encoder_free(e);
        return code;
    }
    *out = e;
    return 0;
}

void ms_frame_encoder_free(struct ms_frame_encoder *e)
{
    if (!e)
        return;
    ms_frame_codec_fini(&e->codec);
    free(e->held);
    free(e->index);
    free(e);
}

/* Notes where the block just emitted ends. */
static int index_add(struct ms_frame_encoder *e, struct ms_error *err)
{
    size_t at = e->blocks * MS_FRAME_INDEX_ENTRY;
    if (at + MS_FRAME_INDEX_ENTRY > e->index_room) {
        size_t room = e->index_room ? 2 * e->index_room : 32 * (size_t)MS_FRAME_INDEX_ENTRY;
        uint8_t *grown = realloc(e->index, room);
        if (!grown)
            return ms_error_set(err, MS_ERR_NO_MEMORY,
                                "no memory for the index of a compressed value");
        e->index = grown;
        e->index_room = room;
    }
    frame_put(e->index + at, e->position, MS_FRAME_INDEX_ENTRY);
    return 0;
}

static int seal(struct ms_frame_encoder *e, struct ms_view payload, bool last, struct ms_error *err)
{
    uint8_t head[MS_FRAME_BLOCK_HEAD];
    struct ms_view stored;
    int code = ms_frame_seal(&e->codec, e->blocks, payload, last, head, &stored, err);
    if (!code)
        code = emit(e, ms_view(head, sizeof head), err);
    if (!code)
        code = emit(e, stored, err);
    if (!code && e->header.zstd)
        code = index_add(e, err);
    e->blocks++;
    return code;
}

static int seal_held(struct ms_frame_encoder *e, bool last, struct ms_error *err)
{
    uint32_t size = e->held_size;
    e->held_size = 0;
    return seal(e, ms_view(e->held, size), last, err);
}

/* The length of the payload, UINT64_MAX: not known yet. */
static uint64_t known_length(const struct ms_frame_encoder *e)
{
    return e->header.value_length == MS_FRAME_LENGTH_LATER
               ? UINT64_MAX
               : ms_frame_payload_length(&e->header, e->header.value_length);
}

static int append(struct ms_frame_encoder *e, struct ms_view bytes, struct ms_error *err)
{
    uint32_t block = e->header.block_size;
    uint64_t known = known_length(e);
    int code = 0;
    bool more = known != UINT64_MAX && e->payload < known; /* behind these bytes */
    while (bytes.size > 0 && code == 0) {
        size_t take = block;
        if (e->held_size == block) {
            code = seal_held(e, false, err);
            continue;
        }
        if (e->held_size == 0 && (bytes.size > block || (bytes.size == block && more))) {
            code = seal(e, ms_view(bytes.data, block), false, err);
        } else {
            take = block - e->held_size < bytes.size ? block - e->held_size : bytes.size;
            memcpy(e->held + e->held_size, bytes.data, take);
            e->held_size += (uint32_t)take;
        }
        bytes = ms_view(bytes.data + take, bytes.size - take);
    }
    return code;
}

int ms_frame_encoder_append(struct ms_frame_encoder *e, struct ms_view bytes, struct ms_error *err)
{
    ms_assert(!e->over);
    uint64_t limit = known_length(e) < MS_STRIPE_VALUE_MAX ? known_length(e) : MS_STRIPE_VALUE_MAX;
    int code = 0;
    if (bytes.size > limit - e->payload)
        code = ms_error_set(err, MS_ERR_INVALID,
                            "more bytes than the %llu that this copy or shard may have",
                            (unsigned long long)limit);
    if (!code) {
        e->payload += bytes.size;
        code = append(e, bytes, err);
    }
    e->over = code != 0;
    return code;
}

/* The lengths that were promised and those that came. */
static int check_lengths(const struct ms_frame_encoder *e, uint64_t value_length,
                         struct ms_error *err)
{
    if (value_length > MS_STRIPE_VALUE_MAX ||
        (e->header.value_length != MS_FRAME_LENGTH_LATER && e->header.value_length != value_length))
        return ms_error_set(err, MS_ERR_INVALID, "a value of %llu bytes was announced as %llu",
                            (unsigned long long)value_length,
                            (unsigned long long)e->header.value_length);
    uint64_t right = ms_frame_payload_length(&e->header, value_length);
    if (e->payload != right)
        return ms_error_set(err, MS_ERR_INVALID,
                            "shard %u of a value of %llu bytes has %llu bytes, not %llu",
                            e->header.shard, (unsigned long long)value_length,
                            (unsigned long long)right, (unsigned long long)e->payload);
    return 0;
}

static int emit_trailer(struct ms_frame_encoder *e, uint64_t value_length, struct ms_error *err)
{
    struct ms_frame_trailer t = {value_length, e->payload,
                                 e->header.zstd ? e->blocks * MS_FRAME_INDEX_ENTRY : 0};
    struct ms_view index = ms_view(e->index, t.index_size);
    uint8_t index_sum[MS_CHECKSUM_SIZE], bytes[MS_FRAME_TRAILER];
    int code = ms_frame_index_begin(&e->header, e->codec.sum, err);
    if (!code)
        code = ms_checksum_add(e->codec.sum, index, err);
    if (!code)
        code = ms_checksum_end(e->codec.sum, index_sum, err);
    if (!code)
        code = ms_frame_trailer_pack(&e->header, &t, index_sum, e->codec.sum, bytes, err);
    if (!code)
        code = emit(e, index, err);
    return code ? code : emit(e, ms_view(bytes, sizeof bytes), err);
}

int ms_frame_encoder_finish(struct ms_frame_encoder *e, uint64_t value_length, struct ms_error *err)
{
    ms_assert(!e->over);
    e->over = true;
    int code = check_lengths(e, value_length, err);
    if (!code)
        code = seal_held(e, true, err);
    return code ? code : emit_trailer(e, value_length, err);
}

/* ---- all at once -------------------------------------------------------------------------- */

struct filling {
    uint8_t *data;
    size_t used, room;
};

static int fill(void *ctx, struct ms_view piece, struct ms_error *err)
{
    struct filling *f = ctx;
    (void)err;
    ms_assert(piece.size <= f->room - f->used);
    memcpy(f->data + f->used, piece.data, piece.size);
    f->used += piece.size;
    return 0;
}

int ms_frame_encode(const struct ms_frame_header *header, int zstd_level, struct ms_view payload,
                    uint64_t value_length, struct ms_buf **out, struct ms_error *err)
{
    int code = ms_frame_header_check(header, err);
    if (code)
        return code;
    uint64_t blocks = ms_frame_block_count(header, payload.size);
    struct filling f = {.room = ms_frame_plain_size(header, payload.size) +
                                (header->zstd ? blocks * MS_FRAME_INDEX_ENTRY : 0)};
    MS_AUTO_BUF struct ms_buf *buf = ms_buf_new(f.room);
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a frame of %zu bytes", f.room);
    f.data = ms_buf_data(buf);
    struct ms_frame_encoder *e = NULL;
    code = ms_frame_encoder_new(header, zstd_level, fill, &f, &e, err);
    if (!code)
        code = ms_frame_encoder_append(e, payload, err);
    if (!code)
        code = ms_frame_encoder_finish(e, value_length, err);
    ms_frame_encoder_free(e);
    if (code)
        return code;
    ms_buf_truncate(buf, f.used);
    *out = MS_TAKE(buf);
    return 0;
}
