/* tests/fault/operations.h - one of each thing a backend does, with the state before and after.
 *
 * The state of a storage is one letter for each of a few names: which of the known contents lies
 * there, '-' for none, '?' for anything else: a value that is not whole. */
#ifndef FAULT_OPERATIONS_H
#define FAULT_OPERATIONS_H

#include <mstore/backend.h>

#define STATE_NAMES  6
#define STATE_BEFORE "AB----"

struct operation {
    const char *name;
    const char *after; /* the state when it succeeded */
    bool each;         /* on failure each name is as before or as after; else all of them are */
    int (*run)(struct ms_backend *b, struct ms_error *err);
};
extern const struct operation operations[];
extern const size_t operation_count;

/* Brings the storage (open, empty) into the state before. */
int operations_prepare(struct ms_backend *b, struct ms_error *err);
/* Looks at the storage (open). */
int operations_state(struct ms_backend *b, char state[STATE_NAMES + 1], struct ms_error *err);
/* Whether an operation that ended with `code` may leave this state. */
bool operations_allowed(const struct operation *o, int code, const char *state);

#endif
