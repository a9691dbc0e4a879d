/* Streaming writes: a temporary in the value's folder, made durable, then renamed. Where it is
 * known how long it will be its room is reserved first: a full disk says so before any byte was
 * sent, and the caller can go elsewhere. One thread a writer. */
#include "backends/posix/posix.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>

/* Start writing out what was written, so that the fsync at the end finds little left to do. */
#define WRITE_OUT_BYTES (8u << 20)

/* Smaller ones find out soon enough. */
#define RESERVE_BYTES (256u << 10)

struct writer {
    struct ms_writer base;
    struct ms_posix_dir dir;
    int fd;
    bool if_absent;
    uint64_t reserved, written, written_out;
    char temp[24], last[256];
    size_t name_size;
    uint8_t name[];
};

static struct ms_view writer_name(const struct writer *w)
{
    return ms_view(w->name, w->name_size);
}

static void drop(struct writer *w, bool temp_left)
{
    if (temp_left)
        (void)unlinkat(w->dir.fd, w->temp, 0); /* a sweep will find what stays */
    if (w->fd >= 0)
        close(w->fd);
    ms_posix_close_dir(&w->dir);
    free(w);
}

static int writer_append(struct ms_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    struct ms_posix *p = ms_posix_self(base->backend);
    if (ms_posix_write_all(p, w->fd, bytes) < 0)
        return ms_posix_error(err, errno, "write", writer_name(w));
    w->written += bytes.size;
    if (p->sync != MS_SYNC_NONE && w->written - w->written_out >= WRITE_OUT_BYTES) {
        (void)sync_file_range(w->fd, (off_t)w->written_out, (off_t)(w->written - w->written_out),
                              SYNC_FILE_RANGE_WRITE); /* a hint */
        w->written_out = w->written;
    }
    return 0;
}

/* Makes the temporary durable and closes it; its tag. */
static int finish_temp(struct writer *w, enum ms_posix_sync sync, struct ms_tag *tag)
{
    struct stat st;
    struct ms_info info;
    if (w->written < w->reserved && ftruncate(w->fd, (off_t)w->written) < 0) /* gives room back */
        return -1;
    if (sync != MS_SYNC_NONE && fsync(w->fd) < 0)
        return -1;
    if (fstat(w->fd, &st) < 0)
        return -1;
    ms_posix_fill_info(&st, &info);
    *tag = info.tag;
    /* a network file system may tell of a full disk here */
    return close(ms_take_fd(&w->fd));
}

static int writer_commit(struct ms_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    struct ms_posix *p = ms_posix_self(base->backend);
    int code = 0;
    if (finish_temp(w, p->sync, tag) < 0)
        code = ms_posix_error(err, errno, "write", writer_name(w));
    else if (ms_posix_publish(w->dir.fd, w->temp, w->dir.fd, w->last, w->if_absent) < 0)
        code = ms_posix_error(err, errno, "store", writer_name(w));
    if (code) {
        drop(w, true);
        return code;
    }
    if (ms_posix_sync_dir(p, w->dir.fd, ms_name_parent(writer_name(w))) < 0)
        code = ms_posix_error(err, errno, "sync the folder of", writer_name(w));
    drop(w, false);
    return code;
}

static void writer_abort(struct ms_writer *base)
{
    drop((struct writer *)base, true);
}

/* The folder may vanish between its opening and the temporary: then all over again. */
static int start(struct ms_posix *p, struct writer *w)
{
    for (int tries = 0;; tries++) {
        if (ms_posix_open_parent(p, writer_name(w), true, &w->dir, w->last) < 0)
            return -1;
        w->fd = ms_posix_make_temp(w->dir.fd, w->temp);
        if (w->fd >= 0)
            return 0;
        int failed = errno;
        ms_posix_close_dir(&w->dir);
        errno = failed;
        if (failed != ENOENT || tries == MS_POSIX_TRIES)
            return -1;
    }
}

/* Room for so many bytes; the file stays as long as what is in it. A file system that cannot
 * reserve any says while it is written what it would say here. -1 and errno. */
static int reserve(struct writer *w, uint64_t bytes)
{
    int rc;
    if (bytes <= RESERVE_BYTES || bytes > INT64_MAX)
        return 0;
    do
        rc = fallocate(w->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -1 : 0;
    w->reserved = bytes;
    return 0;
}

int ms_posix_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                   const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err)
{
    static const struct ms_writer_ops ops = {writer_append, writer_commit, writer_abort};
    struct ms_posix *p = ms_posix_self(b);
    struct writer *w = malloc(sizeof *w + name.size);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to store %s", MS_SHOW(name));
    w->base = (struct ms_writer){.ops = &ops, .backend = b};
    w->if_absent = pre->kind == MS_IF_ABSENT;
    w->reserved = w->written = w->written_out = 0;
    w->name_size = name.size;
    memcpy(w->name, name.data, name.size);
    if (start(p, w) < 0) {
        int failed = errno == ENOTDIR ? EEXIST : errno;
        free(w);
        if (failed == EEXIST)
            return ms_error_set(err, MS_ERR_EXISTS,
                                "cannot store %s: a part of its path is a value", MS_SHOW(name));
        return ms_posix_error(err, failed, "store", name);
    }
    if (reserve(w, size_hint) < 0) {
        int code = ms_posix_error(err, errno, "store", name);
        drop(w, true);
        return code;
    }
    *out = &w->base;
    return 0;
}
