/* Writing values: into "tmp????????.tmp" beside the target, in blocks of the size that the server
 * takes, many outstanding; then synced where the server offers it, and given its name.
 *
 * A large value goes over all connections: each opens the temporary (whose name nobody else knows)
 * and writes blocks of its own. What is sent but not acknowledged is bounded, per value and for all
 * values together. A writer whose connection is lost has failed: what the server acknowledged but
 * did not sync may be gone with it. A store of a whole value begins anew, with a new temporary. */
#include "backends/sftp/write.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

#define STRIPE_FROM (UINT64_C(4) << 20) /* bytes after which further connections join */

/* ---- answers ---- */

static void acknowledged(struct ms_sftp_writer *w, const struct ms_sftp_request *r)
{
    w->outstanding -= r->wanted;
    w->lanes[r->lane].outstanding -= r->wanted;
    atomic_fetch_sub(&w->s->in_flight, r->wanted);
}

/* A plain failure may be that the disk is full. */
int ms_sftp_writer_refused(struct ms_sftp_writer *w, uint32_t status, struct ms_error *err)
{
    uint64_t total = UINT64_MAX, left = UINT64_MAX;
    if (status == MS_FX_FAILURE && w->s->features.statvfs &&
        ms_sftp_usage(&w->s->base, &total, &left, NULL) == 0 && left < (1u << 20))
        return ms_error_set(err, MS_ERR_NO_SPACE, "no space is left on %s for %s", w->s->base.url,
                            MS_SHOW(w->name));
    return ms_sftp_refused(&w->op, status, "write", w->name, err);
}

static int lost(struct ms_sftp_writer *w, unsigned lane, struct ms_error *err)
{
    return ms_sftp_conn_error(w->lanes[lane].conn, err);
}

/* Takes one answer. */
static int take(struct ms_sftp_writer *w, struct ms_error *err)
{
    struct ms_sftp_request *r = NULL;
    struct ms_sftp_answer a;
    int code = ms_sftp_take(&w->op, &r, &a, err);
    if (!r)
        return code;
    struct ms_sftp_lane *lane = &w->lanes[r->lane];
    acknowledged(w, r);
    if (r->code) {
        code = lost(w, r->lane, err);
    } else if (!code && r->opens && a.type == MS_FXP_HANDLE) {
        memcpy(lane->handle.bytes, a.text.data, a.text.size);
        lane->handle.size = a.text.size;
    } else if (!code && a.type != MS_FXP_STATUS) {
        code = ms_sftp_damaged(&w->op, err);
    } else if (!code && a.status != MS_FX_OK &&
               !r->opens) { /* a lane that does not open is unused */
        code = ms_sftp_writer_refused(w, a.status, err);
    }
    ms_sftp_request_free(r);
    return code;
}

static int take_all(struct ms_sftp_writer *w, struct ms_error *err)
{
    int code = 0;
    while (!code && ms_sftp_gate_outstanding(w->op.gate))
        code = take(w, err);
    return code;
}

/* ---- blocks ---- */

static bool may_send(struct ms_sftp_writer *w, size_t size)
{
    if (w->outstanding == 0)
        return true;
    return w->outstanding + size <= MS_SFTP_WINDOW &&
           atomic_load(&w->s->in_flight) + size <= MS_SFTP_IN_FLIGHT;
}

static void open_lanes(struct ms_sftp_writer *w)
{
    for (unsigned i = 1; i < w->s->connections; i++) {
        struct ms_sftp_lane *lane = &w->lanes[i];
        if (lane->asked)
            continue;
        if (!lane->conn)
            lane->conn = ms_sftp_pool_peek(w->s, i);
        if (!lane->conn || lane->conn == w->op.conn)
            continue;
        struct ms_sftp_out o;
        struct ms_sftp_request extra = {.opens = true, .lane = i};
        ms_sftp_out_path(&o, w->s, MS_FXP_OPEN, ms_str(w->temp.text), 16);
        ms_sftp_put_u32(&o, MS_FXF_WRITE);
        ms_sftp_put_no_attrs(&o);
        if (ms_sftp_send(lane->conn, w->op.gate, &o, &extra, NULL) == 0)
            lane->asked = true;
    }
}

static unsigned least_busy(const struct ms_sftp_writer *w)
{
    unsigned best = 0;
    for (unsigned i = 1; i < w->s->connections; i++)
        if (w->lanes[i].handle.size && w->lanes[i].outstanding < w->lanes[best].outstanding)
            best = i;
    return best;
}

/* Sends the block in the making, once there is room for it on the line. */
static int send_block(struct ms_sftp_writer *w, struct ms_error *err)
{
    int code = 0;
    if (w->fill == 0)
        return 0;
    if (w->offset >= STRIPE_FROM && w->s->connections > 1)
        open_lanes(w);
    while (!code && !may_send(w, w->fill))
        code = take(w, err);
    if (code)
        return code;
    unsigned index = least_busy(w);
    struct ms_sftp_lane *lane = &w->lanes[index];
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_WRITE, 16 + MS_HANDLE_MAX + w->fill);
    ms_sftp_put_string(&o, ms_sftp_handle_view(&lane->handle));
    ms_sftp_put_u64(&o, w->offset);
    ms_sftp_put_string(&o, ms_view(w->bytes, w->fill));
    struct ms_sftp_request extra = {.wanted = w->fill, .lane = index};
    w->outstanding += w->fill;
    lane->outstanding += w->fill;
    atomic_fetch_add(&w->s->in_flight, w->fill);
    code = ms_sftp_send(lane->conn, w->op.gate, &o, &extra, err);
    if (code) {
        acknowledged(w, &extra);
        return code;
    }
    ms_backend_count_moved(&w->s->base, 0, w->fill);
    w->offset += w->fill;
    w->fill = 0;
    return 0;
}

static int writer_append(struct ms_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct ms_sftp_writer *w = (struct ms_sftp_writer *)base;
    if (!w->bytes)
        w->bytes = malloc(w->room);
    if (!w->bytes)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to write %s", MS_SHOW(w->name));
    while (bytes.size) {
        size_t n = w->room - w->fill < bytes.size ? w->room - w->fill : bytes.size;
        memcpy(w->bytes + w->fill, bytes.data, n);
        w->fill += n;
        bytes = ms_view(bytes.data + n, bytes.size - n);
        int code = w->fill == w->room ? send_block(w, err) : 0;
        if (code)
            return code;
    }
    return 0;
}

/* ---- the temporary ---- */

static int open_temp(struct ms_sftp_op *op, struct ms_sftp_writer *w, uint32_t *status,
                     struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r, extra = {.opens = true};
    struct ms_sftp_answer a;
    ms_sftp_temp_name(&w->temp, w->name);
    ms_sftp_out_path(&o, op->s, MS_FXP_OPEN, ms_str(w->temp.text), 16);
    ms_sftp_put_u32(&o, MS_FXF_WRITE | MS_FXF_CREAT | MS_FXF_EXCL);
    ms_sftp_put_mode(&o, 0600);
    w->opened = true;
    int code = ms_sftp_ask(op, &o, &extra, &r, &a, err);
    if (code)
        return code;
    *status = MS_FX_OK;
    if (a.type == MS_FXP_HANDLE) {
        memcpy(w->lanes[0].handle.bytes, a.text.data, a.text.size);
        w->lanes[0].handle.size = a.text.size;
    } else if (a.type == MS_FXP_STATUS && a.status != MS_FX_OK) {
        *status = a.status;
        w->opened = false;
    } else {
        code = ms_sftp_damaged(op, err);
    }
    ms_sftp_request_free(r);
    return code;
}

/* Opens it, and makes the folders that are missing. */
static int begin(struct ms_sftp_writer *w, struct ms_error *err)
{
    struct ms_view parent = ms_name_parent(w->name);
    unsigned failures = 0;
    w->lanes[0].conn = w->op.conn;
    w->room = ms_sftp_conn_features(w->op.conn)->max_write;
    for (int tries = 0;; tries++) {
        uint32_t status;
        int code = open_temp(&w->op, w, &status, err);
        if (code || status == MS_FX_OK)
            return code;
        bool missing = ms_sftp_status_code(status) == MS_ERR_NOT_FOUND;
        if (tries == MS_SFTP_TRIES || (missing && parent.size == 0) || (!missing && ++failures > 2))
            return missing && parent.size == 0
                       ? ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s any more",
                                      w->s->base.url)
                       : ms_sftp_writer_refused(w, status, err);
        if (!missing && status != MS_FX_FAILURE)
            return ms_sftp_writer_refused(w, status, err);
        if (parent.size == 0)
            continue;
        /* some servers say "failure" below a file */
        code = ms_sftp_make_dirs(&w->op, parent, err);
        if (code && code != MS_ERR_NOT_FOUND)
            return code;
    }
}

/* Closes what is open; a temporary that is not wanted any more is removed. Waits for nothing. */
void ms_sftp_writer_finish(struct ms_sftp_writer *w, bool remove)
{
    ms_sftp_gate_empty(w->op.gate, ms_sftp_lane_drop, w->lanes);
    for (unsigned i = 0; i < w->s->connections; i++) {
        struct ms_sftp_lane *lane = &w->lanes[i];
        if (lane->conn && lane->handle.size)
            ms_sftp_forget_handle(lane->conn, ms_sftp_handle_view(&lane->handle));
        lane->handle.size = 0;
        if (i > 0)
            ms_sftp_conn_unref(lane->conn);
        lane->conn = i > 0 ? NULL : lane->conn;
    }
    if (remove && w->opened && w->op.conn) {
        struct ms_sftp_out o;
        ms_sftp_out_path(&o, w->s, MS_FXP_REMOVE, ms_str(w->temp.text), 0);
        ms_sftp_forget(w->op.conn, &o);
    }
    w->opened = false;
    atomic_fetch_sub(&w->s->in_flight, w->outstanding);
    w->outstanding = 0;
    ms_sftp_end(&w->op);
    free(w->bytes);
    w->bytes = NULL;
}

/* The temporary of an attempt whose connection was lost lies there still. */
static void remove_lost(struct ms_sftp_op *op, struct ms_sftp_writer *w)
{
    if (!w->temp.text[0])
        return;
    struct ms_sftp_out o;
    ms_sftp_out_path(&o, op->s, MS_FXP_REMOVE, ms_str(w->temp.text), 0);
    ms_sftp_forget(op->conn, &o);
    w->temp.text[0] = 0;
}

static void writer_abort(struct ms_writer *base)
{
    ms_sftp_writer_finish((struct ms_sftp_writer *)base, true);
    free(base);
}

static int on_handle(struct ms_sftp_writer *w, unsigned index, const char *extension,
                     struct ms_error *err)
{
    struct ms_sftp_lane *lane = &w->lanes[index];
    struct ms_sftp_out o;
    struct ms_sftp_request extra = {.lane = index, .slow = true};
    ms_sftp_out_begin(&o, extension ? MS_FXP_EXTENDED : MS_FXP_CLOSE, 32 + lane->handle.size);
    if (extension)
        ms_sftp_put_string(&o, ms_str(extension));
    ms_sftp_put_string(&o, ms_sftp_handle_view(&lane->handle));
    if (!extension)
        lane->handle.size = 0;
    return ms_sftp_send(lane->conn, w->op.gate, &o, &extra, err);
}

/* All that was appended is there and, if that is wanted, synced. On one connection the server works
 * in order, so that all can be asked for at once; several have to be waited for first. */
int ms_sftp_writer_complete(struct ms_sftp_writer *w, struct ms_error *err)
{
    bool several = false;
    int code = send_block(w, err);
    for (unsigned i = 1; i < w->s->connections; i++)
        several |= w->lanes[i].asked;
    if (!code && several)
        code = take_all(w, err);
    if (!code && w->s->sync && w->s->features.fsync)
        code = on_handle(w, 0, "fsync@openssh.com", err);
    for (unsigned i = 0; i < w->s->connections && !code; i++)
        if (w->lanes[i].handle.size)
            code = on_handle(w, i, NULL, err);
    return code ? code : take_all(w, err);
}

static int publish_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct ms_sftp_writer *w = arg;
    struct ms_sftp_publish p = {
        .from = ms_str(w->temp.text), .to = w->name, .if_absent = w->if_absent, .temporary = true};
    int code = ms_sftp_publish(op, unsure, &p, err);
    if (code && ms_code_class(code) != MS_CLASS_TRANSIENT)
        remove_lost(op, w);
    return code;
}

int ms_sftp_writer_publish(struct ms_sftp_writer *w, struct ms_error *err)
{
    ms_sftp_writer_finish(w, false);
    return ms_sftp_retrying(&w->s->base, MS_VERB_STORE, publish_once, w, err);
}

static int writer_commit(struct ms_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_sftp_writer *w = (struct ms_sftp_writer *)base;
    (void)tag; /* none: see ms_sftp_fill_info */
    int code = ms_sftp_writer_complete(w, err);
    if (code)
        ms_sftp_writer_finish(w, true);
    else
        code = ms_sftp_writer_publish(w, err);
    free(w);
    return code;
}

/* ---- beginning ---- */

struct ms_sftp_writer *ms_sftp_writer_new(struct ms_backend *b, struct ms_view name,
                                          const struct ms_precondition *pre, struct ms_error *err)
{
    static const struct ms_writer_ops ops = {writer_append, writer_commit, writer_abort};
    struct ms_sftp_writer *w = calloc(1, sizeof *w + name.size);
    if (!w) {
        ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to write %s", MS_SHOW(name));
        return NULL;
    }
    w->base = (struct ms_writer){.ops = &ops, .backend = b};
    w->s = ms_sftp_self(b);
    w->if_absent = pre->kind == MS_IF_ABSENT;
    memcpy(w + 1, name.data, name.size);
    w->name = ms_view(w + 1, name.size);
    return w;
}

/* Takes the operation's connection and gate over when it succeeds. */
int ms_sftp_writer_begin(struct ms_sftp_op *op, struct ms_sftp_writer *w, struct ms_error *err)
{
    remove_lost(op, w);
    w->op = *op;
    memset(w->lanes, 0, sizeof w->lanes);
    w->offset = w->fill = 0;
    int code = begin(w, err);
    *op = (struct ms_sftp_op){.s = w->s, .unsure = w->op.unsure};
    if (code)
        ms_sftp_writer_finish(w, true);
    return code;
}

static int begin_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    (void)unsure;
    return ms_sftp_writer_begin(op, arg, err);
}

int ms_sftp_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                  const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err)
{
    struct ms_sftp_writer *w = ms_sftp_writer_new(b, name, pre, err);
    if (!w)
        return MS_ERR_NO_MEMORY;
    if (size_hint >= 4 * STRIPE_FROM)
        ms_sftp_pool_warm(ms_sftp_self(b));
    int code = ms_sftp_retrying(b, MS_VERB_STORE, begin_once, w, err);
    if (code) {
        free(w);
        return code;
    }
    *out = &w->base;
    return 0;
}

struct store {
    struct ms_sftp_writer *w;
    struct ms_view bytes;
};

static int store_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct store *st = arg;
    struct ms_sftp_writer *w = st->w;
    (void)unsure; /* of a temporary that nobody knows */
    int code = ms_sftp_writer_begin(op, w, err);
    if (code)
        return code;
    if (st->bytes.size && st->bytes.size < w->room)
        w->room = st->bytes.size;
    code = writer_append(&w->base, st->bytes, err);
    if (!code)
        code = ms_sftp_writer_complete(w, err);
    if (code)
        ms_sftp_writer_finish(w, true);
    return code;
}

int ms_sftp_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                  const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    (void)tag;
    struct ms_sftp_writer *w = ms_sftp_writer_new(b, name, pre, err);
    if (!w)
        return MS_ERR_NO_MEMORY;
    struct store st = {w, ms_buf_view(value)};
    int code = ms_sftp_retrying(b, MS_VERB_STORE, store_once, &st, err);
    if (!code)
        code = ms_sftp_writer_publish(w, err);
    free(w);
    return code;
}
