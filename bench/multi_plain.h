/* bench/multi_plain.h - what an MStore cannot do without, as plain loops: coding, summing and
 * copying shards; the same file written to three folders at once; files copied. Errors end the
 * program. */
#ifndef BENCH_MULTI_PLAIN_H
#define BENCH_MULTI_PLAIN_H

#include <stddef.h>
#include <stdint.h>

#define SHARDS 6

/* A value of whole rows (4 blocks of 64 KiB): each row's two parities by ISA-L, SHA-256 of each
 * block, and one copy of each into memory that is new. To be freed by plain_shards_free. */
void plain_shards(const uint8_t *value, size_t size, uint8_t *shards[SHARDS]);
void plain_shards_free(uint8_t *shards[SHARDS]);

/* The value under `count` names (numbers from `first` on) in each of the folders (open), by a
 * thread each, which wait for each other after each value; each file is synced and renamed, then
 * its folder is synced. */
void plain_mirror(const int folders[], unsigned folder_count, unsigned first, unsigned count,
                  const void *value, size_t size);

/* The files of a folder into another one, by so many threads, each synced and renamed; then the
 * folder is synced. Returns the bytes. */
uint64_t plain_copy(int from, int to, unsigned threads);

#endif
