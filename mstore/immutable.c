/* mstore/immutable.c - see mstore/immutable.h. A load guesses where the value is; when that does
 * not suffice it asks everybody what they have and tries once more. */
#include "mstore/immutable_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/held.h"
#include "mstore/tombs.h"
#include "mstore/value_parts.h"

/* ---- storing ---- */

struct storing {
    const struct ms_site *site;
    struct ms_value_shape shape;
    struct ms_value_rule rule;
    struct ms_buf *value;
    struct ms_tomb tomb;
    struct ms_value_result first;
    int look, put;
    struct ms_error look_err, put_err;
};

static int look_or_put(void *arg, size_t index)
{
    struct storing *s = arg;
    struct ms_value_rule rule = s->rule;
    rule.again = true;
    if (index == 0)
        s->look = ms_tombs_look(s->site, &s->tomb, &s->look_err);
    else
        s->put = ms_value_store(s->site, &s->shape, &rule, s->value, &s->first, &s->put_err);
    return 0;
}

/* Where a member was away a tombstone has to be taken back before the value counts. There is hardly
 * ever one, so it is looked for beside the puts; if there is, they are made once more behind it.
 * What may still come of the first is known to all by then, or the store has failed: nobody else
 * would know of it. */
static int store_in_doubt(struct storing *s, struct ms_error *err)
{
    int code = ms_parallel(2, 2, look_or_put, s, err);
    if (!code && s->look)
        code = ms_error_set(err, s->look, "%s", s->look_err.text);
    if (code)
        return code;
    if (!s->tomb.there || s->first.loose)
        return s->put ? ms_error_set(err, s->put, "%s", s->put_err.text) : 0;
    code = ms_tombs_supersede(s->site, MS_TOMBS_ANY, err);
    return code ? code : ms_value_store(s->site, &s->shape, &s->rule, s->value, NULL, err);
}

int ms_immutable_store(const struct ms_site *site, struct ms_ids *ids, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct storing s = {.site = site, .rule = ms_immutable_rule(site), .value = value};
    char hex[MS_SHA256_HEX];
    bool doubt;
    int code = ms_immutable_check_pre(pre, err);
    if (!code && site->space->verify)
        code = ms_sha256_hex(ms_buf_view(value), hex, err);
    if (!code && site->space->verify)
        code = ms_immutable_check_key(site, hex, err);
    if (!code)
        code = ms_immutable_new_shape(site, ids, ms_buf_size(value), &s.shape, err);
    if (!code)
        code = ms_immutable_no_rival(site, ms_buf_view(value), err);
    if (!code)
        code = ms_immutable_doubt(site, &doubt, err);
    if (code)
        return code;
    return doubt ? store_in_doubt(&s, err)
                 : ms_value_store(site, &s.shape, &s.rule, value, NULL, err);
}

/* ---- loading ---- */

/* Places that lack the value get it back; of a part of it, a note. */
static void mend(const struct ms_site *site, const struct ms_immutable_where *w, bool whole,
                 const struct ms_value_info *info, struct ms_buf *value)
{
    ms_value_repair(site, &w->shape, w->places, w->count, &info->header, whole ? value : NULL);
}

static bool try_elsewhere(int code, const struct ms_immutable_where *w)
{
    return code && code != MS_ERR_CONFLICT && ms_code_class(code) != MS_CLASS_PERMANENT &&
           !w->everywhere;
}

/* *out is NULL before. */
static int load_from(const struct ms_site *site, struct ms_immutable_where *w, int64_t offset,
                     uint64_t size, struct ms_buf **out, struct ms_value_info *info,
                     struct ms_error *err)
{
    struct ms_value_query query = ms_immutable_query(w);
    int code = ms_value_load(site, &query, offset, size, out, info, err);
    if (code)
        return ms_immutable_verdict(site, w, code, err);
    code = ms_immutable_believe(site, w, err);
    if (code && out) {
        ms_buf_unref(*out);
        *out = NULL;
    }
    if (code)
        return code;
    if (out)
        mend(site, w, offset == 0 && size == MS_SIZE_TO_END, info, *out);
    return 0;
}

static int load(const struct ms_site *site, int64_t offset, uint64_t size, struct ms_buf **out,
                struct ms_value_info *info, struct ms_error *err)
{
    struct ms_immutable_where w;
    int code = ms_immutable_guess(site, &w, err);
    if (!code)
        code = load_from(site, &w, offset, size, out, info, err);
    if (try_elsewhere(code, &w)) {
        ms_immutable_where_fini(&w);
        code = ms_immutable_search(site, &w, err);
        if (!code)
            code = load_from(site, &w, offset, size, out, info, err);
    }
    ms_immutable_where_fini(&w);
    return code;
}

/* A range in which the whole value is: what is not the key's is loaded once more as a whole, which
 * knows where else to look. */
static int check_range(const struct ms_site *site, struct ms_buf **loaded, struct ms_error *err)
{
    struct ms_value_info info = {0};
    char hex[MS_SHA256_HEX];
    int code = ms_sha256_hex(ms_buf_view(*loaded), hex, err);
    bool right = !code && ms_equal(site->key, ms_str(hex));
    if (right)
        return 0;
    ms_buf_unref(MS_TAKE(*loaded));
    return code ? code : load(site, 0, MS_SIZE_TO_END, loaded, &info, err);
}

int ms_immutable_load(const struct ms_site *site, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    struct ms_value_info info = {0};
    struct ms_buf *loaded = NULL;
    int code = load(site, offset, size, &loaded, &info, err);
    if (!code && site->space->verify && !(offset == 0 && size == MS_SIZE_TO_END) &&
        ms_held_is_whole(offset, size, ms_buf_size(loaded)))
        code = check_range(site, &loaded, err);
    if (!code)
        *out = loaded;
    return code;
}

int ms_immutable_info(const struct ms_site *site, struct ms_item_info *out, struct ms_error *err)
{
    struct ms_value_info info = {0};
    struct ms_error own = {0};
    int code;
    if (ms_immutable_is_direct(site)) {
        code = load(site, 0, 0, NULL, &info, &own);
    } else {
        struct ms_immutable_where w;
        code = ms_immutable_guess(site, &w, &own);
        info.size = code ? 0 : w.shape.named_size;
        ms_immutable_where_fini(&w);
        if (!code && info.size == MS_OWN_SIZE_UNKNOWN)
            code = load(site, 0, 0, NULL, &info, &own);
    }
    if (code && code != MS_ERR_NOT_FOUND)
        return ms_error_set(err, code, "%s", own.text);
    *out = (struct ms_item_info){
        .exists = code == 0, .size_bytes = info.size, .mtime_ns = info.mtime_ns};
    return 0;
}
