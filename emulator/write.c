/* emulator/write.c - writers and batches: latency once at the beginning, bandwidth per block.
 *
 * A writer is one numbered call of the verb store. Its fault strikes at the commit, before or after
 * the value becomes visible; a torn one commits a prefix that ends inside its first block. In a
 * batch every store is a call of its own (a torn one puts a prefix into the batch) and the commit
 * is a call of the verb other.
 */
#include "emulator/emulator.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

/* ---- writer ---- */

struct emulated_writer {
    struct ms_writer base;
    struct ms_emulated_call call;
    struct ms_writer *inner;
    bool tearing; /* the rest of the value is lost */
    char name[MS_SHOW_SIZE];
};

/* Cuts the first block of a torn value. */
static struct ms_view tear(struct emulated_writer *writer, struct ms_view bytes)
{
    if (writer->tearing)
        return ms_view(bytes.data, 0);
    if (!writer->call.torn || bytes.size == 0)
        return bytes;
    writer->tearing = true;
    return ms_view(bytes.data, ms_random_below(&writer->call.random, bytes.size));
}

static int writer_append(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct emulated_writer *writer = (struct emulated_writer *)w;
    struct ms_emulator *em = writer->call.emulator;
    uint64_t begin_ns = ms_clock_now(em->base.clock);
    int rc = ms_emulator_check_gone(em, err);
    if (rc == 0)
        rc = ms_writer_append(writer->inner, tear(writer, bytes), err);
    if (rc < 0)
        return rc;
    return ms_emulator_wait(em, MS_VERB_STORE, begin_ns, 0, bytes.size, 0, err);
}

static int writer_commit(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct emulated_writer *writer = (struct emulated_writer *)w;
    struct ms_tag stored = {0};
    int rc = ms_emulator_check_gone(writer->call.emulator, err);
    if (rc == 0)
        rc = ms_emulator_before(&writer->call, err);
    if (rc < 0)
        ms_writer_abort(writer->inner);
    else
        rc = ms_writer_commit(writer->inner, &stored, err);
    if (rc == 0 && writer->tearing)
        rc = ms_emulator_torn_error(&writer->call, ms_str(writer->name), err);
    if (rc == 0)
        rc = ms_emulator_after(&writer->call, err);
    if (rc == 0)
        *tag = stored;
    free(writer);
    return rc;
}

static void writer_abort(struct ms_writer *w)
{
    struct emulated_writer *writer = (struct emulated_writer *)w;
    ms_writer_abort(writer->inner);
    free(writer);
}

static const struct ms_writer_ops writer_ops = {
    .append = writer_append, .commit = writer_commit, .abort = writer_abort};

int ms_emulator_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_writer **out,
                      struct ms_error *err)
{
    struct ms_emulator *em = ms_emulator_of(b);
    struct ms_emulated_call call;
    int rc = ms_emulator_plan(em, MS_VERB_STORE, &call, err);
    if (rc < 0)
        return rc;
    MS_AUTO_FREE struct emulated_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a writer", b->url);
    rc = ms_backend_write(em->inner, name, size_hint, pre, &writer->inner, err);
    if (rc < 0)
        return ms_emulator_end(&call, rc, 0, 0, err);
    rc = ms_emulator_wait(em, MS_VERB_STORE, call.begin_ns, call.latency_ns, 0, 0, err);
    if (rc < 0) {
        ms_writer_abort(writer->inner);
        return rc;
    }
    writer->base = (struct ms_writer){.ops = &writer_ops, .backend = b};
    writer->call = call;
    ms_show(writer->name, sizeof writer->name, name);
    *out = &MS_TAKE(writer)->base;
    return 0;
}

/* ---- batch ---- */

struct emulated_batch {
    struct ms_batch base;
    struct ms_emulator *emulator;
    struct ms_batch *inner;
};

static int batch_store_torn(struct emulated_batch *batch, struct ms_emulated_call *call,
                            struct ms_view name, struct ms_buf *value,
                            const struct ms_precondition *pre, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *prefix = ms_emulator_torn_prefix(call, value);
    if (!prefix)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a torn value",
                            batch->emulator->base.url);
    int rc = ms_batch_store(batch->inner, name, prefix, pre, err);
    return rc < 0 ? rc : ms_emulator_torn_error(call, name, err);
}

static int batch_store(struct ms_batch *b, struct ms_view name, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct emulated_batch *batch = (struct emulated_batch *)b;
    struct ms_emulated_call call;
    int rc = ms_emulator_begin(batch->emulator, MS_VERB_STORE, &call, err);
    if (rc < 0)
        return rc;
    if (call.torn && ms_buf_size(value) > 0)
        rc = batch_store_torn(batch, &call, name, value, pre, err);
    else
        rc = ms_batch_store(batch->inner, name, value, pre, err);
    return ms_emulator_end(&call, rc, ms_buf_size(value), 0, err);
}

static int batch_commit(struct ms_batch *b, struct ms_error *err)
{
    struct emulated_batch *batch = (struct emulated_batch *)b;
    struct ms_emulated_call call;
    int rc = ms_emulator_begin(batch->emulator, MS_VERB_OTHER, &call, err);
    if (rc < 0)
        ms_batch_abort(batch->inner);
    else
        rc = ms_emulator_end(&call, ms_batch_commit(batch->inner, err), 0, 0, err);
    free(batch);
    return rc;
}

static void batch_abort(struct ms_batch *b)
{
    struct emulated_batch *batch = (struct emulated_batch *)b;
    ms_batch_abort(batch->inner);
    free(batch);
}

static const struct ms_batch_ops batch_ops = {
    .store = batch_store, .commit = batch_commit, .abort = batch_abort};

int ms_emulator_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err)
{
    struct ms_emulator *em = ms_emulator_of(b);
    int rc = ms_emulator_check_gone(em, err);
    if (rc < 0)
        return rc;
    struct emulated_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a batch", b->url);
    rc = ms_backend_batch(em->inner, &batch->inner, err);
    if (rc < 0) {
        free(batch);
        return rc;
    }
    batch->base = (struct ms_batch){&batch_ops, b};
    batch->emulator = em;
    *out = &batch->base;
    return 0;
}
