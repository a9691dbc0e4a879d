/* backends/sftp/write.h - a value in the making, shared by writers, store and compose. */
#ifndef BACKENDS_SFTP_WRITE_H
#define BACKENDS_SFTP_WRITE_H

#include "backends/sftp/sftp.h"

struct ms_sftp_writer {
    struct ms_writer base;
    struct ms_sftp *s;
    struct ms_sftp_op op; /* lane 0's; its gate is that of all lanes */
    struct ms_sftp_lane lanes[MS_SFTP_CONNECTIONS_MAX];
    unsigned lane_count;
    struct ms_sftp_temp temp;
    bool opened; /* the temporary may be there */
    bool if_absent;
    uint64_t offset;          /* of the block in the making */
    struct ms_sftp_out block; /* a WRITE, its handle still missing */
    uint8_t *bytes;
    size_t fill, room;
    size_t outstanding;
    struct ms_view name; /* behind the struct */
};

struct ms_sftp_writer *ms_sftp_writer_new(struct ms_backend *b, struct ms_view name,
                                          const struct ms_precondition *pre, struct ms_error *err);
/* Opens a new temporary; takes the operation's connection and gate over when it succeeds. */
int ms_sftp_writer_begin(struct ms_sftp_op *op, struct ms_sftp_writer *w, struct ms_error *err);
/* All that was appended is there and, if that is wanted, synced; everything is closed. */
int ms_sftp_writer_complete(struct ms_sftp_writer *w, struct ms_error *err);
/* Closes what is open; a temporary that is not wanted any more is removed. Waits for nothing. */
void ms_sftp_writer_finish(struct ms_sftp_writer *w, bool remove);
/* Gives what is complete its name. */
int ms_sftp_writer_publish(struct ms_sftp_writer *w, struct ms_error *err);
/* The error of a write that was refused. */
int ms_sftp_writer_refused(struct ms_sftp_writer *w, uint32_t status, struct ms_error *err);

#endif
