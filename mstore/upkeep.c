/* mstore/upkeep.c - see mstore/upkeep.h: the run of all steps, and what it counts. */
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/lease.h"
#include "mstore/list_parts.h"
#include "mstore/self.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What others have left undone first, so that the keys are seen as they should be. */
const struct ms_upkeep_step ms_upkeep_steps[] = {
    {.name = "layouts", .run = ms_upkeep_layouts},
    {.name = "marks", .run = ms_upkeep_close_marks},
    {.name = "notes", .run = ms_upkeep_notes},
    {.name = "intents", .run_space = ms_upkeep_intents_space},
    {.name = "plain", .run_space = ms_upkeep_plain_space},
    {.name = "mutable", .run_space = ms_upkeep_mutable_space},
    {.name = "immutable", .run_space = ms_upkeep_immutable_space},
    {.name = "tombstones", .run_space = ms_upkeep_tombs_space},
    {.name = "trash", .run_space = ms_upkeep_trash_space},
    {.name = "sweep", .run = ms_upkeep_sweep},
    {.name = "settle", .run = ms_upkeep_settle_marks},
    {0},
};

/* ---- the report ---- */

struct report { /* the public struct, and all that it points to */
    struct ms_upkeep_report base;
    struct ms_roster *roster;
    struct ms_error *troubles;
};

void ms_upkeep_report_free(struct ms_upkeep_report *base)
{
    struct report *r = (struct report *)base;
    if (!r)
        return;
    free(base->members);
    free(r->troubles);
    ms_roster_unref(r->roster);
    free(r);
}

static struct ms_upkeep_report *report_new(struct ms_roster *roster)
{
    size_t count = roster->layout->member_count;
    struct report *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->roster = ms_roster_ref(roster);
    r->base.members = calloc(count + 1, sizeof *r->base.members);
    r->troubles = calloc(count + 1, sizeof *r->troubles);
    if (!r->base.members || !r->troubles) {
        ms_upkeep_report_free(&r->base);
        return NULL;
    }
    r->base.member_count = count;
    for (size_t i = 0; i < count; i++) {
        r->base.members[i].name = roster->layout->members[i].name;
        r->base.members[i].trouble = r->troubles[i].text;
    }
    return &r->base;
}

bool ms_upkeep_report_clean(const struct ms_upkeep_report *report)
{
    bool clean = report->failed == 0 && report->layouts == 0;
    for (size_t i = 0; i < report->member_count; i++)
        clean = clean && report->members[i].code == 0;
    return clean;
}

static const char *const find_names[MS_FINDS] = {
    "wanting", "damaged", "surplus", "debris", "conflict", "stranger", "lost", "unjudged", "failed",
};

const char *ms_upkeep_find_name(enum ms_upkeep_find find)
{
    return (unsigned)find < MS_FINDS ? find_names[find] : "unknown";
}

void ms_upkeep_found_many(struct ms_upkeep *u, enum ms_upkeep_find find, size_t member,
                          uint64_t count)
{
    MS_HOLD(&u->mutex);
    u->report->found[find] += count;
    if (member != MS_UPKEEP_NOBODY)
        u->report->members[member].found[find] += count;
}

/* What members say of a key often begins with it; who tells it has named it already. */
static const char *without_key(const char *sentence, struct ms_view path, struct ms_view key)
{
    char space[MS_SHOW_SIZE], shown[MS_SHOW_SIZE], whole[2 * MS_SHOW_SIZE + 2];
    ms_show(space, sizeof space, path);
    ms_show(shown, sizeof shown, key);
    const char *names[] = {whole, shown};
    snprintf(whole, sizeof whole, "%s%s%s", space, space[0] ? "/" : "", shown);
    for (size_t i = 0; i < 2 && shown[0]; i++) {
        size_t size = strlen(names[i]);
        if (strncmp(sentence, names[i], size) == 0 && strncmp(sentence + size, ": ", 2) == 0)
            return sentence + size + 2;
    }
    return sentence;
}

void ms_upkeep_found(struct ms_upkeep *u, enum ms_upkeep_find find, size_t member,
                     struct ms_view path, struct ms_view key, bool fixed, const char *fmt, ...)
{
    char sentence[400], shown[MS_SHOW_SIZE], space[MS_SHOW_SIZE];
    va_list args;
    ms_upkeep_found_many(u, find, member, 1);
    if (!u->options.found)
        return;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    struct ms_upkeep_finding finding = {
        .find = find,
        .space = ms_show(space, sizeof space, path),
        .key = ms_show(shown, sizeof shown, key),
        .member = member == MS_UPKEEP_NOBODY ? "" : u->roster->layout->members[member].name,
        .sentence = without_key(sentence, path, key),
        .fixed = fixed,
    };
    MS_HOLD(&u->telling);
    u->options.found(u->options.ctx, &finding);
}

/* Keys that notes lead to are seen once more later, when all are. */
void ms_upkeep_key_ended(struct ms_upkeep *u, enum ms_upkeep_end end)
{
    MS_HOLD(&u->mutex);
    struct ms_upkeep_report *r = u->report;
    bool done = end == MS_KEY_REPAIRED || end == MS_KEY_MOVED;
    if (u->by_notes && !done)
        return;
    u->unsettled |= end == MS_KEY_WANTING || end == MS_KEY_FAILED || end == MS_KEY_UNSEEN;
    r->keys += !u->by_notes;
    r->wanting += end != MS_KEY_WELL && end != MS_KEY_BUSY;
    r->repaired += end == MS_KEY_REPAIRED;
    r->moved += end == MS_KEY_MOVED;
    r->conflicts += end == MS_KEY_CONFLICT;
    r->lost += end == MS_KEY_LOST;
    r->unseen += end == MS_KEY_UNSEEN;
    r->failed += end == MS_KEY_WANTING || end == MS_KEY_FAILED || end == MS_KEY_UNSEEN ||
                 end == MS_KEY_CONFLICT || end == MS_KEY_LOST;
}

void ms_upkeep_key_left(struct ms_upkeep *u)
{
    MS_HOLD(&u->mutex);
    u->report->failed++;
}

void ms_upkeep_layout_ended(struct ms_upkeep *u, bool fixed)
{
    MS_HOLD(&u->mutex);
    u->report->layouts += !fixed;
}

void ms_upkeep_changed(struct ms_upkeep *u, size_t member, uint64_t written, uint64_t removed)
{
    MS_HOLD(&u->mutex);
    u->report->members[member].written += written;
    u->report->members[member].removed += removed;
}

void ms_upkeep_missed(struct ms_upkeep *u, size_t member, const struct ms_error *why)
{
    MS_HOLD(&u->mutex);
    struct report *r = (struct report *)u->report;
    u->whole = false;
    if (u->report->members[member].code)
        return;
    r->troubles[member] = *why;
    u->report->members[member].code = why->code;
}

/* ---- namespaces ---- */

static bool is_wanted(const struct ms_upkeep *u, struct ms_view path)
{
    struct ms_view only = u->options.space ? ms_str(u->options.space) : path;
    return ms_equal(path, only) || (only.size && path.size > only.size &&
                                    path.data[only.size] == '/' && ms_starts_with(path, only));
}

static int add_path(struct ms_paths *p, struct ms_view path, struct ms_error *err)
{
    struct ms_text *more = reallocarray(p->path, p->count + 1, sizeof *more);
    if (more) {
        p->path = more;
        more[p->count] = (struct ms_text){0};
    }
    if (!more || !ms_text_set(&more[p->count], path, ms_view(NULL, 0)))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the names of namespaces");
    p->count++;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return ms_compare(ms_text_view(*(const struct ms_text *)a),
                      ms_text_view(*(const struct ms_text *)b));
}

/* All that are configured, and those inside them that have objects; each once, by bytes. */
static int find_paths(struct ms_upkeep *u, struct ms_paths *out, struct ms_error *err)
{
    const struct ms_layout *l = u->roster->layout;
    int code = ms_list_all_paths(u->roster, out, err);
    for (size_t i = 0; i < l->space_count && !code; i++)
        code = add_path(out, ms_str(l->spaces[i].name), err);
    if (code)
        return code;
    qsort(out->path, out->count, sizeof *out->path, by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct ms_view path = ms_text_view(out->path[i]);
        if (is_wanted(u, path) && (!kept || !ms_equal(path, ms_text_view(out->path[kept - 1]))))
            out->path[kept++] = out->path[i];
        else
            free(out->path[i].bytes);
    }
    out->count = kept;
    if (kept || !u->options.space)
        return 0;
    return ms_error_set(err, MS_ERR_INVALID, "there is no namespace \"%s\"", u->options.space);
}

/* ---- the run ---- */

static int run_step(struct ms_upkeep *u, const struct ms_upkeep_step *step,
                    const struct ms_paths *paths, struct ms_error *err)
{
    int code = 0;
    u->step = step->name;
    u->by_notes = step->run == ms_upkeep_notes;
    if (step->run)
        return step->run(u, paths, err);
    bool here = strcmp(u->from.step, step->name) == 0; /* where the earlier run was */
    if (u->from.step[0] && !here)
        return 0;
    for (size_t i = 0; i < paths->count && !code; i++) {
        struct ms_view path = ms_text_view(paths->path[i]), after = ms_view(NULL, 0);
        const struct ms_layout_space *space = ms_layout_space(u->roster->layout, path);
        int order = here ? ms_compare(path, ms_upkeep_cursor_space(&u->from)) : 1;
        if (order == 0)
            after = ms_upkeep_cursor_key(&u->from);
        if (order >= 0 && space)
            code = step->run_space(u, space, path, after, err);
    }
    u->from.step[0] = '\0'; /* what follows is from its beginning */
    return code;
}

/* While one call looks whether a member lives again, all others are kept from it: a run that did
 * not wait for that look would count the member as away. That it still is, its calls say. */
static int meet_member(void *arg, size_t index)
{
    struct ms_roster *r = arg;
    struct ms_member *m = r->members[index];
    if (!m || !ms_health_away(ms_member_health(m)))
        return 0;
    ms_health_try_now(ms_member_health(m), ms_clock_now(r->clock));
    return ms_member_insist(m, NULL) == MS_ERR_CANCELLED ? MS_ERR_CANCELLED : 0;
}

/* Members that were sick get another chance now; who was away is known from notes. */
static int meet_members(struct ms_upkeep *u, struct ms_error *err)
{
    unsigned members = (unsigned)u->roster->layout->member_count;
    int code = ms_parallel(members, members, meet_member, u->roster, err);
    return code ? code : ms_lease_trust(u->roster, MS_NEWS_AWAY, err);
}

static int run_all(struct ms_upkeep *u, struct ms_error *err)
{
    struct ms_paths paths = {0};
    int code = meet_members(u, err);
    if (!code)
        code = find_paths(u, &paths, err);
    bool notes_only = u->options.notes_only; /* leaves the way of a whole run as it is */
    if (!code && !notes_only)
        ms_upkeep_resume(u);
    for (const struct ms_upkeep_step *s = ms_upkeep_steps; s->name && !code; s++)
        if (!notes_only || s->run == ms_upkeep_notes)
            code = run_step(u, s, &paths, err);
    ms_paths_fini(&paths);
    if (notes_only)
        return code;
    if (!code)
        ms_upkeep_forget(u);
    else
        ms_upkeep_remember(u);
    return code;
}

#define JOBS_DEFAULT 16

int ms_upkeep_run(struct ms_self *self, struct ms_roster *roster, enum ms_upkeep_task task,
                  const struct ms_upkeep_options *options, struct ms_upkeep_report **out,
                  struct ms_error *err)
{
    struct ms_upkeep u = {.task = task, .self = self, .roster = roster, .whole = true};
    if (options)
        memcpy(&u.options, options,
               options->struct_size < sizeof u.options ? options->struct_size : sizeof u.options);
    u.options.jobs = u.options.jobs ? u.options.jobs : JOBS_DEFAULT;
    u.begun_ns = ms_clock_now(roster->clock);
    u.saved_ns = u.begun_ns;
    u.sample_key = (uint64_t)ms_clock_wall(roster->clock);
    u.report = report_new(roster);
    if (!u.report)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a report");
    ms_mutex_init(&u.mutex);
    ms_mutex_init(&u.telling);
    ms_mutex_init(&u.ages.mutex);
    int code = run_all(&u, err);
    ms_mutex_fini(&u.mutex);
    ms_mutex_fini(&u.telling);
    ms_mutex_fini(&u.ages.mutex);
    free(u.ripe);
    *out = u.report;
    return code;
}

static bool is_open(struct ms_self *self)
{
    MS_HOLD(&self->mutex);
    return self->roster != NULL;
}

static int run_on(struct ms_store *s, enum ms_upkeep_task task,
                  const struct ms_upkeep_options *options, struct ms_upkeep_report **out,
                  struct ms_error *err)
{
    if (!ms_store_is_mstore(s))
        return ms_error_set(err, MS_ERR_INVALID, "%s is not a store of many members",
                            ms_store_url(s));
    if (!is_open(ms_self_of(s)))
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "the store %s is not open", ms_store_url(s));
    MS_AUTO_ROSTER struct ms_roster *roster = ms_self_roster(ms_self_of(s));
    return ms_upkeep_run(ms_self_of(s), roster, task, options, out, err);
}

int ms_mstore_scrub(struct ms_store *s, const struct ms_upkeep_options *options,
                    struct ms_upkeep_report **out, struct ms_error *err)
{
    return run_on(s, MS_UPKEEP_SCRUB, options, out, err);
}

int ms_mstore_heal(struct ms_store *s, const struct ms_upkeep_options *options,
                   struct ms_upkeep_report **out, struct ms_error *err)
{
    return run_on(s, MS_UPKEEP_HEAL, options, out, err);
}

int ms_mstore_rebalance(struct ms_store *s, const struct ms_upkeep_options *options,
                        struct ms_upkeep_report **out, struct ms_error *err)
{
    return run_on(s, MS_UPKEEP_REBALANCE, options, out, err);
}
