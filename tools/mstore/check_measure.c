/* The steps of `mstore check` that measure, and those that only tell (see
 * tools/mstore/check_steps.h). What takes long is cut short: a storage is checked in seconds,
 * however slow it is. */
#include "tools/mstore/check_steps.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND          UINT64_C(1000000000)
#define ROUND_TRIPS     15u
#define ROUND_TRIPS_FEW 3u
#define ROUND_TRIPS_NS  (2 * SECOND)
#define FIRST_BYTES     (16u << 10)  /* then four times as many each time … */
#define LONG_ENOUGH_NS  (SECOND / 2) /* … until one took so long */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int ms_check_round_trip(struct ms_check *c, char *note, struct ms_error *err)
{
    uint64_t took[ROUND_TRIPS];
    unsigned count = 0;
    char median[40], least[40];
    for (uint64_t begin = ms_clock_now(c->clock); count < ROUND_TRIPS; count++) {
        struct ms_info info;
        uint64_t before = ms_clock_now(c->clock);
        if (count >= ROUND_TRIPS_FEW && before - begin > ROUND_TRIPS_NS)
            break;
        int code = ms_backend_info(c->backend, ms_check_name(c, MS_CHECK_VALUE), &info, err);
        if (code)
            return code;
        took[count] = ms_clock_now(c->clock) - before;
    }
    qsort(took, count, sizeof *took, by_value);
    c->numbers.round_trip_ns = took[count / 2];
    snprintf(note, MS_CHECK_NOTE_BYTES, "%s, the median of %u (the fastest: %s)",
             ms_format_duration(median, sizeof median, took[count / 2]), count,
             ms_format_duration(least, sizeof least, took[0]));
    return 0;
}

/* ---- throughput ------------------------------------------------------------------------------ */

static int send(struct ms_check *c, size_t size, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = ms_buf_slice(c->noise, 0, size);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    int code =
        ms_backend_store(c->backend, ms_check_name(c, MS_CHECK_LARGE), value, NULL, NULL, err);
    if (!code)
        c->large_bytes = size;
    return code;
}

static int receive(struct ms_check *c, size_t size, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code =
        ms_backend_load(c->backend, ms_check_name(c, MS_CHECK_LARGE), 0, size, &got, NULL, err);
    if (code)
        return code;
    return ms_equal(ms_buf_view(got), ms_view(ms_buf_view(c->noise).data, size))
               ? 0
               : ms_check_wrong(err, "what came back is not what was written");
}

/* The last, largest transfer counts: it takes at most about four times as long as what was still
 * too short. */
static int measure(struct ms_check *c, int (*one)(struct ms_check *, size_t, struct ms_error *),
                   size_t most, uint64_t *rate, char *note, struct ms_error *err)
{
    size_t size = most < FIRST_BYTES ? most : FIRST_BYTES;
    uint64_t took;
    for (;;) {
        uint64_t begin = ms_clock_now(c->clock);
        int code = one(c, size, err);
        if (code)
            return code;
        took = ms_clock_now(c->clock) - begin;
        if (took >= LONG_ENOUGH_NS || size == most)
            break;
        size = size * 4 < most ? size * 4 : most;
    }
    char speed[40], amount[40];
    *rate = (uint64_t)((double)size / ((double)(took ? took : 1) / 1e9));
    snprintf(note, MS_CHECK_NOTE_BYTES, "%s/s (%s)", ms_format_size(speed, sizeof speed, *rate),
             ms_format_size(amount, sizeof amount, size));
    return 0;
}

int ms_check_up(struct ms_check *c, char *note, struct ms_error *err)
{
    return measure(c, send, MS_CHECK_MOST_BYTES, &c->numbers.up_bytes_per_s, note, err);
}

int ms_check_down(struct ms_check *c, char *note, struct ms_error *err)
{
    return measure(c, receive, (size_t)c->large_bytes, &c->numbers.down_bytes_per_s, note, err);
}

/* ---- what the storage tells --------------------------------------------------------------------
 */

int ms_check_clock(struct ms_check *c, char *note, struct ms_error *err)
{
    if (!c->info.mtime_ns)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "the storage tells no times");
    int64_t apart = 0;
    if (c->info.mtime_ns < c->wrote_from_ns)
        apart = c->info.mtime_ns - c->wrote_from_ns;
    else if (c->info.mtime_ns > c->wrote_until_ns)
        apart = c->info.mtime_ns - c->wrote_until_ns;
    c->numbers.clock_ahead_ns = apart;
    c->numbers.has_clock = true;
    uint64_t size = apart < 0 ? -(uint64_t)apart : (uint64_t)apart;
    char text[40];
    if (size < 2 * SECOND) /* many storages tell whole seconds */
        snprintf(note, MS_CHECK_NOTE_BYTES, "like ours, as far as can be told");
    else
        snprintf(note, MS_CHECK_NOTE_BYTES, "the storage's clock is %s %s ours",
                 ms_format_duration(text, sizeof text, size), apart < 0 ? "behind" : "ahead of");
    return 0;
}

int ms_check_space(struct ms_check *c, char *note, struct ms_error *err)
{
    uint64_t total = UINT64_MAX, left = UINT64_MAX;
    int code = ms_backend_usage(c->backend, &total, &left, err);
    char a[40], b[40];
    if (!code && left == UINT64_MAX)
        code = ms_error_set(err, MS_ERR_UNSUPPORTED, "the storage does not tell");
    else if (!code && total == UINT64_MAX)
        snprintf(note, MS_CHECK_NOTE_BYTES, "%s free", ms_format_size(a, sizeof a, left));
    else if (!code)
        snprintf(note, MS_CHECK_NOTE_BYTES, "%s free of %s", ms_format_size(a, sizeof a, left),
                 ms_format_size(b, sizeof b, total));
    return code;
}

static const struct {
    unsigned flag;
    const char *name;
} flags[] = {
    {MS_CAP_ATOMIC_REPLACE, "atomic replace"},
    {MS_CAP_IF_ABSENT, "only if absent"},
    {MS_CAP_IF_TAG, "only if unchanged"},
    {MS_CAP_MOVE_IF_ABSENT, "rename only if absent"},
    {MS_CAP_HASH, "hash"},
    {MS_CAP_COPY, "copy"},
    {MS_CAP_COMPOSE, "compose"},
    {MS_CAP_DELETE_MANY, "delete many"},
    {MS_CAP_BATCH, "batch"},
    {MS_CAP_LIST_AFTER_WRITE, "list after write"},
    {MS_CAP_DIRECTORIES, "directories"},
};

int ms_check_capabilities(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)err;
    size_t at = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (c->capabilities.flags & flags[i].flag)
            at += (size_t)snprintf(note + at, MS_CHECK_NOTE_BYTES - at, "%s%s", at ? ", " : "",
                                   flags[i].name);
    snprintf(note + at, MS_CHECK_NOTE_BYTES - at, "%s%u calls at once", at ? "; " : "",
             c->capabilities.best_parallelism);
    return 0;
}
