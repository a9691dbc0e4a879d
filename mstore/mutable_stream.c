/* mstore/mutable_stream.c - mutable keys in streams: written from memory at the commit, read window
 * by window. */
#include "mstore/mutable_parts.h"

#include "backends/collect.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define ROUNDS 16

struct ms_mutable_writer {
    struct ms_mutable *keys;
    struct ms_value_home home; /* the site, kept */
    struct ms_store_value_options options;
    struct ms_collect held;
};

static int too_large(const struct ms_site *site, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_TOO_LARGE,
                        "%s: a mutable value that is written in a stream has at most %llu MiB; "
                        "store it from memory, or under an immutable key",
                        MS_SHOW_SITE(site), (unsigned long long)(MS_MUTABLE_STREAM_MAX >> 20));
}

int ms_mutable_write(struct ms_mutable *m, const struct ms_site *site, uint64_t size_hint,
                     const struct ms_store_value_options *options, struct ms_mutable_writer **out,
                     struct ms_error *err)
{
    static const struct ms_store_value_options plain = MS_STORE_VALUE_OPTIONS_INIT;
    int code = ms_mutable_check_options(site, options, err);
    if (code)
        return code;
    if (size_hint > MS_MUTABLE_STREAM_MAX)
        return too_large(site, err);
    struct ms_mutable_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    code = ms_value_home_init(&w->home, site, NULL, err);
    if (code) {
        free(w);
        return code;
    }
    w->keys = m;
    w->options = options ? *options : plain;
    *out = w;
    return 0;
}

int ms_mutable_append(struct ms_mutable_writer *w, struct ms_view bytes, struct ms_error *err)
{
    if (bytes.size > MS_MUTABLE_STREAM_MAX - w->held.size)
        return too_large(&w->home.site, err);
    return ms_collect_add(&w->held, bytes, err);
}

int ms_mutable_commit(struct ms_mutable_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_buf *value = ms_collect_take(&w->held);
    int code = value ? ms_mutable_store(w->keys, &w->home.site, value, &w->options, tag, err)
                     : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing a value");
    ms_buf_unref(value);
    ms_mutable_abort(w);
    return code;
}

void ms_mutable_abort(struct ms_mutable_writer *w)
{
    if (!w)
        return;
    ms_collect_fini(&w->held);
    ms_value_home_fini(&w->home);
    free(w);
}

int ms_mutable_read(const struct ms_site *site, bool deleted, struct ms_value_reader **out,
                    struct ms_item_info *info, struct ms_error *err)
{
    struct ms_newest n = {0};
    struct ms_want want = {.times = true};
    bool gone = true;
    int code = 0;
    for (unsigned round = 0; round < ROUNDS && gone && !code; round++) {
        ms_newest_end(&n);
        code = ms_newest_item(site, ms_mutable_mark(deleted), &want, &n, err);
        if (code)
            return code;
        code = ms_versions_reader(n.seen, &n.version, out, err);
        gone = code == MS_ERR_NOT_FOUND; /* replaced since it was listed */
        code = gone ? 0 : code;
    }
    if (!code && gone)
        code = ms_error_set(err, MS_ERR_BUSY, "others store it faster than it can be read");
    if (!code)
        ms_newest_info(&n, info);
    ms_newest_tidy(&n);
    ms_newest_end(&n);
    return code ? ms_error_prefix(err, code, "%s", MS_SHOW_SITE(site)) : 0;
}
