/* mstore/self_move.c - the MStore's slot `move`, and moves that are a copy and a removal. */
#include "mstore/kind.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

int ms_self_not_found(struct ms_item_ref item, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s does not exist", MS_SHOW(item.key));
}

/* Both keys are kept by the same members in the same way. */
static bool same_place(const struct ms_site *a, const struct ms_site *b)
{
    return a->space->kind == b->space->kind && a->order.targets == b->order.targets &&
           memcmp(a->order.member, b->order.member, a->order.targets * sizeof *a->order.member) ==
               0;
}

#define CARRIED (1u << 20) /* bytes at a time */

static int carry_bytes(struct ms_store_reader *from, struct ms_store_writer *to,
                       struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *bytes = malloc(CARRIED);
    int code = bytes ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to move a value");
    size_t got = CARRIED;
    for (uint64_t offset = 0; !code && got == CARRIED; offset += got) {
        code = ms_store_reader_read(from, offset, bytes, CARRIED, &got, err);
        if (!code)
            code = ms_store_writer_append(to, ms_view(bytes, got), err);
    }
    return code;
}

/* A rename that changes the members: the new one is there before the old one goes. */
int ms_self_carry(struct ms_store *s, struct ms_item_ref from, struct ms_item_ref to,
                  struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_store_reader *r;
    struct ms_store_writer *w;
    int code = ms_self_verbs.read(s, from, &r, err);
    if (code)
        return code;
    code = ms_self_verbs.write(s, to, r->info.size_bytes, &always, &w, err);
    if (!code) {
        code = carry_bytes(r, w, err);
        if (code)
            ms_store_writer_abort(w);
        else
            code = ms_store_writer_commit(w, NULL, err);
    }
    ms_store_reader_close(r);
    return code ? code : ms_self_verbs.remove(s, from, err);
}

int ms_self_must_exist(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_item_info info;
    int code = ms_self_verbs.info(s, item, &info, err);
    return code || info.exists ? code : ms_self_not_found(item, err);
}

int ms_self_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                 bool deleted, const struct ms_precondition *pre, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    struct ms_item_ref item = {.key = key, .deleted = deleted};
    struct ms_item_ref to = {.key = new_key, .deleted = deleted};
    struct ms_site there;
    int code = ms_self_enter(s, item, &at, err);
    if (!code && how == MS_MOVE_RENAME)
        code = ms_site_of(at.roster, new_key, deleted, &there, err);
    if (code)
        return code;
    if (pre->kind != MS_ALWAYS)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: a move on condition is not supported",
                            s->url);
    if (how == MS_MOVE_RENAME && ms_equal(key, new_key))
        return ms_self_must_exist(s, item, err);
    if (how == MS_MOVE_RENAME && !same_place(&at.site, &there))
        return ms_self_carry(s, item, to, err);
    return ms_kind_of(at.site.space)
        ->move(ms_self_of(s), how, &at.site, item, how == MS_MOVE_RENAME ? &there : NULL, new_key,
               err);
}
