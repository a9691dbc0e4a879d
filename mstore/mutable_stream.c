/* mstore/mutable_stream.c - mutable keys in streams: read window by window, written from a file. A
 * writer cannot go to the members as it goes: the name of a version says how long it is, and which
 * one is the next is known only when the value is there. */
#include "mstore/mutable_parts.h"

#include "base/cleanup.h"
#include "base/scratch_file.h"
#include "mstore/follow.h"
#include "mstore/gather.h"
#include "mstore/turn.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define STEP (256u * 1024)
/* From the listing to the commit: far less than a deletion is kept (MS_VERSIONS_GRACE_NS), so that
 * nothing comes back that was deleted meanwhile. */
#define STREAM_LIFE_NS (UINT64_C(86400) * 1000000000)

/* ---- reading -------------------------------------------------------------------------------- */

struct reader {
    struct ms_store_reader base;
    struct ms_buf *value; /* all of it; NULL: */
    struct ms_value_reader *values;
    struct ms_turn turn;
};

static int read_at(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                   size_t *got, struct ms_error *err)
{
    struct reader *r = (struct reader *)base;
    if (r->value) {
        *got = ms_held_read(ms_buf_view(r->value), offset, into, size);
        return 0;
    }
    ms_turn_enter(&r->turn);
    int code = ms_value_reader_read(r->values, offset, into, size, got, err);
    ms_turn_leave(&r->turn);
    return code == MS_ERR_NOT_FOUND ? ms_error_set(err, MS_ERR_CONFLICT,
                                                   "it was replaced while it was read: begin again")
                                    : code;
}

static void close_reader(struct ms_store_reader *base)
{
    struct reader *r = (struct reader *)base;
    if (r->values)
        ms_value_reader_close(r->values);
    ms_buf_unref(r->value);
    ms_turn_fini(&r->turn);
    free(r);
}

/* The newest item, and its bytes or a reader. An error with n->seen: these cannot be had. */
static int open_once(const struct ms_site *site, bool deleted, struct ms_newest *n,
                     struct reader *r, struct ms_error *err)
{
    struct ms_want want = {.times = true};
    int code = ms_newest_item(site, ms_mutable_mark(deleted), &want, n, err);
    if (code)
        return code;
    code = n->version.size <= MS_MUTABLE_HELD
               ? ms_versions_load(n->seen, &n->version, 0, MS_SIZE_TO_END, &r->value, err)
               : ms_versions_reader(n->seen, &n->version, &r->values, err);
    return code ? ms_error_prefix(err, code, "%s", MS_SHOW_SITE(site)) : 0;
}

static int open_newest(const struct ms_site *site, bool deleted, struct reader *r,
                       struct ms_error *err)
{
    struct ms_newest n = {0};
    struct ms_rounds rounds = {0};
    int code;
    do {
        ms_newest_end(&n);
        code = open_once(site, deleted, &n, r, err);
    } while (n.seen && ms_newest_again(&rounds, &n, code));
    if (code == MS_ERR_NOT_FOUND && n.seen)
        code = ms_error_prefix(err, ms_newest_busy(err), "%s", MS_SHOW_SITE(site));
    if (!code)
        ms_newest_info(&n, &r->base.info);
    if (!code)
        ms_newest_tidy(&n);
    ms_newest_end(&n);
    return code;
}

int ms_mutable_read(const struct ms_site *site, bool deleted, struct ms_store_reader **out,
                    struct ms_error *err)
{
    static const struct ms_store_reader_ops ops = {.read = read_at, .close = close_reader};
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading a value");
    r->base.ops = &ops;
    ms_turn_init(&r->turn);
    int code = open_newest(site, deleted, r, err);
    if (code) {
        close_reader(&r->base);
        return code;
    }
    *out = &r->base;
    return 0;
}

int ms_mutable_hash(const struct ms_site *site, bool deleted, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err)
{
    struct ms_store_reader *r = NULL;
    int code = ms_mutable_read(site, deleted, &r, err);
    if (code)
        return code;
    code = ms_gather_hash(r, algorithm, hex, hex_size, err);
    close_reader(r);
    return code;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int feed(struct ms_value_writer *w, int file, uint64_t size, struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *bytes = malloc(STEP);
    int code = bytes ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    for (uint64_t offset = 0; offset < size && !code;) {
        size_t part = size - offset < STEP ? (size_t)(size - offset) : STEP;
        code = ms_scratch_file_read(file, offset, bytes, part, err);
        if (!code)
            code = ms_value_writer_append(w, ms_view(bytes, part), err);
        offset += part;
    }
    return code;
}

/* What lies below goes, once it is seen that the version is durable; who has missed it is noted. */
static void sweep_below(const struct ms_site *site, const struct ms_version *version)
{
    struct ms_versions *v = NULL;
    if (ms_newest_list(site, false, &v, NULL))
        return;
    if (!ms_versions_look(v, NULL, NULL)) {
        ms_versions_note(v, version, true);
        ms_versions_sweep(v, version, false);
    }
    ms_versions_free(v);
}

static int stream_version(const struct ms_versions *seen, const struct ms_version *version,
                          int file, struct ms_error *err)
{
    struct ms_value_writer *w = NULL;
    struct ms_value_result result = {0};
    struct ms_clock *clock = seen->site->roster->clock;
    unsigned needed;
    int code = ms_versions_writer(seen, version, &needed, &w, err);
    if (code)
        return code;
    code = feed(w, file, version->size, err);
    if (!code && ms_clock_now(clock) - seen->listed_ns > STREAM_LIFE_NS)
        code = ms_error_set(err, MS_ERR_TIMEOUT, "it took more than a day to write it");
    if (code) {
        ms_value_writer_abort(w);
        return ms_error_prefix(err, code, "nothing was changed");
    }
    code = ms_value_writer_commit(w, &result, err);
    unsigned holders = result.placed + (!code && ms_versions_witness(seen, version));
    if (!code && holders < seen->count / 2 + 1)
        code = ms_error_set(err, MS_ERR_CONNECTION, "%u of %u members have it and %u are needed",
                            holders, seen->count, seen->count / 2 + 1);
    return code ? ms_error_prefix(err, code, "it may have been stored or not (load it to see)") : 0;
}

/* While two layouts are in force. */
static int store_from_memory(struct ms_mutable *m, const struct ms_site *site, int file,
                             uint64_t size, const struct ms_store_value_options *options,
                             struct ms_tag *tag, struct ms_error *err)
{
    if (size > MS_MUTABLE_JOINT_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE,
                            "%s: a mutable value of more than 1 GiB cannot be stored while the "
                            "store's layout is being changed; try again later",
                            MS_SHOW_SITE(site));
    MS_AUTO_BUF struct ms_buf *value = ms_buf_new((size_t)size);
    int code = value ? ms_scratch_file_read(file, 0, ms_buf_data(value), (size_t)size, err)
                     : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    return code ? code : ms_mutable_store(m, site, value, options, tag, err);
}

int ms_mutable_store_file(struct ms_mutable *m, const struct ms_site *site, int file, uint64_t size,
                          const struct ms_store_value_options *options, struct ms_tag *tag,
                          struct ms_error *err)
{
    struct ms_versions *seen = NULL;
    struct ms_version version;
    if (ms_mutable_has_condition(options) && size > MS_FOLLOW_VALUE_MAX)
        return ms_mutable_too_large(site, err);
    if (site->joint || ms_mutable_has_condition(options))
        return store_from_memory(m, site, file, size, options, tag, err);
    int code = ms_mutable_list(site, &seen, err);
    if (code)
        return code;
    code = ms_mutable_next(m, seen, size, ms_mutable_mark(options && options->deleted), false,
                           &version, err);
    if (!code)
        code = stream_version(seen, &version, file, err);
    ms_versions_free(seen);
    if (code)
        return ms_error_prefix(err, code, "%s", MS_SHOW_SITE(site));
    sweep_below(site, &version);
    if (tag)
        ms_version_tag(&version, tag);
    return 0;
}
