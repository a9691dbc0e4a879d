/* mstore/placement.c - see mstore/placement.h. */
#include "mstore/placement.h"

#include "mstore/log2.h"
#include "mstore/siphash.h"

#include "base/text.h"
#include "store/names.h"

#include <stdlib.h>

struct member {
    struct ms_placement_member given;
    uint64_t inverse;      /* floor((2^64 - 1) / weight) */
    unsigned zone;         /* 0 .. zones-1 */
    unsigned first_bucket; /* of its range, modulo 256 */
};

struct ms_placement {
    enum ms_placement_kind kind;
    struct ms_uuid store;
    unsigned zones, copies; /* copies: of a bucket */
    size_t count;
    struct member members[];
};

/* A member in the race for one key. */
struct runner {
    unsigned __int128 cost; /* -log2(u) / weight, below 2^126 */
    uint16_t member;
    uint16_t round; /* how many of its zone are better */
};

/* ---- making one ---- */

static int complain(struct ms_error *err, const char *what, const struct ms_uuid *uuid)
{
    return ms_error_set(err, MS_ERR_CONFIG, "member %s: %s", MS_UUID_SHOW(uuid), what);
}

static int check_member(enum ms_placement_kind kind, const struct ms_placement_member *members,
                        size_t i, struct ms_error *err)
{
    const struct ms_placement_member *m = &members[i];
    for (size_t k = 0; k < i; k++)
        if (ms_uuid_equal(&members[k].uuid, &m->uuid))
            return complain(err, "two members have this UUID: give one of them another", &m->uuid);
    if (m->state == MS_WITNESS || m->state == MS_GONE)
        return 0;
    if (kind == MS_PLACE_RENDEZVOUS && (m->weight < 1 || m->weight > MS_WEIGHT_MAX))
        return complain(err, "its weight must be 1 to 1000000000", &m->uuid);
    if (kind == MS_PLACE_BUCKETS && m->buckets > MS_BUCKETS)
        return complain(err, "it can hold at most 256 buckets: more would be copies of its own",
                        &m->uuid);
    return 0;
}

static void number_zones(struct ms_placement *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct member *m = &p->members[i];
        size_t k = 0;
        while (k < i && p->members[k].given.zone != m->given.zone)
            k++;
        m->zone = k < i ? p->members[k].zone : p->zones++;
    }
}

static int lay_buckets(struct ms_placement *p, struct ms_error *err)
{
    unsigned sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        p->members[i].first_bucket = sum % MS_BUCKETS;
        if (p->members[i].given.state != MS_WITNESS)
            sum += p->members[i].given.buckets;
    }
    p->copies = sum / MS_BUCKETS;
    if (sum == 0 || sum % MS_BUCKETS)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "the members have %u buckets together: give them 256 for each copy, "
                            "as in 192 and 64",
                            sum);
    return 0;
}

int ms_placement_new(enum ms_placement_kind kind, const struct ms_uuid *store,
                     const struct ms_placement_member *members, size_t count,
                     struct ms_placement **out, struct ms_error *err)
{
    if (count == 0 || count > MS_MEMBERS_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "%zu members: give 1 to %d", count, MS_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        int code = check_member(kind, members, i, err);
        if (code)
            return code;
    }
    struct ms_placement *p = calloc(1, sizeof *p + count * sizeof *p->members);
    if (!p)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the placement");
    p->kind = kind;
    p->store = *store;
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        struct member *m = &p->members[i];
        m->given = members[i];
        m->inverse = UINT64_MAX / (m->given.weight ? m->given.weight : 1);
    }
    number_zones(p);
    int code = kind == MS_PLACE_BUCKETS ? lay_buckets(p, err) : 0;
    if (code) {
        free(p);
        return code;
    }
    *out = p;
    return 0;
}

void ms_placement_free(struct ms_placement *p)
{
    free(p);
}

struct ms_view ms_placement_part(struct ms_view key)
{
    const uint8_t *slash = key.size ? memrchr(key.data, '/', key.size) : NULL;
    if (slash)
        key = ms_view(slash + 1, (size_t)(key.data + key.size - slash - 1));
    if (ms_ends_with(key, ms_str(MS_DEL_SUFFIX)))
        key.size -= MS_DEL_SIZE;
    return key;
}

/* ---- ranking ---- */

static bool before(const struct ms_placement *p, const struct runner *a, const struct runner *b)
{
    if (a->round != b->round)
        return a->round < b->round;
    if (a->cost != b->cost)
        return a->cost < b->cost;
    return memcmp(p->members[a->member].given.uuid.bytes, p->members[b->member].given.uuid.bytes,
                  sizeof(struct ms_uuid)) < 0;
}

/* By round, cost, UUID. Shell's sort with Ciura's gaps: few members as a rule, and no allocation
 * for many. */
static void sort(const struct ms_placement *p, struct runner *runners, unsigned count)
{
    static const unsigned gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        unsigned gap = gaps[g];
        for (unsigned i = gap; i < count; i++) {
            struct runner r = runners[i];
            unsigned k = i;
            for (; k >= gap && before(p, &r, &runners[k - gap]); k -= gap)
                runners[k] = runners[k - gap];
            runners[k] = r;
        }
    }
}

/* Runners are in order of cost: rank each within its zone, and put the rounds one after another. */
static void sort_by_round(const struct ms_placement *p, struct runner *runners, unsigned count)
{
    uint16_t seen[MS_MEMBERS_MAX];
    if (p->zones == p->count)
        return; /* everyone is a zone: one round */
    memset(seen, 0, p->zones * sizeof *seen);
    for (unsigned i = 0; i < count; i++)
        runners[i].round = seen[p->members[runners[i].member].zone]++;
    sort(p, runners, count);
}

/* All members of one kind, witnesses or not, in order of cost. */
static unsigned race(const struct ms_placement *p, uint64_t key_hash, bool witnesses,
                     struct runner *runners)
{
    unsigned count = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct member *m = &p->members[i];
        if (m->given.state == MS_GONE || (m->given.state == MS_WITNESS) != witnesses)
            continue;
        uint64_t u = ms_siphash_word(m->given.uuid.bytes, key_hash) | 1;
        uint64_t log = ms_minus_log2(u);
        runners[count++] = (struct runner){
            .cost = witnesses ? log : (unsigned __int128)log * m->inverse, .member = (uint16_t)i};
    }
    sort(p, runners, count);
    return count;
}

/* Targets are the best active ones; the rounds of zones count among active members alone, so that
 * a draining member does not take its zone's turn. */
static unsigned choose(const struct ms_placement *p, struct runner *runners, unsigned count,
                       unsigned wanted, struct ms_order *out)
{
    struct runner active[MS_MEMBERS_MAX];
    uint8_t taken[MS_MEMBERS_MAX];
    unsigned some = 0, n = 0;
    for (unsigned i = 0; i < count; i++)
        if (p->members[runners[i].member].given.state == MS_ACTIVE)
            active[some++] = runners[i];
    sort_by_round(p, active, some);
    if (wanted > some)
        wanted = some;
    memset(taken, 0, p->count);
    for (; n < wanted; n++) {
        out->member[n] = active[n].member;
        taken[active[n].member] = 1;
    }
    sort_by_round(p, runners, count);
    for (unsigned i = 0; i < count; i++)
        if (!taken[runners[i].member])
            out->member[n++] = runners[i].member;
    out->targets = wanted;
    return n;
}

static void order_rendezvous(const struct ms_placement *p, struct ms_view key, unsigned wanted,
                             struct ms_order *out)
{
    struct runner runners[MS_MEMBERS_MAX];
    uint64_t key_hash = ms_siphash(p->store.bytes, ms_placement_part(key));
    unsigned count = race(p, key_hash, false, runners);
    out->data = choose(p, runners, count, wanted, out);
    out->witnesses = race(p, key_hash, true, runners);
    for (unsigned i = 0; i < out->witnesses; i++)
        out->member[out->data + i] = runners[i].member;
}

/* ---- buckets ---- */

static bool holds(const struct member *m, unsigned bucket)
{
    return (bucket - m->first_bucket) % MS_BUCKETS < m->given.buckets;
}

/* Adds the members for which it is `mapped` (bucket NULL: all are) and which are active or not. */
static unsigned add_mapped(const struct ms_placement *p, const unsigned *bucket, bool mapped,
                           bool active, unsigned n, struct ms_order *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct member *m = &p->members[i];
        if (m->given.state == MS_GONE || m->given.state == MS_WITNESS)
            continue;
        if ((!bucket || holds(m, *bucket)) == mapped && (m->given.state == MS_ACTIVE) == active)
            out->member[n++] = (uint16_t)i;
    }
    return n;
}

static int order_buckets(const struct ms_placement *p, struct ms_view key, unsigned wanted,
                         struct ms_order *out, struct ms_error *err)
{
    struct ms_view part = ms_placement_part(key);
    int high = part.size >= 2 ? ms_hex_digit_lower(part.data[0]) : -1;
    int low = high >= 0 ? ms_hex_digit_lower(part.data[1]) : -1;
    if (wanted != MS_EVERY_MEMBER && low < 0)
        return ms_error_set(err, MS_ERR_NAME,
                            "the key \"%s\" does not begin with two hex digits, which choose its "
                            "bucket: use a namespace with redundancy = all for such keys",
                            MS_SHOW(key));
    unsigned number = (unsigned)(high * 16 + low);
    const unsigned *bucket = wanted == MS_EVERY_MEMBER ? NULL : &number;
    out->targets = add_mapped(p, bucket, true, true, 0, out);
    out->data = add_mapped(p, bucket, true, false, out->targets, out);
    out->data = add_mapped(p, bucket, false, true, out->data, out);
    out->data = add_mapped(p, bucket, false, false, out->data, out);
    out->witnesses = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->members[i].given.state == MS_WITNESS)
            out->member[out->data + out->witnesses++] = (uint16_t)i;
    return 0;
}

int ms_placement_order(const struct ms_placement *p, struct ms_view key, unsigned wanted,
                       struct ms_order *out, struct ms_error *err)
{
    if (p->kind == MS_PLACE_BUCKETS)
        return order_buckets(p, key, wanted, out, err);
    order_rendezvous(p, key, wanted, out);
    return 0;
}

bool ms_order_has_target(const struct ms_order *order, unsigned member)
{
    for (unsigned i = 0; i < order->targets; i++)
        if (order->member[i] == member)
            return true;
    return false;
}
