/* mstore/plain_change.c - changing what mirrors have: on all targets at once, counted by quorum. */
#include "mstore/digest_check.h"
#include "mstore/lease_parts.h"
#include "mstore/plain_parts.h"

#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdlib.h>

struct changing {
    const struct ms_site *site;
    enum ms_plain_op op;
    const struct ms_site *to;   /* of a rename: the new key */
    struct ms_plain_call *call; /* the fan's */
    struct ms_fan *fan;
    unsigned quorum, started, done, missing, failed;
    unsigned left_out; /* so many would have moved an old item, and were not asked */
    bool home;         /* a target has done it, or has nothing to change */
    bool ended[MS_MEMBERS_MAX];
    bool unseen;      /* nobody can tell whether a member has missed it */
    bool substitutes; /* a failed target's part goes to the next member */
};

/* How long to wait for the rest once enough have done it: as long as is normal; for the first
 * change that a member may miss, as long as it takes to make that known. */
static uint64_t patience_ns(const struct changing *c)
{
    struct ms_roster *r = c->call->roster;
    uint64_t longest = 0, bytes = c->call->value ? ms_buf_size(c->call->value) : 0;
    for (unsigned i = 0; i < c->started; i++) {
        struct ms_member *m = r->members[c->call->member[i]];
        uint64_t grace = c->ended[i] ? 0 : ms_health_grace_ns(ms_member_health(m), bytes);
        if (grace && !ms_member_returning(m) && grace < ms_lease_wait_ns(r->lease))
            grace = ms_lease_wait_ns(r->lease);
        longest = grace > longest ? grace : longest;
    }
    return longest;
}

/* Where all targets have missed the last change nothing tells which of them missed the one before,
 * too: others alone do not make a change count. */
static bool counts(const struct changing *c)
{
    return c->done >= c->quorum && c->home;
}

static void run(struct changing *c, unsigned at_first)
{
    struct ms_roster *r = c->call->roster;
    uint64_t enough_ns = 0, deadline = UINT64_MAX;
    unsigned leg;
    while (c->started < at_first)
        ms_fan_start(c->fan, c->started++);
    while (ms_fan_next(c->fan, r->clock, deadline, &leg)) {
        c->ended[leg] = true;
        int code = ms_fan_code(c->fan, leg);
        c->home |= (!code || code == MS_ERR_NOT_FOUND) &&
                   ms_order_has_target(&c->site->order, c->call->member[leg]);
        *(!code ? &c->done : code == MS_ERR_NOT_FOUND ? &c->missing : &c->failed) += 1;
        if (code && c->substitutes && c->started < c->call->count)
            ms_fan_start(c->fan, c->started++);
        if (counts(c)) {
            enough_ns = enough_ns ? enough_ns : ms_clock_now(r->clock);
            deadline = enough_ns + patience_ns(c);
        }
    }
}

/* So few have not said whether they have the key that none can have it. */
static bool is_nowhere(const struct changing *c)
{
    unsigned silent = c->site->order.data - c->started + c->failed;
    for (unsigned i = 0; i < c->started; i++)
        silent += c->ended[i] && ms_fan_code(c->fan, i) == MS_ERR_NOT_FOUND &&
                  ms_plain_is_doubted(c->call, i);
    return !c->done && c->missing && silent <= ms_plain_may_miss(c->site->order.targets);
}

/* 0, or why it does not count. */
static int result(const struct changing *c, struct ms_item_ref item, const char *what,
                  struct ms_error *err)
{
    int code = ms_check_cancelled(err);
    if (code || counts(c))
        return code;
    if ((!c->failed && !c->done && c->missing) || is_nowhere(c))
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s does not exist", MS_SHOW(item.key));
    if (!c->failed && c->left_out)
        return ms_error_set(err, MS_ERR_CONNECTION,
                            "%s was %s on %u members, %u are needed for it to count, and %u have "
                            "missed changes of it that heal must make up for",
                            MS_SHOW(item.key), what, c->done, c->quorum, c->left_out);
    if (!c->failed)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s cannot be %s: the configuration has the urls of too few members",
                            MS_SHOW(item.key), what);
    code = ms_plain_failed(c->fan, c->started, NULL, err,
                           "%s was %s on %u members, %u are needed for it to count%s",
                           MS_SHOW(item.key), what, c->done, c->quorum,
                           c->home ? "" : ", one of them where it belongs");
    if (code != MS_ERR_EXISTS)
        return code;
    if (!c->done) {
        struct ms_view there = c->call->new_key ? ms_buf_view(c->call->new_key) : item.key;
        return ms_error_set(err, code, "%s already exists", MS_SHOW(there));
    }
    if (err) /* that would say that nothing was changed */
        err->code = MS_ERR_CONFLICT;
    return MS_ERR_CONFLICT;
}

/* ---- what members have missed ---- */

/* Nothing there to change: what had to go is gone, and what was moved need not be at others than
 * targets. */
static bool has_missed(const struct changing *c, unsigned leg)
{
    int code = ms_fan_code(c->fan, leg);
    if (c->ended[leg] && code == MS_ERR_NOT_FOUND)
        return c->op != MS_PLAIN_DELETE &&
               ms_order_has_target(&c->site->order, c->call->member[leg]);
    return !c->ended[leg] || code;
}

/* asked (may be NULL): who was. Who was to be asked and was not has missed it, too. */
static void collect_missed(const struct changing *c, struct ms_plain_missed *out, bool asked[])
{
    const struct ms_order *order = &c->site->order;
    unsigned concerned = c->op == MS_PLAIN_STORE ? order->targets : order->data;
    for (unsigned i = 0; i < concerned; i++)
        out->missed[order->member[i]] = true;
    for (unsigned leg = 0; leg < c->started; leg++) {
        unsigned member = c->call->member[leg];
        out->missed[member] = has_missed(c, leg);
        out->late[member] = !c->ended[leg] || ms_plain_may_come_late(ms_fan_code(c->fan, leg));
        if (asked)
            asked[member] = true;
    }
}

bool ms_plain_is_missed(const struct ms_plain_missed *change)
{
    bool any = false;
    for (size_t i = 0; i < MS_MEMBERS_MAX; i++)
        any |= change->missed[i];
    return any;
}

/* A change that counts, of which it is noted who has missed it. */
static int note_missed(const struct changing *c, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_plain_missed change = {.op = c->op};
    bool asked[MS_MEMBERS_MAX] = {0};
    if (c->unseen)
        return 0;
    collect_missed(c, &change, asked);
    int code = c->op == MS_PLAIN_STORE ? ms_plain_clear(c->site, item, asked, &change, err) : 0;
    if (code || !ms_plain_is_missed(&change))
        return code;
    code = ms_plain_note(c->site, &change, err);
    if (code || !c->to)
        return code;
    change.op = MS_PLAIN_RENAMED_TO;
    return ms_plain_note(c->to, &change, err);
}

static int change(struct changing *c, unsigned at_first, struct ms_item_ref item, const char *what,
                  struct ms_error *err)
{
    int code = ms_plain_fan(c->call, &c->fan, err);
    if (code)
        return code;
    run(c, at_first);
    code = result(c, item, what, err);
    if (!code)
        code = note_missed(c, item, err);
    ms_fan_release(c->fan);
    return code;
}

int ms_plain_no_condition(const struct ms_precondition *pre, struct ms_error *err)
{
    if (pre->kind == MS_ALWAYS)
        return 0;
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "a store on condition of what is there needs agreement among members, "
                        "which namespaces of kind plain do not have");
}

/* ---- the verbs ---- */

static int leg_store(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
                     struct ms_error *err)
{
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    (void)out;
    o.deleted = c->deleted;
    return ms_store_store(mirror, ms_buf_view(c->key), c->value, &o, NULL, err);
}

static int check_digest(const struct ms_site *site, struct ms_item_ref item, struct ms_buf *value,
                        struct ms_error *err)
{
    char hex[MS_SHA256_HEX];
    int code = site->space->verify ? ms_sha256_hex(ms_buf_view(value), hex, err) : 0;
    return code || !site->space->verify ? code
                                        : ms_digest_fits_key(ms_placement_part(item.key), hex, err);
}

int ms_plain_store(const struct ms_site *site, struct ms_item_ref item, struct ms_buf *value,
                   const struct ms_precondition *pre, struct ms_error *err)
{
    struct changing c = {.site = site,
                         .op = MS_PLAIN_STORE,
                         .quorum = ms_plain_quorum(site->order.targets),
                         .substitutes = true};
    int code = ms_plain_no_condition(pre, err);
    if (!code)
        code = check_digest(site, item, value, err);
    if (!code)
        code = ms_plain_call_new(site, item, false, &c.call, err);
    if (code)
        return code;
    c.call->fn = leg_store;
    c.call->value = ms_buf_ref(value);
    if (!c.call->value) {
        ms_plain_call_free(c.call);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a copy of the value");
    }
    return change(&c, c.call->targets, item, "stored", err);
}

static int leg_remove(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
                      struct ms_error *err)
{
    (void)out;
    return ms_store_delete(mirror, ms_buf_view(c->key), c->deleted, err);
}

/* A member that has nothing to change is none too few; where it was a move it has missed it. */
static int change_all(struct changing *c, struct ms_item_ref item, const char *what,
                      struct ms_error *err)
{
    int code = ms_plain_fan(c->call, &c->fan, err);
    if (code)
        return code;
    c->quorum = UINT32_MAX; /* wait for all: who misses it has an old copy */
    run(c, c->call->count);
    c->quorum = ms_plain_quorum(c->site->order.targets);
    if (c->done)
        c->done += c->missing;
    code = result(c, item, what, err);
    if (!code)
        code = note_missed(c, item, err);
    ms_fan_release(c->fan);
    return code;
}

int ms_plain_remove(const struct ms_site *site, struct ms_item_ref item, struct ms_error *err)
{
    struct changing c = {.site = site, .op = MS_PLAIN_DELETE};
    int code = ms_plain_call_new(site, item, false, &c.call, err);
    if (code)
        return code;
    c.call->fn = leg_remove;
    return change_all(&c, item, "deleted", err);
}

static int leg_move(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
                    struct ms_error *err)
{
    (void)out;
    return ms_store_move(mirror, c->how, ms_buf_view(c->key),
                         c->new_key ? ms_buf_view(c->new_key) : ms_view("", 0), c->deleted, err);
}

static bool is_target_doubted(const struct ms_site *site, const struct ms_plain_missed *change)
{
    bool doubted = false;
    for (unsigned i = 0; i < site->order.targets; i++) {
        unsigned member = site->order.member[i];
        struct ms_member *m = site->roster->members[member];
        doubted |= change->missed[member] || (m && ms_member_returning(m));
    }
    return doubted;
}

/* Members that are no targets and were not asked. */
static void keep_others(struct ms_plain_call *call, const bool asked[])
{
    unsigned kept = 0;
    for (unsigned leg = call->targets; leg < call->count; leg++)
        if (!asked[call->member[leg]])
            call->member[kept++] = call->member[leg];
    call->count = kept;
    call->targets = 0;
}

int ms_plain_clear(const struct ms_site *site, struct ms_item_ref item, const bool asked[],
                   struct ms_plain_missed *change, struct ms_error *err)
{
    /* Wait for all: who misses it has an old copy. */
    struct changing c = {.site = site, .op = MS_PLAIN_DELETE, .quorum = UINT32_MAX};
    const struct ms_order *order = &site->order;
    struct ms_plain_missed others = {.op = MS_PLAIN_DELETE};
    if (order->data == order->targets || !is_target_doubted(site, change))
        return 0;
    int code = ms_plain_call_new(site, item, false, &c.call, err);
    if (code)
        return code;
    c.call->fn = leg_remove;
    keep_others(c.call, asked);
    code = ms_plain_fan(c.call, &c.fan, err);
    if (code)
        return code;
    run(&c, c.call->count);
    collect_missed(&c, &others, NULL);
    for (unsigned i = order->targets; i < order->data; i++) {
        unsigned member = order->member[i];
        change->missed[member] |= !asked[member] && others.missed[member];
        change->late[member] |= !asked[member] && others.late[member];
    }
    ms_fan_release(c.fan);
    return ms_check_cancelled(err);
}

/* Members that are behind with the item would move an old one: they are left out, and miss it. That
 * is asked for only while there are members that have missed something. */
static int leave_out(struct ms_plain_call *call, const struct ms_site *site, bool deleted,
                     struct ms_error *err)
{
    bool doubted = false;
    for (unsigned leg = 0; leg < call->count; leg++)
        doubted |= ms_plain_is_doubted(call, leg);
    if (!doubted)
        return 0;
    struct ms_plain_standing standing;
    int unknown = ms_plain_behind(site, deleted, false, &standing, NULL);
    int code = ms_check_cancelled(err);
    unsigned kept = 0;
    for (unsigned leg = 0; leg < call->count && !code; leg++)
        if (unknown ? !ms_plain_is_doubted(call, leg) : !standing.behind[call->member[leg]])
            call->member[kept++] = call->member[leg];
    if (!code)
        call->count = kept;
    return code;
}

static enum ms_plain_op op_of_move(enum ms_move how)
{
    return how == MS_MOVE_SOFT_DELETE ? MS_PLAIN_SOFT_DELETE
           : how == MS_MOVE_UNDELETE  ? MS_PLAIN_UNDELETE
                                      : MS_PLAIN_RENAMED;
}

int ms_plain_move(const struct ms_site *site, enum ms_move how, struct ms_item_ref item,
                  const struct ms_site *to, struct ms_view new_key, struct ms_error *err)
{
    struct changing c = {.site = site, .op = op_of_move(how), .to = to};
    c.unseen = how == MS_MOVE_CHANGE_LEVEL;
    int code = ms_plain_call_new(site, item, false, &c.call, err);
    if (code)
        return code;
    c.call->fn = leg_move;
    c.call->how = how;
    c.call->new_key = new_key.size ? ms_buf_copy(new_key) : NULL;
    if (new_key.size && !c.call->new_key) {
        ms_plain_call_free(c.call);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    }
    c.left_out = c.call->count;
    code = leave_out(c.call, site, how == MS_MOVE_UNDELETE || item.deleted, err);
    c.left_out -= c.call->count;
    if (code) {
        ms_plain_call_free(c.call);
        return code;
    }
    return change_all(&c, item, "moved", err);
}
