/* store/quota_book.h - what a Store with a quota knows about its size, in memory.
 *
 * Bytes are *reserved* before a write begins and become *committed* when it has succeeded, so that
 * writers together never pass the limit. What a write replaces is only known for sure when nothing
 * else touches that item meanwhile. So each item with operations under way has an entry: the size
 * it had before (`base`), and whether operations overlapped or one ended without a clear answer.
 * Then nothing is given back before the last of them ends, which asks the storage for the size that
 * came out of it and books the difference.
 *
 * The lock guards these numbers only and is never held across I/O. Any thread.
 */
#ifndef STORE_QUOTA_BOOK_H
#define STORE_QUOTA_BOOK_H

#include "base/sync.h"
#include "store/keymap.h"

struct ms_quota_book {
    struct ms_mutex mutex;
    uint64_t limit;
    struct {
        uint64_t committed, reserved;
        int64_t unsaved; /* of committed: not yet in the stored count */
        bool saving, save_failed;
        bool doubt; /* a size could not be found out: the stored count is thrown away at close */
        uint64_t saved_ns;
        struct ms_keymap busy;
    } locked;
};

struct ms_quota_item;
/* One operation on one item. */
struct ms_quota_op {
    struct ms_quota_item *item;
    bool first;        /* nothing else was under way: it finds out the base */
    bool absent;       /* it only ever creates: its own result is exact */
    uint64_t reserved; /* by this operation */
    uint64_t base;     /* set by ms_quota_base */
    uint64_t begins;   /* the book's, see ms_quota_end */
};

void ms_quota_book_init(struct ms_quota_book *book, uint64_t limit);
void ms_quota_book_fini(struct ms_quota_book *book);

int ms_quota_begin(struct ms_quota_book *book, struct ms_view key, bool deleted, bool absent,
                   struct ms_quota_op *op, struct ms_error *err) MS_MUST_CHECK;
/* The size before, from the first operation. */
void ms_quota_base(struct ms_quota_book *book, struct ms_quota_op *op, uint64_t size);
/* MS_ERR_QUOTA with the numbers. */
int ms_quota_reserve(struct ms_quota_book *book, struct ms_quota_op *op, uint64_t bytes,
                     struct ms_error *err) MS_MUST_CHECK;

enum ms_quota_outcome { MS_QUOTA_DONE, MS_QUOTA_NOTHING, MS_QUOTA_UNCLEAR };
/* Books `change` (for DONE) and ends the operation. True: instead it must be ended by
 * ms_quota_settle, with the item's size as the storage has it now. */
bool ms_quota_end(struct ms_quota_book *book, struct ms_quota_op *op, enum ms_quota_outcome outcome,
                  int64_t change) MS_MUST_CHECK;
/* True: something else happened to the item meanwhile; ask for its size and settle again. */
bool ms_quota_settle(struct ms_quota_book *book, struct ms_quota_op *op, bool known,
                     uint64_t size) MS_MUST_CHECK;
/* For an operation that touches two items: an overlap on one makes the other unclear too. */
bool ms_quota_overlapped(struct ms_quota_book *book, const struct ms_quota_op *op);

/* Saving: true, and the change to save, when it is due (or `now_or_never` and there is any). Ended
 * by ms_quota_saved (stored: the value that storage has now). */
bool ms_quota_save_due(struct ms_quota_book *book, uint64_t now_ns, bool now_or_never,
                       int64_t *change);
void ms_quota_saved(struct ms_quota_book *book, uint64_t now_ns, bool saved, int64_t change,
                    uint64_t stored);

#endif
