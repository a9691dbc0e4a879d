/* store/listing.h - one directory of a listing as a stream of heads: items, and directories to go
 * into.
 *
 * A source stands for one backend directory. It gives its heads in the order of their *bounds*: an
 * item's bound is its key, a directory's is the prefix that all keys in it have, so that whoever
 * takes the smallest head of all sources, opening directories as they come up, sees all keys in
 * order (store/list.c).
 *
 * Texts are comparable texts: keys as they are stored (escaped in the bytes profile, which sorts
 * the same), behind `lead`, the namespace's part of the name in a listing of the root.
 */
#ifndef STORE_LISTING_H
#define STORE_LISTING_H

#include "store/single.h"

struct ms_text { /* owned bytes */
    size_t size;
    char *bytes;
};

struct ms_listed { /* an item met in a directory */
    struct ms_listed *next;
    bool deleted;
    struct ms_info info;
    size_t size;
    char key[]; /* comparable text */
};

struct ms_found_dir { /* a directory met in a directory */
    struct ms_found_dir *next;
    bool space; /* go into it as a namespace, not as nesting */
    size_t name_size, size;
    char *bound;
    char name[];
};

/* What all sources of a listing share. */
struct ms_listing {
    struct ms_single *store;
    struct ms_namespaces *namespaces;
    enum ms_list_deleted deleted;
    bool names_only;
    bool whole;          /* a listing of the root: namespaces are gone into */
    struct ms_view from; /* comparable text: keys > this; empty: all */
    struct ms_view prefix;
    uint64_t *skipped;
};

struct ms_source {
    const struct ms_listing *listing;
    struct ms_lister *lister; /* NULL: at its end, or all buffered */
    const struct ms_ns *ns;
    struct ms_name path;   /* "data/01" */
    struct ms_text space;  /* "data" */
    struct ms_text lead;   /* "data/" or "" */
    struct ms_text chunks; /* what nesting directories say of the key: "01" */
    struct ms_text pieces; /* bytes profile: the key's beginning, from continuation directories */
    unsigned depth;        /* nesting directories above */
    struct ms_found_dir *dirs;  /* sorted by bound */
    struct ms_listed *buffered; /* sorted */
    struct ms_listed *pending;  /* sorted by key: what a ".del" yet to come might precede */
    size_t pending_count;
    struct ms_text last_name; /* of the file read last */
    bool dir_first;           /* the first of dirs comes before all that is not read yet */
    bool ended;
    struct ms_listed *head; /* the smallest item, when there is one */
};

/* Opens the source of a namespace. *out NULL: there is no such directory, or nothing to look for.
 */
int ms_source_open(const struct ms_listing *listing, struct ms_view space, struct ms_source **out,
                   struct ms_error *err);
/* Opens a directory that a source met. */
int ms_source_enter(struct ms_source *s, const struct ms_found_dir *dir, struct ms_source **out,
                    struct ms_error *err);
void ms_source_free(struct ms_source *s);
/* Makes the smallest head known: an item in s->head, or a directory first in s->dirs. Both empty:
 * end. */
int ms_source_fill(struct ms_source *s, struct ms_error *err);
/* The smallest bound of what is known; false: the end. A directory comes before an item of the same
 * bound. */
bool ms_source_bound(const struct ms_source *s, struct ms_view *bound, bool *directory);
/* Whether keys with this beginning can be wanted. */
bool ms_listing_may_hold(const struct ms_listing *l, struct ms_view bound);
void ms_found_dir_free(struct ms_found_dir *dir);

#endif
