/* Values of the posix driver: one regular file each, written beside as "tmp????????.tmp", then
 * renamed. Any thread. */
#include "backends/posix/posix.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>

#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY) /* a FIFO must not hang us */

static int64_t to_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void ms_posix_fill_info(const struct stat *st, struct ms_info *out)
{
    *out = (struct ms_info){.exists = true,
                            .directory = S_ISDIR(st->st_mode),
                            .mtime_ns = to_ns(st->st_mtim),
                            .atime_ns = to_ns(st->st_atim)};
    if (out->directory)
        return;
    out->size_bytes = (uint64_t)st->st_size;
    /* not the time of change: a rename sets it */
    snprintf(out->tag.text, sizeof out->tag.text, "%llx-%llx-%llx", (unsigned long long)st->st_ino,
             (unsigned long long)st->st_size, (unsigned long long)out->mtime_ns);
}

int ms_posix_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                  struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = ms_posix_open(ms_posix_self(b), name, O_PATH);
    *out = (struct ms_info){0};
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return ms_posix_error(err, errno, "look at", name);
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        ms_posix_fill_info(&st, out);
    return 0;
}

/* ---- reading ---- */

/* Opens a regular file; anything else is not found. */
static int open_value(struct ms_backend *b, struct ms_view name, int *fd, struct stat *st,
                      struct ms_error *err)
{
    *fd = ms_posix_open(ms_posix_self(b), name, READ_FLAGS);
    if (*fd < 0 && errno == ENXIO)
        errno = ENOENT; /* a FIFO or socket */
    if (*fd < 0 || fstat(*fd, st) < 0)
        return ms_posix_error(err, errno, "read", name);
    if (!S_ISREG(st->st_mode))
        return ms_posix_error(err, ENOENT, "read", name);
    return 0;
}

/* Reads up to size bytes; a file cut short meanwhile gives fewer. -1 and errno. */
static ssize_t read_all(int fd, uint8_t *into, size_t size, uint64_t offset)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, into + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int ms_posix_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                  struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = -1;
    struct stat st;
    int code = open_value(b, name, &fd, &st, err);
    if (code)
        return code;
    uint64_t there = (uint64_t)st.st_size, from;
    if (offset < 0)
        from = -(uint64_t)offset > there ? 0 : there + (uint64_t)offset;
    else
        from = (uint64_t)offset > there ? there : (uint64_t)offset;
    if (size > there - from)
        size = there - from;
    MS_AUTO_BUF struct ms_buf *buf = size <= SSIZE_MAX ? ms_buf_new(size) : NULL;
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY,
                            "no memory for %llu bytes of %s; read it in parts",
                            (unsigned long long)size, MS_SHOW(name));
    ssize_t got = size ? read_all(fd, ms_buf_data(buf), size, from) : 0;
    if (got < 0)
        return ms_posix_error(err, errno, "read", name);
    ms_buf_truncate(buf, (size_t)got);
    ms_backend_count_moved(b, (uint64_t)got, 0);
    if (info)
        ms_posix_fill_info(&st, info);
    *out = MS_TAKE(buf);
    return 0;
}

/* Values are never written in place: they are renamed over. */
int ms_posix_open_file(struct ms_backend *b, struct ms_view name, int *fd, struct ms_info *info,
                       struct ms_error *err)
{
    MS_AUTO_CLOSE int opened = -1;
    struct stat st;
    int code = open_value(b, name, &opened, &st, err);
    if (code)
        return code;
    ms_posix_fill_info(&st, info);
    ms_backend_count_moved(b, info->size_bytes, 0);
    *fd = ms_take_fd(&opened);
    return 0;
}

struct reader {
    struct ms_reader base;
    int fd;
};

static int reader_read(struct ms_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    ssize_t got = read_all(((struct reader *)base)->fd, into, size, offset);
    if (got < 0)
        return ms_error_errno(err, errno, "cannot read on");
    ms_backend_count_moved(base->backend, (uint64_t)got, 0);
    if ((size_t)got < size)
        return ms_error_set(err, MS_ERR_CONFLICT, "the file was cut short while it was read");
    return 0;
}

static void reader_close(struct ms_reader *base)
{
    close(((struct reader *)base)->fd);
    free(base);
}

int ms_posix_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                  struct ms_error *err)
{
    static const struct ms_reader_ops ops = {reader_read, reader_close};
    MS_AUTO_CLOSE int fd = -1;
    struct stat st;
    int code = open_value(b, name, &fd, &st, err);
    if (code)
        return code;
    struct reader *r = malloc(sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", MS_SHOW(name));
    r->base = (struct ms_reader){.ops = &ops, .backend = b};
    ms_posix_fill_info(&st, &r->base.info);
    r->fd = ms_take_fd(&fd);
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
    *out = &r->base;
    return 0;
}

/* ---- writing ---- */

static void random_name(char temp[24])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static __thread struct ms_random random;
    static __thread bool seeded;
    if (!seeded) {
        uint64_t seed = (uint64_t)(uintptr_t)&random;
        if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
            seed ^= (uint64_t)getpid() << 32; /* O_EXCL makes up for a poor one */
        ms_random_seed(&random, seed);
        seeded = true;
    }
    memcpy(temp, "tmp........\0", 12);
    for (int i = 3; i < 11; i++)
        temp[i] = letters[ms_random_below(&random, 36)];
    memcpy(temp + 11, ".tmp", 5);
}

int ms_posix_make_temp(int dir, char temp[24])
{
    for (int tries = 0; tries < 100; tries++) {
        random_name(temp);
        int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0 || (errno != EEXIST && errno != EINTR))
            return fd;
    }
    return -1;
}

int ms_posix_write_all(struct ms_posix *p, int fd, struct ms_view bytes)
{
    while (bytes.size) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        ms_backend_count_moved(&p->base, 0, (uint64_t)n);
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return 0;
}

int ms_posix_publish(int dir, const char *temp, int to_dir, const char *last, bool if_absent)
{
    if (!if_absent)
        return renameat(dir, temp, to_dir, last);
    if (renameat2(dir, temp, to_dir, last, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* a file system without it: a link is as exclusive */
    if (linkat(dir, temp, to_dir, last, 0) < 0)
        return -1;
    return unlinkat(dir, temp, 0);
}

int ms_posix_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                   const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_writer *w;
    int code = ms_posix_write(b, name, 0, pre, &w, err); /* all comes at once: nothing to reserve */
    if (code)
        return code;
    code = w->ops->append(w, ms_buf_view(value), err);
    if (!code)
        return w->ops->commit(w, tag, err);
    w->ops->abort(w);
    return code;
}

/* ---- removing and moving ---- */

int ms_posix_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_posix *p = ms_posix_self(b);
    struct ms_posix_dir dir;
    char last[256];
    if (ms_posix_open_parent(p, name, false, &dir, last) < 0)
        return ms_posix_error(err, errno, "delete", name);
    int failed = 0;
    if (unlinkat(dir.fd, last, 0) < 0)
        failed = errno == EISDIR ? ENOENT : errno;
    else if (ms_posix_sync_dir(p, dir.fd, ms_name_parent(name)) < 0)
        failed = errno;
    ms_posix_close_dir(&dir);
    return failed ? ms_posix_error(err, failed, "delete", name) : 0;
}

static int move_between(struct ms_posix *p, struct ms_view from,
                        const struct ms_posix_dir *from_dir, const char *from_last,
                        struct ms_view to, const struct ms_posix_dir *to_dir, const char *to_last,
                        bool if_absent, struct ms_error *err)
{
    struct stat st;
    if (fstatat(from_dir->fd, from_last, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ms_posix_error(err, errno, "move", from);
    if (!S_ISREG(st.st_mode))
        return ms_posix_error(err, ENOENT, "move", from);
    if (ms_posix_publish(from_dir->fd, from_last, to_dir->fd, to_last, if_absent) < 0)
        return ms_posix_error(err, errno, "move", errno == EEXIST || errno == EISDIR ? to : from);
    struct ms_view from_parent = ms_name_parent(from), to_parent = ms_name_parent(to);
    if (ms_posix_sync_dir(p, to_dir->fd, to_parent) < 0 ||
        (!ms_equal(from_parent, to_parent) && ms_posix_sync_dir(p, from_dir->fd, from_parent) < 0))
        return ms_posix_error(err, errno, "sync the move of", from);
    return 0;
}

/* Somebody removed the folder, empty, after it was opened. */
static bool vanished(const struct ms_posix_dir *dir)
{
    struct stat st;
    return fstat(dir->fd, &st) == 0 && st.st_nlink == 0;
}

static int move_once(struct ms_posix *p, struct ms_view from, struct ms_view to, bool if_absent,
                     bool *again, struct ms_error *err)
{
    struct ms_posix_dir from_dir, to_dir;
    char from_last[256], to_last[256];
    if (ms_posix_open_parent(p, from, false, &from_dir, from_last) < 0)
        return ms_posix_error(err, errno, "move", from);
    if (ms_posix_open_parent(p, to, true, &to_dir, to_last) < 0) {
        int failed = errno == ENOTDIR ? EEXIST : errno;
        ms_posix_close_dir(&from_dir);
        return ms_posix_error(err, failed, "move to", to);
    }
    int code = move_between(p, from, &from_dir, from_last, to, &to_dir, to_last, if_absent, err);
    *again = code == MS_ERR_NOT_FOUND && vanished(&to_dir);
    ms_posix_close_dir(&from_dir);
    ms_posix_close_dir(&to_dir);
    return code;
}

int ms_posix_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                  const struct ms_precondition *pre, struct ms_error *err)
{
    for (int tries = 0;; tries++) {
        struct ms_info info;
        bool again = false;
        /* first of all, so that a missing source leaves no folder behind */
        int code = ms_posix_info(b, from, &info, err);
        if (!code && (!info.exists || info.directory))
            code = ms_posix_error(err, ENOENT, "move", from);
        if (!code)
            code = move_once(ms_posix_self(b), from, to, pre->kind == MS_IF_ABSENT, &again, err);
        if (!again || tries == MS_POSIX_TRIES)
            return code;
    }
}
