/* mstore/list.c - see mstore/list.h. Keys are taken from the inventory some at a time, at first
 * one, then up to 64, so that the headers that must be read for sizes are read in parallel; what
 * they come to waits in a queue. */
#include "mstore/list_parts.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/immutable.h"
#include "mstore/lease.h"
#include "mstore/missing.h"

#include <stdlib.h>

#define WINDOW_MOST 64
#define QUEUE       (2 * WINDOW_MOST) /* a key may be there twice: live and soft-deleted */
#define JOBS        16
#define INSIDE_MOST 1024 /* keys of a group that are read rather than begin behind it */

struct listed {
    struct ms_text key;
    struct ms_item item; /* its key is the text, or the part of it that is the group */
    struct ms_verdict verdict;
    bool ask;  /* for the size */
    bool gone; /* there was nothing to ask any more */
    struct ms_error error;
};

struct lister {
    struct ms_store_lister base;
    struct ms_roster *roster;
    const struct ms_layout_space *space; /* the roster's */
    struct ms_text path;
    struct ms_grouping grouping;
    enum ms_list_deleted deleted;
    bool names_only;
    uint64_t limit, taken;
    struct ms_inventory *inventory;
    uint64_t skipped; /* by inventories before this one */
    unsigned inside;  /* keys read in a row that are in the group given last */
    struct listed queue[QUEUE];
    size_t at, count, window;
    bool returning[MS_MEMBERS_MAX];
    size_t needs;        /* objects that an acknowledged store leaves */
    struct ms_item item; /* the one given last */
    bool ended;          /* the inventory is */
    struct ms_error failed;
};

unsigned ms_list_tolerates(const struct ms_layout *layout, const struct ms_layout_space *space)
{
    return ms_layout_targets(layout, space) / 2;
}

/* ---- complete or an error ---- */

static struct ms_missing missing_of(const struct lister *l)
{
    const struct ms_layout *layout = l->roster->layout;
    struct ms_missing missing = {0};
    for (size_t i = 0; i < layout->member_count; i++)
        if (ms_inventory_error(l->inventory, i))
            ms_missing_add(&missing, layout->members[i].name, ms_inventory_error(l->inventory, i));
    return missing;
}

static int check_complete(const struct lister *l, struct ms_error *err)
{
    unsigned tolerated = ms_list_tolerates(l->roster->layout, l->space);
    if (ms_inventory_missing(l->inventory) <= tolerated)
        return 0;
    struct ms_missing missing = missing_of(l);
    return ms_missing_error(&missing, l->path.bytes, ms_inventory_members(l->inventory), tolerated,
                            err);
}

static int refuse_to_guess(const struct lister *l, struct ms_view key, struct ms_error *err)
{
    struct ms_missing missing = missing_of(l);
    char text[MS_MISSING_LISTING];
    return ms_error_set(err, missing.code,
                        "%s: whether \"%s\" was deleted cannot be told without %s; "
                        "heal, or bring it back",
                        ms_missing_listing(text, l->path.bytes), MS_SHOW(key), missing.text);
}

/* ---- into the queue ---- */

static bool is_wanted(const struct lister *l, bool deleted)
{
    return l->deleted == MS_LIST_BOTH || (l->deleted == MS_LIST_DELETED) == deleted;
}

/* Room in the queue with the text in it. */
static int append(struct lister *l, struct ms_view text, bool deleted, struct listed **out,
                  struct ms_error *err)
{
    struct listed *it = &l->queue[l->count];
    if (!ms_text_set(&it->key, text, ms_view(NULL, 0)))
        return ms_source_no_memory(err);
    it->item = (struct ms_item){.key = ms_text_view(it->key), .deleted = deleted};
    it->ask = it->gone = false;
    it->error = (struct ms_error){0};
    l->count++;
    l->taken++;
    *out = it;
    return 0;
}

static int take_group(struct lister *l, struct ms_view group, bool deleted, struct ms_error *err)
{
    struct listed *it;
    if (ms_grouping_was_given(&l->grouping, group)) {
        l->inside++;
        return 0;
    }
    l->inside = 0;
    int code = ms_grouping_give(&l->grouping, group, err);
    if (!code)
        code = append(l, group, deleted, &it, err);
    if (!code)
        it->item.group = true;
    return code;
}

static int take_item(struct lister *l, struct ms_view key, bool deleted,
                     const struct ms_verdict *verdict, struct ms_error *err)
{
    struct listed *it;
    int code = append(l, key, deleted, &it, err);
    if (code)
        return code;
    it->item.info.exists = true;
    if (l->names_only)
        return 0;
    it->verdict = *verdict;
    it->item.info.mtime_ns = verdict->mtime_ns;
    it->ask = !ms_list_known_size(l->space, verdict, &it->item.info.size_bytes);
    return 0;
}

/* All that a key comes to: the soft-deleted item goes with the live one beyond the limit, so that
 * a listing can be resumed by key. */
static int take_entry(struct lister *l, const struct ms_inventory_entry *e, struct ms_error *err)
{
    struct ms_verdict verdict[2];
    int code = 0;
    for (size_t i = 0; i < e->count; i++) /* no others are looked at */
        l->returning[e->objects[i].member] =
            ms_member_returning(l->roster->members[e->objects[i].member]);
    const struct ms_list_view view = {ms_inventory_missing(l->inventory), l->needs, l->returning};
    if (!ms_list_judge(l->space->kind, e, &view, verdict))
        return refuse_to_guess(l, e->key, err);
    struct ms_view group = ms_grouping_of(&l->grouping, e->key);
    for (int deleted = 0; deleted < 2 && !code; deleted++) {
        if (!verdict[deleted].is || !is_wanted(l, deleted))
            continue;
        code = group.size ? take_group(l, group, deleted, err)
                          : take_item(l, e->key, deleted, &verdict[deleted], err);
    }
    return code;
}

static bool is_enough(const struct lister *l)
{
    return l->limit && l->taken >= l->limit;
}

static int open_inventory(struct lister *l, struct ms_view start_after, struct ms_error *err)
{
    bool immutable = l->space->kind == MS_KIND_IMMUTABLE;
    const struct ms_inventory_options o = {
        .space = ms_text_view(l->path),
        .levels = l->space->levels,
        .level_count = l->space->level_count,
        .kinds = immutable ? MS_INVENTORY_KIND(MS_OWN_VALUE) | MS_INVENTORY_KIND(MS_OWN_TOMBSTONE)
                           : MS_INVENTORY_KIND(MS_OWN_OBJECT),
        .witnesses = true, /* they vote: on versions and on tombstones */
        .start_after = start_after,
        .prefix = ms_text_view(l->grouping.prefix),
        .names_only = l->names_only};
    return ms_inventory_open(l->roster, &o, &l->inventory, err);
}

/* Goes on behind a group: no key is longer than this one, its last. */
static int skip_group(struct lister *l, struct ms_view group, struct ms_error *err)
{
    uint8_t last[MS_BYTES_KEY_MAX];
    size_t size = group.size < sizeof last ? group.size : sizeof last;
    memcpy(last, group.data, size);
    memset(last + size, 0xff, sizeof last - size);
    l->skipped += ms_inventory_all_strangers(l->inventory);
    ms_inventory_close(MS_TAKE(l->inventory));
    l->inside = 0;
    return open_inventory(l, ms_view(last, sizeof last), err);
}

static int take_some(struct lister *l, struct ms_error *err)
{
    while (!l->ended && !is_enough(l) && l->count < l->window) {
        const struct ms_inventory_entry *e;
        int code = ms_inventory_next(l->inventory, &e, err);
        if (!code)
            code = check_complete(l, err);
        if (!code && e)
            code = take_entry(l, e, err);
        if (code)
            return code;
        l->ended = !e;
        if (e && l->inside > INSIDE_MOST)
            code = skip_group(l, ms_grouping_of(&l->grouping, e->key), err);
        if (code)
            return code;
    }
    l->base.skipped = l->skipped + ms_inventory_all_strangers(l->inventory);
    return 0;
}

/* ---- sizes ---- */

struct asking {
    struct lister *lister;
    size_t count;
    uint8_t index[QUEUE];
};

/* What was to tell the size is gone by now. So is the item, unless there is another write of it:
 * it was stored again, or heal has taken away the one of two that was asked. */
static int look_again(const struct lister *l, struct listed *it, struct ms_error *err)
{
    struct ms_view path = ms_text_view(l->path), key = it->item.key;
    struct ms_text whole = {0};
    struct ms_site site;
    bool room = ms_text_set(&whole, path, ms_str(path.size ? "/" : "")) &&
                ms_text_set(&whole, ms_text_view(whole), key);
    int code = room ? ms_site_of(l->roster, ms_text_view(whole), it->item.deleted, &site, err)
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    if (!code)
        code = ms_immutable_info(&site, &it->item.info, err);
    it->gone = !code && !it->item.info.exists;
    free(whole.bytes);
    return code;
}

static int ask_one(void *arg, size_t i)
{
    struct asking *a = arg;
    struct lister *l = a->lister;
    struct listed *it = &l->queue[a->index[i]];
    int code = ms_list_ask_size(l->roster, ms_text_view(l->path), it->item.key, &it->verdict,
                                &it->item.info.size_bytes, &it->error);
    return code == MS_ERR_NOT_FOUND ? look_again(l, it, &it->error) : code;
}

static int ask_sizes(struct lister *l, struct ms_error *err)
{
    struct asking a = {.lister = l};
    for (size_t i = 0; i < l->count; i++)
        if (l->queue[i].ask)
            a.index[a.count++] = (uint8_t)i;
    int code = a.count ? ms_parallel(a.count, JOBS, ask_one, &a, err) : 0;
    for (size_t i = 0; i < l->count && code; i++) /* whose code it is */
        if (l->queue[i].error.code == code && err) {
            *err = l->queue[i].error;
            break;
        }
    return code;
}

/* ---- giving out ---- */

static int refill(struct lister *l, struct ms_error *err)
{
    l->at = l->count = 0;
    int code = take_some(l, err);
    if (!code)
        code = ask_sizes(l, err);
    for (size_t i = 0; i < l->count; i++)
        l->taken -= l->queue[i].gone;
    l->window = 2 * l->window < WINDOW_MOST ? 2 * l->window : WINDOW_MOST;
    return code;
}

static int list_next(struct ms_store_lister *base, const struct ms_item **out, struct ms_error *err)
{
    struct lister *l = (struct lister *)base;
    *out = NULL;
    for (;;) {
        while (l->at < l->count && l->queue[l->at].gone)
            l->at++;
        if (l->at < l->count || l->failed.code || l->ended || is_enough(l))
            break;
        l->failed.code = refill(l, &l->failed);
    }
    if (l->failed.code && err)
        *err = l->failed;
    if (l->failed.code || l->at == l->count)
        return l->failed.code;
    l->item = l->queue[l->at++].item;
    *out = &l->item;
    return 0;
}

/* ---- life ---- */

static void list_close(struct ms_store_lister *base)
{
    struct lister *l = (struct lister *)base;
    ms_inventory_close(l->inventory);
    for (size_t i = 0; i < QUEUE; i++)
        free(l->queue[i].key.bytes);
    free(l->path.bytes);
    ms_grouping_fini(&l->grouping);
    ms_roster_unref(l->roster);
    free(l);
}

static int copy_options(struct lister *l, struct ms_view path, const struct ms_list_options *o,
                        struct ms_error *err)
{
    l->deleted = o->deleted;
    l->names_only = o->names_only;
    l->limit = o->limit;
    l->window = 1;
    if (!ms_text_set(&l->path, path, ms_view("", 1)))
        return ms_source_no_memory(err);
    l->path.size = path.size; /* a NUL behind, for messages */
    return ms_grouping_init(&l->grouping, o, err);
}

int ms_list_framed(struct ms_roster *roster, const struct ms_layout_space *space,
                   struct ms_view space_path, const struct ms_list_options *options,
                   struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {list_next, list_close};
    struct lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_source_no_memory(err);
    if (ms_ends_with(space_path, ms_str("/")))
        space_path.size--;
    l->base.ops = &ops;
    l->roster = ms_roster_ref(roster);
    l->space = space;
    const struct ms_site any = {.space = space,
                                .order.targets = ms_layout_targets(roster->layout, space)};
    l->needs = ms_immutable_needs(&any);
    int code = copy_options(l, space_path, options, err);
    if (!code && space->kind == MS_KIND_IMMUTABLE)
        code = ms_lease_trust(roster, MS_NEWS_AWAY, err);
    if (!code)
        code = open_inventory(l, ms_text_view(l->grouping.from), err);
    if (!code)
        code = check_complete(l, err);
    if (code)
        list_close(&l->base);
    else
        *out = &l->base;
    return code;
}
