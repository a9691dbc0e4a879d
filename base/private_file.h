/* base/private_file.h - small files of the user's own: reading one that may hold secrets, the
 * folder that nobody else may write to, replacing a file in it.
 *
 * The caller wipes what it got (ms_private_file_free does) and refuses the file when it holds a
 * secret and others than its owner have any right to it (ms_private_file_check does).
 */
#ifndef BASE_PRIVATE_FILE_H
#define BASE_PRIVATE_FILE_H

#include <mstore/base.h>
#include <sys/types.h>

struct ms_private_file {
    struct ms_buf *text;
    bool others; /* the group or others may read, write or run it */
};

/* All of the file, at most 1 MiB; `what` as in "the configuration" begins messages. MS_ERR_CONFIG:
 * larger; else what the system says. A named pipe will do. */
int ms_private_file_read(const char *path, const char *what, struct ms_private_file *out,
                         struct ms_error *err) MS_MUST_CHECK;
/* MS_ERR_CONFIG when others may read the file, of which this line (0: none) holds `secret`. */
int ms_private_file_check(const struct ms_private_file *file, const char *path,
                          unsigned secret_line, const char *secret,
                          struct ms_error *err) MS_MUST_CHECK;
/* Wipes and frees the text. */
void ms_private_file_free(struct ms_private_file *file);
static inline struct ms_view ms_private_file_view(const struct ms_private_file *file)
{
    return ms_buf_view(file->text);
}

/* Opens the folder at an absolute path, made (0700, not its parents) when `make`; `what` as in
 * "statistics". A descriptor, or MS_ERR_ACCESS: it is somebody else's, or others may write to it; a
 * symbolic link is not followed. */
int ms_private_folder_open(const char *path, const char *what, bool make,
                           struct ms_error *err) MS_MUST_CHECK;
/* The file has either its old content or this one, also after a power cut; only the user may read
 * it. One at a time for each name: the new one is NAME.tmp meanwhile. */
int ms_private_file_replace(int folder, const char *name, struct ms_view text,
                            struct ms_error *err) MS_MUST_CHECK;
/* All of buf at offset, in spite of interruptions. False: errno says why. */
bool ms_pwrite_all(int fd, const void *buf, size_t size, off_t offset);

#endif
