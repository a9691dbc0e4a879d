/* mstore/held.h - values that a reader has in memory as a whole. */
#ifndef MSTORE_HELD_H
#define MSTORE_HELD_H

#include <mstore/base.h>

#define MS_HELD_MAX (UINT64_C(8) << 20) /* longer ones pass in a stream */

/* As ms_store_reader_read: how many bytes there are of those wanted. */
static inline size_t ms_held_read(struct ms_view value, uint64_t offset, uint8_t *into, size_t size)
{
    size_t from = offset < value.size ? (size_t)offset : value.size;
    size_t part = value.size - from < size ? value.size - from : size;
    if (part)
        memcpy(into, value.data + from, part);
    return part;
}

/* What a load of `size` bytes at `offset` gave is all there is: it ended before the range did. */
static inline bool ms_held_is_whole(int64_t offset, uint64_t size, size_t loaded)
{
    return loaded < size && (offset == 0 || (offset < 0 && loaded < -(uint64_t)offset));
}

#endif
