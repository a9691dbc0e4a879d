/* mstore/self_move.c - the MStore's slot `move`, and moves that are a copy and a removal: both
 * names may be there for a moment, never neither. What a client that dies leaves is found by the
 * next heal, by its intent (mstore/intent.h). */
#include "mstore/kind.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/intent.h"

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

/* What it says when it ends in the middle: the other end may have something by now (what a member
 * has kept of an item that was there before counts again once one is stored), so these must not
 * read as if nothing had been begun. */
static int changed_meanwhile(struct ms_item_ref from, int code, struct ms_error *err)
{
    if (code != MS_ERR_NOT_FOUND && code != MS_ERR_CONFLICT)
        return code;
    return ms_error_set(err, MS_ERR_BUSY,
                        "%s was stored, moved or deleted by somebody else in the same moment: look "
                        "what is there, and try again",
                        MS_SHOW(from.key));
}

static int carry_bytes(struct ms_item_ref item, struct ms_store_reader *from,
                       struct ms_store_writer *to, struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *bytes = malloc(CARRIED);
    int code = bytes ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to move a value");
    size_t got = CARRIED;
    for (uint64_t offset = 0; !code && got == CARRIED; offset += got) {
        code = changed_meanwhile(
            item, ms_store_reader_read(from, offset, bytes, CARRIED, &got, err), err);
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
        code = carry_bytes(from, r, w, err);
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

/* ---- moving ---- */

struct move {
    enum ms_move how;
    struct ms_item_ref item, to; /* to: RENAME only */
    const struct ms_site *site, *there;
};

/* By a copy and a removal: the members keep the key's objects under names that have the key in
 * them, or other members are to have them. */
static bool is_carried(const struct move *m)
{
    return m->how == MS_MOVE_RENAME &&
           (m->site->space->kind == MS_KIND_IMMUTABLE || !same_place(m->site, m->there));
}

static int run_move(struct ms_store *s, const struct move *m, struct ms_error *err)
{
    if (is_carried(m))
        return ms_self_carry(s, m->item, m->to, err);
    return ms_kind_of(m->site->space)
        ->move(ms_self_of(s), m->how, m->site, m->item, m->there, m->to.key, err);
}

/* Moves of several steps, of which others see what is done so far. (Soft delete and undelete of
 * immutable keys see to it themselves; of mutable ones, they are one step.) */
static bool needs_intent(const struct move *m)
{
    return is_carried(m) ||
           (m->site->space->kind == MS_KIND_PLAIN && m->how != MS_MOVE_CHANGE_LEVEL);
}

/* Members that can hold no names but a user's (a BorgStore server) do without. */
static bool is_refused(const struct ms_site *site, int code)
{
    return site->space->kind == MS_KIND_PLAIN &&
           (code == MS_ERR_NAME || code == MS_ERR_INVALID || code == MS_ERR_UNSUPPORTED);
}

/* An immutable key that keeps the value it has ends a rename to it before anything is removed. */
static bool has_ended(const struct move *m, int code)
{
    bool kept =
        code == MS_ERR_CONFLICT && is_carried(m) && m->there->space->kind == MS_KIND_IMMUTABLE;
    return !code || code == MS_ERR_NOT_FOUND || code == MS_ERR_EXISTS || code == MS_ERR_INVALID ||
           code == MS_ERR_UNSUPPORTED || kept;
}

static int move_with_intent(struct ms_store *s, const struct move *m, struct ms_error *err)
{
    static const enum ms_own_op ops[] = {[MS_MOVE_SOFT_DELETE] = MS_OWN_SOFT_DELETE,
                                         [MS_MOVE_UNDELETE] = MS_OWN_UNDELETE,
                                         [MS_MOVE_RENAME] = MS_OWN_RENAME};
    struct ms_intent intent;
    struct ms_write_id id = {1, ms_ids_draw(ms_self_of(s)->ids)};
    int code = ms_intent_init(&intent, ops[m->how], id, m->item.deleted, m->to.key, err);
    if (code)
        return code;
    code = ms_intent_put(m->site, &intent, err);
    if (is_refused(m->site, code))
        return run_move(s, m, err);
    if (code)
        return code;
    code = run_move(s, m, err);
    if (!has_ended(m, code))
        return code;
    int gone = ms_intent_drop(m->site, &intent, code ? NULL : err);
    return code ? code : gone;
}

/* The sites of both ends. */
static int place_move(struct ms_store *s, struct move *m, struct ms_at *at, struct ms_site *there,
                      struct ms_error *err)
{
    int code = ms_self_enter(s, m->item, at, err);
    m->site = &at->site;
    if (code || m->how != MS_MOVE_RENAME)
        return code;
    m->there = there;
    return ms_site_of(at->roster, m->to.key, m->to.deleted, there, err);
}

int ms_self_move_on(struct ms_store *s, enum ms_move how, struct ms_item_ref from,
                    struct ms_item_ref to, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    struct ms_site there;
    struct move m = {.how = how, .item = from, .to = to};
    if (how != MS_MOVE_RENAME) {
        m.item.deleted = false; /* the operation says which */
        m.to = (struct ms_item_ref){0};
    }
    int code = place_move(s, &m, &at, &there, err);
    return code ? code : run_move(s, &m, err);
}

int ms_self_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                 bool deleted, const struct ms_precondition *pre, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    struct ms_site there;
    struct move m = {.how = how, .item = {.key = key, .deleted = deleted}};
    if (how == MS_MOVE_RENAME)
        m.to = (struct ms_item_ref){.key = new_key, .deleted = deleted};
    int code = place_move(s, &m, &at, &there, err);
    if (code)
        return code;
    if (pre->kind != MS_ALWAYS)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: a move on condition is not supported",
                            s->url);
    if (how == MS_MOVE_RENAME && ms_equal(key, new_key))
        return ms_self_must_exist(s, m.item, err);
    return needs_intent(&m) ? move_with_intent(s, &m, err) : run_move(s, &m, err);
}
