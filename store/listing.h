/* store/listing.h - one directory of a listing as a stream of heads: items, and directories to go
 * into.
 *
 * A source stands for one backend directory. It gives its heads (store/heads.h) in the order of
 * their bounds, so that whoever takes the smallest head of all sources, going into directories as
 * they come up, sees all keys in order (store/list.c).
 *
 * Texts are comparable texts: keys as they are stored (escaped in the bytes profile, which sorts
 * the same), behind `lead`, the namespace's part of the name in a listing of the root.
 *
 * A source belongs to one thread at a time; several may be opened at once.
 */
#ifndef STORE_LISTING_H
#define STORE_LISTING_H

#include "store/heads.h"
#include "store/single.h"

struct ms_text { /* owned bytes */
    size_t size;
    char *bytes;
};
static inline struct ms_view ms_text_view(struct ms_text t)
{
    return ms_view(t.bytes, t.size);
}
/* Makes it a joined with b; false: no memory, as before. */
bool ms_text_set(struct ms_text *t, struct ms_view a, struct ms_view b);

/* What all sources of a listing share. */
struct ms_listing {
    struct ms_single *store;
    struct ms_namespaces *namespaces;
    enum ms_list_deleted deleted;
    bool names_only;
    bool whole;          /* a listing of the root: namespaces are gone into */
    struct ms_view from; /* comparable text: keys > this; empty: all */
    struct ms_view prefix;
};

#define MS_BLOCKER_MAX 256

struct ms_source {
    const struct ms_listing *listing;
    struct ms_lister *lister;
    bool all_read; /* and then there is no lister; none otherwise: it failed, to be opened again */
    bool lost;     /* no memory for a name that was read: the listing cannot go on */
    uint64_t skipped; /* names that no key leads to, not counted by the listing yet */
    const struct ms_ns *ns;
    struct ms_name path;   /* "data/01" */
    struct ms_text space;  /* "data" */
    struct ms_text lead;   /* "data/" or "" */
    struct ms_text chunks; /* what nesting directories say of the key: "01" */
    struct ms_text pieces; /* bytes profile: the key's beginning, from continuation directories */
    unsigned depth;        /* nesting directories above */
    struct ms_heads heads; /* met, not given */
    struct ms_text last;   /* the name read last that the order of the rest follows from */
    /* All that is not read yet has a bound >= lead + pieces + the first `barrier` bytes of last. */
    size_t barrier;
    bool asked[MS_BLOCKER_MAX]; /* [n]: the item deleted under last's first n bytes is known */
};

/* Opens the source of a namespace. A directory that does not exist is an empty source. */
int ms_source_open(const struct ms_listing *listing, struct ms_view space, struct ms_source **out,
                   struct ms_error *err);
/* Opens a directory that a source met. */
int ms_source_enter(const struct ms_source *s, const struct ms_head *dir, struct ms_source **out,
                    struct ms_error *err);
void ms_source_free(struct ms_source *s);
/* Reads on until the first of s->heads is the smallest of all there are, or none is left. */
int ms_source_fill(struct ms_source *s, struct ms_error *err);
/* Reads on, but at most `most` more names: to know directories, or items, in advance. */
int ms_source_read_ahead(struct ms_source *s, size_t most, struct ms_error *err);

/* ---- what a name in a directory means (store/listing_names.c) ---- */

/* Whether keys with this beginning can be wanted. */
bool ms_listing_may_hold(const struct ms_listing *l, struct ms_view bound);
/* Puts what the name stands for, when it is wanted, into s->heads. */
int ms_source_meet_dir(struct ms_source *s, struct ms_view name, struct ms_error *err);
int ms_source_meet_file(struct ms_source *s, struct ms_view name, const struct ms_info *info,
                        struct ms_error *err);
/* A directory to go into as the namespace `name`. */
int ms_source_add_space(struct ms_source *s, struct ms_view name, struct ms_error *err);
int ms_source_no_memory(struct ms_error *err);

static inline bool ms_source_escaped(const struct ms_source *s)
{
    return s->ns->names == MS_NAMES_BYTES;
}
/* Inside the borgstore nesting ("data/01/") a directory "23" stands for keys that start "0123"
 * while files bear whole keys: the order of names says nothing of directories, which are gathered
 * first. */
static inline bool ms_source_gathered(const struct ms_source *s)
{
    return s->depth > 0 && !ms_source_escaped(s);
}

#endif
