/* store/list_ahead.h - a listing's directories opened ahead of their time, several at once, so that
 * many small ones over a slow storage do not cost a round trip each.
 */
#ifndef STORE_LIST_AHEAD_H
#define STORE_LIST_AHEAD_H

#include "store/listing.h"

struct ms_ahead {
    unsigned now, most; /* directories opened at once: begins at 1, doubles */
};

/* jobs: calls in flight. */
void ms_ahead_init(struct ms_ahead *a, unsigned jobs);
/* Takes the first head of s, a directory, and opens it; perhaps those that follow too, which then
 * wait opened in s->heads. */
int ms_ahead_enter(struct ms_ahead *a, struct ms_source *s, struct ms_source **out,
                   struct ms_error *err);

#endif
