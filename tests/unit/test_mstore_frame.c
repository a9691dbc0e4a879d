/* Frames: golden files, round trips in all shapes, ranges, and damage of every kind. A frame is
 * described by a header; the payload is random or repetitive. */
#include "support/check.h"
#include "support/wrapalloc.h"

#include "base/cleanup.h"
#include "mstore/frame.h"

#include <stdio.h>
#include <stdlib.h>

static bool have_zstd;

/* ---- helpers ------------------------------------------------------------------------------ */

static struct ms_frame_header header_of(unsigned k, unsigned m, unsigned shard, uint64_t length)
{
    struct ms_frame_header h = {
        .value_length = length, .block_size = 4096, .k = k, .m = m, .shard = shard};
    for (unsigned i = 0; i < MS_FRAME_WRITE_ID; i++)
        h.write_id[i] = (uint8_t)(0x10 + i);
    return h;
}

static void pattern(uint8_t *bytes, size_t size)
{
    for (size_t x = 0; x < size; x++)
        bytes[x] = (uint8_t)((x * x) >> 3 ^ x * 5);
}

struct collected {
    uint8_t *bytes;
    size_t size;
    size_t pieces;
};

static int collect(void *ctx, struct ms_view piece, struct ms_error *err)
{
    struct collected *c = ctx;
    (void)err;
    assert_true(piece.size > 0);
    c->bytes = realloc(c->bytes, c->size + piece.size);
    assert_non_null(c->bytes);
    memcpy(c->bytes + c->size, piece.data, piece.size);
    c->size += piece.size;
    c->pieces++;
    return 0;
}

static struct ms_buf *encoded(const struct ms_frame_header *h, struct ms_view payload,
                              uint64_t value_length)
{
    struct ms_error err = {0};
    struct ms_buf *out = NULL;
    check_ok(ms_frame_encode(h, 0, payload, value_length, &out, &err), err);
    return out;
}

static void check_same(struct ms_view a, struct ms_view b)
{
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, b.size);
}

/* The way of a range through the functions of step 1 to 5, over a frame in memory. */
static int read_range(struct ms_view frame, uint64_t offset, uint64_t size, uint8_t *to,
                      struct ms_error *err)
{
    struct ms_frame_header h;
    struct ms_frame_trailer t;
    struct ms_frame_blocks blocks;
    struct ms_stripe_range at = {0};
    struct ms_view index = {0};
    int code = ms_frame_header_parse(
        ms_view(frame.data, frame.size < MS_FRAME_HEADER_MAX ? frame.size : MS_FRAME_HEADER_MAX),
        &h, err);
    if (code)
        return code;
    if (!ms_frame_needs_trailer(&h)) {
        t = ms_frame_trailer_known(&h);
    } else {
        size_t end = frame.size < MS_FRAME_TRAILER ? frame.size : MS_FRAME_TRAILER;
        code = ms_frame_trailer_parse(&h, ms_view(frame.data + frame.size - end, end), &t, err);
    }
    if (!code)
        code = ms_frame_blocks_of(&h, &t, offset, size, &blocks, err);
    if (!code && h.zstd && blocks.count) {
        code = ms_frame_index_range(&h, &t, frame.size, blocks, &at, err);
        if (code)
            return code;
        assert_true(at.offset + at.size <= frame.size);
        index = ms_view(frame.data + at.offset, at.size);
    }
    if (!code)
        code = ms_frame_blocks_range(&h, &t, blocks, index, &at, err);
    if (code)
        return code;
    assert_true(at.size <= blocks.count * (h.block_size + MS_FRAME_BLOCK_HEAD));
    if (at.offset > frame.size) /* as a member answers: what there is */
        at.offset = frame.size;
    if (at.size > frame.size - at.offset)
        at.size = frame.size - at.offset;
    return ms_frame_read(&h, &t, blocks, ms_view(frame.data + at.offset, at.size), offset, size, to,
                         err);
}

/* ---- golden files ------------------------------------------------------------------------- */

static struct ms_buf *golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/frame/%s.frame", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct ms_buf *buf = ms_buf_new(1 << 16);
    assert_non_null(buf);
    ms_buf_truncate(buf, fread(ms_buf_data(buf), 1, 1 << 16, file));
    fclose(file);
    return buf;
}

static void check_golden(const char *name, struct ms_frame_header h, size_t size,
                         uint64_t value_length)
{
    struct ms_error err = {0};
    uint8_t bytes[20000];
    struct ms_frame_header got;
    pattern(bytes, size);
    MS_AUTO_BUF struct ms_buf *file = golden(name), *value = NULL, *mine = NULL;
    check_ok(ms_frame_decode(ms_buf_view(file), &h, &got, &value, &err), err);
    check_same(ms_buf_view(value), ms_view(bytes, size));
    check_same(got.metadata, h.metadata);
    assert_int_equal(got.value_length, value_length);
    assert_int_equal(got.zstd, h.zstd);
    if (h.zstd) /* another version of zstd may compress better */
        return;
    mine = encoded(&h, ms_view(bytes, size), value_length);
    check_same(ms_buf_view(mine), ms_buf_view(file));
}

static void golden_files(void **state)
{
    (void)state;
    struct ms_frame_header h = header_of(1, 0, 0, 9000);
    check_golden("copy", h, 9000, 9000);
    h = header_of(1, 0, 0, MS_FRAME_LENGTH_LATER);
    h.metadata = ms_str("type=text");
    check_golden("later", h, 5000, 5000);
    h = header_of(4, 2, 2, 9000);
    h.metadata = ms_str("m");
    check_golden("shard", h, 808, 9000);
    h = header_of(1, 0, 0, 0);
    h.block_size = 65536;
    check_golden("empty", h, 0, 0);
    if (!have_zstd)
        return;
    h = header_of(1, 0, 0, 20000);
    h.zstd = true;
    check_golden("zstd", h, 20000, 20000);
}

/* ---- round trips -------------------------------------------------------------------------- */

/* Appended and fed in pieces of random sizes, some of them many blocks long. */
static void trip_in_pieces(const struct ms_frame_header *h, struct ms_view payload,
                           uint64_t value_length, struct ms_view frame, struct ms_random *random)
{
    struct ms_error err = {0};
    struct collected out = {0}, back = {0};
    struct ms_frame_encoder *e = NULL;
    struct ms_frame_decoder *d = NULL;
    uint64_t most = ms_random_below(random, 3) ? 20000 : 50;
    check_ok(ms_frame_encoder_new(h, 0, collect, &out, &e, &err), err);
    for (size_t done = 0, n; done < payload.size; done += n) {
        n = ms_random_below(random, most);
        n = n < payload.size - done ? n : payload.size - done;
        check_ok(ms_frame_encoder_append(e, ms_view(payload.data + done, n), &err), err);
    }
    check_ok(ms_frame_encoder_finish(e, value_length, &err), err);
    ms_frame_encoder_free(e);
    check_same(ms_view(out.bytes, out.size), frame);

    check_ok(ms_frame_decoder_new(h, collect, &back, &d, &err), err);
    for (size_t done = 0, n; done < out.size; done += n) {
        n = 1 + ms_random_below(random, most);
        n = n < out.size - done ? n : out.size - done;
        check_ok(ms_frame_decoder_feed(d, ms_view(out.bytes + done, n), &err), err);
    }
    check_ok(ms_frame_decoder_finish(d, &err), err);
    assert_int_equal(ms_frame_decoder_header(d)->value_length, value_length);
    ms_frame_decoder_free(d);
    check_same(ms_view(back.bytes, back.size), payload);
    free(out.bytes);
    free(back.bytes);
}

static void trip(struct ms_frame_header h, uint64_t value_length, struct ms_random *random)
{
    struct ms_error err = {0};
    struct ms_stripe s = {h.k, h.block_size, value_length};
    size_t size = ms_stripe_shard_length(s, h.shard);
    MS_AUTO_FREE uint8_t *bytes = malloc(size + 1), *part = malloc(size + 1);
    assert_true(bytes && part);
    uint64_t spread = 1 + ms_random_below(random, 256); /* some compress, some do not */
    for (size_t x = 0; x < size; x++)
        bytes[x] = (uint8_t)ms_random_below(random, x / 4096 % 2 ? 256 : spread);
    struct ms_view payload = ms_view(bytes, size);
    MS_AUTO_BUF struct ms_buf *frame = encoded(&h, payload, value_length), *back = NULL;
    check_ok(ms_frame_decode(ms_buf_view(frame), &h, NULL, &back, &err), err);
    check_same(ms_buf_view(back), payload);
    if (!h.zstd)
        assert_int_equal(ms_buf_size(frame), ms_frame_plain_size(&h, size));
    trip_in_pieces(&h, payload, value_length, ms_buf_view(frame), random);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t offset = ms_random_below(random, size + 1);
        uint64_t length = ms_random_below(random, size - offset + 1);
        if (i == 0)
            offset = 0, length = size;
        check_ok(read_range(ms_buf_view(frame), offset, length, part, &err), err);
        assert_memory_equal(part, bytes + offset, length);
    }
    check_code(read_range(ms_buf_view(frame), size, 1, part, &err), MS_ERR_RANGE, err);
    check_code(read_range(ms_buf_view(frame), 1, UINT64_MAX, part, &err), MS_ERR_RANGE, err);
}

static void round_trips(void **state)
{
    static const uint64_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 12288, 12289, 70001};
    static const char metadata[MS_FRAME_META_MAX] = "some";
    struct ms_random random;
    (void)state;
    ms_random_seed(&random, 17);
    for (unsigned round = 0; round < 200; round++) {
        uint64_t length = round < 72 ? sizes[round / 8] : ms_random_below(&random, 150000);
        struct ms_frame_header h = header_of(1, 0, 0, length);
        h.zstd = have_zstd && (round & 1);
        if (round & 2)
            h.value_length = MS_FRAME_LENGTH_LATER;
        if (round & 4) {
            h.k = 1 + (unsigned)ms_random_below(&random, 6);
            h.m = (unsigned)ms_random_below(&random, 4);
            h.shard = (unsigned)ms_random_below(&random, h.k + h.m);
            h.metadata = ms_view(metadata, round % 16 == 4 ? sizeof metadata : round % 90);
        }
        if (round >= 72)
            h.block_size <<= ms_random_below(&random, 4);
        trip(h, length, &random);
    }
}

/* Repetitive values get smaller; random ones cost no more than the index. */
static void compression(void **state)
{
    uint8_t bytes[40000] = "again and again";
    struct ms_random random;
    (void)state;
    if (!have_zstd)
        return;
    struct ms_frame_header h = header_of(1, 0, 0, sizeof bytes);
    h.zstd = true;
    MS_AUTO_BUF struct ms_buf *small = encoded(&h, ms_view(bytes, sizeof bytes), sizeof bytes);
    assert_true(ms_buf_size(small) < 1000);
    ms_random_seed(&random, 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)ms_random_u64(&random);
    MS_AUTO_BUF struct ms_buf *large = encoded(&h, ms_view(bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(ms_buf_size(large), ms_frame_plain_size(&h, sizeof bytes) + 10 * 8);
}

/* Whole blocks reach the sink without having been copied. */
struct watch {
    const uint8_t *from, *to;
    unsigned direct;
};

static int see(void *ctx, struct ms_view piece, struct ms_error *err)
{
    struct watch *w = ctx;
    (void)err;
    w->direct += piece.data >= w->from && piece.data < w->to;
    return 0;
}

static void blocks_are_not_copied(void **state)
{
    static uint8_t bytes[10 * 4096];
    struct ms_error err = {0};
    (void)state;
    for (unsigned at_a_time = 1; at_a_time <= 10; at_a_time += 9) {
        struct watch w = {bytes, bytes + sizeof bytes, 0};
        struct ms_frame_encoder *e;
        struct ms_frame_header h = header_of(1, 0, 0, sizeof bytes);
        check_ok(ms_frame_encoder_new(&h, 0, see, &w, &e, &err), err);
        for (size_t i = 0; i < 10; i += at_a_time)
            check_ok(ms_frame_encoder_append(e, ms_view(bytes + i * 4096, (size_t)at_a_time * 4096),
                                             &err),
                     err);
        check_ok(ms_frame_encoder_finish(e, sizeof bytes, &err), err);
        ms_frame_encoder_free(e);
        assert_int_equal(w.direct, 9); /* all but the last */
    }
}

/* ---- damage ------------------------------------------------------------------------------- */

/* The whole is CORRUPT; a range is CORRUPT or right. */
static void check_damaged(struct ms_view frame, struct ms_view payload, const char *what, size_t at)
{
    struct ms_error err = {0};
    struct ms_buf *out = NULL;
    uint8_t part[9000];
    int code = ms_frame_decode(frame, NULL, NULL, &out, &err);
    if (code != MS_ERR_CORRUPT || err.code != code || out)
        fail_msg("%s at %zu: %s: %s", what, at, ms_code_name(code), err.text);
    code = read_range(frame, 4000, 3000, part, &err);
    if (code != MS_ERR_CORRUPT && (code != 0 || memcmp(part, payload.data + 4000, 3000) != 0))
        fail_msg("range, %s at %zu: %s: %s", what, at, ms_code_name(code), err.text);
    if (code == 0 && at >= 56 && at < 56 + 2 * 4120 && !frame.data[8])
        fail_msg("range, %s at %zu: not noticed", what, at);
}

static void damage(struct ms_frame_header h)
{
    uint8_t bytes[9000];
    pattern(bytes, sizeof bytes);
    struct ms_view payload = ms_view(bytes, sizeof bytes);
    MS_AUTO_BUF struct ms_buf *frame = encoded(&h, payload, sizeof bytes);
    size_t size = ms_buf_size(frame);
    MS_AUTO_FREE uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, ms_buf_view(frame).data, size);
    for (size_t at = 0; at < size; at++) {
        bool all_bits = at < 100 || at > size - 120;
        for (unsigned bit = all_bits ? 0 : at % 8; bit < 8; bit += all_bits ? 1 : 8) {
            copy[at] ^= (uint8_t)(1u << bit);
            check_damaged(ms_view(copy, size), payload, "flipped bit", at);
            copy[at] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t cut = 0; cut < size; cut += cut < 200 || cut > size - 200 ? 1 : 13)
        check_damaged(ms_view(copy, cut), payload, "cut", cut);
    copy[size] = 0;
    check_damaged(ms_view(copy, size + 1), payload, "one byte more", 0);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    damage(header_of(1, 0, 0, 9000));
    struct ms_frame_header h = header_of(1, 0, 0, MS_FRAME_LENGTH_LATER);
    h.metadata = ms_str("meta");
    damage(h);
    h.zstd = have_zstd;
    damage(h);
}

/* A block in the place of another one: of the same frame, of another write, of another shard. */
static void blocks_stay_in_their_place(void **state)
{
    uint8_t bytes[3 * 4096] = {0};
    uint64_t length = sizeof bytes;
    struct ms_view payload = ms_view(bytes, sizeof bytes); /* all blocks alike */
    (void)state;
    struct ms_frame_header h = header_of(1, 0, 0, length), other_write = h, later = h;
    struct ms_frame_header shards[2] = {header_of(2, 1, 0, 2 * length),
                                        header_of(2, 1, 1, 2 * length)};
    other_write.write_id[15] ^= 1;
    later.value_length = MS_FRAME_LENGTH_LATER;
    MS_AUTO_BUF struct ms_buf *frame = encoded(&h, payload, length);
    MS_AUTO_BUF struct ms_buf *other = encoded(&other_write, payload, length);
    MS_AUTO_BUF struct ms_buf *open = encoded(&later, payload, length);
    MS_AUTO_BUF struct ms_buf *shard0 = encoded(&shards[0], payload, 2 * length);
    MS_AUTO_BUF struct ms_buf *shard1 = encoded(&shards[1], payload, 2 * length);
    struct {
        struct ms_buf *into, *from;
        size_t to_block, from_block;
    } swaps[] = {{frame, frame, 0, 1},  {frame, other, 1, 1},   {frame, open, 1, 1},
                 {frame, shard0, 1, 1}, {shard0, shard1, 1, 1}, {shard1, shard0, 0, 0}};
    for (size_t i = 0; i < sizeof swaps / sizeof *swaps; i++) {
        uint8_t copy[20000];
        struct ms_view into = ms_buf_view(swaps[i].into);
        memcpy(copy, into.data, into.size);
        memcpy(copy + 56 + swaps[i].to_block * 4120,
               ms_buf_view(swaps[i].from).data + 56 + swaps[i].from_block * 4120, 4120);
        check_damaged(ms_view(copy, into.size), payload, "swapped block", i);
        memcpy(copy, into.data, into.size); /* and trailers */
        memcpy(copy + into.size - 64,
               ms_buf_view(swaps[i].from).data + ms_buf_size(swaps[i].from) - 64, 64);
        if (swaps[i].from != swaps[i].into)
            check_damaged(ms_view(copy, into.size), payload, "swapped trailer", i);
    }
}

/* The frame of another write, shard or length is not taken for the one expected. */
static void expectations(void **state)
{
    struct ms_error err = {0};
    uint8_t bytes[100] = {0};
    struct ms_buf *out = NULL;
    (void)state;
    struct ms_frame_header h = header_of(2, 1, 0, 100), later = h;
    later.value_length = MS_FRAME_LENGTH_LATER;
    MS_AUTO_BUF struct ms_buf *frame = encoded(&h, ms_view(bytes, 100), 100);
    MS_AUTO_BUF struct ms_buf *open = encoded(&later, ms_view(bytes, 100), 100);
    struct ms_frame_header wrong[5] = {h, h, h, h, h};
    wrong[0].write_id[0] ^= 1;
    wrong[1].shard = 2;
    wrong[2].m = 2;
    wrong[3].block_size = 8192;
    wrong[4].value_length = 99;
    static const char *const says[5] = {
        "another write", "shard 0 of 2+1 where shard 2 of 2+1", "where shard 0 of 2+2 should be",
        "blocks of 4096 bytes instead of 8192", "100 bytes instead of 99"};
    for (unsigned i = 0; i < 5; i++) {
        check_code(ms_frame_decode(ms_buf_view(frame), &wrong[i], NULL, &out, &err), MS_ERR_CORRUPT,
                   err);
        check_text(err, says[i]);
        check_code(ms_frame_decode(ms_buf_view(open), &wrong[i], NULL, &out, &err), MS_ERR_CORRUPT,
                   err);
        check_text(err, says[i]);
    }
    uint8_t copy[300];
    memcpy(copy, ms_buf_view(frame).data, 200);
    copy[7] = '2';
    check_code(ms_frame_decode(ms_view(copy, 200), NULL, NULL, &out, &err), MS_ERR_CORRUPT, err);
    check_text(err, "a version that this mstore does not know");
    check_code(ms_frame_decode(ms_view(bytes, 100), NULL, NULL, &out, &err), MS_ERR_CORRUPT, err);
    check_text(err, "does not begin with MSFRAME");
}

/* ---- refusals and failures ----------------------------------------------------------------- */

static void impossible_headers(void **state)
{
    static const char metadata[MS_FRAME_META_MAX + 1];
    struct ms_error err = {0};
    struct ms_buf *out = NULL;
    (void)state;
    struct ms_frame_header good = header_of(4, 2, 5, 0), bad[10];
    for (unsigned i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].block_size = 0;
    bad[1].block_size = 2048;
    bad[2].block_size = 12288;
    bad[3].block_size = 2u << 20;
    bad[4].k = 0;
    bad[5].k = 250, bad[5].m = 6;
    bad[6].shard = 6;
    bad[7].metadata = ms_view(metadata, sizeof metadata);
    bad[8].value_length = ((uint64_t)1 << 56) + 1;
    bad[9].m = UINT32_MAX;
    for (unsigned i = 0; i < 10; i++) {
        check_code(ms_frame_encode(&bad[i], 0, ms_str(""), 0, &out, &err), MS_ERR_INVALID, err);
        assert_true(err.text[0] && !out);
    }
}

static void wrong_lengths(void **state)
{
    struct ms_error err = {0};
    struct ms_buf *out = NULL;
    (void)state;
    struct ms_frame_header h = header_of(4, 2, 0, 100), later = h;
    later.value_length = MS_FRAME_LENGTH_LATER;
    check_code(ms_frame_encode(&h, 0, ms_str("too short"), 100, &out, &err), MS_ERR_INVALID, err);
    check_text(err, "shard 0 of a value of 100 bytes has 100 bytes, not 9");
    check_code(ms_frame_encode(&h, 0, ms_str("too short"), 9, &out, &err), MS_ERR_INVALID, err);
    check_text(err, "9 bytes was announced as 100");
    check_code(ms_frame_encode(&later, 0, ms_str("x"), 2, &out, &err), MS_ERR_INVALID, err);
    h.value_length = 3;
    check_code(ms_frame_encode(&h, 0, ms_str("four"), 3, &out, &err), MS_ERR_INVALID, err);
    check_text(err, "more bytes than the 3");
}

static int refuse(void *ctx, struct ms_view piece, struct ms_error *err)
{
    unsigned *left = ctx;
    (void)piece;
    if ((*left)-- > 0)
        return 0;
    return ms_error_set(err, MS_ERR_NO_SPACE, "the sink is full");
}

/* What the sink says comes back, from every one of its calls. */
static void sinks_that_fail(void **state)
{
    uint8_t bytes[9000] = {0};
    struct ms_error err = {0};
    struct ms_frame_header h = header_of(1, 0, 0, sizeof bytes);
    int code = MS_ERR_NO_SPACE;
    unsigned calls;
    (void)state;
    for (calls = 0; code == MS_ERR_NO_SPACE; calls++) {
        unsigned left = calls;
        struct ms_frame_encoder *e = NULL;
        code = ms_frame_encoder_new(&h, 0, refuse, &left, &e, &err);
        if (!code)
            code = ms_frame_encoder_append(e, ms_view(bytes, sizeof bytes), &err);
        if (!code)
            code = ms_frame_encoder_finish(e, sizeof bytes, &err);
        ms_frame_encoder_free(e);
    }
    check_ok(code, err);
    assert_int_equal(calls, 9); /* header, three blocks of two pieces, trailer, then success */

    MS_AUTO_BUF struct ms_buf *frame = encoded(&h, ms_view(bytes, sizeof bytes), sizeof bytes);
    unsigned left = 2;
    struct ms_frame_decoder *d = NULL;
    check_ok(ms_frame_decoder_new(NULL, refuse, &left, &d, &err), err);
    check_code(ms_frame_decoder_feed(d, ms_buf_view(frame), &err), MS_ERR_NO_SPACE, err);
    ms_frame_decoder_free(d);
}

/* Allocation 0, 1, 2 … fails: NO_MEMORY, and nothing else. */
static void no_memory(void **state)
{
    uint8_t bytes[9000], part[3000];
    (void)state;
    pattern(bytes, sizeof bytes);
    for (unsigned zstd = 0; zstd <= have_zstd; zstd++) {
        struct ms_frame_header h = header_of(1, 0, 0, sizeof bytes);
        h.zstd = zstd;
        MS_AUTO_BUF struct ms_buf *frame = encoded(&h, ms_view(bytes, sizeof bytes), sizeof bytes);
        for (unsigned what = 0; what < 3; what++) {
            long k = 0;
            for (bool failed = true; failed; k++) {
                struct ms_error err = {0};
                struct ms_buf *out = NULL;
                wrapalloc_arm(k);
                int code = what == 0   ? ms_frame_encode(&h, 0, ms_view(bytes, sizeof bytes),
                                                         sizeof bytes, &out, &err)
                           : what == 1 ? ms_frame_decode(ms_buf_view(frame), &h, NULL, &out, &err)
                                       : read_range(ms_buf_view(frame), 5000, 3000, part, &err);
                failed = wrapalloc_disarm();
                if (code != (failed ? MS_ERR_NO_MEMORY : 0) || err.code != code || (failed && out))
                    fail_msg("%u, allocation %ld: %s: %s", what, k, ms_code_name(code), err.text);
                ms_buf_unref(out);
            }
            assert_in_range(k, 3, 20);
        }
    }
}

int main(void)
{
    struct ms_frame_header h = header_of(1, 0, 0, 0);
    struct ms_buf *out = NULL;
    h.zstd = true;
    have_zstd = ms_frame_encode(&h, 0, ms_str(""), 0, &out, NULL) == 0;
    ms_buf_unref(out);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files),      cmocka_unit_test(round_trips),
        cmocka_unit_test(compression),       cmocka_unit_test(blocks_are_not_copied),
        cmocka_unit_test(damage_is_noticed), cmocka_unit_test(blocks_stay_in_their_place),
        cmocka_unit_test(expectations),      cmocka_unit_test(impossible_headers),
        cmocka_unit_test(wrong_lengths),     cmocka_unit_test(sinks_that_fail),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
