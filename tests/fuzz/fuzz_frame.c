/* Frames. The first byte chooses how: whether the checksums are put right first, so that inputs get
 * past them, and the size of the pieces that are fed. What is accepted in pieces is accepted whole
 * and in ranges, with the same bytes; uncompressed, it is written again byte for byte. What comes
 * out in the end is never longer than what the trailer said before anything was allocated. */
#include "fuzz.h"

#include "base/text.h"
#include "mstore/frame_parts.h"

#include <stdlib.h>

/* Puts the checksum of parts at `at`. */
static void seal(struct ms_checksum *sum, const struct ms_view *parts, size_t count, uint8_t *at)
{
    ms_assert(ms_checksum_of(sum, parts, count, at, NULL) == 0);
}

/* Follows the heads of the blocks; returns where they end. */
static size_t repair_blocks(uint8_t *bytes, size_t size, size_t at, struct ms_checksum *sum)
{
    for (uint64_t number = 0; at + 24 <= size; number++) {
        uint8_t place[8];
        uint32_t bits = (uint32_t)frame_get(bytes + at, 4), stored = bits & 0x1fffff;
        if (stored > size - at - 24)
            break;
        frame_put(place, number, 8);
        struct ms_view parts[] = {ms_view("B", 1), ms_view(bytes, 32), ms_view(place, 8),
                                  ms_view(bytes + at, 8), ms_view(bytes + at + 24, stored)};
        seal(sum, parts, 5, bytes + at + 8);
        at += 24 + (size_t)stored;
        if (bits & 0x40000000u)
            break;
    }
    return at;
}

static void repair(uint8_t *bytes, size_t size)
{
    if (size < 56 + 64)
        return;
    size_t metadata = frame_get(bytes + 14, 2), at = 56 + metadata, tail = size - 64;
    if (at > tail)
        return;
    struct ms_checksum *sum;
    ms_assert(ms_checksum_new(&sum, NULL) == 0);
    seal(sum, (struct ms_view[]){ms_view("H", 1), ms_view(bytes, 40 + metadata)}, 2,
         bytes + 40 + metadata);
    at = repair_blocks(bytes, tail, at, sum);
    struct ms_view index[] = {ms_view("I", 1), ms_view(bytes, 32), ms_view(bytes + at, tail - at)};
    seal(sum, index, 3, bytes + tail + 32);
    struct ms_view end[] = {ms_view("T", 1), ms_view(bytes, 32), ms_view(bytes + tail, 48)};
    seal(sum, end, 3, bytes + tail + 48);
    ms_checksum_free(sum);
}

struct output {
    uint8_t *bytes;
    size_t size;
};

static int keep(void *ctx, struct ms_view piece, struct ms_error *err)
{
    struct output *o = ctx;
    (void)err;
    o->bytes = realloc(o->bytes, o->size + piece.size);
    ms_assert(o->bytes);
    memcpy(o->bytes + o->size, piece.data, piece.size);
    o->size += piece.size;
    return 0;
}

/* Damaged; or compressed, and this build cannot read that. */
static bool is_refusal(int code)
{
    struct ms_frame_header h = {.block_size = 4096, .k = 1, .zstd = true};
    struct ms_buf *out = NULL;
    if (code != MS_ERR_UNSUPPORTED)
        return code == MS_ERR_CORRUPT;
    return ms_frame_encode(&h, 0, ms_str(""), 0, &out, NULL) == MS_ERR_UNSUPPORTED;
}

static int decode_in_pieces(struct ms_view frame, size_t piece, struct output *o)
{
    struct ms_frame_decoder *d;
    struct ms_error err = {0};
    ms_assert(ms_frame_decoder_new(NULL, keep, o, &d, &err) == 0);
    int code = 0;
    while (frame.size > 0 && !code) {
        size_t size = frame.size < piece ? frame.size : piece;
        code = ms_frame_decoder_feed(d, ms_view(frame.data, size), &err);
        frame = ms_view(frame.data + size, frame.size - size);
    }
    if (!code)
        code = ms_frame_decoder_finish(d, &err);
    ms_assert(code == 0 || (is_refusal(code) && err.text[0]));
    ms_frame_decoder_free(d);
    return code;
}

/* A range of what may be anything: an error, or `size` bytes in a buffer to be freed. */
static uint8_t *read_range(struct ms_view frame, uint64_t offset, uint64_t size)
{
    struct ms_frame_header h;
    struct ms_frame_trailer t;
    struct ms_frame_blocks blocks;
    struct ms_stripe_range at = {0};
    struct ms_view index = {0};
    if (ms_frame_header_parse(frame, &h, NULL) != 0)
        return NULL;
    size_t tail = frame.size < MS_FRAME_TRAILER ? 0 : frame.size - MS_FRAME_TRAILER;
    if (!ms_frame_needs_trailer(&h))
        t = ms_frame_trailer_known(&h);
    else if (ms_frame_trailer_parse(&h, ms_view(frame.data + tail, frame.size - tail), &t, NULL))
        return NULL;
    if (ms_frame_blocks_of(&h, &t, offset, size, &blocks, NULL) != 0)
        return NULL;
    if (h.zstd && blocks.count) {
        if (ms_frame_index_range(&h, &t, frame.size, blocks, &at, NULL) != 0)
            return NULL;
        ms_assert(at.offset <= frame.size && at.size <= frame.size - at.offset);
        index = ms_view(frame.data + at.offset, at.size);
    }
    if (ms_frame_blocks_range(&h, &t, blocks, index, &at, NULL) != 0)
        return NULL;
    ms_assert(at.size <= blocks.count * (h.block_size + (uint64_t)MS_FRAME_BLOCK_HEAD));
    if (at.offset > frame.size || at.size > frame.size - at.offset)
        return NULL;
    uint8_t *to = malloc(size + 1);
    ms_assert(to);
    if (ms_frame_read(&h, &t, blocks, ms_view(frame.data + at.offset, at.size), offset, size, to,
                      NULL) == 0)
        return to;
    free(to);
    return NULL;
}

static void check_accepted(struct ms_view frame, const struct output *o)
{
    struct ms_frame_header h;
    struct ms_buf *whole, *again;
    ms_assert(ms_frame_decode(frame, NULL, &h, &whole, NULL) == 0);
    ms_assert(ms_equal(ms_buf_view(whole), ms_view(o->bytes, o->size)));
    if (!h.zstd) {
        uint64_t length = h.value_length;
        if (frame.data[8] & 2)
            h.value_length = MS_FRAME_LENGTH_LATER;
        ms_assert(ms_frame_encode(&h, 0, ms_buf_view(whole), length, &again, NULL) == 0);
        ms_assert(ms_equal(ms_buf_view(again), frame));
        ms_buf_unref(again);
    }
    ms_buf_unref(whole);
    if (o->size == 0)
        return;
    uint64_t offset = o->size / 3, size = o->size - offset - o->size / 5;
    uint8_t *part = read_range(frame, offset, size);
    ms_assert(part && ms_equal(ms_view(part, size), ms_view(o->bytes + offset, size)));
    free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    struct output o = {0};
    struct ms_buf *whole;
    uint8_t how = fuzz_byte(&input);
    uint8_t *bytes = malloc(input.size + 1);
    ms_assert(bytes);
    memcpy(bytes, input.data, input.size);
    if (how & 1)
        repair(bytes, input.size);
    struct ms_view frame = ms_view(bytes, input.size);
    if (decode_in_pieces(frame, (size_t)(how >> 1) * 37 + 1, &o) == 0)
        check_accepted(frame, &o);
    else
        ms_assert(is_refusal(ms_frame_decode(frame, NULL, NULL, &whole, NULL)));
    free(read_range(frame, how * 16u, 1000));
    free(o.bytes);
    free(bytes);
    return 0;
}
