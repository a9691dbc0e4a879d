/* mstore/plain_list.c - see mstore/plain_list.h. The merge (mstore/merge.h) does the work; what is
 * said here is how many members may be missing, and which names are no keys. */
#include "mstore/plain_list.h"

#include "base/cleanup.h"
#include "mstore/lease.h"
#include "mstore/names.h"
#include "mstore/plain_parts.h"

#include "base/sync.h"

#include <stdlib.h>

struct plain_lister {
    struct ms_store_lister base;
    struct ms_store_lister *merged;
    struct ms_roster *roster;
    uint64_t limit, given;
};

static int lister_next(struct ms_store_lister *base, const struct ms_item **out,
                       struct ms_error *err)
{
    struct plain_lister *l = (struct plain_lister *)base;
    int code;
    *out = NULL;
    if (l->limit && l->given == l->limit)
        return 0;
    do
        code = ms_store_lister_next(l->merged, out, err);
    while (!code && *out && ms_own_reserved((*out)->key, &l->roster->layout->uuid));
    if (!code && *out)
        l->given++;
    base->skipped = ms_store_lister_skipped(l->merged);
    return code;
}

static void lister_close(struct ms_store_lister *base)
{
    struct plain_lister *l = (struct plain_lister *)base;
    ms_store_lister_close(l->merged);
    ms_roster_unref(l->roster);
    free(l);
}

static const struct ms_store_lister_ops lister_ops = {.next = lister_next, .close = lister_close};

/* Members that may be missing without a key being missed: less than a value is on. */
static unsigned may_fail(const struct ms_roster *r, const char *ns)
{
    const struct ms_layout_space *one = ns[0] ? ms_layout_space(r->layout, ms_str(ns)) : NULL;
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < r->layout->space_count; i++) {
        const struct ms_layout_space *s = one ? one : &r->layout->spaces[i];
        unsigned may = ms_plain_may_miss(ms_layout_targets(r->layout, s));
        least = may < least ? may : least;
    }
    return least;
}

static int shows_mark(void *ctx, struct ms_error *err)
{
    return ms_member_is_there(ctx, err);
}

void ms_plain_list_source(const struct ms_roster *r, size_t index, struct ms_merge_source *out)
{
    *out = (struct ms_merge_source){.name = r->layout->members[index].name,
                                    .store = r->mirrors[index],
                                    .is_empty = shows_mark,
                                    .ctx = r->members[index]};
    if (!out->store)
        ms_error_set(&out->error, MS_ERR_CONFIG, "the configuration has no url of it");
}

/* All that keep values; how many of them cannot be used. */
static unsigned find_sources(const struct ms_roster *r, struct ms_merge_source sources[],
                             size_t *count)
{
    unsigned missing = 0;
    *count = 0;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        const struct ms_layout_member *m = &r->layout->members[i];
        if (m->state == MS_GONE || m->state == MS_WITNESS)
            continue;
        struct ms_merge_source *s = &sources[(*count)++];
        ms_plain_list_source(r, i, s);
        if (s->store && ms_member_returning(r->members[i])) {
            s->store = NULL;
            ms_error_set(&s->error, MS_ERR_CONNECTION,
                         "it was away and may have missed changes: when it answers, run mstore "
                         "heal, and once more a quarter of an hour later");
        }
        missing += !s->store;
    }
    return missing;
}

static int merge(struct ms_roster *r, const char *ns, const struct ms_list_options *options,
                 struct ms_store_lister **out, struct ms_error *err)
{
    struct ms_merge_options merging = {.may_fail = may_fail(r, ns), .clock = r->clock};
    MS_AUTO_FREE struct ms_merge_source *sources =
        calloc(r->layout->member_count + 1, sizeof *sources);
    size_t count = 0;
    if (!sources)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    int code = ms_lease_trust(r, MS_NEWS_AWAY, err);
    if (code)
        return code;
    /* Whoever did not answer for a moment has perhaps missed nothing: the newest says. */
    if (find_sources(r, sources, &count) > merging.may_fail &&
        !ms_lease_poll(r, MS_NEWS_AWAY, NULL))
        (void)find_sources(r, sources, &count);
    code = ms_check_cancelled(err);
    return code ? code : ms_merge_list(&merging, sources, count, ns, options, out, err);
}

int ms_plain_list(struct ms_roster *r, const char *ns, const struct ms_list_options *options,
                  struct ms_store_lister **out, struct ms_error *err)
{
    struct plain_lister *l = calloc(1, sizeof *l);
    struct ms_list_options all = *options;
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    if (!ns[0])
        all.limit = 0; /* of keys, and not of what is left out */
    int code = merge(r, ns, &all, &l->merged, err);
    if (code) {
        free(l);
        return code;
    }
    l->base.ops = &lister_ops;
    l->roster = ms_roster_ref(r);
    l->limit = options->limit;
    *out = &l->base;
    return 0;
}
