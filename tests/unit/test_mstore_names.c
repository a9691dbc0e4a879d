/* mstore/names.c: the golden list, there and back, order, what is too long, what is refused. */
#include "mstore/names.h"

#include "base/text.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

static struct ms_own_name object(const char *space, const char *key)
{
    return (struct ms_own_name){
        .kind = MS_OWN_OBJECT,
        .store = {{0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}},
        .space = ms_str(space),
        .key = ms_str(key),
        .id = {.counter = 5, .writer = 0x8af3},
        .size = 4096,
    };
}

static const char *written(const struct ms_own_name *n)
{
    static struct ms_name out;
    static char text[MS_NAME_MAX + 1];
    struct ms_error err = {0};
    check_ok(ms_own_format(n, 143, &out, &err), err);
    memcpy(text, out.text, out.size);
    text[out.size] = '\0';
    return text;
}

static void check_same(const struct ms_own_name *a, const struct ms_own_name *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(ms_uuid_equal(&a->store, &b->store));
    assert_true(ms_equal(a->space, b->space));
    assert_true(ms_equal(a->key, b->key));
    assert_int_equal(a->level, b->level);
    assert_int_equal(ms_write_id_compare(&a->id, &b->id), 0);
    assert_true(a->size == b->size && a->time == b->time && a->epoch == b->epoch);
    assert_true(a->number == b->number && a->of_version == b->of_version);
    assert_int_equal(a->mark, b->mark);
    assert_int_equal(a->k, b->k);
    assert_int_equal(a->m, b->m);
    assert_int_equal(a->index, b->index);
    assert_true(ms_uuid_equal(&a->member, &b->member));
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->final, b->final);
}

#define GOLDEN_COUNT 23

/* One of each kind, in the order of tests/data/mstore/names. */
static unsigned examples(struct ms_own_name *n)
{
    static char long_key[301];
    memset(long_key, 'x', 300);
    unsigned i = 0;
    for (unsigned k = 0; k < GOLDEN_COUNT; k++)
        n[k] = object("data", "0123abcd");
    n[i++] = (struct ms_own_name){.kind = MS_OWN_MEMBER, .store = n[0].store};
    n[i++] = (struct ms_own_name){.kind = MS_OWN_LAYOUT, .store = n[0].store, .epoch = 7};
    n[i++] = (struct ms_own_name){
        .kind = MS_OWN_LAYOUT, .store = n[2].store, .epoch = 255, .final = true};
    i++; /* a version */
    n[i++].mark = MS_OWN_DELETED;
    n[i++].mark = MS_OWN_SOFT_DELETED;
    n[i].k = 4, n[i].m = 2, n[i++].index = 5;
    n[i].k = 1, n[i].size = MS_OWN_SIZE_UNKNOWN, n[i++].level = 2;
    n[i++] = object("", "a");
    n[i] = object("data/sub", "\xc3\xa9 /.."), n[i++].level = 3;
    n[i++] = object("x", long_key);
    n[i].kind = MS_OWN_TOMBSTONE, n[i].size = 0, n[i++].mark = MS_OWN_DELETED;
    n[i].kind = MS_OWN_HINT, n[i].size = 0, memset(n[i].member.bytes, 0x11, 16), i++;
    n[i].kind = MS_OWN_INTENT, n[i].size = 0, n[i++].op = MS_OWN_RENAME;
    n[i].kind = MS_OWN_BLOCK, n[i].size = 0, n[i].id.counter = n[i].id.writer = 0;
    n[i++].number = 0x8af3;
    n[i].kind = MS_OWN_TRASH, n[i].time = 1700000000, n[i].k = 255, n[i++].index = 254;
    n[i].kind = MS_OWN_VALUE, n[i].k = 4, n[i].m = 2, n[i++].level = 2;
    n[i] = object("x", long_key), n[i].kind = MS_OWN_VALUE, n[i].size = MS_OWN_SIZE_UNKNOWN;
    n[i].id = (struct ms_write_id){0}, n[i++].k = 1;
    n[i] = object("", "a"), n[i].kind = MS_OWN_VALUE, n[i].k = 1, n[i++].mark = MS_OWN_SOFT_DELETED;
    n[i].k = 1, n[i++].id.next = 3;
    n[i] = object("", "a"), n[i].kind = MS_OWN_STAGED, n[i++].k = 1;
    n[i].kind = MS_OWN_BLOCK, n[i].size = 0, n[i].id.next = 3, n[i].of_version = true;
    n[i++].number = 0x8af2;
    n[i].kind = MS_OWN_TOMBSTONE, n[i].size = 0, n[i++].mark = MS_OWN_TAKEN_BACK;
    return i;
}

static void golden_names(void **state)
{
    (void)state;
    static struct ms_own_name names[GOLDEN_COUNT];
    static struct ms_own_parsed parsed;
    char line[MS_NAME_MAX];
    assert_int_equal(examples(names), GOLDEN_COUNT);
    FILE *file = fopen(TEST_DATA "/mstore/names", "r");
    assert_non_null(file);
    for (unsigned i = 0; i < GOLDEN_COUNT; i++) {
        assert_non_null(fgets(line, sizeof line, file));
        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(written(&names[i]), line);
        assert_true(ms_own_parse(ms_str(line), &parsed));
        check_same(&parsed.name, &names[i]);
        assert_null(ms_namespace_fault(ms_str(line))); /* BorgStore's rule */
        assert_null(ms_borgstore_fault(ms_str(line)));
        assert_true(ms_own_reserved(ms_str(line), &names[i].store));
    }
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
}

static void folders_hold_their_objects(void **state)
{
    (void)state;
    struct ms_own_name n = object("data", "0123abcd");
    struct ms_name folder;
    struct ms_error err = {0};
    static const char *const wanted[] = {
        [MS_OWN_OF_KIND] = "mstore-5d8e01020304450687"
                           "08090a0b0c0d0e/hint/"
                           "22222222222222222222222222222222",
        [MS_OWN_OF_SPACE] = "mstore-5d8e01020304450687"
                            "08090a0b0c0d0e/hint/"
                            "22222222222222222222222222222222/n.data!",
        [MS_OWN_OF_KEY] = "mstore-5d8e01020304450687"
                          "08090a0b0c0d0e/hint/"
                          "22222222222222222222222222222222/n.data!/k.01,/k.0123abcd!"};
    n.kind = MS_OWN_HINT;
    n.level = 1;
    memset(n.member.bytes, 0x22, 16);
    for (unsigned depth = 0; depth < 3; depth++) {
        check_ok(ms_own_folder(&n, (enum ms_own_depth)depth, 143, &folder, &err), err);
        assert_int_equal(folder.size, strlen(wanted[depth]));
        assert_memory_equal(folder.text, wanted[depth], folder.size);
    }
}

static void values_lie_beside_each_other(void **state)
{
    (void)state;
    struct ms_own_name n = object("data", "0123abcd");
    static struct ms_name folder, object;
    char begin[MS_OWN_BEGIN_MAX];
    size_t size = 0;
    struct ms_error err = {0};
    n.kind = MS_OWN_VALUE;
    n.level = n.k = 1;
    check_ok(ms_own_folder(&n, MS_OWN_OF_KEY, 143, &folder, &err), err);
    assert_true(ms_equal(ms_name_view(&folder), ms_str("mstore-5d8e0102030445068708090a0b0c0d0e/"
                                                       "val/n.data!/k.01,")));
    check_ok(ms_own_begin(&n, begin, &size, &err), err);
    assert_true(ms_equal(ms_view(begin, size), ms_str("k.0123abcd!")));
    check_ok(ms_own_format(&n, 143, &object, &err), err);
    assert_true(
        ms_starts_with(ms_view(object.text + folder.size + 1, object.size - folder.size - 1),
                       ms_view(begin, size)));
    char key[301];
    memset(key, 'x', sizeof key); /* three pieces of 80, and 61 more */
    n.key = ms_view(key, sizeof key);
    check_ok(ms_own_begin(&n, begin, &size, &err), err);
    assert_int_equal(size, 2 + 61 + 1);
    n.key = ms_view(key, 80);
    check_ok(ms_own_begin(&n, begin, &size, &err), err);
    assert_int_equal(size, MS_OWN_BEGIN_MAX);
}

/* ---- order ---- */

static void names_sort_as_versions_do(void **state)
{
    (void)state;
    struct ms_random random;
    ms_random_seed(&random, 11);
    for (int i = 0; i < 20000; i++) {
        struct ms_own_name a = object("data", "k"), b = a;
        static struct ms_name x, y;
        struct ms_error err = {0};
        a.id = (struct ms_write_id){ms_random_u64(&random) >> ms_random_below(&random, 64),
                                    ms_random_u64(&random), ms_random_below(&random, 3)};
        b.id = (struct ms_write_id){
            ms_random_below(&random, 3) ? a.id.counter : ms_random_u64(&random),
            ms_random_below(&random, 3) ? a.id.writer : ms_random_u64(&random),
            ms_random_below(&random, 3)};
        if (ms_write_id_compare(&a.id, &b.id) == 0)
            continue;
        a.mark = (enum ms_own_mark)ms_random_below(&random, 3);
        b.size = ms_random_u64(&random);
        check_ok(ms_own_format(&a, 143, &x, &err), err);
        check_ok(ms_own_format(&b, 143, &y, &err), err);
        int by_name = ms_compare(ms_name_view(&x), ms_name_view(&y));
        assert_int_equal((by_name > 0) - (by_name < 0), ms_write_id_compare(&a.id, &b.id));
    }
}

/* Keys with much in common, of bytes around the borders of the escape and of all lengths. */
static size_t random_key(struct ms_random *random, uint8_t *key)
{
    static const uint8_t some[] = {0, '!', '+', ',', '-', '/', '0', '9', '_', 'a', 'z', '~', 0xff};
    size_t size = 1 + ms_random_below(random, 4);
    if (ms_random_below(random, 4) == 0)
        size += 110 + ms_random_below(random, 20);
    memset(key, 'b', size);
    for (size_t i = size > 12 ? size - 12 : 0; i < size; i++)
        key[i] = some[ms_random_below(random, sizeof some)];
    return size;
}

static void names_sort_as_keys_do(void **state)
{
    (void)state;
    struct ms_random random;
    ms_random_seed(&random, 12);
    for (int i = 0; i < 20000; i++) {
        uint8_t key_a[160], key_b[160];
        static struct ms_name x, y;
        struct ms_error err = {0};
        struct ms_own_name a = object("data", "k"), b;
        a.kind = i % 2 ? MS_OWN_OBJECT : MS_OWN_VALUE;
        a.k = 1;
        b = a;
        a.key = ms_view(key_a, random_key(&random, key_a));
        b.key = ms_view(key_b, random_key(&random, key_b));
        a.level = b.level = (unsigned)ms_random_below(&random, MS_OWN_LEVELS_MAX + 1);
        check_ok(ms_own_format(&a, 143, &x, &err), err);
        check_ok(ms_own_format(&b, 143, &y, &err), err);
        int by_name = ms_compare(ms_name_view(&x), ms_name_view(&y));
        int by_key = ms_compare(a.key, b.key);
        assert_int_equal((by_name > 0) - (by_name < 0), (by_key > 0) - (by_key < 0));
    }
}

/* ---- there and back ---- */

static void random_names_come_back(void **state)
{
    (void)state;
    static struct ms_own_parsed parsed;
    static uint8_t bytes[MS_BYTES_KEY_MAX + MS_OWN_SPACE_MAX];
    struct ms_random random;
    ms_random_seed(&random, 13);
    for (int i = 0; i < 5000; i++) {
        for (size_t b = 0; b < sizeof bytes; b++)
            bytes[b] = (uint8_t)ms_random_u64(&random);
        struct ms_own_name n = object("", "k");
        n.kind = (enum ms_own_kind)(MS_OWN_OBJECT + ms_random_below(&random, 7));
        n.space = ms_view(bytes, ms_random_below(&random, 41));
        n.key = ms_view(bytes + MS_OWN_SPACE_MAX,
                        1 + ms_random_below(&random, i % 7 ? 20 : MS_BYTES_KEY_MAX));
        n.level = (unsigned)ms_random_below(&random, MS_OWN_LEVELS_MAX + 1);
        n.id = (struct ms_write_id){ms_random_u64(&random), ms_random_u64(&random),
                                    ms_random_below(&random, 2) ? ms_random_u64(&random) : 0};
        n.size = n.time = n.epoch = 0;
        if (n.kind == MS_OWN_VALUE)
            n.id.next = 0; /* of mutable keys alone */
        if (n.kind == MS_OWN_BLOCK) {
            n.number = ms_random_u64(&random);
            n.of_version = ms_random_below(&random, 2);
            n.id = n.of_version ? n.id : (struct ms_write_id){0};
        }
        if (n.kind == MS_OWN_HINT)
            ms_uuid_new(&random, &n.member);
        if (n.kind == MS_OWN_INTENT)
            n.op = (enum ms_own_op)ms_random_below(&random, 4);
        if (n.kind == MS_OWN_TRASH)
            n.time = ms_random_u64(&random);
        bool shards = n.kind == MS_OWN_TRASH || n.kind == MS_OWN_OBJECT || n.kind == MS_OWN_VALUE;
        if (shards || n.kind == MS_OWN_TOMBSTONE) {
            n.size = ms_random_u64(&random);
            n.mark = (enum ms_own_mark)ms_random_below(&random, 3);
        }
        if (shards && (i % 2 || n.kind == MS_OWN_VALUE)) {
            n.k = 1 + (unsigned)ms_random_below(&random, 254);
            n.m = (unsigned)ms_random_below(&random, 255 - n.k);
            n.index = (unsigned)ms_random_below(&random, n.k + n.m);
        }
        const char *text = written(&n);
        if (!ms_own_parse(ms_str(text), &parsed))
            fail_msg("not read back: %s", text);
        check_same(&parsed.name, &n);
    }
}

/* ---- limits and refusals ---- */

static void too_long_is_refused(void **state)
{
    (void)state;
    static uint8_t key[MS_BYTES_KEY_MAX + 1]; /* zeros: escaped, three times as long */
    struct ms_own_name n = object("data", "");
    struct ms_name out = {.size = 77};
    struct ms_error err = {0};
    check_code(ms_own_format(&n, 255, &out, &err), MS_ERR_NAME, err);
    check_text(err, "the key \"\" cannot be kept: it is empty");
    n.key = ms_view(key, sizeof key);
    check_code(ms_own_format(&n, 255, &out, &err), MS_ERR_NAME, err);
    check_text(err, "it is longer than 1024 bytes");
    assert_int_equal(out.size, 77); /* untouched */
    n.key.size--;
    n.level = MS_OWN_LEVELS_MAX;
    check_ok(ms_own_format(&n, 143, &out, &err), err); /* the longest there is */
    assert_in_range(out.size, 3072, MS_NAME_MAX);
    check_code(ms_own_format(&n, 122, &out, &err), MS_ERR_NAME, err);
    check_text(err, "a part of its name is longer than 122 bytes, the most that the storage holds");
    check_code(ms_own_folder(&n, MS_OWN_OF_KEY, 122, &out, &err), MS_ERR_NAME, err);
    check_ok(ms_own_folder(&n, MS_OWN_OF_SPACE, 122, &out, &err), err);
    n.level++;
    check_code(ms_own_format(&n, 143, &out, &err), MS_ERR_NAME, err);
    n = object("data", "abc");
    n.space = ms_view(key, MS_OWN_SPACE_MAX + 1);
    check_code(ms_own_format(&n, 143, &out, &err), MS_ERR_NAME, err);
    check_text(err, "its namespace is longer than 100 bytes");
    n.space.size = 41;
    check_code(ms_own_format(&n, 143, &out, &err), MS_ERR_NAME, err);
    check_text(err, "its namespace takes more than 120 characters when escaped");
    n.space.size = 40;
    check_ok(ms_own_format(&n, 143, &out, &err), err);
}

static void impossible_shards_are_refused(void **state)
{
    (void)state;
    static const unsigned bad[][3] = {{0, 1, 0}, {0, 0, 1}, {4, 2, 6}, {200, 56, 0}, {1, 0, 1}};
    struct ms_name out;
    struct ms_error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_own_name n = object("data", "abc");
        n.k = bad[i][0];
        n.m = bad[i][1];
        n.index = bad[i][2];
        check_code(ms_own_format(&n, 143, &out, &err), MS_ERR_NAME, err);
        check_text(err, "there is no such shard");
    }
    struct ms_own_name n = object("data", "abc");
    n.kind = MS_OWN_TOMBSTONE;
    n.k = 1;
    check_code(ms_own_format(&n, 143, &out, &err), MS_ERR_NAME, err);
    n.kind = MS_OWN_VALUE;
    n.k = 0;
    check_code(ms_own_format(&n, 143, &out, &err), MS_ERR_NAME, err);
}

#define U                                                                                          \
    "mstore-5d8e01020304450687"                                                                    \
    "08090a0b0c0d0e"

static void foreign_names_are_not_ours(void **state)
{
    (void)state;
    static struct ms_own_parsed parsed;
    static const char good[] = U "/obj/n.data!/k.01,/k.0123abcd!/"
                                 "0000000000000005-0000000000008af3.0000000000001000.l.040205";
    static const char *const bad[] = {
        "",
        "/",
        U,
        U "/",
        U "/thing",
        U "/member/x",
        U "/layout/0000000000000007",
        U "/layout/0000000000000007.x",
        U "/layout/7.p",
        U "/obj",
        U "/obj/n.data!/0000000000000005-0000000000008af3.0000000000001000.l",
        U "/obj/k.a!/0000000000000005-0000000000008af3.0000000000001000.l",
        U "/obj/n.data!/k.!/0000000000000005-0000000000008af3.0000000000001000.l", /* no key */
        U "/obj/n.data!/k.a+/k.b!/0000000000000005-0000000000008af3.0000000000001000.l",
        U "/obj/n.data!/k.02,/k.0123!/0000000000000005-0000000000008af3.0000000000001000.l",
        U "/obj/n.data!/k.A!/0000000000000005-0000000000008af3.0000000000001000.l",
        U "/obj/n.data!/k._61!/0000000000000005-0000000000008af3.0000000000001000.l", /* is a */
        U "/obj/n.data!/k.a!/0000000000000005-0000000000008af3.ffffffffffffffff.l",
        U "/obj/n.data!/k.a!/0000000000000005-0000000000008AF3.0000000000001000.l",
        U "/obj/n.data!/k.a!/0000000000000005-0000000000008af3.0000000000001000.l.000000",
        U "/obj/n.data!/k.a!/0000000000000005-0000000000008af3.0000000000001000.l.040206",
        U "/obj/n.data!/k.a!/0000000000000005-0000000000008af3.0000000000001000.l.040205.tmp",
        U "/tomb/n.data!/k.a!/0000000000000005-0000000000008af3.0000000000001000.d.010000",
        U "/val/n.data!/k.a!/0000000000000005-0000000000008af3.0000000000001000.l.010000",
        U "/obj/n.data!/k.a!/0000000000000005-0000000000008af3.0000000000001000.t",
        U "/val/n.data!/k.a!0000000000000005-0000000000008af3.0000000000001000.t.010000",
        U "/val/n.data!/k.a!0000000000000005-0000000000008af3.0000000000001000.l",
        U "/val/n.data!/k.a0000000000000005-0000000000008af3.0000000000001000.l.010000",
        U "/val/n.data!/k.!0000000000000005-0000000000008af3.0000000000001000.l.010000",
        U "/val/n.data!/k.a!!0000000000000005-0000000000008af3.0000000000001000.l.010000",
        U "/val/k.a!0000000000000005-0000000000008af3.0000000000001000.l.010000",
        U "/hint/n.data!/k.a!/0000000000000005-0000000000008af3",
        "mstore-5D8E0102030445068708090a0b0c0d0e/member",
        "data/0123abcd",
    };
    assert_true(ms_own_parse(ms_str(good), &parsed));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ms_own_parse(ms_str(bad[i]), &parsed))
            fail_msg("accepted: %s", bad[i]);
    char changed[sizeof good + 1];
    for (size_t i = 0; i < sizeof good - 1; i++) { /* every prefix, every byte */
        bool version = i == sizeof good - 1 - 7;   /* without the shard it is one, too */
        assert_int_equal(ms_own_parse(ms_view(good, i), &parsed), version);
        memcpy(changed, good, sizeof good);
        changed[i] = 'A';
        assert_false(ms_own_parse(ms_view(changed, sizeof good - 1), &parsed));
    }
    static const char own[] = "mstore-5d8e0102030445068708090a0b0c0d0e/thing";
    struct ms_uuid store, other = {{1}};
    assert_true(ms_own_parse(ms_view(good, sizeof good - 1), &parsed));
    store = parsed.name.store;
    assert_true(ms_own_reserved(ms_view(own, 39), &store)); /* the folder itself */
    assert_true(ms_own_reserved(ms_view(own, 40), &store));
    assert_true(ms_own_reserved(ms_str(own), &store));
    assert_false(ms_own_reserved(ms_view(own, 38), &store));
    assert_false(ms_own_reserved(ms_str(own), &other)); /* a store within a store */
    assert_false(ms_own_reserved(ms_str("mstore-5d8e0102030445068708090a0b0c0d0e-x"), &store));
    assert_false(ms_own_reserved(ms_str("data/mstore-"), &store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_names),
        cmocka_unit_test(values_lie_beside_each_other),
        cmocka_unit_test(folders_hold_their_objects),
        cmocka_unit_test(names_sort_as_versions_do),
        cmocka_unit_test(names_sort_as_keys_do),
        cmocka_unit_test(random_names_come_back),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(impossible_shards_are_refused),
        cmocka_unit_test(foreign_names_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
