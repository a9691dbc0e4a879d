/* base/fan.h - one call as several legs: each runs as a task, and one thread takes them back as
 * they end.
 *
 * For calls on several storages where the caller decides as it goes: starts some legs, looks at
 * each one that has ended, starts another for one that failed or is late, and leaves the rest
 * behind. What the legs use is `shared`, which must outlive stragglers: release(shared) runs when
 * the last leg has ended and the caller has released the fan.
 *
 * One thread at a time per fan; legs run anywhere. Works under both executors of base/sync.h. */
#ifndef BASE_FAN_H
#define BASE_FAN_H

#include <mstore/base.h>

struct ms_fan;
typedef int (*ms_fan_fn)(void *shared, unsigned leg, struct ms_error *err);

/* Up to `legs` legs, none started. release may be NULL. On failure `shared` stays the caller's. */
int ms_fan_new(unsigned legs, ms_fan_fn fn, void (*release)(void *shared), void *shared,
               struct ms_fan **out, struct ms_error *err) MS_MUST_CHECK;
/* Starts leg number `leg`, at most once each. A leg that cannot be started ends at once with
 * MS_ERR_NO_MEMORY, as if it had run. */
void ms_fan_start(struct ms_fan *f, unsigned leg);
unsigned ms_fan_running(const struct ms_fan *f); /* started and not yet taken back */

/* Waits for the next leg to end, in the order in which they end. *leg: which; its result stays
 * readable below. False: nothing is running, or the clock passed deadline_ns (UINT64_MAX: none)
 * first. */
bool ms_fan_next(struct ms_fan *f, struct ms_clock *clock, uint64_t deadline_ns, unsigned *leg);
/* Of a leg that ms_fan_next has named. The error is borrowed until the fan is released. */
int ms_fan_code(const struct ms_fan *f, unsigned leg);
const struct ms_error *ms_fan_error(const struct ms_fan *f, unsigned leg);

/* Fires the token of the legs that still run. */
void ms_fan_cancel(struct ms_fan *f);
/* The caller is done; stragglers go on. NULL is safe. */
void ms_fan_release(struct ms_fan *f);

#endif
