/* mstore/upkeep_parts.h - inside of mstore/upkeep.h: what its files share. */
#ifndef MSTORE_UPKEEP_PARTS_H
#define MSTORE_UPKEEP_PARTS_H

#include "mstore/inventory.h"
#include "mstore/upkeep.h"
#include "mstore/value_parts.h"

/* ---- upkeep.c ---- */

void ms_upkeep_found_many(struct ms_upkeep *u, enum ms_upkeep_find find, size_t member,
                          uint64_t count);

/* ---- upkeep_cursor.c ---- */

/* From the state folder into u->from, when an earlier run of the same kind was interrupted under
 * this layout. Never fails: without it the run begins at the beginning. */
void ms_upkeep_resume(struct ms_upkeep *u);
void ms_upkeep_remember(struct ms_upkeep *u); /* u->at */
void ms_upkeep_forget(struct ms_upkeep *u);

/* ---- upkeep_keys.c ---- */

struct ms_upkeep_item { /* a key, and all that lies under it */
    const struct ms_layout_space *space;
    struct ms_view path, key;
    struct ms_object *objects; /* by member */
    size_t count;
    const bool *silent;      /* by the layout's index: it may have more, it has not answered */
    enum ms_upkeep_end *end; /* out, what became of it; may be NULL */
    void *ctx;               /* of ms_upkeep_noted */
};
/* Only what ends the run is returned. */
typedef int (*ms_upkeep_fn)(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                            struct ms_error *err);
/* Calls fn for every key of the namespace behind `after`, several at once. kinds: of objects, as of
 * an inventory. */
int ms_upkeep_keys(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                   struct ms_view after, unsigned kinds, ms_upkeep_fn fn,
                   struct ms_error *err) MS_MUST_CHECK;
/* Calls fn for the notes about a member, key by key, several at once; ctx is the items'. *missing:
 * so many members did not tell theirs. No cursor is kept: all notes are looked at each time. */
int ms_upkeep_noted(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                    const struct ms_uuid *about, ms_upkeep_fn fn, void *ctx, size_t *missing,
                    struct ms_error *err) MS_MUST_CHECK;
/* For one key, as it is now; not at all when nothing lies under it. */
int ms_upkeep_one_key(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                      struct ms_view key, unsigned kinds, ms_upkeep_fn fn, enum ms_upkeep_end *end,
                      struct ms_error *err) MS_MUST_CHECK;
/* Of a key's members (by the layout's index) one did not answer. */
bool ms_upkeep_any_silent(const struct ms_upkeep *u, const bool silent[]);
/* A key has been dealt with. */
void ms_upkeep_key_done(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                        enum ms_upkeep_end end);
/* Its key is one that no client can have stored. */
int ms_upkeep_stranger(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                       const struct ms_error *why);
/* Whether this run looks at the key at all. */
bool ms_upkeep_in_sample(const struct ms_upkeep *u, struct ms_view key);
/* The kinds that a namespace's keys are made of, and what looks after one of them. */
unsigned ms_upkeep_kinds(enum ms_layout_kind kind);
ms_upkeep_fn ms_upkeep_fn_of(enum ms_layout_kind kind); /* NULL: plain */
/* The site of the item's key; `whole` holds its bytes. */
struct ms_upkeep_site {
    struct ms_site site;
    uint8_t whole[MS_OWN_SPACE_MAX + 1 + MS_BYTES_KEY_MAX];
};
int ms_upkeep_site_of(struct ms_upkeep *u, struct ms_view path, struct ms_view key,
                      struct ms_upkeep_site *out, struct ms_error *err) MS_MUST_CHECK;

/* ---- upkeep_copy.c ---- */

struct ms_upkeep_place { /* an object of a write */
    uint16_t member;
    uint8_t shard;
    bool keep;    /* one of those that the write is to have */
    bool checked; /* read and verified by this run, or written by it */
    enum ms_place_state state;
    uint64_t bytes;
    int64_t mtime_ns;
    struct ms_frame_header header; /* once checked; no metadata */
    char digest[65];               /* of its payload, likewise */
};
struct ms_upkeep_write {
    struct ms_value_shape shape;
    struct ms_upkeep_place *places;
    size_t count;
    unsigned good, distinct; /* places not known to be bad; different shards among them */
};
void ms_upkeep_count(struct ms_upkeep_write *w); /* good, distinct anew */
/* Reads the object from its beginning to its end: state, header, digest. Only what ends the run is
 * returned. */
int ms_upkeep_verify(struct ms_upkeep *u, const struct ms_site *site,
                     const struct ms_value_shape *shape, struct ms_upkeep_place *place,
                     struct ms_error *err) MS_MUST_CHECK;
/* Whether verified shards belong together: the value is put together from k of them and coded once
 * more; those that differ become DAMAGED. value gets its SHA-256. */
int ms_upkeep_consistent(struct ms_upkeep *u, const struct ms_site *site, struct ms_upkeep_write *w,
                         char value[65], struct ms_error *err) MS_MUST_CHECK;

/* They could not be compared: what is told of the key. */
void ms_upkeep_not_compared(struct ms_upkeep *u, const struct ms_upkeep_item *item, int code,
                            const struct ms_error *why);

/* A write's value, read from its good places and coded once more into `sink`; the digest is the
 * value's. */
struct ms_upkeep_source;
int ms_upkeep_source_new(struct ms_upkeep *u, const struct ms_site *site,
                         const struct ms_upkeep_write *w, ms_value_sink sink, void *ctx,
                         struct ms_upkeep_source **out, struct ms_error *err) MS_MUST_CHECK;
int ms_upkeep_source_run(struct ms_upkeep_source *s, char sha256[65],
                         struct ms_error *err) MS_MUST_CHECK;
void ms_upkeep_source_free(struct ms_upkeep_source *s); /* NULL is safe */

struct ms_upkeep_put { /* an object to be written */
    uint16_t member;
    uint8_t shard;
    bool absent; /* nothing is there, as far as is known: do not replace what has come since */
    bool moved;  /* another member has it */
    struct ms_write_id stage; /* of an immutable key's: drawn here (mstore/staged.h) */
    int code;                 /* out; 0: it is there, whole, or staged */
    struct ms_error why;
};
/* Writes objects of the write from its good ones, in bounded memory; nothing appears unless all of
 * the value was read and is `sha256` (NULL: any). Those of an immutable key are staged then. Each
 * put has a code of its own; the result says whether the value could be read. */
int ms_upkeep_rebuild(struct ms_upkeep *u, const struct ms_site *site,
                      const struct ms_upkeep_write *w, const char *sha256,
                      struct ms_upkeep_put puts[], size_t count,
                      struct ms_error *err) MS_MUST_CHECK;
/* Now, by the member's own clock: the time of an object that is put there and taken away again
 * (by ours, where this run may change nothing). Only with it can times of its objects be compared.
 */
int ms_upkeep_now_at(struct ms_upkeep *u, const struct ms_site *site, unsigned member,
                     int64_t *now_ns, struct ms_error *err) MS_MUST_CHECK;
/* Removes one object; counts it. NOT_FOUND is 0. */
int ms_upkeep_remove(struct ms_upkeep *u, const struct ms_site *site,
                     const struct ms_value_shape *shape, const struct ms_upkeep_place *place,
                     struct ms_error *err) MS_MUST_CHECK;
/* The same into the trash, where it can be looked at. */
int ms_upkeep_set_aside(struct ms_upkeep *u, const struct ms_site *site,
                        const struct ms_value_shape *shape, const struct ms_upkeep_place *place,
                        struct ms_error *err) MS_MUST_CHECK;
/* Ends the run. */
static inline bool ms_upkeep_fatal(int code)
{
    return code == MS_ERR_CANCELLED || code == MS_ERR_NO_MEMORY;
}

/* ---- steps ---- */

int ms_upkeep_notes(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err);
/* mstore/upkeep_layout.c: all members have the layout in force. */
int ms_upkeep_layouts(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err);
/* mstore/upkeep_marks.c: whom to believe again; before, and after everything else. */
int ms_upkeep_close_marks(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err);
int ms_upkeep_settle_marks(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err);
/* Of a conflict or a lost value: here it may be of a change that a member has missed. Any thread.
 */
void ms_upkeep_unsettled(struct ms_upkeep *u);
int ms_upkeep_sweep(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err);
int ms_upkeep_immutable_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                              struct ms_view path, struct ms_view after, struct ms_error *err);
int ms_upkeep_plain_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                          struct ms_view path, struct ms_view after, struct ms_error *err);
int ms_upkeep_mutable_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                            struct ms_view path, struct ms_view after, struct ms_error *err);
/* intent_finish.c, upkeep_old.c */
int ms_upkeep_intents_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                            struct ms_view path, struct ms_view after, struct ms_error *err);
int ms_upkeep_tombs_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                          struct ms_view path, struct ms_view after, struct ms_error *err);
int ms_upkeep_trash_space(struct ms_upkeep *u, const struct ms_layout_space *space,
                          struct ms_view path, struct ms_view after, struct ms_error *err);
int ms_upkeep_immutable_key(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                            struct ms_error *err);
/* Of a key of which a move was broken off: see ms_upkeep_clear_spoiled. */
int ms_upkeep_spoiled_key(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                          struct ms_error *err);
int ms_upkeep_mutable_key(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                          struct ms_error *err);

#endif
