/* The checked calls of a backend that give handles: writer, reader, lister, batch.
 *
 * A writer and a reader are one counted call each, of the verbs store and load, from their making
 * to their end; so is a lister, whose time is that until its first entry. A writer that is given up
 * without a failure is not counted. In a batch every store is counted, and the commit as "other".
 *
 * One thread at a time on a handle, but reads of one reader and stores into one batch come from
 * many: what those add up is atomic. */
#include "backends/call.h"
#include "backends/fallback.h"

#include "base/assert.h"
#include "base/sync.h"

static void add(uint64_t *sum, uint64_t value)
{
    __atomic_fetch_add(sum, value, __ATOMIC_RELAXED);
}

/* ---- writer ---- */

int ms_backend_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                     const struct ms_precondition *pre, struct ms_writer **out,
                     struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_STORE, err);
    if (code == 0)
        code = ms_call_check_name(b, name, err);
    if (code == 0)
        code = ms_call_check_pre(b, pre, &pre, err);
    if (code)
        return code;
    struct ms_writer *w = NULL;
    code = b->ops->write ? b->ops->write(b, name, size_hint, pre, &w, err)
                         : ms_fallback_write(b, name, size_hint, pre, &w, err);
    if (code)
        return ms_call_end(&call, code, 0, err);
    ms_assert(w && w->ops);
    w->backend = b;
    w->written_bytes = 0;
    w->failed = 0;
    w->spent = ms_call_since(b, call.begin);
    *out = w;
    return 0;
}

int ms_writer_append(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct ms_backend *b = w->backend;
    if (w->failed)
        return ms_error_set(err, w->failed, "%s: an earlier append to this value failed: %s",
                            b->url, ms_code_text(w->failed));
    uint64_t begin = ms_call_now(b);
    int code = ms_check_cancelled(err);
    ms_yield();
    if (code == 0 && bytes.size)
        code = ms_call_result(b, MS_VERB_STORE, w->ops->append(w, bytes, err), err);
    w->spent += ms_call_since(b, begin);
    w->failed = code;
    if (code == 0)
        w->written_bytes += bytes.size;
    return code;
}

int ms_writer_commit(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_backend *b = w->backend;
    struct ms_tag stored = {0};
    uint64_t spent = w->spent, written = w->written_bytes, begin = ms_call_now(b);
    int code = w->failed;
    if (code)
        ms_error_set(err, code, "%s: an append to this value failed: %s", b->url,
                     ms_code_text(code));
    else
        code = ms_check_cancelled(err);
    ms_yield();
    if (code)
        w->ops->abort(w);
    else
        code = ms_call_result(b, MS_VERB_STORE, w->ops->commit(w, &stored, err), err);
    spent += ms_call_since(b, begin);
    ms_call_count(b, MS_VERB_STORE, spent, code, code ? 0 : written);
    if (code == 0 && tag)
        *tag = stored;
    return code;
}

void ms_writer_abort(struct ms_writer *w)
{
    if (!w)
        return;
    if (w->failed)
        ms_call_count(w->backend, MS_VERB_STORE, w->spent, w->failed, 0);
    ms_yield();
    w->ops->abort(w);
}

/* ---- reader ---- */

int ms_backend_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                    struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_LOAD, err);
    if (code == 0)
        code = ms_call_check_name(b, name, err);
    if (code)
        return code;
    struct ms_reader *r = NULL;
    code = b->ops->read ? b->ops->read(b, name, &r, err) : ms_fallback_read(b, name, &r, err);
    if (code)
        return ms_call_end(&call, code, 0, err);
    ms_assert(r && r->ops);
    r->backend = b;
    r->read_bytes = 0;
    r->failed = 0;
    r->spent = ms_call_since(b, call.begin);
    *out = r;
    return 0;
}

int ms_backend_open_file(struct ms_backend *b, struct ms_view name, int *fd, struct ms_info *info,
                         struct ms_error *err)
{
    struct ms_call call;
    if (!b->ops->open_file)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: its values are not local files", b->url);
    int code = ms_call_begin(&call, b, MS_VERB_LOAD, err);
    if (code == 0)
        code = ms_call_check_name(b, name, err);
    if (code)
        return code;
    struct ms_info got = {0};
    int opened = -1;
    code = b->ops->open_file(b, name, &opened, &got, err);
    if (!code) {
        *fd = opened;
        *info = got;
    }
    return ms_call_end(&call, code, got.size_bytes, err);
}

const struct ms_info *ms_reader_info(const struct ms_reader *r)
{
    return &r->info;
}

int ms_reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size, size_t *got,
                   struct ms_error *err)
{
    struct ms_backend *b = r->backend;
    uint64_t begin = ms_call_now(b);
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    uint64_t there = offset < r->info.size_bytes ? r->info.size_bytes - offset : 0;
    if (size > there)
        size = (size_t)there;
    ms_yield();
    if (size)
        code = ms_call_result(b, MS_VERB_LOAD, r->ops->read(r, offset, into, size, err), err);
    add(&r->spent, ms_call_since(b, begin));
    if (code) {
        __atomic_store_n(&r->failed, code, __ATOMIC_RELAXED);
        return code;
    }
    add(&r->read_bytes, size);
    *got = size;
    return 0;
}

void ms_reader_close(struct ms_reader *r)
{
    if (!r)
        return;
    ms_call_count(r->backend, MS_VERB_LOAD, r->spent, r->failed, r->read_bytes);
    ms_yield();
    r->ops->close(r);
}

/* ---- lister ---- */

int ms_backend_list(struct ms_backend *b, struct ms_view name,
                    const struct ms_list_request *request, struct ms_lister **out,
                    struct ms_error *err)
{
    static const struct ms_list_request all = {{0}};
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_LIST, err);
    if (code == 0 && name.size)
        code = ms_call_check_name(b, name, err);
    if (code)
        return code;
    struct ms_lister *l = NULL;
    code = b->ops->list(b, name, request ? request : &all, &l, err);
    if (code)
        return ms_call_end(&call, code, 0, err);
    ms_assert(l && l->ops);
    l->backend = b;
    l->begun = false;
    l->failed = 0;
    l->spent = ms_call_since(b, call.begin);
    *out = l;
    return 0;
}

int ms_lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    struct ms_backend *b = l->backend;
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    ms_yield();
    uint64_t begin = l->begun ? 0 : ms_call_now(b);
    const struct ms_entry *entry = NULL;
    code = ms_call_result(b, MS_VERB_LIST, l->ops->next(l, &entry, err), err);
    if (!l->begun)
        l->spent += ms_call_since(b, begin);
    l->begun = true;
    if (code) {
        l->failed = code;
        return code;
    }
    *out = entry;
    return 0;
}

void ms_lister_close(struct ms_lister *l)
{
    if (!l)
        return;
    ms_call_count(l->backend, MS_VERB_LIST, l->spent, l->failed, 0);
    ms_yield();
    l->ops->close(l);
}

/* ---- batch ---- */

int ms_backend_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_OTHER, err);
    if (code)
        return code;
    struct ms_batch *batch = NULL;
    code = b->ops->batch ? b->ops->batch(b, &batch, err) : ms_fallback_batch(b, &batch, err);
    if (code)
        return ms_call_end(&call, code, 0, err);
    ms_assert(batch && batch->ops);
    batch->backend = b;
    *out = batch;
    return 0;
}

int ms_batch_store(struct ms_batch *batch, struct ms_view name, struct ms_buf *value,
                   const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_backend *b = batch->backend;
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_STORE, err);
    if (code == 0)
        code = ms_call_check_name(b, name, err);
    if (code == 0)
        code = ms_call_check_pre(b, pre, &pre, err);
    if (code)
        return code;
    code = batch->ops->store(batch, name, value, pre, err);
    return ms_call_end(&call, code, code ? 0 : ms_buf_size(value), err);
}

int ms_batch_commit(struct ms_batch *batch, struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, batch->backend, MS_VERB_OTHER, err);
    if (code) {
        batch->ops->abort(batch);
        return code;
    }
    return ms_call_end(&call, batch->ops->commit(batch, err), 0, err);
}

void ms_batch_abort(struct ms_batch *batch)
{
    if (!batch)
        return;
    ms_yield();
    batch->ops->abort(batch);
}
