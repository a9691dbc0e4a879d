/* The folder of the shared files: where it is, whether it is safely ours, which processes have a
 * file there, and which files nobody needs any more. */
#include "base/stats_file.h"

#include "base/cleanup.h"
#include "base/private_file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#define ENTRIES_MAX 100000 /* of the folder that are looked at */

const char *ms_stats_folder(char *buf, size_t size)
{
    const char *folder = secure_getenv("MSTORE_STATS_DIR");
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    if (folder)
        snprintf(buf, size, "%s", folder);
    else if (runtime && *runtime == '/')
        snprintf(buf, size, "%s/mstore", runtime);
    else
        snprintf(buf, size, "/tmp/mstore-%u", (unsigned)geteuid());
    return buf;
}

int ms_stats_folder_open(const char *path, bool make, struct ms_error *err)
{
    return ms_private_folder_open(path, "statistics", make, err);
}

uint64_t ms_stats_start_ticks(int64_t pid)
{
    char path[48], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    MS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    const char *at = strrchr(text, ')'); /* behind the program's name, which may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* PID of "PID.SUFFIX"; 0: another name. */
static int64_t pid_of(const char *name, const char *suffix)
{
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 10 || strcmp(name + digits, suffix) != 0)
        return 0;
    return strtoll(name, NULL, 10);
}

static bool runs(int64_t pid)
{
    return pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

/* Whether the process that made the file lives still. */
static bool file_lives(int folder, const char *name, int64_t pid)
{
    if (!runs(pid))
        return false;
    MS_AUTO_CLOSE int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct ms_stats_header h;
    if (fd < 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
        memcmp(h.magic, MS_STATS_MAGIC, sizeof h.magic) != 0 || h.pid != pid)
        return false;
    uint64_t ticks = ms_stats_start_ticks(pid);
    return h.start_ticks == 0 || ticks == 0 || h.start_ticks == ticks;
}

/* Calls entry for each name in the folder. */
static void each_name(int folder, void (*entry)(void *ctx, int folder, const char *name), void *ctx)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return;
    }
    const struct dirent *e;
    for (int i = 0; i < ENTRIES_MAX && (e = readdir(dir)); i++)
        entry(ctx, folder, e->d_name);
    closedir(dir);
}

static void remove_if_stale(void *ctx, int folder, const char *name)
{
    (void)ctx;
    int64_t pid = pid_of(name, ".stats");
    int64_t making = pid_of(name, ".tmp");
    if ((pid && !file_lives(folder, name, pid)) || (making && !runs(making)))
        unlinkat(folder, name, 0);
}

void ms_stats_remove_stale(int folder)
{
    each_name(folder, remove_if_stale, NULL);
}

struct found {
    int64_t *pids;
    size_t max, count;
};

static void note_if_alive(void *ctx, int folder, const char *name)
{
    struct found *f = ctx;
    int64_t pid = pid_of(name, ".stats");
    if (!pid || !file_lives(folder, name, pid))
        return;
    if (f->count < f->max)
        f->pids[f->count] = pid;
    f->count++;
}

static int compare_pids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int ms_stats_running(int64_t *pids, size_t max, size_t *count, struct ms_error *err)
{
    char path[256];
    if (!*ms_stats_folder(path, sizeof path))
        return ms_error_set(err, MS_ERR_NOT_FOUND,
                            "MSTORE_STATS_DIR is empty: processes share no statistics");
    MS_AUTO_CLOSE int folder = ms_stats_folder_open(path, false, err);
    if (folder < 0)
        return folder;
    struct found f = {pids, max, 0};
    each_name(folder, note_if_alive, &f);
    qsort(pids, f.count < max ? f.count : max, sizeof *pids, compare_pids);
    *count = f.count;
    return 0;
}
