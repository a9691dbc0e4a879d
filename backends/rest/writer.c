/* Writers of the REST driver, and temporary files.
 *
 * The protocol has no upload in pieces, so a writer collects: 16 MiB in memory, more in a temporary
 * file without a name, from which it is sent mapped. One thread. */
#include "backends/rest/rest.h"

#include "backends/collect.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/scratch_file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

int ms_rest_temporary(int *out, struct ms_error *err)
{
    return ms_scratch_file_open(out, err);
}

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
    int code = ms_rest_temporary(&w->file, err);
    if (!code)
        code = write_out(w, ms_view(w->bytes.bytes, w->bytes.size), err);
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
