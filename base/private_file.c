/* base/private_file.c - see base/private_file.h. */
#include "base/private_file.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILE_MAX (1u << 20)

static int read_all(int fd, uint8_t *into, size_t room, size_t *size)
{
    for (*size = 0; *size < room;) {
        ssize_t n = read(fd, into + *size, room - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        *size += (size_t)n;
    }
    return 0;
}

int ms_private_file_read(const char *path, const char *what, struct ms_private_file *out,
                         struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return ms_error_errno(err, errno, "%s %s", what, path);
    struct ms_private_file file = {ms_buf_new(FILE_MAX + 1), st.st_mode & (S_IRWXG | S_IRWXO)};
    if (!file.text)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s %s", what, path);
    size_t size;
    int errnum = read_all(fd, ms_buf_data(file.text), FILE_MAX + 1, &size);
    ms_buf_truncate(file.text, size);
    int code = 0;
    if (errnum)
        code = ms_error_errno(err, errnum, "%s %s", what, path);
    else if (size > FILE_MAX)
        code = ms_error_set(err, MS_ERR_CONFIG, "%s %s is larger than 1 MiB", what, path);
    if (code)
        ms_private_file_free(&file);
    else
        *out = file;
    return code;
}

int ms_private_file_check(const struct ms_private_file *file, const char *path,
                          unsigned secret_line, const char *secret, struct ms_error *err)
{
    if (!secret_line || !file->others)
        return 0;
    return ms_error_set(err, MS_ERR_CONFIG,
                        "%s:%u: %s, and others may read the file; run: chmod 600 %s", path,
                        secret_line, secret, path);
}

void ms_private_file_free(struct ms_private_file *file)
{
    if (!file->text)
        return;
    struct ms_view text = ms_buf_view(file->text);
    explicit_bzero(ms_buf_data(file->text), text.size);
    ms_buf_unref(file->text);
    file->text = NULL;
}

/* ---- a folder of one's own ---- */

int ms_private_folder_open(const char *path, const char *what, bool make, struct ms_error *err)
{
    if (*path != '/')
        return ms_error_set(err, MS_ERR_INVALID, "the %s folder \"%s\" must be an absolute path",
                            what, MS_SHOW(ms_str(path)));
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
        return ms_error_errno(err, errno, "make the %s folder %s", what, path);
    MS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ms_error_errno(err, errno, "open the %s folder %s", what, path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ms_error_errno(err, errno, "look at the %s folder %s", what, path);
    if (st.st_uid != geteuid())
        return ms_error_set(err, MS_ERR_ACCESS, "the %s folder %s belongs to somebody else", what,
                            path);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return ms_error_set(err, MS_ERR_ACCESS,
                            "others may write to the %s folder %s: chmod 700 it", what, path);
    return ms_take_fd(&fd);
}

bool ms_pwrite_all(int fd, const void *buf, size_t size, off_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, (const char *)buf + done, size - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static int write_new(int folder, const char *name, struct ms_view text)
{
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT) /* of somebody who was interrupted */
        return errno;
    MS_AUTO_CLOSE int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || !ms_pwrite_all(fd, text.data, text.size, 0) || fsync(fd) != 0)
        return errno;
    return close(ms_take_fd(&fd)) == 0 ? 0 : errno;
}

int ms_private_file_replace(int folder, const char *name, struct ms_view text, struct ms_error *err)
{
    char temporary[NAME_MAX + 1];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", name) >= (int)sizeof temporary)
        return ms_error_set(err, MS_ERR_NAME, "the name %s is too long", name);
    int failed = write_new(folder, temporary, text);
    if (!failed && renameat(folder, temporary, folder, name) != 0)
        failed = errno;
    if (failed) {
        unlinkat(folder, temporary, 0);
        return ms_error_errno(err, failed, "write %s", name);
    }
    return fsync(folder) == 0 ? 0 : ms_error_errno(err, errno, "write the folder of %s", name);
}
