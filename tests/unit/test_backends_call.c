/* The checked calls over a driver that misbehaves, the registry, and names: what a driver may count
 * on, and what becomes of results outside the contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/backend.h>

#include "backends/name.h"
#include "backends/range.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

static struct ms_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_)                                                                                 \
            fail_msg("%s: %s: %s", #call, ms_code_name(code_), err.text);                          \
    } while (0)

/* ---- a driver that does as it is told, and keeps count ---- */

static struct script {
    int result;       /* of every slot */
    bool silent;      /* fails without a sentence */
    bool too_much;    /* load gives more than was asked for */
    bool cannot;      /* no conditions */
    unsigned capable; /* how often it was asked for its capabilities */
    unsigned calls;   /* of any other slot but free */
    unsigned open, freed;
    uint64_t asked_size; /* of the last load or read */
    enum ms_precondition_kind asked_kind;
} script;

static int play(struct ms_error *error)
{
    script.calls++;
    if (script.result < 0 && !script.silent)
        ms_error_set(error, script.result, "scripted");
    return script.result;
}

static int fake_life(struct ms_backend *b, struct ms_error *error)
{
    (void)b;
    return play(error);
}

static void fake_free(struct ms_backend *b)
{
    script.freed++;
    free(b);
}

static void fake_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    (void)b;
    script.capable++;
    out->flags = script.cannot ? 0 : MS_CAP_IF_ABSENT | MS_CAP_IF_TAG | MS_CAP_MOVE_IF_ABSENT;
    out->name_max_bytes = 100;
}

static int fake_name(struct ms_backend *b, struct ms_view name, struct ms_error *error)
{
    (void)b, (void)name;
    return play(error);
}

static int fake_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                     struct ms_error *error)
{
    (void)b, (void)name;
    *out = (struct ms_info){.exists = true, .size_bytes = 10};
    return play(error);
}

static int fake_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_info *info, struct ms_error *error)
{
    (void)b, (void)name, (void)offset;
    script.asked_size = size;
    int code = play(error);
    if (code)
        return code;
    *out = ms_buf_copy(ms_view("0123456789", script.too_much || size > 10 ? 10 : (size_t)size));
    if (info)
        *info = (struct ms_info){.exists = true, .size_bytes = 10};
    return 0;
}

static int fake_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *error)
{
    (void)b, (void)name, (void)value;
    script.asked_kind = pre->kind;
    snprintf(tag->text, sizeof tag->text, "new");
    return play(error);
}

static int fake_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                     const struct ms_precondition *pre, struct ms_error *error)
{
    (void)b, (void)from, (void)to;
    script.asked_kind = pre->kind;
    return play(error);
}

static int fake_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *error)
{
    (void)l, (void)out;
    return play(error);
}

static void fake_close(struct ms_lister *l)
{
    script.open--;
    free(l);
}

static int fake_list(struct ms_backend *b, struct ms_view name,
                     const struct ms_list_request *request, struct ms_lister **out,
                     struct ms_error *error)
{
    static const struct ms_lister_ops ops = {fake_next, fake_close};
    (void)b, (void)name;
    int code = play(error);
    if (code)
        return code;
    assert_non_null(request);
    *out = calloc(1, sizeof **out);
    assert_non_null(*out);
    (*out)->ops = &ops;
    script.open++;
    return 0;
}

/* Tells the first of many its result, and of the others only what the script says. */
static int fake_many(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                     struct ms_error *error)
{
    (void)b;
    assert_true(count > 0);
    items[0]->result = (struct ms_error){0};
    return play(error);
}

static const struct ms_backend_ops fake_ops = {
    .create = fake_life,
    .destroy = fake_life,
    .open = fake_life,
    .close = fake_life,
    .free = fake_free,
    .capabilities = fake_capabilities,
    .mkdir = fake_name,
    .rmdir = fake_name,
    .info = fake_info,
    .load = fake_load,
    .store = fake_store,
    .remove = fake_name,
    .move = fake_move,
    .list = fake_list,
    .remove_many = fake_many,
};

static int fake_make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                     struct ms_error *error)
{
    (void)error;
    assert_non_null(env->clock);
    ms_url_take(url, "known");
    *out = calloc(1, sizeof **out);
    assert_non_null(*out);
    (*out)->ops = &fake_ops;
    return 0;
}

static const struct ms_backend_type fake_type = {"fake", "fake:", fake_make};

static int setup(void **state)
{
    script = (struct script){0};
    err = (struct ms_error){0};
    struct ms_backend *b = NULL;
    OK(ms_backend_make("fake:", NULL, &b, &err));
    OK(ms_backend_open(b, &err));
    script.calls = 0;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    script.result = 0;
    ms_backend_free(*state);
    assert_int_equal(script.freed, 1);
    assert_int_equal(script.open, 0);
    return 0;
}

static int store(struct ms_backend *b, const struct ms_precondition *pre, struct ms_tag *tag)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(b, ms_str("x"), ms_buf_borrow(&place, ms_str("v")), pre, tag, &err);
}

/* ---- results ---- */

static void failures_get_a_sentence(void **state)
{
    struct ms_backend *b = *state;
    script.result = MS_ERR_IO;
    script.silent = true;
    assert_int_equal(ms_backend_delete(b, ms_str("x"), &err), MS_ERR_IO);
    assert_int_equal(err.code, MS_ERR_IO);
    assert_string_equal(err.text, "fake:: delete: input/output error");
    script.silent = false;
    assert_int_equal(ms_backend_delete(b, ms_str("x"), &err), MS_ERR_IO);
    assert_string_equal(err.text, "scripted");
}

static void positive_results_are_internal_errors(void **state)
{
    struct ms_backend *b = *state;
    script.result = 7;
    assert_int_equal(ms_backend_mkdir(b, ms_str("x"), &err), MS_ERR_INTERNAL);
    assert_non_null(strstr(err.text, "mkdir returned 7"));
    assert_int_equal(store(b, NULL, NULL), MS_ERR_INTERNAL);
}

static void more_than_was_asked_for_is_an_internal_error(void **state)
{
    struct ms_backend *b = *state;
    struct ms_buf *value = NULL;
    script.too_much = true;
    assert_int_equal(ms_backend_load(b, ms_str("x"), 0, 4, &value, NULL, &err), MS_ERR_INTERNAL);
    assert_null(value);
    assert_non_null(strstr(err.text, "10 bytes of x where 4 were wanted"));
}

static void outputs_stay_untouched_on_failure(void **state)
{
    struct ms_backend *b = *state;
    struct ms_info info = {.size_bytes = 77}, loaded = {.size_bytes = 78};
    struct ms_tag tag = {"old"};
    struct ms_buf *value = NULL;
    struct ms_lister *l = NULL;
    uint64_t total = 5, left = 6;
    script.result = MS_ERR_ACCESS;
    assert_int_equal(ms_backend_info(b, ms_str("x"), &info, &err), MS_ERR_ACCESS);
    assert_int_equal(ms_backend_load(b, ms_str("x"), 0, 4, &value, &loaded, &err), MS_ERR_ACCESS);
    assert_int_equal(store(b, NULL, &tag), MS_ERR_ACCESS);
    assert_int_equal(ms_backend_list(b, ms_str(""), NULL, &l, &err), MS_ERR_ACCESS);
    assert_true(info.size_bytes == 77 && loaded.size_bytes == 78 && !value && !l);
    assert_string_equal(tag.text, "old");
    OK(ms_backend_usage(b, &total, &left, &err)); /* no slot: unknown */
    assert_true(total == UINT64_MAX && left == UINT64_MAX);
}

static void a_failed_listing_can_be_closed(void **state)
{
    struct ms_backend *b = *state;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    OK(ms_backend_list(b, ms_str("d"), NULL, &l, &err));
    script.result = MS_ERR_CONNECTION;
    assert_int_equal(ms_lister_next(l, &e, &err), MS_ERR_CONNECTION);
    assert_null(e);
    ms_lister_close(l);
}

static void a_failed_close_closes(void **state)
{
    struct ms_backend *b = *state;
    script.result = MS_ERR_IO;
    assert_int_equal(ms_backend_close(b, &err), MS_ERR_IO);
    assert_int_equal(ms_backend_close(b, &err), MS_ERR_MUST_BE_OPEN);
    assert_int_equal(ms_backend_open(b, &err), MS_ERR_IO);
    assert_int_equal(ms_backend_delete(b, ms_str("x"), &err), MS_ERR_MUST_BE_OPEN);
}

/* Of many deletes each gets a result with a sentence, whatever the driver does. */
static void each_of_many_gets_a_result(void **state)
{
    static const struct {
        int result;
        bool silent;
        int code, other;
        const char *text;
    } cases[] = {
        {0, false, 0, MS_ERR_INTERNAL, "fake:: the driver says nothing of c"},
        {MS_ERR_IO, false, MS_ERR_IO, MS_ERR_IO, "scripted"},
        {MS_ERR_IO, true, MS_ERR_IO, MS_ERR_IO, "fake:: delete: input/output error"},
        {7, false, MS_ERR_INTERNAL, MS_ERR_INTERNAL, "fake:: the driver's delete returned 7"},
    };
    struct ms_backend *b = *state;
    struct ms_deletion items[] = {
        {.name = ms_str("b//b")}, {.name = ms_str("a")}, {.name = ms_str("c")}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        script.result = cases[i].result;
        script.silent = cases[i].silent;
        assert_int_equal(ms_backend_delete_many(b, items, 3, &err), cases[i].code);
        assert_int_equal(items[0].result.code, MS_ERR_NAME);
        assert_int_equal(items[1].result.code, 0);
        assert_int_equal(items[2].result.code, cases[i].other);
        assert_string_equal(items[2].result.text, cases[i].text);
    }
    script.calls = 0;
    OK(ms_backend_delete_many(b, items, 1, &err)); /* no good name: nothing to ask */
    assert_int_equal(script.calls, 0);
    script.result = 0;
    OK(ms_backend_close(b, &err));
    assert_int_equal(ms_backend_delete_many(b, items, 3, NULL), MS_ERR_MUST_BE_OPEN);
    for (int i = 0; i < 3; i++)
        assert_int_equal(items[i].result.code, MS_ERR_MUST_BE_OPEN);
}

/* ---- what reaches a driver ---- */

static void wrong_calls_never_reach_the_driver(void **state)
{
    struct ms_backend *b = *state;
    struct ms_precondition bad = {.kind = (enum ms_precondition_kind)9};
    struct ms_precondition unended = {.kind = MS_IF_TAG};
    memset(unended.tag.text, 'x', sizeof unended.tag.text);
    assert_int_equal(ms_backend_delete(b, ms_str("a//b"), &err), MS_ERR_NAME);
    assert_int_equal(store(b, &bad, NULL), MS_ERR_INVALID);
    assert_int_equal(store(b, &unended, NULL), MS_ERR_INVALID);
    assert_int_equal(ms_backend_move(b, ms_str("a"), ms_str("b"), &bad, &err), MS_ERR_INVALID);
    assert_int_equal(ms_backend_open(b, &err), MS_ERR_MUST_NOT_BE_OPEN);
    assert_int_equal(script.calls, 0);
}

static void conditions_are_refused_where_they_are_not_known(void **state)
{
    struct ms_backend *b = *state;
    struct ms_precondition absent = {.kind = MS_IF_ABSENT}, tag = {MS_IF_TAG, {"t"}};
    OK(store(b, &absent, NULL));
    assert_int_equal(script.asked_kind, MS_IF_ABSENT);
    OK(store(b, NULL, NULL));
    assert_int_equal(script.asked_kind, MS_ALWAYS);
    OK(ms_backend_close(b, &err));
    script.cannot = true;
    OK(ms_backend_open(b, &err));
    script.calls = 0;
    assert_int_equal(store(b, &absent, NULL), MS_ERR_UNSUPPORTED);
    assert_int_equal(store(b, &tag, NULL), MS_ERR_UNSUPPORTED);
    assert_int_equal(ms_backend_move(b, ms_str("a"), ms_str("b"), &absent, &err),
                     MS_ERR_UNSUPPORTED);
    assert_int_equal(script.calls, 0);
}

static void capabilities_are_asked_for_once(void **state)
{
    struct ms_backend *b = *state;
    for (int i = 0; i < 10; i++)
        OK(store(b, NULL, NULL));
    assert_int_equal(script.capable, 1);
    assert_int_equal(script.calls, 10);
}

static void reads_are_clipped_before_the_driver(void **state)
{
    struct ms_backend *b = *state;
    struct ms_reader *r = NULL;
    uint8_t bytes[100];
    size_t got = 99;
    OK(ms_backend_read(b, ms_str("x"), &r, &err)); /* the fallback: by loads */
    OK(ms_reader_read(r, 7, bytes, 3, &got, &err));
    assert_true(got == 3 && script.asked_size == 3);
    script.calls = 0;
    OK(ms_reader_read(r, 10, bytes, 100, &got, &err));
    OK(ms_reader_read(r, 99, bytes, 100, &got, &err));
    OK(ms_reader_read(r, 0, bytes, 0, &got, &err));
    assert_int_equal(got, 0);
    assert_int_equal(script.calls, 0);
    ms_reader_close(r);
}

static void fallbacks_call_as_often_as_needed(void **state)
{
    struct ms_backend *b = *state;
    char hex[129];
    OK(ms_backend_hash(b, ms_str("x"), "sha256", hex, sizeof hex, &err));
    assert_int_equal(script.calls, 2); /* info, load */
    script.calls = 0;
    OK(ms_backend_copy(b, ms_str("x"), ms_str("y"), NULL, &err));
    assert_int_equal(script.calls, 3); /* info, load, store */
    script.calls = 0;
    struct ms_writer *w = NULL;
    OK(ms_backend_write(b, ms_str("x"), 0, NULL, &w, &err));
    OK(ms_writer_append(w, ms_str("abc"), &err));
    OK(ms_writer_append(w, ms_str("def"), &err));
    assert_int_equal(script.calls, 0);
    script.result = MS_ERR_NO_SPACE;
    assert_int_equal(ms_writer_commit(w, NULL, &err), MS_ERR_NO_SPACE);
    assert_int_equal(script.calls, 1); /* store */
}

/* ---- registry ---- */

static void schemes_are_known_once(void **state)
{
    (void)state;
    struct ms_backend *b = NULL;
    assert_int_equal(ms_backend_register(&fake_type, &err), MS_ERR_EXISTS);
    assert_non_null(strstr(err.text, "fake"));
    assert_int_equal(ms_backend_make("nosuch:x", NULL, &b, &err), MS_ERR_URL);
    assert_non_null(strstr(err.text, "\"nosuch:\""));
    assert_non_null(strstr(err.text, "file:"));
    assert_non_null(strstr(err.text, "memory:"));
    assert_non_null(strstr(err.text, "fake:"));
    unsigned seen = 0;
    for (size_t i = 0; ms_backend_type_at(i); i++) {
        assert_non_null(ms_backend_type_at(i)->usage);
        seen++;
    }
    assert_true(seen >= 3);
    assert_null(ms_backend_type_at(seen));
    assert_null(ms_backend_type_at(SIZE_MAX));
}

static void unknown_options_are_refused(void **state)
{
    (void)state;
    struct ms_backend *b = NULL;
    unsigned freed = script.freed;
    assert_int_equal(ms_backend_make("fake:?known=1&nosuch=2", NULL, &b, &err), MS_ERR_URL);
    assert_non_null(strstr(err.text, "\"nosuch\""));
    assert_null(b);
    assert_int_equal(script.freed, freed + 1); /* the one that was made already */
    OK(ms_backend_make("FAKE:?known=1", NULL, &b, &err));
    ms_backend_free(b);
    ms_backend_free(NULL);
    script.freed = 0;
}

/* ---- names and ranges ---- */

static void names_fall_into_segments(void **state)
{
    (void)state;
    struct ms_view name = ms_str("data/01/key");
    assert_true(ms_equal(ms_name_last(name), ms_str("key")));
    assert_true(ms_equal(ms_name_parent(name), ms_str("data/01")));
    assert_true(ms_equal(ms_name_last(ms_str("key")), ms_str("key")));
    assert_int_equal(ms_name_parent(ms_str("key")).size, 0);
    assert_true(ms_name_hidden(ms_str("tmpabc.tmp")) && ms_name_hidden(ms_str("quota.hid")));
    assert_false(ms_name_hidden(ms_str("hid")) || ms_name_hidden(ms_str("a.tmp.b")));
    OK(ms_name_check(ms_str("a.tmp/b"), 255, &err));
    OK(ms_name_check(ms_str("12345/12345"), 5, &err));
    assert_int_equal(ms_name_check(ms_str("1/123456/2"), 5, &err), MS_ERR_NAME);
    assert_int_equal(ms_name_check(ms_view(NULL, 0), 5, NULL), MS_ERR_NAME);
}

static void ranges_are_clipped(void **state)
{
    static const struct {
        uint64_t all;
        int64_t offset;
        uint64_t size, start, count;
    } cases[] = {
        {10, 0, 10, 0, 10},        {10, 3, UINT64_MAX, 3, 7},
        {10, 10, 1, 10, 0},        {10, 99, 1, 10, 0},
        {10, -3, 2, 7, 2},         {10, -99, 3, 0, 3},
        {0, -1, UINT64_MAX, 0, 0}, {10, INT64_MIN, 10, 0, 10},
        {10, INT64_MAX, 1, 10, 0}, {UINT64_MAX, -1, 5, UINT64_MAX - 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t start = 1, count = 1;
        ms_range_clip(cases[i].all, cases[i].offset, cases[i].size, &start, &count);
        assert_true(start == cases[i].start && count == cases[i].count);
    }
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(failures_get_a_sentence),
        WITH_FAKE(positive_results_are_internal_errors),
        WITH_FAKE(more_than_was_asked_for_is_an_internal_error),
        WITH_FAKE(outputs_stay_untouched_on_failure),
        WITH_FAKE(a_failed_listing_can_be_closed),
        WITH_FAKE(a_failed_close_closes),
        WITH_FAKE(each_of_many_gets_a_result),
        WITH_FAKE(wrong_calls_never_reach_the_driver),
        WITH_FAKE(conditions_are_refused_where_they_are_not_known),
        WITH_FAKE(capabilities_are_asked_for_once),
        WITH_FAKE(reads_are_clipped_before_the_driver),
        WITH_FAKE(fallbacks_call_as_often_as_needed),
        cmocka_unit_test(schemes_are_known_once),
        cmocka_unit_test(unknown_options_are_refused),
        cmocka_unit_test(names_fall_into_segments),
        cmocka_unit_test(ranges_are_clipped),
    };
    if (ms_backend_register(&fake_type, &err))
        return 1;
    return cmocka_run_group_tests_name("checked calls", tests, NULL, NULL);
}
