/* A connection as its callers see it: see conn.h; io.c has its thread. */
#include "backends/sftp/state.h"

#include "base/assert.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

const struct ms_sftp_features *ms_sftp_conn_features(const struct ms_sftp_conn *c)
{
    return &c->features;
}

int ms_sftp_send(struct ms_sftp_conn *c, struct ms_sftp_gate *g, struct ms_sftp_out *packet,
                 const struct ms_sftp_request *extra, struct ms_error *err)
{
    struct ms_sftp_request *r = ms_sftp_out_finish(packet, 0) ? calloc(1, sizeof *r) : NULL;
    if (!r) {
        ms_sftp_out_fini(packet);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a request");
    }
    if (extra)
        *r = (struct ms_sftp_request){.offset = extra->offset,
                                      .wanted = extra->wanted,
                                      .lane = extra->lane,
                                      .opens = extra->opens,
                                      .slow = extra->slow};
    r->gate = g;
    r->packet = packet->data;
    r->size = packet->size;
    *packet = (struct ms_sftp_out){0};
    if (g)
        ms_sftp_gate_enter(g);
    bool wake;
    {
        MS_HOLD(&c->mutex);
        if (c->state == DEAD) {
            if (g)
                ms_sftp_gate_leave(g);
            ms_sftp_request_free(r);
            return ms_error_set(err, c->err.code, "%s", c->err.text);
        }
        wake = !c->first;
        if (c->last)
            c->last->next = r;
        else
            c->first = r;
        c->last = r;
    }
    if (wake)
        (void)eventfd_write(c->wire.wake, 1);
    return 0;
}

/* ---- life ---- */

/* Signals are for the program's own threads. */
static int start(struct ms_sftp_conn *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&c->thread, NULL, ms_sftp_conn_run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

int ms_sftp_conn_new(const struct ms_sftp_options *options, struct ms_backend *b,
                     struct ms_sftp_conn **out, struct ms_error *err)
{
    struct ms_sftp_conn *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a connection to %s",
                            options->host);
    c->options = options;
    c->backend = b;
    c->refs = 2; /* the caller's and the thread's */
    ms_mutex_init(&c->mutex);
    ms_cond_init(&c->changed);
    c->scratch = malloc(SCRATCH_BYTES);
    c->unwidened = SIZE_MAX / 2; /* widened at once */
    c->wire = (struct ms_sftp_wire){.options = options,
                                    .counter = &c->counter,
                                    .wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                                    .stop = &c->stop,
                                    .mutex = &c->mutex};
    int failed = !c->scratch ? ENOMEM : c->wire.wake < 0 ? errno : start(c);
    if (failed) {
        c->refs = 1;
        ms_sftp_conn_unref(c);
        return ms_error_errno(err, failed, "cannot start a connection to %s", options->host);
    }
    *out = c;
    return 0;
}

struct ms_sftp_conn *ms_sftp_conn_ref(struct ms_sftp_conn *c)
{
    MS_HOLD(&c->mutex);
    c->refs++;
    return c;
}

void ms_sftp_conn_unref(struct ms_sftp_conn *c)
{
    if (!c)
        return;
    ms_mutex_lock(&c->mutex);
    bool last = --c->refs == 0;
    ms_mutex_unlock(&c->mutex);
    if (!last)
        return;
    if (c->wire.wake >= 0)
        close(c->wire.wake);
    free(c->scratch);
    free(c->body);
    free(c->greeting);
    ms_cond_fini(&c->changed);
    ms_mutex_fini(&c->mutex);
    free(c);
}

int ms_sftp_conn_ready(struct ms_sftp_conn *c, struct ms_error *err)
{
    struct ms_clock *clock = ms_clock_real();
    MS_HOLD(&c->mutex);
    while (c->state == CONNECTING) {
        int code = ms_check_cancelled(err);
        if (code)
            return code;
        ms_cond_wait_until(&c->changed, &c->mutex, clock, ms_clock_now(clock) + SECOND / 20);
    }
    if (c->state == DEAD)
        return ms_error_set(err, c->err.code, "%s", c->err.text);
    return 0;
}

bool ms_sftp_conn_dead(struct ms_sftp_conn *c)
{
    MS_HOLD(&c->mutex);
    return c->state == DEAD;
}

bool ms_sftp_conn_users(struct ms_sftp_conn *c, unsigned *users)
{
    MS_HOLD(&c->mutex);
    if (c->state != READY)
        return false;
    *users = c->refs - 2; /* the pool's and the thread's */
    return true;
}

bool ms_sftp_conn_usable(struct ms_sftp_conn *c)
{
    unsigned users;
    return ms_sftp_conn_users(c, &users);
}

int ms_sftp_conn_error(struct ms_sftp_conn *c, struct ms_error *err)
{
    MS_HOLD(&c->mutex);
    ms_assert(c->state == DEAD);
    return ms_error_set(err, c->err.code, "%s", c->err.text);
}

void ms_sftp_conn_stop(struct ms_sftp_conn *c)
{
    {
        MS_HOLD(&c->mutex);
        c->stop = true;
    }
    (void)eventfd_write(c->wire.wake, 1);
    pthread_join(c->thread, NULL);
}
