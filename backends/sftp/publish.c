/* Giving a file its name: atomically where the server can, only if absent where that is wanted, and
 * surely: after a lost answer it is found out whether it happened.
 *
 * Replacing: posix-rename@openssh.com. A server without it refuses to rename over a file; then the
 * old one is put aside first (aside.c; and put back should the second step fail), and for a moment
 * there is none.
 * Only if absent: a hard link, which fails when the name is taken, and then the old name is
 * removed; or, without links, a plain rename on servers that were seen to refuse (probe in sftp.c).
 */
#include "backends/sftp/sftp.h"

#include "backends/name.h"
#include "base/text.h"

#include <sys/random.h>

void ms_sftp_temp_name(struct ms_sftp_temp *t, struct ms_view beside)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct ms_view parent = ms_name_parent(beside);
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = ms_clock_now(ms_clock_real()); /* an exclusive open makes up for a poor one */
    char *to = t->text;
    if (parent.size) {
        memcpy(to, parent.data, parent.size);
        to += parent.size;
        *to++ = '/';
    }
    memcpy(to, "tmp", 3);
    for (int i = 3; i < 11; i++, bits /= 36)
        to[i] = letters[bits % 36];
    memcpy(to + 11, ".tmp", 5);
}

int ms_sftp_two_paths(struct ms_sftp_op *op, const char *extension, struct ms_view from,
                      struct ms_view to, uint32_t *status, struct ms_error *err)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, extension ? MS_FXP_EXTENDED : MS_FXP_RENAME,
                      64 + 2 * strlen(op->s->prefix) + from.size + to.size);
    if (extension)
        ms_sftp_put_string(&o, ms_str(extension));
    ms_sftp_put_path(&o, op->s, from);
    ms_sftp_put_path(&o, op->s, to);
    return ms_sftp_change(op, &o, status, err);
}

static int remove_name(struct ms_sftp_op *op, struct ms_view name, struct ms_error *err)
{
    struct ms_sftp_out o;
    uint32_t status;
    ms_sftp_out_path(&o, op->s, MS_FXP_REMOVE, name, 0);
    int code = ms_sftp_change(op, &o, &status, err);
    if (code || status == MS_FX_OK || ms_sftp_status_code(status) == MS_ERR_NOT_FOUND)
        return code;
    return ms_sftp_refused(op, status, "remove", name, err);
}

static int set_times(struct ms_sftp_op *op, struct ms_view name, uint32_t atime, uint32_t mtime,
                     uint32_t *status, struct ms_error *err)
{
    struct ms_sftp_out o;
    ms_sftp_out_path(&o, op->s, MS_FXP_SETSTAT, name, 12);
    ms_sftp_put_times(&o, atime, mtime);
    return ms_sftp_change(op, &o, status, err);
}

/* Whether two names are links to one file: a time of last access set on the one shows on the
 * other. It lies ahead, so that no reading changes it meanwhile. */
static int same_file(struct ms_sftp_op *op, struct ms_view a, struct ms_view b, bool *same,
                     struct ms_error *err)
{
    struct ms_sftp_found at_a, at_b;
    uint32_t status = MS_FX_OK, mark = 0;
    *same = false;
    int code = ms_sftp_look(op, MS_FXP_LSTAT, a, &at_a, err);
    if (!code)
        code = ms_sftp_look(op, MS_FXP_LSTAT, b, &at_b, err);
    if (code || !at_a.exists || !at_b.exists || at_a.attrs.size != at_b.attrs.size ||
        at_a.attrs.mtime != at_b.attrs.mtime)
        return code;
    if (getrandom(&mark, sizeof mark, 0) != (ssize_t)sizeof mark)
        mark = at_a.attrs.mtime ^ 0x5a5a5;
    mark = 0x7f000000u | (mark & 0xfffff); /* 2037 */
    code = set_times(op, a, mark, at_a.attrs.mtime, &status, err);
    if (code || status != MS_FX_OK)
        return code;
    code = ms_sftp_look(op, MS_FXP_LSTAT, b, &at_b, err);
    *same = !code && at_b.exists && at_b.attrs.atime == mark;
    if (!code)
        code = set_times(op, a, at_a.attrs.atime, at_a.attrs.mtime, &status, err);
    return code;
}

static bool looks_like(const struct ms_sftp_found *found, const struct ms_sftp_attrs *attrs)
{
    return found->exists && found->regular && attrs && found->attrs.size == attrs->size &&
           found->attrs.mtime == attrs->mtime;
}

/* ---- what became of it ---- */

/* Refused as not found. After a lost answer it may be that the earlier attempt did it. */
static int source_gone(struct ms_sftp_op *op, bool unsure, const struct ms_sftp_publish *p,
                       struct ms_error *err)
{
    struct ms_sftp_found from, to;
    int code = ms_sftp_look(op, MS_FXP_LSTAT, p->from, &from, err);
    if (code)
        return code;
    if (!from.exists && unsure) {
        if (p->temporary)
            return 0;
        code = ms_sftp_look(op, MS_FXP_LSTAT, p->to, &to, err);
        if (code || looks_like(&to, p->attrs))
            return code;
    }
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found",
                        from.exists ? MS_SHOW(p->to) : MS_SHOW(p->from));
}

/* Refused because of what is at `to`, most likely. */
static int target_taken(struct ms_sftp_op *op, const struct ms_sftp_publish *p, uint32_t status,
                        struct ms_error *err)
{
    struct ms_sftp_found to;
    int code = ms_sftp_look(op, MS_FXP_LSTAT, p->to, &to, err);
    if (code)
        return code;
    if (to.exists && to.directory)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is a directory", MS_SHOW(p->to));
    if (to.exists && p->if_absent)
        return ms_error_set(err, MS_ERR_EXISTS, "%s exists already", MS_SHOW(p->to));
    return ms_sftp_refused(op, status, "give its name to", p->to, err);
}

static int renamed(struct ms_sftp_op *op, bool unsure, const struct ms_sftp_publish *p,
                   uint32_t status, struct ms_error *err)
{
    if (status == MS_FX_OK)
        return 0;
    if (ms_sftp_status_code(status) == MS_ERR_NOT_FOUND)
        return source_gone(op, unsure, p, err);
    if (unsure) { /* some servers say no more than "failure" */
        struct ms_sftp_found from;
        int code = ms_sftp_look(op, MS_FXP_LSTAT, p->from, &from, err);
        if (code || !from.exists)
            return code ? code : source_gone(op, unsure, p, err);
    }
    return target_taken(op, p, status, err);
}

/* ---- the ways ---- */

/* The old value gets its name again. Worth a second try: else a sweep does it, much later. */
static int put_back(struct ms_sftp_op *op, struct ms_view aside, struct ms_view to,
                    struct ms_error *err)
{
    uint32_t status;
    int code = ms_sftp_two_paths(op, NULL, aside, to, &status, err);
    if (code == MS_ERR_NO_MEMORY)
        code = ms_sftp_two_paths(op, NULL, aside, to, &status, err);
    return code;
}

static int replace_by_steps(struct ms_sftp_op *op, bool unsure, const struct ms_sftp_publish *p,
                            struct ms_error *err)
{
    struct ms_sftp_temp aside;
    uint32_t status;
    int vanished = 0; /* refused, and then nothing was there: others replace it too */
    for (int tries = 0;; tries++) {
        int code = ms_sftp_two_paths(op, NULL, p->from, p->to, &status, err);
        if (code || status == MS_FX_OK)
            return code;
        struct ms_sftp_found from, to;
        code = ms_sftp_look(op, MS_FXP_LSTAT, p->from, &from, err);
        if (!code)
            code = ms_sftp_look(op, MS_FXP_LSTAT, p->to, &to, err);
        if (code)
            return code;
        if (!from.exists || (to.exists && !to.regular) || tries == MS_SFTP_TRIES ||
            (!to.exists && (status != MS_FX_FAILURE || ++vanished > 100)))
            return renamed(op, unsure, p, status, err);
        if (!to.exists)
            continue;
        ms_sftp_aside_name(op->s, &aside, p->to);
        code = ms_sftp_two_paths(op, NULL, p->to, ms_str(aside.text), &status, err);
        if (code || status != MS_FX_OK)
            continue; /* somebody else was faster; a lost line shows next time */
        code = ms_sftp_two_paths(op, NULL, p->from, p->to, &status, err);
        if (!code && status == MS_FX_OK) {
            (void)remove_name(op, ms_str(aside.text), NULL); /* else a sweep finds it */
            return 0;
        }
        if (code)
            (void)put_back(op, ms_str(aside.text), p->to, NULL);
        else
            code = put_back(op, ms_str(aside.text), p->to, err);
        if (code)
            return code;
    }
}

static int publish_by_link(struct ms_sftp_op *op, bool unsure, const struct ms_sftp_publish *p,
                           struct ms_error *err)
{
    uint32_t status;
    int code = ms_sftp_two_paths(op, "hardlink@openssh.com", p->from, p->to, &status, err);
    if (code)
        return code;
    if (status != MS_FX_OK && unsure && ms_sftp_status_code(status) != MS_ERR_NOT_FOUND) {
        bool same;
        code = same_file(op, p->from, p->to, &same, err);
        if (code)
            return code;
        if (same)
            status = MS_FX_OK; /* the lost one was ours */
    }
    if (status != MS_FX_OK)
        return renamed(op, unsure, p, status, err);
    code = remove_name(op, p->from, p->temporary ? NULL : err);
    if (code == MS_ERR_NO_MEMORY && !p->temporary) { /* there would be two names */
        struct ms_error again = {0};
        code = remove_name(op, p->from, &again);
        if (err)
            *err = again;
    }
    return p->temporary ? 0 : code; /* it is there, and a sweep finds the other name */
}

int ms_sftp_publish(struct ms_sftp_op *op, bool unsure, const struct ms_sftp_publish *p,
                    struct ms_error *err)
{
    struct ms_sftp *s = op->s;
    struct ms_sftp_found to;
    uint32_t status;
    if (!s->links) { /* such servers may say that they renamed over a folder */
        int code = ms_sftp_look(op, MS_FXP_LSTAT, p->to, &to, err);
        if (code)
            return code;
        if (to.exists && to.directory)
            return ms_error_set(err, MS_ERR_EXISTS, "%s is a directory", MS_SHOW(p->to));
    }
    if (p->if_absent && s->links)
        return publish_by_link(op, unsure, p, err);
    if (!p->if_absent && !s->features.posix_rename)
        return replace_by_steps(op, unsure, p, err);
    int code = ms_sftp_two_paths(op, p->if_absent ? NULL : "posix-rename@openssh.com", p->from,
                                 p->to, &status, err);
    return code ? code : renamed(op, unsure, p, status, err);
}

/* ---- moving ---- */

struct move {
    struct ms_sftp_publish publish;
    struct ms_sftp_attrs attrs;
};

static int move_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct move *m = arg;
    struct ms_sftp_publish *p = &m->publish;
    struct ms_view parent = ms_name_parent(p->to);
    for (int tries = 0;; tries++) {
        struct ms_sftp_found from;
        int code = ms_sftp_look(op, MS_FXP_LSTAT, p->from, &from, err);
        if (code)
            return code;
        if (!from.exists)
            return source_gone(op, unsure, p, err);
        if (!from.regular)
            return ms_error_set(err, MS_ERR_NOT_FOUND, "%s is no value", MS_SHOW(p->from));
        if (unsure && p->attrs && !looks_like(&from, p->attrs)) { /* another one by now */
            struct ms_sftp_found to;
            code = ms_sftp_look(op, MS_FXP_LSTAT, p->to, &to, err);
            if (code || (to.exists && looks_like(&to, p->attrs)))
                return code; /* the lost attempt moved the one that was meant */
        }
        m->attrs = from.attrs;
        p->attrs = &m->attrs;
        if (ms_equal(p->from, p->to) && !p->if_absent)
            return 0;
        code = ms_sftp_publish(op, unsure, p, err);
        if (code != MS_ERR_NOT_FOUND || tries == MS_SFTP_TRIES || parent.size == 0)
            return code;
        code = ms_sftp_make_dirs(op, parent, err);
        if (code && code != MS_ERR_NOT_FOUND)
            return code;
    }
}

int ms_sftp_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                 const struct ms_precondition *pre, struct ms_error *err)
{
    struct move m = {
        .publish = {.from = from, .to = to, .if_absent = pre->kind == MS_IF_ABSENT},
    };
    return ms_sftp_retrying(b, MS_VERB_MOVE, move_once, &m, err);
}
