/* mstore/roster.c - see mstore/roster.h. */
#include "mstore/roster.h"

#include "base/cleanup.h"
#include "base/sync.h"
#include "base/text.h"
#include "mstore/lease.h"
#include "mstore/member_backend.h"
#include "mstore/names.h"
#include "mstore/notice.h"

#include <stdatomic.h>
#include <stdlib.h>

#define PAUSE_MIN UINT64_C(100000) /* between two looks whether all is quiet */
#define PAUSE_MAX UINT64_C(20000000)

struct roster {
    struct ms_roster base;
    atomic_uint refs;
};

/* All but the layout. */
static void roster_free(struct ms_roster *r)
{
    for (size_t i = 0; r->members && r->mirrors && i < r->layout->member_count; i++) {
        ms_store_free(r->mirrors[i]);
        ms_member_unref(r->members[i]);
    }
    free(r->members);
    free(r->mirrors);
    for (size_t i = 0; r->counts && i < r->layout->space_count; i++)
        ms_entity_put(r->counts[i]);
    free(r->counts);
    ms_placement_free(r->placement);
    ms_namespaces_unref(r->names);
    ms_hedge_free(r->hedge);
    ms_placement_free(r->next_placement);
    free(r->next_member);
    ms_lease_free(r->lease);
    ms_notice_unref(r->notice);
    explicit_bzero(&r->key, sizeof r->key);
    free(r);
}

/* The layout's namespaces as the Store knows them: their rules for keys and levels. */
static void list_spaces(const struct ms_layout *layout, struct ms_namespace *list)
{
    for (size_t i = 0; i < layout->space_count; i++) {
        const struct ms_layout_space *from = &layout->spaces[i];
        list[i].name = from->name;
        list[i].names = from->names;
        list[i].level_count = from->level_count;
        memcpy(list[i].levels, from->levels, sizeof list[i].levels);
    }
}

/* A member as an ordinary Store with the layout's namespaces. */
static int make_mirror(struct ms_member *m, const struct ms_namespace *list, size_t count,
                       struct ms_store **out, struct ms_error *err)
{
    struct ms_store_options options = MS_STORE_OPTIONS_INIT;
    struct ms_backend *face;
    struct ms_store *mirror;
    options.namespaces = list;
    options.namespace_count = count;
    int code = ms_member_backend_new(m, &face, err);
    if (!code)
        code = ms_store_new_over(face, &options, &mirror, err);
    if (code)
        return code;
    code = ms_store_open(mirror, err);
    if (code) {
        ms_store_free(mirror);
        return code;
    }
    *out = mirror;
    return 0;
}

static int add_members(struct ms_roster *r, struct ms_member *const members[],
                       const struct ms_namespace *list, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < r->layout->member_count && !code; i++) {
        if (!members[i])
            continue;
        r->members[i] = ms_member_ref(members[i]);
        if (r->layout->members[i].state != MS_WITNESS)
            code = make_mirror(members[i], list, r->layout->space_count, &r->mirrors[i], err);
    }
    return code;
}

static int fill(struct ms_roster *r, struct ms_member *const members[], struct ms_error *err)
{
    MS_AUTO_FREE struct ms_namespace *list = calloc(r->layout->space_count + 1, sizeof *list);
    r->members = calloc(r->layout->member_count + 1, sizeof(struct ms_member *));
    r->mirrors = calloc(r->layout->member_count + 1, sizeof(struct ms_store *));
    if (!list || !r->members || !r->mirrors)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout's members");
    list_spaces(r->layout, list);
    int code = ms_layout_placement(r->layout, &r->placement, err);
    if (!code)
        code = ms_namespaces_new(list, r->layout->space_count, NULL, NULL, &r->names, err);
    if (!code)
        code = ms_hedge_new(NULL, &r->hedge, err);
    if (!code)
        code = ms_lease_new(&r->lease, err);
    return code ? code : add_members(r, members, list, err);
}

int ms_roster_new(struct ms_layout *layout, struct ms_member *const members[],
                  struct ms_clock *clock, const struct ms_seal_key *key, struct ms_roster **out,
                  struct ms_error *err)
{
    struct roster *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout's members");
    atomic_init(&r->refs, 1);
    r->base.layout = layout;
    r->base.clock = clock;
    r->base.own_count = layout->member_count;
    r->base.key = *key;
    int code = fill(&r->base, members, err);
    if (code) {
        roster_free(&r->base);
        return code;
    }
    *out = &r->base;
    return 0;
}

void ms_roster_count_as(struct ms_roster *r, const char *store)
{
    size_t count = r->layout->space_count;
    r->counts = calloc(count + 1, sizeof(struct ms_entity *));
    for (size_t i = 0; r->counts && i < count; i++)
        r->counts[i] = ms_entity_get(MS_STATS_NAMESPACE, store, r->layout->spaces[i].name);
}

static int fill_next(struct ms_roster *r, const struct ms_layout *next, struct ms_error *err)
{
    r->next_member = calloc(next->member_count + 1, sizeof *r->next_member);
    if (!r->next_member)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout's members");
    for (size_t i = 0; i < next->member_count; i++) {
        const struct ms_layout_member *m = ms_layout_member_of(r->layout, &next->members[i].uuid);
        r->next_member[i] = m ? (uint16_t)(m - r->layout->members) : UINT16_MAX;
    }
    return ms_layout_placement(next, &r->next_placement, err);
}

int ms_roster_new_joint(struct ms_layout *joined, size_t own_count, struct ms_layout *next,
                        struct ms_member *const members[], struct ms_clock *clock,
                        const struct ms_seal_key *key, struct ms_roster **out, struct ms_error *err)
{
    struct ms_roster *r = NULL;
    int code = ms_roster_new(joined, members, clock, key, &r, err);
    if (code)
        return code;
    code = fill_next(r, next, err);
    if (code) {
        roster_free(r);
        return code;
    }
    r->next = next;
    r->own_count = own_count;
    *out = r;
    return 0;
}

struct ms_roster *ms_roster_ref(struct ms_roster *base)
{
    atomic_fetch_add(&((struct roster *)base)->refs, 1);
    return base;
}

void ms_roster_unref(struct ms_roster *base)
{
    struct roster *r = (struct roster *)base;
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    struct ms_layout *layout = base->layout, *next = base->next;
    roster_free(base);
    ms_layout_free(layout);
    ms_layout_free(next);
}

bool ms_roster_quiet(struct ms_roster *r, uint64_t deadline_ns)
{
    uint64_t pause = PAUSE_MIN;
    while (atomic_load(&((struct roster *)r)->refs) > 1) {
        if (ms_clock_now(r->clock) >= deadline_ns || ms_sleep(r->clock, pause, NULL))
            return false;
        pause = 2 * pause < PAUSE_MAX ? 2 * pause : PAUSE_MAX;
    }
    return true;
}

/* ---- keys ---- */

/* Of the proposed layout, with the indexes of ours. */
static int order_next(struct ms_roster *r, struct ms_site *site, struct ms_error *err)
{
    const struct ms_layout_space *space = ms_layout_space(r->next, site->space_path);
    struct ms_order *o = &site->next;
    int code = ms_placement_order(r->next_placement, site->key, ms_layout_wanted(space), o, err);
    for (unsigned i = 0; !code && i < o->data + o->witnesses; i++)
        o->member[i] = r->next_member[o->member[i]];
    return code;
}

int ms_site_of(struct ms_roster *r, struct ms_view whole, bool deleted, struct ms_site *out,
               struct ms_error *err)
{
    struct ms_key key;
    int code = ms_key_parse(r->names, whole, deleted, &key, err);
    if (code)
        return code;
    if (ms_own_reserved(whole, &r->layout->uuid))
        return ms_error_set(err, MS_ERR_NAME,
                            "%s: names in \"mstore-\" and the store's UUID are the store's own",
                            MS_SHOW(whole));
    out->roster = r;
    out->space = ms_layout_space(r->layout, key.space);
    out->space_path = key.space;
    out->key = key.key;
    out->deleted = deleted;
    out->level = key.ns->levels[key.ns->level_count - 1];
    out->joint = r->next != NULL;
    code =
        ms_placement_order(r->placement, key.key, ms_layout_wanted(out->space), &out->order, err);
    return code || !out->joint ? code : order_next(r, out, err);
}
