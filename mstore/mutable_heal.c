/* mstore/mutable_heal.c - one key, brought to where it should be; and how a deletion ends.
 *
 * A deletion must be there as long as anything older may come up again: on a member that was away,
 * or by a call whose effect is late. So it may end when every voter holds it, none has anything
 * else, and each has had it for the grace period by its own clock. But it cannot be taken from all
 * at once, and a key that a writer finds empty on a majority starts again at counter 1: below what
 * the rest still has. Therefore in two steps:
 *
 *   1. blocks about what came before go (mstore/blocks.h); then every voter gets the end of the
 *      deletion, an object that says that it counts no more;
 *   2. when a listing of all has shown that whoever has the deletion has its end too, all for so
 *      long that nobody is left who has not seen it, the deletion is taken from each voter, then,
 *      when that is certain, the end.
 *
 * Whoever sees the end goes above its counter; who does not sees a key of which a deletion, where
 * there is one left, is known to be over. */
#include "mstore/age.h"
#include "mstore/blocks.h"
#include "mstore/follow.h"
#include "mstore/mutable_parts.h"
#include "mstore/versions_parts.h"

#include "base/cleanup.h"
#include "base/sync.h"

#define ROUNDS 4

/* ---- the newest everywhere ---- */

static bool on_all(const struct ms_versions *v, const struct ms_version *version)
{
    for (unsigned i = 0; i < v->count; i++)
        if (!ms_versions_held(v, i, version))
            return false;
    return true;
}

static int spread(struct ms_newest *n, struct ms_error *err)
{
    struct ms_frames frames;
    struct ms_buf *whole = NULL;
    int code = 0;
    if (on_all(n->seen, &n->version))
        return 0;
    if (n->version.mark != MS_OWN_DELETED)
        code = ms_versions_load(n->seen, &n->version, 0, MS_SIZE_TO_END, &whole, err);
    if (code)
        return code;
    struct ms_view bytes = whole ? ms_buf_view(whole) : ms_view(NULL, 0);
    code = ms_frames_make(&n->version, n->seen->site->space->compress, bytes, &frames, err);
    if (!code) {
        code = ms_versions_put(n->seen, &n->version, &frames, MS_PUT_SPREAD, err);
        ms_frames_free(&frames);
    }
    ms_buf_unref(whole);
    return code;
}

/* A listing of every voter; of a majority if some are away. */
static int list_all(const struct ms_site *site, struct ms_versions **out, bool *all,
                    struct ms_error *err)
{
    struct ms_versions *v = NULL;
    int code = ms_versions_new(site, &v, err);
    if (code)
        return code;
    v->times = true;
    code = ms_versions_list(v, v->count, err);
    if (code) {
        ms_versions_free(v);
        return code;
    }
    *all = true;
    for (unsigned i = 0; i < v->count; i++)
        *all = *all && v->voter[i].answered;
    *out = v;
    return 0;
}

/* ---- deletions ---- */

/* A deletion is old after the grace period; its end, when nobody is at work any more who began
 * before it was there. */
static bool is_old(const struct ms_held *held, int64_t now_ns)
{
    int64_t age = ms_version_is_end(&held->version) ? MS_WORK_NS : (int64_t)MS_VERSIONS_GRACE_NS;
    return held->mtime_ns > 0 && now_ns - held->mtime_ns >= age;
}

static int age_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    struct ms_own_name own = e->own;
    int64_t now_ns;
    own.id = e->leg[leg].held->version.id;
    int code = ms_age_now(e->leg[leg].member, &own, &now_ns, err);
    if (!code && !is_old(e->leg[leg].held, now_ns))
        code = ms_error_set(err, MS_ERR_BUSY, "the deletion is still young");
    return code;
}

/* What stands in a leg goes in that order, the next only when the one before is certainly gone. */
static int end_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    struct ms_name name;
    int code = 0;
    for (size_t i = 0; i < e->leg[leg].count && !code; i++) {
        code = ms_errand_name(e, &e->leg[leg].held[i], &name, err);
        if (!code)
            code = ms_member_delete(e->leg[leg].member, ms_name_view(&name), err);
        code = code == MS_ERR_NOT_FOUND ? 0 : code;
    }
    if (!code)
        code = ms_own_folder(&e->own, MS_OWN_OF_KEY, 0, &name, err);
    if (!code) /* only an empty one goes, and it may be in use again */
        (void)!ms_member_rmdir(e->leg[leg].member, ms_name_view(&name), NULL);
    return code;
}

/* Runs the legs that have something to do; true: all succeeded. */
static bool run_all(const struct ms_versions *v, struct ms_errand *e, struct ms_fan *fan)
{
    bool good = true;
    unsigned leg;
    for (unsigned i = 0; i < v->count; i++)
        if (e->leg[i].count)
            ms_fan_start(fan, i);
    while (ms_fan_next(fan, v->site->roster->clock, UINT64_MAX, &leg))
        good &= ms_fan_code(fan, leg) == 0;
    return good;
}

static int count_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    (void)err;
    *(unsigned *)ctx += !entry->info.directory;
    return 0;
}

static bool is_voter(const struct ms_versions *v, unsigned member)
{
    bool is = false;
    for (unsigned i = 0; i < v->count; i++)
        is = is || v->voter[i].index == member;
    return is;
}

/* No member that is not a voter has anything of the key: one that was a voter under another layout,
 * or will be, could bring it back. Only for deletions that are old, so one after the other. */
static bool nothing_elsewhere(const struct ms_versions *v)
{
    const struct ms_site *site = v->site;
    const struct ms_own_name own = {.kind = MS_OWN_OBJECT,
                                    .store = site->roster->layout->uuid,
                                    .space = site->space_path,
                                    .key = site->key,
                                    .level = site->level};
    struct ms_list_request request = {.names_only = true};
    struct ms_name folder;
    bool nothing = ms_own_folder(&own, MS_OWN_OF_KEY, 0, &folder, NULL) == 0;
    for (unsigned i = 0; i < site->order.data + site->order.witnesses && nothing; i++) {
        struct ms_member *m = ms_site_member(site, i);
        unsigned count = 0;
        if (is_voter(v, site->order.member[i]))
            continue;
        nothing = m &&
                  !ms_member_list(m, ms_name_view(&folder), &request, count_entry, &count, NULL) &&
                  !count && !ms_member_is_there(m, NULL);
    }
    return nothing;
}

/* By our clock, which only tells when to look at theirs. */
static bool look_old(const struct ms_versions *v, const struct ms_version *version)
{
    int64_t wall_ns = ms_clock_wall(v->site->roster->clock);
    bool old = true;
    for (unsigned i = 0; i < v->count; i++) {
        const struct ms_held *held = ms_versions_held(v, i, version);
        old = old && (!held || is_old(held, wall_ns));
    }
    return old;
}

/* By the clock of each voter that holds it. */
static bool are_old(const struct ms_versions *v, const struct ms_version *version)
{
    struct ms_errand *e;
    struct ms_fan *fan;
    bool old = true;
    if (ms_errand_new(v, age_leg, &e, &fan, NULL))
        return false;
    for (unsigned i = 0; i < v->count; i++) {
        const struct ms_held *held = ms_versions_held(v, i, version);
        old = old && (!held || !ms_errand_add(&e->leg[i], held, NULL));
    }
    old = old && run_all(v, e, fan);
    ms_fan_release(fan);
    return old;
}

/* Every voter has had it long enough, by its own clock (which ours only tells when to look at). */
static bool is_over(const struct ms_versions *v, const struct ms_version *deletion)
{
    bool alone = true;
    for (unsigned i = 0; i < v->count; i++)
        alone = alone && ms_versions_held(v, i, deletion) && v->voter[i].count == 1;
    return alone && look_old(v, deletion) && nothing_elsewhere(v) && are_old(v, deletion);
}

/* An end that some voter has; `after` an ID (NULL: the first). */
static bool next_end(const struct ms_versions *v, const struct ms_write_id *after,
                     struct ms_version *out)
{
    bool found = false;
    for (unsigned i = 0; i < v->count; i++)
        for (size_t h = 0; h < v->voter[i].count; h++) {
            const struct ms_version *one = &v->voter[i].held[h].version;
            if (!ms_version_is_end(one) || (after && ms_write_id_compare(&one->id, after) <= 0) ||
                (found && ms_write_id_compare(&one->id, &out->id) >= 0))
                continue;
            *out = *one;
            found = true;
        }
    return found;
}

/* Step 2 for one deletion: its end is wherever it is itself, so both may go. */
static bool take_away(const struct ms_versions *v, const struct ms_version *end)
{
    struct ms_version deletion = {.id = end->id, .mark = MS_OWN_DELETED};
    struct ms_errand *e;
    struct ms_fan *fan;
    for (unsigned i = 0; i < v->count; i++)
        if (ms_versions_held(v, i, &deletion) && !ms_versions_held(v, i, end))
            return false;
    if (ms_errand_new(v, end_leg, &e, &fan, NULL))
        return false;
    bool good = true;
    const struct ms_version *both[] = {&deletion, end};
    for (unsigned i = 0; i < v->count; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct ms_held *held = ms_versions_held(v, i, both[k]);
            good = good && (!held || !ms_errand_add(&e->leg[i], held, NULL));
        }
    good = good && run_all(v, e, fan);
    ms_fan_release(fan);
    return good;
}

/* Step 1, or what another has left of it: the end goes where the deletion is. */
static bool put_end(struct ms_versions *v, const struct ms_version *end)
{
    struct ms_version deletion = {.id = end->id, .mark = MS_OWN_DELETED};
    struct ms_frames none = {0};
    bool good = true;
    for (unsigned i = 0; i < v->count; i++)
        good = good && (!ms_versions_held(v, i, &deletion) || ms_versions_held(v, i, end));
    if (good)
        return true;
    return !ms_versions_put(v, end, &none, MS_PUT_SPREAD, NULL) && on_all(v, end);
}

/* Nobody has made anything that follows the deletion, nor can: who saw it before its end was there
 * is done, and where he has left blocks it is settled for good. */
static bool nothing_follows(struct ms_versions *v, const struct ms_version *end)
{
    struct ms_blocks blocks = {0};
    bool over = true;
    if (ms_blocks_list(v->site, &blocks, NULL))
        return false;
    if (ms_blocks_about(&blocks, &end->id) && ms_follow_close(v, end, &over, NULL))
        over = false;
    ms_blocks_end(&blocks);
    return over;
}

/* One end. True: there is nothing to be done about it but waiting. */
static bool take_end(struct ms_versions *v, const struct ms_version *end)
{
    if (!put_end(v, end))
        return false;
    if (!look_old(v, end) || !are_old(v, end))
        return true;
    return nothing_follows(v, end) && take_away(v, end);
}

/* Ends of deletions on any voter go, with what they end. Only a listing of all tells. */
static bool take_ends(const struct ms_site *site)
{
    struct ms_versions *v = NULL;
    struct ms_version end = {0};
    bool all = false;
    if (list_all(site, &v, &all, NULL))
        return false;
    bool good = all;
    struct ms_write_id passed;
    for (bool more = good && next_end(v, NULL, &end); more; more = next_end(v, &passed, &end)) {
        good &= take_end(v, &end);
        passed = end.id;
    }
    ms_versions_free(v);
    return good;
}

/* Blocks about what came before a deletion, "no version" too, which will come again. They are
 * listed before it is seen that the deletion is still the newest, and no end of it there: so none
 * of them is of a later life. */
static bool drop_blocks(const struct ms_site *site, const struct ms_version *deletion)
{
    struct ms_blocks blocks = {0};
    struct ms_versions *v = NULL;
    struct ms_version end = ms_version_end_of(deletion);
    bool good = !ms_blocks_list(site, &blocks, NULL), all = false;
    if (good && blocks.count) {
        good = !list_all(site, &v, &all, NULL) && all && on_all(v, deletion);
        for (unsigned i = 0; good && i < v->count; i++)
            good = !ms_versions_held(v, i, &end);
        good = good && !ms_blocks_drop_below(site, &blocks, &deletion->id, NULL);
        ms_versions_free(v);
    }
    ms_blocks_end(&blocks);
    return good;
}

/* ---- one key ---- */

/* *seen: what was listed, with what has been put since, and what failed; the caller's on success.
 */
static int heal_once(const struct ms_site *site, bool *whole, bool *again,
                     struct ms_versions **seen, struct ms_error *err)
{
    struct ms_newest n = {0};
    struct ms_version end;
    bool all = false;
    *whole = false;
    int code = list_all(site, &n.seen, &all, err);
    if (!code)
        code = ms_newest_settle(&n, &(struct ms_want){0}, err);
    if (!code && n.found)
        code = spread(&n, err);
    if (code) {
        ms_newest_end(&n);
        return code;
    }
    *whole = all && (!n.found || on_all(n.seen, &n.version));
    *again = n.found && ms_versions_has_debris(n.seen, &n.version);
    if (*again) {
        ms_versions_sweep(n.seen, &n.version, true);
    } else if (*whole && next_end(n.seen, NULL, &end)) {
        *whole = take_ends(site);
    } else if (*whole && n.found && n.version.mark == MS_OWN_DELETED &&
               is_over(n.seen, &n.version)) {
        end = ms_version_end_of(&n.version);
        *whole = drop_blocks(site, &n.version) && put_end(n.seen, &end);
    }
    *seen = MS_TAKE(n.seen);
    ms_newest_end(&n);
    return 0;
}

int ms_mutable_heal_seen(const struct ms_site *site, bool *whole, struct ms_versions **seen,
                         struct ms_error *err)
{
    bool again = true;
    int code = 0;
    *seen = NULL;
    for (unsigned round = 0; round < ROUNDS && again && !code; round++) {
        ms_versions_free(MS_TAKE(*seen));
        code = heal_once(site, whole, &again, seen, err);
        again |= code == MS_ERR_NOT_FOUND;
        code = code == MS_ERR_NOT_FOUND ? 0 : code;
    }
    *whole = *whole && !again;
    return code;
}

int ms_mutable_heal(const struct ms_site *site, bool *whole, struct ms_error *err)
{
    struct ms_versions *seen;
    int code = ms_mutable_heal_seen(site, whole, &seen, err);
    ms_versions_free(seen);
    return code ? ms_error_prefix(err, code, "%s", MS_SHOW_SITE(site)) : 0;
}
