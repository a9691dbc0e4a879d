/* What all members have, key by key: order, levels, bounds, who has failed, names that are not
 * ours, calls, memory. */
#include "mstore/inventory.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/text.h"
#include "support/check.h"
#include "support/members.h"
#include "support/wrapalloc.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define MUTABLE   "[namespace data]\nkind = mutable\nredundancy = all\n"
#define IMMUTABLE "[namespace data]\nkind = immutable\nredundancy = all\n"

static struct ms_error err;
static const unsigned one_level[] = {1}, two_levels[] = {0, 2};

static struct ms_inventory_options options_of(unsigned kinds)
{
    return (struct ms_inventory_options){
        .space = ms_str("data"), .levels = one_level, .level_count = 1, .kinds = kinds};
}

/* What comes, as "KEY:MEMBER.COUNTER,MEMBER.COUNTER KEY:…". */
static void read_all(struct ms_inventory *inv, char *text, size_t size)
{
    const struct ms_inventory_entry *e;
    size_t used = 0;
    *text = 0;
    for (;;) {
        check_ok(ms_inventory_next(inv, &e, &err), err);
        if (!e)
            return;
        assert_true(e->count > 0);
        for (size_t i = 0; i < e->count && used + 300 < size; i++)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%.*s%s%u.%u", i ? "" : " ",
                                 i ? 0 : (int)e->key.size, (const char *)e->key.data, i ? "," : ":",
                                 e->objects[i].member, (unsigned)e->objects[i].name.id.counter);
    }
}

static void check_all(struct members *m, const struct ms_inventory_options *o, const char *wanted)
{
    struct ms_inventory *inv = NULL;
    char text[4096];
    check_ok(ms_inventory_open(m->roster, o, &inv, &err), err);
    read_all(inv, text, sizeof text);
    for (unsigned i = 0; i < m->count; i++)
        if (ms_inventory_error(inv, i))
            fail_msg("%s", ms_inventory_error(inv, i)->text);
    assert_string_equal(text, wanted);
    ms_inventory_close(inv);
}

static void put(struct members *m, unsigned member, enum ms_own_kind kind, const char *key,
                unsigned level, uint64_t counter)
{
    members_put(m, member, members_name(kind, key, level, counter), "value");
}

static void gives_keys_in_order_with_all_that_lies_there(void **state)
{
    struct members m;
    (void)state;
    members_make(&m, 3, MUTABLE, 0, ms_clock_real());
    put(&m, 0, MS_OWN_OBJECT, "b/x", 1, 1);
    put(&m, 1, MS_OWN_OBJECT, "b/x", 1, 2);
    put(&m, 1, MS_OWN_OBJECT, "b/x", 1, 1);
    put(&m, 2, MS_OWN_OBJECT, "a", 1, 7);
    put(&m, 2, MS_OWN_TOMBSTONE, "b/x", 1, 9);
    put(&m, 0, MS_OWN_OBJECT, "\x01", 1, 3);
    put(&m, 0, MS_OWN_OBJECT, "Z", 1, 4);
    struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_OBJECT));
    check_all(&m, &o, " \x01:0.3 Z:0.4 a:2.7 b/x:0.1,1.1,1.2");
    o.kinds |= MS_INVENTORY_KIND(MS_OWN_TOMBSTONE);
    check_all(&m, &o, " \x01:0.3 Z:0.4 a:2.7 b/x:0.1,1.1,1.2,2.9");
    o.space = ms_str("other");
    check_all(&m, &o, "");
    members_fini(&m);
}

static void entries_say_what_the_names_say(void **state)
{
    struct members m;
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *e;
    (void)state;
    members_make(&m, 1, IMMUTABLE, 0, ms_clock_real());
    struct ms_own_name name = members_name(MS_OWN_VALUE, "key", 1, 3);
    name.k = 4;
    name.m = 2;
    name.index = 5;
    name.size = 77;
    members_put(&m, 0, name, "stored");
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_VALUE));
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    check_ok(ms_inventory_next(inv, &e, &err), err);
    assert_int_equal(e->count, 1);
    assert_int_equal(e->objects->name.k, 4);
    assert_int_equal(e->objects->name.m, 2);
    assert_int_equal(e->objects->name.index, 5);
    assert_int_equal(e->objects->name.size, 77);
    assert_int_equal(e->objects->stored_bytes, 6);
    assert_true(e->objects->mtime_ns != 0);
    assert_true(ms_equal(e->objects->name.key, ms_str("key")));
    assert_true(ms_equal(e->objects->name.space, ms_str("data")));
    assert_true(ms_equal(e->key, ms_str("key")));
    ms_inventory_close(inv);
    members_fini(&m);
}

/* Keys of any bytes and lengths, at two levels, in both shapes: in order, resumed at any of them,
 * with any prefix of any of them, as sorting says. */

#define MANY 60

struct key {
    struct ms_view view;
    char text[400];
};
static struct key keys[MANY];

static int compare_keys(const void *a, const void *b)
{
    return ms_compare(((const struct key *)a)->view, ((const struct key *)b)->view);
}

static void make_keys(struct ms_random *random)
{
    static const char alphabet[] = "ab/A.~";
    for (unsigned i = 0; i < MANY; i++) {
        size_t size = 1 + ms_random_below(random, i % 3 ? 6 : 390);
        for (size_t k = 0; k < size; k++)
            keys[i].text[k] = alphabet[k < 150 && i % 3 == 0 ? 0 : ms_random_below(random, 6)];
        keys[i].view = ms_view(keys[i].text, size);
        for (unsigned j = 0; j < i; j++)
            if (ms_equal(keys[j].view, keys[i].view)) {
                i--;
                break;
            }
    }
    for (unsigned i = 0; i < MANY; i++) /* their texts move */
        keys[i].view.data = NULL;
    for (unsigned i = 0; i < MANY; i++)
        keys[i].view.data = (const uint8_t *)keys[i].text;
    qsort(keys, MANY, sizeof *keys, compare_keys);
    for (unsigned i = 0; i < MANY; i++)
        keys[i].view.data = (const uint8_t *)keys[i].text;
}

static void check_range(struct members *m, enum ms_own_kind kind, struct ms_view after,
                        struct ms_view prefix)
{
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *e;
    struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(kind));
    o.levels = two_levels;
    o.level_count = 2;
    o.start_after = after;
    o.prefix = prefix;
    check_ok(ms_inventory_open(m->roster, &o, &inv, &err), err);
    for (unsigned i = 0; i < MANY; i++) {
        if (ms_compare(keys[i].view, after) <= 0 || !ms_starts_with(keys[i].view, prefix))
            continue;
        check_ok(ms_inventory_next(inv, &e, &err), err);
        if (!e || !ms_equal(e->key, keys[i].view))
            fail_msg("after \"%s\", prefix \"%s\": not \"%s\"", MS_SHOW(after), MS_SHOW(prefix),
                     MS_SHOW(keys[i].view));
    }
    check_ok(ms_inventory_next(inv, &e, &err), err);
    assert_null(e);
    for (unsigned i = 0; i < m->count; i++)
        assert_int_equal(ms_inventory_strangers(inv, i, NULL), 0);
    ms_inventory_close(inv);
}

static unsigned listings(const struct members *m)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < m->count; i++)
        sum += atomic_load(&m->script[i].lists);
    return sum;
}

/* By itself: only what lies under it, for one listing a member and level. */
static void check_whole_key(struct members *m, enum ms_own_kind kind, struct ms_view key)
{
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *e;
    struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(kind));
    unsigned before = listings(m);
    o.levels = two_levels;
    o.level_count = 2;
    o.prefix = key;
    o.whole_key = true;
    check_ok(ms_inventory_open(m->roster, &o, &inv, &err), err);
    check_ok(ms_inventory_next(inv, &e, &err), err);
    if (!e || !ms_equal(e->key, key) || e->count != 1)
        fail_msg("not \"%s\" alone", MS_SHOW(key));
    check_ok(ms_inventory_next(inv, &e, &err), err);
    assert_null(e);
    for (unsigned i = 0; i < m->count; i++)
        assert_int_equal(ms_inventory_strangers(inv, i, NULL), 0);
    assert_int_equal(ms_inventory_missing(inv), 0);
    ms_inventory_close(inv);
    assert_int_equal(listings(m) - before, 2 * m->count);
}

static void any_keys_any_levels_any_bounds(void **state)
{
    static const enum ms_own_kind kinds[] = {MS_OWN_OBJECT, MS_OWN_VALUE};
    static const struct ms_view none;
    struct ms_random random;
    struct members m;
    (void)state;
    ms_random_seed(&random, 42);
    members_make(&m, 3, MUTABLE, 0, ms_clock_real());
    make_keys(&random);
    for (unsigned i = 0; i < MANY; i++)
        for (unsigned k = 0; k < 2; k++) {
            struct ms_own_name name = members_name(kinds[k], "", i % 2 ? 0 : 2, 1);
            name.key = keys[i].view;
            members_put(&m, i % 3, name, "v");
        }
    for (unsigned k = 0; k < 2; k++) {
        check_range(&m, kinds[k], none, none);
        for (unsigned i = 0; i < MANY; i++) {
            struct ms_view key = keys[i].view;
            check_whole_key(&m, kinds[k], key);
            check_range(&m, kinds[k], key, none);
            check_range(&m, kinds[k], none, key);
            check_range(&m, kinds[k], none, ms_view(key.data, (key.size + 1) / 2));
            check_range(&m, kinds[k], ms_view(key.data, (key.size + 1) / 2),
                        ms_view(key.data, key.size < 3 ? key.size : 3));
        }
    }
    members_fini(&m);
}

static void one_listing_for_each_folder_and_member(void **state)
{
    struct members m;
    (void)state;
    for (unsigned slow = 0; slow < 2; slow++) {
        members_make(&m, 2, IMMUTABLE, slow ? 400000 : 0, ms_clock_real());
        char key[16], wanted[4096];
        size_t used = 0;
        for (unsigned i = 0; i < 60; i++) { /* 12 chunks of 5 keys */
            snprintf(key, sizeof key, "%02x%02u", i / 5, i % 5);
            put(&m, 0, MS_OWN_VALUE, key, 1, 1);
            used += (size_t)snprintf(wanted + used, sizeof wanted - used, " %s:0.1", key);
        }
        const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_VALUE));
        check_all(&m, &o, wanted);
        assert_int_equal(atomic_load(&m.script[0].lists), 1 + 12);
        assert_int_equal(atomic_load(&m.script[1].lists), 1);
        members_fini(&m);
    }
}

static void a_failed_member_is_known_at_once(void **state)
{
    struct members m;
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *e;
    char text[512];
    (void)state;
    members_make(&m, 3, IMMUTABLE, 0, ms_clock_real());
    for (unsigned i = 0; i < 3; i++)
        for (char k = 'a'; k <= 'f'; k++)
            put(&m, i, MS_OWN_VALUE, (char[]){k, k, k, 0}, 1, 1);
    m.script[0].broken = "n.data!";
    m.script[0].code = MS_ERR_TIMEOUT;
    m.script[2].broken = "k.dd,"; /* on the way */
    m.script[2].code = MS_ERR_CORRUPT;
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_VALUE));
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    check_ok(ms_inventory_next(inv, &e, &err), err);
    assert_int_equal(e->count, 2);
    assert_int_equal(ms_inventory_members(inv), 3);
    assert_int_equal(ms_inventory_missing(inv), 1);
    assert_int_equal(ms_inventory_error(inv, 0)->code, MS_ERR_TIMEOUT);
    assert_string_equal(ms_inventory_error(inv, 0)->text, "member m0: the line broke");
    assert_null(ms_inventory_error(inv, 2));
    read_all(inv, text, sizeof text);
    assert_string_equal(text, " bbb:1.1,2.1 ccc:1.1,2.1 ddd:1.1 eee:1.1 fff:1.1");
    assert_int_equal(ms_inventory_missing(inv), 2);
    assert_int_equal(ms_inventory_error(inv, 2)->code, MS_ERR_CORRUPT);
    ms_inventory_close(inv);
    members_fini(&m);
}

static void hints_are_those_about_one_member(void **state)
{
    struct members m;
    (void)state;
    members_make(&m, 2, IMMUTABLE, 0, ms_clock_real());
    for (unsigned about = 0; about < 2; about++) {
        struct ms_own_name hint = {.kind = MS_OWN_HINT,
                                   .space = ms_str("data"),
                                   .key = ms_str(about ? "b" : "a"),
                                   .level = 1,
                                   .id = {7, about},
                                   .member = m.roster->layout->members[about].uuid};
        members_put(&m, 0, hint, "");
        members_put(&m, 1, hint, "");
    }
    struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_HINT));
    o.hints_about = m.roster->layout->members[0].uuid;
    check_all(&m, &o, " a:0.7,1.7");
    o.hints_about = m.roster->layout->members[1].uuid;
    check_all(&m, &o, " b:0.7,1.7");
    members_fini(&m);
}

/* The mount goes while the listing is under way: folders are empty all at once. */
static void a_storage_without_its_mark_has_not_answered(void **state)
{
    struct members m;
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *e;
    char text[512];
    (void)state;
    members_make(&m, 2, IMMUTABLE, 0, ms_clock_real());
    for (char k = 'a'; k <= 'd'; k++)
        put(&m, 0, MS_OWN_VALUE, (char[]){k, k, k, 0}, 1, 1);
    put(&m, 1, MS_OWN_VALUE, "zzz", 1, 1);
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_VALUE));
    static const char *const nothing[] = {NULL};
    m.script[0].broken = "k.cc,"; /* empty, but the mark is there */
    m.script[0].says = nothing;
    check_all(&m, &o, " aaa:0.1 bbb:0.1 ddd:0.1 zzz:1.1");
    check_ok(ms_backend_delete(m.storage[0],
                               ms_str("mstore-5d8e0102030445068708090a0b0c0d0e/member"), &err),
             err);
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    check_ok(ms_inventory_next(inv, &e, &err), err);
    assert_null(ms_inventory_error(inv, 1));
    read_all(inv, text, sizeof text);
    assert_non_null(strstr(text, " zzz:1.1"));
    assert_null(strstr(text, "ddd"));
    assert_int_equal(ms_inventory_error(inv, 0)->code, MS_ERR_NO_STORE);
    check_text(*ms_inventory_error(inv, 0), "member m0: memory: has lost its mark");
    ms_inventory_close(inv);
    members_fini(&m);
}

static void strangers_are_counted_and_shown(void **state)
{
    static const char *const names[] = {
        "obj/n.data!/k.aa,/k.aab!/0000000000000001-0000000000000001.0000000000000005.x", /* mark */
        "obj/n.data!/k.bb,/k.aac!/0000000000000001-0000000000000001.0000000000000005.l", /* chunk */
        "obj/n.data!/k.aa,/k.aab!/sub/x", /* a directory */
        "obj/n.data!/k.aa,/file",
        "obj/n.data!/k.long,/x",
        "obj/n.data!/k.aa,/k.bb,/x", /* another level */
        "obj/n.data!/k.ab!/x",       /* likewise */
        "obj/n.data!/k.ab+/x",
    };
    struct members m;
    struct ms_inventory *inv = NULL;
    char text[512];
    const char *example;
    (void)state;
    members_make(&m, 2, MUTABLE, 0, ms_clock_real());
    put(&m, 0, MS_OWN_OBJECT, "aab", 1, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "mstore-5d8e0102030445068708090a0b0c0d0e/%s", names[i]);
        members_put_name(&m, 0, text);
    }
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_OBJECT));
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    read_all(inv, text, sizeof text);
    assert_string_equal(text, " aab:0.1");
    assert_int_equal(ms_inventory_strangers(inv, 0, &example), 8);
    assert_non_null(strstr(example, "mstore-5d8e0102030445068708090a0b0c0d0e/obj/n.data!"));
    assert_int_equal(ms_inventory_strangers(inv, 1, &example), 0);
    assert_string_equal(example, "");
    ms_inventory_close(inv);
    members_fini(&m);
}

static void order_of_a_hostile_member_is_not_believed(void **state)
{
    static const char *const mixed[] = {"k.cc,/", "k.aa,/", "k.cc,/", "k.dd,/", NULL};
    static const char *const round[] = {"k.cc,/", "k.aa,/", NULL};
    struct members m;
    struct ms_inventory *inv = NULL;
    char text[512];
    const char *example;
    (void)state;
    members_make(&m, 2, IMMUTABLE, 0, ms_clock_real());
    for (char k = 'a'; k <= 'd'; k++) {
        put(&m, 0, MS_OWN_VALUE, (char[]){k, k, k, 0}, 1, 1);
        put(&m, 1, MS_OWN_VALUE, (char[]){k, k, 'x', 0}, 1, 1);
    }
    m.script[0].broken = "n.data!";
    m.script[0].says = mixed;
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_VALUE));
    m.script[0].only_whole = true; /* the folder of the namespace itself */
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    read_all(inv, text, sizeof text);
    assert_string_equal(text, " aax:1.1 bbx:1.1 ccc:0.1 ccx:1.1 ddd:0.1 ddx:1.1");
    assert_int_equal(ms_inventory_strangers(inv, 0, &example), 2);
    assert_non_null(strstr(example, "names out of order"));
    ms_inventory_close(inv);
    m.script[0].says = round;
    m.script[0].round = true;
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    read_all(inv, text, sizeof text);
    assert_string_equal(text, " aax:1.1 bbx:1.1 ccc:0.1 ccx:1.1 ddx:1.1");
    assert_int_equal(ms_inventory_error(inv, 0)->code, MS_ERR_PROTOCOL);
    check_text(*ms_inventory_error(inv, 0), "m0: the storage lists its names in no order");
    ms_inventory_close(inv);
    members_fini(&m);
}

/* ---- many keys ---- */

#define KEYS 100000

static void many_keys_in_bounded_memory(void **state)
{
    struct members m;
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *e;
    char key[16];
    size_t most = 0;
    (void)state;
    members_make(&m, 3, IMMUTABLE, 0, ms_clock_real());
    for (unsigned i = 0; i < KEYS; i++) { /* each on two of three */
        snprintf(key, sizeof key, "%02x%06u", i / 400, i);
        put(&m, i % 3, MS_OWN_VALUE, key, 1, 1);
        put(&m, (i + 1) % 3, MS_OWN_VALUE, key, 1, 1);
    }
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_VALUE));
    size_t before = mallinfo2().uordblks;
    check_ok(ms_inventory_open(m.roster, &o, &inv, &err), err);
    for (unsigned i = 0; i < KEYS; i++) {
        check_ok(ms_inventory_next(inv, &e, &err), err);
        snprintf(key, sizeof key, "%02x%06u", i / 400, i);
        assert_true(e && ms_equal(e->key, ms_str(key)));
        assert_int_equal(e->count, 2);
        size_t now = i % 256 ? 0 : mallinfo2().uordblks;
        most = now > before && now - before > most ? now - before : most;
    }
    check_ok(ms_inventory_next(inv, &e, &err), err);
    assert_null(e);
    assert_in_range(most, 0, 4 << 20);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&m.script[i].lists), 1 + 250);
    ms_inventory_close(inv);
    members_fini(&m);
}

/* ---- memory that runs out ---- */

static void allocation_k_fails(void **state)
{
    struct members m;
    bool failed = true;
    (void)state;
    members_make(&m, 2, MUTABLE, 0, ms_clock_real());
    put(&m, 0, MS_OWN_OBJECT, "abc", 1, 1);
    put(&m, 1, MS_OWN_OBJECT, "abd", 1, 1);
    const struct ms_inventory_options o = options_of(MS_INVENTORY_KIND(MS_OWN_OBJECT));
    for (long k = 0; failed; k++) {
        struct ms_inventory *inv = NULL;
        const struct ms_inventory_entry *e = NULL;
        unsigned count = 0;
        wrapalloc_arm(k);
        int code = ms_inventory_open(m.roster, &o, &inv, &err);
        while (!code && !(code = ms_inventory_next(inv, &e, &err)) && e)
            count++;
        failed = wrapalloc_disarm();
        if (code)
            check_code(code, MS_ERR_NO_MEMORY, err);
        else
            assert_int_equal(count, 2);
        ms_inventory_close(inv);
        assert_true(failed || k > 20);
        assert_true(k < 1000);
    }
    members_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_keys_in_order_with_all_that_lies_there),
        cmocka_unit_test(entries_say_what_the_names_say),
        cmocka_unit_test(any_keys_any_levels_any_bounds),
        cmocka_unit_test(one_listing_for_each_folder_and_member),
        cmocka_unit_test(a_failed_member_is_known_at_once),
        cmocka_unit_test(hints_are_those_about_one_member),
        cmocka_unit_test(a_storage_without_its_mark_has_not_answered),
        cmocka_unit_test(strangers_are_counted_and_shown),
        cmocka_unit_test(order_of_a_hostile_member_is_not_believed),
        cmocka_unit_test(many_keys_in_bounded_memory),
        cmocka_unit_test(allocation_k_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
