/* Allocation k of a call of the REST driver fails, k = 0, 1, 2 …, over TCP and over a pipe: the
 * call says so or does its work all the same, nothing leaks (AddressSanitizer's run looks), no
 * child and no descriptor stays behind, and the next call works. */
#include "peers/rest_rig.h"
#include "support/wrapalloc.h"

#define LARGE ((size_t)9 << 20) /* more than one block */

static int try_make(struct rig *rig)
{
    int code = rig_make(rig, "", "timeout=20s");
    if (code)
        return code;
    code = ms_backend_open(rig->b, &rig->err);
    return code == MS_ERR_MUST_NOT_BE_OPEN ? 0 : code;
}

static int try_store(struct rig *rig)
{
    return rig_put(rig, "new/v", "value");
}

static int try_load(struct rig *rig)
{
    static const int64_t offsets[] = {0, 3, -4, -2000};
    for (size_t i = 0; i < 4; i++) {
        struct ms_buf *value = NULL;
        int code = ms_backend_load(rig->b, ms_str("a"), offsets[i], i == 1 ? 2 : MS_SIZE_TO_END,
                                   &value, NULL, &rig->err);
        if (code)
            return code;
        ms_buf_unref(value);
    }
    return 0;
}

static int try_info(struct rig *rig)
{
    struct ms_info info;
    return ms_backend_info(rig->b, ms_str("a/below"), &info, &rig->err);
}

static int try_move(struct rig *rig)
{
    int code = rig_put(rig, "from", "moves");
    return code ? code
                : ms_backend_move(rig->b, ms_str("from"), ms_str("to/there"), NULL, &rig->err);
}

static int try_list(struct rig *rig)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    int code = ms_backend_list(rig->b, ms_str(""), NULL, &l, &rig->err);
    if (code)
        return code;
    do
        code = ms_lister_next(l, &e, &rig->err);
    while (code == 0 && e);
    ms_lister_close(l);
    return code;
}

static int write_some(struct rig *rig, const char *name, size_t size)
{
    static const uint8_t block[1 << 20];
    struct ms_writer *w = NULL;
    int code = ms_backend_write(rig->b, ms_str(name), 0, NULL, &w, &rig->err);
    if (code)
        return code;
    for (size_t at = 0; at < size && code == 0; at += sizeof block)
        code = ms_writer_append(w, ms_view(block, sizeof block), &rig->err);
    if (code == 0)
        return ms_writer_commit(w, NULL, &rig->err);
    ms_writer_abort(w);
    return code;
}

static int try_write(struct rig *rig)
{
    return write_some(rig, "written", 2 << 20);
}

static int try_read(struct rig *rig)
{
    struct ms_reader *r = NULL;
    uint8_t bytes[10];
    size_t got = 0;
    int code = ms_backend_read(rig->b, ms_str("large"), &r, &rig->err);
    if (code)
        return code;
    code = ms_reader_read(r, LARGE - 5, bytes, 10, &got, &rig->err);
    ms_reader_close(r);
    return code;
}

static int try_hash(struct rig *rig)
{
    char hex[129];
    return ms_backend_hash(rig->b, ms_str("a"), "sha256", hex, sizeof hex, &rig->err);
}

static int try_copy(struct rig *rig)
{
    return ms_backend_copy(rig->b, ms_str("a"), ms_str("copied"), NULL, &rig->err);
}

static int try_usage(struct rig *rig)
{
    uint64_t total, left;
    return ms_backend_usage(rig->b, &total, &left, &rig->err);
}

static const struct {
    const char *name;
    int (*call)(struct rig *rig);
    unsigned at_least; /* allocations that can fail */
} attempts[] = {
    {"make", try_make, 5}, {"store", try_store, 2}, {"load", try_load, 2},   {"info", try_info, 2},
    {"move", try_move, 4}, {"list", try_list, 4},   {"write", try_write, 4}, {"read", try_read, 4},
    {"hash", try_hash, 2}, {"copy", try_copy, 3},   {"usage", try_usage, 2},
};

/* The call with every one of its allocations failing in turn. */
static void every_allocation(struct rig *rig, size_t i)
{
    unsigned k = 0;
    for (bool failed = true; failed; k++) {
        rig->err = (struct ms_error){0};
        wrapalloc_arm(k);
        int code = attempts[i].call(rig);
        failed = wrapalloc_disarm();
        bool told = code == MS_ERR_NO_MEMORY && rig->err.code == code &&
                    (strstr(rig->err.text, "memory") || strstr(rig->err.text, "allocate"));
        if (code && (!failed || !told))
            fail_msg("%s, allocation %u: %s \"%s\"", attempts[i].name, k, ms_code_name(code),
                     rig->err.text);
        if (!rig->b || attempts[i].call == try_make)
            check_ok(try_make(rig), rig->err);
        rig_holds(rig, "a", "0123456789");
        assert_true(k < 200);
    }
    if (k < attempts[i].at_least)
        fail_msg("%s: only %u allocations failed", attempts[i].name, k);
}

static void calls_without_memory(void **state)
{
    (void)state;
    for (int stdio = 0; stdio < 2; stdio++)
        for (int whole = 0; whole < 2; whole++) { /* large values in blocks, and at once */
            struct rig rig;
            rig_open(&rig, stdio, whole ? "--no-atime" : "", "");
            check_ok(rig_put(&rig, "a", "0123456789"), rig.err);
            check_ok(rig_put(&rig, "d/b", "abc"), rig.err);
            check_ok(write_some(&rig, "large", LARGE), rig.err);
            for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
                if (!whole || attempts[i].call == try_read)
                    every_allocation(&rig, i);
            rig_stop(&rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
