/* Batches: temporaries first, all of them durable, then all renames, then each folder synced once.
 *
 * The list of temporaries is guarded by the batch's mutex; everything else of an element belongs to
 * the thread that stores it, and at the commit to one task at a time. No descriptor is kept: a
 * batch may hold thousands of values. */
#include "backends/posix/posix.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "base/sync.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>

#define SYNC_JOBS 16
/* Only what is large is worth a system call to start writing it out: measured with 4 KiB values. */
#define WRITE_OUT_BYTES (256u << 10)

struct staged {
    struct staged *next;
    bool if_absent, published;
    char temp[24];
    size_t name_size;
    uint8_t name[];
};

struct batch {
    struct ms_batch base;
    struct ms_mutex mutex;
    struct staged *first;
    size_t count;
};

static struct ms_view staged_name(const struct staged *s)
{
    return ms_view(s->name, s->name_size);
}

/* Writes the temporary; the commit waits until it is durable. */
static int write_temp(struct ms_posix *p, struct staged *s, struct ms_view bytes)
{
    struct ms_posix_dir dir;
    char last[256];
    int fd = -1;
    for (int tries = 0; fd < 0; tries++) {
        if (ms_posix_open_parent(p, staged_name(s), true, &dir, last) < 0)
            return -1;
        fd = ms_posix_make_temp(dir.fd, s->temp);
        int failed = errno;
        if (fd < 0) {
            ms_posix_close_dir(&dir);
            errno = failed;
            if (failed != ENOENT || tries == MS_POSIX_TRIES)
                return -1;
        }
    }
    int failed = ms_posix_write_all(p, fd, bytes) < 0 ? errno : 0;
    if (!failed && p->sync != MS_SYNC_NONE && !p->batch_syncfs && bytes.size >= WRITE_OUT_BYTES)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint */
    if (close(fd) < 0 && !failed)
        failed = errno;
    if (failed)
        (void)unlinkat(dir.fd, s->temp, 0);
    ms_posix_close_dir(&dir);
    errno = failed;
    return failed ? -1 : 0;
}

static int batch_store(struct ms_batch *base, struct ms_view name, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct batch *batch = (struct batch *)base;
    struct staged *s = malloc(sizeof *s + name.size);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to store %s", MS_SHOW(name));
    *s = (struct staged){.if_absent = pre->kind == MS_IF_ABSENT, .name_size = name.size};
    memcpy(s->name, name.data, name.size);
    if (write_temp(ms_posix_self(base->backend), s, ms_buf_view(value)) < 0) {
        int failed = errno == ENOTDIR ? EEXIST : errno;
        free(s);
        return ms_posix_error(err, failed, "store", name);
    }
    MS_HOLD(&batch->mutex);
    s->next = batch->first;
    batch->first = s;
    batch->count++;
    return 0;
}

/* ---- commit ---- */

struct commit {
    struct ms_posix *p;
    struct staged **staged;
    struct ms_mutex mutex;
    struct ms_error err; /* of the first that failed */
};

static int note_failure(struct commit *c, int errnum, const char *verb, struct ms_view name)
{
    MS_HOLD(&c->mutex);
    return ms_posix_error(c->err.code ? NULL : &c->err, errnum, verb, name);
}

/* Reopens the temporary and waits until it is durable. */
static int sync_one(void *arg, size_t index)
{
    struct commit *c = arg;
    struct ms_view name = staged_name(c->staged[index]);
    struct ms_posix_dir dir;
    char last[256];
    if (ms_posix_open_parent(c->p, name, false, &dir, last) < 0)
        return note_failure(c, errno, "sync", name);
    MS_AUTO_CLOSE int fd =
        openat(dir.fd, c->staged[index]->temp, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int failed = fd < 0 || fsync(fd) < 0 ? errno : 0;
    ms_posix_close_dir(&dir);
    return failed ? note_failure(c, failed, "sync", name) : 0;
}

static int publish_one(void *arg, size_t index)
{
    struct commit *c = arg;
    struct staged *s = c->staged[index];
    struct ms_posix_dir dir;
    char last[256];
    if (ms_posix_open_parent(c->p, staged_name(s), false, &dir, last) < 0)
        return note_failure(c, errno, "store", staged_name(s));
    int failed = ms_posix_publish(dir.fd, s->temp, dir.fd, last, s->if_absent) < 0 ? errno : 0;
    ms_posix_close_dir(&dir);
    if (failed)
        return note_failure(c, failed, "store", staged_name(s));
    s->published = true;
    return 0;
}

static int by_folder(const void *a, const void *b)
{
    const struct staged *x = *(struct staged *const *)a, *y = *(struct staged *const *)b;
    int order = ms_compare(ms_name_parent(staged_name(x)), ms_name_parent(staged_name(y)));
    return order ? order : ms_compare(staged_name(x), staged_name(y));
}

/* The elements are sorted by folder: each folder's first one syncs it. */
static int sync_folder(void *arg, size_t index)
{
    struct commit *c = arg;
    struct ms_view folder = ms_name_parent(staged_name(c->staged[index]));
    if (index > 0 && ms_equal(folder, ms_name_parent(staged_name(c->staged[index - 1]))))
        return 0;
    struct ms_posix_dir dir;
    char last[256];
    struct ms_view name = staged_name(c->staged[index]);
    if (ms_posix_open_parent(c->p, name, false, &dir, last) < 0) /* gone, with all that was in it */
        return errno == ENOENT ? 0 : note_failure(c, errno, "sync the folder of", name);
    int failed = ms_posix_sync_dir(c->p, dir.fd, folder) < 0 ? errno : 0;
    ms_posix_close_dir(&dir);
    return failed ? note_failure(c, failed, "sync the folder of", name) : 0;
}

static int commit_all(struct commit *c, size_t count, struct ms_error *err)
{
    struct ms_posix *p = c->p;
    qsort(c->staged, count, sizeof(struct staged *), by_folder);
    int code = 0;
    if (p->sync != MS_SYNC_NONE && p->batch_syncfs) {
        if (syncfs(p->root) < 0)
            code = note_failure(c, errno, "sync the file system of", ms_str(p->path));
    } else if (p->sync != MS_SYNC_NONE) {
        code = ms_parallel(count, SYNC_JOBS, sync_one, c, &c->err);
    }
    if (!code)
        code = ms_parallel(count, 1, publish_one, c, &c->err);
    if (!code && p->sync == MS_SYNC_FULL)
        code = ms_parallel(count, SYNC_JOBS, sync_folder, c, &c->err);
    if (code)
        ms_error_set(err, code, "%s", c->err.text[0] ? c->err.text : ms_code_text(code));
    return code;
}

static void remove_temp(struct ms_posix *p, const struct staged *s)
{
    struct ms_posix_dir dir;
    char last[256];
    if (ms_posix_open_parent(p, staged_name(s), false, &dir, last) < 0)
        return;
    (void)unlinkat(dir.fd, s->temp, 0); /* a sweep will find what stays */
    ms_posix_close_dir(&dir);
}

static void batch_free(struct batch *batch)
{
    struct ms_posix *p = ms_posix_self(batch->base.backend);
    while (batch->first) {
        struct staged *s = batch->first;
        batch->first = s->next;
        if (!s->published)
            remove_temp(p, s);
        free(s);
    }
    ms_mutex_fini(&batch->mutex);
    free(batch);
}

static int batch_commit(struct ms_batch *base, struct ms_error *err)
{
    struct batch *batch = (struct batch *)base;
    struct commit c = {.p = ms_posix_self(base->backend)};
    c.staged = malloc((batch->count + 1) * sizeof(struct staged *));
    int code;
    if (c.staged) {
        size_t at = 0;
        for (struct staged *s = batch->first; s; s = s->next)
            c.staged[at++] = s;
        ms_mutex_init(&c.mutex);
        code = commit_all(&c, at, err);
        ms_mutex_fini(&c.mutex);
        free(c.staged);
    } else {
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to commit a batch");
    }
    batch_free(batch);
    return code;
}

static void batch_abort(struct ms_batch *base)
{
    batch_free((struct batch *)base);
}

int ms_posix_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err)
{
    static const struct ms_batch_ops ops = {batch_store, batch_commit, batch_abort};
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch");
    batch->base = (struct ms_batch){.ops = &ops, .backend = b};
    ms_mutex_init(&batch->mutex);
    *out = &batch->base;
    return 0;
}
