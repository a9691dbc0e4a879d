/* backends/range.h - which bytes of a value a load means. */
#ifndef BACKENDS_RANGE_H
#define BACKENDS_RANGE_H

#include <mstore/base.h>

/* A negative offset counts from the end; what lies beyond either end is cut off. */
static inline void ms_range_clip(uint64_t value_size, int64_t offset, uint64_t size,
                                 uint64_t *start, uint64_t *count)
{
    uint64_t from;
    if (offset >= 0) {
        from = (uint64_t)offset;
    } else {
        uint64_t back = -(uint64_t)offset;
        from = back < value_size ? value_size - back : 0;
    }
    if (from > value_size)
        from = value_size;
    *start = from;
    *count = size < value_size - from ? size : value_size - from;
}

#endif
