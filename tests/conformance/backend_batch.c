/* Promises about batches: stores acknowledged together. */
#include "backend_suite.h"

#include "base/pool.h"

#include <stdio.h>

static int add(struct fixture *f, struct ms_batch *batch, const char *name, const char *value,
               const struct ms_precondition *pre)
{
    struct ms_buf_borrowed place;
    return ms_batch_store(batch, ms_str(name), ms_buf_borrow(&place, ms_str(value)), pre, &f->err);
}

static struct ms_batch *batch(struct fixture *f)
{
    struct ms_batch *b = NULL;
    OK(ms_backend_batch(f->b, &b, &f->err));
    return b;
}

static void commits_all(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_batch *b = batch(f);
    OK(put(f, "d/0", "old"));
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        OK(add(f, b, name, name, NULL));
    }
    OK(add(f, b, "elsewhere/deep/x", "y", NULL));
    OK(ms_batch_commit(b, &f->err));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        holds_text(f, name, name);
    }
    holds_text(f, "elsewhere/deep/x", "y");
    lists(f, "", "d/|elsewhere/");
    lists(f, "elsewhere/deep", "x");
}

static void an_empty_batch_is_fine(void **state)
{
    struct fixture *f = fixture(state);
    OK(ms_batch_commit(batch(f), &f->err));
    ms_batch_abort(batch(f));
    ms_batch_abort(NULL);
    lists(f, "", "");
}

/* Nothing acknowledged, nothing half there: a fallback has stored what it was given. */
static void an_abort_leaves_whole_values_or_none(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "a", "old"));
    struct ms_batch *b = batch(f);
    OK(add(f, b, "a", "new", NULL));
    OK(add(f, b, "b", "new", NULL));
    ms_batch_abort(b);
    struct ms_info info;
    OK(ms_backend_info(f->b, ms_str("b"), &info, &f->err));
    if (info.exists) {
        holds_text(f, "b", "new");
        holds_text(f, "a", "new");
        return;
    }
    holds_text(f, "a", "old");
    lists(f, "", "a");
    uint64_t removed = 99;
    OK(ms_backend_sweep(f->b, 0, &removed, &f->err));
    assert_int_equal(removed, 0);
}

static void keeps_preconditions(void **state)
{
    struct fixture *f = fixture(state);
    if (!CAN(f, MS_CAP_IF_ABSENT))
        return;
    OK(put(f, "taken", "old"));
    struct ms_batch *b = batch(f);
    int code = add(f, b, "taken", "new", &if_absent);
    if (code) { /* heard of at once; the rest of the batch goes on */
        FAILS(MS_ERR_EXISTS, code);
        OK(add(f, b, "free", "new", &if_absent));
        OK(ms_batch_commit(b, &f->err));
        holds_text(f, "free", "new");
    } else {
        FAILS(MS_ERR_EXISTS, ms_batch_commit(b, &f->err));
    }
    holds_text(f, "taken", "old");
}

static void judges_at_the_commit_at_the_latest(void **state)
{
    struct fixture *f = fixture(state);
    if (!CAN(f, MS_CAP_IF_ABSENT))
        return;
    struct ms_batch *b = batch(f);
    OK(add(f, b, "raced", "batch", &if_absent));
    int code = put_bytes(f, "raced", ms_str("other"), &if_absent, NULL);
    if (code) { /* the batch's store was visible before */
        FAILS(MS_ERR_EXISTS, code);
        OK(ms_batch_commit(b, &f->err));
        holds_text(f, "raced", "batch");
        return;
    }
    FAILS(MS_ERR_EXISTS, ms_batch_commit(b, &f->err));
    holds_text(f, "raced", "other");
}

static void refuses_bad_names_alone(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_batch *b = batch(f);
    FAILS(MS_ERR_NAME, add(f, b, "../x", "y", NULL));
    FAILS(MS_ERR_NAME, add(f, b, "x.tmp", "y", NULL));
    OK(add(f, b, "good", "y", NULL));
    OK(ms_batch_commit(b, &f->err));
    lists(f, "", "good");
}

struct many {
    struct ms_batch *batch;
};

static int store_one(void *arg, size_t index)
{
    struct many *m = arg;
    char name[32];
    snprintf(name, sizeof name, "d%zu/%zu", index % 7, index);
    struct ms_buf_borrowed place;
    return ms_batch_store(m->batch, ms_str(name), ms_buf_borrow(&place, ms_str(name)), NULL, NULL);
}

static void takes_stores_from_many_threads(void **state)
{
    struct fixture *f = fixture(state);
    struct many m = {batch(f)};
    OK(ms_parallel(200, 8, store_one, &m, &f->err));
    OK(ms_batch_commit(m.batch, &f->err));
    for (size_t i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%zu/%zu", i % 7, i);
        holds_text(f, name, name);
    }
}

const struct promise promises_batch[] = {
    {"a batch commits all", commits_all},
    {"an empty batch is fine", an_empty_batch_is_fine},
    {"an aborted batch leaves whole values or none", an_abort_leaves_whole_values_or_none},
    {"a batch keeps preconditions", keeps_preconditions},
    {"a batch judges at the commit at the latest", judges_at_the_commit_at_the_latest},
    {"a batch refuses bad names alone", refuses_bad_names_alone},
    {"a batch takes stores from many threads", takes_stores_from_many_threads},
    {0},
};
