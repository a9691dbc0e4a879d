/* mstore/member_backend.c - see mstore/member_backend.h. Slots that stay empty are served by the
 * generic fallbacks over the others. */
#include "mstore/member_backend.h"

#include "base/text.h"

#include <stdlib.h>

struct face {
    struct ms_backend base;
    struct ms_member *member;
};

static struct ms_member *member_of(struct ms_backend *b)
{
    return ((struct face *)b)->member;
}

static int refuse(struct ms_backend *b, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: a member is made and destroyed by its store",
                        b->url);
}

static int nothing(struct ms_backend *b, struct ms_error *err)
{
    (void)b;
    (void)err;
    return 0;
}

static void face_free(struct ms_backend *b)
{
    ms_member_unref(member_of(b));
    free(b);
}

static void face_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    ms_member_capabilities(member_of(b), out);
    out->flags |= MS_CAP_IF_ABSENT | MS_CAP_IF_TAG | MS_CAP_MOVE_IF_ABSENT;
    out->name_max_bytes = MS_NAME_MAX;
}

static int face_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_member_mkdir(member_of(b), name, err);
}

static int face_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_member_rmdir(member_of(b), name, err);
}

static int face_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                     struct ms_error *err)
{
    return ms_member_info(member_of(b), name, out, err);
}

static int face_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    return ms_member_load(member_of(b), name, offset, size, out, info, err);
}

static int face_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    return ms_member_store(member_of(b), name, value, pre, tag, err);
}

static int face_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_member_delete(member_of(b), name, err);
}

/* Where the storage cannot move only if absent (an undelete asks for it), it is looked first: exact
 * as long as one client at a time writes the key, which is what kind plain is for. */
static int face_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                     const struct ms_precondition *pre, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_info there = {0};
    struct ms_capabilities can;
    int code = pre->kind == MS_IF_ABSENT ? ms_member_info(member_of(b), to, &there, err) : 0;
    if (code)
        return code;
    if (there.exists)
        return ms_error_set(err, MS_ERR_EXISTS, "%s: %s already exists", b->url, MS_SHOW(to));
    ms_member_capabilities(member_of(b), &can);
    if (pre->kind == MS_IF_ABSENT && !(can.flags & MS_CAP_MOVE_IF_ABSENT))
        pre = &always;
    return ms_member_move(member_of(b), from, to, pre, err);
}

static int face_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                     size_t hex_size, struct ms_error *err)
{
    return ms_member_hash(member_of(b), name, algorithm, hex, hex_size, err);
}

static int face_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                      struct ms_error *err)
{
    return ms_member_usage(member_of(b), total_bytes, free_bytes, err);
}

static int face_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed,
                      struct ms_error *err)
{
    return ms_member_sweep(member_of(b), age_ns, removed, err);
}

/* ---- streams ---- */

struct face_lister {
    struct ms_lister base;
    struct ms_member_lister inner;
};

static int lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    return ms_member_list_next(&((struct face_lister *)l)->inner, out, err);
}

static void lister_close(struct ms_lister *l)
{
    ms_member_list_close(&((struct face_lister *)l)->inner);
    free(l);
}

static const struct ms_lister_ops lister_ops = {.next = lister_next, .close = lister_close};

static int face_list(struct ms_backend *b, struct ms_view name,
                     const struct ms_list_request *request, struct ms_lister **out,
                     struct ms_error *err)
{
    struct face_lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a listing", b->url);
    int code = ms_member_list_open(member_of(b), name, request, &l->inner, err);
    if (code) {
        free(l);
        return code;
    }
    l->base = (struct ms_lister){&lister_ops, b};
    *out = &l->base;
    return 0;
}

struct face_writer {
    struct ms_writer base;
    struct ms_member_writer inner;
};

static int writer_append(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    return ms_member_append(&((struct face_writer *)w)->inner, bytes, err);
}

static int writer_commit(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    int code = ms_member_commit(&((struct face_writer *)w)->inner, tag, err);
    free(w);
    return code;
}

static void writer_abort(struct ms_writer *w)
{
    ms_member_abort(&((struct face_writer *)w)->inner);
    free(w);
}

static const struct ms_writer_ops writer_ops = {
    .append = writer_append, .commit = writer_commit, .abort = writer_abort};

static int face_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_writer **out,
                      struct ms_error *err)
{
    struct face_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a writer", b->url);
    int code = ms_member_write(member_of(b), name, size_hint, pre, &w->inner, err);
    if (code) {
        free(w);
        return code;
    }
    w->base = (struct ms_writer){.ops = &writer_ops, .backend = b};
    *out = &w->base;
    return 0;
}

struct face_reader {
    struct ms_reader base;
    struct ms_member_reader inner;
};

static int reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    size_t got;
    return ms_member_read_at(&((struct face_reader *)r)->inner, offset, into, size, &got, err);
}

static void reader_close(struct ms_reader *r)
{
    ms_member_read_close(&((struct face_reader *)r)->inner);
    free(r);
}

static const struct ms_reader_ops reader_ops = {.read = reader_read, .close = reader_close};

static int face_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                     struct ms_error *err)
{
    struct face_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a reader", b->url);
    int code = ms_member_read(member_of(b), name, &r->inner, err);
    if (code) {
        free(r);
        return code;
    }
    r->base = (struct ms_reader){&reader_ops, b, *ms_reader_info(r->inner.reader)};
    *out = &r->base;
    return 0;
}

static const struct ms_backend_ops face_ops = {
    .create = refuse,
    .destroy = refuse,
    .open = nothing,
    .close = nothing,
    .free = face_free,
    .capabilities = face_capabilities,
    .mkdir = face_mkdir,
    .rmdir = face_rmdir,
    .info = face_info,
    .load = face_load,
    .store = face_store,
    .remove = face_remove,
    .move = face_move,
    .list = face_list,
    .write = face_write,
    .read = face_read,
    .hash = face_hash,
    .usage = face_usage,
    .sweep = face_sweep,
};

int ms_member_backend_new(struct ms_member *m, struct ms_backend **out, struct ms_error *err)
{
    struct face *f = calloc(1, sizeof *f);
    if (!f)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for member %s", ms_member_name(m));
    f->base = (struct ms_backend){.ops = &face_ops, .clock = ms_member_clock(m), .inner = true};
    memcpy(f->base.url, ms_member_url(m), sizeof f->base.url);
    f->member = ms_member_ref(m);
    *out = &f->base;
    return 0;
}
