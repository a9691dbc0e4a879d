/* store/filter.c - the slots of a filter that pass a call on (see store/filter.h).
 *
 * No state besides `inner`, which never changes: any thread.
 */
#include "store/filter.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdlib.h>

#define INNER(s) struct ms_store *inner = ms_filter_inner(s)

void ms_filter_init(struct ms_filter *f, const struct ms_store_ops *ops, struct ms_store *inner)
{
    f->store = *inner;
    f->store.ops = ops;
    f->inner = inner;
}

int ms_filter_create(struct ms_store *s, struct ms_error *err)
{
    INNER(s);
    return inner->ops->create(inner, err);
}

int ms_filter_destroy(struct ms_store *s, struct ms_error *err)
{
    INNER(s);
    return inner->ops->destroy(inner, err);
}

int ms_filter_open(struct ms_store *s, struct ms_error *err)
{
    INNER(s);
    return inner->ops->open(inner, err);
}

int ms_filter_close(struct ms_store *s, struct ms_error *err)
{
    INNER(s);
    return inner->ops->close(inner, err);
}

void ms_filter_free(struct ms_store *s)
{
    INNER(s);
    inner->ops->free(inner);
    free(s);
}

int ms_filter_set_namespaces(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                             struct ms_error *err)
{
    INNER(s);
    return inner->ops->set_namespaces(inner, ns, count, err);
}

int ms_filter_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                   struct ms_buf **out, struct ms_error *err)
{
    INNER(s);
    return inner->ops->load(inner, item, offset, size, out, err);
}

int ms_filter_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                    const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    INNER(s);
    return inner->ops->store(inner, item, value, pre, tag, err);
}

int ms_filter_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                   struct ms_error *err)
{
    INNER(s);
    return inner->ops->info(inner, item, out, err);
}

int ms_filter_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    INNER(s);
    return inner->ops->remove(inner, item, err);
}

int ms_filter_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                   bool deleted, const struct ms_precondition *pre, struct ms_error *err)
{
    INNER(s);
    return inner->ops->move(inner, how, key, new_key, deleted, pre, err);
}

int ms_filter_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                   size_t hex_size, struct ms_error *err)
{
    INNER(s);
    return inner->ops->hash(inner, item, algorithm, hex, hex_size, err);
}

int ms_filter_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                     size_t count, struct ms_view target, const char *algorithm, char *key,
                     size_t key_size, struct ms_error *err)
{
    INNER(s);
    return inner->ops->defrag(inner, ns, parts, count, target, algorithm, key, key_size, err);
}

int ms_filter_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err)
{
    INNER(s);
    return inner->ops->write(inner, item, size_hint, pre, out, err);
}

int ms_filter_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                   struct ms_error *err)
{
    INNER(s);
    return inner->ops->read(inner, item, out, err);
}

int ms_filter_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                   struct ms_store_lister **out, struct ms_error *err)
{
    INNER(s);
    return inner->ops->list(inner, ns, options, out, err);
}

/* ---- many ---- */

struct one_by_one {
    struct ms_store *store;
    struct ms_many *items;
};

static int store_one(void *arg, size_t index)
{
    struct one_by_one *all = arg;
    struct ms_many *m = &all->items[index];
    struct ms_error err = {0};
    struct ms_item_ref item = {.key = m->key, .deleted = m->deleted};
    struct ms_tag tag;
    int code = all->store->ops->store(all->store, item, m->value, &m->precondition, &tag, &err);
    ms_many_result(m, code, &err);
    return 0;
}

/* The code of the first item that has one, its sentence (or a plain one) in err. */
static int first_failure(const struct ms_many *items, size_t count, struct ms_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].code)
            return ms_error_set(err, items[i].code, "%s",
                                items[i].error ? items[i].error : ms_code_text(items[i].code));
    return 0;
}

int ms_filter_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err)
{
    INNER(s);
    if (inner->ops->store_many)
        return inner->ops->store_many(inner, items, count, jobs, err);
    for (size_t i = 0; i < count; i++)
        items[i].code = MS_ERR_CANCELLED; /* of those that are not reached */
    struct one_by_one all = {inner, items};
    int code = ms_parallel(count, jobs ? jobs : 1, store_one, &all, err);
    return code ? code : first_failure(items, count, err);
}

static int remove_one(void *arg, size_t index)
{
    struct one_by_one *all = arg;
    struct ms_many *m = &all->items[index];
    struct ms_error err = {0};
    struct ms_item_ref item = {.key = m->key, .deleted = m->deleted};
    ms_many_result(m, all->store->ops->remove(all->store, item, &err), &err);
    return 0;
}

int ms_filter_remove_many(struct ms_store *s, struct ms_many *items, size_t count,
                          struct ms_error *err)
{
    INNER(s);
    struct one_by_one all = {inner, items};
    return inner->ops->remove_many
               ? inner->ops->remove_many(inner, items, count, err)
               : ms_parallel(count, inner->jobs ? inner->jobs : 1, remove_one, &all, err);
}

int ms_filter_store_rest(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err)
{
    size_t rest = 0;
    for (size_t i = 0; i < count; i++)
        rest += items[i].code == 0;
    struct ms_error own = {0};
    if (rest == count) {
        int code = ms_filter_store_many(s, items, count, jobs, &own);
        ms_many_settle(items, count, code, &own);
    } else if (rest > 0) {
        MS_AUTO_FREE struct ms_many *some = calloc(rest, sizeof(*some));
        size_t n = 0;
        for (size_t i = 0; some && i < count; i++)
            if (items[i].code == 0)
                some[n++] = items[i];
        int code =
            some ? ms_filter_store_many(s, some, rest, jobs, &own)
                 : ms_error_set(&own, MS_ERR_NO_MEMORY, "no memory for storing %zu items", rest);
        if (some)
            ms_many_settle(some, rest, code, &own);
        n = 0;
        for (size_t i = 0; i < count; i++) {
            if (items[i].code == 0 && some)
                items[i] = some[n++];
            else if (items[i].code == 0)
                ms_many_result(&items[i], code, &own);
        }
    }
    return first_failure(items, count, err);
}

char *ms_filter_join(const char *ns, struct ms_view key, size_t *size)
{
    size_t ns_size = strlen(ns), prefix = ns_size ? ns_size + 1 : 0;
    if (key.size > SIZE_MAX - prefix - 1)
        return NULL;
    char *name = malloc(prefix + key.size + 1);
    if (!name)
        return NULL;
    if (prefix) {
        memcpy(name, ns, ns_size);
        name[ns_size] = '/';
    }
    if (key.size)
        memcpy(name + prefix, key.data, key.size);
    *size = prefix + key.size;
    name[*size] = '\0';
    return name;
}

/* ---- the store as a whole ---- */

int ms_filter_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    INNER(s);
    return inner->ops->quota(inner, out, err);
}

int ms_filter_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                    struct ms_error *err)
{
    INNER(s);
    return inner->ops->usage(inner, total_bytes, free_bytes, err);
}

void ms_filter_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    INNER(s);
    inner->ops->capabilities(inner, out);
}

int ms_filter_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    INNER(s);
    return inner->ops->sweep(inner, age_ns, removed, err);
}

int ms_filter_cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                               struct ms_error *err)
{
    INNER(s);
    return inner->ops->cache_invalidate(inner, what, name, err);
}
