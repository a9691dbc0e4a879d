/* mstore/upkeep_layout.c - the first step of a run: a member that was away while the layout was
 * changed gets the one in force, one that is damaged is put there anew, and those that nobody needs
 * any more go. */
#include "mstore/upkeep_parts.h"

#include "mstore/layout_copies.h"

static void tell(struct ms_upkeep *u, enum ms_upkeep_find find, size_t member, bool fixed,
                 uint64_t epoch)
{
    ms_upkeep_found(u, find, member, ms_str(""), ms_str(""), fixed, "layout %llu%s",
                    (unsigned long long)epoch, find == MS_FIND_DAMAGED ? " does not verify" : "");
    ms_upkeep_layout_ended(u, fixed);
    ms_upkeep_changed(u, member, fixed, 0);
}

static int bring_or_mend(struct ms_upkeep *u, size_t member, struct ms_error *err)
{
    struct ms_layout_damage damage = {0};
    bool lacked = false, may = ms_upkeep_may_write(u);
    int code = ms_layout_bring(u->roster, (unsigned)member, may, &lacked, err);
    if (lacked)
        tell(u, MS_FIND_WANTING, member, may && !code, u->roster->layout->epoch);
    if (!code && !lacked)
        code = ms_layout_mend(u->roster, (unsigned)member, may, &damage, err);
    if (damage.epoch)
        tell(u, MS_FIND_DAMAGED, member, damage.mended, damage.epoch);
    return code;
}

/* All of it is tried again by the next run. */
static int look_after(struct ms_upkeep *u, size_t member, struct ms_error *err)
{
    struct ms_error why = {0};
    bool may = ms_upkeep_may_write(u);
    unsigned removed = 0;
    int code = bring_or_mend(u, member, &why);
    if (!code && may)
        code = ms_layout_tidy(u->roster, (unsigned)member, &u->ages, MS_WORK_NS, &removed, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    ms_upkeep_changed(u, member, 0, removed);
    if (code)
        ms_upkeep_missed(u, member, &why);
    return 0;
}

int ms_upkeep_layouts(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err)
{
    const struct ms_layout *l = u->roster->layout;
    int code = 0;
    (void)paths;
    if (!u->self) /* no layouts lie anywhere */
        return 0;
    for (size_t i = 0; i < l->member_count && !code; i++)
        if (u->roster->members[i] && l->members[i].state != MS_GONE)
            code = look_after(u, i, err);
    return code;
}
