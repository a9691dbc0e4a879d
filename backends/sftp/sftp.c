/* sftp: a folder on an SSH server, `sftp://[USER@]HOST[:PORT]/PATH` (docs/sftp.md). Layout: as the
 * posix driver's, one file a value, temporaries "tmp????????.tmp" beside it. */
#include "backends/registry.h"

#include "backends/sftp/sftp.h"
#include "base/text.h"

#define RIVALS 4

static void sftp_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    const struct ms_sftp *s = ms_sftp_self(b);
    unsigned flags = MS_CAP_LIST_AFTER_WRITE | MS_CAP_DIRECTORIES;
    if (s->features.posix_rename && !s->features.gaps)
        flags |= MS_CAP_ATOMIC_REPLACE;
    if (s->links || s->rename_keeps)
        flags |= MS_CAP_IF_ABSENT | MS_CAP_MOVE_IF_ABSENT;
    if (s->features.copy_data)
        flags |= MS_CAP_COPY | MS_CAP_COMPOSE;
    /* names are never synced: the protocol has no way to */
    *out = (struct ms_capabilities){
        .flags = flags,
        .durability = s->sync && s->features.fsync ? MS_DURABLE_DATA : MS_DURABLE_NONE,
        .name_max_bytes = MS_SFTP_SEGMENT_MAX,
        .best_parallelism = 64,
        .best_block_bytes = 1 << 20,
    };
}

/* ---- what the server really does ---- */

static int two_names(struct ms_sftp_op *op, const char *extension, const char *from, const char *to,
                     struct ms_error *err)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, extension ? MS_FXP_EXTENDED : MS_FXP_RENAME, 256);
    if (extension)
        ms_sftp_put_string(&o, ms_str(extension));
    ms_sftp_put_path(&o, op->s, ms_str(from));
    ms_sftp_put_path(&o, op->s, ms_str(to));
    return ms_sftp_send(op->conn, op->gate, &o, NULL, err);
}

/* Some servers offer hard links and then know nothing of them, or even say that they made one:
 * linking what is not there tells. */
static int probe_links(struct ms_sftp_op *op, bool *works, struct ms_error *err)
{
    struct ms_sftp_temp a, b;
    struct ms_sftp_request *r = NULL;
    struct ms_sftp_answer answer;
    ms_sftp_temp_name(&a, ms_str("x"));
    ms_sftp_temp_name(&b, ms_str("x"));
    int code = two_names(op, "hardlink@openssh.com", a.text, b.text, err);
    if (!code)
        code = ms_sftp_take(op, &r, &answer, err);
    if (code && r && r->code)
        code = ms_sftp_conn_error(op->conn, err);
    if (!code)
        *works = answer.type == MS_FXP_STATUS && answer.status == MS_FX_NO_SUCH_FILE;
    ms_sftp_request_free(r);
    return code;
}

static int make_empty(struct ms_sftp_op *op, const char *name, bool *made, struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r, extra = {.opens = true};
    struct ms_sftp_answer a;
    ms_sftp_out_path(&o, op->s, MS_FXP_OPEN, ms_str(name), 16);
    ms_sftp_put_u32(&o, MS_FXF_WRITE | MS_FXF_CREAT | MS_FXF_EXCL);
    ms_sftp_put_mode(&o, 0600);
    int code = ms_sftp_ask(op, &o, &extra, &r, &a, err);
    if (code)
        return code;
    *made = a.type == MS_FXP_HANDLE;
    if (*made)
        ms_sftp_forget_handle(op->conn, a.text);
    ms_sftp_request_free(r);
    return 0;
}

/* Without links, whether a plain rename refuses when the target is there: several are sent at once
 * for one target, and exactly one may succeed. A place that may not be written to tells nothing. */
static int probe_rename(struct ms_sftp_op *op, bool *keeps, struct ms_error *err)
{
    struct ms_sftp_temp rivals[RIVALS], target;
    struct ms_sftp_out o;
    bool made = true;
    int code = 0, won = 0;
    ms_sftp_temp_name(&target, ms_str("x"));
    for (int i = 0; i < RIVALS; i++)
        ms_sftp_temp_name(&rivals[i], ms_str("x"));
    for (int i = 0; i < RIVALS && !code && made; i++)
        code = make_empty(op, rivals[i].text, &made, err);
    for (int i = 0; i < RIVALS && !code && made; i++)
        code = two_names(op, NULL, rivals[i].text, target.text, err);
    while (!code && ms_sftp_gate_outstanding(op->gate)) {
        struct ms_sftp_request *r = NULL;
        struct ms_sftp_answer a;
        code = ms_sftp_take(op, &r, &a, err);
        if (code && r && r->code)
            code = ms_sftp_conn_error(op->conn, err);
        won += !code && a.type == MS_FXP_STATUS && a.status == MS_FX_OK;
        ms_sftp_request_free(r);
    }
    for (int i = 0; i <= RIVALS; i++) {
        ms_sftp_out_path(&o, op->s, MS_FXP_REMOVE,
                         ms_str(i < RIVALS ? rivals[i].text : target.text), 0);
        ms_sftp_forget(op->conn, &o);
    }
    *keeps = made && won == 1;
    return code;
}

/* ---- life ---- */

static int open_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct ms_sftp *s = op->s;
    struct ms_sftp_found found;
    (void)unsure, (void)arg;
    s->features = *ms_sftp_conn_features(op->conn);
    s->links = s->rename_keeps = false;
    int code = ms_sftp_look(op, MS_FXP_STAT, ms_view("", 0), &found, err);
    if (!code && (!found.exists || !found.directory))
        code = ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s: no such folder",
                            s->base.url);
    if (!code && s->features.hardlink)
        code = probe_links(op, &s->links, err);
    if (!code && !s->links)
        code = probe_rename(op, &s->rename_keeps, err);
    return code;
}

static int sftp_open(struct ms_backend *b, struct ms_error *err)
{
    int code = ms_sftp_retrying(b, MS_VERB_OTHER, open_once, NULL, err);
    if (code)
        ms_sftp_pool_close(ms_sftp_self(b));
    return code;
}

static int sftp_close(struct ms_backend *b, struct ms_error *err)
{
    (void)err;
    ms_sftp_pool_close(ms_sftp_self(b));
    return 0;
}

static const struct ms_backend_ops sftp_ops = {
    .create = ms_sftp_create,
    .destroy = ms_sftp_destroy,
    .open = sftp_open,
    .close = sftp_close,
    .free = ms_sftp_free,
    .capabilities = sftp_capabilities,
    .mkdir = ms_sftp_mkdir,
    .rmdir = ms_sftp_rmdir,
    .info = ms_sftp_info,
    .load = ms_sftp_load,
    .store = ms_sftp_store,
    .remove = ms_sftp_remove,
    .move = ms_sftp_move,
    .list = ms_sftp_list,
    .write = ms_sftp_write,
    .read = ms_sftp_read,
    .compose = ms_sftp_compose,
    .usage = ms_sftp_usage,
    .sweep = ms_sftp_sweep,
};

static int make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                struct ms_error *err)
{
    struct ms_backend *b = NULL;
    int code = ms_sftp_make(url, env, &b, err);
    if (code)
        return code;
    b->ops = &sftp_ops;
    *out = b;
    return 0;
}

const struct ms_backend_type ms_backend_sftp = {
    .scheme = "sftp",
    .usage = "sftp://[USER@]HOST[:PORT]/PATH[?identity=FILE&known_hosts=FILE&accept_new=1&"
             "connections=N&timeout=S] (//PATH: absolute)",
    .make = make,
};
