/* mstore/immutable.c and the values below it: bytes for sizes and policies, every pattern of lost
 * shards, damage, members down, hanging, full, slow; how many calls it takes. */
#include "mstore/immutable_parts.h"

#include "base/hash.h"
#include "base/pool.h"
#include "base/sim.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define KIB ((size_t)1024)

static void assert_range(struct fleet *f, const char *key, struct ms_buf *value, int64_t offset,
                         uint64_t size)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    struct ms_site site = fleet_site(f, key);
    uint64_t length = ms_buf_size(value), from = (uint64_t)offset;
    if (offset < 0)
        from = -(uint64_t)offset > length ? 0 : length + (uint64_t)offset;
    from = from > length ? length : from;
    uint64_t right = size < length - from ? size : length - from;
    check_ok(ms_immutable_load(&site, offset, size, &got, &err), err);
    assert_int_equal(ms_buf_size(got), right);
    assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data + from, right);
    ms_buf_unref(got);
}

static void assert_ranges(struct fleet *f, const char *key, struct ms_buf *value, uint64_t seed)
{
    struct ms_random random;
    ms_random_seed(&random, seed);
    uint64_t size = ms_buf_size(value);
    assert_range(f, key, value, 0, 1);
    assert_range(f, key, value, -10, MS_SIZE_TO_END);
    assert_range(f, key, value, (int64_t)size, 5);
    assert_range(f, key, value, 1, MS_SIZE_TO_END);
    for (int i = 0; i < 6; i++)
        assert_range(f, key, value, (int64_t)ms_random_below(&random, size + 1),
                     ms_random_below(&random, size / 2 + 2));
}

/* ---- bytes --------------------------------------------------------------------------------- */

static const size_t sizes[] = {
    0, 1, 4095, 4096, 4097, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1024 * KIB, 3333333};
#define SIZES (sizeof sizes / sizeof *sizes)

static void values_come_back(const char *policy, unsigned members)
{
    struct fleet f;
    fleet_make(&f, &(struct fleet_options){.members = members, .policy = policy});
    for (size_t i = 0; i < SIZES; i++) {
        char key[MS_SHA256_HEX];
        struct ms_error err = {0};
        struct ms_buf *value = fleet_value(sizes[i], i);
        struct ms_item_info info;
        fleet_put(&f, fleet_digest(value, key), value);
        fleet_put(&f, key, value); /* again */
        fleet_assert_loads(&f, key, value);
        assert_ranges(&f, key, value, i);
        struct ms_site site = fleet_site(&f, key);
        check_ok(ms_immutable_info(&site, &info, &err), err);
        assert_true(info.exists);
        assert_int_equal(info.size_bytes, sizes[i]);
        ms_buf_unref(value);
    }
    struct ms_site site = fleet_site(&f, "0123");
    struct ms_error err = {0};
    struct ms_item_info info = {.exists = true};
    struct ms_buf *got = NULL;
    check_code(ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err), MS_ERR_NOT_FOUND, err);
    check_text(err, "data/0123: there is no such value");
    check_ok(ms_immutable_info(&site, &info, &err), err);
    assert_false(info.exists);
    fleet_free(&f);
}

static void copies_come_back(void **state)
{
    (void)state;
    values_come_back("redundancy = copies 2\n", 3);
    values_come_back("redundancy = copies 3\n", 3);
    values_come_back("redundancy = all\nverify = sha256\n", 4);
    values_come_back("redundancy = none\n", 2);
    values_come_back("redundancy = copies 2\ncompress = zstd\n", 2);
}

static void shards_come_back(void **state)
{
    (void)state;
    values_come_back("redundancy = ec 2+1\n", 3);
    values_come_back("redundancy = ec 4+2\n", 8);
    values_come_back("redundancy = ec 10+4\n", 14);
    values_come_back("redundancy = ec 4+2\nverify = sha256\n", 7);
    values_come_back("redundancy = ec 3+2\ncompress = zstd\n", 5);
}

struct damage { /* what was there before */
    unsigned count;
    struct ms_buf *frame;
};

static void remember(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct damage *d = ctx;
    struct ms_error err = {0};
    d->count++;
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &d->frame, NULL, &err), err);
}

static void compare(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct damage *d = ctx;
    struct ms_error err = {0};
    struct ms_buf *now = NULL;
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &now, NULL, &err), err);
    assert_int_equal(ms_buf_size(now), ms_buf_size(d->frame));
    assert_memory_equal(ms_buf_view(now).data, ms_buf_view(d->frame).data, ms_buf_size(now));
    ms_buf_unref(now);
}

/* ---- lost and damaged ----------------------------------------------------------------------- */

static void every_pattern(const char *policy)
{
    struct ms_buf *value = fleet_value(700001, 5);
    char key[MS_SHA256_HEX];
    fleet_digest(value, key);
    for (unsigned lost = 0; lost < 64; lost++) {
        if (__builtin_popcount(lost) > 2)
            continue;
        struct fleet f;
        fleet_make(&f, &(struct fleet_options){.members = 6, .policy = policy});
        fleet_put(&f, key, value);
        for (unsigned i = 0; i < 6; i++)
            if (lost >> i & 1)
                fleet_wipe(&f, i, "val");
        assert_ranges(&f, key, value, lost);
        fleet_assert_loads(&f, key, value);
        ms_pool_shutdown(); /* repairs have ended */
        fleet_free(&f);
    }
    ms_buf_unref(value);
}

static void any_two_shards_may_be_lost(void **state)
{
    (void)state;
    every_pattern("redundancy = ec 4+2\n");
    every_pattern("redundancy = ec 4+2\nverify = sha256\n");
}

static void three_lost_shards_are_an_error(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_buf *value = fleet_value(100000, 5), *got = NULL;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 6, .policy = "redundancy = ec 4+2\n"});
    fleet_put(&f, "0123", value);
    struct ms_site site = fleet_site(&f, "0123");
    for (unsigned i = 0; i < 3; i++)
        fleet_gone(&f, i, true);
    check_code(ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err), MS_ERR_CONNECTION, err);
    check_text(err, "data/0123: 3 of its shards are there, and 3 members did not answer");
    check_code(ms_immutable_store(&site, f.ids, value, NULL, &err), MS_ERR_CONNECTION, err);
    check_text(err, "data/0123 could not be stored: 3 of 5 needed members have it: m");
    ms_buf_unref(value);
    fleet_free(&f);
}

/* The damaged member is asked first. */
static void load_bad_first(struct fleet *f, const char *key, unsigned bad, struct ms_buf *value,
                           bool whole)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_immutable_where w;
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    struct ms_value_info info = {0};
    uint64_t size = whole ? MS_SIZE_TO_END : 100000;
    unsigned damaged = 0;
    check_ok(ms_immutable_search(&site, &w, &err), err);
    for (size_t i = 0; i < w.count; i++)
        w.places[i].turn = w.places[i].member != bad;
    struct ms_value_query query = ms_immutable_query(&w);
    check_ok(ms_value_load(&site, &query, 0, size, &got, &info, &err), err);
    assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data, ms_buf_size(got));
    for (size_t i = 0; i < w.count; i++)
        damaged += w.places[i].state == MS_PLACE_DAMAGED;
    assert_int_equal(damaged, 1);
    ms_value_repair(&site, &w.shape, w.places, w.count, &info.header, whole ? got : NULL);
    ms_buf_unref(got);
    ms_immutable_where_fini(&w);
    ms_pool_shutdown(); /* the repair has ended */
}

static void damage_is_answered_and_repaired(const char *policy, unsigned members)
{
    struct ms_buf *value = fleet_value(300000, 6);
    char key[MS_SHA256_HEX];
    fleet_digest(value, key);
    for (unsigned round = 0; round < 30; round++) {
        struct fleet f;
        struct damage all = {.count = 0};
        fleet_make(&f, &(struct fleet_options){.members = members, .policy = policy});
        fleet_put(&f, key, value);
        unsigned bad = round % members;
        fleet_each(&f, bad, "val", remember, &all);
        fleet_flip(&f, bad, "val", round < members ? 0 : round * 3571);
        load_bad_first(&f, key, bad, value, true);
        assert_int_equal(all.count, 1);
        fleet_each(&f, bad, "val", compare, &all); /* the same bytes again */
        ms_buf_unref(all.frame);
        fleet_free(&f);
    }
    ms_buf_unref(value);
}

static void damage_in_a_range_is_noted(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_buf *value = fleet_value(300000, 6);
    fleet_make(&f, &(struct fleet_options){.members = 2, .policy = "redundancy = copies 2\n"});
    fleet_put(&f, "0123", value);
    fleet_flip(&f, 1, "val", 99);
    load_bad_first(&f, "0123", 1, value, false);
    assert_int_equal(fleet_objects(&f, 0, "hint"), 1); /* at the one that has it */
    assert_int_equal(fleet_objects(&f, 1, "hint"), 0);
    ms_buf_unref(value);
    fleet_free(&f);
}

static void flipped_bits_are_answered_and_repaired(void **state)
{
    (void)state;
    damage_is_answered_and_repaired("redundancy = copies 2\n", 2);
    damage_is_answered_and_repaired("redundancy = ec 2+1\n", 3);
    damage_is_answered_and_repaired("redundancy = ec 2+1\nverify = sha256\n", 3);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void assert_calls(const char *policy, unsigned members, unsigned stores, unsigned loads,
                         unsigned lists, unsigned range)
{
    struct fleet f;
    struct ms_buf *value = fleet_value(1000000, 7);
    char key[MS_SHA256_HEX];
    fleet_make(&f, &(struct fleet_options){.members = members, .policy = policy});
    uint64_t before = fleet_calls(&f, MS_VERB_COUNT);
    fleet_put(&f, fleet_digest(value, key), value);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, stores);
    before = fleet_calls(&f, MS_VERB_COUNT);
    uint64_t listed = fleet_calls(&f, MS_VERB_LIST);
    fleet_assert_loads(&f, key, value);
    assert_int_equal(fleet_calls(&f, MS_VERB_LIST) - listed, lists);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, loads + lists);
    before = fleet_calls(&f, MS_VERB_COUNT);
    assert_range(&f, key, value, 600000, 1000);
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT) - before, range);
    ms_buf_unref(value);
    fleet_free(&f);
}

static void no_call_too_many(void **state)
{
    (void)state;
    assert_calls("redundancy = copies 2\n", 3, 2, 1, 0, 2); /* a range: header, blocks */
    assert_calls("redundancy = all\n", 3, 3, 1, 0, 2);
    assert_calls("redundancy = ec 4+2\n", 6, 6 + 2, 4, 4, 5); /* lists, shards; lists, blocks */
    assert_calls("redundancy = ec 4+2\nverify = sha256\n", 6, 6, 4, 0, 2); /* a header, blocks */
}

/* ---- different values ----------------------------------------------------------------------- */

static int try_put(struct fleet *f, const char *key, const char *text, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_buf_borrowed place;
    return ms_immutable_store(&site, f->ids, ms_buf_borrow(&place, ms_str(text)), NULL, err);
}

static int try_stream(struct fleet *f, const char *key, const char *text, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_store_writer *w = NULL;
    check_ok(ms_immutable_write(&site, f->ids, 0, NULL, &w, err), *err);
    int code = w->ops->append(w, ms_str(text), err);
    if (!code)
        return w->ops->commit(w, NULL, err);
    w->ops->abort(w);
    return code;
}

static void assert_text(struct fleet *f, const char *key, const char *text)
{
    struct ms_buf *value = ms_buf_copy(ms_str(text));
    fleet_assert_loads(f, key, value);
    ms_buf_unref(value);
}

#define REFUSED                                                                                    \
    "data/aa has another value already, and keeps it, as the namespace is of kind immutable: "     \
    "keep such keys in a namespace of kind mutable, or delete it first, while no member is away"

/* Of another size, with other bytes, shorter and longer in a stream: nothing of it is put. */
static void another_value_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = {"", "second value", "first valuE", "first",
                                         "first value!"};
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 4, .policy = "redundancy = ec 2+1\n"});
    check_ok(try_put(&f, "aa", "first value", &err), err);
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        check_code(try_put(&f, "aa", others[i], &err), MS_ERR_CONFLICT, err);
        check_text(err, REFUSED);
        check_code(try_stream(&f, "aa", others[i], &err), MS_ERR_CONFLICT, err);
        check_text(err, REFUSED);
    }
    assert_int_equal(fleet_all(&f, "val"), 3);
    assert_text(&f, "aa", "first value");
    check_ok(try_put(&f, "aa", "first value", &err), err); /* the same one may be stored again */
    check_ok(try_stream(&f, "aa", "first value", &err), err);
    assert_text(&f, "aa", "first value");
    struct ms_site site = fleet_site(&f, "aa");
    check_ok(ms_immutable_delete(&site, f.ids, &err), err);
    check_ok(try_put(&f, "aa", "second value", &err), err);
    assert_text(&f, "aa", "second value");
    fleet_free(&f);
}

/* Whoever is away, one of those that are asked has a shard of it. */
static void another_value_is_refused_without_a_member(void **state)
{
    (void)state;
    struct ms_error err = {0};
    for (unsigned i = 0; i < 5; i++) {
        struct fleet f;
        fleet_make(&f, &(struct fleet_options){.members = 5, .policy = "redundancy = ec 2+1\n"});
        fleet_gone(&f, (i + 1) % 5, true); /* its shard, if any, goes to another */
        check_ok(try_put(&f, "aa", "first value", &err), err);
        fleet_gone(&f, (i + 1) % 5, false);
        fleet_gone(&f, i, true);
        check_code(try_put(&f, "aa", "second", &err), MS_ERR_CONFLICT, err);
        assert_text(&f, "aa", "first value");
        fleet_free(&f);
    }
}

/* Too few shards are no value: the store that left them is tried again, or another one made. */
static void what_is_left_of_a_store_is_in_nobodys_way(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = ec 2+1\n"});
    check_ok(try_put(&f, "aa", "first value", &err), err);
    fleet_wipe(&f, 0, "val");
    fleet_wipe(&f, 1, "val");
    check_ok(try_put(&f, "aa", "second", &err), err);
    assert_text(&f, "aa", "second");
    fleet_free(&f);
}

struct same { /* clients that store one key at once */
    struct fleet *fleet;
    int codes[8];
};

static int store_same(void *arg, size_t index)
{
    struct same *s = arg;
    struct ms_error err = {0};
    s->codes[index] = try_put(s->fleet, "aa", "the one value", &err);
    return 0;
}

static void the_same_value_at_once_is_no_conflict(void **state)
{
    (void)state;
    struct fleet f;
    struct same s = {.fleet = &f};
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = ec 2+1\n"});
    check_ok(ms_parallel(8, 8, store_same, &s, &err), err);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(s.codes[i], 0);
    assert_text(&f, "aa", "the one value");
    fleet_free(&f);
}

/* ---- members that fail ---------------------------------------------------------------------- */

static void a_member_down_is_replaced(void **state)
{
    (void)state;
    static const char *const policies[] = {"redundancy = copies 2\n", "redundancy = ec 2+1\n",
                                           "redundancy = ec 2+1\nverify = sha256\n"};
    struct ms_buf *value = fleet_value(200000, 8);
    char key[MS_SHA256_HEX];
    fleet_digest(value, key);
    for (unsigned p = 0; p < 3; p++) {
        struct fleet f;
        unsigned members = p ? 5 : 4, wanted = p ? 3 : 2;
        fleet_make(&f, &(struct fleet_options){
                           .members = members, .policy = policies[p], .lease_ns = 50000000});
        struct ms_site site = fleet_site(&f, key);
        unsigned down = site.order.member[0], spare = site.order.member[wanted];
        fleet_gone(&f, down, true);
        fleet_put(&f, key, value);
        assert_int_equal(fleet_all(&f, "val"), wanted);
        assert_int_equal(fleet_objects(&f, spare, "val"), 1);
        ms_pool_shutdown();
        /* on two; and on a majority that the put may come, unless the breaker was open before */
        assert_in_range(fleet_all(&f, "hint"), 2, 2 + members - 1);
        fleet_assert_loads(&f, key, value);
        fleet_gone(&f, down, false);
        fleet_gone(&f, site.order.member[1], true); /* another one: still within what it bears */
        fleet_assert_loads(&f, key, value);
        assert_ranges(&f, key, value, p);
        ms_pool_shutdown();
        fleet_free(&f);
    }
    ms_buf_unref(value);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void conditions_are_refused(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = fleet_value(10, 1);
    struct ms_precondition absent = {.kind = MS_IF_ABSENT}, tag = {.kind = MS_IF_TAG};
    fleet_make(&f, &(struct fleet_options){.members = 2, .policy = "redundancy = all\n"});
    struct ms_site site = fleet_site(&f, "0123");
    uint64_t before = fleet_calls(&f, MS_VERB_COUNT);
    check_code(ms_immutable_store(&site, f.ids, value, &absent, &err), MS_ERR_UNSUPPORTED, err);
    check_code(ms_immutable_store(&site, f.ids, value, &tag, &err), MS_ERR_UNSUPPORTED, err);
    check_text(err, "store without a condition");
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT), before);
    ms_buf_unref(value);
    fleet_free(&f);
}

static void the_key_must_be_the_digest(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    struct ms_buf *value = fleet_value(10, 1);
    fleet_make(
        &f, &(struct fleet_options){.members = 2, .policy = "redundancy = all\nverify = sha256\n"});
    struct ms_site site = fleet_site(&f, "0123");
    uint64_t before = fleet_calls(&f, MS_VERB_COUNT);
    check_code(ms_immutable_store(&site, f.ids, value, NULL, &err), MS_ERR_INVALID, err);
    check_text(err, "the key 0123 is not the value's SHA-256, ");
    assert_int_equal(fleet_calls(&f, MS_VERB_COUNT), before);
    ms_buf_unref(value);
    fleet_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_come_back),
        cmocka_unit_test(shards_come_back),
        cmocka_unit_test(any_two_shards_may_be_lost),
        cmocka_unit_test(three_lost_shards_are_an_error),
        cmocka_unit_test(flipped_bits_are_answered_and_repaired),
        cmocka_unit_test(damage_in_a_range_is_noted),
        cmocka_unit_test(no_call_too_many),
        cmocka_unit_test(another_value_is_refused),
        cmocka_unit_test(another_value_is_refused_without_a_member),
        cmocka_unit_test(what_is_left_of_a_store_is_in_nobodys_way),
        cmocka_unit_test(the_same_value_at_once_is_no_conflict),
        cmocka_unit_test(a_member_down_is_replaced),
        cmocka_unit_test(conditions_are_refused),
        cmocka_unit_test(the_key_must_be_the_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
