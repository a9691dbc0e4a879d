/* Copies where the data is, by CopyObject up to 5 GiB and by UploadPartCopy beyond, of the version
 * that a HEAD saw; a move is a copy and a delete of that version, where the server can tell. */
#include "backends/s3/s3.h"

#include "backends/fallback.h"
#include "backends/s3/xml.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdio.h>

#define TRIES 5 /* when others replace the source meanwhile */

/* "/BUCKET/KEY", encoded. */
static char *source_of(const struct ms_s3 *s, struct ms_view name)
{
    char *plain = NULL;
    if (asprintf(&plain, "/%s/%s%.*s", s->bucket, s->prefix, (int)name.size,
                 (const char *)name.data) < 0)
        return NULL;
    size_t size = ms_http_encode(NULL, 0, ms_str(plain), true);
    char *out = malloc(size + 1);
    if (out)
        ms_http_encode(out, size + 1, ms_str(plain), true);
    free(plain);
    return out;
}

static int see_result(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    (void)text, (void)err;
    if (strcmp(path, "CopyObjectResult") == 0)
        *(bool *)ctx = true;
    return 0;
}

/* A 200 alone says nothing: it comes before the work, and a move deletes the source behind it. */
static int copy_small(struct ms_s3 *s, const char *source, const struct ms_info *info,
                      struct ms_view to, struct ms_error *err)
{
    bool copied = false;
    struct ms_http_answer answer;
    struct ms_s3_call c = {
        .verb = MS_VERB_COPY, .method = "PUT", .name = to, .late_error = true, .has_body = true};
    ms_s3_header_add(&c, "x-amz-copy-source", source);
    if (info->tag.text[0])
        ms_s3_header_add(&c, "x-amz-copy-source-if-match", info->tag.text);
    int code = ms_s3_do(s, &c, &answer, err);
    if (code)
        return code;
    bool whole =
        answer.body && ms_xml_walk(ms_buf_view(answer.body), see_result, &copied, NULL) == 0;
    ms_http_answer_fini(&answer);
    return whole && copied ? 0
                           : ms_error_set(err, MS_ERR_CONNECTION,
                                          "%s: the server does not say that %s was copied",
                                          s->base.url, MS_SHOW(to));
}

/* ---- in parts ---- */

struct large {
    struct ms_s3 *s;
    struct ms_view to;
    const char *source, *tag;
    uint64_t size;
    struct ms_s3_upload *upload;
};

static int take_etag(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    char **out = ctx;
    if (strcmp(path, "CopyPartResult/ETag") != 0 || *out)
        return 0;
    *out = strndup((const char *)text.data, text.size);
    return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a copy");
}

static int copy_part(void *arg, size_t index)
{
    struct large *l = arg;
    struct ms_s3_call c = {
        .verb = MS_VERB_COPY, .method = "PUT", .name = l->to, .late_error = true, .has_body = true};
    char number[16], range[64];
    uint64_t part = l->s->copy_part_bytes, from = index * part;
    uint64_t last = from + part < l->size ? from + part : l->size;
    snprintf(number, sizeof number, "%zu", index + 1);
    snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)from,
             (unsigned long long)last - 1);
    ms_s3_query_add(&c, "partNumber", number);
    ms_s3_query_add(&c, "uploadId", l->upload->id);
    ms_s3_header_add(&c, "x-amz-copy-source", l->source);
    ms_s3_header_add(&c, "x-amz-copy-source-range", range);
    if (l->tag[0])
        ms_s3_header_add(&c, "x-amz-copy-source-if-match", l->tag);
    struct ms_http_answer answer;
    int code = ms_s3_do(l->s, &c, &answer, NULL);
    if (code)
        return code;
    if (answer.body)
        code = ms_xml_walk(ms_buf_view(answer.body), take_etag, &l->upload->etags[index], NULL);
    ms_http_answer_fini(&answer);
    return code ? code : l->upload->etags[index] ? 0 : MS_ERR_PROTOCOL;
}

static int copy_large(struct ms_s3 *s, const char *source, const struct ms_info *info,
                      struct ms_view to, struct ms_error *err)
{
    struct ms_s3_upload u = {0};
    struct large l = {s, to, source, info->tag.text, info->size_bytes, &u};
    struct ms_tag tag;
    size_t count = (size_t)((info->size_bytes + s->copy_part_bytes - 1) / s->copy_part_bytes);
    int code = ms_s3_upload_begin(s, to, &u, err);
    if (code)
        return code;
    code = ms_s3_upload_room(&u, count, s->quirks->parts_max, err);
    if (!code) {
        u.count = count;
        code = ms_parallel(count, s->parallel, copy_part, &l, err);
        if (code)
            ms_error_set(err, code, "%s: copying to %s failed: %s", s->base.url, MS_SHOW(to),
                         ms_code_text(code));
    }
    if (!code)
        code = ms_s3_upload_complete(s, to, &u, false, &tag, err);
    if (code)
        ms_s3_upload_abort(s, to, &u);
    ms_s3_upload_fini(&u);
    return code;
}

/* *seen: the version that was copied. CONFLICT: the source is another by now. */
static int copy_once(struct ms_s3 *s, struct ms_view from, struct ms_view to, struct ms_info *seen,
                     struct ms_error *err)
{
    int code = ms_s3_head(s, from, seen, NULL, err);
    if (code)
        return code;
    if (!seen->exists)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(from));
    if (ms_equal(from, to))
        return 0;
    MS_AUTO_FREE char *source = source_of(s, from);
    if (!source)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to copy %s", MS_SHOW(from));
    return seen->size_bytes <= s->copy_max_bytes ? copy_small(s, source, seen, to, err)
                                                 : copy_large(s, source, seen, to, err);
}

static int copy(struct ms_s3 *s, struct ms_view from, struct ms_view to, struct ms_info *seen,
                struct ms_error *err)
{
    int code = MS_ERR_CONFLICT;
    for (int tries = 0; code == MS_ERR_CONFLICT && tries < TRIES; tries++)
        code = copy_once(s, from, to, seen, err);
    return code;
}

int ms_s3_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
               const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_info seen;
    /* a copy at the server overwrites; bytes that pass through here are put only if absent */
    return pre->kind == MS_ALWAYS ? copy(ms_s3_self(b), from, to, &seen, err)
                                  : ms_fallback_copy(b, from, to, pre, err);
}

/* A newer version than the copied one stays: it came behind the move. */
static int remove_source(struct ms_s3 *s, struct ms_view from, const struct ms_info *seen,
                         struct ms_error *err)
{
    struct ms_s3_call c = {.verb = MS_VERB_MOVE, .method = "DELETE", .name = from};
    bool pinned = s->quirks->delete_if_match && seen->tag.text[0];
    if (pinned)
        ms_s3_header_add(&c, "if-match", seen->tag.text);
    int code = ms_s3_do_quiet(s, &c, err);
    return code == MS_ERR_NOT_FOUND || (pinned && code == MS_ERR_CONFLICT) ? 0 : code;
}

int ms_s3_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
               const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    struct ms_info seen;
    if (pre->kind != MS_ALWAYS)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s cannot move only if the target is absent",
                            b->url);
    int code = copy(s, from, to, &seen, err);
    return code || ms_equal(from, to) ? code : remove_source(s, from, &seen, err);
}
