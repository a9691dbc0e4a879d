/* Promises about the life of a backend: states, create and destroy, cancellation. */
#include "backend_suite.h"

#include "base/sync.h"

#include <stdlib.h>

static void needs_to_be_open(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_info info;
    struct ms_buf *value = NULL;
    struct ms_lister *lister = NULL;
    struct ms_reader *reader = NULL;
    struct ms_writer *writer = NULL;
    struct ms_batch *batch = NULL;
    uint64_t n;
    char hex[129];
    OK(ms_backend_close(f->b, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_close(f->b, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, put(f, "a", "x"));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_info(f->b, ms_str("a"), &info, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_info(f->b, ms_str(""), &info, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN,
          ms_backend_load(f->b, ms_str("a"), 0, MS_SIZE_TO_END, &value, NULL, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_delete(f->b, ms_str("a"), &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_move(f->b, ms_str("a"), ms_str("b"), NULL, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_copy(f->b, ms_str("a"), ms_str("b"), NULL, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_compose(f->b, NULL, 0, ms_str("b"), NULL, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_hash(f->b, ms_str("a"), "sha256", hex, 129, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_mkdir(f->b, ms_str("a"), &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_rmdir(f->b, ms_str("a"), &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_list(f->b, ms_str(""), NULL, &lister, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_read(f->b, ms_str("a"), &reader, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_write(f->b, ms_str("a"), 0, NULL, &writer, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_batch(f->b, &batch, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_usage(f->b, &n, &n, &f->err));
    FAILS(MS_ERR_MUST_BE_OPEN, ms_backend_sweep(f->b, 0, &n, &f->err));
}

static void needs_to_be_closed(void **state)
{
    struct fixture *f = fixture(state);
    FAILS(MS_ERR_MUST_NOT_BE_OPEN, ms_backend_open(f->b, &f->err));
    FAILS(MS_ERR_MUST_NOT_BE_OPEN, ms_backend_create(f->b, &f->err));
    FAILS(MS_ERR_MUST_NOT_BE_OPEN, ms_backend_destroy(f->b, &f->err));
    OK(put(f, "still", "here"));
    holds_text(f, "still", "here");
}

static void keeps_values_over_close(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "data/x", "kept"));
    OK(ms_backend_close(f->b, &f->err));
    OK(ms_backend_open(f->b, &f->err));
    holds_text(f, "data/x", "kept");
}

static void is_created_empty_and_once(void **state)
{
    struct fixture *f = fixture(state);
    lists(f, "", "");
    OK(put(f, "a", "x"));
    OK(ms_backend_close(f->b, &f->err));
    FAILS(MS_ERR_STORE_EXISTS, ms_backend_create(f->b, &f->err));
    OK(ms_backend_open(f->b, &f->err));
    holds_text(f, "a", "x");
    OK(ms_backend_delete(f->b, ms_str("a"), &f->err));
    OK(ms_backend_close(f->b, &f->err));
    OK(ms_backend_create(f->b, &f->err)); /* an empty one is taken as it is */
    OK(ms_backend_open(f->b, &f->err));
    lists(f, "", "");
}

static void is_destroyed_with_everything(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "a/b/c", "x"));
    OK(put(f, "quota.hid", "1"));
    OK(ms_backend_mkdir(f->b, ms_str("empty"), &f->err));
    OK(ms_backend_close(f->b, &f->err));
    OK(ms_backend_destroy(f->b, &f->err));
    FAILS(MS_ERR_NO_STORE, ms_backend_destroy(f->b, &f->err));
    FAILS(MS_ERR_NO_STORE, ms_backend_open(f->b, &f->err));
    OK(ms_backend_create(f->b, &f->err));
    OK(ms_backend_open(f->b, &f->err));
    lists(f, "", "");
    is_missing(f, "a/b/c");
    is_missing(f, "quota.hid");
}

static void reports_its_capabilities(void **state)
{
    struct fixture *f = fixture(state);
    assert_int_equal(f->can.flags, f->candidate->flags);
    assert_in_range(f->can.name_max_bytes, 100, MS_NAME_MAX);
    assert_true(f->can.best_parallelism >= 1);
    assert_true(f->can.best_block_bytes >= 4096);
}

static void a_cancelled_call_has_no_effect(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "a", "old"));
    struct ms_cancel *cancel = NULL;
    struct ms_writer *w = NULL;
    struct ms_batch *batch = NULL;
    struct ms_buf *value = NULL;
    OK(ms_backend_write(f->b, ms_str("a"), 0, NULL, &w, &f->err));
    OK(ms_writer_append(w, ms_str("new"), &f->err));
    OK(ms_backend_batch(f->b, &batch, &f->err));
    OK(ms_cancel_new(&cancel, &f->err));
    struct ms_cancel *before = ms_cancel_swap(cancel);
    ms_cancel_fire(cancel);
    int stored = put(f, "a", "new");
    int loaded = ms_backend_load(f->b, ms_str("a"), 0, 1, &value, NULL, NULL);
    int removed = ms_backend_delete(f->b, ms_str("a"), NULL);
    int written = ms_writer_commit(w, NULL, NULL);
    int batched = ms_batch_commit(batch, NULL);
    ms_cancel_swap(before);
    ms_cancel_free(cancel);
    FAILS(MS_ERR_CANCELLED, stored);
    assert_int_equal(loaded, MS_ERR_CANCELLED);
    assert_int_equal(removed, MS_ERR_CANCELLED);
    assert_int_equal(written, MS_ERR_CANCELLED);
    assert_int_equal(batched, MS_ERR_CANCELLED);
    holds_text(f, "a", "old");
    lists(f, "", "a");
}

const struct promise promises_life[] = {
    {"needs to be open", needs_to_be_open},
    {"needs to be closed", needs_to_be_closed},
    {"keeps values over close", keeps_values_over_close},
    {"is created empty and once", is_created_empty_and_once},
    {"is destroyed with everything", is_destroyed_with_everything},
    {"reports its capabilities", reports_its_capabilities},
    {"a cancelled call has no effect", a_cancelled_call_has_no_effect},
    {0},
};
