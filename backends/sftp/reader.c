/* Readers: an open handle, which pins the version, and reading ahead when it is used in order; of a
 * large value over all connections. A reader is lost with its connection. Many threads may read;
 * `mutex` guards what is ahead. */
#include "backends/sftp/read.h"

#include "base/assert.h"
#include "base/text.h"

struct piece { /* asked for ahead */
    struct piece *next;
    uint64_t offset;
    size_t size;
    size_t asked; /* one more at the end, where a handle may show another file: it is longer then */
    unsigned lane;
    struct ms_sftp_request *r; /* NULL: not there yet */
    struct ms_view bytes;
};

struct reader {
    struct ms_reader base;
    struct ms_sftp_op op;  /* its gate is of the pieces */
    struct ms_view name;   /* behind this */
    struct ms_mutex mutex; /* guards the rest; of `spread` all but lane 0's handle */
    struct ms_sftp_spread spread;
    struct piece *first, *last;
    size_t ahead;      /* bytes of pieces */
    size_t window;     /* how many may be */
    uint64_t position; /* where reading goes on, in order */
    uint64_t next;     /* first byte not asked for */
    unsigned strays;   /* reads elsewhere, in a row */
    bool failed;       /* reading ahead did; then everything is read apart */
};

static void drop_pieces(struct reader *r)
{
    while (r->first) {
        struct piece *p = r->first;
        r->first = p->next;
        if (!p->r)
            atomic_fetch_sub(&r->op.s->in_flight, p->asked);
        ms_sftp_request_free(p->r);
        free(p);
    }
    r->last = NULL;
    r->ahead = 0;
    ms_sftp_spread_forget(&r->spread);
}

static int ask(struct reader *r, struct piece *p, struct ms_error *err)
{
    p->lane = ms_sftp_spread_choose(&r->op, &r->spread);
    return ms_sftp_send_read_over(&r->op, &r->spread.lanes[p->lane], p->lane, p->offset, p->asked,
                                  err);
}

static int ask_ahead(struct reader *r, struct ms_error *err)
{
    size_t chunk = ms_sftp_conn_features(r->op.conn)->max_read;
    if (r->spread.link.text[0])
        ms_sftp_spread_open(&r->op, &r->spread);
    while (r->next < r->base.info.size_bytes && r->ahead < r->window) {
        uint64_t left = r->base.info.size_bytes - r->next;
        size_t n = left < chunk ? (size_t)left : chunk;
        if (!ms_sftp_may_ask(&r->op, r->ahead, n))
            return 0;
        struct piece *p = calloc(1, sizeof *p);
        if (!p)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read on");
        size_t asked = n == left && r->op.s->features.gaps ? n + 1 : n;
        *p = (struct piece){.offset = r->next, .size = n, .asked = asked};
        int code = ask(r, p, err);
        if (code) {
            free(p);
            return code;
        }
        if (r->last)
            r->last->next = p;
        else
            r->first = p;
        r->last = p;
        r->ahead += n;
        r->next += n;
    }
    return 0;
}

/* The server gave less than was asked for: the rest becomes a piece of its own. */
static int split(struct reader *r, struct piece *p, struct ms_error *err)
{
    struct piece *rest = calloc(1, sizeof *rest);
    if (!rest)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read on");
    *rest = (struct piece){.next = p->next,
                           .offset = p->offset + p->bytes.size,
                           .size = p->size - p->bytes.size,
                           .asked = p->size - p->bytes.size};
    int code = ask(r, rest, err);
    if (code) {
        free(rest);
        return code;
    }
    p->size = p->bytes.size;
    p->next = rest;
    if (r->last == p)
        r->last = rest;
    return 0;
}

/* The next answer to a READ; others that come are that further lanes are open. */
static int take(struct reader *r, struct ms_sftp_request **out, struct ms_view *bytes,
                struct ms_error *err)
{
    struct ms_sftp_answer a;
    for (;;) {
        *out = NULL;
        int code = ms_sftp_take(&r->op, out, &a, err);
        struct ms_sftp_request *got = *out;
        if (!got)
            return code;
        struct ms_sftp_lane *lane = &r->spread.lanes[got->lane];
        lane->outstanding -= got->wanted;
        if (!got->opens)
            return ms_sftp_judge_read(&r->op, lane->conn, got, &a, code, bytes, err);
        ms_sftp_spread_opened(&r->op, &r->spread, got, &a, code);
        ms_sftp_request_free(got);
        if (err)
            *err = (struct ms_error){0}; /* a lane that stays unused is no failure */
    }
}

/* Waits until the first piece is there. */
static int wait_first(struct reader *r, struct ms_error *err)
{
    while (!r->first->r) {
        struct ms_sftp_request *got = NULL;
        struct ms_view bytes = ms_view("", 0);
        int code = take(r, &got, &bytes, err);
        if (!got)
            return code;
        struct piece *p = r->first;
        while (p->r || p->offset != got->offset)
            p = p->next;
        p->r = got;
        p->bytes = bytes;
        if (!code && bytes.size > p->size)
            code = ms_sftp_replaced(r->name, err);
        else if (!code && bytes.size && bytes.size < p->size)
            code = split(r, p, err);
        if (code)
            return code;
    }
    return 0;
}

/* In order, from the pieces. */
static int read_on(struct reader *r, uint8_t *into, size_t size, struct ms_error *err)
{
    while (size) {
        int code = ask_ahead(r, err);
        if (!code)
            code = wait_first(r, err);
        if (code)
            return code;
        struct piece *p = r->first;
        if (p->bytes.size < p->size)
            return ms_sftp_cut_short(r->name, err);
        size_t skip = (size_t)(r->position - p->offset);
        size_t n = p->size - skip < size ? p->size - skip : size;
        memcpy(into, p->bytes.data + skip, n);
        into += n;
        size -= n;
        r->position += n;
        if (skip + n < p->size)
            return 0;
        r->first = p->next;
        r->last = r->first ? r->last : NULL;
        r->ahead -= p->size;
        ms_sftp_request_free(p->r);
        free(p);
    }
    return 0;
}

static int no_gate(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read");
}

/* What was read is of the version that was opened. */
static int check_same(struct reader *r, struct ms_error *err)
{
    struct ms_sftp_op op = {.s = r->op.s, .conn = r->op.conn, .gate = ms_sftp_gate_new()};
    if (!op.gate)
        return no_gate(err);
    int code = ms_sftp_check_same(&op, r->name, &r->spread.lanes[0].handle, &r->base.info, err);
    ms_sftp_gate_close(op.gate);
    return code;
}

/* Anywhere, at a gate of its own. */
static int read_apart(struct reader *r, uint64_t offset, uint8_t *into, size_t size,
                      struct ms_error *err)
{
    struct ms_sftp_op op = {.s = r->op.s, .conn = r->op.conn, .gate = ms_sftp_gate_new()};
    size_t got = 0;
    if (!op.gate)
        return no_gate(err);
    int code = ms_sftp_read_range(&op, &r->spread.lanes[0].handle, offset, into, size, &got, err);
    ms_sftp_gate_close(op.gate);
    return code || got == size ? code : ms_sftp_cut_short(r->name, err);
}

/* What is asked for ahead is thrown away, its answers with it; reading begins at offset. */
static int seek(struct reader *r, uint64_t offset, struct ms_error *err)
{
    struct ms_sftp_gate *gate = ms_sftp_gate_new();
    if (!gate)
        return no_gate(err);
    drop_pieces(r);
    ms_sftp_gate_empty(r->op.gate, ms_sftp_lane_drop, r->spread.lanes);
    ms_sftp_gate_close(r->op.gate);
    r->op.gate = gate;
    r->position = r->next = offset;
    r->window = 0;
    return 0;
}

/* In order it reads ahead, the more the longer that goes on. Elsewhere it reads apart, and once
 * that happens often in a row, takes it for a new beginning. */
static int read_somewhere(struct reader *r, uint64_t offset, uint8_t *into, size_t size,
                          struct ms_error *err)
{
    {
        MS_HOLD(&r->mutex);
        int code = 0;
        r->strays = offset == r->position ? 0 : r->strays + 1;
        if (!r->failed && (r->strays > 8 || (r->strays && !r->first))) {
            code = seek(r, offset, err);
            r->strays = 0;
        }
        if (!code && !r->failed && offset == r->position) {
            size_t wider = r->window * 2 > size ? r->window * 2 : size;
            r->window = wider < MS_SFTP_WINDOW ? wider : MS_SFTP_WINDOW;
            code = read_on(r, into, size, err);
            r->failed = code != 0;
            return code;
        }
        if (code)
            return code;
    }
    return read_apart(r, offset, into, size, err);
}

static int reader_read(struct ms_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    struct reader *r = (struct reader *)base;
    int code = read_somewhere(r, offset, into, size, err);
    if (!code && r->op.s->features.gaps)
        code = check_same(r, err);
    return code ? ms_sftp_explain_read(&r->op, r->name, &base->info, offset, code, err) : 0;
}

static void reader_close(struct ms_reader *base)
{
    struct reader *r = (struct reader *)base;
    drop_pieces(r);
    ms_sftp_spread_close(&r->op, &r->spread);
    ms_sftp_end(&r->op);
    ms_mutex_fini(&r->mutex);
    free(r);
}

struct open {
    struct ms_view name;
    struct reader *r;
};

static int open_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct open *o = arg;
    struct ms_sftp_lane *own = &o->r->spread.lanes[0];
    struct ms_sftp_found found;
    (void)unsure;
    int code = ms_sftp_open_value(op, o->name, &own->handle, &found, err);
    if (code)
        return code;
    code = ms_sftp_spread_pin(op, o->name, &o->r->spread, &found, err);
    if (code) {
        ms_sftp_forget_handle(op->conn, ms_sftp_handle_view(&own->handle));
        return code;
    }
    own->conn = op->conn;
    ms_sftp_fill_info(&found, &o->r->base.info);
    o->r->op = *op;
    *op = (struct ms_sftp_op){.s = op->s};
    return 0;
}

int ms_sftp_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                 struct ms_error *err)
{
    static const struct ms_reader_ops ops = {.read = reader_read, .close = reader_close};
    struct reader *r = calloc(1, sizeof *r + name.size);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", MS_SHOW(name));
    memcpy(r + 1, name.data, name.size);
    r->name = ms_view(r + 1, name.size);
    r->base = (struct ms_reader){.ops = &ops, .backend = b};
    struct open o = {name, r};
    int code = ms_sftp_retrying(b, MS_VERB_LOAD, open_once, &o, err);
    if (code) {
        free(r);
        return code;
    }
    ms_mutex_init(&r->mutex);
    *out = &r->base;
    return 0;
}
