/* mstore/change_plan.c - what would move with a change, from a listing and the two orders of each
 * key. See mstore/change.h. */
#include "mstore/change.h"

#include "base/cleanup.h"

#include <stdlib.h>

/* A roster between the layout in force and the one to be, of nobody but this plan. */
static int make_joint(struct ms_self *self, const struct ms_roster *r, struct ms_layout *next,
                      struct ms_roster **out, struct ms_error *err)
{
    struct ms_layout *joined = ms_layout_join(r->layout, next);
    if (!joined)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    MS_AUTO_FREE struct ms_member **list =
        calloc(joined->member_count + 1, sizeof(struct ms_member *));
    int code = list ? ms_roster_new_joint(joined, r->own_count, next, list, self->base.clock,
                                          &self->conf->key, out, err)
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    if (code)
        ms_layout_free(joined);
    return code;
}

static void count(struct ms_change_plan *plan, const struct ms_site *site, uint64_t size)
{
    const struct ms_layout_space *space = site->space;
    unsigned comes = 0, k = space->redundancy == MS_REDUNDANCY_EC ? space->k : 1;
    for (unsigned i = 0; i < site->next.targets; i++)
        comes += !ms_order_has_target(&site->order, site->next.member[i]);
    plan->keys++;
    plan->moving += comes > 0;
    plan->objects += comes;
    plan->bytes += comes * ((size + k - 1) / k);
}

static int count_all(struct ms_self *self, struct ms_roster *joint, struct ms_change_plan *plan,
                     struct ms_error *err)
{
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    struct ms_store_lister *l = NULL;
    const struct ms_item *item = NULL;
    struct ms_site site;
    o.deleted = MS_LIST_BOTH;
    int code = ms_store_list(&self->base, "", &o, &l, err);
    if (code)
        return code;
    do {
        code = ms_store_lister_next(l, &item, err);
        if (!code && item)
            code = ms_site_of(joint, item->key, item->deleted, &site, err);
        if (!code && item)
            count(plan, &site, item->info.size_bytes);
    } while (!code && item);
    ms_store_lister_close(l);
    return code;
}

int ms_change_plan(struct ms_self *self, const struct ms_change *change, struct ms_change_plan *out,
                   struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    struct ms_roster *joint = NULL;
    struct ms_layout *next = NULL;
    struct ms_change own = *change;
    struct ms_layout_member added;
    bool same = false;
    int code = 0;
    *out = (struct ms_change_plan){0};
    if (own.add) {
        added = *own.add;
        own.add = &added;
        code = ms_self_member_uuid(self, added.name, &added.uuid, err);
    }
    if (!code)
        code = ms_change_make(r->layout, &own, &next, &same, err);
    if (code || same)
        return code;
    code = make_joint(self, r, next, &joint, err);
    if (code) {
        ms_layout_free(next);
        return code;
    }
    code = count_all(self, joint, out, err);
    ms_roster_unref(joint);
    return code;
}
