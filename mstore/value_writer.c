/* mstore/value_writer.c - a value in a stream onto the members of a site.
 *
 * The coder fills one buffer for each shard; when one is full, all of them are a batch, and every
 * member gets its part of it by a call of its own while the next batch is filled. So each member is
 * a batch behind at most: one that is still busy with the last when the next is due, and for longer
 * than is normal, is given up where enough others keep up.
 *
 *     batch 0     opens the members' writers; those known to be full are passed over
 *     the last    commits; nothing is visible before
 *
 * What was sent is kept for a while (HELD): as long as that is all, a member that fails is replaced
 * by the next in the order, which gets everything from the beginning. So a value of that size is
 * stored as if it were in memory, and is under way before it is complete.
 *
 * A member's lane belongs to its call while that runs, else to the writer's thread. */
#include "mstore/value_store_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/tombs.h"

#include <stdatomic.h>
#include <stdlib.h>

#define BATCH (256u * 1024)
#define HELD  32 /* buffers of all shards together: 8 MiB */

struct lane {            /* one object under way */
    unsigned shard, leg; /* leg: place in the order */
    struct ms_member_writer writer;
    bool open, finish; /* finish: this call commits */
    struct ms_buf *out;
    unsigned before_count;
    struct ms_buf *before[HELD]; /* of a member that took over: what it has to get first */
    bool dead, busy, done;       /* the writer's thread's */
};

struct stream { /* shared with the calls */
    struct ms_value_home home;
    atomic_uint refs;
    bool finish; /* the writer's thread's: the last batch */
    uint64_t size_hint;
    unsigned lane_count;
    struct lane *lanes;
    uint16_t lane_of[MS_MEMBERS_MAX];  /* by leg */
    atomic_bool maybe[MS_MEMBERS_MAX]; /* by leg: it was told to commit, and may do so yet */
    atomic_bool left;                  /* the caller has gone on */
};

struct ms_value_writer {
    struct stream *stream;
    struct ms_value_rule rule;
    struct ms_value_coder *coder;
    struct ms_clock *clock;
    struct ms_fan *fan; /* of the batch under way; NULL: none */
    uint64_t deadline_ns, batches;
    unsigned hold;             /* batches */
    struct ms_buf *held[HELD]; /* all of batch 0, of batch 1, … */
    struct ms_buf *fill[255];
    size_t used[255];
    bool taken[MS_MEMBERS_MAX]; /* legs that somebody had */
    struct ms_error blame;
};

static void forget_before(struct lane *lane)
{
    for (unsigned i = 0; i < lane->before_count; i++)
        ms_buf_unref(lane->before[i]);
    lane->before_count = 0;
}

static void stream_unref(void *shared)
{
    struct stream *s = shared;
    if (atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (unsigned i = 0; i < s->lane_count; i++) {
        if (s->lanes[i].open)
            ms_member_abort(&s->lanes[i].writer);
        ms_buf_unref(s->lanes[i].out);
        forget_before(&s->lanes[i]);
    }
    ms_value_home_fini(&s->home);
    free(s->lanes);
    free(s);
}

/* ---- a member's part of a batch ------------------------------------------------------------- */

static int open_lane(struct stream *s, struct lane *lane, struct ms_error *err)
{
    struct ms_name name;
    struct ms_member *m = NULL;
    int code = ms_value_member(&s->home.site, s->home.site.order.member[lane->leg], &m, err);
    if (!code)
        code = ms_value_name(&s->home.site, &s->home.shape, lane->shard, &name, err);
    if (!code)
        code = ms_member_write(m, ms_name_view(&name), s->size_hint, NULL, &lane->writer, err);
    lane->open = code == 0;
    return code;
}

/* From here on it may appear at any time; what does when the caller has gone on looks for a
 * deletion. */
static int commit_lane(struct stream *s, struct lane *lane, unsigned leg, struct ms_error *err)
{
    const struct ms_site *site = &s->home.site;
    struct ms_name name;
    struct ms_member *m = NULL;
    lane->open = false;
    atomic_store(&s->maybe[leg], true);
    int code = ms_member_commit(&lane->writer, NULL, err);
    if (!code || ms_member_refused(code))
        atomic_store(&s->maybe[leg], false);
    if (!code && atomic_load(&s->left) && s->home.shape.kind == MS_OWN_VALUE &&
        !ms_value_member(site, site->order.member[leg], &m, NULL) &&
        !ms_value_name(site, &s->home.shape, lane->shard, &name, NULL))
        ms_tombs_late(site, m, ms_name_view(&name));
    return code;
}

static int send_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct stream *s = shared;
    struct lane *lane = &s->lanes[s->lane_of[leg]];
    int code = lane->open ? 0 : open_lane(s, lane, err);
    for (unsigned i = 0; i < lane->before_count && !code; i++)
        code = ms_member_append(&lane->writer, ms_buf_view(lane->before[i]), err);
    forget_before(lane);
    if (!code)
        code = ms_member_append(&lane->writer, ms_buf_view(lane->out), err);
    if (!code && lane->finish)
        return commit_lane(s, lane, leg, err);
    if (code && lane->open) {
        ms_member_abort(&lane->writer);
        lane->open = false;
    }
    return code;
}

/* ---- batches -------------------------------------------------------------------------------- */

static void begin_lane(struct ms_value_writer *w, unsigned index, unsigned leg)
{
    struct lane *lane = &w->stream->lanes[index];
    lane->leg = leg;
    lane->busy = true;
    lane->dead = false;
    lane->finish = w->stream->finish;
    w->taken[leg] = true;
    w->stream->lane_of[leg] = (uint16_t)index;
    ms_fan_start(w->fan, leg);
}

/* Another member for the lane, as long as all that it must get is there. */
static bool replace(struct ms_value_writer *w, unsigned index)
{
    struct lane *lane = &w->stream->lanes[index];
    unsigned shards = ms_value_shards(&w->stream->home.shape), leg;
    if (!w->rule.substitutes || w->batches - 1 > w->hold || ms_check_cancelled(NULL) ||
        !ms_value_substitute(&w->stream->home.site, w->taken, &leg))
        return false;
    forget_before(lane);
    for (unsigned i = 0; i + 1 < w->batches; i++)
        lane->before[lane->before_count++] = ms_buf_ref(w->held[i * shards + lane->shard]);
    begin_lane(w, index, leg);
    return true;
}

static uint64_t grace_end(const struct ms_value_writer *w, uint64_t bytes)
{
    const struct stream *s = w->stream;
    uint64_t longest = 0;
    for (unsigned i = 0; i < s->lane_count; i++) {
        struct ms_member *m = ms_site_member(&s->home.site, s->lanes[i].leg);
        uint64_t grace = m ? ms_health_grace_ns(ms_member_health(m), bytes) : 0;
        longest = grace > longest ? grace : longest;
    }
    return ms_clock_now(w->clock) + longest;
}

static void take_leg(struct ms_value_writer *w, unsigned leg)
{
    unsigned index = w->stream->lane_of[leg];
    struct lane *lane = &w->stream->lanes[index];
    if (lane->leg != leg)
        return; /* it was given up, and somebody else has the lane */
    lane->busy = false;
    if (ms_fan_code(w->fan, leg) == 0) {
        lane->done = w->stream->finish;
        return;
    }
    ms_value_blame(&w->blame, ms_fan_error(w->fan, leg));
    lane->dead = !replace(w, index);
    if (!lane->dead)
        w->deadline_ns = grace_end(w, w->batches * BATCH);
}

/* Lanes that have kept up so far; `idle`: and have no call under way. */
static unsigned count_lanes(const struct ms_value_writer *w, bool idle)
{
    unsigned count = 0;
    for (unsigned i = 0; i < w->stream->lane_count; i++)
        count += !w->stream->lanes[i].dead && !(idle && w->stream->lanes[i].busy);
    return count;
}

/* Gives up those that are still busy. */
static void leave_behind(struct ms_value_writer *w)
{
    for (unsigned i = 0; i < w->stream->lane_count; i++) {
        struct lane *lane = &w->stream->lanes[i];
        if (lane->busy)
            lane->dead = true;
        lane->busy = false;
    }
}

/* Until the batch under way has reached everybody, or enough and no more time. */
static int end_batch(struct ms_value_writer *w, struct ms_error *err)
{
    unsigned leg;
    char shown[MS_VALUE_SHOWN];
    if (!w->fan)
        return 0;
    while (ms_fan_running(w->fan)) {
        bool enough = count_lanes(w, true) >= w->rule.need;
        if (ms_fan_next(w->fan, w->clock, enough ? w->deadline_ns : UINT64_MAX, &leg))
            take_leg(w, leg);
        else if (count_lanes(w, true) >= w->rule.need)
            break;
    }
    leave_behind(w);
    if (!w->stream->finish)
        ms_fan_cancel(w->fan);
    ms_fan_release(w->fan);
    w->fan = NULL;
    if (count_lanes(w, false) >= w->rule.need)
        return 0;
    if (ms_check_cancelled(NULL))
        return ms_error_set(err, MS_ERR_CANCELLED, "cancelled");
    return ms_error_set(err, w->blame.code ? w->blame.code : MS_ERR_CONFIG,
                        "%s could not be stored: %u of %u needed members take it%s%s",
                        ms_value_shown(&w->stream->home.site, shown), count_lanes(w, false),
                        w->rule.need, w->blame.text[0] ? ": " : "", w->blame.text);
}

/* Keeps the buffers that are handed over now, or no more of them. */
static void hold(struct ms_value_writer *w, unsigned shards)
{
    for (unsigned i = 0; i < shards && w->batches < w->hold; i++)
        w->held[w->batches * shards + i] = ms_buf_ref(w->fill[i]);
    for (unsigned i = 0; i < HELD && w->batches > w->hold; i++) {
        ms_buf_unref(w->held[i]);
        w->held[i] = NULL;
    }
}

/* Hands the buffers over to the lanes. */
static int hand_over(struct ms_value_writer *w, struct ms_error *err)
{
    struct stream *s = w->stream;
    unsigned shards = ms_value_shards(&s->home.shape);
    for (unsigned i = 0; i < shards; i++)
        ms_buf_truncate(w->fill[i], w->used[i]);
    for (unsigned i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        if (lane->dead)
            continue; /* perhaps a call that was given up still reads the old one */
        ms_buf_unref(lane->out);
        lane->out = ms_buf_ref(w->fill[lane->shard]);
    }
    hold(w, shards);
    for (unsigned i = 0; i < shards; i++) {
        ms_buf_unref(w->fill[i]);
        w->used[i] = 0;
        w->fill[i] = s->finish ? NULL : ms_buf_new(BATCH);
        if (!w->fill[i] && !s->finish)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    }
    return 0;
}

/* Batch 0. Targets known to be full come last: they may still be the best that is left. */
static void begin_lanes(struct ms_value_writer *w)
{
    const struct ms_site *site = &w->stream->home.site;
    for (unsigned i = 0; i < w->stream->lane_count; i++)
        if (!w->rule.substitutes || !ms_value_full(site, i))
            begin_lane(w, i, i);
    for (unsigned i = 0; i < w->stream->lane_count; i++)
        if (!w->stream->lanes[i].busy)
            w->stream->lanes[i].dead = !replace(w, i);
}

static int begin_batch(struct ms_value_writer *w, struct ms_error *err)
{
    struct stream *s = w->stream;
    int code = end_batch(w, err);
    if (!code)
        code = hand_over(w, err);
    if (!code)
        code = ms_fan_new(s->home.site.order.data, send_leg, stream_unref, s, &w->fan, err);
    if (code)
        return code;
    atomic_fetch_add(&s->refs, 1);
    if (w->batches++ == 0)
        begin_lanes(w);
    else
        for (unsigned i = 0; i < s->lane_count; i++)
            if (!s->lanes[i].dead)
                begin_lane(w, i, s->lanes[i].leg);
    w->deadline_ns = grace_end(w, BATCH);
    return 0;
}

static int sink(void *ctx, unsigned shard, struct ms_view piece, struct ms_error *err)
{
    struct ms_value_writer *w = ctx;
    while (piece.size) {
        if (w->used[shard] == BATCH) {
            int code = begin_batch(w, err);
            if (code)
                return code;
        }
        size_t room = BATCH - w->used[shard], part = piece.size < room ? piece.size : room;
        memcpy(ms_buf_data(w->fill[shard]) + w->used[shard], piece.data, part);
        w->used[shard] += part;
        piece = ms_view(piece.data + part, piece.size - part);
    }
    return 0;
}

/* ---- the writer ----------------------------------------------------------------------------- */

/* length 0: not known */
static int stream_new(const struct ms_site *site, const struct ms_value_shape *shape,
                      uint64_t length, struct stream **out, struct ms_error *err)
{
    struct stream *s = calloc(1, sizeof *s);
    unsigned lanes = ms_value_objects(site, shape);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    lanes = lanes < site->order.targets ? lanes : site->order.targets;
    atomic_init(&s->refs, 1);
    s->lanes = calloc(lanes + 1, sizeof *s->lanes);
    int code = s->lanes ? ms_value_home_init(&s->home, site, shape, err)
                        : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    if (code) {
        free(s->lanes);
        free(s);
        return code;
    }
    s->lane_count = lanes;
    for (unsigned i = 0; i < lanes; i++)
        s->lanes[i].shard = ms_value_is_copy(shape) ? 0 : i;
    struct ms_stripe stripe = {shape->k, MS_FRAME_BLOCK_DEFAULT, length};
    struct ms_frame_header header = {.block_size = MS_FRAME_BLOCK_DEFAULT};
    if (length && !shape->zstd)
        s->size_hint = ms_frame_plain_size(&header, ms_stripe_shard_length(stripe, 0));
    *out = s;
    return 0;
}

int ms_value_writer_new(const struct ms_site *site, const struct ms_value_shape *shape,
                        const struct ms_value_rule *rule, uint64_t length, uint64_t size_hint,
                        struct ms_value_writer **out, struct ms_error *err)
{
    struct ms_value_writer *w = calloc(1, sizeof *w);
    ms_assert(shape->has_write_id && !rule->witnesses);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    w->rule = *rule;
    w->clock = site->roster->clock;
    w->hold = HELD / ms_value_shards(shape);
    int code = stream_new(site, shape, length == MS_FRAME_LENGTH_LATER ? size_hint : length,
                          &w->stream, err);
    for (unsigned i = 0; i < ms_value_shards(shape) && !code; i++)
        if (!(w->fill[i] = ms_buf_new(BATCH)))
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    if (!code)
        code = ms_value_coder_new(shape, MS_FRAME_BLOCK_DEFAULT, length, sink, w, &w->coder, err);
    if (code) {
        ms_value_writer_abort(w);
        return code;
    }
    *out = w;
    return 0;
}

int ms_value_writer_append(struct ms_value_writer *w, struct ms_view bytes, struct ms_error *err)
{
    return ms_value_coder_append(w->coder, bytes, err);
}

void ms_value_writer_abort(struct ms_value_writer *w)
{
    if (!w)
        return;
    if (w->fan) {
        ms_fan_cancel(w->fan);
        ms_fan_release(w->fan);
    }
    ms_value_coder_free(w->coder);
    for (unsigned i = 0; i < 255; i++)
        ms_buf_unref(w->fill[i]);
    for (unsigned i = 0; i < HELD; i++)
        ms_buf_unref(w->held[i]);
    if (w->stream)
        stream_unref(w->stream);
    free(w);
}

static void note_missing(const struct ms_value_writer *w, struct ms_value_result *result)
{
    const struct ms_order *order = &w->stream->home.site.order;
    struct ms_value_place missing[MS_MEMBERS_MAX];
    uint16_t keepers[MS_MEMBERS_MAX];
    bool has[MS_MEMBERS_MAX] = {0};
    unsigned lacking = 0, done = 0;
    for (unsigned i = 0; i < w->stream->lane_count; i++)
        if (w->stream->lanes[i].done) {
            has[w->stream->lanes[i].leg] = true;
            keepers[done++] = order->member[w->stream->lanes[i].leg];
        }
    for (unsigned i = 0; i < w->stream->lane_count; i++)
        if (!has[i])
            missing[lacking++] = (struct ms_value_place){
                .member = order->member[i], .shard = (uint8_t)w->stream->lanes[i].shard};
    if (result)
        *result = (struct ms_value_result){done, done, lacking, false};
    if (lacking && done && w->rule.hints)
        ms_value_hint(&w->stream->home.site, &w->stream->home.shape, missing, lacking, keepers,
                      done);
}

/* ---- what may still come (see value_store.c) ---- */

static unsigned list_pending(struct stream *s, struct ms_value_place out[])
{
    const struct ms_order *order = &s->home.site.order;
    unsigned count = 0;
    for (unsigned i = 0; i < order->data; i++)
        if (atomic_load(&s->maybe[i]))
            out[count++] = (struct ms_value_place){.member = order->member[i],
                                                   .shard = (uint8_t)s->lanes[s->lane_of[i]].shard};
    return count;
}

static bool nothing_pending(void *ctx)
{
    struct ms_value_place places[MS_MEMBERS_MAX];
    return list_pending(ctx, places) == 0;
}

static int outlive_pending(struct ms_value_writer *w, struct ms_error *err)
{
    struct stream *s = w->stream;
    struct ms_value_place places[MS_MEMBERS_MAX];
    atomic_store(&s->left, true);
    unsigned count = s->home.shape.kind == MS_OWN_VALUE ? list_pending(s, places) : 0;
    return count ? ms_value_missed(&s->home.site, &s->home.shape, places, count, nothing_pending, s,
                                   err)
                 : 0;
}

int ms_value_writer_commit(struct ms_value_writer *w, struct ms_value_result *result,
                           struct ms_error *err)
{
    int code = ms_value_coder_finish(w->coder, err);
    if (!code)
        code = end_batch(w, err); /* enough of them are alive: now it may become visible */
    if (!code) {
        w->stream->finish = true;
        code = begin_batch(w, err);
    }
    if (!code)
        code = end_batch(w, err);
    if (!code)
        code = outlive_pending(w, err);
    if (!code)
        note_missing(w, result);
    ms_value_writer_abort(w);
    return code;
}
