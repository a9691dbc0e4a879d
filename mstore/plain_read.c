/* mstore/plain_read.c - reading from mirrors: one member, the next when it fails or is late. */
#include "mstore/held.h"
#include "mstore/plain_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <stdio.h>

/* ---- whom to ask next ---- */

struct asking {
    const struct ms_site *site;
    struct ms_plain_call *call; /* the fan's */
    struct ms_fan *fan;
    unsigned started, failed;
    unsigned homes_ended;
    unsigned elsewhere;  /* leg: has it, and is no target; count: none */
    bool lacking;        /* a target that has missed nothing does not have it */
    bool missed;         /* one has missed something */
    bool all;            /* nobody is spared any more */
    bool outdated;       /* members are behind, or nobody can tell */
    struct ms_error why; /* nobody can tell */
};

static void start_next(struct asking *a)
{
    do {
        if (a->started < a->call->believed)
            ms_fan_start(a->fan, a->started++);
    } while (a->all && a->started < a->call->believed);
}

static uint64_t late_at(const struct asking *a)
{
    struct ms_roster *r = a->call->roster;
    uint16_t last = a->call->member[a->started - 1];
    if (a->started >= a->call->homes)
        return UINT64_MAX;
    return ms_clock_now(r->clock) + ms_health_late_ns(ms_member_health(r->members[last]), 65536);
}

/* A leg has ended. True: a target has the item. Who is none waits until all targets have ended. */
static bool is_found(struct asking *a, unsigned leg, bool home)
{
    int code = ms_fan_code(a->fan, leg);
    if (!home && !code && a->elsewhere == a->call->count)
        a->elsewhere = leg;
    return home && !code;
}

/* The first leg that has the item, of members that have missed nothing; count: none did. */
static unsigned ask_believed(struct asking *a)
{
    struct ms_roster *r = a->call->roster;
    unsigned leg;
    ms_hedge_first(r->hedge);
    start_next(a);
    for (uint64_t late = late_at(a);;) {
        if (a->lacking && a->homes_ended == a->call->homes && a->elsewhere < a->call->count)
            return a->elsewhere;
        if (!ms_fan_next(a->fan, r->clock, late, &leg)) {
            if (!ms_fan_running(a->fan))
                return a->call->count;
            if (ms_hedge_take(r->hedge)) {
                ms_site_count(a->site, MS_EVENT_HEDGE);
                start_next(a);
            }
            late = late_at(a);
            continue;
        }
        int code = ms_fan_code(a->fan, leg);
        bool home = leg < a->call->homes;
        a->homes_ended += home;
        a->lacking |= home && code == MS_ERR_NOT_FOUND;
        if (is_found(a, leg, home) || code == MS_ERR_CANCELLED)
            return code ? a->call->count : leg;
        if (!code)
            continue;
        a->failed += code != MS_ERR_NOT_FOUND;
        a->all = a->all || code == MS_ERR_NOT_FOUND; /* to be sure, all are needed anyway */
        start_next(a);
        late = late_at(a);
    }
}

/* Of the others those whose answer counts, all at once: no note says that they are behind. Who is
 * has nothing that was acknowledged last. */
static unsigned ask_doubted(struct asking *a)
{
    struct ms_plain_call *c = a->call;
    unsigned leg, found = c->count;
    struct ms_plain_standing standing;
    int code = ms_plain_behind(a->site, c->deleted, false, &standing, &a->why), unknown = code;
    for (leg = c->believed; leg < c->count; leg++) {
        bool outdated = code || standing.behind[c->member[leg]];
        a->outdated |= outdated;
        a->failed += code != 0;
        if (!outdated)
            ms_fan_start(a->fan, leg);
    }
    while (found == c->count && ms_fan_next(a->fan, c->roster->clock, UINT64_MAX, &leg)) {
        bool home = ms_order_has_target(&a->site->order, c->member[leg]);
        code = ms_fan_code(a->fan, leg);
        if (is_found(a, leg, home))
            found = leg;
        bool sure = code == MS_ERR_NOT_FOUND && !standing.spoiled[c->member[leg]];
        a->outdated |= code == MS_ERR_NOT_FOUND && !sure;
        a->lacking |= sure && home;
        a->failed += code && !sure;
    }
    a->missed = !unknown && standing.missed;
    return found;
}

/* Another member's copy than a target's, where no target has given one. It may be of before the
 * targets got theirs, unless one that has missed nothing does not have the item, or one has missed
 * something: then stores have left no such copy (ms_plain_clear). */
static unsigned choose_elsewhere(struct asking *a)
{
    const struct ms_plain_call *c = a->call;
    bool good = a->lacking || a->missed;
    a->outdated |= a->elsewhere < c->count && !good;
    return good ? a->elsewhere : c->count;
}

static unsigned ask(struct asking *a)
{
    struct ms_plain_call *c = a->call;
    a->elsewhere = c->count;
    unsigned leg = c->believed ? ask_believed(a) : c->count;
    if (leg == c->count && c->believed < c->count && !ms_check_cancelled(NULL))
        leg = ask_doubted(a);
    return leg < c->count || ms_check_cancelled(NULL) ? leg : choose_elsewhere(a);
}

/* What to say when nobody has it. */
static int nobody(struct asking *a, const struct ms_site *site, struct ms_item_ref item,
                  struct ms_error *err)
{
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    unsigned absent = site->order.data - a->call->count; /* no URL for them here */
    /* That those do not have it who are no targets says nothing. */
    if (a->lacking && a->failed + absent <= ms_plain_may_miss(site->order.targets))
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s does not exist", MS_SHOW(item.key));
    if (a->outdated)
        return ms_plain_failed(a->fan, a->call->count, a->why.code ? &a->why : NULL, err,
                               "%s cannot be read from members that may have missed changes of "
                               "it: bring the others back, then heal",
                               MS_SHOW(item.key));
    if (!a->failed)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s may be on members of which the configuration has no url",
                            MS_SHOW(item.key));
    return ms_plain_failed(a->fan, a->call->count, NULL, err,
                           "%s could not be found where members answer", MS_SHOW(item.key));
}

/* Those who were not waited for need not answer any more. */
static void asking_end(struct asking *a)
{
    ms_fan_cancel(a->fan);
    ms_fan_release(a->fan);
}

/* Runs the call; on success *leg is who answered, and the asking is the caller's to end. */
static int first_answer(struct asking *a, const struct ms_site *site, struct ms_item_ref item,
                        unsigned *leg, struct ms_error *err)
{
    a->site = site;
    int code = ms_plain_fan(a->call, &a->fan, err);
    if (code)
        return code;
    *leg = a->call->count ? ask(a) : 0;
    if (*leg < a->call->count)
        return 0;
    code = nobody(a, site, item, err);
    asking_end(a);
    return code;
}

/* ---- the verbs ---- */

int ms_plain_verify(struct ms_view key, struct ms_view value, struct ms_store *mirror,
                    struct ms_error *err)
{
    char hex[MS_SHA256_HEX];
    int code = ms_sha256_hex(value, hex, err);
    if (!code && !ms_equal(ms_placement_part(key), ms_str(hex)))
        code = ms_error_set(err, MS_ERR_CORRUPT, "%s: %s is damaged: its digest is another",
                            ms_store_url(mirror), MS_SHOW(key));
    return code;
}

static int leg_load(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
                    struct ms_error *err)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    o.offset = c->offset;
    o.size = c->size;
    o.deleted = c->deleted;
    struct ms_buf *loaded;
    int code = ms_store_load(mirror, ms_buf_view(c->key), &o, &loaded, err);
    if (code)
        return code;
    if (c->algorithm[0] && ms_held_is_whole(c->offset, c->size, ms_buf_size(loaded)))
        code = ms_plain_verify(ms_buf_view(c->key), ms_buf_view(loaded), mirror, err);
    if (code)
        ms_buf_unref(loaded);
    else
        out->loaded = loaded;
    return code;
}

int ms_plain_load(const struct ms_site *site, struct ms_item_ref item, int64_t offset,
                  uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    struct asking a = {.call = NULL};
    unsigned leg;
    int code = ms_plain_call_new(site, item, true, &a.call, err);
    if (code)
        return code;
    a.call->fn = leg_load;
    a.call->offset = offset;
    a.call->size = size;
    if (site->space->verify)
        strcpy(a.call->algorithm, "sha256");
    code = first_answer(&a, site, item, &leg, err);
    if (code)
        return code;
    *out = MS_TAKE(a.call->answers[leg].loaded);
    asking_end(&a);
    return 0;
}

static int leg_info(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
                    struct ms_error *err)
{
    int code = ms_store_info(mirror, ms_buf_view(c->key), c->deleted, &out->info, err);
    return code || out->info.exists ? code : MS_ERR_NOT_FOUND;
}

int ms_plain_info(const struct ms_site *site, struct ms_item_ref item, struct ms_item_info *out,
                  struct ms_error *err)
{
    struct asking a = {.call = NULL};
    unsigned leg;
    int code = ms_plain_call_new(site, item, true, &a.call, err);
    if (code)
        return code;
    a.call->fn = leg_info;
    code = first_answer(&a, site, item, &leg, err);
    if (code == MS_ERR_NOT_FOUND) {
        *out = (struct ms_item_info){0};
        return 0;
    }
    if (code)
        return code;
    *out = a.call->answers[leg].info;
    out->tag = (struct ms_tag){""}; /* one member's tag means nothing to the others */
    asking_end(&a);
    return 0;
}

static int leg_hash(struct ms_plain_call *c, struct ms_store *mirror, struct ms_plain_answer *out,
                    struct ms_error *err)
{
    return ms_store_hash(mirror, ms_buf_view(c->key), c->algorithm, c->deleted, out->hex,
                         sizeof out->hex, err);
}

int ms_plain_hash(const struct ms_site *site, struct ms_item_ref item, const char *algorithm,
                  char *hex, size_t hex_size, struct ms_error *err)
{
    struct asking a = {.call = NULL};
    unsigned leg;
    int code = ms_plain_call_new(site, item, true, &a.call, err);
    if (code)
        return code;
    a.call->fn = leg_hash;
    snprintf(a.call->algorithm, sizeof a.call->algorithm, "%s", algorithm);
    code = first_answer(&a, site, item, &leg, err);
    if (code)
        return code;
    const char *found = a.call->answers[leg].hex;
    if (strlen(found) >= hex_size)
        code =
            ms_error_set(err, MS_ERR_INVALID, "no room for a digest of %zu digits", strlen(found));
    else
        memcpy(hex, found, strlen(found) + 1);
    asking_end(&a);
    return code;
}
