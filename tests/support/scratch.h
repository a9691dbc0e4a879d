/* tests/support/scratch.h - a folder of one's own, removed afterwards.
 *
 * In memory (/dev/shm) where that can be had: most tests make thousands of files and do not care
 * whether they survive a power cut. */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char path[64];
};

static inline bool scratch_make(struct scratch *s)
{
    snprintf(s->path, sizeof s->path, "/dev/shm/mstore-test-XXXXXX");
    if (mkdtemp(s->path))
        return true;
    snprintf(s->path, sizeof s->path, "/tmp/mstore-test-XXXXXX");
    return mkdtemp(s->path) != NULL;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int flag,
                                     struct FTW *ftw)
{
    (void)st;
    (void)flag;
    return ftw->level == 0 ? 0 : remove(path);
}

static inline void scratch_empty(const char *path)
{
    nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_remove(struct scratch *s)
{
    scratch_empty(s->path);
    rmdir(s->path);
}

/* How many descriptors this process has. */
static inline unsigned scratch_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

#endif
