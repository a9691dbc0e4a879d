/* store/heads.h - what a listing has met in one directory and not given yet: items, and directories
 * to go into, smallest first.
 *
 * A head's `bound` is the smallest comparable text (store/listing.h) it stands for: an item's key,
 * or the beginning that all keys in a directory have. Of equal bounds a directory comes first, then
 * the live item, then the deleted one. A binary heap; one thread at a time.
 */
#ifndef STORE_HEADS_H
#define STORE_HEADS_H

#include <mstore/backend.h>

struct ms_source;

struct ms_head {
    bool directory;
    bool space;               /* directory: of a namespace, not of the nesting */
    bool deleted;             /* item */
    struct ms_info info;      /* item */
    struct ms_source *opened; /* directory: opened ahead of its time; owned; NULL: not */
    size_t name_size;         /* directory: its own name, behind the bound */
    size_t size;
    char bound[];
};
static inline struct ms_view ms_head_bound(const struct ms_head *h)
{
    return ms_view(h->bound, h->size);
}
static inline struct ms_view ms_head_name(const struct ms_head *h)
{
    return ms_view(h->bound + h->size, h->name_size);
}

struct ms_heads {
    struct ms_head **heap;
    size_t count, room;
};

/* A head whose bound is the three texts joined, with a name behind; NULL: no memory. */
struct ms_head *ms_head_new(const struct ms_view bound[3], struct ms_view name);
void ms_head_free(struct ms_head *h); /* NULL is safe */
int ms_head_compare(const struct ms_head *a, const struct ms_head *b);

bool ms_heads_push(struct ms_heads *heads,
                   struct ms_head *h);                /* takes h; false: no memory, freed */
struct ms_head *ms_heads_pop(struct ms_heads *heads); /* the smallest; NULL: none */
static inline struct ms_head *ms_heads_first(const struct ms_heads *heads)
{
    return heads->count ? heads->heap[0] : NULL;
}
void ms_heads_fini(struct ms_heads *heads);

#endif
