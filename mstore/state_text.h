/* mstore/state_text.h - the text of a state file, read and written. For mstore/state.c. Pure: any
 * thread. */
#ifndef MSTORE_STATE_TEXT_H
#define MSTORE_STATE_TEXT_H

#include "mstore/state.h"

#define MS_STATE_FAILURES_MAX 1000000u

struct ms_state_record {
    struct ms_uuid member;
    struct ms_health_saved saved;
    bool changed; /* by this process, not yet saved; not in the file */
};
struct ms_state_content {
    uint64_t epoch;
    size_t count;
    struct ms_state_record records[MS_STATE_MEMBERS];
    struct ms_state_marks marks;
};

/* MS_ERR_CONFIG: damaged, or of another store; MS_ERR_UNSUPPORTED: a newer program's. Then no
 * record is in *out, but the highest epoch that carries its check is. MS_ERR_NO_MEMORY: nothing is.
 */
int ms_state_parse(struct ms_view text, const char *source, const struct ms_uuid *store,
                   struct ms_state_content *out, struct ms_error *err) MS_MUST_CHECK;
int ms_state_format(const struct ms_state_content *content, const struct ms_uuid *store,
                    struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;

/* NULL: none. */
struct ms_state_record *ms_state_find(struct ms_state_content *content,
                                      const struct ms_uuid *member);
/* The member's record, added when there was none; in a full content instead of the one that
 * changed longest ago. */
struct ms_state_record *ms_state_find_or_add(struct ms_state_content *content,
                                             const struct ms_uuid *member);

/* Whether they are of the same boot and layout, so that times can be compared. */
bool ms_state_marks_alike(const struct ms_state_marks *a, const struct ms_state_marks *b);
/* Adds `more` to what it is like; it takes the place of what is of another boot or an older layout.
 * False: it is of an older one itself. */
bool ms_state_marks_join(struct ms_state_marks *marks, const struct ms_state_marks *more);

#endif
