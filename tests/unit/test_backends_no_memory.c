/* Allocation k fails, k = 0, 1, 2 … until the call succeeds, for every call of a backend: each
 * failure is NO_MEMORY with a sentence, leaks nothing (AddressSanitizer's run looks), leaves what
 * was there as it was, and the backend works on.
 *
 * Over memory: itself, and over a driver without its optional slots, so that the fallbacks fail
 * too. The linker sends the library's allocations here (see CMakeLists.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/backend.h>

#include <stdlib.h>

#define NEVER UINT64_MAX
static __thread uint64_t allocations_left = NEVER;

static bool fails(void)
{
    if (allocations_left == NEVER)
        return false;
    if (allocations_left == 0)
        return true;
    allocations_left--;
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

static struct ms_error err;

/* ---- the calls: each leaves things so that it may run again ---- */

static int try_store(struct ms_backend *b, struct ms_error *error)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str("new/dir/v"), ms_buf_borrow(&place, ms_str("value")), NULL,
                            NULL, error);
}

static int try_load(struct ms_backend *b, struct ms_error *error)
{
    struct ms_buf *value = NULL;
    int code = ms_backend_load(b, ms_str("a"), 1, 2, &value, NULL, error);
    ms_buf_unref(value);
    return code;
}

static int try_mkdir(struct ms_backend *b, struct ms_error *error)
{
    return ms_backend_mkdir(b, ms_str("x/y/z"), error);
}

static int try_move(struct ms_backend *b, struct ms_error *error)
{
    int code = ms_backend_move(b, ms_str("a"), ms_str("moved/a"), NULL, error);
    if (code)
        return code;
    return ms_backend_move(b, ms_str("moved/a"), ms_str("a"), NULL, error);
}

static int try_list(struct ms_backend *b, struct ms_error *error)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    int code = ms_backend_list(b, ms_str(""), NULL, &l, error);
    if (code)
        return code;
    do
        code = ms_lister_next(l, &e, error);
    while (code == 0 && e);
    ms_lister_close(l);
    return code;
}

static int try_write(struct ms_backend *b, struct ms_error *error)
{
    static const uint8_t block[10000];
    struct ms_writer *w = NULL;
    int code = ms_backend_write(b, ms_str("new/w"), 0, NULL, &w, error);
    if (code)
        return code;
    for (int i = 0; i < 3 && code == 0; i++)
        code = ms_writer_append(w, ms_view(block, sizeof block), error);
    if (code == 0)
        return ms_writer_commit(w, NULL, error);
    ms_writer_abort(w);
    return code;
}

static int try_read(struct ms_backend *b, struct ms_error *error)
{
    struct ms_reader *r = NULL;
    uint8_t bytes[10];
    size_t got = 0;
    int code = ms_backend_read(b, ms_str("a"), &r, error);
    if (code)
        return code;
    code = ms_reader_read(r, 0, bytes, 10, &got, error);
    ms_reader_close(r);
    return code;
}

static int try_batch(struct ms_backend *b, struct ms_error *error)
{
    struct ms_batch *batch = NULL;
    struct ms_buf_borrowed place;
    int code = ms_backend_batch(b, &batch, error);
    if (code)
        return code;
    code = ms_batch_store(batch, ms_str("n/1"), ms_buf_borrow(&place, ms_str("1")), NULL, error);
    if (code == 0)
        code =
            ms_batch_store(batch, ms_str("m/2"), ms_buf_borrow(&place, ms_str("2")), NULL, error);
    if (code == 0)
        return ms_batch_commit(batch, error);
    ms_batch_abort(batch);
    return code;
}

static int try_hash(struct ms_backend *b, struct ms_error *error)
{
    char hex[129];
    return ms_backend_hash(b, ms_str("a"), "sha256", hex, sizeof hex, error);
}

static int try_compose(struct ms_backend *b, struct ms_error *error)
{
    struct ms_part parts[] = {{ms_str("a"), 0, 3}, {ms_str("d/b"), 1, MS_SIZE_TO_END}};
    return ms_backend_compose(b, parts, 2, ms_str("composed/c"), NULL, error);
}

static int try_copy(struct ms_backend *b, struct ms_error *error)
{
    return ms_backend_copy(b, ms_str("a"), ms_str("copied/c"), NULL, error);
}

static int try_replace(struct ms_backend *b, struct ms_error *error)
{
    return ms_backend_copy(b, ms_str("d/b"), ms_str("d/b"), NULL, error);
}

static const struct {
    const char *name;
    int (*call)(struct ms_backend *b, struct ms_error *error);
    unsigned at_least; /* allocations that can fail */
} attempts[] = {
    {"store", try_store, 3}, {"load", try_load, 1},       {"mkdir", try_mkdir, 2},
    {"move", try_move, 2},   {"list", try_list, 2},       {"write", try_write, 3},
    {"read", try_read, 1},   {"batch", try_batch, 3},     {"hash", try_hash, 1},
    {"copy", try_copy, 2},   {"compose", try_compose, 2}, {"replace", try_replace, 0},
};

/* ---- over memory, with its slots and without ---- */

static void holds(struct ms_backend *b, const char *name, const char *wanted)
{
    struct ms_buf *value = NULL;
    assert_int_equal(ms_backend_load(b, ms_str(name), 0, MS_SIZE_TO_END, &value, NULL, &err), 0);
    assert_int_equal(ms_buf_size(value), strlen(wanted));
    assert_memory_equal(ms_buf_view(value).data, wanted, strlen(wanted));
    ms_buf_unref(value);
}

static struct ms_backend *fresh(bool bare, struct ms_backend_ops *ops)
{
    struct ms_backend *b = NULL;
    struct ms_buf_borrowed place;
    assert_int_equal(ms_backend_make("memory:", NULL, &b, &err), 0);
    if (bare) {
        *ops = *b->ops;
        ops->write = NULL;
        ops->read = NULL;
        ops->batch = NULL;
        ops->hash = NULL;
        ops->compose = NULL;
        ops->copy = NULL;
        b->ops = ops;
    }
    assert_int_equal(ms_backend_create(b, &err), 0);
    assert_int_equal(ms_backend_open(b, &err), 0);
    assert_int_equal(ms_backend_store(b, ms_str("a"), ms_buf_borrow(&place, ms_str("0123456789")),
                                      NULL, NULL, &err),
                     0);
    assert_int_equal(
        ms_backend_store(b, ms_str("d/b"), ms_buf_borrow(&place, ms_str("abc")), NULL, NULL, &err),
        0);
    return b;
}

static void every_call(bool bare)
{
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        struct ms_backend_ops ops;
        struct ms_backend *b = fresh(bare, &ops);
        unsigned k = 0;
        for (;; k++) {
            err = (struct ms_error){0};
            allocations_left = k;
            int code = attempts[i].call(b, &err);
            allocations_left = NEVER;
            if (code == 0)
                break;
            if (code != MS_ERR_NO_MEMORY || err.code != code || !strstr(err.text, "memory"))
                fail_msg("%s, allocation %u: %s \"%s\"", attempts[i].name, k, ms_code_name(code),
                         err.text);
            holds(b, "a", "0123456789");
            holds(b, "d/b", "abc");
            assert_true(k < 100);
        }
        if (k < attempts[i].at_least)
            fail_msg("%s: only %u allocations failed", attempts[i].name, k);
        ms_backend_free(b);
    }
}

static void calls_of_memory(void **state)
{
    (void)state;
    every_call(false);
}

static void calls_of_the_fallbacks(void **state)
{
    (void)state;
    every_call(true);
}

static void making_a_backend(void **state)
{
    static const char *const urls[] = {"memory:", "memory:named?capacity=10&name_max=20",
                                       "file:///tmp?sync=none"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        for (unsigned k = 0;; k++) {
            struct ms_backend *b = NULL;
            err = (struct ms_error){0};
            allocations_left = k;
            int code = ms_backend_make(urls[i], NULL, &b, &err);
            allocations_left = NEVER;
            if (code == 0) {
                ms_backend_free(b);
                assert_true(k >= 4);
                break;
            }
            assert_null(b);
            assert_int_equal(code, MS_ERR_NO_MEMORY);
            assert_int_equal(err.code, MS_ERR_NO_MEMORY);
            assert_true(k < 100);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_memory),
        cmocka_unit_test(calls_of_the_fallbacks),
        cmocka_unit_test(making_a_backend),
    };
    return cmocka_run_group_tests_name("backends without memory", tests, NULL, NULL);
}
