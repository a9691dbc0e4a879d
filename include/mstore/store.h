/* mstore/store.h - the Store: namespaces, automatic nesting, soft delete, ranges, many at once.
 *
 * A key is "namespace/KEY", or "KEY" in the root namespace "". A Store over one backend keeps it at
 * "namespace/K[0:2]/K[2:4]/…/KEY" with as many levels as the namespace is configured for (layout:
 * BorgStore's, see docs/formats.md). Other kinds of Store (filters, an MStore) have the same face.
 *
 * Threads: every call may come from many threads at once on one handle, except create, destroy,
 * open, close and free, which come from one thread while nothing else uses it. No lock is held
 * across I/O.
 */
#ifndef MSTORE_STORE_H
#define MSTORE_STORE_H

#include <mstore/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ms_store;

/* ---- configuration ------------------------------------------------------------------------ */

#define MS_LEVELS_MAX 8 /* nesting levels of one key, and levels configured at once */

/* What a key may be. */
enum ms_names {
    MS_NAMES_BORGSTORE, /* at most 100 bytes nested, ASCII, lower case, no blank, no "..", no '\',
                           not ending in .tmp .hid .del */
    MS_NAMES_BYTES,     /* any 1..1024 bytes, kept under an order-preserving escape */
};

enum ms_cache_mode {
    MS_CACHE_OFF,
    MS_CACHE_MIRROR,       /* reads go to the primary and refresh the cache */
    MS_CACHE_WRITETHROUGH, /* reads go to the cache first; a miss loads the whole value and keeps it
                            */
};

struct ms_namespace {
    const char *name;               /* "data"; "" is the root and whatever nothing else matches */
    unsigned levels[MS_LEVELS_MAX]; /* tried in this order; new values go to the last */
    size_t level_count;             /* 0 means one level: 0 */
    enum ms_names names;
    enum ms_cache_mode cache;
    uint64_t cache_max_age_ns; /* since last access; 0: no limit */
    uint64_t cache_size_bytes; /* least recently used go first; 0: no limit */
};

/* Zero it, set struct_size (or MS_STORE_OPTIONS_INIT), fill in what is wanted. Everything is
 * copied. */
struct ms_store_options {
    size_t struct_size;
    const struct ms_namespace *namespaces; /* longest match wins; none matches: MS_ERR_CONFIG */
    size_t namespace_count;                /* 0: one entry for "", level 0 */
    const char *permissions; /* NULL: all. A shortcut's name ("borgbackup-no-delete") or a map
                                "\"\":lr data:lrw locks:lrwD" */
    uint64_t quota_bytes;    /* 0: none */
    const char *cache_url;   /* second backend; needed when a namespace has a cache mode */
    unsigned jobs;           /* calls in flight of one many-at-once call; 0: the backend's best */
    struct ms_clock *clock;  /* NULL: real */
    uint64_t seed;           /* for generators; 0: from the system */
    bool ignore_environment; /* no MSTORE_LATENCY, MSTORE_BANDWIDTH */
};
#define MS_STORE_OPTIONS_INIT                                                                      \
    {                                                                                              \
        .struct_size = sizeof(struct ms_store_options)                                             \
    }

/* ---- life --------------------------------------------------------------------------------- */

/* A closed Store for a URL, with the filters that the options ask for. Touches no storage. */
MS_API int ms_store_new(const char *url, const struct ms_store_options *options,
                        struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;
/* The same over a backend, which it owns from now on, also when this fails. */
MS_API int ms_store_new_over(struct ms_backend *backend, const struct ms_store_options *options,
                             struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_create(struct ms_store *s,
                           struct ms_error *err) MS_MUST_CHECK; /* closed before and after */
MS_API int ms_store_destroy(struct ms_store *s, struct ms_error *err) MS_MUST_CHECK; /* likewise */
MS_API int ms_store_open(struct ms_store *s, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_close(struct ms_store *s, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_store_free(struct ms_store *s);             /* closes it when open */
MS_API const char *ms_store_url(const struct ms_store *s); /* for messages: no secrets */
/* Replaces the namespaces' levels while the Store is in use (the rest of each entry stays). */
MS_API int ms_store_set_namespaces(struct ms_store *s, const struct ms_namespace *namespaces,
                                   size_t count, struct ms_error *err) MS_MUST_CHECK;

/* ---- one value ---------------------------------------------------------------------------- */

struct ms_item_info {
    bool exists; /* a missing item is no error */
    uint64_t size_bytes;
    int64_t mtime_ns, atime_ns; /* storage's clock; 0 unknown */
    struct ms_tag tag;
};

struct ms_load_options {
    size_t struct_size;
    int64_t offset; /* negative: from the end */
    uint64_t size;  /* MS_SIZE_TO_END (what the INIT says): to the end */
    bool deleted;   /* the soft-deleted item */
};
#define MS_LOAD_OPTIONS_INIT                                                                       \
    {                                                                                              \
        .struct_size = sizeof(struct ms_load_options), .size = MS_SIZE_TO_END                      \
    }

struct ms_store_value_options {
    size_t struct_size;
    struct ms_precondition precondition;
    bool deleted; /* store it as soft-deleted: for copying stores */
};
#define MS_STORE_VALUE_OPTIONS_INIT                                                                \
    {                                                                                              \
        .struct_size = sizeof(struct ms_store_value_options)                                       \
    }

/* options NULL: all of the live item. NOT_FOUND. */
MS_API int ms_store_load(struct ms_store *s, struct ms_view key,
                         const struct ms_load_options *options, struct ms_buf **out,
                         struct ms_error *err) MS_MUST_CHECK;
/* Replaces unless the precondition says otherwise. tag may be NULL. MS_ERR_CONFLICT: a key of kind
 * immutable in shards has another value, which stays; so for writers and renames. */
MS_API int ms_store_store(struct ms_store *s, struct ms_view key, struct ms_buf *value,
                          const struct ms_store_value_options *options, struct ms_tag *tag,
                          struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_info(struct ms_store *s, struct ms_view key, bool deleted,
                         struct ms_item_info *out, struct ms_error *err) MS_MUST_CHECK;
/* For good. NOT_FOUND. */
MS_API int ms_store_delete(struct ms_store *s, struct ms_view key, bool deleted,
                           struct ms_error *err) MS_MUST_CHECK;
enum ms_move {
    MS_MOVE_SOFT_DELETE,  /* keep the name, hide the item */
    MS_MOVE_UNDELETE,     /* EXISTS when a live item has taken the name */
    MS_MOVE_CHANGE_LEVEL, /* to the last configured level */
    MS_MOVE_RENAME,       /* to new_key; replaces what is there */
};
/* new_key only for RENAME. `deleted`: the soft-deleted item (CHANGE_LEVEL and RENAME). NOT_FOUND.
 */
MS_API int ms_store_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                         struct ms_view new_key, bool deleted, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_hash(struct ms_store *s, struct ms_view key, const char *algorithm,
                         bool deleted, char *hex, size_t hex_size,
                         struct ms_error *err) MS_MUST_CHECK;

/* One part of an item for defrag; keys here are without the namespace. */
struct ms_defrag_part {
    struct ms_view key;
    uint64_t offset, size;
};
/* Concatenates parts of items of one namespace into a new item of it. target empty: named by the
 * hex digest `algorithm` of the content. The target's key goes to out (key_size bytes,
 * NUL-terminated). */
MS_API int ms_store_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                           size_t count, struct ms_view target, const char *algorithm, char *key,
                           size_t key_size, struct ms_error *err) MS_MUST_CHECK;

/* ---- large values ------------------------------------------------------------------------- */

struct ms_store_writer;
/* size_hint 0: unknown. The value appears at commit. */
MS_API int ms_store_write(struct ms_store *s, struct ms_view key, uint64_t size_hint,
                          const struct ms_store_value_options *options,
                          struct ms_store_writer **out, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_writer_append(struct ms_store_writer *w, struct ms_view bytes,
                                  struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_writer_commit(struct ms_store_writer *w, struct ms_tag *tag,
                                  struct ms_error *err) MS_MUST_CHECK; /* frees w */
MS_API void ms_store_writer_abort(struct ms_store_writer *w);          /* frees w */

struct ms_store_reader;
MS_API int ms_store_read(struct ms_store *s, struct ms_view key, bool deleted,
                         struct ms_store_reader **out, struct ms_error *err) MS_MUST_CHECK;
MS_API const struct ms_item_info *ms_store_reader_info(const struct ms_store_reader *r);
/* Up to size bytes at offset; *got is less only at the end. Any thread. */
MS_API int ms_store_reader_read(struct ms_store_reader *r, uint64_t offset, uint8_t *into,
                                size_t size, size_t *got, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_store_reader_close(struct ms_store_reader *r);

/* ---- listing ------------------------------------------------------------------------------ */

enum ms_list_deleted { MS_LIST_LIVE, MS_LIST_DELETED, MS_LIST_BOTH };

struct ms_list_options {
    size_t struct_size;
    struct ms_view prefix;      /* only keys that start so */
    struct ms_view start_after; /* only keys > this, bytewise: to resume a listing */
    int delimiter;              /* -1 (INIT): none; else keys alike up to it become one entry */
    uint64_t limit;             /* 0: none */
    enum ms_list_deleted deleted;
    bool names_only; /* sizes and times are not wanted: cheaper */
};
#define MS_LIST_OPTIONS_INIT                                                                       \
    {                                                                                              \
        .struct_size = sizeof(struct ms_list_options), .delimiter = -1                             \
    }

struct ms_item {
    struct ms_view key; /* without the namespace; from the root listing: whole */
    bool deleted;
    bool group; /* a common prefix up to and with the delimiter, not an item */
    struct ms_item_info info;
};

struct ms_store_lister;
/* Items of namespace ns ("": all namespaces), sorted bytewise by key across levels, streaming, in
 * bounded memory. A namespace that was never written to is empty. */
MS_API int ms_store_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                         struct ms_store_lister **out, struct ms_error *err) MS_MUST_CHECK;
/* Sets *out to the next item (borrowed until the next call), NULL at the end. */
MS_API int ms_store_lister_next(struct ms_store_lister *l, const struct ms_item **out,
                                struct ms_error *err) MS_MUST_CHECK;
/* Names met so far that no key leads to, and that were passed over. */
MS_API uint64_t ms_store_lister_skipped(const struct ms_store_lister *l);
MS_API void ms_store_lister_close(struct ms_store_lister *l);

/* ---- many at once -------------------------------------------------------------------------
 *
 * Run with up to `jobs` calls in flight (0: the Store's setting). Each element gets a code of its
 * own and, on failure, a sentence in `error` when that is not NULL (malloc'ed, the caller frees
 * it). The call returns the first element's code that is not 0, after all have been tried. */
struct ms_many {
    struct ms_view key;
    int64_t offset;                      /* load */
    uint64_t size;                       /* load; MS_SIZE_TO_END */
    struct ms_buf *value;                /* store: in, borrowed; load: out, the caller unrefs */
    struct ms_precondition precondition; /* store */
    struct ms_item_info info;            /* info: out */
    bool deleted;
    int code;    /* out */
    char *error; /* out: NULL or a malloc'ed sentence */
};
MS_API int ms_store_load_many(struct ms_store *s, struct ms_many *items, size_t count,
                              unsigned jobs, struct ms_error *err) MS_MUST_CHECK;
/* A batch: nothing is acknowledged before all is durable, which is paid for once. */
MS_API int ms_store_store_many(struct ms_store *s, struct ms_many *items, size_t count,
                               unsigned jobs, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_delete_many(struct ms_store *s, struct ms_many *items, size_t count,
                                unsigned jobs, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_store_info_many(struct ms_store *s, struct ms_many *items, size_t count,
                              unsigned jobs, struct ms_error *err) MS_MUST_CHECK;

/* ---- the store as a whole ----------------------------------------------------------------- */

struct ms_quota {
    int64_t limit_bytes, usage_bytes; /* -1: not set, not tracked */
};
MS_API int ms_store_quota(struct ms_store *s, struct ms_quota *out,
                          struct ms_error *err) MS_MUST_CHECK;
/* Total and free bytes of the storage; UINT64_MAX where unknown. */
MS_API int ms_store_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                          struct ms_error *err) MS_MUST_CHECK;
/* What the storage under it can do. */
MS_API void ms_store_capabilities(struct ms_store *s, struct ms_capabilities *out);
/* Removes what broken-off writers left behind, when older than age_ns. */
MS_API int ms_store_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed,
                          struct ms_error *err) MS_MUST_CHECK;
enum ms_invalidate { MS_INVALIDATE_ITEM, MS_INVALIDATE_NAMESPACE, MS_INVALIDATE_ALL };
/* Drops cached copies: of the item `name`, of the namespace `name`, of all. */
MS_API int ms_store_cache_invalidate(struct ms_store *s, enum ms_invalidate what,
                                     struct ms_view name, struct ms_error *err) MS_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
