/* Reading a range of a frame: which bytes to fetch, and what to do with them. Pure. Offsets come
 * from verified lengths or, in compressed frames, from entries of the index that are held against
 * what a block can be; a wrong one ends in a block that does not verify. */
#include "mstore/frame_parts.h"

#include "base/assert.h"

int ms_frame_blocks_of(const struct ms_frame_header *header, const struct ms_frame_trailer *trailer,
                       uint64_t offset, uint64_t size, struct ms_frame_blocks *out,
                       struct ms_error *err)
{
    if (offset > trailer->payload_length || size > trailer->payload_length - offset)
        return ms_error_set(err, MS_ERR_RANGE,
                            "%llu bytes from %llu on are not inside the %llu that there are",
                            (unsigned long long)size, (unsigned long long)offset,
                            (unsigned long long)trailer->payload_length);
    uint64_t first = offset / header->block_size;
    uint64_t last = size ? (offset + size - 1) / header->block_size : first;
    *out = (struct ms_frame_blocks){first, size ? last - first + 1 : 0,
                                    ms_frame_block_count(header, trailer->payload_length)};
    return 0;
}

/* The entry of the block before the first one says where that begins. */
static uint64_t first_entry(struct ms_frame_blocks blocks)
{
    return blocks.first ? blocks.first - 1 : 0;
}

int ms_frame_index_range(const struct ms_frame_header *header,
                         const struct ms_frame_trailer *trailer, uint64_t frame_size,
                         struct ms_frame_blocks blocks, struct ms_stripe_range *out,
                         struct ms_error *err)
{
    uint64_t around = ms_frame_header_size(header) + MS_FRAME_TRAILER;
    ms_assert(header->zstd && blocks.count > 0 && blocks.first + blocks.count <= blocks.total);
    if (frame_size < around || frame_size - around < trailer->index_size)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "the frame of %llu bytes is shorter than its trailer says",
                            (unsigned long long)frame_size);
    uint64_t index = frame_size - MS_FRAME_TRAILER - trailer->index_size;
    uint64_t first = first_entry(blocks), end = blocks.first + blocks.count;
    *out = (struct ms_stripe_range){index + first * MS_FRAME_INDEX_ENTRY,
                                    (end - first) * MS_FRAME_INDEX_ENTRY};
    return 0;
}

/* From the entries; each block is at least a head and at most a head and a whole block. */
static int indexed_range(const struct ms_frame_header *header, struct ms_frame_blocks blocks,
                         struct ms_view index, struct ms_stripe_range *out, struct ms_error *err)
{
    uint64_t entries = blocks.first + blocks.count - first_entry(blocks);
    if (index.size != entries * MS_FRAME_INDEX_ENTRY)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame ends within its index");
    const uint8_t *at = index.data;
    uint64_t begin = ms_frame_header_size(header);
    if (blocks.first > 0) {
        begin = frame_get(at, 8);
        at += MS_FRAME_INDEX_ENTRY;
    }
    uint64_t end = begin;
    for (uint64_t i = 0; i < blocks.count; i++, at += MS_FRAME_INDEX_ENTRY) {
        uint64_t next = frame_get(at, 8);
        if (next < end || next - end < MS_FRAME_BLOCK_HEAD ||
            next - end > MS_FRAME_BLOCK_HEAD + (uint64_t)header->block_size)
            return ms_error_set(err, MS_ERR_CORRUPT,
                                "the index of the frame is damaged: impossible size of block %llu",
                                (unsigned long long)blocks.first + i);
        end = next;
    }
    *out = (struct ms_stripe_range){begin, end - begin};
    return 0;
}

int ms_frame_blocks_range(const struct ms_frame_header *header,
                          const struct ms_frame_trailer *trailer, struct ms_frame_blocks blocks,
                          struct ms_view index, struct ms_stripe_range *out, struct ms_error *err)
{
    if (blocks.count == 0) {
        *out = (struct ms_stripe_range){0, 0};
        return 0;
    }
    if (header->zstd)
        return indexed_range(header, blocks, index, out, err);
    uint64_t stride = (uint64_t)header->block_size + MS_FRAME_BLOCK_HEAD;
    uint64_t end = blocks.first + blocks.count;
    uint64_t behind = end * stride; /* the last block may be shorter */
    if (end == blocks.total)
        behind = blocks.total * MS_FRAME_BLOCK_HEAD + trailer->payload_length;
    *out = (struct ms_stripe_range){ms_frame_header_size(header) + blocks.first * stride,
                                    behind - blocks.first * stride};
    return 0;
}

/* One block from the front of what was fetched, and the part of it that is wanted. */
static int read_block(struct ms_frame_codec *c, const struct ms_frame_trailer *t, uint64_t number,
                      uint64_t total, struct ms_view *fetched, struct ms_view *payload,
                      struct ms_error *err)
{
    struct ms_frame_block block;
    uint64_t begin = number * c->block_size, left = t->payload_length - begin;
    if (fetched->size < MS_FRAME_BLOCK_HEAD)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame ends before block %llu",
                            (unsigned long long)number);
    const uint8_t *head = fetched->data;
    int code = ms_frame_block_parse(c, number, head, &block, err);
    if (code)
        return code;
    if (block.last != (number + 1 == total) ||
        block.size != (left < c->block_size ? left : c->block_size) ||
        block.stored > fetched->size - MS_FRAME_BLOCK_HEAD)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "the head of block %llu of the frame is damaged or of another block",
                            (unsigned long long)number);
    size_t used = MS_FRAME_BLOCK_HEAD + (size_t)block.stored;
    code = ms_frame_open(c, number, head, &block, head + MS_FRAME_BLOCK_HEAD, payload, err);
    *fetched = ms_view(fetched->data + used, fetched->size - used);
    return code;
}

int ms_frame_read(const struct ms_frame_header *header, const struct ms_frame_trailer *trailer,
                  struct ms_frame_blocks blocks, struct ms_view fetched, uint64_t offset,
                  uint64_t size, uint8_t *to, struct ms_error *err)
{
    struct ms_frame_codec codec;
    if (blocks.count == 0)
        return 0;
    ms_assert(offset / header->block_size == blocks.first && size > 0);
    ms_assert((offset + size - 1) / header->block_size == blocks.first + blocks.count - 1);
    int code = ms_frame_codec_init(&codec, header, false, 0, err);
    uint64_t number = blocks.first, skip = offset % header->block_size;
    for (; !code && number < blocks.first + blocks.count; number++, skip = 0) {
        struct ms_view payload;
        code = read_block(&codec, trailer, number, blocks.total, &fetched, &payload, err);
        if (code)
            break;
        uint64_t part = payload.size - skip < size ? payload.size - skip : size;
        memcpy(to, payload.data + skip, part);
        to += part;
        size -= part;
    }
    ms_frame_codec_fini(&codec);
    return code;
}
