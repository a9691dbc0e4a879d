/* tests/support/emulated.h - a memory backend behind an emulator, created and open. */
#ifndef SUPPORT_EMULATED_H
#define SUPPORT_EMULATED_H

#include <mstore/emulator.h>

struct emulated {
    struct ms_backend *outer; /* the emulator */
    struct ms_backend *inner; /* owned by it: to look behind the curtain */
};

/* Returns 0 or the code of what failed. Usable inside a simulation. */
static inline int emulated_open(struct emulated *m, const struct ms_emulation *e,
                                struct ms_clock *clock, struct ms_error *err)
{
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    int rc = ms_backend_make("memory:", &env, &m->inner, err);
    if (rc == 0) {
        rc = ms_emulator_new(m->inner, e, &m->outer, err);
        if (rc < 0)
            ms_backend_free(m->inner);
    }
    if (rc < 0)
        return rc;
    rc = ms_backend_create(m->outer, err);
    if (rc == 0)
        rc = ms_backend_open(m->outer, err);
    if (rc < 0)
        ms_backend_free(m->outer);
    return rc;
}

static inline void emulated_close(struct emulated *m)
{
    ms_backend_free(m->outer);
}

/* Stores `size` bytes of value `fill`. */
static inline int emulated_put(struct ms_backend *b, const char *name, size_t size, uint8_t fill,
                               struct ms_error *err)
{
    struct ms_buf *value = ms_buf_new(size);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a test's value");
    memset(ms_buf_data(value), fill, size);
    int rc = ms_backend_store(b, ms_str(name), value, NULL, NULL, err);
    ms_buf_unref(value);
    return rc;
}

/* Loads all of it; *size (may be NULL) gets how much there was. */
static inline int emulated_get(struct ms_backend *b, const char *name, size_t *size,
                               struct ms_error *err)
{
    struct ms_buf *value = NULL;
    int rc = ms_backend_load(b, ms_str(name), 0, MS_SIZE_TO_END, &value, NULL, err);
    if (rc == 0 && size)
        *size = ms_buf_size(value);
    ms_buf_unref(value);
    return rc;
}

#endif
