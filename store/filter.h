/* store/filter.h - a Store in front of a Store: the slots of a filter that pass a call on.
 *
 * A filter embeds struct ms_filter first, writes the slots it has something to say about, and fills
 * the others of its table with these. It owns `inner` from the moment its wrap function succeeds.
 * State, arguments and defaults were checked by store/api.c before the outermost slot was called,
 * so a filter calls inner->ops directly.
 *
 * Order, outermost first: permissions, cache, quota, the Store over a backend. Internal items
 * (ms_item_ref.internal) pass every filter untouched.
 */
#ifndef STORE_FILTER_H
#define STORE_FILTER_H

#include "store/store.h"

struct ms_filter {
    struct ms_store store;
    struct ms_store *inner;
};

/* Fills in the embedded Store: url, jobs and clock are inner's. */
void ms_filter_init(struct ms_filter *f, const struct ms_store_ops *ops, struct ms_store *inner);

static inline struct ms_store *ms_filter_inner(struct ms_store *s)
{
    return ((struct ms_filter *)s)->inner;
}

int ms_filter_create(struct ms_store *s, struct ms_error *err);
int ms_filter_destroy(struct ms_store *s, struct ms_error *err);
int ms_filter_open(struct ms_store *s, struct ms_error *err);
int ms_filter_close(struct ms_store *s, struct ms_error *err);
void ms_filter_free(struct ms_store *s); /* inner, then s itself */
int ms_filter_set_namespaces(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                             struct ms_error *err);
int ms_filter_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                   struct ms_buf **out, struct ms_error *err);
int ms_filter_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                    const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
int ms_filter_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                   struct ms_error *err);
int ms_filter_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err);
int ms_filter_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                   bool deleted, const struct ms_precondition *pre, struct ms_error *err);
int ms_filter_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                   size_t hex_size, struct ms_error *err);
int ms_filter_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                     size_t count, struct ms_view target, const char *algorithm, char *key,
                     size_t key_size, struct ms_error *err);
int ms_filter_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err);
int ms_filter_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                   struct ms_error *err);
int ms_filter_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                   struct ms_store_lister **out, struct ms_error *err);
/* One by one, `jobs` at once, when inner has no batch form. */
int ms_filter_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err);
/* One by one, some at once, when inner makes no one call of it. */
int ms_filter_remove_many(struct ms_store *s, struct ms_many *items, size_t count,
                          struct ms_error *err);
int ms_filter_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err);
int ms_filter_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                    struct ms_error *err);
void ms_filter_capabilities(struct ms_store *s, struct ms_capabilities *out);
int ms_filter_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed, struct ms_error *err);
int ms_filter_cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                               struct ms_error *err);

/* ---- what filters share ------------------------------------------------------------------- */

/* ms_filter_store_many for those items whose code is 0 now; the others are left alone. Returns the
 * code of the first item whose code is not 0 at the end, its sentence in err. */
int ms_filter_store_rest(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err);
/* An item of namespace ns: "ns/key", or "key" when ns is "". malloc'ed; NULL: no memory. */
char *ms_filter_join(const char *ns, struct ms_view key, size_t *size);

/* ---- the filters there are ----------------------------------------------------------------
 *
 * On success *out owns inner (and cache); on failure the caller keeps them. */

/* map_or_shortcut: "\"\":lr data:lrw", or "borgbackup-all", -no-delete, -write-only, -read-only.
 * MS_ERR_CONFIG. *out is inner itself when everything is allowed. */
int ms_permissions_wrap(struct ms_store *inner, const char *map_or_shortcut, struct ms_store **out,
                        struct ms_error *err) MS_MUST_CHECK;
/* quota_bytes 0: no limit, nothing is tracked, and a count that an earlier session left behind is
 * removed before the first change, because it would no longer be true. */
int ms_quota_wrap(struct ms_store *inner, uint64_t quota_bytes, struct ms_store **out,
                  struct ms_error *err) MS_MUST_CHECK;
/* cache: a closed Store over the second backend with the same namespaces. */
int ms_cache_wrap(struct ms_store *inner, struct ms_store *cache, const struct ms_namespace *ns,
                  size_t count, struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;

#endif
