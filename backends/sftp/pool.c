/* The connections of one backend: made when wanted, replaced when lost. `mutex` guards the slots.
 */
#include "backends/sftp/sftp.h"

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

int ms_sftp_pool_get(struct ms_sftp *s, unsigned slot, struct ms_sftp_conn **out,
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
