/* mstore/erasure.h - Reed-Solomon: from k data shards m parity shards, and from any k of the k+m
 * the others.
 *
 * The code is systematic over GF(2^8) with the polynomial x^8+x^4+x^3+x^2+1 (0x11d). Parity row
 * i (k <= i < k+m) of the matrix is 1/(i xor j), j = 0..k-1: a Cauchy matrix, all of whose square
 * submatrices are invertible (Blömer et al., "An XOR-Based Erasure-Resilient Coding Scheme", 1995).
 * It is part of the on-disk format and never changes: tests/data/erasure has its parities. The
 * arithmetic is ISA-L's.
 *
 * Shards are arrays of `size` bytes, any size, any alignment. Byte x of the parities depends on
 * byte x of the data shards alone, so a long value is coded piece by piece, each piece by one call.
 *
 * Threads: one handle may be used by any number of threads at once. */
#ifndef MSTORE_ERASURE_H
#define MSTORE_ERASURE_H

#include <mstore/base.h>

#define MS_ERASURE_SHARDS_MAX 255

struct ms_erasure;

/* MS_ERR_INVALID unless 1 <= k and k+m <= 255; MS_ERR_UNSUPPORTED in a build without ISA-L. */
int ms_erasure_new(unsigned k, unsigned m, struct ms_erasure **out,
                   struct ms_error *err) MS_MUST_CHECK;
void ms_erasure_free(struct ms_erasure *e);

/* Writes parity[0..m-1] from data[0..k-1]. Allocates nothing. */
void ms_erasure_encode(const struct ms_erasure *e, const uint8_t *const data[],
                       uint8_t *const parity[], size_t size);

/* Writes every shard i (data: i < k, then parities) that is not `present` and whose shards[i] is
 * not NULL. At least k must be present (else MS_ERR_INVALID); of more, data shards are read first,
 * then the lowest parities, and the others may be NULL. MS_ERR_NO_MEMORY leaves the shards as they
 * were. What was worked out for a pattern is kept for the next call with it. */
int ms_erasure_reconstruct(struct ms_erasure *e, uint8_t *const shards[], const bool present[],
                           size_t size, struct ms_error *err) MS_MUST_CHECK;

/* MS_ERR_CORRUPT names the first parity shard that does not fit the data shards (which of them
 * is damaged it cannot know). All k+m are read. */
int ms_erasure_verify(const struct ms_erasure *e, const uint8_t *const shards[], size_t size,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
