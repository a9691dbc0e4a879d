/* tree_index.h - the index item of put-tree: which paths a tree has, and which items hold their
 * contents. The format is in docs/formats.md.
 *
 *     mstore-tree 1
 *     d 0755 1700000000000000000 docs
 *     f 0644 1700000000000000000 1234 SHA256 docs/read%20me
 *     l 1700000000000000000 read%20me docs/link
 *     end 3 SHA256-OF-ALL-LINES-ABOVE
 */
#ifndef TOOLS_MSTORE_TREE_INDEX_H
#define TOOLS_MSTORE_TREE_INDEX_H

#include "base/hash.h"

#include <mstore/base.h>
#include <stdio.h>

#define MS_TREE_PATH_MAX 4095 /* of a path and of a link's target, bytes */
#define MS_TREE_NAME_MAX 255  /* of one component */
#define MS_TREE_TEXT_MAX (UINT64_C(1) << 30)

enum ms_tree_kind { MS_TREE_DIRECTORY = 'd', MS_TREE_FILE = 'f', MS_TREE_LINK = 'l' };

struct ms_tree_entry {
    enum ms_tree_kind kind;
    struct ms_view path; /* relative, no empty, "." or ".." component; a NUL stands behind it */
    unsigned mode;       /* 0..0777; 0 for a link */
    int64_t mtime_ns;    /* since 1970 */
    uint64_t size_bytes; /* of a file */
    char sha256[MS_SHA256_HEX]; /* of a file: also its key */
    struct ms_view target;      /* of a link, whatever it says; a NUL stands behind it */
};

/* Calls entry() (may be NULL) for each; a code it returns other than 0 ends the parse. Entries come
 * strictly sorted by ms_tree_compare, each behind an entry for the directory it is in. Calls begin
 * before the end of the text was seen: act when the parse has succeeded. What an entry borrows
 * lasts for the call. MS_ERR_FORMAT names the line; MS_ERR_CORRUPT: the sum at the end is wrong. */
int ms_tree_index_parse(struct ms_view text,
                        int (*entry)(void *ctx, const struct ms_tree_entry *e,
                                     struct ms_error *err),
                        void *ctx, struct ms_error *err) MS_MUST_CHECK;

/* Depth first: bytewise, with '/' before every other byte. */
int ms_tree_compare(struct ms_view a, struct ms_view b);

/* Writes an index: begin, entries in order, end. Errors stay in the FILE, except that end returns
 * those of the sum. `text` and `size` are those of open_memstream, current after a flush. */
struct ms_tree_writer {
    FILE *file;
    char *text;
    size_t size;
    uint64_t count;
};
int ms_tree_writer_begin(struct ms_tree_writer *w, struct ms_error *err) MS_MUST_CHECK;
void ms_tree_writer_add(struct ms_tree_writer *w, const struct ms_tree_entry *e);
/* On success text[0, size) is the index; the caller calls fini in any case. */
int ms_tree_writer_end(struct ms_tree_writer *w, struct ms_error *err) MS_MUST_CHECK;
void ms_tree_writer_fini(struct ms_tree_writer *w);

/* A link at `path` with that target stays inside the tree: the target is relative, and has ".."
 * only at its start, no more of them than path has directories. With such links alone, no chain of
 * links leads out. */
bool ms_tree_link_stays_inside(struct ms_view path, struct ms_view target);

#endif
