/* mstore/stripe.h - where the bytes of a value are among its k data shards. Pure functions.
 *
 * A row is k blocks of the value, one for each data shard in their order, so that block r of shard
 * j is block r*k+j of the value, and block r of each parity shard is computed from row r:
 *
 *     value    |0 |1 |2 |3 |4 |5 |6 |7 |8.|        k = 4
 *     shard 0  |0 |4 |8.|           row 2, the last one, is shared out evenly: see below
 *     shard 1  |1 |5 |
 *     shard 2  |2 |6 |
 *     shard 3  |3 |7 |
 *
 * The last row may hold less than k blocks. It is dealt out in cells of equal size: its bytes
 * divided by k, rounded up to 4096 (so that a tiny value is in one shard and costs one request to
 * read, and a medium one costs parities of a k-th of it, not of a whole block). Shards that get
 * less than the largest count as filled up with zeros when parities are computed; the zeros are not
 * stored. Parities are as long as the longest data shard, which is shard 0.
 *
 * A copy is the case k = 1: one shard, the value itself. Offsets and sizes are bytes, values have
 * at most 2^56 of them. */
#ifndef MSTORE_STRIPE_H
#define MSTORE_STRIPE_H

#include <mstore/base.h>

#define MS_STRIPE_CELL      4096u
#define MS_STRIPE_BLOCK_MAX (1u << 20)
#define MS_STRIPE_VALUE_MAX ((uint64_t)1 << 56)

/* By value. Asserted: 1 <= k <= 255, block_size a multiple of 4096 up to 1 MiB, length <= 2^56. */
struct ms_stripe {
    unsigned k;
    uint32_t block_size;
    uint64_t length; /* of the value */
};

/* Bytes [offset, offset+size) of something. */
struct ms_stripe_range {
    uint64_t offset, size;
};

/* A run of bytes that is contiguous in the value and in one shard. */
struct ms_stripe_piece {
    unsigned shard;
    uint64_t row;          /* also the number of the block within the shard */
    uint64_t shard_offset; /* where it begins in the shard */
    uint64_t value_offset;
    uint64_t size;
};

uint64_t ms_stripe_rows(struct ms_stripe s);
/* Of row < rows: what its parities have, and no data shard has more. Reconstruction of the row
 * works on that many bytes of each shard. */
uint32_t ms_stripe_row_width(struct ms_stripe s, uint64_t row);
/* What data shard j < k has of the row: at most its width, possibly 0. */
uint32_t ms_stripe_cell_size(struct ms_stripe s, uint64_t row, unsigned shard);
/* Bytes of shard i; from k on they are parities. */
uint64_t ms_stripe_shard_length(struct ms_stripe s, unsigned shard);

/* The piece that begins at value_offset < length, up to the end of its cell. */
struct ms_stripe_piece ms_stripe_piece_at(struct ms_stripe s, uint64_t value_offset);
/* Where in the value byte shard_offset of a data shard is; both must exist. */
uint64_t ms_stripe_value_offset(struct ms_stripe s, unsigned shard, uint64_t shard_offset);

/* The smallest range of data shard j that holds every byte of the value's range which is in that
 * shard; size 0: there is none. The value's range must lie inside the value. Between the first and
 * the last row all of the range's bytes are wanted, so nothing is read in vain. */
struct ms_stripe_range ms_stripe_shard_range(struct ms_stripe s, struct ms_stripe_range value,
                                             unsigned shard);
/* What of shard i (data or parity) is needed to reconstruct any of the value's range: its part of
 * all rows that the range touches. */
struct ms_stripe_range ms_stripe_rows_range(struct ms_stripe s, struct ms_stripe_range value,
                                            unsigned shard);

#endif
