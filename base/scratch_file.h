/* base/scratch_file.h - temporary files without a name, in $TMPDIR, else /tmp: gone with their last
 * descriptor, whatever happens. */
#ifndef BASE_SCRATCH_FILE_H
#define BASE_SCRATCH_FILE_H

#include <mstore/base.h>

/* The descriptor is the caller's. */
int ms_scratch_file_open(int *out, struct ms_error *err) MS_MUST_CHECK;
int ms_scratch_file_write(int file, uint64_t offset, struct ms_view bytes,
                          struct ms_error *err) MS_MUST_CHECK;
/* All of [offset, offset+size). MS_ERR_IO: the file is shorter. */
int ms_scratch_file_read(int file, uint64_t offset, uint8_t *into, size_t size,
                         struct ms_error *err) MS_MUST_CHECK;

#endif
