/* mstore/upkeep_mutable.c - one mutable key: whether its newest version is on every voter with
 * nothing below it. Putting that right is the register's own business (mstore/mutable_heal.c);
 * here it is told apart, looked at for damage, and brought from members that are no voters any
 * more. */
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "mstore/mutable.h"
#include "mstore/versions.h"

#include <stdlib.h>

struct key {
    struct ms_upkeep *u;
    const struct ms_upkeep_item *item;
    struct ms_upkeep_site at;
    struct ms_versions *seen;  /* what voters have */
    struct ms_versions *after; /* what they have after an attempt to heal it; NULL: not known */
    struct ms_version version; /* the newest, of whoever has it */
    bool found, wanting, repaired, moved, failed, foreign;
    bool unseen; /* a voter did not answer */
};

/* ---- what is there ---- */

static unsigned member_of(const struct key *k, unsigned voter)
{
    return k->seen->voter[voter].index;
}

static unsigned voter_of(const struct key *k, unsigned member)
{
    for (unsigned i = 0; i < k->seen->count; i++)
        if (member_of(k, i) == member)
            return i;
    return k->seen->count;
}

static struct ms_held held_of(const struct ms_object *o)
{
    return (struct ms_held){.version = {.id = o->name.id,
                                        .size = o->name.size,
                                        .mark = o->name.mark,
                                        .k = o->name.k,
                                        .m = o->name.m},
                            .index = o->name.index,
                            .mtime_ns = o->mtime_ns};
}

/* Of a voter the name alone may lie there: the form with data tells how it is cut. */
static void take_newest(struct key *k, const struct ms_version *one)
{
    int order = k->found ? ms_write_id_compare(&one->id, &k->version.id) : 1;
    if (order > 0 || (order == 0 && !k->version.k && one->k))
        k->version = *one;
    k->found = true;
}

static bool is_over(const struct key *k, const struct ms_version *deletion)
{
    for (size_t i = 0; i < k->item->count; i++) {
        struct ms_held h = held_of(&k->item->objects[i]);
        if (ms_version_is_end(&h.version) && ms_write_id_compare(&h.version.id, &deletion->id) == 0)
            return deletion->mark == MS_OWN_DELETED;
    }
    return false;
}

static int gather(struct key *k, struct ms_error *err)
{
    int code = ms_versions_new(&k->at.site, &k->seen, err);
    if (code)
        return code;
    for (unsigned i = 0; i < k->seen->count; i++)
        k->seen->voter[i].asked = k->seen->voter[i].answered = !k->item->silent[member_of(k, i)];
    for (size_t i = 0; i < k->item->count && !code; i++) {
        const struct ms_object *o = &k->item->objects[i];
        struct ms_held held = held_of(o);
        unsigned voter = voter_of(k, o->member);
        if (o->name.level != k->at.site.level)
            continue;
        k->foreign |= voter == k->seen->count;
        if (voter < k->seen->count)
            code = ms_versions_add(k->seen, voter, &held, err);
        if (!is_over(k, &held.version))
            take_newest(k, &held.version);
    }
    return code;
}

/* ---- what is told ---- */

/* An object below the newest version. */
static bool is_older(const struct key *k, const struct ms_held *held)
{
    return !k->found || ms_write_id_compare(&held->version.id, &k->version.id) < 0;
}

static bool has_older(const struct key *k, const struct ms_voter *v)
{
    bool has = false;
    for (size_t h = 0; h < v->count && !has; h++)
        has = is_older(k, &v->held[h]);
    return has;
}

/* The newest version, or one that came later. */
static bool has_newest(const struct key *k, const struct ms_voter *v)
{
    bool has = !k->found;
    for (size_t h = 0; h < v->count && !has; h++)
        has = !is_older(k, &v->held[h]);
    return has;
}

static bool has_object(const struct ms_voter *v, const struct ms_write_id *id)
{
    bool has = false;
    for (size_t h = 0; h < v->count && !has; h++)
        has = ms_write_id_compare(&v->held[h].version.id, id) == 0;
    return has;
}

static void look_at_voter(struct key *k, unsigned i)
{
    const struct ms_voter *v = &k->seen->voter[i];
    k->unseen |= !v->answered;
    k->wanting |= v->answered &&
                  ((k->found && !ms_versions_held(k->seen, i, &k->version)) || has_older(k, v));
}

/* What was found, and whether it is so no more. */
static void tell_voter(struct key *k, unsigned i)
{
    const struct ms_voter *v = &k->seen->voter[i];
    const struct ms_voter *now =
        k->after && k->after->voter[i].answered ? &k->after->voter[i] : NULL;
    unsigned member = member_of(k, i);
    if (v->answered && k->found && !ms_versions_held(k->seen, i, &k->version))
        ms_upkeep_found(k->u, MS_FIND_WANTING, member, k->item->path, k->item->key,
                        now && has_newest(k, now), "the newest version is missing");
    for (size_t h = 0; v->answered && h < v->count; h++)
        if (is_older(k, &v->held[h]))
            ms_upkeep_found(k->u, MS_FIND_DEBRIS, member, k->item->path, k->item->key,
                            now && !has_object(now, &v->held[h].version.id),
                            "an older version, %016llx",
                            (unsigned long long)v->held[h].version.id.counter);
}

/* True: what this voter has is not as it should be, and why was told. */
static bool tell_left(struct key *k, unsigned i)
{
    const struct ms_voter *v = &k->after->voter[i];
    const char *what = !v->answered        ? "it did not answer"
                       : !has_newest(k, v) ? "the newest version could not be written"
                       : has_older(k, v)   ? "older versions could not be removed"
                                           : NULL;
    if (what)
        ms_upkeep_found(k->u, MS_FIND_FAILED, member_of(k, i), k->item->path, k->item->key, false,
                        "%s%s%s", what, v->why.code ? ": " : "", v->why.code ? v->why.text : "");
    return what;
}

/* It could not be healed, altogether. */
static void tell_failed(struct key *k, int code, const struct ms_error *why)
{
    bool told = false;
    k->failed = true;
    for (unsigned i = 0; !code && k->after && i < k->after->count; i++)
        told |= tell_left(k, i);
    if (!told)
        ms_upkeep_found(k->u, MS_FIND_FAILED, MS_UPKEEP_NOBODY, k->item->path, k->item->key, false,
                        "%s", code ? why->text : "what a deletion has left could not be removed");
}

/* ---- damage ---- */

static struct ms_value_shape shape_of(const struct key *k)
{
    struct ms_value_shape s = {.kind = MS_OWN_OBJECT,
                               .id = k->version.id,
                               .named_size = k->version.size,
                               .mark = k->version.mark,
                               .k = k->version.k,
                               .m = k->version.m,
                               .zstd = k->at.site.space->compress};
    ms_value_id_of_name(&s);
    return s;
}

/* All objects of the newest version that have data. */
static int data_of(const struct key *k, struct ms_upkeep_write *out, struct ms_error *err)
{
    *out = (struct ms_upkeep_write){.shape = shape_of(k)};
    out->places = calloc(k->item->count + 1, sizeof *out->places);
    if (!out->places)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key's objects");
    for (size_t i = 0; i < k->item->count; i++) {
        const struct ms_object *o = &k->item->objects[i];
        struct ms_held held = held_of(o);
        if (o->name.level == k->at.site.level && held.version.k &&
            ms_version_equal(&held.version, &k->version))
            out->places[out->count++] = (struct ms_upkeep_place){.member = (uint16_t)o->member,
                                                                 .shard = (uint8_t)o->name.index,
                                                                 .state = MS_PLACE_GOOD,
                                                                 .bytes = o->stored_bytes};
    }
    ms_upkeep_count(out);
    return 0;
}

/* Writes objects of the newest version; those that fail are told. */
static int put_objects(struct key *k, const struct ms_upkeep_write *w, struct ms_upkeep_put puts[],
                       size_t count, struct ms_error *err)
{
    struct ms_error why = {0};
    int code = ms_upkeep_rebuild(k->u, &k->at.site, w, NULL, puts, count, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    for (size_t i = 0; i < count; i++) {
        if (!puts[i].code)
            continue;
        k->failed = true;
        ms_upkeep_found(k->u, MS_FIND_FAILED, puts[i].member, k->item->path, k->item->key, false,
                        "the newest version could not be written: %s",
                        code ? why.text : puts[i].why.text);
    }
    return 0;
}

static int mend(struct key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    struct ms_upkeep_put *puts = calloc(w->count + 1, sizeof *puts);
    size_t count = 0;
    if (!puts)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to repair a value");
    for (size_t i = 0; i < w->count; i++) {
        const struct ms_upkeep_place *p = &w->places[i];
        if (p->state != MS_PLACE_DAMAGED)
            continue;
        puts[count++] = (struct ms_upkeep_put){.member = p->member, .shard = p->shard};
    }
    bool may = ms_upkeep_may_write(k->u);
    int code = count && may ? put_objects(k, w, puts, count, err) : 0;
    for (size_t i = 0; i < count; i++)
        ms_upkeep_found(k->u, MS_FIND_DAMAGED, puts[i].member, k->item->path, k->item->key,
                        may && !code && !puts[i].code, "the newest version does not verify");
    k->repaired |= count && may;
    k->wanting |= count && !may;
    free(puts);
    return code;
}

static int check_data(struct key *k, struct ms_error *err)
{
    struct ms_upkeep_write w;
    char digest[65];
    if (!k->u->options.deep || !k->found || !k->version.k)
        return 0;
    int code = data_of(k, &w, err);
    for (size_t i = 0; i < w.count && !code; i++)
        code = ms_upkeep_verify(k->u, &k->at.site, &w.shape, &w.places[i], err);
    ms_upkeep_count(&w);
    if (!code && w.shape.m && w.distinct >= w.shape.k) {
        struct ms_error why = {0};
        int one = ms_upkeep_consistent(k->u, &k->at.site, &w, digest, &why);
        code = ms_upkeep_fatal(one) ? ms_error_set(err, one, "%s", why.text) : 0;
        k->failed |= one != 0;
        if (one && !code)
            ms_upkeep_not_compared(k->u, k->item, one, &why);
    }
    if (!code)
        code = mend(k, &w, err);
    free(w.places);
    return code;
}

/* ---- members that are no voters (any more) ---- */

/* A name without data: of a deletion, or at a witness. */
static int put_name(struct key *k, unsigned member, struct ms_error *err)
{
    struct ms_value_shape shape = shape_of(k);
    struct ms_buf *empty = ms_buf_new(0);
    struct ms_member *m = NULL;
    struct ms_name name;
    if (!empty)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a version");
    int code = ms_value_member(&k->at.site, member, &m, err);
    if (!code)
        code = ms_value_name(&k->at.site, &shape, MS_VALUE_MARK, &name, err);
    if (!code)
        code = ms_member_store(m, ms_name_view(&name), empty, NULL, NULL, err);
    ms_buf_unref(empty);
    if (!code)
        ms_upkeep_changed(k->u, member, 1, 0);
    return code;
}

/* One that no voter has yet, rather the voter's own. */
static unsigned shard_for(const struct key *k, unsigned voter, bool given[])
{
    unsigned shards = k->version.k + k->version.m, own = k->seen->voter[voter].shard;
    if (!k->version.m)
        return 0;
    for (unsigned i = 0; i < k->seen->count; i++) {
        const struct ms_held *held = ms_versions_held(k->seen, i, &k->version);
        if (held && !k->seen->voter[i].witness)
            given[held->index] = true;
    }
    unsigned shard = own < shards && !given[own] ? own : 0;
    while (shard < shards && given[shard])
        shard++;
    shard = shard < shards ? shard : own;
    given[shard] = true;
    return shard;
}

/* Every voter that lacks the newest version gets it, from whoever has it. */
static int bring(struct key *k, struct ms_error *err)
{
    struct ms_upkeep_put *puts = calloc(k->seen->count + 1, sizeof *puts);
    struct ms_upkeep_write w = {0};
    bool given[MS_SHARDS_MAX + 1] = {false};
    size_t count = 0;
    int code = puts ? data_of(k, &w, err)
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to move a value");
    for (unsigned i = 0; i < k->seen->count && !code; i++) {
        if (!k->seen->voter[i].answered || ms_versions_held(k->seen, i, &k->version))
            continue;
        if (k->seen->voter[i].witness || !k->version.k) {
            int one = put_name(k, member_of(k, i), err);
            code = ms_upkeep_fatal(one) ? one : 0;
            k->failed |= one != 0;
        } else {
            puts[count++] = (struct ms_upkeep_put){.member = (uint16_t)member_of(k, i),
                                                   .shard = (uint8_t)shard_for(k, i, given),
                                                   .absent = true};
        }
        k->moved = true;
    }
    if (!code && count)
        code = put_objects(k, &w, puts, count, err);
    free(w.places);
    free(puts);
    return code;
}

/* Once all voters hold the newest version, nobody needs it, or an older one, elsewhere. */
static int drop_foreign(struct key *k, bool whole)
{
    for (size_t i = 0; i < k->item->count; i++) {
        const struct ms_object *o = &k->item->objects[i];
        struct ms_held held = held_of(o);
        if (o->name.level != k->at.site.level || voter_of(k, o->member) < k->seen->count)
            continue;
        bool may = whole && ms_upkeep_may_move(k->u) && k->found &&
                   ms_write_id_compare(&held.version.id, &k->version.id) <= 0;
        struct ms_value_shape shape = shape_of(k);
        shape.id = held.version.id;
        shape.named_size = held.version.size;
        shape.mark = held.version.mark;
        shape.k = held.version.k ? held.version.k : 1;
        shape.m = held.version.m;
        struct ms_name name;
        int code = may ? ms_value_name(&k->at.site, &shape,
                                       held.version.k ? held.index : MS_VALUE_MARK, &name, NULL)
                       : MS_ERR_BUSY;
        if (!code)
            code = ms_member_delete(k->u->roster->members[o->member], ms_name_view(&name), NULL);
        if (ms_upkeep_fatal(code))
            return code;
        if (!code)
            ms_upkeep_changed(k->u, o->member, 0, 1);
        k->moved |= !code;
        k->failed |= code && may && code != MS_ERR_NOT_FOUND;
        ms_upkeep_found(k->u, MS_FIND_SURPLUS, o->member, k->item->path, k->item->key, !code,
                        "a version need not be here");
    }
    return 0;
}

/* ---- the key ---- */

static bool needs_heal(const struct key *k)
{
    return k->wanting || !k->found || k->version.mark == MS_OWN_DELETED;
}

/* Ends of deletions may have gone after what was seen last. */
static void look_again(struct key *k)
{
    struct ms_versions *v = NULL;
    if (k->found || !k->after || ms_versions_new(&k->at.site, &v, NULL))
        return;
    if (!ms_versions_list(v, v->count, NULL)) {
        ms_versions_free(k->after);
        k->after = MS_TAKE(v);
    }
    ms_versions_free(v);
}

static int put_right(struct key *k, struct ms_error *err)
{
    struct ms_error why = {0};
    bool whole = true, wanted = k->wanting;
    int code = 0;
    if (k->u->task == MS_UPKEEP_REBALANCE && k->found && (k->foreign || k->version.m))
        code = bring(k, err);
    if (code || !needs_heal(k))
        return code ? code : drop_foreign(k, !k->failed && !k->unseen);
    code = ms_mutable_heal_seen(&k->at.site, &whole, &k->after, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    if (code || !whole)
        tell_failed(k, code, &why);
    look_again(k);
    k->repaired |= wanted && !k->failed && !k->unseen;
    k->wanting = false;
    return drop_foreign(k, !k->failed && !k->unseen);
}

static enum ms_upkeep_end end_of(const struct key *k)
{
    return k->failed     ? MS_KEY_FAILED
           : k->wanting  ? MS_KEY_WANTING
           : k->unseen   ? MS_KEY_UNSEEN
           : k->moved    ? MS_KEY_MOVED
           : k->repaired ? MS_KEY_REPAIRED
                         : MS_KEY_WELL;
}

static int look_after(struct key *k, struct ms_error *err)
{
    int code = gather(k, err);
    for (unsigned i = 0; !code && i < k->seen->count; i++)
        look_at_voter(k, i);
    if (!code)
        code = check_data(k, err);
    if (!code && ms_upkeep_may_write(k->u))
        code = put_right(k, err);
    else if (!code)
        code = drop_foreign(k, false);
    for (unsigned i = 0; !code && i < k->seen->count; i++)
        tell_voter(k, i);
    if (!code)
        ms_upkeep_key_done(k->u, k->item, end_of(k));
    return code;
}

int ms_upkeep_mutable_key(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                          struct ms_error *err)
{
    struct ms_error why = {0};
    struct key *k = calloc(1, sizeof *k);
    if (!k)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to look after a key");
    k->u = u;
    k->item = item;
    int code = ms_upkeep_site_of(u, item->path, item->key, &k->at, &why);
    if (!code)
        code = look_after(k, err);
    else if (!ms_upkeep_fatal(code))
        code = ms_upkeep_stranger(u, item, &why);
    ms_versions_free(k->seen);
    ms_versions_free(k->after);
    free(k);
    return code;
}

int ms_upkeep_mutable_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                            struct ms_view path, struct ms_view after, struct ms_error *err)
{
    if (space->kind != MS_KIND_MUTABLE)
        return 0;
    return ms_upkeep_keys(u, space, path, after, ms_upkeep_kinds(space->kind),
                          ms_upkeep_mutable_key, err);
}
