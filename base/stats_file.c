/* The process's shared file: made complete under a temporary name, then renamed, so that a reader
 * meets it whole or not at all; removed at exit. Its slots get storage before they are used: a full
 * disk may cost the statistics, never the process. Callers hold the registry's lock (entity.c). */
#include "base/stats_file.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct {
    char folder[256]; /* "": there is no file */
    char name[32];    /* in it */
    ino_t inode;
    pid_t pid; /* whose */
} file;

static void remove_at_exit(void)
{
    if (!file.folder[0] || file.pid != getpid())
        return;
    int folder = ms_stats_folder_open(file.folder, false, NULL);
    if (folder < 0)
        return;
    unlinkat(folder, file.name, 0);
    close(folder);
    file.folder[0] = '\0';
}

void ms_stats_file_forget(void)
{
    file.folder[0] = '\0';
}

/* A file with the region's content and storage under all of it that is in use. 0 or an errno. */
static int fill(int fd, const struct ms_stats_region *region)
{
    off_t used = (off_t)ms_stats_region_bytes(region->header.slots_used);
    int failed = posix_fallocate(fd, 0, used);
    if (failed)
        return failed;
    if (ftruncate(fd, sizeof *region) != 0 || !ms_pwrite_all(fd, region, (size_t)used, 0))
        return errno;
    return 0;
}

static int publish(struct ms_stats_region *region, const char *path, struct ms_error *err)
{
    MS_AUTO_CLOSE int folder = ms_stats_folder_open(path, true, err);
    if (folder < 0)
        return folder;
    ms_stats_remove_stale(folder);
    char name[sizeof file.name], temporary[sizeof file.name];
    snprintf(name, sizeof name, "%d.stats", (int)getpid());
    snprintf(temporary, sizeof temporary, "%d.tmp", (int)getpid());
    unlinkat(folder, temporary, 0); /* of an earlier process with our pid */
    MS_AUTO_CLOSE int fd =
        openat(folder, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ms_error_errno(err, errno, "create %s/%s", path, temporary);
    struct stat st;
    int failed = fill(fd, region);
    if (!failed && (fstat(fd, &st) != 0 || renameat(folder, temporary, folder, name) != 0))
        failed = errno;
    if (!failed && mmap(region, sizeof *region, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                        0) == MAP_FAILED) {
        failed = errno;
        unlinkat(folder, name, 0);
    }
    if (failed) {
        unlinkat(folder, temporary, 0);
        return ms_error_errno(err, failed, "write %s/%s", path, name);
    }
    snprintf(file.folder, sizeof file.folder, "%s", path);
    memcpy(file.name, name, sizeof name);
    file.inode = st.st_ino;
    file.pid = getpid();
    return 0;
}

bool ms_stats_file_publish(struct ms_stats_region *region)
{
    static bool at_exit;
    char path[sizeof file.folder];
    if (!*ms_stats_folder(path, sizeof path))
        return false; /* wished so: no word about it */
    struct ms_error err = {0};
    if (publish(region, path, &err) != 0) {
        ms_log(MS_LOG_INFO, "statistics of this process are not shared: %s", err.text);
        return false;
    }
    if (!at_exit)
        at_exit = atexit(remove_at_exit) == 0;
    return true;
}

static bool reserve_in_file(uint32_t slot)
{
    MS_AUTO_CLOSE int folder = ms_stats_folder_open(file.folder, false, NULL);
    if (folder < 0)
        return false;
    MS_AUTO_CLOSE int fd = openat(folder, file.name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_ino != file.inode)
        return false; /* somebody cleaned up the folder */
    return posix_fallocate(fd, (off_t)ms_stats_region_bytes(slot), sizeof(struct ms_stats_slot)) ==
           0;
}

bool ms_stats_file_reserve(struct ms_stats_region *region, uint32_t slot)
{
    if (!file.folder[0])
        return true; /* private memory already */
    if (reserve_in_file(slot))
        return true;
    struct ms_stats_slot *place = &region->slots[slot];
    void *got = mmap(place, sizeof *place, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return got == (void *)place;
}
