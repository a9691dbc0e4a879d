/* mstore/upkeep_mirror.c - one key of a plain namespace: the mirrors made equal. Missing copies are
 * copied; of copies that differ the one that is the key's digest counts (verify = sha256), else
 * what most of them are; where nothing is certain, that is told and nothing is touched. */
#include "mstore/upkeep_plain.h"

#include "base/hash.h"
#include "base/text.h"
#include "store/store.h"

#include <stdlib.h>

#define PIECE ((size_t)1 << 20)

void ms_mirrored_tell(struct ms_mirrored *k, enum ms_upkeep_find find, size_t member, bool fixed,
                      const char *sentence)
{
    ms_upkeep_found(k->u, find, member, k->item->path, k->item->key, fixed, "%s", sentence);
}

int ms_mirrored_failed(struct ms_mirrored *k, size_t member, int code, const struct ms_error *why,
                       struct ms_error *err)
{
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why->text);
    k->failed = true;
    ms_mirrored_tell(k, MS_FIND_FAILED, member, false, why->text);
    return 0;
}

/* ---- what they hold ---- */

int ms_mirrored_hash(struct ms_mirrored *k, size_t member, bool deleted, struct ms_error *err)
{
    struct ms_upkeep_copy *c = &k->item->copies[deleted][member];
    struct ms_store *mirror = k->u->roster->mirrors[member];
    struct ms_error why = {0};
    const struct ms_item_ref item = {.key = k->whole, .deleted = deleted};
    int code = mirror->ops->hash(mirror, item, "sha256", c->digest, sizeof c->digest, &why);
    c->hashed = code == 0;
    c->failed = code != 0;
    if (code)
        return ms_mirrored_failed(k, member, code, &why, err);
    return ms_upkeep_spend(k->u, c->size, 0, err);
}

static int hash_all(struct ms_mirrored *k, bool deleted, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < k->u->roster->layout->member_count && !code; i++)
        if (k->item->copies[deleted][i].exists && !k->item->copies[deleted][i].hashed)
            code = ms_mirrored_hash(k, i, deleted, err);
    return code;
}

static bool sizes_differ(const struct ms_mirrored *k, bool deleted)
{
    const struct ms_upkeep_copy *c = k->item->copies[deleted], *first = NULL;
    bool differ = false;
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++) {
        if (!c[i].exists)
            continue;
        first = first ? first : &c[i];
        differ = differ || c[i].size != first->size;
    }
    return differ;
}

/* Of changes that clients have not brought to their end one is as good as the other: the last. Only
 * where mirrors have missed some: else it could be damage. */
static size_t choose_last(const struct ms_mirrored *k, bool deleted)
{
    const struct ms_upkeep_copy *c = k->item->copies[deleted];
    size_t last = MS_UPKEEP_NOBODY;
    bool missed = false;
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++) {
        missed |= ms_mirrored_is_behind(k, i);
        if (c[i].exists && !c[i].failed &&
            (last == MS_UPKEEP_NOBODY || c[i].mtime_ns > c[last].mtime_ns))
            last = i;
    }
    return missed ? last : MS_UPKEEP_NOBODY;
}

/* The member whose copy counts; MS_UPKEEP_NOBODY: there is none, or nobody can tell. */
static size_t choose(struct ms_mirrored *k, bool deleted, bool hashed)
{
    const struct ms_upkeep_copy *c = k->item->copies[deleted];
    size_t members = k->u->roster->layout->member_count, best = MS_UPKEEP_NOBODY;
    unsigned all = 0, most = 0;
    for (size_t i = 0; i < members; i++) {
        unsigned votes = 0;
        if (!c[i].exists || c[i].failed)
            continue;
        all++;
        if (hashed && k->item->space->verify && ms_equal(k->item->key, ms_str(c[i].digest)))
            return i;
        for (size_t j = 0; j < members; j++)
            votes +=
                c[j].exists && !c[j].failed && (!hashed || strcmp(c[i].digest, c[j].digest) == 0);
        if (votes > most) {
            most = votes;
            best = i;
        }
    }
    if (hashed && k->item->space->verify && !deleted)
        return MS_UPKEEP_NOBODY;
    return 2 * most > all ? best : choose_last(k, deleted);
}

/* ---- copying ---- */

struct copying {
    struct ms_mirrored *k;
    struct ms_store_reader *from;
    struct ms_store_writer *to;
    struct ms_hash *hash;
    uint8_t *bytes;
};

static int carry(struct copying *c, struct ms_error *err)
{
    size_t got = PIECE;
    int code = 0;
    for (uint64_t offset = 0; !code && got == PIECE; offset += got) {
        code = c->from->ops->read(c->from, offset, c->bytes, PIECE, &got, err);
        if (!code)
            code = ms_hash_update(c->hash, ms_view(c->bytes, got), err);
        if (!code)
            code = c->to->ops->append(c->to, ms_view(c->bytes, got), err);
        if (!code)
            code = ms_upkeep_spend(c->k->u, got, got, err);
    }
    return code;
}

/* What was read must be what was judged, where that was read. */
static int check_carried(struct copying *c, const struct ms_upkeep_copy *judged,
                         struct ms_error *err)
{
    const struct ms_mirrored *k = c->k;
    char digest[65];
    int code = ms_hash_hex(c->hash, digest, sizeof digest, err);
    bool right = !judged->hashed || strcmp(digest, judged->digest) == 0;
    if (k->item->space->verify)
        right = right && ms_equal(k->item->key, ms_str(digest));
    return code || right ? code
                         : ms_error_set(err, MS_ERR_CORRUPT, "the copy that was read has changed");
}

static int copy_item(struct ms_mirrored *k, size_t from, size_t to, bool deleted,
                     struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_store *source = k->u->roster->mirrors[from], *target = k->u->roster->mirrors[to];
    const struct ms_item_ref item = {.key = k->whole, .deleted = deleted};
    struct copying c = {.k = k, .bytes = malloc(PIECE)};
    int code = c.bytes ? ms_hash_new("sha256", &c.hash, err)
                       : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to copy a value");
    if (!code)
        code = source->ops->read(source, item, &c.from, err);
    if (!code)
        code = target->ops->write(target, item, c.from->info.size_bytes, &always, &c.to, err);
    if (!code)
        code = carry(&c, err);
    if (!code)
        code = check_carried(&c, &k->item->copies[deleted][from], err);
    if (c.to && code)
        c.to->ops->abort(c.to);
    else if (c.to)
        code = c.to->ops->commit(c.to, NULL, err);
    if (c.from)
        c.from->ops->close(c.from);
    ms_hash_free(c.hash);
    free(c.bytes);
    if (!code)
        ms_upkeep_changed(k->u, to, 1, 0);
    return code;
}

/* It may have been deleted meanwhile, before the copy was there to be deleted too. */
static int still_there(struct ms_mirrored *k, size_t from, size_t to, bool deleted,
                       struct ms_error *err)
{
    struct ms_store *source = k->u->roster->mirrors[from], *target = k->u->roster->mirrors[to];
    const struct ms_item_ref item = {.key = k->whole, .deleted = deleted};
    struct ms_item_info info = {0};
    int code = source->ops->info(source, item, &info, err);
    if (code || info.exists)
        return code;
    code = target->ops->remove(target, item, err);
    return code ? code : ms_error_set(err, MS_ERR_CONFLICT, "it was deleted meanwhile");
}

static int mend(struct ms_mirrored *k, size_t from, size_t to, bool deleted,
                enum ms_upkeep_find find, const char *sentence, struct ms_error *err)
{
    struct ms_error why = {0};
    if (!ms_upkeep_may_write(k->u)) {
        k->wanting = true;
        ms_mirrored_tell(k, find, to, false, sentence);
        return 0;
    }
    int code = copy_item(k, from, to, deleted, &why);
    if (!code)
        code = still_there(k, from, to, deleted, &why);
    ms_mirrored_tell(k, find, to, !code, sentence);
    k->repaired |= !code;
    k->old[deleted][to] &= code != 0;
    return code ? ms_mirrored_failed(k, to, code, &why, err) : 0;
}

/* ---- one item: live or soft-deleted ---- */

/* Copies that are not the one that counts. */
static int mend_different(struct ms_mirrored *k, size_t right, bool deleted, struct ms_error *err)
{
    const struct ms_upkeep_copy *c = k->item->copies[deleted];
    int code = 0;
    for (size_t i = 0; i < k->u->roster->layout->member_count && !code; i++)
        if (c[i].exists && c[i].hashed && strcmp(c[i].digest, c[right].digest) != 0)
            code = mend(k, right, i, deleted, MS_FIND_DAMAGED,
                        "the copy differs from the one that counts", err);
    return code;
}

/* How many copies lie where they count, and are no target's. */
static unsigned count_elsewhere(const struct ms_mirrored *k, bool deleted)
{
    const struct ms_order *order = &k->at.site.order;
    unsigned count = 0;
    for (unsigned i = order->targets; i < order->data; i++) {
        enum ms_member_state state = k->u->roster->layout->members[order->member[i]].state;
        count += k->item->copies[deleted][order->member[i]].exists &&
                 (state == MS_ACTIVE || state == MS_READONLY);
    }
    return count;
}

static int fill_targets(struct ms_mirrored *k, size_t right, bool deleted, struct ms_error *err)
{
    const struct ms_order *order = &k->at.site.order;
    bool home = k->u->task == MS_UPKEEP_REBALANCE || k->item->noted;
    unsigned spare = home ? 0 : count_elsewhere(k, deleted);
    int code = 0;
    for (unsigned i = 0; i < order->targets && !code; i++) {
        size_t member = order->member[i];
        if (k->item->copies[deleted][member].exists)
            continue;
        if (spare) {
            spare--;
            continue;
        }
        if (k->item->silent[member]) {
            k->unjudged = true;
            continue;
        }
        code = mend(k, right, member, deleted, MS_FIND_WANTING,
                    k->old[deleted][member] ? "the copy is one from before it was changed"
                                            : "the copy is missing",
                    err);
    }
    return code;
}

/* Copies that took a target's place while it was away, as notes say, do so no longer: later stores
 * would not replace them once the notes have gone (ms_plain_clear). */
static bool may_bring_home(const struct ms_mirrored *k)
{
    return ms_upkeep_may_move(k->u) || (k->item->noted && ms_upkeep_may_write(k->u));
}

/* The notes are needed longer, and so are the marks. */
static void stay_noted(struct ms_mirrored *k)
{
    k->unjudged = true;
    ms_upkeep_unsettled(k->u);
}

/* Once every target has it, the same bytes, nobody else need have it. */
static int drop_surplus(struct ms_mirrored *k, size_t right, bool deleted, struct ms_error *err)
{
    const struct ms_order *order = &k->at.site.order;
    const struct ms_upkeep_copy *c = k->item->copies[deleted];
    const struct ms_item_ref item = {.key = k->whole, .deleted = deleted};
    bool may = may_bring_home(k) && !k->failed && !k->unjudged;
    int code = 0;
    for (unsigned i = 0; i < order->data; i++)
        may = may && !k->item->silent[order->member[i]];
    if (may && order->targets < order->data && count_elsewhere(k, deleted))
        for (unsigned i = 0; i < order->targets && !code; i++) {
            code = ms_mirrored_hash(k, order->member[i], deleted, err);
            may = may && c[order->member[i]].hashed &&
                  (!c[right].hashed ||
                   strcmp(c[order->member[i]].digest, c[order->member[0]].digest) == 0);
        }
    for (unsigned i = order->targets; i < order->data && !code; i++) {
        size_t member = order->member[i];
        struct ms_error why = {0};
        if (!c[member].exists)
            continue;
        struct ms_store *mirror = k->u->roster->mirrors[member];
        int one = may ? mirror->ops->remove(mirror, item, &why) : 0;
        if (may && !one)
            ms_upkeep_changed(k->u, member, 0, 1);
        k->moved |= may && !one;
        if (k->item->noted && (!may || one))
            stay_noted(k);
        ms_mirrored_tell(k, MS_FIND_SURPLUS, member, may && !one, "the copy need not be here");
        if (one)
            code = ms_mirrored_failed(k, member, one, &why, err);
    }
    return code;
}

static int look_at_item(struct ms_mirrored *k, bool deleted, struct ms_error *err)
{
    bool hashed = k->u->options.deep || sizes_differ(k, deleted) ||
                  (k->item->noted && count_elsewhere(k, deleted));
    int code = hashed ? hash_all(k, deleted, err) : 0;
    if (code)
        return code;
    size_t right = choose(k, deleted, hashed);
    if (right == MS_UPKEEP_NOBODY) {
        k->conflict = true;
        ms_mirrored_tell(k, MS_FIND_CONFLICT, MS_UPKEEP_NOBODY, false,
                         "the copies differ, and none is known to be right");
        return 0;
    }
    code = ms_mirrored_welcome(k, right, deleted, err);
    if (!code && hashed)
        code = mend_different(k, right, deleted, err);
    if (!code)
        code = fill_targets(k, right, deleted, err);
    return code ? code : drop_surplus(k, right, deleted, err);
}

/* ---- live here, soft-deleted there ---- */

static unsigned count_only(const struct ms_mirrored *k, bool deleted)
{
    unsigned count = 0;
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++)
        count += k->item->copies[deleted][i].exists && !k->item->copies[!deleted][i].exists &&
                 !ms_mirrored_is_behind(k, i);
    return count;
}

static int hash_both(struct ms_mirrored *k, struct ms_error *err)
{
    int code = hash_all(k, false, err);
    return code ? code : hash_all(k, true, err);
}

/* A soft deletion, or what undid it, was broken off: what most have done is done everywhere; where
 * they are as many, it stays live. Other bytes are no part of that: they are the other item, which
 * a member kept from before. */
static int settle_deletion(struct ms_mirrored *k, bool *settled, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    unsigned live = count_only(k, false), deleted = count_only(k, true);
    int code = 0;
    *settled = !live || !deleted;
    if (*settled)
        return 0;
    bool wrong = deleted <= live; /* those that have only this one are out of step */
    code = hash_both(k, err);
    size_t right = code ? MS_UPKEEP_NOBODY : choose(k, !wrong, true);
    *settled = !k->failed;
    if (code || right == MS_UPKEEP_NOBODY)
        return code;
    for (size_t i = 0; i < k->u->roster->layout->member_count && !code; i++) {
        struct ms_upkeep_copy *from = &k->item->copies[wrong][i], *to = &k->item->copies[!wrong][i];
        struct ms_store *mirror = k->u->roster->mirrors[i];
        struct ms_error why = {0};
        if (!from->exists || to->exists || ms_mirrored_is_behind(k, i) || !from->hashed ||
            strcmp(from->digest, k->item->copies[!wrong][right].digest) != 0)
            continue;
        int one = 0;
        if (ms_upkeep_may_write(k->u))
            one = mirror->ops->move(mirror, wrong ? MS_MOVE_UNDELETE : MS_MOVE_SOFT_DELETE,
                                    k->whole, ms_str(""), false, &always, &why);
        k->wanting |= !ms_upkeep_may_write(k->u);
        k->repaired |= ms_upkeep_may_write(k->u) && !one;
        ms_mirrored_tell(k, MS_FIND_WANTING, i, ms_upkeep_may_write(k->u) && !one,
                         wrong ? "soft-deleted, unlike on most members"
                               : "not soft-deleted, unlike on most members");
        if (one)
            code = ms_mirrored_failed(k, i, one, &why, err);
        *to = *from;
        from->exists = false;
    }
    *settled = !k->failed;
    return code;
}

/* ---- the key ---- */

static bool has_any(const struct ms_mirrored *k, bool deleted)
{
    for (size_t i = 0; i < k->u->roster->layout->member_count; i++)
        if (k->item->copies[deleted][i].exists)
            return true;
    return false;
}

static enum ms_upkeep_end end_of(const struct ms_mirrored *k)
{
    bool unseen = ms_upkeep_any_silent(k->u, k->item->silent);
    return k->conflict                             ? MS_KEY_CONFLICT
           : k->failed || (k->unjudged && !unseen) ? MS_KEY_FAILED
           : k->wanting                            ? MS_KEY_WANTING
           : k->unjudged                           ? MS_KEY_UNSEEN
           : k->repaired                           ? MS_KEY_REPAIRED
           : k->moved                              ? MS_KEY_MOVED
                                                   : MS_KEY_WELL;
}

int ms_upkeep_mirrored_key(struct ms_upkeep *u, const struct ms_upkeep_mirrored *item,
                           struct ms_error *err)
{
    struct ms_mirrored k = {.u = u, .item = item};
    struct ms_error why = {0};
    bool settled = false;
    int code = ms_upkeep_site_of(u, item->path, item->key, &k.at, &why);
    if (code) /* its listing would have left it out */
        return ms_upkeep_fatal(code) ? ms_error_set(err, code, "%s", why.text) : 0;
    size_t lead = item->path.size ? item->path.size + 1 : 0;
    k.whole = ms_view(k.at.whole, lead + item->key.size);
    code = ms_mirrored_judge(&k, err);
    if (!code && !k.unjudged)
        code = settle_deletion(&k, &settled, err);
    for (int deleted = 0; deleted < 2 && !code && settled; deleted++) {
        bool found = has_any(&k, deleted);
        if (found)
            code = look_at_item(&k, deleted, err);
        if (!code)
            code = ms_mirrored_purge(&k, found, deleted, err);
    }
    if (!code)
        ms_upkeep_key_ended(u, end_of(&k));
    if (!code && k.conflict) /* what is old may be at a mirror that marks keep from being asked */
        ms_upkeep_unsettled(u);
    if (!code && item->end)
        *item->end = end_of(&k);
    return code;
}
