/* base/clock.h - inside of the clocks: the system's, a virtual one, a simulation's. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <mstore/base.h>

#include <stdatomic.h>

enum ms_clock_kind { MS_CLOCK_REAL, MS_CLOCK_VIRTUAL, MS_CLOCK_SIMULATED };

struct ms_clock {
    enum ms_clock_kind kind;
    _Atomic uint64_t now_ns; /* virtual and simulated */
    int64_t wall_offset_ns;  /* wall = now + offset, virtual and simulated */
    struct ms_clock *source; /* simulated: tells the time; NULL: now_ns does */
};

/* Moves a virtual clock forward to t, never back. */
void ms_clock_advance(struct ms_clock *clock, uint64_t t);
/* As ms_clock_now, but goes on while the machine sleeps: for what others may have done meanwhile.
 * Its times are not to be compared with the other's. */
uint64_t ms_clock_boot(struct ms_clock *clock);
/* A simulated clock in place, of the same time as `source`, whose wall clock is wrong by so much;
 * for one of several clients in a simulation. */
void ms_clock_init_wrong(struct ms_clock *clock, struct ms_clock *source, int64_t wrong_by_ns);

#endif
