/* Composing where the data is: the extension copy-data. Without it the generic way serves. */
#include "backends/sftp/write.h"

#include "backends/fallback.h"
#include "base/text.h"

struct compose {
    struct ms_sftp_writer *w;
    const struct ms_part *parts;
    size_t count;
};

static int copy_range(struct ms_sftp_writer *w, const struct ms_sftp_handle *from, uint64_t offset,
                      uint64_t size, struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r, extra = {.slow = true};
    struct ms_sftp_answer a;
    if (size == 0) /* to the server that means "to the end" */
        return 0;
    ms_sftp_out_begin(&o, MS_FXP_EXTENDED, 64 + 2 * MS_HANDLE_MAX);
    ms_sftp_put_string(&o, ms_str("copy-data"));
    ms_sftp_put_string(&o, ms_sftp_handle_view(from));
    ms_sftp_put_u64(&o, offset);
    ms_sftp_put_u64(&o, size);
    ms_sftp_put_string(&o, ms_sftp_handle_view(&w->lanes[0].handle));
    ms_sftp_put_u64(&o, w->offset);
    int code = ms_sftp_ask(&w->op, &o, &extra, &r, &a, err);
    if (code)
        return code;
    if (a.type != MS_FXP_STATUS)
        code = ms_sftp_damaged(&w->op, err);
    else if (a.status != MS_FX_OK)
        code = ms_sftp_writer_refused(w, a.status, err);
    ms_sftp_request_free(r);
    w->offset += size;
    return code;
}

static int copy_part(struct ms_sftp_writer *w, const struct ms_part *part, struct ms_error *err)
{
    struct ms_sftp_handle from;
    struct ms_sftp_found found;
    int code = ms_sftp_open_value(&w->op, part->name, &from, &found, err);
    if (code)
        return code;
    uint64_t all = found.attrs.size, there = part->offset < all ? all - part->offset : 0;
    uint64_t wanted = part->size == MS_SIZE_TO_END ? there : part->size;
    if (wanted > there)
        code =
            ms_error_set(err, MS_ERR_RANGE,
                         "Read range error from %s (requested %llu bytes at offset %llu, got %llu)",
                         MS_SHOW(part->name), (unsigned long long)wanted,
                         (unsigned long long)part->offset, (unsigned long long)there);
    else
        code = copy_range(w, &from, part->offset, wanted, err);
    ms_sftp_forget_handle(w->op.conn, ms_sftp_handle_view(&from));
    return code;
}

/* What the server copied is as long as it should be: one that is cut short meanwhile is not. */
static int check_size(struct ms_sftp_writer *w, struct ms_error *err)
{
    struct ms_sftp_found found;
    int code = ms_sftp_look(&w->op, MS_FXP_LSTAT, ms_str(w->temp.text), &found, err);
    if (code || (found.exists && found.attrs.size == w->offset))
        return code;
    return ms_error_set(err, MS_ERR_CONFLICT, "a part of %s was changed while it was copied",
                        MS_SHOW(w->name));
}

static int compose_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct compose *c = arg;
    (void)unsure;
    int code = ms_sftp_writer_begin(op, c->w, err);
    if (code)
        return code;
    for (size_t i = 0; i < c->count && !code; i++)
        code = copy_part(c->w, &c->parts[i], err);
    if (!code)
        code = check_size(c->w, err);
    if (!code)
        code = ms_sftp_writer_complete(c->w, err);
    if (code)
        ms_sftp_writer_finish(c->w, true);
    return code;
}

int ms_sftp_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                    struct ms_view to, const struct ms_precondition *pre, struct ms_error *err)
{
    if (!ms_sftp_self(b)->features.copy_data)
        return ms_fallback_compose(b, parts, count, to, pre, err);
    struct ms_sftp_writer *w = ms_sftp_writer_new(b, to, pre, err);
    if (!w)
        return MS_ERR_NO_MEMORY;
    struct compose c = {w, parts, count};
    int code = ms_sftp_retrying(b, MS_VERB_COPY, compose_once, &c, err);
    if (!code)
        code = ms_sftp_writer_publish(w, err);
    free(w);
    return code;
}
