/* See base/scratch_file.h. */
#include "base/scratch_file.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* On a file system that makes none without a name. */
static int open_named(const char *folder)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/mstore-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

int ms_scratch_file_open(int *out, struct ms_error *err)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || folder[0] != '/')
        folder = "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        fd = open_named(folder);
    if (fd < 0) {
        int code = ms_error_errno(err, errno,
                                  "no temporary file in %s (TMPDIR names another "
                                  "folder)",
                                  MS_SHOW(ms_str(folder)));
        if (code == MS_ERR_NOT_FOUND) /* which is said of items */
            code = MS_ERR_IO;
        if (err)
            err->code = code;
        return code;
    }
    *out = fd;
    return 0;
}

int ms_scratch_file_write(int file, uint64_t offset, struct ms_view bytes, struct ms_error *err)
{
    while (bytes.size) {
        ssize_t n = pwrite(file, bytes.data, bytes.size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ms_error_errno(err, errno,
                                  "write a temporary file (TMPDIR names another folder)");
        offset += (uint64_t)n;
        bytes = ms_view(bytes.data + n, bytes.size - (size_t)n);
    }
    return 0;
}

int ms_scratch_file_read(int file, uint64_t offset, uint8_t *into, size_t size,
                         struct ms_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(file, into + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? ms_error_errno(err, errno, "read a temporary file")
                     : ms_error_set(err, MS_ERR_IO, "a temporary file has got shorter");
        done += (size_t)n;
    }
    return 0;
}
