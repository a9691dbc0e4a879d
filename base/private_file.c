/* base/private_file.c - see base/private_file.h. */
#include "base/private_file.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
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
