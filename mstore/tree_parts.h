/* mstore/tree_parts.h - shared by the files of a tree (mstore/tree.h): its folders, and which of
 * their names are wanted. */
#ifndef MSTORE_TREE_PARTS_H
#define MSTORE_TREE_PARTS_H

#include "base/text.h"
#include "mstore/pages.h"
#include "mstore/tree.h"
#include "store/listing.h"
#include "store/names.h"

struct ms_tree_entry { /* what a folder's pages hold beside the name */
    bool directory;
    uint64_t stored_bytes;
    int64_t mtime_ns;
};

/* What the names in a folder mean. */
enum ms_tree_place {
    MS_TREE_CHUNKS, /* "k.CC," and, at their level, "k.PIECE+", "k.REST!" */
    MS_TREE_PIECES, /* "k.PIECE+", "k.REST!" */
    MS_TREE_OBJECTS /* objects of one key */
};

struct ms_folder {
    struct ms_folder *next;         /* in the queue that it is in */
    struct ms_folder *first, *last; /* below it, opened ahead */
    unsigned queued;
    bool over; /* nothing more of what it lists is wanted */
    struct ms_member *member;
    struct ms_member_lister lister; /* the pages' alone */
    bool opened;                    /* likewise, and the next */
    bool listed;                    /* an entry, or the end */
    struct ms_tree_entry entry;
    struct ms_pages *pages;
    enum ms_tree_place place;
    unsigned depth; /* chunks above */
    bool names_only;
    size_t path_size, text_size, after_size, only_size;
    const char *path;  /* "mstore-UUID/obj/n.data!/k.01," */
    const char *text;  /* the beginning of the escaped keys in it: "01" */
    const char *after; /* its listing begins behind this */
    const char *only;  /* and ends with the last name that begins so */
    char bytes[];
};
static inline struct ms_view ms_folder_path(const struct ms_folder *f)
{
    return ms_view(f->path, f->path_size);
}
static inline struct ms_view ms_folder_text(const struct ms_folder *f)
{
    return ms_view(f->text, f->text_size);
}

/* Bounds of keys, as escaped texts. */
struct ms_tree_bounds {
    struct ms_text low;    /* what is smaller is not wanted; the larger of the two given */
    struct ms_text prefix; /* what does not begin so is not wanted */
    bool beyond;           /* low itself is not wanted either */
};

struct ms_tree {
    struct ms_member *member;
    struct ms_own_name where; /* its views are in `space` */
    struct ms_text space;
    struct ms_text only; /* the key, when one alone is wanted */
    struct ms_tree_bounds bounds;
    bool levels[MS_OWN_LEVELS_MAX + 1];
    bool names_only;
    struct ms_folder *stack[80]; /* 1 + 8 chunks + 39 pieces + the key's */
    unsigned deep;
    unsigned ahead; /* folders opened at once: begins at 1, doubles */
    bool begun;
    struct ms_error failed; /* code 0: not */
    uint64_t strangers;
    char stranger[MS_SHOW_SIZE];
    struct ms_tree_item item;
    struct ms_own_parsed parsed;
    struct ms_name name;
};

/* ---- mstore/tree_bounds.c: pure ---- */

int ms_tree_bounds_set(struct ms_tree_bounds *b, struct ms_view start_after, struct ms_view prefix,
                       struct ms_error *err);
void ms_tree_bounds_fini(struct ms_tree_bounds *b);
/* A key, escaped. */
bool ms_tree_wants_key(const struct ms_tree_bounds *b, struct ms_view text);
/* A folder whose keys all begin with that text. */
bool ms_tree_wants_folder(const struct ms_tree_bounds *b, struct ms_view text);
/* Neither it nor anything behind it is wanted. */
bool ms_tree_is_over(const struct ms_tree_bounds *b, struct ms_view text);
/* Behind which name the listing of a folder may begin that is on the way to the lower bound, `used`
 * characters of which led to it. Returns the size, 0: from the start. */
#define MS_TREE_AFTER_MAX 128
size_t ms_tree_after_chunk(const struct ms_tree_bounds *b, size_t used,
                           char out[MS_TREE_AFTER_MAX]);
size_t ms_tree_after_key(const struct ms_tree_bounds *b, size_t used, size_t piece,
                         char out[MS_TREE_AFTER_MAX]);

/* ---- mstore/tree_folder.c ---- */

struct ms_folder_options {
    enum ms_tree_place place;
    unsigned depth;
    struct ms_view parent, name; /* its path: joined by '/'; name empty: the parent's alone */
    struct ms_view before, text; /* its text: joined */
    struct ms_view after, only;
    bool names_only;
};
int ms_folder_new(struct ms_member *member, const struct ms_folder_options *options,
                  struct ms_folder **out, struct ms_error *err);
void ms_folder_free(struct ms_folder *f);

#endif
