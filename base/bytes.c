/* Reference-counted buffers: one allocation each (header, then bytes), or a wrapper around memory
 * that somebody releases. Immutable once shared, so that any thread may read; the count is atomic.
 */
#include <mstore/base.h>

#include "base/assert.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ms_buf {
    uint8_t *data;
    size_t size;
    void (*release)(void *ctx, void *data); /* NULL: the bytes follow the header */
    void *ctx;
    atomic_uint refs;
    bool borrowed; /* lives on a caller's stack, over a caller's bytes */
};
_Static_assert(sizeof(struct ms_buf) <= sizeof(struct ms_buf_borrowed), "room for a borrowed one");

struct ms_buf *ms_buf_new(size_t size)
{
    size_t total;
    if (__builtin_add_overflow(size, sizeof(struct ms_buf), &total))
        return NULL;
    struct ms_buf *buf = malloc(total);
    if (!buf)
        return NULL;
    *buf = (struct ms_buf){.data = (uint8_t *)(buf + 1), .size = size, .refs = 1};
    return buf;
}

struct ms_buf *ms_buf_copy(struct ms_view bytes)
{
    struct ms_buf *buf = ms_buf_new(bytes.size);
    if (buf && bytes.size)
        memcpy(buf->data, bytes.data, bytes.size);
    return buf;
}

struct ms_buf *ms_buf_wrap(void *data, size_t size, void (*release)(void *, void *), void *ctx)
{
    ms_assert(release);
    struct ms_buf *buf = malloc(sizeof *buf);
    if (buf)
        *buf = (struct ms_buf){data, size, release, ctx, 1, false};
    return buf;
}

static void release_slice(void *ctx, void *data)
{
    (void)data;
    ms_buf_unref(ctx);
}

struct ms_buf *ms_buf_slice(struct ms_buf *buf, size_t offset, size_t size)
{
    ms_assert(offset <= buf->size && size <= buf->size - offset);
    struct ms_buf *whole = ms_buf_ref(buf);
    if (!whole)
        return NULL;
    struct ms_buf *slice = ms_buf_wrap(whole->data + offset, size, release_slice, whole);
    if (!slice)
        ms_buf_unref(whole);
    return slice;
}

struct ms_buf *ms_buf_ref(struct ms_buf *buf)
{
    if (buf->borrowed)
        return ms_buf_copy(ms_buf_view(buf));
    atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void ms_buf_unref(struct ms_buf *buf)
{
    if (!buf || buf->borrowed ||
        atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (buf->release)
        buf->release(buf->ctx, buf->data);
    free(buf);
}

struct ms_view ms_buf_view(const struct ms_buf *buf)
{
    return ms_view(buf->data, buf->size);
}

size_t ms_buf_size(const struct ms_buf *buf)
{
    return buf->size;
}

uint8_t *ms_buf_data(struct ms_buf *buf)
{
    ms_assert(!buf->borrowed && atomic_load_explicit(&buf->refs, memory_order_relaxed) == 1);
    return buf->data;
}

void ms_buf_truncate(struct ms_buf *buf, size_t size)
{
    ms_assert(size <= buf->size && !buf->borrowed &&
              atomic_load_explicit(&buf->refs, memory_order_relaxed) == 1);
    buf->size = size;
}

struct ms_buf *ms_buf_borrow(struct ms_buf_borrowed *place, struct ms_view bytes)
{
    struct ms_buf *buf = (struct ms_buf *)place;
    *buf = (struct ms_buf){
        .data = (uint8_t *)(uintptr_t)bytes.data, .size = bytes.size, .refs = 1, .borrowed = true};
    return buf;
}
