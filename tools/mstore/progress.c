/* One line on a terminal about long work. `mutex` guards standard error and what follows it. */
#include "tools/mstore/progress.h"

#include "base/sync.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FIRST_NS  UINT64_C(200000000) /* shorter work shows no line */
#define EVERY_NS  UINT64_C(100000000)
#define SECOND_NS UINT64_C(1000000000)

static struct ms_mutex mutex = MS_MUTEX_STATIC;
static bool drawn;      /* a progress line stands on the terminal */
static bool waiting;    /* about a wait: work does not draw over it */
static char shown[240]; /* its text */

static void clear_locked(void)
{
    if (drawn)
        fputs("\r\033[K", stderr);
    drawn = false;
}

void ms_progress_line(const char *text)
{
    MS_HOLD(&mutex);
    clear_locked();
    fprintf(stderr, "%s\n", text);
}

void ms_progress_begin(struct ms_progress *p, const char *what, const char *unit)
{
    p->what = what;
    p->unit = unit;
    p->shown = isatty(STDERR_FILENO) == 1;
    p->begin_ns = ms_clock_now(ms_clock_real());
    atomic_init(&p->last_ns, p->begin_ns + FIRST_NS - EVERY_NS);
    atomic_init(&p->items, 0);
    atomic_init(&p->bytes, 0);
    atomic_init(&p->total_items, UINT64_MAX);
    atomic_init(&p->total_bytes, UINT64_MAX);
}

void ms_progress_total(struct ms_progress *p, uint64_t items, uint64_t bytes)
{
    atomic_store(&p->total_items, items);
    atomic_store(&p->total_bytes, bytes);
}

static unsigned terminal_width(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

static void draw_locked(const char *line)
{
    clear_locked();
    fprintf(stderr, "\r%.*s", (int)terminal_width() - 1, line);
    fflush(stderr);
    drawn = true;
}

/* ", 12 MiB/s, 3m 20s left", from the share that is done by bytes, or by items when all are empty.
 */
static void format_pace(const struct ms_progress *p, uint64_t elapsed_ns, char *buf, size_t size)
{
    uint64_t items = atomic_load(&p->items), bytes = atomic_load(&p->bytes);
    uint64_t total_items = atomic_load(&p->total_items);
    uint64_t total_bytes = atomic_load(&p->total_bytes);
    double seconds = (double)elapsed_ns / 1e9;
    char rate[40], left[40];
    int length = snprintf(buf, size, ", %s/s",
                          ms_format_size(rate, sizeof rate, (uint64_t)((double)bytes / seconds)));
    if (length < 0 || (size_t)length >= size || total_bytes == UINT64_MAX)
        return;
    double share = total_bytes > 0   ? (double)bytes / (double)total_bytes
                   : total_items > 0 ? (double)items / (double)total_items
                                     : 1.0;
    if (share <= 0 || share > 1)
        return;
    double left_ns = (double)elapsed_ns * (1 - share) / share;
    if (left_ns < 1e17) /* whole seconds: the finer digits only flicker */
        snprintf(buf + length, size - (size_t)length, ", %s left",
                 ms_format_duration(left, sizeof left,
                                    (uint64_t)(left_ns / 1e9) * UINT64_C(1000000000)));
}

static void format_line(const struct ms_progress *p, uint64_t now, char *buf, size_t size)
{
    uint64_t total_items = atomic_load(&p->total_items);
    uint64_t total_bytes = atomic_load(&p->total_bytes);
    char items[80] = "", done[40], total[40], pace[100];
    if (p->unit && total_items != UINT64_MAX)
        snprintf(items, sizeof items, "%" PRIu64 " of %" PRIu64 " %s, ", atomic_load(&p->items),
                 total_items, p->unit);
    else if (p->unit)
        snprintf(items, sizeof items, "%" PRIu64 " %s, ", atomic_load(&p->items), p->unit);
    ms_format_size(done, sizeof done, atomic_load(&p->bytes));
    format_pace(p, now - p->begin_ns + 1, pace, sizeof pace);
    if (total_bytes != UINT64_MAX)
        snprintf(buf, size, "%s: %s%s of %s%s", p->what, items, done,
                 ms_format_size(total, sizeof total, total_bytes), pace);
    else
        snprintf(buf, size, "%s: %s%s%s", p->what, items, done, pace);
}

static void draw(struct ms_progress *p)
{
    if (!p->shown)
        return;
    uint64_t now = ms_clock_now(ms_clock_real());
    uint64_t last = atomic_load(&p->last_ns);
    /* of all threads that come by in this tenth of a second, one draws */
    if (now < last + EVERY_NS || !atomic_compare_exchange_strong(&p->last_ns, &last, now))
        return;
    char line[240];
    format_line(p, now, line, sizeof line);
    MS_HOLD(&mutex);
    if (!waiting)
        draw_locked(line);
}

void ms_progress_add(struct ms_progress *p, uint64_t items, uint64_t bytes)
{
    atomic_fetch_add(&p->items, items);
    atomic_fetch_add(&p->bytes, bytes);
    draw(p);
}

void ms_progress_at(struct ms_progress *p, const char *unit, uint64_t items, uint64_t bytes)
{
    p->unit = unit;
    atomic_store(&p->items, items);
    atomic_store(&p->bytes, bytes);
    draw(p);
}

void ms_progress_wait(const char *what, uint64_t left_ns)
{
    char line[sizeof shown];
    uint64_t seconds = (left_ns + SECOND_NS - 1) / SECOND_NS;
    if (isatty(STDERR_FILENO) != 1)
        return;
    snprintf(line, sizeof line, "%s: %" PRIu64 " s", what, seconds);
    MS_HOLD(&mutex);
    if (left_ns == 0 && waiting)
        clear_locked();
    else if (left_ns > 0 && (!waiting || !drawn || strcmp(line, shown) != 0))
        draw_locked(line);
    waiting = left_ns > 0;
    memcpy(shown, line, sizeof shown);
    fflush(stderr);
}

void ms_progress_end(struct ms_progress *p)
{
    if (!p->shown)
        return;
    MS_HOLD(&mutex);
    clear_locked();
    fflush(stderr);
}
