/* emulator/verbs.c - the slots that begin and end in one call, and the emulator's table.
 *
 * Every one is the same walk: begin, the inner backend, end. What a caller gets out (buffers, tags)
 * is handed over only when the end agrees.
 */
#include "emulator/emulator.h"

#include "backends/fallback.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

#define MANY_IN_FLIGHT 64 /* calls worth having in flight when each waits for its latency */

/* Wraps `call_inner`, which carries no payload. */
#define WALK(b, verb, err, call_inner)                                                             \
    ({                                                                                             \
        struct ms_emulated_call call_;                                                             \
        int rc_ = ms_emulator_begin(ms_emulator_of(b), (verb), &call_, (err));                     \
        if (rc_ == 0)                                                                              \
            rc_ = ms_emulator_end(&call_, (call_inner), 0, 0, (err));                              \
        rc_;                                                                                       \
    })

static struct ms_backend *inner_of(struct ms_backend *b)
{
    return ms_emulator_of(b)->inner;
}

/* ---- life: neither delayed nor numbered; they only notice when the storage is gone ---- */

static int emulated_create(struct ms_backend *b, struct ms_error *err)
{
    int rc = ms_emulator_check_gone(ms_emulator_of(b), err);
    return rc < 0 ? rc : ms_backend_create(inner_of(b), err);
}

static int emulated_destroy(struct ms_backend *b, struct ms_error *err)
{
    int rc = ms_emulator_check_gone(ms_emulator_of(b), err);
    return rc < 0 ? rc : ms_backend_destroy(inner_of(b), err);
}

static int emulated_open(struct ms_backend *b, struct ms_error *err)
{
    int rc = ms_emulator_check_gone(ms_emulator_of(b), err);
    if (rc == 0)
        rc = ms_backend_open(inner_of(b), err);
    b->no_place = inner_of(b)->no_place;
    if (rc == 0)
        ms_emulator_allow_hangs(ms_emulator_of(b));
    return rc;
}

static int emulated_close(struct ms_backend *b, struct ms_error *err)
{
    ms_emulator_end_hangs(ms_emulator_of(b));
    return ms_backend_close(inner_of(b), err);
}

static void emulated_free(struct ms_backend *b)
{
    struct ms_emulator *em = ms_emulator_of(b);
    ms_backend_free(em->inner);
    ms_cond_fini(&em->hung_out);
    ms_mutex_fini(&em->mutex);
    free(em->locked.faults);
    free(em);
}

static void emulated_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    struct ms_emulator *em = ms_emulator_of(b);
    ms_backend_capabilities(em->inner, out);
    /* Latency is what calls in flight hide. */
    if (em->settings.latency_ns && out->best_parallelism < MANY_IN_FLIGHT)
        out->best_parallelism = MANY_IN_FLIGHT;
}

/* ---- calls without payload ---- */

static int emulated_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return WALK(b, MS_VERB_MKDIR, err, ms_backend_mkdir(inner_of(b), name, err));
}

static int emulated_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return WALK(b, MS_VERB_RMDIR, err, ms_backend_rmdir(inner_of(b), name, err));
}

static int emulated_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                         struct ms_error *err)
{
    struct ms_info info = {0};
    int rc = WALK(b, MS_VERB_INFO, err, ms_backend_info(inner_of(b), name, &info, err));
    if (rc == 0)
        *out = info;
    return rc;
}

static int emulated_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return WALK(b, MS_VERB_DELETE, err, ms_backend_delete(inner_of(b), name, err));
}

/* One call where the inner storage makes one of it, else as many as there are names. */
static int emulated_delete_many(struct ms_backend *b, struct ms_deletion *const *items,
                                size_t count, struct ms_error *err)
{
    if (!(inner_of(b)->flags & MS_CAP_DELETE_MANY))
        return ms_fallback_remove_many(b, items, count, err);
    MS_AUTO_FREE struct ms_deletion *copy = calloc(count, sizeof(*copy));
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to delete %zu values", count);
    for (size_t i = 0; i < count; i++)
        copy[i].name = items[i]->name;
    int rc = WALK(b, MS_VERB_DELETE, err, ms_backend_delete_many(inner_of(b), copy, count, err));
    for (size_t i = 0; i < count && rc == 0; i++)
        items[i]->result = copy[i].result;
    return rc;
}

static int emulated_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                         const struct ms_precondition *pre, struct ms_error *err)
{
    return WALK(b, MS_VERB_MOVE, err, ms_backend_move(inner_of(b), from, to, pre, err));
}

static int emulated_hash(struct ms_backend *b, struct ms_view name, const char *algorithm,
                         char *hex, size_t hex_size, struct ms_error *err)
{
    return WALK(b, MS_VERB_HASH, err,
                ms_backend_hash(inner_of(b), name, algorithm, hex, hex_size, err));
}

static int emulated_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                            struct ms_view to, const struct ms_precondition *pre,
                            struct ms_error *err)
{
    return WALK(b, MS_VERB_DEFRAG, err,
                ms_backend_compose(inner_of(b), parts, count, to, pre, err));
}

static int emulated_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                         const struct ms_precondition *pre, struct ms_error *err)
{
    return WALK(b, MS_VERB_COPY, err, ms_backend_copy(inner_of(b), from, to, pre, err));
}

static int emulated_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                          struct ms_error *err)
{
    uint64_t total = UINT64_MAX, left = UINT64_MAX;
    int rc = WALK(b, MS_VERB_OTHER, err, ms_backend_usage(inner_of(b), &total, &left, err));
    if (rc == 0) {
        *total_bytes = total;
        *free_bytes = left;
    }
    return rc;
}

static int emulated_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed,
                          struct ms_error *err)
{
    uint64_t count = 0;
    int rc = WALK(b, MS_VERB_OTHER, err, ms_backend_sweep(inner_of(b), age_ns, &count, err));
    if (rc == 0)
        *removed = count;
    return rc;
}

/* ---- load and store ---- */

/* A copy of *value with one bit flipped, in its place. */
static int flip_value(struct ms_emulated_call *call, struct ms_buf **value, struct ms_error *err)
{
    struct ms_buf *copy = ms_buf_copy(ms_buf_view(*value));
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a loaded value",
                            call->emulator->base.url);
    ms_emulator_flip(call, ms_buf_data(copy), ms_buf_size(copy));
    ms_buf_unref(*value);
    *value = copy;
    return 0;
}

static int emulated_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                         struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = NULL;
    struct ms_info loaded = {0};
    struct ms_emulated_call call;
    int rc = ms_emulator_begin(ms_emulator_of(b), MS_VERB_LOAD, &call, err);
    if (rc < 0)
        return rc;
    rc = ms_backend_load(inner_of(b), name, offset, size, &value, info ? &loaded : NULL, err);
    if (rc == 0 && call.flip && ms_buf_size(value) > 0)
        rc = flip_value(&call, &value, err);
    rc = ms_emulator_end(&call, rc, 0, rc == 0 ? ms_buf_size(value) : 0, err);
    if (rc < 0)
        return rc;
    if (info)
        *info = loaded;
    *out = MS_TAKE(value);
    return 0;
}

struct ms_buf *ms_emulator_torn_prefix(struct ms_emulated_call *call, struct ms_buf *value)
{
    struct ms_view whole = ms_buf_view(value);
    return ms_buf_copy(ms_view(whole.data, ms_random_below(&call->random, whole.size)));
}

int ms_emulator_torn_error(struct ms_emulated_call *call, struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_IO, "%s: emulated torn write of %s (call %llu)",
                        call->emulator->base.url, MS_SHOW(name), (unsigned long long)call->number);
}

static int store_torn(struct ms_emulated_call *call, struct ms_view name, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *prefix = ms_emulator_torn_prefix(call, value);
    if (!prefix)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a torn value",
                            call->emulator->base.url);
    int rc = ms_backend_store(call->emulator->inner, name, prefix, pre, NULL, err);
    return rc < 0 ? rc : ms_emulator_torn_error(call, name, err);
}

static int emulated_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                          const struct ms_precondition *pre, struct ms_tag *tag,
                          struct ms_error *err)
{
    struct ms_tag stored = {0};
    struct ms_emulated_call call;
    int rc = ms_emulator_begin(ms_emulator_of(b), MS_VERB_STORE, &call, err);
    if (rc < 0)
        return rc;
    if (call.torn && ms_buf_size(value) > 0)
        rc = store_torn(&call, name, value, pre, err);
    else
        rc = ms_backend_store(inner_of(b), name, value, pre, &stored, err);
    rc = ms_emulator_end(&call, rc, ms_buf_size(value), 0, err);
    if (rc == 0)
        *tag = stored;
    return rc;
}

const struct ms_backend_ops ms_emulator_ops = {
    .create = emulated_create,
    .destroy = emulated_destroy,
    .open = emulated_open,
    .close = emulated_close,
    .free = emulated_free,
    .capabilities = emulated_capabilities,
    .mkdir = emulated_mkdir,
    .rmdir = emulated_rmdir,
    .info = emulated_info,
    .load = emulated_load,
    .store = emulated_store,
    .remove = emulated_delete,
    .move = emulated_move,
    .list = ms_emulator_list,
    .write = ms_emulator_write,
    .read = ms_emulator_read,
    .batch = ms_emulator_batch,
    .hash = emulated_hash,
    .compose = emulated_compose,
    .copy = emulated_copy,
    .usage = emulated_usage,
    .sweep = emulated_sweep,
    .remove_many = emulated_delete_many,
};
