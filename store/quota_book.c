/* store/quota_book.c - the accounts of a Store with a quota (see its header). */
#include "store/quota_book.h"

#include "base/assert.h"
#include "base/text.h"

#include <stdlib.h>

#define SAVE_CHANGE 10000000              /* BorgStore's: bytes … */
#define SAVE_AFTER  (300ull * 1000000000) /* … or time */

struct ms_quota_item {
    struct ms_keymap_node node;
    struct ms_quota_group *group;
    struct ms_quota_item *next; /* in the group */
    uint64_t base;              /* size before the first operation */
    bool base_known;
    bool touched; /* some operation may have had its effect */
    uint8_t key[];
};
struct ms_quota_group {
    struct ms_quota_item *items;
    size_t ops;       /* under way */
    uint64_t begins;  /* ever */
    uint64_t held;    /* of the book's reserved: kept until the group is settled */
    uint64_t kept;    /* what operations that have ended had reserved, see hold_locked */
    size_t count;     /* of items */
    uint64_t bases;   /* those that are known, together */
    uint64_t largest; /* value that was there or was written */
    bool mixed;       /* operations overlapped, and not all of them only create */
    bool creates;     /* all so far only create */
    bool unclear;
};

void ms_quota_book_init(struct ms_quota_book *book, uint64_t limit)
{
    *book = (struct ms_quota_book){.limit = limit};
    ms_mutex_init(&book->mutex);
}

void ms_quota_book_fini(struct ms_quota_book *book)
{
    ms_assert(book->locked.busy.count == 0);
    ms_keymap_fini(&book->locked.busy);
    ms_mutex_fini(&book->mutex);
}

static uint64_t add_signed(uint64_t value, int64_t change)
{
    if (change >= 0)
        return value > UINT64_MAX - (uint64_t)change ? UINT64_MAX : value + (uint64_t)change;
    uint64_t less = -(uint64_t)change;
    return value < less ? 0 : value - less;
}

static void commit_locked(struct ms_quota_book *book, int64_t change)
{
    book->locked.committed = add_signed(book->locked.committed, change);
    book->locked.unsaved += change;
}

static struct ms_quota_item *find_locked(struct ms_quota_book *book, struct ms_view key,
                                         bool deleted)
{
    return (struct ms_quota_item *)ms_keymap_find(&book->locked.busy, key, deleted);
}

static struct ms_quota_item *add_item_locked(struct ms_quota_book *book, struct ms_view key,
                                             bool deleted)
{
    struct ms_quota_item *item = calloc(1, sizeof(*item) + key.size);
    if (!item)
        return NULL;
    *item =
        (struct ms_quota_item){.node = {.key = ms_view(item->key, key.size), .deleted = deleted}};
    if (key.size)
        memcpy(item->key, key.data, key.size);
    if (ms_keymap_add(&book->locked.busy, &item->node, NULL)) {
        free(item);
        return NULL;
    }
    return item;
}

static void join_group(struct ms_quota_group *group, struct ms_quota_item *item)
{
    item->group = group;
    item->next = group->items;
    group->items = item;
    group->count++;
}

/* What operations that have ended may have added: all they had reserved; but an item holds one
 * value, so never more than the largest one in each. Without that bound an item that is always
 * busy, and so never settled, would seem to grow for ever. */
static void hold_locked(struct ms_quota_book *book, struct ms_quota_group *group)
{
    uint64_t most;
    if (__builtin_mul_overflow((uint64_t)group->count, group->largest, &most))
        most = UINT64_MAX;
    most = most > group->bases ? most - group->bases : 0;
    uint64_t held = group->kept < most ? group->kept : most;
    book->locked.reserved = book->locked.reserved - group->held + held;
    group->held = held;
}

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the quota's accounts");
}

int ms_quota_begin(struct ms_quota_book *book, struct ms_view key, bool deleted, bool absent,
                   struct ms_quota_op *op, struct ms_error *err)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_item *item = find_locked(book, key, deleted);
    if (!item) {
        struct ms_quota_group *group = malloc(sizeof(*group));
        item = group ? add_item_locked(book, key, deleted) : NULL;
        if (!item) {
            free(group);
            return no_memory(err);
        }
        *group = (struct ms_quota_group){.creates = true};
        join_group(group, item);
    }
    struct ms_quota_group *group = item->group;
    *op = (struct ms_quota_op){.items = {item}, .first = group->begins == 0};
    op->ask[0] = !absent && !item->base_known;
    item->touched |= absent;
    group->begins++;
    group->ops++;
    group->creates &= absent;
    group->mixed |= !op->first && !group->creates;
    return 0;
}

/* All that happens to the items of `other` happens in `group` from now on. */
static void merge_locked(struct ms_quota_book *book, struct ms_quota_group *group,
                         struct ms_quota_group *other)
{
    while (other->items) {
        struct ms_quota_item *item = other->items;
        other->items = item->next;
        join_group(group, item);
    }
    group->ops += other->ops;
    group->begins += other->begins;
    group->held += other->held;
    group->kept += other->kept;
    group->bases += other->bases;
    if (other->largest > group->largest)
        group->largest = other->largest;
    group->unclear |= other->unclear;
    group->mixed = true;
    hold_locked(book, group);
    free(other);
}

int ms_quota_also(struct ms_quota_book *book, struct ms_view key, bool deleted,
                  struct ms_quota_op *op, struct ms_error *err)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_group *group = op->items[0]->group;
    struct ms_quota_item *item = find_locked(book, key, deleted);
    if (!item) {
        item = add_item_locked(book, key, deleted);
        if (!item)
            return no_memory(err);
        join_group(group, item);
    } else if (item->group != group) {
        merge_locked(book, group, item->group);
        op->first = false;
    }
    op->items[1] = item;
    op->ask[1] = !item->base_known;
    return 0;
}

/* Who began before the base was known asks before it does anything, so the first answer that comes
 * back is the size before all of them. */
void ms_quota_base(struct ms_quota_book *book, struct ms_quota_op *op, int which, uint64_t size)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_item *item = op->items[which];
    if (!item->base_known && !item->touched) {
        item->base = size;
        item->base_known = true;
        item->group->bases += size;
        if (size > item->group->largest)
            item->group->largest = size;
        hold_locked(book, item->group);
    }
    if (op->first)
        op->base[which] = size;
}

void ms_quota_touch(struct ms_quota_book *book, const struct ms_quota_op *op)
{
    MS_HOLD(&book->mutex);
    for (int i = 0; i < 2; i++)
        if (op->items[i])
            op->items[i]->touched = true;
}

uint64_t ms_quota_shared_base(struct ms_quota_book *book, const struct ms_quota_op *op)
{
    MS_HOLD(&book->mutex);
    return op->first ? 0 : op->items[0]->base;
}

int ms_quota_reserve(struct ms_quota_book *book, struct ms_quota_op *op, uint64_t bytes,
                     struct ms_error *err)
{
    MS_HOLD(&book->mutex);
    uint64_t used, sum;
    if (bytes == 0) /* what does not grow may be written even above the limit */
        return 0;
    if (!ms_add_size(book->locked.committed, book->locked.reserved, &used) ||
        !ms_add_size(used, bytes, &sum) || sum > book->limit)
        return ms_error_set(err, MS_ERR_QUOTA,
                            "quota exceeded: %llu bytes more would not fit, %llu of %llu are used",
                            (unsigned long long)bytes, (unsigned long long)used,
                            (unsigned long long)book->limit);
    book->locked.reserved += bytes;
    op->reserved += bytes;
    return 0;
}

static void leave_locked(struct ms_quota_book *book, struct ms_quota_op *op)
{
    struct ms_quota_group *group = op->items[0]->group;
    op->items[0] = op->items[1] = NULL;
    if (--group->ops > 0)
        return;
    book->locked.reserved -= group->held;
    while (group->items) {
        struct ms_quota_item *item = group->items;
        group->items = item->next;
        ms_keymap_remove(&book->locked.busy, &item->node);
        free(item);
    }
    free(group);
}

bool ms_quota_end(struct ms_quota_book *book, struct ms_quota_op *op, enum ms_quota_outcome outcome,
                  int64_t change)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_group *group = op->items[0]->group;
    group->unclear |= outcome == MS_QUOTA_UNCLEAR;
    bool by_asking = group->mixed || group->unclear;
    book->locked.reserved -= op->reserved;
    if (by_asking && outcome != MS_QUOTA_NOTHING) {
        int64_t written = change + (int64_t)op->base[0];
        if (written > 0 && (uint64_t)written > group->largest)
            group->largest = (uint64_t)written;
        group->kept += op->reserved;
        hold_locked(book, group);
    }
    op->reserved = 0;
    if (!by_asking && outcome == MS_QUOTA_DONE)
        commit_locked(book, change);
    if (by_asking && group->ops == 1) {
        op->begins = group->begins;
        return true;
    }
    leave_locked(book, op);
    return false;
}

struct ms_quota_item *ms_quota_next(struct ms_quota_book *book, const struct ms_quota_op *op,
                                    const struct ms_quota_item *after, struct ms_view *key,
                                    bool *deleted)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_item *item = after ? after->next : op->items[0]->group->items;
    if (item) {
        *key = item->node.key;
        *deleted = item->node.deleted;
    }
    return item;
}

/* Their sizes before, where known; *all: of every one. */
static uint64_t bases_locked(const struct ms_quota_group *group, bool *all)
{
    *all = true;
    for (const struct ms_quota_item *item = group->items; item; item = item->next)
        *all &= item->base_known;
    return group->bases;
}

bool ms_quota_settle(struct ms_quota_book *book, struct ms_quota_op *op, bool known, uint64_t size)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_group *group = op->items[0]->group;
    if (group->begins != op->begins && group->ops == 1) { /* somebody came and went meanwhile */
        op->begins = group->begins;
        return true;
    }
    if (group->ops == 1) {
        bool exact;
        uint64_t before = bases_locked(group, &exact);
        /* Not exact: too much rather than too little, and counted anew one day. */
        commit_locked(book, known ? (int64_t)(size - before) : (int64_t)group->held);
        book->locked.doubt |= !known || !exact;
    }
    leave_locked(book, op);
    return false;
}

bool ms_quota_save_due(struct ms_quota_book *book, uint64_t now_ns, bool now_or_never,
                       int64_t *change)
{
    MS_HOLD(&book->mutex);
    int64_t unsaved = book->locked.unsaved;
    bool large = unsaved >= SAVE_CHANGE || unsaved <= -SAVE_CHANGE;
    bool old = now_ns - book->locked.saved_ns >= SAVE_AFTER;
    bool due = unsaved != 0 && (now_or_never || old || (large && !book->locked.save_failed));
    if (!due || book->locked.saving)
        return false;
    book->locked.saving = true;
    *change = unsaved;
    return true;
}

void ms_quota_saved(struct ms_quota_book *book, uint64_t now_ns, bool saved, int64_t change,
                    uint64_t stored)
{
    MS_HOLD(&book->mutex);
    book->locked.saving = false;
    book->locked.saved_ns = now_ns;
    book->locked.save_failed = !saved; /* the next attempt is not at once */
    if (!saved)
        return;
    book->locked.unsaved -= change;
    book->locked.committed = add_signed(stored, book->locked.unsaved);
}
