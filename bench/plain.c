/* bench/plain.c - see plain.h. */
#include "bench/plain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void plain_die(const char *what)
{
    perror(what);
    exit(1);
}

static int must(int result, const char *what)
{
    if (result < 0)
        plain_die(what);
    return result;
}

static void folder_of(const char *name, char *folder, size_t size)
{
    snprintf(folder, size, "%.*s", (int)(strrchr(name, '/') - name), name);
}

void plain_make_folders(int root, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s", names[i]);
        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = 0;
            if (mkdirat(root, path, 0777) < 0 && errno != EEXIST)
                plain_die(path);
            *slash = '/';
        }
    }
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0)
            plain_die("write");
        bytes += wrote;
        size -= (size_t)wrote;
    }
}

static void sync_folder(int root, const char *folder)
{
    int dir = must(openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder);
    must(fsync(dir), "fsync of a folder");
    close(dir);
}

void plain_store(int root, char *const *names, size_t count, const void *value, size_t size,
                 int sync_all)
{
    for (size_t i = 0; i < count; i++) {
        char folder[256], temp[300];
        folder_of(names[i], folder, sizeof folder);
        snprintf(temp, sizeof temp, "%s/tmp%08zu.tmp", folder, i);
        int fd = must(openat(root, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), temp);
        write_all(fd, value, size);
        if (sync_all)
            must(fsync(fd), "fsync");
        close(fd);
        must(renameat(root, temp, root, names[i]), "rename");
        if (sync_all)
            sync_folder(root, folder);
    }
}

void plain_load(int root, char *const *names, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        int fd = must(openat(root, names[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW), names[i]);
        must(fstat(fd, &st), "fstat");
        char *buf = malloc((size_t)st.st_size);
        if (!buf || pread(fd, buf, (size_t)st.st_size, 0) != (ssize_t)size)
            plain_die("read");
        close(fd);
        free(buf);
    }
}

void plain_store_large(int root, const char *name, const void *block, size_t block_size,
                       uint64_t size, int sync_all)
{
    int fd = must(openat(root, "large.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), name);
    for (uint64_t at = 0; at < size; at += block_size)
        write_all(fd, block, block_size);
    if (sync_all)
        must(fsync(fd), "fsync");
    close(fd);
    must(renameat(root, "large.tmp", root, name), "rename");
    if (sync_all)
        sync_folder(root, "data");
}

void plain_load_large(int root, const char *name, size_t block_size)
{
    char *block = malloc(block_size);
    int fd = must(openat(root, name, O_RDONLY | O_CLOEXEC), name);
    ssize_t got = 0;
    off_t at = 0;
    while (block && (got = pread(fd, block, block_size, at)) > 0)
        at += got;
    must((int)got, "read");
    close(fd);
    free(block);
}

struct entry {
    char *name;
    off_t size;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

size_t plain_list(int root, const char *folder, int with_sizes)
{
    DIR *dir = fdopendir(must(openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder));
    struct entry *entries = NULL;
    size_t count = 0, room = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        if (count == room) {
            room = room ? room * 2 : 1024;
            entries = realloc(entries, room * sizeof *entries);
        }
        if (!entries || !(entries[count].name = strdup(e->d_name)))
            plain_die("memory");
        count++;
    }
    qsort(entries, count, sizeof *entries, by_name);
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        if (with_sizes) {
            must(fstatat(dirfd(dir), entries[i].name, &st, AT_SYMLINK_NOFOLLOW), "stat");
            entries[i].size = st.st_size;
        }
        free(entries[i].name);
    }
    free(entries);
    closedir(dir);
    return count;
}

void plain_remove(int root, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)unlinkat(root, names[i], 0);
}
