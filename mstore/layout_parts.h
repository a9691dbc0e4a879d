/* mstore/layout_parts.h - reading the sections that the shared layout and a client's own file have
 * in common. For mstore/layout*.c and mstore/conf.c alone.
 */
#ifndef MSTORE_LAYOUT_PARTS_H
#define MSTORE_LAYOUT_PARTS_H

#include "mstore/layout.h"

#include "base/ini.h"

struct ms_layout_reader {
    struct ms_layout *layout;
    const char *source;
    bool has_format, has_epoch, has_phase, has_uuid, has_mstore;
    /* A client's own file: takes keys of its own ([mstore] and [member] sections; `member` is the
     * index) before any other is looked at. NULL: the shared layout. */
    int (*own_key)(void *ctx, const struct ms_ini_entry *e, size_t member, bool *taken,
                   struct ms_error *err);
    void *ctx;
};

/* All lines into the layout, without ms_layout_check. */
int ms_layout_read(struct ms_layout_reader *r, struct ms_view text,
                   struct ms_error *err) MS_MUST_CHECK;
/* "SOURCE:LINE: SENTENCE" */
int ms_layout_refuse(const char *source, unsigned line, struct ms_error *err, const char *fmt, ...)
    MS_PRINTF(4, 5);

extern const char *const ms_layout_states[5]; /* of enum ms_member_state, in order */
extern const char *const ms_layout_kinds[3];
extern const char *const ms_layout_phases[2];
extern const char *const ms_layout_placements[2];

#endif
