/* Values in blocks: writers and readers. */
#include "store_suite.h"

#include <string.h>

#define BLOCK  100003u
#define BLOCKS 30u

static void fill(uint8_t *block, unsigned number)
{
    struct ms_random random;
    ms_random_seed(&random, number);
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (uint8_t)ms_random_u64(&random);
}

static void write_large(const char *name, unsigned blocks)
{
    static uint8_t block[BLOCK];
    struct ms_store_writer *w;
    OK(ms_store_write(fx.store, key(name), 0, NULL, &w, &err));
    for (unsigned i = 0; i < blocks; i++) {
        fill(block, i);
        OK(ms_store_writer_append(w, ms_view(block, BLOCK), &err));
    }
    check_gone(name, false); /* not before the commit */
    struct ms_tag tag;
    OK(ms_store_writer_commit(w, &tag, &err));
}

static void blocks(void **state)
{
    (void)state;
    static uint8_t block[BLOCK], got_block[BLOCK];
    write_large("0123abcd", BLOCKS);
    struct ms_store_reader *r;
    OK(ms_store_read(fx.store, key("0123abcd"), false, &r, &err));
    assert_int_equal(ms_store_reader_info(r)->size_bytes, (uint64_t)BLOCKS * BLOCK);
    size_t got;
    for (unsigned i = 0; i < BLOCKS; i++) {
        fill(block, i);
        OK(ms_store_reader_read(r, (uint64_t)i * BLOCK, got_block, BLOCK, &got, &err));
        assert_int_equal(got, BLOCK);
        assert_memory_equal(block, got_block, BLOCK);
    }
    OK(ms_store_reader_read(r, (uint64_t)BLOCKS * BLOCK - 10, got_block, 100, &got, &err));
    assert_int_equal(got, 10);
    OK(ms_store_reader_read(r, (uint64_t)BLOCKS * BLOCK + 10, got_block, 100, &got, &err));
    assert_int_equal(got, 0);
    ms_store_reader_close(r);
}

/* A reader keeps its version, or says that it is gone; it never mixes two. */
static void pinned(void **state)
{
    (void)state;
    if (is_immutable()) /* there is no other version */
        return;
    static uint8_t block[BLOCK], got_block[BLOCK];
    write_large("0123abcd", 3);
    struct ms_store_reader *r;
    OK(ms_store_read(fx.store, key("0123abcd"), false, &r, &err));
    OK(put("0123abcd", "replaced"));
    size_t got = 0;
    fill(block, 2);
    int code = ms_store_reader_read(r, 2 * BLOCK, got_block, BLOCK, &got, &err);
    if (code)
        assert_int_equal(code, MS_ERR_CONFLICT);
    else
        assert_memory_equal(block, got_block, BLOCK);
    ms_store_reader_close(r);
    check_value("0123abcd", "replaced", false);
}

static void aborted(void **state)
{
    (void)state;
    OK(put("0123abcd", "old"));
    struct ms_store_writer *w;
    OK(ms_store_write(fx.store, key("0123abcd"), 100, NULL, &w, &err));
    int code = ms_store_writer_append(w, ms_str("new"), &err);
    if (!is_immutable() || code) /* shards are compared with what is there */
        assert_int_equal(code, is_immutable() ? MS_ERR_CONFLICT : 0);
    ms_store_writer_abort(w);
    check_value("0123abcd", "old", false);
    OK(ms_store_write(fx.store, key("5555"), 0, NULL, &w, &err));
    ms_store_writer_abort(w);
    check_gone("5555", false);
    assert_string_equal(listed(MS_LIST_BOTH), "0123abcd");
}

static void absent(void **state)
{
    (void)state;
    if (!can_if_absent())
        return;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition.kind = MS_IF_ABSENT;
    struct ms_store_writer *w;
    OK(ms_store_write(fx.store, key("0123abcd"), 0, &o, &w, &err));
    OK(ms_store_writer_append(w, ms_str("late"), &err));
    OK(put("0123abcd", "early"));
    CODE(ms_store_writer_commit(w, NULL, &err), MS_ERR_EXISTS);
    check_value("0123abcd", "early", false);
}

static void empty(void **state)
{
    (void)state;
    struct ms_store_writer *w;
    OK(ms_store_write(fx.store, key("0123abcd"), 0, NULL, &w, &err));
    OK(ms_store_writer_commit(w, NULL, &err));
    check_value("0123abcd", "", false);
    struct ms_store_reader *r;
    OK(ms_store_read(fx.store, key("0123abcd"), false, &r, &err));
    uint8_t byte;
    size_t got = 9;
    OK(ms_store_reader_read(r, 0, &byte, 1, &got, &err));
    assert_int_equal(got, 0);
    ms_store_reader_close(r);
    CODE(ms_store_read(fx.store, key("nothing"), false, &r, &err), MS_ERR_NOT_FOUND);
}

const struct CMUnitTest large_tests[] = {
    TEST(blocks), TEST(pinned), TEST(aborted), TEST(absent), TEST(empty),
};
const size_t large_test_count = sizeof large_tests / sizeof *large_tests;
