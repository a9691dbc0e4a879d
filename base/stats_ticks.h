/* base/stats_ticks.h - time for statistics: the CPU's counter where it can be trusted, else the
 * clock.
 *
 * A moment is a number whose lowest bit says what it counts: 1: ticks of the time stamp counter,
 * 0: nanoseconds of a clock. So both kinds may be under way at once, and the begin of a call says
 * how its end is measured. The counter is used for the real clock only, on x86-64, when the CPU
 * calls it invariant and the kernel itself keeps time by it; and only after its rate is known, some
 * milliseconds into the process's life.
 */
#ifndef BASE_STATS_TICKS_H
#define BASE_STATS_TICKS_H

#include <mstore/base.h>

#include <stdatomic.h>

#if defined(__x86_64__)
static inline uint64_t ms_ticks_now(void)
{
    return __builtin_ia32_rdtsc() | 1;
}
#else
static inline uint64_t ms_ticks_now(void)
{
    return 1; /* never called: ms_ticks.clock matches no clock */
}
#endif

struct ms_ticks {
    _Atomic(const struct ms_clock *) clock; /* the clock that ticks stand for; no clock at first */
    _Atomic uint64_t ns_per_tick;           /* × 2^32 */
    _Atomic uint64_t next_sample;           /* in ticks */
    _Atomic uint64_t next_sample_ns;        /* the same while the clock is asked */
};
extern struct ms_ticks ms_ticks __attribute__((visibility("hidden"))); /* no GOT between */

static inline uint64_t ms_ticks_to_ns(uint64_t ticks)
{
    uint64_t rate = atomic_load_explicit(&ms_ticks.ns_per_tick, memory_order_relaxed);
    return (uint64_t)((unsigned __int128)ticks * rate >> 32);
}

/* The way without ticks, which also finds out when they may be used. */
uint64_t ms_ticks_begin_slowly(struct ms_clock *clock);
/* When the next sample is due. */
void ms_ticks_sample_after(uint64_t interval_ns);

#endif
