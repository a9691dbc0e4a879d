/* The striping of values, against a model that deals out byte by byte as docs/formats.md says. */
#include "support/check.h"

#include "mstore/stripe.h"

#include <stdlib.h>

#define VALUE_MAX (1u << 18)

/* The model: for each byte of the value its shard and its offset there. */
struct model {
    struct ms_stripe s;
    uint64_t shard_length[256];
    uint16_t shard[VALUE_MAX];
    uint32_t at[VALUE_MAX];
};

static void deal(struct model *m)
{
    uint64_t done = 0, row_base = 0;
    memset(m->shard_length, 0, sizeof m->shard_length);
    while (done < m->s.length) {
        uint64_t row = m->s.length - done, full = (uint64_t)m->s.k * m->s.block_size;
        if (row > full)
            row = full;
        uint64_t cell = row / m->s.k + (row % m->s.k != 0);
        while (cell % 4096 != 0)
            cell++;
        for (uint64_t i = 0; i < row; i++, done++) {
            m->shard[done] = (uint16_t)(i / cell);
            m->at[done] = (uint32_t)(row_base + i % cell);
            m->shard_length[i / cell] = row_base + i % cell + 1;
        }
        row_base += m->s.block_size;
    }
}

static void check_lengths(const struct model *m)
{
    uint64_t total = 0, longest = 0;
    for (unsigned j = 0; j < m->s.k; j++) {
        uint64_t length = ms_stripe_shard_length(m->s, j);
        uint64_t wanted = m->shard_length[j], whole_rows = m->s.length / m->s.k / m->s.block_size;
        if (wanted < whole_rows * m->s.block_size)
            wanted = whole_rows * m->s.block_size;
        assert_int_equal(length, wanted);
        total += length;
        longest = length > longest ? length : longest;
    }
    assert_int_equal(total, m->s.length);
    assert_int_equal(ms_stripe_shard_length(m->s, m->s.k), longest);
    assert_int_equal(ms_stripe_shard_length(m->s, 254),
                     m->s.k == 255 ? m->shard_length[254] : longest);
}

static void check_pieces(const struct model *m, struct ms_random *random)
{
    unsigned pieces = 0;
    for (uint64_t offset = 0; offset < m->s.length; pieces++) {
        struct ms_stripe_piece p = ms_stripe_piece_at(m->s, offset);
        assert_int_equal(p.value_offset, offset);
        assert_int_equal(p.row, p.shard_offset / m->s.block_size);
        assert_true(p.size > 0 && offset + p.size <= m->s.length);
        assert_true(p.shard_offset % m->s.block_size + p.size <= ms_stripe_row_width(m->s, p.row));
        uint64_t some[] = {0, p.size - 1, ms_random_below(random, p.size)};
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(m->shard[offset + some[i]], p.shard);
            assert_int_equal(m->at[offset + some[i]], p.shard_offset + some[i]);
            assert_int_equal(ms_stripe_value_offset(m->s, p.shard, p.shard_offset + some[i]),
                             offset + some[i]);
        }
        offset += p.size;
    }
    assert_true(pieces <= ms_stripe_rows(m->s) * m->s.k);
}

/* A range of the value against the smallest and largest offset of its bytes in each shard. */
static void check_range(const struct model *m, struct ms_stripe_range range)
{
    uint64_t first[256], end[256] = {0};
    for (unsigned j = 0; j < 256; j++)
        first[j] = UINT64_MAX;
    for (uint64_t i = range.offset; i < range.offset + range.size; i++) {
        unsigned j = m->shard[i];
        first[j] = m->at[i] < first[j] ? m->at[i] : first[j];
        end[j] = m->at[i] + 1 > end[j] ? m->at[i] + 1 : end[j];
    }
    for (unsigned j = 0; j <= m->s.k; j++) {
        struct ms_stripe_range rows = ms_stripe_rows_range(m->s, range, j);
        assert_true(rows.offset + rows.size <= ms_stripe_shard_length(m->s, j));
        assert_int_equal(rows.offset % m->s.block_size, 0);
        if (j == m->s.k)
            continue;
        struct ms_stripe_range got = ms_stripe_shard_range(m->s, range, j);
        assert_int_equal(got.size, end[j] ? end[j] - first[j] : 0);
        if (got.size == 0)
            continue;
        assert_int_equal(got.offset, first[j]);
        assert_true(rows.offset <= got.offset && rows.offset + rows.size >= end[j]);
        struct ms_stripe_range parity = ms_stripe_rows_range(m->s, range, m->s.k);
        assert_true(parity.offset <= got.offset && parity.offset + parity.size >= end[j]);
    }
}

static void agrees_with_the_model(void **state)
{
    static const unsigned ks[] = {1, 2, 3, 4, 10, 17, 255};
    static const uint32_t blocks[] = {4096, 8192, 12288, 65536};
    struct model *m = malloc(sizeof *m);
    struct ms_random random;
    (void)state;
    assert_non_null(m);
    ms_random_seed(&random, 99);
    for (unsigned round = 0; round < 300; round++) {
        m->s.k = ks[round % 7];
        m->s.block_size = blocks[round % 4];
        uint64_t full = (uint64_t)m->s.k * m->s.block_size;
        uint64_t edge = ms_random_below(&random, 3) * full + ms_random_below(&random, 3) * 4096;
        m->s.length = round % 3 ? ms_random_below(&random, VALUE_MAX)
                                : edge + ms_random_below(&random, 3) - (edge > 0);
        if (m->s.length > VALUE_MAX)
            m->s.length = VALUE_MAX - round;
        deal(m);
        check_lengths(m);
        check_pieces(m, &random);
        for (unsigned i = 0; i < 5; i++) {
            uint64_t offset = ms_random_below(&random, m->s.length + 1);
            uint64_t size = ms_random_below(&random, m->s.length - offset + 1);
            check_range(m, (struct ms_stripe_range){offset, i ? size : m->s.length - offset});
        }
    }
    free(m);
}

/* What formats.md promises in figures. */
static void examples(void **state)
{
    (void)state;
    struct ms_stripe s = {4, 65536, 0};
    assert_int_equal(ms_stripe_rows(s), 0);
    assert_int_equal(ms_stripe_shard_length(s, 0), 0);
    assert_int_equal(ms_stripe_shard_length(s, 5), 0);
    s.length = 1000; /* tiny: all in shard 0, parities no longer than it */
    assert_int_equal(ms_stripe_shard_length(s, 0), 1000);
    assert_int_equal(ms_stripe_shard_length(s, 1), 0);
    assert_int_equal(ms_stripe_shard_length(s, 4), 1000);
    s.length = 40000; /* cells of 12288: 40000/4 rounded up to 4096 */
    assert_int_equal(ms_stripe_shard_length(s, 0), 12288);
    assert_int_equal(ms_stripe_shard_length(s, 3), 40000 - 3 * 12288);
    assert_int_equal(ms_stripe_shard_length(s, 4), 12288);
    s.length = 4 * 65536 + 1;
    assert_int_equal(ms_stripe_shard_length(s, 0), 65537);
    assert_int_equal(ms_stripe_shard_length(s, 3), 65536);
    assert_int_equal(ms_stripe_row_width(s, 1), 1);
    s.length = (uint64_t)1 << 56;
    assert_int_equal(ms_stripe_shard_length(s, 3), (uint64_t)1 << 54);
    assert_int_equal(ms_stripe_piece_at(s, s.length - 1).shard, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
