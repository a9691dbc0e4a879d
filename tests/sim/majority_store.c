/* The register over a majority as a Store: see majority.h. Slots that clients of the simulation do
 * not use say UNSUPPORTED. */
#include "tests/sim/majority_parts.h"

#include "base/cleanup.h"

#include <stdlib.h>

/* ---- one value ---- */

static int not_found(struct ms_view key, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%.*s not found", (int)key.size,
                        (const char *)key.data);
}

static int unsupported(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "not in this Store");
}

static int slot_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_error *err)
{
    struct seen seen;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = majority_settle(majority_of(s), item.key, &seen, &value, err);
    if (code)
        return code;
    if (!value)
        return not_found(item.key, err);
    size_t all = ms_buf_size(value), start = (uint64_t)offset < all ? (size_t)offset : all;
    size_t count = size < all - start ? (size_t)size : all - start;
    struct ms_buf *part = ms_buf_slice(value, start, count);
    if (!part)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    *out = part;
    return 0;
}

static int slot_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct majority *m = majority_of(s);
    if (pre->kind != MS_ALWAYS)
        return unsupported(err);
    struct seen seen = {0};
    struct texts versions = {0};
    int code;
    if (m->flaws & SIM_FLAW_COUNTER) {
        code = majority_names(m, m->client % m->count, item.key, &versions, err);
        if (versions.count)
            memcpy(seen.best, versions.text[versions.count - 1], VERSION_SIZE);
    } else {
        code = majority_look(m, item.key, &seen, err);
    }
    *tag = (struct ms_tag){0};
    return code ? code : majority_put(m, item.key, &seen, value, err);
}

static int slot_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                     struct ms_error *err)
{
    struct seen seen;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = majority_settle(majority_of(s), item.key, &seen, &value, err);
    if (!code)
        *out = (struct ms_item_info){.exists = value != NULL,
                                     .size_bytes = value ? version_size(seen.best) : 0};
    return code;
}

/* The flaw: what is there goes, and nothing says so to those who are away. */
static int forget(const struct majority *m, struct ms_view key, struct ms_error *err)
{
    unsigned done = 0;
    for (unsigned i = 0; i < m->count; i++) {
        struct texts versions = {0};
        int code = majority_names(m, i, key, &versions, err);
        for (size_t v = 0; !code && v < versions.count; v++)
            code = majority_drop(m, i, key, versions.text[v], err);
        done += code == 0;
    }
    return done >= majority_quorum(m) ? 0 : MS_ERR_CONNECTION;
}

static int slot_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct majority *m = majority_of(s);
    struct seen seen;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = majority_settle(m, item.key, &seen, &value, err);
    if (code)
        return code;
    if (!value)
        return not_found(item.key, err);
    return m->flaws & SIM_FLAW_TOMBSTONE ? forget(m, item.key, err)
                                         : majority_put(m, item.key, &seen, NULL, err);
}

/* ---- listing: all of it when it is opened ---- */

struct lister {
    struct ms_store_lister base;
    struct texts keys;
    uint64_t sizes[VERSIONS_MOST];
    size_t at;
    struct ms_item item;
};

static int lister_next(struct ms_store_lister *l, const struct ms_item **out, struct ms_error *err)
{
    (void)err;
    struct lister *lister = (struct lister *)l;
    *out = NULL;
    if (lister->at == lister->keys.count)
        return 0;
    lister->item =
        (struct ms_item){.key = ms_str(lister->keys.text[lister->at]),
                         .info = {.exists = true, .size_bytes = lister->sizes[lister->at]}};
    lister->at++;
    *out = &lister->item;
    return 0;
}

static void lister_close(struct ms_store_lister *l)
{
    free(l);
}

static int take_key(const struct majority *m, const char *key, struct lister *l,
                    struct ms_error *err)
{
    struct seen seen;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = majority_settle(m, ms_str(key), &seen, &value, err);
    if (code || !value)
        return code;
    l->sizes[l->keys.count] = ms_buf_size(value);
    memcpy(l->keys.text[l->keys.count++], key, VERSION_SIZE);
    return 0;
}

static int slot_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                     struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {lister_next, lister_close};
    (void)ns, (void)options;
    const struct majority *m = majority_of(s);
    struct lister *l = calloc(1, sizeof *l);
    struct texts *keys = calloc(1, sizeof *keys);
    int code = l && keys ? majority_keys(m, keys, err)
                         : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    for (size_t i = 0; !code && i < keys->count; i++)
        code = take_key(m, keys->text[i], l, err);
    free(keys);
    if (code) {
        free(l);
        return code;
    }
    l->base.ops = &ops;
    *out = &l->base;
    return 0;
}

/* ---- life ---- */

static int slot_create(struct ms_store *s, struct ms_error *err)
{
    (void)s;
    return unsupported(err);
}

/* With members that do not answer too: they may come back. */
static int slot_open(struct ms_store *s, struct ms_error *err)
{
    (void)s, (void)err;
    return 0;
}

static int slot_close(struct ms_store *s, struct ms_error *err)
{
    (void)s, (void)err;
    return 0;
}

static void slot_free(struct ms_store *s)
{
    struct majority *m = majority_of(s);
    for (unsigned i = 0; i < m->count; i++)
        ms_backend_free(m->members[i]);
    free(m);
}

static const struct ms_store_ops majority_ops = {
    .create = slot_create,
    .destroy = slot_create,
    .open = slot_open,
    .close = slot_close,
    .free = slot_free,
    .load = slot_load,
    .store = slot_store,
    .info = slot_info,
    .remove = slot_remove,
    .list = slot_list,
};

int sim_majority_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    (void)w, (void)client, (void)err;
    return 0; /* an empty disk is all it needs */
}

static int open_members(struct majority *m, struct sim_world *w, struct ms_error *err)
{
    int code = 0;
    for (unsigned i = 0; !code && i < w->member_count; i++) {
        code = sim_member_handle(w, m->client, i, &m->members[i], err);
        m->count += code == 0;
    }
    return code;
}

int sim_majority_open(struct sim_world *w, unsigned client, unsigned flaws, struct ms_store **out,
                      struct ms_error *err)
{
    struct majority *m = calloc(1, sizeof *m);
    if (!m)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a Store");
    m->base = (struct ms_store){
        .ops = &majority_ops, .url = "sim:majority", .clock = &w->clients[client].clock};
    m->w = w;
    m->client = client;
    m->flaws = flaws;
    int code = open_members(m, w, err);
    if (!code)
        code = ms_store_open(&m->base, err);
    if (code)
        slot_free(&m->base);
    else
        *out = &m->base;
    return code;
}
