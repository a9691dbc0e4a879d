/* Reading one value over several connections: see read.h. */
#include "backends/sftp/read.h"

#define SPREAD_FROM (UINT64_C(16) << 20) /* bytes that are worth three round trips more */

static void remove_link(struct ms_sftp_op *op, struct ms_sftp_spread *s)
{
    struct ms_sftp_out o;
    ms_sftp_out_path(&o, op->s, MS_FXP_REMOVE, ms_str(s->link.text), 0);
    ms_sftp_forget(op->conn, &o);
    s->link.text[0] = 0;
}

int ms_sftp_spread_pin(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_spread *s,
                       struct ms_sftp_found *found, struct ms_error *err)
{
    struct ms_sftp_handle pinned;
    struct ms_sftp_found linked;
    uint32_t status;
    if (op->s->connections < 2 || !op->s->links || found->attrs.size < SPREAD_FROM)
        return 0;
    ms_sftp_pool_warm(op->s);
    ms_sftp_temp_name(&s->link, ms_view("", 0));
    int code =
        ms_sftp_two_paths(op, "hardlink@openssh.com", name, ms_str(s->link.text), &status, err);
    if (!code && status == MS_FX_OK) {
        code = ms_sftp_open_value(op, ms_str(s->link.text), &pinned, &linked, err);
        if (!code) {
            ms_sftp_forget_handle(op->conn, ms_sftp_handle_view(&s->lanes[0].handle));
            s->lanes[0].handle = pinned;
            s->missing = op->s->connections - 1;
            *found = linked;
            return 0;
        }
        remove_link(op, s);
    }
    s->link.text[0] = 0; /* not allowed there, or gone already: then over one connection */
    return code && ms_code_class(code) == MS_CLASS_TRANSIENT ? code : 0;
}

void ms_sftp_spread_open(struct ms_sftp_op *op, struct ms_sftp_spread *s)
{
    for (unsigned i = 1; s->missing && i < op->s->connections; i++) {
        struct ms_sftp_lane *lane = &s->lanes[i];
        if (lane->asked)
            continue;
        struct ms_sftp_conn *conn = ms_sftp_pool_peek(op->s, i);
        if (conn == op->conn) { /* lane 0's is any of them; the first takes its place then */
            ms_sftp_conn_unref(conn);
            conn = ms_sftp_pool_peek(op->s, 0);
        }
        if (!conn)
            continue;
        struct ms_sftp_out o;
        struct ms_sftp_request extra = {.opens = true, .lane = i};
        ms_sftp_out_path(&o, op->s, MS_FXP_OPEN, ms_str(s->link.text), 8);
        ms_sftp_put_u32(&o, MS_FXF_READ);
        ms_sftp_put_no_attrs(&o);
        lane->conn = conn;
        lane->asked = true;
        if (ms_sftp_send(conn, op->gate, &o, &extra, NULL))
            s->missing--; /* that lane stays unused */
    }
}

void ms_sftp_spread_opened(struct ms_sftp_op *op, struct ms_sftp_spread *s,
                           const struct ms_sftp_request *r, const struct ms_sftp_answer *answer,
                           int code)
{
    struct ms_sftp_lane *lane = &s->lanes[r->lane];
    if (!code && answer->type == MS_FXP_HANDLE) {
        memcpy(lane->handle.bytes, answer->text.data, answer->text.size);
        lane->handle.size = answer->text.size;
    }
    if (--s->missing == 0)
        remove_link(op, s); /* nobody else will open it */
}

unsigned ms_sftp_spread_choose(const struct ms_sftp_op *op, const struct ms_sftp_spread *s)
{
    unsigned best = 0;
    for (unsigned i = 1; i < op->s->connections; i++)
        if (s->lanes[i].handle.size && s->lanes[i].outstanding < s->lanes[best].outstanding)
            best = i;
    return best;
}

void ms_sftp_spread_forget(struct ms_sftp_spread *s)
{
    for (unsigned i = 0; i < MS_SFTP_CONNECTIONS_MAX; i++)
        s->lanes[i].outstanding = 0;
}

void ms_sftp_spread_close(struct ms_sftp_op *op, struct ms_sftp_spread *s)
{
    ms_sftp_gate_empty(op->gate, ms_sftp_lane_drop, s->lanes);
    for (unsigned i = 0; i < MS_SFTP_CONNECTIONS_MAX; i++) {
        struct ms_sftp_lane *lane = &s->lanes[i];
        if (lane->conn && lane->handle.size)
            ms_sftp_forget_handle(lane->conn, ms_sftp_handle_view(&lane->handle));
        if (i > 0)
            ms_sftp_conn_unref(lane->conn);
    }
    if (s->link.text[0])
        remove_link(op, s);
}
