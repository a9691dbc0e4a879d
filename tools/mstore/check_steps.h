/* check_steps.h - between tools/mstore/check.c, which runs the steps, and check_steps.c and
 * check_measure.c, which are them. */
#ifndef TOOLS_MSTORE_CHECK_STEPS_H
#define TOOLS_MSTORE_CHECK_STEPS_H

#include "tools/mstore/check.h"

#define MS_CHECK_VALUE_BYTES 4096u
#define MS_CHECK_MOST_BYTES  (16u << 20)
#define MS_CHECK_RACERS      4u
#define MS_CHECK_NOTE_BYTES  sizeof((struct ms_check_result){0}.note)

/* Each returns a code, and may leave a note of MS_CHECK_NOTE_BYTES; MS_ERR_UNSUPPORTED: the storage
 * has no such thing, and says so. */
int ms_check_write(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_info(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_read(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_range(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_list(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_rename(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_if_absent(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_delete(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_round_trip(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_up(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_down(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_clock(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_space(struct ms_check *c, char *note, struct ms_error *err);
int ms_check_capabilities(struct ms_check *c, char *note, struct ms_error *err);

static inline struct ms_view ms_check_name(const struct ms_check *c, size_t which)
{
    return ms_str(c->names[which]);
}

/* MS_ERR_CORRUPT: the storage did something else than it should. */
static inline int ms_check_wrong(struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_CORRUPT, "%s", what);
}

/* The value at a name is the first `size` bytes of the noise from `offset`. */
int ms_check_holds(struct ms_check *c, size_t which, size_t offset, size_t size,
                   struct ms_error *err) MS_MUST_CHECK;

#endif
