/* emulator/chance.c - what befalls a call: its latency and its fault, drawn from its number.
 *
 * Each call has a generator of its own, seeded by the emulator's seed and the call's number among
 * all calls. So the n-th call meets the same fate in every run with the same order of calls,
 * whatever the calls before it drew.
 */
#include "emulator/emulator.h"

#include <math.h>

static double normal(struct ms_random *random)
{
    double u = 1.0 - ms_random_unit(random); /* (0, 1]: the logarithm is finite */
    double v = ms_random_unit(random);
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

uint64_t ms_emulator_latency(const struct ms_emulation *e, struct ms_random *random)
{
    if (e->jitter_ns == 0)
        return e->latency_ns;
    double jitter = (double)e->jitter_ns, added = 0;
    switch (e->distribution) {
    case MS_UNIFORM:
        added = jitter * (2.0 * ms_random_unit(random) - 1.0);
        break;
    case MS_NORMAL:
        added = jitter * normal(random);
        break;
    case MS_EXPONENTIAL:
        added = -jitter * log(1.0 - ms_random_unit(random));
        break;
    }
    double ns = (double)e->latency_ns + added;
    return ns <= 0 ? 0 : (uint64_t)ns;
}

/* Whether this fault strikes this call. Every fault counts, also when another strikes first. */
static bool strikes_locked(struct ms_planned *planned, struct ms_emulated_call *call)
{
    const struct ms_fault *f = &planned->fault;
    if (f->verb != MS_VERB_COUNT && f->verb != (int)call->verb)
        return false;
    planned->seen++;
    if (f->kind == MS_FAULT_RATE)
        return ms_random_unit(&call->random) < f->rate;
    return planned->seen == f->nth;
}

static void decide_fault_locked(struct ms_emulator *em, struct ms_emulated_call *call)
{
    for (size_t i = 0; i < em->locked.fault_count; i++) {
        const struct ms_fault *f = &em->locked.faults[i].fault;
        if (!strikes_locked(&em->locked.faults[i], call) || call->fate != MS_FATE_FINE)
            continue;
        call->fate = f->kind == MS_FAULT_HANG ? MS_FATE_HANG : MS_FATE_FAIL;
        call->after = f->after;
        call->code = f->code ? f->code : MS_ERR_CONNECTION;
    }
}

void ms_emulator_decide(struct ms_emulator *em, struct ms_emulated_call *call)
{
    {
        MS_HOLD(&em->mutex);
        em->locked.calls[call->verb]++;
        call->number = ++em->locked.calls[MS_VERB_COUNT];
        ms_random_seed(&call->random, em->seed ^ (call->number * UINT64_C(0xd1342543de82ef95)));
        decide_fault_locked(em, call);
    }
    const struct ms_emulation *e = &em->settings;
    call->torn = ms_random_unit(&call->random) < e->torn_rate;
    call->flip = ms_random_unit(&call->random) < e->flip_rate;
    call->latency_ns = ms_emulator_latency(e, &call->random);
}

void ms_emulator_flip(struct ms_emulated_call *call, uint8_t *bytes, size_t size)
{
    uint64_t bit = ms_random_below(&call->random, (uint64_t)size * 8);
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}
