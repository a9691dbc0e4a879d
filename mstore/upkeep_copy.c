/* mstore/upkeep_copy.c - writing missing and damaged objects from good ones, and taking objects
 * away. A value streams through: read from whoever has it, verified, coded as it was, written to
 * those that lack it. Nothing becomes visible before all of it has been read; what is there is
 * replaced by one atomic put. */
#include "mstore/staged.h"
#include "mstore/trash.h"
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "mstore/age.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define WINDOW ((size_t)1 << 20)

/* ---- the value, coded once more ---- */

struct ms_upkeep_source {
    struct ms_upkeep *u;
    struct ms_value_place *places;
    struct ms_value_shape shape;
    struct ms_value_reader *reader;
    struct ms_value_coder *coder;
    struct ms_hash *hash;
    uint8_t *window;
};

void ms_upkeep_source_free(struct ms_upkeep_source *s)
{
    if (!s)
        return;
    ms_value_reader_close(s->reader);
    ms_value_coder_free(s->coder);
    ms_hash_free(s->hash);
    free(s->places);
    free(s->window);
    free(s);
}

/* The reader over what is good, and the coder that makes the same frames. */
static int open_source(struct ms_upkeep_source *s, const struct ms_site *site,
                       const struct ms_upkeep_write *w, ms_value_sink sink, void *ctx,
                       struct ms_error *err)
{
    struct ms_value_query query = {.shape = &s->shape, .places = s->places};
    s->shape = w->shape;
    for (size_t i = 0; i < w->count; i++)
        if (w->places[i].state == MS_PLACE_GOOD || w->places[i].state == MS_PLACE_UNKNOWN)
            s->places[query.count++] =
                (struct ms_value_place){.member = w->places[i].member, .shard = w->places[i].shard};
    int code = ms_value_reader_new(site, &query, &s->reader, err);
    if (code)
        return code;
    const struct ms_value_info *info = ms_value_reader_info(s->reader);
    s->shape.has_write_id = true;
    s->shape.zstd = info->header.zstd;
    memcpy(s->shape.write_id, info->header.write_id, sizeof s->shape.write_id);
    return ms_value_coder_new(&s->shape, info->header.block_size, info->header.value_length, sink,
                              ctx, &s->coder, err);
}

int ms_upkeep_source_new(struct ms_upkeep *u, const struct ms_site *site,
                         const struct ms_upkeep_write *w, ms_value_sink sink, void *ctx,
                         struct ms_upkeep_source **out, struct ms_error *err)
{
    struct ms_upkeep_source *s = calloc(1, sizeof *s);
    if (s) {
        s->u = u;
        s->places = calloc(w->count + 1, sizeof *s->places);
        s->window = malloc(WINDOW);
    }
    int code = s && s->places && s->window
                   ? ms_hash_new("sha256", &s->hash, err)
                   : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read a value");
    if (!code)
        code = open_source(s, site, w, sink, ctx, err);
    if (code) {
        ms_upkeep_source_free(s);
        return code;
    }
    *out = s;
    return 0;
}

int ms_upkeep_source_run(struct ms_upkeep_source *s, char sha256[65], struct ms_error *err)
{
    uint64_t size = ms_value_reader_info(s->reader)->size;
    int code = 0;
    for (uint64_t offset = 0; offset < size && !code;) {
        size_t got = 0;
        code = ms_value_reader_read(s->reader, offset, s->window, WINDOW, &got, err);
        if (!code && !got)
            code = ms_error_set(err, MS_ERR_CORRUPT, "the value ends too early");
        if (!code)
            code = ms_hash_update(s->hash, ms_view(s->window, got), err);
        if (!code)
            code = ms_value_coder_append(s->coder, ms_view(s->window, got), err);
        if (!code)
            code = ms_upkeep_spend(s->u, got, 0, err);
        offset += got;
    }
    if (!code)
        code = ms_value_coder_finish(s->coder, err);
    return code ? code : ms_hash_hex(s->hash, sha256, 65, err);
}

/* ---- writing ---- */

struct target {
    struct ms_upkeep_put *put;
    struct ms_member *member;
    struct ms_name name;
    struct ms_member_writer writer;
    bool open;
};
struct rebuild {
    struct ms_upkeep *u;
    struct target *targets;
    size_t count;
};

/* One that fails is left out; the others go on. */
static void give_up(struct target *t)
{
    if (t->open)
        ms_member_abort(&t->writer);
    t->open = false;
}

static int write_sink(void *ctx, unsigned shard, struct ms_view piece, struct ms_error *err)
{
    struct rebuild *r = ctx;
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct target *t = &r->targets[i];
        if (!t->open || t->put->shard != shard)
            continue;
        t->put->code = ms_member_append(&t->writer, piece, &t->put->why);
        bytes += piece.size;
        if (t->put->code)
            give_up(t);
    }
    return bytes ? ms_upkeep_spend(r->u, 0, bytes, err) : 0;
}

static void open_target(const struct ms_site *site, const struct ms_value_shape *shape,
                        struct target *t)
{
    const struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    struct ms_upkeep_put *put = t->put;
    struct ms_capabilities caps = {0};
    put->code = ms_value_member(site, put->member, &t->member, &put->why);
    bool staged = shape->kind == MS_OWN_VALUE;
    put->stage = ms_staged_draw(site);
    if (!put->code)
        put->code = staged
                        ? ms_staged_name(site, shape, put->shard, put->stage, &t->name, &put->why)
                        : ms_value_name(site, shape, put->shard, &t->name, &put->why);
    if (!put->code)
        put->code = ms_member_open(t->member, &put->why);
    if (put->code)
        return;
    ms_member_capabilities(t->member, &caps);
    bool guarded = !staged && put->absent && (caps.flags & MS_CAP_IF_ABSENT);
    put->code = ms_member_write(t->member, ms_name_view(&t->name), 0, guarded ? &absent : NULL,
                                &t->writer, &put->why);
    t->open = put->code == 0;
}

/* Somebody else has put it meanwhile: as good. */
static void commit_target(struct target *t)
{
    if (!t->open)
        return;
    t->open = false;
    t->put->code = ms_member_commit(&t->writer, NULL, &t->put->why);
    if (t->put->code == MS_ERR_EXISTS)
        t->put->code = 0;
}

static int check_value(const char *sha256, const char *is, struct ms_error *err)
{
    if (!sha256 || strcmp(sha256, is) == 0)
        return 0;
    return ms_error_set(err, MS_ERR_CORRUPT, "the value is not what its key says");
}

static int run_rebuild(struct rebuild *r, const struct ms_site *site,
                       const struct ms_upkeep_write *w, const char *sha256, struct ms_error *err)
{
    struct ms_upkeep_source *source = NULL;
    char is[65];
    int code = ms_upkeep_source_new(r->u, site, w, write_sink, r, &source, err);
    if (!code)
        code = ms_upkeep_source_run(source, is, err);
    if (!code)
        code = check_value(sha256, is, err);
    for (size_t i = 0; i < r->count; i++) {
        if (code)
            give_up(&r->targets[i]);
        else
            commit_target(&r->targets[i]);
    }
    ms_upkeep_source_free(source);
    return code;
}

int ms_upkeep_rebuild(struct ms_upkeep *u, const struct ms_site *site,
                      const struct ms_upkeep_write *w, const char *sha256,
                      struct ms_upkeep_put puts[], size_t count, struct ms_error *err)
{
    struct rebuild r = {.u = u, .count = count, .targets = calloc(count + 1, sizeof *r.targets)};
    if (!r.targets)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to repair a value");
    for (size_t i = 0; i < count; i++) {
        r.targets[i].put = &puts[i];
        open_target(site, &w->shape, &r.targets[i]);
    }
    int code = run_rebuild(&r, site, w, sha256, err);
    for (size_t i = 0; i < count && !code; i++) {
        if (!puts[i].code)
            ms_upkeep_changed(u, puts[i].member, 1, 0);
        if (ms_upkeep_fatal(puts[i].code))
            code = ms_error_set(err, puts[i].code, "%s", puts[i].why.text);
    }
    for (size_t i = 0; i < count && code; i++)
        puts[i].code = puts[i].code ? puts[i].code : code;
    free(r.targets);
    return code;
}

/* ---- taking away ---- */

int ms_upkeep_now_at(struct ms_upkeep *u, const struct ms_site *site, unsigned member,
                     int64_t *now_ns, struct ms_error *err)
{
    struct ms_own_name beside = {.store = site->roster->layout->uuid,
                                 .space = site->space_path,
                                 .key = site->key,
                                 .level = site->level};
    struct ms_member *m = NULL;
    *now_ns = ms_clock_wall(site->roster->clock);
    if (!ms_upkeep_may_write(u))
        return 0;
    int code = ms_value_member(site, member, &m, err);
    return code ? code : ms_age_now(m, &beside, now_ns, err);
}

int ms_upkeep_remove(struct ms_upkeep *u, const struct ms_site *site,
                     const struct ms_value_shape *shape, const struct ms_upkeep_place *place,
                     struct ms_error *err)
{
    struct ms_member *m = NULL;
    struct ms_name name;
    int code = ms_value_member(site, place->member, &m, err);
    if (!code)
        code = ms_value_name(site, shape, place->shard, &name, err);
    if (!code)
        code = ms_member_delete(m, ms_name_view(&name), err);
    if (!code)
        ms_upkeep_changed(u, place->member, 0, 1);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

int ms_upkeep_set_aside(struct ms_upkeep *u, const struct ms_site *site,
                        const struct ms_value_shape *shape, const struct ms_upkeep_place *place,
                        struct ms_error *err)
{
    struct ms_name where;
    int code = ms_trash_put(site, shape, place->member, place->shard, &where, err);
    if (!code)
        ms_upkeep_changed(u, place->member, 0, 1);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}
