/* mstore/change_make.c - the layout after this one: see mstore/change.h. Pure. */
#include "mstore/change.h"

#include <stdlib.h>

/* *same: it is there already. */
static int add_member(struct ms_layout *l, const struct ms_layout_member *add, bool *same,
                      struct ms_error *err)
{
    const struct ms_layout_member *old = ms_layout_member(l, add->name);
    *same = old && old->state != MS_GONE && ms_uuid_equal(&old->uuid, &add->uuid);
    if (*same)
        return 0;
    if (old)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "there is a member %s already (%s): take another name", add->name,
                            old->state == MS_GONE ? "it is gone" : "with another storage");
    if (l->member_count == MS_MEMBERS_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "a store has at most %u members", MS_MEMBERS_MAX);
    struct ms_layout_member *m = &l->members[l->member_count++];
    *m = *add;
    m->line = 0;
    return 0;
}

static int set_state(struct ms_layout *l, const char *name, enum ms_member_state state, bool *same,
                     struct ms_error *err)
{
    for (size_t i = 0; i < l->member_count; i++) {
        struct ms_layout_member *m = &l->members[i];
        if (strcmp(m->name, name) != 0)
            continue;
        /* gone is more than draining */
        *same = m->state == state || (m->state == MS_GONE && state == MS_DRAINING);
        if (!*same)
            m->state = state;
        return 0;
    }
    return ms_error_set(err, MS_ERR_INVALID, "the store has no member %s", name);
}

static int apply(struct ms_layout *l, const struct ms_change *c, bool *same, struct ms_error *err)
{
    bool same_add = true, same_state = true;
    int code = c->add ? add_member(l, c->add, &same_add, err) : 0;
    if (!code && c->member)
        code = set_state(l, c->member, c->state, &same_state, err);
    *same = same_add && same_state;
    return code;
}

int ms_change_make(const struct ms_layout *now, const struct ms_change *c, struct ms_layout **out,
                   bool *same, struct ms_error *err)
{
    struct ms_layout *l = ms_layout_copy(now);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    l->epoch++;
    l->phase = MS_LAYOUT_PROPOSED;
    int code = apply(l, c, same, err);
    if (!code && !*same && now->placement == MS_PLACE_BUCKETS)
        code = ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "placement = buckets says for ever which member has which keys: its "
                            "members cannot be changed");
    if (!code)
        code = ms_layout_check(l, NULL, err);
    if (!code && !*same)
        code = ms_layout_follows(now, l, err);
    if (code || *same)
        ms_layout_free(l);
    else
        *out = l;
    return code;
}
