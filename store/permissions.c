/* store/permissions.c - a filter that refuses what a map of permissions does not allow.
 *
 * Each call is judged by its own path before anything reaches the storage. The one question that
 * only the storage can answer, "is there something already", is never asked beforehand: a write
 * that has only the permission for new items goes out with the precondition "absent", and the
 * refusal comes back. No state besides the map, which never changes: any thread.
 *
 *     create   w or W on the root          store, write   W; with w alone only what is absent
 *     destroy  D on the root               delete         D
 *     sweep    D on the root               move           D on the source, store's rule on the
 * target list     l                           defrag         r on the parts, W on the target info
 * l or r                      load, read, hash  r
 */
#include "store/filter.h"
#include "store/permission_map.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

struct permissions {
    struct ms_filter filter;
    struct ms_permission_map *map;
};

static struct permissions *self(struct ms_store *s)
{
    return (struct permissions *)s;
}

/* ---- judging ---- */

static unsigned granted(struct ms_store *s, struct ms_view path)
{
    const struct ms_permission_entry *e = ms_permission_map_find(self(s)->map, path);
    return e ? e->granted : 0;
}

static int deny(struct ms_store *s, const char *deed, struct ms_view path, const char *needs,
                struct ms_error *err)
{
    const struct ms_permission_entry *e = ms_permission_map_find(self(s)->map, path);
    const char *what = path.size ? MS_SHOW(path) : "the whole store";
    char text[MS_MAY_TEXT];
    if (!e)
        return ms_error_set(err, MS_ERR_PERMISSION, "%s %s needs %s; nothing is allowed there",
                            deed, what, needs);
    return ms_error_set(err, MS_ERR_PERMISSION, "%s %s needs %s; \"%s\" allows %s%s", deed, what,
                        needs, MS_SHOW(ms_view(e->path, e->path_size)),
                        e->granted ? "only " : "nothing", ms_permission_letters(e->granted, text));
}

static int demand(struct ms_store *s, const char *deed, struct ms_view path, unsigned any,
                  const char *needs, struct ms_error *err)
{
    return granted(s, path) & any ? 0 : deny(s, deed, path, needs, err);
}

/* What a write to path may do: `out` gets the precondition to send, *softened whether it is
 * stricter than the caller asked for, so that EXISTS means "permission denied". */
static int demand_write(struct ms_store *s, const char *deed, struct ms_view path,
                        const struct ms_precondition *asked, struct ms_precondition *out,
                        bool *softened, struct ms_error *err)
{
    unsigned may = granted(s, path);
    *out = *asked;
    *softened = false;
    if (may & MS_MAY_OVERWRITE)
        return 0;
    if (!(may & MS_MAY_CREATE))
        return deny(s, deed, path, "w or W", err);
    if (asked->kind == MS_IF_TAG)
        return deny(s, "overwriting", path, "W", err);
    if (asked->kind == MS_ALWAYS) {
        *softened = true;
        out->kind = MS_IF_ABSENT;
    }
    return 0;
}

static int overwrite_result(struct ms_store *s, struct ms_view path, bool softened, int code,
                            struct ms_error *err)
{
    if (softened && code == MS_ERR_EXISTS)
        return deny(s, "overwriting", path, "W", err);
    return code;
}

/* ---- the store as a whole ---- */

static int permissions_create(struct ms_store *s, struct ms_error *err)
{
    int code = demand(s, "creating", ms_str(""), MS_MAY_CREATE | MS_MAY_OVERWRITE, "w or W", err);
    return code ? code : ms_filter_create(s, err);
}

static int permissions_destroy(struct ms_store *s, struct ms_error *err)
{
    int code = demand(s, "destroying", ms_str(""), MS_MAY_DELETE, "D", err);
    return code ? code : ms_filter_destroy(s, err);
}

static int permissions_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed,
                             struct ms_error *err)
{
    int code = demand(s, "sweeping", ms_str(""), MS_MAY_DELETE, "D", err);
    return code ? code : ms_filter_sweep(s, age_ns, removed, err);
}

static void permissions_free(struct ms_store *s)
{
    ms_permission_map_free(self(s)->map);
    ms_filter_free(s);
}

/* ---- reading ---- */

static int permissions_load(struct ms_store *s, struct ms_item_ref item, int64_t offset,
                            uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    int code = item.internal ? 0 : demand(s, "loading", item.key, MS_MAY_READ, "r", err);
    return code ? code : ms_filter_load(s, item, offset, size, out, err);
}

static int permissions_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                            struct ms_error *err)
{
    int code = 0;
    if (!item.internal)
        code = demand(s, "info of", item.key, MS_MAY_LIST | MS_MAY_READ, "l or r", err);
    return code ? code : ms_filter_info(s, item, out, err);
}

static int permissions_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm,
                            char *hex, size_t hex_size, struct ms_error *err)
{
    int code = item.internal ? 0 : demand(s, "hashing", item.key, MS_MAY_READ, "r", err);
    return code ? code : ms_filter_hash(s, item, algorithm, hex, hex_size, err);
}

static int permissions_read(struct ms_store *s, struct ms_item_ref item,
                            struct ms_store_reader **out, struct ms_error *err)
{
    int code = item.internal ? 0 : demand(s, "reading", item.key, MS_MAY_READ, "r", err);
    return code ? code : ms_filter_read(s, item, out, err);
}

/* ---- writing ---- */

static int permissions_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                             const struct ms_precondition *pre, struct ms_tag *tag,
                             struct ms_error *err)
{
    if (item.internal)
        return ms_filter_store(s, item, value, pre, tag, err);
    struct ms_precondition sent;
    bool softened;
    int code = demand_write(s, "storing", item.key, pre, &sent, &softened, err);
    if (code)
        return code;
    code = ms_filter_store(s, item, value, &sent, tag, err);
    return overwrite_result(s, item.key, softened, code, err);
}

static int permissions_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    int code = item.internal ? 0 : demand(s, "deleting", item.key, MS_MAY_DELETE, "D", err);
    return code ? code : ms_filter_delete(s, item, err);
}

static int permissions_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                            struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                            struct ms_error *err)
{
    struct ms_view target = how == MS_MOVE_RENAME ? new_key : key;
    struct ms_precondition sent;
    bool softened;
    int code = demand(s, "moving", key, MS_MAY_DELETE, "D", err);
    if (!code)
        code = demand_write(s, "moving to", target, pre, &sent, &softened, err);
    if (code)
        return code;
    code = ms_filter_move(s, how, key, new_key, deleted, &sent, err);
    if (how == MS_MOVE_UNDELETE) /* which never replaces a live item, whoever asks */
        softened = false;
    return overwrite_result(s, target, softened, code, err);
}

static int permissions_defrag(struct ms_store *s, const char *ns,
                              const struct ms_defrag_part *parts, size_t count,
                              struct ms_view target, const char *algorithm, char *key,
                              size_t key_size, struct ms_error *err)
{
    size_t size;
    MS_AUTO_FREE char *name = ms_filter_join(ns, target, &size);
    if (!name)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    if (target.size == 0) /* the content will name it: it could be any item of the namespace */
        size = strlen(ns);
    struct ms_view path = ms_view(name, size);
    int code = demand(s, "defrag into", path, MS_MAY_OVERWRITE, "W", err);
    if (!code && target.size == 0 && !ms_permission_map_below(self(s)->map, path, MS_MAY_OVERWRITE))
        code = ms_error_set(err, MS_ERR_PERMISSION,
                            "defrag into %s needs W on all of it when no target is named",
                            MS_SHOW(path));
    for (size_t i = 0; i < count && !code; i++) {
        size_t part_size;
        MS_AUTO_FREE char *part = ms_filter_join(ns, parts[i].key, &part_size);
        if (!part)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
        code = demand(s, "defrag of", ms_view(part, part_size), MS_MAY_READ, "r", err);
    }
    if (code)
        return code;
    return ms_filter_defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
}

/* Judges one item of store_many; a softened one is marked and changed in place. */
static void judge(struct ms_store *s, struct ms_many *item, bool *softened)
{
    struct ms_error err = {0};
    struct ms_precondition sent;
    item->error = NULL;
    item->code = 0;
    int code = demand_write(s, "storing", item->key, &item->precondition, &sent, softened, &err);
    if (code)
        ms_many_result(item, code, &err);
    else
        item->precondition = sent;
}

static int permissions_store_many(struct ms_store *s, struct ms_many *items, size_t count,
                                  unsigned jobs, struct ms_error *err)
{
    MS_AUTO_FREE bool *softened = calloc(count ? count : 1, sizeof(*softened));
    if (!softened)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for storing %zu items", count);
    for (size_t i = 0; i < count; i++)
        judge(s, &items[i], &softened[i]);
    int code = ms_filter_store_rest(s, items, count, jobs, err);
    for (size_t i = count; i-- > 0;) {
        if (!softened[i])
            continue;
        items[i].precondition.kind = MS_ALWAYS;
        if (items[i].code != MS_ERR_EXISTS)
            continue;
        struct ms_error sentence = {0};
        free(items[i].error);
        items[i].error = NULL;
        deny(s, "overwriting", items[i].key, "W", &sentence);
        ms_many_result(&items[i], MS_ERR_PERMISSION, &sentence);
    }
    for (size_t i = 0; i < count; i++)
        if (items[i].code)
            return ms_error_set(err, items[i].code, "%s",
                                items[i].error ? items[i].error : ms_code_text(items[i].code));
    return code;
}

/* Those that may not be deleted have their code before the others are tried. */
static int permissions_remove_many(struct ms_store *s, struct ms_many *items, size_t count,
                                   struct ms_error *err)
{
    MS_AUTO_FREE struct ms_many *allowed = calloc(count ? count : 1, sizeof(*allowed));
    if (!allowed)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for deleting %zu items", count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct ms_error own = {0};
        int code = demand(s, "deleting", items[i].key, MS_MAY_DELETE, "D", &own);
        if (code)
            ms_many_result(&items[i], code, &own);
        else
            allowed[n++] = items[i];
    }
    struct ms_error own = {0};
    int code = ms_filter_remove_many(s, allowed, n, &own);
    ms_many_settle(allowed, n, code, &own);
    n = 0;
    for (size_t i = 0; i < count; i++)
        if (items[i].code == MS_ERR_CANCELLED && !items[i].error) /* as it came */
            items[i] = allowed[n++];
    return 0;
}

/* ---- a writer whose EXISTS at commit means "permission denied" ---- */

struct softened_writer {
    struct ms_store_writer base;
    struct ms_store_writer *inner;
    struct ms_store *store;
    size_t size;
    char path[];
};

static int writer_append(struct ms_store_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct ms_store_writer *inner = ((struct softened_writer *)w)->inner;
    return inner->ops->append(inner, bytes, err);
}

static int writer_commit(struct ms_store_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_FREE struct softened_writer *writer = (struct softened_writer *)w;
    int code = writer->inner->ops->commit(writer->inner, tag, err);
    return overwrite_result(writer->store, ms_view(writer->path, writer->size), true, code, err);
}

static void writer_abort(struct ms_store_writer *w)
{
    MS_AUTO_FREE struct softened_writer *writer = (struct softened_writer *)w;
    writer->inner->ops->abort(writer->inner);
}

static const struct ms_store_writer_ops writer_ops = {writer_append, writer_commit, writer_abort};

static int permissions_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                             const struct ms_precondition *pre, struct ms_store_writer **out,
                             struct ms_error *err)
{
    struct ms_precondition sent;
    bool softened;
    if (item.internal)
        return ms_filter_write(s, item, size_hint, pre, out, err);
    int code = demand_write(s, "writing", item.key, pre, &sent, &softened, err);
    if (code || !softened)
        return code ? code : ms_filter_write(s, item, size_hint, pre, out, err);
    struct softened_writer *w = malloc(sizeof(*w) + item.key.size);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing %s", MS_SHOW(item.key));
    *w = (struct softened_writer){.base.ops = &writer_ops, .store = s, .size = item.key.size};
    memcpy(w->path, item.key.data, item.key.size);
    code = ms_filter_write(s, item, size_hint, &sent, &w->inner, err);
    if (code) {
        free(w);
        return overwrite_result(s, item.key, true, code, err);
    }
    *out = &w->base;
    return 0;
}

/* ---- listing ----
 *
 * Entries of the map below the listed place may deny what the place itself allows. Their items are
 * an error and not left out: a listing that lacks something without a word would be taken for the
 * whole. */

struct checked_lister {
    struct ms_store_lister base;
    struct ms_store_lister *inner;
    struct ms_store *store;
    char ns[];
};

static int lister_next(struct ms_store_lister *l, const struct ms_item **out, struct ms_error *err)
{
    struct checked_lister *lister = (struct checked_lister *)l;
    const struct ms_item *item;
    int code = lister->inner->ops->next(lister->inner, &item, err);
    l->skipped = lister->inner->skipped;
    if (!code && item) {
        size_t size;
        MS_AUTO_FREE char *path = ms_filter_join(lister->ns, item->key, &size);
        if (!path)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
        if (item->group && size && path[size - 1] == '/')
            size--;
        code = demand(lister->store, "listing", ms_view(path, size), MS_MAY_LIST, "l", err);
    }
    if (!code)
        *out = item;
    return code;
}

static void lister_close(struct ms_store_lister *l)
{
    MS_AUTO_FREE struct checked_lister *lister = (struct checked_lister *)l;
    lister->inner->ops->close(lister->inner);
}

static const struct ms_store_lister_ops lister_ops = {lister_next, lister_close};

static int permissions_list(struct ms_store *s, const char *ns,
                            const struct ms_list_options *options, struct ms_store_lister **out,
                            struct ms_error *err)
{
    int code = demand(s, "listing", ms_str(ns), MS_MAY_LIST, "l", err);
    if (code || ms_permission_map_below(self(s)->map, ms_str(ns), MS_MAY_LIST))
        return code ? code : ms_filter_list(s, ns, options, out, err);
    size_t size = strlen(ns) + 1;
    struct checked_lister *l = malloc(sizeof(*l) + size);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing \"%s\"", ns);
    *l = (struct checked_lister){.base.ops = &lister_ops, .store = s};
    memcpy(l->ns, ns, size);
    code = ms_filter_list(s, ns, options, &l->inner, err);
    if (code) {
        free(l);
        return code;
    }
    *out = &l->base;
    return 0;
}

/* ---- making one ---- */

static const struct ms_store_ops permissions_ops = {
    .create = permissions_create,
    .destroy = permissions_destroy,
    .open = ms_filter_open,
    .close = ms_filter_close,
    .free = permissions_free,
    .set_namespaces = ms_filter_set_namespaces,
    .load = permissions_load,
    .store = permissions_store,
    .info = permissions_info,
    .remove = permissions_delete,
    .move = permissions_move,
    .hash = permissions_hash,
    .defrag = permissions_defrag,
    .write = permissions_write,
    .read = permissions_read,
    .list = permissions_list,
    .store_many = permissions_store_many,
    .remove_many = permissions_remove_many,
    .quota = ms_filter_quota,
    .usage = ms_filter_usage,
    .capabilities = ms_filter_capabilities,
    .sweep = permissions_sweep,
    .cache_invalidate = ms_filter_cache_invalidate,
};

int ms_permissions_wrap(struct ms_store *inner, const char *map_or_shortcut, struct ms_store **out,
                        struct ms_error *err)
{
    struct ms_permission_map *map;
    int code = ms_permission_map_parse(map_or_shortcut, &map, err);
    if (code)
        return code;
    if (map->count == 1 && map->entries[0].path_size == 0 &&
        map->entries[0].granted == MS_MAY_ALL) {
        ms_permission_map_free(map);
        *out = inner;
        return 0;
    }
    struct permissions *p = calloc(1, sizeof(*p));
    if (!p) {
        ms_permission_map_free(map);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the permissions");
    }
    ms_filter_init(&p->filter, &permissions_ops, inner);
    p->map = map;
    *out = &p->filter.store;
    return 0;
}
