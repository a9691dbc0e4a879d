/* progress.h - one line on a terminal about long work: done, total, rate, remaining; or about a
 * wait.
 *
 * Only when standard error is a terminal and the work takes a moment; otherwise all calls do
 * nothing. ms_progress_add and ms_progress_total may come from any thread. One at a time.
 */
#ifndef TOOLS_MSTORE_PROGRESS_H
#define TOOLS_MSTORE_PROGRESS_H

#include <mstore/base.h>
#include <stdatomic.h>

struct ms_progress {
    const char *what; /* "copy" */
    const char *unit; /* "items"; NULL: only bytes are shown */
    bool shown;       /* standard error is a terminal */
    uint64_t begin_ns;
    _Atomic uint64_t last_ns; /* when it was last drawn */
    _Atomic uint64_t items, bytes;
    _Atomic uint64_t total_items, total_bytes; /* UINT64_MAX: unknown */
};

void ms_progress_begin(struct ms_progress *p, const char *what, const char *unit);
void ms_progress_total(struct ms_progress *p, uint64_t items, uint64_t bytes);
void ms_progress_add(struct ms_progress *p, uint64_t items, uint64_t bytes);
/* So far, instead of one after the other; by one thread at a time. */
void ms_progress_at(struct ms_progress *p, const char *unit, uint64_t items, uint64_t bytes);
/* Cleans the line. */
void ms_progress_end(struct ms_progress *p);

/* A line about a wait of which left_ns are still to come; 0: it is over. In place of the line about
 * work; on a terminal only; any thread. */
void ms_progress_wait(const char *what, uint64_t left_ns);

/* Prints a line on standard error, above the progress line if there is one; any thread. */
void ms_progress_line(const char *text);

#endif
