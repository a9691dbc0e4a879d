/* Values as objects: info, load, store, remove.
 *
 * A value written in one piece carries its SHA-256 as metadata (and as S3's own checksum where the
 * server takes it); a whole load checks it. The signature covers the bytes' hash on the way up. An
 * ETag is a tag and nothing else. */
#include "backends/s3/s3.h"

#include "backends/range.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <stdio.h>

#define WHOLE_MAX_BYTES (UINT64_C(64) << 20)
#define META_ID         "x-amz-meta-mstore-id"
#define META_SHA256     "x-amz-meta-mstore-sha256"

static int not_found(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
}

static uint64_t number(struct ms_view text)
{
    uint64_t value = 0;
    if (text.size == 0 || text.size > 19)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    return value;
}

/* Of "bytes 0-9/1234" the part behind the '/'. */
static struct ms_view total_of(struct ms_view range)
{
    const uint8_t *slash = range.size ? memchr(range.data, '/', range.size) : NULL;
    return slash ? ms_view(slash + 1, range.size - (size_t)(slash + 1 - range.data))
                 : ms_view("", 0);
}

void ms_s3_info_of(const struct ms_http_answer *answer, struct ms_info *out)
{
    struct ms_view total = total_of(ms_http_header(answer, "content-range"));
    struct ms_view tag = ms_http_header(answer, "etag");
    *out = (struct ms_info){.exists = true};
    out->size_bytes = number(total.size ? total : ms_http_header(answer, "content-length"));
    out->mtime_ns = ms_s3_http_date(ms_http_header(answer, "last-modified")) * INT64_C(1000000000);
    if (tag.size < MS_TAG_SIZE)
        memcpy(out->tag.text, tag.data, tag.size);
}

/* ---- info ---- */

int ms_s3_head(struct ms_s3 *s, struct ms_view name, struct ms_info *out, char id[33],
               struct ms_error *err)
{
    struct ms_s3_call c = {.verb = MS_VERB_INFO, .method = "HEAD", .name = name};
    struct ms_http_answer answer;
    int code = ms_s3_do(s, &c, &answer, err);
    *out = (struct ms_info){0};
    if (id)
        id[0] = 0;
    if (code == MS_ERR_NOT_FOUND)
        return 0;
    if (code)
        return code;
    ms_s3_info_of(&answer, out);
    struct ms_view said = ms_http_header(&answer, META_ID);
    if (id && said.size == 32) {
        memcpy(id, said.data, 32);
        id[32] = 0;
    }
    ms_http_answer_fini(&answer);
    return 0;
}

/* Whether anything lies below "NAME/". */
static int directory_exists(struct ms_s3 *s, struct ms_view name, bool *out, struct ms_error *err)
{
    MS_AUTO_FREE char *prefix = NULL;
    if (asprintf(&prefix, "%s%.*s/", s->prefix, (int)name.size, (const char *)name.data) < 0) {
        prefix = NULL;
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %s", MS_SHOW(name));
    }
    struct ms_s3_page page = {0};
    int code = ms_s3_page_get(s, prefix, false, NULL, NULL, 1, &page, err);
    if (!code)
        *out = page.count > 0;
    ms_s3_page_fini(&page);
    return code;
}

int ms_s3_info(struct ms_backend *b, struct ms_view name, struct ms_info *out, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    struct ms_info info;
    bool directory = false;
    int code = ms_s3_head(s, name, &info, NULL, err);
    if (!code && !info.exists)
        code = directory_exists(s, name, &directory, err);
    if (directory)
        info = (struct ms_info){.exists = true, .directory = true};
    if (!code)
        *out = info;
    return code;
}

/* ---- load ---- */

/* A part begins where it was asked to; what `range` counts from the end, the server knows better.
 * An answer with the whole value needs to say nothing. */
bool ms_s3_range_is_ours(const struct ms_http_answer *answer, const char *range)
{
    struct ms_view said = ms_http_header(answer, "content-range");
    const char *asked = range + strlen("bytes=");
    char begin[48];
    if (answer->status != 206 || *asked == '-')
        return true;
    int n = snprintf(begin, sizeof begin, "bytes %.*s-", (int)strcspn(asked, "-"), asked);
    return said.size > (size_t)n && memcmp(said.data, begin, (size_t)n) == 0;
}

/* `wanted` is of another form, or empty: the value has none. */
static int check_whole(struct ms_s3 *s, struct ms_view name, struct ms_view wanted,
                       struct ms_view value, struct ms_error *err)
{
    char hex[MS_SHA256_HEX];
    if (wanted.size != 64)
        return 0;
    int code = ms_sha256_hex(value, hex, err);
    if (!code && !ms_equal(wanted, ms_str(hex)))
        code = ms_error_set(err, MS_ERR_CORRUPT,
                            "%s: %s is damaged: its SHA-256 is not the one it was stored with",
                            s->base.url, MS_SHOW(name));
    return code;
}

/* GET of what `range` says, at most `most` bytes; `whole`: of all of it, should the server ignore
 * the range and announce the length. A range behind the end gives no bytes. The digest that the
 * whole value was stored with goes to `digest`, "" for none. */
static int get(struct ms_s3 *s, struct ms_view name, const char *range, uint64_t most,
               uint64_t whole, struct ms_buf **out, struct ms_info *info,
               char digest[MS_SHA256_HEX], struct ms_error *err)
{
    digest[0] = 0;
    struct ms_s3_call c = {.verb = MS_VERB_LOAD,
                           .method = "GET",
                           .name = name,
                           .body_max_bytes = most,
                           .whole_max_bytes = whole};
    struct ms_http_answer answer;
    ms_s3_header_add(&c, "range", range);
    int code = ms_s3_do(s, &c, &answer, err);
    if (code == MS_ERR_RANGE && c.status == 416) {
        code = ms_s3_head(s, name, info, NULL, err);
        if (!code && !info->exists)
            code = not_found(name, err);
        if (!code)
            *out = ms_buf_new(0);
        return code || *out ? code : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    }
    if (code)
        return code;
    ms_s3_info_of(&answer, info);
    struct ms_view wanted = ms_http_header(&answer, META_SHA256);
    if (wanted.size == MS_SHA256_HEX - 1)
        snprintf(digest, MS_SHA256_HEX, "%.*s", (int)wanted.size, (const char *)wanted.data);
    if (!answer.body)
        answer.body = ms_buf_new(0);
    if (!answer.body)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    else if (answer.status == 200 && info->size_bytes != ms_buf_size(answer.body))
        code = ms_error_set(err, MS_ERR_PROTOCOL, "%s: the server sent half of %s", s->base.url,
                            MS_SHOW(name));
    else if (!ms_s3_range_is_ours(&answer, range))
        code = ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s: the server sent another range of %s than it was asked for",
                            s->base.url, MS_SHOW(name));
    else if (ms_buf_size(answer.body) == info->size_bytes)
        code = check_whole(s, name, ms_str(digest), ms_buf_view(answer.body), err);
    if (!code)
        *out = MS_TAKE(answer.body);
    ms_http_answer_fini(&answer);
    return code;
}

/* The server ignored the range: cut it out here. */
static int cut(struct ms_buf **value, const struct ms_info *info, int64_t offset, uint64_t size,
               struct ms_error *err)
{
    uint64_t start, count;
    ms_range_clip(info->size_bytes, offset, size, &start, &count);
    if (ms_buf_size(*value) == count)
        return 0;
    if (ms_buf_size(*value) != info->size_bytes)
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "the server sent another range than it was asked");
    struct ms_buf *part = ms_buf_slice(*value, (size_t)start, (size_t)count);
    if (!part)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    ms_buf_unref(*value);
    *value = part;
    return 0;
}

/* A first piece, which is all of a small value; the rest of a large one in parallel. */
static int load_whole(struct ms_s3 *s, struct ms_view name, struct ms_buf **out,
                      struct ms_info *info, struct ms_error *err)
{
    char range[64], digest[MS_SHA256_HEX];
    struct ms_buf *first = NULL;
    snprintf(range, sizeof range, "bytes=0-%llu", (unsigned long long)s->part_bytes - 1);
    int code = get(s, name, range, s->part_bytes, s->load_max_bytes, &first, info, digest, err);
    if (code || ms_buf_size(first) == info->size_bytes) {
        *out = first;
        return code;
    }
    size_t got = ms_buf_size(first);
    struct ms_buf *whole = NULL;
    if (info->size_bytes > s->load_max_bytes)
        code = ms_error_set(err, MS_ERR_TOO_LARGE,
                            "the %llu bytes of %s are more than a load takes into memory: read it "
                            "in parts",
                            (unsigned long long)info->size_bytes, MS_SHOW(name));
    else if (got < info->size_bytes)
        whole = ms_buf_new((size_t)info->size_bytes);
    if (!code && !whole)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the %llu bytes of %s",
                            (unsigned long long)info->size_bytes, MS_SHOW(name));
    if (!code) {
        memcpy(ms_buf_data(whole), ms_buf_view(first).data, got);
        code = ms_s3_fetch(s, name, info->tag.text, got, ms_buf_data(whole) + got,
                           (size_t)info->size_bytes - got, err);
    }
    if (!code)
        code = check_whole(s, name, ms_str(digest), ms_buf_view(whole), err);
    ms_buf_unref(first);
    if (code)
        ms_buf_unref(whole);
    else
        *out = whole;
    return code;
}

static int load_part(struct ms_s3 *s, struct ms_view name, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    char range[64], digest[MS_SHA256_HEX];
    /* what a server may send that ignores the range */
    uint64_t last = 0, most = size < WHOLE_MAX_BYTES ? WHOLE_MAX_BYTES : size;
    if (offset < 0)
        snprintf(range, sizeof range, "bytes=%lld", (long long)offset);
    else if (size == MS_SIZE_TO_END || !ms_add_size((uint64_t)offset, size - 1, &last))
        snprintf(range, sizeof range, "bytes=%lld-", (long long)offset);
    else
        snprintf(range, sizeof range, "bytes=%lld-%llu", (long long)offset,
                 (unsigned long long)last);
    if (most > s->load_max_bytes)
        most = s->load_max_bytes;
    struct ms_buf *value = NULL;
    int code = get(s, name, range, most, 0, &value, info, digest, err);
    if (!code)
        code = cut(&value, info, offset, size, err);
    if (code)
        ms_buf_unref(value);
    else
        *out = value;
    return code;
}

int ms_s3_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
               struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    struct ms_info seen = {0};
    int code = 0;
    bool counted = offset < 0 && size != MS_SIZE_TO_END; /* from the end, and not up to it */
    if (size == 0 || counted) {
        code = ms_s3_head(s, name, &seen, NULL, err);
        if (!code && !seen.exists)
            code = not_found(name, err);
        uint64_t start = 0, count = 0;
        ms_range_clip(seen.size_bytes, offset, size, &start, &count);
        offset = (int64_t)start;
        size = count;
    }
    struct ms_buf *value = NULL;
    if (!code && size == 0) {
        value = ms_buf_new(0);
        code = value ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    } else if (!code && offset == 0 && size == MS_SIZE_TO_END) {
        code = load_whole(s, name, &value, &seen, err);
    } else if (!code) {
        code = load_part(s, name, offset, size, &value, &seen, err);
    }
    if (code)
        return code;
    *out = value;
    if (info)
        *info = seen;
    return 0;
}

/* ---- store ---- */

/* Our own value, put by an attempt whose answer was lost? */
static int settle_if_absent(struct ms_s3 *s, struct ms_view name, const char *id,
                            struct ms_tag *tag, struct ms_error *err)
{
    char there[33];
    struct ms_info info;
    int code = ms_s3_head(s, name, &info, there, err);
    if (code)
        return code;
    if (strcmp(there, id) != 0)
        return ms_error_set(err, MS_ERR_EXISTS, "%s already exists", MS_SHOW(name));
    *tag = info.tag;
    return 0;
}

static int base64_of(const char *hex, char out[64])
{
    uint8_t bytes[32];
    if (ms_hex_decode(bytes, sizeof bytes, hex))
        return MS_ERR_INTERNAL;
    EVP_EncodeBlock((uint8_t *)out, bytes, sizeof bytes);
    return 0;
}

int ms_s3_put(struct ms_s3 *s, struct ms_view name, struct ms_view value,
              const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_s3_call c = {
        .verb = MS_VERB_STORE, .method = "PUT", .name = name, .body = value, .has_body = true};
    char id[33], hex[MS_SHA256_HEX], base64[64];
    int code = ms_sha256_hex(value, hex, err);
    if (code)
        return code;
    ms_s3_header_add(&c, "content-type", "application/octet-stream");
    ms_s3_header_add(&c, META_SHA256, hex);
    if (s->quirks->checksum && base64_of(hex, base64) == 0)
        ms_s3_header_add(&c, "x-amz-checksum-sha256", base64);
    if (pre->kind == MS_IF_ABSENT) {
        ms_s3_new_id(s, id);
        ms_s3_header_add(&c, META_ID, id);
        ms_s3_header_add(&c, "if-none-match", "*");
    }
    struct ms_http_answer answer;
    code = ms_s3_do(s, &c, &answer, err);
    if (code == MS_ERR_CONFLICT && pre->kind == MS_IF_ABSENT)
        return c.maybe_before
                   ? settle_if_absent(s, name, id, tag, err)
                   : ms_error_set(err, MS_ERR_EXISTS, "%s already exists", MS_SHOW(name));
    if (code)
        return code;
    struct ms_info info;
    ms_s3_info_of(&answer, &info);
    *tag = info.tag;
    ms_http_answer_fini(&answer);
    return 0;
}

int ms_s3_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    if (pre->kind == MS_IF_TAG)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s cannot replace a value by its tag",
                            b->url);
    if (ms_buf_size(value) <= 4 * s->part_bytes || pre->kind == MS_IF_ABSENT)
        return ms_s3_put(s, name, ms_buf_view(value), pre, tag, err);
    struct ms_writer *w = NULL;
    int code = ms_s3_write(b, name, ms_buf_size(value), pre, &w, err);
    if (code)
        return code;
    w->backend = b;
    code = w->ops->append(w, ms_buf_view(value), err);
    if (!code)
        return w->ops->commit(w, tag, err);
    w->ops->abort(w);
    return code;
}
