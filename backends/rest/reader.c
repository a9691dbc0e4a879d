/* Readers of the REST driver: a reader stays with its version or says CONFLICT.
 *
 * The protocol has no tags, no times of change and no conditions. What pins a version:
 *
 *   at most one block (8 MiB)   it is read in one request, and so is whole
 *   larger, with a steady       size and time of last access, as they were around the first block:
 *   time of last access         a replacement is another file over there with another such time,
 * and reading changes it once a day at most. Asked for after every block larger, without one
 * nothing: all of it is fetched in one request into a temporary file
 *
 * A time of last access is steady when reading the first block again leaves it as it is; that block
 * is read again anyway, as nothing was known of its version when it was read for the first time.
 *
 * The last block is kept, so that small reads in order cost one request per block. Reads come from
 * many threads: the mutex guards the kept block, which nobody changes. */
#include "backends/rest/rest.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <sys/mman.h>

#define SETTLE_ATTEMPTS 2 /* a value just written may show a change by its first reader, once */
#define WHOLE_ATTEMPTS  3

struct reader {
    struct ms_reader base;
    int file; /* all of the value; -1: it is fetched block by block */
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

static bool same_version(const struct ms_info *a, const struct ms_info *b)
{
    return !a->directory && !b->directory && a->size_bytes == b->size_bytes && a->atime_ns &&
           a->atime_ns == b->atime_ns;
}

/* It is still the same. */
static int check_version(struct reader *r, struct ms_error *err)
{
    struct ms_info now = {0};
    int code = ms_rest_head(ms_rest_of(r->base.backend), r->name, MS_VERB_LOAD, &now, err);
    if (code == MS_ERR_NOT_FOUND || (!code && !same_version(&now, &r->base.info)))
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
        code = check_version(r, err);
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

static int read_file(struct reader *r, uint64_t offset, uint8_t *into, size_t size,
                     struct ms_error *err)
{
    while (size) {
        ssize_t got = pread(r->file, into, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ms_error_errno(err, got ? errno : EIO, "%s: reading its temporary file",
                                  MS_SHOW(r->name));
        offset += (uint64_t)got;
        into += got;
        size -= (size_t)got;
    }
    return 0;
}

static int reader_read(struct ms_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    struct reader *r = (struct reader *)base;
    if (r->file >= 0)
        return read_file(r, offset, into, size, err);
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
    ms_close_cleanup(&r->file);
    ms_buf_unref(r->locked.bytes);
    ms_mutex_fini(&r->mutex);
    free(r);
}

/* ---- opening ---- */

/* One GET of as many bytes as the value seems to have. */
static int fetch_whole(struct reader *r, uint64_t size, size_t *got, struct ms_error *err)
{
    if (size > SIZE_MAX / 2 || ftruncate(r->file, (off_t)size) < 0)
        return ms_error_errno(err, size > SIZE_MAX / 2 ? EFBIG : errno,
                              "%s: a temporary file for it", MS_SHOW(r->name));
    void *map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, r->file, 0);
    if (map == MAP_FAILED)
        return ms_error_errno(err, errno, "mapping %s", MS_SHOW(r->name));
    int code = ms_rest_get_whole(ms_rest_of(r->base.backend), r->name, map, (size_t)size, got, err);
    munmap(map, (size_t)size);
    return code;
}

/* The whole value into a file; again when it changes its size meanwhile. */
static int keep_whole(struct reader *r, struct ms_info info, struct ms_error *err)
{
    struct ms_rest *rest = ms_rest_of(r->base.backend);
    int code = ms_rest_temporary(&r->file, err);
    for (int i = 0; !code && i < WHOLE_ATTEMPTS; i++) {
        size_t got = 0;
        struct ms_error local = {0};
        code = fetch_whole(r, info.size_bytes, &got, &local);
        if (!code && got == info.size_bytes) {
            r->base.info = info;
            return 0;
        }
        if (code && code != MS_ERR_PROTOCOL)
            return ms_error_set(err, code, "%s", local.text);
        struct ms_info before = info;
        int head = ms_rest_head(rest, r->name, MS_VERB_LOAD, &info, err);
        if (head)
            return head;
        if (code && info.size_bytes == before.size_bytes)
            return ms_error_set(err, code, "%s", local.text);
        code = info.directory || !info.size_bytes ? replaced(r, err) : 0;
    }
    return code ? code : replaced(r, err);
}

/* A value of more than one block: finds something that tells its version. */
static int pin(struct reader *r, struct ms_error *err)
{
    struct ms_rest *rest = ms_rest_of(r->base.backend);
    struct ms_info before = {0}, after = {0};
    int code = ms_rest_head(rest, r->name, MS_VERB_LOAD, &before, err);
    for (int i = 0; !code && before.atime_ns && i < SETTLE_ATTEMPTS; i++) {
        struct ms_buf *bytes = NULL;
        size_t got = 0;
        struct ms_rest_range first = {0, MS_REST_BLOCK_BYTES};
        code = ms_rest_get(rest, r->name, first, NULL, &bytes, &got, err);
        if (!code)
            code = ms_rest_head(rest, r->name, MS_VERB_LOAD, &after, err);
        if (!code && same_version(&before, &after) && got == MS_REST_BLOCK_BYTES) {
            r->base.info = after;
            r->locked.bytes = bytes;
            return 0;
        }
        ms_buf_unref(bytes);
        before = after;
    }
    if (!code && (before.directory || !before.size_bytes))
        code = replaced(r, err);
    return code ? code : keep_whole(r, before, err);
}

/* The first block: all of a small value. */
static int open_value(struct reader *r, struct ms_error *err)
{
    struct ms_buf *bytes = NULL;
    size_t got = 0;
    struct ms_rest_range first = {0, MS_REST_BLOCK_BYTES};
    struct ms_error local = {0};
    int code = ms_rest_get(ms_rest_of(r->base.backend), r->name, first, NULL, &bytes, &got, &local);
    if (code == MS_ERR_RANGE) { /* an empty value, for some */
        bytes = ms_buf_new(0);
        code = bytes ? 0 : ms_rest_no_memory(r->name, &local);
    }
    if (code)
        return ms_error_set(err, code, "%s", local.text);
    if (got < MS_REST_BLOCK_BYTES) {
        r->base.info = (struct ms_info){.exists = true, .size_bytes = got};
        r->locked.bytes = bytes;
        return 0;
    }
    ms_buf_unref(bytes);
    return pin(r, err);
}

int ms_rest_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                 struct ms_error *err)
{
    static const struct ms_reader_ops ops = {.read = reader_read, .close = reader_close};
    struct reader *r = malloc(sizeof *r + name.size);
    if (!r)
        return ms_rest_no_memory(name, err);
    *r = (struct reader){.base = {.ops = &ops, .backend = b}, .file = -1};
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
