/* emulator/stream.c - listings and readers: latency once at the beginning, bandwidth per block.
 *
 * Each is one numbered call, of the verb list or load; its fault strikes at the beginning. While
 * the storage is gone every step of it fails.
 */
#include "emulator/emulator.h"

#include "base/assert.h"

#include <stdlib.h>

/* ---- listing ---- */

struct emulated_lister {
    struct ms_lister base;
    struct ms_emulator *emulator;
    struct ms_lister *inner;
};

static int lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    struct emulated_lister *lister = (struct emulated_lister *)l;
    int rc = ms_emulator_check_gone(lister->emulator, err);
    return rc < 0 ? rc : ms_lister_next(lister->inner, out, err);
}

static void lister_close(struct ms_lister *l)
{
    struct emulated_lister *lister = (struct emulated_lister *)l;
    ms_lister_close(lister->inner);
    free(lister);
}

static const struct ms_lister_ops lister_ops = {.next = lister_next, .close = lister_close};

int ms_emulator_list(struct ms_backend *b, struct ms_view name,
                     const struct ms_list_request *request, struct ms_lister **out,
                     struct ms_error *err)
{
    struct ms_emulator *em = ms_emulator_of(b);
    struct ms_emulated_call call;
    int rc = ms_emulator_begin(em, MS_VERB_LIST, &call, err);
    if (rc < 0)
        return rc;
    struct emulated_lister *lister = calloc(1, sizeof *lister);
    if (!lister)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a listing", b->url);
    lister->base = (struct ms_lister){&lister_ops, b};
    lister->emulator = em;
    rc = ms_backend_list(em->inner, name, request, &lister->inner, err);
    rc = ms_emulator_end(&call, rc, 0, 0, err);
    if (rc < 0) {
        ms_lister_close(lister->inner);
        free(lister);
        return rc;
    }
    *out = &lister->base;
    return 0;
}

/* ---- reader ---- */

struct emulated_reader {
    struct ms_reader base;
    struct ms_emulated_call call;
    struct ms_reader *inner;
    atomic_bool flip; /* the next block gets a flipped bit */
};

static int reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    struct emulated_reader *reader = (struct emulated_reader *)r;
    struct ms_emulator *em = reader->call.emulator;
    uint64_t begin_ns = ms_clock_now(em->base.clock);
    size_t got = 0;
    int rc = ms_emulator_check_gone(em, err);
    if (rc == 0)
        rc = ms_reader_read(reader->inner, offset, into, size, &got, err);
    if (rc < 0)
        return rc;
    ms_assert(got == size); /* the wrapper has cut it to the end of the value */
    if (size > 0 && atomic_exchange(&reader->flip, false))
        ms_emulator_flip(&reader->call, into, size);
    return ms_emulator_wait(em, MS_VERB_LOAD, begin_ns, 0, 0, size, err);
}

static void reader_close(struct ms_reader *r)
{
    struct emulated_reader *reader = (struct emulated_reader *)r;
    ms_reader_close(reader->inner);
    free(reader);
}

static const struct ms_reader_ops reader_ops = {.read = reader_read, .close = reader_close};

int ms_emulator_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                     struct ms_error *err)
{
    struct ms_emulator *em = ms_emulator_of(b);
    struct ms_emulated_call call;
    int rc = ms_emulator_begin(em, MS_VERB_LOAD, &call, err);
    if (rc < 0)
        return rc;
    struct emulated_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a reader", b->url);
    rc = ms_backend_read(em->inner, name, &reader->inner, err);
    rc = ms_emulator_end(&call, rc, 0, 0, err);
    if (rc < 0) {
        ms_reader_close(reader->inner);
        free(reader);
        return rc;
    }
    reader->call = call;
    atomic_init(&reader->flip, call.flip);
    reader->base = (struct ms_reader){&reader_ops, b, *ms_reader_info(reader->inner)};
    *out = &reader->base;
    return 0;
}
