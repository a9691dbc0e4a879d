/* Reference-counted buffers: contents, slices, borrowed ones, and when memory is released. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"

#include <pthread.h>

static void assert_bytes(const struct ms_buf *buf, const char *text)
{
    assert_non_null(buf);
    struct ms_view view = ms_buf_view(buf);
    assert_int_equal(view.size, strlen(text));
    assert_int_equal(ms_buf_size(buf), view.size);
    assert_memory_equal(view.data, text, view.size);
}

static struct ms_buf *copy_of(const char *text)
{
    struct ms_buf *buf = ms_buf_copy(ms_str(text));
    assert_non_null(buf);
    return buf;
}

static void a_buffer_is_filled_cut_and_read(void **state)
{
    (void)state;
    MS_AUTO_BUF struct ms_buf *buf = ms_buf_new(8);
    assert_non_null(buf);
    memcpy(ms_buf_data(buf), "abcdefgh", 8);
    assert_bytes(buf, "abcdefgh");
    ms_buf_truncate(buf, 3);
    assert_bytes(buf, "abc");
}

static void a_copy_is_a_copy(void **state)
{
    (void)state;
    char text[] = "hello";
    MS_AUTO_BUF struct ms_buf *buf = ms_buf_copy(ms_str(text));
    text[0] = 'j';
    assert_bytes(buf, "hello");
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_copy(ms_view(NULL, 0));
    assert_bytes(empty, "");
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    assert_null(ms_buf_new(SIZE_MAX));
    assert_null(ms_buf_new(SIZE_MAX - 8));
    ms_buf_unref(NULL);
}

struct released {
    unsigned times;
    void *data;
};

static void note_release(void *ctx, void *data)
{
    struct released *r = ctx;
    r->times++;
    r->data = data;
}

static void wrapped_memory_is_released_once_at_the_end(void **state)
{
    (void)state;
    char memory[] = "0123456789";
    struct released released = {0};
    struct ms_buf *buf = ms_buf_wrap(memory, 10, note_release, &released);
    assert_non_null(buf);
    assert_ptr_equal(ms_buf_view(buf).data, memory);
    struct ms_buf *same = ms_buf_ref(buf);
    assert_ptr_equal(same, buf);
    ms_buf_unref(buf);
    assert_int_equal(released.times, 0);
    ms_buf_unref(same);
    assert_int_equal(released.times, 1);
    assert_ptr_equal(released.data, memory);
}

static void a_slice_keeps_the_whole(void **state)
{
    (void)state;
    char memory[] = "0123456789";
    struct released released = {0};
    struct ms_buf *buf = ms_buf_wrap(memory, 10, note_release, &released);
    assert_non_null(buf);
    struct ms_buf *slice = ms_buf_slice(buf, 2, 5);
    struct ms_buf *of_slice = ms_buf_slice(slice, 1, 3);
    struct ms_buf *nothing = ms_buf_slice(buf, 10, 0);
    ms_buf_unref(buf);
    assert_bytes(slice, "23456");
    assert_ptr_equal(ms_buf_view(slice).data, memory + 2); /* no copy */
    ms_buf_unref(slice);
    assert_bytes(of_slice, "345");
    assert_bytes(nothing, "");
    ms_buf_unref(nothing);
    assert_int_equal(released.times, 0);
    ms_buf_unref(of_slice);
    assert_int_equal(released.times, 1);
}

static void a_borrowed_buffer_is_copied_when_kept(void **state)
{
    (void)state;
    char memory[] = "borrowed";
    struct ms_buf_borrowed place;
    struct ms_buf *buf = ms_buf_borrow(&place, ms_str(memory));
    assert_ptr_equal(ms_buf_view(buf).data, memory);
    MS_AUTO_BUF struct ms_buf *kept = ms_buf_ref(buf);
    MS_AUTO_BUF struct ms_buf *part = ms_buf_slice(buf, 3, 2);
    ms_buf_unref(buf); /* does nothing: it belongs to this frame */
    memset(memory, 'x', sizeof memory);
    assert_bytes(kept, "borrowed");
    assert_bytes(part, "ro");
    assert_bytes(buf, "xxxxxxxx");
}

static void *ref_and_unref(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        struct ms_buf *mine = ms_buf_ref(arg);
        if (ms_buf_view(mine).data[0] != 's')
            return arg;
        ms_buf_unref(mine);
    }
    ms_buf_unref(arg);
    return NULL;
}

static void any_thread_may_ref_and_unref(void **state)
{
    (void)state;
    struct ms_buf *buf = copy_of("shared");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, ms_buf_ref(buf)), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_bytes(buf, "shared");
    ms_buf_unref(buf);
}

static void a_value_is_taken_out_of_its_cleanup(void **state)
{
    (void)state;
    struct ms_buf *taken;
    {
        MS_AUTO_BUF struct ms_buf *buf = copy_of("taken");
        taken = MS_TAKE(buf);
        assert_null(buf);
    }
    assert_bytes(taken, "taken");
    ms_buf_unref(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_filled_cut_and_read),
        cmocka_unit_test(a_copy_is_a_copy),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(wrapped_memory_is_released_once_at_the_end),
        cmocka_unit_test(a_slice_keeps_the_whole),
        cmocka_unit_test(a_borrowed_buffer_is_copied_when_kept),
        cmocka_unit_test(any_thread_may_ref_and_unref),
        cmocka_unit_test(a_value_is_taken_out_of_its_cleanup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
