/* mstore/plain_call.c - an operation on the mirrors of a key: whom it concerns, what its legs use.
 */
#include "mstore/plain_parts.h"

#include "base/text.h"
#include "mstore/lease.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ms_plain_call_free(void *call)
{
    struct ms_plain_call *c = call;
    for (unsigned i = 0; c->answers && i < c->count; i++)
        ms_buf_unref(c->answers[i].loaded);
    ms_buf_unref(c->key);
    ms_buf_unref(c->new_key);
    ms_buf_unref(c->value);
    ms_roster_unref(c->roster);
    free(c->answers);
    free(c->member);
    free(c);
}

static uint64_t expected(const struct ms_roster *r, unsigned index)
{
    return ms_health_expected_ns(ms_member_health(r->members[index]), 65536);
}

/* By expected time; insertion, since they are few and almost sorted. */
static void fastest_first(struct ms_plain_call *c, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        for (unsigned j = i; j > 0; j--) {
            uint16_t a = c->member[j - 1], b = c->member[j];
            if (expected(c->roster, a) <= expected(c->roster, b))
                break;
            c->member[j - 1] = b;
            c->member[j] = a;
        }
}

bool ms_plain_is_doubted(const struct ms_plain_call *c, unsigned leg)
{
    return ms_member_returning(c->roster->members[c->member[leg]]);
}

/* Those that have missed something last; the others stay in their order. */
static void doubted_last(struct ms_plain_call *c)
{
    uint16_t doubted[MS_MEMBERS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < c->count; i++)
        if (ms_plain_is_doubted(c, i))
            doubted[count++] = c->member[i];
        else {
            c->homes += i < c->targets;
            c->member[c->believed++] = c->member[i];
        }
    if (count)
        memcpy(c->member + c->believed, doubted, count * sizeof *doubted);
}

bool ms_plain_may_come_late(int code)
{
    switch (code) {
    case MS_ERR_NO_STORE: /* it said that it did not do it, or was not asked */
    case MS_ERR_UNTRUSTED:
    case MS_ERR_CONFIG:
    case MS_ERR_NO_SPACE:
    case MS_ERR_QUOTA:
    case MS_ERR_ACCESS:
    case MS_ERR_NAME:
    case MS_ERR_TOO_LARGE:
    case MS_ERR_UNSUPPORTED:
    case MS_ERR_NOT_FOUND:
    case MS_ERR_EXISTS:
        return false;
    default:
        return code != 0;
    }
}

static void choose_members(struct ms_plain_call *c, const struct ms_site *site)
{
    for (unsigned i = 0; i < site->order.data; i++) {
        unsigned index = site->order.member[i];
        if (!c->roster->mirrors[index])
            continue;
        c->member[c->count++] = (uint16_t)index;
        if (i < site->order.targets)
            c->targets = c->count;
    }
}

int ms_plain_call_new(const struct ms_site *site, struct ms_item_ref item, bool for_reading,
                      struct ms_plain_call **out, struct ms_error *err)
{
    int code = ms_lease_trust(site->roster, MS_NEWS_AWAY, err);
    if (code)
        return code;
    struct ms_plain_call *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a call on several members");
    c->roster = ms_roster_ref(site->roster);
    c->key = ms_buf_copy(item.key);
    c->deleted = item.deleted;
    c->member = calloc(site->order.data + 1u, sizeof *c->member);
    c->answers = calloc(site->order.data + 1u, sizeof *c->answers);
    if (!c->key || !c->member || !c->answers) {
        ms_plain_call_free(c);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a call on several members");
    }
    choose_members(c, site);
    if (for_reading) {
        fastest_first(c, c->targets);
        doubted_last(c);
    }
    *out = c;
    return 0;
}

static int run_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_plain_call *c = shared;
    return c->fn(c, c->roster->mirrors[c->member[leg]], &c->answers[leg], err);
}

int ms_plain_fan(struct ms_plain_call *c, struct ms_fan **out, struct ms_error *err)
{
    int code = ms_fan_new(c->count, run_leg, ms_plain_call_free, c, out, err);
    if (code)
        ms_plain_call_free(c);
    return code;
}

int ms_plain_failed(struct ms_fan *fan, unsigned count, const struct ms_error *more,
                    struct ms_error *err, const char *fmt, ...)
{
    char text[sizeof((struct ms_error *)0)->text];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    int first = 0;
    for (unsigned leg = 0; leg < count + (more != NULL); leg++) {
        const struct ms_error *why = leg < count ? ms_fan_error(fan, leg) : more;
        int code = leg < count ? ms_fan_code(fan, leg) : more->code;
        if (!code || code == MS_ERR_NOT_FOUND)
            continue;
        if (size >= 0 && (size_t)size < sizeof text)
            size += snprintf(text + size, sizeof text - (size_t)size, "%s%s", first ? "; " : ": ",
                             why->text);
        first = first ? first : code;
    }
    return ms_error_set(err, first ? first : MS_ERR_IO, "%s", text);
}
