/* Many deletes at once from the Store over one backend, where its storage makes one call of them.
 *
 * An item may lie at any of the levels that are configured: what one level does not have is looked
 * for at the next, and, since another may move it meanwhile, once more at all of them. */
#include "store/single.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

#define CHUNK_ITEMS 1000

struct doomed {
    struct ms_many *item;
    struct ms_place place;
    bool begun, pending; /* its place is known; it has not been found yet */
};

struct chunk {
    struct ms_single *self;
    struct doomed *all;
    size_t count, levels;          /* the most that any of them has */
    struct ms_deletion *deletions; /* of those that are tried at one level … */
    struct doomed **of;            /* … and whose they are */
};

static void finish(struct chunk *c, struct doomed *d, int code, const struct ms_error *err)
{
    d->pending = false;
    ms_many_result(d->item, code, err);
    if (d->begun)
        ms_place_fini(c->self, &d->place, MS_VERB_DELETE, code, 0);
}

static void begin(struct chunk *c, struct ms_many *items)
{
    for (size_t i = 0; i < c->count; i++) {
        struct doomed *d = &c->all[i];
        struct ms_error err = {0};
        struct ms_item_ref ref = {.key = items[i].key, .deleted = items[i].deleted};
        d->item = &items[i];
        int code = ms_place_init(c->self, ref, &d->place, &err);
        if (code) {
            finish(c, d, code, &err);
            continue;
        }
        d->begun = d->pending = true;
        size_t levels = ms_place_levels(&d->place);
        c->levels = levels > c->levels ? levels : c->levels;
    }
}

/* The names at this level of what is pending; a failure is that item's. */
static size_t gather(struct chunk *c, size_t level)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct doomed *d = &c->all[i];
        if (!d->pending || level >= ms_place_levels(&d->place))
            continue;
        struct ms_name name;
        struct ms_error err = {0};
        ms_place_name(&d->place, level, &name);
        char *copy = strndup(name.text, name.size);
        if (!copy) {
            finish(c, d, ms_error_set(&err, MS_ERR_NO_MEMORY, "no memory for a name"), &err);
            continue;
        }
        c->of[n] = d;
        c->deletions[n++].name = ms_view(copy, name.size);
    }
    return n;
}

static void try_level(struct chunk *c, size_t level)
{
    size_t n = gather(c, level);
    if (n == 0)
        return;
    /* what a failure of the whole means is in each result */
    (void)!ms_backend_delete_many(c->self->backend, c->deletions, n, NULL);
    for (size_t i = 0; i < n; i++) {
        const struct ms_error *result = &c->deletions[i].result;
        if (result->code != MS_ERR_NOT_FOUND)
            finish(c, c->of[i], result->code, result);
        free((void *)(uintptr_t)c->deletions[i].name.data);
    }
}

static int delete_chunk(struct ms_single *self, struct ms_many *items, size_t count,
                        struct ms_error *err)
{
    MS_AUTO_FREE struct doomed *all = calloc(count, sizeof(*all));
    MS_AUTO_FREE struct ms_deletion *deletions = calloc(count, sizeof(*deletions));
    MS_AUTO_FREE struct doomed **of = calloc(count, sizeof(*of));
    if (!all || !deletions || !of)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to delete %zu items", count);
    struct chunk c = {.self = self, .all = all, .count = count, .deletions = deletions, .of = of};
    begin(&c, items);
    for (int round = 0; round < (c.levels > 1 ? 2 : 1); round++)
        for (size_t level = 0; level < c.levels; level++)
            try_level(&c, level);
    for (size_t i = 0; i < count; i++) {
        struct ms_error missing = {0};
        if (all[i].pending)
            finish(&c, &all[i], ms_not_found(&all[i].place, &missing), &missing);
    }
    return 0;
}

int ms_single_delete_many(struct ms_store *s, struct ms_many *items, size_t count,
                          struct ms_error *err)
{
    int code = 0;
    for (size_t at = 0; at < count && !code; at += CHUNK_ITEMS)
        code = delete_chunk(ms_single_self(s), items + at,
                            count - at < CHUNK_ITEMS ? count - at : CHUNK_ITEMS, err);
    return code;
}
