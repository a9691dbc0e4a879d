/* mstore/list_judge.c - from what lies under a key to items: see mstore/list.h. Pure. */
#include "mstore/list_parts.h"

#include "mstore/tombs.h"

static void add(struct ms_verdict *v, const struct ms_object *o)
{
    v->is = true;
    v->size = o->name.size;
    if (o->mtime_ns > v->mtime_ns)
        v->mtime_ns = o->mtime_ns;
    if (v->asks < MS_LISTED_ASKS)
        v->ask[v->asks++] = *o;
}

static bool same_write(const struct ms_object *a, const struct ms_object *b)
{
    return ms_write_id_compare(&a->name.id, &b->name.id) == 0 && a->name.size == b->name.size &&
           a->name.mark == b->name.mark && a->name.k == b->name.k && a->name.m == b->name.m;
}

/* ---- mutable ---- */

/* A deletion that is over, or its end: see mstore/versions.h. */
static bool is_over(const struct ms_inventory_entry *e, const struct ms_own_name *name)
{
    bool over = false;
    for (size_t i = 0; i < e->count && name->mark == MS_OWN_DELETED; i++)
        over |= e->objects[i].name.mark == MS_OWN_DELETED &&
                e->objects[i].name.size == MS_OWN_SIZE_UNKNOWN &&
                ms_write_id_compare(&e->objects[i].name.id, &name->id) == 0;
    return over;
}

static void judge_versions(const struct ms_inventory_entry *e, struct ms_verdict out[2])
{
    const struct ms_object *top = NULL;
    for (size_t i = 0; i < e->count; i++)
        if (!is_over(e, &e->objects[i].name) &&
            (!top || ms_write_id_compare(&e->objects[i].name.id, &top->name.id) > 0))
            top = &e->objects[i];
    if (!top || top->name.mark == MS_OWN_DELETED)
        return;
    struct ms_verdict *v = &out[top->name.mark == MS_OWN_SOFT_DELETED];
    for (size_t i = 0; i < e->count; i++)
        if (ms_write_id_compare(&e->objects[i].name.id, &top->name.id) == 0)
            add(v, &e->objects[i]);
}

/* ---- immutable ---- */

static bool is_soft(const struct ms_own_name *name)
{
    return ms_tombs_is_soft(name->mark);
}

/* There is a tombstone of the item: the highest, where one beside it may take back the deletion of
 * its ID. */
static bool has_tombstone(const struct ms_inventory_entry *e, bool soft)
{
    const struct ms_own_name *top = NULL;
    for (size_t i = 0; i < e->count; i++) {
        const struct ms_own_name *name = &e->objects[i].name;
        if (name->kind != MS_OWN_TOMBSTONE || is_soft(name) != soft)
            continue;
        int order = top ? ms_write_id_compare(&name->id, &top->id) : 1;
        if (order > 0 || (order == 0 && ms_tombs_takes_back(name->mark)))
            top = name;
    }
    return top && !ms_tombs_takes_back(top->mark);
}

/* Different shards of the object's write. */
static size_t count_shards(const struct ms_inventory_entry *e, const struct ms_object *of)
{
    uint64_t seen[4] = {0};
    size_t count = 0;
    for (size_t i = 0; i < e->count; i++) {
        const struct ms_object *o = &e->objects[i];
        uint64_t bit = UINT64_C(1) << (o->name.index % 64);
        if (o->name.kind != MS_OWN_VALUE || !same_write(o, of) || seen[o->name.index / 64] & bit)
            continue;
        seen[o->name.index / 64] |= bit;
        count++;
    }
    return count;
}

/* How much of the object's write is there: copies, or different shards. */
static size_t count_left(const struct ms_inventory_entry *e, const struct ms_object *of)
{
    size_t count = 0;
    if (of->name.k != 1 || of->name.m != 0)
        return count_shards(e, of);
    for (size_t i = 0; i < e->count; i++)
        count += e->objects[i].name.kind == MS_OWN_VALUE && same_write(&e->objects[i], of);
    return count;
}

enum grave { NOT_BURIED, BURIED, MAYBE_BURIED };

/* Deleted, and not stored again: what is left lies where the deletion may have been missed, and is
 * less than an acknowledged store leaves. Members that are missing could make it as much. */
static enum grave grave_of(const struct ms_inventory_entry *e, bool soft,
                           const struct ms_list_view *view)
{
    enum grave grave = has_tombstone(e, soft) ? BURIED : NOT_BURIED;
    for (size_t i = 0; i < e->count && grave != NOT_BURIED; i++) {
        const struct ms_object *o = &e->objects[i];
        if (o->name.kind != MS_OWN_VALUE || is_soft(&o->name) != soft)
            continue;
        size_t left = count_left(e, o);
        if (!view->returning[o->member] || left >= view->needs)
            grave = NOT_BURIED;
        else if (left + view->missing >= view->needs)
            grave = MAYBE_BURIED;
    }
    return grave;
}

/* The write of which the most shards are there, and enough. */
static const struct ms_object *best_write(const struct ms_inventory_entry *e, bool soft,
                                          size_t missing)
{
    const struct ms_object *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < e->count; i++) {
        const struct ms_object *o = &e->objects[i];
        if (o->name.kind != MS_OWN_VALUE || is_soft(&o->name) != soft ||
            (best && same_write(o, best)))
            continue;
        size_t shards = count_shards(e, o);
        if (shards + missing >= o->name.k && shards > most) {
            best = o;
            most = shards;
        }
    }
    return best;
}

/* A write of which some shards are live, the others soft-deleted: it is on the way from one to the
 * other, and neither has enough. */
static const struct ms_object *shared_write(const struct ms_inventory_entry *e, size_t missing)
{
    for (size_t i = 0; i < e->count; i++)
        for (size_t j = i + 1; j < e->count; j++) {
            const struct ms_object *a = &e->objects[i], *b = &e->objects[j];
            struct ms_object turned = *b;
            turned.name.mark = a->name.mark;
            if (a->name.kind == MS_OWN_VALUE && b->name.kind == MS_OWN_VALUE &&
                a->name.mark != b->name.mark && same_write(a, &turned) &&
                count_shards(e, a) + count_shards(e, b) + missing >= a->name.k)
                return a;
        }
    return NULL;
}

static void judge_values(const struct ms_inventory_entry *e, const enum grave grave[2],
                         size_t missing, struct ms_verdict out[2])
{
    const struct ms_object *best[2];
    for (unsigned soft = 0; soft < 2; soft++)
        best[soft] = grave[soft] == NOT_BURIED ? best_write(e, soft, missing) : NULL;
    const struct ms_object *shared = best[0] || best[1] ? NULL : shared_write(e, missing);
    for (unsigned soft = 0; soft < 2 && shared; soft++)
        best[soft] = grave[soft] == NOT_BURIED ? shared : NULL;
    for (size_t i = 0; i < e->count; i++)
        for (unsigned soft = 0; soft < 2; soft++)
            if (best[soft] && e->objects[i].name.kind == MS_OWN_VALUE &&
                same_write(&e->objects[i], best[soft]))
                add(&out[soft], &e->objects[i]);
}

bool ms_list_judge(enum ms_layout_kind kind, const struct ms_inventory_entry *entry,
                   const struct ms_list_view *view, struct ms_verdict out[2])
{
    memset(out, 0, 2 * sizeof *out);
    if (kind == MS_KIND_MUTABLE) {
        judge_versions(entry, out);
        return true;
    }
    enum grave grave[2] = {grave_of(entry, false, view), grave_of(entry, true, view)};
    judge_values(entry, grave, view->missing, out);
    return grave[0] != MAYBE_BURIED && grave[1] != MAYBE_BURIED;
}
