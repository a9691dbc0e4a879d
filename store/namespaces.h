/* store/namespaces.h - the configuration of a Store's namespaces: an immutable, reference-counted
 * snapshot, replaced while calls that began with an older one go on with that.
 */
#ifndef STORE_NAMESPACES_H
#define STORE_NAMESPACES_H

#include "base/sync.h"

#include <mstore/store.h>

struct ms_entity;

struct ms_ns { /* one configured namespace */
    char *name;
    size_t name_size;
    unsigned levels[MS_LEVELS_MAX];
    size_t level_count; /* at least 1 */
    unsigned level_max;
    enum ms_names names;
    struct ms_entity *entity; /* NULL: calls are not counted here */
};
struct ms_namespaces; /* of them, longest name first */

/* store_url NULL: without entities. `older` (may be NULL) gives the rule for names of entries it
 * has, as ms_store_set_namespaces promises. MS_ERR_CONFIG. */
int ms_namespaces_new(const struct ms_namespace *entries, size_t count, const char *store_url,
                      const struct ms_namespaces *older, struct ms_namespaces **out,
                      struct ms_error *err) MS_MUST_CHECK;
void ms_namespaces_unref(struct ms_namespaces *n);

/* The entry that governs a namespace's path ("data/sub": the longest configured "data/sub", "data"
 * or ""); NULL: none. */
const struct ms_ns *ms_namespaces_of_path(const struct ms_namespaces *n, struct ms_view path);
/* The entry of exactly that name; NULL: none. */
const struct ms_ns *ms_namespaces_exact(const struct ms_namespaces *n, struct ms_view path);
/* An entry has that name or lies below it. */
bool ms_namespaces_leads(const struct ms_namespaces *n, struct ms_view path);
const struct ms_ns *ms_namespaces_at(const struct ms_namespaces *n, size_t index); /* NULL: end */

struct ms_key { /* a caller's key, taken apart; views into the caller's key */
    const struct ms_ns *ns;
    struct ms_view whole;
    struct ms_view space; /* the namespace's path; may be longer than ns->name */
    struct ms_view key;
};
/* MS_ERR_NAME, MS_ERR_CONFIG (no namespace matches). All rules are checked here, also that the
 * nested name is short enough at every configured level, with ".del" when `deleted`. */
int ms_key_parse(const struct ms_namespaces *n, struct ms_view whole, bool deleted,
                 struct ms_key *out, struct ms_error *err) MS_MUST_CHECK;
/* The namespace that counts a call with this key, valid or not; NULL: none. */
const struct ms_ns *ms_key_counted(const struct ms_namespaces *n, struct ms_view whole);

/* The snapshot in force. Any thread; the lock is held for a pointer's copy only. */
struct ms_ns_current {
    struct ms_mutex mutex;
    struct ms_namespaces *now;
};
void ms_ns_current_init(struct ms_ns_current *c, struct ms_namespaces *first); /* takes it */
void ms_ns_current_fini(struct ms_ns_current *c);
struct ms_namespaces *ms_ns_current_get(struct ms_ns_current *c);             /* a new reference */
void ms_ns_current_replace(struct ms_ns_current *c, struct ms_namespaces *n); /* takes it */

static inline void ms_namespaces_cleanup(struct ms_namespaces **n)
{
    ms_namespaces_unref(*n);
}
#define MS_AUTO_NAMESPACES __attribute__((cleanup(ms_namespaces_cleanup)))

#endif
