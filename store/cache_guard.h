/* store/cache_guard.h - keeps an older value from outliving a newer one in the cache.
 *
 * Whoever changes an item (a writer) or copies it from the primary into the cache (a fill) holds a
 * ticket meanwhile. Invariants:
 *   - a value is put into the cache only by a ticket that nothing overlapped so far; when something
 *     did after all, the one who put drops the copy again before it gives its ticket back;
 *   - an item with a writer, or with tickets that overlapped, is not read from the cache until the
 *     last of those tickets is back.
 * So what a reader finds there is what the primary held at some moment of that read (as long as
 * nobody else writes to the primary). The lock is held for these numbers only, never across I/O.
 */
#ifndef STORE_CACHE_GUARD_H
#define STORE_CACHE_GUARD_H

#include "base/sync.h"
#include "store/keymap.h"

#define MS_GUARD_STRIPES 256

struct ms_cache_guard {
    struct ms_mutex mutex;
    struct {
        struct ms_keymap busy;
        uint64_t epoch;                     /* moves when much is invalidated at once */
        uint64_t changes[MS_GUARD_STRIPES]; /* writers ever, by the item's hash */
    } locked;
};

struct ms_guard_item;
struct ms_guard_ticket {
    struct ms_guard_item *item; /* NULL: no ticket */
    uint64_t generation, epoch;
    bool writer;
};

void ms_cache_guard_init(struct ms_cache_guard *g);
void ms_cache_guard_fini(struct ms_cache_guard *g);

int ms_guard_write(struct ms_cache_guard *g, struct ms_view key, bool deleted,
                   struct ms_guard_ticket *out, struct ms_error *err) MS_MUST_CHECK;
/* False: somebody changes the item, do not fill (or no memory). */
bool ms_guard_fill(struct ms_cache_guard *g, struct ms_view key, bool deleted,
                   struct ms_guard_ticket *out);
bool ms_guard_overlapped(struct ms_cache_guard *g, const struct ms_guard_ticket *t);
void ms_guard_leave(struct ms_cache_guard *g, struct ms_guard_ticket *t); /* or no ticket */

bool ms_guard_readable(struct ms_cache_guard *g, struct ms_view key, bool deleted);
/* Equal at two moments: no writer began on the item between them. */
uint64_t ms_guard_changes(struct ms_cache_guard *g, struct ms_view key, bool deleted);
/* Makes every ticket that is out now an overlapped one. */
void ms_guard_new_epoch(struct ms_cache_guard *g);

#endif
