/* backends/sftp/read.h - READ requests, shared by load and readers. */
#ifndef BACKENDS_SFTP_READ_H
#define BACKENDS_SFTP_READ_H

#include "backends/sftp/sftp.h"

int ms_sftp_send_read(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, uint64_t offset,
                      size_t size, struct ms_error *err);
/* The same over a lane, whose answer goes to the operation's gate. */
int ms_sftp_send_read_over(struct ms_sftp_op *op, struct ms_sftp_lane *lane, unsigned index,
                           uint64_t offset, size_t size, struct ms_error *err);
/* The next answer to a READ: its bytes, none at the end of the file. *out is the caller's to free,
 * also after a failure; NULL: none ended. */
int ms_sftp_take_read(struct ms_sftp_op *op, struct ms_sftp_request **out, struct ms_view *bytes,
                      struct ms_error *err);
/* What ms_sftp_take() gave with `code`, of a READ that `conn` carried. */
int ms_sftp_judge_read(struct ms_sftp_op *op, struct ms_sftp_conn *conn,
                       const struct ms_sftp_request *r, const struct ms_sftp_answer *answer,
                       int code, struct ms_view *bytes, struct ms_error *err);
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

/* ---- spread.c ---- */
/* A large value is read over all connections. Each of them has to open a name, and version 3 has no
 * way to tell whether that is still the same file: so the file gets a name that nobody else knows,
 * by a hard link in the root folder, and all open that. */
struct ms_sftp_spread {
    struct ms_sftp_lane lanes[MS_SFTP_CONNECTIONS_MAX]; /* 0: the reader's own */
    struct ms_sftp_temp link;                           /* "": none */
    unsigned missing;                                   /* lanes that may still open it */
};
/* Links what has just been opened as lane 0 and opens the link instead, where that is worth it and
 * possible; *found is then of that. */
int ms_sftp_spread_pin(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_spread *s,
                       struct ms_sftp_found *found, struct ms_error *err);
/* Asks the connections that are ready to open it. */
void ms_sftp_spread_open(struct ms_sftp_op *op, struct ms_sftp_spread *s);
/* An answer to that; code: what ms_sftp_take() gave. */
void ms_sftp_spread_opened(struct ms_sftp_op *op, struct ms_sftp_spread *s,
                           const struct ms_sftp_request *r, const struct ms_sftp_answer *answer,
                           int code);
unsigned ms_sftp_spread_choose(const struct ms_sftp_op *op, const struct ms_sftp_spread *s);
/* Answers still out will never be taken. */
void ms_sftp_spread_forget(struct ms_sftp_spread *s);
/* Closes all handles, lane 0's too, and removes the link. */
void ms_sftp_spread_close(struct ms_sftp_op *op, struct ms_sftp_spread *s);

#endif
