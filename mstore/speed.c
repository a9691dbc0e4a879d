/* mstore/speed.c - see mstore/speed.h. */
#include "mstore/speed.h"

#include "base/entity.h"

#define SMALL         (32u * 1024)
#define GUESS_LATENCY 1e6   /* ns, while none is known */
#define GUESS_RATE    0.125 /* bytes per ns */
#define WEIGHT        8     /* a call's share in a mean is one in so many */
#define CLIP          8     /* times what was expected */
#define SPREAD_ONE    64    /* the histogram's value of a call that took as long as expected */
#define SPREAD_FULL   1024  /* calls after which it is halved */
#define SPREAD_FROM   8     /* calls that teach the means alone */
#define SPREAD_ENOUGH 16

static double rate(const struct ms_speed *s)
{
    return s->moved_in_ns > 0 ? s->moved / s->moved_in_ns : GUESS_RATE;
}

static double latency(const struct ms_speed *s)
{
    return s->latency_ns > 0 ? s->latency_ns : GUESS_LATENCY;
}

static double expected(const struct ms_speed *s, uint64_t bytes)
{
    return latency(s) + (double)bytes / rate(s);
}

static uint64_t whole(double ns)
{
    return ns < 1 ? 1 : ns < 0x1p63 ? (uint64_t)ns : INT64_MAX;
}

static void note_spread(struct ms_speed *s, double spent, uint64_t bytes)
{
    if (s->calls < SPREAD_FROM)
        return;
    s->spread[ms_stats_bucket_of(whole(spent / expected(s, bytes) * SPREAD_ONE))]++;
    if (++s->spread_calls < SPREAD_FULL)
        return;
    s->spread_calls = 0;
    for (size_t i = 0; i < MS_HISTOGRAM_BUCKETS; i++)
        s->spread_calls += s->spread[i] /= 2;
}

static void note_latency(struct ms_speed *s, double spent)
{
    if (s->latency_ns <= 0) {
        s->latency_ns = spent;
        return;
    }
    double most = CLIP * s->latency_ns;
    s->latency_ns += ((spent < most ? spent : most) - s->latency_ns) / WEIGHT;
}

static void note_rate(struct ms_speed *s, double spent, double bytes)
{
    double moving = spent - latency(s);
    if (moving < spent / 2)
        moving = spent / 2;
    double most = CLIP * bytes / rate(s);
    if (s->moved_in_ns > 0 && moving > most)
        moving = most;
    s->moved += bytes - s->moved / WEIGHT;
    s->moved_in_ns += moving - s->moved_in_ns / WEIGHT;
}

void ms_speed_note(struct ms_speed *s, uint64_t spent_ns, uint64_t bytes)
{
    double spent = spent_ns ? (double)spent_ns : 1;
    note_spread(s, spent, bytes);
    if (bytes <= SMALL)
        note_latency(s, spent);
    else
        note_rate(s, spent, (double)bytes);
    if (s->calls < INT32_MAX)
        s->calls++;
}

void ms_speed_note_least(struct ms_speed *s, uint64_t spent_ns, uint64_t bytes)
{
    if ((double)spent_ns > expected(s, bytes))
        ms_speed_note(s, spent_ns, bytes);
}

uint64_t ms_speed_expected_ns(const struct ms_speed *s, uint64_t bytes)
{
    return whole(expected(s, bytes));
}

uint64_t ms_speed_p95_ns(const struct ms_speed *s, uint64_t bytes)
{
    if (s->spread_calls < SPREAD_ENOUGH)
        return 0;
    uint32_t wanted = s->spread_calls - s->spread_calls / 20, seen = 0;
    unsigned bucket = 0;
    while (bucket < MS_HISTOGRAM_BUCKETS - 1 && (seen += s->spread[bucket]) < wanted)
        bucket++;
    double times = (double)ms_stats_bucket_floor(bucket + 1) / SPREAD_ONE;
    return whole(times * expected(s, bytes));
}

uint64_t ms_speed_throughput(const struct ms_speed *s)
{
    return s->moved_in_ns > 0 ? whole(rate(s) * 1e9) : 0;
}
