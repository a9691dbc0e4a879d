/* mstore/value_repair.c - what a load found missing or damaged, put back in the background. Only
 * what did not verify, or was not there, is written; at most LIMIT such works at a time, so that a
 * member that lost everything is left to heal. */
#include "mstore/value_parts.h"

#include "base/pool.h"
#include "mstore/intent.h"
#include "mstore/tombs.h"

#include <stdatomic.h>
#include <stdlib.h>

#define LIMIT 4

static atomic_uint under_way;

struct repair {
    struct ms_value_home home;
    struct ms_buf *value;
    uint32_t block_size;
    size_t count;
    struct ms_value_place places[];
};

static void repair_free(struct repair *r)
{
    ms_buf_unref(r->value);
    ms_value_home_fini(&r->home);
    free(r);
}

static void repair_done(void *arg)
{
    repair_free(arg);
    atomic_fetch_sub(&under_way, 1);
}

static int put_back(struct repair *r, const struct ms_value_place *place, struct ms_buf *frame,
                    struct ms_error *err)
{
    struct ms_name name;
    struct ms_member *m = NULL;
    struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    int code = ms_value_member(&r->home.site, place->member, &m, err);
    if (!code)
        code = ms_value_name(&r->home.site, &r->home.shape, place->shard, &name, err);
    if (code)
        return code;
    struct ms_capabilities caps;
    ms_member_capabilities(m, &caps);
    bool guarded = place->state == MS_PLACE_ABSENT && (caps.flags & MS_CAP_IF_ABSENT);
    code = ms_member_store(m, ms_name_view(&name), frame, guarded ? &absent : NULL, NULL, err);
    if (!code && r->home.shape.kind == MS_OWN_VALUE)
        ms_tombs_late(&r->home.site, m, ms_name_view(&name));
    if (!code)
        ms_site_count(&r->home.site, MS_EVENT_REPAIR);
    return code == MS_ERR_EXISTS ? 0 : code;
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

/* What failed may still come, after a deletion that has found nothing there: nobody is to believe
 * those members, from the next time on that he asks for news. */
static void note_late(struct repair *r, const struct ms_value_place late[], size_t count)
{
    if (count && r->home.shape.kind == MS_OWN_VALUE)
        (void)!ms_value_missed(&r->home.site, &r->home.shape, late, count, at_once, NULL, NULL);
}

static void put_all(struct repair *r, struct ms_buf *const frames[], int *code)
{
    struct ms_value_place late[MS_MEMBERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        int one = put_back(r, &r->places[i], frames[r->places[i].shard], NULL);
        if (one && count < MS_MEMBERS_MAX)
            late[count++] = r->places[i];
        *code = *code ? *code : one;
    }
    note_late(r, late, count);
}

static int repair_run(void *arg)
{
    struct repair *r = arg;
    struct ms_buf *frames[255];
    unsigned shards = ms_value_shards(&r->home.shape);
    struct ms_tomb tomb = {0};
    bool changing = false;
    if (r->home.shape.kind == MS_OWN_VALUE &&
        (ms_tombs_look(&r->home.site, &tomb, NULL) || tomb.there))
        return MS_ERR_CONFLICT; /* the value may be older than the deletion: left to scrub */
    if (r->home.shape.kind == MS_OWN_VALUE &&
        (ms_intent_look(&r->home.site, &changing, NULL) || changing))
        return MS_ERR_BUSY; /* its objects are on their way to another name */
    int code = ms_value_encode(&r->home.shape, r->block_size, ms_buf_view(r->value), frames, NULL);
    if (code)
        return code;
    put_all(r, frames, &code);
    for (unsigned i = 0; i < shards; i++)
        ms_buf_unref(frames[i]);
    return code;
}

static bool is_lacking(const struct ms_site *site, const struct ms_value_place *place)
{
    return place->turn < MS_TURN_OTHERS &&
           (place->state == MS_PLACE_ABSENT || place->state == MS_PLACE_DAMAGED) &&
           site->roster->layout->members[place->member].state == MS_ACTIVE;
}

static struct repair *repair_new(const struct ms_site *site, const struct ms_value_shape *shape,
                                 const struct ms_value_place places[], size_t count,
                                 const struct ms_frame_header *header, struct ms_buf *value)
{
    struct repair *r = calloc(1, sizeof *r + count * sizeof *r->places);
    if (!r || ms_value_home_init(&r->home, site, shape, NULL)) {
        free(r);
        return NULL;
    }
    r->value = ms_buf_ref(value);
    r->block_size = header->block_size;
    r->home.shape.zstd = header->zstd;
    r->home.shape.has_write_id = true;
    memcpy(r->home.shape.write_id, header->write_id, MS_FRAME_WRITE_ID);
    for (size_t i = 0; i < count; i++)
        if (is_lacking(site, &places[i]))
            r->places[r->count++] = places[i];
    if (!r->value) {
        repair_free(r);
        return NULL;
    }
    return r;
}

static bool start(struct repair *r)
{
    struct ms_group *group = NULL;
    if (ms_group_new(&group, NULL))
        return false;
    int code = ms_group_fork(group, repair_run, repair_done, r, NULL);
    ms_group_release(group);
    return code == 0;
}

/* The good places keep the notes. */
static void hint_instead(const struct ms_site *site, const struct ms_value_shape *shape,
                         const struct ms_value_place places[], size_t count)
{
    struct ms_value_place missing[MS_MEMBERS_MAX];
    uint16_t keepers[MS_MEMBERS_MAX];
    size_t missing_count = 0, keeper_count = 0;
    for (size_t i = 0; i < count && i < MS_MEMBERS_MAX; i++)
        if (is_lacking(site, &places[i]))
            missing[missing_count++] = places[i];
        else if (places[i].state == MS_PLACE_GOOD)
            keepers[keeper_count++] = places[i].member;
    if (missing_count)
        ms_value_hint(site, shape, missing, missing_count, keepers, keeper_count);
}

void ms_value_repair(const struct ms_site *site, const struct ms_value_shape *shape,
                     const struct ms_value_place places[], size_t count,
                     const struct ms_frame_header *header, struct ms_buf *value)
{
    size_t lacking = 0;
    for (size_t i = 0; i < count; i++)
        lacking += is_lacking(site, &places[i]);
    if (!lacking)
        return;
    bool room = value && atomic_fetch_add(&under_way, 1) < LIMIT;
    struct repair *r = room ? repair_new(site, shape, places, count, header, value) : NULL;
    if (r && start(r))
        return;
    if (r)
        repair_free(r);
    if (value)
        atomic_fetch_sub(&under_way, 1);
    hint_instead(site, shape, places, count);
}
