/* mstore/upkeep_pace.c - what a run of mstore/upkeep.h spends: bytes per second, and what it says
 * of its progress. */
#include "mstore/upkeep_parts.h"

#include "mstore/self.h"

#include <stdio.h>

#define SECOND      UINT64_C(1000000000)
#define TELL_EVERY  (SECOND / 5)
#define SAVE_EVERY  (10 * SECOND)
#define SAVED_PAUSE (SECOND / 4) /* unused time may be made up for, so much */

/* Until when what has been spent, these bytes too, is paid for. */
static uint64_t pay(struct ms_upkeep *u, uint64_t read, uint64_t written)
{
    uint64_t rate = u->options.bytes_per_second, now = ms_clock_now(u->roster->clock);
    MS_HOLD(&u->mutex);
    u->report->bytes_read += read;
    u->report->bytes_written += written;
    if (!rate)
        return 0;
    uint64_t bytes = read + written;
    uint64_t cost = bytes / rate * SECOND + bytes % rate * SECOND / rate;
    if (u->due_ns + SAVED_PAUSE < now)
        u->due_ns = now - SAVED_PAUSE;
    u->due_ns += cost;
    return u->due_ns;
}

/* Digests are spread evenly: the first digits say how far it is. */
static double fraction_of(struct ms_view key)
{
    uint32_t first = 0;
    if (key.size < 8)
        return -1;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t c = key.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return -1;
        first = first << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return first / 4294967296.0;
}

/* Now and then, whoever comes by. */
static void tell(struct ms_upkeep *u, uint64_t now)
{
    struct ms_upkeep_progress p = {.step = u->step, .elapsed_ns = now - u->begun_ns};
    if (!u->options.progress)
        return;
    {
        MS_HOLD(&u->mutex);
        if (u->told_ns && now - u->told_ns < TELL_EVERY)
            return;
        u->told_ns = now;
        p.fraction = u->fraction;
        p.keys = u->report->keys;
        p.notes = u->notes_done;
        p.bytes = u->report->bytes_read + u->report->bytes_written;
    }
    MS_HOLD(&u->telling);
    u->options.progress(u->options.ctx, &p);
}

int ms_upkeep_spend(struct ms_upkeep *u, uint64_t read, uint64_t written, struct ms_error *err)
{
    uint64_t until = pay(u, read, written);
    tell(u, ms_clock_now(u->roster->clock));
    if (until <= ms_clock_now(u->roster->clock))
        return ms_check_cancelled(err);
    return ms_sleep_until(u->roster->clock, until, err);
}

void ms_upkeep_noted_done(struct ms_upkeep *u, size_t count)
{
    {
        MS_HOLD(&u->mutex);
        u->notes_done += count;
    }
    tell(u, ms_clock_now(u->roster->clock));
}

static int check_layout(struct ms_upkeep *u, struct ms_error *err)
{
    if (!u->self)
        return 0;
    MS_AUTO_ROSTER struct ms_roster *now = ms_self_roster(u->self);
    if (now->layout->epoch == u->roster->layout->epoch &&
        now->layout->phase == u->roster->layout->phase)
        return 0;
    return ms_error_set(err, MS_ERR_CONFLICT,
                        "the store's layout has changed meanwhile: begin anew");
}

int ms_upkeep_tick(struct ms_upkeep *u, struct ms_view path, struct ms_view key,
                   struct ms_error *err)
{
    uint64_t now = ms_clock_now(u->roster->clock);
    struct ms_upkeep_cursor *at = &u->at;
    snprintf(at->step, sizeof at->step, "%s", u->step);
    at->space_size = path.size < sizeof at->space ? path.size : sizeof at->space;
    at->key_size = key.size < sizeof at->key ? key.size : sizeof at->key;
    if (path.size)
        memcpy(at->space, path.data, at->space_size);
    if (key.size)
        memcpy(at->key, key.data, at->key_size);
    {
        MS_HOLD(&u->mutex);
        u->fraction = fraction_of(key);
    }
    tell(u, now);
    if (now - u->saved_ns >= SAVE_EVERY) {
        ms_upkeep_remember(u);
        u->saved_ns = now;
    }
    int code = ms_check_cancelled(err);
    return code ? code : check_layout(u, err);
}
