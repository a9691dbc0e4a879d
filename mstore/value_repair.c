/* mstore/value_repair.c - what a load found missing or damaged, put back in the background. Only
 * what did not verify, or was not there, is written; at most LIMIT such works at a time, so that a
 * member that lost everything is left to heal. */
#include "mstore/value_parts.h"

#include "base/pool.h"
#include "mstore/intent.h"
#include "mstore/staged.h"
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
    struct lacking {
        struct ms_value_place place;
        struct ms_write_id id; /* while it is staged */
        int code;
    } lacking[];
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

/* ---- immutable keys: staged, and renamed unless the key was deleted ---- */

static bool may_go_on(const struct ms_site *site, int *code)
{
    struct ms_tomb tomb = {0};
    *code = ms_tombs_look(site, &tomb, NULL);
    if (!*code && tomb.there) /* the value may be older than the deletion: left to scrub */
        *code = MS_ERR_CONFLICT;
    return *code == 0;
}

static int stage(struct repair *r, const struct lacking *l, struct ms_buf *frame)
{
    struct ms_name name;
    struct ms_member *m = NULL;
    int code = ms_value_member(&r->home.site, l->place.member, &m, NULL);
    if (!code)
        code = ms_staged_name(&r->home.site, &r->home.shape, l->place.shard, l->id, &name, NULL);
    return code ? code : ms_member_store(m, ms_name_view(&name), frame, NULL, NULL, NULL);
}

static int settle(struct repair *r, const struct lacking *l, bool good)
{
    struct ms_member *m = NULL;
    bool absent = l->place.state == MS_PLACE_ABSENT;
    int code = ms_value_member(&r->home.site, l->place.member, &m, NULL);
    if (!code && good)
        code =
            ms_staged_settle(&r->home.site, &r->home.shape, m, l->place.shard, l->id, absent, NULL);
    if (!code && good)
        ms_site_count(&r->home.site, MS_EVENT_REPAIR);
    else if (m && code != MS_ERR_NOT_FOUND && code != MS_ERR_EXISTS)
        ms_staged_drop(&r->home.site, &r->home.shape, m, l->place.shard, l->id);
    return code == MS_ERR_EXISTS ? 0 : code;
}

static int put_immutable(struct repair *r, struct ms_buf *const frames[])
{
    int code = 0;
    for (size_t i = 0; i < r->count; i++) {
        r->lacking[i].id = ms_staged_draw(&r->home.site);
        r->lacking[i].code = stage(r, &r->lacking[i], frames[r->lacking[i].place.shard]);
    }
    bool good = may_go_on(&r->home.site, &code);
    for (size_t i = 0; i < r->count; i++) {
        int one = settle(r, &r->lacking[i], good && !r->lacking[i].code);
        code = code ? code : r->lacking[i].code ? r->lacking[i].code : one;
    }
    return code;
}

/* ---- versions of mutable keys, which have names of their own ---- */

static int put_version(struct repair *r, const struct ms_value_place *place, struct ms_buf *frame)
{
    static const struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    struct ms_name name;
    struct ms_member *m = NULL;
    int code = ms_value_member(&r->home.site, place->member, &m, NULL);
    if (!code)
        code = ms_value_name(&r->home.site, &r->home.shape, place->shard, &name, NULL);
    if (code)
        return code;
    struct ms_capabilities caps;
    ms_member_capabilities(m, &caps);
    bool guarded = place->state == MS_PLACE_ABSENT && (caps.flags & MS_CAP_IF_ABSENT);
    code = ms_member_store(m, ms_name_view(&name), frame, guarded ? &absent : NULL, NULL, NULL);
    if (!code)
        ms_site_count(&r->home.site, MS_EVENT_REPAIR);
    return code == MS_ERR_EXISTS ? 0 : code;
}

static int put_versions(struct repair *r, struct ms_buf *const frames[])
{
    int code = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct ms_value_place *place = &r->lacking[i].place;
        int one = put_version(r, place, frames[place->shard]);
        code = code ? code : one;
    }
    return code;
}

/* ---- either ---- */

static int repair_run(void *arg)
{
    struct repair *r = arg;
    struct ms_buf *frames[255];
    unsigned shards = ms_value_shards(&r->home.shape);
    bool immutable = r->home.shape.kind == MS_OWN_VALUE, changing = false;
    int code = 0;
    if (immutable && !may_go_on(&r->home.site, &code))
        return code;
    if (immutable && (ms_intent_look(&r->home.site, &changing, NULL) || changing))
        return MS_ERR_BUSY; /* its objects are on their way to another name */
    code = ms_value_encode(&r->home.shape, r->block_size, ms_buf_view(r->value), frames, NULL);
    if (code)
        return code;
    code = immutable ? put_immutable(r, frames) : put_versions(r, frames);
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
    struct repair *r = calloc(1, sizeof *r + count * sizeof *r->lacking);
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
            r->lacking[r->count++].place = places[i];
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
