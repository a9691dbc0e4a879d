/* store/store_face.c - see mstore/store_face.h. */
#include "store/store_face.h"

#include "backends/range.h"

#include <stdlib.h>

struct ms_info ms_face_info(const struct ms_item_info *item)
{
    return (struct ms_info){.exists = item->exists,
                            .size_bytes = item->size_bytes,
                            .mtime_ns = item->mtime_ns,
                            .atime_ns = item->atime_ns,
                            .tag = item->tag};
}

/* ---- load ---- */

/* A part of the version that *info is about. */
static int load_with_info(struct ms_store *s, struct ms_view key, bool deleted, int64_t offset,
                          uint64_t size, struct ms_buf **out, struct ms_info *info,
                          struct ms_error *err)
{
    struct ms_store_reader *r = NULL;
    uint64_t start, count;
    size_t got = 0;
    int code = ms_store_read(s, key, deleted, &r, err);
    if (code)
        return code;
    *info = ms_face_info(ms_store_reader_info(r));
    ms_range_clip(info->size_bytes, offset, size, &start, &count);
    struct ms_buf *value = ms_buf_new((size_t)count);
    if (!value)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    if (!code && count)
        code = ms_store_reader_read(r, start, ms_buf_data(value), (size_t)count, &got, err);
    if (!code && got < count)
        code = ms_error_set(err, MS_ERR_CONFLICT, "it has got shorter while it was read");
    ms_store_reader_close(r);
    if (code)
        ms_buf_unref(value);
    else
        *out = value;
    return code;
}

int ms_face_load(struct ms_store *s, struct ms_view key, bool deleted, int64_t offset,
                 uint64_t size, struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    if (info)
        return load_with_info(s, key, deleted, offset, size, out, info, err);
    o.offset = offset;
    o.size = size;
    o.deleted = deleted;
    return ms_store_load(s, key, &o, out, err);
}

/* ---- a value in the making ---- */

struct face_writer {
    struct ms_writer base;
    struct ms_store_writer *inner;
};

static int writer_append(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    return ms_store_writer_append(((struct face_writer *)w)->inner, bytes, err);
}

static int writer_commit(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    int code = ms_store_writer_commit(((struct face_writer *)w)->inner, tag, err);
    free(w);
    return code;
}

static void writer_abort(struct ms_writer *w)
{
    ms_store_writer_abort(((struct face_writer *)w)->inner);
    free(w);
}

int ms_face_write(struct ms_backend *b, struct ms_store *s, struct ms_view key, uint64_t size_hint,
                  const struct ms_store_value_options *options, struct ms_writer **out,
                  struct ms_error *err)
{
    static const struct ms_writer_ops ops = {
        .append = writer_append, .commit = writer_commit, .abort = writer_abort};
    struct face_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a writer", b->url);
    int code = ms_store_write(s, key, size_hint, options, &w->inner, err);
    if (code) {
        free(w);
        return code;
    }
    w->base = (struct ms_writer){.ops = &ops, .backend = b};
    *out = &w->base;
    return 0;
}

/* ---- one version of a value ---- */

struct face_reader {
    struct ms_reader base;
    struct ms_store_reader *inner;
};

static int reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    size_t got = 0;
    int code =
        ms_store_reader_read(((struct face_reader *)r)->inner, offset, into, size, &got, err);
    if (!code && got < size)
        code = ms_error_set(err, MS_ERR_CONFLICT, "%s: it has got shorter while it was read",
                            r->backend->url);
    return code;
}

static void reader_close(struct ms_reader *r)
{
    ms_store_reader_close(((struct face_reader *)r)->inner);
    free(r);
}

int ms_face_read(struct ms_backend *b, struct ms_store *s, struct ms_view key, bool deleted,
                 struct ms_reader **out, struct ms_error *err)
{
    static const struct ms_reader_ops ops = {.read = reader_read, .close = reader_close};
    struct face_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a reader", b->url);
    int code = ms_store_read(s, key, deleted, &r->inner, err);
    if (code) {
        free(r);
        return code;
    }
    r->base = (struct ms_reader){
        .ops = &ops, .backend = b, .info = ms_face_info(ms_store_reader_info(r->inner))};
    *out = &r->base;
    return 0;
}
