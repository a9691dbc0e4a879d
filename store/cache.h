/* store/cache.h - what the files of the cache share: store/cache.c (the verbs),
 * store/cache_stream.c (readers and writers), store/cache_copies.c (the copies themselves).
 *
 * Rules:
 *   - the primary decides: its result is the caller's result, and a failing cache is never one;
 *   - a change first drops the copy, then changes the primary, then puts the new value: a process
 *     that dies in between leaves no copy rather than an older one;
 *   - puts and reads of copies obey store/cache_guard.h;
 *   - when a copy cannot be dropped, copies are no longer trusted for the rest of the session, and
 *     closing tries to drop them all.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "store/cache_guard.h"
#include "store/cache_index.h"
#include "store/filter.h"

#include <stdatomic.h>

#define MS_CACHE_VALUE_MAX (64u << 20) /* larger values pass the cache by */

struct ms_entity;

struct ms_cache_policy { /* of one configured namespace */
    char *name;
    size_t name_size;
    enum ms_cache_mode mode;
    uint64_t value_max;
    struct ms_cache_list list;
    struct ms_entity *entity; /* NULL without a cache */
};
struct ms_cache {
    struct ms_filter filter;
    struct ms_store *copies;
    struct ms_cache_policy *policies;
    size_t policy_count;
    struct ms_cache_guard guard;
    struct ms_cache_index index;
    atomic_bool open;       /* there is a cache in this session */
    atomic_bool distrusted; /* it may hold an older value */
    atomic_bool told;       /* of a failure: the log gets one line a session */
};

/* NULL: the item is not cached. */
struct ms_cache_policy *ms_cache_policy_of(struct ms_cache *c, struct ms_item_ref item);
static inline bool ms_cache_usable(struct ms_cache *c)
{
    return atomic_load(&c->open) && !atomic_load(&c->distrusted);
}

void ms_cache_open_copies(struct ms_cache *c);
void ms_cache_close_copies(struct ms_cache *c);
/* Reads the range from the copy; false: the primary has to. */
bool ms_cache_hit(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                  int64_t offset, uint64_t size, struct ms_buf **out);
bool ms_cache_hit_reader(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                         struct ms_store_reader **out);
void ms_cache_put(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                  struct ms_buf *value);
/* Success, too, when there is none. */
int ms_cache_drop(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                  struct ms_error *err);
/* All copies of a namespace; "": of all. */
int ms_cache_purge(struct ms_cache *c, const char *ns, struct ms_error *err);
void ms_cache_failed(struct ms_cache *c, struct ms_cache_policy *p, const char *what,
                     struct ms_view key, const struct ms_error *err); /* counts, tells once */

/* A fill: the value of the whole item, just read from the primary under the ticket. Gives the
 * ticket back; value NULL: nothing to put. */
void ms_cache_fill_end(struct ms_cache *c, struct ms_cache_policy *p, struct ms_item_ref item,
                       struct ms_guard_ticket *ticket, struct ms_buf *value);

/* A change of one item: begin drops the copy. It fails only without memory or when cancelled. */
struct ms_cache_change {
    struct ms_item_ref item;
    struct ms_cache_policy *policy;
    struct ms_guard_ticket ticket;
};
int ms_cache_change_begin(struct ms_cache *c, struct ms_item_ref item,
                          struct ms_cache_change *change, struct ms_error *err) MS_MUST_CHECK;
/* value: what the primary holds now; NULL: it failed, or there is none, or it is not at hand. */
void ms_cache_change_end(struct ms_cache *c, struct ms_cache_change *change, struct ms_buf *value);

int ms_cache_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                   const struct ms_precondition *pre, struct ms_store_writer **out,
                   struct ms_error *err);
int ms_cache_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                  struct ms_error *err);

#endif
