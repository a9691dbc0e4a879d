/* The calls of mstore/backend.h: state, names, ranges and the driver's results are checked here
 * once for all, calls are counted, and the simulation may switch tasks before each. No lock; any
 * thread. */
#include <mstore/backend.h>

#include "backends/fallback.h"
#include "backends/name.h"
#include "base/assert.h"
#include "base/entity.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"

enum { CLOSED = 0, OPEN = 1 };

static const struct ms_precondition always = {.kind = MS_ALWAYS};

/* ---- before and after every call ---- */

static int enter(const struct ms_backend *b, struct ms_error *err)
{
    if (b->state != OPEN)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "%s is not open", b->url);
    ms_yield();
    return ms_check_cancelled(err);
}

static int enter_name(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    int code = enter(b, err);
    if (code)
        return code;
    struct ms_capabilities can;
    b->ops->capabilities(b, &can);
    return ms_name_check(name, can.name_max_bytes, err);
}

static uint64_t begin(const struct ms_backend *b)
{
    return b->inner || !b->stats ? 0 : ms_entity_begin(b->clock);
}

/* Counts a call that took from `since` to now. */
static int count(const struct ms_backend *b, enum ms_verb verb, uint64_t since, int code,
                 uint64_t volume)
{
    ms_assert(code <= 0);
    if (!b->inner && b->stats)
        ms_entity_count(b->stats, b->clock, verb, since, code, volume);
    return code;
}

void ms_backend_count_moved(struct ms_backend *b, uint64_t in_bytes, uint64_t out_bytes)
{
    if (b->stats)
        ms_entity_count_moved(b->stats, in_bytes, out_bytes);
}

void ms_backend_count_retry(struct ms_backend *b, enum ms_verb verb)
{
    if (b->stats)
        ms_entity_count_retry(b->stats, verb);
}

void ms_backend_count_emulated(struct ms_backend *b, enum ms_verb verb, uint64_t delay_ns)
{
    if (b->stats)
        ms_entity_count_emulated(b->stats, verb, delay_ns);
}

/* ---- life ---- */

static int act_on_closed(struct ms_backend *b, int (*slot)(struct ms_backend *, struct ms_error *),
                         struct ms_error *err)
{
    if (b->state != CLOSED)
        return ms_error_set(err, MS_ERR_MUST_NOT_BE_OPEN, "%s is open; close it first", b->url);
    ms_yield();
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    uint64_t since = begin(b);
    return count(b, MS_VERB_OTHER, since, slot(b, err), 0);
}

int ms_backend_create(struct ms_backend *b, struct ms_error *err)
{
    return act_on_closed(b, b->ops->create, err);
}

int ms_backend_destroy(struct ms_backend *b, struct ms_error *err)
{
    return act_on_closed(b, b->ops->destroy, err);
}

int ms_backend_open(struct ms_backend *b, struct ms_error *err)
{
    int code = act_on_closed(b, b->ops->open, err);
    if (!code)
        b->state = OPEN;
    return code;
}

int ms_backend_close(struct ms_backend *b, struct ms_error *err)
{
    if (b->state != OPEN)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "%s is not open", b->url);
    b->state = CLOSED;
    uint64_t since = begin(b);
    return count(b, MS_VERB_OTHER, since, b->ops->close(b, err), 0);
}

void ms_backend_free(struct ms_backend *b)
{
    if (!b)
        return;
    if (b->state == OPEN && ms_backend_close(b, NULL))
        ms_log(MS_LOG_WARN, "closing %s failed", b->url);
    ms_entity_put(b->stats);
    b->ops->free(b);
}

void ms_backend_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    b->ops->capabilities(b, out);
}

/* ---- directories and items ---- */

int ms_backend_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    int code = enter_name(b, name, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    return count(b, MS_VERB_MKDIR, since, b->ops->mkdir(b, name, err), 0);
}

int ms_backend_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    int code = enter_name(b, name, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    return count(b, MS_VERB_RMDIR, since, b->ops->rmdir(b, name, err), 0);
}

int ms_backend_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                    struct ms_error *err)
{
    int code = name.size ? enter_name(b, name, err) : enter(b, err);
    if (code)
        return code;
    if (name.size == 0) { /* the root, which is there while it is open */
        *out = (struct ms_info){.exists = true, .directory = true};
        return 0;
    }
    struct ms_info info = {0};
    uint64_t since = begin(b);
    code = count(b, MS_VERB_INFO, since, b->ops->info(b, name, &info, err), 0);
    if (!code)
        *out = info;
    return code;
}

int ms_backend_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                    struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    int code = enter_name(b, name, err);
    if (code)
        return code;
    struct ms_buf *value = NULL;
    uint64_t since = begin(b);
    code = b->ops->load(b, name, offset, size, &value, info, err);
    count(b, MS_VERB_LOAD, since, code, code ? 0 : ms_buf_size(value));
    if (code)
        return code;
    ms_assert(ms_buf_size(value) <= size);
    *out = value;
    return 0;
}

static int check_precondition(struct ms_backend *b, const struct ms_precondition *pre,
                              struct ms_error *err)
{
    if (pre->kind == MS_ALWAYS)
        return 0;
    struct ms_capabilities can;
    b->ops->capabilities(b, &can);
    unsigned needed = pre->kind == MS_IF_ABSENT ? MS_CAP_IF_ABSENT : MS_CAP_IF_TAG;
    if (can.flags & needed)
        return 0;
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s cannot store only if %s", b->url,
                        pre->kind == MS_IF_ABSENT ? "absent" : "the value has a given tag");
}

int ms_backend_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                     const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    if (!pre)
        pre = &always;
    int code = enter_name(b, name, err);
    if (!code)
        code = check_precondition(b, pre, err);
    if (code)
        return code;
    struct ms_tag ignored;
    struct ms_tag *to = tag ? tag : &ignored;
    uint64_t since = begin(b);
    code = b->ops->store(b, name, value, pre, to, err);
    return count(b, MS_VERB_STORE, since, code, code ? 0 : ms_buf_size(value));
}

int ms_backend_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    int code = enter_name(b, name, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    return count(b, MS_VERB_DELETE, since, b->ops->delete (b, name, err), 0);
}

static int check_target(struct ms_backend *b, const struct ms_precondition *pre, unsigned needed,
                        struct ms_error *err)
{
    if (pre->kind == MS_ALWAYS)
        return 0;
    if (pre->kind == MS_IF_TAG)
        return ms_error_set(err, MS_ERR_INVALID, "a tag is no condition for this call");
    struct ms_capabilities can;
    b->ops->capabilities(b, &can);
    if (can.flags & needed)
        return 0;
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s cannot do this only if the target is absent",
                        b->url);
}

int ms_backend_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                    const struct ms_precondition *pre, struct ms_error *err)
{
    if (!pre)
        pre = &always;
    int code = enter_name(b, from, err);
    if (!code)
        code = enter_name(b, to, err);
    if (!code)
        code = check_target(b, pre, MS_CAP_MOVE_IF_ABSENT, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    return count(b, MS_VERB_MOVE, since, b->ops->move(b, from, to, pre, err), 0);
}

/* ---- listing ---- */

int ms_backend_list(struct ms_backend *b, struct ms_view name,
                    const struct ms_list_request *request, struct ms_lister **out,
                    struct ms_error *err)
{
    static const struct ms_list_request all;
    int code = name.size ? enter_name(b, name, err) : enter(b, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    code = b->ops->list(b, name, request ? request : &all, out, err);
    if (!code)
        (*out)->backend = b;
    return count(b, MS_VERB_LIST, since, code, 0);
}

int ms_lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    int code = ms_check_cancelled(err);
    return code ? code : l->ops->next(l, out, err);
}

void ms_lister_close(struct ms_lister *l)
{
    if (l)
        l->ops->close(l);
}

/* ---- writers: one store, from the first call to the last, without the caller's own time ---- */

int ms_backend_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                     const struct ms_precondition *pre, struct ms_writer **out,
                     struct ms_error *err)
{
    if (!pre)
        pre = &always;
    int code = enter_name(b, name, err);
    if (!code)
        code = check_precondition(b, pre, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    struct ms_writer *w;
    code = b->ops->write ? b->ops->write(b, name, size_hint, pre, &w, err)
                         : ms_fallback_write(b, name, size_hint, pre, &w, err);
    if (code)
        return count(b, MS_VERB_STORE, since, code, 0);
    w->backend = b;
    w->written_bytes = 0;
    w->spent = begin(b) - since;
    *out = w;
    return 0;
}

int ms_writer_append(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct ms_backend *b = w->backend;
    ms_yield();
    int code = ms_check_cancelled(err);
    if (code || bytes.size == 0)
        return code;
    uint64_t since = begin(b);
    code = w->ops->append(w, bytes, err);
    w->spent += begin(b) - since;
    if (!code)
        w->written_bytes += bytes.size;
    return code;
}

int ms_writer_commit(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_backend *b = w->backend;
    uint64_t spent = w->spent, volume = w->written_bytes;
    ms_yield();
    int code = ms_check_cancelled(err);
    if (code) {
        ms_writer_abort(w);
        return code;
    }
    struct ms_tag ignored;
    uint64_t since = begin(b);
    code = w->ops->commit(w, tag ? tag : &ignored, err);
    return count(b, MS_VERB_STORE, since - spent, code, code ? 0 : volume);
}

void ms_writer_abort(struct ms_writer *w)
{
    if (w)
        w->ops->abort(w);
}

/* ---- readers: one load, however many blocks ---- */

int ms_backend_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                    struct ms_error *err)
{
    int code = enter_name(b, name, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    struct ms_reader *r;
    code = b->ops->read ? b->ops->read(b, name, &r, err) : ms_fallback_read(b, name, &r, err);
    if (code)
        return count(b, MS_VERB_LOAD, since, code, 0);
    r->backend = b;
    r->read_bytes = 0;
    r->failed = 0;
    r->spent = begin(b) - since;
    *out = r;
    return 0;
}

const struct ms_info *ms_reader_info(const struct ms_reader *r)
{
    return &r->info;
}

int ms_reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size, size_t *got,
                   struct ms_error *err)
{
    ms_yield();
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    uint64_t there = offset < r->info.size_bytes ? r->info.size_bytes - offset : 0;
    if (size > there)
        size = (size_t)there;
    if (size) {
        uint64_t since = begin(r->backend);
        code = r->ops->read(r, offset, into, size, err);
        /* several threads may read */
        __atomic_fetch_add(&r->spent, begin(r->backend) - since, __ATOMIC_RELAXED);
        if (code) {
            __atomic_store_n(&r->failed, code, __ATOMIC_RELAXED);
            return code;
        }
        __atomic_fetch_add(&r->read_bytes, size, __ATOMIC_RELAXED);
    }
    *got = size;
    return 0;
}

void ms_reader_close(struct ms_reader *r)
{
    if (!r)
        return;
    struct ms_backend *b = r->backend;
    count(b, MS_VERB_LOAD, begin(b) - r->spent, r->failed, r->read_bytes);
    r->ops->close(r);
}

/* ---- batches: each store counts, the commit is one call more ---- */

int ms_backend_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err)
{
    int code = enter(b, err);
    if (code)
        return code;
    struct ms_batch *batch;
    code = b->ops->batch ? b->ops->batch(b, &batch, err) : ms_fallback_batch(b, &batch, err);
    if (code)
        return code;
    batch->backend = b;
    *out = batch;
    return 0;
}

int ms_batch_store(struct ms_batch *batch, struct ms_view name, struct ms_buf *value,
                   const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_backend *b = batch->backend;
    if (!pre)
        pre = &always;
    int code = enter_name(b, name, err);
    if (!code)
        code = check_precondition(b, pre, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    code = batch->ops->store(batch, name, value, pre, err);
    return count(b, MS_VERB_STORE, since, code, code ? 0 : ms_buf_size(value));
}

int ms_batch_commit(struct ms_batch *batch, struct ms_error *err)
{
    struct ms_backend *b = batch->backend;
    ms_yield();
    int code = ms_check_cancelled(err);
    if (code) {
        ms_batch_abort(batch);
        return code;
    }
    uint64_t since = begin(b);
    return count(b, MS_VERB_OTHER, since, batch->ops->commit(batch, err), 0);
}

void ms_batch_abort(struct ms_batch *batch)
{
    if (batch)
        batch->ops->abort(batch);
}

/* ---- where the data is ---- */

int ms_backend_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err)
{
    int code = enter_name(b, name, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    code = b->ops->hash ? b->ops->hash(b, name, algorithm, hex, hex_size, err)
                        : ms_fallback_hash(b, name, algorithm, hex, hex_size, err);
    return count(b, MS_VERB_HASH, since, code, 0);
}

int ms_backend_compose(struct ms_backend *b, const struct ms_part *parts, size_t count_,
                       struct ms_view to, const struct ms_precondition *pre, struct ms_error *err)
{
    if (!pre)
        pre = &always;
    int code = enter_name(b, to, err);
    if (!code)
        code = check_target(b, pre, MS_CAP_IF_ABSENT, err);
    for (size_t i = 0; !code && i < count_; i++)
        code = enter_name(b, parts[i].name, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    code = b->ops->compose ? b->ops->compose(b, parts, count_, to, pre, err)
                           : ms_fallback_compose(b, parts, count_, to, pre, err);
    return count(b, MS_VERB_DEFRAG, since, code, 0);
}

int ms_backend_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                    const struct ms_precondition *pre, struct ms_error *err)
{
    if (!pre)
        pre = &always;
    int code = enter_name(b, from, err);
    if (!code)
        code = enter_name(b, to, err);
    if (!code)
        code = check_target(b, pre, MS_CAP_IF_ABSENT, err);
    if (code)
        return code;
    uint64_t since = begin(b);
    code = b->ops->copy ? b->ops->copy(b, from, to, pre, err)
                        : ms_fallback_copy(b, from, to, pre, err);
    return count(b, MS_VERB_COPY, since, code, 0);
}

int ms_backend_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                     struct ms_error *err)
{
    int code = enter(b, err);
    if (code)
        return code;
    if (b->ops->usage)
        return b->ops->usage(b, total_bytes, free_bytes, err);
    *total_bytes = *free_bytes = UINT64_MAX;
    return 0;
}

int ms_backend_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    int code = enter(b, err);
    if (code)
        return code;
    *removed = 0;
    return b->ops->sweep ? b->ops->sweep(b, age_ns, removed, err) : 0;
}
