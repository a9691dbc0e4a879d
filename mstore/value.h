/* mstore/value.h - one write of one value on the members of a site: K+M frames, an object each.
 *
 * A copy is the case 1+0, on each of N targets. What is here knows nothing of what a key may be
 * overwritten with or when a value counts as deleted: the kinds (mstore/immutable.h, versions of
 * mutable keys) say how the objects are named, how many must be there, and where to look.
 *
 *     ms_value_store, ms_value_writer   put the objects on the targets, all at once
 *     ms_value_load, ms_value_reader    get any K of them, the fastest first, verified
 *     ms_value_find                     which objects of a key (MS_OWN_VALUE) are where
 *     ms_value_repair                   put back what a load found missing or damaged
 *
 * What outlives a call (a late copy, a repair) holds the roster and the buffers by references. Any
 * thread; writers and readers: one thread at a time. */
#ifndef MSTORE_VALUE_H
#define MSTORE_VALUE_H

#include "mstore/frame.h"
#include "mstore/names.h"
#include "mstore/roster.h"

/* How one write is named and coded: the same for all its objects. */
struct ms_value_shape {
    enum ms_own_kind kind; /* MS_OWN_VALUE or MS_OWN_OBJECT */
    struct ms_write_id id;
    uint64_t named_size; /* in the names; MS_OWN_SIZE_UNKNOWN: it is not there */
    enum ms_own_mark mark;
    unsigned k, m; /* 1, 0: copies */
    bool zstd;     /* of what is written */
    /* Of the frames. A store needs it; a load that does not know it takes any (copies only: shards
     * of two writes never mix). */
    bool has_write_id;
    uint8_t write_id[MS_FRAME_WRITE_ID];
};
/* The write id of frames whose names have an ID of their own: the ID's 16 bytes. */
void ms_value_id_of_name(struct ms_value_shape *shape);
/* The mark of the objects of an immutable item. */
static inline enum ms_own_mark ms_value_mark(const struct ms_site *site)
{
    return site->deleted ? MS_OWN_SOFT_DELETED : MS_OWN_LIVE;
}
/* The name of shard number `shard`; MS_VALUE_MARK: of the version itself (MS_OWN_OBJECT only). */
#define MS_VALUE_MARK UINT32_MAX
int ms_value_name(const struct ms_site *site, const struct ms_value_shape *shape, unsigned shard,
                  struct ms_name *out, struct ms_error *err) MS_MUST_CHECK;

/* ---- storing ------------------------------------------------------------------------------ */

/* When a write counts. */
struct ms_value_rule {
    unsigned need;        /* objects that must be there, marks at witnesses among them */
    unsigned need_shards; /* so many of them shards or copies; 0: as `need` */
    unsigned witnesses;   /* so many of the site's witnesses get the mark (MS_VALUE_MARK) */
    bool substitutes;     /* a failed target's object goes to the next member in the order */
    bool hints;           /* note on members what the targets lack */
    bool again;           /* the caller will put it once more where too few have it */
};
struct ms_value_result {
    unsigned placed, shards; /* objects that are there; without marks at witnesses */
    unsigned missing;        /* targets known to lack theirs when the call returned */
    bool loose; /* objects of an immutable key may still arrive late, and not all know of it */
};
/* Puts the objects of `value` on the site's targets. Waits for all of them; once `need` are there,
 * only as long as is normal (1 s, or 4 times what their health calls late), and leaves the rest
 * behind. What is then missing is noted as hints. With fewer than `need`: an error that names the
 * members and their reasons; what was put stays, and was not acknowledged. result may be NULL and
 * is also set on failure. */
int ms_value_store(const struct ms_site *site, const struct ms_value_shape *shape,
                   const struct ms_value_rule *rule, struct ms_buf *value,
                   struct ms_value_result *result, struct ms_error *err) MS_MUST_CHECK;

/* The same in a stream, in bounded memory: a row of blocks, a window for each member, and the first
 * 8 MiB of all objects together, with which a failed member is replaced by another while they are
 * all. A member that falls a window behind is given up, once there are enough others. `length`: of
 * the value if it is known (then it is checked), else MS_FRAME_LENGTH_LATER; then size_hint says
 * how many bytes are expected, 0: any number. */
struct ms_value_writer;
int ms_value_writer_new(const struct ms_site *site, const struct ms_value_shape *shape,
                        const struct ms_value_rule *rule, uint64_t length, uint64_t size_hint,
                        struct ms_value_writer **out, struct ms_error *err) MS_MUST_CHECK;
int ms_value_writer_append(struct ms_value_writer *w, struct ms_view bytes,
                           struct ms_error *err) MS_MUST_CHECK;
/* Both free it. Nothing is visible before the commit; after one that failed, what was put was not
 * acknowledged. */
int ms_value_writer_commit(struct ms_value_writer *w, struct ms_value_result *result,
                           struct ms_error *err) MS_MUST_CHECK;
void ms_value_writer_abort(struct ms_value_writer *w);

/* ---- loading ------------------------------------------------------------------------------ */

enum ms_place_state {
    MS_PLACE_UNKNOWN, /* not asked, or it has not answered */
    MS_PLACE_GOOD,
    MS_PLACE_ABSENT, /* the member is there and has no such object */
    MS_PLACE_DAMAGED,
    MS_PLACE_FAILED, /* the member could not be asked */
};
/* Where a shard is, or may be. Turns from MS_TURN_OTHERS on: nothing is missing where it is not. */
#define MS_TURN_OTHERS 2
struct ms_value_place {
    uint16_t member; /* index of the layout's members */
    uint8_t shard;
    uint8_t turn; /* places of a later turn are asked when the earlier do not suffice */
    bool other;   /* it is there under the other mark: see ms_value_find */
    enum ms_place_state state; /* out */
};
/* What is to be loaded. */
struct ms_value_query {
    const struct ms_value_shape *shape;
    struct ms_value_place *places; /* states are set */
    size_t count;
    const char *sha256; /* NULL, or what a whole value must have: 64 lower-case hex digits */
};
struct ms_value_info {
    uint64_t size;                 /* of the whole value */
    int64_t mtime_ns;              /* of an object that was looked at; 0 unknown */
    struct ms_frame_header header; /* of one of the frames; without metadata */
};
/* Bytes [offset, offset+size) as ms_backend_load clips them: offset < 0 counts from the end, size
 * may be MS_SIZE_TO_END. out NULL: only info. Asks the members expected to be fastest, others when
 * those are late (within the budget for hedges) or fail. On failure the error of the member that
 * says most; NOT_FOUND when all places answered and too few have it; the states tell the rest. info
 * may be NULL. */
int ms_value_load(const struct ms_site *site, const struct ms_value_query *query, int64_t offset,
                  uint64_t size, struct ms_buf **out, struct ms_value_info *info,
                  struct ms_error *err) MS_MUST_CHECK;

/* In a stream: windows of a few MiB, the next one loaded ahead. All of one write. The query's
 * places are copied. */
struct ms_value_reader;
int ms_value_reader_new(const struct ms_site *site, const struct ms_value_query *query,
                        struct ms_value_reader **out, struct ms_error *err) MS_MUST_CHECK;
const struct ms_value_info *ms_value_reader_info(const struct ms_value_reader *r);
/* As ms_reader_read. */
int ms_value_reader_read(struct ms_value_reader *r, uint64_t offset, uint8_t *into, size_t size,
                         size_t *got, struct ms_error *err) MS_MUST_CHECK;
void ms_value_reader_close(struct ms_value_reader *r);

/* ---- finding ------------------------------------------------------------------------------ */

/* All objects found under one ID, size and coding. */
struct ms_value_write {
    struct ms_value_shape shape;
    struct ms_value_place *places;
    size_t count;
    unsigned distinct; /* different shards; k of them make the value */
    int64_t mtime_ns;
};
struct ms_value_staged { /* on its way: mstore/staged.h */
    struct ms_value_shape shape;
    struct ms_value_place place;
};
struct ms_value_finding {
    struct ms_value_write
        *writes; /* those with k distinct shards first, then by ID, newest first */
    size_t count;
    unsigned complete;                 /* so many of them have k */
    unsigned asked, answered;          /* members */
    bool has_answered[MS_MEMBERS_MAX]; /* by place in the order */
    struct ms_error why;               /* of the first that did not answer */
    struct ms_value_staged *staged;    /* of both items */
    size_t staged_count;
};
/* Lists the flat objects of the key at the site's members: at `least` targets first (those expected
 * to be fastest), at all members unless a complete write has turned up; everywhere: at all of them
 * in any case. 0 also when nothing is there: see answered. Those of the site's item only, live or
 * soft-deleted; but while a write is on the way from one to the other (mstore/immutable_delete.c)
 * and neither has k shards, what is under the other mark is there for both. */
int ms_value_find(const struct ms_site *site, unsigned least, bool everywhere,
                  struct ms_value_finding *out, struct ms_error *err) MS_MUST_CHECK;
void ms_value_finding_fini(struct ms_value_finding *f);
/* *any: whether any object of the site's item was seen, until `least` members have answered: so
 * many targets are asked (those expected to be fastest), others for those that fail or are late. */
int ms_value_glance(const struct ms_site *site, unsigned least, bool *any,
                    struct ms_error *err) MS_MUST_CHECK;

/* ---- repair ------------------------------------------------------------------------------- */

/* Rewrites the objects at places that are ABSENT or DAMAGED (turns below MS_TURN_OTHERS) from the
 * whole value, in the background; at most a few such works at a time, what does not fit in is noted
 * as hints. header: of a good frame. Never fails: nothing depends on it. */
void ms_value_repair(const struct ms_site *site, const struct ms_value_shape *shape,
                     const struct ms_value_place places[], size_t count,
                     const struct ms_frame_header *header, struct ms_buf *value);

#endif
