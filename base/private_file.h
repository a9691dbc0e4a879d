/* base/private_file.h - reading a small file that may hold secrets.
 *
 * The caller wipes what it got (ms_private_file_free does) and refuses the file when it holds a
 * secret and others than its owner have any right to it (ms_private_file_check does).
 */
#ifndef BASE_PRIVATE_FILE_H
#define BASE_PRIVATE_FILE_H

#include <mstore/base.h>

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

#endif
