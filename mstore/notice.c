/* mstore/notice.c - see mstore/notice.h. */
#include "mstore/notice.h"

#include "base/sync.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ms_notice {
    atomic_uint refs;
    struct ms_mutex mutex; /* held while fn is called, so that `stop` can wait for it */
    ms_notice_fn fn;       /* NULL: nobody wants to know any more */
    void *ctx;
};

int ms_notice_new(ms_notice_fn fn, void *ctx, struct ms_notice **out, struct ms_error *err)
{
    struct ms_notice *n = calloc(1, sizeof *n);
    if (!n)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store of many members");
    atomic_init(&n->refs, 1);
    ms_mutex_init(&n->mutex);
    n->fn = fn;
    n->ctx = ctx;
    *out = n;
    return 0;
}

struct ms_notice *ms_notice_ref(struct ms_notice *n)
{
    if (n)
        atomic_fetch_add(&n->refs, 1);
    return n;
}

void ms_notice_unref(struct ms_notice *n)
{
    if (!n || atomic_fetch_sub(&n->refs, 1) != 1)
        return;
    ms_mutex_fini(&n->mutex);
    free(n);
}

void ms_notice_stop(struct ms_notice *n)
{
    if (!n)
        return;
    MS_HOLD(&n->mutex);
    n->fn = NULL;
}

void ms_notice_waiting(struct ms_notice *n, const char *what, uint64_t waited_ns, uint64_t left_ns)
{
    const struct ms_mstore_wait wait = {.what = what, .waited_ns = waited_ns, .left_ns = left_ns};
    if (!n)
        return;
    MS_HOLD(&n->mutex);
    if (n->fn)
        n->fn(n->ctx, &wait);
}
