/* mstore/notice.h - telling a store's user on the way that a call waits, for what, how long still.
 * One for each MStore, shared by its rosters; the callback is that of ms_mstore_options. Any
 * thread; the callback is not called any more once ms_notice_stop has returned. NULL is nobody's.
 */
#ifndef MSTORE_NOTICE_H
#define MSTORE_NOTICE_H

#include <mstore/multi.h>

struct ms_notice;
typedef void (*ms_notice_fn)(void *ctx, const struct ms_mstore_wait *wait);

int ms_notice_new(ms_notice_fn fn, void *ctx, struct ms_notice **out,
                  struct ms_error *err) MS_MUST_CHECK;
struct ms_notice *ms_notice_ref(struct ms_notice *n);
void ms_notice_unref(struct ms_notice *n);
void ms_notice_stop(struct ms_notice *n);

/* left_ns 0: that wait is over, for whatever reason. */
void ms_notice_waiting(struct ms_notice *n, const char *what, uint64_t waited_ns, uint64_t left_ns);

#endif
