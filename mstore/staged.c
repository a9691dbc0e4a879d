/* mstore/staged.c - see mstore/staged.h. */
#include "mstore/staged.h"

#include "mstore/lease.h"

struct ms_write_id ms_staged_draw(const struct ms_site *site)
{
    uint64_t counter = ms_lease_draw(site->roster), writer = ms_lease_draw(site->roster);
    return (struct ms_write_id){.counter = counter, .writer = writer};
}

int ms_staged_name(const struct ms_site *site, const struct ms_value_shape *shape, unsigned shard,
                   struct ms_write_id id, struct ms_name *out, struct ms_error *err)
{
    struct ms_value_shape staged = *shape;
    staged.kind = MS_OWN_STAGED;
    staged.id = id;
    return ms_value_name(site, &staged, shard, out, err);
}

int ms_staged_settle(const struct ms_site *site, const struct ms_value_shape *shape,
                     struct ms_member *m, unsigned shard, struct ms_write_id id, bool absent,
                     struct ms_error *err)
{
    static const struct ms_precondition if_absent = {.kind = MS_IF_ABSENT};
    struct ms_capabilities caps = {0};
    struct ms_name from, to;
    int code = ms_staged_name(site, shape, shard, id, &from, err);
    if (!code)
        code = ms_value_name(site, shape, shard, &to, err);
    if (code)
        return code;
    ms_member_capabilities(m, &caps);
    bool guarded = absent && (caps.flags & MS_CAP_MOVE_IF_ABSENT);
    code =
        ms_member_move(m, ms_name_view(&from), ms_name_view(&to), guarded ? &if_absent : NULL, err);
    if (code == MS_ERR_EXISTS)
        (void)!ms_member_delete(m, ms_name_view(&from), NULL);
    return code;
}

void ms_staged_drop(const struct ms_site *site, const struct ms_value_shape *shape,
                    struct ms_member *m, unsigned shard, struct ms_write_id id)
{
    struct ms_name name;
    if (ms_staged_name(site, shape, shard, id, &name, NULL) == 0)
        (void)!ms_member_delete(m, ms_name_view(&name), NULL);
}
