/* mstore/away_settle.c - giving trust back to a member whose misses have been made up for: see
 * mstore/away.h. How long a mark has been closing is told by the clock of each member that holds
 * it: by the times of the mark and of an object put beside it now. */
#include "mstore/away.h"
#include "mstore/lease_parts.h"

#include "base/cleanup.h"
#include "base/fan.h"

#include <stdlib.h>

/* What is known of a member's marks after asking everybody. */
static int list_marks(struct ms_roster *r, unsigned member, struct ms_away out[MS_AWAY_MAX],
                      size_t *count, struct ms_error *err)
{
    struct ms_lease *l = r->lease;
    *count = 0;
    int code = ms_lease_poll_all(r, MS_NEWS_ALL, err);
    if (code)
        return code;
    MS_HOLD(&l->mutex);
    for (size_t i = 0; i < l->count && *count < MS_AWAY_MAX; i++)
        if (ms_uuid_equal(&l->seen[i].known.mark.member, &r->layout->members[member].uuid))
            out[(*count)++] = l->seen[i].known.mark;
    return 0;
}

int ms_away_close(struct ms_roster *r, unsigned member, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_away *marks = calloc(MS_AWAY_MAX, sizeof *marks);
    size_t count = 0;
    if (!marks)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    int code = list_marks(r, member, marks, &count, err);
    for (size_t i = 0; i < count; i++)
        marks[i].closing = true;
    return code || !count ? code : ms_away_put(r, marks, count, err);
}

/* ---- how long they have been closing ---- */

struct aging { /* shared with the calls */
    struct ms_roster *roster;
    uint64_t grace_ns;
    struct ms_name fresh;
    size_t count;
    struct ms_away *marks;
    bool *old; /* by leg, then by mark */
};

static void aging_free(void *shared)
{
    struct aging *a = shared;
    ms_roster_unref(a->roster);
    free(a->marks);
    free(a->old);
    free(a);
}

static int time_of(struct ms_member *m, const struct ms_name *name, int64_t *out,
                   struct ms_error *err)
{
    struct ms_info info = {0};
    int code = ms_member_info(m, ms_name_view(name), &info, err);
    *out = info.exists ? info.mtime_ns : 0;
    return code;
}

static int age_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct aging *a = shared;
    struct ms_member *m = a->roster->members[leg];
    int64_t now = 0, then = 0;
    if (!m)
        return ms_error_set(err, MS_ERR_CONFIG, "nobody said where the member is");
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_new(0);
    if (!empty)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    int code = ms_member_store(m, ms_name_view(&a->fresh), empty, NULL, NULL, err);
    if (!code)
        code = time_of(m, &a->fresh, &now, err);
    for (size_t i = 0; i < a->count && !code; i++) {
        struct ms_name name;
        ms_away_name(&a->roster->layout->uuid, &a->marks[i], &name);
        code = time_of(m, &name, &then, err);
        a->old[leg * a->count + i] =
            !code && then > 0 && now > then && (uint64_t)(now - then) >= a->grace_ns;
    }
    (void)!ms_member_delete(m, ms_name_view(&a->fresh), NULL);
    return code;
}

/* Keeps of marks[0..count) those that a majority has had closing for long enough. */
static int keep_old(struct ms_roster *r, struct ms_away marks[], size_t *count, uint64_t grace_ns,
                    struct ms_error *err)
{
    unsigned members = (unsigned)r->layout->member_count, leg;
    struct aging *a = calloc(1, sizeof *a);
    struct ms_fan *fan = NULL;
    if (!a)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    a->roster = ms_roster_ref(r);
    a->grace_ns = grace_ns;
    a->count = *count;
    a->marks = calloc(*count + 1, sizeof *a->marks);
    a->old = calloc(members * *count + 1, sizeof *a->old);
    int code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    if (a->marks && a->old)
        code = ms_fan_new(members, age_leg, aging_free, a, &fan, err);
    if (code || !a->marks) {
        aging_free(a);
        return code;
    }
    for (size_t i = 0; i < *count; i++)
        a->marks[i] = marks[i];
    ms_away_folder(&r->layout->uuid, &a->fresh);
    memcpy(a->fresh.text + a->fresh.size, "/now", 4);
    a->fresh.size += 4;
    for (unsigned i = 0; i < members; i++)
        if (r->layout->members[i].state != MS_GONE)
            ms_fan_start(fan, i);
    while (ms_fan_next(fan, r->clock, UINT64_MAX, &leg))
        continue;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        unsigned old = 0;
        for (unsigned m = 0; m < members; m++)
            old += a->old[m * a->count + i];
        if (old >= ms_away_majority(r->layout))
            marks[kept++] = marks[i];
    }
    *count = kept;
    ms_fan_release(fan);
    return 0;
}

int ms_away_ripe(struct ms_roster *r, unsigned member, uint64_t grace_ns, struct ms_away out[],
                 size_t *count, struct ms_error *err)
{
    uint64_t least = ms_lease_wait_ns(r->lease);
    size_t all = 0, closing = 0;
    *count = 0;
    int code = list_marks(r, member, out, &all, err);
    for (size_t i = 0; i < all; i++)
        if (out[i].closing)
            out[closing++] = out[i];
    if (!code && closing)
        code = keep_old(r, out, &closing, grace_ns + least, err);
    *count = code ? 0 : closing;
    return code;
}

int ms_away_settle(struct ms_roster *r, const struct ms_away ripe[], size_t count,
                   struct ms_error *err)
{
    MS_AUTO_FREE struct ms_away *marks = calloc(2 * count + 1, sizeof *marks);
    if (!marks)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    for (size_t i = 0; i < count; i++) {
        marks[2 * i] = marks[2 * i + 1] = ripe[i];
        marks[2 * i].closing = false; /* first: where this fails it is still closing */
    }
    int code = count ? ms_away_remove(r, marks, 2 * count, err) : 0;
    return code ? code : ms_lease_poll(r, MS_NEWS_ALL, err);
}
