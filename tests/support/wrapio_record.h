/* tests/support/wrapio_record.h - between wrapio.c and the recorder. Each does nothing while
 * nothing is recorded, and keeps errno. */
#ifndef SUPPORT_WRAPIO_RECORD_H
#define SUPPORT_WRAPIO_RECORD_H

#include "support/wrapio.h"

void record_new(enum io_kind kind, int dir, const char *name);
void record_write(int fd, uint64_t offset, const void *bytes, size_t size);
void record_sync(enum io_kind kind, int fd, size_t begin);
void record_names(enum io_kind kind, int dir, const char *from, int to_dir, const char *to);

#endif
