/* copy.h - copying one store to another: the plan (cmd_copy.c) hands windows of items, which are
 * missing in DST or may differ there, to the work (copy_work.c). */
#ifndef TOOLS_MSTORE_COPY_H
#define TOOLS_MSTORE_COPY_H

#include "tools/mstore/cli.h"
#include "tools/mstore/progress.h"

#include <stdatomic.h>

#define MS_COPY_WINDOW      512
#define MS_COPY_SMALL_BYTES (1u << 20)  /* up to this an item goes through a batch */
#define MS_COPY_BATCH_BYTES (32u << 20) /* of the small items of one window */

enum ms_copy_state {
    MS_COPY_WANTED,
    MS_COPY_COMPARE, /* DST has one of that size */
    MS_COPY_DONE,    /* copied, found equal, or failed: counted */
};

struct ms_copy_item {
    char *key; /* whole, with the namespace */
    size_t key_size;
    bool deleted;
    uint64_t size_bytes;
    enum ms_copy_state state;
};

struct ms_copy {
    const struct ms_cli *cli;
    struct ms_store *src, *dst;
    const char *ns; /* "": all */
    unsigned jobs;
    bool size_only, no_verify, dry_run;
    struct ms_progress progress;
    _Atomic uint64_t copied, copied_bytes, same, failed;
    _Atomic int stop; /* a code after which going on makes no sense; 0: none */

    struct ms_copy_item window[MS_COPY_WINDOW];
    size_t count;
    uint64_t small_bytes;
    size_t large;
};

/* Copies what the window asks for, and empties it. Failures of items are reported and counted; a
 * code comes back only when all shall end. */
int ms_copy_work(struct ms_copy *c, struct ms_error *err) MS_MUST_CHECK;

#endif
