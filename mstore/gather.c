/* mstore/gather.c - see mstore/gather.h. */
#include "mstore/gather.h"

#include "backends/collect.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"
#include "mstore/self.h"

#include <stdlib.h>

/* ---- writing ---- */

struct gather_writer {
    struct ms_store_writer base;
    struct ms_store *store;
    struct ms_buf *key;
    bool deleted;
    struct ms_precondition pre;
    struct ms_collect collected;
};

static void writer_abort(struct ms_store_writer *base)
{
    struct gather_writer *w = (struct gather_writer *)base;
    ms_buf_unref(w->key);
    ms_collect_fini(&w->collected);
    free(w);
}

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct gather_writer *w = (struct gather_writer *)base;
    if (bytes.size > MS_GATHER_MAX - w->collected.size)
        return ms_error_set(err, MS_ERR_TOO_LARGE,
                            "%s: a value of kind mutable has at most 1 GiB; keep larger ones in an "
                            "immutable namespace",
                            MS_SHOW(ms_buf_view(w->key)));
    return ms_collect_add(&w->collected, bytes, err);
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct gather_writer *w = (struct gather_writer *)base;
    struct ms_item_ref item = {.key = ms_buf_view(w->key), .deleted = w->deleted};
    MS_AUTO_BUF struct ms_buf *value = ms_collect_take(&w->collected);
    int code = value ? ms_self_verbs.store(w->store, item, value, &w->pre, tag, err)
                     : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    writer_abort(base);
    return code;
}

static const struct ms_store_writer_ops writer_ops = {
    .append = writer_append, .commit = writer_commit, .abort = writer_abort};

int ms_gather_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err)
{
    struct gather_writer *w = calloc(1, sizeof *w);
    struct ms_buf *key = ms_buf_copy(item.key);
    (void)size_hint;
    if (!w || !key) {
        free(w);
        ms_buf_unref(key);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a writer");
    }
    w->base.ops = &writer_ops;
    w->store = s;
    w->key = key;
    w->deleted = item.deleted;
    w->pre = *pre;
    *out = &w->base;
    return 0;
}

/* ---- reading ---- */

struct gather_reader {
    struct ms_store_reader base;
    struct ms_buf *value;
};

static int reader_read(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    struct ms_view value = ms_buf_view(((struct gather_reader *)base)->value);
    size_t from = offset < value.size ? (size_t)offset : value.size;
    (void)err;
    *got = value.size - from < size ? value.size - from : size;
    if (*got)
        memcpy(into, value.data + from, *got);
    return 0;
}

static void reader_close(struct ms_store_reader *base)
{
    ms_buf_unref(((struct gather_reader *)base)->value);
    free(base);
}

static const struct ms_store_reader_ops reader_ops = {.read = reader_read, .close = reader_close};

int ms_gather_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                   struct ms_error *err)
{
    struct gather_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a reader");
    int code = ms_self_verbs.load(s, item, 0, MS_SIZE_TO_END, &r->value, err);
    if (code) {
        free(r);
        return code;
    }
    r->base.ops = &reader_ops;
    r->base.info = (struct ms_item_info){.exists = true, .size_bytes = ms_buf_size(r->value)};
    *out = &r->base;
    return 0;
}

/* ---- hashing ---- */

int ms_gather_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                   size_t hex_size, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = NULL;
    struct ms_hash *h;
    int code = ms_hash_new(algorithm, &h, err);
    if (code)
        return code;
    code = ms_self_verbs.load(s, item, 0, MS_SIZE_TO_END, &value, err);
    if (!code)
        code = ms_hash_update(h, ms_buf_view(value), err);
    if (!code)
        code = ms_hash_hex(h, hex, hex_size, err);
    ms_hash_free(h);
    return code;
}
