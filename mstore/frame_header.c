/* Header and trailer of a frame, in bytes. Pure; docs/formats.md draws them. */
#include "mstore/frame_parts.h"

#include "base/assert.h"

#define FLAG_ZSTD  1u
#define FLAG_LATER 2u

static const char head_magic[8] = {'M', 'S', 'F', 'R', 'A', 'M', 'E', '1'};
static const char tail_magic[8] = {'M', 'S', 'F', 'T', 'A', 'I', 'L', '1'};

int ms_frame_header_check(const struct ms_frame_header *h, struct ms_error *err)
{
    uint32_t b = h->block_size;
    if (b < MS_FRAME_BLOCK_MIN || b > MS_FRAME_BLOCK_MAX || (b & (b - 1)) != 0)
        return ms_error_set(err, MS_ERR_INVALID,
                            "blocks of %u bytes are impossible: a power of two from 4096 to "
                            "1048576",
                            b);
    if (h->k < 1 || h->k > 255 || h->m > 255 - h->k || h->shard >= h->k + h->m)
        return ms_error_set(err, MS_ERR_INVALID,
                            "shard %u of %u+%u is impossible: shards count from 0, at least 1 data "
                            "shard and at most 255 in all",
                            h->shard, h->k, h->m);
    if (h->metadata.size > MS_FRAME_META_MAX)
        return ms_error_set(err, MS_ERR_INVALID, "%zu bytes of metadata are too many: at most %u",
                            h->metadata.size, MS_FRAME_META_MAX);
    if (h->value_length != MS_FRAME_LENGTH_LATER && h->value_length > MS_STRIPE_VALUE_MAX)
        return ms_error_set(err, MS_ERR_INVALID, "a value of %llu bytes is too large: at most 2^56",
                            (unsigned long long)h->value_length);
    return 0;
}

uint64_t ms_frame_header_size(const struct ms_frame_header *h)
{
    return MS_FRAME_HEADER_MIN + h->metadata.size;
}

void ms_frame_id(const struct ms_frame_header *h, uint8_t id[FRAME_ID])
{
    unsigned flags = h->zstd ? FLAG_ZSTD : 0;
    if (h->value_length == MS_FRAME_LENGTH_LATER)
        flags |= FLAG_LATER;
    memcpy(id, head_magic, 8);
    id[8] = (uint8_t)flags;
    id[9] = (uint8_t)__builtin_ctz(h->block_size);
    id[10] = (uint8_t)h->k;
    id[11] = (uint8_t)h->m;
    id[12] = (uint8_t)h->shard;
    id[13] = 0;
    frame_put(id + 14, h->metadata.size, 2);
    memcpy(id + 16, h->write_id, MS_FRAME_WRITE_ID);
}

uint64_t ms_frame_payload_length(const struct ms_frame_header *h, uint64_t value_length)
{
    return ms_stripe_shard_length((struct ms_stripe){h->k, h->block_size, value_length}, h->shard);
}

uint64_t ms_frame_block_count(const struct ms_frame_header *h, uint64_t payload_length)
{
    uint64_t blocks = payload_length / h->block_size + (payload_length % h->block_size != 0);
    return blocks ? blocks : 1;
}

static int head_sum(struct ms_checksum *sum, const uint8_t *bytes, size_t size,
                    uint8_t out[MS_CHECKSUM_SIZE], struct ms_error *err)
{
    struct ms_view parts[] = {ms_view("H", 1), ms_view(bytes, size)};
    return ms_checksum_of(sum, parts, 2, out, err);
}

int ms_frame_header_pack(const struct ms_frame_header *h, struct ms_checksum *sum, uint8_t *out,
                         struct ms_error *err)
{
    ms_frame_id(h, out);
    frame_put(out + 32, h->value_length, 8);
    if (h->metadata.size)
        memcpy(out + 40, h->metadata.data, h->metadata.size);
    return head_sum(sum, out, 40 + h->metadata.size, out + 40 + h->metadata.size, err);
}

static int damaged(struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_CORRUPT, "the %s", what);
}

/* What the first 40 bytes say, when it is possible. */
static int unpack(const uint8_t *at, struct ms_frame_header *h, struct ms_error *err)
{
    unsigned flags = at[8], metadata = (unsigned)frame_get(at + 14, 2);
    if (at[9] > 20 || at[13] != 0 || flags > (FLAG_ZSTD | FLAG_LATER))
        return damaged(err, "header of the frame holds impossible numbers");
    *h = (struct ms_frame_header){.value_length = frame_get(at + 32, 8),
                                  .block_size = 1u << at[9],
                                  .k = at[10],
                                  .m = at[11],
                                  .shard = at[12],
                                  .zstd = flags & FLAG_ZSTD,
                                  .metadata = ms_view(at + 40, metadata)};
    memcpy(h->write_id, at + 16, MS_FRAME_WRITE_ID);
    bool later = h->value_length == MS_FRAME_LENGTH_LATER;
    if (ms_frame_header_check(h, NULL) != 0 || later != ((flags & FLAG_LATER) != 0))
        return damaged(err, "header of the frame holds impossible numbers");
    return 0;
}

int ms_frame_header_parse(struct ms_view start, struct ms_frame_header *out, struct ms_error *err)
{
    if (start.size < MS_FRAME_HEADER_MIN)
        return damaged(err, "frame ends within its header");
    if (memcmp(start.data, head_magic, 7) != 0)
        return damaged(err, "object is no frame: it does not begin with MSFRAME");
    if (start.data[7] != (uint8_t)head_magic[7])
        return damaged(err, "frame is damaged, or of a version that this mstore does not know");
    struct ms_frame_header h;
    int code = unpack(start.data, &h, err);
    if (code)
        return code;
    size_t summed = 40 + h.metadata.size;
    if (start.size < summed + MS_CHECKSUM_SIZE)
        return damaged(err, "frame ends within its header");
    struct ms_checksum *sum;
    uint8_t right[MS_CHECKSUM_SIZE];
    code = ms_checksum_new(&sum, err);
    if (code)
        return code;
    code = head_sum(sum, start.data, summed, right, err);
    ms_checksum_free(sum);
    if (code)
        return code;
    if (memcmp(right, start.data + summed, MS_CHECKSUM_SIZE) != 0)
        return damaged(err, "header of the frame is damaged: its checksum is wrong");
    *out = h;
    return 0;
}

int ms_frame_header_matches(const struct ms_frame_header *h, const struct ms_frame_header *expect,
                            struct ms_error *err)
{
    if (memcmp(h->write_id, expect->write_id, MS_FRAME_WRITE_ID) != 0)
        return damaged(err, "frame belongs to another write");
    if (h->k != expect->k || h->m != expect->m || h->shard != expect->shard)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "the frame is shard %u of %u+%u where shard %u of %u+%u should be",
                            h->shard, h->k, h->m, expect->shard, expect->k, expect->m);
    if (h->block_size != expect->block_size)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame has blocks of %u bytes instead of %u",
                            h->block_size, expect->block_size);
    if (h->value_length != expect->value_length && h->value_length != MS_FRAME_LENGTH_LATER &&
        expect->value_length != MS_FRAME_LENGTH_LATER)
        return ms_error_set(
            err, MS_ERR_CORRUPT, "the frame is of a value of %llu bytes instead of %llu",
            (unsigned long long)h->value_length, (unsigned long long)expect->value_length);
    return 0;
}

/* ---- trailer ------------------------------------------------------------------------------ */

static int tail_sum(const struct ms_frame_header *h, struct ms_checksum *sum, const uint8_t *bytes,
                    uint8_t out[MS_CHECKSUM_SIZE], struct ms_error *err)
{
    uint8_t id[FRAME_ID];
    ms_frame_id(h, id);
    struct ms_view parts[] = {ms_view("T", 1), ms_view(id, sizeof id), ms_view(bytes, 48)};
    return ms_checksum_of(sum, parts, 3, out, err);
}

int ms_frame_trailer_pack(const struct ms_frame_header *h, const struct ms_frame_trailer *t,
                          const uint8_t index_sum[MS_CHECKSUM_SIZE], struct ms_checksum *sum,
                          uint8_t out[MS_FRAME_TRAILER], struct ms_error *err)
{
    memcpy(out, tail_magic, 8);
    frame_put(out + 8, t->value_length, 8);
    frame_put(out + 16, t->payload_length, 8);
    frame_put(out + 24, t->index_size, 8);
    memcpy(out + 32, index_sum, MS_CHECKSUM_SIZE);
    return tail_sum(h, sum, out, out + 48, err);
}

const uint8_t *ms_frame_trailer_index_sum(const uint8_t trailer[MS_FRAME_TRAILER])
{
    return trailer + 32;
}

int ms_frame_index_begin(const struct ms_frame_header *h, struct ms_checksum *sum,
                         struct ms_error *err)
{
    uint8_t id[FRAME_ID];
    ms_frame_id(h, id);
    int code = ms_checksum_begin(sum, err);
    if (!code)
        code = ms_checksum_add(sum, ms_view("I", 1), err);
    return code ? code : ms_checksum_add(sum, ms_view(id, sizeof id), err);
}

/* Whether the lengths fit the header and one another. */
static bool consistent(const struct ms_frame_header *h, const struct ms_frame_trailer *t)
{
    if (t->value_length > MS_STRIPE_VALUE_MAX)
        return false;
    if (h->value_length != MS_FRAME_LENGTH_LATER && h->value_length != t->value_length)
        return false;
    if (t->payload_length != ms_frame_payload_length(h, t->value_length))
        return false;
    uint64_t entries = h->zstd ? ms_frame_block_count(h, t->payload_length) : 0;
    return t->index_size == entries * MS_FRAME_INDEX_ENTRY;
}

int ms_frame_trailer_parse(const struct ms_frame_header *h, struct ms_view end,
                           struct ms_frame_trailer *out, struct ms_error *err)
{
    if (end.size != MS_FRAME_TRAILER || memcmp(end.data, tail_magic, 8) != 0)
        return damaged(err, "frame does not end with a trailer: it is cut, or longer than it was");
    struct ms_checksum *sum;
    uint8_t right[MS_CHECKSUM_SIZE];
    int code = ms_checksum_new(&sum, err);
    if (code)
        return code;
    code = tail_sum(h, sum, end.data, right, err);
    ms_checksum_free(sum);
    if (code)
        return code;
    if (memcmp(right, end.data + 48, MS_CHECKSUM_SIZE) != 0)
        return damaged(err, "trailer of the frame is damaged: its checksum is wrong");
    struct ms_frame_trailer t = {frame_get(end.data + 8, 8), frame_get(end.data + 16, 8),
                                 frame_get(end.data + 24, 8)};
    if (!consistent(h, &t))
        return damaged(err, "trailer of the frame does not fit its header");
    *out = t;
    return 0;
}

bool ms_frame_needs_trailer(const struct ms_frame_header *h)
{
    return h->zstd || h->value_length == MS_FRAME_LENGTH_LATER;
}

struct ms_frame_trailer ms_frame_trailer_known(const struct ms_frame_header *h)
{
    ms_assert(!ms_frame_needs_trailer(h));
    return (struct ms_frame_trailer){h->value_length, ms_frame_payload_length(h, h->value_length),
                                     0};
}

uint64_t ms_frame_plain_size(const struct ms_frame_header *h, uint64_t payload_length)
{
    return ms_frame_header_size(h) + payload_length +
           ms_frame_block_count(h, payload_length) * MS_FRAME_BLOCK_HEAD + MS_FRAME_TRAILER;
}
