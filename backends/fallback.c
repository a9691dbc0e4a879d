/* Generic forms of the optional slots: see fallback.h. They call the driver's slots directly, so
 * that one call of the user is counted once. No state of their own; any thread. */
#include "backends/fallback.h"

#include "backends/collect.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"

#define BLOCK_BYTES     (1u << 20)
#define VALUE_MAX_BYTES (64u << 20) /* a driver for larger values has a write slot of its own */

static int no_memory(struct ms_error *err, struct ms_view name)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %s", MS_SHOW(name));
}

/* *out is NULL before, and after a failure. */
static int open_writer(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                       const struct ms_precondition *pre, struct ms_writer **out,
                       struct ms_error *err)
{
    int code = b->ops->write ? b->ops->write(b, name, size_hint, pre, out, err)
                             : ms_fallback_write(b, name, size_hint, pre, out, err);
    if (*out)
        (*out)->backend = b;
    return code;
}

static int open_reader(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                       struct ms_error *err)
{
    int code = b->ops->read ? b->ops->read(b, name, out, err) : ms_fallback_read(b, name, out, err);
    if (*out)
        (*out)->backend = b;
    return code;
}

/* ---- a writer that collects in memory, then stores ---- */

struct collector {
    struct ms_writer base;
    struct ms_precondition pre;
    struct ms_collect bytes;
    struct ms_view name; /* behind the struct */
};

static int collect(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct collector *c = (struct collector *)w;
    if (bytes.size > VALUE_MAX_BYTES - c->bytes.size)
        return ms_error_set(err, MS_ERR_TOO_LARGE,
                            "%s: %s is larger than the 64 MiB that fit into one value here: this "
                            "storage's driver cannot write piece by piece",
                            w->backend->url, MS_SHOW(c->name));
    return ms_collect_add(&c->bytes, bytes, err);
}

static void drop_collector(struct ms_writer *w)
{
    struct collector *c = (struct collector *)w;
    ms_collect_fini(&c->bytes);
    free(c);
}

static int store_collected(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct collector *c = (struct collector *)w;
    struct ms_backend *b = w->backend;
    MS_AUTO_BUF struct ms_buf *value = ms_collect_take(&c->bytes);
    int code =
        value ? b->ops->store(b, c->name, value, &c->pre, tag, err) : no_memory(err, c->name);
    drop_collector(w);
    return code;
}

int ms_fallback_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_writer **out,
                      struct ms_error *err)
{
    static const struct ms_writer_ops ops = {collect, store_collected, drop_collector};
    (void)size_hint;
    struct collector *c = malloc(sizeof *c + name.size);
    if (!c)
        return no_memory(err, name);
    *c = (struct collector){.base = {.ops = &ops, .backend = b}, .pre = *pre};
    memcpy(c + 1, name.data, name.size);
    c->name = ms_view(c + 1, name.size);
    *out = &c->base;
    return 0;
}

/* ---- a reader by ranges, which notices a replacement ---- */

struct range_reader {
    struct ms_reader base;
    struct ms_view name; /* behind the struct */
};

/* Without tags, size and time have to do. */
static bool same_version(const struct ms_info *a, const struct ms_info *b)
{
    return strcmp(a->tag.text, b->tag.text) == 0 && a->size_bytes == b->size_bytes &&
           (a->tag.text[0] || a->mtime_ns == b->mtime_ns);
}

static int read_range(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                      struct ms_error *err)
{
    struct range_reader *rr = (struct range_reader *)r;
    struct ms_backend *b = r->backend;
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    struct ms_info now = {0};
    int code = b->ops->load(b, rr->name, (int64_t)offset, size, &bytes, &now, err);
    if (code == MS_ERR_NOT_FOUND || (code == 0 && !same_version(&now, &r->info)))
        return ms_error_set(err, MS_ERR_CONFLICT, "%s was replaced while it was read",
                            MS_SHOW(rr->name));
    if (code)
        return code;
    if (ms_buf_size(bytes) != size)
        return ms_error_set(
            err, MS_ERR_RANGE,
            "Read range error from %s (requested %zu bytes at offset %llu, got %zu)",
            MS_SHOW(rr->name), size, (unsigned long long)offset, ms_buf_size(bytes));
    memcpy(into, ms_buf_view(bytes).data, size);
    return 0;
}

static void close_range_reader(struct ms_reader *r)
{
    free(r);
}

int ms_fallback_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                     struct ms_error *err)
{
    static const struct ms_reader_ops ops = {.read = read_range, .close = close_range_reader};
    struct ms_info info = {0};
    int code = b->ops->info(b, name, &info, err);
    if (code)
        return code;
    if (!info.exists || info.directory)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
    struct range_reader *rr = malloc(sizeof *rr + name.size);
    if (!rr)
        return no_memory(err, name);
    *rr = (struct range_reader){.base = {.ops = &ops, .backend = b, .info = info}};
    memcpy(rr + 1, name.data, name.size);
    rr->name = ms_view(rr + 1, name.size);
    *out = &rr->base;
    return 0;
}

/* ---- a batch whose stores count one by one ---- */

static int batch_store(struct ms_batch *batch, struct ms_view name, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_tag tag = {0};
    return batch->backend->ops->store(batch->backend, name, value, pre, &tag, err);
}

static int batch_commit(struct ms_batch *batch, struct ms_error *err)
{
    (void)err;
    free(batch);
    return 0;
}

static void batch_abort(struct ms_batch *batch)
{
    free(batch);
}

int ms_fallback_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err)
{
    static const struct ms_batch_ops ops = {batch_store, batch_commit, batch_abort};
    struct ms_batch *batch = malloc(sizeof *batch);
    if (!batch)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch");
    *batch = (struct ms_batch){.ops = &ops, .backend = b};
    *out = batch;
    return 0;
}

/* ---- hash, compose, copy: block by block ---- */

/* Hands [offset, offset+left) of an open reader to `take`, block by block. */
static int stream(struct ms_reader *r, uint64_t offset, uint64_t left, uint8_t *block,
                  int (*take)(void *ctx, struct ms_view bytes, struct ms_error *err), void *ctx,
                  struct ms_error *err)
{
    int code = 0;
    while (!code && left) {
        size_t size = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        ms_yield();
        code = ms_check_cancelled(err);
        if (!code)
            code = r->ops->read(r, offset, block, size, err);
        if (!code)
            code = take(ctx, ms_view(block, size), err);
        offset += size;
        left -= size;
    }
    return code;
}

static int take_hash(void *ctx, struct ms_view bytes, struct ms_error *err)
{
    return ms_hash_update(ctx, bytes, err);
}

static int hash_value(struct ms_backend *b, struct ms_view name, struct ms_hash *hash,
                      struct ms_error *err)
{
    uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return no_memory(err, name);
    struct ms_reader *r = NULL;
    int code = open_reader(b, name, &r, err);
    if (r) {
        code = stream(r, 0, r->info.size_bytes, block, take_hash, hash, err);
        r->ops->close(r);
    }
    free(block);
    return code;
}

int ms_fallback_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                     size_t hex_size, struct ms_error *err)
{
    struct ms_hash *hash;
    int code = ms_hash_new(algorithm, &hash, err);
    if (code)
        return code;
    code = hash_value(b, name, hash, err);
    if (!code)
        code = ms_hash_hex(hash, hex, hex_size, err);
    ms_hash_free(hash);
    return code;
}

static int take_append(void *ctx, struct ms_view bytes, struct ms_error *err)
{
    struct ms_writer *w = ctx;
    return w->ops->append(w, bytes, err);
}

static int append_part(struct ms_backend *b, const struct ms_part *part, struct ms_writer *w,
                       uint8_t *block, struct ms_error *err)
{
    struct ms_reader *r = NULL;
    int code = open_reader(b, part->name, &r, err);
    if (!r)
        return code;
    uint64_t there = part->offset < r->info.size_bytes ? r->info.size_bytes - part->offset : 0;
    uint64_t wanted = part->size == MS_SIZE_TO_END ? there : part->size;
    if (wanted > there)
        code =
            ms_error_set(err, MS_ERR_RANGE,
                         "Read range error from %s (requested %llu bytes at offset %llu, got %llu)",
                         MS_SHOW(part->name), (unsigned long long)wanted,
                         (unsigned long long)part->offset, (unsigned long long)there);
    else
        code = stream(r, part->offset, wanted, block, take_append, w, err);
    r->ops->close(r);
    return code;
}

static int append_parts(struct ms_backend *b, const struct ms_part *parts, size_t count,
                        struct ms_writer *w, struct ms_error *err)
{
    uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a block", b->url);
    int code = 0;
    for (size_t i = 0; !code && i < count; i++)
        code = append_part(b, &parts[i], w, block, err);
    free(block);
    return code;
}

int ms_fallback_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                        struct ms_view to, const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_writer *w = NULL;
    int code = open_writer(b, to, 0, pre, &w, err);
    if (!w)
        return code;
    code = append_parts(b, parts, count, w, err);
    struct ms_tag tag = {0};
    if (!code)
        return w->ops->commit(w, &tag, err);
    w->ops->abort(w);
    return code;
}

int ms_fallback_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                     const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_part whole = {from, 0, MS_SIZE_TO_END};
    if (b->ops->compose)
        return b->ops->compose(b, &whole, 1, to, pre, err);
    return ms_fallback_compose(b, &whole, 1, to, pre, err);
}

/* ---- many deletes, one by one ---- */

int ms_fallback_remove_many(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                            struct ms_error *err)
{
    for (size_t i = 0; i < count; i++) {
        int code = ms_check_cancelled(err);
        if (code)
            return code;
        struct ms_error own = {0};
        code = b->ops->remove(b, items[i]->name, &own);
        if (code && own.code != code)
            ms_error_set(&own, code, "%s: %s", MS_SHOW(items[i]->name), ms_code_text(code));
        items[i]->result = own;
    }
    return 0;
}
