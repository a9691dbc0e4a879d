/* mstore/immutable_delete.c - deleting an immutable key, and not letting it come back.
 *
 *     1  which objects are where: everybody is asked
 *     2  a tombstone on a majority: from here on the deletion will be finished by whoever sees it
 *     3  the objects are deleted at all members that answer, as they are listed now: whoever puts
 *        one late (a straggler of a store) looks for a tombstone afterwards; before that what is
 *        staged (mstore/staged.h), so that it cannot become an object any more
 *     4  those that did not are noted, with the tombstone's name, and nobody believes them any more
 *        when the deletion is acknowledged (mstore/lease.h)
 *
 * A member that was away may still have a copy. What is found at such members alone, under a
 * tombstone, counts when it is as much as an acknowledged store leaves: a deletion that left as
 * much is not acknowledged.
 *
 * A soft delete and an undelete (mstore/immutable_move.c) are the same with renames in step 3: the
 * live item is deleted as it becomes the soft-deleted one, or the other way round. */
#include "mstore/immutable_parts.h"

#include "base/text.h"
#include "mstore/intent.h"
#include "mstore/lease.h"
#include "mstore/tombs.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

/* ---- step 3 --------------------------------------------------------------------------------- */

struct object {
    struct ms_value_shape shape;
    struct ms_value_place place;
};
struct removal { /* shared with the calls; a leg for each member of the order */
    struct ms_value_home home;
    bool turning; /* they are not deleted but become the other item's */
    struct object *objects;
    size_t count;
    unsigned turned[MS_MEMBERS_MAX]; /* by leg */
};

static void removal_free(void *shared)
{
    struct removal *r = shared;
    ms_value_home_fini(&r->home);
    free(r->objects);
    free(r);
}

static int remove_one(struct removal *r, unsigned leg, struct ms_member *m, const struct object *o,
                      struct ms_error *err)
{
    struct ms_value_shape shape = ms_value_place_shape(&o->shape, &o->place), turned;
    struct ms_name name, new_name;
    if (r->turning && o->place.other)
        return 0;
    turned = ms_value_place_shape(&shape, &(struct ms_value_place){.other = true});
    int code = ms_value_name(&r->home.site, &shape, o->place.shard, &name, err);
    if (!code)
        code = ms_value_name(&r->home.site, &turned, o->place.shard, &new_name, err);
    if (code)
        return code;
    if (!r->turning)
        return ms_member_delete(m, ms_name_view(&name), err);
    code = ms_member_move(m, ms_name_view(&name), ms_name_view(&new_name), NULL, err);
    r->turned[leg] += code == 0;
    return code;
}

static int remove_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct removal *r = shared;
    struct ms_member *m = NULL;
    unsigned member = r->home.site.order.member[leg];
    int code = ms_value_member(&r->home.site, member, &m, err);
    for (size_t i = 0; i < r->count && !code; i++) {
        const struct object *o = &r->objects[i];
        if (o->place.member != member)
            continue;
        code = remove_one(r, leg, m, o, err);
        if (code == MS_ERR_NOT_FOUND)
            code = 0;
    }
    return code;
}

enum what { REMOVE, TURN, STAGED };

static void fill(struct removal *r, const struct ms_value_finding *f, enum what what)
{
    for (size_t i = 0; i < f->staged_count && what == STAGED; i++)
        if (f->staged[i].shape.mark == ms_value_mark(&r->home.site))
            r->objects[r->count++] = (struct object){f->staged[i].shape, f->staged[i].place};
    for (size_t i = 0; i < f->count && what != STAGED; i++)
        for (size_t p = 0; p < f->writes[i].count; p++)
            r->objects[r->count++] = (struct object){f->writes[i].shape, f->writes[i].places[p]};
}

static int removal_new(const struct ms_site *site, const struct ms_value_finding *f, enum what what,
                       struct removal **out, struct ms_error *err)
{
    struct removal *r = calloc(1, sizeof *r);
    size_t count = f->staged_count;
    for (size_t i = 0; i < f->count; i++)
        count += f->writes[i].count;
    if (r)
        r->objects = calloc(count + 1, sizeof *r->objects);
    if (!r || !r->objects) {
        free(r);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for deleting a value");
    }
    int code = ms_value_home_init(&r->home, site, NULL, err);
    if (code) {
        free(r->objects);
        free(r);
        return code;
    }
    fill(r, f, what);
    r->turning = what == TURN;
    *out = r;
    return 0;
}

static bool has_any(const struct removal *r, unsigned member)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->objects[i].place.member == member)
            return true;
    return false;
}

bool ms_immutable_is_returning(const struct ms_site *site, unsigned member)
{
    struct ms_member *m = site->roster->members[member];
    return m && ms_member_returning(m);
}

/* ---- step 4 --------------------------------------------------------------------------------- */

/* Everybody must know whom not to believe before the deletion counts. */
static int note_absent(const struct ms_site *site, struct ms_write_id tomb, const bool answered[],
                       struct ms_error *err)
{
    struct ms_value_shape shape = {.kind = MS_OWN_TOMBSTONE,
                                   .id = tomb,
                                   .named_size = MS_OWN_SIZE_UNKNOWN,
                                   .mark = ms_tombs_mark(site)};
    struct ms_value_place missing[MS_MEMBERS_MAX];
    size_t lacking = 0;
    for (unsigned i = 0; i < site->order.data; i++)
        if (!answered[i])
            missing[lacking++] = (struct ms_value_place){.member = site->order.member[i]};
    return lacking ? ms_value_missed(site, &shape, missing, lacking, NULL, NULL, err) : 0;
}

/* Members at which a copy may still appear: those that did not answer, and those of whom it is
 * noted that they lack something of this key, for that may be under way. */
static int count_doubtful(const struct ms_site *site, const bool answered[], unsigned *out,
                          struct ms_error *err)
{
    bool noted[MS_MEMBERS_MAX] = {0};
    unsigned left = 0, marked = 0;
    int code = 0;
    for (unsigned i = 0; i < site->order.data; i++) {
        left += !answered[i];
        marked += answered[i] && ms_immutable_is_returning(site, site->order.member[i]);
    }
    if (left < ms_immutable_needs(site) && left + marked >= ms_immutable_needs(site))
        code = ms_value_noted(site, noted, err);
    for (unsigned i = 0; i < site->order.data; i++)
        left += answered[i] && noted[site->order.member[i]];
    *out = left;
    return code;
}

/* What is left must be less than any acknowledged store leaves: only so a load can tell them apart
 * when it knows no member that was never away. */
static int check_leftovers(const struct ms_site *site, const bool answered[],
                           const struct ms_error *why, struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    unsigned left = 0;
    int code = count_doubtful(site, answered, &left, err);
    if (code || left < ms_immutable_needs(site))
        return code;
    if (!why->code)
        return ms_error_set(err, MS_ERR_BUSY,
                            "%s may not be deleted: earlier puts of it may still come to %u "
                            "members; run mstore heal, and try again a quarter of an hour later",
                            ms_value_shown(site, shown), left);
    return ms_error_set(err, why->code,
                        "%s may not be deleted: %u members did not say for good that theirs is "
                        "gone (%s)",
                        ms_value_shown(site, shown), left, why->text);
}

static unsigned count_own(const struct ms_value_write *w)
{
    unsigned count = 0;
    for (size_t i = 0; i < w->count; i++) {
        size_t same = 0;
        while (same < i && (w->places[same].other || w->places[same].shard != w->places[i].shard))
            same++;
        count += !w->places[i].other && (same == i || ms_value_is_copy(&w->shape));
    }
    return count;
}

unsigned ms_immutable_most(const struct ms_value_finding *f)
{
    unsigned most = 0;
    for (size_t i = 0; i < f->count; i++) {
        unsigned own = count_own(&f->writes[i]);
        most = own > most ? own : most;
    }
    return most;
}

struct removed {
    bool answered[MS_MEMBERS_MAX];
    unsigned found, turned; /* of one write */
    struct ms_error why;
};

/* What became the other item's must be as much as a store leaves, whoever has turned it. When every
 * member has turned what it had, has answered, and it is less, somebody has turned it back in the
 * same moment, or deleted it: then it does not count, and what is left of it is for heal; nothing
 * is left: NOT_FOUND. Or there was less before: it is all there is of the item, also where a member
 * misses something later, so an older deletion of the other item is taken back. */
static int check_turned(const struct ms_site *site, struct ms_write_id id,
                        const struct removed *done, struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    struct ms_site other = *site;
    struct ms_value_finding f = {0};
    unsigned most = 0, gave = 0;
    if (done->turned >= ms_immutable_needs(site))
        return 0;
    other.deleted = !site->deleted;
    int code = ms_value_find(&other, 0, true, &f, err);
    if (code)
        return code;
    most = ms_immutable_most(&f);
    for (unsigned i = 0; i < site->order.data; i++)
        gave += done->answered[i] && f.has_answered[i];
    const struct ms_error *why = f.why.code ? &f.why : &done->why;
    if (most < ms_immutable_needs(site) && gave < site->order.data)
        code = ms_error_set(
            err, why->code ? why->code : MS_ERR_CONNECTION,
            "%s is %s on %u members, %u are needed for it to count", ms_value_shown(site, shown),
            site->deleted ? "undeleted" : "soft-deleted", most, ms_immutable_needs(site));
    else if (!most)
        code = ms_immutable_nothing(site, err);
    else if (most < ms_immutable_needs(site) && done->found >= ms_immutable_needs(site))
        code =
            ms_error_set(err, MS_ERR_BUSY,
                         "%s was deleted or moved by somebody else in the same moment: look what "
                         "is there, and try again",
                         ms_value_shown(site, shown));
    else if (most < ms_immutable_needs(site))
        code = ms_tombs_supersede(&other, id.counter, err);
    ms_value_finding_fini(&f);
    return code;
}

/* Everybody gets a call who has something; who has nothing has answered. */
static int remove_from_all(const struct ms_site *site, const struct ms_value_finding *f,
                           enum what what, struct removed *out, struct ms_error *err)
{
    struct removal *r = NULL;
    struct ms_fan *fan = NULL;
    unsigned leg;
    *out = (struct removed){.found = ms_immutable_most(f), .why = f->why};
    int code = removal_new(site, f, what, &r, err);
    if (code)
        return code;
    code = ms_fan_new(site->order.data, remove_leg, removal_free, r, &fan, err);
    if (code) {
        removal_free(r);
        return code;
    }
    for (unsigned i = 0; i < site->order.data; i++) {
        out->answered[i] = f->has_answered[i];
        if (out->answered[i] && has_any(r, site->order.member[i])) {
            out->answered[i] = false;
            ms_fan_start(fan, i);
        }
    }
    while (ms_fan_next(fan, site->roster->clock, UINT64_MAX, &leg)) {
        out->answered[leg] = ms_fan_code(fan, leg) == 0;
        out->turned += r->turned[leg];
        if (!out->answered[leg])
            out->why = *ms_fan_error(fan, leg);
    }
    ms_fan_release(fan);
    return 0;
}

/* found: as much of it has been seen before. */
static int remove_all(const struct ms_site *site, const struct ms_value_finding *f,
                      struct ms_write_id tomb, bool turning, unsigned found, struct ms_error *err)
{
    struct removed done;
    int code = remove_from_all(site, f, turning ? TURN : REMOVE, &done, err);
    if (found > done.found)
        done.found = found;
    if (!code)
        code = check_leftovers(site, done.answered, &done.why, err);
    if (!code && turning)
        code = check_turned(site, tomb, &done, err);
    return code ? code : note_absent(site, tomb, done.answered, err);
}

/* What is staged goes first. Nothing that comes to be staged from now on is renamed: whoever puts
 * it looks for the tombstone afterwards. Members at which it may have stayed have not answered. */
static int find_settled(const struct ms_site *site, struct ms_value_finding *f,
                        struct ms_error *err)
{
    struct removed gone;
    int code = ms_value_find(site, 0, true, f, err);
    if (code || !f->staged_count)
        return code;
    code = remove_from_all(site, f, STAGED, &gone, err);
    ms_value_finding_fini(f);
    if (!code)
        code = ms_value_find(site, 0, true, f, err);
    for (unsigned i = 0; i < site->order.data && !code; i++) {
        f->has_answered[i] = f->has_answered[i] && gone.answered[i];
        if (!gone.answered[i] && !f->why.code)
            f->why = gone.why;
    }
    return code;
}

/* ---- deleting ------------------------------------------------------------------------------- */

static int delete_as(const struct ms_site *site, struct ms_write_id id, bool turning,
                     unsigned found, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = ms_tombs_put(site, id, err);
    if (!code)
        code = find_settled(site, &f, err);
    if (!code)
        code = remove_all(site, &f, id, turning, found, err);
    ms_value_finding_fini(&f);
    return code;
}

static int delete_found(const struct ms_site *site, struct ms_ids *ids, struct ms_error *err)
{
    struct ms_tomb newest = {0};
    int code = ms_tombs_look(site, &newest, err);
    struct ms_write_id id = {newest.last + 1, ms_ids_draw(ids)};
    return code ? code : delete_as(site, id, false, 0, err);
}

int ms_immutable_turn(const struct ms_site *site, struct ms_write_id id, unsigned found,
                      struct ms_error *err)
{
    struct ms_site other = *site;
    other.deleted = !site->deleted;
    int code = ms_immutable_revive(&other, err);
    return code ? code : delete_as(site, id, true, found, err);
}

int ms_immutable_delete(const struct ms_site *site, struct ms_ids *ids, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = ms_lease_trust(site->roster, MS_NEWS_AWAY, err);
    if (!code)
        code = ms_value_find(site, 0, true, &f, err);
    if (code)
        return code;
    if (f.count)
        code = ms_immutable_alive(site, &f, err);
    else
        code = ms_immutable_judge(site, &f, err);
    ms_value_finding_fini(&f);
    return code ? code : delete_found(site, ids, err);
}

/* ---- members that were away ----------------------------------------------------------------- */

/* A soft delete or undelete is under way, or was broken off: less than a store leaves may be all
 * there is under either name. */
static bool is_turning(const struct ms_site *site)
{
    bool there = false;
    return ms_intent_look(site, &there, NULL) || there;
}

bool ms_immutable_hidden(const struct ms_site *site, unsigned silent, unsigned lost)
{
    struct ms_tomb tomb = {0};
    if (!silent)
        return false;
    if (is_turning(site))
        return true;
    if (silent + lost < ms_immutable_needs(site))
        return false;
    return ms_tombs_look(site, &tomb, NULL) || (tomb.id.counter && !tomb.there);
}

int ms_immutable_doubt(const struct ms_site *site, bool *out, struct ms_error *err)
{
    bool marked = false;
    int code = ms_lease_trust(site->roster, MS_NEWS_AWAY, err);
    for (unsigned i = 0; i < site->order.data; i++)
        marked |= ms_immutable_is_returning(site, site->order.member[i]);
    *out = marked;
    return code;
}

int ms_immutable_revive(const struct ms_site *site, struct ms_error *err)
{
    bool doubt;
    int code = ms_immutable_doubt(site, &doubt, err);
    return code || !doubt ? code : ms_tombs_supersede(site, MS_TOMBS_ANY, err);
}

/* There is a tombstone, and all that was found is at members that were away: as much as an
 * acknowledged store leaves was stored after the deletion; less is a leftover, unless those who are
 * silent could make it more. */
static int judge_leftover(const struct ms_site *site, const struct ms_value_finding *f,
                          struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    unsigned most = ms_immutable_most(f), silent = site->order.data - f->answered;
    unsigned needs = ms_immutable_needs(site);
    if (most >= needs)
        return 0;
    if (most + silent < needs)
        return ms_immutable_nothing(site, err);
    return ms_error_set(
        err, f->why.code ? f->why.code : MS_ERR_CONNECTION,
        "%s: whether it was deleted cannot be told while %u members are silent (%s)",
        ms_value_shown(site, shown), silent, f->why.text);
}

int ms_immutable_alive(const struct ms_site *site, const struct ms_value_finding *f,
                       struct ms_error *err)
{
    struct ms_tomb tomb = {0};
    for (size_t i = 0; i < f->count; i++)
        for (size_t p = 0; p < f->writes[i].count; p++)
            if (!f->writes[i].places[p].other &&
                !ms_immutable_is_returning(site, f->writes[i].places[p].member))
                return 0;
    int code = ms_tombs_look(site, &tomb, err);
    return code || !tomb.there ? code : judge_leftover(site, f, err);
}

int ms_immutable_believe(const struct ms_site *site, const struct ms_immutable_where *w,
                         struct ms_error *err)
{
    struct ms_value_finding f = {0};
    struct ms_tomb tomb = {0};
    bool any = false;
    for (size_t i = 0; i < w->count; i++) {
        if (w->places[i].state != MS_PLACE_GOOD || w->places[i].other)
            continue;
        if (!ms_immutable_is_returning(site, w->places[i].member))
            return 0;
        any = true;
    }
    int code = any ? ms_tombs_look(site, &tomb, err) : 0;
    if (code || !tomb.there)
        return code;
    code = ms_value_find(site, 0, true, &f, err);
    if (!code)
        code = ms_immutable_alive(site, &f, err);
    ms_value_finding_fini(&f);
    return code;
}
