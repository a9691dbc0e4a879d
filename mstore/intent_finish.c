/* mstore/intent_finish.c - a step of upkeep: what clients that died had begun is finished, or taken
 * back, whichever destroys nothing:
 *
 *     soft delete, undelete of an immutable key    only names are changed. As much as a store
 *         leaves is there still, or again: taken back. Else finished. Neither, since it was deleted
 *         meanwhile: what of it nobody can read goes.
 *     renames, moves of plain keys                 both items are there and equal: done once more,
 *         to its end. They differ, or only one is there: nothing (any more) to be done. (A deletion
 *         at the new end that was taken back at some voters is taken back at a majority first.)
 *
 * An intent is taken up when it has been there for 20 minutes, so that nobody is at work on it; one
 * that less than a majority can have only goes, and so does a rename's of which every copy is
 * damaged: where it leads to is not known any more. */
#include "mstore/immutable_parts.h"
#include "mstore/intent.h"
#include "mstore/kind.h"
#include "mstore/tombs.h"
#include "mstore/upkeep_parts.h"
#include "mstore/voters.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <stdlib.h>

struct work {
    struct ms_upkeep *u;
    const struct ms_upkeep_item *item;
    struct ms_upkeep_site at;
    struct ms_intent intent;
};

/* ---- immutable keys ---- */

/* So many objects of one write, and nobody was silent. */
static int count_objects(const struct ms_site *site, unsigned *most, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = ms_value_find(site, 0, true, &f, err);
    *most = code ? 0 : ms_immutable_most(&f);
    if (!code && f.answered < site->order.data)
        code = ms_error_set(err, f.why.code ? f.why.code : MS_ERR_CONNECTION, "%s", f.why.text);
    ms_value_finding_fini(&f);
    return code;
}

/* Either item was deleted since: an intent that reached its members late, or that its client did
 * not live to take back. What is left of the one may be a leftover, and must not become the other.
 */
static int is_overtaken(const struct work *w, const struct ms_site *from, const struct ms_site *to,
                        bool *out, struct ms_error *err)
{
    struct ms_tomb here = {0}, there = {0};
    int code = ms_tombs_look(from, &here, err);
    if (!code)
        code = ms_tombs_look(to, &there, err);
    *out = (here.id.counter >= w->intent.id.counter &&
            ms_write_id_compare(&here.id, &w->intent.id) != 0) ||
           (there.there && there.id.counter >= w->intent.id.counter);
    return code;
}

/* What it has brought is all there is, and may be less than a store leaves: when nothing of that
 * can be read, nothing ever will be. */
static int clear_spoiled(struct work *w, struct ms_error *err)
{
    enum ms_upkeep_end ignored;
    const struct ms_site *site = &w->at.site;
    return ms_upkeep_one_key(w->u, site->space, site->space_path, site->key,
                             ms_upkeep_kinds(MS_KIND_IMMUTABLE), ms_upkeep_spoiled_key, &ignored,
                             err);
}

static int finish_turn(struct work *w, struct ms_error *err)
{
    struct ms_site from = w->at.site, to = w->at.site;
    unsigned before = 0, behind = 0, needs = ms_immutable_needs(&from);
    bool overtaken = false;
    from.deleted = w->intent.op == MS_OWN_UNDELETE;
    to.deleted = !from.deleted;
    int code = count_objects(&from, &before, err);
    if (!code)
        code = count_objects(&to, &behind, err);
    if (code || (before >= needs && behind >= needs))
        return code;
    if (before >= needs)
        return behind ? ms_immutable_turn(&to, w->intent.id, 0, err) : 0;
    if (before)
        code = is_overtaken(w, &from, &to, &overtaken, err);
    if (!code && before && !overtaken)
        return ms_immutable_turn(&from, w->intent.id, 0, err);
    return code || !behind || behind >= needs ? code : clear_spoiled(w, err);
}

/* ---- renames, plain keys ---- */

struct ends {
    enum ms_move how;
    struct ms_item_ref from, to;
};

static void find_ends(const struct work *w, struct ends *e)
{
    struct ms_view whole = {w->at.whole,
                            (w->item->path.size ? w->item->path.size + 1 : 0) + w->item->key.size};
    enum ms_own_op op = w->intent.op;
    e->how = op == MS_OWN_RENAME     ? MS_MOVE_RENAME
             : op == MS_OWN_UNDELETE ? MS_MOVE_UNDELETE
                                     : MS_MOVE_SOFT_DELETE;
    e->from = e->to = (struct ms_item_ref){.key = whole};
    e->from.deleted = op == MS_OWN_RENAME ? w->intent.deleted : op == MS_OWN_UNDELETE;
    e->to.deleted = op == MS_OWN_RENAME ? w->intent.deleted : op == MS_OWN_SOFT_DELETE;
    if (op == MS_OWN_RENAME)
        e->to.key = ms_view(w->intent.new_key, w->intent.new_size);
}

/* Nothing is seen where a rename leads to. What an earlier deletion left there may be there again
 * for some who look: its client died as it took that deletion back. So for all, or for nobody. */
static int look_again(const struct work *w, const struct ms_item_ref *to, char hex[MS_HASH_HEX_MAX],
                      struct ms_error *err)
{
    struct ms_store *s = &w->u->self->base;
    struct ms_site site;
    int code = ms_site_of(w->u->roster, to->key, to->deleted, &site, err);
    if (!code && site.space->kind != MS_KIND_IMMUTABLE)
        return MS_ERR_NOT_FOUND;
    if (!code)
        code = ms_tombs_settle(&site, err);
    return code ? code : s->ops->hash(s, *to, "sha256", hex, MS_HASH_HEX_MAX, err);
}

/* *equal: both are there, with the same bytes. */
static int compare(const struct work *w, const struct ends *e, bool *equal, struct ms_error *err)
{
    struct ms_store *s = &w->u->self->base;
    char one[MS_HASH_HEX_MAX], two[MS_HASH_HEX_MAX];
    *equal = false;
    int code = s->ops->hash(s, e->from, "sha256", one, sizeof one, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    code = s->ops->hash(s, e->to, "sha256", two, sizeof two, err);
    if (code == MS_ERR_NOT_FOUND)
        code = look_again(w, &e->to, two, err);
    *equal = !code && strcmp(one, two) == 0;
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

/* Of the intents at the key that the rename leads to; in the words for how its upkeep ends. */
#define NO_OTHERS      MS_KEY_WELL
#define OTHERS_ENDED   MS_KEY_REPAIRED /* all of them were broken off */
#define OTHERS_AT_WORK MS_KEY_WANTING

static int look_for_others(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                           struct ms_error *err)
{
    (void)err;
    *item->end = OTHERS_ENDED;
    for (size_t i = 0; i < item->count; i++) {
        const struct ms_object *o = &item->objects[i];
        if (!ms_age_is(&u->ages, u->roster, o->member, &o->name, o->mtime_ns, MS_WORK_NS))
            *item->end = OTHERS_AT_WORK;
    }
    return 0;
}

/* Where both items are there, another rename may be on its way from this one's end to its
 * beginning; each would remove what the other one put. So this waits for one that is alive; of two
 * that were broken off (several heals may be at work) the one to the larger key comes first. Both
 * items were seen before this looks: so a client that has put the other one has left its intent,
 * and a rename whose intent has gone is over. */
static int must_wait(struct work *w, const struct ends *e, bool *out, struct ms_error *err)
{
    enum ms_upkeep_end others = NO_OTHERS;
    struct ms_site to;
    *out = false;
    if (e->how != MS_MOVE_RENAME)
        return 0;
    int code = ms_site_of(w->u->roster, e->to.key, e->to.deleted, &to, err);
    if (!code)
        code = ms_upkeep_one_key(w->u, to.space, to.space_path, to.key,
                                 MS_INVENTORY_KIND(MS_OWN_INTENT), look_for_others, &others, err);
    *out = others == OTHERS_AT_WORK ||
           (others == OTHERS_ENDED && ms_compare(e->from.key, e->to.key) > 0);
    return code;
}

static int finish_move(struct work *w, struct ms_error *err)
{
    struct ms_store *s = &w->u->self->base;
    struct ends e;
    bool equal = false, wait = false;
    find_ends(w, &e);
    int code = compare(w, &e, &equal, err);
    if (!code && equal)
        code = must_wait(w, &e, &wait, err);
    if (!code && wait)
        return ms_error_set(err, MS_ERR_BUSY, "another rename leads back from where it ends");
    if (!code && equal)
        code = ms_self_move_on(s, e.how, e.from, e.to, err);
    if (code == MS_ERR_EXISTS) /* undelete: the live item is equal */
        code = s->ops->remove(s, e.from, err);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

/* ---- one intent ---- */

static bool same(const struct ms_object *a, const struct ms_object *b)
{
    return a->name.op == b->name.op && ms_write_id_compare(&a->name.id, &b->name.id) == 0;
}

enum state { BEGUN, YOUNG, UNKNOWN, IDLE };

/* Of the intent that object i of the item belongs to. */
static enum state state_of(struct work *w, const struct ms_object *o)
{
    const struct ms_site *site = &w->at.site;
    unsigned hold = 0, silent = 0;
    for (unsigned v = 0; v < ms_voters_count(site); v++) {
        unsigned member = ms_voters_member(site, v);
        silent += w->item->silent[member];
        for (size_t i = 0; i < w->item->count; i++) {
            const struct ms_object *other = &w->item->objects[i];
            if (other->member != member || !same(other, o))
                continue;
            hold++;
            if (!ms_age_is(&w->u->ages, w->u->roster, member, &other->name, other->mtime_ns,
                           MS_WORK_NS))
                return YOUNG;
        }
    }
    unsigned needs = ms_intent_needs(site);
    return hold >= needs ? BEGUN : hold + silent >= needs ? UNKNOWN : IDLE;
}

static int read_at(struct work *w, const struct ms_object *o, struct ms_error *err)
{
    struct ms_own_name own = ms_intent_name(&w->at.site, o->name.op, o->name.id);
    MS_AUTO_BUF struct ms_buf *text = NULL;
    struct ms_name name;
    int code = ms_own_format(&own, 0, &name, err);
    if (!code)
        code = ms_member_load(w->u->roster->members[o->member], ms_name_view(&name), 0,
                              MS_INTENT_TEXT_MAX + 1, &text, NULL, err);
    return code ? code : ms_intent_parse(ms_buf_view(text), &w->intent, err);
}

/* Wherever it lies: copies may be damaged. FORMAT: all are, and nobody was silent. */
static int read_intent(struct work *w, const struct ms_object *o, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = MS_ERR_FORMAT;
    for (size_t i = 0; i < w->item->count && code && !ms_upkeep_fatal(code); i++) {
        if (!same(&w->item->objects[i], o))
            continue;
        int one = read_at(w, &w->item->objects[i], &why);
        if (one && one != MS_ERR_FORMAT)
            (void)!ms_error_set(err, one, "%s", why.text);
        code = one == MS_ERR_FORMAT ? code : one;
    }
    for (unsigned v = 0; v < ms_voters_count(&w->at.site) && code == MS_ERR_FORMAT; v++)
        if (w->item->silent[ms_voters_member(&w->at.site, v)])
            code = ms_error_set(err, MS_ERR_CONNECTION, "%s, and a member is silent", why.text);
    return code;
}

static bool is_turn(const struct work *w)
{
    return w->at.site.space->kind == MS_KIND_IMMUTABLE && w->intent.op != MS_OWN_RENAME;
}

/* The name says all but where a rename leads to; *nowhere: it does not say that any more. */
static int finish(struct work *w, const struct ms_object *o, bool *nowhere, struct ms_error *err)
{
    int code = read_intent(w, o, err);
    *nowhere = code == MS_ERR_FORMAT && o->name.op == MS_OWN_RENAME;
    if (code == MS_ERR_FORMAT) {
        w->intent = (struct ms_intent){.op = o->name.op, .id = o->name.id};
        code = 0;
    }
    if (!code && !is_turn(w) && (w->intent.op == MS_OWN_DELETE || !w->u->self))
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "nobody here can finish it");
    if (!code && !*nowhere)
        code = is_turn(w) ? finish_turn(w, err) : finish_move(w, err);
    return code ? code : ms_intent_drop(&w->at.site, &w->intent, err);
}

static const char *op_name(enum ms_own_op op)
{
    return op == MS_OWN_RENAME ? "rename" : op == MS_OWN_UNDELETE ? "undelete" : "soft delete";
}

static int look_at_intent(struct work *w, const struct ms_object *o, struct ms_error *err)
{
    struct ms_error why = {0};
    enum state state = state_of(w, o);
    const char *op = op_name(o->name.op);
    bool nowhere = false;
    int code = 0;
    if (state == YOUNG)
        return 0;
    if (state == UNKNOWN || !ms_upkeep_may_write(w->u)) {
        ms_upkeep_found(w->u, state == UNKNOWN ? MS_FIND_UNJUDGED : MS_FIND_DEBRIS, o->member,
                        w->item->path, w->item->key, false, "a %s was broken off", op);
        ms_upkeep_key_left(w->u);
        return 0;
    }
    w->intent = (struct ms_intent){.op = o->name.op, .id = o->name.id};
    if (state == BEGUN)
        code = finish(w, o, &nowhere, &why);
    else
        code = ms_intent_drop(&w->at.site, &w->intent, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    ms_upkeep_found(w->u, code ? MS_FIND_FAILED : MS_FIND_DEBRIS, o->member, w->item->path,
                    w->item->key, !code, "a %s was broken off%s%s%s", op,
                    nowhere ? ", and where to cannot be read: what is there stays" : "",
                    code ? ": " : "", code ? why.text : "");
    if (code)
        ms_upkeep_key_left(w->u);
    return 0;
}

static int finish_key(struct ms_upkeep *u, const struct ms_upkeep_item *item, struct ms_error *err)
{
    struct work *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an intent");
    w->u = u;
    w->item = item;
    int code = 0;
    bool there = !ms_upkeep_site_of(u, item->path, item->key, &w->at, NULL);
    for (size_t i = 0; i < item->count && there && !code; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && !same(&item->objects[j], &item->objects[i]);
        if (first)
            code = look_at_intent(w, &item->objects[i], err);
    }
    free(w);
    return code;
}

int ms_upkeep_intents_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                            struct ms_view path, struct ms_view after, struct ms_error *err)
{
    return ms_upkeep_keys(u, space, path, after, MS_INVENTORY_KIND(MS_OWN_INTENT), finish_key, err);
}
