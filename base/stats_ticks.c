/* The rate of the time stamp counter is measured against the real clock over the first milliseconds
 * in which anything is counted, without waiting for it: until then the clock is asked. */
#include "base/stats_ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <fcntl.h>
#include <unistd.h>
#endif

#define MEASURE_NS UINT64_C(10000000) /* two readings some 50 ns off each: 1e-5 */

static char no_clock; /* an address that no clock has */
struct ms_ticks ms_ticks = {
    .clock = (const struct ms_clock *)&no_clock,
    .next_sample = UINT64_MAX,
};

enum state { UNKNOWN, DECIDING, MEASURING, DECIDED };
static atomic_int state = UNKNOWN;
static uint64_t first_ticks, first_ns; /* written once, before MEASURING */

#if defined(__x86_64__)
/* The CPU promises a constant rate, and the kernel, which watches it, has not found otherwise. */
static bool trustworthy(void)
{
    unsigned a, b, c, d = 0;
    if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1u << 8))
        return false;
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    char name[8] = "";
    ssize_t got = read(fd, name, sizeof name - 1);
    close(fd);
    return got == 4 && memcmp(name, "tsc\n", 4) == 0;
}
#else
static bool trustworthy(void)
{
    return false;
}
#endif

static void decide(struct ms_clock *real, uint64_t now_ns)
{
    int now = atomic_load_explicit(&state, memory_order_acquire);
    if (now == UNKNOWN && atomic_compare_exchange_strong(&state, &now, DECIDING)) {
        first_ns = ms_clock_now(real);
        first_ticks = ms_ticks_now();
        atomic_store(&state, trustworthy() ? MEASURING : DECIDED);
    } else if (now == MEASURING && now_ns - first_ns >= MEASURE_NS && now_ns > first_ns &&
               atomic_compare_exchange_strong(&state, &now, DECIDING)) {
        uint64_t ns = ms_clock_now(real) - first_ns;
        uint64_t ticks = ms_ticks_now() - first_ticks;
        if (ticks >> 63 == 0 && ticks > ns / 64) { /* a counter that moves */
            atomic_store(&ms_ticks.ns_per_tick, (uint64_t)(((unsigned __int128)ns << 32) / ticks));
            uint64_t due = atomic_load(&ms_ticks.next_sample_ns);
            ms_ticks_sample_after(due > now_ns ? due - now_ns : 0);
            atomic_store(&ms_ticks.clock, real);
        }
        atomic_store(&state, DECIDED);
    }
}

uint64_t ms_ticks_begin_slowly(struct ms_clock *clock)
{
    struct ms_clock *real = ms_clock_real();
    if (!clock)
        clock = real;
    if (clock == real && atomic_load(&ms_ticks.clock) == real)
        return ms_ticks_now();
    uint64_t now = ms_clock_now(clock);
    if (clock == real)
        decide(real, now);
    return now & ~UINT64_C(1);
}

void ms_ticks_sample_after(uint64_t interval_ns)
{
    atomic_store(&ms_ticks.next_sample_ns, ms_clock_now(ms_clock_real()) + interval_ns);
    uint64_t rate = atomic_load(&ms_ticks.ns_per_tick);
    if (rate)
        atomic_store(&ms_ticks.next_sample,
                     ms_ticks_now() + (uint64_t)(((unsigned __int128)interval_ns << 32) / rate));
}
