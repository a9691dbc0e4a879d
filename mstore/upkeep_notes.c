/* mstore/upkeep_notes.c - what others have noted about members (hints): the keys that a member
 * lacks something of, looked after first, and each note taken away once its key is whole. A member
 * about which nothing is noted any more has made up for what it missed. Where a put of an
 * immutable key may come late, a note of that stays in its place for a quarter of an hour. */
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "mstore/away.h"
#include "mstore/list_parts.h"
#include "mstore/notes.h"
#include "mstore/plain_hint.h"
#include "mstore/upkeep_plain.h"

#include <stdatomic.h>

#define SWEEP_AGE_NS (UINT64_C(86400) * 1000000000)

struct notes { /* about one member */
    struct ms_upkeep *u;
    size_t member;
    atomic_bool left; /* some stay, or may have been missed */
};

static bool has_id(const struct ms_object *note, struct ms_write_id id)
{
    return ms_write_id_compare(&note->name.id, &id) == 0;
}

/* The member was not waited for: a put may come after what this run does, until its mark has been
 * closing for a quarter of an hour (mstore/away.h). A deletion must hear of that. */
static bool may_be_put_late(struct notes *n, const struct ms_object *note)
{
    struct ms_own_name beside = note->name;
    beside.id = (struct ms_write_id){.writer = MS_NOTE_PENDING.writer + 1};
    return (has_id(note, MS_NOTE_PENDING) || has_id(note, MS_NOTE_OF_LATE)) &&
           n->u->roster->members[n->member] &&
           ms_member_returning(n->u->roster->members[n->member]) &&
           !ms_age_there(&n->u->ages, n->u->roster, note->member, &beside, note->mtime_ns,
                         (int64_t)MS_AWAY_GRACE_NS);
}

static int put_of_late(struct ms_member *keeper, struct ms_own_name own)
{
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_new(0);
    struct ms_name name;
    own.id = MS_NOTE_OF_LATE;
    int code = empty ? ms_own_format(&own, 0, &name, NULL) : MS_ERR_NO_MEMORY;
    return code ? code : ms_member_store(keeper, ms_name_view(&name), empty, NULL, NULL, NULL);
}

static int drop_note(struct notes *n, const struct ms_object *note)
{
    struct ms_member *keeper = n->u->roster->members[note->member];
    struct ms_own_name own = note->name;
    struct ms_name name;
    bool late = may_be_put_late(n, note);
    own.store = n->u->roster->layout->uuid;
    if (late && has_id(note, MS_NOTE_OF_LATE))
        return 0;
    int code = late ? put_of_late(keeper, own) : 0;
    if (!code)
        code = ms_own_format(&own, 0, &name, NULL);
    if (!code)
        code = ms_member_delete(keeper, ms_name_view(&name), NULL);
    if (!code && !late)
        ms_notes_prune(keeper, &own, ms_name_view(&name));
    return code;
}

/* The notes of one key, as they were seen: one that comes later stays. */
static int drop_notes(struct notes *n, const struct ms_upkeep_item *e)
{
    for (size_t i = 0; i < e->count; i++) {
        int code = drop_note(n, &e->objects[i]);
        if (ms_upkeep_fatal(code))
            return code;
        if (code && code != MS_ERR_NOT_FOUND)
            atomic_store(&n->left, true);
    }
    return 0;
}

/* A request that may still take effect, after what this run does. */
static bool may_come_late(struct notes *n, const struct ms_upkeep_item *e)
{
    for (size_t i = 0; i < e->count; i++) {
        struct ms_own_name own = e->objects[i].name;
        own.store = n->u->roster->layout->uuid;
        bool late = ms_plain_note_late(&own.id);
        own.id = ms_plain_note_of_nothing(own.id); /* what is put beside it to learn the time */
        if (late && !ms_age_there(&n->u->ages, n->u->roster, e->objects[i].member, &own,
                                  e->objects[i].mtime_ns, (int64_t)MS_AWAY_GRACE_NS))
            return true;
    }
    return false;
}

/* Plain keys: a note goes only when there was nothing left to do, so that what somebody else did
 * while it was repaired is looked after once more. */
static int replay_mirrored(struct notes *n, const struct ms_upkeep_item *e, struct ms_error *err)
{
    enum ms_upkeep_end end = MS_KEY_FAILED;
    int code = ms_upkeep_noted_key(n->u, e->space, e->path, e->key, n->member, &end, err);
    if (!code && end == MS_KEY_WELL && !may_come_late(n, e))
        return drop_notes(n, e);
    atomic_store(&n->left, true);
    return code;
}

static int replay_one(struct ms_upkeep *u, const struct ms_upkeep_item *item, struct ms_error *err)
{
    struct notes *n = item->ctx;
    enum ms_layout_kind kind = item->space->kind;
    enum ms_upkeep_end end = MS_KEY_WELL;
    {
        MS_HOLD(&u->mutex);
        for (size_t i = 0; i < item->count; i++)
            u->report->members[n->member].notes += !has_id(&item->objects[i], MS_NOTE_OF_LATE);
    }
    if (!ms_upkeep_may_write(u)) {
        atomic_store(&n->left, true);
        return 0;
    }
    if (kind == MS_KIND_PLAIN)
        return replay_mirrored(n, item, err);
    int code = ms_upkeep_one_key(u, item->space, item->path, item->key, ms_upkeep_kinds(kind),
                                 ms_upkeep_fn_of(kind), &end, err);
    if (!code && (end == MS_KEY_WELL || end == MS_KEY_REPAIRED || end == MS_KEY_MOVED))
        return drop_notes(n, item);
    atomic_store(&n->left, true);
    return code;
}

/* Several keys at once. */
static int replay(struct ms_upkeep *u, const struct ms_upkeep_item *item, struct ms_error *err)
{
    int code = replay_one(u, item, err);
    ms_upkeep_noted_done(u, item->count);
    return code;
}

/* One that is gone never returns. Of mutable keys nothing else depends on what it has missed. */
static bool is_gone(const struct ms_upkeep *u, size_t member)
{
    return u->roster->layout->members[member].state == MS_GONE;
}

static int forget(struct ms_upkeep *u, const struct ms_upkeep_item *item, struct ms_error *err)
{
    (void)u;
    int code = drop_notes(item->ctx, item);
    return code ? ms_error_set(err, code, "notes about a member that is gone are left") : 0;
}

static int forget_member(struct ms_upkeep *u, size_t member, const struct ms_paths *paths,
                         struct ms_error *err)
{
    struct notes n = {.u = u, .member = member};
    size_t missing = 0;
    int code = 0;
    for (size_t i = 0; i < paths->count && !code && ms_upkeep_may_write(u); i++) {
        struct ms_view path = ms_text_view(paths->path[i]);
        const struct ms_layout_space *space = ms_layout_space(u->roster->layout, path);
        if (space && space->kind == MS_KIND_MUTABLE)
            code = ms_upkeep_noted(u, space, path, &u->roster->layout->members[member].uuid, forget,
                                   &n, &missing, err);
    }
    return code;
}

/* A member that did not answer cannot have made up for anything. */
static bool answers(struct ms_upkeep *u, size_t member)
{
    struct ms_error why = {0};
    int code = ms_member_is_there(u->roster->members[member], &why);
    if (code)
        ms_upkeep_missed(u, member, &why);
    return code == 0;
}

static int replay_member(struct ms_upkeep *u, size_t member, const struct ms_paths *paths,
                         struct ms_error *err)
{
    struct notes n = {.u = u, .member = member};
    bool there = answers(u, member);
    int code = 0;
    for (size_t i = 0; i < paths->count && !code && there; i++) {
        struct ms_view path = ms_text_view(paths->path[i]);
        const struct ms_layout_space *space = ms_layout_space(u->roster->layout, path);
        size_t missing = 0;
        if (!space || (!ms_upkeep_fn_of(space->kind) && space->kind != MS_KIND_PLAIN))
            continue;
        code = ms_upkeep_noted(u, space, path, &u->roster->layout->members[member].uuid, replay, &n,
                               &missing, err);
        if (missing)
            atomic_store(&n.left, true);
    }
    if (!code && there && !atomic_load(&n.left) && !u->options.space)
        ms_member_settle(u->roster->members[member]);
    return code;
}

int ms_upkeep_notes(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < u->roster->layout->member_count && !code; i++)
        if (is_gone(u, i))
            code = forget_member(u, i, paths, err);
        else if (u->roster->members[i])
            code = replay_member(u, i, paths, err);
    return code;
}

int ms_upkeep_sweep(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err)
{
    (void)paths;
    for (size_t i = 0; i < u->roster->layout->member_count && ms_upkeep_may_write(u); i++) {
        struct ms_error why = {0};
        uint64_t removed = 0;
        if (!u->roster->members[i] || u->roster->layout->members[i].state == MS_GONE)
            continue;
        int code = ms_member_sweep(u->roster->members[i], SWEEP_AGE_NS, &removed, &why);
        if (ms_upkeep_fatal(code))
            return ms_error_set(err, code, "%s", why.text);
        if (code && code != MS_ERR_UNSUPPORTED)
            ms_upkeep_missed(u, i, &why);
        if (removed)
            ms_upkeep_found(u, MS_FIND_DEBRIS, i, ms_str(""), ms_str(""), true,
                            "%llu unfinished writes were swept", (unsigned long long)removed);
        ms_upkeep_found_many(u, MS_FIND_DEBRIS, i, removed ? removed - 1 : 0);
    }
    return 0;
}
