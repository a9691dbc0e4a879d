/* backends/sftp/packet.h - SFTP version 3 packets (draft-ietf-secsh-filexfer-02), built and taken
 * apart. Pure: no network, no state but the arguments. Every length from outside is checked.
 *
 *   uint32 length | byte type | uint32 id | body        a request or an answer
 *   uint32 length | byte type | uint32 version | …      SSH_FXP_INIT, SSH_FXP_VERSION
 *
 * Numbers are big-endian; a string is uint32 length and bytes.
 */
#ifndef BACKENDS_SFTP_PACKET_H
#define BACKENDS_SFTP_PACKET_H

#include <mstore/base.h>

enum ms_sftp_type {
    MS_FXP_INIT = 1,
    MS_FXP_VERSION = 2,
    MS_FXP_OPEN = 3,
    MS_FXP_CLOSE = 4,
    MS_FXP_READ = 5,
    MS_FXP_WRITE = 6,
    MS_FXP_LSTAT = 7,
    MS_FXP_FSTAT = 8,
    MS_FXP_SETSTAT = 9,
    MS_FXP_OPENDIR = 11,
    MS_FXP_READDIR = 12,
    MS_FXP_REMOVE = 13,
    MS_FXP_MKDIR = 14,
    MS_FXP_RMDIR = 15,
    MS_FXP_REALPATH = 16,
    MS_FXP_STAT = 17,
    MS_FXP_RENAME = 18,
    MS_FXP_STATUS = 101,
    MS_FXP_HANDLE = 102,
    MS_FXP_DATA = 103,
    MS_FXP_NAME = 104,
    MS_FXP_ATTRS = 105,
    MS_FXP_EXTENDED = 200,
    MS_FXP_EXTENDED_REPLY = 201,
};

enum ms_sftp_status {
    MS_FX_OK = 0,
    MS_FX_EOF = 1,
    MS_FX_NO_SUCH_FILE = 2,
    MS_FX_PERMISSION_DENIED = 3,
    MS_FX_FAILURE = 4,
    MS_FX_BAD_MESSAGE = 5,
    MS_FX_NO_CONNECTION = 6,
    MS_FX_CONNECTION_LOST = 7,
    MS_FX_OP_UNSUPPORTED = 8,
};

#define MS_FXF_READ   0x01u
#define MS_FXF_WRITE  0x02u
#define MS_FXF_CREAT  0x08u
#define MS_FXF_EXCL   0x20u
#define MS_SFTP_HEAD  9u /* length, type, id */
#define MS_HANDLE_MAX 256u
/* No answer is longer: OpenSSH's limit is 256 KiB, listings of others may be more. */
#define MS_SFTP_ANSWER_MAX (4u << 20)

/* ---- building ---- */

/* A packet in the making. `failed`: no memory; further puts do nothing. */
struct ms_sftp_out {
    uint8_t *data;
    size_t size, room;
    bool failed;
};
/* room: a guess of the size of the body. */
void ms_sftp_out_begin(struct ms_sftp_out *o, enum ms_sftp_type type, size_t room);
void ms_sftp_put_u32(struct ms_sftp_out *o, uint32_t value);
void ms_sftp_put_u64(struct ms_sftp_out *o, uint64_t value);
void ms_sftp_put_string(struct ms_sftp_out *o, struct ms_view text);
/* One string from two parts: a path. */
void ms_sftp_put_joined(struct ms_sftp_out *o, struct ms_view first, struct ms_view second);
/* Room for `size` bytes of a string's body, to be filled by the caller; NULL: no memory. */
uint8_t *ms_sftp_put_room(struct ms_sftp_out *o, size_t size);
/* No attributes, or permissions alone. */
void ms_sftp_put_no_attrs(struct ms_sftp_out *o);
void ms_sftp_put_mode(struct ms_sftp_out *o, uint32_t permissions);
void ms_sftp_put_times(struct ms_sftp_out *o, uint32_t atime, uint32_t mtime);
/* Writes the length and the id; false: failed somewhere (nothing to free then). */
bool ms_sftp_out_finish(struct ms_sftp_out *o, uint32_t id);
void ms_sftp_out_fini(struct ms_sftp_out *o);

/* ---- taking apart ---- */

/* What is left of a packet. `bad`: it was too short once; all that follows is 0 or empty. */
struct ms_sftp_in {
    const uint8_t *at;
    size_t left;
    bool bad;
};
struct ms_sftp_in ms_sftp_in(struct ms_view bytes);
uint8_t ms_sftp_get_u8(struct ms_sftp_in *in);
uint32_t ms_sftp_get_u32(struct ms_sftp_in *in);
uint64_t ms_sftp_get_u64(struct ms_sftp_in *in);
struct ms_view ms_sftp_get_string(struct ms_sftp_in *in); /* borrowed */

struct ms_sftp_attrs {
    bool has_size, has_mode, has_times;
    uint64_t size;
    uint32_t mode; /* as st_mode */
    uint32_t atime, mtime;
};
void ms_sftp_get_attrs(struct ms_sftp_in *in, struct ms_sftp_attrs *out);

/* An answer without its length field. Views are borrowed from it. */
struct ms_sftp_answer {
    enum ms_sftp_type type;
    uint32_t id;
    uint32_t status;        /* STATUS */
    struct ms_view text;    /* STATUS: message; HANDLE: handle; DATA: data */
    uint32_t count;         /* NAME: entries … */
    struct ms_sftp_in rest; /* … in here; EXTENDED_REPLY: the body */
    struct ms_sftp_attrs attrs;
};
/* False: no packet that a server may send, or a damaged one. */
bool ms_sftp_parse(struct ms_view packet, struct ms_sftp_answer *out) MS_MUST_CHECK;
/* The next entry of a NAME answer. False: damaged. */
bool ms_sftp_next_name(struct ms_sftp_in *rest, struct ms_view *name,
                       struct ms_sftp_attrs *attrs) MS_MUST_CHECK;

/* What a server says of itself. */
struct ms_sftp_features {
    uint32_t version;
    bool posix_rename, hardlink, fsync, statvfs, limits, copy_data;
    bool gaps;    /* its posix-rename removes the old file first: for a moment there is none; and an
                     open handle does not hold on to a file that is gone */
    bool symbols; /* it writes names as in names.c */
    uint32_t max_read, max_write; /* bytes of one request */
};
/* From a VERSION packet; sizes that every server takes. */
bool ms_sftp_parse_version(struct ms_view packet, struct ms_sftp_features *out) MS_MUST_CHECK;
/* What is known of the server's software, by its SSH banner, and not told by itself. */
void ms_sftp_apply_quirks(const char *banner, struct ms_sftp_features *f);
/* From the body of an answer to limits@openssh.com. */
bool ms_sftp_parse_limits(struct ms_sftp_in body, struct ms_sftp_features *out) MS_MUST_CHECK;
bool ms_sftp_parse_statvfs(struct ms_sftp_in body, uint64_t *total_bytes,
                           uint64_t *free_bytes) MS_MUST_CHECK;

/* ---- names.c ---- */
/* As the server writes it; room for MS_SFTP_ENCODED(name.size) bytes. */
#define MS_SFTP_ENCODED(size) (3 * (size))
size_t ms_sftp_encode_name(struct ms_view name, uint8_t *to);
/* Back; never longer. */
size_t ms_sftp_decode_name(struct ms_view name, uint8_t *to);

const char *ms_sftp_status_name(uint32_t status); /* "NO_SUCH_FILE" */
int ms_sftp_status_code(uint32_t status);         /* an MS_ERR_*; 0 for OK */

#endif
