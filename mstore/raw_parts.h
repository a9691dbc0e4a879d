/* mstore/raw_parts.h - what the files of the raw view (mstore/raw_view.h) share. */
#ifndef MSTORE_RAW_PARTS_H
#define MSTORE_RAW_PARTS_H

#include "mstore/self.h"

#include <stdatomic.h>

#define RAW_DIRECTORIES  100000
#define RAW_SEGMENT_MAX  200
#define RAW_DELETED_TEXT ".del"

struct ms_raw {
    struct ms_backend base;
    struct ms_store *store;
    bool owned;                     /* the store */
    struct ms_backend *directories; /* owned: "memory:", has directories and internal items only */
    atomic_uint remembered;
};

static inline struct ms_raw *ms_raw_of(struct ms_backend *b)
{
    return (struct ms_raw *)b;
}

/* ---- names: raw_names.c, pure ---- */

struct ms_raw_key {
    char text[MS_NAME_MAX];
    size_t size;
    bool deleted;
    bool valid; /* it can be a key; else only a directory */
};
static inline struct ms_view ms_raw_key_view(const struct ms_raw_key *k)
{
    return ms_view(k->text, k->size);
}
/* name: at most MS_NAME_MAX bytes. err says why it is not valid. */
void ms_raw_key_of(const struct ms_namespaces *names, struct ms_view name, struct ms_raw_key *out,
                   struct ms_error *err);
/* The wire name of an item, as listings show it. False: it has none. */
bool ms_raw_name_of(const struct ms_namespaces *names, struct ms_view key, bool deleted,
                    struct ms_name *out);
/* What the keys of everything below a directory begin with; *nested: it is one of the nesting of
 * a namespace. name "": the root. */
void ms_raw_prefix_of(const struct ms_namespaces *names, struct ms_view name, struct ms_name *out,
                      bool *nested);
/* The directory without those of the nesting at its end. */
struct ms_view ms_raw_unnested(const struct ms_namespaces *names, struct ms_view name);

/* ---- directories and listings: raw_list.c ---- */

int ms_raw_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                struct ms_lister **out, struct ms_error *err);
/* Whether it is a directory, known without asking the members. */
bool ms_raw_remembers(struct ms_raw *raw, struct ms_view name);
/* A directory of a namespace's nesting: they are there whenever they are asked for, and listed when
 * something is in them. */
bool ms_raw_is_nesting(struct ms_raw *raw, struct ms_view name);
/* Whether it is one; asks. */
int ms_raw_is_directory(struct ms_raw *raw, struct ms_view name, bool *out,
                        struct ms_error *err) MS_MUST_CHECK;
/* But for what is a directory of the nesting. Failures are of no matter: it is as if it had been
 * forgotten. */
void ms_raw_remember(struct ms_raw *raw, struct ms_view name);

#endif
