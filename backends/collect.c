/* Bytes that arrive piece by piece: see collect.h. One thread at a time. */
#include "backends/collect.h"

#include <stdlib.h>

#define FIRST_ROOM 4096

int ms_collect_add(struct ms_collect *c, struct ms_view bytes, struct ms_error *err)
{
    if (bytes.size == 0)
        return 0;
    size_t room = c->room ? c->room : FIRST_ROOM, needed;
    if (__builtin_add_overflow(c->size, bytes.size, &needed) || needed > SIZE_MAX / 2)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "a value larger than memory can be");
    while (room < needed)
        room *= 2;
    if (room != c->room) {
        uint8_t *grown = realloc(c->bytes, room);
        if (!grown)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value of %zu bytes",
                                needed);
        c->bytes = grown;
        c->room = room;
    }
    memcpy(c->bytes + c->size, bytes.data, bytes.size);
    c->size = needed;
    return 0;
}

static void release(void *ctx, void *data)
{
    (void)ctx;
    free(data);
}

struct ms_buf *ms_collect_take(struct ms_collect *c)
{
    if (c->size == 0)
        return ms_buf_new(0);
    uint8_t *cut = realloc(c->bytes, c->size);
    if (cut) {
        c->bytes = cut;
        c->room = c->size;
    }
    struct ms_buf *value = ms_buf_wrap(c->bytes, c->size, release, NULL);
    if (value)
        *c = (struct ms_collect){0};
    return value;
}

void ms_collect_fini(struct ms_collect *c)
{
    free(c->bytes);
    *c = (struct ms_collect){0};
}
