/* mstore/status.c - what is known of an MStore: its members, asked at once, and its policies. */
#include "mstore/inquiry.h"
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "base/sync.h"
#include "mstore/away.h"
#include "mstore/layout_parts.h"
#include "mstore/lease_parts.h"
#include "mstore/notes.h"

#include <mstore/multi.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MARKS_MAX 4096 /* of all members together, as others may have put there */

/* The public struct, and all that it points to. */
struct status {
    struct ms_mstore_status base;
    struct ms_roster *roster;
    struct ms_mstore_member *members;
    struct ms_mstore_space *spaces;
    struct ms_error *troubles; /* by member, like the next */
    atomic_bool *behind;
    char (*redundancy)[MS_REDUNDANCY_TEXT]; /* by space */
    struct ms_mutex mutex;                  /* of what follows, until all have answered */
    struct seen *marks;
    size_t mark_count;
};

struct seen { /* a mark of absence (mstore/away.h) on one member */
    size_t holder;
    struct ms_away mark;
    int64_t since_ns; /* by that member's clock */
};

void ms_mstore_status_free(struct ms_mstore_status *base)
{
    struct status *s = (struct status *)base;
    if (!s)
        return;
    ms_roster_unref(s->roster);
    free(s->members);
    free(s->spaces);
    free(s->troubles);
    free(s->behind);
    free(s->redundancy);
    free(s->marks);
    ms_mutex_fini(&s->mutex);
    free(s);
}

static const char *const breakers[] = {
    [MS_HEALTH_CLOSED] = "closed", [MS_HEALTH_OPEN] = "open", [MS_HEALTH_HALF_OPEN] = "half open"};

struct about { /* members that there is a folder of notes for */
    struct status *s;
    bool is[MS_MEMBERS_MAX];
};

/* The members that a member has noted something about: a call for each folder that it has. A
 * failure only means that less is known. */
static int take_noted(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct about *a = ctx;
    const struct ms_layout *l = a->s->roster->layout;
    (void)err;
    for (size_t i = 0; i < l->member_count; i++) {
        char hex[MS_UUID_HEX];
        ms_hex_encode(hex, l->members[i].uuid.bytes, sizeof l->members[i].uuid.bytes);
        a->is[i] |= l->members[i].state != MS_GONE && ms_equal(entry->name, ms_str(hex));
    }
    return 0;
}

static void ask_notes(struct status *s, struct ms_member *m)
{
    static const struct ms_list_request request = {.names_only = true};
    const struct ms_layout *l = s->roster->layout;
    const struct ms_own_name note = {.kind = MS_OWN_HINT, .store = l->uuid, .key = ms_str("a")};
    struct about about = {.s = s};
    struct ms_name top;
    int code = ms_own_folder(&note, MS_OWN_OF_KIND, 0, &top, NULL);
    struct ms_view folder = ms_name_view(&top);
    while (!code && folder.data[folder.size - 1] != '/') /* of all members, not of one */
        folder.size--;
    folder.size -= folder.size > 0;
    if (!code)
        code = ms_member_list(m, folder, &request, take_noted, &about, NULL);
    for (size_t i = 0; i < l->member_count && !code; i++) {
        bool any = false;
        if (about.is[i] && !atomic_load(&s->behind[i]))
            code = ms_notes_any(m, &l->uuid, &l->members[i].uuid, &any, NULL);
        if (any)
            atomic_store(&s->behind[i], true);
    }
}

/* Of what is noted on one member; whoever has most about another one says how many there are. */
static int count_notes(void *arg, size_t keeper)
{
    struct status *s = arg;
    const struct ms_layout *l = s->roster->layout;
    for (size_t i = 0; i < l->member_count; i++) {
        struct ms_mstore_member *about = &s->members[i];
        struct ms_notes_count count;
        if (!s->members[i].behind || i == keeper || s->members[keeper].code ||
            !s->roster->members[keeper])
            continue;
        int code = ms_notes_count(s->roster->members[keeper], &l->uuid, &l->members[i].uuid,
                                  MS_MSTORE_NOTES_MOST, &count, NULL);
        MS_HOLD(&s->mutex);
        about->notes = count.notes > about->notes ? count.notes : about->notes;
        about->more_notes |= code || count.more;
    }
    return 0;
}

int ms_mstore_count_notes(struct ms_mstore_status *base, struct ms_error *err)
{
    struct status *s = (struct status *)base;
    for (size_t i = 0; i < base->member_count; i++) {
        s->members[i].notes = 0;
        s->members[i].more_notes = false;
    }
    return ms_parallel(base->member_count, (unsigned)base->member_count, count_notes, s, err);
}

/* ---- marks of absence ---- */

struct holding {
    struct status *s;
    size_t holder;
};

static int take_mark(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct holding *h = ctx;
    struct status *s = h->s;
    struct ms_away mark;
    if (!ms_away_parse(entry->name, &mark))
        return 0;
    MS_HOLD(&s->mutex);
    if (s->mark_count == MARKS_MAX)
        return 0;
    struct seen *more = reallocarray(s->marks, s->mark_count + 1, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    s->marks = more;
    more[s->mark_count++] = (struct seen){h->holder, mark, entry->info.mtime_ns};
    return 0;
}

static void ask_marks(struct status *s, size_t holder)
{
    static const struct ms_list_request request = {.names_only = false};
    struct holding h = {s, holder};
    struct ms_name folder;
    ms_away_folder(&s->roster->layout->uuid, &folder);
    (void)!ms_member_list(s->roster->members[holder], ms_name_view(&folder), &request, take_mark,
                          &h, NULL);
}

static int by_time(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, two = *(const int64_t *)b;
    return (one > two) - (one < two);
}

/* When a mark has begun to close on a majority; 0: not yet. Nor has it for one about `member` if it
 * does so on others alone: while heal ran that one was away, and has not made up for anything. */
static int64_t closing_since(const struct status *s, struct ms_away mark, size_t member)
{
    int64_t since[MS_MEMBERS_MAX];
    unsigned count = 0, majority = ms_away_majority(s->roster->layout);
    bool met = false;
    mark.closing = true;
    for (size_t i = 0; i < s->mark_count && count < MS_MEMBERS_MAX; i++) {
        if (!ms_away_equal(&s->marks[i].mark, &mark))
            continue;
        met |= s->marks[i].holder == member;
        since[count++] = s->marks[i].since_ns;
    }
    if (!met || count < majority)
        return 0;
    qsort(since, count, sizeof *since, by_time);
    return since[majority - 1];
}

/* All marks of a member must have been closing for so long that heal may take them away. */
static void judge_marks(struct status *s, size_t member)
{
    struct ms_mstore_member *out = &s->members[member];
    int64_t from = 0;
    for (size_t i = 0; i < s->mark_count; i++) {
        const struct ms_away *mark = &s->marks[i].mark;
        if (!ms_uuid_equal(&mark->member, &s->roster->layout->members[member].uuid))
            continue;
        int64_t since = closing_since(s, *mark, member);
        from = out->marked && (!from || !since) ? 0 : since > from ? since : from;
        out->marked = true;
    }
    if (from)
        out->believed_from_ns =
            from + (int64_t)(MS_AWAY_GRACE_NS + ms_lease_wait_ns(s->roster->lease));
}

/* The newest layout on it; whether anybody could read it. */
static int ask_layout(struct status *s, struct ms_member *m, struct ms_mstore_member *out,
                      struct ms_error *err)
{
    const struct ms_uuid *store = &s->roster->layout->uuid;
    struct ms_layout *l = NULL;
    uint64_t proposed;
    int code = ms_inquiry_latest(m, store, &out->layout, &proposed, err);
    int damage = code || !out->layout
                     ? 0
                     : ms_inquiry_load(m, store, &s->roster->key, out->layout, true, &l, NULL);
    out->damaged = ms_inquiry_is_damage(damage);
    ms_layout_free(l);
    return code;
}

/* How full it is need not be known. */
static void ask_usage(struct ms_member *m, struct ms_mstore_member *out)
{
    if (ms_member_usage(m, &out->total_bytes, &out->free_bytes, NULL))
        out->total_bytes = out->free_bytes = UINT64_MAX;
}

/* In earnest, also if it did not answer a moment ago: who asks wants to know how it is now. */
static int ask_one(void *arg, size_t i)
{
    struct status *s = arg;
    struct ms_member *m = s->roster->members[i];
    struct ms_mstore_member *out = &s->members[i];
    struct ms_health_view health;
    if (!m)
        return 0;
    out->code = ms_member_insist(m, &s->troubles[i]);
    if (!out->code)
        out->code = ms_member_open(m, &s->troubles[i]);
    if (!out->code)
        out->code = ask_layout(s, m, out, &s->troubles[i]);
    if (!out->code) {
        s->troubles[i] = (struct ms_error){0};
        ask_usage(m, out);
        ask_notes(s, m);
        ask_marks(s, i);
    }
    const struct ms_error *unmade = ms_member_unmade(m);
    if (unmade)
        out->code = ms_error_set(&s->troubles[i], unmade->code, "member %s: %s", ms_member_name(m),
                                 unmade->text);
    ms_health_view(ms_member_health(m), ms_clock_now(s->roster->clock),
                   ms_clock_wall(s->roster->clock), &health);
    out->latency_ns = health.expected_ns;
    out->calls = health.calls;
    out->errors = health.errors;
    out->refused = health.refused;
    out->opened = health.opened;
    out->breaker = breakers[health.state];
    return 0;
}

static void describe_member(struct status *s, size_t i)
{
    const struct ms_layout_member *m = &s->roster->layout->members[i];
    struct ms_mstore_member *out = &s->members[i];
    out->name = m->name;
    out->zone = m->zone;
    out->state = ms_layout_states[m->state];
    out->joining = s->roster->next && i >= s->roster->own_count;
    out->weight = m->weight;
    out->total_bytes = out->free_bytes = UINT64_MAX;
    out->breaker = breakers[MS_HEALTH_CLOSED];
    out->trouble = s->troubles[i].text;
    if (s->roster->members[i]) {
        out->url = ms_member_url(s->roster->members[i]);
    } else if (m->state != MS_GONE) {
        out->code = ms_error_set(&s->troubles[i], MS_ERR_CONFIG,
                                 "the configuration has no url of member %s", m->name);
    }
}

static void describe_space(struct status *s, size_t i)
{
    const struct ms_layout *l = s->roster->layout;
    const struct ms_layout_space *space = &l->spaces[i];
    s->spaces[i] = (struct ms_mstore_space){
        .name = space->name,
        .kind = ms_layout_kinds[space->kind],
        .redundancy = ms_redundancy_format(space, s->redundancy[i]),
        .targets = ms_layout_targets(l, space),
        .tolerates = ms_layout_tolerates(l, space),
    };
}

/* Each member that is away or behind may be one that a key needs. */
static unsigned left_of(const struct status *s, size_t space)
{
    const struct ms_layout *l = s->roster->layout;
    unsigned tolerates = s->spaces[space].tolerates, impaired = 0;
    for (size_t i = 0; i < l->member_count; i++) {
        bool votes = l->spaces[space].kind == MS_KIND_MUTABLE;
        bool counts =
            l->members[i].state != MS_GONE && (votes || l->members[i].state != MS_WITNESS);
        impaired += counts && (s->members[i].code || s->members[i].behind);
    }
    return tolerates > impaired ? tolerates - impaired : 0;
}

static int allocate(struct status *s, struct ms_error *err)
{
    const struct ms_layout *l = s->roster->layout;
    s->members = calloc(l->member_count + 1, sizeof *s->members);
    s->troubles = calloc(l->member_count + 1, sizeof *s->troubles);
    s->behind = calloc(l->member_count + 1, sizeof *s->behind);
    s->spaces = calloc(l->space_count + 1, sizeof *s->spaces);
    s->redundancy = calloc(l->space_count + 1, sizeof *s->redundancy);
    return s->members && s->troubles && s->behind && s->spaces && s->redundancy
               ? 0
               : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the state of a store");
}

int ms_mstore_status(struct ms_store *store, struct ms_mstore_status **out, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(store);
    if (!ms_store_is_mstore(store))
        return ms_error_set(err, MS_ERR_INVALID, "%s is not a store of many members",
                            ms_store_url(store));
    struct status *s = calloc(1, sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the state of a store");
    s->roster = ms_self_roster(self);
    ms_mutex_init(&s->mutex);
    const struct ms_layout *l = s->roster->layout;
    int code = allocate(s, err);
    for (size_t i = 0; i < l->member_count && !code; i++)
        describe_member(s, i);
    for (size_t i = 0; i < l->space_count && !code; i++)
        describe_space(s, i);
    if (!code)
        code = ms_parallel(l->member_count, (unsigned)l->member_count, ask_one, s, err);
    if (code) {
        ms_mstore_status_free(&s->base);
        return code;
    }
    for (size_t i = 0; i < l->member_count; i++)
        s->members[i].behind = atomic_load(&s->behind[i]);
    for (size_t i = 0; i < l->member_count; i++)
        judge_marks(s, i);
    for (size_t i = 0; i < l->space_count; i++)
        s->spaces[i].tolerates_now = left_of(s, i);
    s->base.epoch = l->epoch;
    s->base.proposed = s->roster->next ? s->roster->next->epoch : 0;
    s->base.placement = ms_layout_placements[l->placement];
    s->base.members = s->members;
    s->base.member_count = l->member_count;
    s->base.spaces = s->spaces;
    s->base.space_count = l->space_count;
    ms_uuid_format(&l->uuid, s->base.uuid);
    *out = &s->base;
    return 0;
}
