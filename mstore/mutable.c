/* mstore/mutable.c - see mstore/mutable.h. Each verb is a few steps of mstore/versions.h: list,
 * settle on the newest version, put a higher one, let go of what lies below. */
#include "mstore/mutable_parts.h"

#include "base/cleanup.h"
#include "base/sync.h"

#include <stdlib.h>

#define WRITER_HIGH (UINT64_C(1) << 63)

struct ms_mutable {
    struct ms_mutex mutex;
    struct ms_random random; /* guarded by mutex */
};

int ms_mutable_new(uint64_t seed, struct ms_mutable **out, struct ms_error *err)
{
    struct ms_mutable *m = calloc(1, sizeof *m);
    if (!m)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for mutable keys");
    ms_mutex_init(&m->mutex);
    ms_random_seed(&m->random, seed);
    *out = m;
    return 0;
}

void ms_mutable_free(struct ms_mutable *m)
{
    if (!m)
        return;
    ms_mutex_fini(&m->mutex);
    free(m);
}

/* One for each write, so that two at once by one client differ. What copies a value that it has
 * read loses against a store which saw the same versions. */
static uint64_t new_writer(struct ms_mutable *m, bool copies)
{
    MS_HOLD(&m->mutex);
    uint64_t random = ms_random_u64(&m->random);
    return copies ? random & ~WRITER_HIGH : random | WRITER_HIGH;
}

/* ---- putting a higher one ------------------------------------------------------------------ */

int ms_mutable_next(struct ms_mutable *m, const struct ms_versions *seen, uint64_t size,
                    enum ms_own_mark mark, bool copies, struct ms_version *out,
                    struct ms_error *err)
{
    const struct ms_layout_space *space = seen->site->space;
    uint64_t top = ms_versions_counter(seen);
    if (top == UINT64_MAX)
        return ms_error_set(err, MS_ERR_CORRUPT, "its counter of versions is used up");
    *out = (struct ms_version){.id = {top + 1, new_writer(m, copies)}, .size = size, .mark = mark};
    if (mark == MS_OWN_DELETED)
        return 0;
    out->k = space->redundancy == MS_REDUNDANCY_EC ? space->k : 1;
    out->m = space->redundancy == MS_REDUNDANCY_EC ? space->m : 0;
    return 0;
}

/* Puts a version above what `seen` has. MS_ERR_TIMEOUT and *begun false: list again. */
static int put_above(struct ms_mutable *m, struct ms_versions *seen, struct ms_buf *value,
                     enum ms_own_mark mark, bool copies, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_version version;
    struct ms_frames frames;
    uint64_t size = value ? ms_buf_size(value) : 0;
    struct ms_view bytes = value ? ms_buf_view(value) : ms_view(NULL, 0);
    int code = ms_mutable_next(m, seen, size, mark, copies, &version, err);
    if (!code && ms_versions_stale(seen))
        code = ms_error_set(err, MS_ERR_TIMEOUT, "it took too long to read it; try again");
    if (!code)
        code = ms_frames_make(&version, seen->site->space->compress, bytes, &frames, err);
    if (code)
        return ms_error_prefix(err, code, "%s: nothing was changed", MS_SHOW_SITE(seen->site));
    code = ms_versions_put(seen, &version, &frames, MS_PUT_NEW, err);
    ms_frames_free(&frames);
    if (code)
        return ms_error_prefix(err, code, "%s: it may have been %s or not (load it to see)",
                               MS_SHOW_SITE(seen->site),
                               mark == MS_OWN_DELETED ? "deleted" : "stored");
    ms_versions_sweep(seen, &version, false);
    if (tag)
        ms_version_tag(&version, tag);
    return 0;
}

int ms_mutable_list(const struct ms_site *site, struct ms_versions **out, struct ms_error *err)
{
    int code = ms_newest_list(site, false, out, err);
    return code ? ms_error_prefix(err, code, "%s: nothing was changed", MS_SHOW_SITE(site)) : 0;
}

/* ---- verbs --------------------------------------------------------------------------------- */

int ms_mutable_store(struct ms_mutable *m, const struct ms_site *site, struct ms_buf *value,
                     const struct ms_store_value_options *options, struct ms_tag *tag,
                     struct ms_error *err)
{
    struct ms_versions *seen = NULL;
    if (ms_mutable_has_condition(options))
        return ms_mutable_store_if(m, site, value, options, tag, err);
    int code = ms_mutable_list(site, &seen, err);
    if (!code)
        code = put_above(m, seen, value, ms_mutable_mark(options && options->deleted), false, tag,
                         err);
    ms_versions_free(seen);
    return code;
}

int ms_mutable_load(struct ms_mutable *m, const struct ms_site *site,
                    const struct ms_load_options *options, struct ms_buf **out,
                    struct ms_error *err)
{
    static const struct ms_load_options all = MS_LOAD_OPTIONS_INIT;
    const struct ms_load_options *o = options ? options : &all;
    struct ms_want want = {.data = true, .offset = o->offset, .size = o->size};
    struct ms_newest n = {0};
    (void)m;
    int code = ms_newest_item(site, ms_mutable_mark(o->deleted), &want, &n, err);
    if (code)
        return code;
    *out = MS_TAKE(n.value);
    ms_newest_tidy(&n);
    ms_newest_end(&n);
    return 0;
}

int ms_mutable_info(struct ms_mutable *m, const struct ms_site *site, bool deleted,
                    struct ms_item_info *out, struct ms_error *err)
{
    struct ms_newest n = {0};
    (void)m;
    int code = ms_newest_of(site, &(struct ms_want){.times = true}, &n, err);
    if (code)
        return code;
    *out = (struct ms_item_info){0};
    if (n.found && n.version.mark == ms_mutable_mark(deleted))
        ms_newest_info(&n, out);
    ms_newest_tidy(&n);
    ms_newest_end(&n);
    return 0;
}

int ms_mutable_delete(struct ms_mutable *m, const struct ms_site *site, bool deleted,
                      struct ms_error *err)
{
    struct ms_newest n = {0};
    int code = ms_mutable_list(site, &n.seen, err);
    if (!code && (!ms_versions_newest(n.seen, NULL, &n.version) ||
                  n.version.mark != ms_mutable_mark(deleted))) /* to say so it must be certain */
        code = ms_newest_item(site, ms_mutable_mark(deleted), &(struct ms_want){0}, &n, err);
    if (!code)
        code = put_above(m, n.seen, NULL, MS_OWN_DELETED, false, NULL, err);
    ms_newest_end(&n);
    return code;
}

/* Puts the item once more, under another mark. */
static int change_mark(struct ms_mutable *m, const struct ms_site *site, enum ms_own_mark from,
                       enum ms_own_mark to, struct ms_error *err)
{
    struct ms_newest n = {0};
    int code = ms_newest_of(site, &MS_WANT_ALL, &n, err);
    if (!code && n.found && n.version.mark == to && to == MS_OWN_LIVE)
        code = ms_error_set(err, MS_ERR_EXISTS, "%s already exists", MS_SHOW_SITE(site));
    if (!code && (!n.found || n.version.mark != from))
        code = ms_mutable_not_found(site, err);
    if (!code)
        code = put_above(m, n.seen, n.value, to, true, NULL, err);
    ms_newest_end(&n);
    return code;
}

static bool same_key(const struct ms_site *a, const struct ms_site *b)
{
    return ms_equal(a->space_path, b->space_path) && ms_equal(a->key, b->key);
}

static int rename_item(struct ms_mutable *m, const struct ms_site *site, const struct ms_site *to,
                       enum ms_own_mark mark, struct ms_error *err)
{
    struct ms_newest n = {0};
    struct ms_versions *target = NULL;
    int code = ms_newest_item(site, mark, &MS_WANT_ALL, &n, err);
    if (code || same_key(site, to)) {
        ms_newest_end(&n);
        return code;
    }
    code = ms_mutable_list(to, &target, err);
    if (!code)
        code = put_above(m, target, n.value, mark, false, NULL, err);
    if (!code)
        code = put_above(m, n.seen, NULL, MS_OWN_DELETED, true, NULL, err);
    ms_versions_free(target);
    ms_newest_end(&n);
    return code;
}

int ms_mutable_move(struct ms_mutable *m, enum ms_move how, const struct ms_site *site,
                    const struct ms_site *to, bool deleted, struct ms_error *err)
{
    struct ms_newest n = {0};
    switch (how) {
    case MS_MOVE_SOFT_DELETE:
        return change_mark(m, site, MS_OWN_LIVE, MS_OWN_SOFT_DELETED, err);
    case MS_MOVE_UNDELETE:
        return change_mark(m, site, MS_OWN_SOFT_DELETED, MS_OWN_LIVE, err);
    case MS_MOVE_RENAME:
        return rename_item(m, site, to, ms_mutable_mark(deleted), err);
    case MS_MOVE_CHANGE_LEVEL: /* names have one level: nothing to do */
    default: {
        int code = ms_newest_item(site, ms_mutable_mark(deleted), &(struct ms_want){0}, &n, err);
        ms_newest_end(&n);
        return code;
    }
    }
}
