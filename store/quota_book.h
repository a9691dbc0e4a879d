/* store/quota_book.h - what a Store with a quota knows about its size, in memory.
 *
 * Bytes are *reserved* before a write begins and become *committed* when it has succeeded, so that
 * writers together never pass the limit. What a write replaces is only known for sure when nothing
 * else touches that item meanwhile. So items with operations under way are kept, each with the size
 * it had before (`base`), in groups: a move makes its two items one group. When operations of a
 * group overlapped, or one ended without a clear answer, nothing is given back before the last of
 * them ends, which asks the storage for the sizes that came out of it and books the difference.
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
/* One operation on one item, or on two: a move. */
struct ms_quota_op {
    struct ms_quota_item *items[2];
    bool ask[2];       /* the size is to be asked for before anything is done: ms_quota_base */
    bool first;        /* nothing else was under way: what it replaces is its to use */
    uint64_t base[2];  /* the sizes before, for the first; else 0 */
    uint64_t reserved; /* by this operation */
    uint64_t begins;   /* the book's, see ms_quota_end */
};

void ms_quota_book_init(struct ms_quota_book *book, uint64_t limit);
void ms_quota_book_fini(struct ms_quota_book *book);

/* absent: it only ever creates, so its own result is exact. */
int ms_quota_begin(struct ms_quota_book *book, struct ms_view key, bool deleted, bool absent,
                   struct ms_quota_op *op, struct ms_error *err) MS_MUST_CHECK;
/* The second item, at once after begin. On failure the operation has still to be ended. */
int ms_quota_also(struct ms_quota_book *book, struct ms_view key, bool deleted,
                  struct ms_quota_op *op, struct ms_error *err) MS_MUST_CHECK;
/* The answer to ask[which]; without one the operation ends with NOTHING. */
void ms_quota_base(struct ms_quota_book *book, struct ms_quota_op *op, int which, uint64_t size);
/* Its effect may come from now on; after all answers. */
void ms_quota_touch(struct ms_quota_book *book, const struct ms_quota_op *op);
/* What the first operation on op's item may count on replacing. A move that takes the old value
 * elsewhere meanwhile must reserve as much: then both values stay. */
uint64_t ms_quota_shared_base(struct ms_quota_book *book, const struct ms_quota_op *op);
/* MS_ERR_QUOTA with the numbers. */
int ms_quota_reserve(struct ms_quota_book *book, struct ms_quota_op *op, uint64_t bytes,
                     struct ms_error *err) MS_MUST_CHECK;

enum ms_quota_outcome { MS_QUOTA_DONE, MS_QUOTA_NOTHING, MS_QUOTA_UNCLEAR };
/* Books `change` (for DONE) and ends the operation. True: instead, ask the storage for the size of
 * every item of ms_quota_next and end it with ms_quota_settle. */
bool ms_quota_end(struct ms_quota_book *book, struct ms_quota_op *op, enum ms_quota_outcome outcome,
                  int64_t change) MS_MUST_CHECK;
/* The items of op's group, `after` NULL: the first; NULL: no more. They stay until it is settled.
 */
struct ms_quota_item *ms_quota_next(struct ms_quota_book *book, const struct ms_quota_op *op,
                                    const struct ms_quota_item *after, struct ms_view *key,
                                    bool *deleted);
/* size: of all of them together, when known. True: something else happened to them meanwhile; ask
 * and settle again. */
bool ms_quota_settle(struct ms_quota_book *book, struct ms_quota_op *op, bool known,
                     uint64_t size) MS_MUST_CHECK;

/* Saving: true, and the change to save, when it is due (or `now_or_never` and there is any). Ended
 * by ms_quota_saved (stored: the value that storage has now). */
bool ms_quota_save_due(struct ms_quota_book *book, uint64_t now_ns, bool now_or_never,
                       int64_t *change);
void ms_quota_saved(struct ms_quota_book *book, uint64_t now_ns, bool saved, int64_t change,
                    uint64_t stored);

#endif
