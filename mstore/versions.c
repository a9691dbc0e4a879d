/* mstore/versions.c - see mstore/versions.h: who votes, and what follows from what was seen. No
 * calls, no waiting. */
#include "mstore/versions.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- who votes ---- */

static struct ms_voter *voter_of(struct ms_versions *v, unsigned index)
{
    for (unsigned i = 0; i < v->count; i++)
        if (v->voter[i].index == index)
            return &v->voter[i];
    return NULL;
}

static void add_voter(struct ms_versions *v, unsigned q, unsigned index, bool witness)
{
    struct ms_voter *one = voter_of(v, index);
    if (!one) {
        one = &v->voter[v->count++];
        one->index = index;
        one->witness = witness;
        one->shard = v->quorum[q].targets;
        one->member = v->site->roster->members[index];
        v->targets += !witness;
    }
    if (!one->member) { /* as good as asked: it will never answer */
        one->asked = true;
        (void)ms_error_set(&one->why, MS_ERR_CONFIG, "member %s has no URL in the configuration",
                           v->site->roster->layout->members[index].name);
    }
    one->in[q] = true;
    v->quorum[q].count++;
    v->quorum[q].targets += !witness;
    v->quorum[q].majority = v->quorum[q].count / 2 + 1;
}

static void add_targets(struct ms_versions *v, unsigned q, const struct ms_order *order)
{
    for (unsigned i = 0; i < order->targets; i++)
        add_voter(v, q, order->member[i], false);
}

static void add_witness(struct ms_versions *v, unsigned q, const struct ms_order *order)
{
    if (order->targets % 2 == 0 && order->witnesses > 0)
        add_voter(v, q, order->member[order->data], true);
}

/* Who is only in the second quorum gets the shard of somebody who is only in the first: so both
 * have all of them. */
static void inherit_shards(struct ms_versions *v)
{
    unsigned heir = 0;
    for (unsigned i = 0; i < v->targets; i++) {
        if (v->voter[i].in[1])
            continue;
        while (heir < v->targets && v->voter[heir].in[0])
            heir++;
        if (heir < v->targets)
            v->voter[heir++].shard = v->voter[i].shard;
    }
}

static bool same_voters(const struct ms_versions *v)
{
    bool same = true;
    for (unsigned i = 0; i < v->count; i++)
        same = same && v->voter[i].in[0] == v->voter[i].in[1];
    return same;
}

static void add_voters(struct ms_versions *v)
{
    const struct ms_site *site = v->site;
    add_targets(v, 0, &site->order);
    if (site->joint)
        add_targets(v, 1, &site->next);
    add_witness(v, 0, &site->order);
    if (site->joint)
        add_witness(v, 1, &site->next);
    v->quorums = site->joint && !same_voters(v) ? 2 : 1;
    if (v->quorums == 2)
        inherit_shards(v);
}

int ms_versions_new(const struct ms_site *site, struct ms_versions **out, struct ms_error *err)
{
    unsigned room = site->order.targets + 1 + (site->joint ? site->next.targets + 1 : 0);
    if (site->order.targets == 0 || (site->joint && site->next.targets == 0))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "no member is active: nothing can be kept in namespace \"%s\"",
                            site->space->name);
    struct ms_versions *v = calloc(1, sizeof *v + room * sizeof *v->voter);
    if (!v)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the versions of a key");
    v->site = site;
    add_voters(v);
    *out = v;
    return 0;
}

void ms_versions_free(struct ms_versions *v)
{
    for (unsigned i = 0; v && i < v->count; i++)
        free(v->voter[i].held);
    free(v);
}

bool ms_version_equal(const struct ms_version *a, const struct ms_version *b)
{
    return ms_write_id_compare(&a->id, &b->id) == 0 && a->size == b->size && a->mark == b->mark;
}

bool ms_version_is_end(const struct ms_version *version)
{
    return version->mark == MS_OWN_DELETED && version->size == MS_OWN_SIZE_UNKNOWN;
}

struct ms_version ms_version_end_of(const struct ms_version *deletion)
{
    return (struct ms_version){
        .id = deletion->id, .size = MS_OWN_SIZE_UNKNOWN, .mark = MS_OWN_DELETED};
}

bool ms_versions_end(const struct ms_versions *v, struct ms_version *out)
{
    bool found = false;
    for (unsigned i = 0; i < v->count; i++)
        for (size_t h = 0; h < v->voter[i].count; h++) {
            const struct ms_version *one = &v->voter[i].held[h].version;
            if (!ms_version_is_end(one) || (found && ms_write_id_compare(&one->id, &out->id) <= 0))
                continue;
            *out = *one;
            found = true;
        }
    return found;
}

uint64_t ms_versions_counter(const struct ms_versions *v)
{
    uint64_t top = 0;
    for (unsigned i = 0; i < v->count; i++)
        for (size_t h = 0; h < v->voter[i].count; h++)
            if (v->voter[i].held[h].version.id.counter > top)
                top = v->voter[i].held[h].version.id.counter;
    return top;
}

static bool is_over(const struct ms_versions *v, const struct ms_version *version)
{
    if (version->mark != MS_OWN_DELETED)
        return false;
    struct ms_version end = ms_version_end_of(version);
    for (unsigned i = 0; i < v->count; i++)
        if (ms_versions_held(v, i, &end))
            return true;
    return false;
}

/* A witness does not know how the data is cut: k 0. */
bool ms_versions_newest(const struct ms_versions *v, const struct ms_write_id *below,
                        struct ms_version *out)
{
    const struct ms_version *best = NULL;
    for (unsigned i = 0; i < v->count; i++)
        for (size_t h = 0; h < v->voter[i].count; h++) {
            const struct ms_version *one = &v->voter[i].held[h].version;
            if ((below && ms_write_id_compare(&one->id, below) >= 0) || is_over(v, one))
                continue;
            int order = best ? ms_write_id_compare(&one->id, &best->id) : 1;
            if (order > 0 || (order == 0 && one->k > best->k))
                best = one;
        }
    if (best)
        *out = *best;
    return best != NULL;
}

const struct ms_held *ms_versions_held(const struct ms_versions *v, unsigned voter,
                                       const struct ms_version *version)
{
    const struct ms_voter *one = &v->voter[voter];
    for (size_t h = 0; h < one->count; h++)
        if (ms_version_equal(&one->held[h].version, version) &&
            (one->witness || one->held[h].version.k == version->k))
            return &one->held[h];
    return NULL;
}

unsigned ms_versions_needed(const struct ms_version *version)
{
    if (version->mark == MS_OWN_DELETED)
        return 0;
    return version->k + (version->m + 1) / 2;
}

/* Of a quorum's voters that hold it: all, and different shards on targets. */
static void count_holders(const struct ms_versions *v, unsigned q, const struct ms_version *version,
                          unsigned *voters, unsigned *shards)
{
    bool seen[256] = {false};
    *voters = *shards = 0;
    for (unsigned i = 0; i < v->count; i++) {
        const struct ms_held *held = v->voter[i].in[q] ? ms_versions_held(v, i, version) : NULL;
        if (!held)
            continue;
        ++*voters;
        *shards += !v->voter[i].witness && !seen[held->index];
        seen[held->index] = true;
    }
}

/* On a majority of each quorum, with so many shards. */
static bool is_held(const struct ms_versions *v, const struct ms_version *version, unsigned needed)
{
    for (unsigned q = 0; q < v->quorums; q++) {
        unsigned voters, shards;
        count_holders(v, q, version, &voters, &shards);
        if (voters < v->quorum[q].majority || shards < needed)
            return false;
    }
    return version->k || version->mark == MS_OWN_DELETED;
}

bool ms_versions_complete(const struct ms_versions *v, const struct ms_version *version)
{
    return is_held(v, version, version->k);
}

bool ms_versions_durable(const struct ms_versions *v, const struct ms_version *version)
{
    unsigned needed = ms_versions_needed(version);
    return is_held(v, version, needed > version->k ? needed : version->k);
}

unsigned ms_versions_majority(const struct ms_versions *v)
{
    unsigned other = v->quorums == 2 ? v->quorum[1].majority : 0;
    return other > v->quorum[0].majority ? other : v->quorum[0].majority;
}

unsigned ms_versions_wanted(const struct ms_versions *v)
{
    const struct ms_layout_space *space = v->site->space;
    unsigned k = space->redundancy == MS_REDUNDANCY_EC ? space->k : 1;
    unsigned majority = ms_versions_majority(v);
    return k > majority ? k : majority;
}

static unsigned answered_in(const struct ms_versions *v, unsigned q)
{
    unsigned answered = 0;
    for (unsigned i = 0; i < v->count; i++)
        answered += v->voter[i].in[q] && v->voter[i].answered;
    return answered;
}

bool ms_versions_heard(const struct ms_versions *v, unsigned wanted)
{
    bool heard = true;
    for (unsigned q = 0; q < v->quorums; q++) {
        unsigned answered = answered_in(v, q);
        heard = heard && (answered >= wanted || answered == v->quorum[q].count);
    }
    return heard;
}

bool ms_versions_heard_most(const struct ms_versions *v)
{
    bool heard = true;
    for (unsigned q = 0; q < v->quorums; q++)
        heard = heard && answered_in(v, q) >= v->quorum[q].majority;
    return heard;
}

/* ---- shards ---- */

static bool share_quorum(const struct ms_versions *v, unsigned a, unsigned b)
{
    return (v->voter[a].in[0] && v->voter[b].in[0]) ||
           (v->quorums == 2 && v->voter[a].in[1] && v->voter[b].in[1]);
}

/* Nobody beside voter i holds, or has been dealt, that shard. dealt: of the first `count` voters.
 */
static bool is_free(const struct ms_versions *v, const struct ms_version *version, unsigned i,
                    unsigned shard, const unsigned dealt[])
{
    bool is = true;
    for (unsigned j = 0; j < v->targets && is; j++) {
        const struct ms_held *held = ms_versions_held(v, j, version);
        if (j != i && share_quorum(v, i, j))
            is = held ? held->index != shard : dealt[j] != shard;
    }
    return is;
}

void ms_versions_deal(const struct ms_versions *v, const struct ms_version *version,
                      unsigned shards[])
{
    unsigned count = version->k + version->m;
    for (unsigned i = 0; i < v->count; i++)
        shards[i] = count > 1 ? v->voter[i].shard : 0;
    for (unsigned i = 0; i < v->targets && count > 1; i++) {
        if (ms_versions_held(v, i, version) || is_free(v, version, i, shards[i], shards))
            continue;
        for (unsigned shard = 0; shard < count; shard++)
            if (is_free(v, version, i, shard, shards)) {
                shards[i] = shard;
                break;
            }
    }
}

bool ms_versions_reaches(const struct ms_versions *v, unsigned voter,
                         const struct ms_version *version)
{
    const struct ms_voter *one = &v->voter[voter];
    for (size_t h = 0; h < one->count; h++)
        if (ms_write_id_compare(&one->held[h].version.id, &version->id) >= 0)
            return true;
    return false;
}

static bool is_incomplete(const struct ms_versions *v, unsigned q, const struct ms_version *version)
{
    const struct ms_quorum *quorum = &v->quorum[q];
    unsigned without = 0, targets_without = 0;
    for (unsigned i = 0; i < v->count; i++)
        if (v->voter[i].in[q] && v->voter[i].answered && !ms_versions_reaches(v, i, version)) {
            without++;
            targets_without += !v->voter[i].witness;
        }
    return without > quorum->count - quorum->majority ||
           (version->k <= quorum->targets && targets_without > quorum->targets - version->k);
}

/* In every quorum: while a layout is proposed, others may still do with the first, or already with
 * the second alone. */
bool ms_versions_incomplete(const struct ms_versions *v, const struct ms_version *version)
{
    bool incomplete = true;
    for (unsigned q = 0; q < v->quorums; q++)
        incomplete = incomplete && is_incomplete(v, q, version);
    return incomplete;
}

int ms_held_add(struct ms_held **list, size_t *count, size_t *room, const struct ms_held *held,
                struct ms_error *err)
{
    if (*count == *room) {
        size_t wanted = *room ? 2 * *room : 4;
        struct ms_held *more = realloc(*list, wanted * sizeof *more);
        if (!more)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the versions of a key");
        *list = more;
        *room = wanted;
    }
    (*list)[(*count)++] = *held;
    return 0;
}

int ms_versions_add(struct ms_versions *v, unsigned voter, const struct ms_held *held,
                    struct ms_error *err)
{
    struct ms_voter *one = &v->voter[voter];
    return ms_held_add(&one->held, &one->count, &one->room, held, err);
}

/* The code that all who failed have in common, else `code`. */
static int common_code(const struct ms_versions *v, int code)
{
    int common = 0;
    for (unsigned i = 0; i < v->count; i++) {
        int one = v->voter[i].why.code;
        if (!one)
            continue;
        if (common && one != common)
            return code;
        common = one;
    }
    return common ? common : code;
}

int ms_versions_refuse(const struct ms_versions *v, int code, const char *what,
                       struct ms_error *err)
{
    char text[400] = "";
    size_t at = 0;
    for (unsigned i = 0; i < v->count && at < sizeof text; i++)
        if (v->voter[i].why.code) {
            int n = snprintf(text + at, sizeof text - at, "%s%s", at ? "; " : ": ",
                             v->voter[i].why.text);
            at += n > 0 ? (size_t)n : 0;
        }
    return ms_error_set(err, common_code(v, code), "%s%s", what, text);
}
