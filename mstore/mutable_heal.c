/* mstore/mutable_heal.c - one key, brought to where it should be; and how a deletion ends.
 *
 * A deletion must be there as long as anything older may come up again: on a member that was away,
 * or by a call whose effect is late. So it may end when every voter holds it, none has anything
 * else, and each has had it for the grace period by its own clock. But it cannot be taken from all
 * at once, and a key that a writer finds empty on a majority starts again at counter 1: below what
 * the rest still has. Therefore in two steps:
 *
 *   1. every voter gets the end of the deletion, an object that says that it counts no more;
 *   2. when a listing of all has shown that whoever has the deletion has its end too, the deletion
 *      is taken from each voter, then, when that is certain, the end.
 *
 * Whoever sees the end goes above its counter; who does not sees a key of which a deletion, where
 * there is one left, is known to be over. */
#include "mstore/age.h"
#include "mstore/mutable_parts.h"
#include "mstore/versions_parts.h"

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

static bool is_old(int64_t since_ns, int64_t now_ns)
{
    return since_ns > 0 && now_ns - since_ns >= (int64_t)MS_VERSIONS_GRACE_NS;
}

static int age_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    struct ms_own_name own = e->own;
    int64_t now_ns;
    own.id = e->leg[leg].held->version.id;
    int code = ms_age_now(e->leg[leg].member, &own, &now_ns, err);
    if (!code && !is_old(e->leg[leg].held->mtime_ns, now_ns))
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

/* Every voter has had it long enough, by its own clock (which ours only tells when to look at). */
static bool is_over(const struct ms_versions *v, const struct ms_version *deletion)
{
    struct ms_errand *e;
    struct ms_fan *fan;
    int64_t wall_ns = ms_clock_wall(v->site->roster->clock);
    bool old = true;
    for (unsigned i = 0; i < v->count; i++) {
        const struct ms_held *held = ms_versions_held(v, i, deletion);
        old = old && held && v->voter[i].count == 1 && is_old(held->mtime_ns, wall_ns);
    }
    if (!old || !nothing_elsewhere(v) || ms_errand_new(v, age_leg, &e, &fan, NULL))
        return false;
    for (unsigned i = 0; i < v->count; i++)
        old = old && !ms_errand_add(&e->leg[i], ms_versions_held(v, i, deletion), NULL);
    old = old && run_all(v, e, fan);
    ms_fan_release(fan);
    return old;
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
        good &= put_end(v, &end) && take_away(v, &end);
        passed = end.id;
    }
    ms_versions_free(v);
    return good;
}

/* ---- one key ---- */

static int heal_once(const struct ms_site *site, bool *whole, bool *again, struct ms_error *err)
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
    } else if (*whole) {
        bool over = n.found && n.version.mark == MS_OWN_DELETED && is_over(n.seen, &n.version);
        end = ms_version_end_of(&n.version);
        if (over)
            *whole = put_end(n.seen, &end);
        if (*whole && (over || next_end(n.seen, NULL, &end)))
            *whole = take_ends(site);
    }
    ms_newest_end(&n);
    return 0;
}

int ms_mutable_heal(const struct ms_site *site, bool *whole, struct ms_error *err)
{
    bool again = true;
    int code = 0;
    for (unsigned round = 0; round < ROUNDS && again && !code; round++) {
        code = heal_once(site, whole, &again, err);
        again |= code == MS_ERR_NOT_FOUND;
        code = code == MS_ERR_NOT_FOUND ? 0 : code;
    }
    *whole = *whole && !again;
    return code ? ms_error_prefix(err, code, "%s", MS_SHOW_SITE(site)) : 0;
}
