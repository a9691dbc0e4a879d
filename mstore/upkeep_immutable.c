/* mstore/upkeep_immutable.c - one immutable key: all that lies under it put together by write, what
 * a deletion has left removed (upkeep_deleted.c), the rest judged (upkeep_judge.c) and brought to
 * where it belongs (upkeep_plan.c). */
#include "mstore/upkeep_immutable.h"

#include "mstore/immutable_parts.h"
#include "mstore/staged.h"
#include "mstore/voters.h"

#include <stdlib.h>

/* ---- what is there ---- */

static struct ms_upkeep_write *write_of(struct ms_upkeep_key *k, const struct ms_own_name *name)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct ms_value_shape *s = &k->writes[i].shape;
        if (ms_write_id_compare(&s->id, &name->id) == 0 && s->named_size == name->size &&
            s->k == name->k && s->m == name->m && s->mark == name->mark)
            return &k->writes[i];
    }
    struct ms_upkeep_write *more = reallocarray(k->writes, k->count + 1, sizeof *more);
    if (!more)
        return NULL;
    k->writes = more;
    struct ms_upkeep_write *w = &more[k->count++];
    *w = (struct ms_upkeep_write){.shape = {.kind = MS_OWN_VALUE,
                                            .id = name->id,
                                            .named_size = name->size,
                                            .mark = name->mark,
                                            .k = name->k,
                                            .m = name->m}};
    return w;
}

static int take_object(struct ms_upkeep_key *k, const struct ms_object *o, struct ms_error *err)
{
    struct ms_upkeep_write *w = write_of(k, &o->name);
    struct ms_upkeep_place *more = w ? reallocarray(w->places, w->count + 1, sizeof *more) : NULL;
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key's objects");
    w->places = more;
    more[w->count++] = (struct ms_upkeep_place){.member = (uint16_t)o->member,
                                                .shard = (uint8_t)o->name.index,
                                                .state = MS_PLACE_GOOD,
                                                .bytes = o->stored_bytes,
                                                .mtime_ns = o->mtime_ns};
    return 0;
}

/* Shapes as a load knows them. */
static int finish_shapes(struct ms_upkeep_key *k, struct ms_error *err)
{
    struct ms_value_shape policy;
    int code = ms_immutable_shape(&k->at.site, &policy, err);
    for (size_t i = 0; i < k->count && !code; i++) {
        struct ms_value_shape *s = &k->writes[i].shape;
        s->zstd = policy.zstd;
        if (s->id.counter || s->id.writer) {
            ms_value_id_of_name(s);
        } else if (policy.has_write_id) {
            memcpy(s->write_id, policy.write_id, sizeof s->write_id);
            s->has_write_id = true;
        }
        ms_upkeep_count(&k->writes[i]);
    }
    return code;
}

static bool holds(const struct ms_upkeep_key *k, unsigned member, const struct ms_own_name *intent)
{
    for (size_t i = 0; i < k->item->count; i++) {
        const struct ms_object *o = &k->item->objects[i];
        if (o->name.kind == MS_OWN_INTENT && o->member == member &&
            ms_write_id_compare(&o->name.id, &intent->id) == 0)
            return true;
    }
    return false;
}

/* It is, or may be, on a majority of the voters. On fewer it says nothing: its client has not
 * begun, or was done, and a member gets the removal late, while the key may need looking after. */
static bool is_begun(const struct ms_upkeep_key *k, const struct ms_own_name *intent)
{
    const struct ms_site *site = &k->at.site;
    unsigned having = 0;
    if (k->u->roster->next) /* there are two majorities */
        return true;
    for (unsigned i = 0; i < ms_voters_count(site); i++) {
        unsigned member = ms_voters_member(site, i);
        having += k->item->silent[member] || holds(k, member, intent);
    }
    return having >= ms_voters_majority(site);
}

static int gather(struct ms_upkeep_key *k, struct ms_error *err)
{
    const struct ms_site *site = &k->at.site;
    int code = 0;
    k->complete = true;
    for (unsigned i = 0; i < site->order.data; i++)
        k->complete = k->complete && !k->item->silent[site->order.member[i]];
    for (size_t i = 0; i < k->item->count && !code; i++) {
        const struct ms_object *o = &k->item->objects[i];
        if (o->name.kind == MS_OWN_TOMBSTONE) {
            struct ms_tomb *tomb = &k->tombs[ms_tombs_is_soft(o->name.mark)];
            if (!tomb->there || ms_write_id_compare(&o->name.id, &tomb->id) > 0)
                *tomb = (struct ms_tomb){true, o->name.id};
        } else if (o->name.kind == MS_OWN_INTENT) {
            k->changing = k->changing || is_begun(k, &o->name);
        } else if (o->name.kind == MS_OWN_VALUE && o->name.level == site->level) {
            code = take_object(k, o, err);
        } else if (o->name.kind == MS_OWN_VALUE) {
            ms_upkeep_found(k->u, MS_FIND_SURPLUS, o->member, k->item->path, k->item->key, false,
                            "it lies at nesting level %u, where nobody looks", o->name.level);
        }
    }
    if (!code && site->space->verify && k->item->key.size == 64) {
        memcpy(k->sha256, k->item->key.data, 64);
        k->sha256[64] = '\0';
    }
    return code ? code : finish_shapes(k, err);
}

bool ms_upkeep_is_turning(const struct ms_upkeep_key *k, const struct ms_upkeep_write *w)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct ms_upkeep_write *other = &k->writes[i];
        const struct ms_value_shape *a = &other->shape, *b = &w->shape;
        if (a->mark != b->mark && ms_write_id_compare(&a->id, &b->id) == 0 && a->k == b->k &&
            a->m == b->m && a->named_size == b->named_size)
            return (ms_value_is_copy(a) ? other->good : other->distinct) <
                   ms_immutable_needs(&k->at.site);
    }
    return false;
}

/* Was it only brought back (an undelete leaves a tombstone of the other item, as young), there is
 * nothing to be done, and nothing to be told. */
static int leave_alone(struct ms_upkeep_key *k, struct ms_error *err)
{
    bool any = false, in_place = false;
    int code = ms_upkeep_in_place(k, &in_place, err);
    k->resting |= in_place;
    if (code || in_place)
        return code;
    for (size_t i = 0; i < k->count; i++)
        any = any || k->writes[i].shape.mark == k->mark;
    k->unjudged = k->unjudged || any;
    if (any)
        ms_upkeep_found(k->u, MS_FIND_UNJUDGED, MS_UPKEEP_NOBODY, k->item->path, k->item->key,
                        false, "it was deleted a moment ago, perhaps it still is being deleted");
    return 0;
}

/* ---- what is staged (mstore/staged.h) ---- */

/* Nobody is at work on it any more, or it has no future. */
static bool is_stale(const struct ms_upkeep_key *k, const struct ms_object *o)
{
    int64_t now = 0;
    if (k->tombs[o->name.mark == MS_OWN_SOFT_DELETED].there)
        return true;
    return o->mtime_ns > 0 && !ms_upkeep_now_at(k->u, &k->at.site, o->member, &now, NULL) &&
           now - o->mtime_ns >= MS_STAGED_AGE_NS;
}

static int clear_staged(struct ms_upkeep_key *k)
{
    for (size_t i = 0; i < k->item->count; i++) {
        const struct ms_object *o = &k->item->objects[i];
        struct ms_value_shape shape = {.kind = MS_OWN_STAGED,
                                       .id = o->name.id,
                                       .named_size = o->name.size,
                                       .mark = o->name.mark,
                                       .k = o->name.k,
                                       .m = o->name.m};
        struct ms_upkeep_place place = {.member = (uint16_t)o->member,
                                        .shard = (uint8_t)o->name.index};
        if (o->name.kind != MS_OWN_STAGED || o->name.level != k->at.site.level || !is_stale(k, o))
            continue;
        bool may = ms_upkeep_may_write(k->u);
        int code = may ? ms_upkeep_set_aside(k->u, &k->at.site, &shape, &place, NULL) : 0;
        if (ms_upkeep_fatal(code))
            return code;
        ms_upkeep_found(k->u, MS_FIND_DEBRIS, o->member, k->item->path, k->item->key, may && !code,
                        "it was on its way when whoever put it died");
    }
    return 0;
}

/* ---- the key ---- */

/* Other writes of the same value go when this one is whole. */
static int drop_copies_of(struct ms_upkeep_key *k, const struct ms_upkeep_verdict *v)
{
    bool whole = false;
    int kept = v->going_count && ms_upkeep_may_write(k->u)
                   ? ms_upkeep_kept_is_whole(k, v->stays, &whole, NULL)
                   : 0;
    if (kept)
        return kept;
    for (size_t i = 0; i < v->going_count; i++)
        for (size_t p = 0; p < v->going[i]->count; p++) {
            const struct ms_upkeep_place *place = &v->going[i]->places[p];
            bool may = whole && ms_upkeep_may_write(k->u);
            int code =
                may ? ms_upkeep_remove(k->u, &k->at.site, &v->going[i]->shape, place, NULL) : 0;
            if (ms_upkeep_fatal(code))
                return code;
            k->repaired |= may && !code;
            k->failed |= code != 0;
            k->wanting |= !may;
            ms_upkeep_found(k->u, MS_FIND_SURPLUS, place->member, k->item->path, k->item->key,
                            may && !code, "the value was stored again, and is whole");
        }
    return 0;
}

static int look_after(struct ms_upkeep_key *k, struct ms_error *err)
{
    struct ms_upkeep_verdict v = {0};
    bool buried = false;
    int code = ms_upkeep_bury(k, &buried, err);
    if (!code && !buried && ms_upkeep_being_deleted(k))
        return leave_alone(k, err);
    if (!code && !buried)
        code = ms_upkeep_judge(k, &v, err);
    if (!code && v.stays)
        code = ms_upkeep_fix(k, v.stays, err);
    if (!code && v.stays)
        code = drop_copies_of(k, &v);
    return code;
}

/* The live item, then the soft-deleted one. */
static int for_both(struct ms_upkeep_key *k,
                    int (*fn)(struct ms_upkeep_key *k, struct ms_error *err), struct ms_error *err)
{
    static const enum ms_own_mark marks[] = {MS_OWN_LIVE, MS_OWN_SOFT_DELETED};
    int code = 0;
    for (unsigned i = 0; i < 2 && !code; i++) {
        k->mark = marks[i];
        k->tomb = k->tombs[i];
        k->at.site.deleted = i == 1;
        code = fn(k, err);
    }
    return code;
}

static enum ms_upkeep_end end_of(const struct ms_upkeep_key *k)
{
    bool unseen = ms_upkeep_any_silent(k->u, k->item->silent);
    return k->conflict                             ? MS_KEY_CONFLICT
           : k->lost                               ? MS_KEY_LOST
           : k->failed || (k->unjudged && !unseen) ? MS_KEY_FAILED
           : k->wanting                            ? MS_KEY_WANTING
           : k->unjudged                           ? MS_KEY_UNSEEN
           : k->repaired                           ? MS_KEY_REPAIRED
           : k->moved                              ? MS_KEY_MOVED
           : k->changing || k->resting             ? MS_KEY_BUSY
                                                   : MS_KEY_WELL;
}

/* Such keys tell nothing about members that were away, unless they were deleted meanwhile. */
static bool may_be_missed(const struct ms_upkeep_key *k)
{
    bool deleted = k->tombs[0].there || k->tombs[1].there;
    return (k->conflict || k->lost) && (deleted || k->failed || k->unjudged);
}

/* Of a key that was left alone: an item that was deleted, at a member that has missed something.
 * Once the member is believed again nobody can tell what the deletion left there from a value. (Of
 * a key that notes lead to this is seen once more, when intents have been finished.) */
static bool may_have_kept(const struct ms_upkeep_key *k)
{
    bool may = false;
    for (size_t i = 0; i < k->count && k->changing && !k->u->by_notes; i++) {
        const struct ms_upkeep_write *w = &k->writes[i];
        for (size_t p = 0; p < w->count; p++) {
            const struct ms_member *m = k->u->roster->members[w->places[p].member];
            may |=
                k->tombs[w->shape.mark == MS_OWN_SOFT_DELETED].there && m && ms_member_returning(m);
        }
    }
    return may;
}

static int key_new(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                   struct ms_upkeep_key **out, struct ms_error *err)
{
    struct ms_upkeep_key *k = calloc(1, sizeof *k);
    if (!k)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to look after a key");
    k->u = u;
    k->item = item;
    *out = k;
    return 0;
}

static void key_free(struct ms_upkeep_key *k)
{
    for (size_t i = 0; i < k->count; i++)
        free(k->writes[i].places);
    free(k->writes);
    free(k->puts);
    free(k);
}

int ms_upkeep_immutable_key(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                            struct ms_error *err)
{
    struct ms_error why = {0};
    struct ms_upkeep_key *k = NULL;
    int code = key_new(u, item, &k, err);
    if (code)
        return code;
    code = ms_upkeep_site_of(u, item->path, item->key, &k->at, &why);
    if (code) {
        code = ms_upkeep_fatal(code) ? code : ms_upkeep_stranger(u, item, &why);
    } else {
        code = gather(k, err);
        if (!code)
            code = clear_staged(k);
        if (!code && k->count && !k->changing)
            code = for_both(k, look_after, err);
        if (!code && k->count)
            ms_upkeep_key_done(u, item, end_of(k));
        if (!code && (may_be_missed(k) || may_have_kept(k) || k->resting))
            ms_upkeep_unsettled(u);
    }
    key_free(k);
    return code;
}

int ms_upkeep_spoiled_key(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                          struct ms_error *err)
{
    struct ms_upkeep_key *k = NULL;
    int code = key_new(u, item, &k, err);
    if (code)
        return code;
    code = ms_upkeep_site_of(u, item->path, item->key, &k->at, err);
    if (!code)
        code = gather(k, err);
    if (!code)
        code = for_both(k, ms_upkeep_clear_spoiled, err);
    key_free(k);
    return code;
}

int ms_upkeep_immutable_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                              struct ms_view path, struct ms_view after, struct ms_error *err)
{
    if (space->kind != MS_KIND_IMMUTABLE)
        return 0;
    return ms_upkeep_keys(u, space, path, after, ms_upkeep_kinds(space->kind),
                          ms_upkeep_immutable_key, err);
}
