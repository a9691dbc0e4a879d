/* mstore/upkeep_layout.c - the first step of a run: a member that was away while the layout was
 * changed gets the one in force, and those that nobody needs any more go. */
#include "mstore/upkeep_parts.h"

#include "mstore/layout_copies.h"

/* Both are tried again by the next run. */
static int look_after(struct ms_upkeep *u, size_t member, struct ms_error *err)
{
    struct ms_error why = {0};
    bool lacked = false, may = ms_upkeep_may_write(u);
    unsigned removed = 0;
    int code = ms_layout_bring(u->roster, (unsigned)member, may, &lacked, &why);
    if (lacked)
        ms_upkeep_found(u, MS_FIND_WANTING, member, ms_str(""), ms_str(""), may && !code,
                        "layout %llu", (unsigned long long)u->roster->layout->epoch);
    if (!code && lacked && may)
        ms_upkeep_changed(u, member, 1, 0);
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
