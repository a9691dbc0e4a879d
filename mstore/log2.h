/* mstore/log2.h - a base-2 logarithm in whole numbers: the same on every machine.
 *
 * Placement must never differ between two clients. Floating-point logarithms of C libraries differ
 * in the last bit, so none is used; this one has integer operations alone. Pure: any thread.
 */
#ifndef MSTORE_LOG2_H
#define MSTORE_LOG2_H

#include <stdint.h>

/* -log2(x / 2^64) in units of 2^-56, x >= 1; off by at most 2^-54. At least 1, at most 64 * 2^56.
 */
uint64_t ms_minus_log2(uint64_t x);

#endif
