/* mstore/value_acks.c - see mstore/value_store_parts.h. */
#include "mstore/value_store_parts.h"

#include "base/assert.h"
#include "base/text.h"

bool ms_value_full(const struct ms_site *site, unsigned leg)
{
    struct ms_member *m = ms_site_member(site, leg);
    return m && ms_health_full(ms_member_health(m), ms_clock_now(site->roster->clock));
}

bool ms_value_substitute(const struct ms_site *site, const bool taken[], unsigned *leg)
{
    const struct ms_order *order = &site->order;
    const struct ms_layout_member *members = site->roster->layout->members;
    for (unsigned full = 0; full < 2; full++)
        for (unsigned i = 0; i < order->data; i++)
            if (!taken[i] && members[order->member[i]].state == MS_ACTIVE &&
                ms_site_member(site, i) && ms_value_full(site, i) == (full == 1)) {
                *leg = i;
                return true;
            }
    return false;
}

void ms_value_acks_init(struct ms_value_acks *a, const struct ms_site *site,
                        const struct ms_value_shape *shape, const struct ms_value_rule *rule)
{
    memset(a, 0, sizeof *a);
    a->site = site;
    a->shape = shape;
    a->rule = rule;
    a->clock = site->roster->clock;
    a->slots = ms_value_objects(site, shape);
}

static void start(struct ms_value_acks *a, unsigned leg, unsigned slot)
{
    a->slot_of[leg] = slot;
    a->state[leg] = MS_LEG_RUNNING;
    a->start(a, leg, slot == a->slots ? MS_VALUE_MARK : ms_value_is_copy(a->shape) ? 0 : slot);
}

static bool next_substitute(const struct ms_value_acks *a, unsigned *leg)
{
    bool taken[MS_MEMBERS_MAX];
    for (unsigned i = 0; i < a->site->order.data; i++)
        taken[i] = a->state[i] != MS_LEG_IDLE;
    return a->rule->substitutes && ms_value_substitute(a->site, taken, leg);
}

static void substitute(struct ms_value_acks *a, unsigned slot)
{
    unsigned leg;
    if (next_substitute(a, &leg))
        start(a, leg, slot);
}

/* Who is known to be away will most likely lack its object: that is noted beside the puts, not
 * behind them, which would be a round trip of each store for as long as a member is dead. Should it
 * get its object after all, heal finds nothing to do. */
static void note_early(struct ms_value_acks *a, unsigned targets)
{
    const struct ms_order *order = &a->site->order;
    struct ms_value_place missing[MS_MEMBERS_MAX];
    uint16_t keepers[MS_MEMBERS_MAX];
    size_t count = 0, keeping = 0;
    for (unsigned i = 0; i < targets; i++) {
        struct ms_member *m = ms_site_member(a->site, i);
        a->noted[i] = m && ms_health_away(ms_member_health(m));
        if (a->noted[i])
            missing[count++] = (struct ms_value_place){
                .member = order->member[i], .shard = (uint8_t)(ms_value_is_copy(a->shape) ? 0 : i)};
        else if (m)
            keepers[keeping++] = order->member[i];
    }
    if (count && keeping)
        a->early = ms_value_hint_begin(a->site, a->shape, missing, count, keepers, keeping);
    if (!a->early)
        memset(a->noted, 0, sizeof a->noted);
}

void ms_value_acks_start(struct ms_value_acks *a)
{
    const struct ms_order *order = &a->site->order;
    unsigned targets = a->slots < order->targets ? a->slots : order->targets;
    bool waiting[MS_MEMBERS_MAX] = {0};
    if (a->rule->hints)
        note_early(a, targets);
    for (unsigned i = 0; i < targets; i++)
        if (a->rule->substitutes && ms_value_full(a->site, i))
            waiting[i] = true; /* it may still be the best that is left */
        else
            start(a, i, i);
    for (unsigned i = 0; i < targets; i++)
        if (waiting[i])
            substitute(a, i);
    for (unsigned i = 0; i < a->rule->witnesses && i < order->witnesses; i++)
        start(a, order->data + i, a->slots);
}

void ms_value_acks_take(struct ms_value_acks *a, unsigned leg)
{
    unsigned slot = a->slot_of[leg];
    if (ms_fan_code(a->fan, leg) == 0) {
        a->state[leg] = MS_LEG_DONE;
        a->marks += slot == a->slots;
        if (slot < a->slots && !a->filled[slot]) {
            a->filled[slot] = true;
            a->placed++;
        }
        return;
    }
    a->state[leg] = MS_LEG_FAILED;
    ms_value_blame(&a->blame, ms_fan_error(a->fan, leg));
    if (slot < a->slots && !a->filled[slot] && !a->doubled[leg] && !ms_check_cancelled(NULL))
        substitute(a, slot);
}

bool ms_value_acks_enough(const struct ms_value_acks *a)
{
    unsigned shards = a->rule->need_shards ? a->rule->need_shards : 0;
    return a->placed + a->marks >= a->rule->need && a->placed >= shards;
}

/* How long after the beginning those that are still at it are waited for. */
static uint64_t grace_ns(const struct ms_value_acks *a)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < a->site->order.data + a->site->order.witnesses; i++) {
        struct ms_member *m = ms_site_member(a->site, i);
        uint64_t grace = m && a->state[i] == MS_LEG_RUNNING
                             ? ms_health_grace_ns(ms_member_health(m), a->bytes)
                             : 0;
        longest = grace > longest ? grace : longest;
    }
    return longest;
}

/* Not enough in time: further members for those that are late. False: there are none. */
static bool double_late_ones(struct ms_value_acks *a)
{
    bool any = false;
    for (unsigned i = 0; i < a->site->order.data; i++) {
        unsigned leg;
        if (a->state[i] != MS_LEG_RUNNING || a->doubled[i] || a->filled[a->slot_of[i]] ||
            !next_substitute(a, &leg))
            continue;
        a->doubled[i] = true;
        start(a, leg, a->slot_of[i]);
        any = true;
    }
    return any;
}

void ms_value_acks_wait(struct ms_value_acks *a)
{
    unsigned leg;
    unsigned witnesses = a->rule->witnesses < a->site->order.witnesses ? a->rule->witnesses
                                                                       : a->site->order.witnesses;
    uint64_t begun = ms_clock_now(a->clock);
    bool overdue = false, nobody_else = false;
    while (ms_fan_running(a->fan) && (a->placed < a->slots || a->marks < witnesses) &&
           !(overdue && ms_value_acks_enough(a))) {
        uint64_t deadline = nobody_else ? UINT64_MAX : begun + grace_ns(a);
        if (ms_fan_next(a->fan, a->clock, deadline, &leg)) {
            ms_value_acks_take(a, leg);
            continue;
        }
        overdue = true;
        if (!ms_value_acks_enough(a))
            ms_site_count(a->site, MS_EVENT_QUORUM_WAIT);
        nobody_else = ms_value_acks_enough(a) || !double_late_ones(a);
        begun = ms_clock_now(a->clock);
    }
}

/* What the targets lack as far as is known; keepers: members that have something. */
static unsigned count_missing(const struct ms_value_acks *a, struct ms_value_place missing[],
                              uint16_t keepers[], size_t *keeper_count)
{
    const struct ms_order *order = &a->site->order;
    unsigned count = 0;
    *keeper_count = 0;
    for (unsigned i = 0; i < order->data + order->witnesses; i++) {
        if (a->state[i] == MS_LEG_DONE)
            keepers[(*keeper_count)++] = order->member[i];
        else if (i < order->targets && i < a->slots && !a->noted[i])
            missing[count++] = (struct ms_value_place){
                .member = order->member[i], .shard = (uint8_t)(ms_value_is_copy(a->shape) ? 0 : i)};
    }
    return count;
}

static int too_few(const struct ms_value_acks *a, struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    ms_value_shown(a->site, shown);
    if (ms_check_cancelled(NULL))
        return ms_error_set(err, MS_ERR_CANCELLED, "cancelled");
    int code = a->blame.code ? a->blame.code : MS_ERR_CONFIG;
    return ms_error_set(err, code, "%s could not be stored: %u of %u needed members have it%s%s",
                        shown, a->placed + a->marks, a->rule->need, a->blame.text[0] ? ": " : "",
                        a->blame.text);
}

int ms_value_acks_end(struct ms_value_acks *a, struct ms_value_result *result, struct ms_error *err)
{
    struct ms_value_place missing[MS_MEMBERS_MAX];
    uint16_t keepers[MS_MEMBERS_MAX];
    size_t keeper_count;
    unsigned count = count_missing(a, missing, keepers, &keeper_count), lacking = count;
    for (unsigned i = 0; i < a->site->order.targets; i++)
        lacking += a->noted[i] && a->state[i] != MS_LEG_DONE;
    if (result)
        *result = (struct ms_value_result){a->placed + a->marks, a->placed, lacking, false};
    if (!ms_value_acks_enough(a))
        return too_few(a, err);
    if (count && a->rule->hints)
        ms_value_hint(a->site, a->shape, missing, count, keepers, keeper_count);
    ms_value_hint_end(a->site, a->early);
    a->early = NULL;
    return 0;
}

void ms_value_acks_fini(struct ms_value_acks *a)
{
    ms_fan_release(a->early);
}
