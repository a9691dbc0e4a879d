/* mstore/upkeep_plain.c - plain namespaces: what each mirror lists, side by side, key by key; then
 * each key is looked after by itself (upkeep_mirror.c), several at once. */
#include "mstore/upkeep_plain.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/plain_list.h"
#include "store/listing.h"

#include <stdlib.h>

#define BATCH 64

struct batch {
    struct ms_upkeep *u;
    const struct ms_layout_space *space;
    struct ms_view path;
    size_t members;
    struct ms_merge_source *sources;
    size_t *member; /* of each source */
    size_t source_count;
    bool *silent;
    struct ms_text keys[BATCH];
    struct ms_upkeep_copy *copies; /* [BATCH][2][members] */
    size_t count;
};

static struct ms_upkeep_copy *copies_of(const struct batch *b, size_t i, bool deleted)
{
    return b->copies + (2 * i + deleted) * b->members;
}

static void batch_fini(struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        free(b->keys[i].bytes);
    free(b->sources);
    free(b->member);
    free(b->silent);
    free(b->copies);
}

/* Every member that may keep values. */
static int batch_init(struct batch *b, struct ms_error *err)
{
    const struct ms_roster *r = b->u->roster;
    b->members = r->layout->member_count;
    b->sources = calloc(b->members + 1, sizeof *b->sources);
    b->member = calloc(b->members + 1, sizeof *b->member);
    b->silent = calloc(b->members + 1, sizeof *b->silent);
    b->copies = calloc(2 * BATCH * b->members + 1, sizeof *b->copies);
    if (!b->sources || !b->member || !b->silent || !b->copies)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch of keys");
    for (size_t i = 0; i < b->members; i++) {
        const struct ms_layout_member *m = &r->layout->members[i];
        if (m->state == MS_GONE || m->state == MS_WITNESS)
            continue;
        struct ms_merge_source *s = &b->sources[b->source_count];
        b->member[b->source_count++] = i;
        ms_plain_list_source(r, i, s);
    }
    return 0;
}

static int look_after(void *arg, size_t i)
{
    struct batch *b = arg;
    const struct ms_upkeep_mirrored item = {
        .space = b->space,
        .path = b->path,
        .key = ms_text_view(b->keys[i]),
        .copies = {copies_of(b, i, false), copies_of(b, i, true)},
        .silent = b->silent};
    return ms_upkeep_mirrored_key(b->u, &item, NULL);
}

static int run_batch(struct batch *b, const struct ms_store_lister *merged, struct ms_error *err)
{
    for (size_t i = 0; i < b->source_count; i++) {
        const struct ms_error *why = ms_merge_error(merged, i);
        b->silent[b->member[i]] = why != NULL;
        if (why)
            ms_upkeep_missed(b->u, b->member[i], why);
    }
    if (!b->count)
        return 0;
    int code = ms_parallel(b->count, b->u->options.jobs, look_after, b, err);
    if (!code)
        code = ms_upkeep_tick(b->u, b->path, ms_text_view(b->keys[b->count - 1]), err);
    else if (err && !err->code)
        ms_error_set(err, code, "%s", ms_code_text(code));
    memset(b->copies, 0, 2 * BATCH * b->members * sizeof *b->copies);
    b->count = 0;
    return code;
}

/* Live and soft-deleted ones of a key come one after the other, and make one key here. */
static int take_item(struct batch *b, const struct ms_store_lister *merged,
                     const struct ms_item *item, struct ms_error *err)
{
    bool same = b->count && ms_equal(ms_text_view(b->keys[b->count - 1]), item->key);
    if (!same) {
        if (b->count == BATCH) {
            int code = run_batch(b, merged, err);
            if (code)
                return code;
        }
        if (!ms_text_set(&b->keys[b->count], item->key, ms_view(NULL, 0)))
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch of keys");
        b->count++;
    }
    struct ms_upkeep_copy *to = copies_of(b, b->count - 1, item->deleted);
    for (size_t i = 0; i < b->source_count; i++) {
        const struct ms_item_info *info = ms_merge_info(merged, i);
        if (info)
            to[b->member[i]] = (struct ms_upkeep_copy){
                .exists = true, .size = info->size_bytes, .mtime_ns = info->mtime_ns};
    }
    return 0;
}

/* Of a listing of the root: keys of other namespaces, and objects of MStore's own. */
static bool is_ours(const struct batch *b, struct ms_view key)
{
    struct ms_upkeep_site at;
    if (!b->path.size && ms_own_reserved(key, &b->u->roster->layout->uuid))
        return false;
    return ms_upkeep_site_of(b->u, b->path, key, &at, NULL) == 0 && at.site.space == b->space;
}

static int run_listing(struct batch *b, struct ms_store_lister *merged, struct ms_error *err)
{
    const struct ms_item *item = NULL;
    int code;
    do {
        code = ms_store_lister_next(merged, &item, err);
        if (!code && item && is_ours(b, item->key) && ms_upkeep_in_sample(b->u, item->key))
            code = take_item(b, merged, item, err);
    } while (!code && item);
    if (!code)
        code = run_batch(b, merged, err);
    return code;
}

static int list_mirrors(struct batch *b, struct ms_view after, struct ms_error *err)
{
    struct ms_merge_options merging = {.may_fail = (unsigned)b->members,
                                       .clock = b->u->roster->clock};
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    char ns[MS_LAYOUT_SPACE_MAX + 1] = "";
    struct ms_store_lister *merged = NULL;
    if (b->path.size > MS_LAYOUT_SPACE_MAX)
        return 0; /* no policy's name is as long */
    if (b->path.size)
        memcpy(ns, b->path.data, b->path.size);
    options.deleted = MS_LIST_BOTH;
    options.start_after = after;
    int code = ms_merge_list(&merging, b->sources, b->source_count, ns, &options, &merged, err);
    if (!code)
        code = run_listing(b, merged, err);
    ms_store_lister_close(merged);
    return code;
}

int ms_upkeep_plain_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                          struct ms_view path, struct ms_view after, struct ms_error *err)
{
    if (space->kind != MS_KIND_PLAIN || !ms_equal(path, ms_str(space->name)))
        return 0;
    struct batch *b = calloc(1, sizeof *b);
    if (!b)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch of keys");
    b->u = u;
    b->space = space;
    b->path = path;
    int code = batch_init(b, err);
    if (!code)
        code = list_mirrors(b, after, err);
    batch_fini(b);
    free(b);
    return code;
}
