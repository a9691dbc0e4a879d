/* Promises about writers and readers: values piece by piece, invisible before, pinned after. */
#include "backend_suite.h"

#include <stdlib.h>

static struct ms_writer *writer(struct fixture *f, const char *name,
                                const struct ms_precondition *pre)
{
    struct ms_writer *w = NULL;
    OK(ms_backend_write(f->b, ms_str(name), 0, pre, &w, &f->err));
    return w;
}

static void writes_piece_by_piece(void **state)
{
    struct fixture *f = fixture(state);
    static const size_t pieces[] = {0, 1, 4095, 4096, 100000, 1 << 20, 3, 0, 2 << 20};
    size_t size = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        size += pieces[i];
    uint8_t *bytes = pattern(size, 1);
    struct ms_writer *w = NULL;
    OK(ms_backend_write(f->b, ms_str("new/dir/v"), size, NULL, &w, &f->err));
    for (size_t i = 0, at = 0; i < sizeof pieces / sizeof *pieces; at += pieces[i++])
        OK(ms_writer_append(w, ms_view(bytes + at, pieces[i]), &f->err));
    is_missing(f, "new/dir/v");
    struct ms_tag tag = {{0}};
    OK(ms_writer_commit(w, &tag, &f->err));
    holds_value(f, "new/dir/v", ms_view(bytes, size));
    struct ms_info info;
    OK(ms_backend_info(f->b, ms_str("new/dir/v"), &info, &f->err));
    assert_string_equal(info.tag.text, tag.text);
    lists(f, "new/dir", "v");
    free(bytes);
}

static void a_hint_is_only_a_hint(void **state)
{
    static const uint64_t hints[] = {1, 3, 1000, (uint64_t)1 << 60};
    struct fixture *f = fixture(state);
    for (size_t i = 0; i < 3; i++) {
        struct ms_writer *w = NULL;
        OK(ms_backend_write(f->b, ms_str("v"), hints[i], NULL, &w, &f->err));
        OK(ms_writer_append(w, ms_str("abc"), &f->err));
        OK(ms_writer_commit(w, NULL, &f->err));
        holds_text(f, "v", "abc");
    }
}

static void an_empty_writer_makes_an_empty_value(void **state)
{
    struct fixture *f = fixture(state);
    OK(ms_writer_commit(writer(f, "v", NULL), NULL, &f->err));
    holds_text(f, "v", "");
}

static void replaces_at_the_commit(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "v", "old"));
    struct ms_writer *w = writer(f, "v", NULL);
    OK(ms_writer_append(w, ms_str("new value"), &f->err));
    holds_text(f, "v", "old");
    OK(ms_writer_commit(w, NULL, &f->err));
    holds_text(f, "v", "new value");
}

static void an_abort_leaves_nothing(void **state)
{
    struct fixture *f = fixture(state);
    OK(put(f, "old", "kept"));
    uint8_t *bytes = pattern(1 << 20, 1);
    struct ms_writer *w = writer(f, "v", NULL);
    OK(ms_writer_append(w, ms_view(bytes, 1 << 20), &f->err));
    ms_writer_abort(w);
    w = writer(f, "old", NULL);
    OK(ms_writer_append(w, ms_view(bytes, 1 << 20), &f->err));
    ms_writer_abort(w);
    ms_writer_abort(writer(f, "untouched", NULL));
    ms_writer_abort(NULL);
    free(bytes);
    is_missing(f, "v");
    holds_text(f, "old", "kept");
    lists(f, "", "old");
    OK(ms_backend_delete(f->b, ms_str("old"), &f->err));
    uint64_t removed = 99;
    OK(ms_backend_sweep(f->b, 0, &removed, &f->err));
    assert_int_equal(removed, 0); /* no temporary stayed behind */
}

static void writes_only_if_absent(void **state)
{
    struct fixture *f = fixture(state);
    if (!CAN(f, MS_CAP_IF_ABSENT))
        return;
    struct ms_writer *first = writer(f, "d/v", &if_absent), *second = writer(f, "d/v", &if_absent);
    OK(ms_writer_append(second, ms_str("second"), &f->err));
    OK(ms_writer_append(first, ms_str("first"), &f->err));
    OK(ms_writer_commit(first, NULL, &f->err));
    FAILS(MS_ERR_EXISTS, ms_writer_commit(second, NULL, &f->err));
    holds_text(f, "d/v", "first");
    lists(f, "d", "v");
}

static void writes_only_if_unchanged(void **state)
{
    struct fixture *f = fixture(state);
    if (!CAN(f, MS_CAP_IF_TAG))
        return;
    struct ms_precondition pre = {.kind = MS_IF_TAG};
    OK(put_bytes(f, "v", ms_str("one"), NULL, &pre.tag));
    struct ms_writer *first = writer(f, "v", &pre), *second = writer(f, "v", &pre);
    OK(ms_writer_append(first, ms_str("first"), &f->err));
    OK(ms_writer_append(second, ms_str("second"), &f->err));
    OK(ms_writer_commit(second, NULL, &f->err));
    FAILS(MS_ERR_CONFLICT, ms_writer_commit(first, NULL, &f->err));
    holds_text(f, "v", "second");
}

static void writers_do_not_disturb_each_other(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_writer *w[8];
    for (int i = 0; i < 8; i++)
        w[i] = writer(f, "same", NULL);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 8; i++) {
            char digit = (char)('0' + i);
            OK(ms_writer_append(w[i], ms_view(&digit, 1), &f->err));
        }
    for (int i = 0; i < 8; i++) {
        char wanted[4] = {(char)('0' + i), (char)('0' + i), (char)('0' + i), 0};
        OK(ms_writer_commit(w[i], NULL, &f->err));
        holds_text(f, "same", wanted);
    }
}

static void values_beyond_memory_limits(void **state)
{
    struct fixture *f = fixture(state);
    size_t block = 8 << 20, blocks = 9; /* 72 MiB: more than a fallback collects */
    uint8_t *bytes = calloc(1, block);
    assert_non_null(bytes);
    struct ms_writer *w = writer(f, "big", NULL);
    int code = 0;
    for (size_t i = 0; i < blocks && !code; i++)
        code = ms_writer_append(w, ms_view(bytes, block), &f->err);
    free(bytes);
    if (f->candidate->stores_streams) {
        OK(code);
        OK(ms_writer_commit(w, NULL, &f->err));
        struct ms_info info;
        OK(ms_backend_info(f->b, ms_str("big"), &info, &f->err));
        assert_int_equal(info.size_bytes, block * blocks);
        return;
    }
    FAILS(MS_ERR_TOO_LARGE, code);
    FAILS(MS_ERR_TOO_LARGE, ms_writer_commit(w, NULL, &f->err)); /* what failed stays failed */
    is_missing(f, "big");
}

/* ---- readers ---- */

static void reads(struct fixture *f, struct ms_reader *r, uint64_t offset, size_t size,
                  const char *wanted)
{
    uint8_t bytes[64];
    size_t got = 99;
    OK(ms_reader_read(r, offset, bytes, size, &got, &f->err));
    assert_int_equal(got, strlen(wanted));
    if (got)
        assert_memory_equal(bytes, wanted, got);
}

static void reads_anywhere(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_reader *r = NULL;
    struct ms_tag tag;
    OK(put_bytes(f, "v", ms_str("0123456789"), NULL, &tag));
    OK(ms_backend_read(f->b, ms_str("v"), &r, &f->err));
    assert_true(ms_reader_info(r)->exists);
    assert_false(ms_reader_info(r)->directory);
    assert_int_equal(ms_reader_info(r)->size_bytes, 10);
    assert_string_equal(ms_reader_info(r)->tag.text, tag.text);
    reads(f, r, 0, 10, "0123456789");
    reads(f, r, 7, 2, "78");
    reads(f, r, 2, 3, "234");
    reads(f, r, 8, 60, "89");
    reads(f, r, 0, 60, "0123456789");
    reads(f, r, 10, 5, "");
    reads(f, r, UINT64_MAX, 5, "");
    reads(f, r, 3, 0, "");
    ms_reader_close(r);
    ms_reader_close(NULL);
}

static void reads_large_values(void **state)
{
    struct fixture *f = fixture(state);
    size_t size = (4 << 20) + 4321, block = 300001;
    uint8_t *bytes = pattern(size, 2), *back = malloc(block);
    assert_non_null(back);
    OK(put_bytes(f, "v", ms_view(bytes, size), NULL, NULL));
    struct ms_reader *r = NULL;
    OK(ms_backend_read(f->b, ms_str("v"), &r, &f->err));
    size_t at = 0, got = 1;
    while (got) {
        OK(ms_reader_read(r, at, back, block, &got, &f->err));
        assert_memory_equal(back, bytes + at, got);
        at += got;
    }
    assert_int_equal(at, size);
    ms_reader_close(r);
    free(back);
    free(bytes);
}

static void a_reader_never_mixes_versions(void **state)
{
    struct fixture *f = fixture(state);
    struct ms_reader *r = NULL;
    OK(put(f, "v", "aaaaaaaaaa"));
    OK(ms_backend_read(f->b, ms_str("v"), &r, &f->err));
    reads(f, r, 0, 5, "aaaaa");
    OK(put(f, "v", "bbbbbbbbbb"));
    uint8_t bytes[5];
    size_t got = 0;
    int code = ms_reader_read(r, 5, bytes, 5, &got, &f->err);
    if (code) /* the storage cannot hold on to the old one, and says so */
        FAILS(MS_ERR_CONFLICT, code);
    else
        assert_memory_equal(bytes, "aaaaa", 5);
    OK(ms_backend_delete(f->b, ms_str("v"), &f->err));
    code = ms_reader_read(r, 5, bytes, 5, &got, &f->err);
    if (code)
        FAILS(MS_ERR_CONFLICT, code);
    else
        assert_memory_equal(bytes, "aaaaa", 5);
    ms_reader_close(r);
}

const struct promise promises_streams[] = {
    {"writes piece by piece", writes_piece_by_piece},
    {"a hint is only a hint", a_hint_is_only_a_hint},
    {"an empty writer makes an empty value", an_empty_writer_makes_an_empty_value},
    {"replaces at the commit", replaces_at_the_commit},
    {"an abort leaves nothing", an_abort_leaves_nothing},
    {"writes only if absent", writes_only_if_absent},
    {"writes only if unchanged", writes_only_if_unchanged},
    {"writers do not disturb each other", writers_do_not_disturb_each_other},
    {"values beyond memory limits", values_beyond_memory_limits},
    {"reads anywhere", reads_anywhere},
    {"reads large values", reads_large_values},
    {"a reader never mixes versions", a_reader_never_mixes_versions},
    {0},
};
