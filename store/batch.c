/* Many stores at once into the Store over one backend: batches, each acknowledged by one commit.
 *
 * What has a condition is stored by itself: a batch's commit could not say whose condition failed.
 */
#include "store/single.h"

#include "base/pool.h"
#include "base/text.h"

#define BATCH_ITEMS 4096 /* so many temporaries at once */

struct run {
    struct ms_single *store;
    struct ms_batch *batch; /* NULL: the backend has none that is worth it */
    struct ms_many *items;
};

static int store_in_batch(struct run *run, struct ms_many *item, struct ms_error *err)
{
    struct ms_place place;
    struct ms_item_ref ref = {.key = item->key, .deleted = item->deleted};
    int code = ms_place_init(run->store, ref, &place, err);
    if (code)
        return code;
    size_t index;
    bool exists;
    code = ms_place_find(run->store, &place, false, &index, &exists, err);
    if (!code) {
        struct ms_name name;
        ms_place_name(&place, index, &name);
        code = ms_batch_store(run->batch, ms_name_view(&name), item->value, NULL, err);
    }
    return ms_place_fini(run->store, &place, MS_VERB_STORE, code,
                         code ? 0 : ms_buf_size(item->value));
}

static int store_one(void *arg, size_t index)
{
    struct run *run = arg;
    struct ms_many *item = &run->items[index];
    struct ms_store *s = &run->store->base;
    struct ms_error err = {0};
    struct ms_item_ref ref = {.key = item->key, .deleted = item->deleted};
    int code;
    if (run->batch && item->precondition.kind == MS_ALWAYS)
        code = store_in_batch(run, item, &err);
    else
        code = s->ops->store(s, ref, item->value, &item->precondition, &item->info.tag, &err);
    ms_many_result(item, code, &err);
    return 0;
}

/* A batch that could not be committed acknowledges nothing of what is in it, and what was not
 * tried for want of it failed for the same reason. */
static void fail_batch(struct run *run, size_t count, int code, const struct ms_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct ms_many *item = &run->items[i];
        bool in_batch = item->code == 0 && item->precondition.kind == MS_ALWAYS;
        bool untried = item->code == MS_ERR_CANCELLED && !item->error;
        if (in_batch || untried)
            ms_many_result(item, code, err);
    }
}

static void store_some(struct run *run, size_t count, unsigned jobs)
{
    struct ms_capabilities can;
    struct ms_error err = {0};
    ms_backend_capabilities(run->store->backend, &can);
    run->batch = NULL;
    int code = 0;
    for (size_t i = 0; i < count; i++)
        run->items[i].code = MS_ERR_CANCELLED; /* until it is tried */
    if (can.flags & MS_CAP_BATCH)
        code = ms_backend_batch(run->store->backend, &run->batch, &err);
    if (!code)
        code = ms_parallel(count, jobs, store_one, run, &err);
    if (code)
        ms_batch_abort(run->batch);
    else if (run->batch)
        code = ms_batch_commit(run->batch, &err);
    if (code)
        fail_batch(run, count, code, &err);
}

int ms_single_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err)
{
    (void)err; /* every item has its own */
    struct run run = {.store = ms_single_self(s)};
    for (size_t at = 0; at < count; at += BATCH_ITEMS) {
        run.items = items + at;
        store_some(&run, count - at < BATCH_ITEMS ? count - at : BATCH_ITEMS, jobs);
    }
    return 0;
}
