/* demo/files.c - see files.h. */
#include "demo/files.h"

#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* nftw has no context argument. */
static struct demo_file *found;
static size_t found_count, found_most;

static void name_by_content(struct demo_file *file)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct ms_view content = ms_buf_view(file->content);
    EVP_Digest(content.data, content.size, digest, &size, EVP_sha256(), NULL);
    int at = snprintf(file->key, sizeof file->key, "data/");
    for (unsigned i = 0; i < size; i++)
        at += snprintf(file->key + at, sizeof file->key - (size_t)at, "%02x", digest[i]);
}

static struct ms_buf *read_file(const char *path, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    struct ms_buf *buf = ms_buf_new(size);
    if (buf && read(fd, ms_buf_data(buf), size) != (ssize_t)size) {
        ms_buf_unref(buf);
        buf = NULL;
    }
    close(fd);
    return buf;
}

static bool seen_before(const char *key)
{
    for (size_t i = 0; i < found_count; i++)
        if (strcmp(found[i].key, key) == 0)
            return true;
    return false;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (found_count == found_most)
        return 1;
    if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size < 64 || st->st_size > 1 << 20)
        return 0;
    struct demo_file *file = &found[found_count];
    file->content = read_file(path, (size_t)st->st_size);
    if (!file->content)
        return 0;
    name_by_content(file);
    file->path = strdup(path);
    if (!file->path || seen_before(file->key)) {
        free(file->path);
        ms_buf_unref(file->content);
        return 0;
    }
    found_count++;
    return 0;
}

size_t find_files(struct demo_file *files, size_t most)
{
    static const char *const folders[] = {"/usr/share/doc", "/usr/share/common-licenses", "/etc"};
    found = files;
    found_count = 0;
    found_most = most;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && found_count < most; i++)
        (void)nftw(folders[i], visit, 16, FTW_PHYS);
    return found_count;
}

void free_files(struct demo_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(files[i].path);
        ms_buf_unref(files[i].content);
    }
}
