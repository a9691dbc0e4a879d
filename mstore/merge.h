/* mstore/merge.h - the listings of several Stores as one: sorted, each key once, complete or an
 * error.
 *
 * What a plain namespace's listing is made of: its members are ordinary Stores, each lists its own
 * keys in order. Up to `may_fail` of them may be missing or fail on the way; with one more the
 * listing ends in an error that names them all. A member that has failed is not asked again.
 *
 * The members are read ahead in parallel (mstore/pages.h). One thread a listing. */
#ifndef MSTORE_MERGE_H
#define MSTORE_MERGE_H

#include "store/store.h"

struct ms_merge_source {
    const char *name;               /* of the member, for messages; lives until the close */
    struct ms_store *store;         /* ms_merge_list: an open one; NULL: not to be had */
    struct ms_store_lister *lister; /* ms_merge: sorted; NULL: not to be had */
    struct ms_error error;          /* why it is not to be had */
    /* Asked when it has listed nothing at all: 0: that is so. May be NULL. */
    int (*is_empty)(void *ctx, struct ms_error *err);
    void *ctx;
};

struct ms_merge_options {
    const char *what;  /* is listed: "data"; copied */
    unsigned may_fail; /* members, without a key being missed */
    uint64_t limit;    /* as the sources' listings had; 0: none */
    struct ms_clock *clock;
};

/* Closes the listers sooner or later, also when this fails. Of what is alike (key, deleted or not;
 * groups: key) the item given is the first source's that has it. Closing waits until tasks of the
 * sources have noticed. */
int ms_merge(const struct ms_merge_options *options, const struct ms_merge_source *sources,
             size_t count, struct ms_store_lister **out, struct ms_error *err) MS_MUST_CHECK;
/* Lists the namespace of all stores, opened in parallel, and merges. options->what and limit are
 * set from the other two. */
int ms_merge_list(const struct ms_merge_options *options, const struct ms_merge_source *sources,
                  size_t count, const char *ns, const struct ms_list_options *list,
                  struct ms_store_lister **out, struct ms_error *err) MS_MUST_CHECK;

/* Of a merged listing (made here): why that source is missing or has failed by now; NULL: it has
 * not. */
const struct ms_error *ms_merge_error(const struct ms_store_lister *merged, size_t source);
/* Of the item given last: what that source says of it; NULL: it does not have it, or has failed. */
const struct ms_item_info *ms_merge_info(const struct ms_store_lister *merged, size_t source);

#endif
