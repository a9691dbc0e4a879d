/* "memory:": names, capacity, sharing, many entries, and its place in simulations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/backend.h>

#include "backends/memory/tree.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <stdio.h>
#include <stdlib.h>

static struct ms_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_)                                                                                 \
            fail_msg("%s: %s: %s", #call, ms_code_name(code_), err.text);                          \
    } while (0)

static struct ms_backend *made(const char *url, struct ms_clock *clock)
{
    struct ms_backend_env env = {.clock = clock};
    struct ms_backend *b = NULL;
    OK(ms_backend_make(url, &env, &b, &err));
    return b;
}

static struct ms_backend *opened(const char *url)
{
    struct ms_backend *b = made(url, NULL);
    OK(ms_backend_create(b, &err));
    OK(ms_backend_open(b, &err));
    return b;
}

static int put(struct ms_backend *b, const char *name, const char *value)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, ms_str(value)), NULL, NULL,
                            &err);
}

static void holds(struct ms_backend *b, const char *name, const char *wanted)
{
    struct ms_buf *value = NULL;
    OK(ms_backend_load(b, ms_str(name), 0, MS_SIZE_TO_END, &value, NULL, &err));
    assert_int_equal(ms_buf_size(value), strlen(wanted));
    assert_memory_equal(ms_buf_view(value).data, wanted, strlen(wanted));
    ms_buf_unref(value);
}

static void a_nameless_one_is_private(void **state)
{
    (void)state;
    struct ms_backend *a = opened("memory:"), *b = made("memory:", NULL);
    assert_int_equal(ms_backend_open(b, &err), MS_ERR_NO_STORE);
    OK(put(a, "x", "1"));
    OK(ms_backend_create(b, &err));
    ms_backend_free(b);
    holds(a, "x", "1");
    ms_backend_free(a);
}

static void a_named_one_is_shared_while_anybody_holds_it(void **state)
{
    (void)state;
    struct ms_backend *a = opened("memory:shared"), *b = made("memory:shared", NULL);
    struct ms_backend *other = made("memory:other", NULL);
    assert_int_equal(ms_backend_open(other, &err), MS_ERR_NO_STORE);
    ms_backend_free(other);
    OK(put(a, "x", "1"));
    OK(ms_backend_open(b, &err));
    holds(b, "x", "1");
    ms_backend_free(a);
    OK(put(b, "x", "2"));
    a = made("memory:shared", NULL);
    OK(ms_backend_open(a, &err));
    holds(a, "x", "2");
    ms_backend_free(a);
    ms_backend_free(b);
    a = made("memory:shared", NULL);
    assert_int_equal(ms_backend_open(a, &err), MS_ERR_NO_STORE);
    ms_backend_free(a);
}

static void destroyed_under_another_handle(void **state)
{
    (void)state;
    struct ms_backend *a = opened("memory:gone"), *b = made("memory:gone", NULL);
    struct ms_buf *value = NULL;
    struct ms_lister *l = NULL;
    OK(put(a, "d/x", "1"));
    OK(ms_backend_destroy(b, &err));
    assert_int_equal(put(a, "y", "2"), MS_ERR_NO_STORE);
    assert_int_equal(ms_backend_load(a, ms_str("d/x"), 0, 1, &value, NULL, &err), MS_ERR_NOT_FOUND);
    assert_int_equal(ms_backend_list(a, ms_str(""), NULL, &l, &err), MS_ERR_NOT_FOUND);
    assert_int_equal(ms_backend_mkdir(a, ms_str("e"), &err), MS_ERR_NO_STORE);
    ms_backend_free(a);
    ms_backend_free(b);
}

static void usage(struct ms_backend *b, uint64_t total, uint64_t left)
{
    uint64_t t = 0, l = 0;
    OK(ms_backend_usage(b, &t, &l, &err));
    assert_true(t == total && l == left);
}

static void capacity_is_a_limit(void **state)
{
    (void)state;
    struct ms_backend *b = opened("memory:?capacity=10");
    struct ms_writer *w = NULL;
    struct ms_batch *batch = NULL;
    struct ms_buf_borrowed place;
    usage(b, 10, 10);
    OK(put(b, "a", "123456"));
    usage(b, 10, 4);
    assert_int_equal(put(b, "b", "12345"), MS_ERR_NO_SPACE);
    assert_non_null(strstr(err.text, "no space for b"));
    OK(put(b, "a", "1234567890")); /* in place of the old one */
    assert_int_equal(put(b, "a", "12345678901"), MS_ERR_NO_SPACE);
    holds(b, "a", "1234567890");
    OK(put(b, "empty", ""));
    OK(ms_backend_write(b, ms_str("w"), 0, NULL, &w, &err));
    OK(ms_writer_append(w, ms_str("12345"), &err));
    assert_int_equal(ms_writer_commit(w, NULL, &err), MS_ERR_NO_SPACE);
    OK(ms_backend_write(b, ms_str("w"), 0, NULL, &w, &err));
    assert_int_equal(ms_writer_append(w, ms_str("12345678901"), &err), MS_ERR_NO_SPACE);
    ms_writer_abort(w);
    assert_int_equal(ms_backend_copy(b, ms_str("a"), ms_str("c"), NULL, &err), MS_ERR_NO_SPACE);
    OK(ms_backend_move(b, ms_str("a"), ms_str("d/e"), NULL, &err));
    usage(b, 10, 0);
    OK(ms_backend_delete(b, ms_str("d/e"), &err));
    usage(b, 10, 10);
    OK(ms_backend_batch(b, &batch, &err));
    OK(ms_batch_store(batch, ms_str("x"), ms_buf_borrow(&place, ms_str("123456")), NULL, &err));
    OK(ms_batch_store(batch, ms_str("y"), ms_buf_borrow(&place, ms_str("123456")), NULL, &err));
    assert_int_equal(ms_batch_commit(batch, &err), MS_ERR_NO_SPACE);
    usage(b, 10, 4);
    OK(put(b, "small", "1234"));
    OK(ms_backend_move(b, ms_str("small"), ms_str("x"), NULL, &err)); /* replaces the larger */
    usage(b, 10, 6);
    ms_backend_free(b);
    b = opened("memory:");
    usage(b, UINT64_MAX, UINT64_MAX);
    ms_backend_free(b);
}

static void options(void **state)
{
    (void)state;
    struct ms_backend *b = opened("memory:?name_max=3");
    struct ms_capabilities can;
    ms_backend_capabilities(b, &can);
    assert_int_equal(can.name_max_bytes, 3);
    OK(put(b, "abc/def", "x"));
    assert_int_equal(put(b, "abcd", "x"), MS_ERR_NAME);
    assert_int_equal(put(b, "abcd/e", "x"), MS_ERR_NAME);
    ms_backend_free(b);
    static const char *const bad[] = {"memory:?name_max=0",  "memory:?name_max=99999",
                                      "memory:?name_max=x",  "memory:?capacity=lots",
                                      "memory:?nosuch=1",    "memory://host/x",
                                      "memory:?capacity=-1", "memory:///x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err = (struct ms_error){0};
        assert_int_equal(ms_backend_make(bad[i], NULL, &b, &err), MS_ERR_URL);
        assert_int_equal(err.code, MS_ERR_URL);
    }
}

static void times_come_from_the_clock(void **state)
{
    (void)state;
    struct ms_clock *clock = ms_clock_virtual_new(5000);
    struct ms_backend *b = made("memory:", clock);
    struct ms_info first, second;
    int64_t start = ms_clock_wall(clock);
    OK(ms_backend_create(b, &err));
    OK(ms_backend_open(b, &err));
    OK(put(b, "a", "x"));
    OK(ms_sleep(clock, 1000, &err));
    holds(b, "a", "x");
    OK(ms_backend_info(b, ms_str("a"), &first, &err));
    assert_true(first.mtime_ns == start && first.atime_ns == start + 1000);
    OK(ms_backend_move(b, ms_str("a"), ms_str("b"), NULL, &err));
    OK(ms_backend_info(b, ms_str("b"), &second, &err));
    assert_true(second.mtime_ns == start); /* the same value by another name */
    assert_string_equal(second.tag.text, first.tag.text);
    ms_backend_free(b);
    ms_clock_free(clock);
}

static void tags_are_never_used_twice(void **state)
{
    (void)state;
    struct ms_backend *b = opened("memory:");
    struct ms_info a, c;
    OK(put(b, "a", "x"));
    OK(ms_backend_info(b, ms_str("a"), &a, &err));
    OK(ms_backend_delete(b, ms_str("a"), &err));
    OK(put(b, "a", "x"));
    OK(ms_backend_info(b, ms_str("a"), &c, &err));
    assert_string_not_equal(a.tag.text, c.tag.text);
    ms_backend_free(b);
}

static void a_batch_is_one_step(void **state)
{
    (void)state;
    struct ms_backend *b = opened("memory:");
    struct ms_batch *batch = NULL;
    struct ms_buf_borrowed place;
    struct ms_info info;
    OK(ms_backend_batch(b, &batch, &err));
    OK(ms_batch_store(batch, ms_str("a"), ms_buf_borrow(&place, ms_str("x")), NULL, &err));
    OK(ms_backend_info(b, ms_str("a"), &info, &err));
    assert_false(info.exists); /* nothing before the commit */
    ms_batch_abort(batch);
    OK(ms_backend_info(b, ms_str("a"), &info, &err));
    assert_false(info.exists);
    ms_backend_free(b);
}

/* ---- the tree ---- */

static unsigned depth_of(const struct ms_memory_node *n)
{
    if (!n)
        return 0;
    unsigned left = depth_of(n->left), right = depth_of(n->right);
    return 1 + (left > right ? left : right);
}

#define ENTRIES 20000

static void a_tree_stays_shallow_and_sorted(void **state)
{
    (void)state;
    struct ms_memory_node *root = NULL;
    char name[16];
    for (int i = 0; i < ENTRIES; i++) { /* in order: the worst for a plain tree */
        snprintf(name, sizeof name, "%08d", i);
        ms_memory_insert(&root, ms_memory_node_new(ms_str(name)));
    }
    assert_in_range(depth_of(root), 14, 60);
    for (int i = 1; i < ENTRIES; i += 2) {
        snprintf(name, sizeof name, "%08d", i);
        ms_memory_free(ms_memory_remove(&root, ms_str(name)));
    }
    struct ms_memory_node *n = ms_memory_after(root, ms_str(""));
    for (int i = 0; i < ENTRIES; i += 2) {
        snprintf(name, sizeof name, "%08d", i);
        assert_non_null(n);
        assert_memory_equal(n->name, name, 8);
        assert_ptr_equal(ms_memory_find(root, ms_str(name)), n);
        n = ms_memory_after(root, ms_memory_node_name(n));
    }
    assert_null(n);
    assert_null(ms_memory_find(root, ms_str("00000001")));
    assert_null(ms_memory_find(root, ms_str("0000000")));
    ms_memory_free(root);
    ms_memory_free(NULL);
}

static void deep_directories_are_freed(void **state)
{
    (void)state;
    struct ms_backend *b = opened("memory:");
    char name[MS_NAME_MAX + 1];
    memset(name, '/', sizeof name);
    for (size_t i = 0; i < sizeof name; i += 2)
        name[i] = 'd';
    name[4095] = 0;
    OK(put(b, name, "bottom"));
    holds(b, name, "bottom");
    ms_backend_free(b);
}

/* ---- in a simulation: the same seed, the same trace ---- */

struct simulated {
    struct ms_backend *b;
    int winner, won;
};

static int race(void *arg, size_t racer)
{
    struct simulated *s = arg;
    static const struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    struct ms_buf_borrowed place;
    char value = (char)('0' + racer);
    int code = ms_backend_store(s->b, ms_str("d/x"), ms_buf_borrow(&place, ms_view(&value, 1)),
                                &absent, NULL, NULL);
    if (code == 0) {
        s->winner = (int)racer;
        s->won++;
    }
    return code == MS_ERR_EXISTS ? 0 : code;
}

static int simulation(void *arg)
{
    struct simulated *s = arg;
    struct ms_backend_env env = {.clock = ms_sim_clock()};
    int code = ms_backend_make("memory:simulated", &env, &s->b, NULL);
    if (code)
        return code;
    if ((code = ms_backend_create(s->b, NULL)) == 0 && (code = ms_backend_open(s->b, NULL)) == 0)
        code = ms_parallel(5, 5, race, s, NULL);
    ms_backend_free(s->b);
    return code;
}

static void the_seed_decides_in_a_simulation(void **state)
{
    (void)state;
    unsigned winners = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct ms_sim_options options = {.seed = seed};
        struct ms_sim_result first, second;
        struct simulated one = {0}, two = {0};
        if (ms_sim_run(&options, simulation, &one, &first, &err) ||
            ms_sim_run(&options, simulation, &two, &second, &err))
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
        if (one.won != 1 || two.won != 1 || one.winner != two.winner ||
            first.trace_hash != second.trace_hash || first.steps != second.steps)
            fail_msg("seed %llu: winners %d and %d", (unsigned long long)seed, one.winner,
                     two.winner);
        winners |= 1u << one.winner;
    }
    assert_true((winners & (winners - 1)) != 0); /* not always the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nameless_one_is_private),
        cmocka_unit_test(a_named_one_is_shared_while_anybody_holds_it),
        cmocka_unit_test(destroyed_under_another_handle),
        cmocka_unit_test(capacity_is_a_limit),
        cmocka_unit_test(options),
        cmocka_unit_test(times_come_from_the_clock),
        cmocka_unit_test(tags_are_never_used_twice),
        cmocka_unit_test(a_batch_is_one_step),
        cmocka_unit_test(a_tree_stays_shallow_and_sorted),
        cmocka_unit_test(deep_directories_are_freed),
        cmocka_unit_test(the_seed_decides_in_a_simulation),
    };
    int failed = cmocka_run_group_tests_name("memory:", tests, NULL, NULL);
    ms_pool_shutdown();
    return failed;
}
