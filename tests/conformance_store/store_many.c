/* Many at once: each element its own result; and what they leave is what single calls would. */
#include "store_suite.h"

#include <string.h>

#define COUNT 200

static char names[COUNT][32];
static struct ms_many items[COUNT];

static void prepare(void)
{
    memset(items, 0, sizeof items);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "data/%02zx%02zxkey", i * 7 % 256, i);
        items[i].key = ms_str(names[i]);
        items[i].size = MS_SIZE_TO_END;
    }
}

static void free_results(bool values)
{
    for (size_t i = 0; i < COUNT; i++) {
        free(items[i].error);
        if (values)
            ms_buf_unref(items[i].value);
    }
}

static void store_all(void)
{
    prepare();
    for (size_t i = 0; i < COUNT; i++)
        items[i].value = ms_buf_copy(ms_str(names[i]));
    OK(ms_store_store_many(fx.store, items, COUNT, 8, &err));
    free_results(true);
}

static void there_and_back(void **state)
{
    (void)state;
    store_all();
    prepare();
    OK(ms_store_load_many(fx.store, items, COUNT, 8, &err));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].code, 0);
        assert_int_equal(ms_buf_size(items[i].value), strlen(names[i]));
        assert_memory_equal(ms_buf_view(items[i].value).data, names[i], strlen(names[i]));
    }
    free_results(true);
    prepare();
    OK(ms_store_info_many(fx.store, items, COUNT, 0, &err));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(items[i].info.exists);
        assert_int_equal(items[i].info.size_bytes, strlen(names[i]));
    }
    prepare();
    OK(ms_store_delete_many(fx.store, items, COUNT, 8, &err));
    assert_string_equal(listed(MS_LIST_BOTH), "");
}

static void ranges(void **state)
{
    (void)state;
    store_all();
    prepare();
    for (size_t i = 0; i < COUNT; i++) {
        items[i].offset = -3;
        items[i].size = 2;
    }
    OK(ms_store_load_many(fx.store, items, COUNT, 4, &err));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(ms_buf_size(items[i].value), 2);
        assert_memory_equal(ms_buf_view(items[i].value).data, "ke", 2);
    }
    free_results(true);
}

/* One failure does not keep the others from being done. */
static void some_fail(void **state)
{
    (void)state;
    store_all();
    OK(ms_store_delete(fx.store, ms_str(names[17]), false, &err));
    prepare();
    CODE(ms_store_load_many(fx.store, items, COUNT, 8, &err), MS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, names[17]));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].code, i == 17 ? MS_ERR_NOT_FOUND : 0);
        if (i == 17)
            assert_non_null(strstr(items[i].error, names[i]));
        else
            assert_null(items[i].error);
    }
    free_results(true);
    prepare();
    CODE(ms_store_delete_many(fx.store, items, COUNT, 8, &err), MS_ERR_NOT_FOUND);
    free_results(false);
    assert_string_equal(listed(MS_LIST_BOTH), "");
}

static void conditions(void **state)
{
    (void)state;
    if (!can_if_absent())
        return;
    prepare();
    OK(ms_store_store(fx.store, ms_str(names[5]),
                      ms_buf_borrow(&(struct ms_buf_borrowed){0}, ms_str("mine")), NULL, NULL,
                      &err));
    for (size_t i = 0; i < COUNT; i++) {
        items[i].value = ms_buf_copy(ms_str("yours"));
        items[i].precondition.kind = i % 2 ? MS_IF_ABSENT : MS_ALWAYS;
    }
    CODE(ms_store_store_many(fx.store, items, COUNT, 8, &err), MS_ERR_EXISTS);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(items[i].code, i == 5 ? MS_ERR_EXISTS : 0);
    free_results(true);
    struct ms_buf *value;
    OK(ms_store_load(fx.store, ms_str(names[5]), NULL, &value, &err));
    assert_int_equal(ms_buf_size(value), 4);
    ms_buf_unref(value);
}

static void bad_names(void **state)
{
    (void)state;
    prepare();
    items[3].key = ms_str("data/");
    for (size_t i = 0; i < COUNT; i++)
        items[i].value = ms_buf_copy(ms_str("v"));
    CODE(ms_store_store_many(fx.store, items, COUNT, 8, &err), MS_ERR_NAME);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(items[i].code, i == 3 ? MS_ERR_NAME : 0);
    free_results(true);
}

/* Nothing is reached: every element says so, and has no value to give back. */
static void cancelled(void **state)
{
    (void)state;
    store_all();
    struct ms_cancel *token;
    OK(ms_cancel_new(&token, &err));
    ms_cancel_fire(token);
    struct ms_cancel *before = ms_cancel_swap(token);
    prepare();
    for (size_t i = 0; i < COUNT; i++)
        items[i].value = (struct ms_buf *)&items[i];
    CODE(ms_store_load_many(fx.store, items, COUNT, 8, &err), MS_ERR_CANCELLED);
    ms_cancel_swap(before);
    ms_cancel_free(token);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].code, MS_ERR_CANCELLED);
        assert_null(items[i].value);
    }
    free_results(true);
}

static void none(void **state)
{
    (void)state;
    OK(ms_store_load_many(fx.store, NULL, 0, 8, &err));
    OK(ms_store_store_many(fx.store, NULL, 0, 8, &err));
}

const struct CMUnitTest many_tests[] = {
    TEST(there_and_back), TEST(ranges), TEST(some_fail), TEST(conditions),
    TEST(bad_names),      TEST(none),   TEST(cancelled),
};
const size_t many_test_count = sizeof many_tests / sizeof *many_tests;
