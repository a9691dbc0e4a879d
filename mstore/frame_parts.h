/* mstore/frame_parts.h - what the files frame_*.c share: the bytes of each part of a frame. */
#ifndef MSTORE_FRAME_PARTS_H
#define MSTORE_FRAME_PARTS_H

#include "mstore/checksum.h"
#include "mstore/frame.h"

#define FRAME_ID 32u /* the first bytes of the header, which every checksum covers */

static inline void frame_put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t frame_get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* ---- frame_header.c ------------------------------------------------------------------------ */

/* MS_ERR_INVALID names the field that breaks its limits. */
int ms_frame_header_check(const struct ms_frame_header *h, struct ms_error *err) MS_MUST_CHECK;
void ms_frame_id(const struct ms_frame_header *h, uint8_t id[FRAME_ID]);
/* Bytes of this shard of a value of that length. */
uint64_t ms_frame_payload_length(const struct ms_frame_header *h, uint64_t value_length);
/* At least 1: an empty frame has an empty block. */
uint64_t ms_frame_block_count(const struct ms_frame_header *h, uint64_t payload_length);
/* Writes ms_frame_header_size(h) bytes. */
int ms_frame_header_pack(const struct ms_frame_header *h, struct ms_checksum *sum, uint8_t *out,
                         struct ms_error *err) MS_MUST_CHECK;
int ms_frame_trailer_pack(const struct ms_frame_header *h, const struct ms_frame_trailer *t,
                          const uint8_t index_sum[MS_CHECKSUM_SIZE], struct ms_checksum *sum,
                          uint8_t out[MS_FRAME_TRAILER], struct ms_error *err) MS_MUST_CHECK;
/* Begins the checksum of the index. */
int ms_frame_index_begin(const struct ms_frame_header *h, struct ms_checksum *sum,
                         struct ms_error *err) MS_MUST_CHECK;
/* The checksum of the index that a trailer holds. */
const uint8_t *ms_frame_trailer_index_sum(const uint8_t trailer[MS_FRAME_TRAILER]);

/* ---- frame_block.c: seals and opens blocks ------------------------------------------------- */

struct ms_frame_codec {
    struct ms_checksum *sum;
    uint8_t id[FRAME_ID];
    uint32_t block_size;
    bool zstd;
    int level;
    void *compressor, *decompressor;
    uint8_t *scratch; /* block_size bytes in compressed frames */
};

struct ms_frame_block {
    uint32_t stored, size; /* bytes in the frame and of payload */
    bool last, compressed;
};

/* For sealing or for opening. `level` matters to sealing alone. */
int ms_frame_codec_init(struct ms_frame_codec *c, const struct ms_frame_header *h, bool writing,
                        int level, struct ms_error *err) MS_MUST_CHECK;
void ms_frame_codec_fini(struct ms_frame_codec *c);
/* *stored is payload itself or in the scratch. */
int ms_frame_seal(struct ms_frame_codec *c, uint64_t number, struct ms_view payload, bool last,
                  uint8_t head[MS_FRAME_BLOCK_HEAD], struct ms_view *stored,
                  struct ms_error *err) MS_MUST_CHECK;
/* Reads a head; what it says is within the limits, but not verified. */
int ms_frame_block_parse(const struct ms_frame_codec *c, uint64_t number, const uint8_t *head,
                         struct ms_frame_block *out, struct ms_error *err) MS_MUST_CHECK;
/* Verifies. `stored` has out->stored bytes; *payload is `stored` itself or in the scratch. */
int ms_frame_open(struct ms_frame_codec *c, uint64_t number, const uint8_t *head,
                  const struct ms_frame_block *block, const uint8_t *stored,
                  struct ms_view *payload, struct ms_error *err) MS_MUST_CHECK;

#endif
