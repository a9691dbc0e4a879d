/* The I/O thread of a connection: sends what is queued, takes answers apart as far as whose they
 * are, watches the time. The only one that enters libssh. */
#include "backends/sftp/state.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"

#include <stdlib.h>

#define OTHER_MAX   ((size_t)256 << 10) /* bytes of an answer that is neither names nor data */
#define COMPLAINTS  64                  /* pieces of them taken in a row */
#define WINDOW_STEP ((size_t)2 << 20)   /* received since the window was last widened */
#define SMALL_READ  ((size_t)512 << 10)
#define IDLE_NS     (30 * SECOND)
#define LINGER_NS   (2 * SECOND)
#define SLOW_FACTOR 20 /* for a request that is marked slow */
#define PACE_LOOKS  10 /* within a time-out */

/* ---- answers ---- */

/* An abandoned OPEN or OPENDIR has left a handle on the server. */
static void drop(struct ms_sftp_conn *c, struct ms_sftp_request *r)
{
    struct ms_sftp_answer a;
    if (r->opens && r->code == 0 && ms_sftp_parse(ms_view(r->answer, r->answer_size), &a) &&
        a.type == MS_FXP_HANDLE) {
        struct ms_sftp_out o;
        ms_sftp_out_begin(&o, MS_FXP_CLOSE, 4 + a.text.size);
        ms_sftp_put_string(&o, a.text);
        (void)ms_sftp_send(c, NULL, &o, NULL, NULL);
    }
    ms_sftp_request_free(r);
}

/* The time-out begins anew: an answer has come, or there is something to wait for now. */
static void start_waiting(struct ms_sftp_conn *c)
{
    c->heard_ns = ms_clock_now(ms_clock_real());
    c->pace.begun = false;
}

static void end(struct ms_sftp_conn *c, struct ms_sftp_request *r)
{
    if (!ms_sftp_gate_end(r))
        drop(c, r);
}

/* A whole packet has come in. */
static int dispatch(struct ms_sftp_conn *c, struct ms_error *err)
{
    uint8_t *body = c->body;
    size_t size = c->body_size;
    c->body = NULL;
    c->head_size = 0;
    start_waiting(c);
    if (c->outstanding == 0 && !c->greeting) { /* connecting: there is one question at a time */
        c->greeting = body;
        c->greeting_size = size;
        return 0;
    }
    struct ms_sftp_in in = ms_sftp_in(ms_view(body, size));
    (void)ms_sftp_get_u8(&in);
    uint32_t id = ms_sftp_get_u32(&in);
    struct ms_sftp_request *r = c->sent[id & (SLOTS - 1)];
    if (in.bad || !r || r->id != id || r == c->sending) { /* that one is not even sent wholly */
        free(body);
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s answers a request that was never made",
                            c->wire.where);
    }
    c->sent[id & (SLOTS - 1)] = NULL;
    c->outstanding--;
    r->answer = body;
    r->answer_size = size;
    end(c, r);
    return 0;
}

static int check_size(struct ms_sftp_conn *c, struct ms_error *err)
{
    struct ms_sftp_in in = ms_sftp_in(ms_view(c->head, 4));
    c->body_size = ms_sftp_get_u32(&in);
    if (c->body_size >= 5 && c->body_size <= MS_SFTP_ANSWER_MAX)
        return 0;
    return ms_error_set(err, MS_ERR_PROTOCOL,
                        "%s does not speak SFTP: a packet of %zu bytes came in", c->wire.where,
                        c->body_size);
}

/* What the packet may hold: names as many as there are, data as much as was asked for. */
static size_t most_bytes(const struct ms_sftp_conn *c)
{
    struct ms_sftp_in in = ms_sftp_in(ms_view(c->head + 4, 5));
    uint8_t type = ms_sftp_get_u8(&in);
    uint32_t id = ms_sftp_get_u32(&in);
    const struct ms_sftp_request *r = c->sent[id & (SLOTS - 1)];
    if (type == MS_FXP_NAME)
        return MS_SFTP_ANSWER_MAX;
    return type == MS_FXP_DATA && r && r->id == id && r->wanted ? 9 + r->wanted : OTHER_MAX;
}

static int begin_body(struct ms_sftp_conn *c, struct ms_error *err)
{
    if (c->body_size > most_bytes(c))
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s sends more than it was asked for: an answer of %zu bytes",
                            c->wire.where, c->body_size);
    c->body = malloc(c->body_size);
    if (!c->body) /* what the answer would have told is found out on another connection */
        return ms_error_set(err, MS_ERR_CONNECTION,
                            "the connection to %s was given up: no memory for an answer",
                            c->wire.where);
    memcpy(c->body, c->head + 4, 5);
    c->body_got = 5;
    return 0;
}

static int ingest(struct ms_sftp_conn *c, const uint8_t *bytes, size_t size, struct ms_error *err)
{
    while (size) {
        int code = 0;
        if (c->head_size < sizeof c->head) {
            c->head[c->head_size++] = *bytes++;
            size--;
            if (c->head_size == 4)
                code = check_size(c, err);
            else if (c->head_size == sizeof c->head)
                code = begin_body(c, err);
        } else {
            ms_assert(c->body);
            size_t n = c->body_size - c->body_got;
            if (n > size)
                n = size;
            memcpy(c->body + c->body_got, bytes, n);
            c->body_got += n;
            bytes += n;
            size -= n;
        }
        if (!code && c->body && c->body_got == c->body_size)
            code = dispatch(c, err);
        if (code)
            return code;
    }
    return 0;
}

/* Whether more could be written than before. */
static bool can_write_more(struct ms_sftp_conn *c, uint32_t window, int flags)
{
    return ssh_channel_window_size(c->wire.channel) > window ||
           (flags & ~ssh_get_poll_flags(c->wire.session) & SSH_WRITE_PENDING);
}

/* Takes what has come in. That may also be room to write into. */
static int drain(struct ms_sftp_conn *c, bool *progress, struct ms_error *err)
{
    ssh_channel channel = c->wire.channel;
    uint32_t window = ssh_channel_window_size(channel);
    int flags = ssh_get_poll_flags(c->wire.session);
    for (int i = 0; i < COMPLAINTS && ssh_channel_poll(channel, 1) > 0; i++) /* they are not kept */
        if (ssh_channel_read_nonblocking(channel, c->scratch, SMALL_READ, 1) <= 0)
            break;
    for (;;) {
        bool widen = c->unwidened >= WINDOW_STEP;
        int n = ssh_channel_read_timeout(channel, c->scratch,
                                         (uint32_t)(widen ? SCRATCH_BYTES : SMALL_READ), 0, 0);
        if (n == SSH_ERROR)
            return ms_sftp_wire_error(&c->wire, "the connection broke", err);
        if (n <= 0)
            break;
        c->unwidened = widen ? 0 : c->unwidened + (size_t)n;
        *progress = true;
        int code = ingest(c, c->scratch, (size_t)n, err);
        if (code)
            return code;
    }
    *progress |= can_write_more(c, window, flags);
    if (ssh_channel_is_eof(channel) || ssh_channel_is_closed(channel))
        return ms_error_set(err, MS_ERR_CONNECTION, "%s closed the connection", c->wire.where);
    return 0;
}

/* ---- requests ---- */

/* The next request of the queue, with an id; NULL: none may be sent now. */
static struct ms_sftp_request *next_request(struct ms_sftp_conn *c)
{
    if (c->outstanding >= SLOTS / 2)
        return NULL;
    struct ms_sftp_request *r;
    {
        MS_HOLD(&c->mutex);
        r = c->first;
        if (!r)
            return NULL;
        c->first = r->next;
        if (!c->first)
            c->last = NULL;
    }
    while (c->sent[c->next_id & (SLOTS - 1)])
        c->next_id++;
    r->next = NULL;
    r->id = c->next_id++;
    struct ms_sftp_out o = {r->packet, r->size, r->size, false};
    (void)ms_sftp_out_finish(&o, r->id);
    r->sent = true;
    if (c->outstanding++ == 0)
        start_waiting(c);
    c->sent[r->id & (SLOTS - 1)] = r;
    return r;
}

/* Writes as much as the channel takes; what is written is added to *done. */
static int write_some(struct ms_sftp_conn *c, const uint8_t *bytes, size_t size, size_t *done,
                      bool *progress, struct ms_error *err)
{
    uint32_t window = ssh_channel_window_size(c->wire.channel);
    if (size > window)
        size = window;
    if (size == 0 || ssh_get_poll_flags(c->wire.session) & SSH_WRITE_PENDING)
        return 0;
    int n = ssh_channel_write(c->wire.channel, bytes, (uint32_t)size);
    if (n == SSH_ERROR)
        return ms_sftp_wire_error(&c->wire, "the connection broke", err);
    *progress |= n > 0;
    *done += n > 0 ? (size_t)n : 0;
    return 0;
}

/* Gathers small packets until one is large or the room is full. */
static void gather(struct ms_sftp_conn *c)
{
    while (!c->sending && TOGETHER_BYTES - c->together_size >= 1024) {
        struct ms_sftp_request *r = next_request(c);
        if (!r)
            return;
        if (r->size > TOGETHER_BYTES - c->together_size) {
            c->sending = r;
            return;
        }
        memcpy(c->together + c->together_size, r->packet, r->size);
        c->together_size += r->size;
        free(r->packet);
        r->packet = NULL;
    }
}

/* Sends what is queued, as far as the line takes it. */
static int feed(struct ms_sftp_conn *c, bool *progress, struct ms_error *err)
{
    for (;;) {
        gather(c);
        size_t before = c->together_sent + (c->sending ? c->sending->written : 0);
        int code = 0;
        if (c->together_sent < c->together_size)
            code =
                write_some(c, c->together + c->together_sent, c->together_size - c->together_sent,
                           &c->together_sent, progress, err);
        else if (c->sending)
            code = write_some(c, c->sending->packet + c->sending->written,
                              c->sending->size - c->sending->written, &c->sending->written,
                              progress, err);
        size_t after = c->together_sent + (c->sending ? c->sending->written : 0);
        if (code || after == before)
            return code;
        if (c->together_sent == c->together_size)
            c->together_sent = c->together_size = 0;
        if (c->sending && c->sending->written == c->sending->size) {
            free(c->sending->packet);
            c->sending->packet = NULL;
            c->sending = NULL;
        }
    }
}

/* ---- the I/O thread ---- */

static bool queue_empty(struct ms_sftp_conn *c)
{
    MS_HOLD(&c->mutex);
    return !c->first;
}

static bool stopping(struct ms_sftp_conn *c)
{
    MS_HOLD(&c->mutex);
    return c->stop;
}

/* Sends one packet while connecting and waits for the answer, which is c->greeting then. */
static int ask(struct ms_sftp_conn *c, struct ms_sftp_out *o, struct ms_error *err)
{
    uint64_t deadline = ms_clock_now(ms_clock_real()) + c->options->timeout_s * SECOND;
    size_t sent = 0;
    int code = 0;
    free(c->greeting);
    c->greeting = NULL;
    while (!code && !c->greeting) {
        bool progress = false;
        if (sent < o->size)
            code = write_some(c, o->data + sent, o->size - sent, &sent, &progress, err);
        if (!code)
            code = drain(c, &progress, err);
        if (!code && !c->greeting && !progress)
            code = ms_sftp_wire_wait(&c->wire, deadline, err);
    }
    ms_sftp_out_fini(o);
    return code;
}

static int no_memory(struct ms_sftp_conn *c, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a connection to %s", c->wire.where);
}

/* INIT and VERSION, whose second field is the version where others have an id; then the limits. */
static int greet(struct ms_sftp_conn *c, struct ms_error *err)
{
    struct ms_sftp_out o;
    struct ms_sftp_answer a;
    ms_sftp_out_begin(&o, MS_FXP_INIT, 0);
    if (!ms_sftp_out_finish(&o, 3))
        return no_memory(c, err);
    int code = ask(c, &o, err);
    if (code)
        return code;
    if (!ms_sftp_parse_version(ms_view(c->greeting, c->greeting_size), &c->features))
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s does not speak SFTP", c->wire.where);
    if (c->features.version < 3)
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s speaks version %u of SFTP; 3 is needed",
                            c->wire.where, c->features.version);
    if (c->options->no_extensions)
        c->features = (struct ms_sftp_features){
            .version = 3, .max_read = c->features.max_read, .max_write = c->features.max_write};
    ms_sftp_apply_quirks(ssh_get_serverbanner(c->wire.session), &c->features);
    if (!c->features.limits)
        return 0;
    ms_sftp_out_begin(&o, MS_FXP_EXTENDED, 32);
    ms_sftp_put_string(&o, ms_str("limits@openssh.com"));
    if (!ms_sftp_out_finish(&o, 0))
        return no_memory(c, err);
    code = ask(c, &o, err);
    if (code)
        return code;
    if (!ms_sftp_parse(ms_view(c->greeting, c->greeting_size), &a) ||
        (a.type == MS_FXP_EXTENDED_REPLY && !ms_sftp_parse_limits(a.rest, &c->features)))
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s sent a damaged answer", c->wire.where);
    return 0;
}

/* Nothing said for long: asks for something, so that the line stays open, or its end is noticed. */
static void keep_alive(struct ms_sftp_conn *c)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_REALPATH, 8);
    ms_sftp_put_string(&o, ms_str("."));
    (void)ms_sftp_send(c, NULL, &o, NULL, NULL);
}

/* Whether the request whose turn it is may take long: servers answer in order, so a write that
 * waits before a sync is no reason for patience. */
static bool at_slow_request(struct ms_sftp_conn *c)
{
    const struct ms_sftp_request *r = NULL;
    while (c->oldest_id != c->next_id && !r) {
        r = c->sent[c->oldest_id & (SLOTS - 1)];
        if (r && r->id != c->oldest_id)
            r = NULL;
        c->oldest_id += !r;
    }
    return r && r->slow;
}

/* Neither an answer nor bytes of one, nor such of a request that reached the other side. */
static bool silent(struct ms_sftp_conn *c, uint64_t now, uint64_t patience)
{
    int64_t moved = (int64_t)(c->counter.in_bytes + c->counter.out_bytes) -
                    ms_pace_held(ssh_get_fd(c->wire.session));
    return ms_pace_too_slow(&c->pace, now, moved, patience);
}

/* Until when to wait for something to happen, or TIMEOUT. */
static int check_time(struct ms_sftp_conn *c, uint64_t *deadline, struct ms_error *err)
{
    uint64_t now = ms_clock_now(ms_clock_real());
    uint64_t patience = c->options->timeout_s * SECOND * (at_slow_request(c) ? SLOW_FACTOR : 1);
    if (c->outstanding == 0 && now - c->heard_ns >= IDLE_NS)
        keep_alive(c);
    if (c->outstanding && silent(c, now, patience))
        return ms_error_set(err, MS_ERR_TIMEOUT, "%s has not answered for %u s", c->wire.where,
                            (unsigned)(patience / SECOND));
    /* nothing tells when the other side has taken bytes: that is looked at now and then */
    *deadline = c->outstanding ? now + patience / PACE_LOOKS : c->heard_ns + IDLE_NS;
    return 0;
}

/* Moves packets until the connection ends or, told to stop, nothing is left. */
static int serve(struct ms_sftp_conn *c, struct ms_error *err)
{
    uint64_t linger = UINT64_MAX;
    for (;;) {
        bool progress = false;
        int code = feed(c, &progress, err);
        if (!code)
            code = drain(c, &progress, err);
        if (code)
            return code;
        if (progress)
            continue;
        uint64_t deadline = 0, now = ms_clock_now(ms_clock_real());
        code = check_time(c, &deadline, err);
        if (code)
            return code;
        if (stopping(c)) {
            if (linger == UINT64_MAX)
                linger = now + LINGER_NS;
            if (now >= linger || (c->outstanding == 0 && queue_empty(c)))
                return ms_error_set(err, MS_ERR_CONNECTION, "the connection to %s was closed",
                                    c->wire.where);
        }
        struct ms_error ignored;
        code = ms_sftp_wire_wait(&c->wire, deadline < linger ? deadline : linger, &ignored);
        if (code && code != MS_ERR_TIMEOUT && !stopping(c))
            return ms_error_set(err, code, "%s", ignored.text);
    }
}

static void set_state(struct ms_sftp_conn *c, enum state state)
{
    MS_HOLD(&c->mutex);
    c->state = state;
    ms_cond_broadcast(&c->changed);
}

/* Every request still there ends with the connection's error. */
static void fail_all(struct ms_sftp_conn *c, const struct ms_error *why)
{
    struct ms_sftp_request *queue;
    {
        MS_HOLD(&c->mutex);
        c->err = *why;
        c->state = DEAD;
        queue = c->first;
        c->first = c->last = NULL;
        ms_cond_broadcast(&c->changed);
    }
    while (queue) {
        struct ms_sftp_request *r = queue;
        queue = r->next;
        r->code = why->code;
        end(c, r);
    }
    for (size_t i = 0; i < SLOTS; i++)
        if (c->sent[i]) {
            c->sent[i]->code = why->code;
            end(c, c->sent[i]);
            c->sent[i] = NULL;
        }
}

void *ms_sftp_conn_run(void *arg)
{
    struct ms_sftp_conn *c = arg;
    struct ms_error err = {0};
    int code = ms_sftp_wire_open(&c->wire, &err);
    if (!code)
        code = greet(c, &err);
    if (!code) {
        c->heard_ns = ms_clock_now(ms_clock_real());
        set_state(c, READY);
        (void)serve(c, &err);
    }
    ms_log(MS_LOG_DEBUG, "%s", err.text);
    fail_all(c, &err);
    ms_sftp_wire_close(&c->wire);
    ms_sftp_conn_unref(c);
    return NULL;
}
