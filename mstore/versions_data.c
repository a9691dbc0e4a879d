/* mstore/versions_data.c - the bytes of a version: frames out of a value, a value out of what its
 * holders keep. The write id of a frame is the version's: a frame under a wrong name does not
 * verify. */
#include "mstore/versions_parts.h"

#include "backends/range.h"
#include "base/cleanup.h"
#include "base/sync.h"
#include "mstore/frame.h"
#include "mstore/hedge.h"

#include <stdlib.h>

static struct ms_frame_header header_of(const struct ms_version *version, unsigned shard)
{
    struct ms_frame_header h = {.value_length = version->size,
                                .block_size = MS_FRAME_BLOCK_DEFAULT,
                                .k = version->k,
                                .m = version->m,
                                .shard = shard};
    for (unsigned i = 0; i < 8; i++) {
        h.write_id[i] = (uint8_t)(version->id.counter >> (56 - 8 * i));
        h.write_id[8 + i] = (uint8_t)(version->id.writer >> (56 - 8 * i));
    }
    return h;
}

int ms_frames_make(const struct ms_version *version, bool zstd, struct ms_view value,
                   struct ms_frames *out, struct ms_error *err)
{
    struct ms_frame_header header = header_of(version, 0);
    *out = (struct ms_frames){0};
    if (version->mark == MS_OWN_DELETED)
        return 0;
    if (version->k != 1 || version->m != 0)
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "mutable namespaces keep copies only so far: use redundancy = copies");
    header.zstd = zstd;
    struct ms_buf **frames = calloc(1, sizeof(struct ms_buf *));
    if (!frames)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a version");
    int code = ms_frame_encode(&header, 0, value, version->size, frames, err);
    if (code) {
        free(frames);
        return code;
    }
    *out = (struct ms_frames){1, frames};
    return 0;
}

void ms_frames_free(struct ms_frames *frames)
{
    for (unsigned i = 0; i < frames->count; i++)
        ms_buf_unref(frames->frame[i]);
    free(frames->frame);
    *frames = (struct ms_frames){0};
}

/* ---- loading ---- */

static int load_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_errand *e = shared;
    struct ms_errand_leg *one = &e->leg[leg];
    MS_AUTO_BUF struct ms_buf *frame = NULL;
    struct ms_name name;
    int code = ms_errand_name(e, one->held, &name, err);
    if (!code)
        code =
            ms_member_load(one->member, ms_name_view(&name), 0, MS_SIZE_TO_END, &frame, NULL, err);
    if (code)
        return code;
    struct ms_frame_header expect = header_of(&one->held->version, one->held->index);
    code = ms_frame_decode(ms_buf_view(frame), &expect, NULL, &one->value, err);
    return code ? ms_error_prefix(err, code, "member %s", ms_member_name(one->member)) : 0;
}

struct race {
    struct ms_versions *v;
    const struct ms_version *version;
    struct ms_errand *errand;
    struct ms_fan *fan;
    bool *tried; /* by voter */
    bool vanished;
    uint64_t late_ns;
};

/* The holder expected to be fastest of those not tried yet. */
static bool next_holder(const struct race *r, unsigned *out)
{
    uint64_t best_ns = 0;
    bool found = false;
    for (unsigned i = 0; i < r->v->count; i++) {
        if (r->tried[i] || r->v->voter[i].witness || !r->v->voter[i].member ||
            !ms_versions_held(r->v, i, r->version))
            continue;
        uint64_t expected =
            ms_health_expected_ns(ms_member_health(r->v->voter[i].member), r->version->size);
        if (found && expected >= best_ns)
            continue;
        best_ns = expected;
        *out = i;
        found = true;
    }
    return found;
}

static bool start_next(struct race *r)
{
    unsigned next = 0;
    if (!next_holder(r, &next))
        return false;
    r->tried[next] = true;
    if (ms_errand_add(&r->errand->leg[next], ms_versions_held(r->v, next, r->version), NULL))
        return false;
    r->late_ns = ms_clock_now(r->v->site->roster->clock) +
                 ms_health_late_ns(ms_member_health(r->v->voter[next].member), r->version->size);
    ms_fan_start(r->fan, next);
    return true;
}

static int run_race(struct race *r, struct ms_buf **out, struct ms_error *err)
{
    struct ms_clock *clock = r->v->site->roster->clock;
    struct ms_error worst = {0};
    bool more = start_next(r);
    if (more && r->v->site->roster->hedge)
        ms_hedge_first(r->v->site->roster->hedge);
    while (ms_fan_running(r->fan)) {
        unsigned leg;
        if (!ms_fan_next(r->fan, clock, more ? r->late_ns : UINT64_MAX, &leg)) {
            more = ms_errand_hedge(r->v) && start_next(r);
            continue;
        }
        int code = ms_fan_code(r->fan, leg);
        if (!code) {
            *out = MS_TAKE(r->errand->leg[leg].value);
            return 0;
        }
        r->vanished |= code == MS_ERR_NOT_FOUND;
        if (code != MS_ERR_NOT_FOUND)
            worst = *ms_fan_error(r->fan, leg);
        start_next(r);
    }
    if (r->vanished)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "the version is gone");
    if (worst.code)
        return ms_error_set(err, worst.code, "%s", worst.text);
    return ms_error_set(err, MS_ERR_IO, "no member that answered has its data");
}

int ms_versions_load(struct ms_versions *v, const struct ms_version *version, int64_t offset,
                     uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    struct ms_buf *whole = NULL;
    uint64_t start, count;
    struct race r = {.v = v, .version = version};
    r.tried = calloc(v->count, sizeof *r.tried);
    if (!r.tried)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a version");
    int code = ms_errand_new(v, load_leg, &r.errand, &r.fan, err);
    if (!code) {
        code = run_race(&r, &whole, err);
        ms_fan_release(r.fan);
    }
    free(r.tried);
    if (code)
        return code;
    ms_range_clip(version->size, offset, size, &start, &count);
    *out = ms_buf_slice(whole, (size_t)start, (size_t)count);
    ms_buf_unref(whole);
    return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
}
