/* The emulator's faults: each does exactly what it says, to the storage and to the caller. */
#include "support/check.h"
#include "support/emulated.h"

#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct ms_clock *clock;
    struct emulated m;
    struct ms_error err;
};

static struct fixture setup(struct ms_emulation *e)
{
    struct fixture f = {.clock = ms_clock_virtual_new(0)};
    assert_non_null(f.clock);
    check_ok(emulated_open(&f.m, e, f.clock, &f.err), f.err);
    return f;
}

static void teardown(struct fixture *f)
{
    emulated_close(&f->m);
    ms_clock_free(f->clock);
}

static struct ms_emulation emulation(void)
{
    struct ms_emulation e;
    ms_emulation_init(&e);
    return e;
}

static struct fixture setup_fault(struct ms_fault fault)
{
    struct ms_emulation e = emulation();
    e.faults = &fault;
    e.fault_count = 1;
    return setup(&e);
}

static bool lies_there(struct ms_backend *b, const char *name)
{
    struct ms_error err = {0};
    struct ms_info info = {0};
    check_ok(ms_backend_info(b, ms_str(name), &info, &err), err);
    return info.exists;
}

static uint64_t size_there(struct ms_backend *b, const char *name)
{
    struct ms_error err = {0};
    size_t size = 0;
    check_ok(emulated_get(b, name, &size, &err), err);
    return size;
}

/* ---- rates ---- */

static void test_rate_strikes_that_verb_that_often(void **state)
{
    (void)state;
    struct fixture f = setup_fault((struct ms_fault){
        .verb = MS_VERB_LOAD, .kind = MS_FAULT_RATE, .rate = 0.25, .code = MS_ERR_IO});
    check_ok(emulated_put(f.m.outer, "v", 8, 1, &f.err), f.err);
    int failed = 0;
    for (int i = 0; i < 4000; i++) {
        int rc = emulated_get(f.m.outer, "v", NULL, &f.err);
        if (rc < 0)
            assert_int_equal(rc, MS_ERR_IO);
        failed += rc < 0;
        assert_true(lies_there(f.m.outer, "v")); /* info never fails */
    }
    /* 1000 ± 27 (one standard deviation), fixed seed */
    assert_in_range(failed, 890, 1110);
    check_text(f.err, "emulated failure of load before its effect");
    teardown(&f);
}

static void test_rates_of_one_strike_always(void **state)
{
    (void)state;
    struct fixture f =
        setup_fault((struct ms_fault){.verb = MS_VERB_COUNT, .kind = MS_FAULT_RATE, .rate = 1});
    struct ms_info info;
    check_code(emulated_put(f.m.outer, "v", 8, 1, &f.err), MS_ERR_CONNECTION, f.err);
    check_code(ms_backend_info(f.m.outer, ms_str("v"), &info, &f.err), MS_ERR_CONNECTION, f.err);
    check_code(ms_backend_delete(f.m.outer, ms_str("v"), &f.err), MS_ERR_CONNECTION, f.err);
    check_code(ms_backend_mkdir(f.m.outer, ms_str("d"), &f.err), MS_ERR_CONNECTION, f.err);
    assert_false(lies_there(f.m.inner, "v"));
    teardown(&f);
}

/* ---- the nth call ---- */

static void test_nth_before_leaves_no_effect(void **state)
{
    (void)state;
    struct fixture f = setup_fault((struct ms_fault){
        .verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 2, .code = MS_ERR_BUSY});
    check_ok(emulated_put(f.m.outer, "a", 8, 1, &f.err), f.err);
    check_code(emulated_put(f.m.outer, "b", 8, 1, &f.err), MS_ERR_BUSY, f.err);
    check_ok(emulated_put(f.m.outer, "c", 8, 1, &f.err), f.err);
    assert_true(lies_there(f.m.inner, "a"));
    assert_false(lies_there(f.m.inner, "b"));
    assert_true(lies_there(f.m.inner, "c"));
    teardown(&f);
}

static void test_nth_after_leaves_the_effect(void **state)
{
    (void)state;
    struct fixture f = setup_fault(
        (struct ms_fault){.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 1, .after = true});
    check_code(emulated_put(f.m.outer, "a", 8, 1, &f.err), MS_ERR_CONNECTION, f.err);
    check_text(f.err, "emulated failure of store after its effect");
    assert_int_equal(size_there(f.m.inner, "a"), 8);
    struct ms_fault delete = {
        .verb = MS_VERB_DELETE, .kind = MS_FAULT_NTH, .nth = 1, .after = true};
    check_ok(ms_emulator_set_faults(f.m.outer, &delete, 1, &f.err), f.err);
    check_code(ms_backend_delete(f.m.outer, ms_str("a"), &f.err), MS_ERR_CONNECTION, f.err);
    assert_false(lies_there(f.m.inner, "a"));
    teardown(&f);
}

static void test_a_failed_load_gives_nothing(void **state)
{
    (void)state;
    struct fixture f = setup_fault(
        (struct ms_fault){.verb = MS_VERB_LOAD, .kind = MS_FAULT_NTH, .nth = 1, .after = true});
    struct ms_buf *untouched = (struct ms_buf *)&f, *value = untouched;
    check_ok(emulated_put(f.m.outer, "a", 8, 1, &f.err), f.err);
    check_code(ms_backend_load(f.m.outer, ms_str("a"), 0, MS_SIZE_TO_END, &value, NULL, &f.err),
               MS_ERR_CONNECTION, f.err);
    assert_ptr_equal(value, untouched);
    teardown(&f);
}

static void test_new_faults_count_from_then(void **state)
{
    (void)state;
    struct fixture f =
        setup_fault((struct ms_fault){.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 2});
    check_ok(emulated_put(f.m.outer, "a", 8, 1, &f.err), f.err);
    struct ms_fault second = {.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 2};
    check_ok(ms_emulator_set_faults(f.m.outer, &second, 1, &f.err), f.err);
    check_ok(emulated_put(f.m.outer, "b", 8, 1, &f.err), f.err);
    check_code(emulated_put(f.m.outer, "c", 8, 1, &f.err), MS_ERR_CONNECTION, f.err);
    check_ok(ms_emulator_set_faults(f.m.outer, NULL, 0, &f.err), f.err);
    check_ok(emulated_put(f.m.outer, "c", 8, 1, &f.err), f.err);
    assert_int_equal(ms_emulator_calls(f.m.outer, MS_VERB_STORE), 4);
    assert_int_equal(ms_emulator_calls(f.m.outer, MS_VERB_COUNT), 4);
    teardown(&f);
}

static void test_the_storages_own_error_comes_first(void **state)
{
    (void)state;
    struct fixture f = setup_fault(
        (struct ms_fault){.verb = MS_VERB_LOAD, .kind = MS_FAULT_NTH, .nth = 1, .after = true});
    check_code(emulated_get(f.m.outer, "missing", NULL, &f.err), MS_ERR_NOT_FOUND, f.err);
    teardown(&f);
}

/* ---- torn ---- */

static void test_torn_store_shows_a_prefix(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    e.torn_rate = 1;
    struct fixture f = setup(&e);
    bool several = false;
    size_t first = 0;
    for (int i = 0; i < 20; i++) {
        check_code(emulated_put(f.m.outer, "v", 1000, 7, &f.err), MS_ERR_IO, f.err);
        check_text(f.err, "torn write of v");
        size_t size = size_there(f.m.inner, "v");
        assert_in_range(size, 0, 999);
        if (i == 0)
            first = size;
        several |= size != first;
    }
    assert_true(several);
    check_ok(emulated_put(f.m.outer, "empty", 0, 7, &f.err), f.err); /* nothing to tear */
    teardown(&f);
}

static int write_blocks(struct ms_backend *b, const char *name, int blocks, struct ms_error *err)
{
    struct ms_writer *w;
    static const uint8_t block[100] = {1};
    int rc = ms_backend_write(b, ms_str(name), 0, NULL, &w, err);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < blocks; i++)
        rc = ms_writer_append(w, ms_view(block, sizeof block), err);
    if (rc == 0)
        return ms_writer_commit(w, NULL, err);
    ms_writer_abort(w);
    return rc;
}

static void test_torn_writer_shows_a_prefix(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    e.torn_rate = 1;
    struct fixture f = setup(&e);
    check_code(write_blocks(f.m.outer, "v", 3, &f.err), MS_ERR_IO, f.err);
    assert_in_range(size_there(f.m.inner, "v"), 0, 299);
    teardown(&f);
}

static void test_faults_of_a_writer_strike_at_commit(void **state)
{
    (void)state;
    struct fixture f =
        setup_fault((struct ms_fault){.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 1});
    check_code(write_blocks(f.m.outer, "v", 3, &f.err), MS_ERR_CONNECTION, f.err);
    assert_false(lies_there(f.m.inner, "v"));
    struct ms_fault after = {.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 1, .after = true};
    check_ok(ms_emulator_set_faults(f.m.outer, &after, 1, &f.err), f.err);
    check_code(write_blocks(f.m.outer, "v", 3, &f.err), MS_ERR_CONNECTION, f.err);
    assert_int_equal(size_there(f.m.inner, "v"), 300);
    check_ok(write_blocks(f.m.outer, "v", 4, &f.err), f.err);
    assert_int_equal(size_there(f.m.inner, "v"), 400);
    teardown(&f);
}

static void test_faults_in_a_batch(void **state)
{
    (void)state;
    struct fixture f =
        setup_fault((struct ms_fault){.verb = MS_VERB_STORE, .kind = MS_FAULT_NTH, .nth = 2});
    struct ms_batch *batch;
    struct ms_buf *value = ms_buf_copy(ms_str("value"));
    check_ok(ms_backend_batch(f.m.outer, &batch, &f.err), f.err);
    check_ok(ms_batch_store(batch, ms_str("a"), value, NULL, &f.err), f.err);
    check_code(ms_batch_store(batch, ms_str("b"), value, NULL, &f.err), MS_ERR_CONNECTION, f.err);
    check_ok(ms_batch_store(batch, ms_str("c"), value, NULL, &f.err), f.err);
    check_ok(ms_batch_commit(batch, &f.err), f.err);
    assert_true(lies_there(f.m.inner, "a"));
    assert_false(lies_there(f.m.inner, "b"));
    assert_true(lies_there(f.m.inner, "c"));
    check_ok(ms_backend_batch(f.m.outer, &batch, &f.err), f.err);
    check_ok(ms_batch_store(batch, ms_str("d"), value, NULL, &f.err), f.err);
    ms_batch_abort(batch);
    ms_buf_unref(value);
    teardown(&f);
}

/* ---- flip ---- */

static int bits_set(const uint8_t *bytes, size_t size)
{
    int count = 0;
    for (size_t i = 0; i < size; i++)
        count += __builtin_popcount(bytes[i]);
    return count;
}

static void test_flip_turns_one_bit_of_what_is_read(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    e.flip_rate = 1;
    struct fixture f = setup(&e);
    check_ok(emulated_put(f.m.outer, "v", 500, 0, &f.err), f.err);
    for (int i = 0; i < 20; i++) {
        struct ms_buf *value;
        check_ok(ms_backend_load(f.m.outer, ms_str("v"), 0, MS_SIZE_TO_END, &value, NULL, &f.err),
                 f.err);
        assert_int_equal(bits_set(ms_buf_view(value).data, ms_buf_size(value)), 1);
        ms_buf_unref(value);
        check_ok(ms_backend_load(f.m.inner, ms_str("v"), 0, MS_SIZE_TO_END, &value, NULL, &f.err),
                 f.err);
        assert_int_equal(bits_set(ms_buf_view(value).data, ms_buf_size(value)), 0);
        ms_buf_unref(value);
    }
    check_ok(emulated_put(f.m.outer, "empty", 0, 0, &f.err), f.err);
    assert_int_equal(size_there(f.m.outer, "empty"), 0);
    teardown(&f);
}

static void test_flip_turns_one_bit_of_a_stream(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    e.flip_rate = 1;
    struct fixture f = setup(&e);
    uint8_t bytes[500];
    size_t got;
    struct ms_reader *r;
    check_ok(emulated_put(f.m.outer, "v", 500, 0, &f.err), f.err);
    check_ok(ms_backend_read(f.m.outer, ms_str("v"), &r, &f.err), f.err);
    assert_int_equal(ms_reader_info(r)->size_bytes, 500);
    for (size_t at = 0; at < 500; at += 100)
        check_ok(ms_reader_read(r, at, bytes + at, 100, &got, &f.err), f.err);
    ms_reader_close(r);
    assert_int_equal(bits_set(bytes, 500), 1);
    teardown(&f);
}

/* ---- gone and back ---- */

static void test_gone_and_back(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    struct fixture f = setup(&e);
    struct ms_writer *w;
    struct ms_reader *r;
    struct ms_lister *l;
    struct ms_batch *batch;
    const struct ms_entry *entry;
    uint8_t byte;
    size_t got;
    check_ok(emulated_put(f.m.outer, "v", 10, 1, &f.err), f.err);
    check_ok(ms_backend_write(f.m.outer, ms_str("w"), 0, NULL, &w, &f.err), f.err);
    check_ok(ms_backend_read(f.m.outer, ms_str("v"), &r, &f.err), f.err);
    check_ok(ms_backend_list(f.m.outer, ms_str(""), NULL, &l, &f.err), f.err);
    check_ok(ms_emulator_set_gone(f.m.outer, true, &f.err), f.err);
    check_code(emulated_get(f.m.outer, "v", NULL, &f.err), MS_ERR_CONNECTION, f.err);
    check_text(f.err, "the emulated storage is gone");
    check_code(emulated_put(f.m.outer, "x", 10, 1, &f.err), MS_ERR_CONNECTION, f.err);
    check_code(ms_reader_read(r, 0, &byte, 1, &got, &f.err), MS_ERR_CONNECTION, f.err);
    check_code(ms_lister_next(l, &entry, &f.err), MS_ERR_CONNECTION, f.err);
    check_code(ms_writer_commit(w, NULL, &f.err), MS_ERR_CONNECTION, f.err);
    int rc = ms_backend_batch(f.m.outer, &batch, &f.err);
    if (rc == 0) { /* a storage without batches of its own notices at the first store */
        ms_batch_abort(batch);
    }
    ms_reader_close(r);
    ms_lister_close(l);
    check_ok(ms_backend_close(f.m.outer, &f.err), f.err);
    check_code(ms_backend_open(f.m.outer, &f.err), MS_ERR_CONNECTION, f.err);
    check_ok(ms_emulator_set_gone(f.m.outer, false, &f.err), f.err);
    check_ok(ms_backend_open(f.m.outer, &f.err), f.err);
    check_ok(emulated_get(f.m.outer, "v", NULL, &f.err), f.err);
    assert_false(lies_there(f.m.inner, "w"));
    assert_false(lies_there(f.m.inner, "x"));
    check_code(ms_emulator_set_gone(f.m.inner, true, &f.err), MS_ERR_INVALID, f.err);
    teardown(&f);
}

static void test_gone_by_number_of_calls(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    e.gone_from = 3;
    e.gone_until = 5;
    struct fixture f = setup(&e);
    for (int call = 1; call <= 6; call++) {
        struct ms_info info;
        int rc = ms_backend_info(f.m.outer, ms_str("v"), &info, &f.err);
        assert_int_equal(rc, call == 3 || call == 4 ? MS_ERR_CONNECTION : 0);
    }
    teardown(&f);
}

/* ---- hang ---- */

struct hanging {
    struct fixture f;
    int result;
    uint64_t ended_ns;
    bool real;
};

static int load_that_hangs(void *arg)
{
    struct hanging *h = arg;
    struct ms_error err = {0};
    h->result = emulated_get(h->f.m.outer, "v", NULL, &err);
    h->ended_ns = ms_clock_now(h->f.m.outer->clock);
    return h->result;
}

static const struct ms_fault second_load_hangs = {
    .verb = MS_VERB_LOAD, .kind = MS_FAULT_HANG, .nth = 2};

static int hang_and_cancel(void *arg)
{
    struct hanging *h = arg;
    struct ms_error *err = &h->f.err;
    struct ms_emulation e = emulation();
    struct ms_group *group;
    struct ms_join joined;
    e.faults = &second_load_hangs;
    e.fault_count = 1;
    int rc = emulated_open(&h->f.m, &e, ms_sim_clock(), err);
    if (rc == 0)
        rc = emulated_put(h->f.m.outer, "v", 10, 1, err);
    if (rc == 0)
        rc = emulated_get(h->f.m.outer, "v", NULL, err);
    if (rc == 0)
        rc = ms_group_new(&group, err);
    if (rc < 0)
        return rc;
    rc = ms_group_fork(group, load_that_hangs, NULL, h, err);
    if (rc == 0)
        rc = ms_sleep(ms_sim_clock(), UINT64_C(3600000000000), err);
    ms_group_cancel(group);
    ms_group_join_all(group, &joined);
    ms_group_release(group);
    if (rc == 0)
        rc = emulated_get(h->f.m.outer, "v", NULL, err); /* the third load is fine again */
    emulated_close(&h->f.m);
    return rc;
}

static void test_hang_waits_until_cancelled(void **state)
{
    (void)state;
    struct hanging h = {0};
    struct ms_sim_options options = {.seed = 3};
    check_ok(ms_sim_run(&options, hang_and_cancel, &h, NULL, &h.f.err), h.f.err);
    assert_int_equal(h.result, MS_ERR_CANCELLED);
    assert_int_equal(h.ended_ns, UINT64_C(3600000000000));
}

static void test_close_ends_a_hang(void **state)
{
    (void)state;
    struct hanging h = {0};
    struct ms_emulation e = emulation();
    struct ms_group *group;
    struct ms_join joined;
    e.faults = &second_load_hangs;
    e.fault_count = 1;
    h.f = setup(&e); /* real threads over a virtual clock: a hang never times out */
    check_ok(emulated_put(h.f.m.outer, "v", 10, 1, &h.f.err), h.f.err);
    check_ok(emulated_get(h.f.m.outer, "v", NULL, &h.f.err), h.f.err);
    check_ok(ms_group_new(&group, &h.f.err), h.f.err);
    check_ok(ms_group_fork(group, load_that_hangs, NULL, &h, &h.f.err), h.f.err);
    while (ms_emulator_calls(h.f.m.outer, MS_VERB_LOAD) < 2) /* it has begun */
        ms_yield();
    check_ok(ms_backend_close(h.f.m.outer, &h.f.err), h.f.err);
    ms_group_join_all(group, &joined);
    ms_group_release(group);
    assert_int_equal(h.result, MS_ERR_CONNECTION);
    teardown(&h.f);
    ms_pool_shutdown();
}

/* ---- what is not touched passes through ---- */

static void test_passes_through(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    struct fixture f = setup(&e);
    struct ms_capabilities outer, inner;
    char hex[129], hex_inner[129];
    struct ms_part part = {ms_str("v"), 2, 5};
    struct ms_precondition absent = {.kind = MS_IF_ABSENT};
    ms_backend_capabilities(f.m.outer, &outer);
    ms_backend_capabilities(f.m.inner, &inner);
    assert_memory_equal(&outer, &inner, sizeof outer);
    check_ok(emulated_put(f.m.outer, "v", 10, 1, &f.err), f.err);
    check_ok(ms_backend_hash(f.m.outer, ms_str("v"), "sha256", hex, sizeof hex, &f.err), f.err);
    check_ok(ms_backend_hash(f.m.inner, ms_str("v"), "sha256", hex_inner, sizeof hex_inner, &f.err),
             f.err);
    assert_string_equal(hex, hex_inner);
    check_ok(ms_backend_compose(f.m.outer, &part, 1, ms_str("part"), NULL, &f.err), f.err);
    assert_int_equal(size_there(f.m.inner, "part"), 5);
    check_ok(ms_backend_copy(f.m.outer, ms_str("v"), ms_str("copy"), NULL, &f.err), f.err);
    check_code(ms_backend_copy(f.m.outer, ms_str("v"), ms_str("copy"), &absent, &f.err),
               MS_ERR_EXISTS, f.err);
    check_ok(ms_backend_move(f.m.outer, ms_str("copy"), ms_str("moved"), NULL, &f.err), f.err);
    assert_true(lies_there(f.m.inner, "moved") && !lies_there(f.m.inner, "copy"));
    check_ok(ms_backend_mkdir(f.m.outer, ms_str("d"), &f.err), f.err);
    check_ok(ms_backend_rmdir(f.m.outer, ms_str("d"), &f.err), f.err);
    uint64_t total, left, removed;
    check_ok(ms_backend_usage(f.m.outer, &total, &left, &f.err), f.err);
    check_ok(ms_backend_sweep(f.m.outer, 0, &removed, &f.err), f.err);
    check_ok(ms_backend_close(f.m.outer, &f.err), f.err);
    check_ok(ms_backend_destroy(f.m.outer, &f.err), f.err);
    teardown(&f);
}

static void test_latency_asks_for_more_in_flight(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    struct ms_capabilities capabilities;
    e.latency_ns = 1;
    struct fixture f = setup(&e);
    ms_backend_capabilities(f.m.outer, &capabilities);
    assert_true(capabilities.best_parallelism >= 64);
    teardown(&f);
}

static void test_refuses_what_makes_no_sense(void **state)
{
    (void)state;
    struct ms_emulation e = emulation();
    struct ms_error err = {0};
    struct ms_backend *inner, *outer = NULL;
    struct ms_fault faults[] = {{.verb = 99},
                                {.verb = MS_VERB_LOAD, .kind = MS_FAULT_RATE, .rate = 1.5},
                                {.verb = MS_VERB_LOAD, .kind = MS_FAULT_NTH, .nth = 0},
                                {.verb = MS_VERB_LOAD, .kind = MS_FAULT_HANG, .nth = 1, .code = 5}};
    check_ok(ms_backend_make("memory:", NULL, &inner, &err), err);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        e.faults = &faults[i];
        e.fault_count = 1;
        check_code(ms_emulator_new(inner, &e, &outer, &err), MS_ERR_INVALID, err);
    }
    e.fault_count = 0;
    e.torn_rate = -1;
    check_code(ms_emulator_new(inner, &e, &outer, &err), MS_ERR_INVALID, err);
    e.torn_rate = 0;
    e.struct_size = 1;
    check_code(ms_emulator_new(inner, &e, &outer, &err), MS_ERR_INVALID, err);
    assert_null(outer);
    assert_int_equal(ms_emulator_calls(inner, MS_VERB_COUNT), 0);
    ms_backend_free(inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_strikes_that_verb_that_often),
        cmocka_unit_test(test_rates_of_one_strike_always),
        cmocka_unit_test(test_nth_before_leaves_no_effect),
        cmocka_unit_test(test_nth_after_leaves_the_effect),
        cmocka_unit_test(test_a_failed_load_gives_nothing),
        cmocka_unit_test(test_new_faults_count_from_then),
        cmocka_unit_test(test_the_storages_own_error_comes_first),
        cmocka_unit_test(test_torn_store_shows_a_prefix),
        cmocka_unit_test(test_torn_writer_shows_a_prefix),
        cmocka_unit_test(test_faults_of_a_writer_strike_at_commit),
        cmocka_unit_test(test_faults_in_a_batch),
        cmocka_unit_test(test_flip_turns_one_bit_of_what_is_read),
        cmocka_unit_test(test_flip_turns_one_bit_of_a_stream),
        cmocka_unit_test(test_gone_and_back),
        cmocka_unit_test(test_gone_by_number_of_calls),
        cmocka_unit_test(test_hang_waits_until_cancelled),
        cmocka_unit_test(test_close_ends_a_hang),
        cmocka_unit_test(test_passes_through),
        cmocka_unit_test(test_latency_asks_for_more_in_flight),
        cmocka_unit_test(test_refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
