/* backends/collect.h - bytes that arrive piece by piece and become one buffer. */
#ifndef BACKENDS_COLLECT_H
#define BACKENDS_COLLECT_H

#include <mstore/base.h>

struct ms_collect {
    uint8_t *bytes;
    size_t size, room;
};

/* NO_MEMORY leaves what was collected as it is. */
int ms_collect_add(struct ms_collect *c, struct ms_view bytes, struct ms_error *err) MS_MUST_CHECK;
/* A buffer of all that was collected; c is empty then. NULL: no memory, c as before. */
struct ms_buf *ms_collect_take(struct ms_collect *c);
void ms_collect_fini(struct ms_collect *c);

#endif
