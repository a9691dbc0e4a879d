/* Operations: one connection, one gate, requests and their answers; and trying again. */
#include "backends/sftp/sftp.h"

#include "base/text.h"

#include <stdio.h>
#include <sys/stat.h>

int ms_sftp_begin(struct ms_sftp_op *op, struct ms_sftp *s, struct ms_error *err)
{
    *op = (struct ms_sftp_op){.s = s};
    int code = ms_sftp_pool_get(s, &op->conn, err);
    if (code)
        return code;
    op->gate = ms_sftp_gate_new();
    if (op->gate)
        return 0;
    ms_sftp_conn_unref(op->conn);
    op->conn = NULL;
    return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a request", s->base.url);
}

void ms_sftp_end(struct ms_sftp_op *op)
{
    ms_sftp_gate_close(op->gate);
    ms_sftp_conn_unref(op->conn);
    op->gate = NULL;
    op->conn = NULL;
}

int ms_sftp_damaged(struct ms_sftp_op *op, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL, "%s sent a damaged answer", op->s->base.url);
}

int ms_sftp_take(struct ms_sftp_op *op, struct ms_sftp_request **out, struct ms_sftp_answer *answer,
                 struct ms_error *err)
{
    struct ms_sftp_request *r = NULL;
    int code = ms_sftp_gate_next(op->gate, &r, err);
    if (code)
        return code;
    *out = r;
    *answer = (struct ms_sftp_answer){0};
    if (!r)
        return 0;
    if (r->code)
        return ms_error_set(err, r->code, "%s: %s", op->s->base.url, ms_code_text(r->code));
    if (!ms_sftp_parse(ms_view(r->answer, r->answer_size), answer))
        return ms_sftp_damaged(op, err);
    if (answer->type == MS_FXP_STATUS)
        snprintf(op->said, sizeof op->said, "%s", ms_show((char[60]){0}, 60, answer->text));
    return 0;
}

int ms_sftp_ask(struct ms_sftp_op *op, struct ms_sftp_out *packet,
                const struct ms_sftp_request *extra, struct ms_sftp_request **out,
                struct ms_sftp_answer *answer, struct ms_error *err)
{
    int code = ms_sftp_send(op->conn, op->gate, packet, extra, err);
    if (code)
        return code;
    struct ms_sftp_request *r = NULL;
    code = ms_sftp_take(op, &r, answer, err);
    if (code && r && r->code)
        code = ms_sftp_conn_error(op->conn, err);
    if (code) {
        op->unsure |= !r || r->sent;
        ms_sftp_request_free(r);
        return code;
    }
    *out = r;
    return 0;
}

int ms_sftp_change(struct ms_sftp_op *op, struct ms_sftp_out *packet, uint32_t *status,
                   struct ms_error *err)
{
    struct ms_sftp_request *r;
    struct ms_sftp_answer a;
    int code = ms_sftp_ask(op, packet, NULL, &r, &a, err);
    if (code)
        return code;
    if (a.type != MS_FXP_STATUS)
        code = ms_sftp_damaged(op, err);
    else
        *status = a.status;
    ms_sftp_request_free(r);
    return code;
}

void ms_sftp_forget(struct ms_sftp_conn *c, struct ms_sftp_out *packet)
{
    (void)ms_sftp_send(c, NULL, packet, NULL, NULL);
}

void ms_sftp_forget_handle(struct ms_sftp_conn *c, struct ms_view handle)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_CLOSE, 4 + handle.size);
    ms_sftp_put_string(&o, handle);
    ms_sftp_forget(c, &o);
}

void ms_sftp_lane_drop(void *lanes, const struct ms_sftp_request *r)
{
    const struct ms_sftp_lane *lane = (const struct ms_sftp_lane *)lanes + r->lane;
    struct ms_sftp_answer a;
    if (r->opens && !r->code && lane->conn &&
        ms_sftp_parse(ms_view(r->answer, r->answer_size), &a) && a.type == MS_FXP_HANDLE)
        ms_sftp_forget_handle(lane->conn, a.text);
}

int ms_sftp_refused(struct ms_sftp_op *op, uint32_t status, const char *verb, struct ms_view name,
                    struct ms_error *err)
{
    int code = ms_sftp_status_code(status);
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, code, "%s not found", MS_SHOW(name));
    if (code == MS_ERR_EXISTS)
        return ms_error_set(err, code, "%s exists already", MS_SHOW(name));
    if (code == 0)
        return ms_sftp_damaged(op, err);
    return ms_error_set(err, code, "cannot %s %s on %s: %s%s%s", verb, MS_SHOW(name),
                        op->s->base.url, ms_sftp_status_name(status), *op->said ? ", " : "",
                        op->said);
}

/* ---- paths ---- */

void ms_sftp_put_path(struct ms_sftp_out *o, const struct ms_sftp *s, struct ms_view name)
{
    uint8_t encoded[MS_SFTP_ENCODED(sizeof((struct ms_sftp_temp *)0)->text)];
    if (name.size && s->features.symbols && name.size <= sizeof encoded / 3)
        name = ms_view(encoded, ms_sftp_encode_name(name, encoded));
    if (name.size)
        ms_sftp_put_joined(o, ms_str(s->prefix), name);
    else
        ms_sftp_put_string(o, ms_str(s->root));
}

void ms_sftp_out_path(struct ms_sftp_out *o, const struct ms_sftp *s, enum ms_sftp_type type,
                      struct ms_view name, size_t room)
{
    ms_sftp_out_begin(o, type, 4 + strlen(s->root) + 1 + name.size + room);
    ms_sftp_put_path(o, s, name);
}

/* ---- looking ---- */

/* Without a mode there is no telling: taken for a file. */
void ms_sftp_judge_attrs(const struct ms_sftp_attrs *attrs, struct ms_sftp_found *out)
{
    *out = (struct ms_sftp_found){
        .exists = true,
        .directory = attrs->has_mode && S_ISDIR(attrs->mode),
        .regular = !attrs->has_mode || S_ISREG(attrs->mode) || (attrs->mode & S_IFMT) == 0,
        .attrs = *attrs,
    };
}

int ms_sftp_look(struct ms_sftp_op *op, enum ms_sftp_type how, struct ms_view name,
                 struct ms_sftp_found *out, struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r;
    struct ms_sftp_answer a;
    bool unsure = op->unsure; /* a look changes nothing */
    ms_sftp_out_path(&o, op->s, how, name, 0);
    int code = ms_sftp_ask(op, &o, NULL, &r, &a, err);
    op->unsure = unsure;
    if (code)
        return code;
    if (a.type == MS_FXP_ATTRS)
        ms_sftp_judge_attrs(&a.attrs, out);
    else if (a.type == MS_FXP_STATUS && ms_sftp_status_code(a.status) == MS_ERR_NOT_FOUND)
        *out = (struct ms_sftp_found){0};
    else if (a.type == MS_FXP_STATUS)
        code = ms_sftp_refused(op, a.status, "look at", name, err);
    else
        code = ms_sftp_damaged(op, err);
    ms_sftp_request_free(r);
    return code;
}

/* No tag: version 3 tells neither an inode nor parts of a second. */
void ms_sftp_fill_info(const struct ms_sftp_found *found, struct ms_info *out)
{
    *out = (struct ms_info){.exists = found->exists && (found->directory || found->regular)};
    if (!out->exists)
        return;
    out->directory = found->directory;
    out->size_bytes = found->directory || !found->attrs.has_size ? 0 : found->attrs.size;
    if (found->attrs.has_times) {
        out->mtime_ns = (int64_t)found->attrs.mtime * 1000000000;
        out->atime_ns = (int64_t)found->attrs.atime * 1000000000;
    }
}

/* ---- folders ---- */

/* Why the folder could not be made: something on the way is a file, or may not be written. */
static int why_no_dir(struct ms_sftp_op *op, struct ms_view name, uint32_t refusal,
                      struct ms_error *err)
{
    for (size_t at = 1; at <= name.size; at++) {
        if (at < name.size && name.data[at] != '/')
            continue;
        struct ms_view part = ms_view(name.data, at);
        struct ms_sftp_found found;
        int code = ms_sftp_look(op, MS_FXP_STAT, part, &found, err);
        if (code)
            return code;
        if (found.exists && !found.directory)
            return ms_error_set(err, MS_ERR_EXISTS, "%s exists and is no directory", MS_SHOW(part));
        if (!found.exists && refusal != MS_FX_OK)
            return ms_sftp_refused(op, refusal, "make the directory", part, err);
    }
    struct ms_sftp_found root;
    int code = ms_sftp_look(op, MS_FXP_STAT, ms_view("", 0), &root, err);
    if (!code && !root.exists)
        code =
            ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s any more", op->s->base.url);
    return code ? code : ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
}

/* All in one round trip: the server works on them in order, and what exists is no harm. */
int ms_sftp_make_dirs(struct ms_sftp_op *op, struct ms_view name, struct ms_error *err)
{
    struct ms_sftp_out o;
    uint32_t refusal = MS_FX_OK;
    int code = 0;
    for (size_t at = 1; at <= name.size && !code; at++)
        if (at == name.size || name.data[at] == '/') {
            ms_sftp_out_path(&o, op->s, MS_FXP_MKDIR, ms_view(name.data, at), 4);
            ms_sftp_put_no_attrs(&o);
            code = ms_sftp_send(op->conn, op->gate, &o, NULL, err);
        }
    while (!code && ms_sftp_gate_outstanding(op->gate)) {
        struct ms_sftp_request *r = NULL;
        struct ms_sftp_answer a;
        code = ms_sftp_take(op, &r, &a, err);
        if (code && r && r->code)
            code = ms_sftp_conn_error(op->conn, err);
        if (!code && a.type != MS_FXP_STATUS)
            code = ms_sftp_damaged(op, err);
        if (!code && a.status != MS_FX_OK && a.status != MS_FX_FAILURE &&
            ms_sftp_status_code(a.status) != MS_ERR_NOT_FOUND)
            refusal = a.status;
        ms_sftp_request_free(r);
    }
    struct ms_sftp_found found;
    if (!code)
        code = ms_sftp_look(op, MS_FXP_STAT, name, &found, err);
    if (code || (found.exists && found.directory))
        return code;
    return why_no_dir(op, name, refusal, err);
}

/* ---- trying again ---- */

int ms_sftp_retrying(struct ms_backend *b, enum ms_verb verb,
                     int (*attempt)(struct ms_sftp_op *op, bool unsure, void *arg,
                                    struct ms_error *err),
                     void *arg, struct ms_error *err)
{
    struct ms_sftp *s = ms_sftp_self(b);
    struct ms_retry retry = {0};
    bool unsure = false;
    int code;
    do {
        struct ms_sftp_op op;
        code = ms_sftp_begin(&op, s, err);
        if (!code) {
            code = attempt(&op, unsure, arg, err);
            unsure |= op.unsure;
            ms_sftp_end(&op);
        }
    } while (code && ms_retry_again(&retry, &s->policy, b, verb, 0, &code, err));
    if (!code && retry.done && err)
        *err = (struct ms_error){0};
    if (!code)
        ms_retry_succeeded(&s->policy);
    return code;
}
