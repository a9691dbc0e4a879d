/* store/quota_book.c - the accounts of a Store with a quota (see its header). */
#include "store/quota_book.h"

#include "base/assert.h"
#include "base/text.h"

#include <stdlib.h>

#define SAVE_CHANGE 10000000              /* BorgStore's: bytes … */
#define SAVE_AFTER  (300ull * 1000000000) /* … or time */

struct ms_quota_item {
    struct ms_keymap_node node;
    size_t ops;      /* under way */
    uint64_t begins; /* ever */
    uint64_t base;   /* size before the first of them */
    uint64_t held;   /* of the book's reserved: kept until the item is settled */
    bool base_known;
    bool mixed;   /* operations overlapped, and not all of them only create */
    bool creates; /* all so far only create */
    bool unclear;
    uint8_t key[];
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

static struct ms_quota_item *item_locked(struct ms_quota_book *book, struct ms_view key,
                                         bool deleted, struct ms_error *err)
{
    struct ms_keymap_node *node = ms_keymap_find(&book->locked.busy, key, deleted);
    if (node)
        return (struct ms_quota_item *)node; /* its first member */
    struct ms_quota_item *item = malloc(sizeof(*item) + key.size);
    if (!item) {
        ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the quota's accounts");
        return NULL;
    }
    *item = (struct ms_quota_item){
        .node = {.key = ms_view(item->key, key.size), .deleted = deleted}, .creates = true};
    if (key.size)
        memcpy(item->key, key.data, key.size);
    if (ms_keymap_add(&book->locked.busy, &item->node, err)) {
        free(item);
        return NULL;
    }
    return item;
}

int ms_quota_begin(struct ms_quota_book *book, struct ms_view key, bool deleted, bool absent,
                   struct ms_quota_op *op, struct ms_error *err)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_item *item = item_locked(book, key, deleted, err);
    if (!item)
        return MS_ERR_NO_MEMORY;
    *op = (struct ms_quota_op){.item = item, .first = item->begins == 0, .absent = absent};
    item->begins++;
    item->ops++;
    item->creates &= absent;
    item->mixed |= !op->first && !item->creates;
    return 0;
}

void ms_quota_base(struct ms_quota_book *book, struct ms_quota_op *op, uint64_t size)
{
    MS_HOLD(&book->mutex);
    ms_assert(op->first);
    op->base = size;
    op->item->base = size;
    op->item->base_known = true;
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
    struct ms_quota_item *item = op->item;
    op->item = NULL;
    if (--item->ops > 0)
        return;
    book->locked.reserved -= item->held;
    ms_keymap_remove(&book->locked.busy, &item->node);
    free(item);
}

bool ms_quota_end(struct ms_quota_book *book, struct ms_quota_op *op, enum ms_quota_outcome outcome,
                  int64_t change)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_item *item = op->item;
    item->unclear |= outcome == MS_QUOTA_UNCLEAR;
    bool by_asking = item->mixed || item->unclear;
    if (by_asking && outcome != MS_QUOTA_NOTHING)
        item->held += op->reserved;
    else
        book->locked.reserved -= op->reserved;
    op->reserved = 0;
    if (!by_asking && outcome == MS_QUOTA_DONE)
        commit_locked(book, change);
    if (by_asking && item->ops == 1) {
        op->begins = item->begins;
        return true;
    }
    leave_locked(book, op);
    return false;
}

bool ms_quota_settle(struct ms_quota_book *book, struct ms_quota_op *op, bool known, uint64_t size)
{
    MS_HOLD(&book->mutex);
    struct ms_quota_item *item = op->item;
    if (item->begins != op->begins && item->ops == 1) { /* somebody came and went meanwhile */
        op->begins = item->begins;
        return true;
    }
    if (item->ops == 1 && known && item->base_known) {
        commit_locked(book, (int64_t)(size - item->base));
    } else if (item->ops == 1) {
        commit_locked(book, (int64_t)item->held); /* at worst */
        book->locked.doubt = true;
    }
    leave_locked(book, op);
    return false;
}

bool ms_quota_overlapped(struct ms_quota_book *book, const struct ms_quota_op *op)
{
    MS_HOLD(&book->mutex);
    return op->item->mixed || op->item->unclear;
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
