/* mstore/upkeep_verify.c - reading objects to see whether they are whole: each by itself, and
 * whether the shards of a write belong together. In bounded memory, whatever their size. */
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define PIECE ((size_t)1 << 20)

void ms_upkeep_count(struct ms_upkeep_write *w)
{
    bool seen[MS_SHARDS_MAX + 1] = {false};
    w->good = w->distinct = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct ms_upkeep_place *p = &w->places[i];
        if (p->state != MS_PLACE_GOOD)
            continue;
        w->good++;
        w->distinct += !seen[p->shard];
        seen[p->shard] = true;
    }
}

static int hash_sink(void *ctx, struct ms_view piece, struct ms_error *err)
{
    return ms_hash_update(ctx, piece, err);
}

/* ---- one object ---- */

static int feed(struct ms_upkeep *u, struct ms_member *m, struct ms_view name,
                struct ms_frame_decoder *d, struct ms_error *err)
{
    struct ms_member_reader reader;
    size_t got = PIECE;
    int code = ms_member_read(m, name, &reader, err);
    if (code)
        return code;
    MS_AUTO_FREE uint8_t *bytes = malloc(PIECE);
    if (!bytes)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to verify an object");
    for (uint64_t offset = 0; !code && got == PIECE; offset += got) {
        code = ms_member_read_at(&reader, offset, bytes, PIECE, &got, err);
        if (!code)
            code = ms_frame_decoder_feed(d, ms_view(bytes, got), err);
        if (!code)
            code = ms_upkeep_spend(u, got, 0, err);
    }
    ms_member_read_close(&reader);
    return code ? code : ms_frame_decoder_finish(d, err);
}

/* It verifies; but is it what its name says? */
static int check_header(const struct ms_value_shape *shape, const struct ms_upkeep_place *p,
                        const struct ms_frame_header *h, struct ms_error *err)
{
    bool fits = h->k == shape->k && h->m == shape->m && h->shard == p->shard;
    if (shape->has_write_id)
        fits = fits && memcmp(h->write_id, shape->write_id, sizeof h->write_id) == 0;
    if (shape->named_size != MS_OWN_SIZE_UNKNOWN)
        fits = fits && h->value_length == shape->named_size;
    return fits ? 0 : ms_error_set(err, MS_ERR_CORRUPT, "it is not what its name says");
}

static int decode(struct ms_upkeep *u, const struct ms_value_shape *shape, struct ms_member *m,
                  struct ms_view name, struct ms_upkeep_place *p, struct ms_error *err)
{
    struct ms_frame_decoder *d = NULL;
    struct ms_hash *h = NULL;
    int code = ms_hash_new("sha256", &h, err);
    if (!code)
        code = ms_frame_decoder_new(NULL, hash_sink, h, &d, err);
    if (!code)
        code = feed(u, m, name, d, err);
    if (!code) {
        p->header = *ms_frame_decoder_header(d);
        p->header.metadata = ms_view(NULL, 0);
        code = check_header(shape, p, &p->header, err);
    }
    if (!code)
        code = ms_hash_hex(h, p->digest, sizeof p->digest, err);
    ms_frame_decoder_free(d);
    ms_hash_free(h);
    return code;
}

static enum ms_place_state state_of(int code)
{
    return code == 0                  ? MS_PLACE_GOOD
           : code == MS_ERR_NOT_FOUND ? MS_PLACE_ABSENT
           : code == MS_ERR_CORRUPT || code == MS_ERR_FORMAT || code == MS_ERR_RANGE
               ? MS_PLACE_DAMAGED
               : MS_PLACE_FAILED;
}

int ms_upkeep_verify(struct ms_upkeep *u, const struct ms_site *site,
                     const struct ms_value_shape *shape, struct ms_upkeep_place *place,
                     struct ms_error *err)
{
    struct ms_member *m = NULL;
    struct ms_name name;
    struct ms_error why = {0};
    int code = ms_value_member(site, place->member, &m, &why);
    if (!code)
        code = ms_value_name(site, shape, place->shard, &name, &why);
    if (!code)
        code = decode(u, shape, m, ms_name_view(&name), place, &why);
    if (ms_upkeep_fatal(code)) {
        if (err)
            *err = why;
        return code;
    }
    place->state = state_of(code);
    place->checked = true;
    if (place->state == MS_PLACE_FAILED)
        ms_upkeep_missed(u, place->member, &why);
    return 0;
}

/* ---- all shards of a write ---- */

struct recoding {
    struct ms_frame_decoder *decoder[MS_SHARDS_MAX];
    struct ms_hash *hash[MS_SHARDS_MAX];
    char digest[MS_SHARDS_MAX][65];
    unsigned count;
};

static int recode_sink(void *ctx, unsigned shard, struct ms_view piece, struct ms_error *err)
{
    struct recoding *r = ctx;
    return ms_frame_decoder_feed(r->decoder[shard], piece, err);
}

static int recoding_init(struct recoding *r, unsigned count, struct ms_error *err)
{
    int code = 0;
    r->count = count;
    for (unsigned i = 0; i < count && !code; i++) {
        code = ms_hash_new("sha256", &r->hash[i], err);
        if (!code)
            code = ms_frame_decoder_new(NULL, hash_sink, r->hash[i], &r->decoder[i], err);
    }
    return code;
}

static void recoding_fini(struct recoding *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        ms_frame_decoder_free(r->decoder[i]);
        ms_hash_free(r->hash[i]);
    }
}

/* Digests of the shards as they would be written: those that differ are not of this value. */
static int compare_shards(struct recoding *r, struct ms_upkeep_write *w, struct ms_error *err)
{
    int code = 0;
    for (unsigned i = 0; i < r->count && !code; i++) {
        code = ms_frame_decoder_finish(r->decoder[i], err);
        if (!code)
            code = ms_hash_hex(r->hash[i], r->digest[i], sizeof r->digest[i], err);
    }
    for (size_t i = 0; i < w->count && !code; i++)
        if (w->places[i].state == MS_PLACE_GOOD && w->places[i].checked &&
            memcmp(w->places[i].digest, r->digest[w->places[i].shard], sizeof *r->digest) != 0)
            w->places[i].state = MS_PLACE_DAMAGED;
    return code;
}

int ms_upkeep_consistent(struct ms_upkeep *u, const struct ms_site *site, struct ms_upkeep_write *w,
                         char value[65], struct ms_error *err)
{
    struct recoding *r = calloc(1, sizeof *r);
    struct ms_upkeep_source *source = NULL;
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to compare shards");
    int code = recoding_init(r, ms_value_shards(&w->shape), err);
    if (!code)
        code = ms_upkeep_source_new(u, site, w, recode_sink, r, &source, err);
    if (!code)
        code = ms_upkeep_source_run(source, value, err);
    if (!code)
        code = compare_shards(r, w, err);
    ms_upkeep_source_free(source);
    recoding_fini(r);
    free(r);
    ms_upkeep_count(w);
    return code;
}

void ms_upkeep_not_compared(struct ms_upkeep *u, const struct ms_upkeep_item *item, int code,
                            const struct ms_error *why)
{
    bool never = code == MS_ERR_UNSUPPORTED; /* by this build */
    ms_upkeep_found(u, never ? MS_FIND_UNJUDGED : MS_FIND_FAILED, MS_UPKEEP_NOBODY, item->path,
                    item->key, false, "its shards could not be compared: %s", why->text);
}
