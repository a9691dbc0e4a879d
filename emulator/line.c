/* emulator/line.c - bandwidth: one direction of a wire that all operations in flight share.
 *
 * Turns on a timestamp. `free_at` says until when the line is promised away. Who has bytes to send
 * takes the next turn of at most TURN_NS from there, sleeps until it is over, and takes the next.
 * Invariants: promised turns never overlap (the line is never faster than its rate), and a turn
 * begins at once when the line is free (it never idles while somebody has bytes). Concurrent
 * transfers thus advance in step, as on a real wire (processor sharing, but for one turn), where
 * promising whole values first come, first served would let a 4 KiB read wait for a 1 GiB one; and
 * a cancelled transfer leaves the line within one turn.
 *
 *      A: 30 ms to send, B: 20 ms    |AAAAA|BBBBB|AAAAA|BBBBB|AAAAA|    end of A: 50 ms, B: 40 ms
 */
#include "emulator/emulator.h"

#define NS_PER_S UINT64_C(1000000000)
#define TURN_NS  UINT64_C(10000000)
#define TURN_MIN 512u /* bytes: very slow lines are not sliced finer */

uint64_t ms_line_time(uint64_t bps, uint64_t bytes)
{
    if (bps == 0)
        return 0;
    __uint128_t ns = ((__uint128_t)bytes * 8 * NS_PER_S + bps - 1) / bps;
    return ns > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)ns;
}

static uint64_t turn_bytes(uint64_t bps)
{
    uint64_t bytes = (uint64_t)((__uint128_t)bps * TURN_NS / (8 * NS_PER_S));
    return bytes < TURN_MIN ? TURN_MIN : bytes;
}

static uint64_t take_turn(struct ms_emulator *em, struct ms_line *line, uint64_t earliest_ns,
                          uint64_t bytes)
{
    MS_HOLD(&em->mutex);
    uint64_t begin = line->free_at > earliest_ns ? line->free_at : earliest_ns;
    line->free_at = begin + ms_line_time(line->bps, bytes);
    return line->free_at;
}

int ms_line_send(struct ms_emulator *em, struct ms_line *line, uint64_t earliest_ns, uint64_t bytes,
                 uint64_t *end_ns, struct ms_error *err)
{
    uint64_t end = earliest_ns;
    uint64_t at_once = turn_bytes(line->bps);
    while (line->bps && bytes > 0) {
        uint64_t turn = bytes < at_once ? bytes : at_once;
        /* Turns follow each other from the end of the last one, not from now: waking up late
         * costs nothing of the rate. */
        end = take_turn(em, line, end, turn);
        bytes -= turn;
        int rc = bytes > 0 ? ms_sleep_until(em->base.clock, end, err) : 0;
        if (rc < 0)
            return rc;
    }
    *end_ns = end;
    return 0;
}
