/* mstore/layout_change.c - whether layouts are equal, and which may follow which (see
 * mstore/layout.h). */
#include "mstore/layout.h"

#include "base/text.h"

#include <stdlib.h>

static bool members_equal(const struct ms_layout_member *a, const struct ms_layout_member *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->zone, b->zone) == 0 &&
           ms_uuid_equal(&a->uuid, &b->uuid) && a->weight == b->weight &&
           a->buckets == b->buckets && a->state == b->state;
}

static bool spaces_equal(const struct ms_layout_space *a, const struct ms_layout_space *b)
{
    return strcmp(a->name, b->name) == 0 && a->kind == b->kind && a->redundancy == b->redundancy &&
           a->copies == b->copies && a->k == b->k && a->m == b->m &&
           a->level_count == b->level_count &&
           memcmp(a->levels, b->levels, a->level_count * sizeof *a->levels) == 0 &&
           a->verify == b->verify && a->compress == b->compress && a->names == b->names;
}

bool ms_layout_equal(const struct ms_layout *a, const struct ms_layout *b)
{
    if (!ms_uuid_equal(&a->uuid, &b->uuid) || a->epoch != b->epoch ||
        a->placement != b->placement || a->member_count != b->member_count ||
        a->space_count != b->space_count)
        return false;
    for (size_t i = 0; i < a->member_count; i++)
        if (!members_equal(&a->members[i], &b->members[i]))
            return false;
    for (size_t i = 0; i < a->space_count; i++)
        if (!spaces_equal(&a->spaces[i], &b->spaces[i]))
            return false;
    return true;
}

static int refuse_epoch(const struct ms_layout *now, const struct ms_layout *next,
                        struct ms_error *err)
{
    return ms_error_set(
        err, MS_ERR_CONFIG,
        "layout %llu (%s) cannot follow layout %llu (%s): a final layout is "
        "followed by the next number, proposed, and that by itself, final",
        (unsigned long long)next->epoch, next->phase == MS_LAYOUT_FINAL ? "final" : "proposed",
        (unsigned long long)now->epoch, now->phase == MS_LAYOUT_FINAL ? "final" : "proposed");
}

/* m: of the layout so far. */
static int check_member(const struct ms_layout_member *m, const struct ms_layout *next,
                        struct ms_error *err)
{
    const struct ms_layout_member *same = ms_layout_member_of(next, &m->uuid);
    if (!same && m->state != MS_GONE)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "member %s is missing: drain it, then set its state to gone, and leave "
                            "it out afterwards",
                            m->name);
    if (!same)
        return 0;
    if (m->state == MS_GONE && same->state != MS_GONE)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "member %s is gone and cannot come back with what it had: add it as a "
                            "new, empty member with another uuid",
                            m->name);
    if (same->state != MS_GONE && (m->state == MS_WITNESS) != (same->state == MS_WITNESS))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "member %s cannot %s being a witness: add another member instead",
                            m->name, m->state == MS_WITNESS ? "stop" : "begin");
    return 0;
}

/* The keys of the namespace `name` stay under the same kind and rule for names. */
static int check_space(const char *name, const struct ms_layout *now, const struct ms_layout *next,
                       struct ms_error *err)
{
    const struct ms_layout_space *old = ms_layout_space(now, ms_str(name));
    const struct ms_layout_space *new = ms_layout_space(next, ms_str(name));
    if (!old)
        return 0;
    if (!new)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "namespace \"%s\" is missing: its keys could not be read any more; "
                            "leave it in",
                            name);
    if (old->kind != new->kind || old->names != new->names)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "keys of namespace \"%s\" would come under another kind or another "
                            "rule for names, and could not be read any more: use a new namespace "
                            "and copy them",
                            name);
    return 0;
}

static int check_next(const struct ms_layout *now, const struct ms_layout *next,
                      struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < now->member_count && !code; i++)
        code = check_member(&now->members[i], next, err);
    for (size_t i = 0; i < now->space_count && !code; i++)
        code = check_space(now->spaces[i].name, now, next, err);
    for (size_t i = 0; i < next->space_count && !code; i++)
        code = check_space(next->spaces[i].name, now, next, err);
    return code;
}

int ms_layout_follows(const struct ms_layout *now, const struct ms_layout *next,
                      struct ms_error *err)
{
    if (!ms_uuid_equal(&now->uuid, &next->uuid))
        return ms_error_set(err, MS_ERR_CONFIG, "the layout of another store, %s, cannot follow",
                            MS_UUID_SHOW(&next->uuid));
    if (now->phase == MS_LAYOUT_PROPOSED) {
        if (next->phase != MS_LAYOUT_FINAL || next->epoch != now->epoch)
            return refuse_epoch(now, next, err);
        if (!ms_layout_equal(now, next))
            return ms_error_set(err, MS_ERR_CONFIG,
                                "layout %llu differs from the one proposed under that number",
                                (unsigned long long)next->epoch);
        return 0;
    }
    if (next->phase != MS_LAYOUT_PROPOSED || next->epoch != now->epoch + 1)
        return refuse_epoch(now, next, err);
    return check_next(now, next, err);
}

/* With room for `more` members. */
static struct ms_layout *copy_with_room(const struct ms_layout *l, size_t more)
{
    struct ms_layout *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *l;
    copy->members = calloc(l->member_count + more + 1, sizeof *copy->members);
    copy->spaces = calloc(l->space_count + 1, sizeof *copy->spaces);
    if (!copy->members || !copy->spaces) {
        ms_layout_free(copy);
        return NULL;
    }
    memcpy(copy->members, l->members, l->member_count * sizeof *l->members);
    memcpy(copy->spaces, l->spaces, l->space_count * sizeof *l->spaces);
    return copy;
}

struct ms_layout *ms_layout_copy(const struct ms_layout *l)
{
    return copy_with_room(l, 1);
}

struct ms_layout *ms_layout_join(const struct ms_layout *now, const struct ms_layout *next)
{
    struct ms_layout *joined = copy_with_room(now, next->member_count);
    for (size_t i = 0; joined && i < next->member_count; i++) {
        if (ms_layout_member_of(now, &next->members[i].uuid) || next->members[i].state == MS_GONE)
            continue;
        struct ms_layout_member *added = &joined->members[joined->member_count++];
        *added = next->members[i];
        added->state = MS_READONLY;
        added->buckets = 0;
    }
    return joined;
}
