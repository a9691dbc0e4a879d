/* mstore/gather.c - see mstore/gather.h. */
#include "mstore/gather.h"

#include "backends/collect.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/scratch_file.h"
#include "mstore/self.h"

#include <stdlib.h>
#include <unistd.h>

#define STEP (256u * 1024)

/* ---- writing ---- */

struct gather_writer {
    struct ms_store_writer base;
    struct ms_store *store;
    struct ms_buf *key;
    bool deleted;
    struct ms_precondition pre;
    struct ms_collect held;
    int file;         /* -1: all is in `held` */
    uint64_t written; /* bytes of the file */
    int failed;
};

static void writer_abort(struct ms_store_writer *base)
{
    struct gather_writer *w = (struct gather_writer *)base;
    ms_buf_unref(w->key);
    ms_collect_fini(&w->held);
    if (w->file >= 0)
        close(w->file);
    free(w);
}

static int to_file(struct gather_writer *w, struct ms_view bytes, struct ms_error *err)
{
    int code = ms_scratch_file_write(w->file, w->written, bytes, err);
    w->written += bytes.size;
    return code;
}

/* From memory to a file. */
static int begin_file(struct gather_writer *w, struct ms_error *err)
{
    int code = ms_scratch_file_open(&w->file, err);
    if (!code)
        code = to_file(w, ms_view(w->held.bytes, w->held.size), err);
    ms_collect_fini(&w->held);
    w->held = (struct ms_collect){0};
    return code;
}

static int take(struct gather_writer *w, struct ms_view bytes, struct ms_error *err)
{
    int code = 0;
    if (w->file < 0 && bytes.size <= MS_MUTABLE_HELD - w->held.size)
        return ms_collect_add(&w->held, bytes, err);
    if (w->file < 0)
        code = begin_file(w, err);
    return code ? code : to_file(w, bytes, err);
}

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct gather_writer *w = (struct gather_writer *)base;
    if (w->failed)
        return ms_error_set(err, w->failed, "an append has failed before: begin again");
    w->failed = take(w, bytes, err);
    return w->failed;
}

static int commit_held(struct gather_writer *w, struct ms_item_ref item, struct ms_tag *tag,
                       struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = ms_collect_take(&w->held);
    return value ? ms_self_verbs.store(w->store, item, value, &w->pre, tag, err)
                 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct gather_writer *w = (struct gather_writer *)base;
    struct ms_item_ref item = {.key = ms_buf_view(w->key), .deleted = w->deleted};
    struct ms_tag own;
    int code = w->failed;
    if (code)
        ms_error_set(err, code, "an append has failed before: begin again");
    else if (w->file < 0)
        code = commit_held(w, item, tag ? tag : &own, err);
    else
        code =
            ms_self_store_file(w->store, item, w->file, w->written, &w->pre, tag ? tag : &own, err);
    writer_abort(base);
    return code;
}

int ms_gather_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err)
{
    static const struct ms_store_writer_ops ops = {
        .append = writer_append, .commit = writer_commit, .abort = writer_abort};
    struct gather_writer *w = calloc(1, sizeof *w);
    struct ms_buf *key = ms_buf_copy(item.key);
    (void)size_hint;
    if (!w || !key) {
        free(w);
        ms_buf_unref(key);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a writer");
    }
    w->base.ops = &ops;
    w->store = s;
    w->key = key;
    w->deleted = item.deleted;
    w->pre = *pre;
    w->file = -1;
    *out = &w->base;
    return 0;
}

/* ---- hashing ---- */

int ms_gather_hash(struct ms_store_reader *r, const char *algorithm, char *hex, size_t hex_size,
                   struct ms_error *err)
{
    struct ms_hash *hash = NULL;
    MS_AUTO_FREE uint8_t *bytes = malloc(STEP);
    size_t got = STEP;
    int code = bytes ? ms_hash_new(algorithm, &hash, err)
                     : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for hashing a value");
    for (uint64_t offset = 0; !code && got == STEP; offset += got) {
        code = r->ops->read(r, offset, bytes, STEP, &got, err);
        if (!code)
            code = ms_hash_update(hash, ms_view(bytes, got), err);
    }
    if (!code)
        code = ms_hash_hex(hash, hex, hex_size, err);
    ms_hash_free(hash);
    return code;
}
