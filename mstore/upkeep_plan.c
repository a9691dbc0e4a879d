/* mstore/upkeep_plan.c - one write of an immutable key: which of its objects are to be where, which
 * are to be written, which may go.
 *
 * An object that is where it belongs stays, whichever shard it is, so that a change of the layout
 * moves no more than it must. heal is content with objects on other members whose copies count;
 * rebalance brings them home. Something goes only after all that is to stay has been read and
 * verified, and when every member has answered. */
#include "mstore/upkeep_immutable.h"

#include "mstore/layout_parts.h"
#include "mstore/staged.h"
#include "mstore/tombs.h"

#include <stdlib.h>

/* ---- the plan ---- */

/* Where the write's objects belong: as many members as it has objects. A write of another policy
 * than the namespace's is now keeps its own form. */
static unsigned objects_wanted(const struct ms_site *site, const struct ms_value_shape *shape)
{
    if (!ms_value_is_copy(shape))
        return ms_value_shards(shape);
    return site->space->redundancy == MS_REDUNDANCY_EC ? site->space->m + 1 : site->order.targets;
}

static bool takes_new(const struct ms_upkeep_key *k, unsigned i)
{
    const struct ms_site *site = &k->at.site;
    return site->roster->layout->members[site->order.member[i]].state == MS_ACTIVE;
}

/* A good object of the write on that member whose shard nobody kept yet; `best` before others. */
static struct ms_upkeep_place *place_on(struct ms_upkeep_write *w, unsigned member,
                                        const bool used[], unsigned best)
{
    struct ms_upkeep_place *found = NULL;
    bool copy = ms_value_is_copy(&w->shape);
    for (size_t i = 0; i < w->count; i++) {
        struct ms_upkeep_place *p = &w->places[i];
        if (p->member != member || p->state != MS_PLACE_GOOD || p->keep ||
            (!copy && used[p->shard]))
            continue;
        if (!found || p->shard == best)
            found = p;
    }
    return found;
}

static unsigned free_shard(const bool used[], unsigned best, unsigned shards)
{
    if (best < shards && !used[best])
        return best;
    for (unsigned i = 0; i < shards; i++)
        if (!used[i])
            return i;
    return shards;
}

struct planning {
    struct ms_upkeep_key *k;
    struct ms_upkeep_write *w;
    bool copy, used[MS_SHARDS_MAX + 1], served[MS_MEMBERS_MAX]; /* shards; members */
    unsigned shards, wanted;
};

static void keep(struct planning *p, struct ms_upkeep_place *place)
{
    place->keep = true;
    p->used[place->shard] = true;
    p->served[place->member] = true;
}

/* What lies right already: first the shard that would be put there, then any. */
static void keep_at_home(struct planning *p)
{
    const struct ms_order *order = &p->k->at.site.order;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < p->wanted; i++) {
            unsigned best = p->copy ? 0 : i;
            if (p->served[order->member[i]] || !takes_new(p->k, i))
                continue;
            struct ms_upkeep_place *place = place_on(p->w, order->member[i], p->used, best);
            if (place && (pass || place->shard == best))
                keep(p, place);
        }
}

/* Elsewhere, where copies count: as good for heal. */
static struct ms_upkeep_place *elsewhere(struct planning *p, unsigned shard)
{
    const struct ms_layout *l = p->k->u->roster->layout;
    for (size_t i = 0; i < p->w->count; i++) {
        struct ms_upkeep_place *place = &p->w->places[i];
        enum ms_member_state state = l->members[place->member].state;
        if (place->state == MS_PLACE_GOOD && !place->keep && place->shard == shard &&
            !p->served[place->member] && (state == MS_ACTIVE || state == MS_READONLY))
            return place;
    }
    return NULL;
}

static const struct ms_upkeep_place *damaged_at(const struct ms_upkeep_write *w, unsigned member,
                                                unsigned shard)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->places[i].member == member && w->places[i].shard == shard &&
            w->places[i].state == MS_PLACE_DAMAGED)
            return &w->places[i];
    return NULL;
}

/* The member at place i of the order has nothing that counts. */
static void fill_gap(struct planning *p, unsigned i)
{
    struct ms_upkeep_key *k = p->k;
    unsigned member = k->at.site.order.member[i];
    unsigned shard = p->copy ? 0 : free_shard(p->used, i, p->shards);
    if (shard == p->shards)
        return;
    struct ms_upkeep_place *other = k->u->task == MS_UPKEEP_REBALANCE ? NULL : elsewhere(p, shard);
    if (other) {
        keep(p, other);
        return;
    }
    p->used[shard] = true;
    if (k->item->silent[member]) {
        k->unjudged = true;
        return;
    }
    k->puts[k->put_count++] = (struct ms_upkeep_put){
        .member = (uint16_t)member,
        .shard = (uint8_t)shard,
        .absent = !damaged_at(p->w, member, shard),
        .moved = elsewhere(p, shard) != NULL,
    };
}

static int make_plan(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    struct planning p = {
        .k = k, .w = w, .copy = ms_value_is_copy(&w->shape), .shards = ms_value_shards(&w->shape)};
    const struct ms_order *order = &k->at.site.order;
    p.wanted = objects_wanted(&k->at.site, &w->shape);
    p.wanted = p.wanted < order->data ? p.wanted : order->data;
    free(k->puts);
    k->puts = calloc(p.wanted + 1, sizeof *k->puts);
    k->put_count = 0;
    if (!k->puts)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to repair a value");
    for (size_t i = 0; i < w->count; i++)
        w->places[i].keep = false;
    keep_at_home(&p);
    for (unsigned i = 0; i < p.wanted; i++)
        if (takes_new(k, i) && !p.served[order->member[i]])
            fill_gap(&p, i);
    for (unsigned s = 0; s < p.shards && !p.copy;
         s++) { /* more shards than members that take any */
        struct ms_upkeep_place *other = p.used[s] ? NULL : elsewhere(&p, s);
        if (other)
            keep(&p, other);
    }
    return 0;
}

/* ---- doing it ---- */

/* What was written is renamed, unless the key has been deleted since it was looked at. */
static int settle_puts(struct ms_upkeep_key *k, const struct ms_upkeep_write *w)
{
    const struct ms_site *site = &k->at.site;
    struct ms_tomb now = {0};
    int code = ms_tombs_look(site, &now, NULL);
    bool newer = now.there && (!k->tomb.there || ms_write_id_compare(&now.id, &k->tomb.id) > 0);
    if (!code && newer)
        code = MS_ERR_CONFLICT;
    for (size_t i = 0; i < k->put_count; i++) {
        struct ms_upkeep_put *put = &k->puts[i];
        struct ms_member *m = k->u->roster->members[put->member];
        if (!code && !put->code)
            put->code = ms_staged_settle(site, &w->shape, m, put->shard, put->stage, put->absent,
                                         &put->why);
        if (put->code == MS_ERR_EXISTS)
            put->code = 0;
        if (m && (code || put->code))
            ms_staged_drop(site, &w->shape, m, put->shard, put->stage);
    }
    return code;
}

void ms_upkeep_tell_damaged(struct ms_upkeep_key *k, const struct ms_value_shape *shape,
                            unsigned member, unsigned shard, bool fixed)
{
    ms_upkeep_found(k->u, MS_FIND_DAMAGED, member, k->item->path, k->item->key, fixed,
                    "%s %u does not verify", ms_value_is_copy(shape) ? "copy" : "shard", shard);
}

/* tried: writing them; done: the value could be read, and the key is still there. */
static void tell_puts(struct ms_upkeep_key *k, const struct ms_upkeep_write *w, bool tried,
                      bool done)
{
    for (size_t i = 0; i < k->put_count; i++) {
        const struct ms_upkeep_put *put = &k->puts[i];
        bool fixed = done && !put->code;
        const char *what = ms_value_is_copy(&w->shape) ? "copy" : "shard";
        if (tried && put->code)
            ms_upkeep_found(k->u, MS_FIND_FAILED, put->member, k->item->path, k->item->key, false,
                            "%s %u could not be written: %s", what, put->shard, put->why.text);
        if (!put->absent) {
            ms_upkeep_tell_damaged(k, &w->shape, put->member, put->shard, fixed);
            continue;
        }
        ms_upkeep_found(k->u, put->moved ? MS_FIND_SURPLUS : MS_FIND_WANTING, put->member,
                        k->item->path, k->item->key, fixed,
                        put->moved ? "%s %u is elsewhere" : "%s %u is missing", what, put->shard);
    }
}

static int write_missing(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = ms_upkeep_rebuild(k->u, &k->at.site, w, k->sha256[0] ? k->sha256 : NULL, k->puts,
                                 k->put_count, &why);
    if (!code)
        code = settle_puts(k, w);
    for (size_t i = 0; i < k->put_count; i++) {
        k->failed |= code || k->puts[i].code;
        k->moved |= k->puts[i].moved;
        k->repaired |= !k->puts[i].moved;
    }
    tell_puts(k, w, true, !code);
    if (code && !ms_upkeep_fatal(code))
        ms_upkeep_found(k->u, MS_FIND_FAILED, MS_UPKEEP_NOBODY, k->item->path, k->item->key, false,
                        "it could not be put right: %s",
                        why.text[0] ? why.text : ms_code_text(code));
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    return 0;
}

/* All that is kept, and all that was written, is read once more before anything goes. */
int ms_upkeep_kept_is_whole(struct ms_upkeep_key *k, struct ms_upkeep_write *w, bool *whole,
                            struct ms_error *err)
{
    *whole = !k->failed && !k->unjudged && k->complete;
    for (size_t i = 0; i < w->count && *whole; i++) {
        struct ms_upkeep_place *p = &w->places[i];
        int code =
            p->keep && !p->checked ? ms_upkeep_verify(k->u, &k->at.site, &w->shape, p, err) : 0;
        if (code)
            return code;
        *whole = !p->keep || p->state == MS_PLACE_GOOD;
    }
    for (size_t i = 0; i < k->put_count && *whole; i++) {
        struct ms_upkeep_place p = {.member = k->puts[i].member, .shard = k->puts[i].shard};
        int code = ms_upkeep_verify(k->u, &k->at.site, &w->shape, &p, err);
        if (code)
            return code;
        *whole = p.state == MS_PLACE_GOOD;
    }
    return 0;
}

static bool was_replaced(const struct ms_upkeep_key *k, const struct ms_upkeep_place *p)
{
    for (size_t i = 0; i < k->put_count; i++)
        if (k->puts[i].member == p->member && k->puts[i].shard == p->shard)
            return true;
    return false;
}

static size_t count_going(const struct ms_upkeep_key *k, const struct ms_upkeep_write *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += !w->places[i].keep && !was_replaced(k, &w->places[i]) &&
                 (w->places[i].state == MS_PLACE_DAMAGED || w->places[i].state == MS_PLACE_GOOD);
    return count;
}

/* Damaged objects go once the rest is whole; good ones only where a run may move. */
static int remove_surplus(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    bool whole = false;
    int code = 0;
    if (!count_going(k, w))
        return 0;
    if (ms_upkeep_may_write(k->u))
        code = ms_upkeep_kept_is_whole(k, w, &whole, err);
    for (size_t i = 0; i < w->count && !code; i++) {
        struct ms_upkeep_place *p = &w->places[i];
        bool bad = p->state == MS_PLACE_DAMAGED;
        bool may = whole && (bad || ms_upkeep_may_move(k->u));
        if (p->keep || was_replaced(k, p) || (!bad && p->state != MS_PLACE_GOOD))
            continue;
        int one = may ? ms_upkeep_remove(k->u, &k->at.site, &w->shape, p, NULL) : 0;
        code = ms_upkeep_fatal(one) ? one : 0;
        k->moved |= may && !one;
        k->failed |= one || (bad && !may);
        k->misplaced |= !bad && !(may && !one);
        if (bad)
            ms_upkeep_tell_damaged(k, &w->shape, p->member, p->shard, may && !one);
        else
            ms_upkeep_found(k->u, MS_FIND_SURPLUS, p->member, k->item->path, k->item->key,
                            may && !one, "%s %u need not be here",
                            ms_value_is_copy(&w->shape) ? "copy" : "shard", p->shard);
    }
    return code;
}

int ms_upkeep_fix(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    int code = make_plan(k, w, err);
    if (code)
        return code;
    if (k->put_count && ms_upkeep_may_write(k->u))
        code = write_missing(k, w, err);
    else
        tell_puts(k, w, false, false);
    for (size_t i = 0; i < k->put_count && !ms_upkeep_may_write(k->u); i++)
        k->wanting = true;
    return code ? code : remove_surplus(k, w, err);
}
