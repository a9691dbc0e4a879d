/* mstore/value_fetch.c - one shard, or what of it a range needs, from one member: in one call where
 * the name or an earlier call says enough or everything wanted is near the beginning; else the
 * header first, then trailer and index where the frame needs them, then the blocks. Only bytes that
 * verify come out. */
#include "mstore/value_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/hash.h"

#define NEAR  (4 * MS_FRAME_BLOCK_DEFAULT) /* what ends before is read along with the header */
#define BLOCK (MS_FRAME_BLOCK_DEFAULT + MS_FRAME_BLOCK_HEAD)

struct source {
    const struct ms_fetch *want;
    unsigned shard;
    struct ms_member *member;
    struct ms_name name;
    struct ms_buf *start; /* what was read from the beginning; NULL: nothing yet */
    uint64_t object_size; /* known once something was read */
    struct ms_frame_header header;
    struct ms_frame_trailer trailer;
};

static int damaged(const struct source *s, int code, struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    if (code != MS_ERR_CORRUPT)
        return code;
    return ms_error_prefix(err, code, "member %s: shard %u of %s", ms_member_name(s->member),
                           s->shard, ms_value_shown(s->want->site, shown));
}

/* Bytes [offset, offset+size) of the object, *view valid as long as *held and s->start. */
static int get(struct source *s, uint64_t offset, uint64_t size, struct ms_buf **held,
               struct ms_view *view, struct ms_error *err)
{
    if (s->start && offset + size <= ms_buf_size(s->start)) {
        *view = ms_view(ms_buf_view(s->start).data + offset, size);
        return 0;
    }
    struct ms_info info = {0};
    int code =
        ms_member_load(s->member, ms_name_view(&s->name), (int64_t)offset, size, held, &info, err);
    if (code)
        return code;
    *view = ms_buf_view(*held);
    if (view->size != size)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame is cut: %zu bytes of %llu from %llu on",
                            view->size, (unsigned long long)size, (unsigned long long)offset);
    return 0;
}

/* The frame belongs to the write and is the shard that its name says. */
static int check_header(struct source *s, struct ms_error *err)
{
    const struct ms_fetch *want = s->want;
    const struct ms_value_shape *shape = want->shape;
    struct ms_frame_header *h = &s->header;
    h->metadata.data = NULL;
    if (want->pinned && memcmp(h->write_id, want->header.write_id, sizeof h->write_id) != 0)
        return ms_error_set(err, MS_ERR_CONFLICT, "it was stored again while it was being read");
    if (h->k != shape->k || h->m != shape->m || h->shard != s->shard ||
        (shape->has_write_id && memcmp(h->write_id, shape->write_id, sizeof h->write_id) != 0))
        return ms_error_set(err, MS_ERR_CORRUPT, "what lies there belongs to another write");
    return 0;
}

/* Whole blocks from the beginning to the end of a range of a copy. */
static uint64_t near_blocks(uint64_t offset, uint64_t size)
{
    uint64_t end = offset + size;
    return end <= NEAR ? (end + MS_FRAME_BLOCK_DEFAULT - 1) / MS_FRAME_BLOCK_DEFAULT : 0;
}

static int read_header(struct source *s, struct ms_frame_header *at, int64_t *mtime_ns,
                       struct ms_error *err)
{
    const struct ms_fetch *want = s->want;
    uint64_t first = MS_FRAME_HEADER_MAX;
    struct ms_info info = {0};
    if (want->mode != MS_FETCH_HEAD && want->offset >= 0 && want->offset < NEAR &&
        want->size < NEAR)
        first += near_blocks((uint64_t)want->offset, want->size) * BLOCK;
    int code = ms_member_load(s->member, ms_name_view(&s->name), 0, first, &s->start, &info, err);
    if (code)
        return code;
    s->object_size = info.size_bytes;
    *mtime_ns = info.mtime_ns;
    code = ms_frame_header_parse(ms_buf_view(s->start), at, err);
    return code ? code : check_header(s, err);
}

static int read_trailer(struct source *s, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *held = NULL;
    struct ms_view end;
    if (!ms_frame_needs_trailer(&s->header)) {
        s->trailer = ms_frame_trailer_known(&s->header);
        return 0;
    }
    if (s->object_size < MS_FRAME_TRAILER)
        return ms_error_set(err, MS_ERR_CORRUPT, "the frame is cut: it has no trailer");
    int code = get(s, s->object_size - MS_FRAME_TRAILER, MS_FRAME_TRAILER, &held, &end, err);
    return code ? code : ms_frame_trailer_parse(&s->header, end, &s->trailer, err);
}

/* Payload bytes `range` of the shard, from blocks. */
static int read_blocks(struct source *s, struct ms_stripe_range range, struct ms_buf **out,
                       struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *index_held = NULL, *held = NULL, *payload = NULL;
    struct ms_view index = {0}, fetched = {0};
    struct ms_frame_blocks blocks;
    struct ms_stripe_range at;
    int code = ms_frame_blocks_of(&s->header, &s->trailer, range.offset, range.size, &blocks, err);
    if (!code && s->header.zstd && blocks.count) {
        code = ms_frame_index_range(&s->header, &s->trailer, s->object_size, blocks, &at, err);
        if (!code)
            code = get(s, at.offset, at.size, &index_held, &index, err);
    }
    if (!code)
        code = ms_frame_blocks_range(&s->header, &s->trailer, blocks, index, &at, err);
    if (!code && blocks.count)
        code = get(s, at.offset, at.size, &held, &fetched, err);
    if (!code && !(payload = ms_buf_new(range.size)))
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %llu bytes of a value",
                            (unsigned long long)range.size);
    if (!code)
        code = ms_frame_read(&s->header, &s->trailer, blocks, fetched, range.offset, range.size,
                             ms_buf_data(payload), err);
    if (!code)
        *out = MS_TAKE(payload);
    return code;
}

/* Which bytes of the shard are wanted. */
static struct ms_stripe_range wanted_range(const struct source *s, uint64_t length)
{
    const struct ms_fetch *want = s->want;
    struct ms_stripe stripe = {s->header.k, s->header.block_size, length};
    struct ms_stripe_range value = ms_value_clip(want->offset, want->size, length);
    if (value.size == 0)
        return (struct ms_stripe_range){0, 0};
    return want->mode == MS_FETCH_PART ? ms_stripe_shard_range(stripe, value, s->shard)
                                       : ms_stripe_rows_range(stripe, value, s->shard);
}

static int finish_part(struct source *s, struct ms_fetched *out, struct ms_error *err)
{
    int code = 0;
    out->header = s->header;
    out->length = s->trailer.value_length;
    if (s->want->shape->named_size != MS_OWN_SIZE_UNKNOWN &&
        s->want->shape->named_size != out->length)
        return ms_error_set(err, MS_ERR_CORRUPT, "its length is not the one in its name");
    if (s->want->mode == MS_FETCH_HEAD)
        return 0;
    out->range = wanted_range(s, out->length);
    if (out->range.size)
        code = read_blocks(s, out->range, &out->payload, err);
    return code;
}

/* Header and length are known from the name: straight to the blocks. False: they cannot be. */
static bool presume(struct source *s)
{
    const struct ms_fetch *want = s->want;
    const struct ms_value_shape *shape = want->shape;
    bool named = shape->has_write_id && shape->named_size != MS_OWN_SIZE_UNKNOWN && !shape->zstd;
    if (want->mode == MS_FETCH_HEAD || (!want->pinned && !named))
        return false;
    if (want->pinned)
        s->header = want->header;
    else
        s->header = (struct ms_frame_header){.value_length = shape->named_size,
                                             .block_size = MS_FRAME_BLOCK_DEFAULT};
    if (!want->pinned)
        memcpy(s->header.write_id, shape->write_id, sizeof s->header.write_id);
    s->header.k = shape->k;
    s->header.m = shape->m;
    s->header.shard = s->shard;
    if (s->header.zstd)
        return false; /* the index is where the object ends */
    struct ms_frame_header known = s->header;
    known.value_length = want->pinned ? want->length : shape->named_size;
    s->trailer = ms_frame_trailer_known(&known);
    return true;
}

static int fetch_part(struct source *s, struct ms_fetched *out, struct ms_error *err)
{
    if (presume(s)) {
        int code = finish_part(s, out, err);
        if (code != MS_ERR_CORRUPT)
            return code;
    }
    int code = read_header(s, &s->header, &out->mtime_ns, err);
    if (!code)
        code = read_trailer(s, err);
    return code ? code : finish_part(s, out, err);
}

static int check_digest(struct ms_view value, const char *sha256, struct ms_error *err)
{
    char hex[MS_SHA256_HEX];
    int code = ms_sha256_hex(value, hex, err);
    if (!code && strcmp(hex, sha256) != 0)
        code = ms_error_set(err, MS_ERR_CORRUPT, "its SHA-256 is %s, not its key", hex);
    return code;
}

static int fetch_whole(struct source *s, struct ms_fetched *out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *frame = NULL;
    struct ms_info info = {0};
    int code =
        ms_member_load(s->member, ms_name_view(&s->name), 0, MS_SIZE_TO_END, &frame, &info, err);
    if (!code)
        code = ms_frame_decode(ms_buf_view(frame), NULL, &s->header, &out->payload, err);
    if (!code)
        code = check_header(s, err);
    if (!code && s->want->sha256 && ms_value_is_copy(s->want->shape))
        code = check_digest(ms_buf_view(out->payload), s->want->sha256, err);
    if (code)
        return code;
    out->header = s->header;
    out->mtime_ns = info.mtime_ns;
    out->range = (struct ms_stripe_range){0, ms_buf_size(out->payload)};
    out->length = s->header.value_length;
    if (s->want->shape->named_size != MS_OWN_SIZE_UNKNOWN &&
        out->length != s->want->shape->named_size)
        return ms_error_set(err, MS_ERR_CORRUPT, "its length is not the one in its name");
    return 0;
}

int ms_value_fetch(const struct ms_fetch *want, unsigned member, unsigned shard,
                   struct ms_fetched *out, struct ms_error *err)
{
    struct ms_fetched got = {0};
    struct source *s = calloc(1, sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a value");
    s->want = want;
    s->shard = shard;
    int code = ms_value_member(want->site, member, &s->member, err);
    if (!code)
        code = ms_value_name(want->site, want->shape, shard, &s->name, err);
    if (!code)
        code = damaged(
            s, want->mode == MS_FETCH_WHOLE ? fetch_whole(s, &got, err) : fetch_part(s, &got, err),
            err);
    ms_buf_unref(s->start);
    free(s);
    if (code)
        ms_buf_unref(got.payload);
    else
        *out = got;
    return code;
}
