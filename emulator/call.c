/* emulator/call.c - one call's way through the emulator: counted, judged, delayed.
 *
 * A call takes at least latency + volume / bandwidth from its beginning; the inner backend's own
 * time counts towards that, so the wait comes after the work. A call that fails pays its latency
 * too: the answer that says so travels as well.
 */
#include "emulator/emulator.h"

#include "base/text.h"

static int gone_error(struct ms_emulator *em, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONNECTION, "%s: the emulated storage is gone", em->base.url);
}

int ms_emulator_check_gone(struct ms_emulator *em, struct ms_error *err)
{
    return atomic_load(&em->gone) ? gone_error(em, err) : 0;
}

int ms_emulator_wait(struct ms_emulator *em, enum ms_verb verb, uint64_t begin_ns,
                     uint64_t latency_ns, uint64_t up_bytes, uint64_t down_bytes,
                     struct ms_error *err)
{
    uint64_t waited_from = ms_clock_now(em->base.clock), end = begin_ns;
    int rc = ms_line_send(em, &em->up, begin_ns, up_bytes, &end, err);
    if (rc == 0)
        rc = ms_line_send(em, &em->down, end, down_bytes, &end, err);
    if (!ms_add_size(end, latency_ns, &end))
        end = UINT64_MAX - 1;
    if (rc == 0 && end > ms_clock_now(em->base.clock))
        rc = ms_sleep_until(em->base.clock, end, err);
    uint64_t waited = ms_clock_now(em->base.clock) - waited_from;
    if (latency_ns || em->up.bps || em->down.bps)
        ms_backend_count_emulated(&em->base, verb, waited);
    return rc;
}

/* ---- hanging ---- */

static bool enter_hang(struct ms_emulator *em, struct ms_hanging *me)
{
    MS_HOLD(&em->mutex);
    if (em->locked.closed)
        return false;
    me->next = em->locked.hanging;
    em->locked.hanging = me;
    return true;
}

static void leave_hang(struct ms_emulator *em, struct ms_hanging *me)
{
    MS_HOLD(&em->mutex);
    struct ms_hanging **at = &em->locked.hanging;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    ms_cond_broadcast(&em->hung_out);
}

static int hang(struct ms_emulated_call *call, struct ms_error *err)
{
    struct ms_emulator *em = call->emulator;
    struct ms_hanging me = {0};
    struct ms_cancel *outer = ms_cancel_current();
    int rc = ms_cancel_new_under(outer, &me.token, err);
    if (rc < 0)
        return rc;
    if (enter_hang(em, &me)) {
        ms_cancel_swap(me.token);
        while (rc == 0)
            rc = ms_sleep_until(em->base.clock, UINT64_MAX, NULL);
        ms_cancel_swap(outer);
        leave_hang(em, &me);
    }
    ms_cancel_free(me.token);
    const char *verb = ms_verb_name((int)call->verb);
    if (outer && ms_cancel_fired(outer))
        return ms_error_set(err, MS_ERR_CANCELLED, "%s: %s was cancelled while it hung",
                            em->base.url, verb);
    return ms_error_set(err, call->code, "%s: %s hung until the storage was closed", em->base.url,
                        verb);
}

void ms_emulator_end_hangs(struct ms_emulator *em)
{
    MS_HOLD(&em->mutex);
    em->locked.closed = true;
    for (struct ms_hanging *h = em->locked.hanging; h; h = h->next)
        ms_cancel_fire(h->token);
    while (em->locked.hanging)
        ms_cond_wait(&em->hung_out, &em->mutex);
}

void ms_emulator_allow_hangs(struct ms_emulator *em)
{
    MS_HOLD(&em->mutex);
    em->locked.closed = false;
}

/* ---- the way of a call ---- */

static int strike(struct ms_emulated_call *call, struct ms_error *err)
{
    if (call->fate == MS_FATE_HANG)
        return hang(call, err);
    return ms_error_set(err, call->code, "%s: emulated failure of %s %s its effect (call %llu)",
                        call->emulator->base.url, ms_verb_name((int)call->verb),
                        call->after ? "after" : "before", (unsigned long long)call->number);
}

int ms_emulator_before(struct ms_emulated_call *call, struct ms_error *err)
{
    return call->fate != MS_FATE_FINE && !call->after ? strike(call, err) : 0;
}

int ms_emulator_after(struct ms_emulated_call *call, struct ms_error *err)
{
    return call->fate != MS_FATE_FINE && call->after ? strike(call, err) : 0;
}

int ms_emulator_plan(struct ms_emulator *em, enum ms_verb verb, struct ms_emulated_call *call,
                     struct ms_error *err)
{
    *call = (struct ms_emulated_call){
        .emulator = em, .verb = verb, .begin_ns = ms_clock_now(em->base.clock)};
    ms_emulator_decide(em, call);
    const struct ms_emulation *e = &em->settings;
    bool in_gap = call->number >= e->gone_from && call->number < e->gone_until;
    if (!in_gap && !atomic_load(&em->gone))
        return 0;
    int rc = ms_emulator_wait(em, verb, call->begin_ns, call->latency_ns, 0, 0, err);
    return rc < 0 ? rc : gone_error(em, err);
}

int ms_emulator_begin(struct ms_emulator *em, enum ms_verb verb, struct ms_emulated_call *call,
                      struct ms_error *err)
{
    int rc = ms_emulator_plan(em, verb, call, err);
    if (rc < 0 || call->fate == MS_FATE_FINE || call->after)
        return rc;
    rc = ms_emulator_wait(em, verb, call->begin_ns, call->latency_ns, 0, 0, err);
    return rc < 0 ? rc : strike(call, err);
}

int ms_emulator_end(struct ms_emulated_call *call, int code, uint64_t up_bytes, uint64_t down_bytes,
                    struct ms_error *err)
{
    struct ms_emulator *em = call->emulator;
    if (code < 0) {
        /* That failure is what the caller hears of, also when the wait is cut short. */
        int ignored =
            ms_emulator_wait(em, call->verb, call->begin_ns, call->latency_ns, 0, 0, NULL);
        (void)ignored;
        return code;
    }
    int rc = ms_emulator_wait(em, call->verb, call->begin_ns, call->latency_ns, up_bytes,
                              down_bytes, err);
    return rc < 0 ? rc : ms_emulator_after(call, err);
}
