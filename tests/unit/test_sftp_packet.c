/* SFTP packets: their bytes, and what becomes of damaged ones. */
#include "backends/sftp/packet.h"

#include "support/check.h"

#include <stdlib.h>

static void builds_the_bytes_of_the_draft(void **state)
{
    (void)state;
    static const uint8_t wanted[] = {
        0,    0,   0,   31,                                 /* length */
        3,    0,   0,   1,    2,                            /* OPEN, id */
        0,    0,   0,   10,   'a', 'b', 's', '/', 'd', '/', /* a path of two parts */
        'f',  'i', 'l', 'e',                                /* */
        0,    0,   0,   0x2a, 0,   0,   0,   4,   0,   0,
        0x01, 0x80 /* WRITE|CREAT|EXCL, permissions 0600 */
    };
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_OPEN, 0);
    ms_sftp_put_joined(&o, ms_str("abs/"), ms_str("d/file"));
    ms_sftp_put_u32(&o, MS_FXF_WRITE | MS_FXF_CREAT | MS_FXF_EXCL);
    ms_sftp_put_mode(&o, 0600);
    assert_true(ms_sftp_out_finish(&o, 258));
    assert_int_equal(o.size, sizeof wanted);
    assert_memory_equal(o.data, wanted, sizeof wanted);
    ms_sftp_out_fini(&o);
    ms_sftp_out_begin(&o, MS_FXP_SETSTAT, 0);
    ms_sftp_put_u64(&o, UINT64_C(0x0102030405060708));
    ms_sftp_put_times(&o, 1, 2);
    assert_true(ms_sftp_out_finish(&o, 0));
    static const uint8_t rest[] = {1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2};
    assert_int_equal(o.size, MS_SFTP_HEAD + sizeof rest);
    assert_memory_equal(o.data + MS_SFTP_HEAD, rest, sizeof rest);
    ms_sftp_out_fini(&o);
}

/* A string literal with its bytes. */
#define BYTES(text) ms_view(text, sizeof(text) - 1)

static void takes_answers_apart(void **state)
{
    (void)state;
    struct ms_sftp_answer a;
    assert_true(ms_sftp_parse(BYTES("\x65\0\0\0\7\0\0\0\2\0\0\0\4gone\0\0\0\2en"), &a));
    assert_int_equal(a.type, MS_FXP_STATUS);
    assert_int_equal(a.id, 7);
    assert_int_equal(a.status, MS_FX_NO_SUCH_FILE);
    assert_int_equal(a.text.size, 4);
    assert_memory_equal(a.text.data, "gone", 4);
    assert_true(ms_sftp_parse(BYTES("\x65\0\0\0\7\0\0\0\4"), &a)); /* without a message */
    assert_int_equal(a.status, MS_FX_FAILURE);
    assert_int_equal(a.text.size, 0);
    assert_true(ms_sftp_parse(BYTES("\x66\0\0\0\1\0\0\0\2h\0"), &a));
    assert_int_equal(a.text.size, 2);
    assert_true(ms_sftp_parse(BYTES("\x67\0\0\0\1\0\0\0\3abc"), &a));
    assert_memory_equal(a.text.data, "abc", 3);
    /* size, owner, mode, times, one extended pair */
    assert_true(ms_sftp_parse(BYTES("\x69\0\0\0\1\x80\0\0\x0f"
                                    "\0\0\0\1\0\0\0\2"
                                    "\0\0\0\3\0\0\0\4"
                                    "\0\0\x81\xa4"
                                    "\0\0\0\5\0\0\0\6"
                                    "\0\0\0\1\0\0\0\1x\0\0\0\1y"),
                              &a));
    assert_true(a.attrs.has_size && a.attrs.has_mode && a.attrs.has_times);
    assert_true(a.attrs.size == UINT64_C(0x100000002));
    assert_int_equal(a.attrs.mode, 0100644);
    assert_int_equal(a.attrs.atime, 5);
    assert_int_equal(a.attrs.mtime, 6);
}

static void walks_through_names(void **state)
{
    (void)state;
    struct ms_sftp_answer a;
    struct ms_sftp_attrs attrs;
    struct ms_view name;
    assert_true(ms_sftp_parse(BYTES("\x68\0\0\0\1\0\0\0\2"
                                    "\0\0\0\1a\0\0\0\2ll\0\0\0\4\0\0\x41\xed"
                                    "\0\0\0\2bc\0\0\0\0\0\0\0\0"),
                              &a));
    assert_int_equal(a.count, 2);
    assert_true(ms_sftp_next_name(&a.rest, &name, &attrs));
    assert_int_equal(name.size, 1);
    assert_int_equal(attrs.mode, 040755);
    assert_true(ms_sftp_next_name(&a.rest, &name, &attrs));
    assert_memory_equal(name.data, "bc", 2);
    assert_false(attrs.has_mode);
    assert_false(ms_sftp_next_name(&a.rest, &name, &attrs)); /* there is no third */
}

/* Every answer cut anywhere, in memory of exactly its size, so that a sanitizer sees each byte read
 * beyond. */
static void refuses_cut_packets(void **state)
{
    (void)state;
    const struct {
        struct ms_view packet;
        size_t whole_from; /* shorter ones are damaged */
    } cases[] = {
        {BYTES("\x65\0\0\0\7\0\0\0\2\0\0\0\4gone"), 17},
        {BYTES("\x66\0\0\0\1\0\0\0\2ha"), 11},
        {BYTES("\x67\0\0\0\1\0\0\0\3abc"), 12},
        {BYTES("\x68\0\0\0\1\0\0\0\1"), 9},
        {BYTES("\x69\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\1"), 17},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t size = 0; size <= cases[i].packet.size; size++) {
            uint8_t *copy = malloc(size ? size : 1);
            assert_non_null(copy);
            memcpy(copy, cases[i].packet.data, size);
            struct ms_sftp_answer a;
            bool whole = size >= cases[i].whole_from || (i == 0 && size == 9);
            if (ms_sftp_parse(ms_view(copy, size), &a) != whole)
                fail_msg("packet %zu cut to %zu bytes", i, size);
            free(copy);
        }
}

static void refuses_wild_lengths(void **state)
{
    (void)state;
    struct ms_sftp_answer a;
    assert_false(ms_sftp_parse(BYTES("\x66\0\0\0\1\xff\xff\xff\xffh"), &a));
    assert_false(ms_sftp_parse(BYTES("\x66\0\0\0\1\0\0\0\0"), &a)); /* an empty handle */
    assert_false(ms_sftp_parse(BYTES("\x69\0\0\0\1\x80\0\0\0\xff\xff\xff\xff"), &a));
    assert_false(ms_sftp_parse(BYTES("\x02\0\0\0\3"), &a)); /* VERSION is no answer */
    assert_false(ms_sftp_parse(BYTES("\x03\0\0\0\3"), &a)); /* nor is a request */
    assert_true(ms_sftp_parse(BYTES("\x68\0\0\0\1\xff\xff\xff\xff"), &a));
    struct ms_sftp_attrs attrs;
    struct ms_view name;
    assert_false(ms_sftp_next_name(&a.rest, &name, &attrs));
    uint8_t long_handle[9 + 257] = {0x66, 0, 0, 0, 1, 0, 0, 1, 1};
    assert_false(ms_sftp_parse(ms_view(long_handle, sizeof long_handle), &a));
    assert_false(ms_sftp_parse(ms_view(NULL, 0), &a));
}

static void knows_what_a_server_offers(void **state)
{
    (void)state;
    struct ms_sftp_features f;
    assert_true(ms_sftp_parse_version(BYTES("\2\0\0\0\3"), &f));
    assert_int_equal(f.version, 3);
    assert_false(f.posix_rename || f.hardlink || f.fsync || f.statvfs || f.limits || f.copy_data);
    assert_int_equal(f.max_read, 32768);
    assert_int_equal(f.max_write, 32768);
    assert_true(ms_sftp_parse_version(BYTES("\2\0\0\0\3"
                                            "\0\0\0\x18posix-rename@openssh.com\0\0\0\1"
                                            "1"
                                            "\0\0\0\x13statvfs@openssh.com\0\0\0\1"
                                            "1"
                                            "\0\0\0\1x\0\0\0\0"
                                            "\0\0\0\x09"
                                            "copy-data\0\0\0\1"
                                            "1"),
                                      &f));
    assert_true(f.posix_rename && f.copy_data);
    assert_false(f.statvfs); /* of a version that is not known */
    assert_false(ms_sftp_parse_version(BYTES("\2\0\0\0\3\0\0\0\4abc"), &f));
    assert_false(ms_sftp_parse_version(BYTES("\2\0\0"), &f));
    assert_false(ms_sftp_parse_version(BYTES("HTTP/1.1 400 Bad"), &f));
}

static void knows_quirks_by_the_banner(void **state)
{
    (void)state;
    struct ms_sftp_features f = {.hardlink = true, .posix_rename = true};
    ms_sftp_apply_quirks("SSH-2.0-OpenSSH_9.2p1 Debian-2", &f);
    ms_sftp_apply_quirks(NULL, &f);
    assert_true(f.hardlink && f.posix_rename && !f.gaps);
    ms_sftp_apply_quirks("SSH-2.0-rclone/v1.60.1-DEV", &f);
    assert_true(!f.hardlink && f.posix_rename && f.gaps && f.symbols);
}

static void writes_names_with_symbols(void **state)
{
    (void)state;
    static const struct {
        const char *name, *written;
    } cases[] = {
        {"plain name", "plain name"},
        {"\x01\x1f\x7f", "\xe2\x90\x81\xe2\x90\x9f\xe2\x90\xa1"},
        {"a\nb", "a\xe2\x90\x8a"
                 "b"},
        {"\xe2\x90\x81", "\xe2\x80\x9b\xe2\x90\x81"}, /* a symbol that is meant */
        {"\xe2\x80\x9b!", "\xe2\x80\x9b\xe2\x80\x9b!"},
        {"\xe2\x90\x80", "\xe2\x90\x80"}, /* of NUL, which no name holds */
        {"\xff\xe2\x90", "\xff\xe2\x90"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t there[64], back[64];
        size_t n = ms_sftp_encode_name(ms_str(cases[i].name), there);
        assert_int_equal(n, strlen(cases[i].written));
        assert_memory_equal(there, cases[i].written, n);
        n = ms_sftp_decode_name(ms_view(there, n), back);
        assert_int_equal(n, strlen(cases[i].name));
        assert_memory_equal(back, cases[i].name, n);
    }
    uint8_t back[8]; /* a mark before what needs none stays, as does one at the end */
    assert_int_equal(ms_sftp_decode_name(ms_str("\xe2\x80\x9b!"), back), 4);
    assert_memory_equal(back, "\xe2\x80\x9b!", 4);
    assert_int_equal(ms_sftp_decode_name(ms_str("\xe2\x80\x9b"), back), 3);
}

static void takes_limits_within_reason(void **state)
{
    (void)state;
    static const struct {
        uint64_t told;
        uint32_t taken;
    } cases[] = {{0, 255 << 10},       {1, 512},
                 {261120, 261120},     {65536, 65536},
                 {UINT64_MAX, 261120}, {UINT64_C(1) << 32, 261120}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_sftp_out o;
        struct ms_sftp_features f = {.max_read = 9};
        ms_sftp_out_begin(&o, MS_FXP_EXTENDED_REPLY, 0);
        ms_sftp_put_u64(&o, 262144);
        ms_sftp_put_u64(&o, cases[i].told);
        ms_sftp_put_u64(&o, cases[i].told);
        ms_sftp_put_u64(&o, 10);
        struct ms_view body = ms_view(o.data + MS_SFTP_HEAD, o.size - MS_SFTP_HEAD);
        assert_true(ms_sftp_parse_limits(ms_sftp_in(body), &f));
        assert_int_equal(f.max_read, cases[i].taken);
        assert_int_equal(f.max_write, cases[i].taken);
        body.size--;
        assert_false(ms_sftp_parse_limits(ms_sftp_in(body), &f));
        ms_sftp_out_fini(&o);
    }
}

static void counts_free_space(void **state)
{
    (void)state;
    static const uint64_t fields[] = {4096, 512, 1000, 700, 600, 9, 9, 9, 1, 0, 255};
    struct ms_sftp_out o;
    uint64_t total = 0, left = 0;
    ms_sftp_out_begin(&o, MS_FXP_EXTENDED_REPLY, 0);
    for (size_t i = 0; i < 11; i++)
        ms_sftp_put_u64(&o, fields[i]);
    struct ms_view body = ms_view(o.data + MS_SFTP_HEAD, o.size - MS_SFTP_HEAD);
    assert_true(ms_sftp_parse_statvfs(ms_sftp_in(body), &total, &left));
    assert_int_equal(total, 512000);
    assert_int_equal(left, 307200);
    memset(o.data + MS_SFTP_HEAD + 8, 0xff, 16); /* overflows */
    assert_true(ms_sftp_parse_statvfs(ms_sftp_in(body), &total, &left));
    assert_true(total == UINT64_MAX && left == UINT64_MAX);
    assert_false(ms_sftp_parse_statvfs(ms_sftp_in(ms_view(body.data, 39)), &total, &left));
    ms_sftp_out_fini(&o);
}

static void gives_statuses_a_code_and_a_name(void **state)
{
    (void)state;
    assert_int_equal(ms_sftp_status_code(MS_FX_OK), 0);
    assert_int_equal(ms_sftp_status_code(MS_FX_NO_SUCH_FILE), MS_ERR_NOT_FOUND);
    assert_int_equal(ms_sftp_status_code(MS_FX_PERMISSION_DENIED), MS_ERR_ACCESS);
    assert_int_equal(ms_sftp_status_code(MS_FX_FAILURE), MS_ERR_IO);
    assert_int_equal(ms_sftp_status_code(MS_FX_OP_UNSUPPORTED), MS_ERR_UNSUPPORTED);
    assert_int_equal(ms_sftp_status_code(11), MS_ERR_EXISTS);
    assert_int_equal(ms_sftp_status_code(14), MS_ERR_NO_SPACE);
    assert_int_equal(ms_sftp_status_code(UINT32_MAX), MS_ERR_IO);
    assert_string_equal(ms_sftp_status_name(MS_FX_PERMISSION_DENIED), "PERMISSION_DENIED");
    assert_string_equal(ms_sftp_status_name(4711), "an unknown status");
    for (uint32_t status = 0; status < 40; status++)
        assert_non_null(ms_sftp_status_name(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_the_bytes_of_the_draft),
        cmocka_unit_test(takes_answers_apart),
        cmocka_unit_test(walks_through_names),
        cmocka_unit_test(refuses_cut_packets),
        cmocka_unit_test(refuses_wild_lengths),
        cmocka_unit_test(knows_what_a_server_offers),
        cmocka_unit_test(knows_quirks_by_the_banner),
        cmocka_unit_test(writes_names_with_symbols),
        cmocka_unit_test(takes_limits_within_reason),
        cmocka_unit_test(counts_free_space),
        cmocka_unit_test(gives_statuses_a_code_and_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
