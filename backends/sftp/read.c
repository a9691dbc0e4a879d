/* Reading values: many READs outstanding on one open handle, which pins the version. */
#include "backends/sftp/read.h"

#include "backends/range.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <limits.h>

static int send_read(struct ms_sftp_op *op, struct ms_sftp_conn *conn,
                     const struct ms_sftp_handle *handle, const struct ms_sftp_request *extra,
                     struct ms_error *err)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_READ, 16 + handle->size);
    ms_sftp_put_string(&o, ms_sftp_handle_view(handle));
    ms_sftp_put_u64(&o, extra->offset);
    ms_sftp_put_u32(&o, (uint32_t)extra->wanted);
    int code = ms_sftp_send(conn, op->gate, &o, extra, err);
    if (!code)
        atomic_fetch_add(&op->s->in_flight, extra->wanted);
    return code;
}

int ms_sftp_send_read(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, uint64_t offset,
                      size_t size, struct ms_error *err)
{
    struct ms_sftp_request extra = {.offset = offset, .wanted = size};
    return send_read(op, op->conn, handle, &extra, err);
}

int ms_sftp_send_read_over(struct ms_sftp_op *op, struct ms_sftp_lane *lane, unsigned index,
                           uint64_t offset, size_t size, struct ms_error *err)
{
    struct ms_sftp_request extra = {.offset = offset, .wanted = size, .lane = index};
    int code = send_read(op, lane->conn, &lane->handle, &extra, err);
    lane->outstanding += code ? 0 : size;
    return code;
}

int ms_sftp_judge_read(struct ms_sftp_op *op, struct ms_sftp_conn *conn,
                       const struct ms_sftp_request *r, const struct ms_sftp_answer *answer,
                       int code, struct ms_view *bytes, struct ms_error *err)
{
    atomic_fetch_sub(&op->s->in_flight, r->wanted);
    if (r->code)
        return ms_sftp_conn_error(conn, err);
    if (code)
        return code;
    if (answer->type == MS_FXP_DATA && answer->text.size > 0 && answer->text.size <= r->wanted)
        *bytes = answer->text;
    else if (answer->type == MS_FXP_STATUS && answer->status == MS_FX_EOF)
        *bytes = ms_view("", 0);
    else if (answer->type == MS_FXP_STATUS)
        return ms_sftp_refused(op, answer->status, "read", ms_str("a value"), err);
    else
        return ms_sftp_damaged(op, err);
    ms_backend_count_moved(&op->s->base, bytes->size, 0);
    return 0;
}

/* The next answer to a READ: its bytes, none at the end of the file. *out is the caller's to free,
 * also after a failure; NULL: none ended. */
int ms_sftp_take_read(struct ms_sftp_op *op, struct ms_sftp_request **out, struct ms_view *bytes,
                      struct ms_error *err)
{
    struct ms_sftp_answer a;
    *out = NULL;
    int code = ms_sftp_take(op, out, &a, err);
    return *out ? ms_sftp_judge_read(op, op->conn, *out, &a, code, bytes, err) : code;
}

bool ms_sftp_may_ask(const struct ms_sftp_op *op, size_t mine, size_t size)
{
    return mine == 0 || (mine + size <= MS_SFTP_WINDOW &&
                         atomic_load(&op->s->in_flight) + size <= MS_SFTP_IN_FLIGHT);
}

/* After a failure in the middle: the answers still out are given up. */
static int give_up(struct ms_sftp_op *op, size_t mine, int code)
{
    atomic_fetch_sub(&op->s->in_flight, mine);
    ms_sftp_gate_close(op->gate);
    op->gate = NULL;
    return code;
}

/* Fills `into` from offset; *got is less when the file ends before. On failure the operation is
 * good for nothing more. */
int ms_sftp_read_range(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, uint64_t offset,
                       uint8_t *into, size_t size, size_t *got, struct ms_error *err)
{
    size_t chunk = ms_sftp_conn_features(op->conn)->max_read, asked = 0, mine = 0, end = size;
    while (asked < end || mine) {
        int code = 0;
        size_t n = end - asked < chunk ? end - asked : chunk;
        if (asked < end && ms_sftp_may_ask(op, mine, n)) {
            code = ms_sftp_send_read(op, handle, offset + asked, n, err);
            if (code)
                return give_up(op, mine, code);
            asked += n;
            mine += n;
            continue;
        }
        struct ms_sftp_request *r = NULL;
        struct ms_view bytes;
        code = ms_sftp_take_read(op, &r, &bytes, err);
        size_t at = r ? (size_t)(r->offset - offset) : 0, wanted = r ? r->wanted : 0;
        mine -= wanted;
        if (code) {
            ms_sftp_request_free(r);
            return give_up(op, mine, code);
        }
        if (bytes.size)
            memcpy(into + at, bytes.data, bytes.size);
        if (bytes.size == 0 && at < end)
            end = at;
        ms_sftp_request_free(r);
        if (bytes.size && bytes.size < wanted) { /* the rest */
            code =
                ms_sftp_send_read(op, handle, offset + at + bytes.size, wanted - bytes.size, err);
            if (code)
                return give_up(op, mine, code);
            mine += wanted - bytes.size;
        }
    }
    *got = end;
    return 0;
}

/* ---- opening ---- */

static int send_fstat(struct ms_sftp_op *op, const struct ms_sftp_handle *handle,
                      struct ms_error *err)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_FSTAT, 4 + handle->size);
    ms_sftp_put_string(&o, ms_sftp_handle_view(handle));
    return ms_sftp_send(op->conn, op->gate, &o, NULL, err);
}

static int not_found(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
}

static int open_handle(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_handle *handle,
                       struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r, extra = {.opens = true};
    struct ms_sftp_answer a;
    ms_sftp_out_path(&o, op->s, MS_FXP_OPEN, name, 8);
    ms_sftp_put_u32(&o, MS_FXF_READ);
    ms_sftp_put_no_attrs(&o);
    int code = ms_sftp_ask(op, &o, &extra, &r, &a, err);
    if (code)
        return code;
    uint32_t status = a.status;
    if (a.type == MS_FXP_HANDLE) {
        memcpy(handle->bytes, a.text.data, a.text.size);
        handle->size = a.text.size;
    } else if (a.type != MS_FXP_STATUS || status == MS_FX_OK) {
        code = ms_sftp_damaged(op, err);
    } else {
        code = ms_sftp_refused(op, status, "read", name, err);
    }
    ms_sftp_request_free(r);
    struct ms_sftp_found found;
    if (code == MS_ERR_IO && ms_sftp_look(op, MS_FXP_LSTAT, name, &found, NULL) == 0 &&
        !found.regular)
        return not_found(name, err); /* a directory, which some servers do not open */
    return code;
}

static int judge_fstat(struct ms_sftp_op *op, struct ms_view name, const struct ms_sftp_answer *a,
                       struct ms_sftp_found *found, struct ms_error *err)
{
    if (a->type == MS_FXP_STATUS)
        return ms_sftp_refused(op, a->status, "look at", name, err);
    if (a->type != MS_FXP_ATTRS || !a->attrs.has_size)
        return ms_sftp_damaged(op, err);
    ms_sftp_judge_attrs(&a->attrs, found);
    return found->regular ? 0 : not_found(name, err);
}

/* The answer to an FSTAT, the oldest request of the operation that is still out or the only one. */
static int take_fstat(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_found *found,
                      struct ms_error *err)
{
    struct ms_sftp_request *r = NULL;
    struct ms_sftp_answer a;
    int code = ms_sftp_take(op, &r, &a, err);
    if (code && r && r->code)
        code = ms_sftp_conn_error(op->conn, err);
    if (!code)
        code = judge_fstat(op, name, &a, found, err);
    ms_sftp_request_free(r);
    return code;
}

int ms_sftp_open_value(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_handle *handle,
                       struct ms_sftp_found *found, struct ms_error *err)
{
    int code = open_handle(op, name, handle, err);
    if (code)
        return code;
    code = send_fstat(op, handle, err);
    if (!code)
        code = take_fstat(op, name, found, err);
    if (code)
        ms_sftp_forget_handle(op->conn, ms_sftp_handle_view(handle));
    return code;
}

/* ---- values that others replace ---- */

#define GAP_TRIES 200
#define IO_COST   10 /* of an answer that may mean a broken disk as well */

int ms_sftp_cut_short(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFLICT, "%s was cut short while it was read", MS_SHOW(name));
}

/* How it shows that a handle lost its file. */
static bool broke_off(int code)
{
    return code == MS_ERR_IO || code == MS_ERR_NOT_FOUND || code == MS_ERR_CONFLICT;
}

static int new_gate(struct ms_sftp_op *op, struct ms_error *err)
{
    op->gate = ms_sftp_gate_new();
    return op->gate ? 0
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a request",
                                   op->s->base.url);
}

int ms_sftp_replaced(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFLICT, "%s was replaced while it was read", MS_SHOW(name));
}

/* Where a handle does not hold on to its file: what several READs gave is of one version when its
 * handle still shows the one that it showed at first. */
int ms_sftp_check_same(struct ms_sftp_op *op, struct ms_view name,
                       const struct ms_sftp_handle *handle, const struct ms_info *info,
                       struct ms_error *err)
{
    struct ms_sftp_found found;
    struct ms_info now;
    if (!op->s->features.gaps)
        return 0;
    int code = send_fstat(op, handle, err);
    if (!code)
        code = take_fstat(op, name, &found, err);
    if (code)
        return broke_off(code) ? ms_sftp_replaced(name, err) : code;
    ms_sftp_fill_info(&found, &now);
    return now.size_bytes == info->size_bytes && now.mtime_ns == info->mtime_ns
               ? 0
               : ms_sftp_replaced(name, err);
}

/* Whether the name still shows what was opened, and lets itself be read there. */
static bool still_there(struct ms_sftp_op *op, struct ms_view name, const struct ms_info *info,
                        uint64_t offset)
{
    struct ms_sftp_handle handle;
    struct ms_sftp_found found;
    struct ms_info now;
    uint8_t byte;
    size_t got = 0;
    if (ms_sftp_open_value(op, name, &handle, &found, NULL))
        return false;
    ms_sftp_fill_info(&found, &now);
    bool same = now.size_bytes == info->size_bytes && now.mtime_ns == info->mtime_ns &&
                ms_sftp_read_range(op, &handle, offset, &byte, 1, &got, NULL) != 0;
    ms_sftp_forget_handle(op->conn, ms_sftp_handle_view(&handle));
    return same;
}

/* Reading on failed. Where a handle does not hold on to its file that may be because the value was
 * replaced: it was when its name shows another one, or can be read now. */
int ms_sftp_explain_read(struct ms_sftp_op *like, struct ms_view name, const struct ms_info *info,
                         uint64_t offset, int code, struct ms_error *err)
{
    struct ms_sftp_op op = {.s = like->s, .conn = like->conn};
    if (!op.s->features.gaps || !broke_off(code) || new_gate(&op, NULL))
        return code;
    int tries = GAP_TRIES / IO_COST;
    while (op.gate && tries && still_there(&op, name, info, offset)) {
        ms_sftp_gate_close(op.gate);
        op.gate = ms_sftp_gate_new();
        tries--;
    }
    ms_sftp_gate_close(op.gate);
    return tries == 0 ? code : ms_sftp_replaced(name, err);
}

/* ---- load ---- */

struct load {
    struct ms_view name;
    int64_t offset;
    uint64_t size;
    struct ms_buf *value;
    struct ms_sftp_found found;
};

/* Takes one of the two answers; *pending: bytes of the READ that is still out. */
static int take_first(struct ms_sftp_op *op, struct load *l, size_t *pending,
                      struct ms_sftp_request **first, struct ms_view *bytes, struct ms_error *err)
{
    struct ms_sftp_request *r = NULL;
    struct ms_sftp_answer a;
    int code = ms_sftp_take(op, &r, &a, err);
    if (!r)
        return code;
    atomic_fetch_sub(&op->s->in_flight, r->wanted);
    if (r->wanted)
        *pending = 0;
    if (r->code)
        code = ms_sftp_conn_error(op->conn, err);
    else if (!code && r->wanted == 0)
        code = judge_fstat(op, l->name, &a, &l->found, err);
    else if (!code && a.type == MS_FXP_DATA && a.text.size <= r->wanted)
        *bytes = a.text; /* another answer is heard again when the rest is read */
    if (!code && r->wanted)
        *first = r;
    else
        ms_sftp_request_free(r);
    return code;
}

/* The size and the first bytes in one round trip: what most values are is then all there. */
static int load_first(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, struct load *l,
                      struct ms_sftp_request **first, struct ms_view *bytes, struct ms_error *err)
{
    size_t chunk = ms_sftp_conn_features(op->conn)->max_read, pending = 0;
    size_t n = l->offset < 0 ? 0 : l->size < chunk ? (size_t)l->size : chunk;
    *bytes = ms_view("", 0);
    int code = send_fstat(op, handle, err);
    if (!code && n) {
        code = ms_sftp_send_read(op, handle, (uint64_t)l->offset, n, err);
        pending = code ? 0 : n;
    }
    while (!code && ms_sftp_gate_outstanding(op->gate))
        code = take_first(op, l, &pending, first, bytes, err);
    if (code)
        return give_up(op, pending, code);
    ms_backend_count_moved(&op->s->base, bytes->size, 0);
    return 0;
}

static int fill_value(struct ms_sftp_op *op, const struct ms_sftp_handle *handle, struct load *l,
                      struct ms_view first, struct ms_error *err)
{
    struct ms_info info;
    uint64_t start, count;
    ms_range_clip(l->found.attrs.size, l->offset, l->size, &start, &count);
    if (first.size > count &&
        op->s->features.gaps) /* more than there is: the file is not the one looked at */
        return ms_sftp_replaced(l->name, err);
    MS_AUTO_BUF struct ms_buf *buf = count <= SSIZE_MAX ? ms_buf_new((size_t)count) : NULL;
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY,
                            "no memory for %llu bytes of %s; read it in parts",
                            (unsigned long long)count, MS_SHOW(l->name));
    size_t have = first.size < count ? first.size : (size_t)count, got = 0;
    int code;
    if (have)
        memcpy(ms_buf_data(buf), first.data, have);
    if (have < count) {
        code = ms_sftp_read_range(op, handle, start + have, ms_buf_data(buf) + have,
                                  (size_t)count - have, &got, err);
        if (code)
            return code;
    }
    if (have + got < count)
        return ms_sftp_cut_short(l->name, err);
    ms_sftp_fill_info(&l->found, &info);
    code = ms_sftp_check_same(op, l->name, handle, &info, err);
    if (code)
        return code;
    l->value = MS_TAKE(buf);
    return 0;
}

static int load_opened(struct ms_sftp_op *op, struct load *l, struct ms_sftp_handle handle,
                       struct ms_error *err)
{
    struct ms_sftp_request *r = NULL;
    struct ms_view first;
    int code = load_first(op, &handle, l, &r, &first, err);
    if (!code)
        code = fill_value(op, &handle, l, first, err);
    ms_sftp_request_free(r);
    ms_sftp_forget_handle(op->conn, ms_sftp_handle_view(&handle));
    return code;
}

/* Where a handle does not hold on to its file, others that replace the value meanwhile break it
 * off: then the new one is loaded. */
static int load_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct load *l = arg;
    struct ms_sftp_handle handle;
    int tries = op->s->features.gaps ? GAP_TRIES : 0, code;
    (void)unsure;
    do {
        code = op->gate ? 0 : new_gate(op, err);
        if (!code)
            code = open_handle(op, l->name, &handle, err);
        if (code)
            return code;
        code = load_opened(op, l, handle, err);
        tries -= code == MS_ERR_IO ? IO_COST : 1;
    } while (broke_off(code) && tries > 0);
    return code;
}

int ms_sftp_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                 struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct load l = {.name = name, .offset = offset, .size = size};
    int code = ms_sftp_retrying(b, MS_VERB_LOAD, load_once, &l, err);
    if (code)
        return code;
    if (info)
        ms_sftp_fill_info(&l.found, info);
    *out = l.value;
    return 0;
}
