/* The frame around every call of a driver: state, cancellation, arguments, result, counting.
 *
 * Any thread. The state changes only in calls that have the handle for themselves. */
#include "backends/call.h"

#include "backends/name.h"
#include "base/entity.h"
#include "base/sync.h"
#include "base/text.h"

int ms_call_begin(struct ms_call *call, struct ms_backend *b, enum ms_verb verb,
                  struct ms_error *err)
{
    if (b->state != MS_BACKEND_OPEN)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "%s must be open for %s", b->url,
                            ms_verb_name((int)verb));
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    ms_yield();
    *call = (struct ms_call){b, verb, ms_call_now(b)};
    return 0;
}

int ms_call_result(struct ms_backend *b, enum ms_verb verb, int code, struct ms_error *err)
{
    if (code == 0)
        return 0;
    const char *what = ms_verb_name((int)verb);
    if (code > 0)
        return ms_error_set(err, MS_ERR_INTERNAL, "%s: the driver's %s returned %d", b->url, what,
                            code);
    if (err && err->code != code)
        return ms_error_set(err, code, "%s: %s: %s", b->url, what, ms_code_text(code));
    return code;
}

/* What stands behind another backend is counted there. */
static bool counted(const struct ms_backend *b)
{
    return b->stats && !b->inner;
}

uint64_t ms_call_now(struct ms_backend *b)
{
    return counted(b) ? ms_entity_begin(b->clock) : 0;
}

uint64_t ms_call_since(struct ms_backend *b, uint64_t begin)
{
    uint64_t now = ms_call_now(b);
    /* Of two kinds are moments on either side of the one in which the CPU's counter takes over
     * (base/stats_ticks.h); that one call's time is lost. */
    return (now ^ begin) & 1 || now < begin ? 0 : now - begin;
}

int ms_call_end(struct ms_call *call, int code, uint64_t volume_bytes, struct ms_error *err)
{
    struct ms_backend *b = call->backend;
    code = ms_call_result(b, call->verb, code, err);
    if (counted(b))
        ms_entity_count(b->stats, b->clock, call->verb, call->begin, code, volume_bytes);
    return code;
}

void ms_call_count(struct ms_backend *b, enum ms_verb verb, uint64_t spent, int code,
                   uint64_t volume_bytes)
{
    if (counted(b))
        ms_entity_count(b->stats, b->clock, verb, ms_entity_begin(b->clock) - spent, code,
                        volume_bytes);
}

int ms_call_check_name(const struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return ms_name_check(name, b->name_max_bytes, err);
}

int ms_call_check_pre(const struct ms_backend *b, const struct ms_precondition *pre,
                      const struct ms_precondition **out, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    if (!pre)
        pre = &always;
    if (pre->kind == MS_IF_ABSENT && !(b->flags & MS_CAP_IF_ABSENT))
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s cannot store on the condition that nothing is there", b->url);
    if (pre->kind == MS_IF_TAG && !(b->flags & MS_CAP_IF_TAG))
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s cannot store on the condition that a value is unchanged", b->url);
    if (pre->kind == MS_IF_TAG &&
        (!pre->tag.text[0] || !memchr(pre->tag.text, 0, sizeof pre->tag.text)))
        return ms_error_set(err, MS_ERR_INVALID, "%s: a precondition without a tag", b->url);
    if (pre->kind != MS_ALWAYS && pre->kind != MS_IF_ABSENT && pre->kind != MS_IF_TAG)
        return ms_error_set(err, MS_ERR_INVALID, "%s: precondition %d is unknown", b->url,
                            (int)pre->kind);
    *out = pre;
    return 0;
}

void ms_backend_count_moved(struct ms_backend *b, uint64_t in_bytes, uint64_t out_bytes)
{
    if (b->stats)
        ms_entity_count_moved(b->stats, in_bytes, out_bytes);
}

void ms_backend_count_retry(struct ms_backend *b, enum ms_verb verb)
{
    if (b->stats)
        ms_entity_count_retry(b->stats, verb);
}

void ms_backend_count_emulated(struct ms_backend *b, enum ms_verb verb, uint64_t delay_ns)
{
    if (b->stats)
        ms_entity_count_emulated(b->stats, verb, delay_ns);
}
