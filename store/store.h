/* store/store.h - the face behind struct ms_store: what a kind of Store fills in.
 *
 * Kinds: the Store over one backend (store/single.c); filters that wrap a Store
 * (store/permissions.c, store/quota.c, store/cache.c); later the MStore. The public ms_store_*
 * functions (store/api.c) check state, arguments and options, fill in defaults, and call these
 * slots; a kind never sees a NULL options pointer. Every slot may be called from many threads. A
 * filter passes on what it does not touch (store/filter.h has the slots for that).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <mstore/store.h>

struct ms_store {
    const struct ms_store_ops *ops;
    char url[128];
    int state; /* store/api.c's */
    unsigned jobs;
    struct ms_clock *clock;
};

/* Extra flag of store, load, delete, info: the key is the name of an internal item of the root
 * ("quota.hid"), not subject to the rule for names, nesting, permissions, quota or cache. */
struct ms_item_ref {
    struct ms_view key;
    bool deleted;
    bool internal;
};

struct ms_store_ops {
    int (*create)(struct ms_store *s, struct ms_error *err);
    int (*destroy)(struct ms_store *s, struct ms_error *err);
    int (*open)(struct ms_store *s, struct ms_error *err);
    int (*close)(struct ms_store *s, struct ms_error *err);
    void (*free)(struct ms_store *s); /* closed before; frees what it wraps */
    int (*set_namespaces)(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                          struct ms_error *err);
    int (*load)(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                struct ms_buf **out, struct ms_error *err);
    int (*store)(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                 const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
    int (*info)(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                struct ms_error *err);
    int (*remove)(struct ms_store *s, struct ms_item_ref item, struct ms_error *err);
    /* pre: ALWAYS or IF_ABSENT, about the target. */
    int (*move)(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                bool deleted, const struct ms_precondition *pre, struct ms_error *err);
    int (*hash)(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                size_t hex_size, struct ms_error *err);
    int (*defrag)(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                  size_t count, struct ms_view target, const char *algorithm, char *key,
                  size_t key_size, struct ms_error *err);
    int (*write)(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                 const struct ms_precondition *pre, struct ms_store_writer **out,
                 struct ms_error *err);
    int (*read)(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                struct ms_error *err);
    int (*list)(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                struct ms_store_lister **out, struct ms_error *err);
    /* NULL: stores one by one are as good. Otherwise the batch form of store: each item's code set,
     * nothing acknowledged before all that succeeded is durable. */
    int (*store_many)(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                      struct ms_error *err);
    /* NULL: removes one by one are as good. Called where the capabilities say DELETE_MANY: each
     * item's code set; those that are not reached, marked CANCELLED, get what it returns. */
    int (*remove_many)(struct ms_store *s, struct ms_many *items, size_t count,
                       struct ms_error *err);
    int (*quota)(struct ms_store *s, struct ms_quota *out, struct ms_error *err);
    int (*usage)(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                 struct ms_error *err);
    void (*capabilities)(struct ms_store *s, struct ms_capabilities *out);
    int (*sweep)(struct ms_store *s, uint64_t age_ns, uint64_t *removed, struct ms_error *err);
    int (*cache_invalidate)(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                            struct ms_error *err);
};

/* Handles embed these first. */
struct ms_store_writer {
    const struct ms_store_writer_ops *ops;
};
struct ms_store_writer_ops {
    int (*append)(struct ms_store_writer *w, struct ms_view bytes, struct ms_error *err);
    int (*commit)(struct ms_store_writer *w, struct ms_tag *tag, struct ms_error *err); /* frees */
    void (*abort)(struct ms_store_writer *w);                                           /* frees */
};
struct ms_store_reader {
    const struct ms_store_reader_ops *ops;
    struct ms_item_info info;
};
struct ms_store_reader_ops {
    int (*read)(struct ms_store_reader *r, uint64_t offset, uint8_t *into, size_t size, size_t *got,
                struct ms_error *err);
    void (*close)(struct ms_store_reader *r);
};
struct ms_store_lister {
    const struct ms_store_lister_ops *ops;
    uint64_t skipped;
};
struct ms_store_lister_ops {
    int (*next)(struct ms_store_lister *l, const struct ms_item **out, struct ms_error *err);
    void (*close)(struct ms_store_lister *l);
};

/* Where an element of a many-call keeps its result; takes the sentence out of err. */
void ms_many_result(struct ms_many *item, int code, const struct ms_error *err);
/* After a many-call returned `code`: items that were marked CANCELLED beforehand and never reached
 * get it; when no item has a code of its own, the call failed as a whole, none counts, and all get
 * it. Returns code. */
int ms_many_settle(struct ms_many *items, size_t count, int code, const struct ms_error *err);

#endif
