/* Streams of mutable keys beyond what is held in memory: one version or a clear error while others
 * overwrite it, whole or nothing. */
#include "support/check.h"
#include "support/scratch.h"

#include <mstore/multi.h>

#include <stdio.h>

#define SIZE (12u << 20) /* more than MS_MUTABLE_HELD */
#define STEP (1u << 20)

static struct scratch scratch;
static struct ms_error err;
static struct ms_store *store;

static int begin(void **state)
{
    char path[200];
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    (void)state;
    if (!scratch_make(&scratch))
        return -1;
    snprintf(path, sizeof path, "%s/home.conf", scratch.path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", 7);
    for (int i = 0; i < 3; i++)
        fprintf(f, "[member m%d]\nurl = file://%s/m%d?sync=none\n", i, scratch.path, i);
    fputs("[namespace]\nkind = mutable\nredundancy = all\n", f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
    o.ignore_environment = true;
    o.seed = 7;
    o.state_folder = "";
    check_ok(ms_mstore_new(path, &o, &store, &err), err);
    check_ok(ms_store_create(store, &err), err);
    check_ok(ms_store_open(store, &err), err);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ms_store_free(store);
    scratch_remove(&scratch);
    return 0;
}

/* Byte i of the value is its letter plus the number of its MiB. */
static void append(struct ms_store_writer *w, char letter, unsigned steps)
{
    static uint8_t bytes[STEP];
    for (unsigned i = 0; i < steps; i++) {
        memset(bytes, letter + (int)i, sizeof bytes);
        check_ok(ms_store_writer_append(w, ms_view(bytes, sizeof bytes), &err), err);
    }
}

static void put(const char *key, char letter)
{
    struct ms_store_writer *w = NULL;
    struct ms_tag tag = {""};
    check_ok(ms_store_write(store, ms_str(key), 0, NULL, &w, &err), err);
    append(w, letter, SIZE / STEP);
    check_ok(ms_store_writer_commit(w, &tag, &err), err);
    assert_true(tag.text[0] != '\0');
}

static void one_version_or_a_conflict(void **state)
{
    static uint8_t bytes[STEP];
    struct ms_store_reader *r = NULL;
    size_t got = 0;
    int code = 0;
    (void)state;
    put("big", 'a');
    check_ok(ms_store_read(store, ms_str("big"), false, &r, &err), err);
    assert_int_equal(ms_store_reader_info(r)->size_bytes, SIZE);
    check_ok(ms_store_reader_read(r, 0, bytes, STEP, &got, &err), err);
    for (char letter = 'A'; letter < 'E'; letter++)
        put("big", letter);
    for (unsigned i = 0; i < SIZE / STEP && !code; i++) {
        code = ms_store_reader_read(r, (uint64_t)i * STEP, bytes, STEP, &got, &err);
        if (code)
            break;
        assert_int_equal(got, STEP);
        for (unsigned k = 0; k < STEP; k++)
            assert_int_equal(bytes[k], 'a' + i); /* of the first, all of it */
    }
    if (code) {
        check_code(code, MS_ERR_CONFLICT, err);
        check_text(err, "was replaced while it was read");
    }
    ms_store_reader_close(r);
    check_ok(ms_store_read(store, ms_str("big"), false, &r, &err), err);
    check_ok(ms_store_reader_read(r, SIZE - 10, bytes, STEP, &got, &err), err);
    assert_int_equal(got, 10);
    assert_int_equal(bytes[0], 'D' + SIZE / STEP - 1);
    ms_store_reader_close(r);
}

static void whole_or_nothing(void **state)
{
    struct ms_store_writer *w = NULL, *first = NULL;
    struct ms_item_info info;
    char before[200], after[200];
    (void)state;
    check_ok(ms_store_write(store, ms_str("other"), 0, NULL, &w, &err), err);
    append(w, 'x', SIZE / STEP);
    check_ok(ms_store_info(store, ms_str("other"), false, &info, &err), err);
    assert_false(info.exists); /* nothing is seen before the commit */
    ms_store_writer_abort(w);
    check_ok(ms_store_info(store, ms_str("other"), false, &info, &err), err);
    assert_false(info.exists);
    /* two at once: the one that commits last is there */
    check_ok(ms_store_write(store, ms_str("other"), 0, NULL, &first, &err), err);
    check_ok(ms_store_write(store, ms_str("other"), 0, NULL, &w, &err), err);
    append(first, '1', SIZE / STEP);
    append(w, 'q', 9);
    check_ok(ms_store_writer_commit(w, NULL, &err), err);
    check_ok(ms_store_writer_commit(first, NULL, &err), err);
    check_ok(ms_store_info(store, ms_str("other"), false, &info, &err), err);
    assert_int_equal(info.size_bytes, SIZE);
    check_ok(ms_store_hash(store, ms_str("other"), "sha256", false, before, sizeof before, &err),
             err);
    check_ok(ms_store_move(store, MS_MOVE_RENAME, ms_str("other"), ms_str("another"), false, &err),
             err);
    check_ok(ms_store_hash(store, ms_str("another"), "sha256", false, after, sizeof after, &err),
             err);
    assert_string_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_version_or_a_conflict),
        cmocka_unit_test(whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
