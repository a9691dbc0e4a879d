/* The I/O calls of the library: failing on demand, recorded on demand. See wrapio.h. */
#include "support/wrapio.h"
#include "support/wrapio_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static atomic_long countdown = -1; /* negative: not armed, or failed already */
static atomic_int error_number;
static _Atomic(const char *) failed;

void wrapio_arm(long k, int errnum)
{
    atomic_store(&failed, NULL);
    atomic_store(&error_number, errnum);
    atomic_store(&countdown, k);
}

const char *wrapio_disarm(void)
{
    atomic_store(&countdown, -1);
    return atomic_load(&failed);
}

/* Whether this call is the one, with errno set. */
static bool fails(const char *function, bool writes)
{
    if (atomic_load_explicit(&countdown, memory_order_relaxed) < 0)
        return false;
    if (atomic_load(&error_number) == WRAPIO_SHORT && !writes)
        return false;
    if (atomic_fetch_sub(&countdown, 1) != 0)
        return false;
    atomic_store(&failed, function);
    errno = atomic_load(&error_number);
    return true;
}

/* Declares the real function and the wrapper, and begins the wrapper. */
#define WRAP(type, name, parameters, failure)                                                      \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        if (fails(#name, false))                                                                   \
            return failure;

/* ---- calls that only fail ---- */

/* clang-format off */
#define PASS(type, name, parameters, arguments, failure)                                           \
    WRAP(type, name, parameters, failure)                                                          \
        return __real_##name arguments;                                                            \
    }

PASS(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size), -1)
PASS(ssize_t, __read_chk, (int fd, void *to, size_t size, size_t room), (fd, to, size, room), -1)
PASS(ssize_t, pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at), -1)
PASS(ssize_t, __pread64_chk, (int fd, void *to, size_t size, off64_t at, size_t room),
     (fd, to, size, at, room), -1)
PASS(int, fstat64, (int fd, struct stat64 *st), (fd, st), -1)
PASS(int, stat64, (const char *path, struct stat64 *st), (path, st), -1)
PASS(int, fstatat64, (int fd, const char *path, struct stat64 *st, int flags),
     (fd, path, st, flags), -1)
PASS(int, fstatvfs64, (int fd, struct statvfs64 *st), (fd, st), -1)
PASS(DIR *, opendir, (const char *path), (path), NULL)
PASS(DIR *, fdopendir, (int fd), (fd), NULL)
PASS(struct dirent64 *, readdir64, (DIR *dir), (dir), NULL)
PASS(int, mkostemp64, (char *path, int flags), (path, flags), -1)
PASS(int, sync_file_range, (int fd, off64_t at, off64_t size, unsigned flags),
     (fd, at, size, flags), -1)
PASS(int, fallocate64, (int fd, int mode, off64_t at, off64_t size), (fd, mode, at, size), -1)
PASS(int, ftruncate64, (int fd, off64_t size), (fd, size), -1)
PASS(int, rmdir, (const char *path), (path), -1)
PASS(int, unlink, (const char *path), (path), -1)
/* clang-format on */

/* A failing close has closed all the same. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    int rc = __real_close(fd);
    return fails("close", false) ? -1 : rc;
}

/* ---- calls that change something ---- */

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (fails("openat", false))
        return -1;
    int fd = __real_openat64(dir, path, flags, mode);
    if (fd >= 0 && (flags & O_CREAT))
        record_new(IO_CREATE, dir, path);
    return fd;
}

int __real___openat64_2(int dir, const char *path, int flags);
int __wrap___openat64_2(int dir, const char *path, int flags);
int __wrap___openat64_2(int dir, const char *path, int flags)
{
    return fails("openat", false) ? -1 : __real___openat64_2(dir, path, flags);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails("open", false) ? -1 : __real_open64(path, flags, mode);
}

int __real_ms_posix_openat2(int dir, const char *path, uint64_t flags, uint64_t mode,
                            uint64_t resolve);
int __wrap_ms_posix_openat2(int dir, const char *path, uint64_t flags, uint64_t mode,
                            uint64_t resolve);
int __wrap_ms_posix_openat2(int dir, const char *path, uint64_t flags, uint64_t mode,
                            uint64_t resolve)
{
    return fails("openat2", false) ? -1 : __real_ms_posix_openat2(dir, path, flags, mode, resolve);
}

ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size)
{
    if (fails("write", true)) {
        if (errno != WRAPIO_SHORT)
            return -1;
        size = size / 2 + 1 < size ? size / 2 + 1 : size;
    }
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t n = __real_write(fd, from, size);
    if (n > 0)
        record_write(fd, at < 0 ? 0 : (uint64_t)at, from, (size_t)n);
    return n;
}

ssize_t __real_pwrite64(int fd, const void *from, size_t size, off64_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t size, off64_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t size, off64_t at)
{
    if (fails("pwrite", true)) {
        if (errno != WRAPIO_SHORT)
            return -1;
        size = size / 2 + 1 < size ? size / 2 + 1 : size;
    }
    ssize_t n = __real_pwrite64(fd, from, size, at);
    if (n > 0)
        record_write(fd, (uint64_t)at, from, (size_t)n);
    return n;
}

/* Recorded when it is over: what was written meanwhile need not be covered. */
WRAP(int, fsync, (int fd), -1)
size_t begin = wrapio_recorded();
int rc = __real_fsync(fd);
if (rc == 0)
    record_sync(IO_FSYNC, fd, begin);
return rc;
}

WRAP(int, fdatasync, (int fd), -1)
size_t begin = wrapio_recorded();
int rc = __real_fdatasync(fd);
if (rc == 0)
    record_sync(IO_FSYNC, fd, begin);
return rc;
}

WRAP(int, syncfs, (int fd), -1)
size_t begin = wrapio_recorded();
int rc = __real_syncfs(fd);
if (rc == 0)
    record_sync(IO_SYNCFS, fd, begin);
return rc;
}

WRAP(int, mkdirat, (int dir, const char *path, mode_t mode), -1)
int rc = __real_mkdirat(dir, path, mode);
if (rc == 0)
    record_new(IO_MKDIR, dir, path);
return rc;
}

WRAP(int, renameat, (int dir, const char *from, int to_dir, const char *to), -1)
int rc = __real_renameat(dir, from, to_dir, to);
if (rc == 0)
    record_names(IO_RENAME, dir, from, to_dir, to);
return rc;
}

WRAP(int, renameat2, (int dir, const char *from, int to_dir, const char *to, unsigned flags), -1)
int rc = __real_renameat2(dir, from, to_dir, to, flags);
if (rc == 0)
    record_names(IO_RENAME, dir, from, to_dir, to);
return rc;
}

WRAP(int, linkat, (int dir, const char *from, int to_dir, const char *to, int flags), -1)
int rc = __real_linkat(dir, from, to_dir, to, flags);
if (rc == 0)
    record_names(IO_LINK, dir, from, to_dir, to);
return rc;
}

WRAP(int, unlinkat, (int dir, const char *name, int flags), -1)
int rc = __real_unlinkat(dir, name, flags);
if (rc == 0)
    record_names(IO_UNLINK, dir, name, dir, "");
return rc;
}
