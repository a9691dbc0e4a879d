/* Reads of a pinned version: every request says If-Match, large reads go in parallel ranges. */
#include "backends/s3/s3.h"

#include "backends/readahead.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

struct fetch {
    struct ms_s3 *s;
    struct ms_view name;
    const char *etag;
    uint64_t offset;
    uint8_t *into;
    size_t size, piece;
    struct ms_mutex mutex;
    struct ms_error first; /* under mutex */
};

static int replaced(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFLICT, "%s was replaced while it was read", MS_SHOW(name));
}

static int fetch_range(struct ms_s3 *s, struct ms_view name, const char *etag, uint64_t offset,
                       uint8_t *into, size_t size, struct ms_error *err)
{
    char range[64];
    struct ms_s3_call c = {
        .verb = MS_VERB_LOAD, .method = "GET", .name = name, .into = into, .into_size = size};
    struct ms_http_answer answer;
    snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)offset,
             (unsigned long long)(offset + size - 1));
    ms_s3_header_add(&c, "range", range);
    if (etag[0])
        ms_s3_header_add(&c, "if-match", etag);
    int code = ms_s3_do(s, &c, &answer, err);
    if (code == MS_ERR_CONFLICT || code == MS_ERR_NOT_FOUND || code == MS_ERR_RANGE)
        return replaced(name, err);
    if (code)
        return code;
    struct ms_info info;
    ms_s3_info_of(&answer, &info);
    size_t got = answer.body_size;
    bool partial =
        answer.status == 206 ? ms_s3_range_is_ours(&answer, range) : offset == 0 && got == size;
    ms_http_answer_fini(&answer);
    if (!partial || got != size)
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s: the server sent another range of %s than "
                            "it was asked for",
                            s->base.url, MS_SHOW(name));
    return strcmp(info.tag.text, etag) != 0 && etag[0] && info.tag.text[0] ? replaced(name, err)
                                                                           : 0;
}

static int fetch_piece(void *arg, size_t index)
{
    struct fetch *f = arg;
    struct ms_error err = {0};
    size_t at = index * f->piece;
    size_t size = f->size - at < f->piece ? f->size - at : f->piece;
    int code = fetch_range(f->s, f->name, f->etag, f->offset + at, f->into + at, size, &err);
    if (code) {
        MS_HOLD(&f->mutex);
        if (!f->first.code)
            f->first = err;
    }
    return code;
}

int ms_s3_fetch(struct ms_s3 *s, struct ms_view name, const char *etag, uint64_t offset,
                uint8_t *into, size_t size, struct ms_error *err)
{
    if (size <= s->part_bytes)
        return size ? fetch_range(s, name, etag, offset, into, size, err) : 0;
    struct fetch f = {.s = s,
                      .name = name,
                      .etag = etag,
                      .offset = offset,
                      .into = into,
                      .size = size,
                      .piece = (size_t)s->part_bytes};
    ms_mutex_init(&f.mutex);
    int code = ms_parallel((size + f.piece - 1) / f.piece, s->parallel, fetch_piece, &f, err);
    if (code && f.first.code) {
        code = f.first.code;
        if (err)
            *err = f.first;
    }
    ms_mutex_fini(&f.mutex);
    return code;
}

/* A small value comes with the first request: its bytes are kept. */
#define FIRST_BYTES (256u * 1024)

struct reader {
    struct ms_reader base;
    struct ms_readahead ahead;
    struct ms_buf *first;
    struct ms_view name; /* behind the struct */
};

static int fetch(void *arg, uint64_t offset, uint8_t *into, size_t size, struct ms_error *err)
{
    struct reader *self = arg;
    struct ms_view first = ms_buf_view(self->first);
    if (offset < first.size) {
        size_t have = first.size - (size_t)offset;
        size_t take = have < size ? have : size;
        memcpy(into, first.data + offset, take);
        offset += take;
        into += take;
        size -= take;
    }
    return ms_s3_fetch(ms_s3_self(self->base.backend), self->name, self->base.info.tag.text, offset,
                       into, size, err);
}

static int reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    return ms_readahead_read(&((struct reader *)r)->ahead, offset, into, size, err);
}

static void reader_close(struct ms_reader *r)
{
    struct reader *self = (struct reader *)r;
    ms_readahead_fini(&self->ahead);
    ms_buf_unref(self->first);
    free(self);
}

int ms_s3_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
               struct ms_error *err)
{
    static const struct ms_reader_ops ops = {.read = reader_read, .close = reader_close};
    struct ms_info info = {0};
    struct ms_buf *first = NULL;
    int code = ms_s3_load(b, name, 0, FIRST_BYTES, &first, &info, err);
    if (code)
        return code;
    struct reader *r = malloc(sizeof *r + name.size);
    if (!r) {
        ms_buf_unref(first);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", MS_SHOW(name));
    }
    *r = (struct reader){.base = {.ops = &ops, .backend = b, .info = info}, .first = first};
    memcpy(r + 1, name.data, name.size);
    r->name = ms_view(r + 1, name.size);
    ms_readahead_init(&r->ahead, fetch, r, info.size_bytes);
    *out = &r->base;
    return 0;
}
