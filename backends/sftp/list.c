/* Folders: read as a whole with several READDIR outstanding, then sorted. What is held is bounded:
 * a server decides how many names it sends, not how much memory they get. One thread a lister. */
#include "backends/sftp/sftp.h"

#include "backends/name.h"
#include "base/log.h"
#include "base/text.h"

#define READDIRS 4 /* outstanding */

void ms_sftp_listing_fini(struct ms_sftp_listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free((void *)(uintptr_t)l->entries[i].name.data);
    free(l->entries);
    *l = (struct ms_sftp_listing){0};
}

static int add(const struct ms_sftp *s, struct ms_sftp_listing *l, struct ms_view name,
               const struct ms_sftp_attrs *attrs, struct ms_error *err)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        struct ms_sftp_entry *entries = reallocarray(l->entries, room, sizeof *entries);
        if (!entries)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
        l->entries = entries;
        l->room = room;
    }
    uint8_t *copy = malloc(name.size + 1);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    size_t size = name.size;
    if (s->features.symbols)
        size = ms_sftp_decode_name(name, copy);
    else
        memcpy(copy, name.data, size);
    copy[size] = 0;
    struct ms_sftp_entry *e = &l->entries[l->count++];
    e->name = ms_view(copy, size);
    ms_sftp_judge_attrs(attrs, &e->found);
    return 0;
}

/* Every name counts, also one that is not kept: an endless row of "." is endless all the same. */
static int count_name(struct ms_sftp_op *op, struct ms_view dir, struct ms_sftp_listing *l,
                      struct ms_view name, struct ms_error *err)
{
    size_t most = op->s->listing_max_bytes;
    l->bytes += sizeof *l->entries + name.size + 1;
    if (l->bytes <= most && op->listed <= most - l->bytes)
        return 0;
    return ms_error_set(err, MS_ERR_PROTOCOL,
                        "%s does not end the listing of %s: more than %zu MiB of names; if the "
                        "folder really is so large, spread its values over several",
                        op->s->base.url, dir.size ? MS_SHOW(dir) : "its root", most >> 20);
}

static bool is_segment(struct ms_view name)
{
    return name.size && name.size <= MS_NAME_MAX && !memchr(name.data, '/', name.size) &&
           !memchr(name.data, 0, name.size);
}

static int add_names(struct ms_sftp_op *op, struct ms_view dir, struct ms_sftp_answer *a,
                     struct ms_sftp_listing *l, struct ms_error *err)
{
    int code = 0;
    for (uint32_t i = 0; i < a->count && !code; i++) {
        struct ms_view name;
        struct ms_sftp_attrs attrs;
        if (!ms_sftp_next_name(&a->rest, &name, &attrs) || !is_segment(name))
            return ms_sftp_damaged(op, err);
        code = count_name(op, dir, l, name, err);
        if (!code && !ms_equal(name, ms_str(".")) && !ms_equal(name, ms_str("..")))
            code = add(op->s, l, name, &attrs, err);
    }
    return code;
}

static int send_readdir(struct ms_sftp_op *op, const struct ms_sftp_handle *handle,
                        struct ms_error *err)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_READDIR, 4 + handle->size);
    ms_sftp_put_string(&o, ms_sftp_handle_view(handle));
    return ms_sftp_send(op->conn, op->gate, &o, NULL, err);
}

static int read_entries(struct ms_sftp_op *op, const struct ms_sftp_handle *handle,
                        struct ms_view name, struct ms_sftp_listing *l, struct ms_error *err)
{
    int code = 0;
    bool end = false;
    for (int i = 0; i < READDIRS && !code; i++)
        code = send_readdir(op, handle, err);
    while (!code && ms_sftp_gate_outstanding(op->gate)) {
        struct ms_sftp_request *r = NULL;
        struct ms_sftp_answer a = {0};
        code = ms_sftp_take(op, &r, &a, err);
        if (code && r && r->code)
            code = ms_sftp_conn_error(op->conn, err);
        bool names = a.type == MS_FXP_NAME && a.count > 0; /* with none it would never end */
        if (!code && names)
            code = add_names(op, name, &a, l, err);
        else if (!code && a.type != MS_FXP_STATUS)
            code = ms_sftp_damaged(op, err);
        else if (!code && a.status != MS_FX_EOF)
            code = ms_sftp_refused(op, a.status, "list", name, err);
        end |= a.type != MS_FXP_NAME;
        ms_sftp_request_free(r);
        if (!code && !end)
            code = send_readdir(op, handle, err);
    }
    return code;
}

int ms_sftp_read_dir(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_listing *out,
                     struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_request *r, extra = {.opens = true};
    struct ms_sftp_answer a;
    struct ms_sftp_handle handle;
    bool unsure = op->unsure; /* nothing here changes anything */
    ms_sftp_out_path(&o, op->s, MS_FXP_OPENDIR, name, 0);
    int code = ms_sftp_ask(op, &o, &extra, &r, &a, err);
    op->unsure = unsure;
    if (code)
        return code;
    handle.size = a.type == MS_FXP_HANDLE ? a.text.size : 0;
    memcpy(handle.bytes, a.text.data, handle.size);
    struct ms_sftp_found found;
    if (a.type == MS_FXP_STATUS && a.status == MS_FX_FAILURE &&
        ms_sftp_look(op, MS_FXP_LSTAT, name, &found, NULL) == 0 && !found.directory)
        code = ms_error_set(err, MS_ERR_NOT_FOUND, "%s is no directory", MS_SHOW(name));
    else if (a.type == MS_FXP_STATUS)
        code = ms_sftp_refused(op, a.status, "list", name, err);
    else if (a.type != MS_FXP_HANDLE)
        code = ms_sftp_damaged(op, err);
    ms_sftp_request_free(r);
    if (code)
        return code;
    struct ms_sftp_listing l = {0};
    code = read_entries(op, &handle, name, &l, err);
    ms_sftp_forget_handle(op->conn, ms_sftp_handle_view(&handle));
    if (code)
        ms_sftp_listing_fini(&l);
    else
        *out = l;
    return code;
}

/* ---- the slot ---- */

struct lister {
    struct ms_lister base;
    struct ms_sftp_listing listing;
    size_t at;
    struct ms_entry entry;
    struct ms_view name; /* of the folder, while it is read */
};

static int by_name(const void *a, const void *b)
{
    return ms_compare(((const struct ms_sftp_entry *)a)->name,
                      ((const struct ms_sftp_entry *)b)->name);
}

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    struct lister *l = (struct lister *)base;
    (void)err;
    *out = NULL;
    if (l->at == l->listing.count)
        return 0;
    const struct ms_sftp_entry *e = &l->listing.entries[l->at++];
    l->entry.name = e->name;
    ms_sftp_fill_info(&e->found, &l->entry.info);
    *out = &l->entry;
    return 0;
}

static void lister_close(struct ms_lister *base)
{
    struct lister *l = (struct lister *)base;
    ms_sftp_listing_fini(&l->listing);
    free(l);
}

static int list_once(struct ms_sftp_op *op, bool unsure, void *arg, struct ms_error *err)
{
    struct lister *l = arg;
    (void)unsure;
    return ms_sftp_read_dir(op, l->name, &l->listing, err);
}

static bool shows(const struct ms_sftp_entry *e, struct ms_view start_after)
{
    if (!(e->found.directory || e->found.regular) || ms_name_hidden(e->name) ||
        ms_compare(e->name, start_after) <= 0)
        return false;
    if (e->name.size <= MS_SFTP_SEGMENT_MAX)
        return true;
    ms_log(MS_LOG_WARN, "a listing holds \"%s\", which is no name here: left out",
           MS_SHOW(e->name));
    return false;
}

/* What never appears goes. */
static void filter(struct ms_sftp_listing *l, struct ms_view start_after)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct ms_sftp_entry e = l->entries[i];
        if (shows(&e, start_after))
            l->entries[kept++] = e;
        else
            free((void *)(uintptr_t)e.name.data);
    }
    l->count = kept;
}

/* A folder that changes while it is read, or a server that errs, may show a name twice. */
static void sort(struct ms_sftp_listing *l)
{
    if (l->count < 2)
        return;
    qsort(l->entries, l->count, sizeof *l->entries, by_name);
    size_t kept = 1;
    for (size_t i = 1; i < l->count; i++) {
        if (ms_equal(l->entries[i].name, l->entries[kept - 1].name))
            free((void *)(uintptr_t)l->entries[i].name.data);
        else
            l->entries[kept++] = l->entries[i];
    }
    l->count = kept;
}

int ms_sftp_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                 struct ms_lister **out, struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to list %s", MS_SHOW(name));
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->name = name;
    int code = ms_sftp_retrying(b, MS_VERB_LIST, list_once, l, err);
    if (code) {
        free(l);
        return code;
    }
    filter(&l->listing, request->start_after);
    sort(&l->listing);
    *out = &l->base;
    return 0;
}
