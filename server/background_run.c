/* One run of upkeep: its options, its progress, how it ended, and when the next one may begin. */
#include "server/background_parts.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define SECOND      UINT64_C(1000000000)
#define PAUSE_FIRST (60 * SECOND)   /* after a run that did not put all right */
#define PAUSE_MOST  (3600 * SECOND) /* doubled up to this; also after somebody stopped one */

/* ---- the schedule ---- */

int64_t server_background_next_scrub(const struct server_background *b)
{
    if (!b->options.scrub_every_ns || !b->scrubbed_wall_ns ||
        b->options.scrub_every_ns > (uint64_t)(INT64_MAX - b->scrubbed_wall_ns))
        return 0;
    return b->scrubbed_wall_ns + (int64_t)b->options.scrub_every_ns;
}

/* A store that was never scrubbed is to be, one interval from when it was first served. */
void server_background_first_look(struct server_background *b,
                                  const struct ms_mstore_status *status)
{
    int64_t now = ms_clock_wall(b->clock);
    memcpy(b->uuid, status->uuid, sizeof b->uuid);
    b->scrubbed_wall_ns = server_scrubbed_read(b, b->uuid);
    if (b->scrubbed_wall_ns && b->scrubbed_wall_ns <= now)
        return;
    b->scrubbed_wall_ns = now ? now : 1;
    server_scrubbed_write(b, b->uuid, b->scrubbed_wall_ns);
}

static uint64_t longer(uint64_t *pause)
{
    *pause = *pause ? 2 * *pause : PAUSE_FIRST;
    if (*pause > PAUSE_MOST)
        *pause = PAUSE_MOST;
    return *pause;
}

static void plan_next(struct server_background *b, enum server_work work, int code, bool stopped,
                      const struct ms_upkeep_report *r)
{
    uint64_t now = ms_clock_now(b->clock);
    if (stopped) {
        b->heal_after_ns = b->scrub_after_ns = now + PAUSE_MOST;
        return;
    }
    if (work == SERVER_WORK_HEAL) {
        b->heal_after_ns = now + longer(&b->heal_pause_ns);
        if (!code && r && !r->failed && !r->layouts)
            b->heal_found = false;
        return;
    }
    if (code) {
        b->scrub_after_ns = now + longer(&b->scrub_pause_ns);
        return;
    }
    b->scrub_pause_ns = b->scrub_after_ns = 0;
    b->heal_found = r->wanting > 0 || r->layouts > 0;
    b->scrubbed_wall_ns = ms_clock_wall(b->clock);
    server_scrubbed_write(b, b->uuid, b->scrubbed_wall_ns);
}

/* ---- progress and end ---- */

static void on_progress(void *ctx, const struct ms_upkeep_progress *p)
{
    struct server_background *b = ctx;
    MS_HOLD(&b->mutex);
    snprintf(b->look.step, sizeof b->look.step, "%s", p->step);
    b->look.keys = p->keys;
    b->look.bytes = p->bytes;
    b->look.elapsed_ns = p->elapsed_ns;
    b->look.fraction = p->fraction;
}

static void say_silent(const struct ms_upkeep_report *r, char *sentence, size_t size)
{
    size_t silent = 0;
    for (size_t i = 0; i < r->member_count; i++)
        silent += r->members[i].code != 0;
    if (silent)
        snprintf(sentence, size, "%zu of %zu members did not answer all the time", silent,
                 r->member_count);
}

static void note_end(struct server_background *b, enum server_work work, int code,
                     const struct ms_error *err, const struct ms_upkeep_report *r)
{
    MS_HOLD(&b->mutex);
    struct server_runs *runs = &b->look.runs[work];
    bool stopped = code == MS_ERR_CANCELLED;
    runs->done += code == 0;
    runs->stopped += stopped;
    runs->failed += code && !stopped;
    runs->ended_wall_ns = ms_clock_wall(b->clock);
    runs->code = code;
    snprintf(runs->sentence, sizeof runs->sentence, "%s", stopped ? "stopped" : err->text);
    memcpy(runs->asked_by, b->running_by, sizeof runs->asked_by);
    runs->last_keys = runs->last_wanting = runs->last_repaired = runs->last_left = 0;
    if (r) {
        if (!code)
            say_silent(r, runs->sentence, sizeof runs->sentence);
        runs->keys += runs->last_keys = r->keys;
        runs->last_wanting = r->wanting;
        runs->repaired += runs->last_repaired = r->repaired;
        runs->last_left = r->failed;
        runs->bytes_read += r->bytes_read;
        runs->bytes_written += r->bytes_written;
    }
    b->look.running = false;
}

/* ---- the run ---- */

static void note_begin(struct server_background *b, enum server_work work, const char *who)
{
    MS_HOLD(&b->mutex);
    b->asked = b->stopped = false;
    b->look.running = true;
    b->look.work = work;
    b->look.since_wall_ns = ms_clock_wall(b->clock);
    b->look.step[0] = '\0';
    b->look.keys = b->look.bytes = b->look.elapsed_ns = 0;
    b->look.fraction = -1;
    b->look.runs[work].begun++;
    snprintf(b->running_by, sizeof b->running_by, "%s", who);
}

static void set_cancel(struct server_background *b, struct ms_cancel *cancel)
{
    MS_HOLD(&b->mutex);
    b->run_cancel = cancel;
    if (cancel && b->stopped)
        ms_cancel_fire(cancel);
}

static bool was_stopped(struct server_background *b)
{
    MS_HOLD(&b->mutex);
    return b->stopped;
}

static int run_upkeep(struct server_background *b, enum server_work work, bool deep, bool hints,
                      struct ms_upkeep_report **report, struct ms_error *err)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_cancel *cancel = NULL, *before;
    int code = ms_cancel_new_under(ms_cancel_current(), &cancel, err);
    if (code)
        return code;
    o.deep = deep;
    o.notes_only = hints;
    o.bytes_per_second = b->options.bytes_per_second;
    o.jobs = b->options.jobs;
    o.progress = on_progress;
    o.ctx = b;
    set_cancel(b, cancel);
    before = ms_cancel_swap(cancel);
    code = work == SERVER_WORK_SCRUB ? ms_mstore_scrub(b->store, &o, report, err)
                                     : ms_mstore_heal(b->store, &o, report, err);
    ms_cancel_swap(before);
    set_cancel(b, NULL);
    ms_cancel_free(cancel);
    return code;
}

void server_background_run(struct server_background *b, enum server_work work, const char *who,
                           bool deep)
{
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    note_begin(b, work, who);
    ms_log(MS_LOG_INFO, "%s: %s begins (%s)", b->name, server_work_name(work), who);
    int code = run_upkeep(b, work, deep, strcmp(who, SERVER_BY_HINTS) == 0, &report, &err);
    note_end(b, work, code, &err, report);
    plan_next(b, work, code, code == MS_ERR_CANCELLED && was_stopped(b), report);
    if (code && code != MS_ERR_CANCELLED)
        ms_log(MS_LOG_WARN, "%s: %s failed: %s", b->name, server_work_name(work), err.text);
    else if (report)
        ms_log(MS_LOG_INFO,
               "%s: %s ended: %" PRIu64 " keys, %" PRIu64 " put right, %" PRIu64 " left", b->name,
               server_work_name(work), report->keys, report->repaired, report->failed);
    ms_upkeep_report_free(report);
}
