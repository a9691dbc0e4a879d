/* mstore/versions.c - see mstore/versions.h: who votes, and what follows from what was seen. No
 * calls, no waiting. */
#include "mstore/versions.h"

#include <stdio.h>
#include <stdlib.h>

static const char *name_of(const struct ms_site *site, unsigned place)
{
    return site->roster->layout->members[site->order.member[place]].name;
}

int ms_versions_new(const struct ms_site *site, struct ms_versions **out, struct ms_error *err)
{
    const struct ms_order *order = &site->order;
    unsigned witnesses = order->targets % 2 == 0 && order->witnesses > 0;
    unsigned count = order->targets + witnesses;
    if (order->targets == 0)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "no member is active: nothing can be kept in namespace \"%s\"",
                            site->space->name);
    struct ms_versions *v = calloc(1, sizeof *v + count * sizeof *v->voter);
    if (!v)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the versions of a key");
    v->site = site;
    v->count = count;
    v->targets = order->targets;
    v->majority = count / 2 + 1;
    for (unsigned i = 0; i < count; i++) {
        bool witness = i >= order->targets;
        v->voter[i].witness = witness;
        v->voter[i].member = ms_site_member(site, witness ? order->data : i);
        if (!v->voter[i].member) { /* as good as asked: it will never answer */
            v->voter[i].asked = true;
            (void)ms_error_set(&v->voter[i].why, MS_ERR_CONFIG,
                               "member %s has no URL in the configuration",
                               name_of(site, witness ? order->data : i));
        }
    }
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

/* Of the voters that hold it: all, and different shards on targets. */
static void count_holders(const struct ms_versions *v, const struct ms_version *version,
                          unsigned *voters, unsigned *shards)
{
    bool seen[MS_SHARDS_MAX + 1] = {false};
    *voters = *shards = 0;
    for (unsigned i = 0; i < v->count; i++) {
        const struct ms_held *held = ms_versions_held(v, i, version);
        if (!held)
            continue;
        ++*voters;
        *shards += !v->voter[i].witness && !seen[held->index];
        seen[held->index] = true;
    }
}

bool ms_versions_complete(const struct ms_versions *v, const struct ms_version *version)
{
    unsigned voters, shards;
    count_holders(v, version, &voters, &shards);
    return voters >= v->majority && shards >= version->k &&
           (version->k || version->mark == MS_OWN_DELETED);
}

bool ms_versions_durable(const struct ms_versions *v, const struct ms_version *version)
{
    unsigned voters, shards;
    count_holders(v, version, &voters, &shards);
    return ms_versions_complete(v, version) && shards >= ms_versions_needed(version);
}

unsigned ms_versions_wanted(const struct ms_versions *v)
{
    const struct ms_layout_space *space = v->site->space;
    unsigned k = space->redundancy == MS_REDUNDANCY_EC ? space->k : 1;
    return k > v->majority ? k : v->majority;
}

/* Holds it or one above it, for which it may have gone. */
static bool reaches(const struct ms_voter *one, const struct ms_version *version)
{
    for (size_t h = 0; h < one->count; h++)
        if (ms_write_id_compare(&one->held[h].version.id, &version->id) >= 0)
            return true;
    return false;
}

bool ms_versions_incomplete(const struct ms_versions *v, const struct ms_version *version)
{
    unsigned without = 0, targets_without = 0;
    for (unsigned i = 0; i < v->count; i++)
        if (v->voter[i].answered && !reaches(&v->voter[i], version)) {
            without++;
            targets_without += !v->voter[i].witness;
        }
    return without > v->count - v->majority ||
           (version->k <= v->targets && targets_without > v->targets - version->k);
}

int ms_versions_add(struct ms_versions *v, unsigned voter, const struct ms_held *held,
                    struct ms_error *err)
{
    struct ms_voter *one = &v->voter[voter];
    if (one->count == one->room) {
        size_t room = one->room ? 2 * one->room : 4;
        struct ms_held *more = realloc(one->held, room * sizeof *more);
        if (!more)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the versions of a key");
        one->held = more;
        one->room = room;
    }
    one->held[one->count++] = *held;
    return 0;
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
