/* mstore/immutable_delete.c, tombs.c: what was deleted stays so, also when a member returns; what
 * is stored again is there again; with how many members down. */
#include "mstore/immutable.h"

#include "base/pool.h"
#include "mstore/immutable_parts.h"
#include "mstore/lease.h"
#include "mstore/staged.h"
#include "mstore/tombs.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdlib.h>

static const char key[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

static void put(struct fleet *f)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(f, key);
    struct ms_buf *value = ms_buf_copy(ms_str("hello"));
    check_ok(ms_immutable_store(&site, f->ids, value, NULL, &err), err);
    ms_buf_unref(value);
}

static int load(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_buf *got = NULL;
    int code = ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, err);
    if (!code)
        assert_true(ms_buf_size(got) == 5 && memcmp(ms_buf_view(got).data, "hello", 5) == 0);
    ms_buf_unref(got);
    return code;
}

static int forget(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    return ms_immutable_delete(&site, f->ids, err);
}

static const char *const policies[] = {
    "redundancy = copies 3\n", "redundancy = copies 3\nverify = sha256\n", "redundancy = ec 2+1\n",
    "redundancy = ec 2+1\nverify = sha256\n"};
#define POLICIES (sizeof policies / sizeof *policies)

static void a_deleted_value_is_gone(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        struct ms_error err = {0};
        struct ms_item_info info;
        fleet_make(&f, &(struct fleet_options){.members = 4, .policy = policies[p]});
        check_code(forget(&f, &err), MS_ERR_NOT_FOUND, err);
        assert_int_equal(fleet_all(&f, "tomb"), 0);
        put(&f);
        check_ok(load(&f, &err), err);
        check_ok(forget(&f, &err), err);
        ms_pool_shutdown();
        assert_int_equal(fleet_all(&f, "val"), 0);
        assert_int_equal(fleet_all(&f, "tomb"), 3);
        assert_int_equal(fleet_all(&f, "hint"), 0);
        check_code(load(&f, &err), MS_ERR_NOT_FOUND, err);
        struct ms_site site = fleet_site(&f, key);
        check_ok(ms_immutable_info(&site, &info, &err), err);
        assert_false(info.exists);
        check_code(forget(&f, &err), MS_ERR_NOT_FOUND, err);
        put(&f); /* and there again */
        check_ok(load(&f, &err), err);
        check_ok(forget(&f, &err), err);
        check_code(load(&f, &err), MS_ERR_NOT_FOUND, err);
        fleet_free(&f);
    }
}

/* Another client, which finds the marks of the member that was away. */
static void look_from_elsewhere(const struct fleet *f, const struct fleet_options *options,
                                unsigned away, int wanted)
{
    struct fleet other;
    struct ms_error err = {0};
    fleet_join(&other, f, options);
    uint64_t before = fleet_calls(&other, MS_VERB_COUNT);
    check_ok(ms_lease_poll(other.roster, MS_NEWS_AWAY, &err), err);
    /* a listing each; twice, when they are late since the machine is slow */
    assert_in_range(fleet_calls(&other, MS_VERB_COUNT) - before, 2, 6);
    for (unsigned i = 0; i < 3; i++)
        assert_true(ms_member_returning(other.roster->members[i]) == (i == away));
    check_code(load(&other, &err), wanted, err);
    fleet_free(&other);
}

static void a_returning_member_brings_nothing_back(void **state)
{
    (void)state;
    for (size_t p = 0; p < POLICIES; p++) {
        struct fleet f;
        struct ms_error err = {0};
        struct fleet_options options = {.members = 3, .policy = policies[p], .lease_ns = 20000000};
        fleet_make(&f, &options);
        struct ms_site site = fleet_site(&f, key);
        unsigned away = site.order.member[0]; /* it has a copy, or the only data shard */
        put(&f);
        fleet_gone(&f, away, true);
        check_ok(forget(&f, &err), err);
        ms_pool_shutdown();
        assert_int_equal(fleet_objects(&f, away, "val"), 1);
        assert_int_equal(fleet_all(&f, "val"), 1);
        assert_int_equal(fleet_all(&f, "hint"), 2); /* who is to be told, on both others */
        assert_int_equal(fleet_all(&f, "away"), 2);
        fleet_gone(&f, away, false);
        struct ms_clock *clock = f.clock;
        check_ok(ms_sleep(clock, UINT64_C(2500000000), &err), err); /* its breaker lets it in */
        assert_true(ms_member_returning(f.roster->members[away]));
        check_code(load(&f, &err), MS_ERR_NOT_FOUND, err);
        struct ms_item_info info;
        check_ok(ms_immutable_info(&site, &info, &err), err);
        assert_false(info.exists);
        look_from_elsewhere(&f, &options, away, MS_ERR_NOT_FOUND);
        put(&f); /* a later store counts */
        check_ok(load(&f, &err), err);
        look_from_elsewhere(&f, &options, away, 0);
        fleet_free(&f);
    }
}

static void a_copy_without_a_tombstone_counts(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 2, .policy = "redundancy = copies 2\n"});
    struct ms_site site = fleet_site(&f, key);
    put(&f);
    ms_member_set_returning(f.roster->members[site.order.member[0]]);
    fleet_gone(&f, site.order.member[1], true); /* within what it bears */
    check_ok(load(&f, &err), err);
    ms_member_settle(f.roster->members[site.order.member[0]]);
    assert_false(ms_member_returning(f.roster->members[site.order.member[0]]));
    fleet_free(&f);
}

static void no_majority_no_deletion(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 4, .policy = "redundancy = copies 3\n"});
    struct ms_site site = fleet_site(&f, key);
    put(&f);
    fleet_gone(&f, site.order.member[1], true);
    fleet_gone(&f, site.order.member[2], true);
    check_code(forget(&f, &err), MS_ERR_CONNECTION, err);
    check_text(err, "needs 2 of 3 members, 1 did it");
    check_ok(load(&f, &err), err);
    fleet_free(&f);
}

/* One copy, as a repair puts it that has not looked for tombstones yet; of what is there, if
 * anything. */
static struct ms_write_id stage(struct fleet *f, unsigned member)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(f, key);
    struct ms_value_shape shape;
    struct ms_name name, staged;
    struct ms_write_id id = ms_staged_draw(&site);
    struct ms_buf *bytes = NULL;
    check_ok(ms_immutable_shape(&site, &shape, &err), err);
    check_ok(ms_value_name(&site, &shape, 0, &name, &err), err);
    check_ok(ms_staged_name(&site, &shape, 0, id, &staged, &err), err);
    if (ms_backend_load(f->storage[member], ms_name_view(&name), 0, MS_SIZE_TO_END, &bytes, NULL,
                        NULL))
        bytes = ms_buf_copy(ms_str("a frame"));
    check_ok(
        ms_member_store(f->roster->members[member], ms_name_view(&staged), bytes, NULL, NULL, &err),
        err);
    ms_buf_unref(bytes);
    return id;
}

static int settle(struct fleet *f, unsigned member, struct ms_write_id id, bool absent)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(f, key);
    struct ms_value_shape shape;
    check_ok(ms_immutable_shape(&site, &shape, &err), err);
    return ms_staged_settle(&site, &shape, f->roster->members[member], 0, id, absent, NULL);
}

static void what_is_staged_goes_with_the_key(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){.members = 3, .policy = "redundancy = copies 3\n"});
    struct ms_write_id id = stage(&f, 1);
    check_code(load(&f, &err), MS_ERR_NOT_FOUND, err); /* nobody reads it */
    put(&f);
    assert_int_equal(fleet_all(&f, "val"), 4);
    check_ok(load(&f, &err), err);
    check_ok(forget(&f, &err), err);
    assert_int_equal(fleet_all(&f, "val"), 0);
    assert_int_equal(settle(&f, 1, id, true), MS_ERR_NOT_FOUND); /* late */
    check_code(load(&f, &err), MS_ERR_NOT_FOUND, err);
    put(&f);
    assert_int_equal(settle(&f, 1, stage(&f, 1), true), MS_ERR_EXISTS);
    assert_int_equal(fleet_all(&f, "val"), 3);
    assert_int_equal(settle(&f, 1, stage(&f, 1), false), 0);
    assert_int_equal(fleet_all(&f, "val"), 3);
    fleet_free(&f);
}

/* A member that keeps what is staged there has not answered: nobody believes it any more. */
static void what_stays_staged_is_noted(void **state)
{
    (void)state;
    struct fleet f;
    struct ms_error err = {0};
    fleet_make(&f, &(struct fleet_options){
                       .members = 3, .policy = "redundancy = copies 3\n", .lease_ns = 20000000});
    put(&f);
    struct ms_write_id id = stage(&f, 1);
    fleet_gone(&f, 1, true);
    check_ok(forget(&f, &err), err);
    fleet_gone(&f, 1, false);
    check_ok(ms_sleep(f.clock, UINT64_C(2500000000), &err), err); /* its breaker lets it in */
    assert_int_equal(settle(&f, 1, id, false), 0);
    assert_true(ms_member_returning(f.roster->members[1]));
    check_code(load(&f, &err), MS_ERR_NOT_FOUND, err);
    fleet_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deleted_value_is_gone),
        cmocka_unit_test(a_returning_member_brings_nothing_back),
        cmocka_unit_test(a_copy_without_a_tombstone_counts),
        cmocka_unit_test(no_majority_no_deletion),
        cmocka_unit_test(what_is_staged_goes_with_the_key),
        cmocka_unit_test(what_stays_staged_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
