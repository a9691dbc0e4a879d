/* mstore/blocks.h - blocks of agreements on what follows a version (mstore/follow.h), when nobody
 * needs them any more. They are never taken away while anybody could take part: then the agreement
 * could end in two ways. */
#ifndef MSTORE_BLOCKS_H
#define MSTORE_BLOCKS_H

#include "mstore/inventory.h"
#include "mstore/versions.h"

struct ms_ages;

struct ms_blocks { /* a key's, on all members that may have some; zero it first */
    struct ms_block_at {
        unsigned member;
        struct ms_write_id about;
        uint64_t number;
        int64_t mtime_ns;
    } * list;
    size_t count, room;
};
void ms_blocks_end(struct ms_blocks *b);

/* All of a key. A failure: some member did not answer, whose could be missing. */
int ms_blocks_list(const struct ms_site *site, struct ms_blocks *out,
                   struct ms_error *err) MS_MUST_CHECK;
bool ms_blocks_about(const struct ms_blocks *b, const struct ms_write_id *version);
/* Takes away those about versions below that one. 0: they are gone for certain. */
int ms_blocks_drop_below(const struct ms_site *site, const struct ms_blocks *b,
                         const struct ms_write_id *version, struct ms_error *err) MS_MUST_CHECK;
/* Takes away those that have been of no use for the grace period; returns how many. */
unsigned ms_blocks_tidy(const struct ms_site *site, const struct ms_blocks *b,
                        struct ms_ages *ages);

#endif
