/* Files under one directory. openat2(2) does the whole path in the kernel; where it is missing,
 * each component is opened by itself with O_NOFOLLOW, which is as safe: a descriptor cannot be
 * exchanged under our feet. Any thread. */
#include "tools/mstore/beneath.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

static int open_whole(const struct ms_beneath *b, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    /* EAGAIN: somebody renamed on the way; rare, and over after a few tries */
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, b->root, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if (errno != EINTR && (errno != EAGAIN || tries == 100))
            return -errno;
    }
}

static int open_component(int at, const char *name, int flags, mode_t mode)
{
    if (strcmp(name, "..") == 0)
        return -EXDEV;
    int fd;
    do
        fd = openat(at, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int open_by_component(const struct ms_beneath *b, const char *path, int flags, mode_t mode)
{
    char name[256];
    MS_AUTO_CLOSE int at = -1;
    if (path[0] == '/')
        return -EXDEV;
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t length = slash ? (size_t)(slash - path) : strlen(path);
        if (length >= sizeof name)
            return -ENAMETOOLONG;
        memcpy(name, path, length);
        name[length] = '\0';
        int from = at >= 0 ? at : b->root;
        if (!slash)
            return open_component(from, name, flags, mode);
        int next = open_component(from, name, O_PATH | O_DIRECTORY, 0);
        if (next < 0)
            return next;
        if (at >= 0)
            close(at);
        at = next;
        path = slash + 1;
    }
}

int ms_beneath_open(struct ms_beneath *b, const char *path, int flags, mode_t mode)
{
    if (b->by_component)
        return open_by_component(b, path, flags, mode);
    int fd = open_whole(b, path, flags, mode);
    if (fd == -ENOSYS || fd == -EPERM) /* EPERM: a sandbox that does not know the call */
        return open_by_component(b, path, flags, mode);
    return fd;
}

static int path_error(int errnum, const char *path, struct ms_error *err)
{
    const char *shown = MS_SHOW(ms_str(path));
    if (errnum == ELOOP || errnum == ENOTDIR)
        return ms_error_set(err, MS_ERR_ACCESS,
                            "%s: something that is no folder (a symbolic link is none) is in the "
                            "way",
                            shown);
    if (errnum == EXDEV)
        return ms_error_set(err, MS_ERR_ACCESS, "%s: the path leads out of the folder", shown);
    return ms_cli_local_error(err, errnum, "%s", shown);
}

int ms_beneath_parent(struct ms_beneath *b, const char *path, int *directory, const char **name,
                      struct ms_error *err)
{
    const char *slash = strrchr(path, '/');
    MS_AUTO_FREE char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    if (!parent)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a path");
    int fd = ms_beneath_open(b, parent, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return path_error(-fd, path, err);
    *directory = fd;
    *name = slash ? slash + 1 : path;
    return 0;
}

int ms_beneath_mkdir(struct ms_beneath *b, const char *path, struct ms_error *err)
{
    MS_AUTO_CLOSE int parent = -1;
    const char *name = "";
    int code = ms_beneath_parent(b, path, &parent, &name, err);
    if (code)
        return code;
    if (mkdirat(parent, name, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return path_error(errno, path, err);
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return path_error(errno, path, err);
    return S_ISDIR(st.st_mode) ? 0 : path_error(ENOTDIR, path, err);
}
