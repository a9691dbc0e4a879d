/* mstore/raw_list.c - directories of the raw view (mstore/raw_view.h): what the names of items have
 * in common, and what is remembered.
 *
 * A listing goes through all items below the directory, groups what lies deeper, and sorts: wire
 * names do not sort as keys do. An entry of the sorter is
 *
 *     name  0  size (8)  time of last access (8)  time of change (8), big-endian
 */
#include "mstore/raw_parts.h"

#include "backends/name.h"
#include "backends/posix/sort.h"
#include "base/text.h"
#include "store/store_face.h"

#include <endian.h>
#include <stdlib.h>

#define TAIL     (1 + 3 * sizeof(uint64_t))
#define MEMORY   ((size_t)1 << 20)
#define IS_VALUE 1
#define IS_DIR   2

/* ---- what is remembered ---- */

bool ms_raw_remembers(struct ms_raw *raw, struct ms_view name)
{
    struct ms_info info = {0};
    return ms_backend_info(raw->directories, name, &info, NULL) == 0 && info.exists &&
           info.directory;
}

/* Each directory above it, too, counts. */
void ms_raw_remember(struct ms_raw *raw, struct ms_view name)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(raw->store));
    if (r)
        name = ms_raw_unnested(r->names, name);
    if (!name.size || ms_raw_remembers(raw, name))
        return;
    for (size_t i = 1; i <= name.size; i++) {
        struct ms_view part = ms_view(name.data, i);
        if ((i < name.size && name.data[i] != '/') || ms_raw_remembers(raw, part))
            continue;
        if (atomic_load(&raw->remembered) >= RAW_DIRECTORIES ||
            ms_backend_mkdir(raw->directories, part, NULL))
            return;
        atomic_fetch_add(&raw->remembered, 1);
    }
}

/* ---- going through the items below a directory ---- */

struct scan {
    struct ms_store *store;
    struct ms_roster *roster;
    struct ms_store_lister *inner;
    struct ms_name prefix; /* of keys */
    struct ms_name below;  /* of wire names: "data/01/", "" */
    bool nested, names_only;
    /* the item found last */
    struct ms_name wire;
    struct ms_view name; /* one segment */
    bool directory;
    struct ms_item_info info;
};

static void scan_fini(struct scan *s)
{
    ms_store_lister_close(s->inner);
    ms_roster_unref(s->roster);
}

/* Files in the upper directories of a nesting are rare: their sizes are asked for one by one. */
static bool is_upper(const struct scan *s, struct ms_view name)
{
    const struct ms_ns *ns = ms_namespaces_of_path(s->roster->names, name);
    unsigned depth = 0;
    if (!ns || !name.size)
        return false;
    for (size_t i = s->prefix.size; s->nested && i < s->below.size; i++)
        depth++;
    return ns->names == MS_NAMES_BORGSTORE && ns->levels[ns->level_count - 1] > depth;
}

static int scan_begin(struct scan *s, struct ms_raw *raw, struct ms_view name, bool names_only,
                      struct ms_error *err)
{
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    *s = (struct scan){.store = raw->store};
    int code = ms_self_current(ms_self_of(raw->store), &s->roster, err);
    if (code)
        return code;
    ms_raw_prefix_of(s->roster->names, name, &s->prefix, &s->nested);
    if (name.size)
        memcpy(s->below.text, name.data, name.size);
    s->below.size = name.size;
    if (name.size)
        s->below.text[s->below.size++] = '/';
    s->names_only = names_only || is_upper(s, name);
    o.prefix = ms_name_view(&s->prefix);
    o.delimiter = '/';
    o.deleted = MS_LIST_BOTH;
    o.names_only = s->names_only;
    return ms_store_list(raw->store, "", &o, &s->inner, err);
}

/* The wire name of what the listing gave. False: it is not below the directory, or has none. */
static bool take_name(struct scan *s, const struct ms_item *item)
{
    struct ms_view below = ms_name_view(&s->below);
    if (item->group) {
        if (s->nested || item->key.size > sizeof s->wire.text)
            return false;
        memcpy(s->wire.text, item->key.data, item->key.size);
        s->wire.size = item->key.size;
    } else if (!ms_raw_name_of(s->roster->names, item->key, item->deleted, &s->wire)) {
        return false;
    }
    if (s->wire.size <= below.size || !ms_starts_with(ms_name_view(&s->wire), below))
        return false;
    s->name = ms_view(s->wire.text + below.size, s->wire.size - below.size);
    const uint8_t *slash = memchr(s->name.data, '/', s->name.size);
    s->directory = slash != NULL;
    if (slash)
        s->name.size = (size_t)(slash - s->name.data);
    s->info = item->info;
    return s->name.size && s->name.size <= RAW_SEGMENT_MAX;
}

/* *found false: the end. */
static int scan_next(struct scan *s, bool *found, struct ms_error *err)
{
    const struct ms_item *item;
    int code;
    *found = false;
    while (!(code = ms_store_lister_next(s->inner, &item, err)) && item && !*found)
        if ((*found = take_name(s, item)))
            break;
    return code;
}

static bool is_configured(struct ms_raw *raw, struct ms_view name)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(raw->store));
    return r && (ms_namespaces_exact(r->names, name) || ms_namespaces_leads(r->names, name));
}

bool ms_raw_is_nesting(struct ms_raw *raw, struct ms_view name)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(raw->store));
    return r && ms_raw_unnested(r->names, name).size < name.size;
}

int ms_raw_is_directory(struct ms_raw *raw, struct ms_view name, bool *out, struct ms_error *err)
{
    struct scan s;
    *out = !name.size || ms_raw_remembers(raw, name) || is_configured(raw, name);
    if (*out)
        return 0;
    int code = scan_begin(&s, raw, name, true, err);
    if (!code)
        code = scan_next(&s, out, err);
    scan_fini(&s);
    return code;
}

/* ---- a listing ---- */

struct raw_lister {
    struct ms_lister base;
    struct ms_sorter *sorter;
    struct ms_entry entry;
    struct ms_name last; /* given before: a directory and a value of one name are one entry */
    bool any;
};

static int add(struct raw_lister *l, struct ms_view name, const struct ms_item_info *info,
               struct ms_error *err)
{
    uint8_t record[RAW_SEGMENT_MAX + TAIL];
    const uint64_t tail[] = {htobe64(info ? info->size_bytes : 0),
                             htobe64(info ? (uint64_t)info->atime_ns : 0),
                             htobe64(info ? (uint64_t)info->mtime_ns : 0)};
    memcpy(record, name.data, name.size);
    record[name.size] = 0;
    memcpy(record + name.size + 1, tail, sizeof tail);
    l->any = true;
    return ms_sorter_add(l->sorter, ms_view(record, name.size + TAIL), info ? IS_VALUE : IS_DIR,
                         err);
}

/* Directories that are remembered. */
static int add_remembered(struct raw_lister *l, struct ms_raw *raw, struct ms_view name,
                          struct ms_error *err)
{
    struct ms_lister *inner = NULL;
    const struct ms_entry *e;
    if (ms_backend_list(raw->directories, name, NULL, &inner, NULL))
        return 0;
    l->any = true;
    int code = 0;
    while (!code && !(code = ms_lister_next(inner, &e, err)) && e)
        if (e->info.directory && e->name.size <= RAW_SEGMENT_MAX)
            code = add(l, e->name, NULL, err);
    ms_lister_close(inner);
    return code;
}

static int complete_info(struct scan *s, bool names_only, struct ms_error *err)
{
    struct ms_raw_key key;
    if (names_only || !s->names_only)
        return 0;
    ms_raw_key_of(s->roster->names, ms_name_view(&s->wire), &key, NULL);
    return ms_store_info(s->store, ms_raw_key_view(&key), key.deleted, &s->info, err);
}

static int add_items(struct raw_lister *l, struct ms_raw *raw, struct ms_view name, bool names_only,
                     struct ms_error *err)
{
    struct scan s;
    struct ms_name last = {0}; /* directories come many times in a row */
    bool found = false;
    int code = scan_begin(&s, raw, name, names_only, err);
    while (!code && !(code = scan_next(&s, &found, err)) && found) {
        if (!s.directory) {
            code = complete_info(&s, names_only, err);
            if (!code)
                code = add(l, s.name, &s.info, err);
        } else if (!ms_equal(s.name, ms_name_view(&last))) {
            memcpy(last.text, s.name.data, s.name.size);
            last.size = s.name.size;
            code = add(l, s.name, NULL, err);
        }
    }
    scan_fini(&s);
    return code;
}

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    struct raw_lister *l = (struct raw_lister *)base;
    uint64_t tail[3];
    struct ms_view record;
    uint8_t kind;
    *out = NULL;
    do {
        int code = ms_sorter_next(l->sorter, &record, &kind, err);
        if (code || !record.size)
            return code;
        record.size -= TAIL;
    } while (ms_compare(record, ms_name_view(&l->last)) <= 0 && l->last.size);
    memcpy(tail, record.data + record.size + 1, sizeof tail);
    memcpy(l->last.text, record.data, record.size);
    l->last.size = record.size;
    l->entry.name = ms_name_view(&l->last);
    l->entry.info = (struct ms_info){.exists = true,
                                     .directory = kind == IS_DIR,
                                     .size_bytes = be64toh(tail[0]),
                                     .atime_ns = (int64_t)be64toh(tail[1]),
                                     .mtime_ns = (int64_t)be64toh(tail[2])};
    *out = &l->entry;
    return 0;
}

static void lister_close(struct ms_lister *base)
{
    struct raw_lister *l = (struct raw_lister *)base;
    ms_sorter_free(l->sorter);
    free(l);
}

static int gather(struct raw_lister *l, struct ms_raw *raw, struct ms_view name,
                  const struct ms_list_request *request, struct ms_error *err)
{
    int code = ms_sorter_new(0, MEMORY, &l->sorter, err);
    if (!code)
        code = add_remembered(l, raw, name, err);
    if (!code)
        code = add_items(l, raw, name, request->names_only, err);
    if (!code)
        code = ms_sorter_finish(l->sorter, err);
    if (!code && !l->any && name.size && !is_configured(raw, name) && !ms_raw_is_nesting(raw, name))
        code = ms_error_set(err, MS_ERR_NOT_FOUND, "%s: there is no directory %s", raw->base.url,
                            MS_SHOW(name));
    return code;
}

int ms_raw_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                struct ms_lister **out, struct ms_error *err)
{
    static const struct ms_lister_ops ops = {.next = lister_next, .close = lister_close};
    struct raw_lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a listing", b->url);
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    int code = gather(l, ms_raw_of(b), name, request, err);
    if (!code && request->start_after.size > sizeof l->last.text)
        code = ms_error_set(err, MS_ERR_NAME, "%s: a name to begin after is too long", b->url);
    if (code) {
        lister_close(&l->base);
        return code;
    }
    if (request->start_after.size)
        memcpy(l->last.text, request->start_after.data, request->start_after.size);
    l->last.size = request->start_after.size;
    *out = &l->base;
    return 0;
}
