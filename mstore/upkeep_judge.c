/* mstore/upkeep_judge.c - under an immutable key several writes may be found, or copies that
 * differ. Usually somebody stored the same value twice, and the newest write is enough. Different
 * values are somebody's mistake: what most of the valid objects hold stays, else what came to every
 * member first; the others are set aside in the trash. Where neither tells, all stay as they are,
 * and every run says so, until somebody decides: nothing that was acknowledged goes by a guess. */
#include "mstore/upkeep_immutable.h"

#include "base/text.h"

#include <stdlib.h>

/* A write that is still under way looks like debris: nobody's takes longer than 15 minutes. */
#define DEBRIS_AGE_NS ((int64_t)3600 * 1000000000)

static bool is_old(const struct ms_upkeep_key *k, const struct ms_upkeep_write *w)
{
    bool old = true;
    for (size_t i = 0; i < w->count && old; i++) {
        const struct ms_upkeep_place *p = &w->places[i];
        int64_t now = 0;
        old = p->mtime_ns > 0 && !ms_upkeep_now_at(k->u, &k->at.site, p->member, &now, NULL) &&
              now - p->mtime_ns >= DEBRIS_AGE_NS;
    }
    return old;
}

/* Into the trash with it. */
static int set_aside(struct ms_upkeep_key *k, const struct ms_upkeep_write *w, bool keep_good,
                     const char *why, enum ms_upkeep_find find)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct ms_upkeep_place *p = &w->places[i];
        int code = 0;
        if (keep_good && p->state == MS_PLACE_GOOD)
            continue;
        if (ms_upkeep_may_write(k->u))
            code = ms_upkeep_set_aside(k->u, &k->at.site, &w->shape, p, NULL);
        if (ms_upkeep_fatal(code))
            return code;
        bool done = ms_upkeep_may_write(k->u) && !code;
        k->failed |= code != 0;
        k->wanting |= !done;
        k->repaired |= done;
        ms_upkeep_found(k->u, find, p->member, k->item->path, k->item->key, done, "%s", why);
    }
    return 0;
}

/* ---- damage ---- */

static int verify_all(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < w->count && !code; i++)
        code = ms_upkeep_verify(k->u, &k->at.site, &w->shape, &w->places[i], err);
    ms_upkeep_count(w);
    return code;
}

/* Of an uncompressed write all that is known from sizes alone. */
static bool sizes_fit(const struct ms_upkeep_write *w)
{
    const struct ms_value_shape *s = &w->shape;
    struct ms_frame_header header = {.block_size = MS_FRAME_BLOCK_DEFAULT, .k = s->k, .m = s->m};
    uint64_t first = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct ms_upkeep_place *p = &w->places[i];
        if (p->bytes < MS_FRAME_HEADER_MIN + MS_FRAME_TRAILER)
            return false;
        if (s->zstd)
            continue;
        if (s->named_size != MS_OWN_SIZE_UNKNOWN) {
            struct ms_stripe stripe = {s->k, MS_FRAME_BLOCK_DEFAULT, s->named_size};
            if (p->bytes != ms_frame_plain_size(&header, ms_stripe_shard_length(stripe, p->shard)))
                return false;
        } else if (p->shard == 0 || p->shard >= s->k) { /* these are equally long */
            first = first ? first : p->bytes;
            if (p->bytes != first)
                return false;
        }
    }
    return true;
}

/* Of a write that cannot be put right; of others ms_upkeep_fix tells what became of it. */
static void tell_damaged(struct ms_upkeep_key *k, const struct ms_upkeep_write *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->places[i].state == MS_PLACE_DAMAGED)
            ms_upkeep_tell_damaged(k, &w->shape, w->places[i].member, w->places[i].shard, false);
}

/* Shards that verify one by one, but do not make one value: when most are out of step nobody can
 * say which are right. */
static int check_shards(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    struct ms_error why = {0};
    char is[65];
    unsigned before = w->good;
    int code = ms_upkeep_consistent(k->u, &k->at.site, w, is, &why);
    if (ms_upkeep_fatal(code))
        return ms_error_set(err, code, "%s", why.text);
    bool wrong = !code && k->sha256[0] && strcmp(is, k->sha256) != 0;
    k->conflict = !code && (wrong || 2 * (before - w->good) >= before);
    k->failed |= code != 0;
    if (code)
        ms_upkeep_not_compared(k->u, k->item, code, &why);
    if (k->conflict)
        ms_upkeep_found(k->u, MS_FIND_CONFLICT, MS_UPKEEP_NOBODY, k->item->path, k->item->key,
                        false,
                        wrong ? "its shards make another value than the key says"
                              : "its shards do not belong together");
    return 0;
}

static void tell_undecided(struct ms_upkeep_key *k)
{
    k->conflict = true;
    ms_upkeep_found(k->u, MS_FIND_CONFLICT, MS_UPKEEP_NOBODY, k->item->path, k->item->key, false,
                    "different values, and nothing tells which was there first: all of them stay, "
                    "delete the key and store the right one");
}

/* Copies that verify one by one may still be of different values. */
static void vote(const struct ms_upkeep_write *w, const char **winner, bool *all)
{
    unsigned most = 0;
    *winner = NULL;
    *all = true;
    for (size_t i = 0; i < w->count; i++) {
        unsigned votes = 0;
        if (w->places[i].state != MS_PLACE_GOOD)
            continue;
        for (size_t j = 0; j < w->count; j++)
            votes += w->places[j].state == MS_PLACE_GOOD &&
                     strcmp(w->places[i].digest, w->places[j].digest) == 0;
        if (votes > most) {
            most = votes;
            *winner = 2 * votes > w->good ? w->places[i].digest : NULL;
        }
        *all = *all && votes == w->good;
    }
}

static int check_copies(struct ms_upkeep_key *k, struct ms_upkeep_write *w)
{
    const char *winner = k->sha256;
    bool all = false;
    if (!k->sha256[0])
        vote(w, &winner, &all);
    if (all)
        return 0;
    if (!winner) {
        tell_undecided(k);
        return 0;
    }
    struct ms_upkeep_write losers = {.shape = w->shape};
    struct ms_upkeep_place *place = calloc(w->count + 1, sizeof *place);
    if (!place)
        return MS_ERR_NO_MEMORY;
    losers.places = place;
    for (size_t i = 0; i < w->count; i++)
        if (w->places[i].state == MS_PLACE_GOOD && strcmp(w->places[i].digest, winner) != 0) {
            place[losers.count++] = w->places[i];
            /* once it is set aside nothing is there; else it must not be replaced */
            w->places[i].state = ms_upkeep_may_write(k->u) ? MS_PLACE_ABSENT : MS_PLACE_DAMAGED;
        }
    int code = set_aside(k, &losers, false, "another value than the key's", MS_FIND_CONFLICT);
    free(place);
    ms_upkeep_count(w);
    return code;
}

static int check_write(struct ms_upkeep_key *k, struct ms_upkeep_write *w, struct ms_error *err)
{
    int code = 0;
    if (k->u->options.deep || !sizes_fit(w)) {
        code = verify_all(k, w, err);
        if (!code && ms_value_is_copy(&w->shape))
            code = check_copies(k, w);
        else if (!code && w->distinct >= w->shape.k)
            code = check_shards(k, w, err);
    }
    return code;
}

/* ---- nothing to be done ---- */

static bool has_one(const struct ms_upkeep_write *w, unsigned member)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->places[i].member == member)
            return true;
    return false;
}

static bool is_where_it_belongs(const struct ms_order *order, const struct ms_upkeep_write *w)
{
    bool is = w->count == order->targets &&
              (ms_value_is_copy(&w->shape) || w->distinct == w->shape.k + w->shape.m) &&
              sizes_fit(w);
    for (unsigned i = 0; i < order->targets && is; i++)
        is = has_one(w, order->member[i]);
    return is;
}

int ms_upkeep_in_place(struct ms_upkeep_key *k, bool *is, struct ms_error *err)
{
    struct ms_upkeep_write *only = NULL;
    *is = k->complete;
    for (size_t i = 0; i < k->count; i++) {
        if (k->writes[i].shape.mark != k->mark)
            continue;
        *is = *is && !only;
        only = &k->writes[i];
    }
    *is = *is && only && is_where_it_belongs(&k->at.site.order, only);
    if (!*is || !k->u->options.deep)
        return 0;
    int code = verify_all(k, only, err);
    *is = !code && only->good == only->count;
    return code;
}

/* ---- several writes ---- */

static bool is_whole(const struct ms_upkeep_write *w)
{
    return w->distinct >= w->shape.k;
}

/* The newest that can be read; NULL: none. The choice must not depend on who sees how much. */
static struct ms_upkeep_write *newest(struct ms_upkeep_key *k)
{
    struct ms_upkeep_write *best = NULL;
    for (size_t i = 0; i < k->count; i++) {
        struct ms_upkeep_write *w = &k->writes[i];
        if (w->shape.mark == k->mark && is_whole(w) &&
            (!best || ms_write_id_compare(&w->shape.id, &best->shape.id) > 0))
            best = w;
    }
    return best;
}

static int ignore_sink(void *ctx, unsigned shard, struct ms_view piece, struct ms_error *err)
{
    (void)ctx, (void)shard, (void)piece, (void)err;
    return 0;
}

static int digest_of(struct ms_upkeep_key *k, const struct ms_upkeep_write *w, char sha256[65],
                     struct ms_error *err)
{
    struct ms_upkeep_source *source = NULL;
    int code = ms_upkeep_source_new(k->u, &k->at.site, w, ignore_sink, NULL, &source, err);
    if (!code)
        code = ms_upkeep_source_run(source, sha256, err);
    ms_upkeep_source_free(source);
    return code;
}

#define RIVALS 16

struct rivals {
    struct ms_upkeep_write *write[RIVALS];
    char digest[RIVALS][65];
    size_t count;
};

/* What cannot be read although enough seems to be there is looked at more closely: with too few
 * good shards it is debris like any other. */
static int digest_or_doubt(struct ms_upkeep_key *k, struct ms_upkeep_write *w, char sha256[65],
                           struct ms_error *err)
{
    int code = digest_of(k, w, sha256, err);
    if (!code || ms_upkeep_fatal(code))
        return code;
    int checked = verify_all(k, w, err);
    return checked ? checked : is_whole(w) ? code : 0;
}

static int gather_rivals(struct ms_upkeep_key *k, struct rivals *r, struct ms_error *err)
{
    int code = 0;
    r->count = 0;
    for (size_t i = 0; i < k->count && r->count < RIVALS && !code; i++) {
        struct ms_upkeep_write *w = &k->writes[i];
        if (w->shape.mark != k->mark || !is_whole(w))
            continue;
        code = digest_or_doubt(k, w, r->digest[r->count], err);
        r->write[r->count] = w;
        r->count += is_whole(w);
    }
    return code;
}

static bool rivals_differ(const struct rivals *r)
{
    for (size_t i = 1; i < r->count; i++)
        if (strcmp(r->digest[i], r->digest[0]) != 0)
            return true;
    return false;
}

/* Before one of several values goes: those count that are whole, and so much of each as is good. */
static int verify_rivals(struct ms_upkeep_key *k, struct rivals *r, struct ms_error *err)
{
    size_t kept = 0;
    int code = 0;
    for (size_t i = 0; i < r->count && !code; i++) {
        code = verify_all(k, r->write[i], err);
        r->write[kept] = r->write[i];
        memmove(r->digest[kept], r->digest[i], sizeof r->digest[i]);
        kept += is_whole(r->write[i]);
    }
    r->count = code ? r->count : kept;
    return code;
}

/* Objects that hold the value; `all`: of all values. */
static unsigned support(const struct rivals *r, const char *digest, unsigned *all)
{
    unsigned votes = 0;
    *all = 0;
    for (size_t i = 0; i < r->count; i++) {
        *all += r->write[i]->good;
        votes += strcmp(r->digest[i], digest) == 0 ? r->write[i]->good : 0;
    }
    return votes;
}

/* Every member that has objects of both got those of `a` first, by its own clock. */
static bool came_before(const struct ms_upkeep_write *a, const struct ms_upkeep_write *b)
{
    bool before = false;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++) {
            const struct ms_upkeep_place *x = &a->places[i], *y = &b->places[j];
            if (x->member != y->member || x->mtime_ns <= 0 || y->mtime_ns <= 0)
                continue;
            if (x->mtime_ns > y->mtime_ns)
                return false;
            before = before || x->mtime_ns < y->mtime_ns;
        }
    return before;
}

static bool is_first(const struct rivals *r, size_t index)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->digest[i], r->digest[index]) != 0 &&
            !came_before(r->write[index], r->write[i]))
            return false;
    return true;
}

/* The digest of the value that stays; NULL: nobody can tell. *why: what is said of the others. */
static const char *winner_of(const struct ms_upkeep_key *k, const struct rivals *r,
                             const char **why)
{
    const char *winner = NULL;
    unsigned all = 0;
    *why = "another value than the key's";
    for (size_t i = 0; i < r->count; i++) {
        bool right = k->sha256[0] ? strcmp(r->digest[i], k->sha256) == 0
                                  : 2 * support(r, r->digest[i], &all) > all;
        winner = right ? r->digest[i] : winner;
    }
    if (winner || k->sha256[0] || !k->complete)
        return winner;
    *why = "another value, which came later than the key's";
    for (size_t i = 0; i < r->count && !winner; i++)
        winner = is_first(r, i) ? r->digest[i] : NULL;
    return winner;
}

/* The newest write of the value that wins stays. */
static int choose(struct ms_upkeep_key *k, const struct rivals *r, struct ms_upkeep_verdict *out)
{
    const char *why, *winner = winner_of(k, r, &why);
    if (!winner && !k->sha256[0]) {
        tell_undecided(k);
        return 0;
    }
    k->conflict = !winner;
    for (size_t i = 0; i < r->count; i++) {
        struct ms_upkeep_write *w = r->write[i];
        bool right = winner && strcmp(r->digest[i], winner) == 0;
        int code = right ? 0 : set_aside(k, w, false, why, MS_FIND_CONFLICT);
        if (code)
            return code;
        if (right && out->stays && ms_write_id_compare(&w->shape.id, &out->stays->shape.id) < 0) {
            out->going[out->going_count++] = w;
        } else if (right) {
            if (out->stays)
                out->going[out->going_count++] = out->stays;
            out->stays = w;
        }
    }
    return 0;
}

/* Too little to be read, of every write. */
static int no_value(struct ms_upkeep_key *k, struct ms_error *err)
{
    bool deleted = false;
    int code = 0;
    for (size_t i = 0; i < k->count && !code; i++) {
        struct ms_upkeep_write *w = &k->writes[i];
        if (w->shape.mark != k->mark)
            continue;
        bool turning = ms_upkeep_is_turning(k, w);
        if (turning)
            code = ms_upkeep_end_deletion(k, &deleted, err);
        if (code || deleted)
            return code;
        if (turning) {
            k->unjudged = true;
            ms_upkeep_found(k->u, MS_FIND_UNJUDGED, MS_UPKEEP_NOBODY, k->item->path, k->item->key,
                            false, "it is on the way between live and soft-deleted");
        } else if (!k->complete) {
            k->unjudged = true;
            ms_upkeep_found(k->u, MS_FIND_UNJUDGED, MS_UPKEEP_NOBODY, k->item->path, k->item->key,
                            false, "%u of %u shards are there, members are away", w->distinct,
                            w->shape.k);
        } else if (is_old(k, w)) {
            code = set_aside(k, w, false, "too few shards to make a value", MS_FIND_DEBRIS);
        }
    }
    return code;
}

/* Enough objects for a value, of which too few are good: nobody is at work on it. */
static bool is_spoiled(const struct ms_upkeep_write *w)
{
    bool seen[256] = {0};
    unsigned distinct = 0;
    for (size_t i = 0; i < w->count; i++) {
        distinct += !seen[w->places[i].shard];
        seen[w->places[i].shard] = true;
    }
    return distinct >= w->shape.k && !is_whole(w);
}

/* What else lies there: the item is whole without it, also where some of that write went to the
 * other item (a store and a soft delete at once). */
static int sweep_partial(struct ms_upkeep_key *k, const struct ms_upkeep_write *stays)
{
    int code = 0;
    for (size_t i = 0; i < k->count && !code && k->complete; i++) {
        struct ms_upkeep_write *w = &k->writes[i];
        if (w != stays && w->shape.mark == stays->shape.mark && !is_whole(w) &&
            (is_spoiled(w) || is_old(k, w)))
            code = set_aside(k, w, false, "too few shards to make a value", MS_FIND_DEBRIS);
    }
    return code;
}

/* Nothing that could be read is left, neither of this write nor of another; NULL: of several. */
static int too_little(struct ms_upkeep_key *k, const struct ms_upkeep_write *w,
                      struct ms_error *err)
{
    bool deleted = false;
    int code = ms_upkeep_end_deletion(k, &deleted, err);
    if (code || deleted)
        return code;
    if (w)
        tell_damaged(k, w);
    k->lost = k->complete;
    k->unjudged |= !k->complete;
    ms_upkeep_found(k->u, k->complete ? MS_FIND_LOST : MS_FIND_UNJUDGED, MS_UPKEEP_NOBODY,
                    k->item->path, k->item->key, false,
                    w ? "%u good of the %u that it takes" : "none of its writes can be read",
                    w ? w->distinct : 0, w ? w->shape.k : 0);
    return 0;
}

static int of_several(struct ms_upkeep_key *k, struct ms_upkeep_verdict *out, struct ms_error *err)
{
    struct rivals *r = calloc(1, sizeof *r);
    struct ms_error why = {0};
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to compare values");
    int code = gather_rivals(k, r, &why);
    if (!code && rivals_differ(r))
        code = verify_rivals(k, r, &why);
    if (!code && r->count)
        code = choose(k, r, out);
    else if (!code)
        code = too_little(k, NULL, &why);
    free(r);
    if (!code || ms_upkeep_fatal(code))
        return code ? ms_error_set(err, code, "%s", why.text) : 0;
    k->failed = true; /* the next run tries again */
    ms_upkeep_found(k->u, MS_FIND_FAILED, MS_UPKEEP_NOBODY, k->item->path, k->item->key, false,
                    "its writes could not be compared: %s", why.text);
    return 0;
}

int ms_upkeep_judge(struct ms_upkeep_key *k, struct ms_upkeep_verdict *out, struct ms_error *err)
{
    size_t marked = 0, whole = 0;
    int code = 0;
    *out = (struct ms_upkeep_verdict){0};
    for (size_t i = 0; i < k->count; i++) {
        marked += k->writes[i].shape.mark == k->mark;
        whole += k->writes[i].shape.mark == k->mark && is_whole(&k->writes[i]);
    }
    if (!marked)
        return 0;
    if (!whole)
        return no_value(k, err);
    if (whole > 1)
        code = of_several(k, out, err);
    else
        out->stays = newest(k);
    if (!code && out->stays)
        code = check_write(k, out->stays, err);
    struct ms_upkeep_write *stays = out->stays;
    bool hopeless = !code && stays && !k->conflict && !is_whole(stays);
    if (!code && stays && k->conflict)
        tell_damaged(k, stays);
    if (code || !stays || k->conflict || hopeless) {
        out->stays = NULL;
        return hopeless ? too_little(k, stays, err) : code;
    }
    return sweep_partial(k, out->stays);
}
