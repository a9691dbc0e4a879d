/* tests/fault/cut.h - what a power cut may leave of a recorded sequence of changes.
 *
 * Model: a file system that keeps its own structure whole and promises nothing else.
 *   - Bytes written are safe once an fsync of the file (or a syncfs) that began after the write has
 *     ended. Until then each write is there, absent, cut in half, or zeros, independently.
 *   - A change of a folder (create, mkdir, link, unlink) is safe once an fsync of that folder that
 *     began after it has ended. Until then it is there or not, in any combination: order is not
 *     promised.
 *   - A rename happens wholly or not at all, also between folders; it is safe once the folder it
 *     goes into is.
 */
#ifndef FAULT_CUT_H
#define FAULT_CUT_H

#include "support/wrapio.h"

#include <mstore/base.h>

/* One unsafe event at a cut, and how many fates it has. */
struct cut_choice {
    size_t event;
    unsigned fates;
};

struct cut {
    const struct io_record *record;
    size_t at; /* events before this one have happened */
    struct cut_choice *choices;
    size_t count;
    uint64_t combinations; /* UINT64_MAX: more than fit */
};

void cut_init(struct cut *cut, const struct io_record *record, size_t at);
void cut_fini(struct cut *cut);
/* Builds, in an empty folder, what is left under one combination: fate[i] for choices[i], 0: the
 * event did not happen. False: the folder cannot be written. */
bool cut_build(const struct cut *cut, const unsigned *fate, const char *root);

#endif
