/* mstore/immutable_stream.c - writers, readers and digests of an immutable namespace. */
#include "mstore/immutable_parts.h"

#include "mstore/value_parts.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "mstore/digest_check.h"
#include "mstore/gather.h"
#include "mstore/held.h"
#include "mstore/turn.h"

#include <stdlib.h>

/* ---- writing -------------------------------------------------------------------------------- */

struct writer {
    struct ms_store_writer base;
    struct ms_value_writer *values;
    struct ms_hash *hash; /* NULL: not to be checked */
    struct ms_immutable_rival rival;
    struct ms_site site; /* for the checks: its key is here */
    uint8_t key[MS_BYTES_KEY_MAX];
    int failed;
};

static void writer_free(struct writer *w)
{
    ms_value_writer_abort(w->values);
    ms_hash_free(w->hash);
    ms_immutable_rival_close(&w->rival);
    ms_roster_unref(w->site.roster);
    free(w);
}

static int append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    if (w->failed)
        return ms_error_set(err, w->failed, "an append has failed before: begin again");
    int code = w->hash ? ms_hash_update(w->hash, bytes, err) : 0;
    if (!code)
        code = ms_immutable_rival_compare(&w->rival, bytes, err);
    if (!code)
        code = ms_value_writer_append(w->values, bytes, err);
    w->failed = code;
    return code;
}

static int commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    char hex[MS_HASH_HEX_MAX];
    int code = w->failed;
    if (code)
        ms_error_set(err, code, "an append has failed before: begin again");
    if (!code && w->hash)
        code = ms_hash_hex(w->hash, hex, sizeof hex, err);
    if (!code && w->hash)
        code = ms_immutable_check_key(&w->site, hex, err);
    if (!code)
        code = ms_immutable_rival_end(&w->rival, err);
    if (!code)
        code = ms_value_writer_commit(MS_TAKE(w->values), NULL, err);
    if (!code && tag)
        tag->text[0] = '\0';
    writer_free(w);
    return code;
}

static void abandon(struct ms_store_writer *base)
{
    writer_free((struct writer *)base);
}

static const struct ms_store_writer_ops writer_ops = {
    .append = append, .commit = commit, .abort = abandon};

int ms_immutable_write(const struct ms_site *site, struct ms_ids *ids, uint64_t size_hint,
                       const struct ms_precondition *pre, struct ms_store_writer **out,
                       struct ms_error *err)
{
    struct ms_value_shape shape;
    struct ms_value_rule rule = ms_immutable_rule(site);
    int code = ms_immutable_check_pre(pre, err);
    struct writer *w = code ? NULL : calloc(1, sizeof *w);
    if (code)
        return code;
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    w->base.ops = &writer_ops;
    w->site = *site;
    w->site.roster = ms_roster_ref(site->roster);
    memcpy(w->key, site->key.data, site->key.size);
    w->site.key.data = w->key;
    if (site->space->verify)
        code = ms_hash_new("sha256", &w->hash, err);
    if (!code)
        code = ms_immutable_new_shape(site, ids, MS_OWN_SIZE_UNKNOWN, &shape, err);
    if (!code)
        code = ms_immutable_rival_open(site, &w->rival, err);
    if (!code)
        code = ms_immutable_revive(site, err);
    if (!code)
        code = ms_value_writer_new(site, &shape, &rule, MS_FRAME_LENGTH_LATER, size_hint,
                                   &w->values, err);
    if (code) {
        writer_free(w);
        return code;
    }
    *out = &w->base;
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct reader { /* any thread; one is in the midst of a read, the others wait */
    struct ms_store_reader base;
    struct ms_value_home home;
    struct ms_value_reader *values;
    bool everywhere;               /* all who could have it were asked where it is */
    struct ms_buf *held;           /* all of it, held against the key; NULL: not yet, or too long */
    struct ms_digest_check *check; /* NULL: there is none */
    struct ms_turn turn;
};

static int open_from(const struct ms_site *site, struct ms_immutable_where *w,
                     struct ms_value_reader **out, struct ms_error *err)
{
    struct ms_value_query query = ms_immutable_query(w);
    struct ms_value_reader *reader = NULL;
    int code = ms_value_reader_new(site, &query, &reader, err);
    if (code)
        return ms_immutable_verdict(site, w, code, err);
    code = ms_immutable_believe(site, w, err);
    if (code)
        ms_value_reader_close(reader);
    else
        *out = reader;
    return code;
}

static int open_everywhere(const struct ms_site *site, struct ms_value_reader **out,
                           struct ms_error *err)
{
    struct ms_immutable_where w;
    int code = ms_immutable_search(site, &w, err);
    if (!code)
        code = open_from(site, &w, out, err);
    ms_immutable_where_fini(&w);
    return code;
}

/* Once: the same write from all who have a part of it, when those known so far do not suffice.
 * True: try again. */
static bool look_further(struct reader *r, int code)
{
    struct ms_value_reader *wider = NULL;
    if (r->everywhere || ms_code_class(code) == MS_CLASS_PERMANENT)
        return false;
    r->everywhere = true;
    if (open_everywhere(&r->home.site, &wider, NULL))
        return false;
    const struct ms_value_info *before = ms_value_reader_info(r->values);
    const struct ms_value_info *now = ms_value_reader_info(wider);
    bool same = before->size == now->size &&
                memcmp(before->header.write_id, now->header.write_id, MS_FRAME_WRITE_ID) == 0;
    ms_value_reader_close(same ? r->values : wider);
    if (same)
        r->values = wider;
    return same;
}

static int read_values(struct reader *r, uint64_t offset, uint8_t *into, size_t size, size_t *got,
                       struct ms_error *err)
{
    int code = ms_value_reader_read(r->values, offset, into, size, got, err);
    if (code && look_further(r, code))
        code = ms_value_reader_read(r->values, offset, into, size, got, err);
    if (!code && r->check)
        code = ms_digest_check_take(r->check, offset, ms_view(into, *got), err);
    return code;
}

/* verify = sha256: who begins at the beginning gets what is not too long by a whole load, which
 * knows where else to look for what is damaged. */
static int hold(struct reader *r, struct ms_error *err)
{
    int code = ms_immutable_load(&r->home.site, 0, MS_SIZE_TO_END, &r->held, err);
    if (code || ms_buf_size(r->held) == r->base.info.size_bytes)
        return code;
    ms_buf_unref(MS_TAKE(r->held));
    return ms_error_set(err, MS_ERR_CORRUPT, "it is of another size than its copies or shards say");
}

static int read_in_turn(struct reader *r, uint64_t offset, uint8_t *into, size_t size, size_t *got,
                        struct ms_error *err)
{
    bool whole = r->check && offset == 0 && r->base.info.size_bytes <= MS_HELD_MAX;
    int code = whole && !r->held ? hold(r, err) : 0;
    if (code || !r->held)
        return code ? code : read_values(r, offset, into, size, got, err);
    *got = ms_held_read(ms_buf_view(r->held), offset, into, size);
    return 0;
}

static int read_at(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                   size_t *got, struct ms_error *err)
{
    struct reader *r = (struct reader *)base;
    ms_turn_enter(&r->turn);
    int code = read_in_turn(r, offset, into, size, got, err);
    ms_turn_leave(&r->turn);
    return code;
}

static void close_reader(struct ms_store_reader *base)
{
    struct reader *r = (struct reader *)base;
    ms_value_reader_close(r->values);
    ms_digest_check_free(r->check);
    ms_buf_unref(r->held);
    ms_value_home_fini(&r->home);
    ms_turn_fini(&r->turn);
    free(r);
}

static const struct ms_store_reader_ops reader_ops = {.read = read_at, .close = close_reader};

static int open_reader(const struct ms_site *site, struct ms_value_reader **out, bool *everywhere,
                       struct ms_error *err)
{
    struct ms_immutable_where w;
    int code = ms_immutable_guess(site, &w, err);
    if (!code)
        code = open_from(site, &w, out, err);
    *everywhere = w.everywhere;
    ms_immutable_where_fini(&w);
    if (!code || *everywhere || ms_code_class(code) == MS_CLASS_PERMANENT)
        return code;
    *everywhere = true;
    return open_everywhere(site, out, err);
}

int ms_immutable_read(const struct ms_site *site, struct ms_store_reader **out,
                      struct ms_error *err)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading a value");
    r->base.ops = &reader_ops;
    int code = ms_value_home_init(&r->home, site, NULL, err);
    if (!code)
        code = open_reader(site, &r->values, &r->everywhere, err);
    if (!code && site->space->verify)
        code =
            ms_digest_check_new(site->key, ms_value_reader_info(r->values)->size, &r->check, err);
    if (code) {
        ms_value_reader_close(r->values);
        ms_value_home_fini(&r->home);
        free(r);
        return code;
    }
    ms_turn_init(&r->turn);
    const struct ms_value_info *info = ms_value_reader_info(r->values);
    r->base.info =
        (struct ms_item_info){.exists = true, .size_bytes = info->size, .mtime_ns = info->mtime_ns};
    if (r->check && info->size == 0) /* nobody will read it */
        code = hold(r, err);
    if (code)
        close_reader(&r->base);
    else
        *out = &r->base;
    return code;
}

int ms_immutable_hash(const struct ms_site *site, const char *algorithm, char *hex, size_t hex_size,
                      struct ms_error *err)
{
    struct ms_store_reader *reader = NULL;
    int code = ms_immutable_read(site, &reader, err);
    if (code)
        return code;
    code = ms_gather_hash(reader, algorithm, hex, hex_size, err);
    close_reader(reader);
    return code;
}
