/* Many-at-once: the public calls over single ones, up to `jobs` in flight, unless the kind of Store
 * has a better way. Each element belongs to the task that works on it. */
#include "store/store.h"

#include "base/pool.h"
#include "base/sync.h"

#include <stdlib.h>

void ms_many_result(struct ms_many *item, int code, const struct ms_error *err)
{
    item->code = code;
    item->error = code ? strdup(err && err->text[0] ? err->text : ms_code_text(code)) : NULL;
}

/* Marked before the call, never reached. */
static bool untried(const struct ms_many *item)
{
    return item->code == MS_ERR_CANCELLED && !item->error;
}

int ms_many_settle(struct ms_many *items, size_t count, int code, const struct ms_error *err)
{
    bool explained = code == 0;
    for (size_t i = 0; code && i < count; i++) {
        if (untried(&items[i]))
            ms_many_result(&items[i], code, err);
        explained |= items[i].code != 0;
    }
    for (size_t i = 0; !explained && i < count; i++)
        ms_many_result(&items[i], code, err);
    return code;
}

struct many {
    struct ms_store *store;
    struct ms_many *items;
    int (*one)(struct ms_store *s, struct ms_many *item, struct ms_error *err);
};

/* 0 even when the element failed: the others are tried all the same. */
static int run_one(void *arg, size_t index)
{
    const struct many *m = arg;
    struct ms_many *item = &m->items[index];
    struct ms_error err = {0};
    int code = m->one(m->store, item, &err);
    ms_many_result(item, code, &err);
    return 0;
}

/* The first failure, and its sentence. */
static int sum_up(const struct ms_many *items, size_t count, struct ms_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].code)
            return ms_error_set(err, items[i].code, "%s",
                                items[i].error ? items[i].error : ms_code_text(items[i].code));
    return 0;
}

static int run(struct many *m, size_t count, unsigned jobs, struct ms_error *err)
{
    if (m->store->state != 1)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "the store %s is not open", m->store->url);
    for (size_t i = 0; i < count; i++) {
        m->items[i].code = MS_ERR_CANCELLED; /* until it is tried */
        m->items[i].error = NULL;
    }
    struct ms_error own = {0};
    int code = ms_parallel(count, jobs ? jobs : m->store->jobs, run_one, m, &own);
    ms_many_settle(m->items, count, code, &own);
    return sum_up(m->items, count, err);
}

static int load_one(struct ms_store *s, struct ms_many *item, struct ms_error *err)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    o.offset = item->offset;
    o.size = item->size;
    o.deleted = item->deleted;
    return ms_store_load(s, item->key, &o, &item->value, err);
}

static int store_one(struct ms_store *s, struct ms_many *item, struct ms_error *err)
{
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition = item->precondition;
    o.deleted = item->deleted;
    return ms_store_store(s, item->key, item->value, &o, &item->info.tag, err);
}

static int delete_one(struct ms_store *s, struct ms_many *item, struct ms_error *err)
{
    return ms_store_delete(s, item->key, item->deleted, err);
}

static int info_one(struct ms_store *s, struct ms_many *item, struct ms_error *err)
{
    return ms_store_info(s, item->key, item->deleted, &item->info, err);
}

int ms_store_load_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                       struct ms_error *err)
{
    struct many m = {s, items, load_one};
    for (size_t i = 0; i < count; i++)
        items[i].value = NULL; /* also of those that are never reached */
    return run(&m, count, jobs, err);
}

int ms_store_delete_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err)
{
    struct many m = {s, items, delete_one};
    struct ms_capabilities can = {0};
    if (s->ops->remove_many && s->state == 1)
        s->ops->capabilities(s, &can);
    if (!(can.flags & MS_CAP_DELETE_MANY))
        return run(&m, count, jobs, err);
    for (size_t i = 0; i < count; i++) {
        items[i].code = MS_ERR_CANCELLED;
        items[i].error = NULL;
    }
    struct ms_error own = {0};
    int code = ms_check_cancelled(&own);
    if (!code)
        code = s->ops->remove_many(s, items, count, &own);
    ms_many_settle(items, count, code, &own);
    return sum_up(items, count, err);
}

int ms_store_info_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                       struct ms_error *err)
{
    struct many m = {s, items, info_one};
    return run(&m, count, jobs, err);
}

int ms_store_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                        struct ms_error *err)
{
    struct many m = {s, items, store_one};
    if (!s->ops->store_many || s->state != 1)
        return run(&m, count, jobs, err);
    for (size_t i = 0; i < count; i++) {
        items[i].code = 0;
        items[i].error = NULL;
    }
    struct ms_error own = {0};
    int code = ms_check_cancelled(&own);
    if (!code)
        code = s->ops->store_many(s, items, count, jobs ? jobs : s->jobs, &own);
    ms_many_settle(items, count, code, &own);
    return sum_up(items, count, err);
}
