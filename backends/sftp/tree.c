/* Everything about names that is neither reading nor writing: making and removing folders, looking,
 * removing values, the whole tree, space. */
#include "backends/sftp/sftp.h"

#include "backends/name.h"
#include "base/text.h"

#include <stdio.h>

#define DEPTH_MAX 64
#define REMOVALS  128 /* outstanding */

struct named {
    struct ms_view name;
    struct ms_info *info;
};

/* ---- one name ---- */

static int mkdir_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    const struct named *n = arg;
    (void)unsure;
    int code = MS_ERR_NOT_FOUND;
    for (int tries = 0; tries < MS_SFTP_TRIES && code == MS_ERR_NOT_FOUND; tries++)
        code = ms_sftp_make_dirs(op, n->name, err);
    return code;
}

int ms_sftp_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct named n = {name, NULL};
    return ms_sftp_retrying(b, MS_VERB_MKDIR, mkdir_once, &n, err);
}

static int rmdir_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    const struct named *n = arg;
    struct ms_sftp_out o;
    struct ms_sftp_found found;
    uint32_t status;
    int code = 0;
    if (!op->s->links) /* such servers may say that they removed a value */
        code = ms_sftp_look(op, MS_FXP_LSTAT, n->name, &found, err);
    if (code)
        return code;
    if (!op->s->links && found.exists && !found.directory)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s is no directory", MS_SHOW(n->name));
    ms_sftp_out_path(&o, op->s, MS_FXP_RMDIR, n->name, 0);
    code = ms_sftp_change(op, &o, &status, err);
    if (code || status == MS_FX_OK)
        return code;
    bool missing = ms_sftp_status_code(status) == MS_ERR_NOT_FOUND;
    if (missing && unsure)
        return 0; /* the lost one did it */
    if (missing || status != MS_FX_FAILURE)
        return ms_sftp_refused(op, status, "remove the directory", n->name, err);
    code = ms_sftp_look(op, MS_FXP_LSTAT, n->name, &found, err);
    if (code)
        return code;
    if (!found.exists && unsure)
        return 0;
    if (!found.directory)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "there is no directory %s", MS_SHOW(n->name));
    return ms_error_set(err, MS_ERR_EXISTS, "the directory %s is not empty", MS_SHOW(n->name));
}

int ms_sftp_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct named n = {name, NULL};
    return ms_sftp_retrying(b, MS_VERB_RMDIR, rmdir_once, &n, err);
}

static int info_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    const struct named *n = arg;
    struct ms_sftp_found found;
    (void)unsure;
    int code = ms_sftp_look(op, MS_FXP_LSTAT, n->name, &found, err);
    if (!code)
        ms_sftp_fill_info(&found, n->info);
    return code;
}

int ms_sftp_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                 struct ms_error *err)
{
    struct named n = {name, out};
    return ms_sftp_retrying(b, MS_VERB_INFO, info_once, &n, err);
}

/* A folder is no value. Servers that are known for nothing may remove one all the same. */
static int check_value(struct ms_sftp_op *op, bool unsure, struct ms_view name, bool *done,
                       struct ms_error *err)
{
    struct ms_sftp_found found;
    int code = ms_sftp_look(op, MS_FXP_LSTAT, name, &found, err);
    *done = !code && !found.exists && unsure; /* the lost attempt did it */
    if (!code && !*done && (!found.exists || found.directory))
        code = ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
    return code;
}

static int remove_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    const struct named *n = arg;
    struct ms_sftp_out o;
    uint32_t status;
    bool done = false;
    int code = op->s->links ? 0 : check_value(op, unsure, n->name, &done, err);
    if (code || done)
        return code;
    ms_sftp_out_path(&o, op->s, MS_FXP_REMOVE, n->name, 0);
    code = ms_sftp_change(op, &o, &status, err);
    if (code || status == MS_FX_OK)
        return code;
    if (ms_sftp_status_code(status) == MS_ERR_NOT_FOUND)
        return unsure ? 0 : ms_sftp_refused(op, status, "delete", n->name, err);
    code = check_value(op, unsure, n->name, &done, err);
    return code || done ? code : ms_sftp_refused(op, status, "delete", n->name, err);
}

int ms_sftp_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct named n = {name, NULL};
    return ms_sftp_retrying(b, MS_VERB_DELETE, remove_once, &n, err);
}

/* ---- space ---- */

struct usage {
    uint64_t total, left;
};

static int usage_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct usage *u = arg;
    struct ms_sftp_out o;
    struct ms_sftp_request *r;
    struct ms_sftp_answer a;
    (void)unsure;
    ms_sftp_out_begin(&o, MS_FXP_EXTENDED, 64 + strlen(op->s->root));
    ms_sftp_put_string(&o, ms_str("statvfs@openssh.com"));
    ms_sftp_put_path(&o, op->s, ms_view("", 0));
    int code = ms_sftp_ask(op, &o, NULL, &r, &a, err);
    if (code)
        return code;
    if (a.type == MS_FXP_EXTENDED_REPLY && !ms_sftp_parse_statvfs(a.rest, &u->total, &u->left))
        code = ms_sftp_damaged(op, err);
    else if (a.type == MS_FXP_STATUS && a.status != MS_FX_OP_UNSUPPORTED)
        code = ms_sftp_refused(op, a.status, "ask for the free space of", ms_str(op->s->root), err);
    ms_sftp_request_free(r);
    return code;
}

int ms_sftp_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                  struct ms_error *err)
{
    struct usage u = {UINT64_MAX, UINT64_MAX};
    int code = 0;
    if (ms_sftp_self(b)->features.statvfs)
        code = ms_sftp_retrying(b, MS_VERB_OTHER, usage_once, &u, err);
    if (code)
        return code;
    *total_bytes = u.total;
    *free_bytes = u.left < u.total ? u.left : u.total;
    return 0;
}

/* ---- the whole tree ---- */

struct walk {
    bool all;             /* remove everything; else old temporaries alone */
    int64_t older_than_s; /* these */
    uint64_t removed;
};

static bool doomed(const struct walk *w, const struct ms_sftp_entry *e)
{
    struct ms_view of;
    int64_t when_s;
    if (w->all)
        return true;
    if (e->found.regular && ms_sftp_aside_parse(e->name, &of, &when_s))
        return when_s <= w->older_than_s;
    return e->found.regular && ms_ends_with(e->name, ms_str(".tmp")) && e->found.attrs.has_times &&
           e->found.attrs.mtime <= w->older_than_s;
}

/* Takes answers until at most `left` are out. */
static int take_removals(struct ms_sftp_op *op, struct walk *w, size_t left, struct ms_view dir,
                         struct ms_error *err)
{
    int code = 0;
    while (!code && ms_sftp_gate_outstanding(op->gate) > left) {
        struct ms_sftp_request *r = NULL;
        struct ms_sftp_answer a;
        code = ms_sftp_take(op, &r, &a, err);
        if (code && r && r->code)
            code = ms_sftp_conn_error(op->conn, err);
        if (!code && a.type != MS_FXP_STATUS)
            code = ms_sftp_damaged(op, err);
        if (!code && a.status == MS_FX_OK)
            w->removed++;
        else if (!code && ms_sftp_status_code(a.status) != MS_ERR_NOT_FOUND)
            code = ms_sftp_refused(op, a.status, "remove something in", dir, err);
        ms_sftp_request_free(r);
    }
    return code;
}

static char *join(struct ms_view dir, struct ms_view name)
{
    char *path = malloc(dir.size + 1 + name.size + 1);
    if (path)
        sprintf(path, "%.*s%s%.*s", (int)dir.size, (const char *)dir.data, dir.size ? "/" : "",
                (int)name.size, (const char *)name.data);
    return path;
}

static int walk_dir(struct ms_sftp_op *op, struct walk *w, struct ms_view dir, unsigned depth,
                    struct ms_error *err);

/* A listing may call a folder what is a link to one: nothing behind a link belongs to the store.
 * *found: as LSTAT sees it. */
static int walk_folder(struct ms_sftp_op *op, struct walk *w, struct ms_view path, unsigned depth,
                       struct ms_sftp_found *found, struct ms_error *err)
{
    int code = ms_sftp_look(op, MS_FXP_LSTAT, path, found, err);
    if (!code && found->directory)
        code = walk_dir(op, w, path, depth + 1, err);
    return code == MS_ERR_NOT_FOUND ? 0 : code; /* somebody else removed it */
}

static int walk_entry(struct ms_sftp_op *op, struct walk *w, struct ms_view dir,
                      const struct ms_sftp_entry *e, unsigned depth, struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_found found = e->found;
    struct ms_view of;
    int64_t when_s;
    if (!found.directory && !doomed(w, e))
        return 0;
    int code = 0;
    char *path = join(dir, e->name);
    if (!path)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    if (found.directory) {
        code = take_removals(op, w, 0, dir, err);
        if (!code)
            code = walk_folder(op, w, ms_str(path), depth, &found, err);
    }
    if (!code && !w->all && !e->found.directory && ms_sftp_aside_parse(e->name, &of, &when_s)) {
        code = take_removals(op, w, 0, dir, err);
        if (!code)
            code = ms_sftp_aside_settle(op, ms_str(path), &w->removed, err);
    } else if (!code && (w->all || !e->found.directory)) {
        ms_sftp_out_path(&o, op->s, found.directory ? MS_FXP_RMDIR : MS_FXP_REMOVE, ms_str(path),
                         0);
        code = ms_sftp_send(op->conn, op->gate, &o, NULL, err);
    }
    free(path);
    return code ? code : take_removals(op, w, REMOVALS, dir, err);
}

static int walk_dir(struct ms_sftp_op *op, struct walk *w, struct ms_view dir, unsigned depth,
                    struct ms_error *err)
{
    struct ms_sftp_listing l;
    if (depth >= DEPTH_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "%s lies deeper than %d folders", MS_SHOW(dir),
                            DEPTH_MAX);
    int code = ms_sftp_read_dir(op, dir, &l, err);
    if (code)
        return code;
    op->listed += l.bytes;
    for (size_t i = 0; i < l.count && !code; i++) {
        code = ms_check_cancelled(err);
        if (!code)
            code = walk_entry(op, w, dir, &l.entries[i], depth, err);
    }
    if (!code)
        code = take_removals(op, w, 0, dir, err);
    op->listed -= l.bytes;
    ms_sftp_listing_fini(&l);
    return code;
}

static int walk_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    (void)unsure; /* what is gone already is no harm */
    return walk_dir(op, arg, ms_view("", 0), 0, err);
}

/* The storage's clock is not asked for: ours is taken, as its users' are. */
int ms_sftp_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    int64_t now_s = ms_clock_wall(b->clock) / 1000000000;
    uint64_t age_s = age_ns / 1000000000;
    struct walk w = {.older_than_s = age_s > (uint64_t)now_s ? -1 : now_s - (int64_t)age_s};
    if (age_ns == 0)
        w.older_than_s = INT64_MAX;
    int code = ms_sftp_retrying(b, MS_VERB_OTHER, walk_once, &w, err);
    *removed = w.removed;
    return code;
}

/* ---- create and destroy ---- */

static int make_root(struct ms_sftp_op *op, struct ms_error *err)
{
    struct ms_sftp *s = op->s;
    struct ms_sftp_out o;
    uint32_t status;
    int code = 0;
    for (size_t at = 1; s->root[at - 1] && !code; at++)
        if (s->root[at] == 0 || s->root[at] == '/') {
            ms_sftp_out_begin(&o, MS_FXP_MKDIR, 8 + at);
            ms_sftp_put_string(&o, ms_view(s->root, at));
            ms_sftp_put_no_attrs(&o);
            code = ms_sftp_change(op, &o, &status, err);
        }
    struct ms_sftp_found found;
    if (!code)
        code = ms_sftp_look(op, MS_FXP_STAT, ms_view("", 0), &found, err);
    if (code || (found.exists && found.directory))
        return code;
    if (found.exists || ms_sftp_status_code(status) == MS_ERR_NOT_FOUND)
        return ms_error_set(err, MS_ERR_STORE_EXISTS, "%s on %s is no folder, or lies in none",
                            MS_SHOW(ms_str(s->root)), s->base.url);
    return ms_sftp_refused(op, status, "create", ms_str(s->root), err);
}

static int create_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct ms_sftp_listing l;
    (void)unsure, (void)arg;
    int code = make_root(op, err);
    if (!code)
        code = ms_sftp_read_dir(op, ms_view("", 0), &l, err);
    if (code)
        return code;
    if (l.count)
        code = ms_error_set(err, MS_ERR_STORE_EXISTS,
                            "the folder %s on %s is not empty: it holds a store or something else",
                            MS_SHOW(ms_str(op->s->root)), op->s->base.url);
    ms_sftp_listing_fini(&l);
    return code;
}

/* Like open, on a closed backend. */
int ms_sftp_create(struct ms_backend *b, struct ms_error *err)
{
    int code = ms_sftp_retrying(b, MS_VERB_OTHER, create_once, NULL, err);
    ms_sftp_pool_close(ms_sftp_self(b));
    return code;
}

static int real_path(struct ms_sftp_op *op, const char *path, char *to, size_t size,
                     struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r;
    struct ms_sftp_answer a;
    struct ms_view name;
    struct ms_sftp_attrs attrs;
    ms_sftp_out_begin(&o, MS_FXP_REALPATH, 8 + strlen(path));
    ms_sftp_put_string(&o, ms_str(path));
    int code = ms_sftp_ask(op, &o, NULL, &r, &a, err);
    if (code)
        return code;
    if (a.type == MS_FXP_STATUS)
        code = ms_sftp_refused(op, a.status, "resolve", ms_str(path), err);
    else if (a.type != MS_FXP_NAME || a.count != 1 || !ms_sftp_next_name(&a.rest, &name, &attrs) ||
             name.size >= size)
        code = ms_sftp_damaged(op, err);
    else
        snprintf(to, size, "%.*s", (int)name.size, (const char *)name.data);
    ms_sftp_request_free(r);
    return code;
}

/* Folders that nobody means when he says "destroy": / and the login's own. */
static int check_precious(struct ms_sftp_op *op, struct ms_error *err)
{
    char root[MS_NAME_MAX], home[MS_NAME_MAX];
    int code = real_path(op, op->s->root, root, sizeof root, err);
    if (!code)
        code = real_path(op, ".", home, sizeof home, err);
    if (code)
        return code;
    if (strcmp(root, "/") == 0 || strcmp(root, home) == 0)
        return ms_error_set(err, MS_ERR_INVALID,
                            "%s is the root or the login folder of the server: it is not destroyed",
                            op->s->base.url);
    return 0;
}

static int destroy_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct ms_sftp_found found;
    struct ms_sftp_out o;
    struct walk w = {.all = true};
    uint32_t status;
    (void)arg;
    int code = ms_sftp_look(op, MS_FXP_STAT, ms_view("", 0), &found, err);
    if (!code && !found.exists && unsure)
        return 0; /* the lost attempt did it */
    if (!code && (!found.exists || !found.directory))
        code = ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s: no such folder",
                            op->s->base.url);
    if (!code)
        code = check_precious(op, err);
    if (!code)
        code = walk_dir(op, &w, ms_view("", 0), 0, err);
    if (code)
        return code;
    ms_sftp_out_path(&o, op->s, MS_FXP_RMDIR, ms_view("", 0), 0);
    code = ms_sftp_change(op, &o, &status, err);
    if (code || status == MS_FX_OK)
        return code;
    struct ms_sftp_listing l;
    code = ms_sftp_read_dir(op, ms_view("", 0), &l, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    if (l.count)
        code = ms_error_set(err, MS_ERR_BUSY, "somebody writes to %s while it is destroyed",
                            op->s->base.url);
    ms_sftp_listing_fini(&l);
    return code; /* that the folder itself stays is no error */
}

int ms_sftp_destroy(struct ms_backend *b, struct ms_error *err)
{
    int code = ms_sftp_retrying(b, MS_VERB_OTHER, destroy_once, NULL, err);
    ms_sftp_pool_close(ms_sftp_self(b));
    return code;
}
