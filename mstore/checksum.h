/* mstore/checksum.h - the checksum of everything that mstore frames: SHA-256, its first 16 bytes.
 *
 * Why this one. The promise is "never wrong bytes" over years of scrubs of any number of blocks, so
 * 32 bits (CRC32C) are too few: with 10^9 damaged blocks one in four such stores would hand out a
 * wrong one. 128 bits make the odds 2^-128 a block. Of the sums that long a cryptographic one needs
 * no assumption about what damage looks like (firmware that returns an old block, zeros, somebody
 * else's sector, a neighbour on the shared machine who is clumsy or curious), and nobody can
 * prepare values whose blocks stand in for one another, which a fast hash like XXH3 does not claim.
 * It has no key: it detects damage, and does not authenticate a member that recomputes it on
 * purpose. SHA-256 runs at 1.5 to 2 GB/s a core where the processor has instructions for it (x86-64
 * since 2017, ARMv8), twice BLAKE2b, is in OpenSSL, which the project links anyway, and can be
 * recomputed by any tool.
 *
 * One thread at a time per handle. */
#ifndef MSTORE_CHECKSUM_H
#define MSTORE_CHECKSUM_H

#include <mstore/base.h>

#define MS_CHECKSUM_SIZE 16

struct ms_checksum;

int ms_checksum_new(struct ms_checksum **out, struct ms_error *err) MS_MUST_CHECK;
void ms_checksum_free(struct ms_checksum *c);

/* Begin, any number of adds, end; or all at once over parts laid end to end. */
int ms_checksum_begin(struct ms_checksum *c, struct ms_error *err) MS_MUST_CHECK;
int ms_checksum_add(struct ms_checksum *c, struct ms_view part, struct ms_error *err) MS_MUST_CHECK;
int ms_checksum_end(struct ms_checksum *c, uint8_t out[MS_CHECKSUM_SIZE],
                    struct ms_error *err) MS_MUST_CHECK;
int ms_checksum_of(struct ms_checksum *c, const struct ms_view parts[], size_t count,
                   uint8_t out[MS_CHECKSUM_SIZE], struct ms_error *err) MS_MUST_CHECK;

#endif
