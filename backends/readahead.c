/* Reading ahead: see readahead.h. A block is a task in a group of its own, so that one can wait for
 * it alone, or do its work when no thread has begun it. */
#include "backends/readahead.h"

#include <stdlib.h>
#include <string.h>

#define STRAYS_MOST 8u /* then the new place is taken for the order */

struct ms_readahead_block {
    struct ms_readahead_block *next;
    struct ms_readahead *ahead;
    struct ms_group *group;
    uint64_t offset;
    size_t size;
    int code;
    struct ms_error err;
    uint8_t bytes[];
};

void ms_readahead_init(struct ms_readahead *a, ms_readahead_fetch fetch, void *arg,
                       uint64_t size_bytes)
{
    *a = (struct ms_readahead){.fetch = fetch, .arg = arg, .size_bytes = size_bytes, .window = 1};
    ms_mutex_init(&a->mutex);
}

static int fetch_block(void *arg)
{
    struct ms_readahead_block *b = arg;
    b->code = b->ahead->fetch(b->ahead->arg, b->offset, b->bytes, b->size, &b->err);
    return b->code;
}

/* Without memory there is nothing ahead, and that is no failure. */
static bool begin_block(struct ms_readahead *a)
{
    uint64_t left = a->size_bytes - a->next;
    size_t size = left < MS_READAHEAD_BYTES ? (size_t)left : MS_READAHEAD_BYTES;
    struct ms_readahead_block *b = malloc(sizeof *b + size);
    if (!b)
        return false;
    *b = (struct ms_readahead_block){
        .ahead = a, .offset = a->next, .size = size, .code = MS_ERR_CANCELLED};
    if (ms_group_new(&b->group, NULL)) {
        free(b);
        return false;
    }
    if (ms_group_fork(b->group, fetch_block, NULL, b, NULL)) {
        ms_group_release(b->group);
        free(b);
        return false;
    }
    if (a->last)
        a->last->next = b;
    else
        a->first = b;
    a->last = b;
    a->count++;
    a->next += size;
    return true;
}

static void drop_first(struct ms_readahead *a)
{
    struct ms_readahead_block *b = a->first;
    a->first = b->next;
    a->last = a->first ? a->last : NULL;
    a->count--;
    ms_group_join_all(b->group, NULL);
    ms_group_release(b->group);
    free(b);
}

static void drop_all(struct ms_readahead *a)
{
    for (struct ms_readahead_block *b = a->first; b; b = b->next)
        ms_group_cancel(b->group);
    while (a->first)
        drop_first(a);
    a->window = 1;
}

/* Up to `size` bytes out of the first block; *got says how many. */
static int take(struct ms_readahead *a, uint8_t *into, size_t size, size_t *got,
                struct ms_error *err)
{
    struct ms_readahead_block *b = a->first;
    ms_group_join_all(b->group, NULL);
    int code = b->code;
    if (code) {
        if (err)
            *err = b->err;
        if (!b->err.code)
            ms_error_set(err, code, "%s", ms_code_text(code));
        return code;
    }
    size_t skip = (size_t)(a->position - b->offset);
    *got = b->size - skip < size ? b->size - skip : size;
    memcpy(into, b->bytes + skip, *got);
    a->position += *got;
    if (skip + *got == b->size)
        drop_first(a);
    return 0;
}

static int read_on(struct ms_readahead *a, uint8_t *into, size_t size, struct ms_error *err)
{
    while (size) {
        while (a->count < a->window && a->next < a->size_bytes && begin_block(a))
            continue;
        size_t got = size;
        int code;
        if (a->first) {
            unsigned before = a->count;
            code = take(a, into, size, &got, err);
            if (a->count < before && a->window < MS_READAHEAD_BLOCKS)
                a->window++;
        } else {
            code = a->fetch(a->arg, a->position, into, size, err);
            a->position += code ? 0 : size;
            a->next = a->position;
        }
        if (code) {
            drop_all(a);
            a->next = a->position;
            return code;
        }
        into += got;
        size -= got;
    }
    return 0;
}

/* Whether the read is one in order, which the caller then does alone until leave(). Takes a new
 * place for the order after some reads elsewhere. */
static bool enter(struct ms_readahead *a, uint64_t offset, bool *moved)
{
    MS_HOLD(&a->mutex);
    if (a->busy)
        return false;
    a->strays = offset == a->position ? 0 : a->strays + 1;
    *moved = a->strays > STRAYS_MOST || (a->strays && !a->first);
    a->busy = a->strays == 0 || *moved;
    return a->busy;
}

static void leave(struct ms_readahead *a)
{
    MS_HOLD(&a->mutex);
    a->busy = false;
}

static int read_in_order(struct ms_readahead *a, uint64_t offset, uint8_t *into, size_t size,
                         bool moved, struct ms_error *err)
{
    bool much = size > MS_READAHEAD_BYTES * MS_READAHEAD_BLOCKS;
    if (moved || much) {
        drop_all(a);
        a->position = a->next = offset;
        a->strays = 0;
    }
    if (!much)
        return read_on(a, into, size, err);
    int code = a->fetch(a->arg, offset, into, size, err);
    if (!code)
        a->position = a->next = offset + size;
    return code;
}

int ms_readahead_read(struct ms_readahead *a, uint64_t offset, uint8_t *into, size_t size,
                      struct ms_error *err)
{
    bool moved = false;
    if (!enter(a, offset, &moved))
        return a->fetch(a->arg, offset, into, size, err);
    int code = read_in_order(a, offset, into, size, moved, err);
    leave(a);
    return code;
}

void ms_readahead_fini(struct ms_readahead *a)
{
    drop_all(a);
    ms_mutex_fini(&a->mutex);
}
