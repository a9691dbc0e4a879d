/* base/hash.c: known digests, spellings, refusals. */
#include "base/hash.h"

#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void assert_digest(const char *algorithm, const char *text, const char *expected)
{
    struct ms_hash *h;
    struct ms_error err = {0};
    char hex[MS_HASH_HEX_MAX];
    assert_int_equal(ms_hash_new(algorithm, &h, &err), 0);
    struct ms_view all = ms_str(text);
    assert_int_equal(ms_hash_update(h, ms_view(all.data, all.size / 2), &err), 0);
    assert_int_equal(
        ms_hash_update(h, ms_view(all.data + all.size / 2, all.size - all.size / 2), &err), 0);
    assert_int_equal(ms_hash_hex(h, hex, sizeof hex, &err), 0);
    assert_string_equal(hex, expected);
    ms_hash_free(h);
}

static void known_digests(void **state)
{
    (void)state;
    assert_digest("sha256", "abc",
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest("SHA256", "abc",
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest("sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_digest("md5", "abc", "900150983cd24fb0d6963f7d28e17f72");
    assert_digest("sha3-256", "abc",
                  "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
    assert_digest("sha3_256", "abc",
                  "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
    assert_digest("sha512", "",
                  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
    static const char blake2b[] =
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
    assert_digest("blake2b", "abc", blake2b);
    assert_digest("blake2b512", "abc", blake2b);
    assert_digest("blake2s", "abc",
                  "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

static void refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "nonsense", "shake_128", "shake256", "null", "sha256\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_hash *h = NULL;
        struct ms_error err = {0};
        assert_int_equal(ms_hash_new(bad[i], &h, &err), MS_ERR_INVALID);
        assert_null(h);
        assert_non_null(strstr(err.text, "hash algorithm \""));
    }
    struct ms_hash *h;
    char small[64];
    assert_int_equal(ms_hash_new("sha256", &h, NULL), 0);
    assert_int_equal(ms_hash_hex(h, small, sizeof small, NULL), MS_ERR_INVALID);
    ms_hash_free(h);
    ms_hash_free(NULL);
}

static void sha256_of_bytes(void **state)
{
    (void)state;
    char hex[MS_SHA256_HEX];
    for (int i = 0; i < 2; i++) { /* fetched, then kept */
        assert_int_equal(ms_sha256_hex(ms_view(NULL, 0), hex, NULL), 0);
        assert_string_equal(hex,
                            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

static int hash_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        struct ms_hash *h = NULL;
        if (ms_hash_new("sha512", &h, NULL))
            return 0;
        ms_hash_free(h);
    }
}

static void end_while_others_hash(void)
{
    struct ms_group *g;
    char hex[MS_SHA256_HEX];
    if (ms_group_new(&g, NULL))
        _exit(1);
    for (int i = 0; i < 2; i++)
        if (ms_group_fork(g, hash_for_ever, NULL, NULL, NULL))
            _exit(1);
    ms_group_release(g);
    if (ms_sha256_hex(ms_str("abc"), hex, NULL))
        _exit(1);
    exit(0);
}

static void a_program_may_end_while_tasks_hash(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0)
            end_while_others_hash();
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),
        cmocka_unit_test(refusals),
        cmocka_unit_test(sha256_of_bytes),
        cmocka_unit_test(a_program_may_end_while_tasks_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
