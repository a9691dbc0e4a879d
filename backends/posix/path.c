/* Paths beneath the root: no symbolic link is followed, so none can lead out of it. One openat2
 * where the kernel has it, else component by component with O_NOFOLLOW. Any thread. */
#include "backends/posix/posix.h"

#include "backends/name.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#define BENEATH   (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

int ms_posix_error(struct ms_error *err, int errnum, const char *verb, struct ms_view name)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
    case EEXIST:
        return ms_error_set(err, MS_ERR_EXISTS, "%s exists already", MS_SHOW(name));
    case EISDIR:
        return ms_error_set(err, MS_ERR_EXISTS, "%s is a directory", MS_SHOW(name));
    case ELOOP:
    case EXDEV:
        return ms_error_set(err, MS_ERR_ACCESS,
                            "cannot %s %s: a symbolic link lies on the way, and none is followed",
                            verb, MS_SHOW(name));
    default:
        return ms_error_errno(err, errnum, "cannot %s %s", verb, MS_SHOW(name));
    }
}

/* Copies one component; returns its size. */
static size_t component(struct ms_view name, size_t at, char out[256])
{
    size_t size = 0;
    while (at + size < name.size && name.data[at + size] != '/' && size < 255) {
        out[size] = (char)name.data[at + size];
        size++;
    }
    out[size] = 0;
    return size;
}

static int open_by_walking(int root, struct ms_view name, int flags)
{
    char part[256];
    int at_dir = root;
    for (size_t at = 0;;) {
        size_t size = component(name, at, part);
        bool last = at + size >= name.size;
        int next = last ? openat(at_dir, part, flags | O_NOFOLLOW)
                        : openat(at_dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int failed = errno;
        if (at_dir != root)
            close(at_dir);
        if (next < 0 && failed == ENOTDIR && !last) {
            failed = ENOTDIR;
        }
        errno = failed;
        if (next < 0 || last)
            return next;
        at_dir = next;
        at += size + 1;
    }
}

int ms_posix_open(struct ms_posix *p, struct ms_view name, int flags)
{
    flags |= O_CLOEXEC | O_NOFOLLOW;
    if (name.size == 0)
        return openat(p->root, ".", flags);
    if (atomic_load_explicit(&p->walk, memory_order_relaxed))
        return open_by_walking(p->root, name, flags);
    char path[MS_NAME_MAX + 1];
    memcpy(path, name.data, name.size);
    path[name.size] = 0;
    int fd;
    do {
        fd = ms_posix_openat2(p->root, path, (uint64_t)flags, 0, BENEATH);
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        /* no such call, or a sandbox that does not know it */
        fd = open_by_walking(p->root, name, flags);
        if (fd >= 0)
            atomic_store(&p->walk, true);
    }
    return fd;
}

void ms_posix_close_dir(struct ms_posix_dir *dir)
{
    if (!dir->borrowed && dir->fd >= 0)
        close(dir->fd);
    dir->fd = -1;
}

static int open_dir(struct ms_posix *p, struct ms_view name, struct ms_posix_dir *dir)
{
    *dir = (struct ms_posix_dir){.fd = p->root, .borrowed = true};
    if (name.size == 0)
        return 0;
    *dir = (struct ms_posix_dir){.fd = ms_posix_open(p, name, DIR_FLAGS)};
    return dir->fd < 0 ? -1 : 0;
}

int ms_posix_open_parent(struct ms_posix *p, struct ms_view name, bool make,
                         struct ms_posix_dir *dir, char last[256])
{
    struct ms_view parent = ms_name_parent(name), key = ms_name_last(name);
    memcpy(last, key.data, key.size);
    last[key.size] = 0;
    for (int tries = 0;; tries++) {
        if (open_dir(p, parent, dir) == 0)
            return 0;
        if (!make || errno != ENOENT || tries == MS_POSIX_TRIES)
            return -1;
        if (ms_posix_make_dirs(p, parent) < 0 && errno != ENOENT)
            return -1;
    }
}

int ms_posix_make_dirs(struct ms_posix *p, struct ms_view name)
{
    char part[256];
    int at_dir = p->root, result = -1, failed = 0;
    for (size_t at = 0; at <= name.size;) {
        at += component(name, at, part) + 1;
        bool made = mkdirat(at_dir, part, 0777) == 0;
        if (!made && errno != EEXIST)
            break;
        if (made && p->sync == MS_SYNC_FULL && fsync(at_dir) < 0)
            break;
        int next = openat(at_dir, part, DIR_FLAGS);
        if (next < 0)
            break;
        if (at_dir != p->root)
            close(at_dir);
        at_dir = next;
        if (at > name.size)
            result = 0;
    }
    failed = errno;
    if (at_dir != p->root)
        close(at_dir);
    errno = failed;
    return result;
}

/* ---- durable folders ---- */

static uint64_t hash_name(struct ms_view name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ name.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* What a folder is known by: its name, and which one it is, so that one that was removed and made
 * again by somebody else is not taken for the old one. Where the file system tells no time of birth
 * the inode's number has to do. */
static uint64_t hash_folder(int fd, uint64_t hash)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0)
        return 0; /* not known: synced each time */
    const uint64_t parts[] = {st.stx_ino, (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
                              st.stx_mask & STATX_BTIME ? (uint64_t)st.stx_btime.tv_sec : 0,
                              st.stx_mask & STATX_BTIME ? st.stx_btime.tv_nsec : 0};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash = (hash ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
    return hash | 1; /* never 0, the empty slot */
}

/* Somebody (a process that died, a thread just now) may have made a folder on the way and not
 * synced it yet: the first time this handle meets a folder it syncs what leads to it. */
static int sync_way(struct ms_posix *p, int fd, struct ms_view dir_name)
{
    uint64_t name = hash_name(dir_name), hash = hash_folder(fd, name);
    _Atomic uint64_t *slot = &p->durable[name >> 1 & (MS_POSIX_DURABLE_SLOTS - 1)];
    if (hash && atomic_load_explicit(slot, memory_order_relaxed) == hash)
        return 0;
    for (struct ms_view up = dir_name; up.size;) {
        up = ms_name_parent(up);
        struct ms_posix_dir dir;
        if (open_dir(p, up, &dir) < 0) /* gone, with what was in it: nothing is left to keep */
            return errno == ENOENT ? 0 : -1;
        int failed = fsync(dir.fd) < 0 ? errno : 0;
        ms_posix_close_dir(&dir);
        if (failed) {
            errno = failed;
            return -1;
        }
    }
    atomic_store_explicit(slot, hash, memory_order_relaxed);
    return 0;
}

int ms_posix_sync_dir(struct ms_posix *p, int fd, struct ms_view dir_name)
{
    if (p->sync != MS_SYNC_FULL)
        return 0;
    if (dir_name.size && sync_way(p, fd, dir_name) < 0)
        return -1;
    return fsync(fd);
}
