/* tree.h - a tree of files in memory: what put-tree finds and get-tree makes. */
#ifndef TOOLS_MSTORE_TREE_H
#define TOOLS_MSTORE_TREE_H

#include "tools/mstore/beneath.h"
#include "tools/mstore/cli.h"
#include "tools/mstore/progress.h"
#include "tools/mstore/tree_index.h"

#include <stdatomic.h>

#define MS_TREE_WINDOW      512
#define MS_TREE_SMALL_BYTES (1u << 20)  /* up to this a content is one buffer */
#define MS_TREE_BATCH_BYTES (32u << 20) /* of the small contents of one window */
#define MS_TREE_INDEX_KEY   "index"

struct ms_node {
    enum ms_tree_kind kind;
    char *path;   /* owned */
    char *target; /* of a link; owned */
    unsigned mode;
    int64_t mtime_ns;
    uint64_t size_bytes;
    char sha256[MS_SHA256_HEX];
    bool left_out; /* failed: not in the index */
};

struct ms_nodes {
    struct ms_node *at;
    size_t count, room;
};

/* Adds an empty node for a path; the others may move. NULL: no memory. */
struct ms_node *ms_nodes_add(struct ms_nodes *nodes, const char *path, enum ms_tree_kind kind);
void ms_nodes_fini(struct ms_nodes *nodes);
/* Files and their bytes. */
void ms_nodes_total(const struct ms_nodes *nodes, uint64_t *files, uint64_t *bytes);
int64_t ms_tree_mtime(const struct stat *st);

/* Work on a tree, by many tasks. */
struct ms_tree {
    struct ms_cli *cli;
    struct ms_store *store;
    const char *ns;
    unsigned jobs;
    struct ms_beneath root;
    struct ms_nodes nodes;
    struct ms_progress progress;
    _Atomic uint64_t done, done_bytes, same, failed, existing, left_out;
    _Atomic int stop; /* a code of the Store after which going on makes no sense */
};

/* Finds the files below root, sorted; what cannot be read is reported and counted. */
int ms_tree_scan(struct ms_tree *t, struct ms_error *err) MS_MUST_CHECK;
/* "NS/KEY" of a content; malloc'ed, NULL: no memory. */
char *ms_tree_key(const struct ms_tree *t, const char *sha256, size_t *size);
/* Reports a failure of one path and counts it. */
void ms_tree_failed(struct ms_tree *t, struct ms_node *node, int code, const char *sentence);
/* SHA-256 of all that an open file holds, from its start. */
int ms_tree_hash_file(int fd, const char *path, char hex[MS_SHA256_HEX], uint64_t *size,
                      struct ms_error *err) MS_MUST_CHECK;
/* The Store and the namespace of the command; close follows in any case. */
int ms_tree_open_store(struct ms_tree *t, struct ms_cli *cli, struct ms_error *err) MS_MUST_CHECK;
/* The folder of the command; `make`: made when it is not there. */
int ms_tree_open_folder(struct ms_tree *t, bool make, struct ms_error *err) MS_MUST_CHECK;
int ms_tree_close(struct ms_tree *t, int code, struct ms_error *err) MS_MUST_CHECK;

#endif
