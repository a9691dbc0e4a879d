/* mstore/speed.h - how long calls to one member take: decaying estimates. For mstore/health.c.
 *
 * A call takes latency + bytes / throughput. Small calls (up to 32 KiB) teach the latency, larger
 * ones the throughput; both are means in which a call weighs an eighth, and no call counts for more
 * than eight times what was expected, so that one slow call does not decide. How far calls spread
 * is a histogram of their duration as a multiple of what was expected; after 1024 calls it is
 * halved. Not locked: its owner does.
 */
#ifndef MSTORE_SPEED_H
#define MSTORE_SPEED_H

#include <mstore/stats.h>

struct ms_speed {
    double latency_ns;         /* 0: unknown */
    double moved, moved_in_ns; /* throughput is their quotient; 0: unknown */
    unsigned calls;            /* up to 2^31 */
    uint32_t spread[MS_HISTOGRAM_BUCKETS], spread_calls;
};

/* bytes of a call that took so long. */
void ms_speed_note(struct ms_speed *s, uint64_t spent_ns, uint64_t bytes);
/* A call that was given up after so long: it would have taken at least that. */
void ms_speed_note_least(struct ms_speed *s, uint64_t spent_ns, uint64_t bytes);
uint64_t ms_speed_expected_ns(const struct ms_speed *s, uint64_t bytes);
/* What 95 % of recent calls take at most; 0 while fewer than 16 are known. */
uint64_t ms_speed_p95_ns(const struct ms_speed *s, uint64_t bytes);
uint64_t ms_speed_throughput(const struct ms_speed *s); /* bytes per second, 0: unknown */

#endif
