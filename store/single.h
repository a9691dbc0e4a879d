/* store/single.h - the Store over one backend: what its files share. */
#ifndef STORE_SINGLE_H
#define STORE_SINGLE_H

#include "store/namespaces.h"
#include "store/nesting.h"
#include "store/store.h"

struct ms_single {
    struct ms_store base;
    struct ms_backend *backend;
    struct ms_ns_current namespaces;
};

static inline struct ms_single *ms_single_self(struct ms_store *s)
{
    return (struct ms_single *)s;
}

/* Owns backend on success. */
int ms_single_new(struct ms_backend *backend, const struct ms_store_options *options,
                  struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;

/* A call under way: the configuration it began with, and its key taken apart. */
struct ms_place {
    struct ms_namespaces *namespaces;
    struct ms_key key;
    bool internal;
    bool deleted;
    uint64_t begin; /* for the statistics */
};
int ms_place_init(struct ms_single *s, struct ms_item_ref item, struct ms_place *place,
                  struct ms_error *err) MS_MUST_CHECK;
/* Counts the call and gives the configuration back. Returns code. */
int ms_place_fini(struct ms_single *s, struct ms_place *place, enum ms_verb verb, int code,
                  uint64_t volume);
size_t ms_place_levels(const struct ms_place *place);
/* The backend's name at the i-th configured level. */
void ms_place_name(const struct ms_place *place, size_t i, struct ms_name *out);
/* The level that has the item, or the last one; *exists says which. One level: no probe, unless
 * `sure`. */
int ms_place_find(struct ms_single *s, const struct ms_place *place, bool sure, size_t *index,
                  bool *exists, struct ms_error *err) MS_MUST_CHECK;
int ms_not_found(const struct ms_place *place, struct ms_error *err);

int ms_single_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                     size_t count, struct ms_view target, const char *algorithm, char *key,
                     size_t key_size, struct ms_error *err);
int ms_single_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err);
int ms_single_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                   struct ms_error *err);
int ms_single_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                   struct ms_store_lister **out, struct ms_error *err);
int ms_single_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                         struct ms_error *err);
int ms_single_delete_many(struct ms_store *s, struct ms_many *items, size_t count,
                          struct ms_error *err);
int ms_single_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                   bool deleted, const struct ms_precondition *pre, struct ms_error *err);

static inline struct ms_item_info ms_item_info_of(const struct ms_info *info)
{
    return (struct ms_item_info){.exists = info->exists && !info->directory,
                                 .size_bytes = info->size_bytes,
                                 .mtime_ns = info->mtime_ns,
                                 .atime_ns = info->atime_ns,
                                 .tag = info->tag};
}

#endif
