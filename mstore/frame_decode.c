/* Reading a frame from its beginning to its end, in pieces of any size.
 *
 * The decoder always waits for one part of known size: what is in the caller's piece as a whole is
 * used there, the rest is gathered. The buffers of blocks are allocated when the header has
 * verified. The index, which may be long, passes through a checksum; a second one of the entries as
 * they should be must come out the same. */
#include "mstore/frame_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"

#include <stdlib.h>

enum state { HEAD_FIXED, HEAD_REST, BLOCK_HEAD, BLOCK_BODY, INDEX, TRAILER, COMPLETE, FAILED };

struct ms_frame_decoder {
    struct ms_frame_header expect, header;
    bool expects, has_header;
    ms_frame_sink sink;
    void *ctx;
    enum state state;
    struct ms_frame_codec codec;
    struct ms_checksum *index_right, *index_read;
    struct ms_frame_block block; /* the one whose body is awaited */
    uint8_t block_head[MS_FRAME_BLOCK_HEAD];
    uint64_t payload, position, blocks; /* so far: delivered, parsed, opened */
    uint64_t index_left;
    size_t gathered, wanted;            /* of the part awaited */
    uint8_t *body;                      /* gathers bodies */
    uint8_t small[MS_FRAME_HEADER_MAX]; /* gathers the rest */
    uint8_t header_bytes[MS_FRAME_HEADER_MAX];
};

int ms_frame_decoder_new(const struct ms_frame_header *expect, ms_frame_sink sink, void *ctx,
                         struct ms_frame_decoder **out, struct ms_error *err)
{
    struct ms_frame_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read a frame");
    if (expect) {
        d->expects = true;
        d->expect = *expect;
        d->expect.metadata = ms_view(NULL, 0);
    }
    d->sink = sink;
    d->ctx = ctx;
    d->wanted = MS_FRAME_HEADER_MIN;
    *out = d;
    return 0;
}

void ms_frame_decoder_free(struct ms_frame_decoder *d)
{
    if (!d)
        return;
    ms_frame_codec_fini(&d->codec);
    ms_checksum_free(d->index_right);
    ms_checksum_free(d->index_read);
    free(d->body);
    free(d);
}

const struct ms_frame_header *ms_frame_decoder_header(const struct ms_frame_decoder *d)
{
    return d->has_header ? &d->header : NULL;
}

static void await(struct ms_frame_decoder *d, enum state state, size_t wanted)
{
    d->state = state;
    d->gathered = 0;
    d->wanted = wanted;
}

/* Everything that reading the rest takes. */
static int prepare(struct ms_frame_decoder *d, struct ms_error *err)
{
    int code = ms_frame_codec_init(&d->codec, &d->header, false, 0, err);
    if (!code)
        code = ms_checksum_new(&d->index_right, err);
    if (!code)
        code = ms_checksum_new(&d->index_read, err);
    if (!code)
        code = ms_frame_index_begin(&d->header, d->index_right, err);
    if (!code)
        code = ms_frame_index_begin(&d->header, d->index_read, err);
    if (!code && !(d->body = malloc(d->header.block_size)))
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of %u bytes",
                            d->header.block_size);
    return code;
}

/* The shortest header tells how long it is; a longer one is awaited once more as a whole. */
static int take_header(struct ms_frame_decoder *d, const uint8_t *at, struct ms_error *err)
{
    size_t before = d->state == HEAD_FIXED ? 0 : MS_FRAME_HEADER_MIN, size = before + d->wanted;
    memcpy(d->header_bytes + before, at, d->wanted);
    size_t metadata = frame_get(d->header_bytes + 14, 2);
    if (before == 0 && metadata > 0 && metadata <= MS_FRAME_META_MAX) {
        await(d, HEAD_REST, metadata);
        return 0;
    }
    int code = ms_frame_header_parse(ms_view(d->header_bytes, size), &d->header, err);
    if (!code && d->expects)
        code = ms_frame_header_matches(&d->header, &d->expect, err);
    if (!code)
        code = prepare(d, err);
    if (code)
        return code;
    d->has_header = true;
    d->position = size;
    await(d, BLOCK_HEAD, MS_FRAME_BLOCK_HEAD);
    return 0;
}

static int take_body(struct ms_frame_decoder *d, const uint8_t *at, struct ms_error *err)
{
    struct ms_view payload;
    uint8_t entry[MS_FRAME_INDEX_ENTRY];
    int code = ms_frame_open(&d->codec, d->blocks, d->block_head, &d->block, at, &payload, err);
    if (code)
        return code;
    d->payload += payload.size;
    if (d->payload > MS_STRIPE_VALUE_MAX)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame is longer than 2^56 bytes");
    d->position += MS_FRAME_BLOCK_HEAD + d->block.stored;
    d->blocks++;
    if (d->header.zstd) {
        frame_put(entry, d->position, sizeof entry);
        code = ms_checksum_add(d->index_right, ms_view(entry, sizeof entry), err);
    }
    if (!code && payload.size > 0)
        code = d->sink(d->ctx, payload, err);
    d->index_left = d->header.zstd ? d->blocks * MS_FRAME_INDEX_ENTRY : 0;
    if (!d->block.last)
        await(d, BLOCK_HEAD, MS_FRAME_BLOCK_HEAD);
    else if (d->index_left > 0)
        await(d, INDEX, 0);
    else
        await(d, TRAILER, MS_FRAME_TRAILER);
    return code;
}

static int take_block_head(struct ms_frame_decoder *d, const uint8_t *at, struct ms_error *err)
{
    memcpy(d->block_head, at, MS_FRAME_BLOCK_HEAD);
    int code = ms_frame_block_parse(&d->codec, d->blocks, at, &d->block, err);
    if (code)
        return code;
    await(d, BLOCK_BODY, d->block.stored);
    return d->block.stored == 0 ? take_body(d, d->body, err) : 0;
}

static int take_trailer(struct ms_frame_decoder *d, const uint8_t *at, struct ms_error *err)
{
    struct ms_frame_trailer t;
    uint8_t right[MS_CHECKSUM_SIZE], read[MS_CHECKSUM_SIZE];
    int code = ms_frame_trailer_parse(&d->header, ms_view(at, MS_FRAME_TRAILER), &t, err);
    if (!code)
        code = ms_checksum_end(d->index_right, right, err);
    if (!code)
        code = ms_checksum_end(d->index_read, read, err);
    if (code)
        return code;
    if (memcmp(right, read, sizeof right) != 0 ||
        memcmp(right, ms_frame_trailer_index_sum(at), sizeof right) != 0)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "the index of the frame is damaged: it does not fit the blocks");
    if (t.payload_length != d->payload)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "the frame holds %llu bytes, its trailer says %llu",
                            (unsigned long long)d->payload, (unsigned long long)t.payload_length);
    if (d->expects && d->expect.value_length != MS_FRAME_LENGTH_LATER &&
        d->expect.value_length != t.value_length)
        return ms_error_set(
            err, MS_ERR_CORRUPT, "the frame is of a value of %llu bytes instead of %llu",
            (unsigned long long)t.value_length, (unsigned long long)d->expect.value_length);
    d->header.value_length = t.value_length;
    await(d, COMPLETE, 0);
    return 0;
}

static int take(struct ms_frame_decoder *d, const uint8_t *at, struct ms_error *err)
{
    switch (d->state) {
    case HEAD_FIXED:
    case HEAD_REST:
        return take_header(d, at, err);
    case BLOCK_HEAD:
        return take_block_head(d, at, err);
    case BLOCK_BODY:
        return take_body(d, at, err);
    case TRAILER:
        return take_trailer(d, at, err);
    case INDEX:
    case COMPLETE:
    case FAILED:
        break;
    }
    ms_assert(!"a part is awaited");
}

/* Some of the index, as much as there is. */
static int pass_index(struct ms_frame_decoder *d, struct ms_view *bytes, struct ms_error *err)
{
    size_t size = bytes->size < d->index_left ? bytes->size : d->index_left;
    int code = ms_checksum_add(d->index_read, ms_view(bytes->data, size), err);
    d->index_left -= size;
    *bytes = ms_view(bytes->data + size, bytes->size - size);
    if (d->index_left == 0)
        await(d, TRAILER, MS_FRAME_TRAILER);
    return code;
}

/* The part awaited, once it is complete; NULL: all of `bytes` is gathered. */
static const uint8_t *gather(struct ms_frame_decoder *d, struct ms_view *bytes)
{
    const uint8_t *at = bytes->data;
    size_t size = d->wanted - d->gathered;
    ms_assert(at);
    if (d->gathered > 0 || bytes->size < size) {
        uint8_t *place = d->state == BLOCK_BODY ? d->body : d->small;
        size = bytes->size < size ? bytes->size : size;
        memcpy(place + d->gathered, at, size);
        d->gathered += size;
        at = d->gathered == d->wanted ? place : NULL;
    }
    *bytes = ms_view(bytes->data + size, bytes->size - size);
    return at;
}

int ms_frame_decoder_feed(struct ms_frame_decoder *d, struct ms_view bytes, struct ms_error *err)
{
    ms_assert(d->state != FAILED);
    int code = 0;
    while (bytes.size > 0 && code == 0) {
        const uint8_t *at;
        if (d->state == COMPLETE)
            code = ms_error_set(err, MS_ERR_CORRUPT, "the frame goes on behind its trailer");
        else if (d->state == INDEX)
            code = pass_index(d, &bytes, err);
        else if ((at = gather(d, &bytes)))
            code = take(d, at, err);
    }
    if (code)
        d->state = FAILED;
    return code;
}

int ms_frame_decoder_finish(struct ms_frame_decoder *d, struct ms_error *err)
{
    ms_assert(d->state != FAILED);
    if (d->state == COMPLETE)
        return 0;
    return ms_error_set(err, MS_ERR_CORRUPT, "the frame is cut: it ends %s",
                        !d->has_header        ? "within its header"
                        : d->state < INDEX    ? "within its blocks"
                        : d->state == TRAILER ? "within its trailer"
                                              : "within its index");
}

/* ---- all at once -------------------------------------------------------------------------- */

struct filling {
    uint8_t *data;
    uint64_t used, room;
};

static int fill(void *ctx, struct ms_view piece, struct ms_error *err)
{
    struct filling *f = ctx;
    if (piece.size > f->room - f->used)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame holds more than its trailer says");
    memcpy(f->data + f->used, piece.data, piece.size);
    f->used += piece.size;
    return 0;
}

/* The length of the payload; a frame of that size can hold it. */
static int length_of(struct ms_view frame, uint64_t *length, struct ms_error *err)
{
    struct ms_frame_header h;
    struct ms_frame_trailer t;
    int code = ms_frame_header_parse(frame, &h, err);
    if (code)
        return code;
    uint64_t rest = frame.size - ms_frame_header_size(&h);
    if (rest < MS_FRAME_TRAILER)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame is cut: it ends within its blocks");
    code = ms_frame_trailer_parse(
        &h, ms_view(frame.data + frame.size - MS_FRAME_TRAILER, MS_FRAME_TRAILER), &t, err);
    if (code)
        return code;
    uint64_t least = h.zstd ? ms_frame_block_count(&h, t.payload_length) *
                                  (MS_FRAME_BLOCK_HEAD + MS_FRAME_INDEX_ENTRY)
                            : ms_frame_plain_size(&h, t.payload_length) - ms_frame_header_size(&h) -
                                  MS_FRAME_TRAILER;
    if (rest - MS_FRAME_TRAILER < least)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame is shorter than its trailer says");
    *length = t.payload_length;
    return 0;
}

static int decode_into(struct ms_view frame, const struct ms_frame_header *expect,
                       struct ms_frame_header *header, struct filling *f, struct ms_error *err)
{
    struct ms_frame_decoder *d = NULL;
    int code = ms_frame_decoder_new(expect, fill, f, &d, err);
    if (code)
        return code;
    code = ms_frame_decoder_feed(d, frame, err);
    if (!code)
        code = ms_frame_decoder_finish(d, err);
    if (!code && header) {
        *header = d->header;
        header->metadata.data = frame.data + 40;
    }
    ms_frame_decoder_free(d);
    return code;
}

int ms_frame_decode(struct ms_view frame, const struct ms_frame_header *expect,
                    struct ms_frame_header *header, struct ms_buf **out, struct ms_error *err)
{
    struct filling f = {0};
    int code = length_of(frame, &f.room, err);
    if (code)
        return code;
    MS_AUTO_BUF struct ms_buf *buf = ms_buf_new(f.room);
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value of %llu bytes",
                            (unsigned long long)f.room);
    f.data = ms_buf_data(buf);
    code = decode_into(frame, expect, header, &f, err);
    if (code)
        return code;
    *out = MS_TAKE(buf);
    return 0;
}
