/* Promises about statistics: each call once, in the right verb, with its volume and its error. */
#include "backend_suite.h"

#include <stdlib.h>

/* The figures of this backend's entity now. Other tests share it: only differences count. */
static struct ms_entity_stats figures(struct fixture *f)
{
    struct ms_stats_snapshot *all = NULL;
    struct ms_entity_stats mine = {0};
    OK(ms_stats_take(&all, &f->err));
    for (size_t i = 0; i < all->count; i++)
        if (all->entities[i].kind == MS_STATS_BACKEND &&
            strcmp(all->entities[i].store, f->b->url) == 0)
            mine = all->entities[i];
    ms_stats_free(all);
    return mine;
}

struct expected {
    enum ms_verb verb;
    uint64_t calls, errors, volume;
};

static void grew(const struct ms_entity_stats *before, const struct ms_entity_stats *after,
                 const struct expected *expected, size_t count)
{
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        struct expected want = {(enum ms_verb)v, 0, 0, 0};
        for (size_t i = 0; i < count; i++)
            if (expected[i].verb == (enum ms_verb)v)
                want = expected[i];
        uint64_t calls = after->verbs[v].calls - before->verbs[v].calls;
        uint64_t errors = after->verbs[v].errors - before->verbs[v].errors;
        uint64_t volume = after->verbs[v].volume_bytes - before->verbs[v].volume_bytes;
        if (calls != want.calls || errors != want.errors || volume != want.volume)
            fail_msg("%s: %llu calls, %llu errors, %llu bytes", ms_verb_name(v),
                     (unsigned long long)calls, (unsigned long long)errors,
                     (unsigned long long)volume);
    }
}
#define GREW(before, after, ...)                                                                   \
    grew(&(before), &(after), (struct expected[]){__VA_ARGS__},                                    \
         sizeof((struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

static void counts_calls_and_volume(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_entity_stats before = figures(f);
    struct ms_buf *value = NULL;
    struct ms_info info;
    char hex[129];
    struct ms_part part = {ms_str("a"), 0, 4};
    OK(put(f, "a", "0123456789"));
    OK(put(f, "b", "01234"));
    OK(ms_backend_load(f->b, ms_str("a"), 2, 3, &value, NULL, &f->err));
    ms_buf_unref(value);
    OK(ms_backend_info(f->b, ms_str("a"), &info, &f->err));
    OK(ms_backend_hash(f->b, ms_str("a"), "sha256", hex, sizeof hex, &f->err));
    OK(ms_backend_compose(f->b, &part, 1, ms_str("c"), NULL, &f->err));
    OK(ms_backend_copy(f->b, ms_str("a"), ms_str("d"), NULL, &f->err));
    OK(ms_backend_move(f->b, ms_str("a"), ms_str("e"), NULL, &f->err));
    OK(ms_backend_delete(f->b, ms_str("b"), &f->err));
    OK(ms_backend_mkdir(f->b, ms_str("dir"), &f->err));
    OK(ms_backend_rmdir(f->b, ms_str("dir"), &f->err));
    struct ms_entity_stats after = figures(f);
    GREW(before, after, {MS_VERB_STORE, 2, 0, 15}, {MS_VERB_LOAD, 1, 0, 3}, {MS_VERB_INFO, 1, 0, 0},
         {MS_VERB_HASH, 1, 0, 0}, {MS_VERB_DEFRAG, 1, 0, 0}, {MS_VERB_COPY, 1, 0, 0},
         {MS_VERB_MOVE, 1, 0, 0}, {MS_VERB_DELETE, 1, 0, 0}, {MS_VERB_MKDIR, 1, 0, 0},
         {MS_VERB_RMDIR, 1, 0, 0});
}

static void counts_errors_by_code(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_entity_stats before = figures(f);
    struct ms_buf *value = NULL;
    FAILS(MS_ERR_NOT_FOUND, ms_backend_load(f->b, ms_str("x"), 0, 1, &value, NULL, &f->err));
    FAILS(MS_ERR_NOT_FOUND, ms_backend_delete(f->b, ms_str("x"), &f->err));
    FAILS(MS_ERR_NAME, ms_backend_delete(f->b, ms_str("../x"), &f->err)); /* never got there */
    struct ms_entity_stats after = figures(f);
    GREW(before, after, {MS_VERB_LOAD, 1, 1, 0}, {MS_VERB_DELETE, 1, 1, 0});
    assert_int_equal(after.errors[-MS_ERR_NOT_FOUND] - before.errors[-MS_ERR_NOT_FOUND], 2);
    assert_int_equal(after.errors[-MS_ERR_NAME] - before.errors[-MS_ERR_NAME], 0);
}

static void counts_each_of_many_deletes(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_deletion items[] = {{.name = ms_str("a")},
                                  {.name = ms_str("x")},
                                  {.name = ms_str("../x")},
                                  {.name = ms_str("b")}};
    OK(put(f, "a", "0123456789"));
    OK(put(f, "b", "01234"));
    struct ms_entity_stats before = figures(f);
    OK(ms_backend_delete_many(f->b, items, 4, &f->err));
    struct ms_entity_stats after = figures(f);
    GREW(before, after, {MS_VERB_DELETE, 3, 1, 0});
    assert_int_equal(after.errors[-MS_ERR_NOT_FOUND] - before.errors[-MS_ERR_NOT_FOUND], 1);
}

static void a_stream_is_one_call(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_entity_stats before = figures(f);
    struct ms_writer *w = NULL;
    struct ms_reader *r = NULL;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    uint8_t bytes[100] = {0};
    size_t got;
    OK(ms_backend_write(f->b, ms_str("v"), 0, NULL, &w, &f->err));
    for (int i = 0; i < 5; i++)
        OK(ms_writer_append(w, ms_view(bytes, 100), &f->err));
    OK(ms_writer_commit(w, NULL, &f->err));
    OK(ms_backend_read(f->b, ms_str("v"), &r, &f->err));
    for (uint64_t i = 0; i < 3; i++)
        OK(ms_reader_read(r, i * 100, bytes, 100, &got, &f->err));
    ms_reader_close(r);
    OK(ms_backend_list(f->b, ms_str(""), NULL, &l, &f->err));
    OK(ms_lister_next(l, &e, &f->err));
    OK(ms_lister_next(l, &e, &f->err));
    ms_lister_close(l);
    OK(ms_backend_write(f->b, ms_str("given up"), 0, NULL, &w, &f->err));
    ms_writer_abort(w);
    struct ms_entity_stats after = figures(f);
    GREW(before, after, {MS_VERB_STORE, 1, 0, 500}, {MS_VERB_LOAD, 1, 0, 300},
         {MS_VERB_LIST, 1, 0, 0});
}

static void a_batch_counts_its_stores(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_entity_stats before = figures(f);
    struct ms_batch *batch = NULL;
    struct ms_buf_borrowed place;
    OK(ms_backend_batch(f->b, &batch, &f->err));
    OK(ms_batch_store(batch, ms_str("a"), ms_buf_borrow(&place, ms_str("1234")), NULL, &f->err));
    OK(ms_batch_store(batch, ms_str("b"), ms_buf_borrow(&place, ms_str("12")), NULL, &f->err));
    OK(ms_batch_commit(batch, &f->err));
    struct ms_entity_stats after = figures(f);
    GREW(before, after, {MS_VERB_STORE, 2, 0, 6}, {MS_VERB_OTHER, 1, 0, 0});
}

static bool local(const struct fixture *f)
{
    return strncmp(f->url, "file:", 5) == 0 || strncmp(f->url, "memory:", 7) == 0;
}

static void counts_bytes_that_moved(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_entity_stats before = figures(f);
    struct ms_buf *value = NULL;
    OK(put(f, "a", "0123456789"));
    OK(ms_backend_load(f->b, ms_str("a"), 0, 4, &value, NULL, &f->err));
    ms_buf_unref(value);
    struct ms_entity_stats after = figures(f);
    if (strncmp(f->candidate->label, "minimal", 7) == 0 ||
        strncmp(f->candidate->label, "limited", 7) == 0)
        return;      /* their drivers tell nobody, or for the URL behind them */
    if (!local(f)) { /* with the protocol's own bytes */
        assert_true(after.moved_out_bytes - before.moved_out_bytes >= 10);
        assert_true(after.moved_in_bytes - before.moved_in_bytes >= 4);
        return;
    }
    assert_int_equal(after.moved_out_bytes - before.moved_out_bytes, 10);
    assert_int_equal(after.moved_in_bytes - before.moved_in_bytes, 4);
}

static void counts_emulated_delay_apart(void **state)
{
    struct fixture *f = fixture(state);
    bool emulated = strstr(f->candidate->url, "emulate.") != NULL;
    if (emulated && !f->candidate->virtual_clock)
        return; /* other delays are in it */
    struct ms_entity_stats before = figures(f);
    struct ms_info info;
    OK(ms_backend_info(f->b, ms_str("a"), &info, &f->err));
    struct ms_entity_stats after = figures(f);
    const struct ms_verb_stats *now = &after.verbs[MS_VERB_INFO];
    uint64_t delay = now->emulated_ns - before.verbs[MS_VERB_INFO].emulated_ns;
    uint64_t time = now->time_ns - before.verbs[MS_VERB_INFO].time_ns;
    if (!emulated) {
        assert_int_equal(delay, 0);
        return;
    }
    assert_in_range(delay, 15000000, 25000000); /* 20 ms, give or take 5 */
    if (time + 2 < delay)                       /* a moment is cut to two ns */
        fail_msg("%llu ns in all, %llu ns emulated", (unsigned long long)time,
                 (unsigned long long)delay);
}

const struct promise promises_counts[] = {
    {"counts calls and volume", counts_calls_and_volume},
    {"counts errors by code", counts_errors_by_code},
    {"counts each of many deletes", counts_each_of_many_deletes},
    {"a stream is one call", a_stream_is_one_call},
    {"a batch counts its stores", a_batch_counts_its_stores},
    {"counts bytes that moved", counts_bytes_that_moved},
    {"counts emulated delay apart", counts_emulated_delay_apart},
    {0},
};
