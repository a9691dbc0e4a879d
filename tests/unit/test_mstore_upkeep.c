/* mstore/upkeep*.c over immutable keys: what scrub tells apart, what heal and rebalance leave
 * behind, byte by byte. */
#include "mstore/erasure.h"
#include "mstore/immutable.h"
#include "mstore/tombs.h"
#include "mstore/upkeep.h"
#include "mstore/value_parts.h"

#include "base/pool.h"
#include "tests/support/check.h"
#include "tests/support/upkept.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_values(struct fleet *f)
{
    for (unsigned i = 0; i < UPKEPT_KEYS; i++) {
        char key[65];
        struct ms_buf *value = fleet_value(i * 4001, i + 1);
        fleet_assert_loads(f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
}

static const char *const policies[] = {
    "redundancy = copies 3\n",
    "redundancy = copies 2\nverify = sha256\n",
    "redundancy = copies 2\ncompress = zstd\n",
    "redundancy = ec 2+1\n",
    "redundancy = ec 2+2\nverify = sha256\n",
    "redundancy = ec 3+1\ncompress = zstd\n",
};
#define POLICIES (sizeof policies / sizeof *policies)

/* ---- lost ----------------------------------------------------------------------------------- */

static void lost_member_is_filled_again(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        upkept_fill(&f, policies[p], 4);
        unsigned before = fleet_objects(&f, 1, "val"), all = fleet_all(&f, "val");
        assert_true(before > 0);
        upkept_assert_clean(&f, false);
        upkept_assert_clean(&f, true);
        fleet_wipe(&f, 1, "val");

        struct ms_upkeep_report *r = upkept_scrub(&f, false);
        assert_false(ms_upkeep_report_clean(r));
        assert_int_equal(r->found[MS_FIND_WANTING], before);
        assert_int_equal(r->members[1].found[MS_FIND_WANTING], before);
        assert_int_equal(r->failed, before);
        assert_int_equal(fleet_objects(&f, 1, "val"), 0); /* a scrub changes nothing */
        ms_upkeep_report_free(r);

        r = upkept_run(&f, MS_UPKEEP_HEAL, false, true);
        assert_int_equal(r->wanting, before);
        assert_int_equal(fleet_objects(&f, 1, "val"), 0); /* nor does a dry run */
        ms_upkeep_report_free(r);

        r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
        assert_true(ms_upkeep_report_clean(r));
        assert_int_equal(r->repaired, before);
        assert_int_equal(r->members[1].written, before);
        assert_int_equal(r->members[1].removed, 0);
        ms_upkeep_report_free(r);
        assert_int_equal(fleet_objects(&f, 1, "val"), before);
        assert_int_equal(fleet_all(&f, "val"), all);
        upkept_assert_clean(&f, true);
        assert_values(&f);
        fleet_free(&f);
    }
}

/* ---- damaged -------------------------------------------------------------------------------- */

static void damage_is_found_and_mended(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        upkept_fill(&f, policies[p], 4);
        unsigned on_two = fleet_objects(&f, 2, "val"), all = fleet_all(&f, "val");
        fleet_flip(&f, 2, "val", 12345);

        struct ms_upkeep_report *r = upkept_scrub(&f, true);
        assert_int_equal(r->found[MS_FIND_DAMAGED], on_two);
        assert_int_equal(r->members[2].found[MS_FIND_DAMAGED], on_two);
        assert_false(ms_upkeep_report_clean(r));
        assert_true(r->bytes_read > 0);
        ms_upkeep_report_free(r);

        r = upkept_run(&f, MS_UPKEEP_HEAL, true, false);
        assert_true(ms_upkeep_report_clean(r));
        assert_int_equal(r->members[2].written, on_two);
        ms_upkeep_report_free(r);
        assert_int_equal(fleet_all(&f, "val"), all);
        upkept_assert_clean(&f, true);
        assert_values(&f);
        fleet_free(&f);
    }
}

/* ---- without an erasure code, and without hope ------------------------------------------------
 */

static bool no_erasure; /* as in a build without ISA-L */
int __real_ms_erasure_new(unsigned k, unsigned m, struct ms_erasure **out, struct ms_error *err);
int __wrap_ms_erasure_new(unsigned k, unsigned m, struct ms_erasure **out, struct ms_error *err);
int __wrap_ms_erasure_new(unsigned k, unsigned m, struct ms_erasure **out, struct ms_error *err)
{
    return no_erasure ? ms_error_set(err, MS_ERR_UNSUPPORTED, "built without ISA-L")
                      : __real_ms_erasure_new(k, m, out, err);
}

struct told { /* of one run */
    unsigned unjudged, fixed, not_fixed;
    char sentence[400];
};

static void take_told(void *ctx, const struct ms_upkeep_finding *f)
{
    struct told *t = ctx;
    if (f->find == MS_FIND_UNJUDGED) {
        t->unjudged++;
        snprintf(t->sentence, sizeof t->sentence, "%s", f->sentence);
    }
    if (f->find == MS_FIND_DAMAGED)
        ++*(f->fixed ? &t->fixed : &t->not_fixed);
}

static struct told run_told(struct fleet *f, enum ms_upkeep_task task, bool clean)
{
    struct told told = {0};
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *r = NULL;
    struct ms_error err = {0};
    o.deep = true;
    o.found = take_told;
    o.ctx = &told;
    check_ok(ms_upkeep_run(NULL, f->roster, task, &o, &r, &err), err);
    assert_int_equal(ms_upkeep_report_clean(r), clean);
    ms_upkeep_report_free(r);
    return told;
}

static void shards_are_not_judged_without_erasure_code(void **state)
{
    (void)state;
    struct fleet f;
    upkept_fill(&f, "redundancy = ec 2+1\n", 3);
    no_erasure = true;
    struct told told = run_told(&f, MS_UPKEEP_SCRUB, false);
    no_erasure = false;
    assert_int_equal(told.unjudged, UPKEPT_KEYS);
    assert_non_null(strstr(told.sentence, "could not be compared"));
    assert_non_null(strstr(told.sentence, "built without ISA-L"));
    upkept_assert_clean(&f, true);
    fleet_free(&f);
}

/* What is told as put right is whole afterwards. */
static void what_is_lost_is_not_put_right(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        upkept_fill(&f, policies[p], 4);
        fleet_flip(&f, 2, "val", 12345);
        struct told told = run_told(&f, MS_UPKEEP_HEAL, true);
        assert_int_equal(told.fixed, fleet_objects(&f, 2, "val"));
        assert_int_equal(told.not_fixed, 0);
        for (unsigned m = 0; m < 4; m++)
            fleet_flip(&f, m, "val", 12345);
        told = run_told(&f, MS_UPKEEP_HEAL, false);
        assert_int_equal(told.fixed, 0);
        assert_int_equal(told.not_fixed, fleet_all(&f, "val"));
        fleet_free(&f);
    }
}

struct cutting {
    size_t left; /* bytes */
};

static void cut(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    const struct cutting *c = ctx;
    struct ms_error err = {0};
    struct ms_buf *all = NULL;
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &all, NULL, &err), err);
    struct ms_buf *part = ms_buf_slice(all, 0, c->left);
    check_ok(ms_backend_store(storage, name, part, NULL, NULL, &err), err);
    ms_buf_unref(part);
    ms_buf_unref(all);
}

/* Sizes alone tell, without reading the rest. */
static void cut_objects_are_found_by_a_shallow_scrub(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        upkept_fill(&f, policies[p], 4);
        unsigned on_two = fleet_objects(&f, 2, "val");
        fleet_each(&f, 2, "val", cut, &(struct cutting){.left = 100});
        struct ms_upkeep_report *r = upkept_scrub(&f, false);
        assert_int_equal(r->found[MS_FIND_DAMAGED], on_two);
        ms_upkeep_report_free(r);
        r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
        assert_true(ms_upkeep_report_clean(r));
        ms_upkeep_report_free(r);
        upkept_assert_clean(&f, true);
        fleet_free(&f);
    }
}

/* More is gone than the policy tolerates: told, and nothing is touched. */
static void lost_values_are_told(void **state)
{
    (void)state;
    struct fleet f;
    upkept_fill(&f, "redundancy = ec 2+1\n", 3);
    fleet_flip(&f, 0, "val", 777);
    fleet_flip(&f, 2, "val", 778);
    unsigned all = fleet_all(&f, "val");
    struct ms_upkeep_report *r = upkept_run(&f, MS_UPKEEP_HEAL, true, false);
    assert_int_equal(r->lost, UPKEPT_KEYS);
    assert_int_equal(r->failed, UPKEPT_KEYS);
    assert_int_equal(r->found[MS_FIND_LOST], UPKEPT_KEYS);
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "val"), all);
    fleet_free(&f);
}

/* ---- elsewhere ------------------------------------------------------------------------------ */

struct hiking {
    struct fleet *f;
    unsigned to;
};

/* Off to a member that is no target, as a layout change leaves it. */
static void hike(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct hiking *h = ctx;
    struct ms_error err = {0};
    struct ms_buf *bytes = NULL;
    struct ms_info info = {0};
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &bytes, NULL, &err), err);
    if (ms_backend_info(h->f->storage[h->to], name, &info, NULL) || !info.exists) {
        check_ok(ms_backend_store(h->f->storage[h->to], name, bytes, NULL, NULL, &err), err);
        check_ok(ms_backend_delete(storage, name, &err), err);
    }
    ms_buf_unref(bytes);
}

static void moved_objects_come_home(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        upkept_fill(&f, policies[p], 5);
        unsigned before[5], all = fleet_all(&f, "val");
        for (unsigned i = 0; i < 5; i++)
            before[i] = fleet_objects(&f, i, "val");
        fleet_each(&f, 1, "val", hike, &(struct hiking){&f, 3});
        unsigned away = before[1] - fleet_objects(&f, 1, "val");
        if (!away) { /* every key has both among its targets */
            fleet_free(&f);
            continue;
        }
        /* heal counts them where they are */
        struct ms_upkeep_report *r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
        assert_true(ms_upkeep_report_clean(r));
        ms_upkeep_report_free(r);
        r = upkept_run(&f, MS_UPKEEP_REBALANCE, false, true);
        assert_int_equal(r->members[1].written, 0);
        ms_upkeep_report_free(r);
        r = upkept_run(&f, MS_UPKEEP_REBALANCE, false, false);
        assert_true(ms_upkeep_report_clean(r));
        ms_upkeep_report_free(r);
        assert_int_equal(fleet_all(&f, "val"), all);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(fleet_objects(&f, i, "val"), before[i]);
        upkept_assert_clean(&f, true);
        assert_values(&f);
        fleet_free(&f);
    }
}

/* What a target cannot be read for certain keeps the rest where it is. */
static void surplus_stays_while_a_copy_is_damaged(void **state)
{
    (void)state;
    struct fleet f, fewer;
    upkept_fill(&f, "redundancy = copies 3\n", 3);
    struct fleet_options o = {.members = 3, .policy = "redundancy = copies 2\n", .seed = 9};
    fleet_join(&fewer, &f, &o);
    for (unsigned i = 0; i < 3; i++)
        fleet_flip(&f, i, "val", 50 + i); /* nothing is good: nothing may go */
    struct ms_upkeep_report *r = upkept_run(&fewer, MS_UPKEEP_REBALANCE, false, false);
    assert_int_equal(fleet_all(&f, "val"), 3 * UPKEPT_KEYS);
    ms_upkeep_report_free(r);
    ms_roster_unref(fewer.roster);
    ms_ids_free(fewer.ids);
    fleet_free(&f);
}

static void surplus_goes(void **state)
{
    (void)state;
    struct fleet f, fewer;
    upkept_fill(&f, "redundancy = copies 3\n", 3);
    struct fleet_options o = {.members = 3, .policy = "redundancy = copies 2\n", .seed = 9};
    fleet_join(&fewer, &f, &o);
    struct ms_upkeep_report *r = upkept_run(&fewer, MS_UPKEEP_SCRUB, false, false);
    assert_int_equal(r->found[MS_FIND_SURPLUS], UPKEPT_KEYS);
    assert_true(ms_upkeep_report_clean(r)); /* nothing is missing */
    ms_upkeep_report_free(r);
    r = upkept_run(&fewer, MS_UPKEEP_REBALANCE, false, false);
    assert_true(ms_upkeep_report_clean(r));
    assert_int_equal(r->moved, UPKEPT_KEYS);
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "val"), 2 * UPKEPT_KEYS);
    upkept_assert_clean(&fewer, true);
    assert_values(&fewer);
    ms_roster_unref(fewer.roster);
    ms_ids_free(fewer.ids);
    fleet_free(&f);
}

/* ---- different values ----------------------------------------------------------------------- */

/* The other value's frame, under the same name: what a client's mistake leaves. */
static void put_other(struct fleet *f, const char *key, unsigned member, const char *text)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_value_shape shape = {.kind = MS_OWN_VALUE,
                                   .named_size = MS_OWN_SIZE_UNKNOWN,
                                   .k = 1,
                                   .has_write_id = true,
                                   .write_id = {7}};
    struct ms_buf *frame = NULL;
    struct ms_name name;
    struct ms_error err = {0};
    check_ok(ms_value_encode(&shape, MS_FRAME_BLOCK_DEFAULT, ms_str(text), &frame, &err), err);
    check_ok(ms_value_name(&site, &shape, 0, &name, &err), err);
    check_ok(ms_backend_store(f->storage[member], ms_name_view(&name), frame, NULL, NULL, &err),
             err);
    ms_buf_unref(frame);
}

static void majority_wins_or_nobody_decides(void **state)
{
    (void)state;
    struct fleet f;
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = copies 3\n"});
    for (unsigned i = 0; i < 3; i++)
        put_other(&f, "aa", i, i == 1 ? "wrong" : "right");
    for (unsigned i = 0; i < 3; i++)
        put_other(&f, "bb", i, i == 0 ? "one" : i == 1 ? "two" : "six");

    struct ms_upkeep_report *r = upkept_scrub(&f, true);
    assert_int_equal(r->found[MS_FIND_CONFLICT], 2);
    assert_false(ms_upkeep_report_clean(r));
    assert_int_equal(fleet_all(&f, "trash"), 0);
    ms_upkeep_report_free(r);

    r = upkept_run(&f, MS_UPKEEP_HEAL, true, false);
    assert_int_equal(r->conflicts, 1);
    assert_int_equal(r->repaired, 1);
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "trash"), 1);
    assert_int_equal(fleet_all(&f, "val"), 6);
    struct ms_buf *right = ms_buf_copy(ms_str("right"));
    fleet_assert_loads(&f, "aa", right);
    ms_buf_unref(right);
    r = upkept_run(&f, MS_UPKEEP_HEAL, true,
                   false); /* it is not forgotten, nor decided by itself */
    assert_int_equal(r->conflicts, 1);
    assert_false(ms_upkeep_report_clean(r));
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "val"), 6);
    fleet_free(&f);
}

/* A whole write in shards, one at each member, as one client leaves it that saw no other. */
static void put_shards(struct fleet *f, const char *key, uint64_t id, const char *text)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_value_shape shape = {
        .kind = MS_OWN_VALUE, .id = {id, id}, .named_size = strlen(text), .k = 2, .m = 1};
    struct ms_buf *frames[3] = {0};
    struct ms_error err = {0};
    ms_value_id_of_name(&shape);
    check_ok(ms_value_encode(&shape, MS_FRAME_BLOCK_DEFAULT, ms_str(text), frames, &err), err);
    for (unsigned i = 0; i < 3; i++) {
        struct ms_name name;
        check_ok(ms_value_name(&site, &shape, i, &name, &err), err);
        check_ok(ms_backend_store(f->storage[site.order.member[i]], ms_name_view(&name), frames[i],
                                  NULL, NULL, &err),
                 err);
        ms_buf_unref(frames[i]);
    }
}

static void assert_text(struct fleet *f, const char *key, const char *text)
{
    struct ms_buf *value = ms_buf_copy(ms_str(text));
    fleet_assert_loads(f, key, value);
    ms_buf_unref(value);
}

/* Of two whole values the one stays that every member got first, whichever ID is higher. */
static void the_first_of_two_values_stays(void **state)
{
    (void)state;
    struct fleet f;
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = ec 2+1\n"});
    put_shards(&f, "aa", 1, "first");
    put_shards(&f, "bb", 9, "first");
    put_shards(&f, "aa", 5, "second value");
    put_shards(&f, "bb", 5, "second value");
    struct ms_upkeep_report *r = upkept_scrub(&f, false);
    assert_int_equal(r->found[MS_FIND_CONFLICT], 6);
    assert_false(ms_upkeep_report_clean(r));
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "trash"), 0);
    r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
    assert_int_equal(r->repaired, 2);
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "val"), 6);
    assert_int_equal(fleet_all(&f, "trash"), 6); /* what came later can still be looked at */
    assert_text(&f, "aa", "first");
    assert_text(&f, "bb", "first");
    r = upkept_scrub(&f, true);
    assert_true(ms_upkeep_report_clean(r));
    ms_upkeep_report_free(r);
    fleet_free(&f);
}

/* The first one is damaged: the other is the only value there is, and stays. */
static void what_is_no_value_goes(void **state)
{
    (void)state;
    struct fleet f;
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = ec 2+1\n"});
    put_shards(&f, "aa", 1, "first");
    fleet_flip(&f, 0, "val", 70);
    fleet_flip(&f, 1, "val", 70);
    put_shards(&f, "aa", 5, "second value");
    struct ms_upkeep_report *r = upkept_run(&f, MS_UPKEEP_HEAL, true, false);
    assert_int_equal(r->conflicts, 0);
    ms_upkeep_report_free(r);
    assert_text(&f, "aa", "second value");
    fleet_free(&f);
}

/* Stored twice, the same value: one write of the two is enough. */
static void second_writes_go(void **state)
{
    (void)state;
    struct fleet f;
    upkept_fill(&f, "redundancy = ec 2+1\n", 3);
    unsigned once = fleet_all(&f, "val");
    for (unsigned i = 0; i < UPKEPT_KEYS; i += 2) {
        char key[65];
        struct ms_buf *value = fleet_value(i * 4001, i + 1);
        fleet_put(&f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
    ms_pool_shutdown();
    assert_int_equal(fleet_all(&f, "val"), once + 3 * UPKEPT_KEYS / 2);
    struct ms_upkeep_report *r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
    assert_true(ms_upkeep_report_clean(r));
    assert_int_equal(r->repaired, UPKEPT_KEYS / 2);
    ms_upkeep_report_free(r);
    assert_int_equal(fleet_all(&f, "val"), once);
    upkept_assert_clean(&f, true);
    assert_values(&f);
    fleet_free(&f);
}

/* ---- members away ---------------------------------------------------------------------------- */

static void nothing_is_judged_without_a_member(void **state)
{
    (void)state;
    struct fleet f;
    upkept_fill(&f, "redundancy = copies 3\n", 3);
    unsigned all = fleet_all(&f, "val");
    fleet_gone(&f, 1, true);
    struct ms_upkeep_report *r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
    assert_false(ms_upkeep_report_clean(r));
    assert_true(r->members[1].code != 0);
    assert_true(r->members[1].trouble[0] != '\0');
    assert_int_equal(r->members[0].removed + r->members[2].removed, 0);
    ms_upkeep_report_free(r);
    fleet_gone(&f, 1, false);
    assert_int_equal(fleet_all(&f, "val"), all);
    r = upkept_run(&f, MS_UPKEEP_HEAL, false, false);
    assert_true(ms_upkeep_report_clean(r));
    ms_upkeep_report_free(r);
    fleet_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_member_is_filled_again),
        cmocka_unit_test(damage_is_found_and_mended),
        cmocka_unit_test(shards_are_not_judged_without_erasure_code),
        cmocka_unit_test(what_is_lost_is_not_put_right),
        cmocka_unit_test(cut_objects_are_found_by_a_shallow_scrub),
        cmocka_unit_test(lost_values_are_told),
        cmocka_unit_test(moved_objects_come_home),
        cmocka_unit_test(surplus_stays_while_a_copy_is_damaged),
        cmocka_unit_test(surplus_goes),
        cmocka_unit_test(majority_wins_or_nobody_decides),
        cmocka_unit_test(the_first_of_two_values_stays),
        cmocka_unit_test(what_is_no_value_goes),
        cmocka_unit_test(second_writes_go),
        cmocka_unit_test(nothing_is_judged_without_a_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
