/* mstore/roster.c - see mstore/roster.h. */
#include "mstore/roster.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/names.h"

#include <stdatomic.h>
#include <stdlib.h>

struct roster {
    struct ms_roster base;
    atomic_uint refs;
};

/* The rules for keys are the Store's: its namespaces, made of the layout's. */
static int make_names(const struct ms_layout *layout, struct ms_namespaces **out,
                      struct ms_error *err)
{
    MS_AUTO_FREE struct ms_namespace *list = calloc(layout->space_count + 1, sizeof *list);
    if (!list)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout's namespaces");
    for (size_t i = 0; i < layout->space_count; i++) {
        const struct ms_layout_space *from = &layout->spaces[i];
        list[i].name = from->name;
        list[i].names = from->names;
        list[i].level_count = from->level_count;
        memcpy(list[i].levels, from->levels, sizeof list[i].levels);
    }
    return ms_namespaces_new(list, layout->space_count, NULL, NULL, out, err);
}

int ms_roster_new(struct ms_layout *layout, struct ms_member *const members[],
                  struct ms_clock *clock, const struct ms_seal_key *key, struct ms_roster **out,
                  struct ms_error *err)
{
    struct roster *r = calloc(1, sizeof *r);
    struct ms_member **list = calloc(layout->member_count + 1, sizeof(struct ms_member *));
    int code = r && list ? ms_layout_placement(layout, &r->base.placement, err)
                         : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout's members");
    if (!code)
        code = make_names(layout, &r->base.names, err);
    if (!code)
        code = ms_hedge_new(NULL, &r->base.hedge, err);
    if (code) {
        if (r) {
            ms_placement_free(r->base.placement);
            ms_namespaces_unref(r->base.names);
        }
        free(list);
        free(r);
        return code;
    }
    for (size_t i = 0; i < layout->member_count; i++)
        list[i] = members[i] ? ms_member_ref(members[i]) : NULL;
    r->base.layout = layout;
    r->base.members = list;
    r->base.clock = clock;
    r->base.key = *key;
    atomic_init(&r->refs, 1);
    *out = &r->base;
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
    for (size_t i = 0; i < base->layout->member_count; i++)
        ms_member_unref(base->members[i]);
    free(base->members);
    ms_placement_free(base->placement);
    ms_namespaces_unref(base->names);
    ms_hedge_free(base->hedge);
    ms_layout_free(base->layout);
    explicit_bzero(&base->key, sizeof base->key);
    free(r);
}

/* ---- keys ---- */

int ms_site_of(struct ms_roster *r, struct ms_view whole, bool deleted, struct ms_site *out,
               struct ms_error *err)
{
    struct ms_key key;
    int code = ms_key_parse(r->names, whole, deleted, &key, err);
    if (code)
        return code;
    if (ms_own_reserved(whole))
        return ms_error_set(err, MS_ERR_NAME,
                            "%s: names that begin with \"mstore-\" are the store's own",
                            MS_SHOW(whole));
    out->roster = r;
    out->space = ms_layout_space(r->layout, key.space);
    out->space_path = key.space;
    out->key = key.key;
    out->level = key.ns->levels[key.ns->level_count - 1];
    return ms_placement_order(r->placement, key.key, ms_layout_wanted(out->space), &out->order,
                              err);
}
