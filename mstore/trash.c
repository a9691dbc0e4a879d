/* mstore/trash.c - see mstore/trash.h. */
#include "mstore/trash.h"

#include "mstore/age.h"
#include "mstore/immutable_parts.h"
#include "mstore/staged.h"
#include "mstore/value_parts.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The trash's name for the object; its time is the member's or ours. */
static int trash_name(const struct ms_site *site, const struct ms_value_shape *shape,
                      struct ms_member *m, unsigned shard, struct ms_name *out,
                      struct ms_error *err)
{
    struct ms_own_name own = {.kind = MS_OWN_TRASH,
                              .store = site->roster->layout->uuid,
                              .space = site->space_path,
                              .key = site->key,
                              .level = site->level,
                              .id = shape->id,
                              .size = shape->named_size,
                              .mark = shape->mark,
                              .k = shape->k,
                              .m = shape->m,
                              .index = shard};
    int64_t theirs = 0;
    int code = ms_age_now(m, &own, &theirs, err);
    if (code)
        return code;
    int64_t now_ns = later(later(theirs, ms_clock_wall(site->roster->clock)), 0);
    own.time = (uint64_t)now_ns / MS_SECOND;
    return ms_own_format(&own, 0, out, err);
}

int ms_trash_put(const struct ms_site *site, const struct ms_value_shape *shape, unsigned member,
                 unsigned shard, struct ms_name *where, struct ms_error *err)
{
    struct ms_member *m = NULL;
    struct ms_name name;
    int code = ms_value_member(site, member, &m, err);
    if (!code)
        code = ms_value_name(site, shape, shard, &name, err);
    if (!code)
        code = trash_name(site, shape, m, shard, where, err);
    return code ? code : ms_member_move(m, ms_name_view(&name), ms_name_view(where), NULL, err);
}

/* The item was deleted, and has not been stored again since. */
static bool look_again(void *ctx, const struct ms_site *site, const struct ms_value_shape *staged)
{
    struct ms_value_finding f = {0};
    (void)ctx, (void)staged;
    int code = ms_value_find(site, 0, true, &f, NULL);
    if (!code)
        code = f.count ? ms_immutable_alive(site, &f, NULL) : ms_immutable_judge(site, &f, NULL);
    ms_value_finding_fini(&f);
    return code == MS_ERR_NOT_FOUND;
}

/* From one name to the other at the member. */
static int rename_at(const struct ms_site *site, unsigned member, const struct ms_name *from,
                     const struct ms_name *to, struct ms_error *err)
{
    struct ms_member *m = NULL;
    int code = ms_value_member(site, member, &m, err);
    return code ? code : ms_member_move(m, ms_name_view(from), ms_name_view(to), NULL, err);
}

int ms_trash_bury_if(const struct ms_site *site, const struct ms_value_shape *shape,
                     unsigned member, unsigned shard, ms_trash_look is_leftover, void *ctx,
                     bool *buried, struct ms_error *err)
{
    struct ms_value_shape staged = *shape;
    struct ms_name name, aside;
    *buried = false;
    staged.kind = MS_OWN_STAGED;
    staged.id = ms_staged_draw(site);
    int code = ms_value_name(site, shape, shard, &name, err);
    if (!code)
        code = ms_value_name(site, &staged, shard, &aside, err);
    if (!code)
        code = rename_at(site, member, &name, &aside, err);
    if (code)
        return code;
    *buried = is_leftover(ctx, site, &staged);
    if (!*buried)
        return rename_at(site, member, &aside, &name, err);
    code = ms_trash_put(site, &staged, member, shard, &name, err);
    return code == MS_ERR_NOT_FOUND ? 0 : code; /* a deletion has taken it away */
}

int ms_trash_bury(const struct ms_site *site, const struct ms_value_shape *shape, unsigned member,
                  unsigned shard, bool *buried, struct ms_error *err)
{
    return ms_trash_bury_if(site, shape, member, shard, look_again, NULL, buried, err);
}
