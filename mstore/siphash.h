/* mstore/siphash.h - SipHash-2-4, a keyed 64-bit hash of short texts (Aumasson and Bernstein,
 * "SipHash: a fast short-input PRF", 2012). The same on machines of either byte order. Pure: any
 * thread.
 */
#ifndef MSTORE_SIPHASH_H
#define MSTORE_SIPHASH_H

#include <mstore/base.h>

uint64_t ms_siphash(const uint8_t key[16], struct ms_view bytes);
/* The same of the 8 bytes of `word`, least significant first. */
uint64_t ms_siphash_word(const uint8_t key[16], uint64_t word);

#endif
