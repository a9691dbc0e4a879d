/* Gates and requests: see conn.h. The gate's mutex guards its list; it lives until it is closed and
 * no request refers to it any more. */
#include "backends/sftp/gate.h"

#include <stdlib.h>

#define SLICE_NS UINT64_C(50000000) /* how often a cancellation is looked for */

struct ms_sftp_gate {
    struct ms_mutex mutex;
    struct ms_cond cond;
    struct ms_sftp_request *first, *last; /* ended, not yet taken */
    size_t outstanding;                   /* given in, not yet taken */
    size_t refs;                          /* the owner, and each request under way */
    bool closed;
};

struct ms_sftp_gate *ms_sftp_gate_new(void)
{
    struct ms_sftp_gate *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    ms_mutex_init(&g->mutex);
    ms_cond_init(&g->cond);
    g->refs = 1;
    return g;
}

static void put(struct ms_sftp_gate *g)
{
    ms_mutex_lock(&g->mutex);
    bool last = --g->refs == 0;
    ms_mutex_unlock(&g->mutex);
    if (!last)
        return;
    ms_cond_fini(&g->cond);
    ms_mutex_fini(&g->mutex);
    free(g);
}

void ms_sftp_gate_empty(struct ms_sftp_gate *g,
                        void (*drop)(void *arg, const struct ms_sftp_request *r), void *arg)
{
    if (!g)
        return;
    ms_mutex_lock(&g->mutex);
    g->closed = true;
    struct ms_sftp_request *r = g->first;
    g->first = g->last = NULL;
    ms_mutex_unlock(&g->mutex);
    while (r) {
        struct ms_sftp_request *next = r->next;
        if (drop)
            drop(arg, r);
        ms_sftp_request_free(r);
        r = next;
    }
}

void ms_sftp_gate_close(struct ms_sftp_gate *g)
{
    ms_sftp_gate_empty(g, NULL, NULL);
    if (g)
        put(g);
}

size_t ms_sftp_gate_outstanding(const struct ms_sftp_gate *g)
{
    return g->outstanding;
}

void ms_sftp_gate_enter(struct ms_sftp_gate *g)
{
    MS_HOLD(&g->mutex);
    g->refs++;
    g->outstanding++;
}

void ms_sftp_gate_leave(struct ms_sftp_gate *g)
{
    g->outstanding--;
    put(g);
}

bool ms_sftp_gate_end(struct ms_sftp_request *r)
{
    struct ms_sftp_gate *g = r->gate;
    if (!g)
        return false;
    r->gate = NULL;
    r->next = NULL;
    bool taken = false;
    {
        MS_HOLD(&g->mutex);
        if (!g->closed) {
            taken = true;
            if (g->last)
                g->last->next = r;
            else
                g->first = r;
            g->last = r;
            ms_cond_signal(&g->cond);
        }
    }
    put(g);
    return taken;
}

int ms_sftp_gate_next(struct ms_sftp_gate *g, struct ms_sftp_request **out, struct ms_error *err)
{
    if (g->outstanding == 0) {
        *out = NULL;
        return 0;
    }
    struct ms_clock *clock = ms_clock_real();
    MS_HOLD(&g->mutex);
    while (!g->first) {
        int code = ms_check_cancelled(err);
        if (code)
            return code;
        if (ms_cancel_current())
            ms_cond_wait_until(&g->cond, &g->mutex, clock, ms_clock_now(clock) + SLICE_NS);
        else
            ms_cond_wait(&g->cond, &g->mutex);
    }
    struct ms_sftp_request *r = g->first;
    g->first = r->next;
    if (!g->first)
        g->last = NULL;
    r->next = NULL;
    g->outstanding--;
    *out = r;
    return 0;
}

void ms_sftp_request_free(struct ms_sftp_request *r)
{
    if (!r)
        return;
    free(r->packet);
    free(r->answer);
    free(r);
}
