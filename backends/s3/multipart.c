/* The writer of large values: parts go up in parallel while the next is filled.
 *
 * A value that fits into one part is one PUT, so that a small value costs one request. Parts grow
 * with their number: 10 000 of them hold 359 GiB, or what the size hint says. Memory: one part
 * being filled and as much on its way as `parallel` parts of the first size, or one part. An upload
 * that is given up is aborted; one whose process died stays at the server until sweep removes it.
 */
#include "backends/s3/s3.h"

#include "backends/s3/xml.h"
#include "base/assert.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdio.h>

/* ---- one upload: begin, complete, abort ---- */

struct upload_answer {
    char *id, *etag;
};

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an upload");
}

static int take_leaf(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    struct upload_answer *a = ctx;
    char **to = strcmp(path, "InitiateMultipartUploadResult/UploadId") == 0 ? &a->id
                : strcmp(path, "CompleteMultipartUploadResult/ETag") == 0   ? &a->etag
                                                                            : NULL;
    if (!to || *to)
        return 0;
    *to = strndup((const char *)text.data, text.size);
    return *to ? 0 : no_memory(err);
}

int ms_s3_upload_begin(struct ms_s3 *s, struct ms_view name, struct ms_s3_upload *u,
                       struct ms_error *err)
{
    struct ms_s3_call c = {.verb = MS_VERB_STORE, .method = "POST", .name = name, .has_body = true};
    struct ms_http_answer answer;
    struct upload_answer said = {0};
    ms_s3_new_id(s, u->token);
    ms_s3_query_add(&c, "uploads", "");
    ms_s3_header_add(&c, "content-type", "application/octet-stream");
    ms_s3_header_add(&c, "x-amz-meta-mstore-id", u->token);
    int code = ms_s3_do(s, &c, &answer, err);
    if (code)
        return code;
    if (answer.body)
        code = ms_xml_walk(ms_buf_view(answer.body), take_leaf, &said, err);
    ms_http_answer_fini(&answer);
    free(said.etag);
    if (!code && (!said.id || !said.id[0]))
        code = ms_error_set(err, MS_ERR_PROTOCOL, "%s: the server begins an upload without an id",
                            s->base.url);
    if (code)
        free(said.id);
    else
        u->id = said.id;
    return code;
}

int ms_s3_upload_room(struct ms_s3_upload *u, size_t count, size_t parts_max, struct ms_error *err)
{
    if (count > parts_max)
        return ms_error_set(err, MS_ERR_TOO_LARGE,
                            "an S3 value has at most %zu parts here; give a larger part_size",
                            parts_max);
    if (count <= u->room)
        return 0;
    size_t room = count < 64 ? 64 : count * 2;
    char **larger = realloc(u->etags, room * sizeof *larger);
    if (!larger)
        return no_memory(err);
    memset(larger + u->room, 0, (room - u->room) * sizeof *larger);
    u->etags = larger;
    u->room = room;
    return 0;
}

void ms_s3_upload_fini(struct ms_s3_upload *u)
{
    for (size_t i = 0; i < u->room; i++)
        free(u->etags[i]);
    free(u->etags);
    free(u->id);
    *u = (struct ms_s3_upload){0};
}

/* Also when cancelled: nothing may stay behind. */
void ms_s3_upload_abort(struct ms_s3 *s, struct ms_view name, struct ms_s3_upload *u)
{
    if (!u->id)
        return;
    struct ms_cancel *token = ms_cancel_swap(NULL);
    struct ms_s3_call c = {.verb = MS_VERB_STORE, .method = "DELETE", .name = name};
    ms_s3_query_add(&c, "uploadId", u->id);
    (void)ms_s3_do_quiet(s, &c, NULL);
    ms_cancel_swap(token);
}

static char *complete_body(const struct ms_s3_upload *u)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    bool good = true;
    fputs("<CompleteMultipartUpload>", f);
    for (size_t i = 0; i < u->count && good; i++) {
        MS_AUTO_FREE char *etag = u->etags[i] ? ms_xml_escape(ms_str(u->etags[i])) : NULL;
        good = etag && fprintf(f, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i + 1,
                               etag) > 0;
    }
    fputs("</CompleteMultipartUpload>", f);
    good = !ferror(f) && good;
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

/* The answer to an earlier attempt was lost: is the value there, and ours? */
static int settle(struct ms_s3 *s, struct ms_view name, const struct ms_s3_upload *u,
                  struct ms_tag *tag, int code, struct ms_error *err)
{
    char there[33];
    struct ms_info info;
    if (ms_s3_head(s, name, &info, there, NULL) == 0 && strcmp(there, u->token) == 0) {
        *tag = info.tag;
        return 0;
    }
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, MS_ERR_CONNECTION, "%s: the upload of %s was lost", s->base.url,
                            MS_SHOW(name));
    return code;
}

int ms_s3_upload_complete(struct ms_s3 *s, struct ms_view name, struct ms_s3_upload *u,
                          bool if_absent, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_FREE char *body = complete_body(u);
    if (!body)
        return no_memory(err);
    struct ms_s3_call c = {.verb = MS_VERB_STORE,
                           .method = "POST",
                           .name = name,
                           .body = ms_str(body),
                           .has_body = true,
                           .late_error = true};
    struct ms_http_answer answer;
    struct upload_answer said = {0};
    ms_s3_query_add(&c, "uploadId", u->id);
    ms_s3_header_add(&c, "content-type", "application/xml");
    if (if_absent)
        ms_s3_header_add(&c, "if-none-match", "*");
    int code = ms_s3_do(s, &c, &answer, err);
    if (code == MS_ERR_CONFLICT && if_absent && !c.maybe_before)
        return ms_error_set(err, MS_ERR_EXISTS, "%s already exists", MS_SHOW(name));
    if (code && (c.maybe_before || code == MS_ERR_NOT_FOUND)) {
        code = settle(s, name, u, tag, code, err);
        return code == MS_ERR_CONFLICT && if_absent
                   ? ms_error_set(err, MS_ERR_EXISTS, "%s already exists", MS_SHOW(name))
                   : code;
    }
    if (code)
        return code;
    if (answer.body)
        (void)ms_xml_walk(ms_buf_view(answer.body), take_leaf, &said, NULL);
    ms_http_answer_fini(&answer);
    if (!said.etag) { /* a 200 comes before the work: is it there? */
        free(said.id);
        return settle(s, name, u, tag, MS_ERR_NOT_FOUND, err);
    }
    *tag = (struct ms_tag){{0}};
    if (said.etag && strlen(said.etag) < MS_TAG_SIZE)
        memcpy(tag->text, said.etag, strlen(said.etag));
    free(said.id);
    free(said.etag);
    return 0;
}

/* ---- the writer ---- */

struct writer {
    struct ms_writer base;
    struct ms_precondition pre;
    uint64_t size_hint;
    uint8_t *part; /* being filled */
    size_t filled, room;
    struct ms_group *group; /* NULL until the first part left */
    struct ms_s3_upload upload;
    struct ms_mutex mutex;
    struct ms_cond moved;
    uint64_t in_flight;    /* bytes of parts; under mutex, and the next */
    struct ms_error first; /* of a part that failed */
    struct ms_view name;   /* behind the struct */
};

struct part {
    struct writer *w;
    size_t index;
    uint8_t *bytes;
    size_t size;
};

uint64_t ms_s3_part_size(uint64_t part_bytes, size_t parts_max, uint64_t size_hint, size_t index)
{
    uint64_t hinted = size_hint / (parts_max - parts_max / 10);
    uint64_t grown = part_bytes * (index < 2000 ? 1 : index / 1000);
    uint64_t size = hinted > grown ? hinted : grown;
    uint64_t block = UINT64_C(1) << 20;
    return (size + block - 1) / block * block;
}

static size_t part_size(const struct writer *w, size_t index)
{
    const struct ms_s3 *s = ms_s3_self(w->base.backend);
    return (size_t)ms_s3_part_size(s->part_bytes, s->quirks->parts_max, w->size_hint, index);
}

static int put_part(struct part *p, char **etag, struct ms_error *err)
{
    struct writer *w = p->w;
    struct ms_s3_call c = {.verb = MS_VERB_STORE,
                           .method = "PUT",
                           .name = w->name,
                           .body = ms_view(p->bytes, p->size),
                           .has_body = true};
    struct ms_http_answer answer;
    char number[24];
    snprintf(number, sizeof number, "%zu", p->index + 1);
    ms_s3_query_add(&c, "partNumber", number);
    ms_s3_query_add(&c, "uploadId", w->upload.id);
    int code = ms_s3_do(ms_s3_self(w->base.backend), &c, &answer, err);
    if (code)
        return code;
    struct ms_view said = ms_http_header(&answer, "etag");
    *etag = said.size ? strndup((const char *)said.data, said.size) : NULL;
    if (said.size && !*etag)
        code = no_memory(err);
    else if (!*etag)
        code = ms_error_set(err, MS_ERR_PROTOCOL, "%s: the server takes a part without an ETag",
                            w->base.backend->url);
    ms_http_answer_fini(&answer);
    return code;
}

static int run_part(void *arg)
{
    struct part *p = arg;
    struct writer *w = p->w;
    struct ms_error err = {0};
    char *etag = NULL;
    int code = put_part(p, &etag, &err);
    MS_HOLD(&w->mutex);
    if (!code)
        w->upload.etags[p->index] = etag;
    else if (!w->first.code)
        w->first = err;
    return code;
}

static void part_done(void *arg)
{
    struct part *p = arg;
    struct writer *w = p->w;
    free(p->bytes);
    MS_HOLD(&w->mutex);
    if (!w->upload.etags[p->index] && !w->first.code)
        ms_error_set(&w->first, MS_ERR_CANCELLED, "cancelled");
    w->in_flight -= p->size;
    free(p);
    ms_cond_broadcast(&w->moved);
}

/* Waits until the next part may go; the first failure of any part ends the value. Large parts go
 * fewer at once, so that memory does not grow with them. */
static int take_place(struct writer *w, size_t index, struct ms_error *err)
{
    const struct ms_s3 *s = ms_s3_self(w->base.backend);
    uint64_t most = s->part_bytes * s->parallel;
    MS_HOLD(&w->mutex);
    while (w->in_flight && w->in_flight + w->filled > most && !w->first.code)
        ms_cond_wait(&w->moved, &w->mutex);
    if (w->first.code) {
        if (err)
            *err = w->first;
        return w->first.code;
    }
    int code = ms_s3_upload_room(&w->upload, index + 1, s->quirks->parts_max, err);
    if (!code)
        w->in_flight += w->filled;
    return code;
}

static int begin(struct writer *w, struct ms_error *err)
{
    if (w->upload.id)
        return 0;
    struct ms_s3 *s = ms_s3_self(w->base.backend);
    if (w->pre.kind == MS_IF_ABSENT && !s->quirks->complete_if_absent)
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s: a value larger than part_size (%llu bytes) cannot be stored only "
                            "if absent at this provider",
                            s->base.url, (unsigned long long)s->part_bytes);
    int code = ms_group_new(&w->group, err);
    return code ? code : ms_s3_upload_begin(s, w->name, &w->upload, err);
}

/* Sends the part that was filled on its way. */
static int send_part(struct writer *w, struct ms_error *err)
{
    int code = begin(w, err);
    if (code)
        return code;
    size_t index = w->upload.count;
    code = take_place(w, index, err);
    if (code)
        return code;
    struct part *p = malloc(sizeof *p);
    if (p) {
        *p = (struct part){w, index, w->part, w->filled};
        code = ms_group_fork(w->group, run_part, part_done, p, err);
    } else {
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a part");
    }
    if (code) {
        free(p);
        MS_HOLD(&w->mutex);
        w->in_flight -= w->filled;
        return code;
    }
    w->upload.count++;
    w->part = NULL;
    w->filled = w->room = 0;
    return 0;
}

/* Room in the part being filled: small at first, since most values are small. */
static int grow(struct writer *w, size_t wanted, struct ms_error *err)
{
    size_t whole = part_size(w, w->upload.count), room = w->room ? w->room * 2 : 64 * 1024;
    if (w->upload.count)
        room = whole;
    while (room < w->filled + wanted && room < whole)
        room *= 2;
    if (room > whole)
        room = whole;
    if (room <= w->room)
        return 0;
    uint8_t *larger = realloc(w->part, room);
    if (!larger)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a part");
    w->part = larger;
    w->room = room;
    return 0;
}

static int writer_append(struct ms_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    int code = 0;
    while (!code && bytes.size) {
        size_t whole = part_size(w, w->upload.count);
        if (w->filled == whole) { /* only when more follows, so the last part is never empty */
            code = send_part(w, err);
            continue;
        }
        size_t take = bytes.size < whole - w->filled ? bytes.size : whole - w->filled;
        if (w->room < w->filled + take)
            code = grow(w, take, err);
        if (code)
            break;
        ms_assert(w->part);
        memcpy(w->part + w->filled, bytes.data, take);
        w->filled += take;
        bytes = ms_view(bytes.data + take, bytes.size - take);
    }
    return code;
}

/* No part is on its way afterwards. */
static void settle_parts(struct writer *w)
{
    struct ms_join join;
    if (w->group) {
        ms_group_join_all(w->group, &join);
        MS_HOLD(&w->mutex);
        while (w->in_flight)
            ms_cond_wait(&w->moved, &w->mutex);
    }
}

static void drop(struct writer *w, bool abort_upload)
{
    if (abort_upload && w->group)
        ms_group_cancel(w->group);
    settle_parts(w);
    if (abort_upload)
        ms_s3_upload_abort(ms_s3_self(w->base.backend), w->name, &w->upload);
    if (w->group)
        ms_group_release(w->group);
    ms_s3_upload_fini(&w->upload);
    ms_cond_fini(&w->moved);
    ms_mutex_fini(&w->mutex);
    free(w->part);
    free(w);
}

static int commit_parts(struct writer *w, struct ms_tag *tag, struct ms_error *err)
{
    int code = w->filled ? send_part(w, err) : 0;
    settle_parts(w);
    if (!code && w->first.code) {
        code = w->first.code;
        if (err)
            *err = w->first;
    }
    if (!code)
        code = ms_s3_upload_complete(ms_s3_self(w->base.backend), w->name, &w->upload,
                                     w->pre.kind == MS_IF_ABSENT, tag, err);
    return code;
}

static int writer_commit(struct ms_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    struct ms_s3 *s = ms_s3_self(base->backend);
    int code = w->upload.id ? commit_parts(w, tag, err)
                            : ms_s3_put(s, w->name, ms_view(w->part, w->filled), &w->pre, tag, err);
    drop(w, code != 0);
    return code;
}

static void writer_abort(struct ms_writer *base)
{
    drop((struct writer *)base, true);
}

int ms_s3_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err)
{
    static const struct ms_writer_ops ops = {writer_append, writer_commit, writer_abort};
    if (pre->kind == MS_IF_TAG)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s cannot replace a value by its tag",
                            b->url);
    struct writer *w = calloc(1, sizeof *w + name.size);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to store %s", MS_SHOW(name));
    w->base = (struct ms_writer){.ops = &ops, .backend = b};
    w->pre = *pre;
    w->size_hint = size_hint;
    memcpy(w + 1, name.data, name.size);
    w->name = ms_view(w + 1, name.size);
    ms_mutex_init(&w->mutex);
    ms_cond_init(&w->moved);
    *out = &w->base;
    return 0;
}
