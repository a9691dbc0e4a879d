/* mstore/immutable.c - see mstore/immutable.h. A load guesses where the value is; when that does
 * not suffice it asks everybody what they have and tries once more. */
#include "mstore/immutable_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"
#include "mstore/value_parts.h"

int ms_immutable_store(const struct ms_site *site, struct ms_ids *ids, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_value_shape shape;
    char hex[MS_SHA256_HEX];
    struct ms_value_rule rule = ms_immutable_rule(site);
    int code = ms_immutable_check_pre(pre, err);
    if (!code && site->space->verify)
        code = ms_sha256_hex(ms_buf_view(value), hex, err);
    if (!code && site->space->verify)
        code = ms_immutable_check_key(site, hex, err);
    if (!code)
        code = ms_immutable_new_shape(site, ids, ms_buf_size(value), &shape, err);
    if (!code)
        code = ms_immutable_revive(site, err);
    return code ? code : ms_value_store(site, &shape, &rule, value, NULL, err);
}

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

int ms_immutable_load(const struct ms_site *site, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    struct ms_value_info info = {0};
    struct ms_buf *loaded = NULL;
    int code = load(site, offset, size, &loaded, &info, err);
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
