/* The connections of one backend: made when wanted, replaced when lost. `mutex` guards the slots.
 */
#include "backends/sftp/sftp.h"

#define AGAIN_NS UINT64_C(1000000000) /* between lost connections made anew beside others */

/* The slot's connection, a new one when it has none or lost it. The mutex is held. */
static int fill_slot(struct ms_sftp *s, unsigned slot, struct ms_sftp_conn **lost,
                     struct ms_error *err)
{
    struct ms_sftp_conn *c = s->slots[slot];
    if (c && !ms_sftp_conn_dead(c))
        return 0;
    struct ms_sftp_conn *fresh;
    int code = ms_sftp_conn_new(&s->options, &s->base, &fresh, err);
    if (code)
        return code;
    *lost = c;
    s->slots[slot] = fresh;
    return 0;
}

static void bury(struct ms_sftp_conn *c)
{
    if (!c)
        return;
    ms_sftp_conn_stop(c);
    ms_sftp_conn_unref(c);
}

/* The slot of the ready connection with the fewest users, or -1. *other: one without a connection,
 * or, when it is time to look after those, with one that was lost; or -1. The mutex is held. */
static int least_used(struct ms_sftp *s, unsigned *users, int *other)
{
    bool time = ms_clock_now(ms_clock_real()) >= s->again_ns;
    int best = -1;
    *other = -1;
    for (unsigned i = 0; i < s->connections; i++) {
        struct ms_sftp_conn *c = s->slots[i];
        unsigned n = 0;
        bool usable = c && ms_sftp_conn_users(c, &n);
        if (*other < 0 && (!c || (!usable && time && ms_sftp_conn_dead(c))))
            *other = (int)i;
        if (!usable || (best >= 0 && n >= *users))
            continue;
        best = (int)i;
        *users = n;
    }
    return best;
}

/* One that is ready, or NULL. When all are at work already a further one is made beside. */
static struct ms_sftp_conn *get_ready(struct ms_sftp *s)
{
    struct ms_sftp_conn *lost = NULL, *c = NULL;
    {
        MS_HOLD(&s->mutex);
        unsigned users = 0;
        int other, slot = least_used(s, &users, &other);
        if (slot >= 0)
            c = ms_sftp_conn_ref(s->slots[slot]);
        if (slot >= 0 && users && other >= 0) {
            if (s->slots[other])
                s->again_ns = ms_clock_now(ms_clock_real()) + AGAIN_NS;
            (void)fill_slot(s, (unsigned)other, &lost, NULL);
        }
    }
    bury(lost);
    return c;
}

/* The slot's connection, once it is ready. */
static int get_slot(struct ms_sftp *s, unsigned slot, struct ms_sftp_conn **out,
                    struct ms_error *err)
{
    struct ms_sftp_conn *lost = NULL, *c = NULL;
    int code;
    {
        MS_HOLD(&s->mutex);
        code = fill_slot(s, slot, &lost, err);
        if (!code)
            c = ms_sftp_conn_ref(s->slots[slot]);
    }
    bury(lost);
    if (code)
        return code;
    code = ms_sftp_conn_ready(c, err);
    if (code) {
        ms_sftp_conn_unref(c);
        return code;
    }
    *out = c;
    return 0;
}

int ms_sftp_pool_get(struct ms_sftp *s, struct ms_sftp_conn **out, struct ms_error *err)
{
    struct ms_sftp_conn *c = get_ready(s);
    if (!c)
        return get_slot(s, atomic_fetch_add(&s->turn, 1) % s->connections, out, err);
    *out = c;
    return 0;
}

struct ms_sftp_conn *ms_sftp_pool_peek(struct ms_sftp *s, unsigned slot)
{
    MS_HOLD(&s->mutex);
    struct ms_sftp_conn *c = s->slots[slot];
    if (!c) /* one that was lost is left to those who can wait */
        (void)ms_sftp_conn_new(&s->options, &s->base, &s->slots[slot], NULL);
    return c && ms_sftp_conn_usable(c) ? ms_sftp_conn_ref(c) : NULL;
}

void ms_sftp_pool_warm(struct ms_sftp *s)
{
    for (unsigned i = 0; s->connections > 1 && i < s->connections; i++)
        ms_sftp_conn_unref(ms_sftp_pool_peek(s, i));
}

void ms_sftp_pool_close(struct ms_sftp *s)
{
    for (unsigned i = 0; i < MS_SFTP_CONNECTIONS_MAX; i++) {
        struct ms_sftp_conn *c;
        {
            MS_HOLD(&s->mutex);
            c = s->slots[i];
            s->slots[i] = NULL;
        }
        bury(c);
    }
}
