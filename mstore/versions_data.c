/* mstore/versions_data.c - the bytes of a version, by mstore/value.h: frames out of a value, a
 * value out of what its holders keep. The write id of a frame is the version's: a frame under a
 * wrong name does not verify. */
#include "mstore/versions.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

static struct ms_value_shape shape_of(const struct ms_version *version, bool zstd)
{
    struct ms_value_shape shape = {.kind = MS_OWN_OBJECT,
                                   .id = version->id,
                                   .named_size = version->size,
                                   .mark = version->mark,
                                   .k = version->k,
                                   .m = version->m,
                                   .zstd = zstd};
    ms_value_id_of_name(&shape);
    return shape;
}

int ms_frames_make(const struct ms_version *version, bool zstd, struct ms_view value,
                   struct ms_frames *out, struct ms_error *err)
{
    unsigned count = version->k + version->m;
    *out = (struct ms_frames){0};
    if (version->mark == MS_OWN_DELETED)
        return 0;
    struct ms_buf **frames = calloc(count, sizeof(struct ms_buf *));
    if (!frames)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a version");
    struct ms_value_shape shape = shape_of(version, zstd);
    int code = ms_value_encode(&shape, MS_FRAME_BLOCK_DEFAULT, value, frames, err);
    if (code)
        free(frames);
    else
        *out = (struct ms_frames){count, frames};
    return code;
}

void ms_frames_free(struct ms_frames *frames)
{
    for (unsigned i = 0; i < frames->count; i++)
        ms_buf_unref(frames->frame[i]);
    free(frames->frame);
    *frames = (struct ms_frames){0};
}

static size_t places_of(const struct ms_versions *v, const struct ms_version *version,
                        struct ms_value_place *out)
{
    size_t count = 0;
    for (unsigned i = 0; i < v->targets; i++) {
        const struct ms_held *held = ms_versions_held(v, i, version);
        if (held)
            out[count++] = (struct ms_value_place){.member = (uint16_t)v->voter[i].index,
                                                   .shard = (uint8_t)held->index};
    }
    return count;
}

/* What did not verify is put right in the background; what is missing may have made room for a
 * newer version. */
static void repair(const struct ms_versions *v, const struct ms_value_query *query,
                   const struct ms_value_info *info, struct ms_buf *value)
{
    size_t damaged = 0;
    for (size_t i = 0; i < query->count; i++)
        if (query->places[i].state == MS_PLACE_DAMAGED)
            query->places[damaged++] = query->places[i];
    if (damaged && ms_buf_size(value) == info->size)
        ms_value_repair(v->site, query->shape, query->places, damaged, &info->header, value);
}

static bool any_absent(const struct ms_value_query *query)
{
    for (size_t i = 0; i < query->count; i++)
        if (query->places[i].state == MS_PLACE_ABSENT)
            return true;
    return false;
}

/* What the query came to, where the places tell more than the code. */
static int judge(const struct ms_value_query *query, int code, struct ms_error *err)
{
    if (code && any_absent(query))
        return ms_error_set(err, MS_ERR_NOT_FOUND, "the version is gone");
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, MS_ERR_IO, "too few of the members that answered have its data");
    return code;
}

/* Where to get it; free the places. */
static int ask(const struct ms_versions *v, const struct ms_version *version,
               const struct ms_value_shape *shape, struct ms_value_query *out, struct ms_error *err)
{
    struct ms_value_place *places = calloc(v->targets, sizeof *places);
    if (!places)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a version");
    *out = (struct ms_value_query){.shape = shape, .places = places};
    out->count = places_of(v, version, places);
    if (out->count && version->k)
        return 0;
    free(places);
    return ms_error_set(err, MS_ERR_IO, "no member that answered has its data");
}

int ms_versions_load(struct ms_versions *v, const struct ms_version *version, int64_t offset,
                     uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    struct ms_value_shape shape = shape_of(version, v->site->space->compress);
    struct ms_value_info info = {0};
    struct ms_value_query query;
    int code = ask(v, version, &shape, &query, err);
    if (code)
        return code;
    code = judge(&query, ms_value_load(v->site, &query, offset, size, out, &info, err), err);
    if (!code)
        repair(v, &query, &info, *out);
    free(query.places);
    return code;
}

int ms_versions_writer(const struct ms_versions *v, const struct ms_version *version,
                       unsigned *needed, struct ms_value_writer **out, struct ms_error *err)
{
    struct ms_value_shape shape = shape_of(version, v->site->space->compress);
    unsigned majority = v->targets / 2 + 1, enough = ms_versions_needed(version);
    ms_assert(!v->site->joint);
    if (v->count > v->targets) /* the witness is one of a majority of all */
        majority = v->count / 2;
    *needed = enough > majority ? enough : majority;
    struct ms_value_rule rule = {.need = *needed};
    return ms_value_writer_new(v->site, &shape, &rule, version->size, 0, out, err);
}

bool ms_versions_witness(const struct ms_versions *v, const struct ms_version *version)
{
    struct ms_value_shape shape = shape_of(version, false);
    struct ms_name name;
    bool there = false;
    for (unsigned i = v->targets; i < v->count; i++) {
        MS_AUTO_BUF struct ms_buf *nothing = ms_buf_new(0);
        if (nothing && v->voter[i].member &&
            !ms_value_name(v->site, &shape, MS_VALUE_MARK, &name, NULL))
            there = !ms_member_store(v->voter[i].member, ms_name_view(&name), nothing, NULL, NULL,
                                     NULL);
    }
    return there;
}

int ms_versions_reader(const struct ms_versions *v, const struct ms_version *version,
                       struct ms_value_reader **out, struct ms_error *err)
{
    struct ms_value_shape shape = shape_of(version, v->site->space->compress);
    struct ms_value_query query;
    int code = ask(v, version, &shape, &query, err);
    if (code)
        return code;
    code = judge(&query, ms_value_reader_new(v->site, &query, out, err), err);
    free(query.places);
    return code;
}
