/* A heap of heads: see heads.h. */
#include "store/heads.h"

#include "base/text.h"
#include "store/listing.h"

#include <stdlib.h>

struct ms_head *ms_head_new(const struct ms_view bound[3], struct ms_view name)
{
    size_t size = bound[0].size + bound[1].size + bound[2].size;
    struct ms_head *h = malloc(sizeof *h + size + name.size);
    if (!h)
        return NULL;
    *h = (struct ms_head){.size = size, .name_size = name.size};
    char *at = h->bound;
    for (int i = 0; i < 4; i++) {
        struct ms_view part = i < 3 ? bound[i] : name;
        if (part.size)
            memcpy(at, part.data, part.size);
        at += part.size;
    }
    return h;
}

void ms_head_free(struct ms_head *h)
{
    if (h)
        ms_source_free(h->opened);
    free(h);
}

int ms_head_compare(const struct ms_head *a, const struct ms_head *b)
{
    int order = ms_compare(ms_head_bound(a), ms_head_bound(b));
    if (order)
        return order;
    if (a->directory != b->directory)
        return a->directory ? -1 : 1;
    return (int)a->deleted - (int)b->deleted;
}

static bool grow(struct ms_heads *heads)
{
    size_t room = heads->room ? 2 * heads->room : 16;
    struct ms_head **heap = realloc(heads->heap, room * sizeof(struct ms_head *));
    if (!heap)
        return false;
    heads->heap = heap;
    heads->room = room;
    return true;
}

bool ms_heads_push(struct ms_heads *heads, struct ms_head *h)
{
    if (heads->count == heads->room && !grow(heads)) {
        ms_head_free(h);
        return false;
    }
    size_t at = heads->count++;
    while (at && ms_head_compare(h, heads->heap[(at - 1) / 2]) < 0) {
        heads->heap[at] = heads->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heads->heap[at] = h;
    return true;
}

struct ms_head *ms_heads_pop(struct ms_heads *heads)
{
    if (!heads->count)
        return NULL;
    struct ms_head *first = heads->heap[0];
    struct ms_head *moved = heads->heap[--heads->count];
    size_t at = 0, below;
    while ((below = 2 * at + 1) < heads->count) {
        if (below + 1 < heads->count &&
            ms_head_compare(heads->heap[below + 1], heads->heap[below]) < 0)
            below++;
        if (ms_head_compare(moved, heads->heap[below]) <= 0)
            break;
        heads->heap[at] = heads->heap[below];
        at = below;
    }
    heads->heap[at] = moved;
    return first;
}

void ms_heads_fini(struct ms_heads *heads)
{
    for (size_t i = 0; i < heads->count; i++)
        ms_head_free(heads->heap[i]);
    free(heads->heap);
    *heads = (struct ms_heads){0};
}
