/* Listings of the Store over one backend: sorted by key across levels, streaming, resumable.
 *
 * The directories being read are sources (listing.h). Each step takes the smallest head of all of
 * them: a directory is gone into, an item is given out, so that at any moment only the directories
 * whose prefix is reached are open, and the few behind them that were opened with them, in parallel
 * (list_ahead.c). The same key at two levels is given once. One thread a listing. */
#include "store/list_ahead.h"
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
    struct ms_ahead ahead;
    struct ms_head *last;       /* the item taken last */
    struct ms_text group;       /* the group given last */
    struct ms_text group_bound; /* the same as a comparable text */
    bool ended;
    bool lost; /* no memory for a group that was taken: the listing cannot go on */
    struct ms_item item;
    uint8_t key[2 * MS_NAME_MAX];
};

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
    free(l->group_bound.bytes);
    ms_head_free(l->last);
    free(l);
}

/* ---- the smallest head ---- */

/* The source with the smallest head; NULL: all are at their end, and gone. */
static int smallest(struct lister *l, struct ms_source **out, struct ms_error *err)
{
    struct ms_source *best = NULL;
    for (size_t i = 0; i < l->count;) {
        struct ms_source *s = l->sources[i];
        int code = ms_source_fill(s, err);
        l->base.skipped += s->skipped;
        s->skipped = 0;
        if (code)
            return code;
        const struct ms_head *first = ms_heads_first(&s->heads);
        if (!first) {
            ms_source_free(s);
            l->sources[i] = l->sources[--l->count];
            continue;
        }
        if (!best || ms_head_compare(first, ms_heads_first(&best->heads)) < 0)
            best = s;
        i++;
    }
    *out = best;
    return 0;
}

static int go_into(struct lister *l, struct ms_source *s, struct ms_error *err)
{
    struct ms_view bound = ms_head_bound(ms_heads_first(&s->heads));
    if (l->group_bound.size && ms_starts_with(bound, ms_text_view(l->group_bound))) {
        ms_head_free(ms_heads_pop(&s->heads)); /* nothing but the group given last */
        return 0;
    }
    if (l->count == SOURCES_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "a listing nested more than %d deep",
                            SOURCES_MAX);
    struct ms_source *inner;
    int code = ms_ahead_enter(&l->ahead, s, &inner, err);
    if (!code)
        l->sources[l->count++] = inner;
    return code;
}

static bool enough(const struct lister *l)
{
    return l->limit && l->given >= l->limit;
}

/* The next item of all sources, each once; *out NULL: the end. When enough is given only the
 * deleted twin of the last item can follow, and it is in no directory that was not gone into. */
static int take_item(struct lister *l, struct ms_head **out, enum ms_names *names,
                     size_t *lead_size, struct ms_error *err)
{
    for (;;) {
        struct ms_source *s;
        int code = smallest(l, &s, err);
        if (code)
            return code;
        if (!s) {
            *out = NULL;
            return 0;
        }
        if (ms_heads_first(&s->heads)->directory && enough(l)) {
            *out = NULL;
            return 0;
        }
        if (ms_heads_first(&s->heads)->directory) {
            code = go_into(l, s, err);
            if (code)
                return code;
            continue;
        }
        struct ms_head *item = ms_heads_pop(&s->heads);
        if (l->last && ms_head_compare(item, l->last) <= 0) {
            ms_head_free(item); /* the same key at another level, or met before */
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
static bool decode(struct lister *l, const struct ms_head *item, enum ms_names names,
                   size_t lead_size)
{
    if (item->size > sizeof l->key)
        return false;
    size_t size = item->size - lead_size;
    memcpy(l->key, item->bound, item->size);
    if (names == MS_NAMES_BYTES &&
        !ms_unescape(ms_view(item->bound + lead_size, size), l->key + lead_size, &size))
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

static bool keep_group(struct lister *l, enum ms_names names, size_t lead_size)
{
    static const struct ms_view none;
    struct ms_view group = l->item.key;
    if (!ms_text_set(&l->group, group, none))
        return false;
    if (names != MS_NAMES_BYTES || group.size < lead_size)
        return ms_text_set(&l->group_bound, group, none);
    char escaped[MS_ESCAPED_MAX];
    size_t size = ms_escape(ms_view(group.data + lead_size, group.size - lead_size), escaped);
    return ms_text_set(&l->group_bound, ms_view(group.data, lead_size), ms_view(escaped, size));
}

static int lister_next(struct ms_store_lister *base, const struct ms_item **out,
                       struct ms_error *err)
{
    struct lister *l = (struct lister *)base;
    if (l->lost)
        return ms_source_no_memory(err);
    while (!l->ended && !(enough(l) && l->listing.deleted != MS_LIST_BOTH)) {
        struct ms_head *item;
        enum ms_names names = MS_NAMES_BORGSTORE;
        size_t lead_size = 0;
        int code = take_item(l, &item, &names, &lead_size, err);
        if (code)
            return code;
        /* a deleted item goes with the live one of its key, so that a listing can be resumed by key
         */
        bool twin = item && l->last && ms_equal(ms_head_bound(item), ms_head_bound(l->last));
        if (!item || (enough(l) && !twin)) {
            ms_head_free(item);
            break;
        }
        ms_head_free(l->last);
        l->last = item;
        if (!decode(l, item, names, lead_size)) {
            base->skipped++;
            continue;
        }
        if (!asked_for(l) || !regroup(l))
            continue;
        l->lost = l->item.group && !keep_group(l, names, lead_size);
        if (l->lost)
            return ms_source_no_memory(err);
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
        return ms_source_no_memory(err);
    struct ms_view from = early ? options->start_after : ms_view(NULL, 0);
    struct ms_view prefix = early ? options->prefix : ms_view(NULL, 0);
    l->from = (struct ms_text){0, malloc(3 * from.size + 1)};
    l->prefix = (struct ms_text){0, malloc(3 * prefix.size + 1)};
    if (!l->from.bytes || !l->prefix.bytes)
        return ms_source_no_memory(err);
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
        return ms_source_no_memory(err);
    struct ms_view space = ms_str(ns);
    if (space.size && space.data[space.size - 1] == '/')
        space.size--;
    l->base.ops = &ops;
    ms_ahead_init(&l->ahead, s->jobs);
    l->delimiter = options->delimiter;
    l->limit = options->limit;
    l->listing = (struct ms_listing){.store = self,
                                     .namespaces = ms_ns_current_get(&self->namespaces),
                                     .deleted = options->deleted,
                                     .names_only = options->names_only,
                                     .whole = space.size == 0};
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
