/* Listings over a storage that fails, forgets where it was, or loses directories, while directories
 * are opened ahead: nothing is left out, given twice or left open, and what is not needed does not
 * matter. The driver in memory, with its listings scripted, behind an emulated line. */
#include "support/check.h"

#include "base/text.h"

#include <mstore/mstore.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOW_NS (400 * 1000) /* slow enough for directories to be opened ahead */

static struct {
    const char *broken; /* listings of this directory … */
    size_t after;       /* … after so many entries … */
    int code;           /* … fail so, and are at their end then */
    atomic_int times;   /* so often; negative: always */
    atomic_int hits, open, open_most;
} script;

static struct ms_backend_ops ops;
static int (*real_list)(struct ms_backend *b, struct ms_view name,
                        const struct ms_list_request *request, struct ms_lister **out,
                        struct ms_error *err);
static struct ms_error err;

/* ---- the scripted driver ---- */

struct scripted {
    struct ms_lister base;
    struct ms_lister *inner;
    size_t given;
    bool breaks, dead;
};

static int scripted_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *e)
{
    struct scripted *l = (struct scripted *)base;
    if (l->dead) {
        *out = NULL;
        return 0;
    }
    if (l->breaks && l->given == script.after && atomic_load(&script.times) != 0) {
        atomic_fetch_sub(&script.times, 1);
        atomic_fetch_add(&script.hits, 1);
        l->dead = true;
        return ms_error_set(e, script.code, "the line broke");
    }
    l->given++;
    return l->inner->ops->next(l->inner, out, e);
}

static void scripted_close(struct ms_lister *base)
{
    struct scripted *l = (struct scripted *)base;
    l->inner->ops->close(l->inner);
    free(l);
    atomic_fetch_sub(&script.open, 1);
}

static int scripted_list(struct ms_backend *b, struct ms_view name,
                         const struct ms_list_request *request, struct ms_lister **out,
                         struct ms_error *e)
{
    static const struct ms_lister_ops lister_ops = {scripted_next, scripted_close};
    struct scripted *l = calloc(1, sizeof *l);
    int code = l ? real_list(b, name, request, &l->inner, e) : MS_ERR_NO_MEMORY;
    if (code) {
        free(l);
        return code;
    }
    l->base = (struct ms_lister){.ops = &lister_ops, .backend = b};
    l->breaks = script.broken && ms_equal(name, ms_str(script.broken));
    int open = atomic_fetch_add(&script.open, 1) + 1, most = atomic_load(&script.open_most);
    while (open > most && !atomic_compare_exchange_weak(&script.open_most, &most, open))
        continue;
    *out = &l->base;
    return 0;
}

static void break_at(const char *directory, size_t after, int code, int times)
{
    script.broken = directory;
    script.after = after;
    script.code = code;
    atomic_store(&script.times, times);
    atomic_store(&script.hits, 0);
    atomic_store(&script.open_most, 0);
}

struct under_test {
    struct ms_store *store;
    struct ms_backend *emulator, *driver; /* owned by the Store */
    unsigned level;
    enum ms_names names;
};

/* Over a slow line directories are opened ahead, over the other never. */
static void make(struct under_test *t, bool slow, unsigned level, enum ms_names names)
{
    struct ms_backend_env env = {.clock = ms_clock_real(), .seed = 1};
    struct ms_emulation e;
    ms_emulation_init(&e);
    e.latency_ns = slow ? SLOW_NS : 0;
    struct ms_namespace ns = {.name = "data", .names = names, .level_count = 1, .levels = {level}};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = &ns;
    o.namespace_count = 1;
    o.jobs = slow ? 16 : 1;
    o.ignore_environment = true;
    *t = (struct under_test){.level = level, .names = names};
    check_ok(ms_backend_make("memory:", &env, &t->driver, &err), err);
    ops = *t->driver->ops;
    real_list = ops.list;
    ops.list = scripted_list;
    t->driver->ops = &ops;
    check_ok(ms_emulator_new(t->driver, &e, &t->emulator, &err), err);
    check_ok(ms_store_new_over(t->emulator, &o, &t->store, &err), err);
    check_ok(ms_store_create(t->store, &err), err);
    check_ok(ms_store_open(t->store, &err), err);
    break_at(NULL, 0, 0, 0);
    assert_int_equal(atomic_load(&script.open), 0);
}

static void done(struct under_test *t)
{
    ms_store_free(t->store);
    assert_int_equal(atomic_load(&script.open), 0);
}

/* Key i of `each` in every directory: "0300007". */
static void key_of(unsigned i, unsigned each, char key[16])
{
    snprintf(key, 16, "%02x%05u", i / each, i % each);
}

/* Straight into the driver: the line is slow. */
static void fill(struct under_test *t, unsigned directories, unsigned each)
{
    struct ms_buf_borrowed place;
    struct ms_buf *value = ms_buf_borrow(&place, ms_str("v"));
    for (unsigned i = 0; i < directories * each; i++) {
        char key[16], name[40];
        key_of(i, each, key);
        if (t->level == 0)
            snprintf(name, sizeof name, "data/%s", key);
        else
            snprintf(name, sizeof name, "data/%s%.2s/%s", t->names == MS_NAMES_BYTES ? "+" : "",
                     key, key);
        check_ok(ms_backend_store(t->driver, ms_str(name), value, NULL, NULL, &err), err);
    }
}

static void is_key(const struct ms_item *item, unsigned i, unsigned each)
{
    char key[16];
    key_of(i, each, key);
    if (!item || !ms_equal(item->key, ms_str(key)))
        fail_msg("%s instead of %s", item ? MS_SHOW(item->key) : "the end", key);
}

/* Lists items first … last-1, then the end, asking again after failures; returns how many there
 * were. */
static unsigned list_all(struct under_test *t, const struct ms_list_options *o, unsigned first,
                         unsigned last, unsigned each)
{
    struct ms_store_lister *l;
    const struct ms_item *item;
    unsigned failures = 0;
    check_ok(ms_store_list(t->store, "data", o, &l, &err), err);
    for (unsigned i = first; i <= last;) {
        int code = ms_store_lister_next(l, &item, &err);
        if (code) {
            assert_int_equal(code, script.code);
            assert_non_null(strstr(err.text, "the line broke"));
            assert_true(++failures <= 3);
            continue;
        }
        if (i < last)
            is_key(item, i, each);
        else
            assert_null(item);
        i++;
    }
    ms_store_lister_close(l);
    assert_int_equal(atomic_load(&script.open), 0);
    return failures;
}

/* ---- going on ---- */

/* Whatever a driver's listing does after it failed, the Store's goes on behind the last name. */
static void goes_on_where_it_was(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct under_test t;
        make(&t, slow, 1, MS_NAMES_BORGSTORE);
        fill(&t, 24, 5);
        static const char *const directories[] = {"data", "data/00", "data/0b", "data/17"};
        for (size_t at = 0; at < 4 * 6; at++) {
            break_at(directories[at / 6], at % 6, MS_ERR_CONNECTION, 1);
            unsigned failures = list_all(&t, NULL, 0, 24 * 5, 5);
            assert_int_equal(atomic_load(&script.hits), 1);
            assert_in_range(failures, slow ? 0 : 1, 1); /* ahead of its time it is not told */
        }
        done(&t);
    }
}

static void goes_on_in_a_flat_namespace(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, false, 0, MS_NAMES_BORGSTORE);
    fill(&t, 1, 40);
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    for (size_t after = 0; after <= 20; after++) {
        o.start_after = ms_str("0000009");
        o.prefix = ms_view(NULL, 0);
        break_at("data", after, MS_ERR_CONNECTION, 1);
        assert_int_equal(list_all(&t, &o, 10, 40, 40), 1);
        o.start_after = ms_view(NULL, 0);
        o.prefix = ms_str("000003");
        break_at("data", after % 10, MS_ERR_CONNECTION, 1);
        assert_int_equal(list_all(&t, &o, 30, 40, 40), 1);
    }
    done(&t);
}

/* More than is read at once: also the second reading, for directories, and what follows fail. */
static void goes_on_in_a_large_directory(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, false, 1, MS_NAMES_BORGSTORE);
    fill(&t, 1, 4200);
    static const size_t points[] = {0, 10, 4095, 4096, 4150, 4200};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        break_at("data/00", points[i], MS_ERR_CONNECTION, 1);
        assert_int_equal(list_all(&t, NULL, 0, 4200, 4200), 1);
    }
    done(&t);
}

static void goes_on_among_any_bytes(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, true, 1, MS_NAMES_BYTES);
    fill(&t, 12, 5);
    static const char *const directories[] = {"data", "data/+00", "data/+09"};
    for (size_t at = 0; at < 3 * 6; at++) {
        break_at(directories[at / 6], at % 6, MS_ERR_CONNECTION, 1);
        assert_in_range(list_all(&t, NULL, 0, 12 * 5, 5), 0, 1);
        assert_int_equal(atomic_load(&script.hits), 1);
    }
    done(&t);
}

/* ---- what is not needed ---- */

/* A directory that can never be read is tried ahead, and told when it is reached, each time. */
static void failures_ahead_are_not_told(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, true, 1, MS_NAMES_BORGSTORE);
    fill(&t, 48, 1);
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.limit = 0x20;
    for (int mode = MS_LIST_LIVE; mode <= MS_LIST_BOTH; mode += 2) {
        o.deleted = (enum ms_list_deleted)mode;
        break_at("data/20", 0, MS_ERR_PERMISSION, -1);
        assert_int_equal(list_all(&t, &o, 0, 0x20, 1), 0);
        assert_in_range(atomic_load(&script.hits), 1, 2);
    }
    struct ms_store_lister *l;
    const struct ms_item *item;
    check_ok(ms_store_list(t.store, "data", NULL, &l, &err), err);
    for (unsigned i = 0; i < 0x20; i++) {
        check_ok(ms_store_lister_next(l, &item, &err), err);
        is_key(item, i, 1);
    }
    for (int i = 0; i < 3; i++)
        check_code(ms_store_lister_next(l, &item, &err), MS_ERR_PERMISSION, err);
    atomic_store(&script.times, 0);
    for (unsigned i = 0x20; i < 48; i++) {
        check_ok(ms_store_lister_next(l, &item, &err), err);
        is_key(item, i, 1);
    }
    ms_store_lister_close(l);
    done(&t);
}

/* Once the limit is reached the end needs no storage. */
static void the_limit_is_the_end(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, false, 1, MS_NAMES_BORGSTORE);
    fill(&t, 8, 2);
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    for (int mode = MS_LIST_LIVE; mode <= MS_LIST_BOTH; mode += 2) {
        struct ms_store_lister *l;
        const struct ms_item *item;
        o.limit = 6;
        o.deleted = (enum ms_list_deleted)mode;
        check_ok(ms_store_list(t.store, "data", &o, &l, &err), err);
        for (unsigned i = 0; i < 6; i++)
            check_ok(ms_store_lister_next(l, &item, &err), err);
        is_key(item, 5, 2);
        uint64_t lists = ms_emulator_calls(t.emulator, MS_VERB_LIST);
        check_ok(ms_store_lister_next(l, &item, &err), err);
        assert_null(item);
        assert_int_equal(ms_emulator_calls(t.emulator, MS_VERB_LIST), lists);
        ms_store_lister_close(l);
    }
    done(&t);
}

/* ---- vanishing, closing, cancelling ---- */

static void vanished_directories_are_empty(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct under_test t;
        make(&t, slow, 1, MS_NAMES_BORGSTORE);
        fill(&t, 20, 3);
        struct ms_store_lister *l;
        const struct ms_item *item;
        break_at("data/07", 0, MS_ERR_NOT_FOUND, -1); /* while it is read */
        check_ok(ms_store_list(t.store, "data", NULL, &l, &err), err);
        for (unsigned k = 0; k < 60; k++) {
            if (k / 3 == 7 || k / 3 == 18)
                continue;
            check_ok(ms_store_lister_next(l, &item, &err), err);
            is_key(item, k, 3);
            for (unsigned gone = 54; k == 3 && gone < 57; gone++) {
                char key[16], whole[24];
                key_of(gone, 3, key);
                snprintf(whole, sizeof whole, "data/%s", key);
                check_ok(ms_store_delete(t.store, ms_str(whole), false, &err), err);
            }
        }
        check_ok(ms_store_lister_next(l, &item, &err), err);
        assert_null(item);
        assert_int_equal(atomic_load(&script.hits), 1);
        ms_store_lister_close(l);
        done(&t);
    }
}

/* What was opened ahead goes with the listing that opened it. */
static void closed_early(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, true, 1, MS_NAMES_BYTES);
    fill(&t, 32, 2);
    for (unsigned given = 0; given < 12; given++) {
        struct ms_store_lister *l;
        const struct ms_item *item;
        check_ok(ms_store_list(t.store, "data", NULL, &l, &err), err);
        for (unsigned i = 0; i < given; i++)
            check_ok(ms_store_lister_next(l, &item, &err), err);
        ms_store_lister_close(l);
        assert_int_equal(atomic_load(&script.open), 0);
    }
    done(&t);
}

static void cancelled_and_taken_up_again(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, true, 1, MS_NAMES_BORGSTORE);
    fill(&t, 32, 1);
    for (unsigned when = 0; when < 10; when++) {
        struct ms_cancel *token;
        struct ms_store_lister *l;
        const struct ms_item *item;
        check_ok(ms_cancel_new(&token, &err), err);
        check_ok(ms_store_list(t.store, "data", NULL, &l, &err), err);
        unsigned cancelled = 0;
        for (unsigned i = 0; i < 32;) {
            bool fire = i == when && cancelled == 0;
            if (fire)
                ms_cancel_fire(token);
            struct ms_cancel *before = ms_cancel_swap(fire ? token : NULL);
            int code = ms_store_lister_next(l, &item, &err);
            ms_cancel_swap(before);
            cancelled += fire;
            if (code) { /* what was opened ahead may still be given */
                check_code(code, MS_ERR_CANCELLED, err);
                assert_true(fire);
                continue;
            }
            is_key(item, i++, 1);
        }
        check_ok(ms_store_lister_next(l, &item, &err), err);
        assert_null(item);
        ms_store_lister_close(l);
        ms_cancel_free(token);
    }
    done(&t);
}

/* ---- bounds ---- */

/* Of directories that are not read to their end only a few are open at once. */
static void few_large_directories_at_once(void **state)
{
    (void)state;
    struct under_test t;
    make(&t, true, 1, MS_NAMES_BYTES);
    fill(&t, 20, 1100);
    list_all(&t, NULL, 0, 20 * 1100, 1100);
    assert_in_range(atomic_load(&script.open_most), 6, 10);
    done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_where_it_was),
        cmocka_unit_test(goes_on_in_a_flat_namespace),
        cmocka_unit_test(goes_on_in_a_large_directory),
        cmocka_unit_test(goes_on_among_any_bytes),
        cmocka_unit_test(failures_ahead_are_not_told),
        cmocka_unit_test(the_limit_is_the_end),
        cmocka_unit_test(vanished_directories_are_empty),
        cmocka_unit_test(closed_early),
        cmocka_unit_test(cancelled_and_taken_up_again),
        cmocka_unit_test(few_large_directories_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
