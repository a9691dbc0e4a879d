/* Clocks: the only place that asks the system for the time. Any thread. */
#include "base/clock.h"

#include "base/assert.h"

#include <stdlib.h>
#include <time.h>

/* Virtual wall clocks start at 2024-01-01 UTC, far from zero and from today. */
#define VIRTUAL_WALL_NS INT64_C(1704067200000000000)

static uint64_t system_time(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct ms_clock *ms_clock_real(void)
{
    static struct ms_clock real = {.kind = MS_CLOCK_REAL};
    return &real;
}

struct ms_clock *ms_clock_virtual_new(uint64_t start_ns)
{
    struct ms_clock *clock = malloc(sizeof *clock);
    if (!clock)
        return NULL;
    *clock = (struct ms_clock){
        .kind = MS_CLOCK_VIRTUAL, .now_ns = start_ns, .wall_offset_ns = VIRTUAL_WALL_NS};
    return clock;
}

void ms_clock_free(struct ms_clock *clock)
{
    if (clock && clock->kind == MS_CLOCK_VIRTUAL)
        free(clock);
}

void ms_clock_init_wrong(struct ms_clock *clock, struct ms_clock *source, int64_t wrong_by_ns)
{
    ms_assert(source->kind == MS_CLOCK_SIMULATED);
    *clock = (struct ms_clock){.kind = MS_CLOCK_SIMULATED,
                               .wall_offset_ns = source->wall_offset_ns + wrong_by_ns,
                               .source = source};
}

uint64_t ms_clock_now(struct ms_clock *clock)
{
    if (clock->kind == MS_CLOCK_REAL)
        return system_time(CLOCK_MONOTONIC);
    return atomic_load(&(clock->source ? clock->source : clock)->now_ns);
}

uint64_t ms_clock_boot(struct ms_clock *clock)
{
    return clock->kind == MS_CLOCK_REAL ? system_time(CLOCK_BOOTTIME) : ms_clock_now(clock);
}

int64_t ms_clock_wall(struct ms_clock *clock)
{
    if (clock->kind == MS_CLOCK_REAL)
        return (int64_t)system_time(CLOCK_REALTIME);
    return (int64_t)ms_clock_now(clock) + clock->wall_offset_ns;
}

void ms_clock_advance(struct ms_clock *clock, uint64_t t)
{
    uint64_t now = atomic_load(&clock->now_ns);
    while (now < t && !atomic_compare_exchange_weak(&clock->now_ns, &now, t))
        ;
}
