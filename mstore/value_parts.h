/* mstore/value_parts.h - inside of mstore/value.h: what its files share. */
#ifndef MSTORE_VALUE_PARTS_H
#define MSTORE_VALUE_PARTS_H

#include "mstore/value.h"

#include "base/fan.h"
#include "base/sync.h"

#define MS_SECOND UINT64_C(1000000000)

/* A site that outlives the call it was given to: own bytes, a reference of the roster. */
struct ms_value_home {
    struct ms_site site;
    struct ms_value_shape shape;
    uint8_t space[MS_OWN_SPACE_MAX], key[MS_BYTES_KEY_MAX];
};
/* Asserts nothing of the shape; MS_ERR_NAME when space or key are too long. */
int ms_value_home_init(struct ms_value_home *home, const struct ms_site *site,
                       const struct ms_value_shape *shape, struct ms_error *err) MS_MUST_CHECK;
void ms_value_home_fini(struct ms_value_home *home); /* also of zeros */
/* A member by its index in the layout. MS_ERR_CONNECTION: it is not to be had here. */
int ms_value_member(const struct ms_site *site, unsigned index, struct ms_member **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* The shape as the object at the place is named. */
struct ms_value_shape ms_value_place_shape(const struct ms_value_shape *shape,
                                           const struct ms_value_place *place);
/* "key of namespace": for messages. */
#define MS_VALUE_SHOWN 160
const char *ms_value_shown(const struct ms_site *site, char text[MS_VALUE_SHOWN]);
/* Adds "; SENTENCE" to what went wrong on several members; keeps the first code. */
void ms_value_blame(struct ms_error *sum, const struct ms_error *err);

static inline bool ms_value_is_copy(const struct ms_value_shape *s)
{
    return s->k == 1 && s->m == 0;
}
static inline unsigned ms_value_shards(const struct ms_value_shape *s)
{
    return s->k + s->m;
}
/* Objects of a write: N copies, or shards. */
unsigned ms_value_objects(const struct ms_site *site, const struct ms_value_shape *shape);

/* ---- coding ------------------------------------------------------------------------------- */

/* Gets the frame of each shard, piece by piece. */
typedef int (*ms_value_sink)(void *ctx, unsigned shard, struct ms_view piece, struct ms_error *err);
struct ms_value_coder;
/* shape->write_id must be there. length: as in frame headers. */
int ms_value_coder_new(const struct ms_value_shape *shape, uint32_t block_size, uint64_t length,
                       ms_value_sink sink, void *ctx, struct ms_value_coder **out,
                       struct ms_error *err) MS_MUST_CHECK;
int ms_value_coder_append(struct ms_value_coder *c, struct ms_view bytes,
                          struct ms_error *err) MS_MUST_CHECK;
int ms_value_coder_finish(struct ms_value_coder *c, struct ms_error *err) MS_MUST_CHECK;
void ms_value_coder_free(struct ms_value_coder *c);
/* All frames at once: frames[0 .. k+m). On failure none. */
int ms_value_encode(const struct ms_value_shape *shape, uint32_t block_size, struct ms_view value,
                    struct ms_buf *frames[], struct ms_error *err) MS_MUST_CHECK;

/* ---- getting one shard -------------------------------------------------------------------- */

enum ms_fetch_mode {
    MS_FETCH_HEAD,  /* nothing but what the value is */
    MS_FETCH_WHOLE, /* the whole shard */
    MS_FETCH_PART,  /* what of the range is in this data shard */
    MS_FETCH_ROWS,  /* the shard's part of all rows that the range touches */
};
struct ms_fetched {
    struct ms_buf *payload;        /* of the shard, [range.offset, …); NULL: HEAD, or nothing */
    struct ms_stripe_range range;  /* in the shard */
    struct ms_frame_header header; /* no metadata */
    uint64_t length;               /* of the value */
    int64_t mtime_ns;
};
struct ms_fetch {
    const struct ms_site *site;
    const struct ms_value_shape *shape;
    enum ms_fetch_mode mode;
    int64_t offset; /* as a load is asked for */
    uint64_t size;
    bool pinned; /* only this write, whose header and length are known: */
    struct ms_frame_header header;
    uint64_t length;
    const char *sha256; /* of a whole copy, or NULL */
};
/* From one member. MS_ERR_CORRUPT: what is there is not that shard, whole. */
int ms_value_fetch(const struct ms_fetch *want, unsigned member, unsigned shard,
                   struct ms_fetched *out, struct ms_error *err) MS_MUST_CHECK;
/* [offset, offset+size) as a load clips them to `length` bytes. */
struct ms_stripe_range ms_value_clip(int64_t offset, uint64_t size, uint64_t length);

/* ---- putting together --------------------------------------------------------------------- */

/* Bytes `range` of the value from fetched shards; parts[i] is shard i, NULL: not there. Data shards
 * that are not there are computed; then k parts must hold their part of the rows. */
int ms_value_assemble(const struct ms_value_shape *shape, uint32_t block_size, uint64_t length,
                      struct ms_stripe_range range, const struct ms_fetched *const parts[],
                      struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;

/* As ms_value_load, but places known to be of no use are not asked again; pin: only the write whose
 * header and length are in there, as a load of nothing but info has told. NULL: any. */
int ms_value_load_pinned(const struct ms_site *site, const struct ms_value_query *query,
                         const struct ms_value_info *pin, int64_t offset, uint64_t size,
                         struct ms_buf **out, struct ms_value_info *info,
                         struct ms_error *err) MS_MUST_CHECK;

/* ---- hints -------------------------------------------------------------------------------- */

/* Notes that members lack objects of the write: on up to two of `keepers` (indexes of members),
 * each an object with the name of what is missing. Waits no longer than a second. */
void ms_value_hint(const struct ms_site *site, const struct ms_value_shape *shape,
                   const struct ms_value_place missing[], size_t count, const uint16_t keepers[],
                   size_t keeper_count);
/* The same in two steps, with something else between; NULL: no memory, nothing is noted. */
struct ms_fan *ms_value_hint_begin(const struct ms_site *site, const struct ms_value_shape *shape,
                                   const struct ms_value_place missing[], size_t count,
                                   const uint16_t keepers[], size_t keeper_count);
void ms_value_hint_end(const struct ms_site *site, struct ms_fan *fan);
/* Of which members (by index of the layout) it is noted that they lack something of the key. */
int ms_value_noted(const struct ms_site *site, bool noted[MS_MEMBERS_MAX],
                   struct ms_error *err) MS_MUST_CHECK;
/* The same of what would harm if it were not known: a deletion that members have missed, a put that
 * may still reach them. Noted on a majority; when it returns 0 nobody believes these members any
 * more without asking others (ms_lease_disbelieve, also for `done`). */
int ms_value_missed(const struct ms_site *site, const struct ms_value_shape *shape,
                    const struct ms_value_place missing[], size_t count, bool (*done)(void *ctx),
                    void *ctx, struct ms_error *err) MS_MUST_CHECK;

#endif
