/* mstore/list_parts.h - shared by the files of a listing (mstore/list.h). */
#ifndef MSTORE_LIST_PARTS_H
#define MSTORE_LIST_PARTS_H

#include "mstore/inventory.h"
#include "mstore/list.h"
#include "store/listing.h"

#define MS_LISTED_ASKS 4 /* members that are asked for a size */

/* An item, live or soft-deleted, of one key. */
struct ms_verdict {
    bool is;
    uint64_t size; /* MS_OWN_SIZE_UNKNOWN: not in the names */
    int64_t mtime_ns;
    size_t asks; /* objects that tell the size, when the name does not */
    struct ms_object ask[MS_LISTED_ASKS];
};

/* ---- mstore/list_paths.c ---- */

struct ms_paths { /* of namespaces; zero it */
    struct ms_text *path;
    size_t count, room;
};
/* Those of framed namespaces of which any member has objects, each once, by path + "/". Complete or
 * an error, like listings. */
int ms_list_paths(struct ms_roster *roster, struct ms_paths *out, struct ms_error *err);
/* Also namespaces of plain ones' intents, and those of which only tombstones or trash are left. */
int ms_list_all_paths(struct ms_roster *roster, struct ms_paths *out, struct ms_error *err);
void ms_paths_fini(struct ms_paths *p);

/* ---- mstore/list_group.c ---- */

struct ms_grouping {             /* zero it */
    int delimiter;               /* -1: no groups */
    struct ms_text from, prefix; /* of the listing */
    struct ms_text group;        /* the one given last */
};
int ms_grouping_init(struct ms_grouping *g, const struct ms_list_options *options,
                     struct ms_error *err);
void ms_grouping_fini(struct ms_grouping *g);
/* The group that the key belongs to: its beginning; empty: none. */
struct ms_view ms_grouping_of(const struct ms_grouping *g, struct ms_view key);
/* By this listing, or by the one that it goes on with. */
bool ms_grouping_was_given(const struct ms_grouping *g, struct ms_view group);
int ms_grouping_give(struct ms_grouping *g, struct ms_view group, struct ms_error *err);

/* ---- mstore/list_judge.c: pure ---- */

struct ms_list_view {      /* what is known of the members */
    size_t missing;        /* those of which nothing is known */
    size_t needs;          /* objects that an acknowledged store of an immutable key leaves */
    const bool *returning; /* by the layout's index: it may have missed deletions */
};
/* What lies under a key: [0] live, [1] soft-deleted. False: whether it was deleted cannot be told
 * without those that are missing. */
bool ms_list_judge(enum ms_layout_kind kind, const struct ms_inventory_entry *entry,
                   const struct ms_list_view *view, struct ms_verdict out[2]);

/* ---- mstore/list_sizes.c ---- */

/* The payload of an uncompressed frame without metadata that takes so many bytes; false: no frame
 * does. */
bool ms_list_plain_payload(uint64_t stored_bytes, uint64_t *out);
/* The size from what the verdict says, without asking; false: it must be asked. */
bool ms_list_known_size(const struct ms_layout_space *space, const struct ms_verdict *verdict,
                        uint64_t *out);
/* The size from a header. MS_ERR_NOT_FOUND: the value is gone by now. */
int ms_list_ask_size(struct ms_roster *roster, struct ms_view space_path, struct ms_view key,
                     const struct ms_verdict *verdict, uint64_t *out, struct ms_error *err);

#endif
