/* bench/plain.h - the honest lower limit: a plain C loop of the same system calls with the same
 * durability, nothing checked that need not be, errors end the program. */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include <stddef.h>
#include <stdint.h>

/* Names are "data/01/23/KEY" below the folder; directories exist. */
void plain_make_folders(int root, char *const *names, size_t count);
void plain_store(int root, char *const *names, size_t count, const void *value, size_t size,
                 int sync_all);
void plain_load(int root, char *const *names, size_t count, size_t size);
void plain_store_large(int root, const char *name, const void *block, size_t block_size,
                       uint64_t size, int sync_all);
void plain_load_large(int root, const char *name, size_t block_size);
/* All names of a folder with their sizes, sorted; returns how many. */
size_t plain_list(int root, const char *folder, int with_sizes);
void plain_remove(int root, char *const *names, size_t count);
__attribute__((noreturn)) void plain_die(const char *what);

#endif
