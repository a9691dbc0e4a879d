/* posix: a local folder, `file:///ABSOLUTE/PATH`. Layout: BorgStore's (docs/formats.md):
 * directories, one file a value, temporaries "tmp????????.tmp" beside it.
 *
 * Options: sync=full (default: file and folder), data (file), none; batch-sync=files (default) or
 * syncfs; walk=1 does without openat2. */
#include "backends/registry.h"

#include "backends/name.h"
#include "backends/posix/posix.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

/* ---- life ---- */

/* mkdir -p; with sync=full each new folder is synced into its parent. */
static int make_path(struct ms_posix *p)
{
    int at_dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *copy = strdup(p->path), *rest = NULL;
    int failed = at_dir < 0 ? errno : copy ? 0 : ENOMEM;
    for (char *part = failed ? NULL : strtok_r(copy, "/", &rest); part && !failed;
         part = strtok_r(NULL, "/", &rest)) {
        bool made = mkdirat(at_dir, part, 0777) == 0;
        int why = errno;
        if (made && p->sync == MS_SYNC_FULL && fsync(at_dir) < 0)
            failed = errno;
        /* links are followed here: the way to the root is the user's affair */
        int next = openat(at_dir, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (next < 0 && errno == EACCES && !made)
            next = openat(at_dir, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (next < 0)
            failed = made || why == EEXIST ? errno : why;
        close(at_dir);
        at_dir = next;
    }
    if (at_dir >= 0)
        close(at_dir);
    free(copy);
    errno = failed;
    return failed ? -1 : 0;
}

static int is_empty(const char *path, bool *empty)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    *empty = true;
    const struct dirent *e;
    while (*empty && (e = readdir(dir)))
        *empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(dir);
    return 0;
}

static int posix_create(struct ms_backend *b, struct ms_error *err)
{
    struct ms_posix *p = ms_posix_self(b);
    bool empty;
    if (make_path(p) < 0 || is_empty(p->path, &empty) < 0) {
        if (errno == ENOTDIR || errno == EEXIST)
            return ms_error_set(err, MS_ERR_STORE_EXISTS, "%s is no folder",
                                MS_SHOW(ms_str(p->path)));
        return ms_error_errno(err, errno, "cannot create %s", MS_SHOW(ms_str(p->path)));
    }
    if (!empty)
        return ms_error_set(err, MS_ERR_STORE_EXISTS,
                            "the folder %s is not empty: it holds a store or something else",
                            MS_SHOW(ms_str(p->path)));
    return 0;
}

static int open_root(struct ms_posix *p, struct ms_error *err)
{
    p->root = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->root >= 0)
        return 0;
    if (errno == ENOENT || errno == ENOTDIR)
        return ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s: no such folder",
                            MS_SHOW(ms_str(p->path)));
    return ms_error_errno(err, errno, "cannot open the store at %s", MS_SHOW(ms_str(p->path)));
}

static int posix_open(struct ms_backend *b, struct ms_error *err)
{
    return open_root(ms_posix_self(b), err);
}

static int posix_close(struct ms_backend *b, struct ms_error *err)
{
    (void)err;
    struct ms_posix *p = ms_posix_self(b);
    close(ms_take_fd(&p->root));
    return 0;
}

/* Folders that nobody means when he says "destroy". */
static bool precious(const struct ms_posix *p)
{
    struct stat root, home, here;
    if (fstat(p->root, &here) < 0 || stat("/", &root) < 0)
        return true;
    if (here.st_dev == root.st_dev && here.st_ino == root.st_ino)
        return true;
    const char *folder = getenv("HOME");
    return folder && stat(folder, &home) == 0 && here.st_dev == home.st_dev &&
           here.st_ino == home.st_ino;
}

static int posix_destroy(struct ms_backend *b, struct ms_error *err)
{
    struct ms_posix *p = ms_posix_self(b);
    int code = open_root(p, err);
    if (code)
        return code;
    if (precious(p)) {
        code = ms_error_set(err, MS_ERR_INVALID,
                            "%s is the system's or your home folder: it is not destroyed",
                            MS_SHOW(ms_str(p->path)));
    } else if (ms_posix_remove_below(p->root) < 0) {
        code = ms_error_errno(err, errno, "cannot remove all of %s", MS_SHOW(ms_str(p->path)));
    } else if (rmdir(p->path) < 0 && (errno == ENOTEMPTY || errno == EEXIST)) {
        code = ms_error_set(err, MS_ERR_BUSY, "somebody writes to %s while it is destroyed",
                            MS_SHOW(ms_str(p->path)));
    } /* that the folder itself stays (a mount point, no right to remove it) is no error */
    close(ms_take_fd(&p->root));
    return code;
}

static void posix_free(struct ms_backend *b)
{
    free(ms_posix_self(b)->path);
    free(b);
}

static void posix_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    static const enum ms_durability durable[] = {
        [MS_SYNC_NONE] = MS_DURABLE_NONE,
        [MS_SYNC_DATA] = MS_DURABLE_DATA,
        [MS_SYNC_FULL] = MS_DURABLE_FULL,
    };
    *out = (struct ms_capabilities){
        .flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_HASH | MS_CAP_COPY |
                 MS_CAP_COMPOSE | MS_CAP_LIST_AFTER_WRITE | MS_CAP_MOVE_IF_ABSENT |
                 MS_CAP_DIRECTORIES | MS_CAP_BATCH,
        .durability = durable[ms_posix_self(b)->sync],
        .name_max_bytes = 255,
        .best_parallelism = 8,
        .best_block_bytes = 1 << 20,
    };
}

/* ---- directories ---- */

static int posix_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    if (ms_posix_make_dirs(ms_posix_self(b), name) < 0)
        return ms_posix_error(err, errno == ENOTDIR ? EEXIST : errno, "make", name);
    return 0;
}

static int posix_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_posix *p = ms_posix_self(b);
    struct ms_posix_dir dir;
    char last[256];
    if (ms_posix_open_parent(p, name, false, &dir, last) < 0)
        return ms_posix_error(err, errno, "remove", name);
    int failed = unlinkat(dir.fd, last, AT_REMOVEDIR) < 0 ? errno : 0;
    if (!failed && ms_posix_sync_dir(p, dir.fd, ms_name_parent(name)) < 0)
        failed = errno;
    ms_posix_close_dir(&dir);
    if (failed == ENOTEMPTY || failed == EEXIST)
        return ms_error_set(err, MS_ERR_EXISTS, "the directory %s is not empty", MS_SHOW(name));
    return failed ? ms_posix_error(err, failed, "remove", name) : 0;
}

static int posix_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                       struct ms_error *err)
{
    struct statvfs fs;
    if (fstatvfs(ms_posix_self(b)->root, &fs) < 0)
        return ms_error_errno(err, errno, "cannot ask for the free space of %s", b->url);
    if (__builtin_mul_overflow((uint64_t)fs.f_blocks, (uint64_t)fs.f_frsize, total_bytes) ||
        __builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, free_bytes))
        *total_bytes = *free_bytes = UINT64_MAX;
    return 0;
}

/* ---- making one ---- */

static const struct ms_backend_ops posix_ops = {
    .create = posix_create,
    .destroy = posix_destroy,
    .open = posix_open,
    .close = posix_close,
    .free = posix_free,
    .capabilities = posix_capabilities,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .info = ms_posix_info,
    .load = ms_posix_load,
    .store = ms_posix_store,
    .remove = ms_posix_delete,
    .move = ms_posix_move,
    .list = ms_posix_list,
    .write = ms_posix_write,
    .read = ms_posix_read,
    .open_file = ms_posix_open_file,
    .batch = ms_posix_batch,
    .usage = posix_usage,
    .sweep = ms_posix_sweep,
};

/* One of the words, or a sentence that lists them. */
static int choose(struct ms_url *url, const char *key, const char *const *words, unsigned *index,
                  struct ms_error *err)
{
    const char *value = ms_url_take(url, key);
    if (!value)
        return 0;
    for (unsigned i = 0; words[i]; i++)
        if (strcmp(value, words[i]) == 0) {
            *index = i;
            return 0;
        }
    return ms_error_set(err, MS_ERR_URL, "%s: %s=%s is unknown; write %s, %s%s%s", url->safe, key,
                        MS_SHOW(ms_str(value)), words[0], words[1], words[2] ? " or " : "",
                        words[2] ? words[2] : "");
}

static int check_url(const struct ms_url *url, struct ms_error *err)
{
    if (url->user || url->password || url->port >= 0 ||
        (url->host && strcmp(url->host, "localhost") != 0))
        return ms_error_set(err, MS_ERR_URL,
                            "%s: a local folder has no host; write file:///absolute/path",
                            url->safe);
    if (url->path[0] != '/')
        return ms_error_set(err, MS_ERR_URL,
                            "%s: the path must be absolute; write file:///absolute/path",
                            url->safe);
    return 0;
}

static int posix_make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                      struct ms_error *err)
{
    static const char *const syncs[] = {"none", "data", "full", NULL};
    static const char *const batches[] = {"files", "syncfs", NULL};
    static const char *const walks[] = {"0", "1", NULL};
    (void)env;
    unsigned sync = MS_SYNC_FULL, batch = 0, walk = 0;
    int code = check_url(url, err);
    if (!code)
        code = choose(url, "sync", syncs, &sync, err);
    if (!code)
        code = choose(url, "batch-sync", batches, &batch, err);
    if (!code)
        code = choose(url, "walk", walks, &walk, err);
    if (code)
        return code;
    struct ms_posix *p = calloc(1, sizeof *p);
    char *path = strdup(url->path);
    if (!p || !path) {
        free(p);
        free(path);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %s", url->safe);
    }
    p->base.ops = &posix_ops;
    p->path = path;
    p->root = -1;
    p->sync = (enum ms_posix_sync)sync;
    p->batch_syncfs = batch == 1;
    p->walk = walk == 1;
    *out = &p->base;
    return 0;
}

const struct ms_backend_type ms_backend_posix = {
    .scheme = "file",
    .usage = "file:///ABSOLUTE/PATH[?sync=full|data|none][&batch-sync=files|syncfs]",
    .make = posix_make,
};
