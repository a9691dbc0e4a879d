/* mstore/upkeep_missed.c - one key of a plain namespace, of which mirrors have missed changes
 * (mstore/plain_hint.h): what they missed is done there, and the note goes once a run has found
 * nothing left to do. */
#include "mstore/upkeep_plain.h"

#include "base/text.h"
#include "mstore/plain_parts.h"

#include <stdlib.h>

/* ---- who is behind ---- */

/* Members that keep values do not have the same of the item. */
static bool differs(const struct ms_mirrored *k, bool deleted)
{
    const struct ms_upkeep_copy *c = k->item->copies[deleted];
    const struct ms_order *order = &k->at.site.order;
    const struct ms_upkeep_copy *first = &c[order->member[0]];
    bool differ = false;
    for (unsigned i = 0; i < order->data; i++) {
        const struct ms_upkeep_copy *other = &c[order->member[i]];
        differ |= (i < order->targets || other->exists) &&
                  (first->exists != other->exists || first->size != other->size);
    }
    return differ;
}

static bool is_doubtful(const struct ms_mirrored *k)
{
    const struct ms_roster *r = k->u->roster;
    bool returning = false;
    for (size_t i = 0; i < r->layout->member_count; i++)
        returning |= r->members[i] && ms_member_returning(r->members[i]);
    return returning && (k->u->options.deep || differs(k, false) || differs(k, true));
}

static bool has_copy(const struct ms_mirrored *k, bool deleted)
{
    bool any = false;
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++)
        any |= k->item->copies[deleted][i].exists;
    return any;
}

/* One that has missed nothing does not have it, and that is so by a change, or on as many as a
 * change needs. */
static bool is_gone(const struct ms_mirrored *k, bool deleted)
{
    const struct ms_order *order = &k->at.site.order;
    unsigned without = 0;
    bool sure = false;
    for (unsigned i = 0; i < order->targets; i++) {
        unsigned member = order->member[i];
        bool has_none = !k->item->silent[member] && !k->old[deleted][member];
        without += has_none;
        sure |= has_none && !k->standing[deleted].behind[member];
    }
    return sure && (k->standing[deleted].removed || without >= ms_plain_quorum(order->targets));
}

/* Whether there is such a copy. */
static bool take_back(struct ms_mirrored *k, bool deleted, const bool whose[])
{
    struct ms_plain_standing *s = &k->standing[deleted];
    bool any = false;
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++)
        if (whose[i] && k->old[deleted][i]) {
            k->old[deleted][i] = s->behind[i] = false;
            any = k->item->copies[deleted][i].exists = true;
        }
    return any;
}

/* Where there is no other and the item is not known to be gone (a client that died has removed it
 * from a member or two), copies count that a late request could have spoiled; then those of who has
 * missed nothing that was acknowledged: they are as new as the last change that was. */
static void set_aside(struct ms_mirrored *k, bool deleted)
{
    struct ms_plain_standing *s = &k->standing[deleted];
    struct ms_upkeep_copy *c = k->item->copies[deleted];
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++) {
        k->old[deleted][i] = s->behind[i] && c[i].exists;
        c[i].exists &= !s->behind[i];
    }
    if (!has_copy(k, deleted) && !is_gone(k, deleted) && !take_back(k, deleted, s->spoiled))
        (void)take_back(k, deleted, s->acknowledged);
}

/* What is done about mirrors lasts: who may be behind or not is none to judge by. */
static int standing_of(struct ms_mirrored *k, bool deleted, struct ms_error *err)
{
    struct ms_plain_standing *s = &k->standing[deleted];
    int code = ms_plain_behind(&k->at.site, deleted, k->item->noted, s, err);
    for (size_t i = 0; i < k->u->roster->layout->member_count && !code; i++)
        if (s->unsure[i])
            code = ms_error_set(err, MS_ERR_CONNECTION,
                                "whether it has missed the last change cannot be told while "
                                "members do not answer, or while it is being changed");
    return code;
}

int ms_mirrored_judge(struct ms_mirrored *k, struct ms_error *err)
{
    struct ms_error why = {0};
    if (!k->item->noted && !is_doubtful(k))
        return 0;
    int code = 0;
    for (int deleted = 0; deleted < 2 && !code; deleted++)
        code = standing_of(k, deleted, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    if (code) {
        k->unjudged = true;
        ms_mirrored_tell(k, MS_FIND_UNJUDGED, MS_UPKEEP_NOBODY, false, why.text);
        return 0;
    }
    set_aside(k, false);
    set_aside(k, true);
    return 0;
}

bool ms_mirrored_is_behind(const struct ms_mirrored *k, size_t member)
{
    return k->standing[false].behind[member] || k->standing[true].behind[member];
}

/* ---- old copies ---- */

int ms_mirrored_welcome(struct ms_mirrored *k, size_t right, bool deleted, struct ms_error *err)
{
    struct ms_upkeep_copy *c = k->item->copies[deleted];
    int code = 0;
    for (size_t i = 0; i < k->u->roster->layout->member_count && !code; i++) {
        if (!k->old[deleted][i] || c[i].size != c[right].size)
            continue;
        code = ms_mirrored_hash(k, i, deleted, err);
        if (!code && !c[right].hashed)
            code = ms_mirrored_hash(k, right, deleted, err);
        c[i].exists = c[i].hashed && c[right].hashed && strcmp(c[i].digest, c[right].digest) == 0;
        k->old[deleted][i] = !c[i].exists;
    }
    return code;
}

static int remove_old(struct ms_mirrored *k, size_t member, bool deleted, struct ms_error *err)
{
    struct ms_store *mirror = k->u->roster->mirrors[member];
    const struct ms_item_ref item = {.key = k->whole, .deleted = deleted};
    struct ms_error why = {0};
    bool may = ms_upkeep_may_write(k->u);
    int code = may ? mirror->ops->remove(mirror, item, &why) : 0;
    if (code == MS_ERR_NOT_FOUND)
        code = 0;
    k->wanting |= !may;
    k->repaired |= may && !code;
    k->old[deleted][member] = !may || code;
    ms_mirrored_tell(k, MS_FIND_DEBRIS, member, may && !code,
                     "it was replaced or deleted while this was away");
    if (may && !code)
        ms_upkeep_changed(k->u, member, 0, 1);
    return code ? ms_mirrored_failed(k, member, code, &why, err) : 0;
}

/* Of an old copy, which nothing is done about. */
static const char *why_left(const struct ms_mirrored *k, bool found)
{
    const struct ms_order *order = &k->at.site.order;
    bool silent = false;
    for (unsigned i = 0; i < order->data; i++)
        silent |= k->item->silent[order->member[i]];
    return silent || found ? "whether it was deleted cannot be told without the others"
                           : "it has missed changes; who has missed none does not have the item, "
                             "and nothing tells whether it was deleted: store it again, or delete "
                             "it";
}

int ms_mirrored_purge(struct ms_mirrored *k, bool found, bool deleted, struct ms_error *err)
{
    bool certain = found ? !k->conflict && !k->failed : is_gone(k, deleted);
    int code = 0;
    for (size_t i = 0; i < k->u->roster->layout->member_count && !code; i++) {
        if (!k->old[deleted][i])
            continue;
        if (certain)
            code = remove_old(k, i, deleted, err);
        else if (!k->wanting) {
            k->unjudged = true;
            ms_mirrored_tell(k, MS_FIND_UNJUDGED, i, false, why_left(k, found));
        }
    }
    return code;
}

/* ---- a key that a note is about ---- */

struct seen { /* of a key, on each member */
    struct ms_upkeep_copy *copies[2];
    bool silent[MS_MEMBERS_MAX];
};

static int see(struct ms_upkeep *u, struct ms_view whole, struct seen *s, struct ms_error *err)
{
    for (size_t i = 0; i < u->roster->layout->member_count; i++) {
        struct ms_store *mirror = u->roster->mirrors[i];
        for (int deleted = 0; deleted < 2 && mirror && !s->silent[i]; deleted++) {
            struct ms_item_info info = {0};
            struct ms_error why = {0};
            int code = ms_store_info(mirror, whole, deleted, &info, &why);
            if (ms_upkeep_fatal(code))
                return ms_error_set(err, code, "%s", why.text);
            s->silent[i] = code != 0;
            s->copies[deleted][i] = (struct ms_upkeep_copy){
                .exists = !code && info.exists, .size = info.size_bytes, .mtime_ns = info.mtime_ns};
        }
        s->silent[i] |= !mirror;
    }
    return 0;
}

/* Whoever does not answer may have a copy that took a target's place. */
static bool is_silent(const struct seen *s, const struct ms_order *order)
{
    bool silent = false;
    for (unsigned i = order->targets; i < order->data; i++)
        silent |= s->silent[order->member[i]];
    return silent;
}

int ms_upkeep_noted_key(struct ms_upkeep *u, const struct ms_layout_space *space,
                        struct ms_view path, struct ms_view key, size_t member,
                        enum ms_upkeep_end *end, struct ms_error *err)
{
    size_t members = u->roster->layout->member_count;
    struct seen s = {.silent = {0}};
    struct ms_upkeep_site at;
    *end = MS_KEY_FAILED;
    if (ms_upkeep_site_of(u, path, key, &at, NULL))
        return 0; /* no client's key */
    for (int deleted = 0; deleted < 2; deleted++)
        s.copies[deleted] = calloc(members + 1, sizeof *s.copies[deleted]);
    int code = s.copies[0] && s.copies[1]
                   ? see(u, ms_view(at.whole, (path.size ? path.size + 1 : 0) + key.size), &s, err)
                   : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    const struct ms_upkeep_mirrored item = {.space = space,
                                            .path = path,
                                            .key = key,
                                            .copies = {s.copies[0], s.copies[1]},
                                            .silent = s.silent,
                                            .noted = true,
                                            .end = end};
    if (!code && !s.silent[member])
        code = ms_upkeep_mirrored_key(u, &item, err);
    if (*end == MS_KEY_WELL && is_silent(&s, &at.site.order)) {
        *end = MS_KEY_UNSEEN;
        ms_upkeep_unsettled(u);
    }
    free(s.copies[0]);
    free(s.copies[1]);
    return code;
}
