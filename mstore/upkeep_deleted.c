/* mstore/upkeep_deleted.c - what deletions have left of an immutable key: at members that were
 * away, or since they were broken off. It goes into the trash; what may be of one under way is left
 * alone.
 */
#include "mstore/upkeep_immutable.h"

#include "mstore/age.h"
#include "mstore/immutable_parts.h"
#include "mstore/trash.h"

/* Younger objects under a tombstone may be of a store that is under way. */
#define LEFTOVER_AGE_NS ((int64_t)20 * 60 * 1000000000)

/* ---- tombstones ---- */

/* It is the newest one of the live or the soft-deleted item. */
static bool is_newest_tomb(const struct ms_upkeep_key *k, const struct ms_object *o, bool soft)
{
    return o->name.kind == MS_OWN_TOMBSTONE && ms_tombs_is_soft(o->name.mark) == soft &&
           ms_write_id_compare(&o->name.id, &k->tombs[soft].id) == 0;
}

/* Nobody is at work on that deletion any more. */
static bool is_settled(const struct ms_upkeep_key *k, bool soft)
{
    for (size_t i = 0; i < k->item->count; i++) {
        const struct ms_object *o = &k->item->objects[i];
        if (is_newest_tomb(k, o, soft) &&
            ms_age_is(&k->u->ages, k->u->roster, o->member, &o->name, o->mtime_ns, MS_WORK_NS))
            return true;
    }
    return false;
}

/* A member that has the newest tombstone of the item that is looked at was given a value of it
 * after that, by its own clock. */
static bool is_stored_after(const struct ms_upkeep_key *k)
{
    bool soft = k->mark == MS_OWN_SOFT_DELETED;
    for (size_t t = 0; t < k->item->count; t++) {
        const struct ms_object *tomb = &k->item->objects[t];
        for (size_t i = 0; i < k->item->count && is_newest_tomb(k, tomb, soft); i++) {
            const struct ms_object *o = &k->item->objects[i];
            if (o->member == tomb->member && o->name.kind == MS_OWN_VALUE &&
                o->name.mark == k->mark && tomb->mtime_ns > 0 && o->mtime_ns > tomb->mtime_ns)
                return true;
        }
    }
    return false;
}

/* Of the item at hand or of the other: still the deletion that was seen at first, it was not taken
 * back, and nobody is at work on it any more. */
static int is_same_deletion(const struct ms_upkeep_key *k, bool soft, bool *out,
                            struct ms_error *err)
{
    struct ms_site site = k->at.site;
    struct ms_tomb now = {0};
    site.deleted = soft;
    int code = ms_tombs_look(&site, &now, err);
    *out = !code && now.there && k->tombs[soft].there &&
           ms_write_id_compare(&now.id, &k->tombs[soft].id) == 0 && is_settled(k, soft);
    return code;
}

/* ---- what a deletion has left ---- */

/* Nothing that could be new. */
static bool is_aged(const struct ms_upkeep_key *k, const struct ms_upkeep_place *p)
{
    int64_t now = 0;
    return p->mtime_ns > 0 && !ms_upkeep_now_at(k->u, &k->at.site, p->member, &now, NULL) &&
           now - p->mtime_ns >= LEFTOVER_AGE_NS;
}

/* Only at members that were away when the key was deleted. */
static bool is_leftover(const struct ms_upkeep_key *k, const struct ms_upkeep_place *p)
{
    struct ms_member *m = k->u->roster->members[p->member];
    return m && ms_member_returning(m) && is_aged(k, p);
}

struct looking { /* context of a ms_trash_look */
    struct ms_upkeep_key *k;
    struct ms_upkeep_place place;
    struct ms_write_id id; /* of its write */
};

/* Into the trash: a store of the same key meanwhile brings it back. look: NULL, or another one. */
static int bury_one(struct ms_upkeep_key *k, const struct ms_value_shape *shape,
                    const struct ms_upkeep_place *place, ms_trash_look look)
{
    bool buried = false;
    struct looking l = {k, *place, shape->id};
    int code = look ? ms_trash_bury_if(&k->at.site, shape, place->member, place->shard, look, &l,
                                       &buried, NULL)
                    : ms_trash_bury(&k->at.site, shape, place->member, place->shard, &buried, NULL);
    if (code == MS_ERR_NOT_FOUND)
        return 0;
    if (!code && buried)
        ms_upkeep_changed(k->u, place->member, 0, 1);
    return code ? code : buried ? 0 : MS_ERR_BUSY;
}

static int clear_one(struct ms_upkeep_key *k, const struct ms_value_shape *shape,
                     const struct ms_upkeep_place *place, bool may, ms_trash_look look)
{
    may = may && ms_upkeep_may_write(k->u);
    int code = may ? bury_one(k, shape, place, look) : MS_ERR_BUSY;
    if (ms_upkeep_fatal(code))
        return code;
    k->repaired |= code == 0;
    k->failed |= code && ms_upkeep_may_write(k->u);
    k->wanting |= code != 0;
    ms_upkeep_found(k->u, MS_FIND_DEBRIS, place->member, k->item->path, k->item->key, code == 0,
                    "the key was deleted");
    return 0;
}

static int clear_leftovers(struct ms_upkeep_key *k)
{
    int code = 0;
    for (size_t i = 0; i < k->count; i++)
        for (size_t p = 0; p < k->writes[i].count && k->writes[i].shape.mark == k->mark && !code;
             p++) {
            const struct ms_upkeep_place *place = &k->writes[i].places[p];
            code = clear_one(k, &k->writes[i].shape, place, is_leftover(k, place), NULL);
        }
    return code;
}

/* The other item cannot do without what this one has left: it lacks shards, which come first. */
static bool is_lent(const struct ms_value_finding *f)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t p = 0; p < f->writes[i].count; p++)
            if (f->writes[i].places[p].other)
                return true;
    return false;
}

/* NOT_FOUND: the item was deleted. */
static int look_for(const struct ms_site *site, bool *lent, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = ms_value_find(site, 0, true, &f, err);
    if (!code)
        code = f.count ? ms_immutable_alive(site, &f, err) : MS_ERR_NOT_FOUND;
    *lent = is_lent(&f);
    ms_value_finding_fini(&f);
    return code;
}

/* The other item was deleted, too, so that it needs nothing. Whoever moves one to the other puts a
 * tombstone first: none that is new, after both were looked for, so nobody was amid that. */
static int is_needed(const struct ms_upkeep_key *k, bool *out, struct ms_error *err)
{
    struct ms_site other = k->at.site;
    bool lent = false, here = false, there = false;
    other.deleted = !other.deleted;
    int gone = look_for(&other, &lent, err);
    if (gone && gone != MS_ERR_NOT_FOUND)
        return gone;
    int code = is_same_deletion(k, false, &here, err);
    if (!code)
        code = is_same_deletion(k, true, &there, err);
    *out = !gone || !here || !there;
    return code;
}

int ms_upkeep_bury(struct ms_upkeep_key *k, bool *buried, struct ms_error *err)
{
    struct ms_error why = {0};
    bool lent = false;
    *buried = false;
    if (!k->tomb.there)
        return 0;
    int code = look_for(&k->at.site, &lent, &why);
    int told = code == MS_ERR_NOT_FOUND && lent ? is_needed(k, &lent, &why) : 0;
    code = told ? told : code;
    *buried = code != 0;
    if (code == MS_ERR_NOT_FOUND && !lent)
        return clear_leftovers(k);
    if (code == MS_ERR_NOT_FOUND)
        (void)!ms_error_set(&why, code, "it was deleted, and what is left of it is needed yet");
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    if (code) {
        k->unjudged = true;
        ms_upkeep_found(k->u, MS_FIND_UNJUDGED, MS_UPKEEP_NOBODY, k->item->path, k->item->key,
                        false, "%s", why.text);
    }
    return 0;
}

bool ms_upkeep_being_deleted(const struct ms_upkeep_key *k)
{
    bool soft = k->mark == MS_OWN_SOFT_DELETED;
    return k->tomb.there && !is_stored_after(k) && !is_settled(k, soft);
}

/* ---- a deletion that was broken off ---- */

/* As little as a deletion may leave, and older than any work. A value that was given to members
 * after the tombstone was stored again; one that came from the other item by a later move also
 * comes after it, as tombstones count. */
static bool is_remainder(const struct ms_upkeep_key *k)
{
    bool soft = k->mark == MS_OWN_SOFT_DELETED;
    bool is = k->complete && !is_stored_after(k) &&
              k->tombs[soft].id.counter > k->tombs[!soft].id.counter;
    for (size_t i = 0; i < k->count && is; i++) {
        const struct ms_upkeep_write *w = &k->writes[i];
        if (w->shape.mark != k->mark)
            continue;
        is = w->count < ms_immutable_needs(&k->at.site);
        for (size_t p = 0; p < w->count && is; p++)
            is = w->places[p].state != MS_PLACE_FAILED && is_aged(k, &w->places[p]);
    }
    return is;
}

/* Nobody has replaced it; or it is a shard of as little as before. */
static bool is_remainder_yet(void *ctx, const struct ms_site *site,
                             const struct ms_value_shape *staged)
{
    struct looking *l = ctx;
    struct ms_value_finding f = {0};
    if (ms_upkeep_verify(l->k->u, site, staged, &l->place, NULL) ||
        l->place.state == MS_PLACE_FAILED)
        return false;
    if (l->place.state == MS_PLACE_DAMAGED || ms_value_is_copy(staged))
        return l->place.state == MS_PLACE_DAMAGED;
    bool is = !ms_value_find(site, 0, true, &f, NULL) && f.answered == site->order.data;
    for (size_t i = 0; i < f.count && is; i++) {
        unsigned own = ms_write_id_compare(&f.writes[i].shape.id, &l->id) == 0;
        for (size_t p = 0; p < f.writes[i].count; p++)
            own += !f.writes[i].places[p].other;
        is = own < ms_immutable_needs(site);
    }
    ms_value_finding_fini(&f);
    return is;
}

static bool is_any_turning(const struct ms_upkeep_key *k)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->writes[i].shape.mark == k->mark && ms_upkeep_is_turning(k, &k->writes[i]))
            return true;
    return false;
}

static int may_end(const struct ms_upkeep_key *k, bool *out, struct ms_error *err)
{
    bool needed = false;
    *out = false;
    int code = is_remainder(k) ? is_same_deletion(k, k->mark == MS_OWN_SOFT_DELETED, out, err) : 0;
    if (!code && *out && is_any_turning(k))
        code = is_needed(k, &needed, err);
    *out = *out && !code && !needed;
    return code;
}

static int clear_all(struct ms_upkeep_key *k)
{
    int code = 0;
    for (size_t i = 0; i < k->count; i++)
        for (size_t p = 0; p < k->writes[i].count && k->writes[i].shape.mark == k->mark && !code;
             p++)
            code =
                clear_one(k, &k->writes[i].shape, &k->writes[i].places[p], true, is_remainder_yet);
    return code;
}

int ms_upkeep_end_deletion(struct ms_upkeep_key *k, bool *ended, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = may_end(k, ended, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    return *ended ? clear_all(k) : 0;
}

/* ---- a move that was broken off ---- */

/* Nothing of it makes a value, alone or with what the other item has. */
static int is_spoiled(struct ms_upkeep_key *k, struct ms_upkeep_write *w, bool *out,
                      struct ms_error *err)
{
    int code = 0;
    *out = w->count < ms_immutable_needs(&k->at.site) &&
           (ms_value_is_copy(&w->shape) || !ms_upkeep_is_turning(k, w));
    for (size_t p = 0; p < w->count && *out && !code; p++) {
        code = ms_upkeep_verify(k->u, &k->at.site, &w->shape, &w->places[p], err);
        *out = !code && w->places[p].state != MS_PLACE_FAILED;
    }
    ms_upkeep_count(w);
    *out = *out && w->distinct < w->shape.k;
    return code;
}

int ms_upkeep_clear_spoiled(struct ms_upkeep_key *k, struct ms_error *err)
{
    bool spoiled = k->complete;
    int code = 0;
    for (size_t i = 0; i < k->count && spoiled && !code; i++)
        if (k->writes[i].shape.mark == k->mark)
            code = is_spoiled(k, &k->writes[i], &spoiled, err);
    return code || !spoiled ? code : clear_all(k);
}
