/* mstore/no_backend.c - see mstore/no_backend.h. Only what may be called on a closed backend is
 * ever called: the rest of the table stays empty. */
#include "mstore/no_backend.h"

#include <stdio.h>
#include <stdlib.h>

struct none {
    struct ms_backend base;
    struct ms_error why;
};

static int refuse(struct ms_backend *b, struct ms_error *err)
{
    const struct ms_error *why = ms_no_backend_why(b);
    return ms_error_set(err, why->code, "%s", why->text);
}

static int none_open(struct ms_backend *b, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONNECTION, "%s", ms_no_backend_why(b)->text);
}

static void none_free(struct ms_backend *b)
{
    free(b);
}

/* What keeps no value from being meant for it. */
static void none_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    (void)b;
    *out = (struct ms_capabilities){.flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_LIST_AFTER_WRITE,
                                    .durability = MS_DURABLE_FULL,
                                    .best_parallelism = 1};
}

static const struct ms_backend_ops none_ops = {
    .create = refuse,
    .destroy = refuse,
    .open = none_open,
    .free = none_free,
    .capabilities = none_capabilities,
};

int ms_no_backend_new(const char *url, struct ms_clock *clock, const struct ms_error *why,
                      struct ms_backend **out, struct ms_error *err)
{
    struct none *n = calloc(1, sizeof *n);
    if (!n)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %s", url);
    n->base.ops = &none_ops;
    n->base.clock = clock;
    snprintf(n->base.url, sizeof n->base.url, "%s", url);
    n->why = *why;
    *out = &n->base;
    return 0;
}

const struct ms_error *ms_no_backend_why(const struct ms_backend *b)
{
    return b->ops == &none_ops ? &((const struct none *)b)->why : NULL;
}
