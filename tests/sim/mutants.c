/* Systems that lie: the plain Store behind a filter that breaks one promise now and then. The
 * harness must find each of them (test_sim_mutants.c). */
#include "tests/sim/system.h"

#include "base/cleanup.h"
#include "store/filter.h"

#include <stdlib.h>

#define REMEMBERED 8

struct memory { /* of one key */
    char key[64];
    struct ms_buf *last, *before;
};

struct mutant {
    struct ms_filter filter;
    struct ms_store_ops ops;
    struct sim_world *w;
    struct memory memories[REMEMBERED];
    char undead[64]; /* the key of a value that will come back */
    struct ms_buf *undead_value;
};

static struct mutant *self_of(struct ms_store *s)
{
    return (struct mutant *)s;
}

static bool now_and_then(struct mutant *m, uint64_t one_in)
{
    return sim_below(m->w, one_in) == 0;
}

static void keep_key(char text[64], struct ms_view key)
{
    size_t size = key.size < 63 ? key.size : 63;
    memcpy(text, key.data, size);
    text[size] = 0;
}

static struct memory *memory_of(struct mutant *m, struct ms_view key)
{
    char text[64];
    keep_key(text, key);
    for (size_t i = 0; i < REMEMBERED; i++) {
        struct memory *memory = &m->memories[i];
        if (!memory->key[0])
            keep_key(memory->key, key);
        if (strcmp(memory->key, text) == 0)
            return memory;
    }
    return NULL;
}

static void mutant_free(struct ms_store *s)
{
    struct mutant *m = self_of(s);
    for (size_t i = 0; i < REMEMBERED; i++) {
        ms_buf_unref(m->memories[i].last);
        ms_buf_unref(m->memories[i].before);
    }
    ms_buf_unref(m->undead_value);
    ms_filter_free(s);
}

/* ---- stale: a cache that returns the value before last ---- */

static int stale_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct memory *memory = memory_of(self_of(s), item.key);
    int code = ms_filter_store(s, item, value, pre, tag, err);
    if (code || !memory)
        return code;
    ms_buf_unref(memory->before);
    memory->before = memory->last;
    memory->last = ms_buf_ref(value);
    return 0;
}

static int stale_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    const struct memory *memory = memory_of(self_of(s), item.key);
    bool whole = offset == 0 && size == MS_SIZE_TO_END && !item.deleted;
    if (!whole || !memory || !memory->before || !now_and_then(self_of(s), 10))
        return ms_filter_load(s, item, offset, size, out, err);
    *out = ms_buf_ref(memory->before);
    return 0;
}

/* ---- undead: a deleted value comes back ---- */

static int undead_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct mutant *m = self_of(s);
    MS_AUTO_BUF struct ms_buf *value = NULL;
    bool comes_back = !item.deleted && now_and_then(m, 5) &&
                      ms_filter_load(s, item, 0, MS_SIZE_TO_END, &value, NULL) == 0;
    int code = ms_filter_delete(s, item, err);
    if (code || !comes_back)
        return code;
    keep_key(m->undead, item.key);
    ms_buf_unref(m->undead_value);
    m->undead_value = MS_TAKE(value);
    return 0;
}

static int undead_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct mutant *m = self_of(s);
    MS_AUTO_BUF struct ms_buf *value = MS_TAKE(m->undead_value);
    struct ms_tag tag;
    if (value) {
        int ignored = ms_filter_store(s, (struct ms_item_ref){.key = ms_str(m->undead)}, value,
                                      &always, &tag, NULL);
        (void)ignored;
    }
    return ms_filter_load(s, item, offset, size, out, err);
}

/* ---- blind: a listing drops a key ---- */

struct blind_lister {
    struct ms_store_lister base;
    struct ms_store_lister *inner;
    struct mutant *mutant;
};

static int blind_next(struct ms_store_lister *l, const struct ms_item **out, struct ms_error *err)
{
    struct blind_lister *lister = (struct blind_lister *)l;
    int code = ms_store_lister_next(lister->inner, out, err);
    if (!code && *out && now_and_then(lister->mutant, 20))
        code = ms_store_lister_next(lister->inner, out, err);
    return code;
}

static void blind_close(struct ms_store_lister *l)
{
    struct blind_lister *lister = (struct blind_lister *)l;
    ms_store_lister_close(lister->inner);
    free(lister);
}

static int blind_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                      struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {blind_next, blind_close};
    struct blind_lister *lister = calloc(1, sizeof *lister);
    if (!lister)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    lister->base.ops = &ops;
    lister->mutant = self_of(s);
    int code = ms_filter_list(s, ns, options, &lister->inner, err);
    if (code)
        free(lister);
    else
        *out = &lister->base;
    return code;
}

/* ---- mixed: another key's bytes ---- */

static int mixed_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    struct memory *memory = &self_of(s)->memories[0];
    if (memory->last && now_and_then(self_of(s), 30)) {
        *out = MS_TAKE(memory->last);
        return 0;
    }
    int code = ms_filter_load(s, item, offset, size, out, err);
    if (!code) {
        ms_buf_unref(memory->last);
        memory->last = ms_buf_ref(*out);
    }
    return code;
}

/* ---- forgetful: a store acknowledged but dropped ---- */

static int forgetful_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                           const struct ms_precondition *pre, struct ms_tag *tag,
                           struct ms_error *err)
{
    if (!now_and_then(self_of(s), 50))
        return ms_filter_store(s, item, value, pre, tag, err);
    *tag = (struct ms_tag){"dropped"};
    return 0;
}

/* ---- shifted: ranges begin a byte too early, now and then ---- */

static int shifted_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                        struct ms_buf **out, struct ms_error *err)
{
    int64_t shift = offset > 0 && now_and_then(self_of(s), 10) ? 1 : 0;
    return ms_filter_load(s, item, offset - shift, size, out, err);
}

/* ---- hasty: undelete looks, then acts; right only when nobody else is there ---- */

static int hasty_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                      struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                      struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    if (how != MS_MOVE_UNDELETE)
        return ms_filter_move(s, how, key, new_key, deleted, pre, err);
    struct ms_item_ref live = {.key = key}, hidden = {.key = key, .deleted = true};
    struct ms_item_info info = {0};
    MS_AUTO_BUF struct ms_buf *value = NULL;
    struct ms_tag tag;
    int code = ms_filter_load(s, hidden, 0, MS_SIZE_TO_END, &value, err);
    if (!code)
        code = ms_filter_info(s, live, &info, err);
    if (!code && info.exists)
        return ms_error_set(err, MS_ERR_EXISTS, "a live item is in the way");
    if (!code)
        code = ms_filter_store(s, live, value, &always, &tag, err);
    return code ? code : ms_filter_delete(s, hidden, err);
}

/* ---- making them ---- */

static const struct ms_store_ops pass_on = {
    .create = ms_filter_create,
    .destroy = ms_filter_destroy,
    .open = ms_filter_open,
    .close = ms_filter_close,
    .free = mutant_free,
    .set_namespaces = ms_filter_set_namespaces,
    .load = ms_filter_load,
    .store = ms_filter_store,
    .info = ms_filter_info,
    .remove = ms_filter_delete,
    .move = ms_filter_move,
    .hash = ms_filter_hash,
    .defrag = ms_filter_defrag,
    .write = ms_filter_write,
    .read = ms_filter_read,
    .list = ms_filter_list,
    .store_many = ms_filter_store_many,
    .remove_many = ms_filter_remove_many,
    .quota = ms_filter_quota,
    .usage = ms_filter_usage,
    .capabilities = ms_filter_capabilities,
    .sweep = ms_filter_sweep,
    .cache_invalidate = ms_filter_cache_invalidate,
};

/* Behind the plain Store, which is open; `lie` changes the table. */
static int open_behind(struct sim_world *w, unsigned client, void (*lie)(struct ms_store_ops *ops),
                       struct ms_store **out, struct ms_error *err)
{
    struct ms_store *inner = NULL;
    int code = sim_single_open(w, client, 0, &inner, err);
    if (code)
        return code;
    struct mutant *m = calloc(1, sizeof *m);
    if (!m) {
        ms_store_free(inner);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a mutant");
    }
    m->ops = pass_on;
    m->w = w;
    lie(&m->ops);
    ms_filter_init(&m->filter, &m->ops, inner);
    *out = &m->filter.store;
    return 0;
}

static int create_one(struct sim_world *w, unsigned client, struct ms_error *err)
{
    return sim_single_create(w, client, 0, err);
}

#define MUTANT(NAME, ...)                                                                          \
    static void NAME##_lie(struct ms_store_ops *ops)                                               \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }                                                                                              \
    static int NAME##_open(struct sim_world *w, unsigned client, struct ms_store **out,            \
                           struct ms_error *err)                                                   \
    {                                                                                              \
        return open_behind(w, client, NAME##_lie, out, err);                                       \
    }                                                                                              \
    const struct sim_system sim_mutant_##NAME = {                                                  \
        .name = #NAME,                                                                             \
        .members = 1,                                                                              \
        .space = {{.ns = "", .linearizable = true, .verbs = (1u << SIM_VERB_COUNT) - 1}},          \
        .create = create_one,                                                                      \
        .open = NAME##_open,                                                                       \
    }

MUTANT(stale, ops->store = stale_store, ops->load = stale_load);
MUTANT(undead, ops->remove = undead_delete, ops->load = undead_load);
MUTANT(blind, ops->list = blind_list);
MUTANT(mixed, ops->load = mixed_load);
MUTANT(forgetful, ops->store = forgetful_store);
MUTANT(shifted, ops->load = shifted_load);
MUTANT(hasty, ops->move = hasty_move);

/* ---- split: two halves that know nothing of each other ---- */

static int split_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    int code = sim_single_create(w, client, 0, err);
    return code ? code : sim_single_create(w, client, 1, err);
}

static int split_open(struct sim_world *w, unsigned client, struct ms_store **out,
                      struct ms_error *err)
{
    return sim_single_open(w, client, client % 2, out, err);
}

const struct sim_system sim_mutant_split = {
    .name = "split",
    .members = 2,
    .space = {{.ns = "", .linearizable = true, .verbs = (1u << SIM_VERB_COUNT) - 1}},
    .create = split_create,
    .open = split_open,
};
