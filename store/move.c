/* Moves of the Store over one backend, in their four forms. */
#include "store/single.h"

#include "base/text.h"

static int can_move_if_absent(const struct ms_single *s)
{
    struct ms_capabilities can;
    ms_backend_capabilities(s->backend, &can);
    return (can.flags & MS_CAP_MOVE_IF_ABSENT) != 0;
}

/* The item's name at each level in turn, to what `to` makes of it. */
static int move_levels(struct ms_single *s, const struct ms_place *from, const struct ms_place *to,
                       bool to_last, const struct ms_precondition *pre, struct ms_error *err)
{
    size_t levels = ms_place_levels(from);
    for (int round = 0; round < (levels > 1 ? 2 : 1); round++)
        for (size_t i = 0; i < levels; i++) {
            struct ms_name old_name, new_name;
            ms_place_name(from, i, &old_name);
            ms_place_name(to, to_last ? levels - 1 : i, &new_name);
            struct ms_view a = ms_name_view(&old_name), b = ms_name_view(&new_name);
            if (ms_equal(a, b)) {
                struct ms_info info;
                int code = ms_backend_info(s->backend, a, &info, err);
                if (code || info.exists)
                    return code;
                continue;
            }
            int code = ms_backend_move(s->backend, a, b, pre, err);
            if (code != MS_ERR_NOT_FOUND)
                return code;
        }
    return ms_not_found(from, err);
}

/* A live item must not be replaced by a deleted one that comes back; other levels are probed, the
 * level itself decides exactly where the backend can. */
static int undelete(struct ms_single *s, const struct ms_place *from, const struct ms_place *to,
                    struct ms_error *err)
{
    struct ms_precondition pre = {.kind = MS_IF_ABSENT};
    bool exact = can_move_if_absent(s), exists = false;
    size_t index;
    int code = 0;
    if (!exact || ms_place_levels(to) > 1)
        code = ms_place_find(s, to, true, &index, &exists, err);
    if (code)
        return code;
    if (!exists) {
        pre.kind = exact ? MS_IF_ABSENT : MS_ALWAYS;
        code = move_levels(s, from, to, false, &pre, err);
    }
    if (exists || code == MS_ERR_EXISTS) {
        bool hidden;
        code = ms_place_find(s, from, true, &index, &hidden, err);
        if (code || !hidden)
            return code ? code : ms_not_found(from, err);
        return ms_error_set(err, MS_ERR_EXISTS,
                            "%s cannot be undeleted: there is a live item of that name",
                            MS_SHOW(to->key.whole));
    }
    return code;
}

static int rename_item(struct ms_single *s, struct ms_place *from, struct ms_view new_key,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_place to;
    int code =
        ms_place_init(s, (struct ms_item_ref){.key = new_key, .deleted = from->deleted}, &to, err);
    if (code)
        return code;
    size_t from_index, to_index;
    bool exists, taken;
    code = ms_place_find(s, &to, false, &to_index, &taken, err);
    if (!code && taken && pre->kind == MS_IF_ABSENT)
        code = ms_error_set(err, MS_ERR_EXISTS, "%s exists already", MS_SHOW(new_key));
    if (!code)
        code = ms_place_find(s, from, false, &from_index, &exists, err);
    if (!code) {
        struct ms_name old_name, new_name;
        ms_place_name(from, from_index, &old_name);
        ms_place_name(&to, to_index, &new_name);
        code =
            ms_backend_move(s->backend, ms_name_view(&old_name), ms_name_view(&new_name), pre, err);
        if (code == MS_ERR_NOT_FOUND)
            code = ms_not_found(from, err);
    }
    ms_namespaces_unref(to.namespaces);
    return code;
}

int ms_single_move(struct ms_store *store, enum ms_move how, struct ms_view key,
                   struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                   struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_single *s = ms_single_self(store);
    struct ms_place from, to;
    /* the longer of the two names must be valid */
    bool longest = deleted || how == MS_MOVE_SOFT_DELETE || how == MS_MOVE_UNDELETE;
    int code = ms_place_init(s, (struct ms_item_ref){.key = key, .deleted = longest}, &from, err);
    if (code)
        return code;
    to = from;
    switch (how) {
    case MS_MOVE_SOFT_DELETE:
        from.deleted = false;
        code = move_levels(s, &from, &to, false, pre, err);
        break;
    case MS_MOVE_UNDELETE:
        to.deleted = false;
        code = undelete(s, &from, &to, err);
        break;
    case MS_MOVE_CHANGE_LEVEL:
        code = move_levels(s, &from, &to, true, &always, err);
        break;
    case MS_MOVE_RENAME:
        code = rename_item(s, &from, new_key, pre, err);
        break;
    }
    return ms_place_fini(s, &from, MS_VERB_MOVE, code, 0);
}
