/* backends/memory/memory.h - inside of "memory:": what its files share.
 *
 * Handles look at a store, which lives as long as any handle of it. One mutex guards all of a
 * store; it is held for a few steps in a tree, never while waiting, hashing or copying bytes.
 */
#ifndef BACKENDS_MEMORY_MEMORY_H
#define BACKENDS_MEMORY_MEMORY_H

#include "backends/memory/tree.h"
#include "base/sync.h"

struct ms_memory_store {
    struct ms_memory_store *next; /* of the named ones, under their mutex */
    unsigned handles;             /* likewise */
    char *name;                   /* "": private to its one handle */
    struct ms_mutex mutex;
    struct {
        bool exists; /* created and not destroyed */
        struct ms_memory_node *root;
        uint64_t used_bytes; /* of all values */
        uint64_t last_version;
    } locked;
};

struct ms_memory {
    struct ms_backend base;
    struct ms_memory_store *store;
    uint64_t capacity_bytes; /* UINT64_MAX: no limit */
    unsigned name_max_bytes;
};

static inline struct ms_memory *ms_memory_of(struct ms_backend *b)
{
    return (struct ms_memory *)b;
}

/* ---- store.c: under the mutex ---- */

/* NULL: nothing there. "" is no name here. */
struct ms_memory_node *ms_memory_lookup_locked(struct ms_memory_store *s, struct ms_view name);
/* The root of the entries of a directory; NULL: there is none. */
struct ms_memory_node **ms_memory_directory_locked(struct ms_memory_store *s, struct ms_view name);
/* The same, made where it is missing. NO_STORE, EXISTS (a value is in the way), NO_MEMORY. */
int ms_memory_make_directory_locked(struct ms_memory *m, struct ms_view name,
                                    struct ms_memory_node ***out,
                                    struct ms_error *err) MS_MUST_CHECK;
/* The value at name; NULL: there is none. */
struct ms_memory_node *ms_memory_value_locked(struct ms_memory_store *s, struct ms_view name);
/* node: what is at name now; NULL: nothing. */
int ms_memory_judge_locked(struct ms_memory *m, struct ms_view name,
                           const struct ms_memory_node *node, const struct ms_precondition *pre,
                           struct ms_error *err) MS_MUST_CHECK;
/* Puts a value there, whole or not at all; takes over the reference when it succeeds. */
int ms_memory_put_locked(struct ms_memory *m, struct ms_view name, struct ms_buf *value,
                         const struct ms_precondition *pre, struct ms_tag *tag,
                         struct ms_error *err) MS_MUST_CHECK;
void ms_memory_info_locked(const struct ms_memory_node *node, struct ms_info *out);

/* ---- store.c ---- */

/* The same as one step; value stays the caller's, and may be a borrowed one. */
int ms_memory_put(struct ms_memory *m, struct ms_view name, struct ms_buf *value,
                  const struct ms_precondition *pre, struct ms_tag *tag,
                  struct ms_error *err) MS_MUST_CHECK;
/* A reference to the value at name; counts as its last read. info may be NULL. */
int ms_memory_get(struct ms_memory *m, struct ms_view name, struct ms_buf **out,
                  struct ms_info *info, struct ms_error *err) MS_MUST_CHECK;
int ms_memory_no_memory(struct ms_memory *m, struct ms_view name, struct ms_error *err);
int ms_memory_not_found(struct ms_memory *m, struct ms_view name, struct ms_error *err);

/* ---- stream.c: slots that give handles ---- */

int ms_memory_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_writer **out,
                    struct ms_error *err);
int ms_memory_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                   struct ms_error *err);
int ms_memory_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                   struct ms_lister **out, struct ms_error *err);
int ms_memory_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err);

#endif
