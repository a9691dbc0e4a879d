/* backends/sftp/read.h - READ requests, shared by load and readers. */
#ifndef BACKENDS_SFTP_READ_H
#define BACKENDS_SFTP_READ_H

#include "backends/sftp/sftp.h"

int ms_sftp_send_read(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, uint64_t offset,
                      size_t size, struct ms_error *err);
/* The next answer to a READ: its bytes, none at the end of the file. *out is the caller's to free,
 * also after a failure; NULL: none ended. */
int ms_sftp_take_read(struct ms_sftp_op *op, struct ms_sftp_request **out, struct ms_view *bytes,
                      struct ms_error *err);
/* Whether so many bytes more may be on the way, when `mine` are already. */
bool ms_sftp_may_ask(const struct ms_sftp_op *op, size_t mine, size_t size);
/* Fills `into` from offset; *got is less when the file ends before. On failure the operation is
 * good for nothing more. */
int ms_sftp_read_range(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, uint64_t offset,
                       uint8_t *into, size_t size, size_t *got, struct ms_error *err);
/* CONFLICT: it is shorter than it said. */
int ms_sftp_cut_short(struct ms_view name, struct ms_error *err);
int ms_sftp_replaced(struct ms_view name, struct ms_error *err); /* CONFLICT */
/* CONFLICT where a handle may show another version by now, and does. */
int ms_sftp_check_same(struct ms_sftp_op *op, struct ms_view name,
                       const struct ms_sftp_handle *handle, const struct ms_info *info,
                       struct ms_error *err);
/* What a failure of reading on at offset means; the code to return. */
int ms_sftp_explain_read(struct ms_sftp_op *like, struct ms_view name, const struct ms_info *info,
                         uint64_t offset, int code, struct ms_error *err);

#endif
