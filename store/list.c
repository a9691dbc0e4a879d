/* Listings of the Store over one backend: sorted by key across levels, streaming, resumable.
 *
 * The directories being read are sources (listing.h). Each step takes the smallest head of all of
 * them: a directory is gone into, an item is given out, so that at any moment only the directories
 * whose prefix is reached are open. The same key at two levels is given once. One thread a listing.
 */
#include "store/listing.h"

#include "base/cleanup.h"
#include "base/entity.h"
#include "base/text.h"
#include "store/names.h"

#define SOURCES_MAX 64 /* nesting levels, continuations and namespaces open at once */

struct lister {
    struct ms_store_lister base;
    struct ms_listing listing;
    struct ms_text from, prefix;           /* comparable texts */
    struct ms_text user_from, user_prefix; /* as given */
    int delimiter;
    uint64_t limit, given;
    struct ms_source *sources[SOURCES_MAX];
    size_t count;
    struct ms_listed *last; /* the item taken last */
    struct ms_text group;   /* the group given last */
    bool ended;
    struct ms_item item;
    uint8_t key[2 * MS_NAME_MAX];
};

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
}

static void lister_close(struct ms_store_lister *base)
{
    struct lister *l = (struct lister *)base;
    for (size_t i = 0; i < l->count; i++)
        ms_source_free(l->sources[i]);
    ms_namespaces_unref(l->listing.namespaces);
    free(l->from.bytes);
    free(l->prefix.bytes);
    free(l->user_from.bytes);
    free(l->user_prefix.bytes);
    free(l->group.bytes);
    free(l->last);
    free(l);
}

/* ---- the smallest head ---- */

/* Index of the source with the smallest bound; SIZE_MAX: all are at their end. */
static size_t smallest(const struct lister *l, bool *directory)
{
    size_t best = SIZE_MAX;
    struct ms_view best_bound = {0};
    for (size_t i = 0; i < l->count; i++) {
        struct ms_view bound;
        bool dir;
        if (!ms_source_bound(l->sources[i], &bound, &dir))
            continue;
        int order = best == SIZE_MAX ? -1 : ms_compare(bound, best_bound);
        /* of one key: what a directory may hold, then the live item, then the deleted one */
        bool before = order == 0 && !*directory &&
                      (dir || (!l->sources[i]->head->deleted && l->sources[best]->head->deleted));
        if (order < 0 || before) {
            best = i;
            best_bound = bound;
            *directory = dir;
        }
    }
    return best;
}

static int fill_all(struct lister *l, struct ms_error *err)
{
    for (size_t i = 0; i < l->count;) {
        struct ms_source *s = l->sources[i];
        int code = ms_source_fill(s, err);
        if (code)
            return code;
        if (s->dirs || s->head) {
            i++;
            continue;
        }
        ms_source_free(s);
        l->sources[i] = l->sources[--l->count];
    }
    return 0;
}

static int go_into(struct lister *l, struct ms_source *s, struct ms_error *err)
{
    struct ms_found_dir *dir = s->dirs;
    s->dirs = dir->next;
    s->dir_first = false;
    struct ms_source *inner = NULL;
    int code = l->count < SOURCES_MAX
                   ? ms_source_enter(s, dir, &inner, err)
                   : ms_error_set(err, MS_ERR_TOO_LARGE, "a listing nested more than %d deep",
                                  SOURCES_MAX);
    ms_found_dir_free(dir);
    if (!code)
        l->sources[l->count++] = inner;
    return code;
}

/* The next item of all sources, each once; *out NULL: the end. */
static int take_item(struct lister *l, struct ms_listed **out, enum ms_names *names,
                     size_t *lead_size, struct ms_error *err)
{
    for (;;) {
        bool directory = false;
        int code = fill_all(l, err);
        if (code)
            return code;
        size_t index = smallest(l, &directory);
        if (index == SIZE_MAX) {
            *out = NULL;
            return 0;
        }
        struct ms_source *s = l->sources[index];
        if (directory) {
            code = go_into(l, s, err);
            if (code)
                return code;
            continue;
        }
        struct ms_listed *item = MS_TAKE(s->head);
        int order = l->last ? ms_compare(ms_view(item->key, item->size),
                                         ms_view(l->last->key, l->last->size))
                            : 1;
        if (order < 0 || (order == 0 && item->deleted <= l->last->deleted)) {
            free(item); /* the same key at another level, or met before */
            continue;
        }
        *names = s->ns->names;
        *lead_size = s->lead.size;
        *out = item;
        return 0;
    }
}

/* ---- giving out ---- */

/* The key as callers know it, in l->key. */
static bool decode(struct lister *l, const struct ms_listed *item, enum ms_names names,
                   size_t lead_size)
{
    if (item->size > sizeof l->key)
        return false;
    size_t size = item->size - lead_size;
    memcpy(l->key, item->key, item->size);
    if (names == MS_NAMES_BYTES &&
        !ms_unescape(ms_view(item->key + lead_size, size), l->key + lead_size, &size))
        return false;
    l->item = (struct ms_item){.key = ms_view(l->key, lead_size + size),
                               .deleted = item->deleted,
                               .info = ms_item_info_of(&item->info)};
    l->item.info.exists = true;
    return true;
}

/* Whether the item in l->item is wanted by the caller's own words. */
static bool asked_for(const struct lister *l)
{
    struct ms_view key = l->item.key;
    return ms_starts_with(key, ms_view(l->user_prefix.bytes, l->user_prefix.size)) &&
           ms_compare(key, ms_view(l->user_from.bytes, l->user_from.size)) > 0;
}

/* With a delimiter: cuts the item to its group. False: the group was given before. */
static bool regroup(struct lister *l)
{
    struct ms_view key = l->item.key;
    size_t skip = l->user_prefix.size;
    const uint8_t *at = l->delimiter >= 0 && key.size > skip
                            ? memchr(key.data + skip, l->delimiter, key.size - skip)
                            : NULL;
    if (!at)
        return true;
    struct ms_view group = ms_view(key.data, (size_t)(at - key.data) + 1);
    if (ms_equal(group, ms_view(l->group.bytes, l->group.size)) ||
        ms_equal(group, ms_view(l->user_from.bytes, l->user_from.size)))
        return false;
    l->item = (struct ms_item){.key = group, .group = true, .deleted = l->item.deleted};
    return true;
}

static bool keep_group(struct lister *l)
{
    free(l->group.bytes);
    l->group = (struct ms_text){l->item.key.size, malloc(l->item.key.size)};
    if (!l->group.bytes)
        return false;
    memcpy(l->group.bytes, l->item.key.data, l->item.key.size);
    return true;
}

static int lister_next(struct ms_store_lister *base, const struct ms_item **out,
                       struct ms_error *err)
{
    struct lister *l = (struct lister *)base;
    while (!l->ended) {
        struct ms_listed *item;
        enum ms_names names = MS_NAMES_BORGSTORE;
        size_t lead_size = 0;
        int code = take_item(l, &item, &names, &lead_size, err);
        if (code)
            return code;
        /* a deleted item goes with the live one of its key, so that a listing can be resumed by key
         */
        bool twin = item && l->last &&
                    ms_equal(ms_view(item->key, item->size), ms_view(l->last->key, l->last->size));
        if (!item || (l->limit && l->given >= l->limit && !twin)) {
            free(item);
            break;
        }
        free(l->last);
        l->last = item;
        if (!decode(l, item, names, lead_size)) {
            base->skipped++;
            continue;
        }
        if (!asked_for(l) || !regroup(l))
            continue;
        if (l->item.group && !keep_group(l))
            return no_memory(err);
        l->given++;
        *out = &l->item;
        return 0;
    }
    l->ended = true;
    *out = NULL;
    return 0;
}

/* ---- opening ---- */

static bool copy(struct ms_text *to, struct ms_view from)
{
    *to = (struct ms_text){from.size, malloc(from.size + 1)};
    if (to->bytes && from.size)
        memcpy(to->bytes, from.data, from.size);
    return to->bytes != NULL;
}

/* What the sources leave out early. In a listing of several namespaces with escaped names only the
 * caller's own words decide. */
static int set_bounds(struct lister *l, const struct ms_ns *ns,
                      const struct ms_list_options *options, struct ms_error *err)
{
    bool escaped = ns && ns->names == MS_NAMES_BYTES && !l->listing.whole;
    bool early = !l->listing.whole;
    const struct ms_ns *any;
    if (l->listing.whole) {
        early = true;
        for (size_t i = 0; (any = ms_namespaces_at(l->listing.namespaces, i)); i++)
            early = early && any->names == MS_NAMES_BORGSTORE;
    }
    if (!copy(&l->user_from, options->start_after) || !copy(&l->user_prefix, options->prefix))
        return no_memory(err);
    struct ms_view from = early ? options->start_after : ms_view(NULL, 0);
    struct ms_view prefix = early ? options->prefix : ms_view(NULL, 0);
    l->from = (struct ms_text){0, malloc(3 * from.size + 1)};
    l->prefix = (struct ms_text){0, malloc(3 * prefix.size + 1)};
    if (!l->from.bytes || !l->prefix.bytes)
        return no_memory(err);
    if (escaped) {
        l->from.size = ms_escape(from, l->from.bytes);
        l->prefix.size = ms_escape(prefix, l->prefix.bytes);
    } else {
        l->from.size = from.size;
        l->prefix.size = prefix.size;
        if (from.size)
            memcpy(l->from.bytes, from.data, from.size);
        if (prefix.size)
            memcpy(l->prefix.bytes, prefix.data, prefix.size);
    }
    l->listing.from = ms_view(l->from.bytes, l->from.size);
    l->listing.prefix = ms_view(l->prefix.bytes, l->prefix.size);
    return 0;
}

static int open_lister(struct lister *l, struct ms_view space,
                       const struct ms_list_options *options, struct ms_error *err)
{
    const struct ms_ns *ns = ms_namespaces_of_path(l->listing.namespaces, space);
    if (!ns && space.size)
        return ms_error_set(err, MS_ERR_CONFIG, "no namespace is configured for \"%s\"",
                            MS_SHOW(space));
    const char *fault = space.size ? ms_namespace_fault(space) : NULL;
    if (fault)
        return ms_error_set(err, MS_ERR_NAME, "bad namespace \"%s\": %s", MS_SHOW(space), fault);
    int code = set_bounds(l, ns, options, err);
    if (!code)
        code = ms_source_open(&l->listing, space, &l->sources[0], err);
    if (!code)
        l->count = 1;
    return code;
}

int ms_single_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                   struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {lister_next, lister_close};
    struct ms_single *self = ms_single_self(s);
    uint64_t begin = ms_entity_begin(s->clock);
    struct lister *l = calloc(1, sizeof *l);
    if (!l)
        return no_memory(err);
    struct ms_view space = ms_str(ns);
    if (space.size && space.data[space.size - 1] == '/')
        space.size--;
    l->base.ops = &ops;
    l->delimiter = options->delimiter;
    l->limit = options->limit;
    l->listing = (struct ms_listing){.store = self,
                                     .namespaces = ms_ns_current_get(&self->namespaces),
                                     .deleted = options->deleted,
                                     .names_only = options->names_only,
                                     .whole = space.size == 0,
                                     .skipped = &l->base.skipped};
    const struct ms_ns *counted = ms_namespaces_of_path(l->listing.namespaces, space);
    int code = open_lister(l, space, options, err);
    if (counted && counted->entity)
        ms_entity_count(counted->entity, s->clock, MS_VERB_LIST, begin, code, 0);
    if (code)
        lister_close(&l->base);
    else
        *out = &l->base;
    return code;
}
