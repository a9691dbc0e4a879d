/* backends/readahead.h - reading ahead of a reader that is used in order, for storages with a long
 * way: while one block is handed over, the next ones are on theirs.
 *
 * A reader embeds one and reads through it. In order, from where the last read ended, up to
 * MS_READAHEAD_BLOCKS blocks of MS_READAHEAD_BYTES are fetched by tasks, the more the longer that
 * goes on. Reads elsewhere, and such that are larger than what would be ahead, go straight to
 * fetch(). Many threads may read: one at a time in order, others past it, and no lock is held while
 * waiting. Blocks that failed are fetched again by whoever comes to them. */
#ifndef BACKENDS_READAHEAD_H
#define BACKENDS_READAHEAD_H

#include "base/pool.h"
#include "base/sync.h"

#include <mstore/base.h>

#define MS_READAHEAD_BYTES  ((size_t)4 << 20)
#define MS_READAHEAD_BLOCKS 6u

/* All of [offset, offset + size) or an error. Called from many threads at once. */
typedef int (*ms_readahead_fetch)(void *arg, uint64_t offset, uint8_t *into, size_t size,
                                  struct ms_error *err);

struct ms_readahead_block;
struct ms_readahead {
    ms_readahead_fetch fetch;
    void *arg;
    uint64_t size_bytes;   /* of the value */
    struct ms_mutex mutex; /* guards `busy`, and the rest while nobody is */
    bool busy;             /* somebody reads in order: the rest is theirs */
    struct ms_readahead_block *first, *last;
    unsigned count, window; /* blocks under way, and how many may be */
    uint64_t position;      /* where reading goes on, in order */
    uint64_t next;          /* first byte that no block is for */
    unsigned strays;        /* reads elsewhere, in a row */
};

void ms_readahead_init(struct ms_readahead *a, ms_readahead_fetch fetch, void *arg,
                       uint64_t size_bytes);
/* size is not 0, and offset + size at most the size of the value. */
int ms_readahead_read(struct ms_readahead *a, uint64_t offset, uint8_t *into, size_t size,
                      struct ms_error *err) MS_MUST_CHECK;
/* Cancels what is under way and waits for its end. */
void ms_readahead_fini(struct ms_readahead *a);

#endif
