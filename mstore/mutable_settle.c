/* mstore/mutable_settle.c - see mstore/mutable_parts.h: which version is the newest, and making it
 * so for everybody before anybody is told. */
#include "mstore/mutable_parts.h"

#include "backends/range.h"

#include <inttypes.h>
#include <stdio.h>

#define ROUNDS 16 /* a version that vanishes has made room for a newer one: somebody is busy */

const char *ms_show_site(const struct ms_site *site, struct ms_shown_site *to)
{
    snprintf(to->text, sizeof to->text, "\"%s%s%s\"", MS_SHOW(site->space_path),
             site->space_path.size ? "/" : "", MS_SHOW(site->key));
    return to->text;
}
void ms_newest_end(struct ms_newest *n)
{
    ms_versions_free(n->seen);
    ms_buf_unref(n->value);
    *n = (struct ms_newest){0};
}

int ms_newest_list(const struct ms_site *site, bool times, struct ms_versions **out,
                   struct ms_error *err)
{
    struct ms_versions *v = NULL;
    int code = ms_versions_new(site, &v, err);
    if (code)
        return code;
    v->times = times;
    code = ms_versions_list(v, ms_versions_wanted(v), err);
    if (code)
        ms_versions_free(v);
    else
        *out = v;
    return code;
}

/* Copies the version to voters that lack it until it is complete: nobody may see an older one after
 * us. */
static int write_back(struct ms_newest *n, struct ms_buf *value, struct ms_error *err)
{
    struct ms_frames frames;
    struct ms_view bytes = value ? ms_buf_view(value) : ms_view(NULL, 0);
    bool zstd = n->seen->site->space->compress;
    int code = ms_frames_make(&n->version, zstd, bytes, &frames, err);
    if (code)
        return code;
    code = ms_versions_put(n->seen, &n->version, &frames, MS_PUT_COMPLETE, err);
    ms_frames_free(&frames);
    return code ? ms_error_prefix(err, code, "the newest version is not on enough members") : 0;
}

static int load(struct ms_newest *n, int64_t offset, uint64_t size, struct ms_buf **out,
                bool *unreadable, struct ms_error *err)
{
    int code = ms_versions_load(n->seen, &n->version, offset, size, out, err);
    *unreadable =
        code && code != MS_ERR_NOT_FOUND && code != MS_ERR_CANCELLED && code != MS_ERR_NO_MEMORY;
    return code;
}

static int take_range(struct ms_newest *n, struct ms_buf *whole, const struct ms_want *want,
                      struct ms_error *err)
{
    uint64_t start, count;
    ms_range_clip(n->version.size, want->offset, want->size, &start, &count);
    n->value = ms_buf_slice(whole, (size_t)start, (size_t)count);
    return n->value ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
}

/* Makes sure that n->version is complete, and loads what is wanted of it. *unreadable: its data
 * cannot be had. NOT_FOUND: it vanished. */
static int confirm(struct ms_newest *n, const struct ms_want *want, bool *unreadable,
                   struct ms_error *err)
{
    bool data = n->version.mark != MS_OWN_DELETED;
    struct ms_buf *whole = NULL;
    *unreadable = false;
    if (ms_versions_complete(n->seen, &n->version))
        return data && want->data ? load(n, want->offset, want->size, &n->value, unreadable, err)
                                  : 0;
    int code = data ? load(n, 0, MS_SIZE_TO_END, &whole, unreadable, err) : 0;
    if (!code)
        code = write_back(n, whole, err);
    if (!code && data && want->data)
        code = take_range(n, whole, want, err);
    ms_buf_unref(whole);
    return code;
}

/* Asks those not asked yet, when what was seen leaves it open. */
static int look_further(struct ms_newest *n, const struct ms_write_id *below, struct ms_error *err)
{
    if (ms_versions_complete(n->seen, &n->version))
        return 0;
    int code = ms_versions_look(n->seen, &n->version, err);
    (void)ms_versions_newest(n->seen, below, &n->version);
    return code;
}

int ms_newest_settle(struct ms_newest *n, const struct ms_want *want, struct ms_error *err)
{
    struct ms_write_id passed;
    const struct ms_write_id *below = NULL;
    while (ms_versions_newest(n->seen, below, &n->version)) {
        bool unreadable = false;
        int code = look_further(n, below, err);
        if (!code)
            code = confirm(n, want, &unreadable, err);
        if (unreadable && ms_versions_unasked(n->seen)) { /* others may have it whole */
            code = ms_versions_look(n->seen, NULL, err);
            if (!code)
                continue;
        }
        n->found = !code;
        if (!unreadable || !ms_versions_incomplete(n->seen, &n->version))
            return code;
        passed = n->version.id;
        below = &passed;
    }
    return 0;
}

bool ms_newest_again(struct ms_rounds *r, const struct ms_newest *n, int code)
{
    bool away = ms_code_class(code) == MS_CLASS_TRANSIENT && !r->away && n->seen &&
                !ms_versions_stale(n->seen);
    r->away = r->away || away;
    r->count++;
    if (r->count == ROUNDS)
        return false;
    return away || code == MS_ERR_NOT_FOUND || (code == MS_ERR_IO && r->count < ROUNDS / 4);
}

static bool any_silent(const struct ms_versions *v)
{
    bool any = false;
    for (unsigned i = 0; i < v->count; i++)
        any = any || (!v->voter[i].answered && v->voter[i].why.code);
    return any;
}

/* Its data cannot be had from those that answer: it is the others that are needed. */
static int name_silent(const struct ms_newest *n, int code, struct ms_error *err)
{
    struct ms_error said = {0}, silent = {0};
    if (code != MS_ERR_IO || !n->seen || !any_silent(n->seen))
        return code;
    if (err)
        said = *err;
    (void)ms_versions_refuse(
        n->seen, code, "others do not answer (bring them back, then run mstore heal)", &silent);
    return ms_error_set(err, MS_ERR_CONNECTION, "%s, and %s", said.text, silent.text);
}

int ms_newest_of(const struct ms_site *site, const struct ms_want *want, struct ms_newest *n,
                 struct ms_error *err)
{
    struct ms_rounds rounds = {0};
    int code;
    do {
        ms_newest_end(n);
        code = ms_newest_list(site, want->times, &n->seen, err);
        if (!code)
            code = ms_newest_settle(n, want, err);
    } while (ms_newest_again(&rounds, n, code));
    if (code == MS_ERR_NOT_FOUND)
        code = ms_newest_busy(err);
    code = name_silent(n, code, err);
    if (code)
        ms_newest_end(n);
    return code ? ms_error_prefix(err, code, "%s", MS_SHOW_SITE(site)) : 0;
}

int ms_newest_busy(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_BUSY, "others store it faster than it can be read");
}

void ms_version_tag(const struct ms_version *version, struct ms_tag *tag)
{
    int n = snprintf(tag->text, sizeof tag->text, "%016" PRIx64 "-%016" PRIx64, version->id.counter,
                     version->id.writer);
    if (n > 0 && version->id.next)
        snprintf(tag->text + n, sizeof tag->text - (size_t)n, "_%016" PRIx64, version->id.next);
}

void ms_newest_info(const struct ms_newest *n, struct ms_item_info *out)
{
    *out = (struct ms_item_info){.exists = true, .size_bytes = n->version.size};
    ms_version_tag(&n->version, &out->tag);
    for (unsigned i = 0; i < n->seen->count; i++) { /* the members' clocks; the latest */
        const struct ms_held *held = ms_versions_held(n->seen, i, &n->version);
        if (held && held->mtime_ns > out->mtime_ns)
            out->mtime_ns = held->mtime_ns;
    }
}

void ms_newest_tidy(struct ms_newest *n)
{
    if (n->found && ms_versions_has_debris(n->seen, &n->version))
        ms_versions_sweep(n->seen, &n->version, false);
}

int ms_mutable_not_found(const struct ms_site *site, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW_SITE(site));
}

int ms_newest_item(const struct ms_site *site, enum ms_own_mark mark, const struct ms_want *want,
                   struct ms_newest *n, struct ms_error *err)
{
    int code = ms_newest_of(site, want, n, err);
    if (code || (n->found && n->version.mark == mark))
        return code;
    ms_newest_tidy(n);
    ms_newest_end(n);
    return ms_mutable_not_found(site, err);
}
