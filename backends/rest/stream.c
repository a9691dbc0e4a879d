/* Readers and writers of the REST driver.
 *
 * A reader fetches blocks of 8 MiB and keeps the last one, so that small reads in order cost one
 * request per block. The protocol has no tags and no times of change: a value of at most one block
 * is pinned by being read at once; of a larger one the size is checked with every block, which
 * finds a replacement of another size, not one of the same size. Reads come from many threads: the
 * mutex guards the kept block, which nobody changes.
 *
 * A writer collects, as the protocol has no upload in pieces: 16 MiB in memory, more in a
 * temporary file without a name, from which it is sent mapped. One thread. */
#include "backends/rest/rest.h"

#include "backends/collect.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

/* ---- reader ---- */

struct reader {
    struct ms_reader base;
    struct ms_mutex mutex;
    struct {
        struct ms_buf *bytes;
        uint64_t offset;
    } locked;
    struct ms_view name; /* behind the struct */
};

static int replaced(const struct reader *r, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFLICT, "%s was replaced while it was read",
                        MS_SHOW(r->name));
}

/* The value still has its size. */
static int check_size(struct reader *r, struct ms_error *err)
{
    struct ms_info now = {0};
    int code = ms_rest_head(ms_rest_of(r->base.backend), r->name, MS_VERB_LOAD, &now, err);
    if (code == MS_ERR_NOT_FOUND ||
        (!code && (now.directory || now.size_bytes != r->base.info.size_bytes)))
        return replaced(r, err);
    return code;
}

/* Exactly `size` bytes, into memory or a buffer. */
static int fetch(struct reader *r, uint64_t offset, size_t size, uint8_t *into, struct ms_buf **out,
                 struct ms_error *err)
{
    size_t got = 0;
    struct ms_buf *bytes = NULL;
    int code = ms_rest_get(ms_rest_of(r->base.backend), r->name,
                           (struct ms_rest_range){(int64_t)offset, size}, into, out ? &bytes : NULL,
                           &got, err);
    if (code == MS_ERR_NOT_FOUND || code == MS_ERR_RANGE || (!code && got != size))
        code = replaced(r, err);
    if (!code)
        code = check_size(r, err);
    if (code) {
        ms_buf_unref(bytes);
        return code;
    }
    if (out)
        *out = bytes;
    return 0;
}

/* A reference to the kept block if it holds `offset`. */
static struct ms_buf *kept_block(struct reader *r, uint64_t offset, uint64_t *begin)
{
    MS_HOLD(&r->mutex);
    struct ms_buf *kept = r->locked.bytes;
    if (!kept || offset < r->locked.offset || offset - r->locked.offset >= ms_buf_size(kept))
        return NULL;
    *begin = r->locked.offset;
    return ms_buf_ref(kept);
}

static void keep_block(struct reader *r, struct ms_buf *bytes, uint64_t offset)
{
    struct ms_buf *before = NULL, *kept = ms_buf_ref(bytes);
    {
        MS_HOLD(&r->mutex);
        before = r->locked.bytes;
        r->locked.bytes = kept;
        r->locked.offset = offset;
    }
    ms_buf_unref(before);
}

/* The block at offset: a reference to it. */
static int get_block(struct reader *r, uint64_t offset, struct ms_buf **out, uint64_t *begin,
                     struct ms_error *err)
{
    struct ms_buf *bytes = kept_block(r, offset, begin);
    if (!bytes) {
        uint64_t left = r->base.info.size_bytes - offset;
        size_t size = left < MS_REST_BLOCK_BYTES ? (size_t)left : MS_REST_BLOCK_BYTES;
        int code = fetch(r, offset, size, NULL, &bytes, err);
        if (code)
            return code;
        keep_block(r, bytes, offset);
        *begin = offset;
    }
    *out = bytes;
    return 0;
}

/* Some of the bytes at offset, out of the block that holds them. */
static int read_part(struct reader *r, uint64_t offset, uint8_t *into, size_t size, size_t *count,
                     struct ms_error *err)
{
    struct ms_buf *bytes = NULL;
    uint64_t begin = 0;
    int code = get_block(r, offset, &bytes, &begin, err);
    if (code)
        return code;
    size_t there = ms_buf_size(bytes) - (size_t)(offset - begin);
    *count = there < size ? there : size;
    memcpy(into, ms_buf_view(bytes).data + (offset - begin), *count);
    ms_buf_unref(bytes);
    return 0;
}

static int reader_read(struct ms_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    struct reader *r = (struct reader *)base;
    while (size) {
        size_t count = MS_REST_BLOCK_BYTES;
        int code = size >= count && base->info.size_bytes > count
                       ? fetch(r, offset, count, into, NULL, err)
                       : read_part(r, offset, into, size, &count, err);
        if (code)
            return code;
        offset += count;
        into += count;
        size -= count;
    }
    return 0;
}

static void reader_close(struct ms_reader *base)
{
    struct reader *r = (struct reader *)base;
    ms_buf_unref(r->locked.bytes);
    ms_mutex_fini(&r->mutex);
    free(r);
}

/* The first block, and what is known of the value by it. */
static int open_value(struct reader *r, struct ms_error *err)
{
    struct ms_rest *rest = ms_rest_of(r->base.backend);
    struct ms_buf *bytes = NULL;
    size_t got = 0;
    struct ms_rest_range first = {0, MS_REST_BLOCK_BYTES};
    int code = ms_rest_get(rest, r->name, first, NULL, &bytes, &got, err);
    if (code == MS_ERR_RANGE) { /* an empty value, for some */
        bytes = ms_buf_new(0);
        code = bytes ? 0 : ms_rest_no_memory(r->name, err);
    }
    if (code)
        return code;
    r->base.info = (struct ms_info){.exists = true, .size_bytes = got};
    r->locked.bytes = bytes;
    if (got < MS_REST_BLOCK_BYTES)
        return 0;
    code = ms_rest_head(rest, r->name, MS_VERB_LOAD, &r->base.info, err);
    if (!code && (r->base.info.directory || r->base.info.size_bytes < got))
        code = replaced(r, err);
    return code;
}

int ms_rest_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                 struct ms_error *err)
{
    static const struct ms_reader_ops ops = {reader_read, reader_close};
    struct reader *r = malloc(sizeof *r + name.size);
    if (!r)
        return ms_rest_no_memory(name, err);
    *r = (struct reader){.base = {.ops = &ops, .backend = b}};
    memcpy(r + 1, name.data, name.size);
    r->name = ms_view(r + 1, name.size);
    ms_mutex_init(&r->mutex);
    int code = open_value(r, err);
    if (code) {
        reader_close(&r->base);
        return code;
    }
    *out = &r->base;
    return 0;
}

/* ---- writer ---- */

struct writer {
    struct ms_writer base;
    struct ms_hash *hash;
    struct ms_collect bytes;
    int file; /* -1: all is in memory */
    uint64_t size;
    struct ms_view name; /* behind the struct */
};

static void writer_abort(struct ms_writer *base)
{
    struct writer *w = (struct writer *)base;
    ms_close_cleanup(&w->file);
    ms_collect_fini(&w->bytes);
    ms_hash_free(w->hash);
    free(w);
}

static int open_file(struct writer *w, const char **folder)
{
    *folder = getenv("TMPDIR");
    if (!*folder || (*folder)[0] != '/')
        *folder = "/tmp";
    w->file = open(*folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (w->file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return w->file;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/mstore-XXXXXX", *folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    w->file = mkostemp(path, O_CLOEXEC);
    if (w->file >= 0)
        (void)unlink(path);
    return w->file;
}

static int write_out(struct writer *w, struct ms_view bytes, struct ms_error *err)
{
    while (bytes.size) {
        ssize_t put = write(w->file, bytes.data, bytes.size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ms_error_errno(err, errno,
                                  "collecting %s in a temporary file (TMPDIR names its folder)",
                                  MS_SHOW(w->name));
        bytes = ms_view(bytes.data + put, bytes.size - (size_t)put);
    }
    return 0;
}

static int spill(struct writer *w, struct ms_error *err)
{
    const char *folder = NULL;
    if (open_file(w, &folder) < 0)
        return ms_error_errno(err, errno, "no temporary file in %s (TMPDIR names another folder)",
                              MS_SHOW(ms_str(folder)));
    int code = write_out(w, ms_view(w->bytes.bytes, w->bytes.size), err);
    ms_collect_fini(&w->bytes);
    return code;
}

static int writer_append(struct ms_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    int code = ms_hash_update(w->hash, bytes, err);
    if (!code && w->file < 0 && bytes.size > MS_REST_COLLECT_BYTES - w->bytes.size)
        code = spill(w, err);
    if (!code)
        code = w->file < 0 ? ms_collect_add(&w->bytes, bytes, err) : write_out(w, bytes, err);
    if (!code)
        w->size += bytes.size;
    return code;
}

static int put_file(struct writer *w, const char *hex, struct ms_error *err)
{
    void *bytes = mmap(NULL, (size_t)w->size, PROT_READ, MAP_PRIVATE, w->file, 0);
    if (bytes == MAP_FAILED)
        return ms_error_errno(err, errno, "mapping %s", MS_SHOW(w->name));
    (void)madvise(bytes, (size_t)w->size, MADV_SEQUENTIAL);
    int code = ms_rest_put(ms_rest_of(w->base.backend), w->name, ms_view(bytes, (size_t)w->size),
                           hex, true, err);
    munmap(bytes, (size_t)w->size);
    return code;
}

static int writer_commit(struct ms_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    char hex[MS_HASH_HEX_MAX];
    int code = ms_hash_hex(w->hash, hex, sizeof hex, err);
    if (!code && w->file >= 0)
        code = put_file(w, hex, err);
    else if (!code)
        code = ms_rest_put(ms_rest_of(base->backend), w->name,
                           ms_view(w->bytes.bytes, w->bytes.size), hex, false, err);
    if (!code)
        tag->text[0] = 0;
    writer_abort(base);
    return code;
}

int ms_rest_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                  const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err)
{
    static const struct ms_writer_ops ops = {writer_append, writer_commit, writer_abort};
    (void)size_hint, (void)pre;
    struct writer *w = malloc(sizeof *w + name.size);
    if (!w)
        return ms_rest_no_memory(name, err);
    *w = (struct writer){.base = {.ops = &ops, .backend = b}, .file = -1};
    memcpy(w + 1, name.data, name.size);
    w->name = ms_view(w + 1, name.size);
    int code = ms_hash_new("sha256", &w->hash, err);
    if (code) {
        writer_abort(&w->base);
        return code;
    }
    *out = &w->base;
    return 0;
}
