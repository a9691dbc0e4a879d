/* Listings of framed namespaces: what counts as an item, its size and how it is learned, options,
 * complete or an error, simulations with members that fail. */
#include "mstore/list.h"
#include "base/sim.h"
#include "base/text.h"
#include "mstore/frame.h"
#include "support/check.h"
#include "support/drain_list.h"

#include <mstore/emulator.h>

#include <stdio.h>
#include <stdlib.h>

#define MUTABLE "[namespace data]\nkind = mutable\nredundancy = all\nlevels = 1\n"
#define COPIES  "[namespace data]\nkind = immutable\nredundancy = all\nlevels = 1\n"
#define CODED   "[namespace data]\nkind = immutable\nredundancy = ec 2+1\nlevels = 1\n"

static struct ms_error err;
static const struct ms_list_options all = MS_LIST_OPTIONS_INIT;

static int open_list(struct members *m, const struct ms_list_options *o,
                     struct ms_store_lister **out)
{
    const struct ms_layout_space *space = ms_layout_space(m->roster->layout, ms_str("data"));
    return ms_list_framed(m->roster, space, ms_str("data"), o, out, &err);
}

static void check_list(struct members *m, const struct ms_list_options *o, const char *wanted)
{
    struct ms_store_lister *l = NULL;
    char text[2048];
    check_ok(open_list(m, o, &l), err);
    check_ok(drain_list(l, text, sizeof text, &err), err);
    ms_store_lister_close(l);
    assert_string_equal(text, wanted);
}

static struct ms_own_name version(const char *key, uint64_t counter, uint64_t size,
                                  enum ms_own_mark mark)
{
    struct ms_own_name name = members_name(MS_OWN_OBJECT, key, 1, counter);
    name.size = size;
    name.mark = mark;
    name.k = mark == MS_OWN_DELETED ? 0 : 1;
    return name;
}

/* ---- what is an item ---- */

static void put_versions(struct members *m)
{
    members_put(m, 0, version("a", 1, 10, MS_OWN_LIVE), "x");
    members_put(m, 1, version("a", 2, 20, MS_OWN_LIVE), "x"); /* newer */
    members_put(m, 0, version("b", 1, 10, MS_OWN_LIVE), "x");
    members_put(m, 2, version("b", 2, 0, MS_OWN_DELETED), "x");
    members_put(m, 0, version("c", 5, 30, MS_OWN_SOFT_DELETED), "x");
    members_put(m, 1, version("c", 4, 10, MS_OWN_LIVE), "x");
    members_put(m, 1, version("d/1", 1, 1, MS_OWN_LIVE), "x");
    members_put(m, 2, version("d/2", 1, 2, MS_OWN_LIVE), "x");
    members_put(m, 2, version("e", 1, 3, MS_OWN_LIVE), "x");
}

static void the_newest_version_counts(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    (void)state;
    members_make(&m, 3, MUTABLE, 0, ms_clock_real());
    put_versions(&m);
    check_list(&m, &o, "a=20 d/1=1 d/2=2 e=3 ");
    struct ms_store_lister *l = NULL;
    const struct ms_item *item;
    check_ok(ms_list_framed(m.roster, m.roster->layout->spaces, ms_str("data/"), &o, &l, &err),
             err);
    check_ok(ms_store_lister_next(l, &item, &err), err);
    assert_true(ms_equal(item->key, ms_str("a")));
    ms_store_lister_close(l);
    o.deleted = MS_LIST_DELETED;
    check_list(&m, &o, "c.del=30 ");
    o.deleted = MS_LIST_BOTH;
    check_list(&m, &o, "a=20 c.del=30 d/1=1 d/2=2 e=3 ");
    o.names_only = true;
    check_list(&m, &o, "a=0 c.del=0 d/1=0 d/2=0 e=0 ");
    members_fini(&m);
}

/* Stored again while a deletion that is over, and whose end is there, is left on a member. */
static void a_deletion_that_is_over_counts_for_nothing(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    (void)state;
    members_make(&m, 3, MUTABLE, 0, ms_clock_real());
    members_put(&m, 0, version("a", 1, 10, MS_OWN_LIVE), "x");
    members_put(&m, 1, version("a", 1, 10, MS_OWN_LIVE), "x");
    members_put(&m, 2, version("a", 5, 0, MS_OWN_DELETED), "x");
    members_put(&m, 2, version("a", 5, MS_OWN_SIZE_UNKNOWN, MS_OWN_DELETED), "x");
    members_put(&m, 2, version("b", 5, MS_OWN_SIZE_UNKNOWN, MS_OWN_DELETED), "x");
    check_list(&m, &o, "a=10 ");
    members_fini(&m);
}

static void prefix_start_limit_delimiter(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    (void)state;
    members_make(&m, 3, MUTABLE, 0, ms_clock_real());
    put_versions(&m);
    o.prefix = ms_str("d");
    check_list(&m, &o, "d/1=1 d/2=2 ");
    o.start_after = ms_str("d/1");
    check_list(&m, &o, "d/2=2 ");
    o = all;
    o.delimiter = '/';
    check_list(&m, &o, "a=20 d/ e=3 ");
    o.limit = 2;
    check_list(&m, &o, "a=20 d/ ");
    o.start_after = ms_str("d/");
    check_list(&m, &o, "e=3 ");
    o = all;
    o.limit = 3;
    check_list(&m, &o, "a=20 d/1=1 d/2=2 ");
    members_fini(&m);
}

static void tombstones_hide_what_missed_them(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    (void)state;
    members_make(&m, 3, COPIES, 0, ms_clock_real());
    static const char *const keys[] = {"buried",       "taken-back",  "alive",    "soft",
                                       "stored-again", "soft-buried", "soft-back"};
    for (unsigned i = 0; i < 7; i++) {
        struct ms_own_name name = members_name(MS_OWN_VALUE, keys[i], 1, 0);
        name.mark = i == 3 || i > 4 ? MS_OWN_SOFT_DELETED : MS_OWN_LIVE;
        members_put(&m, 0, name, "x");
        if (i == 4)
            members_put(&m, 1, name, "x");
        struct ms_own_name tomb = members_name(MS_OWN_TOMBSTONE, keys[i], 1, 3);
        tomb.mark = i > 4 ? MS_OWN_SOFT_DELETED : MS_OWN_DELETED;
        if (i != 2 && i != 3)
            members_put(&m, 1, tomb, "x");
        tomb.mark = i > 4 ? MS_OWN_TAKEN_BACK : MS_OWN_LIVE;
        if (i == 1 || i == 6)
            members_put(&m, 2, tomb, "x");
    }
    check_list(&m, &o, "alive=5 buried=5 stored-again=5 taken-back=5 "); /* m0 was never away */
    ms_member_set_returning(m.roster->members[0]);
    check_list(&m, &o, "alive=5 stored-again=5 taken-back=5 ");
    o.deleted = MS_LIST_BOTH;
    check_list(&m, &o, "alive=5 soft.del=5 soft-back.del=5 stored-again=5 taken-back=5 ");
    members_fini(&m);
}

static void a_witness_tells_of_a_deletion(void **state)
{
    struct members m;
    struct ms_store_lister *l = NULL;
    char text[512];
    (void)state;
    members_make(&m, 3, "state = witness\n" COPIES, 0, ms_clock_real());
    struct ms_own_name tomb = members_name(MS_OWN_TOMBSTONE, "a", 1, 3);
    tomb.mark = MS_OWN_DELETED;
    members_put(&m, 1, members_name(MS_OWN_VALUE, "a", 1, 0), "x");
    members_put(&m, 0, members_name(MS_OWN_VALUE, "b", 1, 0), "x");
    members_put(&m, 2, tomb, "x");
    ms_member_set_returning(m.roster->members[1]);
    check_list(&m, &all, "b=5 ");
    /* tomb/, its chunk and key: no values; and the lease's two, if it waited for them */
    assert_in_range(atomic_load(&m.script[2].lists), 3, 5);
    m.script[0].broken = "n.data!"; /* it could have been stored again there */
    m.script[0].code = MS_ERR_IO;
    check_ok(open_list(&m, &all, &l), err);
    check_code(drain_list(l, text, sizeof text, &err), MS_ERR_IO, err);
    check_text(err, "whether \"a\" was deleted cannot be told without member m0: the line broke");
    ms_store_lister_close(l);
    members_put(&m, 0, members_name(MS_OWN_VALUE, "a", 1, 0), "x"); /* as much as a store leaves */
    m.script[0].broken = NULL;
    ms_member_set_returning(m.roster->members[0]);
    check_list(&m, &all, "a=5 b=5 ");
    members_fini(&m);
}

static struct ms_own_name shard(const char *key, uint64_t id, unsigned index)
{
    struct ms_own_name name = members_name(MS_OWN_VALUE, key, 1, id);
    name.k = 2;
    name.m = 1;
    name.index = index;
    name.size = 100 + id;
    return name;
}

static void shards_must_be_enough_for_a_value(void **state)
{
    struct members m;
    (void)state;
    members_make(&m, 3, CODED, 0, ms_clock_real());
    members_put(&m, 0, shard("whole", 1, 0), "x");
    members_put(&m, 1, shard("whole", 1, 1), "x");
    members_put(&m, 0, shard("debris", 1, 0), "x");
    members_put(&m, 1, shard("debris", 2, 1), "x"); /* of another write */
    members_put(&m, 2, shard("twice", 1, 2), "x");
    members_put(&m, 1, shard("twice", 1, 2), "x"); /* the same shard again */
    members_put(&m, 0, shard("two", 1, 0), "x");
    members_put(&m, 1, shard("two", 2, 1), "x");
    members_put(&m, 2, shard("two", 2, 2), "x");
    check_list(&m, &all, "two=102 whole=101 ");
    m.script[2].broken = "n.data!";
    m.script[2].code = MS_ERR_IO;
    check_list(&m, &all, "debris=101 twice=101 two=101 whole=101 "); /* there may be another */
    members_fini(&m);
}

/* ---- sizes ---- */

static void put_frame(struct members *m, unsigned member, struct ms_own_name name, uint64_t length,
                      size_t payload, bool zstd, bool later)
{
    struct ms_frame_header h = {.value_length = later ? MS_FRAME_LENGTH_LATER : length,
                                .block_size = MS_FRAME_BLOCK_DEFAULT,
                                .k = name.k,
                                .m = name.m,
                                .shard = name.index,
                                .zstd = zstd};
    uint8_t *bytes = calloc(payload + 1, 1);
    struct ms_buf *frame = NULL;
    check_ok(ms_frame_encode(&h, 0, ms_view(bytes, payload), length, &frame, &err), err);
    name.size = MS_OWN_SIZE_UNKNOWN;
    members_put_bytes(m, member, name, ms_buf_view(frame));
    ms_buf_unref(frame);
    free(bytes);
}

static uint64_t loads(struct members *m)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->count; i++)
        sum += ms_emulator_calls(m->emulator[i], MS_VERB_LOAD);
    return sum;
}

static void sizes_of_plain_copies_are_computed(void **state)
{
    static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 131072, 200000};
    struct members m;
    char key[16], wanted[512] = "";
    (void)state;
    members_make(&m, 2, COPIES, 0, ms_clock_real());
    for (unsigned i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "k%u", i);
        put_frame(&m, i % 2, members_name(MS_OWN_VALUE, key, 1, 0), sizes[i], sizes[i], false,
                  i % 3 == 0);
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s=%zu ", key, sizes[i]);
    }
    uint64_t before = loads(&m);
    check_list(&m, &all, wanted);
    assert_int_equal(loads(&m), before);
    members_fini(&m);
}

static void other_sizes_come_from_headers(void **state)
{
    struct members m;
    (void)state;
    members_make(&m, 2, COPIES "compress = zstd\n", 0, ms_clock_real());
    struct ms_own_name name = members_name(MS_OWN_VALUE, "a", 1, 0);
    put_frame(&m, 0, name, 100000, 100000, false, false);
    put_frame(&m, 1, name, 100000, 100000, false, false);
    name.key = ms_str("b");
    put_frame(&m, 0, name, 77777, 77777, false, true); /* in the trailer */
    name.key = ms_str("c");
    put_frame(&m, 1, name, 5, 5, false, false);
    name.size = MS_OWN_SIZE_UNKNOWN;
    members_put(&m, 0, name, "damaged");
    uint64_t before = loads(&m);
    check_list(&m, &all, "a=100000 b=77777 c=5 ");
    assert_in_range(loads(&m) - before, 4, 5); /* a, b twice, c; perhaps the damaged one too */
    struct ms_list_options o = all;
    o.names_only = true;
    before = loads(&m);
    check_list(&m, &o, "a=0 b=0 c=0 ");
    assert_int_equal(loads(&m), before);
    members_fini(&m);
}

static void a_size_that_nobody_knows_is_an_error(void **state)
{
    struct members m;
    struct ms_store_lister *l = NULL;
    char text[512];
    (void)state;
    members_make(&m, 2, COPIES, 0, ms_clock_real());
    struct ms_own_name name = members_name(MS_OWN_VALUE, "a", 1, 0);
    name.size = MS_OWN_SIZE_UNKNOWN;
    members_put(&m, 0, name, "damaged");
    check_ok(open_list(&m, &all, &l), err);
    check_code(drain_list(l, text, sizeof text, &err), MS_ERR_CORRUPT, err);
    check_text(err, "the size of \"a\" cannot be read");
    ms_store_lister_close(l);
    members_fini(&m);
}

static void take_away(struct members *m, unsigned member, struct ms_own_name name)
{
    struct ms_name path;
    name.store = m->roster->layout->uuid;
    name.space = ms_str("data");
    check_ok(ms_own_format(&name, 0, &path, &err), err);
    check_ok(ms_backend_delete(m->storage[member], ms_name_view(&path), &err), err);
}

/* Its size must be asked for, but meanwhile heal has taken away that write of two (or, of the last
 * key, the only one is gone). */
static void a_write_that_is_gone_is_not_all_of_a_key(void **state)
{
    struct members m;
    struct ms_store_lister *l = NULL;
    const struct ms_item *item = NULL;
    struct ms_own_name first[] = {shard("kkb", 1, 0), shard("kkc", 1, 0)};
    char text[512];
    (void)state;
    members_make(&m, 3, CODED, 0, ms_clock_real());
    for (unsigned i = 0; i < 6; i++) {
        first[i / 3].size = MS_OWN_SIZE_UNKNOWN;
        first[i / 3].index = i % 3;
        members_put(&m, i % 3, first[i / 3], "x");
        members_put(&m, i % 3, shard(i < 3 ? "kka" : "kkb", 2, i % 3), "x");
    }
    check_ok(open_list(&m, &all, &l), err);
    check_ok(ms_store_lister_next(l, &item, &err), err);
    assert_true(ms_equal(item->key, ms_str("kka"))); /* the others have been seen by now */
    for (unsigned i = 0; i < 6; i++) {
        first[i / 3].index = i % 3;
        take_away(&m, i % 3, first[i / 3]);
    }
    check_ok(drain_list(l, text, sizeof text, &err), err);
    assert_string_equal(text, "kkb=102 ");
    ms_store_lister_close(l);
    members_fini(&m);
}

/* ---- complete or an error ---- */

static void half_of_the_targets_may_be_missing(void **state)
{
    static const unsigned tolerated[] = {0, 0, 1, 1, 2, 2};
    struct members m;
    (void)state;
    for (unsigned count = 1; count <= 5; count++) {
        members_make(&m, count, MUTABLE, 0, ms_clock_real());
        const struct ms_layout *layout = m.roster->layout;
        assert_int_equal(ms_list_tolerates(layout, layout->spaces), tolerated[count]);
        members_fini(&m);
    }
}

static void one_more_missing_is_an_error(void **state)
{
    struct members m;
    struct ms_store_lister *l = NULL;
    char text[512];
    (void)state;
    members_make(&m, 3, MUTABLE, 0, ms_clock_real());
    put_versions(&m);
    m.script[0].broken = "n.data!";
    m.script[0].code = MS_ERR_CORRUPT;
    members_put(&m, 1, version("c", 5, 30, MS_OWN_SOFT_DELETED), "x"); /* as on m0 */
    check_list(&m, &all, "a=20 d/1=1 d/2=2 e=3 ");
    m.script[1].broken = "k.d-,"; /* "d/": on the way */
    m.script[1].code = MS_ERR_IO;
    check_ok(open_list(&m, &all, &l), err);
    int code = drain_list(l, text, sizeof text, &err);
    assert_int_equal(code, MS_ERR_CORRUPT);
    check_text(err, "listing \"data\" could leave out keys: 2 of 3 members fail where 1 may: "
                    "member m0: the line broke; member m1: ");
    check_code(drain_list(l, text, sizeof text, &err), MS_ERR_CORRUPT, err); /* and stays so */
    ms_store_lister_close(l);
    members_fini(&m);
}

/* A group of many keys in many folders is not read to its end. */
static void large_groups_are_passed_by(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    char key[16];
    (void)state;
    members_make(&m, 2, "[namespace data]\nkind = immutable\nredundancy = all\nlevels = 2\n", 0,
                 ms_clock_real());
    for (unsigned i = 0; i < 8192; i++) {
        snprintf(key, sizeof key, "g%02x%04u", i / 32, i);
        members_put(&m, i % 2, members_name(MS_OWN_VALUE, key, 2, 0), "x");
    }
    members_put(&m, 0, members_name(MS_OWN_VALUE, "h", 2, 0), "x");
    o.start_after = ms_str("f");
    struct ms_store_lister *l = NULL;
    char text[512]; /* the beginning of it */
    check_ok(open_list(&m, &o, &l), err);
    while (drain_list(l, text, sizeof text, &err) == 0 && *text)
        continue;
    ms_store_lister_close(l);
    unsigned whole = atomic_exchange(&m.script[0].lists, 0);
    o = all;
    o.delimiter = 'g';
    check_list(&m, &o, "g h=5 ");
    assert_in_range(atomic_load(&m.script[0].lists), 20, whole / 2);
    o.start_after = ms_str("g"); /* resumed behind the group */
    check_list(&m, &o, "h=5 ");
    members_fini(&m);
}

/* ---- memory that runs out ---- */

static void allocation_k_fails(void **state)
{
    struct members m;
    (void)state;
    members_make(&m, 2, COPIES "compress = zstd\n", 0, ms_clock_real());
    put_frame(&m, 0, members_name(MS_OWN_VALUE, "abc", 1, 0), 9, 9, false, false);
    put_frame(&m, 1, members_name(MS_OWN_VALUE, "abd", 1, 0), 8, 8, false, false);
    drain_without_memory(open_list, &m, &all, "abc=9 abd=8 ", &err);
    members_fini(&m);
}

/* ---- simulations ----
 *
 * 3 members; each key was acknowledged: it is on two of them at least; some were deleted, known to
 * two, while the third still has the value. Members fail at any folder after any number of names.
 */

#define KEYS 24

/* True: something is left of what was deleted. */
static bool prepare(struct members *m, struct ms_random *random, bool deleted[KEYS])
{
    bool left = false;
    for (unsigned k = 0; k < KEYS; k++) {
        char key[8];
        snprintf(key, sizeof key, "%c%u", 'a' + k / 6, k % 6);
        unsigned without = (unsigned)ms_random_below(random, 4); /* 3: whole */
        deleted[k] = ms_random_below(random, 4) == 0;
        left = left || (deleted[k] && without < 3);
        struct ms_own_name value = members_name(MS_OWN_VALUE, key, 1, 0);
        struct ms_own_name tomb = members_name(MS_OWN_TOMBSTONE, key, 1, 1);
        tomb.mark = MS_OWN_DELETED;
        for (unsigned i = 0; i < 3; i++)
            if (deleted[k] && i == without)
                ms_member_set_returning(m->roster->members[i]);
        for (unsigned i = 0; i < 3; i++)
            if (deleted[k])
                members_put(m, i, i == without ? value : tomb, "x");
            else if (i != without)
                members_put(m, i, value, "x");
    }
    return left;
}

static unsigned break_some(struct members *m, struct ms_random *random)
{
    static const char *const where[] = {"n.data!", "/val/n.data!/k.b", "/tomb/n.data!", "/k.d"};
    unsigned broken = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (ms_random_below(random, 3))
            continue;
        broken++;
        m->script[i].broken = where[ms_random_below(random, 4)];
        m->script[i].after = (size_t)ms_random_below(random, 3);
        m->script[i].code = MS_ERR_IO;
    }
    return broken;
}

static int check_keys(struct ms_store_lister *l, const bool deleted[KEYS], bool *complete)
{
    const struct ms_item *item;
    for (unsigned k = 0; k < KEYS; k++) {
        char key[8];
        snprintf(key, sizeof key, "%c%u", 'a' + k / 6, k % 6);
        if (deleted[k])
            continue;
        int code = ms_store_lister_next(l, &item, &err);
        if (code)
            return code;
        *complete = *complete && item && ms_equal(item->key, ms_str(key));
        if (!item)
            return 0;
    }
    int code = ms_store_lister_next(l, &item, &err);
    *complete = *complete && !item;
    return code;
}

static int simulated(void *arg)
{
    struct ms_random *random = arg;
    struct members m;
    struct ms_store_lister *l = NULL;
    bool deleted[KEYS], complete = true;
    members_make(&m, 3, COPIES, ms_random_below(random, 3) * 1000000, ms_sim_clock());
    bool left = prepare(&m, random, deleted);
    unsigned broken = break_some(&m, random);
    int code = open_list(&m, &all, &l);
    if (!code)
        code = check_keys(l, deleted, &complete);
    ms_store_lister_close(l);
    members_fini(&m);
    if (!complete)
        return ms_error_set(&err, MS_ERR_INTERNAL, "a key is missing or too many");
    if (code && (code != MS_ERR_IO || broken + left < 2)) /* left: that cannot be told, then */
        return ms_error_set(&err, MS_ERR_INTERNAL, "%u failed: %d", broken, code);
    return 0;
}

static void complete_or_an_error_under_any_seed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct ms_random random;
        struct ms_sim_result result;
        const struct ms_sim_options o = {.seed = seed, .max_steps = 1000000};
        ms_random_seed(&random, seed);
        if (ms_sim_run(&o, simulated, &random, &result, &err))
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_version_counts),
        cmocka_unit_test(a_deletion_that_is_over_counts_for_nothing),
        cmocka_unit_test(prefix_start_limit_delimiter),
        cmocka_unit_test(tombstones_hide_what_missed_them),
        cmocka_unit_test(a_witness_tells_of_a_deletion),
        cmocka_unit_test(shards_must_be_enough_for_a_value),
        cmocka_unit_test(sizes_of_plain_copies_are_computed),
        cmocka_unit_test(other_sizes_come_from_headers),
        cmocka_unit_test(a_size_that_nobody_knows_is_an_error),
        cmocka_unit_test(a_write_that_is_gone_is_not_all_of_a_key),
        cmocka_unit_test(half_of_the_targets_may_be_missing),
        cmocka_unit_test(one_more_missing_is_an_error),
        cmocka_unit_test(large_groups_are_passed_by),
        cmocka_unit_test(allocation_k_fails),
        cmocka_unit_test(complete_or_an_error_under_any_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
