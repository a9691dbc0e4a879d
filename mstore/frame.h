/* mstore/frame.h - how a copy or a shard of a value is kept on a member: header, blocks, trailer.
 *
 *     header   who this is: write id, k+m and shard, block size, length of the value, metadata
 *     block 0  24 bytes of head with a checksum, then up to block_size bytes of payload
 *     block 1  …
 *     index    in compressed frames: where each block ends
 *     trailer  the lengths, once more or for the first time
 *
 * docs/formats.md draws it byte by byte. Every part has a checksum (mstore/checksum.h) that covers
 * the first 32 bytes of the header too: write id, k, m, shard, block size, flags; that of a block
 * also its number and whether it is the last. So no block verifies in the place of another, of
 * another shard, or of another write; and a frame that ends too early is noticed.
 *
 * Writing needs no length in advance: the header may leave it to the trailer, and the index, which
 * is known last, is at the end. Reading a range needs the header (one small request, or none where
 * its fields are known), and of frames that are compressed or have the length in the trailer also
 * the last bytes and the entries of the index for the blocks wanted; then the blocks, in one piece.
 * The index is only a guide: wrong entries lead to blocks that do not verify.
 *
 * Damage of any kind is MS_ERR_CORRUPT, an unknown version too: another copy may be whole. Every
 * allocation is bounded by a verified length. Units are bytes. One thread at a time per handle. */
#ifndef MSTORE_FRAME_H
#define MSTORE_FRAME_H

#include "mstore/stripe.h"

#include <mstore/base.h>

#define MS_FRAME_BLOCK_DEFAULT 65536u
#define MS_FRAME_BLOCK_MIN     4096u
#define MS_FRAME_BLOCK_MAX     MS_STRIPE_BLOCK_MAX
#define MS_FRAME_META_MAX      4096u
#define MS_FRAME_HEADER_MIN    56u /* without metadata */
#define MS_FRAME_HEADER_MAX    (MS_FRAME_HEADER_MIN + MS_FRAME_META_MAX)
#define MS_FRAME_BLOCK_HEAD    24u
#define MS_FRAME_TRAILER       64u
#define MS_FRAME_INDEX_ENTRY   8u
#define MS_FRAME_WRITE_ID      16
#define MS_FRAME_LENGTH_LATER  UINT64_MAX /* the trailer says */

struct ms_frame_header {
    uint8_t write_id[MS_FRAME_WRITE_ID]; /* same for all shards of one write, else different */
    uint64_t value_length;               /* of the whole value, or MS_FRAME_LENGTH_LATER */
    uint32_t block_size;                 /* a power of two, 4 KiB .. 1 MiB */
    unsigned k, m, shard;                /* a copy: 1, 0, 0; parities from shard k on */
    bool zstd;                           /* blocks may be compressed, and there is an index */
    struct ms_view metadata;             /* borrowed; at most MS_FRAME_META_MAX */
};

/* Receives what comes out, piece by piece in order; valid during the call. Not 0 ends the work. */
typedef int (*ms_frame_sink)(void *ctx, struct ms_view piece, struct ms_error *err);

/* ---- writing ------------------------------------------------------------------------------ */

struct ms_frame_encoder;

/* Gives the header to the sink. MS_ERR_INVALID for a header that breaks the limits above;
 * MS_ERR_UNSUPPORTED when zstd is wanted in a build without it. zstd_level 0: zstd's default. */
int ms_frame_encoder_new(const struct ms_frame_header *header, int zstd_level, ms_frame_sink sink,
                         void *ctx, struct ms_frame_encoder **out,
                         struct ms_error *err) MS_MUST_CHECK;
/* More bytes of this copy or shard. Whole blocks are handed on without a copy. */
int ms_frame_encoder_append(struct ms_frame_encoder *e, struct ms_view bytes,
                            struct ms_error *err) MS_MUST_CHECK;
/* The rest. MS_ERR_INVALID when what was appended is not as long as this shard of a value of
 * value_length (and of the header's, when that has it). */
int ms_frame_encoder_finish(struct ms_frame_encoder *e, uint64_t value_length,
                            struct ms_error *err) MS_MUST_CHECK;
/* After an error or finish nothing but this may be called. */
void ms_frame_encoder_free(struct ms_frame_encoder *e);

/* All at once, for what is in memory: `payload` is the value or the shard. */
int ms_frame_encode(const struct ms_frame_header *header, int zstd_level, struct ms_view payload,
                    uint64_t value_length, struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;

/* ---- reading from the beginning to the end ------------------------------------------------- */

struct ms_frame_decoder;

/* `expect` (NULL: anything; copied): write id, k, m, shard and block size must be those, and the
 * value's length if both sides know it, else MS_ERR_CORRUPT. The sink gets payload that is
 * verified; only finish says whether it was all. */
int ms_frame_decoder_new(const struct ms_frame_header *expect, ms_frame_sink sink, void *ctx,
                         struct ms_frame_decoder **out, struct ms_error *err) MS_MUST_CHECK;
int ms_frame_decoder_feed(struct ms_frame_decoder *d, struct ms_view bytes,
                          struct ms_error *err) MS_MUST_CHECK;
/* MS_ERR_CORRUPT when the frame is not complete. */
int ms_frame_decoder_finish(struct ms_frame_decoder *d, struct ms_error *err) MS_MUST_CHECK;
/* NULL until it has arrived; after finish value_length is known. Borrowed from the decoder. */
const struct ms_frame_header *ms_frame_decoder_header(const struct ms_frame_decoder *d);
void ms_frame_decoder_free(struct ms_frame_decoder *d);

/* All at once. The header's metadata is borrowed from `frame`; header may be NULL. */
int ms_frame_decode(struct ms_view frame, const struct ms_frame_header *expect,
                    struct ms_frame_header *header, struct ms_buf **out,
                    struct ms_error *err) MS_MUST_CHECK;

/* ---- reading a range ----------------------------------------------------------------------
 *
 * Steps, each a pure function of what has been fetched:
 *   1. header: ms_frame_header_parse of the first MS_FRAME_HEADER_MAX bytes (or of all there are),
 * or a struct filled in from a name and a policy (metadata.size must be right);
 *   2. ms_frame_needs_trailer: the last MS_FRAME_TRAILER bytes, ms_frame_trailer_parse; else
 *      ms_frame_trailer_known;
 *   3. ms_frame_blocks_of: which blocks hold the range;
 *   4. header.zstd: fetch ms_frame_index_range, else nothing; ms_frame_blocks_range;
 *   5. fetch that, and ms_frame_read. */

struct ms_frame_trailer {
    uint64_t value_length;   /* of the whole value */
    uint64_t payload_length; /* of this copy or shard */
    uint64_t index_size;
};

struct ms_frame_blocks {
    uint64_t first, count;
    uint64_t total; /* of the frame, so that the last one is known */
};

/* `start` may go on behind the header. MS_ERR_CORRUPT also when it is too short; at least
 * min(MS_FRAME_HEADER_MAX, the frame) bytes are enough. */
int ms_frame_header_parse(struct ms_view start, struct ms_frame_header *out,
                          struct ms_error *err) MS_MUST_CHECK;
uint64_t ms_frame_header_size(const struct ms_frame_header *header);
/* MS_ERR_CORRUPT unless header has expect's write id, k, m, shard, block size and, where both know
 * it, value length. */
int ms_frame_header_matches(const struct ms_frame_header *header,
                            const struct ms_frame_header *expect,
                            struct ms_error *err) MS_MUST_CHECK;

bool ms_frame_needs_trailer(const struct ms_frame_header *header);
int ms_frame_trailer_parse(const struct ms_frame_header *header, struct ms_view end,
                           struct ms_frame_trailer *out, struct ms_error *err) MS_MUST_CHECK;
/* When none is needed. */
struct ms_frame_trailer ms_frame_trailer_known(const struct ms_frame_header *header);
/* The bytes of an uncompressed frame in all. */
uint64_t ms_frame_plain_size(const struct ms_frame_header *header, uint64_t payload_length);

/* MS_ERR_RANGE unless [offset, offset+size) lies inside the payload; size 0 gives count 0. */
int ms_frame_blocks_of(const struct ms_frame_header *header, const struct ms_frame_trailer *trailer,
                       uint64_t offset, uint64_t size, struct ms_frame_blocks *out,
                       struct ms_error *err) MS_MUST_CHECK;
/* Which bytes of a compressed frame of frame_size bytes hold the entries for those blocks.
 * MS_ERR_CORRUPT when the frame is too small for what the trailer says. */
int ms_frame_index_range(const struct ms_frame_header *header,
                         const struct ms_frame_trailer *trailer, uint64_t frame_size,
                         struct ms_frame_blocks blocks, struct ms_stripe_range *out,
                         struct ms_error *err) MS_MUST_CHECK;
/* Which bytes of the frame are the blocks. `index` is what ms_frame_index_range named (compressed
 * frames only). At most count × (block size + 24) bytes, else MS_ERR_CORRUPT. */
int ms_frame_blocks_range(const struct ms_frame_header *header,
                          const struct ms_frame_trailer *trailer, struct ms_frame_blocks blocks,
                          struct ms_view index, struct ms_stripe_range *out,
                          struct ms_error *err) MS_MUST_CHECK;
/* Verifies the blocks in `fetched` and copies the payload [offset, offset+size) into `to`. On
 * failure `to` may hold anything. */
int ms_frame_read(const struct ms_frame_header *header, const struct ms_frame_trailer *trailer,
                  struct ms_frame_blocks blocks, struct ms_view fetched, uint64_t offset,
                  uint64_t size, uint8_t *to, struct ms_error *err) MS_MUST_CHECK;

#endif
