/* mstore/merge.c - see mstore/merge.h. Each step looks at the first record of every source that is
 * left; the smallest is the item, and those that equal it go with it at the next step. */
#include "mstore/merge.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/missing.h"
#include "mstore/pages.h"
#include "store/listing.h"

#include <stdlib.h>

struct body { /* of a record: an ms_item without its key */
    bool deleted, group;
    struct ms_item_info info;
};

struct source {
    const char *name;
    struct ms_store_lister *lister;
    struct ms_pages *pages; /* NULL: it has failed */
    struct body body;       /* of the record being made */
    bool any;               /* it has listed something */
    int (*is_empty)(void *ctx, struct ms_error *err);
    void *ctx;
    uint64_t skipped; /* when it failed */
    bool has;         /* its first record is the item given last */
    struct ms_error error;
};

struct merge {
    struct ms_store_lister base;
    struct ms_text what;
    unsigned may_fail;
    uint64_t limit, given;
    struct ms_item item;
    struct ms_text last; /* the key given last: its deleted twin is given beyond the limit too */
    bool ended;
    struct ms_error failed; /* code 0: not yet */
    size_t count;
    struct source sources[];
};

/* ---- one source as records ---- */

static int next_record(void *ctx, struct ms_record *out, struct ms_error *err)
{
    struct source *s = ctx;
    const struct ms_item *item = NULL;
    int code = ms_store_lister_next(s->lister, &item, err);
    if (!code && !item && !s->any && s->is_empty)
        code = s->is_empty(s->ctx, err);
    if (code || !item)
        return code;
    s->any = true;
    s->body = (struct body){item->deleted, item->group, item->info};
    *out = (struct ms_record){.key = item->key, .body = &s->body};
    return 0;
}

static int compare_records(const struct ms_record *a, const struct ms_record *b)
{
    const struct body *x = a->body, *y = b->body;
    int order = ms_compare(a->key, b->key);
    if (order || x->group || y->group)
        return order;
    return (int)x->deleted - (int)y->deleted;
}

static uint64_t skipped_of(void *ctx)
{
    const struct source *s = ctx;
    return ms_store_lister_skipped(s->lister);
}

/* ---- sources that fail ---- */

static void close_source(struct source *s)
{
    if (s->pages)
        s->skipped = ms_pages_skipped(s->pages);
    ms_pages_free(MS_TAKE(s->pages));
    ms_store_lister_close(MS_TAKE(s->lister));
}

/* 0: there are enough others. */
static int lose(struct merge *m, struct source *s, const struct ms_error *why, struct ms_error *err)
{
    struct ms_missing missing = {0};
    s->error = *why;
    s->has = false;
    close_source(s);
    for (size_t i = 0; i < m->count; i++)
        if (m->sources[i].error.code)
            ms_missing_add(&missing, m->sources[i].name, &m->sources[i].error);
    if (ms_missing_none(why->code))
        m->failed = *why;
    else if (missing.count > m->may_fail)
        ms_missing_error(&missing, m->what.bytes, m->count, m->may_fail, &m->failed);
    if (m->failed.code && err)
        *err = m->failed;
    return m->failed.code;
}

/* ---- the smallest ---- */

/* Passes over the item given last. */
static void pop_given(struct merge *m)
{
    m->base.skipped = 0;
    for (size_t i = 0; i < m->count; i++) {
        struct source *s = &m->sources[i];
        if (s->has)
            ms_pages_pop(s->pages);
        s->has = false;
        m->base.skipped += s->pages ? ms_pages_skipped(s->pages) : s->skipped;
    }
}

static int first_of(struct merge *m, struct source *s, struct ms_record *out, struct ms_error *err)
{
    struct ms_error why = {0};
    *out = (struct ms_record){0};
    if (!s->pages || !ms_pages_first(s->pages, out, &why))
        return 0;
    return lose(m, s, &why, err);
}

/* The smallest record of all; body NULL: the end. */
static int find_smallest(struct merge *m, struct ms_record *out, struct ms_error *err)
{
    *out = (struct ms_record){0};
    for (size_t i = 0; i < m->count; i++) {
        struct ms_record r;
        int code = first_of(m, &m->sources[i], &r, err);
        if (code)
            return code;
        if (r.body && (!out->body || compare_records(&r, out) < 0))
            *out = r;
    }
    return 0;
}

/* Makes it the item given last. A group is deleted when all in it are. */
static void take(struct merge *m, const struct ms_record *smallest)
{
    const struct body *body = smallest->body;
    m->item = (struct ms_item){smallest->key, body->deleted, body->group, body->info};
    for (size_t i = 0; i < m->count; i++) {
        struct source *s = &m->sources[i];
        struct ms_record r = {0};
        if (!s->pages || ms_pages_first(s->pages, &r, NULL) || !r.body)
            continue; /* find_smallest has looked: it cannot fail here */
        s->has = compare_records(&r, smallest) == 0;
        if (s->has && !((const struct body *)r.body)->deleted)
            m->item.deleted = false;
    }
}

/* Whether the record may still be given. */
static bool within_limit(const struct merge *m, const struct ms_record *r)
{
    return !m->limit || m->given < m->limit || ms_equal(r->key, ms_text_view(m->last));
}

static int merge_next(struct ms_store_lister *base, const struct ms_item **out,
                      struct ms_error *err)
{
    struct merge *m = (struct merge *)base;
    struct ms_record r;
    *out = NULL;
    if (m->failed.code && err)
        *err = m->failed;
    if (m->failed.code || m->ended)
        return m->failed.code;
    pop_given(m);
    int code = find_smallest(m, &r, err);
    if (code)
        return code;
    m->ended = !r.body || !within_limit(m, &r);
    if (m->ended)
        return 0;
    if (m->limit && m->given + 1 == m->limit && !ms_text_set(&m->last, r.key, ms_view(NULL, 0)))
        return ms_source_no_memory(err);
    take(m, &r);
    m->given++;
    *out = &m->item;
    return 0;
}

/* ---- life ---- */

static void merge_close(struct ms_store_lister *base)
{
    struct merge *m = (struct merge *)base;
    for (size_t i = 0; i < m->count; i++)
        close_source(&m->sources[i]);
    free(m->what.bytes);
    free(m->last.bytes);
    free(m);
}

static int start_source(struct source *s, struct ms_clock *clock, struct ms_error *err)
{
    const struct ms_pages_source pages = {.next = next_record,
                                          .compare = compare_records,
                                          .skipped = skipped_of,
                                          .ctx = s,
                                          .body_size = sizeof(struct body)};
    int code = ms_pages_new(&pages, clock, &s->pages, err);
    if (!code)
        ms_pages_start(s->pages);
    return code;
}

static struct merge *merge_new(const struct ms_merge_options *options,
                               const struct ms_merge_source *sources, size_t count)
{
    static const struct ms_store_lister_ops ops = {merge_next, merge_close};
    struct merge *m = calloc(1, sizeof *m + count * sizeof *m->sources);
    if (!m || !ms_text_set(&m->what, ms_str(options->what), ms_view("", 1))) {
        free(m);
        return NULL;
    }
    m->base.ops = &ops;
    m->may_fail = options->may_fail;
    m->limit = options->limit;
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        m->sources[i].name = sources[i].name;
        m->sources[i].lister = sources[i].lister;
        m->sources[i].is_empty = sources[i].is_empty;
        m->sources[i].ctx = sources[i].ctx;
    }
    return m;
}

/* Starts those that are there, and counts those that are not. */
static int start_all(struct merge *m, const struct ms_merge_options *options,
                     const struct ms_merge_source *sources, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < m->count && !code; i++)
        if (m->sources[i].lister)
            code = start_source(&m->sources[i], options->clock, err);
    for (size_t i = 0; i < m->count && !code; i++) {
        struct ms_error why = sources[i].error;
        if (!m->sources[i].lister && !why.code)
            ms_error_set(&why, MS_ERR_CONNECTION, "it is not there");
        if (!m->sources[i].lister)
            code = lose(m, &m->sources[i], &why, err);
    }
    return code;
}

int ms_merge(const struct ms_merge_options *options, const struct ms_merge_source *sources,
             size_t count, struct ms_store_lister **out, struct ms_error *err)
{
    struct merge *m = merge_new(options, sources, count);
    if (!m) {
        for (size_t i = 0; i < count; i++)
            ms_store_lister_close(sources[i].lister);
        return ms_source_no_memory(err);
    }
    int code = start_all(m, options, sources, err);
    if (code)
        merge_close(&m->base);
    else
        *out = &m->base;
    return code;
}

/* ---- all stores' listings ---- */

struct opening {
    struct ms_merge_source *sources;
    const char *ns;
    const struct ms_list_options *list;
};

static int open_one(void *arg, size_t i)
{
    struct opening *o = arg;
    struct ms_merge_source *s = &o->sources[i];
    if (s->store && ms_store_list(s->store, o->ns, o->list, &s->lister, &s->error))
        s->lister = NULL;
    return 0; /* the others are wanted all the same */
}

int ms_merge_list(const struct ms_merge_options *options, const struct ms_merge_source *sources,
                  size_t count, const char *ns, const struct ms_list_options *list,
                  struct ms_store_lister **out, struct ms_error *err)
{
    struct ms_merge_options o = *options;
    o.what = ns;
    o.limit = list->limit;
    MS_AUTO_FREE struct ms_merge_source *opened = calloc(count + 1, sizeof *opened);
    if (!opened)
        return ms_source_no_memory(err);
    memcpy(opened, sources, count * sizeof *opened);
    for (size_t i = 0; i < count; i++) {
        opened[i].lister = NULL;
        if (opened[i].store)
            opened[i].error = (struct ms_error){0};
    }
    struct opening opening = {opened, ns, list};
    int code = ms_parallel(count, (unsigned)count, open_one, &opening, err);
    if (!code)
        return ms_merge(&o, opened, count, out, err);
    for (size_t i = 0; i < count; i++)
        ms_store_lister_close(opened[i].lister);
    return code;
}

/* ---- what a caller may ask ---- */

const struct ms_error *ms_merge_error(const struct ms_store_lister *merged, size_t source)
{
    const struct merge *m = (const struct merge *)merged;
    return m->sources[source].error.code ? &m->sources[source].error : NULL;
}

const struct ms_item_info *ms_merge_info(const struct ms_store_lister *merged, size_t source)
{
    const struct merge *m = (const struct merge *)merged;
    const struct source *s = &m->sources[source];
    struct ms_record r = {0};
    if (!s->has || ms_pages_first(s->pages, &r, NULL))
        return NULL;
    return &((const struct body *)r.body)->info;
}
