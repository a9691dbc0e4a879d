/* The checked calls of a backend that begin and end at once; streams.c has those that give handles.
 *
 * Any thread, except create, destroy, open, close and free, which have the handle for themselves.
 * What a driver hands over reaches the caller only when its result is success. */
#include "backends/call.h"
#include "backends/fallback.h"

#include "base/assert.h"
#include "base/entity.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"

/* ---- life ---- */

/* The frame of a call on a closed backend. */
static int call_closed(struct ms_backend *b, const char *what,
                       int (*slot)(struct ms_backend *, struct ms_error *), struct ms_error *err)
{
    if (b->state == MS_BACKEND_OPEN)
        return ms_error_set(err, MS_ERR_MUST_NOT_BE_OPEN, "%s must not be open for %s", b->url,
                            what);
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    ms_yield();
    struct ms_call call = {b, MS_VERB_OTHER, ms_call_now(b)};
    return ms_call_end(&call, slot(b, err), 0, err);
}

int ms_backend_create(struct ms_backend *b, struct ms_error *err)
{
    return call_closed(b, "create", b->ops->create, err);
}

int ms_backend_destroy(struct ms_backend *b, struct ms_error *err)
{
    return call_closed(b, "destroy", b->ops->destroy, err);
}

int ms_backend_open(struct ms_backend *b, struct ms_error *err)
{
    int code = call_closed(b, "open", b->ops->open, err);
    if (code)
        return code;
    struct ms_capabilities caps;
    ms_backend_capabilities(b, &caps);
    b->flags = caps.flags;
    b->name_max_bytes = caps.name_max_bytes ? caps.name_max_bytes : MS_NAME_MAX;
    b->state = MS_BACKEND_OPEN;
    return 0;
}

int ms_backend_close(struct ms_backend *b, struct ms_error *err)
{
    if (b->state != MS_BACKEND_OPEN)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "%s must be open for close", b->url);
    b->state = MS_BACKEND_CLOSED;
    ms_yield();
    struct ms_call call = {b, MS_VERB_OTHER, ms_call_now(b)};
    return ms_call_end(&call, b->ops->close(b, err), 0, err);
}

void ms_backend_free(struct ms_backend *b)
{
    if (!b)
        return;
    struct ms_error err = {0};
    if (b->state == MS_BACKEND_OPEN && ms_backend_close(b, &err))
        ms_log(MS_LOG_WARN, "closing %s: %s", b->url, err.text);
    ms_entity_put(b->stats);
    b->ops->free(b);
}

void ms_backend_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    *out = (struct ms_capabilities){0};
    b->ops->capabilities(b, out);
}

/* ---- calls with one name ---- */

/* Name and state, then the frame. */
static int begin(struct ms_call *call, struct ms_backend *b, enum ms_verb verb, struct ms_view name,
                 struct ms_error *err)
{
    int code = ms_call_begin(call, b, verb, err);
    return code ? code : ms_call_check_name(b, name, err);
}

int ms_backend_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_MKDIR, name, err);
    return code ? code : ms_call_end(&call, b->ops->mkdir(b, name, err), 0, err);
}

int ms_backend_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_RMDIR, name, err);
    return code ? code : ms_call_end(&call, b->ops->rmdir(b, name, err), 0, err);
}

int ms_backend_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                    struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_INFO, err);
    if (code)
        return code;
    if (name.size == 0) { /* the root, which is there while it is open */
        *out = (struct ms_info){.exists = true, .directory = true};
        return 0;
    }
    code = ms_call_check_name(b, name, err);
    if (code)
        return code;
    struct ms_info info = {0};
    code = ms_call_end(&call, b->ops->info(b, name, &info, err), 0, err);
    if (code == 0)
        *out = info;
    return code;
}

int ms_backend_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                    struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_LOAD, name, err);
    if (code)
        return code;
    struct ms_buf *value = NULL;
    struct ms_info loaded = {0};
    code = b->ops->load(b, name, offset, size, &value, info ? &loaded : NULL, err);
    ms_assert(code != 0 || value);
    uint64_t got = code == 0 ? ms_buf_size(value) : 0;
    if (code == 0 && got > size)
        code = ms_error_set(err, MS_ERR_INTERNAL,
                            "%s: the driver gave %llu bytes of %s where %llu were wanted", b->url,
                            (unsigned long long)got, MS_SHOW(name), (unsigned long long)size);
    code = ms_call_end(&call, code, code ? 0 : got, err);
    if (code) {
        ms_buf_unref(value);
        return code;
    }
    *out = value;
    if (info)
        *info = loaded;
    return 0;
}

int ms_backend_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                     const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_STORE, name, err);
    if (code == 0)
        code = ms_call_check_pre(b, pre, &pre, err);
    if (code)
        return code;
    struct ms_tag stored = {0};
    code = b->ops->store(b, name, value, pre, &stored, err);
    code = ms_call_end(&call, code, code ? 0 : ms_buf_size(value), err);
    if (code == 0 && tag)
        *tag = stored;
    return code;
}

int ms_backend_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_DELETE, name, err);
    return code ? code : ms_call_end(&call, b->ops->remove(b, name, err), 0, err);
}

/* ---- calls with two names or more ---- */

int ms_backend_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                    const struct ms_precondition *pre, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_MOVE, from, err);
    if (code == 0)
        code = ms_call_check_name(b, to, err);
    if (code)
        return code;
    if (!pre)
        pre = &always;
    if (pre->kind != MS_ALWAYS && pre->kind != MS_IF_ABSENT)
        return ms_error_set(err, MS_ERR_INVALID,
                            "%s: a move knows no precondition but that nothing is there", b->url);
    if (pre->kind == MS_IF_ABSENT && !(b->flags & MS_CAP_MOVE_IF_ABSENT))
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s cannot move on the condition that nothing is there", b->url);
    return ms_call_end(&call, b->ops->move(b, from, to, pre, err), 0, err);
}

int ms_backend_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                       struct ms_view to, const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_DEFRAG, to, err);
    if (code == 0)
        code = ms_call_check_pre(b, pre, &pre, err);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = ms_call_check_name(b, parts[i].name, err);
    if (code)
        return code;
    code = b->ops->compose ? b->ops->compose(b, parts, count, to, pre, err)
                           : ms_fallback_compose(b, parts, count, to, pre, err);
    return ms_call_end(&call, code, 0, err);
}

int ms_backend_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                    const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_COPY, from, err);
    if (code == 0)
        code = ms_call_check_name(b, to, err);
    if (code == 0)
        code = ms_call_check_pre(b, pre, &pre, err);
    if (code)
        return code;
    code = b->ops->copy ? b->ops->copy(b, from, to, pre, err)
                        : ms_fallback_copy(b, from, to, pre, err);
    return ms_call_end(&call, code, 0, err);
}

/* ---- the rest ---- */

int ms_backend_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err)
{
    struct ms_call call;
    int code = begin(&call, b, MS_VERB_HASH, name, err);
    if (code)
        return code;
    code = b->ops->hash ? b->ops->hash(b, name, algorithm, hex, hex_size, err)
                        : ms_fallback_hash(b, name, algorithm, hex, hex_size, err);
    return ms_call_end(&call, code, 0, err);
}

int ms_backend_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                     struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_OTHER, err);
    if (code)
        return code;
    uint64_t total = UINT64_MAX, left = UINT64_MAX;
    if (b->ops->usage)
        code = ms_call_end(&call, b->ops->usage(b, &total, &left, err), 0, err);
    if (code)
        return code;
    *total_bytes = total;
    *free_bytes = left;
    return 0;
}

int ms_backend_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    struct ms_call call;
    int code = ms_call_begin(&call, b, MS_VERB_OTHER, err);
    if (code)
        return code;
    uint64_t count = 0;
    if (b->ops->sweep)
        code = ms_call_end(&call, b->ops->sweep(b, age_ns, &count, err), 0, err);
    if (code == 0 && removed)
        *removed = count;
    return code;
}
