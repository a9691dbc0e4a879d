/* mstore/list_root.c - the listing of all namespaces as one: see mstore/list.h. A part for each
 * namespace, sorted by what its keys begin with; one that cannot have the next key yet is not
 * opened. Namespaces lie inside others ("data", "data/sub"), so several parts may be at work. */
#include "mstore/list_parts.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

struct part {
    struct ms_text path;            /* "data" */
    struct ms_text lead;            /* "data/", "" */
    struct ms_store_lister *lister; /* NULL: not opened yet */
    struct ms_text key;             /* of the head, whole */
    struct ms_item head;
    bool has;
};

struct root {
    struct ms_store_lister base;
    struct ms_roster *roster;
    struct ms_list_options options; /* its views are the grouping's */
    struct ms_grouping grouping;
    uint64_t given;
    struct part *parts;
    size_t count;
    struct part *taken;  /* gave the item given last */
    struct ms_text last; /* its key, once the limit is reached */
    struct ms_item item;
    bool ended;
    uint64_t skipped; /* by parts that are closed */
    struct ms_error failed;
};

static void part_fini(struct part *p)
{
    ms_store_lister_close(p->lister);
    free(p->path.bytes);
    free(p->lead.bytes);
    free(p->key.bytes);
}

/* What of a bound on whole keys is left for the keys of a part. False: the part has no such keys.
 */
static bool inner_bounds(const struct root *r, const struct part *p, struct ms_list_options *o)
{
    struct ms_view lead = ms_text_view(p->lead), from = r->options.start_after;
    struct ms_view prefix = r->options.prefix;
    if (ms_starts_with(prefix, lead))
        o->prefix = ms_view(prefix.data + lead.size, prefix.size - lead.size);
    else if (ms_starts_with(lead, prefix))
        o->prefix = ms_view(NULL, 0);
    else
        return false;
    if (ms_starts_with(from, lead))
        o->start_after = ms_view(from.data + lead.size, from.size - lead.size);
    else if (ms_compare(from, lead) < 0)
        o->start_after = ms_view(NULL, 0);
    else
        return false;
    return true;
}

/* Opens it, when it is not, and gets its next item. *ended: there is none. */
static int fill(struct root *r, struct part *p, bool *ended, struct ms_error *err)
{
    const struct ms_item *item = NULL;
    int code = 0;
    if (!p->lister) {
        struct ms_list_options o = r->options;
        struct ms_view path = ms_text_view(p->path);
        *ended = !inner_bounds(r, p, &o);
        o.delimiter = -1;
        o.limit = 0;
        if (!*ended)
            code = ms_list_framed(r->roster, ms_layout_space(r->roster->layout, path), path, &o,
                                  &p->lister, err);
    }
    if (!code && p->lister)
        code = ms_store_lister_next(p->lister, &item, err);
    *ended = !item;
    if (code || !item)
        return code;
    if (!ms_text_set(&p->key, ms_text_view(p->lead), item->key))
        return ms_source_no_memory(err);
    p->head = *item;
    p->head.key = ms_text_view(p->key);
    p->has = true;
    return 0;
}

static void drop(struct root *r, size_t i)
{
    r->skipped += r->parts[i].lister ? ms_store_lister_skipped(r->parts[i].lister) : 0;
    part_fini(&r->parts[i]);
    r->count--;
    memmove(&r->parts[i], &r->parts[i + 1], (r->count - i) * sizeof *r->parts);
}

static bool comes_before(const struct ms_item *a, const struct ms_item *b)
{
    int order = ms_compare(a->key, b->key);
    return order < 0 || (order == 0 && !a->deleted && b->deleted);
}

/* All its keys are in a group that was given. */
static bool is_in_group(const struct root *r, const struct part *p)
{
    struct ms_view group = ms_grouping_of(&r->grouping, ms_text_view(p->lead));
    return group.size && ms_grouping_was_given(&r->grouping, group);
}

/* The part with the smallest item; NULL: the end. Parts behind the first that cannot have a smaller
 * one cannot either. */
static int smallest(struct root *r, struct part **out, struct ms_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < r->count;) {
        struct part *p = &r->parts[i];
        bool ended = is_in_group(r, p);
        if (*out && !p->lister && ms_compare((*out)->head.key, ms_text_view(p->lead)) < 0)
            return 0;
        int code = p->has || ended ? 0 : fill(r, p, &ended, err);
        if (code)
            return code;
        if (ended) {
            drop(r, i);
            continue;
        }
        if (!*out || comes_before(&p->head, &(*out)->head))
            *out = p;
        i++;
    }
    return 0;
}

/* Whether the item is given, perhaps as its group. */
static int give(struct root *r, const struct ms_item *item, bool *given, struct ms_error *err)
{
    struct ms_view group = ms_grouping_of(&r->grouping, item->key);
    r->item = *item;
    *given = !group.size || !ms_grouping_was_given(&r->grouping, group);
    if (!group.size || !*given)
        return 0;
    int code = ms_grouping_give(&r->grouping, group, err);
    r->item = (struct ms_item){
        .key = ms_text_view(r->grouping.group), .group = true, .deleted = item->deleted};
    return code;
}

static bool is_enough(const struct root *r, const struct ms_item *next)
{
    return r->options.limit && r->given >= r->options.limit &&
           !ms_equal(next->key, ms_text_view(r->last));
}

static int step(struct root *r, bool *given, struct ms_error *err)
{
    if (r->taken)
        r->taken->has = false;
    int code = smallest(r, &r->taken, err);
    r->ended = !code && (!r->taken || is_enough(r, &r->taken->head));
    if (code || r->ended)
        return code;
    code = give(r, &r->taken->head, given, err);
    if (!code && *given && ++r->given == r->options.limit &&
        !ms_text_set(&r->last, r->taken->head.key, ms_view(NULL, 0)))
        code = ms_source_no_memory(err);
    return code;
}

static int root_next(struct ms_store_lister *base, const struct ms_item **out, struct ms_error *err)
{
    struct root *r = (struct root *)base;
    bool given = false;
    int code = r->failed.code;
    while (!code && !given && !r->ended)
        code = step(r, &given, &r->failed);
    r->failed.code = code;
    *out = given && !code ? &r->item : NULL;
    base->skipped = r->skipped;
    for (size_t i = 0; i < r->count; i++)
        base->skipped += r->parts[i].lister ? ms_store_lister_skipped(r->parts[i].lister) : 0;
    if (code && err)
        *err = r->failed;
    return code;
}

/* ---- life ---- */

static void root_close(struct ms_store_lister *base)
{
    struct root *r = (struct root *)base;
    for (size_t i = 0; i < r->count; i++)
        part_fini(&r->parts[i]);
    free(r->parts);
    free(r->last.bytes);
    ms_grouping_fini(&r->grouping);
    ms_roster_unref(r->roster);
    free(r);
}

/* The plain ones first: their keys may begin with anything. */
static int make_parts(struct root *r, struct ms_paths *paths, struct ms_store_lister *plain,
                      struct ms_error *err)
{
    r->parts = calloc(paths->count + 1, sizeof *r->parts);
    if (!r->parts) {
        ms_store_lister_close(plain);
        return ms_source_no_memory(err);
    }
    if (plain)
        r->parts[r->count++].lister = plain;
    for (size_t i = 0; i < paths->count; i++) {
        struct part *p = &r->parts[r->count++];
        struct ms_view path = ms_text_view(paths->path[i]);
        if (!ms_text_set(&p->path, path, ms_view(NULL, 0)) ||
            !ms_text_set(&p->lead, path, ms_str(path.size ? "/" : "")))
            return ms_source_no_memory(err);
    }
    return 0;
}

int ms_list_root(struct ms_roster *roster, const struct ms_list_options *options,
                 struct ms_store_lister *plain, struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {root_next, root_close};
    struct ms_paths paths = {0};
    struct root *r = calloc(1, sizeof *r);
    if (!r) {
        ms_store_lister_close(plain);
        return ms_source_no_memory(err);
    }
    r->base.ops = &ops;
    r->roster = ms_roster_ref(roster);
    r->options = *options;
    int code = ms_grouping_init(&r->grouping, options, err);
    r->options.start_after = ms_text_view(r->grouping.from);
    r->options.prefix = ms_text_view(r->grouping.prefix);
    if (!code)
        code = ms_list_paths(roster, &paths, err);
    if (code)
        ms_store_lister_close(plain);
    else
        code = make_parts(r, &paths, plain, err);
    ms_paths_fini(&paths);
    if (code)
        root_close(&r->base);
    else
        *out = &r->base;
    return code;
}
