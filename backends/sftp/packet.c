/* SFTP version 3 packets: see packet.h. No state; any thread. */
#include "backends/sftp/packet.h"

#include "base/text.h"

#include <stdlib.h>

/* Request sizes: 32 KiB is what the draft makes every server take; ours are never larger than
 * CHUNK_MAX, with which OpenSSH's packets of 256 KiB are full. */
#define CHUNK_DEFAULT (32u << 10)
#define CHUNK_MAX     (255u << 10)
#define CHUNK_MIN     512u

#define ATTR_SIZE        0x00000001u
#define ATTR_UIDGID      0x00000002u
#define ATTR_PERMISSIONS 0x00000004u
#define ATTR_ACMODTIME   0x00000008u
#define ATTR_EXTENDED    0x80000000u

/* ---- building ---- */

static void store_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint8_t *extend(struct ms_sftp_out *o, size_t size)
{
    if (o->failed)
        return NULL;
    if (o->room - o->size < size) {
        size_t room = o->room * 2 > o->size + size ? o->room * 2 : o->size + size;
        uint8_t *data = realloc(o->data, room);
        if (!data) {
            ms_sftp_out_fini(o);
            o->failed = true;
            return NULL;
        }
        o->data = data;
        o->room = room;
    }
    o->size += size;
    return o->data + o->size - size;
}

void ms_sftp_out_begin(struct ms_sftp_out *o, enum ms_sftp_type type, size_t room)
{
    *o = (struct ms_sftp_out){.room = MS_SFTP_HEAD + room};
    o->data = malloc(o->room);
    o->failed = !o->data;
    uint8_t *head = extend(o, MS_SFTP_HEAD);
    if (!head)
        return;
    memset(head, 0, MS_SFTP_HEAD);
    head[4] = (uint8_t)type;
}

void ms_sftp_put_u32(struct ms_sftp_out *o, uint32_t value)
{
    uint8_t *to = extend(o, 4);
    if (to)
        store_u32(to, value);
}

void ms_sftp_put_u64(struct ms_sftp_out *o, uint64_t value)
{
    ms_sftp_put_u32(o, (uint32_t)(value >> 32));
    ms_sftp_put_u32(o, (uint32_t)value);
}

void ms_sftp_put_string(struct ms_sftp_out *o, struct ms_view text)
{
    ms_sftp_put_joined(o, text, ms_view(NULL, 0));
}

void ms_sftp_put_joined(struct ms_sftp_out *o, struct ms_view first, struct ms_view second)
{
    ms_sftp_put_u32(o, (uint32_t)(first.size + second.size));
    uint8_t *to = extend(o, first.size + second.size);
    if (to && first.size)
        memcpy(to, first.data, first.size);
    if (to && second.size)
        memcpy(to + first.size, second.data, second.size);
}

uint8_t *ms_sftp_put_room(struct ms_sftp_out *o, size_t size)
{
    ms_sftp_put_u32(o, (uint32_t)size);
    return extend(o, size);
}

void ms_sftp_put_no_attrs(struct ms_sftp_out *o)
{
    ms_sftp_put_u32(o, 0);
}

void ms_sftp_put_mode(struct ms_sftp_out *o, uint32_t permissions)
{
    ms_sftp_put_u32(o, ATTR_PERMISSIONS);
    ms_sftp_put_u32(o, permissions);
}

void ms_sftp_put_times(struct ms_sftp_out *o, uint32_t atime, uint32_t mtime)
{
    ms_sftp_put_u32(o, ATTR_ACMODTIME);
    ms_sftp_put_u32(o, atime);
    ms_sftp_put_u32(o, mtime);
}

bool ms_sftp_out_finish(struct ms_sftp_out *o, uint32_t id)
{
    if (o->failed)
        return false;
    store_u32(o->data, (uint32_t)(o->size - 4));
    store_u32(o->data + 5, id);
    return true;
}

void ms_sftp_out_fini(struct ms_sftp_out *o)
{
    free(o->data);
    *o = (struct ms_sftp_out){0};
}

/* ---- taking apart ---- */

struct ms_sftp_in ms_sftp_in(struct ms_view bytes)
{
    return (struct ms_sftp_in){bytes.data, bytes.size, false};
}

static const uint8_t *take(struct ms_sftp_in *in, size_t size)
{
    if (in->bad || in->left < size) {
        in->bad = true;
        in->left = 0;
        return NULL;
    }
    const uint8_t *at = in->at;
    in->at += size;
    in->left -= size;
    return at;
}

uint8_t ms_sftp_get_u8(struct ms_sftp_in *in)
{
    const uint8_t *at = take(in, 1);
    return at ? *at : 0;
}

uint32_t ms_sftp_get_u32(struct ms_sftp_in *in)
{
    const uint8_t *at = take(in, 4);
    return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3] : 0;
}

uint64_t ms_sftp_get_u64(struct ms_sftp_in *in)
{
    uint64_t high = ms_sftp_get_u32(in);
    return high << 32 | ms_sftp_get_u32(in);
}

struct ms_view ms_sftp_get_string(struct ms_sftp_in *in)
{
    uint32_t size = ms_sftp_get_u32(in);
    const uint8_t *at = take(in, size);
    return at ? ms_view(at, size) : ms_view("", 0);
}

void ms_sftp_get_attrs(struct ms_sftp_in *in, struct ms_sftp_attrs *out)
{
    struct ms_sftp_attrs a = {0};
    uint32_t flags = ms_sftp_get_u32(in);
    a.has_size = flags & ATTR_SIZE;
    a.has_mode = flags & ATTR_PERMISSIONS;
    a.has_times = flags & ATTR_ACMODTIME;
    if (a.has_size)
        a.size = ms_sftp_get_u64(in);
    if (flags & ATTR_UIDGID)
        (void)ms_sftp_get_u64(in);
    if (a.has_mode)
        a.mode = ms_sftp_get_u32(in);
    if (a.has_times) {
        a.atime = ms_sftp_get_u32(in);
        a.mtime = ms_sftp_get_u32(in);
    }
    uint32_t extended = flags & ATTR_EXTENDED ? ms_sftp_get_u32(in) : 0;
    for (uint32_t i = 0; i < extended && !in->bad; i++) {
        (void)ms_sftp_get_string(in);
        (void)ms_sftp_get_string(in);
    }
    *out = a;
}

/* The message is optional: servers of older drafts send none. */
static void parse_status(struct ms_sftp_in *in, struct ms_sftp_answer *a)
{
    a->status = ms_sftp_get_u32(in);
    if (in->left)
        a->text = ms_sftp_get_string(in);
}

bool ms_sftp_parse(struct ms_view packet, struct ms_sftp_answer *out)
{
    struct ms_sftp_in in = ms_sftp_in(packet);
    struct ms_sftp_answer a = {.text = {(const uint8_t *)"", 0}};
    uint8_t type = ms_sftp_get_u8(&in);
    a.type = (enum ms_sftp_type)type;
    a.id = ms_sftp_get_u32(&in);
    switch (type) {
    case MS_FXP_STATUS:
        parse_status(&in, &a);
        break;
    case MS_FXP_HANDLE:
        a.text = ms_sftp_get_string(&in);
        if (a.text.size == 0 || a.text.size > MS_HANDLE_MAX)
            return false;
        break;
    case MS_FXP_DATA:
        a.text = ms_sftp_get_string(&in);
        break;
    case MS_FXP_NAME:
        a.count = ms_sftp_get_u32(&in);
        a.rest = in;
        break;
    case MS_FXP_ATTRS:
        ms_sftp_get_attrs(&in, &a.attrs);
        break;
    case MS_FXP_EXTENDED_REPLY:
        a.rest = in;
        break;
    default:
        return false;
    }
    if (in.bad)
        return false;
    *out = a;
    return true;
}

bool ms_sftp_next_name(struct ms_sftp_in *rest, struct ms_view *name, struct ms_sftp_attrs *attrs)
{
    struct ms_sftp_attrs a;
    struct ms_view n = ms_sftp_get_string(rest);
    (void)ms_sftp_get_string(rest); /* a line for people */
    ms_sftp_get_attrs(rest, &a);
    if (rest->bad)
        return false;
    *name = n;
    *attrs = a;
    return true;
}

bool ms_sftp_parse_version(struct ms_view packet, struct ms_sftp_features *out)
{
    struct ms_sftp_in in = ms_sftp_in(packet);
    struct ms_sftp_features f = {.max_read = CHUNK_DEFAULT, .max_write = CHUNK_DEFAULT};
    if (ms_sftp_get_u8(&in) != MS_FXP_VERSION)
        return false;
    f.version = ms_sftp_get_u32(&in);
    while (in.left) {
        struct ms_view name = ms_sftp_get_string(&in), value = ms_sftp_get_string(&in);
        const struct {
            const char *name, *value;
            bool *flag;
        } known[] = {
            {"posix-rename@openssh.com", "1", &f.posix_rename},
            {"hardlink@openssh.com", "1", &f.hardlink},
            {"fsync@openssh.com", "1", &f.fsync},
            {"statvfs@openssh.com", "2", &f.statvfs},
            {"limits@openssh.com", "1", &f.limits},
            {"copy-data", "1", &f.copy_data},
        };
        for (size_t i = 0; !in.bad && i < sizeof known / sizeof *known; i++)
            if (ms_equal(name, ms_str(known[i].name)) && ms_equal(value, ms_str(known[i].value)))
                *known[i].flag = true;
    }
    if (in.bad)
        return false;
    *out = f;
    return true;
}

void ms_sftp_apply_quirks(const char *banner, struct ms_sftp_features *f)
{
    /* rclone serve sftp: says that it made a hard link and made none; a rename over a file is a
     * removal and a rename */
    if (banner && strstr(banner, "-rclone/")) {
        f->hardlink = false;
        f->gaps = true;
        f->symbols = true;
    }
}

/* 0 means that there is no limit. */
static uint32_t chunk(uint64_t limit)
{
    if (limit == 0 || limit > CHUNK_MAX)
        return CHUNK_MAX;
    return limit < CHUNK_MIN ? CHUNK_MIN : (uint32_t)limit;
}

bool ms_sftp_parse_limits(struct ms_sftp_in body, struct ms_sftp_features *out)
{
    (void)ms_sftp_get_u64(&body); /* of a packet */
    uint64_t read = ms_sftp_get_u64(&body), write = ms_sftp_get_u64(&body);
    (void)ms_sftp_get_u64(&body); /* of open handles */
    if (body.bad)
        return false;
    out->max_read = chunk(read);
    out->max_write = chunk(write);
    return true;
}

bool ms_sftp_parse_statvfs(struct ms_sftp_in body, uint64_t *total_bytes, uint64_t *free_bytes)
{
    (void)ms_sftp_get_u64(&body); /* preferred block size */
    uint64_t unit = ms_sftp_get_u64(&body), blocks = ms_sftp_get_u64(&body);
    (void)ms_sftp_get_u64(&body); /* free, some of it the superuser's */
    uint64_t available = ms_sftp_get_u64(&body), total, left;
    if (body.bad)
        return false;
    if (__builtin_mul_overflow(unit, blocks, &total) ||
        __builtin_mul_overflow(unit, available, &left))
        total = left = UINT64_MAX;
    *total_bytes = total;
    *free_bytes = left;
    return true;
}

/* ---- statuses ---- */

/* 9 and above are of later drafts; some servers send them all the same. */
static const struct {
    const char *name;
    int code;
} statuses[] = {
    [MS_FX_OK] = {"OK", 0},
    [MS_FX_EOF] = {"EOF", MS_ERR_RANGE},
    [MS_FX_NO_SUCH_FILE] = {"NO_SUCH_FILE", MS_ERR_NOT_FOUND},
    [MS_FX_PERMISSION_DENIED] = {"PERMISSION_DENIED", MS_ERR_ACCESS},
    [MS_FX_FAILURE] = {"FAILURE", MS_ERR_IO},
    [MS_FX_BAD_MESSAGE] = {"BAD_MESSAGE", MS_ERR_PROTOCOL},
    [MS_FX_NO_CONNECTION] = {"NO_CONNECTION", MS_ERR_CONNECTION},
    [MS_FX_CONNECTION_LOST] = {"CONNECTION_LOST", MS_ERR_CONNECTION},
    [MS_FX_OP_UNSUPPORTED] = {"OP_UNSUPPORTED", MS_ERR_UNSUPPORTED},
    [9] = {"INVALID_HANDLE", MS_ERR_IO},
    [10] = {"NO_SUCH_PATH", MS_ERR_NOT_FOUND},
    [11] = {"FILE_ALREADY_EXISTS", MS_ERR_EXISTS},
    [12] = {"WRITE_PROTECT", MS_ERR_ACCESS},
    [13] = {"NO_MEDIA", MS_ERR_IO},
    [14] = {"NO_SPACE_ON_FILESYSTEM", MS_ERR_NO_SPACE},
    [15] = {"QUOTA_EXCEEDED", MS_ERR_NO_SPACE},
    [16] = {"UNKNOWN_PRINCIPAL", MS_ERR_ACCESS},
    [17] = {"LOCK_CONFLICT", MS_ERR_BUSY},
    [18] = {"DIR_NOT_EMPTY", MS_ERR_EXISTS},
    [19] = {"NOT_A_DIRECTORY", MS_ERR_NOT_FOUND},
    [20] = {"INVALID_FILENAME", MS_ERR_NAME},
    [21] = {"LINK_LOOP", MS_ERR_ACCESS},
};
#define STATUS_COUNT (sizeof statuses / sizeof *statuses)

const char *ms_sftp_status_name(uint32_t status)
{
    return status < STATUS_COUNT ? statuses[status].name : "an unknown status";
}

int ms_sftp_status_code(uint32_t status)
{
    return status < STATUS_COUNT ? statuses[status].code : MS_ERR_IO;
}
