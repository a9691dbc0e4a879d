/* tests/support/local_state.h - the local state of one store, and its text, for tests of both. */
#ifndef SUPPORT_LOCAL_STATE_H
#define SUPPORT_LOCAL_STATE_H

#include "mstore/state.h"
#include "tests/support/scratch.h"

#define LOCAL_SEC  INT64_C(1000000000)
#define LOCAL_WALL (INT64_C(1700000000) * LOCAL_SEC)

extern const struct ms_uuid local_store;
struct ms_uuid local_member(unsigned i);
struct ms_state *local_open(const struct scratch *folder);
void local_save(struct ms_state *s, int64_t wall);
/* The file's; valid until the next call. */
char *local_text(const struct ms_state *s);
/* `text`, with `to` instead of the first `from`, is refused so; its epoch, 77, is known still. */
void local_refuse(const char *from, const char *to, const char *text, int wanted);

#endif
