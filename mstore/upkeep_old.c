/* mstore/upkeep_old.c - what was kept for a while only: tombstones of immutable keys, the trash,
 * and what agreements on mutable keys have left (mstore/blocks.h).
 *
 * A tombstone may go when nothing older than the deletion can come up any more: every member that
 * could have an object of the item has answered and shows none (or it was stored again: then as
 * much as an acknowledged store leaves), all voters hold the tombstone, and each has had it for the
 * grace period. Voters that lack it get it first. When one goes at some voters only, the others'
 * rest stands for a deletion without objects, and begins anew. */
#include "mstore/age.h"
#include "mstore/blocks.h"
#include "mstore/immutable_parts.h"
#include "mstore/tombs.h"
#include "mstore/trash.h"
#include "mstore/upkeep_parts.h"
#include "mstore/voters.h"

static bool is_old(struct ms_upkeep *u, const struct ms_object *o, int64_t since_ns)
{
    return ms_age_is(&u->ages, u->roster, o->member, &o->name, since_ns, MS_GRACE_NS);
}

/* ---- tombstones ---- */

struct grave { /* of one item: live or soft-deleted */
    struct ms_upkeep *u;
    const struct ms_upkeep_item *item;
    struct ms_site site;
    const struct ms_object *newest;
    unsigned objects; /* values of the item */
};

static bool is_tomb(const struct grave *g, const struct ms_object *o)
{
    return o->name.kind == MS_OWN_TOMBSTONE && o->name.level == g->site.level &&
           ms_tombs_is_soft(o->name.mark) == g->site.deleted;
}

static void look(struct grave *g)
{
    for (size_t i = 0; i < g->item->count; i++) {
        const struct ms_object *o = &g->item->objects[i];
        g->objects += o->name.kind == MS_OWN_VALUE && o->name.mark == ms_value_mark(&g->site);
        if (is_tomb(g, o) &&
            (!g->newest || ms_write_id_compare(&o->name.id, &g->newest->name.id) > 0))
            g->newest = o;
    }
}

static const struct ms_object *newest_at(const struct grave *g, unsigned member)
{
    for (size_t i = 0; i < g->item->count; i++) {
        const struct ms_object *o = &g->item->objects[i];
        if (o->member == member && is_tomb(g, o) &&
            ms_write_id_compare(&o->name.id, &g->newest->name.id) == 0)
            return o;
    }
    return NULL;
}

static bool all_answered(const struct grave *g)
{
    const struct ms_order *order = &g->site.order;
    bool all = true;
    for (unsigned i = 0; i < order->data; i++)
        all = all && !g->item->silent[order->member[i]];
    for (unsigned i = 0; i < ms_voters_count(&g->site); i++)
        all = all && !g->item->silent[ms_voters_member(&g->site, i)];
    return all;
}

/* To a voter that was away when the key was deleted. */
static void put_newest(const struct grave *g, unsigned member)
{
    struct ms_own_name own = ms_tombs_name(&g->site, g->newest->name.id);
    struct ms_member *m = g->u->roster->members[member];
    struct ms_buf *empty = ms_buf_new(0);
    struct ms_name name;
    if (empty && m && !ms_own_format(&own, 0, &name, NULL) &&
        !ms_member_store(m, ms_name_view(&name), empty, NULL, NULL, NULL))
        ms_upkeep_changed(g->u, member, 1, 0);
    ms_buf_unref(empty);
}

static void remove_tomb(const struct grave *g, const struct ms_object *o)
{
    struct ms_own_name own = ms_tombs_name(&g->site, o->name.id);
    struct ms_member *m = g->u->roster->members[o->member];
    struct ms_name name;
    own.mark = o->name.mark;
    if (!m || ms_own_format(&own, 0, &name, NULL))
        return;
    if (!ms_member_delete(m, ms_name_view(&name), NULL))
        ms_upkeep_changed(g->u, o->member, 0, 1);
    if (!ms_own_folder(&own, MS_OWN_OF_KEY, 0, &name, NULL)) /* only an empty one goes */
        (void)!ms_member_rmdir(m, ms_name_view(&name), NULL);
}

static void end_grave(struct grave *g)
{
    unsigned voters = ms_voters_count(&g->site), hold = 0, old = 0;
    look(g);
    if (!g->newest || !all_answered(g))
        return;
    for (unsigned i = 0; i < voters; i++) {
        const struct ms_object *o = newest_at(g, ms_voters_member(&g->site, i));
        hold += o != NULL;
        if (!o)
            put_newest(g, ms_voters_member(&g->site, i));
    }
    bool over = hold == voters && (!g->objects || g->objects >= ms_immutable_needs(&g->site));
    for (unsigned i = 0; i < voters && over && old == i; i++) {
        const struct ms_object *o = newest_at(g, ms_voters_member(&g->site, i));
        old += is_old(g->u, o, o->mtime_ns);
    }
    over = over && old == voters;
    for (size_t i = 0; i < g->item->count && hold == voters; i++) {
        const struct ms_object *o = &g->item->objects[i];
        bool newest = o->name.kind == MS_OWN_TOMBSTONE &&
                      ms_write_id_compare(&o->name.id, &g->newest->name.id) == 0;
        if (is_tomb(g, o) && (over || !newest)) /* earlier ones say nothing any more */
            remove_tomb(g, o);
    }
}

static int end_tombs(struct ms_upkeep *u, const struct ms_upkeep_item *item, struct ms_error *err)
{
    struct ms_upkeep_site at;
    (void)err;
    if (ms_upkeep_site_of(u, item->path, item->key, &at, NULL))
        return 0; /* the keys' own step tells it */
    for (unsigned soft = 0; soft < 2; soft++) {
        struct grave g = {.u = u, .item = item, .site = at.site};
        g.site.deleted = soft == 1;
        end_grave(&g);
    }
    return ms_check_cancelled(NULL);
}

int ms_upkeep_tombs_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                          struct ms_view path, struct ms_view after, struct ms_error *err)
{
    if (space->kind != MS_KIND_IMMUTABLE || !ms_upkeep_may_write(u))
        return 0;
    return ms_upkeep_keys(u, space, path, after,
                          MS_INVENTORY_KIND(MS_OWN_VALUE) | MS_INVENTORY_KIND(MS_OWN_TOMBSTONE),
                          end_tombs, err);
}

/* ---- trash, and blocks of agreements on mutable keys ---- */

/* Only where some are old: a look at all members. */
static void tidy_blocks(struct ms_upkeep *u, const struct ms_upkeep_item *item)
{
    struct ms_upkeep_site at;
    struct ms_blocks blocks = {0};
    int64_t now_ns = ms_clock_wall(u->roster->clock);
    bool old = false;
    for (size_t i = 0; i < item->count; i++)
        old = old || (item->objects[i].name.of_version && item->objects[i].mtime_ns > 0 &&
                      now_ns - item->objects[i].mtime_ns >= MS_GRACE_NS);
    if (!old || ms_upkeep_site_of(u, item->path, item->key, &at, NULL) ||
        ms_blocks_list(&at.site, &blocks, NULL))
        return;
    unsigned dropped = ms_blocks_tidy(&at.site, &blocks, &u->ages);
    if (dropped)
        ms_upkeep_changed(u, blocks.list[0].member, 0, dropped);
    ms_blocks_end(&blocks);
}

static int empty_key(struct ms_upkeep *u, const struct ms_upkeep_item *item, struct ms_error *err)
{
    (void)err;
    if (item->space->kind == MS_KIND_MUTABLE)
        tidy_blocks(u, item);
    for (size_t i = 0; i < item->count; i++) {
        const struct ms_object *o = &item->objects[i];
        struct ms_own_name own = o->name;
        struct ms_name name;
        if (o->name.kind != MS_OWN_TRASH || o->name.time > INT64_MAX / MS_SECOND ||
            !is_old(u, o, (int64_t)(o->name.time * MS_SECOND)))
            continue;
        own.store = u->roster->layout->uuid;
        if (!ms_own_format(&own, 0, &name, NULL) &&
            !ms_member_delete(u->roster->members[o->member], ms_name_view(&name), NULL))
            ms_upkeep_changed(u, o->member, 0, 1);
        if (!ms_own_folder(&own, MS_OWN_OF_KEY, 0, &name, NULL))
            (void)!ms_member_rmdir(u->roster->members[o->member], ms_name_view(&name), NULL);
    }
    return ms_check_cancelled(NULL);
}

int ms_upkeep_trash_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                          struct ms_view path, struct ms_view after, struct ms_error *err)
{
    if (space->kind == MS_KIND_PLAIN || !ms_upkeep_may_write(u))
        return 0;
    unsigned kinds = MS_INVENTORY_KIND(MS_OWN_TRASH);
    if (space->kind == MS_KIND_MUTABLE)
        kinds |= MS_INVENTORY_KIND(MS_OWN_BLOCK);
    return ms_upkeep_keys(u, space, path, after, kinds, empty_key, err);
}
