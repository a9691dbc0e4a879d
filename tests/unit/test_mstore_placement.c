/* mstore/placement.c and what it stands on: the hash, the logarithm, distribution, movement, zones,
 * states, buckets, and golden orders that must never change. */
#include "mstore/log2.h"
#include "mstore/placement.h"
#include "mstore/siphash.h"

#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY 12

static const struct ms_uuid home = {
    {0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}};

/* Members 0, 1, 2 … of weight 1, each a zone of its own. */
static void plain_members(struct ms_placement_member *m, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        m[i] = (struct ms_placement_member){.zone = (unsigned)i, .weight = 1};
        memset(m[i].uuid.bytes, 0x11 * (int)(i + 1), 16);
    }
}

static struct ms_placement *placed(enum ms_placement_kind kind, const struct ms_placement_member *m,
                                   size_t count)
{
    struct ms_placement *p = NULL;
    struct ms_error err = {0};
    check_ok(ms_placement_new(kind, &home, m, count, &p, &err), err);
    return p;
}

static void order_of(const struct ms_placement *p, const char *key, unsigned wanted,
                     struct ms_order *out)
{
    struct ms_error err = {0};
    check_ok(ms_placement_order(p, ms_str(key), wanted, out, &err), err);
}

/* "2,0|1+3": targets, fall-backs, witnesses. */
static const char *shown(const struct ms_order *o)
{
    static char text[256];
    size_t n = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < o->data + o->witnesses; i++) {
        const char *before = i == o->data ? "+" : i == o->targets ? "|" : i ? "," : "";
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", before, o->member[i]);
    }
    return text;
}

/* ---- hash and logarithm ---- */

static void hash_is_siphash(void **state)
{
    (void)state;
    uint8_t key[16], text[15];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        text[i] = i;
    assert_true(ms_siphash(key, ms_view(text, 15)) == 0xa129ca6149be45e5u); /* the paper's */
    assert_true(ms_siphash(key, ms_view(text, 0)) == 0x726fdb47dd0e0e31u);
    assert_true(ms_siphash(key, ms_view(text, 8)) == 0x93f5f5799a932462u);
    assert_true(ms_siphash_word(key, 0x0706050403020100u) == 0x93f5f5799a932462u);
}

/* -log2(x / 2^64) bit by bit: squaring doubles the logarithm. */
static uint64_t slow_log(uint64_t x)
{
    unsigned zeros = (unsigned)__builtin_clzll(x);
    uint64_t m = x << zeros, log = (uint64_t)(63 - zeros) << 56;
    for (int bit = 55; bit >= 0; bit--) {
        unsigned __int128 square = (unsigned __int128)m * m; /* 2^126 .. 2^128 */
        bool two = square >> 127;
        m = (uint64_t)(square >> (two ? 64 : 63));
        log |= (uint64_t)two << bit;
    }
    return ((uint64_t)64 << 56) - log;
}

static void assert_near(uint64_t x)
{
    uint64_t a = ms_minus_log2(x), b = slow_log(x);
    uint64_t apart = a > b ? a - b : b - a;
    if (apart > 4)
        fail_msg("log2 of %#lx is %lu units off", (unsigned long)x, (unsigned long)apart);
}

static void logarithm_is_exact(void **state)
{
    (void)state;
    struct ms_random random;
    ms_random_seed(&random, 7);
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_true(ms_minus_log2((uint64_t)1 << bit) == (uint64_t)(64 - bit) << 56);
        assert_near(((uint64_t)1 << bit) + 1);
        assert_near(((uint64_t)2 << bit) - 1);
    }
    for (uint64_t i = 0; i < 128; i++) { /* both ends of each piece of the table */
        uint64_t start = (128 + i) << 56;
        assert_near(start);
        assert_near(start + ((uint64_t)1 << 56) - 1);
    }
    for (int i = 0; i < 200000; i++)
        assert_near(ms_random_u64(&random) >> ms_random_below(&random, 63) | 1);
    assert_true(ms_minus_log2(UINT64_MAX) >= 1);
}

/* ---- distribution ---- */

static void distribution_follows_the_weights(void **state)
{
    (void)state;
    static const uint32_t weights[] = {1, 2, 3, 4, 4, 6};
    enum { COUNT = 6, KEYS = 1000000 };
    struct ms_placement_member m[COUNT];
    plain_members(m, COUNT);
    uint32_t sum = 0;
    for (int i = 0; i < COUNT; i++)
        sum += m[i].weight = weights[i];
    struct ms_placement *p = placed(MS_PLACE_RENDEZVOUS, m, COUNT);
    unsigned got[COUNT] = {0};
    struct ms_order order;
    for (unsigned k = 0; k < KEYS; k++) {
        char key[32];
        snprintf(key, sizeof key, "data/%u", k);
        order_of(p, key, 1, &order);
        got[order.member[0]]++;
    }
    for (int i = 0; i < COUNT; i++) {
        double ratio = (double)got[i] * sum / (weights[i] * (double)KEYS);
        if (ratio < 0.99 || ratio > 1.01)
            fail_msg("member %d has %u keys: %.4f of its share", i, got[i], ratio);
    }
    ms_placement_free(p);
}

/* ---- movement ---- */

#define MOVE_KEYS 20000u

/* The targets of each key as a set of bits, and how many copies each member has. */
static void all_targets(const struct ms_placement_member *m, size_t count, unsigned wanted,
                        uint16_t *sets, unsigned *copies)
{
    struct ms_placement *p = placed(MS_PLACE_RENDEZVOUS, m, count);
    struct ms_order order;
    memset(copies, 0, MANY * sizeof *copies);
    for (unsigned k = 0; k < MOVE_KEYS; k++) {
        char key[32];
        snprintf(key, sizeof key, "data/%u", k);
        order_of(p, key, wanted, &order);
        assert_int_equal(order.targets, wanted);
        sets[k] = 0;
        for (unsigned i = 0; i < wanted; i++) {
            sets[k] |= (uint16_t)(1u << order.member[i]);
            copies[order.member[i]]++;
        }
    }
    ms_placement_free(p);
}

/* The change moves at most 1 % more copies than it must, and of each key at most one. */
static void check_movement(const char *what, const struct ms_placement_member *before, size_t nb,
                           const struct ms_placement_member *after, size_t na, unsigned wanted)
{
    uint16_t *old = calloc(MOVE_KEYS, sizeof *old), *new = calloc(MOVE_KEYS, sizeof *new);
    unsigned had[MANY], has[MANY];
    assert_non_null(old);
    assert_non_null(new);
    all_targets(before, nb, wanted, old, had);
    all_targets(after, na, wanted, new, has);
    unsigned moved = 0, needed = 0;
    for (unsigned k = 0; k < MOVE_KEYS; k++) {
        int more = __builtin_popcount(new[k] & ~old[k]);
        assert_in_range(more, 0, 1);
        moved += (unsigned)more;
    }
    for (int i = 0; i < MANY; i++)
        needed += has[i] > had[i] ? has[i] - had[i] : 0;
    if (needed == 0 || moved > needed + needed / 100)
        fail_msg("%s, %u copies: moves %u where %u are needed", what, wanted, moved, needed);
    free(old);
    free(new);
}

static void changes_move_the_minimum(void **state)
{
    (void)state;
    for (unsigned zones = 0; zones < 2; zones++) {
        for (unsigned wanted = 1; wanted <= 4; wanted++) {
            struct ms_placement_member m[MANY], changed[MANY];
            plain_members(m, 7);
            for (int i = 0; i < 7; i++) {
                m[i].weight = (uint32_t)(2 + i % 3);
                m[i].zone = zones ? (unsigned)i % 3 : (unsigned)i;
            }
            check_movement("adding", m, 6, m, 7, wanted);
            check_movement("removing", m, 7, m, 6, wanted);
            memcpy(changed, m, sizeof m);
            changed[2].weight *= 2;
            check_movement("more weight", m, 7, changed, 7, wanted);
            check_movement("less weight", changed, 7, m, 7, wanted);
            memcpy(changed, m, sizeof m);
            changed[4].state = MS_DRAINING;
            check_movement("draining", m, 7, changed, 7, wanted);
            changed[4].state = MS_GONE;
            check_movement("gone", m, 7, changed, 7, wanted);
        }
    }
}

/* ---- zones and states ---- */

static void zones_share_evenly(void **state)
{
    (void)state;
    struct ms_placement_member m[9];
    plain_members(m, 9);
    for (int i = 0; i < 9; i++)
        m[i].zone = i < 1 ? 70 : i < 4 ? 80 : 90; /* 1, 3 and 5 members */
    struct ms_placement *p = placed(MS_PLACE_RENDEZVOUS, m, 9);
    struct ms_order order;
    unsigned firsts[9] = {0};
    for (int k = 0; k < 2000; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        for (unsigned wanted = 1; wanted <= 9; wanted++) {
            order_of(p, key, wanted, &order);
            unsigned in[3] = {0};
            for (unsigned i = 0; i < wanted; i++)
                in[(m[order.member[i]].zone - 70) / 10]++;
            unsigned full[3] = {1, 3, 5};
            for (int a = 0; a < 3; a++) /* no zone may be two ahead of one that has room */
                for (int b = 0; b < 3; b++)
                    assert_true(in[a] <= in[b] + 1 || in[b] == full[b]);
        }
        firsts[order.member[0]]++;
    }
    for (int i = 0; i < 9; i++)
        assert_in_range(firsts[i], 2000 / 9 - 60, 2000 / 9 + 60);
    ms_placement_free(p);
}

static void states_are_respected(void **state)
{
    (void)state;
    struct ms_placement_member m[7];
    plain_members(m, 7);
    m[1].state = MS_DRAINING;
    m[2].state = MS_READONLY;
    m[3].state = MS_WITNESS;
    m[3].weight = 0;
    m[4].state = MS_GONE;
    m[6].zone = m[1].zone; /* the draining one must not take its zone's turn */
    struct ms_placement *p = placed(MS_PLACE_RENDEZVOUS, m, 7);
    struct ms_order order;
    unsigned led[7] = {0};
    for (int k = 0; k < 500; k++) {
        char key[16];
        bool seen[7] = {false};
        snprintf(key, sizeof key, "k%d", k);
        order_of(p, key, 2, &order);
        assert_int_equal(order.targets, 2);
        assert_int_equal(order.data, 5);
        assert_int_equal(order.witnesses, 1);
        unsigned targets = 0;
        for (unsigned at = 0; at < MS_MEMBERS_MAX; at++)
            targets += ms_order_has_target(&order, at);
        assert_int_equal(targets, 2);
        assert_true(ms_order_has_target(&order, order.member[1]));
        assert_false(ms_order_has_target(&order, order.member[2]));
        assert_int_equal(order.member[5], 3);
        for (unsigned i = 0; i < 5; i++) {
            assert_false(seen[order.member[i]]);
            seen[order.member[i]] = true;
            if (i < 2)
                assert_int_equal(m[order.member[i]].state, MS_ACTIVE);
        }
        assert_false(seen[4]);
        led[order.member[2]]++;
        order_of(p, key, MS_EVERY_MEMBER, &order);
        assert_int_equal(order.targets, 3); /* all that are active */
        assert_int_equal(order.data, 5);
    }
    /* where copies were before is looked at before the rest */
    assert_true(led[1] > 100 && led[2] > 100);
    ms_placement_free(p);
}

static void parts_of_keys(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"data/abc", "abc"},    {"abc", "abc"}, {"a/b/c.del", "c"}, {"data/", ""},
        {"x.del.del", "x.del"}, {"", ""},       {".del", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct ms_view part = ms_placement_part(ms_str(pairs[i][0]));
        assert_int_equal(part.size, strlen(pairs[i][1]));
        assert_memory_equal(part.data, pairs[i][1], part.size);
    }
}

/* ---- golden ---- */

static void orders_never_change(void **state)
{
    (void)state;
    static const struct {
        const char *key, *order;
    } golden[] = {
        {"data/0", "4,6,1|3,5,2,0+7"},
        {"data/1", "6,5,2|1,4,3,0+7"},
        {"data/2", "1,6,5|2,3,4,0+7"},
        {"data/3", "5,6,2|3,0,4,1+7"},
        {"x", "5,6,2|1,4,3,0+7"},
        {"", "6,5,0|3,4,2,1+7"},
        {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "6,4,2|3,1,5,0+7"},
        {"archives/monday.del", "6,5,1|3,2,4,0+7"},
        {"a/b/c/d", "2,4,6|1,5,3,0+7"},
        {"config/settings", "6,5,1|3,4,2,0+7"},
        {"locks/12345678", "2,6,5|1,4,3,0+7"},
        {"z.del.del", "6,4,2|3,1,5,0+7"},
    };
    struct ms_placement_member m[8];
    plain_members(m, 8);
    for (int i = 0; i < 8; i++) {
        m[i].weight = (uint32_t)(1 + 3 * i);
        m[i].zone = (unsigned)i / 2;
    }
    m[3].state = MS_READONLY;
    m[7].state = MS_WITNESS;
    struct ms_placement *p = placed(MS_PLACE_RENDEZVOUS, m, 8);
    struct ms_order order;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        order_of(p, golden[i].key, 3, &order);
        assert_string_equal(shown(&order), golden[i].order);
    }
    ms_placement_free(p);
}

static void stores_place_independently(void **state)
{
    (void)state;
    struct ms_placement_member m[2];
    plain_members(m, 2);
    struct ms_uuid other = home;
    other.bytes[0] ^= 1;
    struct ms_placement *a = placed(MS_PLACE_RENDEZVOUS, m, 2), *b = NULL;
    struct ms_error err = {0};
    check_ok(ms_placement_new(MS_PLACE_RENDEZVOUS, &other, m, 2, &b, &err), err);
    int same = 0;
    for (int k = 0; k < 2000; k++) {
        char key[16];
        struct ms_order x, y;
        snprintf(key, sizeof key, "k%d", k);
        order_of(a, key, 1, &x);
        order_of(b, key, 1, &y);
        same += x.member[0] == y.member[0];
    }
    assert_in_range(same, 900, 1100);
    ms_placement_free(a);
    ms_placement_free(b);
}

/* ---- buckets ---- */

static struct ms_placement *bucketed(const uint32_t *buckets, size_t count)
{
    struct ms_placement_member m[MANY];
    plain_members(m, count);
    for (size_t i = 0; i < count; i++)
        m[i].buckets = buckets[i];
    return placed(MS_PLACE_BUCKETS, m, count);
}

static void check_bucket(const struct ms_placement *p, const char *key, const char *order)
{
    struct ms_order o;
    order_of(p, key, 1, &o);
    assert_string_equal(shown(&o), order);
}

static void buckets_as_they_were(void **state)
{
    (void)state;
    struct ms_placement *p = bucketed((uint32_t[]){192, 64}, 2);
    unsigned got[2] = {0};
    for (unsigned k = 0; k < 1024; k++) {
        char key[16];
        struct ms_order o;
        snprintf(key, sizeof key, "data/%02x%02x", k % 256, k / 256);
        order_of(p, key, 1, &o);
        assert_int_equal(o.targets, 1);
        assert_int_equal(o.data, 2);
        got[o.member[0]]++;
    }
    assert_int_equal(got[0], 768);
    assert_int_equal(got[1], 256);
    check_bucket(p, "data/bfff", "0|1");
    check_bucket(p, "data/c000.del", "1|0");
    ms_placement_free(p);
    p = bucketed((uint32_t[]){256, 256}, 2);
    check_bucket(p, "00", "0,1");
    check_bucket(p, "ff", "0,1");
    ms_placement_free(p);
    p = bucketed((uint32_t[]){128, 128, 0}, 3); /* was 128,64,64: the third is looked at, last */
    check_bucket(p, "7f", "0|1,2");
    check_bucket(p, "f0", "1|0,2");
    ms_placement_free(p);
    p = bucketed((uint32_t[]){200, 200, 112}, 3); /* ranges wrap around */
    check_bucket(p, "00", "0,1|2");
    check_bucket(p, "8f", "0,1|2");
    check_bucket(p, "90", "0,2|1");
    check_bucket(p, "c8", "1,2|0");
    ms_placement_free(p);
}

static void buckets_of_other_keys_and_states(void **state)
{
    (void)state;
    struct ms_placement *p = bucketed((uint32_t[]){128, 64, 64}, 3);
    struct ms_order o;
    struct ms_error err = {0};
    order_of(p, "config/settings", MS_EVERY_MEMBER, &o); /* the kind `generic` */
    assert_string_equal(shown(&o), "0,1,2");
    static const char *const bad[] = {"data/x", "data/0", "data/0G", "data/AB", "", "data/ab/zz"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_code(ms_placement_order(p, ms_str(bad[i]), 1, &o, &err), MS_ERR_NAME, err);
    check_text(err, "does not begin with two hex digits");
    ms_placement_free(p);

    struct ms_placement_member m[4];
    plain_members(m, 4);
    for (int i = 0; i < 3; i++)
        m[i].buckets = 256;
    m[0].state = MS_READONLY;
    m[3].state = MS_WITNESS;
    p = placed(MS_PLACE_BUCKETS, m, 4);
    check_bucket(p, "00", "1,2|0+3");
    ms_placement_free(p);
    m[1].state = MS_GONE;
    p = placed(MS_PLACE_BUCKETS, m, 4);
    check_bucket(p, "00", "2|0+3");
    ms_placement_free(p);
}

static void refuse_buckets(const uint32_t *buckets, size_t count)
{
    struct ms_placement_member m[MANY] = {0};
    struct ms_placement *p = NULL;
    struct ms_error err = {0};
    plain_members(m, count);
    for (size_t i = 0; i < count; i++)
        m[i].buckets = buckets[i];
    check_code(ms_placement_new(MS_PLACE_BUCKETS, &home, m, count, &p, &err), MS_ERR_CONFIG, err);
    assert_null(p);
}

static void bad_members_are_refused(void **state)
{
    (void)state;
    refuse_buckets(NULL, 0);
    refuse_buckets((uint32_t[]){0}, 1);
    refuse_buckets((uint32_t[]){42}, 1);
    refuse_buckets((uint32_t[]){300}, 1);
    refuse_buckets((uint32_t[]){256, 23}, 2);
    refuse_buckets((uint32_t[]){512}, 1);
    struct ms_placement_member m[2];
    struct ms_placement *p = NULL;
    struct ms_error err = {0};
    plain_members(m, 2);
    m[1].weight = 0;
    check_code(ms_placement_new(MS_PLACE_RENDEZVOUS, &home, m, 2, &p, &err), MS_ERR_CONFIG, err);
    check_text(err, "member 22222222-2222-2222-2222-222222222222: its weight must be 1 to");
    m[1].weight = MS_WEIGHT_MAX + 1;
    check_code(ms_placement_new(MS_PLACE_RENDEZVOUS, &home, m, 2, &p, &err), MS_ERR_CONFIG, err);
    m[1] = m[0];
    check_code(ms_placement_new(MS_PLACE_RENDEZVOUS, &home, m, 2, &p, &err), MS_ERR_CONFIG, err);
    check_text(err, "two members have this UUID");
    static struct ms_placement_member many[MS_MEMBERS_MAX + 1];
    check_code(ms_placement_new(MS_PLACE_RENDEZVOUS, &home, many, MS_MEMBERS_MAX + 1, &p, &err),
               MS_ERR_CONFIG, err);
    assert_null(p);
}

/* The largest possible: everyone once, extreme weights, a total order. */
static void five_hundred_members(void **state)
{
    (void)state;
    static struct ms_placement_member m[MS_MEMBERS_MAX];
    struct ms_random random;
    ms_random_seed(&random, 3);
    for (size_t i = 0; i < MS_MEMBERS_MAX; i++) {
        ms_uuid_new(&random, &m[i].uuid);
        m[i].zone = (unsigned)(i % 17);
        m[i].weight = i % 2 ? MS_WEIGHT_MAX : 1;
    }
    struct ms_placement *p = placed(MS_PLACE_RENDEZVOUS, m, MS_MEMBERS_MAX);
    struct ms_order a, b;
    order_of(p, "key", 255, &a);
    assert_int_equal(a.targets, 255);
    assert_int_equal(a.data, MS_MEMBERS_MAX);
    bool seen[MS_MEMBERS_MAX] = {false};
    for (unsigned i = 0; i < a.data; i++) {
        assert_false(seen[a.member[i]]);
        seen[a.member[i]] = true;
    }
    order_of(p, "other/key.del", 255, &b);
    assert_memory_equal(a.member, b.member, a.data * sizeof *a.member);
    ms_placement_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash),
        cmocka_unit_test(logarithm_is_exact),
        cmocka_unit_test(distribution_follows_the_weights),
        cmocka_unit_test(changes_move_the_minimum),
        cmocka_unit_test(zones_share_evenly),
        cmocka_unit_test(states_are_respected),
        cmocka_unit_test(parts_of_keys),
        cmocka_unit_test(orders_never_change),
        cmocka_unit_test(stores_place_independently),
        cmocka_unit_test(buckets_as_they_were),
        cmocka_unit_test(buckets_of_other_keys_and_states),
        cmocka_unit_test(bad_members_are_refused),
        cmocka_unit_test(five_hundred_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
