/* One block of a frame: seal (compress, sum) and open (verify, decompress). A compressed block is
 * kept only where it is smaller. Decompression runs on verified bytes alone, into a buffer of the
 * block's size. One thread at a time. */
#include "mstore/frame_parts.h"

#include "base/assert.h"

#include <stdlib.h>
#ifdef MSTORE_HAVE_ZSTD
#include <zstd.h>
#endif

#define STORED_BITS 0x1fffffu /* 21 bits: up to 1 MiB */
#define BIT_LAST    0x40000000u
#define BIT_ZSTD    0x80000000u

/* ---- zstd, or its absence ----------------------------------------------------------------- */

#ifdef MSTORE_HAVE_ZSTD

static int zstd_init(struct ms_frame_codec *c, bool writing, struct ms_error *err)
{
    if (writing)
        c->compressor = ZSTD_createCCtx();
    else
        c->decompressor = ZSTD_createDCtx();
    return c->compressor || c->decompressor
               ? 0
               : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for zstd");
}

static void zstd_fini(struct ms_frame_codec *c)
{
    ZSTD_freeCCtx(c->compressor);
    ZSTD_freeDCtx(c->decompressor);
}

/* The compressed size, 0 when that is no gain. */
static size_t deflate_block(struct ms_frame_codec *c, struct ms_view payload)
{
    if (payload.size < 2)
        return 0;
    size_t size = ZSTD_compressCCtx(c->compressor, c->scratch, payload.size - 1, payload.data,
                                    payload.size, c->level);
    return ZSTD_isError(size) ? 0 : size;
}

static bool inflate_block(struct ms_frame_codec *c, const struct ms_frame_block *b,
                          const uint8_t *stored)
{
    return ZSTD_decompressDCtx(c->decompressor, c->scratch, b->size, stored, b->stored) == b->size;
}

#else

static int zstd_init(struct ms_frame_codec *c, bool writing, struct ms_error *err)
{
    (void)c, (void)writing;
    return ms_error_set(
        err, MS_ERR_UNSUPPORTED,
        "this mstore was built without zstd and neither writes nor reads compressed "
        "values: install the package libzstd-dev and build again");
}

static void zstd_fini(struct ms_frame_codec *c)
{
    (void)c;
}

static size_t deflate_block(struct ms_frame_codec *c, struct ms_view payload)
{
    (void)c, (void)payload;
    return 0;
}

static bool inflate_block(struct ms_frame_codec *c, const struct ms_frame_block *b,
                          const uint8_t *stored)
{
    (void)c, (void)b, (void)stored;
    return false;
}

#endif

/* ---- blocks ------------------------------------------------------------------------------- */

int ms_frame_codec_init(struct ms_frame_codec *c, const struct ms_frame_header *h, bool writing,
                        int level, struct ms_error *err)
{
    *c = (struct ms_frame_codec){.block_size = h->block_size, .zstd = h->zstd, .level = level};
    ms_frame_id(h, c->id);
    int code = ms_checksum_new(&c->sum, err);
    if (!code && h->zstd) {
        code = zstd_init(c, writing, err);
        if (!code && !(c->scratch = malloc(h->block_size)))
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of %u bytes",
                                h->block_size);
    }
    if (code)
        ms_frame_codec_fini(c);
    return code;
}

void ms_frame_codec_fini(struct ms_frame_codec *c)
{
    ms_checksum_free(c->sum);
    zstd_fini(c);
    free(c->scratch);
    *c = (struct ms_frame_codec){0};
}

static int block_sum(struct ms_frame_codec *c, uint64_t number, const uint8_t *head,
                     struct ms_view stored, uint8_t out[MS_CHECKSUM_SIZE], struct ms_error *err)
{
    uint8_t place[8];
    frame_put(place, number, 8);
    struct ms_view parts[] = {ms_view("B", 1), ms_view(c->id, sizeof c->id), ms_view(place, 8),
                              ms_view(head, 8), stored};
    return ms_checksum_of(c->sum, parts, 5, out, err);
}

int ms_frame_seal(struct ms_frame_codec *c, uint64_t number, struct ms_view payload, bool last,
                  uint8_t head[MS_FRAME_BLOCK_HEAD], struct ms_view *stored, struct ms_error *err)
{
    ms_assert(payload.size <= c->block_size && (last || payload.size == c->block_size));
    uint32_t bits = last ? BIT_LAST : 0;
    size_t smaller = c->zstd ? deflate_block(c, payload) : 0;
    *stored = smaller ? ms_view(c->scratch, smaller) : payload;
    if (smaller)
        bits |= BIT_ZSTD;
    frame_put(head, bits | (uint32_t)stored->size, 4);
    frame_put(head + 4, payload.size, 4);
    return block_sum(c, number, head, *stored, head + 8, err);
}

int ms_frame_block_parse(const struct ms_frame_codec *c, uint64_t number, const uint8_t *head,
                         struct ms_frame_block *out, struct ms_error *err)
{
    uint32_t bits = (uint32_t)frame_get(head, 4);
    struct ms_frame_block b = {bits & STORED_BITS, (uint32_t)frame_get(head + 4, 4),
                               bits & BIT_LAST, bits & BIT_ZSTD};
    bool right = (bits & ~(STORED_BITS | BIT_LAST | BIT_ZSTD)) == 0 && b.size <= c->block_size;
    right =
        right && (b.compressed ? c->zstd && b.stored > 0 && b.stored < b.size : b.stored == b.size);
    right = right && (b.size == c->block_size || (b.last && (b.size > 0 || number == 0)));
    if (!right)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "the head of block %llu of the frame is damaged: impossible sizes",
                            (unsigned long long)number);
    *out = b;
    return 0;
}

int ms_frame_open(struct ms_frame_codec *c, uint64_t number, const uint8_t *head,
                  const struct ms_frame_block *block, const uint8_t *stored,
                  struct ms_view *payload, struct ms_error *err)
{
    uint8_t right[MS_CHECKSUM_SIZE];
    int code = block_sum(c, number, head, ms_view(stored, block->stored), right, err);
    if (code)
        return code;
    if (memcmp(right, head + 8, MS_CHECKSUM_SIZE) != 0)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "block %llu of the frame is damaged: its checksum is wrong",
                            (unsigned long long)number);
    if (block->compressed && !inflate_block(c, block, stored))
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "block %llu of the frame is damaged: zstd cannot expand it",
                            (unsigned long long)number);
    *payload = ms_view(block->compressed ? c->scratch : stored, block->size);
    return 0;
}
