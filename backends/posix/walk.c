/* Walks over the whole tree of the posix driver: removing it, and sweeping old temporaries.
 * Descriptors only, no link followed, no mount crossed. */
#include "backends/posix/posix.h"

#include "base/sync.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DEPTH_MAX 64

struct walk {
    dev_t device;
    /* What to do with an entry that is no directory; 0, or -1 and errno. */
    int (*visit)(void *ctx, int dir, const char *name, const struct stat *st);
    bool remove_dirs;
    void *ctx;
};

static int walk_dir(const struct walk *w, int dir, unsigned depth);

static int walk_entry(const struct walk *w, int dir, const char *name, unsigned depth)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISDIR(st.st_mode))
        return w->visit(w->ctx, dir, name, &st);
    if (st.st_dev != w->device) {
        errno = EBUSY; /* something is mounted there: not ours */
        return w->remove_dirs ? -1 : 0;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    if (walk_dir(w, fd, depth + 1) < 0)
        return -1;
    if (w->remove_dirs && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return -1;
    return 0;
}

/* Closes dir. */
static int walk_dir(const struct walk *w, int dir, unsigned depth)
{
    DIR *d = depth < DEPTH_MAX ? fdopendir(dir) : NULL;
    if (!d) {
        int failed = depth < DEPTH_MAX ? errno : ELOOP;
        close(dir);
        errno = failed;
        return -1;
    }
    int failed = 0;
    const struct dirent *e;
    while (!failed && (errno = 0, e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (ms_check_cancelled(NULL))
            failed = ECANCELED;
        else if (walk_entry(w, dirfd(d), e->d_name, depth) < 0)
            failed = errno;
    }
    if (!failed)
        failed = errno;
    closedir(d);
    errno = failed;
    return failed ? -1 : 0;
}

static int walk(int root, struct walk *w)
{
    struct stat st;
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return -1;
    }
    w->device = st.st_dev;
    return walk_dir(w, fd, 0);
}

static int remove_entry(void *ctx, int dir, const char *name, const struct stat *st)
{
    (void)ctx;
    (void)st;
    return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

int ms_posix_remove_below(int dir)
{
    struct walk w = {.visit = remove_entry, .remove_dirs = true};
    return walk(dir, &w);
}

struct sweep {
    int64_t older_than_ns;
    uint64_t removed;
};

static int sweep_entry(void *ctx, int dir, const char *name, const struct stat *st)
{
    struct sweep *s = ctx;
    int64_t mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if (!S_ISREG(st->st_mode) || mtime > s->older_than_ns ||
        !ms_ends_with(ms_str(name), ms_str(".tmp")))
        return 0;
    if (unlinkat(dir, name, 0) < 0)
        return errno == ENOENT ? 0 : -1;
    s->removed++;
    return 0;
}

int ms_posix_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    int64_t now = ms_clock_wall(b->clock), age = age_ns > INT64_MAX ? INT64_MAX : (int64_t)age_ns;
    struct sweep s = {.older_than_ns = age > now ? 0 : now - age};
    struct walk w = {.visit = sweep_entry, .ctx = &s};
    int result = walk(ms_posix_self(b)->root, &w);
    *removed = s.removed;
    return result < 0 ? ms_error_errno(err, errno, "cannot clean up below %s", b->url) : 0;
}
