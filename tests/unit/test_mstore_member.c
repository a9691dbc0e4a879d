/* mstore/member.c, mark.c, member_backend.c: who a storage is, and what a call on it costs. */
#include "mstore/mark.h"
#include "mstore/member.h"
#include "mstore/member_backend.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/names.h"
#include "tests/support/check.h"

#include <mstore/emulator.h>

#include <stdatomic.h>
#include <stdlib.h>

static struct ms_seal_key key = {{1, 2, 3}};
static const struct ms_uuid store = {{0xaa, 1}}, first = {{0xbb, 1}}, second = {{0xbb, 2}};

/* A memory storage lasts as long as somebody has it. */
static struct ms_backend *kept(const char *url)
{
    struct ms_error err = {0};
    struct ms_backend *b = NULL;
    check_ok(ms_backend_make(url, NULL, &b, &err), err);
    return b;
}

/* A member over an emulated memory storage; *storage is the emulator. */
static struct ms_member *member_at(const char *url, const struct ms_uuid *uuid,
                                   struct ms_backend **storage)
{
    struct ms_error err = {0};
    struct ms_backend *backend = NULL, *emulator = NULL;
    struct ms_emulation emulation;
    struct ms_clock *clock = ms_clock_real();
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    ms_emulation_init(&emulation);
    check_ok(ms_backend_make(url, &env, &backend, &err), err);
    check_ok(ms_emulator_new(backend, &emulation, &emulator, &err), err);
    struct ms_member_options options = {
        .name = "nas", .store = store, .uuid = *uuid, .key = &key, .clock = clock, .seed = 1};
    struct ms_member *m = NULL;
    check_ok(ms_member_new(&options, emulator, &m, &err), err);
    if (storage)
        *storage = emulator;
    return m;
}

static void put(struct ms_member *m, const char *name, const char *value)
{
    struct ms_error err = {0};
    struct ms_buf *buf = ms_buf_copy(ms_str(value));
    check_ok(ms_member_store(m, ms_str(name), buf, NULL, NULL, &err), err);
    ms_buf_unref(buf);
}

static void assert_holds(struct ms_member *m, const char *name, const char *value)
{
    struct ms_error err = {0};
    struct ms_buf *buf = NULL;
    check_ok(ms_member_load(m, ms_str(name), 0, MS_SIZE_TO_END, &buf, NULL, &err), err);
    assert_true(ms_equal(ms_buf_view(buf), ms_str(value)));
    ms_buf_unref(buf);
}

static void a_created_member_is_known_again(void **state)
{
    (void)state;
    struct ms_backend *keeper = kept("memory:known");
    struct ms_error err = {0};
    struct ms_backend *storage;
    struct ms_member *m = member_at("memory:known", &first, &storage);
    check_ok(ms_member_create(m, &err), err);
    check_ok(ms_member_create(m, &err), err); /* again: nothing to do */
    put(m, "a/b", "value");
    ms_member_unref(m);
    m = member_at("memory:known", &first, &storage);
    uint64_t before = ms_emulator_calls(storage, MS_VERB_COUNT);
    assert_holds(m, "a/b", "value");
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_COUNT) - before, 2); /* the mark, once */
    assert_holds(m, "a/b", "value");
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_COUNT) - before, 3);
    ms_member_unref(m);
    ms_backend_free(keeper);
}

static void another_storage_is_never_written_to(void **state)
{
    (void)state;
    struct ms_backend *keeper = kept("memory:one");
    struct ms_error err = {0};
    struct ms_backend *storage;
    struct ms_member *m = member_at("memory:one", &first, NULL);
    check_ok(ms_member_create(m, &err), err);
    ms_member_unref(m);
    m = member_at("memory:one", &second, &storage); /* a disk in the wrong slot */
    struct ms_buf *buf = ms_buf_copy(ms_str("x"));
    check_code(ms_member_store(m, ms_str("a"), buf, NULL, NULL, &err), MS_ERR_UNTRUSTED, err);
    check_text(err, "member nas: memory:one: the storage is that of member bb010000");
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_STORE), 0);
    ms_member_unref(m);
    m = member_at("memory:one", &second, &storage);
    check_code(ms_member_create(m, &err), MS_ERR_STORE_EXISTS, err);
    ms_member_unref(m);
    ms_buf_unref(buf);
    ms_backend_free(keeper);
}

static void an_empty_storage_is_not_a_member(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *empty = kept("memory:empty");
    check_ok(ms_backend_create(empty, &err), err);
    struct ms_member *m = member_at("memory:empty", &first, NULL);
    check_code(ms_member_open(m, &err), MS_ERR_NO_STORE, err);
    check_text(err, "member nas: memory:empty is empty or holds something else");
    check_ok(ms_member_create(m, &err), err);
    check_ok(ms_member_open(m, &err), err);
    ms_member_unref(m);
    ms_backend_free(empty);
}

static void what_is_there_is_not_taken(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *there = kept("memory:there");
    struct ms_buf *value = ms_buf_copy(ms_str("x"));
    check_ok(ms_backend_create(there, &err), err);
    check_ok(ms_backend_open(there, &err), err);
    check_ok(ms_backend_store(there, ms_str("thesis.txt"), value, NULL, NULL, &err), err);
    struct ms_backend *storage;
    struct ms_member *m = member_at("memory:there", &first, &storage);
    check_code(ms_member_look(m, &err), MS_ERR_STORE_EXISTS, err);
    check_text(err, "member nas: memory:there is not empty: it holds thesis.txt");
    check_code(ms_member_create(m, &err), MS_ERR_STORE_EXISTS, err);
    check_ok(ms_backend_delete(there, ms_str("thesis.txt"), &err), err);
    check_ok(ms_backend_store(there, ms_str("mstore-0123456789abcdef0123456789abcdef/member"),
                              value, NULL, NULL, &err),
             err);
    check_code(ms_member_create(m, &err), MS_ERR_STORE_EXISTS, err);
    check_text(err, "holds another store (UUID 01234567-89ab-cdef-0123-456789abcdef)");
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_STORE), 0);
    check_ok(
        ms_backend_delete(there, ms_str("mstore-0123456789abcdef0123456789abcdef/member"), &err),
        err);
    check_ok(ms_backend_rmdir(there, ms_str("mstore-0123456789abcdef0123456789abcdef"), &err), err);
    check_ok(ms_member_look(m, &err), err);
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_STORE), 0);
    check_ok(ms_member_create(m, &err), err);
    check_ok(ms_backend_store(there, ms_str("thesis.txt"), value, NULL, NULL, &err), err);
    check_code(ms_member_may_end(m, NULL, &err), MS_ERR_EXISTS, err);
    check_ok(ms_backend_delete(there, ms_str("thesis.txt"), &err), err);
    check_ok(ms_member_may_end(m, NULL, &err), err);
    ms_member_withdraw(m);
    check_code(ms_member_may_end(m, NULL, &err), MS_ERR_CONNECTION, err);
    ms_member_unref(m);
    ms_buf_unref(value);
    ms_backend_free(there);
}

static void an_unknown_member_is_not_asked_for_its_mark(void **state)
{
    (void)state;
    struct ms_backend *keeper = kept("memory:later");
    struct ms_error err = {0};
    struct ms_member *m = member_at("memory:later", &first, NULL);
    check_ok(ms_member_create(m, &err), err);
    ms_member_unref(m);
    m = member_at("memory:later", &(struct ms_uuid){{0}}, NULL);
    put(m, "a", "1");
    ms_member_identify(m, &store, &second);
    check_code(ms_member_open(m, &err), MS_ERR_UNTRUSTED, err);
    ms_member_unref(m);
    ms_backend_free(keeper);
}

/* ---- identified while it is being opened ---- */

static int open_it(void *arg)
{
    struct ms_error err = {0};
    struct ms_info info;
    return ms_member_info(arg, ms_str("a"), &info, &err);
}

static void an_opening_under_way_believes_nobody(void **state)
{
    (void)state;
    struct ms_backend *keeper = kept("memory:slow");
    struct ms_error err = {0};
    struct ms_backend *storage;
    struct ms_group *g = NULL;
    struct ms_join join;
    struct ms_member *m = member_at("memory:slow", &first, NULL);
    check_ok(ms_member_create(m, &err), err);
    ms_member_unref(m);
    for (int round = 0; round < 50; round++) {
        m = member_at("memory:slow", &(struct ms_uuid){{0}}, &storage);
        check_ok(ms_group_new(&g, &err), err);
        check_ok(ms_group_fork(g, open_it, NULL, m, &err), err);
        ms_member_identify(m, &store, &second); /* which it is not */
        ms_group_join_all(g, &join);
        ms_group_release(g);
        int code = ms_member_open(m, &err);
        if (code != MS_ERR_UNTRUSTED && code != MS_ERR_CONNECTION) /* or left alone since */
            fail_msg("%s", ms_code_name(code));
        ms_member_unref(m);
    }
    ms_pool_shutdown();
    ms_backend_free(keeper);
}

static void marks_are_checked_to_the_last_byte(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_buf *mark = NULL;
    check_ok(ms_mark_make(&store, &first, &key, &mark, &err), err);
    struct ms_view right = ms_buf_view(mark);
    check_ok(ms_mark_check(right, &store, &first, &key, &err), err);
    for (size_t i = 0; i < right.size; i++) {
        struct ms_buf *wrong = ms_buf_copy(right);
        ms_buf_data(wrong)[i] ^= 1;
        check_code(ms_mark_check(ms_buf_view(wrong), &store, &first, &key, &err), MS_ERR_UNTRUSTED,
                   err);
        ms_buf_unref(wrong);
        check_code(ms_mark_check(ms_view(right.data, i), &store, &first, &key, &err),
                   MS_ERR_UNTRUSTED, err);
    }
    const struct ms_seal_key other = {{9}};
    check_code(ms_mark_check(right, &store, &first, &other, &err), MS_ERR_UNTRUSTED, err);
    check_text(err, "key");
    ms_buf_unref(mark);
}

static void a_dead_member_costs_one_call(void **state)
{
    (void)state;
    struct ms_error err = {0};
    struct ms_backend *storage;
    struct ms_member *m = member_at("memory:dead", &first, &storage);
    check_ok(ms_member_create(m, &err), err);
    const struct ms_fault fault = {
        .verb = MS_VERB_INFO, .kind = MS_FAULT_RATE, .rate = 1, .code = MS_ERR_TIMEOUT};
    check_ok(ms_emulator_set_faults(storage, &fault, 1, &err), err);
    uint64_t before = ms_emulator_calls(storage, MS_VERB_COUNT);
    struct ms_info info;
    check_code(ms_member_info(m, ms_str("a"), &info, &err), MS_ERR_TIMEOUT, err);
    check_text(err, "member nas: ");
    for (int i = 0; i < 10; i++)
        check_code(ms_member_info(m, ms_str("a"), &info, &err), MS_ERR_CONNECTION, err);
    check_text(err, "nas has not answered");
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_COUNT) - before, 1);
    ms_member_unref(m);
}

/* ---- many threads open it at once ---- */

static int open_one(void *arg, size_t index)
{
    struct ms_error err = {0};
    struct ms_info info;
    (void)index;
    return ms_member_info(arg, ms_str("a"), &info, &err);
}

static void many_threads_open_it_once(void **state)
{
    (void)state;
    struct ms_backend *keeper = kept("memory:many");
    struct ms_error err = {0};
    struct ms_backend *storage;
    struct ms_member *m = member_at("memory:many", &first, NULL);
    check_ok(ms_member_create(m, &err), err);
    ms_member_unref(m);
    m = member_at("memory:many", &first, &storage);
    check_ok(ms_parallel(64, 16, open_one, m, &err), err);
    assert_int_equal(ms_emulator_calls(storage, MS_VERB_LOAD), 1); /* the mark */
    ms_member_unref(m);
    ms_pool_shutdown();
    ms_backend_free(keeper);
}

/* ---- with a backend's face ---- */

static int count_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    (void)entry;
    (void)err;
    ++*(unsigned *)ctx;
    return 0;
}

static void a_member_serves_as_a_backend(void **state)
{
    (void)state;
    struct ms_backend *keeper = kept("memory:face");
    struct ms_error err = {0};
    struct ms_member *m = member_at("memory:face", &first, NULL);
    struct ms_backend *b = NULL;
    check_ok(ms_member_create(m, &err), err);
    check_ok(ms_member_backend_new(m, &b, &err), err);
    ms_member_unref(m); /* b holds it */
    check_ok(ms_backend_open(b, &err), err);
    struct ms_writer *w = NULL;
    struct ms_reader *r = NULL;
    struct ms_lister *l = NULL;
    const struct ms_entry *entry;
    uint8_t bytes[16];
    size_t got;
    check_ok(ms_backend_write(b, ms_str("d/one"), 0, NULL, &w, &err), err);
    check_ok(ms_writer_append(w, ms_str("hello "), &err), err);
    check_ok(ms_writer_append(w, ms_str("world"), &err), err);
    check_ok(ms_writer_commit(w, NULL, &err), err);
    check_ok(ms_backend_read(b, ms_str("d/one"), &r, &err), err);
    assert_int_equal(ms_reader_info(r)->size_bytes, 11);
    check_ok(ms_reader_read(r, 6, bytes, sizeof bytes, &got, &err), err);
    assert_int_equal(got, 5);
    assert_memory_equal(bytes, "world", 5);
    ms_reader_close(r);
    check_ok(ms_backend_list(b, ms_str("d"), NULL, &l, &err), err);
    check_ok(ms_lister_next(l, &entry, &err), err);
    assert_true(ms_equal(entry->name, ms_str("one")));
    check_ok(ms_lister_next(l, &entry, &err), err);
    assert_null(entry);
    ms_lister_close(l);
    unsigned count = 0;
    struct ms_member *same = member_at("memory:face", &first, NULL);
    check_ok(ms_member_list(same, ms_str("d"), NULL, count_entry, &count, &err), err);
    check_ok(ms_member_list(same, ms_str("nowhere"), NULL, count_entry, &count, &err), err);
    assert_int_equal(count, 1);
    ms_member_unref(same);
    check_code(ms_backend_delete(b, ms_str("d/two"), &err), MS_ERR_NOT_FOUND, err);
    ms_backend_free(b);
    ms_backend_free(keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_member_is_known_again),
        cmocka_unit_test(what_is_there_is_not_taken),
        cmocka_unit_test(another_storage_is_never_written_to),
        cmocka_unit_test(an_empty_storage_is_not_a_member),
        cmocka_unit_test(an_unknown_member_is_not_asked_for_its_mark),
        cmocka_unit_test(an_opening_under_way_believes_nobody),
        cmocka_unit_test(marks_are_checked_to_the_last_byte),
        cmocka_unit_test(a_dead_member_costs_one_call),
        cmocka_unit_test(many_threads_open_it_once),
        cmocka_unit_test(a_member_serves_as_a_backend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
